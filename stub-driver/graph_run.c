/*
 * Executable graphs on this GPU. What a launch executes is laid out when the graph is instantiated: a list of tasks in an order
 * that honours every dependency, executed one by one on the launching stream's thread. A launch holds the list it was given:
 * changing the executable graph makes a new one for the launches to come.
 *
 * Nodes that record or wait for events end a stretch of tasks, because an event is a place in a stream's queue.
 */
#include "graph_run.h"

#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "conditions.h"
#include "context.h"
#include "env.h"
#include "event.h"
#include "kernel.h"
#include "module.h"

static const char *const call = "cuGraphLaunch";

/* What one node does, shared by the lists that have it. */
struct work {
  _Atomic unsigned references;
  struct context *context;
  uint64_t epoch; /* of the context: a later one is not meant */
  struct rf_op op;
};

enum task_kind { TASK_NOTHING, TASK_WORK, TASK_RECORD, TASK_WAIT, TASK_CONDITIONAL };

struct task {
  enum task_kind kind;
  struct work *work;
  CUevent event;
  uint64_t condition;
  CUgraphConditionalNodeType type;
  unsigned size;
  struct rf_graph_run **bodies;
};

/* The executable graph's own copy of its graph: kept while any launch may use memory that it holds. */
struct core {
  _Atomic unsigned references;
  struct graph *graph; /* set when the executable graph is gone */
};

struct rf_graph_run {
  _Atomic unsigned references;
  struct core *core;
  struct graph_condition *resets; /* conditions that begin each launch with their default */
  unsigned reset_count;
  uint32_t count;
  struct task tasks[];
};

/* ---- life --------------------------------------------------------------------------------------------------------------- */

static void work_drop(struct work *work) {
  if (!work || atomic_fetch_sub(&work->references, 1) != 1) return;
  if (work->op.kind == RF_OP_KERNEL) rf_module_release(work->op.launch->module);
  free(work->op.owned);
  free(work);
}

static void run_drop(struct rf_graph_run *run, bool locked);

static void task_clear(struct task *task) {
  work_drop(task->work);
  for (unsigned i = 0; task->bodies && i < task->size; i++)
    if (task->bodies[i]) run_drop(task->bodies[i], true); /* bodies have no core */
  free(task->bodies);
}

static void run_drop(struct rf_graph_run *run, bool locked) {
  if (atomic_fetch_sub(&run->references, 1) != 1) return;
  for (uint32_t i = 0; i < run->count; i++) task_clear(&run->tasks[i]);
  struct core *const core = run->core;
  free(run->resets);
  free(run);
  if (!core || atomic_fetch_sub(&core->references, 1) != 1) return;
  if (!locked) graph_lock();
  graph_free(core->graph);
  if (!locked) graph_unlock();
  free(core);
  if (!locked) graph_objects_run();
}

/* ---- laying out ------------------------------------------------------------------------------------------------------------ */

static CUresult make_op(const struct graph_params *params, struct context *context, struct rf_op *op) {
  op->call = call;
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      const CUlaunchAttributeValue *const cooperative = graph_attribute(params, CU_LAUNCH_ATTRIBUTE_COOPERATIVE);
      const CUlaunchAttributeValue *const cluster = graph_attribute(params, CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION);
      const unsigned dimensions[3] = {cluster ? cluster->clusterDim.x : 0, cluster ? cluster->clusterDim.y : 0, cluster ? cluster->clusterDim.z : 0};
      op->kind = RF_OP_KERNEL;
      RF_TRY(rf_launch_make(call, &params->kernel, cooperative && cooperative->cooperative, dimensions, context, &op->launch));
      op->owned = op->launch;
      return CUDA_SUCCESS;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: op->kind = RF_OP_COPY; return rf_copy_resolve(call, &params->copy, &op->copy);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS_v1 *const set = &params->set;
      op->kind = RF_OP_FILL;
      return rf_fill_resolve(call, set->dst, set->height > 1 ? set->pitch : 0, set->value, set->elementSize, set->width, set->height, &op->fill);
    }
    case CU_GRAPH_NODE_TYPE_HOST:
      op->kind = RF_OP_HOST;
      op->host.function = params->host.fn;
      op->host.data = params->host.userData;
      return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: {
      const size_t bytes = params->memops.count * sizeof *params->memops.list;
      op->kind = RF_OP_MEMOPS;
      op->memops.count = params->memops.count;
      op->memops.list = op->owned = malloc(bytes ? bytes : 1);
      if (!op->owned) return CUDA_ERROR_OUT_OF_MEMORY;
      memcpy(op->owned, params->memops.list, bytes);
      return rf_memops_check(call, params->memops.list, params->memops.count);
    }
    default: op->kind = RF_OP_NOTHING; return CUDA_SUCCESS;
  }
}

