/*
 * Matrix instructions: mma, wmma, ldmatrix, stmatrix, movmatrix. All lanes of the warp take part.
 *
 * Fragments of mma lie as the PTX ISA documents them. Those of wmma are the implementation's own: element i of lane l is the
 * matrix' element number l * count + i (rows first for A, C and D; columns first for B), from the start again where lanes have
 * room for more than the matrix (f16).
 *
 * Numbers: products are exact; products and the addend are summed in double, in the order of k, and rounded once to the
 * result's type. f64 is a chain of fused multiply-adds. Integers are summed exactly, then wrapped or clamped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "matrix.h"
#include "ops.h"
#include "small.h"
#include "warp.h"

enum element { E_NONE, E_F16, E_BF16, E_TF32, E_F32, E_F64, E_S32, E_S8, E_U8, E_S4, E_U4, E_B1, E_E4M3, E_E5M2, E_E3M2, E_E2M3, E_E2M1 };
static const struct {
    const char *name;
    u8 bits; /* in a fragment */
} elements[] = {
    [E_NONE] = {"", 0},     [E_F16] = {"f16", 16},  [E_BF16] = {"bf16", 16}, [E_TF32] = {"tf32", 32}, [E_F32] = {"f32", 32},   [E_F64] = {"f64", 64},
    [E_S32] = {"s32", 32},  [E_S8] = {"s8", 8},     [E_U8] = {"u8", 8},      [E_S4] = {"s4", 4},      [E_U4] = {"u4", 4},      [E_B1] = {"b1", 1},
    [E_E4M3] = {"e4m3", 8}, [E_E5M2] = {"e5m2", 8}, [E_E3M2] = {"e3m2", 8},  [E_E2M3] = {"e2m3", 8},  [E_E2M1] = {"e2m1", 8},
};

enum operand_of { OF_D, OF_A, OF_B, OF_C };
enum placing { PLACE_MMA, PLACE_QUADS /* mma.m8n8k4 of f16 */, PLACE_WMMA };

struct fragment_shape {
    enum element type;
    bool row_major;
    u8 registers;
    int32_t rows[16]; /* of its registers */
};

struct matrix {
    enum placing placing;
    u8 m, n;
    u16 k;
    bool satfinite, is_and;
    struct fragment_shape of[4]; /* by enum operand_of */
    /* loads and stores */
    enum operand_of which;
    enum space space;
    int32_t stride; /* row; -1: none */
};

/* ---- shapes */

static enum element element_named(const char *text, uint32_t length) {
    for (int i = 1; i <= E_E2M1; i++)
        if (strlen(elements[i].name) == length && memcmp(elements[i].name, text, length) == 0) return (enum element)i;
    return E_NONE;
}

static bool shape_of(const struct opcode *o, struct matrix *m) {
    for (uint32_t i = 0; i < o->count; i++) {
        unsigned a, b, c;
        char text[16];
        if (o->words[i].length < 5 || o->words[i].length > 10) continue;
        snprintf(text, sizeof text, "%.*s", (int)o->words[i].length, o->words[i].text);
        if (sscanf(text, "m%un%uk%u", &a, &b, &c) != 3) continue;
        m->m = (u8)a;
        m->n = (u8)b;
        m->k = (u16)c;
        return true;
    }
    return false;
}

/* Elements that lanes have room for, each. */
static unsigned elements_each(const struct matrix *m, enum operand_of which) {
    unsigned size = which == OF_A ? m->m * m->k : which == OF_B ? m->k * m->n : m->m * m->n;
    unsigned each = size / LANES;
    if (m->placing == PLACE_QUADS) return which == OF_A || which == OF_B ? 4 : 8;
    if (m->placing == PLACE_WMMA && m->of[which].type == E_F16 && (which == OF_A || which == OF_B)) return 16;
    return each ? each : 1;
}

static unsigned registers_each(const struct matrix *m, enum operand_of which) {
    unsigned bits = elements_each(m, which) * elements[m->of[which].type].bits;
    return m->of[which].type == E_F64 ? bits / 64 : (bits + 31) / 32;
}

