/* endless.c - kernel: a kernel that never ends; callback: a host function that never returns, and work behind it in its stream. The host holds
 * memory of both kinds; says "running" and waits to be killed. */
#include <string.h>
#include <unistd.h>

#include "check.h"

static const char text[] = ".version 7.5\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\nL:\n  bra L;\n  ret;\n}\n";

static void wait_for_ever(void)
{
    printf("running\n");
    fflush(stdout);
    for (;;) pause();
}

static void CUDA_CB never_returns(void *data)
{
    (void)data;
    wait_for_ever();
}

int main(int argc, char **argv)
{
    CU(cuInit(0));
    CUcontext context;
    CUmodule module;
    CUfunction kernel;
    void *host;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&kernel, module, "k"));
    CU(cuMemHostAlloc(&host, 1 << 20, 0));
    if (argc > 1 && strcmp(argv[1], "callback") == 0) {
        CUdeviceptr memory;
        CU(cuMemAlloc_v2(&memory, 8 << 20));
        CU(cuLaunchHostFunc(NULL, never_returns, NULL));
        CU(cuMemsetD8Async(memory, 1, 8 << 20, NULL));
        CU(cuMemcpyDtoHAsync_v2(host, memory, 1 << 20, NULL));
        for (;;) pause();
    }
    CU(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL));
    wait_for_ever();
}
