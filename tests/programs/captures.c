/* Stream capture: what becomes a node, forks and joins, the modes, and each error.
 *
 *   captures work | forks | modes | errors | info | body */
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "graphs_ptx.h"

#define COUNT 64

static CUcontext context;
static CUstream stream, second;
static CUfunction mad;
static CUdeviceptr memory;
static CUevent event, joined;

static void setup(void)
{
    CUdevice device;
    CUmodule module;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuDevicePrimaryCtxRetain(&context, device));
    CU(cuCtxSetCurrent(context));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CU(cuEventCreate(&joined, 0));
    CU(cuModuleLoadData(&module, graphs_ptx));
    CU(cuModuleGetFunction(&mad, module, "mad"));
    CU(cuMemAlloc_v2(&memory, COUNT * 4));
    CU(cuMemsetD32_v2(memory, 0, COUNT));
}

static unsigned word(unsigned index)
{
    unsigned value;
    CU(cuMemcpyDtoH_v2(&value, memory + 4 * index, 4));
    return value;
}

static CUresult launch_in(CUstream where, unsigned index, unsigned factor, unsigned term)
{
    CUdeviceptr at = memory + 4 * index;
    void *params[] = {&at, &factor, &term};
    return cuLaunchKernel(mad, 1, 1, 1, 1, 1, 1, 0, where, params, NULL);
}

static void begin(CUstreamCaptureMode mode) { CU(cuStreamBeginCapture_v2(stream, mode)); }

static CUgraph end(void)
{
    CUgraph graph;
    CU(cuStreamEndCapture(stream, &graph));
    TRUE_OR_DIE(graph);
    return graph;
}

static void run(CUgraph graph)
{
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    CU(cuGraphLaunch(exec, stream));
    CU(cuStreamSynchronize(stream));
    CU(cuGraphExecDestroy(exec));
}

/* The capture is invalid: it ends with that, and the stream works again. */
static void ends_invalid(void)
{
    CUgraph graph = (CUgraph)(uintptr_t)1;
    CUstreamCaptureStatus status;
    CU(cuStreamIsCapturing(stream, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, launch_in(stream, 0, 1, 1));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));
    TRUE_OR_DIE(!graph);
    CU(cuStreamIsCapturing(stream, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_NONE);
    CU(cuStreamSynchronize(stream));
}

/* ---- work ---- */

static unsigned host_saw;
static void on_host(void *data) { host_saw = *(unsigned *)data; }

