/*
 * Kernels on the GPU: launches in a stream's queue, what they see of memory, how they end: by themselves, by a fault, by the
 * time limit (RINGFENCE_STUB_KERNEL_TIMEOUT), or with their context.
 */
#ifndef RF_STUB_KERNEL_H
#define RF_STUB_KERNEL_H

#include "api.h"
#include "ptx/ptx.h"

struct context;
struct module;
struct stream;

/* One launch: malloc'ed, owned by its operation. The module is held until it is over. */
struct rf_launch {
  struct module *module;
  const struct ptx_kernel *ptx;
  uint32_t grid[3], block[3], cluster[3];
  uint32_t dynamic_shared;
  bool cooperative;
  uint64_t textures; /* rf_texture_serial at the launch */
  size_t param_bytes;
  const struct ptx_image *images; /* what texture and surface variables are bound to, behind params; by the engine's index */
  _Alignas(16) unsigned char params[];
};

/* Runs it (unless the context has failed or is ending) and lets go of its module. On the stream's thread. */
void rf_kernel_execute(struct stream *stream, struct rf_launch *launch);

/* Stops the context's running kernels. They end within milliseconds. */
void rf_kernels_stop(struct context *context);

/* Returns when no running kernel has touched the host memory of this number (rf_range.id), which is out of the table already. */
void rf_kernels_await_range(uint64_t id);

/* For a context that ends: gives its kernels a moment to end by themselves, then stops them, and those still queued. */
void rf_kernels_end(struct context *context);

/* Writes what the context's kernels have printed to stdout. Cheap when that is nothing. */
void rf_print_flush(struct context *context);

#endif
