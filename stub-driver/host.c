/*
 * Host memory: pinned allocations, registrations, managed memory, and what is asked of them.
 *
 * All of it is the process's own memory, and the GPU's address of it is the host's. Managed memory is not taken from the
 * card: a real driver pages it in and out and lets it exceed the card, so cuMemGetInfo does not show it there either.
 */
#include "host.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"
#include "context.h"
#include "kernel.h"
#include "range.h"
#include "space.h"
#include "stream.h"

#define KIND(kind) (1u << (kind))

static void *map(size_t size) {
  void *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return memory == MAP_FAILED ? NULL : memory;
}

static CUresult allocate(struct context *context, enum rf_range_kind kind, size_t size, unsigned flags, void **pointer) {
  if (!pointer || !size) return CUDA_ERROR_INVALID_VALUE;
  void *const memory = size > (size_t)1 << 46 ? NULL : map(size);
  if (!memory) return CUDA_ERROR_OUT_OF_MEMORY;
  const struct rf_range range = {.base = (uint64_t)(uintptr_t)memory, .size = size, .kind = kind, .flags = flags,
                                 .device = context->device, .context = context->epoch};
  const CUresult result = rf_range_add(&range);
  if (result)
    munmap(memory, size);
  else
    *pointer = memory;
  return result;
}

CUresult cuMemHostAlloc(void **pp, size_t bytesize, unsigned int Flags) {
  RF_ENTER_CONTEXT(context);
  RF_TRY(rf_capture_unsafe());
  if (!pp || Flags & ~7u) return CUDA_ERROR_INVALID_VALUE;
  if (!bytesize) {
    *pp = NULL;
    return CUDA_SUCCESS;
  }
  return allocate(context, RF_RANGE_PINNED, bytesize, Flags | CU_MEMHOSTALLOC_DEVICEMAP, pp); /* with unified addressing all of it is */
}

CUresult cuMemAllocHost_v2(void **pp, size_t bytesize) {
  RF_ENTER_CONTEXT(context);
  RF_TRY(rf_capture_unsafe());
  return allocate(context, RF_RANGE_PINNED, bytesize, CU_MEMHOSTALLOC_DEVICEMAP, pp);
}

CUresult cuMemAllocHost(void **pp, unsigned int bytesize) { return cuMemAllocHost_v2(pp, bytesize); }

CUresult cuMemFreeHost(void *p) {
  RF_ENTER();
  RF_TRY(rf_capture_unsafe());
  struct rf_range was;
  /* Work in flight may still use it; as hardware drivers do, wait. Of other contexts only for kernels that have touched it: one
   * that never ends must not hold up who has nothing to do with it. */
  struct context *const context = rf_context_or_null();
  if (context) rf_context_drain(context);
  if (!rf_range_remove((uint64_t)(uintptr_t)p, KIND(RF_RANGE_PINNED), &was)) return CUDA_ERROR_INVALID_VALUE;
  rf_kernels_await_range(was.id);
  munmap(p, was.size);
  return CUDA_SUCCESS;
}

static CUresult reg(const char *call, void *p, size_t size, unsigned flags) {
  RF_TRY(rf_enter(call));
  struct context *context = NULL;
  RF_TRY(rf_current_context(&context));
  RF_TRY(rf_capture_unsafe());
  if (!p || !size || flags & ~15u || (uint64_t)(uintptr_t)p + size < size) return CUDA_ERROR_INVALID_VALUE;
  if (flags & CU_MEMHOSTREGISTER_IOMEMORY) return CUDA_ERROR_NOT_SUPPORTED;
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), first = (uint64_t)(uintptr_t)p & ~(page - 1);
  if (rf_space_owns((uint64_t)(uintptr_t)p) || msync((void *)(uintptr_t)first, (uint64_t)(uintptr_t)p + size - first, MS_ASYNC)) {
    rf_space_complain(call, "host memory that is not mapped,", (uint64_t)(uintptr_t)p, size);
    return CUDA_ERROR_INVALID_VALUE;
  }
  const struct rf_range range = {.base = (uint64_t)(uintptr_t)p, .size = size, .kind = RF_RANGE_REGISTERED, .flags = flags,
                                 .device = context->device, .context = context->epoch};
  return rf_range_add(&range);
}

