/* Contexts: primary and created ones, the stack of current ones of each thread, sticky errors. */
#ifndef RF_STUB_CONTEXT_H
#define RF_STUB_CONTEXT_H

#include <pthread.h>

#include "api.h"
#include "handle.h"

struct stream;

/* What kernels printed and nobody has waited for yet: of printf, for standard output, and of assert, for standard error. */
enum { RF_PRINTED, RF_ASSERTED };
struct rf_printed {
  pthread_mutex_t lock;
  _Atomic bool any;
  struct rf_kept {
    char *text;
    size_t length, capacity;
  } texts[2];
};

#define RF_GREATEST_PRIORITY (-5) /* as on hardware: 0 is the least */

struct context {
  struct rf_object object;
  int device;
  bool primary;
  _Atomic bool active;    /* a primary context lives from the first retain to the last release; others always */
  _Atomic bool ending;    /* it is being destroyed: its kernels stop */
  _Atomic unsigned kernels; /* launches that are not over */
  _Atomic uint64_t heap;  /* bytes that kernels have from malloc() */
  struct rf_printed printed;
  _Atomic int error;      /* sticky CUresult: the GPU faulted; all calls answer it until the context is gone */
  unsigned flags;
  unsigned retained;      /* primary: retain count; created: attach count */
  uint64_t id;
  uint64_t epoch;         /* what allocations name as their owner: another number after each reset of a primary */
  size_t limits[CU_LIMIT_MAX];
  CUfunc_cache cache;
  CUsharedconfig shared;
  uint32_t peers;         /* bit by device: cuCtxEnablePeerAccess was called */
  pthread_mutex_t lock;   /* guards what follows and `retained`, `flags`, `limits` */
  struct stream *legacy;  /* the NULL stream */
  struct stream *streams; /* all others, linked by `next_in_context` */
  _Atomic uint32_t blocking_streams; /* of them: those that the legacy stream synchronises with */
};

/* The calling thread's context if it has a live one and no error sticks; NULL otherwise. */
struct context *rf_context_or_null(void);

/* The object behind a handle. Errors: INVALID_CONTEXT (never was one), CONTEXT_IS_DESTROYED. */
CUresult rf_context_find(CUcontext handle, struct context **context);

/* Waits until all work of a context is done. */
void rf_context_drain(struct context *context);

/* What sticks to a context, or CUDA_SUCCESS; with an error comes what its kernels had to say (rf_print_flush). */
CUresult rf_context_error(struct context *context);

/* Poisons a context: the first error wins. */
void rf_context_fail(struct context *context, CUresult error);

/* Poisons all contexts of a device, now and to come. */
void rf_device_lose(int device);

/* The calling thread's own stream in a context (CU_STREAM_PER_THREAD). NULL: out of memory. */
struct stream *rf_context_thread_stream(struct context *context);

/* Makes the primary contexts' objects, one a device, inactive. */
bool rf_contexts_initialise(void);

/* The handle of a device's primary context, which is not retained. Errors: INVALID_DEVICE. */
CUresult rf_context_primary_handle(CUcontext *handle, CUdevice device);

/* The current context's handle, or NULL; no guards. */
CUcontext rf_context_current_handle(void);

static inline CUcontext rf_context_handle(struct context *context) {
  return (CUcontext)(uintptr_t)atomic_load_explicit(&context->object.handle, memory_order_acquire);
}

#endif
