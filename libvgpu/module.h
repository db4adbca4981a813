/* module.h - what modules and libraries share: loading, finding by name, listing. */
#ifndef VGPU_MODULE_H
#define VGPU_MODULE_H

#include <stdint.h>

#include "cuda.h"
#include "image.h"
#include "jit.h"

/* Sends `image`, then `message` (MODULE_LOAD, LIBRARY_LOAD), which answers a handle; logs are filled in, `image` is freed.
 * `library`: options of the library, pairs of u64. */
CUresult vgpu_code_load(uint16_t message, struct vgpu_image *image, const struct vgpu_jit *jit, const uint64_t (*library)[2], uint32_t library_count, uint64_t *handle);

/* Sends `message` with an object and a name behind it; the reply as it comes. */
CUresult vgpu_code_named(uint16_t message, uint64_t object, uint64_t more, const char *name, void *reply, uint32_t reply_bytes, int flags);

/* Lists functions or kernels (MODULE_FUNCTIONS, LIBRARY_KERNELS): how many there are, and the first `room` handles. */
CUresult vgpu_code_list(uint16_t message, uint64_t object, uint32_t *total, void **handles, uint32_t room, int flags);

#endif
