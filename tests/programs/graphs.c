/* Graphs made by hand: every kind of node, edges and questions, copies, updates, launches, memory, conditions.
 *
 *   graphs nodes | edges | updates | launches | memory | conditional | contexts */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "graphs_ptx.h"

#define COUNT 256

static CUcontext context;
static CUstream stream;
static CUfunction add, mad, countdown, choose;
static CUdeviceptr memory; /* COUNT words */

static void setup(void)
{
    CUdevice device;
    CUmodule module;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuDevicePrimaryCtxRetain(&context, device));
    CU(cuCtxSetCurrent(context));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuModuleLoadData(&module, graphs_ptx));
    CU(cuModuleGetFunction(&add, module, "add"));
    CU(cuModuleGetFunction(&mad, module, "mad"));
    CU(cuModuleGetFunction(&countdown, module, "countdown"));
    CU(cuModuleGetFunction(&choose, module, "choose"));
    CU(cuMemAlloc_v2(&memory, COUNT * 4));
    CU(cuMemsetD32_v2(memory, 0, COUNT));
}

static unsigned word(unsigned index)
{
    unsigned value;
    CU(cuMemcpyDtoH_v2(&value, memory + 4 * index, 4));
    return value;
}

static void set_word(unsigned index, unsigned value) { CU(cuMemcpyHtoD_v2(memory + 4 * index, &value, 4)); }

static CUDA_KERNEL_NODE_PARAMS kernel(CUfunction function, void **params)
{
    return (CUDA_KERNEL_NODE_PARAMS){.func = function, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1, .kernelParams = params};
}

/* mad(memory + 4 * index, factor, term) behind `count` nodes. */
static CUgraphNode mad_node(CUgraph graph, const CUgraphNode *from, size_t count, unsigned index, unsigned factor, unsigned term)
{
    CUdeviceptr at = memory + 4 * index;
    void *params[] = {&at, &factor, &term};
    CUDA_KERNEL_NODE_PARAMS p = kernel(mad, params);
    CUgraphNode node;
    CU(cuGraphAddKernelNode_v2(&node, graph, from, count, &p));
    return node;
}

static CUDA_MEMCPY3D copy_down(void *host, CUdeviceptr device, size_t bytes)
{
    return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = device, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = host, .WidthInBytes = bytes, .Height = 1, .Depth = 1};
}

static CUDA_MEMCPY3D copy_up(CUdeviceptr device, const void *host, size_t bytes)
{
    return (CUDA_MEMCPY3D){.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = host, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = device, .WidthInBytes = bytes, .Height = 1, .Depth = 1};
}

static CUgraphExec instantiate(CUgraph graph)
{
    CUgraphExec exec;
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    return exec;
}

static void run(CUgraphExec exec)
{
    CU(cuGraphLaunch(exec, stream));
    CU(cuStreamSynchronize(stream));
}

/* ---- nodes ---- */

static _Atomic int host_calls;
static unsigned host_saw[COUNT], host_result;

static void on_host(void *data)
{
    host_result = ((unsigned *)data)[0];
    atomic_fetch_add(&host_calls, 1);
}

