/* ranges.h - the table behind hostmem.h: disjoint ranges of addresses, sorted, searched by halving. */
#ifndef VGPU_RANGES_H
#define VGPU_RANGES_H

#include "hostmem.h"

/* Adds a range. Returns 0, -1 when it overlaps one that is there, -2 out of memory. Managed ranges give way to what the executor
 * has put in their place: then their context has gone, and the thread that destroys it has not come to say so. */
int vgpu_ranges_add(const struct vgpu_host_range *range);

/* Removes the range that starts at `start` and copies it out. Returns whether there was one. */
int vgpu_ranges_remove(uintptr_t start, struct vgpu_host_range *out);

/* As in hostmem.h. */
int vgpu_ranges_find(uintptr_t address, struct vgpu_host_range *out);
int vgpu_ranges_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out);

/* The range that the GPU has at `address` (of registered memory another than the host's). Looks at all: for the rare question. */
int vgpu_ranges_find_gpu(uint64_t address, struct vgpu_host_range *out);

/* Removes one managed range of a context and copies it out. Returns whether there was one. */
int vgpu_ranges_take_managed(CUcontext context, struct vgpu_host_range *out);

/* Replaces what is known of a range, unless it has gone meanwhile. Returns whether it was there. */
int vgpu_ranges_update(const struct vgpu_host_range *range);

#endif
