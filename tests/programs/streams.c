/* streams.c - streams and events as the driver promises them: order within a stream, waits across streams, NOT_READY while
 * work is held up, the legacy stream's implicit order, per-thread default streams, host functions, callbacks, elapsed time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "check.h"

static _Atomic int gate, ran, sequence;
static pthread_t main_thread;

static void nap(long ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL); }

/* Holds its stream until the gate opens. */
static void CUDA_CB hold(void *data)
{
    (void)data;
    while (!gate) nap(1);
    ran++;
}

struct step { int expected; };
static void CUDA_CB in_order(void *data)
{
    struct step *step = data;
    TRUE_OR_DIE(sequence == step->expected);
    TRUE_OR_DIE(!pthread_equal(pthread_self(), main_thread)); /* off the application's threads */
    sequence++;
}

static void CUDA_CB callback(CUstream stream, CUresult status, void *data)
{
    (void)stream;
    TRUE_OR_DIE(status == CUDA_SUCCESS);
    atomic_fetch_add((_Atomic int *)data, 1);
}

static CUcontext context;
static void *thread_stream(void *unused)
{
    (void)unused;
    /* This thread's own default stream is not held up by the other thread's. */
    CU(cuCtxSetCurrent(context));
    CUdeviceptr p;
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuMemsetD8Async_ptsz(p, 7, 4096, 0));
    CU(cuStreamSynchronize_ptsz(0));
    return NULL; /* freeing would wait for all of the context's work: it goes with the context */
}

/* Opens the gate a while after the other thread has begun to pile work up behind it. */
static void *opener(void *unused)
{
    (void)unused;
    nap(200);
    gate = 1;
    return NULL;
}

static void CUDA_CB slow(void *unused)
{
    (void)unused;
    nap(100);
}

/* A driver waits for all work before it destroys an array, host functions that were given meanwhile included: whoever lets those go on
 * must not be the one that waits. */
static void destroyed_behind_host_functions(CUstream a, CUstream b)
{
    CUarray array;
    CUmodule module;
    const CUDA_ARRAY_DESCRIPTOR shape = {.Width = 16, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1};
    CU(cuModuleLoadData(&module, ".version 7.0\n.target sm_50\n.address_size 64\n.visible .global .u32 word;\n"));
    CU(cuArrayCreate_v2(&array, &shape));
    CU(cuLaunchHostFunc(a, slow, NULL));
    CU(cuArrayDestroy(array));
    CU(cuLaunchHostFunc(b, slow, NULL));
    CU(cuModuleUnload(module));
    CU(cuStreamSynchronize(b));
    CU(cuStreamSynchronize(a));
}

