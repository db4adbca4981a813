/* code.c - modules, libraries, linking, launches, occupancy. */
#include "rows.h"

static const char not_ptx[] = ".version 7.0 and then no code of any kind, and long enough to be read as a header of one";

void rows_module(void)
{
    CUcontext context = enter(), second = NULL;
    CUmodule module = NULL, none = NULL, other = NULL;
    CUfunction function = NULL, several[8];
    CUdeviceptr p = 0;
    size_t size = 0, offset = 0;
    unsigned count = 0;
    int value = 0;
    const char *name = NULL;
    CUtexref reference = NULL;
    CUmoduleLoadingMode mode;
    CUfunctionLoadingState state;
    CUjit_option options[2] = {(CUjit_option)5, (CUjit_option)6};
    static char log[512];
    void *values[2] = {log, (void *)(uintptr_t)sizeof log};
    E(INVALID_VALUE, cuModuleLoadData(NULL, rows_ptx));
    E(INVALID_VALUE, cuModuleLoadData(&none, NULL));
    E(INVALID_IMAGE, cuModuleLoadData(&none, ""));
    E(INVALID_PTX, cuModuleLoadData(&none, not_ptx));
    E(INVALID_PTX, cuModuleLoadDataEx(&none, ".version 7.0\n.target sm_75\n.address_size 64\n.visible .entry x() { nonsense; }\n", 2, options, values));
    HOLDS(log[0] != 0);
    E(UNSUPPORTED_PTX_VERSION, cuModuleLoadData(&none, ".version 99.0\n.target sm_80\n.address_size 64\n"));
    E(INVALID_VALUE, cuModuleLoadDataEx(&none, rows_ptx, 1, NULL, values));
    E(INVALID_VALUE, cuModuleLoadFatBinary(NULL, rows_ptx));
    E(INVALID_VALUE, cuModuleLoadFatBinary(&none, NULL));
    E(INVALID_VALUE, cuModuleLoad(NULL, "x"));
    E(INVALID_VALUE, cuModuleLoad(&none, NULL));
    E(INVALID_VALUE, cuModuleLoad(&none, ""));
    E(FILE_NOT_FOUND, cuModuleLoad(&none, "/nowhere/none.ptx"));
    HOLDS(none == NULL);
    OK(cuModuleLoadData(&module, rows_ptx));
    E(INVALID_VALUE, cuModuleGetFunction(NULL, module, "one"));
    E(INVALID_VALUE, cuModuleGetFunction(&function, module, NULL));
    E(INVALID_HANDLE, cuModuleGetFunction(&function, NULL, "one"));
    E(INVALID_HANDLE, cuModuleGetFunction(&function, JUNK(CUmodule), "one"));
    E(NOT_FOUND, cuModuleGetFunction(&function, module, "absent"));
    E(INVALID_VALUE, cuModuleGetFunction(&function, module, ""));
    E(NOT_FOUND, cuModuleGetFunction(&function, module, "global")); /* a variable is none */
    HOLDS(function == NULL);
    OK(cuModuleGetFunction(&function, module, "one"));
    E(INVALID_VALUE, cuModuleGetFunctionCount(NULL, module));
    E(INVALID_HANDLE, cuModuleGetFunctionCount(&count, NULL));
    OK(cuModuleGetFunctionCount(&count, module));
    HOLDS(count == 4);
    E(INVALID_VALUE, cuModuleEnumerateFunctions(NULL, 2, module));
    E(INVALID_HANDLE, cuModuleEnumerateFunctions(several, 2, NULL));
    OK(cuModuleEnumerateFunctions(several, 4, module));
    E(INVALID_HANDLE, cuModuleGetGlobal_v2(&p, &size, NULL, "global"));
    E(INVALID_HANDLE, cuModuleGetGlobal_v2(&p, &size, JUNK(CUmodule), "global"));
    E(INVALID_VALUE, cuModuleGetGlobal_v2(&p, &size, module, NULL));
    E(INVALID_VALUE, cuModuleGetGlobal_v2(&p, &size, module, ""));
    E(NOT_FOUND, cuModuleGetGlobal_v2(&p, &size, module, "absent"));
    E(NOT_FOUND, cuModuleGetGlobal_v2(&p, &size, module, "one"));
    E(INVALID_VALUE, cuModuleGetGlobal_v2(NULL, NULL, module, "global"));
    OK(cuModuleGetGlobal_v2(&p, NULL, module, "global"));
    OK(cuModuleGetGlobal_v2(NULL, &size, module, "global"));
    HOLDS(size == 16);
    OK(cuModuleGetGlobal_v2(&p, &size, module, "table"));
    HOLDS(size == 64);
    E(INVALID_VALUE, cuMemFree_v2(p)); /* is the module's */
    E(INVALID_VALUE, cuMemcpyHtoD_v2(p, log, 65));
    OK(cuMemcpyHtoD_v2(p, log, 64));
    E(INVALID_VALUE, cuModuleGetTexRef(NULL, module, "t"));
    E(INVALID_VALUE, cuModuleGetTexRef(&reference, module, NULL));
    E(INVALID_VALUE, cuModuleGetTexRef(&reference, module, ""));
    E(NOT_FOUND, cuModuleGetTexRef(&reference, module, "absent"));
    E(INVALID_HANDLE, cuModuleGetTexRef(&reference, NULL, "t"));
    E(INVALID_VALUE, cuModuleGetLoadingMode(NULL));
    OK(cuModuleGetLoadingMode(&mode));
    /* Functions. */
    E(INVALID_VALUE, cuFuncGetAttribute(NULL, CU_FUNC_ATTRIBUTE_NUM_REGS, function));
    E(INVALID_VALUE, cuFuncGetAttribute(&value, (CUfunction_attribute)-1, function));
    E(INVALID_VALUE, cuFuncGetAttribute(&value, (CUfunction_attribute)999, function));
    E(INVALID_HANDLE, cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, NULL));
    E(INVALID_HANDLE, cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, JUNK(CUfunction)));
    OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function));
    E(INVALID_VALUE, cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_NUM_REGS, 1)); /* read only */
    E(INVALID_VALUE, cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, -1));
    E(INVALID_VALUE, cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 1 << 30));
    E(INVALID_VALUE, cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 101));
    E(INVALID_HANDLE, cuFuncSetAttribute(NULL, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50));
    OK(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 50));
    OK(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000));
    E(INVALID_HANDLE, cuFuncSetCacheConfig(NULL, CU_FUNC_CACHE_PREFER_L1));
    E(INVALID_VALUE, cuFuncSetCacheConfig(function, (CUfunc_cache)9));
    OK(cuFuncSetCacheConfig(function, CU_FUNC_CACHE_PREFER_L1));
    E(INVALID_VALUE, cuFuncGetModule(NULL, function));
    E(INVALID_HANDLE, cuFuncGetModule(&other, NULL));
    OK(cuFuncGetModule(&other, function));
    HOLDS(other == module);
    E(INVALID_VALUE, cuFuncGetName(NULL, function));
    E(INVALID_VALUE, cuFuncGetName(&name, NULL)); /* documented so, and not as a handle */
    OK(cuFuncGetName(&name, function));
    HOLDS(name && strcmp(name, "one") == 0);
    E(INVALID_VALUE, cuFuncGetParamInfo(function, 1, &offset, &size)); /* it has one */
    E(INVALID_VALUE, cuFuncGetParamInfo(function, 0, NULL, &size));
    OK(cuFuncGetParamInfo(function, 0, &offset, NULL));
    OK(cuFuncGetParamInfo(function, 0, &offset, &size));
    HOLDS(offset == 0 && size == 8);
    E(INVALID_VALUE, cuFuncIsLoaded(NULL, function));
    E(INVALID_HANDLE, cuFuncIsLoaded(&state, NULL));
    OK(cuFuncLoad(function));
    OK(cuFuncIsLoaded(&state, function));
    HOLDS(state == CU_FUNCTION_LOADING_STATE_LOADED);
    /* Another context knows neither the module nor its functions' launches. */
    OK(cuCtxCreate_v2(&second, 0, 0));
    E(INVALID_HANDLE, cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    OK(cuCtxDestroy_v2(second));
    OK(cuModuleUnload(module));
    E(INVALID_HANDLE, cuModuleUnload(module));
    E(INVALID_HANDLE, cuModuleUnload(NULL));
    E(INVALID_HANDLE, cuModuleUnload(JUNK(CUmodule)));
    E(INVALID_HANDLE, cuModuleGetFunction(&function, module, "one"));
    E(INVALID_HANDLE, cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, function)); /* went with it */
    E(INVALID_HANDLE, cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    leave(context);
}

