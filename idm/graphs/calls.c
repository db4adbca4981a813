/* cuGraphAdd*Node, cuGraph*NodeGet/SetParams and their likes: each turns its own structure into CUgraphNodeParams or back. */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "graph.h"

/* ---- adding ---------------------------------------------------------------------------------------------------------------- */

/* Children that move and conditionals give back what was made: *made (may be NULL) gets the node's parameters. */
static CUresult add_locked(CUgraphNode *out, CUgraph handle, const CUgraphNode *dependencies, const CUgraphEdgeData *edges, size_t count,
                           const CUgraphNodeParams *given, CUgraphNodeParams *made) {
  struct graph *const graph = GRAPH_FIND(GRAPH_KIND_GRAPH, handle);
  if (!out || !graph) return CUDA_ERROR_INVALID_VALUE;
  struct graph_node **from = NULL, *node = NULL;
  struct graph_params params;
  GRAPH_TRY(graph_params_read(&params, given));
  CUresult result = graph_nodes_find(graph, dependencies, count, &from);
  if (result) {
    if (params.type == CU_GRAPH_NODE_TYPE_GRAPH) params.child = NULL;
    graph_params_free(&params);
    return result;
  }
  result = graph_add(graph, from, edges, count, &params, &node);
  free(from);
  if (result) return result;
  *out = (CUgraphNode)(uintptr_t)node->handle;
  if (made) graph_params_write(&node->params, made);
  return CUDA_SUCCESS;
}

static CUresult add(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, const CUgraphEdgeData *edges, size_t count,
                    const CUgraphNodeParams *given, CUgraphNodeParams *made) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = add_locked(out, graph, dependencies, edges, count, given, made);
  graph_unlock();
  return result;
}

#define ADD_PARAMETERS CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, size_t numDependencies
#define ADD(given, made) add(phGraphNode, hGraph, dependencies, NULL, numDependencies, given, made)

static CUgraphNodeParams of_kernel_v1(const CUDA_KERNEL_NODE_PARAMS_v1 *p) {
  CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_KERNEL};
  memcpy(&given.kernel, p, sizeof *p); /* v2 begins as v1 does */
  return given;
}

static CUgraphNodeParams of_kernel(const CUDA_KERNEL_NODE_PARAMS *p) { return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_KERNEL, .kernel = *p}; }

static CUgraphNodeParams of_copy(const CUDA_MEMCPY3D *p, CUcontext context) {
  return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy = {.copyCtx = context, .copyParams = *p}};
}

static CUgraphNodeParams of_set(const CUDA_MEMSET_NODE_PARAMS *p, CUcontext context) {
  return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_MEMSET, .memset = {p->dst, p->pitch, p->value, p->elementSize, p->width, p->height, context}};
}

static CUgraphNodeParams of_host(const CUDA_HOST_NODE_PARAMS *p) { return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_HOST, .host = *p}; }
static CUgraphNodeParams of_memops(const CUDA_BATCH_MEM_OP_NODE_PARAMS *p) { return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, .memOp = *p}; }
static CUgraphNodeParams of_event(CUgraphNodeType type, CUevent event) { return (CUgraphNodeParams){.type = type, .eventWait = {event}}; }
static CUgraphNodeParams of_child(CUgraph child) { return (CUgraphNodeParams){.type = CU_GRAPH_NODE_TYPE_GRAPH, .graph = {.graph = child}}; }

CUresult GRAPH_CALL(cuGraphAddKernelNode)(ADD_PARAMETERS, const CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams) {
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_kernel_v1(nodeParams);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddKernelNode_v2)(ADD_PARAMETERS, const CUDA_KERNEL_NODE_PARAMS *nodeParams) {
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_kernel(nodeParams);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddMemcpyNode)(ADD_PARAMETERS, const CUDA_MEMCPY3D *copyParams, CUcontext ctx) {
  GRAPH_ENTER();
  if (!copyParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_copy(copyParams, ctx);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddMemsetNode)(ADD_PARAMETERS, const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx) {
  GRAPH_ENTER();
  if (!memsetParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_set(memsetParams, ctx);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddHostNode)(ADD_PARAMETERS, const CUDA_HOST_NODE_PARAMS *nodeParams) {
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_host(nodeParams);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddChildGraphNode)(ADD_PARAMETERS, CUgraph childGraph) {
  const CUgraphNodeParams given = of_child(childGraph);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddEmptyNode)(ADD_PARAMETERS) {
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_EMPTY};
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddEventRecordNode)(ADD_PARAMETERS, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddEventWaitNode)(ADD_PARAMETERS, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddBatchMemOpNode)(ADD_PARAMETERS, const CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams) {
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_memops(nodeParams);
  return ADD(&given, NULL);
}

CUresult GRAPH_CALL(cuGraphAddMemAllocNode)(ADD_PARAMETERS, CUDA_MEM_ALLOC_NODE_PARAMS *nodeParams) {
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEM_ALLOC, .alloc = *nodeParams};
  CUgraphNodeParams made;
  GRAPH_TRY(ADD(&given, &made));
  nodeParams->dptr = made.alloc.dptr;
  return CUDA_SUCCESS;
}