/* Reads shape and types from the words of mma or wmma.mma; wmma.load and store have one fragment. */
static bool describe(const struct opcode *o, struct matrix *m) {
    bool wmma = o->name_length == 4;
    memset(m, 0, sizeof *m);
    if (!shape_of(o, m)) return false;
    enum element types[4] = {E_NONE, E_NONE, E_NONE, E_NONE};
    bool rows[2] = {true, true};
    unsigned count = 0, layouts = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const char *text = o->words[i].text;
        uint32_t length = o->words[i].length;
        enum element type = element_named(text, length);
        if (type && count < 4) types[count++] = type;
        if (length == 3 && (memcmp(text, "row", 3) == 0 || memcmp(text, "col", 3) == 0) && layouts < 2) rows[layouts++] = text[0] == 'r';
    }
    m->satfinite = opcode_has(o, "satfinite");
    m->is_and = opcode_has(o, "and");
    m->placing = wmma ? PLACE_WMMA : PLACE_MMA;
    if (wmma && (opcode_has(o, "load") || opcode_has(o, "store"))) {
        m->which = opcode_has(o, "a") ? OF_A : opcode_has(o, "b") ? OF_B : OF_C;
        m->of[m->which].type = types[0];
        m->of[m->which].row_major = rows[0];
    } else {
        if (count == 2) { /* wmma.mma of f16 names only D and C */
            types[3] = types[1];
            types[1] = types[2] = E_F16;
        }
        for (int i = 0; i < 4; i++) m->of[i].type = types[i];
        m->of[OF_A].row_major = rows[0];
        m->of[OF_B].row_major = rows[1];
        if (!wmma && m->m == 8 && m->k == 4 && types[1] == E_F16) m->placing = PLACE_QUADS;
    }
    for (int i = 0; i < 4; i++)
        if (m->of[i].type) m->of[i].registers = (u8)registers_each(m, (enum operand_of)i);
    return true;
}

unsigned matrix_registers(const struct opcode *opcode, unsigned operand, bool *wide) {
    struct matrix m;
    *wide = false;
    if (opcode->name_length > 4) return opcode_has(opcode, "x4") ? 4 : opcode_has(opcode, "x2") ? 2 : 1;
    if (!describe(opcode, &m)) return 0;
    if (!m.of[OF_D].type) operand = m.which;
    *wide = m.of[operand].type == E_F64;
    return m.of[operand].registers;
}

/* ---- where an element of a fragment is in its matrix */

struct place {
    u8 row, matrix; /* matrix: PLACE_QUADS computes four */
    u16 col;
};

static struct place quads_place(const struct matrix *m, enum operand_of which, u32 lane, u32 i) {
    u8 four = (u8)(lane % 4), upper = lane < 16 ? 0 : 4, matrix = (u8)(lane / 4 % 4);
    const struct fragment_shape *f = &m->of[which];
    if (which == OF_A) return f->row_major ? (struct place){(u8)(four + upper), matrix, (u16)i} : (struct place){(u8)(i + upper), matrix, four};
    if (which == OF_B) return f->row_major ? (struct place){four, matrix, (u16)(i + upper)} : (struct place){(u8)i, matrix, (u16)(four + upper)};
    if (f->type == E_F16) return (struct place){(u8)(four + upper), matrix, (u16)i};
    return (struct place){(u8)((lane & 1) + (i & 2) + upper), matrix, (u16)((i & 4) + (lane & 2) + (i & 1))};
}

static struct place place_of(const struct matrix *m, enum operand_of which, u32 lane, u32 i) {
    if (m->placing == PLACE_QUADS) return quads_place(m, which, lane, i);
    if (m->placing == PLACE_WMMA) {
        u32 rows = which == OF_B ? m->k : m->m, cols = which == OF_A ? m->k : m->n;
        u32 number = (lane * elements_each(m, which) + i) % (rows * cols);
        if (which == OF_B) return (struct place){(u8)(number % rows), 0, (u16)(number / rows)};
        return (struct place){(u8)(number / cols), 0, (u16)(number % cols)};
    }
    u32 group = lane >> 2, four = lane & 3;
    if (which == OF_C || which == OF_D) return (struct place){(u8)(group + (i & 2 ? 8 : 0)), 0, (u16)(four * 2 + (i & 1))};
    u32 bits = elements[m->of[which].type].bits, each = bits == 64 ? 1 : 32 / bits, r = i / each, j = i % each;
    if (which == OF_A) {
        bool tall = m->m == 16;
        return (struct place){(u8)(group + (tall && r & 1 ? 8 : 0)), 0, (u16)(four * each + j + (tall ? r >> 1 : r) * 4 * each)};
    }
    return (struct place){(u8)(four * each + j + r * 4 * each), 0, (u16)group};
}

