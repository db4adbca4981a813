/* shared.c - physical memory and pools that one process of a zone exports as descriptors and another imports. Two processes, forked
 * before either calls CUDA, with a socket between them that carries turns and descriptors. */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { LARGE = 4 << 20, SMALL = 1000 };

static int other;

static void say(const void *data, size_t bytes, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec piece = {(void *)(uintptr_t)data, bytes};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    TRUE_OR_DIE(sendmsg(other, &message, 0) == (ssize_t)bytes);
}

static int hear(void *data, size_t bytes)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {data, bytes};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.room};
    TRUE_OR_DIE(recvmsg(other, &message, 0) == (ssize_t)bytes);
    int fd = -1;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

static void go(void) { say("g", 1, -1); }
static void turn(void)
{
    char letter;
    hear(&letter, 1);
}

static CUcontext start(void)
{
    CUcontext context;
    int value;
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED, 0));
    TRUE_OR_DIE(value == 1);
    CU(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MEMPOOL_SUPPORTED_HANDLE_TYPES, 0));
    TRUE_OR_DIE(value == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    return context;
}

static const CUmemLocation device = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
static void *as_handle(int fd) { return (void *)(intptr_t)fd; }

static CUdeviceptr mapped(CUmemGenericAllocationHandle handle)
{
    CUdeviceptr at;
    CUmemAccessDesc access = {.location = device, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CU(cuMemAddressReserve(&at, LARGE, 0, 0, 0));
    CU(cuMemMap(at, LARGE, 0, handle, 0));
    CU(cuMemSetAccess(at, LARGE, &access, 1));
    return at;
}

static void unmapped(CUdeviceptr at)
{
    CU(cuMemUnmap(at, LARGE));
    CU(cuMemAddressFree(at, LARGE));
}

static void export_memory(void)
{
    CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = device}, back;
    CUmemGenericAllocationHandle handle, again, plain;
    size_t free0, free1, total;
    int fd, same;
    CU(cuMemGetInfo_v2(&free0, &total));
    CU(cuMemCreate(&plain, LARGE, &prop, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemExportToShareableHandle(&fd, plain, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU(cuMemRelease(plain));
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_FABRIC;
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemCreate(&plain, LARGE, &prop, 0));
    prop.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    CU(cuMemCreate(&handle, LARGE, &prop, 0));
    CU(cuMemGetAllocationPropertiesFromHandle(&back, handle));
    TRUE_OR_DIE(back.requestedHandleTypes == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
    CUdeviceptr at = mapped(handle);
    CU(cuMemsetD8_v2(at, 0x41, LARGE));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemExportToShareableHandle(NULL, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 1));
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_FABRIC, 0));
    CU(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU(cuMemExportToShareableHandle(&same, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    TRUE_OR_DIE(fd != same && write(fd, "x", 1) < 0);
    close(same);
    CU(cuMemImportFromShareableHandle(&again, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR)); /* its own, too */
    CU(cuMemRelease(again));
    say("f", 1, fd);
    turn(); /* the other has written */
    holds(at, LARGE, 0x42);
    unmapped(at);
    CU(cuMemRelease(handle));
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free0 - free1 == LARGE); /* the zone's, as long as the other has it */
    go();
    turn(); /* the other has let go */
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free1 == free0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemImportFromShareableHandle(&again, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    close(fd);
    CU(cuMemCreate(&handle, LARGE, &prop, 0)); /* left to the other when this process ends */
    at = mapped(handle);
    CU(cuMemsetD8_v2(at, 0x43, LARGE));
    CU(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    say("f", 1, fd);
    turn();
}

static CUmemGenericAllocationHandle imported;

static void import_memory(void)
{
    CUmemGenericAllocationHandle handle;
    CUmemoryPool pool;
    char letter;
    int pipes[2], fd = hear(&letter, 1);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolImportFromShareableHandle(&pool, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0)); /* no pool */
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuMemImportFromShareableHandle(&handle, as_handle(fd), CU_MEM_HANDLE_TYPE_FABRIC));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemImportFromShareableHandle(&handle, as_handle(-1), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    TRUE_OR_DIE(pipe(pipes) == 0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemImportFromShareableHandle(&handle, as_handle(pipes[0]), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    CU(cuMemImportFromShareableHandle(&handle, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    close(fd);
    CUdeviceptr at = mapped(handle);
    holds(at, LARGE, 0x41);
    CU(cuMemsetD8_v2(at, 0x42, LARGE));
    CU(cuMemRelease(handle));
    go();
    turn(); /* the exporter has let go */
    holds(at, LARGE, 0x42);
    unmapped(at);
    go();
    fd = hear(&letter, 1);
    CU(cuMemImportFromShareableHandle(&imported, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    go();
}

static void export_pool(void)
{
    CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .handleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, .location = device};
    CUmemPoolPtrExportData data[2];
    CUmemoryPool pool, common;
    CUdeviceptr p[2], own;
    CUstream stream;
    size_t free0, free1, total;
    cuuint64_t used;
    int fd;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuMemGetInfo_v2(&free0, &total));
    CU(cuDeviceGetDefaultMemPool(&common, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolExportToShareableHandle(&fd, common, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU(cuMemAllocAsync(&own, SMALL, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolExportPointer(&data[0], own));
    CU(cuMemPoolCreate(&pool, &props));
    CU(cuMemPoolExportToShareableHandle(&fd, pool, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU(cuMemAllocFromPoolAsync(&p[0], SMALL, pool, stream));
    CU(cuMemAllocFromPoolAsync(&p[1], LARGE, pool, stream));
    for (int i = 0; i < 2; i++) {
        CU(cuMemsetD8Async(p[i], (unsigned char)(0x51 + i), i ? LARGE : SMALL, stream));
        CU(cuMemPoolExportPointer(&data[i], p[i]));
    }
    CU(cuStreamSynchronize(stream));
    say(data, sizeof data, fd);
    turn(); /* the other has looked, written and freed */
    for (int i = 0; i < 2; i++) {
        holds(p[i], i ? LARGE : SMALL, (unsigned char)(0x61 + i));
        CU(cuMemFreeAsync(p[i], stream));
    }
    CU(cuStreamSynchronize(stream));
    CU(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
    TRUE_OR_DIE(used == 0);
    CU(cuMemFreeAsync(own, stream));
    CU(cuStreamDestroy_v2(stream));
    CU(cuMemPoolDestroy(pool));
    CU(cuMemGetInfo_v2(&free1, &total));
    TRUE_OR_DIE(free1 == free0);
    go();
}

static void import_pool(void)
{
    CUmemPoolPtrExportData data[2];
    CUmemoryPool pool, common, late;
    CUdeviceptr p[2], none;
    CUstream stream;
    int fd = hear(data, sizeof data);
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuDeviceGetDefaultMemPool(&common, 0));
    CU(cuMemPoolImportFromShareableHandle(&pool, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemAllocFromPoolAsync(&none, SMALL, pool, stream)); /* it is only there to import from */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuDeviceSetMemPool(0, pool));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolImportPointer(&none, common, &data[0]));
    for (int i = 0; i < 2; i++) {
        size_t bytes = i ? LARGE : SMALL;
        CU(cuMemPoolImportPointer(&p[i], pool, &data[i]));
        holds(p[i], bytes, (unsigned char)(0x51 + i));
        CU(cuMemsetD8Async(p[i], (unsigned char)(0x61 + i), bytes, stream));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuIpcCloseMemHandle(p[i]));
        if (i) CU(cuMemFreeAsync(p[i], stream));
        else CU(cuMemFree_v2(p[i]));
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(p[i], 0, bytes));
    }
    data[0].reserved[7] ^= 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolImportPointer(&none, pool, &data[0]));
    CU(cuStreamSynchronize(stream));
    CU(cuMemPoolDestroy(pool));
    go();
    turn(); /* the exporter has destroyed its pool */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemPoolImportFromShareableHandle(&late, as_handle(fd), CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    close(fd);
    CU(cuStreamDestroy_v2(stream));
}

int main(void)
{
    int pair[2];
    TRUE_OR_DIE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    pid_t child = fork();
    TRUE_OR_DIE(child >= 0);
    other = pair[child == 0];
    close(pair[child != 0]);
    CUcontext context = start();
    if (child == 0) {
        char letter;
        import_memory();
        import_pool();
        TRUE_OR_DIE(read(other, &letter, 1) == 0); /* the exporter hangs up, and destroys its context */
        usleep(100000);
        CUdeviceptr at = mapped(imported);
        holds(at, LARGE, 0x43);
        CU(cuCtxDestroy_v2(context));
        return 0;
    }
    export_memory();
    export_pool();
    CU(cuCtxDestroy_v2(context));
    close(other);
    int status;
    TRUE_OR_DIE(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    printf("two processes shared what descriptors stand for\n");
    return 0;
}
