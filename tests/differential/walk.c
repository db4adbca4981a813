/* walk.c - walk SEED STEPS [--keep LIST] [--families LIST] [--pause MS] [--log FILE]: makes the steps of a seed (or those that LIST names, as
 * 3-17,22) and logs what they saw. One step after the other, each on one of the walk's threads, so that the log is one. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "walk.h"

context_slot contexts[CONTEXTS];
stream_slot streams[STREAMS];
event_slot events[EVENTS];
buffer_slot buffers[BUFFERS];
host_slot hosts[HOSTS];
module_slot modules[MODULES];
_Thread_local int self;
int patience = 20;

static FILE *log_file;
static uint64_t state;
static _Atomic int step_now;
static _Atomic long step_began;

/* splitmix64: good numbers from any seed, and seeds that differ by one have nothing in common. */
static uint64_t next(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t below(uint32_t n)
{
    return n ? (uint32_t)((next() >> 32) * n >> 32) : 0;
}

uint64_t hash_of(const void *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u;
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) h = (h ^ at[i]) * 0x100000001b3u;
    return h;
}

void say(const char *form, ...)
{
    va_list list;
    va_start(list, form);
    fprintf(log_file, "%d   ", step_now);
    vfprintf(log_file, form, list);
    fputc('\n', log_file);
    va_end(list);
    fflush(log_file);
}

const char *name_of(CUresult result)
{
    const char *name = NULL;
    return cuGetErrorName(result, &name) == CUDA_SUCCESS && name ? name : "unknown";
}

CUresult told(const char *call, CUresult result)
{
    say("%s = %s", call, name_of(result));
    return result;
}

CUresult asked(const char *call, CUresult result)
{
    say("%s = %s", call, result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_READY ? "done or not" : name_of(result));
    return result;
}

CUresult needed(const char *call, CUresult result)
{
    if (result != CUDA_SUCCESS) say("%s = %s, which cannot be", call, name_of(result));
    return result;
}

/* ---- Slots ---------------------------------------------------------------------------------------------------- */

int current(void)
{
    CUcontext handle = NULL;
    if (cuCtxGetCurrent(&handle) != CUDA_SUCCESS || !handle) return -1;
    for (int i = 0; i < CONTEXTS; i++)
        if (contexts[i].handle == handle) return i;
    return -1;
}

int owned(int context, unsigned generation)
{
    return contexts[context].live && contexts[context].generation == generation;
}

void ended(int context)
{
    contexts[context].live = 0;
    contexts[context].generation++;
    contexts[context].fault = CUDA_SUCCESS;
    contexts[context].quiet = 1;
    forget_bytes(context);
}

static int usable(int c)
{
    return c >= 0 && contexts[c].live && contexts[c].fault == CUDA_SUCCESS;
}

int work_context(void)
{
    int now = current();
    if (usable(now) && !one_in(8)) return now;
    int start = (int)below(CONTEXTS);
    for (int i = 0; i < CONTEXTS; i++) {
        int c = (start + i) % CONTEXTS;
        if (!usable(c)) continue;
        if (c != now) {
            say("current: context %d", c);
            if (CALL(cuCtxSetCurrent(contexts[c].handle)) != CUDA_SUCCESS) return -1;
        }
        return c;
    }
    if (contexts[0].live) return -1;
    say("retain the primary context");
    if (CALL(cuDevicePrimaryCtxRetain(&contexts[0].handle, 0)) != CUDA_SUCCESS) return -1;
    contexts[0].live = contexts[0].quiet = 1;
    return CALL(cuCtxSetCurrent(contexts[0].handle)) == CUDA_SUCCESS ? 0 : -1;
}

#define PICK(name, table, count)                                     \
    name##_slot *any_##name(int context)                             \
    {                                                                \
        int start = (int)below(count);                               \
        for (int i = 0; i < count; i++) {                            \
            name##_slot *slot = &table[(start + i) % count];         \
            if (LIVE(slot) && slot->context == context) return slot; \
        }                                                            \
        return NULL;                                                 \
    }
