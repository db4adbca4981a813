/*
 * Tensor maps (cuTensorMapEncode*): what is asked is checked as the documentation of each call says, and written down as the engine
 * reads it (ptx/tensormap.h). Interleaved layouts, the packed types of 4 and 6 bits and im2col's wide modes are not served.
 */
#include <string.h>

#include "api.h"
#include "log.h"
#include "ptx/tensormap.h"

/* Of both kinds of maps. */
struct asked {
  const char *call;
  CUtensorMap *out;
  CUtensorMapDataType type;
  unsigned rank;
  void *address;
  const uint64_t *dim, *strides;
  const uint32_t *element_strides;
  CUtensorMapInterleave interleave;
  CUtensorMapSwizzle swizzle;
  CUtensorMapL2promotion promotion;
  CUtensorMapFloatOOBfill fill;
};

static CUresult wrong(const char *call, const char *why) {
  rf_log(RF_LOG_ERROR, "%s: %s", call, why);
  return CUDA_ERROR_INVALID_VALUE;
}

static CUresult missing(const char *call, const char *what) {
  rf_log(RF_LOG_ERROR, "%s: %s are not supported", call, what);
  return CUDA_ERROR_NOT_SUPPORTED;
}

static bool is_floating(CUtensorMapDataType type) {
  const int t = (int)type;
  return t == TENSOR_F16 || (t >= TENSOR_F32 && t < TENSOR_TYPES);
}

/* Everything but the box. */
static CUresult common(const struct asked *a, struct tensor_map *map) {
  const char *const call = a->call;
  if (!a->out || (uintptr_t)a->out % 64) return wrong(call, "tensorMap must be a pointer aligned to 64 bytes");
  if ((int)a->type < 0 || (int)a->type > CU_TENSOR_MAP_DATA_TYPE_16U6_ALIGN16B) return wrong(call, "tensorDataType is none");
  if ((int)a->interleave < 0 || (int)a->interleave > CU_TENSOR_MAP_INTERLEAVE_32B) return wrong(call, "interleave is none");
  if ((int)a->swizzle < 0 || (int)a->swizzle > CU_TENSOR_MAP_SWIZZLE_128B_ATOM_64B) return wrong(call, "swizzle is none");
  if ((int)a->promotion < 0 || (int)a->promotion > CU_TENSOR_MAP_L2_PROMOTION_L2_256B) return wrong(call, "l2Promotion is none");
  if ((int)a->fill < 0 || (int)a->fill > CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA) return wrong(call, "oobFill is none");
  if (a->rank < 1 || a->rank > 5) return wrong(call, "tensorRank must be from 1 to 5");
  if (a->interleave != CU_TENSOR_MAP_INTERLEAVE_NONE && a->rank < 3) return wrong(call, "interleaved layouts have a rank of at least 3");
  if (!a->dim || !a->element_strides || (a->rank > 1 && !a->strides)) return wrong(call, "an array is missing");
  if ((uintptr_t)a->address % (a->interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16)) return wrong(call, "globalAddress must be aligned to 16 bytes (32 for INTERLEAVE_32B)");
  if (a->interleave == CU_TENSOR_MAP_INTERLEAVE_32B && (int)a->swizzle != SWIZZLE_32) return wrong(call, "INTERLEAVE_32B goes with SWIZZLE_32B");
  if (a->fill && !is_floating(a->type)) return wrong(call, "a NaN can only fill floating-point tensors");
  for (unsigned i = 0; i < a->rank; i++) {
    if (a->dim[i] == 0 || a->dim[i] > (uint64_t)1 << 32) return wrong(call, "globalDim must be from 1 to 2^32");
    if (a->element_strides[i] == 0 || a->element_strides[i] > 8) return wrong(call, "elementStrides must be from 1 to 8");
    if (i + 1 < a->rank && (a->strides[i] % (a->interleave == CU_TENSOR_MAP_INTERLEAVE_32B ? 32 : 16) || a->strides[i] >= (uint64_t)1 << 40))
      return wrong(call, "globalStrides must be multiples of 16 (32 for INTERLEAVE_32B) below 2^40");
  }
  if ((int)a->type >= TENSOR_TYPES) return missing(call, "packed types of 4 and 6 bits");
  if (a->interleave != CU_TENSOR_MAP_INTERLEAVE_NONE) return missing(call, "interleaved layouts");
  *map = (struct tensor_map){.magic = TENSOR_MAP_MAGIC, .type = (uint8_t)a->type, .rank = (uint8_t)a->rank, .swizzle = (uint8_t)a->swizzle, .nan_fill = a->fill != 0, .address = (uintptr_t)a->address};
  for (unsigned i = 0; i < a->rank; i++) {
    map->dim[i] = (uint32_t)(a->dim[i] - 1);
    map->element_stride[i] = i ? (uint8_t)a->element_strides[i] : 1; /* of the innermost it has no effect */
    if (i + 1 < a->rank) map->stride[i] = a->strides[i];
  }
  return CUDA_SUCCESS;
}

