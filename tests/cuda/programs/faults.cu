// Kernels that fault: the error comes with the next call that waits, stays for every call, and ends with a reset.
#include "../suite.h"

#ifdef __CUDACC__
#include <cassert>
__global__ void write_to(int *where) { where[threadIdx.x] = 1; }
__global__ void halves(char *memory) { *(int *)(memory + 1) = 1; }
__global__ void stop() { __trap(); }
__global__ void insist(int n) { assert((int)threadIdx.x < n); }
__global__ void fine(int *out) { *out = 42; }
#endif
KERNEL(write_to, int *)
KERNEL(halves, char *)
KERNEL(stop)
KERNEL(insist, int)
KERNEL(fine, int *)

static void after(cudaError_t error)
{
    FAILS(error, cudaDeviceSynchronize());
    FAILS(error, cudaGetLastError());
    // It does not go away by being asked for.
    void *memory;
    FAILS(error, cudaMalloc(&memory, 16));
    FAILS(error, cudaDeviceSynchronize());
    int *out = nullptr;
    LAUNCH(fine, 1, 1)(out);
    FAILS(error, cudaGetLastError());
    OK(cudaDeviceReset());
    (void)cudaGetLastError();
    out = device<int>(1);
    LAUNCH(fine, 1, 1)(out);
    DONE();
    EQUAL(host(out, 1), std::vector<int>{42});
}

int main()
{
    LAUNCH(write_to, 1, 32)((int *)0x10);
    after(cudaErrorIllegalAddress);
    LAUNCH(write_to, 2, 64)(device<int>(64) + (1 << 28));
    after(cudaErrorIllegalAddress);
    LAUNCH(halves, 1, 1)((char *)device<int>(4));
    after(cudaErrorMisalignedAddress);
    LAUNCH(stop, 1, 1)();
    after(cudaErrorLaunchFailure);
    LAUNCH(insist, 1, 8)(8);
    DONE();
    LAUNCH(insist, 1, 8)(7);
    after(cudaErrorAssert);
    return 0;
}
