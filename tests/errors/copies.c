/* copies.c - copies and memsets of every shape. */
#include "rows.h"

void rows_copy(void)
{
    CUcontext context = enter(), second = NULL;
    enum { BYTES = 4096 };
    static char host[2 * BYTES], back[2 * BYTES];
    CUdeviceptr a = 0, b = 0, gone = 0;
    CUstream stream = NULL;
    CUarray array = NULL;
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 64, .Height = 16, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 4};
    OK(cuMemAlloc_v2(&a, BYTES));
    OK(cuMemAlloc_v2(&b, BYTES));
    OK(cuMemAlloc_v2(&gone, BYTES));
    OK(cuMemFree_v2(gone));
    OK(cuStreamCreate(&stream, 0));
    OK(cuArrayCreate_v2(&array, &shape));
    /* Nothing to do succeeds. */
    OK(cuMemcpyHtoD_v2(a, host, 0));
    OK(cuMemcpyDtoH_v2(host, a, 0));
    OK(cuMemcpyDtoD_v2(a, b, 0));
    OK(cuMemcpyHtoDAsync_v2(a, host, 0, stream));
    /* Addresses. */
    E(INVALID_VALUE, cuMemcpyHtoD_v2(0, host, 16));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(a, NULL, 16));
    E(INVALID_VALUE, cuMemcpyDtoH_v2(NULL, a, 16));
    E(INVALID_VALUE, cuMemcpyDtoH_v2(host, 0, 16));
    E(INVALID_VALUE, cuMemcpyDtoD_v2(0, a, 16));
    E(INVALID_VALUE, cuMemcpyDtoD_v2(a, 0, 16));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(a, host, BYTES + 1));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(a + 1, host, BYTES));
    E(INVALID_VALUE, cuMemcpyDtoH_v2(host, a, BYTES + 1));
    E(INVALID_VALUE, cuMemcpyDtoD_v2(a, b, BYTES + 1));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(a, host, SIZE_MAX));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(gone, host, 16));
    E(INVALID_VALUE, cuMemcpyDtoH_v2(host, gone, 16));
    E(INVALID_VALUE, cuMemcpyHtoD_v2(JUNK(CUdeviceptr), host, 16));
    /* The same, told at the call, of asynchronous ones. */
    E(INVALID_VALUE, cuMemcpyHtoDAsync_v2(0, host, 16, stream));
    E(INVALID_VALUE, cuMemcpyHtoDAsync_v2(a, NULL, 16, stream));
    E(INVALID_VALUE, cuMemcpyHtoDAsync_v2(a, host, BYTES + 1, stream));
    E(INVALID_VALUE, cuMemcpyHtoDAsync_v2(gone, host, 16, stream));
    E(INVALID_VALUE, cuMemcpyDtoHAsync_v2(NULL, a, 16, stream));
    E(INVALID_VALUE, cuMemcpyDtoHAsync_v2(host, 0, 16, stream));
    E(INVALID_VALUE, cuMemcpyDtoHAsync_v2(host, a, BYTES + 1, stream));
    E(INVALID_VALUE, cuMemcpyDtoDAsync_v2(0, a, 16, stream));
    E(INVALID_VALUE, cuMemcpyDtoDAsync_v2(b, a, BYTES + 1, stream));
    E(INVALID_VALUE, cuMemcpyDtoDAsync_v2(gone, a, 16, stream));
    E(INVALID_HANDLE, cuMemcpyHtoDAsync_v2(a, host, 16, JUNK(CUstream)));
    E(INVALID_HANDLE, cuMemcpyDtoHAsync_v2(host, a, 16, JUNK(CUstream)));
    E(INVALID_HANDLE, cuMemcpyDtoDAsync_v2(a, b, 16, JUNK(CUstream)));
    E(INVALID_HANDLE, cuMemcpyAsync(a, b, 16, JUNK(CUstream)));
    OK(cuStreamSynchronize(stream)); /* none of them left anything behind */
    OK(cuCtxSynchronize());
    /* Unified copies find their direction; pageable memory has one as well. */
    OK(cuMemcpy(a, (CUdeviceptr)(uintptr_t)host, 16));
    OK(cuMemcpy((CUdeviceptr)(uintptr_t)back, a, 16));
    E(INVALID_VALUE, cuMemcpy(0, a, 16));
    E(INVALID_VALUE, cuMemcpy(a, 0, 16));
    E(INVALID_VALUE, cuMemcpyAsync(a, 0, 16, stream));
    OK(cuMemcpyPeer(a, context, b, context, 16));
    E(INVALID_CONTEXT, cuMemcpyPeer(a, JUNK(CUcontext), b, context, 16));
    E(INVALID_CONTEXT, cuMemcpyPeer(a, context, b, NULL, 16));
    E(INVALID_VALUE, cuMemcpyPeer(a, context, b, context, BYTES + 1));
    E(INVALID_CONTEXT, cuMemcpyPeerAsync(a, context, b, JUNK(CUcontext), 16, stream));
    /* Arrays. */
    E(INVALID_HANDLE, cuMemcpyHtoA_v2(JUNK(CUarray), 0, host, 16));
    E(INVALID_HANDLE, cuMemcpyHtoA_v2(NULL, 0, host, 16));
    E(INVALID_HANDLE, cuMemcpyAtoH_v2(host, NULL, 0, 16));
    E(INVALID_VALUE, cuMemcpyHtoA_v2(array, 0, NULL, 16));
    E(INVALID_VALUE, cuMemcpyAtoH_v2(NULL, array, 0, 16));
    OK(cuMemcpyHtoA_v2(array, 0, host, 64));
    OK(cuMemcpyAtoH_v2(back, array, 0, 64));
    E(INVALID_VALUE, cuMemcpyDtoA_v2(array, 0, 0, 16));
    OK(cuMemcpyDtoA_v2(array, 0, a, 64));
    OK(cuMemcpyAtoD_v2(a, array, 0, 64));
    E(INVALID_VALUE, cuMemcpyAtoD_v2(0, array, 0, 16));
    /* Boxes. */
    CUDA_MEMCPY2D box = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = host, .srcPitch = 64, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = a, .dstPitch = 64, .WidthInBytes = 64, .Height = 64}, bad;
    OK(cuMemcpy2D_v2(&box));
    E(INVALID_VALUE, cuMemcpy2D_v2(NULL));
    E(INVALID_VALUE, cuMemcpy2DUnaligned_v2(NULL));
    E(INVALID_VALUE, cuMemcpy2DAsync_v2(NULL, stream));
