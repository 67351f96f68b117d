/* What `dsp/dtmf_look.py` asks for: the last 120 ms of some ports, around two tones.

   Of a history are measured, in this order: envelopes of both tones, the newest run of them, how they go on in
   it, and (rest.h) what they leave of its sound. Axes of two are always low tone, high tone. */

#ifndef ZONGJI_LOOK_H
#define ZONGJI_LOOK_H

#include "keys.h"

#define LOUD_STEPS 30   /* the newest, of which the loudest give the peak of a tone */
#define LOUDEST_STEPS 8
#define EDGE_SAMPLES 40 /* so far from an edge a filter no longer smears it */
#define HOLE_STEPS 2    /* nor so far from a hole */

/* A tone's envelope, step by step. */
typedef struct {
    float re, im;
} phasor;
typedef phasor wave[2][STEPS];
typedef float level[2][STEPS];

/* A stretch of both tones, in samples of a history; holes: silent steps inside it. */
typedef struct {
    double start, end, sounding, holes;
} run;

/* How the tones of a run go on: their frequencies, how far the worse is off as a share, the worse phase error
   [rms, radians] and unevenness. */
typedef struct {
    double hz[2], off, wobble, unevenness;
} course;

static float loudness(const float *amplitude)
{
    float loud[LOUDEST_STEPS] = {0}, sum = 0; /* falling */
    for (int step = STEPS - LOUD_STEPS; step < STEPS; step++) {
        float here = amplitude[step];
        for (int i = 0; i < LOUDEST_STEPS; i++)
            if (here > loud[i]) {
                float softer = loud[i];
                loud[i] = here;
                here = softer;
            }
    }
    for (int i = 0; i < LOUDEST_STEPS; i++)
        sum += loud[i] / LOUDEST_STEPS;
    return sum > 1e-6f ? sum : 1e-6f;
}

/* Envelopes of LANES histories or fewer, in amplitudes. */
static void envelopes(keys *k, const float *history, const int64_t *pair, int count, wave *to, level *amplitude)
{
    memset(k->sound, 0, sizeof(vec) * WHOLE);
    for (int l = 0; l < count; l++)
        for (int n = 0; n < HISTORY; n++)
            k->sound[n][l] = history[l * HISTORY + n];
    forward(&k->whole, k->sound, k->spectrum);
    for (int which = 0; which < 2; which++) {
        memset(k->band, 0, sizeof(complex_vec) * SLICE);
        for (int l = 0; l < count; l++) {
            int tone = which ? high_of(pair[l]) : low_of(pair[l]);
            for (int i = 0; i < SLICE; i++) {
                const complex_vec *bin = k->spectrum + k->centre[tone] + (i < SLICE / 2 ? i : i - SLICE);
                k->band[i].re[l] = bin->re[l] * k->shape[tone][i];
                k->band[i].im[l] = bin->im[l] * k->shape[tone][i];
            }
        }
        const complex_vec *z = transform(&k->slice, k->band, -1);
        for (int step = 0; step < STEPS; step++) {
            vec square = z[step].re * z[step].re + z[step].im * z[step].im;
            for (int l = 0; l < count; l++) {
                to[l][which][step] = (phasor){z[step].re[l], z[step].im[l]};
                amplitude[l][which][step] = sqrtf(square[l]);
            }
        }
    }
}

/* For each step the share of its peak that the weaker tone has. */
static void weaker_share(level amplitude, const double *peak, double *share)
{
    for (int step = 0; step < STEPS; step++)
        share[step] = smaller(amplitude[0][step] / peak[0], amplitude[1][step] / peak[1]);
}

/* Where a share crosses a half between a step over it and its neighbour, from the step on, in steps. */
static double crossing(double here, double beside) { return (here - 0.5) / larger(here - beside, 1e-9); }

/* The last stretch where both tones are over half of their peak, bridging gaps of so many steps. */
static run newest_run(const double *share, double bridged)
{
    int last = STEPS - 1, silent = 0, holes = 0;
    while (last >= 0 && share[last] <= 0.5)
        last--;
    if (last < 0)
        return (run){0, 0, 0, 0};
    int first = last;
    for (int step = last - 1; step >= 0 && silent <= bridged; step--) {
        if (share[step] > 0.5) {
            first = step;
            holes += silent;
            silent = 0;
        } else
            silent++;
    }
    double start = first - crossing(share[first], first ? share[first - 1] : 0);
    double end = smaller(last + crossing(share[last], last + 1 < STEPS ? share[last + 1] : 0), STEPS);
    return (run){STEP * start, STEP * end, STEP * (end - start - holes), holes};
}

