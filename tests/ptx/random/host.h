/* The host's side of generated programs: every thread of a block is a fiber, and collectives wait for their members as the
 * PTX ISA says. Nothing here knows warps that run in lock-step, divergence or reconvergence: that is what is compared. */
#ifndef RANDOM_HOST_H
#define RANDOM_HOST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "functions.h"

#define FN static inline __attribute__((unused))
#define FUNCTION static __attribute__((noinline, unused))
#define INLINED static inline __attribute__((always_inline, unused))
#define KERNEL(name) static void name
#define GLOBAL static
#define CONSTANT static const
#define SHARED static
#define EXIT leave()
#define HIDE(n)

#include "common.h"
COMMON_FUNCTIONS
WIDE_FUNCTIONS

#include <fenv.h>

struct fiber {
    ucontext_t context;
    u32 tid, live, arrived, ready, mask, seen[32], at_barrier;
    u32 value;
    char *stack;
};
static struct fiber fibers[1024];
static struct fiber *self;
static ucontext_t scheduler;
static u32 threads, width, block_index, block_count, barrier_sum, barrier_result, waiting, live_threads;

FN u32 tid(void) { return self->tid % width; }
FN u32 tid_y(void) { return self->tid / width; }
FN u32 ntid(void) { return width; }
FN u32 ntid_y(void) { return threads / width; }
FN u32 ctaid(void) { return block_index; }
FN u32 nctaid(void) { return block_count; }
FN u32 lane(void) { return self->tid & 31; }
FN u32 lanemask_lt(void) { return (1u << lane()) - 1; }
FN u32 lanemask_ge(void) { return ~lanemask_lt(); }

/* Where the fiber waits: everything it calls may have moved `self`. */
static void pause_fiber(void) { struct fiber *me = self; swapcontext(&me->context, &scheduler); }
static void barrier_check(void) {
    if (!waiting || waiting != live_threads) return;
    barrier_result = barrier_sum;
    barrier_sum = waiting = 0;
    for (u32 i = 0; i < threads; i++) fibers[i].at_barrier = 0;
}
static void leave(void) {
    self->live = 0;
    live_threads--;
    barrier_check();
    pause_fiber();
}
FN u32 sync_popc(u32 p) {
    self->at_barrier = 1;
    waiting++;
    barrier_sum += p != 0;
    barrier_check();
    while (self->at_barrier) pause_fiber();
    return barrier_result; /* nobody passes the next barrier before all have left this one: they count themselves in first */
}
FN void sync(void) { sync_popc(0); }

/* Hands every member the values of all; members that have exited have none. */
static const u32 *gather(u32 mask, u32 value) {
    struct fiber *me = self, *base = fibers + (me->tid & ~31u);
    if (!(mask >> lane() & 1)) fprintf(stderr, "lane %u is not in its own mask %x\n", lane(), mask), abort();
    me->value = value, me->mask = mask, me->arrived = 1, me->ready = 0;
    while (!me->ready) {
        u32 here = 1;
        for (u32 l = 0; l < 32 && here; l++)
            if (mask >> l & 1 && base + l < fibers + threads && base[l].live && !(base[l].arrived && base[l].mask == mask)) here = 0;
        if (!here) { pause_fiber(); continue; }
        for (u32 l = 0; l < 32; l++)
            if (mask >> l & 1 && base + l < fibers + threads && base[l].live) {
                for (u32 k = 0; k < 32; k++) base[l].seen[k] = base + k < fibers + threads ? base[k].value : 0;
                base[l].arrived = 0, base[l].ready = 1;
            }
    }
    return me->seen;
}
FN u32 ballot(u32 mask, u32 p) { const u32 *v = gather(mask, p != 0); u32 r = 0; for (u32 l = 0; l < 32; l++) if (mask >> l & 1 && v[l]) r |= 1u << l; return r; }
FN u32 any(u32 mask, u32 p) { return ballot(mask, p) != 0; }
FN u32 all(u32 mask, u32 p) { return ballot(mask, p) == mask; }
FN u32 shuffle_idx(u32 mask, u32 v, u32 s) { return gather(mask, v)[s & 31]; }
FN u32 shuffle_up(u32 mask, u32 v, u32 s) { const u32 *x = gather(mask, v); s &= 31; return lane() >= s ? x[lane() - s] : v; }
FN u32 shuffle_down(u32 mask, u32 v, u32 s) { const u32 *x = gather(mask, v); s &= 31; return lane() + s < 32 ? x[lane() + s] : v; }
FN u32 shuffle_xor(u32 mask, u32 v, u32 s) { const u32 *x = gather(mask, v); return x[(lane() ^ s) & 31]; }
FN void warp_sync(u32 mask) { gather(mask, 0); }
FN u32 match_any(u32 mask, u32 v) { const u32 *x = gather(mask, v); u32 r = 0; for (u32 l = 0; l < 32; l++) if (mask >> l & 1 && x[l] == v) r |= 1u << l; return r; }
FN u32 reduce_add(u32 mask, u32 v) { const u32 *x = gather(mask, v); u32 r = 0; for (u32 l = 0; l < 32; l++) if (mask >> l & 1) r += x[l]; return r; }
FN u32 reduce_xor(u32 mask, u32 v) { const u32 *x = gather(mask, v); u32 r = 0; for (u32 l = 0; l < 32; l++) if (mask >> l & 1) r ^= x[l]; return r; }
FN i32 reduce_max(u32 mask, i32 v) { const u32 *x = gather(mask, (u32)v); i32 r = v; for (u32 l = 0; l < 32; l++) if (mask >> l & 1 && (i32)x[l] > r) r = (i32)x[l]; return r; }

