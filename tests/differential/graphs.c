/* graphs.c - graphs made node by node and by capture, changed, copied, launched, and what may not be done while a stream captures. */
#include "walk.h"

enum { GRAPHS = 3, WORDS = 1024, NODES = 10 };

static struct graph_slot {
    CUgraph graph;
    CUgraphExec exec;
    CUdeviceptr memory; /* WORDS of its own */
    CUevent event;
    int live, context;
    unsigned context_generation;
    CUgraphNode nodes[NODES], kernel;
    module_slot *code;
    uint32_t value;
} graphs[GRAPHS];

static uint32_t words[WORDS];
static unsigned host_calls;

static void CUDA_CB note(void *value)
{
    host_calls = host_calls * 31 + (unsigned)(uintptr_t)value;
}

int graph_uses(int context)
{
    for (int i = 0; i < GRAPHS; i++)
        if (LIVE(&graphs[i]) && graphs[i].context == context) return 1;
    return 0;
}

static struct graph_slot *a_graph(int context)
{
    int start = (int)below(GRAPHS);
    for (int i = 0; i < GRAPHS; i++) {
        struct graph_slot *g = &graphs[(start + i) % GRAPHS];
        if (LIVE(g) && g->context == context) return g;
    }
    return NULL;
}

static struct graph_slot *a_place(int context, module_slot **code)
{
    struct graph_slot *g = &graphs[below(GRAPHS)];
    if (LIVE(g) || !(*code = module_in(context))) return NULL;
    *g = (struct graph_slot){.context = context, .context_generation = contexts[context].generation, .code = *code};
    may_wait();
    if (CALL(cuMemAlloc_v2(&g->memory, sizeof words)) != CUDA_SUCCESS) return NULL;
    CALL(cuEventCreate(&g->event, 0));
    CALL(cuMemsetD8_v2(g->memory, 1, sizeof words));
    CALL(cuCtxSynchronize());
    synchronised(context);
    return g;
}

static void tell_graph(CUgraph graph)
{
    size_t nodes = 77, roots = 77, edges = 77;
    CUgraphNode all[32];
    CALL(cuGraphGetNodes(graph, NULL, &nodes));
    CALL(cuGraphGetRootNodes(graph, NULL, &roots));
    CALL(cuGraphGetEdges(graph, NULL, NULL, &edges));
    say("%zu nodes, %zu roots, %zu edges", nodes, roots, edges);
    nodes = 32;
    if (CALL(cuGraphGetNodes(graph, all, &nodes)) != CUDA_SUCCESS) return;
    for (size_t i = 0; i < nodes; i++) {
        CUgraphNodeType type = (CUgraphNodeType)77;
        size_t before = 77, after = 77;
        CALL(cuGraphNodeGetType(all[i], &type));
        CALL(cuGraphNodeGetDependencies(all[i], NULL, &before));
        CALL(cuGraphNodeGetDependentNodes(all[i], NULL, &after));
        say("type %d, after %zu, before %zu", (int)type, before, after);
    }
}

static void instantiate(struct graph_slot *g)
{
    if (CALL(cuGraphInstantiateWithFlags(&g->exec, g->graph, one_in(10) ? 0x100 : one_in(4) ? CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY : 0)) != CUDA_SUCCESS) g->exec = NULL;
}

