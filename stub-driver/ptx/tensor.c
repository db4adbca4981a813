/*
 * Copies of boxes between tensors in global memory and shared memory (cp.async.bulk.tensor), reductions of boxes into tensors, and
 * changes of tensor maps. Done at once, like all copies here.
 *
 * A box is moved row by row: a row is what is contiguous in the tensor, box[0] elements, or the channels of a pixel. In shared memory rows
 * follow one another; swizzling exchanges chunks by the bits of the address. What is outside of the tensor reads as 0, or as a NaN that
 * fma.oob knows, and is not written.
 */
#include <string.h>

#include "async.h"
#include "ops.h"
#include "tensormap.h"

enum tensor_op { TENSOR_LOAD, TENSOR_STORE, TENSOR_REDUCE, TENSOR_PREFETCH };
enum { ROW_MOST = 2048 };

struct tensor {
    enum tensor_op op;
    enum bulk_op reduce;
    u8 rank;
    bool im2col, four; /* four: .tile::gather4 and .tile::scatter4, of four rows of a matrix */
    bool paired;       /* .cta_group::2: a multicast's signals go to the blocks of a pair that have the barrier's parity */
    struct place map, shared, barrier;
    int32_t coordinates[5], offsets[3], ranks; /* rows; offsets of im2col, ranks of a multicast: -1 none */
};

/* [map, {coordinates}]; the map may be named by a generic address. */
static void map_operand(struct decoder *d, const struct operand *o, struct tensor *t) {
    if (o->kind != OPERAND_ADDRESS || o->count != 2 || o->parts[1].kind != OPERAND_VECTOR) refuse(d, PTX_INVALID, "[tensor map, {coordinates}] is needed");
    const u32 count = t->four ? 5 : t->rank;
    if (o->parts[1].count != count) refuse(d, PTX_INVALID, "%u coordinates; it takes %u", o->parts[1].count, count);
    struct operand base = *o;
    base.count = 1;
    t->map = place_of(d, &base, SPACE_NONE);
    for (u32 i = 0; i < count; i++) t->coordinates[i] = source(d, &o->parts[1].parts[i], T_S32, false);
}

void decode_tensor(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct tensor *t = arena_alloc(&d->loader->arena, sizeof *t);
    t->reduce = bulk_op_of(o);
    t->op = opcode_has(o, "prefetch") ? TENSOR_PREFETCH : t->reduce != BULK_COPY ? TENSOR_REDUCE : opcode_has(o, "bulk_group") ? TENSOR_STORE : TENSOR_LOAD;
    for (u8 n = 1; n <= 5; n++) {
        const char name[] = {(char)('0' + n), 'd', 0};
        if (opcode_has(o, name)) t->rank = n;
    }
    t->im2col = opcode_has(o, "im2col") || opcode_has(o, "im2col_no_offs");
    t->four = opcode_has(o, "tile::gather4") || opcode_has(o, "tile::scatter4");
    t->paired = opcode_has(o, "cta_group::2");
    t->ranks = t->offsets[0] = t->offsets[1] = t->offsets[2] = -1;
    const bool offsets = opcode_has(o, "im2col"), multicast = opcode_has(o, "multicast::cluster"), hint = opcode_has(o, "L2::cache_hint");
    const u32 count = (t->op == TENSOR_LOAD ? 3u : t->op == TENSOR_PREFETCH ? 1u : 2u) + offsets + multicast + hint;
    operand_count(d, count, count);
    u32 at = 0;
    if (t->op == TENSOR_LOAD) t->shared = place_of(d, &operands[at++], SPACE_SHARED);
    map_operand(d, &operands[at++], t);
    if (t->op == TENSOR_STORE || t->op == TENSOR_REDUCE) t->shared = place_of(d, &operands[at++], SPACE_SHARED);
    if (t->op == TENSOR_LOAD) t->barrier = place_of(d, &operands[at++], SPACE_SHARED);
    if (offsets) {
        if (operands[at].kind != OPERAND_VECTOR || operands[at].count != t->rank - 2u) refuse(d, PTX_INVALID, "%d offsets of im2col are needed", t->rank - 2);
        for (u32 i = 0; i < t->rank - 2u; i++) t->offsets[i] = source(d, &operands[at].parts[i], T_B16, false);
        at++;
    }
    if (multicast) t->ranks = source(d, &operands[at++], T_U16, false);
    if (hint) source(d, &operands[at++], T_B64, false);
    struct insn *i = emit(d, handler(d, "tensor"));
    i->flags = t->map.flags & FLAG_GENERIC;
    i->more = t;
}

/* ---- where things are */

