// Prefix sums over many blocks: within a warp by shuffles, within a block through shared memory, across blocks by a second pass.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void scan_blocks(const int *in, int *out, int *sums, int n)
{
    __shared__ int warps[32];
    const int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int value = i < n ? in[i] : 0;
    for (int d = 1; d < 32; d *= 2) {
        int other = __shfl_up_sync(0xffffffff, value, d);
        if (lane >= d) value += other;
    }
    if (lane == 31) warps[warp] = value;
    __syncthreads();
    if (warp == 0) {
        int total = lane < blockDim.x / 32 ? warps[lane] : 0;
        for (int d = 1; d < 32; d *= 2) {
            int other = __shfl_up_sync(0xffffffff, total, d);
            if (lane >= d) total += other;
        }
        warps[lane] = total;
    }
    __syncthreads();
    if (warp) value += warps[warp - 1];
    if (i < n) out[i] = value;
    if (threadIdx.x == blockDim.x - 1) sums[blockIdx.x] = value;
}

__global__ void add_sums(int *out, const int *sums, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (blockIdx.x && i < n) out[i] += sums[blockIdx.x - 1];
}
#endif
KERNEL(scan_blocks, const int *, int *, int *, int)
KERNEL(add_sums, int *, const int *, int)

int main()
{
    for (int n : {1, 200, 512, 9999}) {
        std::vector<int> in = ints(n, 8), wanted(n);
        int running = 0;
        for (int i = 0; i < n; i++) wanted[i] = running += in[i];
        const int threads = 256, blocks = (n + threads - 1) / threads;
        int *din = device(in), *out = device<int>(n), *sums = device<int>(blocks), *scanned = device<int>(blocks), *rest = device<int>(1);
        LAUNCH(scan_blocks, blocks, threads)(din, out, sums, n);
        LAUNCH(scan_blocks, 1, threads)(sums, scanned, rest, blocks);
        LAUNCH(add_sums, blocks, threads)(out, scanned, n);
        DONE();
        EQUAL(host(out, n), wanted);
        EQUAL(host(rest, 1), std::vector<int>{running});
    }
    return 0;
}
