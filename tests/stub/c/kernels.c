/*
 * Kernels on the software GPU: modules, parameters, launches, libraries, linking, what they compute.
 *   kernels FOLDER-OF-THE-PROGRAMS FOLDER-OF-THE-EXTRAS
 */
#include <math.h>
#include <stddef.h>

#include "check.h"

static char basics[512], extras[512], folder[512];
static CUmodule module;

static CUfunction function(CUmodule from, const char *name) {
  CUfunction found = NULL;
  if (cuModuleGetFunction(&found, from, name) != CUDA_SUCCESS) fprintf(stderr, "no kernel %s\n", name);
  CHECK(found);
  return found;
}

static CUdeviceptr device(const void *bytes, size_t size) {
  CUdeviceptr address = 0;
  OK(cuMemAlloc_v2(&address, size));
  if (bytes)
    OK(cuMemcpyHtoD_v2(address, bytes, size));
  else
    OK(cuMemsetD8_v2(address, 0, size));
  return address;
}

static char *read_file(const char *path, size_t *size) {
  FILE *const file = fopen(path, "rb");
  CHECK(file);
  char *const bytes = calloc(1, 1 << 20);
  *size = fread(bytes, 1, (1 << 20) - 1, file);
  fclose(file);
  return bytes;
}

#define LAUNCH(f, grid, block, shared, stream, ...) \
  OK(cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, stream, (void *[]){__VA_ARGS__}, NULL))

/* ---- what they compute -------------------------------------------------------------------------------------------- */

static void vector_add(void) {
  enum { N = 5000 };
  static float a[N], b[N], c[N];
  for (int i = 0; i < N; i++) a[i] = (float)i, b[i] = 0.5f * (float)i;
  CUdeviceptr da = device(a, sizeof a), db = device(b, sizeof b), dc = device(NULL, sizeof c);
  int n = N;
  LAUNCH(function(module, "vector_add"), (N + 127) / 128, 128, 0, 0, &da, &db, &dc, &n);
  OK(cuMemcpyDtoH_v2(c, dc, sizeof c));
  for (int i = 0; i < N; i++) CHECK(c[i] == a[i] + b[i]);
  /* The same through `extra`, with the exact size and in another stream. */
  struct {
    CUdeviceptr a, b, c;
    int n;
  } packed = {da, db, dc, N};
  size_t size = offsetof(__typeof__(packed), n) + sizeof(int);
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &packed, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  CUstream stream = NULL;
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(cuMemsetD8_v2(dc, 0, sizeof c));
  OK(cuLaunchKernel(function(module, "vector_add"), (N + 255) / 256, 1, 1, 256, 1, 1, 0, stream, NULL, extra));
  OK(cuStreamSynchronize(stream));
  memset(c, 0, sizeof c);
  OK(cuMemcpyDtoH_v2(c, dc, sizeof c));
  for (int i = 0; i < N; i++) CHECK(c[i] == a[i] + b[i]);
  size--;
  FAILS(INVALID_VALUE, cuLaunchKernel(function(module, "vector_add"), 1, 1, 1, 1, 1, 1, 0, stream, NULL, extra));
  OK(cuStreamDestroy_v2(stream));
  OK(cuMemFree_v2(da));
  OK(cuMemFree_v2(db));
  OK(cuMemFree_v2(dc));
}

static void matmul(void) {
  enum { N = 48 };
  static float a[N * N], b[N * N], c[N * N];
  for (int i = 0; i < N * N; i++) a[i] = (float)(i % 7), b[i] = (float)(i % 5 - 2);
  CUdeviceptr da = device(a, sizeof a), db = device(b, sizeof b), dc = device(NULL, sizeof c);
  int n = N;
  OK(cuLaunchKernel(function(module, "matmul"), N / 16, N / 16, 1, 16, 16, 1, 0, 0, (void *[]){&da, &db, &dc, &n}, NULL));
  OK(cuMemcpyDtoH_v2(c, dc, sizeof c));
  for (int y = 0; y < N; y++)
    for (int x = 0; x < N; x++) {
      float sum = 0;
      for (int k = 0; k < N; k++) sum += a[y * N + k] * b[k * N + x]; /* whole numbers: exact in any order */
      CHECK(c[y * N + x] == sum);
    }
}

static void reduce_and_histogram(void) {
  enum { N = 20000 };
  static int in[N];
  static uint8_t bytes[N];
  int sum = 0, got = 0;
  unsigned bins[256] = {0}, counted[256];
  pattern(bytes, N, 3);
  for (int i = 0; i < N; i++) in[i] = i % 101 - 40, sum += in[i], bins[bytes[i]]++;
  CUdeviceptr din = device(in, sizeof in), dout = device(NULL, sizeof got), dbytes = device(bytes, N), dbins = device(NULL, sizeof bins);
  int n = N;
  LAUNCH(function(module, "reduce"), 6, 256, 0, 0, &din, &dout, &n);
  LAUNCH(function(module, "histogram"), 5, 256, 0, 0, &dbytes, &dbins, &n);
  OK(cuMemcpyDtoH_v2(&got, dout, sizeof got));
  OK(cuMemcpyDtoH_v2(counted, dbins, sizeof counted));
  CHECK(got == sum);
  CHECK(!memcmp(bins, counted, sizeof bins));
}

