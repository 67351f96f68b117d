/* Whether a learned path is still that of the line. */

#ifndef ZONGJI_TRUST_H
#define ZONGJI_TRUST_H

#include "learn.h"

#define LEAST_ENERGY 160.0f /* added to those of echo and residual, so that silent ones have a ratio */
#define MEAN_STEP 0.1f
#define WORSE 1.1f /* residual over near above which a filter harms: on the mean, at once, or not learned yet */
#define WORSE_AT_ONCE 1.6f
#define HELPLESS 0.85f
#define HELPS 0.3f /* and under which it is getting somewhere */
#define CHANGED_TICKS 12 /* so many more ticks of harm than of none: another path; or never a good one */
#define LOST_TICKS 15
#define FAITH_STEP 0.1f
#define FAITH_ENERGY 16000.0f
#define UNFAITHFUL 0.3f  /* how far from 1 the part of the echo that is found is on another path */
#define LITTLE_GAIN 0.2f /* residual over near above which a path that was learned deserves suspicion */
#define CHANCE 4.0f      /* difference over the power that a near end adds to it by chance */
#define UNFAITHFUL_LOOKS 4

/* The path is another one now: what was learned of it only delays learning the new one. */
INLINE void start_again(canceller *e, group *g, int l)
{
    for (int i = 0; i < e->bins; i++)
        g->filter[i].re[l] = g->filter[i].im[l] = g->power[i][l] = 0;
    for (int i = 0; i < e->taps; i++)
        g->gradient[i][l] = g->direction[i][l] = 0;
    g->descent[l] = INFINITY;
    g->useless[l] = g->learned[l] = g->tonal[l] = 0;
    g->unfaithful[l] = g->leak_db[l] = g->known_db[l] = 0;
    g->found[l] = g->expected[l];
    g->mean_residual[l] = g->mean_near[l];
}

/* Tell a path that has become another from a near end that speaks, and learn it as a new one.

   The estimated echo is found in the near signal once, whoever speaks besides. On a path that is like the old
   one, but is another, it is found less (or more), and little is taken away. A near end much louder than the
   echo is a little like it by chance, the more the louder it is. */
INLINE void doubt(canceller *e, group *g, int l, float estimate, float residual)
{
    float near = g->near_now[l], together = 0.5f * (near + estimate - residual); /* <near, estimate> */
    if (!g->teaching[l]) {
        g->unfaithful[l] = 0;
        return;
    }
    if (estimate <= e->far_silent)
        return;
    float per = FAITH_STEP / (near + FAITH_ENERGY), keep = 1 - FAITH_STEP, heard = estimate * per;
    g->found[l] = g->found[l] * keep + together * per;
    g->expected[l] = g->expected[l] * keep + heard;
    g->chance[l] = g->chance[l] * keep * keep + heard * per * near;
    float off = fabsf(g->found[l] - g->expected[l]);
    if (off <= UNFAITHFUL * g->expected[l] || !g->learned[l] ||
        g->mean_residual[l] <= LITTLE_GAIN * g->mean_near[l]) {
        g->unfaithful[l] = 0;
        return;
    }
    float odds = least(off * off / (CHANCE * g->chance[l] + 1e-12f), 1);
    g->unfaithful[l] += odds * odds;
    if (g->unfaithful[l] >= UNFAITHFUL_LOOKS)
        start_again(e, g, l);
}

#endif