FN f32 sqrt_f32(f32 a) { return sqrtf(a); }
FN f64 sqrt_f64(f64 a) { return sqrt(a); }
FN f32 near_f32(f32 a) { return rintf(a); }
FN f64 near_f64(f64 a) { return rint(a); }
FN u32 find_u32(u32 a) { return a ? 31 - (u32)__builtin_clz(a) : ~0u; }
FN u32 find_i32(i32 a) { return find_u32((u32)(a < 0 ? ~a : a)); }
FN u32 clz_u32(u32 a) { return a ? (u32)__builtin_clz(a) : 32; }
FN u32 clz_u64(u64 a) { return a ? (u32)__builtin_clzll(a) : 64; }
FN u32 popc_u32(u32 a) { return (u32)__builtin_popcount(a); }
FN u32 popc_u64(u64 a) { return (u32)__builtin_popcountll(a); }
FN u32 brev_u32(u32 a) { u32 r = 0; for (int i = 0; i < 32; i++) r |= (a >> i & 1) << (31 - i); return r; }
FN u64 brev_u64(u64 a) { return (u64)brev_u32((u32)a) << 32 | brev_u32((u32)(a >> 32)); }
FN u32 prmt(u32 a, u32 b, u32 c) {
    u64 w = (u64)b << 32 | a;
    u32 r = 0;
    for (int i = 0; i < 4; i++) {
        u32 s = c >> 4 * i & 15, byte = (u32)(w >> 8 * (s & 7)) & 255;
        r |= (s & 8 ? (byte & 128 ? 255u : 0) : byte) << 8 * i;
    }
    return r;
}
FN u32 sad_u32(u32 a, u32 b, u32 c) { return c + (a < b ? b - a : a - b); }
FN i32 sad_i32(i32 a, i32 b, i32 c) { return (i32)((u32)c + (a < b ? (u32)b - (u32)a : (u32)a - (u32)b)); }
FN f32 fma_rz(f32 a, f32 b, f32 c) { volatile f32 x = a, y = b, z = c; fesetround(FE_TOWARDZERO); volatile f32 r = fmaf(x, y, z); fesetround(FE_TONEAREST); return r; }
FN f64 fma_rp(f64 a, f64 b, f64 c) { volatile f64 x = a, y = b, z = c; fesetround(FE_UPWARD); volatile f64 r = fma(x, y, z); fesetround(FE_TONEAREST); return r; }
FN u64 bfe_u64(u64 a, u32 b, u32 c) { b &= 255, c &= 255; a = b < 64 ? a >> b : 0; return c < 64 ? a & (((u64)1 << c) - 1) : a; }
FN u32 bfe_u32(u32 a, u32 b, u32 c) { b &= 255, c &= 255; a = b < 32 ? a >> b : 0; return c < 32 ? a & ((1u << c) - 1) : a; }
FN i32 bfe_i32(i32 a, u32 b, u32 c) {
    b &= 255, c &= 255;
    if (c == 0) return 0;
    u32 r = 0, top = b + c - 1 < 31 ? b + c - 1 : 31, sign = (u32)a >> top & 1;
    for (u32 i = 0; i < 32; i++) r |= (i < c && b + i < 32 ? (u32)a >> (b + i) & 1 : sign) << i;
    return (i32)r;
}
FN u32 bfi(u32 a, u32 b, u32 c, u32 d) {
    c &= 255, d &= 255;
    for (u32 i = 0; i < d && c + i < 32; i++) b = (b & ~(1u << (c + i))) | (a >> i & 1) << (c + i);
    return b;
}
FN u32 mad24(u32 a, u32 b, u32 c) { return (a & 0xffffff) * (b & 0xffffff) + c; }
FN i32 madhi(i32 a, i32 b, i32 c) { return (i32)((u32)(i32)((i64)a * b >> 32) + (u32)c); }
FN u32 funnel(u32 a, u32 b, u32 c) { return (u32)(((u64)b << 32 | a) >> (c & 31)); }
FN u32 shf(u32 a, u32 b, u32 c) { return funnel(a, b, c); }
FN i32 dp4a(i32 a, i32 b, i32 c) { u32 r = (u32)c; for (int i = 0; i < 4; i++) r += (u32)((i32)(i8)(a >> 8 * i) * (i32)(i8)(b >> 8 * i)); return (i32)r; }
FN u32 lop(u32 a, u32 b, u32 c) { u32 r = 0; for (int i = 0; i < 32; i++) r |= (0x6au >> ((a >> i & 1) << 2 | (b >> i & 1) << 1 | (c >> i & 1)) & 1) << i; return r; }
FN void atomic_add(u32 *p, u32 v) { *p += v; }
FN void atomic_min(i32 *p, i32 v) { if (v < *p) *p = v; }
FN void atomic_xor(u32 *p, u32 v) { *p ^= v; }
FN void atomic_max(u64 *p, u64 v) { if (v > *p) *p = v; }