static CUresult make_work(const struct graph_params *params, struct work **out) {
  struct context *context = NULL;
  if (params->type != CU_GRAPH_NODE_TYPE_HOST) RF_TRY(rf_context_find(params->context, &context));
  struct work *const work = calloc(1, sizeof *work);
  if (!work) return CUDA_ERROR_OUT_OF_MEMORY;
  atomic_store(&work->references, 1);
  work->context = context;
  work->epoch = context ? context->epoch : 0;
  const CUresult result = make_op(params, context, &work->op);
  if (result) {
    free(work->op.owned);
    free(work);
    return result;
  }
  *out = work;
  return CUDA_SUCCESS;
}

static CUresult make_run(const struct graph_plan *plan, struct core *core, struct rf_graph_run **out, struct graph_node **error);

/* The task is all zeros before. */
static CUresult make_task(const struct graph_step *step, struct task *task, struct graph_node **error) {
  const struct graph_node *const node = step->node;
  const struct graph_params *const params = node ? &node->params : NULL;
  if (!node || node->disabled) return CUDA_SUCCESS;
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
    case CU_GRAPH_NODE_TYPE_MEMCPY:
    case CU_GRAPH_NODE_TYPE_MEMSET:
    case CU_GRAPH_NODE_TYPE_HOST:
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: task->kind = TASK_WORK; return make_work(params, &task->work);
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: task->kind = TASK_RECORD; task->event = params->event; return graph_env_event(params->event);
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: task->kind = TASK_WAIT; task->event = params->event; return graph_env_event(params->event);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      task->kind = TASK_CONDITIONAL;
      task->condition = params->conditional.handle;
      task->type = params->conditional.type;
      task->size = params->conditional.size;
      task->bodies = calloc(task->size, sizeof *task->bodies);
      if (!task->bodies) return CUDA_ERROR_OUT_OF_MEMORY;
      for (unsigned i = 0; i < task->size; i++) RF_TRY(make_run(&step->bodies[i], NULL, &task->bodies[i], error));
      return CUDA_SUCCESS;
    default: return CUDA_SUCCESS; /* empty nodes; memory nodes, whose memory is there */
  }
}

static CUresult make_run(const struct graph_plan *plan, struct core *core, struct rf_graph_run **out, struct graph_node **error) {
  struct rf_graph_run *const run = calloc(1, sizeof *run + plan->count * sizeof *run->tasks);
  if (!run) return CUDA_ERROR_OUT_OF_MEMORY;
  atomic_store(&run->references, 1);
  run->count = plan->count;
  CUresult result = CUDA_SUCCESS;
  for (uint32_t i = 0; i < plan->count && !result; i++) {
    result = make_task(&plan->steps[i], &run->tasks[i], error);
    if (result && error && !*error) *error = plan->steps[i].node;
  }
  if (result) {
    run_drop(run, true);
    return result;
  }
  run->core = core;
  if (core) atomic_fetch_add(&core->references, 1);
  *out = run;
  return CUDA_SUCCESS;
}

static CUresult gather_resets(const struct graph *graph, struct rf_graph_run *run) {
  for (unsigned i = 0; i < graph->condition_count; i++) {
    if (!(graph->conditions[i]->flags & CU_GRAPH_COND_ASSIGN_DEFAULT)) continue;
    struct graph_condition *const list = realloc(run->resets, (run->reset_count + 1) * sizeof *list);
    if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
    run->resets = list;
    list[run->reset_count++] = *graph->conditions[i];
  }
  for (uint32_t i = 0; i < graph->count; i++) {
    const struct graph_params *const params = &graph->nodes[i]->params;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) RF_TRY(gather_resets(params->child, run));
    if (params->type != CU_GRAPH_NODE_TYPE_CONDITIONAL) continue;
    for (unsigned k = 0; k < params->conditional.size; k++) RF_TRY(gather_resets(params->conditional.bodies[k], run));
  }
  return CUDA_SUCCESS;
}

static CUresult build(const struct graph_exec *exec, struct core *core, struct rf_graph_run **out, struct graph_node **error) {
  struct rf_graph_run *run = NULL;
  RF_TRY(make_run(&exec->plan, core, &run, error));
  const CUresult result = gather_resets(exec->graph, run);
  if (result) run_drop(run, true);
  else *out = run;
  return result;
}

/* ---- what the executable graph asks for --------------------------------------------------------------------------------------- */

