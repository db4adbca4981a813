/* residue.c - residue write MIB | residue look MIB: fill device memory with a pattern and exit without freeing it, or get as
 * much memory in every way there is and look for anything but zeroes. Exit 0: written / nothing found. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static size_t dirty(const char *what, CUdeviceptr address, size_t bytes)
{
    enum { PIECE = 1 << 20 };
    static unsigned char host[PIECE];
    size_t found = 0;
    for (size_t at = 0; at < bytes; at += PIECE) {
        size_t n = bytes - at < PIECE ? bytes - at : PIECE;
        CU(cuMemcpyDtoH_v2(host, address + at, n));
        for (size_t i = 0; i < n; i++) found += host[i] != 0;
    }
    if (found) printf("%s: %zu of %zu bytes are somebody else's\n", what, found, bytes);
    return found;
}

int main(int argc, char **argv)
{
    if (argc != 3) return fprintf(stderr, "usage: residue write|look MIB\n"), 64;
    size_t bytes = strtoul(argv[2], NULL, 10) << 20;
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    if (strcmp(argv[1], "write") == 0) {
        CUdeviceptr large, small[1000];
        CU(cuMemAlloc_v2(&large, bytes / 2));
        CU(cuMemsetD8_v2(large, 0x5a, bytes / 2));
        for (int i = 0; i < 1000; i++) {
            CU(cuMemAlloc_v2(&small[i], 5000));
            CU(cuMemsetD8_v2(small[i], 0x5a, 5000));
        }
        return 0; /* exits with all of it held */
    }
    size_t found = 0;
    CUdeviceptr p;
    CU(cuMemAlloc_v2(&p, bytes / 2));
    found += dirty("cuMemAlloc, large", p, bytes / 2);
    for (int i = 0; i < 1000; i++) {
        CU(cuMemAlloc_v2(&p, 5000));
        found += dirty("cuMemAlloc, small", p, 5000);
    }
    size_t pitch;
    CU(cuMemAllocPitch_v2(&p, &pitch, 1000, 1000, 4));
    found += dirty("cuMemAllocPitch", p, pitch * 1000);
    CU(cuMemAllocAsync(&p, 4 << 20, 0));
    CU(cuStreamSynchronize(0));
    found += dirty("cuMemAllocAsync", p, 4 << 20);
    CUmemAllocationProp property = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    CUmemGenericAllocationHandle handle;
    CU(cuMemCreate(&handle, 4 << 20, &property, 0));
    CU(cuMemAddressReserve(&p, 4 << 20, 0, 0, 0));
    CU(cuMemMap(p, 4 << 20, 0, handle, 0));
    CUmemAccessDesc access = {.location = property.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CU(cuMemSetAccess(p, 4 << 20, &access, 1));
    found += dirty("cuMemCreate", p, 4 << 20);
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 512, .Height = 512, .Format = CU_AD_FORMAT_UNSIGNED_INT32, .NumChannels = 1};
    CUarray array;
    CU(cuArrayCreate_v2(&array, &shape));
    CU(cuMemAlloc_v2(&p, 512 * 512 * 4));
    CU(cuMemsetD8_v2(p, 0xff, 512 * 512 * 4));
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .dstMemoryType = CU_MEMORYTYPE_DEVICE,
                          .dstDevice = p, .dstPitch = 512 * 4, .WidthInBytes = 512 * 4, .Height = 512};
    CU(cuMemcpy2D_v2(&copy));
    found += dirty("cuArrayCreate", p, 512 * 512 * 4);
    return found != 0;
}
