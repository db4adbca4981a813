/* memory.c - device memory: alloc, free, info, what lies around an address; and managed memory's hints.
 *
 * cuMemFree works without a current context (programs free after they popped theirs): the executor finds the owner by the
 * address. The forms of CUDA 2 have 32-bit addresses, in which no zone has memory: allocating by them is refused honestly. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "globals.h"
#include "hand.h"
#include "query.h"

/* ---- allocation ---- */

static CUresult allocate(const struct rf_GPU_ALLOC *what, unsigned abi, struct rf_GPU_ALLOC_reply *reply)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_ALLOC, sizeof *what, VGPU_WAITED, abi);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, what, sizeof *what);
    return vgpu_wait(&call, reply, sizeof *reply);
}

CUresult vgpu_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
    if (!dptr || bytesize == 0) return CUDA_ERROR_INVALID_VALUE;
    struct rf_GPU_ALLOC what = {.kind = RF_ALLOC_DEVICE, .bytes = bytesize};
    struct rf_GPU_ALLOC_reply reply;
    CUresult error = allocate(&what, 0, &reply);
    if (error == CUDA_SUCCESS) *dptr = reply.address;
    return error;
}

CUresult vgpu_cuMemAlloc(CUdeviceptr_v1 *dptr, unsigned int bytesize)
{
    if (!dptr || bytesize == 0) return CUDA_ERROR_INVALID_VALUE;
    return vgpu_refuse("cuMemAlloc (32-bit addresses; cuMemAlloc_v2 is served)", CUDA_ERROR_NOT_SUPPORTED);
}

CUresult vgpu_cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height, unsigned int ElementSizeBytes)
{
    if (!dptr || !pPitch || WidthInBytes == 0 || Height == 0) return CUDA_ERROR_INVALID_VALUE;
    if (ElementSizeBytes != 4 && ElementSizeBytes != 8 && ElementSizeBytes != 16) return CUDA_ERROR_INVALID_VALUE;
    struct rf_GPU_ALLOC what = {.kind = RF_ALLOC_PITCH, .element = ElementSizeBytes, .width = WidthInBytes, .height = Height};
    struct rf_GPU_ALLOC_reply reply;
    CUresult error = allocate(&what, 0, &reply);
    if (error != CUDA_SUCCESS) return error;
    *dptr = reply.address;
    *pPitch = reply.pitch;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemAllocPitch(CUdeviceptr_v1 *dptr, unsigned int *pPitch, unsigned int WidthInBytes, unsigned int Height, unsigned int ElementSizeBytes)
{
    (void)ElementSizeBytes;
    if (!dptr || !pPitch || WidthInBytes == 0 || Height == 0) return CUDA_ERROR_INVALID_VALUE;
    return vgpu_refuse("cuMemAllocPitch (32-bit addresses; cuMemAllocPitch_v2 is served)", CUDA_ERROR_NOT_SUPPORTED);
}

CUresult vgpu_cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
    if (!dptr || bytesize == 0 || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) return CUDA_ERROR_INVALID_VALUE;
    struct rf_GPU_ALLOC what = {.kind = RF_ALLOC_MANAGED, .bytes = bytesize};
    struct rf_GPU_ALLOC_reply reply;
    CUresult error = allocate(&what, 0, &reply);
    if (error == CUDA_SUCCESS) *dptr = reply.address;
    return error;
}

static CUresult allocate_async(unsigned abi, CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream stream)
{
    if (!dptr) return CUDA_ERROR_INVALID_VALUE;
    if (bytesize == 0) { /* documented for the stream-ordered form: success, and an address that may be freed */
        *dptr = 0;
        return CUDA_SUCCESS;
    }
    struct rf_GPU_ALLOC what = {.kind = RF_ALLOC_ASYNC, .bytes = bytesize, .pool = VGPU_WIRE(pool), .stream = VGPU_WIRE(stream)};
    struct rf_GPU_ALLOC_reply reply;
    CUresult error = allocate(&what, abi, &reply);
    if (error == CUDA_SUCCESS) *dptr = reply.address;
    return error;
}

CUresult vgpu_cuMemAllocAsync(unsigned abi, CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
    return allocate_async(abi, dptr, bytesize, NULL, hStream);
}

