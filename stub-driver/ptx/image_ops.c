/*
 * Texture and surface instructions: which image a number means, where its bytes are, and the loops over lanes. What a fetch
 * returns is computed in texture.c. Every texel's address is checked as that of any load is: a description that points where
 * nothing is costs the kernel a fault and no more.
 */
#include <stdlib.h>
#include <string.h>

#include "numeric.h"
#include "ops.h"
#include "texture.h"
#include "warp.h"

enum { IMAGE_SLOTS = 8 };

/* An image that a worker has asked for: the description is the worker's own copy for the rest of the launch. */
struct image_slot {
    uint64_t handle;
    bool used, surface;
    struct ptx_image image;
    struct span span;
};

struct image_cache {
    struct image_slot slots[IMAGE_SLOTS];
    unsigned last, next;
};

void images_free(struct worker *worker) {
    free(worker->images);
    worker->images = NULL;
}

static struct image_slot *find_image(struct worker *worker, uint64_t handle, bool surface) {
    struct image_cache *cache = worker->images;
    if (!cache) cache = worker->images = calloc(1, sizeof *cache);
    if (!cache) return NULL;
    for (unsigned i = 0; i < IMAGE_SLOTS; i++) { /* the last one first */
        struct image_slot *slot = &cache->slots[(cache->last + i) % IMAGE_SLOTS];
        if (slot->used && slot->handle == handle && slot->surface == surface) {
            cache->last = (cache->last + i) % IMAGE_SLOTS;
            return slot;
        }
    }
    const struct ptx_memory *memory = worker->run->launch->memory;
    bool (*find)(void *, uint64_t, struct ptx_image *) = !memory ? NULL : surface ? memory->surface : memory->texture;
    struct image_slot *slot = &cache->slots[cache->next];
    slot->used = false;
    memset(&slot->image, 0, sizeof slot->image);
    if (!find || !find(memory->context, handle, &slot->image)) return NULL;
    const struct ptx_image *image = &slot->image;
    if (!image->channels || image->channels > 4 || image->channel > PTX_CHANNEL_F32 || !image->level_count || image->level_count > PTX_IMAGE_LEVELS) return NULL;
    slot->used = true;
    slot->handle = handle;
    slot->surface = surface;
    slot->span = (struct span){0};
    cache->last = cache->next;
    cache->next = (cache->next + 1) % IMAGE_SLOTS;
    return slot;
}

static struct image_slot *image_of(struct warp *w, const struct insn *in, uint32_t lane, bool surface) {
    const uint64_t handle = ((const uint64_t *)row(w, in->image->handle))[lane];
    struct image_slot *slot = find_image(w->worker, handle, surface);
    if (!slot) warp_fault(w, in, PTX_FAULT_IMAGE, lane, handle, surface ? "access to a surface that does not exist," : "fetch from a texture that does not exist,");
    return slot;
}

static unsigned char *bytes_at(struct worker *worker, struct image_slot *slot, uint64_t address, uint32_t size) {
    struct span *span = &slot->span;
    if (address - span->start < span->end - span->start && span->end - address >= size) return span->host + (address - span->start);
    const struct ptx_memory *memory = worker->run->launch->memory;
    void *(*find)(void *, uint64_t, uint64_t *, uint64_t *) = slot->image.storage ? memory->storage : memory->span;
    uint64_t start = 0, end = 0;
    unsigned char *host = find ? find(memory->context, address, &start, &end) : NULL;
    if (!host || address < start || address > end || end - address < size) return NULL;
    *span = (struct span){start, end, host};
    return host + (address - start);
}

struct lane_reader {
    struct texel_reader reader; /* first */
    struct worker *worker;
    struct image_slot *slot;
    uint64_t missing;
};

static const unsigned char *read_texel(struct texel_reader *reader, uint64_t address, uint32_t size) {
    struct lane_reader *self = (struct lane_reader *)reader;
    const unsigned char *bytes = bytes_at(self->worker, self->slot, address, size);
    if (!bytes) self->missing = address;
    return bytes;
}

/* ---- textures */

