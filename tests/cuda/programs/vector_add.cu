// Vector addition: sizes around a block's, a grid-stride loop, doubles, offsets that no vector load could take.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void add(const float *a, const float *b, float *c, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];
}

__global__ void axpy(double alpha, const double *x, double *y, int n)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = fma(alpha, x[i], y[i]);
}
#endif
KERNEL(add, const float *, const float *, float *, int)
KERNEL(axpy, double, const double *, double *, int)

int main()
{
    for (int n : {1, 31, 32, 33, 255, 256, 257, 10000, 100003}) {
        std::vector<float> a = floats(n + 1, 1), b = floats(n + 1, 2), wanted(n);
        float *da = device(a), *db = device(b), *dc = device<float>(n + 1);
        for (int offset = 0; offset < 2; offset++) {
            for (int i = 0; i < n; i++) wanted[i] = a[i + offset] + b[i];
            LAUNCH(add, (n + 255) / 256, 256)(da + offset, db, dc + 1, n);
            DONE();
            EQUAL(host(dc + 1, n), wanted);
        }
        OK(cudaFree(da));
        OK(cudaFree(db));
        OK(cudaFree(dc));
    }

    const int n = 5000;
    std::vector<double> x(n), y(n), wanted(n);
    for (int i = 0; i < n; i++) {
        x[i] = i * 0.25;
        y[i] = 1.0 / (i + 1);
        wanted[i] = std::fma(1.5, x[i], y[i]);
    }
    double *dx = device(x), *dy = device(y);
    LAUNCH(axpy, dim3(3), dim3(128))(1.5, dx, dy, n);
    DONE();
    EQUAL(host(dy, n), wanted);
    return 0;
}
