/* pool.c - memory pools. Allocation from them is in memory.c; none of these calls needs a current context. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "device.h"
#include "hand.h"
#include "token.h"

static CUresult begin(struct vgpu_call *call, uint16_t message, uint32_t bytes)
{
    return vgpu_begin(call, message, bytes, VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
}

/* `which` as POOL_OF_DEVICE has it: 0 default, 1 current, 2 make `set` current. */
static CUresult pool_of_device(CUdevice dev, uint32_t which, CUmemoryPool set, CUmemoryPool *out)
{
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_OF_DEVICE, sizeof(struct rf_POOL_OF_DEVICE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_OF_DEVICE *request = call.payload;
    request->device = vgpu_device_to_wire(dev);
    request->which = which;
    request->pool = VGPU_WIRE(set);
    struct rf_POOL_OF_DEVICE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS && out) *out = (CUmemoryPool)(uintptr_t)reply.pool;
    return error;
}

CUresult vgpu_cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev)
{
    return pool_out ? pool_of_device(dev, 0, NULL, pool_out) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev)
{
    return pool ? pool_of_device(dev, 1, NULL, pool) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool)
{
    return pool ? pool_of_device(dev, 2, pool, NULL) : CUDA_ERROR_INVALID_VALUE;
}

/* By location, since CUDA 13: only pinned memory on a device has pools here. */
static CUresult located(const CUmemLocation *location, CUmemAllocationType type, CUdevice *dev)
{
    if (!location || (type != CU_MEM_ALLOCATION_TYPE_PINNED && type != CU_MEM_ALLOCATION_TYPE_MANAGED)) return CUDA_ERROR_INVALID_VALUE;
    if (location->type != CU_MEM_LOCATION_TYPE_DEVICE || type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_NOT_SUPPORTED;
    *dev = location->id;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemGetDefaultMemPool(CUmemoryPool *pool_out, CUmemLocation *location, CUmemAllocationType type)
{
    CUdevice dev;
    CUresult error = located(location, type, &dev);
    return error ? error : vgpu_cuDeviceGetDefaultMemPool(pool_out, dev);
}

CUresult vgpu_cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type)
{
    CUdevice dev;
    CUresult error = located(location, type, &dev);
    return error ? error : vgpu_cuDeviceGetMemPool(pool, dev);
}

CUresult vgpu_cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool)
{
    CUdevice dev;
    CUresult error = located(location, type, &dev);
    return error ? error : vgpu_cuDeviceSetMemPool(dev, pool);
}

CUresult vgpu_cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps)
{
    if (!pool || !poolProps || poolProps->allocType != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
    switch ((int)poolProps->location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: break;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE; /* HOST_NUMA_CURRENT too: so documented */
    }
    if (!vgpu_device(poolProps->location.id)) return CUDA_ERROR_INVALID_DEVICE;
    if (poolProps->handleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED; /* Windows, other machines */
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_CREATE, sizeof(struct rf_POOL_CREATE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_CREATE *request = call.payload;
    request->type = (uint32_t)poolProps->allocType;
    request->handle_types = (uint32_t)poolProps->handleTypes;
    request->location_type = (uint32_t)poolProps->location.type;
    request->location = vgpu_device_to_wire(poolProps->location.id);
    request->max_size = poolProps->maxSize;
    struct rf_POOL_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *pool = (CUmemoryPool)(uintptr_t)reply.pool;
    return error;
}

/* ---- between processes of one zone ---- */

static const char given[] = "Ringfence pool memory, one zone";

_Static_assert(sizeof(CUmemPoolPtrExportData) == 64 && sizeof given == 32 && sizeof(struct vgpu_token) == 32, "mark and number fill it");

CUresult vgpu_cuMemPoolExportToShareableHandle(void *handle_out, CUmemoryPool pool, CUmemAllocationHandleType handleType, unsigned long long flags)
{
    if (!handle_out || !pool || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    return vgpu_token_export(VGPU_TOKEN_POOL, VGPU_WIRE(pool), handle_out);
}

CUresult vgpu_cuMemPoolImportFromShareableHandle(CUmemoryPool *pool_out, void *handle, CUmemAllocationHandleType handleType, unsigned long long flags)
{
    if (!pool_out || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (handleType != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) return CUDA_ERROR_NOT_SUPPORTED;
    uint64_t pool;
    CUresult error = vgpu_token_import(VGPU_TOKEN_POOL, (int)(intptr_t)handle, &pool);
    if (error == CUDA_SUCCESS) *pool_out = (CUmemoryPool)(uintptr_t)pool;
    return error;
}

CUresult vgpu_cuMemPoolExportPointer(CUmemPoolPtrExportData *shareData_out, CUdeviceptr ptr)
{
    if (!shareData_out) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_GIVE, sizeof(struct rf_POOL_GIVE));
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_POOL_GIVE *)call.payload)->address = ptr;
    struct vgpu_token token;
    error = vgpu_wait(&call, &token, sizeof token);
    if (error != CUDA_SUCCESS) return error;
    memcpy(shareData_out->reserved, &token, sizeof token);
    memcpy(shareData_out->reserved + sizeof token, given, sizeof given);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemPoolImportPointer(CUdeviceptr *ptr_out, CUmemoryPool pool, CUmemPoolPtrExportData *shareData)
{
    if (!ptr_out || !pool || !shareData || memcmp(shareData->reserved + sizeof(struct vgpu_token), given, sizeof given) != 0) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_TAKE, sizeof(struct rf_POOL_TAKE));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_TAKE *request = call.payload;
    request->pool = VGPU_WIRE(pool);
    memcpy(&request->token0, shareData->reserved, sizeof(struct vgpu_token));
    struct rf_POOL_TAKE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *ptr_out = reply.address;
    return error;
}

CUresult vgpu_cuMemPoolDestroy(CUmemoryPool pool)
{
    struct vgpu_call call;
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = begin(&call, RF_POOL_DESTROY, sizeof(struct rf_POOL_DESTROY));
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_POOL_DESTROY *)call.payload)->pool = VGPU_WIRE(pool);
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep)
{
    struct vgpu_call call;
    if (!pool) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = begin(&call, RF_POOL_TRIM, sizeof(struct rf_POOL_TRIM));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_TRIM *request = call.payload;
    request->pool = VGPU_WIRE(pool);
    request->keep = minBytesToKeep;
    return vgpu_wait(&call, NULL, 0);
}

