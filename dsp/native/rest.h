/* What two tones leave of a run's sound: see `Rest` of `dsp/dtmf_look.py`, and `Onset`. */

#ifndef ZONGJI_REST_H
#define ZONGJI_REST_H

#include "look.h"

#define RIM_SAMPLES 24  /* so far from the edges of a run its samples are counted */
#define BASS_HZ 600
#define CLIPPED_RESIDUE 0.03 /* from these on a limiter may be what stands out */
#define CLIPPED_CREST 14.0
#define GROWN_RESIDUE 0.02  /* from these on it is told how much of what is left was there before, */
#define RUGGED_RESIDUE 0.12 /* and whether it is noise */
#define BEFORE_SAMPLES 320  /* in which that is looked for */
#define UP_TO_HZ 3400       /* all between the bass and here */
#define APART_HZ 110        /* so far from a tone nothing of it is left */
#define LEAST_BEFORE 160 /* so much must have been heard before a run to tell how it begins */

/* What the two tones leave, see `Rest`; and how they begin, see `Onset`: apart is -1 where that was not heard. */
typedef struct {
    double peak[2], residue, residue_peak, residue_crest, bass_peak, noise, unclipped, rugged_db, grown_db;
    double lead[2], apart;
} rest;

/* The two tones of a run, and the window that its samples are seen through. */
typedef struct {
    float window[WHOLE], waves[4][WHOLE]; /* cosines of both tones, then their sines */
    float seen[WHOLE];                    /* sound behind the window */
    int first, size, count;               /* from where, how many samples of a transform; of these under the window */
    double length;
} fit;

static int is_brief(const run *r) { return r->end - r->start - 2 * RIM_SAMPLES <= BRIEF; }

/* 1 for the samples of a run, with soft edges 0 where a hole was left out. */
static void close_holes(fit *f, const run *r, const uint8_t *inside)
{
    float open[STEPS];
    for (int i = 0; i < STEPS; i++) {
        int within = i * STEP > r->start + EDGE_SAMPLES && i * STEP < r->end - EDGE_SAMPLES;
        open[i] = !within || inside[i];
    }
    for (int n = 0; n < f->count; n++) {
        int place = f->first + n, step = place / STEP;
        float part = (float)(place % STEP) / STEP;
        if (step + 1 < STEPS)
            f->window[n] *= open[step] + part * (open[step + 1] - open[step]);
        else
            f->window[n] *= open[STEPS - 1];
    }
}

/* Cosine and sine of a wave, sample by sample. */
typedef struct {
    double re, im, turn_re, turn_im;
} rotor;

static rotor rotor_from(double radians, double turn)
{
    return (rotor){cos(radians), sin(radians), cos(turn), sin(turn)};
}

INLINE void rotate(rotor *r)
{
    double re = r->re * r->turn_re - r->im * r->turn_im;
    r->im = r->re * r->turn_im + r->im * r->turn_re;
    r->re = re;
}

static void look_through(fit *f, const float *history, const run *r, const double *hz, const uint8_t *inside)
{
    double begin = r->start + RIM_SAMPLES;
    f->length = larger(r->end - r->start - 2 * RIM_SAMPLES, 16);
    f->first = (int)smaller(begin, HISTORY);
    f->size = is_brief(r) ? BRIEF : WHOLE;
    f->count = (int)smaller(floor(f->length + begin - f->first) + 1, smaller(f->size, HISTORY - f->first));
    memset(f->window, 0, sizeof f->window);
    memset(f->seen, 0, sizeof f->seen);
    rotor low = rotor_from(0, TURN * hz[0]), high = rotor_from(0, TURN * hz[1]);
    rotor edge = rotor_from(2 * M_PI * (f->first - begin) / f->length, 2 * M_PI / f->length);
    for (int n = 0; n < f->count; n++) {
        if (f->first + n > begin) /* the first sample may lie just before the run */
            f->window[n] = (float)(0.5 - 0.5 * edge.re);
        f->waves[0][n] = (float)low.re;
        f->waves[1][n] = (float)high.re;
        f->waves[2][n] = (float)low.im;
        f->waves[3][n] = (float)high.im;
        rotate(&low);
        rotate(&high);
        rotate(&edge);
    }
    for (int n = f->count; n < (f->count + LANES - 1) / LANES * LANES; n++)
        for (int i = 0; i < 4; i++)
            f->waves[i][n] = 0;
    if (r->holes > 0)
        close_holes(f, r, inside);
    for (int n = 0; n < f->count; n++)
        f->seen[n] = history[f->first + n] * f->window[n];
}

/* Whether a bin holds something of what a limiter, alike both ways, makes of two tones: sums and differences of
   three or five times their frequencies. */
