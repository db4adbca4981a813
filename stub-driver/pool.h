/* Memory pools: where stream-ordered allocations come from, and how much of them is in use. */
#ifndef RF_STUB_POOL_H
#define RF_STUB_POOL_H

#include "api.h"
#include "handle.h"

struct pool {
  struct rf_object object;
  int device;
  bool is_default;
  uint64_t max_size; /* 0: the card's */
  _Atomic uint64_t used, used_high;         /* bytes of live allocations */
  _Atomic uint64_t reserved, reserved_high; /* the same in whole frames; the rest went back to the card at once */
  _Atomic uint64_t threshold;
  _Atomic int reuse[3];
};

/* Accounts for an allocation of a pool that was freed, by whatever way. Takes no lock. */
void rf_pool_returned(uint64_t pool, uint64_t size);

/* Makes each device's default pool. */
bool rf_pools_initialise(void);

#endif
