/* copies.c - copies and sets of every form, in every stream, within memory and beyond it. */
#include "walk.h"

static unsigned char look[ROOM];

/* A part of a buffer's or host memory's bytes that two have in common in size. */
typedef struct {
    size_t from, to, bytes;
} part;

static part some_part(size_t source, size_t target)
{
    if (source > ROOM) source = ROOM;
    if (target > ROOM) target = ROOM;
    size_t least = source < target ? source : target;
    part p = {0};
    p.bytes = one_in(20) ? 0 : 1 + below((uint32_t)least);
    p.from = below((uint32_t)(source - p.bytes + 1));
    p.to = below((uint32_t)(target - p.bytes + 1));
    return p;
}

static void host_to_device(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    host_slot *h = any_host(c);
    if (!b || !h) return;
    part p = some_part(h->size, b->size);
    int later = one_in(2);
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    say("host %d + %zu to buffer %d + %zu, %zu bytes, %s %d", (int)(h - hosts), p.from, (int)(b - buffers), p.to, p.bytes, later ? "stream" : "waited", index);
    order(&h->last, c, index);
    order(&b->last, c, index);
    if (!later || h->kind != PINNED) may_wait(); /* ends of registered memory go through staging */
    CUresult result = later ? CALL(cuMemcpyHtoDAsync_v2(b->at + p.to, h->at + p.from, p.bytes, stream)) : CALL(cuMemcpyHtoD_v2(b->at + p.to, h->at + p.from, p.bytes));
    if (result != CUDA_SUCCESS) return;
    give(&b->last, c, index);
    if (h->kind != PAGEABLE) give(&h->last, c, index);
}

