/* mayhem.c - a client that connects, allocates, copies, and goes on for ever until somebody kills it: mayhem SEED.
 * It holds memory of every kind, streams, events and copies in flight at any moment, so that a SIGKILL finds them: in the middle of a storm
 * of launches, of a graph's launch, of a capture, of loading code, of a host function. */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static uint32_t state;
static uint32_t next(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * below) >> 32);
}

static const char ptx[] = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .global .align 4 .b8 global[4096];\n"
                          ".visible .entry touch(.param .u64 p)\n{\n .reg .b64 %a;\n .reg .b32 %v;\n ld.param.u64 %a, [p];\n atom.add.u32 %v, [%a], 1;\n ret;\n}\n";
static CUfunction touch;

static void CUDA_CB doze(void *data)
{
    (void)data;
    usleep(2000);
}

/* Whether there was room. */
static int room(CUresult status)
{
    if (status != CUDA_ERROR_OUT_OF_MEMORY) CU(status);
    return status == CUDA_SUCCESS;
}

static void storm(CUdeviceptr at, CUstream stream)
{
    for (uint32_t n = next(400); n; n--) CU(cuLaunchKernel(touch, 4, 1, 1, 32, 1, 1, 0, stream, (void *[]){&at}, NULL));
}

static void capture(CUdeviceptr at, CUstream stream)
{
    CUgraph graph;
    CUgraphExec exec;
    CU(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    CU(cuMemsetD8Async(at, 1, 1, stream));
    for (uint32_t n = next(20); n; n--) CU(cuLaunchKernel(touch, 1, 1, 1, 32, 1, 1, 0, stream, (void *[]){&at}, NULL));
    if (next(4) == 0) usleep(next(5000)); /* a good moment to die */
    CU(cuStreamEndCapture(stream, &graph));
    if (room(cuGraphInstantiateWithFlags(&exec, graph, 0))) {
        for (uint32_t n = next(20); n; n--) CU(cuGraphLaunch(exec, stream));
        if (next(2)) CU(cuGraphExecDestroy(exec));
    }
    if (next(2)) CU(cuGraphDestroy(graph));
}

static void load(void)
{
    CUmodule module;
    if (room(cuModuleLoadData(&module, ptx)) && next(3)) CU(cuModuleUnload(module));
}

static void manage(void)
{
    CUdeviceptr p;
    if (!room(cuMemAllocManaged(&p, 1 + next(300000), CU_MEM_ATTACH_GLOBAL))) return;
    *(volatile char *)(uintptr_t)p = 1;
    if (next(4)) CU(cuMemFree_v2(p));
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
    CUmodule module;
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&touch, module, "touch"));
    CUstream streams[3];
    for (int i = 0; i < 3; i++) CU(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    void *pinned = NULL;
    if (next(2)) CU(cuMemHostAlloc(&pinned, 256 << 10, 0));
    for (;;) {
        uint32_t i = next(MEMORY);
        CUstream stream = streams[next(3)];
        if (!memory[i]) {
            if (!room(cuMemAlloc_v2(&memory[i], 4 + next(BYTES)))) memory[i] = 0;
            continue;
        }
        size_t size = 0;
        CUdeviceptr base;
        CU(cuMemGetAddressRange_v2(&base, &size, memory[i]));
        switch (next(12)) {
        case 0: CU(cuMemcpyHtoDAsync_v2(memory[i], host, size, stream)); break;
        case 1: CU(cuMemcpyDtoH_v2(host, memory[i], size)); break;
        case 2: CU(cuMemsetD8Async(memory[i], (unsigned char)next(256), size, stream)); break;
        case 3: if (pinned) CU(cuMemcpyDtoHAsync_v2(pinned, memory[i], size < (256 << 10) ? size : 256 << 10, stream)); break;
        case 4: {
            CUevent event;
            if (!room(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING))) break;
            CU(cuEventRecord(event, stream));
            if (next(2)) CU(cuEventDestroy_v2(event));
            break;
        }
        case 5: CU(cuStreamSynchronize(stream)); break;
        case 6: storm(memory[i], stream); break;
        case 7: capture(memory[i], stream); break;
        case 8: load(); break;
        case 9: CU(cuLaunchHostFunc(stream, doze, NULL)); break;
        case 10: manage(); break;
        default: CU(cuStreamSynchronize(stream)); CU(cuMemFree_v2(memory[i])); memory[i] = 0;
        }
    }
}
