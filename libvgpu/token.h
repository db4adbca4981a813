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

/* Exports an object of this client: `*fd` says its number and gives access to nothing else; the caller's to close. The executor's errors;
 * CUDA_ERROR_OPERATING_SYSTEM: there is no descriptor to be had. */
CUresult vgpu_token_export(enum vgpu_token_kind kind, uint64_t object, int *fd);

/* A handle of what a descriptor names, which stays the caller's. CUDA_ERROR_INVALID_VALUE: it names nothing of this kind and zone. */
CUresult vgpu_token_import(enum vgpu_token_kind kind, int fd, uint64_t *object);

#endif
