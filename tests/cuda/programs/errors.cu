// Errors that do no harm: launches that cannot be, what cudaGetLastError keeps and forgets, a reset and life after it.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void set(int *data, int value) { data[threadIdx.x] = value; }
__device__ int kept = 5;
__global__ void take(int *out) { *out = kept++; }
#else
static int kept __attribute__((unused));
#endif
KERNEL(set, int *, int)
KERNEL(take, int *)

int main()
{
    OK(cudaGetLastError());
    int *data = device<int>(1024);
    // Configurations that no device has.
    const struct {
        dim3 grid, block;
    } bad[] = {{dim3(0), dim3(1)}, {dim3(1), dim3(0)}, {dim3(1), dim3(1025)}, {dim3(1), dim3(32, 33)}, {dim3(1, 70000), dim3(1)}, {dim3(1, 1, 70000), dim3(1)}, {dim3(1), dim3(1, 1, 65)}};
    for (const auto &each : bad) {
        LAUNCH(set, each.grid, each.block)(data, 1);
        FAILS(cudaErrorInvalidConfiguration, cudaPeekAtLastError());
        FAILS(cudaErrorInvalidConfiguration, cudaGetLastError());
        OK(cudaPeekAtLastError());
    }
    LAUNCH(set, 1, 32, 1 << 20)(data, 1);
    FAILS(cudaErrorInvalidValue, cudaGetLastError());

    // An error stays until it is asked for, over calls that succeed; and only the last is kept.
    void *memory;
    FAILS(cudaErrorMemoryAllocation, cudaMalloc(&memory, (size_t)1 << 50));
    OK(cudaMemset(data, 0, 4096));
    OK(cudaDeviceSynchronize());
    FAILS(cudaErrorMemoryAllocation, cudaPeekAtLastError());
    FAILS(cudaErrorInvalidValue, cudaMemset((void *)data, 0, (size_t)1 << 45));
    FAILS(cudaErrorInvalidValue, cudaGetLastError());
    OK(cudaGetLastError());
    int device_number;
    FAILS(cudaErrorInvalidDevice, cudaSetDevice(99));
    FAILS(cudaErrorInvalidDevice, cudaGetLastError());
    OK(cudaGetDevice(&device_number));
    CHECK(device_number == 0);
    CHECK(std::string(cudaGetErrorString(cudaErrorMemoryAllocation)) == "out of memory");

    // Nothing of it has hurt the context.
    LAUNCH(set, 1, 1024)(data, 7);
    DONE();
    EQUAL(host(data, 1024), std::vector<int>(1024, 7));

    // A reset ends all memory, streams and variables' values; the program goes on.
    int *out = device<int>(1);
    for (int i = 5; i < 8; i++) {
        LAUNCH(take, 1, 1)(out);
        DONE();
        EQUAL(host(out, 1), std::vector<int>{i});
    }
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    size_t before, after, total;
    OK(cudaMemGetInfo(&before, &total));
    int *large = device<int>(8 << 20);
    (void)large;
    for (int round = 0; round < 3; round++) {
        OK(cudaDeviceReset());
        OK(cudaDeviceSynchronize());
        OK(cudaMemGetInfo(&after, &total));
        CHECK(after >= before);
        out = device<int>(1);
        LAUNCH(take, 1, 1)(out);
        DONE();
        EQUAL(host(out, 1), std::vector<int>{5});
        OK(cudaStreamCreate(&stream));
        LAUNCH(take, 1, 1, 0, stream)(out);
        OK(cudaStreamSynchronize(stream));
        EQUAL(host(out, 1), std::vector<int>{6});
    }
    return 0;
}
