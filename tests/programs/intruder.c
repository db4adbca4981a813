/* intruder.c - tries another client's device address and handles: intruder ADDRESS STREAM EVENT CONTEXT (hexadecimal, as holder prints).
 * Says how each attempt was answered; exits 0 only if every one was refused. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static int leaks;

static void attempt(const char *what, CUresult status)
{
    printf("  %-36s %s\n", what, status == CUDA_SUCCESS ? "SUCCEEDED" : error_name(status));
    leaks += status == CUDA_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc != 5) return fprintf(stderr, "usage: intruder ADDRESS STREAM EVENT CONTEXT\n"), 64;
    CUdeviceptr memory = strtoull(argv[1], NULL, 16);
    CUstream stream = (CUstream)(uintptr_t)strtoull(argv[2], NULL, 16);
    CUevent event = (CUevent)(uintptr_t)strtoull(argv[3], NULL, 16);
    CUcontext theirs = (CUcontext)(uintptr_t)strtoull(argv[4], NULL, 16);
    static char loot[4096];
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    attempt("read the other zone's address", cuMemcpyDtoH_v2(loot, memory, sizeof loot));
    attempt("overwrite it", cuMemsetD8_v2(memory, 0, sizeof loot));
    attempt("free it", cuMemFree_v2(memory));
    attempt("wait for the other zone's stream", cuStreamSynchronize(stream));
    attempt("query the other zone's event", cuEventQuery(event));
    CUresult entered = cuCtxSetCurrent(theirs);
    attempt("work in the other zone's context", entered != CUDA_SUCCESS ? entered : cuCtxSynchronize());
    for (size_t i = 0; i < sizeof loot; i++) TRUE_OR_DIE(loot[i] == 0);
    return leaks != 0;
}