static void globals(void) {
  float coefficients[16], out[32];
  int ints[32], counter = 1000;
  CUdeviceptr address = 0, dout = device(NULL, sizeof out), dints = device(NULL, sizeof ints), dtext = device(NULL, 2);
  size_t size = 0;
  char text[2];
  for (int i = 0; i < 16; i++) coefficients[i] = 1.5f * (float)i;
  OK(cuModuleGetGlobal_v2(&address, &size, module, "coefficients"));
  CHECK(size == sizeof coefficients);
  OK(cuMemcpyHtoD_v2(address, coefficients, sizeof coefficients));
  FAILS(INVALID_VALUE, cuMemFree_v2(address)); /* it is the module's */
  LAUNCH(function(module, "constants"), 1, 32, 0, 0, &dout, &dints, &dtext);
  OK(cuMemcpyDtoH_v2(out, dout, sizeof out));
  OK(cuMemcpyDtoH_v2(ints, dints, sizeof ints));
  OK(cuMemcpyDtoH_v2(text, dtext, sizeof text));
  static const int offsets[4] = {1, 20, 300, 4000};
  for (int i = 0; i < 32; i++) CHECK(out[i] == coefficients[i % 16] * 2 && ints[i] == offsets[i % 4] + 42);
  CHECK(text[0] == 'z' && text[1] == 'o'); /* a global that holds addresses of others */
  OK(cuModuleGetGlobal_v2(&address, NULL, module, "counter"));
  OK(cuMemcpyHtoD_v2(address, &counter, sizeof counter));
  LAUNCH(function(module, "constants"), 1, 32, 0, 0, &dout, &dints, &dtext);
  OK(cuMemcpyDtoH_v2(ints, dints, sizeof ints));
  CHECK(ints[2] == 1300);
  /* Another load of the same has variables of its own. */
  CUmodule other = NULL;
  OK(cuModuleLoad(&other, basics));
  CUdeviceptr again = 0;
  OK(cuModuleGetGlobal_v2(&again, NULL, other, "counter"));
  CHECK(again != address);
  OK(cuMemcpyDtoH_v2(&counter, again, sizeof counter));
  CHECK(counter == 42);
  OK(cuModuleUnload(other));
  FAILS(INVALID_HANDLE, cuModuleGetGlobal_v2(&again, NULL, other, "counter"));
  FAILS(INVALID_HANDLE, cuModuleUnload(other));
  FAILS(NOT_FOUND, cuModuleGetGlobal_v2(&again, NULL, module, "no such thing"));
}

static void struct_params(void) {
  struct {
    char c;
    double d;
    short s[3];
    long long *out; /* checked below against what the driver says */
  } mixed;
  CUfunction const f = function(module, "struct_param");
  size_t offset[5], size[5];
  for (size_t i = 0; i < 4; i++) OK(cuFuncGetParamInfo(f, i, &offset[i], &size[i]));
  FAILS(INVALID_VALUE, cuFuncGetParamInfo(f, 4, &offset[4], &size[4]));
  CHECK(offset[0] == 0 && size[0] == 1 && offset[1] == 8 && size[2] == 2 && offset[2] == offset[1] + size[1] && size[3] == 1);
  if (size[1] != sizeof mixed) return; /* the kernel's struct is its own affair */
  CUdeviceptr out = device(NULL, 8 * 8);
  long long got[8];
  mixed.c = -5, mixed.d = 2.5, mixed.s[0] = 1, mixed.s[1] = 2, mixed.s[2] = 3, mixed.out = (long long *)(uintptr_t)out;
  char first = 11;
  short s = -300;
  unsigned char last = 200;
  LAUNCH(f, 1, 1, 0, 0, &first, &mixed, &s, &last);
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  CHECK(got[0] == 11 && got[1] == -5 && got[2] == 20 && got[3] == 321 && got[4] == -300);
}

static void heap_and_recursion(void) {
  int out[64];
  long long numbers[32];
  CUdeviceptr dout = device(NULL, sizeof out), dnumbers = device(NULL, sizeof numbers);
  LAUNCH(function(module, "heap"), 1, 64, 0, 0, &dout);
  LAUNCH(function(module, "recursion"), 1, 32, 0, 0, &dnumbers);
  OK(cuMemcpyDtoH_v2(out, dout, sizeof out));
  OK(cuMemcpyDtoH_v2(numbers, dnumbers, sizeof numbers));
  for (int i = 0; i < 64; i++) CHECK(out[i] == 120 * i);
  CHECK(numbers[10] == 55 && numbers[13] == 233 && numbers[14] == 0);
}

/* Memory in many pieces of the card: allocations of several frames, taken and given back so that frames do not follow on one another. */
static void far(CUmodule more) {
  CUdeviceptr holes[12];
  const size_t frame = 2 << 20;
  for (int i = 0; i < 12; i++) holes[i] = device(NULL, frame);
  for (int i = 0; i < 12; i += 2) OK(cuMemFree_v2(holes[i]));
  unsigned long long n = 5 * frame / 4 / 4 * 4 + 12345;
  CUdeviceptr address = device(NULL, n * 4);
  LAUNCH(function(more, "fill_far"), 4, 128, 0, 0, &address, &n);
  unsigned *const got = malloc(n * 4);
  OK(cuMemcpyDtoH_v2(got, address, n * 4));
  for (size_t i = 0; i < n; i++) CHECK(got[i] == i);
  free(got);
  OK(cuMemFree_v2(address));
  for (int i = 1; i < 12; i += 2) OK(cuMemFree_v2(holes[i]));
}

