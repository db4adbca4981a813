/* Device memory: what an address means, every copy and memset against the same work on host memory, all the errors. */
#include "check.h"

#define MIB ((size_t)1 << 20)

static void allocations(void) {
  const size_t before = free_memory();
  CUdeviceptr a = 0, b = 0, base = 0;
  size_t size = 0;
  OK(cuMemAlloc_v2(&a, 1000));
  OK(cuMemAlloc_v2(&b, 5 * MIB));
  CHECK(a % 256 == 0 && b % 256 == 0);
  CHECK(a >> 47 == 0 && b >> 47 == 0);
  CHECK(free_memory() == before - 2 * MIB - 6 * MIB);
  OK(cuMemGetAddressRange_v2(&base, &size, a + 999));
  CHECK(base == a && size == 1000);
  FAILS(NOT_FOUND, cuMemGetAddressRange_v2(&base, &size, a + 1000));
  OK(cuMemGetAddressRange_v2(&base, &size, b + 5 * MIB - 1));
  CHECK(base == b && size == 5 * MIB);
  FAILS(INVALID_VALUE, cuMemAlloc_v2(&a, 0));
  FAILS(OUT_OF_MEMORY, cuMemAlloc_v2(&base, (size_t)1 << 40));
  FAILS(OUT_OF_MEMORY, cuMemAlloc_v2(&base, SIZE_MAX));
  FAILS(INVALID_VALUE, cuMemFree_v2(a + 256)); /* not where it begins */
  FAILS(INVALID_VALUE, cuMemFree_v2(12345));
  OK(cuMemFree_v2(0));
  OK(cuMemFree_v2(a));
  FAILS(INVALID_VALUE, cuMemFree_v2(a));
  OK(cuMemFree_v2(b));
  CHECK(free_memory() == before);

  CUdeviceptr pitched = 0;
  size_t pitch = 0;
  OK(cuMemAllocPitch_v2(&pitched, &pitch, 700, 9, 4));
  CHECK(pitch >= 700 && pitch % 512 == 0);
  FAILS(INVALID_VALUE, cuMemAllocPitch_v2(&pitched, &pitch, 700, 9, 3));
  FAILS(INVALID_VALUE, cuMemAllocPitch_v2(&pitched, &pitch, 0, 9, 4));
  OK(cuMemFree_v2(pitched));

  /* Freed without a current context: the owner is known from the address. */
  CUcontext context = NULL;
  OK(cuMemAlloc_v2(&a, 100));
  OK(cuCtxPopCurrent_v2(&context));
  FAILS(INVALID_CONTEXT, cuMemAlloc_v2(&b, 100));
  OK(cuMemFree_v2(a));
  OK(cuCtxPushCurrent_v2(context));
}

static void many(void) {
  enum { COUNT = 100000 };
  static CUdeviceptr address[COUNT];
  const size_t before = free_memory();
  for (size_t i = 0; i < COUNT; i++) {
    OK(cuMemAlloc_v2(&address[i], 64 + i % 1000));
    OK(cuMemsetD32_v2(address[i], (unsigned)i, 16));
  }
  for (size_t i = 0; i < COUNT; i += 7) {
    unsigned values[16];
    OK(cuMemcpyDtoH_v2(values, address[i], sizeof values));
    CHECK(values[0] == i && values[15] == i);
  }
  for (size_t i = 0; i < COUNT; i++) OK(cuMemFree_v2(address[(i * 7919) % COUNT]));
  CHECK(free_memory() == before);
}

static void until_full(void) {
  static CUdeviceptr address[4096];
  size_t count = 0;
  const size_t before = free_memory();
  while (cuMemAlloc_v2(&address[count], 2 * MIB) == CUDA_SUCCESS) count++;
  CHECK(count == before / (2 * MIB));
  CHECK(free_memory() == 0);
  FAILS(OUT_OF_MEMORY, cuMemAlloc_v2(&address[count], 1));
  OK(cuMemFree_v2(address[count / 2]));
  OK(cuMemAlloc_v2(&address[count / 2], 2 * MIB));
  while (count--) OK(cuMemFree_v2(address[count]));
  CHECK(free_memory() == before);
}