static void work(void)
{
    unsigned source[COUNT], result[COUNT], *pinned;
    CU(cuMemAllocHost_v2((void **)&pinned, sizeof source));
    for (int i = 0; i < COUNT; i++) source[i] = (unsigned)i;
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuMemcpyHtoDAsync_v2(memory, source, sizeof source, stream));
    CU(launch_in(stream, 1, 10, 5));
    CU(cuMemsetD32Async(memory + 8, 77, 2, stream));
    CU(cuMemsetD2D8Async(memory + 16, 8, 0xff, 4, 2, stream));
    CU(cuMemcpyDtoDAsync_v2(memory + 40, memory, 8, stream));
    CU(cuMemcpyDtoHAsync_v2(pinned, memory, sizeof source, stream));
    CU(cuMemcpyAsync((CUdeviceptr)(uintptr_t)result, memory, sizeof result, stream));
    CU(cuLaunchHostFunc(stream, on_host, result + 1));
    CUgraph graph = end();
    size_t count;
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 8);
    CU(cuGraphGetEdges(graph, NULL, NULL, &count));
    TRUE_OR_DIE(count == 7);
    TRUE_OR_DIE(word(1) == 0); /* nothing has run */
    memset(result, 0, sizeof result);
    run(graph);
    TRUE_OR_DIE(result[1] == 15 && result[2] == 77 && result[3] == 77 && result[4] == 0xffffffff && result[5] == 5 && result[6] == 0xffffffff);
    TRUE_OR_DIE(result[10] == 0 && result[11] == 15 && pinned[11] == 15 && result[63] == 63 && host_saw == 15);
    source[1] = 2; /* pageable memory is read when the graph runs */
    run(graph);
    TRUE_OR_DIE(result[1] == 25 && host_saw == 25);
    CU(cuGraphDestroy(graph));

    /* memory operations, memory, a graph within a graph */
    CUgraph inner;
    begin(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    CU(launch_in(stream, 0, 0, 31));
    inner = end();
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, inner, 0));
    CU(cuGraphDestroy(inner));
    CUdeviceptr mine;
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU(cuGraphLaunch(exec, stream));
    CU(cuStreamWriteValue32_v2(stream, memory + 4, 9, 0));
    CU(cuStreamWaitValue32_v2(stream, memory + 4, 9, CU_STREAM_WAIT_VALUE_EQ));
    CU(cuMemAllocAsync(&mine, 4096, stream));
    CU(cuMemsetD32Async(mine, 123, 8, stream));
    CU(cuMemcpyDtoDAsync_v2(memory + 8, mine, 4, stream));
    CU(cuMemFreeAsync(mine, stream));
    graph = end();
    CU(cuGraphExecDestroy(exec));
    CUgraphNode nodes[8];
    CUgraphNodeType type;
    count = 8;
    CU(cuGraphGetNodes(graph, nodes, &count));
    TRUE_OR_DIE(count == 7);
    CU(cuGraphNodeGetType(nodes[0], &type));
    TRUE_OR_DIE(type == CU_GRAPH_NODE_TYPE_GRAPH);
    CU(cuGraphNodeGetType(nodes[3], &type));
    TRUE_OR_DIE(type == CU_GRAPH_NODE_TYPE_MEM_ALLOC);
    CU(cuMemsetD32_v2(memory, 0, COUNT));
    run(graph);
    TRUE_OR_DIE(word(0) == 31 && word(1) == 9 && word(2) == 123);
    CU(cuGraphDestroy(graph));

    /* an empty capture is an empty graph */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    graph = end();
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 0);
    run(graph);
    CU(cuGraphDestroy(graph));
    /* the per-thread stream captures, too */
    CU(cuStreamBeginCapture_v2(CU_STREAM_PER_THREAD, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(launch_in(CU_STREAM_PER_THREAD, 0, 0, 32));
    CU(cuStreamEndCapture_ptsz(NULL, &graph));
    run(graph);
    TRUE_OR_DIE(word(0) == 32);
    CU(cuGraphDestroy(graph));
    CU(cuMemFreeHost(pinned));
}

/* ---- forks ---- */

static void forks(void)
{
    CUgraph graph;
    CUgraphNode list[8];
    CUstreamCaptureStatus status;
    size_t count = 8;
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(launch_in(stream, 0, 0, 1));
    CU(cuEventRecord(event, stream));
    CU(cuStreamWaitEvent(second, event, 0));
    CU(cuStreamIsCapturing(second, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    CU(launch_in(second, 1, 0, 2));
    CU(launch_in(stream, 2, 0, 3));
    CU_FAILS(CUDA_ERROR_CAPTURED_EVENT, cuEventElapsedTime(&(float){0}, event, event));
    ends_invalid();

    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(launch_in(stream, 0, 0, 1));
    CU(cuEventRecord(event, stream));
    CU(cuStreamWaitEvent(second, event, 0));
    CU(launch_in(second, 1, 0, 2));
    CU(launch_in(stream, 2, 0, 3));
    CU(cuEventRecord(joined, second));
    CU(cuStreamWaitEvent(stream, joined, 0));
    CU(launch_in(stream, 3, 0, 4));
    graph = end();
    CU(cuStreamIsCapturing(second, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_NONE);
    CU(cuGraphGetEdges(graph, NULL, NULL, &count));
    TRUE_OR_DIE(count == 4);
    count = 8;
    CU(cuGraphGetNodes(graph, list, &count));
    TRUE_OR_DIE(count == 4);
    count = 4;
    CU(cuGraphNodeGetDependencies(list[3], list + 4, &count));
    TRUE_OR_DIE(count == 2);
    run(graph);
    TRUE_OR_DIE(word(0) == 1 && word(1) == 2 && word(2) == 3 && word(3) == 4);
    CU(cuGraphDestroy(graph));
    /* events of a capture that is over */
    CU_FAILS(CUDA_ERROR_CAPTURED_EVENT, cuEventQuery(event));
    CU_FAILS(CUDA_ERROR_CAPTURED_EVENT, cuEventSynchronize(event));
    CU(cuEventRecord(event, stream)); /* recorded anew, it is an event again */
    CU(cuEventSynchronize(event));
    CU(cuEventQuery(event));

    /* nobody joined */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuEventRecord(event, stream));
    CU(cuStreamWaitEvent(second, event, 0));
    CU(launch_in(second, 1, 0, 2));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(stream, &graph));
    TRUE_OR_DIE(!graph);
    CU(cuStreamIsCapturing(second, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_NONE);
    /* ended where it did not begin */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuEventRecord(event, stream));
    CU(cuStreamWaitEvent(second, event, 0));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, cuStreamEndCapture(second, &graph));
    ends_invalid();
    /* two captures cannot become one */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuStreamBeginCapture_v2(second, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(cuEventRecord(event, second));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_MERGE, cuStreamWaitEvent(stream, event, 0));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(second, &graph));
    ends_invalid();
    /* nor depend on what is outside */
    CU(cuEventRecord(event, second));
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, cuStreamWaitEvent(stream, event, 0));
    ends_invalid();
    /* unless it says so */
    CU(cuEventRecord(event, second));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamWaitEvent(stream, event, CU_EVENT_WAIT_EXTERNAL));
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuStreamWaitEvent(stream, event, CU_EVENT_WAIT_EXTERNAL));
    CU(cuEventRecordWithFlags(joined, stream, CU_EVENT_RECORD_EXTERNAL));
    graph = end();
    count = 8;
    CU(cuGraphGetNodes(graph, list, &count));
    CUgraphNodeType type;
    CU(cuGraphNodeGetType(list[0], &type));
    TRUE_OR_DIE(count == 2 && type == CU_GRAPH_NODE_TYPE_WAIT_EVENT);
    run(graph);
    CU(cuEventQuery(joined));
    CU(cuGraphDestroy(graph));
    /* a stream that is destroyed has done its part, but what it did must be joined */
    for (int joins = 0; joins < 2; joins++) {
        CUstream third;
        CU(cuStreamCreate(&third, CU_STREAM_NON_BLOCKING));
        begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
        CU(cuEventRecord(event, stream));
        CU(cuStreamWaitEvent(third, event, 0));
        CU(cuMemsetD32Async(memory, 5, 1, third));
        CU(cuEventRecord(joined, third));
        CU(cuStreamDestroy_v2(third));
        if (joins) {
            CU(cuStreamWaitEvent(stream, joined, 0));
            graph = end();
            run(graph);
            CU(cuGraphDestroy(graph));
        } else {
            CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(stream, &graph));
        }
    }
    /* what is captured into a graph of one's own need not be given out */
    CU(cuGraphCreate(&graph, 0));
    CU(cuStreamBeginCaptureToGraph(stream, graph, NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(cuMemsetD32Async(memory, 5, 1, stream));
    CU(cuStreamEndCapture(stream, NULL));
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 1);
    CU(cuGraphDestroy(graph));
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamEndCapture(stream, NULL));
    CU(cuGraphDestroy(end()));
}

