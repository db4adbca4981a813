/* What is known of a pointer: its allocation, kind, owner. Pointers that the GPU does not know are no error here. */
#include "card.h"
#include "context.h"
#include "range.h"
#include "settings.h"
#include "space.h"
#include "vmm.h"

struct known {
  enum { UNKNOWN, ON_DEVICE, ON_HOST } where;
  CUdeviceptr base;
  uint64_t size;
  uint64_t context; /* epoch of the owner, or 0 */
  int device;
  uint64_t id;
  uint64_t pool;
  bool managed, mapping, sync_memops;
  unsigned access;
};

static struct known look_up(CUdeviceptr address) {
  struct rf_place place;
  struct rf_range range;
  if (rf_space_find(address, &place) && !place.allocation.freeing)
    return (struct known){.where = ON_DEVICE, .base = place.base, .size = place.size, .context = place.allocation.context,
                          .device = place.device, .id = place.mapping ? (uint64_t)1 << 41 | place.base >> 21 : place.allocation.id,
                          .pool = place.allocation.pool, .mapping = place.mapping, .sync_memops = place.allocation.sync_memops,
                          .access = place.access};
  if (rf_range_find(address, &range))
    return (struct known){.where = ON_HOST, .base = range.base, .size = range.size, .context = range.context, .device = range.device,
                          .id = range.id, .managed = range.kind == RF_RANGE_MANAGED, .sync_memops = range.sync_memops,
                          .access = RF_READ | RF_WRITE};
  return (struct known){.where = UNKNOWN};
}

struct search {
  uint64_t epoch;
  CUcontext handle;
};

static void match_epoch(void *object, void *argument) {
  struct search *const search = argument;
  if (((struct context *)object)->epoch == search->epoch) search->handle = rf_context_handle(object);
}

static CUcontext context_of(uint64_t epoch) {
  struct search search = {.epoch = epoch, .handle = NULL};
  rf_object_each(RF_KIND_CONTEXT, match_epoch, &search);
  return search.handle;
}

/* Answers one attribute. `lenient`: an unknown pointer is told as zeros, not as an error (cuPointerGetAttributes). */
static CUresult get(void *data, CUpointer_attribute attribute, CUdeviceptr address, const struct known *known, bool lenient) {
  const bool is_known = known->where != UNKNOWN;
  const bool plain = known->where == ON_DEVICE && !known->mapping;
  if (!is_known && !lenient) return CUDA_ERROR_INVALID_VALUE;
  switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: *(CUcontext *)data = is_known && known->context ? context_of(known->context) : NULL; break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      /* Managed memory is told as device memory: that is where the GPU's access is meant to find it. */
      *(unsigned *)data = !is_known ? 0 : known->where == ON_HOST && !known->managed ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *(CUdeviceptr *)data = is_known ? address : 0; break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (!lenient && known->where != ON_HOST) return CUDA_ERROR_INVALID_VALUE;
      *(void **)data = known->where == ON_HOST ? (void *)(uintptr_t)address : NULL;
      break;
    case CU_POINTER_ATTRIBUTE_P2P_TOKENS: return CUDA_ERROR_NOT_SUPPORTED;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: *(unsigned *)data = is_known && known->sync_memops; break;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: *(unsigned long long *)data = is_known ? known->id : 0; break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: *(unsigned *)data = is_known && known->managed; break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *(int *)data = is_known ? known->device : -2; break;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: *(unsigned *)data = 0; break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: *(CUdeviceptr *)data = is_known ? known->base : 0; break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: *(size_t *)data = is_known ? known->size : 0; break;
    case CU_POINTER_ATTRIBUTE_MAPPED: *(unsigned *)data = is_known; break;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: *(unsigned long long *)data = 0; break;
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE: *(unsigned *)data = 0; break;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
      *(unsigned *)data = known->access & RF_WRITE  ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE
                          : known->access & RF_READ ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ
                                                    : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
      break;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: *(CUmemoryPool *)data = (CUmemoryPool)(uintptr_t)known->pool; break;
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE: *(size_t *)data = known->mapping ? known->size : 0; break;
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR: *(CUdeviceptr *)data = known->mapping ? known->base : 0; break;
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID: *(unsigned long long *)data = plain || known->mapping ? known->id : 0; break;
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: *(unsigned *)data = 0; break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr) {
  RF_ENTER();
  if (!data) return CUDA_ERROR_INVALID_VALUE;
  const struct known known = look_up(ptr);
  return get(data, attribute, ptr, &known, false);
}

CUresult cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes, void **data, CUdeviceptr ptr) {
  RF_ENTER();
  if (!numAttributes || !attributes || !data) return CUDA_ERROR_INVALID_VALUE;
  const struct known known = look_up(ptr);
  for (unsigned i = 0; i < numAttributes; i++) {
    if (!data[i]) return CUDA_ERROR_INVALID_VALUE;
    RF_TRY(get(data[i], attributes[i], ptr, &known, true));
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr) {
  RF_ENTER();
  if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS) return CUDA_ERROR_INVALID_VALUE;
  const bool on = *(const unsigned *)value != 0;
  struct rf_range range;
  if (rf_range_find(ptr, &range)) {
    range.sync_memops = on;
    return rf_range_update(&range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  return rf_space_set_sync_memops(ptr, on) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *pbase, size_t *psize, CUdeviceptr dptr) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  const struct known known = look_up(dptr);
  if (known.where == UNKNOWN) return CUDA_ERROR_NOT_FOUND;
  if (pbase) *pbase = known.base;
  if (psize) *psize = known.size;
  return CUDA_SUCCESS;
}
