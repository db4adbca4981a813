/*
 * Matrix multiplication: mma (dense, sparse and with block scales) and wmma. All lanes of the warp take part.
 *
 * Fragments of mma lie as the PTX ISA documents them. Those of wmma are the implementation's own: element i of lane l is the
 * matrix' element number l * count + i (rows first for A, C and D; columns first for B), from the start again where lanes have
 * room for more than the matrix (f16).
 *
 * Numbers: products are exact; products and the addend are summed in double, in the order of k, and rounded once to the
 * result's type. f64 is a chain of fused multiply-adds. Integers are summed exactly, then wrapped or clamped.
 *
 * Sparse: of each chunk of A's row (4 elements, 2 of tf32, 4 pairs of 4-bit types) half are stored, and metadata says where they belong:
 * two numbers of 2 bits a chunk, in registers of the lanes that the selector names. Scales: one number of A's row and of B's column
 * for each of 1, 2 or 4 parts of k, in bytes of a register of the lanes that the operands name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "element.h"
#include "matrix.h"
#include "ops.h"
#include "warp.h"

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
    bool satfinite, is_and, sparse;
    struct fragment_shape of[4]; /* by enum operand_of */
    int32_t metadata;            /* sparse: a row */
    u8 selector, scales;         /* scales: parts of k with a scale each, 0 none */
    bool scale_ue4m3;
    struct {
        int32_t data, byte, thread; /* rows */
    } scale[2];                  /* of A and B */
    /* loads and stores */
    enum operand_of which;
    enum space space;
    int32_t stride; /* row; -1: none */
};

/* ---- shapes */

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
    unsigned size = which == OF_A ? m->m * m->k >> m->sparse : which == OF_B ? m->k * m->n : m->m * m->n;
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
        if (opcode_has(o, "kind::mxf4") || opcode_has(o, "kind::mxf4nvf4")) m->of[OF_A].type = m->of[OF_B].type = E_E2M1_PACKED;
        m->sparse = opcode_has(o, "sp") || opcode_has(o, "sp::ordered_metadata");
        m->scales = !opcode_has(o, "block_scale") ? 0 : opcode_has(o, "scale_vec::4X") ? 4 : opcode_has(o, "kind::mxf8f6f4") ? 1 : 2;
        m->scale_ue4m3 = opcode_has(o, "ue4m3");
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
    if (opcode->name_length > 4) return (opcode_has(opcode, "x4") ? 4 : opcode_has(opcode, "x2") ? 2 : 1) * (opcode_has(opcode, "m16n16") ? 2 : 1);
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

static bool has_bits(const struct matrix *m, u8 bits) { return elements[m->of[OF_A].type].bits == bits; }

/* Lanes of a quad that hold one tile's metadata, 4 bits a chunk of its 2 rows: 1, 2 or 4. */
static u32 metadata_lanes(const struct matrix *m) {
    const u32 chunks = has_bits(m, 32) ? m->k / 2u : has_bits(m, 4) ? m->k / 8u : m->k / 4u;
    return 2 * 4 * chunks / 32;
}

static void sparse_operands(struct decoder *d, struct matrix *m, u32 *at) {
    const struct operand *o = d->s->operands;
    m->metadata = source(d, &o[(*at)++], T_B32, false);
    const u32 most = 4 / metadata_lanes(m);
    if (o[*at].kind != OPERAND_INT || o[*at].integer >= most) refuse(d, PTX_INVALID, "the sparsity selector must be a constant below %u", most);
    m->selector = (u8)o[(*at)++].integer;
}

static void scale_operands(struct decoder *d, struct matrix *m, int i, u32 *at) {
    const struct operand *data = &d->s->operands[(*at)++], *where = &d->s->operands[(*at)++];
    if (where->kind != OPERAND_VECTOR || where->count != 2) refuse(d, PTX_INVALID, "{byte, thread} is needed after the scales");
    static const u8 step[] = {[1] = 1, [2] = 2, [4] = 4};
    if (where->parts[0].kind == OPERAND_INT && (where->parts[0].integer > 3 || where->parts[0].integer % step[m->scales])) refuse(d, PTX_INVALID, "byte %llu of the scales", (unsigned long long)where->parts[0].integer);
    if (where->parts[1].kind == OPERAND_INT && where->parts[1].integer > (i ? 3u : 1u)) refuse(d, PTX_INVALID, "thread %llu of the scales", (unsigned long long)where->parts[1].integer);
    m->scale[i].data = source(d, data, T_B32, false);
    m->scale[i].byte = source(d, &where->parts[0], T_B16, false);
    m->scale[i].thread = source(d, &where->parts[1], T_B16, false);
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
    u32 at = 4, count = 4u + 2 * m->sparse + (m->scales ? 4 : 0);
    operand_count(d, count, count);
    if (m->sparse) sparse_operands(d, m, &at);
    for (int i = 0; m->scales && i < 2; i++) scale_operands(d, m, i, &at);
    for (int i = 1; i < 4; i++) fragment_operand(d, m, (enum operand_of)i, &d->s->operands[i], false);
    fragment_operand(d, m, OF_D, &d->s->operands[0], true);
    bool integers = m->of[OF_D].type == E_S32;
    emit(d, handler(d, integers ? "mma.integer" : m->of[OF_D].type == E_F64 ? "mma.f64" : "mma.float"))->more = m;
}

