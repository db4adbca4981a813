// A histogram: atomics in shared memory, then in global memory; and one per warp without sharing.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void histogram(const unsigned char *bytes, unsigned *bins, int n)
{
    __shared__ unsigned own[256];
    for (int i = threadIdx.x; i < 256; i += blockDim.x) own[i] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&own[bytes[i]], 1u);
    __syncthreads();
    for (int i = threadIdx.x; i < 256; i += blockDim.x)
        if (own[i]) atomicAdd(&bins[i], own[i]);
}

// Four bytes at a time, and the counters' order of turns by compare-and-swap.
__global__ void packed(const uchar4 *bytes, unsigned *bins, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    const uchar4 four = bytes[i];
    for (unsigned char byte : {four.x, four.y, four.z, four.w}) {
        unsigned seen = bins[byte], before;
        while ((before = atomicCAS(&bins[byte], seen, seen + 1)) != seen) seen = before;
    }
}
#endif
KERNEL(histogram, const unsigned char *, unsigned *, int)
KERNEL(packed, const uchar4 *, unsigned *, int)

int main()
{
    const int n = 40000;
    std::vector<unsigned char> bytes(n);
    Random random(7);
    for (unsigned char &byte : bytes) byte = (unsigned char)(random.next() % 7 ? random.next() % 40 : random.next());
    std::vector<unsigned> wanted(256);
    for (unsigned char byte : bytes) wanted[byte]++;
    unsigned char *dbytes = device(bytes);
    unsigned *bins = device<unsigned>(256);
    OK(cudaMemset(bins, 0, 1024));
    LAUNCH(histogram, 10, 256)(dbytes, bins, n);
    DONE();
    EQUAL(host(bins, 256), wanted);
    OK(cudaMemset(bins, 0, 1024));
    LAUNCH(packed, (n / 4 + 63) / 64, 64)((const uchar4 *)dbytes, bins, n / 4);
    DONE();
    EQUAL(host(bins, 256), wanted);
    return 0;
}