/* A row in shared memory: a multiple of 16 bytes, and no longer than the swizzle's span. */
static CUresult check_row(const char *call, const struct tensor_map *map, unsigned elements) {
  static const unsigned span[SWIZZLES] = {~0u, 32, 64, 128, 128, 128, 128};
  const unsigned bytes = elements * tensor_type_bytes((enum tensor_type)map->type);
  if (bytes % 16) return wrong(call, "the box's inner dimension must be a multiple of 16 bytes");
  if (bytes > span[map->swizzle]) return wrong(call, "the box's inner dimension is longer than the swizzle's span");
  return CUDA_SUCCESS;
}

CUresult cuTensorMapEncodeTiled(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank, void *globalAddress, const cuuint64_t *globalDim,
                                const cuuint64_t *globalStrides, const cuuint32_t *boxDim, const cuuint32_t *elementStrides, CUtensorMapInterleave interleave,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill) {
  RF_ENTER();
  struct tensor_map map;
  if (!boxDim) return wrong(__func__, "an array is missing");
  const struct asked asked = {__func__, tensorMap, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, elementStrides, interleave, swizzle, l2Promotion, oobFill};
  RF_TRY(common(&asked, &map));
  for (unsigned i = 0; i < tensorRank; i++) {
    if (boxDim[i] == 0 || boxDim[i] > 256) return wrong(__func__, "boxDim must be from 1 to 256");
    map.box[i] = (uint16_t)boxDim[i];
  }
  RF_TRY(check_row(__func__, &map, boxDim[0]));
  memcpy(tensorMap, &map, sizeof map);
  return CUDA_SUCCESS;
}

CUresult cuTensorMapEncodeIm2col(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank, void *globalAddress, const cuuint64_t *globalDim,
                                 const cuuint64_t *globalStrides, const int *pixelBoxLowerCorner, const int *pixelBoxUpperCorner, cuuint32_t channelsPerPixel,
                                 cuuint32_t pixelsPerColumn, const cuuint32_t *elementStrides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                                 CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill) {
  RF_ENTER();
  struct tensor_map map;
  static const int limit[] = {[3] = 32768, [4] = 128, [5] = 16};
  if (!pixelBoxLowerCorner || !pixelBoxUpperCorner) return wrong(__func__, "an array is missing");
  if (tensorRank < 3 || tensorRank > 5) return wrong(__func__, "tensorRank must be from 3 to 5");
  const struct asked asked = {__func__, tensorMap, tensorDataType, tensorRank, globalAddress, globalDim, globalStrides, elementStrides, interleave, swizzle, l2Promotion, oobFill};
  RF_TRY(common(&asked, &map));
  if (channelsPerPixel == 0 || channelsPerPixel > 256) return wrong(__func__, "channelsPerPixel must be from 1 to 256");
  if (pixelsPerColumn == 0 || pixelsPerColumn > 1024) return wrong(__func__, "pixelsPerColumn must be from 1 to 1024");
  /* The corners are given as D, H, W; the map has them in the order of its dimensions. */
  for (unsigned i = 0; i < tensorRank - 2; i++) {
    const int lower = pixelBoxLowerCorner[i], upper = pixelBoxUpperCorner[i];
    if (lower < -limit[tensorRank] || lower >= limit[tensorRank] || upper < -limit[tensorRank] || upper >= limit[tensorRank]) return wrong(__func__, "a corner of the pixel box is out of range");
    if ((int64_t)map.dim[tensorRank - 2 - i] + upper < lower) return wrong(__func__, "the pixel box is empty");
    map.lower[tensorRank - 3 - i] = (int16_t)lower;
    map.upper[tensorRank - 3 - i] = (int16_t)upper;
  }
  RF_TRY(check_row(__func__, &map, channelsPerPixel));
  map.im2col = 1;
  map.channels = (uint16_t)channelsPerPixel;
  map.pixels = (uint16_t)pixelsPerColumn;
  memcpy(tensorMap, &map, sizeof map);
  return CUDA_SUCCESS;
}

CUresult cuTensorMapReplaceAddress(CUtensorMap *tensorMap, void *globalAddress) {
  RF_ENTER();
  struct tensor_map map;
  if (!tensorMap || (uintptr_t)tensorMap % 64) return wrong(__func__, "tensorMap must be a pointer aligned to 64 bytes");
  if ((uintptr_t)globalAddress % 16) return wrong(__func__, "globalAddress must be aligned to 16 bytes");
  memcpy(&map, tensorMap, sizeof map);
  if (map.magic != TENSOR_MAP_MAGIC) return wrong(__func__, "this is no tensor map");
  map.address = (uintptr_t)globalAddress;
  memcpy(tensorMap, &map, sizeof map);
  return CUDA_SUCCESS;
}
