/* contexts.c - contexts, the stack of current ones, primary contexts, limits, peers. */
#include "rows.h"

/* Two whose exported symbols forgive a context that is none (idm/probed.c): cuGetProcAddress hands out these. */
static CUresult cuCtxSynchronize_13(CUcontext context)
{
    CUresult (*call)(CUcontext) = NULL;
    OK(cuGetProcAddress_v2("cuCtxSynchronize", (void **)&call, 13000, 0, NULL));
    return call(context);
}
static CUresult cuCtxGetDevice_13(CUdevice *device, CUcontext context)
{
    CUresult (*call)(CUdevice *, CUcontext) = NULL;
    OK(cuGetProcAddress_v2("cuCtxGetDevice", (void **)&call, 13000, 0, NULL));
    return call(device, context);
}

/* What needs a current context, without one. */
static void none_current(void)
{
    CUcontext context = JUNK(CUcontext);
    CUdevice device = 0;
    CUdeviceptr pointer = 0;
    CUstream stream = NULL;
    CUevent event = NULL;
    CUmodule module = NULL;
    CUarray array = NULL;
    CUlinkState link = NULL;
    CUtexref reference = NULL;
    CUfunc_cache cache = CU_FUNC_CACHE_PREFER_NONE;
    size_t size = 0;
    unsigned flags = 0;
    int low = 0;
    void *host = NULL;
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 8, .Height = 8, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == NULL);
    E(INVALID_CONTEXT, cuCtxPopCurrent_v2(&context));
    E(INVALID_CONTEXT, cuCtxPopCurrent_v2(NULL));
    E(INVALID_CONTEXT, cuCtxGetDevice(&device));
    E(INVALID_CONTEXT, cuCtxGetFlags(&flags));
    E(INVALID_CONTEXT, cuCtxSetFlags(0));
    E(INVALID_CONTEXT, cuCtxSynchronize());
    E(INVALID_CONTEXT, cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 1024));
    E(INVALID_CONTEXT, cuCtxGetLimit(&size, CU_LIMIT_STACK_SIZE));
    E(INVALID_CONTEXT, cuCtxGetCacheConfig(&cache));
    E(INVALID_CONTEXT, cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
    E(INVALID_CONTEXT, cuCtxGetStreamPriorityRange(&low, &low));
    E(INVALID_CONTEXT, cuCtxResetPersistingL2Cache());
    E(INVALID_CONTEXT, cuCtxGetApiVersion(NULL, &flags));
    E(INVALID_CONTEXT, cuMemGetInfo_v2(&size, &size));
    E(INVALID_CONTEXT, cuMemAlloc_v2(&pointer, 16));
    E(INVALID_CONTEXT, cuMemAllocPitch_v2(&pointer, &size, 16, 16, 4));
    E(INVALID_CONTEXT, cuMemAllocManaged(&pointer, 16, CU_MEM_ATTACH_GLOBAL));
    E(INVALID_CONTEXT, cuMemAllocHost_v2(&host, 16));
    E(INVALID_CONTEXT, cuMemHostAlloc(&host, 16, 0));
    E(INVALID_CONTEXT, cuMemHostRegister_v2(&shape, sizeof shape, 0));
    E(INVALID_CONTEXT, cuMemAllocAsync(&pointer, 16, NULL));
    E(INVALID_CONTEXT, cuMemcpyHtoD_v2(16, &size, sizeof size));
    E(INVALID_CONTEXT, cuMemcpyDtoH_v2(&size, 16, sizeof size));
    E(INVALID_CONTEXT, cuMemcpyDtoD_v2(16, 32, sizeof size));
    E(INVALID_CONTEXT, cuMemcpyHtoDAsync_v2(16, &size, sizeof size, NULL));
    E(INVALID_CONTEXT, cuMemsetD8_v2(16, 0, 1));
    E(INVALID_CONTEXT, cuMemsetD32Async(16, 0, 1, NULL));
    E(INVALID_CONTEXT, cuArrayCreate_v2(&array, &shape));
    E(INVALID_CONTEXT, cuStreamCreate(&stream, 0));
    E(INVALID_CONTEXT, cuStreamCreateWithPriority(&stream, 0, 0));
    E(INVALID_CONTEXT, cuStreamQuery(NULL));
    E(INVALID_CONTEXT, cuStreamSynchronize(NULL));
    E(INVALID_CONTEXT, cuStreamGetCtx(CU_STREAM_LEGACY, &context));
    E(INVALID_CONTEXT, cuEventCreate(&event, 0));
    E(INVALID_CONTEXT, cuModuleLoadData(&module, rows_ptx));
    E(INVALID_CONTEXT, cuModuleLoadDataEx(&module, rows_ptx, 0, NULL, NULL));
    E(INVALID_CONTEXT, cuLinkCreate_v2(0, NULL, NULL, &link));
    E(INVALID_CONTEXT, cuTexRefCreate(&reference));
    E(INVALID_CONTEXT, cuCtxDetach(NULL));
    E(INVALID_CONTEXT, cuCtxAttach(&context, 0));
}

