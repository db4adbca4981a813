/* Graphs, nodes, edges, copies of them; see graph.h. */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "graph.h"

static uint32_t last_mark;

uint32_t graph_mark_next(void) { return ++last_mark; }

bool graph_edge_is_plain(const CUgraphEdgeData *data) {
  static const CUgraphEdgeData plain;
  return !data || !memcmp(data, &plain, sizeof plain);
}

/* ---- edges ---------------------------------------------------------------------------------------------------------- */

static bool edges_room(struct graph_edges *edges, uint32_t more) {
  if (edges->count + more <= edges->room) return true;
  uint32_t room = edges->room ? edges->room : 2;
  while (room < edges->count + more) room *= 2;
  struct graph_edge *const at = realloc(edges->at, room * sizeof *at);
  if (!at) return false;
  edges->at = at;
  edges->room = room;
  return true;
}

static void edges_remove(struct graph_edges *edges, uint32_t index) {
  memmove(&edges->at[index], &edges->at[index + 1], (--edges->count - index) * sizeof *edges->at);
}

static bool edges_find(const struct graph_edges *edges, const struct graph_node *node, uint32_t *index) {
  for (uint32_t i = edges->count; i-- > 0;) { /* what is taken away was often added last */
    if (edges->at[i].node != node) continue;
    *index = i;
    return true;
  }
  return false;
}

CUresult graph_edge_check(const struct graph_node *from, const CUgraphEdgeData *data) {
  static const unsigned char none[sizeof data->reserved];
  if (!data || graph_edge_is_plain(data)) return CUDA_SUCCESS;
  if (data->to_port || data->type > CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC || memcmp(data->reserved, none, sizeof none)) return CUDA_ERROR_INVALID_VALUE;
  if (data->from_port > CU_GRAPH_KERNEL_NODE_PORT_LAUNCH_ORDER) return CUDA_ERROR_INVALID_VALUE;
  if (from->params.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
  const bool programmatic = data->type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC;
  return programmatic == (data->from_port == CU_GRAPH_KERNEL_NODE_PORT_DEFAULT) ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult graph_edge_add(struct graph_node *from, struct graph_node *to, const CUgraphEdgeData *data) {
  uint32_t index = 0;
  if (from == to || from->graph != to->graph) return CUDA_ERROR_INVALID_VALUE;
  if (from->out.count < to->in.count ? edges_find(&from->out, to, &index) : edges_find(&to->in, from, &index)) return CUDA_ERROR_INVALID_VALUE;
  GRAPH_TRY(graph_edge_check(from, data));
  if (data && data->type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC && to->params.type != CU_GRAPH_NODE_TYPE_KERNEL) return CUDA_ERROR_INVALID_VALUE;
  if (!edges_room(&from->out, 1) || !edges_room(&to->in, 1)) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUgraphEdgeData value = data ? *data : (CUgraphEdgeData){0};
  from->out.at[from->out.count++] = (struct graph_edge){to, value};
  to->in.at[to->in.count++] = (struct graph_edge){from, value};
  return CUDA_SUCCESS;
}

static void edge_remove(struct graph_node *from, struct graph_node *to) {
  uint32_t index = 0;
  if (edges_find(&from->out, to, &index)) edges_remove(&from->out, index);
  if (edges_find(&to->in, from, &index)) edges_remove(&to->in, index);
}

CUresult graph_mark_ancestors(struct graph_node *const *nodes, size_t count, uint32_t mark) {
  size_t room = count + 16, depth = 0;
  struct graph_node **stack = malloc(room * sizeof *stack);
  if (!stack) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; i++) {
    if (nodes[i]->mark == mark) continue;
    nodes[i]->mark = mark;
    stack[depth++] = nodes[i];
  }
  while (depth) {
    const struct graph_node *const node = stack[--depth];
    if (depth + node->in.count > room) {
      room = 2 * (depth + node->in.count);
      struct graph_node **const grown = realloc(stack, room * sizeof *stack);
      if (!grown) {
        free(stack);
        return CUDA_ERROR_OUT_OF_MEMORY;
      }
      stack = grown;
    }
    for (uint32_t i = 0; i < node->in.count; i++) {
      struct graph_node *const from = node->in.at[i].node;
      if (from->mark == mark) continue;
      from->mark = mark;
      stack[depth++] = from;
    }
  }
  free(stack);
  return CUDA_SUCCESS;
}

/* ---- graphs --------------------------------------------------------------------------------------------------------- */

struct graph *graph_new(void) {
  struct graph *const graph = calloc(1, sizeof *graph);
  if (!graph) return NULL;
  if (!(graph->handle = graph_handle_new(GRAPH_KIND_GRAPH, graph))) {
    free(graph);
    return NULL;
  }
  return graph;
}

static void node_free(struct graph_node *node) {
  graph_handle_free(GRAPH_KIND_NODE, node->handle);
  graph_params_free(&node->params);
  free(node->in.at);
  free(node->out.at);
  free(node);
}

static void condition_drop(struct graph_condition *condition) {
  if (--condition->references) return;
  graph_env_condition_release(condition->number);
  free(condition);
}

void graph_free(struct graph *graph) {
  if (!graph) return;
  graph_exec_source_gone(graph);
  graph_handle_free(GRAPH_KIND_GRAPH, graph->handle);
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) graph_memory_drop(params->alloc.asked.dptr);
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_FREE) graph_memory_drop(params->free);
    node_free(graph->nodes[i]);
  }
  for (unsigned i = 0; i < graph->condition_count; i++) condition_drop(graph->conditions[i]);
  free(graph->conditions);
  graph_objects_release(graph);
  free(graph->objects);
  free(graph->nodes);
  free(graph);
}