/* The address of a 16-byte chunk after swizzling; *exchanged: the halves of 8 bytes are exchanged too. */
static u64 swizzled(enum tensor_swizzle swizzle, u64 a, bool *exchanged) {
    *exchanged = swizzle == SWIZZLE_128_ATOM_32_FLIP_8 && a >> 7 & 1;
    switch (swizzle) {
        case SWIZZLE_32: return a ^ (a >> 7 & 1) << 4;
        case SWIZZLE_64: return a ^ (a >> 7 & 3) << 4;
        case SWIZZLE_128: return a ^ (a >> 7 & 7) << 4;
        case SWIZZLE_128_ATOM_32:
        case SWIZZLE_128_ATOM_32_FLIP_8: return a ^ (a >> 7 & 3) << 5;
        case SWIZZLE_128_ATOM_64: return a ^ (a >> 7 & 1) << 6;
        default: return a;
    }
}

static u32 steps(u32 box, u32 stride) { return (box + stride - 1) / stride; }

/* How many rows a box has, and elements in each. */
static u32 box_rows(const struct tensor *t, const struct tensor_map *m, u32 *elements) {
    *elements = t->im2col ? m->channels : m->box[0];
    if (t->four) return 4;
    if (t->im2col) return m->pixels;
    u32 rows = 1;
    for (u32 i = 1; i < t->rank; i++) rows *= steps(m->box[i], m->element_stride[i]);
    return rows;
}

/* The coordinates of row `number`, given those of the operands; and those of im2col's next pixel, which `walk` holds in between. */
static void row_coordinates(const struct tensor *t, const struct tensor_map *m, const s32 *given, const s32 *offsets, u32 number, s64 walk[5], s64 at[5]) {
    at[0] = given[0];
    if (t->four) {
        at[1] = given[1 + number];
        return;
    }
    if (!t->im2col) {
        for (u32 i = 1; i < t->rank; i++) {
            const u32 n = steps(m->box[i], m->element_stride[i]);
            at[i] = given[i] + (s64)(number % n) * m->element_stride[i];
            number /= n;
        }
        return;
    }
    if (number == 0) {
        for (u32 i = 0; i < t->rank; i++) walk[i] = given[i];
    } else { /* W, then H, then D from one end of the bounding box to the other, then N */
        u32 i = 1;
        for (; i + 1 < t->rank; i++) {
            walk[i] += m->element_stride[i];
            if (walk[i] <= (s64)m->dim[i] + m->upper[i - 1]) break;
            walk[i] = m->lower[i - 1];
        }
        if (i + 1 == t->rank) walk[i]++;
    }
    for (u32 i = 1; i < t->rank; i++) at[i] = walk[i] + (i + 1 < t->rank && offsets ? offsets[i - 1] : 0);
}

static void fill_outside(const struct tensor_map *m, unsigned char *bytes, u32 size) {
    static const u64 nan[TENSOR_TYPES] = {[TENSOR_F16] = OOB_NAN16, [TENSOR_BF16] = OOB_NAN16, [TENSOR_F32] = 0x7ffffffe, [TENSOR_F32_FTZ] = 0x7ffffffe, [TENSOR_TF32] = 0x7fffe000, [TENSOR_TF32_FTZ] = 0x7fffe000, [TENSOR_F64] = 0x7ffffffffffffffe};
    const u32 width = tensor_type_bytes((enum tensor_type)m->type);
    memset(bytes, 0, size);
    for (u32 at = 0; m->nan_fill && at < size; at += width) memcpy(bytes + at, &nan[m->type], width);
}

static void flush(const struct tensor_map *m, unsigned char *bytes, u32 size) {
    if (m->type != TENSOR_F32_FTZ && m->type != TENSOR_TF32_FTZ) return;
    for (u32 at = 0; at < size; at += 4) {
        u32 bits;
        memcpy(&bits, bytes + at, 4);
        if (!(bits & 0x7f800000)) bits &= 0x80000000;
        memcpy(bytes + at, &bits, 4);
    }
}

static const enum ptx_type reduction_type[TENSOR_TYPES] = {[TENSOR_U32] = T_U32, [TENSOR_S32] = T_S32, [TENSOR_U64] = T_U64, [TENSOR_S64] = T_S64, [TENSOR_F16] = T_F16, [TENSOR_F32] = T_F32,
                                                           [TENSOR_F64] = T_F64, [TENSOR_BF16] = T_BF16, [TENSOR_F32_FTZ] = T_F32, [TENSOR_TF32] = T_F32, [TENSOR_TF32_FTZ] = T_F32};

