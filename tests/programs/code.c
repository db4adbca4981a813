/* code.c - modules, libraries, linking, launches: what holds on a driver called directly and inside a zone alike.
 *
 *   code             everything below
 *   code print       kernels print; standard output is compared by the caller
 *   code both        kernels print, two threads synchronise, and standard output takes nothing for a while: neither is done before it has
 *   code assert X    a kernel's assertion, of the text X, fails; standard error is compared by the caller
 *   code again       loads an image of 1 MiB; upon a line the same from other places, in every way; upon one more another
 *   code quota N     in a zone of N bytes: code and its variables are counted to the byte
 *   code storm       launches without end, until it is killed */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "full-pipe.h"

#define HEAD ".version 7.0\n.target sm_52\n.address_size 64\n"

/* sum: *out = a + b + c with parameters of odd sizes; spin: waits for nothing; bad: writes where nothing is. */
static const char text[] = HEAD
    ".visible .global .align 8 .b8 table[4096];\n"
    ".visible .const .align 4 .u32 seven = 7;\n"
    ".visible .global .align 4 .u32 counter;\n"
    ".visible .entry sum(.param .u8 a, .param .u16 b, .param .u64 c, .param .u64 out)\n"
    "{ .reg .u64 %c, %o; .reg .u32 %a, %b, %t; .reg .u64 %w;\n"
    " ld.param.u8 %a, [a]; ld.param.u16 %b, [b]; ld.param.u64 %c, [c]; ld.param.u64 %o, [out];\n"
    " add.u32 %t, %a, %b; cvt.u64.u32 %w, %t; add.u64 %w, %w, %c; st.global.u64 [%o], %w; ret; }\n"
    ".visible .entry count(.param .u64 out)\n"
    "{ .reg .u64 %o; .reg .u32 %r, %s; ld.param.u64 %o, [out]; atom.global.add.u32 %r, [%o], 1; ld.const.u32 %s, [seven]; atom.global.add.u32 %r, [counter], %s; ret; }\n"
    ".visible .entry bad(.param .u64 at) { .reg .u64 %a; ld.param.u64 %a, [at]; st.global.u32 [%a], 1; ret; }\n"
    ".visible .entry bounded() .maxntid 64, 1, 1 { ret; }\n"
    ".visible .entry nothing() { ret; }\n";

static const char printing[] = HEAD
    ".extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);\n"
    ".global .align 1 .b8 format[14] = {107, 101, 114, 110, 101, 108, 32, 37, 100, 10, 0, 0, 0, 0};\n"
    ".visible .entry say(.param .u32 n)\n"
    "{ .local .align 8 .b8 buffer[8]; .reg .b64 %b, %f, %g; .reg .b32 %n, %r;\n"
    " ld.param.u32 %n, [n]; mov.u64 %b, buffer; cvta.local.u64 %g, %b; st.local.u32 [%b], %n; mov.u64 %f, format; cvta.global.u64 %f, %f;\n"
    " { .param .b64 p; .param .b64 q; .param .b32 x; st.param.b64 [p], %f; st.param.b64 [q], %g; call.uni (x), vprintf, (p, q); ld.param.b32 %r, [x]; }\n"
    " ret; }\n";

static CUcontext context;

static void launch(CUfunction f, unsigned grid, unsigned block, CUstream stream, void **params)
{
    CU(cuLaunchKernel(f, grid, 1, 1, block, 1, 1, 0, stream, params, NULL));
}

static uint64_t sum_of(CUfunction f, CUstream stream, int by_extra)
{
    static CUdeviceptr out;
    uint8_t a = 200;
    uint16_t b = 60000;
    uint64_t c = 1ull << 40, got = 0;
    if (!out) CU(cuMemAlloc_v2(&out, 8));
    CU(cuMemsetD8_v2(out, 0, 8));
    if (by_extra) {
        struct { uint8_t a; uint16_t b; uint64_t c; CUdeviceptr out; } packed = {a, b, c, out};
        size_t size = sizeof packed;
        void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
        CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, stream, NULL, extra));
    } else {
        launch(f, 1, 1, stream, (void *[]){&a, &b, &c, &out});
    }
    CU(cuStreamSynchronize(stream));
    CU(cuMemcpyDtoH_v2(&got, out, 8));
    return got - (200 + 60000 + (1ull << 40));
}

