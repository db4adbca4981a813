/* Handles that are freed, of another kind, or random: the documented error, never a crash. Before cuInit and after fork. */
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

#include "check.h"

static void before_init(void) {
  int version = 0;
  CUdevice device = 0;
  CUdeviceptr a = 0;
  void *function = NULL;
  OK(cuDriverGetVersion(&version));
  CHECK(version == 13000);
  FAILS(NOT_INITIALIZED, cuDeviceGet(&device, 0));
  FAILS(NOT_INITIALIZED, cuMemAlloc_v2(&a, 10));
  FAILS(NOT_INITIALIZED, cuStreamQuery(NULL));
  FAILS(NOT_INITIALIZED, cuCtxSynchronize());
  OK(cuGetProcAddress_v2("cuInit", &function, 13000, 0, NULL));
  CHECK(function == (void *)(uintptr_t)cuInit);
  FAILS(INVALID_VALUE, cuInit(1));
}

static void try_all(CUcontext context, uint64_t number) {
  const CUstream stream = (CUstream)(uintptr_t)number;
  const CUevent event = (CUevent)(uintptr_t)number;
  unsigned version = 0;
  float ms = 0;
  size_t bytes = 0;
  CUdeviceptr a = 0;
  CUDA_ARRAY_DESCRIPTOR descriptor;
  FAILS(INVALID_HANDLE, cuStreamQuery(stream));
  FAILS(INVALID_HANDLE, cuStreamDestroy_v2(stream));
  FAILS(INVALID_HANDLE, cuStreamSynchronize(stream));
  FAILS(INVALID_HANDLE, cuMemsetD8Async(1, 0, 1, stream));
  FAILS(INVALID_HANDLE, cuEventQuery(event));
  FAILS(INVALID_HANDLE, cuEventRecord(event, 0));
  FAILS(INVALID_HANDLE, cuEventDestroy_v2(event));
  FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, event, event));
  FAILS(INVALID_HANDLE, cuStreamWaitEvent(0, event, 0));
  FAILS(INVALID_HANDLE, cuArrayDestroy((CUarray)(uintptr_t)number));
  FAILS(INVALID_HANDLE, cuArrayGetDescriptor_v2(&descriptor, (CUarray)(uintptr_t)number));
  FAILS(INVALID_HANDLE, cuMipmappedArrayDestroy((CUmipmappedArray)(uintptr_t)number));
  FAILS(INVALID_VALUE, cuMemRelease(number));
  FAILS(INVALID_VALUE, cuMemPoolDestroy((CUmemoryPool)(uintptr_t)number));
  FAILS(INVALID_VALUE, cuMemFree_v2(number));
  FAILS(INVALID_VALUE, cuMemAllocFromPoolAsync(&a, 8, (CUmemoryPool)(uintptr_t)number, 0));
  if ((CUcontext)(uintptr_t)number != context) {
    const CUresult pushed = cuCtxPushCurrent_v2((CUcontext)(uintptr_t)number);
    CHECK(pushed == CUDA_ERROR_INVALID_CONTEXT || pushed == CUDA_ERROR_CONTEXT_IS_DESTROYED);
    CHECK(cuCtxGetApiVersion((CUcontext)(uintptr_t)number, &version) != CUDA_SUCCESS);
    CHECK(cuCtxDestroy_v2((CUcontext)(uintptr_t)number) != CUDA_SUCCESS);
  }
  OK(cuMemGetInfo_v2(&bytes, &bytes));
}

/* More events than lie together in one piece of memory: each is its own, and none is found once it is gone. */
static void many_events(void) {
  enum { MANY = 70000 };
  static CUevent events[MANY];
  CUstream stream = NULL;
  OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < MANY; i++) OK(cuEventCreate(&events[i], i % 3 ? CU_EVENT_DISABLE_TIMING : 0));
    for (int i = 0; i < MANY; i += 7) OK(cuEventRecord(events[i], stream));
    for (int i = 0; i < MANY; i++) OK(cuEventQuery(events[i]));
    float ms = 0;
    OK(cuEventElapsedTime(&ms, events[0], events[MANY / 21 * 21 - 21]));
    FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, events[0], events[3])); /* never recorded */
    FAILS(INVALID_HANDLE, cuEventElapsedTime(&ms, events[0], events[7])); /* without timing */
    for (int i = 0; i < MANY; i++) OK(cuEventDestroy_v2(events[i]));
    for (int i = 0; i < MANY; i++) FAILS(INVALID_HANDLE, cuEventQuery(events[i]));
  }
  OK(cuStreamDestroy_v2(stream));
}

