/* last.h - the library's own threads must not keep a process alive. */
#ifndef VGPU_LAST_H
#define VGPU_LAST_H

/* The calling thread is the library's own. */
void vgpu_last_own_thread(void);

/* From the end of a thread: if it was the main one, and left by pthread_exit, the process ends when the program's other threads
 * have ended. */
void vgpu_last_thread_gone(void);

#endif
