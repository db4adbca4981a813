/* module.c - modules: code in the current context. */
#include "module.h"

#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "function.h"
#include "globals.h"
#include "hand.h"
#include "objects.h"
#include "thread.h"

/* ---- loading ---- */

static CUresult load_once(uint16_t message, uint64_t number, const struct vgpu_jit *jit, const uint64_t (*library)[2], uint32_t library_count, uint64_t *handle)
{
    struct vgpu_call call;
    /* Both messages are laid out alike: image, options, library options. */
    _Static_assert(sizeof(struct rf_MODULE_LOAD) == sizeof(struct rf_LIBRARY_LOAD), "one request for both");
    uint32_t bytes = (uint32_t)sizeof(struct rf_LIBRARY_LOAD) + (jit->count + library_count) * 16;
    CUresult error = vgpu_begin(&call, message, bytes, message == RF_MODULE_LOAD ? VGPU_WAITED : VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_LIBRARY_LOAD *request = call.payload;
    request->image = number;
    request->options = jit->count;
    request->library_options = library_count;
    memcpy(request + 1, jit->wire, jit->count * 16);
    if (library_count) memcpy((uint8_t *)(request + 1) + jit->count * 16, library, library_count * 16);
    struct rf_LIBRARY_LOAD_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *handle = reply.library;
    return error;
}

/* The reason for a refusal, which the driver gives in its log alone. */
static void explain(uint64_t number, CUresult error)
{
    char text[2048] = "";
    void *size = (void *)(uintptr_t)sizeof text;
    struct vgpu_jit jit = {.error = text, .error_bytes = sizeof text, .error_filled = &size};
    if (error == CUDA_ERROR_DEVICE_UNAVAILABLE || error == CUDA_ERROR_INVALID_CONTEXT) return;
    vgpu_jit_report(&jit, number);
    if (text[0]) vgpu_log(VGPU_ERROR, "code is refused: %s", text);
}

CUresult vgpu_code_load(uint16_t message, struct vgpu_image *image, const struct vgpu_jit *jit, const uint64_t (*library)[2], uint32_t library_count, uint64_t *handle)
{
    uint64_t number = 0;
    CUresult error = CUDA_ERROR_NOT_FOUND;
    /* NOT_FOUND: the executor has given the image up since it was sent. Another thread's loads may push it out once more. */
    for (int attempt = 0; attempt < 4 && error == CUDA_ERROR_NOT_FOUND; attempt++) {
        error = vgpu_image_send(image, attempt != 0, &number);
        if (error == CUDA_SUCCESS) error = load_once(message, number, jit, library, library_count, handle);
    }
    vgpu_image_free(image);
    if (number && jit) vgpu_jit_report(jit, number);
    if (number && error != CUDA_SUCCESS) explain(number, error);
    return error;
}

static CUresult load(CUmodule *module, const void *data, uint64_t limit, unsigned count, const CUjit_option *options, void **values)
{
    struct vgpu_image image;
    struct vgpu_jit jit;
    if (!vgpu_thread.top) return vgpu_no_context();
    if (!module || !data) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_jit_read(count, options, values, &jit);
    if (error == CUDA_SUCCESS) error = vgpu_image_measure(data, limit, &image);
    if (error != CUDA_SUCCESS) return error;
    uint64_t handle = 0;
    error = vgpu_code_load(RF_MODULE_LOAD, &image, &jit, NULL, 0, &handle);
    if (error == CUDA_SUCCESS) *module = (CUmodule)(uintptr_t)handle;
    return error;
}

CUresult vgpu_cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions, CUjit_option *options, void **optionValues)
{
    return load(module, image, UINT64_MAX, numOptions, options, optionValues);
}

CUresult vgpu_cuModuleLoadData(CUmodule *module, const void *image) { return load(module, image, UINT64_MAX, 0, NULL, NULL); }

CUresult vgpu_cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin) { return load(module, fatCubin, UINT64_MAX, 0, NULL, NULL); }

CUresult vgpu_cuModuleLoad(CUmodule *module, const char *fname)
{
    void *data;
    size_t bytes;
    if (!vgpu_thread.top) return vgpu_no_context();
    if (!module || !fname || !*fname) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_file_read(fname, &data, &bytes);
    if (error != CUDA_SUCCESS) return error;
    error = load(module, data, bytes + 1, 0, NULL, NULL); /* the NUL behind a file's end is a text's */
    free(data);
    return error;
}

CUresult vgpu_cuModuleUnload(CUmodule hmod)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MODULE_UNLOAD, sizeof(struct rf_MODULE_UNLOAD), VGPU_WAITED | VGPU_ANY_CONTEXT, 0); /* the module names its context */
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_MODULE_UNLOAD *)call.payload)->module = VGPU_WIRE(hmod);
    error = vgpu_wait(&call, NULL, 0);
    if (error == CUDA_ERROR_INVALID_HANDLE || error == CUDA_ERROR_NOT_PERMITTED || error == CUDA_ERROR_INVALID_CONTEXT) return error;
    /* Any other error is of work before it: the module is gone. */
    vgpu_functions_forget(VGPU_WIRE(hmod));
    vgpu_globals_forget(VGPU_WIRE(hmod));
    return error;
}

