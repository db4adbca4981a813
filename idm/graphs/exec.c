/* Executable graphs: instantiating, changing, launching; see graph.h. The host executes them. */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "graph.h"

#define HANDLE(type, object) ((type)(uintptr_t)(object)->handle)
#define KNOWN_FLAGS                                                                                                       \
  ((uint64_t)(CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD |                      \
              CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH | CUDA_GRAPH_INSTANTIATE_FLAG_USE_NODE_PRIORITY))

/* ---- which of its nodes a node of the original is -------------------------------------------------------------------------- */

static uint32_t nodes_below(const struct graph *graph) {
  uint32_t count = graph->count;
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) count += nodes_below(params->child);
    if (params->type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
    for (unsigned k = 0; k < params->conditional.size; k++) count += nodes_below(params->conditional.bodies[k]);
  }
  return count;
}

static uint32_t spread(uint64_t handle) { return (uint32_t)((handle >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 32); }

static void map_nodes(struct graph_exec *exec, struct graph *graph) {
  for (uint32_t i = 0; i < graph->count; i++) {
    struct graph_node *const node = graph->nodes[i];
    uint32_t at = spread(node->origin) & (exec->map_size - 1);
    while (exec->map[at]) at = (at + 1) & (exec->map_size - 1);
    exec->map[at] = node;
    if (node->params.type == CU_GRAPH_NODE_TYPE_GRAPH) map_nodes(exec, node->params.child);
    if (node->params.type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
    for (unsigned k = 0; k < node->params.conditional.size; k++) map_nodes(exec, node->params.conditional.bodies[k]);
  }
}

static struct graph_node *mapped(const struct graph_exec *exec, uint64_t original) {
  for (uint32_t at = spread(original) & (exec->map_size - 1); exec->map[at]; at = (at + 1) & (exec->map_size - 1))
    if (exec->map[at]->origin == original) return exec->map[at];
  return NULL;
}

/* ---- what it does to memory --------------------------------------------------------------------------------------------------- */

static CUresult append(CUdeviceptr **list, unsigned *count, CUdeviceptr address) {
  CUdeviceptr *const grown = realloc(*list, (*count + 1) * sizeof **list);
  if (!grown) return CUDA_ERROR_OUT_OF_MEMORY;
  *list = grown;
  grown[(*count)++] = address;
  return CUDA_SUCCESS;
}

static bool among(const CUdeviceptr *list, unsigned count, CUdeviceptr address) {
  for (unsigned i = 0; i < count; i++)
    if (list[i] == address) return true;
  return false;
}

static CUresult gather_memory(struct graph_exec *exec, const struct graph *graph) {
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) GRAPH_TRY(append(&exec->own, &exec->own_count, params->alloc.asked.dptr));
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_FREE) GRAPH_TRY(append(&exec->frees, &exec->free_count, params->free));
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) GRAPH_TRY(gather_memory(exec, params->child));
  }
  return CUDA_SUCCESS;
}

static CUresult sort_memory(struct graph_exec *exec) {
  for (unsigned i = 0; i < exec->own_count; i++)
    if (!among(exec->frees, exec->free_count, exec->own[i])) GRAPH_TRY(append(&exec->allocates, &exec->allocate_count, exec->own[i]));
  unsigned kept = 0;
  for (unsigned i = 0; i < exec->free_count; i++)
    if (!among(exec->own, exec->own_count, exec->frees[i])) exec->frees[kept++] = exec->frees[i];
  exec->free_count = kept;
  return CUDA_SUCCESS;
}

/* The executable graph of a handle, while nobody is launching it. */
static struct graph_exec *settled(CUgraphExec handle) {
  struct graph_exec *const exec = GRAPH_FIND(GRAPH_KIND_EXEC, handle);
  if (!exec) return NULL;
  graph_env_settle(exec);
  return GRAPH_FIND(GRAPH_KIND_EXEC, handle);
}

/* ---- making and ending --------------------------------------------------------------------------------------------------------- */

/* All of them, so that a graph that is destroyed leaves those that were made of it. */
static struct graph_exec *all;

void graph_exec_source_gone(struct graph *graph) {
  for (struct graph_exec *exec = all; exec && graph->execs; exec = exec->next) {
    if (exec->source != graph) continue;
    exec->source = NULL;
    graph->execs--;
  }
}

