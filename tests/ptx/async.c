/* mbarrier objects with threads that wait on them, bulk copies and reductions, alloca, vector and 128-bit atomics, what reads zero. */
#include "one.h"

#define HEAD ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(.param .u64 out, .param .u64 in) {\n.reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %r<32>; .reg .b64 %d<32>; .reg .b128 %q<4>; .reg .f32 %f<8>;\nld.param.u64 %d0, [out]; ld.param.u64 %d1, [in]; mov.u32 %r0, %tid.x;\n"
#define EQUAL(value, expected) equal(__LINE__, (uint64_t)(value), (uint64_t)(expected))
static void equal(int line, uint64_t value, uint64_t expected) {
    if (value != expected) wrong++, printf("line %d: %llx, expected %llx\n", line, (unsigned long long)value, (unsigned long long)expected);
}

static uint64_t out, in;
static uint32_t *z;

static enum ptx_fault_kind run(const char *text, uint32_t threads, struct ptx_fault *fault) {
    struct program p = program_load(text);
    memset(host_of(out), 0, 4096);
    enum ptx_fault_kind kind = launch_raw(&p, "k", D3(1, 1, 1), D3(threads, 1, 1), 0, false, fault, ARGS(&out, &in));
    program_free(&p);
    return kind;
}

static void ok(int line, const char *text, uint32_t threads) {
    struct ptx_fault fault;
    if (run(text, threads, &fault) != PTX_FAULT_NONE) die("line %d: %s", line, fault.message);
}
#define OK(text, threads) ok(__LINE__, text, threads)

