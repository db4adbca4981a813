/* errors.c - cuGetErrorName and cuGetErrorString: names and sentences of every result, from the one list in cuda_types.h. */
#include "errors.h"

#include <stddef.h>

#include "hand.h"

static const struct result {
    int value;
    const char *name, *text;
} results[] = {
#define RESULT(name, value, text) {value, #name, text},
    RF_CUDA_RESULTS(RESULT)
#undef RESULT
};

static const struct result *find(int value)
{
    for (size_t i = 0; i < sizeof results / sizeof *results; i++)
        if (results[i].value == value) return &results[i];
    return NULL;
}

const char *vgpu_error_name(CUresult error)
{
    const struct result *result = find((int)error);
    return result ? result->name : "unknown result";
}

int vgpu_error_known(int value) { return find(value) != NULL; }

CUresult vgpu_cuGetErrorName(CUresult error, const char **pStr)
{
    if (!pStr) return CUDA_ERROR_INVALID_VALUE;
    const struct result *result = find((int)error);
    *pStr = result ? result->name : NULL;
    return result ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuGetErrorString(CUresult error, const char **pStr)
{
    if (!pStr) return CUDA_ERROR_INVALID_VALUE;
    const struct result *result = find((int)error);
    *pStr = result ? result->text : NULL;
    return result ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
