/*
 * The order in which a graph is executed; see graph.h. Among what could come next, what may wait for something outside (events,
 * memory, the host) comes last, so that executing the steps one by one holds up as little as possible.
 */
#include <stdlib.h>

#include "graph.h"

static bool may_wait(const struct graph_node *node) {
  switch ((int)node->params.type) {
    case CU_GRAPH_NODE_TYPE_HOST:
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return true;
    default: return false;
  }
}

static CUresult add_step(struct graph_plan *plan, struct graph_node *node, uint32_t *index) {
  if (plan->count == plan->room) {
    const uint32_t room = plan->room ? 2 * plan->room : 16;
    struct graph_step *const steps = realloc(plan->steps, room * sizeof *steps);
    if (!steps) return CUDA_ERROR_OUT_OF_MEMORY;
    plan->steps = steps;
    plan->room = room;
  }
  *index = plan->count;
  plan->steps[plan->count++] = (struct graph_step){.node = node, .first = plan->dependency_count};
  return CUDA_SUCCESS;
}

/* Dependencies are those of the step that was added last. */
static CUresult add_dependency(struct graph_plan *plan, uint32_t step) {
  if (plan->dependency_count == plan->dependency_room) {
    const uint32_t room = plan->dependency_room ? 2 * plan->dependency_room : 32;
    uint32_t *const list = realloc(plan->dependencies, room * sizeof *list);
    if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
    plan->dependencies = list;
    plan->dependency_room = room;
  }
  plan->dependencies[plan->dependency_count++] = step;
  plan->steps[plan->count - 1].count++;
  return CUDA_SUCCESS;
}

static CUresult lay_out(struct graph *graph, struct graph_plan *plan, const uint32_t *entry, struct graph_node **error);

/* A child's first step, its own steps, its last step; the node stands for the last. */
static CUresult lay_out_child(struct graph_node *node, struct graph_plan *plan, struct graph_node **error) {
  const uint32_t entry = plan->count - 1; /* added by the caller, with the node's dependencies */
  struct graph *const child = node->params.child;
  GRAPH_TRY(lay_out(child, plan, &entry, error));
  uint32_t exit = 0;
  GRAPH_TRY(add_step(plan, NULL, &exit));
  bool any = false;
  for (uint32_t i = 0; i < child->count; i++) {
    if (child->nodes[i]->out.count) continue;
    GRAPH_TRY(add_dependency(plan, child->nodes[i]->step));
    any = true;
  }
  if (!any) GRAPH_TRY(add_dependency(plan, entry));
  node->step = exit;
  return CUDA_SUCCESS;
}

static CUresult lay_out_node(struct graph_node *node, struct graph_plan *plan, const uint32_t *entry, struct graph_node **error) {
  const bool child = node->params.type == CU_GRAPH_NODE_TYPE_GRAPH;
  uint32_t index = 0;
  GRAPH_TRY(add_step(plan, child ? NULL : node, &index));
  for (uint32_t i = 0; i < node->in.count; i++) GRAPH_TRY(add_dependency(plan, node->in.at[i].node->step));
  if (!node->in.count && entry) GRAPH_TRY(add_dependency(plan, *entry));
  node->step = index;
  if (child) return lay_out_child(node, plan, error);
  if (node->params.type != CU_GRAPH_NODE_TYPE_CONDITIONAL) return CUDA_SUCCESS;
  const unsigned size = node->params.conditional.size;
  struct graph_plan *const bodies = calloc(size, sizeof *bodies);
  if (!bodies) return CUDA_ERROR_OUT_OF_MEMORY;
  plan->steps[index].bodies = bodies;
  for (unsigned i = 0; i < size; i++) GRAPH_TRY(graph_plan_make(node->params.conditional.bodies[i], &bodies[i], error));
  return CUDA_SUCCESS;
}

/* Kahn's algorithm; two queues, the second for what may wait. `mark` counts what a node still waits for. */
static CUresult lay_out(struct graph *graph, struct graph_plan *plan, const uint32_t *entry, struct graph_node **error) {
  if (!graph->count) return CUDA_SUCCESS;
  struct graph_node **const ready = malloc(2 * (size_t)graph->count * sizeof *ready), **const patient = ready ? ready + graph->count : NULL;
  if (!ready) return CUDA_ERROR_OUT_OF_MEMORY;
  uint32_t first = 0, last = 0, patient_first = 0, patient_last = 0, done = 0;
  CUresult result = CUDA_SUCCESS;
  for (uint32_t i = 0; i < graph->count; i++) {
    struct graph_node *const node = graph->nodes[i];
    node->mark = node->in.count;
    if (node->mark) continue;
    if (may_wait(node)) patient[patient_last++] = node;
    else ready[last++] = node;
  }
  while (!result && (first < last || patient_first < patient_last)) {
    struct graph_node *const node = first < last ? ready[first++] : patient[patient_first++];
    result = lay_out_node(node, plan, entry, error);
    done++;
    for (uint32_t i = 0; i < node->out.count; i++) {
      struct graph_node *const next = node->out.at[i].node;
      if (--next->mark) continue;
      if (may_wait(next)) patient[patient_last++] = next;
      else ready[last++] = next;
    }
  }
  if (!result && done < graph->count) {
    for (uint32_t i = 0; i < graph->count && !*error; i++)
      if (graph->nodes[i]->mark) *error = graph->nodes[i];
    result = CUDA_ERROR_INVALID_VALUE;
  }
  for (uint32_t i = 0; i < graph->count; i++) graph->nodes[i]->mark = 0;
  free(ready);
  return result;
}

CUresult graph_plan_make(struct graph *graph, struct graph_plan *plan, struct graph_node **error) {
  *plan = (struct graph_plan){0};
  return lay_out(graph, plan, NULL, error);
}

void graph_plan_free(struct graph_plan *plan) {
  for (uint32_t i = 0; i < plan->count; i++) {
    struct graph_step *const step = &plan->steps[i];
    if (!step->bodies) continue;
    /* The node is still there: plans go before their graphs. */
    for (unsigned k = 0; k < step->node->params.conditional.size; k++) graph_plan_free(&step->bodies[k]);
    free(step->bodies);
  }
  free(plan->steps);
  free(plan->dependencies);
  *plan = (struct graph_plan){0};
}
