/* link.h - this process's look at its zone: the connection to the executor, and the last snapshot.
 *
 * Every function of NVML is: rfml_look (checks the arguments, takes the lock, brings a fresh snapshot), read it, rfml_done. */
#ifndef RFML_LINK_H
#define RFML_LINK_H

#include <stddef.h>

#include "monitor.h"
#include "nvml.h"

#define RFML_EXPORT __attribute__((visibility("default")))

/* nvmlInit: counts, and connects at the first. DRIVER_NOT_LOADED without a broker, NO_PERMISSION when it refuses us. */
nvmlReturn_t rfml_open(void);
nvmlReturn_t rfml_close(void);

/* The zone's only device. */
nvmlDevice_t rfml_device(void);

/* UNINITIALIZED before nvmlInit; INVALID_ARGUMENT for a NULL `out` or another device; GPU_IS_LOST when the broker has gone and
 * does not come back. On success the lock is held and *now is at most 20 ms old: end with rfml_done. */
nvmlReturn_t rfml_look(nvmlDevice_t device, const void *out, const struct rf_snapshot **now);
/* The same for functions without a device. */
nvmlReturn_t rfml_look_around(const void *out, const struct rf_snapshot **now);
nvmlReturn_t rfml_done(nvmlReturn_t result);

nvmlReturn_t rfml_constant(nvmlDevice_t device, unsigned int *value, unsigned int constant);
nvmlReturn_t rfml_none(unsigned int *count);
/* `result`, or UNINITIALIZED before nvmlInit. */
nvmlReturn_t rfml_refuse(nvmlReturn_t result);
/* Copies a string: INSUFFICIENT_SIZE when it does not fit with its NUL. */
nvmlReturn_t rfml_text(char *out, unsigned int length, const char *text);

#endif