/* The sampler of independent mode; the texture still says whether coordinates are normalised. False: no such sampler. */
static bool own_sampler(const struct warp *w, uint64_t handle, const struct ptx_image *image, struct ptx_sampler *sampler) {
    const struct ptx_module *module = w->worker->run->instance->module;
    size_t index;
    if (!ptx_image_index(handle, &index) || index >= module->image_count || module->images[index]->image_kind != PTX_IMAGE_SAMPLER) return false;
    *sampler = *module->images[index]->sampler;
    sampler->normalized_coords = image->sampler.normalized_coords;
    sampler->level_max = INFINITY;
    return true;
}

static void read_rows(const struct warp *w, const int32_t rows[3], uint32_t lane, float out[3]) {
    for (int i = 0; i < 3; i++) out[i] = rows[i] >= 0 ? ((const float *)row(w, rows[i]))[lane] : 0;
}

/* The rows of what the lanes ask for; NULL where the instruction has none. */
struct query_rows {
    const uint32_t *coordinates[3], *layer;
    const int32_t *offset[3];
};

static struct query_rows rows_of(const struct warp *w, const struct image_op *op) {
    struct query_rows rows = {.layer = op->layer >= 0 ? row(w, op->layer) : NULL};
    for (int i = 0; i < 3; i++) {
        rows.coordinates[i] = op->coordinates[i] >= 0 ? row(w, op->coordinates[i]) : NULL;
        rows.offset[i] = op->offset[i] >= 0 ? row(w, op->offset[i]) : NULL;
    }
    return rows;
}

/* Everything that one lane asks for, but the level. */
static inline void query_of(const struct query_rows *rows, uint32_t lane, struct texture_query *q) {
    if (rows->layer) q->layer = rows->layer[lane];
    for (int i = 0; i < 3 && rows->coordinates[i]; i++) {
        const uint32_t bits = rows->coordinates[i][lane];
        q->i[i] = (int32_t)bits;
        q->f[i] = bits_f32(bits);
        if (rows->offset[i]) q->offset[i] = rows->offset[i][lane];
    }
}

static void store_results(struct warp *w, const struct image_op *op, uint32_t lane, uint32_t value[4], bool is_float) {
    if (op->half)
        for (int c = 0; c < 4; c++) value[c] = is_float ? half_from((double)bits_f32(value[c]), NUMERIC_RN) : value[c] & 0xffff;
    if (op->half == 2) {
        value[0] |= value[1] << 16;
        value[1] = value[2] | value[3] << 16;
    }
    for (unsigned c = 0; c < op->count; c++)
        if (op->values[c] >= 0) ((uint32_t *)out(w, op->values[c]))[lane] = value[c];
}

#define RUN(id) static const struct insn *run_##id(struct warp *w, const struct insn *in)

static const struct insn *fetch(struct warp *w, const struct insn *in, bool gather) {
    const struct image_op *op = in->image;
    const struct query_rows rows = rows_of(w, op);
    struct texture_query q = {.integer = op->integer};
    EACH_LANE(w, i) {
        struct image_slot *slot = image_of(w, in, i, false);
        if (!slot) return NULL;
        const struct ptx_image *image = &slot->image;
        struct ptx_sampler own;
        const struct ptx_sampler *sampler = &image->sampler;
        if (op->sampler >= 0) {
            const uint64_t handle = ((const uint64_t *)row(w, op->sampler))[i];
            if (!own_sampler(w, handle, image, &own)) return warp_fault(w, in, PTX_FAULT_IMAGE, i, handle, "fetch with a sampler that does not exist,");
            sampler = &own;
        }
        query_of(&rows, i, &q);
        if (op->level == LEVEL_GIVEN) {
            const uint32_t bits = ((const uint32_t *)row(w, op->lod))[i];
            q.has_level = true;
            q.level = op->integer ? (float)(int32_t)bits : bits_f32(bits);
        } else if (op->level == LEVEL_GRADIENT) {
            float dx[3], dy[3];
            read_rows(w, op->dx, i, dx);
            read_rows(w, op->dy, i, dy);
            q.has_level = true;
            q.level = texture_level(image, sampler, dx, dy, q.f);
        }
        struct lane_reader reader = {.reader = {.at = read_texel}, .worker = w->worker, .slot = slot};
        uint32_t value[4];
        bool is_float;
        const bool done = gather ? texture_gather(image, sampler, &q, op->query, &reader.reader, value, &is_float) : texture_sample(image, sampler, &q, &reader.reader, value, &is_float);
        if (!done) return warp_fault(w, in, PTX_FAULT_ADDRESS, i, reader.missing, "texture read");
        store_results(w, op, i, value, is_float);
    }
    if (op->resident >= 0) set_predicate(w, op->resident, 0xffffffff);
    return in + 1;
}

