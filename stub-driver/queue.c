/*
 * The engine under streams: submission, the thread that drains a queue, waiting. See stream.h.
 *
 * An operation on an idle stream can run on the caller's thread: a synchronous one always, a small asynchronous one
 * too (the stream's thread would take longer to wake than the operation takes). `busy` or `brief` keeps the order meanwhile.
 */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "context.h"
#include "event.h"
#include "kernel.h"
#include "log.h"
#include "settings.h"
#include "stream.h"

#define SPINS 100 /* a few microseconds: what a futex sleep and wake would cost */
#define MOVED_BYTES ((uint64_t)8 << 20) /* a copy of about a millisecond: worth the tens of microseconds of a move */

/* Between two looks for the end of a brief operation, which nobody is woken by. */
static const struct timespec nap = {.tv_nsec = 50000};

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* `limit`: NULL, or the longest sleep. */
static void futex_wait(_Atomic uint32_t *word, uint32_t value, const struct timespec *limit) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, limit, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0); }

uint64_t rf_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------ */

bool rf_stream_reached(struct stream *stream, uint64_t number) {
  return atomic_load_explicit(&stream->completed, memory_order_acquire) >= number;
}

void rf_stream_wait(struct stream *stream, uint64_t number) {
  for (int i = 0; i < SPINS; i++) {
    if (rf_stream_reached(stream, number)) return;
    pause_briefly();
  }
  atomic_fetch_add(&stream->waiters, 1);
  for (;;) {
    const uint32_t seen = atomic_load(&stream->finished);
    /* Before the number: once it is cleared, what it stood for is complete. */
    const bool brief = atomic_load(&stream->brief) != 0;
    if (atomic_load(&stream->completed) >= number) break;
    futex_wait(&stream->finished, seen, brief ? &nap : NULL);
  }
  atomic_fetch_sub(&stream->waiters, 1);
}

/* The one that executed an operation says so. Not under the queue's lock. */
static void wake_waiters(struct stream *stream) {
  if (atomic_load(&stream->waiters) == 0) return;
  atomic_fetch_add(&stream->finished, 1);
  futex_wake(&stream->finished);
}

static bool has_work(struct stream *stream) {
  return atomic_load_explicit(&stream->completed, memory_order_acquire) !=
         atomic_load_explicit(&stream->submitted, memory_order_acquire);
}

/* ---- the thread --------------------------------------------------------------------------------------------------- */

static void push(struct stream *stream, const struct rf_op *op) {
  stream->queue[(stream->head + stream->count++) & (stream->capacity - 1)] = *op;
  atomic_fetch_add_explicit(&stream->submitted, 1, memory_order_release);
}

static void finish(struct stream *stream, struct rf_op *op) {
  free(op->owned);
  pthread_mutex_lock(&stream->lock);
  stream->busy = false;
  atomic_fetch_add(&stream->completed, 1);
  pthread_mutex_unlock(&stream->lock);
  wake_waiters(stream);
}

/* A destroyed stream stays in its context's list until its work is done, so that synchronising still means it. */
static void recycle(struct stream *stream) {
  struct context *const context = stream->context;
  pthread_mutex_lock(&context->lock);
  struct stream **link = &context->streams;
  while (*link && *link != stream) link = &(*link)->next_in_context;
  if (*link) {
    *link = stream->next_in_context;
    if (stream->blocking) atomic_fetch_sub(&context->blocking_streams, 1);
  }
  pthread_mutex_unlock(&context->lock);
  rf_object_recycle(RF_KIND_STREAM, &stream->object);
}

/* A long copy leaves the core of the thread that submitted it, as a card's copy engine has no core at all. Linux wakes this thread beside
 * its waker and leaves it there beside an idle core, and a submitter that looks for the end now and then would interrupt the copy each time: a
 * quarter of its rate. */
static void make_room(const struct stream *stream, const struct rf_op *op) {
  const int core = sched_getcpu();
  if (op->kind != RF_OP_COPY || core < 0 || core != atomic_load_explicit(&stream->rung_on, memory_order_relaxed) ||
      op->copy.width * op->copy.height * op->copy.depth < MOVED_BYTES)
    return;
  cpu_set_t allowed, others;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return; /* more cores than cpu_set_t holds: no shortage of them */
  others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
}

/* Until the short operation on another thread is over. Somebody may have taken that thread's core. */
static void await_brief(struct stream *stream) {
  for (int i = 0; atomic_load_explicit(&stream->brief, memory_order_acquire); i++) {
    if (i < SPINS)
      pause_briefly();
    else
      nanosleep(&nap, NULL);
  }
}

