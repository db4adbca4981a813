/* Decoding texture and surface instructions: their operands are lists in brackets and braces that no row's notation says. */
#include "decode.h"

static const struct {
    const char *word;
    enum image_dimensions geometry;
    uint8_t axes, layered;
} geometries[] = {
    {"1d", DIM_1D, 1, 0}, {"2d", DIM_2D, 2, 0}, {"3d", DIM_3D, 3, 0}, {"a1d", DIM_A1D, 1, 1}, {"a2d", DIM_A2D, 2, 1}, {"cube", DIM_CUBE, 3, 0}, {"acube", DIM_ACUBE, 3, 1},
};

static bool has(struct decoder *d, const char *word) { return opcode_has(&d->s->opcode, word); }

static struct image_op *new_op(struct decoder *d) {
    struct image_op *op = arena_alloc(&d->loader->arena, sizeof *op);
    op->handle = op->sampler = op->layer = op->lod = op->resident = -1;
    for (int i = 0; i < 4; i++) op->values[i] = -1;
    for (int i = 0; i < 3; i++) op->coordinates[i] = op->dx[i] = op->dy[i] = op->offset[i] = -1;
    return op;
}

static unsigned geometry(struct decoder *d, struct image_op *op) {
    for (unsigned i = 0; i < sizeof geometries / sizeof geometries[0]; i++)
        if (has(d, geometries[i].word)) {
            op->geometry = geometries[i].geometry;
            return i;
        }
    refuse(d, PTX_UNSUPPORTED, "this geometry");
}

/* The number of an image: a register, or a variable of that kind. */
static int32_t handle_row(struct decoder *d, const struct operand *o, enum ptx_image_kind kind) {
    static const char *const names[] = {".texref", ".samplerref", ".surfref"};
    if (o->kind == OPERAND_SYMBOL) {
        struct symbol *s = o->symbol->definition;
        if (s->space != SPACE_IMAGE || s->image_kind != kind || o->integer) refuse(d, PTX_INVALID, "'%s' is no %s", s->name, names[kind]);
        return pool_row(d, 0, 8, s);
    }
    if (o->kind != OPERAND_REG || o->integer) refuse(d, PTX_INVALID, "a %s or a .u64 register is needed", names[kind]);
    return source(d, o, T_U64, false);
}

/* A vector of at least `count` elements, or one value where one is enough. Elements beyond are there to fill the vector up. */
static void rows(struct decoder *d, const struct operand *o, enum ptx_type type, unsigned count, int32_t *out) {
    const struct operand *parts = o->kind == OPERAND_VECTOR ? o->parts : o;
    uint32_t have = o->kind == OPERAND_VECTOR ? o->count : 1;
    if (have < count || (have > (count == 3 ? 4 : count) && have != 4)) refuse(d, PTX_INVALID, "a vector of %u elements is needed", count == 3 ? 4 : count);
    for (unsigned i = 0; i < count; i++) out[i] = source(d, &parts[i], type, false);
}

static void coordinates(struct decoder *d, const struct operand *o, unsigned which, struct image_op *op, enum ptx_type type) {
    unsigned axes = geometries[which].axes;
    if (!geometries[which].layered) {
        rows(d, o, type, axes, op->coordinates);
        return;
    }
    /* {layer, x} or {layer, x, y, unused}: acube has {layer, x, y, z}. */
    if (o->kind != OPERAND_VECTOR || o->count < axes + 1 || (o->count > (axes == 1 ? 2u : 4u) && o->count != 4)) refuse(d, PTX_INVALID, "a vector of %u elements is needed", axes == 1 ? 2 : 4);
    op->layer = source(d, &o->parts[0], T_B32, false);
    for (unsigned i = 0; i < axes; i++) op->coordinates[i] = source(d, &o->parts[1 + i], type, false);
}

/* [image, coordinates] or [image, sampler, coordinates]. */
static void image_address(struct decoder *d, const struct operand *o, unsigned which, struct image_op *op, enum ptx_image_kind kind, enum ptx_type type) {
    bool texture = kind == PTX_IMAGE_TEXTURE;
    if (o->kind != OPERAND_ADDRESS || o->integer || o->count < 2 || o->count > (texture ? 3u : 2u)) refuse(d, PTX_INVALID, "[%s, coordinates] is needed", texture ? "texture" : "surface");
    op->handle = handle_row(d, &o->parts[0], kind);
    if (o->count == 3) op->sampler = handle_row(d, &o->parts[1], PTX_IMAGE_SAMPLER);
    coordinates(d, &o->parts[o->count - 1], which, op, type);
}

