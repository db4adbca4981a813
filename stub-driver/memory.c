/* Device memory: cuMemAlloc and relatives. */
#include "capture.h"
#include "card.h"
#include "context.h"
#include "host.h"
#include "range.h"
#include "settings.h"
#include "space.h"
#include "stream.h"

#define MOST_PITCH ((size_t)2147483647) /* CU_DEVICE_ATTRIBUTE_MAX_PITCH */
#define PITCH_ALIGNMENT 512 /* rows begin on the texture alignment, as on hardware */

static CUresult allocate(struct context *context, CUdeviceptr *address, uint64_t size) {
  const struct rf_allocation like = {.context = context->epoch};
  return rf_space_allocate(context->device, size, &like, address);
}

/* Either may be NULL: drivers fill in what they are given a place for. */
CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  RF_ENTER_CONTEXT(context);
  if (!free && !total) return CUDA_ERROR_INVALID_VALUE;
  if (free) *free = rf_card_free(context->device);
  if (total) *total = rf_settings.memory;
  return CUDA_SUCCESS;
}

static unsigned saturate(uint64_t bytes) { return bytes > UINT32_MAX ? UINT32_MAX : (unsigned)bytes; }

/* The 32-bit form of CUDA 3.1 and before; what does not fit is told as the most that does. */
CUresult cuMemGetInfo(unsigned int *free, unsigned int *total) {
  size_t wide_free = 0, wide_total = 0;
  if (!free && !total) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(cuMemGetInfo_v2(&wide_free, &wide_total));
  if (free) *free = saturate(wide_free);
  if (total) *total = saturate(wide_total);
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize) {
  RF_ENTER_CONTEXT(context);
  RF_TRY(rf_capture_unsafe());
  return dptr ? allocate(context, dptr, bytesize) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pPitch, size_t WidthInBytes, size_t Height, unsigned int ElementSizeBytes) {
  RF_ENTER_CONTEXT(context);
  RF_TRY(rf_capture_unsafe());
  if (!dptr || !pPitch || !WidthInBytes || !Height) return CUDA_ERROR_INVALID_VALUE;
  if (ElementSizeBytes != 4 && ElementSizeBytes != 8 && ElementSizeBytes != 16) return CUDA_ERROR_INVALID_VALUE;
  if (WidthInBytes > MOST_PITCH) return CUDA_ERROR_INVALID_VALUE;
  size_t pitch = 0, size = 0;
  if (__builtin_add_overflow(WidthInBytes, PITCH_ALIGNMENT - 1, &pitch)) return CUDA_ERROR_OUT_OF_MEMORY;
  pitch -= pitch % PITCH_ALIGNMENT;
  if (__builtin_mul_overflow(pitch, Height, &size)) return CUDA_ERROR_OUT_OF_MEMORY;
  RF_TRY(allocate(context, dptr, size));
  *pPitch = pitch;
  return CUDA_SUCCESS;
}

/* Waits for all work of the context that owns the memory: nothing in flight may still use it. */
static void await_owner(void *object, void *epoch) {
  struct context *const context = object;
  if (context->epoch == *(const uint64_t *)epoch) rf_context_drain(context);
}

/* Needs no current context: the owner is known from the address. */
CUresult cuMemFree_v2(CUdeviceptr dptr) {
  RF_ENTER();
  if (!dptr) return CUDA_SUCCESS;
  RF_TRY(rf_capture_unsafe());
  CUresult result = CUDA_SUCCESS;
  if (graph_memory_free(dptr, &result)) return result;
  struct rf_range range;
  if (rf_range_find(dptr, &range) && range.kind == RF_RANGE_MANAGED && range.base == dptr) {
    if (range.of_module) return CUDA_ERROR_INVALID_VALUE;
    rf_object_each(RF_KIND_CONTEXT, await_owner, &range.context);
    return rf_managed_free(dptr) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  }
  struct rf_place place;
  if (!rf_space_find(dptr, &place) || place.mapping || place.base != dptr || place.allocation.freeing || place.allocation.of_module) {
    rf_space_complain(__func__, "the address to free", dptr, 1);
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (place.allocation.context) {
    struct context *const current = rf_context_or_null();
    if (current && current->epoch == place.allocation.context)
      rf_context_drain(current);
    else
      rf_object_each(RF_KIND_CONTEXT, await_owner, &place.allocation.context);
  }
  return rf_space_free(dptr, NULL);
}
