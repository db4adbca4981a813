/* managed.c - managed memory that the program's own loads and stores reach, and what is asked and advised of it. Host accesses are
 * plain C: a pointer that cuMemAllocManaged gave is used like malloc's. The GPU's side is copies and sets; kernels: mapped.c. */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void both_sides(CUstream stream, size_t bytes, unsigned flags)
{
    CUdeviceptr p, q;
    CU(cuMemAllocManaged(&p, bytes, flags));
    CU(cuMemAlloc_v2(&q, bytes));
    unsigned char *host = (unsigned char *)(uintptr_t)p, *other = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) host[i] = (unsigned char)(i * 7 + 3);
    CU(cuMemcpyDtoD_v2(q, p, bytes)); /* the GPU sees what the host wrote */
    CU(cuMemcpyDtoH_v2(other, q, bytes));
    TRUE_OR_DIE(memcmp(host, other, bytes) == 0);
    CU(cuMemsetD8Async(p, 0x5a, bytes, stream)); /* the host sees what the GPU wrote */
    CU(cuStreamSynchronize(stream));
    for (size_t i = 0; i < bytes; i++) TRUE_OR_DIE(host[i] == 0x5a);
    CU(cuMemcpyDtoDAsync_v2(p, q, bytes, stream));
    CUresult state;
    while ((state = cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY) { }
    CU(state);
    TRUE_OR_DIE(memcmp(host, other, bytes) == 0);
    /* As a host pointer, and as both kinds. */
    memset(host, 0x11, bytes);
    CU(cuMemcpyHtoD_v2(q, host, bytes));
    memset(other, 0, bytes);
    CU(cuMemcpyDtoH_v2(other, q, bytes));
    TRUE_OR_DIE(memcmp(host, other, bytes) == 0);
    CU(cuMemsetD8_v2(q, 0x77, bytes));
    CU(cuMemcpyDtoH_v2(host, q, bytes));
    for (size_t i = 0; i < bytes; i++) TRUE_OR_DIE(host[i] == 0x77);
    memset(other, 0x33, bytes);
    CU(cuMemcpy(p, (CUdeviceptr)(uintptr_t)other, bytes));
    TRUE_OR_DIE(memcmp(host, other, bytes) == 0);
    memset(host, 0x44, bytes);
    CU(cuMemcpy((CUdeviceptr)(uintptr_t)other, p, bytes));
    TRUE_OR_DIE(memcmp(host, other, bytes) == 0);
    CU(cuMemcpyHtoD_v2(p, other, bytes));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p + 1, other, bytes));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(p + 1, 0, bytes));
    if (bytes >= 64 * 48) { /* a box */
        CUDA_MEMCPY2D box = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = p, .srcPitch = 64, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = other,
                             .dstPitch = 32, .WidthInBytes = 32, .Height = 48};
        for (int y = 0; y < 48; y++) memset(host + 64 * y, y + 1, 64);
        CU(cuMemcpy2D_v2(&box));
        for (int i = 0; i < 32 * 48; i++) TRUE_OR_DIE(other[i] == i / 32 + 1);
    }
    free(other);
    CU(cuMemFree_v2(q));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p + 512));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(host));
    CU(cuMemFree_v2(p));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p));
}

static void attributes(CUcontext context)
{
    CUdeviceptr p, base;
    size_t size;
    CU(cuMemAllocManaged(&p, 70000, CU_MEM_ATTACH_HOST));
    CUmemorytype type = 0;
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 5));
    TRUE_OR_DIE(type == CU_MEMORYTYPE_DEVICE);
    int managed = 0, ordinal = -1;
    CU(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, p + 5));
    CU(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p + 5));
    TRUE_OR_DIE(managed == 1 && ordinal == 0);
    void *host = NULL;
    CUdeviceptr device = 0;
    CUcontext owner = NULL;
    CU(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p + 5));
    CU(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, p + 5));
    CU(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, p + 5));
    TRUE_OR_DIE((CUdeviceptr)(uintptr_t)host == p + 5 && device == p + 5 && owner == context);
    CU(cuMemGetAddressRange_v2(&base, &size, p + 69999));
    TRUE_OR_DIE(base == p && size == 70000);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostGetDevicePointer_v2(&device, (void *)(uintptr_t)p, 0));
    CU(cuMemFree_v2(p));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, p));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 16, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(&p, 16, CU_MEM_ATTACH_SINGLE));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocManaged(NULL, 16, CU_MEM_ATTACH_GLOBAL));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocManaged(&p, (size_t)1 << 50, CU_MEM_ATTACH_GLOBAL));
}

