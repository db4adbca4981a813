/* function.c - the table of functions and kernels.
 *
 * A handle's low 20 bits are the number of its row in the executor's table, which nobody else has while it lives: the table here
 * is indexed by them, in pages that are made as they are needed, so that a launch finds its function with two loads and no lock.
 * An entry is freed when its module or library is unloaded; a program that launches it in that very moment has lost already. */
#include "function.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "hand.h"

#define PAGE_BITS (VGPU_HANDLE_ROW_BITS / 2)
#define PAGE (1u << PAGE_BITS)
#define BUCKETS 1024u

struct page {
    _Atomic(struct vgpu_function *) entries[PAGE];
};

static _Atomic(struct page *) pages[PAGE];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vgpu_function *buckets[BUCKETS]; /* by owner */

static uint32_t bucket_of(uint64_t owner) { return vgpu_handle_row(owner) & (BUCKETS - 1); }

struct vgpu_function *vgpu_function_find(uint64_t handle)
{
    uint32_t row = vgpu_handle_row(handle);
    struct page *page = atomic_load_explicit(&pages[row >> PAGE_BITS], memory_order_acquire);
    struct vgpu_function *function = page ? atomic_load_explicit(&page->entries[row & (PAGE - 1)], memory_order_acquire) : NULL;
    return function && function->handle == handle ? function : NULL;
}

static void unlink_function(struct vgpu_function *function)
{
    struct vgpu_function **link = &buckets[bucket_of(function->owner)];
    while (*link && *link != function) link = &(*link)->next;
    if (*link) *link = function->next;
}

static void release(struct vgpu_function *function)
{
    free(atomic_load(&function->name));
    free(function->legacy);
    free(function);
}

/* Puts it into the table. Returns the one that is there: another thread may have been faster, with the same handle. */
static struct vgpu_function *publish(struct vgpu_function *function)
{
    uint32_t row = vgpu_handle_row(function->handle);
    struct vgpu_function *stale = NULL;
    pthread_mutex_lock(&lock);
    struct page *page = atomic_load_explicit(&pages[row >> PAGE_BITS], memory_order_relaxed);
    if (!page) {
        page = calloc(1, sizeof *page);
        if (page) atomic_store_explicit(&pages[row >> PAGE_BITS], page, memory_order_release);
    }
    if (!page) {
        release(function);
        function = NULL;
    } else {
        struct vgpu_function *there = atomic_load_explicit(&page->entries[row & (PAGE - 1)], memory_order_relaxed);
        if (there && there->handle == function->handle) {
            release(function);
            function = there;
        } else {
            if (there) { /* of a context that is gone */
                unlink_function(there);
                stale = there;
            }
            function->next = buckets[bucket_of(function->owner)];
            buckets[bucket_of(function->owner)] = function;
            atomic_store_explicit(&page->entries[row & (PAGE - 1)], function, memory_order_release);
        }
    }
    pthread_mutex_unlock(&lock);
    if (stale) release(stale);
    return function;
}

void vgpu_functions_forget(uint64_t owner)
{
    pthread_mutex_lock(&lock);
    for (struct vgpu_function **link = &buckets[bucket_of(owner)]; *link;) {
        struct vgpu_function *function = *link;
        if (function->owner != owner) {
            link = &function->next;
            continue;
        }
        uint32_t row = vgpu_handle_row(function->handle);
        *link = function->next;
        struct page *page = atomic_load_explicit(&pages[row >> PAGE_BITS], memory_order_relaxed);
        if (atomic_load(&page->entries[row & (PAGE - 1)]) == function) atomic_store(&page->entries[row & (PAGE - 1)], NULL);
        release(function);
    }
    pthread_mutex_unlock(&lock);
}

