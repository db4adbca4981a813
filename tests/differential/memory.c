/* memory.c - memory of every kind: made, asked about, freed (also twice, in the middle, under work), pools, mappings, host memory. */
#include <sys/mman.h>

#include "walk.h"

static unsigned char look[ROOM];

/* Bytes that belong to a context are gone with it; what was under way on other host memory is undefined. */
void forget_bytes(int context)
{
    for (int i = 0; i < BUFFERS; i++)
        if (buffers[i].last.context == context) buffers[i].last.stream = NOWHERE;
    for (int i = 0; i < HOSTS; i++) {
        if (hosts[i].last.stream == NOWHERE || hosts[i].last.context != context) continue;
        hosts[i].last.stream = NOWHERE;
        if (hosts[i].kind == PAGEABLE) fill_host(&hosts[i]);
    }
}

void fill_host(host_slot *host)
{
    uint32_t seed = below(256);
    for (size_t i = 0; i < host->size; i++) host->at[i] = (unsigned char)(seed + i * 7 + (i >> 8));
}

void print_buffer(buffer_slot *buffer)
{
    settle(&buffer->last);
    size_t size = buffer->size < ROOM ? buffer->size : ROOM;
    if (CALL(cuMemcpyDtoH_v2(look, buffer->at, size)) == CUDA_SUCCESS) say("buffer %d holds %016llx", (int)(buffer - buffers), (unsigned long long)hash_of(look, size));
}

static size_t some_size(void)
{
    switch (below(6)) {
    case 0: return 1 + below(16);
    case 1: return 1 + below(5000);
    case 2: return ROOM;
    case 3: return (size_t)1 << below(18);
    default: return 1 + below(ROOM);
    }
}

