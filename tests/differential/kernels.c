/* kernels.c - code: loaded, asked about, launched well and badly; kernels that fail, and what every call says afterwards. */
#include "walk.h"

static const char *const ptx =
    ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);\n"
    ".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 e);\n"
    ".visible .global .align 8 .b8 words[64];\n"
    ".visible .const .align 4 .b8 table[16] = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};\n"
    ".global .align 1 .b8 format[11] = {107, 101, 114, 110, 101, 108, 32, 37, 117, 10, 0};\n"
    ".global .align 1 .b8 text[6] = {110, 101, 118, 101, 114, 0};\n"
    ".extern .shared .align 4 .b8 pad[];\n"
    ".visible .entry add(.param .u64 p, .param .u32 n, .param .u32 v)\n{\n .reg .b64 %d<4>; .reg .b32 %r<8>; .reg .pred %q;\n"
    " ld.param.u64 %d1, [p]; ld.param.u32 %r1, [n]; ld.param.u32 %r2, [v]; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x;\n"
    " mad.lo.u32 %r3, %r3, %r4, %r5; setp.ge.u32 %q, %r3, %r1; @%q ret;\n"
    " mul.wide.u32 %d2, %r3, 4; add.u64 %d1, %d1, %d2; ld.global.u32 %r6, [%d1]; add.u32 %r6, %r6, %r2; st.global.u32 [%d1], %r6; ret;\n}\n"
    ".visible .entry mix(.param .u64 to, .param .u64 from, .param .u32 n)\n{\n .reg .b64 %d<5>; .reg .b32 %r<9>; .reg .pred %q;\n"
    " ld.param.u64 %d1, [to]; ld.param.u64 %d2, [from]; ld.param.u32 %r1, [n]; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x;\n"
    " mad.lo.u32 %r3, %r3, %r4, %r5; setp.ge.u32 %q, %r3, %r1; @%q ret;\n"
    " mul.wide.u32 %d3, %r3, 4; add.u64 %d1, %d1, %d3; add.u64 %d2, %d2, %d3; ld.global.u32 %r6, [%d2]; ld.global.u32 %r7, [%d1];\n"
    " mad.lo.u32 %r6, %r6, 3, %r7; st.global.u32 [%d1], %r6; ld.const.u32 %r7, [table+8]; atom.global.add.u32 %r6, [words], %r7; ret;\n}\n"
    ".visible .entry spin(.param .u64 p, .param .u32 until)\n{\n .reg .b64 %d; .reg .b32 %r<4>; .reg .pred %q;\n"
    " ld.param.u64 %d, [p]; ld.param.u32 %r1, [until];\nagain:\n ld.volatile.global.u32 %r2, [%d]; sub.u32 %r2, %r2, %r1; setp.lt.s32 %q, %r2, 0; @%q bra again; ret;\n}\n"
    ".visible .entry wild(.param .u64 p)\n{\n .reg .b64 %d; ld.param.u64 %d, [p]; st.global.u32 [%d], 7; ret;\n}\n"
    ".visible .entry crooked(.param .u64 p)\n{\n .reg .b64 %d; ld.param.u64 %d, [p]; st.global.u32 [%d+1], 7; ret;\n}\n"
    ".visible .entry traps()\n{\n trap; ret;\n}\n"
    ".visible .entry insist()\n{\n .reg .b64 %d;\n mov.u64 %d, text; cvta.global.u64 %d, %d;\n { .param .b64 a; .param .b64 b; .param .b32 c; .param .b64 d; .param .b64 e;\n"
    " st.param.b64 [a], %d; st.param.b64 [b], %d; st.param.b32 [c], 7; st.param.b64 [d], %d; st.param.b64 [e], 1; call.uni __assertfail, (a, b, c, d, e); }\n ret;\n}\n"
    ".visible .entry print(.param .u32 n)\n{\n .local .align 8 .b8 buffer[8]; .reg .b64 %b, %f, %g; .reg .b32 %n, %r;\n"
    " ld.param.u32 %n, [n]; mov.u64 %b, buffer; cvta.local.u64 %g, %b; st.local.u32 [%b], %n; mov.u64 %f, format; cvta.global.u64 %f, %f;\n"
    " { .param .b64 p; .param .b64 q; .param .b32 x; st.param.b64 [p], %f; st.param.b64 [q], %g; call.uni (x), vprintf, (p, q); ld.param.b32 %r, [x]; }\n ret;\n}\n"
    ".visible .entry shared(.param .u64 p, .param .u32 n)\n.maxntid 128, 1, 1\n{\n .reg .b64 %d<3>; .reg .b32 %r<6>; .reg .pred %q;\n"
    " ld.param.u64 %d1, [p]; ld.param.u32 %r1, [n]; mov.u32 %r2, %tid.x; setp.ge.u32 %q, %r2, %r1; mov.u32 %r3, pad; shl.b32 %r4, %r2, 2; add.u32 %r3, %r3, %r4;\n"
    " @!%q st.shared.u32 [%r3], %r2; bar.sync 0; @%q ret; ld.shared.u32 %r5, [%r3]; mul.wide.u32 %d2, %r2, 4; add.u64 %d1, %d1, %d2; st.global.u32 [%d1], %r5; ret;\n}\n";

