/* Contexts; see context.h. */
#include "context.h"

#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "capture.h"
#include "cudart_tables.h"
#include "event.h"
#include "host.h"
#include "kernel.h"
#include "log.h"
#include "module.h"
#include "settings.h"
#include "space.h"
#include "stream.h"
#include "texture.h"

#define STACK_DEPTH 64 /* pushed contexts a thread; beyond it: INVALID_VALUE */

/* What the driver keeps for a calling thread. */
static __thread struct {
  uint64_t stack[STACK_DEPTH];
  int depth;
} thread;

static struct context *primary[RF_MAX_DEVICES];
static _Atomic bool lost[RF_MAX_DEVICES];
static _Atomic int ruined; /* the fault that all contexts of the process have, under RINGFENCE_STUB_FAULT_SCOPE=process */
static pthread_mutex_t primary_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic uint64_t next_epoch = 1;
static pthread_key_t thread_streams_key;

#define SCHED_FLAGS (CU_CTX_SCHED_AUTO | CU_CTX_SCHED_SPIN | CU_CTX_SCHED_YIELD | CU_CTX_SCHED_BLOCKING_SYNC)

static bool flags_are_valid(unsigned flags) {
  const unsigned sched = flags & CU_CTX_SCHED_MASK;
  return !(flags & ~(unsigned)CU_CTX_FLAGS_MASK) && (sched == 0 || sched == 1 || sched == 2 || sched == 4);
}

/* ---- finding ------------------------------------------------------------------------------------------------------ */

static CUcontext to_handle(uint64_t handle) { return (CUcontext)(uintptr_t)handle; }

CUcontext rf_context_current_handle(void) { return to_handle(thread.depth ? thread.stack[thread.depth - 1] : 0); }

/* That a context is destroyed is said of the current one alone; any other number is no context. */
CUresult rf_context_find(CUcontext handle, struct context **context) {
  struct context *const found = rf_object_find(RF_KIND_CONTEXT, (uint64_t)(uintptr_t)handle);
  if (!found) return handle && handle == rf_context_current_handle() ? CUDA_ERROR_CONTEXT_IS_DESTROYED : CUDA_ERROR_INVALID_CONTEXT;
  *context = found;
  return CUDA_SUCCESS;
}

_Thread_local bool rf_in_callback;

CUresult rf_context_error(struct context *context) {
  const int error = atomic_load_explicit(&context->error, memory_order_acquire);
  if (RF_UNLIKELY(error)) rf_print_flush(context);
  return (CUresult)error;
}

CUresult rf_current_context(struct context **context) {
  if (RF_UNLIKELY(rf_in_callback)) return CUDA_ERROR_NOT_PERMITTED;
  if (RF_UNLIKELY(thread.depth == 0)) return CUDA_ERROR_INVALID_CONTEXT;
  struct context *const found = rf_object_find(RF_KIND_CONTEXT, thread.stack[thread.depth - 1]);
  if (RF_UNLIKELY(!found || !atomic_load_explicit(&found->active, memory_order_acquire))) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  *context = found;
  return rf_context_error(found);
}

CUresult rf_no_object(void) {
  struct context *context = NULL;
  const CUresult result = rf_current_context(&context);
  return result && result != CUDA_ERROR_INVALID_CONTEXT ? result : CUDA_ERROR_INVALID_HANDLE;
}

struct context *rf_context_or_null(void) {
  struct context *context = NULL;
  return rf_current_context(&context) ? NULL : context;
}

static void ruin(void *object, void *argument) { rf_context_fail(object, *(const CUresult *)argument); }

/* First the line, then the error: a program may end itself at the first call that fails, and what it was must be told by then. Whoever comes
 * second is back when the error stands, or its own work would end without one. */
void rf_context_fail(struct context *context, CUresult error) {
  static pthread_mutex_t failing = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&failing);
  const bool first = !atomic_load(&context->error);
  if (first) {
    rf_log(RF_LOG_ERROR, "context %llu is poisoned with error %d until it is destroyed", (unsigned long long)context->id, (int)error);
    atomic_store(&context->error, (int)error);
    rf_kernels_stop(context);
  }
  pthread_mutex_unlock(&failing);
  int none = CUDA_SUCCESS;
  if (first && rf_settings.process_faults && atomic_compare_exchange_strong(&ruined, &none, (int)error)) rf_object_each(RF_KIND_CONTEXT, ruin, &error);
}

