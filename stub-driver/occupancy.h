/* How much of a kernel fits a multiprocessor of this GPU: the arithmetic of compute capability 8.0, and its limits (of shared memory: those
 * of the capability that the device says it has). */
#ifndef RF_STUB_OCCUPANCY_H
#define RF_STUB_OCCUPANCY_H

#include "module.h"
#include "settings.h"

#define RF_MULTIPROCESSORS 108
#define RF_SHARED_DEFAULT 49152 /* bytes of shared memory a block has without asking for more */
#define RF_SHARED_OPTIN (rf_settings.capability >= 90 ? 232448 : 166912)              /* and with */
#define RF_SHARED_MULTIPROCESSOR (rf_settings.capability >= 90 ? 233472u : 167936u)

/* Registers a thread. What does not fit 65536 for the largest block that the kernel allows is taken to be spilled, as a
 * compiler would that is told of that block. */
unsigned rf_registers(const struct ptx_kernel_info *info);

/* Dynamic shared memory that a launch may ask for, bytes. */
uint32_t rf_max_dynamic_shared(const struct ptx_kernel_info *info, const struct function_settings *settings);

/* Blocks of that many threads and bytes that a multiprocessor holds at once; 0: not even one. */
int rf_resident_blocks(const struct ptx_kernel_info *info, unsigned threads, uint64_t dynamic_shared);

#endif
