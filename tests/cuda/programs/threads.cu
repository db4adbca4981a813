// Several host threads on one device: streams of their own, the default stream, errors that are each thread's, memory freed by another.
#include "../suite.h"

#include <thread>

#ifdef __CUDACC__
__global__ void add_all(int *data, int n, int by)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&data[i], by);
}
#endif
KERNEL(add_all, int *, int, int)

int main()
{
    const int n = 2000, threads = 6, rounds = 20;
    int *shared = device(std::vector<int>(n, 0)), *handed[threads];
    std::vector<std::thread> workers;
    for (int t = 0; t < threads; t++)
        workers.emplace_back([=, &handed] {
            OK(cudaGetLastError());
            cudaStream_t own;
            OK(cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking));
            int *mine;
            OK(cudaMalloc(&mine, n * sizeof(int)));
            OK(cudaMemsetAsync(mine, 0, n * sizeof(int), own));
            for (int r = 0; r < rounds; r++) {
                LAUNCH(add_all, (n + 127) / 128, 128, 0, own)(mine, n, t);
                LAUNCH(add_all, (n + 127) / 128, 128)(shared, n, 1);
            }
            if (t % 2) {
                FAILS(cudaErrorInvalidValue, cudaMemset(mine, 0, (size_t)1 << 45));
                FAILS(cudaErrorInvalidValue, cudaGetLastError());
            }
            OK(cudaGetLastError());
            OK(cudaStreamSynchronize(own));
            EQUAL(host(mine, n), std::vector<int>(n, t * rounds));
            OK(cudaStreamSynchronize(cudaStreamPerThread));
            OK(cudaStreamSynchronize(0));
            OK(cudaStreamDestroy(own));
            handed[t] = mine;
        });
    for (std::thread &worker : workers) worker.join();
    DONE();
    EQUAL(host(shared, n), std::vector<int>(n, threads * rounds));
    for (int *memory : handed) OK(cudaFree(memory));

    // Launches of threads that end at once are not lost.
    for (int i = 0; i < 30; i++) std::thread([=] { LAUNCH(add_all, (n + 127) / 128, 128, 0, cudaStreamLegacy)(shared, n, 1); }).join();
    DONE();
    EQUAL(host(shared, n), std::vector<int>(n, threads * rounds + 30));
    return 0;
}