static void modules(void)
{
    CUmodule module, again;
    CUfunction f, same, count, other;
    size_t offset, size;
    unsigned n;
    const char *name;
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleLoadData(&again, text)); /* the executor has the image already */
    TRUE_OR_DIE(module != again);
    CU(cuModuleGetFunction(&f, module, "sum"));
    CU(cuModuleGetFunction(&same, module, "sum"));
    CU(cuModuleGetFunction(&other, again, "sum"));
    TRUE_OR_DIE(f == same && f != other);
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetFunction(&same, module, "none"));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleGetFunction(&same, module, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleGetFunction(&same, NULL, "sum"));
    CU(cuFuncGetName(&name, f));
    TRUE_OR_DIE(!strcmp(name, "sum"));
    CU(cuFuncGetModule(&again, other));
    static const size_t offsets[] = {0, 2, 8, 16}, sizes[] = {1, 2, 8, 8};
    for (size_t i = 0; i < 4; i++) {
        CU(cuFuncGetParamInfo(f, i, &offset, &size));
        TRUE_OR_DIE(offset == offsets[i] && size == sizes[i]);
    }
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetParamInfo(f, 4, &offset, &size));
    TRUE_OR_DIE(sum_of(f, NULL, 0) == 0 && sum_of(f, NULL, 1) == 0 && sum_of(other, NULL, 0) == 0);
    CU(cuModuleGetFunctionCount(&n, module));
    TRUE_OR_DIE(n == 5);
    CUfunction all[8];
    CU(cuModuleEnumerateFunctions(all, 5, module));
    int found = 0;
    for (unsigned i = 0; i < n; i++) {
        CU(cuFuncGetName(&name, all[i]));
        if (!strcmp(name, "sum")) {
            TRUE_OR_DIE(all[i] == f);
            found = 1;
        }
    }
    TRUE_OR_DIE(found);

    /* Variables: their memory is device memory like any, but nobody's to free. */
    CUdeviceptr table, counter, plain;
    CU(cuModuleGetGlobal_v2(&table, &size, module, "table"));
    TRUE_OR_DIE(size == 4096);
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetGlobal_v2(&table, &size, module, "none"));
    uint8_t bytes[4096], back[4096];
    for (int i = 0; i < 4096; i++) bytes[i] = (uint8_t)(i * 7);
    CU(cuMemcpyHtoD_v2(table, bytes, sizeof bytes));
    CU(cuMemcpyDtoH_v2(back, table, sizeof back));
    TRUE_OR_DIE(!memcmp(bytes, back, sizeof back));
    CU(cuMemAlloc_v2(&plain, 4096));
    CU(cuMemcpyDtoD_v2(plain, table, 4096));
    memset(back, 0, sizeof back);
    CU(cuMemcpy((CUdeviceptr)(uintptr_t)back, table, 4096)); /* which end is which, by address */
    TRUE_OR_DIE(!memcmp(bytes, back, sizeof back));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(table + 1, bytes, 4096));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(table));
    CUdeviceptr base;
    CU(cuMemGetAddressRange_v2(&base, &size, table + 100));
    TRUE_OR_DIE(base == table && size == 4096);
    CU(cuModuleGetFunction(&count, module, "count"));
    CU(cuMemsetD32_v2(plain, 0, 1));
    for (int i = 0; i < 1000; i++) launch(count, 2, 32, NULL, (void *[]){&plain});
    CU(cuCtxSynchronize());
    uint32_t value;
    CU(cuMemcpyDtoH_v2(&value, plain, 4));
    TRUE_OR_DIE(value == 64000);
    CU(cuModuleGetGlobal_v2(&counter, NULL, module, "counter"));
    CU(cuMemcpyDtoH_v2(&value, counter, 4));
    TRUE_OR_DIE(value == 7 * 64000);

    /* What a launch itself answers. */
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 0, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&plain}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1025, 1, 1, 0, NULL, (void *[]){&plain}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 32, 32, 2, 0, NULL, (void *[]){&plain}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 65536, 1, 1, 1, 1, 0, NULL, (void *[]){&plain}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){NULL}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 64 << 10, NULL, (void *[]){&plain}, NULL));
    size_t too_small = 4;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &plain, CU_LAUNCH_PARAM_BUFFER_SIZE, &too_small, CU_LAUNCH_PARAM_END};
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&plain}, extra));
    CUfunction bounded;
    CU(cuModuleGetFunction(&bounded, module, "bounded"));
    launch(bounded, 1, 64, NULL, NULL);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernel(bounded, 1, 1, 1, 65, 1, 1, 0, NULL, NULL, NULL));

    /* Attributes; shared memory that had to be asked for. */
    int attribute;
    CU(cuFuncGetAttribute(&attribute, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, bounded));
    TRUE_OR_DIE(attribute == 64);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetAttribute(NULL, CU_FUNC_ATTRIBUTE_NUM_REGS, bounded));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncGetAttribute(&attribute, (CUfunction_attribute)77, bounded));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuFuncGetAttribute(&attribute, CU_FUNC_ATTRIBUTE_NUM_REGS, NULL));
    CU(cuFuncSetAttribute(count, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 64 << 10));
    CU(cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 64 << 10, NULL, (void *[]){&plain}, NULL));
    CU(cuFuncSetCacheConfig(count, CU_FUNC_CACHE_PREFER_L1));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncSetCacheConfig(count, (CUfunc_cache)9));
    CU(cuFuncSetSharedMemConfig(count, CU_SHARED_MEM_CONFIG_DEFAULT_BANK_SIZE));
    CUfunctionLoadingState state;
    CU(cuFuncLoad(count));
    CU(cuFuncIsLoaded(&state, count));
    TRUE_OR_DIE(state == CU_FUNCTION_LOADING_STATE_LOADED);
    CU(cuCtxSynchronize());

    /* Unloaded is unloaded. */
    CU(cuModuleUnload(module));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleUnload(module));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuModuleGetFunction(&f, module, "sum"));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&plain}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(table, bytes, 16));
    TRUE_OR_DIE(sum_of(other, NULL, 0) == 0);
    CU(cuModuleUnload(again));
    CU(cuMemFree_v2(plain));
}

