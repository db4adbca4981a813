// Stream-ordered allocation: from the default pool, freed in order and from another stream, the pool's counters.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void write(int *data, int n, int value)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = value + i;
}
#endif
KERNEL(write, int *, int, int)

int main()
{
    cudaStream_t a, b;
    cudaEvent_t event;
    OK(cudaStreamCreate(&a));
    OK(cudaStreamCreate(&b));
    OK(cudaEventCreate(&event));
    const int n = 5000;
    std::vector<int> out(n), wanted(n);
    for (int round = 0; round < 20; round++) {
        int *data;
        OK(cudaMallocAsync(&data, n * sizeof(int), a));
        LAUNCH(write, (n + 127) / 128, 128, 0, a)(data, n, round);
        OK(cudaEventRecord(event, a));
        OK(cudaStreamWaitEvent(b, event, 0));
        OK(cudaMemcpyAsync(out.data(), data, n * sizeof(int), cudaMemcpyDeviceToHost, b));
        OK(cudaFreeAsync(data, b));
        OK(cudaStreamSynchronize(b));
        for (int i = 0; i < n; i++) wanted[i] = round + i;
        EQUAL(out, wanted);
    }
    cudaMemPool_t pool;
    OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    uint64_t threshold = 1 << 20, got = 0, used = 1;
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &got));
    CHECK(got == threshold);
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
    CHECK(used == 0);
    int *data;
    OK(cudaMallocFromPoolAsync(&data, 4096, pool, a));
    OK(cudaStreamSynchronize(a));
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
    CHECK(used >= 4096);
    OK(cudaFree(data)); // either way may free it
    OK(cudaMemPoolTrimTo(pool, 0));
    int reuse = 0;
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolReuseFollowEventDependencies, &reuse));
    int *ordinary = device<int>(100);
    OK(cudaFreeAsync(ordinary, a));
    OK(cudaStreamSynchronize(a));
    void *much;
    FAILS(cudaErrorMemoryAllocation, cudaMallocAsync(&much, (size_t)1 << 50, a));
    return 0;
}
