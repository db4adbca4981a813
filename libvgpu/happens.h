/* happens.h - what ThreadSanitizer cannot see: order that goes through the executor.
 *
 * A record's place in the ring is written by one thread, zeroed by the executor, and written by another thread; the executor's
 * store to `head` orders the two, in another process. The same with a staging chunk that the executor frees. These lines say
 * to the sanitizer that whoever reads that word later comes after this point. They are nothing in other builds. */
#ifndef VGPU_HAPPENS_H
#define VGPU_HAPPENS_H

#if defined(__SANITIZE_THREAD__)
void __tsan_release(void *address);
#define VGPU_HANDED_OVER(word) __tsan_release((void *)(word))
#else
#define VGPU_HANDED_OVER(word) ((void)0)
#endif

#endif