static void lose(void *object, void *argument) {
  struct context *const context = object;
  if (context->device == *(const int *)argument) rf_context_fail(context, CUDA_ERROR_DEVICE_UNAVAILABLE);
}

void rf_device_lose(int device) {
  rf_log(RF_LOG_ERROR, "device %d is lost, as RINGFENCE_STUB_FAULTS ordered", device);
  atomic_store(&lost[device], true);
  rf_object_each(RF_KIND_CONTEXT, lose, &device);
}

/* Why no context can be had there. */
static CUresult device_error(int device) { return atomic_load(&lost[device]) ? CUDA_ERROR_DEVICE_UNAVAILABLE : (CUresult)atomic_load(&ruined); }

/* ---- life --------------------------------------------------------------------------------------------------------- */

static void set_defaults(struct context *context) {
  static const size_t limits[CU_LIMIT_MAX] = {
      [CU_LIMIT_STACK_SIZE] = 1024,
      [CU_LIMIT_PRINTF_FIFO_SIZE] = 6912 << 10,
      [CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20,
      [CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2,
      [CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048,
      [CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64,
  };
  memcpy(context->limits, limits, sizeof limits);
  context->cache = CU_FUNC_CACHE_PREFER_NONE;
  context->shared = CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE;
  context->peers = 0;
  atomic_store(&context->ending, false);
  atomic_store(&context->heap, 0);
  context->epoch = atomic_fetch_add(&next_epoch, 1);
  atomic_store(&context->error, (int)device_error(context->device));
}

static struct context *new_context(int device, unsigned flags, bool is_primary) {
  static _Atomic uint64_t next_id = 1;
  bool fresh = false;
  struct context *const context = rf_object_new(RF_KIND_CONTEXT, &fresh);
  if (!context) return NULL;
  if (fresh) {
    pthread_mutex_init(&context->lock, NULL);
    pthread_mutex_init(&context->printed.lock, NULL);
  }
  context->device = device;
  context->primary = is_primary;
  context->flags = flags;
  context->retained = 0;
  context->id = atomic_fetch_add(&next_id, 1);
  /* A stream of this object's predecessor may be leaving its list this very moment. */
  pthread_mutex_lock(&context->lock);
  context->streams = NULL;
  pthread_mutex_unlock(&context->lock);
  context->legacy = NULL;
  atomic_store(&context->blocking_streams, 0);
  set_defaults(context);
  struct stream *const legacy = rf_stream_new(context, 0, 0);
  if (!legacy) {
    rf_object_recycle(RF_KIND_CONTEXT, &context->object);
    return NULL;
  }
  /* It is not one of the streams that it synchronises with. */
  pthread_mutex_lock(&context->lock);
  context->streams = NULL;
  atomic_store(&context->blocking_streams, 0);
  pthread_mutex_unlock(&context->lock);
  legacy->legacy = true;
  legacy->blocking = false;
  context->legacy = legacy;
  atomic_store(&context->active, !is_primary);
  return context;
}

static void withdraw_event_of(void *object, void *argument) {
  struct event *const event = object;
  const uint64_t handle = atomic_load(&event->object.handle);
  if (event->context == argument && rf_object_withdraw(&event->object, handle)) rf_object_recycle(RF_KIND_EVENT, &event->object);
}

void rf_context_drain(struct context *context) {
  /* One stream at a time and from the start again: none can be looked at without the lock, none waited for under it. */
  for (;;) {
    pthread_mutex_lock(&context->lock);
    struct stream *busy = context->streams;
    while (busy && atomic_load(&busy->completed) == atomic_load(&busy->submitted)) busy = busy->next_in_context;
    const uint64_t number = busy ? atomic_load(&busy->submitted) : 0;
    pthread_mutex_unlock(&context->lock);
    if (!busy) break;
    rf_stream_wait(busy, number);
  }
  rf_stream_wait(context->legacy, atomic_load(&context->legacy->submitted));
  rf_print_flush(context);
}

/* What the CUDA runtime keeps by a context that ends: taken under the caller's locks, dropped without. */
static struct rf_cudart_kept *take_kept(CUcontext context) { return rf_cudart_take ? rf_cudart_take(context) : NULL; }

static void drop_kept(struct rf_cudart_kept *kept) {
  if (kept) rf_cudart_drop(kept);
}

/* Ends all that lives in a context. Its work is awaited, as cuCtxDestroy does. */
static void clear(struct context *context) {
  rf_kernels_end(context);
  rf_context_drain(context);
  graph_context_gone((uint64_t)(uintptr_t)context);
  rf_modules_free_context(context);
  pthread_mutex_lock(&context->lock);
  struct stream *stream = context->streams;
  context->streams = NULL;
  atomic_store(&context->blocking_streams, 0);
  pthread_mutex_unlock(&context->lock);
  while (stream) {
    struct stream *const next = stream->next_in_context;
    const uint64_t handle = atomic_load(&stream->object.handle);
    /* A stream whose handle is gone already is ending by itself. */
    if (rf_object_withdraw(&stream->object, handle)) rf_stream_release(stream);
    stream = next;
  }
  rf_object_each(RF_KIND_EVENT, withdraw_event_of, context);
  rf_textures_free_context(context);
  rf_texrefs_free_context(context);
  rf_arrays_free_context(context);
  rf_space_free_context(context->epoch);
  rf_host_free_context(context->epoch);
}

bool rf_contexts_initialise(void) {
  for (int device = 0; device < rf_settings.devices; device++) {
    if (!(primary[device] = new_context(device, 0, true))) return false;
    rf_object_publish(RF_KIND_CONTEXT, &primary[device]->object);
  }
  return true;
}

static CUresult create(const char *call, CUcontext *pctx, unsigned flags, CUdevice device) {
  RF_TRY(rf_enter(call));
  if (!pctx || !flags_are_valid(flags)) return CUDA_ERROR_INVALID_VALUE;
  if (device < 0 || device >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE;
  const CUresult broken = device_error(device);
  if (broken) return broken;
  if (thread.depth == STACK_DEPTH) return CUDA_ERROR_INVALID_VALUE;
  struct context *const context = new_context(device, flags, false);
  if (!context) return CUDA_ERROR_OUT_OF_MEMORY;
  context->retained = 1;
  const uint64_t handle = rf_object_publish(RF_KIND_CONTEXT, &context->object);
  thread.stack[thread.depth++] = handle;
  *pctx = to_handle(handle);
  return CUDA_SUCCESS;
}

CUresult cuCtxCreate(CUcontext *pctx, unsigned int flags, CUdevice dev) { return create(__func__, pctx, flags, dev); }
CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev) { return create(__func__, pctx, flags, dev); }

CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams, unsigned int flags, CUdevice dev) {
  RF_ENTER();
  if (numParams < 0 || (numParams > 0 && !paramsArray)) return CUDA_ERROR_INVALID_VALUE;
  return numParams ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : create(__func__, pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags, CUdevice dev) {
  RF_ENTER();
  if (ctxCreateParams) {
    if (ctxCreateParams->numExecAffinityParams < 0) return CUDA_ERROR_INVALID_VALUE;
    if (ctxCreateParams->numExecAffinityParams && !ctxCreateParams->execAffinityParams) return CUDA_ERROR_INVALID_VALUE;
    if (ctxCreateParams->numExecAffinityParams) return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
    if (ctxCreateParams->cigParams) return CUDA_ERROR_NOT_SUPPORTED;
  }
  return create(__func__, pctx, flags, dev);
}

static CUresult destroy(const char *call, CUcontext ctx) {
  RF_TRY(rf_enter(call));
  struct context *context = NULL;
  if (rf_context_find(ctx, &context) != CUDA_SUCCESS || context->primary) return CUDA_ERROR_INVALID_CONTEXT;
  const uint64_t handle = (uint64_t)(uintptr_t)ctx;
  if (!rf_object_withdraw(&context->object, handle)) return CUDA_ERROR_INVALID_CONTEXT;
  if (thread.depth && thread.stack[thread.depth - 1] == handle) thread.depth--;
  struct rf_cudart_kept *const kept = take_kept(ctx);
  clear(context);
  rf_stream_release(context->legacy);
  atomic_store(&context->active, false);
  rf_object_recycle(RF_KIND_CONTEXT, &context->object);
  drop_kept(kept);
  return CUDA_SUCCESS;
}

CUresult cuCtxDestroy_v2(CUcontext ctx) { return destroy(__func__, ctx); }
CUresult cuCtxDestroy(CUcontext ctx) { return destroy(__func__, ctx); }

CUresult cuCtxAttach(CUcontext *pctx, unsigned int flags) {
  RF_ENTER_CONTEXT(context);
  if (!pctx || flags) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&context->lock);
  context->retained++;
  pthread_mutex_unlock(&context->lock);
  *pctx = rf_context_handle(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxDetach(CUcontext ctx) {
  RF_ENTER();
  struct context *context = NULL;
  RF_TRY(rf_context_find(ctx, &context));
  pthread_mutex_lock(&context->lock);
  const bool last = !context->primary && context->retained <= 1;
  if (!last && context->retained) context->retained--;
  pthread_mutex_unlock(&context->lock);
  return last ? destroy(__func__, ctx) : CUDA_SUCCESS;
}

/* ---- the stack ---------------------------------------------------------------------------------------------------- */

static CUresult push(const char *call, CUcontext ctx) {
  RF_TRY(rf_enter(call));
  struct context *context = NULL;
  if (!ctx || rf_context_find(ctx, &context) != CUDA_SUCCESS) return CUDA_ERROR_INVALID_CONTEXT;
  if (thread.depth == STACK_DEPTH) return CUDA_ERROR_INVALID_VALUE;
  thread.stack[thread.depth++] = (uint64_t)(uintptr_t)ctx;
  return CUDA_SUCCESS;
}

static CUresult pop(const char *call, CUcontext *pctx) {
  RF_TRY(rf_enter(call));
  if (!thread.depth) return CUDA_ERROR_INVALID_CONTEXT;
  const uint64_t handle = thread.stack[--thread.depth];
  if (pctx) *pctx = to_handle(handle);
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx) { return push(__func__, ctx); }
CUresult cuCtxPushCurrent(CUcontext ctx) { return push(__func__, ctx); }
CUresult cuCtxPopCurrent_v2(CUcontext *pctx) { return pop(__func__, pctx); }
CUresult cuCtxPopCurrent(CUcontext *pctx) { return pop(__func__, pctx); }

CUresult cuCtxSetCurrent(CUcontext ctx) {
  RF_ENTER();
  if (!ctx) {
    if (thread.depth) thread.depth--;
    return CUDA_SUCCESS;
  }
  struct context *context = NULL;
  if (rf_context_find(ctx, &context) != CUDA_SUCCESS) return CUDA_ERROR_INVALID_CONTEXT;
  if (!thread.depth) thread.depth = 1;
  thread.stack[thread.depth - 1] = (uint64_t)(uintptr_t)ctx;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *pctx) {
  RF_ENTER();
  if (!pctx) return CUDA_ERROR_INVALID_VALUE;
  *pctx = rf_context_current_handle();
  return CUDA_SUCCESS;
}

/* ---- primary contexts --------------------------------------------------------------------------------------------- */

#define RF_DEVICE(device) \
  if ((device) < 0 || (device) >= rf_settings.devices) return CUDA_ERROR_INVALID_DEVICE

CUresult rf_context_primary_handle(CUcontext *handle, CUdevice device) {
  RF_DEVICE(device);
  *handle = rf_context_handle(primary[device]);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev) {
  RF_ENTER();
  if (!pctx) return CUDA_ERROR_INVALID_VALUE;
  RF_DEVICE(dev);
  const CUresult broken = device_error(dev);
  if (broken) return broken;
  pthread_mutex_lock(&primary_lock);
  struct context *const context = primary[dev];
  if (!atomic_load(&context->active)) set_defaults(context);
  context->retained++;
  atomic_store(&context->active, true);
  pthread_mutex_unlock(&primary_lock);
  *pctx = rf_context_handle(context);
  return CUDA_SUCCESS;
}

static void deactivate(struct context *context) {
  clear(context);
  atomic_store(&context->active, false);
}

static CUresult primary_release(const char *call, CUdevice dev) {
  RF_TRY(rf_enter(call));
  RF_DEVICE(dev);
  CUresult result = CUDA_SUCCESS;
  struct rf_cudart_kept *kept = NULL;
  pthread_mutex_lock(&primary_lock);
  struct context *const context = primary[dev];
  if (!context->retained) {
    result = CUDA_ERROR_INVALID_CONTEXT;
  } else if (--context->retained == 0) {
    kept = take_kept(rf_context_handle(context));
    deactivate(context);
  }
  pthread_mutex_unlock(&primary_lock);
  drop_kept(kept);
  return result;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev) { return primary_release(__func__, dev); }
CUresult cuDevicePrimaryCtxRelease(CUdevice dev) { return primary_release(__func__, dev); }

static CUresult primary_reset(const char *call, CUdevice dev) {
  RF_TRY(rf_enter(call));
  RF_DEVICE(dev);
  pthread_mutex_lock(&primary_lock);
  struct context *const context = primary[dev];
  struct rf_cudart_kept *const kept = take_kept(rf_context_handle(context));
  if (atomic_load(&context->active)) deactivate(context);
  /* Those who retained it still may release it: the count stays, and the context comes back with the next retain. */
  set_defaults(context);
  pthread_mutex_unlock(&primary_lock);
  drop_kept(kept);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev) { return primary_reset(__func__, dev); }
CUresult cuDevicePrimaryCtxReset(CUdevice dev) { return primary_reset(__func__, dev); }

static CUresult primary_set_flags(const char *call, CUdevice dev, unsigned flags) {
  RF_TRY(rf_enter(call));
  RF_DEVICE(dev);
  if (!flags_are_valid(flags)) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&primary_lock);
  primary[dev]->flags = flags;
  pthread_mutex_unlock(&primary_lock);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags) { return primary_set_flags(__func__, dev, flags); }
CUresult cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags) { return primary_set_flags(__func__, dev, flags); }

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active) {
  RF_ENTER();
  if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
  RF_DEVICE(dev);
  pthread_mutex_lock(&primary_lock);
  *flags = primary[dev]->flags;
  *active = atomic_load(&primary[dev]->active);
  pthread_mutex_unlock(&primary_lock);
  return CUDA_SUCCESS;
}

/* ---- asking and setting ------------------------------------------------------------------------------------------- */

/* A primary context is its device's for ever: asked while it is inactive (reset, and still current) it says so. Programs that reset
 * the device and then look which one they were on (numba) rely on that. */
CUresult cuCtxGetDevice(CUdevice *device) {
  RF_ENTER();
  if (rf_in_callback) return CUDA_ERROR_NOT_PERMITTED;
  struct context *context = NULL;
  if (!rf_context_current_handle()) return CUDA_ERROR_INVALID_CONTEXT;
  RF_TRY(rf_context_find(rf_context_current_handle(), &context));
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  *device = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx) {
  RF_ENTER();
  if (!ctx) return cuCtxGetDevice(device);
  struct context *context = NULL;
  RF_TRY(rf_context_find(ctx, &context));
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  *device = context->device;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetFlags(unsigned int *flags) {
  RF_ENTER_CONTEXT(context);
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&context->lock);
  *flags = context->flags;
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned int flags) {
  RF_ENTER_CONTEXT(context);
  if (!flags_are_valid(flags)) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&context->lock);
  context->flags = flags;
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext ctx, unsigned long long *ctxId) {
  RF_ENTER();
  if (!ctxId) return CUDA_ERROR_INVALID_VALUE;
  struct context *context = NULL;
  if (ctx)
    RF_TRY(rf_context_find(ctx, &context));
  else
    RF_TRY(rf_current_context(&context));
  *ctxId = context->id;
  return CUDA_SUCCESS;
}

static CUresult synchronize(struct context *context) {
  CUresult result = CUDA_SUCCESS;
  if (graph_capturing() && graph_capture_context((uint64_t)(uintptr_t)context, &result)) return result;
  rf_context_drain(context);
  rf_print_flush(context);
  return (CUresult)atomic_load(&context->error);
}

CUresult cuCtxSynchronize(void) {
  RF_ENTER_CONTEXT(context);
  return synchronize(context);
}

CUresult cuCtxSynchronize_v2(CUcontext ctx) {
  RF_ENTER();
  if (!ctx) return cuCtxSynchronize();
  struct context *context = NULL;
  RF_TRY(rf_context_find(ctx, &context));
  if (!atomic_load(&context->active)) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
  return synchronize(context);
}

/* The streams of a context one after the other: none can be given work under the lock, and they only go with their context. */
static CUresult each_stream(struct context *context, CUresult (*give)(struct event *, struct stream *), struct event *event) {
  for (unsigned i = 0;; i++) {
    pthread_mutex_lock(&context->lock);
    struct stream *stream = context->streams;
    for (unsigned n = 0; stream && n < i; n++) stream = stream->next_in_context;
    pthread_mutex_unlock(&context->lock);
    if (!stream) return CUDA_SUCCESS;
    RF_TRY(give(event, stream));
  }
}

/* The legacy stream waits for another one's work of now. */
static CUresult gather(struct event *event, struct stream *stream) {
  struct stream *const legacy = event->context->legacy;
  struct rf_op op = {.kind = RF_OP_WAIT_STREAM, .wait.stream = stream};
  if (stream == legacy || rf_stream_clear(stream)) return CUDA_SUCCESS;
  RF_TRY(rf_stream_mark(stream, &op.wait.number));
  return rf_submit(legacy, &op, RF_LATER, false);
}

static CUresult context_and_event(const char *call, CUcontext handle, CUevent event_handle, struct context **context, struct event **event) {
  RF_TRY(rf_enter(call));
  RF_TRY(rf_context_find(handle, context));
  *event = rf_object_find(RF_KIND_EVENT, (uint64_t)(uintptr_t)event_handle);
  CUresult result = CUDA_SUCCESS;
  if (!*event) return CUDA_ERROR_INVALID_HANDLE;
  if (graph_capturing() && graph_capture_context((uint64_t)(uintptr_t)*context, &result)) return result;
  return (CUresult)atomic_load_explicit(&(*context)->error, memory_order_acquire);
}

CUresult cuCtxRecordEvent(CUcontext hCtx, CUevent hEvent) {
  struct context *context = NULL;
  struct event *event = NULL;
  RF_TRY(context_and_event(__func__, hCtx, hEvent, &context, &event));
  if (event->context != context) return CUDA_ERROR_INVALID_HANDLE;
  RF_TRY(each_stream(context, gather, event));
  return rf_event_record(event, context->legacy);
}

CUresult cuCtxWaitEvent(CUcontext hCtx, CUevent hEvent) {
  struct context *context = NULL;
  struct event *event = NULL;
  RF_TRY(context_and_event(__func__, hCtx, hEvent, &context, &event));
  return each_stream(context, rf_event_wait, event);
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  RF_ENTER_CONTEXT(context);
  switch ((int)limit) {
    case CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH: return CUDA_ERROR_UNSUPPORTED_LIMIT;
    case CU_LIMIT_STACK_SIZE:
    case CU_LIMIT_PRINTF_FIFO_SIZE:
    case CU_LIMIT_MALLOC_HEAP_SIZE:
    case CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT:
    case CU_LIMIT_PERSISTING_L2_CACHE_SIZE: break;
    case CU_LIMIT_MAX_L2_FETCH_GRANULARITY:
      if (value > 128) return CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_LIMIT_SHMEM_SIZE:
    case CU_LIMIT_CIG_ENABLED:
    case CU_LIMIT_CIG_SHMEM_FALLBACK_ENABLED: return CUDA_ERROR_UNSUPPORTED_LIMIT;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  pthread_mutex_lock(&context->lock);
  context->limits[limit] = value;
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetLimit(size_t *pvalue, CUlimit limit) {
  RF_ENTER_CONTEXT(context);
  if (!pvalue || (int)limit < 0 || limit >= CU_LIMIT_MAX) return CUDA_ERROR_INVALID_VALUE;
  if (limit == CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH) return CUDA_ERROR_UNSUPPORTED_LIMIT;
  pthread_mutex_lock(&context->lock);
  *pvalue = context->limits[limit];
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *pconfig) {
  RF_ENTER_CONTEXT(context);
  if (!pconfig) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&context->lock);
  *pconfig = context->cache;
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  RF_ENTER_CONTEXT(context);
  if ((int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL) return CUDA_ERROR_INVALID_VALUE;
  pthread_mutex_lock(&context->lock);
  context->cache = config;
  pthread_mutex_unlock(&context->lock);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *pConfig) {
  RF_ENTER_CONTEXT(context);
  if (!pConfig) return CUDA_ERROR_INVALID_VALUE;
  *pConfig = context->shared;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config) {
  RF_ENTER_CONTEXT(context);
  (void)context; /* the banks of this GPU, as of all recent ones, have one width */
  return (int)config < 0 || config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext ctx, unsigned int *version) {
  RF_ENTER();
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  struct context *context = NULL;
  RF_TRY(rf_context_find(ctx ? ctx : rf_context_current_handle(), &context));
  *version = 3020; /* what real drivers answer: the version of the context interface, not the driver's */
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int *leastPriority, int *greatestPriority) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (leastPriority) *leastPriority = 0;
  if (greatestPriority) *greatestPriority = RF_GREATEST_PRIORITY;
  return CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetExecAffinity(CUexecAffinityParam *pExecAffinity, CUexecAffinityType type) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  if (!pExecAffinity || type != CU_EXEC_AFFINITY_TYPE_SM_COUNT) return CUDA_ERROR_INVALID_VALUE;
  return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
}

static CUresult set_peer(CUcontext peer, bool enable) {
  RF_ENTER_CONTEXT(context);
  struct context *other = NULL;
  RF_TRY(rf_context_find(peer, &other));
  if (other == context) return CUDA_ERROR_INVALID_CONTEXT;
  if (other->device == context->device) return enable ? CUDA_ERROR_PEER_ACCESS_UNSUPPORTED : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  const uint32_t bit = 1u << other->device;
  CUresult result = CUDA_SUCCESS;
  pthread_mutex_lock(&context->lock);
  if (enable == ((context->peers & bit) != 0))
    result = enable ? CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
  else
    context->peers ^= bit;
  pthread_mutex_unlock(&context->lock);
  return result;
}

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags) {
  return Flags ? CUDA_ERROR_INVALID_VALUE : set_peer(peerContext, true);
}

CUresult cuCtxDisablePeerAccess(CUcontext peerContext) { return set_peer(peerContext, false); }

/* ---- each thread's own streams ------------------------------------------------------------------------------------ */

#define OWN_STREAMS 16

struct own_streams {
  struct {
    uint64_t context, epoch, stream;
  } list[OWN_STREAMS];
  int next; /* to be replaced when the list is full */
};

static __thread struct own_streams *own;

static void release_own(uint64_t handle) {
  struct stream *const stream = rf_object_find(RF_KIND_STREAM, handle);
  if (stream && rf_object_withdraw(&stream->object, handle)) rf_stream_release(stream);
}

/* At the thread's end. */
static void release_all_own(void *argument) {
  struct own_streams *const streams = argument;
  for (int i = 0; i < OWN_STREAMS; i++)
    if (streams->list[i].stream) release_own(streams->list[i].stream);
  free(streams);
}

static void make_key(void) { pthread_key_create(&thread_streams_key, release_all_own); }

struct stream *rf_context_thread_stream(struct context *context) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const uint64_t handle = atomic_load(&context->object.handle);
  if (own)
    for (int i = 0; i < OWN_STREAMS; i++)
      if (own->list[i].context == handle && own->list[i].epoch == context->epoch)
        return rf_object_find(RF_KIND_STREAM, own->list[i].stream);
  pthread_once(&once, make_key);
  if (!own) {
    own = calloc(1, sizeof *own);
    if (!own) return NULL;
    pthread_setspecific(thread_streams_key, own);
  }
  struct stream *const stream = rf_stream_new(context, 0, 0);
  if (!stream) return NULL;
  stream->per_thread = true;
  const int slot = own->next++ % OWN_STREAMS;
  if (own->list[slot].stream) release_own(own->list[slot].stream);
  own->list[slot].context = handle;
  own->list[slot].epoch = context->epoch;
  own->list[slot].stream = rf_object_publish(RF_KIND_STREAM, &stream->object);
  return stream;
}