/* One after the other, so that what the memory holds is determined. */
static void build(void)
{
    int c = work_context();
    module_slot *code = NULL;
    struct graph_slot *g = c < 0 ? NULL : a_place(c, &code);
    if (!g) return;
    if (CALL(cuGraphCreate(&g->graph, 0)) != CUDA_SUCCESS) return;
    g->live = 1;
    CUcontext context = contexts[c].handle;
    uint32_t count = 1 + below(NODES - 1), n = WORDS, made = 0;
    for (uint32_t i = 0; i < count; i++) {
        CUgraphNode *node = &g->nodes[made];
        const CUgraphNode *after = made ? node - 1 : NULL;
        size_t afters = made ? 1 : 0;
        g->value = below(1000);
        CUDA_KERNEL_NODE_PARAMS kernel = {.func = code->add, .gridDimX = 4, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 256, .blockDimY = 1, .blockDimZ = 1, .kernelParams = (void *[]){&g->memory, &n, &g->value}};
        CUDA_MEMSET_NODE_PARAMS set = {.dst = g->memory + 4 * below(100), .value = below(200), .elementSize = 1u << below(3), .width = 1 + below(100), .height = 1};
        CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = g->memory, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = g->memory + 2048, .WidthInBytes = 1 + below(2000), .Height = 1, .Depth = 1};
        CUDA_HOST_NODE_PARAMS host = {note, (void *)(uintptr_t)(i + 1)};
        CUgraph child = NULL;
        CUresult result = CUDA_SUCCESS;
        switch (below(8)) {
        case 0: case 1: result = CALL(cuGraphAddKernelNode_v2(node, g->graph, after, afters, &kernel)); g->kernel = *node; break;
        case 2: result = CALL(cuGraphAddMemsetNode(node, g->graph, after, afters, &set, context)); break;
        case 3: result = CALL(cuGraphAddMemcpyNode(node, g->graph, after, afters, &copy, context)); break;
        case 4: result = CALL(cuGraphAddHostNode(node, g->graph, after, afters, &host)); break;
        case 5: result = CALL(cuGraphAddEmptyNode(node, g->graph, after, afters)); break;
        case 6:
            CALL(cuGraphCreate(&child, 0));
            CUgraphNode inner;
            CALL(cuGraphAddMemsetNode(&inner, child, NULL, 0, &set, context));
            result = CALL(cuGraphAddChildGraphNode(node, g->graph, after, afters, child));
            CALL(cuGraphDestroy(child));
            break;
        case 7: result = CALL(cuGraphAddEventRecordNode(node, g->graph, after, afters, g->event)); break;
        }
        if (result == CUDA_SUCCESS) made++;
    }
    if (made > 2 && one_in(3)) {
        CALL(cuGraphAddDependencies(g->graph, &g->nodes[0], &g->nodes[made - 1], 1));
        CALL(cuGraphAddDependencies(g->graph, &g->nodes[made - 1], &g->nodes[0], 1)); /* a ring */
    }
    tell_graph(g->graph);
    instantiate(g);
}

static void show(struct graph_slot *g)
{
    if (CALL(cuMemcpyDtoH_v2(words, g->memory, sizeof words)) == CUDA_SUCCESS) say("its memory holds %016llx, host functions %x", (unsigned long long)hash_of(words, sizeof words), host_calls);
}

static void launch_graph(void)
{
    int c = work_context(), index;
    struct graph_slot *g = c < 0 ? NULL : a_graph(c);
    if (!g) return;
    CUstream stream = pick_stream(c, &index);
    let_go();
    may_wait();
    host_calls = 0;
    uint32_t times = 1 + below(3);
    say("graph %d, %u times, stream %d", (int)(g - graphs), times, index);
    loud(c);
    for (uint32_t i = 0; i < times; i++) CALL(cuGraphLaunch(g->exec, stream));
    if (one_in(2)) pause_a_little();
    CALL(cuStreamSynchronize(stream));
    show(g);
}

static void change(void)
{
    int c = work_context();
    struct graph_slot *g = c < 0 ? NULL : a_graph(c);
    if (!g) return;
    uint32_t n = WORDS, value = below(1000);
    CUDA_KERNEL_NODE_PARAMS kernel = {.func = g->code->add, .gridDimX = one_in(12) ? 0 : 4, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 256, .blockDimY = 1, .blockDimZ = 1, .kernelParams = (void *[]){&g->memory, &n, &value}};
    CUgraph clone = NULL;
    CUgraphNode found = NULL;
    CUgraphExecUpdateResultInfo info = {0};
    say("graph %d", (int)(g - graphs));
    switch (below(5)) {
    case 0:
        if (!g->kernel) break;
        CALL(cuGraphKernelNodeSetParams_v2(g->kernel, &kernel));
        if (g->exec) {
            CALL(cuGraphExecUpdate_v2(g->exec, g->graph, &info));
            say("update %d", (int)info.result);
        }
        break;
    case 1: if (g->kernel && g->exec) CALL(cuGraphExecKernelNodeSetParams_v2(g->exec, g->kernel, &kernel)); break;
    case 2:
        CALL(cuGraphClone(&clone, g->graph));
        if (g->kernel) CALL(cuGraphNodeFindInClone(&found, g->kernel, clone));
        tell_graph(clone);
        CALL(cuGraphAddEmptyNode(&found, clone, NULL, 0));
        if (g->exec) {
            CALL(cuGraphExecUpdate_v2(g->exec, clone, &info));
            say("update %d", (int)info.result);
        }
        CALL(cuGraphDestroy(clone));
        break;
    case 3:
        if (!g->kernel) break;
        CALL(cuGraphDestroyNode(g->kernel));
        g->kernel = NULL;
        tell_graph(g->graph);
        break;
    case 4:
        if (g->exec) CALL(cuGraphExecDestroy(g->exec));
        if (g->exec && one_in(4)) CALL(cuGraphExecDestroy(g->exec));
        instantiate(g);
        break;
    }
}

