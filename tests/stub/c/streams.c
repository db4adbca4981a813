/* Streams and events: order, overlap, NOT_READY, the legacy stream's rules, waits in memory, callbacks, many threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "check.h"

static atomic_int gate; /* host functions wait at it, so that a stream is surely busy */
static atomic_int passed;

static void nap(void) {
  const struct timespec millisecond = {.tv_nsec = 1000000};
  nanosleep(&millisecond, NULL);
}

static void wait_at_gate(void *unused) {
  (void)unused;
  while (!atomic_load(&gate)) nap();
  atomic_fetch_add(&passed, 1);
}

static void not_ready(void) {
  CUstream stream = NULL;
  CUevent event = NULL;
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&event, 0));
  OK(cuEventQuery(event)); /* never recorded */
  OK(cuStreamQuery(stream));
  atomic_store(&gate, 0);
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL));
  OK(cuEventRecord(event, stream));
  FAILS(NOT_READY, cuStreamQuery(stream));
  FAILS(NOT_READY, cuEventQuery(event));
  atomic_store(&gate, 1);
  OK(cuEventSynchronize(event));
  OK(cuEventQuery(event));
  OK(cuStreamSynchronize(stream));
  OK(cuStreamQuery(stream));
  OK(cuEventDestroy_v2(event));
  OK(cuStreamDestroy_v2(stream));
}

static void times(void) {
  CUstream stream = NULL;
  CUevent start = NULL, end = NULL, untimed = NULL;
  float ms = -1;
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&start, 0));
  OK(cuEventCreate(&end, 0));
  OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
  FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, start, end)); /* not recorded */
  atomic_store(&gate, 0);
  OK(cuEventRecord(start, stream));
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL));
  OK(cuEventRecord(end, stream));
  OK(cuEventRecord(untimed, stream));
  FAILS(NOT_READY, cuEventElapsedTime_v2(&ms, start, end));
  FAILS(NOT_READY, cuEventQuery(untimed));
  for (int i = 0; i < 20; i++) nap();
  atomic_store(&gate, 1);
  OK(cuStreamSynchronize(stream));
  OK(cuEventElapsedTime_v2(&ms, start, end));
  CHECK(ms >= 20 && ms < 60000);
  OK(cuEventElapsedTime(&ms, end, start));
  CHECK(ms <= -20);
  FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, start, untimed));
  OK(cuEventDestroy_v2(start));
  FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, start, end));
  OK(cuEventDestroy_v2(end));
  OK(cuEventDestroy_v2(untimed));
  OK(cuStreamDestroy_v2(stream));
}

static void order_in_a_stream(void) {
  enum { STEPS = 500, SIZE = 128 << 10 };
  CUstream stream = NULL;
  CUdeviceptr a = 0, b = 0;
  uint8_t *pinned = NULL;
  OK(cuStreamCreate(&stream, 0));
  OK(cuMemAlloc_v2(&a, SIZE));
  OK(cuMemAlloc_v2(&b, SIZE));
  OK(cuMemHostAlloc((void **)&pinned, SIZE, 0));
  for (unsigned i = 1; i <= STEPS; i++) {
    /* large on the stream's thread, small perhaps on ours: the order must hold all the same */
    OK(cuMemsetD32Async(a, i, SIZE / 4, stream));
    OK(cuMemsetD32Async(a, i + 1, 1, stream));
    OK(cuMemcpyDtoDAsync_v2(b, a, i % 2 ? SIZE : 64, stream));
  }
  OK(cuMemcpyDtoHAsync_v2(pinned, b, SIZE, stream));
  OK(cuStreamSynchronize(stream));
  const unsigned *const words = (const unsigned *)(void *)pinned;
  CHECK(words[0] == STEPS + 1 && words[1] == STEPS && words[SIZE / 4 - 1] == STEPS - 1);
  OK(cuMemFreeHost(pinned));
  OK(cuMemFree_v2(a));
  OK(cuMemFree_v2(b));
  OK(cuStreamDestroy_v2(stream));
}

