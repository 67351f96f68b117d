/* The echo canceller of `dsp/echo.py`, which says what it does and why; here is how.

   Ports lie in groups of four or eight (LANES), whose numbers stand side by side in vectors. A group is worked on
   as long as what it needs is near the processor. What is decided per port is decided in loops over them.

   Sound is on the 16-bit scale. Energies are those of a block, the sum of the squares of its samples. */

#include "learn.h"
#include "residual.h"
#include "take.h"
#include "trust.h"

/* What this was made from: see build.py. */
const char library_mark[] = MARK;

/* Whether this processor has vectors of eight. */
int library_wide(void)
{
#ifdef __x86_64__
    return __builtin_cpu_supports("avx2");
#else
    return 0;
#endif
}

/* Data calls (G.168 §7, G.165): over after 250 ms under this level in both directions. */
#define DATA_OVER_DBM0 -36.0f
#define DATA_OVER_TICKS 13

/* Bytes that a canceller takes. */
size_t echo_bytes(int ports, int taps)
{
    canceller e;
    describe(&e, ports, taps);
    return lay_out(NULL, &e);
}

static void forget(canceller *e, group *g, int l)
{
    for (int i = 0; i < e->capacity; i++)
        g->far[i][l] = 0;
    for (int i = 0; i < e->bins; i++)
        g->filter[i].re[l] = g->filter[i].im[l] = g->power[i][l] = 0;
    for (int i = 0; i < e->taps; i++)
        g->gradient[i][l] = g->direction[i][l] = 0;
    for (int i = 0; i < MOST_BLOCKS; i++)
        g->far_energy[i][l] = 0;
    g->far_total[l] = g->last_residual[l] = g->waited[l] = g->unsolved[l] = g->tried[l] = g->known_db[l] = 0;
    g->descent[l] = INFINITY;
    g->learned[l] = g->narrow[l] = g->tonal[l] = g->useless[l] = 0;
    g->mean_near[l] = g->mean_residual[l] = g->chance[l] = g->unfaithful[l] = 0;
    g->found[l] = g->expected[l] = 1;
    g->offset[l] = g->taken[l] = g->halves[0][l] = g->halves[1][l] = 0;
    g->offset_step[l] = 1;
    g->halves_blocks[l] = 0;
    g->was_live[l] = 0;
    g->leak_db[l] = 0;
    g->gain[l] = 1;
    g->noise_energy[l] = e->noise_at_start;
    g->talk_until[l] = g->spoken_until[l] = 0;
    g->enabled[l] = 1;
    g->data_quiet[l] = 0;
}

/* Energy of a block of that level. */
static float energy_of(float dbm0) { return BLOCK * SQUARE_AT_0_DBM0 * powf(10, dbm0 / 10); }

/* Samples of noise that a canceller wants. */
size_t echo_hiss(int ports) { return hiss_for(ports); }

/* memory: echo_bytes() of them, beginning at a multiple of 64, not to be moved. hiss: echo_hiss() samples, a block
   of which has an energy of 1; kept by the caller. suppress: 0 leaves what the filters leave. */
void echo_begin(void *memory, int ports, int taps, const float *hiss, int suppress)
{
    canceller *e = memory;
    describe(e, ports, taps);
    lay_out(memory, e);
    e->far_silent = energy_of(FAR_SILENT_DBM0);
    e->noise_at_start = energy_of(NOISE_AT_START_DBM0);
    e->noise_at_most = energy_of(NOISE_AT_MOST_DBM0);
    e->data_over = energy_of(DATA_OVER_DBM0);
    e->loudest = BLOCK * 32768.0f * 32768.0f;
    e->hiss = hiss;
    e->suppress = suppress;
    for (int i = 0; i < e->groups; i++)
        FOR_LANES forget(e, &e->group[i], l);
}

/* ------------------------------------------------------------------ switches */
void echo_forget(void *memory, int port)
{
    canceller *e = memory;
    forget(e, &e->group[port / LANES], port % LANES);
}

void echo_enable(void *memory, int port, int on)
{
    group *g = &((canceller *)memory)->group[port / LANES];
    g->enabled[port % LANES] = on != 0;
    g->data_quiet[port % LANES] = 0;
}

void echo_data_call(void *memory, int port)
{
    ((canceller *)memory)->group[port / LANES].data_quiet[port % LANES] = DATA_OVER_TICKS;
}

