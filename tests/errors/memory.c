/* memory.c - device memory, host memory, managed memory, what pointers are, handles for other processes. */
#include <sys/mman.h>

#include "rows.h"

void rows_memory(void)
{
    CUcontext context = enter();
    CUdeviceptr p = 0x1234, base = 0;
    size_t size = 0, total = 0, pitch = 0;
    CUarray array = NULL;
    (void)array;
    E(INVALID_VALUE, cuMemAlloc_v2(NULL, 16));
    E(INVALID_VALUE, cuMemAlloc_v2(&p, 0));
    E(OUT_OF_MEMORY, cuMemAlloc_v2(&p, (size_t)1 << 46));
    E(OUT_OF_MEMORY, cuMemAlloc_v2(&p, SIZE_MAX));
    HOLDS(p == 0x1234);
    OK(cuMemGetInfo_v2(NULL, &total)); /* fills in what it is given a place for */
    OK(cuMemGetInfo_v2(&size, NULL));
    E(INVALID_VALUE, cuMemAllocPitch_v2(NULL, &pitch, 16, 16, 4));
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, NULL, 16, 16, 4));
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, &pitch, 0, 16, 4));
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, &pitch, 16, 0, 4));
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, &pitch, 16, 16, 3)); /* elements of 4, 8 or 16 bytes */
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, &pitch, 16, 16, 0));
    E(INVALID_VALUE, cuMemAllocPitch_v2(&p, &pitch, SIZE_MAX, 1, 4)); /* beyond CU_DEVICE_ATTRIBUTE_MAX_PITCH */
    E(OUT_OF_MEMORY, cuMemAllocPitch_v2(&p, &pitch, 1, SIZE_MAX, 4));
    HOLDS(p == 0x1234);
    OK(cuMemFree_v2(0));
    E(INVALID_VALUE, cuMemFree_v2(0x10));
    E(INVALID_VALUE, cuMemFree_v2(JUNK(CUdeviceptr)));
    OK(cuMemAlloc_v2(&p, 1000));
    E(INVALID_VALUE, cuMemFree_v2(p + 1)); /* only where it begins */
    E(INVALID_VALUE, cuMemFree_v2(p + 512));
    OK(cuMemGetAddressRange_v2(&base, &size, p + 999));
    HOLDS(base == p && size == 1000);
    OK(cuMemGetAddressRange_v2(NULL, &size, p));
    OK(cuMemGetAddressRange_v2(&base, NULL, p));
    OK(cuMemGetAddressRange_v2(NULL, NULL, p));
    E(NOT_FOUND, cuMemGetAddressRange_v2(&base, &size, p + 1000));
    E(NOT_FOUND, cuMemGetAddressRange_v2(&base, &size, 0));
    OK(cuMemFree_v2(p));
    E(INVALID_VALUE, cuMemFree_v2(p));
    E(NOT_FOUND, cuMemGetAddressRange_v2(&base, &size, p));
    /* Freed without a current context, as programs do at their end. */
    OK(cuMemAlloc_v2(&p, 16));
    OK(cuCtxPopCurrent_v2(NULL));
    OK(cuMemFree_v2(p));
    OK(cuCtxPushCurrent_v2(context));
    leave(context);
}

