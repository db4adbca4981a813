/* Matrix instructions against plain loops: mma with fragments where the PTX ISA's text places them, wmma from memory to memory,
 * ldmatrix, stmatrix, movmatrix. Values are small integers and halves, so that every sum is exact in every format. */
#include <math.h>

#include "one.h"
#include "ptx/small.h"

static uint32_t seed = 2024;
static uint32_t rnd(void) {
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

/* Rows and columns of element i of lane L: the conditions of the PTX ISA, shape by shape. g: groupID, t: threadID_in_group. */
struct layout {
    const char *shape, *types; /* of A and B */
    int m, n, k, bits;
    int a_count, b_count, c_count;
    void (*a)(int g, int t, int i, int *row, int *col), (*b)(int g, int t, int i, int *row, int *col);
};
#define PLACE(name, r, c) static void name(int g, int t, int i, int *row, int *col) { (void)g; (void)t; (void)i; *row = (r); *col = (c); }
PLACE(c_place, i < 2 ? g : g + 8, t * 2 + (i & 1))
PLACE(a_f64_8, g, t)
PLACE(b_f64_8, t, g)
PLACE(a_8x16, g, t * 4 + i)
PLACE(b_8x16, t * 4 + i, g)
PLACE(a_8x32, g, t * 8 + i)
PLACE(b_8x32, t * 8 + i, g)
PLACE(a_8x128, g, t * 32 + i)
PLACE(b_8x128, t * 32 + i, g)
PLACE(a_16x4, i == 0 ? g : g + 8, t)
PLACE(b_16x4, t, g)
PLACE(a_16x8h, i < 2 ? g : g + 8, t * 2 + (i & 1))
PLACE(b_16x8h, t * 2 + i, g)
PLACE(a_16x8t, i == 0 || i == 2 ? g : g + 8, i < 2 ? t : t + 4)
PLACE(b_16x8t, i == 0 ? t : t + 4, g)
PLACE(a_16x16h, i < 2 || (i >= 4 && i < 6) ? g : g + 8, i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8)
PLACE(b_16x16h, i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, g)
PLACE(a_16x16d, i % 2 == 0 ? g : g + 8, i % 2 == 0 ? i * 2 + t : i * 2 - 2 + t)
PLACE(b_16x16d, t + 4 * i, g)
PLACE(a_16x16b, i < 4 ? g : g + 8, t * 4 + (i & 3))
PLACE(b_16x16b, t * 4 + i, g)
PLACE(a_16x32b, i < 4 || (i >= 8 && i < 12) ? g : g + 8, i < 8 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16)
PLACE(b_16x32b, i < 4 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16, g)
PLACE(a_16x32n, i < 8 ? g : g + 8, t * 8 + (i & 7))
PLACE(b_16x32n, t * 8 + i, g)
PLACE(a_16x64n, i < 8 || (i >= 16 && i < 24) ? g : g + 8, i < 16 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32)
PLACE(b_16x64n, i < 8 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32, g)
PLACE(a_16x128, i < 32 ? g : g + 8, t * 32 + (i & 31))
PLACE(b_16x128, t * 32 + i, g)
PLACE(a_16x256, i < 32 || (i >= 64 && i < 96) ? g : g + 8, i < 64 ? t * 32 + (i & 31) : t * 32 + (i & 31) + 128)
PLACE(b_16x256, i < 32 ? t * 32 + (i & 31) : t * 32 + (i & 31) + 128, g)

static const struct layout layouts[] = {
    {"m8n8k4", "f64", 8, 8, 4, 64, 1, 1, 2, a_f64_8, b_f64_8},
    {"m8n8k16", "s8 u8", 8, 8, 16, 8, 4, 4, 2, a_8x16, b_8x16},
    {"m8n8k32", "s4 u4", 8, 8, 32, 4, 8, 8, 2, a_8x32, b_8x32},
    {"m8n8k128", "b1", 8, 8, 128, 1, 32, 32, 2, a_8x128, b_8x128},
    {"m16n8k4", "tf32", 16, 8, 4, 32, 2, 1, 4, a_16x4, b_16x4},
    {"m16n8k4", "f64", 16, 8, 4, 64, 2, 1, 4, a_16x4, b_16x4},
    {"m16n8k8", "f16 bf16", 16, 8, 8, 16, 4, 2, 4, a_16x8h, b_16x8h},
    {"m16n8k8", "tf32", 16, 8, 8, 32, 4, 2, 4, a_16x8t, b_16x8t},
    {"m16n8k8", "f64", 16, 8, 8, 64, 4, 2, 4, a_16x8t, b_16x8t},
    {"m16n8k16", "f16 bf16", 16, 8, 16, 16, 8, 4, 4, a_16x16h, b_16x16h},
    {"m16n8k16", "f64", 16, 8, 16, 64, 8, 4, 4, a_16x16d, b_16x16d},
    {"m16n8k16", "s8 u8 e4m3 e5m2", 16, 8, 16, 8, 8, 4, 4, a_16x16b, b_16x16b},
    {"m16n8k32", "s8 u8 e4m3 e5m2", 16, 8, 32, 8, 16, 8, 4, a_16x32b, b_16x32b},
    {"m16n8k32", "s4 u4", 16, 8, 32, 4, 16, 8, 4, a_16x32n, b_16x32n},
    {"m16n8k64", "s4 u4", 16, 8, 64, 4, 32, 16, 4, a_16x64n, b_16x64n},
    {"m16n8k128", "b1", 16, 8, 128, 1, 64, 32, 4, a_16x128, b_16x128},
    {"m16n8k256", "b1", 16, 8, 256, 1, 128, 64, 4, a_16x256, b_16x256},
};

static double number_of(const char *type) { /* exact in the type */
    int r = (int)(rnd() % 15) - 7;
    if (type[0] == 'u') return type[1] == '8' ? rnd() % 256 : rnd() % 16;
    if (type[0] == 's' && type[1] == '8') return (int)(rnd() % 256) - 128;
    if (type[0] == 's') return (int)(rnd() % 16) - 8;
    if (type[0] == 'b' && type[1] == '1') return rnd() & 1;
    return type[0] == 'e' ? r / 2 * 0.5 : r * 0.5;
}

static uint64_t bits_of(const char *type, double value) {
    float f = (float)value;
    uint32_t b;
    uint64_t d;
    memcpy(&b, &f, 4);
    memcpy(&d, &value, 8);
    if (!strcmp(type, "f64")) return d;
    if (!strcmp(type, "f32") || !strcmp(type, "tf32")) return b;
    if (!strcmp(type, "bf16")) return b >> 16;
    if (!strcmp(type, "f16")) return half_from(value, 0);
    if (!strcmp(type, "e4m3")) return small_from(SMALL_E4M3, value, -1);
    if (!strcmp(type, "e5m2")) return small_from(SMALL_E5M2, value, -1);
    return (uint32_t)(int32_t)value;
}

static double value_of(const char *type, uint64_t bits) {
    float f;
    double d;
    uint32_t b = (uint32_t)bits;
    memcpy(&f, &b, 4);
    memcpy(&d, &bits, 8);
    return !strcmp(type, "f64") ? d : !strcmp(type, "f32") ? f : !strcmp(type, "f16") ? half_to_float(b & 0xffff) : (double)(int32_t)b;
}

/* A register list, loads of it from [%d<base>] and its text. */
static size_t list(char *to, size_t size, const char *name, int registers) {
    size_t n = (size_t)snprintf(to, size, "{");
    for (int i = 0; i < registers; i++) n += (size_t)snprintf(to + n, size - n, "%s%%%s%d", i ? "," : "", name, i);
    return n + (size_t)snprintf(to + n, size - n, "}");
}

/* Runs `instruction` with fragments of 16 registers a lane in memory: a, b, c in, d out. */
static void run_fragments(const char *instruction, const char *tail, const int registers[4], bool wide, bool wide_c, uint64_t memory[4]) {
    static char text[32768];
    static const char names[4] = {'d', 'a', 'b', 'c'};
    size_t n = (size_t)snprintf(text, sizeof text, ".version 9.0\n.target sm_120a\n.address_size 64\n.visible .entry k(.param .u64 pd, .param .u64 pa, .param .u64 pb, .param .u64 pc) {\n.reg .b32 %%lane; .reg .b64 %%p<4>, %%x;\n");
    for (int i = 0; i < 4; i++) {
        bool w = i == 1 || i == 2 ? wide : wide_c;
        n += (size_t)snprintf(text + n, sizeof text - n, ".reg .%s %%%c<16>;\n", w ? "f64" : "b32", names[i]);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "mov.u32 %%lane, %%tid.x; mul.wide.u32 %%x, %%lane, 128;\n");
    for (int i = 0; i < 4; i++) n += (size_t)snprintf(text + n, sizeof text - n, "ld.param.u64 %%p%d, [p%c]; add.u64 %%p%d, %%p%d, %%x;\n", i, names[i], i, i);
    for (int i = 1; i < 4; i++)
        for (int r = 0; r < registers[i]; r++) n += (size_t)snprintf(text + n, sizeof text - n, "ld.global.b%d %%%c%d, [%%p%d+%d];\n", (i == 3 ? wide_c : wide) ? 64 : 32, names[i], r, i, 8 * r);
    n += (size_t)snprintf(text + n, sizeof text - n, "%s", instruction);
    for (int i = 0; i < 4; i++) {
        char one_name[2] = {names[i], 0};
        n += (size_t)snprintf(text + n, sizeof text - n, "%s", i ? ", " : " ");
        n += list(text + n, sizeof text - n, one_name, registers[i]);
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "%s;\n", tail);
    for (int r = 0; r < registers[0]; r++) n += (size_t)snprintf(text + n, sizeof text - n, "st.global.b%d [%%p0+%d], %%d%d;\n", wide_c ? 64 : 32, 8 * r, r);
    snprintf(text + n, sizeof text - n, "ret;\n}\n");
    struct program p = program_load(text);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &memory[0], &memory[1], &memory[2], &memory[3]);
    program_free(&p);
}

