/* Handles of graphs; see graph.h. A number holds kind, generation and index: what is freed or made up is found out. */
#include <pthread.h>
#include <stdlib.h>

#include "graph.h"

#define CHUNK 1024u
#define CHUNKS 16384u
#define INDEX_SHIFT 4 /* as pointers look */
#define GENERATION_SHIFT 28
#define GENERATION_MASK 0xffffu
#define KIND_SHIFT 44
#define FIRST_KIND 0x20u /* no kind of the software GPU's own handles */

struct slot {
  void *object; /* NULL: free */
  uint32_t generation, next_free; /* index + 1 */
};

static struct table {
  struct slot *chunks[CHUNKS];
  uint32_t used, first_free, last_free; /* indices + 1; first in, first out */
} tables[GRAPH_KINDS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void graph_lock(void) { pthread_mutex_lock(&lock); }
void graph_unlock(void) { pthread_mutex_unlock(&lock); }

static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
void graph_sleep(void) { pthread_cond_wait(&woken, &lock); }
void graph_wake(void) { pthread_cond_broadcast(&woken); }

static struct slot *slot_at(struct table *table, uint32_t index) { return &table->chunks[index / CHUNK][index % CHUNK]; }

uint64_t graph_handle_new(enum graph_kind kind, void *object) {
  struct table *const table = &tables[kind];
  uint32_t index = 0;
  if (table->first_free) {
    index = table->first_free - 1;
    table->first_free = slot_at(table, index)->next_free;
    if (!table->first_free) table->last_free = 0;
  } else {
    if (table->used == CHUNK * CHUNKS) return 0;
    index = table->used;
    if (index % CHUNK == 0 && !(table->chunks[index / CHUNK] = calloc(CHUNK, sizeof(struct slot)))) return 0;
    table->used++;
  }
  struct slot *const slot = slot_at(table, index);
  slot->object = object;
  slot->generation = (slot->generation + 1) & GENERATION_MASK;
  return (uint64_t)(FIRST_KIND + kind) << KIND_SHIFT | (uint64_t)slot->generation << GENERATION_SHIFT | (uint64_t)index << INDEX_SHIFT;
}

static struct slot *slot_of(enum graph_kind kind, uint64_t handle) {
  struct table *const table = &tables[kind];
  const uint64_t index = (handle & ((1u << GENERATION_SHIFT) - 1)) >> INDEX_SHIFT;
  if (handle >> KIND_SHIFT != FIRST_KIND + kind || handle & ((1u << INDEX_SHIFT) - 1) || index >= table->used) return NULL;
  struct slot *const slot = slot_at(table, (uint32_t)index);
  return slot->object && slot->generation == ((handle >> GENERATION_SHIFT) & GENERATION_MASK) ? slot : NULL;
}

void *graph_handle_find(enum graph_kind kind, uint64_t handle) {
  const struct slot *const slot = slot_of(kind, handle);
  return slot ? slot->object : NULL;
}

void graph_handle_free(enum graph_kind kind, uint64_t handle) {
  struct table *const table = &tables[kind];
  struct slot *const slot = slot_of(kind, handle);
  if (!slot) return;
  const uint32_t index = (uint32_t)((handle & ((1u << GENERATION_SHIFT) - 1)) >> INDEX_SHIFT);
  slot->object = NULL;
  slot->next_free = 0;
  if (table->last_free)
    slot_at(table, table->last_free - 1)->next_free = index + 1;
  else
    table->first_free = index + 1;
  table->last_free = index + 1;
}
