/* CUDA arrays and mipmapped arrays: storage on the card that no device address names, in rows without gaps. */
#ifndef RF_STUB_ARRAY_H
#define RF_STUB_ARRAY_H

#include "api.h"
#include "handle.h"

struct context;

struct array {
  struct rf_object object;
  uint64_t context;    /* epoch of its owner */
  int device;
  CUDA_ARRAY3D_DESCRIPTOR descriptor; /* as given; a 1D array has Height and Depth 0 */
  unsigned element;    /* bytes */
  uint64_t storage;    /* hidden address, see space.h */
  uint64_t width;      /* bytes of a row: also the pitch */
  uint64_t height, depth; /* rows and slices, at least 1; layers and faces are slices */
  uint64_t mipmap;     /* handle of the mipmapped array whose level it is, or 0: then the storage is its own */
};

struct mipmap {
  struct rf_object object;
  uint64_t context;
  int device;
  CUDA_ARRAY3D_DESCRIPTOR descriptor;
  uint64_t storage, size;
  unsigned levels;
  uint64_t level[32]; /* handles of arrays */
};

/* The array behind a handle, or NULL. */
struct array *rf_array_find(CUarray handle);
struct mipmap *rf_mipmap_find(CUmipmappedArray handle);

/* Bytes of an element, or 0. Formats above 0xc0 count their channels themselves. */
unsigned rf_array_element(CUarray_format format, unsigned channels);

/* Frees all arrays of a context. */
void rf_arrays_free_context(struct context *context);

#endif