static int shared_of(int block) { return block * 16; }
static size_t CUDA_CB shared_of_block(int block) { return (size_t)shared_of(block); }

static void occupancy(void)
{
    CUmodule module;
    CUfunction f;
    int blocks, grid, block, grid2, block2;
    size_t shared;
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&f, module, "sum"));
    CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 256, 0));
    TRUE_OR_DIE(blocks > 0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 0, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, f, 32, 0, 7));
    CU(cuOccupancyMaxPotentialBlockSize(&grid, &block, f, NULL, 0, 0));
    TRUE_OR_DIE(grid > 0 && block > 0 && block <= 1024);
    CU(cuOccupancyMaxPotentialBlockSize(&grid2, &block2, f, shared_of_block, 0, 128));
    TRUE_OR_DIE(block2 > 0 && block2 <= 128);
    CU(cuOccupancyAvailableDynamicSMemPerBlock(&shared, f, 2, 128));
    TRUE_OR_DIE(shared > 0);
    CU(cuModuleUnload(module));
}

static void libraries(void)
{
    CUcontext popped, second;
    CUlibrary library, owner;
    CUkernel kernel, same, all[8];
    CUfunction f;
    CUmodule module;
    CUdeviceptr address;
    size_t size;
    unsigned n;
    int attribute;
    const char *name;
    CU(cuCtxPopCurrent_v2(&popped));
    CU(cuLibraryLoadData(&library, text, NULL, NULL, 0, NULL, NULL, 0)); /* with no context current */
    CU(cuLibraryGetKernel(&kernel, library, "sum"));
    CU(cuLibraryGetKernel(&same, library, "sum"));
    TRUE_OR_DIE(kernel == same);
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetKernel(&same, library, "none"));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryGetKernel(&same, NULL, "sum"));
    CU(cuLibraryGetKernelCount(&n, library));
    CU(cuLibraryEnumerateKernels(all, n, library));
    CU(cuKernelGetName(&name, all[n - 1]));
    CU(cuKernelGetLibrary(&owner, kernel));
    TRUE_OR_DIE(n == 5 && owner == library && name[0]);
    CU(cuKernelGetAttribute(&attribute, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernel, 0));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuKernelGetAttribute(&attribute, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, kernel, 99));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuLibraryGetGlobal(&address, &size, library, "table"));
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuLibraryGetManaged(&address, &size, library, "table"));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    CU(cuCtxPushCurrent_v2(popped));
    TRUE_OR_DIE(sum_of((CUfunction)kernel, NULL, 0) == 0); /* a kernel is launched as it is */
    CU(cuLibraryGetGlobal(&address, &size, library, "table"));
    CU(cuMemsetD8_v2(address, 3, size));
    CU(cuKernelGetFunction(&f, kernel));
    TRUE_OR_DIE(sum_of(f, NULL, 1) == 0);
    CU(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60 << 10, kernel, 0));
    CU(cuLibraryGetModule(&module, library));
    CU_FAILS(CUDA_ERROR_NOT_PERMITTED, cuModuleUnload(module));
    CU(cuFuncGetAttribute(&attribute, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, (CUfunction)kernel));
    CU(cuOccupancyMaxActiveBlocksPerMultiprocessor(&attribute, (CUfunction)kernel, 128, 0));

    /* It means another module in another context, and outlives both. */
    CU(cuCtxCreate_v2(&second, 0, 0));
    CUdeviceptr elsewhere, out;
    CU(cuLibraryGetGlobal(&elsewhere, &size, library, "table"));
    TRUE_OR_DIE(elsewhere != address);
    CU(cuMemAlloc_v2(&out, 8));
    uint8_t a = 1;
    uint16_t b = 2;
    uint64_t c = 3, got;
    launch((CUfunction)kernel, 1, 1, NULL, (void *[]){&a, &b, &c, &out});
    CU(cuMemcpyDtoH_v2(&got, out, 8));
    TRUE_OR_DIE(got == 6);
    CU(cuCtxDestroy_v2(second));
    CU(cuCtxSetCurrent(popped));
    TRUE_OR_DIE(sum_of((CUfunction)kernel, NULL, 0) == 0);

    /* The primary context's reset takes modules and leaves libraries. */
    CUcontext primary;
    CU(cuDevicePrimaryCtxRetain(&primary, 0));
    CU(cuCtxSetCurrent(primary));
    CU(cuMemAlloc_v2(&out, 8));
    launch((CUfunction)kernel, 1, 1, NULL, (void *[]){&a, &b, &c, &out});
    CU(cuCtxSynchronize());
    CU(cuDevicePrimaryCtxReset_v2(0));
    CU(cuDevicePrimaryCtxRetain(&primary, 0));
    CU(cuCtxSetCurrent(primary));
    CU(cuMemAlloc_v2(&out, 8));
    launch((CUfunction)kernel, 1, 1, NULL, (void *[]){&a, &b, &c, &out});
    CU(cuMemcpyDtoH_v2(&got, out, 8));
    TRUE_OR_DIE(got == 6);
    CU(cuMemFree_v2(out));
    CU(cuDevicePrimaryCtxRelease_v2(0));
    CU(cuCtxSetCurrent(popped));
    CU(cuLibraryUnload(library));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLibraryUnload(library));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
}