void rows_host(void)
{
    CUcontext context = enter();
    void *p = NULL, *q = NULL;
    CUdeviceptr device = 0;
    unsigned flags = 9;
    char *pages = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    E(INVALID_VALUE, cuMemAllocHost_v2(NULL, 16));
    E(INVALID_VALUE, cuMemAllocHost_v2(&p, 0));
    E(INVALID_VALUE, cuMemHostAlloc(NULL, 16, 0));
    E(INVALID_VALUE, cuMemHostAlloc(&p, 16, 8));
    E(INVALID_VALUE, cuMemHostAlloc(&p, 16, 0xffffffffu));
    HOLDS(p == NULL);
    OK(cuMemHostAlloc(&p, 4096, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
    OK(cuMemHostGetFlags(&flags, p));
    HOLDS((flags & CU_MEMHOSTALLOC_PORTABLE) != 0);
    E(INVALID_VALUE, cuMemHostGetFlags(NULL, p));
    E(INVALID_VALUE, cuMemHostGetFlags(&flags, pages));
    E(INVALID_VALUE, cuMemHostGetFlags(&flags, NULL));
    OK(cuMemHostGetDevicePointer_v2(&device, p, 0));
    E(INVALID_VALUE, cuMemHostGetDevicePointer_v2(NULL, p, 0));
    E(INVALID_VALUE, cuMemHostGetDevicePointer_v2(&device, p, 1));
    E(INVALID_VALUE, cuMemHostGetDevicePointer_v2(&device, pages, 0));
    E(INVALID_VALUE, cuMemHostGetDevicePointer_v2(&device, NULL, 0));
    E(INVALID_VALUE, cuMemFreeHost(NULL));
    E(INVALID_VALUE, cuMemFreeHost(pages));
    E(INVALID_VALUE, cuMemFreeHost((char *)p + 8));
    E(HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(pages));
    OK(cuMemFreeHost(p));
    E(INVALID_VALUE, cuMemFreeHost(p));
    E(INVALID_VALUE, cuMemHostRegister_v2(NULL, 4096, 0));
    E(INVALID_VALUE, cuMemHostRegister_v2(pages, 0, 0));
    E(INVALID_VALUE, cuMemHostRegister_v2(pages, 4096, 0x100));
    OK(cuMemHostRegister_v2(pages, 8192, CU_MEMHOSTREGISTER_DEVICEMAP));
    E(HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(pages, 8192, 0));
    E(HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(pages + 4096, 8192, 0)); /* overlapping */
    E(INVALID_VALUE, cuMemFreeHost(pages)); /* is unregistered, not freed */
    E(INVALID_VALUE, cuMemHostUnregister(NULL));
    OK(cuMemHostUnregister(pages));
    E(HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(pages));
    OK(cuMemAllocHost_v2(&q, 16));
    E(INVALID_VALUE, cuMemHostUnregister(q)); /* allocated, not registered */
    OK(cuMemFreeHost(q));
    munmap(pages, 16384);
    leave(context);
}

void rows_managed(void)
{
    CUcontext context = enter();
    CUdeviceptr p = 0, device = 0;
    int data[8];
    size_t eight = 8;
    void *out[1] = {data};
    CUmem_range_attribute which = CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, nowhere = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 99}, wrong = {.type = (CUmemLocationType)77};
    CUstream stream = NULL;
    OK(cuStreamCreate(&stream, 0));
    E(INVALID_VALUE, cuMemAllocManaged(NULL, 16, CU_MEM_ATTACH_GLOBAL));
    E(INVALID_VALUE, cuMemAllocManaged(&p, 0, CU_MEM_ATTACH_GLOBAL));
    E(INVALID_VALUE, cuMemAllocManaged(&p, 16, 0));
    E(INVALID_VALUE, cuMemAllocManaged(&p, 16, CU_MEM_ATTACH_SINGLE));
    E(INVALID_VALUE, cuMemAllocManaged(&p, 16, CU_MEM_ATTACH_GLOBAL | CU_MEM_ATTACH_HOST));
    E(INVALID_VALUE, cuMemAllocManaged(&p, 16, 0x80));
    OK(cuMemAllocManaged(&p, 8192, CU_MEM_ATTACH_GLOBAL));
    OK(cuMemAlloc_v2(&device, 8192));
    E(INVALID_VALUE, cuMemAdvise_v2(p, 0, CU_MEM_ADVISE_SET_READ_MOSTLY, here));
    E(INVALID_VALUE, cuMemAdvise_v2(0, 8192, CU_MEM_ADVISE_SET_READ_MOSTLY, here));
    E(INVALID_VALUE, cuMemAdvise_v2(p, 8193, CU_MEM_ADVISE_SET_READ_MOSTLY, here)); /* more than there is */
    E(INVALID_VALUE, cuMemAdvise_v2(p, 8192, (CUmem_advise)77, here));
    E(INVALID_VALUE, cuMemAdvise_v2(p, 8192, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, wrong));
    E(INVALID_DEVICE, cuMemAdvise_v2(p, 8192, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, nowhere));
    E(INVALID_VALUE, cuMemAdvise_v2(device, 8192, CU_MEM_ADVISE_SET_READ_MOSTLY, here)); /* not managed */
    OK(cuMemAdvise_v2(p, 8192, CU_MEM_ADVISE_SET_READ_MOSTLY, here));
    E(INVALID_DEVICE, cuMemAdvise(p, 8192, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, 99));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(p, 0, here, 0, stream));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(0, 8192, here, 0, stream));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(p, 8193, here, 0, stream));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(p, 8192, here, 1, stream));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(p, 8192, wrong, 0, stream));
    E(INVALID_DEVICE, cuMemPrefetchAsync_v2(p, 8192, nowhere, 0, stream));
    E(INVALID_VALUE, cuMemPrefetchAsync_v2(device, 8192, here, 0, stream));
    E(INVALID_HANDLE, cuMemPrefetchAsync_v2(p, 8192, here, 0, JUNK(CUstream)));
    E(INVALID_DEVICE, cuMemPrefetchAsync(p, 8192, 99, stream));
    E(INVALID_VALUE, cuMemRangeGetAttribute(NULL, 4, which, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttribute(data, 3, which, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttribute(data, 4, (CUmem_range_attribute)77, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttribute(data, 4, which, device, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttribute(data, 4, which, p, 0));
    OK(cuMemRangeGetAttribute(data, 4, which, p, 8192));
    HOLDS(data[0] == 1);
    E(INVALID_VALUE, cuMemRangeGetAttribute(data, 6, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, p, 8192)); /* whole words */
    E(INVALID_VALUE, cuMemRangeGetAttributes(NULL, &eight, &which, 1, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttributes(out, NULL, &which, 1, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttributes(out, &eight, NULL, 1, p, 8192));
    E(INVALID_VALUE, cuMemRangeGetAttributes(out, &eight, &which, 0, p, 8192));
    E(INVALID_VALUE, cuStreamAttachMemAsync(stream, p, 4, CU_MEM_ATTACH_SINGLE)); /* all of it, or 0 */
    E(INVALID_VALUE, cuStreamAttachMemAsync(stream, p, 8192, CU_MEM_ATTACH_SINGLE | CU_MEM_ATTACH_HOST));
    E(INVALID_VALUE, cuStreamAttachMemAsync(stream, p, 8192, 0));
    E(INVALID_VALUE, cuStreamAttachMemAsync(stream, 0, 8192, CU_MEM_ATTACH_SINGLE));
    E(INVALID_VALUE, cuStreamAttachMemAsync(stream, device, 0, CU_MEM_ATTACH_SINGLE));
    E(INVALID_HANDLE, cuStreamAttachMemAsync(JUNK(CUstream), p, 0, CU_MEM_ATTACH_SINGLE));
    OK(cuStreamAttachMemAsync(stream, p, 0, CU_MEM_ATTACH_SINGLE));
    OK(cuStreamAttachMemAsync(stream, p, 8192, CU_MEM_ATTACH_GLOBAL));
    OK(cuStreamSynchronize(stream));
    OK(cuMemFree_v2(p));
    E(INVALID_VALUE, cuMemFree_v2(p));
    OK(cuMemFree_v2(device));
    OK(cuStreamDestroy_v2(stream));
    leave(context);
}

void rows_pointer(void)
{
    CUcontext context = enter(), whose = NULL;
    CUdeviceptr p = 0, answer = 0;
    unsigned type = 0, flag = 1;
    int pageable[4] = {0}, ordinal = 7;
    void *host = NULL;
    unsigned long long id = 0;
    CUpointer_attribute which[2] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_CONTEXT};
    void *out[2] = {&type, &whose};
    OK(cuMemAlloc_v2(&p, 64));
    OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
    HOLDS(type == CU_MEMORYTYPE_DEVICE);
    OK(cuPointerGetAttribute(&whose, CU_POINTER_ATTRIBUTE_CONTEXT, p));
    HOLDS(whose == context);
    OK(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, p));
    E(INVALID_VALUE, cuPointerGetAttribute(NULL, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
    E(INVALID_VALUE, cuPointerGetAttribute(&type, (CUpointer_attribute)0, p));
    E(INVALID_VALUE, cuPointerGetAttribute(&type, (CUpointer_attribute)999, p));
    E(INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 0));
    E(INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)pageable));
    E(INVALID_VALUE, cuPointerGetAttribute(&whose, CU_POINTER_ATTRIBUTE_CONTEXT, (CUdeviceptr)(uintptr_t)pageable));
    E(INVALID_VALUE, cuPointerGetAttribute(&answer, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, (CUdeviceptr)(uintptr_t)pageable));
    E(INVALID_VALUE, cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, p)); /* the host cannot reach it */
    E(INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p + 64));
    OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, p));
    HOLDS(ordinal == 0);
    E(INVALID_VALUE, cuPointerSetAttribute(NULL, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
    E(INVALID_VALUE, cuPointerSetAttribute(&flag, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p)); /* the one that can be set is SYNC_MEMOPS */
    E(INVALID_VALUE, cuPointerSetAttribute(&flag, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, (CUdeviceptr)(uintptr_t)pageable));
    OK(cuPointerSetAttribute(&flag, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, p));
    E(INVALID_VALUE, cuPointerGetAttributes(0, which, out, p));
    E(INVALID_VALUE, cuPointerGetAttributes(2, NULL, out, p));
    E(INVALID_VALUE, cuPointerGetAttributes(2, which, NULL, p));
    OK(cuPointerGetAttributes(2, which, out, p));
    /* What is no CUDA pointer has defaults in this form, and no error. */
    type = 9;
    whose = context;
    OK(cuPointerGetAttributes(2, which, out, (CUdeviceptr)(uintptr_t)pageable));
    HOLDS(type == 0 && whose == NULL);
    OK(cuMemFree_v2(p));
    E(INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, p));
    leave(context);
}

