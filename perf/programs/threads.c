/* threads - threads of one client at once: program MILLISECONDS THREADS...
 *
 * waited_N  waited calls a second of N threads together, each asking its own stream (cuStreamQuery)
 * posted_N  posted calls a second of N threads together, each recording its own event on its own stream */
#include "device.h"
#include <pthread.h>
#include <stdatomic.h>

enum { MOST = 64, CHECK_EVERY = 16, SYNC_EVERY = 2048 };

static CUcontext context;
static int posted;
static uint64_t duration;
static pthread_barrier_t gate;
static uint64_t calls[MOST], began[MOST], ended[MOST];

static void *work(void *argument)
{
    size_t self = (size_t)(uintptr_t)argument;
    CUstream stream;
    CUevent event;
    MUST(cuCtxSetCurrent(context));
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    MUST(cuStreamQuery(stream));
    pthread_barrier_wait(&gate);
    uint64_t begin = now_ns(), count = 0;
    do {
        for (int i = 0; i < CHECK_EVERY; i++, count++) {
            if (posted) MUST(cuEventRecord(event, stream));
            else MUST(cuStreamQuery(stream));
        }
        if (posted && count % SYNC_EVERY == 0) MUST(cuStreamSynchronize(stream));
    } while (now_ns() - begin < duration);
    MUST(cuStreamSynchronize(stream));
    began[self] = begin;
    ended[self] = now_ns();
    calls[self] = count;
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
    for (posted = 0; posted < 2; posted++)
        for (int i = 2; i < argc; i++) {
            size_t threads = number_argument(argc, argv, i, 1);
            if (threads < 1 || threads > MOST) { fprintf(stderr, "1 to %d threads\n", MOST); return 2; }
            char name[40];
            snprintf(name, sizeof name, "%s_%zu", posted ? "posted" : "waited", threads);
            report(name, rate(threads), "/s");
        }
    close_device(device);
    return 0;
}
