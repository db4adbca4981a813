/*
 * Stream capture; see graph.h. A capture begins in one stream, its origin; others join by waiting for events that were recorded
 * in it. Each stream that takes part has a set of nodes on which the next call in it will depend. An event that was recorded
 * in a capturing stream stands for such a set.
 */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "graph.h"

struct set { /* of dependencies */
  struct graph_edge *at;
  size_t count, room;
};

struct member;

struct capture {
  struct capture *next;
  uint64_t id;
  struct graph *graph;
  bool given;      /* the graph is the caller's (cuStreamBeginCaptureToGraph) */
  CUstreamCaptureMode mode;
  uint64_t thread; /* that began it */
  bool invalid;
  struct member *origin;
};

struct member { /* a stream that takes part */
  struct member *next;
  struct graph_stream stream;
  struct capture *capture;
  struct set set;
  bool gone;         /* the stream is destroyed; its work must be joined all the same */
  CUgraphNode *told; /* what cuStreamGetCaptureInfo gave out last */
  CUgraphEdgeData *told_edges;
};

struct captured { /* an event */
  struct captured *next;
  CUevent event;
  uint64_t capture; /* its id: the capture itself may be over */
  struct set set;
};

_Atomic uint32_t graph_captures, graph_captured_events;

static struct capture *captures;
static struct member *members;
static struct captured *events;
static uint64_t last_id;

static __thread CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

static uint64_t this_thread(void) {
  static _Atomic uint64_t last;
  static __thread uint64_t number;
  if (!number) number = atomic_fetch_add(&last, 1) + 1;
  return number;
}

/* ---- sets ---------------------------------------------------------------------------------------------------------------- */

static CUresult set_add(struct set *set, struct graph_node *node, CUgraphEdgeData data) {
  for (size_t i = 0; i < set->count; i++)
    if (set->at[i].node == node) return CUDA_SUCCESS;
  if (set->count == set->room) {
    const size_t room = set->room ? 2 * set->room : 4;
    struct graph_edge *const at = realloc(set->at, room * sizeof *at);
    if (!at) return CUDA_ERROR_OUT_OF_MEMORY;
    set->at = at;
    set->room = room;
  }
  set->at[set->count++] = (struct graph_edge){node, data};
  return CUDA_SUCCESS;
}

static CUresult set_join(struct set *to, const struct set *from) {
  for (size_t i = 0; i < from->count; i++) GRAPH_TRY(set_add(to, from->at[i].node, from->at[i].data));
  return CUDA_SUCCESS;
}

