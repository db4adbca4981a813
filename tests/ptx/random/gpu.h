/* The GPU's side of generated programs, for nvcc and for clang without CUDA's headers. Collectives are inline PTX, so
 * that both compilers emit the same. */
#ifndef RANDOM_GPU_H
#define RANDOM_GPU_H

#if defined(__clang__) && !defined(__NVCC__)
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define FLOOR_f32 __builtin_floorf
#define FLOOR_f64 __builtin_floor
#define CEIL_f32 __builtin_ceilf
#define CEIL_f64 __builtin_ceil
#define TRUNC_f32 __builtin_truncf
#define TRUNC_f64 __builtin_trunc
#define FMA_f32 __builtin_fmaf
#define FMA_f64 __builtin_fma
#define ABS_f32 __builtin_fabsf
#define ABS_f64 __builtin_fabs
#define POPC __builtin_popcount
#define POPCLL __builtin_popcountll
#define BREV __builtin_bitreverse32
#define BREVLL __builtin_bitreverse64
#define COPY(to, from) __builtin_memcpy(&(to), &(from), sizeof(to))
/* Its rotations of 64 bits forget that the distance was masked. */
#define HIDE(n) asm("" : "+r"(n))
#else
#include "functions.h"
#define HIDE(n)
#define POPC __popc
#define POPCLL __popcll
#define BREV __brev
#define BREVLL __brevll
#endif

#define FN static __device__ inline
#define FUNCTION static __device__ __attribute__((noinline))
#define INLINED static __device__ inline __attribute__((always_inline))
#define KERNEL(name) extern "C" __global__ void name
#define GLOBAL __device__
#define CONSTANT __constant__
#define SHARED __shared__
#define EXIT asm volatile("exit;")

#include "common.h"
COMMON_FUNCTIONS
#if defined(__clang__) && !defined(__NVCC__)
FN u64 mulhi_u64(u64 a, u64 b) { u64 r; asm("mul.hi.u64 %0, %1, %2;" : "=l"(r) : "l"(a), "l"(b)); return r; }
FN i64 mulhi_i64(i64 a, i64 b) { i64 r; asm("mul.hi.s64 %0, %1, %2;" : "=l"(r) : "l"(a), "l"(b)); return r; }
FN u64 wide_sum(u64 a, u64 b, u64 c, u64 d) {
    u64 low = d * 3, high = c * 3 + mulhi_u64(d, 3);
    high += a + (low + b < b), low += b;
    u64 gone = b >> 7 | a << 57;
    high -= (a >> 7) + (low < gone), low -= gone;
    return high ^ low;
}
FN u64 wide_shift(u64 a, u64 b, u32 n) { return n & 1 ? b << 13 ^ (u64)((i64)a >> 21) : b >> 21 ^ a << 43; }
#else
WIDE_FUNCTIONS
#endif

#define SPECIAL(name, text) FN u32 name(void) { u32 r; asm("mov.u32 %0, %%" text ";" : "=r"(r)); return r; }
SPECIAL(tid, "tid.x") SPECIAL(tid_y, "tid.y") SPECIAL(ntid, "ntid.x") SPECIAL(ntid_y, "ntid.y") SPECIAL(ctaid, "ctaid.x") SPECIAL(nctaid, "nctaid.x") SPECIAL(lane, "laneid")
SPECIAL(lanemask_lt, "lanemask_lt") SPECIAL(lanemask_ge, "lanemask_ge")

