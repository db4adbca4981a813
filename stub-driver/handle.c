/* See handle.h. */
#include "handle.h"

#include <pthread.h>
#include <stdlib.h>

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
#define INDEX_SHIFT 4 /* low bits stay 0, as in a pointer: 1 and 2 are streams' special handles */
#define INDEX_BITS 20
#define GENERATION_SHIFT (INDEX_SHIFT + INDEX_BITS)
#define GENERATION_BITS 20
#define KIND_SHIFT (GENERATION_SHIFT + GENERATION_BITS)

_Static_assert(CHUNK * CHUNKS == 1 << INDEX_BITS, "every index has its place");

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
  uint32_t used; /* indices ever given out */
  struct rf_object *free_first, *free_last; /* first in, first out: a freed handle's number stays unused for long */
} tables[RF_KINDS] = {[0 ... RF_KINDS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

static struct rf_object *object_at(enum rf_kind kind, uint32_t index) {
  char *const chunk = atomic_load_explicit(&tables[kind].chunks[index / CHUNK], memory_order_acquire);
  return chunk ? (struct rf_object *)(chunk + (index % CHUNK) * object_size[kind]) : NULL;
}

void *rf_object_new(enum rf_kind kind, bool *fresh) {
  struct table *const table = &tables[kind];
  if (fresh) *fresh = false;
  pthread_mutex_lock(&table->lock);
  struct rf_object *object = table->free_first;
  if (object) {
    table->free_first = object->next_free;
    if (!table->free_first) table->free_last = NULL;
  } else if (table->used < CHUNK * CHUNKS) {
    const uint32_t index = table->used;
    if (index % CHUNK == 0) {
      char *const chunk = calloc(CHUNK, object_size[kind]);
      if (chunk) atomic_store_explicit(&table->chunks[index / CHUNK], chunk, memory_order_release);
    }
    object = object_at(kind, index);
    if (object) {
      table->used++;
      object->index = index;
      if (fresh) *fresh = true;
    }
  }
  pthread_mutex_unlock(&table->lock);
  return object;
}

uint64_t rf_object_publish(enum rf_kind kind, struct rf_object *object) {
  const uint64_t generation = (object->generation + 1) & ((1u << GENERATION_BITS) - 1);
  const uint64_t handle =
      (uint64_t)kind << KIND_SHIFT | generation << GENERATION_SHIFT | (uint64_t)object->index << INDEX_SHIFT;
  atomic_store_explicit(&object->handle, handle, memory_order_release);
  return handle;
}

void *rf_object_find(enum rf_kind kind, uint64_t handle) {
  if (RF_UNLIKELY(handle >> KIND_SHIFT != (uint64_t)kind)) return NULL;
  struct rf_object *const object = object_at(kind, (uint32_t)(handle >> INDEX_SHIFT) & ((1u << INDEX_BITS) - 1));
  if (RF_UNLIKELY(!object) || atomic_load_explicit(&object->handle, memory_order_acquire) != handle) return NULL;
  return object;
}

bool rf_object_withdraw(struct rf_object *object, uint64_t handle) {
  return handle != 0 && atomic_compare_exchange_strong(&object->handle, &handle, 0);
}

void rf_object_recycle(enum rf_kind kind, struct rf_object *object) {
  struct table *const table = &tables[kind];
  pthread_mutex_lock(&table->lock);
  object->generation++;
  object->next_free = NULL;
  if (table->free_last)
    table->free_last->next_free = object;
  else
    table->free_first = object;
  table->free_last = object;
  pthread_mutex_unlock(&table->lock);
}

void rf_object_each(enum rf_kind kind, void (*visit)(void *object, void *argument), void *argument) {
  pthread_mutex_lock(&tables[kind].lock);
  const uint32_t used = tables[kind].used;
  pthread_mutex_unlock(&tables[kind].lock);
  for (uint32_t index = 0; index < used; index++) {
    struct rf_object *const object = object_at(kind, index);
    if (atomic_load_explicit(&object->handle, memory_order_acquire)) visit(object, argument);
  }
}
