/* managed.h - managed memory: device memory that the program's own loads and stores reach. */
#ifndef VGPU_MANAGED_H
#define VGPU_MANAGED_H

#include "cuda.h"
#include "hostmem.h"

/* cuMemFree of an address: if a managed allocation begins there it is forgotten, once, and copied out. Returns whether. */
int vgpu_managed_take(CUdeviceptr address, struct vgpu_host_range *out);

/* The executor has freed it: its pages go. */
void vgpu_managed_gone(const struct vgpu_host_range *range);

/* A context is destroyed or reset, and its managed memory with it. */
void vgpu_managed_context_gone(CUcontext context);

#endif
