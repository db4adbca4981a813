/* Launching kernels: what is asked is checked and copied here; kernel.c runs it when the stream gets there. */
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "context.h"
#include "cudart_tables.h"
#include "kernel.h"
#include "log.h"
#include "module.h"
#include "occupancy.h"
#include "settings.h"
#include "stream.h"
#include "texture.h"

struct order {
  unsigned grid[3], block[3], shared;
  unsigned cluster[3]; /* zeros: what the kernel says */
  bool cooperative;
  CUstream stream, null_stream;
  void **params, **extra;
  const CUlaunchAttribute *attributes; /* of cuLaunchKernelEx */
  unsigned attribute_count;
};

/* Says why on stderr: "invalid argument" alone helps nobody who has twelve of them. */
static CUresult refuse(const char *call, const struct ptx_kernel_info *info, CUresult result, const char *why) {
  rf_log(RF_LOG_ERROR, "%s: kernel %s: %s", call, info->name, why);
  return result;
}

static CUresult bad_shape(void) { return rf_cudart_bad_shape ? rf_cudart_bad_shape() : CUDA_ERROR_INVALID_VALUE; }

/* Eight blocks are portable; up to sixteen are permitted by CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED. */
static CUresult check_cluster(const char *call, const struct order *order, const struct ptx_kernel_info *info, const struct function_settings *settings) {
  const unsigned *const cluster = order->cluster[0] ? order->cluster : info->cluster;
  if (!cluster[0]) return CUDA_SUCCESS;
  uint64_t blocks = 1;
  for (int i = 0; i < 3; i++) {
    if (!cluster[i] || cluster[i] > 16) return refuse(call, info, CUDA_ERROR_INVALID_CLUSTER_SIZE, "a cluster has 1 to 16 blocks");
    blocks *= cluster[i];
    if (info->cluster[0] && cluster[i] != info->cluster[i])
      return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "the cluster is not the one that .reqnctapercluster (__cluster_dims__) requires");
    if (order->grid[i] % cluster[i]) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "the grid is not made of whole clusters");
  }
  if (blocks > (settings->non_portable_cluster == 1 ? 16 : 8))
    return refuse(call, info, CUDA_ERROR_INVALID_CLUSTER_SIZE, "a cluster has at most 8 blocks, or 16 with CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED");
  return CUDA_SUCCESS;
}

static CUresult check_shape(const char *call, const struct order *order, const struct ptx_kernel_info *info, const struct function_settings *settings) {
  static const unsigned grid_limit[3] = {2147483647, 65535, 65535}, block_limit[3] = {1024, 1024, 64};
  uint64_t threads = 1, blocks = 1;
  for (int i = 0; i < 3; i++) {
    if (!order->grid[i] || order->grid[i] > grid_limit[i])
      return refuse(call, info, bad_shape(), "the grid has 1 to 2147483647 x 65535 x 65535 blocks");
    if (!order->block[i] || order->block[i] > block_limit[i])
      return refuse(call, info, bad_shape(), "a block has 1 to 1024 x 1024 x 64 threads");
    threads *= order->block[i];
    blocks *= order->grid[i] < UINT32_MAX && blocks < UINT32_MAX ? order->grid[i] : 1;
  }
  if (threads > 1024) return refuse(call, info, bad_shape(), "a block has at most 1024 threads in all");
  if (threads > info->max_threads) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "the block has more threads than .maxntid (__launch_bounds__) allows");
  if (info->required[0] && memcmp(info->required, order->block, sizeof info->required) != 0)
    return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "the block is not the one that .reqntid requires");
  if (order->shared > rf_max_dynamic_shared(info, settings))
    return refuse(call, info, CUDA_ERROR_INVALID_VALUE,
                  "more dynamic shared memory than it may have; raise CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES first");
  const int resident = rf_resident_blocks(info, (unsigned)threads, order->shared);
  if (!resident) return refuse(call, info, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "a block needs more registers or shared memory than a multiprocessor has");
  if (order->cooperative && blocks > (uint64_t)resident * RF_MULTIPROCESSORS)
    return refuse(call, info, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "a cooperative launch has only as many blocks as are resident at once");
  return check_cluster(call, order, info, settings);
}

/* The buffer of `extra`: a list of names and values up to CU_LAUNCH_PARAM_END. */
static CUresult read_extra(void **extra, const void **buffer, size_t *size) {
  for (int i = 0; extra[i] != CU_LAUNCH_PARAM_END; i += 2) {
    if (extra[i] == CU_LAUNCH_PARAM_BUFFER_POINTER)
      *buffer = extra[i + 1];
    else if (extra[i] == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[i + 1])
      *size = *(const size_t *)extra[i + 1];
    else
      return CUDA_ERROR_INVALID_VALUE;
  }
  return CUDA_SUCCESS;
}