static void legacy_rules(void) {
  CUstream blocking = NULL, free_running = NULL;
  CUdeviceptr a = 0;
  unsigned value = 0;
  OK(cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
  OK(cuStreamCreate(&free_running, CU_STREAM_NON_BLOCKING));
  OK(cuMemAlloc_v2(&a, 4));

  /* work in the legacy stream waits for blocking streams */
  atomic_store(&gate, 0);
  OK(cuLaunchHostFunc(blocking, wait_at_gate, NULL));
  OK(cuMemsetD32Async(a, 1, 1, blocking));
  OK(cuMemsetD32Async(a, 2, 1, 0));
  FAILS(NOT_READY, cuStreamQuery(0));
  FAILS(NOT_READY, cuStreamQuery(CU_STREAM_LEGACY));
  OK(cuStreamQuery(free_running));
  /* a non-blocking stream neither waits nor is waited for */
  OK(cuMemsetD32Async(a, 7, 1, free_running));
  OK(cuStreamSynchronize(free_running));
  /* and blocking streams wait for the legacy stream */
  OK(cuMemsetD32Async(a, 3, 1, blocking));
  atomic_store(&gate, 1);
  OK(cuStreamSynchronize(blocking));
  OK(cuMemcpyDtoH_v2(&value, a, 4));
  CHECK(value == 3);

  atomic_store(&gate, 0);
  OK(cuLaunchHostFunc(free_running, wait_at_gate, NULL));
  OK(cuMemsetD32_v2(a, 4, 1)); /* would hang if it waited */
  OK(cuStreamQuery(0));
  OK(cuLaunchHostFunc(0, wait_at_gate, NULL));
  OK(cuMemsetD32Async(a, 5, 1, blocking));
  FAILS(NOT_READY, cuStreamQuery(blocking));
  atomic_store(&gate, 1);
  OK(cuCtxSynchronize());
  OK(cuMemcpyDtoH_v2(&value, a, 4));
  CHECK(value == 5);

  /* a destroyed stream's work still goes on, and is still waited for */
  atomic_store(&gate, 0);
  atomic_store(&passed, 0);
  OK(cuLaunchHostFunc(blocking, wait_at_gate, NULL));
  OK(cuStreamDestroy_v2(blocking));
  FAILS(INVALID_HANDLE, cuStreamQuery(blocking));
  atomic_store(&gate, 1);
  OK(cuCtxSynchronize());
  CHECK(atomic_load(&passed) == 1);
  OK(cuStreamDestroy_v2(free_running));
  OK(cuMemFree_v2(a));
}

static void waits_between_streams(void) {
  CUstream first = NULL, second = NULL;
  CUevent event = NULL;
  CUdeviceptr a = 0;
  unsigned value = 0;
  OK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
  OK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  OK(cuMemAlloc_v2(&a, 4));
  for (int round = 0; round < 50; round++) {
    atomic_store(&gate, 0);
    OK(cuLaunchHostFunc(first, wait_at_gate, NULL));
    OK(cuMemsetD32Async(a, 10, 1, first));
    OK(cuEventRecord(event, first));
    OK(cuStreamWaitEvent(second, event, 0));
    OK(cuMemsetD32Async(a, 20, 1, second));
    FAILS(NOT_READY, cuStreamQuery(second));
    /* recorded again elsewhere, already over there: the wait above still means the first record */
    CUstream third = NULL;
    OK(cuStreamCreate(&third, CU_STREAM_NON_BLOCKING));
    OK(cuEventRecord(event, third));
    OK(cuEventQuery(event));
    FAILS(NOT_READY, cuStreamQuery(second));
    OK(cuStreamDestroy_v2(third));
    atomic_store(&gate, 1);
    OK(cuStreamSynchronize(second));
    OK(cuMemcpyDtoH_v2(&value, a, 4));
    CHECK(value == 20);
  }
  OK(cuEventDestroy_v2(event));
  OK(cuStreamDestroy_v2(first));
  OK(cuStreamDestroy_v2(second));
  OK(cuMemFree_v2(a));
}

static void values_in_memory(void) {
  CUstream stream = NULL;
  uint32_t *flag = NULL;
  CUdeviceptr a = 0;
  unsigned value = 0;
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuMemHostAlloc((void **)&flag, 64, 0));
  OK(cuMemAlloc_v2(&a, 64));
  OK(cuMemsetD32_v2(a, 0, 16));
  *flag = 0;
  const CUdeviceptr at = (CUdeviceptr)(uintptr_t)flag;
  OK(cuStreamWaitValue32(stream, at, 5, CU_STREAM_WAIT_VALUE_GEQ));
  OK(cuStreamWriteValue32(stream, a, 77, 0));
  OK(cuStreamWriteValue64(stream, a + 8, 0x1122334455667788ull, 0));
  nap();
  FAILS(NOT_READY, cuStreamQuery(stream));
  __atomic_store_n(flag, 4, __ATOMIC_RELEASE);
  nap();
  FAILS(NOT_READY, cuStreamQuery(stream));
  __atomic_store_n(flag, 6, __ATOMIC_RELEASE);
  OK(cuStreamSynchronize(stream));
  OK(cuMemcpyDtoH_v2(&value, a, 4));
  CHECK(value == 77);
  FAILS(INVALID_VALUE, cuStreamWaitValue32(stream, at + 1, 5, 0));
  FAILS(INVALID_VALUE, cuStreamWaitValue32(stream, at + 64, 5, 0));
  FAILS(INVALID_VALUE, cuStreamWriteValue64(stream, a + 4, 5, 0));
  CUstreamBatchMemOpParams both[2] = {
      {.writeValue = {.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32, .address = a + 16, .value = 3}},
      {.waitValue = {.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32, .address = a + 16, .value = 3, .flags = CU_STREAM_WAIT_VALUE_EQ}}};
  OK(cuStreamBatchMemOp_v2(stream, 2, both, 0));
  OK(cuStreamSynchronize(stream));
  OK(cuMemFreeHost(flag));
  OK(cuMemFree_v2(a));
  OK(cuStreamDestroy_v2(stream));
}

