/* posted - calls that nobody waits for: program [event-record|memset|launch] [CALLS].
 *
 * client      nanoseconds of one call in the calling thread: the median of bursts that fit any queue, each posted after
 *             the stream ran empty
 * client_cpu  the same in CPU time of the thread, which a machine with company does not change
 * sustained   calls a second when it never stops: CALLS calls and one synchronise */
#include "kernel.h"

enum { BURST = 200, BURSTS = 200 };

static CUstream stream;
static CUevent event;
static CUdeviceptr memory;
static CUfunction noop;
static enum { RECORD, SET, LAUNCH } what;

static inline void post(void)
{
    static const char *const names[] = { "cuEventRecord", "cuMemsetD8Async", "cuLaunchKernel" };
    CUresult result = what == RECORD ? cuEventRecord(event, stream) : what == SET ? cuMemsetD8Async(memory, 7, 4, stream) : launch(noop, NULL, stream);
    if (result != CUDA_SUCCESS) must(result, names[what]);
}

int main(int argc, char **argv)
{
    what = argc > 1 && strcmp(argv[1], "memset") == 0 ? SET : argc > 1 && strcmp(argv[1], "launch") == 0 ? LAUNCH : RECORD;
    size_t calls = number_argument(argc, argv, 2, 200000);
    CUdevice device = open_device();
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    MUST(cuMemAlloc_v2(&memory, 4096));
    if (what == LAUNCH) noop = kernel("noop");

    uint64_t *wall = samples_of(BURSTS), *cpu = samples_of(BURSTS);
    for (int i = -20; i < BURSTS; i++) {
        uint64_t cpu_begin = thread_ns(), begin = now_ns();
        for (int j = 0; j < BURST; j++) post();
        uint64_t end = now_ns(), cpu_end = thread_ns();
        MUST(cuStreamSynchronize(stream));
        if (i < 0) continue;
        wall[i] = end - begin;
        cpu[i] = cpu_end - cpu_begin;
    }
    qsort(wall, BURSTS, sizeof *wall, compare_u64);
    qsort(cpu, BURSTS, sizeof *cpu, compare_u64);
    report("client", quantile(wall, BURSTS, 0.5) / BURST, "ns");
    report("client_cpu", quantile(cpu, BURSTS, 0.5) / BURST, "ns");

    for (size_t i = 0; i < calls / 5; i++) post();
    MUST(cuStreamSynchronize(stream));
    uint64_t begin = now_ns();
    for (size_t i = 0; i < calls; i++) post();
    MUST(cuStreamSynchronize(stream));
    report("sustained", (double)calls * 1e9 / (double)(now_ns() - begin), "/s");

    MUST(cuMemFree_v2(memory));
    MUST(cuEventDestroy_v2(event));
    MUST(cuStreamDestroy_v2(stream));
    close_device(device);
    return 0;
}
