/* Host memory known to the GPU: its end when a context ends. See range.h. */
#ifndef RF_STUB_HOST_H
#define RF_STUB_HOST_H

#include "api.h"

/* Frees pinned and managed memory of a context, forgets what it registered. */
void rf_host_free_context(uint64_t epoch);

/* Frees managed memory that begins at an address. False: none does. */
bool rf_managed_free(CUdeviceptr address);

#endif
