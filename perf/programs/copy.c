/* copy - bulk copies: program [h2d|d2h] [pageable|pinned] [BYTES] [COPIES].
 *
 * rate  gigabytes (10^9) a second of the median synchronous copy. The bytes are compared with what they should be after
 *       the timed copies, so that a fast copy of nothing cannot pass. */
#include "device.h"
#include "turns.h"

int main(int argc, char **argv)
{
    int up = argc < 2 || strcmp(argv[1], "h2d") == 0;
    int pinned = argc > 2 && strcmp(argv[2], "pinned") == 0;
    size_t bytes = number_argument(argc, argv, 3, (size_t)64 << 20);
    size_t copies = number_argument(argc, argv, 4, 8);
    CUdevice device = open_device();
    CUdeviceptr memory;
    unsigned char *host, *check = malloc(bytes);
    MUST(cuMemAlloc_v2(&memory, bytes));
    if (pinned) MUST(cuMemHostAlloc((void **)&host, bytes, 0));
    else host = malloc(bytes);
    if (!host || !check) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }

    for (size_t i = 0; i < bytes; i++) check[i] = (unsigned char)(i * 31 + (i >> 12));
    if (up) memcpy(host, check, bytes);
    else {
        memset(host, 0xee, bytes);
        MUST(cuMemcpyHtoD_v2(memory, check, bytes));
    }
    uint64_t *samples = samples_of(copies);
    turns_open();
    while (turn_begins()) {
        for (size_t i = 0; i < copies + 1; i++) {
            uint64_t begin = now_ns();
            if (up) MUST(cuMemcpyHtoD_v2(memory, host, bytes));
            else MUST(cuMemcpyDtoH_v2(host, memory, bytes));
            if (i >= 1) samples[i - 1] = now_ns() - begin;
        }
        qsort(samples, copies, sizeof *samples, compare_u64);
        report("rate", (double)bytes / quantile(samples, copies, 0.5), "GB/s");
        turn_ends();
    }
    turns_close();
    if (up) {
        memset(host, 0xee, bytes);
        MUST(cuMemcpyDtoH_v2(host, memory, bytes));
    }
    if (memcmp(host, check, bytes) != 0) { fprintf(stderr, "the copy arrived changed\n"); return 1; }
    if (pinned) MUST(cuMemFreeHost(host));
    else free(host);
    free(check);
    MUST(cuMemFree_v2(memory));
    close_device(device);
    return 0;
}