static void wrong_handles(CUcontext context) {
  CUstream stream = NULL;
  CUevent event = NULL;
  CUcontext other = NULL;
  uint64_t state = 88172645463325252ull;
  for (int i = 0; i < 20000; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    try_all(context, (state >> (state % 50)) | 16);
  }
  try_all(context, (uint64_t)(uintptr_t)context);
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&event, 0));
  FAILS(INVALID_HANDLE, cuEventQuery((CUevent)stream));
  FAILS(INVALID_HANDLE, cuStreamQuery((CUstream)event));
  OK(cuStreamDestroy_v2(stream));
  OK(cuEventDestroy_v2(event));
  try_all(context, (uint64_t)(uintptr_t)stream);
  try_all(context, (uint64_t)(uintptr_t)event);
  OK(cuCtxCreate_v2(&other, 0, 0));
  OK(cuStreamCreate(&stream, 0));
  OK(cuEventCreate(&event, 0));
  OK(cuCtxDestroy_v2(other));
  FAILS(INVALID_CONTEXT, cuCtxPushCurrent_v2(other));
  try_all(context, (uint64_t)(uintptr_t)stream); /* they died with their context */
  try_all(context, (uint64_t)(uintptr_t)event);
  /* A handle is not given out again when its object is. */
  CUstream later[300];
  for (int i = 0; i < 300; i++) {
    OK(cuStreamCreate(&later[i], 0));
    CHECK(later[i] != stream);
  }
  for (int i = 0; i < 300; i++) OK(cuStreamDestroy_v2(later[i]));
}

static void *destroy_it(void *context) {
  OK(cuCtxDestroy_v2(context));
  return NULL;
}

static void destroyed_elsewhere(void) {
  CUcontext context = NULL, popped = NULL;
  CUdeviceptr a = 0;
  pthread_t thread;
  OK(cuCtxCreate_v2(&context, 0, 0));
  CHECK(!pthread_create(&thread, NULL, destroy_it, context));
  pthread_join(thread, NULL);
  FAILS(CONTEXT_IS_DESTROYED, cuMemAlloc_v2(&a, 10));
  OK(cuCtxPopCurrent_v2(&popped));
  CHECK(popped == context);
}

