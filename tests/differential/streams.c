/* streams.c - streams and events: made, asked, waited for, recorded anew, destroyed with work; work that is held back; host functions. */
#include <stdatomic.h>

#include "walk.h"

static void create(void)
{
    stream_slot *slot = &streams[below(STREAMS)];
    if (LIVE(slot)) return;
    int c = one_in(10) ? current() : work_context();
    if (c < 0) return;
    unsigned flags = one_in(12) ? 2 : below(2);
    int priority = (int)below(9) - 6, got = 77;
    say("stream %d, flags %u, priority %d", (int)(slot - streams), flags, priority);
    CUstream handle = NULL;
    CUresult result = one_in(2) ? CALL(cuStreamCreate(&handle, flags)) : CALL(cuStreamCreateWithPriority(&handle, flags, priority));
    if (result != CUDA_SUCCESS) return;
    *slot = (stream_slot){.handle = handle, .generation = slot->generation + 1, .live = 1, .context = c, .context_generation = contexts[c].generation, .blocking = !(flags & CU_STREAM_NON_BLOCKING)};
    CALL(cuStreamGetPriority(handle, &got));
    say("priority %d", got);
    CALL(cuStreamGetFlags(handle, &flags));
    say("flags %u", flags);
}

/* Mostly one that is there; else one that was, or was never. */
static stream_slot *some_stream(void)
{
    stream_slot *slot = &streams[below(STREAMS)];
    for (int i = 0; i < STREAMS && !LIVE(slot) && !one_in(12); i++) slot = &streams[(slot - streams + 1) % STREAMS];
    say("stream %d, %s", (int)(slot - streams), LIVE(slot) ? "there" : slot->handle ? "gone" : "none");
    return slot->handle ? slot : NULL;
}

static void destroy(void)
{
    stream_slot *slot = some_stream();
    if (!slot || one_in(2)) return;
    if (one_in(2)) may_wait();
    if (CALL(cuStreamDestroy_v2(slot->handle)) == CUDA_SUCCESS) slot->live = 0, slot->generation++, not_held(slot->context, MADE + (int)(slot - streams));
}

static void query(void)
{
    stream_slot *slot = some_stream();
    if (!slot) return;
    int stream = MADE + (int)(slot - streams);
    if (!LIVE(slot) || contexts[slot->context].quiet || is_held(slot->context, stream)) CALL(cuStreamQuery(slot->handle));
    else ASK(cuStreamQuery(slot->handle));
}

static void query_default(void)
{
    int c = current();
    if (c >= 0 && contexts[c].quiet) {
        CALL(cuStreamQuery(NULL));
        CALL(cuStreamQuery(CU_STREAM_PER_THREAD));
    } else {
        ASK(cuStreamQuery(NULL));
        ASK(cuStreamQuery(CU_STREAM_PER_THREAD));
    }
}

static void synchronise(void)
{
    int c = current();
    may_wait();
    if (one_in(5)) {
        CALL(cuStreamSynchronize(NULL));
        return;
    }
    if (one_in(5)) {
        CALL(cuStreamSynchronize(CU_STREAM_PER_THREAD));
        return;
    }
    stream_slot *slot = some_stream();
    if (!slot) return;
    if (CALL(cuStreamSynchronize(slot->handle)) != CUDA_SUCCESS) return;
    CALL(cuStreamQuery(slot->handle));
    (void)c;
}

static void identify(void)
{
    stream_slot *slot = some_stream();
    if (!slot) return;
    unsigned flags = 77;
    int priority = 77;
    CUcontext context = NULL;
    CUdevice device = 77;
    CALL(cuStreamGetFlags(slot->handle, &flags));
    CALL(cuStreamGetPriority(slot->handle, &priority));
    CALL(cuStreamGetCtx(slot->handle, &context));
    CALL(cuStreamGetDevice(slot->handle, &device));
    say("flags %u, priority %d, its context %s, device %d", flags, priority, context == contexts[slot->context].handle ? "is" : "is not", device);
    CUstreamCaptureStatus status = (CUstreamCaptureStatus)77;
    CALL(cuStreamIsCapturing(slot->handle, &status));
    say("capture %d", (int)status);
}

static void hold_back(void)
{
    int c = work_context(), stream;
    if (c < 0 || anything_held() > 8) return;
    stream_slot *slot = any_stream(c);
    if (!slot) return;
    stream = MADE + (int)(slot - streams);
    if (!hold(c, slot->handle, stream)) return;
    if (one_in(2)) pause_a_little();
    CALL(cuStreamQuery(slot->handle));
}

static void go_on(void)
{
    let_go();
}

/* ---- Events --------------------------------------------------------------------------------------------------- */

