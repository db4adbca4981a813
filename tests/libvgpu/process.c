/* process.c - what programs do to a library: fork, callbacks, dlclose, closing all descriptors, environment.
 *
 * The broker beside this serves one client and does not hold streams for host functions; it has two devices with UUIDs
 * 1010... and 2020... */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "full-pipe.h"

static CUcontext context;

static void start(void)
{
    CU(cuInit(0));
    CU(cuDevicePrimaryCtxRetain(&context, 0));
    CU(cuCtxSetCurrent(context));
}

/* In the child: every kind of call fails, and none hangs. */
static void child_fails(void)
{
    alarm(60);
    int n, version;
    size_t a, b;
    CUdeviceptr p;
    CUstream s;
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuMemGetInfo_v2(&a, &b));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuInit(0));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDriverGetVersion(&version));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuDeviceGetCount(&n));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuMemAlloc_v2(&p, 100));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuStreamCreate(&s, 0));
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, cuMemsetD8Async(0, 0, 1, NULL));
    _exit(0);
}

static void fork_once(void)
{
    size_t a, b;
    pid_t child = fork();
    TRUE_OR_DIE(child >= 0);
    if (child == 0) child_fails();
    for (int i = 0; i < 100; i++) CU(cuMemGetInfo_v2(&a, &b));
    int status;
    TRUE_OR_DIE(waitpid(child, &status, 0) == child);
    TRUE_OR_DIE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CU(cuCtxSynchronize());
}

static _Atomic int stop;

static void *busy(void *argument)
{
    (void)argument;
    CU(cuCtxSetCurrent(context));
    while (!atomic_load(&stop)) CU(cuCtxSynchronize());
    return NULL;
}

static void *stop_soon(void *argument)
{
    usleep(200000);
    atomic_store(&stop, 1);
    return argument;
}

static void *synchronize(void *argument)
{
    cuCtxSetCurrent(context);
    while (cuCtxSynchronize() == CUDA_SUCCESS) {}
    return argument;
}

static _Atomic int holding, hung_up;

/* The library's listener waits by this: while `holding` it is not back before the broker has hung up and it is let go. */
int poll(struct pollfd *all, nfds_t count, int timeout)
{
    int result = (int)syscall(SYS_poll, all, count, timeout);
    while (atomic_load(&holding)) {
        result = (int)syscall(SYS_poll, all, count, timeout);
        if (result == 1 && all->revents & POLLHUP) atomic_store(&hung_up, 1);
        usleep(1000);
    }
    return result;
}

static _Atomic int order[3], calls;
static _Atomic CUresult inside;
static pthread_t main_thread;

static void host_function(void *data)
{
    size_t a, b;
    TRUE_OR_DIE(!pthread_equal(pthread_self(), main_thread));
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    TRUE_OR_DIE(sigismember(&blocked, SIGINT));
    atomic_store(&inside, cuMemGetInfo_v2(&a, &b));
    atomic_store(&order[(intptr_t)data], atomic_fetch_add(&calls, 1));
}

static void stream_callback(CUstream stream, CUresult status, void *data)
{
    TRUE_OR_DIE(stream == NULL && status == CUDA_SUCCESS);
    host_function(data);
}

