/* library.c - libraries and kernels: code of no context. */
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "function.h"
#include "globals.h"
#include "hand.h"
#include "objects.h"
#include "module.h"

#define OPTIONS_MAX 16u

static CUresult load(CUlibrary *library, const void *code, uint64_t limit, CUjit_option *options, void **values, unsigned count, CUlibraryOption *library_options,
                     void **library_values, unsigned library_count)
{
    struct vgpu_image image;
    struct vgpu_jit jit;
    uint64_t passed[OPTIONS_MAX][2];
    uint32_t passed_count = 0;
    if (!library || !code || (library_count && !library_options) || library_count > OPTIONS_MAX) return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < library_count; i++) {
        if ((int)library_options[i] < 0 || library_options[i] >= CU_LIBRARY_NUM_OPTIONS) return CUDA_ERROR_INVALID_VALUE;
        /* The table of universal functions is of pointers into this process. */
        if (library_options[i] != CU_LIBRARY_BINARY_IS_PRESERVED) continue;
        passed[passed_count][0] = (uint64_t)library_options[i];
        passed[passed_count++][1] = library_values ? (uint64_t)(uintptr_t)library_values[i] : 0;
    }
    CUresult error = vgpu_jit_read(count, options, values, &jit);
    if (error == CUDA_SUCCESS) error = vgpu_image_measure(code, limit, &image);
    if (error != CUDA_SUCCESS) return error;
    uint64_t handle = 0;
    error = vgpu_code_load(RF_LIBRARY_LOAD, &image, &jit, (const uint64_t (*)[2])passed, passed_count, &handle);
    if (error == CUDA_SUCCESS) *library = (CUlibrary)(uintptr_t)handle;
    return error;
}

CUresult vgpu_cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions, void **jitOptionsValues, unsigned int numJitOptions, CUlibraryOption *libraryOptions,
                                void **libraryOptionValues, unsigned int numLibraryOptions)
{
    return load(library, code, UINT64_MAX, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);
}

CUresult vgpu_cuLibraryLoadFromFile(CUlibrary *library, const char *fileName, CUjit_option *jitOptions, void **jitOptionsValues, unsigned int numJitOptions,
                                    CUlibraryOption *libraryOptions, void **libraryOptionValues, unsigned int numLibraryOptions)
{
    void *data;
    size_t bytes;
    if (!library || !fileName) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_file_read(fileName, &data, &bytes);
    if (error != CUDA_SUCCESS) return error;
    error = load(library, data, bytes + 1, jitOptions, jitOptionsValues, numJitOptions, libraryOptions, libraryOptionValues, numLibraryOptions);
    free(data);
    return error;
}

/* A waited message of one handle that answers one. */
static CUresult handle_of(uint16_t message, uint64_t object, uint64_t *answer, int flags)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, message, sizeof object, VGPU_WAITED | flags, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, &object, sizeof object);
    return vgpu_wait(&call, answer, answer ? sizeof *answer : 0);
}

CUresult vgpu_cuLibraryUnload(CUlibrary library)
{
    CUresult error = handle_of(RF_LIBRARY_UNLOAD, VGPU_WIRE(library), NULL, VGPU_ANY_CONTEXT);
    if (error == CUDA_ERROR_INVALID_HANDLE) return error;
    vgpu_functions_forget(VGPU_WIRE(library));
    vgpu_globals_forget(VGPU_WIRE(library));
    return error;
}

CUresult vgpu_cuLibraryGetKernel(CUkernel *pKernel, CUlibrary library, const char *name)
{
    struct vgpu_function_reply reply;
    struct vgpu_function *function;
    if (!pKernel || !name) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_code_named(RF_LIBRARY_KERNEL, VGPU_WIRE(library), 0, name, &reply, sizeof reply, VGPU_ANY_CONTEXT);
    if (error == CUDA_SUCCESS) error = vgpu_function_learn(&reply, VGPU_WIRE(library), &function);
    if (error == CUDA_SUCCESS) *pKernel = (CUkernel)(uintptr_t)function->handle;
    return error;
}

CUresult vgpu_cuLibraryGetKernelCount(unsigned int *count, CUlibrary lib)
{
    return count ? vgpu_code_list(RF_LIBRARY_KERNELS, VGPU_WIRE(lib), count, NULL, 0, VGPU_ANY_CONTEXT) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib)
{
    if (!kernels && numKernels) return CUDA_ERROR_INVALID_VALUE;
    return vgpu_code_list(RF_LIBRARY_KERNELS, VGPU_WIRE(lib), NULL, (void **)kernels, numKernels, VGPU_ANY_CONTEXT);
}

CUresult vgpu_cuLibraryGetModule(CUmodule *pMod, CUlibrary library)
{
    uint64_t module;
    if (!pMod) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = handle_of(RF_LIBRARY_MODULE, VGPU_WIRE(library), &module, 0);
    if (error == CUDA_SUCCESS) *pMod = (CUmodule)(uintptr_t)module;
    return error;
}

static CUresult get_global(CUlibrary library, const char *name, uint32_t managed, CUdeviceptr *address, size_t *bytes, int flags)
{
    struct rf_LIBRARY_GLOBAL_reply reply;
    if (!name) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_code_named(RF_LIBRARY_GLOBAL, VGPU_WIRE(library), managed, name, &reply, sizeof reply, flags);
    if (error != CUDA_SUCCESS) return error;
    if (reply.object) error = vgpu_object_map_at(reply.object, reply.object_base, reply.object_size);
    if (error == CUDA_SUCCESS) error = vgpu_globals_add(reply.address, reply.size, VGPU_WIRE(library));
    if (error != CUDA_SUCCESS) return error;
    if (address) *address = reply.address;
    if (bytes) *bytes = reply.size;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name) { return get_global(library, name, 0, dptr, bytes, 0); }

CUresult vgpu_cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary library, const char *name)
{
    return get_global(library, name, 1, dptr, bytes, VGPU_ANY_CONTEXT);
}

CUresult vgpu_cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
    struct vgpu_call call;
    struct vgpu_function_reply reply;
    struct vgpu_function *function;
    if (!pFunc) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_KERNEL_FUNCTION, sizeof(struct rf_KERNEL_FUNCTION), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_KERNEL_FUNCTION *)call.payload)->kernel = VGPU_WIRE(kernel);
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) error = vgpu_function_learn(&reply, reply.head.owner, &function);
    if (error == CUDA_SUCCESS) *pFunc = (CUfunction)(uintptr_t)function->handle;
    return error;
}

CUresult vgpu_cuKernelGetLibrary(CUlibrary *pLib, CUkernel kernel)
{
    uint64_t library;
    if (!pLib) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = handle_of(RF_KERNEL_LIBRARY, VGPU_WIRE(kernel), &library, VGPU_ANY_CONTEXT);
    if (error == CUDA_SUCCESS) *pLib = (CUlibrary)(uintptr_t)library;
    return error;
}

/* Functions that exist on both sides need a table of this process's code, which no driver in another process can use. */
CUresult vgpu_cuLibraryGetUnifiedFunction(void **fptr, CUlibrary library, const char *symbol)
{
    uint32_t count;
    if (!fptr || !symbol) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_code_list(RF_LIBRARY_KERNELS, VGPU_WIRE(library), &count, NULL, 0, VGPU_ANY_CONTEXT);
    return error != CUDA_SUCCESS ? error : CUDA_ERROR_NOT_FOUND;
}
