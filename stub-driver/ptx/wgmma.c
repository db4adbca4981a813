/*
 * wgmma: matrix products of a warpgroup (four warps), with B and perhaps A in shared memory, as their descriptors say. Each warp has
 * 16 rows of D and of A, and computes them when it comes to the instruction: fences and groups have no effect, and programs leave shared
 * memory alone until their group is complete. Numbers are as for mma (matrix.c).
 *
 * A descriptor: bits 0-13 the address, 16-29 the leading and 32-45 the stride byte offset, all in units of 16 bytes; 49-51 the base
 * offset; 62-63 the swizzle (0 none, 1 of 128 bytes, 2 of 64, 3 of 32). In units of 16 bytes matrices lie so, by Swizzle's width W in such
 * units (1 without):
 *   K first:  rows ((8, n), 2 chunks of k) at ((W, stride), 1); without swizzling the second chunk is `leading` away
 *   MN first: ((W, n), (8, k / 8)) at ((1, leading), (W, stride)); without swizzling stride and leading change places
 * and the bits 4-6 of an address are exchanged by its bits 7-9.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "element.h"
#include "ops.h"
#include "warp.h"

enum { MOST_N = 256, MOST_K = 256 /* single bits */, ROWS = 16 /* of a warp */ };

struct wgmma {
    enum element a_type, b_type, d_type;
    u16 n, k;
    bool a_shared, transposed[2], negated[2], satfinite;
    int32_t a[4], b;   /* rows of A's registers, or of its descriptor in a[0]; of B's descriptor */
    int32_t scale;     /* predicate's row: whether D is added to */
    int32_t d[128];
    u8 d_count;
};

static u64 constant_of(struct decoder *d, const struct operand *o, u64 low, u64 high) {
    if (o->kind != OPERAND_INT || (o->integer != low && o->integer != high)) refuse(d, PTX_INVALID, "a constant is needed, %lld or %lld", (long long)low, (long long)high);
    return o->integer;
}

void decode_wgmma(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct wgmma *g = arena_alloc(&d->loader->arena, sizeof *g);
    unsigned n = 0, k = 0;
    enum element types[3] = {E_NONE, E_NONE, E_NONE};
    for (u32 i = 0, count = 0; i < o->count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%.*s", (int)(o->words[i].length < 15 ? o->words[i].length : 15), o->words[i].text);
        if (sscanf(text, "m64n%uk%u", &n, &k) == 2) continue;
        const enum element type = element_named(o->words[i].text, o->words[i].length);
        if (type && count < 3) types[count++] = type;
    }
    g->n = (u16)n;
    g->k = (u16)k;
    g->d_type = types[0];
    g->a_type = types[1];
    g->b_type = types[2];
    g->satfinite = opcode_has(o, "satfinite");
    const bool integers = g->d_type == E_S32, halves = g->a_type == E_F16 || g->a_type == E_BF16;
    if (d->s->operand_count < 4) refuse(d, PTX_INVALID, "an operand is missing");
    g->a_shared = operands[1].kind != OPERAND_VECTOR;
    const u32 count = 4u + (integers ? 0 : 2) + (halves ? g->a_shared ? 2 : 1 : 0);
    operand_count(d, count, count);
    g->d_count = (u8)(g->d_type == E_F16 ? g->n / 4 : g->n / 2);
    if ((operands[0].kind == OPERAND_VECTOR ? operands[0].count : 1) != g->d_count || operands[0].kind != OPERAND_VECTOR) refuse(d, PTX_INVALID, "D has %u registers", g->d_count);
    if (!g->a_shared && operands[1].count != 4) refuse(d, PTX_INVALID, "A has 4 registers");
    for (u32 i = 0; i < (g->a_shared ? 1u : 4u); i++) g->a[i] = source(d, g->a_shared ? &operands[1] : &operands[1].parts[i], g->a_shared ? T_B64 : T_B32, false);
    g->b = source(d, &operands[2], T_B64, false);
    g->scale = source(d, &operands[3], T_PRED, false);
    u32 at = 4;
    for (u32 i = 0; i < 2 && !integers; i++) g->negated[i] = constant_of(d, &operands[at++], 1, (u64)-1) != 1;
    if (halves && g->a_shared) g->transposed[0] = constant_of(d, &operands[at++], 0, 1);
    if (halves) g->transposed[1] = constant_of(d, &operands[at++], 0, 1);
    for (u32 i = 0; i < g->d_count; i++) g->d[i] = destination(d, &operands[0].parts[i], g->d_type == E_F32 ? T_F32 : T_B32, false);
    emit(d, handler(d, integers ? "wgmma.integer" : "wgmma.float"))->more = g;
}

