/*
 * Instructions against an independent reference: plain C over raw bits, 128-bit integers, the host's directed rounding,
 * and for the small formats exact binary128 arithmetic rounded by a search of the neighbours. No code is shared with the
 * engine. Operands are all pairs of edge values and random bits; the seed is printed. argv: [seed]
 *
 * A case is: spelling, signature (destination then sources: h r d are 16, 32, 64 bits, p a predicate), value.
 * A B C E are the sources' raw bits. f(x) g(x) read bits as float, double; F(x) G(x) give the bits back, with NaN made one.
 */
#include <fenv.h>
#include <math.h>

#include "device.h"

#pragma STDC FENV_ACCESS ON
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
typedef unsigned __int128 u128; typedef __int128 s128; typedef __float128 f128;

static u64 A, B, C, E;
static float f(u64 x) { u32 b = (u32)x; float v; memcpy(&v, &b, 4); return v; }
static double g(u64 x) { double v; memcpy(&v, &x, 8); return v; }
static u64 F(float v) { u32 b; memcpy(&b, &v, 4); return v != v ? 0x7fffffff : b; }
static u64 G(double v) { u64 b; memcpy(&b, &v, 8); return v != v ? 0x7ff8000000000000 : b; }

/* ---- floating point with a rounding mode */
static const int modes[4] = {FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD};
#define ROUNDED(type, mode, expression) ({ fesetround(modes[mode]); volatile type r_ = (expression); fesetround(FE_TONEAREST); r_; })
static volatile float va, vb, vc;
static volatile double da, db, dc;
static float addm(u64 a, u64 b, int m) { va = f(a); vb = f(b); return ROUNDED(float, m, va + vb); }
static float subm(u64 a, u64 b, int m) { va = f(a); vb = f(b); return ROUNDED(float, m, va - vb); }
static float mulm(u64 a, u64 b, int m) { va = f(a); vb = f(b); return ROUNDED(float, m, va * vb); }
static float divm(u64 a, u64 b, int m) { va = f(a); vb = f(b); return ROUNDED(float, m, va / vb); }
static float fmam(u64 a, u64 b, u64 c, int m) { va = f(a); vb = f(b); vc = f(c); return ROUNDED(float, m, fmaf(va, vb, vc)); }
static float sqrtm(u64 a, int m) { va = f(a); return ROUNDED(float, m, sqrtf(va)); }
static double daddm(u64 a, u64 b, int m) { da = g(a); db = g(b); return ROUNDED(double, m, da + db); }
static double dsubm(u64 a, u64 b, int m) { da = g(a); db = g(b); return ROUNDED(double, m, da - db); }
static double dmulm(u64 a, u64 b, int m) { da = g(a); db = g(b); return ROUNDED(double, m, da * db); }
static double ddivm(u64 a, u64 b, int m) { da = g(a); db = g(b); return ROUNDED(double, m, da / db); }
static double dfmam(u64 a, u64 b, u64 c, int m) { da = g(a); db = g(b); dc = g(c); return ROUNDED(double, m, fma(da, db, dc)); }
static double dsqrtm(u64 a, int m) { da = g(a); return ROUNDED(double, m, sqrt(da)); }
static u64 ftz(u64 x) { return fpclassify(f(x)) == FP_SUBNORMAL ? x & 0x80000000 : x; }
static u64 sat(u64 x) { float v = f(x); return isnan(v) || v <= 0 ? 0 : v > 1 ? F(1) : x; }

/* ---- small formats: value of an encoding, and the encoding nearest to an exact value */
struct small { int m, e; };
static const struct small H = {10, 5}, BF = {7, 8};
static f128 two(int n) { f128 v = 1; for (; n > 0; n--) v *= 2; for (; n < 0; n++) v /= 2; return v; }
static int is_nan(struct small s, u32 x) { return (x >> s.m & ((1u << s.e) - 1)) == (1u << s.e) - 1 && (x & ((1u << s.m) - 1)); }
static int is_inf(struct small s, u32 x) { return (x >> s.m & ((1u << s.e) - 1)) == (1u << s.e) - 1 && !(x & ((1u << s.m) - 1)); }
static f128 magnitude(struct small s, u32 x) { /* by magnitude and sign, also of the number after the largest */
    int e = (int)(x >> s.m & ((1u << s.e) - 1)), bias = (1 << (s.e - 1)) - 1;
    f128 m = (f128)(x & ((1u << s.m) - 1)), v = e ? (m + (f128)(1 << s.m)) * two(e - bias - s.m) : m * two(1 - bias - s.m);
    return x >> (s.m + s.e) & 1 ? -v : v;
}
static f128 value(struct small s, u32 x) {
    if (is_nan(s, x)) return __builtin_nan("");
    if (is_inf(s, x)) return x >> (s.m + s.e) & 1 ? -__builtin_inf() : __builtin_inf();
    return magnitude(s, x);
}
static u32 encode(struct small s, f128 v, int negative_zero, int mode) {
    u32 sign = v < 0 || (v == 0 && negative_zero) ? 1u << (s.m + s.e) : 0, inf = ((1u << s.e) - 1) << s.m;
    if (v != v) return 0x7fff;
    f128 a = v < 0 ? -v : v;
    if (a > (f128)1e300 * (f128)1e300) return sign | inf;
    u32 low = 0, high = inf; /* the largest encoding not above a */
    while (low + 1 < high) {
        u32 middle = (low + high) / 2;
        if (magnitude(s, middle) <= a) low = middle;
        else high = middle;
    }
    f128 below = magnitude(s, low), above = magnitude(s, low + 1); /* for the largest, the value that infinity stands for */
    if (a == below) return sign | low;
    u32 up = 0;
    if (mode == 0) up = a - below > above - a || (a - below == above - a && (low & 1));
    else if (mode == 2) up = v < 0;
    else if (mode == 3) up = v > 0;
    return sign | (low + up);
}
#define hv(x) value(H, (u32)(x) & 0xffff)
#define bv(x) value(BF, (u32)(x) & 0xffff)
static int neg16(u64 x) { return x >> 15 & 1; }
/* x + y; where 113 bits do not hold it, moved off a tie to the side that the exact sum lies on. */
static f128 exact_sum(f128 x, f128 y) {
    f128 ax = x < 0 ? -x : x, ay = y < 0 ? -y : y, big = ax < ay ? y : x, little = ax < ay ? x : y, s = x + y, lost = little - (s - big);
    if (s - s != 0 || lost == 0) return s;
    f128 step = (s < 0 ? -s : s) * two(-100);
    return lost > 0 ? s + step : s - step;
}
static u64 sum(struct small s, u64 a, u64 b) { return encode(s, exact_sum(value(s, (u32)a & 0xffff), value(s, (u32)b & 0xffff)), neg16(a) && neg16(b), 0); }
static u64 product(struct small s, u64 a, u64 b) { return encode(s, value(s, (u32)a & 0xffff) * value(s, (u32)b & 0xffff), neg16(a) != neg16(b), 0); }
static u64 fused(struct small s, u64 a, u64 b, u64 c) {
    f128 p = value(s, (u32)a & 0xffff) * value(s, (u32)b & 0xffff);
    return encode(s, exact_sum(p, value(s, (u32)c & 0xffff)), (neg16(a) != neg16(b)) && neg16(c), 0);
}
static u64 twice(u64 (*op)(struct small, u64, u64), struct small s) { return op(s, A & 0xffff, B & 0xffff) | op(s, A >> 16, B >> 16) << 16; }

