/* Indirect calls with constants, results that are not wanted, and prototypes that do not fit. */
#include "one.h"

#define FUNCTIONS ".visible .func (.reg .u32 %r) f(.reg .u32 %a, .reg .f32 %b) { .reg .u32 %c; cvt.rzi.u32.f32 %c, %b; mad.lo.u32 %r, %a, 10, %c; ret; }\n" \
    ".visible .func (.param .b64 r) g(.param .f64 a, .param .s8 b, .param .b64 c) { .reg .f64 %x; .reg .s32 %y; .reg .s64 %z, %w; ld.param.f64 %x, [a]; ld.param.s8 %y, [b]; ld.param.b64 %z, [c]; cvt.rzi.s64.f64 %w, %x; add.s64 %w, %w, %z; cvt.s64.s32 %z, %y; add.s64 %w, %w, %z; st.param.b64 [r], %w; ret; }\n"
#define HEAD ".version 9.0\n.target sm_100a\n.address_size 64\n" FUNCTIONS ".visible .entry k(.param .u64 out) {\n.reg .b32 %r<8>; .reg .b64 %d<8>; .reg .pred %p<4>;\nld.param.u64 %d0, [out]; mov.u64 %d1, f; mov.u64 %d2, g;\n"

static void refused(int line, const char *body, const char *words) {
    static char text[4096], log[1024];
    int length = snprintf(text, sizeof text, "%s%s\nret;\n}\n", HEAD, body);
    struct ptx_module *module = NULL;
    if (ptx_module_load(text, (size_t)length, NULL, &module, log, sizeof log) == PTX_OK || !strstr(log, words)) wrong++, printf("line %d: %s\n", line, log);
    ptx_module_free(module);
}
#define REFUSED(body, words) refused(__LINE__, body, words)

int main(void) {
    struct program p = program_load(HEAD
        "one: .callprototype (.reg .u32 _) _ (.reg .u32 _, .reg .f32 _);\ntwo: .callprototype (.param .b64 _) _ (.param .f64 _, .param .s8 _, .param .b64 _) .noreturn;\nboth: .calltargets f;\n"
        "call (%r1), %d1, (7, 3.5), one; call (_), %d1, (1, 1.0), one; call (%r2), %d1, (2, 0f40800000), both; call.uni (%r3), %d1, (%r1, 2.0), one;\n"
        "{ .param .b64 r0; .param .f64 a; st.param.f64 [a], 0d4024000000000000; call (r0), %d2, (a, -3, 1000), two; ld.param.b64 %d3, [r0]; }\n"
        "st.global.v2.u32 [%d0], {%r1,%r2}; st.global.u32 [%d0+8], %r3; st.global.u64 [%d0+16], %d3; ret;\n}\n");
    uint64_t out = device_alloc(64);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &out);
    const uint32_t *z = host_of(out);
    if (z[0] != 73 || z[1] != 24 || z[2] != 732 || z[4] != 1007) wrong++, printf("%u %u %u %u\n", z[0], z[1], z[2], z[4]);
    program_free(&p);
    REFUSED("call (%r1), %d1, (7, 3.5);", ".callprototype");
    REFUSED("one: .callprototype (.reg .u32 _) _ (.reg .u32 _, .reg .f32 _);\ncall (%r1), %d1, (7), one;", "takes 2");
    REFUSED("one: .callprototype (.reg .u32 _) _ (.reg .u32 _, .reg .f32 _);\ncall (%r1), %d1, (7, 5), one;", "an integer where");
    REFUSED("one: .callprototype (.reg .u32 _) _ (.reg .u32 _, .reg .f32 _);\ncall (%r1), %d1, (%d2, 5.0), one;", "8 bytes");
    REFUSED("one: .callprototype (.reg .u64 _) _ (.reg .u32 _, .reg .f32 _);\ncall (%r1), %d1, (%r2, 5.0), one;", "result 0");
    REFUSED("L: call (%r1), %d1, (%r2, 5.0), L;", "too many operands");
    /* ptxas takes parameters of functions of any size that fits in local memory; of kernels, 64 KiB here. */
    p = program_load(".version 9.0\n.target sm_80\n.address_size 64\n.func (.param .b32 r) last(.param .align 4 .b8 p[200000]) { .reg .b32 %x; ld.param.u32 %x, [p+199996]; st.param.b32 [r], %x; ret; }\n"
        ".visible .entry k(.param .u64 out) {\n.reg .b32 %r<4>; .reg .b64 %d<4>; .param .align 4 .b8 p[200000]; .param .b32 r; ld.param.u64 %d0, [out]; mov.u32 %r1, %tid.x; st.param.b32 [p+199996], %r1; call (r), last, (p); ld.param.b32 %r2, [r];\n"
        "mul.wide.u32 %d1, %r1, 4; add.u64 %d1, %d1, %d0; st.global.u32 [%d1], %r2; ret; }\n");
    LAUNCH(&p, "k", D3(1, 1, 1), D3(8, 1, 1), 0, &out);
    for (uint32_t i = 0; i < 8; i++)
        if (z[i] != i) wrong++, printf("lane %u: %u\n", i, z[i]);
    program_free(&p);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