static void outside(void) {
  CUdeviceptr a = 0, big = 0;
  uint8_t bytes[64] = {0};
  OK(cuMemAlloc_v2(&a, 1000));
  OK(cuMemAlloc_v2(&big, 3 * MIB));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(a + 1000 - 63, bytes, 64)); /* one byte too far */
  OK(cuMemcpyHtoD_v2(a + 1000 - 64, bytes, 64));
  FAILS(INVALID_VALUE, cuMemcpyDtoH_v2(bytes, big + 3 * MIB - 1, 2));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(big - 1, bytes, 2));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2((CUdeviceptr)(uintptr_t)bytes, bytes, 4)); /* a host pointer is no device pointer */
  FAILS(INVALID_VALUE, cuMemcpyDtoD_v2(a, 0xdead0000, 4));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(~0ull - 8, bytes, 64));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(a, NULL, 4));
  FAILS(INVALID_VALUE, cuMemsetD8_v2(a, 1, 1001));
  FAILS(INVALID_VALUE, cuMemsetD32_v2(a, 1, SIZE_MAX / 2));
  FAILS(INVALID_VALUE, cuMemsetD32_v2(a + 1, 1, 1)); /* not aligned to the element */
  FAILS(INVALID_VALUE, cuMemsetD2D8_v2(a, 500, 1, 400, 3));
  FAILS(INVALID_VALUE, cuMemcpy(a, 0x10, 4)); /* neither device nor host memory */
  OK(cuMemFree_v2(a));
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(a, bytes, 4));
  OK(cuMemFree_v2(big));
}

static void copies(void) {
  enum { SIZE = 5 << 20 }; /* over several frames */
  uint8_t *const in = malloc(SIZE), *const out = malloc(SIZE);
  CUdeviceptr a = 0, b = 0;
  pattern(in, SIZE, 1);
  OK(cuMemAlloc_v2(&a, SIZE));
  OK(cuMemAlloc_v2(&b, SIZE));
  OK(cuMemcpyHtoD_v2(a, in, SIZE));
  OK(cuMemcpyDtoD_v2(b, a, SIZE));
  OK(cuMemcpyDtoH_v2(out, b, SIZE));
  CHECK(!memcmp(in, out, SIZE));
  /* odd offsets and lengths, over the frames' edges */
  OK(cuMemcpyDtoD_v2(b + 3, a + 2 * MIB - 5, 2 * MIB + 11));
  OK(cuMemcpyDtoH_v2(out, b + 3, 2 * MIB + 11));
  CHECK(!memcmp(in + 2 * MIB - 5, out, 2 * MIB + 11));
  OK(cuMemcpy(a + 7, (CUdeviceptr)(uintptr_t)in, 1000)); /* unified: pageable host memory to device */
  OK(cuMemcpy((CUdeviceptr)(uintptr_t)out, a + 7, 1000));
  CHECK(!memcmp(in, out, 1000));
  OK(cuMemcpyHtoD_v2(a, in, 0));

  OK(cuMemsetD8_v2(a, 0x5a, SIZE));
  OK(cuMemsetD16_v2(a + 2, 0x1234, 3));
  OK(cuMemsetD32_v2(a + 8, 0xdeadbeef, 2));
  OK(cuMemcpyDtoH_v2(out, a, 32));
  const uint8_t wanted[] = {0x5a, 0x5a, 0x34, 0x12, 0x34, 0x12, 0x34, 0x12, 0xef, 0xbe, 0xad, 0xde, 0xef, 0xbe, 0xad, 0xde, 0x5a};
  CHECK(!memcmp(out, wanted, sizeof wanted));
  OK(cuMemsetD2D16_v2(a, 64, 0xabcd, 3, 4));
  OK(cuMemcpyDtoH_v2(out, a, 256));
  for (size_t y = 0; y < 4; y++) CHECK(out[y * 64] == 0xcd && out[y * 64 + 5] == 0xab && out[y * 64 + 6] != 0xcd);
  OK(cuMemFree_v2(a));
  OK(cuMemFree_v2(b));
  free(in);
  free(out);
}

