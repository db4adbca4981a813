/* lazy.c - kernels are launched for the first time while host functions are under way in other streams of their context. A driver that loads code
 * lazily may wait for those there ("Loading a kernel might require context synchronization"); alone a program does not notice, for the
 * functions run on a thread of the driver's. */
#include <stdatomic.h>

#include "check.h"

#define ROUNDS 20

static const char ptx[] =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry adds(.param .u64 at)\n{\n .reg .b64 %p;\n .reg .b32 %r;\n ld.param.u64 %p, [at];\n ld.global.u32 %r, [%p];\n add.u32 %r, %r, 1;\n"
    " st.global.u32 [%p], %r;\n ret;\n}\n";

static atomic_int ran;

static void runs(void *order)
{
    TRUE_OR_DIE(atomic_fetch_add(&ran, 1) == *(int *)order);
}

static void called(CUstream stream, CUresult status, void *order)
{
    (void)stream;
    TRUE_OR_DIE(status == CUDA_SUCCESS);
    runs(order);
}

int main(void)
{
    CUcontext context;
    CUstream first, second;
    CUdeviceptr count;
    uint32_t result = 0;
    static int order[3 * ROUNDS];
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CU(cuMemAlloc_v2(&count, sizeof result));
    CU(cuMemsetD32_v2(count, 0, 1));
    for (int i = 0; i < ROUNDS; i++) {
        CUmodule module;
        CUfunction adds;
        void *parameters[] = {&count};
        CU(cuModuleLoadData(&module, ptx));
        CU(cuModuleGetFunction(&adds, module, "adds"));
        for (int k = 0; k < 3; k++) order[3 * i + k] = 3 * i + k;
        CU(cuLaunchHostFunc(first, runs, &order[3 * i]));
        CU(cuStreamAddCallback(first, called, &order[3 * i + 1], 0));
        CU(cuLaunchHostFunc(first, runs, &order[3 * i + 2]));
        CU(cuLaunchKernel(adds, 1, 1, 1, 1, 1, 1, 0, second, parameters, NULL));
        CU(cuCtxSynchronize());
        TRUE_OR_DIE(atomic_load(&ran) == 3 * i + 3);
        CU(cuModuleUnload(module));
    }
    CU(cuMemcpyDtoH_v2(&result, count, sizeof result));
    TRUE_OR_DIE(result == ROUNDS);
    CU(cuCtxDestroy_v2(context));
    return 0;
}