RUN(tex) { return fetch(w, in, false); }
RUN(tld4) { return fetch(w, in, true); }

/* ---- queries: the numbers are OpenCL's, as the ISA's tables have them */

static uint32_t data_type(const struct ptx_image *image) {
    static const uint16_t as_integers[] = {0x10da, 0x10d7, 0x10db, 0x10d8, 0x10dc, 0x10d9, 0x10dd, 0x10de};
    static const uint16_t normalized[] = {0x10d2, 0x10d0, 0x10d3, 0x10d1};
    return image->normalized && image->channel <= PTX_CHANNEL_S16 ? normalized[image->channel] : as_integers[image->channel];
}

static uint32_t attribute(const struct ptx_image *image, const struct ptx_sampler *sampler, unsigned query, uint32_t level) {
    static const uint8_t address[] = {[PTX_ADDRESS_WRAP] = 0, [PTX_ADDRESS_MIRROR] = 1, [PTX_ADDRESS_CLAMP] = 3, [PTX_ADDRESS_BORDER] = 4};
    const struct ptx_level *l = level < image->level_count ? &image->levels[level] : NULL;
    switch (query) {
        case QUERY_WIDTH: return l ? l->width : 0;
        case QUERY_HEIGHT: return !l ? 0 : image->dimensions > 1 ? l->height : 0;
        case QUERY_DEPTH: return !l ? 0 : image->dimensions > 2 ? l->depth : 0;
        case QUERY_TYPE: return data_type(image);
        case QUERY_ORDER: return image->channels == 1 ? 0x10b0 : image->channels == 2 ? 0x10b2 : 0x10b5;
        case QUERY_NORMALIZED: return image->sampler.normalized_coords;
        case QUERY_LAYERS: return image->layered ? image->layers : 0;
        case QUERY_LEVELS: return image->level_count;
        case QUERY_SAMPLES: return 1;
        case QUERY_LAYOUT: return !image->storage;
        case QUERY_UNNORMALIZED: return sampler->unnormalized_coords;
        case QUERY_FILTER: return sampler->filter;
        default: return address[sampler->address[query - QUERY_ADDRESS] & 3];
    }
}

static const struct insn *ask(struct warp *w, const struct insn *in, bool surface) {
    const struct image_op *op = in->image;
    EACH_LANE(w, i) {
        const uint64_t handle = ((const uint64_t *)row(w, op->handle))[i];
        struct ptx_sampler own;
        uint32_t value;
        static const struct ptx_image none;
        if (op->query >= QUERY_UNNORMALIZED && own_sampler(w, handle, &none, &own)) {
            value = attribute(&none, &own, op->query, 0);
        } else {
            struct image_slot *slot = image_of(w, in, i, surface);
            if (!slot) return NULL;
            value = attribute(&slot->image, &slot->image.sampler, op->query, op->lod >= 0 ? ((const uint32_t *)row(w, op->lod))[i] : 0);
        }
        if (op->values[0] >= 0) ((uint32_t *)out(w, op->values[0]))[i] = value;
    }
    return in + 1;
}

RUN(txq) { return ask(w, in, false); }
RUN(suq) { return ask(w, in, true); }

RUN(istypep) {
    const struct image_op *op = in->image;
    uint32_t yes = 0;
    EACH_LANE(w, i) {
        const uint64_t handle = ((const uint64_t *)row(w, op->handle))[i];
        struct ptx_sampler sampler;
        static const struct ptx_image none;
        const bool is = op->query == PTX_IMAGE_SAMPLER ? own_sampler(w, handle, &none, &sampler) : find_image(w->worker, handle, op->query == PTX_IMAGE_SURFACE) != NULL;
        yes |= (uint32_t)is << i;
    }
    set_predicate(w, op->resident, yes);
    return in + 1;
}

/* ---- surfaces */

enum reach { REACH_FAULT, REACH_NOTHING, REACH_BYTES };

static bool bounded(int64_t *at, int64_t size, enum image_boundary boundary) {
    if (*at >= 0 && *at < size) return true;
    if (boundary != BOUNDARY_CLAMP) return false;
    *at = *at < 0 ? 0 : size - 1;
    return true;
}

