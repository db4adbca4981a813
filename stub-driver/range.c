/* See range.h: a sorted array under a reader-writer lock. Reads are the hot path (each asynchronous copy asks). */
#include "range.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct rf_range **list;
static size_t length, capacity;
static _Atomic size_t published_length; /* lets lookups skip the lock while there is no range at all */
static uint64_t next_id = (uint64_t)1 << 40; /* apart from the device allocations' ids */

/* Index of the first range that ends after `address`. */
static size_t find(uint64_t address) {
  size_t low = 0, high = length;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (list[middle]->base + list[middle]->size > address)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

CUresult rf_range_add(const struct rf_range *range) {
  struct rf_range *const copy = malloc(sizeof *copy);
  if (!copy) return CUDA_ERROR_OUT_OF_MEMORY;
  *copy = *range;
  CUresult result = CUDA_SUCCESS;
  pthread_rwlock_wrlock(&lock);
  copy->id = next_id++;
  const size_t at = find(range->base);
  if (at < length && list[at]->base < range->base + range->size) result = CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
  if (!result && length == capacity) {
    const size_t larger = capacity ? capacity * 2 : 64;
    struct rf_range **const grown = realloc(list, larger * sizeof *grown);
    if (grown) {
      list = grown;
      capacity = larger;
    } else {
      result = CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  if (result) {
    free(copy);
  } else {
    memmove(&list[at + 1], &list[at], (length - at) * sizeof *list);
    list[at] = copy;
    atomic_store(&published_length, ++length);
  }
  pthread_rwlock_unlock(&lock);
  return result;
}

bool rf_range_find(uint64_t address, struct rf_range *range) {
  if (atomic_load_explicit(&published_length, memory_order_acquire) == 0) return false;
  pthread_rwlock_rdlock(&lock);
  const size_t at = find(address);
  const bool found = at < length && list[at]->base <= address;
  if (found) *range = *list[at];
  pthread_rwlock_unlock(&lock);
  return found;
}

bool rf_range_covers(uint64_t address, uint64_t size) {
  if (atomic_load_explicit(&published_length, memory_order_acquire) == 0) return false;
  pthread_rwlock_rdlock(&lock);
  const size_t at = find(address);
  const bool covers = at < length && list[at]->base <= address && size <= list[at]->size - (address - list[at]->base);
  pthread_rwlock_unlock(&lock);
  return covers;
}

bool rf_range_update(const struct rf_range *range) {
  pthread_rwlock_wrlock(&lock);
  const size_t at = find(range->base);
  const bool found = at < length && list[at]->base == range->base && list[at]->id == range->id;
  if (found) *list[at] = *range;
  pthread_rwlock_unlock(&lock);
  return found;
}

static void remove_at(size_t at, struct rf_range *was) {
  *was = *list[at];
  free(list[at]);
  length--;
  memmove(&list[at], &list[at + 1], (length - at) * sizeof *list);
  atomic_store(&published_length, length);
}

bool rf_range_remove(uint64_t base, unsigned kinds, struct rf_range *was) {
  pthread_rwlock_wrlock(&lock);
  const size_t at = find(base);
  const bool found = at < length && list[at]->base == base && (kinds >> list[at]->kind & 1);
  if (found) remove_at(at, was);
  pthread_rwlock_unlock(&lock);
  return found;
}

bool rf_range_remove_of_context(uint64_t context, struct rf_range *was) {
  bool found = false;
  pthread_rwlock_wrlock(&lock);
  for (size_t at = 0; !found && at < length; at++) {
    if (list[at]->context != context) continue;
    remove_at(at, was);
    found = true;
  }
  pthread_rwlock_unlock(&lock);
  return found;
}
