// Tiled matrix multiplication through shared memory; sizes that are no multiple of the tile.
#include "../suite.h"

#ifdef __CUDACC__
template <int TILE> __global__ void multiply(const float *a, const float *b, float *c, int m, int n, int k)
{
    __shared__ float as[TILE][TILE], bs[TILE][TILE + 1];
    const int row = blockIdx.y * TILE + threadIdx.y, column = blockIdx.x * TILE + threadIdx.x;
    float sum = 0;
    for (int t = 0; t < k; t += TILE) {
        as[threadIdx.y][threadIdx.x] = row < m && t + threadIdx.x < k ? a[row * k + t + threadIdx.x] : 0;
        bs[threadIdx.y][threadIdx.x] = column < n && t + threadIdx.y < k ? b[(t + threadIdx.y) * n + column] : 0;
        __syncthreads();
#pragma unroll
        for (int i = 0; i < TILE; i++) sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
        __syncthreads();
    }
    if (row < m && column < n) c[row * n + column] = sum;
}
template __global__ void multiply<8>(const float *, const float *, float *, int, int, int);
template __global__ void multiply<16>(const float *, const float *, float *, int, int, int);
#endif
TEMPLATE_KERNEL(template <int TILE>, multiply, const float *, const float *, float *, int, int, int)

template <int TILE> void run(int m, int n, int k)
{
    std::vector<float> a = floats((size_t)m * k, 3), b = floats((size_t)k * n, 4), c((size_t)m * n);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++) sum += (double)a[i * k + l] * b[l * n + j];
            c[i * n + j] = (float)sum;
        }
    float *da = device(a), *db = device(b), *dc = device<float>(c.size());
    auto kernel = multiply<TILE>;
    LAUNCH(kernel, dim3((n + TILE - 1) / TILE, (m + TILE - 1) / TILE), dim3(TILE, TILE))(da, db, dc, m, n, k);
    DONE();
    NEAR(host(dc, c.size()), c, 1e-5);
    OK(cudaFree(da));
    OK(cudaFree(db));
    OK(cudaFree(dc));
}

int main()
{
    run<16>(64, 48, 80);
    run<16>(33, 47, 19);
    run<8>(1, 65, 7);
    run<8>(40, 40, 40);
    return 0;
}
