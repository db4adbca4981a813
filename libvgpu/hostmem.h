/* hostmem.h - host memory that CUDA knows: pinned allocations and registered ranges, by address. */
#ifndef VGPU_HOSTMEM_H
#define VGPU_HOSTMEM_H

#include <stdint.h>

#include "cuda.h"

/* One range, copied out of the table: the entry itself may go while the copy is used. */
struct vgpu_host_range {
    uintptr_t start, end;    /* what the program allocated or registered */
    uintptr_t shared_start, shared_end; /* the part that the executor shares; equal: none, its copies are staged */
    uint64_t id;             /* of the shared object on the wire; its first byte is at shared_start */
    uint64_t buffer_id;      /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
    unsigned flags;          /* CU_MEMHOSTALLOC_* or CU_MEMHOSTREGISTER_* */
    int registered;          /* cuMemHostRegister's, not cuMemHostAlloc's */
    CUcontext context;       /* current when it was made */
    CUdevice device;
};

/* The range around `address`. Returns whether there is one. */
int vgpu_hostmem_find(uintptr_t address, struct vgpu_host_range *out);

/* The first range that touches [start, end). Returns whether there is one. */
int vgpu_hostmem_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out);

/* From the listener: the descriptor of pinned memory `id`, whose bytes are [offset, offset + length) of it. Takes the descriptor. */
void vgpu_hostmem_arrived(uint64_t id, int descriptor, uint64_t offset, uint64_t length);

/* From the listener: the broker is gone, whoever waits for a descriptor must look. */
void vgpu_hostmem_failed(void);

#endif