/* ---- decoding */

static void fragment_operand(struct decoder *d, struct matrix *m, enum operand_of which, const struct operand *o, bool is_destination) {
    struct fragment_shape *f = &m->of[which];
    unsigned count = o->kind == OPERAND_VECTOR ? o->count : 1;
    enum ptx_type type = f->type == E_F64 ? T_F64 : f->type == E_F32 ? T_F32 : T_B32;
    if (count != f->registers) refuse(d, PTX_INVALID, "a fragment of %u registers; it has %u", count, f->registers);
    for (unsigned i = 0; i < count; i++) {
        const struct operand *part = o->kind == OPERAND_VECTOR ? &o->parts[i] : o;
        f->rows[i] = is_destination ? destination(d, part, type, false) : source(d, part, type, false);
    }
}

void decode_matrix(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    struct matrix *m = arena_alloc(&d->loader->arena, sizeof *m);
    if (!describe(o, m)) refuse(d, PTX_UNSUPPORTED, "this shape");
    if (!m->of[OF_D].type) { /* wmma.load, wmma.store */
        bool load = opcode_has(o, "load");
        operand_count(d, 2, 3);
        const struct operand *fragment = &d->s->operands[load ? 0 : 1], *where = &d->s->operands[load ? 1 : 0];
        fragment_operand(d, m, m->which, fragment, load);
        struct address a = address_of(d, where);
        m->space = memory_class(d, space_of(d), &a);
        if (m->space != SPACE_GLOBAL && m->space != SPACE_SHARED) refuse(d, PTX_INVALID, "matrices are in global and shared memory");
        m->stride = d->s->operand_count == 3 ? source(d, &d->s->operands[2], T_U32, false) : -1;
        struct insn *i = emit(d, handler(d, load ? "wmma.load" : "wmma.store"));
        i->a = a.base;
        i->imm = a.offset;
        i->flags = a.flags;
        i->more = m;
        return;
    }
    operand_count(d, 4, 4);
    for (int i = 1; i < 4; i++) fragment_operand(d, m, (enum operand_of)i, &d->s->operands[i], false);
    fragment_operand(d, m, OF_D, &d->s->operands[0], true);
    bool integers = m->of[OF_D].type == E_S32;
    emit(d, handler(d, integers ? "mma.integer" : m->of[OF_D].type == E_F64 ? "mma.f64" : "mma.float"))->more = m;
}

/* ldmatrix and stmatrix: b holds the rows of the registers. */
struct tiles {
    unsigned count;
    bool transposed, load;
    enum space space;
    int32_t rows[4];
};

void decode_tiles(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    bool load = o->name[0] == 'l';
    struct tiles *t = arena_alloc(&d->loader->arena, sizeof *t);
    operand_count(d, 2, 2);
    const struct operand *list = &d->s->operands[load ? 0 : 1];
    t->count = opcode_has(o, "x4") ? 4 : opcode_has(o, "x2") ? 2 : 1;
    t->transposed = opcode_has(o, "trans");
    t->load = load;
    unsigned count = list->kind == OPERAND_VECTOR ? list->count : 1;
    if (count != t->count) refuse(d, PTX_INVALID, "%u registers; it has %u", count, t->count);
    for (unsigned i = 0; i < count; i++) {
        const struct operand *part = list->kind == OPERAND_VECTOR ? &list->parts[i] : list;
        t->rows[i] = load ? destination(d, part, T_B32, false) : source(d, part, T_B32, false);
    }
    struct address a = address_of(d, &d->s->operands[load ? 1 : 0]);
    t->space = memory_class(d, space_of(d), &a);
    if (t->space != SPACE_GLOBAL && t->space != SPACE_SHARED) refuse(d, PTX_INVALID, "tiles are in shared memory");
    struct insn *i = emit(d, handler(d, "tiles"));
    i->a = a.base;
    i->imm = a.offset;
    i->flags = a.flags;
    i->more = t;
}

