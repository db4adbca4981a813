// Dynamic shared memory: several arrays in one piece, more than 48 KiB after asking for it, and static memory beside it.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void reverse(const int *in, int *out, double *doubles, int n)
{
    extern __shared__ __align__(8) unsigned char memory[];
    double *d = (double *)memory;
    int *i = (int *)(d + n);
    const int t = threadIdx.x;
    d[t] = in[t] * 0.5;
    i[t] = in[t];
    __syncthreads();
    out[t] = i[n - 1 - t];
    doubles[t] = d[n - 1 - t];
}
__global__ void large(unsigned *out, int words)
{
    extern __shared__ unsigned big[];
    __shared__ unsigned small[32];
    if (threadIdx.x < 32) small[threadIdx.x] = threadIdx.x * 7;
    for (int i = threadIdx.x; i < words; i += blockDim.x) big[i] = i * 2654435761u;
    __syncthreads();
    unsigned sum = 0;
    for (int i = threadIdx.x; i < words; i += blockDim.x) sum += big[words - 1 - i] ^ small[i % 32];
    atomicAdd(out, sum);
}
#endif
KERNEL(reverse, const int *, int *, double *, int)
KERNEL(large, unsigned *, int)

int main()
{
    const int n = 200;
    std::vector<int> in = ints(n, 12), wanted(in.rbegin(), in.rend());
    std::vector<double> halves(n);
    for (int i = 0; i < n; i++) halves[i] = wanted[i] * 0.5;
    int *din = device(in), *out = device<int>(n);
    double *doubles = device<double>(n);
    LAUNCH(reverse, 1, n, n * 12)(din, out, doubles, n);
    DONE();
    EQUAL(host(out, n), wanted);
    EQUAL(host(doubles, n), halves);

    int most;
    OK(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0));
    CHECK(most > 48 << 10);
    unsigned *sum = device(std::vector<unsigned>{0});
    const int bytes = 64 << 10, words = bytes / 4;
    LAUNCH(large, 1, 256, bytes)(sum, words);
    FAILS(cudaErrorInvalidValue, cudaGetLastError());
    OK(cudaGetLastError());
    OK(cudaFuncSetAttribute(large, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    LAUNCH(large, 2, 256, bytes)(sum, words);
    DONE();
    unsigned reference = 0;
    for (int i = 0; i < words; i++) reference += (unsigned)(words - 1 - i) * 2654435761u ^ (unsigned)(i % 32 * 7);
    EQUAL(host(sum, 1), std::vector<unsigned>{2 * reference});
    FAILS(cudaErrorInvalidValue, cudaFuncSetAttribute(large, cudaFuncAttributeMaxDynamicSharedMemorySize, most + 1));
    (void)cudaGetLastError();
    return 0;
}
