/* managed.c - managed memory and what is advised about it.
 *
 * It is memory that this process, the executor and the GPU share at one address (objects.h): loads and stores of the program go
 * to the very bytes that kernels use, so there is nothing to copy and nothing to wait for beyond what CUDA asks for anyway, and
 * host and GPU may use it at the same time. Advice, prefetches and attachments have nothing to move: they are checked as the
 * driver checks them, and remembered so that they can be asked for. */
#include "managed.h"

#include <stddef.h>
#include <string.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "device.h"
#include "globals.h"
#include "hand.h"
#include "objects.h"
#include "query.h"
#include "ranges.h"
#include "stream.h"

#define HOST_BIT ((uint64_t)1 << 63)
#define ATTRIBUTE_CONCURRENT CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS

CUresult vgpu_cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags)
{
    if (!dptr || bytesize == 0 || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_objects_in_place()) return vgpu_refuse("cuMemAllocManaged (its addresses are taken in this process)", CUDA_ERROR_NOT_SUPPORTED);
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_ALLOC, sizeof(struct rf_GPU_ALLOC), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    const struct vgpu_context *context = vgpu_context_find(NULL);
    *(struct rf_GPU_ALLOC *)call.payload = (struct rf_GPU_ALLOC){.kind = RF_ALLOC_MANAGED, .bytes = bytesize};
    struct rf_GPU_ALLOC_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    uintptr_t base = reply.object_base;
    error = vgpu_object_map(reply.object, reply.object_size, &base);
    if (error == CUDA_SUCCESS) {
        static _Atomic uint64_t ids = 1ull << 49; /* apart from the executor's numbers, and from pinned memory's */
        uint64_t end = reply.address + bytesize;
        struct vgpu_host_range range = {.start = reply.address, .end = end, .shared_start = reply.address, .shared_end = end, .gpu = reply.address,
                                        .id = reply.object, .buffer_id = atomic_fetch_add(&ids, 1), .flags = flags, .managed = 1,
                                        .alone = reply.address == reply.object_base && reply.object_size == vgpu_page_up(bytesize),
                                        .context = context ? (CUcontext)(uintptr_t)context->handle : NULL, .device = context ? context->device : 0};
        error = vgpu_ranges_add(&range) == 0 ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (error != CUDA_SUCCESS) {
        vgpu_cuMemFree_v2(reply.address);
        return error;
    }
    *dptr = reply.address;
    return CUDA_SUCCESS;
}

int vgpu_managed_take(CUdeviceptr address, struct vgpu_host_range *out)
{
    return vgpu_ranges_find((uintptr_t)address, out) && out->managed && out->start == address && vgpu_ranges_remove((uintptr_t)address, out);
}

void vgpu_managed_gone(const struct vgpu_host_range *range)
{
    if (range->alone) vgpu_object_unmap(range->id, range->end - range->start, range->start);
}

void vgpu_managed_context_gone(CUcontext context)
{
    struct vgpu_host_range range;
    while (vgpu_ranges_take_managed(context, &range)) vgpu_managed_gone(&range);
}

/* ---- ranges of it ---- */

/* The managed allocation that holds all of [address, address + count), or the managed variable: then *range is made up, and what
 * is advised about it is not remembered. */
static CUresult managed(CUdeviceptr address, size_t count, struct vgpu_host_range *range)
{
    if (count == 0) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_find((uintptr_t)address, range)) {
        struct rf_POINTER_QUERY_reply there;
        if (!vgpu_globals_has(address) || vgpu_query(address, &there) != CUDA_SUCCESS || there.kind != RF_ALLOC_MANAGED) return CUDA_ERROR_INVALID_VALUE;
        *range = (struct vgpu_host_range){.start = there.base, .end = there.base + there.size, .managed = 1};
    }
    return range->managed && count <= range->end - address ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult remember(const struct vgpu_host_range *range)
{
    return range->buffer_id == 0 || vgpu_ranges_update(range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUmemLocation location_of(CUdevice device)
{
    return device == CU_DEVICE_CPU ? (CUmemLocation){CU_MEM_LOCATION_TYPE_HOST, 0} : (CUmemLocation){CU_MEM_LOCATION_TYPE_DEVICE, device};
}

/* Devices without concurrent access are no place to prefetch to or to be advised of. */
static CUresult check_location(CUmemLocation location, int concurrent)
{
    switch ((int)location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: {
        const struct rf_device_info *device = vgpu_device(location.id);
        return device && (!concurrent || vgpu_device_attribute(device, ATTRIBUTE_CONCURRENT)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    }
    case CU_MEM_LOCATION_TYPE_HOST: case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return location.id >= 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult vgpu_cuStreamAttachMemAsync(unsigned abi, CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags)
{
    struct vgpu_host_range range;
    CUresult error = vgpu_stream_check(hStream);
    if (error == CUDA_SUCCESS && graph_capturing()) error = vgpu_capture_refuse(hStream, abi, 0);
    if (error != CUDA_SUCCESS) return error;
    error = managed(dptr, 1, &range);
    if (error != CUDA_SUCCESS || (length && (dptr != range.start || length != range.end - range.start))) return CUDA_ERROR_INVALID_VALUE;
    if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST && flags != CU_MEM_ATTACH_SINGLE) return CUDA_ERROR_INVALID_VALUE;
    int legacy = hStream == CU_STREAM_LEGACY || (!hStream && !(abi & RF_FLAG_PER_THREAD));
    return flags == CU_MEM_ATTACH_SINGLE && legacy ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* ---- advice ---- */

CUresult vgpu_cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location)
{
    struct vgpu_host_range range;
    if ((int)advice < CU_MEM_ADVISE_SET_READ_MOSTLY || (int)advice > CU_MEM_ADVISE_UNSET_ACCESSED_BY) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = managed(devPtr, count, &range);
    if (error != CUDA_SUCCESS) return error;
    int needs_place = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice == CU_MEM_ADVISE_SET_ACCESSED_BY || advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
    if (needs_place) error = check_location(location, advice != CU_MEM_ADVISE_SET_PREFERRED_LOCATION);
    if (error != CUDA_SUCCESS) return error;
    uint64_t bit = location.type == CU_MEM_LOCATION_TYPE_DEVICE ? (uint64_t)1 << (location.id & 31) : HOST_BIT;
    switch ((int)advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY: range.advice.read_mostly = 1; break;
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY: range.advice.read_mostly = 0; break;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION: range.advice.preferred = location; break;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION: range.advice.preferred = (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_INVALID}; break;
    case CU_MEM_ADVISE_SET_ACCESSED_BY: range.advice.accessed_by |= bit; break;
    default: range.advice.accessed_by &= ~bit; break;
    }
    return remember(&range);
}

CUresult vgpu_cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device)
{
    return vgpu_cuMemAdvise_v2(devPtr, count, advice, location_of(device));
}

/* ---- prefetching and discarding ---- */

CUresult vgpu_cuMemPrefetchAsync_v2(unsigned abi, CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags, CUstream hStream)
{
    struct vgpu_host_range range;
    CUresult error = vgpu_stream_check(hStream);
    if (error == CUDA_SUCCESS && graph_capturing()) error = vgpu_capture_refuse(hStream, abi, 0);
    if (error != CUDA_SUCCESS) return error;
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    error = managed(devPtr, count, &range);
    if (error == CUDA_SUCCESS) error = check_location(location, 1);
    if (error != CUDA_SUCCESS) return error;
    range.advice.prefetched = location;
    return remember(&range);
}

CUresult vgpu_cuMemPrefetchAsync(unsigned abi, CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream)
{
    return vgpu_cuMemPrefetchAsync_v2(abi, devPtr, count, location_of(dstDevice), 0, hStream);
}

/* All is checked before anything is remembered. `places` NULL: the ranges are discarded, and keep their bytes: what is read from
 * discarded memory before it is written is undefined. */
static CUresult batch(CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *places, size_t *starts, size_t place_count,
                      unsigned long long flags, CUstream stream)
{
    struct vgpu_host_range range;
    CUresult error = vgpu_stream_check(stream);
    if (error != CUDA_SUCCESS) return error;
    if (!dptrs || !sizes || !count || flags) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count && error == CUDA_SUCCESS; i++) error = managed(dptrs[i], sizes[i], &range);
    for (size_t i = 0; places && i < place_count && error == CUDA_SUCCESS; i++) {
        if (starts[i] >= count || (i ? starts[i] <= starts[i - 1] : starts[i] != 0)) return CUDA_ERROR_INVALID_VALUE;
        error = check_location(places[i], 1);
    }
    if (error != CUDA_SUCCESS) return error;
    for (size_t i = 0, at = 0; places && i < count; i++) {
        while (at + 1 < place_count && starts[at + 1] <= i) at++;
        if (managed(dptrs[i], sizes[i], &range) != CUDA_SUCCESS) continue; /* another thread has freed it */
        range.advice.prefetched = places[at];
        remember(&range);
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemPrefetchBatchAsync(unsigned abi, CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
                                      size_t numPrefetchLocs, unsigned long long flags, CUstream hStream)
{
    (void)abi;
    if (!prefetchLocs || !prefetchLocIdxs || !numPrefetchLocs || numPrefetchLocs > count) return CUDA_ERROR_INVALID_VALUE;
    return batch(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream);
}

CUresult vgpu_cuMemDiscardBatchAsync(unsigned abi, CUdeviceptr *dptrs, size_t *sizes, size_t count, unsigned long long flags, CUstream hStream)
{
    (void)abi;
    return batch(dptrs, sizes, count, NULL, NULL, 0, flags, hStream);
}

CUresult vgpu_cuMemDiscardAndPrefetchBatchAsync(unsigned abi, CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs,
                                                size_t *prefetchLocIdxs, size_t numPrefetchLocs, unsigned long long flags, CUstream hStream)
{
    return vgpu_cuMemPrefetchBatchAsync(abi, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream);
}

/* ---- asking ---- */

static int id_of(CUmemLocation location)
{
    return location.type == CU_MEM_LOCATION_TYPE_DEVICE ? location.id : location.type == CU_MEM_LOCATION_TYPE_INVALID ? CU_DEVICE_INVALID : CU_DEVICE_CPU;
}

static CUresult attribute(void *data, size_t size, CUmem_range_attribute attribute, const struct vgpu_host_range *range)
{
    int32_t *values = data;
    size_t words = size / sizeof *values;
    if (!data || !size || size % sizeof *values) return CUDA_ERROR_INVALID_VALUE;
    if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
        size_t n = 0;
        if (range->advice.accessed_by & HOST_BIT) values[n++] = CU_DEVICE_CPU;
        for (int device = 0; device < 32 && n < words; device++)
            if (range->advice.accessed_by >> device & 1) values[n++] = device;
        while (n < words) values[n++] = CU_DEVICE_INVALID;
        return CUDA_SUCCESS;
    }
    if (words != 1) return CUDA_ERROR_INVALID_VALUE;
    switch ((int)attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY: *values = range->advice.read_mostly; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION: *values = id_of(range->advice.preferred); return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION: *values = id_of(range->advice.prefetched); return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE: *values = (int32_t)range->advice.preferred.type; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID: *values = range->advice.preferred.id; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE: *values = (int32_t)range->advice.prefetched.type; return CUDA_SUCCESS;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID: *values = range->advice.prefetched.id; return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult vgpu_cuMemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes, size_t numAttributes, CUdeviceptr devPtr, size_t count)
{
    struct vgpu_host_range range;
    if (!data || !dataSizes || !attributes || numAttributes == 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = managed(devPtr, count, &range);
    for (size_t i = 0; i < numAttributes && error == CUDA_SUCCESS; i++) error = attribute(data[i], dataSizes[i], attributes[i], &range);
    return error;
}

CUresult vgpu_cuMemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attribute, CUdeviceptr devPtr, size_t count)
{
    return vgpu_cuMemRangeGetAttributes(&data, &dataSize, &attribute, 1, devPtr, count);
}
