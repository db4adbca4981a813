/*
 * Kernels that fault, print or never end, one scenario a process:  kernel_faults BASICS.ptx EXTRAS.ptx SCENARIO
 * Each fault must be the error that hardware gives, stay until the context is destroyed, and leave a second context computing.
 */
#include <stdbool.h>
#include <time.h>

#include "check.h"

static const char *basics, *extras;

static CUfunction function(const char *path, const char *name) {
  CUmodule module = NULL;
  CUfunction found = NULL;
  OK(cuModuleLoad(&module, path));
  OK(cuModuleGetFunction(&found, module, name));
  return found;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static CUdeviceptr ints(int count) {
  CUdeviceptr address = 0;
  OK(cuMemAlloc_v2(&address, (size_t)count * 4));
  OK(cuMemsetD32_v2(address, 0, (size_t)count));
  return address;
}

static void adds(void) {
  float a[100], c[100];
  for (int i = 0; i < 100; i++) a[i] = (float)i;
  CUdeviceptr da = ints(100), dc = ints(100);
  int n = 100;
  OK(cuMemcpyHtoD_v2(da, a, sizeof a));
  OK(cuLaunchKernel(function(basics, "vector_add"), 1, 1, 1, 128, 1, 1, 0, 0, (void *[]){&da, &da, &dc, &n}, NULL));
  OK(cuMemcpyDtoH_v2(c, dc, sizeof c));
  for (int i = 0; i < 100; i++) CHECK(c[i] == 2 * a[i]);
}

/* Faults that CUDA C++ has no words for. Each stands on a line of "wrong.cu" of its own. */
static const char wrong[] =
    ".version 7.0\n.target sm_80\n.address_size 64\n.file 1 \"wrong.cu\"\n.shared .align 8 .b8 tile[64];\n"
#define WRONG(name, line, body) ".visible .entry " name "(.param .u64 p) {\n.reg .pred %p<4>; .reg .b32 %r<4>; .reg .b64 %d<4>;\n.local .align 8 .b8 own[16];\n.loc 1 " line " 1\nld.param.u64 %d1, [p];\nmov.u32 %r1, %tid.x;\n" body "\nret;\n}\n"
    WRONG("reads", "10", "ld.global.u32 %r2, [%d1];") WRONG("updates", "11", "atom.global.add.u32 %r2, [%d1], 1;")
    WRONG("past_shared", "12", "mov.u64 %d2, tile;\nst.shared.u32 [%d2+64], %r1;") WRONG("past_shared_generic", "13", "mov.u64 %d2, tile;\ncvta.shared.u64 %d2, %d2;\nld.u32 %r2, [%d2+64];")
    WRONG("shared_as_global", "14", "mov.u64 %d2, tile;\ncvta.shared.u64 %d2, %d2;\nst.global.u32 [%d2], %r1;") WRONG("local_as_global", "15", "mov.u64 %d2, own;\ncvta.local.u64 %d2, %d2;\nld.global.u32 %r2, [%d2];")
    WRONG("past_local", "16", "mov.u64 %d2, own;\nst.local.u32 [%d2+268435456], %r1;") WRONG("writes_code", "17", "mov.u64 %d2, reads;\nst.u32 [%d2], %r1;") WRONG("global_as_shared", "18", "ld.shared.u32 %r2, [%d1];")
    WRONG("breakpoint", "19", "brkpt;") WRONG("half_a_barrier", "20", "setp.lt.u32 %p1, %r1, 32;\n@%p1 bar.sync 1, 96;\n@!%p1 bar.sync 2, 96;") WRONG("missing_lanes", "21", "setp.lt.u32 %p1, %r1, 16;\n@%p1 bra A;\nbar.warp.sync 0x0000ffff;\nA: shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff;")
    WRONG("wild_branch", "22", "T: .branchtargets L, L;\nbrx.idx %r1, T;\nL:") WRONG("wild_call", "23", "P: .callprototype ()_();\ncall %d1, (), P;") WRONG("misaligned_vector", "24", "ld.global.v2.u32 {%r2,%r3}, [%d1+4];")
    WRONG("divides", "25", "div.u32 %r2, %r1, 0;\nst.global.u32 [%d1], %r2;");

/* Launches what faults in a context of its own while another computes. */
static void faults(CUresult wanted, const char *name, unsigned threads, void **params(void));

static CUfunction wrong_function(const char *name) {
  CUmodule module = NULL;
  CUfunction found = NULL;
  OK(cuModuleLoadData(&module, wrong));
  OK(cuModuleGetFunction(&found, module, name));
  return found;
}

/* Integer division by zero is defined to give something, and traps nowhere. */
static void divides(void) {
  begin();
  CUdeviceptr p = ints(1);
  unsigned got = 0;
  OK(cuLaunchKernel(wrong_function("divides"), 1, 1, 1, 1, 1, 1, 0, 0, (void *[]){&p}, NULL));
  OK(cuMemcpyDtoH_v2(&got, p, 4));
  CHECK(got == 0xffffffffu);
}

static bool is_wrong(const char *name) {
  char entry[80];
  snprintf(entry, sizeof entry, ".entry %s(", name);
  return strstr(wrong, entry) != NULL;
}

static void faults(CUresult wanted, const char *name, unsigned threads, void **params(void)) {
  CUcontext healthy = NULL, sick = NULL;
  OK(cuCtxCreate_v2(&healthy, 0, 0));
  OK(cuCtxCreate_v2(&sick, 0, 0));
  OK(cuLaunchKernel(is_wrong(name) ? wrong_function(name) : function(basics, name), 1, 1, 1, threads, 1, 1, 0, 0, params(), NULL));
  expect(cuCtxSynchronize(), wanted, name, __FILE__, __LINE__);
  expect(cuCtxSynchronize(), wanted, "again", __FILE__, __LINE__);
  expect(cuMemAlloc_v2(&(CUdeviceptr){0}, 4), wanted, "cuMemAlloc_v2", __FILE__, __LINE__);
  expect(cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, 0, NULL, NULL), wanted, "cuLaunchKernel", __FILE__, __LINE__);
  OK(cuCtxSetCurrent(healthy));
  adds();
  OK(cuCtxDestroy_v2(sick));
  adds();
}