#define BAD2D(expected, change)          \
    do {                                 \
        bad = box;                       \
        bad.change;                      \
        E(expected, cuMemcpy2D_v2(&bad)); \
        E(expected, cuMemcpy2DAsync_v2(&bad, stream)); \
    } while (0)
    BAD2D(INVALID_VALUE, srcPitch = 63); /* less than a row */
    BAD2D(INVALID_VALUE, dstPitch = 63);
    BAD2D(INVALID_VALUE, srcXInBytes = 1);
    BAD2D(INVALID_VALUE, dstXInBytes = 1);
    BAD2D(INVALID_VALUE, dstY = 1); /* beyond the allocation */
    BAD2D(INVALID_VALUE, Height = 65);
    BAD2D(INVALID_VALUE, srcMemoryType = (CUmemorytype)9);
    BAD2D(INVALID_VALUE, dstMemoryType = (CUmemorytype)0);
    BAD2D(INVALID_VALUE, srcHost = NULL);
    BAD2D(INVALID_VALUE, dstDevice = 0);
    BAD2D(INVALID_VALUE, dstPitch = SIZE_MAX); /* beyond CU_DEVICE_ATTRIBUTE_MAX_PITCH */
    E(INVALID_HANDLE, cuMemcpy2DAsync_v2(&box, JUNK(CUstream)));
    bad = box;
    bad.Height = 0;
    OK(cuMemcpy2D_v2(&bad));
    bad = box;
    bad.WidthInBytes = 0;
    OK(cuMemcpy2D_v2(&bad));
    bad = box;
    bad.dstMemoryType = CU_MEMORYTYPE_ARRAY;
    bad.dstArray = array;
    bad.Height = 16;
    OK(cuMemcpy2D_v2(&bad));
    bad.Height = 17;
    E(INVALID_VALUE, cuMemcpy2D_v2(&bad));
    bad.Height = 16;
    bad.WidthInBytes = 63; /* a part of an element */
    E(INVALID_VALUE, cuMemcpy2D_v2(&bad));
    bad.WidthInBytes = 64;
    bad.dstArray = JUNK(CUarray);
    E(INVALID_HANDLE, cuMemcpy2D_v2(&bad));
    bad.dstArray = NULL;
    E(INVALID_HANDLE, cuMemcpy2D_v2(&bad));
    CUDA_MEMCPY3D cube = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = host, .srcPitch = 16, .srcHeight = 16, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = a, .dstPitch = 16, .dstHeight = 16, .WidthInBytes = 16, .Height = 16, .Depth = 16}, odd;
    OK(cuMemcpy3D_v2(&cube));
    E(INVALID_VALUE, cuMemcpy3D_v2(NULL));
    E(INVALID_VALUE, cuMemcpy3DAsync_v2(NULL, stream));