/* Rows (of A or of B's columns) from `first` on, each of k elements: their bits, 32 bytes a row. False: the fault is recorded. */
static bool read_matrix(struct warp *w, const struct insn *in, u64 descriptor, bool transposed, u32 first, u32 count, unsigned char (*rows)[32]) {
    static const u8 widths[] = {1, 8, 4, 2};
    const u32 start = (u32)(descriptor & 0x3fff) << 4, leading = (u32)(descriptor >> 16 & 0x3fff) << 4, stride = (u32)(descriptor >> 32 & 0x3fff) << 4, swizzle = (u32)(descriptor >> 62), width = widths[swizzle];
    if (descriptor >> 49 & 7) return warp_fault(w, in, PTX_FAULT_TRAP, 0, descriptor, "a matrix descriptor with a base offset is not implemented:") != NULL;
    const u32 outer = transposed ? 16 : count, inner = transposed ? count / 8 : 2; /* lines of chunks: of k, or of rows */
    for (u32 line = 0; line < outer; line++)
        for (u32 chunk = 0; chunk < inner; chunk++) {
            u32 offset;
            if (!transposed) {
                const u32 number = first + line;
                offset = number % 8 * width * 16 + number / 8 * stride + (swizzle ? chunk * 16 : chunk * leading);
            } else {
                const u32 number = first / 8 + chunk;
                offset = number % width * 16 + number / width * (swizzle ? leading : stride) + line % 8 * width * 16 + line / 8 * (swizzle ? stride : leading);
            }
            u32 address = start + offset;
            address ^= (address >> 7 & (width - 1)) << 4;
            const unsigned char *p = shared_at(w->block, address, 16);
            if (!p) return warp_fault(w, in, PTX_FAULT_ADDRESS, 0, address, "shared-memory read of a matrix") != NULL;
            if (!transposed) memcpy(rows[line] + 16 * chunk, p, 16);
            else
                for (u32 j = 0; j < 8; j++) memcpy(rows[8 * chunk + j] + 2 * line, p + 2 * j, 2);
        }
    return true;
}

static u32 element_at(const unsigned char *row, enum element type, u32 k) {
    const u32 bits = elements[type].bits;
    u32 value = 0;
    if (bits < 8) return row[k * bits / 8] >> (k * bits % 8) & ((1u << bits) - 1);
    memcpy(&value, row + k * bits / 8, bits / 8);
    return value;
}

/* The warp's 16 rows of A. */
static bool read_a(struct warp *w, const struct insn *in, unsigned char (*rows)[32]) {
    const struct wgmma *g = in->more;
    const u32 lead = (u32)__builtin_ctz(w->mask);
    if (g->a_shared) return read_matrix(w, in, ((const u64 *)row(w, g->a[0]))[lead], g->transposed[0], w->index % 4 * ROWS, ROWS, rows);
    for (u32 r = 0; r < 4; r++) /* registers as those of mma: row lane / 4 and 8 below, 4 bytes from 4 (lane % 4) and 16 on */
        for (u32 lane = 0; lane < LANES; lane++) memcpy(rows[lane / 4 + (r & 1 ? 8 : 0)] + lane % 4 * 4 + (r & 2 ? 16 : 0), &((const u32 *)row(w, g->a[r]))[lane], 4);
    return true;
}

