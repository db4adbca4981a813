/* sure.h - what this library knows well enough to vouch for: the program's streams, events and device memory.
 *
 * A posted call returns before the executor has looked at it. CUDA says of most such calls that they return an error for a handle
 * that is none, or an address outside of any allocation; so a call of which every argument is vouched for here is posted, and any
 * other asks for the executor's word first (VGPU_ACCEPTED, call.h). What is remembered here decides nothing else: a thing that is missing
 * costs a round trip, one that has gone meanwhile an error that is told later. */
#ifndef VGPU_SURE_H
#define VGPU_SURE_H

#include <stdatomic.h>
#include <stdint.h>

#include "call.h"
#include "thread.h"

/* ---- streams and events ---- */

/* By their rows, in two steps. */
#define VGPU_SURE_PAGE_BITS (VGPU_HANDLE_ROW_BITS / 2)
#define VGPU_SURE_PAGE (1u << VGPU_SURE_PAGE_BITS)

struct vgpu_sure_row {
    _Atomic uint64_t handle;
    _Atomic uint64_t context; /* whose it is */
};
struct vgpu_sure_page {
    struct vgpu_sure_row rows[VGPU_SURE_PAGE];
};
extern _Atomic(struct vgpu_sure_page *) vgpu_sure_pages[VGPU_SURE_PAGE];

/* A stream or event that was made in the calling thread's current context. */
void vgpu_sure_learn(uint64_t handle);
void vgpu_sure_forget(uint64_t handle);
/* All of a context that ends. */
void vgpu_sure_context_gone(uint64_t context);

/* The handle of the context that a known stream or event is of, 0 for one that is not known. */
static inline uint64_t vgpu_sure_context(uint64_t handle)
{
    uint32_t row = vgpu_handle_row(handle);
    struct vgpu_sure_page *page = atomic_load_explicit(&vgpu_sure_pages[row >> VGPU_SURE_PAGE_BITS], memory_order_acquire);
    if (!page) return 0;
    struct vgpu_sure_row *known = &page->rows[row & (VGPU_SURE_PAGE - 1)];
    uint64_t context = atomic_load_explicit(&known->context, memory_order_relaxed);
    return atomic_load_explicit(&known->handle, memory_order_acquire) == handle ? context : 0;
}

static inline int vgpu_sure_stream(CUstream stream) { return VGPU_WIRE(stream) <= 2 || vgpu_sure_context(VGPU_WIRE(stream)); }
static inline int vgpu_sure_event(CUevent event) { return vgpu_sure_context(VGPU_WIRE(event)) != 0; }
/* An event is recorded in streams of its own context. */
int vgpu_sure_record(CUevent event, CUstream stream);

/* ---- device memory ---- */

/* [address, address + bytes) of the window is the program's from now on, or no more. `mapping`: adjoining ones are one. */
void vgpu_sure_memory_add(uint64_t address, uint64_t bytes, int mapping);
void vgpu_sure_memory_remove(uint64_t address);

/* Whether an allocation is known that begins just there. */
int vgpu_sure_begins(uint64_t address);

/* Whether every byte is known to be there: of one allocation, or of mappings side by side, or of a module's variable. */
int vgpu_sure_memory(uint64_t address, uint64_t bytes);

#endif