static void nodes(void)
{
    CUgraph graph, child, got;
    CUgraphNode up, fill, work, down, host, empty, last, child_node, ops, record, wait;
    CUgraphNodeType type;
    unsigned source[COUNT], *pinned;
    CU(cuMemAllocHost_v2((void **)&pinned, COUNT * 4));
    for (int i = 0; i < COUNT; i++) source[i] = (unsigned)i;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphCreate(&graph, 1));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphCreate(NULL, 0));
    CU(cuGraphCreate(&graph, 0));

    /* pageable memory -> device -> kernel -> pageable memory -> host function, which sees what arrived */
    CUDA_MEMCPY3D p = copy_up(memory, source, sizeof source);
    CU(cuGraphAddMemcpyNode(&up, graph, NULL, 0, &p, context));
    unsigned count = COUNT, value = 5;
    void *params[] = {&memory, &count, &value};
    CUDA_KERNEL_NODE_PARAMS k = kernel(add, params);
    k.gridDimX = 2, k.blockDimX = 128;
    CU(cuGraphAddKernelNode_v2(&work, graph, &up, 1, &k));
    value = 77; /* was copied */
    p = copy_down(host_saw, memory, sizeof host_saw);
    CU(cuGraphAddMemcpyNode(&down, graph, &work, 1, &p, context));
    CUDA_HOST_NODE_PARAMS h = {on_host, host_saw + 3};
    CU(cuGraphAddHostNode(&host, graph, &down, 1, &h));
    CUgraphExec exec = instantiate(graph);
    run(exec);
    TRUE_OR_DIE(host_calls == 1 && host_result == 8);
    for (int i = 0; i < COUNT; i++) TRUE_OR_DIE(host_saw[i] == (unsigned)i + 5);
    /* the source is read when the graph runs */
    source[3] = 1000;
    run(exec);
    TRUE_OR_DIE(host_calls == 2 && host_result == 1005 && host_saw[4] == 9);
    for (int i = 0; i < 20; i++) CU(cuGraphLaunch(exec, stream));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(host_calls == 22);
    CU(cuGraphExecDestroy(exec));

    /* parameters come back as they were given */
    CUDA_KERNEL_NODE_PARAMS kb;
    CU(cuGraphKernelNodeGetParams_v2(work, &kb));
    TRUE_OR_DIE(kb.func == add && kb.gridDimX == 2 && kb.blockDimX == 128 && *(unsigned *)kb.kernelParams[2] == 5 && *(CUdeviceptr *)kb.kernelParams[0] == memory);
    CUDA_KERNEL_NODE_PARAMS_v1 kv1;
    CU(cuGraphKernelNodeGetParams(work, &kv1));
    TRUE_OR_DIE(kv1.func == add && kv1.blockDimX == 128);
    CUDA_MEMCPY3D pb;
    CU(cuGraphMemcpyNodeGetParams(down, &pb));
    TRUE_OR_DIE(pb.dstHost == host_saw && pb.srcDevice == memory && pb.WidthInBytes == sizeof host_saw);
    CUDA_HOST_NODE_PARAMS hb;
    CU(cuGraphHostNodeGetParams(host, &hb));
    TRUE_OR_DIE(hb.fn == on_host && hb.userData == host_saw + 3);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphHostNodeGetParams(work, &hb));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphKernelNodeGetParams_v2(host, &kb));
    CU(cuGraphNodeGetType(work, &type));
    TRUE_OR_DIE(type == CU_GRAPH_NODE_TYPE_KERNEL);

    /* memset, empty, child, memory operations, pinned memory, `extra` */
    CU(cuGraphCreate(&child, 0));
    CUDA_MEMSET_NODE_PARAMS m = {.dst = memory, .value = 3, .elementSize = 4, .width = COUNT, .height = 1};
    CU(cuGraphAddMemsetNode(&fill, child, NULL, 0, &m, context));
    struct {
        CUdeviceptr p;
        unsigned count, value;
    } packed = {memory, COUNT, 10};
    size_t packed_size = sizeof packed;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &packed_size, CU_LAUNCH_PARAM_END};
    CUDA_KERNEL_NODE_PARAMS_v1 v1 = {.func = add, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = COUNT, .blockDimY = 1, .blockDimZ = 1, .extra = extra};
    CU(cuGraphAddKernelNode(&work, child, &fill, 1, &v1));
    CU(cuGraphDestroy(graph));
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddEmptyNode(&empty, graph, NULL, 0));
    CU(cuGraphAddChildGraphNode(&child_node, graph, &empty, 1, child));
    CU(cuGraphChildGraphNodeGetGraph(child_node, &got));
    TRUE_OR_DIE(got != child);
    CU(cuGraphDestroy(child)); /* the node has its own */
    p = copy_down(pinned, memory, COUNT * 4);
    CU(cuGraphAddMemcpyNode(&down, graph, &child_node, 1, &p, context));
    CUstreamBatchMemOpParams list[2] = {
        {.writeValue = {.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32, .address = memory, .value = 41}},
        {.waitValue = {.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32, .address = memory, .value = 41, .flags = CU_STREAM_WAIT_VALUE_EQ}}};
    CUDA_BATCH_MEM_OP_NODE_PARAMS o = {.ctx = context, .count = 2, .paramArray = list};
    CU(cuGraphAddBatchMemOpNode(&ops, graph, &down, 1, &o));
    last = mad_node(graph, &ops, 1, 0, 2, 1);
    exec = instantiate(graph);
    run(exec);
    TRUE_OR_DIE(pinned[0] == 13 && pinned[COUNT - 1] == 13 && word(0) == 83 && word(1) == 13);
    CUDA_BATCH_MEM_OP_NODE_PARAMS ob;
    CU(cuGraphBatchMemOpNodeGetParams(ops, &ob));
    TRUE_OR_DIE(ob.count == 2 && ob.paramArray[0].writeValue.value == 41);
    /* launching twice before the first is done: one after the other */
    CU(cuGraphLaunch(exec, stream));
    CU(cuGraphLaunch(exec, stream));
    CU(cuGraphExecDestroy(exec)); /* what is launched still runs */
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(word(0) == 83);
    CU(cuGraphDestroyNode(last));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeGetType(last, &type));
    CU(cuGraphDestroy(graph));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(graph));

    /* event nodes, and the call that adds any kind of node */
    CUevent event, other, before;
    CU(cuEventCreate(&event, 0));
    CU(cuEventCreate(&other, 0));
    CU(cuEventCreate(&before, 0));
    CU(cuEventRecord(before, stream));
    CU(cuGraphCreate(&graph, 0));
    CUgraphNodeParams any = {.type = CU_GRAPH_NODE_TYPE_MEMSET, .memset = {.dst = memory, .value = 9, .elementSize = 4, .width = 1, .height = 1}};
    CU(cuGraphAddNode_v2(&fill, graph, NULL, NULL, 0, &any));
    CU(cuGraphAddEventRecordNode(&record, graph, &fill, 1, event));
    CU(cuGraphAddEventWaitNode(&wait, graph, &record, 1, before));
    mad_node(graph, &wait, 1, 0, 1, 1);
    CUevent got_event;
    CU(cuGraphEventRecordNodeGetEvent(record, &got_event));
    TRUE_OR_DIE(got_event == event);
    exec = instantiate(graph);
    CU(cuGraphLaunch(exec, stream));
    CU(cuEventSynchronize(event));
    CU(cuEventQuery(event));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(word(0) == 10);
    float ms;
    CU(cuEventElapsedTime(&ms, before, event));
    CU(cuGraphExecEventRecordNodeSetEvent(exec, record, other));
    run(exec);
    CU(cuEventQuery(other));
    CU(cuGraphExecDestroy(exec));
    any.memset.elementSize = 3;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddNode_v2(&fill, graph, NULL, NULL, 0, &any));
    any.type = (CUgraphNodeType)99;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddNode_v2(&fill, graph, NULL, NULL, 0, &any));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddHostNode(&host, graph, NULL, 0, &(CUDA_HOST_NODE_PARAMS){NULL, NULL}));
    k.gridDimX = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddKernelNode_v2(&work, graph, NULL, 0, &k));
    CU(cuGraphDestroy(graph));
    CU(cuEventDestroy_v2(event));
    CU(cuEventDestroy_v2(other));
    CU(cuEventDestroy_v2(before));
    CU(cuMemFreeHost(pinned));
}

