/* last.c - a process whose main thread left by pthread_exit ends with its last thread; libc counts threads, and ours would be
 * there for ever. So from the main thread's end on, and only then, a watcher looks whether any thread but the library's is
 * left, and calls exit(0) as libc would have done. */
#include "last.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_MAX 4 /* listener, worker of host functions, watcher */
#define LOOK_EVERY_US 20000

static _Atomic int own[OWN_MAX];
static _Atomic int own_count;

static int thread_number(void) { return (int)syscall(SYS_gettid); }

void vgpu_last_own_thread(void)
{
    int at = atomic_fetch_add(&own_count, 1);
    if (at < OWN_MAX) atomic_store(&own[at], thread_number());
}

static int is_own(int thread)
{
    for (int i = 0; i < OWN_MAX; i++)
        if (atomic_load(&own[i]) == thread) return 1;
    return 0;
}

/* Whether a thread of the program is left. The main one stays listed as a zombie: it is not asked. */
static int program_runs(void)
{
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 1;
    int found = 0;
    for (struct dirent *entry; !found && (entry = readdir(tasks));) {
        int thread = atoi(entry->d_name);
        found = thread > 0 && thread != getpid() && !is_own(thread);
    }
    closedir(tasks);
    return found;
}

static void *watch(void *argument)
{
    (void)argument;
    vgpu_last_own_thread();
    while (program_runs()) usleep(LOOK_EVERY_US);
    exit(0);
}

void vgpu_last_thread_gone(void)
{
    if (thread_number() != getpid()) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    if (pthread_create(&thread, NULL, watch, NULL) == 0) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
