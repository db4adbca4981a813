/* Streams' entry points; the engine is in queue.c. */
#include "stream.h"

#include <string.h>

#include "capture.h"
#include "context.h"
#include "kernel.h"
#include "range.h"
#include "space.h"

CUresult rf_stream_find(CUstream handle, CUstream null_stream, struct stream **stream) {
  const CUstream wanted = handle ? handle : null_stream;
  if (wanted == CU_STREAM_LEGACY || wanted == CU_STREAM_PER_THREAD) {
    struct context *context = NULL;
    RF_TRY(rf_current_context(&context));
    *stream = wanted == CU_STREAM_LEGACY ? context->legacy : rf_context_thread_stream(context);
    return *stream ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  }
  struct stream *const found = rf_object_find(RF_KIND_STREAM, (uint64_t)(uintptr_t)wanted);
  if (RF_UNLIKELY(!found)) return rf_no_object();
  if (RF_UNLIKELY(rf_in_callback)) return CUDA_ERROR_NOT_PERMITTED;
  *stream = found;
  return rf_context_error(found->context);
}

static CUresult find(const char *call, CUstream handle, CUstream null_stream, struct stream **stream) {
  RF_TRY(rf_enter(call));
  return rf_stream_find(handle, null_stream, stream);
}

static CUresult create(const char *call, CUstream *handle, unsigned flags, int priority) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  if (!handle || flags & ~(unsigned)CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  /* Priorities outside the range are clamped, as documented. */
  priority = priority > 0 ? 0 : priority < RF_GREATEST_PRIORITY ? RF_GREATEST_PRIORITY : priority;
  struct stream *const stream = rf_stream_new(context, flags, priority);
  if (!stream) return CUDA_ERROR_OUT_OF_MEMORY;
  *handle = (CUstream)(uintptr_t)rf_object_publish(RF_KIND_STREAM, &stream->object);
  return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *phStream, unsigned int Flags) { return create(__func__, phStream, Flags, 0); }

CUresult cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority) {
  return create(__func__, phStream, flags, priority);
}

static CUresult destroy(const char *call, CUstream hStream) {
  RF_TRY(rf_enter(call));
  struct stream *const stream = rf_object_find(RF_KIND_STREAM, (uint64_t)(uintptr_t)hStream);
  if (!stream) return rf_no_object();
  const CUresult fault = rf_context_error(stream->context); /* told here too; the stream goes nevertheless */
  if (!rf_object_withdraw(&stream->object, (uint64_t)(uintptr_t)hStream)) return CUDA_ERROR_INVALID_HANDLE;
  graph_capture_stream_gone((uint64_t)(uintptr_t)stream);
  rf_stream_release(stream);
  return fault;
}

CUresult cuStreamDestroy_v2(CUstream hStream) { return destroy(__func__, hStream); }
CUresult cuStreamDestroy(CUstream hStream) { return destroy(__func__, hStream); }

/* ---- progress ----------------------------------------------------------------------------------------------------- */

static CUresult query(const char *call, CUstream handle, CUstream null_stream) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  RF_TRY(rf_capture_refuse(stream));
  RF_TRY(rf_capture_unsafe());
  return rf_stream_idle(stream) ? rf_context_error(stream->context) : CUDA_ERROR_NOT_READY;
}

static CUresult synchronize(const char *call, CUstream handle, CUstream null_stream) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  RF_TRY(rf_capture_refuse(stream));
  RF_TRY(rf_capture_unsafe());
  rf_stream_drain(stream);
  rf_print_flush(stream->context);
  return (CUresult)atomic_load(&stream->context->error);
}

RF_TWIN(cuStreamQuery, _ptsz, (CUstream hStream), query(call, hStream, null_stream))
RF_TWIN(cuStreamSynchronize, _ptsz, (CUstream hStream), synchronize(call, hStream, null_stream))

/* ---- asking ------------------------------------------------------------------------------------------------------- */

#define RF_GETTER(name, type, value)                                                            \
  static CUresult get_##name(const char *call, CUstream handle, CUstream null_stream, type out) { \
    struct stream *stream = NULL;                                                               \
    RF_TRY(find(call, handle, null_stream, &stream));                                           \
    if (!out) return CUDA_ERROR_INVALID_VALUE;                                                  \
    *out = (value);                                                                             \
    return CUDA_SUCCESS;                                                                        \
  }

RF_GETTER(priority, int *, stream->priority)
RF_GETTER(id, unsigned long long *, stream->id)
RF_GETTER(flags, unsigned *, stream->flags)
RF_GETTER(device, CUdevice *, stream->context->device)
RF_GETTER(context, CUcontext *, rf_context_handle(stream->context))

RF_TWIN(cuStreamGetPriority, _ptsz, (CUstream hStream, int *priority), get_priority(call, hStream, null_stream, priority))
RF_TWIN(cuStreamGetId, _ptsz, (CUstream hStream, unsigned long long *streamId), get_id(call, hStream, null_stream, streamId))
RF_TWIN(cuStreamGetFlags, _ptsz, (CUstream hStream, unsigned int *flags), get_flags(call, hStream, null_stream, flags))
RF_TWIN(cuStreamGetDevice, _ptsz, (CUstream hStream, CUdevice *device), get_device(call, hStream, null_stream, device))
RF_TWIN(cuStreamGetCtx, _ptsz, (CUstream hStream, CUcontext *pctx), get_context(call, hStream, null_stream, pctx))

static CUresult get_contexts(const char *call, CUstream handle, CUstream null_stream, CUcontext *context, CUgreenCtx *green) {
  RF_TRY(get_context(call, handle, null_stream, context));
  if (green) *green = NULL; /* there are none */
  return CUDA_SUCCESS;
}