/* As two lists: nodes, edges. Both malloc'ed, or NULL when it is empty. */
static CUresult set_split(const struct set *set, struct graph_node ***nodes, CUgraphEdgeData **edges) {
  *nodes = NULL;
  *edges = NULL;
  if (!set->count) return CUDA_SUCCESS;
  *nodes = malloc(set->count * sizeof **nodes);
  *edges = malloc(set->count * sizeof **edges);
  if (!*nodes || !*edges) {
    free(*nodes);
    free(*edges);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (size_t i = 0; i < set->count; i++) {
    (*nodes)[i] = set->at[i].node;
    (*edges)[i] = set->at[i].data;
  }
  return CUDA_SUCCESS;
}

/* ---- who takes part ----------------------------------------------------------------------------------------------------------- */

static struct member *member_of(uint64_t key) {
  struct member *at = members;
  while (at && (at->gone || at->stream.key != key)) at = at->next;
  return at;
}

static CUresult join(struct capture *capture, const struct graph_stream *stream, struct member **out) {
  struct member *const member = calloc(1, sizeof *member);
  if (!member) return CUDA_ERROR_OUT_OF_MEMORY;
  member->stream = *stream;
  member->capture = capture;
  member->next = members;
  members = member;
  atomic_fetch_add(&graph_captures, 1);
  *out = member;
  return CUDA_SUCCESS;
}

static void leave(struct member *member) {
  struct member **link = &members;
  while (*link != member) link = &(*link)->next;
  *link = member->next;
  free(member->set.at);
  free(member->told);
  free(member->told_edges);
  free(member);
  atomic_fetch_sub(&graph_captures, 1);
}

static void invalidate(struct capture *capture) { capture->invalid = true; }

/* Ends a capture: all streams leave it. Events that stand for it go on doing so. */
static void finish(struct capture *capture) {
  for (struct member *member = members, *next; member; member = next) {
    next = member->next;
    if (member->capture == capture) leave(member);
  }
  struct capture **link = &captures;
  while (*link != capture) link = &(*link)->next;
  *link = capture->next;
  free(capture);
}

static struct capture *capture_by_id(uint64_t id) {
  struct capture *at = captures;
  while (at && at->id != id) at = at->next;
  return at;
}

bool graph_capture_has(const struct graph_stream *stream) {
  graph_lock();
  const bool has = member_of(stream->key) != NULL;
  graph_unlock();
  return has;
}

/* ---- what is refused ------------------------------------------------------------------------------------------------------------ */

/* Work in the legacy stream would depend on what a blocking stream of its context captures. */
static bool implicit(const struct graph_stream *stream, bool ends, CUresult *result) {
  bool found = false;
  if (!stream->legacy) return false;
  for (struct member *at = members; at; at = at->next) {
    if (at->gone || at->stream.context != stream->context || !at->stream.blocking) continue;
    found = true;
    if (ends) invalidate(at->capture);
  }
  if (found) *result = CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  return found;
}

bool graph_capture_implicit(const struct graph_stream *stream, bool ends, CUresult *result) {
  graph_lock();
  const bool found = implicit(stream, ends, result);
  graph_unlock();
  return found;
}

static bool unsafe(CUresult *result) {
  bool found = false;
  const uint64_t thread = this_thread();
  if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  for (struct capture *at = captures; at; at = at->next) {
    const bool own = at->thread == thread && at->mode != CU_STREAM_CAPTURE_MODE_RELAXED;
    const bool others = at->thread != thread && at->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!own && !others) continue;
    found = true;
    invalidate(at);
  }
  if (found) *result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  return found;
}

bool graph_capture_unsafe(CUresult *result) {
  graph_lock();
  const bool found = unsafe(result);
  graph_unlock();
  return found;
}

bool graph_capture_context(uint64_t context, CUresult *result) {
  graph_lock();
  bool found = false;
  for (struct member *at = members; at; at = at->next) {
    if (at->stream.context != context) continue;
    found = true;
    invalidate(at->capture);
    *result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (!found) found = unsafe(result);
  graph_unlock();
  return found;
}

bool graph_capture_refuse(const struct graph_stream *stream, CUresult *result) {
  graph_lock();
  struct member *const member = member_of(stream->key);
  bool answered = true;
  if (member) {
    *result = member->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    invalidate(member->capture);
  } else {
    answered = implicit(stream, true, result);
  }
  graph_unlock();
  return answered;
}

/* ---- work ---------------------------------------------------------------------------------------------------------------------------- */

/* Adds a node behind what the stream depends on. Takes params over. */
static CUresult add(struct member *member, struct graph_params *params, struct graph_node **node) {
  struct graph_node **from = NULL;
  CUgraphEdgeData *edges = NULL;
  CUresult result = set_split(&member->set, &from, &edges);
  if (result) graph_params_free(params);
  else result = graph_add(member->capture->graph, from, edges, member->set.count, params, node);
  free(from);
  free(edges);
  if (result) return result;
  member->set.count = 0;
  return set_add(&member->set, *node, (CUgraphEdgeData){0});
}

/* The lock is held. */
static bool work(const struct graph_stream *stream, struct graph_params *params, CUresult *result, struct graph_node **node) {
  struct member *const member = member_of(stream->key);
  if (!member) {
    if (!implicit(stream, true, result)) return false;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) params->child = NULL;
    graph_params_free(params);
    return true;
  }
  if (member->capture->invalid) {
    *result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) params->child = NULL;
    graph_params_free(params);
    return true;
  }
  *result = add(member, params, node);
  if (*result == CUDA_ERROR_NOT_SUPPORTED) {
    /* What this graph cannot hold (a conditional's body). */
    invalidate(member->capture);
    *result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return true;
}

bool graph_capture_work(const struct graph_stream *stream, struct graph_params *params, CUresult *result) {
  struct graph_node *node = NULL;
  graph_lock();
  const bool answered = work(stream, params, result, &node);
  graph_unlock();
  return answered;
}