/* Where a lane's access goes: `size` bytes at byte x of a row, or (formatted) texel x. */
static enum reach surface_at(struct warp *w, const struct insn *in, uint32_t lane, struct image_slot *slot, uint32_t size, unsigned char **bytes) {
    const struct image_op *op = in->image;
    const struct ptx_image *image = &slot->image;
    const struct ptx_level *level = &image->levels[0];
    int64_t at[3] = {0, 0, 0}, layer = op->layer >= 0 ? ((const int32_t *)row(w, op->layer))[lane] : 0;
    for (int i = 0; i < 3; i++)
        if (op->coordinates[i] >= 0) at[i] = ((const int32_t *)row(w, op->coordinates[i]))[lane];
    const uint32_t texel = image_texel_bytes(image);
    const int64_t unit = op->formatted ? texel : size;
    const int64_t row_bytes = (int64_t)level->width * texel;
    const int64_t slices = image->layered || image->cube ? (int64_t)image->layers * (image->cube ? 6 : 1) : level->depth;
    int64_t x = op->formatted ? at[0] * texel : at[0];
    if (x % unit) {
        warp_fault(w, in, PTX_FAULT_MISALIGNED, lane, (uint64_t)x, "surface access at byte");
        return REACH_FAULT;
    }
    int64_t z = op->layer >= 0 ? layer : at[2];
    int64_t step = x / unit;
    const bool inside = bounded(&step, row_bytes / unit, op->boundary) && bounded(&at[1], image->dimensions > 1 ? level->height : 1, op->boundary) &&
                        bounded(&z, slices, op->boundary);
    if (!inside || row_bytes < unit) {
        if (op->boundary == BOUNDARY_ZERO) return REACH_NOTHING;
        warp_fault(w, in, PTX_FAULT_IMAGE, lane, (uint64_t)at[0], "access outside the surface, x");
        return REACH_FAULT;
    }
    const uint64_t address = level->address + (uint64_t)(step * unit) + (uint64_t)at[1] * level->pitch + (uint64_t)z * level->slice;
    *bytes = bytes_at(w->worker, slot, address, op->formatted ? texel : size);
    if (*bytes) return REACH_BYTES;
    warp_fault(w, in, PTX_FAULT_ADDRESS, lane, address, "surface access");
    return REACH_FAULT;
}

static u64 load_element(const unsigned char *p, unsigned bytes) {
    switch (bytes) {
        case 1: return __atomic_load_n(p, __ATOMIC_RELAXED);
        case 2: return __atomic_load_n((const u16 *)(const void *)p, __ATOMIC_RELAXED);
        case 4: return __atomic_load_n((const u32 *)(const void *)p, __ATOMIC_RELAXED);
        default: return __atomic_load_n((const u64 *)(const void *)p, __ATOMIC_RELAXED);
    }
}

static void store_element(unsigned char *p, unsigned bytes, u64 value) {
    switch (bytes) {
        case 1: __atomic_store_n(p, (u8)value, __ATOMIC_RELAXED); break;
        case 2: __atomic_store_n((u16 *)(void *)p, (u16)value, __ATOMIC_RELAXED); break;
        case 4: __atomic_store_n((u32 *)(void *)p, (u32)value, __ATOMIC_RELAXED); break;
        default: __atomic_store_n((u64 *)(void *)p, value, __ATOMIC_RELAXED); break;
    }
}

static u64 lane_value(const struct warp *w, int32_t r, unsigned bytes, uint32_t lane) {
    return bytes == 8 ? ((const u64 *)row(w, r))[lane] : ((const u32 *)row(w, r))[lane];
}

RUN(suld) {
    const struct image_op *op = in->image;
    EACH_LANE(w, i) {
        struct image_slot *slot = image_of(w, in, i, true);
        if (!slot) return NULL;
        unsigned char *p = NULL;
        if (surface_at(w, in, i, slot, (uint32_t)op->bytes * op->count, &p) == REACH_FAULT) return NULL;
        for (unsigned c = 0; c < op->count; c++) {
            const u64 value = p ? load_element(p + c * op->bytes, op->bytes) : 0;
            if (op->values[c] < 0) continue;
            if (op->bytes == 8) ((u64 *)out(w, op->values[c]))[i] = value;
            else ((u32 *)out(w, op->values[c]))[i] = (u32)value;
        }
    }
    return in + 1;
}

