/*
 * Hints about managed memory: checked and remembered, so that they can be asked for; they move nothing, as the memory
 * of this GPU is where both sides reach it anyway.
 */
#include "capture.h"
#include "context.h"
#include "range.h"
#include "settings.h"
#include "space.h"
#include "stream.h"

#define HOST_BIT ((uint64_t)1 << 63)

static CUmemLocation location_of(CUdevice device) {
  return device == CU_DEVICE_CPU ? (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST} : (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
}

static CUresult check_location(const CUmemLocation *location) {
  switch ((int)location->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
      return location->id >= 0 && location->id < rf_settings.devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

/* The managed allocation that holds all of a range. */
static CUresult find(const char *call, CUdeviceptr address, uint64_t size, struct rf_range *range) {
  if (size && rf_range_find(address, range) && range->kind == RF_RANGE_MANAGED && size <= range->size - (address - range->base))
    return CUDA_SUCCESS;
  rf_space_complain(call, "what should be managed memory,", address, size);
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult advise(const char *call, CUdeviceptr address, uint64_t size, CUmem_advise advice, CUmemLocation location) {
  RF_TRY(rf_enter(call));
  struct rf_range range;
  RF_TRY(find(call, address, size, &range));
  const bool needs_location = advice == CU_MEM_ADVISE_SET_PREFERRED_LOCATION || advice == CU_MEM_ADVISE_SET_ACCESSED_BY ||
                              advice == CU_MEM_ADVISE_UNSET_ACCESSED_BY;
  if (needs_location) RF_TRY(check_location(&location));
  const uint64_t bit = location.type == CU_MEM_LOCATION_TYPE_DEVICE ? (uint64_t)1 << (location.id & 31) : HOST_BIT;
  switch ((int)advice) {
    case CU_MEM_ADVISE_SET_READ_MOSTLY: range.read_mostly = true; break;
    case CU_MEM_ADVISE_UNSET_READ_MOSTLY: range.read_mostly = false; break;
    case CU_MEM_ADVISE_SET_PREFERRED_LOCATION: range.preferred = location; break;
    case CU_MEM_ADVISE_UNSET_PREFERRED_LOCATION: range.preferred = (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_INVALID}; break;
    case CU_MEM_ADVISE_SET_ACCESSED_BY: range.accessed_by |= bit; break;
    case CU_MEM_ADVISE_UNSET_ACCESSED_BY: range.accessed_by &= ~bit; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return rf_range_update(&range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAdvise(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUdevice device) {
  return advise(__func__, devPtr, count, advice, location_of(device));
}

CUresult cuMemAdvise_v2(CUdeviceptr devPtr, size_t count, CUmem_advise advice, CUmemLocation location) {
  return advise(__func__, devPtr, count, advice, location);
}

static CUresult prefetch(const char *call, CUdeviceptr address, uint64_t size, CUmemLocation location, unsigned flags, CUstream handle,
                         CUstream null_stream) {
  struct stream *stream = NULL;
  struct rf_range range;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_stream_find(handle, null_stream, &stream));
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(call, address, size, &range));
  RF_TRY(check_location(&location));
  RF_TRY(rf_capture_refuse(stream));
  range.prefetched = location;
  rf_range_update(&range);
  const struct rf_op op = {.kind = RF_OP_NOTHING, .call = call};
  return rf_submit(stream, &op, RF_LATER, true);
}

RF_TWIN(cuMemPrefetchAsync, _ptsz, (CUdeviceptr devPtr, size_t count, CUdevice dstDevice, CUstream hStream),
        prefetch(call, devPtr, count, location_of(dstDevice), 0, hStream, null_stream))
RF_TWIN(cuMemPrefetchAsync_v2, _ptsz, (CUdeviceptr devPtr, size_t count, CUmemLocation location, unsigned int flags, CUstream hStream),
        prefetch(call, devPtr, count, location, flags, hStream, null_stream))

/* ---- batches ------------------------------------------------------------------------------------------------------ */

/* All is checked before anything is done. `locations` NULL: ranges are discarded, and keep their bytes: what is read
 * from discarded memory before it is written is undefined, so the old bytes are as good as any. */
static CUresult batch(const char *call, const CUdeviceptr *addresses, const size_t *sizes, size_t count, const CUmemLocation *locations,
                      const size_t *starts, size_t location_count, unsigned long long flags, CUstream handle, CUstream null_stream) {
  struct stream *stream = NULL;
  struct rf_range range;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_stream_find(handle, null_stream, &stream));
  if (!addresses || !sizes || !count || flags) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_capture_refuse(stream));
  for (size_t i = 0; i < count; i++) RF_TRY(find(call, addresses[i], sizes[i], &range));
  for (size_t i = 0; locations && i < location_count; i++) {
    if (starts[i] >= count || (i ? starts[i] <= starts[i - 1] : starts[i] != 0)) return CUDA_ERROR_INVALID_VALUE;
    RF_TRY(check_location(&locations[i]));
  }
  for (size_t i = 0, at = 0; locations && i < count; i++) {
    while (at + 1 < location_count && starts[at + 1] <= i) at++;
    if (!rf_range_find(addresses[i], &range)) continue;
    range.prefetched = locations[at];
    rf_range_update(&range);
  }
  const struct rf_op op = {.kind = RF_OP_NOTHING, .call = call};
  return rf_submit(stream, &op, RF_LATER, true);
}

static CUresult prefetch_batch(const char *call, const CUdeviceptr *addresses, const size_t *sizes, size_t count, const CUmemLocation *locations,
                               const size_t *starts, size_t location_count, unsigned long long flags, CUstream handle, CUstream null_stream) {
  if (!locations || !starts || !location_count || location_count > count) return CUDA_ERROR_INVALID_VALUE;
  return batch(call, addresses, sizes, count, locations, starts, location_count, flags, handle, null_stream);
}

RF_TWIN(cuMemPrefetchBatchAsync, _ptsz,
        (CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs, size_t numPrefetchLocs,
         unsigned long long flags, CUstream hStream),
        prefetch_batch(call, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream, null_stream))
RF_TWIN(cuMemDiscardAndPrefetchBatchAsync, _ptsz,
        (CUdeviceptr *dptrs, size_t *sizes, size_t count, CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs, size_t numPrefetchLocs,
         unsigned long long flags, CUstream hStream),
        prefetch_batch(call, dptrs, sizes, count, prefetchLocs, prefetchLocIdxs, numPrefetchLocs, flags, hStream, null_stream))
RF_TWIN(cuMemDiscardBatchAsync, _ptsz, (CUdeviceptr *dptrs, size_t *sizes, size_t count, unsigned long long flags, CUstream hStream),
        batch(call, dptrs, sizes, count, NULL, NULL, 0, flags, hStream, null_stream))

/* ---- asking ------------------------------------------------------------------------------------------------------- */

static int id_of(CUmemLocation location) {
  return location.type == CU_MEM_LOCATION_TYPE_DEVICE    ? location.id
         : location.type == CU_MEM_LOCATION_TYPE_INVALID ? CU_DEVICE_INVALID
                                                         : CU_DEVICE_CPU;
}

static CUresult attribute(void *data, size_t size, CUmem_range_attribute attribute, const struct rf_range *range) {
  int *const values = data;
  if (!data || size % sizeof *values || !size) return CUDA_ERROR_INVALID_VALUE;
  if (attribute == CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY) {
    size_t n = 0;
    if (range->accessed_by & HOST_BIT && n < size / sizeof *values) values[n++] = CU_DEVICE_CPU;
    for (int device = 0; device < 32 && n < size / sizeof *values; device++)
      if (range->accessed_by >> device & 1) values[n++] = device;
    while (n < size / sizeof *values) values[n++] = CU_DEVICE_INVALID;
    return CUDA_SUCCESS;
  }
  if (size != sizeof *values) return CUDA_ERROR_INVALID_VALUE;
  switch ((int)attribute) {
    case CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY: *values = range->read_mostly; break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION: *values = id_of(range->preferred); break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION: *values = id_of(range->prefetched); break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_TYPE: *values = (int)range->preferred.type; break;
    case CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION_ID: *values = range->preferred.id; break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE: *values = (int)range->prefetched.type; break;
    case CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_ID: *values = range->prefetched.id; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemRangeGetAttribute(void *data, size_t dataSize, CUmem_range_attribute attr, CUdeviceptr devPtr, size_t count) {
  RF_ENTER();
  struct rf_range range;
  RF_TRY(find(__func__, devPtr, count, &range));
  return attribute(data, dataSize, attr, &range);
}

CUresult cuMemRangeGetAttributes(void **data, size_t *dataSizes, CUmem_range_attribute *attributes, size_t numAttributes, CUdeviceptr devPtr,
                                 size_t count) {
  RF_ENTER();
  struct rf_range range;
  if (!data || !dataSizes || !attributes || !numAttributes) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(__func__, devPtr, count, &range));
  for (size_t i = 0; i < numAttributes; i++) RF_TRY(attribute(data[i], dataSizes[i], attributes[i], &range));
  return CUDA_SUCCESS;
}