static void exec_free(struct graph_exec *exec) {
  if (exec->next) exec->next->previous = exec->previous;
  if (exec->previous) exec->previous->next = exec->next;
  if (all == exec) all = exec->next;
  if (exec->handle) graph_handle_free(GRAPH_KIND_EXEC, exec->handle);
  if (exec->source) exec->source->execs--;
  graph_plan_free(&exec->plan);
  free(exec->map);
  free(exec->allocates);
  free(exec->frees);
  free(exec->own);
  free(exec);
}

static CUresult fill(struct graph_exec *exec, struct graph_node **error) {
  exec->map_size = 16;
  while (exec->map_size < 2 * nodes_below(exec->graph)) exec->map_size *= 2;
  if (!(exec->map = calloc(exec->map_size, sizeof *exec->map))) return CUDA_ERROR_OUT_OF_MEMORY;
  map_nodes(exec, exec->graph);
  GRAPH_TRY(graph_plan_make(exec->graph, &exec->plan, error));
  GRAPH_TRY(gather_memory(exec, exec->graph));
  GRAPH_TRY(sort_memory(exec));
  if (!(exec->handle = graph_handle_new(GRAPH_KIND_EXEC, exec))) return CUDA_ERROR_OUT_OF_MEMORY;
  return graph_env_instantiate(exec, error);
}

static CUresult instantiate(struct graph *graph, uint64_t flags, CUDA_GRAPH_INSTANTIATE_PARAMS *told, struct graph_exec **out) {
  told->result_out = CUDA_GRAPH_INSTANTIATE_ERROR;
  told->hErrNode_out = NULL;
  if (!graph || graph->owner || flags & ~KNOWN_FLAGS) return CUDA_ERROR_INVALID_VALUE;
  if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_DEVICE_LAUNCH) {
    if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH) return CUDA_ERROR_INVALID_VALUE;
    told->result_out = CUDA_GRAPH_INSTANTIATE_NODE_OPERATION_NOT_SUPPORTED;
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (graph->execs && (graph->has_memory || graph->has_conditional)) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < graph->condition_count; i++) {
    if (graph->conditions[i]->used) continue;
    told->result_out = CUDA_GRAPH_INSTANTIATE_CONDITIONAL_HANDLE_UNUSED;
    return CUDA_ERROR_INVALID_VALUE;
  }
  struct graph_exec *const exec = calloc(1, sizeof *exec);
  if (!exec) return CUDA_ERROR_OUT_OF_MEMORY;
  exec->flags = flags;
  CUresult result = graph_clone(graph, &exec->graph);
  if (result) {
    free(exec);
    return result;
  }
  exec->source = graph;
  graph->execs++;
  exec->next = all;
  if (all) all->previous = exec;
  all = exec;
  struct graph_node *error = NULL;
  result = fill(exec, &error);
  if (result) {
    told->hErrNode_out = error ? (CUgraphNode)(uintptr_t)error->origin : NULL;
    if (error && !exec->handle && result == CUDA_ERROR_INVALID_VALUE) told->result_out = CUDA_GRAPH_INSTANTIATE_INVALID_STRUCTURE;
    struct graph *const copy = exec->graph;
    exec_free(exec);
    graph_free(copy);
    return result;
  }
  told->result_out = CUDA_GRAPH_INSTANTIATE_SUCCESS;
  *out = exec;
  return CUDA_SUCCESS;
}


static CUresult make(CUgraphExec *out, CUgraph handle, uint64_t flags, CUDA_GRAPH_INSTANTIATE_PARAMS *told) {
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  struct graph_exec *exec = NULL;
  GRAPH_TRY(instantiate(GRAPH_FIND(GRAPH_KIND_GRAPH, handle), flags, told, &exec));
  *out = HANDLE(CUgraphExec, exec);
  return CUDA_SUCCESS;
}

static CUresult make_with_flags(CUgraphExec *out, CUgraph graph, uint64_t flags, CUgraphNode *error, char *log, size_t log_size) {
  CUDA_GRAPH_INSTANTIATE_PARAMS told = {0};
  graph_lock();
  const CUresult result = make(out, graph, flags, &told);
  graph_unlock();
  graph_objects_run();
  if (error) *error = told.hErrNode_out;
  if (log && log_size) log[0] = 0;
  return result;
}

CUresult GRAPH_CALL(cuGraphInstantiate)(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer, size_t bufferSize) {
  GRAPH_ENTER();
  return make_with_flags(phGraphExec, hGraph, 0, phErrorNode, logBuffer, bufferSize);
}

