/* callback.c - host functions.
 *
 * The pointers stay here; the executor gets a cookie, holds the stream when it comes to it, and sends the cookie back over the
 * socket. The listener queues it for one worker thread, which runs the program's function and then posts HOST_DONE. One worker:
 * functions run one at a time in the order in which their streams came to them. Neither the listener (which must notice
 * the broker's death meanwhile) nor a thread of the program ever runs one.
 *
 * A cookie is good once: it is looked up and removed in one step, so an executor that repeats one runs nothing. */
#include "callback.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "call.h"
#include "capture.h"
#include "edges.h"
#include "hand.h"
#include "last.h"
#include "sure.h"
#include "thread.h"

struct host_call {
    struct host_call *next;
    uint64_t cookie;
    CUhostFn function;
    CUstreamCallback callback;
    CUstream stream;
    void *data;
    CUresult status;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t due = PTHREAD_COND_INITIALIZER;
static struct host_call *waiting;               /* sent, not yet come to */
static struct host_call *ready, **ready_end = &ready; /* for the worker, in order */
static int worker_started;

static struct host_call *remove_waiting(uint64_t cookie)
{
    struct host_call **at = &waiting;
    while (*at && (*at)->cookie != cookie) at = &(*at)->next;
    struct host_call *call = *at;
    if (call) *at = call->next;
    return call;
}

static void *work(void *argument)
{
    (void)argument;
    pthread_setname_np(pthread_self(), "ringfence-host");
    vgpu_last_own_thread();
    vgpu_thread.in_callback = 1;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (!ready) pthread_cond_wait(&due, &lock);
        struct host_call *next = ready;
        ready = next->next;
        if (!ready) ready_end = &ready;
        pthread_mutex_unlock(&lock);
        /* A host function is for the good case only; a stream callback is told how things stand. */
        vgpu_edges_meet(); /* it reads what the GPU wrote before it */
        if (next->callback) next->callback(next->stream, next->status, next->data);
        else if (next->status == CUDA_SUCCESS) next->function(next->data);
        struct vgpu_call call;
        if (vgpu_begin(&call, RF_HOST_DONE, sizeof(struct rf_HOST_DONE), VGPU_POSTED | VGPU_ANY_CONTEXT | VGPU_MUST_PASS, 0) == CUDA_SUCCESS) {
            ((struct rf_HOST_DONE *)call.payload)->cookie = next->cookie;
            vgpu_post(&call);
        }
        free(next);
    }
    return NULL;
}

/* Under the lock. */
static int start_worker(void)
{
    if (worker_started) return 1;
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
        call->status = status;
        call->next = NULL;
        *ready_end = call;
        ready_end = &call->next;
        pthread_cond_signal(&due);
    }
    pthread_mutex_unlock(&lock);
}

static void forget(uint64_t cookie)
{
    pthread_mutex_lock(&lock);
    struct host_call *mine = remove_waiting(cookie);
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
    int working = start_worker();
    if (working) {
        host->cookie = cookies++;
        host->next = waiting;
        waiting = host;
    }
    uint64_t cookie = host->cookie;
    pthread_mutex_unlock(&lock);
    if (!working) {
        free(host);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_HOST_CALL, sizeof(struct rf_HOST_CALL), vgpu_sure_stream(stream) ? VGPU_POSTED : VGPU_ACCEPTED, abi);
    if (error != CUDA_SUCCESS) {
        forget(cookie);
        return error;
    }
    struct rf_HOST_CALL *request = call.payload;
    request->stream = VGPU_WIRE(stream);
    request->cookie = cookie;
    request->callback = callback != NULL;
    error = vgpu_post(&call);
    if (error != CUDA_SUCCESS) forget(cookie);
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
