/* code.c - libraries, their kernels and variables; linking; what streams are set to. Each step gives back what it made. */
#include "walk.h"

static const char *const first = ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".extern .func (.param .b32 r) twice(.param .b32 x);\n.visible .global .align 4 .u32 shared_word = 5;\n"
    ".visible .entry linked(.param .u64 p)\n{\n .reg .b64 %d; .reg .b32 %r<3>;\n ld.param.u64 %d, [p]; ld.global.u32 %r1, [%d];\n"
    " { .param .b32 a; .param .b32 b; st.param.b32 [a], %r1; call.uni (b), twice, (a); ld.param.b32 %r2, [b]; }\n st.global.u32 [%d], %r2; ret;\n}\n";
static const char *const second = ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .func (.param .b32 r) twice(.param .b32 x)\n{\n .reg .b32 %r; ld.param.b32 %r, [x]; shl.b32 %r, %r, 1; st.param.b32 [r], %r; ret;\n}\n";
static const char *const whole = ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .global .align 8 .u64 counter = 7;\n.visible .const .align 4 .u32 three = 3;\n"
    ".visible .entry grow(.param .u64 p, .param .u32 by)\n{\n .reg .b64 %d<2>; .reg .b32 %r<3>;\n ld.param.u64 %d1, [p]; ld.param.u32 %r1, [by];\n"
    " ld.global.u32 %r2, [%d1]; add.u32 %r2, %r2, %r1; st.global.u32 [%d1], %r2; ret;\n}\n.visible .entry nothing()\n{\n ret;\n}\n";

static void run_on_word(CUfunction f, const char *what, int parameters)
{
    CUdeviceptr word = 0;
    uint32_t by = 5, value = 0;
    CALL(cuMemAlloc_v2(&word, 4));
    CALL(cuMemsetD32_v2(word, 11, 1));
    CALL(launch(f, 1, 1, 0, NULL, parameters == 1 ? (void *[]){&word} : (void *[]){&word, &by}));
    CALL(cuMemcpyDtoH_v2(&value, word, 4));
    say("%s made %u", what, value);
    CALL(cuMemFree_v2(word));
}

