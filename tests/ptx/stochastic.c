/* cvt.rs against integer arithmetic on the float's own bits: where the result is a normal number, the random bits are added just
 * below the last place that is kept, and the rest is cut off. Then the ends of the ranges, by hand. */
#include "one.h"

static const struct {
    const char *type;
    int ebits, mbits, count, bits, random; /* bits: of a value in the result */
    uint32_t greatest, infinity, nan;
} formats[] = {
    {"f16x2", 5, 10, 2, 16, 13, 0x7bff, 0x7c00, 0x7fff}, {"bf16x2", 8, 7, 2, 16, 16, 0x7f7f, 0x7f80, 0x7fff}, {"e4m3x4", 4, 3, 4, 8, 16, 0x7e, 0x7e, 0x7f},
    {"e5m2x4", 5, 2, 4, 8, 16, 0x7b, 0x7b, 0x7f},        {"e2m3x4", 2, 3, 4, 8, 16, 0x1f, 0x1f, 0x1f},        {"e3m2x4", 3, 2, 4, 8, 16, 0x1f, 0x1f, 0x1f},
    {"e2m1x4", 2, 1, 4, 4, 16, 7, 7, 7},
};

static uint64_t state = 88172645463325252u;
static uint32_t next_random(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (uint32_t)(state >> 16);
}

/* The random bits of value i, lowest at bit 0. */
static uint32_t bits_of(int f, uint32_t r, int i) {
    if (f == 0) return (i ? r : r >> 16) & 0x1fff;
    if (f == 6) return i < 2 ? (r >> 24 << 8) | (r >> 8 & 0xff) : (r >> 16 & 0xff) << 8 | (r & 0xff);
    return i < formats[f].count / 2 ? r >> 16 : r & 0xffff;
}

static uint32_t expected_of(int f, uint32_t x, uint32_t random) {
    const int dropped = 23 - formats[f].mbits, bias = (1 << (formats[f].ebits - 1)) - 1;
    uint32_t magnitude = x & 0x7fffffff, sign = x >> 31 << (formats[f].ebits + formats[f].mbits);
    magnitude -= (uint32_t)(127 - bias) << 23;
    magnitude = (uint32_t)((magnitude + ((uint64_t)random << (dropped - formats[f].random))) >> dropped);
    return sign | (magnitude > formats[f].greatest ? formats[f].infinity : magnitude);
}

int main(void) {
    for (int f = 0; f < 7; f++) {
        char text[2048], instruction[200];
        snprintf(instruction, sizeof instruction, formats[f].count == 2 ? "cvt.rs.%s.f32 %%r1, %%r4, %%r5, %%r8;" : "cvt.rs.satfinite.%s.f32 %s, {%%r4,%%r5,%%r6,%%r7}, %%r8;", formats[f].type, f == 6 ? "%h1" : "%r1");
        snprintf(text, sizeof text, ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .b16 %%h<4>; .reg .b32 %%r<16>; .reg .b64 %%d<8>;\nld.param.u64 %%d1, [in]; ld.param.u64 %%d2, [out]; mov.u32 %%r0, %%tid.x; mul.wide.u32 %%d3, %%r0, 20; add.u64 %%d1, %%d1, %%d3; mul.wide.u32 %%d3, %%r0, 4; add.u64 %%d2, %%d2, %%d3;\n"
                 "ld.global.u32 %%r4, [%%d1]; ld.global.u32 %%r5, [%%d1+4]; ld.global.u32 %%r6, [%%d1+8]; ld.global.u32 %%r7, [%%d1+12]; ld.global.u32 %%r8, [%%d1+16];\n%s\n%s st.global.u32 [%%d2], %%r1; ret;\n}\n", instruction, f == 6 ? "cvt.u32.u16 %r1, %h1;" : "");
        struct program p = program_load(text);
        uint64_t in = device_alloc(1024 * 20), out = device_alloc(4096);
        uint32_t *x = host_of(in), *z = host_of(out);
        const int bias = (1 << (formats[f].ebits - 1)) - 1, span = f == 1 ? 100 : 2 * bias;
        for (int i = 0; i < 1024; i++)
            for (int k = 0; k < 5; k++) {
                uint32_t r = next_random();
                x[5 * i + k] = k == 4 ? r : (r & 0x807fffff) | (uint32_t)(127 - bias + 1 + (int)(next_random() % (uint32_t)span)) << 23;
            }
        LAUNCH(&p, "k", D3(1, 1, 1), D3(1024, 1, 1), 0, &in, &out);
        for (int i = 0; i < 1024; i++)
            for (int k = 0; k < formats[f].count; k++) {
                const int shift = (formats[f].count - 1 - k) * formats[f].bits;
                const uint32_t got = z[i] >> shift & ((1u << formats[f].bits) - 1), want = expected_of(f, x[5 * i + k], bits_of(f, x[5 * i + 4], k));
                if (got != want && wrong++ < 20) printf("%s: value %d of %08x with %08x: %x, expected %x\n", formats[f].type, k, x[5 * i + k], x[5 * i + 4], got, want);
            }
        program_free(&p);
    }
    ONE("mov.b32 %r5, 0x7f800000; cvt.rs.f16x2.f32 %r0, %r1, %r5, %r2;", 0x7fc00000, 0, 0, 0x7fff7c00);
    ONE("cvt.rs.satfinite.bf16x2.f32 %r0, %r1, %r3, %r2;", 0xff800000, 0xffffffff, 0x7f7fffff, 0xff7f7f7f);
    ONE("cvt.rs.bf16x2.f32 %r0, %r1, %r3, %r2;", 0xff7f0001, 0xffffffff, 0x7f7f0000, 0xff807f7f);
    ONE("cvt.rs.relu.f16x2.f32 %r0, %r1, %r3, %r2;", 0xbf800000, 0, 0x3f800000, 0x00003c00);
    /* below the least normal number of f16: half of the least number there is, up with the upper half of the bits */
    ONE("cvt.rs.f16x2.f32 %r0, %r1, %r3, %r2;", 0x33000000, 0x10000fff, 0x33000000, 0x00010000);
    ONE("cvt.rs.relu.satfinite.e4m3x4.f32 %r0, {%r1, %r1, %r3, %r3}, %r2;", 0xc0000000, 0, 0x7fc00000, 0x00007f7f);
    ONE("cvt.rs.relu.satfinite.e2m1x4.f32 %h0, {%r1, %r3, %r3, %r1}, %r2;", 0xc0000000, 0, 0x40800000, 0x0660);
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
