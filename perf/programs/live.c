/* live - what a lookup costs while much is alive: program COUNT...
 *
 * For each COUNT, that many allocations of 512 bytes and that many events live; a random one each time:
 *
 * memset_COUNT  nanoseconds of one cuMemsetD8Async of 4 bytes at an allocation, sustained
 * copy_COUNT    of one cuMemcpyHtoDAsync of 4 bytes to one
 * record_COUNT  of one cuEventRecord of an event
 * NAME_growth   the last count's figure divided by the first's
 *
 * The last byte pattern is read back, so that a lookup that found nothing cannot pass. The counts must ascend. */
#include "device.h"

enum { CALLS = 20000, REPEAT = 10 };

static CUdeviceptr *memory;
static CUevent *events;
static CUstream stream;
static CUdeviceptr written; /* where the last copy went */
/* Drawn and put in a row beforehand: neither the draw nor the way through the program's own arrays is what is timed. Drawn anew each time: the same ones
 * again would be a fifth of the hundred thousand. */
static union chosen {
    CUdeviceptr memory;
    CUevent event;
} *chosen;

static size_t draw(size_t count)
{
    static uint64_t random = 88172645463325252u;
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    return (uint32_t)(random >> 16) % count;
}

static double once(int kind, size_t count)
{
    static const uint32_t word = 0x01020304;
    for (size_t i = 0; i < CALLS; i++) {
        if (kind < 2) chosen[i].memory = memory[draw(count)];
        else chosen[i].event = events[draw(count)];
    }
    uint64_t begin = now_ns();
    for (size_t i = 0; i < CALLS; i++) {
        CUresult result = kind == 0 ? cuMemsetD8Async(chosen[i].memory, 7, 4, stream)
                        : kind == 1 ? cuMemcpyHtoDAsync_v2(chosen[i].memory, &word, sizeof word, stream)
                                    : cuEventRecord(chosen[i].event, stream);
        if (result != CUDA_SUCCESS) must(result, kind == 0 ? "cuMemsetD8Async" : kind == 1 ? "cuMemcpyHtoDAsync" : "cuEventRecord");
    }
    MUST(cuStreamSynchronize(stream));
    if (kind == 1) written = chosen[CALLS - 1].memory;
    return (double)(now_ns() - begin) / CALLS;
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "memset", "copy", "record" };
    double first[3] = { 0 }, last[3] = { 0 };
    size_t most = number_argument(argc, argv, argc - 1, 1000), live = 0;
    CUdevice device = open_device();
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    memory = calloc(most, sizeof *memory);
    events = calloc(most, sizeof *events);
    chosen = calloc(CALLS, sizeof *chosen);
    if (!memory || !events || !chosen) { fprintf(stderr, "no memory for %zu handles\n", most); return 1; }
    for (int i = 1; i < argc; i++) {
        size_t count = number_argument(argc, argv, i, 0);
        if (count < live || count > most || count == 0) { fprintf(stderr, "the counts must ascend\n"); return 2; }
        for (; live < count; live++) {
            MUST(cuMemAlloc_v2(&memory[live], 512));
            MUST(cuEventCreate(&events[live], CU_EVENT_DISABLE_TIMING));
        }
        for (int kind = 0; kind < 3; kind++) {
            double best = 0;
            once(kind, count);
            /* The least: what others did to the machine in between only adds. */
            for (int j = 0; j < REPEAT; j++) {
                double took = once(kind, count);
                if (j == 0 || took < best) best = took;
            }
            char name[40];
            snprintf(name, sizeof name, "%s_%zu", names[kind], count);
            report(name, best, "ns");
            if (i == 1) first[kind] = best;
            last[kind] = best;
        }
        uint32_t seen;
        MUST(cuMemcpyDtoH_v2(&seen, written, sizeof seen));
        if (seen != 0x01020304) { fprintf(stderr, "with %zu live the copy did not arrive\n", count); return 1; }
    }
    for (int kind = 0; kind < 3; kind++) {
        char name[40];
        snprintf(name, sizeof name, "%s_growth", names[kind]);
        report(name, last[kind] / first[kind], "times");
    }
    /* The rest is left to the end of the context: to free it one by one would take longer than all that was measured. */
    MUST(cuStreamDestroy_v2(stream));
    close_device(device);
    return 0;
}
