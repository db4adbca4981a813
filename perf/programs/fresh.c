/* fresh - the first second of a program: program. Copies of 64 MiB from ordinary memory to the device, one after the other for a
 * second from the first on.
 *
 * early   nanoseconds of the median copy that began in the first 0.2 s of it
 * later   of those until 1 s
 * slow    of the slowest tenth of both
 *
 * The bytes of the last copy are compared. */
#include "device.h"

enum { EARLY_MS = 200, ALL_MS = 1000, COPIES = 4096 };

int main(void)
{
    const size_t bytes = (size_t)64 << 20;
    CUdevice device = open_device();
    CUdeviceptr memory;
    MUST(cuMemAlloc_v2(&memory, bytes));
    unsigned char *host = malloc(bytes), *check = malloc(bytes);
    uint64_t *samples = samples_of(COPIES);
    if (!host || !check) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }
    for (size_t i = 0; i < bytes; i++) host[i] = (unsigned char)(i * 31 + (i >> 12));
    uint64_t began = now_ns();
    size_t count = 0, early = 0;
    for (uint64_t at; count < COPIES && (at = now_ns()) - began < ALL_MS * UINT64_C(1000000);) {
        MUST(cuMemcpyHtoD_v2(memory, host, bytes));
        samples[count++] = now_ns() - at;
        if (at - began < EARLY_MS * UINT64_C(1000000)) early = count;
    }
    if (early == 0 || count == early) { fprintf(stderr, "%zu copies early and %zu in all: too slow to tell\n", early, count); return 1; }
    qsort(samples, early, sizeof *samples, compare_u64);
    report("early", quantile(samples, early, 0.5), "ns");
    qsort(samples + early, count - early, sizeof *samples, compare_u64);
    report("later", quantile(samples + early, count - early, 0.5), "ns");
    qsort(samples, count, sizeof *samples, compare_u64);
    report("slow", quantile(samples, count, 0.9), "ns");
    MUST(cuMemcpyDtoH_v2(check, memory, bytes));
    if (memcmp(host, check, bytes) != 0) { fprintf(stderr, "the copy arrived changed\n"); return 1; }
    MUST(cuMemFree_v2(memory));
    free(host);
    free(check);
    close_device(device);
    return 0;
}