CUresult launch(CUfunction f, unsigned grid, unsigned block, unsigned shared, CUstream stream, void **params)
{
    return cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, stream, params, NULL);
}

static int load(module_slot *m, int c)
{
    *m = (module_slot){.context = c, .context_generation = contexts[c].generation};
    if (CALL(cuModuleLoadData(&m->module, ptx)) != CUDA_SUCCESS) return 0;
    const struct { CUfunction *f; const char *name; } all[] = {{&m->add, "add"}, {&m->mix, "mix"}, {&m->spin, "spin"}, {&m->wild, "wild"}, {&m->crooked, "crooked"},
                                                             {&m->trap, "traps"}, {&m->insist, "insist"}, {&m->print, "print"}, {&m->shared, "shared"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) NEED(cuModuleGetFunction(all[i].f, m->module, all[i].name));
    size_t size = 0;
    NEED(cuModuleGetGlobal_v2(&m->words, &size, m->module, "words"));
    m->live = 1;
    CALL(cuMemsetD8_v2(m->words, 0, 64));
    return 1;
}

module_slot *module_in(int context)
{
    int start = (int)below(MODULES);
    for (int i = 0; i < MODULES; i++) {
        module_slot *m = &modules[(start + i) % MODULES];
        if (LIVE(m) && m->context == context) return m;
    }
    module_slot *m = &modules[start];
    if (LIVE(m)) return NULL;
    may_wait();
    return load(m, context) ? m : NULL;
}

static void unload(void)
{
    module_slot *m = &modules[below(MODULES)];
    if (!LIVE(m) || one_in(2) || current() != m->context || graph_uses(m->context)) return;
    may_wait();
    CALL(cuCtxSynchronize());
    if (CALL(cuModuleUnload(m->module)) != CUDA_SUCCESS) return;
    m->live = 0;
    CALL(cuModuleUnload(m->module));
    CALL(launch(m->add, 1, 1, 0, NULL, NULL));
    CUfunction f;
    CALL(cuModuleGetFunction(&f, m->module, "add"));
}

static void ask(void)
{
    int c = work_context();
    module_slot *m = c < 0 ? NULL : module_in(c);
    if (!m) return;
    CUfunction f = NULL;
    CUdeviceptr p = 0;
    size_t size = 77;
    int value = 77, blocks = 77, block = 77;
    unsigned count = 77;
    const char *name = NULL;
    CUmodule whose = NULL;
    CALL(cuModuleGetFunction(&f, m->module, "nothing of that name"));
    CALL(cuModuleGetGlobal_v2(&p, &size, m->module, one_in(2) ? "table" : "words"));
    say("%zu bytes", size);
    CALL(cuModuleGetFunctionCount(&count, m->module));
    say("%u functions", count);
    CUfunction_attribute which = (CUfunction_attribute)below(18);
    if (which != CU_FUNC_ATTRIBUTE_NUM_REGS) {
        say("attribute %d", (int)which);
        CALL(cuFuncGetAttribute(&value, which, m->shared));
        say("%d", value);
    }
    if (one_in(2)) {
        int to = (int)below(70000) - 100;
        say("to %d", to);
        CALL(cuFuncSetAttribute(m->shared, one_in(2) ? CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES : (CUfunction_attribute)below(18), to));
    }
    CALL(cuFuncGetName(&name, m->add));
    say("%s", name ? name : "no name");
    CALL(cuFuncGetModule(&whose, m->add));
    say("module %s", whose == m->module ? "its own" : "another");
    block = (int)below(300);
    say("block %d", block);
    CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, m->shared, block, below(3) ? below(60000) : 0));
    say("%d blocks", blocks);
    int least = 0;
    CALL(cuOccupancyMaxPotentialBlockSize(&least, &block, m->add, NULL, 0, 0));
    say("grid %d, block %d", least, block);
    CALL(cuOccupancyAvailableDynamicSMemPerBlock(&size, m->shared, 1 + (int)below(4), 128));
    say("%zu", size);
    size_t at = 77, bytes = 77;
    CALL(cuFuncGetParamInfo(m->add, below(4), &at, &bytes));
    say("parameter at %zu, %zu bytes", at, bytes);
}

