/*
 * The arithmetic of instructions: loops over the 32 lanes that the compiler turns into vector code. Included by a file a
 * subject (ops_integer.c ...) and once more with the instructions of newer processors (ops_integer_avx2.c ...).
 * OPS_SEMANTICS names the subject's file, OPS_NAME the table that results, OPS_EXTRA asks for what fits no subject.
 */
#include <fenv.h>

#include "numeric.h"
#include "ops.h"
#include "small.h"
#include "warp.h"

typedef unsigned __int128 u128;
typedef __int128 s128;
typedef float f32;
typedef double f64;

/* How a type lies in a row (S), its unsigned twin (U), and an unsigned type for its arithmetic (W). */
#define ALIAS __attribute__((may_alias))
typedef u32 ALIAS S_u8; typedef u32 ALIAS S_s8; typedef u32 ALIAS S_u16; typedef u32 ALIAS S_s16;
typedef u32 ALIAS S_u32; typedef u32 ALIAS S_s32; typedef u64 ALIAS S_u64; typedef u64 ALIAS S_s64;
typedef float ALIAS S_f32; typedef double ALIAS S_f64;
typedef u8 U_u8; typedef u8 U_s8; typedef u16 U_u16; typedef u16 U_s16; typedef u32 U_u32; typedef u32 U_s32; typedef u64 U_u64; typedef u64 U_s64;
typedef float U_f32; typedef double U_f64;
typedef u32 W_u8; typedef u32 W_s8; typedef u32 W_u16; typedef u32 W_s16; typedef u32 W_u32; typedef u32 W_s32; typedef u64 W_u64; typedef u64 W_s64;
typedef float W_f32; typedef double W_f64;

/* ---- helpers of semantics.def */

static inline s32 clamp_s32(s128 x) { return x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : (s32)x; }
static inline s32 sign24(s32 x) { return (s32)((u32)x << 8) >> 8; }
static inline s32 relu_s(s32 x) { return x < 0 ? 0 : x; }
static inline u32 least(u32 a, u32 b) { return a < b ? a : b; }
static inline u32 most(u32 a, u32 b) { return a > b ? a : b; }
static inline s32 least_s(s32 a, s32 b) { return a < b ? a : b; }
static inline s32 most_s(s32 a, s32 b) { return a > b ? a : b; }
static inline u32 pair(u32 low, u32 high) { return (low & 0xffff) | high << 16; }
static inline u32 byte_u(u32 x, int i) { return x >> (8 * i) & 0xff; }
static inline u32 byte_s(u32 x, int i) { return (u32)(s32)(s8)(x >> (8 * i)); }
static inline u32 half_u(u32 x, int i) { return x >> (16 * i) & 0xffff; }
static inline u32 half_s(u32 x, int i) { return (u32)(s32)(s16)(x >> (16 * i)); }
static inline u32 reverse(u32 x) {
    x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
    x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
    return __builtin_bswap32(x);
}
/* fns: the position of the n-th set bit from `base`, upwards for n > 0, downwards for n < 0; n = 0: base itself, if set. */
static inline u32 find_nth(u32 mask, u32 base, s32 n) {
    base &= 31;
    if (n == 0) return mask >> base & 1 ? base : 0xffffffff;
    s32 at = (s32)base, step = n > 0 ? 1 : -1;
    s64 left = n > 0 ? n : -(s64)n;
    for (; at >= 0 && at < 32; at += step)
        if ((mask >> at & 1) && --left == 0) return (u32)at;
    return 0xffffffff;
}
static inline u64 extract(u64 a, u32 width, u32 at, u32 length, int is_signed) {
    at &= 0xff;
    length &= 0xff;
    u64 sign = 0;
    if (is_signed && length) {
        u32 top = at + length - 1;
        if (top > width - 1) top = width - 1;
        sign = a >> top & 1;
    }
    u64 result = 0;
    if (at < width) {
        u64 field = a >> at;
        u32 room = width - at;
        u32 take = length < room ? length : room;
        result = take >= 64 ? field : field & (((u64)1 << take) - 1);
        if (sign && length < 64) result |= ~(u64)0 << (take < length ? take : length);
        else if (sign && take < 64) result |= ~(u64)0 << take;
        if (length == 0) result = 0;
    } else if (sign) {
        result = ~(u64)0;
    }
    return width == 32 ? (u32)result : result;
}
static inline u64 insert(u64 from, u64 into, u32 width, u32 at, u32 length) {
    at &= 0xff;
    length &= 0xff;
    if (at >= width || length == 0) return into;
    if (length > width - at) length = width - at;
    u64 mask = (length >= 64 ? ~(u64)0 : ((u64)1 << length) - 1) << at;
    u64 result = (into & ~mask) | ((from << at) & mask);
    return width == 32 ? (u32)result : result;
}
static inline u32 bit_mask(u32 at, u32 length) {
    if (at > 31 || length == 0) return 0;
    u32 ones = length > 31 ? 0xffffffffu : (1u << length) - 1;
    return ones << at;
}
static inline u32 sign_extend(u32 a, u32 bits) { return bits == 0 ? 0 : bits >= 32 ? a : (u32)((s32)(a << (32 - bits)) >> (32 - bits)); }
static inline u32 lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 r = 0;
    r |= table & 1 ? ~a & ~b & ~c : 0;
    r |= table & 2 ? ~a & ~b & c : 0;
    r |= table & 4 ? ~a & b & ~c : 0;
    r |= table & 8 ? ~a & b & c : 0;
    r |= table & 16 ? a & ~b & ~c : 0;
    r |= table & 32 ? a & ~b & c : 0;
    r |= table & 64 ? a & b & ~c : 0;
    r |= table & 128 ? a & b & c : 0;
    return r;
}
static inline u32 permute(u32 a, u32 b, u32 selector) {
    u64 bytes = (u64)b << 32 | a;
    u32 result = 0;
    for (int i = 0; i < 4; i++) {
        u32 s = selector >> (4 * i) & 15;
        u32 byte = (u32)(bytes >> (8 * (s & 7))) & 0xff;
        if (s & 8) byte = byte & 0x80 ? 0xff : 0;
        result |= byte << (8 * i);
    }
    return result;
}
static inline u32 backward4(u32 a, u32 b, u32 n) {
    u64 bytes = (u64)b << 32 | a;
    u32 result = 0;
    for (u32 i = 0; i < 4; i++) result |= (u32)(bytes >> (8 * ((n - i) & 7)) & 0xff) << (8 * i);
    return result;
}
static inline u32 edge_left(u32 a, u32 n) {
    u32 result = 0;
    for (u32 i = 0; i < 4; i++) result |= byte_u(a, (int)(i > n ? i : n)) << (8 * i);
    return result;
}
static inline u32 edge_right(u32 a, u32 n) {
    u32 result = 0;
    for (u32 i = 0; i < 4; i++) result |= byte_u(a, (int)(i < n ? i : n)) << (8 * i);
    return result;
}

