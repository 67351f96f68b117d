/* What the filter leaves of an echo: turned down where nobody speaks, with the noise of the line in its place. */

#ifndef ZONGJI_RESIDUAL_H
#define ZONGJI_RESIDUAL_H

#include "canceller.h"

#define LOWEST_LEAK_DB -36.0f
#define NARROW_LEAK_DB -10.0f
#define LEAK_DOWN 0.1f
#define LEAK_UP_DB 0.4f
#define SPEECH_OVER_LEAK_DB 9.0f
#define SPEECH_LEAK_UP_DB 0.05f
#define SUPPRESSION_MARGIN_DB 6.0f /* a residual up to this much above the expected one is echo alone */
#define TALK_DB -7.5f              /* residual over echo above which somebody speaks here */
#define HIDDEN_DB -9.0f            /* and under which nobody does, unless just before */
#define HANGOVER_TICKS 12
#define LEAST_KEPT 0.015848932f /* of the residual's power */
#define NOISE_FALL 0.2f
#define NOISE_RISE 1.005f /* per block: the noise estimate climbs 2 dB a second */
#define NOISE_AT_START_DBM0 -60.0f
#define NOISE_AT_MOST_DBM0 -45.0f
#define NOISE_AT_LEAST 1.6f

/* Nothing is turned down in this tick: somebody may speak, and go on; or it is the noise of the line. */
INLINE void hear_noise(canceller *e, group *g, int l, float energy)
{
    float floor = g->noise_energy[l];
    float fallen = most(energy, floor + NOISE_FALL * (energy - floor));
    g->talk_until[l] = e->tick - 1 + HANGOVER_TICKS;
    g->noise_energy[l] = most(least(least(fallen, floor * NOISE_RISE), e->noise_at_most), NOISE_AT_LEAST);
}

/* The gain of a port for what is left of the echo, one per tick. It closes when the residual is as loud as it
   usually is under the echo, opens within the tick in which somebody speaks, and stays open for the soft end
   of what is said. alone: the near end passes as it is. */
INLINE void follow_leak(canceller *e, group *g, int l, float ratio_db, int alone)
{
    /* The leak is followed quickly when it falls, slowly when it rises, and hardly where the residual is so
       loud that somebody must be speaking. How well a tone is cancelled says nothing about speech. */
    float lowest_db = g->narrow[l] ? least(g->leak_db[l], NARROW_LEAK_DB) : LOWEST_LEAK_DB;
    float step_db = ratio_db - g->leak_db[l];
    int loud = step_db > SPEECH_OVER_LEAK_DB;
    step_db = least(most(step_db, LEAK_DOWN * step_db), loud ? SPEECH_LEAK_UP_DB : LEAK_UP_DB);
    g->leak_db[l] = least(most(g->leak_db[l] + step_db, lowest_db), 0);
    if (loud && ratio_db > TALK_DB)
        g->talk_until[l] = g->spoken_until[l] = e->tick + HANGOVER_TICKS;
    /* Between words only echo as loud as it ought to be is turned down. Where nobody has spoken for a while,
       so is what lies well under the echo: a sound that the filter has not met yet. */
    float expected_db = g->leak_db[l] + SUPPRESSION_MARGIN_DB;
    if (g->talk_until[l] <= e->tick)
        expected_db = most(expected_db, HIDDEN_DB);
    float wanted = sqrtf(most(1 - expf((expected_db - ratio_db) * LOG_OF_DB), LEAST_KEPT));
    if (alone)
        wanted = 1;
    g->gain[l] = most(0.5f * (g->gain[l] + wanted), wanted);
}

/* Turn the residual down from the gains `before` to the present ones; the line's own noise fills up. */
INLINE void turn_down(canceller *e, group *g, vec *residual, const floats before, int first_port)
{
    int any = 0;
    vec from = {0}, to = {0}, level = {0};
    FOR_LANES {
        any |= least(before[l], g->gain[l]) < 1;
        from[l] = before[l];
        to[l] = g->gain[l];
        level[l] = sqrtf((1 - g->gain[l] * g->gain[l]) * g->noise_energy[l]);
    }
    if (!any)
        return;
    const float *hiss = e->hiss + e->tick * 7919 % HISSES + first_port * BLOCK;
    for (int i = 0; i < BLOCK; i++) {
        float share = i < RAMP_SAMPLES ? (float)(i + 1) / RAMP_SAMPLES : 1;
        vec noise = {0};
        FOR_LANES noise[l] = hiss[l * BLOCK + i];
        residual[i] = residual[i] * (from + (to - from) * share) + level * noise;
    }
}

#endif
