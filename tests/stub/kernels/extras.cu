// Kernels for tests/stub/c/kernels.c beside those of tests/ptx/programs: what only the driver can show. extras.ptx is
//   nvcc -ptx -gencode arch=compute_80,code=compute_80 extras.cu
#include <cstdio>

extern "C" {

__managed__ int shared_by_both = 17;
__device__ int per_context = 5;
__device__ unsigned arrived;
__device__ volatile unsigned generation;

// A barrier of the whole grid: only a cooperative launch is sure to pass it.
__global__ void everybody(int *out, int rounds) {
    int mine = blockIdx.x * blockDim.x + threadIdx.x, all = gridDim.x * blockDim.x;
    for (int r = 0; r < rounds; r++) {
        out[mine] = r + 1;
        __threadfence();
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned g = generation;
            if (atomicAdd(&arrived, 1) == gridDim.x - 1) {
                arrived = 0;
                __threadfence();
                generation = g + 1;
            } else {
                while (generation == g) {}
            }
        }
        __syncthreads();
        int seen = ((volatile int *)out)[(mine + blockDim.x) % all];
        if (seen < r + 1) out[mine] = -1000000;
    }
}

// Needs more shared memory than a block has by default.
__global__ void large_shared(int *out, int n) {
    extern __shared__ int big[];
    for (int i = threadIdx.x; i < n; i += blockDim.x) big[i] = i;
    __syncthreads();
    for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = big[n - 1 - i];
}

__global__ void managed(int *out) { out[threadIdx.x] = shared_by_both + per_context; shared_by_both = 99; per_context += 1; }

__global__ void __launch_bounds__(64) bounded(int *out) { out[threadIdx.x] = threadIdx.x; }

__global__ void print_block() { if (threadIdx.x == 0) printf("block %d\n", blockIdx.x); }

// Walks far: blocks of memory that lie in several pieces of the card.
__global__ void fill_far(unsigned *p, unsigned long long n) {
    for (unsigned long long i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) p[i * 997 % n] = (unsigned)(i * 997 % n);
}

__global__ void leak_heap(unsigned long long *out, unsigned long long size) { out[threadIdx.x] = (unsigned long long)malloc(size); }

}
