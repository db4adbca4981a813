/*
 * What every entry point of the software GPU starts with: our prototypes under default visibility, the guards that a
 * call passes before it does anything, and the macro that defines a call together with its per-thread twin.
 */
#ifndef RF_STUB_API_H
#define RF_STUB_API_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The entry points are the only symbols that leave the library; everything else is hidden by the build's flags. */
#pragma GCC visibility push(default)
#include "cuda.h"
#pragma GCC visibility pop

#define RF_LIKELY(x) __builtin_expect(!!(x), 1)
#define RF_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define RF_FRAME_SIZE ((uint64_t)2 << 20) /* the card's page: physical frames and virtual pages alike */

struct context;

enum rf_state { RF_STATE_NEW, RF_STATE_READY, RF_STATE_FORKED };

extern _Atomic int rf_state;        /* enum rf_state; see init.c */
extern _Atomic bool rf_faults_armed; /* see fault.c; read first so that a GPU without faults pays one load */

/* Called when faults are armed: counts this call, answers what was ordered for it, or CUDA_SUCCESS. */
CUresult rf_fault_call(const char *call);
/* This thread is inside a stream's callback or host function, from where calls that need a context are not permitted
 * (libgomp puts off its frees when it is told so). */
extern _Thread_local bool rf_in_callback;
/* Finds the calling thread's context. Errors: NOT_PERMITTED (in a callback), INVALID_CONTEXT (none current), CONTEXT_IS_DESTROYED, the context's sticky error. */
CUresult rf_current_context(struct context **context);

/* What a call answers to a stream or event that is none: what is wrong with the current context, as every call in it does, or INVALID_HANDLE. */
CUresult rf_no_object(void);

/* The guard of a call that needs no context. `call` is the exported name. */
static inline CUresult rf_enter(const char *call) {
  if (RF_UNLIKELY(atomic_load_explicit(&rf_state, memory_order_acquire) != RF_STATE_READY)) return CUDA_ERROR_NOT_INITIALIZED;
  if (RF_UNLIKELY(atomic_load_explicit(&rf_faults_armed, memory_order_relaxed))) return rf_fault_call(call);
  return CUDA_SUCCESS;
}

#define RF_TRY(expression)                       \
  do {                                           \
    const CUresult rf_result = (expression);     \
    if (RF_UNLIKELY(rf_result)) return rf_result; \
  } while (0)

#define RF_ENTER() RF_TRY(rf_enter(__func__))

/* Declares `ctx`, the calling thread's live context, or returns the error. */
#define RF_ENTER_CONTEXT(ctx)  \
  struct context *ctx = NULL;  \
  RF_ENTER();                  \
  RF_TRY(rf_current_context(&ctx))

/*
 * Defines `name` and its twin `name##suffix` (_ptds, _ptsz) with one body. Inside the expression, `call` is the exported
 * name and `null_stream` what stream 0 means: the context's legacy stream, or the calling thread's own.
 */
#define RF_TWIN(name, suffix, parameters, ...)                                   \
  CUresult name parameters {                                                     \
    const char *const call = #name;                                              \
    const CUstream null_stream = CU_STREAM_LEGACY;                               \
    return (__VA_ARGS__);                                                        \
  }                                                                              \
  CUresult name##suffix parameters {                                             \
    const char *const call = #name #suffix;                                      \
    const CUstream null_stream = CU_STREAM_PER_THREAD;                           \
    return (__VA_ARGS__);                                                        \
  }

#endif
