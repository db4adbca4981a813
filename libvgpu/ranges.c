/* ranges.c - the sorted table of host ranges. Every copy asks it, few calls change it: a reader-writer lock, and no lock at
 * all while it is empty, as it is in programs that never pin. */
#include "ranges.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct vgpu_host_range *ranges;
static size_t room;
static _Atomic size_t count;

/* The first range that ends behind `address`. Under the lock. */
static size_t behind(uintptr_t address)
{
    size_t low = 0, high = atomic_load_explicit(&count, memory_order_relaxed);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].end <= address) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void remove_at(size_t at)
{
    size_t n = atomic_load_explicit(&count, memory_order_relaxed);
    memmove(&ranges[at], &ranges[at + 1], (n - at - 1) * sizeof *ranges);
    atomic_store_explicit(&count, n - 1, memory_order_release);
}

int vgpu_ranges_add(const struct vgpu_host_range *range)
{
    pthread_rwlock_wrlock(&lock);
    size_t at = behind(range->start);
    while (!range->registered && at < atomic_load_explicit(&count, memory_order_relaxed) && ranges[at].start < range->end && ranges[at].managed) remove_at(at);
    size_t n = atomic_load_explicit(&count, memory_order_relaxed);
    int result = at < n && ranges[at].start < range->end ? -1 : 0;
    if (result == 0 && n == room) {
        size_t more = room ? 2 * room : 16;
        struct vgpu_host_range *grown = realloc(ranges, more * sizeof *grown);
        if (grown) {
            ranges = grown;
            room = more;
        } else {
            result = -2;
        }
    }
    if (result == 0) {
        memmove(&ranges[at + 1], &ranges[at], (n - at) * sizeof *ranges);
        ranges[at] = *range;
        atomic_store_explicit(&count, n + 1, memory_order_release);
    }
    pthread_rwlock_unlock(&lock);
    return result;
}

int vgpu_ranges_remove(uintptr_t start, struct vgpu_host_range *out)
{
    pthread_rwlock_wrlock(&lock);
    size_t n = atomic_load_explicit(&count, memory_order_relaxed), at = behind(start);
    int found = at < n && ranges[at].start == start;
    if (found) {
        *out = ranges[at];
        remove_at(at);
    }
    pthread_rwlock_unlock(&lock);
    return found;
}

int vgpu_ranges_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out)
{
    if (atomic_load_explicit(&count, memory_order_acquire) == 0) return 0;
    pthread_rwlock_rdlock(&lock);
    size_t at = behind(start);
    int found = at < atomic_load_explicit(&count, memory_order_relaxed) && ranges[at].start < end;
    if (found) *out = ranges[at];
    pthread_rwlock_unlock(&lock);
    return found;
}

int vgpu_ranges_find_gpu(uint64_t address, struct vgpu_host_range *out)
{
    int found = 0;
    if (atomic_load_explicit(&count, memory_order_acquire) == 0) return 0;
    pthread_rwlock_rdlock(&lock);
    for (size_t i = 0; !found && i < atomic_load_explicit(&count, memory_order_relaxed); i++) {
        const struct vgpu_host_range *r = &ranges[i];
        uint64_t start = r->edged ? r->start : r->shared_start, end = r->edged ? r->end : r->shared_end;
        if (address - (r->gpu + (start - r->shared_start)) >= end - start) continue;
        *out = ranges[i];
        found = 1;
    }
    pthread_rwlock_unlock(&lock);
    return found;
}

int vgpu_ranges_take_managed(CUcontext context, struct vgpu_host_range *out)
{
    int found = 0;
    pthread_rwlock_wrlock(&lock);
    /* The last first: taking all of them moves none. */
    for (size_t i = atomic_load_explicit(&count, memory_order_relaxed); !found && i-- > 0;) {
        if (!ranges[i].managed || ranges[i].context != context) continue;
        *out = ranges[i];
        remove_at(i);
        found = 1;
    }
    pthread_rwlock_unlock(&lock);
    return found;
}

int vgpu_ranges_update(const struct vgpu_host_range *range)
{
    pthread_rwlock_wrlock(&lock);
    size_t at = behind(range->start);
    int found = at < atomic_load_explicit(&count, memory_order_relaxed) && ranges[at].start == range->start && ranges[at].buffer_id == range->buffer_id;
    if (found) ranges[at] = *range;
    pthread_rwlock_unlock(&lock);
    return found;
}

int vgpu_ranges_find(uintptr_t address, struct vgpu_host_range *out)
{
    return vgpu_ranges_touching(address, address + 1, out);
}