/* ---- edges ---- */

static _Atomic int destroyed;
static void on_destroy(void *data) { atomic_fetch_add(&destroyed, *(int *)data); }

static void edges(void)
{
    CUgraph graph, clone;
    CUgraphNode a, b, c, d, list[8], from[8], to[8], found;
    CUgraphEdgeData data[8];
    size_t count;
    CU(cuGraphCreate(&graph, 0));
    a = mad_node(graph, NULL, 0, 0, 1, 1);
    b = mad_node(graph, &a, 1, 0, 3, 0);
    c = mad_node(graph, &a, 1, 1, 3, 1);
    d = mad_node(graph, (CUgraphNode[]){b, c}, 2, 0, 1, 100);
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 4);
    memset(list, 1, sizeof list);
    count = 6;
    CU(cuGraphGetNodes(graph, list, &count));
    TRUE_OR_DIE(count == 4 && list[0] == a && list[3] == d && !list[4] && !list[5]);
    count = 2;
    CU(cuGraphGetNodes(graph, list, &count));
    TRUE_OR_DIE(count == 2 && list[0] == a && list[1] == b);
    CU(cuGraphGetRootNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 1);
    CU(cuGraphGetRootNodes(graph, list, &count));
    TRUE_OR_DIE(list[0] == a);
    CU(cuGraphGetEdges(graph, NULL, NULL, &count));
    TRUE_OR_DIE(count == 4);
    count = 8;
    CU(cuGraphGetEdges(graph, from, to, &count));
    TRUE_OR_DIE(count == 4 && from[0] == a && to[0] == b && from[1] == a && to[1] == c && to[2] == d && to[3] == d);
    count = 8;
    CU(cuGraphNodeGetDependencies(d, list, &count));
    TRUE_OR_DIE(count == 2 && list[0] == b && list[1] == c);
    count = 8;
    CU(cuGraphNodeGetDependentNodes(a, list, &count));
    TRUE_OR_DIE(count == 2 && list[0] == b && list[1] == c);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &b, 1)); /* is there already */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &a, 1));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphRemoveDependencies(graph, &a, &d, 1)); /* is not there */
    CU(cuGraphAddDependencies(graph, &b, &c, 1));
    CU(cuGraphRemoveDependencies(graph, &b, &c, 1));

    /* edges with data */
    CUgraphEdgeData programmatic = {.from_port = CU_GRAPH_KERNEL_NODE_PORT_PROGRAMMATIC, .type = CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC};
    CU(cuGraphAddDependencies_v2(graph, &b, &c, &programmatic, 1));
    count = 8;
    CU_FAILS(CUDA_ERROR_LOSSY_QUERY, cuGraphGetEdges(graph, from, to, &count));
    count = 8;
    CU(cuGraphGetEdges_v2(graph, from, to, data, &count));
    TRUE_OR_DIE(count == 5);
    count = 8;
    CU_FAILS(CUDA_ERROR_LOSSY_QUERY, cuGraphNodeGetDependencies(c, list, &count));
    count = 8;
    CU(cuGraphNodeGetDependencies_v2(c, list, data, &count));
    TRUE_OR_DIE(count == 2 && list[1] == b && data[1].type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC && data[0].type == 0);
    CU(cuGraphRemoveDependencies_v2(graph, &b, &c, &programmatic, 1));

    /* a copy is a graph of its own */
    CU(cuGraphClone(&clone, graph));
    CU(cuGraphNodeFindInClone(&found, c, clone));
    TRUE_OR_DIE(found != c);
    CUgraphNodeType type;
    CU(cuGraphNodeGetType(found, &type));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeFindInClone(&found, found, clone));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddDependencies(graph, &a, &found, 1)); /* of another graph */
    CU(cuGraphDestroyNode(b));
    CU(cuGraphGetNodes(clone, NULL, &count));
    TRUE_OR_DIE(count == 4);
    set_word(0, 1);
    set_word(1, 1);
    CUgraphExec exec = instantiate(clone);
    CU(cuGraphDestroy(clone));
    run(exec);
    TRUE_OR_DIE(word(0) == 106 && word(1) == 4); /* ((1 + 1) * 3) + 100 */
    CU(cuGraphExecDestroy(exec));

    /* a circle cannot be instantiated, and the culprit is named */
    CU(cuGraphAddDependencies(graph, &d, &a, 1));
    CUgraphNode culprit = NULL;
    char log[64] = "x";
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiate_v2(&exec, graph, &culprit, log, sizeof log));
    TRUE_OR_DIE(culprit == a || culprit == c || culprit == d);
    CUDA_GRAPH_INSTANTIATE_PARAMS ip = {0};
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithParams(&exec, graph, &ip));
    TRUE_OR_DIE(ip.result_out == CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE && ip.hErrNode_out);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&exec, graph, 1 << 20));
    CU(cuGraphDestroy(graph));

    /* user objects live as long as who refers to them */
    CUuserObject object;
    int one = 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuUserObjectCreate(&object, &one, on_destroy, 1, 0));
    CU(cuUserObjectCreate(&object, &one, on_destroy, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
    CU(cuUserObjectRetain(object, 1));
    CU(cuUserObjectRelease(object, 2));
    TRUE_OR_DIE(destroyed == 0);
    mad_node(graph, NULL, 0, 0, 1, 1);
    exec = instantiate(graph);
    CU(cuGraphDestroy(graph));
    TRUE_OR_DIE(destroyed == 0);
    CU(cuGraphLaunch(exec, stream));
    CU(cuGraphExecDestroy(exec));
    CU(cuStreamSynchronize(stream));
    for (int i = 0; i < 30000 && !destroyed; i++) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    TRUE_OR_DIE(destroyed == 1);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuUserObjectRelease(object, 1));

    /* many nodes */
    CU(cuGraphCreate(&graph, 0));
    CUgraphNode previous = NULL;
    for (int i = 0; i < 2000; i++) previous = mad_node(graph, previous ? &previous : NULL, previous != NULL, 0, 1, 1);
    CU(cuGraphGetNodes(graph, NULL, &count));
    TRUE_OR_DIE(count == 2000);
    CU(cuGraphDebugDotPrint(graph, "/dev/null", 0));
    set_word(0, 0);
    exec = instantiate(graph);
    run(exec);
    TRUE_OR_DIE(word(0) == 2000);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphGetNodes((CUgraph)(uintptr_t)12345, NULL, &count));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch((CUgraphExec)(uintptr_t)12345, stream));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(NULL, stream));
}

