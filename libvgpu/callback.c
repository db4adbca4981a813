/* callback.c - host functions.
 *
 * The pointers stay here; the executor gets a cookie and a hold (region.h), has the stream stand there when it comes to it, and sends the
 * cookie back over the socket. The listener queues it for one worker thread, which runs the program's function, lets the stream go on, and
 * then posts HOST_DONE. One worker: functions run one at a time in the order in which their streams came to them. Neither the listener (which
 * must notice the broker's death meanwhile) nor a thread of the program ever runs one.
 *
 * A driver may have the executor wait until a context is idle, and a stream that stands here is not. So while functions are under way and no
 * notice comes, the worker looks at their holds by itself, where the GPU says which are due.
 *
 * A cookie is good once: it is looked up and removed in one step, so an executor that repeats one runs nothing. */
#include "callback.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "call.h"
#include "capture.h"
#include "edges.h"
#include "hand.h"
#include "last.h"
#include "sure.h"
#include "thread.h"

/* Between two looks, doubled from the one to the other while nothing is found: it is the rare case. */
#define LOOK_FIRST_MS 10
#define LOOK_LAST_MS 160

struct host_call {
    struct host_call *next;
    uint64_t cookie;
    uint32_t hold, number; /* the `number`-th use of the hold */
    CUhostFn function;
    CUstreamCallback callback;
    CUstream stream;
    void *data;
    CUresult status;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t due;                      /* of the monotonic clock: made with the worker */
static struct host_call *waiting;               /* sent, not yet come to; the latest first */
static struct host_call *ready, **ready_end = &ready; /* for the worker, in order */
static int worker_started, worker_rests;        /* rests: does not look by itself */

static uint32_t uses[RF_HOLDS];
static uint16_t spare_holds[RF_HOLDS];
static uint32_t spares, holds_used;             /* holds ever used; the spare ones of them */

/* Both under the lock. */
static int take_hold(struct host_call *call)
{
    if (spares == 0 && holds_used == RF_HOLDS) return 0;
    call->hold = spares ? spare_holds[--spares] : holds_used++;
    call->number = ++uses[call->hold];
    return 1;
}

static void give_hold(const struct host_call *call) { spare_holds[spares++] = (uint16_t)call->hold; }

static void make_ready(struct host_call *call, CUresult status)
{
    call->status = status;
    call->next = NULL;
    *ready_end = call;
    ready_end = &call->next;
}

static struct host_call *remove_waiting(uint64_t cookie)
{
    struct host_call **at = &waiting;
    while (*at && (*at)->cookie != cookie) at = &(*at)->next;
    struct host_call *call = *at;
    if (call) *at = call->next;
    return call;
}

/* Makes ready what has come due without a notice, the oldest first; whether anything has. Under the lock. */
static int look(void)
{
    struct host_call *found = NULL;
    for (struct host_call **at = &waiting; *at;) {
        struct host_call *call = *at;
        if ((int32_t)(atomic_load_explicit(&vgpu.holds[call->hold].due, memory_order_acquire) - call->number) < 0) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        call->next = found;
        found = call;
    }
    for (struct host_call *call = found, *next; call; call = next) {
        next = call->next;
        make_ready(call, CUDA_SUCCESS);
    }
    return found != NULL;
}

/* The next to run; waits for it. */
static struct host_call *take_ready(void)
{
    int pause = LOOK_FIRST_MS, idle = 0;
    pthread_mutex_lock(&lock);
    while (!ready) {
        /* Once more without work, so that who has one function after the other does not wake us each time. */
        worker_rests = !waiting && idle;
        idle = !waiting;
        if (worker_rests || atomic_load(&vgpu_state) != CUDA_SUCCESS) {
            worker_rests = 1;
            pthread_cond_wait(&due, &lock);
            worker_rests = 0;
            pause = LOOK_FIRST_MS;
            continue;
        }
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += pause * 1000000l;
        if (until.tv_nsec >= 1000000000l) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000l;
        }
        if (pthread_cond_timedwait(&due, &lock, &until) == ETIMEDOUT && !look() && pause < LOOK_LAST_MS) pause *= 2;
    }
    struct host_call *next = ready;
    ready = next->next;
    if (!ready) ready_end = &ready;
    pthread_mutex_unlock(&lock);
    return next;
}