static void event_create(void)
{
    event_slot *slot = &events[below(EVENTS)];
    if (LIVE(slot)) return;
    int c = one_in(10) ? current() : work_context();
    if (c < 0) return;
    static const unsigned kinds[] = {0, CU_EVENT_BLOCKING_SYNC, CU_EVENT_DISABLE_TIMING, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC, CU_EVENT_INTERPROCESS, 8};
    unsigned flags = kinds[below(one_in(8) ? 6 : 4)];
    say("event %d, flags %u", (int)(slot - events), flags);
    CUevent handle = NULL;
    if (CALL(cuEventCreate(&handle, flags)) != CUDA_SUCCESS) return;
    *slot = (event_slot){.handle = handle, .live = 1, .context = c, .context_generation = contexts[c].generation, .timed = !(flags & CU_EVENT_DISABLE_TIMING)};
}

static event_slot *some_event(void)
{
    event_slot *slot = &events[below(EVENTS)];
    for (int i = 0; i < EVENTS && !LIVE(slot) && !one_in(12); i++) slot = &events[(slot - events + 1) % EVENTS];
    say("event %d, %s", (int)(slot - events), LIVE(slot) ? "there" : slot->handle ? "gone" : "none");
    return slot->handle ? slot : NULL;
}

static void event_destroy(void)
{
    event_slot *slot = some_event();
    if (!slot || one_in(2)) return;
    if (CALL(cuEventDestroy_v2(slot->handle)) == CUDA_SUCCESS) slot->live = 0;
}

static void record(void)
{
    event_slot *slot = some_event();
    int c = work_context(), index;
    if (!slot || c < 0) return;
    CUstream stream = pick_stream(c, &index);
    say("in stream %d", index);
    CUresult result = one_in(4) ? CALL(cuEventRecordWithFlags(slot->handle, stream, one_in(8) ? 2 : 0)) : CALL(cuEventRecord(slot->handle, stream));
    if (result != CUDA_SUCCESS) return;
    slot->recorded = 1;
    loud(c);
    slot->held = is_held(c, index);
}

static void event_query(void)
{
    event_slot *slot = some_event();
    if (!slot) return;
    if (!LIVE(slot) || !slot->recorded || slot->held || contexts[slot->context].quiet) CALL(cuEventQuery(slot->handle));
    else ASK(cuEventQuery(slot->handle));
}

static void event_synchronise(void)
{
    event_slot *slot = some_event();
    if (!slot) return;
    may_wait();
    if (CALL(cuEventSynchronize(slot->handle)) == CUDA_SUCCESS) CALL(cuEventQuery(slot->handle));
}

static void wait_event(void)
{
    event_slot *slot = some_event();
    int c = work_context(), index;
    if (!slot || c < 0) return;
    CUstream stream = pick_stream(c, &index);
    say("stream %d waits", index);
    CALL(cuStreamWaitEvent(stream, slot->handle, one_in(10) ? 2 : 0));
    loud(c);
}

static void elapsed(void)
{
    event_slot *from = some_event(), *to = some_event();
    if (!from || !to) return;
    float ms = -1;
    int done = contexts[from->context].quiet && contexts[to->context].quiet;
    CUresult result = done || !from->recorded || !to->recorded ? CALL(cuEventElapsedTime(&ms, from->handle, to->handle)) : ASK(cuEventElapsedTime(&ms, from->handle, to->handle));
    if (done && result == CUDA_SUCCESS && from == to) say("%g", (double)ms);
}

/* ---- Host functions ------------------------------------------------------------------------------------------- */

static _Atomic unsigned called, order_hash;

static void CUDA_CB note(void *value)
{
    order_hash = order_hash * 31 + (unsigned)(uintptr_t)value;
    called++;
}

static void CUDA_CB note_status(CUstream stream, CUresult status, void *value)
{
    (void)stream;
    note((void *)((uintptr_t)value + (unsigned)status));
}

/* Several in one stream run in their order, each behind what was given before it. */
static void host_functions(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    may_wait();
    let_go();
    CUstream stream = pick_stream(c, &index);
    uint32_t count = 1 + below(5);
    say("%u in stream %d", count, index);
    called = order_hash = 0;
    loud(c);
    unsigned given = 0;
    for (uint32_t i = 0; i < count; i++)
        if ((one_in(2) ? CALL(cuLaunchHostFunc(stream, note, (void *)(uintptr_t)(i + 1))) : CALL(cuStreamAddCallback(stream, note_status, (void *)(uintptr_t)(i + 1), 0))) == CUDA_SUCCESS) given++;
    if (one_in(2)) pause_a_little();
    CALL(cuStreamSynchronize(stream));
    say("%s called, order %x", called == given ? "all" : "not all", order_hash);
}

