/* What generated programs are written in, on both sides: types with their width in the name and operations that C
 * leaves open, closed here. Everything a program computes with is defined by this file, gpu.h (for the PTX) and host.h. */
#ifndef RANDOM_COMMON_H
#define RANDOM_COMMON_H

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
typedef __int128 i128;
typedef unsigned __int128 u128;

struct pair { i8 a; i64 b; u16 c; f32 d; };
struct triple { u32 x, y, z; };
struct wide { f64 p, q; u8 r; } __attribute__((aligned(16)));
struct bits { u32 a : 5; i32 b : 11; u32 c : 16; u64 d : 33; i64 e : 20; };

enum { STORE = 24 }; /* slots of 8 bytes that a thread writes */

#define MIN_OF(type) ((type)((u64)1 << (sizeof(type) * 8 - 1)))
#define SIGNED_DIVISION(type) \
    FN type div_##type(type a, type b) { return b == 0 ? a : b == (type)-1 ? (type)(0 - (u64)a) : (type)(a / b); } \
    FN type rem_##type(type a, type b) { return b == 0 || b == (type)-1 ? a : (type)(a % b); }
#define UNSIGNED_DIVISION(type) \
    FN type div_##type(type a, type b) { return b == 0 ? a : (type)(a / b); } \
    FN type rem_##type(type a, type b) { return b == 0 ? a : (type)(a % b); }
#define ROTATION(type) \
    FN type rotate_##type(type a, u32 n) { n &= sizeof(type) * 8 - 1; HIDE(n); return n ? (type)(a << n | a >> (sizeof(type) * 8 - n)) : a; } \
    FN type shift_##type(type a, u32 n) { return n < sizeof(type) * 8 ? (type)(a << n) : 0; } \
    FN type unshift_##type(type a, u32 n) { return n < sizeof(type) * 8 ? (type)(a >> n) : 0; }
#define ARITHMETIC_SHIFT(type) \
    FN type unshift_##type(type a, u32 n) { return n < sizeof(type) * 8 ? (type)(a >> n) : (type)(a < 0 ? -1 : 0); }
/* NaNs differ in their bits from one machine to the next: all are one. */
#define FLOATS(type, word) \
    FN word bits_##type(type x) { word w; COPY(w, x); return x != x ? (word)~(word)0 : w; } \
    FN type float_##type(word w) { type x; COPY(x, w); return x; }
/* Outside of the range C says nothing. */
#define FROM_FLOAT(to, from, low, high) FN to to_##to##_##from(from x) { return x > (from)low && x < (from)high ? (to)x : (to)0; }
#define FROM_FLOATS(from) \
    FROM_FLOAT(i8, from, -129, 128) FROM_FLOAT(u8, from, -1, 256) FROM_FLOAT(i16, from, -32769, 32768) FROM_FLOAT(u16, from, -1, 65536) \
    FROM_FLOAT(i32, from, -2147483648.0, 2147483648.0) FROM_FLOAT(u32, from, -1, 4294967296.0) \
    FROM_FLOAT(i64, from, -9223372036854775808.0, 9223372036854775808.0) FROM_FLOAT(u64, from, -1, 18446744073709551616.0)

#define COMMON_FUNCTIONS \
    SIGNED_DIVISION(i8) SIGNED_DIVISION(i16) SIGNED_DIVISION(i32) SIGNED_DIVISION(i64) \
    UNSIGNED_DIVISION(u8) UNSIGNED_DIVISION(u16) UNSIGNED_DIVISION(u32) UNSIGNED_DIVISION(u64) \
    ROTATION(u8) ROTATION(u16) ROTATION(u32) ROTATION(u64) \
    ARITHMETIC_SHIFT(i8) ARITHMETIC_SHIFT(i16) ARITHMETIC_SHIFT(i32) ARITHMETIC_SHIFT(i64) \
    FLOATS(f32, u32) FLOATS(f64, u64) FROM_FLOATS(f32) FROM_FLOATS(f64) \
    FN u32 mulhi_u32(u32 a, u32 b) { return (u32)((u64)a * b >> 32); } \
    FN i32 mulhi_i32(i32 a, i32 b) { return (i32)((i64)a * b >> 32); } \
    FN u64 mix(u64 h, u64 v) { h = (h ^ v) * 0x9e3779b97f4a7c15ull; return h ^ h >> 29; }

/* With 128 bits. clang-14's PTX back end has no such integers: gpu.h says the same in halves. */
#define WIDE_FUNCTIONS \
    FN u64 mulhi_u64(u64 a, u64 b) { return (u64)((u128)a * b >> 64); } \
    FN i64 mulhi_i64(i64 a, i64 b) { return (i64)((i128)a * b >> 64); } \
    FN u64 wide_sum(u64 a, u64 b, u64 c, u64 d) { u128 x = (u128)a << 64 | b, y = (u128)c << 64 | d; u128 z = x + y * 3 - (x >> 7); return (u64)(z >> 64) ^ (u64)z; } \
    FN u64 wide_shift(u64 a, u64 b, u32 n) { u128 x = (u128)a << 64 | b; i128 y = (i128)x; x = x << 77 ^ (u128)(y >> 21); return n & 1 ? (u64)(x >> 64) : (u64)x; }

#endif