/* ---- shapes and attributes ---------------------------------------------------------------------------------------- */

static void shapes(CUmodule more) {
  CUfunction const f = function(module, "vector_add"), bounded = function(more, "bounded"), large = function(more, "large_shared");
  CUdeviceptr out = device(NULL, 1 << 20);
  int n = 0, value = 0;
  void *params[] = {&out, &out, &out, &n};
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 0, 1, 1, 1, 1, 1, 0, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 65536, 1, 1, 1, 1, 0, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 1, 1, 1025, 1, 1, 0, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 1, 1, 1, 1, 65, 0, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 1, 1, 64, 32, 1, 0, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, 0, NULL, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 49153, 0, params, NULL));
  FAILS(INVALID_VALUE, cuLaunchKernel(bounded, 1, 1, 1, 65, 1, 1, 0, 0, params, NULL));
  FAILS(INVALID_HANDLE, cuLaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, 0, params, NULL));
  FAILS(INVALID_HANDLE, cuLaunchKernel((CUfunction)(void *)module, 1, 1, 1, 1, 1, 1, 0, 0, params, NULL));
  FAILS(NOT_FOUND, cuModuleGetFunction((CUfunction *)&params[0], module, "nothing of that name"));
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, bounded));
  CHECK(value == 64);
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function(module, "histogram")));
  CHECK(value == 1024);
  OK(cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_PTX_VERSION, bounded));
  CHECK(value == 80);
  FAILS(INVALID_VALUE, cuFuncGetAttribute(&value, (CUfunction_attribute)99, bounded));
  const char *name = NULL;
  CUmodule owner = NULL;
  OK(cuFuncGetName(&name, bounded));
  OK(cuFuncGetModule(&owner, bounded));
  CHECK(!strcmp(name, "bounded") && owner == more);

  /* More than 48 KiB of shared memory is for those that ask. */
  enum { INTS = 30000 };
  static int got[INTS];
  int ints = INTS;
  void *large_params[] = {&out, &ints};
  FAILS(INVALID_VALUE, cuLaunchKernel(large, 1, 1, 1, 128, 1, 1, INTS * 4, 0, large_params, NULL));
  FAILS(INVALID_VALUE, cuFuncSetAttribute(large, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 166913));
  OK(cuFuncSetAttribute(large, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, INTS * 4));
  OK(cuLaunchKernel(large, 1, 1, 1, 128, 1, 1, INTS * 4, 0, large_params, NULL));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (int i = 0; i < INTS; i++) CHECK(got[i] == INTS - 1 - i);

  int blocks = 0, grid = 0, block = 0;
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, bounded, 64, 0));
  CHECK(blocks == 32); /* the limit of blocks */
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, large, 128, 50000));
  CHECK(blocks == 3); /* shared memory decides: 167936 / (50000 + 1024) */
  OK(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, bounded, 128, 0));
  CHECK(blocks == 0);
  OK(cuOccupancyMaxPotentialBlockSize(&grid, &block, bounded, NULL, 0, 0));
  CHECK(block == 64 && grid == 32 * 108);
}

/* ---- cooperative -------------------------------------------------------------------------------------------------- */

static void cooperative(CUmodule more) {
  enum { BLOCKS = 24, THREADS = 64, ROUNDS = 5 };
  CUfunction const f = function(more, "everybody");
  int rounds = ROUNDS, got[BLOCKS * THREADS];
  CUdeviceptr out = device(NULL, sizeof got);
  void *params[] = {&out, &rounds};
  OK(cuLaunchCooperativeKernel(f, BLOCKS, 1, 1, THREADS, 1, 1, 0, 0, params));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (int i = 0; i < BLOCKS * THREADS; i++) CHECK(got[i] == ROUNDS);
  FAILS(COOPERATIVE_LAUNCH_TOO_LARGE, cuLaunchCooperativeKernel(f, 108 * 32 + 1, 1, 1, THREADS, 1, 1, 0, 0, params));
  CUlaunchAttribute attributes[2] = {{.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE, .value = {.cooperative = 1}},
                                     {.id = CU_LAUNCH_ATTRIBUTE_PRIORITY, .value = {.priority = -1}}};
  CUlaunchConfig config = {.gridDimX = BLOCKS, .gridDimY = 1, .gridDimZ = 1, .blockDimX = THREADS, .blockDimY = 1, .blockDimZ = 1,
                           .attrs = attributes, .numAttrs = 2};
  OK(cuMemsetD8_v2(out, 0, sizeof got));
  OK(cuLaunchKernelEx(&config, f, params, NULL));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (int i = 0; i < BLOCKS * THREADS; i++) CHECK(got[i] == ROUNDS);
  attributes[1] = (CUlaunchAttribute){.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value = {.clusterDim = {2, 1, 1}}};
  OK(cuMemsetD8_v2(out, 0, sizeof got));
  OK(cuLaunchKernelEx(&config, f, params, NULL));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (int i = 0; i < BLOCKS * THREADS; i++) CHECK(got[i] == ROUNDS);
  attributes[1].value.clusterDim.x = 5; /* 24 blocks are no whole clusters of 5 */
  FAILS(INVALID_VALUE, cuLaunchKernelEx(&config, f, params, NULL));
  attributes[1].value.clusterDim.x = 12;
  FAILS(INVALID_CLUSTER_SIZE, cuLaunchKernelEx(&config, f, params, NULL));
}

