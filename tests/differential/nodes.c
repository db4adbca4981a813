/* nodes.c - graphs with memory of their own, conditionals, children, waits; what an executable graph is changed to; pools that are set to something;
 * mappings in parts. Each step gives back what it made. */
#include "walk.h"

enum { COUNT = 256 };

static uint32_t words[COUNT];

static void show_words(CUdeviceptr at)
{
    if (CALL(cuMemcpyDtoH_v2(words, at, sizeof words)) == CUDA_SUCCESS) say("holds %016llx", (unsigned long long)hash_of(words, sizeof words));
}

static CUDA_MEMSET_NODE_PARAMS set_of(CUdeviceptr at)
{
    uint32_t element = 1u << below(3);
    return (CUDA_MEMSET_NODE_PARAMS){.dst = at, .value = below(250), .elementSize = element, .width = 1 + below(COUNT * 4 / element), .height = 1};
}

static void launch_twice(CUgraph graph, CUdeviceptr at, unsigned flags)
{
    CUgraphExec exec = NULL;
    if (CALL(cuGraphInstantiateWithFlags(&exec, graph, flags)) != CUDA_SUCCESS) return;
    CALL(cuGraphLaunch(exec, NULL));
    if (one_in(2)) CALL(cuGraphLaunch(exec, NULL));
    CALL(cuCtxSynchronize());
    show_words(at);
    if (one_in(4)) CALL(cuGraphUpload(exec, NULL));
    CALL(cuGraphExecDestroy(exec));
}

/* Memory that the graph takes, works in, and gives back, or leaves to the program. */
static void memory_nodes(void)
{
    int c = work_context();
    if (c < 0) return;
    may_wait();
    let_go();
    CUgraph graph = NULL, clone = NULL;
    CUgraphNode alloc = NULL, set = NULL, copy = NULL, end = NULL;
    CUdeviceptr at = 0;
    CALL(cuMemAlloc_v2(&at, sizeof words));
    CALL(cuMemsetD8_v2(at, 3, sizeof words));
    CALL(cuGraphCreate(&graph, 0));
    CUDA_MEM_ALLOC_NODE_PARAMS params = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = one_in(10) ? 3 : 0}}, .bytesize = one_in(10) ? 0 : sizeof words}, got;
    memset(&got, 0, sizeof got);
    int frees = !one_in(3);
    unsigned flags = one_in(3) ? CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH : 0;
    say("frees %d, flags %u", frees, flags);
    if (CALL(cuGraphAddMemAllocNode(&alloc, graph, NULL, 0, &params)) == CUDA_SUCCESS) {
        CUcontext context = contexts[c].handle;
        CUDA_MEMSET_NODE_PARAMS how = set_of(params.dptr);
        CUDA_MEMCPY3D move = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = params.dptr, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = at, .WidthInBytes = how.width * how.elementSize, .Height = 1, .Depth = 1};
        CALL(cuGraphMemAllocNodeGetParams(alloc, &got));
        say("%zu bytes, address %s", got.bytesize, got.dptr == params.dptr ? "the same" : "another");
        CALL(cuGraphAddMemsetNode(&set, graph, &alloc, 1, &how, context));
        CALL(cuGraphAddMemcpyNode(&copy, graph, &set, 1, &move, context));
        if (frees) CALL(cuGraphAddMemFreeNode(&end, graph, &copy, 1, params.dptr));
        if (frees && one_in(4)) CALL(cuGraphAddMemFreeNode(&end, graph, &copy, 1, params.dptr)); /* twice */
        CALL(cuGraphClone(&clone, graph));
        CALL(cuGraphDestroyNode(alloc)); /* not one that allocates */
        CUgraphExec exec = NULL, other = NULL;
        if (CALL(cuGraphInstantiateWithFlags(&exec, graph, flags)) == CUDA_SUCCESS) {
            CALL(cuGraphInstantiateWithFlags(&other, graph, 0)); /* one at a time */
            CALL(cuGraphLaunch(exec, NULL));
            CALL(cuGraphLaunch(exec, NULL)); /* with what the first left there */
            CALL(cuCtxSynchronize());
            show_words(at);
            if (!frees) CALL(cuMemFree_v2(params.dptr));
            if (!frees && one_in(2)) CALL(cuMemFree_v2(params.dptr));
            CALL(cuGraphExecDestroy(exec));
        }
    }
    CALL(cuGraphDestroy(graph));
    CALL(cuDeviceGraphMemTrim(0));
    CALL(cuMemFree_v2(at));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

