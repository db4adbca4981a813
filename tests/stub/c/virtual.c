/* Virtual memory management and pools. */
#include "check.h"

#define FRAME ((size_t)2 << 20)

static const CUmemAllocationProp on_device = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
static const CUmemAccessDesc writable = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
static const CUmemAccessDesc readable = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READ};
static const CUmemAccessDesc closed = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, .flags = CU_MEM_ACCESS_FLAGS_PROT_NONE};

static void mapping(void) {
  const size_t before = free_memory();
  size_t granularity = 0;
  CUdeviceptr window = 0;
  CUmemGenericAllocationHandle one = 0, two = 0, again = 0;
  OK(cuMemGetAllocationGranularity(&granularity, &on_device, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
  CHECK(granularity == FRAME);
  OK(cuMemAddressReserve(&window, 8 * FRAME, 0, 0, 0));
  CHECK(free_memory() == before); /* addresses are not memory */
  FAILS(INVALID_VALUE, cuMemsetD8_v2(window, 1, 1));
  FAILS(INVALID_VALUE, cuMemCreate(&one, 1000, &on_device, 0));
  OK(cuMemCreate(&one, 3 * FRAME, &on_device, 0));
  OK(cuMemCreate(&two, FRAME, &on_device, 0));
  CHECK(free_memory() == before - 4 * FRAME);
  FAILS(INVALID_VALUE, cuMemMap(window, 4 * FRAME, 0, one, 0)); /* more than there is */
  FAILS(INVALID_VALUE, cuMemMap(window + 1, FRAME, 0, one, 0));
  FAILS(INVALID_VALUE, cuMemMap(window + 7 * FRAME, 2 * FRAME, 0, one, 0)); /* beyond the reservation */
  OK(cuMemMap(window, 3 * FRAME, 0, one, 0));
  FAILS(INVALID_VALUE, cuMemMap(window + 2 * FRAME, FRAME, 0, two, 0));
  OK(cuMemMap(window + 3 * FRAME, FRAME, 0, two, 0));
  FAILS(INVALID_VALUE, cuMemsetD8_v2(window, 1, 1)); /* no access yet */
  OK(cuMemSetAccess(window, 4 * FRAME, &writable, 1));
  OK(cuMemsetD8_v2(window, 0x31, 4 * FRAME)); /* across both mappings */
  FAILS(INVALID_VALUE, cuMemsetD8_v2(window + 3 * FRAME, 1, FRAME + 1));

  OK(cuMemSetAccess(window, FRAME, &readable, 1));
  unsigned long long flags = 0;
  OK(cuMemGetAccess(&flags, &on_device.location, window));
  CHECK(flags == CU_MEM_ACCESS_FLAGS_PROT_READ);
  uint8_t byte = 0;
  OK(cuMemcpyDtoH_v2(&byte, window, 1));
  CHECK(byte == 0x31);
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(window, &byte, 1));
  OK(cuMemSetAccess(window, FRAME, &closed, 1));
  FAILS(INVALID_VALUE, cuMemcpyDtoH_v2(&byte, window, 1));

  /* the same memory at two places, after its handle is released */
  OK(cuMemMap(window + 5 * FRAME, FRAME, 0, two, 0));
  OK(cuMemSetAccess(window + 5 * FRAME, FRAME, &writable, 1));
  OK(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)(window + 5 * FRAME + 17)));
  CHECK(again == two);
  OK(cuMemRelease(again));
  OK(cuMemRelease(two));
  FAILS(INVALID_VALUE, cuMemRelease(two));
  FAILS(INVALID_VALUE, cuMemMap(window + 6 * FRAME, FRAME, 0, two, 0));
  OK(cuMemsetD8_v2(window + 5 * FRAME + 5, 0x99, 1));
  OK(cuMemcpyDtoH_v2(&byte, window + 3 * FRAME + 5, 1));
  CHECK(byte == 0x99);
  FAILS(INVALID_VALUE, cuMemFree_v2(window)); /* not cuMemAlloc's */
  FAILS(INVALID_VALUE, cuMemAddressFree(window, 8 * FRAME)); /* still mapped */
  FAILS(INVALID_VALUE, cuMemUnmap(window, FRAME)); /* a part of a mapping */
  OK(cuMemUnmap(window, 4 * FRAME));
  CHECK(free_memory() == before - 4 * FRAME); /* `one` has a handle, `two` its second mapping */
  OK(cuMemRelease(one));
  OK(cuMemUnmap(window + 5 * FRAME, FRAME));
  CHECK(free_memory() == before);
  FAILS(INVALID_VALUE, cuMemUnmap(window + 5 * FRAME, FRAME));
  FAILS(INVALID_VALUE, cuMemAddressFree(window, 4 * FRAME));
  OK(cuMemAddressFree(window, 8 * FRAME));
  FAILS(INVALID_VALUE, cuMemAddressFree(window, 8 * FRAME));
}

