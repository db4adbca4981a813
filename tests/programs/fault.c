/* fault.c - a program whose kernel writes to nobody's memory: its calls say so, one after the other, and it ends by itself. */
#include <unistd.h>

#include "check.h"

static const char ptx[] =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry fails()\n{\n .reg .b64 %p;\n mov.u64 %p, 16;\n st.global.u32 [%p], 7;\n ret;\n}\n";

int main(void)
{
    CUcontext context;
    CUmodule module;
    CUfunction fails;
    CUdeviceptr memory;
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&fails, module, "fails"));
    CU(cuMemAlloc_v2(&memory, 4096));
    CU(cuLaunchKernel(fails, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemsetD8_v2(memory, 7, 4096));
    for (int i = 0; i < 100; i++) {
        usleep(1000);
        CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc_v2(&memory, 4096));
    }
    return 0;
}
