/* mapped.c - kernels and the program's own code on the same bytes: managed memory, managed variables, pinned and registered memory
 * that the GPU has mapped. Each is written by one side and read by the other; one kernel waits for a word that the host writes
 * while it runs. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"

static const char ptx[] =
    ".version 7.0\n.target sm_80\n.address_size 64\n"
    ".visible .global .attribute(.managed) .align 4 .b32 shared_counter = 5;\n"
    ".visible .global .attribute(.managed) .align 8 .b8 shared_table[6000];\n"
    /* p[i] = p[i] * 3 + i */
    ".visible .entry scale(.param .u64 p, .param .u32 n) {\n"
    " .reg .b32 %r<8>; .reg .b64 %d<4>; .reg .pred %q;\n"
    " ld.param.u64 %d1, [p]; ld.param.u32 %r1, [n];\n"
    " mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x; mad.lo.u32 %r5, %r2, %r3, %r4;\n"
    " setp.ge.u32 %q, %r5, %r1; @%q ret;\n"
    " mul.wide.u32 %d2, %r5, 4; add.u64 %d3, %d1, %d2;\n"
    " ld.global.u32 %r6, [%d3]; mad.lo.u32 %r6, %r6, 3, %r5; st.global.u32 [%d3], %r6; ret;\n}\n"
    /* adds to the variables */
    ".visible .entry count(.param .u32 by) {\n"
    " .reg .b32 %r<4>; .reg .b64 %d<3>;\n"
    " ld.param.u32 %r1, [by]; mov.u64 %d1, shared_counter; atom.global.add.u32 %r2, [%d1], %r1;\n"
    " mov.u64 %d2, shared_table; st.global.u32 [%d2+5996], %r1; ret;\n}\n"
    /* waits until [p] is not 0, then writes [p + 4] */
    ".visible .entry await(.param .u64 p) {\n"
    " .reg .b32 %r<3>; .reg .b64 %d<2>; .reg .pred %q;\n"
    " ld.param.u64 %d1, [p];\n"
    "again: ld.volatile.global.u32 %r1, [%d1]; setp.eq.u32 %q, %r1, 0; @%q bra again;\n"
    " add.u32 %r2, %r1, 1; st.volatile.global.u32 [%d1+4], %r2; ret;\n}\n";

enum { N = 100000 };

static void both_of(CUfunction scale, CUstream stream, uint32_t *host, CUdeviceptr device, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) host[i] = i ^ 0x5555;
    void *parameters[] = {&device, &n};
    for (int round = 0; round < 3; round++) CU(cuLaunchKernel(scale, (N + 255) / 256, 1, 1, 256, 1, 1, 0, stream, parameters, NULL));
    CU(cuStreamSynchronize(stream));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t wanted = i ^ 0x5555;
        for (int round = 0; round < 3; round++) wanted = wanted * 3 + i;
        TRUE_OR_DIE(host[i] == wanted);
    }
    host[n - 1] = 7; /* the next kernel sees what the host writes now */
    CU(cuLaunchKernel(scale, (N + 255) / 256, 1, 1, 256, 1, 1, 0, stream, parameters, NULL));
    CUresult state;
    while ((state = cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY) { }
    CU(state);
    TRUE_OR_DIE(host[n - 1] == 7 * 3 + n - 1);
}

static void both(CUfunction scale, CUstream stream, uint32_t *host, CUdeviceptr device) { both_of(scale, stream, host, device, N); }

/* Registered memory that begins and ends in the middle of a page: what lies beside it is nobody's business, and stays. */
static void parts_of_pages(CUfunction scale, CUstream stream)
{
    static const struct { uint32_t at, n; } ranges[] = {{16, 8}, {4080, 8}, {4092, 1}, {100, 2000}, {4096, 700}, {20, 1019}, {8, 5000}};
    unsigned char *room = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        memset(room, 0xab, 1 << 16);
        uint32_t *mine = (uint32_t *)(room + ranges[i].at), n = ranges[i].n;
        CUdeviceptr device, middle;
        CU(cuMemHostRegister_v2(mine, 4 * n, CU_MEMHOSTREGISTER_DEVICEMAP));
        CU(cuMemHostGetDevicePointer_v2(&device, mine, 0));
        CU(cuMemHostGetDevicePointer_v2(&middle, mine + n / 2, 0));
        TRUE_OR_DIE(middle == device + n / 2 * 4);
        both_of(scale, stream, mine, device, n);
        CU(cuMemcpyHtoD_v2(device, mine, 4 * n));
        void *host = NULL;
        CU(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, middle));
        TRUE_OR_DIE(host == mine + n / 2);
        CU(cuMemsetD32Async(device, 77, 1, stream));
        CU(cuStreamSynchronize(stream));
        TRUE_OR_DIE(mine[0] == 77);
        uint32_t last = mine[n - 1];
        CU(cuMemHostUnregister(mine));
        TRUE_OR_DIE(mine[0] == 77 && mine[n - 1] == last);
        for (uint32_t at = 0; at < ranges[i].at; at++) TRUE_OR_DIE(room[at] == 0xab);
        for (uint32_t at = ranges[i].at + 4 * n; at < 1 << 16; at++) TRUE_OR_DIE(room[at] == 0xab);
    }
    munmap(room, 1 << 20);
}

