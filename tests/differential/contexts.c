/* contexts.c - contexts: made, pushed, popped, set, ended while current here and elsewhere, the primary one's count; limits; and what threads see. */
#include "walk.h"

static int slot_of(CUcontext handle)
{
    for (int i = 0; i < CONTEXTS; i++)
        if (contexts[i].handle == handle && handle) return i;
    return -1;
}

static void tell_current(void)
{
    CUcontext handle = NULL;
    CUdevice device = 77;
    CALL(cuCtxGetCurrent(&handle));
    say("current is context %d", slot_of(handle));
    CALL(cuCtxGetDevice(&device));
    say("device %d", device);
}

static CUcontext some_context(int *slot)
{
    *slot = (int)below(CONTEXTS);
    if (one_in(12)) return *slot = -1, NULL;
    say("context %d", *slot);
    return contexts[*slot].handle;
}

static void create(void)
{
    int slot = 1 + (int)below(CONTEXTS - 1);
    if (contexts[slot].live) return;
    static const unsigned flags[] = {0, CU_CTX_SCHED_SPIN, CU_CTX_SCHED_YIELD, CU_CTX_SCHED_BLOCKING_SYNC, CU_CTX_MAP_HOST, CU_CTX_LMEM_RESIZE_TO_MAX, 3, 0x200};
    unsigned flag = flags[below(8)], got = 0;
    CUcontext handle = NULL;
    say("context %d, flags %x", slot, flag);
    if (CALL(cuCtxCreate_v2(&handle, flag, one_in(12) ? 1 : 0)) != CUDA_SUCCESS) return;
    contexts[slot].handle = handle;
    contexts[slot].live = contexts[slot].quiet = 1;
    CALL(cuCtxGetFlags(&got));
    say("flags %x", got);
    unsigned version = 0;
    CALL(cuCtxGetApiVersion(handle, &version));
    say("version %u", version);
}

static void set_current(void)
{
    int slot;
    CUcontext handle = some_context(&slot);
    CALL(cuCtxSetCurrent(handle));
    tell_current();
}

static void push(void)
{
    int slot;
    CUcontext handle = some_context(&slot);
    CALL(cuCtxPushCurrent_v2(handle));
    tell_current();
}

static void pop(void)
{
    CUcontext popped = NULL;
    if (CALL(cuCtxPopCurrent_v2(&popped)) == CUDA_SUCCESS) say("popped context %d", slot_of(popped));
    tell_current();
}

static void destroy(void)
{
    int slot = 1 + (int)below(CONTEXTS - 1);
    if (!contexts[slot].handle || one_in(3)) return;
    may_wait();
    say("context %d, %s", slot, contexts[slot].live ? "there" : "gone");
    if (CALL(cuCtxDestroy_v2(contexts[slot].handle)) == CUDA_SUCCESS) ended(slot);
    tell_current();
}

static void retain(void)
{
    CUcontext handle = NULL;
    if (CALL(cuDevicePrimaryCtxRetain(&handle, one_in(12) ? 3 : 0)) != CUDA_SUCCESS) return;
    if (contexts[0].handle && contexts[0].handle != handle) say("another handle than before");
    contexts[0].handle = handle;
    if (!contexts[0].live) contexts[0].live = contexts[0].quiet = 1;
}

static void tell_state(void)
{
    unsigned flags = 77;
    int active = 77;
    CALL(cuDevicePrimaryCtxGetState(0, &flags, &active));
    say("flags %x, active %d", flags, active);
    if (!active && contexts[0].live) ended(0);
}

static void release(void)
{
    may_wait();
    CALL(cuDevicePrimaryCtxRelease_v2(0));
    tell_state();
}

static void reset(void)
{
    if (!one_in(2)) return;
    may_wait();
    CALL(cuDevicePrimaryCtxReset_v2(0));
    tell_state();
}

static void primary_flags(void)
{
    static const unsigned flags[] = {0, CU_CTX_SCHED_SPIN, CU_CTX_SCHED_YIELD, CU_CTX_SCHED_BLOCKING_SYNC, CU_CTX_MAP_HOST, 3, 0x10000};
    unsigned flag = flags[below(7)];
    say("flags %x", flag);
    CALL(cuDevicePrimaryCtxSetFlags_v2(0, flag));
    tell_state();
}