static void after_fork(void) {
  CUdeviceptr a = 0;
  OK(cuMemAlloc_v2(&a, 1000));
  const pid_t child = fork();
  if (child == 0) {
    size_t bytes = 0;
    CUdeviceptr b = 0;
    FAILS(NOT_INITIALIZED, cuMemAlloc_v2(&b, 1000));
    FAILS(NOT_INITIALIZED, cuMemFree_v2(a));
    FAILS(NOT_INITIALIZED, cuInit(0));
    FAILS(NOT_INITIALIZED, cuMemGetInfo_v2(&bytes, &bytes));
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(cuMemsetD8_v2(a, 1, 1000)); /* the parent never notices */
  OK(cuMemFree_v2(a));
}

static void limits_and_flags(void) {
  size_t value = 0;
  unsigned flags = 9;
  int attribute = 0;
  OK(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
  OK(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE));
  CHECK(value == 4096);
  FAILS(INVALID_VALUE, cuCtxGetLimit(&value, 99));
  OK(cuCtxGetFlags(&flags));
  CHECK(flags == 0);
  OK(cuCtxSetFlags(CU_CTX_SCHED_BLOCKING_SYNC));
  OK(cuCtxGetFlags(&flags));
  CHECK(flags == CU_CTX_SCHED_BLOCKING_SYNC);
  FAILS(INVALID_VALUE, cuCtxSetFlags(0x1000));
  FAILS(INVALID_VALUE, cuCtxSetFlags(3));
  for (int id = 1; id < CU_DEVICE_ATTRIBUTE_MAX; id++) OK(cuDeviceGetAttribute(&attribute, id, 0));
  FAILS(INVALID_VALUE, cuDeviceGetAttribute(&attribute, CU_DEVICE_ATTRIBUTE_MAX, 0));
  FAILS(INVALID_VALUE, cuDeviceGetAttribute(&attribute, 0, 0));
  FAILS(INVALID_DEVICE, cuDeviceGetAttribute(&attribute, 1, 1));
  FAILS(INVALID_DEVICE, cuDeviceGetAttribute(&attribute, 1, -1));
  CUdevice device = 9;
  char bus[20] = "";
  OK(cuDeviceGetPCIBusId(bus, sizeof bus, 0));
  OK(cuDeviceGetByPCIBusId(&device, bus));
  CHECK(device == 0);
  FAILS(INVALID_VALUE, cuDeviceGetByPCIBusId(&device, "nonsense"));
  FAILS(INVALID_DEVICE, cuDeviceGetByPCIBusId(&device, "0000:77:00.0"));
}

static void lookups(void) {
  void *function = NULL;
  CUdriverProcAddressQueryResult status = 9;
  OK(cuGetProcAddress_v2("cuMemAlloc", &function, 13000, 0, &status));
  CHECK(function == (void *)(uintptr_t)cuMemAlloc_v2 && status == CU_GET_PROC_ADDRESS_SUCCESS);
  OK(cuGetProcAddress_v2("cuCtxGetDevice", &function, 2000, 0, &status));
  CHECK(function == (void *)(uintptr_t)cuCtxGetDevice);
  OK(cuGetProcAddress_v2("cuCtxGetDevice", &function, 13000, 0, &status));
  CHECK(function != (void *)(uintptr_t)cuCtxGetDevice && function != dlsym(RTLD_DEFAULT, "cuCtxGetDevice_v2"));
  /* Programs that try _v2 first call it with one argument too few: what is no context there is the current one. */
  CUresult (*const strict)(CUdevice *, CUcontext) = (CUresult (*)(CUdevice *, CUcontext))(uintptr_t)function;
  CUresult (*const probed)(CUdevice *, CUcontext) = (CUresult (*)(CUdevice *, CUcontext))(uintptr_t)dlsym(RTLD_DEFAULT, "cuCtxGetDevice_v2");
  CUresult (*const waiting)(CUcontext) = (CUresult (*)(CUcontext))(uintptr_t)dlsym(RTLD_DEFAULT, "cuCtxSynchronize_v2");
  CUcontext const none = (CUcontext)(uintptr_t)0x12345670;
  CUdevice of = 7;
  FAILS(INVALID_CONTEXT, strict(&of, none));
  CHECK(of == 7);
  OK(probed(&of, none));
  CHECK(of == 0);
  OK(waiting(none));
  OK(cuGetProcAddress_v2("cuMemcpyHtoD", &function, 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, &status));
  CHECK(function == (void *)(uintptr_t)cuMemcpyHtoD_v2_ptds);
  OK(cuGetProcAddress("cuEventQuery", &function, 13000, CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM)); /* has no twin */
  CHECK(function == (void *)(uintptr_t)cuEventQuery);
  OK(cuGetProcAddress_v2("cuMemAllocAsync", &function, 11010, 0, &status));
  CHECK(!function && status == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
  OK(cuGetProcAddress_v2("cuNoSuchThing", &function, 13000, 0, &status));
  CHECK(!function && status == CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  OK(cuGetProcAddress_v2("", &function, 0, 0, &status));
  FAILS(NOT_SUPPORTED, cuGraphAddExternalSemaphoresSignalNode(NULL, NULL, NULL, 0, NULL)); /* there are no semaphores to import */
}

int main(void) {
  before_init();
  const CUcontext context = begin();
  wrong_handles(context);
  many_events();
  destroyed_elsewhere();
  limits_and_flags();
  lookups();
  after_fork();
  return 0;
}
