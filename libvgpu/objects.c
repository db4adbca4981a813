/* objects.c - see objects.h.
 *
 * Inside the host window an object is mapped over reserved addresses, and reserved addresses are put back when it goes: nothing
 * else of the process ever gets one of them. Two threads may be about to do this for two objects that follow one another at one
 * address (the executor gives an address out again as soon as its last object is free), so a table says which object is mapped
 * where, and a thread that comes too late with its unmapping leaves the newer one alone. */
#include "objects.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define GRANULE ((uint64_t)2 << 20) /* each object begins in one of its own */

struct arrival {
    struct arrival *next;
    uint64_t id, offset, length;
    int descriptor;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static struct arrival *arrivals;

static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t *places; /* by granule of the host window: the object that begins there */

uintptr_t vgpu_page_down(uintptr_t n)
{
    static uintptr_t size;
    if (!size) size = (uintptr_t)sysconf(_SC_PAGESIZE);
    return n & ~(size - 1);
}

uintptr_t vgpu_page_up(uintptr_t n) { return vgpu_page_down(n + (uintptr_t)sysconf(_SC_PAGESIZE) - 1); }

/* ---- descriptors on their way ---- */

void vgpu_object_arrived(uint64_t id, int descriptor, uint64_t offset, uint64_t length)
{
    struct arrival *arrival = malloc(sizeof *arrival);
    if (!arrival) {
        close(descriptor);
        vgpu_fail(CUDA_ERROR_OUT_OF_MEMORY, "out of memory in the listener");
        return;
    }
    *arrival = (struct arrival){.id = id, .offset = offset, .length = length, .descriptor = descriptor};
    pthread_mutex_lock(&lock);
    arrival->next = arrivals;
    arrivals = arrival;
    pthread_cond_broadcast(&came);
    pthread_mutex_unlock(&lock);
}

void vgpu_objects_failed(void)
{
    pthread_mutex_lock(&lock);
    pthread_cond_broadcast(&came);
    pthread_mutex_unlock(&lock);
}

static CUresult take_arrival(uint64_t id, struct arrival *out)
{
    CUresult state = CUDA_SUCCESS;
    struct arrival *found = NULL;
    pthread_mutex_lock(&lock);
    for (;;) {
        struct arrival **at = &arrivals;
        while (*at && (*at)->id != id) at = &(*at)->next;
        if ((found = *at)) {
            *at = found->next;
            break;
        }
        state = vgpu_ready();
        if (state != CUDA_SUCCESS) break;
        pthread_cond_wait(&came, &lock);
    }
    pthread_mutex_unlock(&lock);
    if (!found) return state;
    *out = *found;
    free(found);
    return CUDA_SUCCESS;
}

/* ---- places ---- */

int vgpu_objects_in_place(void) { return vgpu.host_window; }

static int has_place(uintptr_t at, uint64_t bytes)
{
    uint64_t offset = at - vgpu.info.host_window_base;
    return vgpu.host_window && offset < vgpu.info.host_window_size && bytes <= vgpu.info.host_window_size - offset;
}

/* Under places_lock; NULL when there is no memory for the table. */
static uint64_t *place_of(uintptr_t at)
{
    if (!places) places = calloc(vgpu.info.host_window_size / GRANULE + 1, sizeof *places);
    return places ? &places[(at - vgpu.info.host_window_base) / GRANULE] : NULL;
}

/* Maps the descriptor's pages at `fixed`, or anywhere for 0. Closes it. */
static void *map_arrival(struct arrival *arrival, uint64_t bytes, uintptr_t fixed)
{
    void *mapped = MAP_FAILED;
    if (vgpu_page_up(arrival->offset) == arrival->offset && arrival->length >= bytes)
        mapped = mmap((void *)fixed, vgpu_page_up(bytes), PROT_READ | PROT_WRITE, MAP_SHARED | (fixed ? MAP_FIXED : 0), arrival->descriptor,
                      (off_t)arrival->offset);
    close(arrival->descriptor);
    return mapped;
}

CUresult vgpu_object_map(uint64_t id, uint64_t bytes, uintptr_t *at)
{
    struct arrival arrival;
    CUresult error;
    if (!has_place(*at, bytes)) {
        error = take_arrival(id, &arrival);
        if (error != CUDA_SUCCESS) return error;
        void *mapped = map_arrival(&arrival, bytes, 0);
        *at = (uintptr_t)mapped;
        return mapped == MAP_FAILED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    }
    pthread_mutex_lock(&places_lock);
    uint64_t *place = place_of(*at);
    error = place ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    if (!error && *place != id) {
        error = take_arrival(id, &arrival);
        if (!error) error = map_arrival(&arrival, bytes, *at) == MAP_FAILED ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
        if (!error) *place = id;
    }
    pthread_mutex_unlock(&places_lock);
    return error;
}

/* Objects at places of the driver's choosing. They stay until another takes the place: what they belong to goes unnoticed. */
struct elsewhere {
    struct elsewhere *next;
    uint64_t id, base, bytes;
};

CUresult vgpu_object_map_at(uint64_t id, uint64_t base, uint64_t bytes)
{
    static struct elsewhere *all;
    struct arrival arrival = {.descriptor = -1};
    bytes = vgpu_page_up(bytes);
    pthread_mutex_lock(&places_lock);
    for (struct elsewhere *e = all; e; e = e->next) {
        if (e->id != id) continue;
        pthread_mutex_unlock(&places_lock);
        return CUDA_SUCCESS;
    }
    CUresult error = take_arrival(id, &arrival);
    for (struct elsewhere **at = &all; *at && error == CUDA_SUCCESS;) {
        struct elsewhere *e = *at;
        if (e->base < base + bytes && base < e->base + e->bytes) {
            munmap((void *)(uintptr_t)e->base, e->bytes);
            *at = e->next;
            free(e);
        } else {
            at = &e->next;
        }
    }
    struct elsewhere *made = error == CUDA_SUCCESS ? malloc(sizeof *made) : NULL;
    if (made) {
        void *mapped = mmap((void *)(uintptr_t)base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, arrival.descriptor, (off_t)arrival.offset);
        if (mapped != (void *)(uintptr_t)base) {
            if (mapped != MAP_FAILED) munmap(mapped, bytes); /* a kernel before 4.17 took the address as a hint */
            free(made);
            error = vgpu_refuse("a managed variable at addresses that the program has in use", CUDA_ERROR_NOT_SUPPORTED);
        } else {
            *made = (struct elsewhere){.next = all, .id = id, .base = base, .bytes = bytes};
            all = made;
        }
    } else if (error == CUDA_SUCCESS) {
        error = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (arrival.descriptor >= 0) close(arrival.descriptor);
    pthread_mutex_unlock(&places_lock);
    return error;
}

CUresult vgpu_object_move_over(uint64_t id, uint64_t whole, uint64_t lead, uint64_t bytes, void *fixed, uintptr_t *rest)
{
    struct arrival arrival;
    CUresult error = take_arrival(id, &arrival);
    if (error != CUDA_SUCCESS) return error;
    uint8_t *mapped = map_arrival(&arrival, whole, 0);
    if (mapped == MAP_FAILED) return CUDA_ERROR_OUT_OF_MEMORY;
    *rest = lead || lead + bytes < whole ? (uintptr_t)mapped : 0;
    if (!bytes) return CUDA_SUCCESS;
    memcpy(mapped + lead, fixed, bytes);
    /* Moved over the old pages in one step: no moment in which the range is unmapped. */
    if (mremap(mapped + lead, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, fixed) != MAP_FAILED) return CUDA_SUCCESS;
    munmap(mapped, vgpu_page_up(whole));
    return CUDA_ERROR_OUT_OF_MEMORY;
}

void vgpu_object_unmap(uint64_t id, uint64_t bytes, uintptr_t at)
{
    if (!has_place(at, bytes)) {
        munmap((void *)at, vgpu_page_up(bytes));
        return;
    }
    pthread_mutex_lock(&places_lock);
    uint64_t *place = place_of(at);
    if (place && *place == id) {
        *place = 0;
        mmap((void *)at, vgpu_page_up(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    pthread_mutex_unlock(&places_lock);
}