struct graph *graph_root(struct graph *graph) {
  while (graph->owner) graph = graph->owner->graph;
  return graph;
}

static void tell_above(struct graph *graph, bool memory, bool conditional) {
  for (;;) {
    graph->has_memory |= memory;
    graph->has_conditional |= conditional;
    if (!graph->owner) return;
    graph = graph->owner->graph;
  }
}

/* ---- nodes ---------------------------------------------------------------------------------------------------------- */

/* Puts a node with these parameters in. OUT_OF_MEMORY. */
static CUresult put(struct graph *graph, const struct graph_params *params, struct graph_node **out) {
  if (graph->count == graph->room) {
    const uint32_t room = graph->room ? 2 * graph->room : 16;
    struct graph_node **const nodes = realloc(graph->nodes, room * sizeof *nodes);
    if (!nodes) return CUDA_ERROR_OUT_OF_MEMORY;
    graph->nodes = nodes;
    graph->room = room;
  }
  struct graph_node *const node = calloc(1, sizeof *node);
  if (!node || !(node->handle = graph_handle_new(GRAPH_KIND_NODE, node))) {
    free(node);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  node->graph = graph;
  node->index = graph->count;
  node->params = *params;
  graph->nodes[graph->count++] = node;
  *out = node;
  return CUDA_SUCCESS;
}

/* Closes the gaps that destroyed nodes have left: once for many of them. */
static void settle(struct graph *graph) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < graph->count; i++) {
    if (!graph->nodes[i]) continue;
    graph->nodes[i]->index = count;
    graph->nodes[count++] = graph->nodes[i];
  }
  graph->count = count;
  graph->gone = 0;
}

void *graph_find(enum graph_kind kind, uint64_t handle) {
  void *const object = graph_handle_find(kind, handle);
  if (object && kind == GRAPH_KIND_GRAPH && ((struct graph *)object)->gone) settle(object);
  return object;
}

static void take_out(struct graph_node *node) {
  struct graph *const graph = node->graph;
  uint32_t index = 0;
  for (; node->in.count; node->in.count--) {
    struct graph_edges *const from = &node->in.at[node->in.count - 1].node->out;
    if (edges_find(from, node, &index)) edges_remove(from, index);
  }
  for (; node->out.count; node->out.count--) {
    struct graph_edges *const to = &node->out.at[node->out.count - 1].node->in;
    if (edges_find(to, node, &index)) edges_remove(to, index);
  }
  graph->nodes[node->index] = NULL;
  graph->gone++;
  /* A child or body is reached through its owner, without a look-up. */
  if (graph->owner) settle(graph);
}

