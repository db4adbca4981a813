/* Sparse matrix products and products with block scales, against plain loops over the whole matrices. What a lane holds of A, and whose
 * register has the metadata of a row and chunk, is laid out here shape by shape as the PTX ISA's text and figures have it. Then tiles of
 * bytes between shared memory and registers. */
#include "one.h"

static uint32_t seed = 77;
static uint32_t rnd(void) {
    seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
    return seed;
}

enum { F16, BF16, TF32, S8, U4, E4M3, E2M1 /* in a byte */, FP4 /* packed */ };
static const int bits_of[] = {16, 16, 32, 8, 4, 8, 8, 4};
static uint32_t encode(int type, int v) { /* small integers, exact in each */
    static const uint32_t half[] = {0, 0x3c00, 0x4000, 0x4200, 0x4400}, eight[] = {0, 0x38, 0x40, 0x44, 0x48}, four[] = {0, 2, 4, 5, 6};
    int a = v < 0 ? -v : v;
    union { float f; uint32_t u; } x = {.f = (float)v};
    switch (type) {
        case F16: return half[a] | (v < 0 ? 0x8000 : 0);
        case BF16: return x.u >> 16;
        case TF32: return x.u;
        case S8: return (uint32_t)v & 0xff;
        case U4: return (uint32_t)v & 0xf;
        case E4M3: return eight[a] | (v < 0 ? 0x80 : 0);
        case E2M1: return (four[a] | (v < 0 ? 8 : 0)) << 2;
        default: return four[a] | (v < 0 ? 8 : 0);
    }
}

struct shape {
    const char *words, *rest; /* of the opcode; after the shape */
    int k, type, registers[2] /* of A and B */, chunk /* columns in one */, selectors, half /* f16 results */, scales, nvidia;
};
static const struct shape shapes[] = {
    {"m16n8k16", "f32.f16.f16.f32", 16, F16, {2, 2}, 4, 4, 0, 0, 0},   {"m16n8k32", "f32.f16.f16.f32", 32, F16, {4, 4}, 4, 2, 0, 0, 0},
    {"m16n8k32", "f16.f16.f16.f16", 32, F16, {4, 4}, 4, 2, 1, 0, 0},   {"m16n8k16", "f32.bf16.bf16.f32", 16, BF16, {2, 2}, 4, 4, 0, 0, 0},
    {"m16n8k32", "f32.bf16.bf16.f32", 32, BF16, {4, 4}, 4, 2, 0, 0, 0}, {"m16n8k8", "f32.tf32.tf32.f32", 8, TF32, {2, 2}, 2, 4, 0, 0, 0},
    {"m16n8k16", "f32.tf32.tf32.f32", 16, TF32, {4, 4}, 2, 2, 0, 0, 0}, {"m16n8k32", "s32.s8.s8.s32", 32, S8, {2, 2}, 4, 2, 0, 0, 0},
    {"m16n8k64", "s32.s8.s8.s32", 64, S8, {4, 4}, 4, 1, 0, 0, 0},      {"m16n8k64", "s32.u4.u4.s32", 64, U4, {2, 2}, 8, 2, 0, 0, 0},
    {"m16n8k128", "s32.u4.u4.s32", 128, U4, {4, 4}, 8, 1, 0, 0, 0},    {"m16n8k64", "f32.e4m3.e4m3.f32", 64, E4M3, {4, 4}, 4, 1, 0, 0, 0},
    {"m16n8k64", "kind::f8f6f4.f32.e2m1.e2m1.f32", 64, E2M1, {4, 4}, 4, 1, 0, 0, 0},
    {"m16n8k32", "kind::mxf8f6f4.block_scale.f32.e4m3.e4m3.f32.ue8m0", 32, E4M3, {4, 2}, 0, 1, 0, 1, 0},
    {"m16n8k64", "kind::mxf4.block_scale.scale_vec::2X.f32.e2m1.e2m1.f32.ue8m0", 64, FP4, {4, 2}, 0, 1, 0, 2, 0},
    {"m16n8k64", "kind::mxf4nvf4.block_scale.scale_vec::4X.f32.e2m1.e2m1.f32.ue4m3", 64, FP4, {4, 2}, 0, 1, 0, 4, 1},
};

static uint64_t in, out;