void rows_library(void)
{
    CUlibrary library = NULL, whose = NULL, none = NULL;
    CUkernel kernel = NULL, several[8];
    CUfunction function = NULL;
    CUmodule module = NULL;
    CUdeviceptr p = 0;
    size_t size = 0;
    unsigned count = 0;
    int value = 0;
    const char *name = NULL;
    void *symbol = NULL;
    /* A library needs no context. */
    E(INVALID_VALUE, cuLibraryLoadData(NULL, rows_ptx, NULL, NULL, 0, NULL, NULL, 0));
    E(INVALID_VALUE, cuLibraryLoadData(&none, NULL, NULL, NULL, 0, NULL, NULL, 0));
    E(INVALID_PTX, cuLibraryLoadData(&none, not_ptx, NULL, NULL, 0, NULL, NULL, 0));
    E(INVALID_VALUE, cuLibraryLoadData(&none, rows_ptx, NULL, NULL, 1, NULL, NULL, 0));
    E(INVALID_VALUE, cuLibraryLoadFromFile(&none, NULL, NULL, NULL, 0, NULL, NULL, 0));
    E(FILE_NOT_FOUND, cuLibraryLoadFromFile(&none, "/nowhere/none.ptx", NULL, NULL, 0, NULL, NULL, 0));
    OK(cuLibraryLoadData(&library, rows_ptx, NULL, NULL, 0, NULL, NULL, 0));
    E(INVALID_VALUE, cuLibraryGetKernel(NULL, library, "one"));
    E(INVALID_VALUE, cuLibraryGetKernel(&kernel, library, NULL));
    E(NOT_FOUND, cuLibraryGetKernel(&kernel, library, "absent"));
    E(INVALID_HANDLE, cuLibraryGetKernel(&kernel, NULL, "one"));
    E(INVALID_HANDLE, cuLibraryGetKernel(&kernel, JUNK(CUlibrary), "one"));
    OK(cuLibraryGetKernel(&kernel, library, "one"));
    E(INVALID_VALUE, cuLibraryGetKernelCount(NULL, library));
    OK(cuLibraryGetKernelCount(&count, library));
    HOLDS(count == 4);
    E(INVALID_HANDLE, cuLibraryGetKernelCount(&count, NULL));
    E(INVALID_VALUE, cuLibraryEnumerateKernels(NULL, 2, library));
    OK(cuLibraryEnumerateKernels(several, 2, library));
    E(INVALID_VALUE, cuKernelGetLibrary(NULL, kernel));
    E(INVALID_HANDLE, cuKernelGetLibrary(&whose, NULL));
    OK(cuKernelGetLibrary(&whose, kernel));
    HOLDS(whose == library);
    E(INVALID_VALUE, cuKernelGetName(NULL, kernel));
    E(INVALID_VALUE, cuKernelGetName(&name, NULL));
    OK(cuKernelGetName(&name, kernel));
    HOLDS(name && strcmp(name, "one") == 0);
    E(INVALID_VALUE, cuKernelGetParamInfo(kernel, 1, &size, &size));
    OK(cuKernelGetParamInfo(kernel, 0, &size, NULL));
    /* What is asked for a context needs one. */
    E(INVALID_CONTEXT, cuLibraryGetModule(&module, library));
    E(INVALID_CONTEXT, cuKernelGetFunction(&function, kernel));
    E(INVALID_CONTEXT, cuLibraryGetGlobal(&p, &size, library, "global"));
    CUcontext context = enter();
    OK(cuLibraryGetModule(&module, library));
    E(INVALID_VALUE, cuLibraryGetModule(NULL, library));
    E(NOT_PERMITTED, cuModuleUnload(module)); /* is the library's */
    E(INVALID_VALUE, cuKernelGetFunction(NULL, kernel));
    E(INVALID_HANDLE, cuKernelGetFunction(&function, NULL));
    OK(cuKernelGetFunction(&function, kernel));
    OK(cuLibraryGetGlobal(&p, &size, library, "global"));
    E(NOT_FOUND, cuLibraryGetGlobal(&p, &size, library, "absent"));
    E(INVALID_VALUE, cuLibraryGetGlobal(&p, &size, library, NULL));
    E(INVALID_HANDLE, cuLibraryGetGlobal(&p, &size, NULL, "global"));
    E(NOT_FOUND, cuLibraryGetManaged(&p, &size, library, "absent"));
    E(NOT_FOUND, cuLibraryGetUnifiedFunction(&symbol, library, "absent"));
    E(INVALID_VALUE, cuKernelGetAttribute(NULL, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 0));
    E(INVALID_VALUE, cuKernelGetAttribute(&value, (CUfunction_attribute)999, kernel, 0));
    E(INVALID_DEVICE, cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 99));
    E(INVALID_HANDLE, cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, NULL, 0));
    OK(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, kernel, 0));
    E(INVALID_VALUE, cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_NUM_REGS, 1, kernel, 0));
    E(INVALID_DEVICE, cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000, kernel, 99));
    OK(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000, kernel, 0));
    E(INVALID_VALUE, cuKernelSetCacheConfig(kernel, (CUfunc_cache)9, 0));
    OK(cuKernelSetCacheConfig(kernel, CU_FUNC_CACHE_PREFER_L1, 0));
    OK(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    OK(cuCtxSynchronize());
    OK(cuLibraryUnload(library));
    E(INVALID_HANDLE, cuLibraryUnload(library));
    E(INVALID_HANDLE, cuLibraryUnload(NULL));
    E(INVALID_HANDLE, cuLibraryUnload(JUNK(CUlibrary)));
    E(INVALID_HANDLE, cuLibraryGetKernel(&kernel, library, "one"));
    E(INVALID_HANDLE, cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    leave(context);
}

void rows_link(void)
{
    CUcontext context = enter();
    CUlinkState link = NULL;
    CUmodule module = NULL;
    void *image = NULL;
    size_t size = 0;
    E(INVALID_VALUE, cuLinkCreate_v2(0, NULL, NULL, NULL));
    E(INVALID_VALUE, cuLinkCreate_v2(1, NULL, NULL, &link));
    OK(cuLinkCreate_v2(0, NULL, NULL, &link));
    E(INVALID_VALUE, cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, NULL, 16, "x", 0, NULL, NULL));
    E(INVALID_VALUE, cuLinkAddData_v2(link, (CUjitInputType)99, (void *)(uintptr_t)rows_ptx, strlen(rows_ptx) + 1, "x", 0, NULL, NULL));
    E(INVALID_HANDLE, cuLinkAddData_v2(NULL, CU_JIT_INPUT_PTX, (void *)(uintptr_t)rows_ptx, strlen(rows_ptx) + 1, "x", 0, NULL, NULL));
    E(INVALID_HANDLE, cuLinkAddData_v2(JUNK(CUlinkState), CU_JIT_INPUT_PTX, (void *)(uintptr_t)rows_ptx, strlen(rows_ptx) + 1, "x", 0, NULL, NULL));
    E(FILE_NOT_FOUND, cuLinkAddFile_v2(link, CU_JIT_INPUT_PTX, "/nowhere/none.ptx", 0, NULL, NULL));
    OK(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)rows_ptx, strlen(rows_ptx) + 1, NULL, 0, NULL, NULL)); /* its name is optional */
    E(INVALID_VALUE, cuLinkComplete(link, NULL, &size));
    OK(cuLinkComplete(link, &image, &size));
    OK(cuModuleLoadData(&module, image));
    OK(cuModuleUnload(module));
    E(INVALID_HANDLE, cuLinkComplete(NULL, &image, &size));
    OK(cuLinkDestroy(link));
    E(INVALID_HANDLE, cuLinkDestroy(link));
    E(INVALID_HANDLE, cuLinkDestroy(NULL));
    leave(context);
}

