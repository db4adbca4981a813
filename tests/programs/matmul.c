/* matmul.c - a kernel of nvcc's at work: multiplies two matrices by tests/cuda/ptx/matmul.ptx and checks every element on the CPU.
 *
 *   matmul PTX-FILE [SIZE] */
#include <time.h>

#include "check.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    TRUE_OR_DIE(argc >= 2);
    int n = argc > 2 ? atoi(argv[2]) : 192;
    TRUE_OR_DIE(n > 0 && n <= 4096);
    size_t count = (size_t)n * (size_t)n, bytes = count * sizeof(float);
    float *a = malloc(bytes), *b = malloc(bytes), *c = malloc(bytes);
    TRUE_OR_DIE(a && b && c);
    for (size_t i = 0; i < count; i++) {
        a[i] = (float)(i % 13) - 6;
        b[i] = (float)(i % 7) - 3;
    }
    char name[128];
    CUcontext context;
    CUmodule module;
    CUfunction multiply;
    CUdeviceptr da, db, dc;
    CU(cuInit(0));
    CU(cuDeviceGetName(name, sizeof name, 0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuModuleLoad(&module, argv[1]));
    CU(cuModuleGetFunction(&multiply, module, "_Z8multiplyILi16EEvPKfS1_Pfiii"));
    CU(cuMemAlloc_v2(&da, bytes));
    CU(cuMemAlloc_v2(&db, bytes));
    CU(cuMemAlloc_v2(&dc, bytes));
    CU(cuMemcpyHtoD_v2(da, a, bytes));
    CU(cuMemcpyHtoD_v2(db, b, bytes));
    void *arguments[] = {&da, &db, &dc, &n, &n, &n};
    unsigned tiles = ((unsigned)n + 15) / 16;
    double start = now();
    CU(cuLaunchKernel(multiply, tiles, tiles, 1, 16, 16, 1, 0, NULL, arguments, NULL));
    CU(cuCtxSynchronize());
    double took = now() - start;
    CU(cuMemcpyDtoH_v2(c, dc, bytes));
    for (int row = 0; row < n; row++)
        for (int column = 0; column < n; column++) {
            float sum = 0; /* small integers: exact */
            for (int k = 0; k < n; k++) sum += a[row * n + k] * b[k * n + column];
            if (c[row * n + column] != sum) {
                fprintf(stderr, "element (%d, %d): %g, not %g\n", row, column, (double)c[row * n + column], (double)sum);
                return 1;
            }
        }
    printf("%s: %d x %d matrices multiplied by %u blocks of 256 threads in %.1f ms, every element as on the CPU\n", name, n, n, tiles * tiles, took);
    CU(cuCtxDestroy(context));
    return 0;
}
