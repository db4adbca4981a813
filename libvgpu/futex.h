/* futex.h - sleeping on a word of shared memory. Not FUTEX_PRIVATE: the executor is another process.
 * Raw system calls, because libc's wrappers around blocking calls are cancellation points, and a thread cancelled inside
 * the library would leave a claimed record behind. */
#ifndef VGPU_FUTEX_H
#define VGPU_FUTEX_H

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns when the word is not `value` (any more), when woken, or when a signal came: callers look again in a loop. */
static inline void vgpu_futex_wait(_Atomic uint32_t *word, uint32_t value)
{
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static inline void vgpu_futex_wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0); }

/* Tells the core that this is a spin loop. */
static inline void vgpu_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
