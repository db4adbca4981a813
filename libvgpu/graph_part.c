/* graph_part.c - see graph_part.h; how nodes travel is in proxy/executor/graphs/nodes.ts. */
#include "graph_part.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "function.h"
#include "objects.h"
#include "thread.h"

enum { KERNEL, SET, COPY, EMPTY, CONDITIONAL };

#define HEAD 4u
#define VALUES_MAX 4096u /* bytes of parameters */
#define ATTRIBUTES_MAX 32u
#define PIECE_WORDS 3072u /* of a message: well below a record's limit */

static int in_window(CUdeviceptr address) { return address - vgpu.info.window_base < vgpu.info.window_size; }

static int is_device(CUmemorytype type, CUdeviceptr address) { return (type == CU_MEMORYTYPE_DEVICE || type == CU_MEMORYTYPE_UNIFIED) && in_window(address); }

/* Pinned and managed memory: the executor has it at the same address. */
static int is_pinned(CUmemorytype type, CUdeviceptr device, const void *host)
{
    CUdeviceptr address = type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)(uintptr_t)host : device;
    return type != CU_MEMORYTYPE_ARRAY && vgpu_objects_in_place() && address - vgpu.info.host_window_base < vgpu.info.host_window_size;
}

/* Whether a node is in a body, itself or within child graphs: there nothing goes one by one. */
static int in_body(const struct graph_node *node)
{
    for (const struct graph *graph = node->graph; graph && graph->owner; graph = graph->owner->graph)
        if (graph->owner->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL) return 1;
    return 0;
}

int vgpu_part_can(const struct graph_step *step)
{
    const struct graph_params *params = step->node ? &step->node->params : NULL;
    if (!params) return 1;
    switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_EMPTY:
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: return 1;
    case CU_GRAPH_NODE_TYPE_KERNEL:
        /* Outside of bodies a launch with attributes goes by itself: the driver's word on it is the launch's own. */
        return params->kernel.bytes <= VALUES_MAX && (params->kernel.attribute_count == 0 || (params->kernel.attribute_count <= ATTRIBUTES_MAX && in_body(step->node)));
    case CU_GRAPH_NODE_TYPE_MEMSET: return in_window(params->set.dst) || in_body(step->node); /* pinned memory, variables: the executor knows which */
    case CU_GRAPH_NODE_TYPE_MEMCPY: {
        const CUDA_MEMCPY3D *copy = &params->copy;
        if (!copy->WidthInBytes || !copy->Height || !copy->Depth) return 0;
        int from = is_device(copy->srcMemoryType, copy->srcDevice), to = is_device(copy->dstMemoryType, copy->dstDevice);
        if (from && to) return 1;
        if (!in_body(step->node)) return 0;
        from |= copy->srcMemoryType == CU_MEMORYTYPE_DEVICE || is_pinned(copy->srcMemoryType, copy->srcDevice, copy->srcHost);
        to |= copy->dstMemoryType == CU_MEMORYTYPE_DEVICE || is_pinned(copy->dstMemoryType, copy->dstDevice, copy->dstHost);
        return from && to;
    }
    default: return 0;
    }
}

/* ---- words ---- */

struct words {
    uint32_t *at;
    size_t count, room;
    int failed;
};

static void put(struct words *words, uint32_t value)
{
    if (words->count == words->room) {
        size_t room = words->room ? 2 * words->room : 256;
        uint32_t *at = realloc(words->at, room * sizeof *at);
        if (!at) {
            words->failed = 1;
            return;
        }
        words->at = at;
        words->room = room;
    }
    words->at[words->count++] = value;
}

static void put64(struct words *words, uint64_t value)
{
    put(words, (uint32_t)value);
    put(words, (uint32_t)(value >> 32));
}

static void put_kernel(struct words *words, const struct graph_node *node)
{
    const struct graph_kernel *kernel = &node->params.kernel;
    put64(words, VGPU_WIRE(kernel->function));
    for (int i = 0; i < 3; i++) put(words, kernel->grid[i]);
    for (int i = 0; i < 3; i++) put(words, kernel->block[i]);
    put(words, kernel->shared);
    put(words, (uint32_t)kernel->bytes);
    put(words, !node->disabled);
    put(words, kernel->attribute_count);
    for (size_t i = 0; i < kernel->bytes; i += 8) {
        uint64_t value = 0;
        memcpy(&value, kernel->data + i, kernel->bytes - i < 8 ? kernel->bytes - i : 8);
        put64(words, value);
    }
    for (unsigned i = 0; i < kernel->attribute_count; i++) {
        uint64_t value[sizeof kernel->attributes->value / 8];
        memcpy(value, &kernel->attributes[i].value, sizeof value);
        put64(words, (uint64_t)kernel->attributes[i].id);
        for (size_t k = 0; k < sizeof value / sizeof *value; k++) put64(words, value[k]);
    }
}

