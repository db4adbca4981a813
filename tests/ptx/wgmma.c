/* Products of a warpgroup against plain loops: each type, A in registers and in shared memory, both majors, every swizzle. Where elements
 * lie in shared memory is said here by tiles: lines of 32, 64 or 128 bytes, whose chunks of 16 bytes are exchanged by the line's number. */
#include "one.h"

static uint32_t seed = 9;
static uint32_t rnd(void) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    return seed;
}

enum { F16, BF16, TF32, E4M3, S8, U8, B1 };
static const int bits_of[] = {16, 16, 32, 8, 8, 8, 1};
static uint32_t encode(int type, int v) {
    static const uint32_t half[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400}, eight[] = {0, 0x38, 0x40, 0x44, 0x48};
    const int a = v < 0 ? -v : v;
    union { float f; uint32_t u; } x = {.f = (float)v};
    switch (type) {
        case F16: return half[a] | (v < 0 ? 0x8000 : 0);
        case BF16: return x.u >> 16;
        case TF32: return x.u;
        case E4M3: return eight[a] | (v < 0 ? 0x80 : 0);
        case B1: return (uint32_t)v & 1;
        default: return (uint32_t)v & 0xff;
    }
}

/* Byte offset of element (line, k) of a matrix whose k is contiguous, or (transposed) whose lines are; `from`: bytes that it begins
 * within the tile's lines. swizzle: as descriptors have it. */
static uint32_t place(int type, int swizzle, bool transposed, uint32_t leading, uint32_t stride, uint32_t from, uint32_t line, uint32_t k) {
    static const uint32_t width[] = {16, 128, 64, 32};
    const uint32_t w = width[swizzle], bits = (uint32_t)bits_of[type];
    uint32_t tile, row, byte;
    if (!transposed) {
        tile = line / 8 * stride, row = line % 8, byte = from + k * bits / 8;
        if (swizzle == 0) tile += byte / 16 * leading, byte %= 16;
    } else {
        const uint32_t x = line * bits / 8;
        tile = swizzle ? x / w * leading + k / 8 * stride : x / 16 * stride + k / 8 * leading;
        row = k % 8, byte = x % w;
    }
    const uint32_t lines_in_128 = 128 / w, turn = row / lines_in_128; /* w of 128: each line another turn; of 32: every four */
    const uint32_t chunk = byte / 16 ^ (swizzle ? turn % (w / 16) : 0);
    return tile + row * w + chunk * 16 + byte % 16;
}

struct form {
    const char *types, *tail; /* constants behind scale-d */
    int type, other, k, d; /* d: 0 f32, 1 f16, 2 s32 */
    bool transposed[2];
};
static const struct form forms[] = {
    {"f32.f16.f16", "1, 1, 0, 0", F16, F16, 16, 0, {0, 0}},   {"f32.f16.f16", "1, 1, 1, 0", F16, F16, 16, 0, {1, 0}}, {"f32.f16.f16", "-1, 1, 0, 1", F16, F16, 16, 0, {0, 1}},
    {"f16.f16.f16", "1, 1, 1, 1", F16, F16, 16, 1, {1, 1}},   {"f32.bf16.bf16", "1, -1, 1, 0", BF16, BF16, 16, 0, {1, 0}}, {"f32.tf32.tf32", "-1, -1", TF32, TF32, 8, 0, {0, 0}},
    {"f32.e4m3.e4m3", "1, 1", E4M3, E4M3, 32, 0, {0, 0}},     {"f16.e4m3.e4m3", "1, 1", E4M3, E4M3, 32, 1, {0, 0}},   {"s32.s8.u8", "", S8, U8, 32, 2, {0, 0}},
    {"satfinite.s32.u8.s8", "", U8, S8, 32, 2, {0, 0}},       {"s32.b1.b1.and.popc", "", B1, B1, 256, 2, {0, 0}},
};

static uint64_t in, out;
enum { B_AT = 65536, SHARED = 196608, REGISTERS = SHARED };

