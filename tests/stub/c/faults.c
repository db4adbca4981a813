/* Faults on order. The orders are in the environment; the first argument says which are to be expected. */
#include <sys/syscall.h>

#include "check.h"

static void nth_call(void) { /* cuMemAlloc@3=2,cuStreamCreate@2+=CUDA_ERROR_NOT_PERMITTED */
  CUdeviceptr a = 0;
  CUstream stream = NULL;
  begin();
  OK(cuMemAlloc_v2(&a, 10));
  OK(cuMemAlloc_v2(&a, 10));
  FAILS(OUT_OF_MEMORY, cuMemAlloc_v2(&a, 10));
  OK(cuMemAlloc_v2(&a, 10)); /* once, and nothing sticks */
  OK(cuStreamCreate(&stream, 0));
  FAILS(NOT_PERMITTED, cuStreamCreate(&stream, 0));
  FAILS(NOT_PERMITTED, cuStreamCreate(&stream, 0));
}

static CUresult heard = CUDA_SUCCESS;
static int gate;

static void wait_at_gate(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&gate, __ATOMIC_ACQUIRE)) usleep(100);
}

static void hear(CUstream stream, CUresult status, void *data) {
  (void)stream, (void)data;
  heard = status;
}

static void illegal_address(void) { /* op@3=illegal-address */
  CUdeviceptr a = 0;
  CUstream stream = NULL;
  CUevent event = NULL;
  CUcontext context = begin(), other = NULL;
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&event, 0));
  OK(cuMemAlloc_v2(&a, 1 << 20));
  OK(cuMemsetD8Async(a, 1, 1 << 20, stream));
  OK(cuMemsetD8Async(a, 2, 1 << 20, stream));
  OK(cuStreamSynchronize(stream));
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL));
  OK(cuMemsetD8Async(a, 3, 1 << 20, stream)); /* fails later */
  OK(cuStreamAddCallback(stream, hear, NULL, 0));
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  FAILS(ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
  CHECK(heard == CUDA_ERROR_ILLEGAL_ADDRESS);
  FAILS(ILLEGAL_ADDRESS, cuMemAlloc_v2(&a, 10)); /* and sticks */
  FAILS(ILLEGAL_ADDRESS, cuCtxSynchronize());
  FAILS(ILLEGAL_ADDRESS, cuEventQuery(event));
  FAILS(ILLEGAL_ADDRESS, cuStreamQuery(stream));
  OK(cuCtxCreate_v2(&other, 0, 0)); /* another context is not harmed */
  OK(cuMemAlloc_v2(&a, 10));
  OK(cuMemsetD8_v2(a, 1, 10));
  OK(cuCtxDestroy_v2(other));
  OK(cuCtxDestroy_v2(context)); /* the cure */
  OK(cuCtxCreate_v2(&context, 0, 0));
  OK(cuMemAlloc_v2(&a, 10));
}

static void whole_process(void) { /* op@2=illegal-address, FAULT_SCOPE=process */
  CUdeviceptr a = 0, b = 0;
  CUcontext context = NULL, other = NULL, third = NULL;
  OK(cuInit(0));
  OK(cuCtxCreate_v2(&context, 0, 0));
  OK(cuMemAlloc_v2(&a, 10));
  OK(cuCtxCreate_v2(&other, 0, 0));
  OK(cuMemAlloc_v2(&b, 10));
  OK(cuMemsetD8_v2(b, 1, 10));
  FAILS(ILLEGAL_ADDRESS, cuMemsetD8_v2(b, 1, 10));
  OK(cuCtxDestroy_v2(other)); /* no cure */
  FAILS(ILLEGAL_ADDRESS, cuCtxCreate_v2(&third, 0, 0));
  FAILS(ILLEGAL_ADDRESS, cuDevicePrimaryCtxRetain(&third, 0));
  OK(cuCtxSetCurrent(context));
  FAILS(ILLEGAL_ADDRESS, cuMemsetD8_v2(a, 1, 10));
  FAILS(ILLEGAL_ADDRESS, cuStreamQuery(NULL));
  OK(cuCtxDestroy_v2(context));
}

static int told;

/* The library's lines go out by this, and the one that says which context is poisoned takes its time. */
ssize_t write(int file, const void *bytes, size_t length) {
  if (memmem(bytes, length, "poisoned", 8) == NULL) return syscall(SYS_write, file, bytes, length);
  usleep(200000);
  const ssize_t written = syscall(SYS_write, file, bytes, length);
  __atomic_store_n(&told, 1, __ATOMIC_RELEASE);
  return written;
}

static void told_first(void) { /* op@1=illegal-address, LOG=error: no call fails before the line that says why is out */
  CUdeviceptr a = 0;
  CUstream stream = NULL;
  begin();
  OK(cuStreamCreate(&stream, 0));
  OK(cuMemAlloc_v2(&a, 1 << 20));
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL));
  OK(cuMemsetD8Async(a, 3, 1 << 20, stream));
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  CUresult result = CUDA_ERROR_NOT_READY;
  while (result == CUDA_ERROR_NOT_READY) result = cuStreamQuery(stream);
  CHECK(result == CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(__atomic_load_n(&told, __ATOMIC_ACQUIRE));
}

