/*
 * Host memory that the GPU knows: pinned (cuMemHostAlloc), registered (cuMemHostRegister), managed (cuMemAllocManaged).
 * Its device address is its host address (unified addressing). All other host memory is pageable.
 */
#ifndef RF_STUB_RANGE_H
#define RF_STUB_RANGE_H

#include "api.h"

enum rf_range_kind { RF_RANGE_PINNED, RF_RANGE_REGISTERED, RF_RANGE_MANAGED };

struct rf_range {
  uint64_t base, size;
  enum rf_range_kind kind;
  unsigned flags;   /* as given at creation */
  int device;
  uint64_t context; /* handle; host memory dies with its context */
  uint64_t id;
  bool sync_memops;
  int descriptor;   /* 1 + that of the memfd that holds a managed variable; 0: none */
  bool of_module;   /* a managed variable: cuMemFree does not free it */
  bool read_mostly; /* managed: what cuMemAdvise said */
  CUmemLocation preferred, prefetched;
  uint64_t accessed_by; /* bit by device, bit 63 the host */
};

/* Adds a range. Errors: HOST_MEMORY_ALREADY_REGISTERED when it overlaps one, OUT_OF_MEMORY. */
CUresult rf_range_add(const struct rf_range *range);

/* The range around an address, copied. Lookups share a lock; they do not exclude one another. */
bool rf_range_find(uint64_t address, struct rf_range *range);

/* Whether all bytes lie in one known range. */
bool rf_range_covers(uint64_t address, uint64_t size);

/* Replaces what is known of the range that begins at `range->base`. */
bool rf_range_update(const struct rf_range *range);

/* Takes the range that begins at `base` (of one of the kinds in the bit mask) out of the table. */
bool rf_range_remove(uint64_t base, unsigned kinds, struct rf_range *was);

/* Takes out one range of a context; false when it has none left. */
bool rf_range_remove_of_context(uint64_t context, struct rf_range *was);

#endif
