/* procs.c - cuGetProcAddress: which function a base name means at a CUDA version.
 *
 * The rule is "the base name's newest function that is not newer than the version asked for", never "_v2 if there is one":
 * cuCtxGetDevice at 12000 and at 13000 have different parameters. Flag 2 prefers the twin for per-thread default streams of
 * that same function, and falls back to the plain one. The table is generated from the call table and sorted.
 *
 * Nothing newer than the zone's driver is given out, as its own library would not: a runtime that is newer than the driver asks for the older function then,
 * where one that was given the newer would find out at the call that there is none. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "hand.h"

#define TABLE_VERSION 13000 /* the newest that the table knows; a card's driver may be newer */
#define EVERY_DRIVER 12000  /* what a zone's driver knows in any case: executors need it (cuLibraryLoadData) */

static const struct proc {
    const char *base;
    int since;
    int per_thread;
    void *function;
} procs[] = {
#define RF_PROC(base, since, per_thread, symbol) {base, since, per_thread, (void *)symbol},
#include "procs.inc"
#undef RF_PROC
};

static const size_t count = sizeof procs / sizeof *procs;

/* The first row of a base name, or `count`. */
static size_t first_of(const char *base)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(procs[middle].base, base) < 0) low = middle + 1;
        else high = middle;
    }
    return low < count && !strcmp(procs[low].base, base) ? low : count;
}

/* CUDA_SUCCESS, or CUDA_ERROR_NOT_FOUND with *status saying which way. */
static CUresult look_up(const char *base, int version, cuuint64_t flags, void **function, CUdriverProcAddressQueryResult *status)
{
    *function = NULL;
    const struct proc *plain = NULL, *twin = NULL;
    size_t at = first_of(base);
    *status = at < count ? CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT : CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    for (; at < count && !strcmp(procs[at].base, base); at++) {
        if (procs[at].since > version) continue;
        if (procs[at].per_thread) twin = &procs[at];
        else plain = &procs[at];
    }
    if (!plain) return CUDA_ERROR_NOT_FOUND;
    *status = CU_GET_PROC_ADDRESS_SUCCESS;
    *function = flags == CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM && twin ? twin->function : plain->function;
    return CUDA_SUCCESS;
}

/* The newest version that may be asked for, as far as it matters to who asks for `version`. The runtime asks before cuInit and before it asks for the driver's
 * version itself. */
static int newest(int version)
{
    if (version <= EVERY_DRIVER) return EVERY_DRIVER;
    int told = TABLE_VERSION;
    if (!vgpu_in_forked_child()) vgpu_cuDriverGetVersion(&told);
    return told;
}

static CUresult get(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
    if (!symbol || !pfn || cudaVersion > newest(cudaVersion) || flags > CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM) return CUDA_ERROR_INVALID_VALUE;
    return look_up(symbol, cudaVersion, flags, pfn, status);
}

CUresult vgpu_cuGetProcAddress_v2(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags, CUdriverProcAddressQueryResult *symbolStatus)
{
    CUdriverProcAddressQueryResult status = CU_GET_PROC_ADDRESS_SUCCESS;
    CUresult result = get(symbol, pfn, cudaVersion, flags, &status);
    if (symbolStatus && result != CUDA_ERROR_INVALID_VALUE) *symbolStatus = status;
    return result == CUDA_ERROR_NOT_FOUND ? CUDA_SUCCESS : result; /* the status says it; so documented since there is one */
}

CUresult vgpu_cuGetProcAddress(const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags)
{
    CUdriverProcAddressQueryResult status;
    return get(symbol, pfn, cudaVersion, flags, &status);
}
