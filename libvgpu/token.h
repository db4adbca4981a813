/* token.h - descriptors that stand for memory and pools of other processes of the zone. */
#ifndef VGPU_TOKEN_H
#define VGPU_TOKEN_H

#include <stdint.h>

#include "cuda.h"

/* The executor's number for something that is shared. */
struct vgpu_token {
    uint64_t words[4];
};

enum vgpu_token_kind { VGPU_TOKEN_MEMORY, VGPU_TOKEN_POOL };

/* A descriptor that says it, and gives access to nothing else: the caller's to close. CUDA_ERROR_OPERATING_SYSTEM: there is none to be had. */
CUresult vgpu_token_write(enum vgpu_token_kind kind, const struct vgpu_token *token, int *fd);

/* What a descriptor says. CUDA_ERROR_INVALID_VALUE: it is none of these, or of the other kind. */
CUresult vgpu_token_read(enum vgpu_token_kind kind, int fd, struct vgpu_token *token);

#endif