static const struct insn *run_wgmma_float(struct warp *w, const struct insn *in) {
    const struct wgmma *g = in->more;
    unsigned char a_bits[ROWS][32], b_bits[MOST_N][32];
    double a[ROWS][32], b[32][MOST_N];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST * (1 + g->n / 16);
    const u32 lead = (u32)__builtin_ctz(w->mask);
    if (!read_a(w, in, a_bits) || !read_matrix(w, in, ((const u64 *)row(w, g->b))[lead], g->transposed[1], 0, g->n, b_bits)) return NULL;
    for (u32 r = 0; r < ROWS; r++)
        for (u32 k = 0; k < g->k; k++) a[r][k] = value_of(g->a_type, element_at(a_bits[r], g->a_type, k)) * (g->negated[0] != g->negated[1] ? -1 : 1);
    for (u32 n = 0; n < g->n; n++)
        for (u32 k = 0; k < g->k; k++) b[k][n] = value_of(g->b_type, element_at(b_bits[n], g->b_type, k));
    const u32 added = predicate(w, g->scale);
    for (u32 r = 0; r < ROWS; r++) {
        double sum[MOST_N] = {0};
        for (u32 k = 0; k < g->k; k++)
            for (u32 n = 0; n < g->n; n++) sum[n] += a[r][k] * b[k][n];
        for (u32 n = 0; n < g->n; n++) { /* element n of row r: two columns of eight a lane, rows 8 apart in the same lane */
            const u32 lane = r % 8 * 4 + n % 8 / 2, i = n / 8 * 4 + (r >= 8 ? 2 : 0) + n % 2;
            if (!(w->mask >> lane & 1)) continue;
            if (g->d_type == E_F16) {
                u32 *d = out(w, g->d[i / 2]), shift = 16 * (i % 2), old = d[lane] >> shift & 0xffff;
                const double value = sum[n] + (added >> lane & 1 ? half_to_float(old) : 0);
                d[lane] = (d[lane] & ~(0xffffu << shift)) | half_from(value, 0) << shift;
            } else {
                float *d = out(w, g->d[i]);
                const float value = (float)(sum[n] + (added >> lane & 1 ? d[lane] : 0));
                ((u32 *)(void *)d)[lane] = value != value ? 0x7fffffff : f32_bits(value);
            }
        }
    }
    return in + 1;
}

static const struct insn *run_wgmma_integer(struct warp *w, const struct insn *in) {
    const struct wgmma *g = in->more;
    unsigned char a[ROWS][32], b[MOST_N][32];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST * (1 + g->n / 16);
    const u32 lead = (u32)__builtin_ctz(w->mask), added = predicate(w, g->scale);
    if (!read_a(w, in, a) || !read_matrix(w, in, ((const u64 *)row(w, g->b))[lead], false, 0, g->n, b)) return NULL;
    for (u32 r = 0; r < ROWS; r++)
        for (u32 n = 0; n < g->n; n++) {
            const u32 lane = r % 8 * 4 + n % 8 / 2, i = n / 8 * 4 + (r >= 8 ? 2 : 0) + n % 2;
            if (!(w->mask >> lane & 1)) continue;
            u32 *d = out(w, g->d[i]);
            s64 sum = added >> lane & 1 ? (s32)d[lane] : 0;
            for (u32 k = 0; k < 32; k++)
                sum += g->a_type == E_B1 ? __builtin_popcount(a[r][k] & b[n][k]) : (s64)integer_of(g->a_type, a[r][k]) * integer_of(g->b_type, b[n][k]);
            d[lane] = (u32)(g->satfinite ? (sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (s32)sum) : (s32)(u32)(u64)sum);
        }
    return in + 1;
}

const struct ops_entry ops_wgmma[] = {{"wgmma.float", run_wgmma_float}, {"wgmma.integer", run_wgmma_integer}, {NULL, NULL}};
