/* function.h - functions and kernels as the client knows them: what a launch needs, by handle. */
#ifndef VGPU_FUNCTION_H
#define VGPU_FUNCTION_H

#include <stdatomic.h>
#include <stdint.h>

#include "call.h"
#include "cuda.h"

struct vgpu_param {
    uint16_t offset, size;
};

struct vgpu_function {
    struct vgpu_function *next;      /* of those with the same owner's bucket */
    uint64_t handle;
    uint64_t owner;                  /* the module or library that it ends with */
    uint64_t context;                /* a function's; 0: a kernel, which means another function in each */
    uint32_t param_count;
    uint32_t param_bytes;            /* from the first parameter to behind the last */
    uint32_t max_threads, static_shared;
    _Atomic uint32_t max_dynamic_shared; /* cuFuncSetAttribute changes it */
    _Atomic(char *) name;            /* once somebody asked for it */
    struct vgpu_legacy *legacy;      /* what cuParamSet* and cuFuncSetBlockShape have set (legacy.c); NULL: nothing */
    struct vgpu_param params[];
};

/* How the executor describes one; `params` are as many as fit. */
struct vgpu_function_reply {
    struct rf_MODULE_FUNCTION_reply head;
    struct vgpu_param params[(RF_SLOT_PAYLOAD - sizeof(struct rf_MODULE_FUNCTION_reply)) / sizeof(struct vgpu_param)];
};

/* The function or kernel of a handle, NULL for none that is known. No lock, no message. */
struct vgpu_function *vgpu_function_find(uint64_t handle);

/* As vgpu_function_find, but the executor is asked about a handle that is not known. CUDA_ERROR_INVALID_HANDLE. */
CUresult vgpu_function_get(CUfunction handle, struct vgpu_function **function);

/* Remembers what the executor said about a function that ends with `owner`. */
CUresult vgpu_function_learn(const struct vgpu_function_reply *reply, uint64_t owner, struct vgpu_function **function);

/* Copies the parameters that a launch is given out of the program's memory: `param_bytes` of them. Errors: CUDA_ERROR_INVALID_VALUE
 * (both lists, none where there are parameters, a NULL among them, a buffer that is too small). May fault like any reader of the
 * program's memory: never into a record that is claimed. */
CUresult vgpu_params_pack(const struct vgpu_function *function, void **params, void **extra, uint8_t *bytes);

/* Asks the executor again for what cuFuncSetAttribute and cuKernelSetAttribute may have changed. */
CUresult vgpu_function_refresh(struct vgpu_function *function);

/* Forgets all functions of a module or library that is unloaded. */
void vgpu_functions_forget(uint64_t owner);

/* Its name, owned by the function. */
CUresult vgpu_function_name(struct vgpu_function *function, const char **name);

#endif