static void results(struct decoder *d, const struct operand *o, struct image_op *op, enum ptx_type type, unsigned count) {
    if (o->kind == OPERAND_PAIR) {
        op->resident = destination(d, &o->parts[1], T_PRED, false);
        o = &o->parts[0];
    }
    const struct operand *parts = o->kind == OPERAND_VECTOR ? o->parts : o;
    if ((o->kind == OPERAND_VECTOR ? o->count : 1) != count) refuse(d, PTX_INVALID, "a vector of %u elements is needed", count);
    op->count = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) op->values[i] = parts[i].kind == OPERAND_SINK ? -1 : destination(d, &parts[i], type, false);
}

static void run(struct decoder *d, const char *key, const struct image_op *op) { emit(d, handler(d, key))->image = op; }

/* What may follow the coordinates of a fetch: texel offsets. A depth to compare with has no counterpart in CUDA's textures. */
static void trailing(struct decoder *d, uint32_t at, unsigned which, struct image_op *op) {
    if (at == d->s->operand_count) return;
    const struct operand *o = &d->s->operands[at];
    const struct operand *first = o->kind == OPERAND_VECTOR && o->count ? &o->parts[0] : o;
    bool is_float = first->kind == OPERAND_FLOAT32 || first->kind == OPERAND_FLOAT64 || (first->kind == OPERAND_REG && ptx_types[d->f->regs[first->reg].type].kind == 'f');
    if (at + 1 < d->s->operand_count || is_float) refuse(d, PTX_UNSUPPORTED, "a comparison of depth");
    if (op->geometry == DIM_CUBE || op->geometry == DIM_ACUBE) refuse(d, PTX_INVALID, "an offset in a cube");
    rows(d, o, T_S32, geometries[which].axes, op->offset);
}

static void decode_tex(struct decoder *d) {
    struct image_op *op = new_op(d);
    const unsigned which = geometry(d, op), axes = geometries[which].axes;
    operand_count(d, 2, 6);
    bool packed = has(d, "f16x2");
    /* The type of the results is the last but one of the words, that of the coordinates the last. */
    const struct opcode *o = &d->s->opcode;
    enum ptx_type to = ptx_type_named(o->words[o->count - 2].text, (int)o->words[o->count - 2].length);
    op->integer = o->words[o->count - 1].text[0] == 's';
    op->half = packed ? 2 : to == T_F16 ? 1 : 0;
    op->level = has(d, "level") ? LEVEL_GIVEN : has(d, "grad") ? LEVEL_GRADIENT : has(d, "base") ? LEVEL_BASE : LEVEL_NONE;
    results(d, &d->s->operands[0], op, packed ? T_F16X2 : to, packed ? 2 : 4);
    image_address(d, &d->s->operands[1], which, op, PTX_IMAGE_TEXTURE, op->integer ? T_S32 : T_F32);
    uint32_t at = 2;
    if (op->level == LEVEL_GIVEN) {
        operand_count(d, 3, 5);
        /* With integer coordinates the level is an integer too. */
        op->lod = source(d, &d->s->operands[at++], op->integer ? T_S32 : T_F32, false);
    } else if (op->level == LEVEL_GRADIENT) {
        operand_count(d, 4, 6);
        rows(d, &d->s->operands[at++], T_F32, axes, op->dx);
        rows(d, &d->s->operands[at++], T_F32, axes, op->dy);
    }
    trailing(d, at, which, op);
    run(d, "tex", op);
}

static void decode_tld4(struct decoder *d) {
    struct image_op *op = new_op(d);
    const unsigned which = geometry(d, op);
    operand_count(d, 2, 4);
    op->query = has(d, "r") ? 0 : has(d, "g") ? 1 : has(d, "b") ? 2 : 3;
    results(d, &d->s->operands[0], op, has(d, "u32") ? T_U32 : has(d, "s32") ? T_S32 : T_F32, 4);
    image_address(d, &d->s->operands[1], which, op, PTX_IMAGE_TEXTURE, T_F32);
    trailing(d, 2, which, op);
    run(d, "tld4", op);
}

