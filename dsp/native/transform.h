/* Fourier transforms of real sound, of several ports at once.

   Every operation is done on a vector that holds one number of each of LANES ports (`vec`): nothing in here has to
   be shuffled, and the processor does it in one step, of four ports (SSE2, NEON) or of eight (AVX2). More than it
   can hold at once take it many times as long.

   A transform of n real samples is one of n / 2 complex ones, made by Stockham's method (no bit reversal) in
   passes of radix 4, 3 and 2; n is an even product of twos and threes. Nothing is scaled.

   Source: Van Loan, Computational Frameworks for the Fast Fourier Transform, 1992.
*/

#ifndef ZONGJI_TRANSFORM_H
#define ZONGJI_TRANSFORM_H

#include <math.h>
#include <stddef.h>

#define MOST_PASSES 12
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES)));

typedef struct {
    vec re, im;
} complex_vec;

/* How a size is transformed. `turns` holds the factors of all passes, then those that part the even samples
   from the odd ones; as pairs of real and imaginary part. */
typedef struct {
    int size, passes;
    int radix[MOST_PASSES];
    float *turns;
    complex_vec *one, *other; /* size / 2 each, for the passes */
} plan;

static int radix_of(int left) { return left % 4 == 0 ? 4 : left % 3 == 0 ? 3 : 2; }

/* Floats that the factors of a size take. */
static size_t turns_of(int size)
{
    size_t count = 0;
    for (int left = size / 2; left > 1; left /= radix_of(left))
        count += 2 * (size_t)(radix_of(left) - 1) * (size_t)(left / radix_of(left));
    return count + 2 * (size_t)(size / 2 + 1);
}

static void set_turn(float **turns, double part)
{
    *(*turns)++ = (float)cos(2 * M_PI * part);
    *(*turns)++ = (float)-sin(2 * M_PI * part);
}

/* turns: turns_of(size) floats; one, other: size / 2 each. */
static void make_plan(plan *p, int size, float *turns, complex_vec *one, complex_vec *other)
{
    p->size = size;
    p->passes = 0;
    p->turns = turns;
    p->one = one;
    p->other = other;
    for (int left = size / 2; left > 1; left /= radix_of(left)) {
        int radix = radix_of(left);
        p->radix[p->passes++] = radix;
        for (int i = 0; i < left / radix; i++)
            for (int k = 1; k < radix; k++)
                set_turn(&turns, (double)i * k / left);
    }
    for (int k = 0; k <= size / 2; k++)
        set_turn(&turns, (double)k / size);
}

INLINE void turned(complex_vec *to, vec re, vec im, float cosine, float sine)
{
    to->re = re * cosine - im * sine;
    to->im = re * sine + im * cosine;
}

/* sign: 1 forward, -1 backward. */
INLINE void pass_4(int count, int stride, const complex_vec *x, complex_vec *y, const float *turns, float sign)
{
    int step = count * stride;
    for (int i = 0; i < count; i++, turns += 6) {
        float s1 = sign * turns[1], s2 = sign * turns[3], s3 = sign * turns[5];
        for (int q = 0; q < stride; q++) {
            const complex_vec *from = x + q + stride * i;
            complex_vec *to = y + q + stride * 4 * i;
            complex_vec a = from[0], b = from[step], c = from[2 * step], d = from[3 * step];
            vec sum_re = a.re + c.re, sum_im = a.im + c.im, less_re = a.re - c.re, less_im = a.im - c.im;
            vec add_re = b.re + d.re, add_im = b.im + d.im;
            vec off_re = sign * (b.im - d.im), off_im = sign * (d.re - b.re);
            to[0].re = sum_re + add_re;
            to[0].im = sum_im + add_im;
            turned(to + stride, less_re + off_re, less_im + off_im, turns[0], s1);
            turned(to + 2 * stride, sum_re - add_re, sum_im - add_im, turns[2], s2);
            turned(to + 3 * stride, less_re - off_re, less_im - off_im, turns[4], s3);
        }
    }
}

