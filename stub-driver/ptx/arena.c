/* Bump allocation from chunks. A load of hostile text allocates no more than a small multiple of the text's length, save
 * for parameterised registers, which the parser bounds. */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t size) {
    if (size > SIZE_MAX / 4) longjmp(*arena->no_memory, 1);
    size = (size + 15) & ~(size_t)15;
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t want = size > 65536 ? size : 65536;
        chunk = malloc(sizeof *chunk + want);
        if (!chunk) longjmp(*arena->no_memory, 1);
        chunk->used = 0;
        chunk->size = want;
        /* A large block goes behind the current chunk, whose rest stays usable. */
        if (arena->chunks && size > 65536 / 2) {
            chunk->next = arena->chunks->next;
            arena->chunks->next = chunk;
        } else {
            chunk->next = arena->chunks;
            arena->chunks = chunk;
        }
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
    *capacity = more;
    return grown;
}

void arena_free(struct arena *arena) {
    for (struct arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena->chunks = NULL;
}
