/* greedy.c - greedy THREADS: allocates from several threads until the zone refuses, holds everything for a while so that
 * other clients do the same beside it, then frees. Prints how many bytes it held at most. */
#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "check.h"

static CUcontext context;
static _Atomic size_t held;

static void *grab(void *argument)
{
    uint32_t state = (uint32_t)(uintptr_t)argument * 2654435761u + 1;
    enum { MOST = 4096 };
    static __thread CUdeviceptr got[MOST];
    CU(cuCtxSetCurrent(context));
    int n = 0;
    for (int refused = 0; refused < 40 && n < MOST;) {
        state = state * 1664525u + 1013904223u;
        size_t bytes = refused ? 1 + (state >> 20) : 1 + (state >> 9);
        CUresult status = cuMemAlloc_v2(&got[n], bytes);
        if (status == CUDA_ERROR_OUT_OF_MEMORY) { refused++; continue; }
        CU(status);
        held += bytes;
        n++;
    }
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    while (n > 0) CU(cuMemFree_v2(got[--n]));
    return NULL;
}

int main(int argc, char **argv)
{
    long threads = argc > 1 ? strtol(argv[1], NULL, 10) : 4;
    pthread_t thread[64];
    TRUE_OR_DIE(threads >= 1 && threads <= 64);
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    for (long i = 0; i < threads; i++) TRUE_OR_DIE(pthread_create(&thread[i], NULL, grab, (void *)(uintptr_t)(i + 1)) == 0);
    for (long i = 0; i < threads; i++) pthread_join(thread[i], NULL);
    printf("%zu bytes held\n", (size_t)held);
    CU(cuCtxDestroy_v2(context));
    return 0;
}
