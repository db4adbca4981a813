/* copy.h - the copy engine that every cuMemcpy form comes down to. */
#ifndef VGPU_COPY_H
#define VGPU_COPY_H

#include <stdint.h>

#include "cuda.h"
#include "tiles.h"

enum vgpu_side_kind {
    VGPU_SIDE_DEVICE,  /* base: device address */
    VGPU_SIDE_ARRAY,   /* base: array handle */
    VGPU_SIDE_PINNED,  /* base: id of shared host memory, x counts from its first byte */
    VGPU_SIDE_HOST     /* base: address in this process */
};

/* One end of a copy: where a box of bytes begins (x in bytes, y in rows, z in slices) in something that is `pitch` bytes
 * wide and `height` rows high. */
struct vgpu_side {
    enum vgpu_side_kind kind;
    uint32_t lod;
    uint64_t base, x, y, z, pitch, height;
};

struct vgpu_box {
    struct vgpu_side dst, src;
    uint64_t width, rows, depth; /* bytes, rows, slices */
    CUstream stream;
    unsigned abi;                /* RF_FLAG_PER_THREAD or 0 */
    int async;                   /* may return before it is done, as far as CUDA lets it for this kind of memory */
};

/* Ends of a one-dimensional copy. A device or unified address that is not the GPU's is host memory, pinned or not: with
 * unified addressing a pinned range's device pointer is its host pointer, and managed memory's host pointer a device's. */
struct vgpu_side vgpu_side_device(CUdeviceptr address);
struct vgpu_side vgpu_side_host(const void *address);
struct vgpu_side vgpu_side_array(CUarray array, uint64_t x);

/* Copies a box. Pitches need be right only where there is more than one row, heights where there is more than one slice.
 * Errors: CUDA_ERROR_INVALID_CONTEXT without a current context, CUDA_ERROR_INVALID_VALUE for NULL host memory and sizes
 * beyond any address, and what the executor answers. Empty boxes succeed without a message. */
CUresult vgpu_copy(struct vgpu_box *box);

/* Waits for a stream: everything before this call is done. */
CUresult vgpu_sync_stream(CUstream stream, unsigned abi);

#endif