/* Conditions that keep their default; children; events. */
static void nested_nodes(void)
{
    int c = work_context();
    if (c < 0) return;
    may_wait();
    let_go();
    CUgraph graph = NULL, child = NULL;
    CUgraphNode node = NULL, inner = NULL, before = NULL;
    CUdeviceptr at = 0;
    CUcontext context = contexts[c].handle;
    CUevent event = NULL;
    CALL(cuMemAlloc_v2(&at, sizeof words));
    CALL(cuMemsetD8_v2(at, 1, sizeof words));
    CALL(cuEventCreate(&event, 0));
    CALL(cuGraphCreate(&graph, 0));
    CUDA_MEMSET_NODE_PARAMS how = set_of(at);
    CALL(cuGraphAddMemsetNode(&before, graph, NULL, 0, &how, context));
    uint32_t count = 1 + below(3);
    for (uint32_t i = 0; i < count; i++) {
        how = set_of(at);
        switch (below(4)) {
        case 0: case 1: {
            CUgraphConditionalHandle handle = 0;
            int kind = (int)below(one_in(8) ? 4 : 3);
            unsigned value = kind == CU_GRAPH_COND_TYPE_WHILE ? 0 : below(3), size = kind == CU_GRAPH_COND_TYPE_SWITCH ? 1 + below(3) : one_in(6) ? below(4) : 1;
            say("conditional %d, value %u, %u bodies", kind, value, size);
            if (CALL(cuGraphConditionalHandleCreate(&handle, graph, context, value, one_in(10) ? 0 : CU_GRAPH_COND_ASSIGN_DEFAULT)) != CUDA_SUCCESS) break;
            CUgraphNodeParams params = {.type = CU_GRAPH_NODE_TYPE_CONDITIONAL, .conditional = {.handle = handle, .type = (CUgraphConditionalNodeType)kind, .size = size, .ctx = context}};
            if (CALL(cuGraphAddNode_v2(&node, graph, &before, NULL, 1, &params)) != CUDA_SUCCESS) break;
            for (unsigned b = 0; b < size && b < 4; b++) {
                how = set_of(at);
                CALL(cuGraphAddMemsetNode(&inner, params.conditional.phGraph_out[b], NULL, 0, &how, context));
                if (one_in(4)) CALL(cuGraphAddEventRecordNode(&inner, params.conditional.phGraph_out[b], NULL, 0, event)); /* not in there */
            }
            before = node;
            break;
        }
        case 2:
            CALL(cuGraphCreate(&child, 0));
            CALL(cuGraphAddMemsetNode(&inner, child, NULL, 0, &how, context));
            if (CALL(cuGraphAddChildGraphNode(&node, graph, &before, 1, child)) == CUDA_SUCCESS) before = node;
            CUgraph told_back = NULL;
            if (CALL(cuGraphChildGraphNodeGetGraph(node, &told_back)) == CUDA_SUCCESS) say("child %s", told_back == child ? "itself" : "a copy");
            CALL(cuGraphDestroy(child));
            break;
        case 3:
            CALL(cuEventRecord(event, NULL));
            if (CALL(cuGraphAddEventWaitNode(&node, graph, &before, 1, event)) == CUDA_SUCCESS) before = node;
            break;
        }
    }
    launch_twice(graph, at, one_in(10) ? CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH : 0);
    CALL(cuGraphDestroy(graph));
    CALL(cuEventDestroy_v2(event));
    CALL(cuMemFree_v2(at));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

/* One executable graph, its nodes given other parameters, disabled, and updated from another graph. */
static void changed_nodes(void)
{
    int c = work_context();
    module_slot *m = c < 0 ? NULL : module_in(c);
    if (!m) return;
    may_wait();
    let_go();
    CUgraph graph = NULL, other = NULL;
    CUgraphExec exec = NULL;
    CUgraphNode kernel = NULL, set = NULL, copy = NULL, found = NULL;
    CUdeviceptr at = 0;
    CUcontext context = contexts[c].handle;
    uint32_t n = COUNT, value = below(100);
    CALL(cuMemAlloc_v2(&at, sizeof words));
    CALL(cuMemsetD8_v2(at, 1, sizeof words));
    CUDA_KERNEL_NODE_PARAMS run = {.func = m->add, .gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 256, .blockDimY = 1, .blockDimZ = 1, .kernelParams = (void *[]){&at, &n, &value}}, got;
    CUDA_MEMSET_NODE_PARAMS how = set_of(at), how_got;
    CUDA_MEMCPY3D move = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = at, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = at + 512, .WidthInBytes = 1 + below(512), .Height = 1, .Depth = 1};
    memset(&got, 0, sizeof got);
    memset(&how_got, 0, sizeof how_got);
    CALL(cuGraphCreate(&graph, 0));
    CALL(cuGraphAddKernelNode_v2(&kernel, graph, NULL, 0, &run));
    CALL(cuGraphAddMemsetNode(&set, graph, &kernel, 1, &how, context));
    CALL(cuGraphAddMemcpyNode(&copy, graph, &set, 1, &move, context));
    CALL(cuGraphKernelNodeGetParams_v2(kernel, &got));
    say("grid %u, block %u, function %s", got.gridDimX, got.blockDimX, got.func == m->add ? "its own" : "another");
    CALL(cuGraphMemsetNodeGetParams(set, &how_got));
    say("%zu times %u", how_got.width, how_got.elementSize);
    if (CALL(cuGraphInstantiateWithFlags(&exec, graph, 0)) == CUDA_SUCCESS) {
        unsigned enabled = 77;
        CALL(cuGraphNodeSetEnabled(exec, one_in(6) ? kernel : set, below(2)));
        if (one_in(6)) CALL(cuGraphNodeSetEnabled(exec, copy, 0));
        CALL(cuGraphNodeGetEnabled(exec, set, &enabled));
        say("enabled %u", enabled);
        CALL(cuGraphLaunch(exec, NULL));
        how = set_of(at);
        CALL(cuGraphExecMemsetNodeSetParams(exec, set, &how, context));
        value = below(100);
        run.gridDimX = one_in(8) ? 0 : 1;
        if (one_in(8)) run.func = m->shared;
        CALL(cuGraphExecKernelNodeSetParams_v2(exec, kernel, &run));
        move.WidthInBytes = 1 + below(512);
        CALL(cuGraphExecMemcpyNodeSetParams(exec, copy, &move, context));
        if (one_in(4)) CALL(cuGraphExecMemcpyNodeSetParams(exec, set, &move, context)); /* another kind */
        CALL(cuGraphLaunch(exec, NULL));
        CALL(cuCtxSynchronize());
        show_words(at);
        CALL(cuGraphClone(&other, graph));
        CALL(cuGraphNodeFindInClone(&found, set, other));
        how = set_of(at);
        CALL(cuGraphMemsetNodeSetParams(found, &how));
        if (one_in(4)) CALL(cuGraphDestroyNode(found));
        if (one_in(6)) CALL(cuGraphAddEmptyNode(&found, other, NULL, 0));
        CUgraphExecUpdateResultInfo info = {0};
        CALL(cuGraphExecUpdate_v2(exec, other, &info));
        say("update %d, node %s", (int)info.result, info.errorNode ? "some" : "none");
        CALL(cuGraphLaunch(exec, NULL));
        CALL(cuCtxSynchronize());
        show_words(at);
        CALL(cuGraphDestroy(other));
        CALL(cuGraphExecDestroy(exec));
    }
    CALL(cuGraphDestroy(graph));
    CALL(cuMemFree_v2(at));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void pool_settings(void)
{
    int c = work_context();
    if (c < 0) return;
    CUmemPoolProps what = {.allocType = one_in(10) ? CU_MEM_ALLOCATION_TYPE_INVALID : CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = one_in(10) ? 5 : 0}, .maxSize = one_in(4) ? 1 << 20 : 0};
    CUmemoryPool pool = NULL, now = NULL, first = NULL;
    if (CALL(cuMemPoolCreate(&pool, &what)) != CUDA_SUCCESS) return;
    CUmemPool_attribute which = (CUmemPool_attribute)below(10);
    cuuint64_t value = which < CU_MEMPOOL_ATTR_RELEASE_THRESHOLD ? below(2) : below(3) << 16, got = 0;
    say("attribute %d to %llu", (int)which, (unsigned long long)value);
    CALL(cuMemPoolSetAttribute(pool, which, &value));
    if (CALL(cuMemPoolGetAttribute(pool, which, &got)) == CUDA_SUCCESS && which <= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
        say("%llu", (unsigned long long)(which < CU_MEMPOOL_ATTR_RELEASE_THRESHOLD ? (unsigned)got : got));
    CUmemAccessDesc grant = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = one_in(6) ? 2 : 0}, .flags = (CUmemAccess_flags)below(4)};
    CUmemAccess_flags flags = (CUmemAccess_flags)77;
    CALL(cuMemPoolSetAccess(pool, &grant, 1));
    CALL(cuMemPoolGetAccess(&flags, pool, &grant.location));
    say("access %d", (int)flags);
    CALL(cuDeviceGetMemPool(&first, 0));
    CALL(cuDeviceSetMemPool(0, pool));
    CALL(cuDeviceGetMemPool(&now, 0));
    say("current %s", now == pool ? "is" : "is not");
    CUdeviceptr at = 0, big = 0;
    CUmemoryPool whose = NULL;
    CALL(cuMemAllocAsync(&at, 1000, NULL));
    CALL(cuPointerGetAttribute(&whose, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, at));
    say("pool %s", whose == pool ? "its own" : "another");
    if (what.maxSize && CALL(cuMemAllocFromPoolAsync(&big, 8 << 20, pool, NULL)) == CUDA_SUCCESS) CALL(cuMemFreeAsync(big, NULL));
    CALL(cuMemFreeAsync(at, NULL));
    CALL(cuDeviceSetMemPool(0, one_in(6) ? NULL : first));
    CALL(cuDeviceSetMemPool(0, first));
    loud(c);
    may_wait();
    CALL(cuStreamSynchronize(NULL));
    CALL(cuMemPoolTrimTo(pool, below(2) << 16));
    CALL(cuMemPoolDestroy(pool));
    CALL(cuMemPoolDestroy(pool));
    CALL(cuMemPoolDestroy(first)); /* the default one */
}