/* Arithmetic in single precision yields one NaN. */
static inline float canon(float x) { return x != x ? bits_f32(0x7fffffff) : x; }
static inline float sat32(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }
static inline double sat64(double x) { return x > 0 ? (x < 1 ? x : 1.0) : 0.0; }
static inline double flush64(double x) { return (f64_bits(x) & 0x7ff0000000000000ULL) == 0 ? bits_f64(f64_bits(x) & 1ULL << 63) : x; }
static inline double upper64(double x) { return x != x ? bits_f64(0x7fffffff00000000ULL) : bits_f64(f64_bits(x) & 0xffffffff00000000ULL); }
static inline float fn_add(float a, float b) { return a + b; }
static inline float fn_sub(float a, float b) { return a - b; }
static inline float fn_mul(float a, float b) { return a * b; }
static inline float fn_div(float a, float b) { return a / b; }
static inline float fn_rcp(float a) { return 1.0f / a; }
static inline float fn_sqrt(float a) { return __builtin_sqrtf(a); }
static inline float fn_rsqrt(float a) { return (float)(1.0 / __builtin_sqrt((double)a)); }
static inline float fn_sin(float a) { return (float)sin((double)a); }
static inline float fn_cos(float a) { return (float)cos((double)a); }
static inline float fn_lg2(float a) { return log2f(a); }
static inline float fn_ex2(float a) { return exp2f(a); }
static inline float fn_tanh(float a) { return tanhf(a); }
static inline float min_32(float a, float b) { return a < b ? a : b < a ? b : a == b ? bits_f32(f32_bits(a) | f32_bits(b)) : a != a ? canon(b) : a; }
static inline float max_32(float a, float b) { return a > b ? a : b > a ? b : a == b ? bits_f32(f32_bits(a) & f32_bits(b)) : a != a ? canon(b) : a; }
static inline float min_nan_32(float a, float b) { return a != a || b != b ? bits_f32(0x7fffffff) : min_32(a, b); }
static inline float max_nan_32(float a, float b) { return a != a || b != b ? bits_f32(0x7fffffff) : max_32(a, b); }
static inline double min_64(double a, double b) { return a < b ? a : b < a ? b : a == b ? bits_f64(f64_bits(a) | f64_bits(b)) : a != a ? b : a; }
static inline double max_64(double a, double b) { return a > b ? a : b > a ? b : a == b ? bits_f64(f64_bits(a) & f64_bits(b)) : a != a ? b : a; }
/* The sign of the product; a NaN stays as it is. */
static inline float xor_sign(float x, float a, float b) { return x != x ? x : bits_f32((f32_bits(x) & 0x7fffffff) | ((f32_bits(a) ^ f32_bits(b)) & 0x80000000)); }