bool graph_capture_launch(const struct graph_stream *stream, struct graph *graph, CUresult *result) {
  struct graph_node *node = NULL;
  struct graph_params params = {.type = CU_GRAPH_NODE_TYPE_GRAPH, .child = graph};
  return work(stream, &params, result, &node);
}

bool graph_capture_allocate(const struct graph_stream *stream, CUcontext context, const CUmemPoolProps *pool, size_t bytes, CUdeviceptr *address, CUresult *result) {
  struct graph_node *node = NULL;
  struct graph_params params = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC, .context = context};
  params.alloc.asked = (CUDA_MEM_ALLOC_NODE_PARAMS_v1){.poolProps = *pool, .bytesize = bytes};
  graph_lock();
  const bool answered = work(stream, &params, result, &node);
  if (answered && !*result) *address = node->params.alloc.asked.dptr;
  graph_unlock();
  return answered;
}

/* ---- events --------------------------------------------------------------------------------------------------------------------------- */

static struct captured **captured_of(CUevent event) {
  struct captured **link = &events;
  while (*link && (*link)->event != event) link = &(*link)->next;
  return link;
}

static void forget(struct captured **link) {
  struct captured *const captured = *link;
  if (!captured) return;
  *link = captured->next;
  free(captured->set.at);
  free(captured);
  atomic_fetch_sub(&graph_captured_events, 1);
}

void graph_capture_recorded(CUevent event) { forget(captured_of(event)); }

static bool node_for_event(struct member *member, CUevent event, CUgraphNodeType type, CUresult *result) {
  struct graph_node *node = NULL;
  struct graph_params params = {.type = type, .event = event};
  *result = member->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : add(member, &params, &node);
  return true;
}

static bool record(const struct graph_stream *stream, CUevent event, bool external, CUresult *result) {
  struct member *const member = member_of(stream->key);
  if (!member) {
    if (implicit(stream, true, result)) return true;
    if (external) *result = CUDA_ERROR_INVALID_VALUE;
    else forget(captured_of(event));
    return external;
  }
  if (external) return node_for_event(member, event, CU_GRAPH_NODE_TYPE_EVENT_RECORD, result);
  if (member->capture->invalid) {
    *result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return true;
  }
  struct captured *captured = *captured_of(event);
  if (!captured && (captured = calloc(1, sizeof *captured))) {
    captured->event = event;
    captured->next = events;
    events = captured;
    atomic_fetch_add(&graph_captured_events, 1);
  }
  *result = captured ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  if (!captured) return true;
  captured->capture = member->capture->id;
  captured->set.count = 0;
  *result = set_join(&captured->set, &member->set);
  return true;
}

bool graph_capture_record(const struct graph_stream *stream, CUevent event, bool external, CUresult *result) {
  graph_lock();
  const bool answered = record(stream, event, external, result);
  graph_unlock();
  return answered;
}

static bool wait(const struct graph_stream *stream, CUevent event, bool external, CUresult *result) {
  struct member *member = member_of(stream->key);
  const struct captured *const captured = *captured_of(event);
  struct capture *const capture = captured ? capture_by_id(captured->capture) : NULL;
  if (!member && implicit(stream, true, result)) return true;
  if (external) {
    if (member) return node_for_event(member, event, CU_GRAPH_NODE_TYPE_WAIT_EVENT, result);
    *result = CUDA_ERROR_INVALID_VALUE;
    return true;
  }
  if (!captured) {
    if (!member) return false;
    /* It would depend on what is no part of the capture. */
    *result = member->capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    invalidate(member->capture);
    return true;
  }
  if (!capture) { /* over: nothing may depend on its inside any more */
    *result = member ? CUDA_ERROR_STREAM_CAPTURE_ISOLATION : CUDA_ERROR_CAPTURED_EVENT;
    if (member) invalidate(member->capture);
    return true;
  }
  if (capture->invalid || (member && member->capture->invalid)) {
    *result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return true;
  }
  if (member && member->capture != capture) {
    invalidate(member->capture);
    invalidate(capture);
    *result = CUDA_ERROR_STREAM_CAPTURE_MERGE;
    return true;
  }
  if (!member) {
    if (stream->legacy) { /* cannot be captured */
      invalidate(capture);
      *result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
      return true;
    }
    struct graph_stream joining = *stream;
    *result = graph_env_member(&joining);
    if (!*result) *result = join(capture, &joining, &member);
    if (*result) return true;
  }
  *result = set_join(&member->set, &captured->set);
  return true;
}