/* ---- updates ---- */

static void updates(void)
{
    CUgraph graph, other;
    CUgraphNode set, work, down, host, node;
    unsigned result[2] = {0, 0};
    CUDA_MEMSET_NODE_PARAMS m = {.dst = memory, .value = 3, .elementSize = 4, .width = 2, .height = 1};
    CUDA_MEMCPY3D p = copy_down(result, memory, 8);
    CUDA_HOST_NODE_PARAMS h = {on_host, result};
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddMemsetNode(&set, graph, NULL, 0, &m, context));
    work = mad_node(graph, &set, 1, 0, 2, 1);
    CU(cuGraphAddMemcpyNode(&down, graph, &work, 1, &p, context));
    CU(cuGraphAddHostNode(&host, graph, &down, 1, &h));
    CUgraphExec exec = instantiate(graph);
    run(exec);
    TRUE_OR_DIE(result[0] == 7 && result[1] == 3 && host_result == 7);

    /* each kind of node, in the executable graph alone */
    CUdeviceptr at = memory + 4;
    unsigned factor = 5, term = 2;
    void *params[] = {&at, &factor, &term};
    CUDA_KERNEL_NODE_PARAMS k = kernel(mad, params);
    CU(cuGraphExecKernelNodeSetParams_v2(exec, work, &k));
    run(exec);
    TRUE_OR_DIE(result[0] == 3 && result[1] == 17);
    m.value = 4;
    CU(cuGraphExecMemsetNodeSetParams(exec, set, &m, context));
    unsigned elsewhere[2] = {0, 0};
    p = copy_down(elsewhere, memory, 8);
    CU(cuGraphExecMemcpyNodeSetParams(exec, down, &p, context));
    h.userData = elsewhere + 1;
    CU(cuGraphExecHostNodeSetParams(exec, host, &h));
    run(exec);
    TRUE_OR_DIE(elsewhere[0] == 4 && elsewhere[1] == 22 && host_result == 22 && result[1] == 17);
    CUDA_MEMSET_NODE_PARAMS mb;
    CU(cuGraphMemsetNodeGetParams(set, &mb));
    TRUE_OR_DIE(mb.value == 3); /* the graph is as it was */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphExecKernelNodeSetParams_v2(exec, set, &k));

    /* what is under way keeps its parameters */
    for (unsigned i = 0; i < 10; i++) {
        term = i;
        CU(cuGraphExecKernelNodeSetParams_v2(exec, work, &k));
        CU(cuGraphLaunch(exec, stream));
    }
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(elsewhere[1] == 29);

    /* disabled nodes do nothing */
    unsigned enabled = 7;
    CU(cuGraphNodeGetEnabled(exec, work, &enabled));
    TRUE_OR_DIE(enabled == 1);
    CU(cuGraphNodeSetEnabled(exec, work, 0));
    CU(cuGraphNodeGetEnabled(exec, work, &enabled));
    TRUE_OR_DIE(enabled == 0);
    run(exec);
    TRUE_OR_DIE(elsewhere[0] == 4 && elsewhere[1] == 4);
    CU(cuGraphNodeSetEnabled(exec, work, 1));
    run(exec);
    TRUE_OR_DIE(elsewhere[1] == 29);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphNodeSetEnabled(exec, host, 0));

    /* a whole graph of the same shape */
    CU(cuGraphClone(&other, graph));
    CU(cuGraphNodeFindInClone(&node, set, other));
    m.value = 100;
    CU(cuGraphMemsetNodeSetParams(node, &m));
    CUgraphExecUpdateResultInfo info;
    CU(cuGraphExecUpdate_v2(exec, other, &info));
    TRUE_OR_DIE(info.result == CU_GRAPH_EXEC_UPDATE_SUCCESS);
    run(exec);
    TRUE_OR_DIE(result[0] == 201 && result[1] == 100 && host_result == 201);
    /* of another shape: refused, and nothing has changed */
    mad_node(other, NULL, 0, 0, 1, 1);
    CU_FAILS(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate_v2(exec, other, &info));
    TRUE_OR_DIE(info.result == CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    CU(cuGraphDestroy(other));
    CU(cuGraphCreate(&other, 0));
    node = mad_node(other, NULL, 0, 0, 1, 1);
    node = mad_node(other, &node, 1, 0, 1, 1);
    node = mad_node(other, &node, 1, 0, 1, 1);
    mad_node(other, &node, 1, 0, 1, 1);
    CUgraphExecUpdateResult result_only;
    CU_FAILS(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, cuGraphExecUpdate(exec, other, &node, &result_only));
    TRUE_OR_DIE(result_only == CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED && node);
    run(exec);
    TRUE_OR_DIE(result[0] == 201);
    CU(cuGraphDestroy(other));

    /* children */
    CUgraph parent;
    CUgraphNode child;
    CU(cuGraphCreate(&parent, 0));
    CU(cuGraphCreate(&other, 0));
    mad_node(other, NULL, 0, 2, 0, 11);
    CU(cuGraphAddChildGraphNode(&child, parent, NULL, 0, other));
    CUgraphExec with_child = instantiate(parent);
    run(with_child);
    TRUE_OR_DIE(word(2) == 11);
    CU(cuGraphDestroy(other));
    CU(cuGraphCreate(&other, 0));
    mad_node(other, NULL, 0, 2, 0, 12);
    CU(cuGraphExecChildGraphNodeSetParams(with_child, child, other));
    run(with_child);
    TRUE_OR_DIE(word(2) == 12);
    CU(cuGraphDestroy(other));
    CU(cuGraphDestroy(parent));
    CU(cuGraphExecDestroy(with_child));

    /* attributes of kernel nodes */
    CUkernelNodeAttrValue value = {.priority = -1}, got;
    CU(cuGraphKernelNodeSetAttribute(work, CU_LAUNCH_ATTRIBUTE_PRIORITY, &value));
    CU(cuGraphKernelNodeGetAttribute(work, CU_LAUNCH_ATTRIBUTE_PRIORITY, &got));
    TRUE_OR_DIE(got.priority == -1);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphKernelNodeGetAttribute(set, CU_LAUNCH_ATTRIBUTE_PRIORITY, &got));
    CU(cuGraphExecDestroy(exec));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphExecDestroy(exec));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphExecUpdate_v2(exec, graph, &info));
    CU(cuGraphDestroy(graph));
}