int main(void)
{
    CU(cuInit(0));
    /* A library's managed variables are there before any context is. */
    CUlibrary library;
    CU(cuLibraryLoadData(&library, ptx, NULL, NULL, 0, NULL, NULL, 0));
    CUdeviceptr counter, table, again;
    size_t bytes;
    CU(cuLibraryGetManaged(&counter, &bytes, library, "shared_counter"));
    TRUE_OR_DIE(bytes == 4);
    CU(cuLibraryGetManaged(&table, &bytes, library, "shared_table"));
    TRUE_OR_DIE(bytes == 6000);
    CU(cuLibraryGetManaged(&again, NULL, library, "shared_counter"));
    TRUE_OR_DIE(again == counter);
    volatile uint32_t *variable = (volatile uint32_t *)(uintptr_t)counter;
    TRUE_OR_DIE(*variable == 5);
    *variable = 100;

    CUcontext context;
    CUstream stream;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUkernel kernel;
    CU(cuLibraryGetKernel(&kernel, library, "count"));
    uint32_t by = 11;
    void *parameters[] = {&by};
    CU(cuLaunchKernel((CUfunction)kernel, 1, 1, 1, 4, 1, 1, 0, stream, parameters, NULL));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(*variable == 100 + 4 * 11);
    TRUE_OR_DIE(((volatile uint32_t *)(uintptr_t)table)[1499] == 11);
    *variable = 1;
    uint32_t copy = 0;
    CU(cuMemcpyDtoH_v2(&copy, counter, 4));
    TRUE_OR_DIE(copy == 1);
    CU(cuMemcpyHtoD_v2(counter, &by, 4));
    TRUE_OR_DIE(*variable == 11);
    int managed = 0;
    void *pointer = NULL;
    CU(cuPointerGetAttribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, counter));
    CU(cuPointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, counter));
    TRUE_OR_DIE(managed == 1 && pointer == (void *)(uintptr_t)counter);
    CU(cuMemAdvise(table, 6000, CU_MEM_ADVISE_SET_READ_MOSTLY, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemFree_v2(counter));

    /* And a module's. */
    CUmodule module;
    CU(cuModuleLoadData(&module, ptx));
    CUdeviceptr own;
    CU(cuModuleGetGlobal_v2(&own, &bytes, module, "shared_counter"));
    TRUE_OR_DIE(own != counter && bytes == 4 && *(uint32_t *)(uintptr_t)own == 5);
    CUfunction scale, count, await;
    CU(cuModuleGetFunction(&scale, module, "scale"));
    CU(cuModuleGetFunction(&count, module, "count"));
    CU(cuModuleGetFunction(&await, module, "await"));
    CU(cuLaunchKernel(count, 1, 1, 1, 1, 1, 1, 0, stream, parameters, NULL));
    CU(cuCtxSynchronize());
    TRUE_OR_DIE(*(uint32_t *)(uintptr_t)own == 16 && *variable == 11);

    /* Managed memory. */
    CUdeviceptr device;
    CU(cuMemAllocManaged(&device, N * 4, CU_MEM_ATTACH_GLOBAL));
    both(scale, stream, (uint32_t *)(uintptr_t)device, device);
    CU(cuMemFree_v2(device));
    CU(cuMemAllocManaged(&device, (size_t)N * 40, CU_MEM_ATTACH_HOST));
    both(scale, stream, (uint32_t *)(uintptr_t)device + N, device + N * 4);
    CU(cuMemFree_v2(device));

    /* While it runs. */
    CU(cuMemAllocManaged(&device, 8, CU_MEM_ATTACH_GLOBAL));
    volatile uint32_t *word = (volatile uint32_t *)(uintptr_t)device;
    word[0] = word[1] = 0;
    void *at[] = {&device};
    CU(cuLaunchKernel(await, 1, 1, 1, 1, 1, 1, 0, stream, at, NULL));
    CU_FAILS(CUDA_ERROR_NOT_READY, cuStreamQuery(stream));
    word[0] = 41;
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(word[1] == 42);
    CU(cuMemFree_v2(device));

    /* Pinned memory: one address. */
    uint32_t *pinned;
    CU(cuMemHostAlloc((void **)&pinned, N * 4, CU_MEMHOSTALLOC_DEVICEMAP));
    CU(cuMemHostGetDevicePointer_v2(&device, pinned + 10, 0));
    TRUE_OR_DIE(device == (CUdeviceptr)(uintptr_t)(pinned + 10));
    both(scale, stream, pinned, (CUdeviceptr)(uintptr_t)pinned);
    CU(cuMemsetD32Async((CUdeviceptr)(uintptr_t)pinned, 0x01020304, N, stream));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(pinned[0] == 0x01020304 && pinned[N - 1] == 0x01020304);
    CU(cuMemFreeHost(pinned));

    /* Registered memory: the address that cuMemHostGetDevicePointer says. */
    size_t room = (N * 4 + 4095) & ~4095ul;
    uint32_t *mine = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRUE_OR_DIE(mine != MAP_FAILED);
    CU(cuMemHostRegister_v2(mine, room, CU_MEMHOSTREGISTER_DEVICEMAP));
    CU(cuMemHostGetDevicePointer_v2(&device, mine, 0));
    both(scale, stream, mine, device);
    CU(cuMemcpyDtoH_v2(&copy, device, 4));
    TRUE_OR_DIE(copy == mine[0]);
    CUmemorytype type = 0;
    CU(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, device));
    CU(cuPointerGetAttribute(&pointer, CU_POINTER_ATTRIBUTE_HOST_POINTER, device + 8));
    TRUE_OR_DIE(type == CU_MEMORYTYPE_HOST && pointer == mine + 2);
    uint32_t last = mine[N - 1];
    CU(cuMemHostUnregister(mine));
    TRUE_OR_DIE(mine[N - 1] == last);
    munmap(mine, room);
    parts_of_pages(scale, stream);

    CU(cuModuleUnload(module));
    CU(cuLibraryUnload(library));
    CU(cuStreamDestroy_v2(stream));
    CU(cuCtxDestroy_v2(context));
    printf("kernels and the host see one another's bytes\n");
    return 0;
}