static void hints(void) {
  CUdeviceptr first = 0, same = 0, other = 0;
  OK(cuMemAddressReserve(&first, 16 * FRAME, 64 * FRAME, 0, 0));
  CHECK(first % (64 * FRAME) == 0);
  OK(cuMemAddressFree(first, 16 * FRAME));
  OK(cuMemAddressReserve(&same, 16 * FRAME, 0, first, 0)); /* free: honoured */
  CHECK(same == first);
  OK(cuMemAddressReserve(&other, FRAME, 0, first + 4 * FRAME, 0)); /* taken: elsewhere */
  CHECK(other < first || other >= first + 16 * FRAME);
  OK(cuMemAddressFree(other, FRAME));
  OK(cuMemAddressFree(same, 16 * FRAME));
  FAILS(INVALID_VALUE, cuMemAddressReserve(&first, 1000, 0, 0, 0));
  FAILS(INVALID_VALUE, cuMemAddressReserve(&first, FRAME, 3 * FRAME, 0, 0));
}

static void refusals(void) {
  CUmemGenericAllocationHandle handle = 0;
  CUmemAllocationProp bad = on_device;
  bad.location.id = 3;
  FAILS(INVALID_DEVICE, cuMemCreate(&handle, FRAME, &bad, 0));
  bad = on_device;
  bad.type = 0;
  FAILS(INVALID_VALUE, cuMemCreate(&handle, FRAME, &bad, 0));
  bad = on_device;
  bad.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
  FAILS(NOT_SUPPORTED, cuMemCreate(&handle, FRAME, &bad, 0));
  FAILS(OUT_OF_MEMORY, cuMemCreate(&handle, (size_t)1 << 42, &on_device, 0));
  FAILS(INVALID_VALUE, cuMemRelease(0x1234567890));
}

static void pools(void) {
  CUstream stream = NULL;
  CUmemoryPool pool = NULL, current = NULL;
  CUdeviceptr a = 0, b = 0;
  cuuint64_t used = 0, high = 0, threshold = ~0ull;
  const size_t before = free_memory();
  OK(cuStreamCreate(&stream, 0));
  OK(cuDeviceGetDefaultMemPool(&pool, 0));
  OK(cuDeviceGetMemPool(&current, 0));
  CHECK(pool == current);
  OK(cuMemAllocAsync(&a, 5 << 20, stream));
  OK(cuMemsetD8Async(a, 1, 5 << 20, stream));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  CHECK(used == 5 << 20);
  CUmemoryPool owner = NULL;
  OK(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, a));
  CHECK(owner == pool);
  OK(cuMemFreeAsync(a, stream));
  FAILS(INVALID_VALUE, cuMemFreeAsync(a, stream)); /* freed already, in the stream or not */
  FAILS(INVALID_VALUE, cuMemFree_v2(a));
  OK(cuStreamSynchronize(stream));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &high));
  CHECK(used == 0 && high == 5 << 20);
  CHECK(free_memory() == before);

  CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, .maxSize = 10 << 20};
  OK(cuMemPoolCreate(&pool, &properties));
  OK(cuMemAllocFromPoolAsync(&a, 6 << 20, pool, stream));
  FAILS(OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&b, 6 << 20, pool, stream)); /* the pool's own size */
  OK(cuMemAllocFromPoolAsync(&b, 4 << 20, pool, stream));
  OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &used));
  CHECK(used == threshold);
  OK(cuMemFree_v2(a)); /* pool memory may be freed synchronously */
  OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
  CHECK(used == 4 << 20);
  OK(cuDeviceSetMemPool(0, pool));
  OK(cuMemPoolTrimTo(pool, 0));
  OK(cuMemPoolDestroy(pool));
  FAILS(INVALID_VALUE, cuMemPoolTrimTo(pool, 0));
  FAILS(INVALID_VALUE, cuMemAllocFromPoolAsync(&a, 100, pool, stream));
  OK(cuDeviceGetMemPool(&pool, 0));
  CHECK(pool == current); /* the default pool again */
  FAILS(INVALID_VALUE, cuMemPoolDestroy(current));
  OK(cuMemFreeAsync(b, stream));
  OK(cuStreamDestroy_v2(stream));
  OK(cuCtxSynchronize());
  CHECK(free_memory() == before);
}

int main(void) {
  begin();
  mapping();
  hints();
  refusals();
  pools();
  return 0;
}