/* ---- launches ---- */

static _Atomic int let_go;

static void slowly(void *data)
{
    while (!atomic_load(&let_go)) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    atomic_fetch_add((_Atomic int *)data, 1);
}

static void *launch_many(void *argument)
{
    CUgraphExec exec = argument;
    CUstream own;
    CU(cuCtxSetCurrent(context));
    CU(cuStreamCreate(&own, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < 25; i++) CU(cuGraphLaunch(exec, own));
    CU(cuStreamSynchronize(own));
    CU(cuStreamDestroy_v2(own));
    return NULL;
}

static void launches(void)
{
    CUgraph graph;
    CUgraphNode host;
    static _Atomic int calls;
    CUDA_HOST_NODE_PARAMS h = {slowly, &calls};
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddHostNode(&host, graph, NULL, 0, &h));
    mad_node(graph, &host, 1, 0, 1, 1);
    set_word(0, 0);
    CUgraphExec exec = instantiate(graph);
    CU(cuGraphUpload(exec, stream));
    CU(cuGraphLaunch(exec, stream));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(stream)); /* posted, not awaited */
    atomic_store(&let_go, 1);
    /* the stream's order: what comes behind the launch sees its work */
    unsigned seen = 0, *pinned;
    CU(cuMemAllocHost_v2((void **)&pinned, 4));
    CU(cuGraphLaunch(exec, stream));
    CU(cuMemcpyDtoHAsync_v2(pinned, memory, 4, stream));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(*pinned == 2 && calls == 2);
    /* in two streams: one launch at a time */
    CUstream second;
    CU(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    CU(cuGraphLaunch(exec, stream));
    CU(cuGraphLaunch(exec, second));
    CU(cuStreamSynchronize(second));
    TRUE_OR_DIE(calls == 4 && word(0) == 4);
    CU(cuGraphLaunch(exec, NULL)); /* the legacy stream */
    CU(cuGraphLaunch_ptsz(exec, NULL));
    CU(cuCtxSynchronize());
    TRUE_OR_DIE(calls == 6 && word(0) == 6);
    CU(cuStreamDestroy_v2(second));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));

    /* threads, each with a stream: none of the additions is lost, for one launch runs at a time */
    CU(cuGraphCreate(&graph, 0));
    mad_node(graph, NULL, 0, 0, 1, 1);
    exec = instantiate(graph);
    set_word(0, 0);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, launch_many, exec);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    CU(cuMemcpyDtoH_v2(&seen, memory, 4));
    TRUE_OR_DIE(seen == 100);
    cuuint64_t flags;
    CU(cuGraphExecGetFlags(exec, &flags));
    TRUE_OR_DIE(flags == 0);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemFreeHost(pinned));
}

