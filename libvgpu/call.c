/* call.c - claiming records, waiting for replies.
 *
 * The posted path is: one load of the state, one compare-and-swap on the ring's tail, thirty-two bytes of header, one store
 * that publishes. No lock, no allocation, no system call unless the executor sleeps or the ring is full.
 *
 * Waiting: spin for about what a sleep and a wake-up cost (a short call's reply comes within microseconds), or as long as the GPU has lately taken
 * (one mean for what lies behind a launch and one for what does not: an input's copy is not to be slept for because the step after it takes milliseconds),
 * then sleep on the slot's state word. Spinning is rationed: never more threads than cores less one,
 * because a spinner that takes the executor's core waits for itself. Whoever had to ring the doorbell sleeps at once: Linux takes a
 * byte on a socket for a sign that its writer is about to sleep, and wakes the reader on the writer's own core. So does whoever waits for the GPU on the
 * core where the executor last woke, if no other thread waits (`served_on`; for other calls it is moved away from there, see rung() in proxy/executor/loop.ts, and they come too often to sleep), and whoever learns that
 * the executor serves other zones for a while (`away`): their clients want the core. When its turn comes it wakes the client before it has the answer,
 * and the client looks for it awake. */
#include "call.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#include "context.h"
#include "edges.h"
#include "errors.h"
#include "futex.h"
#include "happens.h"
#include "print.h"
#include "thread.h"

/* ns: the spin for a short call's reply. An executor that is awake is with us by then, even one that collects garbage, looks after its sockets, or is just
 * waking us: to wake a halted virtual CPU holds the waker for 50 to 100 us, as long as the sleeper takes to run. Whoever spins for less sleeps again at the next
 * call, which is answered by a wake-up, and so on: one long reply made all that follow 100 us long. */
#define SPIN_SHORT 150000u
#define SPIN_MAX 50000u      /* ns: longest spin for what the GPU ends */
#define SPIN_LEAST 30000u
#define SPIN_LONG 3000u      /* ns: spin when that takes longer than SPIN_MAX anyway */
#define SAMPLE_MAX 200000u   /* ns: one long wait must not end spinning for the next dozen short ones */
#define SPIN_EARLY 200000u   /* ns: woken by an executor at the beginning of its turn, whose first call takes as long as its caches are cold */
#define FIRST_LOOKS 48       /* looks before the clock is read at all: about a microsecond */
#define YIELD_AFTER 10000u   /* ns: from here on let others have the core between looks */

/* ---- reply slots ---- */

static _Atomic uint64_t taken[VGPU_SLOTS_MAX / 64];
static uint32_t tickets[VGPU_SLOTS_MAX]; /* the last one given out; only the slot's holder touches it */
static _Atomic uint32_t slot_freed, slot_wanted;

static int take_slot(struct vgpu_call *call, uint32_t hint)
{
    uint32_t words = (vgpu.slot_count + 63) / 64;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = (hint / 64 + i) % words;
        uint64_t usable = word == words - 1 && vgpu.slot_count % 64 ? (1ull << vgpu.slot_count % 64) - 1 : ~0ull;
        uint64_t seen = atomic_load_explicit(&taken[word], memory_order_relaxed);
        while (usable & ~seen) {
            uint64_t wanted = 1ull << (hint % 64);
            if (i > 0 || !(usable & ~seen & wanted)) wanted = (usable & ~seen) & -(usable & ~seen);
            if (!atomic_compare_exchange_weak_explicit(&taken[word], &seen, seen | wanted, memory_order_acquire, memory_order_relaxed)) continue;
            call->slot_index = word * 64 + (uint32_t)__builtin_ctzll(wanted);
            call->slot = &vgpu.slots[call->slot_index];
            return 1;
        }
    }
    return 0;
}

static void free_slot(struct vgpu_call *call)
{
    atomic_fetch_and_explicit(&taken[call->slot_index / 64], ~(1ull << call->slot_index % 64), memory_order_seq_cst);
    if (atomic_load_explicit(&slot_wanted, memory_order_seq_cst) == 0) return;
    atomic_fetch_add(&slot_freed, 1);
    vgpu_futex_wake_all(&slot_freed);
}

/* More threads wait for replies than there are slots: wait for one of them. They all finish, at the latest when the broker
 * dies, so this needs no wake-up of its own for that. */
static void wait_for_slot(struct vgpu_call *call)
{
    atomic_fetch_add(&slot_wanted, 1);
    for (;;) {
        uint32_t freed = atomic_load(&slot_freed);
        if (take_slot(call, 0)) break;
        vgpu_futex_wait(&slot_freed, freed);
    }
    atomic_fetch_sub(&slot_wanted, 1);
}