#define BAD3D(expected, change)          \
    do {                                 \
        odd = cube;                      \
        odd.change;                      \
        E(expected, cuMemcpy3D_v2(&odd)); \
        E(expected, cuMemcpy3DAsync_v2(&odd, stream)); \
    } while (0)
    BAD3D(INVALID_VALUE, srcPitch = 15);
    BAD3D(INVALID_VALUE, dstPitch = 15);
    BAD3D(INVALID_VALUE, srcHeight = 15);
    BAD3D(INVALID_VALUE, dstHeight = 15);
    BAD3D(INVALID_VALUE, srcXInBytes = 1);
    BAD3D(INVALID_VALUE, dstXInBytes = 1);
    BAD3D(INVALID_VALUE, dstZ = 1);
    BAD3D(INVALID_VALUE, Depth = 17);
    BAD3D(INVALID_VALUE, srcLOD = 1); /* must be 0 */
    BAD3D(INVALID_VALUE, dstLOD = 1);
    BAD3D(INVALID_VALUE, srcMemoryType = (CUmemorytype)0);
    BAD3D(INVALID_VALUE, srcHost = NULL);
    BAD3D(INVALID_VALUE, dstDevice = 0);
    BAD3D(INVALID_VALUE, Depth = SIZE_MAX / 64);
    odd = cube;
    odd.Depth = 0;
    OK(cuMemcpy3D_v2(&odd));
    CUDA_MEMCPY3D_PEER peer = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = b, .srcContext = context, .srcPitch = 64, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = a, .dstContext = context, .dstPitch = 64, .WidthInBytes = 64, .Height = 64, .Depth = 1};
    OK(cuMemcpy3DPeer(&peer));
    E(INVALID_VALUE, cuMemcpy3DPeer(NULL));
    peer.srcContext = JUNK(CUcontext);
    E(INVALID_CONTEXT, cuMemcpy3DPeer(&peer));
    /* Batches. */
    CUdeviceptr to[2] = {a, a + 64}, from[2] = {b, b + 64};
    size_t sizes[2] = {64, 64}, starts[2] = {0, 1};
    CUmemcpyAttributes attributes[2] = {{.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM}, {.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM}};
    OK(cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 2, stream));
    OK(cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(NULL, from, sizes, 2, attributes, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, NULL, sizes, 2, attributes, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, NULL, 2, attributes, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 0, attributes, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, NULL, starts, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, NULL, 1, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 0, stream));
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 3, stream)); /* more than copies */
    starts[0] = 1;
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 1, stream)); /* the first must be 0 */
    starts[0] = 0;
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 1, NULL)); /* no default stream */
    attributes[0].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_INVALID;
    E(INVALID_VALUE, cuMemcpyBatchAsync_v2(to, from, sizes, 2, attributes, starts, 1, stream));
    /* Memory of one context is seen from another of the same device, by copies. */
    OK(cuCtxCreate_v2(&second, 0, 0));
    OK(cuCtxDestroy_v2(second));
    OK(cuArrayDestroy(array));
    OK(cuStreamDestroy_v2(stream));
    OK(cuMemFree_v2(a));
    OK(cuMemFree_v2(b));
    leave(context);
}

