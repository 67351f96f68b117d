/* The glance: keys that nothing disturbs are decided from four frames, without an envelope.

   A Hann-windowed frame that a tone fills tells its frequency: weighed with time and without, it gives Y = Σ w·n·x
   and X = Σ w·x at a filter's frequency. For a steady tone Y/X is imaginary and tells how far off it is; a real part
   is loudness that grows or falls. What the two tones do not explain of the frame's energy is the residue.

       frames     silent   |   ____/~~~|~~~~~~~~~~~~|~~~\_____
                   before       rim         full        rim or full

   The frames beside the full one must hold just as much energy as the edge of the same two tones gives. */

#ifndef ZONGJI_GLANCE_H
#define ZONGJI_GLANCE_H

#include "keys.h"

#define FRAMES 4
#define MOST_RESIDUE 0.004 /* under this share of the energy no chord and no voice is to be feared */
#define MOST_DRIFT_SAMPLES 1.5
#define MOST_APART 0.06 /* amplitudes of the two tones at a rim, as shares of what they become */
#define RIM_ERROR 0.06

/* A clean pair: where it sounds, in samples of the four frames; peaks of its tones, their power in the frame bank,
   and how far they are off their filters. */
typedef struct {
    double start, end, peak[2], full[2], off_hz[2];
} glimpse;

/* Frames and what has been measured of them. */
typedef struct {
    const float *frame[FRAMES];
    const keys *k;
    int tone[2];
} four;

static double energy_in(const four *f, int frame)
{
    vec sum = {0};
    for (int n = 0; n < FRAME; n += LANES) {
        vec x = at(f->frame[frame] + n) * at(f->k->window + n);
        sum += x * x;
    }
    return total(sum);
}

static double part_of(const four *f, int frame, int which, int part)
{
    return product(f->frame[frame], f->k->filter[f->tone[which]][part], FRAME);
}

static double power_in(const four *f, int frame, int which)
{
    double re = part_of(f, frame, which, X_RE), im = part_of(f, frame, which, X_IM);
    return re * re + im * im;
}

static double series(const double *by, double square)
{
    return by[0] + square * (by[1] + square * (by[2] + square * by[3]));
}

/* The square of the peak of a tone that goes on through a frame; 0 where none does. */
static double steady_tone(const four *f, int frame, int which, glimpse *seen)
{
    double xr = part_of(f, frame, which, X_RE), xi = part_of(f, frame, which, X_IM);
    double yr = part_of(f, frame, which, Y_RE), yi = part_of(f, frame, which, Y_IM);
    double size = xr * xr + xi * xi;
    if (fabs(yr * xr + yi * xi) >= MOST_DRIFT_SAMPLES * size)
        return 0;
    double ratio = (yi * xr - yr * xi) / size;
    double off_hz = ratio * series(f->k->offset, ratio * ratio);
    double square = size / larger(series(f->k->gain, off_hz * off_hz), 1);
    seen->off_hz[which] = off_hz;
    seen->full[which] = size;
    seen->peak[which] = sqrt(square);
    return square;
}

/* How many samples at one end of a frame hold a tone of this share of its full amplitude: the whole ones. */
static int whole_samples(const keys *k, double share)
{
    int low = 0, high = FRAME + 1; /* k->amplitude[low] <= share < k->amplitude[high] */
    if (share < 0)
        return 0;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (k->amplitude[middle] <= share)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* How many samples of the frame beside the full one sound; -1 where its energy (a share of the full one's) is not
   just that. */
static int filled_beside(const four *f, int frame, const glimpse *seen, double energy)
{
    double low = sqrt(power_in(f, frame, 0) / seen->full[0]), high = sqrt(power_in(f, frame, 1) / seen->full[1]);
    if (!(fabs(low - high) < MOST_APART))
        return -1;
    int filled = whole_samples(f->k, (low + high) / 2);
    filled += filled < FRAME; /* the first that would be too many */
    return fabs(energy - f->k->energy[filled]) < MOST_RESIDUE + RIM_ERROR * larger(low, high) ? filled : -1;
}

static int is_full(const four *f, int frame, glimpse *seen)
{
    double here = energy_in(f, frame);
    if (!(energy_in(f, frame - 2) < MOST_RESIDUE * here))
        return 0;
    double low = steady_tone(f, frame, 0, seen), high = low > 0 ? steady_tone(f, frame, 1, seen) : 0;
    if (!(high > 0) || !(fabs(1 - (low + high) * (f->k->whole_energy / 2) / here) < MOST_RESIDUE))
        return 0;
    int before = filled_beside(f, frame - 1, seen, energy_in(f, frame - 1) / here), after = 0;
    if (frame + 1 < FRAMES)
        after = filled_beside(f, frame + 1, seen, energy_in(f, frame + 1) / here);
    seen->start = frame * FRAME - before;
    seen->end = (frame + 1) * FRAME + after;
    return before >= 0 && after >= 0;
}

/* Whether the frames hold a key that nothing disturbs. silent: samples since the last one, up to the frames. */
static int is_undisturbed(const four *f, double silent, glimpse *seen)
{
    const keys *k = f->k;
    /* The full frame is the last but one, or the last, whichever holds no edge. */
    if (!is_full(f, 2, seen) && !is_full(f, 3, seen))
        return 0;
    const double *most_off = k->most_off[f->tone[0]][f->tone[1] - TONES / 2];
    double low = seen->peak[0], high = seen->peak[1];
    return seen->end - seen->start >= k->least_samples && seen->start + silent > -40 &&
           fabs(seen->off_hz[0]) < most_off[0] && fabs(seen->off_hz[1]) < most_off[1] && high < low * k->most_high &&
           low < high * k->most_low && smaller(low, high) > k->least_peak;
}

#endif
