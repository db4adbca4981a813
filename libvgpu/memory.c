/* memory.c - device memory: alloc, free, info, what lies around an address. Managed memory: managed.c.
 *
 * cuMemFree works without a current context (programs free after they popped theirs): the executor finds the owner by the
 * address. The forms of CUDA 2 have 32-bit addresses, in which no zone has memory: allocating by them is refused honestly. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "globals.h"
#include "hand.h"
#include "managed.h"
#include "query.h"
#include "stream.h"
#include "sure.h"

/* ---- allocation ---- */

static CUresult allocate(const struct rf_GPU_ALLOC *what, unsigned abi, struct rf_GPU_ALLOC_reply *reply)
{
    struct vgpu_call call;
    CUresult error = what->kind == RF_ALLOC_ASYNC ? CUDA_SUCCESS : vgpu_capture_unsafe();
    if (error == CUDA_SUCCESS) error = vgpu_begin(&call, RF_GPU_ALLOC, sizeof *what, VGPU_WAITED, abi);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, what, sizeof *what);
    error = vgpu_wait(&call, reply, sizeof *reply);
    if (error == CUDA_SUCCESS) vgpu_sure_memory_add(reply->address, what->kind == RF_ALLOC_PITCH ? reply->pitch * what->height : what->bytes, 0);
    return error;
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
    if (vgpu_thread.top && WidthInBytes > (size_t)vgpu_device(vgpu_thread.top->device)->attributes[CU_DEVICE_ATTRIBUTE_MAX_PITCH]) return CUDA_ERROR_INVALID_VALUE;
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

static CUresult allocate_async(unsigned abi, CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream stream)
{
    if (!dptr) return CUDA_ERROR_INVALID_VALUE;
    if (bytesize == 0) { /* documented for the stream-ordered form: success, and an address that may be freed */
        *dptr = 0;
        return CUDA_SUCCESS;
    }
    if (graph_capturing()) {
        struct graph_stream where;
        const CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = vgpu_thread.top ? vgpu_thread.top->device : 0}};
        CUresult taken = graph_env_stream(stream, abi, &where);
        if (taken == CUDA_SUCCESS && graph_capture_allocate(&where, NULL, &properties, bytesize, dptr, &taken)) return taken;
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
    CUresult taken = vgpu_capture_unsafe();
    if (taken != CUDA_SUCCESS || graph_memory_free(dptr, &taken)) return taken;
    struct vgpu_host_range range;
    int managed = vgpu_managed_take(dptr, &range);
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_FREE, sizeof(struct rf_GPU_FREE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_GPU_FREE *)call.payload)->address = dptr;
    vgpu_sure_memory_remove(dptr); /* before another thread can be given it */
    error = vgpu_wait(&call, NULL, 0);
    if (managed) vgpu_managed_gone(&range);
    return error;
}

CUresult vgpu_cuMemFree(CUdeviceptr_v1 dptr) { return vgpu_cuMemFree_v2(dptr); }

CUresult vgpu_cuMemFreeAsync(unsigned abi, CUdeviceptr dptr, CUstream hStream)
{
    if (dptr == 0) return CUDA_SUCCESS;
    const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free = {dptr}};
    CUresult taken = CUDA_SUCCESS;
    if (graph_capturing() && vgpu_capture(hStream, abi, &given, &taken)) return taken;
    if (graph_memory_free(dptr, &taken)) return taken;
    struct vgpu_call call;
    const int sure = vgpu_sure_stream(hStream) && vgpu_sure_begins(dptr);
    CUresult error = vgpu_begin(&call, RF_GPU_FREE, sizeof(struct rf_GPU_FREE), sure ? VGPU_POSTED : VGPU_ACCEPTED, abi);
    if (error != CUDA_SUCCESS) return error;
    if (sure) vgpu_sure_memory_remove(dptr);
    struct rf_GPU_FREE *request = call.payload;
    request->address = dptr;
    request->stream = VGPU_WIRE(hStream);
    request->async = 1;
    return vgpu_post(&call);
}

/* ---- questions ---- */

/* Either may be NULL: drivers fill in what they are given a place for. */
CUresult vgpu_cuMemGetInfo_v2(size_t *free, size_t *total)
{
    if (!free && !total) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MEM_INFO, 0, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_MEM_INFO_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    if (free) *free = reply.free;
    if (total) *total = reply.total;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemGetInfo(unsigned int *free, unsigned int *total)
{
    size_t f, t;
    if (!free && !total) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_cuMemGetInfo_v2(&f, &t);
    if (error != CUDA_SUCCESS) return error;
    if (free) *free = f > UINT32_MAX ? UINT32_MAX : (unsigned int)f; /* the 32-bit form saturates */
    if (total) *total = t > UINT32_MAX ? UINT32_MAX : (unsigned int)t;
    return CUDA_SUCCESS;
}

CUresult vgpu_query(CUdeviceptr address, struct rf_POINTER_QUERY_reply *reply)
{
    if (address - vgpu.info.window_base >= vgpu.info.window_size && address - vgpu.info.host_window_base >= vgpu.info.host_window_size &&
        !vgpu_globals_has(address))
        return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_POINTER_QUERY, sizeof(struct rf_POINTER_QUERY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_POINTER_QUERY *)call.payload)->address = address;
    return vgpu_wait(&call, reply, sizeof *reply);
}

CUresult vgpu_cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr)
{
    struct rf_POINTER_QUERY_reply reply;
    CUresult error = vgpu_context_working(NULL);
    if (error == CUDA_SUCCESS) error = vgpu_query(dptr, &reply);
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