static CUresult copy_params(const char *call, const struct order *order, const struct ptx_kernel *ptx, const struct ptx_kernel_info *info,
                            unsigned char *bytes) {
  if (order->params && order->extra) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "parameters are given twice, in kernelParams and in extra");
  if (!info->param_count) return CUDA_SUCCESS;
  if (order->params) {
    for (size_t i = 0; i < info->param_count; i++) {
      struct ptx_param_info param;
      if (!ptx_kernel_param(ptx, i, &param)) return CUDA_ERROR_INVALID_VALUE;
      if (!order->params[i]) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "a pointer in kernelParams is NULL");
      memcpy(bytes + param.offset, order->params[i], param.size);
    }
    return CUDA_SUCCESS;
  }
  if (!order->extra) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "it has parameters and none are given");
  const void *buffer = NULL;
  size_t size = 0;
  if (read_extra(order->extra, &buffer, &size) || !buffer) return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "extra is not a list of a buffer and its size");
  /* Compilers leave the padding behind the last parameter out or in, as they like. */
  struct ptx_param_info last;
  if (!ptx_kernel_param(ptx, info->param_count - 1, &last) || size < last.offset + last.size)
    return refuse(call, info, CUDA_ERROR_INVALID_VALUE, "the buffer of extra is smaller than the parameters");
  memcpy(bytes, buffer, size < info->param_bytes ? size : info->param_bytes);
  return CUDA_SUCCESS;
}

static CUresult make(const char *call, CUfunction function, struct context *context, const struct order *order, struct rf_launch **out) {
  struct callable callable;
  struct ptx_kernel_info info;
  RF_TRY(rf_callable_find(function, context, &callable));
  ptx_kernel_info(callable.ptx, &info);
  CUresult result = check_shape(call, order, &info, &callable.settings);
  const size_t images_at = (sizeof(struct rf_launch) + info.param_bytes + 15) & ~(size_t)15;
  const size_t image_bytes = ptx_image_count(callable.module->image->ptx) * sizeof(struct ptx_image);
  struct rf_launch *const work = result ? NULL : aligned_alloc(16, (images_at + image_bytes + 15) & ~(size_t)15);
  if (!result && !work) result = CUDA_ERROR_OUT_OF_MEMORY;
  if (!result) {
    *work = (struct rf_launch){.module = callable.module, .ptx = callable.ptx, .dynamic_shared = order->shared,
                               .cooperative = order->cooperative, .param_bytes = info.param_bytes};
    memcpy(work->grid, order->grid, sizeof work->grid);
    memcpy(work->block, order->block, sizeof work->block);
    memcpy(work->cluster, order->cluster, sizeof work->cluster);
    memset(work->params, 0, info.param_bytes);
    result = copy_params(call, order, callable.ptx, &info, work->params);
    struct ptx_image *const images = (struct ptx_image *)(void *)((char *)work + images_at);
    if (image_bytes) rf_texrefs_capture(callable.module, images);
    work->images = images;
    work->textures = rf_texture_serial();
  }
  if (result) {
    free(work);
    rf_module_release(callable.module);
    return result;
  }
  *out = work;
  return CUDA_SUCCESS;
}

CUresult rf_launch_make(const char *call, const struct graph_kernel *kernel, bool cooperative, const unsigned cluster[3], struct context *context,
                        struct rf_launch **launch) {
  size_t bytes = kernel->bytes;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, kernel->data, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
  struct order order = {.shared = kernel->shared, .cooperative = cooperative, .extra = extra};
  memcpy(order.grid, kernel->grid, sizeof order.grid);
  memcpy(order.block, kernel->block, sizeof order.block);
  if (cluster) memcpy(order.cluster, cluster, sizeof order.cluster);
  return make(call, kernel->function, context, &order, launch);
}

/* A launch while its stream captures: a kernel node, with the attributes that nodes have. */
static bool capture(struct stream *stream, CUfunction function, const struct order *order, CUresult *result) {
  CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_KERNEL};
  given.kernel = (CUDA_KERNEL_NODE_PARAMS){
      .func = function, .gridDimX = order->grid[0], .gridDimY = order->grid[1], .gridDimZ = order->grid[2], .blockDimX = order->block[0],
      .blockDimY = order->block[1], .blockDimZ = order->block[2], .sharedMemBytes = order->shared, .kernelParams = order->params,
      .extra = order->extra, .ctx = rf_context_handle(stream->context)};
  return rf_capture_kernel(stream, &given, order->attributes, order->attribute_count, order->cooperative, result);
}

static CUresult submit(const char *call, CUfunction function, const struct order *order) {
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(order->stream, order->null_stream, &stream));
  struct context *const context = stream->context;
  CUresult result = CUDA_SUCCESS;
  if (graph_capturing() && capture(stream, function, order, &result)) return result;
  struct rf_launch *work = NULL;
  RF_TRY(make(call, function, context, order, &work));
  struct module *const module = work->module;
  if (RF_UNLIKELY(rf_settings.lazy_loading) && !atomic_exchange(&module->launched, true)) rf_context_drain(context);
  rf_print_flush(context);
  atomic_fetch_add(&context->kernels, 1);
  const struct rf_op op = {.kind = RF_OP_KERNEL, .call = call, .owned = work, .launch = work};
  result = rf_submit(stream, &op, RF_LATER, false);
  if (result) { /* it was not queued, and is freed; what it held is left to us */
    atomic_fetch_sub(&context->kernels, 1);
    rf_module_release(module);
  }
  return result;
}

