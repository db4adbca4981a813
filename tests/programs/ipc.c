/* ipc.c - device memory of one process used by another of the same zone. Two processes, forked before either calls CUDA, who pass
 * handles and turns through pipes.
 *
 *   ipc            the story of two processes
 *   ipc export     prints a handle in hexadecimal, waits for a line, ends
 *   ipc import HEX prints what opening that handle answers */
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SMALL = 1000, LARGE = 5 << 20 };

static int to[2], from[2];

static void say(int fd, const void *data, size_t bytes) { TRUE_OR_DIE(write(fd, data, bytes) == (ssize_t)bytes); }
static void hear(int fd, void *data, size_t bytes)
{
    for (size_t got = 0; got < bytes;) {
        ssize_t n = read(fd, (char *)data + got, bytes - got);
        TRUE_OR_DIE(n > 0);
        got += (size_t)n;
    }
}

static CUcontext start(void)
{
    CUcontext context;
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    return context;
}

static int importer(void)
{
    CUipcMemHandle handles[2];
    CUdeviceptr at[2], again, base;
    size_t size;
    char turn;
    CUcontext context = start();
    hear(to[0], handles, sizeof handles);
    for (int i = 0; i < 2; i++) {
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&at[i], handles[i], 0));
        CU(cuIpcOpenMemHandle_v2(&at[i], handles[i], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
        size_t bytes = i ? LARGE : SMALL;
        CU(cuMemGetAddressRange_v2(&base, &size, at[i] + 7));
        TRUE_OR_DIE(base == at[i] && size == bytes);
        holds(at[i], bytes, (unsigned char)(0x10 + i));
        CU(cuMemsetD8_v2(at[i], (unsigned char)(0x20 + i), bytes));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(at[i] + 1, 0, bytes));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(at[i]));
        CU(cuIpcOpenMemHandle_v2(&again, handles[i], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
        TRUE_OR_DIE(again == at[i]);
        CU(cuIpcCloseMemHandle(again)); /* open still, by the other count */
        holds(at[i], bytes, (unsigned char)(0x20 + i));
    }
    handles[0].reserved[3] ^= 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&again, handles[0], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(0x1234));
    /* An event of the exporter's: asked, waited for on a stream and by this thread. */
    CUipcEventHandle event_handle;
    CUevent event;
    CUstream stream;
    hear(to[0], &event_handle, sizeof event_handle);
    CU(cuIpcOpenEventHandle(&event, event_handle));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(event));
    CU(cuStreamWaitEvent(stream, event, 0));
    CU(cuMemsetD8Async(at[0], 0x33, SMALL, stream));
    CU(cuEventRecord(event, stream)); /* by the other process: what the exporter waits for from now on */
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
    say(from[1], "g", 1); /* the exporter lets it complete */
    CU(cuEventSynchronize(event));
    CU(cuStreamSynchronize(stream));
    CU(cuEventQuery(event));
    hear(to[0], &turn, 1); /* the exporter has seen it */
    CU(cuMemsetD8_v2(at[0], 0x20, SMALL));
    CUevent second;
    CU(cuIpcOpenEventHandle(&second, event_handle));
    CU(cuEventDestroy_v2(event)); /* the name that was recorded last */
    CU(cuEventQuery(second));
    CU(cuEventRecord(second, stream));
    CU(cuEventSynchronize(second));
    /* Recorded, destroyed, and its context gone: the others' names stand for the exporter's own event again. */
    CUcontext passing, here;
    CUevent third;
    CU(cuCtxGetCurrent(&here));
    CU(cuCtxCreate_v2(&passing, 0, 0));
    CU(cuIpcOpenEventHandle(&third, event_handle));
    CU(cuEventRecord(third, NULL));
    CU(cuEventDestroy_v2(third));
    CU(cuEventQuery(second));
    CU(cuCtxDestroy_v2(passing));
    CU(cuCtxSetCurrent(here));
    CU(cuEventQuery(second));
    event_handle.reserved[5] ^= 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenEventHandle(&event, event_handle));
    CU(cuStreamDestroy_v2(stream));

    say(from[1], "w", 1);
    hear(to[0], &turn, 1); /* the exporter has freed both, and allocated anew */
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(second)); /* and destroyed the event */
    for (int i = 0; i < 2; i++) {
        holds(at[i], i ? LARGE : SMALL, (unsigned char)(0x20 + i));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcOpenMemHandle_v2(&again, handles[1], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
        CU(cuIpcCloseMemHandle(at[i]));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(at[i]));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(at[i], 0, 1));
    }
    say(from[1], "c", 1);
    hear(to[0], handles, sizeof handles[0]); /* one more, whose owner then ends */
    CU(cuIpcOpenMemHandle_v2(&at[0], handles[0], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS));
    say(from[1], "o", 1);
    TRUE_OR_DIE(read(to[0], &turn, 1) == 0); /* hung up */
    usleep(100000);
    holds(at[0], SMALL, 0x77);
    CU(cuCtxDestroy_v2(context));
    return 0;
}