void rows_launch(void)
{
    CUcontext context = enter();
    CUmodule module = NULL;
    CUfunction nothing = NULL, one = NULL, store = NULL, bounded = NULL;
    CUdeviceptr p = 0;
    CUstream stream = NULL;
    int v = 42;
    OK(cuModuleLoadData(&module, rows_ptx));
    OK(cuModuleGetFunction(&nothing, module, "nothing"));
    OK(cuModuleGetFunction(&one, module, "one"));
    OK(cuModuleGetFunction(&store, module, "store"));
    OK(cuModuleGetFunction(&bounded, module, "bounded"));
    OK(cuMemAlloc_v2(&p, 64));
    OK(cuStreamCreate(&stream, 0));
    void *none[] = {NULL}, *both[] = {&p, &v}, *hole[] = {&p, NULL};
    struct {
        CUdeviceptr p;
        int v;
    } packed = {p, v};
    size_t size = 12, small = 11;
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
    void *little[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &small, CU_LAUNCH_PARAM_END};
    void *broken[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, (void *)9, &size, CU_LAUNCH_PARAM_END};
    E(INVALID_HANDLE, cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_HANDLE, cuLaunchKernel(JUNK(CUfunction), 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_HANDLE, cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, JUNK(CUstream), NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 0, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 0, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 0, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 0, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1, 0, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 0, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1025, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 64, 64, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 65, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 65536, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 65536, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 0x80000000u, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 49153, stream, NULL, NULL)); /* more shared memory than was asked for */
    E(INVALID_VALUE, cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0xffffffffu, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(bounded, 1, 1, 1, 129, 1, 1, 0, stream, NULL, NULL)); /* its launch bounds */
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, none, NULL));
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, hole, NULL));
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, both, extra)); /* one of the two */
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, NULL, little));
    E(INVALID_VALUE, cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, NULL, broken));
    OK(cuLaunchKernel(nothing, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
    OK(cuLaunchKernel(bounded, 1, 1, 1, 128, 1, 1, 0, stream, NULL, NULL));
    OK(cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, both, NULL));
    OK(cuLaunchKernel(store, 1, 1, 1, 1, 1, 1, 0, stream, NULL, extra));
    OK(cuStreamSynchronize(stream));
    v = 0;
    OK(cuMemcpyDtoH_v2(&v, p, 4));
    HOLDS(v == 42);
    /* With a description. */
    CUlaunchConfig config = {.gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 1, .blockDimY = 1, .blockDimZ = 1, .hStream = stream}, bad;
    CUlaunchAttribute attribute;
    memset(&attribute, 0, sizeof attribute);
    E(INVALID_VALUE, cuLaunchKernelEx(NULL, nothing, NULL, NULL));
    E(INVALID_HANDLE, cuLaunchKernelEx(&config, NULL, NULL, NULL));
    bad = config;
    bad.numAttrs = 1;
    E(INVALID_VALUE, cuLaunchKernelEx(&bad, nothing, NULL, NULL)); /* none are there */
    attribute.id = (CUlaunchAttributeID)999;
    bad.attrs = &attribute;
    E(INVALID_VALUE, cuLaunchKernelEx(&bad, nothing, NULL, NULL));
    bad = config;
    bad.blockDimX = 0;
    E(INVALID_VALUE, cuLaunchKernelEx(&bad, nothing, NULL, NULL));
    bad = config;
    bad.hStream = JUNK(CUstream);
    E(INVALID_HANDLE, cuLaunchKernelEx(&bad, nothing, NULL, NULL));
    OK(cuLaunchKernelEx(&config, nothing, NULL, NULL));
    /* Cooperative. */
    E(INVALID_HANDLE, cuLaunchCooperativeKernel(NULL, 1, 1, 1, 1, 1, 1, 0, stream, NULL));
    E(INVALID_VALUE, cuLaunchCooperativeKernel(nothing, 0, 1, 1, 1, 1, 1, 0, stream, NULL));
    E(INVALID_VALUE, cuLaunchCooperativeKernel(nothing, 1, 1, 1, 1025, 1, 1, 0, stream, NULL));
    E(COOPERATIVE_LAUNCH_TOO_LARGE, cuLaunchCooperativeKernel(nothing, 1 << 20, 1, 1, 1024, 1, 1, 0, stream, NULL));
    OK(cuLaunchCooperativeKernel(nothing, 2, 1, 1, 32, 1, 1, 0, stream, NULL));
    E(INVALID_VALUE, cuLaunchCooperativeKernelMultiDevice(NULL, 1, 0));
    OK(cuStreamSynchronize(stream));
    /* The calls of CUDA 2. */
    E(INVALID_HANDLE, cuFuncSetBlockShape(NULL, 1, 1, 1));
    E(INVALID_VALUE, cuFuncSetBlockShape(nothing, 0, 1, 1));
    E(INVALID_VALUE, cuFuncSetBlockShape(nothing, 2000, 1, 1));
    OK(cuFuncSetBlockShape(nothing, 1, 1, 1));
    OK(cuLaunch(nothing));
    E(INVALID_HANDLE, cuLaunch(NULL));
    E(INVALID_VALUE, cuLaunchGrid(nothing, 0, 1));
    OK(cuLaunchGrid(nothing, 1, 1));
    OK(cuCtxSynchronize());
    OK(cuStreamDestroy_v2(stream));
    OK(cuMemFree_v2(p));
    leave(context);
}

