/* copy.c - how bytes get to the GPU and back.
 *
 *   both ends on the GPU or pinned     one GPU_COPY, posted or waited; no byte is touched here
 *   from pageable memory               up to INLINE_MAX bytes ride in the record; more is cut into tiles, each packed into a
 *                                      staging chunk and posted, so that the driver moves one tile while the next is packed.
 *                                      A synchronous copy waits for its last tile: one stream, so the rest is done then too.
 *                                      An asynchronous one returns when the source is read: programs reuse it at once.
 *   to pageable memory                 a few bytes come in the reply; more comes tile by tile, several requests ahead of the
 *                                      tile that is being unpacked. Always complete on return, asynchronous or not, as the
 *                                      driver documents for pageable destinations.
 *   host to host                       the stream is waited for, then this process copies
 *
 * Memory registered in place is shared in whole pages only (hostmem.c): one-dimensional copies are split at its edges, boxes
 * that do not lie inside it are staged. Reading such memory for an asynchronous copy must see what earlier work of the
 * stream wrote there (a host function's, say), so the stream is waited for first. */
#include "copy.h"

#include <stddef.h>
#include <string.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "globals.h"
#include "happens.h"
#include "hostmem.h"
#include "query.h"
#include "staging.h"
#include "sure.h"
#include "thread.h"

#define INLINE_MAX 4096u  /* bytes in a record: beyond this a staging chunk costs less than the ring's room */
#define AHEAD 4u          /* downloads on their way at once */

_Static_assert(RF_RECORD_HEADER + sizeof(struct rf_GPU_COPY) + INLINE_MAX <= RF_RECORD_MAX, "an inline copy is one record");

/* Whether the executor knows an address as the GPU's. */
static int in_window(uint64_t address)
{
    return address - vgpu.info.window_base < vgpu.info.window_size || vgpu_hostmem_is_gpus(address) || vgpu_globals_has(address);
}

struct vgpu_side vgpu_side_device(CUdeviceptr address)
{
    struct vgpu_host_range range;
    struct vgpu_side side = {.kind = VGPU_SIDE_DEVICE, .base = address};
    if (!in_window(address) && vgpu_hostmem_find((uintptr_t)address, &range)) side.kind = VGPU_SIDE_HOST;
    return side;
}

struct vgpu_side vgpu_side_host(const void *address)
{
    return (struct vgpu_side){.kind = in_window((uintptr_t)address) ? VGPU_SIDE_DEVICE : VGPU_SIDE_HOST, .base = (uintptr_t)address};
}

struct vgpu_side vgpu_side_array(CUarray array, uint64_t x)
{
    return (struct vgpu_side){.kind = VGPU_SIDE_ARRAY, .base = VGPU_WIRE(array), .x = x};
}

/* ---- messages ---- */

static CUresult begin(struct vgpu_call *call, const struct vgpu_box *box, uint32_t extra, int waited)
{
    CUresult error = vgpu_begin(call, RF_GPU_COPY, (uint32_t)sizeof(struct rf_GPU_COPY) + extra, waited, box->abi);
    if (error == CUDA_SUCCESS) ((struct rf_GPU_COPY *)call->payload)->stream = VGPU_WIRE(box->stream);
    return error;
}

static void extents(struct rf_GPU_COPY *copy, const struct vgpu_tile *tile)
{
    copy->width = tile->width;
    copy->rows = tile->rows;
    copy->depth = tile->depth;
}

/* The GPU's end of a tile. */
#define FILL_GPU(copy, end, side, tile)                                                                                \
    do {                                                                                                               \
        (copy)->end##_place = (side).kind == VGPU_SIDE_DEVICE ? RF_PLACE_DEVICE                                        \
                              : (side).kind == VGPU_SIDE_ARRAY ? RF_PLACE_ARRAY : RF_PLACE_PINNED;                     \
        (copy)->end##_lod = (side).lod;                                                                                \
        (copy)->end##_base = (side).base;                                                                              \
        (copy)->end##_x = (side).x + (tile)->x;                                                                        \
        (copy)->end##_y = (side).y + (tile)->y;                                                                        \
        (copy)->end##_z = (side).z + (tile)->z;                                                                        \
        (copy)->end##_pitch = (side).pitch;                                                                            \
        (copy)->end##_height = (side).height;                                                                          \
    } while (0)

