/* measured.c - what others have measured of NVIDIA's driver, where its documentation leaves it open or says otherwise: version 590.48.01, by
 * who remotes its calls (github.com/lupinemachines/lupine, issues 432 and 435 to 445). */
#include <dlfcn.h>

#include "check.h"

#define PAGE 4096

static void before_cuInit(void)
{
    CUcontext context;
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuCtxGetCurrent(&context));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuProfilerStart());
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuProfilerStop());
}

static void devices(void)
{
    char name[64];
    int value;
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetName(name, sizeof name, 99));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, 99));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetP2PAttribute(&value, (CUdevice_P2PAttribute)9999, 0, 0)); /* of the two errors the device's */
}

static void attributes(CUdeviceptr memory)
{
    CUmemoryPool pool;
    uint64_t value = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&value, (CUpointer_attribute)9999, memory));
    CU(cuDeviceGetDefaultMemPool(&pool, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolGetAttribute(pool, (CUmemPool_attribute)9999, &value));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolSetAttribute(pool, (CUmemPool_attribute)9999, &value));
}

static void registered(void)
{
    char *host = aligned_alloc(PAGE, 16 * PAGE);
    TRUE_OR_DIE(host);
    CU(cuMemHostRegister_v2(host + 100, 3 * PAGE, CU_MEMHOSTREGISTER_DEVICEMAP)); /* whole pages are not asked for */
    CU_FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(host + PAGE, PAGE, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostUnregister(host + PAGE));
    CU_FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host + 8 * PAGE));
    CU(cuMemHostUnregister(host + 100));
    free(host);
}

static void pinned(void)
{
    void *memory, *none = &memory;
    unsigned flags;
    CU(cuMemHostAlloc(&memory, PAGE, 0));
    CU(cuMemHostGetFlags(&flags, memory));
    TRUE_OR_DIE(flags == CU_MEMHOSTALLOC_DEVICEMAP);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostUnregister(memory));
    CU(cuMemFreeHost(memory));
    CU(cuMemHostAlloc(&none, 0, 0));
    TRUE_OR_DIE(none == NULL); /* that it succeeds is measured, what it gives is ours */
}

static void copies(CUdeviceptr memory)
{
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(memory, NULL, 16));
    CU(cuMemcpyHtoD_v2(memory, NULL, 0));
}

static void code(CUdeviceptr memory)
{
    static const char ptx[] = ".version 7.0\n.target sm_50\n.address_size 64\n.visible .entry k(.param .u64 a)\n{\n ret;\n}\n";
    CUmodule module;
    CUfunction kernel;
    void *parameters[] = {&memory}, *missing[] = {NULL};
    CU_FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, "bytes that are nothing of a module's"));
    CU_FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, ".target sm_50\n.version 7.0\n.address_size 64\n"));
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&kernel, module, "k"));
    /* At the launch, not at some later call. */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(kernel, 0, 1, 1, 1, 1, 1, 0, NULL, parameters, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(kernel, 1, 1, 1, 4096, 1, 1, 0, NULL, parameters, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, missing, NULL));
    CU(cuModuleUnload(module));
}

static void texts_and_names(void)
{
    const char *text;
    CU(cuGetErrorString(CUDA_ERROR_INVALID_VALUE, &text));
    TRUE_OR_DIE(strcmp(text, "invalid argument") == 0);
    CU(cuGetErrorName(CUDA_ERROR_DEVICE_UNAVAILABLE, &text));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName((CUresult)12345, &text));
    /* cuBLASLt looks for these by dlsym, without their versions. */
    static const char *const names[] = {"cuStreamWaitValue32", "cuStreamWriteValue32", "cuStreamBatchMemOp", "cuIpcOpenMemHandle"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) TRUE_OR_DIE(dlsym(RTLD_DEFAULT, names[i]));
}

int main(void)
{
    CUcontext context;
    CUdeviceptr memory;
    before_cuInit();
    CU(cuInit(0));
    devices();
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuMemAlloc_v2(&memory, PAGE));
    attributes(memory);
    registered();
    pinned();
    copies(memory);
    code(memory);
    texts_and_names();
    CU(cuCtxDestroy_v2(context));
    return 0;
}
