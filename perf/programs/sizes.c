/* sizes - copies of many sizes: program [h2d|d2h] [pageable|pinned] BYTES...
 *
 * rate_BYTES  gigabytes (10^9) a second of the median synchronous copy of that size; the greatest is checked byte by byte */
#include "device.h"

int main(int argc, char **argv)
{
    int up = argc < 2 || strcmp(argv[1], "h2d") == 0;
    int pinned = argc > 2 && strcmp(argv[2], "pinned") == 0;
    size_t most = number_argument(argc, argv, argc - 1, 4096);
    CUdevice device = open_device();
    CUdeviceptr memory;
    unsigned char *host;
    MUST(cuMemAlloc_v2(&memory, most));
    if (pinned) MUST(cuMemHostAlloc((void **)&host, most, 0));
    else host = malloc(most);
    if (!host) { fprintf(stderr, "no memory for %zu bytes\n", most); return 1; }
    for (size_t i = 0; i < most; i++) host[i] = (unsigned char)(i * 31 + (i >> 12));
    MUST(cuMemcpyHtoD_v2(memory, host, most));
    for (int i = 3; i < argc; i++) {
        size_t bytes = number_argument(argc, argv, i, 0);
        if (bytes == 0 || bytes > most) { fprintf(stderr, "the sizes must ascend\n"); return 2; }
        size_t copies = bytes >= (size_t)256 << 20 ? 2 : bytes >= (size_t)16 << 20 ? 5 : bytes >= (size_t)1 << 20 ? 30 : 500;
        uint64_t *samples = samples_of(copies);
        for (size_t j = 0; j < copies + 1; j++) {
            uint64_t begin = now_ns();
            if (up) MUST(cuMemcpyHtoD_v2(memory, host, bytes));
            else MUST(cuMemcpyDtoH_v2(host, memory, bytes));
            if (j >= 1) samples[j - 1] = now_ns() - begin;
        }
        qsort(samples, copies, sizeof *samples, compare_u64);
        char name[40];
        snprintf(name, sizeof name, "rate_%zu", bytes);
        report(name, (double)bytes / quantile(samples, copies, 0.5), "GB/s");
        free(samples);
    }
    if (up) {
        memset(host, 0xee, most);
        MUST(cuMemcpyDtoH_v2(host, memory, most));
    }
    for (size_t i = 0; i < most; i++)
        if (host[i] != (unsigned char)(i * 31 + (i >> 12))) { fprintf(stderr, "byte %zu arrived changed\n", i); return 1; }
    if (pinned) MUST(cuMemFreeHost(host));
    else free(host);
    MUST(cuMemFree_v2(memory));
    close_device(device);
    return 0;
}
