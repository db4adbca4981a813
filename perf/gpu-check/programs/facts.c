/* facts - what docs/REAL-GPU.md wants to know of a driver, found out on it: facts [QUICK]. One JSON object a line on stdout:
 *
 *   {"check": NUMBER in docs/REAL-GPU.md, "name": NAME, "value": NUMBER, "unit": UNIT, "verdict": "expected"|"unexpected"|"noted", "says": TEXT}
 *
 * `expected` and `unexpected` are about what the executor relies on; `noted` is a number to know. Checks that can ruin a context
 * are made last, in contexts and processes of their own. Runs on any driver; it knows nothing of Ringfence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "cuda.h"

#define MIB ((size_t)1 << 20)
#define MUST(call) must((call), #call)

static int quick;
static CUdevice device;

static const char *name_of(CUresult error)
{
    const char *name = NULL;
    return cuGetErrorName(error, &name) == CUDA_SUCCESS && name ? name : "unknown error";
}

static void must(CUresult result, const char *what)
{
    if (result == CUDA_SUCCESS) return;
    fprintf(stderr, "%s: %s (%d)\n", what, name_of(result), (int)result);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void tell(int check, const char *name, double value, const char *unit, const char *verdict, const char *says)
{
    printf("{\"check\":%d,\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"verdict\":\"%s\",\"says\":\"%s\"}\n", check, name, value, unit, verdict, says);
    fflush(stdout);
}

static const char *good(int expected) { return expected ? "expected" : "unexpected"; }

static long resident_kib(void)
{
    long pages = 0, ignored = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &ignored, &pages) != 2) pages = 0;
        fclose(file);
    }
    return pages * 4;
}

static size_t free_memory(void)
{
    size_t free = 0, total = 0;
    MUST(cuMemGetInfo_v2(&free, &total));
    return free;
}

/* ---- 1: calls that may wait for all streams ---- */

static _Atomic int released;

static void CUDA_CB hold(void *milliseconds)
{
    for (long waited = 0; !released && waited < (long)(intptr_t)milliseconds; waited++) usleep(1000);
}

static CUmemAllocationProp on_device(void)
{
    CUmemAllocationProp where = { .type = CU_MEM_ALLOCATION_TYPE_PINNED };
    where.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    where.location.id = device;
    return where;
}

static const char nothing_ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry nothing()\n{\n  ret;\n}\n";

/* `elsewhere`: the stream that is held back is another context's, as another client's is. The executor calls the first eleven when all of a
 * client's own work is done, so that is what it relies on; what they do about their own context, and those for code, is told for knowledge. */
