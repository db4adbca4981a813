/* See memop.h. A waiting stream polls, as the hardware does: whoever writes the value need not know that we wait. */
#include "memop.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture.h"
#include "context.h"
#include "copy.h"
#include "space.h"
#include "stream.h"

#define SPINS 2000         /* then the poll sleeps in between */
#define SLEEP_LEAST_NS 5000
#define SLEEP_MOST_NS 100000

static void *locate(CUdeviceptr address) {
  uint64_t length = 0;
  return rf_space_owns(address) ? (void *)rf_space_translate(address, &length) : (void *)(uintptr_t)address;
}

static bool is_wide(const CUstreamBatchMemOpParams *op) {
  return op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64 || op->operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;
}

static bool is_wait(const CUstreamBatchMemOpParams *op) {
  return op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_32 || op->operation == CU_STREAM_MEM_OP_WAIT_VALUE_64;
}

static bool satisfied(const CUstreamBatchMemOpParams *op, void *at) {
  const unsigned condition = op->waitValue.flags & 3;
  if (is_wide(op)) {
    const uint64_t value = atomic_load_explicit((_Atomic uint64_t *)at, memory_order_acquire), wanted = op->waitValue.value64;
    return condition == CU_STREAM_WAIT_VALUE_GEQ   ? (int64_t)(value - wanted) >= 0
           : condition == CU_STREAM_WAIT_VALUE_EQ  ? value == wanted
           : condition == CU_STREAM_WAIT_VALUE_AND ? (value & wanted) != 0
                                                   : ~(value | wanted) != 0;
  }
  const uint32_t value = atomic_load_explicit((_Atomic uint32_t *)at, memory_order_acquire), wanted = op->waitValue.value;
  return condition == CU_STREAM_WAIT_VALUE_GEQ   ? (int32_t)(value - wanted) >= 0
         : condition == CU_STREAM_WAIT_VALUE_EQ  ? value == wanted
         : condition == CU_STREAM_WAIT_VALUE_AND ? (value & wanted) != 0
                                                 : ~(value | wanted) != 0;
}

static bool wait_for(struct stream *stream, const CUstreamBatchMemOpParams *op) {
  long sleep_ns = SLEEP_LEAST_NS;
  for (uint64_t turn = 0;; turn++) {
    void *const at = locate(op->waitValue.address); /* each time: its memory may go while we wait */
    if (!at) return false;
    if (satisfied(op, at)) return true;
    if (atomic_load_explicit(&stream->context->error, memory_order_acquire) || atomic_load_explicit(&stream->context->ending, memory_order_acquire)) return true;
    if (turn < SPINS) continue;
    const struct timespec nap = {.tv_nsec = sleep_ns};
    nanosleep(&nap, NULL);
    if (sleep_ns < SLEEP_MOST_NS) sleep_ns += sleep_ns / 8;
  }
}

void rf_memops_execute(struct stream *stream, const CUstreamBatchMemOpParams *list, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    const CUstreamBatchMemOpParams *const op = &list[i];
    bool good = true;
    if (is_wait(op)) {
      good = wait_for(stream, op);
    } else if (op->operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 || op->operation == CU_STREAM_MEM_OP_WRITE_VALUE_64) {
      void *const at = locate(op->writeValue.address);
      good = at != NULL;
      if (good && is_wide(op)) atomic_store((_Atomic uint64_t *)at, op->writeValue.value64);
      if (good && !is_wide(op)) atomic_store((_Atomic uint32_t *)at, op->writeValue.value);
    }
    if (!good) {
      rf_space_complain("a stream memory operation", "the GPU's access to", op->waitValue.address, is_wide(op) ? 8 : 4);
      rf_context_fail(stream->context, CUDA_ERROR_ILLEGAL_ADDRESS);
      return;
    }
  }
}

