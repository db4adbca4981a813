/* cudart_tables.h - the private tables that the CUDA runtime asks its driver library for, and what each of our two driver libraries
 * fills in. cudart_tables.c says what they are for. */
#ifndef RINGFENCE_CUDART_TABLES_H
#define RINGFENCE_CUDART_TABLES_H

#include "cuda.h"

/* Of the first table without which no runtime starts; a library without cudart_tables.c knows by it whom to tell. */
#define RF_CUDART_INTERFACE_ID \
    {(char)0x6b, (char)0xd5, (char)0xfb, 0x6c, 0x5b, (char)0xf4, (char)0xe7, 0x4a, (char)0x89, (char)0x87, (char)0xd9, 0x39, 0x12, (char)0xfd, (char)0x9d, (char)0xf9}
#define RF_CUDART_REFUSAL \
    "this library was built without the CUDA runtime's tables (--without-cudart): programs that use libcudart do not start; those of the driver API do"

/* NULL in a library that was linked without cudart_tables.c. */
#define RF_CUDART_OPTIONAL __attribute__((weak, visibility("hidden")))

/* The table of a UUID, for the life of the process; NULL: not one of ours. Needs no cuInit. */
RF_CUDART_OPTIONAL const void *rf_cudart_table(const CUuuid *id);

/* What a launch of a grid or block that no device has is answered with. The driver API's CUDA_ERROR_INVALID_VALUE; but the runtime, which
 * looks at no dimension itself and promises cudaErrorInvalidConfiguration, has it only from here: 9, which it hands through. So that
 * is the answer in a process whose runtime has asked for its tables. */
RF_CUDART_OPTIONAL CUresult rf_cudart_bad_shape(void);

/* A context is ending. `take` removes what the runtime keeps by it, under whatever locks its caller holds; `drop` then runs the
 * runtime's destructors, without locks, since they may call the driver. NULL: nothing was kept. */
struct rf_cudart_kept;
RF_CUDART_OPTIONAL struct rf_cudart_kept *rf_cudart_take(CUcontext context);
RF_CUDART_OPTIONAL void rf_cudart_drop(struct rf_cudart_kept *kept);

/* ---- filled in by each library; all else is asked for by its public cu* functions ---- */

/* The handle of a device's primary context, without retaining it. Errors: NOT_INITIALIZED, INVALID_DEVICE. */
CUresult rf_cudart_primary(CUcontext *context, CUdevice device);

/* NULL becomes the calling thread's current context. Errors: NOT_INITIALIZED, INVALID_CONTEXT: none, or not alive. On the path of
 * every runtime call: no message, no lock where it can be helped. */
CUresult rf_cudart_context(CUcontext *context);

#endif