static void waits_in(int elsewhere)
{
    const double longest = quick ? 0.2 : 1;
    CUcontext here, other_context = NULL;
    CUstream held, other;
    CUdeviceptr window, freed;
    CUmemGenericAllocationHandle memory, second = 0;
    CUmemAllocationProp where = on_device();
    CUmemAccessDesc access = { .location = where.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
    CUarray array;
    CUDA_ARRAY_DESCRIPTOR shape = { .Width = 64, .Height = 64, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1 };
    CUevent event;
    CUmodule module = NULL;
    CUfunction nothing = NULL;
    size_t granule;
    MUST(cuCtxGetCurrent(&here));
    if (elsewhere) MUST(cuCtxCreate_v2(&other_context, 0, device));
    MUST(cuStreamCreate(&held, CU_STREAM_NON_BLOCKING));
    MUST(cuCtxSetCurrent(here));
    MUST(cuMemGetAllocationGranularity(&granule, &where, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    MUST(cuMemAddressReserve(&window, 4 * granule, 0, 0, 0));
    MUST(cuMemCreate(&memory, granule, &where, 0));
    MUST(cuMemMap(window, granule, 0, memory, 0));
    MUST(cuMemSetAccess(window, granule, &access, 1));
    MUST(cuMemAlloc_v2(&freed, MIB));
    MUST(cuArrayCreate_v2(&array, &shape));
    MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    void *host = mmap(NULL, 64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (host == MAP_FAILED) { perror("mmap"); exit(1); }
    static const char *const names[] = { "cuMemSetAccess", "cuMemMap", "cuMemUnmap", "cuMemRelease", "cuMemHostRegister", "cuMemHostUnregister", "cuArrayDestroy", "cuMemFree", "cuStreamCreate", "cuStreamDestroy", "cuEventDestroy",
                                         "cuModuleLoadData", "first cuLaunchKernel", "cuModuleUnload" };
    const size_t relied_on = 11;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (i == 1) MUST(cuMemCreate(&second, granule, &where, 0));
        if (i > relied_on && module == NULL) break; /* PTX cannot be loaded here */
        released = 0;
        if (elsewhere) MUST(cuCtxSetCurrent(other_context));
        MUST(cuLaunchHostFunc(held, hold, (void *)(intptr_t)(longest * 1000)));
        MUST(cuCtxSetCurrent(here));
        usleep(20000); /* it runs by now */
        double began = seconds();
        switch (i) {
        case 0: MUST(cuMemSetAccess(window, granule, &access, 1)); break;
        case 1: MUST(cuMemMap(window + granule, granule, 0, second, 0)); break;
        case 2: MUST(cuMemUnmap(window + granule, granule)); break;
        case 3: MUST(cuMemRelease(second)); break;
        case 4: MUST(cuMemHostRegister_v2(host, 64 * MIB, CU_MEMHOSTREGISTER_PORTABLE)); break;
        case 5: MUST(cuMemHostUnregister(host)); break;
        case 6: MUST(cuArrayDestroy(array)); break;
        case 7: MUST(cuMemFree_v2(freed)); break;
        case 8: MUST(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING)); break;
        case 9: MUST(cuStreamDestroy_v2(other)); break;
        case 10: MUST(cuEventDestroy_v2(event)); break;
        case 11:
            if (cuModuleLoadData(&module, nothing_ptx) != CUDA_SUCCESS) module = NULL;
            else MUST(cuModuleGetFunction(&nothing, module, "nothing"));
            break;
        case 12: MUST(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, CU_STREAM_PER_THREAD, NULL, NULL)); break;
        default: MUST(cuModuleUnload(module)); break;
        }
        double took = seconds() - began;
        char name[80];
        snprintf(name, sizeof name, "%s, a stream of %s context held", names[i], elsewhere ? "another" : "this");
        int waited = took > longest / 2;
        int relies = elsewhere && i < relied_on;
        tell(1, name, took * 1e3, "ms", relies ? good(!waited) : "noted", !waited ? "does not wait" : relies ? "waits: it must run on another thread" : "waits");
        released = 1;
        if (elsewhere) MUST(cuCtxSetCurrent(other_context));
        MUST(cuStreamSynchronize(held));
        MUST(cuCtxSetCurrent(here));
    }
    MUST(cuMemUnmap(window, granule));
    MUST(cuMemRelease(memory));
    MUST(cuMemAddressFree(window, 4 * granule));
    if (elsewhere) MUST(cuCtxDestroy_v2(other_context)); /* its stream with it */
    else MUST(cuStreamDestroy_v2(held));
    munmap(host, 64 * MIB);
}

static void waits(void)
{
    waits_in(1);
    waits_in(0);
}

/* ---- 2: how much streams hold before a call into them waits ---- */

static void queues(void)
{
    enum { STREAMS = 64, CALLS = 512 };
    CUstream streams[STREAMS];
    CUdeviceptr memory;
    uint32_t *flag;
    CUdeviceptr flag_address;
    MUST(cuMemAlloc_v2(&memory, MIB));
    MUST(cuMemHostAlloc((void **)&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
    MUST(cuMemHostGetDevicePointer_v2(&flag_address, flag, 0));
    *(volatile uint32_t *)flag = 0;
    int count = quick ? 8 : STREAMS, calls = quick ? 128 : CALLS, supported = 1;
    for (int i = 0; i < count; i++) {
        MUST(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
        if (cuStreamWaitValue32_v2(streams[i], flag_address, 1, CU_STREAM_WAIT_VALUE_GEQ) != CUDA_SUCCESS) supported = 0;
    }
    double worst = 0, all = seconds();
    for (int j = 0; supported && j < calls; j++)
        for (int i = 0; i < count; i++) {
            double began = seconds();
            MUST(cuMemsetD8Async(memory + (size_t)i * 64, (unsigned char)j, 64, streams[i]));
            double took = seconds() - began;
            if (took > worst) worst = took;
            if (seconds() - all > 20) *(volatile uint32_t *)flag = 1; /* slow, but never stuck: that is apart()'s to end */
        }
    *(volatile uint32_t *)flag = 1;
    for (int i = 0; i < count; i++) {
        if (supported) MUST(cuStreamSynchronize(streams[i]));
        MUST(cuStreamDestroy_v2(streams[i]));
    }
    if (supported) tell(2, "longest call into held streams", worst * 1e3, "ms", good(worst < 0.1), "memsets into streams that wait for a value: 64 streams, 512 each (quick: 8, 128)");
    else tell(2, "longest call into held streams", 0, "ms", "noted", "streams cannot wait for values here");
    MUST(cuMemFreeHost(flag));
    MUST(cuMemFree_v2(memory));
}

/* ---- 3: pages of /dev/shm ---- */

static void shared_pages(void)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/ringfence-facts-%d", (int)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd < 0 || ftruncate(fd, 8 * (off_t)MIB) != 0) { tell(3, "cuMemHostRegister of /dev/shm", 0, "", "unexpected", "no shared memory can be made"); return; }
    unlink(path);
    void *memory = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(memory, 1, 8 * MIB);
    CUresult result = cuMemHostRegister_v2(memory, 8 * MIB, CU_MEMHOSTREGISTER_PORTABLE);
    tell(3, "cuMemHostRegister of /dev/shm", result, "CUresult", good(result == CUDA_SUCCESS), name_of(result));
    if (result == CUDA_SUCCESS) MUST(cuMemHostUnregister(memory));
    munmap(memory, 8 * MIB);
    close(fd);
}

/* ---- 4, 5: a fault of one context, and the others ---- */

static const char bad_ptx[] = ".version 7.0\n.target sm_70\n.address_size 64\n"
                              ".visible .entry bad()\n{\n  .reg .b64 %rd<2>;\n  .reg .b32 %r<2>;\n"
                              "  mov.u64 %rd1, 16;\n  mov.u32 %r1, 1;\n  st.global.u32 [%rd1], %r1;\n  ret;\n}\n";

static void faults(void)
{
    CUcontext innocent, guilty;
    CUmodule module;
    CUfunction bad;
    CUdeviceptr memory;
    MUST(cuCtxCreate_v2(&innocent, 0, device));
    MUST(cuMemAlloc_v2(&memory, MIB));
    MUST(cuCtxCreate_v2(&guilty, 0, device));
    CUresult result = cuModuleLoadData(&module, bad_ptx);
    if (result != CUDA_SUCCESS) { tell(4, "fault", result, "CUresult", "noted", "PTX cannot be loaded here"); return; }
    MUST(cuModuleGetFunction(&bad, module, "bad"));
    MUST(cuLaunchKernel(bad, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    result = cuCtxSynchronize();
    tell(4, "a kernel that writes to 16", result, "CUresult", good(result == CUDA_ERROR_ILLEGAL_ADDRESS), name_of(result));
    CUresult current = cuCtxSetCurrent(innocent);
    CUresult other = current == CUDA_SUCCESS ? cuMemsetD8_v2(memory, 1, MIB) : current;
    tell(4, "another context of the process goes on", other, "CUresult", "noted",
         other == CUDA_SUCCESS ? "a fault is its context's alone" : "a fault ruins the process: it ends its zone's executor");
    tell(5, "cuCtxSetCurrent of the ruined one", cuCtxSetCurrent(guilty), "CUresult", "noted", "succeeds or fails, and does not hang");
    cuCtxSetCurrent(innocent);
    double began = seconds();
    result = cuCtxDestroy_v2(guilty);
    tell(5, "cuCtxDestroy of the ruined one", (seconds() - began) * 1e3, "ms", "noted", name_of(result));
}

/* ---- 6: a wait that is ended from another stream of the context ---- */

static void wait_ended(void)
{
    enum { STREAMS = 64 };
    CUstream streams[STREAMS], rescue;
    uint32_t *flag;
    CUdeviceptr address;
    int count = quick ? 8 : STREAMS, supported = 1;
    MUST(cuMemHostAlloc((void **)&flag, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
    MUST(cuMemHostGetDevicePointer_v2(&address, flag, 0));
    *(volatile uint32_t *)flag = 0;
    for (int i = 0; i < count; i++) {
        MUST(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
        if (cuStreamWaitValue32_v2(streams[i], address, 1, CU_STREAM_WAIT_VALUE_GEQ) != CUDA_SUCCESS) supported = 0;
    }
    MUST(cuStreamCreate(&rescue, CU_STREAM_NON_BLOCKING));
    double began = seconds(), ended = began;
    if (supported) {
        MUST(cuStreamWriteValue32_v2(rescue, address, 1, 0));
        while ((ended = seconds()) - began < 5 && cuStreamQuery(streams[count - 1]) == CUDA_ERROR_NOT_READY) usleep(1000);
        int released_by_gpu = ended - began < 5;
        tell(6, "waits ended from another stream", (ended - began) * 1e3, "ms", good(released_by_gpu),
             released_by_gpu ? "the write does not queue behind the waits" : "the write queued behind the waits");
        *(volatile uint32_t *)flag = 1;
    } else tell(6, "waits ended from another stream", 0, "ms", "noted", "streams cannot wait for values here");
    for (int i = 0; i < count; i++) {
        if (supported) MUST(cuStreamSynchronize(streams[i]));
        MUST(cuStreamDestroy_v2(streams[i]));
    }
    MUST(cuStreamDestroy_v2(rescue));
    MUST(cuMemFreeHost(flag));
}

/* ---- 7, 8, 9: contexts ---- */

static void contexts(void)
{
    CUcontext context;
    size_t before = free_memory();
    double began = seconds();
    MUST(cuCtxCreate_v2(&context, 0, device));
    double took = seconds() - began;
    tell(7, "a second context of the process", (double)((int64_t)before - (int64_t)free_memory()) / (double)MIB, "MiB", "noted", "device memory that no quota counts");
    tell(7, "cuCtxCreate", took * 1e3, "ms", "noted", "made on another thread");
    before = free_memory();
    MUST(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 65536));
    tell(9, "a stack of 64 KiB a thread", (double)((int64_t)before - (int64_t)free_memory()) / (double)MIB, "MiB", "noted", "at cuCtxSetLimit; the driver may take it at the next launch");
    MUST(cuCtxDestroy_v2(context));
    int rounds = quick ? 50 : 500;
    for (int i = 0; i < 10; i++) { MUST(cuCtxCreate_v2(&context, 0, device)); MUST(cuCtxDestroy_v2(context)); }
    long resident = resident_kib();
    began = seconds();
    int done = 0;
    for (; done < rounds && seconds() - began < (quick ? 10 : 30); done++) { MUST(cuCtxCreate_v2(&context, 0, device)); MUST(cuCtxDestroy_v2(context)); }
    double grew = (double)(resident_kib() - resident) / done;
    tell(8, "growth for each context made and destroyed", grew, "KiB", good(grew < 64), "host memory");
    tell(8, "making and destroying one", (seconds() - began) / done * 1e3, "ms", "noted", "");
}

/* ---- 10, 11, 12, 13: memory ---- */

static void windows(void)
{
    int followed = 0, tried = 0;
    long resident = resident_kib();
    for (int i = 0; i < 16; i++) {
        CUdeviceptr hint = 0x400000000000ull + ((CUdeviceptr)i << 40), got;
        CUresult result = cuMemAddressReserve(&got, (size_t)64 << 30, 0, hint, 0);
        tried++;
        if (result != CUDA_SUCCESS) continue;
        if (got == hint) followed++;
        MUST(cuMemAddressFree(got, (size_t)64 << 30));
    }
    tell(10, "cuMemAddressReserve follows its hint", followed, "of 16", good(followed > 0), "64 GiB at 64 TiB and up");
    CUdeviceptr got;
    double began = seconds();
    CUresult result = cuMemAddressReserve(&got, (size_t)1 << 40, 0, 0x400000000000ull, 0);
    tell(10, "cuMemAddressReserve of 1 TiB", (seconds() - began) * 1e3, "ms", good(result == CUDA_SUCCESS), name_of(result));
    tell(10, "host memory for it", (double)(resident_kib() - resident) / 1024, "MiB", good(resident_kib() - resident < 64 * 1024), "");
    if (result == CUDA_SUCCESS) MUST(cuMemAddressFree(got, (size_t)1 << 40));

    CUmemAllocationProp where = on_device();
    size_t granule;
    MUST(cuMemGetAllocationGranularity(&granule, &where, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    tell(11, "granularity", (double)granule / 1024, "KiB", good((2 * MIB) % granule == 0), "must divide 2 MiB");
    CUmemAccessDesc access = { .location = where.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE };
    CUmemGenericAllocationHandle memory;
    CUdeviceptr window;
    size_t bytes = (quick ? 64 : 1024) * MIB;
    MUST(cuMemAddressReserve(&window, bytes, 0, 0, 0));
    MUST(cuMemCreate(&memory, bytes, &where, 0));
    MUST(cuMemMap(window, bytes, 0, memory, 0));
    MUST(cuMemSetAccess(window, bytes, &access, 1));
    CUcontext context;
    MUST(cuCtxCreate_v2(&context, 0, device));
    result = cuMemsetD8_v2(window, 7, MIB);
    tell(11, "mapped memory in another context", result, "CUresult", good(result == CUDA_SUCCESS), name_of(result));
    MUST(cuCtxDestroy_v2(context));
    CUstream stream;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuMemsetD32Async(window, 0, bytes / 4, stream));
    MUST(cuStreamSynchronize(stream));
    began = seconds();
    MUST(cuMemsetD32Async(window, 0, bytes / 4, stream));
    MUST(cuStreamSynchronize(stream));
    tell(13, "zeroing", (double)bytes / 1e9 / (seconds() - began), "GB/s", "noted", "cuMemsetD32Async over one mapping");
    MUST(cuStreamDestroy_v2(stream));
    MUST(cuMemUnmap(window, bytes));
    MUST(cuMemRelease(memory));
    MUST(cuMemAddressFree(window, bytes));

    enum { ARRAYS = 1000 };
    CUarray arrays[ARRAYS];
    CUDA_ARRAY_DESCRIPTOR shape = { .Width = 1, .Height = 1, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 1 };
    size_t before = free_memory();
    for (int i = 0; i < ARRAYS; i++) MUST(cuArrayCreate_v2(&arrays[i], &shape));
    tell(12, "an array of 1 x 1", (double)((int64_t)before - (int64_t)free_memory()) / ARRAYS, "bytes", "noted", "of the card; the quota counts 1");
    for (int i = 0; i < ARRAYS; i++) MUST(cuArrayDestroy(arrays[i]));
}

/* ---- 14, 15: streams ---- */

static void streams(void)
{
    int value = 0;
    MUST(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_CAN_USE_STREAM_MEM_OPS_V1, device));
    int value2 = 0;
    if (cuDeviceGetAttribute(&value2, (CUdevice_attribute)122, device) != CUDA_SUCCESS) value2 = value;
    tell(14, "streams can wait for values", value || value2, "", good(value || value2), "without it host functions answer CUDA_ERROR_NOT_SUPPORTED");
    enum { STREAMS = 64, ROUNDS = 200 };
    CUstream stream[STREAMS];
    CUevent event[STREAMS];
    CUdeviceptr memory;
    MUST(cuMemAlloc_v2(&memory, 64 * MIB));
    for (int i = 0; i < STREAMS; i++) {
        MUST(cuStreamCreate(&stream[i], CU_STREAM_NON_BLOCKING));
        MUST(cuEventCreate(&event[i], CU_EVENT_DISABLE_TIMING));
        for (int j = 0; j < 8; j++) MUST(cuMemsetD8Async(memory, 1, 64 * MIB, stream[i]));
        MUST(cuEventRecord(event[i], stream[i]));
    }
    double began = seconds();
    int busy = 0;
    for (int j = 0; j < ROUNDS; j++)
        for (int i = 0; i < STREAMS; i++) busy += cuEventQuery(event[i]) == CUDA_ERROR_NOT_READY;
    double each = (seconds() - began) / (ROUNDS * STREAMS);
    tell(15, "cuEventQuery, 64 streams under way", each * 1e9, "ns", good(each < 20e-6), busy ? "most of them not ready" : "all were done by then");
    MUST(cuCtxSynchronize());
    for (int i = 0; i < STREAMS; i++) {
        MUST(cuEventDestroy_v2(event[i]));
        MUST(cuStreamDestroy_v2(stream[i]));
    }
    MUST(cuMemFree_v2(memory));
}

/* A part in a process of its own: what it ruins or hangs in is its own. */
static void apart(const char *what, int check, void (*part)(void), int limit)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        CUcontext context;
        alarm((unsigned)limit);
        MUST(cuInit(0));
        MUST(cuDeviceGet(&device, 0));
        MUST(cuDevicePrimaryCtxRetain(&context, device));
        MUST(cuCtxSetCurrent(context));
        part();
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status == 0) return;
    char text[120];
    if (WIFSIGNALED(status)) snprintf(text, sizeof text, WTERMSIG(status) == SIGALRM ? "did not end within %d s" : "signal %d", WTERMSIG(status) == SIGALRM ? limit : WTERMSIG(status));
    else snprintf(text, sizeof text, "left with status %d; its words are on stderr", WEXITSTATUS(status));
    tell(check, what, status, "", "unexpected", text);
}

int main(int argc, char **argv)
{
    quick = argc > 1 && strcmp(argv[1], "quick") == 0;
    apart("calls that may wait", 1, waits, 120);
    apart("full streams", 2, queues, 120);
    apart("pages of /dev/shm", 3, shared_pages, 60);
    apart("waits ended", 6, wait_ended, 60);
    apart("contexts", 7, contexts, 180);
    apart("memory", 10, windows, 120);
    apart("streams", 14, streams, 120);
    apart("faults", 4, faults, 60);
    return 0;
}