/* Bodies may only have what runs on the device. */
static bool allowed_in_body(CUgraphNodeType type) {
  return type == CU_GRAPH_NODE_TYPE_KERNEL || type == CU_GRAPH_NODE_TYPE_EMPTY || type == CU_GRAPH_NODE_TYPE_GRAPH || type == CU_GRAPH_NODE_TYPE_MEMSET ||
         type == CU_GRAPH_NODE_TYPE_MEMCPY || type == CU_GRAPH_NODE_TYPE_CONDITIONAL;
}

static bool is_in_body(const struct graph *graph) {
  for (;; graph = graph->owner->graph) {
    if (graph->body) return true;
    if (!graph->owner) return false;
  }
}

static bool all_allowed_in_body(const struct graph *graph) {
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (!allowed_in_body(params->type)) return false;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH && !all_allowed_in_body(params->child)) return false;
  }
  return true;
}

static CUresult prepare_child(struct graph *graph, struct graph_params *params) {
  struct graph *const given = params->child;
  params->child = NULL; /* ours only from here on */
  if (!given || given == graph || graph_root(given) == graph_root(graph)) return CUDA_ERROR_INVALID_VALUE;
  if (params->move) {
    if (given->owner || given->execs || given->capturing) return CUDA_ERROR_INVALID_VALUE;
    if (is_in_body(graph) && !all_allowed_in_body(given)) return CUDA_ERROR_NOT_SUPPORTED;
    params->child = given;
    given->moved = true;
    return CUDA_SUCCESS;
  }
  if (given->has_memory || given->has_conditional) return CUDA_ERROR_NOT_SUPPORTED;
  if (is_in_body(graph) && !all_allowed_in_body(given)) return CUDA_ERROR_NOT_SUPPORTED;
  return graph_clone(given, &params->child);
}

/* A condition of a graph or of one above it. */
static struct graph_condition *condition_find(const struct graph *graph, uint64_t number) {
  for (const struct graph *at = graph; at; at = at->owner ? at->owner->graph : NULL)
    for (unsigned i = 0; i < at->condition_count; i++)
      if (at->conditions[i]->number == number) return at->conditions[i];
  return NULL;
}

const struct graph_condition *graph_condition_find(const struct graph_node *node) { return condition_find(node->graph, node->params.conditional.handle); }

static CUresult prepare_conditional(struct graph *graph, struct graph_params *params) {
  struct graph_condition *const condition = condition_find(graph, params->conditional.handle);
  if (!condition || condition->used) return CUDA_ERROR_INVALID_VALUE;
  const unsigned size = params->conditional.size;
  params->conditional.bodies = calloc(size, sizeof(struct graph *));
  params->conditional.handles = calloc(size, sizeof(CUgraph));
  if (!params->conditional.bodies || !params->conditional.handles) return CUDA_ERROR_OUT_OF_MEMORY;
  for (unsigned i = 0; i < size; i++) {
    struct graph *const body = params->conditional.bodies[i] = graph_new();
    if (!body) return CUDA_ERROR_OUT_OF_MEMORY;
    body->body = true;
    params->conditional.handles[i] = (CUgraph)(uintptr_t)body->handle;
  }
  condition->used = true;
  return CUDA_SUCCESS;
}

