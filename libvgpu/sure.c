/* sure.c - see sure.h. Read by every posted call, so nothing here takes a lock but the making of pages. */
#include "sure.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "context.h"
#include "globals.h"
#include "hostmem.h"

_Atomic(struct vgpu_sure_page *) vgpu_sure_pages[VGPU_SURE_PAGE];

/* ---- streams and events ---- */

void vgpu_sure_learn(uint64_t handle)
{
    const struct vgpu_context *context = vgpu_thread.top;
    uint32_t row = vgpu_handle_row(handle);
    _Atomic(struct vgpu_sure_page *) *at = &vgpu_sure_pages[row >> VGPU_SURE_PAGE_BITS];
    struct vgpu_sure_page *page = atomic_load_explicit(at, memory_order_acquire);
    if (!context) return;
    if (!page) {
        struct vgpu_sure_page *made = calloc(1, sizeof *made);
        if (!made) return;
        if (atomic_compare_exchange_strong(at, &page, made)) page = made;
        else free(made);
    }
    struct vgpu_sure_row *known = &page->rows[row & (VGPU_SURE_PAGE - 1)];
    atomic_store_explicit(&known->context, context->handle, memory_order_relaxed);
    atomic_store_explicit(&known->handle, handle, memory_order_release);
}

void vgpu_sure_forget(uint64_t handle)
{
    uint32_t row = vgpu_handle_row(handle);
    struct vgpu_sure_page *page = atomic_load_explicit(&vgpu_sure_pages[row >> VGPU_SURE_PAGE_BITS], memory_order_acquire);
    /* The executor may have given the row away again: only this handle goes. */
    if (page) atomic_compare_exchange_strong(&page->rows[row & (VGPU_SURE_PAGE - 1)].handle, &handle, 0);
}

void vgpu_sure_context_gone(uint64_t context)
{
    for (uint32_t p = 0; p < VGPU_SURE_PAGE; p++) {
        struct vgpu_sure_page *page = atomic_load_explicit(&vgpu_sure_pages[p], memory_order_acquire);
        for (uint32_t i = 0; page && i < VGPU_SURE_PAGE; i++)
            if (atomic_load_explicit(&page->rows[i].context, memory_order_relaxed) == context) atomic_store_explicit(&page->rows[i].handle, 0, memory_order_relaxed);
    }
}

int vgpu_sure_record(CUevent event, CUstream stream)
{
    const struct vgpu_context *current = vgpu_thread.top;
    const uint64_t context = vgpu_sure_context(VGPU_WIRE(event));
    if (!context) return 0;
    return context == (VGPU_WIRE(stream) <= 2 ? (current ? current->handle : 0) : vgpu_sure_context(VGPU_WIRE(stream)));
}

/* ---- device memory ----
 * Allocations begin at multiples of 512 bytes. A granule of 2 MiB has a bitmap of where some begin and their sizes; a granule that
 * one reaches into from before has the address of that one, which is its last resort. */

#define UNIT_BITS 9u
#define GRANULE_BITS 21u
#define UNITS (1u << (GRANULE_BITS - UNIT_BITS))
#define MAPPING ((uint64_t)1 << 63)

struct granule {
    _Atomic uint64_t begins[UNITS / 64];
    _Atomic uint64_t bytes[UNITS]; /* exact; MAPPING is set for one */
};

struct place {
    _Atomic(struct granule *) granule;
    _Atomic uint64_t reached; /* the address of what reaches in here from before; 0: nothing */
};

static _Atomic(struct place *) places;

/* Address space, zero; pages come with what is written. They are kept for the process's life. NULL: there is none. */
static void *pages(size_t bytes)
{
    void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return made == MAP_FAILED ? NULL : made;
}

static struct place *place_of(uint64_t address, int make)
{
    uint64_t offset = address - vgpu.info.window_base;
    if (offset >= vgpu.info.window_size) return NULL;
    struct place *all = atomic_load_explicit(&places, memory_order_acquire);
    if (!all && make) {
        size_t size = (size_t)((vgpu.info.window_size >> GRANULE_BITS) + 1) * sizeof *all;
        struct place *made = pages(size);
        if (!made) return NULL;
        if (atomic_compare_exchange_strong(&places, &all, made)) all = made;
        else munmap(made, size);
    }
    return all ? &all[offset >> GRANULE_BITS] : NULL;
}