CUresult GRAPH_CALL(cuGraphAddMemFreeNode)(ADD_PARAMETERS, CUdeviceptr dptr) {
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEM_FREE, .free = {dptr}};
  return ADD(&given, NULL);
}

static CUresult add_any(CUgraphNode *out, CUgraph graph, const CUgraphNode *dependencies, const CUgraphEdgeData *edges, size_t count,
                        CUgraphNodeParams *nodeParams) {
  if (!nodeParams || nodeParams->reserved0[0] || nodeParams->reserved0[1] || nodeParams->reserved0[2] || nodeParams->reserved2)
    return CUDA_ERROR_INVALID_VALUE;
  CUgraphNodeParams made;
  GRAPH_TRY(add(out, graph, dependencies, edges, count, nodeParams, &made));
  if (nodeParams->type == CU_GRAPH_NODE_TYPE_MEM_ALLOC) nodeParams->alloc.dptr = made.alloc.dptr;
  if (nodeParams->type == CU_GRAPH_NODE_TYPE_CONDITIONAL) nodeParams->conditional.phGraph_out = made.conditional.phGraph_out;
  return CUDA_SUCCESS;
}

CUresult GRAPH_CALL(cuGraphAddNode)(ADD_PARAMETERS, CUgraphNodeParams *nodeParams) {
  return add_any(phGraphNode, hGraph, dependencies, NULL, numDependencies, nodeParams);
}

CUresult GRAPH_CALL(cuGraphAddNode_v2)(CUgraphNode *phGraphNode, CUgraph hGraph, const CUgraphNode *dependencies, const CUgraphEdgeData *dependencyData,
                                       size_t numDependencies, CUgraphNodeParams *nodeParams) {
  return add_any(phGraphNode, hGraph, dependencies, dependencyData, numDependencies, nodeParams);
}

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

static CUresult get(CUgraphNode handle, CUgraphNodeType type, CUgraphNodeParams *out) {
  GRAPH_ENTER();
  graph_lock();
  const struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, handle);
  const bool good = node && node->params.type == type;
  if (good) graph_params_write(&node->params, out);
  graph_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