/* The staged or inline end of a tile: packed. */
#define FILL_PACKED(copy, end, place, offset, tile)                                                                    \
    do {                                                                                                               \
        (copy)->end##_place = (place);                                                                                 \
        (copy)->end##_base = (offset);                                                                                 \
        (copy)->end##_pitch = (tile)->width;                                                                           \
        (copy)->end##_height = (tile)->rows;                                                                           \
    } while (0)

static uint64_t bytes_of(const struct vgpu_tile *tile) { return tile->width * tile->rows * tile->depth; }

static uint8_t *host_start(const struct vgpu_side *side)
{
    return (uint8_t *)(uintptr_t)(side->base + (side->z * side->height + side->y) * side->pitch + side->x);
}

CUresult vgpu_sync_stream(CUstream stream, unsigned abi)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_SYNC, sizeof(struct rf_GPU_SYNC), VGPU_WAITED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_SYNC *request = call.payload;
    request->scope = RF_SYNC_STREAM;
    request->target = VGPU_WIRE(stream);
    return vgpu_wait(&call, NULL, 0);
}

/* ---- looking before leaping ----
 * A copy of several tiles that leaves its allocation must be refused before its first tile is written, so the executor is
 * asked what lies there. Addresses mapped by hand can span several allocations: there each tile is checked for itself. */

static uint64_t span(const struct vgpu_side *side, const struct vgpu_box *box);

static CUresult probe_send(struct vgpu_call *call, const struct vgpu_side *side)
{
    CUresult error = vgpu_begin(call, RF_POINTER_QUERY, sizeof(struct rf_POINTER_QUERY), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_POINTER_QUERY *)call->payload)->address = (uintptr_t)host_start(side); /* the sum, whatever kind of side */
    vgpu_send(call);
    return CUDA_SUCCESS;
}

