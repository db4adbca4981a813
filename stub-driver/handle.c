/* See handle.h. */
#include "handle.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "array.h"
#include "context.h"
#include "event.h"
#include "linker.h"
#include "module.h"
#include "pool.h"
#include "stream.h"
#include "texture.h"
#include "vmm.h"

#define CHUNK 256
#define CHUNKS 4096
#define LINE 64
#define HUGE_PAGE ((size_t)2 << 20)
#define INDEX_SHIFT 4 /* low bits stay 0, as in a pointer: 1 and 2 are streams' special handles */
#define GENERATION_SHIFT (INDEX_SHIFT + RF_INDEX_BITS)
#define KIND_SHIFT (GENERATION_SHIFT + RF_GENERATION_BITS)

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; before it, EINVAL, and small pages stay what they are */
#endif

_Static_assert(CHUNK * CHUNKS == 1 << RF_INDEX_BITS, "every index has its place");
_Static_assert(sizeof(struct rf_object) == 16, "the bit fields share a word");

static const size_t object_size[RF_KINDS] = {
    [RF_KIND_CONTEXT] = sizeof(struct context), [RF_KIND_STREAM] = sizeof(struct stream),
    [RF_KIND_EVENT] = sizeof(struct event),     [RF_KIND_MEMORY] = sizeof(struct memory),
    [RF_KIND_POOL] = sizeof(struct pool),       [RF_KIND_ARRAY] = sizeof(struct array),
    [RF_KIND_MIPMAP] = sizeof(struct mipmap),   [RF_KIND_MODULE] = sizeof(struct module),
    [RF_KIND_FUNCTION] = sizeof(struct function), [RF_KIND_LIBRARY] = sizeof(struct library),
    [RF_KIND_KERNEL] = sizeof(struct kernel),   [RF_KIND_LINK] = sizeof(struct linker),
    [RF_KIND_TEXTURE] = sizeof(struct texture), [RF_KIND_SURFACE] = sizeof(struct texture),
    [RF_KIND_TEXREF] = sizeof(struct texref),   [RF_KIND_SURFREF] = sizeof(struct texref),
};

static struct table {
  pthread_mutex_t lock;
  _Atomic(char *) chunks[CHUNKS];
  _Atomic uint32_t used; /* indices ever given out */
  uint32_t free_first, free_last; /* 1 + index; first in, first out: a freed handle's number stays unused for long */
  char *run;    /* what chunks are cut from, and how much of it is left */
  size_t left;
} tables[RF_KINDS] = {[0 ... RF_KINDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* NULL: no such index was given out. */
static struct rf_object *object_at(enum rf_kind kind, uint32_t index) {
  if (RF_UNLIKELY(index >= atomic_load_explicit(&tables[kind].used, memory_order_acquire))) return NULL;
  char *const chunk = atomic_load_explicit(&tables[kind].chunks[index / CHUNK], memory_order_relaxed);
  return (struct rf_object *)(chunk + (index % CHUNK) * object_size[kind]);
}

/* Memory for a chunk, not zeroed: most of it is for objects that will never be. The first run of a kind stays in small
 * pages until it is full, so that a process with few objects has few pages. The lock is held. */
static char *new_chunk(struct table *table, size_t bytes) {
  if (bytes > HUGE_PAGE) return aligned_alloc(LINE, bytes);
  if (table->left < bytes) {
    char *const run = aligned_alloc(HUGE_PAGE, HUGE_PAGE);
    if (!run) return NULL;
    if (table->run) {
      madvise((char *)((uintptr_t)(table->run - 1) & ~(HUGE_PAGE - 1)), HUGE_PAGE, MADV_COLLAPSE);
      madvise(run, HUGE_PAGE, MADV_HUGEPAGE);
    }
    table->run = run;
    table->left = HUGE_PAGE;
  }
  char *const chunk = table->run;
  table->run += bytes;
  table->left -= bytes;
  return chunk;
}

/* An object that never was, all zero. The lock is held. */
static struct rf_object *first_use(enum rf_kind kind) {
  struct table *const table = &tables[kind];
  const uint32_t index = atomic_load_explicit(&table->used, memory_order_relaxed);
  if (index == CHUNK * CHUNKS) return NULL;
  if (index % CHUNK == 0) {
    char *const chunk = new_chunk(table, (CHUNK * object_size[kind] + LINE - 1) / LINE * LINE);
    if (!chunk) return NULL;
    atomic_store_explicit(&table->chunks[index / CHUNK], chunk, memory_order_relaxed);
  }
  char *const chunk = atomic_load_explicit(&table->chunks[index / CHUNK], memory_order_relaxed);
  struct rf_object *const object = (struct rf_object *)(chunk + (index % CHUNK) * object_size[kind]);
  memset(object, 0, object_size[kind]);
  object->index = index;
  atomic_store_explicit(&table->used, index + 1, memory_order_release);
  return object;
}

void *rf_object_new(enum rf_kind kind, bool *fresh) {
  struct table *const table = &tables[kind];
  pthread_mutex_lock(&table->lock);
  const bool reused = table->free_first != 0;
  struct rf_object *object;
  if (reused) {
    object = object_at(kind, table->free_first - 1);
    table->free_first = (uint32_t)object->next_free;
    if (!table->free_first) table->free_last = 0;
  } else {
    object = first_use(kind);
  }
  if (fresh) *fresh = object && !reused;
  pthread_mutex_unlock(&table->lock);
  return object;
}

uint64_t rf_object_publish(enum rf_kind kind, struct rf_object *object) {
  const uint64_t generation = (object->generation + 1) & ((1u << RF_GENERATION_BITS) - 1);
  const uint64_t handle =
      (uint64_t)kind << KIND_SHIFT | generation << GENERATION_SHIFT | (uint64_t)object->index << INDEX_SHIFT;
  atomic_store_explicit(&object->handle, handle, memory_order_release);
  return handle;
}

void *rf_object_find(enum rf_kind kind, uint64_t handle) {
  if (RF_UNLIKELY(handle >> KIND_SHIFT != (uint64_t)kind)) return NULL;
  struct rf_object *const object = object_at(kind, (uint32_t)(handle >> INDEX_SHIFT) & ((1u << RF_INDEX_BITS) - 1));
  if (RF_UNLIKELY(!object) || atomic_load_explicit(&object->handle, memory_order_acquire) != handle) return NULL;
  return object;
}

void *rf_object_at(enum rf_kind kind, uint32_t index) { return object_at(kind, index); }

bool rf_object_withdraw(struct rf_object *object, uint64_t handle) {
  return handle != 0 && atomic_compare_exchange_strong(&object->handle, &handle, 0);
}

void rf_object_recycle(enum rf_kind kind, struct rf_object *object) {
  struct table *const table = &tables[kind];
  pthread_mutex_lock(&table->lock);
  object->generation++;
  object->next_free = 0;
  const uint32_t number = (uint32_t)object->index + 1;
  if (table->free_last)
    object_at(kind, table->free_last - 1)->next_free = number;
  else
    table->free_first = number;
  table->free_last = number;
  pthread_mutex_unlock(&table->lock);
}

void rf_object_each(enum rf_kind kind, void (*visit)(void *object, void *argument), void *argument) {
  const uint32_t used = atomic_load_explicit(&tables[kind].used, memory_order_acquire);
  for (uint32_t index = 0; index < used; index++) {
    struct rf_object *const object = object_at(kind, index);
    if (atomic_load_explicit(&object->handle, memory_order_acquire)) visit(object, argument);
  }
}
