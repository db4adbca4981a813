/* endless.c - a kernel that never ends, while the host holds pinned memory; says "running" and waits to be killed. */
#include <unistd.h>

#include "check.h"

static const char text[] = ".version 7.5\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\nL:\n  bra L;\n  ret;\n}\n";

int main(void)
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
    CU(cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, NULL, NULL));
    printf("running\n");
    fflush(stdout);
    for (;;) pause();
}
