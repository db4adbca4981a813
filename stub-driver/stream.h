/*
 * Streams: queues of operations, each drained in order by a thread of its own.
 *
 * Every operation of a stream has a number, 1, 2, 3...; `submitted` and `completed` say how far a stream is. They never
 * go back, not even when a destroyed stream's object serves a new one, so "stream s has completed n" is a fact that
 * anyone may wait for without owning s. Events are nothing more than such a pair.
 *
 * The legacy stream waits for all blocking streams of its context and they for it: at submission, the numbers that are
 * outstanding elsewhere are put in front of the operation as things to wait for. They name only earlier submissions, so
 * no cycle can arise.
 */
#ifndef RF_STUB_STREAM_H
#define RF_STUB_STREAM_H

#include <pthread.h>

#include "api.h"
#include "copy.h"
#include "handle.h"

struct event;
struct context;
struct rf_launch;
struct rf_graph_run;

enum rf_op_kind {
  RF_OP_COPY,
  RF_OP_FILL,
  RF_OP_RECORD,      /* stamp an event */
  RF_OP_WAIT_STREAM, /* until another stream has completed a number */
  RF_OP_HOST,        /* cuLaunchHostFunc */
  RF_OP_CALLBACK,    /* cuStreamAddCallback: also told of errors */
  RF_OP_MEMOPS,      /* wait for and write values in memory */
  RF_OP_FREE,        /* cuMemFreeAsync */
  RF_OP_NOTHING,     /* a place in the order, for what has no work (prefetch, attach) */
  RF_OP_KERNEL,
  RF_OP_GRAPH        /* a stretch of a graph's tasks (graph_run.c) */
};

struct rf_op {
  enum rf_op_kind kind;
  const char *call; /* for messages */
  void *owned;      /* freed when the operation is over */
  union {
    struct rf_copy copy;
    struct rf_fill fill;
    struct {
      struct event *event;
      uint64_t record;
    } record;
    struct {
      struct stream *stream;
      uint64_t number;
    } wait;
    struct {
      CUhostFn function;
      void *data;
    } host;
    struct {
      CUstreamCallback function;
      CUstream stream;
      void *data;
    } callback;
    struct {
      CUstreamBatchMemOpParams *list; /* `owned` */
      unsigned count;
    } memops;
    struct {
      CUdeviceptr address;
    } free;
    struct rf_launch *launch; /* `owned` */
    struct {
      struct rf_graph_run *run; /* held */
      uint32_t first, count;
    } graph;
  };
};

struct stream {
  struct rf_object object;
  struct context *context;
  struct stream *next_in_context;
  unsigned flags;
  int priority;
  uint64_t id;
  bool legacy;   /* the context's NULL stream */
  bool blocking; /* synchronises with the legacy stream */
  bool per_thread;
  CUstreamAttrValue attributes[CU_LAUNCH_ATTRIBUTE_MAX];

  pthread_mutex_t lock; /* guards the queue */
  struct rf_op *queue;  /* ring of `capacity` operations */
  uint32_t capacity, head, count;
  bool busy;            /* an operation is being executed, by the thread or inline */
  bool has_thread, ending;
  _Atomic uint64_t submitted, completed;
  _Atomic uint32_t bell, asleep;     /* the thread's: futex word, and whether it sleeps on it */
  _Atomic uint32_t brief;            /* as `busy`, of a short one inline: set under the lock, cleared by its thread without (queue.c: end_brief) */
  _Atomic int rung_on;               /* the core of the thread that rang last */
  _Atomic uint32_t finished, waiters; /* the waiters': futex word, and how many sleep on it */
};

enum rf_when {
  RF_LATER, /* return as soon as it is queued */
  RF_NOW    /* return when it is done */
};

/* Resolves a stream argument: 0, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD or a handle, in the current context.
 * Errors: those of rf_current_context, INVALID_HANDLE, the stream's context's sticky error. */
CUresult rf_stream_find(CUstream handle, CUstream null_stream, struct stream **stream);

/* Submits an operation. Takes over op->owned in every case. `small`: may run on this thread when the stream is idle.
 * Error with RF_NOW: the context's sticky error, if the operation or one before it caused one. OUT_OF_MEMORY. */
CUresult rf_submit(struct stream *stream, const struct rf_op *op, enum rf_when when, bool small);

/* A number that, once completed, says that all submitted before this call is done (legacy: in all blocking streams). */
CUresult rf_stream_mark(struct stream *stream, uint64_t *number);

bool rf_stream_reached(struct stream *stream, uint64_t number);
void rf_stream_wait(struct stream *stream, uint64_t number); /* spins shortly, then sleeps */

/* Whether all work is done, of a legacy stream also that of the streams it synchronises with. */
bool rf_stream_idle(struct stream *stream);
/* Whether an operation submitted now would have nothing to wait for. */
bool rf_stream_clear(struct stream *stream);
void rf_stream_drain(struct stream *stream);

/* A stream of a context, linked into it. NULL: out of memory. Not published. */
struct stream *rf_stream_new(struct context *context, unsigned flags, int priority);
/* Lets the stream's work end; when it has, the stream leaves its context's list and the object is recycled. */
void rf_stream_release(struct stream *stream);

/* Executes one operation on the calling thread (execute.c). */
void rf_execute(struct stream *stream, struct rf_op *op);

uint64_t rf_now_ns(void);

#endif
