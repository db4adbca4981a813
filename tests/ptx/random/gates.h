/* mbarriers, which generated programs call gates, and copies that complete on them, for both sides. A gate's phase ends when its count
 * of arrivals and its bytes are there. What a state holds is the GPU's own and never compared. */
#ifndef RANDOM_GATES_H
#define RANDOM_GATES_H

#if defined(__CUDA__) || defined(__CUDACC__)
typedef u64 gate;
#define SHARED_AT(address, text) "{ .reg .u64 a; cvta.to.shared.u64 a, " address "; " text " }"
FN void gate_begin(gate *g, u32 count) { asm volatile("mbarrier.init.b64 [%0], %1;" :: "l"(g), "r"(count) : "memory"); }
FN void gate_end(gate *g) { asm volatile(SHARED_AT("%0", "mbarrier.inval.shared.b64 [a];") :: "l"(g) : "memory"); }
FN u64 gate_arrive(gate *g) { u64 r; asm volatile("mbarrier.arrive.b64 %0, [%1];" : "=l"(r) : "l"(g) : "memory"); return r; }
FN void gate_arrive_early(gate *g, u32 n) { asm volatile(SHARED_AT("%0", ".reg .u64 s; mbarrier.arrive.noComplete.shared.b64 s, [a], %1;") :: "l"(g), "r"(n) : "memory"); }
FN void gate_drop(gate *g) { asm volatile(SHARED_AT("%0", ".reg .u64 s; mbarrier.arrive_drop.shared.b64 s, [a];") :: "l"(g) : "memory"); }
FN u32 gate_passed(gate *g, u64 state) { u32 r; asm volatile(SHARED_AT("%1", ".reg .pred p; mbarrier.test_wait.shared.b64 p, [a], %2; selp.u32 %0, 1, 0, p;") : "=r"(r) : "l"(g), "l"(state) : "memory"); return r; }
FN void gate_wait(gate *g, u64 state) { while (!gate_passed(g, state)) { } }
/* Its arrival happens when its copies are there. */
FN void gate_arrive_copied(gate *g) { asm volatile(SHARED_AT("%0", "cp.async.mbarrier.arrive.noinc.shared.b64 [a];") :: "l"(g) : "memory"); }
FN void copy_async(u64 *to, const u64 *from, u32 bytes) { asm volatile(SHARED_AT("%0", ".reg .u64 f; cvta.to.global.u64 f, %1; cp.async.ca.shared.global [a], [f], 8, %2;") :: "l"(to), "l"(from), "r"(bytes) : "memory"); }
FN void copies_done(void) { asm volatile("cp.async.commit_group; cp.async.wait_group 0;" ::: "memory"); }
#if HOPPER
FN void gate_wait_parity(gate *g, u32 parity) {
    u32 r;
    do asm volatile(SHARED_AT("%1", ".reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [a], %2; selp.u32 %0, 1, 0, p;") : "=r"(r) : "l"(g), "r"(parity) : "memory"); while (!r);
}
FN void gate_arrive_bytes(gate *g, u32 bytes) { asm volatile(SHARED_AT("%0", ".reg .u64 s; mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 s, [a], %1;") :: "l"(g), "r"(bytes) : "memory"); }
/* `bytes`: a multiple of 16, as both addresses are. */
FN void copy_bulk(u64 *to, const u64 *from, u32 bytes, gate *g) {
    asm volatile(SHARED_AT("%0", ".reg .u64 f, b; cvta.to.global.u64 f, %1; cvta.to.shared.u64 b, %3; fence.proxy.async; cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [a], [f], %2, [b];") :: "l"(to), "l"(from), "r"(bytes), "l"(g) : "memory");
}
FN u32 elected(u32 mask) { u32 r; asm volatile("{ .reg .pred p; elect.sync _|p, %1; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "r"(mask) : "memory"); return r; }
#else
FN void gate_wait_parity(gate *g, u32 parity) {
    u32 r;
    do asm volatile("{ .reg .pred p; mbarrier.test_wait.parity.b64 p, [%1], %2; selp.u32 %0, 1, 0, p; }" : "=r"(r) : "l"(g), "r"(parity) : "memory"); while (!r);
}
#endif
#else
typedef struct { u32 expected, pending, phase; i32 bytes; } gate;
static void gate_check(gate *g) { if (g->pending == 0 && g->bytes == 0) g->phase++, g->pending = g->expected; }
FN void gate_begin(gate *g, u32 count) { g->expected = g->pending = count, g->phase = 0, g->bytes = 0; }
FN void gate_end(gate *g) { (void)g; }
FN u64 gate_arrive(gate *g) { u64 state = g->phase; g->pending--; gate_check(g); return state; }
FN void gate_arrive_early(gate *g, u32 n) { g->pending -= n; }
FN void gate_drop(gate *g) { g->expected--, g->pending--; gate_check(g); }
FN void gate_wait(gate *g, u64 state) { while (g->phase == (u32)state) pause_fiber(); }
FN void gate_wait_parity(gate *g, u32 parity) { while ((g->phase & 1) == parity) pause_fiber(); }
FN void gate_arrive_copied(gate *g) { g->pending--; gate_check(g); }
FN void copy_async(u64 *to, const u64 *from, u32 bytes) { *to = 0; memcpy(to, from, bytes); }
FN void copies_done(void) { }
FN void gate_arrive_bytes(gate *g, u32 bytes) { g->bytes += (i32)bytes, g->pending--; gate_check(g); }
FN void copy_bulk(u64 *to, const u64 *from, u32 bytes, gate *g) { memcpy(to, from, bytes), g->bytes -= (i32)bytes; gate_check(g); }
FN u32 elected(u32 mask) { return (mask & lanemask_lt()) == 0; }
#endif
#endif
