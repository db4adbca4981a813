/* See occupancy.h. */
#include "occupancy.h"

#include "context.h"

#define WARP 32u
#define WARPS 64u            /* a multiprocessor */
#define BLOCKS 32u
#define REGISTERS 65536u
#define REGISTER_UNIT 256u   /* a warp's are given in such units */
#define WARP_GROUPS 4u       /* of a multiprocessor, each with a quarter of the registers */
#define SHARED_RESERVED 1024u /* a block, by the system */
#define SHARED_UNIT 128u

static uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

unsigned rf_registers(const struct ptx_kernel_info *info) {
  const unsigned most = REGISTERS / (unsigned)round_up(info->max_threads ? info->max_threads : 1, WARP) & ~7u;
  unsigned registers = info->registers < 16 ? 16 : info->registers;
  if (registers > most) registers = most;
  return registers > 255 ? 255 : registers;
}

uint32_t rf_max_dynamic_shared(const struct ptx_kernel_info *info, const struct function_settings *settings) {
  if (settings->max_dynamic_shared != UNSET_ATTRIBUTE) return (uint32_t)settings->max_dynamic_shared;
  return info->shared_bytes < RF_SHARED_DEFAULT ? RF_SHARED_DEFAULT - info->shared_bytes : 0;
}

int rf_resident_blocks(const struct ptx_kernel_info *info, unsigned threads, uint64_t dynamic_shared) {
  if (threads == 0 || threads > info->max_threads) return 0;
  const unsigned warps = (threads + WARP - 1) / WARP;
  unsigned blocks = WARPS / warps;
  if (blocks > BLOCKS) blocks = BLOCKS;
  const unsigned warp_registers = (unsigned)round_up((uint64_t)rf_registers(info) * WARP, REGISTER_UNIT);
  const unsigned warps_by_registers = REGISTERS / WARP_GROUPS / warp_registers * WARP_GROUPS;
  if (warps_by_registers / warps < blocks) blocks = warps_by_registers / warps;
  const uint64_t bytes = info->shared_bytes + dynamic_shared;
  if (bytes > (uint64_t)RF_SHARED_OPTIN) return 0;
  const unsigned by_shared = (unsigned)(RF_SHARED_MULTIPROCESSOR / round_up(bytes + SHARED_RESERVED, SHARED_UNIT));
  return (int)(by_shared < blocks ? by_shared : blocks);
}

/* ---- the calls ---------------------------------------------------------------------------------------------------- */

static CUresult info_of(const char *call, CUfunction function, struct ptx_kernel_info *info, struct function_settings *settings) {
  struct context *context = NULL;
  struct callable callable;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  RF_TRY(rf_callable_find(function, context, &callable));
  ptx_kernel_info(callable.ptx, info);
  if (settings) *settings = callable.settings;
  rf_module_release(callable.module);
  return CUDA_SUCCESS;
}