/* ---- clusters and tensor maps -------------------------------------------------------------------------------------- */

/* Each block of a cluster of two takes a box of 8 x 4 of a matrix, and gives out its neighbour's. */
static const char cluster_text[] =
    ".version 8.6\n.target sm_90\n.address_size 64\n.shared .align 128 .b8 box[128];\n.shared .align 8 .b64 bar;\n"
    ".visible .entry swap(.param .align 64 .b8 map[128], .param .u64 out) {\n.reg .pred %p<4>; .reg .b32 %r<20>; .reg .b64 %d<8>;\n"
    "mov.b64 %d0, map; cvta.param.u64 %d1, %d0; ld.param.u64 %d2, [out]; mov.u32 %r0, %tid.x; mov.u32 %r1, %ctaid.x; mov.u32 %r2, %cluster_ctarank;\n"
    "setp.ne.u32 %p0, %r0, 0; @%p0 bra ready; mbarrier.init.shared.b64 [bar], 1; mbarrier.arrive.expect_tx.shared.b64 _, [bar], 128; shl.b32 %r3, %r1, 3; mov.u32 %r4, 2;\n"
    "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [box], [%d1, {%r3, %r4}], [bar];\n"
    "wait: mbarrier.try_wait.parity.shared.b64 %p1, [bar], 0; @!%p1 bra wait;\nready: barrier.cluster.arrive; barrier.cluster.wait;\n"
    "xor.b32 %r5, %r2, 1; mov.u32 %r6, box; mapa.shared::cluster.u32 %r7, %r6, %r5; shl.b32 %r8, %r0, 2; add.u32 %r7, %r7, %r8; ld.shared::cluster.u32 %r9, [%r7];\n"
    "mad.lo.u32 %r10, %r1, 32, %r0; mul.wide.u32 %d3, %r10, 4; add.u64 %d3, %d2, %d3; st.global.u32 [%d3], %r9; barrier.cluster.arrive; barrier.cluster.wait; ret;\n}\n";

static void clusters(void) {
  enum { ROWS = 8, COLUMNS = 32 };
  CUmodule loaded = NULL;
  OK(cuModuleLoadData(&loaded, cluster_text));
  CUfunction const f = function(loaded, "swap");
  unsigned matrix[ROWS][COLUMNS], got[4][32];
  for (unsigned i = 0; i < ROWS * COLUMNS; i++) matrix[i / COLUMNS][i % COLUMNS] = i;
  CUdeviceptr const in = device(matrix, sizeof matrix);
  CUdeviceptr out = device(NULL, sizeof got);
  CUtensorMap map;
  const cuuint64_t dim[2] = {COLUMNS, ROWS}, stride[1] = {COLUMNS * 4};
  const cuuint32_t box[2] = {8, 4}, steps[2] = {1, 1}, narrow[2] = {3, 4};
#define ENCODE(map_, rank, address, box_, swizzle) cuTensorMapEncodeTiled(map_, 2 /* UINT32 */, rank, (void *)(uintptr_t)(address), dim, stride, box_, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)
  FAILS(INVALID_VALUE, ENCODE(NULL, 2, in, box, CU_TENSOR_MAP_SWIZZLE_NONE));
  FAILS(INVALID_VALUE, ENCODE(&map, 6, in, box, CU_TENSOR_MAP_SWIZZLE_NONE));
  FAILS(INVALID_VALUE, ENCODE(&map, 2, in + 8, box, CU_TENSOR_MAP_SWIZZLE_NONE));
  FAILS(INVALID_VALUE, ENCODE(&map, 2, in, narrow, CU_TENSOR_MAP_SWIZZLE_NONE));
  OK(ENCODE(&map, 2, in + 64, box, CU_TENSOR_MAP_SWIZZLE_NONE));
  OK(cuTensorMapReplaceAddress(&map, (void *)(uintptr_t)in));
  CUlaunchAttribute cluster = {.id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION, .value = {.clusterDim = {2, 1, 1}}};
  CUlaunchConfig config = {.gridDimX = 4, .gridDimY = 1, .gridDimZ = 1, .blockDimX = 32, .blockDimY = 1, .blockDimZ = 1, .attrs = &cluster, .numAttrs = 1};
  void *params[] = {&map, &out};
  OK(cuLaunchKernelEx(&config, f, params, NULL));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (unsigned b = 0; b < 4; b++)
    for (unsigned i = 0; i < 32; i++) CHECK(got[b][i] == matrix[2 + i / 8][(b ^ 1) * 8 + i % 8]);
  int size = 0, active = 0;
  OK(cuOccupancyMaxPotentialClusterSize(&size, f, &config));
  CHECK(size == 8);
  OK(cuOccupancyMaxActiveClusters(&active, f, &config));
  CHECK(active > 0);
  OK(cuMemFree_v2(in));
  OK(cuMemFree_v2(out));
  OK(cuModuleUnload(loaded));
}

