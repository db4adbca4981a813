/* Every cuMemcpy entry point: each makes a struct rf_copy out of its arguments, checks both ends and submits it. */
#include "array.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "range.h"
#include "space.h"
#include "stream.h"

struct target {
  const char *call;
  struct stream *stream;
  bool asynchronous;
};

static CUresult enter(struct target *target, const char *call, CUstream handle, CUstream null_stream, bool asynchronous) {
  *target = (struct target){.call = call, .asynchronous = asynchronous};
  RF_TRY(rf_enter(call));
  RF_TRY(rf_stream_find(handle, null_stream, &target->stream));
  if (asynchronous || !graph_capturing()) return CUDA_SUCCESS;
  RF_TRY(rf_capture_refuse(target->stream));
  return rf_capture_unsafe();
}

static CUresult submit(const struct target *target, const struct rf_copy *copy) {
  return rf_copy_submit(target->call, target->stream, copy, target->asynchronous);
}

/* ---- 1D ----------------------------------------------------------------------------------------------------------- */

enum place { HOST, DEVICE, UNIFIED };

static CUresult linear_end(const char *call, const char *what, enum place place, uint64_t address, uint64_t size, unsigned access,
                           struct rf_end *end) {
  if (place == HOST) return rf_end_host((const void *)(uintptr_t)address, size, end);
  return rf_end_unified(call, what, address, size, access, place == UNIFIED, end);
}

/* Whether the copy became a node. */
static bool captured(const struct target *target, const CUDA_MEMCPY3D *described, CUresult *result) {
  const CUgraphNodeParams given = {
      .type = CU_GRAPH_NODE_TYPE_MEMCPY, .memcpy = {.copyCtx = rf_context_handle(target->stream->context), .copyParams = *described}};
  return rf_capture(target->stream, &given, result);
}

/* Of an address that may be anything, nodes know what it is. */
static CUmemorytype kind_of(enum place place, uint64_t address) {
  return place != HOST && rf_space_owns(address) ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
}

#define RF_DESCRIBE(side, place, address)                                                                                        \
  .side##MemoryType = kind_of(place, address), .side##Device = kind_of(place, address) == CU_MEMORYTYPE_DEVICE ? (address) : 0, \
  .side##Host = kind_of(place, address) == CU_MEMORYTYPE_HOST ? (void *)(uintptr_t)(address) : NULL

static CUresult linear(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, enum place to, uint64_t target_address,
                       enum place from, uint64_t source_address, uint64_t size) {
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, asynchronous));
  if (!size) return CUDA_SUCCESS;
  if (to != HOST) rf_space_expect(target_address);
  if (graph_capturing()) {
    const CUDA_MEMCPY3D described = {.WidthInBytes = size, .Height = 1, .Depth = 1, RF_DESCRIBE(src, from, source_address), RF_DESCRIBE(dst, to, target_address)};
    CUresult result = CUDA_SUCCESS;
    if (captured(&target, &described, &result)) return result;
  }
  struct rf_copy copy = {.width = size, .height = 1, .depth = 1};
  RF_TRY(linear_end(call, "the destination", to, target_address, size, RF_WRITE, &copy.target));
  RF_TRY(linear_end(call, "the source", from, source_address, size, RF_READ, &copy.source));
  return submit(&target, &copy);
}

#define RF_HOST(pointer) ((uint64_t)(uintptr_t)(pointer))

RF_TWIN(cuMemcpyHtoD_v2, _ptds, (CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount),
        linear(call, 0, null_stream, false, DEVICE, dstDevice, HOST, RF_HOST(srcHost), ByteCount))
RF_TWIN(cuMemcpyDtoH_v2, _ptds, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount),
        linear(call, 0, null_stream, false, HOST, RF_HOST(dstHost), DEVICE, srcDevice, ByteCount))
RF_TWIN(cuMemcpyDtoD_v2, _ptds, (CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount),
        linear(call, 0, null_stream, false, DEVICE, dstDevice, DEVICE, srcDevice, ByteCount))
RF_TWIN(cuMemcpy, _ptds, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount),
        linear(call, 0, null_stream, false, UNIFIED, dst, UNIFIED, src, ByteCount))
RF_TWIN(cuMemcpyHtoDAsync_v2, _ptsz, (CUdeviceptr dstDevice, const void *srcHost, size_t ByteCount, CUstream hStream),
        linear(call, hStream, null_stream, true, DEVICE, dstDevice, HOST, RF_HOST(srcHost), ByteCount))