PICK(stream, streams, STREAMS)
PICK(buffer, buffers, BUFFERS)
PICK(event, events, EVENTS)

host_slot *any_host(int context)
{
    int start = (int)below(HOSTS);
    for (int i = 0; i < HOSTS; i++) {
        host_slot *slot = &hosts[(start + i) % HOSTS];
        if (slot->kind == PAGEABLE || (LIVE(slot) && slot->context == context)) return slot;
    }
    return NULL;
}

CUstream pick_stream(int context, int *index)
{
    uint32_t kind = below(6);
    if (kind == 0) return *index = LEGACY, NULL;
    if (kind == 1) return *index = PER_THREAD + self, CU_STREAM_PER_THREAD;
    stream_slot *slot = any_stream(context);
    if (!slot) return *index = LEGACY, one_in(2) ? CU_STREAM_LEGACY : NULL;
    *index = MADE + (int)(slot - streams);
    return slot->handle;
}

/* ---- Order ---------------------------------------------------------------------------------------------------- */

static unsigned generation_of(int stream)
{
    return stream >= MADE ? streams[stream - MADE].generation : 0;
}

static int is_blocking(int stream)
{
    return stream < MADE || streams[stream - MADE].blocking;
}

void loud(int context)
{
    contexts[context].quiet = 0;
}

void give(place *bytes, int context, int stream)
{
    *bytes = (place){context, contexts[context].generation, stream, generation_of(stream)};
    loud(context);
}

void settle(place *bytes)
{
    if (bytes->stream == NOWHERE) return;
    let_go();
    int c = bytes->context;
    if (owned(c, bytes->generation) && contexts[c].fault == CUDA_SUCCESS) {
        CUcontext popped;
        NEED(cuCtxPushCurrent_v2(contexts[c].handle));
        NEED(cuCtxSynchronize());
        NEED(cuCtxPopCurrent_v2(&popped));
        synchronised(c);
    }
    bytes->stream = NOWHERE;
}

void order(place *bytes, int context, int stream)
{
    if (bytes->stream == NOWHERE) return;
    if (bytes->context == context && bytes->generation == contexts[context].generation) {
        if (bytes->stream == stream && bytes->stream_generation == generation_of(stream)) return;
        /* A stream that is gone had its bytes; who knows of which kind it was? */
        int there = bytes->stream_generation == generation_of(bytes->stream);
        if (there && ((stream == LEGACY && is_blocking(bytes->stream)) || (bytes->stream == LEGACY && is_blocking(stream)))) return;
    }
    settle(bytes);
}

void settle_all(int context)
{
    for (int i = 0; i < BUFFERS; i++)
        if (buffers[i].last.stream != NOWHERE && buffers[i].last.context == context) settle(&buffers[i].last);
    for (int i = 0; i < HOSTS; i++)
        if (hosts[i].last.stream != NOWHERE && hosts[i].last.context == context) settle(&hosts[i].last);
}

void synchronised(int context)
{
    contexts[context].quiet = 1;
    for (int i = 0; i < BUFFERS; i++)
        if (buffers[i].last.context == context) buffers[i].last.stream = NOWHERE;
    for (int i = 0; i < HOSTS; i++)
        if (hosts[i].last.context == context) hosts[i].last.stream = NOWHERE;
}

/* ---- What is held back ---------------------------------------------------------------------------------------- */

static unsigned *gate; /* portable pinned memory of a context that no step touches */
static CUdeviceptr gate_address;
static CUcontext gate_context;
static unsigned gates;
static struct { int context, stream; } held[64];
static int held_count;
static _Atomic unsigned let_go_soon; /* as far as that */

