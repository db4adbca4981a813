/* Executes the operations of streams: what the GPU does, on whatever thread it does it. */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "context.h"
#include "event.h"
#include "fault.h"
#include "graph_run.h"
#include "kernel.h"
#include "log.h"
#include "memop.h"
#include "settings.h"
#include "space.h"
#include "stream.h"

static void sleep_until(uint64_t deadline_ns) {
  const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u), .tv_nsec = (long)(deadline_ns % 1000000000u)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR) {
  }
}

/* The slow copy of the settings: the real one has already happened, the rest of its time is slept. */
static void slow_down(uint64_t begun_ns, uint64_t bytes) {
  uint64_t duration = rf_settings.latency_ns;
  if (rf_settings.bandwidth) duration += (uint64_t)((double)bytes * 1e9 / (double)rf_settings.bandwidth);
  sleep_until(begun_ns + duration);
}

static void fault_of(struct stream *stream, const struct rf_op *op, CUresult result, CUdeviceptr address) {
  if (!result) return;
  rf_space_complain(op->call ? op->call : "an operation", "the GPU's access to", address, 1);
  rf_context_fail(stream->context, result);
}

static void copy_or_fill(struct stream *stream, const struct rf_op *op) {
  struct context *const context = stream->context;
  if (RF_UNLIKELY(atomic_load_explicit(&rf_faults_armed, memory_order_relaxed))) {
    const enum rf_op_fault ordered = rf_fault_operation();
    if (ordered == RF_OP_FAULT_DEVICE_LOST) {
      rf_device_lose(context->device);
      return;
    }
    if (ordered == RF_OP_FAULT_ILLEGAL_ADDRESS) {
      rf_log(RF_LOG_ERROR, "%s: illegal address, as RINGFENCE_STUB_FAULTS ordered", op->call);
      rf_context_fail(context, CUDA_ERROR_ILLEGAL_ADDRESS);
      return;
    }
  }
  CUdeviceptr fault = 0;
  if (op->kind == RF_OP_FILL) {
    fault_of(stream, op, rf_fill_execute(&op->fill, &fault), fault);
    return;
  }
  const bool slow = rf_settings.bandwidth || rf_settings.latency_ns;
  const uint64_t begun = slow ? rf_now_ns() : 0;
  fault_of(stream, op, rf_copy_execute(&op->copy, &fault), fault);
  if (slow) slow_down(begun, op->copy.width * op->copy.height * op->copy.depth);
}

void rf_execute(struct stream *stream, struct rf_op *op) {
  struct context *const context = stream->context;
  const CUresult error = (CUresult)atomic_load_explicit(&context->error, memory_order_acquire);
  switch (op->kind) {
    /* These happen whatever became of the context, or others would wait for ever or memory would be lost. */
    case RF_OP_RECORD: rf_event_stamp(op->record.event, op->record.record); return;
    case RF_OP_WAIT_STREAM: rf_stream_wait(op->wait.stream, op->wait.number); return;
    case RF_OP_FREE: rf_space_free(op->free.address, NULL); return;
    case RF_OP_CALLBACK:
      rf_in_callback = true;
      op->callback.function(op->callback.stream, error, op->callback.data);
      rf_in_callback = false;
      return;
    case RF_OP_NOTHING: return;
    case RF_OP_GRAPH: rf_graph_execute(stream, op->graph.run, op->graph.first, op->graph.count); return;
    case RF_OP_KERNEL: rf_kernel_execute(stream, op->launch); return; /* it looks at the error itself */
    /* The rest is work of the context, and a poisoned one does none. */
    case RF_OP_COPY:
    case RF_OP_FILL:
      if (!error) copy_or_fill(stream, op);
      return;
    case RF_OP_HOST:
      if (error) return;
      rf_in_callback = true;
      op->host.function(op->host.data);
      rf_in_callback = false;
      return;
    case RF_OP_MEMOPS:
      if (!error) rf_memops_execute(stream, op->memops.list, op->memops.count);
      return;
  }
}