/* ---- memory ---- */

static CUDA_MEM_ALLOC_NODE_PARAMS ask(size_t bytes)
{
    return (CUDA_MEM_ALLOC_NODE_PARAMS){.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}}, .bytesize = bytes};
}

static void set_node(CUgraph graph, CUgraphNode *node, const CUgraphNode *from, CUdeviceptr at, unsigned value, size_t words)
{
    CUDA_MEMSET_NODE_PARAMS m = {.dst = at, .value = value, .elementSize = 4, .width = words, .height = 1};
    CU(cuGraphAddMemsetNode(node, graph, from, 1, &m, context));
}

static void allocations(void)
{
    CUgraph graph, frees, clone;
    CUgraphNode alloc, set, work, free_node;
    size_t free_before, free_after, total;
    cuuint64_t used, reserved;
    CU(cuMemGetInfo_v2(&free_before, &total));
    CUDA_MEM_ALLOC_NODE_PARAMS a = ask(1 << 20), got;
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &a));
    TRUE_OR_DIE(a.dptr);
    CU(cuGraphMemAllocNodeGetParams(alloc, &got));
    TRUE_OR_DIE(got.dptr == a.dptr && got.bytesize == 1 << 20);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemFreeNode(&free_node, graph, NULL, 0, a.dptr)); /* not behind the allocation */
    set_node(graph, &set, &alloc, a.dptr, 21, 64);
    CUDA_MEMCPY3D p = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = a.dptr, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory, .WidthInBytes = 64, .Height = 1, .Depth = 1};
    CU(cuGraphAddMemcpyNode(&work, graph, &set, 1, &p, context));
    /* launched: allocated, until somebody frees it */
    CUgraphExec exec = instantiate(graph);
    CUgraphExec second;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithFlags(&second, graph, 0));
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, graph));
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphDestroyNode(work));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(a.dptr, stream)); /* not allocated yet */
    run(exec);
    TRUE_OR_DIE(word(0) == 21 && word(15) == 21);
    CU(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
    CU(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, &reserved));
    TRUE_OR_DIE(used >= 1 << 20 && reserved >= used);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(exec, stream)); /* is allocated */
    CU(cuMemFreeAsync(a.dptr, stream));
    run(exec);
    CU(cuMemFree_v2(a.dptr));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(a.dptr));
    run(exec);
    /* freed by another graph */
    CU(cuGraphCreate(&frees, 0));
    CU(cuGraphAddMemFreeNode(&free_node, frees, NULL, 0, a.dptr));
    CUdeviceptr address;
    CU(cuGraphMemFreeNodeGetParams(free_node, &address));
    TRUE_OR_DIE(address == a.dptr);
    CUgraphExec frees_exec = instantiate(frees);
    run(frees_exec);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphLaunch(frees_exec, stream)); /* twice */
    run(exec);
    run(frees_exec);
    CU(cuGraphExecDestroy(frees_exec));
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(frees));
    /* freed before the next launch by itself */
    CU(cuGraphInstantiateWithFlags(&exec, graph, CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH));
    for (int i = 0; i < 3; i++) run(exec);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemFree_v2(a.dptr));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(a.dptr));

    /* allocated and freed in one graph */
    CU(cuGraphCreate(&graph, 0));
    a = ask(4096);
    CU(cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &a));
    set_node(graph, &set, &alloc, a.dptr, 5, 16);
    p.srcDevice = a.dptr;
    CU(cuGraphAddMemcpyNode(&work, graph, &set, 1, &p, context));
    CU(cuGraphAddMemFreeNode(&free_node, graph, &work, 1, a.dptr));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemFreeNode(&free_node, graph, &work, 1, a.dptr));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemFreeNode(&free_node, graph, &work, 1, memory));
    exec = instantiate(graph);
    for (int i = 0; i < 3; i++) run(exec);
    TRUE_OR_DIE(word(0) == 5);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuDeviceGraphMemTrim(0));
    CU(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &used));
    CU(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT, &reserved));
    TRUE_OR_DIE(used == 0 && reserved == 0);
    CU(cuDeviceGetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &used));
    TRUE_OR_DIE(used >= 1 << 20);
    used = 0;
    CU(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &used));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGraphMemTrim(77));
    a = ask(0);
    CU(cuGraphCreate(&graph, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &a));
    a = ask((size_t)1 << 45);
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &a));
    CU(cuGraphDestroy(graph));
    CU(cuCtxSynchronize());
    CU(cuMemGetInfo_v2(&free_after, &total));
    TRUE_OR_DIE(free_after == free_before);
}

