/* Clusters of several blocks: each other's shared memory, the cluster's barrier, stores and reductions that complete on another
 * block's mbarrier, multicast copies, taking over clusters that have not begun; and what goes wrong with them. */
#include "one.h"

#define HEAD(directives) ".version 9.0\n.target sm_100a\n.address_size 64\n.shared .align 16 .b32 data[64];\n.shared .align 8 .b64 bar;\n.visible .entry k(.param .u64 out, .param .u64 in) " directives " {\n.reg .pred %p<8>; .reg .b32 %r<40>; .reg .b64 %d<32>; .reg .b128 %q<4>;\nld.param.u64 %d0, [out]; ld.param.u64 %d1, [in]; mov.u32 %r0, %tid.x; mov.u32 %r1, %cluster_ctarank; mov.u32 %r2, %cluster_nctarank; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mad.lo.u32 %r5, %r3, %r4, %r0; mul.wide.u32 %d2, %r5, 4; add.u64 %d2, %d0, %d2; mul.wide.u32 %d3, %r5, 8; add.u64 %d3, %d0, %d3;\n"
#define BODY(text) HEAD("") text "\nret;\n}\n"
#define SYNC "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;\n"
/* Cancels clusters that have not begun and does their work, until there are none left. */
#define TAKEOVER(space, multicast, to, on) BODY("setp.eq.u32 %p1, %r1, 0; mov.u32 %r20, %ctaid.y; mov.u32 %r21, %ctaid.z; mad.lo.u32 %r6, %r21, 4, %r20; mad.lo.u32 %r6, %r6, 4, %r3; mbarrier.init.shared.b64 [bar], 1; mov.u32 %r7, 0; mov.u64 %d6, data; cvta.shared.u64 %d6, %d6; mov.u64 %d7, bar; cvta.shared.u64 %d7, %d7;\n" SYNC \
    "work: mul.wide.u32 %d5, %r6, 4; add.u64 %d5, %d0, %d5; atom.global.add.u32 %r8, [%d5], 1; mbarrier.arrive.expect_tx.shared.b64 _, [bar], 16;\n" SYNC \
    "@%p1 clusterlaunchcontrol.try_cancel.async" space ".mbarrier::complete_tx::bytes" multicast ".b128 [" to "], [" on "];\nwait: mbarrier.try_wait.parity.shared.b64 %p2, [bar], %r7; @!%p2 bra wait; xor.b32 %r7, %r7, 1; ld.shared.b128 %q1, [data];\n" \
    "clusterlaunchcontrol.query_cancel.is_canceled.pred.b128 %p3, %q1; @!%p3 bra over; clusterlaunchcontrol.query_cancel.get_first_ctaid::x.b32.b128 %r9, %q1; clusterlaunchcontrol.query_cancel.get_first_ctaid::y.b32.b128 %r22, %q1; clusterlaunchcontrol.query_cancel.get_first_ctaid::z.b32.b128 %r23, %q1;\n" \
    "clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {%r10,%r11,%r12,_}, %q1; sub.u32 %r24, %r9, %r10; sub.u32 %r25, %r22, %r11; or.b32 %r24, %r24, %r25; sub.u32 %r25, %r23, %r12; or.b32 %r24, %r24, %r25; atom.global.or.b32 %r26, [%d0+1024], %r24;\n" \
    "mad.lo.u32 %r6, %r12, 4, %r11; mad.lo.u32 %r6, %r6, 4, %r10; add.u32 %r6, %r6, %r1;\n" SYNC "bra work;\nover:")
#define EQUAL(value, expected) equal(__LINE__, (uint64_t)(value), (uint64_t)(expected))
static void equal(int line, uint64_t value, uint64_t expected) {
    if (value != expected && ++wrong < 40) printf("line %d: %llx, expected %llx\n", line, (unsigned long long)value, (unsigned long long)expected);
}

static uint64_t out, in;
static uint32_t *z;

static enum ptx_fault_kind run(const char *text, const uint32_t grid[3], uint32_t threads, const uint32_t cluster[3], bool cooperative, struct ptx_fault *fault) {
    struct program p = program_load(text);
    memset(host_of(out), 0, 65536);
    memcpy(device_cluster, cluster, sizeof device_cluster);
    enum ptx_fault_kind kind = launch_raw(&p, "k", grid, D3(threads, 1, 1), 0, cooperative, fault, ARGS(&out, &in));
    program_free(&p);
    return kind;
}

static void ok(int line, const char *text, const uint32_t grid[3], uint32_t threads, const uint32_t cluster[3], bool cooperative) {
    struct ptx_fault fault;
    if (run(text, grid, threads, cluster, cooperative, &fault) != PTX_FAULT_NONE) die("line %d: %s", line, fault.message);
}
#define OK(text, blocks, threads, size) ok(__LINE__, text, D3(blocks, 1, 1), threads, D3(size, 1, 1), false)

