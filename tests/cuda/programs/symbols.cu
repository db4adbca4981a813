// Variables of the device: constant memory, copies to and from symbols, their addresses and sizes; device function pointers,
// virtual functions of objects made on the device, recursion.
#include "../suite.h"

__constant__ float coefficients[8];
__device__ int counters[100];
__device__ double scale;

#ifdef __CUDACC__
__global__ void polynomial(const float *x, float *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float value = 0;
    for (int k = 7; k >= 0; k--) value = value * x[i] + coefficients[k];
    y[i] = value * (float)scale;
    atomicAdd(&counters[i % 100], 1);
}

typedef int operation(int, int);
__device__ __noinline__ int plus(int a, int b) { return a + b; }
__device__ __noinline__ int minus(int a, int b) { return a - b; }
__device__ __noinline__ int power(int a, int b) { return b <= 0 ? 1 : a * power(a, b - 1); }
__device__ operation *const table[] = {plus, minus, power};
__global__ void by_pointer(int *out, int a, int b)
{
    operation *chosen = table[threadIdx.x % 3];
    out[threadIdx.x] = chosen(a + threadIdx.x, b);
}

struct Shape {
    __device__ virtual float area() const = 0;
    __device__ virtual ~Shape() {}
};
struct Square : Shape {
    float side;
    __device__ Square(float side) : side(side) {}
    __device__ float area() const override { return side * side; }
};
struct Circle : Shape {
    float radius;
    __device__ Circle(float radius) : radius(radius) {}
    __device__ float area() const override { return 3 * radius * radius; }
};
__global__ void virtuals(float *out)
{
    Shape *shape = threadIdx.x % 2 ? (Shape *)new Square(threadIdx.x) : (Shape *)new Circle(threadIdx.x);
    out[threadIdx.x] = shape ? shape->area() : -1;
    delete shape;
}
#endif
KERNEL(polynomial, const float *, float *, int)
KERNEL(by_pointer, int *, int, int)
KERNEL(virtuals, float *)

int main()
{
    const int n = 1000;
    const float c[8] = {1, -2, 0.5f, 3, 0, 0, -1, 0.25f};
    OK(cudaMemcpyToSymbol(coefficients, c, 4 * sizeof(float)));
    OK(cudaMemcpyToSymbolAsync(coefficients, c + 4, 4 * sizeof(float), 4 * sizeof(float), cudaMemcpyHostToDevice, 0));
    const double twice = 2;
    OK(cudaMemcpyToSymbol(scale, &twice, sizeof twice));
    size_t size = 0;
    OK(cudaGetSymbolSize(&size, counters));
    CHECK(size == 400);
    void *address = nullptr;
    OK(cudaGetSymbolAddress(&address, counters));
    OK(cudaMemset(address, 0, size));
    std::vector<float> x = floats(n, 13), y(n);
    for (int i = 0; i < n; i++) {
        double value = 0;
        for (int k = 7; k >= 0; k--) value = value * x[i] + c[k];
        y[i] = (float)(value * 2);
    }
    float *dx = device(x), *dy = device<float>(n);
    LAUNCH(polynomial, 4, 256)(dx, dy, n);
    DONE();
    NEAR(host(dy, n), y, 1e-5);
    std::vector<int> counts(100);
    OK(cudaMemcpyFromSymbol(counts.data(), counters, 400));
    EQUAL(counts, std::vector<int>(100, 10));
    OK(cudaMemcpyFromSymbol(counts.data(), counters, 8, 392));
    FAILS(cudaErrorInvalidValue, cudaMemcpyFromSymbol(counts.data(), counters, 8, 396));
    (void)cudaGetLastError();
    static int stranger;
    FAILS(cudaErrorInvalidSymbol, cudaMemcpyToSymbol(stranger, &size, 4));
    (void)cudaGetLastError();

    int *out = device<int>(64);
    LAUNCH(by_pointer, 1, 64)(out, 2, 5);
    DONE();
    std::vector<int> wanted(64);
    for (int t = 0; t < 64; t++) {
        int a = 2 + t;
        wanted[t] = t % 3 == 0 ? a + 5 : t % 3 == 1 ? a - 5 : a * a * a * a * a;
    }
    EQUAL(host(out, 64), wanted);

    float *areas = device<float>(32);
    LAUNCH(virtuals, 1, 32)(areas);
    DONE();
    std::vector<float> area(32);
    for (int t = 0; t < 32; t++) area[t] = (float)(t % 2 ? t * t : 3 * t * t);
    EQUAL(host(areas, 32), area);
    return 0;
}
