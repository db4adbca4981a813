/* linker.c - cuLink*: inputs go to the executor like images; what is linked comes back and belongs to the link state here, until that
 * is destroyed. The log buffers are those that cuLinkCreate was given, which the program keeps alive as long as the state. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "hand.h"
#include "image.h"
#include "jit.h"
#include "staging.h"

struct link {
    struct link *next;
    uint64_t state, log;
    struct vgpu_jit jit;
    void *linked;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct link *links;

static struct link *find(CUlinkState state)
{
    pthread_mutex_lock(&lock);
    struct link *link = links;
    while (link && link->state != VGPU_WIRE(state)) link = link->next;
    pthread_mutex_unlock(&lock);
    return link;
}

CUresult vgpu_cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut)
{
    struct vgpu_call call;
    if (!stateOut) return CUDA_ERROR_INVALID_VALUE;
    struct link *link = calloc(1, sizeof *link);
    if (!link) return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult error = vgpu_jit_read(numOptions, options, optionValues, &link->jit);
    if (error == CUDA_SUCCESS) error = vgpu_begin(&call, RF_LINK_CREATE, (uint32_t)sizeof(struct rf_LINK_CREATE) + link->jit.count * 16, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) {
        free(link);
        return error;
    }
    struct rf_LINK_CREATE *request = call.payload;
    request->options = link->jit.count;
    memcpy(request + 1, link->jit.wire, link->jit.count * 16);
    struct rf_LINK_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) {
        free(link);
        return error;
    }
    link->state = reply.state;
    link->log = reply.log;
    pthread_mutex_lock(&lock);
    link->next = links;
    links = link;
    pthread_mutex_unlock(&lock);
    vgpu_jit_report(&link->jit, link->log);
    *stateOut = (CUlinkState)(uintptr_t)link->state;
    return CUDA_SUCCESS;
}

static CUresult add_once(struct link *link, uint64_t number, CUjitInputType type, const char *name, const struct vgpu_jit *jit)
{
    struct vgpu_call call;
    size_t length = strlen(name) + 1;
    uint32_t bytes = (uint32_t)sizeof(struct rf_LINK_ADD) + jit->count * 16;
    if (length > RF_RECORD_MAX / 2) {
        name += length - RF_RECORD_MAX / 2; /* it is for messages only */
        length = RF_RECORD_MAX / 2;
    }
    CUresult error = vgpu_begin(&call, RF_LINK_ADD, bytes + (((uint32_t)length + 7u) & ~7u), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_LINK_ADD *request = call.payload;
    request->state = link->state;
    request->image = number;
    request->type = (uint32_t)type;
    request->options = jit->count;
    memcpy(request + 1, jit->wire, jit->count * 16);
    memcpy((uint8_t *)(request + 1) + jit->count * 16, name, length);
    return vgpu_wait(&call, NULL, 0);
}

static CUresult add(CUlinkState state, CUjitInputType type, const void *data, size_t size, const char *name, unsigned count, const CUjit_option *options, void **values)
{
    struct vgpu_jit jit;
    if (!data || !size || (int)type < 0 || type >= CU_JIT_NUM_INPUT_TYPES) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_jit_read(count, options, values, &jit);
    if (error != CUDA_SUCCESS) return error;
    struct link *link = find(state);
    if (!link) return CUDA_ERROR_INVALID_HANDLE;
    /* The size is the program's word, but a wrapper is made of pointers and its size means nothing. */
    struct vgpu_image image = {.one = {data, size}, .count = 1};
    image.parts = &image.one;
    if (type == CU_JIT_INPUT_FATBINARY) error = vgpu_image_measure(data, size >= 24 && *(const uint32_t *)data == 0x466243b1u ? UINT64_MAX : size, &image);
    if (error != CUDA_SUCCESS) return error;
    uint64_t number = 0;
    error = CUDA_ERROR_NOT_FOUND;
    for (int attempt = 0; attempt < 4 && error == CUDA_ERROR_NOT_FOUND; attempt++) {
        error = vgpu_image_send(&image, attempt != 0, &number);
        if (error == CUDA_SUCCESS) error = add_once(link, number, type, name ? name : "", &jit);
    }
    vgpu_image_free(&image);
    vgpu_jit_report(&link->jit, link->log);
    return error;
}