void rows_set(void)
{
    CUcontext context = enter();
    enum { BYTES = 4096 };
    CUdeviceptr a = 0, gone = 0;
    CUstream stream = NULL;
    char host[16];
    OK(cuMemAlloc_v2(&a, BYTES));
    OK(cuMemAlloc_v2(&gone, 64));
    OK(cuMemFree_v2(gone));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemsetD8_v2(a, 1, 0));
    OK(cuMemsetD8Async(a, 1, 0, stream));
    OK(cuMemsetD2D8_v2(a, 64, 1, 0, 4));
    OK(cuMemsetD2D8_v2(a, 64, 1, 4, 0));
    E(INVALID_VALUE, cuMemsetD8_v2(0, 1, 16));
    E(INVALID_VALUE, cuMemsetD8_v2(a, 1, BYTES + 1));
    E(INVALID_VALUE, cuMemsetD8_v2(a + BYTES, 1, 1));
    E(INVALID_VALUE, cuMemsetD8_v2(gone, 1, 16));
    E(INVALID_VALUE, cuMemsetD8_v2((CUdeviceptr)(uintptr_t)host, 1, 16)); /* pageable */
    E(INVALID_VALUE, cuMemsetD16_v2(a + 1, 1, 16)); /* aligned to its elements */
    E(INVALID_VALUE, cuMemsetD32_v2(a + 2, 1, 16));
    E(INVALID_VALUE, cuMemsetD32_v2(a, 1, BYTES / 4 + 1));
    E(INVALID_VALUE, cuMemsetD32_v2(a, 1, SIZE_MAX / 2));
    E(INVALID_VALUE, cuMemsetD2D8_v2(a, 63, 1, 64, 2)); /* pitch less than width */
    E(INVALID_VALUE, cuMemsetD2D16_v2(a, 63, 1, 16, 2)); /* nor aligned */
    E(INVALID_VALUE, cuMemsetD2D32_v2(a, 66, 1, 16, 2));
    E(INVALID_VALUE, cuMemsetD2D8_v2(a, 64, 1, 64, 65));
    E(INVALID_VALUE, cuMemsetD2D8_v2(0, 64, 1, 64, 2));
    E(INVALID_VALUE, cuMemsetD8Async(0, 1, 16, stream));
    E(INVALID_VALUE, cuMemsetD8Async(a, 1, BYTES + 1, stream));
    E(INVALID_VALUE, cuMemsetD8Async(gone, 1, 16, stream));
    E(INVALID_VALUE, cuMemsetD16Async(a + 1, 1, 16, stream));
    E(INVALID_VALUE, cuMemsetD32Async(a + 1, 1, 16, stream));
    E(INVALID_VALUE, cuMemsetD2D8Async(a, 64, 1, 64, 65, stream));
    E(INVALID_VALUE, cuMemsetD2D32Async(a, 66, 1, 16, 2, stream));
    E(INVALID_HANDLE, cuMemsetD8Async(a, 1, 16, JUNK(CUstream)));
    E(INVALID_HANDLE, cuMemsetD2D8Async(a, 64, 1, 16, 2, JUNK(CUstream)));
    OK(cuMemsetD8Async(a, 1, BYTES, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuStreamDestroy_v2(stream));
    OK(cuMemFree_v2(a));
    leave(context);
}