CUresult GRAPH_CALL(cuGraphInstantiate_v2)(CUgraphExec *phGraphExec, CUgraph hGraph, CUgraphNode *phErrorNode, char *logBuffer, size_t bufferSize) {
  GRAPH_ENTER();
  return make_with_flags(phGraphExec, hGraph, 0, phErrorNode, logBuffer, bufferSize);
}

CUresult GRAPH_CALL(cuGraphInstantiateWithFlags)(CUgraphExec *phGraphExec, CUgraph hGraph, unsigned long long flags) {
  GRAPH_ENTER();
  /* An upload needs a stream, which only the call with parameters has. */
  if (flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD) return CUDA_ERROR_INVALID_VALUE;
  return make_with_flags(phGraphExec, hGraph, flags, NULL, NULL, 0);
}

static CUresult make_with_params(unsigned abi, CUgraphExec *out, CUgraph graph, CUDA_GRAPH_INSTANTIATE_PARAMS *params) {
  GRAPH_ENTER();
  if (!params) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  CUresult result = make(out, graph, params->flags, params);
  if (!result && params->flags & CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD)
    result = graph_env_upload(GRAPH_FIND(GRAPH_KIND_EXEC, *out), params->hUploadStream, abi);
  graph_unlock();
  graph_objects_run();
  return result;
}

GRAPH_TWIN(cuGraphInstantiateWithParams, make_with_params(abi, phGraphExec, hGraph, instantiateParams), CUgraphExec *phGraphExec, CUgraph hGraph,
           CUDA_GRAPH_INSTANTIATE_PARAMS *instantiateParams)

CUresult GRAPH_CALL(cuGraphExecGetFlags)(CUgraphExec hGraphExec, cuuint64_t *flags) {
  GRAPH_ENTER();
  graph_lock();
  const struct graph_exec *const exec = GRAPH_FIND(GRAPH_KIND_EXEC, hGraphExec);
  const bool good = exec && flags;
  if (good) *flags = exec->flags & ~(uint64_t)CUDA_GRAPH_INSTANTIATE_FLAG_UPLOAD;
  graph_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult GRAPH_CALL(cuGraphExecDestroy)(CUgraphExec hGraphExec) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_exec *const exec = settled(hGraphExec);
  if (exec) {
    graph_plan_free(&exec->plan); /* before the nodes that it names */
    graph_env_destroy(exec);      /* takes exec->graph */
    exec_free(exec);
  }
  graph_unlock();
  graph_objects_run();
  return exec ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* ---- launching --------------------------------------------------------------------------------------------------------------------- */

static CUresult launch(unsigned abi, CUgraphExec handle, CUstream stream_handle) {
  GRAPH_ENTER();
  CUresult result = CUDA_SUCCESS;
  struct graph_stream stream;
  graph_lock();
  struct graph_exec *const exec = settled(handle);
  result = exec ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (!result && graph_capturing()) {
    result = graph_env_stream(stream_handle, abi, &stream);
    /* A captured launch is a child node with what the graph does now. */
    if (!result && graph_capture_launch(&stream, exec->graph, &result)) {
      graph_unlock();
      return result;
    }
  }
  if (!result && (exec->own_count || exec->free_count)) result = graph_memory_launch(exec);
  if (!result) result = graph_env_launch(exec, stream_handle, abi);
  if (!result && atomic_load_explicit(&graph_captured_events, memory_order_relaxed))
    for (uint32_t i = 0; i < exec->plan.count; i++) {
      const struct graph_node *const node = exec->plan.steps[i].node;
      if (node && node->params.type == CU_GRAPH_NODE_TYPE_EVENT_RECORD) graph_capture_recorded(node->params.event);
    }
  graph_unlock();
  return result;
}

GRAPH_TWIN(cuGraphLaunch, launch(abi, hGraph, hStream), CUgraphExec hGraph, CUstream hStream)

static CUresult upload(unsigned abi, CUgraphExec handle, CUstream stream) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_exec *const exec = GRAPH_FIND(GRAPH_KIND_EXEC, handle);
  const CUresult result = exec ? graph_env_upload(exec, stream, abi) : CUDA_ERROR_INVALID_VALUE;
  graph_unlock();
  return result;
}

GRAPH_TWIN(cuGraphUpload, upload(abi, hGraph, hStream), CUgraphExec hGraph, CUstream hStream)

/* ---- changing ------------------------------------------------------------------------------------------------------------------------- */

/* Nodes of an executable graph that get other parameters. */
struct changes {
  struct graph_node **nodes;
  struct graph_params *params; /* what each gets; after `apply` what it had */
  size_t count, room;
};

