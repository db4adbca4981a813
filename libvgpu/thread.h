/* thread.h - what the library keeps for each thread of the program. */
#ifndef VGPU_THREAD_H
#define VGPU_THREAD_H

#include <stdint.h>

struct vgpu_context;

struct vgpu_thread {
    struct vgpu_context *top;     /* the current context: the stack's top; NULL: none */
    uint32_t index;               /* this thread's number on the wire; 0: not given yet */
    uint32_t slot_hint;
    struct vgpu_context **stack;  /* the context stack, `top` last */
    uint32_t depth, room;
    uint32_t latency[2];          /* ns, running mean of reply times: short calls; calls that wait for the GPU */
    int in_callback;              /* runs a host function: CUDA calls are not permitted */
    uint32_t capture_mode;
};

extern _Thread_local struct vgpu_thread vgpu_thread;

/* Gives the calling thread its number and arranges for its end to be told. Called once a thread, on its first message. */
void vgpu_thread_enter(void);

#endif
