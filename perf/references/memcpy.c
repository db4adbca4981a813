/* memcpy - the limit of a copy: the C library's memcpy of one ordinary buffer to another. program [BYTES] [COPIES] */
#include "../programs/turns.h"

int main(int argc, char **argv)
{
    size_t bytes = number_argument(argc, argv, 1, (size_t)64 << 20);
    size_t copies = number_argument(argc, argv, 2, 8);
    unsigned char *from = malloc(bytes), *to = malloc(bytes);
    if (!from || !to || bytes == 0) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }
    for (size_t i = 0; i < bytes; i++) from[i] = (unsigned char)(i * 31 + (i >> 12));
    uint64_t *samples = samples_of(copies);
    turns_open();
    while (turn_begins()) {
        for (size_t i = 0; i < copies + 1; i++) {
            from[i % bytes]++; /* each copy differs, and the last one is looked at: none can be dropped */
            uint64_t begin = now_ns();
            memcpy(to, from, bytes);
            if (i >= 1) samples[i - 1] = now_ns() - begin;
        }
        qsort(samples, copies, sizeof *samples, compare_u64);
        report("rate", (double)bytes / quantile(samples, copies, 0.5), "GB/s");
        turn_ends();
    }
    turns_close();
    if (memcmp(from, to, bytes) != 0) { fprintf(stderr, "the copy arrived changed\n"); return 1; }
    return 0;
}