static void *stream_thread(void *argument) {
  struct stream *const stream = argument;
  pthread_mutex_lock(&stream->lock);
  for (;;) {
    if ((stream->count || stream->ending) && atomic_load_explicit(&stream->brief, memory_order_acquire)) {
      pthread_mutex_unlock(&stream->lock);
      await_brief(stream);
      pthread_mutex_lock(&stream->lock);
      continue;
    }
    if (stream->count && !stream->busy) {
      struct rf_op op = stream->queue[stream->head];
      stream->head = (stream->head + 1) & (stream->capacity - 1);
      stream->count--;
      stream->busy = true;
      pthread_mutex_unlock(&stream->lock);
      make_room(stream, &op);
      rf_execute(stream, &op);
      finish(stream, &op);
      pthread_mutex_lock(&stream->lock);
      continue;
    }
    if (stream->ending && !stream->busy) break;
    const uint32_t bell = atomic_load(&stream->bell);
    pthread_mutex_unlock(&stream->lock);
    bool rung = false;
    for (int i = 0; i < SPINS && !rung; i++) {
      rung = atomic_load_explicit(&stream->bell, memory_order_relaxed) != bell;
      pause_briefly();
    }
    if (!rung) {
      atomic_store(&stream->asleep, 1);
      if (atomic_load(&stream->bell) == bell) futex_wait(&stream->bell, bell, NULL);
      atomic_store(&stream->asleep, 0);
    }
    pthread_mutex_lock(&stream->lock);
  }
  stream->has_thread = false;
  pthread_mutex_unlock(&stream->lock);
  recycle(stream);
  return NULL;
}

static void ring(struct stream *stream) {
  atomic_store_explicit(&stream->rung_on, sched_getcpu(), memory_order_relaxed);
  atomic_fetch_add(&stream->bell, 1);
  if (atomic_load(&stream->asleep)) futex_wake(&stream->bell);
}

/* The queue's lock is held. */
static bool need_thread(struct stream *stream) {
  if (stream->has_thread) return true;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* the program's signals are for the program's threads */
  pthread_t thread;
  stream->has_thread = pthread_create(&thread, NULL, stream_thread, stream) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (stream->has_thread) pthread_detach(thread);
  return stream->has_thread;
}

static bool need_room(struct stream *stream, uint32_t more) {
  if (stream->count + more <= stream->capacity) return true;
  uint32_t capacity = stream->capacity ? stream->capacity : 16;
  while (capacity < stream->count + more) capacity *= 2;
  struct rf_op *const queue = malloc(capacity * sizeof *queue);
  if (!queue) return false;
  for (uint32_t i = 0; i < stream->count; i++) queue[i] = stream->queue[(stream->head + i) & (stream->capacity - 1)];
  free(stream->queue);
  stream->queue = queue;
  stream->capacity = capacity;
  stream->head = 0;
  return true;
}

/* ---- submission --------------------------------------------------------------------------------------------------- */

#define MAX_WAITS 64

/* What the operation has to wait for elsewhere: the other half of the legacy stream's synchronisation. More than
 * MAX_WAITS busy streams: the rest is waited for here. */
static uint32_t collect_waits(struct stream *stream, struct rf_op *waits) {
  struct context *const context = stream->context;
  uint32_t count = 0;
  if (stream->legacy) {
    if (atomic_load_explicit(&context->blocking_streams, memory_order_acquire) == 0) return 0;
    pthread_mutex_lock(&context->lock);
    for (struct stream *other = context->streams; other; other = other->next_in_context) {
      if (!other->blocking || !has_work(other)) continue;
      const uint64_t number = atomic_load(&other->submitted);
      if (count < MAX_WAITS)
        waits[count++] = (struct rf_op){.kind = RF_OP_WAIT_STREAM, .wait = {.stream = other, .number = number}};
      else
        rf_stream_wait(other, number);
    }
    pthread_mutex_unlock(&context->lock);
  } else if (stream->blocking && has_work(context->legacy)) {
    waits[count++] = (struct rf_op){
        .kind = RF_OP_WAIT_STREAM, .wait = {.stream = context->legacy, .number = atomic_load(&context->legacy->submitted)}};
  }
  return count;
}

static CUresult sticky(struct stream *stream) {
  return (CUresult)atomic_load_explicit(&stream->context->error, memory_order_acquire);
}

/* Takes the stream for an operation on this thread. False: it is not idle. */
static bool begin_inline(struct stream *stream, bool brief) {
  pthread_mutex_lock(&stream->lock);
  const bool idle =
      stream->count == 0 && !stream->busy && !stream->ending && !atomic_load_explicit(&stream->brief, memory_order_acquire);
  if (idle) {
    if (brief)
      atomic_store_explicit(&stream->brief, 1, memory_order_relaxed);
    else
      stream->busy = true;
    const uint64_t number = atomic_load_explicit(&stream->submitted, memory_order_relaxed) + 1;
    atomic_store_explicit(&stream->submitted, number, memory_order_release);
  }
  pthread_mutex_unlock(&stream->lock);
  return idle;
}

static void end_inline(struct stream *stream, struct rf_op *op) {
  free(op->owned);
  pthread_mutex_lock(&stream->lock);
  stream->busy = false;
  atomic_fetch_add(&stream->completed, 1);
  const bool more = stream->count != 0 || stream->ending;
  pthread_mutex_unlock(&stream->lock);
  wake_waiters(stream);
  if (more) ring(stream);
}