RF_TWIN(cuMemcpyDtoHAsync_v2, _ptsz, (void *dstHost, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
        linear(call, hStream, null_stream, true, HOST, RF_HOST(dstHost), DEVICE, srcDevice, ByteCount))
RF_TWIN(cuMemcpyDtoDAsync_v2, _ptsz, (CUdeviceptr dstDevice, CUdeviceptr srcDevice, size_t ByteCount, CUstream hStream),
        linear(call, hStream, null_stream, true, DEVICE, dstDevice, DEVICE, srcDevice, ByteCount))
RF_TWIN(cuMemcpyAsync, _ptsz, (CUdeviceptr dst, CUdeviceptr src, size_t ByteCount, CUstream hStream),
        linear(call, hStream, null_stream, true, UNIFIED, dst, UNIFIED, src, ByteCount))

/* Peers: with unified addressing the contexts only have to be real. */
static CUresult peer(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, CUdeviceptr to, CUcontext to_context,
                     CUdeviceptr from, CUcontext from_context, uint64_t size) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_context_find(to_context, &context));
  RF_TRY(rf_context_find(from_context, &context));
  return linear(call, handle, null_stream, asynchronous, DEVICE, to, DEVICE, from, size);
}

RF_TWIN(cuMemcpyPeer, _ptds,
        (CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext, size_t ByteCount),
        peer(call, 0, null_stream, false, dstDevice, dstContext, srcDevice, srcContext, ByteCount))
RF_TWIN(cuMemcpyPeerAsync, _ptsz,
        (CUdeviceptr dstDevice, CUcontext dstContext, CUdeviceptr srcDevice, CUcontext srcContext, size_t ByteCount, CUstream hStream),
        peer(call, hStream, null_stream, true, dstDevice, dstContext, srcDevice, srcContext, ByteCount))

/* ---- arrays in 1D ------------------------------------------------------------------------------------------------- */

/* These calls treat an array as its bytes in order: one dimension, or rows one after the other. */
static CUresult array_bytes(CUarray handle, uint64_t offset, uint64_t size, struct rf_end *end) {
  const struct array *const array = rf_array_find(handle);
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  const uint64_t bytes = array->width * array->height * array->depth;
  if (offset > bytes || size > bytes - offset || offset % array->element || size % array->element) return CUDA_ERROR_INVALID_VALUE; /* whole elements */
  *end = (struct rf_end){.address = array->storage + offset, .device = true, .hidden = true};
  return CUDA_SUCCESS;
}

static CUresult array_copy(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, CUarray to_array, uint64_t to_offset,
                           enum place to, uint64_t to_address, CUarray from_array, uint64_t from_offset, enum place from,
                           uint64_t from_address, uint64_t size) {
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, asynchronous));
  if (graph_capturing() && size) {
    CUDA_MEMCPY3D described = {.WidthInBytes = size, .Height = 1, .Depth = 1, RF_DESCRIBE(src, from, from_address), RF_DESCRIBE(dst, to, to_address)};
    if (from_array) described.srcMemoryType = CU_MEMORYTYPE_ARRAY, described.srcArray = from_array, described.srcXInBytes = from_offset;
    if (to_array) described.dstMemoryType = CU_MEMORYTYPE_ARRAY, described.dstArray = to_array, described.dstXInBytes = to_offset;
    CUresult result = CUDA_SUCCESS;
    if (captured(&target, &described, &result)) return result;
  }
  struct rf_copy copy = {.width = size, .height = 1, .depth = 1};
  if (to_array)
    RF_TRY(array_bytes(to_array, to_offset, size, &copy.target));
  else
    RF_TRY(linear_end(call, "the destination", to, to_address, size, RF_WRITE, &copy.target));
  if (from_array)
    RF_TRY(array_bytes(from_array, from_offset, size, &copy.source));
  else
    RF_TRY(linear_end(call, "the source", from, from_address, size, RF_READ, &copy.source));
  return submit(&target, &copy);
}

#define RF_ARRAY(array) ((array) ? (array) : (CUarray)1) /* NULL is a bad handle, not "no array" */

RF_TWIN(cuMemcpyDtoA_v2, _ptds, (CUarray dstArray, size_t dstOffset, CUdeviceptr srcDevice, size_t ByteCount),
        array_copy(call, 0, null_stream, false, RF_ARRAY(dstArray), dstOffset, HOST, 0, NULL, 0, DEVICE, srcDevice, ByteCount))