static void mappings(void)
{
    int c = work_context();
    if (c < 0) return;
    may_wait();
    let_go();
    CUmemAllocationProp what = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}}, got;
    CUmemAccessDesc grant = {.location = what.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    size_t grain = 0;
    memset(&got, 0, sizeof got);
    CALL(cuMemGetAllocationGranularity(&grain, &what, (CUmemAllocationGranularity_flags)below(2)));
    if (!grain) return;
    CUdeviceptr at = 0, fixed = 0;
    CUmemGenericAllocationHandle one = 0, two = 0, again = 0;
    unsigned long long flags = 77;
    unsigned char bytes[4] = {0};
    if (CALL(cuMemAddressReserve(&at, 3 * grain, one_in(4) ? 4 * grain : 0, 0, one_in(12))) != CUDA_SUCCESS) return;
    CALL(cuMemCreate(&one, grain + (one_in(10) ? 1 : 0), &what, 0));
    CALL(cuMemCreate(&two, 2 * grain, &what, 0));
    if (one) CALL(cuMemMap(at, grain, one_in(10) ? 512 : 0, one, 0));
    CALL(cuMemMap(at + grain, grain, 0, two, one_in(10)));
    CALL(cuMemMap(at + grain, grain, 0, two, 0)); /* perhaps there already */
    if (one_in(3)) CALL(cuMemMap(at + 2 * grain, grain, 0, two, 0));
    CALL(cuMemSetAccess(at, (1 + below(3)) * grain, &grant, 1));
    CALL(cuMemGetAccess(&flags, &what.location, at + grain));
    say("access %llu", flags);
    CALL(cuMemsetD8_v2(at + grain - 2, 9, 4));
    CALL(cuMemcpyDtoH_v2(bytes, at + grain - 2, 4));
    say("%d %d %d %d", bytes[0], bytes[1], bytes[2], bytes[3]);
    CALL(cuMemGetAllocationPropertiesFromHandle(&got, two));
    say("type %d, location %d of %d", (int)got.type, (int)got.location.type, got.location.id);
    if (CALL(cuMemRetainAllocationHandle(&again, (void *)(uintptr_t)(at + grain))) == CUDA_SUCCESS) {
        say("handle %s", again == two ? "the same" : "another");
        CALL(cuMemRelease(again));
    }
    grant.flags = one_in(2) ? CU_MEM_ACCESS_FLAGS_PROT_READ : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    CALL(cuMemSetAccess(at + grain, grain, &grant, 1));
    CALL(cuMemcpyHtoD_v2(at + grain, bytes, 4));
    CALL(cuMemcpyDtoH_v2(bytes, at + grain, 4));
    CALL(cuMemAddressReserve(&fixed, grain, 0, at, 0)); /* elsewhere, if that is a wish only */
    if (fixed) CALL(cuMemAddressFree(fixed, grain));
    CALL(cuMemFree_v2(at));
    CALL(cuMemUnmap(at + grain, grain));
    CALL(cuMemRelease(two));
    CALL(cuMemUnmap(at, 3 * grain));
    CALL(cuMemUnmap(at, grain));
    CALL(cuMemUnmap(at + 2 * grain, grain));
    if (one) CALL(cuMemRelease(one));
    CALL(cuMemAddressFree(at, grain)); /* a part */
    CALL(cuMemAddressFree(at, 3 * grain));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

const operation node_operations[] = {{"memory nodes", "nodes", 2, memory_nodes}, {"nested nodes", "nodes", 3, nested_nodes}, {"changed nodes", "nodes", 3, changed_nodes}, {"pool settings", "pools", 2, pool_settings}, {"mappings", "mappings", 2, mappings}, {0}};