static void rectangles(void) {
  enum { WIDTH = 100, HEIGHT = 7, DEPTH = 3, PITCH = 256, ROWS = 9 };
  static uint8_t in[PITCH * ROWS * (DEPTH + 1)], out[sizeof in], wanted[sizeof in];
  CUdeviceptr a = 0;
  pattern(in, sizeof in, 2);
  OK(cuMemAlloc_v2(&a, sizeof in));
  OK(cuMemsetD8_v2(a, 0, sizeof in));
  const CUDA_MEMCPY3D up = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = in, .srcPitch = PITCH, .srcHeight = ROWS, .srcXInBytes = 5, .srcY = 1, .srcZ = 1,
                            .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = a, .dstPitch = PITCH, .dstHeight = ROWS, .dstXInBytes = 11, .dstY = 2,
                            .WidthInBytes = WIDTH, .Height = HEIGHT, .Depth = DEPTH};
  OK(cuMemcpy3D_v2(&up));
  memset(wanted, 0, sizeof wanted);
  for (size_t z = 0; z < DEPTH; z++)
    for (size_t y = 0; y < HEIGHT; y++)
      memcpy(&wanted[(z * ROWS + y + 2) * PITCH + 11], &in[((z + 1) * ROWS + y + 1) * PITCH + 5], WIDTH);
  OK(cuMemcpyDtoH_v2(out, a, sizeof out));
  CHECK(!memcmp(out, wanted, sizeof out));

  CUDA_MEMCPY2D down = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = a, .srcPitch = PITCH, .srcXInBytes = 11, .srcY = 2,
                        .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = out, .dstPitch = WIDTH, .WidthInBytes = WIDTH, .Height = HEIGHT};
  memset(out, 0, sizeof out);
  OK(cuMemcpy2D_v2(&down));
  for (size_t y = 0; y < HEIGHT; y++) CHECK(!memcmp(&out[y * WIDTH], &wanted[(y + 2) * PITCH + 11], WIDTH));
  down.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  down.dstDevice = (CUdeviceptr)(uintptr_t)out;
  OK(cuMemcpy2DUnaligned_v2(&down));
  down.srcPitch = 50; /* less than a row */
  FAILS(INVALID_VALUE, cuMemcpy2D_v2(&down));
  down.srcPitch = PITCH;
  down.Height = ROWS * (DEPTH + 1); /* beyond the allocation */
  FAILS(INVALID_VALUE, cuMemcpy2D_v2(&down));
  down.Height = SIZE_MAX / 2;
  FAILS(INVALID_VALUE, cuMemcpy2D_v2(&down));
  down.Height = 1;
  down.srcMemoryType = 9;
  FAILS(INVALID_VALUE, cuMemcpy2D_v2(&down));
  FAILS(INVALID_VALUE, cuMemcpy2D_v2(NULL));
  OK(cuMemFree_v2(a));
}

