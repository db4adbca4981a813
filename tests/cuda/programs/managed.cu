// Managed memory: allocated and declared, written by the host and by kernels in turn, prefetched, advised, attached to a stream.
#include "../suite.h"

#ifdef __CUDACC__
__managed__ int counter = 41;
__managed__ float table[64] = {1, 2, 3};
struct List {
    int value;
    List *next;
};
__global__ void bump(int by) { atomicAdd(&counter, by); }
__global__ void square() { table[threadIdx.x] *= table[threadIdx.x]; }
__global__ void walk(List *list, int *sum)
{
    for (*sum = 0; list; list = list->next) {
        *sum += list->value;
        list->value = -list->value;
    }
}
__global__ void fill(int *data, int n, int from)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] += from + i;
}
#else
struct List {
    int value;
    List *next;
};
static int &counter = *rf::managed<int>("counter");
static float (&table)[64] = *rf::managed<float[64]>("table");
#endif
KERNEL(bump, int)
KERNEL(square)
KERNEL(walk, List *, int *)
KERNEL(fill, int *, int, int)

int main()
{
    // Used by the host before anything else of the program.
    CHECK(counter == 41 && table[2] == 3 && table[3] == 0);
    counter = 100;
    LAUNCH(bump, 2, 8)(1);
    for (int i = 0; i < 64; i++) table[i] = (float)i;
    LAUNCH(square, 1, 64)();
    DONE();
    CHECK(counter == 116);
    for (int i = 0; i < 64; i++) CHECK(table[i] == (float)(i * i));
    counter++;
    LAUNCH(bump, 1, 1)(5);
    DONE();
    CHECK(counter == 122);

    // Pointers inside managed memory mean the same on both sides.
    List *list = nullptr;
    int *sum;
    OK(cudaMallocManaged(&sum, sizeof *sum));
    for (int i = 1; i <= 10; i++) {
        List *front;
        OK(cudaMallocManaged(&front, sizeof *front));
        *front = {i, list};
        list = front;
    }
    LAUNCH(walk, 1, 1)(list, sum);
    DONE();
    CHECK(*sum == 55);
    for (List *at = list, *next; at; at = next) {
        next = at->next;
        CHECK(at->value < 0);
        OK(cudaFree(at));
    }

    const int n = 100000;
    int *data;
    OK(cudaMallocManaged(&data, n * sizeof(int)));
    cudaMemLocation gpu = {}, cpu = {};
    gpu.type = cudaMemLocationTypeDevice;
    cpu.type = cudaMemLocationTypeHost;
    memset(data, 0, n * sizeof(int));
    for (int round = 0; round < 3; round++) {
        OK(cudaMemPrefetchAsync(data, n * sizeof(int), gpu, 0, 0));
        LAUNCH(fill, (n + 255) / 256, 256)(data, n, round);
        OK(cudaMemPrefetchAsync(data, n * sizeof(int), cpu, 0, 0));
        DONE();
        for (int i = 0; i < n; i++) data[i] += 1;
    }
    for (int i = 0; i < n; i++) CHECK(data[i] == 3 * i + 6);
    OK(cudaMemAdvise(data, n * sizeof(int), cudaMemAdviseSetReadMostly, gpu));
    OK(cudaMemAdvise(data, n * sizeof(int), cudaMemAdviseUnsetReadMostly, gpu));
    std::vector<int> copy(n);
    OK(cudaMemcpy(copy.data(), data, n * sizeof(int), cudaMemcpyDefault));
    EQUAL(copy, std::vector<int>(data, data + n));
    OK(cudaMemset(data, 0, n * sizeof(int)));
    OK(cudaDeviceSynchronize());
    CHECK(data[0] == 0 && data[n - 1] == 0);
    cudaPointerAttributes a;
    OK(cudaPointerGetAttributes(&a, data));
    CHECK(a.type == cudaMemoryTypeManaged && a.devicePointer == data && a.hostPointer == data);

    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    int *own;
    OK(cudaMallocManaged(&own, 64 * sizeof(int), cudaMemAttachHost));
    memset(own, 0, 64 * sizeof(int));
    OK(cudaStreamAttachMemAsync(stream, own, 0, cudaMemAttachSingle));
    LAUNCH(fill, 1, 64, 0, stream)(own, 64, 7);
    OK(cudaStreamSynchronize(stream));
    for (int i = 0; i < 64; i++) CHECK(own[i] == 7 + i);
    OK(cudaFree(own));
    OK(cudaFree(data));
    return 0;
}
