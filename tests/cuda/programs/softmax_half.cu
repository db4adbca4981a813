// Softmax of rows in half precision: half2 loads, sums in float, exponentials; and half arithmetic by itself.
#include "../suite.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>
__global__ void softmax(const __half *in, __half *out, int columns)
{
    __shared__ float partial[8];
    const __half *row = in + (size_t)blockIdx.x * columns;
    float most = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) most = fmaxf(most, __half2float(row[i]));
    for (int d = 16; d; d /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = most;
    __syncthreads();
    for (int w = 0; w < blockDim.x / 32; w++) most = fmaxf(most, partial[w]);
    __syncthreads();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += __expf(__half2float(row[i]) - most);
    for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = sum;
    __syncthreads();
    sum = 0;
    for (int w = 0; w < blockDim.x / 32; w++) sum += partial[w];
    for (int i = threadIdx.x; i < columns; i += blockDim.x) out[(size_t)blockIdx.x * columns + i] = __float2half(__expf(__half2float(row[i]) - most) / sum);
}

__global__ void pairs(const __half2 *a, const __half2 *b, __half2 *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = __hfma2(a[i], b[i], __hadd2(a[i], __float2half2_rn(0.5f)));
}
#else
struct __half;
struct __half2;
#endif
KERNEL(softmax, const __half *, __half *, int)
KERNEL(pairs, const __half2 *, const __half2 *, __half2 *, int)

// Halves as bits: the host has no such type everywhere.
static uint16_t to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint32_t sign = bits >> 16 & 0x8000, exponent = bits >> 23 & 0xff, fraction = bits & 0x7fffff;
    if (exponent < 113) { // subnormal or zero
        if (exponent < 102) return (uint16_t)sign;
        const uint32_t full = fraction | 0x800000, shift = 126 - exponent, half = full >> shift, rest = full & ((1u << shift) - 1), middle = 1u << (shift - 1);
        return (uint16_t)(sign | (half + (rest > middle || (rest == middle && (half & 1)))));
    }
    const uint32_t half = (exponent - 112) << 10 | fraction >> 13, rest = fraction & 0x1fff;
    return (uint16_t)(sign | (half + (rest > 0x1000 || (rest == 0x1000 && (half & 1)))));
}
static float to_float(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    const float value = exponent ? std::ldexp((float)(1024 + fraction), exponent - 25) : std::ldexp((float)fraction, -24);
    return half & 0x8000 ? -value : value;
}

int main()
{
    const int rows = 5, columns = 333;
    std::vector<float> values = floats(rows * columns, 10);
    std::vector<uint16_t> in(values.size());
    for (size_t i = 0; i < values.size(); i++) in[i] = to_half(values[i] * 4);
    std::vector<float> wanted(values.size()), got(values.size());
    for (int r = 0; r < rows; r++) {
        double sum = 0;
        for (int c = 0; c < columns; c++) sum += std::exp((double)to_float(in[r * columns + c]));
        for (int c = 0; c < columns; c++) wanted[r * columns + c] = (float)(std::exp((double)to_float(in[r * columns + c])) / sum);
    }
    uint16_t *din = device(in), *out = device<uint16_t>(in.size());
    LAUNCH(softmax, rows, 128)((const __half *)din, (__half *)out, columns);
    DONE();
    std::vector<uint16_t> halves = host(out, in.size());
    double sums = 0;
    for (size_t i = 0; i < halves.size(); i++) sums += got[i] = to_float(halves[i]);
    for (size_t i = 0; i < halves.size(); i++) CHECK(std::fabs(got[i] - wanted[i]) <= 0.001f * wanted[i] + 1e-6f);
    CHECK(std::fabs(sums - rows) < 0.01);

    const int n = 500;
    std::vector<uint16_t> a(2 * n), b(2 * n), exact(2 * n);
    for (int i = 0; i < 2 * n; i++) {
        a[i] = to_half(values[i]);
        b[i] = to_half(values[i + 100] * 3);
        exact[i] = to_half((float)((double)to_float(a[i]) * to_float(b[i]) + to_float(to_half(to_float(a[i]) + 0.5f))));
    }
    uint16_t *da = device(a), *db = device(b), *dc = device<uint16_t>(2 * n);
    LAUNCH(pairs, (n + 63) / 64, 64)((const __half2 *)da, (const __half2 *)db, (__half2 *)dc, n);
    DONE();
    EQUAL(host(dc, 2 * n), exact);
    return 0;
}