static CUresult probe_finish(struct vgpu_call *call, const struct vgpu_side *side, const struct vgpu_box *box)
{
    struct rf_POINTER_QUERY_reply there;
    CUresult error = vgpu_finish(call, &there, sizeof there);
    if (error != CUDA_SUCCESS || there.kind == RF_ALLOC_MAPPING) return error;
    uint64_t bytes = span(side, box), start = (uintptr_t)host_start(side);
    return bytes == 0 || bytes > there.size - (start - there.base) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* ---- the four ways ---- */

static int vouched_side(const struct vgpu_side *side, const struct vgpu_box *box)
{
    if (side->kind == VGPU_SIDE_ARRAY) return 0; /* what lies in an array the executor knows */
    uint64_t bytes = side->kind == VGPU_SIDE_DEVICE ? span(side, box) : 1;
    return bytes != 0 && (side->kind != VGPU_SIDE_DEVICE || vgpu_sure_memory((uintptr_t)host_start(side), bytes));
}

/* Whether the executor will take it as it is. */
static int vouched(const struct vgpu_box *box)
{
    return vgpu_sure_stream(box->stream) && vouched_side(&box->dst, box) && vouched_side(&box->src, box);
}

static int how(const struct vgpu_box *box) { return !box->async ? VGPU_WAITED : vouched(box) ? VGPU_POSTED : VGPU_ACCEPTED; }

static CUresult direct(const struct vgpu_box *box)
{
    struct vgpu_call call;
    struct vgpu_tile all = {.width = box->width, .rows = box->rows, .depth = box->depth};
    CUresult error = begin(&call, box, 0, how(box));
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_COPY *copy = call.payload;
    FILL_GPU(copy, dst, box->dst, &all);
    FILL_GPU(copy, src, box->src, &all);
    extents(copy, &all);
    return box->async ? vgpu_post(&call) : vgpu_wait(&call, NULL, 0);
}

static CUresult upload_inline(const struct vgpu_box *box, const uint8_t *start)
{
    struct vgpu_call call;
    struct vgpu_tile all = {.width = box->width, .rows = box->rows, .depth = box->depth};
    uint8_t packed[INLINE_MAX];
    /* Packed before the record is claimed: a fault in the program's memory must not leave a hole in the ring. */
    vgpu_tile_gather(packed, start, box->src.pitch, box->src.height, &all);
    CUresult error = begin(&call, box, (uint32_t)bytes_of(&all), how(box));
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_COPY *copy = call.payload;
    FILL_GPU(copy, dst, box->dst, &all);
    FILL_PACKED(copy, src, RF_PLACE_INLINE, 0, &all);
    extents(copy, &all);
    memcpy(copy + 1, packed, bytes_of(&all));
    return box->async ? vgpu_post(&call) : vgpu_wait(&call, NULL, 0);
}

static CUresult upload(const struct vgpu_box *box)
{
    const uint8_t *start = host_start(&box->src);
    if (box->width * box->rows * box->depth <= INLINE_MAX) return upload_inline(box, start);
    struct vgpu_tile tile, next;
    vgpu_tile_first(&tile, box->width, box->rows, box->depth, vgpu.chunk_bytes);
    const int posting = vouched(box) ? VGPU_POSTED : VGPU_ACCEPTED;
    for (int first = 1, more = 1; more; first = 0, tile = next) {
        next = tile;
        more = vgpu_tile_next(&next, box->width, box->rows, box->depth, vgpu.chunk_bytes);
        int waited = !more && !box->async, asked = 0;
        uint32_t chunk;
        CUresult error = vgpu_staging_take(1, &chunk);
        if (error != CUDA_SUCCESS) return error;
        struct vgpu_call call;
        if (first && more && box->dst.kind == VGPU_SIDE_DEVICE) asked = (error = probe_send(&call, &box->dst)) == CUDA_SUCCESS;
        /* Packed while the answer is on its way. */
        if (error == CUDA_SUCCESS) vgpu_tile_gather(vgpu_staging_bytes(chunk), start, box->src.pitch, box->src.height, &tile);
        if (asked) error = probe_finish(&call, &box->dst, box);
        if (error == CUDA_SUCCESS) error = begin(&call, box, 0, waited ? VGPU_WAITED : posting);
        if (error != CUDA_SUCCESS) {
            vgpu_staging_free(chunk);
            return error;
        }
        struct rf_GPU_COPY *copy = call.payload;
        FILL_GPU(copy, dst, box->dst, &tile);
        FILL_PACKED(copy, src, RF_PLACE_STAGING, vgpu_staging_offset(chunk), &tile);
        extents(copy, &tile);
        copy->chunk = chunk;
        copy->chunks = 1;
        VGPU_HANDED_OVER(&vgpu.chunks[chunk]);
        error = waited ? vgpu_wait(&call, NULL, 0) : vgpu_post(&call);
        if (error != CUDA_SUCCESS) return error;
    }
    return CUDA_SUCCESS;
}

static CUresult download_inline(const struct vgpu_box *box, uint8_t *start)
{
    struct vgpu_call call;
    struct vgpu_tile all = {.width = box->width, .rows = box->rows, .depth = box->depth};
    uint8_t packed[RF_SLOT_PAYLOAD];
    CUresult error = begin(&call, box, 0, VGPU_WAITED);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_COPY *copy = call.payload;
    FILL_GPU(copy, src, box->src, &all);
    FILL_PACKED(copy, dst, RF_PLACE_INLINE, 0, &all);
    extents(copy, &all);
    error = vgpu_wait(&call, packed, (uint32_t)bytes_of(&all));
    if (error == CUDA_SUCCESS) vgpu_tile_scatter(start, box->dst.pitch, box->dst.height, packed, &all);
    return error;
}

/* One tile that the executor was asked for. */
struct pending {
    struct vgpu_call call;
    struct vgpu_tile tile;
    uint32_t chunk;
};

static CUresult ask(struct pending *p, const struct vgpu_box *box, int wait)
{
    CUresult error = vgpu_staging_take(wait, &p->chunk);
    if (error != CUDA_SUCCESS) return error;
    error = begin(&p->call, box, 0, VGPU_WAITED | (wait ? 0 : VGPU_TRY_SLOT));
    if (error != CUDA_SUCCESS) {
        vgpu_staging_free(p->chunk);
        return error;
    }
    struct rf_GPU_COPY *copy = p->call.payload;
    FILL_GPU(copy, src, box->src, &p->tile);
    FILL_PACKED(copy, dst, RF_PLACE_STAGING, vgpu_staging_offset(p->chunk), &p->tile);
    extents(copy, &p->tile);
    vgpu_send(&p->call);
    return CUDA_SUCCESS;
}

static CUresult take(struct pending *p, const struct vgpu_box *box, uint8_t *start, int keep)
{
    CUresult error = vgpu_finish(&p->call, NULL, 0);
    if (error == CUDA_SUCCESS && keep) vgpu_tile_scatter(start, box->dst.pitch, box->dst.height, vgpu_staging_bytes(p->chunk), &p->tile);
    vgpu_staging_free(p->chunk);
    return error;
}

static CUresult download(const struct vgpu_box *box)
{
    uint8_t *start = host_start(&box->dst);
    uint64_t total = box->width * box->rows * box->depth;
    if (total <= RF_SLOT_PAYLOAD) return download_inline(box, start);
    /* Tiles of a quarter of the copy at most, so that unpacking overlaps with the driver even in a copy of one chunk. */
    uint64_t limit = vgpu.chunk_bytes;
    if (total <= limit && total > 4 * 65536) limit = ((total + 3) / 4 + 4095) & ~4095ull;
    if (total > vgpu.chunk_bytes && box->src.kind == VGPU_SIDE_DEVICE) {
        struct vgpu_call call;
        CUresult error = probe_send(&call, &box->src);
        if (error == CUDA_SUCCESS) error = probe_finish(&call, &box->src, box);
        if (error != CUDA_SUCCESS) return error;
    }
    struct pending ring[AHEAD];
    struct vgpu_tile tile;
    vgpu_tile_first(&tile, box->width, box->rows, box->depth, limit);
    unsigned asked = 0, taken = 0;
    CUresult result = CUDA_SUCCESS;
    for (int more = 1; more || taken < asked;) {
        if (more && result == CUDA_SUCCESS && asked - taken < AHEAD) {
            struct pending *p = &ring[asked % AHEAD];
            p->tile = tile;
            /* Holding chunks, never wait for another: two such threads would wait for each other. */
            CUresult error = ask(p, box, asked == taken);
            if (error == CUDA_SUCCESS) {
                asked++;
                more = vgpu_tile_next(&tile, box->width, box->rows, box->depth, limit);
                continue;
            }
            if (error != CUDA_ERROR_NOT_READY) result = error;
        }
        if (result != CUDA_SUCCESS) more = 0;
        if (taken == asked) continue;
        CUresult error = take(&ring[taken++ % AHEAD], box, start, result == CUDA_SUCCESS);
        if (result == CUDA_SUCCESS) result = error;
    }
    return result;
}

static CUresult host_to_host(const struct vgpu_box *box)
{
    CUresult error = vgpu_sync_stream(box->stream, box->abi);
    if (error != CUDA_SUCCESS) return error;
    for (uint64_t z = 0; z < box->depth; z++)
        for (uint64_t y = 0; y < box->rows; y++)
            memmove(host_start(&box->dst) + (z * box->dst.height + y) * box->dst.pitch,
                    host_start(&box->src) + (z * box->src.height + y) * box->src.pitch, box->width);
    return CUDA_SUCCESS;
}

/* ---- choosing ---- */

/* One past the box's last byte, from the side's first; 0 when that is beyond any address. */
static uint64_t span(const struct vgpu_side *side, const struct vgpu_box *box)
{
    uint64_t slices, rows, bytes;
    if (__builtin_mul_overflow(box->depth - 1, side->height, &slices) || __builtin_add_overflow(slices, box->rows - 1, &rows) ||
        __builtin_mul_overflow(rows, side->pitch, &bytes) || __builtin_add_overflow(bytes, box->width, &bytes))
        return 0;
    return bytes;
}

/* Turns a host side into a pinned one where the executor shares all of it. *ordered: it touches memory that CUDA knows, of
 * which reads must happen in stream order. Returns 0 for memory that cannot be. */
static int resolve(struct vgpu_side *side, const struct vgpu_box *box, int *ordered)
{
    *ordered = 0;
    if (side->kind != VGPU_SIDE_HOST) return 1;
    uint64_t bytes = span(side, box), start = (uintptr_t)host_start(side);
    if (side->base == 0 || bytes == 0 || start + bytes < start) return 0;
    struct vgpu_host_range range;
    if (!vgpu_hostmem_touching(start, start + bytes, &range)) return 1;
    if (start >= range.shared_start && start + bytes <= range.shared_end) {
        side->kind = VGPU_SIDE_PINNED;
        side->base = range.id;
        side->x = range.lead + (start - range.shared_start);
        side->y = side->z = 0;
    } else {
        *ordered = 1;
    }
    return 1;
}

static CUresult run(struct vgpu_box *box)
{
    int source_ordered, ordered;
    if (!resolve(&box->dst, box, &ordered) || !resolve(&box->src, box, &source_ordered)) return CUDA_ERROR_INVALID_VALUE;
    int to_host = box->dst.kind == VGPU_SIDE_HOST, from_host = box->src.kind == VGPU_SIDE_HOST;
    if (to_host) return download(box);
    if (!from_host) return direct(box);
    if (source_ordered && box->async) {
        CUresult error = vgpu_sync_stream(box->stream, box->abi);
        if (error != CUDA_SUCCESS) return error;
    }
    return upload(box);
}

/* For a line that crosses an edge of what the executor shares of a range: how many bytes to the edge. Else all of it. */
static uint64_t up_to_edge(const struct vgpu_side *side, uint64_t width)
{
    struct vgpu_host_range range;
    if (side->kind != VGPU_SIDE_HOST) return width;
    uint64_t start = side->base + side->x;
    if (!vgpu_hostmem_touching(start, start + width, &range) || range.shared_start == range.shared_end) return width;
    const uint64_t edges[] = {range.start, range.shared_start, range.shared_end, range.end};
    for (int i = 0; i < 4; i++)
        if (start < edges[i] && edges[i] < start + width) return edges[i] - start;
    return width;
}

static CUresult run_line(struct vgpu_box *box)
{
    uint64_t width = box->width;
    for (uint64_t done = 0; done < width;) {
        struct vgpu_box part = *box;
        part.dst.x += done;
        part.src.x += done;
        part.width = up_to_edge(&part.src, up_to_edge(&part.dst, width - done));
        part.dst.pitch = part.src.pitch = part.width;
        CUresult error = run(&part);
        if (error != CUDA_SUCCESS) return error;
        done += part.width;
    }
    return CUDA_SUCCESS;
}

static CUmemorytype type_of(const struct vgpu_side *side)
{
    return side->kind == VGPU_SIDE_DEVICE ? CU_MEMORYTYPE_DEVICE : side->kind == VGPU_SIDE_ARRAY ? CU_MEMORYTYPE_ARRAY : CU_MEMORYTYPE_HOST;
}

#define DESCRIBE(name, side)                                                                                                                  \
    .name##XInBytes = (side).x, .name##Y = (side).y, .name##Z = (side).z, .name##LOD = (side).lod, .name##MemoryType = type_of(&(side)),        \
    .name##Host = type_of(&(side)) == CU_MEMORYTYPE_HOST ? (void *)(uintptr_t)(side).base : NULL,                                              \
    .name##Device = type_of(&(side)) == CU_MEMORYTYPE_DEVICE ? (side).base : 0,                                                                \
    .name##Array = type_of(&(side)) == CU_MEMORYTYPE_ARRAY ? (CUarray)(uintptr_t)(side).base : NULL, .name##Pitch = (side).pitch, .name##Height = (side).height

/* While its stream captures, a copy is a node; one that waits cannot be. */
static __attribute__((noinline)) int captured(const struct vgpu_box *box, CUresult *result)
{
    if (!box->async) return (*result = vgpu_capture_refuse(box->stream, box->abi, 1)) != CUDA_SUCCESS;
    const CUDA_MEMCPY3D described = {.WidthInBytes = box->width, .Height = box->rows, .Depth = box->depth, DESCRIBE(src, box->src), DESCRIBE(dst, box->dst)};
    const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy = {.copyParams = described}};
    return vgpu_capture(box->stream, box->abi, &given, result);
}

