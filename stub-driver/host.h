/* Host memory known to the GPU: its end when a context ends. See range.h. */
#ifndef RF_STUB_HOST_H
#define RF_STUB_HOST_H

#include "api.h"

/* Frees pinned and managed memory of a context, forgets what it registered. */
void rf_host_free_context(uint64_t epoch);

/* Memory for a managed variable, where a process that serves others (mark.c) can share it with them. *descriptor: 1 + its memfd's, or
 * 0 where it is the process's alone. NULL: out of memory. */
void *rf_managed_map(size_t size, int *descriptor);

/* Frees managed memory that begins at an address. False: none does. */
bool rf_managed_free(CUdeviceptr address);

#endif