void rows_occupancy(void)
{
    CUcontext context = enter();
    CUmodule module = NULL;
    CUfunction nothing = NULL;
    int blocks = 0, size = 0;
    size_t shared = 0;
    OK(cuModuleLoadData(&module, rows_ptx));
    OK(cuModuleGetFunction(&nothing, module, "nothing"));
    E(INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessor(NULL, nothing, 128, 0));
    E(INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, 0, 0));
    E(INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, -1, 0));
    E(INVALID_HANDLE, cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, NULL, 128, 0));
    E(INVALID_HANDLE, cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, JUNK(CUfunction), 128, 0));
    E(INVALID_VALUE, cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&blocks, nothing, 128, 0, 0x80));
    OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, nothing, 128, 0));
    HOLDS(blocks > 0);
    E(INVALID_VALUE, cuOccupancyMaxPotentialBlockSize(NULL, &size, nothing, NULL, 0, 0));
    E(INVALID_VALUE, cuOccupancyMaxPotentialBlockSize(&blocks, NULL, nothing, NULL, 0, 0));
    E(INVALID_HANDLE, cuOccupancyMaxPotentialBlockSize(&blocks, &size, NULL, NULL, 0, 0));
    E(INVALID_VALUE, cuOccupancyMaxPotentialBlockSizeWithFlags(&blocks, &size, nothing, NULL, 0, 0, 0x80));
    OK(cuOccupancyMaxPotentialBlockSize(&blocks, &size, nothing, NULL, 0, 0));
    E(INVALID_VALUE, cuOccupancyAvailableDynamicSMemPerBlock(NULL, nothing, 1, 128));
    E(INVALID_HANDLE, cuOccupancyAvailableDynamicSMemPerBlock(&shared, NULL, 1, 128));
    OK(cuOccupancyAvailableDynamicSMemPerBlock(&shared, nothing, 1, 128));
    leave(context);
}
