// Kernel arguments: structs of odd sizes and alignments, many of them, large ones; templates over types, values and functors; lambdas.
#include "../suite.h"

struct Three {
    char bytes[3];
};
struct Mixed {
    char c;
    double d;
    short s;
};
struct Seventeen {
    unsigned char bytes[17];
};
struct __align__(16) Aligned {
    float x;
};
struct Large {
    int values[250];
};
struct Empty {};
struct Axpy {
    float a, b;
    __host__ __device__ float operator()(float x) const { return a * x + b; }
};
struct Clamp {
    int low, high;
    __host__ __device__ int operator()(int x) const { return x < low ? low : x > high ? high : x; }
};

#ifdef __CUDACC__
__global__ void odd(char first, Three three, Mixed mixed, short s, Seventeen seventeen, Aligned aligned, bool flag, long long *out)
{
    long long sum = first + three.bytes[0] + 10 * three.bytes[1] + 100 * three.bytes[2];
    sum += mixed.c + (long long)mixed.d + mixed.s + s;
    for (int i = 0; i < 17; i++) sum += seventeen.bytes[i] * (i + 1);
    out[0] = sum + (long long)aligned.x;
    out[1] = flag;
    out[2] = sizeof(Mixed) * 1000 + sizeof(Aligned);
}
__global__ void large(Large a, Large b, Empty, int *out)
{
    int i = threadIdx.x;
    if (i < 250) out[i] = a.values[i] - b.values[249 - i];
}
template <class T, class F> __global__ void apply(const T *in, T *out, int n, F f)
{
    auto twice = [&](T x) { return f(f(x)); };
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = twice(in[i]);
}
template <int N, bool Up> __global__ void shift(int *data)
{
    const int value = data[(threadIdx.x + (Up ? N : 32 - N)) % 32];
    __syncwarp();
    data[threadIdx.x] = value;
}
template __global__ void apply<float, Axpy>(const float *, float *, int, Axpy);
template __global__ void apply<int, Clamp>(const int *, int *, int, Clamp);
template __global__ void shift<3, true>(int *);
template __global__ void shift<5, false>(int *);
#endif
KERNEL(odd, char, Three, Mixed, short, Seventeen, Aligned, bool, long long *)
KERNEL(large, Large, Large, Empty, int *)
TEMPLATE_KERNEL(template <class T RF_COMMA class F>, apply, const T *, T *, int, F)
TEMPLATE_KERNEL(template <int N RF_COMMA bool Up>, shift, int *)

int main()
{
    long long *out = device<long long>(3);
    Seventeen seventeen;
    long long sum = 5 + 1 + 20 + 300 + 7 + 1000 - 9 - 300 + 12;
    for (int i = 0; i < 17; i++) {
        seventeen.bytes[i] = (unsigned char)(200 + i);
        sum += (200 + i) * (i + 1);
    }
    LAUNCH(odd, 1, 1)(5, Three{{1, 2, 3}}, Mixed{7, 1000.5, -9}, -300, seventeen, Aligned{12}, true, out);
    DONE();
    EQUAL(host(out, 3), std::vector<long long>{sum, 1, (long long)(sizeof(Mixed) * 1000 + sizeof(Aligned))});

    Large a, b;
    std::vector<int> wanted(250);
    for (int i = 0; i < 250; i++) {
        a.values[i] = i * i;
        b.values[i] = 7 * i;
    }
    for (int i = 0; i < 250; i++) wanted[i] = i * i - 7 * (249 - i);
    int *differences = device<int>(250);
    LAUNCH(large, 1, 256)(a, b, Empty{}, differences);
    DONE();
    EQUAL(host(differences, 250), wanted);

    const int n = 777;
    std::vector<float> x = floats(n, 14), y(n);
    Axpy axpy{1.5f, -0.25f};
    for (int i = 0; i < n; i++) y[i] = axpy(axpy(x[i]));
    float *dx = device(x), *dy = device<float>(n);
    auto on_floats = apply<float, Axpy>;
    LAUNCH(on_floats, (n + 63) / 64, 64)(dx, dy, n, axpy);
    DONE();
    NEAR(host(dy, n), y, 1e-6);
    std::vector<int> v = ints(n, 15), w(n);
    Clamp clamp{100, 600};
    for (int i = 0; i < n; i++) w[i] = clamp(v[i]);
    int *dv = device(v), *dw = device<int>(n);
    auto on_ints = apply<int, Clamp>;
    LAUNCH(on_ints, (n + 63) / 64, 64)(dv, dw, n, clamp);
    DONE();
    EQUAL(host(dw, n), w);

    std::vector<int> ring(32), turned(32);
    for (int i = 0; i < 32; i++) ring[i] = i;
    int *dring = device(ring);
    auto up = shift<3, true>, down = shift<5, false>;
    LAUNCH(up, 1, 32)(dring);
    LAUNCH(down, 1, 32)(dring);
    DONE();
    for (int i = 0; i < 32; i++) turned[i] = (i + 32 - 5 + 3) % 32;
    EQUAL(host(dring, 32), turned);

    // The same by cudaLaunchKernel, which takes the arguments' addresses.
    void *arguments[] = {&dring};
    OK(cudaLaunchKernel(up, dim3(1), dim3(32), arguments, 0, nullptr));
    DONE();
    for (int i = 0; i < 32; i++) turned[i] = (i + 32 - 5 + 6) % 32;
    EQUAL(host(dring, 32), turned);
    return 0;
}
