/* staging.c - who owns which staging chunk: one word a chunk in shared memory.
 *
 * The client takes (0 -> 1, compare-and-swap among its threads); whoever is done writes 0: the executor for uploads, when the
 * driver has read the bytes; the client for downloads, when it has copied them out. Sleepers wait on staging_epoch, which
 * every release adds 1 to while someone waits. */
#include "staging.h"

#include "call.h"
#include "futex.h"

static int try_take(uint32_t *chunk)
{
    /* The lowest free one, not the next in turn: two sides that keep pace use two or three, which stay in their caches. */
    for (uint32_t at = 0; at < vgpu.chunk_count; at++) {
        uint32_t nobody = 0;
        if (atomic_load_explicit(&vgpu.chunks[at], memory_order_relaxed) != 0) continue;
        if (!atomic_compare_exchange_strong_explicit(&vgpu.chunks[at], &nobody, 1, memory_order_acquire, memory_order_relaxed)) continue;
        *chunk = at;
        return 1;
    }
    return 0;
}

CUresult vgpu_staging_take(int wait, uint32_t *chunk)
{
    if (try_take(chunk)) return CUDA_SUCCESS;
    if (!wait) return CUDA_ERROR_NOT_READY;
    for (;;) {
        uint32_t epoch = atomic_load(&vgpu.region->staging_epoch);
        atomic_store(&vgpu.region->staging_waiting, 1);
        if (try_take(chunk)) return CUDA_SUCCESS; /* the word may stay set: one wake-up too many does no harm */
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