static void beat(int signal)
{
    (void)signal;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    main_thread = pthread_self();
    if (!strcmp(what, "fork")) {
        /* Before the library is used, a fork does no harm: both may connect (here the child leaves the one place alone). */
        pid_t early = fork();
        if (early == 0) _exit(0);
        waitpid(early, NULL, 0);
        start();
        for (int i = 0; i < 3; i++) fork_once();
    } else if (!strcmp(what, "fork-busy")) {
        start();
        pthread_t threads[4];
        for (int i = 0; i < 4; i++) TRUE_OR_DIE(pthread_create(&threads[i], NULL, busy, NULL) == 0);
        for (int i = 0; i < 20; i++) fork_once();
        atomic_store(&stop, 1);
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    } else if (!strcmp(what, "callbacks")) {
        start();
        CU(cuLaunchHostFunc(NULL, host_function, (void *)0));
        CU(cuStreamAddCallback(NULL, stream_callback, (void *)1, 0));
        CU(cuLaunchHostFunc(NULL, host_function, (void *)2));
        for (int i = 0; i < 30000 && atomic_load(&calls) < 3; i++) usleep(1000);
        TRUE_OR_DIE(order[0] == 0 && order[1] == 1 && order[2] == 2);
        TRUE_OR_DIE(atomic_load(&inside) == CUDA_ERROR_NOT_PERMITTED);
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchHostFunc(NULL, NULL, NULL));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamAddCallback(NULL, stream_callback, NULL, 1));
    } else if (!strcmp(what, "dlclose")) {
        for (int i = 0; i < 5; i++) {
            void *library = dlopen("libcuda.so.1", RTLD_NOW);
            TRUE_OR_DIE(library);
            start();
            TRUE_OR_DIE(dlclose(library) == 0);
        }
        CU(cuCtxSynchronize());
    } else if (!strcmp(what, "close-all")) {
        /* A daemon closes every descriptor and opens its own: nothing of ours may be written into them. */
        start();
        int pipes[2];
        for (int fd = 3; fd < 1024; fd++) close(fd);
        TRUE_OR_DIE(pipe(pipes) == 0);
        for (int fd = 100; fd < 1000; fd++) dup2(pipes[1], fd);
        CUresult error = CUDA_SUCCESS;
        size_t a, b;
        /* The ring still works while the executor is awake; once it sleeps, the doorbell cannot be rung, and that is an end. */
        for (int i = 0; i < 1500 && error == CUDA_SUCCESS; i++) {
            usleep(20000);
            error = cuMemGetInfo_v2(&a, &b);
        }
        TRUE_OR_DIE(error == CUDA_ERROR_DEVICE_UNAVAILABLE);
        char byte;
        TRUE_OR_DIE(fcntl(pipes[0], F_SETFL, O_NONBLOCK) == 0 && read(pipes[0], &byte, 1) == -1 && errno == EAGAIN);
    } else if (!strcmp(what, "signals")) {
        /* A profiler's timer interrupts the library all the time: a broker that says nothing is given up all the same. */
        struct sigaction action = {.sa_handler = beat, .sa_flags = SA_RESTART};
        struct itimerval often = {{0, 50000}, {0, 50000}};
        TRUE_OR_DIE(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
        CU_FAILS(CUDA_ERROR_SYSTEM_NOT_READY, cuInit(0));
    } else if (!strcmp(what, "devices")) {
        /* CUDA_VISIBLE_DEVICES=GPU-20,0,7: the second device first, then the first; 7 ends the list. */
        int count;
        char name[64], bus[32];
        CUdevice device;
        CUuuid uuid;
        CU(cuInit(0));
        CU(cuDeviceGetCount(&count));
        TRUE_OR_DIE(count == 2);
        CU(cuDeviceGetName(name, sizeof name, 0));
        TRUE_OR_DIE(!strcmp(name, "Fake GPU 1"));
        CU(cuDeviceGetName(name, 5, 1));
        TRUE_OR_DIE(!strcmp(name, "Fake"));
        CU(cuDeviceGetUuid(&uuid, 0));
        TRUE_OR_DIE(uuid.bytes[0] == 0x20);
        CU(cuDeviceGetPCIBusId(bus, sizeof bus, 0));
        CU(cuDeviceGetByPCIBusId(&device, bus));
        TRUE_OR_DIE(device == 0);
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetPCIBusId(bus, 5, 0));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetByPCIBusId(&device, "nonsense"));
        CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGetByPCIBusId(&device, "0000:ff:1f.0"));
        CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, 2));
        CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&device, -1));
        int value;
        CU(cuDeviceGetAttribute(&value, (CUdevice_attribute)100, 1));
        TRUE_OR_DIE(value == 100);
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&value, (CUdevice_attribute)200, 0));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceGetAttribute(&value, (CUdevice_attribute)-1, 0));
    } else if (!strcmp(what, "contexts")) {
        CUcontext made, current;
        CUdeviceptr p;
        unsigned flags;
        int active;
        CU(cuInit(0));
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuMemAlloc_v2(&p, 16));
        CU(cuMemFree_v2(0));
        CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
        TRUE_OR_DIE(!active);
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
        CU(cuDevicePrimaryCtxRetain(&context, 0));
        CU(cuDevicePrimaryCtxRetain(&made, 0));
        TRUE_OR_DIE(made == context);
        CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
        TRUE_OR_DIE(active);
        CU(cuDevicePrimaryCtxReset(0));
        CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
        TRUE_OR_DIE(!active);
        CU(cuDevicePrimaryCtxRelease(0));
        CU(cuDevicePrimaryCtxRelease(0));
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuDevicePrimaryCtxRelease(0));
        CU(cuCtxSetCurrent(context)); /* inactive, and may be current all the same */
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDestroy_v2(context));
        CU(cuCtxSetCurrent(NULL));
        for (int i = 0; i < 1000; i++) {
            CU(cuCtxCreate_v2(&made, 0, 1));
            CU(cuCtxPushCurrent_v2(made));
            /* Popped once, as by cuCtxPopCurrent(); where it is current besides, it stays so, destroyed. */
            CU(cuCtxDestroy_v2(made));
            CU(cuCtxGetCurrent(&current));
            TRUE_OR_DIE(current == made);
            CU_FAILS(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemAlloc_v2(&p, 16));
            CU(cuCtxPopCurrent_v2(&current));
            CU(cuCtxGetCurrent(&current));
            TRUE_OR_DIE(!current);
        }
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxPushCurrent_v2(made));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuCtxCreate_v2(&made, 0x1000, 0));
        CUctxCreateParams none = {0};
        CU(cuCtxCreate_v4(&made, &none, 0, 0));
        CU(cuCtxAttach(&current, 0));
        TRUE_OR_DIE(current == made);
        CU(cuCtxDetach(made));
        CU(cuCtxDetach(made));
        CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuCtxDetach(made));
    } else if (!strcmp(what, "descriptors")) {
        /* Descriptions that the driver refuses before any byte moves. */
        CUdeviceptr p;
        unsigned char host[4096];
        start();
        CU(cuMemAlloc_v2(&p, 4096));
        CUDA_MEMCPY2D c = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = host, .srcPitch = 64, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = p,
                           .dstPitch = 64, .WidthInBytes = 64, .Height = 4};
        CU(cuMemcpy2D_v2(&c));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(NULL));
        CUDA_MEMCPY2D bad = c;
        bad.srcPitch = 63;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&bad));
        bad = c;
        bad.dstXInBytes = 1;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&bad));
        bad = c;
        bad.srcMemoryType = 0;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&bad));
        bad = c;
        bad.srcHost = NULL;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&bad));
        bad = c;
        bad.Height = 1000; /* beyond the allocation */
        bad.srcPitch = 0;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D_v2(&bad));
        bad = c;
        bad.WidthInBytes = 0;
        CU(cuMemcpy2D_v2(&bad));
        bad = c;
        bad.WidthInBytes = SIZE_MAX;
        bad.srcPitch = bad.dstPitch = SIZE_MAX;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpy2DUnaligned_v2(&bad));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p, NULL, 4));
        CU(cuMemcpyHtoD_v2(p, NULL, 0));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(p + 4000, host, 1000));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD16_v2(p + 1, 0, 1));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32_v2(p, 0, SIZE_MAX / 2));
        CU_FAILS(CUDA_ERROR_NOT_FOUND, cuMemGetAddressRange_v2(&p, NULL, 0x10));
        CU_FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(host));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeHost(host));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister_v2((void *)0x10, 4096, 0));
        /* Memory that is not private and anonymous stays what it is: another mapping of the same pages keeps seeing writes. */
        int object = memfd_create("shared", 0);
        TRUE_OR_DIE(ftruncate(object, 8192) == 0);
        unsigned char *one = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0), *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
        CU(cuMemHostRegister_v2(one, 8192, 0));
        CU_FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(one + 100, 10, 0));
        memset(host, 7, sizeof host);
        CU(cuMemcpyHtoD_v2(p, host, 4096));
        CU(cuMemcpyDtoHAsync_v2(one + 2000, p, 4096, NULL));
        CU(cuCtxSynchronize());
        TRUE_OR_DIE(two[2000] == 7 && two[6095] == 7 && two[6096] == 0);
        CUmemorytype type;
        CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)(one + 5)));
        TRUE_OR_DIE(type == CU_MEMORYTYPE_HOST);
        CU(cuMemHostUnregister(one));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)one));
        /* The plural form of a pointer that is none: zeros and success, as the runtime expects. */
        unsigned managed = 9;
        uint64_t device_pointer = 9, host_pointer = 9;
        int ordinal = 9;
        CUpointer_attribute ask[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER, CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
        void *data[] = {&type, &device_pointer, &host_pointer, &managed, &ordinal};
        CU(cuPointerGetAttributes(5, ask, data, (CUdeviceptr)(uintptr_t)host));
        TRUE_OR_DIE(type == 0 && device_pointer == 0 && host_pointer == 0 && managed == 0 && ordinal == CU_DEVICE_INVALID);
    } else if (!strcmp(what, "last-line")) {
        /* Standard error takes nothing for a while: a call must not fail before the line that says why has been written. */
        start();
        int error = dup(STDERR_FILENO);
        full_pipe_begin(full_pipe(STDERR_FILENO));
        pthread_t thread;
        TRUE_OR_DIE(pthread_create(&thread, NULL, synchronize, NULL) == 0);
        for (int cores; cuDeviceGetAttribute(&cores, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 0) == CUDA_SUCCESS;) {}
        int told = atomic_load(&full_pipe_read);
        TRUE_OR_DIE(dup2(error, STDERR_FILENO) == STDERR_FILENO);
        TRUE_OR_DIE(told);
    } else if (!strcmp(what, "farewell")) {
        /* The broker says with which error calls fail, and hangs up. A thread that notices the hang-up first must not make up another. */
        CUdeviceptr p;
        start();
        CU(cuMemAlloc_v2(&p, 4096));
        atomic_store(&holding, 1);
        pthread_t thread;
        TRUE_OR_DIE(pthread_create(&thread, NULL, synchronize, NULL) == 0);
        while (!atomic_load(&hung_up)) usleep(1000);
        CU(cuMemsetD8Async(p, 1, 1, NULL)); /* rings at a broker that has gone */
        atomic_store(&holding, 0);
        pthread_join(thread, NULL);
        CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemsetD8Async(p, 1, 1, NULL));
    } else if (!strcmp(what, "main-leaves")) {
        /* The main thread leaves; the process must end with its last thread, not with the library's. */
        start();
        CU(cuLaunchHostFunc(NULL, host_function, (void *)0));
        pthread_t thread;
        TRUE_OR_DIE(pthread_create(&thread, NULL, busy, NULL) == 0);
        TRUE_OR_DIE(pthread_create(&thread, NULL, stop_soon, NULL) == 0);
        pthread_exit(NULL);
    } else {
        fprintf(stderr, "process: which?\n");
        return 2;
    }
    puts("ok");
    return 0;
}
