/*
 * Pools and stream-ordered memory; see pool.h.
 *
 * An allocation's address is valid at once and freed when its stream gets there. Freed memory goes back to the card
 * immediately: a release threshold is kept and told, and has nothing to hold back.
 */
#include "pool.h"

#include "capture.h"
#include "context.h"
#include "settings.h"
#include "space.h"
#include "stream.h"

static struct pool *default_pool[RF_MAX_DEVICES];
static _Atomic uint64_t current_pool[RF_MAX_DEVICES]; /* handles */

static uint64_t handle_of(struct pool *pool) { return atomic_load(&pool->object.handle); }
static CUmemoryPool to_pool(uint64_t handle) { return (CUmemoryPool)(uintptr_t)handle; }
static struct pool *find(CUmemoryPool handle) { return rf_object_find(RF_KIND_POOL, (uint64_t)(uintptr_t)handle); }
static uint64_t whole_frames(uint64_t size) { return (size + RF_FRAME_SIZE - 1) & ~(RF_FRAME_SIZE - 1); }
static bool is_device(int device) { return device >= 0 && device < rf_settings.devices; }

static struct pool *new_pool(int device, uint64_t max_size) {
  struct pool *const pool = rf_object_new(RF_KIND_POOL, NULL);
  if (!pool) return NULL;
  pool->device = device;
  pool->is_default = false;
  pool->max_size = max_size;
  pool->used = pool->used_high = pool->reserved = pool->reserved_high = pool->threshold = 0;
  pool->reuse[0] = pool->reuse[1] = pool->reuse[2] = 1;
  rf_object_publish(RF_KIND_POOL, &pool->object);
  return pool;
}

bool rf_pools_initialise(void) {
  for (int device = 0; device < rf_settings.devices; device++) {
    struct pool *const pool = new_pool(device, 0);
    if (!pool) return false;
    pool->is_default = true;
    default_pool[device] = pool;
    atomic_store(&current_pool[device], handle_of(pool));
  }
  return true;
}

static void raise(_Atomic uint64_t *high, uint64_t value) {
  uint64_t seen = atomic_load(high);
  while (value > seen && !atomic_compare_exchange_weak(high, &seen, value)) {
  }
}

void rf_pool_returned(uint64_t handle, uint64_t size) {
  struct pool *const pool = rf_object_find(RF_KIND_POOL, handle);
  if (!pool) return;
  atomic_fetch_sub(&pool->used, size);
  atomic_fetch_sub(&pool->reserved, whole_frames(size));
}

/* ---- allocation --------------------------------------------------------------------------------------------------- */

static CUresult allocate_from(struct pool *pool, struct stream *stream, uint64_t size, CUdeviceptr *address) {
  const uint64_t used = atomic_fetch_add(&pool->used, size) + size;
  const uint64_t reserved = atomic_fetch_add(&pool->reserved, whole_frames(size)) + whole_frames(size);
  const struct rf_allocation like = {.context = stream->context->epoch, .pool = handle_of(pool)};
  const bool fits = !pool->max_size || used <= pool->max_size;
  const CUresult result = fits ? rf_space_allocate(pool->device, size, &like, address) : CUDA_ERROR_OUT_OF_MEMORY;
  if (result) {
    rf_pool_returned(handle_of(pool), size);
    return result;
  }
  raise(&pool->used_high, used);
  raise(&pool->reserved_high, reserved);
  return CUDA_SUCCESS;
}

static CUresult allocate(const char *call, CUdeviceptr *address, uint64_t size, bool from_pool, CUmemoryPool handle,
                         CUstream stream_handle, CUstream null_stream) {
  RF_TRY(rf_enter(call));
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(stream_handle, null_stream, &stream));
  if (!address || !size || size > (uint64_t)1 << 46) return address && size ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  struct pool *const pool = find(from_pool ? handle : to_pool(atomic_load(&current_pool[stream->context->device])));
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  if (graph_capturing()) {
    const struct graph_stream where = rf_graph_stream(stream);
    const CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = pool->device}};
    CUresult result = CUDA_SUCCESS;
    if (graph_capture_allocate(&where, rf_context_handle(stream->context), &properties, size, address, &result)) return result;
  }
  return allocate_from(pool, stream, size, address);
}

RF_TWIN(cuMemAllocAsync, _ptsz, (CUdeviceptr *dptr, size_t bytesize, CUstream hStream),
        allocate(call, dptr, bytesize, false, NULL, hStream, null_stream))
RF_TWIN(cuMemAllocFromPoolAsync, _ptsz, (CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream hStream),
        allocate(call, dptr, bytesize, true, pool, hStream, null_stream))

static CUresult free_async(const char *call, CUdeviceptr address, CUstream handle, CUstream null_stream) {
  RF_TRY(rf_enter(call));
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(handle, null_stream, &stream));
  if (!address) return CUDA_SUCCESS;
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free = {address}};
  CUresult result = CUDA_SUCCESS;
  if (graph_capturing() && rf_capture(stream, &given, &result)) return result;
  if (graph_memory_free(address, &result)) return result;
  struct rf_allocation was;
  if (rf_space_begin_free(address, &was)) {
    rf_space_complain(call, "the address to free", address, 1);
    return CUDA_ERROR_INVALID_VALUE;
  }
  const struct rf_op op = {.kind = RF_OP_FREE, .call = call, .free = {.address = address}};
  return rf_submit(stream, &op, RF_LATER, true);
}

RF_TWIN(cuMemFreeAsync, _ptsz, (CUdeviceptr dptr, CUstream hStream), free_async(call, dptr, hStream, null_stream))

/* ---- pools -------------------------------------------------------------------------------------------------------- */

CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps) {
  RF_ENTER();
  if (!pool || !poolProps || poolProps->allocType != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  if (poolProps->handleTypes != CU_MEM_HANDLE_TYPE_NONE) return CUDA_ERROR_NOT_SUPPORTED; /* attribute 119 is 0 */
  switch ((int)poolProps->location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE: break;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE; /* HOST_NUMA_CURRENT too: so documented */
  }
  if (!is_device(poolProps->location.id)) return CUDA_ERROR_INVALID_DEVICE;
  struct pool *const made = new_pool(poolProps->location.id, poolProps->maxSize);
  if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
  *pool = to_pool(handle_of(made));
  return CUDA_SUCCESS;
}

/* Live allocations outlive their pool; only the accounting ends. */
CUresult cuMemPoolDestroy(CUmemoryPool pool) {
  RF_ENTER();
  struct pool *const found = find(pool);
  if (!found || found->is_default) return CUDA_ERROR_INVALID_VALUE;
  uint64_t handle = (uint64_t)(uintptr_t)pool;
  if (!rf_object_withdraw(&found->object, handle)) return CUDA_ERROR_INVALID_VALUE;
  atomic_compare_exchange_strong(&current_pool[found->device], &handle, handle_of(default_pool[found->device]));
  rf_object_recycle(RF_KIND_POOL, &found->object);
  return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool pool, size_t minBytesToKeep) {
  (void)minBytesToKeep; /* nothing unused is kept */
  RF_ENTER();
  return find(pool) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
  RF_ENTER();
  struct pool *const found = find(pool);
  if (!found || !value) return CUDA_ERROR_INVALID_VALUE;
  switch ((int)attr) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      atomic_store(&found->reuse[attr - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES], *(const int *)value);
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: atomic_store(&found->threshold, *(const cuuint64_t *)value); return CUDA_SUCCESS;
    /* The high water marks can be set back to the present, and to nothing else. */
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
      if (*(const cuuint64_t *)value) return CUDA_ERROR_INVALID_VALUE;
      atomic_store(&found->reserved_high, atomic_load(&found->reserved));
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
      if (*(const cuuint64_t *)value) return CUDA_ERROR_INVALID_VALUE;
      atomic_store(&found->used_high, atomic_load(&found->used));
      return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attr, void *value) {
  RF_ENTER();
  struct pool *const found = find(pool);
  if (!found || !value) return CUDA_ERROR_INVALID_VALUE;
  cuuint64_t *const wide = value;
  switch ((int)attr) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
      *(int *)value = atomic_load(&found->reuse[attr - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES]);
      return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: *wide = atomic_load(&found->threshold); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: *wide = atomic_load(&found->reserved); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH: *wide = atomic_load(&found->reserved_high); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: *wide = atomic_load(&found->used); return CUDA_SUCCESS;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH: *wide = atomic_load(&found->used_high); return CUDA_SUCCESS;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

/* All devices reach all memory here; what may be asked for is still checked. */
CUresult cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count) {
  RF_ENTER();
  const struct pool *const found = find(pool);
  if (!found || (count && !map)) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < count; i++) {
    if (map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
    if (!is_device(map[i].location.id)) return CUDA_ERROR_INVALID_DEVICE;
    const bool revoked = map[i].flags == CU_MEM_ACCESS_FLAGS_PROT_NONE;
    if (revoked && map[i].location.id == found->device) return CUDA_ERROR_INVALID_VALUE;
    if (!revoked && map[i].flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE) return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool memPool, CUmemLocation *location) {
  RF_ENTER();
  if (!flags || !location || !find(memPool)) return CUDA_ERROR_INVALID_VALUE;
  if (location->type != CU_MEM_LOCATION_TYPE_DEVICE) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(location->id)) return CUDA_ERROR_INVALID_DEVICE;
  *flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
  return CUDA_SUCCESS;
}

/* ---- a device's pools --------------------------------------------------------------------------------------------- */

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev) {
  RF_ENTER();
  if (!pool_out) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
  *pool_out = to_pool(handle_of(default_pool[dev]));
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev) {
  RF_ENTER();
  if (!pool) return CUDA_ERROR_INVALID_VALUE;
  if (!is_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
  *pool = to_pool(atomic_load(&current_pool[dev]));
  return CUDA_SUCCESS;
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool pool) {
  RF_ENTER();
  if (!is_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
  const struct pool *const found = find(pool);
  if (!found || found->device != dev) return CUDA_ERROR_INVALID_VALUE;
  atomic_store(&current_pool[dev], (uint64_t)(uintptr_t)pool);
  return CUDA_SUCCESS;
}

static CUresult check_location(const CUmemLocation *location, CUmemAllocationType type) {
  if (!location || (type != CU_MEM_ALLOCATION_TYPE_PINNED && type != CU_MEM_ALLOCATION_TYPE_MANAGED)) return CUDA_ERROR_INVALID_VALUE;
  return location->type == CU_MEM_LOCATION_TYPE_DEVICE && type == CU_MEM_ALLOCATION_TYPE_PINNED ? CUDA_SUCCESS : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult cuMemGetDefaultMemPool(CUmemoryPool *pool_out, CUmemLocation *location, CUmemAllocationType type) {
  RF_ENTER();
  RF_TRY(check_location(location, type));
  return cuDeviceGetDefaultMemPool(pool_out, location->id);
}

CUresult cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type) {
  RF_ENTER();
  RF_TRY(check_location(location, type));
  return cuDeviceGetMemPool(pool, location->id);
}

CUresult cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool) {
  RF_ENTER();
  RF_TRY(check_location(location, type));
  return cuDeviceSetMemPool(location->id, pool);
}