static inline u32 half_flush_bits(u32 h) { return (h & 0x7c00) == 0 ? h & 0x8000 : h; }
static inline u32 bfloat_flush_bits(u32 h) { return (h & 0x7f80) == 0 ? h & 0x8000 : h; }
static inline float half_flushed(u32 h) { return half_to_float(half_flush_bits(h)); }
static inline float bfloat_flushed(u32 h) { return bfloat_to_float(bfloat_flush_bits(h)); }
static inline u32 relu_small(u32 h) { return (h & 0x7fff) > 0x7c00 && h == 0x7fff ? 0x7fff : h & 0x8000 ? 0 : h; }
/* Sums and products of two halves are rounded first to double, where they are exact or far from a tie of the small format. */
static inline u32 hadd_(u32 a, u32 b) { return half_from((double)half_to_float(a) + half_to_float(b), 0); }
static inline u32 hsub_(u32 a, u32 b) { return half_from((double)half_to_float(a) - half_to_float(b), 0); }
static inline u32 hmul_(u32 a, u32 b) { return half_from((double)half_to_float(a) * half_to_float(b), 0); }
static inline u32 hsat(u32 h) { return (h & 0x7fff) > 0x7c00 || h & 0x8000 ? 0 : h > 0x3c00 ? 0x3c00 : h; }
#define HALF_VARIANTS(name)                                                                                                 \
    static inline u32 name##_ftz_(u32 a, u32 b) { return half_flush_bits(name##_(half_flush_bits(a), half_flush_bits(b))); } \
    static inline u32 name##_sat_(u32 a, u32 b) { return hsat(name##_(a, b)); }                                              \
    static inline u32 name##_ftz_sat_(u32 a, u32 b) { return half_flush_bits(hsat(name##_(half_flush_bits(a), half_flush_bits(b)))); }
HALF_VARIANTS(hadd) HALF_VARIANTS(hsub) HALF_VARIANTS(hmul)
static inline u32 hfma_(u32 a, u32 b, u32 c) { return half_from(fma_odd(half_to_float(a), half_to_float(b), half_to_float(c)), 0); }
static inline u32 hfma_ftz_(u32 a, u32 b, u32 c) { return half_flush_bits(hfma_(half_flush_bits(a), half_flush_bits(b), half_flush_bits(c))); }
static inline u32 hfma_sat_(u32 a, u32 b, u32 c) { return hsat(hfma_(a, b, c)); }
static inline u32 hfma_ftz_sat_(u32 a, u32 b, u32 c) { return half_flush_bits(hsat(hfma_(half_flush_bits(a), half_flush_bits(b), half_flush_bits(c)))); }
static inline u32 hfma_relu_(u32 a, u32 b, u32 c) { return relu_small(hfma_(a, b, c)); }
static inline u32 hfma_ftz_relu_(u32 a, u32 b, u32 c) { return relu_small(hfma_ftz_(a, b, c)); }
/* bf16 sums may cancel or span more than double's 53 bits: fma_odd keeps them exact for one rounding. */
static inline u32 badd_(u32 a, u32 b) { return bfloat_from(fma_odd(bfloat_to_float(a), 1.0, bfloat_to_float(b)), 0); }
static inline u32 bsub_(u32 a, u32 b) { return bfloat_from(fma_odd(bfloat_to_float(b), -1.0, bfloat_to_float(a)), 0); }
static inline u32 bmul_(u32 a, u32 b) { return bfloat_from((double)bfloat_to_float(a) * bfloat_to_float(b), 0); }
static inline u32 bfma_(u32 a, u32 b, u32 c) { return bfloat_from(fma_odd(bfloat_to_float(a), bfloat_to_float(b), bfloat_to_float(c)), 0); }
static inline int is_oob(u32 a, u32 b) { return (a & 0xffff) == OOB_NAN16 || (b & 0xffff) == OOB_NAN16; }
static inline u32 hfma_oob_(u32 a, u32 b, u32 c) { return is_oob(a, b) ? 0 : hfma_(a, b, c); }
static inline u32 hfma_oob_sat_(u32 a, u32 b, u32 c) { return is_oob(a, b) ? 0 : hfma_sat_(a, b, c); }
static inline u32 hfma_oob_relu_(u32 a, u32 b, u32 c) { return is_oob(a, b) ? 0 : hfma_relu_(a, b, c); }
static inline u32 bfma_oob_(u32 a, u32 b, u32 c) { return is_oob(a, b) ? 0 : bfma_(a, b, c); }
static inline u32 bfma_oob_relu_(u32 a, u32 b, u32 c) { return is_oob(a, b) ? 0 : relu_small(bfma_(a, b, c)); }
static inline u32 bfma_relu_(u32 a, u32 b, u32 c) { return relu_small(bfma_(a, b, c)); }
static inline u32 hneg_(u32 a) { return a ^ 0x8000; }
static inline u32 habs_(u32 a) { return a & 0x7fff; }
static inline u32 hneg_ftz_(u32 a) { return half_flush_bits(a) ^ 0x8000; }
static inline u32 habs_ftz_(u32 a) { return half_flush_bits(a) & 0x7fff; }
static inline u32 bneg_ftz_(u32 a) { return bfloat_flush_bits(a) ^ 0x8000; }
static inline u32 babs_ftz_(u32 a) { return bfloat_flush_bits(a) & 0x7fff; }
static inline u32 htanh_(u32 a) { return half_from(tanh(half_to_float(a)), 0); }
static inline u32 btanh_(u32 a) { return bfloat_from(tanh(bfloat_to_float(a)), 0); }
static inline u32 hex2_(u32 a) { return half_from(exp2(half_to_float(a)), 0); }
static inline u32 bex2_(u32 a) { return bfloat_from(exp2(bfloat_to_float(a)), 0); }
static inline u32 bex2_ftz_(u32 a) { return bfloat_flush_bits(bfloat_from(exp2(bfloat_flushed(a)), 0)); }
#define SMALL_MINMAX(id, name, value, from, flush)                                                                              \
    static inline u32 id##_(u32 a, u32 b) { return from(name##_32(value(a), value(b)), 0); }                                      \
    static inline u32 id##_ftz_(u32 a, u32 b) { return from(name##_32(value(flush(a)), value(flush(b))), 0); }                    \
    static inline u32 id##_nan_(u32 a, u32 b) { return from(name##_nan_32(value(a), value(b)), 0); }                              \
    static inline u32 id##_ftz_nan_(u32 a, u32 b) { return from(name##_nan_32(value(flush(a)), value(flush(b))), 0); }