static uint64_t memory[4];
static uint64_t *fragment(int which, int lane) { return (uint64_t *)host_of(memory[which]) + 16 * lane; }

static void put(int which, int lane, int i, int bits, uint64_t value) {
    if (bits >= 32) {
        fragment(which, lane)[i] = value;
        return;
    }
    uint64_t *r = &fragment(which, lane)[i * bits / 32];
    *r |= (value & ((1u << bits) - 1)) << (i * bits % 32);
}

static void one_mma(const struct layout *l, const char *atype, const char *btype, const char *dtype, const char *op, bool satfinite) {
    static double a[16][256], b[256][8], c[16][8];
    char spelling[160];
    bool integers = dtype[0] == 's';
    if (op[0]) snprintf(spelling, sizeof spelling, "mma.sync.aligned.%s.row.col.s32.b1.b1.s32%s.popc", l->shape, op);
    else snprintf(spelling, sizeof spelling, "mma.sync.aligned.%s.row.col%s.%s.%s.%s.%s", l->shape, satfinite ? ".satfinite" : "", dtype, atype, btype, dtype);
    for (int i = 0; i < 4; i++) memset(host_of(memory[i]), 0, 32 * 128);
    for (int i = 0; i < l->m; i++)
        for (int k = 0; k < l->k; k++) a[i][k] = number_of(atype);
    for (int k = 0; k < l->k; k++)
        for (int j = 0; j < l->n; j++) b[k][j] = number_of(btype);
    for (int i = 0; i < l->m; i++)
        for (int j = 0; j < l->n; j++) c[i][j] = satfinite ? (j & 1 ? 2147483647 - (int)(rnd() % 64) : -2147483647 + (int)(rnd() % 64)) : integers ? (int)(rnd() % 2000) - 1000 : number_of("f32");
    int cbits = !strcmp(dtype, "f16") ? 16 : !strcmp(dtype, "f64") ? 64 : 32, row, col;
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < l->a_count; i++) l->a(lane >> 2, lane & 3, i, &row, &col), put(1, lane, i, l->bits, bits_of(atype, a[row][col]));
        for (int i = 0; i < l->b_count; i++) l->b(lane >> 2, lane & 3, i, &row, &col), put(2, lane, i, l->bits, bits_of(btype, b[row][col]));
        for (int i = 0; i < l->c_count; i++) c_place(lane >> 2, lane & 3, i, &row, &col), put(3, lane, i, cbits, bits_of(dtype, c[row][col]));
    }
    int per = l->bits == 64 ? 64 : 32, registers[4] = {l->c_count * cbits / (cbits == 64 ? 64 : 32), l->a_count * l->bits / per, l->b_count * l->bits / per, 0};
    registers[3] = registers[0];
    run_fragments(spelling, "", registers, l->bits == 64, cbits == 64, memory);
    int bad = 0;
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < l->c_count; i++) {
            c_place(lane >> 2, lane & 3, i, &row, &col);
            double sum = c[row][col];
            for (int k = 0; k < l->k; k++) sum += !op[0] ? a[row][k] * b[k][col] : op[1] == 'a' ? (a[row][k] && b[k][col]) : (a[row][k] != b[k][col]);
            if (satfinite) sum = fmax(fmin(sum, 2147483647), -2147483648.0);
            uint64_t got = cbits == 16 ? fragment(0, lane)[i / 2] >> (16 * (i & 1)) : fragment(0, lane)[i];
            bad += value_of(dtype, got) != sum;
        }
    if (bad) printf("%s: %d elements differ\n", spelling, bad), wrong++;
}