/* Work in a stream from wherever this thread is: in another context, in one that has failed or is gone, in none. A stream carries its context. */
static void elsewhere(void)
{
    stream_slot *slot = some_stream();
    event_slot *event = &events[below(EVENTS)];
    if (!slot) return;
    int c = slot->context, index = MADE + (int)(slot - streams);
    buffer_slot *b = LIVE(slot) ? any_buffer(c) : NULL;
    module_slot *m = &modules[below(MODULES)];
    if (LIVE(slot) && contexts[c].fault == CUDA_SUCCESS && b) order(&b->last, c, index);
    CUdeviceptr at = b ? b->at : 0, made = 0;
    size_t size = b ? b->size : 0;
    uint32_t n = (uint32_t)(size < 4000 ? size / 4 : 1000), value = below(100);
    unsigned char byte = 0;
    CUcontext context = NULL;
    CUresult result = CUDA_ERROR_UNKNOWN;
    CUlaunchConfig how = {.gridDimX = 4, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 250, .blockDimY = 1, .blockDimZ = 1, .hStream = slot->handle};
    switch (below(8)) {
    case 0: if (b) result = CALL(cuMemsetD8Async(at, (unsigned char)value, size, slot->handle)); break;
    case 1: if (b) result = CALL(cuMemcpyHtoDAsync_v2(at, "abc", size < 4 ? size : 4, slot->handle)); break;
    case 2:
        if (!b) break;
        may_wait();
        result = CALL(cuMemcpyDtoHAsync_v2(&byte, at, 1, slot->handle));
        say("byte %u", byte);
        break;
    case 3: if (b && LIVE(m) && m->context == c) result = CALL(launch(m->add, 4, 250, 0, slot->handle, (void *[]){&at, &n, &value})); break;
    case 4: if (b && LIVE(m) && m->context == c) result = CALL(cuLaunchKernelEx(&how, m->add, (void *[]){&at, &n, &value}, NULL)); break;
    case 5:
        result = CALL(cuMemAllocAsync(&made, 100, slot->handle));
        if (result == CUDA_SUCCESS) CALL(cuMemFreeAsync(made, slot->handle));
        break;
    case 6:
        if (!LIVE(event) || event->context != c) break;
        result = CALL(cuEventRecord(event->handle, slot->handle));
        if (result == CUDA_SUCCESS) event->recorded = 1, event->held = is_held(c, index);
        break;
    case 7:
        if (CALL(cuStreamGetCtx(slot->handle, &context)) == CUDA_SUCCESS) say("its context %s", context == contexts[c].handle ? "is" : "is not");
        result = CALL(cuStreamWriteValue32_v2(slot->handle, at, value, 0));
        break;
    }
    if (result != CUDA_SUCCESS) return;
    if (b) give(&b->last, c, index);
    loud(c);
}

/* Words that the GPU writes and waits for. */
static void values(void)
{
    int c = work_context(), index;
    if (c < 0) return;
    host_slot *host = any_host(c);
    if (!host || host->kind != PINNED) return;
    CUstream stream = pick_stream(c, &index);
    CUdeviceptr at = 0;
    if (CALL(cuMemHostGetDevicePointer_v2(&at, host->at, 0)) != CUDA_SUCCESS) return;
    order(&host->last, c, index);
    uint32_t value = below(1000) + 1;
    say("word of host %d, stream %d", (int)(host - hosts), index);
    CALL(cuStreamWriteValue32_v2(stream, at, value, 0));
    CALL(cuStreamWaitValue32_v2(stream, at, value, below(3) ? CU_STREAM_WAIT_VALUE_GEQ : CU_STREAM_WAIT_VALUE_EQ));
    CALL(cuStreamWriteValue64_v2(stream, at + 8, (cuuint64_t)value << 32 | 5, 0));
    give(&host->last, c, index);
}

const operation stream_operations[] = {
    {"stream create", "streams", 8, create}, {"stream destroy", "streams", 3, destroy}, {"stream query", "streams", 6, query},
    {"default stream query", "streams", 2, query_default}, {"stream synchronise", "streams", 6, synchronise}, {"stream identify", "streams", 2, identify},
    {"hold back", "streams", 4, hold_back}, {"go on", "streams", 3, go_on}, {"event create", "streams", 8, event_create},
    {"event destroy", "streams", 2, event_destroy}, {"event record", "streams", 10, record}, {"event query", "streams", 6, event_query},
    {"event synchronise", "streams", 4, event_synchronise}, {"wait event", "streams", 5, wait_event}, {"elapsed", "streams", 4, elapsed},
    {"host functions", "streams", 4, host_functions}, {"values", "streams", 3, values},
    {"elsewhere", "streams", 6, elsewhere}, {0},
};
