/* The cheap test: does a frame hold one low and one high tone?

   A Hann-windowed frame has lobes wide enough (±100 Hz) for one filter per tone, and side lobes low enough (-50 dB at
   200 Hz) that a dial tone needs no filter in front. What offset, hum and dial tone hold is left out of the sum that
   the pair is compared with. */

#ifndef ZONGJI_BANK_H
#define ZONGJI_BANK_H

#include "keys.h"

#define MOST_TWIST 16.0f /* power of the one tone over that of the other */
#define MOST_BESIDE 1.5f /* power of all four low or high tones over that of the loudest */
#define LEAST_SHARE 0.58f

/* Powers behind the filters of all tones. */
static void pass(const keys *k, const float *x, float *power)
{
    for (int half = 0; half < TONES; half += TONES / 2) {
        vec re[TONES / 2] = {0}, im[TONES / 2] = {0};
        for (int n = 0; n < FRAME; n += LANES) {
            vec here = at(x + n);
            for (int tone = 0; tone < TONES / 2; tone++) {
                re[tone] += here * at(k->filter[half + tone][X_RE] + n);
                im[tone] += here * at(k->filter[half + tone][X_IM] + n);
            }
        }
        for (int tone = 0; tone < TONES / 2; tone++) {
            float a = total(re[tone]), b = total(im[tone]);
            power[half + tone] = a * a + b * b;
        }
    }
}

static int loudest_of_four(const float *power)
{
    int best = 0;
    for (int tone = 1; tone < TONES / 2; tone++)
        if (power[tone] > power[best])
            best = tone;
    return best;
}

static int stands_alone(const float *power, float best)
{
    return power[0] + power[1] + power[2] + power[3] < MOST_BESIDE * best;
}

/* What the windowed frame holds beside offset, hum and dial tone, on the scale of powers behind a filter. */
static float energy_apart(const keys *k, const float *x)
{
    vec sum = {0};
    for (int n = 0; n < FRAME; n += LANES) {
        vec windowed = at(x + n) * at(k->window + n);
        sum += windowed * windowed;
    }
    float energy = total(sum) * (FRAME / 3.0f);
    for (int i = 0; i < BESIDES; i++) {
        float re = product(x, k->beside[i][0], FRAME), im = product(x, k->beside[i][1], FRAME);
        energy -= (re * re + im * im) * k->beside_share[i];
    }
    return energy;
}

/* The pair that a frame may hold and its weaker power; -1 where it holds none. */
static int pair_in(const keys *k, const float *x, const float *power, float *weaker)
{
    int low_tone = loudest_of_four(power), high_tone = loudest_of_four(power + TONES / 2);
    float low = power[low_tone], high = power[TONES / 2 + high_tone], both = low + high;
    *weaker = low < high ? low : high;
    float compared = (MOST_TWIST + 1) * *weaker;
    if (!(compared > both && compared > (MOST_TWIST + 1) * k->least_power))
        return -1;
    if (!stands_alone(power, low) || !stands_alone(power + TONES / 2, high))
        return -1;
    return both > LEAST_SHARE * energy_apart(k, x) ? low_tone * (TONES / 2) + high_tone : -1;
}

#endif
