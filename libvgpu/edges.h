/* edges.h - parts of pages of registered memory that the GPU reaches: copied, where whole pages are shared. */
#ifndef VGPU_EDGES_H
#define VGPU_EDGES_H

#include <stdatomic.h>

#include "hostmem.h"

/* How many there are. */
extern _Atomic unsigned vgpu_edges;

/* Makes the parts of pages of a registered range that has an object reachable (once). CUDA_ERROR_OUT_OF_MEMORY. */
CUresult vgpu_edges_add(const struct vgpu_host_range *range);

/* The range is being unregistered, and the GPU is done with it: the last copy back. Unmaps the object's own view of the parts. */
void vgpu_edges_remove(const struct vgpu_host_range *range);

/* What the program wrote goes to the GPU's pages; what the GPU wrote comes back. */
void vgpu_edges_exchange(void);

/* For every call, and around what runs between: no cost while there are none. */
static inline void vgpu_edges_meet(void)
{
    if (__builtin_expect(atomic_load_explicit(&vgpu_edges, memory_order_relaxed) != 0, 0)) vgpu_edges_exchange();
}

#endif