static void arrays(void) {
  enum { WIDTH = 33, HEIGHT = 17, DEPTH = 5 };
  static float in[WIDTH * HEIGHT * DEPTH], out[WIDTH * HEIGHT * DEPTH];
  const size_t before = free_memory();
  CUarray array = NULL;
  pattern((uint8_t *)in, sizeof in, 3);
  const CUDA_ARRAY3D_DESCRIPTOR d = {.Width = WIDTH, .Height = HEIGHT, .Depth = DEPTH, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
  OK(cuArray3DCreate_v2(&array, &d));
  CHECK(free_memory() < before); /* arrays are device memory too */
  CUDA_ARRAY3D_DESCRIPTOR told;
  OK(cuArray3DGetDescriptor_v2(&told, array));
  CHECK(told.Width == WIDTH && told.Depth == DEPTH && told.Format == CU_AD_FORMAT_FLOAT);
  const CUDA_MEMCPY3D up = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = in, .srcPitch = WIDTH * 4, .srcHeight = HEIGHT,
                            .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array, .WidthInBytes = WIDTH * 4, .Height = HEIGHT, .Depth = DEPTH};
  OK(cuMemcpy3D_v2(&up));
  CUDA_MEMCPY3D down = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .srcZ = 2, .srcY = 3, .srcXInBytes = 8,
                        .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = out, .dstPitch = WIDTH * 4, .dstHeight = HEIGHT,
                        .WidthInBytes = 16, .Height = 2, .Depth = 2};
  OK(cuMemcpy3D_v2(&down));
  CHECK(!memcmp(&out[WIDTH], &in[(2 * HEIGHT + 4) * WIDTH + 2], 16));
  CHECK(!memcmp(&out[HEIGHT * WIDTH], &in[(3 * HEIGHT + 3) * WIDTH + 2], 16));
  down.srcXInBytes = WIDTH * 4 - 12;
  FAILS(INVALID_VALUE, cuMemcpy3D_v2(&down));
  OK(cuArrayDestroy(array));
  FAILS(INVALID_HANDLE, cuArrayDestroy(array));
  FAILS(INVALID_HANDLE, cuMemcpy3D_v2(&up));
  CHECK(free_memory() == before);

  const CUDA_ARRAY_DESCRIPTOR line = {.Width = 64, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 4};
  OK(cuArrayCreate_v2(&array, &line));
  OK(cuMemcpyHtoA_v2(array, 8, in, 100));
  OK(cuMemcpyAtoH_v2(out, array, 8, 100));
  CHECK(!memcmp(in, out, 100));
  FAILS(INVALID_VALUE, cuMemcpyHtoA_v2(array, 200, in, 100));
  FAILS(INVALID_HANDLE, cuMemcpyHtoA_v2(NULL, 0, in, 4));
  OK(cuArrayDestroy(array));
  CUDA_ARRAY3D_DESCRIPTOR bad = d;
  bad.NumChannels = 3;
  FAILS(INVALID_VALUE, cuArray3DCreate_v2(&array, &bad));
  bad = d;
  bad.Width = 0;
  FAILS(INVALID_VALUE, cuArray3DCreate_v2(&array, &bad));

  CUmipmappedArray mipmap = NULL;
  OK(cuMipmappedArrayCreate(&mipmap, &d, 3));
  OK(cuMipmappedArrayGetLevel(&array, mipmap, 2));
  OK(cuArray3DGetDescriptor_v2(&told, array));
  CHECK(told.Width == WIDTH / 4 && told.Height == HEIGHT / 4 && told.Depth == DEPTH / 4);
  FAILS(INVALID_VALUE, cuMipmappedArrayGetLevel(&array, mipmap, 3));
  FAILS(INVALID_HANDLE, cuArrayDestroy(array)); /* a level is not an array of its own */
  OK(cuMipmappedArrayDestroy(mipmap));
  FAILS(INVALID_HANDLE, cuArray3DGetDescriptor_v2(&told, array));
  CHECK(free_memory() == before);
}

