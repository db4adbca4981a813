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
    _Atomic int inactive;     /* a primary one that is not retained, or was reset: there, and of no use */
    _Atomic int fault;        /* CUresult: a kernel ruined it; what every call in it answers until it ends or is reset (call.c) */
};

/* Makes the primary contexts known, whose handles are valid before they are retained. Once, after the connection stands. */
CUresult vgpu_context_init(void);

/* The context of a handle, NULL for none that is alive; NULL as handle: the calling thread's current one. */
struct vgpu_context *vgpu_context_find(CUcontext handle);

/* The calling thread's current context, if calls can be made in it; else what a call answers that needs one: none is current, it is
 * destroyed (or a primary one that is not active), or its fault. For calls that send no message. */
CUresult vgpu_context_working(struct vgpu_context **context);

/* No call can be made in it: it is destroyed, or a primary one that is not active. */
static inline int vgpu_context_gone(const struct vgpu_context *context)
{
    return atomic_load_explicit(&context->destroyed, memory_order_relaxed) | atomic_load_explicit(&context->inactive, memory_order_relaxed);
}

/* Some context of the process has failed, and has not been seen to end. */
extern _Atomic int vgpu_context_failed;

/* Whether a call on a stream or event can be made in what is current here, whatever context the object is of. */
static inline int vgpu_context_stands(void)
{
    const struct vgpu_context *top = vgpu_thread.top;
    return __builtin_expect(top && !(vgpu_context_gone(top) | atomic_load_explicit(&vgpu_context_failed, memory_order_relaxed)), 1);
}

/* A stream or event carries its context: a call on one is made there, also where none is current or the current one is of no use, and
 * answers what that context does if it has failed. vgpu_context_borrow makes the context of `object` current until
 * vgpu_context_give_back(what was current), if that of `other` (0: none is named) has not failed; the default streams, which are the current context's,
 * and NULL change nothing. Errors, of what is no stream or event: the current context's, CUDA_ERROR_INVALID_HANDLE without one. */
CUresult vgpu_context_borrow(uint64_t object, uint64_t other);
void vgpu_context_give_back(struct vgpu_context *before);

/* Of a call that named no stream or event: what is wrong with the current context, as every call in it answers; else `error`. */
CUresult vgpu_context_or(CUresult error);

#define VGPU_IN_CONTEXT_OF(object, other, call)                                     \
    do {                                                                            \
        if (vgpu_context_stands()) return (call);                                   \
        struct vgpu_context *const before = vgpu_thread.top;                        \
        CUresult made = vgpu_context_borrow((uint64_t)(uintptr_t)(object), (uint64_t)(uintptr_t)(other)); \
        if (made == CUDA_SUCCESS) made = (call);                                    \
        vgpu_context_give_back(before);                                             \
        return made;                                                                \
    } while (0)

/* Drops the references of a thread that ends. */
void vgpu_context_thread_gone(struct vgpu_thread *thread);

#endif
