/* cuGetProcAddress: which symbol a base name means for a version and a default-stream mode. Works before cuInit. */
#include <string.h>

#include "api.h"

static const struct entry {
  const char *name;
  int version;
  bool per_thread;
  void *symbol;
} entries[] = {
#define RF_PROC(name, version, per_thread, symbol) {name, version, per_thread, (void *)(uintptr_t)symbol},
#include "procs.inc"
#undef RF_PROC
};

#define COUNT (sizeof entries / sizeof entries[0])

/* Index of the first entry of a name, in a table sorted by name and version; COUNT when there is none. */
static size_t first_of(const char *name) {
  size_t low = 0, high = COUNT;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (strcmp(entries[middle].name, name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low < COUNT && !strcmp(entries[low].name, name) ? low : COUNT;
}

/* The highest version that the caller knows, in the mode that it asked for if the function has one. */
static const struct entry *choose(const char *name, int version, bool per_thread, bool *known) {
  const struct entry *plain = NULL, *own = NULL;
  const size_t first = first_of(name);
  *known = first < COUNT;
  for (size_t i = first; i < COUNT && !strcmp(entries[i].name, name); i++) {
    if (entries[i].version > version) continue;
    const struct entry **const best = entries[i].per_thread ? &own : &plain;
    if (!*best || entries[i].version >= (*best)->version) *best = &entries[i];
  }
  return per_thread && own ? own : plain;
}

static CUresult get(const char *symbol, void **pfn, int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status, bool status_wanted) {
  if (!symbol || !pfn || version > CUDA_VERSION || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)
    return CUDA_ERROR_INVALID_VALUE;
  bool known = false;
  const struct entry *const entry = choose(symbol, version, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &known);
  *pfn = entry ? entry->symbol : NULL;
  if (status)
    *status = entry   ? CU_GET_PROC_ADDRESS_SUCCESS
              : known ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT
                      : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  /* With a status to say why, finding nothing is a success (documented so since it has one). */
  return entry || status_wanted ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags, CUdriverProcAddressQueryResult *symbolStatus) {
  return get(symbol, pfn, cudaVersion, flags, symbolStatus, true);
}

CUresult cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags) {
  return get(symbol, pfn, cudaVersion, flags, NULL, false);
}
