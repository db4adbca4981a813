/* hostmem.h - memory of this process that CUDA knows: pinned, registered and managed ranges, by address. */
#ifndef VGPU_HOSTMEM_H
#define VGPU_HOSTMEM_H

#include <stdint.h>

#include "cuda.h"

/* What cuMemAdvise and cuMemPrefetchAsync said of managed memory, to be asked for by cuMemRangeGetAttribute. */
struct vgpu_advice {
    int read_mostly;
    CUmemLocation preferred, prefetched; /* type 0 (invalid): never said */
    uint64_t accessed_by;                /* bit by device, bit 63 the host */
};

/* One range, copied out of the table: the entry itself may go while the copy is used. */
struct vgpu_host_range {
    uintptr_t start, end;    /* what the program allocated or registered */
    uintptr_t shared_start, shared_end; /* the part that the executor shares; equal: none, its copies are staged */
    uint64_t id;             /* of the shared object on the wire; 0: none */
    uint64_t lead;           /* registered: the object's bytes before the one at shared_start */
    uintptr_t rest;          /* registered: where the object's first byte is mapped, for the parts of pages (edges.h); 0: it has none */
    uint64_t gpu;            /* the GPU's address of shared_start */
    uint64_t buffer_id;      /* CU_POINTER_ATTRIBUTE_BUFFER_ID */
    unsigned flags;          /* CU_MEMHOSTALLOC_* or CU_MEMHOSTREGISTER_* */
    int registered;          /* cuMemHostRegister's, not cuMemHostAlloc's */
    int edged;               /* registered: all of it has GPU addresses, not the shared part alone */
    int managed;             /* cuMemAllocManaged's: device memory that the host reaches too (managed.c) */
    int alone;               /* managed: has its object to itself */
    struct vgpu_advice advice; /* managed: what was advised about it */
    CUcontext context;       /* current when it was made */
    CUdevice device;
};

/* The range around `address`. Returns whether there is one. */
int vgpu_hostmem_find(uintptr_t address, struct vgpu_host_range *out);

/* The first range that touches [start, end). Returns whether there is one. */
int vgpu_hostmem_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out);

/* Whether `address` is the GPU's in the host window: managed memory, the device pointer of registered memory, or nothing. Copies
 * name it as a device address, and the executor checks it. */
int vgpu_hostmem_is_gpus(uint64_t address);

#endif