/* m8n8k4 of f16: four products, each of eight lanes. */
static void quads(bool a_row, bool b_row, const char *dtype, const char *ctype) {
    static double a[4][8][4], b[4][4][8], c[4][8][8];
    char spelling[120];
    snprintf(spelling, sizeof spelling, "mma.sync.aligned.m8n8k4.%s.%s.%s.f16.f16.%s", a_row ? "row" : "col", b_row ? "row" : "col", dtype, ctype);
    for (int i = 0; i < 4; i++) memset(host_of(memory[i]), 0, 32 * 128);
    for (int q = 0; q < 4; q++)
        for (int i = 0; i < 8; i++)
            for (int j = 0; j < 8; j++) {
                c[q][i][j] = number_of("f16");
                if (j < 4) a[q][i][j] = number_of("f16");
                if (i < 4) b[q][i][j] = number_of("f16");
            }
    int rows[4] = {!strcmp(dtype, "f16") ? 4 : 8, 2, 2, !strcmp(ctype, "f16") ? 4 : 8};
    for (int pass = 0; pass < 2; pass++) {
        int bad = 0;
        for (int lane = 0; lane < 32; lane++) {
            int q = lane / 4 % 4, low = lane < 16;
            for (int i = 0; i < 4 && !pass; i++) {
                int row = a_row ? (low ? lane % 4 : lane % 4 + 4) : (low ? i % 4 : i % 4 + 4), col = a_row ? i : lane % 4;
                put(1, lane, i, 16, half_from(a[q][row][col], 0));
                row = b_row ? lane % 4 : i;
                col = b_row ? (low ? i : i + 4) : (low ? lane % 4 : lane % 4 + 4);
                put(2, lane, i, 16, half_from(b[q][row][col], 0));
            }
            const char *type = pass ? dtype : ctype;
            bool half = !strcmp(type, "f16");
            for (int i = 0; i < 8; i++) {
                int x = (lane & 1) + (i & 2), row = half ? (low ? lane % 4 : lane % 4 + 4) : (low ? x : x + 4), col = half ? i : (i & 4) + (lane & 2) + (i & 1);
                if (!pass) {
                    put(3, lane, i, half ? 16 : 32, bits_of(type, c[q][row][col]));
                    continue;
                }
                double sum = c[q][row][col];
                for (int k = 0; k < 4; k++) sum += a[q][row][k] * b[q][k][col];
                bad += value_of(type, half ? fragment(0, lane)[i / 2] >> (16 * (i & 1)) : fragment(0, lane)[i]) != sum;
            }
        }
        if (!pass) run_fragments(spelling, "", rows, false, false, memory);
        else if (bad) printf("%s: %d elements differ\n", spelling, bad), wrong++;
    }
}

