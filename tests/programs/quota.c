/* quota.c - quota BYTES: in a zone of BYTES with no other client, every way to get device memory is counted to the byte:
 * what is left can be had exactly, and one byte more is refused with out of memory and changes nothing. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static size_t limit;

static size_t free_bytes(void)
{
    size_t free, total;
    CU(cuMemGetInfo_v2(&free, &total));
    TRUE_OR_DIE(total == limit);
    return free;
}

/* All that is left fits, one byte more does not. */
static void exact(const char *after, size_t used)
{
    size_t left = limit - used;
    if (free_bytes() != left) {
        fprintf(stderr, "after %s: %zu bytes free, expected %zu\n", after, free_bytes(), left);
        exit(1);
    }
    CUdeviceptr all, more;
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&more, left + 1));
    CU(cuMemAlloc_v2(&all, left));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&more, 1));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocManaged(&more, 1, CU_MEM_ATTACH_GLOBAL));
    size_t pitch;
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocPitch_v2(&more, &pitch, 1, 1, 4));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&more, 1, 0));
    TRUE_OR_DIE(free_bytes() == 0);
    CU(cuMemFree_v2(all));
    TRUE_OR_DIE(free_bytes() == left);
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "usage: quota BYTES\n"), 64;
    limit = strtoull(argv[1], NULL, 10);
    CU(cuInit(0));
    size_t total;
    CU(cuDeviceTotalMem_v2(&total, 0));
    TRUE_OR_DIE(total == limit);
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    exact("nothing", 0);

    CUdeviceptr odd;
    CU(cuMemAlloc_v2(&odd, 12345));
    exact("cuMemAlloc of 12345 bytes", 12345);
    CU(cuMemFree_v2(odd));

    CUdeviceptr padded;
    size_t pitch;
    CU(cuMemAllocPitch_v2(&padded, &pitch, 1001, 77, 4));
    TRUE_OR_DIE(pitch >= 1001);
    exact("cuMemAllocPitch, padding included", pitch * 77);
    CU(cuMemFree_v2(padded));

    CUdeviceptr managed;
    CU(cuMemAllocManaged(&managed, 4099, CU_MEM_ATTACH_GLOBAL));
    exact("cuMemAllocManaged", 4099);
    CU(cuMemFree_v2(managed));

    CUdeviceptr pooled;
    CU(cuMemAllocAsync(&pooled, 777777, 0));
    CU(cuStreamSynchronize(0));
    exact("cuMemAllocAsync", 777777);
    CU(cuMemFreeAsync(pooled, 0));
    CU(cuStreamSynchronize(0));

    CUmemAllocationProp property = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    size_t granularity;
    CU(cuMemGetAllocationGranularity(&granularity, &property, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    CUmemGenericAllocationHandle handle;
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemCreate(&handle, (limit / granularity + 1) * granularity, &property, 0));
    CU(cuMemCreate(&handle, 3 * granularity, &property, 0));
    exact("cuMemCreate", 3 * granularity);
    CU(cuMemRelease(handle));

    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 1000, .Height = 333, .Format = CU_AD_FORMAT_HALF, .NumChannels = 2};
    CUarray array;
    CU(cuArrayCreate_v2(&array, &shape));
    exact("cuArrayCreate", 1000 * 333 * 4);
    CU(cuArrayDestroy(array));
    exact("everything freed", 0);
    puts("quota: exact to the byte");
    return 0;
}
