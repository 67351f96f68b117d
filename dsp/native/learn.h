/* Learning of echo paths: normal equations, and steps towards their solution. */

#ifndef ZONGJI_LEARN_H
#define ZONGJI_LEARN_H

#include "canceller.h"

#define PRE_WHITENING 0.9f
#define FORGETTING 0.985f /* per block that is learned from: 1.3 s of talking, 10 s once converged */
#define WEIGHT_POWER -0.45f
#define WEIGHT_FLOOR 50.0f
#define UNSEEN_DB -12.0f           /* no residual counts as softer than the far end by this and the usual leak */
#define PRECONDITIONER_FLOOR 0.04f /* relative to a mean in which a single tone counts for little */
#define DIRECTION_MEMORY 0.7f
#define STEPS 3            /* conjugate directions gone at once in a group of which a port is far off */
#define SHARPENING_STEPS 2 /* and in others */
#define KNOWN_UP_DB 0.4f   /* per tick: how fast more may be left again of an echo that was known */
/* Leaks: residual over echo. */
#define LEARNED_LEAK_DB -16.0f /* once this good, a filter that makes things worse is of another path */
#define FAR_OFF_LEAK_DB -20.0f
#define CONVERGED_LEAK_DB -28.0f /* under it not every block is learned from */
/* Ticks. */
#define MOST_TRIED 100     /* blocks learned in vain after which a port is in no hurry any more */
#define UNCONVERGED_TURN 2 /* every block counts of a port that is far off, every second of one that is not converged */
#define CONVERGED_TURN 4
#define CONVERGED_EVERY 8    /* for blocks that bring nothing new */
#define SPOKEN_OVER_EVERY 16 /* the same, in a conversation while the near end speaks too */
#define JOIN 0.5f            /* part of that after which a port learns with others of its group */
#define FAR_OFF_SOLVED_EVERY 3
#define SOLVED_EVERY 8
#define CONVERGED_SOLVED_EVERY 16
/* Sounds. */
#define NOVELTY_DB 8.0f /* residual over leak, and over echo, between which a sound has not been met before */
#define NOT_NOVEL_DB -3.0f
#define NOVEL_WEIGHT 2.5f
#define FAR_SILENT_DBM0 -50.0f /* what is softer teaches nothing and makes no audible echo */
#define NARROW_BINS 5.0f       /* a far end whose power fills fewer bins is a tone or two; so is many a vowel */
#define TONAL_BINS 10.0f       /* the same of a block of the near end */
#define TONAL_TIMES 2          /* such blocks in a row after which it is no vowel */
#define NARROW_EVERY 2         /* ticks between looks */
#define NARROW_TIMES 3         /* looks in a row after which it is no vowel */
#define VOWEL_WEIGHT 0.1f
#define NARROW_WEIGHT 5e-5f /* a tone is cancelled too, but next to any speech it counts for nothing */

/* Whether the power [bins] of each lane lies in fewer than `most_bins` of them. */
INLINE void few_bins(const vec *power, int bins, float most_bins, ints few)
{
    vec sum = {0}, squares = {0};
    for (int i = 0; i < bins; i++) {
        sum += power[i];
        squares += power[i] * power[i];
    }
    FOR_LANES few[l] = sum[l] * sum[l] < most_bins * squares[l];
}

