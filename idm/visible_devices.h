/* visible_devices.h - CUDA_VISIBLE_DEVICES, which is the driver library's to obey: the CUDA runtime leaves it alone. */
#ifndef RINGFENCE_VISIBLE_DEVICES_H
#define RINGFENCE_VISIBLE_DEVICES_H

#include <stdint.h>

/* Which of `count` devices a program sees, in which order: their numbers go to `order`, which has room for `count`; returns how many.
 * `list` is the variable's value, NULL when it is not set. Entries are ordinals, or UUIDs as "GPU-8f0e...", of which a prefix that
 * means one device will do. The first entry that names no device, or one named before, ends the list: -1, or nothing, hides all. */
int rf_visible_devices(const char *list, int count, const uint8_t (*uuids)[16], int *order);

#endif
