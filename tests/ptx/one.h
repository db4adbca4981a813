/* One instruction on one thread: registers in, result out, compared with what the PTX ISA's text gives. */
#ifndef TESTS_PTX_ONE_H
#define TESTS_PTX_ONE_H

#include "device.h"

static int wrong;

/* Runs `text` with %r1..%r4 (or %d1..%d4) set and returns %r0 (or %d0). `declare` may hold variables of the kernel. */
static inline uint64_t one(const char *declare, const char *text, uint64_t a, uint64_t b, uint64_t c, uint64_t e) {
    static char whole[16384];
    snprintf(whole, sizeof whole,
             ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .pred %%p<8>; .reg .b16 %%h<16>; .reg .b32 %%r<32>; .reg .b64 %%d<32>; .reg .b128 %%q<8>;\n%s\n"
             "ld.param.u64 %%d20, [in]; ld.param.u64 %%d21, [out];\nld.global.v2.u64 {%%d1,%%d2}, [%%d20]; ld.global.v2.u64 {%%d3,%%d4}, [%%d20+16];\n"
             "cvt.u32.u64 %%r1, %%d1; cvt.u32.u64 %%r2, %%d2; cvt.u32.u64 %%r3, %%d3; cvt.u32.u64 %%r4, %%d4; cvt.u16.u32 %%h1, %%r1; cvt.u16.u32 %%h2, %%r2; cvt.u16.u32 %%h3, %%r3;\n"
             "mov.u32 %%r0, 0; mov.u64 %%d0, 0; mov.u16 %%h0, 0; setp.ne.u32 %%p1, %%r1, 0; setp.ne.u32 %%p0, %%r1, %%r1;\n%s\nst.global.u32 [%%d21], %%r0; st.global.u64 [%%d21+8], %%d0; st.global.u16 [%%d21+16], %%h0; selp.u32 %%r0, 1, 0, %%p0; st.global.u32 [%%d21+20], %%r0;\nret;\n}\n",
             declare, text);
    struct program p = program_load(whole);
    static uint64_t in, out;
    if (!in) in = device_alloc(32), out = device_alloc(32);
    uint64_t *x = host_of(in);
    x[0] = a, x[1] = b, x[2] = c, x[3] = e;
    memset(host_of(out), 0, 32);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(1, 1, 1), 0, &in, &out);
    program_free(&p);
    unsigned char *y = host_of(out);
    uint64_t d;
    uint32_t r, pred;
    uint16_t h;
    memcpy(&r, y, 4);
    memcpy(&d, y + 8, 8);
    memcpy(&h, y + 16, 2);
    memcpy(&pred, y + 20, 4);
    return d ? d : r ? r : h ? h : pred; /* a test writes one of them */
}

static inline void expect_one(int line, const char *declare, const char *text, uint64_t a, uint64_t b, uint64_t c, uint64_t e, uint64_t expected) {
    uint64_t got = one(declare, text, a, b, c, e);
    if (got == expected) return;
    wrong++;
    printf("line %d: %s of %llx, %llx, %llx, %llx: %llx, expected %llx\n", line, text, (unsigned long long)a, (unsigned long long)b, (unsigned long long)c, (unsigned long long)e,
           (unsigned long long)got, (unsigned long long)expected);
}
#define ONE(text, a, b, c, expected) expect_one(__LINE__, "", text, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, (uint64_t)(expected))
#define ONE4(text, a, b, c, e, expected) expect_one(__LINE__, "", text, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(e), (uint64_t)(expected))
#define ONE_WITH(declare, text, a, b, c, expected) expect_one(__LINE__, declare, text, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), 0, (uint64_t)(expected))

#endif
