/* attribute.c - what functions and kernels say of themselves, and what may be set; occupancy. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "device.h"
#include "function.h"
#include "hand.h"
#include "launch.h"

#define WARP 32u

/* ---- attributes: a kernel's concern no context, a function's the current one ---- */

static CUresult get(uint64_t handle, CUfunction_attribute attribute, int *value, int flags)
{
    struct vgpu_call call;
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_GET, sizeof(struct rf_FUNCTION_GET), VGPU_WAITED | flags, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_FUNCTION_GET *request = call.payload;
    request->function = handle;
    request->attribute = (uint32_t)attribute;
    struct rf_FUNCTION_GET_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *value = reply.value;
    return error;
}

static CUresult set(uint64_t handle, CUfunction_attribute attribute, int value, int flags)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_SET, sizeof(struct rf_FUNCTION_SET), VGPU_WAITED | flags, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_FUNCTION_SET *request = call.payload;
    request->function = handle;
    request->attribute = (uint32_t)attribute;
    request->value = value;
    struct rf_FUNCTION_SET_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    struct vgpu_function *function = vgpu_function_find(handle);
    if (error == CUDA_SUCCESS && function) atomic_store_explicit(&function->max_dynamic_shared, reply.max_dynamic_shared, memory_order_relaxed);
    return error;
}

CUresult vgpu_cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc) { return get(VGPU_WIRE(hfunc), attrib, pi, 0); }
CUresult vgpu_cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value) { return set(VGPU_WIRE(hfunc), attrib, value, 0); }

CUresult vgpu_cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel, CUdevice dev)
{
    return vgpu_device(dev) ? get(VGPU_WIRE(kernel), attrib, pi, VGPU_ANY_CONTEXT) : CUDA_ERROR_INVALID_DEVICE;
}

CUresult vgpu_cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel, CUdevice dev)
{
    return vgpu_device(dev) ? set(VGPU_WIRE(kernel), attrib, val, VGPU_ANY_CONTEXT) : CUDA_ERROR_INVALID_DEVICE;
}

/* ---- preferences ---- */

static CUresult prefer(uint64_t handle, uint32_t what, uint32_t value, uint32_t last, int flags)
{
    struct vgpu_call call;
    if (value > last) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_PREFER, sizeof(struct rf_FUNCTION_PREFER), VGPU_WAITED | flags, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_FUNCTION_PREFER *request = call.payload;
    request->function = handle;
    request->what = what;
    request->value = value;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config) { return prefer(VGPU_WIRE(hfunc), 0, (uint32_t)config, CU_FUNC_CACHE_PREFER_EQUAL, 0); }

CUresult vgpu_cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
    return prefer(VGPU_WIRE(hfunc), 1, (uint32_t)config, CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE, 0);
}

CUresult vgpu_cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice dev)
{
    return vgpu_device(dev) ? prefer(VGPU_WIRE(kernel), 0, (uint32_t)config, CU_FUNC_CACHE_PREFER_EQUAL, VGPU_ANY_CONTEXT) : CUDA_ERROR_INVALID_DEVICE;
}

/* ---- loading ---- */

static CUresult loading(CUfunction function, uint32_t load, CUfunctionLoadingState *state)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_LOAD, sizeof(struct rf_FUNCTION_LOAD), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_FUNCTION_LOAD *request = call.payload;
    request->function = VGPU_WIRE(function);
    request->load = load;
    struct rf_FUNCTION_LOAD_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS && state) *state = (CUfunctionLoadingState)reply.state;
    return error;
}

CUresult vgpu_cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function) { return state ? loading(function, 0, state) : CUDA_ERROR_INVALID_VALUE; }
CUresult vgpu_cuFuncLoad(CUfunction function) { return loading(function, 1, NULL); }

/* ---- occupancy ---- */

static CUresult occupancy(CUfunction function, uint32_t what, int blocks, int block, uint64_t shared, unsigned flags, uint64_t *value)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_OCCUPANCY, sizeof(struct rf_OCCUPANCY), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_OCCUPANCY *request = call.payload;
    request->function = VGPU_WIRE(function);
    request->shared = shared;
    request->block = block;
    request->flags = flags;
    request->blocks = blocks;
    request->what = what;
    struct rf_OCCUPANCY_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *value = reply.value;
    return error;
}

