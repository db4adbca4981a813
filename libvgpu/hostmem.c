/* hostmem.c - pinned host memory.
 *
 * What cuMemHostAlloc gives out is memory that the executor made and registered with the driver: both map the same object, and
 * copies from and to it move no byte on the CPU. Its descriptor comes over the socket (to the listener) while the reply to
 * HOST_ALLOC comes through the ring, so the two meet in a small list here.
 *
 * cuMemHostRegister takes memory that the program has already. Its whole pages are replaced in place by such an object:
 * allocate one, copy the bytes over, map it there (MAP_FIXED). That is done only for private, anonymous, writable pages (what
 * malloc and mmap give): a file's pages or shared memory must stay what they are. Unregistering puts private memory with the
 * same bytes back. The trade-offs:
 *   - a write by another thread to these pages between the copy and the mapping is lost. The range belongs to the caller of
 *     cuMemHostRegister, and only pages wholly inside it are touched, so malloc's own words next to it are safe;
 *   - after fork the child shares these pages with the parent until they are unregistered, where private memory would have
 *     been copied on write;
 *   - the first and last partial page stay private: copies that touch them are staged (copy.c splits there).
 * Memory that cannot be replaced is registered in name: its copies go through staging, correct but slower.
 *
 * With unified addressing a pinned range's device pointer is its host pointer. */
#include "hostmem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"
#include "context.h"
#include "hand.h"
#include "ranges.h"

/* ---- descriptors on their way ---- */

struct arrival {
    struct arrival *next;
    uint64_t id, offset, length;
    int descriptor;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static struct arrival *arrivals;

void vgpu_hostmem_arrived(uint64_t id, int descriptor, uint64_t offset, uint64_t length)
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

void vgpu_hostmem_failed(void)
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

/* ---- objects ---- */

static uintptr_t page_size(void)
{
    static uintptr_t size;
    if (!size) size = (uintptr_t)sysconf(_SC_PAGESIZE);
    return size;
}

static uintptr_t page_up(uintptr_t n) { return (n + page_size() - 1) & ~(page_size() - 1); }

static CUresult free_object(uint64_t id)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_HOST_FREE, sizeof(struct rf_HOST_FREE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_HOST_FREE *)call.payload)->id = id;
    return vgpu_wait(&call, NULL, 0);
}

/* Asks for an object and maps `bytes` (whole pages) of it: anywhere, or over `fixed` after copying what is there. */
static CUresult map_object(uint64_t bytes, unsigned flags, void *fixed, uint64_t *id, void **address)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_HOST_ALLOC, sizeof(struct rf_HOST_ALLOC), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_HOST_ALLOC *request = call.payload;
    request->bytes = bytes;
    request->flags = flags;
    struct rf_HOST_ALLOC_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    struct arrival arrival;
    error = take_arrival(reply.id, &arrival);
    if (error != CUDA_SUCCESS) return error;
    uint64_t length = page_up(bytes);
    void *mapped = MAP_FAILED;
    if (arrival.offset % page_size() == 0 && arrival.length >= bytes) {
        mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, arrival.descriptor, (off_t)arrival.offset);
        if (mapped != MAP_FAILED && fixed) {
            memcpy(mapped, fixed, bytes);
            /* Moved over the old pages in one step: no moment in which the range is unmapped. */
            if (mremap(mapped, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, fixed) == MAP_FAILED) {
                munmap(mapped, length);
                mapped = MAP_FAILED;
            } else {
                mapped = fixed;
            }
        }
    }
    close(arrival.descriptor);
    if (mapped == MAP_FAILED) {
        free_object(reply.id);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *id = reply.id;
    *address = mapped;
    return CUDA_SUCCESS;
}

static void describe(struct vgpu_host_range *range)
{
    static _Atomic uint64_t buffer_ids = 1ull << 48; /* far from the executor's numbers of device allocations */
    const struct vgpu_context *context = vgpu_context_find(NULL);
    range->buffer_id = atomic_fetch_add(&buffer_ids, 1);
    range->context = context ? (CUcontext)(uintptr_t)context->handle : NULL;
    range->device = context ? context->device : 0;
}

int vgpu_hostmem_find(uintptr_t address, struct vgpu_host_range *out) { return vgpu_ranges_find(address, out); }
int vgpu_hostmem_touching(uintptr_t start, uintptr_t end, struct vgpu_host_range *out) { return vgpu_ranges_touching(start, end, out); }

/* ---- allocation ---- */

