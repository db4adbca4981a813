/*
 * Virtual memory management: addresses reserved, physical memory created, the one mapped to the other. See space.h.
 * Memory cannot be exported to other processes: attributes 103 and 128 say so, and the calls answer NOT_SUPPORTED.
 */
#include "vmm.h"

#include <stdlib.h>

#include "card.h"
#include "context.h"
#include "settings.h"
#include "space.h"

static bool is_granular(uint64_t value) { return value % RF_FRAME_SIZE == 0; }

int rf_memory_device(const struct memory *memory) { return memory->device; }

static struct memory *find(CUmemGenericAllocationHandle handle) { return rf_object_find(RF_KIND_MEMORY, handle); }

/* The space's lock is held. */
static void drop(struct memory *memory) {
  if (--memory->references) return;
  rf_card_give(memory->frames, (uint32_t)(memory->size / RF_FRAME_SIZE));
  free(memory->frames);
  memory->frames = NULL;
  rf_object_recycle(RF_KIND_MEMORY, &memory->object);
}

static CUresult check_location(CUmemLocationType type) {
  switch ((int)type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT: return CUDA_ERROR_NOT_SUPPORTED; /* attributes 141 and 145 */
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

static CUresult check_properties(const CUmemAllocationProp *prop) {
  if (!prop || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(check_location(prop->location.type));
  if (prop->location.id < 0 || prop->location.id >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  if (prop->requestedHandleTypes != CU_MEM_HANDLE_TYPE_NONE) return CUDA_ERROR_NOT_SUPPORTED;
  return prop->allocFlags.usage ? CUDA_ERROR_NOT_SUPPORTED : CUDA_SUCCESS;
}

CUresult cuMemGetAllocationGranularity(size_t *granularity, const CUmemAllocationProp *prop, CUmemAllocationGranularity_flags option) {
  RF_ENTER();
  if (!granularity || (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM && option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED))
    return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(check_properties(prop));
  *granularity = RF_FRAME_SIZE;
  return CUDA_SUCCESS;
}

CUresult cuMemCreate(CUmemGenericAllocationHandle *handle, size_t size, const CUmemAllocationProp *prop, unsigned long long flags) {
  RF_ENTER();
  if (!handle || !size || !is_granular(size) || flags) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(check_properties(prop));
  if (size > rf_settings.memory) return CUDA_ERROR_OUT_OF_MEMORY;
  const uint32_t count = (uint32_t)(size / RF_FRAME_SIZE);
  struct memory *const memory = rf_object_new(RF_KIND_MEMORY, NULL);
  uint32_t *const frames = malloc(count * sizeof *frames);
  const CUresult result = memory && frames ? rf_card_take(prop->location.id, count, frames) : CUDA_ERROR_OUT_OF_MEMORY;
  if (result) {
    free(frames);
    if (memory) rf_object_recycle(RF_KIND_MEMORY, &memory->object);
    return result;
  }
  memory->device = prop->location.id;
  memory->size = size;
  memory->frames = frames;
  memory->references = memory->handles = 1;
  memory->properties = *prop;
  *handle = rf_object_publish(RF_KIND_MEMORY, &memory->object);
  return CUDA_SUCCESS;
}

CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  RF_ENTER();
  rf_space_lock();
  struct memory *const memory = find(handle);
  if (memory) {
    if (--memory->handles == 0) rf_object_withdraw(&memory->object, handle);
    drop(memory);
  }
  rf_space_unlock();
  return memory ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAddressReserve(CUdeviceptr *ptr, size_t size, size_t alignment, CUdeviceptr addr, unsigned long long flags) {
  RF_ENTER();
  if (!ptr || !size || !is_granular(size) || flags || size >> 47) return CUDA_ERROR_INVALID_VALUE;
  if (alignment & (alignment - 1)) return CUDA_ERROR_INVALID_VALUE;
  rf_space_lock();
  const CUresult result = rf_space_reserve(size, alignment < RF_FRAME_SIZE ? RF_FRAME_SIZE : alignment, addr, ptr);
  rf_space_unlock();
  return result;
}

CUresult cuMemAddressFree(CUdeviceptr ptr, size_t size) {
  RF_ENTER();
  rf_space_lock();
  const CUresult result = rf_space_unreserve(ptr, size);
  rf_space_unlock();
  return result;
}

CUresult cuMemMap(CUdeviceptr ptr, size_t size, size_t offset, CUmemGenericAllocationHandle handle, unsigned long long flags) {
  RF_ENTER();
  if (!size || !is_granular(ptr) || !is_granular(size) || !is_granular(offset) || flags || ptr + size < ptr) return CUDA_ERROR_INVALID_VALUE;
  rf_space_lock();
  struct memory *const memory = find(handle);
  CUresult result = CUDA_ERROR_INVALID_VALUE;
  if (memory && offset < memory->size && size <= memory->size - offset) {
    result = rf_space_map(ptr, size, memory, offset, memory->frames);
    if (!result) memory->references++;
  }
  rf_space_unlock();
  if (result) rf_space_complain(__func__, "the range to map", ptr, size);
  return result;
}

CUresult cuMemUnmap(CUdeviceptr ptr, size_t size) {
  RF_ENTER();
  if (!size || !is_granular(ptr) || !is_granular(size) || ptr + size < ptr) return CUDA_ERROR_INVALID_VALUE;
  rf_space_lock();
  const CUresult result = rf_space_unmap(ptr, size, drop);
  rf_space_unlock();
  if (result) rf_space_complain(__func__, "the range to unmap", ptr, size);
  return result;
}

/* Access is one for all devices of this GPU: the strongest that any of the descriptors asks for. */
CUresult cuMemSetAccess(CUdeviceptr ptr, size_t size, const CUmemAccessDesc *desc, size_t count) {
  RF_ENTER();
  if (!size || !is_granular(ptr) || !is_granular(size) || !desc || !count || ptr + size < ptr) return CUDA_ERROR_INVALID_VALUE;
  unsigned access = 0;
  for (size_t i = 0; i < count; i++) {
    RF_TRY(check_location(desc[i].location.type));
    if (desc[i].location.id < 0 || desc[i].location.id >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
    switch ((int)desc[i].flags) {
      case CU_MEM_ACCESS_FLAGS_PROT_NONE: break;
      case CU_MEM_ACCESS_FLAGS_PROT_READ: access |= RF_READ; break;
      case CU_MEM_ACCESS_FLAGS_PROT_READWRITE: access |= RF_READ | RF_WRITE; break;
      default: return CUDA_ERROR_INVALID_VALUE;
    }
  }
  rf_space_lock();
  const CUresult result = rf_space_protect(ptr, size, access);
  rf_space_unlock();
  return result;
}

CUresult cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr ptr) {
  RF_ENTER();
  if (!flags || !location || location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
  if (location->id < 0 || location->id >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  struct rf_place place;
  if (!rf_space_find(ptr, &place)) return CUDA_ERROR_INVALID_VALUE;
  *flags = place.access & RF_WRITE  ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
           : place.access & RF_READ ? CU_MEM_ACCESS_FLAGS_PROT_READ
                                    : CU_MEM_ACCESS_FLAGS_PROT_NONE;
  return CUDA_SUCCESS;
}

CUresult cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *prop, CUmemGenericAllocationHandle handle) {
  RF_ENTER();
  rf_space_lock();
  const struct memory *const memory = find(handle);
  if (memory && prop) *prop = memory->properties;
  rf_space_unlock();
  return memory && prop ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *handle, void *addr) {
  RF_ENTER();
  if (!handle) return CUDA_ERROR_INVALID_VALUE;
  CUresult result = CUDA_ERROR_INVALID_VALUE;
  rf_space_lock();
  struct memory *const memory = rf_space_memory_at((CUdeviceptr)(uintptr_t)addr);
  if (memory) {
    if (memory->handles++ == 0) rf_object_publish(RF_KIND_MEMORY, &memory->object);
    memory->references++;
    *handle = atomic_load(&memory->object.handle);
    result = CUDA_SUCCESS;
  }
  rf_space_unlock();
  return result;
}

CUresult cuMemExportToShareableHandle(void *shareableHandle, CUmemGenericAllocationHandle handle, CUmemAllocationHandleType handleType,
                                      unsigned long long flags) {
  RF_ENTER();
  (void)handleType;
  return !shareableHandle || flags || !find(handle) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
}
