/* launch.h - launching a kernel, however the program asked for it. */
#ifndef VGPU_LAUNCH_H
#define VGPU_LAUNCH_H

#include <stdint.h>

#include "cuda.h"
#include "function.h"

#define VGPU_LAUNCH_ATTRIBUTES_MAX 32u

struct vgpu_order {
    struct vgpu_function *function;  /* found by vgpu_launch */
    uint32_t grid[3], block[3], shared;
    CUstream stream;
    void **params, **extra;
    const uint8_t *packed;           /* instead of both: param_bytes of them, already as the kernel sees them */
    int cooperative;
    const CUlaunchAttribute *attributes;
    uint32_t attribute_count;
};

/* Checks what can be checked here and posts the launch; cooperative launches, and attributes that can be refused, wait for the
 * driver's word (not for the GPU). Errors: INVALID_HANDLE, INVALID_VALUE, INVALID_CONTEXT, and of those that wait the driver's. */
CUresult vgpu_launch(unsigned abi, CUfunction f, struct vgpu_order *order);

/* Whether a launch of order->function may have this shape. */
int vgpu_launch_fits(const struct vgpu_order *order);

/* How attributes travel: as in cuda.h. Errors: INVALID_VALUE for one that is none, NOT_SUPPORTED. `waits` (may be NULL) is set when
 * one of them can be refused by the driver. */
CUresult vgpu_launch_attributes(const CUlaunchAttribute *attributes, uint32_t count, int *waits);

#endif
