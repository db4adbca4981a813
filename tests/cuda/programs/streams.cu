// Streams side by side: order within, independence between, events across, the legacy stream, priorities, callbacks and host functions.
#include "../suite.h"

#include <atomic>
#include <thread>

#ifdef __CUDACC__
__global__ void times_plus(int *data, int n, int times, int plus)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = data[i] * times + plus;
}

__global__ void wait_for(volatile int *flag, int *done)
{
    while (*flag == 0) {}
    *done = 1;
}
#endif
KERNEL(times_plus, int *, int, int, int)
KERNEL(wait_for, volatile int *, int *)

static std::vector<int> order;
static void note(void *value) { order.push_back((int)(intptr_t)value); }

// Several streams, each copying in, computing and copying out, all under way at once.
static void overlap()
{
    const int n = 5000, streams = 4;
    cudaStream_t stream[streams];
    int *pinned[streams], *on_device[streams];
    for (int s = 0; s < streams; s++) {
        OK(cudaStreamCreate(&stream[s]));
        OK(cudaMallocHost(&pinned[s], n * sizeof(int)));
        on_device[s] = device<int>(n);
        for (int i = 0; i < n; i++) pinned[s][i] = i + s;
    }
    for (int round = 0; round < 3; round++)
        for (int s = 0; s < streams; s++) {
            OK(cudaMemcpyAsync(on_device[s], pinned[s], n * sizeof(int), cudaMemcpyHostToDevice, stream[s]));
            LAUNCH(times_plus, (n + 127) / 128, 128, 0, stream[s])(on_device[s], n, 2, s);
            OK(cudaMemcpyAsync(pinned[s], on_device[s], n * sizeof(int), cudaMemcpyDeviceToHost, stream[s]));
        }
    for (int s = 0; s < streams; s++) {
        OK(cudaStreamSynchronize(stream[s]));
        for (int i = 0; i < n; i++) CHECK(pinned[s][i] == (i + s) * 8 + s * 7);
        OK(cudaStreamDestroy(stream[s]));
        OK(cudaFreeHost(pinned[s]));
    }
}

