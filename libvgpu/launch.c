/* launch.c - kernel launches: packed here, posted, never waited for.
 *
 * What CUDA checks without asking the GPU is checked here, so that the launch itself returns it; everything else is told by the
 * next call that waits. */
#include "launch.h"

#include <string.h>

#include "call.h"
#include "capture.h"
#include "cudart_tables.h"
#include "context.h"
#include "device.h"
#include "hand.h"
#include "happens.h"
#include "staging.h"
#include "sure.h"
#include "thread.h"

#define INLINE_MAX 4096u /* bytes of parameters in a record; more goes through staging */
#define COOPERATIVE 1u

/* An error, unless the call could not be made at all. */
static CUresult refused(CUresult error)
{
    if (vgpu_thread.top) return error;
    return vgpu_no_context();
}

/* Within what the device has. */
static int sides_fit(const struct vgpu_order *order)
{
    const int32_t *limit = vgpu.info.devices[0].attributes;
    for (int i = 0; i < 3; i++) {
        if (order->grid[i] == 0 || order->grid[i] > (uint32_t)limit[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i]) return 0;
        if (order->block[i] == 0 || order->block[i] > (uint32_t)limit[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i]) return 0;
    }
    return 1;
}

static uint32_t threads(const struct vgpu_order *order) { return order->block[0] * order->block[1] * order->block[2]; /* each is at most 1024 */ }

static int shape_fits(const struct vgpu_order *order) { return sides_fit(order) && threads(order) <= order->function->max_threads; }

/* Which error a shape is that does not fit. */
static CUresult misshapen(const struct vgpu_order *order)
{
    const uint32_t most = (uint32_t)vgpu.info.devices[0].attributes[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK];
    const int device_has_it = sides_fit(order) && threads(order) <= most;
    return device_has_it || !rf_cudart_bad_shape ? CUDA_ERROR_INVALID_VALUE : rf_cudart_bad_shape();
}

static int shared_fits(const struct vgpu_order *order)
{
    return order->shared <= atomic_load_explicit(&order->function->max_dynamic_shared, memory_order_relaxed);
}

static CUresult pack(const struct vgpu_order *order, uint8_t *bytes)
{
    if (!order->packed) return vgpu_params_pack(order->function, order->params, order->extra, bytes);
    memcpy(bytes, order->packed, order->function->param_bytes);
    return CUDA_SUCCESS;
}

static void fill(struct rf_LAUNCH *request, const struct vgpu_order *order)
{
    request->function = order->function->handle;
    request->stream = VGPU_WIRE(order->stream);
    request->grid_x = order->grid[0];
    request->grid_y = order->grid[1];
    request->grid_z = order->grid[2];
    request->block_x = order->block[0];
    request->block_y = order->block[1];
    request->block_z = order->block[2];
    request->shared = order->shared;
    request->bytes = order->function->param_bytes;
}

