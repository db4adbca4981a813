/* thread.c - thread numbers, and the end of threads.
 *
 * The executor keeps a default stream for each thread that uses the per-thread ABI; a thread that ends says so with
 * THREAD_GONE, from a pthread key's destructor: that also runs for threads that the program cancels. */
#include "thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "call.h"
#include "context.h"
#include "last.h"

_Thread_local struct vgpu_thread vgpu_thread;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int have_key;

static void thread_gone(void *value)
{
    (void)value;
    struct vgpu_thread *thread = &vgpu_thread;
    struct vgpu_call call;
    if (!vgpu_in_forked_child()) {
        if (vgpu_begin(&call, RF_THREAD_GONE, sizeof(struct rf_THREAD_GONE), VGPU_POSTED | VGPU_ANY_CONTEXT, 0) == CUDA_SUCCESS) {
            ((struct rf_THREAD_GONE *)call.payload)->gone = thread->index;
            vgpu_post(&call);
        }
        vgpu_context_thread_gone(thread);
        vgpu_last_thread_gone();
    }
    thread->index = 0; /* another key's destructor may still call: it gets a new number */
}

static void make_key(void) { have_key = pthread_key_create(&key, thread_gone) == 0; }

void vgpu_thread_enter(void)
{
    static _Atomic uint32_t next = 1;
    uint32_t index;
    do index = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);
    while (index == 0);
    vgpu_thread.index = index;
    pthread_once(&once, make_key);
    if (have_key) pthread_setspecific(key, &vgpu_thread);
}