/* A 32-bit value in a texel's channel: integers saturate, floats are rounded. */
static void store_channel(unsigned char *p, const struct ptx_image *image, unsigned index, u32 value) {
    const s32 v = (s32)value;
    const float f = bits_f32(value);
    const float unit = f > 1 ? 1 : f > 0 ? f : 0, around = f > 1 ? 1 : f < -1 ? -1 : f == f ? f : 0;
    const bool n = image->normalized;
    switch (image->channel) {
        case PTX_CHANNEL_U8: store_element(p + index, 1, n ? (u32)(unit * 255 + 0.5f) : value > 255 ? 255 : value); break;
        case PTX_CHANNEL_S8: store_element(p + index, 1, (u64)(s64)(n ? (s32)rintf(around * 127) : v > 127 ? 127 : v < -128 ? -128 : v)); break;
        case PTX_CHANNEL_U16: store_element(p + 2 * index, 2, n ? (u32)(unit * 65535 + 0.5f) : value > 65535 ? 65535 : value); break;
        case PTX_CHANNEL_S16: store_element(p + 2 * index, 2, (u64)(s64)(n ? (s32)rintf(around * 32767) : v > 32767 ? 32767 : v < -32768 ? -32768 : v)); break;
        case PTX_CHANNEL_F16: store_element(p + 2 * index, 2, half_from((double)f, NUMERIC_RN)); break;
        default: store_element(p + 4 * index, 4, value); break;
    }
}

RUN(sust) {
    const struct image_op *op = in->image;
    EACH_LANE(w, i) {
        struct image_slot *slot = image_of(w, in, i, true);
        if (!slot) return NULL;
        unsigned char *p = NULL;
        if (surface_at(w, in, i, slot, (uint32_t)op->bytes * op->count, &p) == REACH_FAULT) return NULL;
        for (unsigned c = 0; p && c < op->count; c++) {
            const u64 value = lane_value(w, op->values[c], op->bytes, i);
            if (!op->formatted) store_element(p + c * op->bytes, op->bytes, value);
            else if (c < slot->image.channels) store_channel(p, &slot->image, c, (u32)value);
        }
    }
    return in + 1;
}

#define REDUCE(T, S)                                                                                        \
    do {                                                                                                    \
        T *at = (T *)(void *)p, old = __atomic_load_n(at, __ATOMIC_RELAXED), with = (T)value, made;         \
        do {                                                                                                \
            switch (op->query) {                                                                            \
                case 0: made = old + with; break;                                                           \
                case 1: made = op->is_signed ? ((S)old < (S)with ? old : with) : old < with ? old : with; break; \
                case 2: made = op->is_signed ? ((S)old > (S)with ? old : with) : old > with ? old : with; break; \
                case 3: made = old & with; break;                                                           \
                default: made = old | with; break;                                                          \
            }                                                                                               \
        } while (!__atomic_compare_exchange_n(at, &old, made, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));   \
    } while (0)

static void reduce(const struct image_op *op, unsigned char *p, u64 value) {
    if (op->bytes == 8) REDUCE(u64, s64);
    else REDUCE(u32, s32);
}

RUN(sured) {
    const struct image_op *op = in->image;
    EACH_LANE(w, i) {
        struct image_slot *slot = image_of(w, in, i, true);
        if (!slot) return NULL;
        if (op->formatted && image_texel_bytes(&slot->image) != op->bytes)
            return warp_fault(w, in, PTX_FAULT_IMAGE, i, 0, "reduction of texels of another size than the operand");
        unsigned char *p = NULL;
        if (surface_at(w, in, i, slot, op->bytes, &p) == REACH_FAULT) return NULL;
        /* .p takes its type from the surface. */
        struct image_op typed = *op;
        if (op->formatted) typed.is_signed = slot->image.channel == PTX_CHANNEL_S32;
        if (p) reduce(&typed, p, lane_value(w, op->values[0], op->bytes, i));
    }
    return in + 1;
}

const struct ops_entry ops_image[] = {
    {"tex", run_tex}, {"tld4", run_tld4}, {"txq", run_txq}, {"suq", run_suq}, {"istypep", run_istypep},
    {"suld", run_suld}, {"sust", run_sust}, {"sured", run_sured}, {NULL, NULL},
};