/* A variable's bytes go on to its alignment: LLVM reads a bool of one byte, which it has aligned to four, as 16 bits. */
static void padded_variable(void) {
  const char *const text = ".version 6.3\n.target sm_70\n.address_size 64\n"
                           ".visible .global .align 4 .u8 flag = 1;\n"
                           ".visible .entry read(.param .u64 out) { .reg .b16 %h; .reg .b64 %a;\n"
                           "ld.param.u64 %a, [out]; ld.global.u16 %h, [flag]; st.global.u16 [%a], %h; ret; }\n";
  CUmodule loaded = NULL;
  CUfunction f = NULL;
  CUdeviceptr flag = 0;
  size_t size = 0;
  uint16_t got = 0;
  OK(cuModuleLoadData(&loaded, text));
  OK(cuModuleGetFunction(&f, loaded, "read"));
  OK(cuModuleGetGlobal_v2(&flag, &size, loaded, "flag"));
  CHECK(size == 1);
  CUdeviceptr out = device(NULL, sizeof got);
  LAUNCH(f, 1, 1, 0, 0, &out);
  OK(cuMemcpyDtoH_v2(&got, out, sizeof got));
  CHECK(got == 1);
  OK(cuMemFree_v2(out));
  OK(cuModuleUnload(loaded));
}

/* ---- libraries ---------------------------------------------------------------------------------------------------- */

static void libraries(CUcontext first) {
  size_t size = 0;
  char *const text = read_file(extras, &size);
  CUlibrary library = NULL;
  CUkernel kernel = NULL;
  CUdeviceptr managed = 0, global = 0;
  unsigned count = 0;
  OK(cuCtxSetCurrent(NULL));
  OK(cuLibraryLoadData(&library, text, NULL, NULL, 0, NULL, NULL, 0)); /* with no context */
  free(text);                                                          /* and nothing of it is needed any more */
  OK(cuLibraryGetManaged(&managed, &size, library, "shared_by_both"));
  CHECK(size == 4 && *(int *)(uintptr_t)managed == 17);
  OK(cuLibraryGetKernel(&kernel, library, "managed"));
  OK(cuLibraryGetKernelCount(&count, library));
  CUkernel all[32];
  OK(cuLibraryEnumerateKernels(all, 32, library));
  CHECK(count == 7);
  FAILS(NOT_FOUND, cuLibraryGetKernel(&kernel, library, "nothing"));
  FAILS(INVALID_CONTEXT, cuLibraryGetGlobal(&global, &size, library, "per_context"));

  CUcontext second = NULL;
  OK(cuCtxCreate_v2(&second, 0, 0));
  CUcontext contexts[2] = {first, second};
  for (int i = 0; i < 2; i++) {
    int got[8], later = 0;
    OK(cuCtxSetCurrent(contexts[i]));
    CUdeviceptr out = device(NULL, sizeof got);
    /* The kernel itself is launched, as the runtime does: it means that of the stream's context. */
    LAUNCH((CUfunction)(void *)kernel, 1, 8, 0, 0, &out);
    OK(cuMemcpyDtoH_v2(got, out, sizeof got));
    CHECK(got[3] == (i ? 99 : 17) + 5); /* the managed variable is one, the other is one a context */
    OK(cuLibraryGetGlobal(&global, &size, library, "per_context"));
    OK(cuMemcpyDtoH_v2(&later, global, sizeof later));
    CHECK(later == 6);
    CUfunction f = NULL;
    OK(cuKernelGetFunction(&f, kernel));
    LAUNCH(f, 1, 1, 0, CU_STREAM_PER_THREAD, &out);
    OK(cuCtxSynchronize());
    OK(cuMemcpyDtoH_v2(&later, global, sizeof later));
    CHECK(later == 7);
  }
  const char *name = NULL;
  CUlibrary owner = NULL;
  OK(cuKernelGetName(&name, kernel));
  OK(cuKernelGetLibrary(&owner, kernel));
  CHECK(!strcmp(name, "managed") && owner == library);
  int value = 0;
  OK(cuKernelSetAttribute(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60000, kernel, 0));
  OK(cuKernelGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, kernel, 0));
  CHECK(value == 60000);
  OK(cuCtxDestroy_v2(second));
  OK(cuCtxSetCurrent(first));
  OK(cuLibraryUnload(library));
  FAILS(INVALID_HANDLE, cuLibraryUnload(library));
  FAILS(INVALID_HANDLE, cuKernelGetName(&name, kernel));
}

/* ---- images ------------------------------------------------------------------------------------------------------- */