/* ---- executing */

static double value_of(enum element type, u32 bits) {
    switch (type) {
        case E_F16: return half_to_float(bits);
        case E_BF16: return bfloat_to_float(bits);
        case E_TF32: return bits_f32(bits & 0xffffe000u); /* ten bits of fraction; the rest is not looked at */
        case E_F32: return bits_f32(bits);
        case E_E4M3: return small_value(SMALL_E4M3, bits);
        case E_E5M2: return small_value(SMALL_E5M2, bits);
        case E_E3M2: return small_value(SMALL_E3M2, bits & 63); /* in the low six bits of a byte */
        case E_E2M3: return small_value(SMALL_E2M3, bits & 63);
        case E_E2M1: return small_value(SMALL_E2M1, bits >> 2 & 15); /* in the middle of a byte */
        default: return 0;
    }
}

/* Every element of a fragment, as its bits: body sees lane, i, bits and its place. */
#define EACH_ELEMENT(which_, body)                                                                      \
    do {                                                                                                  \
        const struct fragment_shape *f_ = &m->of[which_];                                                 \
        u32 width_ = elements[f_->type].bits, each_ = 32 / width_, keep_ = width_ == 32 ? ~0u : (1u << width_) - 1, i = 0; \
        u32 total_ = elements_each(m, which_);                                                            \
        for (u32 r_ = 0; r_ < f_->registers; r_++) {                                                      \
            const u32 *row_ = row(w, f_->rows[r_]);                                                       \
            for (u32 j_ = 0; j_ < each_ && i < total_; j_++, i++)                                         \
                for (u32 lane = 0; lane < LANES; lane++) {                                                \
                    u32 bits = row_[lane] >> (j_ * width_) & keep_;                                       \
                    struct place at = place_of(m, which_, lane, i);                                       \
                    body                                                                                  \
                }                                                                                         \
        }                                                                                                 \
    } while (0)

static const struct insn *run_float(struct warp *w, const struct insn *in) {
    const struct matrix *m = in->more;
    double a[32][32], b[32][32], c[32][32]; /* the four of PLACE_QUADS one below the other */
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    EACH_ELEMENT(OF_A, a[at.matrix * m->m + at.row][at.col] = value_of(f_->type, bits););
    EACH_ELEMENT(OF_B, b[at.matrix * m->k + at.row][at.col] = value_of(f_->type, bits););
    EACH_ELEMENT(OF_C, c[at.matrix * m->m + at.row][at.col] = value_of(f_->type, bits););
    for (u32 r = 0; r < (m->placing == PLACE_QUADS ? 32 : m->m); r++) {
        double sum[32] = {0};
        for (u32 k = 0; k < m->k; k++) {
            const double x = a[r][k], *y = b[r / m->m * m->k + k];
            for (u32 n = 0; n < m->n; n++) sum[n] += x * y[n];
        }
        for (u32 n = 0; n < m->n; n++) c[r][n] += sum[n];
    }
    const struct fragment_shape *f = &m->of[OF_D];
    bool half = f->type == E_F16;
    for (u32 lane = 0; lane < LANES; lane++) {
        if (!(w->mask >> lane & 1)) continue;
        for (u32 r = 0; r < f->registers; r++) {
            u32 *d = out(w, f->rows[r]), bits = 0;
            for (u32 j = 0; j < (half ? 2 : 1); j++) {
                struct place at = place_of(m, OF_D, lane, half ? 2 * r + j : r);
                double value = c[at.matrix * m->m + at.row][at.col];
                if (half) {
                    u32 h = half_from(value, 0);
                    if (m->satfinite && (h & 0x7fff) >= 0x7c00) h = (h & 0x7fff) > 0x7c00 ? 0 : (h & 0x8000) | 0x7bff;
                    bits |= h << (16 * j);
                } else {
                    float x = (float)value;
                    if (m->satfinite && isinf(x)) x = x > 0 ? 3.40282347e38f : -3.40282347e38f;
                    bits = x != x ? (m->satfinite ? 0 : 0x7fffffff) : f32_bits(x);
                }
            }
            d[lane] = bits;
        }
    }
    return in + 1;
}

