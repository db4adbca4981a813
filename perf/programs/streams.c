/* streams - copies on several streams at once: program [h2d|d2h] BYTES STREAMS...
 *
 * rate_N  gigabytes (10^9) a second of all together: on each of N streams asynchronous copies of BYTES from (to) pinned
 *         memory of its own, one after the other, until the sum of all is 256 MiB; the median of five such rounds */
#include "device.h"

enum { MOST = 32, ROUNDS = 5 };

int main(int argc, char **argv)
{
    int up = argc < 2 || strcmp(argv[1], "h2d") == 0;
    size_t bytes = number_argument(argc, argv, 2, (size_t)4 << 20), total = (size_t)256 << 20;
    CUstream streams[MOST];
    CUdeviceptr memory[MOST];
    void *host[MOST];
    CUdevice device = open_device();
    for (int i = 3; i < argc; i++) {
        size_t count = number_argument(argc, argv, i, 1), each = total / bytes / (count ? count : 1);
        if (count < 1 || count > MOST || each < 1) { fprintf(stderr, "1 to %d streams, and at least one copy each\n", MOST); return 2; }
        for (size_t j = 0; j < count; j++) {
            MUST(cuStreamCreate(&streams[j], CU_STREAM_NON_BLOCKING));
            MUST(cuMemAlloc_v2(&memory[j], bytes));
            MUST(cuMemHostAlloc(&host[j], bytes, 0));
            memset(host[j], (int)j + 1, bytes);
            MUST(cuMemcpyHtoD_v2(memory[j], host[j], bytes));
        }
        uint64_t samples[ROUNDS];
        for (int round = -1; round < ROUNDS; round++) {
            uint64_t begin = now_ns();
            for (size_t k = 0; k < each; k++)
                for (size_t j = 0; j < count; j++) {
                    if (up) MUST(cuMemcpyHtoDAsync_v2(memory[j], host[j], bytes, streams[j]));
                    else MUST(cuMemcpyDtoHAsync_v2(host[j], memory[j], bytes, streams[j]));
                }
            for (size_t j = 0; j < count; j++) MUST(cuStreamSynchronize(streams[j]));
            if (round >= 0) samples[round] = now_ns() - begin;
        }
        for (size_t j = 0; j < count; j++) {
            memset(host[j], 0, bytes);
            MUST(cuMemcpyDtoH_v2(host[j], memory[j], bytes));
            for (size_t k = 0; k < bytes; k++)
                if (((unsigned char *)host[j])[k] != j + 1) { fprintf(stderr, "stream %zu: byte %zu arrived changed\n", j, k); return 1; }
            MUST(cuMemFreeHost(host[j]));
            MUST(cuMemFree_v2(memory[j]));
            MUST(cuStreamDestroy_v2(streams[j]));
        }
        qsort(samples, ROUNDS, sizeof *samples, compare_u64);
        char name[40];
        snprintf(name, sizeof name, "rate_%zu", count);
        report(name, (double)(each * count * bytes) / quantile(samples, ROUNDS, 0.5), "GB/s");
    }
    close_device(device);
    return 0;
}
