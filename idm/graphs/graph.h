/*
 * Graphs and stream capture as data: what cuGraph* and cuStream*Capture* do short of running anything.
 *
 * The software GPU and the client library both need all of it, and it must be the same in both, so it is one library that
 * each compiles in. It knows no GPU: nodes, edges, what a capturing stream's calls become, which update an executable graph
 * allows. What differs (whose stream is this, run that) it asks of its host through env.h.
 *
 * One lock guards everything. Functions are called with it held unless they say otherwise; the exported calls take it.
 */
#ifndef RINGFENCE_GRAPH_H
#define RINGFENCE_GRAPH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "graph_host.h" /* the host's: CUDA's declarations, GRAPH_CALL, GRAPH_TWIN, GRAPH_ENTER */

#define GRAPH_TRY(expression)                       \
  do {                                              \
    const CUresult graph_result = (expression);     \
    if (graph_result) return graph_result;          \
  } while (0)

void graph_lock(void);
void graph_unlock(void);
/* Lets go of the lock until somebody calls graph_wake. */
void graph_sleep(void);
void graph_wake(void);

/* ---- handles (table.c): numbers, checked, never pointers ----------------------------------------------------------- */

enum graph_kind { GRAPH_KIND_GRAPH, GRAPH_KIND_NODE, GRAPH_KIND_EXEC, GRAPH_KIND_OBJECT, GRAPH_KINDS };

/* A handle for an object; 0: out of memory, or 16 million of them live. */
uint64_t graph_handle_new(enum graph_kind kind, void *object);
void *graph_handle_find(enum graph_kind kind, uint64_t handle);
void *graph_find(enum graph_kind kind, uint64_t handle); /* the same, and a graph's nodes are all there */
void graph_handle_free(enum graph_kind kind, uint64_t handle);

#define GRAPH_FIND(kind, handle) graph_find(kind, (uint64_t)(uintptr_t)(handle))

/* ---- nodes' parameters (params.c) ----------------------------------------------------------------------------------- */

struct graph;
struct graph_node;

/* Where a kernel's parameters lie in its parameter buffer; `offsets` is malloc'ed, sizes follow it. */
struct graph_layout {
  size_t count, bytes;
  size_t *offsets, *sizes;
};

struct graph_kernel {
  CUfunction function; /* or a CUkernel */
  bool by_kern;        /* it was given as `kern` */
  unsigned grid[3], block[3], shared;
  size_t count, bytes;
  void **pointers;     /* `count` pointers into data */
  unsigned char *data; /* aligned to 16 */
  CUlaunchAttribute *attributes;
  unsigned attribute_count;
};

struct graph_params {
  CUgraphNodeType type;
  CUcontext context; /* kernel, copy, set, alloc, memops, conditional */
  bool move;         /* a child graph becomes the node's, instead of a copy of it */
  union {
    struct graph_kernel kernel;
    CUDA_MEMCPY3D copy;
    CUDA_MEMSET_NODE_PARAMS_v1 set;
    CUDA_HOST_NODE_PARAMS_v1 host;
    struct graph *child;
    CUevent event;
    struct {
      CUDA_MEM_ALLOC_NODE_PARAMS_v1 asked; /* accessDescs: malloc'ed; dptr: the address */
    } alloc;
    CUdeviceptr free;
    struct {
      CUstreamBatchMemOpParams *list;
      unsigned count, flags;
    } memops;
    struct {
      uint64_t handle;
      CUgraphConditionalNodeType type;
      unsigned size;
      struct graph **bodies; /* made when the node is added */
      CUgraph *handles;
    } conditional;
  };
};

/* Reads what a caller gives for a node, all pointers followed and checked. Of a child graph the graph itself is left (not
 * cloned); a conditional has no bodies yet; an allocation no address. Errors: INVALID_VALUE, INVALID_CONTEXT, the host's. */
CUresult graph_params_read(struct graph_params *params, const CUgraphNodeParams *given);
/* What the calls that get parameters answer; pointers in it are the node's. */
void graph_params_write(const struct graph_params *params, CUgraphNodeParams *out);
/* Copies deeply, save child graphs and bodies, which become NULL. OUT_OF_MEMORY. */
CUresult graph_params_copy(struct graph_params *to, const struct graph_params *from);
/* Frees what it points to, child graphs and bodies included. */
void graph_params_free(struct graph_params *params);
bool graph_params_equal(const struct graph_params *a, const struct graph_params *b);
/* Whether an executable graph may go from one to the other. */
CUgraphExecUpdateResult graph_params_updatable(const struct graph_params *from, const struct graph_params *to);
const CUlaunchAttributeValue *graph_attribute(const struct graph_params *params, CUlaunchAttributeID id);
CUresult graph_attribute_set(struct graph_params *params, CUlaunchAttributeID id, const CUlaunchAttributeValue *value);
bool graph_is_kernel_attribute(CUlaunchAttributeID id);

