/* alloc - device memory got and given back: program [PAIRS] [BYTES].
 *
 * pairs    cuMemAlloc + cuMemFree pairs a second
 * grant    nanoseconds of one cuMemAlloc that succeeds (median)
 * refusal  nanoseconds of one cuMemAlloc that asks for far more than there is (median) */
#include "device.h"

int main(int argc, char **argv)
{
    size_t pairs = number_argument(argc, argv, 1, 50000);
    size_t bytes = number_argument(argc, argv, 2, 4096);
    CUdevice device = open_device();
    CUdeviceptr memory;
    for (size_t i = 0; i < pairs / 5; i++) {
        MUST(cuMemAlloc_v2(&memory, bytes));
        MUST(cuMemFree_v2(memory));
    }
    uint64_t begin = now_ns();
    for (size_t i = 0; i < pairs; i++) {
        MUST(cuMemAlloc_v2(&memory, bytes));
        MUST(cuMemFree_v2(memory));
    }
    report("pairs", (double)pairs * 1e9 / (double)(now_ns() - begin), "/s");

    enum { SAMPLES = 2000 };
    uint64_t *grant = samples_of(SAMPLES), *refusal = samples_of(SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        uint64_t start = now_ns();
        MUST(cuMemAlloc_v2(&memory, bytes));
        grant[i] = now_ns() - start;
        MUST(cuMemFree_v2(memory));
        start = now_ns();
        CUresult result = cuMemAlloc_v2(&memory, (size_t)1 << 46);
        refusal[i] = now_ns() - start;
        if (result != CUDA_ERROR_OUT_OF_MEMORY) {
            fprintf(stderr, "cuMemAlloc of 64 TiB: %d instead of CUDA_ERROR_OUT_OF_MEMORY\n", (int)result);
            return 1;
        }
    }
    qsort(grant, SAMPLES, sizeof *grant, compare_u64);
    qsort(refusal, SAMPLES, sizeof *refusal, compare_u64);
    report("grant", quantile(grant, SAMPLES, 0.5), "ns");
    report("refusal", quantile(refusal, SAMPLES, 0.5), "ns");
    close_device(device);
    return 0;
}
