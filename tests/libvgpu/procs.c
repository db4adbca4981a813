/* procs.c - cuGetProcAddress against the ELF symbols, row by row: program [VERSION of the driver]. */
#include <dlfcn.h>
#include <string.h>

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda.h"

static const struct row { const char *base; int since, per_thread; const char *symbol; } rows[] = {
#define RF_PROC(base, since, per_thread, symbol) {base, since, per_thread, #symbol},
#include "procs.inc"
};
enum { ROWS = sizeof rows / sizeof *rows };

typedef CUresult (*get_v2)(const char *, void **, int, cuuint64_t, CUdriverProcAddressQueryResult *);
typedef CUresult (*get_v1)(const char *, void **, int, cuuint64_t);

static void *library;
static get_v2 get;

static void *ask(const char *base, int version, cuuint64_t flags, CUresult expected, CUdriverProcAddressQueryResult status)
{
    void *function = (void *)1;
    CUdriverProcAddressQueryResult got = (CUdriverProcAddressQueryResult)77;
    CUresult result = get(base, &function, version, flags, &got);
    if (result != expected || got != status) {
        fprintf(stderr, "%s at %d, flags %d: result %d, status %d\n", base, version, (int)flags, (int)result, (int)got);
        exit(1);
    }
    return function;
}

static void expect(const char *base, int version, cuuint64_t flags, const char *symbol)
{
    void *got = ask(base, version, flags, CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SUCCESS), *exported = dlsym(library, symbol);
    /* The ELF symbol of two (probed in the call table) is a function of its own. */
    int only = !strcmp(symbol, "cuCtxGetDevice_v2") || !strcmp(symbol, "cuCtxSynchronize_v2");
    if (only ? !exported || !got || got == exported || got == dlsym(library, base) : got != exported) {
        fprintf(stderr, "%s at %d, flags %d: not %s\n", base, version, (int)flags, symbol);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    const int driver = argc > 1 ? atoi(argv[1]) : 13000;
    void *f;
    library = dlopen("libcuda.so.1", RTLD_NOW);
    assert(library);
    get = (get_v2)dlsym(library, "cuGetProcAddress_v2");
    assert(get);
    for (int i = 0; i < ROWS; i++) {
        const struct row *r = &rows[i];
        int last = 1;
        if (r->since > driver) {
            if (get(r->base, &f, r->since, 0, NULL) != CUDA_ERROR_INVALID_VALUE) {
                fprintf(stderr, "%s at %d is given out for a driver of %d\n", r->base, r->since, driver);
                return 1;
            }
            continue;
        }
        for (int j = 0; j < ROWS; j++)
            if (!strcmp(rows[j].base, r->base) && rows[j].per_thread == r->per_thread && rows[j].since > r->since && rows[j].since <= driver) last = 0;
        expect(r->base, r->since, r->per_thread ? 2 : 0, r->symbol);
        if (last) expect(r->base, driver, r->per_thread ? 2 : 0, r->symbol);
        if (!r->per_thread) expect(r->base, r->since, 1, r->symbol);
    }
    if (driver != 13000) {
        assert(get("cuInit", &f, driver + 10, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
        puts("ok");
        return 0;
    }
    /* Pairs whose versions have different parameters. */
    expect("cuCtxGetDevice", 2000, 0, "cuCtxGetDevice");
    expect("cuCtxGetDevice", 12090, 0, "cuCtxGetDevice");
    expect("cuCtxGetDevice", 13000, 0, "cuCtxGetDevice_v2");
    expect("cuCtxCreate", 3020, 0, "cuCtxCreate_v2");
    expect("cuMemAlloc", 3020, 0, "cuMemAlloc_v2");
    expect("cuMemAlloc", 3010, 0, "cuMemAlloc");
    expect("cuDevicePrimaryCtxRelease", 7000, 0, "cuDevicePrimaryCtxRelease");
    expect("cuDeviceGetUuid", 9020, 0, "cuDeviceGetUuid");
    expect("cuMemcpyHtoD", 7000, 2, "cuMemcpyHtoD_v2_ptds");
    expect("cuMemcpyHtoD", 6050, 2, "cuMemcpyHtoD_v2"); /* the twin is newer: the plain one it is */
    expect("cuMemAlloc", 7000, 2, "cuMemAlloc_v2");     /* has no twin */
    assert(!ask("cuNoSuchCall", 13000, 0, CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND));
    assert(!ask("", 0, 0, CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND));
    assert(!ask("cuMemAlloc_v2", 13000, 0, CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND)); /* base names only */
    assert(!ask("cuCtxCreate", 1000, 0, CUDA_SUCCESS, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT));
    assert(get(NULL, &f, 13000, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
    assert(get("cuInit", NULL, 13000, 0, NULL) == CUDA_ERROR_INVALID_VALUE);
    assert(get("cuInit", &f, 13000, 3, NULL) == CUDA_ERROR_INVALID_VALUE);
    assert(get("cuInit", &f, 13000, 0, NULL) == CUDA_SUCCESS && f == dlsym(library, "cuInit"));
    get_v1 old = (get_v1)dlsym(library, "cuGetProcAddress");
    assert(old("cuInit", &f, 11030, 0) == CUDA_SUCCESS && f == dlsym(library, "cuInit"));
    assert(old("cuNoSuchCall", &f, 11030, 0) == CUDA_ERROR_NOT_FOUND && !f);
    /* Before cuInit, and after: the same. */
    assert(((CUresult(*)(unsigned))dlsym(library, "cuInit"))(0) == CUDA_SUCCESS);
    expect("cuInit", 2000, 0, "cuInit");
    puts("ok");
    return 0;
}