struct backend {
  struct core *core;
  struct rf_graph_run *run;
  struct stream *stream; /* of the last launch, and the number there that says it is over */
  uint64_t number;
};

CUresult graph_env_instantiate(struct graph_exec *exec, struct graph_node **error) {
  struct backend *const backend = calloc(1, sizeof *backend);
  struct core *const core = calloc(1, sizeof *core);
  CUresult result = backend && core ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  if (!result) {
    atomic_store(&core->references, 2); /* the backend's, and one so that a failing build does not free it */
    result = build(exec, core, &backend->run, error);
  }
  if (result) {
    free(core);
    free(backend);
    return result;
  }
  atomic_fetch_sub(&core->references, 1);
  backend->core = core;
  exec->backend = backend;
  return CUDA_SUCCESS;
}

/* A list of its own for the launches to come, unless no launch has the present one. */
static CUresult own_run(struct backend *backend) {
  struct rf_graph_run *const run = backend->run;
  if (atomic_load(&run->references) == 1) return CUDA_SUCCESS;
  for (uint32_t i = 0; i < run->count; i++)
    if (run->tasks[i].bodies) return CUDA_ERROR_NOT_READY; /* has parts that cannot be shared */
  struct rf_graph_run *const copy = malloc(sizeof *copy + run->count * sizeof *copy->tasks);
  struct graph_condition *const resets = malloc((run->reset_count + 1) * sizeof *resets);
  if (!copy || !resets) {
    free(copy);
    free(resets);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  memcpy(copy, run, sizeof *copy + run->count * sizeof *copy->tasks);
  atomic_store(&copy->references, 1);
  atomic_fetch_add(&copy->core->references, 1);
  copy->resets = resets;
  if (run->reset_count) memcpy(resets, run->resets, run->reset_count * sizeof *resets);
  for (uint32_t i = 0; i < copy->count; i++)
    if (copy->tasks[i].work) atomic_fetch_add(&copy->tasks[i].work->references, 1);
  backend->run = copy;
  run_drop(run, true);
  return CUDA_SUCCESS;
}

static bool is_top(const struct graph_exec *exec, const struct graph_node *node) {
  return node->step < exec->plan.count && exec->plan.steps[node->step].node == node && !exec->plan.steps[node->step].bodies;
}

CUresult graph_env_update(struct graph_exec *exec, struct graph_node *const *nodes, size_t count) {
  struct backend *const backend = exec->backend;
  CUresult result = CUDA_SUCCESS;
  bool all_top = true;
  for (size_t i = 0; i < count; i++) all_top = all_top && is_top(exec, nodes[i]);
  if (all_top) result = own_run(backend);
  if (!all_top || result == CUDA_ERROR_NOT_READY) {
    struct rf_graph_run *run = NULL;
    RF_TRY(build(exec, backend->core, &run, NULL));
    run_drop(backend->run, true);
    backend->run = run;
    return CUDA_SUCCESS;
  }
  if (result) return result;
  struct task *const made = calloc(count, sizeof *made);
  if (!made) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count && !result; i++) result = make_task(&exec->plan.steps[nodes[i]->step], &made[i], NULL);
  for (size_t i = 0; i < count; i++) {
    struct task *const task = &backend->run->tasks[nodes[i]->step];
    task_clear(result ? &made[i] : task);
    if (!result) *task = made[i];
  }
  free(made);
  return result;
}

void graph_env_destroy(struct graph_exec *exec) {
  struct backend *const backend = exec->backend;
  struct core *const core = backend->core;
  core->graph = exec->graph;
  run_drop(backend->run, true);
  free(backend);
  if (atomic_fetch_sub(&core->references, 1) != 1) return;
  graph_free(core->graph);
  free(core);
}

/* ---- launching -------------------------------------------------------------------------------------------------------------------- */

static CUresult stretch(struct stream *stream, struct rf_graph_run *run, uint32_t first, uint32_t count) {
  if (!count) return CUDA_SUCCESS;
  atomic_fetch_add(&run->references, 1);
  const struct rf_op op = {.kind = RF_OP_GRAPH, .call = call, .graph = {.run = run, .first = first, .count = count}};
  const CUresult result = rf_submit(stream, &op, RF_LATER, false);
  if (result) run_drop(run, true);
  return result;
}

static CUresult event_task(struct stream *stream, const struct task *task) {
  struct event *const event = rf_object_find(RF_KIND_EVENT, (uint64_t)(uintptr_t)task->event);
  if (!event) return CUDA_ERROR_INVALID_HANDLE;
  return task->kind == TASK_RECORD ? rf_event_record(event, stream) : rf_event_wait(event, stream);
}