static CUdeviceptr address_of(CUmemorytype type, CUdeviceptr device, const void *host) { return type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)(uintptr_t)host : device; }

/* Pitches and heights as the driver means them: 0 is what is copied. */
static void put_end(struct words *words, CUdeviceptr base, size_t x, size_t y, size_t z, size_t pitch, size_t height, const CUDA_MEMCPY3D *copy)
{
    if (!pitch) pitch = x + copy->WidthInBytes;
    if (!height) height = y + copy->Height;
    put64(words, base + (z * height + y) * pitch + x);
    put64(words, pitch);
    put64(words, height);
}

/* A node's body; returns its kind. `next_body`: the number that the first body of a conditional gets. */
static uint32_t put_body(struct words *words, const struct graph_node *node, uint32_t *next_body)
{
    switch (node ? (int)node->params.type : CU_GRAPH_NODE_TYPE_EMPTY) {
    case CU_GRAPH_NODE_TYPE_KERNEL: put_kernel(words, node); return KERNEL;
    case CU_GRAPH_NODE_TYPE_MEMSET: {
        const CUDA_MEMSET_NODE_PARAMS_v1 *set = &node->params.set;
        put64(words, set->dst);
        put64(words, set->pitch);
        put64(words, set->width);
        put64(words, set->height);
        put(words, set->value);
        put(words, set->elementSize);
        put(words, !node->disabled);
        put(words, 0);
        return SET;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: {
        const CUDA_MEMCPY3D *copy = &node->params.copy;
        put_end(words, address_of(copy->srcMemoryType, copy->srcDevice, copy->srcHost), copy->srcXInBytes, copy->srcY, copy->srcZ, copy->srcPitch, copy->srcHeight, copy);
        put_end(words, address_of(copy->dstMemoryType, copy->dstDevice, copy->dstHost), copy->dstXInBytes, copy->dstY, copy->dstZ, copy->dstPitch, copy->dstHeight, copy);
        put64(words, copy->WidthInBytes);
        put64(words, copy->Height);
        put64(words, copy->Depth);
        put(words, !node->disabled);
        put(words, 0);
        return COPY;
    }
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: {
        const struct graph_params *params = &node->params;
        const struct graph_condition *condition = graph_condition_find(node);
        put64(words, params->conditional.handle);
        put(words, (uint32_t)params->conditional.type);
        put(words, params->conditional.size);
        put(words, condition ? condition->initial : 0);
        put(words, condition ? condition->flags : 0);
        put(words, *next_body);
        put(words, 0);
        *next_body += params->conditional.size;
        return CONDITIONAL;
    }
    default: return EMPTY;
    }
}

/* A step as a node of graph number `graph`; its dependencies are steps [from, from + ...) of the plan, numbered from `base` on. */
static void put_step(struct words *words, const struct graph_plan *plan, uint32_t index, uint32_t from, uint32_t base, uint32_t graph, uint32_t *next_body)
{
    const struct graph_step *step = &plan->steps[index];
    size_t start = words->count;
    uint32_t count = 0;
    for (uint32_t i = 0; i < HEAD; i++) put(words, 0);
    for (uint32_t i = 0; i < step->count; i++) {
        uint32_t dependency = plan->dependencies[step->first + i];
        if (dependency < from) continue; /* of a part before: the stream's order sees to it */
        put(words, base + dependency - from);
        count++;
    }
    if (count & 1) put(words, 0);
    uint32_t kind = put_body(words, step->node, next_body);
    if (words->failed) return;
    words->at[start] = kind;
    words->at[start + 1] = (uint32_t)(words->count - start);
    words->at[start + 2] = graph;
    words->at[start + 3] = count;
}

/* ---- sending ---- */

static CUresult send_words(uint64_t build, const struct words *words)
{
    for (size_t done = 0; done < words->count;) {
        size_t piece = words->count - done < PIECE_WORDS ? words->count - done : PIECE_WORDS;
        struct vgpu_call call;
        CUresult error = vgpu_begin(&call, RF_GRAPH_NODES, (uint32_t)(sizeof(struct rf_GRAPH_NODES) + piece * 4), VGPU_POSTED | VGPU_ANY_CONTEXT, 0);
        if (error != CUDA_SUCCESS) return error;
        struct rf_GRAPH_NODES *request = call.payload;
        request->build = build;
        request->words = (uint32_t)piece;
        memcpy(request + 1, words->at + done, piece * 4);
        vgpu_post(&call);
        done += piece;
    }
    return CUDA_SUCCESS;
}

struct body {
    const struct graph_plan *plan;
    uint32_t graph;
};

/* Bodies in the order of their numbers: those of the conditionals among the steps, then of those in them. */
static CUresult note_bodies(const struct graph_plan *plan, uint32_t first, uint32_t count, struct body **list, uint32_t *known)
{
    for (uint32_t i = first; i < first + count; i++) {
        const struct graph_step *step = &plan->steps[i];
        if (!step->bodies) continue;
        uint32_t size = step->node->params.conditional.size;
        struct body *grown = realloc(*list, (*known + size) * sizeof **list);
        if (!grown) return CUDA_ERROR_OUT_OF_MEMORY;
        *list = grown;
        for (uint32_t k = 0; k < size; k++) {
            grown[*known] = (struct body){&step->bodies[k], *known + 1};
            ++*known;
        }
    }
    return CUDA_SUCCESS;
}

static CUresult put_graph(struct words *words, const struct graph_plan *plan, uint32_t first, uint32_t count, uint32_t graph, struct vgpu_part *part, uint32_t *numbered,
                          uint32_t *next_body, struct graph_node **error)
{
    uint32_t base = *numbered;
    for (uint32_t i = first; i < first + count; i++) {
        struct graph_node *node = plan->steps[i].node;
        if (!vgpu_part_can(&plan->steps[i])) {
            *error = node;
            return CUDA_ERROR_NOT_SUPPORTED;
        }
        put_step(words, plan, i, first, base, graph, next_body);
        if (node) {
            node->part = part;
            node->number = *numbered;
        }
        ++*numbered;
    }
    return words->failed ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult vgpu_part_make(const struct graph_plan *plan, struct vgpu_part *part, CUcontext context, struct graph_node **error)
{
    static uint64_t builds; /* under the lock */
    struct words words = {0};
    struct body *bodies = NULL;
    uint32_t known = 0, numbered = 0, next_body = 1;
    CUresult result = put_graph(&words, plan, part->first, part->count, 0, part, &numbered, &next_body, error);
    if (result == CUDA_SUCCESS) result = note_bodies(plan, part->first, part->count, &bodies, &known);
    for (uint32_t i = 0; i < known && result == CUDA_SUCCESS; i++) {
        const struct body body = bodies[i];
        result = put_graph(&words, body.plan, 0, body.plan->count, body.graph, part, &numbered, &next_body, error);
        if (result == CUDA_SUCCESS) result = note_bodies(body.plan, 0, body.plan->count, &bodies, &known);
    }
    uint64_t build = ++builds;
    if (result == CUDA_SUCCESS) result = send_words(build, &words);
    struct vgpu_call call;
    if (result == CUDA_SUCCESS) result = vgpu_begin(&call, RF_GRAPH_MAKE, sizeof(struct rf_GRAPH_MAKE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (result == CUDA_SUCCESS) {
        struct rf_GRAPH_MAKE_reply reply;
        struct rf_GRAPH_MAKE *request = call.payload;
        request->build = build;
        request->context = VGPU_WIRE(context);
        request->nodes = numbered;
        request->graphs = next_body;
        result = vgpu_wait(&call, &reply, sizeof reply);
        if (result == CUDA_SUCCESS) part->handle = reply.graph;
    }
    free(words.at);
    free(bodies);
    return result;
}

CUresult vgpu_part_set(const struct graph_node *node, int last)
{
    const struct vgpu_part *part = node->part;
    struct words words = {0};
    uint32_t next_body = 0;
    struct graph_step step = {.node = (struct graph_node *)(uintptr_t)node};
    const struct graph_plan plan = {.steps = &step, .count = 1};
    put_step(&words, &plan, 0, 0, 0, 0, &next_body);
    if (words.failed) {
        free(words.at);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GRAPH_SET, (uint32_t)(sizeof(struct rf_GRAPH_SET) + words.count * 4), (last ? VGPU_WAITED : VGPU_POSTED) | VGPU_ANY_CONTEXT, 0);
    if (error == CUDA_SUCCESS) {
        struct rf_GRAPH_SET *request = call.payload;
        request->graph = part->handle;
        request->node = node->number;
        request->words = (uint32_t)words.count;
        memcpy(request + 1, words.at, words.count * 4);
        error = last ? vgpu_wait(&call, NULL, 0) : vgpu_post(&call);
    }
    free(words.at);
    return error;
}

CUresult vgpu_part_launch(const struct vgpu_part *part, CUstream stream, unsigned abi)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GRAPH_LAUNCH, sizeof(struct rf_GRAPH_LAUNCH), VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GRAPH_LAUNCH *request = call.payload;
    request->graph = part->handle;
    request->stream = VGPU_WIRE(stream);
    vgpu_thread.launched = 1;
    return vgpu_post(&call);
}

void vgpu_part_end(const struct vgpu_part *part)
{
    struct vgpu_call call;
    if (vgpu_begin(&call, RF_GRAPH_END, sizeof(struct rf_GRAPH_END), VGPU_POSTED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) return;
    ((struct rf_GRAPH_END *)call.payload)->graph = part->handle;
    vgpu_post(&call);
}
