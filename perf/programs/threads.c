/* threads - threads of one client at once: program MILLISECONDS THREADS...
 *
 * waited_N  waited calls a second of N threads together, each asking its own stream (cuStreamQuery)
 * posted_N  posted calls a second of N threads together, each recording its own event on its own stream
 * set_N     as many threads that wait for the GPU: a memset of 256 bytes and cuStreamSynchronize, how often a second */
#include "device.h"
#include <pthread.h>
#include <stdatomic.h>

enum { MOST = 64, CHECK_EVERY = 16, SYNC_EVERY = 2048, SET_BYTES = 256 };

static const struct { const char *name; enum { QUERY, RECORD, SET } what; } kinds[] = { { "waited", QUERY }, { "posted", RECORD }, { "set", SET } };

static CUcontext context;
static int what;
static uint64_t duration;
static pthread_barrier_t gate;
static uint64_t calls[MOST], began[MOST], ended[MOST];

static void *work(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    CUstream stream;
    CUevent event;
    CUdeviceptr memory;
    MUST(cuCtxSetCurrent(context));
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    MUST(cuMemAlloc_v2(&memory, SET_BYTES));
    MUST(cuStreamQuery(stream));
    pthread_barrier_wait(&gate);
    uint64_t begin = now_ns(), count = 0;
    do {
        for (int i = 0; i < CHECK_EVERY; i++, count++) {
            if (what == QUERY) MUST(cuStreamQuery(stream));
            else if (what == RECORD) MUST(cuEventRecord(event, stream));
            else {
                MUST(cuMemsetD8Async(memory, (unsigned char)i, SET_BYTES, stream));
                MUST(cuStreamSynchronize(stream));
            }
        }
        if (what == RECORD && count % SYNC_EVERY == 0) MUST(cuStreamSynchronize(stream));
    } while (now_ns() - begin < duration);
    MUST(cuStreamSynchronize(stream));
    began[self] = begin;
    ended[self] = now_ns();
    calls[self] = count;
    MUST(cuMemFree_v2(memory));
    MUST(cuEventDestroy_v2(event));
    MUST(cuStreamDestroy_v2(stream));
    return NULL;
}

static double rate(size_t threads)
{
    pthread_t ids[MOST];
    pthread_barrier_init(&gate, NULL, (unsigned)threads);
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, (void *)(uintptr_t)i) != 0) { fprintf(stderr, "no thread %zu\n", i); exit(1); }
    for (size_t i = 0; i < threads; i++) pthread_join(ids[i], NULL);
    pthread_barrier_destroy(&gate);
    uint64_t total = 0, begin = began[0], end = ended[0];
    for (size_t i = 0; i < threads; i++) {
        total += calls[i];
        if (began[i] < begin) begin = began[i];
        if (ended[i] > end) end = ended[i];
    }
    return (double)total * 1e9 / (double)(end - begin);
}

int main(int argc, char **argv)
{
    duration = number_argument(argc, argv, 1, 200) * 1000000;
    CUdevice device = open_device();
    MUST(cuCtxGetCurrent(&context));
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        what = kinds[k].what;
        for (int i = 2; i < argc; i++) {
            size_t threads = number_argument(argc, argv, i, 1);
            if (threads < 1 || threads > MOST) { fprintf(stderr, "1 to %d threads\n", MOST); return 2; }
            char name[40];
            snprintf(name, sizeof name, "%s_%zu", kinds[k].name, threads);
            report(name, rate(threads), "/s");
        }
    }
    close_device(device);
    return 0;
}