static const struct insn *run_f64(struct warp *w, const struct insn *in) {
    const struct matrix *m = in->more;
    double a[16][16], b[16][8], c[16][8];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    for (int which = OF_A; which <= OF_C; which++)
        for (u32 i = 0; i < m->of[which].registers; i++) {
            const double *values = row(w, m->of[which].rows[i]);
            for (u32 lane = 0; lane < LANES; lane++) {
                struct place at = place_of(m, (enum operand_of)which, lane, i);
                *(which == OF_A ? &a[at.row][at.col] : which == OF_B ? &b[at.row][at.col] : &c[at.row][at.col]) = values[lane];
            }
        }
    for (u32 r = 0; r < m->m; r++)
        for (u32 n = 0; n < m->n; n++)
            for (u32 k = 0; k < m->k; k++) c[r][n] = fma(a[r][k], b[k][n], c[r][n]);
    for (u32 i = 0; i < m->of[OF_D].registers; i++) {
        double *d = out(w, m->of[OF_D].rows[i]);
        EACH_LANE(w, lane) {
            struct place at = place_of(m, OF_D, lane, i);
            d[lane] = c[at.row][at.col];
        }
    }
    return in + 1;
}

static s32 integer_of(enum element type, u32 bits) {
    switch (type) {
        case E_S8: return (s8)bits;
        case E_S4: return (s32)(bits << 28) >> 28;
        default: return (s32)bits;
    }
}

static const struct insn *run_integer(struct warp *w, const struct insn *in) {
    const struct matrix *m = in->more;
    s16 a[32][256], b[256][32]; /* k of single bits is 256 */
    s32 c[32][32];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    EACH_ELEMENT(OF_A, a[at.row][at.col] = (s16)integer_of(f_->type, bits););
    EACH_ELEMENT(OF_B, b[at.row][at.col] = (s16)integer_of(f_->type, bits););
    EACH_ELEMENT(OF_C, c[at.row][at.col] = (s32)bits;);
    bool single = m->of[OF_A].type == E_B1;
    const struct fragment_shape *f = &m->of[OF_D];
    for (u32 r = 0; r < m->m; r++)
        for (u32 n = 0; n < m->n; n++) {
            s64 sum = c[r][n];
            for (u32 k = 0; k < m->k; k++) sum += !single ? a[r][k] * b[k][n] : m->is_and ? a[r][k] & b[k][n] : a[r][k] ^ b[k][n];
            c[r][n] = m->satfinite ? (sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (s32)sum) : (s32)(u32)(u64)sum;
        }
    for (u32 i = 0; i < f->registers; i++) {
        u32 *d = out(w, f->rows[i]);
        EACH_LANE(w, lane) {
            struct place at = place_of(m, OF_D, lane, i);
            d[lane] = (u32)c[at.row][at.col];
        }
    }
    return in + 1;
}