static CUresult launch(const char *call, CUfunction function, const struct order *order) {
  RF_TRY(rf_enter(call));
  return submit(call, function, order);
}

#define GRID_PARAMETERS                                                                                                             \
  unsigned int gridDimX, unsigned int gridDimY, unsigned int gridDimZ, unsigned int blockDimX, unsigned int blockDimY, unsigned int blockDimZ, \
      unsigned int sharedMemBytes, CUstream hStream
#define GRID_ORDER                                                                                                            \
  .grid = {gridDimX, gridDimY, gridDimZ}, .block = {blockDimX, blockDimY, blockDimZ}, .shared = sharedMemBytes, .stream = hStream, \
  .null_stream = null_stream

RF_TWIN(cuLaunchKernel, _ptsz, (CUfunction f, GRID_PARAMETERS, void **kernelParams, void **extra),
        launch(call, f, &(struct order){GRID_ORDER, .params = kernelParams, .extra = extra}))
RF_TWIN(cuLaunchCooperativeKernel, _ptsz, (CUfunction f, GRID_PARAMETERS, void **kernelParams),
        launch(call, f, &(struct order){GRID_ORDER, .params = kernelParams, .cooperative = true}))

/* A launch for each of several devices, none of them in a default stream. Devices here share no synchronisation of grids. */
CUresult cuLaunchCooperativeKernelMultiDevice(CUDA_LAUNCH_PARAMS *launchParamsList, unsigned int numDevices, unsigned int flags) {
  RF_ENTER();
  const CUDA_LAUNCH_PARAMS *const p = launchParamsList;
  if (!p || !numDevices || numDevices > (unsigned)rf_settings.devices || flags > 3) return CUDA_ERROR_INVALID_VALUE;
  if (numDevices > 1) return CUDA_ERROR_NOT_SUPPORTED;
  if (!p->hStream || p->hStream == CU_STREAM_LEGACY || p->hStream == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_VALUE;
  return cuLaunchCooperativeKernel(p->function, p->gridDimX, p->gridDimY, p->gridDimZ, p->blockDimX, p->blockDimY, p->blockDimZ, p->sharedMemBytes, p->hStream,
                                   p->kernelParams);
}

/* ---- cuLaunchKernelEx --------------------------------------------------------------------------------------------- */

static CUresult refuse_attribute(const char *call, const char *name) {
  rf_log(RF_LOG_ERROR, "%s: CU_LAUNCH_ATTRIBUTE_%s is not supported", call, name);
  return CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult read_attribute(const char *call, const CUlaunchAttribute *attribute, struct order *order) {
  const CUlaunchAttributeValue *const value = &attribute->value;
  switch ((int)attribute->id) {
    case CU_LAUNCH_ATTRIBUTE_IGNORE:
    /* Preferences, and permission to begin early: all are honoured by doing what is done anyway. */
    case CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW:
    case CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY:
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION:
    case CU_LAUNCH_ATTRIBUTE_PRIORITY:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP:
    case CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_LAUNCH_ATTRIBUTE_PREFERRED_CLUSTER_DIMENSION: /* CLUSTER_DIMENSION is what it falls back to */
    case CU_LAUNCH_ATTRIBUTE_NVLINK_UTIL_CENTRIC_SCHEDULING: return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_COOPERATIVE: order->cooperative = value->cooperative != 0; return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION:
      order->cluster[0] = value->clusterDim.x;
      order->cluster[1] = value->clusterDim.y;
      order->cluster[2] = value->clusterDim.z;
      return CUDA_SUCCESS;
    case CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_EVENT: return refuse_attribute(call, "PROGRAMMATIC_EVENT");
    case CU_LAUNCH_ATTRIBUTE_LAUNCH_COMPLETION_EVENT: return refuse_attribute(call, "LAUNCH_COMPLETION_EVENT");
    case CU_LAUNCH_ATTRIBUTE_DEVICE_UPDATABLE_KERNEL_NODE: return refuse_attribute(call, "DEVICE_UPDATABLE_KERNEL_NODE");
    default: return CUDA_ERROR_INVALID_VALUE;
  }
}

static CUresult launch_ex(const char *call, const CUlaunchConfig *config, CUfunction function, void **params, void **extra, CUstream null_stream) {
  RF_TRY(rf_enter(call));
  if (!config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
  struct order order = {
      .grid = {config->gridDimX, config->gridDimY, config->gridDimZ},
      .block = {config->blockDimX, config->blockDimY, config->blockDimZ},
      .shared = config->sharedMemBytes,
      .stream = config->hStream,
      .null_stream = null_stream,
      .params = params,
      .extra = extra,
      .attributes = config->attrs,
      .attribute_count = config->numAttrs,
  };
  for (unsigned i = 0; i < config->numAttrs; i++) RF_TRY(read_attribute(call, &config->attrs[i], &order));
  return submit(call, function, &order);
}

RF_TWIN(cuLaunchKernelEx, _ptsz, (const CUlaunchConfig *config, CUfunction f, void **kernelParams, void **extra),
        launch_ex(call, config, f, kernelParams, extra, null_stream))
