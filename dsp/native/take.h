/* Blocks as they come: what cannot be sound, and direct current beside it. */

#ifndef ZONGJI_TAKE_H
#define ZONGJI_TAKE_H

#include "canceller.h"

#define OFFSET_STEP (1.0f / 32) /* followed with a time constant of 0.6 s */
#define OFFSET_EVERY 4          /* blocks, once the first 0.6 s are over */
#define LEAST_OFFSET 4.0f

/* Take the blocks of `here` ports in, and their energies; what cannot be sound counts as 0, what is too loud
   is clipped. */
INLINE void take(const float *from, int here, vec *to, float *energies, float loudest)
{
    vec sum = {0};
    for (int i = 0; i < BLOCK; i++) {
        vec samples = {0};
        if (here == LANES)
            FOR_LANES samples[l] = from[l * BLOCK + i];
        else
            for (int l = 0; l < here; l++)
                samples[l] = from[l * BLOCK + i];
        to[i] = samples;
        sum += samples * samples;
    }
    FOR_LANES {
        if (!(sum[l] <= loudest)) { /* which what is not a number is not either */
            sum[l] = 0;
            for (int i = 0; i < BLOCK; i++) {
                to[i][l] = isfinite(to[i][l]) ? most(least(to[i][l], 32767.0f), -32768.0f) : 0.0f;
                sum[l] += to[i][l] * to[i][l];
            }
        }
        energies[l] = sum[l];
    }
}

/* Follow the direct current of a port, and take it out: what was there from the first sample on at once, what
   comes later without a click. first, second: means of the block's halves. */
INLINE void take_offset_out(group *g, int l, int live, float first, float second)
{
    float before = g->taken[l];
    int changed = live != g->was_live[l];
    if (changed) /* what was before is of another current: on the hook a line has another than off it */
        g->halves[0][l] = g->halves[1][l] = g->halves_blocks[l] = 0;
    g->halves[0][l] += first;
    g->halves[1][l] += second;
    float blocks = ++g->halves_blocks[l];
    if (changed || g->offset_step[l] > OFFSET_STEP || blocks >= OFFSET_EVERY) {
        if (live && !g->was_live[l])
            g->offset_step[l] = 1;
        g->was_live[l] = live;
        float one = g->halves[0][l] / blocks, two = g->halves[1][l] / blocks, mean = 0.5f * (one + two);
        g->halves[0][l] = g->halves[1][l] = g->halves_blocks[l] = 0;
        float step = g->offset_step[l];
        /* The click of going off the hook fades within a block, a direct current does not. */
        int fresh = step == 1, seen = !fresh || fabsf(one - two) <= 0.25f * fabsf(mean) + LEAST_OFFSET;
        if (seen) {
            g->offset[l] += least(step * blocks, 1) * (mean - g->offset[l]);
            g->offset_step[l] = most(step / (1 + step), OFFSET_STEP);
        }
        g->taken[l] = live && fabsf(g->offset[l]) > LEAST_OFFSET ? g->offset[l] : 0;
        before = fresh && seen ? g->taken[l] : live ? before : 0;
    }
    if (before == 0 && g->taken[l] == 0)
        return;
    float energy = 0;
    for (int i = 0; i < BLOCK; i++) {
        float sample = g->near[i][l] - before - (g->taken[l] - before) * (float)(i + 1) / BLOCK;
        g->near[i][l] = sample;
        energy += sample * sample;
    }
    g->near_now[l] = energy;
}

#endif
