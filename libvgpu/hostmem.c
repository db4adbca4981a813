/* hostmem.c - pinned host memory.
 *
 * What cuMemHostAlloc gives out is memory that the executor made and registered with the driver (objects.h): both map the same
 * object, copies from and to it move no byte on the CPU, and kernels reach it at the same address as the program.
 *
 * cuMemHostRegister takes memory that the program has already. Its whole pages are replaced in place by such an object:
 * allocate one, copy the bytes over, map it there (MAP_FIXED). That is done only for private, anonymous, writable pages (what
 * malloc and mmap give): a file's pages or shared memory must stay what they are. Unregistering puts private memory with the
 * same bytes back. The trade-offs:
 *   - a write by another thread to these pages between the copy and the mapping is lost. The range belongs to the caller of
 *     cuMemHostRegister, and only pages wholly inside it are touched, so malloc's own words next to it are safe;
 *   - after fork the child shares these pages with the parent until they are unregistered, where private memory would have
 *     been copied on write;
 *   - the first and last partial page stay private: copies that touch them are staged (copy.c splits there), and for kernels they
 *     are kept equal with pages of the object (edges.h), once a device pointer was asked for.
 * Memory that cannot be replaced is registered in name: its copies go through staging, correct but slower.
 *
 * The device pointer of what was allocated is its host pointer. That of registered memory is another one (attribute 91 says so):
 * the executor cannot have its own mappings wherever the program happens to have its. */
#include "hostmem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "edges.h"
#include "hand.h"
#include "objects.h"
#include "ranges.h"

/* ---- objects ---- */

static CUresult free_object(uint64_t id, int retire)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_HOST_FREE, sizeof(struct rf_HOST_FREE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    *(struct rf_HOST_FREE *)call.payload = (struct rf_HOST_FREE){.id = id, .retire = (uint32_t)retire};
    return vgpu_wait(&call, NULL, 0);
}

/* Asks for an object of `bytes` bytes. */
static CUresult make_object(uint64_t bytes, unsigned flags, struct rf_HOST_ALLOC_reply *reply)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_HOST_ALLOC, sizeof(struct rf_HOST_ALLOC), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_HOST_ALLOC *request = call.payload;
    request->bytes = bytes;
    request->flags = flags;
    return vgpu_wait(&call, reply, sizeof *reply);
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

int vgpu_hostmem_is_gpus(uint64_t address)
{
    struct vgpu_host_range range;
    if (address - vgpu.info.host_window_base >= vgpu.info.host_window_size) return 0;
    return !vgpu_ranges_find((uintptr_t)address, &range) || range.managed;
}

/* ---- allocation ---- */