CUresult vgpu_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize, unsigned int flags)
{
    uint64_t value;
    if (!numBlocks || blockSize <= 0 || flags > 1) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = occupancy(func, 0, 0, blockSize, dynamicSMemSize, flags, &value);
    if (error == CUDA_SUCCESS) *numBlocks = (int)value;
    return error;
}

CUresult vgpu_cuOccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize)
{
    return vgpu_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(numBlocks, func, blockSize, dynamicSMemSize, 0);
}

CUresult vgpu_cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func, int numBlocks, int blockSize)
{
    uint64_t value;
    if (!dynamicSmemSize || numBlocks <= 0 || blockSize <= 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = occupancy(func, 1, numBlocks, blockSize, 0, 0, &value);
    if (error == CUDA_SUCCESS) *dynamicSmemSize = (size_t)value;
    return error;
}

/* The program's function says how much shared memory a block of each size needs, so the sizes are tried here: from the largest down in
 * whole warps, and a smaller one wins only if it keeps more threads resident. */
CUresult vgpu_cuOccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize, CUfunction func, CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize,
                                                        int blockSizeLimit, unsigned int flags)
{
    struct vgpu_function *function;
    if (!minGridSize || !blockSize || blockSizeLimit < 0 || flags > 1) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_function_get(func, &function);
    if (error != CUDA_SUCCESS) return error;
    const struct rf_device_info *device = &vgpu.info.devices[0];
    uint32_t limit = function->max_threads < 1024 ? function->max_threads : 1024, best = 0, best_size = 0, best_blocks = 0;
    const uint32_t most = (uint32_t)vgpu_device_attribute(device, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR);
    if (blockSizeLimit && (uint32_t)blockSizeLimit < limit) limit = (uint32_t)blockSizeLimit;
    for (uint32_t size = limit; size > 0 && (best == 0 || best < most); size = (size - 1) / WARP * WARP) {
        uint64_t blocks;
        size_t shared = blockSizeToDynamicSMemSize ? blockSizeToDynamicSMemSize((int)size) : dynamicSMemSize;
        error = occupancy(func, 0, 0, (int)size, shared, flags, &blocks);
        if (error != CUDA_SUCCESS) return error;
        if ((uint32_t)blocks * size <= best) continue;
        best = (uint32_t)blocks * size;
        best_size = size;
        best_blocks = (uint32_t)blocks;
    }
    if (best == 0) return CUDA_ERROR_INVALID_VALUE;
    *minGridSize = (int)(best_blocks * (uint32_t)vgpu_device_attribute(device, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
    *blockSize = (int)best_size;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func, CUoccupancyB2DSize blockSizeToDynamicSMemSize, size_t dynamicSMemSize, int blockSizeLimit)
{
    return vgpu_cuOccupancyMaxPotentialBlockSizeWithFlags(minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit, 0);
}

static CUresult clusters(int *value, CUfunction function, const CUlaunchConfig *config, uint32_t what)
{
    struct vgpu_call call;
    CUlaunchAttribute attributes[VGPU_LAUNCH_ATTRIBUTES_MAX];
    if (!value || !config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_launch_attributes(config->attrs, config->numAttrs, NULL);
    if (error != CUDA_SUCCESS) return error;
    uint32_t bytes = config->numAttrs * (uint32_t)sizeof *attributes;
    if (bytes) memcpy(attributes, config->attrs, bytes);
    error = vgpu_begin(&call, RF_OCCUPANCY_CLUSTERS, (uint32_t)sizeof(struct rf_OCCUPANCY_CLUSTERS) + bytes, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_OCCUPANCY_CLUSTERS *request = call.payload;
    request->function = VGPU_WIRE(function);
    request->grid_x = config->gridDimX;
    request->grid_y = config->gridDimY;
    request->grid_z = config->gridDimZ;
    request->block_x = config->blockDimX;
    request->block_y = config->blockDimY;
    request->block_z = config->blockDimZ;
    request->shared = config->sharedMemBytes;
    request->what = what;
    request->attributes = config->numAttrs;
    memcpy(request + 1, attributes, bytes);
    struct rf_OCCUPANCY_CLUSTERS_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *value = reply.value;
    return error;
}

CUresult vgpu_cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config) { return clusters(clusterSize, func, config, 0); }
CUresult vgpu_cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config) { return clusters(numClusters, func, config, 1); }
