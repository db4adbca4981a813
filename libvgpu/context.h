/* context.h - contexts as the client knows them: which thread has which current, which device they are of. */
#ifndef VGPU_CONTEXT_H
#define VGPU_CONTEXT_H

#include <stdatomic.h>
#include <stdint.h>

#include "cuda.h"
#include "thread.h"

struct vgpu_context {
    struct vgpu_context *next;
    uint64_t handle;          /* the executor's; what the program sees as CUcontext */
    uint64_t id;              /* cuCtxGetId: unique in the process's life */
    CUdevice device;
    _Atomic unsigned flags;
    unsigned references;      /* entries in threads' stacks; guarded by the table's lock */
    unsigned users;           /* cuCtxAttach; guarded */
    int primary;
    _Atomic int destroyed;
    _Atomic int fault;        /* CUresult: a kernel ruined it; what every call in it answers until it ends or is reset (call.c) */
};

/* Makes the primary contexts known, whose handles are valid before they are retained. Once, after the connection stands. */
CUresult vgpu_context_init(void);

/* The context of a handle, NULL for none that is alive; NULL as handle: the calling thread's current one. */
struct vgpu_context *vgpu_context_find(CUcontext handle);

/* The calling thread's current context, if calls can be made in it; else what a call answers that needs one: none is current, it is
 * destroyed (or a primary one that is not active), or its fault. For calls that send no message. */
CUresult vgpu_context_working(struct vgpu_context **context);

/* Drops the references of a thread that ends. */
void vgpu_context_thread_gone(struct vgpu_thread *thread);

#endif