SMALL_MINMAX(hmin, min, half_to_float, half_from, half_flush_bits) SMALL_MINMAX(hmax, max, half_to_float, half_from, half_flush_bits)
SMALL_MINMAX(bmin, min, bfloat_to_float, bfloat_from, bfloat_flush_bits) SMALL_MINMAX(bmax, max, bfloat_to_float, bfloat_from, bfloat_flush_bits)

/* Two singles in 64 bits. */
static inline u64 two_f32(float low, float high) { return (u64)f32_bits(high) << 32 | f32_bits(low); }
static inline float low_f32(u64 x) { return bits_f32((u32)x); }
static inline float high_f32(u64 x) { return bits_f32((u32)(x >> 32)); }
/* The lesser or greater magnitude under the signs' product. */
#define SMALL_XORSIGN(id, name, value, from, flush)                                                                                  \
    static inline u32 id##_x_(u32 a, u32 b) { return small_xor(from(name##_32(value(a & 0x7fff), value(b & 0x7fff)), 0), a, b); }        \
    static inline u32 id##_nan_x_(u32 a, u32 b) { return small_xor(from(name##_nan_32(value(a & 0x7fff), value(b & 0x7fff)), 0), a, b); } \
    static inline u32 id##_ftz_x_(u32 a, u32 b) { return small_xor(from(name##_32(value(flush(a) & 0x7fff), value(flush(b) & 0x7fff)), 0), a, b); } \
    static inline u32 id##_ftz_nan_x_(u32 a, u32 b) { return small_xor(from(name##_nan_32(value(flush(a) & 0x7fff), value(flush(b) & 0x7fff)), 0), a, b); }
static inline u32 small_xor(u32 x, u32 a, u32 b) { return x == 0x7fff ? x : (x & 0x7fff) | ((a ^ b) & 0x8000); }
SMALL_XORSIGN(hmin, min, half_to_float, half_from, half_flush_bits) SMALL_XORSIGN(hmax, max, half_to_float, half_from, half_flush_bits)
SMALL_XORSIGN(bmin, min, bfloat_to_float, bfloat_from, bfloat_flush_bits) SMALL_XORSIGN(bmax, max, bfloat_to_float, bfloat_from, bfloat_flush_bits)
/* .satfinite: beyond the range is the greatest number; a NaN stays one. */
static inline u32 half_finite(u32 h) { return (h & 0x7fff) == 0x7c00 ? (h & 0x8000) | 0x7bff : h; }
static inline u32 bfloat_finite(u32 h) { return (h & 0x7fff) == 0x7f80 ? (h & 0x8000) | 0x7f7f : h; }
static inline float tf32_finite(float x) { return isinf(x) ? copysignf(bits_f32(0x7f7fe000), x) : x; }
static inline float tf32_from(float x, int mode) {
    u32 b = f32_bits(x), low = b & 0x1fff;
    if (x != x) return bits_f32(0x7fffffff);
    b -= low;
    if (mode == NUMERIC_RN && (low > 0x1000 || (low == 0x1000 && b >> 13 & 1))) b += 0x2000;
    return bits_f32(b);
}
static inline float tf32_away(float x) { return x != x ? bits_f32(0x7fffffff) : isinf(x) ? x : bits_f32((f32_bits(x) + 0x1000u) & ~0x1fffu); }
static inline float relu_32(float x) { return x != x ? bits_f32(0x7fffffff) : x > 0 ? x : 0.0f; }
static inline u32 fp8_pair(enum small_format format, double high, double low, int relu) {
    if (relu) high = high != high ? high : high > 0 ? high : 0, low = low != low ? low : low > 0 ? low : 0;
    u32 bits = format == SMALL_E2M1 ? 4 : 8;
    return small_from(format, high, -1) << bits | small_from(format, low, -1);
}
static inline u32 fp8_halves(enum small_format format, u32 x, int relu) {
    u32 bits = format == SMALL_E2M1 ? 4 : 8, keep = format == SMALL_E2M1 ? 15 : format == SMALL_E3M2 || format == SMALL_E2M3 ? 63 : 255;
    u32 low = half_from(small_value(format, x & keep), 0), high = half_from(small_value(format, x >> bits & keep), 0);
    return relu ? pair(relu_small(low), relu_small(high)) : pair(low, high);
}
/* A power of two at most or at least the magnitude. */
static inline u32 scale_from(float x, int up, int finite) {
    if (x != x) return 0xff;
    if (isinf(x)) return finite ? 0xfe : 0xff;
    u32 b = f32_bits(x) & 0x7fffffff, e = b >> 23;
    if (e == 0) return up && b > 0x400000; /* subnormal: 2^-127 is half of the least normal number */
    if (up && b & 0x7fffff) e++;
    return e > 0xfe ? (finite ? 0xfe : 0xff) : e;
}