static void extended(void)
{
    CUmodule module;
    CUfunction count;
    CUdeviceptr at;
    CUstream stream;
    uint32_t value;
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&count, module, "count"));
    CU(cuMemAlloc_v2(&at, 4));
    CU(cuMemsetD32_v2(at, 0, 1));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUlaunchAttribute attributes[2] = {{.id = CU_LAUNCH_ATTRIBUTE_PRIORITY, .value.priority = 0}, {.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value.cooperative = 1}};
    CUlaunchConfig config = {.gridDimX = 2, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 8, .blockDimY = 1, .blockDimZ = 1, .hStream = stream, .attrs = attributes, .numAttrs = 1};
    CU(cuLaunchKernelEx(&config, count, (void *[]){&at}, NULL));
    config.numAttrs = 2;
    CU(cuLaunchKernelEx(&config, count, (void *[]){&at}, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernelEx(NULL, count, (void *[]){&at}, NULL));
    attributes[0].id = (CUlaunchAttributeID)99;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchKernelEx(&config, count, (void *[]){&at}, NULL));
    CU(cuLaunchCooperativeKernel(count, 2, 1, 1, 8, 1, 1, 0, stream, (void *[]){&at}));
    CU_FAILS(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, cuLaunchCooperativeKernel(count, 1 << 20, 1, 1, 8, 1, 1, 0, stream, (void *[]){&at}));
    CU(cuStreamSynchronize(stream));
    CU(cuMemcpyDtoH_v2(&value, at, 4));
    TRUE_OR_DIE(value == 48);
    /* As before CUDA 4. */
    CU(cuFuncSetBlockShape(count, 8, 1, 1));
    CU(cuFuncSetSharedSize(count, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(count, 2, 1)); /* its parameter is not set */
    CU(cuParamSetSize(count, 8));
    CU(cuParamSetv(count, 0, &at, 8));
    CU(cuLaunchGrid(count, 2, 1));
    CU(cuLaunchGridAsync(count, 2, 1, stream));
    CU(cuParamSeti(count, 0, (unsigned)at)); /* in two words, as it was done for 64 bits */
    CU(cuParamSeti(count, 4, (unsigned)(at >> 32)));
    CU(cuLaunch(count));
    CU(cuCtxSynchronize());
    CU(cuMemcpyDtoH_v2(&value, at, 4));
    TRUE_OR_DIE(value == 48 + 16 + 16 + 8);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuFuncSetBlockShape(count, 0, 1, 1));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetSize(count, 4097));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetv(count, 4095, &at, 8));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetv(count, 0, NULL, 8));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetf(count, -4, 1.0f));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLaunchGrid(count, 0, 1));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuParamSeti((CUfunction)&value, 0, 1));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunch((CUfunction)&value));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetTexRef(count, 0, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetTexRef(count, CU_PARAM_TR_DEFAULT, (CUtexref)&value));
    CU(cuStreamDestroy_v2(stream));
    CU(cuMemFree_v2(at));
    CU(cuModuleUnload(module));
}

