/* cuGraphDebugDotPrint: a graph as Graphviz reads it. */
#include <stdio.h>
#include <stdlib.h>

#include "graph.h"

static const char *const type_names[] = {"KERNEL", "MEMCPY", "MEMSET", "HOST", "GRAPH", "EMPTY", "WAIT_EVENT", "EVENT_RECORD", "EXT_SEMAS_SIGNAL",
                                         "EXT_SEMAS_WAIT", "MEM_ALLOC", "MEM_FREE", "BATCH_MEM_OP", "CONDITIONAL"};

static bool wants(unsigned flags, unsigned flag) { return flags & (flag | CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE); }

static void print_params(FILE *file, const struct graph_params *params, unsigned flags) {
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      if (!wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS)) break;
      fprintf(file, "\\nfunction 0x%llx\\ngrid %u,%u,%u block %u,%u,%u shared %u", (unsigned long long)(uintptr_t)params->kernel.function, params->kernel.grid[0],
              params->kernel.grid[1], params->kernel.grid[2], params->kernel.block[0], params->kernel.block[1], params->kernel.block[2], params->kernel.shared);
      break;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      if (!wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEMCPY_NODE_PARAMS)) break;
      fprintf(file, "\\n%zu x %zu x %zu bytes", params->copy.WidthInBytes, params->copy.Height, params->copy.Depth);
      break;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      if (!wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_MEMSET_NODE_PARAMS)) break;
      fprintf(file, "\\n0x%llx value %u, %zu x %zu of %u bytes", (unsigned long long)params->set.dst, params->set.value, params->set.width, params->set.height,
              params->set.elementSize);
      break;
    case CU_GRAPH_NODE_TYPE_HOST:
      if (!wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_HOST_NODE_PARAMS)) break;
      fprintf(file, "\\nfn 0x%llx data 0x%llx", (unsigned long long)(uintptr_t)params->host.fn, (unsigned long long)(uintptr_t)params->host.userData);
      break;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      if (wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_EVENT_NODE_PARAMS)) fprintf(file, "\\nevent 0x%llx", (unsigned long long)(uintptr_t)params->event);
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      if (!wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_CONDITIONAL_NODE_PARAMS)) break;
      fprintf(file, "\\nhandle 0x%llx type %d size %u", (unsigned long long)params->conditional.handle, (int)params->conditional.type, params->conditional.size);
      break;
    default: break;
  }
}

static void print_graph(FILE *file, const struct graph *graph, const char *name, unsigned flags, unsigned *number) {
  const unsigned own = (*number)++;
  fprintf(file, "subgraph cluster_%u {\nlabel=\"%s\"\n", own, name);
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_node *const node = graph->nodes[i];
    fprintf(file, "\"graph_%u_node_%u\"[shape=\"%s\" label=\"%u\\n%s", own, i, node->params.type == CU_GRAPH_NODE_TYPE_KERNEL ? "octagon" : "rectangle", i,
            type_names[node->params.type]);
    if (wants(flags, CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES)) fprintf(file, "\\nnode 0x%llx", (unsigned long long)node->handle);
    print_params(file, &node->params, flags);
    fprintf(file, "\"];\n");
  }
  for (uint32_t i = 0; i < graph->count; i++)
    for (uint32_t k = 0; k < graph->nodes[i]->out.count; k++)
      fprintf(file, "\"graph_%u_node_%u\" -> \"graph_%u_node_%u\";\n", own, i, own, graph->nodes[i]->out.at[k].node->index);
  fprintf(file, "}\n");
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    char label[64];
    snprintf(label, sizeof label, "graph_%u node %u", own, i);
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) print_graph(file, params->child, label, flags, number);
    if (params->type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
    for (unsigned k = 0; k < params->conditional.size; k++) print_graph(file, params->conditional.bodies[k], label, flags, number);
  }
}

CUresult GRAPH_CALL(cuGraphDebugDotPrint)(CUgraph hGraph, const char *path, unsigned int flags) {
  GRAPH_ENTER();
  if (!path || flags >> 17) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  const struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, hGraph);
  FILE *const file = graph ? fopen(path, "w") : NULL;
  if (file) {
    unsigned number = 0;
    fprintf(file, "digraph dot {\n");
    print_graph(file, graph, "graph", flags, &number);
    fprintf(file, "}\n");
  }
  const bool failed = !file || ferror(file);
  const bool written = !(file && fclose(file)) && !failed;
  graph_unlock();
  return !graph ? CUDA_ERROR_INVALID_VALUE : written ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}