#define CLAMP(t, low, high) static inline t clamp_##t(s128 x) { return x < (s128)(low) ? (t)(low) : x > (s128)(high) ? (t)(high) : (t)x; }
CLAMP(u8, 0, UINT8_MAX) CLAMP(s8, INT8_MIN, INT8_MAX) CLAMP(u16, 0, UINT16_MAX) CLAMP(s16, INT16_MIN, INT16_MAX)
CLAMP(u32, 0, UINT32_MAX) CLAMP(u64, 0, UINT64_MAX) CLAMP(s64, INT64_MIN, INT64_MAX)

/* A rounded value to an integer type: clamped; NaN is 0, or the top bit alone for 64-bit integers and for double. */
#define TO_UNSIGNED(t, bits, limit, is_wide)                                                        \
    static inline t to_##t(double x, int from_double) {                                               \
        if (x != x) return from_double || is_wide ? (t)((u64)1 << (bits - 1)) : (t)0;                 \
        return x >= limit ? (t)~(t)0 : x <= 0 ? (t)0 : (t)x;                                          \
    }
#define TO_SIGNED(t, ut, bits, limit, is_wide)                                                      \
    static inline t to_##t(double x, int from_double) {                                               \
        if (x != x) return from_double || is_wide ? (t)((ut)1 << (bits - 1)) : (t)0;                  \
        return x >= limit ? (t)(((ut)1 << (bits - 1)) - 1) : x < -limit ? (t)((ut)1 << (bits - 1)) : (t)x; \
    }
TO_UNSIGNED(u8, 8, 0x1p8, 0) TO_UNSIGNED(u16, 16, 0x1p16, 0) TO_UNSIGNED(u32, 32, 0x1p32, 0) TO_UNSIGNED(u64, 64, 0x1p64, 1)
TO_SIGNED(s8, u8, 8, 0x1p7, 0) TO_SIGNED(s16, u16, 16, 0x1p15, 0) TO_SIGNED(s32, u32, 32, 0x1p31, 0) TO_SIGNED(s64, u64, 64, 0x1p63, 1)
static inline double round_rni(double x) { return __builtin_rint(x); }
static inline double round_rzi(double x) { return __builtin_trunc(x); }
static inline double round_rmi(double x) { return __builtin_floor(x); }
static inline double round_rpi(double x) { return __builtin_ceil(x); }
static inline double same(double x) { return x; }
static inline float samef(float x) { return x; }
/* Integers to double for one more rounding to a small format: what does not fit in 53 bits is rounded to odd. */
static inline double exact_u64(u64 x) { return (double)(x >> 53 ? (x >> 11 | ((x & 0x7ff) != 0)) : x) * (x >> 53 ? 2048.0 : 1.0); }
static inline double exact_s64(s64 x) { return x < 0 ? -exact_u64(0 - (u64)x) : exact_u64((u64)x); }
static inline double exact_u32(u32 x) { return x; }
static inline double exact_s32(s32 x) { return x; }
static inline double exact_u16(u16 x) { return x; }
static inline double exact_s16(s16 x) { return x; }
static inline double exact_u8(u8 x) { return x; }
static inline double exact_s8(s8 x) { return x; }

/* ---- the loops */