static void bad_images(void)
{
    CUmodule module;
    CUlibrary library;
    static const uint8_t elf[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    static const uint32_t fatbin[8] = {0xba55ed50, 0x00100001, 0, 0};
    CU_FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, "this is no code"));
    CU_FAILS(CUDA_ERROR_INVALID_PTX, cuModuleLoadData(&module, HEAD "this is no code"));
    CU_FAILS(CUDA_ERROR_INVALID_IMAGE, cuModuleLoadData(&module, ""));
    CU_FAILS(CUDA_ERROR_INVALID_PTX, cuLibraryLoadData(&library, HEAD ".visible .entry k() { frobnicate; }", NULL, NULL, 0, NULL, NULL, 0));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&module, elf));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuModuleLoadData(&module, fatbin));
    /* The CUDA runtime loads every fat binary of a program when it starts: one without code for this GPU fails when it is used. */
    CUkernel kernel;
    unsigned count;
    CUdeviceptr address;
    CU(cuLibraryLoadData(&library, fatbin, NULL, NULL, 0, NULL, NULL, 0));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryGetKernel(&kernel, library, "k"));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryGetKernelCount(&count, library));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryGetModule(&module, library));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryGetGlobal(&address, NULL, library, "v"));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryGetManaged(&address, NULL, library, "v"));
    CU(cuLibraryUnload(library));
    CU_FAILS(CUDA_ERROR_NO_BINARY_FOR_GPU, cuLibraryLoadData(&library, elf, NULL, NULL, 0, NULL, NULL, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(&module, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadData(NULL, text));
    CU_FAILS(CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&module, "/nonexistent/code.ptx"));
    CU_FAILS(CUDA_ERROR_FILE_NOT_FOUND, cuModuleLoad(&module, "/tmp"));
    CU_FAILS(CUDA_ERROR_FILE_NOT_FOUND, cuLibraryLoadFromFile(&library, "/nonexistent/code.ptx", NULL, NULL, 0, NULL, NULL, 0));

    /* What the compiler says goes to the program's buffers. */
    char error[300] = "x", info[64] = "x", tiny[8];
    CUjit_option options[] = {(CUjit_option)3, (CUjit_option)4, (CUjit_option)5, (CUjit_option)6, (CUjit_option)2};
    void *values[] = {info, (void *)(uintptr_t)sizeof info, error, (void *)(uintptr_t)sizeof error, NULL};
    CU_FAILS(CUDA_ERROR_INVALID_PTX, cuModuleLoadDataEx(&module, HEAD ".visible .entry k() { frobnicate; }", 5, options, values));
    TRUE_OR_DIE(strstr(error, "frobnicate") && (uintptr_t)values[3] == strlen(error) && (uintptr_t)values[1] == strlen(info));
    void *cut[] = {tiny, (void *)(uintptr_t)sizeof tiny};
    CU_FAILS(CUDA_ERROR_INVALID_PTX, cuModuleLoadDataEx(&module, ".version nonsense", 2, options + 2, cut));
    TRUE_OR_DIE(strlen(tiny) == 7);
    CUjit_option unknown = (CUjit_option)1000;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadDataEx(&module, text, 1, &unknown, values));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleLoadDataEx(&module, text, 1, NULL, NULL));
}

static void linking(void)
{
    static const char half[] = HEAD ".visible .func (.reg .u32 r) twice(.reg .u32 x) { add.u32 r, x, x; ret; }\n";
    static const char other[] = HEAD ".extern .func (.reg .u32 r) twice(.reg .u32 x);\n"
        ".visible .entry k(.param .u64 out) { .reg .u64 %o; .reg .u32 %r; ld.param.u64 %o, [out]; mov.u32 %r, 21; call (%r), twice, (%r); st.global.u32 [%o], %r; ret; }\n";
    CUlinkState state;
    CUmodule module;
    CUfunction f;
    CUdeviceptr out;
    void *image;
    size_t size;
    uint32_t value;
    char error[500] = "";
    CUjit_option options[] = {(CUjit_option)5, (CUjit_option)6};
    void *values[] = {error, (void *)(uintptr_t)sizeof error};
    CU(cuLinkCreate_v2(2, options, values, &state));
    CU_FAILS(CUDA_ERROR_INVALID_PTX, cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)"nonsense", 9, "n", 0, NULL, NULL));
    TRUE_OR_DIE(error[0]);
    CU(cuLinkDestroy(state));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLinkDestroy(state));
    CU(cuLinkCreate_v2(0, NULL, NULL, &state));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, NULL, 1, "n", 0, NULL, NULL));
    CU_FAILS(CUDA_ERROR_FILE_NOT_FOUND, cuLinkAddFile_v2(state, CU_JIT_INPUT_PTX, "/nonexistent", 0, NULL, NULL));
    CU(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)other, sizeof other, "other", 0, NULL, NULL));
    CU(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)half, sizeof half, "half", 0, NULL, NULL));
    CU(cuLinkComplete(state, &image, &size));
    TRUE_OR_DIE(size > 0);
    char *kept = malloc(size); /* programs keep it, in a file even */
    memcpy(kept, image, size);
    CU(cuModuleLoadData(&module, image));
    CU(cuModuleUnload(module));
    CU(cuLinkDestroy(state));
    /* The same inputs give the same bytes, and nothing else's are among them (what follows a name was once whatever lay there). */
    void *same;
    size_t same_size;
    char *dirt[64];
    for (int i = 0; i < 64; i++) memset(dirt[i] = malloc(200), '*', 200);
    for (int i = 0; i < 64; i++) free(dirt[i]);
    CU(cuLinkCreate_v2(0, NULL, NULL, &state));
    CU(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)other, sizeof other, "other", 0, NULL, NULL));
    CU(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)half, sizeof half, "half", 0, NULL, NULL));
    CU(cuLinkComplete(state, &same, &same_size));
    TRUE_OR_DIE(same_size == size && memcmp(same, kept, size) == 0);
    CU(cuLinkDestroy(state));
    CU(cuModuleLoadData(&module, kept));
    CU(cuModuleGetFunction(&f, module, "k"));
    CU(cuMemAlloc_v2(&out, 4));
    launch(f, 1, 1, NULL, (void *[]){&out});
    CU(cuMemcpyDtoH_v2(&value, out, 4));
    TRUE_OR_DIE(value == 42);
    CU(cuMemFree_v2(out));
    CU(cuModuleUnload(module));
    free(kept);
}