/* A row's chunks of 16 bytes in shared memory, read or written. False: the fault is recorded. */
static bool row_in_shared(struct warp *w, const struct insn *in, u32 lane, enum tensor_swizzle swizzle, u64 address, unsigned char *bytes, u32 size, bool write) {
    for (u32 done = 0; done < size; done += 16) {
        bool exchanged;
        const u64 at = swizzled(swizzle, address + done, &exchanged);
        unsigned char *p = memory_access(w, in, SPACE_SHARED, lane, at, 16, 16, write);
        if (!p) return false;
        for (u32 half = 0; half < 2; half++) {
            u64 *there = (u64 *)(void *)(p + (exchanged ? 8 - 8 * half : 8 * half)), value;
            memcpy(&value, bytes + done + 8 * half, 8);
            if (write) __atomic_store_n(there, value, __ATOMIC_RELAXED);
            else value = __atomic_load_n(there, __ATOMIC_RELAXED);
            memcpy(bytes + done + 8 * half, &value, 8);
        }
    }
    return true;
}

/* One box. `shared`: its address there. False: the fault is recorded. */
static bool move_box(struct warp *w, const struct insn *in, u32 lane, const struct tensor_map *m, const s32 *given, const s32 *offsets, u64 shared) {
    const struct tensor *t = in->more;
    const u32 width = tensor_type_bytes((enum tensor_type)m->type);
    u32 elements;
    const u32 rows = box_rows(t, m, &elements), size = elements * width;
    s64 walk[5], at[5];
    for (u32 number = 0; number < rows; number++, shared += size) {
        _Alignas(16) unsigned char bytes[ROW_MOST];
        row_coordinates(t, m, given, offsets, number, walk, at);
        /* what of the row is inside */
        s64 first = at[0] < 0 ? -at[0] : 0, end = (s64)m->dim[0] + 1 - at[0];
        if (end > (s64)elements) end = elements;
        u64 address = m->address + (u64)(at[0] + first) * width;
        for (u32 i = 1; i < t->rank; i++) {
            if (at[i] < 0 || at[i] > (s64)m->dim[i]) end = 0;
            address += (u64)at[i] * m->stride[i - 1];
        }
        unsigned char *global = NULL;
        if (end > first) {
            global = memory_at(w, in, lane, address, (u32)(end - first) * width, false, t->op != TENSOR_LOAD);
            if (!global) return false;
        } else {
            first = end = 0;
        }
        unsigned char *inside = bytes + (u32)first * width;
        const u32 count = (u32)(end - first) * width;
        if (t->op == TENSOR_LOAD) {
            if (count < size) fill_outside(m, bytes, size);
            for (u32 k = 0; k < count; k++) inside[k] = __atomic_load_n(global + k, __ATOMIC_RELAXED);
            flush(m, inside, count);
            if (!row_in_shared(w, in, lane, (enum tensor_swizzle)m->swizzle, shared, bytes, size, true)) return false;
            continue;
        }
        if (!row_in_shared(w, in, lane, (enum tensor_swizzle)m->swizzle, shared, bytes, size, false)) return false;
        for (u32 k = 0; t->op == TENSOR_STORE && k < count; k++) __atomic_store_n(global + k, inside[k], __ATOMIC_RELAXED);
        for (u32 k = 0; t->op == TENSOR_REDUCE && k < count; k += width) {
            u64 value = 0;
            memcpy(&value, inside + k, width);
            reduce_at(t->reduce, reduction_type[m->type], global + k, value);
        }
    }
    return true;
}

/* ---- executing */

/* What is wrong with a map that a program may have changed itself; NULL: nothing. */
static const char *map_fault(const struct tensor *t, const struct tensor_map *m) {
    u32 elements;
    if (m->magic != TENSOR_MAP_MAGIC || m->type >= TENSOR_TYPES || m->swizzle >= SWIZZLES) return "there is no tensor map at";
    if (m->rank != t->rank) return "the tensor has another number of dimensions than the instruction, map at";
    if (m->im2col != t->im2col) return "a tiled copy with a map of im2col or the reverse, map at";
    if (m->interleave) return "interleaved layouts are not implemented, map at";
    for (u32 i = 0; i < m->rank; i++)
        if (m->element_stride[i] == 0 || (!m->im2col && (m->box[i] == 0 || m->box[i] > 256))) return "a box or stride of 0 elements, map at";
    box_rows(t, m, &elements);
    if (elements == 0 || elements * tensor_type_bytes((enum tensor_type)m->type) > ROW_MOST || elements * tensor_type_bytes((enum tensor_type)m->type) % 16) return "rows of a box must have a multiple of 16 bytes, map at";
    if (t->op == TENSOR_REDUCE && reduction_type[m->type] == T_NONE) return "no reductions of this type, map at";
    return NULL;
}

