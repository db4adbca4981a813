/*
 * One program, one answer, whatever the number of workers. Blocks that share nothing but what they add up as integers; within a
 * block, floats are added atomically by several warps, in an order that is always the same.
 */
#include "device.h"

static const char text[] =
    ".version 7.0\n.target sm_80\n.address_size 64\n.shared .align 4 .f32 sum;\n.shared .align 4 .f32 parts[32];\n"
    ".visible .entry k(.param .u64 floats, .param .u64 out, .param .u64 total) {\n.reg .pred %p<4>; .reg .b32 %r<16>; .reg .f32 %f<8>; .reg .b64 %d<16>;\n"
    "ld.param.u64 %d1, [floats]; ld.param.u64 %d2, [out]; ld.param.u64 %d3, [total];\n"
    "mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mad.lo.u32 %r4, %r2, %r3, %r1;\n"
    "mul.wide.u32 %d4, %r4, 4; add.u64 %d5, %d1, %d4; ld.global.f32 %f1, [%d5];\n"
    "setp.eq.u32 %p1, %r1, 0; mov.u64 %d6, sum; mov.u64 %d7, parts;\n@%p1 st.shared.f32 [%d6], 0f00000000;\nbar.sync 0;\n"
    /* the lanes go as many rounds as their value says: warps diverge and take turns */
    "and.b32 %r5, %r4, 7;\nLOOP: atom.shared.add.f32 %f2, [%d6], %f1;\nmul.f32 %f1, %f1, 0f3f7d70a4;\nsub.u32 %r5, %r5, 1; setp.gt.s32 %p2, %r5, 0;\n@%p2 bra LOOP;\n"
    "bar.sync 0;\nld.shared.f32 %f3, [%d6]; add.u64 %d8, %d2, %d4; st.global.f32 [%d8], %f3;\n"
    "cvt.rzi.s32.f32 %r6, %f1; red.global.add.s32 [%d3], %r6; red.global.xor.b32 [%d3+4], %r4; atom.global.max.s32 %r7, [%d3+8], %r6;\nret;\n}\n";

enum { BLOCKS = 61, THREADS = 160 };

int main(void) {
    struct program p = program_load(text);
    uint64_t floats = device_alloc(BLOCKS * THREADS * 4), out = device_alloc(BLOCKS * THREADS * 4), total = device_alloc(12);
    static uint32_t first[BLOCKS * THREADS], first_total[3];
    for (int i = 0; i < BLOCKS * THREADS; i++) ((float *)host_of(floats))[i] = (float)(i * 7919 % 10007) / 3.0f + 1e-3f * (float)(i % 13);
    for (int round = 0; round < 6; round++) {
        static const unsigned workers[6] = {1, 2, 4, 1, 7, 2};
        device_workers = workers[round];
        memset(host_of(out), 0, BLOCKS * THREADS * 4);
        memset(host_of(total), 0, 12);
        LAUNCH(&p, "k", D3(BLOCKS, 1, 1), D3(THREADS, 1, 1), 0, &floats, &out, &total);
        if (round == 0) {
            memcpy(first, host_of(out), sizeof first);
            memcpy(first_total, host_of(total), sizeof first_total);
            if (!first[0] || !first_total[0] || !first_total[2]) die("nothing was computed");
        } else if (memcmp(first, host_of(out), sizeof first) != 0 || memcmp(first_total, host_of(total), sizeof first_total) != 0) {
            die("%u workers give another answer than 1", workers[round]);
        }
    }
    program_free(&p);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    return 0;
}
