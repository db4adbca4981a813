/* turns.h - several programs measure in turn, a slice of some ten milliseconds each, while all of them live.
 *
 * A host moves virtual CPUs about, between hyperthreads of one core, cores of one cache and cores of two, several times a second, and each
 * place has figures of its own: what is not measured within the same hundredth of a second cannot be divided. So the harness (turns.ts) starts the
 * sides of a measurement together and gives each the same file:
 *
 *   RINGFENCE_PERF_TURNS  "PATH PROGRAMS INDEX SLICES"
 *
 * Nobody begins before all are ready, whoever has no turn sleeps, and nobody tidies up before all are done. Each
 * round has an order of its own, so that none always follows the same neighbour: what one leaves in the caches, and on which cores, is felt. Without the variable a program does one slice, at once.
 *
 *   turns_open();
 *   while (turn_begins()) { ...measure, report()...; turn_ends(); }
 *   turns_close(); */
#ifndef RINGFENCE_PERF_TURNS_H
#define RINGFENCE_PERF_TURNS_H

#include "measure.h"
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TURNS_MOST = 16 };

static struct {
    _Atomic uint32_t *words; /* [0] programs that are ready, [1] turns that are over, [2] programs that are done; NULL: alone */
    uint32_t programs, index, slices, slice;
} turns = { .slices = 1 };

static inline void turns_sleep_until(_Atomic uint32_t *word, uint32_t least)
{
    for (uint32_t seen; (seen = atomic_load(word)) < least;) syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static inline void turns_add(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Joins the others, when there are any. */
static inline void turns_open(void)
{
    const char *said = getenv("RINGFENCE_PERF_TURNS");
    char path[256];
    if (!said) return;
    if (sscanf(said, "%255s %u %u %u", path, &turns.programs, &turns.index, &turns.slices) != 4 || turns.programs > TURNS_MOST || turns.index >= turns.programs) {
        fprintf(stderr, "RINGFENCE_PERF_TURNS: not PATH PROGRAMS INDEX SLICES: %s\n", said);
        exit(2);
    }
    int fd = open(path, O_RDWR);
    void *words = fd < 0 ? MAP_FAILED : mmap(NULL, 3 * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (words == MAP_FAILED) { perror(path); exit(2); }
    close(fd);
    turns.words = words;
}

/* This program's place in its slice's order: a shuffle that all of them draw alike. */
static inline uint32_t turns_place(void)
{
    uint32_t order[TURNS_MOST], draw = turns.slice * 2654435761u + 12345;
    for (uint32_t i = 0; i < turns.programs; i++) {
        draw = draw * 1664525u + 1013904223u;
        uint32_t j = (uint32_t)(((uint64_t)draw * (i + 1)) >> 32);
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t place = 0;; place++)
        if (order[place] == turns.index) return place;
}

/* Waits for the next turn; 0: there are no more. */
static inline int turn_begins(void)
{
    if (turns.slice == turns.slices) return 0;
    if (!turns.words) return 1;
    if (turns.slice == 0) {
        turns_add(&turns.words[0]);
        turns_sleep_until(&turns.words[0], turns.programs);
    }
    turns_sleep_until(&turns.words[1], turns.slice * turns.programs + turns_place());
    return 1;
}

/* Ends this program's turn: what was reported since it began is one sample. */
static inline void turn_ends(void)
{
    turns.slice++;
    if (!turns.words) return;
    putchar('\n');
    turns_add(&turns.words[1]);
}

/* Waits until all are done: what one tidies up would be beside what another measures. */
static inline void turns_close(void)
{
    if (!turns.words) return;
    turns_add(&turns.words[2]);
    turns_sleep_until(&turns.words[2], turns.programs);
}

#endif
