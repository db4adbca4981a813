/* device.h - devices as the program numbers them. */
#ifndef VGPU_DEVICE_H
#define VGPU_DEVICE_H

#include "cuda.h"
#include "region.h"

/* Applies CUDA_VISIBLE_DEVICES. Once, after the connection stands. */
void vgpu_device_init(void);

/* How many devices the program sees. */
int vgpu_device_count(void);

/* The info block's entry of a device, NULL for a number that is none. */
const struct rf_device_info *vgpu_device(CUdevice device);

/* The executor's number of a visible device; the program's of the executor's (-1: not visible). */
int32_t vgpu_device_to_wire(CUdevice device);
CUdevice vgpu_device_from_wire(int32_t number);

/* Reads an attribute; 0 where the driver has none of that number. */
int vgpu_device_attribute(const struct rf_device_info *info, CUdevice_attribute attribute);

#endif
