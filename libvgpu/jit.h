/* jit.h - options of the driver's compiler: what travels, and what is filled in here. */
#ifndef VGPU_JIT_H
#define VGPU_JIT_H

#include <stdint.h>

#include "cuda.h"

#define VGPU_JIT_OPTIONS_MAX 40u

struct vgpu_jit {
    uint32_t count;
    struct {
        uint64_t option, value;
    } wire[VGPU_JIT_OPTIONS_MAX];
    char *info, *error;                  /* the program's buffers, or NULL */
    uint32_t info_bytes, error_bytes;
    void **info_filled, **error_filled;  /* option values that get the bytes written */
    void **wall_time;
};

/* Errors: CUDA_ERROR_INVALID_VALUE (an option that is none, lists that are NULL), CUDA_ERROR_NOT_SUPPORTED (symbols given addresses). */
CUresult vgpu_jit_read(unsigned count, const CUjit_option *options, void **values, struct vgpu_jit *jit);

/* Fetches logs and time of the loading that `image` had last, and fills them in. Never changes a result: it has none. */
void vgpu_jit_report(const struct vgpu_jit *jit, uint64_t image);

#endif