static uint8_t query(struct decoder *d) {
    static const struct {
        const char *word;
        enum image_query query;
    } words[] = {
        {"width", QUERY_WIDTH}, {"height", QUERY_HEIGHT}, {"depth", QUERY_DEPTH}, {"channel_data_type", QUERY_TYPE}, {"channel_order", QUERY_ORDER},
        {"normalized_coords", QUERY_NORMALIZED}, {"array_size", QUERY_LAYERS}, {"num_mipmap_levels", QUERY_LEVELS}, {"num_samples", QUERY_SAMPLES},
        {"memory_layout", QUERY_LAYOUT}, {"force_unnormalized_coords", QUERY_UNNORMALIZED}, {"filter_mode", QUERY_FILTER}, {"addr_mode_0", QUERY_ADDRESS},
        {"addr_mode_1", QUERY_ADDRESS + 1}, {"addr_mode_2", QUERY_ADDRESS + 2},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (has(d, words[i].word)) return (uint8_t)words[i].query;
    refuse(d, PTX_UNSUPPORTED, "this query");
}

static void decode_query(struct decoder *d, bool texture) {
    struct image_op *op = new_op(d);
    const bool level = has(d, "level");
    operand_count(d, level ? 3 : 2, level ? 3 : 2);
    op->query = query(d);
    results(d, &d->s->operands[0], op, T_B32, 1);
    const struct operand *o = &d->s->operands[1];
    if (o->kind != OPERAND_ADDRESS || o->count != 1 || o->integer) refuse(d, PTX_INVALID, "[%s] is needed", texture ? "texture" : "surface");
    const struct operand *base = &o->parts[0];
    const bool sampler = texture && base->kind == OPERAND_SYMBOL && base->symbol->definition->space == SPACE_IMAGE && base->symbol->definition->image_kind == PTX_IMAGE_SAMPLER;
    if (sampler && op->query < QUERY_UNNORMALIZED) refuse(d, PTX_INVALID, "a sampler has no such attribute");
    op->handle = handle_row(d, base, sampler ? PTX_IMAGE_SAMPLER : texture ? PTX_IMAGE_TEXTURE : PTX_IMAGE_SURFACE);
    if (level) op->lod = source(d, &d->s->operands[2], T_B32, false);
    run(d, texture ? "txq" : "suq", op);
}

/* suld, sust and sured: [surface, coordinates] and values. */
static void decode_surface(struct decoder *d) {
    struct image_op *op = new_op(d);
    const unsigned which = geometry(d, op);
    const enum row_kind kind = d->s->match.row->kind;
    const bool load = kind == KIND_SULD;
    const unsigned count = kind == KIND_SURED ? 1 : vector_count(d);
    enum ptx_type type = memory_type(d);
    operand_count(d, 2, 2);
    op->integer = true;
    op->formatted = has(d, "p");
    op->bytes = ptx_types[type].bytes;
    op->is_signed = ptx_types[type].kind == 's';
    op->boundary = has(d, "trap") ? BOUNDARY_TRAP : has(d, "clamp") ? BOUNDARY_CLAMP : BOUNDARY_ZERO;
    const struct operand *where = &d->s->operands[load ? 1 : 0], *values = &d->s->operands[load ? 0 : 1];
    image_address(d, where, which, op, PTX_IMAGE_SURFACE, T_B32);
    op->count = (uint8_t)count;
    const struct operand *parts = values->kind == OPERAND_VECTOR ? values->parts : values;
    if ((values->kind == OPERAND_VECTOR ? values->count : 1) != count) refuse(d, PTX_INVALID, "a vector of %u elements is needed", count);
    for (unsigned i = 0; i < count; i++) {
        /* Bytes travel in 16-bit registers. */
        enum ptx_type in = type == T_B8 ? T_B16 : type;
        const bool narrow = parts[i].kind == OPERAND_REG && ptx_types[d->f->regs[parts[i].reg].type].bytes == 1;
        if (narrow) in = T_B8;
        op->values[i] = load ? (parts[i].kind == OPERAND_SINK ? -1 : destination(d, &parts[i], in, false)) : source(d, &parts[i], in, false);
    }
    if (kind == KIND_SURED) op->query = has(d, "add") ? 0 : has(d, "min") ? 1 : has(d, "max") ? 2 : has(d, "and") ? 3 : 4;
    run(d, load ? "suld" : kind == KIND_SUST ? "sust" : "sured", op);
}

static void decode_istypep(struct decoder *d) {
    struct image_op *op = new_op(d);
    operand_count(d, 2, 2);
    op->resident = destination(d, &d->s->operands[0], T_PRED, false);
    op->query = has(d, "texref") ? PTX_IMAGE_TEXTURE : has(d, "samplerref") ? PTX_IMAGE_SAMPLER : PTX_IMAGE_SURFACE;
    const struct operand *o = &d->s->operands[1];
    op->handle = source(d, o, T_U64, false);
    run(d, "istypep", op);
}

void decode_image(struct decoder *d) {
    switch (d->s->match.row->kind) {
        case KIND_TEX: decode_tex(d); break;
        case KIND_TLD4: decode_tld4(d); break;
        case KIND_TXQ: decode_query(d, true); break;
        case KIND_SUQ: decode_query(d, false); break;
        case KIND_ISTYPEP: decode_istypep(d); break;
        default: decode_surface(d); break;
    }
}
