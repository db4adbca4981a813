/* context.c - contexts, primary contexts, and each thread's stack of current ones.
 *
 * Which context is current is this library's business alone; every record carries the handle of the caller's. A context that
 * another thread destroys stays current where it is (as CUDA has it), and calls there answer CUDA_ERROR_CONTEXT_IS_DESTROYED;
 * so an entry lives until no stack holds it.
 *
 * A primary context's handle is known before it is retained and may be made current then: the CUDA runtime does that.
 * Retain and release count here; the executor is told of the first and the last. Reset leaves the count alone, because
 * others may still release what they retained. */
#include "context.h"

#include <pthread.h>
#include <stdlib.h>

#include "call.h"
#include "capture.h"
#include "cudart_tables.h"
#include "device.h"
#include "hand.h"
#include "managed.h"
#include "sure.h"

#define API_VERSION 3020u

struct primary {
    struct vgpu_context *context;
    unsigned retained;
    _Atomic unsigned flags; /* also read without the lock */
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct vgpu_context *contexts;
static struct vgpu_context *spare; /* entries are used again, never freed: a program that destroys a context in one thread and
                                    * asks about it in another gets a wrong answer, not a crash */
static struct primary primaries[RF_DEVICES_MAX]; /* by the program's device number */
static pthread_mutex_t primary_lock = PTHREAD_MUTEX_INITIALIZER; /* held over messages: retain and release do not overtake */

static struct vgpu_context *add(uint64_t handle, CUdevice device, unsigned flags)
{
    static _Atomic uint64_t ids = 1;
    pthread_rwlock_wrlock(&lock);
    struct vgpu_context *context = spare;
    if (context) spare = context->next;
    else context = malloc(sizeof *context);
    if (context) {
        *context = (struct vgpu_context){.next = contexts, .handle = handle, .id = atomic_fetch_add(&ids, 1), .device = device, .flags = flags, .users = 1};
        contexts = context;
    }
    pthread_rwlock_unlock(&lock);
    return context;
}

CUresult vgpu_context_init(void)
{
    for (CUdevice i = 0; i < vgpu_device_count(); i++) {
        struct vgpu_context *context = add(vgpu_device(i)->primary_context, i, 0);
        if (!context) return CUDA_ERROR_OUT_OF_MEMORY;
        context->primary = context->inactive = 1;
        primaries[i].context = context;
    }
    return CUDA_SUCCESS;
}

/* Both under the lock. */
static struct vgpu_context *find(uint64_t handle)
{
    for (struct vgpu_context *c = contexts; c; c = c->next)
        if (c->handle == handle && !atomic_load_explicit(&c->destroyed, memory_order_relaxed)) return c;
    return NULL;
}

static void forget_if_unused(struct vgpu_context *context)
{
    if (context->references || !atomic_load_explicit(&context->destroyed, memory_order_relaxed)) return;
    struct vgpu_context **at = &contexts;
    while (*at != context) at = &(*at)->next;
    *at = context->next;
    context->next = spare;
    spare = context;
}

struct vgpu_context *vgpu_context_find(CUcontext handle)
{
    struct vgpu_context *top = vgpu_thread.top;
    if (!handle || (top && top->handle == VGPU_WIRE(handle)))
        return top && !atomic_load_explicit(&top->destroyed, memory_order_relaxed) ? top : NULL;
    pthread_rwlock_rdlock(&lock);
    struct vgpu_context *context = find(VGPU_WIRE(handle));
    pthread_rwlock_unlock(&lock);
    return context;
}

static CUcontext handle_of(const struct vgpu_context *context) { return context ? (CUcontext)(uintptr_t)context->handle : NULL; }

/* What the CUDA runtime keeps by a context that ends: taken under the caller's locks, dropped without. */
static struct rf_cudart_kept *take_kept(const struct vgpu_context *context) { return rf_cudart_take ? rf_cudart_take(handle_of(context)) : NULL; }

static void drop_kept(struct rf_cudart_kept *kept)
{
    if (kept) rf_cudart_drop(kept);
}

/* ---- the stack ---- */

/* Takes a reference on a live context, by handle: looking up and counting must not be apart. */
static struct vgpu_context *reference(uint64_t handle)
{
    pthread_rwlock_wrlock(&lock);
    struct vgpu_context *context = find(handle);
    if (context) context->references++;
    pthread_rwlock_unlock(&lock);
    return context;
}

static void dereference(struct vgpu_context *context)
{
    pthread_rwlock_wrlock(&lock);
    context->references--;
    forget_if_unused(context);
    pthread_rwlock_unlock(&lock);
}

static int reserve(struct vgpu_thread *thread)
{
    if (thread->depth < thread->room) return 1;
    uint32_t room = thread->room ? 2 * thread->room : 8;
    struct vgpu_context **stack = realloc(thread->stack, room * sizeof *stack);
    if (!stack) return 0;
    thread->stack = stack;
    thread->room = room;
    return 1;
}

static CUresult push(uint64_t handle)
{
    struct vgpu_thread *thread = &vgpu_thread;
    if (thread->index == 0) vgpu_thread_enter(); /* so that the stack is freed when the thread ends */
    if (!reserve(thread)) return CUDA_ERROR_OUT_OF_MEMORY;
    struct vgpu_context *context = reference(handle);
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    thread->stack[thread->depth++] = context;
    thread->top = context;
    return CUDA_SUCCESS;
}

static void pop(void)
{
    struct vgpu_thread *thread = &vgpu_thread;
    struct vgpu_context *context = thread->stack[--thread->depth];
    thread->top = thread->depth ? thread->stack[thread->depth - 1] : NULL;
    dereference(context);
}

void vgpu_context_thread_gone(struct vgpu_thread *thread)
{
    while (thread->depth) dereference(thread->stack[--thread->depth]);
    free(thread->stack);
    thread->stack = NULL;
    thread->room = 0;
    thread->top = NULL;
}

_Atomic int vgpu_context_failed;

/* Makes the context of a stream or event current; what is then to be answered, as that context's fault or the object is none. */
static CUresult enter_object(uint64_t object)
{
    struct vgpu_thread *thread = &vgpu_thread;
    const uint64_t handle = vgpu_sure_context(object);
    if (handle && thread->top && thread->top->handle == handle) return (CUresult)atomic_load_explicit(&thread->top->fault, memory_order_relaxed);
    struct vgpu_context *context = handle ? reference(handle) : NULL;
    if (!context) return thread->top ? vgpu_context_working(NULL) : CUDA_ERROR_INVALID_HANDLE; /* CUDA_SUCCESS: the executor says that it is none */
    thread->top = context;
    if (atomic_load_explicit(&vgpu_context_failed, memory_order_relaxed)) vgpu_learn_fault();
    return (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
}

/* A context that had failed is no more. */
static void failure_gone(void)
{
    int failed = 0;
    pthread_rwlock_rdlock(&lock);
    for (const struct vgpu_context *c = contexts; c; c = c->next)
        failed |= !atomic_load_explicit(&c->destroyed, memory_order_relaxed) && atomic_load_explicit(&c->fault, memory_order_relaxed);
    atomic_store_explicit(&vgpu_context_failed, failed, memory_order_relaxed);
    pthread_rwlock_unlock(&lock);
}

CUresult vgpu_context_borrow(uint64_t object, uint64_t other)
{
    struct vgpu_context *const before = vgpu_thread.top;
    if (vgpu_thread.in_callback) return CUDA_SUCCESS; /* the call says what it makes of that */
    if (other > 2) {
        const CUresult error = enter_object(other);
        vgpu_context_give_back(before);
        if (error != CUDA_SUCCESS) return error;
    }
    return object > 2 ? enter_object(object) : CUDA_SUCCESS;
}

void vgpu_context_give_back(struct vgpu_context *before)
{
    struct vgpu_context *borrowed = vgpu_thread.top;
    if (borrowed == before) return;
    vgpu_thread.top = before;
    dereference(borrowed);
}

CUresult vgpu_cuCtxPushCurrent_v2(CUcontext ctx)
{
    return ctx ? push(VGPU_WIRE(ctx)) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult vgpu_cuCtxPopCurrent_v2(CUcontext *pctx)
{
    if (!vgpu_thread.top) return CUDA_ERROR_INVALID_CONTEXT;
    if (pctx) *pctx = handle_of(vgpu_thread.top);
    pop();
    return CUDA_SUCCESS;
}

CUresult vgpu_cuCtxSetCurrent(CUcontext ctx)
{
    struct vgpu_thread *thread = &vgpu_thread;
    if (!ctx) {
        if (thread->top) pop();
        return CUDA_SUCCESS;
    }
    if (thread->top && thread->top->handle == VGPU_WIRE(ctx) && !atomic_load_explicit(&thread->top->destroyed, memory_order_relaxed))
        return CUDA_SUCCESS;
    if (!thread->top) return push(VGPU_WIRE(ctx));
    struct vgpu_context *context = reference(VGPU_WIRE(ctx));
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    struct vgpu_context *before = thread->top;
    thread->stack[thread->depth - 1] = thread->top = context;
    dereference(before);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuCtxGetCurrent(CUcontext *pctx)
{
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    *pctx = handle_of(vgpu_thread.top);
    return CUDA_SUCCESS;
}

/* ---- create, destroy ---- */

/* One way to wait at most. */
static int flags_known(unsigned flags)
{
    const unsigned wait = flags & CU_CTX_SCHED_MASK;
    return !(flags & ~(unsigned)CU_CTX_FLAGS_MASK) && !(wait & (wait - 1));
}

CUresult vgpu_cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
    if (!pctx || !flags_known(flags)) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_CTX_CREATE, sizeof(struct rf_CTX_CREATE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_CTX_CREATE *request = call.payload;
    request->device = vgpu_device_to_wire(dev);
    request->flags = flags;
    struct rf_CTX_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    error = add(reply.context, dev, flags) ? push(reply.context) : CUDA_ERROR_OUT_OF_MEMORY;
    if (error == CUDA_SUCCESS) *pctx = (CUcontext)(uintptr_t)reply.context;
    return error;
}

CUresult vgpu_cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams, unsigned int flags, CUdevice dev)
{
    if (numParams < 0 || (numParams > 0 && !paramsArray)) return CUDA_ERROR_INVALID_VALUE;
    if (numParams > 0) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY; /* a matter of MPS */
    return vgpu_cuCtxCreate_v2(pctx, flags, dev);
}

CUresult vgpu_cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags, CUdevice dev)
{
    if (ctxCreateParams && ctxCreateParams->cigParams) return vgpu_refuse("cuCtxCreate_v4 with cigParams", CUDA_ERROR_NOT_SUPPORTED);
    return vgpu_cuCtxCreate_v3(pctx, ctxCreateParams ? ctxCreateParams->execAffinityParams : NULL,
                               ctxCreateParams ? ctxCreateParams->numExecAffinityParams : 0, flags, dev);
}

CUresult vgpu_cuCtxDestroy_v2(CUcontext ctx)
{
    if (!ctx) return CUDA_ERROR_INVALID_CONTEXT;
    pthread_rwlock_wrlock(&lock);
    struct vgpu_context *context = find(VGPU_WIRE(ctx));
    int ours = context && !context->primary;
    /* Marked before the message: of two threads that destroy it, one wins and the other's handle is already invalid. */
    if (ours) {
        atomic_store_explicit(&context->destroyed, 1, memory_order_relaxed);
        context->references++;
    }
    pthread_rwlock_unlock(&lock);
    if (!ours) return CUDA_ERROR_INVALID_CONTEXT;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_CTX_DESTROY, sizeof(struct rf_CTX_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error == CUDA_SUCCESS) {
        ((struct rf_CTX_DESTROY *)call.payload)->target = context->handle;
        error = vgpu_wait(&call, NULL, 0);
    }
    if (atomic_load_explicit(&context->fault, memory_order_relaxed)) failure_gone();
    struct rf_cudart_kept *kept = take_kept(context);
    vgpu_managed_context_gone((CUcontext)(uintptr_t)context->handle);
    vgpu_sure_context_gone(context->handle);
    graph_context_gone(context->id);
    if (vgpu_thread.top == context) pop(); /* once, as documented: further down it stays, and says that it is destroyed */
    dereference(context);
    drop_kept(kept);
    return error;
}

CUresult vgpu_cuCtxAttach(CUcontext *pctx, unsigned int flags)
{
    if (!pctx || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *context = vgpu_context_find(NULL);
    if (!context) return CUDA_ERROR_INVALID_CONTEXT;
    pthread_rwlock_wrlock(&lock);
    context->users++;
    pthread_rwlock_unlock(&lock);
    *pctx = handle_of(context);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuCtxDetach(CUcontext ctx)
{
    struct vgpu_context *context = vgpu_thread.top;
    if (!ctx || !context || context->handle != VGPU_WIRE(ctx)) return CUDA_ERROR_INVALID_CONTEXT; /* only the current one, as documented */
    pthread_rwlock_wrlock(&lock);
    unsigned left = --context->users;
    pthread_rwlock_unlock(&lock);
    return left ? CUDA_SUCCESS : vgpu_cuCtxDestroy_v2(ctx);
}

/* ---- questions ---- */

static CUresult known(CUcontext ctx, struct vgpu_context **context)
{
    *context = vgpu_context_find(ctx);
    if (*context) return CUDA_SUCCESS;
    const struct vgpu_context *top = vgpu_thread.top;
    if (top && (!ctx || top->handle == VGPU_WIRE(ctx))) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return CUDA_ERROR_INVALID_CONTEXT;
}

CUresult vgpu_context_working(struct vgpu_context **out)
{
    struct vgpu_context *context = vgpu_thread.top;
    if (vgpu_thread.in_callback || !context) return vgpu_no_context();
    if (vgpu_context_gone(context)) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (out) *out = context;
    return (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
}

CUresult vgpu_context_or(CUresult error)
{
    const CUresult wrong = vgpu_thread.top ? vgpu_context_working(NULL) : CUDA_SUCCESS;
    return wrong ? wrong : error;
}

CUresult vgpu_cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx)
{
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *context;
    CUresult error = known(ctx, &context);
    /* A primary context is its device's for ever: asked while it is inactive (reset, and still current) it says so. Programs that
     * reset the device and then look which one they were on (numba) rely on that. */
    if (error == CUDA_ERROR_CONTEXT_IS_DESTROYED && vgpu_thread.top->primary) {
        context = vgpu_thread.top;
        error = CUDA_SUCCESS;
    }
    if (error == CUDA_SUCCESS) *device = context->device;
    return error;
}

CUresult vgpu_cuCtxGetDevice(CUdevice *device) { return vgpu_cuCtxGetDevice_v2(device, NULL); }

CUresult vgpu_cuCtxGetFlags(unsigned int *flags)
{
    if (!flags) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *context;
    CUresult error = vgpu_context_working(&context);
    if (error == CUDA_SUCCESS) *flags = context->primary ? primaries[context->device].flags : context->flags;
    return error;
}

CUresult vgpu_cuCtxSetFlags(unsigned int flags)
{
    struct vgpu_context *context;
    CUresult error = vgpu_context_working(&context);
    if (error != CUDA_SUCCESS) return error;
    if (!flags_known(flags)) return CUDA_ERROR_INVALID_VALUE;
    if (context->primary) primaries[context->device].flags = flags;
    else context->flags = flags;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuCtxGetId(CUcontext ctx, unsigned long long *ctxId)
{
    if (!ctxId) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *context;
    CUresult error = ctx ? known(ctx, &context) : vgpu_context_working(&context);
    if (error == CUDA_SUCCESS) *ctxId = context->id;
    return error;
}

CUresult vgpu_cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *context;
    CUresult error = known(ctx, &context);
    if (error == CUDA_SUCCESS) *version = API_VERSION;
    return error;
}

CUresult vgpu_cuCtxGetExecAffinity(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type)
{
    if (!pExecAffinity || (int)type < 0 || (int)type >= CU_EXEC_AFFINITY_TYPE_MAX) return CUDA_ERROR_INVALID_VALUE;
    return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

CUresult vgpu_cuCtxSynchronize_v2(CUcontext ctx)
{
    struct vgpu_context *context;
    CUresult error = known(ctx, &context);
    if (vgpu_thread.in_callback) return CUDA_ERROR_NOT_PERMITTED;
    if (error != CUDA_SUCCESS) return error;
    const CUresult fault = (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
    if (fault != CUDA_SUCCESS) return fault;
    if (graph_capturing() && graph_capture_context(context->id, &error)) return error;
    struct vgpu_call call;
    error = vgpu_begin(&call, RF_GPU_SYNC, sizeof(struct rf_GPU_SYNC), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_SYNC *request = call.payload;
    request->scope = RF_SYNC_CONTEXT;
    request->target = context->handle;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuCtxSynchronize(void) { return vgpu_cuCtxSynchronize_v2(NULL); }

/* ---- peers: a zone's devices do not see each other's memory ---- */

CUresult vgpu_cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags)
{
    if (Flags != 0) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_context *current;
    const CUresult error = vgpu_context_working(&current);
    if (error != CUDA_SUCCESS) return error;
    const struct vgpu_context *peer = peerContext ? vgpu_context_find(peerContext) : NULL;
    return !peer || peer == current ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
}

CUresult vgpu_cuCtxDisablePeerAccess(CUcontext peerContext)
{
    struct vgpu_context *current;
    const CUresult error = vgpu_context_working(&current);
    if (error != CUDA_SUCCESS) return error;
    const struct vgpu_context *peer = peerContext ? vgpu_context_find(peerContext) : NULL;
    return !peer || peer == current ? CUDA_ERROR_INVALID_CONTEXT : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

/* ---- primary contexts ---- */

static CUresult reset(CUdevice dev)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_CTX_PRIMARY_RESET, sizeof(struct rf_CTX_PRIMARY_RESET), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_CTX_PRIMARY_RESET *)call.payload)->device = vgpu_device_to_wire(dev);
    error = vgpu_wait(&call, NULL, 0);
    if (atomic_exchange_explicit(&primaries[dev].context->fault, CUDA_SUCCESS, memory_order_relaxed) != CUDA_SUCCESS) failure_gone();
    if (error == CUDA_SUCCESS) {
        vgpu_managed_context_gone((CUcontext)(uintptr_t)vgpu_device(dev)->primary_context);
        vgpu_sure_context_gone(primaries[dev].context->handle);
        graph_context_gone(primaries[dev].context->id);
    }
    return error;
}

CUresult vgpu_cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct primary *primary = &primaries[dev];
    CUresult error = CUDA_SUCCESS;
    pthread_mutex_lock(&primary_lock);
    if (primary->context->inactive) {
        struct vgpu_call call;
        struct rf_CTX_PRIMARY_RETAIN_reply reply;
        error = vgpu_begin(&call, RF_CTX_PRIMARY_RETAIN, sizeof(struct rf_CTX_PRIMARY_RETAIN), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
        if (error == CUDA_SUCCESS) {
            struct rf_CTX_PRIMARY_RETAIN *request = call.payload;
            request->device = vgpu_device_to_wire(dev);
            request->flags = primary->flags;
            error = vgpu_wait(&call, &reply, sizeof reply);
        }
        primary->context->inactive = error != CUDA_SUCCESS;
    }
    if (error == CUDA_SUCCESS) {
        primary->retained++;
        *pctx = handle_of(primary->context);
    }
    pthread_mutex_unlock(&primary_lock);
    return error;
}

CUresult vgpu_cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct primary *primary = &primaries[dev];
    struct rf_cudart_kept *kept = NULL;
    CUresult error = CUDA_SUCCESS;
    pthread_mutex_lock(&primary_lock);
    if (primary->retained == 0) {
        error = CUDA_ERROR_INVALID_CONTEXT;
    } else if (--primary->retained == 0 && !primary->context->inactive) {
        primary->context->inactive = 1;
        kept = take_kept(primary->context);
        error = reset(dev);
    }
    pthread_mutex_unlock(&primary_lock);
    drop_kept(kept);
    return error;
}

CUresult vgpu_cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    struct rf_cudart_kept *kept = NULL;
    CUresult error = CUDA_SUCCESS;
    pthread_mutex_lock(&primary_lock);
    if (!primaries[dev].context->inactive) {
        primaries[dev].context->inactive = 1;
        kept = take_kept(primaries[dev].context);
        error = reset(dev);
    }
    pthread_mutex_unlock(&primary_lock);
    drop_kept(kept);
    return error;
}

CUresult vgpu_cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    if (!flags_known(flags)) return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&primary_lock);
    primaries[dev].flags = flags;
    pthread_mutex_unlock(&primary_lock);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
    if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    pthread_mutex_lock(&primary_lock);
    *flags = primaries[dev].flags;
    *active = !primaries[dev].context->inactive;
    pthread_mutex_unlock(&primary_lock);
    return CUDA_SUCCESS;
}