static int is_product(const fit *f, const double *hz, int bin)
{
    double bin_hz = RATE_HZ / f->size, reach = 2.0 * f->size / f->length;
    for (int order = 3; order <= 5; order += 2)
        for (int times = -order; times <= order; times++) {
            double wave_hz = (order - (times < 0 ? -times : times)) * hz[0] + times * hz[1];
            wave_hz = fabs(remainder(wave_hz, RATE_HZ));
            if (fabs(bin - wave_hz / bin_hz) <= reach)
                return 1;
        }
    return 0;
}

/* What of the power of all bins [size / 2 + 1] lies apart from such products, against what lies above the bass. */
static double apart_from_products(const fit *f, const double *hz, const vec *power, int l, double above)
{
    int bins = f->size / 2 + 1, apart = 0;
    double sum = 0;
    for (int bin = 0; bin < bins; bin++)
        if (!is_product(f, hz, bin)) {
            apart++;
            sum += power[bin][l];
        }
    return apart ? sum * bins / (above * apart) : 1;
}

/* The bins that are looked at for what is left: whether this is one of them. */
static int is_beside(double bin_hz, const double *hz)
{
    return bin_hz >= BASS_HZ && fabs(bin_hz - hz[0]) > APART_HZ && fabs(bin_hz - hz[1]) > APART_HZ;
}

/* Their power, of a transform of this size, per Hz and sample of sound. */
static double power_beside(int size, double window_power, const double *hz, const vec *power, int l)
{
    double sum = 0, step_hz = RATE_HZ / size;
    for (int bin = 0; bin * step_hz < UP_TO_HZ; bin++)
        if (is_beside(bin * step_hz, hz))
            sum += power[bin][l];
    return sum * step_hz * size / window_power;
}

/* How far the mean of the logarithms of powers lies under the logarithm of their mean, in those bins, once a
   straight slope of the logarithms is taken out; in dB. */
static double ruggedness(const fit *f, const double *hz, const vec *power, int l)
{
    double bin_hz = RATE_HZ / f->size, loud[WHOLE / 2], at_khz[WHOLE / 2];
    double mean = 0, middle = 0, along = 0, square = 0, power_mean = 0;
    int count = 0;
    for (int bin = 0; bin * bin_hz < UP_TO_HZ; bin++) {
        double here_hz = bin * bin_hz;
        if (!is_beside(here_hz, hz))
            continue;
        loud[count] = log(larger(power[bin][l], 1e-12));
        at_khz[count] = here_hz / 1000;
        mean += loud[count];
        middle += at_khz[count++];
    }
    mean /= count;
    middle /= count;
    for (int i = 0; i < count; i++) {
        along += (at_khz[i] - middle) * (loud[i] - mean);
        square += (at_khz[i] - middle) * (at_khz[i] - middle);
    }
    for (int i = 0; i < count; i++)
        power_mean += exp(loud[i] - mean - along / square * (at_khz[i] - middle)) / count;
    return 10 / M_LN10 * log(power_mean);
}

/* Where the half of a tone was reached that is heard at a step, or is reached next; in samples. */
static double half_reached(const double *share, int step)
{
    while (step < STEPS - 1 && share[step] <= 0.5)
        step++;
    while (step > 0 && share[step] > 0.5)
        step--;
    double after = share[step + 1 < STEPS ? step + 1 : step];
    return STEP * (step + smaller((0.5 - share[step]) / larger(after - share[step], 1e-6), 1));
}

/* How a run begins: mean amplitude of each tone from 16 to 7 ms before it, as a share of what the tone has then,
   and how far apart the moments are at which the two reach half of that. */
static void begin_of(level amplitude, double start, rest *found)
{
    found->lead[0] = found->lead[1] = 0;
    found->apart = -1;
    if (start < LEAST_BEFORE)
        return;
    int first = (int)(start / STEP), last = (int)smaller(ceil(start / STEP) + 1, STEPS - 1);
    double half[2], share[STEPS];
    for (int which = 0; which < 2; which++) {
        for (int step = 0; step < STEPS; step++)
            share[step] = amplitude[which][step] / found->peak[which];
        for (int step = first - 7; step < first - 3; step++)
            found->lead[which] += share[step] / 4;
        half[which] = half_reached(share, last);
    }
    found->apart = fabs(half[0] - half[1]);
}

