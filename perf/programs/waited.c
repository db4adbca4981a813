/* waited - one waited call after the other: program [stream-query|priority-range] [CALLS] [IDLE_MICROSECONDS].
 *
 * stream-query    cuStreamQuery of an empty stream: what a client that polls does; it reaches the driver each time
 * priority-range  cuCtxGetStreamPriorityRange: a call with no argument and a short answer, the nearest to a null call
 *
 * rate  calls a second, all of them; p50 ... p999 of one; tail: p99 divided by p50
 *
 * With IDLE_MICROSECONDS the program sleeps that long before each call, so that the other side sleeps too. */
#include "device.h"
#include "turns.h"

int main(int argc, char **argv)
{
    int priority = argc > 1 && strcmp(argv[1], "priority-range") == 0;
    size_t calls = number_argument(argc, argv, 2, 100000);
    unsigned idle = (unsigned)number_argument(argc, argv, 3, 0);
    CUdevice device = open_device();
    CUstream stream;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    uint64_t *samples = samples_of(calls);
    size_t warm = idle ? 5 : calls / 5;
    turns_open();
    while (turn_begins()) {
        uint64_t first = 0;
        for (size_t i = 0; i < warm + calls; i++) {
            int least, greatest;
            if (idle) usleep(idle);
            uint64_t begin = now_ns();
            if (i == warm) first = begin;
            CUresult result = priority ? cuCtxGetStreamPriorityRange(&least, &greatest) : cuStreamQuery(stream);
            uint64_t end = now_ns();
            if (result != CUDA_SUCCESS) must(result, priority ? "cuCtxGetStreamPriorityRange" : "cuStreamQuery");
            if (i >= warm) samples[i - warm] = end - begin;
        }
        report("rate", (double)calls * 1e9 / (double)(now_ns() - first), "/s");
        report_percentiles(samples, calls);
        report("tail", quantile(samples, calls, 0.99) / quantile(samples, calls, 0.5), "times");
        turn_ends();
    }
    turns_close();
    MUST(cuStreamDestroy_v2(stream));
    close_device(device);
    return 0;
}