static CUresult check(const char *call, const CUstreamBatchMemOpParams *op) {
  switch ((int)op->operation) {
    case CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES: return CUDA_ERROR_NOT_SUPPORTED; /* attribute 98 says so */
    case CU_STREAM_MEM_OP_BARRIER: return op->memoryBarrier.flags > 1 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
      if (op->waitValue.flags & CU_STREAM_WAIT_VALUE_FLUSH) return CUDA_ERROR_NOT_SUPPORTED;
      if (op->waitValue.flags > CU_STREAM_WAIT_VALUE_NOR) return CUDA_ERROR_INVALID_VALUE;
      break;
    case CU_STREAM_MEM_OP_WRITE_VALUE_32:
    case CU_STREAM_MEM_OP_WRITE_VALUE_64:
      if (op->writeValue.flags & ~(unsigned)CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER) return CUDA_ERROR_INVALID_VALUE;
      break;
    default: return CUDA_ERROR_INVALID_VALUE;
  }
  const uint64_t size = is_wide(op) ? 8 : 4;
  if (op->waitValue.address % size) return CUDA_ERROR_INVALID_VALUE;
  struct rf_end end;
  return rf_end_unified(call, is_wait(op) ? "the address to wait for" : "the address to write", op->waitValue.address, size,
                        is_wait(op) ? RF_READ : RF_WRITE, false, &end);
}

CUresult rf_memops_check(const char *call, const CUstreamBatchMemOpParams *list, unsigned count) {
  for (unsigned i = 0; i < count; i++) RF_TRY(check(call, &list[i]));
  return CUDA_SUCCESS;
}

static CUresult submit(const char *call, CUstream handle, CUstream null_stream, const CUstreamBatchMemOpParams *list, unsigned count,
                       unsigned flags) {
  RF_TRY(rf_enter(call));
  if (!list || !count || count > 256 || flags) return CUDA_ERROR_INVALID_VALUE;
  struct stream *stream = NULL;
  RF_TRY(rf_stream_find(handle, null_stream, &stream));
  const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
                                   .memOp = {rf_context_handle(stream->context), count, (CUstreamBatchMemOpParams *)(uintptr_t)list, 0}};
  CUresult result = CUDA_SUCCESS;
  if (graph_capturing() && rf_capture(stream, &given, &result)) return result;
  RF_TRY(rf_memops_check(call, list, count));
  CUstreamBatchMemOpParams *const copy = malloc(count * sizeof *copy);
  if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
  memcpy(copy, list, count * sizeof *copy);
  bool waits = false;
  for (unsigned i = 0; i < count; i++) waits = waits || is_wait(&copy[i]);
  const struct rf_op op = {.kind = RF_OP_MEMOPS, .call = call, .owned = copy, .memops = {.list = copy, .count = count}};
  return rf_submit(stream, &op, RF_LATER, !waits);
}

static CUresult submit_one(const char *call, CUstream handle, CUstream null_stream, CUstreamBatchMemOpType operation,
                           CUdeviceptr address, uint64_t value, unsigned flags) {
  /* waitValue and writeValue have one layout; a 32-bit value is the low half of value64. */
  const CUstreamBatchMemOpParams op = {
      .waitValue = {.operation = operation, .address = address, .value64 = value, .flags = flags}};
  return submit(call, handle, null_stream, &op, 1, 0);
}

/* The first version of these calls and the second differ in what hardware had to support, not in what they do. */
#define RF_VALUE_CALL(name, type, operation)                                                       \
  RF_TWIN(name, _ptsz, (CUstream stream, CUdeviceptr addr, type value, unsigned int flags),        \
          submit_one(call, stream, null_stream, operation, addr, value, flags))                    \
  RF_TWIN(name##_v2, _ptsz, (CUstream stream, CUdeviceptr addr, type value, unsigned int flags),   \
          submit_one(call, stream, null_stream, operation, addr, value, flags))

RF_VALUE_CALL(cuStreamWaitValue32, cuuint32_t, CU_STREAM_MEM_OP_WAIT_VALUE_32)
RF_VALUE_CALL(cuStreamWaitValue64, cuuint64_t, CU_STREAM_MEM_OP_WAIT_VALUE_64)
RF_VALUE_CALL(cuStreamWriteValue32, cuuint32_t, CU_STREAM_MEM_OP_WRITE_VALUE_32)
RF_VALUE_CALL(cuStreamWriteValue64, cuuint64_t, CU_STREAM_MEM_OP_WRITE_VALUE_64)

RF_TWIN(cuStreamBatchMemOp, _ptsz, (CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags),
        submit(call, stream, null_stream, paramArray, count, flags))
RF_TWIN(cuStreamBatchMemOp_v2, _ptsz, (CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags),
        submit(call, stream, null_stream, paramArray, count, flags))
