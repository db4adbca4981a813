/* Memory that lives as long as its arena: bump allocation, freed at once. What all arenas of one load take together has a bound. */
#ifndef RINGFENCE_PTX_ARENA_H
#define RINGFENCE_PTX_ARENA_H

#include <setjmp.h>
#include <stddef.h>

struct arena_chunk;

struct arena_budget {
    size_t used;      /* bytes of all chunks now */
    size_t limit;     /* 0: none */
    jmp_buf no_memory; /* where an allocation that fails or exceeds the limit goes */
};

struct arena {
    struct arena_chunk *chunks;
    struct arena_budget *budget;
};

/* Zeroed, aligned to 16. Never returns NULL: jumps to arena->budget->no_memory. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_string(struct arena *arena, const char *text, size_t length);
/* Grows an array of the arena's: copies; the old one is left behind if it is small. Elements past `count` are zero or stale. */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t *capacity, size_t element);
/* A copy of `count` elements that takes no more than they need; NULL of none. */
void *arena_copy(struct arena *arena, const void *array, size_t count, size_t element);
void arena_free(struct arena *arena);

#endif