#define GET_CALL(name, type, parameters, out, value)           \
  CUresult GRAPH_CALL(name) parameters {                       \
    CUgraphNodeParams got;                                     \
    GRAPH_ENTER();                                             \
    if (!out) return CUDA_ERROR_INVALID_VALUE;                 \
    GRAPH_TRY(get(hNode, CU_GRAPH_NODE_TYPE_##type, &got));    \
    *out = value;                                              \
    return CUDA_SUCCESS;                                       \
  }

GET_CALL(cuGraphKernelNodeGetParams_v2, KERNEL, (CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS *nodeParams), nodeParams, got.kernel)
GET_CALL(cuGraphMemcpyNodeGetParams, MEMCPY, (CUgraphNode hNode, CUDA_MEMCPY3D *nodeParams), nodeParams, got.memcpy.copyParams)
GET_CALL(cuGraphMemsetNodeGetParams, MEMSET, (CUgraphNode hNode, CUDA_MEMSET_NODE_PARAMS *nodeParams), nodeParams,
         ((CUDA_MEMSET_NODE_PARAMS){got.memset.dst, got.memset.pitch, got.memset.value, got.memset.elementSize, got.memset.width, got.memset.height}))
GET_CALL(cuGraphHostNodeGetParams, HOST, (CUgraphNode hNode, CUDA_HOST_NODE_PARAMS *nodeParams), nodeParams, got.host)
GET_CALL(cuGraphChildGraphNodeGetGraph, GRAPH, (CUgraphNode hNode, CUgraph *phGraph), phGraph, got.graph.graph)
GET_CALL(cuGraphEventRecordNodeGetEvent, EVENT_RECORD, (CUgraphNode hNode, CUevent *event_out), event_out, got.eventRecord.event)
GET_CALL(cuGraphEventWaitNodeGetEvent, WAIT_EVENT, (CUgraphNode hNode, CUevent *event_out), event_out, got.eventWait.event)
GET_CALL(cuGraphBatchMemOpNodeGetParams, BATCH_MEM_OP, (CUgraphNode hNode, CUDA_BATCH_MEM_OP_NODE_PARAMS *nodeParams_out), nodeParams_out, got.memOp)
GET_CALL(cuGraphMemAllocNodeGetParams, MEM_ALLOC, (CUgraphNode hNode, CUDA_MEM_ALLOC_NODE_PARAMS *params_out), params_out, got.alloc)
GET_CALL(cuGraphMemFreeNodeGetParams, MEM_FREE, (CUgraphNode hNode, CUdeviceptr *dptr_out), dptr_out, got.free.dptr)

CUresult GRAPH_CALL(cuGraphKernelNodeGetParams)(CUgraphNode hNode, CUDA_KERNEL_NODE_PARAMS_v1 *nodeParams) {
  CUgraphNodeParams got;
  GRAPH_ENTER();
  if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;
  GRAPH_TRY(get(hNode, CU_GRAPH_NODE_TYPE_KERNEL, &got));
  if (!got.kernel.func) got.kernel.func = (CUfunction)got.kernel.kern; /* v1 knows no other place */
  memcpy(nodeParams, &got.kernel, sizeof *nodeParams);
  return CUDA_SUCCESS;
}

/* ---- changing ---------------------------------------------------------------------------------------------------------------- */

static CUresult set_locked(CUgraphNode handle, const CUgraphNodeParams *given) {
  struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, handle);
  if (!node || node->params.type != given->type) return CUDA_ERROR_INVALID_VALUE;
  switch ((int)given->type) {
    case CU_GRAPH_NODE_TYPE_GRAPH:
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
    case CU_GRAPH_NODE_TYPE_CONDITIONAL: return CUDA_ERROR_NOT_SUPPORTED;
    default: break;
  }
  struct graph_params params;
  CUgraphNodeParams with = *given;
  if (given->type == CU_GRAPH_NODE_TYPE_KERNEL && !given->kernel.ctx) with.kernel.ctx = node->params.context; /* v1 has none */
  if (given->type == CU_GRAPH_NODE_TYPE_MEMCPY && !given->memcpy.copyCtx) with.memcpy.copyCtx = node->params.context;
  if (given->type == CU_GRAPH_NODE_TYPE_MEMSET && !given->memset.ctx) with.memset.ctx = node->params.context;
  GRAPH_TRY(graph_params_read(&params, &with));
  if (params.type == CU_GRAPH_NODE_TYPE_KERNEL) { /* the attributes stay */
    params.kernel.attributes = node->params.kernel.attributes;
    params.kernel.attribute_count = node->params.kernel.attribute_count;
    node->params.kernel.attributes = NULL;
  }
  graph_params_free(&node->params);
  node->params = params;
  return CUDA_SUCCESS;
}

static CUresult set(CUgraphNode node, const CUgraphNodeParams *given) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = set_locked(node, given);
  graph_unlock();
  return result;
}

static CUresult exec_set(CUgraphExec exec, CUgraphNode node, const CUgraphNodeParams *given) {
  GRAPH_ENTER();
  return graph_exec_set(exec, node, given);
}

/* For a node of a graph, and for the same node in an executable graph. */
#define SET_CALL(name, type, made)                                            \
  CUresult GRAPH_CALL(name)(CUgraphNode hNode, const type *nodeParams) {      \
    GRAPH_ENTER();                                                            \
    if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;                         \
    const CUgraphNodeParams given = made;                                     \
    return set(hNode, &given);                                                \
  }
#define EXEC_CALL(name, type, made)                                                               \
  CUresult GRAPH_CALL(name)(CUgraphExec hGraphExec, CUgraphNode hNode, const type *nodeParams) {  \
    GRAPH_ENTER();                                                                                \
    if (!nodeParams) return CUDA_ERROR_INVALID_VALUE;                                             \
    const CUgraphNodeParams given = made;                                                         \
    return exec_set(hGraphExec, hNode, &given);                                                   \
  }

SET_CALL(cuGraphKernelNodeSetParams, CUDA_KERNEL_NODE_PARAMS_v1, of_kernel_v1(nodeParams))
SET_CALL(cuGraphKernelNodeSetParams_v2, CUDA_KERNEL_NODE_PARAMS, of_kernel(nodeParams))
SET_CALL(cuGraphMemcpyNodeSetParams, CUDA_MEMCPY3D, of_copy(nodeParams, NULL))
SET_CALL(cuGraphMemsetNodeSetParams, CUDA_MEMSET_NODE_PARAMS, of_set(nodeParams, NULL))
SET_CALL(cuGraphHostNodeSetParams, CUDA_HOST_NODE_PARAMS, of_host(nodeParams))
SET_CALL(cuGraphBatchMemOpNodeSetParams, CUDA_BATCH_MEM_OP_NODE_PARAMS, of_memops(nodeParams))
EXEC_CALL(cuGraphExecKernelNodeSetParams, CUDA_KERNEL_NODE_PARAMS_v1, of_kernel_v1(nodeParams))
EXEC_CALL(cuGraphExecKernelNodeSetParams_v2, CUDA_KERNEL_NODE_PARAMS, of_kernel(nodeParams))
EXEC_CALL(cuGraphExecHostNodeSetParams, CUDA_HOST_NODE_PARAMS, of_host(nodeParams))
EXEC_CALL(cuGraphExecBatchMemOpNodeSetParams, CUDA_BATCH_MEM_OP_NODE_PARAMS, of_memops(nodeParams))