void rows_ipc(void)
{
    CUcontext context = enter();
    CUdeviceptr p = 0, other = 0;
    CUevent event = NULL, plain = NULL;
    CUipcMemHandle memory;
    CUipcEventHandle shared;
    int supported = 0;
    memset(&memory, 0x5a, sizeof memory);
    memset(&shared, 0x5a, sizeof shared);
    OK(cuDeviceGetAttribute(&supported, CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED, 0));
    if (!supported) {
        leave(context);
        return;
    }
    OK(cuMemAlloc_v2(&p, 4096));
    E(INVALID_VALUE, cuIpcGetMemHandle(NULL, p));
    E(INVALID_VALUE, cuIpcGetMemHandle(&memory, 0));
    E(INVALID_VALUE, cuIpcGetMemHandle(&memory, JUNK(CUdeviceptr)));
    E(INVALID_VALUE, cuIpcOpenMemHandle_v2(NULL, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    E(INVALID_VALUE, cuIpcOpenMemHandle_v2(&other, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)); /* forged */
    OK(cuIpcGetMemHandle(&memory, p));
    E(INVALID_CONTEXT, cuIpcOpenMemHandle_v2(&other, memory, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)); /* not in the process that made it */
    E(INVALID_VALUE, cuIpcCloseMemHandle(p)); /* was not opened */
    E(INVALID_VALUE, cuIpcCloseMemHandle(0));
    OK(cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&plain, 0));
    E(INVALID_VALUE, cuIpcGetEventHandle(NULL, event));
    E(INVALID_HANDLE, cuIpcGetEventHandle(&shared, JUNK(CUevent)));
    E(INVALID_HANDLE, cuIpcGetEventHandle(&shared, plain));
    E(INVALID_VALUE, cuIpcOpenEventHandle(NULL, shared));
    OK(cuEventDestroy_v2(event));
    OK(cuEventDestroy_v2(plain));
    OK(cuMemFree_v2(p));
    leave(context);
}
