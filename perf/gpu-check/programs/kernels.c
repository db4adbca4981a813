/* kernels - kernels whose results can be compared between two drivers bit for bit: prints one line `NAME HASH` each, a hash of all
 * the bytes that the kernel left. The PTX is compiled by the driver when it is loaded.
 *
 * saxpy    one array of floats, a fused multiply-add each, with arguments of every size
 * reverse  through shared memory, block by block
 * count    atomics on global memory
 * chain    a hundred launches, each on what the one before left, on two streams with an event between */
#include <stdint.h>
#include <string.h>

#include "check.h"

static const char ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry saxpy(.param .u64 y, .param .u64 x, .param .f32 a, .param .u32 n)\n{\n"
    "  .reg .pred %p<2>; .reg .f32 %f<5>; .reg .b32 %r<6>; .reg .b64 %rd<8>;\n"
    "  ld.param.u64 %rd1, [y]; ld.param.u64 %rd2, [x]; ld.param.f32 %f1, [a]; ld.param.u32 %r1, [n];\n"
    "  mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x; mad.lo.s32 %r5, %r2, %r3, %r4;\n"
    "  setp.ge.u32 %p1, %r5, %r1; @%p1 bra done;\n"
    "  cvta.to.global.u64 %rd3, %rd1; cvta.to.global.u64 %rd4, %rd2; mul.wide.u32 %rd5, %r5, 4;\n"
    "  add.s64 %rd6, %rd3, %rd5; add.s64 %rd7, %rd4, %rd5;\n"
    "  ld.global.f32 %f2, [%rd7]; ld.global.f32 %f3, [%rd6]; fma.rn.f32 %f4, %f1, %f2, %f3; st.global.f32 [%rd6], %f4;\n"
    "done: ret;\n}\n"
    ".visible .entry reverse(.param .u64 data)\n{\n"
    "  .shared .align 4 .b8 room[1024]; .reg .b32 %r<12>; .reg .b64 %rd<5>;\n"
    "  ld.param.u64 %rd1, [data]; cvta.to.global.u64 %rd2, %rd1;\n"
    "  mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; shl.b32 %r3, %r2, 8; add.s32 %r4, %r3, %r1;\n"
    "  mul.wide.u32 %rd3, %r4, 4; add.s64 %rd4, %rd2, %rd3; ld.global.u32 %r5, [%rd4];\n"
    "  mov.u32 %r6, room; shl.b32 %r7, %r1, 2; add.s32 %r8, %r6, %r7; st.shared.u32 [%r8], %r5;\n"
    "  bar.sync 0;\n"
    "  mov.u32 %r9, 1020; sub.s32 %r9, %r9, %r7; add.s32 %r10, %r6, %r9; ld.shared.u32 %r11, [%r10]; st.global.u32 [%rd4], %r11;\n"
    "  ret;\n}\n"
    ".visible .entry count(.param .u64 counters)\n{\n"
    "  .reg .b32 %r<6>; .reg .b64 %rd<5>;\n"
    "  ld.param.u64 %rd1, [counters]; cvta.to.global.u64 %rd2, %rd1;\n"
    "  mov.u32 %r1, %tid.x; and.b32 %r2, %r1, 15; mul.wide.u32 %rd3, %r2, 4; add.s64 %rd4, %rd2, %rd3;\n"
    "  mov.u32 %r3, %ctaid.x; add.s32 %r4, %r3, 1; atom.global.add.u32 %r5, [%rd4], %r4;\n"
    "  ret;\n}\n"
    ".visible .entry step(.param .u64 data, .param .u32 salt)\n{\n"
    "  .reg .b32 %r<8>; .reg .b64 %rd<5>;\n"
    "  ld.param.u64 %rd1, [data]; ld.param.u32 %r1, [salt]; cvta.to.global.u64 %rd2, %rd1;\n"
    "  mov.u32 %r2, %ctaid.x; shl.b32 %r3, %r2, 8; mov.u32 %r4, %tid.x; add.s32 %r5, %r3, %r4;\n"
    "  mul.wide.u32 %rd3, %r5, 4; add.s64 %rd4, %rd2, %rd3; ld.global.u32 %r6, [%rd4];\n"
    "  mad.lo.s32 %r7, %r6, 1664525, %r1; st.global.u32 [%rd4], %r7;\n"
    "  ret;\n}\n";

enum { COUNT = 1 << 14, BLOCK = 256 };

static uint32_t words[COUNT];

static void told(const char *name, CUdeviceptr memory, size_t bytes)
{
    CU(cuMemcpyDtoH_v2(words, memory, bytes));
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ ((const uint8_t *)words)[i]) * 1099511628211u;
    printf("%s %016llx\n", name, (unsigned long long)hash);
}

static CUdeviceptr filled(unsigned seed)
{
    CUdeviceptr memory;
    CU(cuMemAlloc_v2(&memory, sizeof words));
    for (int i = 0; i < COUNT; i++) {
        float value = (float)((i * 2654435761u + seed) % 2000003u) / 1013.0f;
        memcpy(&words[i], &value, sizeof value);
    }
    CU(cuMemcpyHtoD_v2(memory, words, sizeof words));
    return memory;
}

int main(void)
{
    CUdevice device;
    CUcontext context;
    CUmodule module;
    CUfunction saxpy, reverse, count, step;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuDevicePrimaryCtxRetain(&context, device));
    CU(cuCtxSetCurrent(context));
    CU(cuModuleLoadData(&module, ptx));
    CU(cuModuleGetFunction(&saxpy, module, "saxpy"));
    CU(cuModuleGetFunction(&reverse, module, "reverse"));
    CU(cuModuleGetFunction(&count, module, "count"));
    CU(cuModuleGetFunction(&step, module, "step"));
    CUdeviceptr x = filled(1), y = filled(7);
    float a = 1.61803398875f;
    unsigned n = COUNT - 5;
    CU(cuLaunchKernel(saxpy, COUNT / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, (void *[]){ &y, &x, &a, &n }, NULL));
    told("saxpy", y, sizeof words);
    CU(cuLaunchKernel(reverse, COUNT / BLOCK, 1, 1, BLOCK, 1, 1, 0, NULL, (void *[]){ &x }, NULL));
    told("reverse", x, sizeof words);
    CU(cuMemsetD32_v2(x, 0, 16));
    CU(cuLaunchKernel(count, 100, 1, 1, BLOCK, 1, 1, 0, NULL, (void *[]){ &x }, NULL));
    told("count", x, 64);
    CUstream streams[2];
    CUevent event;
    for (int i = 0; i < 2; i++) CU(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    CU(cuCtxSynchronize());
    for (unsigned i = 0; i < 100; i++) {
        CU(cuStreamWaitEvent(streams[i % 2], event, 0));
        CU(cuLaunchKernel(step, COUNT / BLOCK, 1, 1, BLOCK, 1, 1, 0, streams[i % 2], (void *[]){ &y, &i }, NULL));
        CU(cuEventRecord(event, streams[i % 2]));
    }
    CU(cuCtxSynchronize());
    told("chain", y, sizeof words);
    CU(cuMemFree_v2(x));
    CU(cuMemFree_v2(y));
    CU(cuModuleUnload(module));
    CU(cuDevicePrimaryCtxRelease_v2(device));
    return 0;
}
