/* print.c - see print.h. */
#include "print.h"

#include <pthread.h>
#include <stdio.h>

#include "call.h"

_Atomic uint32_t vgpu_print_seen;

void vgpu_print_fetch(void)
{
    /* One at a time, or two threads' pieces would mix; the second finds nothing left, and both calls return when all is written. So what was
     * fetched counts as seen when it is written: a thread that found it seen would return before, and may end the process. */
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct {
        struct rf_PRINT_READ_reply head;
        char text[RF_SLOT_PAYLOAD - sizeof(struct rf_PRINT_READ_reply)];
    } reply;
    pthread_mutex_lock(&lock);
    const uint32_t printed = atomic_load(&vgpu.region->printed);
    int more = printed != atomic_load(&vgpu_print_seen);
    while (more) {
        struct vgpu_call call;
        if (vgpu_begin(&call, RF_PRINT_READ, 0, VGPU_WAITED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) break;
        if (vgpu_wait(&call, &reply, sizeof reply) != CUDA_SUCCESS || reply.head.bytes > sizeof reply.text) break;
        FILE *file = reply.head.file == 2 ? stderr : stdout;
        if (reply.head.bytes) fwrite(reply.text, 1, reply.head.bytes, file);
        more = reply.head.left != 0;
    }
    fflush(stdout);
    fflush(stderr);
    atomic_store(&vgpu_print_seen, printed);
    pthread_mutex_unlock(&lock);
}