static void **no_params(void) { return NULL; }

static void **index_params(void) {
  static CUdeviceptr p;
  static int i = 1000;
  static void *params[] = {&p, &i};
  p = ints(250);
  return params;
}

static void **foreign_params(void) { /* memory of another device, which is no peer */
  static CUdeviceptr p;
  static int i = 0;
  static void *params[] = {&p, &i};
  CUcontext far = NULL;
  OK(cuCtxCreate_v2(&far, 0, 1));
  p = ints(10);
  OK(cuCtxPopCurrent_v2(&far));
  return params;
}

/* Contexts of one device share its addresses: ffmpeg's overlay_cuda reads frames that another filter's context has. */
static void shared(void) {
  int got[4] = {0}, i = 2;
  begin();
  CUdeviceptr const p = ints(4);
  CUcontext second = NULL;
  OK(cuCtxCreate_v2(&second, 0, 0));
  OK(cuLaunchKernel(function(basics, "out_of_bounds"), 1, 1, 1, 1, 1, 1, 0, 0, (void *[]){(void *)&p, &i}, NULL));
  OK(cuCtxSynchronize());
  OK(cuMemcpyDtoH_v2(got, p, sizeof got));
  CHECK(got[2] != 0 && got[1] == 0);
}

static void **host_params(void) { /* host memory that the GPU does not know */
  static int host, i = 0;
  static void *pointer = &host;
  static void *params[] = {&pointer, &i};
  return params;
}

static void **pointer_params(void) {
  static CUdeviceptr p;
  static int n = 100;
  static void *params[] = {&p, &n};
  p = ints(250);
  return params;
}

static void **freed_params(void) {
  static CUdeviceptr p;
  static void *params[] = {&p};
  p = ints(1000);
  OK(cuMemFree_v2(p));
  return params;
}

static void **count_params(void) {
  static int n = 3;
  static void *params[] = {&n};
  return params;
}

static void **forever_params(void) { return pointer_params(); }

/* A kernel without end, and its context's end. */
static void destroyed(void) {
  CUcontext healthy = NULL, doomed = NULL;
  OK(cuCtxCreate_v2(&healthy, 0, 0));
  OK(cuCtxCreate_v2(&doomed, 0, 0));
  CUfunction const forever = function(basics, "forever");
  CUdeviceptr p = ints(1);
  for (int i = 0; i < 3; i++) OK(cuLaunchKernel(forever, 2, 1, 1, 32, 1, 1, 0, 0, (void *[]){&p}, NULL));
  CHECK(cuStreamQuery(0) == CUDA_ERROR_NOT_READY);
  const double begun = now();
  OK(cuCtxDestroy_v2(doomed));
  CHECK(now() - begun < 30); /* it ends at all; how soon is measured elsewhere */
  OK(cuCtxSetCurrent(healthy));
  adds();
}

