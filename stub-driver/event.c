/* Events; see event.h. Recording on an idle stream and asking about it touch no queue and no other thread. */
#include "event.h"

#include <sched.h>
#include <stdlib.h>

#include "capture.h"
#include "context.h"
#include "kernel.h"
#include "stream.h"

#define SPINS 100 /* whoever holds a lock for longer has lost its core */

_Static_assert(sizeof(struct event) == 32, "two events to a cache line");

/* What an event with timing has beside: made for a run of events when the first of them has timing, and never returned. */
struct timing {
  _Atomic uint32_t lock; /* makes the event's point and these one; held for a few loads and stores */
  uint64_t record;       /* counts records: a stamp of an older one is not taken */
  uint64_t time_ns;
};

#define RUN 256
static _Atomic(struct timing *) runs[(1 << RF_INDEX_BITS) / RUN];

/* Of an event with timing. */
static struct timing *timing_of(const struct event *event) {
  return atomic_load_explicit(&runs[event->object.index / RUN], memory_order_acquire) + event->object.index % RUN;
}

/* The same, made if need be; NULL: out of memory. */
static struct timing *make_timing(const struct event *event) {
  _Atomic(struct timing *) *const run = &runs[event->object.index / RUN];
  if (!atomic_load_explicit(run, memory_order_acquire)) {
    struct timing *const made = calloc(RUN, sizeof *made);
    struct timing *none = NULL;
    if (!made) return NULL;
    if (!atomic_compare_exchange_strong(run, &none, made)) free(made); /* somebody else was first */
  }
  return timing_of(event);
}

static void lock(struct timing *timing) {
  for (int i = 0; RF_UNLIKELY(atomic_exchange_explicit(&timing->lock, 1, memory_order_acquire)); i++)
    if (i >= SPINS) sched_yield();
}

static void unlock(struct timing *timing) { atomic_store_explicit(&timing->lock, 0, memory_order_release); }

/* Acquired: what is true of an event is true of its timing, also for who uses a handle while another thread makes its successor. */
static bool is_timed(struct event *event) { return atomic_load_explicit(&event->point, memory_order_acquire) & RF_POINT_TIMED; }

static uint64_t point_in(const struct stream *stream, uint64_t number) {
  return number << RF_POINT_STREAM_BITS | (uint64_t)(stream->object.index + 1) << 1;
}

static void point_of(struct event *event, struct stream **stream, uint64_t *number) {
  const uint64_t point = atomic_load_explicit(&event->point, memory_order_acquire);
  const uint32_t index = (uint32_t)(point & ((1u << RF_POINT_STREAM_BITS) - 1)) >> 1;
  *stream = index ? rf_object_at(RF_KIND_STREAM, index - 1) : NULL;
  *number = point >> RF_POINT_STREAM_BITS;
}

CUresult rf_event_record(struct event *event, struct stream *stream) {
  const bool clear = rf_stream_clear(stream);
  if (!is_timed(event)) {
    uint64_t number = 0; /* long completed */
    if (!clear) RF_TRY(rf_stream_mark(stream, &number));
    atomic_store_explicit(&event->point, point_in(stream, number), memory_order_release);
    return CUDA_SUCCESS;
  }
  struct timing *const timing = timing_of(event);
  if (clear) {
    const uint64_t now = rf_now_ns();
    lock(timing);
    timing->record++;
    atomic_store_explicit(&event->point, point_in(stream, 0) | RF_POINT_TIMED, memory_order_release);
    timing->time_ns = now;
    unlock(timing);
    return CUDA_SUCCESS;
  }
  /* The stamp needs a place in the queue, of which the number is known only afterwards. */
  lock(timing);
  const uint64_t record = ++timing->record;
  unlock(timing);
  const struct rf_op op = {.kind = RF_OP_RECORD, .record = {.event = event, .record = record}};
  RF_TRY(rf_submit(stream, &op, RF_LATER, false));
  const uint64_t number = atomic_load(&stream->submitted); /* at or behind the stamp's */
  lock(timing);
  if (timing->record == record) atomic_store_explicit(&event->point, point_in(stream, number) | RF_POINT_TIMED, memory_order_release);
  unlock(timing);
  return CUDA_SUCCESS;
}