/* ---- integers */
static s64 sx(u64 x, int bits) { return (s64)(x << (64 - bits)) >> (64 - bits); }
static u64 zx(u64 x, int bits) { return bits == 64 ? x : x & (((u64)1 << bits) - 1); }
static u64 clamp(s128 v, s128 low, s128 high) { return (u64)(v < low ? low : v > high ? high : v); }
static u64 field(u64 a, int bits, u64 at, u64 length, int is_signed) { /* bit by bit, as the manual's pseudo-code */
    int pos = (int)(at & 255), len = (int)(length & 255), msb = bits - 1;
    u64 sbit = !is_signed || len == 0 ? 0 : a >> (pos + len - 1 < msb ? pos + len - 1 : msb) & 1, d = 0;
    for (int i = 0; i <= msb; i++) d |= (i < len && pos + i <= msb ? a >> (pos + i) & 1 : sbit) << i;
    return d;
}
static u64 bfi(u64 a, u64 b, int bits, u64 at, u64 length) {
    int pos = (int)(at & 255), len = (int)(length & 255);
    u64 d = b;
    for (int i = 0; i < len && pos + i < bits; i++) d = (d & ~((u64)1 << (pos + i))) | (a >> i & 1) << (pos + i);
    return d;
}
static u64 bits_reversed(u64 a, int bits) { u64 d = 0; for (int i = 0; i < bits; i++) d |= (a >> i & 1) << (bits - 1 - i); return d; }
static u64 top_bit(u64 a, int bits, int is_signed, int shift) {
    if (is_signed && (a >> (bits - 1) & 1)) a = zx(~a, bits);
    for (int i = bits - 1; i >= 0; i--) if (a >> i & 1) return (u64)(shift ? bits - 1 - i : i);
    return 0xffffffff;
}
static u64 ones(u64 a) { u64 n = 0; for (; a; a >>= 1) n += a & 1; return n; }
static u64 prmt(u64 a, u64 b, u64 sel) {
    u8 bytes[8]; u64 d = 0;
    for (int i = 0; i < 4; i++) bytes[i] = (u8)(a >> 8 * i), bytes[4 + i] = (u8)(b >> 8 * i);
    for (int i = 0; i < 4; i++) { int s = (int)(sel >> 4 * i & 15); u8 v = bytes[s & 7]; d |= (u64)(s & 8 ? (v & 128 ? 255 : 0) : v) << 8 * i; }
    return d;
}
static u64 lop(u64 a, u64 b, u64 c, int table) { u64 d = 0; for (int i = 0; i < 32; i++) d |= (u64)(table >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1)) & 1) << i; return d; }
static u64 dot(int n, int wide, int hi, int sa, int sb) {
    s64 r = (s64)C;
    for (int i = 0; i < n; i++) {
        s64 x = wide ? (sa ? (s16)(A >> 16 * i) : (u16)(A >> 16 * i)) : sa ? (s8)(A >> 8 * i) : (u8)(A >> 8 * i);
        int k = wide ? i + 2 * hi : i;
        r += x * (sb ? (s8)(B >> 8 * k) : (u8)(B >> 8 * k));
    }
    return (u64)r & 0xffffffff;
}
static u64 to_int(double v, int mode, int bits, int is_signed, int from_double) {
    if (isnan(v)) return from_double || bits == 64 ? (u64)1 << (bits - 1) : 0;
    double r = mode == 0 ? nearbyint(v) : mode == 1 ? trunc(v) : mode == 2 ? floor(v) : ceil(v);
    s128 low = is_signed ? -((s128)1 << (bits - 1)) : 0, high = ((s128)1 << (is_signed ? bits - 1 : bits)) - 1;
    if (r <= -0x1p100) return zx((u64)low, bits);
    if (r >= 0x1p100) return zx((u64)high, bits);
    return zx(clamp((s128)r, low, high), bits);
}
static u64 minmax(u64 a, u64 b, int max) {
    float x = f(a), y = f(b);
    if (isnan(x)) return F(y);
    if (isnan(y)) return F(x);
    if (x == y) return (signbit(x) != 0) == max ? b : a;
    return (x < y) != max ? a : b;
}
static int fcmp(double a, double b, int op) {
    int u = isnan(a) || isnan(b);
    switch (op) {
        case 0: return !u && a == b; case 1: return !u && a != b; case 2: return !u && a < b; case 3: return !u && a <= b; case 4: return !u && a > b; case 5: return !u && a >= b;
        case 6: return u || a == b; case 7: return u || a != b; case 8: return u || a < b; case 9: return u || a <= b; case 10: return u || a > b; case 11: return u || a >= b;
        case 12: return !u; default: return u;
    }
}

static u64 mask_bits(u64 at, u64 length) { u64 d = 0; for (u64 i = 0; i < 32; i++) d |= (u64)(i >= at && i < at + length) << i; return d; }
static u64 nth(u64 mask, int base, s64 n) {
    if (n == 0) return mask >> base & 1 ? (u64)base : 0xffffffff;
    for (int i = base, left = (int)(n > 40 ? 40 : n < -40 ? -40 : n); i >= 0 && i < 32; i += n > 0 ? 1 : -1)
        if ((mask >> i & 1) && (left -= n > 0 ? 1 : -1) == 0) return (u64)i;
    return 0xffffffff;
}
static u64 bytes4(u64 n, int step) { u64 all = B << 32 | A, d = 0; for (int i = 0; i < 4; i++) d |= (all >> 8 * ((n + 8 + (u64)(step * i)) & 7) & 255) << 8 * i; return d; }
static u64 edge(u64 n, int left) { u64 d = 0; for (u64 i = 0; i < 4; i++) d |= (A >> 8 * (left ? (i > n ? i : n) : i < n ? i : n) & 255) << 8 * i; return d; }
static u64 small_minmax(struct small s, u64 a, u64 b, int max, int nan) {
    int na = is_nan(s, (u32)a), nb = is_nan(s, (u32)b);
    if ((na && nb) || (nan && (na || nb))) return 0x7fff;
    if (na) return b;
    if (nb) return a;
    f128 x = value(s, (u32)a), y = value(s, (u32)b);
    if (x == y) return neg16(a) == max ? b : a;
    return (x < y) != max ? a : b;
}
static u64 xorsigned(int max) {
    u64 m = minmax(A & 0x7fffffff, B & 0x7fffffff, max);
    return isnan(f(m)) ? m : (m & 0x7fffffff) | ((A ^ B) & 0x80000000);
}
static u64 relu(u64 h) { return h == 0x7fff ? h : h & 0x8000 ? 0 : h; }
static u64 sat16(u64 h) { f128 v = hv(h); return v != v || v <= 0 ? 0 : v > 1 ? 0x3c00 : h; }
static u64 flush16(u64 h) { return (h & 0x7c00) == 0 ? h & 0x8000 : h; }