/* An address may be freed once in a graph, and behind the node that allocates it if that is in the graph. */
static CUresult check_free(struct graph *graph, CUdeviceptr address, struct graph_node *const *from, size_t count) {
  if (!graph_memory_is(address)) return CUDA_ERROR_INVALID_VALUE;
  struct graph_node *allocates = NULL;
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_FREE && params->free == address) return CUDA_ERROR_INVALID_VALUE;
    if (params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC && params->alloc.asked.dptr == address) allocates = graph->nodes[i];
  }
  if (!allocates) return CUDA_SUCCESS;
  const uint32_t mark = graph_mark_next();
  GRAPH_TRY(graph_mark_ancestors(from, count, mark));
  return allocates->mark == mark ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult prepare(struct graph *graph, struct graph_params *params, struct graph_node *const *from, size_t count) {
  if (is_in_body(graph) && !allowed_in_body(params->type)) return CUDA_ERROR_NOT_SUPPORTED;
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_GRAPH: return prepare_child(graph, params);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: return prepare_conditional(graph, params);
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: return graph->owner && !graph->moved ? CUDA_ERROR_NOT_SUPPORTED : graph_memory_new(&params->alloc.asked, params->context);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      if (graph->owner && !graph->moved) return CUDA_ERROR_NOT_SUPPORTED;
      GRAPH_TRY(check_free(graph, params->free, from, count));
      graph_memory_hold(params->free);
      return CUDA_SUCCESS;
    default: return CUDA_SUCCESS;
  }
}

CUresult graph_add(struct graph *graph, struct graph_node *const *from, const CUgraphEdgeData *edges, size_t count,
                   struct graph_params *params, struct graph_node **node) {
  CUresult result = CUDA_SUCCESS;
  const uint32_t mark = graph_mark_next();
  for (size_t i = 0; i < count && !result; i++) {
    if (from[i]->graph != graph || from[i]->mark == mark) result = CUDA_ERROR_INVALID_VALUE;
    from[i]->mark = mark;
    if (edges && !result) result = graph_edge_check(from[i], &edges[i]);
    if (edges && edges[i].type == CU_GRAPH_DEPENDENCY_TYPE_PROGRAMMATIC && params->type != CU_GRAPH_NODE_TYPE_KERNEL) result = CUDA_ERROR_INVALID_VALUE;
  }
  bool prepared = false;
  if (!result) {
    result = prepare(graph, params, from, count);
    prepared = !result;
  } else if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) {
    params->child = NULL; /* the caller's own graph */
  }
  struct graph_node *made = NULL;
  if (!result) result = put(graph, params, &made);
  if (result) {
    if (prepared && params->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) graph_memory_drop(params->alloc.asked.dptr);
    if (prepared && params->type == CU_GRAPH_NODE_TYPE_MEM_FREE) graph_memory_drop(params->free);
    if (params->move) params->child = NULL; /* it stays the caller's */
    graph_params_free(params);
    return result;
  }
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) params->child->owner = made;
  if (params->type == CU_GRAPH_NODE_TYPE_CONDITIONAL)
    for (unsigned i = 0; i < params->conditional.size; i++) params->conditional.bodies[i]->owner = made;
  for (size_t i = 0; i < count && !result; i++) result = graph_edge_add(from[i], made, edges ? &edges[i] : NULL);
  if (result) {
    if (params->move) {
      params->child->owner = NULL;
      made->params.child = NULL;
    }
    take_out(made);
    settle(graph);
    node_free(made);
    return result;
  }
  const CUgraphNodeType type = params->type;
  const struct graph *const child = type == CU_GRAPH_NODE_TYPE_GRAPH ? params->child : NULL;
  tell_above(graph, type == CU_GRAPH_NODE_TYPE_MEM_ALLOC || type == CU_GRAPH_NODE_TYPE_MEM_FREE || (child && child->has_memory),
             type == CU_GRAPH_NODE_TYPE_CONDITIONAL || (child && child->has_conditional));
  *node = made;
  return CUDA_SUCCESS;
}

CUresult graph_nodes_find(struct graph *graph, const CUgraphNode *handles, size_t count, struct graph_node ***nodes) {
  *nodes = NULL;
  if (!count) return CUDA_SUCCESS;
  if (!handles || count > UINT32_MAX) return CUDA_ERROR_INVALID_VALUE;
  struct graph_node **const found = malloc(count * sizeof *found);
  if (!found) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; i++) {
    found[i] = GRAPH_FIND(GRAPH_KIND_NODE, handles[i]);
    if (found[i] && (!graph || found[i]->graph == graph)) continue;
    free(found);
    return CUDA_ERROR_INVALID_VALUE;
  }
  *nodes = found;
  return CUDA_SUCCESS;
}

/* ---- copies ---------------------------------------------------------------------------------------------------------- */

