// Half precision and cooperative groups.
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
namespace cg = cooperative_groups;

extern "C" __global__ void softmax(const __half *in, __half *out, int n) { // a warp a row
    int row = blockIdx.x, lane = threadIdx.x;
    float most = -1e30f, sum = 0;
    for (int i = lane; i < n; i += 32) most = fmaxf(most, __half2float(in[row * n + i]));
    for (int d = 16; d; d /= 2) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
    for (int i = lane; i < n; i += 32) sum += __expf(__half2float(in[row * n + i]) - most);
    for (int d = 16; d; d /= 2) sum += __shfl_xor_sync(~0u, sum, d);
    for (int i = lane; i < n; i += 32) out[row * n + i] = __float2half(__expf(__half2float(in[row * n + i]) - most) / sum);
}

extern "C" __global__ void half2_math(const __half2 *a, const __half2 *b, __half2 *out, __nv_bfloat162 *bout) {
    int i = threadIdx.x;
    __half2 x = a[i], y = b[i];
    out[4 * i] = __hadd2(x, y);
    out[4 * i + 1] = __hmul2(x, y);
    out[4 * i + 2] = __hfma2(x, y, x);
    out[4 * i + 3] = __hmax2(x, __hsub2(x, y));
    __nv_bfloat162 p = __floats2bfloat162_rn(__low2float(x), __high2float(x)), q = __floats2bfloat162_rn(__low2float(y), __high2float(y));
    bout[2 * i] = __hfma2(p, q, p);
    bout[2 * i + 1] = __hadd2(p, q);
}

extern "C" __global__ void groups(const int *in, int *out) {
    cg::thread_block block = cg::this_thread_block();
    cg::thread_block_tile<8> tile = cg::tiled_partition<8>(block);
    int v = in[block.thread_rank()];
    int sum = cg::reduce(tile, v, cg::plus<int>());
    int most = cg::reduce(tile, v, cg::greater<int>());
    int extra = 0;
    if (v % 3 == 0) {
        cg::coalesced_group active = cg::coalesced_threads();
        extra = active.size() * 1000 + active.thread_rank();
    }
    block.sync();
    out[3 * block.thread_rank()] = sum;
    out[3 * block.thread_rank() + 1] = most;
    out[3 * block.thread_rank() + 2] = extra;
}

extern "C" __global__ void grid_sync(int *data, int *out, int rounds) { // every block needs every other block's last round
    cg::grid_group grid = cg::this_grid();
    int i = blockIdx.x, n = gridDim.x;
    for (int r = 0; r < rounds; r++) {
        if (threadIdx.x == 0) {
            int sum = 0;
            for (int k = 0; k < n; k++) sum += data[(r & 1) * n + k];
            data[(1 - (r & 1)) * n + i] = sum % 1000 + i;
        }
        grid.sync();
    }
    if (threadIdx.x == 0) out[i] = data[(rounds & 1) * n + i];
}