static CUresult active_blocks(const char *call, int *blocks, CUfunction function, int size, size_t dynamic_shared, unsigned flags) {
  struct ptx_kernel_info info;
  RF_TRY(info_of(call, function, &info, NULL));
  if (!blocks || size <= 0 || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  *blocks = rf_resident_blocks(&info, (unsigned)size, dynamic_shared);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize) {
  return active_blocks(__func__, numBlocks, func, blockSize, dynamicSMemSize, 0);
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func, int blockSize, size_t dynamicSMemSize,
                                                              unsigned int flags) {
  return active_blocks(__func__, numBlocks, func, blockSize, dynamicSMemSize, flags);
}

static CUresult potential(const char *call, int *grid, int *block, CUfunction function, CUoccupancyB2DSize shared_of, size_t dynamic_shared, int limit,
                          unsigned flags) {
  struct ptx_kernel_info info;
  RF_TRY(info_of(call, function, &info, NULL));
  if (!grid || !block || limit < 0 || flags > 1) return CUDA_ERROR_INVALID_VALUE;
  unsigned size = info.max_threads < 1024 ? info.max_threads : 1024;
  if (limit && (unsigned)limit < size) size = (unsigned)limit;
  int best = 0, best_blocks = 0;
  unsigned best_size = 0;
  /* From large to small, and a smaller one only if it keeps more threads resident; all but the first whole warps. */
  for (; size > 0; size = (size - 1) / WARP * WARP) {
    const int blocks = rf_resident_blocks(&info, size, shared_of ? shared_of((int)size) : dynamic_shared);
    if (blocks * (int)size <= best) continue;
    best = blocks * (int)size;
    best_blocks = blocks;
    best_size = size;
  }
  if (!best) return CUDA_ERROR_INVALID_VALUE;
  *grid = best_blocks * RF_MULTIPROCESSORS;
  *block = (int)best_size;
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *minGridSize, int *blockSize, CUfunction func, CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                          size_t dynamicSMemSize, int blockSizeLimit) {
  return potential(__func__, minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit, 0);
}

CUresult cuOccupancyMaxPotentialBlockSizeWithFlags(int *minGridSize, int *blockSize, CUfunction func, CUoccupancyB2DSize blockSizeToDynamicSMemSize,
                                                   size_t dynamicSMemSize, int blockSizeLimit, unsigned int flags) {
  return potential(__func__, minGridSize, blockSize, func, blockSizeToDynamicSMemSize, dynamicSMemSize, blockSizeLimit, flags);
}

CUresult cuOccupancyAvailableDynamicSMemPerBlock(size_t *dynamicSmemSize, CUfunction func, int numBlocks, int blockSize) {
  struct ptx_kernel_info info;
  struct function_settings settings;
  RF_TRY(info_of(__func__, func, &info, &settings));
  if (!dynamicSmemSize || numBlocks <= 0 || blockSize <= 0) return CUDA_ERROR_INVALID_VALUE;
  if (rf_resident_blocks(&info, (unsigned)blockSize, 0) < numBlocks) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t share = RF_SHARED_MULTIPROCESSOR / (unsigned)numBlocks / SHARED_UNIT * SHARED_UNIT;
  const uint64_t taken = SHARED_RESERVED + info.shared_bytes, most = rf_max_dynamic_shared(&info, &settings);
  const uint64_t left = share > taken ? share - taken : 0;
  *dynamicSmemSize = left < most ? left : most;
  return CUDA_SUCCESS;
}

/* Clusters: at most 8 blocks, or 16 where the function permits it. All blocks of a cluster are resident at once; here any number is. */

CUresult cuOccupancyMaxPotentialClusterSize(int *clusterSize, CUfunction func, const CUlaunchConfig *config) {
  struct ptx_kernel_info info;
  struct function_settings settings;
  RF_TRY(info_of(__func__, func, &info, &settings));
  if (!clusterSize || !config) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t threads = (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ;
  if (threads == 0 || threads > 1024 || !rf_resident_blocks(&info, (unsigned)threads, config->sharedMemBytes)) return CUDA_ERROR_INVALID_VALUE;
  *clusterSize = settings.non_portable_cluster == 1 ? 16 : 8;
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveClusters(int *numClusters, CUfunction func, const CUlaunchConfig *config) {
  struct ptx_kernel_info info;
  struct function_settings settings;
  RF_TRY(info_of(__func__, func, &info, &settings));
  if (!numClusters || !config || (config->numAttrs && !config->attrs)) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t threads = (uint64_t)config->blockDimX * config->blockDimY * config->blockDimZ;
  uint64_t blocks = info.cluster[0] ? (uint64_t)info.cluster[0] * info.cluster[1] * info.cluster[2] : 1;
  for (unsigned i = 0; i < config->numAttrs; i++)
    if (config->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION)
      blocks = (uint64_t)config->attrs[i].value.clusterDim.x * config->attrs[i].value.clusterDim.y * config->attrs[i].value.clusterDim.z;
  if (threads == 0 || threads > 1024) return CUDA_ERROR_INVALID_VALUE;
  if (blocks == 0 || blocks > (settings.non_portable_cluster == 1 ? 16u : 8u)) return CUDA_ERROR_INVALID_CLUSTER_SIZE;
  *numClusters = (int)((uint64_t)rf_resident_blocks(&info, (unsigned)threads, config->sharedMemBytes) * RF_MULTIPROCESSORS / blocks);
  return CUDA_SUCCESS;
}