static void compute(void)
{
    int c = work_context(), index;
    module_slot *m = c < 0 ? NULL : module_in(c);
    if (!m) return;
    buffer_slot *b = any_buffer(c), *d = any_buffer(c);
    if (!b || !d) return;
    CUstream stream = pick_stream(c, &index);
    size_t least = b->size < d->size ? b->size : d->size;
    uint32_t n = below((uint32_t)(least < ROOM ? least / 4 : ROOM / 4) + 1), v = below(1000), block = 1 + below(256), grid = (n + block - 1) / block;
    if (!grid) grid = 1;
    int kind = (int)below(3);
    if (kind == 1 && d == b) kind = 0;
    if (kind == 2 && n > 128) n = below(128);
    say("kernel %d, buffers %d, %d, %u, stream %d", kind, (int)(b - buffers), (int)(d - buffers), n, index);
    order(&b->last, c, index);
    order(&d->last, c, index);
    CUresult result = CUDA_ERROR_UNKNOWN;
    if (kind == 0) {
        if (one_in(3)) {
            struct { CUdeviceptr p; uint32_t n, v; } packed = {b->at, n, v};
            size_t size = sizeof packed;
            void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
            result = CALL(cuLaunchKernel(m->add, grid, 1, 1, block, 1, 1, 0, stream, NULL, extra));
        } else result = CALL(launch(m->add, grid, block, 0, stream, (void *[]){&b->at, &n, &v}));
    }
    if (kind == 1) result = CALL(launch(m->mix, grid, block, 0, stream, (void *[]){&b->at, &d->at, &n}));
    if (kind == 2) {
        CUlaunchConfig how = {.gridDimX = 1, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 128, .blockDimY = 1, .blockDimZ = 1, .sharedMemBytes = 512, .hStream = stream};
        CUlaunchAttribute attribute = {.id = one_in(2) ? CU_LAUNCH_ATTRIBUTE_PRIORITY : CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value = {.cooperative = one_in(2)}};
        if (one_in(2)) how.attrs = &attribute, how.numAttrs = 1;
        result = CALL(cuLaunchKernelEx(&how, m->shared, (void *[]){&b->at, &n}, NULL));
    }
    if (result != CUDA_SUCCESS) return;
    give(&b->last, c, index);
    if (kind == 1) give(&d->last, c, index);
}