CUresult vgpu_cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name, unsigned int numOptions, CUjit_option *options, void **optionValues)
{
    return add(state, type, data, size, name, numOptions, options, optionValues);
}

CUresult vgpu_cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions, CUjit_option *options, void **optionValues)
{
    void *data;
    size_t bytes;
    if (!path) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_file_read(path, &data, &bytes);
    if (error != CUDA_SUCCESS) return error;
    error = add(state, type, data, bytes + (type == CU_JIT_INPUT_PTX), path, numOptions, options, optionValues);
    free(data);
    return error;
}

static CUresult read_linked(uint64_t state, uint8_t *to, uint64_t bytes)
{
    uint32_t chunk;
    CUresult error = vgpu_staging_take(1, &chunk);
    if (error != CUDA_SUCCESS) return error;
    for (uint64_t got = 0; error == CUDA_SUCCESS && got < bytes;) {
        struct vgpu_call call;
        error = vgpu_begin(&call, RF_LINK_READ, sizeof(struct rf_LINK_READ), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
        if (error != CUDA_SUCCESS) break;
        struct rf_LINK_READ *request = call.payload;
        request->state = state;
        request->offset = got;
        request->chunk = chunk;
        struct rf_LINK_READ_reply reply;
        error = vgpu_wait(&call, &reply, sizeof reply);
        if (error != CUDA_SUCCESS) break;
        uint64_t part = reply.bytes;
        if (part == 0 || part > vgpu.chunk_bytes || part > bytes - got) error = CUDA_ERROR_UNKNOWN;
        else {
            memcpy(to + got, vgpu_staging_bytes(chunk), part);
            got += part;
        }
    }
    vgpu_staging_free(chunk);
    return error;
}

CUresult vgpu_cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut)
{
    struct vgpu_call call;
    if (!cubinOut) return CUDA_ERROR_INVALID_VALUE;
    struct link *link = find(state);
    if (!link) return CUDA_ERROR_INVALID_HANDLE;
    if (link->linked) return CUDA_ERROR_INVALID_VALUE; /* it is complete */
    CUresult error = vgpu_begin(&call, RF_LINK_COMPLETE, sizeof(struct rf_LINK_COMPLETE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_LINK_COMPLETE *)call.payload)->state = link->state;
    struct rf_LINK_COMPLETE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    vgpu_jit_report(&link->jit, link->log);
    if (error != CUDA_SUCCESS) return error;
    if (reply.bytes > 1ull << 32 || !(link->linked = malloc(reply.bytes ? reply.bytes : 1))) return CUDA_ERROR_OUT_OF_MEMORY;
    error = read_linked(link->state, link->linked, reply.bytes);
    if (error != CUDA_SUCCESS) return error;
    *cubinOut = link->linked;
    if (sizeOut) *sizeOut = reply.bytes;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuLinkDestroy(CUlinkState state)
{
    struct vgpu_call call;
    pthread_mutex_lock(&lock);
    struct link **at = &links;
    while (*at && (*at)->state != VGPU_WIRE(state)) at = &(*at)->next;
    struct link *link = *at;
    if (link) *at = link->next;
    pthread_mutex_unlock(&lock);
    if (!link) return CUDA_ERROR_INVALID_HANDLE;
    CUresult error = vgpu_begin(&call, RF_LINK_DESTROY, sizeof(struct rf_LINK_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error == CUDA_SUCCESS) {
        ((struct rf_LINK_DESTROY *)call.payload)->state = link->state;
        error = vgpu_wait(&call, NULL, 0);
    }
    free(link->linked);
    free(link);
    return error;
}