static atomic_int told;

static void callback(CUstream stream, CUresult status, void *data) {
  CHECK(status == CUDA_SUCCESS && stream == *(CUstream *)data);
  atomic_fetch_add(&told, 1);
}

static void callbacks(void) {
  CUstream stream = NULL;
  OK(cuStreamCreate(&stream, 0));
  for (int i = 0; i < 10; i++) OK(cuStreamAddCallback(stream, callback, &stream, 0));
  OK(cuStreamSynchronize(stream));
  CHECK(atomic_load(&told) == 10);
  FAILS(INVALID_VALUE, cuStreamAddCallback(stream, NULL, NULL, 0));
  OK(cuStreamDestroy_v2(stream));
}

/* Pageable memory is free again when the call returns, however busy the stream is. */
static void pageable(void) {
  CUstream stream = NULL;
  CUdeviceptr a = 0;
  uint8_t in[1000], out[1000], wanted[1000];
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuMemAlloc_v2(&a, 1000));
  pattern(in, sizeof in, 1);
  memcpy(wanted, in, sizeof in);
  atomic_store(&gate, 0);
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL));
  OK(cuMemcpyHtoDAsync_v2(a, in, sizeof in, stream));
  memset(in, 0, sizeof in);
  atomic_store(&gate, 1);
  OK(cuMemcpyDtoHAsync_v2(out, a, sizeof out, stream)); /* done when it returns */
  CHECK(!memcmp(out, wanted, sizeof out));
  OK(cuMemFree_v2(a));
  OK(cuStreamDestroy_v2(stream));
}