/* wmma: three matrices in memory, with strides, to a fourth. */
static void one_wmma(int m, int n, int k, const char *atype, const char *ctype, bool a_row, bool b_row, bool c_row, int regs_a, int regs_b, int regs_c) {
    static char text[8192];
    static uint64_t pa, pb, pc, pd;
    if (!pa) pa = device_alloc(1 << 16), pb = device_alloc(1 << 16), pc = device_alloc(1 << 16), pd = device_alloc(1 << 16);
    bool wide = !strcmp(atype, "f64"), single = !strcmp(atype, "b1"), implicit = !strcmp(atype, "f16");
    int bits = wide ? 64 : !strcmp(atype, "tf32") ? 32 : atype[strlen(atype) - 1] == '6' ? 16 : atype[1] == '8' ? 8 : single ? 1 : 4;
    int lda = (a_row ? k : m) + (bits < 8 ? 256 : 16), ldb = (b_row ? n : k) + (bits < 8 ? 256 : 16), ldc = (c_row ? n : m) + 8;
    char shape[24], la[200], lb[200], lc[200], ld[200], types[80];
    snprintf(shape, sizeof shape, "m%dn%dk%d", m, n, k);
    list(la, sizeof la, "a", regs_a), list(lb, sizeof lb, "b", regs_b), list(lc, sizeof lc, "c", regs_c), list(ld, sizeof ld, "d", regs_c);
    if (implicit) snprintf(types, sizeof types, "%s.%s", ctype, ctype);
    else snprintf(types, sizeof types, "%s.%s.%s.%s", ctype, atype, atype, ctype);
    const char *rows[2] = {"col", "row"};
    snprintf(text, sizeof text,
             ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 pd, .param .u64 pa, .param .u64 pb, .param .u64 pc) {\n.reg .%s %%a<16>, %%b<16>, %%c<16>, %%d<16>; .reg .b64 %%p<4>;\n"
             "ld.param.u64 %%p0, [pd]; ld.param.u64 %%p1, [pa]; ld.param.u64 %%p2, [pb]; ld.param.u64 %%p3, [pc];\n"
             "wmma.load.a.sync.aligned.%s.%s.%s %s, [%%p1], %d;\nwmma.load.b.sync.aligned.%s.%s.global.%s %s, [%%p2], %d;\nwmma.load.c.sync.aligned.%s.%s.%s %s, [%%p3], %d;\n"
             "wmma.mma%s.sync.aligned.%s.%s.%s.%s %s, %s, %s, %s;\nwmma.store.d.sync.aligned.%s.%s.%s [%%p0], %s, %d;\nret;\n}\n",
             wide ? "f64" : "b32", rows[a_row], shape, atype, la, lda, rows[b_row], shape, atype, lb, ldb, rows[c_row], shape, ctype, lc, ldc, single ? ".xor.popc" : "", rows[a_row], rows[b_row], shape,
             types, ld, la, lb, lc, rows[c_row], shape, ctype, ld, ldc);
    static double a[32][256], b[256][32], c[32][32];
    memset(host_of(pa), 0, 1 << 16), memset(host_of(pb), 0, 1 << 16), memset(host_of(pd), 0, 1 << 16);
    for (int x = 0; x < m; x++)
        for (int y = 0; y < k; y++) {
            a[x][y] = number_of(atype);
            int at = a_row ? x * lda + y : y * lda + x;
            uint64_t v = bits_of(atype, a[x][y]);
            unsigned char *bytes = host_of(pa);
            if (bits < 8) bytes[at * bits / 8] |= (unsigned char)((v & ((1u << bits) - 1)) << (at * bits % 8));
            else memcpy(bytes + at * bits / 8, &v, (size_t)bits / 8);
        }
    for (int x = 0; x < k; x++)
        for (int y = 0; y < n; y++) {
            b[x][y] = number_of(atype);
            int at = b_row ? x * ldb + y : y * ldb + x;
            uint64_t v = bits_of(atype, b[x][y]);
            unsigned char *bytes = host_of(pb);
            if (bits < 8) bytes[at * bits / 8] |= (unsigned char)((v & ((1u << bits) - 1)) << (at * bits % 8));
            else memcpy(bytes + at * bits / 8, &v, (size_t)bits / 8);
        }
    int csize = !strcmp(ctype, "f16") ? 2 : wide ? 8 : 4;
    for (int x = 0; x < m; x++)
        for (int y = 0; y < n; y++) {
            c[x][y] = (int)(rnd() % 100);
            uint64_t v = bits_of(ctype, c[x][y]);
            memcpy((unsigned char *)host_of(pc) + (size_t)csize * (size_t)(c_row ? x * ldc + y : y * ldc + x), &v, (size_t)csize);
        }
    struct program p = program_load(text);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &pd, &pa, &pb, &pc);
    program_free(&p);
    int bad = 0;
    for (int x = 0; x < m; x++)
        for (int y = 0; y < n; y++) {
            uint64_t v = 0;
            memcpy(&v, (unsigned char *)host_of(pd) + (size_t)csize * (size_t)(c_row ? x * ldc + y : y * ldc + x), (size_t)csize);
            double sum = c[x][y];
            for (int i = 0; i < k; i++) sum += single ? a[x][i] != b[i][y] : a[x][i] * b[i][y];
            bad += value_of(ctype, v) != sum;
        }
    if (bad) printf("wmma %s %s %s: %d elements differ\n", shape, atype, ctype, bad), wrong++;
}

