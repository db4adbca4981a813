/* kernel.h - two kernels as PTX text, which the real driver and the software GPU compile when the module is loaded:
 *
 * noop       does nothing: what is left is the launch
 * spin(ns)   looks at the GPU's clock until so many nanoseconds have passed: takes as long on one side as on the other */
#ifndef RINGFENCE_PERF_KERNEL_H
#define RINGFENCE_PERF_KERNEL_H

#include "device.h"

static const char kernel_ptx[] =
    ".version 7.0\n.target sm_70\n.address_size 64\n"
    ".visible .entry noop()\n{\n  ret;\n}\n"
    ".visible .entry spin(.param .u64 ns)\n{\n"
    "  .reg .pred %p<2>;\n  .reg .b64 %rd<5>;\n"
    "  ld.param.u64 %rd1, [ns];\n"
    "  mov.u64 %rd2, %globaltimer;\n"
    "again:\n"
    "  mov.u64 %rd3, %globaltimer;\n"
    "  sub.s64 %rd4, %rd3, %rd2;\n"
    "  setp.lt.u64 %p1, %rd4, %rd1;\n"
    "  @%p1 bra again;\n"
    "  ret;\n}\n";

/* The kernel of that name; the module lives as long as the context. */
static inline CUfunction kernel(const char *name)
{
    static CUmodule module;
    CUfunction function;
    if (!module) MUST(cuModuleLoadData(&module, kernel_ptx));
    MUST(cuModuleGetFunction(&function, module, name));
    return function;
}

/* One thread. `argument`: where the kernel's one argument lies; NULL: it has none. */
static inline CUresult launch(CUfunction function, uint64_t *argument, CUstream stream)
{
    void *arguments[] = { argument };
    return cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, argument ? arguments : NULL, NULL);
}

#endif
