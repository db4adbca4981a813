/* memset.c - every cuMemset form comes down to GPU_SET: rows of elements of 1, 2 or 4 bytes.
 *
 * Of registered memory the GPU has only the pages that the executor shares. Where others are to be set the stream is waited for
 * and the bytes are set here, so that work queued before still sees the old ones. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "hand.h"
#include "hostmem.h"
#include "sure.h"
#include "thread.h"

struct set {
    CUdeviceptr address;
    size_t pitch;      /* bytes; of no meaning for one row */
    uint32_t value, element;
    size_t width, rows; /* elements, rows */
};

/* Whether all of it lies in the pages that the GPU has: then *set is made to say the GPU's address. Else *outside says whether it
 * leaves the range altogether. */
static int on_gpu(struct set *set, const struct vgpu_host_range *range, int *outside)
{
    uint64_t bytes, reach;
    *outside = __builtin_mul_overflow(set->width, set->element, &bytes) || __builtin_mul_overflow(set->rows - 1, set->pitch, &reach) ||
               __builtin_add_overflow(reach, bytes, &reach) || reach > range->end - set->address;
    if (*outside || set->address < range->shared_start || set->address + reach > range->shared_end) return 0;
    set->address = range->gpu + (set->address - range->shared_start);
    return 1;
}

static CUresult set_here(const struct set *set, CUstream stream, unsigned abi)
{
    CUresult error = vgpu_sync_stream(stream, abi);
    if (error != CUDA_SUCCESS) return error;
    for (size_t y = 0; y < set->rows; y++) {
        uint8_t *row = (uint8_t *)(uintptr_t)set->address + y * set->pitch;
        for (size_t x = 0; x < set->width; x++) memcpy(row + x * set->element, &set->value, set->element);
    }
    return CUDA_SUCCESS;
}

static CUresult run(unsigned abi, struct set set, CUstream stream, int async)
{
    CUresult wrong = vgpu_context_working(NULL);
    if (wrong != CUDA_SUCCESS) return wrong;
    uint64_t bytes;
    if (set.address % set.element || set.pitch % set.element || __builtin_mul_overflow(set.width, set.element, &bytes)) return CUDA_ERROR_INVALID_VALUE;
    if (set.width == 0 || set.rows == 0) return CUDA_SUCCESS;
    if (set.rows > 1 && set.pitch < bytes) return CUDA_ERROR_INVALID_VALUE;
    if (set.rows == 1) set.pitch = bytes;
    if (graph_capturing()) {
        const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEMSET, .memset = {set.address, set.pitch, set.value, set.element, set.width, set.rows, NULL}};
        CUresult taken = async ? CUDA_SUCCESS : vgpu_capture_refuse(stream, abi, 1);
        if (taken != CUDA_SUCCESS || (async && vgpu_capture(stream, abi, &given, &taken))) return taken;
    }
    struct vgpu_host_range range;
    int outside;
    if (set.address - vgpu.info.window_base >= vgpu.info.window_size && vgpu_hostmem_find((uintptr_t)set.address, &range) &&
        !on_gpu(&set, &range, &outside))
        return outside ? CUDA_ERROR_INVALID_VALUE : set_here(&set, stream, abi);
    struct vgpu_call call;
    const int sure = vgpu_sure_stream(stream) && vgpu_sure_memory(set.address, (set.rows - 1) * set.pitch + bytes);
    CUresult error = vgpu_begin(&call, RF_GPU_SET, sizeof(struct rf_GPU_SET), !async ? VGPU_WAITED : sure ? VGPU_POSTED : VGPU_ACCEPTED, abi);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_SET *request = call.payload;
    request->address = set.address;
    request->pitch = set.pitch;
    request->width = set.width;
    request->rows = set.rows;
    request->value = set.value;
    request->element = set.element;
    request->stream = VGPU_WIRE(stream);
    return async ? vgpu_post(&call) : vgpu_wait(&call, NULL, 0);
}