static void tiles(void) {
    struct program p = program_load(".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 out) {\n.reg .pred %p<2>; .reg .b32 %r<32>; .reg .b64 %d<8>; .reg .b16 %h<4>;\n.shared .align 16 .b8 s[1024];\n"
                                    "mov.u32 %r0, %tid.x; ld.param.u64 %d0, [out]; mul.wide.u32 %d1, %r0, 64; add.u64 %d0, %d0, %d1;\n"
                                    "mul.lo.u32 %r1, %r0, 8; mov.u32 %r2, s; shl.b32 %r3, %r0, 4; add.u32 %r3, %r2, %r3;\n"
                                    /* 8 halves a lane: number 8 * lane + i */
                                    "mov.u32 %r4, 0;\nloop: add.u32 %r5, %r1, %r4; cvt.u16.u32 %h0, %r5; shl.b32 %r6, %r4, 1; add.u32 %r6, %r6, %r3; st.shared.u16 [%r6], %h0; add.u32 %r4, %r4, 1; setp.lt.u32 %p0, %r4, 8;\n@%p0 bra loop; bar.sync 0;\n"
                                    "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10,%r11,%r12,%r13}, [%r3]; ldmatrix.sync.aligned.m8n8.x2.trans.shared::cta.b16 {%r14,%r15}, [%r3]; ldmatrix.sync.aligned.m8n8.x1.shared.b16 %r16, [%r3+128];\n"
                                    "movmatrix.sync.aligned.m8n8.trans.b16 %r17, %r10;\n"
                                    "bar.sync 0; stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%r3+512], {%r10}; bar.sync 0; ld.shared.v2.u32 {%r18,%r19}, [s+512];\n"
                                    "st.global.v4.u32 [%d0], {%r10,%r11,%r12,%r13}; st.global.v4.u32 [%d0+16], {%r14,%r15,%r16,%r17}; st.global.v2.u32 [%d0+32], {%r18,%r19}; ret;\n}\n");
    uint64_t out = device_alloc(2048);
    LAUNCH(&p, "k", D3(1, 1, 1), D3(32, 1, 1), 0, &out);
    program_free(&p);
    uint32_t *z = host_of(out);
    int bad = 0;
#define PAIR(t, r0, c0, r1, c1) ((uint32_t)(64 * (t) + 8 * (r0) + (c0)) | (uint32_t)(64 * (t) + 8 * (r1) + (c1)) << 16)
    for (int lane = 0; lane < 32; lane++) {
        int r = lane / 4, c = lane % 4 * 2;
        for (int t = 0; t < 4; t++) bad += z[16 * lane + t] != PAIR(t, r, c, r, c + 1);
        for (int t = 0; t < 2; t++) bad += z[16 * lane + 4 + t] != PAIR(t, c, r, c + 1, r);
        bad += z[16 * lane + 6] != PAIR(1, r, c, r, c + 1);
        bad += z[16 * lane + 7] != PAIR(0, c, r, c + 1, r);
        bad += z[16 * lane + 8] != PAIR(0, 0, 0, 1, 0) || z[16 * lane + 9] != PAIR(0, 2, 0, 3, 0);
    }
    if (bad) printf("tiles: %d differ\n", bad), wrong++;
}