static void open_gate(unsigned until)
{
    if ((int)(until - __atomic_load_n(gate, __ATOMIC_RELAXED)) > 0) __atomic_store_n(gate, until, __ATOMIC_RELEASE);
}

void let_go(void)
{
    open_gate(gates);
    held_count = 0;
    for (int i = 0; i < EVENTS; i++) events[i].held = 0;
}

static void nap(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {}
}

static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Lets go of what is held while a call waits for it, and ends a walk in which a call never returns: counted in naps, so that a machine that stands
 * still does not count. */
static void *watch(void *unused)
{
    long before = 0;
    int naps = 0;
    for (;;) {
        nap(1500);
        unsigned until = atomic_exchange(&let_go_soon, 0);
        if (until) {
            nap(1500);
            open_gate(until);
        }
        long began = step_began;
        naps = began && began == before ? naps + 1 : 0;
        before = began;
        if (naps > 12000) {
            say("has not returned for 20 seconds");
            _exit(9);
        }
    }
    return unused;
}

void may_wait(void)
{
    if (!held_count) return;
    if (one_in(3)) return let_go();
    held_count = 0;
    for (int i = 0; i < EVENTS; i++) events[i].held = 0;
    let_go_soon = gates;
}

static void CUDA_CB wait_in_host(void *value)
{
    unsigned until = (unsigned)(uintptr_t)value;
    while ((int)(__atomic_load_n(gate, __ATOMIC_ACQUIRE) - until) < 0) nap(100);
}

int hold(int context, CUstream handle, int stream)
{
    if (held_count == 64) return 0;
    CUresult result;
    module_slot *code = one_in(3) ? module_in(context) : NULL; /* may let go of what is held */
    unsigned until = ++gates;
    if (code) {
        say("hold back stream %d with a kernel", stream);
        result = CALL(launch(code->spin, 1, 1, 0, handle, (void *[]){&gate_address, &until}));
    } else if (one_in(3)) {
        say("hold back stream %d with a host function", stream);
        result = CALL(cuLaunchHostFunc(handle, wait_in_host, (void *)(uintptr_t)until));
    } else {
        say("hold back stream %d with a value", stream);
        result = CALL(cuStreamWaitValue32_v2(handle, gate_address, until, CU_STREAM_WAIT_VALUE_GEQ));
    }
    if (result != CUDA_SUCCESS) return 0;
    held[held_count].context = context;
    held[held_count++].stream = stream;
    loud(context);
    return 1;
}

int is_held(int context, int stream)
{
    for (int i = 0; i < held_count; i++)
        if (held[i].context == context && held[i].stream == stream) return 1;
    return 0;
}

void not_held(int context, int stream)
{
    for (int i = 0; i < held_count; i++)
        if (held[i].context == context && held[i].stream == stream) held[i].stream = NOWHERE;
}

int anything_held(void)
{
    return held_count;
}

void pause_a_little(void)
{
    if (patience) nap((long)below((uint32_t)patience * 1000));
}

/* ---- The walk ------------------------------------------------------------------------------------------------- */

static const operation *const families[] = {context_operations, stream_operations, memory_operations, copy_operations, kernel_operations, graph_operations, array_operations, volume_operations, code_operations, node_operations};
static const operation *chosen[256];
static int chosen_weight[256], chosen_count, chosen_total;

static const operation *pick_operation(void)
{
    int at = (int)below((uint32_t)chosen_total), i = 0;
    while (at >= chosen_weight[i]) at -= chosen_weight[i++];
    return chosen[i];
}

static int in_list(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ',') && (at[n] == 0 || at[n] == ',')) return 1;
    return 0;
}

static int is_kept(const char *list, int step)
{
    if (!list) return 1;
    while (*list) {
        char *end;
        long from = strtol(list, &end, 10), to = from;
        if (*end == '-') to = strtol(end + 1, &end, 10);
        if (step >= from && step <= to) return 1;
        list = *end ? end + 1 : end;
    }
    return 0;
}

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    const operation *operation;
} workers[THREADS];

