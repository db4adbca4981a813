/* Small formats and exact helpers: f16 and bf16 to and from float and double, correctly rounded in any mode. */
#ifndef RINGFENCE_PTX_NUMERIC_H
#define RINGFENCE_PTX_NUMERIC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

static inline u32 f32_bits(float f) { u32 b; memcpy(&b, &f, 4); return b; }
static inline float bits_f32(u32 b) { float f; memcpy(&f, &b, 4); return f; }
static inline u64 f64_bits(double f) { u64 b; memcpy(&b, &f, 8); return b; }
static inline double bits_f64(u64 b) { double f; memcpy(&f, &b, 8); return f; }

enum { NUMERIC_RN, NUMERIC_RZ, NUMERIC_RM, NUMERIC_RP };

/* A double to a format with `mbits` of fraction and `ebits` of exponent, rounded once. NaN becomes `nan`. */
static inline u32 small_from_double(double x, int mbits, int ebits, int mode, u32 nan) {
    u64 b = f64_bits(x);
    u32 sign = (u32)(b >> 63);
    int exponent = (int)(b >> 52 & 0x7ff);
    u64 fraction = b & 0xfffffffffffffULL;
    int bias = (1 << (ebits - 1)) - 1;
    u32 top = sign << (mbits + ebits);
    u32 infinity = (u32)((1 << ebits) - 1) << mbits;
    if (exponent == 0x7ff) return fraction ? nan : top | infinity;
    if (exponent == 0 && fraction == 0) return top;
    if (exponent == 0) { /* a subnormal double is below half the least value of either format */
        u32 up = (mode == NUMERIC_RP && !sign) || (mode == NUMERIC_RM && sign);
        return top | up;
    }
    u64 m = fraction | 1ULL << 52;
    int e = exponent - 1023 + bias; /* biased exponent in the small format */
    int shift = 52 - mbits;
    if (e < 1) shift += 1 - e;
    u64 kept, lost, half;
    if (shift > 63) {
        kept = 0;
        lost = 1;
        half = 2;
    } else {
        kept = m >> shift;
        lost = m & ((1ULL << shift) - 1);
        half = 1ULL << (shift - 1);
    }
    int up = mode == NUMERIC_RN ? lost > half || (lost == half && (kept & 1)) : mode == NUMERIC_RP ? lost && !sign : mode == NUMERIC_RM ? lost && sign : 0;
    kept += (u64)up;
    u32 result = e < 1 ? (u32)kept : (u32)(kept + ((u64)(e - 1) << mbits)); /* a carry goes into the exponent by itself */
    if (result >= infinity) {
        int to_infinity = mode == NUMERIC_RN || (mode == NUMERIC_RP && !sign) || (mode == NUMERIC_RM && sign);
        result = to_infinity ? infinity : infinity - 1;
    }
    return top | result;
}

static inline float half_to_float(u32 h) {
    u32 sign = (h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 31) return bits_f32(sign | 0x7f800000 | m << 13);
    if (e == 0) {
        float f = (float)m * 0x1p-24f;
        return sign ? -f : f;
    }
    return bits_f32(sign | (e + 112) << 23 | m << 13);
}
static inline float bfloat_to_float(u32 h) { return bits_f32(h << 16); }

/* What tensor copies fill with outside of a tensor where they are told to use a NaN, and fma.oob knows it by: none that arithmetic makes.
 * Its value is not documented. */
enum { OOB_NAN16 = 0x7ffe };

static inline u32 half_from(double x, int mode) { return small_from_double(x, 10, 5, mode, 0x7fff); }
static inline u32 bfloat_from(double x, int mode) { return small_from_double(x, 7, 8, mode, 0x7fff); }

/* a*b+c for factors of at most 24 bits, rounded to odd in double: one more rounding to a small format is then exact. */
static inline double fma_odd(double a, double b, double c) {
    double p = a * b; /* exact */
    double s = p + c;
    if (isnan(s) || isinf(s)) return s;
    double bb = s - p;
    double error = (p - (s - bb)) + (c - bb);
    if (error != 0) {
        u64 bits = f64_bits(s);
        if (!(bits & 1)) bits += (error > 0) == (s > 0) ? 1 : (u64)-1;
        s = bits_f64(bits);
    }
    return s;
}

static inline float flush32(float f) { return (f32_bits(f) & 0x7f800000) == 0 ? bits_f32(f32_bits(f) & 0x80000000) : f; }

#endif