static void host_memory(void) {
  void *pinned = NULL;
  CUdeviceptr device = 0, managed = 0;
  unsigned flags = 0;
  OK(cuMemHostAlloc(&pinned, 10000, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP));
  OK(cuMemHostGetDevicePointer_v2(&device, pinned, 0));
  CHECK(device == (CUdeviceptr)(uintptr_t)pinned);
  OK(cuMemHostGetFlags(&flags, pinned));
  CHECK(flags & CU_MEMHOSTALLOC_PORTABLE);
  OK(cuMemsetD8_v2(device + 5, 0x77, 10)); /* the GPU writes host memory */
  CHECK(((uint8_t *)pinned)[5] == 0x77 && ((uint8_t *)pinned)[15] == 0);
  FAILS(INVALID_VALUE, cuMemsetD8_v2(device, 1, 10001));
  OK(cuMemFreeHost(pinned));
  FAILS(INVALID_VALUE, cuMemFreeHost(pinned));
  FAILS(INVALID_VALUE, cuMemsetD8_v2(device, 1, 1));

  static uint8_t own[100000];
  OK(cuMemHostRegister_v2(own, sizeof own, 0));
  FAILS(HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(own + 100, 10, 0));
  OK(cuMemsetD8_v2((CUdeviceptr)(uintptr_t)own, 9, sizeof own));
  CHECK(own[99999] == 9);
  OK(cuMemHostUnregister(own));
  FAILS(HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(own));
  FAILS(INVALID_VALUE, cuMemHostRegister_v2((void *)0x1000, 4096, 0)); /* nothing there */

  OK(cuMemAllocManaged(&managed, 1 << 16, CU_MEM_ATTACH_GLOBAL));
  memset((void *)(uintptr_t)managed, 0x11, 1 << 16);
  OK(cuMemsetD8_v2(managed + 100, 0x22, 100));
  CHECK(((uint8_t *)(uintptr_t)managed)[99] == 0x11 && ((uint8_t *)(uintptr_t)managed)[100] == 0x22);
  OK(cuMemAdvise(managed, 1 << 16, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, 0));
  int preferred = -1;
  OK(cuMemRangeGetAttribute(&preferred, sizeof preferred, CU_MEM_RANGE_ATTRIBUTE_PREFERRED_LOCATION, managed, 1 << 16));
  CHECK(preferred == 0);
  OK(cuMemPrefetchAsync(managed, 1 << 16, CU_DEVICE_CPU, 0));
  FAILS(INVALID_VALUE, cuMemPrefetchAsync(managed, 1 << 17, CU_DEVICE_CPU, 0));
  FAILS(INVALID_DEVICE, cuMemPrefetchAsync(managed, 1 << 16, 5, 0));
  CUmemLocation to_host = {.type = CU_MEM_LOCATION_TYPE_HOST};
  size_t bytes = 4096, from = 0;
  int last = 9;
  OK(cuMemPrefetchBatchAsync(&managed, &bytes, 1, &to_host, &from, 1, 0, 0));
  OK(cuMemRangeGetAttribute(&last, sizeof last, CU_MEM_RANGE_ATTRIBUTE_LAST_PREFETCH_LOCATION, managed, 4096));
  CHECK(last == CU_DEVICE_CPU);
  from = 1;
  FAILS(INVALID_VALUE, cuMemPrefetchBatchAsync(&managed, &bytes, 1, &to_host, &from, 1, 0, 0));
  OK(cuMemDiscardBatchAsync(&managed, &bytes, 1, 0, 0));
  OK(cuMemFree_v2(managed));
  FAILS(INVALID_VALUE, cuMemFree_v2(managed));
}

static void pointers(void) {
  CUcontext context = NULL, told = NULL;
  CUdeviceptr a = 0, start = 0;
  OK(cuCtxGetCurrent(&context));
  OK(cuMemAlloc_v2(&a, 1000));
  unsigned type = 0, managed = 7;
  int ordinal = -9;
  unsigned long long id = 0, other = 0;
  OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, a + 10));
  CHECK(type == CU_MEMORYTYPE_DEVICE);
  OK(cuPointerGetAttribute(&told, CU_POINTER_ATTRIBUTE_CONTEXT, a));
  CHECK(told == context);
  OK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, a + 10));
  CHECK(start == a);
  OK(cuPointerGetAttribute(&id, CU_POINTER_ATTRIBUTE_BUFFER_ID, a));
  OK(cuMemFree_v2(a));
  OK(cuMemAlloc_v2(&a, 1000));
  OK(cuPointerGetAttribute(&other, CU_POINTER_ATTRIBUTE_BUFFER_ID, a));
  CHECK(id != other); /* the same address, another allocation */
  FAILS(INVALID_VALUE, cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)(uintptr_t)&type));
  CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
  void *values[] = {&type, &managed, &ordinal};
  OK(cuPointerGetAttributes(3, names, values, (CUdeviceptr)(uintptr_t)&type));
  CHECK(type == 0 && managed == 0 && ordinal == -2);
  OK(cuPointerGetAttributes(3, names, values, a));
  CHECK(type == CU_MEMORYTYPE_DEVICE && ordinal == 0);
  OK(cuMemFree_v2(a));
}

