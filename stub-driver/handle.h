/*
 * Handles: what the API gives out for contexts, streams, events, arrays, pools, physical memory, modules and functions.
 *
 * A handle is a number, not an address: kind, generation and index. A freed handle, a handle of another kind and a
 * random number are found out by comparison, and nothing a caller passes is ever dereferenced. Objects live in chunks
 * that are never returned (type-stable), so that a thread which uses a handle while another frees it reads a dead
 * object, not freed memory. Chunks begin at cache lines, and lie in huge pages once there are many: with a hundred
 * thousand objects a call's time is that of the lines and page tables that no cache holds.
 */
#ifndef RF_STUB_HANDLE_H
#define RF_STUB_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rf_kind {
  RF_KIND_CONTEXT = 1, RF_KIND_STREAM, RF_KIND_EVENT, RF_KIND_MEMORY, RF_KIND_POOL, RF_KIND_ARRAY, RF_KIND_MIPMAP, RF_KIND_MODULE,
  RF_KIND_FUNCTION, RF_KIND_LIBRARY, RF_KIND_KERNEL, RF_KIND_LINK, RF_KIND_TEXTURE, RF_KIND_SURFACE, RF_KIND_TEXREF, RF_KIND_SURFREF, RF_KINDS };

#define RF_INDEX_BITS 20
#define RF_GENERATION_BITS 20

/* First member of each object: 16 bytes, for an object that all of one call needs is to fit into one cache line. */
struct rf_object {
  _Atomic uint64_t handle; /* what finds it; 0: not published, or freed */
  uint64_t index : RF_INDEX_BITS;
  uint64_t generation : RF_GENERATION_BITS;
  uint64_t next_free : RF_INDEX_BITS + 1; /* 1 + its index; 0: the list ends */
};

/* An object not yet published. `fresh` (may be NULL) says whether its memory was never used before (all zero);
 * otherwise it holds what its predecessor left. NULL: out of memory, or a million live ones. */
void *rf_object_new(enum rf_kind kind, bool *fresh);

/* Makes the object findable; call it when the object is complete. Returns its handle, below 2^48 and never 0, 1 or 2. */
uint64_t rf_object_publish(enum rf_kind kind, struct rf_object *object);

/* The object, or NULL. */
void *rf_object_find(enum rf_kind kind, uint64_t handle);

/* The object of an index that was given out, published or not. */
void *rf_object_at(enum rf_kind kind, uint32_t index);

/* Takes the handle away so that exactly one caller may destroy the object. False if it was gone already. */
bool rf_object_withdraw(struct rf_object *object, uint64_t handle);

/* Gives the memory back to its kind; the object must be withdrawn (or never published). */
void rf_object_recycle(enum rf_kind kind, struct rf_object *object);

/* Calls `visit` with each published object. No lock is held: objects may come and go meanwhile. */
void rf_object_each(enum rf_kind kind, void (*visit)(void *object, void *argument), void *argument);

#endif
