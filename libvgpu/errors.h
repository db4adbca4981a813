/* errors.h - the names of results, for messages. */
#ifndef VGPU_ERRORS_H
#define VGPU_ERRORS_H

#include "cuda.h"

/* The enumerator's name, or "unknown result" for a number that is none. Static memory. */
const char *vgpu_error_name(CUresult error);

/* Whether `value` is a result that CUDA 13.0 knows: what an executor sends is believed only then. */
int vgpu_error_known(int value);

#endif