#define LINE(address, value, element, n) ((struct set){(address), 0, (value), (element), (n), 1})
#define RECTANGLE(address, pitch, value, element, w, h) ((struct set){(address), (pitch), (value), (element), (w), (h)})

CUresult vgpu_cuMemsetD8(CUdeviceptr_v1 d, unsigned char v, unsigned int n) { return run(0, LINE(d, v, 1, n), NULL, 0); }
CUresult vgpu_cuMemsetD16(CUdeviceptr_v1 d, unsigned short v, unsigned int n) { return run(0, LINE(d, v, 2, n), NULL, 0); }
CUresult vgpu_cuMemsetD32(CUdeviceptr_v1 d, unsigned int v, unsigned int n) { return run(0, LINE(d, v, 4, n), NULL, 0); }
CUresult vgpu_cuMemsetD8_v2(unsigned abi, CUdeviceptr d, unsigned char v, size_t n) { return run(abi, LINE(d, v, 1, n), NULL, 0); }
CUresult vgpu_cuMemsetD16_v2(unsigned abi, CUdeviceptr d, unsigned short v, size_t n) { return run(abi, LINE(d, v, 2, n), NULL, 0); }
CUresult vgpu_cuMemsetD32_v2(unsigned abi, CUdeviceptr d, unsigned int v, size_t n) { return run(abi, LINE(d, v, 4, n), NULL, 0); }
CUresult vgpu_cuMemsetD8Async(unsigned abi, CUdeviceptr d, unsigned char v, size_t n, CUstream s) { return run(abi, LINE(d, v, 1, n), s, 1); }
CUresult vgpu_cuMemsetD16Async(unsigned abi, CUdeviceptr d, unsigned short v, size_t n, CUstream s) { return run(abi, LINE(d, v, 2, n), s, 1); }
CUresult vgpu_cuMemsetD32Async(unsigned abi, CUdeviceptr d, unsigned int v, size_t n, CUstream s) { return run(abi, LINE(d, v, 4, n), s, 1); }

CUresult vgpu_cuMemsetD2D8(CUdeviceptr_v1 d, unsigned int p, unsigned char v, unsigned int w, unsigned int h) { return run(0, RECTANGLE(d, p, v, 1, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D16(CUdeviceptr_v1 d, unsigned int p, unsigned short v, unsigned int w, unsigned int h) { return run(0, RECTANGLE(d, p, v, 2, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D32(CUdeviceptr_v1 d, unsigned int p, unsigned int v, unsigned int w, unsigned int h) { return run(0, RECTANGLE(d, p, v, 4, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D8_v2(unsigned abi, CUdeviceptr d, size_t p, unsigned char v, size_t w, size_t h) { return run(abi, RECTANGLE(d, p, v, 1, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D16_v2(unsigned abi, CUdeviceptr d, size_t p, unsigned short v, size_t w, size_t h) { return run(abi, RECTANGLE(d, p, v, 2, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D32_v2(unsigned abi, CUdeviceptr d, size_t p, unsigned int v, size_t w, size_t h) { return run(abi, RECTANGLE(d, p, v, 4, w, h), NULL, 0); }
CUresult vgpu_cuMemsetD2D8Async(unsigned abi, CUdeviceptr d, size_t p, unsigned char v, size_t w, size_t h, CUstream s) { return run(abi, RECTANGLE(d, p, v, 1, w, h), s, 1); }
CUresult vgpu_cuMemsetD2D16Async(unsigned abi, CUdeviceptr d, size_t p, unsigned short v, size_t w, size_t h, CUstream s) { return run(abi, RECTANGLE(d, p, v, 2, w, h), s, 1); }
CUresult vgpu_cuMemsetD2D32Async(unsigned abi, CUdeviceptr d, size_t p, unsigned int v, size_t w, size_t h, CUstream s) { return run(abi, RECTANGLE(d, p, v, 4, w, h), s, 1); }