/* A fault is the context's own, sticks, and leaves others alone. */
static void faults(void)
{
    CUcontext poisoned;
    CUmodule module;
    CUfunction bad;
    CU(cuCtxCreate_v2(&poisoned, 0, 0));
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&bad, module, "bad"));
    CUdeviceptr nowhere = 16;
    launch(bad, 1, 1, NULL, (void *[]){&nowhere});
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    CUdeviceptr no;
    CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc_v2(&no, 4));
    cuCtxDestroy_v2(poisoned);
    CUcontext another;
    CU(cuCtxSetCurrent(context));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchKernel(bad, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&nowhere}, NULL)); /* its context is gone */
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&bad, module, "nothing"));
    CU(cuCtxCreate_v2(&another, 0, 0));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuLaunchKernel(bad, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL)); /* it is another's */
    CU(cuCtxSynchronize());
    CU(cuCtxDestroy_v2(another));
    CU(cuCtxSetCurrent(context));
    launch(bad, 1, 1, NULL, NULL);
    CU(cuModuleUnload(module));
    CU(cuCtxSetCurrent(context));
    CU(cuCtxSynchronize());
}

/* More parameters than a record carries comfortably; a text larger than any one piece. */
static void large(void)
{
    enum { PARAMS = 1000 };
    char *big = malloc(4 << 20), *at = big;
    at += sprintf(at, "%s.visible .entry k(", HEAD);
    for (int i = 0; i < PARAMS; i++) at += sprintf(at, ".param .u32 p%d, ", i);
    at += sprintf(at, ".param .u64 out)\n{ .reg .u64 %%o; .reg .u32 %%s, %%t; ld.param.u64 %%o, [out]; mov.u32 %%s, 0;\n");
    for (int i = 0; i < PARAMS; i++) at += sprintf(at, " ld.param.u32 %%t, [p%d]; add.u32 %%s, %%s, %%t;\n", i);
    at += sprintf(at, " st.global.u32 [%%o], %%s; ret; }\n");
    while (at - big < (3 << 20)) at += sprintf(at, "// filling, filling, filling, filling, filling, filling\n");
    CUmodule module;
    CUfunction f;
    CUdeviceptr out;
    uint32_t values[PARAMS], value, wanted = 0;
    void *params[PARAMS + 1];
    CU(cuModuleLoadData(&module, big));
    CU(cuModuleGetFunction(&f, module, "k"));
    CU(cuMemAlloc_v2(&out, 4));
    for (int i = 0; i < PARAMS; i++) {
        values[i] = (uint32_t)i * 2654435761u;
        wanted += values[i];
        params[i] = &values[i];
    }
    params[PARAMS] = &out;
    for (int i = 0; i < 50; i++) launch(f, 1, 1, NULL, params);
    CU(cuMemcpyDtoH_v2(&value, out, 4));
    TRUE_OR_DIE(value == wanted);
    CU(cuMemFree_v2(out));
    CU(cuModuleUnload(module));
    free(big);
}