static CUresult copy_below(struct graph_node *copy, const struct graph_node *node) {
  if (node->params.type == CU_GRAPH_NODE_TYPE_GRAPH) {
    GRAPH_TRY(graph_clone(node->params.child, &copy->params.child));
    copy->params.child->owner = copy;
  }
  if (node->params.type != CU_GRAPH_NODE_TYPE_CONDITIONAL) return CUDA_SUCCESS;
  const unsigned size = node->params.conditional.size;
  copy->params.conditional.bodies = calloc(size, sizeof(struct graph *));
  copy->params.conditional.handles = calloc(size, sizeof(CUgraph));
  if (!copy->params.conditional.bodies || !copy->params.conditional.handles) return CUDA_ERROR_OUT_OF_MEMORY;
  for (unsigned i = 0; i < size; i++) {
    struct graph **const body = &copy->params.conditional.bodies[i];
    GRAPH_TRY(graph_clone(node->params.conditional.bodies[i], body));
    (*body)->owner = copy;
    (*body)->body = true;
    copy->params.conditional.handles[i] = (CUgraph)(uintptr_t)(*body)->handle;
  }
  return CUDA_SUCCESS;
}

static CUresult copy_nodes(struct graph *graph, struct graph *clone) {
  for (uint32_t i = 0; i < graph->count; i++) {
    struct graph_node *const node = graph->nodes[i], *copy = NULL;
    struct graph_params params;
    GRAPH_TRY(graph_params_copy(&params, &node->params));
    const CUresult result = put(clone, &params, &copy);
    if (result) {
      graph_params_free(&params);
      return result;
    }
    if (params.type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) graph_memory_hold(params.alloc.asked.dptr);
    if (params.type == CU_GRAPH_NODE_TYPE_MEM_FREE) graph_memory_hold(params.free);
    copy->origin = node->handle;
    GRAPH_TRY(copy_below(copy, node));
  }
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_node *const node = graph->nodes[i];
    struct graph_node *const copy = clone->nodes[i];
    /* Both lists in the order of the original, which is what queries answer. */
    if (!edges_room(&copy->in, node->in.count) || !edges_room(&copy->out, node->out.count)) return CUDA_ERROR_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < node->in.count; k++)
      copy->in.at[copy->in.count++] = (struct graph_edge){clone->nodes[node->in.at[k].node->index], node->in.at[k].data};
    for (uint32_t k = 0; k < node->out.count; k++)
      copy->out.at[copy->out.count++] = (struct graph_edge){clone->nodes[node->out.at[k].node->index], node->out.at[k].data};
  }
  return CUDA_SUCCESS;
}

CUresult graph_clone(struct graph *graph, struct graph **out) {
  struct graph *const clone = graph_new();
  if (!clone) return CUDA_ERROR_OUT_OF_MEMORY;
  clone->origin = graph->handle;
  clone->has_memory = graph->has_memory;
  clone->has_conditional = graph->has_conditional;
  CUresult result = copy_nodes(graph, clone);
  if (!result) result = graph_objects_copy(clone, graph);
  if (!result && graph->condition_count) {
    clone->conditions = malloc(graph->condition_count * sizeof *clone->conditions);
    if (!clone->conditions) result = CUDA_ERROR_OUT_OF_MEMORY;
    for (unsigned i = 0; i < graph->condition_count && !result; i++) {
      clone->conditions[clone->condition_count++] = graph->conditions[i];
      graph->conditions[i]->references++;
    }
  }
  if (result) {
    graph_free(clone);
    return result;
  }
  *out = clone;
  return CUDA_SUCCESS;
}

/* ---- calls: making graphs ------------------------------------------------------------------------------------------- */

#define HANDLE(type, object) ((type)(uintptr_t)(object)->handle)

CUresult GRAPH_CALL(cuGraphCreate)(CUgraph *phGraph, unsigned int flags) {
  GRAPH_ENTER();
  if (!phGraph || flags) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  struct graph *const graph = graph_new();
  if (graph) *phGraph = HANDLE(CUgraph, graph);
  graph_unlock();
  return graph ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* Whether a stream captures into it or into anything below. */
static bool is_capturing(const struct graph *graph) {
  if (graph->capturing) return true;
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH && is_capturing(params->child)) return true;
    if (params->type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
    for (unsigned k = 0; k < params->conditional.size; k++)
      if (is_capturing(params->conditional.bodies[k])) return true;
  }
  return false;
}