#define HEAD(id) static const struct insn *op_##id(struct warp *w, const struct insn *in)
#define VECTOR _Pragma("GCC ivdep") for (int i = 0; i < LANES; i++)
#define USES(D) typedef U_##D U; typedef W_##D W; (void)sizeof(U); (void)sizeof(W)
#define STORE(D, i, expr) d[i] = (S_##D)(U)(D)(expr)
#define LOOPS(D, body) if (w->mask == 0xffffffffu) { VECTOR { body } } else EACH_LANE(w, i) { body }
#define SLOW(D, body) EACH_LANE(w, i) { body }
#define GET(T, x, field) const S_##T *x##s = row(w, in->field)
#define VALUE(T, x) T x = (T)x##s[i]; (void)x
#define OP1_(LOOP, id, D, A, expr) HEAD(id) { USES(D); S_##D *d = out(w, in->d); GET(A, a, a); LOOP(D, VALUE(A, a); STORE(D, i, expr);) return in + 1; }
#define OP2_(LOOP, id, D, A, B, expr) HEAD(id) { USES(D); S_##D *d = out(w, in->d); GET(A, a, a); GET(B, b, b); LOOP(D, VALUE(A, a); VALUE(B, b); STORE(D, i, expr);) return in + 1; }
#define OP3_(LOOP, id, D, A, B, C, expr) HEAD(id) { USES(D); S_##D *d = out(w, in->d); GET(A, a, a); GET(B, b, b); GET(C, c, c); LOOP(D, VALUE(A, a); VALUE(B, b); VALUE(C, c); STORE(D, i, expr);) return in + 1; }
#define OP4_(LOOP, id, D, A, B, C, E, expr) HEAD(id) { USES(D); S_##D *d = out(w, in->d); GET(A, a, a); GET(B, b, b); GET(C, c, c); GET(E, e, e); LOOP(D, VALUE(A, a); VALUE(B, b); VALUE(C, c); VALUE(E, e); STORE(D, i, expr);) return in + 1; }
#define OP1(id, key, D, A, expr) OP1_(LOOPS, id, D, A, expr)
#define OP1S(id, key, D, A, expr) OP1_(SLOW, id, D, A, expr)
#define OP2(id, key, D, A, B, expr) OP2_(LOOPS, id, D, A, B, expr)
#define OP2S(id, key, D, A, B, expr) OP2_(SLOW, id, D, A, B, expr)
#define OP3(id, key, D, A, B, C, expr) OP3_(LOOPS, id, D, A, B, C, expr)
#define OP3S(id, key, D, A, B, C, expr) OP3_(SLOW, id, D, A, B, C, expr)
#define OP4S(id, key, D, A, B, C, E, expr) OP4_(SLOW, id, D, A, B, C, E, expr)
/* Comparisons give a mask of all lanes; set_predicate keeps those that do not take part. */
#define CMP1(id, key, A, expr) HEAD(id) { GET(A, a, a); u32 m = 0; for (int i = 0; i < LANES; i++) { VALUE(A, a); m |= (u32)((expr) != 0) << i; } set_predicate(w, in->d, m); return in + 1; }
#define CMP2(id, key, A, expr) HEAD(id) { GET(A, a, a); GET(A, b, b); u32 m = 0; for (int i = 0; i < LANES; i++) { VALUE(A, a); VALUE(A, b); m |= (u32)((expr) != 0) << i; } set_predicate(w, in->d, m); return in + 1; }
#define CMPX2(id, key, expr)                                                                                     \
    HEAD(id) {                                                                                                     \
        GET(u32, a, a); GET(u32, b, b);                                                                            \
        u32 low = 0, high = 0;                                                                                     \
        for (int i = 0; i < LANES; i++) {                                                                          \
            { u32 a = as[i] & 0xffff, b = bs[i] & 0xffff; low |= (u32)((expr) != 0) << i; }                        \
            { u32 a = as[i] >> 16, b = bs[i] >> 16; high |= (u32)((expr) != 0) << i; }                             \
        }                                                                                                          \
        set_predicate(w, in->d, low);                                                                              \
        set_predicate(w, in->d2, high);                                                                            \
        return in + 1;                                                                                             \
    }

#include OPS_SEMANTICS

#undef OP1
#undef OP1S
#undef OP2
#undef OP2S
#undef OP3
#undef OP3S
#undef OP4S
#undef CMP1
#undef CMP2
#undef CMPX2

#ifdef OPS_EXTRA
/* ---- what does not fit the form */

/* Directed rounding: the same instruction with the host's rounding mode changed. The rows are memory, so that no
 * arithmetic moves across the calls. */
HEAD(rounded) {
    static const int modes[] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
    fesetround(modes[in->mode]);
    in->inner(w, in);
    fesetround(FE_TONEAREST);
    return in + 1;
}

#define SELECT(t)                                                                              \
    HEAD(selp_##t) {                                                                             \
        S_##t *d = out(w, in->d);                                                                \
        GET(t, a, a);                                                                            \
        GET(t, b, b);                                                                            \
        u32 p = predicate(w, in->c);                                                             \
        if (w->mask == 0xffffffffu) { VECTOR d[i] = p >> i & 1 ? as[i] : bs[i]; }                \
        else EACH_LANE(w, i) d[i] = p >> i & 1 ? as[i] : bs[i];                                  \
        return in + 1;                                                                           \
    }
