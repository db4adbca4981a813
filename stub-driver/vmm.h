/* Physical memory with a handle (cuMemCreate), apart from the addresses where it is mapped. */
#ifndef RF_STUB_VMM_H
#define RF_STUB_VMM_H

#include "api.h"
#include "handle.h"

struct memory {
  struct rf_object object;
  int device;
  uint64_t size;
  uint32_t *frames;
  uint32_t references; /* handles retained, and mappings; guarded by the space's lock */
  uint32_t handles;    /* of them: handles; at 0 the handle is gone though mappings keep the memory */
  CUmemAllocationProp properties;
};

int rf_memory_device(const struct memory *memory);

#endif
