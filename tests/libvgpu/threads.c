/* threads.c - many threads of one client.
 *
 *   threads work THREADS ROUNDS    each its own buffer and stream: waited, posted and copied, compared; more threads than slots
 *   threads until-dead THREADS     calls until the broker is gone: every thread must then get the one sticky error, at once
 *   threads come-and-go ROUNDS     threads that make one call and end: numbers, stacks and per-thread streams are given back
 *   threads cancel                 a thread is cancelled while it waits: the others and the ring go on */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

static CUcontext context;
static int rounds;

static void *work(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    size_t bytes = 5000 + 7919 * seed % 200000;
    CUstream stream;
    CUevent event;
    CUdeviceptr memory;
    CU(cuCtxSetCurrent(context));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CU(cuMemAlloc_v2(&memory, bytes));
    unsigned char *up = malloc(bytes), *down = malloc(bytes);
    for (int round = 0; round < rounds; round++) {
        memset(up, (int)(seed + (unsigned)round), bytes);
        if (round % 2) CU(cuMemcpyHtoDAsync_v2(memory, up, bytes, stream));
        else CU(cuMemcpyHtoD_v2(memory, up, bytes));
        CU(cuMemsetD8Async(memory, (unsigned char)round, 77, stream));
        CU(cuEventRecord(event, stream));
        memset(up, round, 77);
        CU(cuEventSynchronize(event));
        size_t free_bytes, total;
        CU(cuMemGetInfo_v2(&free_bytes, &total));
        TRUE_OR_DIE(free_bytes <= total);
        if (round % 3) CU(cuMemcpyDtoHAsync_v2(down, memory, bytes, stream));
        else CU(cuMemcpyDtoH_v2(down, memory, bytes));
        TRUE_OR_DIE(memcmp(up, down, bytes) == 0);
    }
    free(up);
    free(down);
    CU(cuMemFree_v2(memory));
    CU(cuEventDestroy_v2(event));
    CU(cuStreamDestroy_v2(stream));
    return NULL;
}

static _Atomic int started;

static void *until_dead(void *argument)
{
    uintptr_t n = (uintptr_t)argument;
    const size_t size = 1 << 20;
    unsigned char *bytes = calloc(1, size);
    CUdeviceptr memory;
    CU(cuCtxSetCurrent(context));
    CU(cuMemAlloc_v2(&memory, size));
    atomic_fetch_add(&started, 1);
    CUresult error;
    do {
        size_t a, b;
        switch (n % 4) {
        case 0: error = cuMemGetInfo_v2(&a, &b); break;
        case 1: error = cuMemcpyHtoDAsync_v2(memory, bytes, size, NULL); break;
        case 2: error = cuMemsetD8Async(memory, 0, 100, NULL); break;
        default: error = cuMemcpyDtoH_v2(bytes, memory, size); break;
        }
    } while (error == CUDA_SUCCESS);
    int count;
    for (int again = 0; again < 3; again++) {
        TRUE_OR_DIE(error == CUDA_ERROR_DEVICE_UNAVAILABLE);
        error = again % 2 ? cuDeviceGetCount(&count) : cuCtxSynchronize();
    }
    free(bytes);
    return NULL;
}

static void *once(void *argument)
{
    (void)argument;
    CU(cuCtxPushCurrent_v2(context));
    CU(cuStreamSynchronize_ptsz(NULL));
    return NULL;
}

static void *wait_for_ever(void *argument)
{
    (void)argument;
    CU(cuCtxSetCurrent(context));
    for (;;) {
        CU(cuCtxSynchronize());
        pthread_testcancel();
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int n = argc > 2 ? atoi(argv[2]) : 1;
    CU(cuInit(0));
    CU(cuDevicePrimaryCtxRetain(&context, 0));
    CU(cuCtxSetCurrent(context));
    pthread_t threads[64];
    if (!strcmp(what, "work") || !strcmp(what, "until-dead")) {
        int dead = what[0] == 'u';
        rounds = argc > 3 ? atoi(argv[3]) : 10;
        for (int i = 0; i < n; i++) TRUE_OR_DIE(pthread_create(&threads[i], NULL, dead ? until_dead : work, (void *)(uintptr_t)i) == 0);
        if (dead) {
            while (atomic_load(&started) < n) usleep(1000);
            puts("started");
            fflush(stdout);
        }
        for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    } else if (!strcmp(what, "come-and-go")) {
        for (int i = 0; i < n; i++) {
            TRUE_OR_DIE(pthread_create(&threads[0], NULL, once, NULL) == 0);
            pthread_join(threads[0], NULL);
        }
        CU(cuCtxSynchronize());
    } else {
        for (int i = 0; i < 20; i++) {
            TRUE_OR_DIE(pthread_create(&threads[0], NULL, wait_for_ever, NULL) == 0);
            usleep(3000);
            pthread_cancel(threads[0]);
            pthread_join(threads[0], NULL);
            CU(cuCtxSynchronize());
        }
    }
    puts("ok");
    return 0;
}