static void library(void)
{
    int c = work_context();
    if (c < 0) return;
    may_wait();
    let_go();
    CUlibrary lib = NULL, whose = NULL;
    CUkernel kernel = NULL, all[4] = {NULL};
    CUfunction f = NULL;
    CUmodule m = NULL, again = NULL;
    CUdeviceptr at = 0;
    size_t size = 77, offset = 77;
    unsigned count = 77;
    int value = 77;
    const char *name = NULL;
    if (CALL(cuLibraryLoadData(&lib, whole, NULL, NULL, 0, NULL, NULL, 0)) != CUDA_SUCCESS) return;
    CALL(cuLibraryGetKernelCount(&count, lib));
    CALL(cuLibraryEnumerateKernels(all, 1 + below(4), lib));
    say("%u kernels", count);
    CALL(cuLibraryGetKernel(&kernel, lib, "absent"));
    CALL(cuLibraryGetKernel(&kernel, lib, "grow"));
    CALL(cuKernelGetName(&name, kernel));
    CALL(cuKernelGetLibrary(&whose, kernel));
    say("%s, library %s", name ? name : "no name", whose == lib ? "its own" : "another");
    CALL(cuKernelGetParamInfo(kernel, below(3), &offset, &size));
    say("parameter at %zu, %zu bytes", offset, size);
    CUfunction_attribute which = (CUfunction_attribute)below(17);
    if (which == CU_FUNC_ATTRIBUTE_NUM_REGS) which = CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK;
    CALL(cuKernelGetAttribute(&value, which, kernel, one_in(12) ? 1 : 0));
    say("attribute %d is %d", (int)which, value);
    int to = (int)below(60000) - 10;
    CUresult set = CALL(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, to, kernel, 0));
    say("to %d", to);
    if (set == CUDA_SUCCESS) CALL(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernel, 0));
    say("is %d", value);
    CALL(cuKernelSetCacheConfig(kernel, (CUfunc_cache)below(5), 0));
    CALL(cuLibraryGetGlobal(&at, &size, lib, one_in(2) ? "counter" : one_in(2) ? "three" : "absent"));
    say("%zu bytes", size);
    CALL(cuLibraryGetManaged(&at, &size, lib, "counter"));
    CALL(cuLibraryGetModule(&m, lib));
    CALL(cuLibraryGetModule(&again, lib));
    say("module %s", m == again ? "the same" : "another");
    CALL(cuModuleGetGlobal_v2(&at, &size, m, "counter"));
    if (one_in(2)) run_on_word((CUfunction)kernel, "the kernel", 2);
    CALL(cuKernelGetFunction(&f, kernel));
    run_on_word(f, "its function", 2);
    CALL(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, f));
    say("function's %d", value);
    if (one_in(4)) CALL(cuModuleUnload(m)); /* a library's */
    CALL(cuLibraryUnload(lib));
    CALL(cuLibraryUnload(lib));
    CALL(cuLibraryGetKernel(&kernel, lib, "grow"));
    CALL(cuKernelGetFunction(&f, all[0]));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void linking(void)
{
    int c = work_context();
    if (c < 0) return;
    may_wait();
    let_go();
    CUlinkState link = NULL;
    void *cubin = NULL;
    size_t size = 0;
    CUmodule m = NULL;
    CUfunction f = NULL;
    int parts = 3;
    if (CALL(cuLinkCreate_v2(0, NULL, NULL, &link)) != CUDA_SUCCESS) return;
    if (one_in(4)) parts = (int)below(4);
    say("parts %d", parts);
    if (one_in(8)) CALL(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)"not a program", 14, "bad", 0, NULL, NULL));
    if (parts & 1) CALL(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)first, strlen(first) + 1, "first", 0, NULL, NULL));
    if (parts & 2) CALL(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)second, strlen(second) + 1, one_in(2) ? "second" : NULL, 0, NULL, NULL));
    if (one_in(12)) CALL(cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, (void *)(uintptr_t)second, strlen(second) + 1, "twice", 0, NULL, NULL));
    if (one_in(12)) CALL(cuLinkAddFile_v2(link, CU_JIT_INPUT_PTX, "/nowhere/at/all.ptx", 0, NULL, NULL));
    if (CALL(cuLinkComplete(link, &cubin, &size)) == CUDA_SUCCESS && CALL(cuModuleLoadData(&m, cubin)) == CUDA_SUCCESS) {
        if (CALL(cuModuleGetFunction(&f, m, "linked")) == CUDA_SUCCESS) run_on_word(f, "linked", 1);
        CALL(cuModuleUnload(m));
    }
    CALL(cuLinkDestroy(link));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void stream_settings(void)
{
    int c = work_context();
    stream_slot *s = c < 0 ? NULL : any_stream(c), *t = c < 0 ? NULL : any_stream(c);
    if (!s) return;
    static const CUstreamAttrID which[] = {CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW, CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY, CU_LAUNCH_ATTRIBUTE_PRIORITY, CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, (CUstreamAttrID)77};
    CUstreamAttrID id = which[below(6)];
    CUstreamAttrValue value, got;
    memset(&value, 0, sizeof value);
    memset(&got, 0, sizeof got);
    if (id == CU_LAUNCH_ATTRIBUTE_SYNCHRONIZATION_POLICY) value.syncPolicy = (CUsynchronizationPolicy)below(6);
    if (id == CU_LAUNCH_ATTRIBUTE_PRIORITY) value.priority = (int)below(9) - 6;
    if (id == CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN) value.memSyncDomain = (CUlaunchMemSyncDomain)below(2);
    if (id == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW) value.accessPolicyWindow.hitRatio = 0.5f;
    say("streams %d, %d, attribute %d", (int)(s - streams), (int)(t - streams), (int)id);
    CALL(cuStreamSetAttribute(s->handle, id, &value));
    CUresult result = CALL(cuStreamGetAttribute(s->handle, id, &got));
    if (result == CUDA_SUCCESS) say("holds %016llx", (unsigned long long)hash_of(&got, id == CU_LAUNCH_ATTRIBUTE_ACCESS_POLICY_WINDOW ? sizeof got.accessPolicyWindow : 4));
    CALL(cuStreamCopyAttributes(t->handle, s->handle));
    result = CALL(cuStreamGetAttribute(t->handle, id, &got));
    if (result == CUDA_SUCCESS && id != CU_LAUNCH_ATTRIBUTE_PRIORITY) say("the other %016llx", (unsigned long long)hash_of(&got, 4));
    int priority = 77;
    CALL(cuStreamGetPriority(s->handle, &priority));
    say("priority %d", priority);
    unsigned long long one = 0, other = 0;
    CALL(cuStreamGetId(s->handle, &one));
    CALL(cuStreamGetId(t->handle, &other));
    say("ids %s", one == other ? "equal" : "differ");
}

const operation code_operations[] = {{"library", "code", 2, library}, {"linking", "code", 2, linking}, {"stream settings", "code", 3, stream_settings}, {0}};
