/* token.c - see token.h. A descriptor is a sealed memfd of 64 bytes: what it is, and the executor's random number, which means something
 * to the zone's own executor alone. Programs pass it on as they pass a driver's (SCM_RIGHTS, inheritance). */
#include "token.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char marks[2][32] = {"Ringfence memory of one zone", "Ringfence pool of one zone"};

struct content {
    char mark[32];
    struct vgpu_token token;
};

CUresult vgpu_token_write(enum vgpu_token_kind kind, const struct vgpu_token *token, int *fd)
{
    struct content content = {.token = *token};
    memcpy(content.mark, marks[kind], sizeof content.mark);
    int made = memfd_create("ringfence-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (made < 0) return CUDA_ERROR_OPERATING_SYSTEM;
    if (write(made, &content, sizeof content) != (ssize_t)sizeof content || fcntl(made, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
        close(made);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    *fd = made;
    return CUDA_SUCCESS;
}

CUresult vgpu_token_read(enum vgpu_token_kind kind, int fd, struct vgpu_token *token)
{
    struct content content;
    /* Only a memfd has seals: nothing else is read, which might wait (a pipe) or be changed by reading. */
    if (fcntl(fd, F_GET_SEALS) < 0 || pread(fd, &content, sizeof content, 0) != (ssize_t)sizeof content) return CUDA_ERROR_INVALID_VALUE;
    if (memcmp(content.mark, marks[kind], sizeof content.mark) != 0) return CUDA_ERROR_INVALID_VALUE;
    *token = content.token;
    return CUDA_SUCCESS;
}