static void exporter(void)
{
    CUipcMemHandle handles[2], same;
    CUdeviceptr p[2], other, managed;
    size_t free0, free1, total;
    char turn;
    CUcontext context = start();
    CU(cuMemGetInfo_v2(&free0, &total));
    CU(cuMemAlloc_v2(&p[0], SMALL));
    CU(cuMemAlloc_v2(&p[1], LARGE));
    for (int i = 0; i < 2; i++) {
        CU(cuMemsetD8_v2(p[i], (unsigned char)(0x10 + i), i ? LARGE : SMALL));
        CU(cuIpcGetMemHandle(&handles[i], p[i]));
        CU(cuIpcGetMemHandle(&same, p[i]));
        TRUE_OR_DIE(memcmp(&same, &handles[i], sizeof same) == 0);
    }
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuIpcOpenMemHandle_v2(&other, handles[0], CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)); /* its own */
    CU(cuMemAllocManaged(&managed, 100, CU_MEM_ATTACH_GLOBAL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&same, managed));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcGetMemHandle(&same, 0x1000));
    CU(cuMemFree_v2(managed));
    say(to[1], handles, sizeof handles);

    CUipcEventHandle event_handle;
    CUevent event, plain;
    CUstream stream;
    uint32_t *word;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuEventCreate(&event, CU_EVENT_INTERPROCESS));
    CU(cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuIpcGetEventHandle(&event_handle, plain));
    CU(cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING));
    CU(cuIpcGetEventHandle(&event_handle, event));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuIpcOpenEventHandle(&plain, event_handle));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuMemAllocManaged(&managed, 4, CU_MEM_ATTACH_GLOBAL));
    word = (uint32_t *)(uintptr_t)managed;
    *word = 0;
    CU(cuStreamWaitValue32_v2(stream, managed, 1, CU_STREAM_WAIT_VALUE_EQ));
    CU(cuEventRecord(event, stream));
    say(to[1], &event_handle, sizeof event_handle);
    hear(from[0], &turn, 1);
    CU_FAILS(CUDA_ERROR_NOT_READY, cuEventQuery(event));
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    CU(cuEventSynchronize(event));
    holds(p[0], SMALL, 0x33);
    say(to[1], "t", 1);
    hear(from[0], &turn, 1);
    CU(cuEventQuery(event));
    CU(cuEventDestroy_v2(event));
    CU(cuStreamSynchronize(stream));
    CU(cuMemFree_v2(managed));
    for (int i = 0; i < 2; i++) holds(p[i], i ? LARGE : SMALL, (unsigned char)(0x20 + i));
    for (int i = 0; i < 2; i++) CU(cuMemFree_v2(p[i]));
    for (int i = 0; i < 2; i++) CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(p[i]));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(p[0], 0, 1));
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free0 - free1 >= SMALL + LARGE); /* charged as long as it is there */
    CU(cuMemAlloc_v2(&other, LARGE));
    TRUE_OR_DIE(other != p[1]);
    CU(cuMemsetD8_v2(other, 0xee, LARGE));
    say(to[1], "f", 1);
    hear(from[0], &turn, 1);
    CU(cuMemFree_v2(other));
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free1 == free0);
    CU(cuMemAlloc_v2(&p[0], SMALL));
    CU(cuMemsetD8_v2(p[0], 0x77, SMALL));
    CU(cuIpcGetMemHandle(&handles[0], p[0]));
    say(to[1], handles, sizeof handles[0]);
    hear(from[0], &turn, 1);
    CU(cuCtxDestroy_v2(context));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "export") == 0) {
        CUdeviceptr p;
        CUipcMemHandle handle;
        start();
        CU(cuMemAlloc_v2(&p, SMALL));
        CU(cuIpcGetMemHandle(&handle, p));
        for (size_t i = 0; i < sizeof handle; i++) printf("%02x", (unsigned char)handle.reserved[i]);
        printf("\n");
        fflush(stdout);
        return getchar() == EOF;
    }
    if (argc == 3 && strcmp(argv[1], "import") == 0) {
        CUdeviceptr p;
        CUipcMemHandle handle;
        for (size_t i = 0; i < sizeof handle; i++) {
            unsigned byte;
            TRUE_OR_DIE(sscanf(argv[2] + 2 * i, "%2x", &byte) == 1);
            handle.reserved[i] = (char)byte;
        }
        start();
        printf("%s\n", error_name(cuIpcOpenMemHandle_v2(&p, handle, CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)));
        return 0;
    }
    TRUE_OR_DIE(pipe(to) == 0 && pipe(from) == 0);
    pid_t child = fork();
    TRUE_OR_DIE(child >= 0);
    if (child == 0) {
        close(to[1]);
        close(from[0]);
        return importer();
    }
    close(to[0]);
    close(from[1]);
    exporter();
    close(to[1]);
    int status;
    TRUE_OR_DIE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("two processes used one another's memory\n");
    return 0;
}