/* ---- conditional nodes ---- */

static CUgraphNode condition_kernel(CUgraph graph, const CUgraphNode *from, size_t count, CUfunction function, unsigned index, CUgraphConditionalHandle handle)
{
    CUdeviceptr at = memory + 4 * index;
    void *params[] = {&at, &handle};
    CUDA_KERNEL_NODE_PARAMS p = kernel(function, params);
    CUgraphNode node;
    CU(cuGraphAddKernelNode_v2(&node, graph, from, count, &p));
    return node;
}

static CUgraphNode conditional(CUgraph graph, const CUgraphNode *from, CUgraphConditionalHandle handle, CUgraphConditionalNodeType type, unsigned size, CUgraph *bodies)
{
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL, .conditional = {.handle = handle, .type = type, .size = size, .ctx = context}};
    CUgraphNode node;
    CU(cuGraphAddNode_v2(&node, graph, from, NULL, 1, &p));
    memcpy(bodies, p.conditional.phGraph_out, size * sizeof *bodies);
    return node;
}

static void conditions(void)
{
    CUgraph graph, body, bodies[3], clone;
    CUgraphNode first, node;
    CUgraphConditionalHandle handle, inner;
    /* while: word 0 counts down to 0, word 1 counts the turns */
    CU(cuGraphCreate(&graph, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphConditionalHandleCreate(&handle, graph, context, 1, 8));
    CU(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    CUgraphExec exec;
    CUDA_GRAPH_INSTANTIATE_PARAMS ip = {0};
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphInstantiateWithParams(&exec, graph, &ip));
    TRUE_OR_DIE(ip.result_out == CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED);
    CU(cuGraphAddEmptyNode(&first, graph, NULL, 0));
    CUgraphNode loop = conditional(graph, &first, handle, CU_GRAPH_COND_TYPE_WHILE, 1, &body);
    node = mad_node(body, NULL, 0, 1, 1, 1);
    condition_kernel(body, &node, 1, countdown, 0, handle);
    CUDA_HOST_NODE_PARAMS h = {on_host, host_saw};
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphAddHostNode(&node, body, NULL, 0, &h)); /* bodies run on the device */
    mad_node(graph, &loop, 1, 1, 1, 1000);
    CU_FAILS(CUDA_ERROR_NOT_SUPPORTED, cuGraphClone(&clone, graph));
    exec = instantiate(graph);
    set_word(0, 7);
    set_word(1, 0);
    run(exec);
    TRUE_OR_DIE(word(0) == 0 && word(1) == 1007);
    set_word(0, 3); /* the default value at each launch */
    run(exec);
    TRUE_OR_DIE(word(0) == 0 && word(1) == 2010);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));

    /* What else the device may do in a body: copies of pinned memory and of a module's variable, a child graph, kernels with attributes. */
    uint32_t *pinned, turns = 0;
    CUgraph child;
    CU(cuMemHostAlloc((void **)&pinned, 64, CU_MEMHOSTALLOC_DEVICEMAP));
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphConditionalHandleCreate(&handle, graph, context, 1, CU_GRAPH_COND_ASSIGN_DEFAULT));
    CU(cuGraphAddEmptyNode(&first, graph, NULL, 0));
    conditional(graph, &first, handle, CU_GRAPH_COND_TYPE_WHILE, 1, &body);
    CU(cuGraphAddEmptyNode(&node, body, NULL, 0));
    CUDA_MEMCPY3D there = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = pinned, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory + 4 * 3, .WidthInBytes = 4, .Height = 1, .Depth = 1};
    CUDA_MEMCPY3D back = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory + 4 * 1, .dstMemoryType = CU_MEMORYTYPE_UNIFIED, .dstDevice = (CUdeviceptr)(uintptr_t)(pinned + 1), .WidthInBytes = 4, .Height = 1, .Depth = 1};
    CU(cuGraphAddMemcpyNode(&node, body, &node, 1, &there, context));
    CU(cuGraphCreate(&child, 0));
    mad_node(child, NULL, 0, 1, 1, 1);
    CU(cuGraphAddChildGraphNode(&node, body, &node, 1, child));
    CU(cuGraphDestroy(child));
    CU(cuGraphAddMemcpyNode(&node, body, &node, 1, &back, context));
    node = condition_kernel(body, &node, 1, countdown, 0, handle);
    CUkernelNodeAttrValue value = {.cooperative = 1}, value_back = {0};
    CU(cuGraphKernelNodeSetAttribute(node, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &value));
    CU(cuGraphKernelNodeGetAttribute(node, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &value_back));
    TRUE_OR_DIE(value_back.cooperative == 1);
    exec = instantiate(graph);
    for (int i = 0; i < 2; i++) {
        pinned[0] = 4711 + (uint32_t)i;
        set_word(0, 5);
        set_word(1, 100);
        run(exec);
        turns = word(1) - 100;
        TRUE_OR_DIE(word(0) == 0 && turns == 5 && word(3) == 4711 + (uint32_t)i && pinned[1] == 105);
    }
    CU(cuMemFreeHost(pinned));
    if (getenv("RINGFENCE_SOCKET")) { /* what the graph names is gone: the launch fails, and the executor lives. A driver in this very process may fall with it */
        CUresult gone = cuGraphLaunch(exec, NULL);
        if (gone == CUDA_SUCCESS) gone = cuCtxSynchronize();
        TRUE_OR_DIE(gone != CUDA_SUCCESS);
    }
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));

    /* if, with else; switch inside of it */
    CU(cuGraphCreate(&graph, 0));
    CU(cuGraphConditionalHandleCreate(&handle, graph, context, 0, 0));
    first = condition_kernel(graph, NULL, 0, choose, 0, handle);
    conditional(graph, &first, handle, CU_GRAPH_COND_TYPE_IF, 2, bodies);
    mad_node(bodies[1], NULL, 0, 1, 0, 500);
    CU(cuGraphConditionalHandleCreate(&inner, bodies[0], context, 0, 0));
    node = condition_kernel(bodies[0], NULL, 0, choose, 2, inner);
    CUgraph cases[3];
    conditional(bodies[0], &node, inner, CU_GRAPH_COND_TYPE_SWITCH, 3, cases);
    for (unsigned i = 0; i < 3; i++) mad_node(cases[i], NULL, 0, 1, 0, 600 + i);
    exec = instantiate(graph);
    set_word(0, 0);
    run(exec);
    TRUE_OR_DIE(word(1) == 500);
    set_word(0, 1);
    for (unsigned i = 0; i < 4; i++) {
        set_word(2, i);
        run(exec);
        TRUE_OR_DIE(word(1) == (i < 3 ? 600 + i : 602)); /* no case: nothing happens */
    }
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CUgraphNodeParams p = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL, .conditional = {.handle = handle, .type = CU_GRAPH_COND_TYPE_WHILE, .size = 1, .ctx = context}};
    CU(cuGraphCreate(&graph, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGraphAddNode_v2(&node, graph, NULL, NULL, 0, &p)); /* whose graph is gone */
    CU(cuGraphDestroy(graph));
}

