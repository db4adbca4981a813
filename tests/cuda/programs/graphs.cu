// Graphs: captured from streams (over several, with host functions and copies), and made by hand; launched again and again, updated,
// cloned, nested; and what may not be captured.
#include "../suite.h"

#ifdef __CUDACC__
__global__ void times_plus(int *data, int n, int times, int plus)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = data[i] * times + plus;
}
__global__ void combine(int *out, const int *a, const int *b, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = a[i] - b[i];
}
#endif
KERNEL(times_plus, int *, int, int, int)
KERNEL(combine, int *, const int *, const int *, int)

static const int n = 3000, blocks = (n + 127) / 128;

static void count(void *counter) { ++*(int *)counter; }

static void captured()
{
    cudaStream_t a, b;
    cudaEvent_t fork, join;
    OK(cudaStreamCreateWithFlags(&a, cudaStreamNonBlocking));
    OK(cudaStreamCreateWithFlags(&b, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
    OK(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
    int *in, *out, counter = 0;
    OK(cudaMallocHost(&in, n * sizeof(int)));
    OK(cudaMallocHost(&out, n * sizeof(int)));
    for (int i = 0; i < n; i++) in[i] = i;
    int *left = device<int>(n), *right = device<int>(n), *sum = device<int>(n);

    cudaStreamCaptureStatus status;
    OK(cudaStreamIsCapturing(a, &status));
    CHECK(status == cudaStreamCaptureStatusNone);
    OK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    OK(cudaStreamIsCapturing(a, &status));
    CHECK(status == cudaStreamCaptureStatusActive);
    OK(cudaMemcpyAsync(left, in, n * sizeof(int), cudaMemcpyHostToDevice, a));
    OK(cudaEventRecord(fork, a));
    OK(cudaStreamWaitEvent(b, fork, 0));
    OK(cudaMemsetAsync(right, 0, n * sizeof(int), b));
    LAUNCH(times_plus, blocks, 128, 0, b)(right, n, 1, 5);
    LAUNCH(times_plus, blocks, 128, 0, a)(left, n, 3, 0);
    OK(cudaEventRecord(join, b));
    OK(cudaStreamWaitEvent(a, join, 0));
    LAUNCH(combine, blocks, 128, 0, a)(sum, left, right, n);
    OK(cudaMemcpyAsync(out, sum, n * sizeof(int), cudaMemcpyDeviceToHost, a));
    OK(cudaLaunchHostFunc(a, count, &counter));
    cudaGraph_t graph;
    OK(cudaStreamEndCapture(a, &graph));
    OK(cudaGetLastError());
    size_t nodes = 0;
    OK(cudaGraphGetNodes(graph, nullptr, &nodes));
    CHECK(nodes == 7);
    CHECK(counter == 0);

    cudaGraphExec_t exec;
    OK(cudaGraphInstantiate(&exec, graph, 0));
    for (int round = 1; round <= 4; round++) {
        for (int i = 0; i < n; i++) in[i] = i * round;
        OK(cudaGraphLaunch(exec, a));
        OK(cudaStreamSynchronize(a));
        for (int i = 0; i < n; i++) CHECK(out[i] == 3 * i * round - 5);
        CHECK(counter == round);
    }
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));

    // What waits for the GPU may not be captured; the capture is lost, the stream is not.
    OK(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
    LAUNCH(times_plus, blocks, 128, 0, a)(left, n, 1, 1);
    FAILS(cudaErrorStreamCaptureUnsupported, cudaStreamSynchronize(a));
    FAILS(cudaErrorStreamCaptureInvalidated, cudaStreamEndCapture(a, &graph));
    (void)cudaGetLastError();
    OK(cudaStreamIsCapturing(a, &status));
    CHECK(status == cudaStreamCaptureStatusNone);
    OK(cudaStreamSynchronize(a));
    OK(cudaFreeHost(in));
    OK(cudaFreeHost(out));
}

static void by_hand()
{
    int *a = device<int>(n), *b = device<int>(n), *c = device<int>(n), counter = 0, size = n, two = 2, one = 1, zero = 0;
    std::vector<int> in = ints(n, 17), out(n), wanted(n);
    cudaGraph_t graph;
    cudaGraphNode_t upload, clear, scale, add, join, download, tell;
    OK(cudaGraphCreate(&graph, 0));
    OK(cudaGraphAddMemcpyNode1D(&upload, graph, nullptr, 0, a, in.data(), n * sizeof(int), cudaMemcpyHostToDevice));
    cudaMemsetParams memset = {};
    memset.dst = b;
    memset.value = 7;
    memset.elementSize = 4;
    memset.width = n;
    memset.height = 1;
    OK(cudaGraphAddMemsetNode(&clear, graph, nullptr, 0, &memset));
    void *scaling[] = {&a, &size, &two, &one}, *adding[] = {&b, &size, &one, &one}, *joining[] = {&c, &a, &b, &size};
    cudaKernelNodeParams kernel = {};
    kernel.func = (void *)times_plus;
    kernel.gridDim = dim3(blocks);
    kernel.blockDim = dim3(128);
    kernel.kernelParams = scaling;
    OK(cudaGraphAddKernelNode(&scale, graph, &upload, 1, &kernel));
    kernel.kernelParams = adding;
    OK(cudaGraphAddKernelNode(&add, graph, &clear, 1, &kernel));
    kernel.func = (void *)combine;
    kernel.kernelParams = joining;
    OK(cudaGraphAddKernelNode(&join, graph, &scale, 1, &kernel));
    OK(cudaGraphAddDependencies(graph, &add, &join, nullptr, 1));
    OK(cudaGraphAddMemcpyNode1D(&download, graph, &join, 1, out.data(), c, n * sizeof(int), cudaMemcpyDeviceToHost));
    cudaHostNodeParams host = {};
    host.fn = count;
    host.userData = &counter;
    OK(cudaGraphAddHostNode(&tell, graph, &download, 1, &host));
    FAILS(cudaErrorInvalidValue, cudaGraphAddDependencies(graph, &add, &join, nullptr, 1)); // twice
    (void)cudaGetLastError();

    cudaGraphExec_t exec;
    cudaStream_t stream;
    OK(cudaStreamCreate(&stream));
    OK(cudaGraphInstantiate(&exec, graph, 0));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    for (int i = 0; i < n; i++) wanted[i] = in[i] * 2 + 1 - 8;
    EQUAL(out, wanted);
    CHECK(counter == 1);

    // Other parameters for one node of what was instantiated.
    void *other[] = {&a, &size, &zero, &two};
    kernel.func = (void *)times_plus;
    kernel.kernelParams = other;
    OK(cudaGraphExecKernelNodeSetParams(exec, scale, &kernel));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EQUAL(out, std::vector<int>(n, 2 - 8));
    CHECK(counter == 3);

    // The whole again, from the graph as it is.
    cudaGraphExecUpdateResultInfo info;
    OK(cudaGraphExecUpdate(exec, graph, &info));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EQUAL(out, wanted);

    // A copy of it inside another graph, twice in a row.
    cudaGraph_t clone, outer;
    cudaGraphNode_t first, second;
    OK(cudaGraphClone(&clone, graph));
    OK(cudaGraphDestroy(graph));
    OK(cudaGraphCreate(&outer, 0));
    OK(cudaGraphAddChildGraphNode(&first, outer, nullptr, 0, clone));
    OK(cudaGraphAddChildGraphNode(&second, outer, &first, 1, clone));
    OK(cudaGraphDestroy(clone));
    cudaGraphExec_t nested;
    OK(cudaGraphInstantiate(&nested, outer, 0));
    out.assign(n, 0);
    OK(cudaGraphLaunch(nested, stream));
    OK(cudaStreamSynchronize(stream));
    EQUAL(out, wanted);
    CHECK(counter == 6);
    OK(cudaGraphExecDestroy(nested));
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(outer));
    OK(cudaStreamDestroy(stream));
}

int main()
{
    captured();
    by_hand();
    return 0;
}
