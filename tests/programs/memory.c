/* memory.c - allocation in every form: plain, pitched, managed, pooled, virtual; host memory; what queries say of each; and
 * what freed, interior and made-up addresses and handles answer. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static void usable(CUdeviceptr p, size_t bytes)
{
    unsigned char pattern[64], back[64];
    memset(pattern, (int)(p >> 9 & 0xff) | 1, sizeof pattern);
    size_t n = bytes < sizeof pattern ? bytes : sizeof pattern;
    CU(cuMemcpyHtoD_v2(p, pattern, n));
    CU(cuMemcpyHtoD_v2(p + bytes - n, pattern, n));
    CU(cuMemcpyDtoH_v2(back, p + bytes - n, n));
    TRUE_OR_DIE(memcmp(pattern, back, n) == 0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p + bytes - n + 1, pattern, n));
}

int main(void)
{
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    size_t free0, free1, total;
    CU(cuMemGetInfo_v2(&free0, &total));
    TRUE_OR_DIE(free0 <= total && total > 0);
    size_t only = 0; /* either may be left out */
    CU(cuMemGetInfo_v2(NULL, &only));
    TRUE_OR_DIE(only == total);
    CU(cuMemGetInfo_v2(&only, NULL));
    TRUE_OR_DIE(only == free0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemGetInfo_v2(NULL, NULL));
    CUdeviceptr p, base;
    size_t size;

    /* Plain. */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAlloc_v2(&p, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAlloc_v2(NULL, 16));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&p, (size_t)1 << 50));
    TRUE_OR_DIE(cuMemAlloc_v2(&p, ~(size_t)0) != CUDA_SUCCESS);
    static const size_t sizes[] = {1, 3, 64, 255, 256, 257, 4096, 65536, 1 << 20, (1 << 20) + 1, 2 << 20, (2 << 20) + 1, 9 << 20};
    enum { N = sizeof sizes / sizeof *sizes };
    CUdeviceptr all[N];
    for (int i = 0; i < N; i++) {
        CU(cuMemAlloc_v2(&all[i], sizes[i]));
        TRUE_OR_DIE(all[i] % 256 == 0);
        CU(cuMemGetAddressRange_v2(&base, &size, all[i] + sizes[i] / 2));
        TRUE_OR_DIE(base == all[i] && size == sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) TRUE_OR_DIE(i == j || all[i] + sizes[i] <= all[j] || all[j] + sizes[j] <= all[i]);
    for (int i = 0; i < N; i++) usable(all[i], sizes[i]);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(all[8] + 256)); /* interior */
    for (int i = 0; i < N; i++) CU(cuMemFree_v2(all[i]));
    for (int i = 0; i < N; i++) CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(all[i]));
    unsigned char byte = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(&byte, all[N - 1], 1)); /* use after free */
    CU(cuMemFree_v2(0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(0xdead0000));

    /* Pitched. */
    size_t pitch;
    CU(cuMemAllocPitch_v2(&p, &pitch, 1001, 33, 4));
    TRUE_OR_DIE(pitch >= 1001 && pitch % 32 == 0);
    usable(p, pitch * 33);
    CU(cuMemFree_v2(p));

    /* Freeing needs no current context. */
    CU(cuMemAlloc_v2(&p, 100));
    CU(cuCtxSetCurrent(NULL));
    CU(cuMemFree_v2(p));
    CU(cuCtxSetCurrent(context));

    /* Host memory. */
    void *host;
    CU(cuMemHostAlloc(&host, 100000, CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_PORTABLE));
    memset(host, 0x11, 100000);
    unsigned flags = 0;
    CU(cuMemHostGetFlags(&flags, host));
    TRUE_OR_DIE((flags & CU_MEMHOSTALLOC_DEVICEMAP) != 0);
    CU(cuMemHostGetDevicePointer_v2(&p, host, 0));
    TRUE_OR_DIE(p != 0);
    CUmemorytype type = 0;
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)host));
    TRUE_OR_DIE(type == CU_MEMORYTYPE_HOST);
    CU(cuMemFreeHost(host));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(host));
    CU(cuMemAllocHost_v2(&host, 5));
    memset(host, 1, 5);
    CU(cuMemFreeHost(host));

    /* What pointers are. */
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 100));
    TRUE_OR_DIE(type == CU_MEMORYTYPE_DEVICE);
    CUcontext owner;
    CU(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, p));
    TRUE_OR_DIE(owner == context);
    int local = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)&local));
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_CONTEXT, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_POINTER};
    CUdeviceptr device_pointer = 0;
    void *values[] = {&owner, &type, &device_pointer};
    CU(cuPointerGetAttributes(3, names, values, p + 8));
    TRUE_OR_DIE(type == CU_MEMORYTYPE_DEVICE && device_pointer == p + 8);
    type = (CUmemorytype)77;
    CU(cuPointerGetAttributes(3, names, values, (CUdeviceptr)(uintptr_t)&local)); /* unknown: success, zeroes */
    TRUE_OR_DIE(type == 0);
    CU(cuMemFree_v2(p));

    /* Managed, at first as device memory with correct copies. */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
    CU(cuMemAllocManaged(&p, 70000, CU_MEM_ATTACH_GLOBAL));
    usable(p, 70000);
    CU(cuMemFree_v2(p));

    /* Stream-ordered, default pool and one of our own. */
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUmemoryPool pool, current;
    CU(cuDeviceGetDefaultMemPool(&pool, 0));
    CU(cuDeviceGetMemPool(&current, 0));
    TRUE_OR_DIE(pool == current);
    cuuint64_t threshold = 1 << 20, read = 0;
    CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
    CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &read));
    TRUE_OR_DIE(read == threshold);
    for (int round = 0; round < 50; round++) {
        CUdeviceptr q[3];
        for (int i = 0; i < 3; i++) CU(cuMemAllocAsync(&q[i], 100000 + (size_t)i * 4096, stream));
        for (int i = 0; i < 3; i++) CU(cuMemsetD8Async(q[i], (unsigned char)(round + i), 100000, stream));
        static unsigned char look[100000];
        CU(cuMemcpyDtoHAsync_v2(look, q[1], 100000, stream));
        CU(cuStreamSynchronize(stream));
        for (int i = 0; i < 100000; i++) TRUE_OR_DIE(look[i] == (unsigned char)(round + 1));
        CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &read));
        TRUE_OR_DIE(read >= 300000);
        for (int i = 0; i < 3; i++) CU(cuMemFreeAsync(q[i], stream));
    }
    CU(cuStreamSynchronize(stream));
    /* With no context current, a stream's own: CUDA's C++ library allocates so. A default stream has none then. */
    CUcontext here, popped;
    CUdeviceptr contextless;
    CU(cuCtxGetCurrent(&here));
    CU(cuCtxPopCurrent_v2(&popped));
    CU(cuMemAllocFromPoolAsync(&contextless, 5000, pool, stream));
    CU(cuMemFreeAsync(contextless, stream));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemAllocAsync(&contextless, 5000, NULL));
    CU(cuCtxPushCurrent_v2(here));
    CU(cuMemPoolTrimTo(pool, 0));
    CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &read));
    TRUE_OR_DIE(read == 0);
    CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    CUmemoryPool own;
    CU(cuMemPoolCreate(&own, &properties));
    CU(cuMemAllocFromPoolAsync(&p, 12345, own, stream));
    CU(cuStreamSynchronize(stream));
    usable(p, 12345);
    CU(cuMemFreeAsync(p, stream));
    CU(cuStreamSynchronize(stream));
    CU(cuMemPoolDestroy(own));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolDestroy((CUmemoryPool)(uintptr_t)0x1122334455667788ull));
    CU(cuMemAllocAsync(&p, 333, stream));
    CU(cuStreamSynchronize(stream));
    CU(cuMemFree_v2(p)); /* allowed for stream-ordered memory too */

    /* Addresses, physical memory and mappings apart. */
    CUmemAllocationProp property = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    size_t grain;
    CU(cuMemGetAllocationGranularity(&grain, &property, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    CUmemGenericAllocationHandle one, two;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemCreate(&one, grain / 2, &property, 0));
    CU(cuMemCreate(&one, grain, &property, 0));
    CU(cuMemCreate(&two, 2 * grain, &property, 0));
    CUdeviceptr space;
    CU(cuMemAddressReserve(&space, 4 * grain, 0, 0, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(space, &byte, 1)); /* reserved is not mapped */
    CU(cuMemMap(space, grain, 0, one, 0));
    TRUE_OR_DIE(cuMemcpyHtoD_v2(space, &byte, 1) != CUDA_SUCCESS); /* mapped is not accessible */
    CU(cuMemMap(space + grain, 2 * grain, 0, two, 0));
    TRUE_OR_DIE(cuMemMap(space, grain, 0, one, 0) != CUDA_SUCCESS); /* mapped already */
    CUmemAccessDesc access = {.location = property.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CU(cuMemSetAccess(space, 3 * grain, &access, 1));
    unsigned long long granted = 0;
    CU(cuMemGetAccess(&granted, &property.location, space));
    TRUE_OR_DIE(granted == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    CU(cuMemsetD8_v2(space, 0x3c, 3 * grain)); /* across both mappings */
    CU(cuMemcpyDtoH_v2(&byte, space + 3 * grain - 1, 1));
    TRUE_OR_DIE(byte == 0x3c);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(space, 1, 3 * grain + 1));
    CUmemAllocationProp got;
    CU(cuMemGetAllocationPropertiesFromHandle(&got, one));
    TRUE_OR_DIE(got.type == property.type && got.location.id == 0);
    CUmemGenericAllocationHandle retained;
    CU(cuMemRetainAllocationHandle(&retained, (void *)(uintptr_t)space));
    CU(cuMemRelease(retained));
    CU(cuMemRelease(one)); /* still mapped: lives until it is unmapped */
    CU(cuMemsetD8_v2(space, 0x3d, grain));
    TRUE_OR_DIE(cuMemAddressFree(space, 4 * grain) != CUDA_SUCCESS); /* still mapped */
    CU(cuMemUnmap(space, grain));
    TRUE_OR_DIE(cuMemsetD8_v2(space, 1, 1) != CUDA_SUCCESS);
    CU(cuMemUnmap(space + grain, 2 * grain));
    CU(cuMemRelease(two));
    TRUE_OR_DIE(cuMemRelease(two) != CUDA_SUCCESS);
    CU(cuMemAddressFree(space, 4 * grain));

    /* Arrays: three-dimensional, layered, and a mipmap chain. */
    CUDA_ARRAY3D_DESCRIPTOR cube = {.Width = 17, .Height = 9, .Depth = 5, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 4}, seen;
    CUarray array;
    CU(cuArray3DCreate_v2(&array, &cube));
    CU(cuArray3DGetDescriptor_v2(&seen, array));
    TRUE_OR_DIE(seen.Width == 17 && seen.Height == 9 && seen.Depth == 5 && seen.NumChannels == 4);
    CU(cuArrayDestroy(array));
    cube.Format = CU_AD_FORMAT_UNSIGNED_INT8, cube.NumChannels = 3;
    TRUE_OR_DIE(cuArray3DCreate_v2(&array, &cube) != CUDA_SUCCESS); /* three channels: no such format */
    CUmipmappedArray chain;
    CUDA_ARRAY3D_DESCRIPTOR flat = {.Width = 64, .Height = 32, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 4};
    CU(cuMipmappedArrayCreate(&chain, &flat, 4));
    CU(cuMipmappedArrayGetLevel(&array, chain, 2));
    CU(cuArray3DGetDescriptor_v2(&seen, array));
    TRUE_OR_DIE(seen.Width == 16 && seen.Height == 8);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMipmappedArrayGetLevel(&array, chain, 4));
    CU(cuMipmappedArrayDestroy(chain));

    CU(cuStreamDestroy_v2(stream));
    CU(cuCtxSynchronize());
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free0 == free1);
    CU(cuCtxDestroy_v2(context));
    puts("memory: ok");
    return 0;
}