/* With attributes, waited for, or with more parameters than a record should carry. */
static __attribute__((noinline)) CUresult launch_specially(unsigned abi, const struct vgpu_order *order, int waits)
{
    struct vgpu_call call;
    CUlaunchAttribute attributes[VGPU_LAUNCH_ATTRIBUTES_MAX];
    uint8_t packed[INLINE_MAX] = {0};
    uint32_t bytes = order->function->param_bytes, chunk = 0, staged = bytes > INLINE_MAX;
    uint32_t inline_bytes = staged ? 0 : (bytes + 7u) & ~7u, attribute_bytes = order->attribute_count * (uint32_t)sizeof *attributes;
    if (!vgpu_thread.top) return refused(CUDA_SUCCESS);
    if (bytes > vgpu.chunk_bytes) return CUDA_ERROR_INVALID_VALUE;
    /* Out of the program's memory before the record is claimed: reading it may fault. */
    if (attribute_bytes) memcpy(attributes, order->attributes, attribute_bytes);
    CUresult error = staged ? vgpu_staging_take(1, &chunk) : CUDA_SUCCESS;
    if (error != CUDA_SUCCESS) return error;
    if (staged) memset(vgpu_staging_bytes(chunk), 0, bytes);
    error = pack(order, staged ? vgpu_staging_bytes(chunk) : packed);
    if (error == CUDA_SUCCESS)
        error = vgpu_begin(&call, RF_LAUNCH, (uint32_t)sizeof(struct rf_LAUNCH) + inline_bytes + attribute_bytes, waits ? VGPU_WAITED : VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) {
        if (staged) vgpu_staging_free(chunk);
        return error;
    }
    struct rf_LAUNCH *request = call.payload;
    fill(request, order);
    if (order->cooperative) request->flags = COOPERATIVE;
    request->attributes = order->attribute_count;
    request->chunk = chunk;
    request->chunks = staged;
    memcpy(request + 1, packed, inline_bytes);
    memcpy((uint8_t *)(request + 1) + inline_bytes, attributes, attribute_bytes);
    if (staged) VGPU_HANDED_OVER(&vgpu.chunks[chunk]);
    return waits ? vgpu_wait(&call, NULL, 0) : vgpu_post(&call);
}

int vgpu_launch_fits(const struct vgpu_order *order)
{
    return shape_fits(order) && (shared_fits(order) || (vgpu_function_refresh(order->function) == CUDA_SUCCESS && shared_fits(order)));
}

/* While its stream captures, a launch is a kernel node. */
static __attribute__((noinline)) int captured(unsigned abi, CUfunction f, const struct vgpu_order *order, CUresult *result)
{
    CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_KERNEL};
    size_t bytes = order->function->param_bytes;
    void *packed[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)(uintptr_t)order->packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    given.kernel = (CUDA_KERNEL_NODE_PARAMS){.func = f, .gridDimX = order->grid[0], .gridDimY = order->grid[1], .gridDimZ = order->grid[2], .blockDimX = order->block[0],
                                             .blockDimY = order->block[1], .blockDimZ = order->block[2], .sharedMemBytes = order->shared, .kernelParams = order->params,
                                             .extra = order->packed ? packed : order->extra};
    return vgpu_capture_launch(order->stream, abi, &given, order->attributes, order->attribute_count, order->cooperative, result);
}