/* ---- graphs and nodes (model.c) -------------------------------------------------------------------------------------- */

struct graph_edge {
  struct graph_node *node; /* the other end */
  CUgraphEdgeData data;
};

struct graph_edges {
  struct graph_edge *at;
  uint32_t count, room;
};

struct graph_node {
  uint64_t handle;
  struct graph *graph;
  uint32_t index;  /* in graph->nodes */
  uint64_t origin; /* the node that it is a copy of, or 0 */
  bool disabled;   /* of an executable graph */
  uint32_t mark;   /* scratch of walks */
  uint32_t step;   /* in its plan */
  void *part;      /* the host's: where it has put it */
  uint32_t number;
  struct graph_edges in, out;
  struct graph_params params;
};

/* What device code sets to steer conditional nodes: held by the graphs that may use it. */
struct graph_condition {
  uint64_t number; /* the handle */
  unsigned initial, flags, references;
  bool used;       /* a conditional node has it */
};

struct graph_object_ref {
  uint64_t object;
  unsigned count;
};

struct graph {
  uint64_t handle;
  struct graph_node **nodes;
  uint32_t count, room;
  uint32_t gone;            /* of the count: places of nodes that were destroyed, NULL until the graph is looked up next (graph_find) */
  uint64_t origin;          /* the graph that it is a copy of */
  struct graph_node *owner; /* whose child or body it is */
  bool body;
  bool moved;               /* a child whose ownership moved: still known by its handle */
  bool capturing;
  bool has_memory;          /* allocation or free nodes, here or below */
  bool has_conditional;
  unsigned execs;           /* live executable graphs of it */
  struct graph_object_ref *objects;
  unsigned object_count;
  struct graph_condition **conditions; /* made for it */
  unsigned condition_count;
};

/* The condition of a conditional node, NULL if it is gone. */
const struct graph_condition *graph_condition_find(const struct graph_node *node);

struct graph *graph_new(void); /* NULL: out of memory */
void graph_free(struct graph *graph);
/* A copy; nodes know their originals. `private`: of an executable graph, which may have what clones may not. */
CUresult graph_clone(struct graph *graph, struct graph **clone);
/* The graph that is nobody's child or body, above this one. */
struct graph *graph_root(struct graph *graph);

/* Adds a node and takes `params` over (also on failure). Allocation nodes get their address, children their clone, conditionals
 * their bodies. `edges` may be NULL. */
CUresult graph_add(struct graph *graph, struct graph_node *const *from, const CUgraphEdgeData *edges, size_t count,
                   struct graph_params *params, struct graph_node **node);
CUresult graph_edge_add(struct graph_node *from, struct graph_node *to, const CUgraphEdgeData *data);
CUresult graph_edge_check(const struct graph_node *from, const CUgraphEdgeData *data);
/* Resolves nodes of one graph. `nodes` gets malloc'ed (NULL for none). INVALID_VALUE. */
CUresult graph_nodes_find(struct graph *graph, const CUgraphNode *handles, size_t count, struct graph_node ***nodes);
bool graph_edge_is_plain(const CUgraphEdgeData *data);
/* Marks all nodes from which `node` can be reached, itself included, with graph_mark_next()'s number. */
uint32_t graph_mark_next(void);
CUresult graph_mark_ancestors(struct graph_node *const *nodes, size_t count, uint32_t mark);

/* ---- the order of execution (plan.c) ---------------------------------------------------------------------------------- */

struct graph_plan;

/* One thing to do. Child graphs are dissolved: their first and last points are steps without a node. */
struct graph_step {
  struct graph_node *node; /* NULL: a joint */
  uint32_t first, count;   /* its dependencies: plan->dependencies[first .. first + count), indices of steps before it */
  struct graph_plan *bodies; /* of a conditional: params.conditional.size of them */
};

struct graph_plan {
  struct graph_step *steps; /* in an order that may be executed one by one */
  uint32_t count, room;
  uint32_t *dependencies;
  uint32_t dependency_count, dependency_room;
};

/* Lays a graph out. INVALID_VALUE: it has a cycle, *error is a node of it. Sets node->step. */
CUresult graph_plan_make(struct graph *graph, struct graph_plan *plan, struct graph_node **error);
void graph_plan_free(struct graph_plan *plan);

/* ---- executable graphs (exec.c) ---------------------------------------------------------------------------------------- */

