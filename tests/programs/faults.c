/* faults.c - what a kernel that fails does to its own context, at once and for ever, and to no other; each case was found by tests/differential. */
#include <stdint.h>
#include <unistd.h>

#include "check.h"

static const char ptx[] =
    ".version 7.0\n.target sm_50\n.address_size 64\n"
    ".visible .entry fails()\n{\n .reg .b64 %p;\n mov.u64 %p, 16;\n st.global.u32 [%p], 7;\n ret;\n}\n";

static CUcontext contexts[2];
static CUfunction fails;

static void begin(void)
{
    CUmodule module;
    CU(cuCtxCreate_v2(&contexts[0], 0, 0));
    CU(cuCtxCreate_v2(&contexts[1], 0, 0));
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&fails, module, "fails"));
}

static void end(void)
{
    while (cuCtxPopCurrent_v2(NULL) == CUDA_SUCCESS) {}
    CU(cuCtxDestroy_v2(contexts[0])); /* the end of a context has nothing to tell of another */
    CU(cuCtxDestroy_v2(contexts[1]));
}

/* A call in one context names what is another's, which has failed: it may say so, but its own context goes on. */
static void beside_another(void)
{
    begin();
    CUevent event;
    CUstream stream;
    CUdeviceptr p;
    CU(cuEventCreate(&event, 0));
    CU(cuStreamCreate(&stream, 0));
    CU(cuLaunchKernel(fails, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    CU(cuCtxSetCurrent(contexts[0]));
    TRUE_OR_DIE(cuEventRecord(event, NULL) != CUDA_SUCCESS);
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
    cuCtxSynchronize(); /* what a call that was not waited for had to say */
    CU(cuCtxSynchronize());
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuMemsetD8_v2(p, 7, 4096));
    holds(p, 4096, 7);
    end();
}

/* An event behind a kernel that fails is never complete: who asks until it is no more pending is told, each time. */
static void behind_it(void)
{
    for (int i = 0; i < 200; i++) {
        begin();
        CUevent event;
        CUresult result;
        CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
        CU(cuLaunchKernel(fails, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
        if (cuEventRecord(event, NULL) == CUDA_SUCCESS) {
            while ((result = cuEventQuery(event)) == CUDA_ERROR_NOT_READY) {}
            TRUE_OR_DIE(result == CUDA_ERROR_ILLEGAL_ADDRESS);
        }
        CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
        CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuEventDestroy_v2(event));
        CU(cuCtxSetCurrent(NULL)); /* in which a handle that names nothing answers what the context has */
        CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy_v2(event)); /* it is gone nevertheless */
        end();
    }
}

/* "alone": the faulty context is the only one, as with a driver that has the whole process fail. Its calls say so, one after the other, and it ends by itself. */
static void alone(void)
{
    CUcontext context;
    CUmodule module;
    CUdeviceptr memory;
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
}

int main(int argc, char **argv)
{
    CU(cuInit(0));
    if (argc > 1 && strcmp(argv[1], "alone") == 0) {
        alone();
        return 0;
    }
    beside_another();
    behind_it();
    return 0;
}