RF_TWIN(cuMemcpyAtoD_v2, _ptds, (CUdeviceptr dstDevice, CUarray srcArray, size_t srcOffset, size_t ByteCount),
        array_copy(call, 0, null_stream, false, NULL, 0, DEVICE, dstDevice, RF_ARRAY(srcArray), srcOffset, HOST, 0, ByteCount))
RF_TWIN(cuMemcpyHtoA_v2, _ptds, (CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount),
        array_copy(call, 0, null_stream, false, RF_ARRAY(dstArray), dstOffset, HOST, 0, NULL, 0, HOST, RF_HOST(srcHost), ByteCount))
RF_TWIN(cuMemcpyAtoH_v2, _ptds, (void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount),
        array_copy(call, 0, null_stream, false, NULL, 0, HOST, RF_HOST(dstHost), RF_ARRAY(srcArray), srcOffset, HOST, 0, ByteCount))
RF_TWIN(cuMemcpyAtoA_v2, _ptds, (CUarray dstArray, size_t dstOffset, CUarray srcArray, size_t srcOffset, size_t ByteCount),
        array_copy(call, 0, null_stream, false, RF_ARRAY(dstArray), dstOffset, HOST, 0, RF_ARRAY(srcArray), srcOffset, HOST, 0, ByteCount))
RF_TWIN(cuMemcpyHtoAAsync_v2, _ptsz, (CUarray dstArray, size_t dstOffset, const void *srcHost, size_t ByteCount, CUstream hStream),
        array_copy(call, hStream, null_stream, true, RF_ARRAY(dstArray), dstOffset, HOST, 0, NULL, 0, HOST, RF_HOST(srcHost), ByteCount))
RF_TWIN(cuMemcpyAtoHAsync_v2, _ptsz, (void *dstHost, CUarray srcArray, size_t srcOffset, size_t ByteCount, CUstream hStream),
        array_copy(call, hStream, null_stream, true, NULL, 0, HOST, RF_HOST(dstHost), RF_ARRAY(srcArray), srcOffset, HOST, 0, ByteCount))

/* ---- 2D and 3D ---------------------------------------------------------------------------------------------------- */

/* One side of a CUDA_MEMCPY2D or 3D: the two have the same members under other names. */
struct side {
  const char *what;
  CUmemorytype type;
  uint64_t host, device;
  CUarray array;
  uint64_t x, y, z, lod;
  uint64_t pitch, height;
};

static CUresult array_side(const struct side *side, const struct rf_copy *copy, struct rf_end *end) {
  const struct array *const array = rf_array_find(side->array);
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  if (side->x % array->element || copy->width % array->element) return CUDA_ERROR_INVALID_VALUE; /* whole elements */
  if (side->x > array->width || copy->width > array->width - side->x) return CUDA_ERROR_INVALID_VALUE;
  if (side->y > array->height || copy->height > array->height - side->y) return CUDA_ERROR_INVALID_VALUE;
  if (side->z > array->depth || copy->depth > array->depth - side->z) return CUDA_ERROR_INVALID_VALUE;
  *end = (struct rf_end){.device = true, .hidden = true, .pitch = array->width, .slice = array->width * array->height};
  end->address = array->storage + side->x + side->y * end->pitch + side->z * end->slice;
  return CUDA_SUCCESS;
}

