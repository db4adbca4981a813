/* Bump allocation from chunks. Chunks begin small and double, so that little code takes little; what is large has a chunk of its
 * own, which an array that grows gives back. */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 2048, LAST_CHUNK = 65536, OWN_CHUNK = LAST_CHUNK / 2 };

struct arena_chunk {
    struct arena_chunk *next, *previous;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

static struct arena_chunk *new_chunk(struct arena *arena, size_t size) {
    struct arena_budget *budget = arena->budget;
    const size_t whole = sizeof(struct arena_chunk) + size;
    if (budget->limit && (whole > budget->limit || budget->used > budget->limit - whole)) longjmp(budget->no_memory, 1);
    struct arena_chunk *chunk = malloc(whole);
    if (!chunk) longjmp(budget->no_memory, 1);
    budget->used += whole;
    *chunk = (struct arena_chunk){.size = size};
    return chunk;
}

static void free_chunk(struct arena *arena, struct arena_chunk *chunk) {
    arena->budget->used -= sizeof *chunk + chunk->size;
    free(chunk);
}

/* The first chunk is the one with room. */
static void *own_chunk(struct arena *arena, size_t size) {
    struct arena_chunk *chunk = new_chunk(arena, size), *first = arena->chunks;
    chunk->used = size;
    chunk->previous = first;
    chunk->next = first ? first->next : NULL;
    if (chunk->next) chunk->next->previous = chunk;
    *(first ? &first->next : &arena->chunks) = chunk;
    return chunk->bytes;
}

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) longjmp(arena->budget->no_memory, 1);
    size = (size + 15) & ~(size_t)15;
    if (size >= OWN_CHUNK) return memset(own_chunk(arena, size), 0, size);
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t want = chunk ? 2 * chunk->size : FIRST_CHUNK;
        if (want > LAST_CHUNK) want = LAST_CHUNK;
        if (want < size) want = size;
        chunk = new_chunk(arena, want);
        chunk->next = arena->chunks;
        if (chunk->next) chunk->next->previous = chunk;
        arena->chunks = chunk;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += size;
    return memset(at, 0, size);
}

char *arena_string(struct arena *arena, const char *text, size_t length) {
    char *copy = arena_alloc(arena, length + 1);
    memcpy(copy, text, length);
    return copy;
}

void *arena_grow(struct arena *arena, void *array, size_t count, size_t *capacity, size_t element) {
    if (count < *capacity) return array;
    size_t more = *capacity ? *capacity * 2 : 8;
    void *grown = arena_alloc(arena, more * element);
    if (count) memcpy(grown, array, count * element);
    if (((*capacity * element + 15) & ~(size_t)15) >= OWN_CHUNK) {
        struct arena_chunk *chunk = (struct arena_chunk *)(void *)((unsigned char *)array - offsetof(struct arena_chunk, bytes));
        *(chunk->previous ? &chunk->previous->next : &arena->chunks) = chunk->next;
        if (chunk->next) chunk->next->previous = chunk->previous;
        free_chunk(arena, chunk);
    }
    *capacity = more;
    return grown;
}

void *arena_copy(struct arena *arena, const void *array, size_t count, size_t element) {
    return count ? memcpy(arena_alloc(arena, count * element), array, count * element) : NULL;
}

void arena_free(struct arena *arena) {
    for (struct arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free_chunk(arena, chunk);
    }
    arena->chunks = NULL;
}
