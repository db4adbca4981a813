/* Ranges of free pages, sorted and coalesced. No lock: the owner has one. */
#ifndef RF_STUB_EXTENTS_H
#define RF_STUB_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rf_extents {
  struct rf_extent {
    uint64_t first, count;
  } *list;
  size_t length, capacity;
};

/* Takes the lowest `count` pages at or above `from` whose first is a multiple of `align`. False: there are none. */
bool rf_extents_take(struct rf_extents *extents, uint64_t from, uint64_t count, uint64_t align, uint64_t *first);

/* Takes exactly these pages. False: not all are free. */
bool rf_extents_take_at(struct rf_extents *extents, uint64_t first, uint64_t count);

/* Makes pages free. */
void rf_extents_give(struct rf_extents *extents, uint64_t first, uint64_t count);

#endif