static void bad_launch(void)
{
    int c = work_context(), index;
    module_slot *m = c < 0 ? NULL : module_in(c);
    if (!m) return;
    CUstream stream = pick_stream(c, &index);
    CUdeviceptr p = 0;
    uint32_t n = 0, v = 0;
    void *params[] = {&p, &n, &v};
    switch (below(9)) {
    case 0: CALL(launch(m->add, 0, 1, 0, stream, params)); break;
    case 1: CALL(launch(m->add, 1, 0, 0, stream, params)); break;
    case 2: CALL(launch(m->add, 1, 1025, 0, stream, params)); break;
    case 3: CALL(cuLaunchKernel(m->add, 1, 70000, 1, 1, 1, 1, 0, stream, params, NULL)); break;
    case 4: CALL(launch(m->add, 1, 1, 1 << 20, stream, params)); break;
    case 5: CALL(launch(m->shared, 1, 256, 0, stream, params)); break;
    case 6: CALL(launch(m->add, 1, 1, 0, stream, NULL)); break;
    case 7: CALL(cuLaunchCooperativeKernel(m->shared, 100000, 1, 1, 128, 1, 1, 0, stream, params)); break;
    case 8: CALL(launch(NULL, 1, 1, 0, stream, params)); break;
    }
    may_wait();
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void words(void)
{
    module_slot *m = &modules[below(MODULES)];
    int c = work_context();
    if (c < 0 || !LIVE(m) || m->context != c) return;
    unsigned char bytes[64];
    may_wait();
    CALL(cuCtxSynchronize());
    synchronised(c);
    if (CALL(cuMemcpyDtoH_v2(bytes, m->words, 64)) == CUDA_SUCCESS) say("words hold %016llx", (unsigned long long)hash_of(bytes, 64));
}

/* What the kernel prints is on stdout when the call that waits returns: the log's place in it is kept by a line of ours there. */
static void print(void)
{
    int c = work_context(), index;
    module_slot *m = c < 0 ? NULL : module_in(c);
    if (!m) return;
    CUstream stream = pick_stream(c, &index);
    uint32_t n = below(1000), block = 1 + below(4);
    may_wait();
    let_go();
    CALL(launch(m->print, 1, block, 0, stream, (void *[]){&n}));
    if (one_in(2)) pause_a_little();
    CALL(one_in(2) ? cuStreamSynchronize(stream) : cuCtxSynchronize());
    printf("printed %u times %u\n", n, block);
    fflush(stdout);
}

/* A kernel fails, somebody finds out at once or late, and from then on everything of the context says so. */
static void fault(void)
{
    int c = work_context(), index;
    if (c < 0 || (c == 0 && !one_in(3))) return;
    module_slot *m = module_in(c);
    if (!m) return;
    let_go();
    may_wait();
    NEED(cuCtxSynchronize());
    synchronised(c);
    CUstream stream = pick_stream(c, &index);
    stream_slot *other = any_stream(c);
    CUevent before = NULL, after = NULL;
    NEED(cuEventCreate(&before, 0));
    NEED(cuEventCreate(&after, 0));
    NEED(cuEventRecord(before, stream));
    NEED(cuStreamSynchronize(stream));
    CUdeviceptr p = 16, q = m->words;
    int kind = (int)below(4);
    say("fault %d in context %d, stream %d", kind, c, index);
    if (kind == 0) CALL(launch(m->wild, 1, 1, 0, stream, (void *[]){&p}));
    if (kind == 1) CALL(launch(m->crooked, 1, 1, 0, stream, (void *[]){&q}));
    if (kind == 2) CALL(launch(m->trap, 1, 1, 0, stream, NULL));
    if (kind == 3) CALL(launch(m->insist, 1, 1, 0, stream, NULL));
    CUresult recorded = cuEventRecord(after, stream); /* may know already */
    if (one_in(2)) pause_a_little();
    if (one_in(2)) {
        size_t free_bytes, total;
        cuMemGetInfo_v2(&free_bytes, &total);
        cuStreamQuery(other ? other->handle : NULL);
        cuEventQuery(before);
    }
    if (one_in(2)) pause_a_little();
    CUresult result;
    unsigned char byte;
    switch (below(6)) {
    case 0: result = CALL(cuStreamSynchronize(stream)); break;
    case 1: result = recorded == CUDA_SUCCESS ? cuEventSynchronize(after) : cuCtxSynchronize(); say("waited until %s", name_of(result)); break;
    case 2: {
        while ((result = cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY) {}
        say("asked until %s", name_of(result));
        break;
    }
    case 3: {
        if (recorded != CUDA_SUCCESS) break;
        while ((result = cuEventQuery(after)) == CUDA_ERROR_NOT_READY) {}
        if (result == CUDA_SUCCESS) say("the event is complete"); /* or failed with what was before it: both are told by what follows */
        break;
    }
    default: result = CALL(cuCtxSynchronize()); break;
    }
    result = CALL(cuCtxSynchronize());
    if (result == CUDA_SUCCESS) return;
    contexts[c].fault = result;
    contexts[c].quiet = 1;
    forget_bytes(c);
    if (one_in(2)) pause_a_little();
    CALL(cuCtxSynchronize());
    CALL(cuStreamSynchronize(stream));
    CALL(cuStreamQuery(stream));
    CALL(cuStreamQuery(NULL));
    if (other) CALL(cuStreamQuery(other->handle));
    CALL(cuEventQuery(before));
    CALL(cuEventQuery(after));
    CALL(cuMemAlloc_v2(&p, 16));
    CALL(cuMemcpyDtoH_v2(&byte, m->words, 1));
    CALL(cuMemsetD8_v2(m->words, 0, 1));
    CALL(cuMemsetD8Async(m->words, 0, 1, stream));
    CALL(launch(m->print, 1, 1, 0, stream, (void *[]){&index}));
    CALL(cuEventRecord(before, stream));
    CALL(cuEventDestroy_v2(before));
    CALL(cuEventDestroy_v2(after));
    if (one_in(3)) return;
    /* It goes, and the next works. */
    if (c == 0) {
        if (CALL(cuDevicePrimaryCtxReset_v2(0)) == CUDA_SUCCESS) ended(0);
    } else if (CALL(cuCtxDestroy_v2(contexts[c].handle)) == CUDA_SUCCESS) ended(c);
}

const operation kernel_operations[] = {
    {"compute", "kernels", 14, compute}, {"ask of functions", "kernels", 2, ask}, {"bad launch", "kernels", 3, bad_launch}, {"unload", "kernels", 1, unload},
    {"words", "kernels", 3, words}, {"print", "kernels", 2, print}, {"fault", "faults", 3, fault}, {0},
};