void rows_context(void)
{
    CUcontext a = NULL, b = NULL, context = NULL;
    CUdevice device = 7;
    unsigned flags = 9;
    unsigned long long id = 0, other = 0;
    size_t size = 0;
    int low = 0, high = 0, count = 0;
    CUfunc_cache cache = CU_FUNC_CACHE_PREFER_EQUAL;
    CUsharedconfig shared = CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE;
    CUdeviceptr pointer = 0;
    OK(cuDeviceGetCount(&count));
    none_current();
    E(INVALID_VALUE, cuCtxCreate_v2(NULL, 0, 0));
    E(INVALID_VALUE, cuCtxCreate_v2(&a, 0x100, 0));
    E(INVALID_VALUE, cuCtxCreate_v2(&a, 3, 0)); /* two schedules at once */
    E(INVALID_DEVICE, cuCtxCreate_v2(&a, 0, count));
    E(INVALID_DEVICE, cuCtxCreate_v2(&a, 0, -1));
    E(INVALID_VALUE, cuCtxCreate_v4(NULL, NULL, 0, 0));
    E(INVALID_DEVICE, cuCtxCreate_v4(&a, NULL, 0, count));
    E(INVALID_VALUE, cuCtxGetCurrent(NULL));
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == NULL); /* a failed create makes nothing current */
    OK(cuCtxSetCurrent(NULL));
    E(INVALID_CONTEXT, cuCtxSetCurrent(JUNK(CUcontext)));
    E(INVALID_CONTEXT, cuCtxPushCurrent_v2(NULL));
    E(INVALID_CONTEXT, cuCtxPushCurrent_v2(JUNK(CUcontext)));
    E(INVALID_CONTEXT, cuCtxDestroy_v2(NULL));
    E(INVALID_CONTEXT, cuCtxDestroy_v2(JUNK(CUcontext)));
    E(INVALID_CONTEXT, cuCtxSynchronize_13(JUNK(CUcontext)));
    E(INVALID_CONTEXT, cuCtxGetDevice_13(&device, JUNK(CUcontext)));

    OK(cuCtxCreate_v2(&a, CU_CTX_SCHED_BLOCKING_SYNC, 0));
    OK(cuCtxGetFlags(&flags));
    HOLDS((flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_BLOCKING_SYNC);
    E(INVALID_VALUE, cuCtxGetFlags(NULL));
    E(INVALID_VALUE, cuCtxSetFlags(0x1000));
    E(INVALID_VALUE, cuCtxGetDevice(NULL));
    OK(cuCtxGetDevice(&device));
    HOLDS(device == 0);
    OK(cuCtxGetDevice_13(&device, NULL)); /* the current one */
    OK(cuCtxSynchronize_13(NULL));
    E(INVALID_VALUE, cuCtxGetApiVersion(a, NULL));
    E(INVALID_CONTEXT, cuCtxGetApiVersion(JUNK(CUcontext), &flags));
    OK(cuCtxGetApiVersion(NULL, &flags));
    E(INVALID_VALUE, cuCtxGetId(a, NULL));
    E(INVALID_CONTEXT, cuCtxGetId(JUNK(CUcontext), &id));
    OK(cuCtxGetId(NULL, &id));
    OK(cuCtxGetId(a, &other));
    HOLDS(id == other);
    OK(cuCtxCreate_v2(&b, 0, 0));
    OK(cuCtxGetId(b, &other));
    HOLDS(id != other);
    OK(cuCtxPopCurrent_v2(NULL)); /* its value is optional */
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == a);
    OK(cuCtxDestroy_v2(b)); /* that is not current */
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == a);
    CUresult gone = cuCtxSetCurrent(b);
    HOLDS(gone == CUDA_ERROR_CONTEXT_IS_DESTROYED || gone == CUDA_ERROR_INVALID_CONTEXT);
    gone = cuCtxDestroy_v2(b);
    HOLDS(gone == CUDA_ERROR_CONTEXT_IS_DESTROYED || gone == CUDA_ERROR_INVALID_CONTEXT);

    E(INVALID_VALUE, cuCtxGetLimit(NULL, CU_LIMIT_STACK_SIZE));
    E(INVALID_VALUE, cuCtxGetLimit(&size, (CUlimit)99));
    E(INVALID_VALUE, cuCtxSetLimit((CUlimit)99, 1));
    E(INVALID_VALUE, cuCtxSetLimit((CUlimit)-1, 1));
    OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 2048));
    OK(cuCtxGetLimit(&size, CU_LIMIT_STACK_SIZE));
    HOLDS(size >= 2048);
    OK(cuCtxSetLimit(CU_LIMIT_PRINTF_FIFO_SIZE, 1 << 20));
    OK(cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, 8 << 20));
    OK(cuCtxSetLimit(CU_LIMIT_MAX_L2_FETCH_GRANULARITY, 64));
    E(INVALID_VALUE, cuCtxGetCacheConfig(NULL));
    OK(cuCtxGetCacheConfig(&cache));
    OK(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_SHARED));
    E(INVALID_VALUE, cuCtxSetCacheConfig((CUfunc_cache)9));
    E(INVALID_VALUE, cuCtxGetSharedMemConfig(NULL));
    OK(cuCtxGetSharedMemConfig(&shared));
    OK(cuCtxSetSharedMemConfig(CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE));
    E(INVALID_VALUE, cuCtxSetSharedMemConfig((CUsharedconfig)9));
    OK(cuCtxGetStreamPriorityRange(&low, &high));
    HOLDS(high <= low);
    OK(cuCtxGetStreamPriorityRange(NULL, &high)); /* either is optional */
    OK(cuCtxGetStreamPriorityRange(&low, NULL));
    OK(cuCtxGetStreamPriorityRange(NULL, NULL));

    /* Peers: none of one's own. */
    E(INVALID_CONTEXT, cuCtxEnablePeerAccess(a, 0));
    E(INVALID_CONTEXT, cuCtxEnablePeerAccess(NULL, 0));
    E(INVALID_CONTEXT, cuCtxEnablePeerAccess(JUNK(CUcontext), 0));
    E(INVALID_CONTEXT, cuCtxDisablePeerAccess(JUNK(CUcontext)));
    E(INVALID_CONTEXT, cuCtxDisablePeerAccess(NULL));

    /* The attach count of CUDA 2. */
    E(INVALID_VALUE, cuCtxAttach(NULL, 0));
    E(INVALID_VALUE, cuCtxAttach(&context, 1));
    OK(cuCtxAttach(&context, 0));
    HOLDS(context == a);
    OK(cuCtxDetach(a));
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == a);

    /* A context that is destroyed is popped from the thread that destroys it. */
    OK(cuMemAlloc_v2(&pointer, 4096));
    OK(cuCtxDestroy_v2(a));
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == NULL);
    E(INVALID_CONTEXT, cuCtxSynchronize());

    /* Pushed twice, destroyed while it is below. */
    OK(cuCtxCreate_v2(&a, 0, 0));
    OK(cuCtxPushCurrent_v2(a));
    OK(cuCtxPopCurrent_v2(&context));
    HOLDS(context == a);
    OK(cuCtxPopCurrent_v2(&context));
    HOLDS(context == a);
    E(INVALID_CONTEXT, cuCtxPopCurrent_v2(&context));
    OK(cuCtxSynchronize_13(a)); /* without being current */
    OK(cuCtxGetDevice_13(&device, a));
    OK(cuCtxDestroy_v2(a));
}

