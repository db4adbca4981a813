/* tour.c - a CUDA driver-API program that knows nothing of Ringfence and says what it does: the demo's tenant.
 *
 *   tour [MIB]        allocate MIB (default 48) in pieces, copy, set, verify, streams, events
 *
 * Exit status 0: everything verified. 2: the device had no memory for it (the quota held). 1: anything else. */
#include <stdint.h>
#include <string.h>

#include "check.h"

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 48;
    CU(cuInit(0));
    CUdevice device;
    CU(cuDeviceGet(&device, 0));
    char name[128];
    CU(cuDeviceGetName(name, sizeof name, device));
    size_t total, free_before;
    CU(cuDeviceTotalMem_v2(&total, device));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, device));
    CU(cuMemGetInfo_v2(&free_before, &total));
    printf("  device 0 is \"%s\" with %zu MiB, %zu MiB free\n", name, total >> 20, free_before >> 20);

    enum { PIECES = 4 };
    size_t piece = (mib << 20) / PIECES;
    CUdeviceptr memory[PIECES];
    for (int i = 0; i < PIECES; i++) {
        CUresult status = cuMemAlloc_v2(&memory[i], piece);
        if (status == CUDA_ERROR_OUT_OF_MEMORY) {
            printf("  allocation %d of %zu MiB: CUDA_ERROR_OUT_OF_MEMORY: the quota held\n", i + 1, piece >> 20);
            return 2;
        }
        CU(status);
    }
    printf("  allocated %d x %zu MiB\n", PIECES, piece >> 20);

    unsigned char *up = malloc(piece), *down = malloc(piece);
    TRUE_OR_DIE(up && down);
    for (size_t i = 0; i < piece; i++) up[i] = (unsigned char)(i * 31 + (i >> 12));

    CUstream stream;
    CUevent begin, end;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&begin, CU_EVENT_DEFAULT));
    CU(cuEventCreate(&end, CU_EVENT_DEFAULT));
    CU(cuEventRecord(begin, stream));
    CU(cuMemcpyHtoDAsync_v2(memory[0], up, piece, stream));
    for (int i = 1; i < PIECES; i++) CU(cuMemcpyDtoDAsync_v2(memory[i], memory[i - 1], piece, stream));
    CU(cuMemsetD32Async(memory[PIECES - 1] + piece / 2, 0x52494e47u, piece / 8, stream));
    CU(cuMemcpyDtoHAsync_v2(down, memory[PIECES - 1], piece, stream));
    CU(cuEventRecord(end, stream));
    CU(cuStreamSynchronize(stream));
    float milliseconds = -1;
    CU(cuEventElapsedTime_v2(&milliseconds, begin, end));
    TRUE_OR_DIE(milliseconds >= 0);

    for (size_t i = 0; i + 4 <= piece / 2; i += 4) memcpy(up + piece / 2 / 4 * 4 + i, &(uint32_t){0x52494e47u}, 4);
    TRUE_OR_DIE(memcmp(up, down, piece) == 0);
    printf("  up, %d device copies, a memset, down: every byte verified, %.1f ms\n", PIECES - 1, milliseconds);

    for (int i = 0; i < PIECES; i++) CU(cuMemFree_v2(memory[i]));
    CU(cuEventDestroy_v2(begin));
    CU(cuEventDestroy_v2(end));
    CU(cuStreamDestroy_v2(stream));
    CU(cuCtxDestroy_v2(context));
    free(up);
    free(down);
    return 0;
}