static CUresult make_side(const char *call, const struct side *side, const struct rf_copy *copy, unsigned access, struct rf_end *end) {
  if (side->lod) return CUDA_ERROR_INVALID_VALUE;
  if (side->type == CU_MEMORYTYPE_ARRAY) return array_side(side, copy, end);
  /* One row needs no pitch, one slice no height ("may be 0 if Depth==1"); else they hold what is copied. */
  const uint64_t reach = copy->width + side->x, most = copy->height + side->y;
  if (reach < side->x || most < side->y) return CUDA_ERROR_INVALID_VALUE;
  if (side->pitch ? side->pitch < reach : copy->height > 1 || copy->depth > 1 || side->y || side->z) return CUDA_ERROR_INVALID_VALUE;
  if (side->height ? side->height < most && copy->depth > 1 : copy->depth > 1 || side->z) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t pitch = side->pitch ? side->pitch : reach;
  const uint64_t rows = side->height ? side->height : most;
  uint64_t slice = 0, offset = 0, part = 0;
  if (__builtin_mul_overflow(pitch, rows, &slice) || __builtin_mul_overflow(slice, side->z, &offset) ||
      __builtin_mul_overflow(pitch, side->y, &part) || __builtin_add_overflow(offset, part, &offset) ||
      __builtin_add_overflow(offset, side->x, &offset))
    return CUDA_ERROR_INVALID_VALUE;
  const uint64_t base = side->type == CU_MEMORYTYPE_HOST ? side->host : side->device;
  const uint64_t address = base + offset;
  if (address < base) return CUDA_ERROR_INVALID_VALUE;
  const uint64_t span = rf_end_span(pitch, slice, copy->width, copy->height, copy->depth);
  switch ((int)side->type) {
    case CU_MEMORYTYPE_HOST:
      if (!base) return CUDA_ERROR_INVALID_VALUE;
      RF_TRY(rf_end_host((const void *)(uintptr_t)address, span, end));
      break;
    case CU_MEMORYTYPE_DEVICE: RF_TRY(rf_end_unified(call, side->what, address, span, access, false, end)); break;
    case CU_MEMORYTYPE_UNIFIED: RF_TRY(rf_end_unified(call, side->what, address, span, access, true, end)); break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  end->pitch = pitch;
  end->slice = slice;
  return CUDA_SUCCESS;
}

static CUresult resolve(const char *call, const struct side *to, const struct side *from, struct rf_copy *copy) {
  if (copy->width >> 47 || copy->height >> 47 || copy->depth >> 47) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(make_side(call, to, copy, RF_WRITE, &copy->target));
  return make_side(call, from, copy, RF_READ, &copy->source);
}

#define RF_DESCRIBE_SIDE(name, side)                                                                                       \
  .name##XInBytes = (side)->x, .name##Y = (side)->y, .name##Z = (side)->z, .name##LOD = (side)->lod,                       \
  .name##MemoryType = (side)->type, .name##Host = (void *)(uintptr_t)(side)->host, .name##Device = (side)->device,         \
  .name##Array = (side)->array, .name##Pitch = (side)->pitch, .name##Height = (side)->height

static CUresult rectangle(const struct target *target, const struct side *to, const struct side *from, struct rf_copy *copy) {
  if (!copy->width || !copy->height || !copy->depth) return CUDA_SUCCESS;
  if (graph_capturing()) {
    const CUDA_MEMCPY3D described = {.WidthInBytes = copy->width, .Height = copy->height, .Depth = copy->depth, RF_DESCRIBE_SIDE(src, from), RF_DESCRIBE_SIDE(dst, to)};
    CUresult result = CUDA_SUCCESS;
    if (captured(target, &described, &result)) return result;
  }
  RF_TRY(resolve(target->call, to, from, copy));
  return submit(target, copy);
}

#define RF_SIDE(c, side, words)                                                                                        \
  {                                                                                                                    \
    .what = words, .type = (c)->side##MemoryType, .host = RF_HOST((c)->side##Host), .device = (c)->side##Device,       \
    .array = (c)->side##Array, .x = (c)->side##XInBytes, .y = (c)->side##Y, .pitch = (c)->side##Pitch                   \
  }

#define MOST_PITCH ((size_t)2147483647) /* CU_DEVICE_ATTRIBUTE_MAX_PITCH */

static CUresult copy_2d(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, bool any_pitch, const CUDA_MEMCPY2D *c) {
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, asynchronous));
  if (!c || (!any_pitch && (c->srcPitch > MOST_PITCH || c->dstPitch > MOST_PITCH))) return CUDA_ERROR_INVALID_VALUE;
  const struct side to = RF_SIDE(c, dst, "the destination"), from = RF_SIDE(c, src, "the source");
  struct rf_copy copy = {.width = c->WidthInBytes, .height = c->Height, .depth = 1};
  return rectangle(&target, &to, &from, &copy);
}

RF_TWIN(cuMemcpy2D_v2, _ptds, (const CUDA_MEMCPY2D *pCopy), copy_2d(call, 0, null_stream, false, false, pCopy))
RF_TWIN(cuMemcpy2DUnaligned_v2, _ptds, (const CUDA_MEMCPY2D *pCopy), copy_2d(call, 0, null_stream, false, true, pCopy))
RF_TWIN(cuMemcpy2DAsync_v2, _ptsz, (const CUDA_MEMCPY2D *pCopy, CUstream hStream), copy_2d(call, hStream, null_stream, true, false, pCopy))

