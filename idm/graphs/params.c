/* What nodes do: read from what callers give, copied, compared, given back; see graph.h. */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "graph.h"

/* ---- kernels ---------------------------------------------------------------------------------------------------------- */

/* The buffer of `extra`: names and values up to CU_LAUNCH_PARAM_END. */
static CUresult read_extra(void **extra, const void **buffer, size_t *size) {
  for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
    if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      *buffer = extra[i + 1];
    else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[i + 1])
      *size = *(const size_t *)extra[i + 1];
    else
      return CUDA_ERROR_INVALID_VALUE;
  }
  return *buffer ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult allocate_values(struct graph_kernel *kernel, size_t count, size_t bytes) {
  kernel->count = count;
  kernel->bytes = bytes;
  if (!bytes) return CUDA_SUCCESS;
  kernel->pointers = calloc(count, sizeof *kernel->pointers);
  kernel->data = aligned_alloc(16, (bytes + 15) & ~(size_t)15);
  if (!kernel->pointers || !kernel->data) return CUDA_ERROR_OUT_OF_MEMORY;
  memset(kernel->data, 0, (bytes + 15) & ~(size_t)15);
  return CUDA_SUCCESS;
}

static CUresult read_values(struct graph_kernel *kernel, const struct graph_layout *layout, void **values, void **extra) {
  if (values && extra) return CUDA_ERROR_INVALID_VALUE;
  GRAPH_TRY(allocate_values(kernel, layout->count, layout->bytes));
  for (size_t i = 0; i < layout->count; i++) kernel->pointers[i] = kernel->data + layout->offsets[i];
  if (!layout->count) return CUDA_SUCCESS;
  if (values) {
    for (size_t i = 0; i < layout->count; i++) {
      if (!values[i]) return CUDA_ERROR_INVALID_VALUE;
      memcpy(kernel->pointers[i], values[i], layout->sizes[i]);
    }
    return CUDA_SUCCESS;
  }
  if (!extra) return CUDA_ERROR_INVALID_VALUE;
  const void *buffer = NULL;
  size_t size = 0;
  GRAPH_TRY(read_extra(extra, &buffer, &size));
  /* The padding behind the last parameter may be there or not. */
  if (size < layout->offsets[layout->count - 1] + layout->sizes[layout->count - 1]) return CUDA_ERROR_INVALID_VALUE;
  memcpy(kernel->data, buffer, size < layout->bytes ? size : layout->bytes);
  return CUDA_SUCCESS;
}

static CUresult read_kernel(struct graph_params *params, const CUDA_KERNEL_NODE_PARAMS *given) {
  struct graph_kernel *const kernel = &params->kernel;
  uint64_t key = 0;
  CUdevice device = 0;
  GRAPH_TRY(graph_env_context(given->ctx, &params->context, &key, &device));
  kernel->by_kern = !given->func && given->kern;
  kernel->function = kernel->by_kern ? (CUfunction)given->kern : given->func;
  if (!kernel->function) return CUDA_ERROR_INVALID_VALUE;
  kernel->grid[0] = given->gridDimX, kernel->grid[1] = given->gridDimY, kernel->grid[2] = given->gridDimZ;
  kernel->block[0] = given->blockDimX, kernel->block[1] = given->blockDimY, kernel->block[2] = given->blockDimZ;
  kernel->shared = given->sharedMemBytes;
  for (int i = 0; i < 3; i++)
    if (!kernel->grid[i] || !kernel->block[i]) return CUDA_ERROR_INVALID_VALUE;
  struct graph_layout layout = {0};
  GRAPH_TRY(graph_env_layout(kernel->function, params->context, &layout));
  const CUresult result = read_values(kernel, &layout, given->kernelParams, given->extra);
  free(layout.offsets);
  return result;
}

bool graph_is_kernel_attribute(CUlaunchAttributeID id) {
  switch ((int)id) {
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING: return true;
    default: return false;
  }
}

const CUlaunchAttributeValue *graph_attribute(const struct graph_params *params, CUlaunchAttributeID id) {
  for (unsigned i = 0; i < params->kernel.attribute_count; i++)
    if (params->kernel.attributes[i].id == id) return &params->kernel.attributes[i].value;
  return NULL;
}

CUresult graph_attribute_set(struct graph_params *params, CUlaunchAttributeID id, const CUlaunchAttributeValue *value) {
  struct graph_kernel *const kernel = &params->kernel;
  for (unsigned i = 0; i < kernel->attribute_count; i++) {
    if (kernel->attributes[i].id != id) continue;
    kernel->attributes[i].value = *value;
    return CUDA_SUCCESS;
  }
  CUlaunchAttribute *const list = realloc(kernel->attributes, (kernel->attribute_count + 1) * sizeof *list);
  if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
  kernel->attributes = list;
  list[kernel->attribute_count++] = (CUlaunchAttribute){.id = id, .value = *value};
  return CUDA_SUCCESS;
}

