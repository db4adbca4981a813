/* busy - one client of many that are busy at once: program. Connects, says "ready", and then for each line MILLISECONDS on its
 * input is busy for so long: waited calls (cuStreamQuery), every eighth a copy of 256 bytes to the device and back instead.
 * Then it prints one line: calls that were done within that time, the longest in nanoseconds, and how many there were per class of latency, both
 * with the one that the time's end found under way. A class is four per doubling: class c holds latencies of 2^(c/4) nanoseconds and up. */
#include "device.h"

enum { CLASSES = 160, COPY_EVERY = 8, COPY_BYTES = 256 };

static uint64_t counts[CLASSES];

static void count(uint64_t ns)
{
    unsigned log = ns ? 63u - (unsigned)__builtin_clzll(ns) : 0, c = 4 * log;
    if (log >= 2) c += (unsigned)(ns >> (log - 2)) & 3;
    counts[c < CLASSES ? c : CLASSES - 1]++;
}

int main(void)
{
    char line[64];
    unsigned char host[COPY_BYTES], back[COPY_BYTES];
    CUdevice device = open_device();
    CUstream stream;
    CUdeviceptr memory;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuMemAlloc_v2(&memory, COPY_BYTES));
    MUST(cuMemcpyHtoD_v2(memory, host, sizeof host));
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t duration = strtoull(line, NULL, 10) * 1000000, calls = 0, most = 0, begin = now_ns(), last = begin;
        memset(counts, 0, sizeof counts);
        for (;;) {
            if (calls % COPY_EVERY == COPY_EVERY - 2) {
                memset(host, (int)calls, sizeof host);
                MUST(cuMemcpyHtoD_v2(memory, host, sizeof host));
            } else if (calls % COPY_EVERY == COPY_EVERY - 1) {
                MUST(cuMemcpyDtoH_v2(back, memory, sizeof back));
                if (memcmp(host, back, sizeof host) != 0) { fprintf(stderr, "a copy came back changed\n"); return 1; }
            } else MUST(cuStreamQuery(stream));
            uint64_t now = now_ns();
            count(now - last);
            if (now - last > most) most = now - last;
            last = now;
            if (last - begin > duration) break;
            calls++;
        }
        printf("{\"calls\":%llu,\"longest\":%llu,\"classes\":{", (unsigned long long)calls, (unsigned long long)most);
        const char *comma = "";
        for (int c = 0; c < CLASSES; c++)
            if (counts[c]) { printf("%s\"%d\":%llu", comma, c, (unsigned long long)counts[c]); comma = ","; }
        printf("}}\n");
        fflush(stdout);
    }
    MUST(cuMemFree_v2(memory));
    MUST(cuStreamDestroy_v2(stream));
    close_device(device);
    return 0;
}
