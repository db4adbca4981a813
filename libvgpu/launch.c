/* launch.c - kernel launches: packed here, posted, never waited for.
 *
 * What CUDA checks without asking the GPU is checked here, so that the launch itself returns it; everything else is told by the
 * next call that waits. */
#include <string.h>

#include "call.h"
#include "device.h"
#include "function.h"
#include "hand.h"
#include "happens.h"
#include "staging.h"
#include "thread.h"

#define INLINE_MAX 4096u /* bytes of parameters in a record; more goes through staging */

struct order {
    struct vgpu_function *function;
    uint32_t grid[3], block[3], shared, flags;
    CUstream stream;
    void **params, **extra;
};

/* An error, unless the call could not be made at all. */
static CUresult refused(CUresult error)
{
    if (vgpu_thread.top) return error;
    return vgpu_thread.in_callback ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_INVALID_CONTEXT;
}

static int in_limits(const struct order *order)
{
    const int32_t *limit = vgpu.info.devices[0].attributes;
    for (int i = 0; i < 3; i++) {
        if (order->grid[i] == 0 || order->grid[i] > (uint32_t)limit[CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X + i]) return 0;
        if (order->block[i] == 0 || order->block[i] > (uint32_t)limit[CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X + i]) return 0;
    }
    /* Each is at most 1024, so the product fits. */
    return order->block[0] * order->block[1] * order->block[2] <= order->function->max_threads &&
           order->shared <= atomic_load_explicit(&order->function->max_dynamic_shared, memory_order_relaxed);
}

/* The buffer that `extra` names: pairs of name and value up to CU_LAUNCH_PARAM_END. */
static const void *buffer_of(void **extra, uint32_t bytes)
{
    const void *buffer = NULL;
    size_t size = 0;
    for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[i + 1];
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[i + 1]) size = *(const size_t *)extra[i + 1];
        else return NULL;
    }
    return size >= bytes ? buffer : NULL;
}

/* Copies the parameters out of the program's memory, which may fault: never into a record that is claimed. */
static int pack(const struct order *order, uint8_t *bytes)
{
    const struct vgpu_function *function = order->function;
    if (order->params && order->extra) return 0;
    if (function->param_count == 0) return 1;
    if (order->params) {
        for (uint32_t i = 0; i < function->param_count; i++) {
            const void *param = order->params[i];
            if (!param) return 0;
            memcpy(bytes + function->params[i].offset, param, function->params[i].size);
        }
        return 1;
    }
    const void *buffer = order->extra ? buffer_of(order->extra, function->param_bytes) : NULL;
    if (!buffer) return 0;
    memcpy(bytes, buffer, function->param_bytes);
    return 1;
}

static void fill(struct rf_LAUNCH *request, const struct order *order)
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
    request->flags = order->flags;
    request->bytes = order->function->param_bytes;
}

static __attribute__((noinline)) CUresult launch_staged(unsigned abi, const struct order *order)
{
    struct vgpu_call call;
    uint32_t chunk;
    if (!vgpu_thread.top) return refused(CUDA_SUCCESS);
    if (order->function->param_bytes > vgpu.chunk_bytes) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_staging_take(1, &chunk);
    if (error != CUDA_SUCCESS) return error;
    memset(vgpu_staging_bytes(chunk), 0, order->function->param_bytes);
    error = pack(order, vgpu_staging_bytes(chunk)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    if (error == CUDA_SUCCESS) error = vgpu_begin(&call, RF_LAUNCH, sizeof(struct rf_LAUNCH), VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) {
        vgpu_staging_free(chunk);
        return error;
    }
    struct rf_LAUNCH *request = call.payload;
    fill(request, order);
    request->chunk = chunk;
    request->chunks = 1;
    VGPU_HANDED_OVER(&vgpu.chunks[chunk]);
    return vgpu_post(&call);
}

static CUresult launch(unsigned abi, CUfunction f, struct order *order)
{
    struct vgpu_call call;
    _Alignas(16) uint8_t packed[INLINE_MAX];
    order->function = vgpu_function_find(VGPU_WIRE(f));
    if (__builtin_expect(!order->function, 0)) {
        CUresult error = vgpu_thread.top ? vgpu_function_get(f, &order->function) : refused(CUDA_SUCCESS);
        if (error != CUDA_SUCCESS) return error;
    }
    if (__builtin_expect(!in_limits(order), 0)) return refused(CUDA_ERROR_INVALID_VALUE);
    uint32_t bytes = order->function->param_bytes, padded = (bytes + 7u) & ~7u;
    if (__builtin_expect(bytes > INLINE_MAX, 0)) return launch_staged(abi, order);
    if (__builtin_expect(!pack(order, packed), 0)) return refused(CUDA_ERROR_INVALID_VALUE);
    CUresult error = vgpu_begin(&call, RF_LAUNCH, (uint32_t)sizeof(struct rf_LAUNCH) + padded, VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_LAUNCH *request = call.payload;
    fill(request, order);
    memcpy(request + 1, packed, bytes);
    return vgpu_post(&call);
}

CUresult vgpu_cuLaunchKernel(unsigned abi, CUfunction f, unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY,
                             unsigned int blockDimZ, unsigned int sharedMemBytes, CUstream hStream, void **kernelParams, void **extra)
{
    struct order order = {.grid = {gridDimX, gridDimY, gridDimZ}, .block = {blockDimX, blockDimY, blockDimZ}, .shared = sharedMemBytes, .stream = hStream,
                          .params = kernelParams, .extra = extra};
    return launch(abi, f, &order);
}
