/* staging.h - chunks of the region through which pageable bytes travel. */
#ifndef VGPU_STAGING_H
#define VGPU_STAGING_H

#include <stdint.h>

#include "cuda.h"

/* Takes a free chunk: CUDA_SUCCESS with its number; CUDA_ERROR_NOT_READY when none is free and `wait` is 0; the state's error
 * when the broker is gone. A thread that holds a chunk must not wait for another one: two such threads would wait for ever. */
CUresult vgpu_staging_take(int wait, uint32_t *chunk);

/* Gives a chunk back that the executor was not handed, or has answered for. */
void vgpu_staging_free(uint32_t chunk);

/* The chunk's bytes in this process, and where it lies for the executor (from the start of staging). */
uint8_t *vgpu_staging_bytes(uint32_t chunk);
uint64_t vgpu_staging_offset(uint32_t chunk);

#endif