/* ---- records ---- */

static __attribute__((noinline)) CUresult claim_when_room(struct rf_ring *ring, uint32_t bytes, struct rf_record **record)
{
    for (int spin = 0;; spin++) {
        enum rf_ring_status status = rf_ring_claim(ring, bytes, record);
        if (status == RF_RING_OK) return CUDA_SUCCESS;
        if (status == RF_RING_TOO_LARGE) return CUDA_ERROR_INVALID_VALUE;
        CUresult state = vgpu_ready();
        if (state != CUDA_SUCCESS) return state;
        if (spin < 200) {
            vgpu_pause();
            continue;
        }
        rf_ring_announce_wait(&vgpu.ring);
        status = rf_ring_claim(ring, bytes, record);
        if (status == RF_RING_OK) return CUDA_SUCCESS;
        /* The state is looked at after the flag was raised: vgpu_fail sets it first and lowers the flag then. */
        state = vgpu_ready();
        if (state != CUDA_SUCCESS) return state;
        vgpu_futex_wait(&vgpu.ring.shared->producers_waiting, 1);
    }
}

/* Calls that name their context, and are answered without a current one. */
static int names_its_context(uint16_t message)
{
    return message == RF_cuCtxRecordEvent || message == RF_cuCtxWaitEvent;
}

