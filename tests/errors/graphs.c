/* graphs.c - graphs, executable graphs, capture. */
#include "rows.h"

static void CUDA_CB nothing_to_do(void *data) { (void)data; }

void rows_graph(void)
{
    CUcontext context = enter();
    CUgraph graph = NULL, other = NULL, clone = NULL, child = NULL;
    CUgraphNode a = NULL, b = NULL, node = NULL, found = NULL, elsewhere = NULL, nodes[4];
    CUmodule module = NULL;
    CUfunction nothing = NULL;
    CUdeviceptr p = 0;
    CUgraphNodeType type;
    size_t count = 0;
    CUDA_KERNEL_NODE_PARAMS kernel, got;
    CUDA_MEMSET_NODE_PARAMS set, bad;
    CUDA_HOST_NODE_PARAMS host = {nothing_to_do, NULL}, empty = {NULL, NULL};
    CUDA_MEM_ALLOC_NODE_PARAMS allocation;
    memset(&kernel, 0, sizeof kernel);
    memset(&set, 0, sizeof set);
    OK(cuModuleLoadData(&module, rows_ptx));
    OK(cuModuleGetFunction(&nothing, module, "nothing"));
    OK(cuMemAlloc_v2(&p, 4096));
    E(INVALID_VALUE, cuGraphCreate(NULL, 0));
    E(INVALID_VALUE, cuGraphCreate(&graph, 1));
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphCreate(&other, 0));
    E(INVALID_VALUE, cuGraphAddEmptyNode(NULL, graph, NULL, 0));
    E(INVALID_VALUE, cuGraphAddEmptyNode(&a, NULL, NULL, 0));
    E(INVALID_VALUE, cuGraphAddEmptyNode(&a, JUNK(CUgraph), NULL, 0));
    E(INVALID_VALUE, cuGraphAddEmptyNode(&a, graph, NULL, 1)); /* a dependency that is not there */
    OK(cuGraphAddEmptyNode(&a, graph, NULL, 0));
    OK(cuGraphAddEmptyNode(&b, graph, &a, 1));
    OK(cuGraphAddEmptyNode(&elsewhere, other, NULL, 0));
    E(INVALID_VALUE, cuGraphAddEmptyNode(&node, graph, &elsewhere, 1)); /* of another graph */
    nodes[0] = nodes[1] = a;
    E(INVALID_VALUE, cuGraphAddEmptyNode(&node, graph, nodes, 2)); /* twice the same */
    /* Kernel nodes. */
    kernel.func = nothing;
    kernel.gridDimX = kernel.gridDimY = kernel.gridDimZ = kernel.blockDimX = kernel.blockDimY = kernel.blockDimZ = 1;
    E(INVALID_VALUE, cuGraphAddKernelNode_v2(&node, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddKernelNode_v2(NULL, graph, NULL, 0, &kernel));
    kernel.gridDimX = 0;
    E(INVALID_VALUE, cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &kernel));
    kernel.gridDimX = 1;
    OK(cuGraphAddKernelNode_v2(&node, graph, NULL, 0, &kernel));
    E(INVALID_VALUE, cuGraphKernelNodeGetParams_v2(node, NULL));
    E(INVALID_VALUE, cuGraphKernelNodeGetParams_v2(a, &got)); /* of another kind */
    E(INVALID_VALUE, cuGraphKernelNodeGetParams_v2(JUNK(CUgraphNode), &got));
    OK(cuGraphKernelNodeGetParams_v2(node, &got));
    HOLDS(got.func == nothing);
    E(INVALID_VALUE, cuGraphKernelNodeSetParams_v2(node, NULL));
    OK(cuGraphDestroyNode(node));
    E(INVALID_VALUE, cuGraphDestroyNode(node));
    E(INVALID_VALUE, cuGraphDestroyNode(NULL));
    E(INVALID_VALUE, cuGraphDestroyNode(JUNK(CUgraphNode)));
    /* Memset nodes. */
    set.dst = p;
    set.elementSize = 1;
    set.width = 16;
    set.height = 1;
    E(INVALID_VALUE, cuGraphAddMemsetNode(&node, graph, NULL, 0, NULL, context));
    bad = set;
    bad.elementSize = 3;
    E(INVALID_VALUE, cuGraphAddMemsetNode(&node, graph, NULL, 0, &bad, context));
    bad = set;
    bad.width = 0;
    E(INVALID_VALUE, cuGraphAddMemsetNode(&node, graph, NULL, 0, &bad, context));
    OK(cuGraphAddMemsetNode(&node, graph, NULL, 0, &set, context));
    E(INVALID_VALUE, cuGraphMemsetNodeGetParams(node, NULL));
    E(INVALID_VALUE, cuGraphMemsetNodeGetParams(a, &bad));
    OK(cuGraphMemsetNodeGetParams(node, &bad));
    OK(cuGraphDestroyNode(node));
    /* Host nodes. */
    E(INVALID_VALUE, cuGraphAddHostNode(&node, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddHostNode(&node, graph, NULL, 0, &empty));
    OK(cuGraphAddHostNode(&node, graph, NULL, 0, &host));
    E(INVALID_VALUE, cuGraphHostNodeGetParams(node, NULL));
    E(INVALID_VALUE, cuGraphHostNodeSetParams(node, NULL));
    /* Copies and events. */
    E(INVALID_VALUE, cuGraphAddMemcpyNode(&found, graph, NULL, 0, NULL, context));
    E(INVALID_VALUE, cuGraphAddEventRecordNode(&found, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddEventWaitNode(&found, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddChildGraphNode(&found, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddChildGraphNode(&found, graph, NULL, 0, graph)); /* into itself */
    E(INVALID_VALUE, cuGraphChildGraphNodeGetGraph(a, &child));
    /* Allocation nodes. */
    memset(&allocation, 0, sizeof allocation);
    E(INVALID_VALUE, cuGraphAddMemAllocNode(&found, graph, NULL, 0, NULL));
    E(INVALID_VALUE, cuGraphAddMemAllocNode(&found, graph, NULL, 0, &allocation)); /* of no type */
    E(INVALID_VALUE, cuGraphAddMemFreeNode(&found, graph, NULL, 0, 0));
    E(INVALID_VALUE, cuGraphAddMemFreeNode(&found, graph, NULL, 0, p)); /* not of a graph */
    /* Asking. */
    E(INVALID_VALUE, cuGraphNodeGetType(a, NULL));
    E(INVALID_VALUE, cuGraphNodeGetType(NULL, &type));
    E(INVALID_VALUE, cuGraphNodeGetType(JUNK(CUgraphNode), &type));
    OK(cuGraphNodeGetType(a, &type));
    HOLDS(type == CU_GRAPH_NODE_TYPE_EMPTY);
    E(INVALID_VALUE, cuGraphGetNodes(graph, nodes, NULL));
    E(INVALID_VALUE, cuGraphGetNodes(NULL, NULL, &count));
    OK(cuGraphGetNodes(graph, NULL, &count));
    HOLDS(count == 3);
    count = 2;
    OK(cuGraphGetNodes(graph, nodes, &count)); /* as many as there is room for */
    HOLDS(count == 2);
    E(INVALID_VALUE, cuGraphGetRootNodes(graph, nodes, NULL));
    OK(cuGraphGetRootNodes(graph, NULL, &count));
    HOLDS(count == 2);
    E(INVALID_VALUE, cuGraphGetEdges(graph, NULL, NULL, NULL));
    E(INVALID_VALUE, cuGraphGetEdges(graph, nodes, NULL, &count)); /* both or none */
    OK(cuGraphGetEdges(graph, NULL, NULL, &count));
    HOLDS(count == 1);
    E(INVALID_VALUE, cuGraphNodeGetDependencies(b, nodes, NULL));
    E(INVALID_VALUE, cuGraphNodeGetDependentNodes(b, nodes, NULL));
    /* Edges. */
    E(INVALID_VALUE, cuGraphAddDependencies(graph, &a, &b, 1)); /* is there */
    E(INVALID_VALUE, cuGraphAddDependencies(graph, &a, &a, 1));
    E(INVALID_VALUE, cuGraphAddDependencies(graph, &a, &elsewhere, 1));
    E(INVALID_VALUE, cuGraphAddDependencies(graph, NULL, &b, 1));
    E(INVALID_VALUE, cuGraphAddDependencies(NULL, &a, &b, 1));
    OK(cuGraphAddDependencies(graph, NULL, NULL, 0));
    E(INVALID_VALUE, cuGraphRemoveDependencies(graph, &b, &a, 1)); /* is not there */
    OK(cuGraphRemoveDependencies(graph, &a, &b, 1));
    OK(cuGraphAddDependencies(graph, &a, &b, 1));
    /* Clones. */
    E(INVALID_VALUE, cuGraphClone(NULL, graph));
    E(INVALID_VALUE, cuGraphClone(&clone, NULL));
    OK(cuGraphClone(&clone, graph));
    E(INVALID_VALUE, cuGraphNodeFindInClone(NULL, a, clone));
    E(INVALID_VALUE, cuGraphNodeFindInClone(&found, a, other)); /* not a clone of its graph */
    OK(cuGraphNodeFindInClone(&found, a, clone));
    OK(cuGraphDestroy(clone));
    E(INVALID_VALUE, cuGraphDestroy(clone));
    E(INVALID_VALUE, cuGraphDestroy(NULL));
    E(INVALID_VALUE, cuGraphDestroy(JUNK(CUgraph)));
    OK(cuGraphDestroy(graph));
    E(INVALID_VALUE, cuGraphNodeGetType(a, &type)); /* went with it */
    OK(cuGraphDestroy(other));
    /* User objects. */
    CUuserObject object = NULL;
    E(INVALID_VALUE, cuUserObjectCreate(NULL, &p, nothing_to_do, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    E(INVALID_VALUE, cuUserObjectCreate(&object, &p, NULL, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    E(INVALID_VALUE, cuUserObjectCreate(&object, &p, nothing_to_do, 0, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    E(INVALID_VALUE, cuUserObjectCreate(&object, &p, nothing_to_do, 1, 0));
    OK(cuUserObjectCreate(&object, &p, nothing_to_do, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    E(INVALID_VALUE, cuUserObjectRetain(NULL, 1));
    E(INVALID_VALUE, cuUserObjectRetain(object, 0));
    E(INVALID_VALUE, cuUserObjectRelease(object, 0));
    E(INVALID_VALUE, cuGraphRetainUserObject(NULL, object, 1, 0));
    OK(cuUserObjectRelease(object, 1));
    OK(cuMemFree_v2(p));
    leave(context);
}

void rows_graph_exec(void)
{
    CUcontext context = enter();
    CUgraph graph = NULL, other = NULL;
    CUgraphNode a = NULL, b = NULL;
    CUgraphExec exec = NULL;
    CUstream stream = NULL;
    CUmodule module = NULL;
    CUfunction nothing = NULL;
    CUDA_KERNEL_NODE_PARAMS kernel;
    CUgraphExecUpdateResultInfo info;
    cuuint64_t flags = 9;
    unsigned enabled = 9;
    memset(&kernel, 0, sizeof kernel);
    OK(cuModuleLoadData(&module, rows_ptx));
    OK(cuModuleGetFunction(&nothing, module, "nothing"));
    OK(cuStreamCreate(&stream, 0));
    OK(cuGraphCreate(&graph, 0));
    OK(cuGraphCreate(&other, 0));
    kernel.func = nothing;
    kernel.gridDimX = kernel.gridDimY = kernel.gridDimZ = kernel.blockDimX = kernel.blockDimY = kernel.blockDimZ = 1;
    OK(cuGraphAddKernelNode_v2(&a, graph, NULL, 0, &kernel));
    OK(cuGraphAddEmptyNode(&b, other, NULL, 0));
    E(INVALID_VALUE, cuGraphInstantiateWithFlags(NULL, graph, 0));
    E(INVALID_VALUE, cuGraphInstantiateWithFlags(&exec, NULL, 0));
    E(INVALID_VALUE, cuGraphInstantiateWithFlags(&exec, JUNK(CUgraph), 0));
    E(INVALID_VALUE, cuGraphInstantiateWithFlags(&exec, graph, 0x1000));
    E(INVALID_VALUE, cuGraphInstantiateWithParams(&exec, graph, NULL));
    OK(cuGraphInstantiateWithFlags(&exec, graph, 0));
    E(INVALID_VALUE, cuGraphExecGetFlags(exec, NULL));
    OK(cuGraphExecGetFlags(exec, &flags));
    HOLDS(flags == 0);
    E(INVALID_VALUE, cuGraphLaunch(NULL, stream));
    E(INVALID_VALUE, cuGraphLaunch(JUNK(CUgraphExec), stream));
    E(INVALID_HANDLE, cuGraphLaunch(exec, JUNK(CUstream)));
    E(INVALID_VALUE, cuGraphUpload(NULL, stream));
    OK(cuGraphUpload(exec, stream));
    OK(cuGraphLaunch(exec, stream));
    OK(cuStreamSynchronize(stream));
    E(INVALID_VALUE, cuGraphExecKernelNodeSetParams_v2(exec, a, NULL));
    E(INVALID_VALUE, cuGraphExecKernelNodeSetParams_v2(exec, b, &kernel)); /* of another graph */
    E(INVALID_VALUE, cuGraphExecKernelNodeSetParams_v2(NULL, a, &kernel));
    OK(cuGraphExecKernelNodeSetParams_v2(exec, a, &kernel));
    E(INVALID_VALUE, cuGraphNodeGetEnabled(exec, a, NULL));
    E(INVALID_VALUE, cuGraphNodeGetEnabled(NULL, a, &enabled));
    E(INVALID_VALUE, cuGraphNodeSetEnabled(exec, b, 1));
    OK(cuGraphNodeGetEnabled(exec, a, &enabled));
    HOLDS(enabled == 1);
    E(GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, other, &info)); /* another topology */
    HOLDS(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED || info.result == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED);
    E(INVALID_VALUE, cuGraphExecUpdate_v2(exec, NULL, &info));
    E(INVALID_VALUE, cuGraphExecUpdate_v2(NULL, graph, &info));
    OK(cuGraphExecUpdate_v2(exec, graph, &info));
    HOLDS(info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    OK(cuGraphDestroy(graph)); /* an executable graph lives on */
    OK(cuGraphLaunch(exec, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuGraphExecDestroy(exec));
    E(INVALID_VALUE, cuGraphExecDestroy(exec));
    E(INVALID_VALUE, cuGraphExecDestroy(NULL));
    E(INVALID_VALUE, cuGraphLaunch(exec, stream));
    OK(cuGraphDestroy(other));
    OK(cuStreamDestroy_v2(stream));
    leave(context);
}

void rows_capture(void)
{
    CUcontext context = enter();
    CUstream stream = NULL, other = NULL;
    CUgraph graph = NULL;
    CUevent event = NULL;
    CUdeviceptr p = 0, q = 0;
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&event, 0));
    OK(cuMemAlloc_v2(&p, 64));
    E(INVALID_VALUE, cuThreadExchangeStreamCaptureMode(NULL));
    mode = (CUstreamCaptureMode)9;
    E(INVALID_VALUE, cuThreadExchangeStreamCaptureMode(&mode));
    E(INVALID_VALUE, cuStreamBeginCapture_v2(stream, (CUstreamCaptureMode)9));
    E(INVALID_HANDLE, cuStreamBeginCapture_v2(JUNK(CUstream), CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(STREAM_CAPTURE_UNSUPPORTED, cuStreamBeginCapture_v2(CU_STREAM_LEGACY, CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(ILLEGAL_STATE, cuStreamEndCapture(stream, &graph)); /* does not capture */
    E(INVALID_VALUE, cuStreamIsCapturing(stream, NULL));
    OK(cuStreamIsCapturing(stream, &status));
    HOLDS(status == CU_STREAM_CAPTURE_STATUS_NONE);
    E(ILLEGAL_STATE, cuStreamUpdateCaptureDependencies(stream, NULL, 0, CU_STREAM_SET_CAPTURE_DEPENDENCIES));

    OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(ILLEGAL_STATE, cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL)); /* captures already */
    OK(cuStreamIsCapturing(stream, &status));
    HOLDS(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
    OK(cuMemsetD8Async(p, 1, 64, stream));
    E(INVALID_VALUE, cuStreamEndCapture(stream, NULL));
    OK(cuStreamEndCapture(stream, &graph));
    HOLDS(graph != NULL);
    OK(cuGraphDestroy(graph));

    /* What cannot be captured ends the capture, and is refused. */
#define INVALIDATED(expected, call)                                                                \
    do {                                                                                           \
        OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));                         \
        E(expected, call);                                                                         \
        OK(cuStreamIsCapturing(stream, &status));                                                  \
        HOLDS(status == CU_STREAM_CAPTURE_STATUS_INVALIDATED);                                     \
        graph = JUNK(CUgraph);                                                                     \
        E(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));                         \
        HOLDS(graph == NULL);                                                                      \
    } while (0)
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuStreamQuery(stream));
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuCtxSynchronize());
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc_v2(&q, 16));
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuMemFree_v2(p));
    INVALIDATED(STREAM_CAPTURE_UNSUPPORTED, cuMemsetD8_v2(p, 0, 1));
    /* After one of those the stream takes nothing but its end. */
    OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
    E(STREAM_CAPTURE_INVALIDATED, cuMemsetD8Async(p, 1, 64, stream));
    E(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));

    /* Relaxed captures allow them. */
    OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(cuMemAlloc_v2(&q, 16));
    OK(cuMemFree_v2(q));
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphDestroy(graph));

    /* Forked and not joined. */
    OK(cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    OK(cuEventRecord(event, stream));
    OK(cuStreamWaitEvent(other, event, 0));
    OK(cuMemsetD8Async(p, 1, 64, other));
    E(STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(stream, &graph));
    HOLDS(graph == NULL);
    OK(cuStreamIsCapturing(other, &status));
    HOLDS(status == CU_STREAM_CAPTURE_STATUS_NONE);

    /* The legacy stream stands still for captures of blocking streams. */
    CUstream blocking = NULL;
    OK(cuStreamCreate(&blocking, 0));
    OK(cuStreamBeginCapture_v2(blocking, CU_STREAM_CAPTURE_MODE_GLOBAL));
    E(STREAM_CAPTURE_IMPLICIT, cuStreamIsCapturing(CU_STREAM_LEGACY, &status));
    E(STREAM_CAPTURE_IMPLICIT, cuMemsetD8Async(p, 1, 64, CU_STREAM_LEGACY));
    E(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &graph));
    OK(cuStreamDestroy_v2(blocking));
    OK(cuEventDestroy_v2(event));
    OK(cuStreamDestroy_v2(stream));
    OK(cuStreamDestroy_v2(other));
    OK(cuMemFree_v2(p));
    leave(context);
}