/* Follow both tones from where they were last heard. Moves `*until` to where that was before a pause, or last of
   all; whether there was such a pause. */
static int first_pause(const double *share, double pause, double *until)
{
    for (int step = (int)larger(floor(*until / STEP), 0); step < STEPS; step++) {
        if (share[step] > 0.5) {
            double after = step + 1 < STEPS ? share[step + 1] : 0;
            *until = smaller(STEP * (step + (after > 0.5 ? 1 : crossing(share[step], after))), HISTORY);
        }
        if ((step + 1) * STEP - *until >= pause)
            return 1;
    }
    return 0;
}

/* Marks the steps of a run that neither its edges nor an interruption touch. */
static void mark_inside(level amplitude, const double *peak, const run *r, uint8_t *inside)
{
    double share[STEPS];
    if (r->holes > 0)
        weaker_share(amplitude, peak, share);
    for (int step = 0; step < STEPS; step++)
        inside[step] = step * STEP >= r->start + EDGE_SAMPLES && step * STEP <= r->end - EDGE_SAMPLES;
    for (int step = 0; r->holes > 0 && step < STEPS; step++)
        if (share[step] < 0.5 && step * STEP > r->start && step * STEP < r->end)
            for (int i = step - HOLE_STEPS; i <= step + HOLE_STEPS; i++)
                if (i >= 0 && i < STEPS)
                    inside[i] = 0;
}

/* How one tone goes on over the inside of a run; off, wobble and unevenness are the larger of two in the end. */
static void follow_tone(const keys *k, int tone, const phasor *z, const float *amplitude, const uint8_t *inside,
                        double *hz, course *c)
{
    double count = 0, weight = 0, moment = 0, turn_re = 0, turn_im = 0, spread = 0;
    for (int i = 0; i < STEPS; i++) {
        if (!inside[i])
            continue;
        count++;
        weight += amplitude[i];
        moment += (double)amplitude[i] * i;
        if (i + 1 < STEPS && inside[i + 1]) {
            turn_re += z[i].re * z[i + 1].re + z[i].im * z[i + 1].im;
            turn_im += z[i].re * z[i + 1].im - z[i].im * z[i + 1].re;
        }
    }
    weight = larger(weight, 1e-9);
    double mean = weight / larger(count, 1), middle = moment / weight, turn = atan2(turn_im, turn_re);
    double sum_re = 0, sum_im = 0;
    phasor still[STEPS];
    for (int i = 0; i < STEPS; i++) {
        if (!inside[i])
            continue;
        float back = (float)(turn * i), re = cosf(back), im = -sinf(back);
        still[i] = (phasor){z[i].re * re - z[i].im * im, z[i].re * im + z[i].im * re};
        sum_re += still[i].re;
        sum_im += still[i].im;
        spread += (amplitude[i] - mean) * (amplitude[i] - mean);
    }
    double size = larger(hypot(sum_re, sum_im), 1e-30);
    float re = (float)(sum_re / size), im = (float)(-sum_im / size), error[STEPS];
    double drift = 0, square = 0, shift = 0, wobble = 0;
    for (int i = 0; i < STEPS; i++) {
        if (!inside[i])
            continue;
        double away = i - middle;
        error[i] = atan2f(still[i].re * im + still[i].im * re, still[i].re * re - still[i].im * im);
        drift += amplitude[i] * away * error[i];
        square += amplitude[i] * away * away;
        shift += amplitude[i] * error[i];
    }
    double slope = drift / larger(square, 1e-9);
    shift /= weight;
    for (int i = 0; i < STEPS; i++)
        if (inside[i]) {
            double left = error[i] - slope * (i - middle) - shift;
            wobble += amplitude[i] * left * left;
        }
    *hz = (turn + slope) / (TURN * STEP) + k->centre[tone] * BIN_HZ;
    c->off = larger(c->off, fabs(*hz / k->hz[tone] - 1));
    c->wobble = larger(c->wobble, sqrt(wobble / weight));
    c->unevenness = larger(c->unevenness, sqrt(spread / larger(count, 1)) / mean);
}

#endif
