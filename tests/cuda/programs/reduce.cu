// Reductions: shuffles of every kind, votes, warp-wide reduce instructions, atomics on integers and floats, 64-bit ones too.
#include "../suite.h"

#ifdef __CUDACC__
__device__ float warp_sum(float value)
{
    for (int d = 16; d; d /= 2) value += __shfl_down_sync(0xffffffff, value, d);
    return value;
}

__global__ void sum(const float *in, float *out, int n)
{
    __shared__ float partial[32];
    float mine = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) mine += in[i];
    mine = warp_sum(mine);
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = mine;
    __syncthreads();
    if (threadIdx.x < 32) {
        mine = warp_sum(threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0);
        if (threadIdx.x == 0) atomicAdd(out, mine);
    }
}

__global__ void integers(const int *in, int *least, int *most, unsigned long long *total, int *odd, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    int value = i < n ? in[i] : in[0];
    unsigned mask = __ballot_sync(0xffffffff, i < n && (value & 1));
    int low = value, high = value;
    for (int d = 1; d < 32; d *= 2) {
        low = min(low, __shfl_xor_sync(0xffffffff, low, d));
        high = max(high, __shfl_xor_sync(0xffffffff, high, d));
    }
    if (i < n) atomicAdd(total, (unsigned long long)value);
    if (threadIdx.x % 32 == 0) {
        atomicMin(least, low);
        atomicMax(most, high);
        atomicAdd(odd, __popc(mask));
    }
}

__global__ void lanes(int *out)
{
    int lane = threadIdx.x % 32;
    int up = __shfl_up_sync(0xffffffff, lane, 3), from = __shfl_sync(0xffffffff, lane * lane, 31 - lane), half = __shfl_sync(0xffffffff, lane, 5, 8);
    int all = __all_sync(0xffffffff, lane < 32), any = __any_sync(0xffffffff, lane == 40);
    unsigned active = lane < 20 ? __reduce_add_sync(0xfffff, (unsigned)lane) : 0;
    int *mine = out + threadIdx.x * 6;
    mine[0] = up, mine[1] = from, mine[2] = half, mine[3] = all, mine[4] = any, mine[5] = (int)active;
}
#endif
KERNEL(sum, const float *, float *, int)
KERNEL(integers, const int *, int *, int *, unsigned long long *, int *, int)
KERNEL(lanes, int *)

int main()
{
    for (int n : {1, 1000, 65537}) {
        std::vector<float> in = floats(n, 5);
        double wanted = 0;
        for (float value : in) wanted += value;
        float *din = device(in), *out = device<float>(1);
        OK(cudaMemset(out, 0, sizeof *out));
        LAUNCH(sum, 13, 192)(din, out, n);
        DONE();
        NEAR(host(out, 1), std::vector<float>{(float)wanted}, 1e-4);
    }

    const int n = 4321;
    std::vector<int> in = ints(n, 6);
    int least = in[0], most = in[0], odd = 0;
    unsigned long long total = 0;
    for (int value : in) {
        least = value < least ? value : least;
        most = value > most ? value : most;
        odd += value & 1;
        total += (unsigned)value;
    }
    int *din = device(in), *results = device(std::vector<int>{1 << 30, -1, 0});
    unsigned long long *dtotal = device(std::vector<unsigned long long>{0});
    LAUNCH(integers, (n + 127) / 128, 128)(din, results, results + 1, dtotal, results + 2, n);
    DONE();
    EQUAL(host(results, 3), std::vector<int>{least, most, odd});
    EQUAL(host(dtotal, 1), std::vector<unsigned long long>{total});

    std::vector<int> wanted;
    for (int thread = 0; thread < 64; thread++) {
        int lane = thread % 32;
        for (int value : {lane < 3 ? lane : lane - 3, (31 - lane) * (31 - lane), lane / 8 * 8 + 5, 1, 0, lane < 20 ? 190 : 0}) wanted.push_back(value);
    }
    int *out = device<int>(wanted.size());
    LAUNCH(lanes, 1, 64)(out);
    DONE();
    EQUAL(host(out, wanted.size()), wanted);
    return 0;
}