static void *work(void *number)
{
    self = (int)(intptr_t)number;
    pthread_mutex_lock(&workers[self].lock);
    for (;;) {
        while (!workers[self].operation) pthread_cond_wait(&workers[self].cond, &workers[self].lock);
        workers[self].operation->run();
        workers[self].operation = NULL;
        pthread_cond_broadcast(&workers[self].cond);
    }
    return NULL;
}

static void run_on(int thread, const operation *operation)
{
    pthread_mutex_lock(&workers[thread].lock);
    workers[thread].operation = operation;
    pthread_cond_broadcast(&workers[thread].cond);
    while (workers[thread].operation) pthread_cond_wait(&workers[thread].cond, &workers[thread].lock);
    pthread_mutex_unlock(&workers[thread].lock);
}

static unsigned char pageable[2][ROOM];

static void prepare(void)
{
    NEED(cuInit(0));
    NEED(cuCtxCreate_v2(&gate_context, 0, 0));
    NEED(cuMemHostAlloc((void **)&gate, 4096, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
    NEED(cuMemHostGetDevicePointer_v2(&gate_address, gate, 0));
    *gate = 0;
    NEED(cuCtxPopCurrent_v2(NULL));
    for (int i = 0; i < BUFFERS; i++) buffers[i].last.stream = NOWHERE;
    for (int i = 0; i < HOSTS; i++) hosts[i].last.stream = NOWHERE;
    for (int i = 0; i < HOSTS; i++) hosts[i].kind = PINNED;
    for (int i = 0; i < 2; i++) hosts[i] = (host_slot){.at = pageable[i], .size = ROOM, .kind = PAGEABLE, .live = 1, .last = {.stream = NOWHERE}};
    for (int i = 0; i < CONTEXTS; i++) contexts[i].quiet = 1;
    pthread_t thread;
    pthread_create(&thread, NULL, watch, NULL);
    for (int i = 0; i < THREADS; i++) {
        pthread_mutex_init(&workers[i].lock, NULL);
        pthread_cond_init(&workers[i].cond, NULL);
        pthread_create(&workers[i].thread, NULL, work, (void *)(intptr_t)i);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) return fprintf(stderr, "usage: walk SEED STEPS [--keep LIST] [--families LIST] [--pause MS] [--log FILE]\n"), 2;
    uint64_t seed = strtoull(argv[1], NULL, 10);
    int steps = atoi(argv[2]);
    const char *keep = NULL, *wanted = NULL;
    log_file = stdout;
    for (int i = 3; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--keep")) keep = argv[i + 1];
        if (!strcmp(argv[i], "--families")) wanted = argv[i + 1];
        if (!strcmp(argv[i], "--pause")) patience = atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--log") && !(log_file = fopen(argv[i + 1], "w"))) return perror(argv[i + 1]), 2;
    }
    for (size_t f = 0; f < sizeof families / sizeof *families; f++)
        for (const operation *o = families[f]; o->name; o++) {
            if (wanted && !in_list(wanted, o->family) && !in_list(wanted, o->name)) continue;
            chosen[chosen_count] = o;
            chosen_total += chosen_weight[chosen_count++] = o->weight;
        }
    prepare();
    for (int i = 0; i < steps; i++) {
        if (!is_kept(keep, i)) continue;
        state = seed * 0x2545f4914f6cdd1du ^ (uint64_t)(i + 1) << 20;
        next();
        step_now = i;
        const operation *o = pick_operation();
        int thread = one_in(3) ? (int)below(THREADS) : 0;
        fprintf(log_file, "%d %s, thread %d\n", i, o->name, thread);
        step_began = now_ms();
        run_on(thread, o);
        step_began = 0;
    }
    let_go();
    fprintf(log_file, "%d the end\n", steps);
    fclose(log_file);
    return 0;
}
