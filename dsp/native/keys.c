/* What the DTMF receiver (`dsp/dtmf.py`) measures: the numbers, of which Python makes its decisions.

   Two tones of a port are always meant, a pair: numbered 4 · low + high, their frequencies in order. */

#include "bank.h"
#include "glance.h"
#include "rest.h"

size_t keys_bytes(void)
{
    keys k;
    return lay_out_keys(NULL, &k);
}

/* memory: keys_bytes() zeros, beginning at a multiple of 64, not to be moved. hz: [8], low tones first. offset,
   gain: [4], see keys.h. most_off_hz: [16][2]. limits: [5], least samples and peak, then how many times the peak of
   the low tone that of the high one may be, and the other way round; and the lowest peak that the bank looks for. */
void keys_begin(void *memory, const double *hz, const double *offset, const double *gain, const double *most_off_hz,
                const double *limits)
{
    keys *k = memory;
    lay_out_keys(memory, k);
    memcpy(k->hz, hz, sizeof k->hz);
    memcpy(k->offset, offset, sizeof k->offset);
    memcpy(k->gain, gain, sizeof k->gain);
    memcpy(k->most_off, most_off_hz, sizeof k->most_off);
    k->least_samples = limits[0];
    k->least_peak = limits[1];
    k->most_high = limits[2];
    k->most_low = limits[3];
    set_filters(k);
    set_bank(k, limits[4]);
    set_bands(k);
}

/* Puts frames [count][FRAME] through the bank: power [8][count], and where a pair may be, which, and how strong its
   weaker tone is. Frames that are not active hold none, and have no power; nor have frames without a sound, but for
   those on which a key is down. Both NULL: all are taken. Answers in how many there may be a pair. */
int keys_bank(const keys *k, const float *frames, int count, const uint8_t *active, const uint8_t *down, float *power,
              uint8_t *alike, int64_t *pair, float *strength)
{
    int found = 0;
    for (int i = 0; i < count; i++) {
        const float *x = frames + (size_t)i * FRAME;
        float here[TONES] = {0};
        int held = -1;
        strength[i] = 0;
        if (!active || (active[i] && (down[i] || product(x, x, FRAME) > k->least_energy))) {
            pass(k, x, here);
            held = pair_in(k, x, here, &strength[i]);
        }
        for (int tone = 0; tone < TONES; tone++)
            power[tone * count + i] = here[tone];
        alike[i] = held >= 0;
        pair[i] = held >= 0 ? held : 0;
        found += held >= 0;
    }
    return found;
}

/* Looks for undisturbed keys on some ports, asked [count].

   store: frames [places][ports][FRAME], a ring of which `newest` is in the last place taken. pair, heard_until:
   [ports], in samples since `origin`, where the four newest frames begin. Answers how many there are: their ports
   and what is seen of them, [count] each. The ports of the others follow in `port`. */
int keys_glance(const keys *k, const float *store, int places, int ports, int64_t newest, const int64_t *asked,
                int count, const int64_t *pair, const double *heard_until, double origin, int64_t *port, glimpse *seen)
{
    int found = 0, others = 0;
    for (int i = 0; i < count; i++) {
        int64_t here = asked[i];
        four f = {.k = k, .tone = {low_of(pair[here]), high_of(pair[here])}};
        for (int n = 0; n < FRAMES; n++)
            f.frame[n] = store + ((newest + places - (FRAMES - 1) + n) % places * ports + here) * FRAME;
        if (is_undisturbed(&f, origin - heard_until[here], &seen[found]))
            port[found++] = here;
        else
            port[count - 1 - others++] = here;
    }
    for (int i = found, j = count - 1; i < j; i++, j--) { /* in order again */
        int64_t last = port[j];
        port[j] = port[i];
        port[i] = last;
    }
    return found;
}

/* How many samples at one end of a frame hold a tone that has this share of its full amplitude. */
static double sounding_samples(const keys *k, double share)
{
    int low = whole_samples(k, share);
    if (low >= FRAME)
        return FRAME;
    double step = k->amplitude[low + 1] - k->amplitude[low];
    return low + larger(share - k->amplitude[low], 0) / step;
}

/* Follows the keys that are down. power: what the frame bank has of the newest frame, [8][ports]; now: where that
   ends. Of each port: whether a key is down, its pair, what its tones [2] give in the bank, whether it was
   undisturbed, and where it was heard last, which is brought up to date.

   Of an undisturbed key the share of its amplitude that a tone has in a frame tells how much of the frame it fills.
   Where it was heard up to the frame, that is the frame's beginning, else its end. Noise moves the shares of other
   keys too far.

   Answers how many are over, in `gone`; `asked` are other keys that may be, as many as *unsure. */