void rf_event_stamp(struct event *event, uint64_t record) {
  const uint64_t now = rf_now_ns();
  struct timing *const timing = timing_of(event);
  lock(timing);
  if (timing->record == record) timing->time_ns = now;
  unlock(timing);
}

/* The event behind a handle, unless its context is poisoned. */
static CUresult find(const char *call, CUevent handle, struct event **event) {
  RF_TRY(rf_enter(call));
  if (RF_UNLIKELY(rf_in_callback)) return CUDA_ERROR_NOT_PERMITTED;
  struct event *const found = rf_object_find(RF_KIND_EVENT, (uint64_t)(uintptr_t)handle);
  if (!found) return rf_no_object();
  *event = found;
  return rf_context_error(found->context);
}

CUresult cuEventCreate(CUevent *phEvent, unsigned int Flags) {
  RF_ENTER_CONTEXT(context);
  const unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;
  if (!phEvent || Flags & ~known) return CUDA_ERROR_INVALID_VALUE;
  if (Flags & CU_EVENT_INTERPROCESS) return Flags & CU_EVENT_DISABLE_TIMING ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
  struct event *const event = rf_object_new(RF_KIND_EVENT, NULL);
  if (!event) return CUDA_ERROR_OUT_OF_MEMORY;
  event->context = context;
  struct timing *timing = NULL;
  if (!(Flags & CU_EVENT_DISABLE_TIMING)) {
    timing = make_timing(event);
    if (!timing) {
      rf_object_recycle(RF_KIND_EVENT, &event->object);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    lock(timing);
    timing->record++; /* a stamp meant for the object's predecessor must miss */
    timing->time_ns = 0;
    unlock(timing);
  }
  atomic_store_explicit(&event->point, timing ? RF_POINT_TIMED : 0, memory_order_release);
  *phEvent = (CUevent)(uintptr_t)rf_object_publish(RF_KIND_EVENT, &event->object);
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent hEvent) {
  RF_ENTER();
  struct event *const event = rf_object_find(RF_KIND_EVENT, (uint64_t)(uintptr_t)hEvent);
  if (!event) return rf_no_object();
  const CUresult fault = rf_context_error(event->context); /* told here too; the event goes nevertheless */
  if (!rf_object_withdraw(&event->object, (uint64_t)(uintptr_t)hEvent)) return CUDA_ERROR_INVALID_HANDLE;
  graph_capture_event_gone(hEvent);
  rf_object_recycle(RF_KIND_EVENT, &event->object);
  return fault;
}

CUresult cuEventDestroy(CUevent hEvent) { return cuEventDestroy_v2(hEvent); }

static CUresult record(const char *call, CUevent handle, CUstream stream_handle, CUstream null_stream, unsigned flags) {
  struct event *event = NULL;
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, &event));
  if (flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_stream_find(stream_handle, null_stream, &stream));
  if (event->context != stream->context) return CUDA_ERROR_INVALID_HANDLE;
  if (graph_capturing() || atomic_load_explicit(&graph_captured_events, memory_order_relaxed)) {
    const struct graph_stream where = rf_graph_stream(stream);
    CUresult result = CUDA_SUCCESS;
    if (graph_capture_record(&where, handle, flags != 0, &result)) return result;
  }
  if (flags) return CUDA_ERROR_INVALID_VALUE; /* external records are for captures */
  return rf_event_record(event, stream);
}

RF_TWIN(cuEventRecord, _ptsz, (CUevent hEvent, CUstream hStream), record(call, hEvent, hStream, null_stream, 0))
RF_TWIN(cuEventRecordWithFlags, _ptsz, (CUevent hEvent, CUstream hStream, unsigned int flags),
        record(call, hEvent, hStream, null_stream, flags))

