/* graph.c - what graphs (idm/graphs/) ask of the client, and how an executable graph is launched.
 *
 * Graphs are this process's own data: making, capturing and changing one sends nothing. A launch goes over the ring as what its
 * nodes are, in an order that honours every dependency: kernels, copies, sets, host functions, events, memory operations. So
 * each node gets the checks, the quota and the behaviour that its call has, host functions run here, and pageable memory is read
 * and written when its turn comes.
 *
 * One launch of an executable graph runs at a time: each records an event, and one in another stream waits for it. Putting a
 * launch together may block (pageable memory, a full ring), so it is done without the lock; `busy` keeps others away meanwhile.
 *
 * Stretches of nodes that the device does alone are made into graphs of the driver's when the graph is instantiated, and are one
 * message each (graph_part.h). Conditionals are possible only so. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "env.h"
#include "function.h"
#include "graph_part.h"
#include "hand.h"
#include "launch.h"
#include "sure.h"
#include "thread.h"

struct backend {
    CUevent event;             /* recorded behind each launch */
    struct graph_stream last;  /* the stream of the last one */
    int launched, busy;
    struct vgpu_part *parts;   /* of the plan, in order; all steps are in one */
    uint32_t part_count;
};

/* ---- streams, contexts, events ---- */

CUresult graph_env_stream(CUstream handle, unsigned abi, struct graph_stream *stream)
{
    int thread = handle == CU_STREAM_PER_THREAD || (!handle && abi & RF_FLAG_PER_THREAD);
    *stream = (struct graph_stream){.handle = handle, .key = VGPU_WIRE(handle)};
    if (!thread && handle && handle != CU_STREAM_LEGACY) {
        unsigned flags;
        const uint64_t known = vgpu_sure_context(VGPU_WIRE(handle));
        if (!known) return cuStreamGetFlags(handle, &flags); /* of no stream: its error */
        const struct vgpu_context *whose = vgpu_context_find((CUcontext)(uintptr_t)known);
        return whose ? (CUresult)atomic_load_explicit(&whose->fault, memory_order_relaxed) : CUDA_SUCCESS;
    }
    struct vgpu_context *context = vgpu_context_find(NULL);
    if (!context) return vgpu_no_context();
    if (thread && vgpu_thread.index == 0) vgpu_thread_enter();
    /* Below every handle, and no two alike. */
    stream->key = context->id << 32 | (thread ? vgpu_thread.index : 0);
    stream->context = context->id;
    stream->legacy = !thread;
    stream->blocking = thread;
    return CUDA_SUCCESS;
}

CUresult graph_env_member(struct graph_stream *stream)
{
    if (stream->context) return CUDA_SUCCESS; /* a default stream */
    unsigned flags = 0;
    CUcontext handle = NULL;
    CUresult error = cuStreamGetFlags(stream->handle, &flags);
    if (error == CUDA_SUCCESS) error = vgpu_cuStreamGetCtx(0, stream->handle, &handle);
    if (error != CUDA_SUCCESS) return error;
    struct vgpu_context *context = vgpu_context_find(handle);
    if (!context) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    stream->context = context->id;
    stream->blocking = !(flags & CU_STREAM_NON_BLOCKING);
    return CUDA_SUCCESS;
}

CUresult graph_env_context(CUcontext given, CUcontext *handle, uint64_t *key, CUdevice *device)
{
    struct vgpu_context *context = vgpu_context_find(given);
    if (!context) return given ? CUDA_ERROR_INVALID_CONTEXT : vgpu_no_context();
    *handle = (CUcontext)(uintptr_t)context->handle;
    *key = context->id;
    *device = context->device;
    return CUDA_SUCCESS;
}