static void product(const struct shape *s, int selector) {
    static int A[16][128], B[128][8], C[16][8];
    static int where[16][32][2]; /* of a chunk: the columns (or pairs) that are stored */
    const int bits = bits_of[s->type], each = 32 / bits, pair = s->chunk == 8, is_signed = s->type != U4;
    uint32_t *x = host_of(in), *y = host_of(out);
    memset(x, 0, 32 * 64);
    for (int r = 0; r < 16; r++)
        for (int k = 0; k < s->k; k++) A[r][k] = s->chunk ? 0 : (int)(rnd() % 9) - 4;
    for (int k = 0; k < s->k; k++)
        for (int n = 0; n < 8; n++) B[k][n] = is_signed ? (int)(rnd() % 7) - 3 : (int)(rnd() % 8);
    for (int r = 0; r < 16; r++)
        for (int n = 0; n < 8; n++) C[r][n] = (int)(rnd() % 100);
    uint32_t metadata[32], scale_a[32], scale_b[32];
    for (int i = 0; i < 32; i++) metadata[i] = rnd(), scale_a[i] = scale_b[i] = 0;
    for (int r = 0; s->chunk && r < 16; r++)
        for (int c = 0; c < s->k / s->chunk; c++) {
            int first = (int)(rnd() % 3), second = first + 1 + (int)(rnd() % (3 - (uint32_t)first)), lane, shift;
            if (s->chunk == 2) first = second = (int)(rnd() % 2);
            where[r][c][0] = first, where[r][c][1] = second;
            for (int i = 0; i < (s->chunk == 2 ? 1 : 2); i++)
                for (int j = 0; j < 1 + pair; j++) A[r][c * s->chunk + where[r][c][i] * (1 + pair) + j] = is_signed ? (int)(rnd() % 8) - 4 : (int)(rnd() % 8);
            const int g = r % 8, lower = r / 8;
            if (bits >= 16) { /* halves of words, 4 chunks each */
                lane = s->selectors == 4 ? 4 * g + selector : 4 * g + 2 * selector + c / 4;
                shift = 16 * lower + 4 * (c % 4);
            } else { /* words, 8 chunks each */
                lane = s->selectors == 2 ? 4 * g + 2 * selector + lower : 4 * g + 2 * (c / 8) + lower;
                shift = 4 * (c % 8);
            }
            const uint32_t code = s->chunk == 2 ? (first ? 0xe : 0x4) : (uint32_t)(first | second << 2);
            metadata[lane] = (metadata[lane] & ~(0xfu << shift)) | code << shift;
        }
    for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        for (int r = 0; r < s->registers[0]; r++)
            for (int j = 0; j < each; j++) { /* as a dense A of the columns that are stored */
                const int row_ = g + (r & 1 ? 8 : 0), column = t * each + j + (r >> 1) * 4 * each;
                int v;
                if (!s->chunk) v = A[row_][column];
                else if (s->chunk == 2) v = A[row_][2 * column + where[row_][column][0]];
                else if (!pair) v = A[row_][4 * (column / 2) + where[row_][column / 2][column % 2]];
                else v = A[row_][8 * (column / 4) + 2 * where[row_][column / 4][column / 2 % 2] + column % 2];
                x[lane * 16 + r] |= encode(s->type, v) << (j * bits);
            }
        for (int r = 0; r < s->registers[1]; r++)
            for (int j = 0; j < each; j++) x[lane * 16 + 4 + r] |= encode(s->type, B[t * each + j + r * 4 * each][g]) << (j * bits);
        for (int i = 0; i < 4; i++) {
            const int v = C[i < 2 ? g : g + 8][t * 2 + (i & 1)];
            float f = (float)v;
            if (s->half) continue; /* C is 0 */
            if (s->rest[0] == 's') x[lane * 16 + 8 + i] = (uint32_t)v;
            else memcpy(&x[lane * 16 + 8 + i], &f, 4);
        }
        x[lane * 16 + 12] = metadata[lane];
    }
    double scale[2][16][4];
    const int byte = s->scales == 1 ? 3 : s->scales == 2 ? 2 : 0, thread_a = 1, thread_b = 2;
    for (int i = 0; i < 2 && s->scales; i++)
        for (int r = 0; r < (i ? 8 : 16); r++)
            for (int p = 0; p < s->scales; p++) {
                const int e = (int)(rnd() % 5) - 2, lane = i ? 4 * r + thread_b : 4 * (r % 8) + 2 * thread_a + r / 8;
                scale[i][r][p] = e < 0 ? 1.0 / (1 << -e) : 1 << e;
                (i ? scale_b : scale_a)[lane] |= (uint32_t)(s->nvidia ? (e + 7) << 3 : e + 127) << (8 * (byte + p));
            }
    for (int lane = 0; lane < 32; lane++) x[lane * 16 + 13] = scale_a[lane], x[lane * 16 + 14] = scale_b[lane];
    char text[4096], tail[200] = "";
    if (s->chunk) snprintf(tail, sizeof tail, ", %%r12, %d", selector);
    if (s->scales) snprintf(tail, sizeof tail, ", %%r13, {%d, %d}, %%r14, {%%h1, %%h2}", byte, thread_a);
    snprintf(text, sizeof text, ".version 9.0\n.target sm_120a\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .b16 %%h<4>; .reg .b32 %%r<20>; .reg .b64 %%d<8>;\nld.param.u64 %%d1, [in]; ld.param.u64 %%d2, [out]; mov.u32 %%r16, %%tid.x; mul.wide.u32 %%d3, %%r16, 64; add.u64 %%d1, %%d1, %%d3; mul.wide.u32 %%d3, %%r16, 16; add.u64 %%d2, %%d2, %%d3; mov.u16 %%h1, %d; mov.u16 %%h2, %d;\n"
             "ld.global.v4.u32 {%%r0,%%r1,%%r2,%%r3}, [%%d1]; ld.global.v4.u32 {%%r4,%%r5,%%r6,%%r7}, [%%d1+16]; ld.global.v4.u32 {%%r8,%%r9,%%r10,%%r11}, [%%d1+32]; ld.global.v4.u32 {%%r12,%%r13,%%r14,%%r15}, [%%d1+48];\n"
             "mma%s.sync.aligned.%s.row.col.%s %s, %s, %s, %s%s;\nst.global.v4.u32 [%%d2], {%%r8,%%r9,%%r10,%%r11}; ret;\n}\n", byte, thread_b, s->chunk ? strncmp(s->rest, "kind", 4) == 0 ? ".sp::ordered_metadata" : ".sp" : "", s->words, s->rest,
             s->half ? "{%r8,%r9}" : "{%r8,%r9,%r10,%r11}", s->registers[0] == 2 ? "{%r0,%r1}" : "{%r0,%r1,%r2,%r3}", s->registers[1] == 2 ? "{%r4,%r5}" : "{%r4,%r5,%r6,%r7}", s->half ? "{%r8,%r9}" : "{%r8,%r9,%r10,%r11}", tail);
    struct program p = program_load(text);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &in, &out);
    program_free(&p);
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            const int r = i < 2 ? lane / 4 : lane / 4 + 8, n = lane % 4 * 2 + (i & 1);
            double want = s->half ? 0 : C[r][n], got;
            for (int k = 0; k < s->k; k++) {
                const int part = s->scales ? k * s->scales / s->k : 0;
                want += (double)A[r][k] * B[k][n] * (s->scales ? scale[0][r][part] * scale[1][n][part] : 1);
            }
            uint32_t bits_ = s->half ? y[lane * 4 + i / 2] >> (16 * (i & 1)) & 0xffff : y[lane * 4 + i];
            float f;
            memcpy(&f, &bits_, 4);
            if (s->half) { /* a whole number below 2048 */
                const int e = (int)(bits_ >> 10 & 31), mantissa = (int)(bits_ & 1023) | (e ? 1024 : 0);
                got = (bits_ & 0x8000 ? -1.0 : 1.0) * mantissa * (e >= 25 ? 1 << (e - 25) : 1.0 / (1 << (25 - (e ? e : 1))));
            } else {
                got = s->rest[0] == 's' ? (double)(int32_t)bits_ : f;
            }
            if (got != want && wrong++ < 20) printf("%s.%s selector %d, row %d, column %d: %g, expected %g\n", s->words, s->rest, selector, r, n, got, want);
        }
}