static void lost(void) { /* op@2=device-lost */
  CUdeviceptr a = 0;
  CUcontext context = begin(), other = NULL;
  OK(cuMemAlloc_v2(&a, 10));
  OK(cuMemsetD8_v2(a, 1, 10));
  FAILS(DEVICE_UNAVAILABLE, cuMemsetD8_v2(a, 1, 10));
  FAILS(DEVICE_UNAVAILABLE, cuCtxSynchronize());
  FAILS(DEVICE_UNAVAILABLE, cuCtxCreate_v2(&other, 0, 0));
  OK(cuCtxDestroy_v2(context));
  FAILS(DEVICE_UNAVAILABLE, cuCtxCreate_v2(&other, 0, 0)); /* for good */
  FAILS(DEVICE_UNAVAILABLE, cuDevicePrimaryCtxRetain(&other, 0));
}

static void slow(void) { /* COPY_BANDWIDTH=10Mi, COPY_LATENCY=1ms: 1 MiB takes 100 ms */
  CUdeviceptr a = 0;
  CUstream stream = NULL;
  CUevent start = NULL, end = NULL;
  void *pinned = NULL;
  float ms = 0;
  begin();
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&start, 0));
  OK(cuEventCreate(&end, 0));
  OK(cuMemAlloc_v2(&a, 1 << 20));
  OK(cuMemHostAlloc(&pinned, 1 << 20, 0));
  OK(cuLaunchHostFunc(stream, wait_at_gate, NULL)); /* so that the question comes before the copy's end, whenever it comes */
  OK(cuEventRecord(start, stream));
  OK(cuMemcpyHtoDAsync_v2(a, pinned, 1 << 20, stream));
  OK(cuEventRecord(end, stream));
  FAILS(NOT_READY, cuStreamQuery(stream));
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  OK(cuEventSynchronize(end));
  OK(cuEventElapsedTime(&ms, start, end));
  CHECK(ms >= 100);
}

static void no_device(void) {
  int count = 9;
  FAILS(NO_DEVICE, cuInit(0));
  FAILS(NOT_INITIALIZED, cuDeviceGetCount(&count));
}

static void init_fails(void) { /* cuInit@1=999 */
  FAILS(UNKNOWN, cuInit(0));
}

static void three_devices(void) { /* DEVICES=3, MEMORY=16Mi, NAME */
  int count = 0, peers = 0;
  char name[100];
  CUuuid one, two;
  CUcontext first = NULL, second = NULL;
  CUdeviceptr a = 0, b = 0;
  size_t free = 0, total = 0;
  OK(cuInit(0));
  OK(cuDeviceGetCount(&count));
  CHECK(count == 3);
  OK(cuDeviceGetName(name, sizeof name, 2));
  CHECK(!strcmp(name, "Card of tests"));
  OK(cuDeviceGetUuid_v2(&one, 0));
  OK(cuDeviceGetUuid(&two, 1));
  CHECK(memcmp(&one, &two, sizeof one));
  OK(cuDeviceCanAccessPeer(&peers, 0, 1));
  CHECK(peers);
  OK(cuCtxCreate_v2(&first, 0, 0));
  OK(cuMemAlloc_v2(&a, 10 << 20));
  OK(cuMemsetD8_v2(a, 7, 10 << 20));
  OK(cuCtxCreate_v2(&second, 0, 2));
  OK(cuMemGetInfo_v2(&free, &total));
  CHECK(free == 16 << 20 && total == 16 << 20); /* each its own memory */
  OK(cuMemAlloc_v2(&b, 10 << 20));
  OK(cuCtxEnablePeerAccess(first, 0));
  FAILS(PEER_ACCESS_ALREADY_ENABLED, cuCtxEnablePeerAccess(first, 0));
  OK(cuMemcpyPeer(b, second, a, first, 10 << 20));
  uint8_t byte = 0;
  OK(cuMemcpyDtoH_v2(&byte, b + (10 << 20) - 1, 1));
  CHECK(byte == 7);
  int device = 9;
  OK(cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, b));
  CHECK(device == 2);
}

/* CUDA_MODULE_LOADING: how much of its code a program of the runtime loads when it starts. */
static CUmoduleLoadingMode loading(void) {
  CUmoduleLoadingMode mode = 0;
  OK(cuInit(0));
  OK(cuModuleGetLoadingMode(&mode));
  return mode;
}
static void lazily(void) { CHECK(loading() == CU_MODULE_LAZY_LOADING); }
static void eagerly(void) { CHECK(loading() == CU_MODULE_EAGER_LOADING); }

static void complain(void) { /* LOG=error: the message is the test's to read */
  CUdeviceptr a = 0;
  uint8_t bytes[64] = {0};
  begin();
  OK(cuMemAlloc_v2(&a, 1000));
  printf("%llx\n", a);
  FAILS(INVALID_VALUE, cuMemcpyHtoD_v2(a + 990, bytes, 64));
  FAILS(INVALID_VALUE, cuMemsetD8_v2(a + 5000, 1, 8));
}

static void nonsense(void) { /* some setting that is none */
  FAILS(INVALID_VALUE, cuInit(0));
  FAILS(INVALID_VALUE, cuInit(0));
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    void (*run)(void);
  } cases[] = {{"nth-call", nth_call}, {"illegal-address", illegal_address}, {"told-first", told_first}, {"whole-process", whole_process}, {"lost", lost}, {"slow", slow}, {"no-device", no_device},
               {"init", init_fails},   {"devices", three_devices},           {"complain", complain}, {"nonsense", nonsense},
               {"lazily", lazily},     {"eagerly", eagerly}};
  CHECK(argc == 2);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    if (!strcmp(argv[1], cases[i].name)) {
      cases[i].run();
      return 0;
    }
  fprintf(stderr, "no case %s\n", argv[1]);
  return 2;
}