static void product(const struct form *f, int n, int swizzle, bool in_registers, bool accumulate) {
    static int A[64][256], B[256][256];
    static char text[65536];
    unsigned char *x = host_of(in);
    memset(x, 0x5a, SHARED);
    const int most = f->type == B1 ? 2 : 5;
    for (int r = 0; r < 64; r++)
        for (int k = 0; k < f->k; k++) A[r][k] = (int)(rnd() % (uint32_t)most) - (f->type == S8 || f->type < E4M3 ? 2 : 0);
    for (int k = 0; k < f->k; k++)
        for (int c = 0; c < n; c++) B[k][c] = (int)(rnd() % (uint32_t)most) - (f->other == S8 || f->type < E4M3 ? 2 : 0);
    /* lines of 128 bytes have room for four steps of k: take the second */
    const uint32_t from = swizzle == 1 || swizzle == 2 ? 32 : 0, a_leading = swizzle ? 8192 : 2048, a_stride = swizzle ? 1024 : 256, b_leading = swizzle ? 8192 : 16384, b_stride = swizzle ? 1024 : 128;
    for (int pass = 0; pass < 2; pass++) {
        const int type = pass ? f->other : f->type, bits = bits_of[type];
        memset(x + (pass ? B_AT : 0), 0, 65536);
        for (int line = 0; line < (pass ? n : 64); line++)
            for (int k = 0; k < f->k; k++) {
                const uint32_t code = encode(type, pass ? B[k][line] : A[line][k]);
                const uint32_t at = (pass ? B_AT : 0) + place(type, swizzle, f->transposed[pass], pass ? b_leading : a_leading, pass ? b_stride : a_stride, f->transposed[pass] ? 0 : from, (uint32_t)line, (uint32_t)k);
                if (bits == 1) x[at] |= (unsigned char)(code << (k % 8));
                else memcpy(x + at, &code, (size_t)bits / 8);
            }
    }
    for (int thread = 0; thread < 128; thread++) /* A in registers: as mma has it, 16 rows a warp */
        for (int r = 0; r < 4; r++) {
            const int each = bits_of[f->type] == 1 ? 32 : 32 / bits_of[f->type], lane = thread % 32, row = thread / 32 * 16 + lane / 4 + (r & 1 ? 8 : 0);
            uint32_t value = 0;
            for (int j = 0; j < each; j++) value |= encode(f->type, A[row][lane % 4 * each + j + (r >> 1) * 4 * each]) << (j * bits_of[f->type]);
            memcpy(x + REGISTERS + (thread * 4 + r) * 4, &value, 4);
        }
    const int count = f->d == 1 ? n / 4 : n / 2;
    const uint64_t layout = (uint64_t)swizzle << 62, a_descriptor = layout | (uint64_t)(a_stride >> 4) << 32 | (uint64_t)(a_leading >> 4) << 16 | (f->transposed[0] ? 0 : from >> 4),
                   b_descriptor = layout | (uint64_t)(b_stride >> 4) << 32 | (uint64_t)(b_leading >> 4) << 16 | (B_AT >> 4) | (f->transposed[1] ? 0 : from >> 4);
    const char *tail = f->tail;
    char own[32];
    if (in_registers && (f->type == F16 || f->type == BF16)) { /* A's transposition is not there */
        snprintf(own, sizeof own, "%.*s, %c", (int)(strlen(tail) - 6), tail, tail[strlen(tail) - 1]);
        tail = own;
    }
    int at = snprintf(text, sizeof text, ".version 9.0\n.target sm_90a\n.address_size 64\n.shared .align 1024 .b8 all[%d];\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .pred %%p<4>; .reg .b32 %%r<160>; .reg .f32 %%f<160>; .reg .b64 %%d<12>;\nld.param.u64 %%d1, [in]; ld.param.u64 %%d2, [out]; mov.u32 %%r150, %%tid.x; cvt.u64.u32 %%d3, %%r150; shl.b64 %%d3, %%d3, 4; mov.u32 %%r151, 0;\nadd.u64 %%d4, %%d1, %%d3; cvt.u32.u64 %%r152, %%d3; mov.u32 %%r153, all; add.u32 %%r152, %%r152, %%r153;\n"
                      "again: ld.global.v4.u32 {%%r140,%%r141,%%r142,%%r143}, [%%d4]; st.shared.v4.u32 [%%r152], {%%r140,%%r141,%%r142,%%r143}; add.u64 %%d4, %%d4, 2048; add.u32 %%r152, %%r152, 2048; add.u32 %%r151, %%r151, 2048; setp.lt.u32 %%p1, %%r151, %d; @%%p1 bra again; bar.sync 0;\n"
                      "add.u64 %%d5, %%d1, %%d3; ld.global.v4.u32 {%%r140,%%r141,%%r142,%%r143}, [%%d5+%d]; mov.u64 %%d6, 0x%llx; mov.u64 %%d7, 0x%llx; setp.%s.u32 %%p2, 0, 0; shl.b64 %%d8, %%d3, 5; add.u64 %%d8, %%d2, %%d8;\n",
                      SHARED, SHARED, REGISTERS, (unsigned long long)a_descriptor, (unsigned long long)b_descriptor, accumulate ? "eq" : "ne");
    const char class = f->d == 0 ? 'f' : 'r';
    for (int i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, f->d == 0 ? "mov.f32 %%f%d, 0f40400000; " : "mov.u32 %%r%d, %s;", i, f->d == 1 ? "0x42004200" : "3");
    at += snprintf(text + at, sizeof text - (size_t)at, "\nwgmma.fence.sync.aligned;\nwgmma.mma_async.sync.aligned.m64n%dk%d.%s {", n, f->k, f->types);
    for (int i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "%s%%%c%d", i ? "," : "", class, i);
    at += snprintf(text + at, sizeof text - (size_t)at, "}, %s, %%d7, %%p2%s%s;\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n", in_registers ? "{%r140,%r141,%r142,%r143}" : "%d6", *tail ? ", " : "", tail);
    for (int i = 0; i < count; i++) at += snprintf(text + at, sizeof text - (size_t)at, "st.global.b32 [%%d8+%d], %%%c%d; ", 4 * i, class, i);
    snprintf(text + at, sizeof text - (size_t)at, "ret;\n}\n");
    struct program p = program_load(text);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(128, 1, 1), 0, &in, &out);
    program_free(&p);
    const uint32_t *z = host_of(out);
    const int sign = (f->tail[0] == '-') != (strchr(f->tail, ',') && strchr(f->tail, ',')[2] == '-') ? -1 : 1;
    for (int r = 0; r < 64; r++)
        for (int c = 0; c < n; c++) {
            int want = accumulate ? 3 : 0;
            for (int k = 0; k < f->k; k++) want += sign * A[r][k] * B[k][c];
            const int thread = r / 16 * 32 + r % 8 * 4 + c % 8 / 2, i = c / 8 * 4 + (r % 16 >= 8 ? 2 : 0) + c % 2;
            const uint32_t bits = f->d == 1 ? z[thread * 128 + i / 2] >> (16 * (i % 2)) & 0xffff : z[thread * 128 + i];
            float value;
            memcpy(&value, &bits, 4);
            double got = f->d == 0 ? value : (int32_t)bits;
            if (f->d == 1) {
                const int e = (int)(bits >> 10 & 31), m = (int)(bits & 1023) | (e ? 1024 : 0);
                got = (bits & 0x8000 ? -1.0 : 1.0) * m * (e >= 25 ? 1 << (e - 25) : 1.0 / (1 << (25 - (e ? e : 1))));
            }
            if (got != want && wrong++ < 20) printf("%s n %d, swizzle %d, %s: row %d, column %d: %g, expected %d\n", f->types, n, swizzle, in_registers ? "A in registers" : "A in memory", r, c, got, want);
        }
}

int main(void) {
    in = device_alloc(SHARED + 4096), out = device_alloc(65536);
    static const int sizes[] = {8, 64, 256, 16, 128};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (int swizzle = 0; swizzle < 4; swizzle++)
            for (int times = 0; times < 3; times++) {
                int n = sizes[(i + (size_t)swizzle + (size_t)times) % 5];
                if (swizzle == 0 && n > 128) n = 128; /* what lies where the strides of this test say so */
                if (times == 1 && forms[i].transposed[0]) continue; /* A in registers lies as it is */
                product(&forms[i], n, swizzle, times == 1, times != 2);
            }
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