/* The host lets the kernel go: memory is one. */
static void released(void) {
  begin();
  int *flag = NULL;
  OK(cuMemHostAlloc((void **)&flag, 4, 0));
  *flag = 0;
  OK(cuLaunchKernel(function(basics, "forever"), 1, 1, 1, 32, 1, 1, 0, 0, (void *[]){&flag}, NULL));
  CHECK(cuStreamQuery(0) == CUDA_ERROR_NOT_READY);
  __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
  OK(cuCtxSynchronize());
}

static void prints(void) {
  begin();
  CUfunction const f = function(extras, "print_block");
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  printf("before\n");
  OK(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, 0, NULL, NULL));
  OK(cuCtxSynchronize());
  printf("after\n");
  OK(cuLaunchKernel(f, 1, 1, 1, 32, 1, 1, 0, 0, NULL, NULL));
  OK(cuStreamSynchronize(0));
  printf("end\n");
}

/* malloc() of the device: to its limit, and gone with the context. */
static void heap(void) {
  CUcontext context = begin();
  const size_t before = free_memory();
  unsigned long long size = 3 << 20, got[4];
  CUfunction const f = function(extras, "leak_heap");
  CUdeviceptr out = ints(8);
  OK(cuLaunchKernel(f, 1, 1, 1, 4, 1, 1, 0, 0, (void *[]){&out, &size}, NULL));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  CHECK(got[0] && got[1] && !got[2] && !got[3]); /* the limit is 8 MiB */
  FAILS(INVALID_VALUE, cuMemFree_v2(got[0]));
  CHECK(free_memory() < before);
  OK(cuCtxDestroy_v2(context));
  begin();
  CHECK(free_memory() == before);
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  basics = argv[1];
  extras = argv[2];
  const char *const name = argv[3];
  OK(cuInit(0));
  if (!strcmp(name, "bounds")) faults(CUDA_ERROR_ILLEGAL_ADDRESS, "out_of_bounds", 1, index_params);
  if (!strcmp(name, "foreign")) faults(CUDA_ERROR_ILLEGAL_ADDRESS, "out_of_bounds", 1, foreign_params);
  if (!strcmp(name, "host")) faults(CUDA_ERROR_ILLEGAL_ADDRESS, "out_of_bounds", 1, host_params);
  if (!strcmp(name, "misaligned")) faults(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned", 1, pointer_params);
  if (!strcmp(name, "assert")) faults(CUDA_ERROR_ASSERT, "failing_assert", 32, count_params);
  if (!strcmp(name, "trap")) faults(CUDA_ERROR_LAUNCH_FAILED, "traps", 32, no_params);
  if (!strcmp(name, "stack")) faults(CUDA_ERROR_HARDWARE_STACK_ERROR, "overflow", 1, pointer_params);
  if (!strcmp(name, "timeout")) faults(CUDA_ERROR_LAUNCH_TIMEOUT, "forever", 64, forever_params);
  static const struct { const char *kernel; CUresult error; bool freed; } others[] = {
      {"reads", CUDA_ERROR_ILLEGAL_ADDRESS, true}, {"updates", CUDA_ERROR_ILLEGAL_ADDRESS, true}, {"past_shared", CUDA_ERROR_ILLEGAL_ADDRESS, false},
      {"past_shared_generic", CUDA_ERROR_ILLEGAL_ADDRESS, false}, {"shared_as_global", CUDA_ERROR_ILLEGAL_ADDRESS, false}, {"local_as_global", CUDA_ERROR_ILLEGAL_ADDRESS, false},
      {"past_local", CUDA_ERROR_ILLEGAL_ADDRESS, false}, {"writes_code", CUDA_ERROR_ILLEGAL_ADDRESS, false}, {"global_as_shared", CUDA_ERROR_ILLEGAL_ADDRESS, false},
      {"breakpoint", CUDA_ERROR_LAUNCH_FAILED, false}, {"half_a_barrier", CUDA_ERROR_LAUNCH_TIMEOUT, false}, {"missing_lanes", CUDA_ERROR_LAUNCH_TIMEOUT, false},
      {"wild_branch", CUDA_ERROR_LAUNCH_FAILED, false}, {"wild_call", CUDA_ERROR_INVALID_PC, false}, {"misaligned_vector", CUDA_ERROR_MISALIGNED_ADDRESS, false}};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    if (!strcmp(name, others[i].kernel)) faults(others[i].error, name, 64, others[i].freed ? freed_params : pointer_params);
  if (!strcmp(name, "divides")) divides();
  if (!strcmp(name, "destroyed")) destroyed();
  if (!strcmp(name, "released")) released();
  if (!strcmp(name, "prints")) prints();
  if (!strcmp(name, "heap")) heap();
  if (!strcmp(name, "shared")) shared();
  return 0;
}