static void images(void) {
  static const char *const kinds[] = {"none", "speed", "size"};
  char path[600];
  int got[4];
  CUdeviceptr out = device(NULL, sizeof got);
  for (int i = 0; i < 3; i++) {
    CUmodule loaded = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/seven-%s.fatbin", folder, kinds[i]);
    char *const bytes = read_file(path, &size);
    OK(cuMemsetD8_v2(out, 0, sizeof got));
    OK(cuModuleLoadData(&loaded, bytes));
    LAUNCH(function(loaded, "seven"), 1, 4, 0, 0, &out);
    OK(cuMemcpyDtoH_v2(got, out, sizeof got));
    CHECK(got[0] == 7 && got[3] == 10);
    OK(cuModuleUnload(loaded));
    /* In its wrapper, as a program that nvcc made has it. */
    struct {
      uint32_t magic, version;
      void *data, *unused;
    } wrapper = {0x466243b1, 1, bytes, NULL};
    OK(cuModuleLoadFatBinary(&loaded, &wrapper));
    OK(cuModuleUnload(loaded));
    free(bytes);
  }
  CUmodule refused = NULL;
  snprintf(path, sizeof path, "%s/seven.cubin", folder);
  FAILS(NO_BINARY_FOR_GPU, cuModuleLoad(&refused, path));
  FAILS(FILE_NOT_FOUND, cuModuleLoad(&refused, "/nowhere/at/all.ptx"));
  FAILS(INVALID_VALUE, cuModuleLoadData(&refused, NULL));

  /* A log that names line and mistake, in the program's buffers. */
  static const char broken[] = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k()\n{\n  .reg .u32 %r<2>;\n  frobnicate.u32 %r1, 1;\n  ret;\n}\n";
  char errors[600] = "", info[100] = "x";
  CUjit_option options[] = {(CUjit_option)5, (CUjit_option)6, (CUjit_option)3, (CUjit_option)4, (CUjit_option)2};
  void *values[] = {errors, (void *)sizeof errors, info, (void *)sizeof info, NULL};
  const CUresult result = cuModuleLoadDataEx(&refused, broken, 5, options, values);
  CHECK(result == CUDA_ERROR_INVALID_PTX || result == CUDA_ERROR_NOT_SUPPORTED);
  CHECK(strstr(errors, "frobnicate") && strstr(errors, "7"));
  CHECK((size_t)values[1] == strlen(errors) && info[0] == '\0' && (size_t)values[3] == 0);
  CHECK(cuModuleLoadData(&refused, "") != CUDA_SUCCESS);
  CHECK(cuModuleLoadData(&refused, "this is no PTX") == CUDA_ERROR_INVALID_IMAGE);
  CHECK(cuModuleLoadData(&refused, ".version 7.0 but no PTX") == CUDA_ERROR_INVALID_PTX);
}

static void linking(void) {
  static const char caller[] =
      ".version 7.0\n.target sm_80\n.address_size 64\n.extern .func (.param .b32 r) twice (.param .b32 x);\n"
      ".visible .entry k(.param .u64 out)\n{\n  .reg .b32 %r<3>;\n  .reg .b64 %d<3>;\n  ld.param.u64 %d1, [out];\n"
      "  cvta.to.global.u64 %d2, %d1;\n  mov.u32 %r1, 21;\n  {\n  .param .b32 p;\n  .param .b32 q;\n  st.param.b32 [p], %r1;\n"
      "  call (q), twice, (p);\n  ld.param.b32 %r2, [q];\n  }\n  st.global.u32 [%d2], %r2;\n  ret;\n}\n";
  static const char callee[] =
      ".version 7.0\n.target sm_80\n.address_size 64\n.visible .func (.param .b32 r) twice (.param .b32 x)\n{\n  .reg .b32 %r<3>;\n"
      "  ld.param.b32 %r1, [x];\n  add.u32 %r2, %r1, %r1;\n  st.param.b32 [r], %r2;\n  ret;\n}\n";
  char log[500] = "";
  CUjit_option options[] = {(CUjit_option)5, (CUjit_option)6};
  void *values[] = {log, (void *)sizeof log};
  CUlinkState state = NULL;
  void *image = NULL, *kept = NULL;
  size_t size = 0;
  int got = 0;
  OK(cuLinkCreate_v2(2, options, values, &state));
  OK(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)(uintptr_t)caller, sizeof caller, "caller.ptx", 0, NULL, NULL));
  CHECK(cuLinkComplete(state, &image, &size) == CUDA_ERROR_INVALID_PTX); /* half of it is missing, and the log says what */
  CHECK(strstr(log, "twice"));
  OK(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)(uintptr_t)callee, sizeof callee, "callee.ptx", 0, NULL, NULL));
  FAILS(NO_BINARY_FOR_GPU, cuLinkAddData_v2(state, CU_JIT_INPUT_CUBIN, log, 10, "x.cubin", 0, NULL, NULL));
  OK(cuLinkComplete(state, &image, &size));
  kept = malloc(size);
  memcpy(kept, image, size);
  OK(cuLinkDestroy(state));
  FAILS(INVALID_HANDLE, cuLinkDestroy(state));
  CUmodule linked = NULL;
  OK(cuModuleLoadData(&linked, kept));
  free(kept);
  CUdeviceptr out = device(NULL, 4);
  LAUNCH(function(linked, "k"), 1, 1, 0, 0, &out);
  OK(cuMemcpyDtoH_v2(&got, out, sizeof got));
  CHECK(got == 42);
  OK(cuModuleUnload(linked));
  CUmodule refused = NULL;
  FAILS(INVALID_PTX, cuModuleLoadData(&refused, caller));

  /* nvcc -rdc=true: a wrapper of version 2 names the fat binary of each file, and the program is all of them. */
  struct fatbin {
    uint32_t magic;
    uint16_t version, header_size;
    uint64_t size;
    struct {
      uint16_t kind, version;
      uint32_t header_size;
      uint64_t size;
      uint32_t compressed_size, unknown;
      uint16_t minor, major;
      uint32_t architecture;
      uint64_t name, flags, zero, full_size;
    } entry;
    char text[600];
  } files[2];
  memset(files, 0, sizeof files);
  for (int i = 0; i < 2; i++) {
    files[i].magic = 0xba55ed50;
    files[i].version = files[i].entry.kind = 1;
    files[i].header_size = 16;
    files[i].size = sizeof files[i].entry + sizeof files[i].text;
    files[i].entry.header_size = sizeof files[i].entry;
    files[i].entry.size = sizeof files[i].text;
    files[i].entry.architecture = 80;
    snprintf(files[i].text, sizeof files[i].text, "%s", i ? callee : caller);
  }
  const void *const both[] = {&files[0], &files[1], NULL}, *const half[] = {&files[0], NULL};
  struct {
    uint32_t magic, version;
    const void *data;
    const void *const *files;
  } wrapper = {0x466243b1, 2, &files[0], both};
  OK(cuModuleLoadData(&linked, &wrapper));
  OK(cuMemsetD32_v2(out, 0, 1));
  LAUNCH(function(linked, "k"), 1, 1, 0, 0, &out);
  OK(cuMemcpyDtoH_v2(&got, out, sizeof got));
  CHECK(got == 42);
  OK(cuModuleUnload(linked));
  wrapper.files = half;
  FAILS(INVALID_PTX, cuModuleLoadData(&refused, &wrapper));
}

