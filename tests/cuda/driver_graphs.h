// driver_graphs.h - the part of driver_runtime.h that graphs.cu needs: capture and graphs of the runtime API, answered with the driver API.
#ifndef DRIVER_GRAPHS_H
#define DRIVER_GRAPHS_H

typedef CUgraph cudaGraph_t;
typedef CUgraphExec cudaGraphExec_t;
typedef CUgraphNode cudaGraphNode_t;
typedef CUgraphEdgeData cudaGraphEdgeData;
enum cudaStreamCaptureMode { cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive, cudaStreamCaptureStatusInvalidated };
struct cudaKernelNodeParams {
    void *func;
    dim3 gridDim, blockDim;
    unsigned sharedMemBytes;
    void **kernelParams, **extra;
};
struct cudaMemsetParams {
    void *dst;
    size_t pitch;
    unsigned value, elementSize;
    size_t width, height;
};
struct cudaHostNodeParams {
    cudaHostFn_t fn;
    void *userData;
};
typedef CUgraphExecUpdateResultInfo cudaGraphExecUpdateResultInfo;

namespace rf {
inline CUcontext current()
{
    CUcontext context = nullptr;
    cuCtxGetCurrent(&context);
    return context;
}
inline CUresult node(const cudaKernelNodeParams *p, CUDA_KERNEL_NODE_PARAMS *out)
{
    CUkernel k;
    CUresult error = context();
    if (error == CUDA_SUCCESS) error = kernel(p->func, &k);
    if (error != CUDA_SUCCESS) return error;
    *out = {};
    out->func = (CUfunction)k;
    out->gridDimX = p->gridDim.x, out->gridDimY = p->gridDim.y, out->gridDimZ = p->gridDim.z;
    out->blockDimX = p->blockDim.x, out->blockDimY = p->blockDim.y, out->blockDimZ = p->blockDim.z;
    out->sharedMemBytes = p->sharedMemBytes;
    out->kernelParams = p->kernelParams;
    out->extra = p->extra;
    return CUDA_SUCCESS;
}
} // namespace rf

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) { RF_CALL(cuStreamBeginCapture_v2(stream, (CUstreamCaptureMode)mode)); }
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) { RF_CALL(cuStreamEndCapture(stream, graph)); }
inline cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) { RF_CALL(cuStreamIsCapturing(stream, (CUstreamCaptureStatus *)status)); }
inline cudaError_t cudaGraphCreate(cudaGraph_t *graph, unsigned flags) { RF_CALL(cuGraphCreate(graph, flags)); }
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) { RF_CALL(cuGraphDestroy(graph)); }
inline cudaError_t cudaGraphClone(cudaGraph_t *clone, cudaGraph_t graph) { RF_CALL(cuGraphClone(clone, graph)); }
inline cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count) { RF_CALL(cuGraphGetNodes(graph, nodes, count)); }
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags = 0) { RF_CALL(cuGraphInstantiateWithFlags(exec, graph, flags)); }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) { RF_CALL(cuGraphLaunch(exec, stream)); }
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { RF_CALL(cuGraphExecDestroy(exec)); }
inline cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info) { RF_CALL(cuGraphExecUpdate_v2(exec, graph, info)); }
inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t *from, const cudaGraphNode_t *to, const cudaGraphEdgeData *data, size_t count) { RF_CALL(cuGraphAddDependencies_v2(graph, from, to, data, count)); }
inline cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count, cudaGraph_t child) { RF_CALL(cuGraphAddChildGraphNode(node, graph, after, count, child)); }
inline cudaError_t cudaGraphAddHostNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count, const cudaHostNodeParams *p)
{
    CUDA_HOST_NODE_PARAMS params = {p->fn, p->userData};
    RF_CALL(cuGraphAddHostNode(node, graph, after, count, &params));
}
inline cudaError_t cudaGraphAddMemsetNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count, const cudaMemsetParams *p)
{
    CUDA_MEMSET_NODE_PARAMS params = {rf::d(p->dst), p->pitch, p->value, p->elementSize, p->width, p->height};
    RF_CALL(cuGraphAddMemsetNode(node, graph, after, count, &params, rf::current()));
}
inline cudaError_t cudaGraphAddMemcpyNode1D(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count, void *to, const void *from, size_t size, cudaMemcpyKind kind)
{
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = rf::side(kind, true);
    c.dstMemoryType = rf::side(kind, false);
    c.srcHost = from;
    c.srcDevice = rf::d(from);
    c.dstHost = to;
    c.dstDevice = rf::d(to);
    c.srcPitch = c.dstPitch = c.WidthInBytes = size;
    c.srcHeight = c.dstHeight = c.Height = c.Depth = 1;
    RF_CALL(cuGraphAddMemcpyNode(node, graph, after, count, &c, rf::current()));
}
inline cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count, const cudaKernelNodeParams *p)
{
    CUDA_KERNEL_NODE_PARAMS params;
    CUresult error = rf::node(p, &params);
    return rf::done(error == CUDA_SUCCESS ? cuGraphAddKernelNode_v2(node, graph, after, count, &params) : error);
}
inline cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t exec, cudaGraphNode_t node, const cudaKernelNodeParams *p)
{
    CUDA_KERNEL_NODE_PARAMS params;
    CUresult error = rf::node(p, &params);
    return rf::done(error == CUDA_SUCCESS ? cuGraphExecKernelNodeSetParams_v2(exec, node, &params) : error);
}

#endif
