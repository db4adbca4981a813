/* See extents.h. A sorted array: the number of holes is bounded by the number of live blocks, which have 2 MiB each. */
#include "extents.h"

#include <stdlib.h>
#include <string.h>

/* Index of the first extent that ends after `page`. */
static size_t find(const struct rf_extents *e, uint64_t page) {
  size_t low = 0, high = e->length;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (e->list[middle].first + e->list[middle].count > page)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static bool insert(struct rf_extents *e, size_t at, struct rf_extent extent) {
  if (e->length == e->capacity) {
    const size_t capacity = e->capacity ? e->capacity * 2 : 64;
    struct rf_extent *const list = realloc(e->list, capacity * sizeof *list);
    if (!list) return false;
    e->list = list;
    e->capacity = capacity;
  }
  memmove(&e->list[at + 1], &e->list[at], (e->length - at) * sizeof *e->list);
  e->list[at] = extent;
  e->length++;
  return true;
}

static void erase(struct rf_extents *e, size_t at) {
  e->length--;
  memmove(&e->list[at], &e->list[at + 1], (e->length - at) * sizeof *e->list);
}

/* Cuts [first, first + count) out of the extent at `at`, which contains it. */
static bool cut(struct rf_extents *e, size_t at, uint64_t first, uint64_t count) {
  struct rf_extent *const extent = &e->list[at];
  const uint64_t end = extent->first + extent->count, cut_end = first + count;
  if (first > extent->first && cut_end < end) {
    if (!insert(e, at + 1, (struct rf_extent){.first = cut_end, .count = end - cut_end})) return false;
    e->list[at].count = first - e->list[at].first;
  } else if (first > extent->first) {
    extent->count = first - extent->first;
  } else if (cut_end < end) {
    extent->first = cut_end;
    extent->count = end - cut_end;
  } else {
    erase(e, at);
  }
  return true;
}

bool rf_extents_take(struct rf_extents *e, uint64_t from, uint64_t count, uint64_t align, uint64_t *first) {
  for (size_t at = find(e, from); at < e->length; at++) {
    const uint64_t end = e->list[at].first + e->list[at].count;
    uint64_t start = e->list[at].first > from ? e->list[at].first : from;
    start = (start + align - 1) / align * align;
    if (start > end || end - start < count) continue;
    *first = start;
    return cut(e, at, start, count);
  }
  return false;
}

bool rf_extents_take_at(struct rf_extents *e, uint64_t first, uint64_t count) {
  const size_t at = find(e, first);
  if (at == e->length || e->list[at].first > first || e->list[at].first + e->list[at].count < first + count) return false;
  return cut(e, at, first, count);
}

void rf_extents_give(struct rf_extents *e, uint64_t first, uint64_t count) {
  const size_t at = find(e, first);
  const bool joins_before = at > 0 && e->list[at - 1].first + e->list[at - 1].count == first;
  const bool joins_after = at < e->length && first + count == e->list[at].first;
  if (joins_before && joins_after) {
    e->list[at - 1].count += count + e->list[at].count;
    erase(e, at);
  } else if (joins_before) {
    e->list[at - 1].count += count;
  } else if (joins_after) {
    e->list[at].first = first;
    e->list[at].count += count;
  } else {
    insert(e, at, (struct rf_extent){.first = first, .count = count}); /* out of host memory: the addresses are lost */
  }
}