static CUresult note(struct changes *changes, struct graph_node *node, const struct graph_params *params) {
  if (changes->count == changes->room) {
    const size_t room = changes->room ? 2 * changes->room : 16;
    struct graph_node **const nodes = realloc(changes->nodes, room * sizeof *nodes);
    if (nodes) changes->nodes = nodes;
    struct graph_params *const list = realloc(changes->params, room * sizeof *list);
    if (list) changes->params = list;
    if (!nodes || !list) return CUDA_ERROR_OUT_OF_MEMORY;
    changes->room = room;
  }
  GRAPH_TRY(graph_params_copy(&changes->params[changes->count], params));
  changes->nodes[changes->count++] = node;
  return CUDA_SUCCESS;
}

static void swap(struct changes *changes) {
  for (size_t i = 0; i < changes->count; i++) {
    struct graph_params *const params = &changes->nodes[i]->params;
    const struct graph_params had = *params;
    *params = changes->params[i];
    changes->params[i] = had;
  }
}

static CUresult apply(struct graph_exec *exec, struct changes *changes) {
  swap(changes);
  const CUresult result = changes->count ? graph_env_update(exec, changes->nodes, changes->count) : CUDA_SUCCESS;
  if (result) swap(changes);
  return result;
}

static void forget(struct changes *changes) {
  for (size_t i = 0; i < changes->count; i++) graph_params_free(&changes->params[i]);
  free(changes->nodes);
  free(changes->params);
}

static CUgraphNode handle_of(const struct graph_node *node) { return HANDLE(CUgraphNode, node); }