CUresult vgpu_cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags)
{
    CUresult unsafe = vgpu_capture_unsafe();
    if (unsafe != CUDA_SUCCESS) return unsafe;
    const unsigned all = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    if (!pp || bytesize > SIZE_MAX / 2 || (Flags & ~all)) return CUDA_ERROR_INVALID_VALUE;
    if (bytesize == 0) {
        CUresult state = vgpu_context_working(NULL);
        if (state == CUDA_SUCCESS) *pp = NULL;
        return state;
    }
    struct rf_HOST_ALLOC_reply object;
    CUresult error = make_object(bytesize, Flags, &object);
    if (error != CUDA_SUCCESS) return error;
    uintptr_t at = object.address;
    error = vgpu_object_map(object.id, bytesize, &at);
    if (error != CUDA_SUCCESS) {
        free_object(object.id, 0);
        return error;
    }
    struct vgpu_host_range range = {.start = at, .end = at + bytesize, .shared_start = at, .shared_end = at + bytesize, .id = object.id,
                                    .gpu = object.address, .flags = Flags | CU_MEMHOSTALLOC_DEVICEMAP};
    describe(&range);
    if (vgpu_ranges_add(&range) != 0) {
        vgpu_object_unmap(range.id, bytesize, at);
        free_object(range.id, 0);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *pp = (void *)at;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemAllocHost_v2(void **pp, size_t bytesize) { return bytesize ? vgpu_cuMemHostAlloc(pp, bytesize, 0) : CUDA_ERROR_INVALID_VALUE; }

CUresult vgpu_cuMemAllocHost(void **pp, unsigned int bytesize) { return vgpu_cuMemAllocHost_v2(pp, bytesize); }

CUresult vgpu_cuMemFreeHost(void *p)
{
    CUresult unsafe = vgpu_capture_unsafe();
    if (unsafe != CUDA_SUCCESS) return unsafe;
    struct vgpu_host_range range;
    if (!p || !vgpu_ranges_find((uintptr_t)p, &range) || range.start != (uintptr_t)p || range.registered || range.managed) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_remove(range.start, &range)) return CUDA_ERROR_INVALID_VALUE; /* another thread was first */
    /* The executor answers when nothing uses the memory any more, host functions among them; only then may the pages go. */
    CUresult error = free_object(range.id, 0);
    vgpu_object_unmap(range.id, range.end - range.start, range.start);
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

/* Makes the object of a registered range, for all of its pages, of which the whole ones move into place. */
static CUresult share(struct vgpu_host_range *range, uintptr_t last)
{
    struct rf_HOST_ALLOC_reply object;
    uintptr_t outer = vgpu_page_down(range->start);
    uint64_t whole = vgpu_page_up(range->end) - outer, lead = range->shared_start - outer;
    CUresult error = make_object(whole, range->flags, &object);
    if (error != CUDA_SUCCESS) return error;
    error = vgpu_object_move_over(object.id, whole, lead, last - range->shared_start, (void *)range->shared_start, &range->rest);
    if (error != CUDA_SUCCESS) {
        free_object(object.id, 0);
        return error;
    }
    range->id = object.id;
    range->lead = lead;
    range->gpu = object.address + lead;
    range->shared_end = last;
    return CUDA_SUCCESS;
}

/* Whether every page of [start, end) is mapped at all: msync says so for any kind of mapping. */
static int mapped(uintptr_t start, uintptr_t end)
{
    uintptr_t first = vgpu_page_down(start);
    return msync((void *)first, vgpu_page_up(end) - first, MS_ASYNC) == 0;
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
    CUresult unsafe = vgpu_capture_unsafe();
    if (unsafe != CUDA_SUCCESS) return unsafe;
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
    uintptr_t first = vgpu_page_up(range.start), last = vgpu_page_down(range.end);
    range.shared_start = range.shared_end = first;
    if (first < last && !(Flags & CU_MEMHOSTREGISTER_READ_ONLY) && replaceable(first, last)) {
        CUresult error = share(&range, last);
        /* Out of pinned memory or of mappings: the range is registered in name, and staged. The broker's death is an error. */
        if (error != CUDA_SUCCESS && vgpu_ready() != CUDA_SUCCESS) return error;
    }
    int added = vgpu_ranges_add(&range);
    if (added == 0) return CUDA_SUCCESS;
    if (range.id) { /* another thread registered part of it meanwhile, or no memory: undo */
        vgpu_edges_remove(&range);
        make_private(range.shared_start, range.shared_end);
        free_object(range.id, 0);
    }
    return added == -1 ? CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult vgpu_cuMemHostUnregister(void *p)
{
    CUresult unsafe = vgpu_capture_unsafe();
    if (unsafe != CUDA_SUCCESS) return unsafe;
    struct vgpu_host_range range;
    if (!p) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_find((uintptr_t)p, &range)) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (range.start != (uintptr_t)p || !range.registered) return CUDA_ERROR_INVALID_VALUE;
    if (!vgpu_ranges_remove(range.start, &range)) return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    if (!range.id) return CUDA_SUCCESS;
    CUresult error = free_object(range.id, 1); /* answered when no copy uses the pages any more; they go when it is freed */
    vgpu_edges_remove(&range);
    /* Without memory for the private copy the pages stay shared, and charged to the zone: the bytes are safe. */
    int private = range.shared_start == range.shared_end || make_private(range.shared_start, range.shared_end);
    if (private && error == CUDA_SUCCESS) error = free_object(range.id, 0);
    return error;
}

/* ---- questions ---- */

/* Kernels may use the range from now on: its parts of pages too. A range without a whole page gets its object only here. */
static CUresult reach_edges(struct vgpu_host_range *range)
{
    int small = !range->id && vgpu_page_up(range->start) >= vgpu_page_down(range->end);
    if (!range->id && (!small || (range->flags & CU_MEMHOSTREGISTER_READ_ONLY)))
        return vgpu_refuse("cuMemHostGetDevicePointer (of registered memory that could not be shared with the GPU: it is a file's, shared already, or read-only)",
                           CUDA_ERROR_NOT_SUPPORTED);
    CUresult error = small ? share(range, range->shared_start) : CUDA_SUCCESS;
    if (error == CUDA_SUCCESS && range->rest) error = vgpu_edges_add(range);
    if (error != CUDA_SUCCESS) {
        if (small && range->id) {
            vgpu_edges_remove(range);
            free_object(range->id, 0);
        }
        return error;
    }
    range->edged = 1;
    if (!vgpu_ranges_update(range) && small) { /* unregistered by another thread meanwhile */
        vgpu_edges_remove(range);
        free_object(range->id, 0);
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags)
{
    struct vgpu_host_range range;
    CUresult state = vgpu_context_working(NULL);
    if (state != CUDA_SUCCESS) return state;
    if (!pdptr || Flags != 0 || !vgpu_ranges_find((uintptr_t)p, &range) || range.managed) return CUDA_ERROR_INVALID_VALUE;
    if (range.registered && !range.edged) {
        CUresult error = reach_edges(&range);
        if (error != CUDA_SUCCESS) return error;
    }
    *pdptr = range.gpu + ((uintptr_t)p - range.shared_start);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemHostGetDevicePointer(CUdeviceptr_v1 *pdptr, void *p, unsigned int Flags)
{
    CUdeviceptr wide = 0;
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
    CUresult state = vgpu_context_working(NULL);
    if (state != CUDA_SUCCESS) return state;
    if (!pFlags || !vgpu_ranges_find((uintptr_t)p, &range) || range.managed) return CUDA_ERROR_INVALID_VALUE;
    *pFlags = range.flags;
    return CUDA_SUCCESS;
}