SELECT(u32) SELECT(u64)

HEAD(mov_pred) { set_predicate(w, in->d, predicate(w, in->a)); return in + 1; }
HEAD(not_pred) { set_predicate(w, in->d, ~predicate(w, in->a)); return in + 1; }
HEAD(and_pred) { set_predicate(w, in->d, predicate(w, in->a) & predicate(w, in->b)); return in + 1; }
HEAD(or_pred) { set_predicate(w, in->d, predicate(w, in->a) | predicate(w, in->b)); return in + 1; }
HEAD(xor_pred) { set_predicate(w, in->d, predicate(w, in->a) ^ predicate(w, in->b)); return in + 1; }

static inline u32 bool_apply(u32 mode, u32 x, u32 c) { return mode == 1 ? x & c : mode == 2 ? x | c : mode == 3 ? x ^ c : x; }

/* setp's p = cmp BoolOp c and q = !cmp BoolOp c; a is the comparison. */
HEAD(setp_finish) {
    u32 a = predicate(w, in->a), c = in->c >= 0 ? predicate(w, in->c) : 0;
    set_predicate(w, in->d, bool_apply(in->mode, a, c));
    if (in->d2 >= 0) set_predicate(w, in->d2, bool_apply(in->mode, ~a, c));
    return in + 1;
}
HEAD(setp_finish2) { /* packed: p from the low half (a), q from the high half (b) */
    u32 a = predicate(w, in->a), b = predicate(w, in->b), c = in->c >= 0 ? predicate(w, in->c) : 0;
    set_predicate(w, in->d, bool_apply(in->mode, a, c));
    set_predicate(w, in->d2, bool_apply(in->mode, b, c));
    return in + 1;
}
#define SET(id, yes)                                                                             \
    HEAD(set_##id) {                                                                               \
        u32 m = bool_apply(in->mode, predicate(w, in->a), in->c >= 0 ? predicate(w, in->c) : 0);   \
        S_u32 *d = out(w, in->d);                                                                  \
        EACH_LANE(w, i) d[i] = m >> i & 1 ? (yes) : 0;                                             \
        return in + 1;                                                                             \
    }
SET(32, 0xffffffffu) SET(16, 0xffffu) SET(f32, 0x3f800000u) SET(f16, 0x3c00u) SET(bf16, 0x3f80u)
#define SETX2(id, yes)                                                                           \
    HEAD(set_##id) {                                                                               \
        u32 low = predicate(w, in->a), high = predicate(w, in->b);                                 \
        S_u32 *d = out(w, in->d);                                                                  \
        EACH_LANE(w, i) d[i] = (low >> i & 1 ? (yes) : 0) | (high >> i & 1 ? (yes) << 16 : 0);     \
        return in + 1;                                                                             \
    }
SETX2(f16x2, 0x3c00u) SETX2(bf16x2, 0x3f80u) SETX2(x2_32, 0xffffu)

/* Carries: w->carry has a bit a lane. `sum` is exact in the wide type X; the carry is what lies beyond the width. Subtractions add the
 * complement, as hardware does: the flag that sub.cc leaves is 1 when nothing was borrowed, which shows where addc reads it. */
#define CARRY(id, t, X, sum, carries)                                                            \
    HEAD(id) {                                                                                     \
        S_##t *d = out(w, in->d);                                                                  \
        GET(t, a, a);                                                                              \
        GET(t, b, b);                                                                              \
        GET(t, c, c);                                                                              \
        u32 carry = w->carry;                                                                      \
        EACH_LANE(w, i) {                                                                          \
            X a = (t)as[i], b = (t)bs[i], c = (t)cs[i], cf = w->carry >> i & 1;                    \
            (void)a; (void)b; (void)c; (void)cf;                                                   \
            X r = sum;                                                                             \
            d[i] = (t)r;                                                                           \
            if (carries) carry = (carry & ~(1u << i)) | (u32)(r >> (8 * sizeof(t)) & 1) << i;      \
        }                                                                                          \
        w->carry = carry;                                                                          \
        return in + 1;                                                                             \
    }