/* The end of a short copy or fill, without the lock: any locked instruction would wait here for the bytes just written, and with a hundred thousand
 * allocations their line comes from far; so it comes while the program goes on. Both stores are seen in this order, and nobody else writes either
 * meanwhile. There is no fence before the look for waiters, and no ring: who finds `brief` set looks again by himself. */
static void end_brief(struct stream *stream, struct rf_op *op) {
  free(op->owned);
  const uint64_t number = atomic_load_explicit(&stream->completed, memory_order_relaxed) + 1;
  atomic_store_explicit(&stream->completed, number, memory_order_release);
  atomic_store_explicit(&stream->brief, 0, memory_order_release);
  wake_waiters(stream);
}

CUresult rf_submit(struct stream *stream, const struct rf_op *op, enum rf_when when, bool small) {
  struct rf_op waits[MAX_WAITS];
  uint32_t wait_count = collect_waits(stream, waits);
  if (when == RF_NOW && wait_count) {
    /* This thread waits anyway, so it may as well wait for those itself and need no hop to the stream's thread. */
    for (uint32_t i = 0; i < wait_count; i++) rf_stream_wait(waits[i].wait.stream, waits[i].wait.number);
    wait_count = 0;
  }
  const bool brief = when == RF_LATER && (op->kind == RF_OP_COPY || op->kind == RF_OP_FILL);
  if ((when == RF_NOW || small) && wait_count == 0 && begin_inline(stream, brief)) {
    struct rf_op copy = *op;
    rf_execute(stream, &copy);
    if (brief)
      end_brief(stream, &copy);
    else
      end_inline(stream, &copy);
    if (when == RF_LATER) return CUDA_SUCCESS;
    rf_print_flush(stream->context);
    return sticky(stream);
  }
  pthread_mutex_lock(&stream->lock);
  if (!need_thread(stream) || !need_room(stream, wait_count + 1)) {
    pthread_mutex_unlock(&stream->lock);
    free(op->owned);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (uint32_t i = 0; i < wait_count; i++) push(stream, &waits[i]);
  push(stream, op);
  const uint64_t number = atomic_load_explicit(&stream->submitted, memory_order_relaxed);
  pthread_mutex_unlock(&stream->lock);
  ring(stream);
  if (when == RF_LATER) return CUDA_SUCCESS;
  rf_stream_wait(stream, number);
  rf_print_flush(stream->context);
  return sticky(stream);
}

CUresult rf_stream_mark(struct stream *stream, uint64_t *number) {
  struct rf_op waits[MAX_WAITS];
  if (collect_waits(stream, waits)) {
    const struct rf_op nothing = {.kind = RF_OP_NOTHING};
    RF_TRY(rf_submit(stream, &nothing, RF_LATER, false));
  }
  *number = atomic_load_explicit(&stream->submitted, memory_order_acquire);
  return CUDA_SUCCESS;
}

bool rf_stream_idle(struct stream *stream) {
  return !has_work(stream) && (!stream->legacy || rf_stream_clear(stream));
}

bool rf_stream_clear(struct stream *stream) {
  struct rf_op waits[MAX_WAITS];
  return !has_work(stream) && collect_waits(stream, waits) == 0;
}

void rf_stream_drain(struct stream *stream) {
  struct rf_op waits[MAX_WAITS];
  const uint32_t count = stream->legacy ? collect_waits(stream, waits) : 0;
  for (uint32_t i = 0; i < count; i++) rf_stream_wait(waits[i].wait.stream, waits[i].wait.number);
  rf_stream_wait(stream, atomic_load(&stream->submitted));
}

/* ---- life --------------------------------------------------------------------------------------------------------- */

struct stream *rf_stream_new(struct context *context, unsigned flags, int priority) {
  static _Atomic uint64_t next_id = 1;
  bool fresh = false;
  struct stream *const stream = rf_object_new(RF_KIND_STREAM, &fresh);
  if (!stream) return NULL;
  if (fresh) pthread_mutex_init(&stream->lock, NULL);
  /* `submitted`, `completed`, the futex words and the queue's memory go on from where the predecessor left them. */
  stream->context = context;
  stream->flags = flags;
  stream->priority = priority;
  stream->id = atomic_fetch_add(&next_id, 1);
  stream->legacy = false;
  stream->per_thread = false;
  stream->blocking = !(flags & CU_STREAM_NON_BLOCKING);
  stream->ending = stream->busy = false;
  memset(stream->attributes, 0, sizeof stream->attributes);
  stream->attributes[CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY].syncPolicy = CU_SYNC_POLICY_AUTO;
  stream->attributes[CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN_MAP].memSyncDomainMap.remote = 1;
  pthread_mutex_lock(&context->lock);
  stream->next_in_context = context->streams;
  context->streams = stream;
  if (stream->blocking) atomic_fetch_add(&context->blocking_streams, 1);
  pthread_mutex_unlock(&context->lock);
  return stream;
}

void rf_stream_release(struct stream *stream) {
  pthread_mutex_lock(&stream->lock);
  stream->ending = true;
  const bool has_thread = stream->has_thread;
  pthread_mutex_unlock(&stream->lock);
  if (has_thread)
    ring(stream); /* it drains the queue, ends, and recycles the object */
  else
    recycle(stream);
}
