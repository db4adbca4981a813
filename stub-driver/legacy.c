/* Launches as before CUDA 4: a function's block, shared memory and parameters are set one by one and kept with it; cuLaunch,
 * cuLaunchGrid and cuLaunchGridAsync make a launch of what is set then. See module.h. */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "context.h"
#include "module.h"

#define PARAMETERS_MAX 4096

struct legacy {
  unsigned block[3], shared, size;
  _Alignas(16) unsigned char bytes[PARAMETERS_MAX];
};

/* The settings of a function, or of a kernel that stands for one, made at their first use; NULL with an error. The lock is held. */
static struct legacy *settings_of(CUfunction handle, CUresult *error) {
  struct function *const function = rf_object_find(RF_KIND_FUNCTION, (uint64_t)(uintptr_t)handle);
  struct kernel *const kernel = function ? NULL : rf_object_find(RF_KIND_KERNEL, (uint64_t)(uintptr_t)handle);
  struct legacy **const place = function ? &function->legacy : kernel ? &kernel->legacy : NULL;
  *error = place ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
  if (!place) return NULL;
  if (!*place && (*place = calloc(1, sizeof **place)))
    for (int i = 0; i < 3; i++) (*place)->block[i] = 1;
  if (!*place) *error = CUDA_ERROR_OUT_OF_MEMORY;
  return *place;
}

#define WITH_SETTINGS(settings, function, change)                       \
  do {                                                                  \
    CUresult error_;                                                    \
    rf_modules_lock();                                                  \
    struct legacy *const settings = settings_of((function), &error_);   \
    if (settings) change;                                               \
    rf_modules_unlock();                                                \
    return error_;                                                      \
  } while (0)

CUresult cuFuncSetBlockShape(CUfunction hfunc, int x, int y, int z) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (x <= 0 || y <= 0 || z <= 0 || (int64_t)x * y > 1024 || (int64_t)x * y * z > 1024) return CUDA_ERROR_INVALID_VALUE; /* what a block has at most */
  const unsigned block[3] = {(unsigned)x, (unsigned)y, (unsigned)z};
  WITH_SETTINGS(settings, hfunc, memcpy(settings->block, block, sizeof block));
}

CUresult cuFuncSetSharedSize(CUfunction hfunc, unsigned int bytes) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  WITH_SETTINGS(settings, hfunc, settings->shared = bytes);
}

CUresult cuParamSetSize(CUfunction hfunc, unsigned int numbytes) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (numbytes > PARAMETERS_MAX) return CUDA_ERROR_INVALID_VALUE;
  WITH_SETTINGS(settings, hfunc, settings->size = numbytes);
}

static CUresult set(CUfunction function, int offset, const void *value, unsigned size) {
  if (!value || offset < 0 || size > PARAMETERS_MAX || (unsigned)offset > PARAMETERS_MAX - size) return CUDA_ERROR_INVALID_VALUE;
  WITH_SETTINGS(settings, function, memcpy(settings->bytes + offset, value, size));
}

CUresult cuParamSeti(CUfunction hfunc, int offset, unsigned int value) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return set(hfunc, offset, &value, sizeof value);
}

CUresult cuParamSetf(CUfunction hfunc, int offset, float value) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return set(hfunc, offset, &value, sizeof value);
}

CUresult cuParamSetv(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return set(hfunc, offset, ptr, numbytes);
}

static CUresult launch(CUfunction function, int width, int height, CUstream stream) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  struct legacy now;
  CUresult error;
  rf_modules_lock();
  const struct legacy *const settings = settings_of(function, &error);
  if (settings) now = *settings;
  rf_modules_unlock();
  if (error) return error;
  if (width <= 0 || height <= 0) return CUDA_ERROR_INVALID_VALUE;
  size_t size = now.size;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, now.bytes, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  return cuLaunchKernel(function, (unsigned)width, (unsigned)height, 1, now.block[0], now.block[1], now.block[2], now.shared, stream, NULL, extra);
}

CUresult cuLaunch(CUfunction f) { return launch(f, 1, 1, NULL); }
CUresult cuLaunchGrid(CUfunction f, int grid_width, int grid_height) { return launch(f, grid_width, grid_height, NULL); }
CUresult cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream) { return launch(f, grid_width, grid_height, hStream); }