static CUresult more_params(struct vgpu_function *function, uint32_t first)
{
    struct {
        struct rf_FUNCTION_PARAMS_reply head;
        struct vgpu_param params[(RF_SLOT_PAYLOAD - sizeof(struct rf_FUNCTION_PARAMS_reply)) / sizeof(struct vgpu_param)];
    } reply;
    while (first < function->param_count) {
        struct vgpu_call call;
        CUresult error = vgpu_begin(&call, RF_FUNCTION_PARAMS, sizeof(struct rf_FUNCTION_PARAMS), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
        if (error != CUDA_SUCCESS) return error;
        struct rf_FUNCTION_PARAMS *request = call.payload;
        request->function = function->handle;
        request->first = first;
        error = vgpu_wait(&call, &reply, sizeof reply);
        if (error != CUDA_SUCCESS) return error;
        uint32_t count = reply.head.count;
        if (count == 0 || count > sizeof reply.params / sizeof *reply.params || count > function->param_count - first) return CUDA_ERROR_UNKNOWN;
        memcpy(&function->params[first], reply.params, count * sizeof *reply.params);
        first += count;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_function_learn(const struct vgpu_function_reply *reply, uint64_t owner, struct vgpu_function **learnt)
{
    *learnt = vgpu_function_find(reply->head.function);
    if (*learnt) return CUDA_SUCCESS;
    uint32_t count = reply->head.params, here = sizeof reply->params / sizeof *reply->params;
    if (count > 65536) return CUDA_ERROR_UNKNOWN;
    if (here > count) here = count;
    struct vgpu_function *function = calloc(1, sizeof *function + count * sizeof *function->params);
    if (!function) return CUDA_ERROR_OUT_OF_MEMORY;
    function->handle = reply->head.function;
    function->owner = owner;
    function->context = reply->head.context;
    function->param_count = count;
    function->param_bytes = reply->head.param_bytes;
    function->max_threads = reply->head.max_threads;
    function->static_shared = reply->head.static_shared;
    atomic_init(&function->max_dynamic_shared, reply->head.max_dynamic_shared);
    memcpy(function->params, reply->params, here * sizeof *function->params);
    CUresult error = more_params(function, here);
    /* A launch believes these: each parameter lies inside of what is sent. */
    for (uint32_t i = 0; error == CUDA_SUCCESS && i < count; i++)
        if ((uint32_t)function->params[i].offset + function->params[i].size > function->param_bytes || function->param_bytes > 32768) error = CUDA_ERROR_UNKNOWN;
    if (error != CUDA_SUCCESS) {
        free(function);
        return error;
    }
    *learnt = publish(function);
    return *learnt ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult ask(uint64_t handle, struct vgpu_function_reply *reply)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_FUNCTION_INFO, sizeof(struct rf_FUNCTION_INFO), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_FUNCTION_INFO *)call.payload)->function = handle;
    return vgpu_wait(&call, reply, sizeof *reply);
}

CUresult vgpu_function_refresh(struct vgpu_function *function)
{
    struct vgpu_function_reply reply;
    CUresult error = ask(function->handle, &reply);
    if (error == CUDA_SUCCESS) atomic_store_explicit(&function->max_dynamic_shared, reply.head.max_dynamic_shared, memory_order_relaxed);
    return error;
}

CUresult vgpu_function_get(CUfunction handle, struct vgpu_function **function)
{
    *function = vgpu_function_find(VGPU_WIRE(handle));
    if (*function) return CUDA_SUCCESS;
    if (!handle) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_function_reply reply;
    CUresult error = ask(VGPU_WIRE(handle), &reply);
    return error != CUDA_SUCCESS ? error : vgpu_function_learn(&reply, reply.head.owner, function);
}

/* ---- parameters ---- */

/* The buffer that `extra` names: pairs of name and value up to CU_LAUNCH_PARAM_END. */
static const void *buffer_of(void **extra, uint32_t bytes)
{
    const void *buffer = NULL;
    size_t size = 0;
    for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
        if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[i + 1];
        else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[i + 1]) size = *(const size_t *)extra[i + 1];
        else return NULL;
    }
    return size >= bytes ? buffer : NULL;
}