static void *loader(void *argument)
{
    (void)argument;
    CU(cuCtxSetCurrent(context));
    for (int i = 0; i < 20; i++) {
        CUmodule module;
        CUfunction f;
        char *own = malloc(sizeof text + 64);
        sprintf(own, "%s// %d %p\n", text, i, (void *)&own);
        CU(cuModuleLoadData(&module, own));
        CU(cuModuleGetFunction(&f, module, "nothing"));
        launch(f, 1, 1, CU_STREAM_PER_THREAD, NULL);
        CU(cuModuleUnload(module));
        free(own);
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[4];
    for (int i = 0; i < 4; i++) pthread_create(&all[i], NULL, loader, NULL);
    for (int i = 0; i < 4; i++) pthread_join(all[i], NULL);
    CU(cuCtxSynchronize());
}

static void print(void)
{
    CUmodule module;
    CUfunction say;
    CUstream stream;
    CU(cuModuleLoadData(&module, printing));
    CU(cuModuleGetFunction(&say, module, "say"));
    CU(cuStreamCreate(&stream, 0));
    printf("before\n");
    for (int i = 0; i < 5; i++) launch(say, 1, 1, NULL, (void *[]){&i});
    CU(cuCtxSynchronize());
    printf("after the context\n");
    for (int i = 5; i < 8; i++) launch(say, 1, 2, stream, (void *[]){&i});
    CU(cuStreamSynchronize(stream));
    printf("after the stream\n");
    CUevent event;
    CU(cuEventCreate(&event, 0));
    int n = 8;
    launch(say, 1, 1, stream, (void *[]){&n});
    CU(cuEventRecord(event, stream));
    CU(cuEventSynchronize(event));
    printf("after the event\n");
    for (int i = 0; i < 500; i++) launch(say, 1, 1, stream, (void *[]){&i});
    CU(cuStreamSynchronize(stream));
    printf("end\n");
}

static void *synchronize(void *late)
{
    if (late) usleep(100000); /* the other one is writing */
    CU(cuCtxSetCurrent(context));
    CU(cuCtxSynchronize());
    TRUE_OR_DIE(atomic_load(&full_pipe_read));
    return NULL;
}

static void both(void)
{
    CUmodule module;
    CUfunction say;
    int n = 1;
    const int full = full_pipe(STDOUT_FILENO);
    CU(cuModuleLoadData(&module, printing));
    CU(cuModuleGetFunction(&say, module, "say"));
    launch(say, 1, 1, NULL, (void *[]){&n});
    pthread_t all[2];
    for (int i = 0; i < 2; i++) TRUE_OR_DIE(pthread_create(&all[i], NULL, synchronize, i ? &n : NULL) == 0);
    full_pipe_begin(full);
    for (int i = 0; i < 2; i++) pthread_join(all[i], NULL);
}

/* In a zone whose only client this is. */
static void quota(size_t limit)
{
    static char big[400];
    size_t before, after, total;
    CUmodule module;
    CUlibrary library;
    CUdeviceptr rest;
    sprintf(big, HEAD ".visible .global .align 4 .b8 area[%zu]; .visible .entry k() { ret; }\n", (size_t)1 << 20);
    CU(cuMemGetInfo_v2(&before, &total));
    TRUE_OR_DIE(total == limit);
    CU(cuModuleLoadData(&module, big));
    CU(cuMemGetInfo_v2(&after, &total));
    TRUE_OR_DIE(before - after == strlen(big) + 1 + (1 << 20));
    CU(cuModuleUnload(module));
    CU(cuMemGetInfo_v2(&after, &total));
    TRUE_OR_DIE(before == after);
    CU(cuMemAlloc_v2(&rest, before - (strlen(big) + 1 + (1 << 20)))); /* just enough is left */
    CU(cuLibraryLoadData(&library, big, NULL, NULL, 0, NULL, NULL, 0));
    CUdeviceptr one;
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&one, 1));
    CU(cuLibraryUnload(library));
    CU(cuMemAlloc_v2(&one, 1));
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuModuleLoadData(&module, big)); /* one byte too little */
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuLibraryLoadData(&library, big, NULL, NULL, 0, NULL, NULL, 0));
    CU(cuMemFree_v2(one));
    CU(cuModuleLoadData(&module, big));
    sprintf(big, HEAD ".visible .global .align 4 .b8 area[%zu]; .visible .entry k() { ret; }\n", (size_t)1 << 40);
    CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuModuleLoadData(&module, big));
}

static void storm(void)
{
    CUmodule module;
    CUfunction count;
    CUdeviceptr at;
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&count, module, "count"));
    CU(cuMemAlloc_v2(&at, 4));
    printf("storming\n");
    fflush(stdout);
    for (;;) launch(count, 4, 32, NULL, (void *[]){&at});
}

/* An image of a MiB, at an address of its own. */
static char *mebibyte(char filling)
{
    char *image = malloc((1 << 20) + 1);
    size_t length = (size_t)sprintf(image, "%s//", text);
    memset(image + length, filling, (1 << 20) - length);
    image[1 << 20] = 0;
    return image;
}

