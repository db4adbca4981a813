/* query.h - what lies around a device address. */
#ifndef VGPU_QUERY_H
#define VGPU_QUERY_H

#include "call.h"

/* Asks the executor. CUDA_ERROR_INVALID_VALUE when no allocation of this client is there; no message for addresses outside of
 * the zone's window. */
CUresult vgpu_query(CUdeviceptr address, struct rf_POINTER_QUERY_reply *reply);


#endif