int echo_cancelling(void *memory, int port)
{
    group *g = &((canceller *)memory)->group[port / LANES];
    return g->enabled[port % LANES] && !g->data_quiet[port % LANES];
}

int echo_bins(void *memory) { return ((canceller *)memory)->bins; }

/* Spectrum of a port's path: bins pairs of real and imaginary part. */
void echo_filter(void *memory, int port, float *spectrum)
{
    canceller *e = memory;
    for (int i = 0; i < e->bins; i++) {
        *spectrum++ = e->group[port / LANES].filter[i].re[port % LANES];
        *spectrum++ = e->group[port / LANES].filter[i].im[port % LANES];
    }
}

/* How many rows have been transformed since the beginning. */
int64_t echo_transforms(void *memory) { return ((canceller *)memory)->transforms * LANES; }

/* ------------------------------------------------------------------ the block */
/* The first half of a tick: take the blocks of a group in, and see who is to be worked on. */
INLINE void listen(canceller *e, group *g, const float *far, const float *near, const uint8_t *active,
                   const uint8_t *teaches, int here)
{
    float *far_now = g->far_energy[e->tick % e->blocks];
    take(far, here, g->far + e->end, far_now, e->loudest);
    take(near, here, g->near, g->near_now, e->loudest);
    vec first = {0}, second = {0};
    for (int i = 0; i < HALF; i++) {
        first += g->near[i];
        second += g->near[i + HALF];
    }
    FOR_LANES {
        int live = 0;
        if (l < here) {
            /* A direct current is no data. */
            float mean = (first[l] + second[l]) / BLOCK, near_energy = g->near_now[l] - BLOCK * mean * mean;
            if (g->data_quiet[l])
                g->data_quiet[l] = most(far_now[l], near_energy) > e->data_over ? DATA_OVER_TICKS
                                                                                : g->data_quiet[l] - 1;
            live = g->enabled[l] && !g->data_quiet[l] && (!active || active[l]);
            take_offset_out(g, l, live, first[l] / HALF, second[l] / HALF);
        }
        g->far_total[l] = 0;
        for (int i = 0; i < e->blocks; i++)
            g->far_total[l] += g->far_energy[i][l];
        g->audible[l] = live && g->far_total[l] > e->far_silent * (float)e->blocks;
        g->teaching[l] = g->audible[l] && (!teaches || teaches[l]);
        if (g->teaching[l])
            g->waited[l]++;
        /* While somebody speaks at the near end too there is little new to learn, and much to pay: what was
           left of the echo before tells how much there is still to do. */
        if (g->spoken_until[l] <= e->tick - 1)
            g->known_db[l] += KNOWN_UP_DB;
        g->known_db[l] = least(g->known_db[l], g->leak_db[l]);
    }
}

/* What is decided about a group's block, port by port. */
typedef struct {
    floats ratio_db; /* residual over echo */
    ints learning, due, novel, talked;
    int any_learning, any_due, steps;
} decision;

/* Take the estimated echo out of what is heard; leaves the far end's spectrum in e->spectrum. */
INLINE void subtract(canceller *e, const group *g, vec *residual, vec *estimated, vec *left)
{
    int size = e->plan.size;
    forward(&e->plan, g->far + e->end + BLOCK - size, e->spectrum);
    for (int i = 0; i < e->bins; i++) {
        complex_vec x = e->spectrum[i], h = g->filter[i];
        e->product[i] = (complex_vec){x.re * h.re - x.im * h.im, x.re * h.im + x.im * h.re};
    }
    const vec *echo = backward(&e->plan, e->product) + size - BLOCK;
    e->transforms += 2;
    vec echo_energy = {0}, energy = {0};
    for (int i = 0; i < BLOCK; i++) {
        vec part = echo[i] / (float)size;
        residual[i] = g->near[i] - part;
        echo_energy += part * part;
        energy += residual[i] * residual[i];
    }
    *estimated = echo_energy;
    *left = energy;
}

/* Whiten the far end's spectrum where it is, and see where it is narrow. Right for all but the first sample of
   the history, which no lag below `taps` reaches. */