/* ---- modes ---- */

static CUstreamCaptureMode others_mode;

static void *allocate(void *argument)
{
    CUdeviceptr address = 0;
    CU(cuCtxSetCurrent(context));
    CUstreamCaptureMode mode = others_mode;
    CU(cuThreadExchangeStreamCaptureMode(&mode));
    TRUE_OR_DIE(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
    *(CUresult *)argument = cuMemAlloc_v2(&address, 64);
    if (address) {
        mode = CU_STREAM_CAPTURE_MODE_RELAXED;
        CU(cuThreadExchangeStreamCaptureMode(&mode));
        CU(cuMemFree_v2(address));
    }
    return NULL;
}

static CUresult another_thread_allocates(CUstreamCaptureMode mode)
{
    pthread_t thread;
    CUresult result = CUDA_SUCCESS;
    others_mode = mode;
    pthread_create(&thread, NULL, allocate, &result);
    pthread_join(thread, NULL);
    return result;
}

static void *end_elsewhere(void *argument)
{
    CUgraph graph = NULL;
    CU(cuCtxSetCurrent(context));
    *(CUresult *)argument = cuStreamEndCapture(stream, &graph);
    if (graph) CU(cuGraphDestroy(graph));
    return NULL;
}

static CUresult another_thread_ends(void)
{
    pthread_t thread;
    CUresult result = CUDA_SUCCESS;
    pthread_create(&thread, NULL, end_elsewhere, &result);
    pthread_join(thread, NULL);
    return result;
}

static void modes(void)
{
    CUdeviceptr address;
    void *host;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamBeginCapture_v2(stream, (CUstreamCaptureMode)3));
    /* global: nobody may */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc_v2(&address, 64));
    ends_invalid();
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, another_thread_allocates(CU_STREAM_CAPTURE_MODE_GLOBAL));
    ends_invalid();
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    TRUE_OR_DIE(another_thread_allocates(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL) == CUDA_SUCCESS);
    TRUE_OR_DIE(another_thread_allocates(CU_STREAM_CAPTURE_MODE_RELAXED) == CUDA_SUCCESS);
    CU(cuGraphDestroy(end()));
    /* of this thread: only this thread may not */
    begin(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    TRUE_OR_DIE(another_thread_allocates(CU_STREAM_CAPTURE_MODE_GLOBAL) == CUDA_SUCCESS);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuMemAllocHost_v2(&host, 64));
    ends_invalid();
    /* relaxed: all may */
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU(cuMemAlloc_v2(&address, 64));
    CU(cuMemFree_v2(address));
    TRUE_OR_DIE(another_thread_allocates(CU_STREAM_CAPTURE_MODE_GLOBAL) == CUDA_SUCCESS);
    CU(cuStreamSynchronize(second));
    CU(cuEventQuery(joined));
    TRUE_OR_DIE(another_thread_ends() == CUDA_SUCCESS);
    /* a thread that says it knows what it does */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    CU(cuThreadExchangeStreamCaptureMode(&mode));
    CU(cuMemAlloc_v2(&address, 64));
    CU(cuMemFree_v2(address));
    CU(cuThreadExchangeStreamCaptureMode(&mode));
    TRUE_OR_DIE(mode == CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, another_thread_ends());
    CU(cuGraphDestroy(end()));
    mode = (CUstreamCaptureMode)9;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuThreadExchangeStreamCaptureMode(&mode));
    /* waiting for another stream is not safe either */
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(second));
    ends_invalid();
    CU(cuEventRecord(joined, second));
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuEventQuery(joined));
    ends_invalid();
}

