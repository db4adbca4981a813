/* large_graph.c - a graph of very many nodes: large_graph SHAPE COUNT. Each node writes a word of its own. Nothing in making, changing, running
 * and ending it may take longer for a node the more there are: what took the square of 100,000 would not end. SHAPE: "wide", nodes beside one
 * another between one that all follow and one that follows all; "chain", one behind another; "refused", whose instantiation must be out of memory. */
#include <string.h>

#include "check.h"

static CUgraphNode add(CUgraph graph, CUcontext context, const CUgraphNode *after, size_t count, CUdeviceptr address, unsigned value)
{
    CUDA_MEMSET_NODE_PARAMS params = {.dst = address, .elementSize = 4, .width = 1, .height = 1, .value = value};
    CUgraphNode node;
    CU(cuGraphAddMemsetNode(&node, graph, after, count, &params, context));
    return node;
}

int main(int argc, char **argv)
{
    TRUE_OR_DIE(argc == 3);
    const int chain = strcmp(argv[1], "chain") == 0;
    const unsigned count = (unsigned)strtoul(argv[2], NULL, 10);
    CUcontext context;
    CUdeviceptr memory;
    CUgraph graph, copy;
    CUgraphExec exec;
    CUstream stream;
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuMemAlloc_v2(&memory, (size_t)count * 4));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuGraphCreate(&graph, 0));
    CUgraphNode *nodes = malloc(count * sizeof *nodes), first = NULL;
    TRUE_OR_DIE(nodes && count > 2);
    for (unsigned i = 0; i + 1 < count; i++) nodes[i] = add(graph, context, chain ? &nodes[i - 1] : &first, i != 0, memory + 4ul * i, i + 1), first = nodes[0];
    nodes[count - 1] = chain ? add(graph, context, &nodes[count - 2], 1, memory + 4ul * (count - 1), count) : add(graph, context, nodes + 1, count - 2, memory + 4ul * (count - 1), count);

    size_t edges = 0, number = 0;
    CU(cuGraphGetNodes(graph, NULL, &number));
    CU(cuGraphGetEdges(graph, NULL, NULL, &edges));
    TRUE_OR_DIE(number == count && edges == (chain ? count - 1 : 2ul * (count - 2)));
    if (strcmp(argv[1], "refused") == 0) {
        CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuGraphInstantiateWithFlags(&exec, graph, 0));
        CU(cuMemsetD32Async(memory, 5, count, stream)); /* and nothing else is */
        CU(cuStreamSynchronize(stream));
        return 0;
    }
    CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
    CU(cuGraphLaunch(exec, stream));
    CU(cuStreamSynchronize(stream));
    unsigned *words = calloc(count, sizeof *words);
    TRUE_OR_DIE(words);
    CU(cuMemcpyDtoH_v2(words, memory, (size_t)count * 4));
    for (unsigned i = 0; i < count; i++) TRUE_OR_DIE(words[i] == i + 1);

    CU(cuGraphClone(&copy, graph));
    for (unsigned i = 0; i < count; i += 2) CU(cuGraphDestroyNode(nodes[chain ? i : count - 1 - i]));
    CU(cuGraphGetNodes(graph, NULL, &number));
    TRUE_OR_DIE(number == count / 2);
    CU(cuGraphGetNodes(copy, NULL, &number));
    TRUE_OR_DIE(number == count);
    CU(cuGraphExecDestroy(exec));
    CU(cuGraphDestroy(copy));
    CU(cuGraphDestroy(graph));
    CU(cuCtxDestroy_v2(context));
    free(nodes);
    free(words);
    return 0;
}