CUresult GRAPH_CALL(cuGraphDestroy)(CUgraph hGraph) {
  GRAPH_ENTER();
  graph_lock();
  struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, hGraph);
  const CUresult result = graph && !graph->owner && !is_capturing(graph) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  if (!result) graph_free(graph);
  graph_unlock();
  graph_objects_run();
  return result;
}

static CUresult clone(CUgraph *out, CUgraph original) {
  struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, original);
  if (!out || !graph) return CUDA_ERROR_INVALID_VALUE;
  if (graph->has_memory || graph->has_conditional) return CUDA_ERROR_NOT_SUPPORTED;
  struct graph *copy = NULL;
  GRAPH_TRY(graph_clone(graph, &copy));
  *out = HANDLE(CUgraph, copy);
  return CUDA_SUCCESS;
}

CUresult GRAPH_CALL(cuGraphClone)(CUgraph *phGraphClone, CUgraph originalGraph) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = clone(phGraphClone, originalGraph);
  graph_unlock();
  return result;
}

static CUresult find_in_clone(CUgraphNode *out, CUgraphNode original, CUgraph cloned) {
  const struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, cloned);
  const struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, original);
  if (!out || !graph || !node) return CUDA_ERROR_INVALID_VALUE;
  /* Mostly it has the place that it had. */
  if (node->index < graph->count && graph->nodes[node->index]->origin == node->handle) {
    *out = HANDLE(CUgraphNode, graph->nodes[node->index]);
    return CUDA_SUCCESS;
  }
  for (uint32_t i = 0; i < graph->count; i++) {
    if (graph->nodes[i]->origin != node->handle) continue;
    *out = HANDLE(CUgraphNode, graph->nodes[i]);
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult GRAPH_CALL(cuGraphNodeFindInClone)(CUgraphNode *phNode, CUgraphNode hOriginalNode, CUgraph hClonedGraph) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = find_in_clone(phNode, hOriginalNode, hClonedGraph);
  graph_unlock();
  return result;
}

static CUresult destroy_node(CUgraphNode handle) {
  struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, handle);
  if (!node) return CUDA_ERROR_INVALID_VALUE;
  /* What other nodes of the graph have inside does not matter, and looking through them all for each would take long. */
  const bool captured = node->graph->capturing || (node->params.type == CU_GRAPH_NODE_TYPE_GRAPH && is_capturing(node->params.child));
  if (node->graph->has_memory || node->params.type == CU_GRAPH_NODE_TYPE_CONDITIONAL || captured) return CUDA_ERROR_NOT_SUPPORTED;
  take_out(node);
  node_free(node);
  return CUDA_SUCCESS;
}

CUresult GRAPH_CALL(cuGraphDestroyNode)(CUgraphNode hNode) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = destroy_node(hNode);
  graph_unlock();
  graph_objects_run();
  return result;
}

CUresult GRAPH_CALL(cuGraphConditionalHandleCreate)(CUgraphConditionalHandle *pHandle_out, CUgraph hGraph, CUcontext ctx,
                                                    unsigned int defaultLaunchValue, unsigned int flags) {
  GRAPH_ENTER();
  if (!pHandle_out || flags & ~(unsigned)CU_GRAPH_COND_ASSIGN_DEFAULT) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, hGraph);
  CUcontext context = NULL;
  CUdevice device = 0;
  uint64_t key = 0;
  CUresult result = graph ? graph_env_context(ctx, &context, &key, &device) : CUDA_ERROR_INVALID_VALUE;
  struct graph_condition *condition = NULL, **list = NULL;
  if (!result) {
    condition = calloc(1, sizeof *condition);
    list = realloc(graph->conditions, (graph->condition_count + 1) * sizeof *list);
    if (list) graph->conditions = list;
    result = condition && list ? graph_env_condition(defaultLaunchValue, flags, &condition->number) : CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (result) {
    free(condition);
  } else {
    condition->initial = defaultLaunchValue;
    condition->flags = flags;
    condition->references = 1;
    graph->conditions[graph->condition_count++] = condition;
    *pHandle_out = condition->number;
  }
  graph_unlock();
  return result;
}

