/* device.h - the CUDA side of the measuring programs: errors that end the program, and a device with a context. */
#ifndef RINGFENCE_PERF_DEVICE_H
#define RINGFENCE_PERF_DEVICE_H

#include "cuda.h"
#include "measure.h"

/* Ends the program unless the call succeeds, naming the call and the error. */
#define MUST(call) must((call), #call)

static inline void must(CUresult result, const char *what)
{
    if (result == CUDA_SUCCESS) return;
    const char *name = NULL;
    if (cuGetErrorName(result, &name) != CUDA_SUCCESS || !name) name = "unknown error";
    fprintf(stderr, "%s: %s (%d)\n", what, name, (int)result);
    exit(1);
}

/* Initialises, and makes the primary context of device 0 current. */
static inline CUdevice open_device(void)
{
    CUdevice device;
    CUcontext context;
    MUST(cuInit(0));
    MUST(cuDeviceGet(&device, 0));
    MUST(cuDevicePrimaryCtxRetain(&context, device));
    MUST(cuCtxSetCurrent(context));
    return device;
}

static inline void close_device(CUdevice device) { MUST(cuDevicePrimaryCtxRelease_v2(device)); }

#endif