#define CARRIES(n, t, X, hi)                                                                     \
    CARRY(add_cc_##n, t, X, a + b, 1) CARRY(addc_##n, t, X, a + b + cf, 0) CARRY(addc_cc_##n, t, X, a + b + cf, 1) \
    CARRY(sub_cc_##n, t, X, a + (X)(t)~b + 1, 1) CARRY(subc_##n, t, X, a + (X)(t)~b + cf, 0) CARRY(subc_cc_##n, t, X, a + (X)(t)~b + cf, 1) \
    CARRY(mad_lo_cc_##n, t, X, (X)(t)(a * b) + c, 1) CARRY(madc_lo_##n, t, X, (X)(t)(a * b) + c + cf, 0)            \
    CARRY(madc_lo_cc_##n, t, X, (X)(t)(a * b) + c + cf, 1)                                        \
    CARRY(mad_hi_cc_u##n, t, X, (X)(t)((a * b) >> (8 * sizeof(t))) + c, 1)                        \
    CARRY(madc_hi_u##n, t, X, (X)(t)((a * b) >> (8 * sizeof(t))) + c + cf, 0)                     \
    CARRY(madc_hi_cc_u##n, t, X, (X)(t)((a * b) >> (8 * sizeof(t))) + c + cf, 1)                  \
    CARRY(mad_hi_cc_s##n, t, X, (X)(t)hi(a, b) + c, 1)                                            \
    CARRY(madc_hi_s##n, t, X, (X)(t)hi(a, b) + c + cf, 0)                                         \
    CARRY(madc_hi_cc_s##n, t, X, (X)(t)hi(a, b) + c + cf, 1)
static inline u32 signed_hi32(u64 a, u64 b) { return (u32)(((s64)(s32)a * (s32)b) >> 32); }
static inline u64 signed_hi64(u128 a, u128 b) { return (u64)(((s128)(s64)a * (s64)b) >> 64); }
CARRIES(32, u32, u64, signed_hi32)
CARRIES(64, u64, u128, signed_hi64)

#endif

/* ---- the table */

#define ENTRY(id, key) {key, op_##id},
#define OP1(id, key, ...) ENTRY(id, key)
#define OP1S(id, key, ...) ENTRY(id, key)
#define OP2(id, key, ...) ENTRY(id, key)
#define OP2S(id, key, ...) ENTRY(id, key)
#define OP3(id, key, ...) ENTRY(id, key)
#define OP3S(id, key, ...) ENTRY(id, key)
#define OP4S(id, key, ...) ENTRY(id, key)
#define CMP1(id, key, ...) ENTRY(id, key)
#define CMP2(id, key, ...) ENTRY(id, key)
#define CMPX2(id, key, ...) ENTRY(id, key)
#define CARRY_ENTRIES(n, t)                                                                      \
    ENTRY(add_cc_##n, "add.cc." t) ENTRY(addc_##n, "addc." t) ENTRY(addc_cc_##n, "addc.cc." t)     \
    ENTRY(sub_cc_##n, "sub.cc." t) ENTRY(subc_##n, "subc." t) ENTRY(subc_cc_##n, "subc.cc." t)     \
    ENTRY(mad_lo_cc_##n, "mad.lo.cc." t) ENTRY(madc_lo_##n, "madc.lo." t) ENTRY(madc_lo_cc_##n, "madc.lo.cc." t)
#define CARRY_HI(s, n) ENTRY(mad_hi_cc_##s##n, "mad.hi.cc." #s #n) ENTRY(madc_hi_##s##n, "madc.hi." #s #n) ENTRY(madc_hi_cc_##s##n, "madc.hi.cc." #s #n)

const struct ops_entry OPS_NAME[] = {
#include OPS_SEMANTICS
#ifdef OPS_EXTRA
    ENTRY(rounded, "rounded")
    ENTRY(selp_u32, "selp.b16") ENTRY(selp_u32, "selp.u16") ENTRY(selp_u32, "selp.s16") ENTRY(selp_u32, "selp.f16") ENTRY(selp_u32, "selp.bf16")
    ENTRY(selp_u32, "selp.b32") ENTRY(selp_u32, "selp.u32") ENTRY(selp_u32, "selp.s32") ENTRY(selp_u32, "selp.f32")
    ENTRY(selp_u64, "selp.b64") ENTRY(selp_u64, "selp.u64") ENTRY(selp_u64, "selp.s64") ENTRY(selp_u64, "selp.f64")
    ENTRY(mov_pred, "mov.pred") ENTRY(not_pred, "not.pred") ENTRY(and_pred, "and.pred") ENTRY(or_pred, "or.pred") ENTRY(xor_pred, "xor.pred")
    ENTRY(setp_finish, "setp.finish") ENTRY(setp_finish2, "setp.finish2")
    ENTRY(set_32, "set.finish.u32") ENTRY(set_32, "set.finish.s32") ENTRY(set_16, "set.finish.u16") ENTRY(set_16, "set.finish.s16")
    ENTRY(set_f32, "set.finish.f32") ENTRY(set_f16, "set.finish.f16") ENTRY(set_bf16, "set.finish.bf16")
    ENTRY(set_f16x2, "set.finish.f16x2") ENTRY(set_bf16x2, "set.finish.bf16x2") ENTRY(set_x2_32, "set.finish2.u32") ENTRY(set_x2_32, "set.finish2.s32")
    CARRY_ENTRIES(32, "u32") CARRY_ENTRIES(32, "s32") CARRY_ENTRIES(64, "u64") CARRY_ENTRIES(64, "s64")
    CARRY_HI(u, 32) CARRY_HI(s, 32) CARRY_HI(u, 64) CARRY_HI(s, 64)
#endif
    {NULL, NULL},
};
