/* Memory that lives as long as its module: bump allocation, freed at once. */
#ifndef RINGFENCE_PTX_ARENA_H
#define RINGFENCE_PTX_ARENA_H

#include <setjmp.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    jmp_buf *no_memory; /* where an allocation that fails goes */
};

/* Zeroed, aligned to 16. Never returns NULL: jumps to arena->no_memory. */
void *arena_alloc(struct arena *arena, size_t size);
char *arena_string(struct arena *arena, const char *text, size_t length);
/* Grows an array of the arena's: copies, the old one is left behind. */
void *arena_grow(struct arena *arena, void *array, size_t count, size_t *capacity, size_t element);
void arena_free(struct arena *arena);

#endif