static void batches(void) {
  CUstream stream = NULL;
  CUdeviceptr a = 0;
  uint8_t in[300], out[300];
  pattern(in, sizeof in, 4);
  OK(cuStreamCreate(&stream, 0));
  OK(cuMemAlloc_v2(&a, 300));
  CUmemcpyAttributes how = {.srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM};
  size_t first = 0, sizes[] = {100, 200}, failed = 9;
  CUdeviceptr targets[] = {a, a + 100}, sources[] = {(CUdeviceptr)(uintptr_t)in, (CUdeviceptr)(uintptr_t)in + 100};
  OK(cuMemcpyBatchAsync(targets, sources, sizes, 2, &how, &first, 1, &failed, stream));
  OK(cuMemcpyDtoH_v2(out, a, 300));
  CHECK(!memcmp(in, out, 300));
  sizes[1] = 201;
  FAILS(INVALID_VALUE, cuMemcpyBatchAsync(targets, sources, sizes, 2, &how, &first, 1, &failed, stream));
  CHECK(failed == 1);
  OK(cuMemFree_v2(a));
  OK(cuStreamDestroy_v2(stream));
}

static void contexts(void) {
  /* A context's memory goes with it; other contexts' stays. */
  CUcontext outer = NULL, inner = NULL;
  CUdeviceptr kept = 0, gone = 0;
  OK(cuCtxGetCurrent(&outer));
  OK(cuMemAlloc_v2(&kept, 3 * MIB));
  const size_t before = free_memory();
  OK(cuCtxCreate_v2(&inner, 0, 0));
  OK(cuMemAlloc_v2(&gone, 7 * MIB));
  for (int i = 0; i < 100; i++) OK(cuMemAlloc_v2(&gone, 700));
  OK(cuCtxDestroy_v2(inner));
  CHECK(free_memory() == before);
  OK(cuMemsetD8_v2(kept, 1, 3 * MIB));
  FAILS(INVALID_VALUE, cuMemFree_v2(gone));
  OK(cuMemFree_v2(kept));

  CUcontext primary = NULL, again = NULL;
  unsigned flags = 9;
  int active = 9;
  OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  CHECK(active == 0);
  OK(cuDevicePrimaryCtxRetain(&primary, 0));
  OK(cuCtxPushCurrent_v2(primary));
  OK(cuMemAlloc_v2(&gone, 100));
  OK(cuDevicePrimaryCtxReset_v2(0));
  FAILS(CONTEXT_IS_DESTROYED, cuMemAlloc_v2(&gone, 100));
  OK(cuDevicePrimaryCtxRetain(&again, 0));
  CHECK(again == primary); /* one handle for the process's life */
  OK(cuMemAlloc_v2(&gone, 100));
  OK(cuDevicePrimaryCtxRelease_v2(0));
  OK(cuDevicePrimaryCtxRelease_v2(0));
  FAILS(INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(0));
  OK(cuCtxPopCurrent_v2(&again));
  OK(cuCtxGetCurrent(&again));
  CHECK(again == outer);
}

int main(void) {
  begin();
  allocations();
  many();
  until_full();
  outside();
  copies();
  rectangles();
  arrays();
  host_memory();
  pointers();
  batches();
  contexts();
  return 0;
}
