/* image.h - code on its way to the executor: how long it is, and whether the executor has it already. */
#ifndef VGPU_IMAGE_H
#define VGPU_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cuda.h"

struct vgpu_image_part {
    const void *data;
    uint64_t bytes;
};

/* An image's bytes in this process: one piece, or the fat binaries of a wrapper. */
struct vgpu_image {
    struct vgpu_image_part *parts; /* `one`, or allocated */
    struct vgpu_image_part one;
    uint32_t count;
    int wrapped;                   /* the parts are fat binaries that a wrapper named */
};

/* Finds out what lies at `data`, by its own headers, and of a text by its NUL; never reads beyond what they say, nor beyond
 * `limit` bytes (UINT64_MAX: not known). Errors: CUDA_ERROR_INVALID_IMAGE, CUDA_ERROR_OUT_OF_MEMORY. Free with vgpu_image_free. */
CUresult vgpu_image_measure(const void *data, uint64_t limit, struct vgpu_image *image);
void vgpu_image_free(struct vgpu_image *image);

/* The executor's number for this image; sends it unless it is there. `anew`: the executor did not know the number of last time. */
CUresult vgpu_image_send(const struct vgpu_image *image, int anew, uint64_t *number);

/* Reads a whole file, with a NUL behind its end. Errors: CUDA_ERROR_FILE_NOT_FOUND, CUDA_ERROR_OUT_OF_MEMORY. */
CUresult vgpu_file_read(const char *path, void **data, size_t *bytes);

#endif