static void advice(CUstream stream)
{
    enum { BYTES = 3 << 20 };
    CUdeviceptr p, plain;
    CUmemLocation gpu = {CU_MEM_LOCATION_TYPE_DEVICE, 0}, host = {CU_MEM_LOCATION_TYPE_HOST, 0}, none = {CU_MEM_LOCATION_TYPE_DEVICE, 77};
    CU(cuMemAllocManaged(&p, BYTES, CU_MEM_ATTACH_GLOBAL));
    CU(cuMemAlloc_v2(&plain, BYTES));
    int value = 7, list[3];
    CU(cuMemRangeGetAttribute(&value, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, BYTES));
    TRUE_OR_DIE(value == 0);
    CU(cuMemAdvise_v2(p, BYTES, CU_MEM_ADVISE_SET_READ_MOSTLY, gpu));
    CU(cuMemRangeGetAttribute(&value, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, BYTES));
    TRUE_OR_DIE(value == 1);
    CU(cuMemAdvise(p, BYTES, CU_MEM_ADVISE_UNSET_READ_MOSTLY, 0));
    CU(cuMemAdvise(p, BYTES, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, CU_DEVICE_CPU));
    CU(cuMemAdvise(p, BYTES, CU_MEM_ADVISE_SET_ACCESSED_BY, 0));
    CU(cuMemAdvise_v2(p, BYTES, CU_MEM_ADVISE_SET_ACCESSED_BY, host));
    void *into[] = {&value, list};
    size_t sizes[] = {sizeof value, sizeof list};
    CUmem_range_attribute which[] = {CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY};
    CU(cuMemRangeGetAttributes(into, sizes, which, 2, p, BYTES));
    TRUE_OR_DIE(value == CU_DEVICE_CPU && list[0] == CU_DEVICE_CPU && list[1] == 0 && list[2] == CU_DEVICE_INVALID);
    CU(cuMemPrefetchAsync(p, BYTES, 0, stream));
    CU(cuMemRangeGetAttribute(&value, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, p, BYTES));
    TRUE_OR_DIE(value == 0);
    CU(cuMemPrefetchAsync_v2(p, BYTES, host, 0, NULL));
    CU(cuMemRangeGetAttribute(&value, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION_TYPE, p, BYTES));
    TRUE_OR_DIE(value == CU_MEM_LOCATION_TYPE_HOST);
    size_t start = 0, length = BYTES;
    CU(cuMemPrefetchBatchAsync(&p, &length, 1, &gpu, &start, 1, 0, stream));
    CU(cuMemRangeGetAttribute(&value, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, p, BYTES));
    TRUE_OR_DIE(value == 0);
    CU(cuMemDiscardBatchAsync(&p, &length, 1, 0, stream));
    CU(cuMemDiscardAndPrefetchBatchAsync(&p, &length, 1, &gpu, &start, 1, 0, stream));
    CU(cuStreamAttachMemAsync(stream, p, 0, CU_MEM_ATTACH_SINGLE));
    CU(cuStreamAttachMemAsync(stream, p, BYTES, CU_MEM_ATTACH_GLOBAL));
    CU(cuStreamAttachMemAsync(NULL, p, 0, CU_MEM_ATTACH_HOST));

    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(plain, BYTES, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, (size_t)BYTES + 1, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, 0, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAdvise(p, BYTES, (CUmem_advise)99, 0));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemAdvise(p, BYTES, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, 77));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuMemPrefetchAsync_v2(p, BYTES, none, 0, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync_v2(p, BYTES, gpu, 1, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchAsync(plain, BYTES, 0, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchBatchAsync(&p, &length, 1, &gpu, &start, 1, 5, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchBatchAsync(&plain, &length, 1, &gpu, &start, 1, 0, stream));
    start = 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPrefetchBatchAsync(&p, &length, 1, &gpu, &start, 1, 0, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRangeGetAttribute(&value, 3, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, p, BYTES));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemRangeGetAttribute(&value, 4, (CUmem_range_attribute)99, p, BYTES));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(NULL, p, 0, CU_MEM_ATTACH_SINGLE));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(stream, p, 100, CU_MEM_ATTACH_GLOBAL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(stream, plain, 0, CU_MEM_ATTACH_GLOBAL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAttachMemAsync(stream, p, 0, 0));
    CU(cuMemFree_v2(plain));
    CU(cuMemFree_v2(p));
}

/* Many small ones, freed in another order, one after another: none overlaps, each keeps its bytes. */
static void many(void)
{
    enum { N = 3000 };
    static CUdeviceptr all[N];
    static size_t sizes[N];
    for (int i = 0; i < N; i++) {
        sizes[i] = (size_t)(i * 37 % 5000 + 1);
        CU(cuMemAllocManaged(&all[i], sizes[i], CU_MEM_ATTACH_GLOBAL));
        memset((void *)(uintptr_t)all[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < N; i++) {
        const unsigned char *bytes = (const unsigned char *)(uintptr_t)all[i];
        TRUE_OR_DIE(bytes[0] == (i & 0xff) && bytes[sizes[i] - 1] == (i & 0xff));
    }
    for (int i = 0; i < N; i++) CU(cuMemFree_v2(all[i * 7 % N]));
    for (int i = 0; i < 40; i++) { /* large ones come and go at the same addresses */
        CU(cuMemAllocManaged(&all[0], 5 << 20, CU_MEM_ATTACH_GLOBAL));
        unsigned char *host = (unsigned char *)(uintptr_t)all[0];
        TRUE_OR_DIE(host[0] == 0 && host[(5 << 20) - 1] == 0);
        memset(host, 0xee, 5 << 20);
        CU(cuMemFree_v2(all[0]));
    }
}

/* Threads that allocate, touch and free at once: objects are mapped and unmapped at the same addresses over and over. */
static void *one_of_many(void *argument)
{
    CU(cuCtxSetCurrent(((CUcontext *)argument)[0]));
    unsigned state = (unsigned)((uintptr_t)((CUcontext *)argument)[1]);
    for (int i = 0; i < 60; i++) {
        state = state * 1103515245u + 12345u;
        size_t bytes = state >> 16 & 3 ? (state >> 8) % 9000 + 1 : (1u << 20) + (state >> 8) % 3000000;
        CUdeviceptr p = 0;
        void *pinned = NULL;
        if (state >> 20 & 1) CU(cuMemAllocManaged(&p, bytes, CU_MEM_ATTACH_GLOBAL));
        else CU(cuMemHostAlloc(&pinned, bytes, 0));
        unsigned char *host = p ? (unsigned char *)(uintptr_t)p : pinned;
        host[0] = host[bytes - 1] = (unsigned char)i;
        CU(cuMemsetD8_v2((CUdeviceptr)(uintptr_t)host, (unsigned char)(i + 1), bytes));
        TRUE_OR_DIE(host[0] == (unsigned char)(i + 1) && host[bytes - 1] == (unsigned char)(i + 1));
        if (p) CU(cuMemFree_v2(p));
        else CU(cuMemFreeHost(pinned));
    }
    return NULL;
}

static void threads(CUcontext context)
{
    enum { THREADS = 4 };
    pthread_t all[THREADS];
    static CUcontext arguments[THREADS][2];
    for (int i = 0; i < THREADS; i++) {
        arguments[i][0] = context;
        arguments[i][1] = (CUcontext)(uintptr_t)(i + 1);
        TRUE_OR_DIE(pthread_create(&all[i], NULL, one_of_many, arguments[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(all[i], NULL);
}

/* managed [card]: on a card, whose atomics need not hold for both sides at once. */
int main(int argc, char **argv)
{
    const int card = argc > 1 && strcmp(argv[1], "card") == 0;
    CU(cuInit(0));
    CUcontext context, second;
    CU(cuCtxCreate_v2(&context, 0, 0));
    int can = 0;
    CU(cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0));
    TRUE_OR_DIE(can == 1);
    CU(cuDeviceGetAttribute(&can, CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS, 0));
    TRUE_OR_DIE(can == !card);
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    static const size_t sizes[] = {1, 4, 100, 4096, 1 << 20, (1 << 20) + 1, 9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) both_sides(stream, sizes[i], i % 2 ? CU_MEM_ATTACH_HOST : CU_MEM_ATTACH_GLOBAL);
    attributes(context);
    if (!card) advice(stream); /* some of which asks for that too */
    many();
    threads(context);

    /* It goes with its context. */
    CUdeviceptr small, large;
    CU(cuCtxCreate_v2(&second, 0, 0));
    CU(cuMemAllocManaged(&small, 100, CU_MEM_ATTACH_GLOBAL));
    CU(cuMemAllocManaged(&large, 4 << 20, CU_MEM_ATTACH_GLOBAL));
    CU(cuCtxDestroy_v2(second));
    CU(cuCtxSetCurrent(context));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(small));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(large));
    int managed = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, large));
    CU(cuStreamDestroy_v2(stream));
    CU(cuCtxDestroy_v2(context));
    printf("managed memory works from both sides\n");
    return 0;
}
