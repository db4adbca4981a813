/* probed.c - the ELF symbols cuCtxGetDevice_v2 and cuCtxSynchronize_v2, which programs call in two ways. CUDA 13 gave both functions
 * a context parameter. Bindings of today that look every symbol up by name (Rust's cudarc) call them so; bindings of earlier versions
 * that try each name with _v2 first (numba up to 0.56) call them without it, and the parameter is what the register happened to hold.
 * So here, and only here, a context that is none counts as not given: the current one. What cuGetProcAddress hands out, and what the
 * rest of the libraries calls by these names (`probed` in the call table), answers CUDA_ERROR_INVALID_CONTEXT, as documented. In idm/
 * because the client and the software GPU export the same. */
#include "generated/cuda.h"

#define EXPORTED __attribute__((visibility("default")))

CUresult probed_get_device(CUdevice *device, CUcontext ctx) __asm__("cuCtxGetDevice_v2");
CUresult probed_synchronize(CUcontext ctx) __asm__("cuCtxSynchronize_v2");

EXPORTED CUresult probed_get_device(CUdevice *device, CUcontext ctx)
{
    const CUresult result = cuCtxGetDevice_v2(device, ctx);
    return result == CUDA_ERROR_INVALID_CONTEXT || result == CUDA_ERROR_CONTEXT_IS_DESTROYED ? cuCtxGetDevice(device) : result;
}

EXPORTED CUresult probed_synchronize(CUcontext ctx)
{
    const CUresult result = cuCtxSynchronize_v2(ctx);
    return result == CUDA_ERROR_INVALID_CONTEXT || result == CUDA_ERROR_CONTEXT_IS_DESTROYED ? cuCtxSynchronize() : result;
}