/* An event that stands for a place in a capture cannot be asked about; and asking is not safe while others capture. */
static CUresult captured(CUevent handle) {
  CUresult result = CUDA_SUCCESS;
  return graph_capture_asked(handle, &result) ? result : CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent hEvent) {
  struct event *event = NULL;
  RF_TRY(find(__func__, hEvent, &event));
  RF_TRY(captured(hEvent));
  struct stream *stream = NULL;
  uint64_t number = 0;
  point_of(event, &stream, &number);
  /* Again after it was reached: work that fails is told of before it is done. */
  return !stream || rf_stream_reached(stream, number) ? rf_context_error(event->context) : CUDA_ERROR_NOT_READY;
}

CUresult cuEventSynchronize(CUevent hEvent) {
  struct event *event = NULL;
  RF_TRY(find(__func__, hEvent, &event));
  RF_TRY(captured(hEvent));
  struct stream *stream = NULL;
  uint64_t number = 0;
  point_of(event, &stream, &number);
  if (stream) rf_stream_wait(stream, number);
  rf_print_flush(event->context);
  return (CUresult)atomic_load(&event->context->error);
}

static CUresult elapsed(const char *call, float *milliseconds, CUevent start_handle, CUevent end_handle) {
  RF_TRY(rf_enter(call));
  if (!milliseconds) return CUDA_ERROR_INVALID_VALUE;
  struct event *events[2] = {NULL, NULL};
  RF_TRY(find(call, start_handle, &events[0]));
  RF_TRY(find(call, end_handle, &events[1]));
  RF_TRY(captured(start_handle));
  RF_TRY(captured(end_handle));
  uint64_t times[2] = {0, 0};
  bool ready = true;
  for (int i = 0; i < 2; i++) {
    struct event *const event = events[i];
    struct stream *stream = NULL;
    uint64_t number = 0;
    if (!is_timed(event)) return CUDA_ERROR_INVALID_HANDLE;
    struct timing *const timing = timing_of(event);
    lock(timing);
    point_of(event, &stream, &number);
    ready = ready && stream && rf_stream_reached(stream, number);
    times[i] = timing->time_ns;
    unlock(timing);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
  }
  if (!ready) return CUDA_ERROR_NOT_READY;
  if (events[0]->context != events[1]->context) return CUDA_ERROR_INVALID_HANDLE;
  RF_TRY(rf_context_error(events[0]->context));
  *milliseconds = (float)((double)(int64_t)(times[1] - times[0]) / 1e6);
  return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float *pMilliseconds, CUevent hStart, CUevent hEnd) {
  return elapsed(__func__, pMilliseconds, hStart, hEnd);
}

CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd) {
  return elapsed(__func__, pMilliseconds, hStart, hEnd);
}

static CUresult wait_event(const char *call, CUstream stream_handle, CUstream null_stream, CUevent handle, unsigned flags) {
  struct event *event = NULL;
  struct stream *stream = NULL;
  RF_TRY(find(call, handle, &event));
  if (flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_stream_find(stream_handle, null_stream, &stream));
  if (graph_capturing() || atomic_load_explicit(&graph_captured_events, memory_order_relaxed)) {
    const struct graph_stream where = rf_graph_stream(stream);
    CUresult result = CUDA_SUCCESS;
    if (graph_capture_wait(&where, handle, flags != 0, &result)) return result;
  }
  if (flags) return CUDA_ERROR_INVALID_VALUE; /* external waits are for captures */
  return rf_event_wait(event, stream);
}

CUresult rf_event_wait(struct event *event, struct stream *stream) {
  struct rf_op op = {.kind = RF_OP_WAIT_STREAM};
  point_of(event, &op.wait.stream, &op.wait.number);
  if (!op.wait.stream || rf_stream_reached(op.wait.stream, op.wait.number)) return CUDA_SUCCESS;
  return rf_submit(stream, &op, RF_LATER, false);
}

RF_TWIN(cuStreamWaitEvent, _ptsz, (CUstream hStream, CUevent hEvent, unsigned int Flags),
        wait_event(call, hStream, null_stream, hEvent, Flags))
