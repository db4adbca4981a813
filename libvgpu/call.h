/* call.h - one CUDA call on its way through the ring: what entry points and hand-written calls send messages with.
 *
 *   struct vgpu_call call;
 *   CUresult error = vgpu_begin(&call, RF_..., sizeof(struct rf_...), VGPU_WAITED, abi);   // claims a record, and a slot
 *   if (error) return error;
 *   fill *(struct rf_... *)call.payload;
 *   return vgpu_wait(&call, &reply, sizeof reply);                                         // or vgpu_post(&call)
 *
 * Between begin and post or wait the ring stands still for the executor: fill in, touch nothing that can block or fault. */
#ifndef VGPU_CALL_H
#define VGPU_CALL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "connection.h"
#include "cuda.h"
#include "log.h"
#include "messages.h"
#include "ring.h"

enum {
    VGPU_POSTED = 0,
    VGPU_WAITED = 1,
    VGPU_ANY_CONTEXT = 2, /* the message needs no current context (one that is there is sent along) */
    VGPU_TRY_SLOT = 4,    /* CUDA_ERROR_NOT_READY instead of waiting for a reply slot */
    VGPU_ACCEPTED = 16 | VGPU_WAITED, /* what could be posted, and has an argument that this library cannot vouch for (sure.h): vgpu_post waits until it is accepted */
    VGPU_MUST_PASS = 8    /* gets through a ring that is full for everything else: what the executor may be waiting for */
};

struct vgpu_call {
    struct rf_record *record;
    void *payload;         /* behind the record's header, zeroed by the executor */
    struct rf_slot *slot;  /* waited calls */
    uint32_t slot_index;
    uint32_t ticket;
    uint32_t message;
    uint32_t no_spin;      /* the executor slept when this was committed, or serves others for a while */
};

/* Claims a record of `payload_bytes`, and for a waited call a reply slot; blocks while the ring is full.
 * Errors: the state's (vgpu_ready); CUDA_ERROR_INVALID_CONTEXT without a current context; CUDA_ERROR_CONTEXT_IS_DESTROYED;
 * CUDA_ERROR_NOT_PERMITTED without one in a stream callback; CUDA_ERROR_INVALID_VALUE for a payload over the record limit. */
CUresult vgpu_begin(struct vgpu_call *call, uint16_t message, uint32_t payload_bytes, int waited, unsigned abi);

/* Commits a posted call. Of one that was begun as VGPU_ACCEPTED: the executor's answer, which does not wait for the GPU. */
CUresult vgpu_post(struct vgpu_call *call);

/* Commits a waited call and waits: vgpu_send, then vgpu_finish. */
CUresult vgpu_wait(struct vgpu_call *call, void *reply, uint32_t reply_bytes);

/* Commits without waiting yet: several calls of one thread can be on their way. Each must be finished. */
void vgpu_send(struct vgpu_call *call);

/* Waits for the reply, copies `reply_bytes` of it (none on an error), frees the slot. Fields that the executor left off at the
 * end are zero; a copy's bytes are all there or the call is CUDA_ERROR_UNKNOWN. */
CUresult vgpu_finish(struct vgpu_call *call, void *reply, uint32_t reply_bytes);

/* Leave to wait awake, for fewer threads than there are cores: 0 means do without. To be ended either way. */
int vgpu_spin_begin(void);
void vgpu_spin_end(void);

/* Asks whether the current context has failed, and remembers it. */
void vgpu_learn_fault(void);

/* The steady clock. */
uint64_t vgpu_nanoseconds(void);

static inline CUresult vgpu_ready(void)
{
    int state = atomic_load_explicit(&vgpu_state, memory_order_acquire);
    return __builtin_expect(state == CUDA_SUCCESS, 1) ? CUDA_SUCCESS : vgpu_not_ready();
}

/* A handle as it travels. */
#define VGPU_WIRE(handle) ((uint64_t)(uintptr_t)(handle))

/* The number of a handle's row in the executor's table (proxy/executor/handles.ts), by which the tables here are indexed too. */
#define VGPU_HANDLE_ROW_BITS 20u
static inline uint32_t vgpu_handle_row(uint64_t handle) { return (uint32_t)handle >> 3 & ((1u << VGPU_HANDLE_ROW_BITS) - 1); }

#endif