CUresult vgpu_cuMemAllocFromPoolAsync(unsigned abi, CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream)
{
    return pool ? allocate_async(abi, dptr, bytesize, pool, hStream) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuMemFree_v2(CUdeviceptr dptr)
{
    if (dptr == 0) return CUDA_SUCCESS;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_FREE, sizeof(struct rf_GPU_FREE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_GPU_FREE *)call.payload)->address = dptr;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuMemFree(CUdeviceptr_v1 dptr) { return vgpu_cuMemFree_v2(dptr); }

CUresult vgpu_cuMemFreeAsync(unsigned abi, CUdeviceptr dptr, CUstream hStream)
{
    if (dptr == 0) return CUDA_SUCCESS;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_FREE, sizeof(struct rf_GPU_FREE), VGPU_POSTED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_FREE *request = call.payload;
    request->address = dptr;
    request->stream = VGPU_WIRE(hStream);
    request->async = 1;
    return vgpu_post(&call);
}

/* ---- questions ---- */

CUresult vgpu_cuMemGetInfo_v2(size_t *free, size_t *total)
{
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MEM_INFO, 0, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_INFO_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    *free = reply.free;
    *total = reply.total;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemGetInfo(unsigned int *free, unsigned int *total)
{
    size_t f, t;
    if (!free || !total) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_cuMemGetInfo_v2(&f, &t);
    if (error != CUDA_SUCCESS) return error;
    *free = f > UINT32_MAX ? UINT32_MAX : (unsigned int)f; /* the 32-bit form saturates */
    *total = t > UINT32_MAX ? UINT32_MAX : (unsigned int)t;
    return CUDA_SUCCESS;
}

CUresult vgpu_query(CUdeviceptr address, struct rf_POINTER_QUERY_reply *reply)
{
    if (address - vgpu.info.window_base >= vgpu.info.window_size && !vgpu_globals_has(address)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_POINTER_QUERY, sizeof(struct rf_POINTER_QUERY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_POINTER_QUERY *)call.payload)->address = address;
    return vgpu_wait(&call, reply, sizeof *reply);
}

CUresult vgpu_cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
    struct rf_POINTER_QUERY_reply reply;
    CUresult error = vgpu_query(dptr, &reply);
    if (error == CUDA_ERROR_INVALID_VALUE) return CUDA_ERROR_NOT_FOUND; /* this call's own word for "no such memory" */
    if (error != CUDA_SUCCESS) return error;
    if (pbase) *pbase = reply.base;
    if (psize) *psize = reply.size;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemGetAddressRange(CUdeviceptr_v1 *pbase, unsigned int *psize, CUdeviceptr_v1 dptr)
{
    (void)pbase;
    (void)psize;
    (void)dptr;
    return CUDA_ERROR_NOT_FOUND; /* no memory has a 32-bit address */
}

/* ---- managed memory: kept on the device, so hints have nothing to move; they are checked like real ones ---- */

static CUresult managed_range(CUdeviceptr address, size_t count)
{
    struct rf_POINTER_QUERY_reply reply;
    if (count == 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_query(address, &reply);
    if (error != CUDA_SUCCESS) return error;
    if (reply.kind != RF_ALLOC_MANAGED || count > reply.size - (address - reply.base)) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

static int location_known(CUmemLocation location)
{
    switch ((int)location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: return vgpu_device(location.id) != NULL;
    case CU_MEM_LOCATION_TYPE_HOST: case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return 1;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return location.id >= 0;
    default: return 0;
    }
}

static CUmemLocation location_of(CUdevice device)
{
    return device == CU_DEVICE_CPU ? (CUmemLocation){CU_MEM_LOCATION_TYPE_HOST, 0} : (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, device};
}

CUresult vgpu_cuMemPrefetchAsync_v2(unsigned abi, CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags, CUstream hStream)
{
    (void)abi;
    (void)hStream;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    if (!location_known(location)) return CUDA_ERROR_INVALID_DEVICE;
    return managed_range(devPtr, count);
}

CUresult vgpu_cuMemPrefetchAsync(unsigned abi, CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream)
{
    return vgpu_cuMemPrefetchAsync_v2(abi, devPtr, count, location_of(dstDevice), 0, hStream);
}

CUresult vgpu_cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location)
{
    if ((int)advice < CU_MEM_ADVISE_SET_READ_MOSTLY || (int)advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY) return CUDA_ERROR_INVALID_VALUE;
    int needs_place = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice >= CU_MEM_ADVISE_SET_ACCESSED_BY;
    if (needs_place && !location_known(location)) return CUDA_ERROR_INVALID_DEVICE;
    return managed_range(devPtr, count);
}

CUresult vgpu_cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device)
{
    return vgpu_cuMemAdvise_v2(devPtr, count, advice, location_of(device));
}

CUresult vgpu_cuMemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes, size_t numAttributes, CUdeviceptr devPtr, size_t count)
{
    if (!data || !dataSizes || !attributes || numAttributes == 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = managed_range(devPtr, count);
    if (error != CUDA_SUCCESS) return error;
    for (size_t i = 0; i < numAttributes; i++) {
        if (!data[i] || dataSizes[i] < 4 || dataSizes[i] % 4) return CUDA_ERROR_INVALID_VALUE;
        size_t words = dataSizes[i] / 4;
        int32_t value;
        switch ((int)attributes[i]) {
        case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY: value = 0; break;
        case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION:
        case CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY:
        case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION: value = CU_DEVICE_INVALID; break;
        case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE:
        case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE: value = CU_MEM_LOCATION_TYPE_INVALID; break;
        case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID:
        case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID: value = 0; break;
        default: return CUDA_ERROR_INVALID_VALUE;
        }
        if (attributes[i] != CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY && words != 1) return CUDA_ERROR_INVALID_VALUE;
        for (size_t w = 0; w < words; w++) memcpy((uint8_t *)data[i] + 4 * w, &value, 4);
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attribute, CUdeviceptr devPtr, size_t count)
{
    return vgpu_cuMemRangeGetAttributes(&data, &dataSize, &attribute, 1, devPtr, count);
}

CUresult vgpu_cuStreamAttachMemAsync(unsigned abi, CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags)
{
    (void)abi;
    (void)hStream;
    if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST && flags != CU_MEM_ATTACH_SINGLE) return CUDA_ERROR_INVALID_VALUE;
    return managed_range(dptr, length ? length : 1);
}