/* ---- errors ---- */

static void no_callback(CUstream s, CUresult status, void *data)
{
    (void)s, (void)status, (void)data;
}

static void errors(void)
{
    CUgraph graph;
    CUstream blocking;
    CUstreamCaptureStatus status;
    unsigned value = 0;
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(CU_STREAM_LEGACY, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU_FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamEndCapture(stream, &graph));
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamEndCapture(stream, NULL));
    CU(cuGraphDestroy(end()));
    /* what a capturing stream cannot be asked for */
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
    ends_invalid();
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamQuery(stream));
    ends_invalid();
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamAddCallback(stream, no_callback, NULL, 0));
    ends_invalid();
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize());
    ends_invalid();
    /* the legacy stream would depend on it, if the stream is one that it waits for */
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU(cuMemcpyDtoH_v2(&value, memory, 4));
    CU(launch_in(NULL, 0, 1, 0));
    CU(cuGraphDestroy(end()));
    CU(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
    CU(cuStreamBeginCapture_v2(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuStreamIsCapturing(NULL, &status));
    CU(cuStreamIsCapturing(blocking, &status));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_ACTIVE); /* asking does no harm */
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, launch_in(NULL, 0, 1, 1));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &graph));
    CU(cuStreamBeginCapture_v2(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemcpyHtoD_v2(memory, &value, 4));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &graph));
    CU(cuStreamBeginCapture_v2(blocking, CU_STREAM_CAPTURE_MODE_RELAXED));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemsetD32Async(memory, 1, 1, NULL));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &graph));
    CU(cuStreamDestroy_v2(blocking));
    /* arguments are checked as ever, and do no harm */
    begin(CU_STREAM_CAPTURE_MODE_RELAXED);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchHostFunc(stream, NULL, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD32Async(memory + 1, 1, 1, stream));
    CU(launch_in(stream, 0, 0, 5));
    graph = end();
    run(graph);
    TRUE_OR_DIE(word(0) == 5);
    CU(cuGraphDestroy(graph));
}

