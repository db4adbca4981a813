/* full-pipe.h - an output that takes nothing for a while, as a terminal that has been stopped: whoever writes to it waits. */
#ifndef FULL_PIPE_H
#define FULL_PIPE_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

#define FULL_PIPE_US 300000

/* That the pipe is being read: what had to be written before is out. */
static _Atomic int full_pipe_read;

static inline void *full_pipe_reader(void *descriptor)
{
    char some[4096];
    usleep(FULL_PIPE_US);
    atomic_store(&full_pipe_read, 1);
    while (read((int)(intptr_t)descriptor, some, sizeof some) > 0) {}
    return NULL;
}

/* Puts a full pipe in the place of `output`, a descriptor. Nobody reads it before full_pipe_begin. Returns its other end. */
static inline int full_pipe(int output)
{
    static const char much[4096];
    int ends[2];
    TRUE_OR_DIE(pipe(ends) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(ends[1], much, sizeof much) > 0) {}
    TRUE_OR_DIE(fcntl(ends[1], F_SETFL, 0) == 0 && dup2(ends[1], output) == output);
    return ends[0];
}

/* From FULL_PIPE_US on somebody reads it. */
static inline void full_pipe_begin(int end)
{
    pthread_t reader;
    TRUE_OR_DIE(pthread_create(&reader, NULL, full_pipe_reader, (void *)(intptr_t)end) == 0);
    pthread_detach(reader);
}

#endif
