/* pointer.c - cuPointerGetAttribute: what a number is that programs believe to be a pointer.
 *
 * Host memory that CUDA knows is answered from the table of host ranges, device memory by one POINTER_QUERY for all
 * attributes. Anything else is CUDA_ERROR_INVALID_VALUE for the single form, and zeros with success for the plural form:
 * that is how the runtime tells plain host memory. */
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "device.h"
#include "hand.h"
#include "hostmem.h"
#include "query.h"
#include "ranges.h"

struct facts {
    int known;                /* 0: neither host memory that CUDA knows nor the GPU's */
    CUmemorytype type;
    uint64_t base, size, context, pool, id;
    CUdeviceptr device_pointer;
    uint64_t host_pointer;
    CUdevice device;
    int managed, mapping;
};

/* Allocations whose memory operations the program wants synchronous, by their numbers, which are never used again. They are served
 * so anyway (CLIENT.md): this is for whoever asks. */
static pthread_mutex_t synchronous_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t *synchronous;
static size_t synchronous_count, synchronous_room;

static int is_synchronous(uint64_t id)
{
    int found = 0;
    pthread_mutex_lock(&synchronous_lock);
    for (size_t i = 0; i < synchronous_count && !found; i++) found = synchronous[i] == id;
    pthread_mutex_unlock(&synchronous_lock);
    return found;
}

static CUresult set_synchronous(uint64_t id, int on)
{
    CUresult result = CUDA_SUCCESS;
    pthread_mutex_lock(&synchronous_lock);
    size_t at = 0;
    while (at < synchronous_count && synchronous[at] != id) at++;
    if (!on && at < synchronous_count) synchronous[at] = synchronous[--synchronous_count];
    if (on && at == synchronous_count) {
        if (at == synchronous_room) {
            uint64_t *more = realloc(synchronous, (synchronous_room * 2 + 16) * sizeof *more);
            if (more) synchronous = more, synchronous_room = synchronous_room * 2 + 16;
        }
        if (at < synchronous_room) synchronous[synchronous_count++] = id;
        else result = CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_unlock(&synchronous_lock);
    return result;
}

static CUresult find(CUdeviceptr ptr, struct facts *facts)
{
    memset(facts, 0, sizeof *facts);
    struct vgpu_host_range range;
    if (vgpu_hostmem_find((uintptr_t)ptr, &range) || (vgpu_hostmem_is_gpus(ptr) && vgpu_ranges_find_gpu(ptr, &range))) {
        int by_gpu = ptr < range.start || ptr >= range.end;
        uint64_t inside = by_gpu ? ptr - range.gpu + (range.shared_start - range.start) : ptr - range.start;
        int on_gpu = range.edged || (range.start + inside >= range.shared_start && range.start + inside < range.shared_end);
        *facts = (struct facts){.known = 1, .type = range.managed ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST, .base = range.start,
                                .size = range.end - range.start, .context = VGPU_WIRE(range.context), .id = range.buffer_id,
                                .device_pointer = on_gpu ? range.gpu + (range.start + inside - range.shared_start) : 0,
                                .host_pointer = range.start + inside, .device = range.device, .managed = range.managed};
        return CUDA_SUCCESS;
    }
    struct rf_POINTER_QUERY_reply reply;
    CUresult error = vgpu_query(ptr, &reply);
    if (error != CUDA_SUCCESS) return error;
    *facts = (struct facts){.known = 1, .type = CU_MEMORYTYPE_DEVICE, .base = reply.base, .size = reply.size, .context = reply.context, .pool = reply.pool,
                            .id = reply.id, .device_pointer = ptr, .device = vgpu_device_from_wire(reply.device),
                            .managed = reply.kind == RF_ALLOC_MANAGED, .mapping = reply.kind == RF_ALLOC_MAPPING};
    if (facts->managed) facts->host_pointer = ptr; /* a variable: of allocations the table knows */
    return CUDA_SUCCESS;
}

#define PUT(type, value)                                 \
    do {                                                 \
        type put_ = (type)(value);                       \
        memcpy(data, &put_, sizeof put_);                \
        return CUDA_SUCCESS;                             \
    } while (0)

static CUresult answer(const struct facts *f, CUpointer_attribute attribute, void *data)
{
    switch ((int)attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: PUT(uint64_t, f->context);
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: PUT(uint32_t, f->type);
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        if (f->known && !f->device_pointer) return CUDA_ERROR_INVALID_VALUE; /* registered memory that the GPU does not have */
        PUT(uint64_t, f->device_pointer);
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (f->known && !f->host_pointer) return CUDA_ERROR_INVALID_VALUE; /* device memory has none */
        PUT(uint64_t, f->host_pointer);
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS: PUT(uint8_t, f->known && is_synchronous(f->id));
    case CU_POINTER_ATTRIBUTE_BUFFER_ID: PUT(uint64_t, f->id);
    case CU_POINTER_ATTRIBUTE_IS_MANAGED: PUT(uint32_t, f->managed);
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: PUT(int32_t, f->known ? f->device : CU_DEVICE_INVALID);
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE: PUT(uint32_t, f->known && f->type == CU_MEMORYTYPE_DEVICE && !f->managed && !f->mapping && !f->pool);
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR: PUT(uint64_t, f->base);
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE: PUT(uint64_t, f->size);
    case CU_POINTER_ATTRIBUTE_MAPPED: PUT(uint32_t, f->known);
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES: PUT(uint64_t, 0);
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE: PUT(uint32_t, 0);
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
        PUT(uint32_t, f->known ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE);
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE: PUT(uint64_t, f->pool);
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE: PUT(uint64_t, f->size);
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR: PUT(uint64_t, f->base);
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID: PUT(uint64_t, f->id);
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE: PUT(uint8_t, 0);
    default: return CUDA_ERROR_INVALID_VALUE; /* P2P tokens among them: for a kernel module that no zone reaches */
    }
}

CUresult vgpu_cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
    struct facts facts;
    if (!data) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = find(ptr, &facts);
    return error ? error : answer(&facts, attribute, data);
}

CUresult vgpu_cuPointerGetAttributes(unsigned int numAttributes, CUpointer_attribute *attributes, void **data, CUdeviceptr ptr)
{
    struct facts facts;
    if (!numAttributes || !attributes || !data) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = find(ptr, &facts);
    if (error == CUDA_ERROR_INVALID_VALUE) memset(&facts, 0, sizeof facts);
    else if (error != CUDA_SUCCESS) return error;
    for (unsigned i = 0; i < numAttributes; i++) {
        if (!data[i]) return CUDA_ERROR_INVALID_VALUE;
        if ((attributes[i] == CU_POINTER_ATTRIBUTE_HOST_POINTER && facts.known && !facts.host_pointer) ||
            (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_POINTER && facts.known && !facts.device_pointer)) {
            memset(data[i], 0, sizeof(uint64_t)); /* the plural form has defaults, not errors */
            continue;
        }
        error = answer(&facts, attributes[i], data[i]);
        if (error != CUDA_SUCCESS) return error;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr ptr)
{
    struct facts facts;
    unsigned on;
    if (!value || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = find(ptr, &facts);
    memcpy(&on, value, sizeof on);
    return error ? error : set_synchronous(facts.id, on != 0);
}
