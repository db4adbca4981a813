/* What graphs (idm/graphs/) ask of this GPU: whose streams and contexts these are, what a kernel's parameters look like, memory. */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "conditions.h"
#include "context.h"
#include "env.h"
#include "event.h"
#include "kernel.h"
#include "module.h"
#include "settings.h"
#include "space.h"

CUresult graph_env_stream(CUstream handle, unsigned abi, struct graph_stream *out) {
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(handle, abi ? CU_STREAM_PER_THREAD : CU_STREAM_LEGACY, &stream));
  *out = rf_graph_stream(stream);
  return CUDA_SUCCESS;
}

/* All is known from the start. */
CUresult graph_env_member(struct graph_stream *stream) {
  (void)stream;
  return CUDA_SUCCESS;
}

CUresult graph_env_context(CUcontext given, CUcontext *handle, uint64_t *key, CUdevice *device) {
  struct context *context = NULL;
  RF_TRY(given ? rf_context_find(given, &context) : rf_current_context(&context));
  if (!atomic_load(&context->active)) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  *handle = rf_context_handle(context);
  *key = (uint64_t)(uintptr_t)context;
  *device = context->device;
  return CUDA_SUCCESS;
}

CUresult graph_env_event(CUevent event) {
  return rf_object_find(RF_KIND_EVENT, (uint64_t)(uintptr_t)event) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult graph_env_device(CUdevice device) { return device >= 0 && device < rf_settings.devices ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE; }

CUresult graph_env_layout(CUfunction function, CUcontext context_handle, struct graph_layout *layout) {
  struct context *context = NULL;
  struct callable callable;
  RF_TRY(rf_context_find(context_handle, &context));
  RF_TRY(rf_callable_find(function, context, &callable));
  struct ptx_kernel_info info;
  ptx_kernel_info(callable.ptx, &info);
  layout->count = info.param_count;
  layout->bytes = info.param_bytes;
  layout->offsets = malloc((info.param_count + 1) * 2 * sizeof *layout->offsets);
  layout->sizes = layout->offsets ? layout->offsets + info.param_count : NULL;
  CUresult result = layout->offsets ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < info.param_count && !result; i++) result = rf_param_info(callable.ptx, i, &layout->offsets[i], &layout->sizes[i]);
  rf_module_release(callable.module);
  if (!result) return CUDA_SUCCESS;
  free(layout->offsets);
  return result;
}

CUresult graph_env_check(const struct graph_params *params) {
  static const char *const call = "a graph's node";
  struct context *context = NULL;
  switch ((int)params->type) {
    case CU_GRAPH_NODE_TYPE_KERNEL: {
      struct rf_launch *launch = NULL;
      RF_TRY(rf_context_find(params->context, &context));
      RF_TRY(rf_launch_make(call, &params->kernel, false, NULL, context, &launch));
      rf_module_release(launch->module);
      free(launch);
      return CUDA_SUCCESS;
    }
    case CU_GRAPH_NODE_TYPE_MEMCPY: {
      struct rf_copy copy;
      return rf_copy_resolve(call, &params->copy, &copy);
    }
    case CU_GRAPH_NODE_TYPE_MEMSET: {
      const CUDA_MEMSET_NODE_PARAMS_v1 *const set = &params->set;
      struct rf_fill fill;
      return rf_fill_resolve(call, set->dst, set->height > 1 ? set->pitch : 0, set->value, set->elementSize, set->width, set->height, &fill);
    }
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP: return rf_memops_check(call, params->memops.list, params->memops.count);
    default: return CUDA_SUCCESS;
  }
}

/* The bytes behind an allocation node: taken when it is made, so that its address means them and nothing else. */
CUresult graph_env_allocate(CUcontext context_handle, CUdevice device, size_t bytes, CUdeviceptr *address) {
  struct context *context = NULL;
  RF_TRY(rf_context_find(context_handle, &context));
  const struct rf_allocation like = {.context = context->epoch};
  return rf_space_allocate(device, bytes, &like, address);
}

void graph_env_release(CUdeviceptr address) { rf_space_free(address, NULL); }

/* ---- capture ---------------------------------------------------------------------------------------------------------- */

/* Whether a call in this stream is the capture's affair at all. */
static bool concerns(const struct graph_stream *where) {
  CUresult ignored = CUDA_SUCCESS;
  return graph_capture_has(where) || graph_capture_implicit(where, false, &ignored);
}

bool rf_capture(struct stream *stream, const CUgraphNodeParams *given, CUresult *result) {
  const struct graph_stream where = rf_graph_stream(stream);
  struct graph_params params;
  if (!concerns(&where)) return false;
  *result = graph_params_read(&params, given);
  return *result || graph_capture_work(&where, &params, result);
}

bool rf_capture_kernel(struct stream *stream, const CUgraphNodeParams *given, const CUlaunchAttribute *attributes, unsigned attribute_count,
                       bool cooperative, CUresult *result) {
  const struct graph_stream where = rf_graph_stream(stream);
  struct graph_params params;
  if (!concerns(&where)) return false;
  *result = graph_params_read(&params, given);
  if (*result) return true;
  for (unsigned i = 0; i < attribute_count && !*result; i++)
    if (graph_is_kernel_attribute(attributes[i].id)) *result = graph_attribute_set(&params, attributes[i].id, &attributes[i].value);
  const CUlaunchAttributeValue yes = {.cooperative = 1};
  if (!*result && cooperative) *result = graph_attribute_set(&params, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &yes);
  if (!*result) return graph_capture_work(&where, &params, result);
  graph_params_free(&params);
  return true;
}

/* ---- conditions -------------------------------------------------------------------------------------------------------- */

#define CONDITIONS 65536u
#define MARK (UINT64_C(0xc0) << 48)

/* Kernels look them up without a lock; a slot's generation says whether the handle is still its. */
static struct condition {
  _Atomic uint32_t value, generation;
  bool taken;
} conditions[CONDITIONS];

static struct condition *condition_of(uint64_t handle) {
  struct condition *const condition = &conditions[handle & (CONDITIONS - 1)];
  const uint64_t generation = atomic_load_explicit(&condition->generation, memory_order_relaxed);
  return handle == (MARK | generation << 16 | (handle & (CONDITIONS - 1))) ? condition : NULL;
}

CUresult graph_env_condition(unsigned initial, unsigned flags, uint64_t *number) {
  static uint32_t next;
  (void)flags;
  for (uint32_t i = 0; i < CONDITIONS; i++) {
    const uint32_t slot = (next + i) % CONDITIONS;
    struct condition *const condition = &conditions[slot];
    if (condition->taken) continue;
    condition->taken = true;
    next = slot + 1;
    atomic_store(&condition->value, initial);
    *number = MARK | (uint64_t)(atomic_fetch_add(&condition->generation, 1) + 1) << 16 | slot;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_OUT_OF_MEMORY;
}

void graph_env_condition_release(uint64_t number) {
  struct condition *const condition = condition_of(number);
  if (condition) condition->taken = false;
}

void rf_condition_set(uint64_t handle, uint32_t value) {
  struct condition *const condition = condition_of(handle);
  if (condition) atomic_store(&condition->value, value);
}

uint32_t rf_condition_get(uint64_t handle) {
  struct condition *const condition = condition_of(handle);
  return condition ? atomic_load(&condition->value) : 0;
}
