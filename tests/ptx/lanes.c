/* Lanes that meet in one collective from different places: in two branches, in a function that they call one after the other,
 * through a table of functions. Since sm_70 the members of a mask need only execute instructions of the same kind. */
#include "device.h"

static int wrong;

/* Runs `body` on 32 lanes, with %r1 the lane and %d9 where the lane's word is; functions stand before it. */
static void lanes(int line, const char *functions, const char *body, uint32_t expected(uint32_t lane)) {
    static char text[16384];
    snprintf(text, sizeof text,
             ".version 9.0\n.target sm_80\n.address_size 64\n%s\n.visible .entry k(.param .u64 out) {\n.reg .pred %%p<8>; .reg .b32 %%r<32>; .reg .b64 %%d<16>;\n"
             "ld.param.u64 %%d8, [out]; mov.u32 %%r1, %%tid.x; mul.wide.u32 %%d9, %%r1, 4; add.u64 %%d9, %%d9, %%d8;\n%s\nst.global.u32 [%%d9], %%r0;\nret;\n}\n",
             functions, body);
    struct program p = program_load(text);
    uint64_t out = device_alloc(128);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &out);
    const uint32_t *got = host_of(out);
    for (uint32_t i = 0; i < 32; i++)
        if (got[i] != expected(i)) {
            wrong++;
            printf("line %d: lane %u has %x, not %x\n", line, i, got[i], expected(i));
            break;
        }
    program_free(&p);
}
#define LANES(functions, body, expected) lanes(__LINE__, functions, body, expected)

static uint32_t third_lanes(uint32_t lane) { (void)lane; return 0x49249249; }
static uint32_t neighbour(uint32_t lane) { return 100 + (lane ^ 1); }
static uint32_t all_of(uint32_t lane) { (void)lane; return 31 * 32 / 2; }
static uint32_t both(uint32_t lane) { return lane % 2 ? 0xaaaaaaaa : 0x55555555; }
static uint32_t same_group(uint32_t lane) { return 0x11111111u << lane % 4; }
static uint32_t halves(uint32_t lane) { return lane < 16 ? 120 : 376; }
static uint32_t once(uint32_t lane) { (void)lane; return 16 << 8 | 1; }
static uint32_t one(uint32_t lane) { return lane + 1; }
static uint32_t product(uint32_t lane) { return 16 * 2 + 64 + lane * 7 + (lane % 2) * 1000 + 5; }

/* Barriers with a number of threads, in blocks whose second warp is not full and comes in parts: whole warps count. Each thread stores
 * its number in shared memory before, and reads the thread's that many places away after. */
static void barriers(int line, const char *body, uint32_t threads, uint32_t expected(uint32_t thread)) {
    static char text[8192];
    snprintf(text, sizeof text,
             ".version 9.0\n.target sm_80\n.address_size 64\n.shared .b32 s[96];\n.visible .entry k(.param .u64 out) {\n.reg .pred %%p<8>; .reg .b32 %%r<32>; .reg .b64 %%d<16>;\n"
             "ld.param.u64 %%d8, [out]; mov.u32 %%r1, %%tid.x; mul.wide.u32 %%d9, %%r1, 4; add.u64 %%d9, %%d9, %%d8; mov.u32 %%r9, s; shl.b32 %%r10, %%r1, 2; add.u32 %%r9, %%r9, %%r10; add.u32 %%r11, %%r1, 1000; st.shared.u32 [%%r9], %%r11; mov.u32 %%r0, 0;\n"
             "and.b32 %%r2, %%r1, 1; setp.eq.u32 %%p1, %%r2, 0; setp.lt.u32 %%p2, %%r1, 32;\n%s\nst.global.u32 [%%d9], %%r0;\nret;\n}\n", body);
    struct program p = program_load(text);
    uint64_t out = device_alloc(4 * 96);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(threads, 1, 1), 0, &out);
    const uint32_t *got = host_of(out);
    for (uint32_t i = 0; i < threads; i++)
        if (got[i] != expected(i)) {
            wrong++;
            printf("line %d: thread %u has %u, not %u\n", line, i, got[i], expected(i));
            break;
        }
    program_free(&p);
}
static uint32_t opposite(uint32_t thread) { return 1000 + 47 - thread; }
static uint32_t opposite_of_even(uint32_t thread) { return thread >= 32 && thread % 2 ? 0 : 1000 + 47 - thread; }
static uint32_t first_reads(uint32_t thread) { return thread < 32 ? 1000 + 47 - thread : 0; }
static uint32_t votes_of_all(uint32_t thread) { (void)thread; return 24; }
#define OPPOSITE "mov.u32 %r12, 47; sub.u32 %r12, %r12, %r1; shl.b32 %r12, %r12, 2; mov.u32 %r13, s; add.u32 %r12, %r12, %r13; ld.shared.u32 %r0, [%r12];\n"

