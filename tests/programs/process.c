/* process.c - what happens around a process: process fork | dlclose | exit | threads.
 *   fork     the child's calls fail clearly, the parent goes on
 *   dlclose  the library opened, used and closed again, several times
 *   exit     the process exits, from a thread, while copies and memsets are in flight
 *   threads  many threads, each with its own work on a shared context, some ending while others go on */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static CUcontext context;

static void work(int seed)
{
    enum { BYTES = 300000 };
    unsigned char *up = malloc(BYTES), *down = malloc(BYTES);
    TRUE_OR_DIE(up && down);
    CUdeviceptr p;
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuMemAlloc_v2(&p, BYTES));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BYTES; i++) up[i] = (unsigned char)(i * seed + round);
        CU(cuMemcpyHtoDAsync_v2(p, up, BYTES, stream));
        CU(cuMemsetD8Async(p, (unsigned char)seed, 100, stream));
        CU(cuMemcpyDtoHAsync_v2(down, p, BYTES, stream));
        CU(cuStreamSynchronize(stream));
        memset(up, seed, 100);
        TRUE_OR_DIE(memcmp(up, down, BYTES) == 0);
    }
    CU(cuMemFree_v2(p));
    CU(cuStreamDestroy_v2(stream));
    free(up);
    free(down);
}

static void *worker(void *argument)
{
    CU(cuCtxSetCurrent(context));
    work((int)(intptr_t)argument);
    return NULL;
}

static void *leaver(void *argument)
{
    CU(cuCtxSetCurrent(context));
    static unsigned char bytes[8 << 20];
    CUdeviceptr p;
    CU(cuMemAlloc_v2(&p, sizeof bytes));
    for (int i = 0; i < 4; i++) CU(cuMemcpyHtoDAsync_v2(p, bytes, sizeof bytes, 0));
    CU(cuMemsetD8Async(p, 1, sizeof bytes, 0));
    exit((int)(intptr_t)argument);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "dlclose") == 0) {
        for (int i = 0; i < 5; i++) {
            void *library = dlopen("libcuda.so.1", RTLD_NOW);
            TRUE_OR_DIE(library);
            CUresult (*init)(unsigned) = (CUresult(*)(unsigned))dlsym(library, "cuInit");
            CUresult (*count)(int *) = (CUresult(*)(int *))dlsym(library, "cuDeviceGetCount");
            int n = 0;
            TRUE_OR_DIE(init(0) == CUDA_SUCCESS && count(&n) == CUDA_SUCCESS && n >= 1);
            TRUE_OR_DIE(dlclose(library) == 0);
        }
        puts("process dlclose: ok");
        return 0;
    }
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    if (strcmp(what, "fork") == 0) {
        work(1);
        pid_t child = fork();
        TRUE_OR_DIE(child >= 0);
        if (child == 0) {
            CUdeviceptr p;
            int count;
            int bad = cuMemAlloc_v2(&p, 100) != CUDA_ERROR_NOT_INITIALIZED;
            bad |= cuDeviceGetCount(&count) != CUDA_ERROR_NOT_INITIALIZED;
            bad |= cuInit(0) == CUDA_SUCCESS;
            _exit(bad);
        }
        int status = -1;
        TRUE_OR_DIE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
        work(2);
        /* A child that exits in the ordinary way must not disturb the parent either. */
        child = fork();
        if (child == 0) exit(0);
        TRUE_OR_DIE(waitpid(child, &status, 0) == child && status == 0);
        work(3);
    } else if (strcmp(what, "exit") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, leaver, (void *)(intptr_t)0);
        pthread_join(thread, NULL);
        return 1; /* not reached */
    } else if (strcmp(what, "threads") == 0) {
        enum { AT_ONCE = 80, WAVES = 2 }; /* more threads than reply slots */
        for (int wave = 0; wave < WAVES; wave++) {
            pthread_t threads[AT_ONCE];
            for (intptr_t i = 0; i < AT_ONCE; i++) TRUE_OR_DIE(pthread_create(&threads[i], NULL, worker, (void *)(i + 1)) == 0);
            for (int i = 0; i < AT_ONCE; i++) pthread_join(threads[i], NULL);
        }
    } else {
        fprintf(stderr, "usage: process fork|dlclose|exit|threads\n");
        return 64;
    }
    printf("process %s: ok\n", what);
    return 0;
}