#define RF_SIDES_3D(c)                                                                                                 \
  struct side to = RF_SIDE(c, dst, "the destination"), from = RF_SIDE(c, src, "the source");                           \
  to.z = (c)->dstZ, to.lod = (c)->dstLOD, to.height = (c)->dstHeight;                                                  \
  from.z = (c)->srcZ, from.lod = (c)->srcLOD, from.height = (c)->srcHeight;                                            \
  struct rf_copy copy = {.width = (c)->WidthInBytes, .height = (c)->Height, .depth = (c)->Depth}

#define RF_COPY_3D(c) \
  RF_SIDES_3D(c);     \
  return rectangle(&target, &to, &from, &copy)

CUresult rf_copy_resolve(const char *call, const CUDA_MEMCPY3D *given, struct rf_copy *out) {
  RF_SIDES_3D(given);
  if (!copy.width || !copy.height || !copy.depth)
    copy = (struct rf_copy){.width = 0};
  else
    RF_TRY(resolve(call, &to, &from, &copy));
  *out = copy;
  return CUDA_SUCCESS;
}

static CUresult copy_3d(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, const CUDA_MEMCPY3D *c) {
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, asynchronous));
  if (!c) return CUDA_ERROR_INVALID_VALUE;
  RF_COPY_3D(c);
}

/* An array has its own ("ignored with CU_MEMORYTYPE_ARRAY"); none is the current one, as programs leave it for host memory. */
static CUresult peer_context(CUcontext handle, CUmemorytype type) {
  struct context *context = NULL;
  return !handle || type == CU_MEMORYTYPE_ARRAY ? CUDA_SUCCESS : rf_context_find(handle, &context);
}

static CUresult copy_3d_peer(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, const CUDA_MEMCPY3D_PEER *c) {
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, asynchronous));
  if (!c) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(peer_context(c->srcContext, c->srcMemoryType));
  RF_TRY(peer_context(c->dstContext, c->dstMemoryType));
  RF_COPY_3D(c);
}

RF_TWIN(cuMemcpy3D_v2, _ptds, (const CUDA_MEMCPY3D *pCopy), copy_3d(call, 0, null_stream, false, pCopy))
RF_TWIN(cuMemcpy3DAsync_v2, _ptsz, (const CUDA_MEMCPY3D *pCopy, CUstream hStream), copy_3d(call, hStream, null_stream, true, pCopy))
RF_TWIN(cuMemcpy3DPeer, _ptds, (const CUDA_MEMCPY3D_PEER *pCopy), copy_3d_peer(call, 0, null_stream, false, pCopy))
RF_TWIN(cuMemcpy3DPeerAsync, _ptsz, (const CUDA_MEMCPY3D_PEER *pCopy, CUstream hStream),
        copy_3d_peer(call, hStream, null_stream, true, pCopy))

/* ---- batches ------------------------------------------------------------------------------------------------------ */

/* A batch runs in its stream one copy after the other: a legal order of what has none. `failed` (may be NULL) gets the
 * index of the first bad copy, SIZE_MAX when the fault is elsewhere. */
static CUresult batch(const char *call, CUdeviceptr *targets, CUdeviceptr *sources, size_t *sizes, size_t count,
                      const CUmemcpyAttributes *attributes, const size_t *starts, size_t attribute_count, size_t *failed,
                      CUstream handle, CUstream null_stream) {
  if (failed) *failed = SIZE_MAX;
  RF_TRY(rf_enter(call));
  if (!targets || !sources || !sizes || !count || !attributes || !starts || !attribute_count || attribute_count > count)
    return CUDA_ERROR_INVALID_VALUE;
  if ((handle ? handle : null_stream) == CU_STREAM_LEGACY) return CUDA_ERROR_INVALID_VALUE; /* documented */
  if (starts[0] != 0) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < attribute_count; i++) {
    if (i && (starts[i] <= starts[i - 1] || starts[i] >= count)) return CUDA_ERROR_INVALID_VALUE;
    if ((int)attributes[i].srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM ||
        attributes[i].srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY)
      return CUDA_ERROR_INVALID_VALUE;
  }
  size_t attribute = 0;
  for (size_t i = 0; i < count; i++) {
    while (attribute + 1 < attribute_count && starts[attribute + 1] <= i) attribute++;
    const bool now = attributes[attribute].srcAccessOrder == CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
    const CUresult result = !sizes[i] ? CUDA_ERROR_INVALID_VALUE
                                      : linear(call, handle, null_stream, !now, UNIFIED, targets[i], UNIFIED, sources[i], sizes[i]);
    if (result) {
      if (failed) *failed = i;
      return result;
    }
  }
  return CUDA_SUCCESS;
}

