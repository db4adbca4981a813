// Transposing through a padded tile of shared memory; four element types.
#include "../suite.h"

#ifdef __CUDACC__
template <class T> __global__ void transpose(const T *in, T *out, int width, int height)
{
    __shared__ T tile[32][33];
    int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += blockDim.y)
        if (x < width && y + j < height) tile[threadIdx.y + j][threadIdx.x] = in[(y + j) * width + x];
    __syncthreads();
    x = blockIdx.y * 32 + threadIdx.x, y = blockIdx.x * 32 + threadIdx.y;
    for (int j = 0; j < 32; j += blockDim.y)
        if (x < height && y + j < width) out[(y + j) * height + x] = tile[threadIdx.x][threadIdx.y + j];
}
template __global__ void transpose<char>(const char *, char *, int, int);
template __global__ void transpose<short>(const short *, short *, int, int);
template __global__ void transpose<float>(const float *, float *, int, int);
template __global__ void transpose<double>(const double *, double *, int, int);
#endif
TEMPLATE_KERNEL(template <class T>, transpose, const T *, T *, int, int)

template <class T> void run(int width, int height)
{
    std::vector<T> in((size_t)width * height), wanted(in.size());
    for (size_t i = 0; i < in.size(); i++) in[i] = (T)(i % 113);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) wanted[(size_t)x * height + y] = in[(size_t)y * width + x];
    T *din = device(in), *out = device<T>(in.size());
    auto kernel = transpose<T>;
    LAUNCH(kernel, dim3((width + 31) / 32, (height + 31) / 32), dim3(32, 8))(din, out, width, height);
    DONE();
    EQUAL(host(out, in.size()), wanted);
}

int main()
{
    run<char>(100, 37);
    run<short>(64, 64);
    run<float>(33, 95);
    run<double>(1, 130);
    return 0;
}