bool graph_capture_wait(const struct graph_stream *stream, CUevent event, bool external, CUresult *result) {
  graph_lock();
  const bool answered = wait(stream, event, external, result);
  graph_unlock();
  return answered;
}

bool graph_capture_asked(CUevent event, CUresult *result) {
  if (!atomic_load_explicit(&graph_captured_events, memory_order_relaxed) && !graph_capturing()) return false;
  graph_lock();
  const struct captured *const captured = *captured_of(event);
  if (captured) {
    struct capture *const capture = capture_by_id(captured->capture);
    if (capture) invalidate(capture);
    *result = CUDA_ERROR_CAPTURED_EVENT;
  }
  const bool answered = captured || unsafe(result);
  graph_unlock();
  return answered;
}

void graph_capture_event_gone(CUevent event) {
  if (!atomic_load_explicit(&graph_captured_events, memory_order_relaxed)) return;
  graph_lock();
  forget(captured_of(event));
  graph_unlock();
}

static void member_gone(struct member *member) {
  struct capture *const capture = member->capture;
  if (capture->origin != member) {
    member->gone = true;
    return;
  }
  /* Nobody can end it any more. */
  struct graph *const graph = capture->graph;
  const bool given = capture->given;
  graph->capturing = false;
  finish(capture);
  if (!given) graph_free(graph);
}

void graph_capture_stream_gone(uint64_t key) {
  if (!graph_capturing()) return;
  graph_lock();
  struct member *const member = member_of(key);
  if (member) member_gone(member);
  graph_unlock();
  graph_objects_run();
}

void graph_context_gone(uint64_t context) {
  graph_lock();
  for (struct member *member = members; member;) {
    struct member *const next = member->next;
    const bool ends = member->stream.context == context && !member->gone;
    if (ends) {
      invalidate(member->capture);
      member_gone(member);
    }
    member = ends ? members : next; /* others may have left with it */
  }
  graph_memory_context_gone(context);
  graph_unlock();
  graph_objects_run();
}

/* ---- calls: begin and end ---------------------------------------------------------------------------------------------------------------- */

