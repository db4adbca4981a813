/* legacy.c - launches as before CUDA 4: a function's block, shared memory and parameters are set one by one, kept here, and sent
 * with cuLaunch, cuLaunchGrid or cuLaunchGridAsync. Whoever sets them on several threads at once gets what he asked for, as ever. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "function.h"
#include "hand.h"
#include "launch.h"
#include "thread.h"

#define PARAMS_MAX 4096u

struct vgpu_legacy {
    uint32_t block[3], shared, bytes;
    _Alignas(16) uint8_t params[PARAMS_MAX];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Settings are kept under the lock; NULL with an error. */
static CUresult of(CUfunction handle, struct vgpu_function **function)
{
    if (!vgpu_thread.top) return vgpu_no_context();
    CUresult error = vgpu_function_get(handle, function);
    if (error != CUDA_SUCCESS) return error;
    pthread_mutex_lock(&lock);
    if (!(*function)->legacy && ((*function)->legacy = calloc(1, sizeof *(*function)->legacy)))
        for (int i = 0; i < 3; i++) (*function)->legacy->block[i] = 1;
    error = (*function)->legacy ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_unlock(&lock);
    return error;
}

CUresult vgpu_cuFuncSetBlockShape(CUfunction hfunc, int x, int y, int z)
{
    struct vgpu_function *function;
    CUresult error = of(hfunc, &function);
    if (error != CUDA_SUCCESS) return error;
    if (x <= 0 || y <= 0 || z <= 0 || (int64_t)x * y > function->max_threads || (int64_t)x * y * z > function->max_threads) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    function->legacy->block[0] = (uint32_t)x;
    function->legacy->block[1] = (uint32_t)y;
    function->legacy->block[2] = (uint32_t)z;
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuFuncSetSharedSize(CUfunction hfunc, unsigned int bytes)
{
    struct vgpu_function *function;
    CUresult error = of(hfunc, &function);
    if (error == CUDA_SUCCESS) function->legacy->shared = bytes;
    return error;
}

CUresult vgpu_cuParamSetSize(CUfunction hfunc, unsigned int numbytes)
{
    struct vgpu_function *function;
    CUresult error = of(hfunc, &function);
    if (error != CUDA_SUCCESS) return error;
    if (numbytes > PARAMS_MAX) return CUDA_ERROR_INVALID_VALUE;
    function->legacy->bytes = numbytes;
    return CUDA_SUCCESS;
}

static CUresult set(CUfunction hfunc, int offset, const void *value, unsigned bytes)
{
    struct vgpu_function *function;
    CUresult error = of(hfunc, &function);
    if (error != CUDA_SUCCESS) return error;
    if (!value || offset < 0 || bytes > PARAMS_MAX || (unsigned)offset > PARAMS_MAX - bytes) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    memcpy(function->legacy->params + offset, value, bytes);
    pthread_mutex_unlock(&lock);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuParamSeti(CUfunction hfunc, int offset, unsigned int value) { return set(hfunc, offset, &value, sizeof value); }
CUresult vgpu_cuParamSetf(CUfunction hfunc, int offset, float value) { return set(hfunc, offset, &value, sizeof value); }
CUresult vgpu_cuParamSetv(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes) { return set(hfunc, offset, ptr, numbytes); }

/* A module's references are bound as they are when a kernel of it is launched: nothing is left to add to its parameters. */
CUresult vgpu_cuParamSetTexRef(CUfunction hfunc, int texunit, CUtexref hTexRef)
{
    struct vgpu_function *function;
    CUarray_format format;
    int channels;
    CUresult error = of(hfunc, &function);
    if (error != CUDA_SUCCESS) return error;
    if (texunit != CU_PARAM_TR_DEFAULT) return CUDA_ERROR_INVALID_VALUE;
    error = vgpu_cuTexRefGetFormat(&format, &channels, hTexRef); /* whether there is such a reference */
    return error == CUDA_ERROR_INVALID_HANDLE ? CUDA_ERROR_INVALID_VALUE : error;
}

static CUresult launch(CUfunction f, int width, int height, CUstream stream)
{
    struct vgpu_function *function;
    CUresult error = of(f, &function);
    if (error != CUDA_SUCCESS) return error;
    if (width <= 0 || height <= 0) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&lock);
    struct vgpu_legacy settings = *function->legacy;
    pthread_mutex_unlock(&lock);
    if (settings.bytes < function->param_bytes) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_order order = {.grid = {(uint32_t)width, (uint32_t)height, 1}, .block = {settings.block[0], settings.block[1], settings.block[2]},
                               .shared = settings.shared, .stream = stream, .packed = settings.params};
    return vgpu_launch(0, f, &order);
}

CUresult vgpu_cuLaunch(CUfunction f) { return launch(f, 1, 1, NULL); }
CUresult vgpu_cuLaunchGrid(CUfunction f, int grid_width, int grid_height) { return launch(f, grid_width, grid_height, NULL); }
CUresult vgpu_cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream) { return launch(f, grid_width, grid_height, hStream); }