#define CASES \
    /* integers of every width */ \
    W(add, "hhh", "u16", A + B) W(add, "hhh", "s16", A + B) W(add, "rrr", "u32", A + B) W(add, "rrr", "s32", A + B) W(add, "ddd", "u64", A + B) W(add, "ddd", "s64", A + B) \
    W(sub, "hhh", "u16", A - B) W(sub, "hhh", "s16", A - B) W(sub, "rrr", "u32", A - B) W(sub, "rrr", "s32", A - B) W(sub, "ddd", "u64", A - B) W(sub, "ddd", "s64", A - B) \
    W(mul.lo, "hhh", "u16", A * B) W(mul.lo, "hhh", "s16", A * B) W(mul.lo, "rrr", "u32", A * B) W(mul.lo, "rrr", "s32", A * B) W(mul.lo, "ddd", "u64", A * B) W(mul.lo, "ddd", "s64", A * B) \
    W(mul.hi, "hhh", "u16", A * B >> 16) W(mul.hi, "hhh", "s16", sx(A, 16) * sx(B, 16) >> 16) W(mul.hi, "rrr", "u32", A * B >> 32) W(mul.hi, "rrr", "s32", sx(A, 32) * sx(B, 32) >> 32) \
    W(mul.hi, "ddd", "u64", (u128)A * B >> 64) W(mul.hi, "ddd", "s64", (s128)(s64)A * (s64)B >> 64) \
    W(mul.wide, "rhh", "u16", A * B) W(mul.wide, "rhh", "s16", sx(A, 16) * sx(B, 16)) W(mul.wide, "drr", "u32", A * B) W(mul.wide, "drr", "s32", sx(A, 32) * sx(B, 32)) \
    W(mad.lo, "hhhh", "u16", A * B + C) W(mad.lo, "hhhh", "s16", A * B + C) W(mad.lo, "rrrr", "u32", A * B + C) W(mad.lo, "rrrr", "s32", A * B + C) W(mad.lo, "dddd", "u64", A * B + C) W(mad.lo, "dddd", "s64", A * B + C) \
    W(mad.hi, "hhhh", "u16", (A * B >> 16) + C) W(mad.hi, "hhhh", "s16", (sx(A, 16) * sx(B, 16) >> 16) + (s64)C) W(mad.hi, "rrrr", "u32", (A * B >> 32) + C) W(mad.hi, "rrrr", "s32", (sx(A, 32) * sx(B, 32) >> 32) + (s64)C) \
    W(mad.hi, "dddd", "u64", (u64)((u128)A * B >> 64) + C) W(mad.hi, "dddd", "s64", (u64)((s128)(s64)A * (s64)B >> 64) + C) \
    W(mad.hi.sat, "rrrr", "s32", clamp((sx(A, 32) * sx(B, 32) >> 32) + sx(C, 32), INT32_MIN, INT32_MAX)) \
    W(mad.wide, "rhhr", "u16", A * B + C) W(mad.wide, "rhhr", "s16", (u64)(sx(A, 16) * sx(B, 16)) + C) W(mad.wide, "drrd", "u32", A * B + C) W(mad.wide, "drrd", "s32", (u64)(sx(A, 32) * sx(B, 32)) + C) \
    W(add.sat, "rrr", "s32", clamp((s128)sx(A, 32) + sx(B, 32), INT32_MIN, INT32_MAX)) W(sub.sat, "rrr", "s32", clamp((s128)sx(A, 32) - sx(B, 32), INT32_MIN, INT32_MAX)) \
    W(mul24.lo, "rrr", "u32", zx(A, 24) * zx(B, 24)) W(mul24.hi, "rrr", "u32", zx(A, 24) * zx(B, 24) >> 16) W(mul24.lo, "rrr", "s32", sx(A, 24) * sx(B, 24)) W(mul24.hi, "rrr", "s32", sx(A, 24) * sx(B, 24) >> 16) \
    W(mad24.lo, "rrrr", "u32", zx(A, 24) * zx(B, 24) + C) W(mad24.hi, "rrrr", "u32", (zx(A, 24) * zx(B, 24) >> 16) + C) W(mad24.lo, "rrrr", "s32", (u64)(sx(A, 24) * sx(B, 24)) + C) \
    W(mad24.hi, "rrrr", "s32", (u64)(sx(A, 24) * sx(B, 24) >> 16) + C) W(mad24.hi.sat, "rrrr", "s32", clamp(sx((u64)(sx(A, 24) * sx(B, 24) >> 16), 32) + sx(C, 32), INT32_MIN, INT32_MAX)) \
    W(sad, "hhhh", "u16", C + (A < B ? B - A : A - B)) W(sad, "hhhh", "s16", C + (u64)llabs(sx(A, 16) - sx(B, 16))) W(sad, "rrrr", "u32", C + (A < B ? B - A : A - B)) W(sad, "rrrr", "s32", C + (u64)llabs(sx(A, 32) - sx(B, 32))) \
    W(sad, "dddd", "u64", C + (A < B ? B - A : A - B)) W(sad, "dddd", "s64", C + ((s64)A < (s64)B ? B - A : A - B)) \
    W(div, "hhh", "u16", B ? A / B : 0xffff) W(div, "hhh", "s16", B ? sx(A, 16) / sx(B, 16) : -1) W(div, "rrr", "u32", B ? A / B : 0xffffffff) W(div, "rrr", "s32", B ? sx(A, 32) / sx(B, 32) : -1) \
    W(div, "ddd", "u64", B ? A / B : ~0ull) W(div, "ddd", "s64", B ? (s128)(s64)A / (s64)B : -1) \
    W(rem, "hhh", "u16", B ? A % B : A) W(rem, "hhh", "s16", B ? sx(A, 16) % sx(B, 16) : sx(A, 16)) W(rem, "rrr", "u32", B ? A % B : A) W(rem, "rrr", "s32", B ? sx(A, 32) % sx(B, 32) : sx(A, 32)) \
    W(rem, "ddd", "u64", B ? A % B : A) W(rem, "ddd", "s64", B ? (s128)(s64)A % (s64)B : (s128)A) \
    W(abs, "hh", "s16", llabs(sx(A, 16))) W(abs, "rr", "s32", llabs(sx(A, 32))) W(abs, "dd", "s64", (s64)A < 0 ? -A : A) W(neg, "hh", "s16", -A) W(neg, "rr", "s32", -A) W(neg, "dd", "s64", -A) \
    W(min, "hhh", "u16", A < B ? A : B) W(min, "hhh", "s16", sx(A, 16) < sx(B, 16) ? A : B) W(min, "rrr", "u32", A < B ? A : B) W(min, "rrr", "s32", sx(A, 32) < sx(B, 32) ? A : B) W(min, "ddd", "u64", A < B ? A : B) W(min, "ddd", "s64", (s64)A < (s64)B ? A : B) \
    W(max, "hhh", "u16", A > B ? A : B) W(max, "hhh", "s16", sx(A, 16) > sx(B, 16) ? A : B) W(max, "rrr", "u32", A > B ? A : B) W(max, "rrr", "s32", sx(A, 32) > sx(B, 32) ? A : B) W(max, "ddd", "u64", A > B ? A : B) W(max, "ddd", "s64", (s64)A > (s64)B ? A : B) \
    W(min.relu, "rrr", "s32", sx(A, 32) < 0 || sx(B, 32) < 0 ? 0 : A < B ? A : B) W(max.relu, "rrr", "s32", sx(A, 32) < 0 ? (sx(B, 32) < 0 ? 0 : B) : sx(B, 32) < 0 ? A : A > B ? A : B) \
    W(add, "rrr", "u16x2", zx(A + B, 16) | zx((A >> 16) + (B >> 16), 16) << 16) W(min, "rrr", "u16x2", (zx(A, 16) < zx(B, 16) ? zx(A, 16) : zx(B, 16)) | (A >> 16 < B >> 16 ? A >> 16 : B >> 16) << 16) \
    W(max, "rrr", "s16x2", zx(sx(A, 16) > sx(B, 16) ? A : B, 16) | zx(sx(A >> 16, 16) > sx(B >> 16, 16) ? A >> 16 : B >> 16, 16) << 16) \
    W(popc, "rr", "b32", ones(A)) W(popc, "rd", "b64", ones(A)) W(clz, "rr", "b32", A ? top_bit(A, 32, 0, 1) : 32) W(clz, "rd", "b64", A ? top_bit(A, 64, 0, 1) : 64) \
    W(bfind, "rr", "u32", top_bit(A, 32, 0, 0)) W(bfind, "rr", "s32", top_bit(A, 32, 1, 0)) W(bfind, "rd", "u64", top_bit(A, 64, 0, 0)) W(bfind, "rd", "s64", top_bit(A, 64, 1, 0)) \
    W(bfind.shiftamt, "rr", "u32", top_bit(A, 32, 0, 1)) W(bfind.shiftamt, "rr", "s32", top_bit(A, 32, 1, 1)) W(bfind.shiftamt, "rd", "u64", top_bit(A, 64, 0, 1)) W(bfind.shiftamt, "rd", "s64", top_bit(A, 64, 1, 1)) \
    W(brev, "rr", "b32", bits_reversed(A, 32)) W(brev, "dd", "b64", bits_reversed(A, 64)) \
    W(bfe, "rrrr", "u32", field(A, 32, B, C, 0)) W(bfe, "rrrr", "s32", field(A, 32, B, C, 1)) W(bfe, "ddrr", "u64", field(A, 64, B, C, 0)) W(bfe, "ddrr", "s64", field(A, 64, B, C, 1)) \
    W(bfi, "rrrrr", "b32", bfi(A, B, 32, C, E)) W(bfi, "dddrr", "b64", bfi(A, B, 64, C, E)) \
    W(dp4a, "rrrr", "u32.u32", dot(4, 0, 0, 0, 0)) W(dp4a, "rrrr", "u32.s32", dot(4, 0, 0, 0, 1)) W(dp4a, "rrrr", "s32.u32", dot(4, 0, 0, 1, 0)) W(dp4a, "rrrr", "s32.s32", dot(4, 0, 0, 1, 1)) \
    W(dp2a.lo, "rrrr", "u32.u32", dot(2, 1, 0, 0, 0)) W(dp2a.lo, "rrrr", "s32.u32", dot(2, 1, 0, 1, 0)) W(dp2a.hi, "rrrr", "u32.s32", dot(2, 1, 1, 0, 1)) W(dp2a.hi, "rrrr", "s32.s32", dot(2, 1, 1, 1, 1)) \
    /* logic */ \
    W(and, "hhh", "b16", A & B) W(and, "rrr", "b32", A & B) W(and, "ddd", "b64", A & B) W(or, "hhh", "b16", A | B) W(or, "rrr", "b32", A | B) W(or, "ddd", "b64", A | B) W(xor, "hhh", "b16", A ^ B) W(xor, "rrr", "b32", A ^ B) W(xor, "ddd", "b64", A ^ B) \
    W(not, "hh", "b16", ~A) W(not, "rr", "b32", ~A) W(not, "dd", "b64", ~A) W(cnot, "hh", "b16", !A) W(cnot, "rr", "b32", !A) W(cnot, "dd", "b64", !A) \
    W(shl, "hhr", "b16", B > 15 ? 0 : A << B) W(shl, "rrr", "b32", B > 31 ? 0 : A << B) W(shl, "ddr", "b64", B > 63 ? 0 : A << B) \
    W(shr, "hhr", "u16", B > 15 ? 0 : A >> B) W(shr, "rrr", "u32", B > 31 ? 0 : A >> B) W(shr, "ddr", "u64", B > 63 ? 0 : A >> B) W(shr, "rrr", "b32", B > 31 ? 0 : A >> B) \
    W(shr, "hhr", "s16", sx(A, 16) >> (B > 15 ? 15 : B)) W(shr, "rrr", "s32", sx(A, 32) >> (B > 31 ? 31 : B)) W(shr, "ddr", "s64", (s64)A >> (B > 63 ? 63 : B)) \
    W(shf.l.clamp, "rrrr", "b32", C >= 32 ? A : (B << 32 | A) << C >> 32) W(shf.l.wrap, "rrrr", "b32", (B << 32 | A) << (C & 31) >> 32) W(shf.r.clamp, "rrrr", "b32", C >= 32 ? B : (B << 32 | A) >> C) W(shf.r.wrap, "rrrr", "b32", (B << 32 | A) >> (C & 31)) \
    W(prmt, "rrrr", "b32", prmt(A, B, C)) X("lop3.b32", "rrrr", ", 0xe8", lop(A, B, C, 0xe8)) X("lop3.b32", "rrrr", ", 0x1b", lop(A, B, C, 0x1b)) \
    /* single: every rounding mode, ftz, sat */ \
    W(add, "rrr", "f32", F(addm(A, B, 0))) W(add.rn, "rrr", "f32", F(addm(A, B, 0))) W(add.rz, "rrr", "f32", F(addm(A, B, 1))) W(add.rm, "rrr", "f32", F(addm(A, B, 2))) W(add.rp, "rrr", "f32", F(addm(A, B, 3))) \
    W(sub.rn, "rrr", "f32", F(subm(A, B, 0))) W(sub.rz, "rrr", "f32", F(subm(A, B, 1))) W(sub.rm, "rrr", "f32", F(subm(A, B, 2))) W(sub.rp, "rrr", "f32", F(subm(A, B, 3))) \
    W(mul.rn, "rrr", "f32", F(mulm(A, B, 0))) W(mul.rz, "rrr", "f32", F(mulm(A, B, 1))) W(mul.rm, "rrr", "f32", F(mulm(A, B, 2))) W(mul.rp, "rrr", "f32", F(mulm(A, B, 3))) \
    W(div.rn, "rrr", "f32", F(divm(A, B, 0))) W(div.rz, "rrr", "f32", F(divm(A, B, 1))) W(div.rm, "rrr", "f32", F(divm(A, B, 2))) W(div.rp, "rrr", "f32", F(divm(A, B, 3))) W(div.full, "rrr", "f32", F(divm(A, B, 0))) \
    W(fma.rn, "rrrr", "f32", F(fmam(A, B, C, 0))) W(fma.rz, "rrrr", "f32", F(fmam(A, B, C, 1))) W(fma.rm, "rrrr", "f32", F(fmam(A, B, C, 2))) W(fma.rp, "rrrr", "f32", F(fmam(A, B, C, 3))) \
    W(sqrt.rn, "rr", "f32", F(sqrtm(A, 0))) W(sqrt.rz, "rr", "f32", F(sqrtm(A, 1))) W(sqrt.rm, "rr", "f32", F(sqrtm(A, 2))) W(sqrt.rp, "rr", "f32", F(sqrtm(A, 3))) \
    W(rcp.rn, "rr", "f32", F(divm(0x3f800000, A, 0))) W(rcp.rz, "rr", "f32", F(divm(0x3f800000, A, 1))) W(rcp.rm, "rr", "f32", F(divm(0x3f800000, A, 2))) W(rcp.rp, "rr", "f32", F(divm(0x3f800000, A, 3))) \
    W(add.ftz, "rrr", "f32", ftz(F(addm(ftz(A), ftz(B), 0)))) W(mul.rn.ftz, "rrr", "f32", ftz(F(mulm(ftz(A), ftz(B), 0)))) W(fma.rn.ftz, "rrrr", "f32", ftz(F(fmam(ftz(A), ftz(B), ftz(C), 0)))) W(div.rn.ftz, "rrr", "f32", ftz(F(divm(ftz(A), ftz(B), 0)))) \
    W(add.rz.sat, "rrr", "f32", sat(F(addm(A, B, 1)))) W(mul.sat, "rrr", "f32", sat(F(mulm(A, B, 0)))) W(fma.rn.sat, "rrrr", "f32", sat(F(fmam(A, B, C, 0)))) W(fma.rn.ftz.sat, "rrrr", "f32", ftz(sat(F(fmam(ftz(A), ftz(B), ftz(C), 0))))) \
    W(min, "rrr", "f32", minmax(A, B, 0)) W(max, "rrr", "f32", minmax(A, B, 1)) W(min.ftz, "rrr", "f32", minmax(ftz(A), ftz(B), 0)) W(max.NaN, "rrr", "f32", isnan(f(A)) || isnan(f(B)) ? 0x7fffffff : minmax(A, B, 1)) \
    W(neg, "rr", "f32", A ^ 0x80000000) W(abs, "rr", "f32", A & 0x7fffffff) W(copysign, "rrr", "f32", (A & 0x80000000) | (B & 0x7fffffff)) \
    /* double */ \
    W(add.rn, "ddd", "f64", G(daddm(A, B, 0))) W(add.rz, "ddd", "f64", G(daddm(A, B, 1))) W(add.rm, "ddd", "f64", G(daddm(A, B, 2))) W(add.rp, "ddd", "f64", G(daddm(A, B, 3))) W(sub, "ddd", "f64", G(dsubm(A, B, 0))) W(sub.rm, "ddd", "f64", G(dsubm(A, B, 2))) \
    W(mul, "ddd", "f64", G(dmulm(A, B, 0))) W(mul.rz, "ddd", "f64", G(dmulm(A, B, 1))) W(mul.rp, "ddd", "f64", G(dmulm(A, B, 3))) W(div.rn, "ddd", "f64", G(ddivm(A, B, 0))) W(div.rm, "ddd", "f64", G(ddivm(A, B, 2))) W(div.rp, "ddd", "f64", G(ddivm(A, B, 3))) \
    W(fma.rn, "dddd", "f64", G(dfmam(A, B, C, 0))) W(fma.rz, "dddd", "f64", G(dfmam(A, B, C, 1))) W(fma.rm, "dddd", "f64", G(dfmam(A, B, C, 2))) W(fma.rp, "dddd", "f64", G(dfmam(A, B, C, 3))) \
    W(sqrt.rn, "dd", "f64", G(dsqrtm(A, 0))) W(sqrt.rz, "dd", "f64", G(dsqrtm(A, 1))) W(sqrt.rp, "dd", "f64", G(dsqrtm(A, 3))) W(rcp.rn, "dd", "f64", G(ddivm(0x3ff0000000000000, A, 0))) \
    /* half and bfloat */ \
    W(add, "hhh", "f16", sum(H, A, B)) W(add.rn, "rrr", "f16x2", twice(sum, H)) W(sub, "hhh", "f16", sum(H, A, B ^ 0x8000)) W(mul, "hhh", "f16", product(H, A, B)) W(mul, "rrr", "f16x2", twice(product, H)) \
    W(fma.rn, "hhhh", "f16", fused(H, A, B, C)) W(add, "hhh", "bf16", sum(BF, A, B)) W(add, "rrr", "bf16x2", twice(sum, BF)) W(sub, "hhh", "bf16", sum(BF, A, B ^ 0x8000)) W(mul, "hhh", "bf16", product(BF, A, B)) W(fma.rn, "hhhh", "bf16", fused(BF, A, B, C)) \
    W(neg, "hh", "f16", A ^ 0x8000) W(abs, "rr", "f16x2", A & 0x7fff7fff) \
    /* comparisons */ \
    W(setp.eq, "phh", "u16", A == B) W(setp.ne, "prr", "b32", A != B) W(setp.lt, "prr", "s32", sx(A, 32) < sx(B, 32)) W(setp.lt, "prr", "u32", A < B) W(setp.le, "phh", "s16", sx(A, 16) <= sx(B, 16)) W(setp.gt, "pdd", "s64", (s64)A > (s64)B) \
    W(setp.ge, "pdd", "u64", A >= B) W(setp.lo, "prr", "u32", A < B) W(setp.ls, "pdd", "u64", A <= B) W(setp.hi, "phh", "u16", A > B) W(setp.hs, "prr", "u32", A >= B) \
    W(setp.eq, "prr", "f32", fcmp(f(A), f(B), 0)) W(setp.ne, "prr", "f32", fcmp(f(A), f(B), 1)) W(setp.lt, "prr", "f32", fcmp(f(A), f(B), 2)) W(setp.le, "prr", "f32", fcmp(f(A), f(B), 3)) W(setp.gt, "prr", "f32", fcmp(f(A), f(B), 4)) W(setp.ge, "prr", "f32", fcmp(f(A), f(B), 5)) \
    W(setp.equ, "prr", "f32", fcmp(f(A), f(B), 6)) W(setp.neu, "prr", "f32", fcmp(f(A), f(B), 7)) W(setp.ltu, "prr", "f32", fcmp(f(A), f(B), 8)) W(setp.leu, "prr", "f32", fcmp(f(A), f(B), 9)) W(setp.gtu, "prr", "f32", fcmp(f(A), f(B), 10)) W(setp.geu, "prr", "f32", fcmp(f(A), f(B), 11)) \
    W(setp.num, "prr", "f32", fcmp(f(A), f(B), 12)) W(setp.nan, "prr", "f32", fcmp(f(A), f(B), 13)) W(setp.eq.ftz, "prr", "f32", fcmp(f(ftz(A)), f(ftz(B)), 0)) \
    W(setp.ltu, "pdd", "f64", fcmp(g(A), g(B), 8)) W(setp.eq, "pdd", "f64", fcmp(g(A), g(B), 0)) W(setp.ne, "pdd", "f64", fcmp(g(A), g(B), 1)) W(setp.nan, "pdd", "f64", fcmp(g(A), g(B), 13)) \
    W(setp.lt, "phh", "f16", fcmp((double)hv(A), (double)hv(B), 2)) W(setp.geu, "phh", "bf16", fcmp((double)bv(A), (double)bv(B), 11)) \
    W(set.lt.u32, "rrr", "s32", sx(A, 32) < sx(B, 32) ? 0xffffffff : 0) W(set.gt.f32, "rrr", "f32", fcmp(f(A), f(B), 4) ? 0x3f800000 : 0) W(slct.b32, "rrrr", "s32", sx(C, 32) >= 0 ? A : B) W(slct.u64, "dddr", "f32", f(C) >= 0 ? A : B) \
    W(testp.finite, "pr", "f32", isfinite(f(A))) W(testp.subnormal, "pr", "f32", fpclassify(f(A)) == FP_SUBNORMAL) W(testp.normal, "pd", "f64", fpclassify(g(A)) == FP_NORMAL) W(testp.notanumber, "pd", "f64", isnan(g(A))) W(testp.infinite, "pd", "f64", isinf(g(A))) \
    /* conversions */ \
    W(cvt.u8, "rr", "u32", zx(A, 8)) W(cvt.s8, "rr", "s32", sx(A, 8)) W(cvt.s16, "rr", "s32", sx(A, 16)) W(cvt.u16, "hr", "u32", A) W(cvt.s32, "rh", "s16", sx(A, 16)) W(cvt.u32, "rh", "u16", A) W(cvt.s64, "dr", "s32", sx(A, 32)) W(cvt.u64, "dr", "u32", A) W(cvt.u32, "rd", "u64", A) \
    W(cvt.s64, "dh", "s8", sx(A, 8)) W(cvt.u16, "hh", "s8", sx(A, 8)) W(cvt.u64, "dr", "s32", sx(A, 32)) W(cvt.s32, "rr", "u8", zx(A, 8)) \
    W(cvt.sat.u8, "rr", "s32", clamp(sx(A, 32), 0, 255)) W(cvt.sat.s8, "rr", "s32", clamp(sx(A, 32), -128, 127)) W(cvt.sat.s16, "rd", "s64", clamp((s64)A, -32768, 32767)) W(cvt.sat.s32, "rd", "u64", clamp(A, 0, INT32_MAX)) W(cvt.sat.u32, "rr", "s32", clamp(sx(A, 32), 0, UINT32_MAX)) W(cvt.sat.s64, "dd", "u64", clamp(A, 0, INT64_MAX)) \
    W(cvt.rni.s32, "rr", "f32", to_int(f(A), 0, 32, 1, 0)) W(cvt.rzi.s32, "rr", "f32", to_int(f(A), 1, 32, 1, 0)) W(cvt.rmi.s32, "rr", "f32", to_int(f(A), 2, 32, 1, 0)) W(cvt.rpi.s32, "rr", "f32", to_int(f(A), 3, 32, 1, 0)) W(cvt.rzi.u32, "rr", "f32", to_int(f(A), 1, 32, 0, 0)) \
    W(cvt.rzi.u64, "dr", "f32", to_int(f(A), 1, 64, 0, 0)) W(cvt.rni.s64, "dd", "f64", to_int(g(A), 0, 64, 1, 1)) W(cvt.rzi.u64, "dd", "f64", to_int(g(A), 1, 64, 0, 1)) W(cvt.rzi.s32, "rd", "f64", to_int(g(A), 1, 32, 1, 1)) W(cvt.rmi.u16, "hr", "f32", to_int(f(A), 2, 16, 0, 0)) W(cvt.rzi.s8, "rr", "f32", sx(to_int(f(A), 1, 8, 1, 0), 8)) W(cvt.rni.s16, "hh", "f16", to_int((double)hv(A), 0, 16, 1, 0)) \
    W(cvt.rn.f32, "rr", "s32", F(ROUNDED(float, 0, (float)(volatile s32){(s32)A}))) W(cvt.rz.f32, "rr", "s32", F(ROUNDED(float, 1, (float)(volatile s32){(s32)A}))) W(cvt.rp.f32, "rr", "u32", F(ROUNDED(float, 3, (float)(volatile s64){(s64)A}))) W(cvt.rm.f32, "rd", "s64", F(ROUNDED(float, 2, (float)(volatile s64){(s64)A}))) \
    W(cvt.rn.f32, "rd", "u64", F((float)A)) W(cvt.rn.f64, "dd", "s64", G((double)(s64)A)) W(cvt.rz.f64, "dd", "s64", G(ROUNDED(double, 1, (double)(volatile s64){(s64)A}))) W(cvt.rn.f64, "dr", "u32", G((double)A)) W(cvt.rn.f64, "dd", "u64", G((double)A)) \
    W(cvt.rn.f16, "hr", "s32", encode(H, (f128)(s32)A, 0, 0)) W(cvt.rz.f16, "hd", "u64", encode(H, (f128)A, 0, 1)) W(cvt.rn.bf16, "hd", "s64", encode(BF, (f128)(s64)A, 0, 0)) W(cvt.rp.bf16, "hr", "u32", encode(BF, (f128)A, 0, 3)) \
    W(cvt.rn.f16, "hr", "f32", encode(H, f(A), signbit(f(A)), 0)) W(cvt.rz.f16, "hr", "f32", encode(H, f(A), signbit(f(A)), 1)) W(cvt.rm.f16, "hr", "f32", encode(H, f(A), signbit(f(A)), 2)) W(cvt.rp.f16, "hr", "f32", encode(H, f(A), signbit(f(A)), 3)) \
    W(cvt.rn.f16, "hd", "f64", encode(H, g(A), signbit(g(A)), 0)) W(cvt.rn.bf16, "hr", "f32", encode(BF, f(A), signbit(f(A)), 0)) W(cvt.rz.bf16, "hr", "f32", encode(BF, f(A), signbit(f(A)), 1)) \
    W(cvt.f32, "rh", "f16", F((float)hv(A)) ^ (hv(A) == 0 && neg16(A) ? 0 : 0)) W(cvt.f32, "rh", "bf16", F((float)bv(A))) W(cvt.f64, "dr", "f32", G(f(A))) W(cvt.rn.f32, "rd", "f64", F((float)g(A))) \
    W(cvt.rz.f32, "rd", "f64", F(ROUNDED(float, 1, (float)(volatile double){g(A)}))) W(cvt.rm.f32, "rd", "f64", F(ROUNDED(float, 2, (float)(volatile double){g(A)}))) W(cvt.rp.f32, "rd", "f64", F(ROUNDED(float, 3, (float)(volatile double){g(A)}))) \
    W(cvt.rni.f32, "rr", "f32", F(nearbyintf(f(A)))) W(cvt.rzi.f64, "dd", "f64", G(trunc(g(A)))) W(cvt.rmi.ftz.f32, "rr", "f32", F(floorf(f(ftz(A))))) W(cvt.rpi.f16, "hh", "f16", encode(H, (f128)ceil((double)hv(A)), neg16(A), 0)) W(cvt.sat.f32, "rr", "f32", sat(A)) \
    W(cvt.rn.f16x2, "rrr", "f32", encode(H, f(B), signbit(f(B)), 0) | encode(H, f(A), signbit(f(A)), 0) << 16) W(cvt.rn.bf16x2, "rrr", "f32", encode(BF, f(B), signbit(f(B)), 0) | encode(BF, f(A), signbit(f(A)), 0) << 16) \
    W(cvt.pack.sat.u16, "rrr", "s32", clamp(sx(A, 32), 0, 65535) << 16 | clamp(sx(B, 32), 0, 65535)) X("cvt.pack.sat.s8.s32.b32", "rrrr", "", C << 16 | zx(clamp(sx(A, 32), -128, 127), 8) << 8 | zx(clamp(sx(B, 32), -128, 127), 8)) \
    /* carries, and instructions whose operands another one makes */ \
    X("add.cc.u32 %r9, %r1, %r2;\naddc.u32", "rrr", "", A + B + ((A + B) >> 32)) X("sub.cc.u32 %r9, %r1, %r2;\nsubc.u32", "rrr", "", A - B - (A < B)) \
    X("add.cc.u64 %d9, %d1, %d2;\naddc.cc.u64 %d9, %d1, %d2;\naddc.u64", "ddd", "", A + B + (u64)(((u128)A + B + (u64)(((u128)A + B) >> 64)) >> 64)) X("sub.cc.s64 %d9, %d1, %d2;\nsubc.s64", "ddd", "", A - B - (A < B)) \
    X("mad.lo.cc.u32 %r9, %r1, %r2, %r3;\nmadc.hi.u32", "rrrr", "", (A * B >> 32) + C + ((zx(A * B, 32) + C) >> 32)) X("mad.lo.cc.s32 %r9, %r1, %r2, %r3;\nmadc.hi.s32", "rrrr", "", (u64)(sx(A, 32) * sx(B, 32) >> 32) + C + ((zx(A * B, 32) + C) >> 32)) \
    X("mad.lo.cc.u64 %d9, %d1, %d2, %d3;\nmadc.hi.u64", "dddd", "", (u64)((u128)A * B >> 64) + C + (u64)(((u128)(A * B) + C) >> 64)) X("mad.hi.cc.u32 %r9, %r1, %r2, %r3;\nmadc.lo.u32", "rrrr", "", A * B + C + (((A * B >> 32) + C) >> 32)) \
    X("setp.gt.u32 %p1, %r2, 77;\nsetp.lt.and.u32", "prr", ", !%p1", A < B && !(B > 77)) X("setp.gt.u32 %p1, %r2, 77;\nsetp.le.xor.s32", "prr", ", %p1", (sx(A, 32) <= sx(B, 32)) != (B > 77)) \
    X("setp.gt.u32 %p1, %r2, 77;\nsetp.lt.or.u32 %p2|%p3, %r1, %r2, %p1;\nselp.b32", "rrr", ", %p3", !(A < B) || B > 77 ? A : B) \
    X("setp.gt.u32 %p1, %r2, 77;\nlop3.or.b32 %r9|%p2, %r1, %r2, %r1, 0x3c, %p1;\nselp.b32", "rrr", ", %p2", (A ^ B) != 0 || B > 77 ? A : B) \
    X("setp.gt.u32 %p1, %r2, 77;\nset.ge.and.f32.u32", "rrr", ", %p1", A >= B && B > 77 ? 0x3f800000 : 0) X("setp.gt.u32 %p1, %r2, 77;\nselp.b16 %h3, 7, 9, %p1;\ncvt.u32.u16 %r9, %h3;\nadd.u32 %r9, %r9, %r1;\nadd.u32", "rrr", "", A + B) \
    X("setp.eq.u32 %p1, %r1, %r2;\nsetp.lt.f16x2 %p2|%p3, %r1, %r2;\nselp.b32 %r9, 1, 2, %p2;\nselp.b32 %r11, 4, 8, %p3;\nor.b32 %r9, %r9, %r11;\nmov.b32 %r1, %r9;\nmov.b32 %r2, 0;\nor.b32", "rrr", "", (fcmp((double)hv(A), (double)hv(B), 2) ? 1 : 2) | (fcmp((double)hv(A >> 16), (double)hv(B >> 16), 2) ? 4 : 8)) \
    W(set.gt.f16x2, "rrr", "f16x2", (fcmp((double)hv(A), (double)hv(B), 4) ? 0x3c00 : 0) | (fcmp((double)hv(A >> 16), (double)hv(B >> 16), 4) ? 0x3c000000 : 0)) W(set.leu.u16, "hhh", "bf16", fcmp((double)bv(A), (double)bv(B), 9) ? 0xffff : 0) \
    W(bmsk.clamp, "rrr", "b32", mask_bits(A, B)) W(bmsk.wrap, "rrr", "b32", mask_bits(A & 31, B & 31)) W(szext.clamp, "rrr", "u32", B >= 32 ? A : zx(A, 32) & (((u64)1 << B) - 1)) W(szext.clamp, "rrr", "s32", B >= 32 ? A : B ? (u64)sx(A, (int)B) : 0) \
    W(szext.wrap, "rrr", "s32", B & 31 ? (u64)sx(A, (int)(B & 31)) : 0) W(fns, "rrrr", "b32", nth(A, (int)(B & 31), sx(C, 32))) \
    X("prmt.b32.f4e", "rrrr", "", bytes4(C & 3, 1)) X("prmt.b32.b4e", "rrrr", "", bytes4(C & 3, -1)) X("prmt.b32.rc8", "rrrr", "", (A >> 8 * (C & 3) & 255) * 0x1010101) X("prmt.b32.rc16", "rrrr", "", (A >> 16 * (C & 1) & 65535) * 0x10001) \
    X("prmt.b32.ecl", "rrrr", "", edge(C & 3, 1)) X("prmt.b32.ecr", "rrrr", "", edge(C & 3, 0)) \
    W(min, "hhh", "f16", small_minmax(H, A, B, 0, 0)) W(max, "hhh", "bf16", small_minmax(BF, A, B, 1, 0)) W(max.NaN, "hhh", "f16", small_minmax(H, A, B, 1, 1)) W(min, "rrr", "bf16x2", small_minmax(BF, zx(A, 16), zx(B, 16), 0, 0) | small_minmax(BF, A >> 16, B >> 16, 0, 0) << 16) \
    W(min.xorsign.abs, "rrr", "f32", xorsigned(0)) W(max.xorsign.abs, "rrr", "f32", xorsigned(1)) W(min, "ddd", "f64", G(isnan(g(A)) ? g(B) : isnan(g(B)) ? g(A) : g(A) == g(B) ? (signbit(g(A)) ? g(A) : g(B)) : fmin(g(A), g(B)))) W(max, "ddd", "f64", G(isnan(g(A)) ? g(B) : isnan(g(B)) ? g(A) : g(A) == g(B) ? (signbit(g(A)) ? g(B) : g(A)) : fmax(g(A), g(B)))) \
    W(cvt.rn.relu.f16, "hr", "f32", isnan(f(A)) ? 0x7fff : signbit(f(A)) ? 0 : encode(H, f(A), 0, 0)) W(cvt.rz.relu.bf16, "hr", "f32", isnan(f(A)) ? 0x7fff : signbit(f(A)) ? 0 : encode(BF, f(A), 0, 1)) W(cvt.rna.tf32, "rr", "f32", isnan(f(A)) ? 0x7fffffff : isinf(f(A)) ? A : zx(A + 0x1000, 32) & ~(u64)0x1fff) \
    W(fma.rn.relu, "hhhh", "f16", relu(fused(H, A, B, C))) W(fma.rn.sat, "hhhh", "f16", sat16(fused(H, A, B, C))) W(add.sat, "hhh", "f16", sat16(sum(H, A, B))) W(mul.ftz, "hhh", "f16", flush16(product(H, flush16(A), flush16(B)))) W(fma.rn.relu, "hhhh", "bf16", relu(fused(BF, A, B, C))) \
    W(cvt.rn.sat.f32, "rr", "s32", sat(F((float)(s32)A))) W(cvt.rz.sat.f16, "hr", "f32", sat16(encode(H, f(A), signbit(f(A)), 1))) W(cvt.rzi.s16, "hh", "bf16", to_int((double)bv(A), 1, 16, 1, 0)) W(cvt.rpi.u8, "rd", "f64", to_int(g(A), 3, 8, 0, 1)) W(cvt.rn.ftz.f32, "rd", "f64", ftz(F((float)g(A)))) W(cvt.ftz.f64, "dr", "f32", G(f(ftz(A)))) \
    X("mov.b64 {%r9, %r11}, %d1;\nmov.b64 %d9, {%r11, %r9};\nadd.u64 %d1, %d9, 0;\nadd.u64", "ddd", "", (A >> 32 | A << 32) + B) X("mov.b32 {%h3, %h4}, %r1;\nmov.b32 %r1, {%h4, %h3};\nxor.b32", "rrr", "", (A >> 16 | A << 16) ^ B)