CUresult vgpu_params_pack(const struct vgpu_function *function, void **params, void **extra, uint8_t *bytes)
{
    if (params && extra) return CUDA_ERROR_INVALID_VALUE;
    if (function->param_count == 0) return CUDA_SUCCESS;
    if (params) {
        for (uint32_t i = 0; i < function->param_count; i++) {
            const void *param = params[i];
            if (!param) return CUDA_ERROR_INVALID_VALUE;
            uint32_t size = function->params[i].size;
            if (size == 8) memcpy(bytes + function->params[i].offset, param, 8); /* most are pointers */
            else memcpy(bytes + function->params[i].offset, param, size);
        }
        return CUDA_SUCCESS;
    }
    const void *buffer = extra ? buffer_of(extra, function->param_bytes) : NULL;
    if (!buffer) return CUDA_ERROR_INVALID_VALUE;
    memcpy(bytes, buffer, function->param_bytes);
    return CUDA_SUCCESS;
}

/* ---- names ---- */

CUresult vgpu_function_name(struct vgpu_function *function, const char **name)
{
    struct {
        struct rf_FUNCTION_NAME_reply head;
        char text[RF_SLOT_PAYLOAD - sizeof(struct rf_FUNCTION_NAME_reply)];
    } reply;
    char *known = atomic_load(&function->name);
    char *text = NULL;
    uint32_t total = 1, got = 0;
    while (!known && got < total) {
        struct vgpu_call call;
        CUresult error = vgpu_begin(&call, RF_FUNCTION_NAME, sizeof(struct rf_FUNCTION_NAME), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
        if (error == CUDA_SUCCESS) {
            ((struct rf_FUNCTION_NAME *)call.payload)->function = function->handle;
            ((struct rf_FUNCTION_NAME *)call.payload)->from = got;
            error = vgpu_wait(&call, &reply, sizeof reply);
        }
        if (error == CUDA_SUCCESS && !text) {
            total = reply.head.total;
            text = total > 1u << 20 ? NULL : calloc(1, (size_t)total + 1);
            if (!text) error = CUDA_ERROR_OUT_OF_MEMORY;
        }
        if (error != CUDA_SUCCESS) {
            free(text);
            return error;
        }
        uint32_t part = total - got < sizeof reply.text ? total - got : (uint32_t)sizeof reply.text;
        memcpy(text + got, reply.text, part);
        got += part;
    }
    if (!known) {
        if (atomic_compare_exchange_strong(&function->name, &known, text)) known = text;
        else free(text);
    }
    *name = known;
    return CUDA_SUCCESS;
}

static CUresult name_of(uint64_t handle, const char **name)
{
    struct vgpu_function *function;
    if (!name) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_function_get((CUfunction)(uintptr_t)handle, &function);
    return error != CUDA_SUCCESS ? error : vgpu_function_name(function, name);
}

/* A handle that is NULL is documented as a wrong value here. */
CUresult vgpu_cuFuncGetName(const char **name, CUfunction hfunc) { return hfunc ? name_of(VGPU_WIRE(hfunc), name) : CUDA_ERROR_INVALID_VALUE; }
CUresult vgpu_cuKernelGetName(const char **name, CUkernel hfunc) { return hfunc ? name_of(VGPU_WIRE(hfunc), name) : CUDA_ERROR_INVALID_VALUE; }

static CUresult param_info(uint64_t handle, size_t index, size_t *offset, size_t *size)
{
    struct vgpu_function *function;
    if (!offset) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_function_get((CUfunction)(uintptr_t)handle, &function);
    if (error != CUDA_SUCCESS) return error;
    if (index >= function->param_count) return CUDA_ERROR_INVALID_VALUE;
    *offset = function->params[index].offset;
    if (size) *size = function->params[index].size;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
    return param_info(VGPU_WIRE(func), paramIndex, paramOffset, paramSize);
}

CUresult vgpu_cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset, size_t *paramSize)
{
    return param_info(VGPU_WIRE(kernel), paramIndex, paramOffset, paramSize);
}
