/* mix - the calls of a training step: program [STEPS]. About 330 messages a step, four of them waited for.
 *
 * step  nanoseconds of one step (median)
 *
 * Kernels are of one thread that looks at the GPU's clock until its time is over. Their lengths are spread evenly by logarithm
 * from 5 to 500 us, the same in each step and each run. */
#include "kernel.h"

enum { LAYERS = 24, KERNELS_PER_LAYER = 12, BATCH = 8192, SCRATCH = 4096 };

int main(int argc, char **argv)
{
    size_t steps = number_argument(argc, argv, 1, 12);
    CUdevice device = open_device();
    CUstream stream, side;
    CUevent layer[LAYERS], copied, done;
    CUdeviceptr input, scratch, loss;
    CUfunction spin;
    unsigned char *batch;
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < LAYERS; i++) MUST(cuEventCreate(&layer[i], CU_EVENT_DISABLE_TIMING));
    MUST(cuEventCreate(&copied, CU_EVENT_DISABLE_TIMING));
    MUST(cuEventCreate(&done, CU_EVENT_DISABLE_TIMING));
    MUST(cuMemAlloc_v2(&input, BATCH));
    MUST(cuMemAlloc_v2(&scratch, SCRATCH));
    MUST(cuMemAlloc_v2(&loss, 64));
    MUST(cuMemHostAlloc((void **)&batch, BATCH, 0));
    spin = kernel("spin");
    uint64_t lengths[LAYERS * KERNELS_PER_LAYER];
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < LAYERS * KERNELS_PER_LAYER; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        /* 5000 * 100^u, u in [0, 1): as 2^(6.64 u), without a library of mathematics */
        double u = (double)(random >> 11) / 9007199254740992.0 * 6.643856, power = 1;
        for (; u >= 1; u -= 1) power *= 2;
        lengths[i] = (uint64_t)(5000 * power * (1 + u * (0.6931 + u * (0.2402 + u * 0.0667))));
    }
    uint64_t *samples = samples_of(steps);
    for (size_t step = 0; step < steps + 1; step++) {
        uint32_t result;
        uint64_t begin = now_ns();
        memset(batch, (int)step, BATCH);
        MUST(cuMemcpyHtoDAsync_v2(input, batch, BATCH, side));
        MUST(cuEventRecord(copied, side));
        MUST(cuStreamWaitEvent(stream, copied, 0));
        MUST(cuMemsetD32Async(loss, (unsigned)step, 16, stream));
        for (int i = 0; i < LAYERS; i++) {
            for (int j = 0; j < KERNELS_PER_LAYER; j++) MUST(launch(spin, &lengths[i * KERNELS_PER_LAYER + j], stream));
            MUST(cuEventRecord(layer[i], stream));
            if (i == LAYERS / 2) { /* the loss is looked at in mid-step, as a program that prints it does */
                MUST(cuEventSynchronize(layer[i]));
                MUST(cuMemcpyDtoH_v2(&result, loss, sizeof result));
                if (result != step) { fprintf(stderr, "step %zu read %u\n", step, (unsigned)result); return 1; }
            }
        }
        MUST(cuMemsetD8Async(scratch, 0, SCRATCH, stream));
        MUST(cuEventRecord(done, stream));
        MUST(cuEventSynchronize(done));
        MUST(cuStreamSynchronize(stream));
        if (step >= 1) samples[step - 1] = now_ns() - begin;
    }
    qsort(samples, steps, sizeof *samples, compare_u64);
    report("step", quantile(samples, steps, 0.5), "ns");
    close_device(device);
    return 0;
}