static uint32_t unit_of(uint64_t address) { return (uint32_t)((address - vgpu.info.window_base) >> UNIT_BITS) & (UNITS - 1); }

void vgpu_sure_memory_add(uint64_t address, uint64_t bytes, int mapping)
{
    struct place *place = bytes ? place_of(address, 1) : NULL;
    if (!place || address & ((1u << UNIT_BITS) - 1)) return;
    struct granule *granule = atomic_load_explicit(&place->granule, memory_order_acquire);
    if (!granule) {
        struct granule *made = pages(sizeof *made);
        if (!made) return;
        if (atomic_compare_exchange_strong(&place->granule, &granule, made)) granule = made;
        else munmap(made, sizeof *made);
    }
    uint32_t unit = unit_of(address);
    atomic_store_explicit(&granule->bytes[unit], bytes | (mapping ? MAPPING : 0), memory_order_relaxed);
    atomic_fetch_or_explicit(&granule->begins[unit / 64], (uint64_t)1 << unit % 64, memory_order_release);
    const struct place *last = place_of(address + bytes - 1, 0);
    while (last && ++place <= last) atomic_store_explicit(&place->reached, address, memory_order_release);
}

/* The size of what begins at `address`, 0 for nothing. */
static uint64_t begun_at(uint64_t address)
{
    struct place *place = place_of(address, 0);
    struct granule *granule = place ? atomic_load_explicit(&place->granule, memory_order_acquire) : NULL;
    uint32_t unit = unit_of(address);
    if (!granule || address & ((1u << UNIT_BITS) - 1) || !(atomic_load_explicit(&granule->begins[unit / 64], memory_order_acquire) >> unit % 64 & 1)) return 0;
    return atomic_load_explicit(&granule->bytes[unit], memory_order_relaxed);
}

int vgpu_sure_begins(uint64_t address) { return begun_at(address) != 0; }

void vgpu_sure_memory_remove(uint64_t address)
{
    uint64_t bytes = begun_at(address) & ~MAPPING;
    if (!bytes) return;
    struct place *place = place_of(address, 0);
    const struct place *last = place_of(address + bytes - 1, 0);
    struct granule *granule = atomic_load_explicit(&place->granule, memory_order_acquire);
    uint32_t unit = unit_of(address);
    atomic_fetch_and_explicit(&granule->begins[unit / 64], ~((uint64_t)1 << unit % 64), memory_order_release);
    while (last && ++place <= last) {
        uint64_t expected = address;
        atomic_compare_exchange_strong(&place->reached, &expected, 0);
    }
}

/* What begins last at or before `address`, of those that can reach it. 0: nothing. */
static uint64_t begun_before(uint64_t address)
{
    struct place *place = place_of(address, 0);
    if (!place) return 0;
    struct granule *granule = atomic_load_explicit(&place->granule, memory_order_acquire);
    uint32_t unit = unit_of(address);
    for (int word = granule ? (int)(unit / 64) : -1; word >= 0; word--) {
        uint64_t bits = atomic_load_explicit(&granule->begins[word], memory_order_acquire);
        if (word == (int)(unit / 64)) bits &= ~(uint64_t)0 >> (63 - unit % 64);
        if (bits) return (address >> GRANULE_BITS << GRANULE_BITS) + (((uint64_t)word * 64 + 63 - (uint64_t)__builtin_clzll(bits)) << UNIT_BITS);
    }
    return atomic_load_explicit(&place->reached, memory_order_acquire);
}

static int in_window(uint64_t address, uint64_t bytes)
{
    uint64_t begin = begun_before(address);
    for (;;) {
        uint64_t size = begin ? begun_at(begin) : 0, length = size & ~MAPPING;
        if (!size || address - begin >= length) return 0;
        uint64_t here = length - (address - begin);
        if (bytes <= here) return 1;
        if (!(size & MAPPING)) return 0;
        bytes -= here;
        begin = address = begin + length;
        if (!(begun_at(begin) & MAPPING)) return 0;
    }
}

int vgpu_sure_memory(uint64_t address, uint64_t bytes)
{
    struct vgpu_host_range range;
    if (bytes == 0) return 1;
    if (address - vgpu.info.window_base < vgpu.info.window_size) return in_window(address, bytes);
    if (vgpu_globals_has(address)) return vgpu_globals_has(address + bytes - 1);
    return vgpu_hostmem_find((uintptr_t)address, &range) && bytes <= range.end - address;
}