/* A member of an archive: its header, its bytes, one more where they are odd. Returns the archive's new length. */
static size_t member(char *archive, size_t at, const char *name, const void *bytes, size_t length) {
  at += (size_t)sprintf(archive + at, "%-16s%-12d%-6d%-6d%-8d%-10zu`\n", name, 0, 0, 0, 0, length);
  memcpy(archive + at, bytes, length);
  at += length;
  if (length & 1) archive[at++] = '\n';
  return at;
}

/* numba's grid groups: PTX that calls libcudadevrt's functions, linked with that library, whose member has a long name. Here its code is
 * nothing: the GPU has those functions itself. */
static void archives(void) {
  static const char grid[] =
      ".version 7.0\n.target sm_80\n.address_size 64\n"
      ".extern .func (.param .b64 r) cudaCGGetIntrinsicHandle (.param .b32 a);\n"
      ".extern .func (.param .b32 r) cudaCGSynchronize (.param .b64 a, .param .b32 b);\n"
      ".extern .func (.param .b32 r) cudaCGGetSize (.param .b64 a, .param .b64 b, .param .b64 c);\n"
      ".extern .func (.param .b32 r) cudaCGGetRank (.param .b64 a, .param .b64 b, .param .b64 c);\n"
      ".global .u32 arrived;\n"
      ".visible .entry k(.param .u64 out)\n{\n  .reg .pred %p;\n  .reg .b32 %r<9>;\n  .reg .b64 %d<9>;\n  .local .u32 place[2];\n"
      "  .param .b32 one;\n  .param .b32 flags;\n  .param .b64 handle;\n  .param .b64 first;\n  .param .b64 second;\n  .param .b32 status;\n"
      "  mov.u32 %r1, 1; st.param.b32 [one], %r1; call (handle), cudaCGGetIntrinsicHandle, (one); ld.param.b64 %d1, [handle];\n"
      "  mov.u64 %d3, arrived; atom.global.add.u32 %r0, [%d3], 1;\n"
      "  st.param.b64 [handle], %d1; mov.u32 %r1, 0; st.param.b32 [flags], %r1; call (status), cudaCGSynchronize, (handle, flags); ld.param.b32 %r2, [status];\n"
      "  ld.volatile.global.u32 %r3, [%d3];\n"
      "  st.param.b64 [handle], %d1; st.param.b32 [flags], %r1; call (status), cudaCGSynchronize, (handle, flags);\n"
      "  mov.u64 %d4, place; cvta.local.u64 %d4, %d4; add.u64 %d5, %d4, 4; mov.u32 %r5, 99; st.u32 [%d4], %r5; st.u32 [%d5], %r5;\n"
      "  st.param.b64 [first], %d4; st.param.b64 [second], %d5; st.param.b64 [handle], %d1; call (status), cudaCGGetRank, (first, second, handle);\n"
      "  ld.u32 %r4, [%d4]; ld.u32 %r6, [%d5]; add.u32 %r2, %r2, %r6;\n"
      "  st.param.b64 [first], %d4; st.param.b64 [second], %d5; st.param.b64 [handle], %d1; call (status), cudaCGGetSize, (first, second, handle);\n"
      "  ld.u32 %r5, [%d4];\n"
      "  mov.u32 %r7, %ctaid.x; mov.u32 %r8, %ntid.x; mad.lo.u32 %r7, %r7, %r8, 0; mov.u32 %r8, %tid.x; add.u32 %r7, %r7, %r8;\n"
      "  ld.param.u64 %d6, [out]; mul.wide.u32 %d7, %r7, 16; add.u64 %d6, %d6, %d7; st.global.v4.u32 [%d6], {%r2, %r3, %r4, %r5};\n  ret;\n}\n";
  enum { BLOCKS = 5, THREADS = 40, ALL = BLOCKS * THREADS };
  static const char names[] = "cuda_device_runtime.o/\n";
  char archive[512] = "!<arch>\n";
  size_t unused = 0, size = member(archive, 8, "//", names, sizeof names - 1);
  size = member(archive, size, "/0", "none", 4);
  CUlinkState state = NULL;
  void *image = NULL;
  CUmodule linked = NULL;
  OK(cuLinkCreate_v2(0, NULL, NULL, &state));
  OK(cuLinkAddData_v2(state, CU_JIT_INPUT_PTX, (void *)(uintptr_t)grid, sizeof grid, "grid.ptx", 0, NULL, NULL));
  FAILS(INVALID_PTX, cuLinkComplete(state, &image, &unused)); /* its functions are not there yet */
  for (size_t cut = 1; cut < size; cut += 7) {
    const CUresult result = cuLinkAddData_v2(state, CU_JIT_INPUT_LIBRARY, archive, cut, "cut.a", 0, NULL, NULL);
    CHECK(result == CUDA_ERROR_INVALID_IMAGE || result == CUDA_SUCCESS);
  }
  FAILS(INVALID_IMAGE, cuLinkAddData_v2(state, CU_JIT_INPUT_LIBRARY, (void *)(uintptr_t)grid, sizeof grid, "x.a", 0, NULL, NULL));
  FAILS(INVALID_IMAGE, cuLinkAddData_v2(state, CU_JIT_INPUT_OBJECT, (void *)(uintptr_t)grid, sizeof grid, "x.o", 0, NULL, NULL));
  OK(cuLinkAddData_v2(state, CU_JIT_INPUT_LIBRARY, archive, size, "libcudadevrt.a", 0, NULL, NULL));
  OK(cuLinkComplete(state, &image, NULL));
  OK(cuModuleLoadData(&linked, image));
  OK(cuLinkDestroy(state));
  unsigned got[ALL][4];
  CUdeviceptr out = device(NULL, sizeof got);
  void *parameters[] = {&out};
  OK(cuLaunchCooperativeKernel(function(linked, "k"), BLOCKS, 1, 1, THREADS, 1, 1, 0, NULL, parameters));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  for (unsigned i = 0; i < ALL; i++) CHECK(got[i][0] == 0 && got[i][1] == ALL && got[i][2] == i && got[i][3] == ALL);
  LAUNCH(function(linked, "k"), 1, 1, 0, 0, &out); /* no grid to wait for: the handle is none, and the call says so */
  OK(cuMemcpyDtoH_v2(got, out, sizeof got[0]));
  CHECK(got[0][0] == 1 + 99 && got[0][3] == 99);
  OK(cuModuleUnload(linked));
}

