/* ranges.h - the table behind hostmem.h: disjoint ranges of addresses, sorted, searched by halving. */
#ifndef VGPU_RANGES_H
#define VGPU_RANGES_H

#include "hostmem.h"

/* Adds a range. Returns 0, -1 when it overlaps one that is there, -2 out of memory. */
int vgpu_ranges_add(const struct vgpu_host_range *range);

/* Removes the range that starts at `start` and copies it out. Returns whether there was one. */
int vgpu_ranges_remove(uintptr_t start, struct vgpu_host_range *out);

/* As in hostmem.h. */
int vgpu_ranges_find(uintptr_t address, struct vgpu_host_range *out);
int vgpu_ranges_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out);

#endif