INLINE void whiten(canceller *e, group *g, complex_vec *spectrum)
{
    const float *turn = last_turns(&e->plan);
    for (int i = 0; i < e->bins; i++) {
        complex_vec x = spectrum[i];
        turned(&spectrum[i], x.re, x.im, 1 - PRE_WHITENING * turn[2 * i], -PRE_WHITENING * turn[2 * i + 1]);
    }
    if (e->tick % NARROW_EVERY)
        return;
    ints narrow;
    for (int i = 0; i < e->bins; i++)
        e->inverse[i] = spectrum[i].re * spectrum[i].re + spectrum[i].im * spectrum[i].im;
    few_bins(e->inverse, e->bins, NARROW_BINS, narrow);
    FOR_LANES if (g->audible[l]) g->narrow[l] = narrow[l] ? g->narrow[l] + 1 : 0;
}

/* Who learns from this block, and whose filter moves: those who need it most, the others in turns, of which
   every group has its own. Where one of a group does, the others join him at no cost. bridged: what is sent is
   what another line or telephone says. */
INLINE void choose(const canceller *e, group *g, int number, int bridged, decision *d)
{
    int64_t phase = e->tick + number;
    floats left_db, every;
    d->any_learning = d->any_due = 0;
    d->steps = SHARPENING_STEPS;
    FOR_LANES {
        float ratio_db = d->ratio_db[l], unusual_db = g->leak_db[l] + NOVELTY_DB;
        /* A sound that leaves more than usual, but less than a near-end talker would, is a new one. */
        d->novel[l] = ratio_db > unusual_db && ratio_db < NOT_NOVEL_DB;
        /* In a conversation what is unusual is more often said, and comes back by the other's hybrid. */
        d->talked[l] = bridged ? ratio_db > least(unusual_db, NOT_NOVEL_DB)
                               : g->learned[l] && ratio_db > NOT_NOVEL_DB;
        left_db[l] = g->known_db[l];
        every[l] = CONVERGED_EVERY;
        if (bridged && g->learned[l] && g->spoken_until[l] >= e->tick) {
            left_db[l] = least(left_db[l], CONVERGED_LEAK_DB);
            every[l] = SPOKEN_OVER_EVERY;
        }
        int turn = phase % CONVERGED_TURN == 0 && (d->novel[l] || g->waited[l] >= every[l]);
        if (left_db[l] > CONVERGED_LEAK_DB)
            turn = (left_db[l] > FAR_OFF_LEAK_DB && g->tried[l] < MOST_TRIED) || phase % UNCONVERGED_TURN == 0;
        d->any_learning |= g->teaching[l] && turn;
    }
    FOR_LANES {
        int converged = left_db[l] <= CONVERGED_LEAK_DB;
        int far_off = left_db[l] > FAR_OFF_LEAK_DB && g->tried[l] < MOST_TRIED;
        int joins = !converged || d->novel[l] || g->waited[l] >= JOIN * every[l];
        d->learning[l] = d->any_learning && g->teaching[l] && joins;
        if (d->learning[l]) {
            g->waited[l] = 0;
            g->unsolved[l]++;
            g->tried[l]++;
        }
        int wait = converged ? CONVERGED_SOLVED_EVERY : far_off ? FAR_OFF_SOLVED_EVERY : SOLVED_EVERY;
        int turn = phase % wait == 0 || (far_off && left_db[l] > LEARNED_LEAK_DB);
        if (g->teaching[l] && g->unsolved[l] > 0 && turn) {
            d->any_due = 1;
            if (far_off)
                d->steps = STEPS;
        }
    }
    FOR_LANES {
        d->due[l] = d->any_due && g->teaching[l] && g->unsolved[l] > 0;
        if (d->due[l])
            g->unsolved[l] = 0;
    }
}

INLINE void leave_alone(const group *g, int l, vec *residual)
{
    for (int i = 0; i < BLOCK; i++)
        residual[i][l] = g->near[i][l];
}

/* Whether the filter of an audible port is to be believed; what it leaves is judged. estimated, left: energies
   of echo and residual. */
