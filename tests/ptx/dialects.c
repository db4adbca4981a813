/* Spellings that no document has and ptxas takes, and what compilers before CUDA 4 wrote: suites with handwritten or old PTX count on them. */
#include "one.h"

/* The kernel "k" of a whole text, one thread, with an input and an output; its first result. */
static uint32_t whole(const char *text, uint32_t input) {
    struct program p = program_load(text);
    uint64_t in = device_alloc(8), out = device_alloc(8);
    memcpy(host_of(in), &input, 4);
    memset(host_of(out), 0, 8);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(1, 1, 1), 0, &in, &out);
    uint32_t result;
    memcpy(&result, host_of(out), 4);
    program_free(&p);
    return result;
}

static void expect(int line, const char *text, uint32_t input, uint32_t expected) {
    uint32_t got = whole(text, input);
    if (got == expected) return;
    wrong++;
    printf("line %d: %x, expected %x\n", line, got, expected);
}
#define WHOLE(text, input, expected) expect(__LINE__, text, input, expected)
#define ENTRY ".visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .u64 %i, %o; ld.param.u64 %i, [in]; ld.param.u64 %o, [out];\n"

int main(void) {
    /* modifiers in another order */
    ONE("div.ftz.rn.f32 %r0, %r1, %r2;", 0x40c00000, 0x40000000, 0, 0x40400000);
    ONE("add.f32.rn %r0, %r1, %r2;", 0x3f800000, 0x40000000, 0, 0x40400000);
    ONE("ld.volatile.v2.global.u32 {%r0, %r5}, [%d20];", 7, 0, 0, 7);
    ONE("cvt.u32.f32.rni %r0, %r1;", 0x40200000, 0, 0, 2);
    ONE("set.u32.f32.gt %r0, %r1, %r2;", 0x40000000, 0x3f800000, 0, 0xffffffff);
    ONE("setp.and.lt.s32 %p0, %r1, %r2, %p1;", 1, 2, 0, 1);
    /* a constant added to an operand; a number for 32 bits that is written with 64 */
    ONE("mov.u32 %r0, %r1+5;", 7, 0, 0, 12);
    ONE("add.u64 %d0, %d1+-1, %d2+2;", 10, 20, 0, 31);
    /* subtractions leave the complement of the borrow, which addc adds */
    ONE("sub.cc.u32 %r5, %r1, %r2; addc.u32 %r0, %r3, 0;", 1, 2, 8, 8);
    ONE("sub.cc.u32 %r5, %r1, %r2; addc.u32 %r0, %r3, 0;", 2, 1, 8, 9);
    ONE("add.cc.u32 %r5, %r1, %r2; subc.u32 %r0, %r3, 0;", 1, 2, 8, 7);
    ONE("add.cc.u32 %r5, %r1, 0xffffffffffffffffU; subc.u32 %r0, %r3, 0;", 1, 0, 8, 8);
    ONE("sub.cc.u64 %d5, %d1, %d2; subc.u64 %d0, %d3, 0;", 1, 2, 8, 7);
    /* a float in a register of 64 bits without type */
    ONE("ld.global.f32 %d0, [%d20+8];", 0, 0x4000000040400000, 0, 0x40400000);
    ONE_WITH(".local .f32 l;", "st.local.f32 [l], %d1; ld.local.u32 %r0, [l];", 0x4000000040400000, 0, 0, 0x40400000);
    /* vector registers: ranges of them, as parameters */
    ONE_WITH(".reg .v2 .u32 v<3>;", "mov.v2.u32 v1, {%r1, %r2}; mov.v2.u32 v2, v1; add.u32 %r0, v2.x, v2.y;", 3, 4, 0, 7);
    WHOLE(".version 6.5\n.target sm_60\n.address_size 64\n.func (.reg .v2 .u32 r) twist(.reg .v2 .u32 a) { mov.v2.u32 r, {a.y, a.x}; ret; }\n" ENTRY
          ".reg .v2 .u32 %v; .reg .u32 %x; ld.global.u32 %x, [%i]; mov.v2.u32 %v, {%x, 5}; call (%v), twist, (%v); mul.lo.u32 %x, %v.x, 100; add.u32 %x, %x, %v.y; st.global.u32 [%o], %x; ret; }\n",
          3, 503);
    /* variables declared behind their use; prototypes without an end; products of sm_1x; four coordinates for a line */
    WHOLE(".version 1.4\n.target sm_13\n.func (.reg .u32 r) twice(.reg .u32 a)\n" ENTRY
          ".reg .u32 %x, %y; ld.global.u32 %x, [%i]; call (%x), twice, (%x); ld.const.u32 %y, [table+4]; add.u32 %x, %x, %y; st.shared.u32 [place], %x; ld.shared.u32 %x, [place]; st.global.u32 [%o], %x; exit; }\n"
          ".const .u32 table[2] = {1, 40};\n.shared .u32 place;\n.func (.reg .u32 r) twice(.reg .u32 a) { add.u32 r, a, a; ret; }\n",
          3, 46);
    WHOLE(".version 1.4\n.target sm_10, map_f64_to_f32\n" ENTRY ".reg .f32 %f; ld.global.f32 %f, [%i]; mad.f32 %f, %f, %f, %f; st.global.f32 [%o], %f; exit; }\n", 0x40000000, 0x40c00000);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