int main(void) {
    struct ptx_fault fault;
    out = device_alloc(4096), in = device_alloc(4096);
    z = host_of(out);
    uint32_t *x = host_of(in);
    for (uint32_t i = 0; i < 1024; i++) x[i] = i * 3;

    /* Four warps: the last writes, three wait, twice over (both parities). */
    OK(HEAD ".shared .align 8 .b64 bar; .shared .align 16 .b32 data[4];\nsetp.ne.u32 %p0, %r0, 0; @%p0 bra ready; mbarrier.init.shared::cta.b64 [bar], 32; ready: bar.sync 0;\n"
            "setp.ge.u32 %p1, %r0, 96; mov.u32 %r5, 0;\nagain: @!%p1 bra wait;\nmul.lo.u32 %r6, %r5, 100; add.u32 %r6, %r6, 7; st.shared.u32 [data], %r6; mbarrier.arrive.shared.b64 %d5, [bar]; mbarrier.pending_count.b64 %r7, %d5;\n"
            "wait: mbarrier.try_wait.parity.shared::cta.b64 %p2, [bar], %r5; @!%p2 bra wait;\nld.shared.u32 %r8, [data]; bar.sync 1; mad.lo.u32 %r9, %r5, 128, %r0; mul.wide.u32 %d6, %r9, 4; add.u64 %d6, %d0, %d6; st.global.u32 [%d6], %r8;\n"
            "add.u32 %r5, %r5, 1; setp.lt.u32 %p3, %r5, 2; @%p3 bra again; ret;\n}\n", 128);
    for (int i = 0; i < 128; i++) EQUAL(z[i], 7), EQUAL(z[128 + i], 107);

    /* A 32-bit address and its offset wrap: nvcc indexes backwards so. A 64-bit one goes down from the end. */
    OK(HEAD ".shared .align 4 .b32 words[4];\nmov.u32 %r1, words; mov.u32 %r2, 41; st.shared.u32 [words], %r2; sub.u32 %r3, %r1, 12; ld.shared.u32 %r4, [%r3+12]; add.u32 %r4, %r4, 1; st.shared.u32 [%r3+16], %r4;\n"
            "ld.shared.v2.u32 {%r5,%r6}, [%r3+12]; atom.shared.add.u32 %r7, [%r3+16], 1; st.global.v2.u32 [%d0], {%r5,%r6}; st.global.u32 [%d0+8], %r7; mov.u64 %d5, words; ld.shared.u32 %r8, [%d5+4]; st.global.u32 [%d0+12], %r8; ret;\n}\n", 1);
    EQUAL(z[0], 41), EQUAL(z[1], 42), EQUAL(z[2], 42), EQUAL(z[3], 43);

    /* State tokens, several arrivals at once, dropping, transactions. */
    OK(HEAD ".shared .align 8 .b64 bar;\nmbarrier.init.shared.b64 [bar], 3; mbarrier.arrive.shared.b64 %d5, [bar], 2; mbarrier.test_wait.shared.b64 %p0, [bar], %d5; selp.u32 %r1, 1, 0, %p0; mbarrier.pending_count.b64 %r2, %d5;\n"
            "mbarrier.arrive_drop.shared.b64 %d6, [bar]; mbarrier.test_wait.shared.b64 %p0, [bar], %d5; selp.u32 %r3, 1, 0, %p0; mbarrier.pending_count.b64 %r4, %d6;\n"
            /* the next phase expects two, and 16 bytes */
            "mbarrier.arrive.expect_tx.shared.b64 %d7, [bar], 16; mbarrier.arrive.shared.b64 _, [bar]; mbarrier.test_wait.parity.shared.b64 %p0, [bar], 1; selp.u32 %r5, 1, 0, %p0;\n"
            "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [bar], 16; mbarrier.test_wait.parity.shared.b64 %p0, [bar], 1; selp.u32 %r6, 1, 0, %p0; mbarrier.inval.shared.b64 [bar];\n"
            "st.global.v4.u32 [%d0], {%r1,%r2,%r3,%r4}; st.global.v2.u32 [%d0+16], {%r5,%r6}; ret;\n}\n", 1);
    static const uint32_t states[] = {0, 3, 1, 1, 0, 1};
    for (int i = 0; i < 6; i++) EQUAL(z[i], states[i]);
    EQUAL(run(HEAD ".shared .align 8 .b64 bar;\nmbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.shared.b64 %d5, [bar], 2; ret;\n}\n", 1, &fault), PTX_FAULT_TRAP);
    EQUAL(strstr(fault.message, "arrivals") != NULL, 1);
    EQUAL(run(HEAD "mbarrier.init.shared.b64 [%r0+3], 1; ret;\n}\n", 1, &fault), PTX_FAULT_MISALIGNED);

    /* In by bulk copy, reduced there, out by bulk copy and by reduction. */
    for (uint32_t i = 0; i < 4; i++) z[0] = 0;
    OK(HEAD ".shared .align 8 .b64 bar; .shared .align 128 .b32 a[64]; .shared .align 128 .b32 b[64];\nmbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.expect_tx.shared.b64 _, [bar], 512;\n"
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [a], [%d1], 256, [bar]; cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes [b], [%d1+256], 256, [bar];\n"
            "mbarrier.try_wait.parity.shared.b64 %p0, [bar], 0; selp.u32 %r1, 1, 0, %p0; mbarrier.arrive.expect_tx.shared.b64 _, [bar], 64;\n"
            "cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.u32 [a], [b], 64, [bar]; mbarrier.try_wait.parity.shared.b64 %p0, [bar], 1; selp.u32 %r2, 1, 0, %p0;\n"
            "fence.proxy.async.shared::cta; cp.async.bulk.global.shared::cta.bulk_group [%d0+16], [a], 256; cp.reduce.async.bulk.global.shared::cta.bulk_group.max.u32 [%d0+16], [b], 32; cp.async.bulk.commit_group; cp.async.bulk.wait_group.read 0;\n"
            "cp.async.bulk.prefetch.L2.global [%d1], 64; st.global.v2.u32 [%d0], {%r1,%r2}; ret;\n}\n", 1);
    EQUAL(z[0], 1), EQUAL(z[1], 1);
    for (uint32_t i = 0; i < 64; i++) EQUAL(z[4 + i], i < 16 ? 3 * i + 3 * (i + 64) : 3 * i);
    EQUAL(run(HEAD ".shared .align 128 .b32 a[64];\nmov.u32 %r5, 24; cp.async.bulk.global.shared::cta.bulk_group [%d0], [a], %r5; ret;\n}\n", 1, &fault), PTX_FAULT_MISALIGNED);
    EQUAL(run(HEAD ".shared .align 128 .b32 a[64];\ncp.async.bulk.global.shared::cta.bulk_group [%d0], [a], 512; ret;\n}\n", 1, &fault), PTX_FAULT_ADDRESS);

    /* cp.async with the source cut short and ignored */
    OK(HEAD ".shared .align 16 .b32 a[16];\nsetp.eq.u32 %p0, %r0, 0; cp.async.ca.shared.global [a], [%d1+16], 16; cp.async.cg.shared.global [a+16], [%d1+16], 16, 8; cp.async.ca.shared.global [a+32], [%d1+16], 8, %p0;\n"
            "cp.async.commit_group; cp.async.wait_group 0; ld.shared.v4.u32 {%r1,%r2,%r3,%r4}, [a+16]; st.global.v4.u32 [%d0], {%r1,%r2,%r3,%r4}; ld.shared.v2.u32 {%r1,%r2}, [a+32]; st.global.v2.u32 [%d0+16], {%r1,%r2}; ret;\n}\n", 1);
    static const uint32_t copied[] = {12, 15, 0, 0, 0, 0};
    for (int i = 0; i < 6; i++) EQUAL(z[i], copied[i]);

    /* alloca: what a lane writes to its own is its own; the stack is given back; too much is a fault */
    OK(HEAD "stacksave.u64 %d5; mov.u32 %r5, 0;\nagain: alloca.u64 %d6, 4096, 64; st.local.u32 [%d6+4092], %r0; cvta.local.u64 %d7, %d6; ld.u32 %r6, [%d7+4092]; and.b64 %d8, %d6, 63; stackrestore.u64 %d5;\n"
            "add.u32 %r5, %r5, 1; setp.lt.u32 %p0, %r5, 1000; @%p0 bra again;\nmul.wide.u32 %d9, %r0, 8; add.u64 %d9, %d0, %d9; cvt.u32.u64 %r7, %d8; st.global.v2.u32 [%d9], {%r6,%r7}; ret;\n}\n", 64);
    for (uint32_t i = 0; i < 64; i++) EQUAL(z[2 * i], i), EQUAL(z[2 * i + 1], 0);
    EQUAL(run(HEAD "again: alloca.u64 %d6, 4096; bra again;\n}\n", 32, &fault), PTX_FAULT_STACK);

    /* atomics of vectors and 128 bits */
    OK(HEAD "mov.f32 %f1, 0f3f800000; mov.f32 %f2, 0f40000000; atom.global.add.v2.f32 {%f3,%f4}, [%d0+64], {%f1,%f2}; atom.global.add.v2.f32 {%f3,%f4}, [%d0+64], {%f1,%f2};\n"
            "mov.b32 %r1, 0x3c00c000; mov.b32 %r2, 0x40003c00; red.global.max.noftz.v2.f16x2 [%d0+80], {%r1,%r2}; st.global.v2.f32 [%d0], {%f3,%f4};\n"
            "mov.u64 %d5, 1; mov.u64 %d6, 2; mov.b128 %q0, {%d5,%d6}; mov.u64 %d7, 0; mov.b128 %q1, {%d7,%d7}; atom.global.cas.b128 %q2, [%d0+96], %q1, %q0; atom.global.exch.b128 %q3, [%d0+96], %q1; mov.b128 {%d8,%d9}, %q3; st.global.v2.u64 [%d0+16], {%d8,%d9};\n"
            "st.global.b128 [%d0+128], %q0; ld.global.b128 %q2, [%d0+128]; mov.b128 {%d8,%d9}, %q2; st.global.v2.u64 [%d0+32], {%d8,%d9}; ret;\n}\n", 1);
    EQUAL(z[0], 0x3f800000), EQUAL(z[1], 0x40000000), EQUAL(z[16], 0x40000000), EQUAL(z[17], 0x40800000);
    EQUAL(z[20], 0x3c000000), EQUAL(z[21], 0x40003c00);
    EQUAL(z[4], 1), EQUAL(z[6], 2), EQUAL(z[24], 0), EQUAL(z[8], 1), EQUAL(z[10], 2), EQUAL(z[32], 1);

    /* Whoever waits when a phase completes goes on, also when the first of them begins the barrier anew before the others look again. */
    OK(HEAD ".shared .align 8 .b64 again_;\nsetp.ne.u32 %p0, %r0, 0; @%p0 bra ready; mbarrier.init.shared.b64 [again_], 96; ready: bar.sync 0; mov.u32 %r5, 0; mbarrier.arrive.shared.b64 %d5, [again_];\n"
            "wait: mbarrier.try_wait.shared.b64 %p1, [again_], %d5; add.u32 %r5, %r5, 1; setp.lt.and.u32 %p2, %r5, 10000, !%p1; @%p2 bra wait;\n"
            "@%p0 bra done; mbarrier.init.shared.b64 [again_], 96; done: mul.wide.u32 %d6, %r0, 4; add.u64 %d6, %d0, %d6; selp.u32 %r6, 1, 0, %p1; st.global.u32 [%d6], %r6; ret;\n}\n", 96);
    for (uint32_t i = 0; i < 96; i++) EQUAL(z[i], 1);

    /* 128 bits from a number, which keeps its sign, and from an address */
    OK(HEAD ".shared .align 8 .b64 spare[4];\nmov.b128 %q0, 41; mov.b128 {%d5,%d6}, %q0; mov.b128 %q1, -2; mov.b128 {%d7,%d8}, %q1; mov.b128 %q2, spare; mov.b128 {%d9,%d10}, %q2; mov.u64 %d11, spare; sub.u64 %d9, %d9, %d11;\n"
            "st.global.v2.u64 [%d0], {%d5,%d6}; st.global.v2.u64 [%d0+16], {%d7,%d8}; st.global.v2.u64 [%d0+32], {%d9,%d10}; ret;\n}\n", 1);
    EQUAL(z[0], 41), EQUAL(z[2] | z[3], 0), EQUAL(z[4], 0xfffffffe), EQUAL(z[7], 0xffffffff), EQUAL(z[8] | z[9] | z[10] | z[11], 0);

    /* An address in 32 bits without a space: of shared memory to what knows no other, zeros added to it elsewhere. */
    OK(HEAD ".shared .align 8 .b64 spare[4];\nmov.u32 %r5, spare; mbarrier.init.shared.b64 [%r5], 1; mbarrier.init.shared.b64 [%r5+8], 2; cp.async.mbarrier.arrive.noinc.b64 [%r5]; mbarrier.test_wait.parity.shared.b64 %p1, [%r5], 0; selp.u32 %r6, 1, 0, %p1;\n"
            "mbarrier.expect_tx.relaxed.cta.shared.b64 [%r5+8], 8; mbarrier.arrive.shared.b64 _, [%r5+8]; mbarrier.arrive.shared.b64 _, [%r5+8]; mov.u64 %d5, 77; add.u32 %r7, %r5, 16; add.u32 %r8, %r5, 8; st.async.weak.mbarrier::complete_tx::bytes.b64 [%r7], %d5, [%r8]; mbarrier.test_wait.parity.shared.b64 %p2, [%r8], 0; selp.u32 %r9, 1, 0, %p2; ld.shared.u32 %r10, [%r7];\n"
            "st.global.v2.u32 [%d0], {%r6,%r9}; st.global.u32 [%d0+8], %r10; ret;\n}\n", 1);
    EQUAL(z[0], 1), EQUAL(z[1], 1), EQUAL(z[2], 77);
    EQUAL(run(HEAD "mov.u32 %r5, 64; ld.u32 %r6, [%r5]; st.global.u32 [%d0], %r6; ret;\n}\n", 1, &fault), PTX_FAULT_ADDRESS);

    /* special registers that read as zero, whole vectors of them, policies */
    OK(HEAD ".reg .v4 .u32 %v;\nmov.u32 %r1, %envreg31; mov.u32 %r2, %pm7; mov.u64 %d5, %pm0_64; mov.u64 %d6, %current_graph_exec; mov.v4.u32 %v, %ntid; mov.u32 %r3, %v.x; mov.u32 %r4, %v.w; createpolicy.fractional.L2::evict_last.b64 %d7, 0.5;\n"
            "ld.global.L2::cache_hint.u32 %r5, [%d1+4], %d7; st.global.v4.u32 [%d0], {%r1,%r2,%r3,%r4}; st.global.u32 [%d0+16], %r5; ret;\n}\n", 32);
    EQUAL(z[2], 32), EQUAL(z[0] | z[1] | z[3], 0), EQUAL(z[4], 3);
    /* the stack with 32-bit sizes; every policy is as good as any */
    OK(HEAD "stacksave.u32 %r5; alloca.u32 %r6, 256, 32; st.local.u32 [%r6], 77; ld.local.u32 %r7, [%r6]; stackrestore.u32 %r5; alloca.u32 %r8, 256, 32; sub.u32 %r9, %r6, %r8; st.global.v2.u32 [%d0], {%r7,%r9}; ret;\n}\n", 1);
    EQUAL(z[0], 77), EQUAL(z[1], 0);
    static const char *const first[] = {"evict_last", "evict_normal", "evict_first", "evict_unchanged"}, *const second[] = {"", ".L2::evict_first", ".L2::evict_unchanged"}, *const space[] = {"", ".global"};
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 3; b++)
            for (int c = 0; c < 2; c++) {
                char text[2048];
                snprintf(text, sizeof text, "%screatepolicy.fractional.L2::%s%s.b64 %%d5, 0.5; createpolicy.range%s.L2::%s%s.b64 %%d6, [%%d1], 256, 512; createpolicy.cvt.L2.b64 %%d7, %%d5;\nld.global.L2::cache_hint.u32 %%r5, [%%d1+4], %%d6; st.global.u32 [%%d0], %%r5; ret;\n}\n",
                         HEAD, first[a], second[b], space[c], first[a], second[b]);
                OK(text, 1);
                EQUAL(z[0], 3);
            }
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
