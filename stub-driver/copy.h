/*
 * Copies and fills in their general form: `depth` slices of `height` rows of `width` bytes between two ends, each with
 * its pitches. Arrays have been resolved to their storage, and 1D copies have one row. Ends are checked when a copy is
 * made; execution looks addresses up again, page by page.
 */
#ifndef RF_STUB_COPY_H
#define RF_STUB_COPY_H

#include "api.h"

struct context;
struct stream;

struct rf_end {
  uint64_t address;   /* device: an address of the space; host: a pointer */
  uint64_t pitch;     /* bytes from row to row */
  uint64_t slice;     /* bytes from slice to slice */
  bool device;
  bool hidden;        /* an array's storage */
  bool pageable;      /* host memory that the GPU does not know */
};

struct rf_copy {
  struct rf_end source, target;
  uint64_t width, height, depth;
};

struct rf_fill {
  struct rf_end target;
  uint64_t width, height; /* bytes, rows */
  uint32_t value;
  unsigned element; /* 1, 2 or 4 bytes */
};

/* Does it, on the calling thread. ILLEGAL_ADDRESS when a page is gone since the check; `fault` gets its address. */
CUresult rf_copy_execute(const struct rf_copy *copy, CUdeviceptr *fault);
CUresult rf_fill_execute(const struct rf_fill *fill, CUdeviceptr *fault);

/* An end at an address that may be device memory, known host memory or (if `pageable_too`) any readable host memory.
 * Checks `size` bytes from it. INVALID_VALUE, with a complaint on stderr, when nothing is there. */
CUresult rf_end_unified(const char *call, const char *what, uint64_t address, uint64_t size, unsigned access,
                        bool pageable_too, struct rf_end *end);

/* An end in host memory. INVALID_VALUE when it is NULL. */
CUresult rf_end_host(const void *pointer, uint64_t size, struct rf_end *end);

/* Bytes from an end's address to behind the last byte that the rectangle touches; UINT64_MAX when that overflows. */
uint64_t rf_end_span(uint64_t pitch, uint64_t slice, uint64_t width, uint64_t height, uint64_t depth);

/* Submits a checked copy with CUDA's rules for pageable memory: its bytes are read before the call returns, and written
 * before it returns. */
CUresult rf_copy_submit(const char *call, struct stream *stream, const struct rf_copy *copy, bool asynchronous);

#endif
