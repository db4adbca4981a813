/* sequence.c - the calls that the project's first proof of concept made, in its order: initialise, version, count, name,
 * context, three allocations, host to device, device to device, device to host and compare, memsets of 8, 16 and 32 bits,
 * synchronise, free, destroy. Every result is compared with what the host computes. */
#include <stdint.h>
#include <string.h>

#include "check.h"

enum { BYTES = 3 * 1024 * 1024 + 136 }; /* not a power of two, more than one staging chunk */

static unsigned char source[BYTES], result[BYTES];

int main(void)
{
    CU(cuInit(0));
    int version = 0, count = 0;
    CU(cuDriverGetVersion(&version));
    TRUE_OR_DIE(version >= 12000);
    CU(cuDeviceGetCount(&count));
    TRUE_OR_DIE(count >= 1);
    CUdevice device;
    CU(cuDeviceGet(&device, 0));
    char name[256];
    CU(cuDeviceGetName(name, sizeof name, device));
    TRUE_OR_DIE(name[0] != 0);
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, device));

    CUdeviceptr a, b, c;
    CU(cuMemAlloc_v2(&a, BYTES));
    CU(cuMemAlloc_v2(&b, BYTES));
    CU(cuMemAlloc_v2(&c, BYTES));
    TRUE_OR_DIE(a != b && b != c && a != c);

    uint32_t state = 0x9e3779b9u;
    for (int i = 0; i < BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        source[i] = (unsigned char)(state >> 24);
    }
    CU(cuMemcpyHtoD_v2(a, source, BYTES));
    CU(cuMemcpyDtoD_v2(b, a, BYTES));
    memset(result, 0, BYTES);
    CU(cuMemcpyDtoH_v2(result, b, BYTES));
    TRUE_OR_DIE(memcmp(source, result, BYTES) == 0);

    /* Three memsets side by side in c: each must touch its own bytes and no others. */
    CU(cuMemcpyHtoD_v2(c, source, BYTES));
    CU(cuMemsetD8_v2(c, 0xa5, 1001));
    CU(cuMemsetD16_v2(c + 2002, 0xbeef, 500));
    CU(cuMemsetD32_v2(c + 4004, 0xdeadbeefu, 250));
    CU(cuCtxSynchronize());
    CU(cuMemcpyDtoH_v2(result, c, BYTES));
    memset(source, 0xa5, 1001);
    for (int i = 0; i < 500; i++) memcpy(source + 2002 + 2 * i, &(uint16_t){0xbeef}, 2);
    for (int i = 0; i < 250; i++) memcpy(source + 4004 + 4 * i, &(uint32_t){0xdeadbeefu}, 4);
    TRUE_OR_DIE(memcmp(source, result, BYTES) == 0);

    CU(cuMemFree_v2(a));
    CU(cuMemFree_v2(b));
    CU(cuMemFree_v2(c));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(c));
    CU(cuCtxDestroy_v2(context));
    printf("sequence: ok on %s, driver %d.%d\n", name, version / 1000, version % 1000 / 10);
    return 0;
}
