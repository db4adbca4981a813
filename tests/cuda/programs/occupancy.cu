// Occupancy, kernels' attributes and the device's own.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void __launch_bounds__(256) bounded(float *data) { data[threadIdx.x] *= 2; }
__global__ void with_shared(float *out)
{
    __shared__ float memory[4096];
    memory[threadIdx.x] = threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = memory[blockDim.x - 1 - threadIdx.x];
}
#endif
KERNEL(bounded, float *)
KERNEL(with_shared, float *)

int main()
{
    cudaDeviceProp p;
    OK(cudaGetDeviceProperties(&p, 0));
    CHECK(p.warpSize == 32 && p.maxThreadsPerBlock == 1024 && p.major >= 8 && p.multiProcessorCount > 0 && p.totalGlobalMem > 0 && p.name[0]);
    int value;
    OK(cudaDeviceGetAttribute(&value, cudaDevAttrMultiProcessorCount, 0));
    CHECK(value == p.multiProcessorCount);

    cudaFuncAttributes a;
    OK(cudaFuncGetAttributes(&a, with_shared));
    CHECK(a.sharedSizeBytes == 16384 && a.maxThreadsPerBlock == 1024 && a.numRegs > 0 && a.ptxVersion >= 80);
    OK(cudaFuncGetAttributes(&a, bounded));
    CHECK(a.maxThreadsPerBlock == 256 && a.sharedSizeBytes == 0);

    int blocks = 0, grid = 0, block = 0;
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, bounded, 256, 0));
    CHECK(blocks > 0 && blocks <= 2048 / 256);
    int fewer = 0;
    OK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fewer, bounded, 256, 40 << 10));
    CHECK(fewer > 0 && fewer < blocks);
    OK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, bounded, 0, 0));
    CHECK(block > 0 && block <= 256 && block % 32 == 0 && grid >= p.multiProcessorCount);
    OK(cudaOccupancyMaxPotentialBlockSize(&grid, &block, with_shared, 0, 128));
    CHECK(block > 0 && block <= 128);
    FAILS(cudaErrorInvalidValue, cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, bounded, 0, 0));
    (void)cudaGetLastError();
    OK(cudaFuncSetCacheConfig(with_shared, cudaFuncCachePreferShared));
    OK(cudaFuncSetAttribute(with_shared, cudaFuncAttributePreferredSharedMemoryCarveout, 50));

    // More threads than the kernel was compiled for.
    float *data = device(std::vector<float>(1024, 1));
    LAUNCH(bounded, 1, 512)(data);
    CHECK(cudaGetLastError() != cudaSuccess);
    LAUNCH(bounded, 1, 256)(data);
    LAUNCH(with_shared, 1, 1024)(data);
    DONE();
    CHECK(host(data, 1024)[0] == 1023);

    size_t limit;
    OK(cudaDeviceSetLimit(cudaLimitStackSize, 4096));
    OK(cudaDeviceGetLimit(&limit, cudaLimitStackSize));
    CHECK(limit >= 4096);
    return 0;
}