CUresult vgpu_begin(struct vgpu_call *call, uint16_t message, uint32_t payload_bytes, int waited, unsigned abi)
{
    CUresult state = vgpu_ready();
    if (state != CUDA_SUCCESS) return state;
    vgpu_edges_meet();
    struct vgpu_thread *thread = &vgpu_thread;
    /* A host function may not call CUDA (cuLaunchHostFunc): what it would wait for may be waiting for it. libgomp frees memory from
     * stream callbacks, and puts it off when it is told so. */
    if (__builtin_expect(thread->in_callback && !(waited & VGPU_MUST_PASS), 0)) return CUDA_ERROR_NOT_PERMITTED;
    if (__builtin_expect(thread->index == 0, 0)) vgpu_thread_enter();
    const struct vgpu_context *context = thread->top;
    if (!(waited & VGPU_ANY_CONTEXT)) {
        if (__builtin_expect(!context, 0)) {
            if (!names_its_context(message)) return CUDA_ERROR_INVALID_CONTEXT;
        } else if (__builtin_expect(vgpu_context_gone(context) | atomic_load_explicit(&context->fault, memory_order_relaxed), 0)) {
            if (vgpu_context_gone(context)) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
            return (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
        }
    }
    call->slot = NULL;
    call->no_spin = 0;
    uint16_t slot = RF_SLOT_POSTED;
    if (waited & VGPU_WAITED) {
        if (!take_slot(call, thread->slot_hint)) {
            if (waited & VGPU_TRY_SLOT) return CUDA_ERROR_NOT_READY;
            wait_for_slot(call);
        }
        thread->slot_hint = call->slot_index;
        slot = (uint16_t)call->slot_index;
        call->ticket = ++tickets[call->slot_index];
        if (call->ticket == 0) call->ticket = tickets[call->slot_index] = 1;
    }
    uint32_t bytes = RF_RECORD_HEADER + payload_bytes;
    struct rf_ring *ring = __builtin_expect(waited & VGPU_MUST_PASS, 0) ? &vgpu.last_resort : &vgpu.ring;
    if (__builtin_expect(rf_ring_claim(ring, bytes, &call->record) != RF_RING_OK, 0)) {
        CUresult error = claim_when_room(ring, bytes, &call->record);
        if (error != CUDA_SUCCESS) {
            if (call->slot) free_slot(call);
            return error;
        }
    }
    struct rf_record *record = call->record;
    record->call = message;
    record->slot = slot;
    record->ticket = call->slot ? call->ticket : 0;
    record->context = context && !atomic_load_explicit(&context->destroyed, memory_order_relaxed) ? context->handle : 0;
    record->thread = thread->index;
    record->flags = __builtin_expect((waited & VGPU_ACCEPTED) == VGPU_ACCEPTED, 0) ? abi | RF_FLAG_ACCEPT : abi;
    call->payload = record + 1;
    call->message = message;
    return CUDA_SUCCESS;
}

/* For the executor, which does not want to be on the same core. */
static void say_core(void) { atomic_store_explicit(&vgpu.ring.shared->core, (uint32_t)sched_getcpu() + 1, memory_order_relaxed); }

void vgpu_send(struct vgpu_call *call)
{
    VGPU_HANDED_OVER(&vgpu.ring.shared->head);
    int status = rf_ring_commit(&vgpu.ring, call->record);
    VGPU_HANDED_OVER(&vgpu.ring.shared->head); /* once more, for the commit word itself */
    if (__builtin_expect(status == RF_COMMIT_QUIET, 1)) return;
    if (status == RF_COMMIT_DOORBELL) {
        call->no_spin = 1;
        say_core();
        vgpu_doorbell();
    } else vgpu_fail(VGPU_ERROR_BROKER_GONE, "a thread of this process stood still in mid-call for so long that the broker gave its call up");
}

CUresult vgpu_post(struct vgpu_call *call)
{
    if (__builtin_expect(call->slot != NULL, 0)) return vgpu_wait(call, NULL, 0);
    vgpu_send(call);
    return CUDA_SUCCESS;
}

/* ---- replies ---- */

uint64_t vgpu_nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int answered(struct vgpu_call *call)
{
    return atomic_load_explicit(&call->slot->state, memory_order_acquire) == call->ticket;
}

static _Atomic uint32_t spinners;

int vgpu_spin_begin(void) { return atomic_fetch_add_explicit(&spinners, 1, memory_order_relaxed) < vgpu.spinners_max; }

void vgpu_spin_end(void) { atomic_fetch_sub_explicit(&spinners, 1, memory_order_relaxed); }

static int spin(struct vgpu_call *call, uint64_t start, uint32_t budget)
{
    if (!vgpu_spin_begin()) budget = 0;
    int got = 0;
    while (!(got = answered(call)) && atomic_load_explicit(&vgpu_state, memory_order_relaxed) == CUDA_SUCCESS) {
        for (int i = 0; i < 16 && !answered(call); i++) vgpu_pause();
        if (atomic_load_explicit(&vgpu.ring.shared->away, memory_order_relaxed)) {
            call->no_spin = 1;
            break;
        }
        uint64_t passed = vgpu_nanoseconds() - start;
        if (passed >= budget) break;
        if (passed >= YIELD_AFTER) sched_yield();
    }
    vgpu_spin_end();
    return got || answered(call);
}

/* Awake, and not answered: the executor has come to its turn and wakes us while its own caches are cold. Looks for the answer for a while;
 * whether it came. */
static int woken_early(struct vgpu_call *call)
{
    if (answered(call)) return 1;
    atomic_store_explicit(&call->slot->sleeping, 0, memory_order_relaxed);
    uint64_t start = vgpu_nanoseconds(), budget = vgpu_spin_begin() ? SPIN_EARLY : 0;
    while (!answered(call) && atomic_load_explicit(&vgpu_state, memory_order_relaxed) == CUDA_SUCCESS &&
           !atomic_load_explicit(&vgpu.ring.shared->away, memory_order_relaxed) && vgpu_nanoseconds() - start < budget)
        for (int i = 0; i < 16 && !answered(call); i++) vgpu_pause();
    vgpu_spin_end();
    return answered(call);
}

/* Whether nobody but this call's thread waits, on the core where the executor last woke. With others the executor is kept busy, on whichever core it finds. */
static int alone_on_executors_core(const struct vgpu_call *call)
{
    return atomic_load_explicit(&taken[call->slot_index / 64], memory_order_relaxed) == 1ull << call->slot_index % 64 &&
           atomic_load_explicit(&vgpu.ring.shared->served_on, memory_order_relaxed) == (uint32_t)sched_getcpu() + 1;
}

/* Returns CUDA_SUCCESS when the reply is there, else the state's error. */
static CUresult await(struct vgpu_call *call)
{
    struct vgpu_thread *thread = &vgpu_thread;
    int waits_for_gpu = call->message == RF_GPU_SYNC || call->message == RF_GPU_COPY || call->message == RF_GPU_SET;
    uint32_t *mean = &thread->gpu_latency[thread->launched];
    if (waits_for_gpu) thread->launched = 0;
    rf_ring_fetch_ahead(&vgpu.ring, &thread->fetched);
    /* A hot executor answers in less time than the clock's readings and the spinners' count would add. */
    for (int i = 0; i < FIRST_LOOKS && !call->no_spin; i++) {
        if (answered(call)) {
            if (waits_for_gpu) *mean -= *mean / 8;
            return CUDA_SUCCESS;
        }
        vgpu_pause();
    }
    uint64_t start = vgpu_nanoseconds();
    uint32_t budget = SPIN_SHORT;
    if (waits_for_gpu) {
        if (alone_on_executors_core(call)) call->no_spin = 1;
        budget = *mean > SPIN_MAX ? SPIN_LONG : 2 * *mean + SPIN_LEAST;
        if (budget > SPIN_MAX) budget = SPIN_MAX;
    }
    CUresult state = CUDA_SUCCESS;
    if (call->no_spin || !spin(call, start, budget)) {
        say_core();
        for (;;) {
            atomic_store_explicit(&call->slot->sleeping, 1, memory_order_seq_cst);
            uint32_t seen = atomic_load_explicit(&call->slot->state, memory_order_seq_cst);
            if (seen == call->ticket) break;
            /* After `seen` was read: vgpu_fail sets the state before it changes the word. */
            state = vgpu_ready();
            if (state != CUDA_SUCCESS) break;
            vgpu_futex_wait(&call->slot->state, seen);
            if (woken_early(call)) break;
        }
        atomic_store_explicit(&call->slot->sleeping, 0, memory_order_relaxed);
    }
    if (call->no_spin || !waits_for_gpu) return state;
    uint64_t took = vgpu_nanoseconds() - start;
    if (took > SAMPLE_MAX) took = SAMPLE_MAX;
    *mean += (uint32_t)(((int64_t)took - (int64_t)*mean) / 8);
    return state;
}

/* Errors of kernels, which stay with their context: as documented, "any further CUDA work will return the same error". */
static int ruins_its_context(CUresult error)
{
    switch ((int)error) {
    case CUDA_ERROR_ILLEGAL_ADDRESS: case CUDA_ERROR_LAUNCH_TIMEOUT: case CUDA_ERROR_ASSERT: case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION: case CUDA_ERROR_MISALIGNED_ADDRESS: case CUDA_ERROR_INVALID_ADDRESS_SPACE: case CUDA_ERROR_INVALID_PC:
    case CUDA_ERROR_LAUNCH_FAILED: return 1;
    default: return 0;
    }
}

/* Some calls (memory) are served outside of the client's context and would succeed in one that is ruined, so that is remembered
 * here. The error at hand may be another context's, by its stream or event: the current one is asked. */
void vgpu_learn_fault(void)
{
    static _Thread_local int asking;
    struct vgpu_context *context = vgpu_thread.top;
    struct vgpu_call call;
    if (asking || !context || atomic_load_explicit(&context->fault, memory_order_relaxed)) return;
    asking = 1;
    CUresult error = vgpu_begin(&call, RF_cuStreamQuery, sizeof(struct rf_cuStreamQuery), VGPU_WAITED, 0);
    if (error == CUDA_SUCCESS) {
        ((struct rf_cuStreamQuery *)call.payload)->hStream = VGPU_WIRE(CU_STREAM_LEGACY);
        error = vgpu_wait(&call, NULL, 0);
        if (ruins_its_context(error)) atomic_store_explicit(&context->fault, (int)error, memory_order_relaxed);
    }
    asking = 0;
}

CUresult vgpu_finish(struct vgpu_call *call, void *reply, uint32_t reply_bytes)
{
    CUresult result = await(call);
    if (result == CUDA_SUCCESS) {
        int status = call->slot->status;
        result = vgpu_error_known(status) ? (CUresult)status : CUDA_ERROR_UNKNOWN;
        if (result == CUDA_SUCCESS && reply_bytes) {
            uint32_t length = call->slot->length < reply_bytes ? call->slot->length : reply_bytes;
            if (length > RF_SLOT_PAYLOAD || (length < reply_bytes && call->message == RF_GPU_COPY)) {
                result = CUDA_ERROR_UNKNOWN;
            } else {
                memcpy(reply, call->slot->payload, length);
                memset((uint8_t *)reply + length, 0, reply_bytes - length);
            }
        }
    }
    uint16_t message = (uint16_t)call->message;
    free_slot(call);
    vgpu_edges_meet();
    if (message != RF_PRINT_READ) vgpu_print_look();
    if (__builtin_expect(result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY, 0)) {
        vgpu_log(VGPU_DEBUG, "message %u: %s", call->message, vgpu_error_name(result));
        if (ruins_its_context(result)) {
            atomic_store_explicit(&vgpu_context_failed, 1, memory_order_relaxed);
            vgpu_learn_fault();
        }
    }
    return result;
}

CUresult vgpu_wait(struct vgpu_call *call, void *reply, uint32_t reply_bytes)
{
    vgpu_send(call);
    return vgpu_finish(call, reply, reply_bytes);
}
