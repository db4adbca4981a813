/* contexts.c - contexts as the driver API documents them: versions of creation, the stack, primary contexts and their
 * state, flags, limits, what a destroyed or unknown context answers, and that each thread has its own stack. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "check.h"

static CUcontext shared;

static void *other_thread(void *unused)
{
    (void)unused;
    CUcontext current = (CUcontext)1;
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == NULL);
    CUdeviceptr p;
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&p, 16));
    CU(cuCtxSetCurrent(shared));
    CU(cuMemAlloc_v2(&p, 16));
    CU(cuMemFree_v2(p));
    return NULL;
}

int main(void)
{
    int version;
    CU(cuDriverGetVersion(&version)); /* before cuInit */
    TRUE_OR_DIE(version >= 12000);
    CUdevice device;
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGet(&device, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuInit(1));
    CU(cuInit(0));
    CU(cuInit(0));
    int count;
    CU(cuDeviceGetCount(&count));
    CU(cuDeviceGet(&device, 0));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, count));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, -1));

    /* Devices: every attribute that cudart asks for at start must answer. */
    static const unsigned char asked[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 19, 21, 35, 37, 43, 45, 68, 70, 86, 88, 91, 95, 97, 99, 101, 106, 108, 109, 111, 121, 125, 129, 131, 133, 134, 139, 140, 143};
    int value;
    for (size_t i = 0; i < sizeof asked; i++) CU(cuDeviceGetAttribute(&value, (CUdevice_attribute)asked[i], 0));
    CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 0));
    TRUE_OR_DIE(value == 1);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&value, (CUdevice_attribute)100000, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(NULL, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 0));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, 7));
    CUuuid a, b;
    CU(cuDeviceGetUuid(&a, 0));
    CU(cuDeviceGetUuid_v2(&b, 0));
    TRUE_OR_DIE(memcmp(&a, &b, sizeof a) == 0);
    char bus[32], name[8];
    CU(cuDeviceGetPCIBusId(bus, sizeof bus, 0));
    CUdevice found = -1;
    CU(cuDeviceGetByPCIBusId(&found, bus));
    TRUE_OR_DIE(found == 0);
    CU(cuDeviceGetName(name, sizeof name, 0));
    TRUE_OR_DIE(memchr(name, 0, sizeof name) != NULL);
    int major, minor;
    CU(cuDeviceComputeCapability(&major, &minor, 0));
    CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
    TRUE_OR_DIE(value == major && major >= 5);

    /* No context: calls that need one say so. */
    CUcontext current, first, second, third, popped;
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == NULL);
    CUdeviceptr p;
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&p, 16));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxSynchronize());
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxGetDevice(&device));

    /* Creation pushes; the stack is a stack. */
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuCtxCreate_v2(&first, 0, count));
    CU(cuCtxCreate_v2(&first, CU_CTX_SCHED_BLOCKING_SYNC, 0));
    CU(cuCtxCreate_v3(&second, NULL, 0, 0, 0));
    CU(cuCtxCreate_v4(&third, NULL, 0, 0));
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == third && first != second && second != third);
    CU(cuCtxPopCurrent_v2(&popped));
    TRUE_OR_DIE(popped == third);
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == second);
    CU(cuCtxPopCurrent_v2(&popped));
    CU(cuCtxPopCurrent_v2(&popped));
    TRUE_OR_DIE(popped == first);
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == NULL);
    CU(cuCtxPushCurrent_v2(second));
    CU(cuCtxPushCurrent_v2(first));
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == first);
    unsigned flags = 0, api = 0;
    CU(cuCtxGetFlags(&flags));
    TRUE_OR_DIE((flags & CU_CTX_SCHED_MASK) == CU_CTX_SCHED_BLOCKING_SYNC);
    CU(cuCtxGetApiVersion(first, &api));
    TRUE_OR_DIE(api >= 3010);
    CU(cuCtxGetDevice(&device));
    TRUE_OR_DIE(device == 0);
    unsigned long long id1, id2;
    CU(cuCtxGetId(first, &id1));
    CU(cuCtxGetId(second, &id2));
    TRUE_OR_DIE(id1 != id2);
    int low, high;
    CU(cuCtxGetStreamPriorityRange(&low, &high));
    TRUE_OR_DIE(low >= high);
    size_t limit;
    CU(cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE));
    CU(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
    CU(cuCtxGetLimit(&limit, CU_LIMIT_STACK_SIZE));
    TRUE_OR_DIE(limit >= 4096);
    CU(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
    CUfunc_cache cache;
    CU(cuCtxGetCacheConfig(&cache));

    /* Destroying the current context pops it; destroying another leaves the stack alone. */
    CU(cuCtxDestroy_v2(first));
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == second);
    TRUE_OR_DIE(cuCtxDestroy_v2(first) != CUDA_SUCCESS);
    TRUE_OR_DIE(cuCtxSetCurrent((CUcontext)(uintptr_t)0x1234567890abcdefull) != CUDA_SUCCESS);
    CU(cuCtxDestroy_v2(third));
    shared = second;
    pthread_t thread;
    TRUE_OR_DIE(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    pthread_join(thread, NULL);
    CU(cuCtxDestroy_v2(second));
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == NULL);
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxPopCurrent_v2(&popped));

    /* The primary context: counted, one handle for its whole life and after. */
    int active = 1;
    CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
    TRUE_OR_DIE(active == 0);
    CUcontext primary, again;
    CU(cuDevicePrimaryCtxRetain(&primary, 0));
    CU(cuDevicePrimaryCtxRetain(&again, 0));
    TRUE_OR_DIE(primary == again);
    CU(cuCtxGetCurrent(&current));
    TRUE_OR_DIE(current == NULL); /* retaining does not make current */
    CU(cuCtxSetCurrent(primary));
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuDevicePrimaryCtxRelease_v2(0));
    CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
    TRUE_OR_DIE(active == 1);
    CU(cuMemsetD8_v2(p, 1, 4096));
    CU(cuDevicePrimaryCtxReset_v2(0));
    CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
    TRUE_OR_DIE(active == 0);
    TRUE_OR_DIE(cuMemsetD8_v2(p, 1, 4096) != CUDA_SUCCESS); /* its memory went with it */
    CU(cuDevicePrimaryCtxRetain(&again, 0));
    TRUE_OR_DIE(primary == again);
    CU(cuCtxSetCurrent(again));
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuMemFree_v2(p));
    CU(cuDevicePrimaryCtxRelease_v2(0));

    /* Names of errors, and the table of entry points. */
    const char *text = NULL;
    CU(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
    TRUE_OR_DIE(strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY") == 0);
    CU(cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
    TRUE_OR_DIE(text && *text);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetErrorName((CUresult)123456, &text));
    void *entry = NULL;
    CUdriverProcAddressQueryResult status;
    CU(cuGetProcAddress_v2("cuMemAlloc", &entry, 12000, 0, &status));
    TRUE_OR_DIE(entry == (void *)cuMemAlloc_v2 && status == CU_GET_PROC_ADDRESS_SUCCESS);
    CU(cuGetProcAddress_v2("cuMemcpyHtoDAsync", &entry, 12000, 2, &status));
    TRUE_OR_DIE(entry == (void *)cuMemcpyHtoDAsync_v2_ptsz);
    TRUE_OR_DIE(cuGetProcAddress_v2("cuNoSuchCall", &entry, 12000, 0, &status) == CUDA_SUCCESS && !entry && status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
    puts("contexts: ok");
    return 0;
}
