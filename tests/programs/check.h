/* check.h - what every test program of ours needs: call, compare, and say which call failed and why. */
#ifndef PROGRAMS_CHECK_H
#define PROGRAMS_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"

static inline const char *error_name(CUresult error)
{
    const char *name = NULL;
    return cuGetErrorName(error, &name) == CUDA_SUCCESS && name ? name : "unknown error";
}

/* The call must succeed. */
#define CU(call)                                                                                       \
    do {                                                                                               \
        CUresult status_ = (call);                                                                     \
        if (status_ != CUDA_SUCCESS) {                                                                 \
            fprintf(stderr, "%s:%d: %s: %s (%d)\n", __FILE__, __LINE__, #call, error_name(status_), (int)status_); \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

/* The call must fail with exactly this error. */
#define CU_FAILS(expected, call)                                                                       \
    do {                                                                                               \
        CUresult status_ = (call);                                                                     \
        if (status_ != (expected)) {                                                                   \
            fprintf(stderr, "%s:%d: %s: got %s (%d), expected %s\n", __FILE__, __LINE__, #call,        \
                    error_name(status_), (int)status_, #expected);                                     \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

#define TRUE_OR_DIE(condition)                                                                         \
    do {                                                                                               \
        if (!(condition)) {                                                                            \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                  \
            exit(1);                                                                                   \
        }                                                                                              \
    } while (0)

/* Every byte of device memory must be `value`. */
static inline void holds(CUdeviceptr p, size_t bytes, unsigned char value)
{
    unsigned char *look = malloc(bytes);
    TRUE_OR_DIE(look);
    memset(look, ~value, bytes);
    CU(cuMemcpyDtoH_v2(look, p, bytes));
    for (size_t i = 0; i < bytes; i++) TRUE_OR_DIE(look[i] == value);
    free(look);
}

#endif