INLINE void pass_3(int count, int stride, const complex_vec *x, complex_vec *y, const float *turns, float sign)
{
    const float sine = sign * 0.8660254037844386f;
    int step = count * stride;
    for (int i = 0; i < count; i++, turns += 4) {
        float s1 = sign * turns[1], s2 = sign * turns[3];
        for (int q = 0; q < stride; q++) {
            const complex_vec *from = x + q + stride * i;
            complex_vec *to = y + q + stride * 3 * i;
            complex_vec a = from[0], b = from[step], c = from[2 * step];
            vec add_re = b.re + c.re, add_im = b.im + c.im;
            vec mid_re = a.re - 0.5f * add_re, mid_im = a.im - 0.5f * add_im;
            vec off_re = sine * (b.im - c.im), off_im = sine * (c.re - b.re);
            to[0].re = a.re + add_re;
            to[0].im = a.im + add_im;
            turned(to + stride, mid_re + off_re, mid_im + off_im, turns[0], s1);
            turned(to + 2 * stride, mid_re - off_re, mid_im - off_im, turns[2], s2);
        }
    }
}

INLINE void pass_2(int count, int stride, const complex_vec *x, complex_vec *y, const float *turns, float sign)
{
    int step = count * stride;
    for (int i = 0; i < count; i++, turns += 2) {
        float s1 = sign * turns[1];
        for (int q = 0; q < stride; q++) {
            const complex_vec *from = x + q + stride * i;
            complex_vec *to = y + q + stride * 2 * i;
            complex_vec a = from[0], b = from[step];
            to[0].re = a.re + b.re;
            to[0].im = a.im + b.im;
            turned(to + stride, a.re - b.re, a.im - b.im, turns[0], s1);
        }
    }
}

/* Transform x, which stays as it is; the result is in one of the plan's two buffers. x may be `other`. */
INLINE complex_vec *transform(const plan *p, const complex_vec *x, float sign)
{
    complex_vec *y = p->one;
    const float *turns = p->turns;
    int left = p->size / 2, stride = 1;
    for (int i = 0; i < p->passes; i++) {
        int radix = p->radix[i], count = left / radix;
        if (radix == 4)
            pass_4(count, stride, x, y, turns, sign);
        else if (radix == 3)
            pass_3(count, stride, x, y, turns, sign);
        else
            pass_2(count, stride, x, y, turns, sign);
        turns += 2 * (radix - 1) * count;
        left = count;
        stride *= radix;
        x = y;
        y = y == p->one ? p->other : p->one;
    }
    return y == p->one ? p->other : p->one;
}

INLINE const float *last_turns(const plan *p) { return p->turns + turns_of(p->size) - 2 * (p->size / 2 + 1); }

/* The spectrum [size / 2 + 1] of x [size]. */
INLINE void forward(const plan *p, const vec *x, complex_vec *spectrum)
{
    const complex_vec *z = transform(p, (const complex_vec *)x, 1);
    const float *turn = last_turns(p);
    int half = p->size / 2;
    spectrum[0] = (complex_vec){z[0].re + z[0].im, z[0].re * 0};
    spectrum[half] = (complex_vec){z[0].re - z[0].im, z[0].re * 0};
    for (int k = 1; k <= half / 2; k++) {
        complex_vec a = z[k], b = z[half - k];
        vec even_re = 0.5f * (a.re + b.re), even_im = 0.5f * (a.im - b.im);
        complex_vec odd;
        turned(&odd, 0.5f * (a.im + b.im), 0.5f * (b.re - a.re), turn[2 * k], turn[2 * k + 1]);
        spectrum[k] = (complex_vec){even_re + odd.re, even_im + odd.im};
        spectrum[half - k] = (complex_vec){even_re - odd.re, odd.im - even_im};
    }
}

/* size times the sound [size] of a spectrum, in one of the plan's buffers. */
INLINE const vec *backward(const plan *p, const complex_vec *spectrum)
{
    complex_vec *z = p->other;
    const float *turn = last_turns(p);
    int half = p->size / 2;
    z[0] = (complex_vec){spectrum[0].re + spectrum[half].re, spectrum[0].re - spectrum[half].re};
    for (int k = 1; k <= half / 2; k++) {
        complex_vec a = spectrum[k], b = spectrum[half - k];
        vec even_re = a.re + b.re, even_im = a.im - b.im;
        complex_vec odd;
        turned(&odd, a.re - b.re, a.im + b.im, turn[2 * k], -turn[2 * k + 1]);
        z[k] = (complex_vec){even_re - odd.im, even_im + odd.re};
        z[half - k] = (complex_vec){even_re + odd.im, odd.re - even_im};
    }
    return (const vec *)transform(p, z, -1);
}

#endif