/* ---- executing */

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

/* The column of A that element `column` of row `r`, as it is stored, belongs to. */
static u32 sparse_column(const struct warp *w, const struct matrix *m, u32 r, u32 column) {
    const u32 *metadata = row(w, m->metadata), lanes = metadata_lanes(m), four = has_bits(m, 4), tf32 = has_bits(m, 32);
    const u32 quad = r % 8 * 4 + m->selector * lanes, lower = r / 8; /* lower: of the two rows that a quad has */
    const u32 stored = four ? column / 2 : column, chunk = tf32 ? stored : stored / 2;
    u32 word, bits;
    if (has_bits(m, 16) || tf32) { /* half a word a row, 4 chunks in it */
        word = metadata[quad + chunk / 4];
        bits = word >> (16 * lower + 4 * (chunk % 4));
    } else { /* a word a row, 8 chunks in it */
        word = metadata[quad + chunk / 8 * 2 + lower];
        bits = word >> (4 * (chunk % 8));
    }
    if (tf32) return 2 * chunk + (bits >> 1 & 1); /* 0b0100: the first, 0b1110: the second */
    const u32 index = bits >> (2 * (stored % 2)) & 3;
    return four ? 8 * chunk + 2 * index + column % 2 : 4 * chunk + index;
}

static double scale_of(const struct warp *w, const struct matrix *m, int which, u32 index, u32 part) {
    const u32 *data = row(w, m->scale[which].data), *bytes = row(w, m->scale[which].byte), *threads = row(w, m->scale[which].thread);
    const u32 lane = which ? 4 * index + (threads[0] & 3) : index % 8 * 4 + (threads[0] & 1) * 2 + index / 8, byte = ((bytes[0] & 3) + part) & 3;
    const u32 bits = data[lane] >> (8 * byte) & 0xff;
    return m->scale_ue4m3 ? small_value(SMALL_E4M3, bits & 0x7f) : small_value(SMALL_UE8M0, bits);
}

static const struct insn *run_float(struct warp *w, const struct insn *in) {
    const struct matrix *m = in->more;
    double a[32][128], b[128][32], c[32][32]; /* the four of PLACE_QUADS one below the other */
    u64 stored[16][2] = {{0}};                /* sparse: the columns of A that there are; B's numbers at others are not multiplied, be they infinite */
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    if (m->sparse) {
        EACH_ELEMENT(OF_A, const u32 k = sparse_column(w, m, at.row, at.col); a[at.row][k] = value_of(f_->type, bits); stored[at.row][k / 64] |= UINT64_C(1) << (k % 64););
    } else {
        EACH_ELEMENT(OF_A, a[at.matrix * m->m + at.row][at.col] = value_of(f_->type, bits););
    }
    EACH_ELEMENT(OF_B, b[at.matrix * m->k + at.row][at.col] = value_of(f_->type, bits););
    EACH_ELEMENT(OF_C, c[at.matrix * m->m + at.row][at.col] = value_of(f_->type, bits););
    for (u32 part = 0; part < m->scales; part++) { /* exact, or at the ends of double's range: a scale is a power of two or has 4 bits */
        const u32 from = part * m->k / m->scales, to = (part + 1) * m->k / m->scales;
        for (u32 r = 0; r < m->m; r++) {
            const double scale = scale_of(w, m, 0, r, part);
            for (u32 k = from; k < to; k++)
                if (!m->sparse || stored[r][k / 64] >> (k % 64) & 1) a[r][k] *= scale;
        }
        for (u32 n = 0; n < m->n; n++) {
            const double scale = scale_of(w, m, 1, n, part);
            for (u32 k = from; k < to; k++) b[k][n] *= scale;
        }
    }
    for (u32 r = 0; r < (m->placing == PLACE_QUADS ? 32 : m->m); r++) {
        double sum[32] = {0};
        for (u32 k = 0; k < m->k; k++) {
            if (m->sparse && !(stored[r][k / 64] >> (k % 64) & 1)) continue;
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

static const struct insn *run_integer(struct warp *w, const struct insn *in) {
    const struct matrix *m = in->more;
    s16 a[32][256], b[256][32]; /* k of single bits is 256 */
    s32 c[32][32];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    if (m->sparse) {
        for (u32 r = 0; r < m->m; r++) memset(a[r], 0, sizeof a[r]);
        EACH_ELEMENT(OF_A, a[at.row][sparse_column(w, m, at.row, at.col)] = (s16)integer_of(f_->type, bits););
    } else {
        EACH_ELEMENT(OF_A, a[at.row][at.col] = (s16)integer_of(f_->type, bits););
    }
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

const struct ops_entry ops_matrix[] = {{"mma.float", run_float}, {"mma.f64", run_f64}, {"mma.integer", run_integer}, {"wmma.load", run_wmma_load}, {"wmma.store", run_wmma_store}, {NULL, NULL}};