RF_TWIN(cuMemcpyBatchAsync, _ptsz,
        (CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs, size_t *attrsIdxs,
         size_t numAttrs, size_t *failIdx, CUstream hStream),
        batch(call, dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx, hStream, null_stream))
RF_TWIN(cuMemcpyBatchAsync_v2, _ptsz,
        (CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs, size_t *attrsIdxs,
         size_t numAttrs, CUstream hStream),
        batch(call, dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, NULL, hStream, null_stream))

/* Extents, offsets and lengths of a 3D operand are in elements; of pointers on both sides an element is a byte. */
static CUresult batch_side(const CUmemcpy3DOperand *operand, const CUextent3D *extent, const char *what, unsigned element, struct side *side) {
  *side = (struct side){.what = what};
  if (operand->type == CU_MEMCPY_OPERAND_TYPE_POINTER) {
    side->type = CU_MEMORYTYPE_UNIFIED;
    side->device = operand->op.ptr.ptr;
    side->pitch = (operand->op.ptr.rowLength ? operand->op.ptr.rowLength : extent->width) * element;
    side->height = operand->op.ptr.layerHeight ? operand->op.ptr.layerHeight : extent->height;
    return CUDA_SUCCESS;
  }
  if (operand->type != CU_MEMCPY_OPERAND_TYPE_ARRAY) return CUDA_ERROR_INVALID_VALUE;
  side->type = CU_MEMORYTYPE_ARRAY;
  side->array = operand->op.array.array;
  side->x = operand->op.array.offset.x * element;
  side->y = operand->op.array.offset.y;
  side->z = operand->op.array.offset.z;
  return CUDA_SUCCESS;
}

static CUresult batch_3d_one(const struct target *target, const CUDA_MEMCPY3D_BATCH_OP *op) {
  unsigned element = 1;
  const CUmemcpy3DOperand *const operands[2] = {&op->src, &op->dst};
  for (int i = 0; i < 2; i++) {
    if (operands[i]->type != CU_MEMCPY_OPERAND_TYPE_ARRAY) continue;
    const struct array *const array = rf_array_find(operands[i]->op.array.array);
    if (!array) return CUDA_ERROR_INVALID_HANDLE;
    element = array->element;
  }
  struct side to, from;
  RF_TRY(batch_side(&op->dst, &op->extent, "the destination", element, &to));
  RF_TRY(batch_side(&op->src, &op->extent, "the source", element, &from));
  struct rf_copy copy = {.width = op->extent.width * element, .height = op->extent.height, .depth = op->extent.depth};
  if ((int)op->srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM || op->srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY)
    return CUDA_ERROR_INVALID_VALUE;
  struct target order = *target;
  order.asynchronous = op->srcAccessOrder != CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
  return rectangle(&order, &to, &from, &copy);
}

static CUresult batch_3d(const char *call, size_t count, const CUDA_MEMCPY3D_BATCH_OP *list, size_t *failed, unsigned long long flags,
                         CUstream handle, CUstream null_stream) {
  if (failed) *failed = SIZE_MAX;
  struct target target;
  RF_TRY(enter(&target, call, handle, null_stream, true));
  if (!count || !list || flags || (handle ? handle : null_stream) == CU_STREAM_LEGACY) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < count; i++) {
    const CUresult result = batch_3d_one(&target, &list[i]);
    if (result) {
      if (failed) *failed = i;
      return result;
    }
  }
  return CUDA_SUCCESS;
}

RF_TWIN(cuMemcpy3DBatchAsync, _ptsz,
        (size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx, unsigned long long flags, CUstream hStream),
        batch_3d(call, numOps, opList, failIdx, flags, hStream, null_stream))
RF_TWIN(cuMemcpy3DBatchAsync_v2, _ptsz, (size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, unsigned long long flags, CUstream hStream),
        batch_3d(call, numOps, opList, NULL, flags, hStream, null_stream))
