/* State of the echo canceller, and where it lies in memory. */

#ifndef ZONGJI_CANCELLER_H
#define ZONGJI_CANCELLER_H

#include <stdint.h>
#include <string.h>

#include "memory.h"
#include "transform.h"

#define BLOCK 160
#define HALF (BLOCK / 2)
#define RAMP_SAMPLES 40  /* a new gain is reached in 5 ms, so that it does not click */
#define MOST_BLOCKS 12   /* of the longest far-end history */
#define HISTORY_BLOCKS 8 /* kept more than needed, so that the history is moved once in 8 ticks */
#define HISSES (1 << 14) /* so many different blocks of noise there are */
#define FOR_LANES for (int l = 0; l < LANES; l++)

#define SQUARE_AT_0_DBM0 (32768.0f * 32768.0f / 2 * 0.48528851f) /* of a sine 3.14 dB under full scale */
#define LOG_OF_DB 0.23025851f /* the natural logarithm of a power ratio of 1 dB */

typedef float floats[LANES];
typedef int32_t ints[LANES];
typedef int64_t ticks[LANES];

typedef struct {
    /* Learned paths, and what they are learned from. */
    vec *far;             /* [capacity] what was sent, up to `end` of the canceller */
    complex_vec *filter;  /* [bins] */
    vec *power;           /* [bins] spectrum of R */
    vec *gradient;        /* [taps] q */
    vec *direction;       /* [taps] */
    vec *near;            /* [BLOCK] of this tick */
    float far_energy[MOST_BLOCKS][LANES];
    floats far_total, last_residual, descent, waited, unsolved, tried;
    floats known_db; /* the leak, but for what somebody's speech at the near end has made of it */
    ints learned, narrow, tonal; /* narrow: looks in a row at which the far end was a tone; tonal: blocks in a row
                                    that would have been learned from, at which the near end was one */
    /* Trust. */
    floats mean_near, mean_residual, found, expected, chance, unfaithful;
    ints useless; /* ticks of harm */
    /* Direct current. */
    floats offset, offset_step, taken, halves[2], halves_blocks; /* halves: summed since the last look */
    ints was_live;
    /* What is left of the echo. */
    floats leak_db; /* its usual level; 0 before anything is learned */
    floats gain, noise_energy;
    ticks talk_until, spoken_until; /* in which speech counts as over: any, and such as was over ours */
    /* Switches. */
    ints enabled, data_quiet; /* data_quiet: quiet ticks to go until a data call is over */
    /* Of this tick. */
    floats near_now;
    ints audible, teaching;
} group;

typedef struct {
    int32_t ports, groups, taps, bins, blocks, capacity, end, suppress;
    int64_t tick, transforms; /* transforms: of groups */
    float far_silent, noise_at_start, noise_at_most, data_over, loudest;
    plan plan;
    const float *hiss; /* [hiss_for(ports)], a block of it has an energy of 1 */
    group *group;
    /* For one group at a time. */
    complex_vec *spectrum, *product;
    vec *white, *inverse, *long_one; /* [size], [bins], [size] */
} canceller;

INLINE float least(float a, float b) { return a < b ? a : b; }
INLINE float most(float a, float b) { return a > b ? a : b; }

static int size_for(int least)
{
    int best = 0;
    for (int threes = 1; threes <= 81; threes *= 3)
        for (int size = 2 * threes; size <= 4096; size *= 2)
            if (size >= least && (!best || size < best))
                best = size;
    return best;
}

/* Samples of noise: each block begins at another one, and each lane of each group has its own. */
static size_t hiss_for(int ports) { return (size_t)((ports + LANES - 1) / LANES * LANES * BLOCK + HISSES); }

static size_t lay_out(char *memory, canceller *e)
{
    size_t used = 0, size = (size_t)e->plan.size, bins = (size_t)e->bins, taps = (size_t)e->taps;
    placed(memory, &used, sizeof *e);
    group *groups = placed(memory, &used, sizeof(group) * (size_t)e->groups);
    for (int i = 0; i < e->groups; i++) {
        group measured, *g = memory ? &groups[i] : &measured;
        g->far = placed(memory, &used, sizeof(vec) * (size_t)e->capacity);
        g->filter = placed(memory, &used, sizeof(complex_vec) * bins);
        g->power = placed(memory, &used, sizeof(vec) * bins);
        g->gradient = placed(memory, &used, sizeof(vec) * taps);
        g->direction = placed(memory, &used, sizeof(vec) * taps);
        g->near = placed(memory, &used, sizeof(vec) * BLOCK);
    }
    e->group = groups;
    e->spectrum = placed(memory, &used, sizeof(complex_vec) * bins);
    e->product = placed(memory, &used, sizeof(complex_vec) * bins);
    e->white = placed(memory, &used, sizeof(vec) * size);
    e->inverse = placed(memory, &used, sizeof(vec) * bins);
    e->long_one = placed(memory, &used, sizeof(vec) * size);
    float *turns = placed(memory, &used, sizeof(float) * turns_of((int)size));
    complex_vec *one = placed(memory, &used, sizeof(complex_vec) * size / 2);
    complex_vec *other = placed(memory, &used, sizeof(complex_vec) * size / 2);
    if (memory)
        make_plan(&e->plan, (int)size, turns, one, other);
    return used;
}

static void describe(canceller *e, int ports, int taps)
{
    memset(e, 0, sizeof *e);
    e->ports = ports;
    e->groups = (ports + LANES - 1) / LANES;
    e->taps = taps;
    e->plan.size = size_for(taps + BLOCK);
    e->bins = e->plan.size / 2 + 1;
    e->blocks = e->plan.size / BLOCK + 1;
    e->capacity = e->plan.size + HISTORY_BLOCKS * BLOCK;
    e->end = e->plan.size;
}

#endif