static void make_virtual(buffer_slot *b, size_t size)
{
    CUmemAllocationProp what = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
    CUmemAccessDesc grant = {.location = what.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    size_t grain = 0;
    NEED(cuMemGetAllocationGranularity(&grain, &what, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    if (!grain) return;
    size_t whole = (size + grain - 1) / grain * grain;
    CUdeviceptr at = 0;
    CUmemGenericAllocationHandle memory = 0;
    if (CALL(cuMemAddressReserve(&at, whole, 0, 0, 0)) != CUDA_SUCCESS) return;
    if (CALL(cuMemCreate(&memory, whole, &what, 0)) != CUDA_SUCCESS) {
        CALL(cuMemAddressFree(at, whole));
        return;
    }
    CALL(cuMemMap(at, whole, 0, memory, 0));
    if (one_in(4)) CALL(cuMemcpyHtoD_v2(at, look, 16)); /* no access yet */
    CALL(cuMemSetAccess(at, whole, &grant, 1));
    b->at = at, b->memory = memory, b->mapped = whole, b->size = size;
}

static void allocate(void)
{
    buffer_slot *b = &buffers[below(BUFFERS)];
    if (LIVE(b)) return;
    int c = work_context(), kind = (int)below(KINDS), index = LEGACY;
    if (c < 0) return;
    size_t size = some_size(), pitch = 0;
    if (one_in(16)) size = one_in(2) ? 3 << 20 : (5 << 20) + 13;
    if (b->kind == VIRTUAL && b->mapped) return; /* its mapping is not a context's */
    say("buffer %d, kind %d, %zu bytes", (int)(b - buffers), kind, size);
    *b = (buffer_slot){.kind = kind, .last = {.stream = NOWHERE}, .context = c, .context_generation = contexts[c].generation};
    switch (kind) {
    case PLAIN: if (CALL(cuMemAlloc_v2(&b->at, size)) == CUDA_SUCCESS) b->size = size; break;
    case PITCHED: {
        size_t width = 1 + below(600), rows = 1 + below(200);
        if (CALL(cuMemAllocPitch_v2(&b->at, &pitch, width, rows, 4u << below(3))) == CUDA_SUCCESS) b->size = pitch * rows;
        say("%zu x %zu, pitch %zu", width, rows, pitch);
        break;
    }
    case MANAGED: if (CALL(cuMemAllocManaged(&b->at, size, one_in(3) ? CU_MEM_ATTACH_HOST : CU_MEM_ATTACH_GLOBAL)) == CUDA_SUCCESS) b->size = size; break;
    case POOLED: {
        CUstream stream = pick_stream(c, &index);
        if (CALL(cuMemAllocAsync(&b->at, size, stream)) == CUDA_SUCCESS) b->size = size;
        break;
    }
    case VIRTUAL: make_virtual(b, size); break;
    }
    if (!b->size) return;
    b->live = 1;
    if (kind == POOLED) {
        give(&b->last, c, index);
        settle(&b->last);
    }
    unsigned char value = (unsigned char)below(256);
    CALL(cuMemsetD8_v2(b->at, value, b->size));
    give(&b->last, c, LEGACY);
}

static buffer_slot *some_buffer(void)
{
    buffer_slot *b = &buffers[below(BUFFERS)];
    for (int i = 0; i < BUFFERS && !LIVE(b); i++) b = &buffers[(b - buffers + 1) % BUFFERS];
    if (!LIVE(b)) return NULL;
    say("buffer %d of kind %d, %zu bytes, context %d", (int)(b - buffers), b->kind, b->size, b->context);
    return b;
}

static void unmap(buffer_slot *b)
{
    settle(&b->last);
    if (one_in(3)) CALL(cuMemAddressFree(b->at, b->mapped)); /* mapped still */
    int first = one_in(2);
    if (first) CALL(cuMemRelease(b->memory));
    if (one_in(3)) CALL(cuMemUnmap(b->at, b->mapped / 2)); /* not a mapping, if it is not nothing */
    CALL(cuMemUnmap(b->at, b->mapped));
    if (!first) CALL(cuMemRelease(b->memory));
    CALL(cuMemAddressFree(b->at, b->mapped));
    CALL(cuMemAddressFree(b->at, b->mapped));
    b->live = 0, b->mapped = 0;
}

static void free_buffer(void)
{
    buffer_slot *b = some_buffer();
    if (!b || one_in(3)) return;
    int c = current();
    may_wait();
    if (b->kind == VIRTUAL) return unmap(b);
    if (one_in(8)) CALL(cuMemFree_v2(b->at + 1));
    if (b->kind == POOLED || (b->kind == PLAIN && one_in(4) && c == b->context)) {
        c = work_context();
        if (c != b->context) return;
        int index;
        CUstream stream = pick_stream(c, &index);
        order(&b->last, c, index);
        say("in stream %d", index);
        if (CALL(cuMemFreeAsync(b->at, stream)) == CUDA_SUCCESS) b->live = 0, loud(c);
        CALL(cuMemFreeAsync(b->at, stream));
        if (b->live == 0 && one_in(2)) CALL(cuMemFree_v2(b->at));
        return;
    }
    if (CALL(cuMemFree_v2(b->at)) != CUDA_SUCCESS) return;
    b->live = 0;
    CALL(cuMemFree_v2(b->at));
    CALL(cuMemsetD8_v2(b->at, 0, b->size));
    CALL(cuMemcpyDtoH_v2(look, b->at, 1));
}

static void range(void)
{
    buffer_slot *b = some_buffer();
    if (!b) return;
    CUdeviceptr base = 0;
    size_t size = 0, at = below((uint32_t)b->size + (one_in(4) ? 8 : 0));
    CUresult result = CALL(cuMemGetAddressRange_v2(&base, &size, b->at + at));
    /* The end of a mapping is its granule's. */
    if (result == CUDA_SUCCESS) say("at %zu: begins %lld bytes before, %zu bytes", at, (long long)(b->at + at - base), size);
}

static void attributes(void)
{
    /* Asked in a context that has failed they may say so, or answer. */
    int c = current();
    buffer_slot *b = c >= 0 && contexts[c].fault ? NULL : some_buffer();
    if (!b) return;
    CUdeviceptr at = b->at + below((uint32_t)b->size), start = 0;
    unsigned type = 77, managed = 77, sync = 77, ordinal = 77, mapped = 77;
    unsigned long long allowed = 77;
    size_t size = 0;
    CUcontext whose = NULL;
    void *host = NULL;
    CUdeviceptr device = 0;
    CUmemoryPool pool = NULL;
    CALL(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, at));
    CALL(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, at));
    CALL(cuPointerGetAttribute(&sync, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, at));
    CALL(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, at));
    CALL(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, at));
    CALL(cuPointerGetAttribute(&size, CU_POINTER_ATTRIBUTE_RANGE_SIZE, at));
    CALL(cuPointerGetAttribute(&mapped, CU_POINTER_ATTRIBUTE_MAPPED, at));
    CALL(cuPointerGetAttribute(&whose, CU_POINTER_ATTRIBUTE_CONTEXT, at));
    CALL(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, at));
    CALL(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, at));
    CALL(cuPointerGetAttribute(&pool, CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE, at));
    CALL(cuPointerGetAttribute(&allowed, CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES, at));
    say("type %u, managed %u, sync %u, ordinal %u, mapped %u, range %s of %zu, context %s, device %s, host %s, pool %s", type, managed & 1, sync & 1, ordinal, mapped & 1, start == b->at ? "from the start" : "elsewhere", size,
        whose == NULL ? "none" : whose == contexts[b->context].handle ? "its own" : "another", device == at ? "the same" : "other", host == (void *)(uintptr_t)at ? "the same" : host ? "other" : "none", pool ? "some" : "none");
}