/* wmma.load and wmma.store: address and stride are the same in all lanes; each lane moves its own elements. */
static const struct insn *wmma_move(struct warp *w, const struct insn *in, bool load) {
    const struct matrix *m = in->more;
    const struct fragment_shape *f = &m->of[m->which];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    u32 rows = m->which == OF_B ? m->k : m->m, cols = m->which == OF_A ? m->k : m->n;
    u32 bits = elements[f->type].bits, each = elements_each(m, m->which), step = bits < 8 ? 32 / bits : 1; /* below a byte: whole words */
    const u32 *strides = m->stride >= 0 ? row(w, m->stride) : NULL;
    EACH_LANE(w, lane) {
        u64 base = memory_address(w, in, lane);
        u64 stride = strides ? strides[lane] : f->row_major ? cols : rows;
        for (u32 i = 0; i < each; i += step) {
            struct place at = place_of(m, m->which, lane, i);
            u64 number = f->row_major ? at.row * stride + at.col : at.col * stride + at.row;
            u32 size = bits < 8 ? 4 : bits / 8, r = bits == 64 ? i : i * bits / 32, shift = bits == 64 ? 0 : i * bits % 32;
            unsigned char *p = memory_access(w, in, m->space, lane, base + number * bits / 8, size, size, !load);
            if (!p) return NULL;
            u64 value = 0;
            if (load) {
                for (u32 k = 0; k < size; k++) value |= (u64)__atomic_load_n(p + k, __ATOMIC_RELAXED) << (8 * k);
                if (bits == 64) {
                    ((u64 *)out(w, f->rows[r]))[lane] = value;
                } else {
                    u32 *d = out(w, f->rows[r]), keep = size == 4 ? 0 : ~(((1u << bits) - 1) << shift);
                    d[lane] = (d[lane] & keep) | (u32)value << shift;
                }
            } else {
                value = bits == 64 ? ((const u64 *)row(w, f->rows[r]))[lane] : ((const u32 *)row(w, f->rows[r]))[lane] >> shift;
                for (u32 k = 0; k < size; k++) __atomic_store_n(p + k, (u8)(value >> (8 * k)), __ATOMIC_RELAXED);
            }
        }
    }
    return in + 1;
}
static const struct insn *run_wmma_load(struct warp *w, const struct insn *in) { return wmma_move(w, in, true); }
static const struct insn *run_wmma_store(struct warp *w, const struct insn *in) { return wmma_move(w, in, false); }

/* 8 x 8 tiles of 16 bits: lane 8 t + r has the address of row r of tile t; lane l holds elements 2 (l % 4) and the next of row l / 4,
 * or of column l / 4 when transposed. */
static const struct insn *run_tiles(struct warp *w, const struct insn *in) {
    const struct tiles *t = in->more;
    u16 tile[8][8];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    for (unsigned k = 0; k < t->count; k++) {
        const u32 *values = t->load ? NULL : row(w, t->rows[k]);
        u32 *d = t->load ? out(w, t->rows[k]) : NULL;
        for (u32 lane = 0; !t->load && lane < LANES; lane++)
            for (u32 j = 0; j < 2; j++) *(t->transposed ? &tile[lane % 4 * 2 + j][lane / 4] : &tile[lane / 4][lane % 4 * 2 + j]) = (u16)(values[lane] >> (16 * j));
        for (u32 r = 0; r < 8; r++) {
            u32 lane = 8 * k + r;
            unsigned char *p = memory_access(w, in, t->space, lane, memory_address(w, in, lane), 16, 16, !t->load);
            if (!p) return NULL;
            for (u32 c = 0; c < 8; c++) {
                if (t->load) tile[r][c] = __atomic_load_n((u16 *)(void *)p + c, __ATOMIC_RELAXED);
                else __atomic_store_n((u16 *)(void *)p + c, tile[r][c], __ATOMIC_RELAXED);
            }
        }
        if (t->load)
            EACH_LANE(w, lane) {
                u32 x = lane / 4, y = lane % 4 * 2;
                d[lane] = t->transposed ? tile[y][x] | (u32)tile[y + 1][x] << 16 : tile[x][y] | (u32)tile[x][y + 1] << 16;
            }
    }
    return in + 1;
}

static const struct insn *run_movmatrix(struct warp *w, const struct insn *in) {
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    const u32 *a = row(w, in->a);
    u32 *d = out(w, in->d);
    u16 tile[8][8];
    for (u32 lane = 0; lane < LANES; lane++)
        for (u32 j = 0; j < 2; j++) tile[lane / 4][lane % 4 * 2 + j] = (u16)(a[lane] >> (16 * j));
    EACH_LANE(w, lane) d[lane] = tile[lane % 4 * 2][lane / 4] | (u32)tile[lane % 4 * 2 + 1][lane / 4] << 16;
    return in + 1;
}

const struct ops_entry ops_matrix[] = {{"mma.float", run_float}, {"mma.f64", run_f64}, {"mma.integer", run_integer}, {"wmma.load", run_wmma_load}, {"wmma.store", run_wmma_store},
                                       {"tiles", run_tiles}, {"movmatrix", run_movmatrix}, {NULL, NULL}};