#define RESULT(name, type, text) FN type name(type a) { type r; asm(text " %0, %1;" : "=" C_##type(r) : C_##type(a)); return r; }
#define C_u32 "r"
#define C_i32 "r"
#define C_u64 "l"
#define C_i64 "l"
#define C_f32 "f"
#define C_f64 "d"
RESULT(sqrt_f32, f32, "sqrt.rn.f32") RESULT(sqrt_f64, f64, "sqrt.rn.f64") RESULT(near_f32, f32, "cvt.rni.f32.f32") RESULT(near_f64, f64, "cvt.rni.f64.f64")
RESULT(find_u32, u32, "bfind.u32") RESULT(clz_u32, u32, "clz.b32")
FN u32 find_i32(i32 a) { u32 r; asm("bfind.s32 %0, %1;" : "=r"(r) : "r"(a)); return r; }
FN u32 clz_u64(u64 a) { u32 r; asm("clz.b64 %0, %1;" : "=r"(r) : "l"(a)); return r; }
FN u32 popc_u32(u32 a) { return (u32)POPC(a); }
FN u32 popc_u64(u64 a) { return (u32)POPCLL(a); }
FN u32 brev_u32(u32 a) { return BREV(a); }
FN u64 brev_u64(u64 a) { return BREVLL(a); }
#define THREE(name, type, text) FN type name(type a, type b, type c) { type r; asm(text " %0, %1, %2, %3;" : "=" C_##type(r) : C_##type(a), C_##type(b), C_##type(c)); return r; }
THREE(prmt, u32, "prmt.b32") THREE(sad_u32, u32, "sad.u32") THREE(sad_i32, i32, "sad.s32") THREE(fma_rz, f32, "fma.rz.f32") THREE(fma_rp, f64, "fma.rp.f64")
THREE(bfe_u32, u32, "bfe.u32") THREE(mad24, u32, "mad24.lo.u32") THREE(madhi, i32, "mad.hi.s32")
FN u64 bfe_u64(u64 a, u32 b, u32 c) { u64 r; asm("bfe.u64 %0, %1, %2, %3;" : "=l"(r) : "l"(a), "r"(b), "r"(c)); return r; }
FN i32 bfe_i32(i32 a, u32 b, u32 c) { i32 r; asm("bfe.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
FN u32 bfi(u32 a, u32 b, u32 c, u32 d) { u32 r; asm("bfi.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(c), "r"(d)); return r; }
FN u32 funnel(u32 a, u32 b, u32 c) { u32 r; asm("{ .reg .u32 n; and.b32 n, %3, 31; .reg .u64 w; mov.b64 w, {%1, %2}; shr.u64 w, w, n; cvt.u32.u64 %0, w; }" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
#if MODERN
FN u32 shf(u32 a, u32 b, u32 c) { u32 r; asm("shf.r.wrap.b32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
FN i32 dp4a(i32 a, i32 b, i32 c) { i32 r; asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
FN u32 lop(u32 a, u32 b, u32 c) { u32 r; asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
#endif

FN void sync(void) { asm volatile("bar.sync 0;" ::: "memory"); }
FN u32 sync_popc(u32 p) { u32 r; asm volatile("{ .reg .pred p; setp.ne.u32 p, %1, 0; bar.red.popc.u32 %0, 0, p; }" : "=r"(r) : "r"(p) : "memory"); return r; }
#if MODERN
FN u32 ballot(u32 mask, u32 p) { u32 r; asm volatile("{ .reg .pred p; setp.ne.u32 p, %1, 0; vote.sync.ballot.b32 %0, p, %2; }" : "=r"(r) : "r"(p), "r"(mask) : "memory"); return r; }
FN u32 any(u32 mask, u32 p) { u32 r; asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.any.pred q, p, %2; selp.u32 %0, 1, 0, q; }" : "=r"(r) : "r"(p), "r"(mask) : "memory"); return r; }
FN u32 all(u32 mask, u32 p) { u32 r; asm volatile("{ .reg .pred p, q; setp.ne.u32 p, %1, 0; vote.sync.all.pred q, p, %2; selp.u32 %0, 1, 0, q; }" : "=r"(r) : "r"(p), "r"(mask) : "memory"); return r; }
#define SHUFFLE(name, mode, clamp) FN u32 name(u32 mask, u32 v, u32 s) { u32 r; asm volatile("shfl.sync." mode ".b32 %0, %1, %2, " clamp ", %3;" : "=r"(r) : "r"(v), "r"(s), "r"(mask) : "memory"); return r; }
SHUFFLE(shuffle_idx, "idx", "31") SHUFFLE(shuffle_up, "up", "0") SHUFFLE(shuffle_down, "down", "31") SHUFFLE(shuffle_xor, "bfly", "31")
FN void warp_sync(u32 mask) { asm volatile("bar.warp.sync %0;" :: "r"(mask) : "memory"); }
FN u32 match_any(u32 mask, u32 v) { u32 r; asm volatile("match.any.sync.b32 %0, %1, %2;" : "=r"(r) : "r"(v), "r"(mask) : "memory"); return r; }
#if AMPERE
#define REDUCE(name, type, text) FN type name(u32 mask, type v) { type r; asm volatile("redux.sync." text " %0, %1, %2;" : "=r"(r) : "r"(v), "r"(mask) : "memory"); return r; }
REDUCE(reduce_add, u32, "add.u32") REDUCE(reduce_max, i32, "max.s32") REDUCE(reduce_xor, u32, "xor.b32")
#endif
#endif
#define ATOMIC(name, type, text) FN void name(type *p, type v) { asm volatile(text " [%0], %1;" :: "l"(p), C_##type(v) : "memory"); }
ATOMIC(atomic_add, u32, "red.add.u32") ATOMIC(atomic_min, i32, "red.min.s32") ATOMIC(atomic_xor, u32, "red.xor.b32") ATOMIC(atomic_max, u64, "red.max.u64")
#if AMPERE
#include "gates.h"
#include "matrices.h"
#endif

#endif