// A kernel that waits for the host: what is not ready says so, what does not depend on it goes on.
static void not_ready()
{
    cudaStream_t stuck, other;
    cudaEvent_t after, first;
    int *flag, *done;
    OK(cudaStreamCreateWithFlags(&stuck, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    OK(cudaEventCreate(&after));
    OK(cudaEventCreate(&first));
    OK(cudaHostAlloc(&flag, sizeof(int), cudaHostAllocMapped));
    *flag = 0;
    int *device_flag;
    OK(cudaHostGetDevicePointer(&device_flag, flag, 0));
    done = device(std::vector<int>{0});
    OK(cudaEventRecord(first, stuck));
    LAUNCH(wait_for, 1, 1, 0, stuck)(device_flag, done);
    OK(cudaGetLastError());
    OK(cudaEventRecord(after, stuck));
    FAILS(cudaErrorNotReady, cudaStreamQuery(stuck));
    FAILS(cudaErrorNotReady, cudaEventQuery(after));
    OK(cudaEventSynchronize(first));
    float ms;
    FAILS(cudaErrorNotReady, cudaEventElapsedTime(&ms, first, after));
    (void)cudaGetLastError();
    int *data = device(std::vector<int>{5});
    LAUNCH(times_plus, 1, 1, 0, other)(data, 1, 3, 1);
    OK(cudaStreamSynchronize(other));
    int value = 0;
    OK(cudaMemcpyAsync(&value, data, sizeof value, cudaMemcpyDeviceToHost, other));
    OK(cudaStreamSynchronize(other));
    CHECK(value == 16);
    // Another stream may wait for it without holding the host.
    OK(cudaStreamWaitEvent(other, after, 0));
    OK(cudaMemcpyAsync(data, done, sizeof value, cudaMemcpyDeviceToDevice, other));
    FAILS(cudaErrorNotReady, cudaStreamQuery(other));
    (void)cudaGetLastError();
    *(volatile int *)flag = 1;
    OK(cudaStreamSynchronize(other));
    OK(cudaEventQuery(after));
    OK(cudaEventElapsedTime(&ms, first, after));
    CHECK(ms > 0);
    EQUAL(host(data, 1), std::vector<int>{1});
    OK(cudaStreamDestroy(stuck));
    OK(cudaStreamDestroy(other));
    OK(cudaEventDestroy(first));
    OK(cudaEventDestroy(after));
    OK(cudaFreeHost(flag));
}

// An event carries order from one stream to another.
static void events()
{
    cudaStream_t a, b;
    cudaEvent_t made, untimed;
    OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    OK(cudaEventCreate(&made));
    OK(cudaEventCreateWithFlags(&untimed, cudaEventDisableTiming));
    const int n = 100000;
    int *data = device<int>(n);
    OK(cudaMemsetAsync(data, 0, n * sizeof(int), a));
    for (int i = 0; i < 8; i++) {
        cudaStream_t from = i % 2 ? b : a, to = i % 2 ? a : b;
        LAUNCH(times_plus, (n + 255) / 256, 256, 0, from)(data, n, 3, i);
        OK(cudaEventRecord(made, from));
        OK(cudaStreamWaitEvent(to, made, 0));
    }
    OK(cudaStreamSynchronize(a));
    int wanted = 0;
    for (int i = 0; i < 8; i++) wanted = wanted * 3 + i;
    EQUAL(host(data, n), std::vector<int>(n, wanted));
    OK(cudaEventQuery(untimed)); // never recorded: complete
    OK(cudaEventRecord(untimed, a));
    OK(cudaEventSynchronize(untimed));
    float ms;
    FAILS(cudaErrorInvalidResourceHandle, cudaEventElapsedTime(&ms, untimed, made));
    (void)cudaGetLastError();
    OK(cudaStreamDestroy(a));
    OK(cudaStreamDestroy(b));
    OK(cudaEventDestroy(made));
    OK(cudaEventDestroy(untimed));
}

// The legacy stream waits for blocking streams and they for it.
static void legacy()
{
    cudaStream_t blocking;
    OK(cudaStreamCreate(&blocking));
    const int n = 50000;
    int *data = device<int>(n);
    OK(cudaMemsetAsync(data, 0, n * sizeof(int), cudaStreamLegacy));
    for (int i = 0; i < 6; i++) {
        LAUNCH(times_plus, (n + 255) / 256, 256, 0, blocking)(data, n, 2, 1);
        LAUNCH(times_plus, (n + 255) / 256, 256, 0, cudaStreamLegacy)(data, n, 3, 0);
    }
    int wanted = 0;
    for (int i = 0; i < 6; i++) wanted = (wanted * 2 + 1) * 3;
    OK(cudaStreamSynchronize(cudaStreamLegacy));
    EQUAL(host(data, n), std::vector<int>(n, wanted));
    OK(cudaStreamDestroy(blocking));
}

static std::atomic<int> called;
static void callback(cudaStream_t stream, cudaError_t status, void *data)
{
    CHECK(status == cudaSuccess && stream == *(cudaStream_t *)data);
    called++;
}
static std::thread::id runner;
static void who(void *) { runner = std::this_thread::get_id(); }
static void not_here(void *result) { *(cudaError_t *)result = cudaStreamSynchronize(nullptr); }

static void callbacks()
{
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    int *data = device(std::vector<int>{1}), seen[3] = {};
    for (int i = 0; i < 3; i++) {
        LAUNCH(times_plus, 1, 1, 0, stream)(data, 1, 10, i);
        OK(cudaMemcpyAsync(&seen[i], data, sizeof(int), cudaMemcpyDeviceToHost, stream));
        OK(cudaLaunchHostFunc(stream, note, (void *)(intptr_t)(i + 1)));
        OK(cudaStreamAddCallback(stream, callback, &stream, 0));
    }
    OK(cudaLaunchHostFunc(stream, who, nullptr));
    OK(cudaStreamSynchronize(stream));
    EQUAL(order, std::vector<int>{1, 2, 3});
    CHECK(seen[0] == 10 && seen[1] == 101 && seen[2] == 1012 && called == 3);
    CHECK(runner != std::this_thread::get_id() && runner != std::thread::id());
    cudaError_t inside = cudaSuccess;
    OK(cudaLaunchHostFunc(stream, not_here, &inside));
    OK(cudaStreamSynchronize(stream));
    FAILS(cudaErrorNotPermitted, inside);
    OK(cudaStreamDestroy(stream));
}

static void kinds()
{
    int least, greatest, priority;
    unsigned flags;
    cudaStream_t stream;
    OK(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    CHECK(greatest <= least);
    OK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, greatest));
    OK(cudaStreamGetPriority(stream, &priority));
    OK(cudaStreamGetFlags(stream, &flags));
    CHECK(priority == greatest && flags == cudaStreamNonBlocking);
    OK(cudaStreamDestroy(stream));
    OK(cudaStreamCreateWithPriority(&stream, cudaStreamDefault, greatest - 100));
    OK(cudaStreamGetPriority(stream, &priority));
    CHECK(priority == greatest);
    OK(cudaStreamDestroy(stream));
    OK(cudaStreamSynchronize(cudaStreamPerThread));
}

int main()
{
    overlap();
    not_ready();
    events();
    legacy();
    callbacks();
    kinds();
    return 0;
}
