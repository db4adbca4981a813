/* What the software GPU exports beyond a driver's symbols. No real driver has these.
 *
 * ringfence_software_gpu is the mark by which a program that was given a libcuda.so.1 knows the software GPU.
 *
 * The others are for a process that calls this driver for others (Ringfence's executor). ringfence_managed_descriptor: a managed
 * variable of a module is dereferenced by the program's own code, so that program must map the variable's pages, at the same address.
 * ringfence_context_stop: that program is dead, and its kernels may be endless; destroying the context would stop them, but what polls
 * the context's streams and events must see them end first. */
#include <fcntl.h>

#include "context.h"
#include "kernel.h"
#include "log.h"
#include "range.h"

extern const int ringfence_software_gpu;
__attribute__((visibility("default"))) const int ringfence_software_gpu = 1;

extern int ringfence_managed_descriptor(uint64_t address, uint64_t place[2]);

/* A descriptor, the caller's to close, of the pages that hold the managed variable at `address`; place: address and size of these
 * pages. -1: there is no managed variable, or it cannot be shared. */
__attribute__((visibility("default"))) int ringfence_managed_descriptor(uint64_t address, uint64_t place[2]) {
  struct rf_range range;
  if (!rf_range_find(address, &range) || !range.of_module || !range.descriptor) return -1;
  place[0] = range.base;
  place[1] = range.size;
  return fcntl(range.descriptor - 1, F_DUPFD_CLOEXEC, 0);
}

extern void ringfence_context_stop(uint64_t handle);

/* Ends the kernels of a context, those that wait in its streams too; returns at once. The context answers as to a kernel that was
 * stopped, and is of no use but to be destroyed. */
__attribute__((visibility("default"))) void ringfence_context_stop(uint64_t handle) {
  struct context *context = NULL;
  if (rf_context_find((CUcontext)(uintptr_t)handle, &context)) return;
  atomic_store(&context->ending, true);
  rf_kernels_stop(context);
}