/* A module may go while its kernel runs; many launches keep their order. */
static void order(void) {
  CUmodule passing = NULL;
  OK(cuModuleLoad(&passing, extras));
  CUdeviceptr out = device(NULL, 64 * 4), per_context = 0;
  OK(cuModuleGetGlobal_v2(&per_context, NULL, passing, "per_context"));
  int got[64], last = 0;
  CUstream stream = NULL;
  OK(cuStreamCreate(&stream, 0));
  for (int i = 0; i < 50; i++) LAUNCH(function(passing, "managed"), 1, 1, 0, stream, &out);
  CUdeviceptr copy = device(NULL, 4);
  OK(cuMemcpyDtoDAsync_v2(copy, per_context, 4, stream));
  LAUNCH(function(passing, "bounded"), 1, 64, 0, stream, &out);
  OK(cuModuleUnload(passing));
  OK(cuStreamSynchronize(stream));
  OK(cuMemcpyDtoH_v2(got, out, sizeof got));
  OK(cuMemcpyDtoH_v2(&last, copy, sizeof last));
  CHECK(last == 55 && got[63] == 63);
  OK(cuStreamDestroy_v2(stream));
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  snprintf(basics, sizeof basics, "%s/basics.ptx", argv[1]);
  snprintf(extras, sizeof extras, "%s/extras.ptx", argv[2]);
  snprintf(folder, sizeof folder, "%s", argv[2]);
  CUcontext const context = begin();
  const size_t before = free_memory();
  OK(cuModuleLoad(&module, basics));
  CUmodule more = NULL;
  OK(cuModuleLoad(&more, extras));
  unsigned count = 0;
  OK(cuModuleGetFunctionCount(&count, module));
  CHECK(count > 20);
  vector_add();
  matmul();
  reduce_and_histogram();
  globals();
  struct_params();
  heap_and_recursion();
  far(more);
  shapes(more);
  cooperative(more);
  clusters();
  padded_variable();
  libraries(context);
  images();
  linking();
  archives();
  order();
  OK(cuCtxDestroy_v2(context));
  OK(cuCtxCreate_v2(&(CUcontext){NULL}, 0, 0));
  CHECK(free_memory() == before);
  return 0;
}
