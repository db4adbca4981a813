/* copy - bulk copies: program [h2d|d2h] [pageable|pinned] [BYTES] [COPIES].
 *
 * rate  gigabytes (10^9) a second of the median synchronous copy. The bytes are compared with what they should be after
 *       the timed copies, so that a fast copy of nothing cannot pass.
 *
 * Each turn has memory of its own at either end, PLACES in all: where in the machine's memory pages lie decides a fifth of a copy's rate, and
 * with one place for a whole run the two sides differed by that. */
#include "device.h"
#include "turns.h"

enum { PLACES = 6 };

int main(int argc, char **argv)
{
    int up = argc < 2 || strcmp(argv[1], "h2d") == 0;
    int pinned = argc > 2 && strcmp(argv[2], "pinned") == 0;
    size_t bytes = number_argument(argc, argv, 3, (size_t)64 << 20);
    size_t copies = number_argument(argc, argv, 4, 8);
    CUdevice device = open_device();
    CUdeviceptr memory[PLACES];
    unsigned char *host[PLACES], *check = malloc(bytes);
    if (!check) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }
    for (size_t i = 0; i < bytes; i++) check[i] = (unsigned char)(i * 31 + (i >> 12));
    for (int place = 0; place < PLACES; place++) {
        MUST(cuMemAlloc_v2(&memory[place], bytes));
        if (pinned) MUST(cuMemHostAlloc((void **)&host[place], bytes, 0));
        else host[place] = malloc(bytes);
        if (!host[place]) { fprintf(stderr, "no memory for %zu bytes\n", bytes); return 1; }
        if (up) memcpy(host[place], check, bytes);
        else {
            memset(host[place], 0xee, bytes);
            MUST(cuMemcpyHtoD_v2(memory[place], check, bytes));
        }
    }
    uint64_t *samples = samples_of(copies);
    turns_open();
    int used = 0;
    for (int place = 0; turn_begins(); place = (place + 1) % PLACES) {
        for (size_t i = 0; i < copies + 1; i++) {
            uint64_t begin = now_ns();
            if (up) MUST(cuMemcpyHtoD_v2(memory[place], host[place], bytes));
            else MUST(cuMemcpyDtoH_v2(host[place], memory[place], bytes));
            if (i >= 1) samples[i - 1] = now_ns() - begin;
        }
        if (used <= place) used = place + 1;
        qsort(samples, copies, sizeof *samples, compare_u64);
        report("rate", (double)bytes / quantile(samples, copies, 0.5), "GB/s");
        turn_ends();
    }
    turns_close();
    for (int place = 0; place < PLACES; place++) {
        if (up && place < used) {
            memset(host[place], 0xee, bytes);
            MUST(cuMemcpyDtoH_v2(host[place], memory[place], bytes));
        }
        if (place < used && memcmp(host[place], check, bytes) != 0) { fprintf(stderr, "the copy arrived changed\n"); return 1; }
        if (pinned) MUST(cuMemFreeHost(host[place]));
        else free(host[place]);
        MUST(cuMemFree_v2(memory[place]));
    }
    free(check);
    close_device(device);
    return 0;
}