/* ---- calls: edges ----------------------------------------------------------------------------------------------------- */

static CUresult change_edges(CUgraph handle, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *data, size_t count, bool add) {
  struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, handle);
  if (!graph) return CUDA_ERROR_INVALID_VALUE;
  struct graph_node **sources = NULL, **targets = NULL;
  CUresult result = graph_nodes_find(graph, from, count, &sources);
  if (!result) result = graph_nodes_find(graph, to, count, &targets);
  if (!result && !add && count && graph->has_memory) result = CUDA_ERROR_NOT_SUPPORTED;
  size_t done = 0;
  for (; done < count && !result; done++) {
    uint32_t index = 0;
    if (add) {
      result = graph_edge_add(sources[done], targets[done], data ? &data[done] : NULL);
    } else if (!edges_find(&sources[done]->out, targets[done], &index)) {
      result = CUDA_ERROR_INVALID_VALUE;
    } else {
      const CUgraphEdgeData *const present = &sources[done]->out.at[index].data;
      if (data ? memcmp(&data[done], present, sizeof *present) != 0 : !graph_edge_is_plain(present)) result = data ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_LOSSY_QUERY;
      else edge_remove(sources[done], targets[done]);
    }
    if (result) break;
  }
  if (result && add) /* all or nothing */
    while (done-- > 0) edge_remove(sources[done], targets[done]);
  free(sources);
  free(targets);
  return result;
}

#define EDGE_CALL(name, parameters, data, add)                              \
  CUresult GRAPH_CALL(name) parameters {                                    \
    GRAPH_ENTER();                                                          \
    graph_lock();                                                           \
    const CUresult result = change_edges(hGraph, from, to, data, numDependencies, add); \
    graph_unlock();                                                         \
    return result;                                                          \
  }

EDGE_CALL(cuGraphAddDependencies, (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies), NULL, true)
EDGE_CALL(cuGraphAddDependencies_v2,
          (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *edgeData, size_t numDependencies), edgeData, true)
EDGE_CALL(cuGraphRemoveDependencies, (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, size_t numDependencies), NULL, false)
EDGE_CALL(cuGraphRemoveDependencies_v2,
          (CUgraph hGraph, const CUgraphNode *from, const CUgraphNode *to, const CUgraphEdgeData *edgeData, size_t numDependencies), edgeData, false)

/* ---- calls: questions --------------------------------------------------------------------------------------------------- */

CUresult GRAPH_CALL(cuGraphNodeGetType)(CUgraphNode hNode, CUgraphNodeType *type) {
  GRAPH_ENTER();
  graph_lock();
  const struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, hNode);
  const bool good = node && type;
  if (good) *type = node->params.type;
  graph_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* As all these lists: `nodes` NULL asks for the number; else *count is the room, what is beyond the list is set to NULL, and
 * *count becomes what was stored. */
static CUresult list_nodes(CUgraph handle, CUgraphNode *nodes, size_t *count, bool roots) {
  const struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, handle);
  if (!graph || !count) return CUDA_ERROR_INVALID_VALUE;
  size_t found = 0;
  for (uint32_t i = 0; i < graph->count; i++) {
    if (roots && graph->nodes[i]->in.count) continue;
    if (nodes && found < *count) nodes[found] = HANDLE(CUgraphNode, graph->nodes[i]);
    found++;
  }
  for (size_t i = found; nodes && i < *count; i++) nodes[i] = NULL;
  if (!nodes || found < *count) *count = found;
  return CUDA_SUCCESS;
}