/* ---- what captures tell, and captures into graphs ---- */

static void info(void)
{
    CUstreamCaptureStatus status;
    cuuint64_t id = 0, another = 0;
    CUgraph graph, told;
    const CUgraphNode *from;
    const CUgraphEdgeData *data;
    CUgraphNode extra, saved[2];
    size_t count;
    CU(cuStreamGetCaptureInfo_v2(stream, &status, &id, NULL, NULL, NULL));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_NONE);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamIsCapturing(stream, NULL));
    begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
    CU(cuStreamGetCaptureInfo_v2(stream, &status, &id, &told, &from, &count));
    TRUE_OR_DIE(status == CU_STREAM_CAPTURE_STATUS_ACTIVE && id && told && count == 0);
    CU(launch_in(stream, 0, 0, 1));
    CU(cuStreamGetCaptureInfo_v3(stream, &status, &another, &told, &from, &data, &count));
    TRUE_OR_DIE(another == id && count == 1);
    saved[0] = from[0];
    CU(launch_in(stream, 0, 3, 1));
    CU(cuStreamGetCaptureInfo(stream, &status, &another));
    TRUE_OR_DIE(another == id);
    /* a node by hand into the graph that is being captured, and the capture goes on behind it */
    CUDA_MEMSET_NODE_PARAMS m = {.dst = memory + 4, .value = 8, .elementSize = 4, .width = 1, .height = 1};
    CU(cuGraphAddMemsetNode(&extra, told, saved, 1, &m, context));
    CU(cuStreamUpdateCaptureDependencies(stream, &extra, 1, CU_STREAM_ADD_CAPTURE_DEPENDENCIES));
    CU(cuStreamGetCaptureInfo_v2(stream, &status, NULL, NULL, &from, &count));
    TRUE_OR_DIE(count == 2);
    CU(cuStreamUpdateCaptureDependencies(stream, &extra, 1, CU_STREAM_SET_CAPTURE_DEPENDENCIES));
    CU(launch_in(stream, 1, 2, 0));
    graph = end();
    TRUE_OR_DIE(graph == told);
    CU(cuGraphGetEdges(graph, NULL, NULL, &count));
    TRUE_OR_DIE(count == 3);
    run(graph);
    TRUE_OR_DIE(word(0) == 4 && word(1) == 16);
    CU_FAILS(CUDA_ERROR_ILLEGAL_STATE, cuStreamUpdateCaptureDependencies(stream, &extra, 1, 0));

    /* on into the same graph */
    CU(cuStreamBeginCaptureToGraph(stream, graph, &extra, NULL, 1, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(launch_in(stream, 2, 0, 6));
    CU(cuStreamEndCapture(stream, &told));
    TRUE_OR_DIE(told == graph);
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 5);
    run(graph);
    TRUE_OR_DIE(word(2) == 6);
    CU(cuGraphDestroy(graph));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuStreamBeginCaptureToGraph(stream, graph, NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_GLOBAL));
}

/* ---- into a conditional's body ---- */

static void body(void)
{
    CUgraph graph, told;
    CUgraphConditionalHandle handle;
    CUgraphNode node;
    size_t count;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL, .conditional = {.handle = handle, .type = CU_GRAPH_COND_TYPE_IF, .size = 1, .ctx = context}};
    CU(cuGraphAddNode_v2(&node, graph, NULL, NULL, 0, &p));
    CU(cuStreamBeginCaptureToGraph(stream, p.conditional.phGraph_out[0], NULL, NULL, 0, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(launch_in(stream, 3, 0, 66));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuLaunchHostFunc(stream, on_host, &count));
    CU_FAILS(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &told));
    run(graph);
    TRUE_OR_DIE(word(3) == 66);
    CU(cuGraphDestroy(graph));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    setup();
    if (!strcmp(what, "work")) work();
    else if (!strcmp(what, "forks")) forks();
    else if (!strcmp(what, "modes")) modes();
    else if (!strcmp(what, "errors")) errors();
    else if (!strcmp(what, "info")) info();
    else if (!strcmp(what, "body")) body();
    else return 2;
    return 0;
}
