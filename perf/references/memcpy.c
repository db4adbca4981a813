/* memcpy - the limit of a copy: the C library's memcpy of one ordinary buffer to another. program [BYTES] [COPIES] */
#include "../programs/measure.h"

int main(int argc, char **argv)
{
    size_t bytes = number_argument(argc, argv, 1, (size_t)64 << 20);
    size_t copies = number_argument(argc, argv, 2, 8);
    unsigned char *from = malloc(bytes), *to = malloc(bytes);
    if (!from || !to || bytes == 0) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }
    for (size_t i = 0; i < bytes; i++) from[i] = (unsigned char)(i * 31 + (i >> 12));
    uint64_t *samples = samples_of(copies);
    for (size_t i = 0; i < copies + 2; i++) {
        from[i % bytes]++; /* each copy differs, and the last byte is looked at: none can be dropped */
        uint64_t begin = now_ns();
        memcpy(to, from, bytes);
        if (i >= 2) samples[i - 2] = now_ns() - begin;
    }
    if (memcmp(from, to, bytes) != 0) { fprintf(stderr, "the copy arrived changed\n"); return 1; }
    qsort(samples, copies, sizeof *samples, compare_u64);
    report("rate", (double)bytes / quantile(samples, copies, 0.5), "GB/s");
    return 0;
}