/* Launches are put together under the lock. */
void graph_env_settle(struct graph_exec *exec) { (void)exec; }

CUresult graph_env_launch(struct graph_exec *exec, CUstream handle, unsigned abi) {
  struct backend *const backend = exec->backend;
  struct rf_graph_run *const run = backend->run;
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(handle, abi ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY, &stream));
  rf_print_flush(stream->context);
  if (backend->stream && backend->stream != stream && !rf_stream_reached(backend->stream, backend->number)) {
    const struct rf_op op = {.kind = RF_OP_WAIT_STREAM, .wait = {.stream = backend->stream, .number = backend->number}};
    RF_TRY(rf_submit(stream, &op, RF_LATER, false));
  }
  uint32_t first = 0;
  CUresult result = CUDA_SUCCESS;
  for (uint32_t i = 0; i < run->count && !result; i++) {
    if (run->tasks[i].kind != TASK_RECORD && run->tasks[i].kind != TASK_WAIT) continue;
    result = stretch(stream, run, first, i - first);
    if (!result) result = event_task(stream, &run->tasks[i]);
    first = i + 1;
  }
  if (!result) result = stretch(stream, run, first, run->count - first);
  backend->stream = stream;
  backend->number = atomic_load(&stream->submitted);
  return result;
}

/* There is nothing to upload: the list is where the GPU is. A place in the stream's order all the same. */
CUresult graph_env_upload(struct graph_exec *exec, CUstream handle, unsigned abi) {
  struct stream *stream = NULL;
  (void)exec;
  RF_TRY(rf_stream_find(handle, abi ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY, &stream));
  const struct rf_op op = {.kind = RF_OP_NOTHING, .call = call};
  return rf_submit(stream, &op, RF_LATER, true);
}

/* ---- executing: on the stream's thread ------------------------------------------------------------------------------------------------ */

static bool goes_on(struct stream *stream) {
  return !atomic_load_explicit(&stream->context->error, memory_order_acquire) && !atomic_load_explicit(&stream->context->ending, memory_order_acquire);
}

static void execute_range(struct stream *stream, struct rf_graph_run *run, uint32_t first, uint32_t count);

static void execute_conditional(struct stream *stream, const struct task *task) {
  uint32_t value = rf_condition_get(task->condition);
  struct rf_graph_run *const body = task->bodies[0];
  switch ((int)task->type) {
    case CU_GRAPH_COND_TYPE_IF:
      if (value) execute_range(stream, body, 0, body->count);
      else if (task->size == 2) execute_range(stream, task->bodies[1], 0, task->bodies[1]->count);
      return;
    case CU_GRAPH_COND_TYPE_WHILE:
      for (; value && goes_on(stream); value = rf_condition_get(task->condition)) execute_range(stream, body, 0, body->count);
      return;
    default:
      if (value < task->size) execute_range(stream, task->bodies[value], 0, task->bodies[value]->count);
      return;
  }
}

static void execute_work(struct stream *stream, struct work *work) {
  struct context *const context = work->context ? work->context : stream->context;
  if (work->context && context->epoch != work->epoch) { /* its context has gone since */
    rf_context_fail(stream->context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    return;
  }
  /* In the node's context, of which any stream will do: they differ in nothing that matters here. */
  struct stream *const where = context == stream->context ? stream : context->legacy;
  if (work->op.kind == RF_OP_KERNEL) {
    rf_module_hold(work->op.launch->module); /* executing lets go of it once */
    atomic_fetch_add(&context->kernels, 1);
  }
  rf_execute(where, &work->op);
  const int error = atomic_load_explicit(&context->error, memory_order_acquire);
  if (error && context != stream->context) rf_context_fail(stream->context, (CUresult)error);
}

static void execute_range(struct stream *stream, struct rf_graph_run *run, uint32_t first, uint32_t count) {
  for (uint32_t i = first; i < first + count && goes_on(stream); i++) {
    const struct task *const task = &run->tasks[i];
    if (task->kind == TASK_WORK) execute_work(stream, task->work);
    if (task->kind == TASK_CONDITIONAL) execute_conditional(stream, task);
  }
}

void rf_graph_execute(struct stream *stream, struct rf_graph_run *run, uint32_t first, uint32_t count) {
  if (!first)
    for (unsigned i = 0; i < run->reset_count; i++) rf_condition_set(run->resets[i].number, run->resets[i].initial);
  execute_range(stream, run, first, count);
  run_drop(run, false);
}