void rows_primary(void)
{
    CUcontext primary = NULL, again = NULL, context = NULL;
    CUdeviceptr pointer = 0;
    unsigned flags = 0;
    int active = 9, count = 0;
    OK(cuDeviceGetCount(&count));
    E(INVALID_VALUE, cuDevicePrimaryCtxRetain(NULL, 0));
    E(INVALID_DEVICE, cuDevicePrimaryCtxRetain(&primary, count));
    E(INVALID_DEVICE, cuDevicePrimaryCtxRelease_v2(count));
    E(INVALID_DEVICE, cuDevicePrimaryCtxReset_v2(count));
    E(INVALID_DEVICE, cuDevicePrimaryCtxSetFlags_v2(count, 0));
    E(INVALID_VALUE, cuDevicePrimaryCtxSetFlags_v2(0, 0x10000));
    E(INVALID_VALUE, cuDevicePrimaryCtxSetFlags_v2(0, 3));
    E(INVALID_DEVICE, cuDevicePrimaryCtxGetState(count, &flags, &active));
    OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    HOLDS(active == 0);
    E(INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(0)); /* never retained */
    OK(cuDevicePrimaryCtxSetFlags_v2(0, CU_CTX_SCHED_YIELD));
    OK(cuDevicePrimaryCtxRetain(&primary, 0));
    OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    HOLDS(active == 1 && (flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_YIELD);
    OK(cuCtxGetCurrent(&context));
    HOLDS(context == NULL); /* retaining makes nothing current */
    OK(cuDevicePrimaryCtxRetain(&again, 0));
    HOLDS(again == primary);
    OK(cuDevicePrimaryCtxSetFlags_v2(0, CU_CTX_SCHED_AUTO)); /* also of an active one, since CUDA 11 */
    E(INVALID_CONTEXT, cuCtxDestroy_v2(primary)); /* is released, not destroyed */
    OK(cuCtxSetCurrent(primary));
    OK(cuMemAlloc_v2(&pointer, 16));
    OK(cuDevicePrimaryCtxRelease_v2(0));
    OK(cuMemsetD8_v2(pointer, 0, 16)); /* once more retained than released */
    OK(cuDevicePrimaryCtxRelease_v2(0));
    E(INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(0));
    OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
    HOLDS(active == 0);
    E(CONTEXT_IS_DESTROYED, cuMemAlloc_v2(&pointer, 16)); /* current still, and gone */
    OK(cuDevicePrimaryCtxRetain(&again, 0));
    HOLDS(again == primary);
    OK(cuMemAlloc_v2(&pointer, 16)); /* lives again, empty */
    CUlibrary library = NULL;
    CUkernel kernel = NULL;
    size_t size = 0;
    OK(cuLibraryLoadData(&library, rows_ptx, NULL, NULL, 0, NULL, NULL, 0));
    OK(cuLibraryGetKernel(&kernel, library, "nothing"));
    OK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    OK(cuDevicePrimaryCtxReset_v2(0));
    E(CONTEXT_IS_DESTROYED, cuMemsetD8_v2(pointer, 0, 16));
    E(CONTEXT_IS_DESTROYED, cuMemsetD8Async(pointer, 0, 16, NULL));
    E(CONTEXT_IS_DESTROYED, cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL)); /* which no later call tells */
    OK(cuDevicePrimaryCtxRetain(&again, 0)); /* the library and its kernel survive */
    OK(cuLibraryGetGlobal(&pointer, &size, library, "global"));
    OK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    OK(cuCtxSynchronize());
    OK(cuLibraryUnload(library));
    OK(cuDevicePrimaryCtxReset_v2(0));
    OK(cuCtxSetCurrent(NULL));
    OK(cuDevicePrimaryCtxSetFlags_v2(0, 0));
    OK(cuDevicePrimaryCtxReset_v2(0)); /* not active: nothing to do */
}
