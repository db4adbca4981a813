/* callback.h - host functions that a stream runs: cuLaunchHostFunc, cuStreamAddCallback. */
#ifndef VGPU_CALLBACK_H
#define VGPU_CALLBACK_H

#include <stdint.h>

#include "cuda.h"

/* From the listener: the stream has come to host function `cookie`. Hands it to the worker thread; unknown cookies are dropped. */
void vgpu_callback_due(uint64_t cookie, CUresult status);

#endif