CUresult GRAPH_CALL(cuGraphEventRecordNodeSetEvent)(CUgraphNode hNode, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
  return set(hNode, &given);
}

CUresult GRAPH_CALL(cuGraphEventWaitNodeSetEvent)(CUgraphNode hNode, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
  return set(hNode, &given);
}

CUresult GRAPH_CALL(cuGraphExecMemcpyNodeSetParams)(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_MEMCPY3D *copyParams, CUcontext ctx) {
  GRAPH_ENTER();
  if (!copyParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_copy(copyParams, ctx);
  return exec_set(hGraphExec, hNode, &given);
}

CUresult GRAPH_CALL(cuGraphExecMemsetNodeSetParams)(CUgraphExec hGraphExec, CUgraphNode hNode, const CUDA_MEMSET_NODE_PARAMS *memsetParams, CUcontext ctx) {
  GRAPH_ENTER();
  if (!memsetParams) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = of_set(memsetParams, ctx);
  return exec_set(hGraphExec, hNode, &given);
}

CUresult GRAPH_CALL(cuGraphExecChildGraphNodeSetParams)(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraph childGraph) {
  const CUgraphNodeParams given = of_child(childGraph);
  return exec_set(hGraphExec, hNode, &given);
}

CUresult GRAPH_CALL(cuGraphExecEventRecordNodeSetEvent)(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_EVENT_RECORD, event);
  return exec_set(hGraphExec, hNode, &given);
}

CUresult GRAPH_CALL(cuGraphExecEventWaitNodeSetEvent)(CUgraphExec hGraphExec, CUgraphNode hNode, CUevent event) {
  const CUgraphNodeParams given = of_event(CU_GRAPH_NODE_TYPE_WAIT_EVENT, event);
  return exec_set(hGraphExec, hNode, &given);
}

CUresult GRAPH_CALL(cuGraphNodeSetParams)(CUgraphNode hNode, CUgraphNodeParams *nodeParams) {
  return nodeParams ? set(hNode, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

CUresult GRAPH_CALL(cuGraphExecNodeSetParams)(CUgraphExec hGraphExec, CUgraphNode hNode, CUgraphNodeParams *nodeParams) {
  return nodeParams ? exec_set(hGraphExec, hNode, nodeParams) : CUDA_ERROR_INVALID_VALUE;
}

/* ---- attributes of kernel nodes -------------------------------------------------------------------------------------------------- */

static struct graph_node *kernel_node(CUgraphNode handle) {
  struct graph_node *const node = GRAPH_FIND(GRAPH_KIND_NODE, handle);
  return node && node->params.type == CU_GRAPH_NODE_TYPE_KERNEL ? node : NULL;
}

CUresult GRAPH_CALL(cuGraphKernelNodeSetAttribute)(CUgraphNode hNode, CUkernelNodeAttrID attr, const CUkernelNodeAttrValue *value) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_node *const node = kernel_node(hNode);
  const bool good = node && value && graph_is_kernel_attribute(attr);
  const CUresult result = good ? graph_attribute_set(&node->params, attr, value) : CUDA_ERROR_INVALID_VALUE;
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuGraphKernelNodeGetAttribute)(CUgraphNode hNode, CUkernelNodeAttrID attr, CUkernelNodeAttrValue *value_out) {
  GRAPH_ENTER();
  graph_lock();
  const struct graph_node *const node = kernel_node(hNode);
  const bool good = node && value_out && graph_is_kernel_attribute(attr);
  if (good) {
    const CUlaunchAttributeValue *const value = graph_attribute(&node->params, attr);
    *value_out = value ? *value : (CUkernelNodeAttrValue){.pad = {0}};
    if (!value && attr == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP) value_out->memSyncDomainMap.remote = 1;
  }
  graph_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult GRAPH_CALL(cuGraphKernelNodeCopyAttributes)(CUgraphNode dst, CUgraphNode src) {
  GRAPH_ENTER();
  graph_lock();
  struct graph_node *const to = kernel_node(dst), *const from = kernel_node(src);
  CUresult result = to && from && to->params.context == from->params.context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; !result && to != from && i < from->params.kernel.attribute_count; i++)
    result = graph_attribute_set(&to->params, from->params.kernel.attributes[i].id, &from->params.kernel.attributes[i].value);
  graph_unlock();
  return result;
}