static const struct insn *run_tensor(struct warp *w, const struct insn *in) {
    const struct tensor *t = in->more;
    if (t->op == TENSOR_PREFETCH) return in + 1;
    memory_fence();
    EACH_LANE(w, i) {
        struct tensor_map m;
        const u64 at = address_in(w, &t->map, i), shared = address_in(w, &t->shared, i), barrier = t->op == TENSOR_LOAD ? address_in(w, &t->barrier, i) : 0;
        const unsigned char *p = memory_access(w, in, t->map.space, i, at, sizeof m, 64, false);
        if (!p) return NULL;
        memcpy(&m, p, sizeof m);
        const char *wrong = map_fault(t, &m);
        if (wrong) return warp_fault(w, in, PTX_FAULT_TRAP, i, at, wrong);
        if (shared & 127) return warp_fault(w, in, PTX_FAULT_MISALIGNED, i, shared, "a tensor copy's shared memory must lie at a multiple of 128:");
        s32 given[5] = {0}, offsets[3] = {0};
        for (u32 k = 0; k < (t->four ? 5u : t->rank); k++) given[k] = ((const s32 *)row(w, t->coordinates[k]))[i];
        for (u32 k = 0; k < 3 && t->offsets[k] >= 0; k++) offsets[k] = (s32)(((const u32 *)row(w, t->offsets[k]))[i] & 0xffff);
        u32 elements;
        const u32 bytes = box_rows(t, &m, &elements) * elements * tensor_type_bytes((enum tensor_type)m.type);
        for (u32 rank = 0; rank < (t->ranks >= 0 ? 16u : 1u); rank++) {
            if (t->ranks >= 0 && !(((const u32 *)row(w, t->ranks))[i] >> rank & 1)) continue;
            if (!move_box(w, in, i, &m, given, offsets, t->ranks >= 0 ? address_of_rank(shared, rank) : shared)) return NULL;
            const u32 signalled = t->paired ? (rank & ~1u) | (rank_of_address(w, barrier) & 1) : rank;
            if (t->op == TENSOR_LOAD && !mbarrier_complete(w, in, t->barrier.space, i, t->ranks >= 0 ? address_of_rank(barrier, signalled) : barrier, bytes)) return NULL;
        }
    }
    return in + 1;
}

/* ---- tensormap.replace and tensormap.cp_fenceproxy */

enum field { FIELD_ADDRESS, FIELD_RANK, FIELD_BOX, FIELD_DIM, FIELD_STRIDE, FIELD_ELEMENT_STRIDE, FIELD_TYPE, FIELD_INTERLEAVE, FIELD_SWIZZLE, FIELD_ATOMICITY, FIELD_FILL };
static const char *const fields_[] = {"global_address", "rank", "box_dim", "global_dim", "global_stride", "element_stride", "elemtype", "interleave_layout", "swizzle_mode", "swizzle_atomicity", "fill_mode"};