int main(void)
{
    enum { N = 1 << 20 };
    main_thread = pthread_self();
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CUstream a, b, blocking;
    CU(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreateWithPriority(&b, CU_STREAM_NON_BLOCKING, 0));
    CU(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
    unsigned flags;
    int priority;
    CU(cuStreamGetFlags(a, &flags));
    TRUE_OR_DIE(flags == CU_STREAM_NON_BLOCKING);
    CU(cuStreamGetPriority(b, &priority));
    unsigned long long ida, idb;
    CU(cuStreamGetId(a, &ida));
    CU(cuStreamGetId(b, &idb));
    TRUE_OR_DIE(ida != idb);
    CUcontext of;
    CU(cuStreamGetCtx(a, &of));
    TRUE_OR_DIE(of == context);
    CU(cuStreamQuery(a));
    CU(cuStreamSynchronize(a));
    destroyed_behind_host_functions(a, b);

    CUevent done, other, timing1, timing2;
    CU(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
    CU(cuEventCreate(&other, CU_EVENT_DISABLE_TIMING));
    CU(cuEventCreate(&timing1, CU_EVENT_DEFAULT));
    CU(cuEventCreate(&timing2, CU_EVENT_BLOCKING_SYNC));
    CU(cuEventQuery(done)); /* never recorded: complete */

    /* Held work: queries say NOT_READY, other streams go on, an event carries the wait across. */
    CUdeviceptr x, y;
    CU(cuMemAlloc_v2(&x, N));
    CU(cuMemAlloc_v2(&y, N));
    CU(cuMemsetD8_v2(x, 1, N));
    CU(cuMemsetD8_v2(y, 2, N));
    CU(cuLaunchHostFunc(a, hold, NULL));
    CU(cuMemsetD8Async(x, 0x33, N, a));
    CU(cuEventRecord(done, a));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(a));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(done));
    CU(cuMemsetD8Async(y, 0x44, N, b)); /* b is free */
    CU(cuStreamSynchronize(b));
    CU(cuStreamWaitEvent(b, done, 0));
    CU(cuMemcpyDtoDAsync_v2(y, x, N, b)); /* must come after the memset on a */
    CU(cuEventRecord(other, b));
    nap(20);
    CU_FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(other));
    pthread_t thread;
    TRUE_OR_DIE(pthread_create(&thread, NULL, thread_stream, NULL) == 0);
    pthread_join(thread, NULL); /* another thread's default stream is not held up */
    TRUE_OR_DIE(ran == 0);
    gate = 1;
    CU(cuEventSynchronize(other));
    TRUE_OR_DIE(ran == 1);
    CU(cuEventQuery(done));
    static unsigned char host[N];
    CU(cuMemcpyDtoH_v2(host, y, N));
    for (int i = 0; i < N; i++) TRUE_OR_DIE(host[i] == 0x33);

    /* The legacy stream waits for blocking streams and they for it; a non-blocking stream does neither. */
    gate = 0;
    CU(cuLaunchHostFunc(blocking, hold, NULL));
    CU(cuMemsetD8Async(x, 0x55, N, blocking));
    CU(cuMemcpyDtoDAsync_v2(y, x, N, 0));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(0));
    CU(cuMemsetD8Async(x, 0x66, 16, a));
    CU(cuStreamSynchronize(a));
    gate = 1;
    CU(cuStreamSynchronize(0));
    CU(cuMemcpyDtoH_v2(host, y, N));
    for (int i = 16; i < N; i++) TRUE_OR_DIE(host[i] == 0x55);

    /* Host functions and callbacks run in order. */
    enum { STEPS = 200 };
    static struct step steps[STEPS];
    static _Atomic int called;
    for (int i = 0; i < STEPS; i++) {
        steps[i].expected = i;
        CU(cuLaunchHostFunc(a, in_order, &steps[i]));
        if (i % 10 == 0) CU(cuStreamAddCallback(a, callback, &called, 0));
    }
    CU(cuStreamSynchronize(a));
    TRUE_OR_DIE(sequence == STEPS && called == STEPS / 10);

    /* More work piled up behind a held stream than any queue takes: whoever calls waits, and all of it is done. */
    gate = 0;
    CU(cuLaunchHostFunc(a, hold, NULL));
    TRUE_OR_DIE(pthread_create(&thread, NULL, opener, NULL) == 0);
    for (int i = 0; i < 50000; i++) CU(cuEventRecord(timing1, a));
    for (int i = 0; i < 60000; i++) CU(cuMemsetD32Async(x + 4 * (unsigned)(i % 1000), (unsigned)i, 1, a));
    CU(cuStreamSynchronize(a));
    pthread_join(thread, NULL);
    static uint32_t words[1000];
    CU(cuMemcpyDtoH_v2(words, x, sizeof words));
    for (int i = 0; i < 1000; i++) TRUE_OR_DIE(words[i] == 59000u + (unsigned)i);

    /* Elapsed time, and what it answers before and without timing. */
    float ms = -1;
    CU(cuEventRecord(timing1, a));
    CU(cuMemsetD8Async(x, 1, N, a));
    CU(cuEventRecord(timing2, a));
    CU(cuEventSynchronize(timing2));
    CU(cuEventElapsedTime_v2(&ms, timing1, timing2));
    TRUE_OR_DIE(ms >= 0 && ms < 60000);
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime_v2(&ms, timing1, done));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventElapsedTime(&ms, timing1, done));
    gate = 0;
    CU(cuLaunchHostFunc(a, hold, NULL));
    CU(cuEventRecord(timing2, a));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuEventElapsedTime(&ms, timing1, timing2));
    gate = 1;
    CU(cuCtxSynchronize());
    CU(cuEventElapsedTime(&ms, timing1, timing2));

    /* Stream memory operations. */
    CUdeviceptr word;
    CU(cuMemAlloc_v2(&word, 4096));
    CU(cuMemsetD32_v2(word, 0, 1024));
    CU(cuStreamWaitValue32_v2(a, word, 5, CU_STREAM_WAIT_VALUE_GEQ));
    CU(cuMemsetD8Async(x, 0x77, 16, a));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(a));
    CU(cuStreamWriteValue32_v2(b, word, 6, 0));
    CU(cuStreamSynchronize(a));
    CU(cuMemcpyDtoH_v2(host, word, 4));
    TRUE_OR_DIE(host[0] == 6);

    /* Handles that are gone, of another type, or made up. */
    CU(cuEventDestroy_v2(done));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(done));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventDestroy_v2(done));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventQuery((CUevent)a));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize((CUstream)other));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize((CUstream)(uintptr_t)0x7777777700000001ull));
    CU(cuStreamDestroy_v2(a));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuStreamSynchronize(a));
    CU(cuStreamDestroy_v2(b));
    CU(cuStreamDestroy_v2(blocking));
    CU(cuCtxDestroy_v2(context));
    puts("streams: ok");
    return 0;
}