CUresult vgpu_copy(struct vgpu_box *box)
{
    if (box->width == 0 || box->rows == 0 || box->depth == 0) return vgpu_context_working(NULL);
    if (!vgpu_thread.top) return vgpu_no_context();
    CUresult taken = CUDA_SUCCESS;
    if (graph_capturing() && captured(box, &taken)) return taken;
    uint64_t area, volume;
    if (__builtin_mul_overflow(box->width, box->rows, &area) || __builtin_mul_overflow(area, box->depth, &volume)) return CUDA_ERROR_INVALID_VALUE;
    /* More than any device memory holds: the executor would say so, but only after the program's own memory was read for it. */
    if (volume > vgpu.info.window_size && volume > vgpu.info.host_window_size) return CUDA_ERROR_INVALID_VALUE;
    for (int i = 0; i < 2; i++) {
        struct vgpu_side *side = i ? &box->src : &box->dst;
        if (side->pitch == 0 && side->kind != VGPU_SIDE_ARRAY) side->pitch = side->x + box->width;
        if (side->height == 0) side->height = side->y + box->rows;
        if (side->kind != VGPU_SIDE_HOST) continue;
        if (side->base == 0) return CUDA_ERROR_INVALID_VALUE;
    }
    if (box->dst.kind == VGPU_SIDE_HOST && box->src.kind == VGPU_SIDE_HOST) return host_to_host(box);
    int line = box->rows == 1 && box->depth == 1 && box->dst.y == 0 && box->dst.z == 0 && box->src.y == 0 && box->src.z == 0;
    return line ? run_line(box) : run(box);
}
