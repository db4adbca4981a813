/* What the test programs share: checks that name the line, the call and both values. Exit status 0: all held. */
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cuda.h"

static inline const char *name_of(CUresult result) {
  const char *name = NULL;
  return cuGetErrorName(result, &name) == CUDA_SUCCESS ? name : "an unknown result";
}

static inline void expect(CUresult got, CUresult wanted, const char *call, const char *file, int line) {
  if (got == wanted) return;
  fprintf(stderr, "%s:%d: %s answered %s, not %s\n", file, line, call, name_of(got), name_of(wanted));
  exit(1);
}

#define OK(call) expect((call), CUDA_SUCCESS, #call, __FILE__, __LINE__)
#define FAILS(code, call) expect((call), CUDA_ERROR_##code, #call, __FILE__, __LINE__)
#define CHECK(condition)                                                              \
  do {                                                                                \
    if (!(condition)) {                                                               \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);         \
      exit(1);                                                                        \
    }                                                                                 \
  } while (0)

static inline CUcontext begin(void) {
  CUcontext context = NULL;
  OK(cuInit(0));
  OK(cuCtxCreate_v2(&context, 0, 0));
  return context;
}

static inline size_t free_memory(void) {
  size_t free = 0, total = 0;
  OK(cuMemGetInfo_v2(&free, &total));
  return free;
}

/* Bytes that tell each position from its neighbours. */
static inline void pattern(uint8_t *bytes, size_t size, unsigned seed) {
  uint32_t state = seed * 2654435761u + 1;
  for (size_t i = 0; i < size; i++) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(state >> 24);
  }
}

#endif
