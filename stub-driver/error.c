/* Names and descriptions of results. The one part of the API that works before cuInit and after a fork. */
#include "api.h"

static const struct {
  CUresult code;
  const char *name, *text;
} results[] = {
#define RESULT(name, value, string) {name, #name, string},
    RF_CUDA_RESULTS(RESULT)
#undef RESULT
};

static int find(CUresult code) {
  for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
    if (results[i].code == code) return (int)i;
  return -1;
}

CUresult cuGetErrorName(CUresult error, const char **pStr) {
  if (!pStr) return CUDA_ERROR_INVALID_VALUE;
  const int index = find(error);
  *pStr = index < 0 ? NULL : results[index].name;
  return index < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **pStr) {
  if (!pStr) return CUDA_ERROR_INVALID_VALUE;
  const int index = find(error);
  *pStr = index < 0 ? NULL : results[index].text;
  return index < 0 ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}
