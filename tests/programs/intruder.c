/* intruder.c - tries another client's device address and handles: intruder ADDRESS STREAM EVENT CONTEXT [same-zone] (the four hexadecimal, as holder prints).
 * The clients of one zone are kept apart by calls alone (docs/MEMORY.md): there no kernel is tried.
 * Says how each attempt was answered; exits 0 only if every one was refused. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static int leaks;

static void attempt(const char *what, CUresult status)
{
    static const char *last;
    static CUresult answer;
    leaks += status == CUDA_SUCCESS;
    if (last == what && answer == status) return; /* said already */
    last = what;
    answer = status;
    printf("  %-36s %s\n", what, status == CUDA_SUCCESS ? "SUCCEEDED" : error_name(status));
}

/* ---- with a kernel in hand ---- */

static const char ptx[] = ".version 7.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry peek(.param .u64 to, .param .u64 from)\n{\n .reg .b64 %a<3>;\n .reg .b32 %v;\n ld.param.u64 %a1, [to];\n ld.param.u64 %a2, [from];\n"
    " ld.u32 %v, [%a2];\n st.u32 [%a1], %v;\n ret;\n}\n"
    ".visible .entry poke(.param .u64 to, .param .u64 at)\n{\n .reg .b64 %a;\n .reg .b32 %v;\n ld.param.u64 %a, [at];\n mov.u32 %v, 1;\n st.u32 [%a], %v;\n ret;\n}\n"
    ".visible .entry add(.param .u64 to, .param .u64 at)\n{\n .reg .b64 %a;\n .reg .b32 %v;\n ld.param.u64 %a, [at];\n atom.add.u32 %v, [%a], 1;\n ret;\n}\n";

/* A fault ruins the context, so each attempt has one of its own. What a kernel reads goes to memory of the host's: no allocation of this client can lie at the address
 * by chance, as each zone counts its addresses for itself. */
static void with_kernel(const char *what, const char *name, CUdeviceptr at)
{
    CUcontext context;
    CUmodule module;
    CUfunction function;
    CUdeviceptr to;
    unsigned *seen;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuMemHostAlloc((void **)&seen, 4096, CU_MEMHOSTALLOC_DEVICEMAP));
    CU(cuMemHostGetDevicePointer_v2(&to, seen, 0));
    *seen = 0;
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&function, module, name));
    CUresult launched = cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&to, &at}, NULL);
    attempt(what, launched != CUDA_SUCCESS ? launched : cuCtxSynchronize());
    TRUE_OR_DIE(*seen == 0);
    CU(cuCtxDestroy_v2(context));
}

/* By what is checked later than at the call, or by way of descriptions. */
static void with_descriptions(CUdeviceptr memory, CUcontext context, int same_zone)
{
    static char loot[64];
    CUgraph graph;
    CUgraphNode node;
    CUgraphExec exec = NULL;
    CUtexObject texture;
    CUstream stream;
    CU(cuStreamCreate(&stream, 0));
    CUDA_MEMSET_NODE_PARAMS set = {.dst = memory, .elementSize = 1, .width = 64, .height = 1};
    CU(cuGraphCreate(&graph, 0));
    CUresult status = cuGraphAddMemsetNode(&node, graph, NULL, 0, &set, context);
    if (status == CUDA_SUCCESS) status = cuGraphInstantiateWithFlags(&exec, graph, 0);
    if (status == CUDA_SUCCESS) status = cuGraphLaunch(exec, stream);
    if (status == CUDA_SUCCESS) status = cuStreamSynchronize(stream);
    attempt("overwrite it from a graph", status);
    CU(cuGraphDestroy(graph));
    CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory, .srcPitch = 64, .srcHeight = 1, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = loot, .dstPitch = 64,
                          .dstHeight = 1, .WidthInBytes = 64, .Height = 1, .Depth = 1};
    CU(cuGraphCreate(&graph, 0));
    exec = NULL;
    status = cuGraphAddMemcpyNode(&node, graph, NULL, 0, &copy, context);
    if (status == CUDA_SUCCESS) status = cuGraphInstantiateWithFlags(&exec, graph, 0);
    if (status == CUDA_SUCCESS) status = cuGraphLaunch(exec, stream);
    if (status == CUDA_SUCCESS) status = cuStreamSynchronize(stream);
    attempt("copy it from a graph", status);
    CU(cuGraphDestroy(graph));
    attempt("copy it as a box", cuMemcpy3D_v2(&copy));
    CUDA_MEMCPY3D_PEER peer = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory, .srcContext = context, .srcPitch = 64, .srcHeight = 1, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = loot,
                               .dstContext = context, .dstPitch = 64, .dstHeight = 1, .WidthInBytes = 64, .Height = 1, .Depth = 1};
    attempt("copy it as a peer's box", cuMemcpy3DPeer(&peer));
    CUdeviceptr to = (CUdeviceptr)(uintptr_t)loot;
    size_t size = sizeof loot, first = 0;
    CUmemcpyAttributes how = {.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM};
    if (same_zone) { /* another zone's address is no GPU address here, but one of this process's own that has nothing behind it */
        status = cuMemcpyBatchAsync_v2(&to, &memory, &size, 1, &how, &first, 1, stream);
        attempt("copy it in a batch", status != CUDA_SUCCESS ? status : cuStreamSynchronize(stream));
    }
    CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR, .res.linear = {.devPtr = memory, .format = CU_AD_FORMAT_UNSIGNED_INT32, .numChannels = 1, .sizeInBytes = 64}};
    CUDA_TEXTURE_DESC sampling;
    memset(&sampling, 0, sizeof sampling);
    attempt("lay a texture over it", cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    status = cuStreamWriteValue32_v2(stream, memory, 1, 0);
    attempt("write a word of it in stream order", status != CUDA_SUCCESS ? status : cuStreamSynchronize(stream));
    attempt("wait for a word of it", cuStreamWaitValue32_v2(stream, memory, 0, CU_STREAM_WAIT_VALUE_GEQ));
    CUipcMemHandle handle;
    attempt("give it away", cuIpcGetMemHandle(&handle, memory));
    for (size_t i = 0; i < sizeof loot; i++) TRUE_OR_DIE(loot[i] == 0);
    CU(cuStreamDestroy_v2(stream));
}

int main(int argc, char **argv)
{
    if (argc < 5) return fprintf(stderr, "usage: intruder ADDRESS STREAM EVENT CONTEXT [same-zone]\n"), 64;
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
    CU(cuCtxSetCurrent(context));
    with_descriptions(memory, context, argc > 5);
    if (argc > 5) return leaks != 0;
    with_kernel("read it from a kernel", "peek", memory);
    with_kernel("write it from a kernel", "poke", memory);
    with_kernel("add to it from a kernel", "add", memory);
    /* Round about: what lies before and behind it, and what is far off. */
    static const char around[] = "read round about it";
    for (int i = 0; i < 24; i++) {
        CUdeviceptr at = memory + (i & 1 ? (CUdeviceptr)1 << (9 + i) : -((CUdeviceptr)1 << (9 + i)));
        with_kernel(around, "peek", at & ~(CUdeviceptr)3);
    }
    return leaks != 0;
}