struct graph_exec {
  uint64_t handle;
  struct graph_exec *next, *previous; /* all there are */
  struct graph *graph;   /* its own copy */
  struct graph *source;  /* what it was made of; NULL once that is destroyed */
  struct graph_plan plan;
  uint64_t flags;
  void *backend;         /* the host's */
  struct graph_node **map; /* its nodes by the handles of the originals: open addressing */
  uint32_t map_size;
  CUdeviceptr *allocates, *frees; /* addresses that a launch leaves allocated; that it frees and another graph allocated */
  unsigned allocate_count, free_count;
  CUdeviceptr *own;      /* all addresses that it allocates */
  unsigned own_count;
};

void graph_exec_source_gone(struct graph *graph);

/* cuGraphExec*NodeSetParams. Takes the lock. */
CUresult graph_exec_set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams *params);

/* ---- memory of graphs (memory.c) ---------------------------------------------------------------------------------------- */

/* An address for an allocation node, held by it. */
CUresult graph_memory_new(CUDA_MEM_ALLOC_NODE_PARAMS_v1 *asked, CUcontext context);
void graph_memory_hold(CUdeviceptr address);
void graph_memory_drop(CUdeviceptr address);
bool graph_memory_is(CUdeviceptr address);
void graph_memory_context_gone(uint64_t context);
/* What a launch does with what it allocates and frees: all or nothing. INVALID_VALUE: still allocated, or not. */
CUresult graph_memory_launch(const struct graph_exec *exec);
/* cuMemFree, cuMemFreeAsync: whether the address is a graph's, and stays one; if so *result is the call's. Takes the lock. */
bool graph_memory_free(CUdeviceptr address, CUresult *result);

/* ---- user objects (objects.c) ------------------------------------------------------------------------------------------- */

CUresult graph_objects_copy(struct graph *to, const struct graph *from);
void graph_objects_release(struct graph *graph);
/* Runs destructors that became due. Without the lock. */
void graph_objects_run(void);

/* ---- capture (capture.c) -------------------------------------------------------------------------------------------------- */

/* A stream as captures know it. */
struct graph_stream {
  uint64_t key;     /* the same for every way to name it, and no other's */
  CUstream handle;  /* as it was given */
  uint64_t context;
  bool legacy;      /* the context's NULL stream */
  bool blocking;    /* synchronises with that */
};

extern _Atomic uint32_t graph_captures; /* streams that are capturing */
extern _Atomic uint32_t graph_captured_events; /* events last recorded in a capturing stream */

/* Two loads in front of every call that a capture could matter to. */
static inline bool graph_capturing(void) {
  return __builtin_expect(atomic_load_explicit(&graph_captures, memory_order_relaxed) != 0, 0);
}

/* All of these take the lock. They return whether the call has been answered: *result is then its result. */

/* Whether the stream takes part in a capture. */
bool graph_capture_has(const struct graph_stream *stream);
/* Work in a stream: becomes a node. Takes `params` over if it returns true. */
bool graph_capture_work(const struct graph_stream *stream, struct graph_params *params, CUresult *result);
/* What cannot be captured: refused in a capturing stream, and the capture is invalid from then on. */
bool graph_capture_refuse(const struct graph_stream *stream, CUresult *result);
/* The legacy stream while a blocking one captures. Part of the two above. */
bool graph_capture_implicit(const struct graph_stream *stream, bool invalidate, CUresult *result);
/* Calls that a thread may not make while captures go on, by the modes of both (cuThreadExchangeStreamCaptureMode). */
bool graph_capture_unsafe(CUresult *result);
/* A call on a whole context (cuCtxSynchronize). */
bool graph_capture_context(uint64_t context, CUresult *result);
/* cuEventRecord, cuStreamWaitEvent: `external` for the flags of that name. */
bool graph_capture_record(const struct graph_stream *stream, CUevent event, bool external, CUresult *result);
bool graph_capture_wait(const struct graph_stream *stream, CUevent event, bool external, CUresult *result);
/* cuEventQuery, cuEventSynchronize, cuEventElapsedTime. */
bool graph_capture_asked(CUevent event, CUresult *result);
/* A graph's launch records the event. With the lock held. */
void graph_capture_recorded(CUevent event);
void graph_capture_event_gone(CUevent event);
/* The stream is destroyed: its capture is invalid. */
void graph_capture_stream_gone(uint64_t key);
/* A context ends: so do captures in its streams, and what its graphs have allocated. Takes the lock. */
void graph_context_gone(uint64_t context);
/* cuMemAllocAsync in a capturing stream. */
bool graph_capture_allocate(const struct graph_stream *stream, CUcontext context, const CUmemPoolProps *pool, size_t bytes, CUdeviceptr *address,
                            CUresult *result);
/* cuGraphLaunch in a capturing stream: a child node. With the lock held. */
bool graph_capture_launch(const struct graph_stream *stream, struct graph *graph, CUresult *result);

#endif
