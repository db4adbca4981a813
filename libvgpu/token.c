/* token.c - see token.h. A descriptor is a sealed memfd of 64 bytes: what it is, and the executor's random number, which means something
 * to the zone's own executor alone. Programs pass it on as they pass a driver's (SCM_RIGHTS, inheritance). */
#include "token.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"

static const struct kind {
    char mark[32];
    uint16_t export, import; /* messages: a handle for a token, a token for a handle */
} kinds[] = {
    [VGPU_TOKEN_MEMORY] = {"Ringfence memory of one zone", RF_MEM_EXPORT, RF_MEM_IMPORT},
    [VGPU_TOKEN_POOL] = {"Ringfence pool of one zone", RF_POOL_EXPORT, RF_POOL_IMPORT},
};

#define SAME_SHAPE(name)                                                                                                     \
    _Static_assert(sizeof(struct rf_##name##_EXPORT) == sizeof(uint64_t) && sizeof(struct rf_##name##_EXPORT_reply) == sizeof(struct vgpu_token) \
                   && sizeof(struct rf_##name##_IMPORT) == sizeof(struct vgpu_token) && sizeof(struct rf_##name##_IMPORT_reply) == sizeof(uint64_t), #name)
SAME_SHAPE(MEM);
SAME_SHAPE(POOL);

struct content {
    char mark[32];
    struct vgpu_token token;
};

/* A descriptor that says it. */
static CUresult describe(const struct kind *kind, const struct vgpu_token *token, int *fd)
{
    struct content content = {.token = *token};
    memcpy(content.mark, kind->mark, sizeof content.mark);
    int made = memfd_create("ringfence-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) return CUDA_ERROR_OPERATING_SYSTEM;
    if (write(made, &content, sizeof content) != (ssize_t)sizeof content || fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        close(made);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    *fd = made;
    return CUDA_SUCCESS;
}

/* What a descriptor says. */
static CUresult understand(const struct kind *kind, int fd, struct vgpu_token *token)
{
    struct content content;
    /* Only a memfd has seals: nothing else is read, which might wait (a pipe) or be changed by reading. */
    if (fcntl(fd, F_GET_SEALS) < 0 || pread(fd, &content, sizeof content, 0) != (ssize_t)sizeof content) return CUDA_ERROR_INVALID_VALUE;
    if (memcmp(content.mark, kind->mark, sizeof content.mark) != 0) return CUDA_ERROR_INVALID_VALUE;
    *token = content.token;
    return CUDA_SUCCESS;
}

CUresult vgpu_token_export(enum vgpu_token_kind kind, uint64_t object, int *fd)
{
    struct vgpu_call call;
    struct vgpu_token token;
    CUresult error = vgpu_begin(&call, kinds[kind].export, sizeof object, VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, &object, sizeof object);
    error = vgpu_wait(&call, &token, sizeof token);
    return error == CUDA_SUCCESS ? describe(&kinds[kind], &token, fd) : error;
}

CUresult vgpu_token_import(enum vgpu_token_kind kind, int fd, uint64_t *object)
{
    struct vgpu_call call;
    struct vgpu_token token;
    uint64_t made;
    CUresult error = understand(&kinds[kind], fd, &token);
    if (error != CUDA_SUCCESS) return error;
    error = vgpu_begin(&call, kinds[kind].import, sizeof token, VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, &token, sizeof token);
    error = vgpu_wait(&call, &made, sizeof made);
    if (error == CUDA_SUCCESS) *object = made;
    return error;
}