/* The first three attributes are ints, the rest 64-bit. */
static int is_int(CUmemPool_attribute attr) { return attr <= CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES; }

static int is_attribute(CUmemPool_attribute attr)
{
    return (int)attr >= CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES && (int)attr <= CU_MEMPOOL_ATTR_USED_MEM_HIGH;
}

static CUresult get_attribute(CUmemoryPool pool, CUmemPool_attribute attr, uint64_t *value)
{
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_GET, sizeof(struct rf_POOL_GET));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_GET *request = call.payload;
    request->pool = VGPU_WIRE(pool);
    request->attribute = (uint32_t)attr;
    struct rf_POOL_GET_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *value = reply.value;
    return error;
}

CUresult vgpu_cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
    uint64_t wide;
    if (!pool || !value || !is_attribute(attr)) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = get_attribute(pool, attr, &wide);
    if (error == CUDA_SUCCESS) memcpy(value, &wide, is_int(attr) ? sizeof(int) : sizeof wide);
    return error;
}

CUresult vgpu_cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value)
{
    if (!pool || !value || !is_attribute(attr)) return CUDA_ERROR_INVALID_VALUE;
    if (attr == CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT || attr == CU_MEMPOOL_ATTR_USED_MEM_CURRENT) return CUDA_ERROR_INVALID_VALUE; /* read only */
    uint64_t wide = 0;
    memcpy(&wide, value, is_int(attr) ? sizeof(int) : sizeof wide);
    if (attr >= CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT && wide != 0) return CUDA_ERROR_INVALID_VALUE; /* high-water marks can be reset only */
    struct vgpu_call call;
    CUresult error = begin(&call, RF_POOL_SET, sizeof(struct rf_POOL_SET));
    if (error != CUDA_SUCCESS) return error;
    struct rf_POOL_SET *request = call.payload;
    request->pool = VGPU_WIRE(pool);
    request->attribute = (uint32_t)attr;
    request->value = wide;
    return vgpu_wait(&call, NULL, 0);
}

/* Access: a zone's device sees its own pools and no other device does; asking the pool tells whether it is one. */
CUresult vgpu_cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count)
{
    if (!pool || !map || count == 0) return CUDA_ERROR_INVALID_VALUE;
    uint64_t ignored;
    CUresult error = get_attribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &ignored);
    if (error != CUDA_SUCCESS) return error;
    for (size_t i = 0; i < count; i++) {
        if (map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
        if (!vgpu_device(map[i].location.id)) return CUDA_ERROR_INVALID_DEVICE;
        if (map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE) return CUDA_ERROR_INVALID_VALUE; /* a device cannot lose its own pool */
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool memPool, CUmemLocation *location)
{
    if (!flags || !memPool || !location || location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
    uint64_t ignored;
    CUresult error = get_attribute(memPool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &ignored);
    if (error == CUDA_SUCCESS) *flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    return error;
}