/* a, imm, flags: the map; b: the value; mode: its space; vec: the field; c: the number of the dimension. */
void decode_tensormap(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct insn x = {.d = -1, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
    if (opcode_has(o, "cp_fenceproxy")) { /* copies 128 bytes, and is a fence */
        operand_count(d, 3, 3);
        if (operands[2].kind != OPERAND_INT || operands[2].integer != 128) refuse(d, PTX_INVALID, "the size must be 128");
        struct place *places = arena_alloc(&d->loader->arena, 2 * sizeof *places);
        places[0] = place_of(d, &operands[0], SPACE_GLOBAL);
        places[1] = place_of(d, &operands[1], SPACE_SHARED);
        emit(d, handler(d, "tensormap.copy"))->more = places;
        return;
    }
    while (!opcode_has(o, fields_[x.vec])) x.vec++;
    const bool numbered = x.vec >= FIELD_BOX && x.vec <= FIELD_ELEMENT_STRIDE, wide = x.vec == FIELD_ADDRESS || x.vec == FIELD_STRIDE;
    operand_count(d, 2u + numbered, 2u + numbered);
    struct place map = place_of(d, &operands[0], space_of(d));
    x.a = map.base;
    x.imm = map.offset;
    x.flags = map.flags;
    x.mode = (u8)map.space;
    if (numbered) {
        if (operands[1].kind != OPERAND_INT || operands[1].integer > (x.vec == FIELD_STRIDE ? 3u : 4u)) refuse(d, PTX_INVALID, "the number of a dimension must be a constant from 0 to 4");
        x.c = (int32_t)operands[1].integer; /* no row: run_replace reads it as a number */
    }
    if (!wide && x.vec > FIELD_ELEMENT_STRIDE && operands[1].kind != OPERAND_INT) refuse(d, PTX_INVALID, "the value must be a constant");
    x.b = source(d, &operands[1 + numbered], wide ? T_B64 : T_B32, false);
    emit_fields(d, handler(d, "tensormap.replace"), &x);
}

/* As the instruction counts types and atomicities. */
static const u8 types[] = {TENSOR_U8, TENSOR_U16, TENSOR_U32, TENSOR_S32, TENSOR_U64, TENSOR_S64, TENSOR_F16, TENSOR_F32, TENSOR_F32_FTZ, TENSOR_F64, TENSOR_BF16, TENSOR_TF32, TENSOR_TF32_FTZ};
static const u8 atoms[] = {SWIZZLE_128, SWIZZLE_128_ATOM_32, SWIZZLE_128_ATOM_32_FLIP_8, SWIZZLE_128_ATOM_64};

/* 128 bytes of zeros are a map to begin with, of one dimension, as on hardware: Triton builds its own so, field by field. What it does
 * not set is found when the map is used. */
static void begin_map(struct tensor_map *m) {
    static const struct tensor_map zeros;
    if (!memcmp(m, &zeros, sizeof zeros)) m->magic = TENSOR_MAP_MAGIC, m->rank = 1;
}

static const struct insn *run_replace(struct warp *w, const struct insn *in) {
    EACH_LANE(w, i) {
        const u64 at = memory_address(w, in, i);
        unsigned char *p = memory_access(w, in, (enum space)in->mode, i, at, sizeof(struct tensor_map), 64, true);
        if (!p) return NULL;
        struct tensor_map m;
        memcpy(&m, p, sizeof m);
        begin_map(&m);
        const bool wide = in->vec == FIELD_ADDRESS || in->vec == FIELD_STRIDE;
        const u64 value = wide ? ((const u64 *)row(w, in->b))[i] : ((const u32 *)row(w, in->b))[i];
        bool fits = m.magic == TENSOR_MAP_MAGIC;
        switch ((enum field)in->vec) {
            case FIELD_ADDRESS: fits &= value % 16 == 0; m.address = value; break;
            case FIELD_RANK: fits &= value < 5; m.rank = (u8)(value + 1); break; /* counted from 0 */
            case FIELD_BOX: fits &= value >= 1 && value <= 256; m.box[in->c] = (uint16_t)value; break;
            case FIELD_DIM: m.dim[in->c] = (u32)value - 1; break;
            case FIELD_STRIDE: fits &= value % 16 == 0; m.stride[in->c] = value; break;
            case FIELD_ELEMENT_STRIDE: fits &= value >= 1 && value <= 8; m.element_stride[in->c] = (u8)value; break;
            case FIELD_TYPE: fits &= value < sizeof types; m.type = fits ? types[value] : 0; break;
            case FIELD_INTERLEAVE: fits &= value < 3; m.interleave = (u8)value; break;
            case FIELD_SWIZZLE: fits &= value <= SWIZZLE_128; m.swizzle = (u8)value; break;
            case FIELD_ATOMICITY: fits &= value < sizeof atoms; if (fits && m.swizzle >= SWIZZLE_128) m.swizzle = atoms[value]; break;
            case FIELD_FILL: fits &= value < 2; m.nan_fill = (u8)value; break;
        }
        if (!fits) return warp_fault(w, in, PTX_FAULT_TRAP, i, at, m.magic == TENSOR_MAP_MAGIC ? "a value that the tensor map's field cannot have, map at" : "there is no tensor map at");
        memcpy(p, &m, sizeof m);
    }
    return in + 1;
}

static const struct insn *run_map_copy(struct warp *w, const struct insn *in) {
    const struct place *places = in->more;
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    const u32 lane = (u32)__builtin_ctz(w->mask); /* all lanes name the same */
    const unsigned char *from = memory_access(w, in, places[1].space, lane, address_in(w, &places[1], lane), 128, 128, false);
    unsigned char *to = from ? memory_access(w, in, places[0].space, lane, address_in(w, &places[0], lane), 128, 128, true) : NULL;
    if (!to) return NULL;
    memcpy(to, from, 128);
    memory_fence();
    return in + 1;
}

const struct ops_entry ops_tensor[] = {{"tensor", run_tensor}, {"tensormap.replace", run_replace}, {"tensormap.copy", run_map_copy}, {NULL, NULL}};