INLINE void judge(canceller *e, group *g, int l, vec *residual, float ratio_db, float estimated, float left)
{
    float near = g->near_now[l];
    int teaching = g->teaching[l];
    /* A filter that makes things worse (the line was switched) is left out until it has learned again: on the
       mean of 0.2 s, or at once where it is much worse or has learned little yet. In double-talk a single block
       may well grow a little louder. */
    if (teaching) {
        g->mean_near[l] += MEAN_STEP * (near - g->mean_near[l]);
        g->mean_residual[l] += MEAN_STEP * (left - g->mean_residual[l]);
    }
    if (g->mean_residual[l] < HELPS * g->mean_near[l])
        g->tried[l] = 0;
    int useless = g->mean_residual[l] > WORSE * g->mean_near[l];
    int alone = useless || left > WORSE_AT_ONCE * near;
    /* Somebody who speaks for long drives the usual residual up: what was learned once, counts as learned. A
       filter that has not learned and hardly helps is more likely made of what the near end says. */
    g->learned[l] |= g->leak_db[l] < LEARNED_LEAK_DB;
    if (!g->learned[l])
        alone |= g->mean_residual[l] > HELPLESS * g->mean_near[l] || left > near;
    if (alone) {
        ratio_db = 0;
        leave_alone(g, l, residual);
    }
    /* Near-end speech that happens to be like the echo does this for a moment, another path for long. */
    if (teaching) {
        g->useless[l] = useless ? g->useless[l] + 1 : g->useless[l] ? g->useless[l] - 1 : 0;
        if (g->useless[l] >= (g->learned[l] ? CHANGED_TICKS : LOST_TICKS))
            start_again(e, g, l);
    }
    if (e->tick % NARROW_EVERY)
        doubt(e, g, l, estimated, left);
    if (!teaching) { /* whoever is sent his own voice is speaking */
        hear_noise(e, g, l, left);
        ratio_db = g->leak_db[l];
    }
    follow_leak(e, g, l, ratio_db, alone || !teaching);
}

/* The second half of a tick: a group's echo is taken out, learned from, and what is left of it turned down. */
INLINE void cancel(canceller *e, int number, int bridged, vec *residual)
{
    group *g = &e->group[number];
    int any_audible = 0;
    FOR_LANES {
        any_audible |= g->audible[l];
        if (!g->audible[l]) {
            g->unfaithful[l] = 0;
            g->gain[l] = 1;
            hear_noise(e, g, l, g->near_now[l]);
        }
    }
    if (!any_audible) {
        memcpy(residual, g->near, sizeof(vec) * BLOCK);
        return;
    }
    vec estimated, left;
    subtract(e, g, residual, &estimated, &left);
    decision d;
    FOR_LANES d.ratio_db[l] = 10 * log10f((left[l] + LEAST_ENERGY) / (estimated[l] + LEAST_ENERGY));
    whiten(e, g, e->spectrum);
    choose(e, g, number, bridged, &d);
    if (d.any_learning)
        add_equations(e, g, e->spectrum, residual, d.learning, d.novel, d.talked);
    FOR_LANES g->last_residual[l] = residual[BLOCK - 1][l];
    if (d.any_due)
        solve(e, g, d.due, d.steps);
    floats before;
    memcpy(before, g->gain, sizeof before);
    FOR_LANES {
        if (g->audible[l])
            judge(e, g, l, residual, d.ratio_db[l], estimated[l], left[l]);
        else
            leave_alone(g, l, residual);
    }
    if (e->suppress)
        turn_down(e, g, residual, before, number * LANES);
}

/* One block of all ports: far, near and out are [ports, BLOCK]; active and teaches [ports], or NULL: all ports,
   and nobody is in a conversation. */
void echo_block(void *memory, const float *far, const float *near, const uint8_t *active,
                const uint8_t *teaches, float *out)
{
    canceller *e = memory;
    e->tick++;
    if (e->end + BLOCK > e->capacity) {
        for (int i = 0; i < e->groups; i++)
            memmove(e->group[i].far, e->group[i].far + e->end - e->plan.size, sizeof(vec) * (size_t)e->plan.size);
        e->end = e->plan.size;
    }
    for (int i = 0; i < e->groups; i++) {
        int first = i * LANES, here = e->ports - first < LANES ? e->ports - first : LANES;
        size_t at = (size_t)first * BLOCK;
        listen(e, &e->group[i], far + at, near + at, active ? active + first : NULL,
               teaches ? teaches + first : NULL, here);
        vec residual[BLOCK];
        cancel(e, i, teaches != NULL, residual);
        for (int l = 0; l < here; l++)
            for (int k = 0; k < BLOCK; k++)
                out[at + (size_t)(l * BLOCK + k)] = residual[k][l];
    }
    e->end += BLOCK;
}