RF_TWIN(cuStreamGetCtx_v2, _ptsz, (CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx),
        get_contexts(call, hStream, null_stream, pCtx, pGreenCtx))

/* ---- attributes --------------------------------------------------------------------------------------------------- */

static bool is_stream_attribute(CUstreamAttrID attribute) {
  return attribute == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW || attribute == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY ||
         attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY || attribute == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP ||
         attribute == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN;
}

static CUresult get_attribute(const char *call, CUstream handle, CUstream null_stream, CUstreamAttrID attribute, CUstreamAttrValue *value) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  if (!value || !is_stream_attribute(attribute)) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&stream->lock);
  *value = stream->attributes[attribute];
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) value->priority = stream->priority;
  pthread_mutex_unlock(&stream->lock);
  return CUDA_SUCCESS;
}

static CUresult set_attribute(const char *call, CUstream handle, CUstream null_stream, CUstreamAttrID attribute,
                              const CUstreamAttrValue *value) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  if (!value || !is_stream_attribute(attribute)) return CUDA_ERROR_INVALID_VALUE;
  if (attribute == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY &&
      ((int)value->syncPolicy < CU_SYNC_POLICY_AUTO || value->syncPolicy > CU_SYNC_POLICY_BLOCKING_SYNC))
    return CUDA_ERROR_INVALID_VALUE;
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY && (value->priority > 0 || value->priority < RF_GREATEST_PRIORITY))
    return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&stream->lock);
  stream->attributes[attribute] = *value;
  if (attribute == CU_LAUNCH_ATTRIBUTE_PRIORITY) stream->priority = value->priority;
  pthread_mutex_unlock(&stream->lock);
  return CUDA_SUCCESS;
}

static CUresult copy_attributes(const char *call, CUstream target, CUstream source, CUstream null_stream) {
  struct stream *from = NULL, *to = NULL;
  RF_TRY(find(call, source, null_stream, &from));
  RF_TRY(rf_stream_find(target, null_stream, &to));
  if (from->context != to->context) return CUDA_ERROR_INVALID_VALUE;
  CUstreamAttrValue values[CU_LAUNCH_ATTRIBUTE_MAX];
  pthread_mutex_lock(&from->lock);
  memcpy(values, from->attributes, sizeof values);
  pthread_mutex_unlock(&from->lock);
  pthread_mutex_lock(&to->lock);
  memcpy(to->attributes, values, sizeof values);
  pthread_mutex_unlock(&to->lock);
  return CUDA_SUCCESS;
}

RF_TWIN(cuStreamGetAttribute, _ptsz, (CUstream hStream, CUstreamAttrID attr, CUstreamAttrValue *value),
        get_attribute(call, hStream, null_stream, attr, value))
RF_TWIN(cuStreamSetAttribute, _ptsz, (CUstream hStream, CUstreamAttrID attr, const CUstreamAttrValue *param),
        set_attribute(call, hStream, null_stream, attr, param))
RF_TWIN(cuStreamCopyAttributes, _ptsz, (CUstream dstStream, CUstream srcStream),
        copy_attributes(call, dstStream, srcStream, null_stream))

/* ---- host functions ----------------------------------------------------------------------------------------------- */

static CUresult add_callback(const char *call, CUstream handle, CUstream null_stream, CUstreamCallback function, void *data, unsigned flags) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  if (!function || flags) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_capture_refuse(stream));
  const struct rf_op op = {
      .kind = RF_OP_CALLBACK, .call = call, .callback = {.function = function, .stream = handle, .data = data}};
  return rf_submit(stream, &op, RF_LATER, false);
}

static CUresult launch_host(const char *call, CUstream handle, CUstream null_stream, CUhostFn function, void *data) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  if (!function) return CUDA_ERROR_INVALID_VALUE;
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_HOST, .host = {function, data}};
  CUresult result = CUDA_SUCCESS;
  if (graph_capturing() && rf_capture(stream, &given, &result)) return result;
  const struct rf_op op = {.kind = RF_OP_HOST, .call = call, .host = {.function = function, .data = data}};
  return rf_submit(stream, &op, RF_LATER, false);
}

RF_TWIN(cuStreamAddCallback, _ptsz, (CUstream hStream, CUstreamCallback callback, void *userData, unsigned int flags),
        add_callback(call, hStream, null_stream, callback, userData, flags))
RF_TWIN(cuLaunchHostFunc, _ptsz, (CUstream hStream, CUhostFn fn, void *userData),
        launch_host(call, hStream, null_stream, fn, userData))

/* Managed memory of this GPU is host memory, always visible to both sides: attaching it is a point in the order. */
static CUresult attach(const char *call, CUstream handle, CUstream null_stream, CUdeviceptr address, size_t length, unsigned flags) {
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, null_stream, &stream));
  struct rf_range range;
  if (!rf_range_find(address, &range) || range.kind != RF_RANGE_MANAGED) return CUDA_ERROR_INVALID_VALUE;
  if (length && (address != range.base || length != range.size)) return CUDA_ERROR_INVALID_VALUE;
  if (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST && flags != CU_MEM_ATTACH_SINGLE) return CUDA_ERROR_INVALID_VALUE;
  if (flags == CU_MEM_ATTACH_SINGLE && stream->legacy) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_capture_refuse(stream));
  const struct rf_op op = {.kind = RF_OP_NOTHING, .call = call};
  return rf_submit(stream, &op, RF_LATER, true);
}

RF_TWIN(cuStreamAttachMemAsync, _ptsz, (CUstream hStream, CUdeviceptr dptr, size_t length, unsigned int flags),
        attach(call, hStream, null_stream, dptr, length, flags))