CUresult vgpu_launch(unsigned abi, CUfunction f, struct vgpu_order *order)
{
    struct vgpu_call call;
    _Alignas(16) uint8_t packed[INLINE_MAX];
    order->function = vgpu_function_find(VGPU_WIRE(f));
    if (__builtin_expect(!order->function, 0)) {
        CUresult error = vgpu_thread.top ? vgpu_function_get(f, &order->function) : refused(CUDA_SUCCESS);
        if (error != CUDA_SUCCESS) return error;
    }
    /* On one of the default streams it runs in the current context, which must be its own. */
    const struct vgpu_context *current = vgpu_thread.top;
    if (__builtin_expect(order->function->context && (uintptr_t)order->stream <= 2 && current && current->handle != order->function->context, 0)) return CUDA_ERROR_INVALID_HANDLE;
    if (__builtin_expect(!shape_fits(order), 0)) return refused(misshapen(order));
    /* A function may have its limit from its kernel: ask before refusing. */
    if (__builtin_expect(!shared_fits(order), 0) && (vgpu_function_refresh(order->function) != CUDA_SUCCESS || !shared_fits(order))) return refused(CUDA_ERROR_INVALID_VALUE);
    CUresult taken = CUDA_SUCCESS;
    if (graph_capturing() && captured(abi, f, order, &taken)) return taken;
    vgpu_thread.launched = 1;
    int waits = order->cooperative || __builtin_expect(!vgpu_sure_stream(order->stream), 0);
    if (__builtin_expect(order->attribute_count != 0, 0)) {
        CUresult error = vgpu_launch_attributes(order->attributes, order->attribute_count, &waits);
        if (error != CUDA_SUCCESS) return refused(error);
    }
    uint32_t bytes = order->function->param_bytes, padded = (bytes + 7u) & ~7u;
    if (__builtin_expect(bytes > INLINE_MAX || waits || order->attribute_count, 0)) return launch_specially(abi, order, waits);
    CUresult error = pack(order, packed);
    if (__builtin_expect(error != CUDA_SUCCESS, 0)) return refused(error);
    error = vgpu_begin(&call, RF_LAUNCH, (uint32_t)sizeof(struct rf_LAUNCH) + padded, VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_LAUNCH *request = call.payload;
    fill(request, order);
    memcpy(request + 1, packed, bytes);
    return vgpu_post(&call);
}

CUresult vgpu_cuLaunchKernel(unsigned abi, CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                             unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra)
{
    struct vgpu_order order = {.grid = {gridDimX, gridDimY, gridDimZ}, .block = {blockDimX, blockDimY, blockDimZ}, .shared = sharedMemBytes, .stream = hStream,
                               .params = kernelParams, .extra = extra};
    return vgpu_launch(abi, f, &order);
}

CUresult vgpu_cuLaunchCooperativeKernel(unsigned abi, CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                                        unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream, void **kernelParams)
{
    struct vgpu_order order = {.grid = {gridDimX, gridDimY, gridDimZ}, .block = {blockDimX, blockDimY, blockDimZ}, .shared = sharedMemBytes, .stream = hStream,
                               .params = kernelParams, .cooperative = 1};
    return vgpu_launch(abi, f, &order);
}

/* One launch on each of several devices: a zone has one. */
CUresult vgpu_cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *launchParamsList, unsigned int numDevices, unsigned int flags)
{
    if (!launchParamsList || numDevices == 0 || numDevices > (unsigned)vgpu_device_count() || flags > 3) return CUDA_ERROR_INVALID_VALUE;
    if (numDevices > 1) return CUDA_ERROR_NOT_SUPPORTED;
    const CUDA_LAUNCH_PARAMS *p = launchParamsList;
    if (!p->hStream || p->hStream == CU_STREAM_LEGACY || p->hStream == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_VALUE; /* none of the default streams, as documented */
    return vgpu_cuLaunchCooperativeKernel(0, p->function, p->gridDimX, p->gridDimY, p->gridDimZ, p->blockDimX, p->blockDimY, p->blockDimZ, p->sharedMemBytes, p->hStream, p->kernelParams);
}

/* ---- cuLaunchKernelEx ---- */

CUresult vgpu_launch_attributes(const CUlaunchAttribute *attributes, uint32_t count, int *waits)
{
    if (count > VGPU_LAUNCH_ATTRIBUTES_MAX) return CUDA_ERROR_INVALID_VALUE;
    for (uint32_t i = 0; i < count; i++) {
        switch ((int)attributes[i].id) {
        case CU_LAUNCH_ATTRIBUTE_IGNORE:
        case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
        case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
        case CU_LAUNCH_ATTRIBUTE_PRIORITY:
        case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
        case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
        case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING: break;
        case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
        case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
        case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
        case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
        case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT:
        case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT:
            if (waits) *waits = 1;
            break;
        case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE: return CUDA_ERROR_NOT_SUPPORTED; /* answers a handle for device code */
        default: return CUDA_ERROR_INVALID_VALUE;
        }
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuLaunchKernelEx(unsigned abi, const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra)
{
    if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_order order = {.grid = {config->gridDimX, config->gridDimY, config->gridDimZ}, .block = {config->blockDimX, config->blockDimY, config->blockDimZ},
                               .shared = config->sharedMemBytes, .stream = config->hStream, .params = kernelParams, .extra = extra,
                               .attributes = config->attrs, .attribute_count = config->numAttrs};
    VGPU_IN_CONTEXT_OF(config->hStream, 0, vgpu_launch(abi, f, &order));
}