static void *work(void *argument)
{
    (void)argument;
    pthread_setname_np(pthread_self(), "ringfence-host");
    vgpu_last_own_thread();
    vgpu_thread.in_callback = 1;
    for (;;) {
        struct host_call *next = take_ready();
        /* A host function is for the good case only; a stream callback is told how things stand. */
        vgpu_edges_meet(); /* it reads what the GPU wrote before it */
        if (next->callback) next->callback(next->stream, next->status, next->data);
        else if (next->status == CUDA_SUCCESS) next->function(next->data);
        atomic_store_explicit(&vgpu.holds[next->hold].done, next->number, memory_order_release);
        struct vgpu_call call;
        if (vgpu_begin(&call, RF_HOST_DONE, sizeof(struct rf_HOST_DONE), VGPU_POSTED | VGPU_ANY_CONTEXT | VGPU_MUST_PASS, 0) == CUDA_SUCCESS) {
            ((struct rf_HOST_DONE *)call.payload)->cookie = next->cookie;
            vgpu_post(&call);
        }
        /* Only now: who uses the hold next is behind HOST_DONE in the ring. */
        pthread_mutex_lock(&lock);
        give_hold(next);
        pthread_mutex_unlock(&lock);
        free(next);
    }
    return NULL;
}

/* Under the lock. */
static int start_worker(void)
{
    if (worker_started) return 1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&due, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    worker_started = pthread_create(&thread, NULL, work, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (worker_started) pthread_detach(thread);
    return worker_started;
}

void vgpu_callback_due(uint64_t cookie, CUresult status)
{
    pthread_mutex_lock(&lock);
    struct host_call *call = remove_waiting(cookie);
    if (call) {
        make_ready(call, status);
        pthread_cond_signal(&due);
    }
    pthread_mutex_unlock(&lock);
}

static void forget(uint64_t cookie)
{
    pthread_mutex_lock(&lock);
    struct host_call *mine = remove_waiting(cookie);
    if (mine) give_hold(mine);
    pthread_mutex_unlock(&lock);
    free(mine);
}

static CUresult launch(unsigned abi, CUstream stream, CUhostFn function, CUstreamCallback callback, void *data)
{
    static uint64_t cookies = 1;
    if (graph_capturing()) {
        const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_HOST, .host = {function, data}};
        CUresult taken = callback ? vgpu_capture_refuse(stream, abi, 0) : CUDA_SUCCESS;
        if (taken != CUDA_SUCCESS || (function && vgpu_capture(stream, abi, &given, &taken))) return taken;
    }
    struct host_call *host = malloc(sizeof *host);
    if (!host) return CUDA_ERROR_OUT_OF_MEMORY;
    *host = (struct host_call){.function = function, .callback = callback, .stream = stream, .data = data};
    /* In the list before the executor can know of it. */
    pthread_mutex_lock(&lock);
    CUresult error = start_worker() ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
    if (error == CUDA_SUCCESS && !take_hold(host)) error = CUDA_ERROR_OUT_OF_MEMORY;
    if (error == CUDA_SUCCESS) {
        host->cookie = cookies++;
        host->next = waiting;
        waiting = host;
        if (worker_rests) pthread_cond_signal(&due);
    }
    const struct host_call mine = *host; /* which may be over as soon as it is sent */
    pthread_mutex_unlock(&lock);
    if (error != CUDA_SUCCESS) {
        free(host);
        return error;
    }
    struct vgpu_call call;
    error = vgpu_begin(&call, RF_HOST_CALL, sizeof(struct rf_HOST_CALL), vgpu_sure_stream(stream) ? VGPU_POSTED : VGPU_ACCEPTED, abi);
    if (error != CUDA_SUCCESS) {
        forget(mine.cookie);
        return error;
    }
    struct rf_HOST_CALL *request = call.payload;
    request->stream = VGPU_WIRE(stream);
    request->cookie = mine.cookie;
    request->hold = mine.hold;
    request->number = mine.number;
    vgpu_thread.launched = 1;
    error = vgpu_post(&call);
    if (error != CUDA_SUCCESS) forget(mine.cookie);
    return error;
}

CUresult vgpu_cuLaunchHostFunc(unsigned abi, CUstream hStream, CUhostFn fn, void *userData)
{
    return fn ? launch(abi, hStream, fn, NULL, userData) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuStreamAddCallback(unsigned abi, CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags)
{
    return callback && flags == 0 ? launch(abi, hStream, NULL, callback, userData) : CUDA_ERROR_INVALID_VALUE;
}