int main(void) {
    struct ptx_fault fault;
    out = device_alloc(65536), in = device_alloc(4096);
    z = host_of(out);
    uint32_t *x = host_of(in);
    for (uint32_t i = 0; i < 1024; i++) x[i] = i * 3;

    for (device_workers = 1; device_workers < 5; device_workers++) {
        /* Each block writes its own memory and reads its right neighbour's: by shared::cluster and by generic addresses. */
        const char *const ring = BODY("mad.lo.u32 %r6, %r3, 1000, %r0; mov.u32 %r7, data; shl.b32 %r8, %r0, 2; add.u32 %r7, %r7, %r8; st.shared.u32 [%r7], %r6;\n" SYNC
            "add.u32 %r9, %r1, 1; rem.u32 %r9, %r9, %r2; mapa.shared::cluster.u32 %r10, %r7, %r9; ld.shared::cluster.u32 %r11, [%r10]; getctarank.shared::cluster.u32 %r12, %r10;\n"
            "cvt.u64.u32 %d5, %r7; cvta.shared.u64 %d5, %d5; mapa.u64 %d6, %d5, %r9; ld.u32 %r13, [%d6]; getctarank.u64 %r14, %d6; isspacep.shared::cluster %p1, %d6; isspacep.shared::cta %p2, %d6; isspacep.shared::cta %p3, %d5;\n"
            "sub.u32 %r15, %r11, %r13; sub.u32 %r16, %r12, %r14; or.b32 %r15, %r15, %r16; selp.u32 %r17, 0, 4096, %p1; or.b32 %r15, %r15, %r17; setp.eq.u32 %p4, %r9, %r1; xor.pred %p4, %p4, %p2; selp.u32 %r17, 8192, 0, %p4; or.b32 %r15, %r15, %r17; selp.u32 %r17, 0, 16384, %p3; or.b32 %r15, %r15, %r17;\n"
            "setp.ne.u32 %p5, %r12, %r9; selp.u32 %r17, 32768, 0, %p5; or.b32 %r15, %r15, %r17; st.global.v2.u32 [%d3], {%r11, %r15};\n" SYNC);
        static const uint32_t sizes[] = {1, 2, 4, 8, 16};
        for (int s = 0; s < 5; s++) {
            const uint32_t n = sizes[s], threads = s % 2 ? 48 : 33;
            ok(__LINE__, ring, D3(32, 1, 1), threads, D3(n, 1, 1), s == 2);
            for (uint32_t b = 0; b < 32; b++)
                for (uint32_t t = 0; t < threads; t++) EQUAL(z[2 * (b * threads + t)], (b / n * n + (b + 1) % n) * 1000 + t), EQUAL(z[2 * (b * threads + t) + 1], 0);
        }
        /* The cluster's coordinates in three dimensions. */
        ok(__LINE__, BODY("mov.u32 %r6, %clusterid.x; mov.u32 %r7, %clusterid.y; mov.u32 %r8, %clusterid.z; mov.u32 %r9, %nclusterid.x; mov.u32 %r10, %nclusterid.y; mov.u32 %r11, %nclusterid.z; mov.u32 %r12, %cluster_ctaid.x; mov.u32 %r13, %cluster_ctaid.y; mov.u32 %r14, %cluster_ctaid.z;\n"
            "mov.u32 %r15, %cluster_nctaid.x; mov.u32 %r16, %cluster_nctaid.y; mov.u32 %r17, %cluster_nctaid.z; mov.pred %p1, %is_explicit_cluster; selp.u32 %r18, 1, 0, %p1; mov.u32 %r20, %ctaid.y; mov.u32 %r21, %ctaid.z; mad.lo.u32 %r22, %r21, 4, %r20; mad.lo.u32 %r22, %r22, 4, %r3; mul.wide.u32 %d5, %r22, 64; add.u64 %d5, %d0, %d5;\n"
            "st.global.v4.u32 [%d5], {%r6,%r7,%r8,%r9}; st.global.v4.u32 [%d5+16], {%r10,%r11,%r12,%r13}; st.global.v4.u32 [%d5+32], {%r14,%r15,%r16,%r17}; st.global.v4.u32 [%d5+48], {%r18,%r1,%r2,%r2};"), D3(4, 4, 2), 1, D3(2, 4, 1), false);
        for (uint32_t b = 0; b < 32; b++) {
            const uint32_t c[3] = {b % 4, b / 4 % 4, b / 16}, expected[16] = {c[0] / 2, c[1] / 4, c[2], 2, 1, 2, c[0] % 2, c[1] % 4, 0, 2, 4, 1, 1, c[0] % 2 + 2 * (c[1] % 4), 8, 8};
            for (int i = 0; i < 16; i++) EQUAL(z[16 * b + i], expected[i]);
        }
        /* Stores and reductions to block 0 that complete on its mbarrier; atomics there too. The expected bytes are announced by block 0. */
        OK(BODY("setp.ne.u32 %p1, %r0, 0; @%p1 bra ready; mbarrier.init.shared.b64 [bar], 1; fence.mbarrier_init.release.cluster; setp.ne.u32 %p2, %r1, 0; @%p2 bra ready; mul.lo.u32 %r6, %r2, 64; mul.lo.u32 %r6, %r6, 12; mbarrier.arrive.expect_tx.shared.b64 _, [bar], %r6;\nready:\n" SYNC
            "mov.u32 %r7, data; mov.u32 %r8, bar; mapa.shared::cluster.u32 %r9, %r7, 0; mapa.shared::cluster.u32 %r10, %r8, 0; shl.b32 %r11, %r0, 2; and.b32 %r11, %r11, 31; add.u32 %r12, %r9, %r11;\n"
            "red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 [%r12], 3, [%r10]; add.u32 %r13, %r9, 128; mov.u64 %d5, 77; st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b64 [%r13], %d5, [%r10]; red.shared::cluster.add.u32 [%r9+32], 1; atom.add.shared::cluster.u32 %r14, [%r9+36], 1;\n"
            "setp.ne.u32 %p2, %r1, 0; @%p2 bra over;\nwait: mbarrier.try_wait.parity.shared.b64 %p3, [bar], 0; @!%p3 bra wait;\nover:\n" SYNC "@%p2 bra done; ld.shared.u32 %r15, [%r7+4]; ld.shared.u32 %r16, [%r7+128]; ld.shared.u32 %r17, [%r7+32]; ld.shared.u32 %r18, [%r7+36]; mul.wide.u32 %d6, %r3, 16; add.u64 %d6, %d0, %d6; st.global.v4.u32 [%d6], {%r15,%r16,%r17,%r18};\ndone:"), 8, 64, 4);
        for (int c = 0; c < 2; c++) EQUAL(z[16 * c], 3 * 8 * 4), EQUAL(z[16 * c + 1], 77), EQUAL(z[16 * c + 2], 256), EQUAL(z[16 * c + 3], 256);
        /* A bulk copy to the blocks of a mask, each with its own barrier; a copy to another block's memory. */
        OK(BODY("mbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.expect_tx.shared.b64 _, [bar], 32;\n" SYNC "setp.ne.u32 %p1, %r1, 0; .reg .b16 %h<2>; mov.u16 %h1, 13; @%p1 bra after;\n"
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [data], [%d1+64], 32, [bar], %h1; mov.u32 %r6, data; mapa.shared::cluster.u32 %r7, %r6, 1; mov.u32 %r8, bar; mapa.shared::cluster.u32 %r9, %r8, 1; cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r7], [data], 32, [%r9];\n"
            "after: mbarrier.try_wait.parity.shared.b64 %p2, [bar], 0; @!%p2 bra after; ld.shared.u32 %r10, [data+28]; st.global.u32 [%d2], %r10;\n" SYNC), 8, 1, 4);
        for (int b = 0; b < 8; b++) EQUAL(z[b], 23 * 3);
        /* Threads that exit count as arrived; a block may be gone while others use the barrier. */
        OK(BODY("setp.eq.u32 %p1, %r1, 1; @%p1 exit; setp.gt.u32 %p2, %r0, 5; @%p2 exit;\n" SYNC SYNC "st.global.u32 [%d2], 9;"), 4, 40, 4);
        for (uint32_t i = 0; i < 160; i++) EQUAL(z[i], i / 40 != 1 && i % 40 <= 5 ? 9 : 0);
        /* arrive, work, wait: a divergent warp, twice */
        OK(BODY("mov.u32 %r20, 0;\nagain: and.b32 %r6, %r0, 1; setp.eq.u32 %p1, %r6, 0; @%p1 bra even; barrier.cluster.arrive; bra both;\neven: barrier.cluster.arrive.relaxed;\nboth: barrier.cluster.wait; atom.global.add.u32 %r7, [%d0+4096], 1; barrier.cluster.arrive; barrier.cluster.wait.acquire; ld.global.u32 %r8, [%d0+4096]; barrier.cluster.arrive; barrier.cluster.wait;\n"
            "add.u32 %r20, %r20, 1; setp.lt.u32 %p2, %r20, 2; @%p2 bra again; st.global.u32 [%d2], %r8;"), 4, 32, 4);
        for (int i = 0; i < 128; i++) EQUAL(z[i], 256);
        /* Every cluster is done once, by whoever takes it over; its index is told whole and part by part. */
        static const char *const takeovers[] = {TAKEOVER("", "", "%d6", "%d7"), TAKEOVER("", ".multicast::cluster::all", "%d6", "%d7"), TAKEOVER(".shared::cta", "", "data", "bar"), TAKEOVER(".shared::cta", ".multicast::cluster::all", "data", "bar")};
        for (uint32_t form = 0; form < 4; form++) {
            ok(__LINE__, takeovers[form], D3(4, 4, 4), 1, D3(1 + form % 2, 1, 1), false);
            for (int b = 0; b < 64; b++) EQUAL(z[b], 1);
            EQUAL(z[256], 0);
        }
    }
    /* Blocks that wait for later ones, without a cooperative launch: they go on, as where all of them fit on the device. */
    OK(BODY("atom.global.add.u32 %r6, [%d0+4096], 1; mov.u64 %d5, %globaltimer; add.u64 %d5, %d5, 10000000000; mov.u32 %r8, %nctaid.x;\n"
            "again: ld.relaxed.gpu.global.u32 %r7, [%d0+4096]; mov.u64 %d6, %globaltimer; setp.gt.u64 %p2, %d6, %d5; @%p2 bra over; setp.lt.u32 %p1, %r7, %r8; @%p1 bra again;\nover: st.global.u32 [%d2], %r7;"), 9, 1, 1);
    for (int b = 0; b < 9; b++) EQUAL(z[b], 9);
    /* st.bulk clears; the kernel's own size is kept; what is wrong is a fault or refused. */
    OK(BODY("mov.u32 %r6, 5; st.shared.v2.u32 [data+8], {%r6,%r6}; st.shared.u32 [data+24], 5; st.bulk.weak.shared::cta [data+8], 16, 0; ld.shared.u32 %r7, [data+12]; ld.shared.u32 %r8, [data+24]; mov.u64 %d5, data; cvta.shared.u64 %d5, %d5; mov.u64 %d6, 8; st.bulk [%d5+24], %d6, 0; ld.shared.u32 %r9, [data+24]; st.global.v2.u32 [%d0], {%r7,%r8}; st.global.u32 [%d0+8], %r9;"), 1, 1, 1);
    EQUAL(z[0], 0), EQUAL(z[1], 5), EQUAL(z[2], 0);
    EQUAL(run(HEAD(".reqnctapercluster 2") "st.global.u32 [%d2], %r2; ret;\n}\n", D3(4, 1, 1), 1, D3(0, 0, 0), false, &fault), PTX_FAULT_NONE);
    EQUAL(z[3], 2);
    EQUAL(run(HEAD(".reqnctapercluster 2") "ret;\n}\n", D3(4, 1, 1), 1, D3(4, 1, 1), false, &fault), PTX_FAULT_LAUNCH);
    EQUAL(run(HEAD(".maxclusterrank 2") "ret;\n}\n", D3(4, 1, 1), 1, D3(4, 1, 1), false, &fault), PTX_FAULT_LAUNCH);
    EQUAL(run(BODY(""), D3(5, 1, 1), 1, D3(4, 1, 1), false, &fault), PTX_FAULT_LAUNCH);
    EQUAL(run(BODY(""), D3(32, 1, 1), 1, D3(32, 1, 1), false, &fault), PTX_FAULT_LAUNCH);
    EQUAL(run(BODY("mov.u32 %r6, data; mapa.shared::cluster.u32 %r7, %r6, 2;"), D3(2, 1, 1), 1, D3(2, 1, 1), false, &fault), PTX_FAULT_ADDRESS);
    EQUAL(run(BODY("mov.u32 %r6, data; mapa.shared::cluster.u32 %r7, %r6, 1; ld.shared::cluster.u32 %r8, [%r7+65536];"), D3(2, 1, 1), 1, D3(2, 1, 1), false, &fault), PTX_FAULT_ADDRESS);
    EQUAL(run(BODY("mov.u32 %r7, 0x3000000; ld.shared::cluster.u32 %r8, [%r7];"), D3(2, 1, 1), 1, D3(2, 1, 1), false, &fault), PTX_FAULT_ADDRESS);
    EQUAL(run(BODY("setp.eq.u32 %p1, %r1, 0; @%p1 bra over; barrier.cluster.arrive; barrier.cluster.wait; ret;\nover: bar.sync 0; mbarrier.init.shared.b64 [bar], 2;\n wait: bar.sync 1, 64;"), D3(2, 1, 1), 32, D3(2, 1, 1), false, &fault), PTX_FAULT_DEADLOCK);
    EQUAL(strstr(fault.message, "wait for ever") != NULL || strstr(fault.message, "never will") != NULL, 1);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