CUresult graph_env_event(CUevent event) { return event ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE; }
CUresult graph_env_device(CUdevice device) { return vgpu_device(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; }

/* ---- nodes ---- */

CUresult graph_env_layout(CUfunction handle, CUcontext context, struct graph_layout *layout)
{
    struct vgpu_function *function = vgpu_function_find(VGPU_WIRE(handle));
    (void)context;
    if (!function) {
        CUresult error = vgpu_function_get(handle, &function);
        if (error != CUDA_SUCCESS) return error;
    }
    layout->count = function->param_count;
    layout->bytes = function->param_bytes;
    layout->offsets = malloc((layout->count + 1) * 2 * sizeof *layout->offsets);
    if (!layout->offsets) return CUDA_ERROR_OUT_OF_MEMORY;
    layout->sizes = layout->offsets + layout->count;
    for (size_t i = 0; i < layout->count; i++) {
        layout->offsets[i] = function->params[i].offset;
        layout->sizes[i] = function->params[i].size;
    }
    return CUDA_SUCCESS;
}

static struct vgpu_order order_of(const struct graph_kernel *kernel, CUstream stream)
{
    struct vgpu_order order = {.function = vgpu_function_find(VGPU_WIRE(kernel->function)), .shared = kernel->shared, .stream = stream, .packed = kernel->data,
                               .attributes = kernel->attributes, .attribute_count = kernel->attribute_count};
    memcpy(order.grid, kernel->grid, sizeof order.grid);
    memcpy(order.block, kernel->block, sizeof order.block);
    return order;
}

static int known_memop(const CUstreamBatchMemOpParams *op)
{
    int wide = op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64 || op->operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
    int narrow = op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 || op->operation == CU_STREAM_MEM_OP_WRITE_VALUE_32;
    if (wide || narrow) return op->waitValue.address % (wide ? 8 : 4) == 0;
    return op->operation == CU_STREAM_MEM_OP_BARRIER;
}

/* What can be told without asking; addresses are checked at the launch, as those of any call. */
CUresult graph_env_check(const struct graph_params *params)
{
    switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
        struct vgpu_order order = order_of(&params->kernel, NULL);
        return order.function && vgpu_launch_fits(&order) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: {
        const CUDA_MEMCPY3D *copy = &params->copy;
        if ((unsigned)copy->srcMemoryType - 1 >= CU_MEMORYTYPE_UNIFIED || (unsigned)copy->dstMemoryType - 1 >= CU_MEMORYTYPE_UNIFIED) return CUDA_ERROR_INVALID_VALUE;
        if ((copy->srcMemoryType == CU_MEMORYTYPE_HOST && !copy->srcHost) || (copy->dstMemoryType == CU_MEMORYTYPE_HOST && !copy->dstHost)) return CUDA_ERROR_INVALID_VALUE;
        return CUDA_SUCCESS;
    }
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
        for (unsigned i = 0; i < params->memops.count; i++)
            if (!known_memop(&params->memops.list[i])) return CUDA_ERROR_INVALID_VALUE;
        return CUDA_SUCCESS;
    default: return CUDA_SUCCESS;
    }
}