/* Nodes are paired in the order in which they were made. */
static CUresult compare(struct graph *mine, const struct graph *theirs, struct changes *changes, CUgraphExecUpdateResultInfo *info) {
  info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  if (mine->count != theirs->count) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  for (uint32_t i = 0; i < mine->count; i++) {
    struct graph_node *const node = mine->nodes[i];
    const struct graph_node *const other = theirs->nodes[i];
    info->errorNode = handle_of(other);
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
    if (node->params.type != other->params.type) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    if (node->in.count != other->in.count) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    for (uint32_t k = 0; k < node->in.count; k++) {
      const struct graph_edge *const a = &node->in.at[k], *const b = &other->in.at[k];
      if (a->node->index == b->node->index && !memcmp(&a->data, &b->data, sizeof a->data)) continue;
      info->errorFromNode = handle_of(b->node);
      return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
    info->result = graph_params_updatable(&node->params, &other->params);
    if (info->result) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    if (node->params.type == CU_GRAPH_NODE_TYPE_GRAPH) {
      GRAPH_TRY(compare(node->params.child, other->params.child, changes, info));
      continue;
    }
    if (node->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL) {
      for (unsigned k = 0; k < node->params.conditional.size; k++)
        GRAPH_TRY(compare(node->params.conditional.bodies[k], other->params.conditional.bodies[k], changes, info));
      continue;
    }
    if (graph_params_equal(&node->params, &other->params)) continue;
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR;
    GRAPH_TRY(note(changes, node, &other->params));
  }
  info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
  info->errorNode = NULL;
  return CUDA_SUCCESS;
}

static CUresult update(CUgraphExec exec_handle, CUgraph graph_handle, CUgraphExecUpdateResultInfo *info) {
  *info = (CUgraphExecUpdateResultInfo){.result = CU_GRAPH_EXEC_UPDATE_ERROR};
  struct graph_exec *const exec = settled(exec_handle);
  const struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, graph_handle);
  if (!exec || !graph || graph->owner) return CUDA_ERROR_INVALID_VALUE;
  struct changes changes = {0};
  CUresult result = compare(exec->graph, graph, &changes, info);
  if (!result) result = apply(exec, &changes);
  if (result && !info->result) {
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR;
    result = CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  forget(&changes);
  return result;
}

CUresult GRAPH_CALL(cuGraphExecUpdate_v2)(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphExecUpdateResultInfo *resultInfo) {
  GRAPH_ENTER();
  if (!resultInfo) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  const CUresult result = update(hGraphExec, hGraph, resultInfo);
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuGraphExecUpdate)(CUgraphExec hGraphExec, CUgraph hGraph, CUgraphNode *hErrorNode_out, CUgraphExecUpdateResult *updateResult_out) {
  GRAPH_ENTER();
  if (!hErrorNode_out || !updateResult_out) return CUDA_ERROR_INVALID_VALUE;
  CUgraphExecUpdateResultInfo info;
  graph_lock();
  const CUresult result = update(hGraphExec, hGraph, &info);
  graph_unlock();
  *hErrorNode_out = info.errorNode;
  *updateResult_out = info.result;
  return result;
}

static CUresult find_node(CUgraphExec exec_handle, CUgraphNode node_handle, struct graph_exec **exec, struct graph_node **node) {
  *exec = settled(exec_handle);
  if (!*exec || !GRAPH_FIND(GRAPH_KIND_NODE, node_handle)) return CUDA_ERROR_INVALID_VALUE;
  *node = mapped(*exec, (uint64_t)(uintptr_t)node_handle);
  return *node ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult set_child(struct graph_exec *exec, struct graph_node *node, const struct graph *given) {
  struct changes changes = {0};
  CUgraphExecUpdateResultInfo info = {0};
  CUresult result = given ? compare(node->params.child, given, &changes, &info) : CUDA_ERROR_INVALID_VALUE;
  if (!result) result = apply(exec, &changes);
  else if (result == CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE) result = CUDA_ERROR_INVALID_VALUE;
  forget(&changes);
  return result;
}

/* Of a kernel, the attributes stay what they are unless the new parameters bring some. */
static CUresult keep_attributes(struct graph_params *params, const struct graph_params *had) {
  if (params->type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_SUCCESS;
  for (unsigned i = 0; i < had->kernel.attribute_count; i++)
    GRAPH_TRY(graph_attribute_set(params, had->kernel.attributes[i].id, &had->kernel.attributes[i].value));
  return CUDA_SUCCESS;
}

static CUresult set_params(CUgraphExec exec_handle, CUgraphNode node_handle, const CUgraphNodeParams *given) {
  struct graph_exec *exec = NULL;
  struct graph_node *node = NULL;
  GRAPH_TRY(find_node(exec_handle, node_handle, &exec, &node));
  if (node->params.type != given->type) return CUDA_ERROR_INVALID_VALUE;
  if (given->type == CU_GRAPH_NODE_TYPE_GRAPH) return set_child(exec, node, GRAPH_FIND(GRAPH_KIND_GRAPH, given->graph.graph));
  if (given->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || given->type == CU_GRAPH_NODE_TYPE_MEM_FREE || given->type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
    return CUDA_ERROR_NOT_SUPPORTED;
  struct graph_params params;
  CUgraphNodeParams with = *given;
  if (given->type == CU_GRAPH_NODE_TYPE_KERNEL && !given->kernel.ctx) with.kernel.ctx = node->params.context; /* v1 has none */
  GRAPH_TRY(graph_params_read(&params, &with));
  CUresult result = graph_params_updatable(&node->params, &params) ? CUDA_ERROR_INVALID_VALUE : keep_attributes(&params, &node->params);
  struct changes changes = {.nodes = &node, .params = &params, .count = 1};
  if (!result) result = apply(exec, &changes);
  graph_params_free(&params);
  return result;
}

CUresult graph_exec_set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams *params) {
  graph_lock();
  const CUresult result = set_params(exec, node, params);
  graph_unlock();
  return result;
}

static bool can_be_disabled(const struct graph_node *node) {
  return node->params.type == CU_GRAPH_NODE_TYPE_KERNEL || node->params.type == CU_GRAPH_NODE_TYPE_MEMCPY || node->params.type == CU_GRAPH_NODE_TYPE_MEMSET;
}

CUresult GRAPH_CALL(cuGraphNodeSetEnabled)(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int isEnabled) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_exec *exec = NULL;
  struct graph_node *node = NULL;
  CUresult result = find_node(hGraphExec, hNode, &exec, &node);
  if (!result && !can_be_disabled(node)) result = CUDA_ERROR_INVALID_VALUE;
  if (!result && node->disabled != !isEnabled) {
    node->disabled = !isEnabled;
    result = graph_env_update(exec, &node, 1);
    if (result) node->disabled = !node->disabled;
  }
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuGraphNodeGetEnabled)(CUgraphExec hGraphExec, CUgraphNode hNode, unsigned int *isEnabled) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_exec *exec = NULL;
  struct graph_node *node = NULL;
  CUresult result = isEnabled ? find_node(hGraphExec, hNode, &exec, &node) : CUDA_ERROR_INVALID_VALUE;
  if (!result && !can_be_disabled(node)) result = CUDA_ERROR_INVALID_VALUE;
  if (!result) *isEnabled = !node->disabled;
  graph_unlock();
  return result;
}