int main(void) {
    /* 48 threads in two warps: each half of each warp from a branch of its own, twice. */
    barriers(__LINE__, "@%p1 bra EVEN;\nbarrier.sync 1, 64;\nbra BOTH;\nEVEN: barrier.sync 1, 64;\nBOTH: " OPPOSITE "@%p1 bra EVEN2;\nbarrier.sync 1, 64;\nbra DONE;\nEVEN2: barrier.sync 1, 64;\nDONE:", 48, opposite);
    /* The second warp's odd threads leave instead, before or after the others come. */
    barriers(__LINE__, "@%p2 bra STAY;\n@!%p1 exit;\nSTAY: barrier.sync 1, 64;\n" OPPOSITE, 48, opposite_of_even);
    barriers(__LINE__, "@%p2 bra STAY;\n@%p1 bra STAY;\nnanosleep.u32 100; exit;\nSTAY: barrier.sync 1, 64;\n" OPPOSITE, 48, opposite_of_even);
    /* The second warp arrives in parts and does not wait; then once more as a whole. */
    barriers(__LINE__, "@%p2 bra WAIT;\n@%p1 bra EVEN;\nbarrier.arrive 2, 64;\nbra DONE;\nEVEN: barrier.arrive 2, 64;\nbra DONE;\nWAIT: barrier.sync 2, 64;\n" OPPOSITE "DONE:", 48, first_reads);
    /* Votes are those of threads that are there. */
    barriers(__LINE__, "@%p1 bra EVEN;\nbarrier.red.popc.u32 %r0, 3, 64, %p1;\nbra DONE;\nEVEN: barrier.red.popc.u32 %r0, 3, 64, %p1;\nDONE:", 48, votes_of_all);
    static const char branches[] = "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 0; rem.u32 %r3, %r1, 3; setp.eq.u32 %p2, %r3, 0; add.u32 %r4, %r1, 100;\n@%p1 bra EVEN;\n";
    char body[2048];
    /* The same kind in two branches: a compiler may copy what follows both into each. */
    snprintf(body, sizeof body, "%svote.sync.ballot.b32 %%r0, %%p2, 0xffffffff;\nbra DONE;\nEVEN:\nadd.u32 %%r5, %%r4, 0;\nvote.sync.ballot.b32 %%r6, %%p2, 0xffffffff;\nmov.u32 %%r0, %%r6;\nDONE:", branches);
    LANES("", body, third_lanes);
    snprintf(body, sizeof body, "%sshfl.sync.bfly.b32 %%r0, %%r4, 1, 31, 0xffffffff;\nbra DONE;\nEVEN:\nmov.u32 %%r7, %%r4;\nshfl.sync.bfly.b32 %%r0|%%p3, %%r7, 1, 31, 0xffffffff;\nDONE:", branches);
    LANES("", body, neighbour);
    snprintf(body, sizeof body, "%sredux.sync.add.u32 %%r0, %%r1, 0xffffffff;\nbra DONE;\nEVEN:\nmov.u32 %%r7, %%r1;\nredux.sync.add.u32 %%r0, %%r7, 0xffffffff;\nDONE:", branches);
    LANES("", body, all_of);
    snprintf(body, sizeof body, "%sand.b32 %%r2, %%r1, 3; match.any.sync.b32 %%r0, %%r2, 0xffffffff;\nbra DONE;\nEVEN:\nand.b32 %%r8, %%r1, 3; cvt.u64.u32 %%d1, %%r8; match.any.sync.b32 %%r0, %%r8, 0xffffffff;\nDONE:", branches);
    LANES("", body, same_group);
    /* 64 bits, and a predicate of its own. */
    snprintf(body, sizeof body, "%sand.b32 %%r2, %%r1, 1; cvt.u64.u32 %%d1, %%r2; shl.b64 %%d1, %%d1, 40; match.any.sync.b64 %%r0, %%d1, 0xffffffff;\nbra DONE;\nEVEN:\nmov.u64 %%d2, 0; match.any.sync.b64 %%r0, %%d2, 0xffffffff;\nDONE:", branches);
    LANES("", body, both);
    snprintf(body, sizeof body, "%svote.sync.all.pred %%p4, %%p1, 0xffffffff; selp.u32 %%r0, 0, 1, %%p4; add.u32 %%r0, %%r0, %%r1;\nbra DONE;\nEVEN:\nnot.pred %%p5, %%p1; not.pred %%p5, %%p5; vote.sync.all.pred %%p6, %%p5, 0xffffffff; selp.u32 %%r0, 0, 1, %%p6; add.u32 %%r0, %%r0, %%r1;\nDONE:", branches);
    LANES("", body, one);
    /* One function, called from two places, and through a table: every caller has a frame of its own. */
    static const char sum[] =
        ".func (.param .b32 r) sum(.param .b32 v) {\n.reg .b32 %a<4>; ld.param.u32 %a1, [v]; redux.sync.add.u32 %a2, %a1, 0xffffffff; st.param.b32 [r], %a2; ret;\n}\n"
        ".func (.param .b32 r) other(.param .b32 v) {\n.reg .b32 %a<4>; ld.param.u32 %a1, [v]; add.u32 %a3, %a1, 0; redux.sync.add.u32 %a2, %a3, 0xffffffff; st.param.b32 [r], %a2; ret;\n}\n"
        ".global .u64 table[2] = {sum, other};\n";
#define CALL "{ .param .b32 v; .param .b32 r; st.param.b32 [v], %%r1; call (r), sum, (v); ld.param.b32 %%r0, [r]; }"
    snprintf(body, sizeof body, "%s" CALL "\nbra DONE;\nEVEN:\n" CALL "\nDONE:", branches);
    LANES(sum, body, all_of);
    snprintf(body, sizeof body, "P: .callprototype (.param .b32 _) _ (.param .b32 _);\nand.b32 %%r2, %%r1, 1; mul.wide.u32 %%d1, %%r2, 8; mov.u64 %%d2, table; add.u64 %%d1, %%d1, %%d2; ld.global.u64 %%d3, [%%d1];\n"
             "{ .param .b32 v; .param .b32 r; st.param.b32 [v], %%r1; call (r), %%d3, (v), P; ld.param.b32 %%r0, [r]; }");
    LANES(sum, body, all_of);
    /* Two groups side by side, each in two branches, of which one is there before the other. */
    snprintf(body, sizeof body, "setp.lt.u32 %%p3, %%r1, 16; selp.u32 %%r9, 0x0000ffff, 0xffff0000, %%p3;\n%sredux.sync.add.u32 %%r0, %%r1, %%r9;\nbra DONE;\nEVEN:\nmov.u32 %%r7, %%r1;\nredux.sync.add.u32 %%r0, %%r7, %%r9;\nDONE:", branches);
    LANES("", body, halves);
    /* Some wait for all while others meet among themselves first, from two branches. */
    static const char nested[] = "and.b32 %r2, %r1, 1; setp.eq.u32 %p1, %r2, 0; setp.ge.u32 %p3, %r1, 16;\n@%p3 bra UPPER;\nredux.sync.add.u32 %r0, %r1, 0xffffffff;\nbra DONE;\n"
                                 "UPPER: @%p1 bra EVEN;\nredux.sync.add.u32 %r5, %r1, 0xffff0000;\nbra ALL;\nEVEN:\nredux.sync.add.u32 %r5, %r1, 0xffff0000;\nALL:\nsub.u32 %r6, %r5, 376; add.u32 %r6, %r6, %r1;\nredux.sync.add.u32 %r0, %r6, 0xffffffff;\nDONE:";
    snprintf(body, sizeof body, "%s", nested);
    LANES("", body, all_of);
    /* One instruction, lanes with masks that overlap: a lane's partners are those that name the same. */
    snprintf(body, sizeof body, "mov.u32 %%r9, 0xffffffff; mov.u32 %%r7, 0; mov.u32 %%r8, 0; setp.ge.u32 %%p3, %%r1, 16; @%%p3 mov.u32 %%r9, 0xffff0000;\n"
             "L: redux.sync.add.u32 %%r0, %%r1, %%r9;\nsetp.eq.u32 %%p4, %%r9, 0xffff0000;\n@!%%p4 bra DONE;\nmov.u32 %%r9, 0xffffffff;\nbra L;\nDONE:");
    LANES("", body, all_of);
    /* Guarded: the lanes that the guard keeps out go by. */
    snprintf(body, sizeof body, "mov.u32 %%r0, 0x55555555;\nsetp.lt.u32 %%p3, %%r1, 16;\n%s@%%p3 vote.sync.ballot.b32 %%r0, %%p3, 0x0000ffff;\n@%%p3 mov.u32 %%r0, 0xaaaaaaaa; @!%%p3 mov.u32 %%r0, 0xaaaaaaaa;\nbra DONE;\nEVEN:\n@%%p3 vote.sync.ballot.b32 %%r6, %%p3, 0x0000ffff;\nDONE:", branches);
    LANES("", body, both);
    /* Lanes that sleep or wait at an mbarrier give way to the other lanes of their warp too: two of a semaphore's places for 32 lanes, and a
     * lane whose arrival stands behind the loop that the others wait in. A lane that was never let by has nothing added. */
    LANES(".shared .align 4 .b32 places;",
          "setp.ne.u32 %p1, %r1, 0; mov.u32 %r2, 2; mov.u32 %r9, 0; @!%p1 st.shared.u32 [places], %r2; bar.sync 0;\n"
          "AGAIN: add.u32 %r9, %r9, 1; setp.gt.u32 %p5, %r9, 20000; @%p5 bra GIVEN_UP; ld.relaxed.cta.shared.u32 %r3, [places]; setp.ne.u32 %p2, %r3, 0; @%p2 bra TRY;\nnanosleep.u32 100; bra AGAIN;\n"
          "TRY: sub.u32 %r4, %r3, 1; atom.acquire.cta.shared.cas.b32 %r5, [places], %r3, %r4; setp.ne.u32 %p3, %r5, %r3; @%p3 bra AGAIN;\natom.release.cta.shared.add.u32 %r6, [places], 1;\n"
          "GIVEN_UP: selp.u32 %r7, 0, 1, %p5; add.u32 %r0, %r1, %r7;", one);
    LANES(".shared .align 8 .b64 bar;",
          "setp.ne.u32 %p1, %r1, 0; mov.u32 %r9, 0; @!%p1 mbarrier.init.shared.b64 [bar], 1; bar.sync 0; @!%p1 bra ARRIVE;\n"
          "AGAIN: add.u32 %r9, %r9, 1; setp.gt.u32 %p5, %r9, 20000; @%p5 bra DONE; mbarrier.try_wait.parity.shared.b64 %p2, [bar], 0; @!%p2 bra AGAIN;\nbra DONE;\n"
          "ARRIVE: setp.ne.u32 %p5, %r1, %r1; mov.u32 %r2, %r1; mbarrier.arrive.shared.b64 _, [bar];\nDONE: selp.u32 %r7, 0, 1, %p5; add.u32 %r0, %r1, %r7;", one);
    /* Lanes of one frame, of which some meet at once and others wait for lanes in another: those that wait do nothing meanwhile, and their frame stays. */
    static const char meet[] = ".func (.param .b32 r) meet(.param .b32 m) {\n.reg .b32 %a<4>; ld.param.u32 %a1, [m]; mov.u32 %a2, 1; redux.sync.add.u32 %a3, %a2, %a1; st.param.b32 [r], %a3; ret;\n}\n";
#define MEET "{ .param .b32 m; .param .b32 r; st.param.b32 [m], %%r9; call (r), meet, (m); ld.param.b32 %%r5, [r]; } add.u32 %%r3, %%r3, 1;"
    snprintf(body, sizeof body, "setp.lt.u32 %%p3, %%r1, 16; selp.u32 %%r9, 0x0000ffff, 0xffff0000, %%p3; mov.u32 %%r3, 0; setp.ge.u32 %%p4, %%r1, 24;\n@%%p4 bra UPPER;\n" MEET
             "\nbra DONE;\nUPPER: " MEET "\nDONE: mad.lo.u32 %%r0, %%r5, 256, %%r3;");
    LANES(meet, body, once);
    /* A matrix product needs its whole warp. Lanes that come to it in a function that they call one after the other, from one place, go on
     * together from there: registers of each kind, local memory and the caller's own are each lane's as before. */
    static const char multiply[] =
        ".func (.param .b32 r) multiply(.param .b32 v) {\n.reg .b32 %a<8>; .reg .b64 %e<4>; .reg .pred %q<4>; .local .align 4 .b32 kept;\n"
        "ld.param.u32 %a1, [v]; mul.wide.u32 %e1, %a1, 7; and.b32 %a2, %a1, 1; setp.ne.u32 %q1, %a2, 0; st.local.u32 [kept], 5; mov.u32 %a3, 0x01010101; mov.u32 %a4, 0x02020202; mov.u32 %a5, 64; mov.u32 %a6, 0;\n"
        "mma.sync.aligned.m8n8k16.row.col.s32.s8.u8.s32 {%a5, %a6}, {%a3}, {%a4}, {%a5, %a6};\n"
        "cvt.u32.u64 %a2, %e1; add.u32 %a5, %a5, %a2; @%q1 add.u32 %a5, %a5, 1000; ld.local.u32 %a2, [kept]; add.u32 %a5, %a5, %a2; st.param.b32 [r], %a5; ret;\n}\n"
        ".func (.param .b32 r) outer(.param .b32 v) {\n.reg .b32 %a<4>; .reg .b64 %e<2>; ld.param.u32 %a1, [v]; cvt.u64.u32 %e1, %a1; shl.b64 %e1, %e1, 33;\n"
        "{ .param .b32 u; .param .b32 s; st.param.b32 [u], %a1; call (s), multiply, (u); ld.param.b32 %a2, [s]; }\n"
        "shr.b64 %e1, %e1, 33; cvt.u32.u64 %a3, %e1; sub.u32 %a3, %a3, %a1; add.u32 %a2, %a2, %a3; st.param.b32 [r], %a2; ret;\n}\n";
    for (int deep = 0; deep < 2; deep++) {
        snprintf(body, sizeof body, "mov.u32 %%r2, %%r1; setp.lt.u32 %%p1, %%r1, 11;\n@%%p1 bra LATER;\nNOW: { .param .b32 v; .param .b32 r; st.param.b32 [v], %%r2; call (r), %s, (v); ld.param.b32 %%r0, [r]; }\nbra DONE;\nLATER: mov.u32 %%r2, %%tid.x; bra NOW;\nDONE:", deep ? "outer" : "multiply");
        LANES(multiply, body, product);
    }
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    free(device.printed);
    return wrong != 0;
}
