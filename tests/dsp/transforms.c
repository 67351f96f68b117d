/* The transforms of dsp/native, for tests: one after the other, in memory of the caller. */

#include "transform.h"

int lanes(void) { return LANES; }

size_t turns(int size) { return turns_of(size); }

/* x [size], spectrum [size / 2 + 1], back [size], scratch 2 · [size]: of LANES floats (spectrum: twice as many)
   each, at multiples of 64 bytes. factors: turns(size). */
void both_ways(int size, const vec *x, complex_vec *spectrum, vec *back, float *factors, vec *scratch)
{
    plan p;
    make_plan(&p, size, factors, (complex_vec *)scratch, (complex_vec *)(scratch + size));
    forward(&p, x, spectrum);
    const vec *found = backward(&p, spectrum);
    for (int i = 0; i < size; i++)
        back[i] = found[i];
}
