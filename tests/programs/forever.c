/*
 * forever.c - kernels that never end, and what ends them.  forever KIND HOW, where KIND names the kernel and HOW is
 *   wait      says "running" and waits to be killed, its kernel with it
 *   destroy   destroys the kernel's context while another computes; prints how long that took, in milliseconds
 *   limit     waits for the time limit that the GPU was given; prints what the context answers and how long it took
 *   compute   says "running" and computes, over and over, until its standard input ends; prints the longest time that a round took
 */
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#define KERNEL(name, body) ".visible .entry " name "(.param .u64 p) {\n.reg .pred %p<4>; .reg .b32 %r<16>; .reg .b64 %d<8>; .reg .f32 %f<8>;\nld.param.u64 %d1, [p]; mov.u32 %r1, %tid.x; mov.u32 %r2, 0;\n" body "\nret;\n}\n"
#define TIMES8(text) text text text text text text text text
static const char text[] =
    ".version 7.5\n.target sm_80\n.address_size 64\n.func leaf() { ret; }\n"
    KERNEL("tight", "L: bra L;")
    KERNEL("waits", "L: ld.volatile.global.u32 %r3, [%d1]; setp.eq.u32 %p1, %r3, 0; @%p1 bra L;")
    KERNEL("sleeps", "L: nanosleep.u32 1000000; bra L;")
    KERNEL("barrier", "L: bar.sync 0; add.u32 %r2, %r2, 1; bra L;")
    KERNEL("diverges", "L: and.b32 %r4, %r1, %r2; and.b32 %r4, %r4, 1; setp.eq.u32 %p1, %r4, 0; add.u32 %r2, %r2, 1; @%p1 bra L; sub.u32 %r2, %r2, 3; bra L;")
    KERNEL("calls", "L: call leaf; bra L;")
    KERNEL("long", "cvt.rn.f32.u32 %f1, %r1;\nL:\n" TIMES8(TIMES8(TIMES8("sin.approx.f32 %f2, %f1; fma.rn.f32 %f1, %f2, %f1, %f1; div.rn.f32 %f1, %f1, %f2; ld.global.u32 %r3, [%d1];\n"))) "bra L;")
    KERNEL("matrix", "L:\n" TIMES8(TIMES8(TIMES8("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f1,%f2,%f3,%f4}, {%r4,%r5,%r6,%r7}, {%r8,%r9}, {%f1,%f2,%f3,%f4};\n"))) "bra L;")
    KERNEL("blocks", "add.u32 %r2, %r2, 1;")
    KERNEL("add", "mul.wide.u32 %d2, %r1, 4; add.u64 %d1, %d1, %d2; ld.global.u32 %r3, [%d1]; add.u32 %r3, %r3, 1; st.global.u32 [%d1], %r3;");

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static CUcontext context(void)
{
    CUcontext made;
    CU(cuCtxCreate_v2(&made, 0, 0));
    return made;
}

static CUfunction function(const char *name)
{
    CUmodule module;
    CUfunction found;
    CU(cuModuleLoadData(&module, text));
    CU(cuModuleGetFunction(&found, module, name));
    return found;
}

static CUdeviceptr zeros(void)
{
    CUdeviceptr p;
    CU(cuMemAlloc_v2(&p, 4096));
    CU(cuMemsetD32_v2(p, 0, 1024));
    return p;
}

/* In the current context, and in a second stream too. */
static void start(const char *kind)
{
    CUfunction endless = function(kind);
    CUdeviceptr p = zeros();
    CUstream other;
    CU(cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    unsigned blocks = strcmp(kind, "blocks") ? 4 : 1u << 30, threads = strcmp(kind, "matrix") ? 1024 : 256;
    CU(cuLaunchKernel(endless, blocks, 1, 1, threads, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    CU(cuLaunchKernel(endless, blocks, 1, 1, threads, 1, 1, 0, other, (void *[]){&p}, NULL));
    TRUE_OR_DIE(cuStreamQuery(NULL) == CUDA_ERROR_NOT_READY);
}

static void adds(CUfunction add, CUdeviceptr p, unsigned round)
{
    unsigned got[1024];
    CU(cuLaunchKernel(add, 1, 1, 1, 1024, 1, 1, 0, NULL, (void *[]){&p}, NULL));
    CU(cuMemcpyDtoH_v2(got, p, sizeof got));
    for (int i = 0; i < 1024; i++) TRUE_OR_DIE(got[i] == round);
}

int main(int argc, char **argv)
{
    TRUE_OR_DIE(argc == 3);
    const char *const kind = argv[1], *const how = argv[2];
    CU(cuInit(0));
    CUcontext healthy = context();
    CUfunction const add = function("add");
    CUdeviceptr const p = zeros();
    adds(add, p, 1);
    if (!strcmp(how, "compute")) {
        printf("running\n");
        fflush(stdout);
        double longest = 0;
        struct pollfd end = {.fd = STDIN_FILENO, .events = POLLIN};
        for (unsigned round = 2; poll(&end, 1, 0) == 0; round++) {
            double begun = now();
            adds(add, p, round);
            if (now() - begun > longest) longest = now() - begun;
        }
        printf("%.0f\n", longest);
        return 0;
    }
    CUcontext doomed = context();
    double begun = now();
    start(kind);
    if (!strcmp(how, "wait")) {
        printf("running\n");
        fflush(stdout);
        pause();
    }
    if (!strcmp(how, "destroy")) {
        begun = now();
        CU(cuCtxDestroy_v2(doomed));
        printf("%.0f\n", now() - begun);
    }
    if (!strcmp(how, "limit")) {
        CUresult const first = cuCtxSynchronize();
        printf("%d %.0f\n", (int)first, now() - begun);
        TRUE_OR_DIE(cuCtxSynchronize() == first);
        CU(cuCtxSetCurrent(healthy));
        adds(add, p, 2);
        CU(cuCtxDestroy_v2(doomed));
        return 0;
    }
    CU(cuCtxSetCurrent(healthy));
    adds(add, p, 2);
    return 0;
}