/* ---- asking ---- */

CUresult vgpu_code_named(uint16_t message, uint64_t object, uint64_t more, const char *name, void *reply, uint32_t reply_bytes, int flags)
{
    struct vgpu_call call;
    size_t length = strlen(name) + 1;
    uint32_t head = message == RF_LIBRARY_GLOBAL ? sizeof(struct rf_LIBRARY_GLOBAL) : sizeof(uint64_t);
    if (length > RF_RECORD_MAX - RF_RECORD_HEADER - head) return CUDA_ERROR_NOT_FOUND; /* no symbol is that long */
    CUresult error = vgpu_begin(&call, message, head + (((uint32_t)length + 7u) & ~7u), VGPU_WAITED | flags, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, &object, sizeof object);
    if (head > sizeof object) memcpy((uint8_t *)call.payload + sizeof object, &more, sizeof more);
    memcpy((uint8_t *)call.payload + head, name, length);
    return vgpu_wait(&call, reply, reply_bytes);
}

CUresult vgpu_cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
    struct vgpu_function_reply reply;
    struct vgpu_function *function;
    if (!hfunc || !name || !*name) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_code_named(RF_MODULE_FUNCTION, VGPU_WIRE(hmod), 0, name, &reply, sizeof reply, 0);
    if (error == CUDA_SUCCESS) error = vgpu_function_learn(&reply, VGPU_WIRE(hmod), &function);
    if (error == CUDA_SUCCESS) *hfunc = (CUfunction)(uintptr_t)function->handle;
    return error;
}

CUresult vgpu_code_list(uint16_t message, uint64_t object, uint32_t *total, void **handles, uint32_t room, int flags)
{
    struct {
        struct rf_MODULE_FUNCTIONS_reply head;
        uint64_t handles[(RF_SLOT_PAYLOAD - sizeof(struct rf_MODULE_FUNCTIONS_reply)) / sizeof(uint64_t)];
    } reply;
    uint32_t got = 0;
    do {
        struct vgpu_call call;
        CUresult error = vgpu_begin(&call, message, sizeof(struct rf_MODULE_FUNCTIONS), VGPU_WAITED | flags, 0);
        if (error != CUDA_SUCCESS) return error;
        struct rf_MODULE_FUNCTIONS *request = call.payload;
        request->module = object;
        request->first = room ? got : UINT32_MAX; /* none at all */
        error = vgpu_wait(&call, &reply, sizeof reply);
        if (error != CUDA_SUCCESS) return error;
        if (total) *total = reply.head.total;
        if (reply.head.count > sizeof reply.handles / sizeof *reply.handles) return CUDA_ERROR_UNKNOWN;
        for (uint32_t i = 0; i < reply.head.count && got < room; i++) handles[got++] = (void *)(uintptr_t)reply.handles[i];
        if (reply.head.count == 0) break;
    } while (got < room && got < reply.head.total);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuModuleGetFunctionCount(unsigned int *count, CUmodule mod)
{
    return count ? vgpu_code_list(RF_MODULE_FUNCTIONS, VGPU_WIRE(mod), count, NULL, 0, 0) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod)
{
    if (!functions && numFunctions) return CUDA_ERROR_INVALID_VALUE;
    return vgpu_code_list(RF_MODULE_FUNCTIONS, VGPU_WIRE(mod), NULL, (void **)functions, numFunctions, 0);
}

CUresult vgpu_cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
    struct rf_MODULE_GLOBAL_reply reply;
    if (!name || !*name || (!dptr && !bytes)) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_code_named(RF_MODULE_GLOBAL, VGPU_WIRE(hmod), 0, name, &reply, sizeof reply, 0);
    if (error != CUDA_SUCCESS) return error;
    if (reply.object) error = vgpu_object_map_at(reply.object, reply.object_base, reply.object_size);
    if (error == CUDA_SUCCESS) error = vgpu_globals_add(reply.address, reply.size, VGPU_WIRE(hmod));
    if (error != CUDA_SUCCESS) return error;
    if (dptr) *dptr = reply.address;
    if (bytes) *bytes = reply.size;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuFuncGetModule(CUmodule *hmod, CUfunction hfunc)
{
    struct vgpu_call call;
    if (!hmod) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_MODULE, sizeof(struct rf_FUNCTION_MODULE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_FUNCTION_MODULE *)call.payload)->function = VGPU_WIRE(hfunc);
    struct rf_FUNCTION_MODULE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *hmod = (CUmodule)(uintptr_t)reply.module;
    return error;
}
