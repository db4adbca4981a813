/* globals.c - see globals.h. Sorted, searched by halving; most programs have none, or a handful. */
#include "globals.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct range {
    uint64_t start, end, owner;
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct range *ranges;
static size_t room;
static _Atomic size_t count;

/* The first that ends behind `address`. Under the lock. */
static size_t behind(uint64_t address)
{
    size_t low = 0, high = atomic_load_explicit(&count, memory_order_relaxed);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].end <= address) low = middle + 1;
        else high = middle;
    }
    return low;
}

CUresult vgpu_globals_add(uint64_t address, uint64_t bytes, uint64_t owner)
{
    CUresult error = CUDA_SUCCESS;
    pthread_rwlock_wrlock(&lock);
    size_t n = atomic_load_explicit(&count, memory_order_relaxed), at = behind(address);
    if (at < n && ranges[at].start < address + bytes && (ranges[at].start != address || ranges[at].end != address + bytes)) {
        /* What lay here is gone with its context, and the driver has given its place to another. */
        while (at < n && ranges[at].start < address + bytes) {
            memmove(&ranges[at], &ranges[at + 1], (n - at - 1) * sizeof *ranges);
            n--;
        }
        atomic_store_explicit(&count, n, memory_order_relaxed);
    }
    if (at < n && ranges[at].start == address) {
        ranges[at].owner = owner;
    } else {
        if (n == room) {
            struct range *grown = realloc(ranges, (room ? room * 2 : 16) * sizeof *grown);
            if (grown) {
                ranges = grown;
                room = room ? room * 2 : 16;
            } else {
                error = CUDA_ERROR_OUT_OF_MEMORY;
            }
        }
        if (error == CUDA_SUCCESS) {
            memmove(&ranges[at + 1], &ranges[at], (n - at) * sizeof *ranges);
            ranges[at] = (struct range){address, address + bytes, owner};
            atomic_store_explicit(&count, n + 1, memory_order_release);
        }
    }
    pthread_rwlock_unlock(&lock);
    return error;
}

void vgpu_globals_forget(uint64_t owner)
{
    if (atomic_load_explicit(&count, memory_order_acquire) == 0) return;
    pthread_rwlock_wrlock(&lock);
    size_t n = atomic_load_explicit(&count, memory_order_relaxed), kept = 0;
    for (size_t i = 0; i < n; i++)
        if (ranges[i].owner != owner) ranges[kept++] = ranges[i];
    atomic_store_explicit(&count, kept, memory_order_release);
    pthread_rwlock_unlock(&lock);
}

int vgpu_globals_has(uint64_t address)
{
    if (atomic_load_explicit(&count, memory_order_acquire) == 0) return 0;
    pthread_rwlock_rdlock(&lock);
    size_t at = behind(address);
    int found = at < atomic_load_explicit(&count, memory_order_relaxed) && ranges[at].start <= address;
    pthread_rwlock_unlock(&lock);
    return found;
}