static void attributes(void) {
  CUstream stream = NULL;
  int priority = 9, least = 9, greatest = 9;
  unsigned flags = 9;
  unsigned long long id = 0, other = 0;
  CUcontext context = NULL, mine = NULL;
  CUstreamAttrValue value;
  OK(cuCtxGetStreamPriorityRange(&least, &greatest));
  CHECK(least == 0 && greatest < 0);
  OK(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -1000));
  OK(cuStreamGetPriority(stream, &priority));
  CHECK(priority == greatest);
  OK(cuStreamGetFlags(stream, &flags));
  CHECK(flags == CU_STREAM_NON_BLOCKING);
  OK(cuStreamGetId(stream, &id));
  OK(cuStreamGetId(0, &other));
  CHECK(id != other);
  OK(cuStreamGetCtx(stream, &context));
  OK(cuCtxGetCurrent(&mine));
  CHECK(context == mine);
  OK(cuStreamGetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
  CHECK(value.syncPolicy == CU_SYNC_POLICY_AUTO);
  value.syncPolicy = CU_SYNC_POLICY_YIELD;
  OK(cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
  value.syncPolicy = 99;
  FAILS(INVALID_VALUE, cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
  CUstreamCaptureStatus capturing = 9;
  OK(cuStreamIsCapturing(stream, &capturing));
  CHECK(capturing == CU_STREAM_CAPTURE_STATUS_NONE);
  cuuint64_t capture = 9; /* told of active captures only */
  OK(cuStreamGetCaptureInfo_v2(stream, &capturing, &capture, NULL, NULL, NULL));
  CHECK(capturing == CU_STREAM_CAPTURE_STATUS_NONE);
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  OK(cuThreadExchangeStreamCaptureMode(&mode));
  CHECK(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
  FAILS(INVALID_VALUE, cuStreamCreate(&stream, 16));
  OK(cuStreamDestroy_v2(stream));
}

/* ---- many threads, each with streams of its own and its per-thread default stream --------------------------------- */

static CUcontext shared;

static void *worker(void *argument) {
  enum { SIZE = 100000, ROUNDS = 60 };
  const unsigned number = (unsigned)(uintptr_t)argument;
  CUstream stream = NULL;
  CUevent event = NULL;
  CUdeviceptr a = 0, b = 0;
  uint8_t *in = NULL, *out = NULL;
  OK(cuCtxSetCurrent(shared));
  OK(cuStreamCreate(&stream, number % 2 ? CU_STREAM_NON_BLOCKING : 0));
  OK(cuEventCreate(&event, number % 3 ? 0 : CU_EVENT_DISABLE_TIMING));
  CUdeviceptr scratch = 0;
  OK(cuMemAlloc_v2(&scratch, 100));
  OK(cuMemAlloc_v2(&a, SIZE));
  OK(cuMemHostAlloc((void **)&in, SIZE, 0));
  OK(cuMemHostAlloc((void **)&out, SIZE, 0));
  for (unsigned round = 0; round < ROUNDS; round++) {
    pattern(in, SIZE, number * 1000 + round);
    OK(cuMemAllocAsync(&b, SIZE, stream));
    OK(cuMemcpyHtoDAsync_v2(a, in, SIZE, stream));
    OK(cuMemcpyDtoDAsync_v2(b, a, SIZE, stream));
    OK(cuEventRecord(event, stream));
    OK(cuStreamWaitEvent_ptsz(0, event, 0));
    OK(cuMemcpyDtoHAsync_v2_ptsz(out, b, SIZE, 0));
    OK(cuStreamSynchronize_ptsz(0));
    OK(cuMemFreeAsync(b, stream));
    CHECK(!memcmp(in, out, SIZE));
    if (round % 8 == number) OK(cuMemsetD8Async(scratch, 0, 100, 0)); /* the legacy stream in between */
  }
  OK(cuStreamSynchronize(stream));
  OK(cuStreamDestroy_v2(stream));
  OK(cuEventDestroy_v2(event));
  OK(cuMemFree_v2(a));
  OK(cuMemFree_v2(scratch));
  OK(cuMemFreeHost(in));
  OK(cuMemFreeHost(out));
  return NULL;
}

static void threads(void) {
  enum { COUNT = 6 };
  pthread_t thread[COUNT];
  OK(cuCtxGetCurrent(&shared));
  const size_t before = free_memory();
  for (uintptr_t i = 0; i < COUNT; i++) CHECK(!pthread_create(&thread[i], NULL, worker, (void *)i));
  for (int i = 0; i < COUNT; i++) pthread_join(thread[i], NULL);
  OK(cuCtxSynchronize());
  CHECK(free_memory() == before);
}

/* Several threads on one stream: short operations on their own threads, long ones and host functions on the stream's, and waits for either. */
static CUstream common;

static void nothing(void *unused) { (void)unused; }

static void *sharer(void *argument) {
  enum { ROUNDS = 400, SLOT = 64, LONG = 1 << 20 };
  const unsigned number = (unsigned)(uintptr_t)argument;
  OK(cuCtxSetCurrent(shared));
  CUdeviceptr slot, large;
  unsigned char *seen;
  OK(cuMemAlloc_v2(&slot, SLOT));
  OK(cuMemAlloc_v2(&large, LONG));
  OK(cuMemHostAlloc((void **)&seen, SLOT, 0));
  for (unsigned round = 0; round < ROUNDS; round++) {
    const unsigned char value = (unsigned char)(round * 4 + number);
    OK(cuMemsetD8Async(slot, value, SLOT, common));
    if (round % 16 == number) OK(cuMemsetD8Async(large, value, LONG, common));
    if (round % 32 == number) OK(cuLaunchHostFunc(common, nothing, NULL));
    OK(cuMemcpyDtoHAsync_v2(seen, slot, SLOT, common));
    if (round % 3 != number % 3) continue;
    OK(cuStreamSynchronize(common));
    for (unsigned i = 0; i < SLOT; i++) CHECK(seen[i] == value);
  }
  OK(cuStreamSynchronize(common));
  OK(cuMemFree_v2(slot));
  OK(cuMemFree_v2(large));
  OK(cuMemFreeHost(seen));
  return NULL;
}

static void one_stream_of_many(void) {
  enum { COUNT = 4, TIMES = 3 };
  pthread_t thread[COUNT];
  OK(cuCtxGetCurrent(&shared));
  for (int time = 0; time < TIMES; time++) {
    OK(cuStreamCreate(&common, time % 2 ? CU_STREAM_NON_BLOCKING : 0));
    for (uintptr_t i = 0; i < COUNT; i++) CHECK(!pthread_create(&thread[i], NULL, sharer, (void *)i));
    for (int i = 0; i < COUNT; i++) CHECK(!pthread_join(thread[i], NULL));
    OK(cuStreamDestroy_v2(common));
  }
}

int main(void) {
  CUcontext context = begin();
  not_ready();
  times();
  order_in_a_stream();
  legacy_rules();
  waits_between_streams();
  values_in_memory();
  callbacks();
  pageable();
  attributes();
  threads();
  one_stream_of_many();
  OK(cuCtxDestroy_v2(context));
  return 0;
}
