/* pools.c - stream-ordered memory, and virtual memory. */
#include "rows.h"

void rows_pool(void)
{
    CUcontext context = enter();
    CUmemoryPool pool = NULL, preset = NULL, got = NULL;
    CUdeviceptr p = 0;
    CUstream stream = NULL;
    cuuint64_t value = 0;
    int number = 0, count = 0;
    CUmemPoolProps properties, bad;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    CUmemAccess_flags access;
    memset(&properties, 0, sizeof properties);
    properties.allocType = CU_MEM_ALLOCATION_TYPE_PINNED;
    properties.location = here;
    OK(cuDeviceGetCount(&count));
    OK(cuStreamCreate(&stream, 0));
    E(INVALID_VALUE, cuMemAllocAsync(NULL, 16, stream));
    E(INVALID_HANDLE, cuMemAllocAsync(&p, 16, JUNK(CUstream)));
    E(OUT_OF_MEMORY, cuMemAllocAsync(&p, (size_t)1 << 46, stream));
    OK(cuMemAllocAsync(&p, 4096, stream));
    E(INVALID_HANDLE, cuMemFreeAsync(p, JUNK(CUstream)));
    E(INVALID_VALUE, cuMemFreeAsync(p + 1, stream));
    E(INVALID_VALUE, cuMemFreeAsync(JUNK(CUdeviceptr), stream));
    OK(cuMemFreeAsync(p, stream));
    E(INVALID_VALUE, cuMemFreeAsync(p, stream));
    OK(cuMemAllocAsync(&p, 4096, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuMemFree_v2(p)); /* also so */
    OK(cuMemAlloc_v2(&p, 4096));
    OK(cuMemFreeAsync(p, stream)); /* and the other way round */
    OK(cuStreamSynchronize(stream));
    E(INVALID_VALUE, cuDeviceGetDefaultMemPool(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGetDefaultMemPool(&preset, count));
    OK(cuDeviceGetDefaultMemPool(&preset, 0));
    E(INVALID_VALUE, cuDeviceGetMemPool(NULL, 0));
    E(INVALID_DEVICE, cuDeviceGetMemPool(&got, -1));
    OK(cuDeviceGetMemPool(&got, 0));
    HOLDS(got == preset);
    E(INVALID_VALUE, cuDeviceSetMemPool(0, NULL));
    E(INVALID_VALUE, cuDeviceSetMemPool(0, JUNK(CUmemoryPool)));
    E(INVALID_DEVICE, cuDeviceSetMemPool(count, preset));
    E(INVALID_VALUE, cuMemPoolDestroy(preset)); /* never the default one */
    E(INVALID_VALUE, cuMemPoolDestroy(NULL));
    E(INVALID_VALUE, cuMemPoolCreate(NULL, &properties));
    E(INVALID_VALUE, cuMemPoolCreate(&pool, NULL));
    bad = properties;
    bad.allocType = CU_MEM_ALLOCATION_TYPE_INVALID;
    E(INVALID_VALUE, cuMemPoolCreate(&pool, &bad));
    bad = properties;
    bad.location.type = CU_MEM_LOCATION_TYPE_INVALID;
    E(INVALID_VALUE, cuMemPoolCreate(&pool, &bad));
    bad = properties;
    bad.location.type = CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT;
    E(INVALID_VALUE, cuMemPoolCreate(&pool, &bad)); /* documented so */
    OK(cuMemPoolCreate(&pool, &properties));
    E(INVALID_VALUE, cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, NULL));
    E(INVALID_VALUE, cuMemPoolSetAttribute(NULL, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &value));
    E(INVALID_VALUE, cuMemPoolSetAttribute(pool, (CUmemPool_attribute)99, &value));
    E(INVALID_VALUE, cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &value)); /* read only */
    value = 1;
    E(INVALID_VALUE, cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value)); /* to 0 only */
    value = 0;
    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &value));
    value = 4096;
    OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &value));
    E(INVALID_VALUE, cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, NULL));
    E(INVALID_VALUE, cuMemPoolGetAttribute(NULL, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &value));
    E(INVALID_VALUE, cuMemPoolGetAttribute(pool, (CUmemPool_attribute)99, &value));
    OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES, &number));
    HOLDS(number == 1);
    E(INVALID_VALUE, cuMemPoolTrimTo(NULL, 0));
    E(INVALID_VALUE, cuMemPoolTrimTo(JUNK(CUmemoryPool), 0));
    OK(cuMemPoolTrimTo(pool, 0));
    CUmemAccessDesc grant = {.location = here, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    OK(cuMemPoolSetAccess(pool, &grant, 1));
    E(INVALID_VALUE, cuMemPoolSetAccess(NULL, &grant, 1));
    E(INVALID_VALUE, cuMemPoolSetAccess(pool, NULL, 1));
    grant.flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
    E(INVALID_VALUE, cuMemPoolSetAccess(pool, &grant, 1)); /* the pool's own device keeps its access */
    OK(cuMemPoolGetAccess(&access, pool, &here));
    HOLDS(access == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    E(INVALID_VALUE, cuMemPoolGetAccess(NULL, pool, &here));
    E(INVALID_VALUE, cuMemPoolGetAccess(&access, pool, NULL));
    E(INVALID_VALUE, cuMemAllocFromPoolAsync(&p, 16, NULL, stream));
    E(INVALID_VALUE, cuMemAllocFromPoolAsync(&p, 16, JUNK(CUmemoryPool), stream));
    E(INVALID_VALUE, cuMemAllocFromPoolAsync(NULL, 16, pool, stream));
    OK(cuMemAllocFromPoolAsync(&p, 16, pool, stream));
    OK(cuMemFreeAsync(p, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuMemPoolDestroy(pool));
    E(INVALID_VALUE, cuMemPoolDestroy(pool));
    E(INVALID_VALUE, cuMemAllocFromPoolAsync(&p, 16, pool, stream));
    OK(cuStreamDestroy_v2(stream));
    leave(context);
}

void rows_virtual(void)
{
    CUcontext context = enter();
    CUdeviceptr at = 0, other = 0;
    size_t granularity = 0;
    CUmemGenericAllocationHandle memory = 0, again = 0;
    unsigned long long flags = 0;
    char bytes[16];
    CUmemAllocationProp what, bad, told;
    memset(&what, 0, sizeof what);
    what.type = CU_MEM_ALLOCATION_TYPE_PINNED;
    what.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    CUmemAccessDesc grant = {.location = what.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE}, wrong;
    CUmemLocation nowhere = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 99};
    E(INVALID_VALUE, cuMemGetAllocationGranularity(NULL, &what, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    E(INVALID_VALUE, cuMemGetAllocationGranularity(&granularity, &what, (CUmemAllocationGranularity_flags)0xff));
    OK(cuMemGetAllocationGranularity(&granularity, &what, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    E(INVALID_VALUE, cuMemAddressReserve(NULL, granularity, 0, 0, 0));
    E(INVALID_VALUE, cuMemAddressReserve(&at, 0, 0, 0, 0));
    E(INVALID_VALUE, cuMemAddressReserve(&at, granularity - 1, 0, 0, 0));
    E(INVALID_VALUE, cuMemAddressReserve(&at, granularity, 3, 0, 0)); /* a power of two */
    E(INVALID_VALUE, cuMemAddressReserve(&at, granularity, 0, 0, 1));
    OK(cuMemAddressReserve(&at, 4 * granularity, 0, 0, 0));
    E(INVALID_VALUE, cuMemCreate(NULL, granularity, &what, 0));
    E(INVALID_VALUE, cuMemCreate(&memory, granularity, NULL, 0));
    E(INVALID_VALUE, cuMemCreate(&memory, 0, &what, 0));
    E(INVALID_VALUE, cuMemCreate(&memory, granularity - 1, &what, 0));
    E(INVALID_VALUE, cuMemCreate(&memory, granularity, &what, 1));
    E(OUT_OF_MEMORY, cuMemCreate(&memory, granularity << 30, &what, 0));
    bad = what;
    bad.type = (CUmemAllocationType)77;
    E(INVALID_VALUE, cuMemCreate(&memory, granularity, &bad, 0));
    bad = what;
    bad.location.type = (CUmemLocationType)77;
    E(INVALID_VALUE, cuMemCreate(&memory, granularity, &bad, 0));
    bad = what;
    bad.location.id = 99;
    E(INVALID_DEVICE, cuMemCreate(&memory, granularity, &bad, 0));
    OK(cuMemCreate(&memory, 2 * granularity, &what, 0));
    E(INVALID_VALUE, cuMemGetAllocationPropertiesFromHandle(NULL, memory));
    E(INVALID_VALUE, cuMemGetAllocationPropertiesFromHandle(&told, 0));
    E(INVALID_VALUE, cuMemGetAllocationPropertiesFromHandle(&told, JUNK(CUmemGenericAllocationHandle)));
    OK(cuMemGetAllocationPropertiesFromHandle(&told, memory));
    E(INVALID_VALUE, cuMemMap(0, granularity, 0, memory, 0));
    E(INVALID_VALUE, cuMemMap(at, 0, 0, memory, 0));
    E(INVALID_VALUE, cuMemMap(at, granularity - 1, 0, memory, 0));
    E(INVALID_VALUE, cuMemMap(at + 1, granularity, 0, memory, 0));
    E(INVALID_VALUE, cuMemMap(at, 3 * granularity, 0, memory, 0)); /* more than it has */
    E(INVALID_VALUE, cuMemMap(at, granularity, 2 * granularity, memory, 0)); /* behind its end */
    E(INVALID_VALUE, cuMemMap(at, granularity, 0, memory, 1));
    E(INVALID_VALUE, cuMemMap(at, granularity, 0, JUNK(CUmemGenericAllocationHandle), 0));
    E(INVALID_VALUE, cuMemMap(at + 3 * granularity, 2 * granularity, 0, memory, 0)); /* beyond the reservation */
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity, &grant, 1)); /* nothing is mapped */
    OK(cuMemMap(at, 2 * granularity, 0, memory, 0));
    E(INVALID_VALUE, cuMemMap(at, 2 * granularity, 0, memory, 0)); /* something is */
    E(INVALID_VALUE, cuMemcpyHtoD_v2(at, bytes, sizeof bytes)); /* no access yet */
    E(INVALID_VALUE, cuMemSetAccess(0, 2 * granularity, &grant, 1));
    E(INVALID_VALUE, cuMemSetAccess(at, 0, &grant, 1));
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity + 1, &grant, 1));
    E(INVALID_VALUE, cuMemSetAccess(at, 3 * granularity, &grant, 1));
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity, NULL, 1));
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity, &grant, 0));
    wrong = grant;
    wrong.flags = (CUmemAccess_flags)2;
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity, &wrong, 1));
    wrong = grant;
    wrong.location.id = 99;
    E(INVALID_DEVICE, cuMemSetAccess(at, 2 * granularity, &wrong, 1));
    wrong = grant;
    wrong.location.type = (CUmemLocationType)77;
    E(INVALID_VALUE, cuMemSetAccess(at, 2 * granularity, &wrong, 1));
    OK(cuMemSetAccess(at, 2 * granularity, &grant, 1));
    OK(cuMemcpyHtoD_v2(at, bytes, sizeof bytes));
    E(INVALID_VALUE, cuMemGetAccess(NULL, &what.location, at));
    E(INVALID_VALUE, cuMemGetAccess(&flags, NULL, at));
    E(INVALID_DEVICE, cuMemGetAccess(&flags, &nowhere, at));
    E(INVALID_VALUE, cuMemGetAccess(&flags, &what.location, 0));
    OK(cuMemGetAccess(&flags, &what.location, at));
    HOLDS(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    E(INVALID_VALUE, cuMemRetainAllocationHandle(NULL, (void *)(uintptr_t)at));
    E(INVALID_VALUE, cuMemRetainAllocationHandle(&again, NULL));
    E(INVALID_VALUE, cuMemRetainAllocationHandle(&again, bytes));
    OK(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)at));
    OK(cuMemRelease(again));
    E(INVALID_VALUE, cuMemFree_v2(at)); /* is unmapped, not freed */
    E(INVALID_VALUE, cuMemUnmap(0, granularity));
    E(INVALID_VALUE, cuMemUnmap(at, 0));
    E(INVALID_VALUE, cuMemUnmap(at, granularity)); /* a mapping as a whole */
    E(INVALID_VALUE, cuMemUnmap(at, 2 * granularity - 1));
    E(INVALID_VALUE, cuMemAddressFree(at, 4 * granularity)); /* something is mapped there */
    OK(cuMemRelease(memory)); /* lives on while it is mapped */
    OK(cuMemcpyHtoD_v2(at, bytes, sizeof bytes));
    E(INVALID_VALUE, cuMemMap(at + 2 * granularity, granularity, 0, memory, 0));
    OK(cuMemUnmap(at, 2 * granularity));
    E(INVALID_VALUE, cuMemUnmap(at, 2 * granularity));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(at, bytes, sizeof bytes));
    E(INVALID_VALUE, cuMemRelease(memory));
    E(INVALID_VALUE, cuMemRelease(0));
    E(INVALID_VALUE, cuMemAddressFree(0, 4 * granularity));
    E(INVALID_VALUE, cuMemAddressFree(at, granularity)); /* as it was reserved */
    E(INVALID_VALUE, cuMemAddressFree(at, 0));
    OK(cuMemAddressFree(at, 4 * granularity));
    E(INVALID_VALUE, cuMemAddressFree(at, 4 * granularity));
    (void)other;
    leave(context);
}
