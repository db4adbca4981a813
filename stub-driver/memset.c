/* Every cuMemset form: 8, 16 and 32 bits, 1D and 2D, now and in a stream. */
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "settings.h"
#include "space.h"
#include "stream.h"

CUresult rf_fill_resolve(const char *call, CUdeviceptr address, uint64_t pitch, uint32_t value, unsigned element, uint64_t width, uint64_t height,
                         struct rf_fill *fill) {
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(width, element, &bytes) || address % element || pitch % element) return CUDA_ERROR_INVALID_VALUE;
  *fill = (struct rf_fill){.width = bytes, .height = height, .value = value, .element = element};
  if (bytes == 0 || height == 0) return CUDA_SUCCESS;
  if (height > 1 && pitch < bytes) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_end_unified(call, "the destination", address, rf_end_span(pitch, 0, bytes, height, 1), RF_WRITE, false, &fill->target));
  fill->target.pitch = pitch;
  return CUDA_SUCCESS;
}

/* `width` counts elements. Synchronous memsets are ordered in their stream and awaited. */
static CUresult fill(const char *call, CUstream handle, CUstream null_stream, bool asynchronous, CUdeviceptr address, uint64_t pitch,
                     uint32_t value, unsigned element, uint64_t width, uint64_t height) {
  RF_TRY(rf_enter(call));
  rf_space_expect(address);
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(handle, null_stream, &stream));
  if (graph_capturing()) {
    if (!asynchronous) {
      RF_TRY(rf_capture_refuse(stream));
      RF_TRY(rf_capture_unsafe());
    } else {
      const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_MEMSET,
                                       .memset = {address, pitch, value, element, width, height, rf_context_handle(stream->context)}};
      CUresult result = CUDA_SUCCESS;
      if (width && height && rf_capture(stream, &given, &result)) return result;
    }
  }
  struct rf_op op = {.kind = RF_OP_FILL, .call = call};
  RF_TRY(rf_fill_resolve(call, address, pitch, value, element, width, height, &op.fill));
  if (op.fill.width == 0 || height == 0) return CUDA_SUCCESS;
  if (!asynchronous) return rf_submit(stream, &op, RF_NOW, false);
  return rf_submit(stream, &op, RF_LATER, op.fill.width <= rf_settings.inline_bytes / height);
}

#define RF_FILL_CALLS(bits, type)                                                                                         \
  RF_TWIN(cuMemsetD##bits##_v2, _ptds, (CUdeviceptr dstDevice, type value, size_t N),                                     \
          fill(call, 0, null_stream, false, dstDevice, 0, value, bits / 8, N, 1))                                         \
  RF_TWIN(cuMemsetD##bits##Async, _ptsz, (CUdeviceptr dstDevice, type value, size_t N, CUstream hStream),                 \
          fill(call, hStream, null_stream, true, dstDevice, 0, value, bits / 8, N, 1))                                    \
  RF_TWIN(cuMemsetD2D##bits##_v2, _ptds, (CUdeviceptr dstDevice, size_t dstPitch, type value, size_t Width, size_t Height), \
          fill(call, 0, null_stream, false, dstDevice, dstPitch, value, bits / 8, Width, Height))                         \
  RF_TWIN(cuMemsetD2D##bits##Async, _ptsz,                                                                                \
          (CUdeviceptr dstDevice, size_t dstPitch, type value, size_t Width, size_t Height, CUstream hStream),            \
          fill(call, hStream, null_stream, true, dstDevice, dstPitch, value, bits / 8, Width, Height))

RF_FILL_CALLS(8, unsigned char)
RF_FILL_CALLS(16, unsigned short)
RF_FILL_CALLS(32, unsigned int)
