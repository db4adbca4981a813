/* engine - how fast kernels compute: tiled matrix multiply, reduction, histogram, n-body. program BASICS.ptx. Instructions of threads
 * a second and core, counted by hand from the inner loops of the PTX; references/plain.c does the same work in plain C on one core
 * and counts the same. */
#include <unistd.h>

#include "device.h"

enum { N = 256, BODIES = 1024, ELEMENTS = 1 << 21, TIMES = 3 };

static CUmodule module;
static double cores;

static CUdeviceptr words(size_t count)
{
    CUdeviceptr address;
    MUST(cuMemAlloc_v2(&address, count * 4));
    MUST(cuMemsetD32_v2(address, 0x3f000000, count));
    return address;
}

static void measure(const char *kernel, double instructions, unsigned blocks_x, unsigned blocks_y, unsigned x, unsigned y, void **arguments)
{
    CUfunction function;
    uint64_t samples[TIMES];
    MUST(cuModuleGetFunction(&function, module, kernel));
    for (int i = -1; i < TIMES; i++) { /* the first is a rehearsal */
        uint64_t begin = now_ns();
        MUST(cuLaunchKernel(function, blocks_x, blocks_y, 1, x, y, 1, 0, NULL, arguments, NULL));
        MUST(cuCtxSynchronize());
        if (i >= 0) samples[i] = now_ns() - begin;
    }
    qsort(samples, TIMES, sizeof *samples, compare_u64);
    report(kernel, instructions / cores / ((double)samples[TIMES / 2] / 1e9), "/s");
}

int main(int argc, char **argv)
{
    if (argc != 2) { fprintf(stderr, "usage: engine BASICS.ptx\n"); return 1; }
    CUdevice device = open_device();
    cores = (double)sysconf(_SC_NPROCESSORS_ONLN);
    MUST(cuModuleLoad(&module, argv[1]));
    CUdeviceptr a = words(N * N), b = words(N * N), c = words(N * N), bodies = words(BODIES * 4), moved = words(BODIES * 4), in = words(ELEMENTS), out = words(1024);
    int n = N, count = BODIES, elements = ELEMENTS;
    measure("matmul", 3.0 * N * N * N, N / 16, N / 16, 16, 16, (void *[]){&a, &b, &c, &n});
    measure("nbody", 17.0 * BODIES * BODIES, BODIES / 128, 1, 128, 1, (void *[]){&bodies, &moved, &count});
    measure("reduce", 7.0 * ELEMENTS, 64, 1, 256, 1, (void *[]){&in, &out, &elements});
    measure("histogram", 9.0 * ELEMENTS, 64, 1, 256, 1, (void *[]){&in, &out, &elements});
    close_device(device);
    return 0;
}