int keys_follow(const keys *k, int ports, const float *power, double now, double pause, const uint8_t *down,
                const int64_t *pair, const double *full, const uint8_t *clean, double held, double back, double *end,
                int64_t *gone, int64_t *asked, int *unsure)
{
    int over = 0;
    *unsure = 0;
    for (int port = 0; port < ports; port++) {
        if (!down[port])
            continue;
        double low = power[low_of(pair[port]) * ports + port] / full[2 * port];
        double high = power[high_of(pair[port]) * ports + port] / full[2 * port + 1];
        double share = sqrt(smaller(low, high));
        if (!clean[port]) {
            if (share > held) /* a window weighs its last 6 ms too little to tell whether they sound */
                end[port] = larger(end[port], now - 48);
            if (now - end[port] >= pause)
                asked[(*unsure)++] = port;
            continue;
        }
        double filled = sounding_samples(k, share), missing = now - FRAME - end[port];
        int goes_on = filled > missing, is_back = !goes_on && share > back;
        if (!goes_on && missing + FRAME - (is_back ? filled : 0) >= pause)
            gone[over++] = port;
        else if (goes_on || is_back)
            end[port] = is_back ? now : now - FRAME + filled;
    }
    return over;
}

/* Envelopes [count] of both tones of each history [count][HISTORY]. */
void keys_envelopes(keys *k, const float *history, const int64_t *pair, int count, wave *waves, level *amplitude)
{
    for (int i = 0; i < count; i += LANES)
        envelopes(k, history + i * HISTORY, pair + i, count - i < LANES ? count - i : LANES, waves + i, amplitude + i);
}

/* The newest runs in envelopes, bridging gaps of so many steps, and the peaks of their tones; all [count]. */
void keys_runs(level *amplitude, int count, double bridged, double (*peak)[2], run *runs)
{
    double share[STEPS];
    for (int i = 0; i < count; i++) {
        for (int which = 0; which < 2; which++)
            peak[i][which] = loudness(amplitude[i][which]);
        weaker_share(amplitude[i], peak[i], share);
        runs[i] = newest_run(share, bridged);
    }
}

/* Where tones of such peaks were last heard before a pause, or last of all, from `until` on, which is moved; and
   whether there was one: all [count]. */
void keys_pauses(level *amplitude, int count, const double (*peak)[2], double pause, double *until, uint8_t *over)
{
    double share[STEPS];
    for (int i = 0; i < count; i++) {
        weaker_share(amplitude[i], peak[i], share);
        over[i] = (uint8_t)first_pause(share, pause, &until[i]);
    }
}

/* How the tones of some runs, rows [count] of all that was measured, go on in their inside, [count][STEPS]. */
void keys_courses(const keys *k, const int64_t *rows, int count, const int64_t *pair, wave *waves, level *amplitude,
                  const double (*peak)[2], const run *runs, uint8_t (*inside)[STEPS], course *found)
{
    for (int i = 0; i < count; i++) {
        int64_t row = rows[i];
        course *c = &found[i];
        *c = (course){0};
        mark_inside(amplitude[row], peak[row], &runs[row], inside[i]);
        follow_tone(k, low_of(pair[row]), waves[row][0], amplitude[row][0], inside[i], &c->hz[0], c);
        follow_tone(k, high_of(pair[row]), waves[row][1], amplitude[row][1], inside[i], &c->hz[1], c);
    }
}

/* What two tones of these frequencies leave of some runs, rows [count], seen through their inside [count][STEPS], and
   how they begin. */
void keys_rests(keys *k, const int64_t *rows, int count, const float *history, level *amplitude, const run *runs,
                const double (*hz)[2], uint8_t (*inside)[STEPS], rest *found)
{
    for (int brief = 0; brief < 2; brief++)
        for (int next = 0; next < count;) {
            fit fits[LANES];
            rest *of[LANES];
            const float *sound[LANES];
            const run *stretch[LANES];
            double tones_hz[LANES][2];
            int lanes = 0;
            for (; next < count && lanes < LANES; next++) {
                const run *r = &runs[rows[next]];
                if (is_brief(r) != brief)
                    continue;
                stretch[lanes] = r;
                sound[lanes] = history + rows[next] * HISTORY;
                look_through(&fits[lanes], sound[lanes], r, hz[next], inside[next]);
                memcpy(tones_hz[lanes], hz[next], sizeof tones_hz[lanes]);
                of[lanes++] = &found[next];
            }
            if (lanes)
                describe_rests(k, fits, lanes, sound, stretch, (const double (*)[2])tones_hz, of);
        }
    for (int i = 0; i < count; i++)
        begin_of(amplitude[rows[i]], runs[rows[i]].start, &found[i]);
}