static void sync_memops(void)
{
    int c = current();
    buffer_slot *b = c >= 0 && contexts[c].fault ? NULL : some_buffer();
    if (!b || b->kind == VIRTUAL) return; /* mappings: not documented */
    unsigned on = below(2);
    CALL(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, b->at));
    CALL(cuPointerGetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, b->at));
    say("sync %u", on & 1);
}

/* ---- Managed -------------------------------------------------------------------------------------------------- */

static void managed(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    if (!b) return;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE}, host = {.type = CU_MEM_LOCATION_TYPE_HOST};
    CUstream stream = pick_stream(c, &index);
    say("buffer %d of kind %d, stream %d", (int)(b - buffers), b->kind, index);
    order(&b->last, c, index);
    if (CALL(cuMemPrefetchAsync_v2(b->at, b->size, one_in(2) ? here : host, 0, stream)) == CUDA_SUCCESS) give(&b->last, c, index);
    CUmem_advise advice = (CUmem_advise)(1 + below(6));
    say("advice %d", (int)advice);
    CALL(cuMemAdvise_v2(b->at, b->size, advice, one_in(2) ? here : host));
    int told_back[4] = {77, 77, 77, 77};
    CALL(cuMemRangeGetAttribute(told_back, 4, CU_MEM_RANGE_ATTRIBUTE_READ_MOSTLY, b->at, b->size));
    CALL(cuMemRangeGetAttribute(told_back + 1, 4, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION, b->at, b->size));
    CALL(cuMemRangeGetAttribute(told_back + 2, 4, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, b->at, b->size));
    CALL(cuMemRangeGetAttribute(told_back + 3, 4, CU_MEM_RANGE_ATTRIBUTE_ACCESSED_BY, b->at, b->size));
    say("%d %d %d %d", told_back[0], told_back[1], told_back[2], told_back[3]);
    if (b->kind != MANAGED) return;
    settle(&b->last);
    unsigned char *bytes = (unsigned char *)(uintptr_t)b->at;
    size_t size = b->size < ROOM ? b->size : ROOM;
    say("the host sees %016llx", (unsigned long long)hash_of(bytes, size));
    bytes[below((uint32_t)size)] ^= 0x5a;
}

/* ---- Pools ---------------------------------------------------------------------------------------------------- */

static void pools(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    CUmemPoolProps what = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
    CUmemoryPool pool = NULL;
    if (CALL(cuMemPoolCreate(&pool, &what)) != CUDA_SUCCESS) return;
    CUdeviceptr at[4] = {0};
    CUstream stream = pick_stream(c, &index);
    cuuint64_t used = 77, high = 77;
    uint32_t count = 1 + below(4);
    unsigned char sum = 0;
    may_wait();
    loud(c);
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 1 + below(100000);
        CALL(cuMemAllocFromPoolAsync(&at[i], size, pool, stream));
        CALL(cuMemsetD8Async(at[i], (unsigned char)i, size, stream));
        if (one_in(2)) pause_a_little();
        CALL(cuMemcpyDtoHAsync_v2(look, at[i], size, stream)); /* pageable: it is there */
        sum ^= look[size - 1] ^ look[0];
        if (one_in(3)) CALL(cuMemFreeAsync(at[i], stream)), at[i] = 0;
    }
    say("sum %u", sum);
    CALL(cuStreamSynchronize(stream));
    CALL(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_HIGH, &high));
    int early = one_in(4);
    if (early) CALL(cuMemPoolDestroy(pool));
    for (uint32_t i = 0; i < count; i++)
        if (at[i]) {
            if (one_in(2)) CALL(cuMemFreeAsync(at[i], stream));
            else CALL(cuMemFree_v2(at[i]));
        }
    CALL(cuStreamSynchronize(stream));
    if (!early) {
        CALL(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
        say("used %llu, once %s", (unsigned long long)used, high ? "more" : "nothing");
        CALL(cuMemPoolTrimTo(pool, 0));
        CALL(cuMemPoolDestroy(pool));
    }
}