static void synchronise(void)
{
    int c = current();
    may_wait();
    if (CALL(cuCtxSynchronize()) == CUDA_SUCCESS && c >= 0) synchronised(c);
}

static void limits(void)
{
    static const CUlimit which[] = {CU_LIMIT_STACK_SIZE, CU_LIMIT_PRINTF_FIFO_SIZE, CU_LIMIT_MALLOC_HEAP_SIZE, CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH, CU_LIMIT_MAX_L2_FETCH_GRANULARITY, (CUlimit)77};
    static const size_t sizes[] = {0, 1, 1024, 1000, 65536, 1 << 20, 8 << 20};
    CUlimit limit = which[below(6)];
    size_t size = 77;
    say("limit %d", (int)limit);
    CALL(cuCtxGetLimit(&size, limit));
    say("%zu", size);
    if (one_in(2)) return;
    size = sizes[below(7)];
    if (limit == CU_LIMIT_PRINTF_FIFO_SIZE && size > 1 << 20) size = 1 << 20;
    say("set %zu", size);
    may_wait();
    CALL(cuCtxSetLimit(limit, size));
    CALL(cuCtxGetLimit(&size, limit));
    say("%zu", size);
}

static void settings(void)
{
    CUfunc_cache cache = (CUfunc_cache)below(5);
    int low = 77, high = 77;
    CUsharedconfig bank = (CUsharedconfig)77;
    CALL(cuCtxSetCacheConfig(cache));
    CALL(cuCtxGetCacheConfig(&cache));
    say("cache %d", (int)cache);
    CALL(cuCtxGetStreamPriorityRange(&low, &high));
    say("priorities %d to %d", low, high);
    CALL(cuCtxGetSharedMemConfig(&bank));
    say("banks %d", (int)bank);
    unsigned flags = 77;
    CALL(cuCtxGetFlags(&flags));
    say("flags %x", flags);
    if (one_in(3)) {
        flags = below(2) ? below(8) : CU_CTX_SCHED_YIELD;
        say("set flags %x", flags);
        CALL(cuCtxSetFlags(flags));
        CALL(cuCtxGetFlags(&flags));
        say("flags %x", flags);
    }
}

static void peers(void)
{
    int can = 77;
    CALL(cuDeviceCanAccessPeer(&can, 0, below(2) ? 1 : 0));
    say("%d", can);
    int slot;
    CUcontext handle = some_context(&slot);
    CALL(cuCtxEnablePeerAccess(handle, one_in(4) ? 1 : 0));
    CALL(cuCtxDisablePeerAccess(handle));
}

static void identify(void)
{
    unsigned long long id = 0;
    int slot;
    CUcontext handle = some_context(&slot);
    if (handle) CALL(cuCtxGetId(handle, &id)); /* NULL: the current one */
    unsigned version = 77;
    CALL(cuCtxGetApiVersion(handle, &version));
    say("version %u", version);
}

static void information(void)
{
    size_t free_bytes = 0, total = 0;
    CALL(cuMemGetInfo_v2(&free_bytes, &total));
    say("free %s total", free_bytes <= total ? "within" : "beyond");
}

static void pause_only(void)
{
    pause_a_little();
}

const operation context_operations[] = {
    {"context create", "contexts", 8, create}, {"context set", "contexts", 6, set_current}, {"context push", "contexts", 4, push},
    {"context pop", "contexts", 4, pop}, {"context destroy", "contexts", 4, destroy}, {"primary retain", "contexts", 4, retain},
    {"primary release", "contexts", 2, release}, {"primary reset", "contexts", 1, reset}, {"primary flags", "contexts", 1, primary_flags},
    {"context synchronise", "contexts", 8, synchronise}, {"limits", "contexts", 2, limits}, {"settings", "contexts", 2, settings},
    {"peers", "contexts", 1, peers}, {"identify", "contexts", 1, identify}, {"information", "contexts", 2, information}, {"pause", "contexts", 6, pause_only},
    {0},
};