CUresult cuMemHostRegister_v2(void *p, size_t bytesize, unsigned int Flags) { return reg(__func__, p, bytesize, Flags); }
CUresult cuMemHostRegister(void *p, size_t bytesize, unsigned int Flags) { return reg(__func__, p, bytesize, Flags); }

CUresult cuMemHostUnregister(void *p) {
  RF_ENTER();
  RF_TRY(rf_capture_unsafe());
  struct rf_range was;
  if (!p) return CUDA_ERROR_INVALID_VALUE;
  struct context *const context = rf_context_or_null();
  if (context) rf_context_drain(context);
  if (!rf_range_remove((uint64_t)(uintptr_t)p, KIND(RF_RANGE_REGISTERED), &was))
    return rf_range_find((uint64_t)(uintptr_t)p, &was) ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
  rf_kernels_await_range(was.id);
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *pdptr, void *p, unsigned int Flags) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  struct rf_range range;
  if (!pdptr || Flags || !rf_range_find((uint64_t)(uintptr_t)p, &range) || range.kind == RF_RANGE_MANAGED)
    return CUDA_ERROR_INVALID_VALUE;
  *pdptr = (CUdeviceptr)(uintptr_t)p;
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int *pFlags, void *p) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  struct rf_range range;
  if (!pFlags || !rf_range_find((uint64_t)(uintptr_t)p, &range) || range.kind != RF_RANGE_PINNED) return CUDA_ERROR_INVALID_VALUE;
  *pFlags = range.flags;
  return CUDA_SUCCESS;
}

CUresult cuMemAllocManaged(CUdeviceptr *dptr, size_t bytesize, unsigned int flags) {
  RF_ENTER_CONTEXT(context);
  RF_TRY(rf_capture_unsafe());
  if (!dptr || (flags != CU_MEM_ATTACH_GLOBAL && flags != CU_MEM_ATTACH_HOST)) return CUDA_ERROR_INVALID_VALUE;
  void *pointer = NULL;
  RF_TRY(allocate(context, RF_RANGE_MANAGED, bytesize, flags, &pointer));
  *dptr = (CUdeviceptr)(uintptr_t)pointer;
  return CUDA_SUCCESS;
}

/* Variables lie where another process most likely has nothing, for it must map them at the same place: below the area that the
 * kernel gives addresses from, above where brokers keep their own. */
#define VARIABLES_BASE 0x7ec000000000u
#define VARIABLES_SIZE 0x002000000000u

void *rf_managed_map(size_t size, int *descriptor) {
  static _Atomic uint64_t next;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = (size + page - 1) / page * page;
  void *const hint = (void *)(uintptr_t)(VARIABLES_BASE + atomic_fetch_add(&next, bytes + page) % VARIABLES_SIZE);
  *descriptor = 0;
  const int fd = memfd_create("ringfence-managed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return map(size);
  if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) {
    void *const memory = mmap(hint, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) {
      *descriptor = fd + 1;
      return memory;
    }
  }
  close(fd);
  return map(size);
}

static void unmap(const struct rf_range *was) {
  munmap((void *)(uintptr_t)was->base, was->size);
  if (was->descriptor) close(was->descriptor - 1);
}

bool rf_managed_free(CUdeviceptr address) {
  struct rf_range was;
  if (!rf_range_remove(address, KIND(RF_RANGE_MANAGED), &was)) return false;
  unmap(&was);
  return true;
}

void rf_host_free_context(uint64_t epoch) {
  struct rf_range was;
  while (rf_range_remove_of_context(epoch, &was))
    if (was.kind != RF_RANGE_REGISTERED) unmap(&was);
}
