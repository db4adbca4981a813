/* mayhem.c - a client that connects, allocates, copies, and goes on for ever until somebody kills it: mayhem SEED.
 * It holds memory of every kind, streams, events and copies in flight at any moment, so that a SIGKILL finds them. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static uint32_t state;
static uint32_t next(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * below) >> 32);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    enum { MEMORY = 24, BYTES = 1 << 20 };
    CUdeviceptr memory[MEMORY] = {0};
    static unsigned char host[BYTES];
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CUstream streams[3];
    for (int i = 0; i < 3; i++) CU(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    void *pinned = NULL;
    if (next(2)) CU(cuMemHostAlloc(&pinned, 256 << 10, 0));
    for (;;) {
        uint32_t i = next(MEMORY);
        CUstream stream = streams[next(3)];
        if (!memory[i]) {
            CUresult status = cuMemAlloc_v2(&memory[i], 1 + next(BYTES));
            if (status == CUDA_ERROR_OUT_OF_MEMORY) memory[i] = 0;
            else CU(status);
            continue;
        }
        size_t size = 0;
        CUdeviceptr base;
        CU(cuMemGetAddressRange_v2(&base, &size, memory[i]));
        switch (next(7)) {
        case 0: CU(cuMemcpyHtoDAsync_v2(memory[i], host, size, stream)); break;
        case 1: CU(cuMemcpyDtoH_v2(host, memory[i], size)); break;
        case 2: CU(cuMemsetD8Async(memory[i], (unsigned char)next(256), size, stream)); break;
        case 3: if (pinned) CU(cuMemcpyDtoHAsync_v2(pinned, memory[i], size < (256 << 10) ? size : 256 << 10, stream)); break;
        case 4: {
            CUevent event;
            CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
            CU(cuEventRecord(event, stream));
            if (next(2)) CU(cuEventDestroy_v2(event));
            break;
        }
        case 5: CU(cuStreamSynchronize(stream)); break;
        default: CU(cuStreamSynchronize(stream)); CU(cuMemFree_v2(memory[i])); memory[i] = 0;
        }
    }
}