/* ---- Host memory ---------------------------------------------------------------------------------------------- */

static void host_allocate(void)
{
    host_slot *h = &hosts[2 + below(HOSTS - 2)];
    if (LIVE(h)) return;
    int c = work_context();
    if (c < 0) return;
    size_t size = some_size();
    if (size < 64) size = 64;
    unsigned flags = below(8);
    *h = (host_slot){.kind = one_in(3) ? REGISTERED : PINNED, .last = {.stream = NOWHERE}, .context = c, .context_generation = contexts[c].generation, .size = size, .flags = flags};
    say("host %d, kind %d, %zu bytes, flags %u", (int)(h - hosts), h->kind, size, flags);
    may_wait();
    if (h->kind == PINNED) {
        if (CALL(cuMemHostAlloc((void **)&h->at, size, flags)) != CUDA_SUCCESS) return;
        unsigned got = 77;
        CALL(cuMemHostGetFlags(&got, h->at));
        say("flags %u", got);
    } else {
        size_t offset = below(2) ? below(4096) : 0;
        char *pages = mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        unsigned char *at = (unsigned char *)pages + offset;
        for (size_t i = 0; i < size; i++) at[i] = (unsigned char)i;
        if (CALL(cuMemHostRegister_v2(at, size, flags & 3)) != CUDA_SUCCESS) return;
        h->at = at;
        CALL(cuMemHostRegister_v2(at, size, 0));
        say("holds %016llx", (unsigned long long)hash_of(at, size));
    }
    h->live = 1;
    fill_host(h);
}

static void host_free(void)
{
    host_slot *h = &hosts[2 + below(HOSTS - 2)];
    if (!LIVE(h) || one_in(3)) return;
    settle(&h->last);
    may_wait();
    say("host %d, kind %d", (int)(h - hosts), h->kind);
    if (one_in(8)) CALL(cuMemFreeHost(h->at + 1));
    if (h->kind == PINNED) {
        if (one_in(4)) CALL(cuMemHostUnregister(h->at));
        if (CALL(cuMemFreeHost(h->at)) != CUDA_SUCCESS) return;
        CALL(cuMemFreeHost(h->at));
    } else {
        uint64_t before = hash_of(h->at, h->size);
        if (one_in(4)) CALL(cuMemFreeHost(h->at));
        if (CALL(cuMemHostUnregister(h->at)) != CUDA_SUCCESS) return;
        say("the bytes are %s", hash_of(h->at, h->size) == before ? "the same" : "others");
        CALL(cuMemHostUnregister(h->at));
    }
    h->live = 0, h->at = NULL;
}

static void host_look(void)
{
    host_slot *h = &hosts[below(HOSTS)];
    if (h->kind != PAGEABLE && !LIVE(h)) return;
    if (h->last.stream != NOWHERE) settle(&h->last);
    say("host %d holds %016llx", (int)(h - hosts), (unsigned long long)hash_of(h->at, h->size));
    if (one_in(3)) fill_host(h);
    CUdeviceptr at = 0;
    CALL(cuMemHostGetDevicePointer_v2(&at, h->at, 0));
    unsigned type = 77, ordinal = 77;
    CUcontext whose = NULL;
    CALL(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)h->at));
    CALL(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, (CUdeviceptr)(uintptr_t)h->at));
    CALL(cuPointerGetAttribute(&whose, CU_POINTER_ATTRIBUTE_CONTEXT, (CUdeviceptr)(uintptr_t)h->at));
    say("type %u, ordinal %u, context %s", type, ordinal, whose == NULL ? "none" : whose == contexts[h->context].handle ? "its own" : "another");
}

const operation memory_operations[] = {
    {"allocate", "memory", 16, allocate}, {"free", "memory", 6, free_buffer}, {"range", "memory", 2, range}, {"pointer attributes", "memory", 2, attributes},
    {"sync memops", "memory", 1, sync_memops}, {"managed", "memory", 3, managed}, {"pools", "memory", 2, pools}, {"host allocate", "memory", 8, host_allocate},
    {"host free", "memory", 3, host_free}, {"host look", "memory", 5, host_look}, {0},
};