static void drop(void)
{
    int c = work_context();
    struct graph_slot *g = c < 0 ? NULL : a_graph(c);
    if (!g) return;
    may_wait();
    if (g->exec) CALL(cuGraphExecDestroy(g->exec));
    CALL(cuGraphDestroy(g->graph));
    if (one_in(3)) CALL(cuGraphDestroy(g->graph));
    CALL(cuCtxSynchronize());
    synchronised(c);
    CALL(cuMemFree_v2(g->memory));
    CALL(cuEventDestroy_v2(g->event));
    g->live = 0;
}

static void capture(void)
{
    int c = work_context();
    module_slot *code = NULL;
    if (c < 0) return;
    let_go();
    stream_slot *s = any_stream(c), *t = any_stream(c);
    struct graph_slot *g = s ? a_place(c, &code) : NULL;
    if (!g) return;
    CUstreamCaptureMode mode = (CUstreamCaptureMode)below(3);
    CUstreamCaptureStatus status = (CUstreamCaptureStatus)77;
    uint32_t n = WORDS, steps = 1 + below(6), value;
    say("stream %d, mode %d", (int)(s - streams), (int)mode);
    if (CALL(cuStreamBeginCapture_v2(s->handle, mode)) != CUDA_SUCCESS) return;
    int forked = 0;
    for (uint32_t i = 0; i < steps; i++) {
        value = below(1000);
        switch (below(13)) {
        case 0: case 1: case 2: CALL(launch(code->add, 4, 256, 0, s->handle, (void *[]){&g->memory, &n, &value})); break;
        case 3: case 4: CALL(cuMemsetD32Async(g->memory, value, 1 + below(WORDS), s->handle)); break;
        case 5: CALL(cuMemcpyDtoDAsync_v2(g->memory, g->memory + 2048, 1024, s->handle)); break;
        case 6: CALL(cuLaunchHostFunc(s->handle, note, (void *)(uintptr_t)value)); break;
        case 7:
            if (t == s) break;
            CALL(cuEventRecord(g->event, s->handle));
            CALL(cuStreamWaitEvent(t->handle, g->event, 0));
            forked = 1;
            CALL(cuStreamIsCapturing(t->handle, &status));
            say("the other %d", (int)status);
            if (one_in(4)) break; /* not joined */
            CALL(cuLaunchHostFunc(t->handle, note, (void *)(uintptr_t)value));
            CALL(cuEventRecord(g->event, t->handle));
            if (one_in(3)) CALL(cuEventQuery(g->event));
            CALL(cuStreamWaitEvent(s->handle, g->event, 0));
            break;
        case 8: if (one_in(3)) CALL(cuStreamSynchronize(s->handle)); break;
        case 9: if (one_in(3)) CALL(cuStreamQuery(s->handle)); break;
        case 10: if (one_in(3)) CALL(cuCtxSynchronize()); break;
        case 11: if (one_in(3)) CALL(launch(code->add, 4, 256, 0, NULL, (void *[]){&g->memory, &n, &value})); break;
        case 12: if (one_in(3)) {
            CUdeviceptr p = 0;
            if (CALL(cuMemAlloc_v2(&p, 64)) == CUDA_SUCCESS) CALL(cuMemFree_v2(p));
        }
        }
        if (one_in(3)) {
            CALL(cuStreamIsCapturing(s->handle, &status));
            say("capture %d", (int)status);
        }
    }
    CUresult result = CALL(cuStreamEndCapture(s->handle, &g->graph));
    CALL(cuStreamIsCapturing(s->handle, &status));
    say("capture %d, graph %s", (int)status, g->graph ? "some" : "none");
    if (forked) {
        CALL(cuStreamIsCapturing(t->handle, &status));
        say("the other %d", (int)status);
    }
    CALL(cuCtxSynchronize());
    synchronised(c);
    if (result != CUDA_SUCCESS) {
        CALL(cuMemFree_v2(g->memory));
        CALL(cuEventDestroy_v2(g->event));
        return;
    }
    g->live = 1;
    tell_graph(g->graph);
    instantiate(g);
}

const operation graph_operations[] = {
    {"build", "graphs", 4, build}, {"launch graph", "graphs", 8, launch_graph}, {"change graph", "graphs", 4, change}, {"drop graph", "graphs", 2, drop}, {"capture", "graphs", 4, capture}, {0},
};