/* Fits both tones to a run, describes them and leaves in `sound` [size] of lane l what they leave. */
static void take_out(keys *k, fit *f, int l, double *weight, double *window_power, rest *found)
{
    int whole = (f->count + LANES - 1) / LANES * LANES;
    double amount[4], sum = 0;
    for (int n = 0; n < f->count; n++)
        sum += f->window[n];
    *weight = larger(sum, 1);
    *window_power = product(f->window, f->window, whole);
    for (int i = 0; i < 4; i++)
        amount[i] = product(f->waves[i], f->seen, whole) * 2 / *weight;
    for (int i = 0; i < 2; i++)
        found->peak[i] = larger(hypot(amount[i], amount[i + 2]), 1e-6);
    for (int n = 0; n < f->count; n++) {
        float tones = 0;
        for (int i = 0; i < 4; i++)
            tones += (float)amount[i] * f->waves[i][n];
        k->sound[n][l] = f->seen[n] - f->window[n] * tones;
    }
}

/* The powers of the bins of what is in `sound`, in its place. */
static const vec *powers(keys *k, int size)
{
    forward(size == BRIEF ? &k->brief : &k->whole, k->sound, k->spectrum);
    for (int bin = 0; bin <= size / 2; bin++) {
        complex_vec z = k->spectrum[bin];
        k->sound[bin] = (z.re * z.re + z.im * z.im) * (1.0f / (float)size);
    }
    return k->sound;
}

/* Puts what was heard just before a run into `sound` [BRIEF] of lane l, behind a window; the power of that. */
static double put_before(keys *k, int l, const float *history, const run *r)
{
    int end = (int)(r->start - RIM_SAMPLES), first = end > BEFORE_SAMPLES ? end - BEFORE_SAMPLES : 0;
    double window_power = 0;
    for (int n = 0; first + n < end; n++) {
        double window = 0.5 - 0.5 * cos(2 * M_PI * (n + 0.5) / (end - first));
        k->sound[n][l] = history[first + n] * (float)window;
        window_power += window * window;
    }
    return window_power;
}

/* How much of what is left was there before, where its power beside the tones is known. */
static void compare_with_before(keys *k, int count, const float *const *history, const run **runs,
                                const double (*hz)[2], const double *beside, rest **found)
{
    double window_power[LANES];
    int asked = 0;
    memset(k->sound, 0, sizeof(vec) * BRIEF);
    for (int l = 0; l < count; l++)
        if (beside[l] > 0) {
            window_power[l] = put_before(k, l, history[l], runs[l]);
            asked++;
        }
    if (!asked)
        return;
    const vec *power = powers(k, BRIEF);
    for (int l = 0; l < count; l++)
        if (beside[l] > 0) {
            double before = power_beside(BRIEF, window_power[l], hz[l], power, l);
            found[l]->grown_db = 10 * log10(beside[l] / larger(before, 1e-9));
        }
}

/* What the two tones leave of each of LANES runs or fewer that are transformed in the same size. */
static void describe_rests(keys *k, fit *fits, int count, const float *const *history, const run **runs,
                           const double (*hz)[2], rest **found)
{
    double weight[LANES] = {0}, window_power[LANES] = {0}, beside[LANES] = {0};
    int size = fits[0].size, bass = BASS_HZ * size / (int)RATE_HZ, bins = size / 2 + 1;
    memset(k->sound, 0, sizeof(vec) * (size_t)size);
    for (int l = 0; l < count; l++)
        take_out(k, &fits[l], l, &weight[l], &window_power[l], found[l]);
    const vec *power = powers(k, size);
    vec sum = {0}, loudest = {0}, loudest_bass = {0};
    for (int bin = 4 * size / WHOLE; bin < bass; bin++)
        loudest_bass = louder(power[bin], loudest_bass);
    for (int bin = bass; bin < bins; bin++) {
        sum += power[bin];
        loudest = louder(power[bin], loudest);
    }
    for (int l = 0; l < count; l++) {
        rest *r = found[l];
        double low = r->peak[0], high = r->peak[1], twist = larger(low, high) / smaller(low, high);
        double half = smaller(low, high) * weight[l] / 2, weaker = half * half / size;
        r->residue = sum[l] * 4 / ((low * low + high * high) * window_power[l]);
        r->residue_peak = loudest[l] / weaker;
        r->residue_crest = (double)loudest[l] * (bins - bass) / larger(sum[l], 1e-9);
        r->bass_peak = loudest_bass[l] / weaker;
        r->noise = r->residue * (1 + twist * twist) / 2;
        r->unclipped = r->residue;
        r->rugged_db = r->residue > RUGGED_RESIDUE ? ruggedness(&fits[l], hz[l], power, l) : 0;
        r->grown_db = 0;
        if (r->residue > GROWN_RESIDUE && runs[l]->start >= LEAST_BEFORE)
            beside[l] = power_beside(size, window_power[l], hz[l], power, l);
        if (r->residue > CLIPPED_RESIDUE && r->residue_crest > CLIPPED_CREST)
            r->unclipped *= apart_from_products(&fits[l], hz[l], power, l, sum[l]);
    }
    compare_with_before(k, count, history, runs, hz, beside, found);
}

#endif