/* R and q of the ports that learn grow by one block. white: the far end's whitened spectrum. */
INLINE void add_equations(canceller *e, group *g, const complex_vec *white, const vec *residual,
                          const ints learning, const ints novel, const ints talked)
{
    int size = e->plan.size, any_talked = 0;
    vec *padded = e->long_one, before = {0}, energy = {0};
    FOR_LANES before[l] = g->last_residual[l];
    for (int i = 0; i < BLOCK; i++) {
        padded[i] = residual[i] - PRE_WHITENING * before;
        before = residual[i];
        energy += padded[i] * padded[i];
    }
    memset(padded + BLOCK, 0, sizeof(vec) * (size_t)(size - BLOCK));
    /* The block stands at the start of the transform, in the history it is its end: lags begin at BLOCK. */
    complex_vec *product = e->product;
    forward(&e->plan, padded, product);
    FOR_LANES any_talked |= talked[l] && g->narrow[l] == 0;
    ints tonal = {0};
    if (any_talked) {
        for (int i = 0; i < e->bins; i++)
            e->inverse[i] = product[i].re * product[i].re + product[i].im * product[i].im;
        few_bins(e->inverse, e->bins, TONAL_BINS, tonal);
    }
    const float *newest = g->far_energy[e->tick % e->blocks];
    vec power_share = {0}, weights = {0}, keep = {0};
    FOR_LANES {
        if (learning[l])
            g->tonal[l] = talked[l] && tonal[l] ? g->tonal[l] + 1 : 0;
        /* At the beginning of a word the echo of a long path has yet to come: the block is loud at the far
           end and quiet here, and would count for more than all that have brought the echo. */
        float due = newest[l] * expf((g->leak_db[l] + UNSEEN_DB) * LOG_OF_DB);
        float weight = powf(most(energy[l], due) / BLOCK + WEIGHT_FLOOR, WEIGHT_POWER);
        if (novel[l])
            weight *= NOVEL_WEIGHT;
        if (g->narrow[l] >= NARROW_TIMES)
            weight = NARROW_WEIGHT;
        else if (g->narrow[l] > 0)
            weight *= VOWEL_WEIGHT;
        /* A tone of the near end (busy tone) that comes back to the far end by another hybrid would seem to
           be an echo of itself. */
        else if (g->tonal[l] >= TONAL_TIMES)
            weight = 0;
        /* R is that of the block, or of the whole history where that is louder: what is in the residual may
           be the echo of either. */
        float share = most(newest[l] / (g->far_total[l] + 1e-9f), (float)BLOCK / (float)size);
        keep[l] = learning[l] ? FORGETTING : 1;
        weights[l] = learning[l] ? weight : 0;
        power_share[l] = weights[l] * share / (float)size;
    }
    for (int i = 0; i < e->bins; i++) {
        complex_vec x = white[i], y = product[i];
        g->power[i] = keep * g->power[i] + power_share * (x.re * x.re + x.im * x.im);
        product[i] = (complex_vec){y.re * x.re + y.im * x.im, y.im * x.re - y.re * x.im};
    }
    const vec *lags = backward(&e->plan, product) + BLOCK;
    vec scale = weights * powf((float)size, -1.5f);
    for (int i = 0; i < e->taps; i++)
        g->gradient[i] = keep * g->gradient[i] + scale * lags[i];
    e->transforms += 2;
}

/* Conjugate-direction steps of the ports that are due towards the filter that the equations ask for. */
INLINE void solve(canceller *e, group *g, const ints due, int steps)
{
    int size = e->plan.size, bins = e->bins, taps = e->taps;
    vec roots = {0}, mask = {0}, floor;
    FOR_LANES mask[l] = due[l] ? 1 : 0;
    for (int i = 0; i < bins; i++)
        FOR_LANES roots[l] += sqrtf(g->power[i][l]);
    roots /= (float)bins;
    floor = PRECONDITIONER_FLOOR * roots * roots + 1e-9f;
    for (int i = 0; i < bins; i++)
        e->inverse[i] = 1.0f / (g->power[i] + floor);
    vec *padded = e->long_one, *steepest = e->white;
    memset(padded + taps, 0, sizeof(vec) * (size_t)(size - taps));
    for (int i = 0; i < steps; i++) {
        memcpy(padded, g->gradient, sizeof(vec) * (size_t)taps);
        forward(&e->plan, padded, e->product);
        for (int k = 0; k < bins; k++) {
            e->product[k].re *= e->inverse[k];
            e->product[k].im *= e->inverse[k];
        }
        const vec *wave = backward(&e->plan, e->product);
        vec slope = {0}, memory = {0}, curvature = {0}, along = {0}, step = {0}, spectral;
        for (int k = 0; k < taps; k++) {
            steepest[k] = wave[k] / (float)size;
            slope += g->gradient[k] * steepest[k];
        }
        FOR_LANES {
            memory[l] = due[l] ? least(most(slope[l] / g->descent[l], 0), DIRECTION_MEMORY) : 1;
            if (due[l])
                g->descent[l] = slope[l] + 1e-20f;
        }
        for (int k = 0; k < taps; k++)
            padded[k] = g->direction[k] = g->direction[k] * memory + steepest[k] * mask;
        forward(&e->plan, padded, e->spectrum);
        for (int k = 0; k < bins; k++) {
            e->product[k].re = e->spectrum[k].re * g->power[k];
            e->product[k].im = e->spectrum[k].im * g->power[k];
        }
        wave = backward(&e->plan, e->product);
        for (int k = 0; k < taps; k++) {
            vec image = wave[k] / (float)size;
            curvature += g->direction[k] * image;
            along += g->direction[k] * g->gradient[k];
        }
        FOR_LANES step[l] = due[l] && curvature[l] > 1e-9f ? least(most(along[l] / curvature[l], 0), 2) : 0;
        spectral = step / sqrtf((float)size);
        for (int k = 0; k < bins; k++) {
            g->filter[k].re += e->spectrum[k].re * spectral;
            g->filter[k].im += e->spectrum[k].im * spectral;
        }
        step /= (float)size;
        for (int k = 0; k < taps; k++)
            g->gradient[k] -= wave[k] * step;
        e->transforms += 4;
    }
}

#endif