static CUresult begin_in(const struct graph_stream *stream, CUstreamCaptureMode mode, struct graph *into, const struct set *set) {
  if (stream->legacy) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (member_of(stream->key)) return CUDA_ERROR_ILLEGAL_STATE;
  struct graph_stream own = *stream;
  GRAPH_TRY(graph_env_member(&own));
  struct capture *const capture = calloc(1, sizeof *capture);
  struct graph *const graph = into ? into : graph_new();
  if (!capture || !graph) {
    free(capture);
    if (!into) graph_free(graph);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *capture = (struct capture){.next = captures, .id = ++last_id, .graph = graph, .given = into != NULL, .mode = mode, .thread = this_thread()};
  captures = capture;
  CUresult result = join(capture, &own, &capture->origin);
  if (!result && set) result = set_join(&capture->origin->set, set);
  if (result) {
    finish(capture);
    if (!into) graph_free(graph);
    return result;
  }
  graph->capturing = true;
  return CUDA_SUCCESS;
}

static CUresult read_set(struct graph *graph, const CUgraphNode *nodes, const CUgraphEdgeData *edges, size_t count, struct set *set) {
  struct graph_node **found = NULL;
  GRAPH_TRY(graph_nodes_find(graph, nodes, count, &found));
  CUresult result = CUDA_SUCCESS;
  for (size_t i = 0; i < count && !result; i++) {
    result = graph_edge_check(found[i], edges ? &edges[i] : NULL);
    if (!result) result = set_add(set, found[i], edges ? edges[i] : (CUgraphEdgeData){0});
  }
  free(found);
  return result;
}

static CUresult begin(unsigned abi, CUstream handle, CUstreamCaptureMode mode, bool to_graph, CUgraph graph_handle, const CUgraphNode *nodes,
                      const CUgraphEdgeData *edges, size_t count) {
  GRAPH_ENTER();
  if ((unsigned)mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  struct graph_stream stream;
  struct set set = {0};
  graph_lock();
  struct graph *const into = to_graph ? GRAPH_FIND(GRAPH_KIND_GRAPH, graph_handle) : NULL;
  CUresult result = to_graph && (!into || into->capturing) ? CUDA_ERROR_INVALID_VALUE : graph_env_stream(handle, abi, &stream);
  if (!result && to_graph) result = read_set(into, nodes, edges, count, &set);
  if (!result) result = begin_in(&stream, mode, into, &set);
  graph_unlock();
  free(set.at);
  return result;
}

GRAPH_TWIN(cuStreamBeginCapture, begin(abi, hStream, CU_STREAM_CAPTURE_MODE_GLOBAL, false, NULL, NULL, NULL, 0), CUstream hStream)
GRAPH_TWIN(cuStreamBeginCapture_v2, begin(abi, hStream, mode, false, NULL, NULL, NULL, 0), CUstream hStream, CUstreamCaptureMode mode)
GRAPH_TWIN(cuStreamBeginCaptureToGraph, begin(abi, hStream, mode, true, hGraph, dependencies, dependencyData, numDependencies), CUstream hStream,
           CUgraph hGraph, const CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData, size_t numDependencies, CUstreamCaptureMode mode)

/* Whether all that other streams did is in front of what the origin depends on. */
static CUresult is_joined(const struct capture *capture, bool *joined) {
  struct graph_node **nodes = NULL;
  CUgraphEdgeData *edges = NULL;
  GRAPH_TRY(set_split(&capture->origin->set, &nodes, &edges));
  const uint32_t mark = graph_mark_next();
  const CUresult result = graph_mark_ancestors(nodes, capture->origin->set.count, mark);
  free(nodes);
  free(edges);
  *joined = true;
  for (const struct member *at = members; at && !result; at = at->next) {
    if (at->capture != capture) continue;
    for (size_t i = 0; i < at->set.count; i++)
      if (at->set.at[i].node->mark != mark) *joined = false;
  }
  return result;
}

static CUresult end_in(const struct graph_stream *stream, CUgraph *out) {
  struct member *const member = member_of(stream->key);
  if (!member) return CUDA_ERROR_ILLEGAL_STATE;
  struct capture *const capture = member->capture;
  if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != this_thread()) return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  if (capture->origin != member) {
    invalidate(capture);
    return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  }
  bool joined = true;
  CUresult result = capture->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : is_joined(capture, &joined);
  if (!result && !joined) result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  struct graph *const graph = capture->graph;
  const bool given = capture->given;
  graph->capturing = false;
  finish(capture);
  if (out) *out = result ? NULL : (CUgraph)(uintptr_t)graph->handle;
  if (result && !given) graph_free(graph);
  return result;
}

static CUresult end(unsigned abi, CUstream handle, CUgraph *out) {
  GRAPH_ENTER();
  struct graph_stream stream;
  graph_lock();
  CUresult result = graph_env_stream(handle, abi, &stream);
  /* A capture into a graph of the caller's gives out nothing new. */
  const struct member *const member = result ? NULL : member_of(stream.key);
  if (!out && !(member && member->capture->given)) result = CUDA_ERROR_INVALID_VALUE;
  if (!result) result = end_in(&stream, out);
  graph_unlock();
  graph_objects_run();
  return result;
}

GRAPH_TWIN(cuStreamEndCapture, end(abi, hStream, phGraph), CUstream hStream, CUgraph *phGraph)

/* ---- calls: questions ------------------------------------------------------------------------------------------------------------------------ */

static CUresult tell(struct member *member, cuuint64_t *id, CUgraph *graph, const CUgraphNode **nodes, const CUgraphEdgeData **edges, size_t *count) {
  const struct set *const set = &member->set;
  if (id) *id = member->capture->id;
  if (member->capture->invalid) return CUDA_SUCCESS;
  bool plain = true;
  for (size_t i = 0; i < set->count; i++) plain = plain && graph_edge_is_plain(&set->at[i].data);
  if (nodes && !edges && !plain) return CUDA_ERROR_LOSSY_QUERY;
  if (graph) *graph = (CUgraph)(uintptr_t)member->capture->graph->handle;
  if (count) *count = set->count;
  if (edges) *edges = NULL;
  if (nodes) {
    CUgraphNode *const list = realloc(member->told, (set->count + 1) * sizeof *list);
    CUgraphEdgeData *const data = realloc(member->told_edges, (set->count + 1) * sizeof *data);
    if (list) member->told = list;
    if (data) member->told_edges = data;
    if (!list || !data) return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < set->count; i++) {
      list[i] = (CUgraphNode)(uintptr_t)set->at[i].node->handle;
      data[i] = set->at[i].data;
    }
    *nodes = list;
    if (edges && !plain) *edges = data;
  }
  return CUDA_SUCCESS;
}