/* Tiles of bytes: memory holds its own offsets. */
static void tiles(void) {
    struct program p = program_load(".version 9.0\n.target sm_100a\n.address_size 64\n.shared .align 16 .b8 s[1024];\n.visible .entry k(.param .u64 in, .param .u64 out) {\n.reg .b32 %r<20>; .reg .b64 %d<8>;\nld.param.u64 %d1, [in]; ld.param.u64 %d2, [out]; mov.u32 %r16, %tid.x; mul.wide.u32 %d3, %r16, 16; add.u64 %d1, %d1, %d3; mul.wide.u32 %d3, %r16, 128; add.u64 %d2, %d2, %d3;\n"
        "mov.u32 %r17, s; mad.lo.u32 %r17, %r16, 16, %r17; ld.global.v4.u32 {%r0,%r1,%r2,%r3}, [%d1]; st.shared.v4.u32 [%r17], {%r0,%r1,%r2,%r3}; bar.warp.sync -1;\n"
        "ldmatrix.sync.aligned.m16n16.x2.trans.shared.b8 {%r4,%r5,%r6,%r7}, [%r17]; st.global.v4.u32 [%d2], {%r4,%r5,%r6,%r7};\n"
        "ldmatrix.sync.aligned.m8n16.x4.shared::cta.b8x16.b4x16_p64 {%r4,%r5,%r6,%r7}, [%r17]; st.global.v4.u32 [%d2+16], {%r4,%r5,%r6,%r7};\n"
        "ldmatrix.sync.aligned.m8n16.x2.shared.b8x16.b6x16_p32 {%r4,%r5}, [%r17]; st.global.v2.u32 [%d2+32], {%r4,%r5}; ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8x16.b6x16_p32 {%r4,%r5}, [%r17]; st.global.v2.u32 [%d2+40], {%r4,%r5};\n"
        "bar.warp.sync -1; add.u32 %r18, %r17, 512; stmatrix.sync.aligned.m16n8.x4.trans.shared.b8 [%r18], {%r0,%r1,%r2,%r3}; bar.warp.sync -1; ld.shared.v4.u32 {%r4,%r5,%r6,%r7}, [%r18]; st.global.v4.u32 [%d2+48], {%r4,%r5,%r6,%r7}; ret;\n}\n");
    unsigned char *x = host_of(in), *y = host_of(out);
    for (int i = 0; i < 512; i++) x[i] = (unsigned char)(rnd() >> 8);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &in, &out);
    program_free(&p);
    for (int lane = 0; lane < 32; lane++)
        for (int j = 0; j < 16; j++) {
            const int r = lane / 4, c = lane % 4 * 4 + j % 4;
            const unsigned char *z = y + lane * 128;
            int want = x[256 * (j / 8) + 16 * c + r + (j / 4 % 2) * 8]; /* two tiles of 16 rows: register 0 and 1 */
            if (z[j] != want && wrong++ < 20) printf("m16n16: lane %d, byte %d: %x, expected %x\n", lane, j, z[j], want);
            const unsigned char *line = x + 128 * (j / 4) + 16 * r;
            want = line[c / 2] >> (4 * (c % 2)) & 15;
            if (z[16 + j] != want && wrong++ < 20) printf("b4x16: lane %d, byte %d: %x, expected %x\n", lane, j, z[16 + j], want);
            if (j < 8) {
                const int at = 6 * c;
                want = (line[at / 8] | line[at / 8 + 1] << 8) >> (at % 8) & 63;
                if (z[32 + j] != want && wrong++ < 20) printf("b6x16: lane %d, byte %d: %x, expected %x\n", lane, j, z[32 + j], want);
                const int row_ = r + (j / 4) * 8, low = 6 * row_; /* transposed: line c, element row_ */
                want = (x[16 * c + low / 8] | x[16 * c + low / 8 + 1] << 8) >> (low % 8) & 63;
                if (z[40 + j] != want && wrong++ < 20) printf("m16n16.b6x16: lane %d, byte %d: %x, expected %x\n", lane, j, z[40 + j], want);
            }
        }
    for (int tile = 0; tile < 4; tile++) /* stored: line n of a tile is column n; lane l's bytes are rows l / 4 and 8 below */
        for (int n = 0; n < 8; n++)
            for (int r = 0; r < 16; r++) {
                const int lane = r % 8 * 4 + n / 2, want = x[16 * lane + 4 * tile + n % 2 + (r >= 8 ? 2 : 0)], got = y[(8 * tile + n) * 128 + 48 + r];
                if (got != want && wrong++ < 20) printf("stmatrix: tile %d, column %d, row %d: %x, expected %x\n", tile, n, r, got, want);
            }
}

int main(void) {
    in = device_alloc(4096), out = device_alloc(4096);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int selector = 0; selector < shapes[i].selectors; selector++)
            for (int times = 0; times < 3; times++) product(&shapes[i], selector);
    tiles();
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