/* ---- contexts ---- */

/* A context that ends takes captures and allocations with it; what is left of its graphs can be thrown away. */
static void contexts(void)
{
    CUcontext own;
    CUstream captured;
    CUgraph graph;
    CUgraphNode node;
    CUdeviceptr after;
    CU(cuCtxCreate_v2(&own, 0, 0));
    CU(cuStreamCreate(&captured, 0));
    CU(cuStreamBeginCapture_v2(captured, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CU(cuGraphCreate(&graph, 0));
    CUDA_MEM_ALLOC_NODE_PARAMS a = ask(8 << 20);
    CU(cuGraphAddMemAllocNode(&node, graph, NULL, 0, &a));
    CUDA_MEMSET_NODE_PARAMS m = {.dst = a.dptr, .value = 1, .elementSize = 4, .width = 16, .height = 1};
    CUgraphNode set;
    CU(cuGraphAddMemsetNode(&set, graph, &node, 1, &m, own));
    CUgraphExec exec = instantiate(graph);
    CU(cuCtxDestroy_v2(own));
    CU(cuCtxSetCurrent(context));
    CU(cuMemAlloc_v2(&after, 8 << 20)); /* nobody captures any more; perhaps at the same address */
    TRUE_OR_DIE(cuGraphLaunch(exec, stream) != CUDA_SUCCESS);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(graph));
    CU(cuMemsetD32_v2(after, 7, 2 << 20)); /* and it is still there */
    CU(cuMemFree_v2(after));
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    setup();
    if (!strcmp(what, "nodes")) nodes();
    else if (!strcmp(what, "edges")) edges();
    else if (!strcmp(what, "updates")) updates();
    else if (!strcmp(what, "launches")) launches();
    else if (!strcmp(what, "memory")) allocations();
    else if (!strcmp(what, "conditional")) conditions();
    else if (!strcmp(what, "contexts")) contexts();
    else return 2;
    return 0;
}
