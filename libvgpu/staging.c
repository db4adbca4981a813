/* staging.c - who owns which staging chunk: one word a chunk in shared memory.
 *
 * The client takes (0 -> 1, compare-and-swap among its threads); whoever is done writes 0: the executor for uploads, when the
 * driver has read the bytes; the client for downloads, when it has copied them out. Sleepers wait on staging_epoch, which
 * every release adds 1 to while someone waits. */
#include "staging.h"

#include <sched.h>

#include "call.h"
#include "futex.h"

#define LEAD 4u           /* chunks that a waiting thread is ahead of the executor at most, while that keeps pace */
#define SPIN_MAX 100000u  /* ns: what an executor that is awake needs for a chunk, twice */
#define YIELD_AFTER 10000u

/* One of the first `among` chunks. */
static int try_take(uint32_t *chunk, uint32_t among)
{
    /* The lowest free one, not the next in turn: two sides that keep pace use two or three, which stay in their caches. */
    for (uint32_t at = 0; at < among && at < vgpu.chunk_count; at++) {
        uint32_t nobody = 0;
        if (atomic_load_explicit(&vgpu.chunks[at], memory_order_relaxed) != 0) continue;
        if (!atomic_compare_exchange_strong_explicit(&vgpu.chunks[at], &nobody, 1, memory_order_acquire, memory_order_relaxed)) continue;
        *chunk = at;
        return 1;
    }
    return 0;
}

/* Waits awake for the executor, which is done with a chunk in less time than it takes to wake somebody who sleeps: to have to do that after
 * each one costs it a tenth of its time, and whoever fills all chunks before it waits has pushed the first ones out of the caches. */
static int take_soon(uint32_t *chunk)
{
    int got = 0;
    if (vgpu_spin_begin()) {
        uint64_t start = vgpu_nanoseconds();
        while (!(got = try_take(chunk, LEAD)) && vgpu_ready() == CUDA_SUCCESS) {
            for (int i = 0; i < 32; i++) vgpu_pause();
            uint64_t passed = vgpu_nanoseconds() - start;
            if (passed >= SPIN_MAX || atomic_load_explicit(&vgpu.ring.shared->away, memory_order_relaxed)) break;
            if (passed >= YIELD_AFTER) sched_yield();
        }
    }
    vgpu_spin_end();
    return got;
}

CUresult vgpu_staging_take(int wait, uint32_t *chunk)
{
    if (try_take(chunk, wait ? LEAD : vgpu.chunk_count)) return CUDA_SUCCESS;
    if (!wait) return CUDA_ERROR_NOT_READY;
    if (take_soon(chunk)) return CUDA_SUCCESS;
    for (;;) {
        if (try_take(chunk, vgpu.chunk_count)) return CUDA_SUCCESS;
        uint32_t epoch = atomic_load(&vgpu.region->staging_epoch);
        atomic_store(&vgpu.region->staging_waiting, 1);
        if (try_take(chunk, vgpu.chunk_count)) return CUDA_SUCCESS; /* the word may stay set: one wake-up too many does no harm */
        CUresult state = vgpu_ready();
        if (state != CUDA_SUCCESS) return state;
        vgpu_futex_wait(&vgpu.region->staging_epoch, epoch);
    }
}

void vgpu_staging_free(uint32_t chunk)
{
    atomic_store(&vgpu.chunks[chunk], 0);
    if (atomic_exchange(&vgpu.region->staging_waiting, 0) == 0) return;
    atomic_fetch_add(&vgpu.region->staging_epoch, 1);
    vgpu_futex_wake_all(&vgpu.region->staging_epoch);
}

uint8_t *vgpu_staging_bytes(uint32_t chunk) { return vgpu.staging + (uint64_t)chunk * vgpu.chunk_bytes; }

uint64_t vgpu_staging_offset(uint32_t chunk) { return (uint64_t)chunk * vgpu.chunk_bytes; }