/* ---- reading ---------------------------------------------------------------------------------------------------------- */

static CUresult read_memops(struct graph_params *params, const CUDA_BATCH_MEM_OP_NODE_PARAMS *given) {
  if (given->flags || given->count > 256 || (given->count && !given->paramArray)) return CUDA_ERROR_INVALID_VALUE;
  params->memops.count = given->count;
  params->memops.list = calloc(given->count ? given->count : 1, sizeof *params->memops.list);
  if (!params->memops.list) return CUDA_ERROR_OUT_OF_MEMORY;
  if (given->count) memcpy(params->memops.list, given->paramArray, given->count * sizeof *given->paramArray);
  return CUDA_SUCCESS;
}

static CUresult read_alloc(struct graph_params *params, const CUDA_MEM_ALLOC_NODE_PARAMS *given) {
  const CUmemPoolProps *const pool = &given->poolProps;
  if (!given->bytesize || pool->allocType != CU_MEM_ALLOCATION_TYPE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  if (pool->handleTypes != CU_MEM_HANDLE_TYPE_NONE) return CUDA_ERROR_NOT_SUPPORTED;
  if (pool->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
    return pool->location.type == CU_MEM_LOCATION_TYPE_INVALID ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_NOT_SUPPORTED;
  GRAPH_TRY(graph_env_device(pool->location.id));
  if (given->accessDescCount && !given->accessDescs) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < given->accessDescCount; i++) {
    const CUmemAccessDesc *const access = &given->accessDescs[i];
    if (access->location.type != CU_MEM_LOCATION_TYPE_DEVICE || (access->flags & ~(unsigned)CU_MEM_ACCESS_FLAGS_PROT_READWRITE)) return CUDA_ERROR_INVALID_VALUE;
    GRAPH_TRY(graph_env_device(access->location.id));
  }
  CUDA_MEM_ALLOC_NODE_PARAMS *const asked = &params->alloc.asked;
  *asked = *given;
  asked->dptr = 0;
  asked->accessDescs = NULL;
  if (!given->accessDescCount) return CUDA_SUCCESS;
  CUmemAccessDesc *const copy = malloc(given->accessDescCount * sizeof *copy);
  if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
  memcpy(copy, given->accessDescs, given->accessDescCount * sizeof *copy);
  asked->accessDescs = copy;
  return CUDA_SUCCESS;
}

static CUresult read_conditional(struct graph_params *params, const CUDA_CONDITIONAL_NODE_PARAMS *given) {
  const unsigned size = given->size;
  switch ((int)given->type) {
    case CU_GRAPH_COND_TYPE_IF:
      if (size != 1 && size != 2) return CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_GRAPH_COND_TYPE_WHILE:
      if (size != 1) return CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_GRAPH_COND_TYPE_SWITCH:
      if (!size || size > 65536) return CUDA_ERROR_INVALID_VALUE;
      break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  params->conditional.handle = given->handle;
  params->conditional.type = given->type;
  params->conditional.size = size;
  return CUDA_SUCCESS;
}

static CUresult read(struct graph_params *params, const CUgraphNodeParams *given) {
  uint64_t key = 0;
  CUdevice device = 0;
  switch ((int)given->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return read_kernel(params, &given->kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      if (given->memcpy.flags || given->memcpy.reserved) return CUDA_ERROR_INVALID_VALUE;
      params->copy = given->memcpy.copyParams;
      return graph_env_context(given->memcpy.copyCtx, &params->context, &key, &device);
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS_v2 *const set = &given->memset;
      const bool element = set->elementSize == 1 || set->elementSize == 2 || set->elementSize == 4;
      if (!element || !set->width || !set->height || set->dst % set->elementSize) return CUDA_ERROR_INVALID_VALUE;
      if (set->height > 1 && (set->pitch % set->elementSize || set->width > set->pitch / set->elementSize)) return CUDA_ERROR_INVALID_VALUE;
      params->set = (CUDA_MEMSET_NODE_PARAMS_v1){set->dst, set->pitch, set->value, set->elementSize, set->width, set->height};
      return graph_env_context(set->ctx, &params->context, &key, &device);
    }
    case CU_GRAPH_NODE_TYPE_HOST: params->host = given->host; return given->host.fn ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_GRAPH:
      params->child = GRAPH_FIND(GRAPH_KIND_GRAPH, given->graph.graph);
      params->move = given->graph.ownership == CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE;
      if ((unsigned)given->graph.ownership > CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE) return CUDA_ERROR_INVALID_VALUE;
      return params->child ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_EMPTY: return CUDA_SUCCESS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: params->event = given->eventWait.event; return params->event ? graph_env_event(params->event) : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: params->event = given->eventRecord.event; return params->event ? graph_env_event(params->event) : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      GRAPH_TRY(graph_env_context(NULL, &params->context, &key, &device));
      return read_alloc(params, &given->alloc);
    case CU_GRAPH_NODE_TYPE_MEM_FREE: params->free = given->free.dptr; return params->free ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      GRAPH_TRY(graph_env_context(given->memOp.ctx, &params->context, &key, &device));
      return read_memops(params, &given->memOp);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      GRAPH_TRY(graph_env_context(given->conditional.ctx, &params->context, &key, &device));
      return read_conditional(params, &given->conditional);
    /* No external semaphores: none can be imported. */
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_SIGNAL:
    case CU_GRAPH_NODE_TYPE_EXT_SEMAS_WAIT: return CUDA_ERROR_NOT_SUPPORTED;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

CUresult graph_params_read(struct graph_params *params, const CUgraphNodeParams *given) {
  *params = (struct graph_params){.type = given->type};
  CUresult result = read(params, given);
  if (!result) result = graph_env_check(params);
  if (!result) return CUDA_SUCCESS;
  if (params->type == CU_GRAPH_NODE_TYPE_GRAPH) params->child = NULL; /* the caller's */
  graph_params_free(params);
  return result;
}

/* ---- giving back -------------------------------------------------------------------------------------------------------- */

void graph_params_write(const struct graph_params *params, CUgraphNodeParams *out) {
  *out = (CUgraphNodeParams){.type = params->type};
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      const struct graph_kernel *const kernel = &params->kernel;
      out->kernel = (CUDA_KERNEL_NODE_PARAMS){
          .func = kernel->by_kern ? NULL : kernel->function, .kern = kernel->by_kern ? (CUkernel)kernel->function : NULL, .ctx = params->context,
          .gridDimX = kernel->grid[0], .gridDimY = kernel->grid[1], .gridDimZ = kernel->grid[2],
          .blockDimX = kernel->block[0], .blockDimY = kernel->block[1], .blockDimZ = kernel->block[2],
          .sharedMemBytes = kernel->shared, .kernelParams = kernel->pointers};
      break;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: out->memcpy = (CUDA_MEMCPY_NODE_PARAMS){.copyCtx = params->context, .copyParams = params->copy}; break;
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS_v1 *const set = &params->set;
      out->memset = (CUDA_MEMSET_NODE_PARAMS_v2){set->dst, set->pitch, set->value, set->elementSize, set->width, set->height, params->context};
      break;
    }
    case CU_GRAPH_NODE_TYPE_HOST: out->host = params->host; break;
    case CU_GRAPH_NODE_TYPE_GRAPH:
      out->graph.graph = (CUgraph)(uintptr_t)params->child->handle;
      out->graph.ownership = params->move ? CU_GRAPH_CHILD_GRAPH_OWNERSHIP_MOVE : CU_GRAPH_CHILD_GRAPH_OWNERSHIP_CLONE;
      break;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT: out->eventWait.event = params->event; break;
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: out->eventRecord.event = params->event; break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: out->alloc = params->alloc.asked; break;
    case CU_GRAPH_NODE_TYPE_MEM_FREE: out->free.dptr = params->free; break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      out->memOp = (CUDA_BATCH_MEM_OP_NODE_PARAMS){params->context, params->memops.count, params->memops.list, params->memops.flags};
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      out->conditional = (CUDA_CONDITIONAL_NODE_PARAMS){params->conditional.handle, params->conditional.type, params->conditional.size,
                                                        params->conditional.handles, params->context};
      break;
    default: break;
  }
}

/* ---- copying, freeing, comparing ------------------------------------------------------------------------------------------ */

static CUresult copy_kernel(struct graph_kernel *to, const struct graph_kernel *from) {
  *to = *from;
  to->pointers = NULL;
  to->data = NULL;
  to->attributes = NULL;
  GRAPH_TRY(allocate_values(to, from->count, from->bytes));
  if (from->bytes) memcpy(to->data, from->data, from->bytes);
  for (size_t i = 0; i < from->count && from->bytes; i++) to->pointers[i] = to->data + ((unsigned char *)from->pointers[i] - from->data);
  if (!from->attribute_count) return CUDA_SUCCESS;
  to->attributes = malloc(from->attribute_count * sizeof *to->attributes);
  if (!to->attributes) return CUDA_ERROR_OUT_OF_MEMORY;
  memcpy(to->attributes, from->attributes, from->attribute_count * sizeof *to->attributes);
  return CUDA_SUCCESS;
}

CUresult graph_params_copy(struct graph_params *to, const struct graph_params *from) {
  CUresult result = CUDA_SUCCESS;
  *to = *from;
  switch ((int)from->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: result = copy_kernel(&to->kernel, &from->kernel); break;
    case CU_GRAPH_NODE_TYPE_GRAPH: to->child = NULL; break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: {
      const size_t bytes = from->alloc.asked.accessDescCount * sizeof(CUmemAccessDesc);
      if (!bytes) break;
      void *const copy = malloc(bytes);
      if (copy) memcpy(copy, from->alloc.asked.accessDescs, bytes);
      else result = CUDA_ERROR_OUT_OF_MEMORY;
      to->alloc.asked.accessDescs = copy;
      break;
    }
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      to->memops.list = calloc(from->memops.count ? from->memops.count : 1, sizeof *to->memops.list);
      if (!to->memops.list) result = CUDA_ERROR_OUT_OF_MEMORY;
      else memcpy(to->memops.list, from->memops.list, from->memops.count * sizeof *to->memops.list);
      break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      to->conditional.bodies = NULL;
      to->conditional.handles = NULL;
      break;
    default: break;
  }
  if (result) graph_params_free(to);
  return result;
}

void graph_params_free(struct graph_params *params) {
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      free(params->kernel.pointers);
      free(params->kernel.data);
      free(params->kernel.attributes);
      break;
    case CU_GRAPH_NODE_TYPE_GRAPH: graph_free(params->child); break;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC: free((void *)(uintptr_t)params->alloc.asked.accessDescs); break;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: free(params->memops.list); break;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      for (unsigned i = 0; params->conditional.bodies && i < params->conditional.size; i++) graph_free(params->conditional.bodies[i]);
      free(params->conditional.bodies);
      free(params->conditional.handles);
      break;
    default: break;
  }
  *params = (struct graph_params){.type = CU_GRAPH_NODE_TYPE_EMPTY};
}

static bool kernels_equal(const struct graph_kernel *a, const struct graph_kernel *b) {
  return a->function == b->function && !memcmp(a->grid, b->grid, sizeof a->grid) && !memcmp(a->block, b->block, sizeof a->block) &&
         a->shared == b->shared && a->bytes == b->bytes && (!a->bytes || !memcmp(a->data, b->data, a->bytes)) &&
         a->attribute_count == b->attribute_count &&
         (!a->attribute_count || !memcmp(a->attributes, b->attributes, a->attribute_count * sizeof *a->attributes));
}

bool graph_params_equal(const struct graph_params *a, const struct graph_params *b) {
  if (a->type != b->type || a->context != b->context) return false;
  switch ((int)a->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: return kernels_equal(&a->kernel, &b->kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY: return !memcmp(&a->copy, &b->copy, sizeof a->copy);
    case CU_GRAPH_NODE_TYPE_MEMSET: return !memcmp(&a->set, &b->set, sizeof a->set);
    case CU_GRAPH_NODE_TYPE_HOST: return a->host.fn == b->host.fn && a->host.userData == b->host.userData;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD: return a->event == b->event;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return a->memops.count == b->memops.count && !memcmp(a->memops.list, b->memops.list, a->memops.count * sizeof *a->memops.list);
    default: return true; /* children and bodies are compared node by node */
  }
}


CUgraphExecUpdateResult graph_params_updatable(const struct graph_params *from, const struct graph_params *to) {
  if (from->type != to->type) return CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
  switch ((int)from->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      /* The context may not change. */
      if (from->context != to->context) return CU_GRAPH_EXEC_UPDATE_ERROR_UNSUPPORTED_FUNCTION_CHANGE;
      return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      if (from->context != to->context || from->copy.srcMemoryType != to->copy.srcMemoryType ||
          from->copy.dstMemoryType != to->copy.dstMemoryType)
        return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
      return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      if (from->context != to->context) return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
      return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
    case CU_GRAPH_NODE_TYPE_MEM_FREE: return CU_GRAPH_EXEC_UPDATE_ERROR_NOT_SUPPORTED;
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      if (from->memops.count != to->memops.count || from->context != to->context) return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
      for (unsigned i = 0; i < from->memops.count; i++)
        if (from->memops.list[i].operation != to->memops.list[i].operation) return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
      return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      if (from->conditional.handle != to->conditional.handle || from->conditional.type != to->conditional.type || from->conditional.size != to->conditional.size)
        return CU_GRAPH_EXEC_UPDATE_ERROR_PARAMETERS_CHANGED;
      return CU_GRAPH_EXEC_UPDATE_SUCCESS;
    default: return CU_GRAPH_EXEC_UPDATE_SUCCESS;
  }
}