static void device_to_host(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    host_slot *h = any_host(c);
    if (!b || !h) return;
    part p = some_part(b->size, h->size);
    int later = one_in(2);
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    say("buffer %d + %zu to host %d + %zu, %zu bytes, %s %d", (int)(b - buffers), p.from, (int)(h - hosts), p.to, p.bytes, later ? "stream" : "waited", index);
    order(&h->last, c, index);
    order(&b->last, c, index);
    if (!later || h->kind != PINNED) may_wait(); /* ends of registered memory go through staging */
    CUresult result = later ? CALL(cuMemcpyDtoHAsync_v2(h->at + p.to, b->at + p.from, p.bytes, stream)) : CALL(cuMemcpyDtoH_v2(h->at + p.to, b->at + p.from, p.bytes));
    if (result != CUDA_SUCCESS) return;
    if (!later || h->kind == PAGEABLE) {
        say("holds %016llx", (unsigned long long)hash_of(h->at + p.to, p.bytes));
        return;
    }
    give(&b->last, c, index);
    give(&h->last, c, index);
    if (!one_in(3)) return;
    /* Waited for in one of the ways there are. */
    int way = (int)below(4);
    may_wait();
    if (one_in(2)) pause_a_little();
    if (way == 0) CALL(cuStreamSynchronize(stream));
    if (way == 1) {
        CUresult state;
        while ((state = cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY) {}
        say("asked until %s", name_of(state));
    }
    if (way == 2) {
        CUevent event = NULL;
        CALL(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
        CALL(cuEventRecord(event, stream));
        CALL(cuEventSynchronize(event));
        CALL(cuEventDestroy_v2(event));
    }
    if (way == 3) {
        CUevent event = NULL;
        CUresult state;
        CALL(cuEventCreate(&event, 0));
        CALL(cuEventRecord(event, stream));
        while ((state = cuEventQuery(event)) == CUDA_ERROR_NOT_READY) {}
        say("asked until %s", name_of(state));
        CALL(cuEventDestroy_v2(event));
    }
    say("holds %016llx", (unsigned long long)hash_of(h->at + p.to, p.bytes));
}

static void device_to_device(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *s = any_buffer(c), *d = any_buffer(c);
    if (!s || !d) return;
    part p = some_part(s->size, d->size);
    if (s == d && p.from < p.to + p.bytes && p.to < p.from + p.bytes) p.to = p.from; /* overlapping is undefined, but for the whole */
    int later = one_in(2), unified = one_in(3);
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    say("buffer %d + %zu to buffer %d + %zu, %zu bytes, %s %d", (int)(s - buffers), p.from, (int)(d - buffers), p.to, p.bytes, later ? "stream" : "waited", index);
    order(&s->last, c, index);
    order(&d->last, c, index);
    if (!later) may_wait();
    CUresult result;
    if (unified) result = later ? CALL(cuMemcpyAsync(d->at + p.to, s->at + p.from, p.bytes, stream)) : CALL(cuMemcpy(d->at + p.to, s->at + p.from, p.bytes));
    else result = later ? CALL(cuMemcpyDtoDAsync_v2(d->at + p.to, s->at + p.from, p.bytes, stream)) : CALL(cuMemcpyDtoD_v2(d->at + p.to, s->at + p.from, p.bytes));
    if (result != CUDA_SUCCESS) return;
    give(&s->last, c, index);
    give(&d->last, c, index);
}

/* Buffers of two contexts. */
static void peer(void)
{
    int c = work_context();
    if (c < 0) return;
    buffer_slot *s = &buffers[below(BUFFERS)], *d = &buffers[below(BUFFERS)];
    if (!LIVE(s) || !LIVE(d) || s == d || contexts[s->context].fault || contexts[d->context].fault) return;
    part p = some_part(s->size, d->size);
    say("buffer %d of context %d to buffer %d of context %d, %zu bytes", (int)(s - buffers), s->context, (int)(d - buffers), d->context, p.bytes);
    settle(&s->last);
    settle(&d->last);
    switch (below(3)) {
    case 0: CALL(cuMemcpyPeer(d->at + p.to, contexts[d->context].handle, s->at + p.from, contexts[s->context].handle, p.bytes)); break;
    case 1: CALL(cuMemcpyPeerAsync(d->at + p.to, contexts[d->context].handle, s->at + p.from, contexts[s->context].handle, p.bytes, NULL)); break;
    case 2: CALL(cuMemcpy(d->at + p.to, s->at + p.from, p.bytes)); break;
    }
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void set(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    if (!b) return;
    size_t size = b->size < ROOM ? b->size : ROOM, at = below((uint32_t)size), count = below((uint32_t)(size - at) + 1);
    int later = one_in(2), wide = (int)below(3);
    unsigned value = below(0x7fffffff);
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    if (wide) count >>= wide, at = one_in(12) ? at : at >> wide << wide;
    say("buffer %d + %zu, %zu times %d bytes, %s %d", (int)(b - buffers), at, count, 1 << wide, later ? "stream" : "waited", index);
    order(&b->last, c, index);
    if (!later) may_wait();
    CUdeviceptr p = b->at + at;
    CUresult result;
    if (wide == 0) result = later ? CALL(cuMemsetD8Async(p, (unsigned char)value, count, stream)) : CALL(cuMemsetD8_v2(p, (unsigned char)value, count));
    else if (wide == 1) result = later ? CALL(cuMemsetD16Async(p, (unsigned short)value, count, stream)) : CALL(cuMemsetD16_v2(p, (unsigned short)value, count));
    else result = later ? CALL(cuMemsetD32Async(p, value, count, stream)) : CALL(cuMemsetD32_v2(p, value, count));
    if (result == CUDA_SUCCESS) give(&b->last, c, index);
}

static void set_rows(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    if (!b) return;
    size_t size = b->size < ROOM ? b->size : ROOM, pitch = 1 + below(600), width = 1 + below((uint32_t)pitch + one_in(12)), rows = size / pitch;
    rows = rows ? below((uint32_t)rows + 1) : 0;
    int later = one_in(2);
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    say("buffer %d, %zu rows of %zu, pitch %zu, %s %d", (int)(b - buffers), rows, width, pitch, later ? "stream" : "waited", index);
    order(&b->last, c, index);
    if (!later) may_wait();
    if (one_in(12)) pitch = 0;
    if (one_in(12)) width = 0;
    int wide = (int)below(3);
    unsigned value = below(0x7fffffff);
    CUresult result;
    say("%d bytes each", 1 << wide);
    if (wide && !one_in(8)) pitch = pitch >> wide << wide;
    width >>= wide;
    if (wide == 0) result = later ? CALL(cuMemsetD2D8Async(b->at, pitch, (unsigned char)value, width, rows, stream)) : CALL(cuMemsetD2D8_v2(b->at, pitch, (unsigned char)value, width, rows));
    else if (wide == 1) result = later ? CALL(cuMemsetD2D16Async(b->at, pitch, (unsigned short)value, width, rows, stream)) : CALL(cuMemsetD2D16_v2(b->at, pitch, (unsigned short)value, width, rows));
    else result = later ? CALL(cuMemsetD2D32Async(b->at, pitch, value, width, rows, stream)) : CALL(cuMemsetD2D32_v2(b->at, pitch, value, width, rows));
    if (result == CUDA_SUCCESS) give(&b->last, c, index);
}

static void rows(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    buffer_slot *b = any_buffer(c), *d = any_buffer(c);
    host_slot *h = any_host(c);
    if (!b || !h || !d) return;
    int direction = (int)below(3), later = one_in(2);
    size_t bytes = b->size < h->size ? b->size : h->size;
    if (direction == 2) bytes = b->size < d->size ? b->size : d->size;
    if (bytes > ROOM) bytes = ROOM;
    if (direction == 2 && b == d) return;
    size_t from_pitch = 1 + below(400), to_pitch = 1 + below(400), width = 1 + below((uint32_t)(from_pitch < to_pitch ? from_pitch : to_pitch) + one_in(12));
    if (one_in(12)) width = 0;
    size_t most = bytes / (from_pitch > to_pitch ? from_pitch : to_pitch);
    if (!most) return;
    CUDA_MEMCPY2D how = {.WidthInBytes = width, .Height = 1 + below((uint32_t)most), .srcPitch = from_pitch, .dstPitch = to_pitch};
    if (one_in(3) && how.Height > 1) how.srcY = 1, how.Height--;
    if (one_in(12)) how.Height = one_in(2), how.srcY = 0;
    if (one_in(12)) how.srcPitch = 0;
    if (one_in(12)) how.dstPitch = 0;
    if (one_in(10) && how.Height > 1) how.dstXInBytes = below(8), how.srcXInBytes = below(8), how.Height--;
    if (one_in(40)) how.srcPitch = (size_t)1 << 31;
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    if (direction == 0) how.srcMemoryType = CU_MEMORYTYPE_HOST, how.srcHost = h->at, how.dstMemoryType = CU_MEMORYTYPE_DEVICE, how.dstDevice = b->at;
    if (direction == 1) how.srcMemoryType = CU_MEMORYTYPE_DEVICE, how.srcDevice = b->at, how.dstMemoryType = CU_MEMORYTYPE_HOST, how.dstHost = h->at;
    if (direction == 2) how.srcMemoryType = CU_MEMORYTYPE_DEVICE, how.srcDevice = b->at, how.dstMemoryType = CU_MEMORYTYPE_UNIFIED, how.dstDevice = d->at;
    say("direction %d, host %d, buffers %d, %d, %zu rows of %zu, pitches %zu, %zu, %s %d", direction, (int)(h - hosts), (int)(b - buffers), (int)(d - buffers), how.Height, width, how.srcPitch, how.dstPitch, later ? "stream" : "waited", index);
    order(&h->last, c, index);
    order(&b->last, c, index);
    order(&d->last, c, index);
    if (!later || h->kind != PINNED) may_wait(); /* ends of registered memory go through staging */
    CUresult result = later ? CALL(cuMemcpy2DAsync_v2(&how, stream)) : one_in(2) ? CALL(cuMemcpy2D_v2(&how)) : CALL(cuMemcpy2DUnaligned_v2(&how));
    if (result != CUDA_SUCCESS) return;
    give(&b->last, c, index);
    if (direction == 2) give(&d->last, c, index);
    else if (h->kind != PAGEABLE) give(&h->last, c, index);
}

/* Ranges that are not within one allocation; memory of the other kind; nothing at all. */
static void wrong(void)
{
    int c = work_context();
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    if (!b || b->kind == VIRTUAL || b->size > 100000 ) return;
    say("buffer %d", (int)(b - buffers));
    switch (below(7)) {
    case 0: CALL(cuMemcpyHtoD_v2(b->at + b->size - 1, look, 100)); break;
    case 1: CALL(cuMemcpyDtoH_v2(look, b->at + b->size - 1, 100 + ROOM / 2)); break;
    case 2: CALL(cuMemcpyHtoD_v2(b->at, NULL, 1)); break;
    case 3: CALL(cuMemcpyDtoH_v2(NULL, b->at, 1)); break;
    case 4: CALL(cuMemcpyHtoD_v2(0, look, 1)); break;
    case 5: CALL(cuMemcpyDtoDAsync_v2(b->at, 0, 1, NULL)); break;
    case 6: CALL(cuMemsetD32Async(b->at + b->size - 1, 0, 3, NULL)); break;
    }
}

static void show(void)
{
    int c = work_context();
    if (c < 0) return;
    buffer_slot *b = any_buffer(c);
    if (b) print_buffer(b);
}

const operation copy_operations[] = {
    {"host to device", "copies", 10, host_to_device}, {"device to host", "copies", 10, device_to_host}, {"device to device", "copies", 8, device_to_device}, {"peer", "copies", 2, peer},
    {"set", "copies", 8, set}, {"set rows", "copies", 2, set_rows}, {"rows", "copies", 6, rows}, {"wrong copies", "copies", 2, wrong}, {"show", "copies", 8, show}, {0},
};