CUresult vgpu_cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
    const unsigned all = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    if (!pp || bytesize == 0 || bytesize > SIZE_MAX / 2 || (Flags & ~all)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_host_range range = {.flags = Flags};
    void *address;
    CUresult error = map_object(bytesize, Flags, NULL, &range.id, &address);
    if (error != CUDA_SUCCESS) return error;
    range.start = range.shared_start = (uintptr_t)address;
    range.end = range.shared_end = range.start + bytesize;
    describe(&range);
    if (vgpu_ranges_add(&range) != 0) {
        munmap(address, page_up(bytesize));
        free_object(range.id);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *pp = address;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemAllocHost_v2(void **pp, size_t bytesize) { return vgpu_cuMemHostAlloc(pp, bytesize, 0); }

CUresult vgpu_cuMemAllocHost(void **pp, unsigned int bytesize) { return vgpu_cuMemHostAlloc(pp, bytesize, 0); }

CUresult vgpu_cuMemFreeHost(void *p)
{
    struct vgpu_host_range range;
    if (!p || !vgpu_ranges_find((uintptr_t)p, &range) || range.start != (uintptr_t)p || range.registered) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_remove(range.start, &range)) return CUDA_ERROR_INVALID_VALUE; /* another thread was first */
    /* The executor answers when nothing uses the memory any more; only then may the pages go. */
    CUresult error = free_object(range.id);
    munmap((void *)range.start, page_up(range.end - range.start));
    return error;
}

/* ---- registration ---- */

/* Whether [start, end) is private anonymous writable memory, all of it. */
static int replaceable(uintptr_t start, uintptr_t end)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    if (!maps) return 0;
    char *line = NULL;
    size_t size = 0;
    while (start < end && getline(&line, &size, maps) > 0) {
        unsigned long low, high, inode;
        char rights[5];
        int name = 0;
        if (sscanf(line, "%lx-%lx %4s %*x %*x:%*x %lu %n", &low, &high, rights, &inode, &name) != 4 || high <= start) continue;
        if (low > start || strncmp(rights, "rw", 2) != 0 || rights[3] != 'p' || inode != 0) break;
        /* Anonymous maps have no name, or are the heap; the stack grows by faults below it and stays as it is. */
        if (line[name] && line[name] != '\n' && strncmp(line + name, "[heap]", 6) != 0 && strncmp(line + name, "[anon", 5) != 0) break;
        start = high;
    }
    free(line);
    fclose(maps);
    return start >= end;
}

/* Whether every page of [start, end) is mapped at all: msync says so for any kind of mapping. */
static int mapped(uintptr_t start, uintptr_t end)
{
    uintptr_t first = start & ~(page_size() - 1);
    return msync((void *)first, page_up(end) - first, MS_ASYNC) == 0;
}

/* Puts private memory with the same bytes where shared pages are. Returns whether it could. */
static int make_private(uintptr_t start, uintptr_t end)
{
    size_t length = end - start;
    void *copy = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED) return 0;
    memcpy(copy, (void *)start, length);
    if (mremap(copy, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) != MAP_FAILED) return 1;
    munmap(copy, length);
    return 0;
}

CUresult vgpu_cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags)
{
    const unsigned all = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY | CU_MEMHOSTREGISTER_READ_ONLY;
    uintptr_t start = (uintptr_t)p;
    if (!p || bytesize == 0 || start + bytesize < start || (Flags & ~all)) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_context_find(NULL)) return CUDA_ERROR_INVALID_CONTEXT;
    if (Flags & CU_MEMHOSTREGISTER_IOMEMORY) return CUDA_ERROR_NOT_SUPPORTED; /* another device's registers: not in this process */
    if (!mapped(start, start + bytesize)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_host_range range = {.start = start, .end = start + bytesize, .flags = Flags, .registered = 1};
    struct vgpu_host_range other;
    if (vgpu_ranges_touching(range.start, range.end, &other)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    describe(&range);
    uintptr_t first = page_up(range.start), last = range.end & ~(page_size() - 1);
    range.shared_start = range.shared_end = first;
    if (first < last && !(Flags & CU_MEMHOSTREGISTER_READ_ONLY) && replaceable(first, last)) {
        void *address;
        CUresult error = map_object(last - first, Flags, (void *)first, &range.id, &address);
        /* Out of pinned memory or of mappings: the range is registered in name, and staged. The broker's death is an error. */
        if (error == CUDA_SUCCESS) range.shared_end = last;
        else if (vgpu_ready() != CUDA_SUCCESS) return error;
    }
    int added = vgpu_ranges_add(&range);
    if (added == 0) return CUDA_SUCCESS;
    if (range.shared_end > range.shared_start) { /* another thread registered part of it meanwhile, or no memory: undo */
        free_object(range.id);
        make_private(range.shared_start, range.shared_end);
    }
    return added == -1 ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vgpu_cuMemHostUnregister(void *p)
{
    struct vgpu_host_range range;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_find((uintptr_t)p, &range) || range.start != (uintptr_t)p || !range.registered) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (!vgpu_ranges_remove(range.start, &range)) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (range.shared_start == range.shared_end) return CUDA_SUCCESS;
    CUresult error = free_object(range.id); /* answered when no copy uses the pages any more */
    /* Without memory for the private copy the pages stay shared: the object lives on under them, the bytes are safe. */
    make_private(range.shared_start, range.shared_end);
    return error;
}

/* ---- questions ---- */

CUresult vgpu_cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
    struct vgpu_host_range range;
    if (!pdptr || Flags != 0 || !vgpu_ranges_find((uintptr_t)p, &range)) return CUDA_ERROR_INVALID_VALUE;
    *pdptr = (CUdeviceptr)(uintptr_t)p;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemHostGetDevicePointer(CUdeviceptr_v1 *pdptr, void *p, unsigned int Flags)
{
    CUdeviceptr wide;
    if (!pdptr) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_cuMemHostGetDevicePointer_v2(&wide, p, Flags);
    if (error != CUDA_SUCCESS) return error;
    if (wide > UINT32_MAX) return vgpu_refuse("cuMemHostGetDevicePointer (32-bit addresses)", CUDA_ERROR_NOT_SUPPORTED);
    *pdptr = (CUdeviceptr_v1)wide;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemHostGetFlags(unsigned int *pFlags, void *p)
{
    struct vgpu_host_range range;
    if (!pFlags || !vgpu_ranges_find((uintptr_t)p, &range)) return CUDA_ERROR_INVALID_VALUE;
    *pFlags = range.flags;
    return CUDA_SUCCESS;
}