#include "gates.h"
#include "matrices.h"

typedef void (*kernel_function)(const u64 *, u64 *, u32 *, u32);
static kernel_function running;
static const u64 *arg_in;
static u64 *arg_out;
static u32 *arg_shared_results;
static u32 arg_n;
static void enter(void) { running(arg_in, arg_out, arg_shared_results, arg_n); leave(); }

/* One launch, blocks in order, threads in an order that `seed` picks. */
static void run_kernel(kernel_function kernel, u32 blocks, u32 x, u32 y, u32 seed, const u64 *in, u64 *out, u32 *sums, u32 n) {
    running = kernel, arg_in = in, arg_out = out, arg_shared_results = sums, arg_n = n;
    threads = x * y, width = x, block_count = blocks;
    for (block_index = 0; block_index < blocks; block_index++) {
        waiting = barrier_sum = 0, live_threads = threads;
        for (u32 i = 0; i < threads; i++) {
            struct fiber *f = &fibers[i];
            if (!f->stack) f->stack = malloc(64 << 10);
            getcontext(&f->context);
            f->context.uc_stack.ss_sp = f->stack, f->context.uc_stack.ss_size = 64 << 10, f->context.uc_link = NULL;
            f->tid = i, f->live = 1, f->arrived = f->ready = f->at_barrier = 0;
            makecontext(&f->context, enter, 0);
        }
        for (u64 turns = 0; live_threads; turns++) {
            if (turns > 200000) fprintf(stderr, "the program does not end\n"), abort();
            u32 start = (seed = seed * 1664525 + 1013904223) >> 8;
            for (u32 k = 0; k < threads; k++) {
                self = &fibers[(start + k) % threads];
                if (self->live && !self->at_barrier) swapcontext(&scheduler, &self->context);
            }
        }
    }
}
#endif
