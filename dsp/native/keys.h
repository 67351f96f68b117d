/* What is the same for all that is measured of keys: sizes, filters, transforms. See keys.c. */

#ifndef ZONGJI_KEYS_H
#define ZONGJI_KEYS_H

#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "transform.h"

#define RATE_HZ 8000.0
#define TURN (2 * M_PI / RATE_HZ) /* of a wave of 1 Hz in a sample */
#define FRAME 160
#define HISTORY 960 /* samples of sound that a key is examined in */
#define STEP 16
#define STEPS (HISTORY / STEP)
#define WHOLE 1024 /* sizes of transforms */
#define BRIEF 512
#define SLICE (WHOLE / STEP)
#define BIN_HZ (RATE_HZ / WHOLE)
#define HALF_WIDTH_HZ 200.0 /* of the band around a tone that its envelope is made of */
#define TONES 8
#define BESIDES 10

/* A vector that may lie anywhere. */
typedef float loose __attribute__((vector_size(4 * LANES), aligned(4)));

/* Offset, hum and dial tone: loud, but nothing to do with keys. */
static const double BESIDE_HZ[BESIDES] = {0, 50, 100, 150, 300, 350, 400, 450, 500, 550};

/* Filters over a frame, whose window is in them: X = Σ w·x·e^(-iωn) and Y = Σ w·n·x·e^(-iωn), n from the middle. */
enum { X_RE, X_IM, Y_RE, Y_IM, PARTS };

typedef struct {
    plan whole, brief, slice;
    vec *sound;            /* [WHOLE], of LANES histories at a time */
    complex_vec *spectrum; /* [WHOLE / 2 + 1] */
    complex_vec *band;     /* [SLICE] */
    double hz[TONES];
    double offset[4]; /* Hz off the filter by powers 1, 3, 5 and 7 of Y/X */
    double gain[4];   /* power of a tone of peak 1 behind a filter, by powers 0, 2, 4 and 6 of the Hz it is off */
    double least_samples, least_peak, most_high, most_low; /* of an undisturbed key: the one tone over the other */
    double most_off[TONES / 2][TONES / 2][2];              /* Hz, by low and high tone, for either */
    float window[FRAME], filter[TONES][PARTS][FRAME];
    double amplitude[FRAME + 1]; /* of a tone that fills so many samples at one end of a frame, as a share */
    double energy[FRAME + 1];   /* of the same, as a share */
    double whole_energy;        /* of the window */
    float beside[BESIDES][2][FRAME], beside_share[BESIDES]; /* a tone between two of them counts once */
    float least_power;          /* behind the filter of either tone of a pair */
    float least_energy;         /* with less a frame passes less through all filters */
    int centre[TONES];          /* bin in the middle of a tone's band */
    float shape[TONES][SLICE];  /* of that band, in the order of a transform: up from the middle, then from below */
} keys;

static int low_of(int64_t pair) { return (int)pair / (TONES / 2); }
static int high_of(int64_t pair) { return TONES / 2 + (int)pair % (TONES / 2); }

INLINE double smaller(double a, double b) { return a < b ? a : b; }
INLINE double larger(double a, double b) { return a > b ? a : b; }

INLINE vec at(const float *x) { return (vec) * (const loose *)x; }

INLINE float total(vec v)
{
    float sum = 0;
    for (int l = 0; l < LANES; l++)
        sum += v[l];
    return sum;
}

INLINE vec louder(vec a, vec b)
{
    typedef int32_t mask __attribute__((vector_size(4 * LANES)));
    mask first = a > b;
    return (vec)(((mask)a & first) | ((mask)b & ~first));
}

/* Sum of products of `count` numbers, a multiple of the lanes. */
INLINE float product(const float *a, const float *b, int count)
{
    vec sum = {0};
    for (int n = 0; n < count; n += LANES)
        sum += at(a + n) * at(b + n);
    return total(sum);
}

static void set_filters(keys *k)
{
    double amplitude = 0, energy = 0;
    for (int n = 0; n < FRAME; n++) {
        double from_middle = n - (FRAME - 1) / 2.0;
        k->window[n] = (float)(0.5 - 0.5 * cos(2 * M_PI * (n + 0.5) / FRAME));
        amplitude += k->window[n];
        energy += k->window[n] * k->window[n];
        k->amplitude[n + 1] = amplitude;
        k->energy[n + 1] = energy;
        for (int tone = 0; tone < TONES; tone++) {
            double re = k->window[n] * cos(TURN * k->hz[tone] * from_middle);
            double im = -k->window[n] * sin(TURN * k->hz[tone] * from_middle);
            const double parts[PARTS] = {re, im, from_middle * re, from_middle * im};
            for (int part = 0; part < PARTS; part++)
                k->filter[tone][part][n] = (float)parts[part];
        }
    }
    k->whole_energy = energy;
    for (int n = 0; n <= FRAME; n++) {
        k->amplitude[n] /= amplitude;
        k->energy[n] /= energy;
    }
}

/* lowest_peak: of the weaker tone of a pair. */
static void set_bank(keys *k, double lowest_peak)
{
    for (int i = 0; i < BESIDES; i++) {
        k->beside_share[i] = i ? 1 / 1.5f : 1 / 3.0f;
        for (int n = 0; n < FRAME; n++) {
            k->beside[i][0][n] = (float)(k->window[n] * cos(TURN * BESIDE_HZ[i] * n));
            k->beside[i][1][n] = (float)(k->window[n] * sin(TURN * BESIDE_HZ[i] * n));
        }
    }
    /* A quarter of the amplitude, because the edge of a tone may lie in the frame. */
    double least = 0.25 * 0.25 * FRAME * lowest_peak;
    k->least_power = (float)(least * least);
    /* No filter passes more than the energy of a frame times that of the filter, which is the window's. */
    k->least_energy = (float)(least * least / k->whole_energy);
}

static void set_bands(keys *k)
{
    for (int tone = 0; tone < TONES; tone++) {
        k->centre[tone] = (int)lround(k->hz[tone] / BIN_HZ);
        for (int i = 0; i < SLICE; i++) {
            int away = i < SLICE / 2 ? i : i - SLICE;
            double away_hz = fabs((k->centre[tone] + away) * BIN_HZ - k->hz[tone]);
            double part = cos(M_PI / 2 * smaller(away_hz / HALF_WIDTH_HZ, 1));
            k->shape[tone][i] = (float)(part * part * 2 / WHOLE); /* scaled to amplitudes */
        }
    }
}

static size_t lay_out_keys(char *memory, keys *k)
{
    size_t used = 0;
    placed(memory, &used, sizeof *k);
    k->sound = placed(memory, &used, sizeof(vec) * WHOLE);
    k->spectrum = placed(memory, &used, sizeof(complex_vec) * (WHOLE / 2 + 1));
    k->band = placed(memory, &used, sizeof(complex_vec) * SLICE);
    complex_vec *one = placed(memory, &used, sizeof(complex_vec) * WHOLE / 2);
    complex_vec *other = placed(memory, &used, sizeof(complex_vec) * WHOLE / 2);
    const int sizes[] = {WHOLE, BRIEF, 2 * SLICE};
    plan *plans[] = {&k->whole, &k->brief, &k->slice};
    for (int i = 0; i < 3; i++) {
        float *turns = placed(memory, &used, sizeof(float) * turns_of(sizes[i]));
        if (memory)
            make_plan(plans[i], sizes[i], turns, one, other);
    }
    return used;
}

#endif