/* The bytes behind an allocation node: the zone's, counted from here on. */
CUresult graph_env_allocate(CUcontext context, CUdevice device, size_t bytes, CUdeviceptr *address)
{
    struct vgpu_call call;
    struct rf_GPU_ALLOC_reply reply;
    (void)context;
    (void)device;
    CUresult error = vgpu_begin(&call, RF_GPU_ALLOC, sizeof(struct rf_GPU_ALLOC), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_ALLOC *request = call.payload;
    request->kind = RF_ALLOC_DEVICE;
    request->bytes = bytes;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    vgpu_sure_memory_add(reply.address, bytes, 0);
    *address = reply.address;
    return CUDA_SUCCESS;
}

/* Free for others when all that was given to the GPU is done: nobody waits here. */
void graph_env_release(CUdeviceptr address)
{
    struct vgpu_call call;
    if (vgpu_begin(&call, RF_GPU_FREE, sizeof(struct rf_GPU_FREE), VGPU_POSTED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) return;
    ((struct rf_GPU_FREE *)call.payload)->address = address;
    vgpu_sure_memory_remove(address);
    vgpu_post(&call);
}

/* Kernels are given this number; where it stands among their parameters the executor puts the driver's handle, so it is one that
 * cannot stand there by chance. */
CUresult graph_env_condition(unsigned initial, unsigned flags, uint64_t *number)
{
    (void)initial;
    (void)flags;
    do {
        if (getrandom(number, sizeof *number, 0) != sizeof *number) return CUDA_ERROR_OPERATING_SYSTEM;
    } while (*number >> 48 == 0);
    return CUDA_SUCCESS;
}

void graph_env_condition_release(uint64_t number) { (void)number; }

/* ---- executable graphs ---- */

/* Our own event: not the calls for events, which look whether it was captured, under the lock. */
static void await_event(CUevent event)
{
    struct vgpu_call call;
    if (vgpu_begin(&call, RF_GPU_SYNC, sizeof(struct rf_GPU_SYNC), VGPU_WAITED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) return;
    struct rf_GPU_SYNC *request = call.payload;
    request->scope = RF_SYNC_EVENT;
    request->target = VGPU_WIRE(event);
    vgpu_wait(&call, NULL, 0);
}

static void end_event(CUevent event)
{
    struct vgpu_call call;
    if (vgpu_begin(&call, RF_EVENT_DESTROY, sizeof(struct rf_EVENT_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) return;
    ((struct rf_EVENT_DESTROY *)call.payload)->event = VGPU_WIRE(event);
    vgpu_wait(&call, NULL, 0);
}

/* Fewer nodes than this are as quickly sent one by one. More than these, or more edges, the executor would make in one go while others of the
 * zone wait: the next part goes behind them in the stream. What is in a conditional cannot be divided; its bound is the executor's. */
#define PART_LEAST 3
#define PART_MOST 4096u
#define PART_EDGES_MOST 32768u

/* A step's nodes, those of its bodies included, and the edges among them and to steps from `first` on. */
static void weigh(const struct graph_plan *plan, const struct graph_step *step, uint32_t first, size_t *nodes, size_t *edges)
{
    ++*nodes;
    for (uint32_t i = 0; i < step->count; i++) *edges += plan->dependencies[step->first + i] >= first;
    for (unsigned k = 0; step->bodies && k < step->node->params.conditional.size; k++)
        for (uint32_t i = 0; i < step->bodies[k].count; i++) weigh(&step->bodies[k], &step->bodies[k].steps[i], 0, nodes, edges);
}

/* Stretches of steps that the device does alone become graphs of the driver's; what is between them goes step by step. */
static CUresult divide(struct graph_exec *exec, struct backend *backend, struct graph_node **error)
{
    const struct graph_plan *plan = &exec->plan;
    for (uint32_t first = 0, end; first < plan->count; first = end) {
        CUcontext context = NULL;
        size_t nodes = 0, edges = 0;
        for (end = first; end < plan->count && vgpu_part_can(&plan->steps[end]); end++) {
            const struct graph_node *node = plan->steps[end].node;
            weigh(plan, &plan->steps[end], first, &nodes, &edges);
            if (end != first && (nodes > PART_MOST || edges > PART_EDGES_MOST)) break;
            if (!node || !node->params.context) continue;
            if (context && node->params.context != context) break;
            context = node->params.context;
        }
        struct vgpu_part part = {.first = first, .count = end - first};
        if (end == first) part.count = 1, end = first + 1;
        struct vgpu_part *list = realloc(backend->parts, (backend->part_count + 1) * sizeof *list);
        if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
        backend->parts = list;
        list[backend->part_count++] = part;
    }
    /* Nodes point to their part: the list does not move any more. */
    for (uint32_t i = 0; i < backend->part_count; i++) {
        struct vgpu_part *part = &backend->parts[i];
        CUcontext context = NULL;
        uint32_t nodes = 0;
        int conditional = 0;
        for (uint32_t k = part->first; k < part->first + part->count; k++) {
            const struct graph_node *node = plan->steps[k].node;
            if (!node || !node->params.context || !vgpu_part_can(&plan->steps[k])) continue;
            context = node->params.context;
            nodes++;
            conditional |= node->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
        }
        if (!conditional && nodes < PART_LEAST) continue;
        CUresult result = vgpu_part_make(plan, part, context, error);
        if (result != CUDA_SUCCESS) return result;
    }
    return CUDA_SUCCESS;
}

static void end_parts(struct backend *backend)
{
    for (uint32_t i = 0; i < backend->part_count; i++)
        if (backend->parts[i].handle) vgpu_part_end(&backend->parts[i]);
    free(backend->parts);
}

CUresult graph_env_instantiate(struct graph_exec *exec, struct graph_node **error)
{
    struct backend *backend = calloc(1, sizeof *backend);
    if (!backend) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = cuEventCreate(&backend->event, CU_EVENT_DISABLE_TIMING);
    if (result == CUDA_SUCCESS) {
        result = divide(exec, backend, error);
        if (result != CUDA_SUCCESS) {
            end_parts(backend);
            end_event(backend->event);
        }
    }
    if (result != CUDA_SUCCESS) free(backend);
    else exec->backend = backend;
    return result;
}

/* A node of a part that no longer fits there: its part goes one by one from now on, which is right for all but conditionals. */
static CUresult dissolve(struct graph_exec *exec, struct vgpu_part *part)
{
    for (uint32_t i = part->first; i < part->first + part->count; i++)
        if (exec->plan.steps[i].bodies) return CUDA_ERROR_NOT_SUPPORTED;
    vgpu_part_end(part);
    part->handle = 0;
    return CUDA_SUCCESS;
}

CUresult graph_env_update(struct graph_exec *exec, struct graph_node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct vgpu_part *part = nodes[i]->part;
        struct graph_step step = {.node = nodes[i]};
        if (!part || !part->handle) continue; /* launches read the node */
        CUresult error = vgpu_part_can(&step) ? vgpu_part_set(nodes[i], i + 1 == count) : dissolve(exec, part);
        if (error != CUDA_SUCCESS) return error;
    }
    return CUDA_SUCCESS;
}

void graph_env_settle(struct graph_exec *exec)
{
    uint64_t handle = exec->handle;
    while (exec && ((struct backend *)exec->backend)->busy) {
        graph_sleep();
        exec = graph_handle_find(GRAPH_KIND_EXEC, handle);
    }
}

void graph_env_destroy(struct graph_exec *exec)
{
    struct backend *backend = exec->backend;
    /* What user objects guard may be in use until the last launch is over. */
    if (exec->graph->object_count && backend->launched) await_event(backend->event);
    end_event(backend->event);
    end_parts(backend);
    free(backend);
    graph_free(exec->graph);
}

/* ---- launching ---- */

static CUresult give(const struct graph_node *node, CUstream stream, unsigned abi)
{
    const struct graph_params *params = &node->params;
    switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
        struct vgpu_order order = order_of(&params->kernel, stream);
        return vgpu_launch(abi, params->kernel.function, &order);
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: return vgpu_cuMemcpy3DAsync_v2(abi, &params->copy, stream);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
        const CUDA_MEMSET_NODE_PARAMS_v1 *set = &params->set;
        if (set->elementSize == 1) return vgpu_cuMemsetD2D8Async(abi, set->dst, set->pitch, (unsigned char)set->value, set->width, set->height, stream);
        if (set->elementSize == 2) return vgpu_cuMemsetD2D16Async(abi, set->dst, set->pitch, (unsigned short)set->value, set->width, set->height, stream);
        return vgpu_cuMemsetD2D32Async(abi, set->dst, set->pitch, set->value, set->width, set->height, stream);
    }
    case CU_GRAPH_NODE_TYPE_HOST: return vgpu_cuLaunchHostFunc(abi, stream, params->host.fn, params->host.userData);
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return vgpu_cuStreamBatchMemOp_v2(abi, stream, params->memops.count, params->memops.list, 0);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return abi ? cuEventRecord_ptsz(params->event, stream) : cuEventRecord(params->event, stream);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: return abi ? cuStreamWaitEvent_ptsz(stream, params->event, 0) : cuStreamWaitEvent(stream, params->event, 0);
    default: return CUDA_SUCCESS; /* empty nodes; memory nodes, whose memory is there */
    }
}

/* Whether a copy reads memory of the program that a host function of the same launch may have to write first. */
static int reads_late(const struct graph_node *node)
{
    if (node->params.type != CU_GRAPH_NODE_TYPE_MEMCPY) return 0;
    CUmemorytype from = node->params.copy.srcMemoryType;
    return from == CU_MEMORYTYPE_HOST || from == CU_MEMORYTYPE_UNIFIED;
}

static CUresult give_steps(const struct graph_exec *exec, const struct vgpu_part *part, int *host_before, CUstream stream, unsigned abi)
{
    int host = *host_before;
    for (uint32_t i = part->first; i < part->first + part->count; i++) {
        const struct graph_node *node = exec->plan.steps[i].node;
        if (!node || node->disabled) continue;
        CUresult error = host && reads_late(node) ? vgpu_sync_stream(stream, abi) : CUDA_SUCCESS;
        if (error == CUDA_SUCCESS) error = give(node, stream, abi);
        if (error != CUDA_SUCCESS) return error;
        host = node->params.type == CU_GRAPH_NODE_TYPE_HOST || (host && !reads_late(node));
    }
    *host_before = host;
    return CUDA_SUCCESS;
}

static CUresult give_all(const struct graph_exec *exec, CUstream stream, unsigned abi)
{
    const struct backend *backend = exec->backend;
    int host = 0;
    for (uint32_t i = 0; i < backend->part_count; i++) {
        const struct vgpu_part *part = &backend->parts[i];
        CUresult error = part->handle ? vgpu_part_launch(part, stream, abi) : give_steps(exec, part, &host, stream, abi);
        if (error != CUDA_SUCCESS) return error;
    }
    return CUDA_SUCCESS;
}

CUresult graph_env_launch(struct graph_exec *exec, CUstream handle, unsigned abi)
{
    struct backend *backend = exec->backend;
    struct graph_stream stream;
    CUresult error = graph_env_stream(handle, abi, &stream);
    if (error != CUDA_SUCCESS) return error;
    backend->busy = 1;
    graph_unlock();
    if (backend->launched && backend->last.key != stream.key)
        error = abi ? cuStreamWaitEvent_ptsz(handle, backend->event, 0) : cuStreamWaitEvent(handle, backend->event, 0);
    if (error == CUDA_SUCCESS) error = give_all(exec, handle, abi);
    if (error == CUDA_SUCCESS) error = abi ? cuEventRecord_ptsz(backend->event, handle) : cuEventRecord(backend->event, handle);
    graph_lock();
    backend->last = stream;
    backend->launched = 1;
    backend->busy = 0;
    graph_wake();
    return error;
}

/* Nothing has to be there in advance. The stream must be one. */
CUresult graph_env_upload(struct graph_exec *exec, CUstream handle, unsigned abi)
{
    struct graph_stream stream;
    (void)exec;
    return graph_env_stream(handle, abi, &stream);
}