static void step(const char *what)
{
    printf("%s\n", what);
    fflush(stdout);
    TRUE_OR_DIE(getchar() == '\n');
}

static void again(void)
{
    CUmodule modules[9];
    CUlibrary library;
    char log[100] = "?";
    float wall = -1;
    CUjit_option options[] = {(CUjit_option)2, (CUjit_option)3, (CUjit_option)4}; /* the time, a log, its size */
    void *values[] = {NULL, log, (void *)(uintptr_t)sizeof log};
    CU(cuModuleLoadData(&modules[0], mebibyte('a')));
    step("first");
    for (int i = 1; i < 8; i++) CU(cuModuleLoadData(&modules[i], mebibyte('a')));
    CU(cuLibraryLoadData(&library, mebibyte('a'), NULL, NULL, 0, NULL, NULL, 0));
    CU(cuModuleLoadDataEx(&modules[8], mebibyte('a'), 3, options, values));
    memcpy(&wall, &values[0], sizeof wall);
    TRUE_OR_DIE(wall >= 0 && log[0] != '?');
    step("again");
    CU(cuModuleLoadData(&modules[0], mebibyte('b')));
    step("other");
}

/* Bytes of a text as an initialiser. */
static char *bytes_of(char *at, const char *name, const char *value)
{
    at += sprintf(at, ".global .align 1 .b8 %s[%zu] = {", name, strlen(value) + 1);
    for (const char *c = value; *c; c++) at += sprintf(at, "%d, ", *c);
    return at + sprintf(at, "0};\n");
}

/* `how`: "late" asks long after the kernel has failed, "on" goes on asking until the input ends. */
static void insist(const char *what, const char *how)
{
    char code[8192], *at = code;
    CUevent behind;
    CUmodule module;
    CUfunction f;
    unsigned limit = 6;
    at += sprintf(at, "%s.extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);\n", HEAD);
    at = bytes_of(at, "expression", what);
    at = bytes_of(at, "file", "code.c");
    at = bytes_of(at, "function", "insist");
    sprintf(at, ".visible .entry insist(.param .u32 n)\n"
                "{ .reg .u32 %%n, %%t; .reg .u64 %%e, %%f, %%g; .reg .pred %%p;\n"
                " ld.param.u32 %%n, [n]; mov.u32 %%t, %%tid.x; setp.lt.u32 %%p, %%t, %%n; @%%p bra done;\n"
                " mov.u64 %%e, expression; cvta.global.u64 %%e, %%e; mov.u64 %%f, file; cvta.global.u64 %%f, %%f; mov.u64 %%g, function; cvta.global.u64 %%g, %%g;\n"
                " { .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e; st.param.b64 [a], %%e; st.param.b64 [b], %%f; st.param.b32 [c], 7;\n"
                "   st.param.b64 [d], %%g; st.param.b64 [e], 1; call.uni __assertfail, (a, b, c, d, e); }\n"
                "done: ret; }\n");
    CU(cuModuleLoadData(&module, code));
    CU(cuModuleGetFunction(&f, module, "insist"));
    launch(f, 1, 6, NULL, (void *[]){&limit});
    CU(cuCtxSynchronize());
    fprintf(stderr, "before\n");
    CU(cuEventCreate(&behind, 0));
    launch(f, 1, 8, NULL, (void *[]){&limit});
    if (!strcmp(how, "late")) {
        usleep(300000);
        cuEventRecord(behind, NULL); /* not waited for, and fails: who fetches the text must not be told in our place */
    }
    CU_FAILS(CUDA_ERROR_ASSERT, cuCtxSynchronize());
    fprintf(stderr, "after\n");
    CU_FAILS(CUDA_ERROR_ASSERT, cuCtxSynchronize()); /* and is not said twice */
    struct pollfd input = {.fd = 0, .events = POLLIN};
    while (!strcmp(how, "on") && poll(&input, 1, 0) == 0) CU_FAILS(CUDA_ERROR_ASSERT, cuCtxSynchronize());
}

int main(int argc, char **argv)
{
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    if (argc > 1 && !strcmp(argv[1], "print")) print();
    else if (argc > 1 && !strcmp(argv[1], "both")) both();
    else if (argc > 1 && !strcmp(argv[1], "again")) again();
    else if (argc > 2 && !strcmp(argv[1], "assert")) insist(argv[2], argc > 3 ? argv[3] : "");
    else if (argc > 2 && !strcmp(argv[1], "quota")) quota(strtoull(argv[2], NULL, 0));
    else if (argc > 1 && !strcmp(argv[1], "storm")) storm();
    else {
        modules();
        occupancy();
        libraries();
        extended();
        bad_images();
        linking();
        faults();
        large();
        threads();
    }
    CU(cuCtxDestroy_v2(context));
    return 0;
}
