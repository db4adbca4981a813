/* The formats below 16 bits: e5m2 (IEEE's rules), e4m3 (no infinities, one NaN a sign), e3m2, e2m3, e2m1 (numbers only), and the
 * scale ue8m0 (a power of two). To and from double, exactly or rounded once. */
#ifndef RINGFENCE_PTX_SMALL_H
#define RINGFENCE_PTX_SMALL_H

#include "numeric.h"

enum small_format { SMALL_E4M3, SMALL_E5M2, SMALL_E3M2, SMALL_E2M3, SMALL_E2M1, SMALL_UE8M0 };

struct small_shape {
    int ebits, mbits;
    u32 greatest; /* the largest finite number */
    u32 nan;      /* 0: there is none */
};
static const struct small_shape small_shapes[] = {
    [SMALL_E4M3] = {4, 3, 0x7e, 0x7f}, [SMALL_E5M2] = {5, 2, 0x7b, 0x7f}, [SMALL_E3M2] = {3, 2, 0x1f, 0},
    [SMALL_E2M3] = {2, 3, 0x1f, 0},    [SMALL_E2M1] = {2, 1, 0x7, 0},     [SMALL_UE8M0] = {8, 0, 0xfe, 0xff},
};

static inline double small_value(enum small_format format, u32 bits) {
    if (format == SMALL_UE8M0) return bits == 0xff ? (double)NAN : ldexp(1, (int)bits - 127);
    const struct small_shape *s = &small_shapes[format];
    u32 magnitude = bits & ((1u << (s->ebits + s->mbits)) - 1), e = magnitude >> s->mbits, m = magnitude & ((1u << s->mbits) - 1);
    int bias = (1 << (s->ebits - 1)) - 1;
    double value;
    if (format == SMALL_E5M2 && e == 31) value = m ? (double)NAN : (double)INFINITY;
    else if (format == SMALL_E4M3 && magnitude == 0x7f) value = (double)NAN;
    else value = e ? ldexp((double)(m | 1u << s->mbits), (int)e - bias - s->mbits) : ldexp((double)m, 1 - bias - s->mbits);
    return bits >> (s->ebits + s->mbits) & 1 ? -value : value;
}

/* What `x` is in units of the format's last place near it, rounded down, and what is left over of it (in 2^-32ths). */
static inline u32 small_magnitude(const struct small_shape *s, double x, double *left) {
    int e, bias = (1 << (s->ebits - 1)) - 1;
    frexp(x, &e);
    int unit = e - 1 < 1 - bias ? 1 - bias - s->mbits : e - 1 - s->mbits; /* exponent of the last place */
    double scaled = ldexp(x, -unit), whole = floor(scaled);
    *left = scaled - whole;
    if (whole > 0x1p20) return 1u << 20;
    u32 biased = e - 1 < 1 - bias ? 0 : (u32)(e - 1 + bias);
    return biased ? ((biased - 1) << s->mbits) + (u32)whole : (u32)whole;
}

/* Rounded once and, beyond the range, to the greatest number (.satfinite, which these formats always have). `random`: the 32 bits
 * of stochastic rounding in the upper part of a unit, negative: to nearest, ties to even. */
static inline u32 small_from(enum small_format format, double x, s64 random) {
    const struct small_shape *s = &small_shapes[format];
    if (x != x) return s->nan ? s->nan : s->greatest;
    u32 sign = f64_bits(x) >> 63 ? 1u << (s->ebits + s->mbits) : 0;
    x = fabs(x);
    if (isinf(x)) return sign | s->greatest;
    double left;
    u32 magnitude = x == 0 ? (left = 0, 0) : small_magnitude(s, x, &left);
    if (random < 0) magnitude += left > 0.5 || (left == 0.5 && (magnitude & 1));
    else magnitude += left + (double)random * 0x1p-32 >= 1;
    return sign | (magnitude > s->greatest ? s->greatest : magnitude);
}

#endif
