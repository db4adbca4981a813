/* thread.h - what the library keeps for each thread of the program. */
#ifndef VGPU_THREAD_H
#define VGPU_THREAD_H

#include <stdint.h>

#include "cuda.h"

struct vgpu_context;

struct vgpu_thread {
    struct vgpu_context *top;     /* the current context: the stack's top; NULL: none */
    uint32_t index;               /* this thread's number on the wire; 0: not given yet */
    uint32_t slot_hint;
    uint32_t fetched;             /* rf_ring_fetch_ahead */
    struct vgpu_context **stack;  /* the context stack, `top` last */
    uint32_t depth, room;
    uint32_t gpu_latency[2];      /* ns, running means of the time until calls that wait for the GPU are answered: [1] of those behind a launch */
    int launched;                 /* has launched something since it last waited for the GPU */
    int in_callback;              /* runs a host function: CUDA calls are not permitted */
};

extern _Thread_local struct vgpu_thread vgpu_thread;

/* What a call that needs a current context answers on a thread that has none: in a host function no call is permitted at all. */
static inline CUresult vgpu_no_context(void) { return vgpu_thread.in_callback ? CUDA_ERROR_NOT_PERMITTED : CUDA_ERROR_INVALID_CONTEXT; }

/* Gives the calling thread its number and arranges for its end to be told. Called once a thread, on its first message. */
void vgpu_thread_enter(void);

#endif