#define W(op, sig, type, expression) X(#op "." type, sig, "", expression)

static const struct { const char *op, *sig, *tail; } cases[] = {
#define X(op, sig, tail, expression) {op, sig, tail},
CASES
#undef X
};
enum { CASE_COUNT = sizeof cases / sizeof cases[0], VECTORS = 768 };

static u64 reference(int n) {
    int k = 0;
#define X(op, sig, tail, expression) if (n == k++) return (u64)(expression);
    CASES
#undef X
    return 0;
}

static u64 state;
static u64 rnd(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static u64 operand(char class, int at) {
    static const u64 h[] = {0, 1, 0x8000, 0x7fff, 0xffff, 0x3c00, 0xbc00, 0x7c00, 0xfc00, 0x7e01, 0x0400, 0x03ff, 0x8001, 0x7bff, 0xfbff, 0x3f80, 0x7f80, 0xff80, 0x7f7f, 0x0080, 5};
    static const u64 r[] = {0, 1, 0x80000000, 0x7fffffff, 0xffffffff, 31, 32, 33, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc12345, 0x00800000, 0x007fffff, 0x80000001, 0x7f7fffff, 0x4b000001,
                            0x3f000000, 0x3fc00000, 0x4f000000, 0xcf000000, 0x4effffff, 0x5f000000, 0x477fe000, 0x477ff000, 0x33000000, 0x33000001, 0x38800000, 0x3f808000, 0x3f818000};
    static const u64 d[] = {0, 1, 0x8000000000000000, 0x7fffffffffffffff, 0xffffffffffffffff, 63, 64, 65, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001,
                            0x0010000000000000, 0x000fffffffffffff, 0x8000000000000001, 0x7fefffffffffffff, 0x43e0000000000000, 0xc3e0000000000000, 0x43f0000000000000, 0x41dfffffffc00000, 0x3fe0000000000000,
                            0x36a0000000000000, 0x369fffffffffffff, 0x380fffffffffffff, 0x47efffffefffffff, 0x47effffff0000000, 0x40effc0000000000, 0x1000100000000001, 0x0020000000000001};
    u64 bits = rnd();
    int choice = at >= 0 ? at : (int)(rnd() % 8);
#define EDGE(list) list[(at >= 0 ? (u64)at : rnd()) % (sizeof list / sizeof list[0])]
    if (at >= 0 || choice < 3) return class == 'h' ? EDGE(h) : class == 'r' ? EDGE(r) : EDGE(d);
    if (choice == 3) bits >>= rnd() % 64;              /* small numbers, shift counts */
    if (choice == 4 && class == 'r') bits = (bits & 0x807fffff) | ((u64)(120 + rnd() % 16) << 23);   /* floats near 1: sums that round */
    if (choice == 4 && class == 'd') bits = (bits & 0x800fffffffffffff) | ((u64)(1016 + rnd() % 16) << 52);
    if (choice == 5 && class == 'r') bits = (bits & 0x807fffff) | ((u64)(100 + rnd() % 60) << 23);
    if (choice == 5 && class == 'h') bits = (bits & 0x83ff) | ((u64)(10 + rnd() % 12) << 10);
    return zx(bits, class == 'h' ? 16 : class == 'r' ? 32 : 64);
}

static int nan_pair(u64 a, u64 b) { return isnan(g(a)) && isnan(g(b)); }

int main(int argc, char **argv) {
    u64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240607;
    state = seed * 0x9e3779b97f4a7c15 + 1;
    uint64_t in = device_alloc(VECTORS * 32), out = device_alloc(VECTORS * 8);
    u64 *x = host_of(in), *z = host_of(out);
    int wrong = 0;
    for (int n = 0; n < CASE_COUNT; n++) {
        const char *sig = cases[n].sig;
        int sources = (int)strlen(sig) - 1;
        char text[4096], sources_text[512] = "", loads[512] = "", store[256];
        size_t s = 0, l = 0;
        for (int k = 0; k < sources; k++) {
            char c = sig[k + 1];
            s += (size_t)snprintf(sources_text + s, sizeof sources_text - s, ", %%%c%d", c, k + 1);
            l += (size_t)snprintf(loads + l, sizeof loads - l, "ld.global.b%d %%%c%d, [%%d20+%d];\n", c == 'h' ? 16 : c == 'r' ? 32 : 64, c, k + 1, 8 * k);
        }
        if (sig[0] == 'p') snprintf(store, sizeof store, "selp.b64 %%d10, 1, 0, %%p0;\nst.global.b64 [%%d21], %%d10;");
        else snprintf(store, sizeof store, "st.global.b%d [%%d21], %%%c0;", sig[0] == 'h' ? 16 : sig[0] == 'r' ? 32 : 64, sig[0]);
        snprintf(text, sizeof text,
                 ".version 8.6\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .pred %%p<4>; .reg .b16 %%h<8>; .reg .b32 %%r<16>; .reg .b64 %%d<32>;\n"
                 "ld.param.u64 %%d20, [in]; ld.param.u64 %%d21, [out];\nmov.u32 %%r10, %%ctaid.x; mov.u32 %%r11, %%ntid.x; mov.u32 %%r12, %%tid.x; mad.lo.s32 %%r10, %%r10, %%r11, %%r12;\n"
                 "mul.wide.u32 %%d22, %%r10, 32; add.u64 %%d20, %%d20, %%d22; mul.wide.u32 %%d22, %%r10, 8; add.u64 %%d21, %%d21, %%d22;\n%s%s %%%c0%s%s;\n%s\nret;\n}\n",
                 loads, cases[n].op, sig[0], sources_text, cases[n].tail, store);
        struct program p = program_load(text);
        int edges = sources == 1 ? 40 : 600;
        for (int v = 0; v < VECTORS; v++)
            for (int k = 0; k < 4; k++) x[4 * v + k] = operand(k < sources ? sig[k + 1] : 'd', v < edges && k < 2 ? (k == 0 ? v % 24 : v / 24) : -1);
        memset(z, 0, VECTORS * 8);
        /* 96 and 72 threads: whole warps run the vector loops, the last one the lane by lane loops */
        LAUNCH(&p, "k", D3(VECTORS / (n % 2 ? 96 : 48), 1, 1), D3(n % 2 ? 96 : 48, 1, 1), 0, &in, &out);
        program_free(&p);
        int width = sig[0] == 'h' ? 16 : sig[0] == 'd' ? 64 : sig[0] == 'p' ? 1 : 32;
        for (int v = 0; v < VECTORS; v++) {
            A = x[4 * v];
            B = x[4 * v + 1];
            C = x[4 * v + 2];
            E = x[4 * v + 3];
            u64 want = zx(reference(n), width);
            if (want == zx(z[v], width) || (strstr(cases[n].op, "f64") && sig[0] == 'd' && nan_pair(want, z[v]))) continue;
            if (wrong++ < 40) printf("%s (%s): %llx, %llx, %llx, %llx gives %llx, not %llx\n", cases[n].op, sig, (unsigned long long)A, (unsigned long long)B, (unsigned long long)C, (unsigned long long)E, (unsigned long long)z[v], (unsigned long long)want);
            break;
        }
    }
    printf("%d cases, %d vectors each, seed %llu: %d wrong\n", CASE_COUNT, VECTORS, (unsigned long long)seed, wrong);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    return wrong != 0;
}