#define LIST_CALL(name, roots)                                                        \
  CUresult GRAPH_CALL(name)(CUgraph hGraph, CUgraphNode * nodes, size_t * numNodes) { \
    GRAPH_ENTER();                                                                    \
    graph_lock();                                                                     \
    const CUresult result = list_nodes(hGraph, nodes, numNodes, roots);               \
    graph_unlock();                                                                   \
    return result;                                                                    \
  }

LIST_CALL(cuGraphGetNodes, false)
LIST_CALL(cuGraphGetRootNodes, true)

static CUresult list_edges(CUgraph handle, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, bool lossy, size_t *count) {
  const struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, handle);
  if (!graph || !count || !from != !to || (data && !from)) return CUDA_ERROR_INVALID_VALUE;
  size_t found = 0;
  bool plain = true;
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_node *const node = graph->nodes[i];
    for (uint32_t k = 0; k < node->out.count; k++, found++) {
      plain = plain && graph_edge_is_plain(&node->out.at[k].data);
      if (!from || found >= *count) continue;
      from[found] = HANDLE(CUgraphNode, node);
      to[found] = HANDLE(CUgraphNode, node->out.at[k].node);
      if (data) data[found] = node->out.at[k].data;
    }
  }
  if (from && lossy && !plain) return CUDA_ERROR_LOSSY_QUERY;
  for (size_t i = found; from && i < *count; i++) {
    from[i] = to[i] = NULL;
    if (data) data[i] = (CUgraphEdgeData){0};
  }
  if (!from || found < *count) *count = found;
  return CUDA_SUCCESS;
}

CUresult GRAPH_CALL(cuGraphGetEdges)(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, size_t *numEdges) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = list_edges(hGraph, from, to, NULL, true, numEdges);
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuGraphGetEdges_v2)(CUgraph hGraph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *edgeData, size_t *numEdges) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = list_edges(hGraph, from, to, edgeData, !edgeData, numEdges);
  graph_unlock();
  return result;
}

static CUresult list_neighbours(CUgraphNode handle, CUgraphNode *nodes, CUgraphEdgeData *data, size_t *count, bool out) {
  const struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, handle);
  if (!node || !count || (data && !nodes)) return CUDA_ERROR_INVALID_VALUE;
  const struct graph_edges *const edges = out ? &node->out : &node->in;
  for (uint32_t i = 0; nodes && !data && i < edges->count; i++)
    if (!graph_edge_is_plain(&edges->at[i].data)) return CUDA_ERROR_LOSSY_QUERY;
  for (size_t i = 0; nodes && i < *count; i++) {
    nodes[i] = i < edges->count ? HANDLE(CUgraphNode, edges->at[i].node) : NULL;
    if (data) data[i] = i < edges->count ? edges->at[i].data : (CUgraphEdgeData){0};
  }
  if (!nodes || edges->count < *count) *count = edges->count;
  return CUDA_SUCCESS;
}

#define NEIGHBOUR_CALL(name, parameters, nodes, data, count, out)             \
  CUresult GRAPH_CALL(name) parameters {                                      \
    GRAPH_ENTER();                                                            \
    graph_lock();                                                             \
    const CUresult result = list_neighbours(hNode, nodes, data, count, out);  \
    graph_unlock();                                                           \
    return result;                                                            \
  }

NEIGHBOUR_CALL(cuGraphNodeGetDependencies, (CUgraphNode hNode, CUgraphNode *dependencies, size_t *numDependencies), dependencies, NULL, numDependencies, false)
NEIGHBOUR_CALL(cuGraphNodeGetDependencies_v2, (CUgraphNode hNode, CUgraphNode *dependencies, CUgraphEdgeData *edgeData, size_t *numDependencies),
               dependencies, edgeData, numDependencies, false)
NEIGHBOUR_CALL(cuGraphNodeGetDependentNodes, (CUgraphNode hNode, CUgraphNode *dependentNodes, size_t *numDependentNodes), dependentNodes, NULL,
               numDependentNodes, true)
NEIGHBOUR_CALL(cuGraphNodeGetDependentNodes_v2,
               (CUgraphNode hNode, CUgraphNode *dependentNodes, CUgraphEdgeData *edgeData, size_t *numDependentNodes), dependentNodes, edgeData,
               numDependentNodes, true)