static CUresult info(unsigned abi, CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph, const CUgraphNode **nodes,
                     const CUgraphEdgeData **edges, bool lossless, size_t *count) {
  GRAPH_ENTER();
  if (!status) return CUDA_ERROR_INVALID_VALUE;
  struct graph_stream stream;
  const CUgraphEdgeData *ignored = NULL;
  graph_lock();
  CUresult result = graph_env_stream(handle, abi, &stream);
  struct member *const member = result ? NULL : member_of(stream.key);
  if (!result && !member) implicit(&stream, false, &result);
  if (!result) *status = !member ? CU_STREAM_CAPTURE_STATUS_NONE : member->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  if (member) result = tell(member, id, graph, nodes, edges ? edges : lossless ? &ignored : NULL, count);
  graph_unlock();
  return result;
}

GRAPH_TWIN(cuStreamIsCapturing, info(abi, hStream, captureStatus, NULL, NULL, NULL, NULL, true, NULL), CUstream hStream, CUstreamCaptureStatus *captureStatus)
GRAPH_TWIN(cuStreamGetCaptureInfo, info(abi, hStream, captureStatus_out, id_out, NULL, NULL, NULL, true, NULL), CUstream hStream,
           CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out)
GRAPH_TWIN(cuStreamGetCaptureInfo_v2, info(abi, hStream, captureStatus_out, id_out, graph_out, dependencies_out, NULL, false, numDependencies_out),
           CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out,
           size_t *numDependencies_out)
GRAPH_TWIN(cuStreamGetCaptureInfo_v3, info(abi, hStream, captureStatus_out, id_out, graph_out, dependencies_out, edgeData_out, false, numDependencies_out),
           CUstream hStream, CUstreamCaptureStatus *captureStatus_out, cuuint64_t *id_out, CUgraph *graph_out, const CUgraphNode **dependencies_out,
           const CUgraphEdgeData **edgeData_out, size_t *numDependencies_out)

static CUresult update_set(struct member *member, const CUgraphNode *nodes, const CUgraphEdgeData *edges, size_t count, bool replace) {
  struct set given = {0};
  CUresult result = read_set(member->capture->graph, nodes, edges, count, &given);
  if (!result && replace) member->set.count = 0;
  if (!result) result = set_join(&member->set, &given);
  free(given.at);
  return result;
}

static CUresult update(unsigned abi, CUstream handle, const CUgraphNode *nodes, const CUgraphEdgeData *edges, size_t count, unsigned flags) {
  GRAPH_ENTER();
  if (flags > CU_STREAM_SET_CAPTURE_DEPENDENCIES || (count && !nodes)) return CUDA_ERROR_INVALID_VALUE;
  struct graph_stream stream;
  graph_lock();
  CUresult result = graph_env_stream(handle, abi, &stream);
  struct member *const member = result ? NULL : member_of(stream.key);
  if (!result && !member) result = CUDA_ERROR_ILLEGAL_STATE;
  if (!result && member->capture->invalid) result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!result) result = update_set(member, nodes, edges, count, flags == CU_STREAM_SET_CAPTURE_DEPENDENCIES);
  graph_unlock();
  return result;
}

GRAPH_TWIN(cuStreamUpdateCaptureDependencies, update(abi, hStream, dependencies, NULL, numDependencies, flags), CUstream hStream, CUgraphNode *dependencies,
           size_t numDependencies, unsigned int flags)
GRAPH_TWIN(cuStreamUpdateCaptureDependencies_v2, update(abi, hStream, dependencies, dependencyData, numDependencies, flags), CUstream hStream,
           CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData, size_t numDependencies, unsigned int flags)

CUresult GRAPH_CALL(cuThreadExchangeStreamCaptureMode)(CUstreamCaptureMode *mode) {
  GRAPH_ENTER();
  if (!mode || (unsigned)*mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
  const CUstreamCaptureMode before = thread_mode;
  thread_mode = *mode;
  *mode = before;
  return CUDA_SUCCESS;
}