int main(void) {
    for (int i = 0; i < 4; i++) memory[i] = device_alloc(32 * 128);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        const struct layout *l = &layouts[i];
        char types[64], *save, *names[4];
        int count = 0;
        snprintf(types, sizeof types, "%s", l->types);
        for (char *at = strtok_r(types, " ", &save); at; at = strtok_r(NULL, " ", &save)) names[count++] = at;
        for (int x = 0; x < count; x++)
            for (int y = 0; y < count; y++) {
                bool integers = names[x][0] == 's' || names[x][0] == 'u', eights = names[x][0] == 'e';
                if (eights != (names[y][0] == 'e') || (names[x][0] != names[y][0] && !integers)) continue;
                if (!strcmp(names[x], "b1")) {
                    one_mma(l, "b1", "b1", "s32", ".xor", false);
                    one_mma(l, "b1", "b1", "s32", ".and", false);
                } else if (integers) {
                    one_mma(l, names[x], names[y], "s32", "", false);
                    one_mma(l, names[x], names[y], "s32", "", true);
                } else if (!strcmp(names[x], "f64")) {
                    one_mma(l, "f64", "f64", "f64", "", false);
                } else {
                    if (strcmp(names[x], names[y]) && !eights) continue;
                    one_mma(l, names[x], names[y], "f32", "", false);
                    if (!strcmp(names[x], "f16") || eights) one_mma(l, names[x], names[y], "f16", "", false);
                }
            }
    }
    for (int i = 0; i < 4; i++) quads(i & 1, i & 2, "f32", "f32"), quads(i & 1, i & 2, "f16", "f16"), quads(i & 1, i & 2, "f32", "f16");
    static const int shapes[3][2] = {{16, 16}, {8, 32}, {32, 8}};
    for (int i = 0; i < 8; i++) {
        bool a = i & 1, b = i & 2, c = i & 4;
        for (int s = 0; s < 3; s++) {
            int m = shapes[s][0], n = shapes[s][1];
            one_wmma(m, n, 16, "f16", "f32", a, b, c, 8, 8, 8);
            one_wmma(m, n, 16, "f16", "f16", a, b, c, 8, 8, 4);
            one_wmma(m, n, 16, "bf16", "f32", a, b, c, m / 4, n / 4, 8);
            one_wmma(m, n, 16, "s8", "s32", a, b, c, m / 8, n / 8, 8);
            one_wmma(m, n, 16, "u8", "s32", a, b, c, m / 8, n / 8, 8);
        }
        one_wmma(16, 16, 8, "tf32", "f32", a, b, c, 4, 4, 8);
        one_wmma(8, 8, 4, "f64", "f64", a, b, c, 1, 1, 2);
        one_wmma(8, 8, 32, "s4", "s32", true, false, c, 1, 1, 2);
        one_wmma(8, 8, 32, "u4", "s32", true, false, c, 1, 1, 2);
        one_wmma(8, 8, 128, "b1", "s32", true, false, c, 1, 1, 2);
    }
    tiles();
    printf("%d wrong\n", wrong);
    return wrong != 0;
}
