// driver_runtime.h - the part of the CUDA runtime API that tests/cuda/programs use, on the driver API, for machines without nvcc.
//
// Not a runtime for others: it has just what those programs call, and calls the driver where libcudart was seen to (the primary
// context, made current lazily in each thread; a library loaded without a context; kernels launched as CUkernel). A kernel or
// a `__device__` variable is known by the symbol of its stand-in in the host program, which has the name it has in PTX.
#ifndef DRIVER_RUNTIME_H
#define DRIVER_RUNTIME_H

#include <dlfcn.h>

#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#define _Alignas alignas
#include "cuda.h"
#undef _Alignas

// Compiled for the host only: variables of device code have a stand-in here, functions of both are the host's.
#define __host__
#define __device__ __attribute__((used))
#define __constant__ __attribute__((used))
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))

// ---- types and names: the numbers are the driver's, where it has one ----

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9, // the runtime's own
    cudaErrorInvalidPitchValue = 12,
    cudaErrorInvalidSymbol = 13,
    cudaErrorInvalidMemcpyDirection = 21,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorLaunchOutOfResources = 701,
    cudaErrorHostMemoryAlreadyRegistered = 712,
    cudaErrorHostMemoryNotRegistered = 713,
    cudaErrorAssert = 710,
    cudaErrorMisalignedAddress = 716,
    cudaErrorLaunchFailure = 719,
    cudaErrorCooperativeLaunchTooLarge = 720,
    cudaErrorNotPermitted = 800,
    cudaErrorNotSupported = 801,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
    cudaErrorStreamCaptureImplicit = 906,
    cudaErrorGraphExecUpdateFailure = 910,
};

enum cudaMemcpyKind { cudaMemcpyHostToHost, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice, cudaMemcpyDefault };
enum cudaMemoryType { cudaMemoryTypeUnregistered, cudaMemoryTypeHost, cudaMemoryTypeDevice, cudaMemoryTypeManaged };
enum cudaDeviceAttr {
    cudaDevAttrMaxThreadsPerBlock = 1, cudaDevAttrMaxSharedMemoryPerBlock = 8, cudaDevAttrMultiProcessorCount = 16, cudaDevAttrCooperativeLaunch = 95,
    cudaDevAttrConcurrentManagedAccess = 89, cudaDevAttrMaxSharedMemoryPerBlockOptin = 97, cudaDevAttrComputeCapabilityMajor = 75,
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8, cudaFuncAttributePreferredSharedMemoryCarveout = 9 };
enum cudaFuncCache { cudaFuncCachePreferNone, cudaFuncCachePreferShared, cudaFuncCachePreferL1, cudaFuncCachePreferEqual };
enum cudaMemPoolAttr { cudaMemPoolReuseFollowEventDependencies = 1, cudaMemPoolAttrReleaseThreshold = 4, cudaMemPoolAttrReservedMemCurrent = 5, cudaMemPoolAttrUsedMemCurrent = 7 };
enum { cudaMemAttachGlobal = 1, cudaMemAttachHost = 2, cudaMemAttachSingle = 4 };
enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum { cudaEventDefault = 0, cudaEventBlockingSync = 1, cudaEventDisableTiming = 2 };
enum { cudaHostAllocDefault = 0, cudaHostAllocPortable = 1, cudaHostAllocMapped = 2, cudaHostAllocWriteCombined = 4 };
enum { cudaHostRegisterDefault = 0, cudaHostRegisterPortable = 1, cudaHostRegisterMapped = 2 };
enum { cudaCpuDeviceId = -1, cudaInvalidDeviceId = -2 };
enum cudaLimit { cudaLimitStackSize = 0, cudaLimitPrintfFifoSize = 1, cudaLimitMallocHeapSize = 2 };

typedef CUstream cudaStream_t;
typedef CUevent cudaEvent_t;
typedef CUmemoryPool cudaMemPool_t;
typedef CUhostFn cudaHostFn_t;
typedef CUmemLocation cudaMemLocation;
typedef CUmem_advise cudaMemoryAdvise;
#define cudaMemLocationTypeDevice CU_MEM_LOCATION_TYPE_DEVICE
#define cudaMemLocationTypeHost CU_MEM_LOCATION_TYPE_HOST
#define cudaMemAdviseSetReadMostly CU_MEM_ADVISE_SET_READ_MOSTLY
#define cudaMemAdviseSetPreferredLocation CU_MEM_ADVISE_SET_PREFERRED_LOCATION
#define cudaMemAdviseUnsetReadMostly CU_MEM_ADVISE_UNSET_READ_MOSTLY
#define cudaStreamLegacy CU_STREAM_LEGACY
#define cudaStreamPerThread CU_STREAM_PER_THREAD
typedef void (*cudaStreamCallback_t)(cudaStream_t stream, cudaError_t status, void *userData);

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct float3 {
    float x, y, z;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(4) uchar4 {
    unsigned char x, y, z, w;
};

struct cudaDeviceProp {
    char name[256];
    size_t totalGlobalMem, sharedMemPerBlock, sharedMemPerBlockOptin;
    int warpSize, maxThreadsPerBlock, major, minor, multiProcessorCount, cooperativeLaunch, unifiedAddressing, managedMemory, concurrentManagedAccess;
};

struct cudaPointerAttributes {
    cudaMemoryType type;
    int device;
    void *devicePointer, *hostPointer;
};

struct cudaFuncAttributes {
    size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
    int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, cacheModeCA, maxDynamicSharedSizeBytes;
};

struct cudaPitchedPtr {
    void *ptr;
    size_t pitch, xsize, ysize;
};
struct cudaExtent {
    size_t width, height, depth;
};
struct cudaPos {
    size_t x, y, z;
};
typedef CUarray cudaArray_t;
struct cudaMemcpy3DParms {
    cudaArray_t srcArray;
    cudaPos srcPos;
    cudaPitchedPtr srcPtr;
    cudaArray_t dstArray;
    cudaPos dstPos;
    cudaPitchedPtr dstPtr;
    cudaExtent extent;
    cudaMemcpyKind kind;
};
inline cudaPitchedPtr make_cudaPitchedPtr(void *ptr, size_t pitch, size_t xsize, size_t ysize) { return {ptr, pitch, xsize, ysize}; }
inline cudaExtent make_cudaExtent(size_t w, size_t h, size_t d) { return {w, h, d}; }
inline cudaPos make_cudaPos(size_t x, size_t y, size_t z) { return {x, y, z}; }

// ---- the state: one device, one library, each thread's last error ----

namespace rf {

inline thread_local cudaError_t last = cudaSuccess;

inline cudaError_t done(CUresult result)
{
    cudaError_t error = (cudaError_t)result;
    if (error != cudaSuccess) last = error;
    return error;
}
inline cudaError_t done(cudaError_t error) { return done((CUresult)error); }

struct State {
    std::mutex lock;
    bool retained = false;
    CUcontext primary = nullptr;
    std::string image;
    CUlibrary library = nullptr;
    std::map<const void *, CUkernel> kernels;
    std::map<const void *, std::string> names; // of variables that no symbol stands for
};
inline State &state()
{
    static State *state = new State; // never destroyed: static destructors call cudaFree
    return *state;
}

inline CUresult context()
{
    CUresult error = cuInit(0);
    if (error != CUDA_SUCCESS) return error;
    State &s = state();
    {
        std::lock_guard<std::mutex> guard(s.lock);
        if (!s.retained) {
            if ((error = cuDevicePrimaryCtxRetain(&s.primary, 0)) != CUDA_SUCCESS) return error;
            s.retained = true;
        }
    }
    CUcontext current = nullptr;
    cuCtxGetCurrent(&current);
    return current ? CUDA_SUCCESS : cuCtxSetCurrent(s.primary);
}

// The program's image: RF_CUDA_IMAGE names the file.
inline CUresult library(CUlibrary *library)
{
    State &s = state();
    std::lock_guard<std::mutex> guard(s.lock);
    if (!s.library) {
        const char *path = getenv("RF_CUDA_IMAGE");
        std::ifstream file(path ? path : "", std::ios::binary);
        if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
        s.image.assign(std::istreambuf_iterator<char>(file), {});
        static CUlibraryOption preserved = CU_LIBRARY_BINARY_IS_PRESERVED;
        static void *yes = (void *)1;
        char log[4096] = "";
        CUjit_option options[] = {(CUjit_option)5, (CUjit_option)6}; // the error log's buffer, and its size
        void *values[] = {log, (void *)sizeof log};
        CUresult error = cuLibraryLoadData(&s.library, s.image.c_str(), options, values, 2, &preserved, &yes, 1);
        if (error != CUDA_SUCCESS) {
            fprintf(stderr, "%s: %s\n", path, log);
            return error;
        }
    }
    *library = s.library;
    return CUDA_SUCCESS;
}

inline const char *symbol_of(const void *address)
{
    State &s = state();
    auto found = s.names.find(address);
    if (found != s.names.end()) return found->second.c_str();
    Dl_info info;
    return dladdr(address, &info) && info.dli_sname && info.dli_saddr == address ? info.dli_sname : nullptr;
}

inline CUresult kernel(const void *stand_in, CUkernel *kernel)
{
    CUlibrary loaded;
    CUresult error = library(&loaded);
    if (error != CUDA_SUCCESS) return error;
    State &s = state();
    std::lock_guard<std::mutex> guard(s.lock);
    CUkernel &known = s.kernels[stand_in];
    if (!known) {
        const char *name = stand_in ? symbol_of(stand_in) : nullptr;
        if (!name || cuLibraryGetKernel(&known, loaded, name) != CUDA_SUCCESS) return (CUresult)cudaErrorInvalidDeviceFunction;
    }
    *kernel = known;
    return CUDA_SUCCESS;
}

inline CUresult variable(const void *stand_in, CUdeviceptr *address, size_t *size)
{
    CUlibrary loaded;
    CUresult error = context();
    if (error == CUDA_SUCCESS) error = library(&loaded);
    if (error != CUDA_SUCCESS) return error;
    const char *name = stand_in ? symbol_of(stand_in) : nullptr;
    if (!name || cuLibraryGetGlobal(address, size, loaded, name) != CUDA_SUCCESS) return (CUresult)cudaErrorInvalidSymbol;
    return CUDA_SUCCESS;
}

// A `__managed__` variable's memory, by its name.
template <class T> T *managed(const char *name)
{
    CUlibrary loaded;
    CUdeviceptr address = 0;
    size_t size = 0;
    CUresult error = cuInit(0);
    if (error == CUDA_SUCCESS) error = library(&loaded);
    if (error == CUDA_SUCCESS) error = cuLibraryGetManaged(&address, &size, loaded, name);
    if (error != CUDA_SUCCESS || size != sizeof(T)) {
        fprintf(stderr, "managed variable %s: error %d\n", name, (int)error);
        _Exit(1);
    }
    return (T *)address;
}

inline cudaError_t launch(const void *f, dim3 grid, dim3 block, size_t shared, cudaStream_t stream, void **parameters, bool cooperative = false)
{
    CUkernel k;
    CUresult error = context();
    if (error == CUDA_SUCCESS) error = kernel(f, &k);
    if (error != CUDA_SUCCESS) return done(error);
    if (!grid.x || !grid.y || !grid.z || !block.x || !block.y || !block.z || (uint64_t)block.x * block.y * block.z > 1024 || block.z > 64 || grid.y > 65535 || grid.z > 65535)
        return done(cudaErrorInvalidConfiguration);
    return done(cooperative ? cuLaunchCooperativeKernel((CUfunction)k, grid.x, grid.y, grid.z, block.x, block.y, block.z, (unsigned)shared, stream, parameters)
                            : cuLaunchKernel((CUfunction)k, grid.x, grid.y, grid.z, block.x, block.y, block.z, (unsigned)shared, stream, parameters, nullptr));
}

template <class... P> struct Launcher {
    void (*f)(P...);
    dim3 grid, block;
    size_t shared;
    cudaStream_t stream;
    void operator()(P... arguments)
    {
        void *parameters[] = {(void *)&arguments..., nullptr};
        launch((const void *)f, grid, block, shared, stream, parameters);
    }
};
template <class... P> Launcher<P...> launcher(void (*f)(P...), dim3 grid, dim3 block, size_t shared = 0, cudaStream_t stream = nullptr) { return {f, grid, block, shared, stream}; }

inline CUdeviceptr d(const void *p) { return (CUdeviceptr)(uintptr_t)p; }

} // namespace rf

#define RF_CALL(...)                                     \
    do {                                                 \
        CUresult rf_error = rf::context();               \
        if (rf_error == CUDA_SUCCESS) rf_error = (__VA_ARGS__); \
        return rf::done(rf_error);                       \
    } while (0)

// ---- devices and errors ----

inline cudaError_t cudaGetLastError()
{
    cudaError_t error = rf::last;
    rf::last = cudaSuccess;
    return error;
}
inline cudaError_t cudaPeekAtLastError() { return rf::last; }
inline const char *cudaGetErrorString(cudaError_t error)
{
    const char *text = nullptr;
    return error == cudaErrorInvalidConfiguration ? "invalid configuration argument" : cuGetErrorString((CUresult)error, &text) == CUDA_SUCCESS ? text : "unrecognized error code";
}
inline cudaError_t cudaGetDeviceCount(int *count)
{
    CUresult error = cuInit(0);
    return rf::done(error == CUDA_SUCCESS ? cuDeviceGetCount(count) : error);
}
inline cudaError_t cudaSetDevice(int device) { return device == 0 ? rf::done(rf::context()) : rf::done(cudaErrorInvalidDevice); }
inline cudaError_t cudaGetDevice(int *device)
{
    *device = 0;
    return cudaSuccess;
}
inline cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) { RF_CALL(cuDeviceGetAttribute(value, (CUdevice_attribute)attribute, device)); }
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device)
{
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = cuDeviceGetName(p->name, sizeof p->name, device);
    if (error == CUDA_SUCCESS) error = cuDeviceTotalMem_v2(&p->totalGlobalMem, device);
    int shared = 0, optin = 0;
    const struct {
        int *value, attribute;
    } wanted[] = {{&shared, 8}, {&optin, 97}, {&p->warpSize, 10}, {&p->maxThreadsPerBlock, 1}, {&p->major, 75}, {&p->minor, 76}, {&p->multiProcessorCount, 16},
                  {&p->cooperativeLaunch, 95}, {&p->unifiedAddressing, 41}, {&p->managedMemory, 83}, {&p->concurrentManagedAccess, 89}};
    for (const auto &each : wanted)
        if (error == CUDA_SUCCESS) error = cuDeviceGetAttribute(each.value, (CUdevice_attribute)each.attribute, device);
    p->sharedMemPerBlock = (size_t)shared;
    p->sharedMemPerBlockOptin = (size_t)optin;
    return rf::done(error);
}
inline cudaError_t cudaDeviceSynchronize() { RF_CALL(cuCtxSynchronize()); }
inline cudaError_t cudaDeviceReset()
{
    rf::State &s = rf::state();
    std::lock_guard<std::mutex> guard(s.lock);
    if (!s.retained) return cudaSuccess;
    s.retained = false; // and again with the next call, as the runtime does: the count stays above 0
    return rf::done(cuDevicePrimaryCtxReset_v2(0));
}
inline cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) { RF_CALL(cuCtxSetLimit((CUlimit)limit, value)); }
inline cudaError_t cudaDeviceGetLimit(size_t *value, cudaLimit limit) { RF_CALL(cuCtxGetLimit(value, (CUlimit)limit)); }
inline cudaError_t cudaMemGetInfo(size_t *free, size_t *total) { RF_CALL(cuMemGetInfo_v2(free, total)); }

// ---- memory ----

template <class T> cudaError_t cudaMalloc(T **p, size_t size)
{
    if (!p) return rf::done(cudaErrorInvalidValue);
    *p = nullptr;
    if (size == 0) return cudaSuccess;
    RF_CALL(cuMemAlloc_v2((CUdeviceptr *)p, size));
}
template <class T> cudaError_t cudaMallocPitch(T **p, size_t *pitch, size_t width, size_t height) { RF_CALL(cuMemAllocPitch_v2((CUdeviceptr *)p, pitch, width, height, 4)); }
inline cudaError_t cudaMalloc3D(cudaPitchedPtr *p, cudaExtent extent)
{
    *p = make_cudaPitchedPtr(nullptr, 0, extent.width, extent.height);
    return cudaMallocPitch(&p->ptr, &p->pitch, extent.width, extent.height * extent.depth);
}
inline cudaError_t cudaFree(void *p)
{
    if (!p) return rf::done(rf::context());
    RF_CALL(cuMemFree_v2(rf::d(p)));
}
template <class T> cudaError_t cudaMallocManaged(T **p, size_t size, unsigned flags = cudaMemAttachGlobal) { RF_CALL(cuMemAllocManaged((CUdeviceptr *)p, size, flags)); }
template <class T> cudaError_t cudaMallocHost(T **p, size_t size, unsigned flags = 0) { RF_CALL(cuMemHostAlloc((void **)p, size, flags)); }
template <class T> cudaError_t cudaHostAlloc(T **p, size_t size, unsigned flags) { return cudaMallocHost(p, size, flags); }
inline cudaError_t cudaFreeHost(void *p)
{
    if (!p) return cudaSuccess;
    RF_CALL(cuMemFreeHost(p));
}
inline cudaError_t cudaHostRegister(void *p, size_t size, unsigned flags) { RF_CALL(cuMemHostRegister_v2(p, size, flags)); }
inline cudaError_t cudaHostUnregister(void *p) { RF_CALL(cuMemHostUnregister(p)); }
template <class T> cudaError_t cudaHostGetDevicePointer(T **p, void *host, unsigned flags) { RF_CALL(cuMemHostGetDevicePointer_v2((CUdeviceptr *)p, host, flags)); }
inline cudaError_t cudaHostGetFlags(unsigned *flags, void *p) { RF_CALL(cuMemHostGetFlags(flags, p)); }

inline cudaError_t cudaMemcpy(void *to, const void *from, size_t size, cudaMemcpyKind kind)
{
    if (size == 0) return cudaSuccess;
    switch (kind) {
    case cudaMemcpyHostToHost: memcpy(to, from, size); return rf::done(rf::context());
    case cudaMemcpyHostToDevice: RF_CALL(cuMemcpyHtoD_v2(rf::d(to), from, size));
    case cudaMemcpyDeviceToHost: RF_CALL(cuMemcpyDtoH_v2(to, rf::d(from), size));
    case cudaMemcpyDeviceToDevice: RF_CALL(cuMemcpyDtoD_v2(rf::d(to), rf::d(from), size));
    case cudaMemcpyDefault: RF_CALL(cuMemcpy(rf::d(to), rf::d(from), size));
    }
    return rf::done(cudaErrorInvalidMemcpyDirection);
}
inline cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t size, cudaMemcpyKind kind, cudaStream_t stream = nullptr)
{
    if (size == 0) return cudaSuccess;
    switch (kind) {
    case cudaMemcpyHostToDevice: RF_CALL(cuMemcpyHtoDAsync_v2(rf::d(to), from, size, stream));
    case cudaMemcpyDeviceToHost: RF_CALL(cuMemcpyDtoHAsync_v2(to, rf::d(from), size, stream));
    case cudaMemcpyDeviceToDevice: RF_CALL(cuMemcpyDtoDAsync_v2(rf::d(to), rf::d(from), size, stream));
    case cudaMemcpyHostToHost:
    case cudaMemcpyDefault: RF_CALL(cuMemcpyAsync(rf::d(to), rf::d(from), size, stream));
    }
    return rf::done(cudaErrorInvalidMemcpyDirection);
}
inline cudaError_t cudaMemset(void *p, int value, size_t size) { RF_CALL(cuMemsetD8_v2(rf::d(p), (unsigned char)value, size)); }
inline cudaError_t cudaMemsetAsync(void *p, int value, size_t size, cudaStream_t stream = nullptr) { RF_CALL(cuMemsetD8Async(rf::d(p), (unsigned char)value, size, stream)); }
inline cudaError_t cudaMemset2D(void *p, size_t pitch, int value, size_t width, size_t height) { RF_CALL(cuMemsetD2D8_v2(rf::d(p), pitch, (unsigned char)value, width, height)); }

namespace rf {
inline CUmemorytype side(cudaMemcpyKind kind, bool source)
{
    if (kind == cudaMemcpyDefault) return CU_MEMORYTYPE_UNIFIED;
    const bool on_host = source ? kind == cudaMemcpyHostToDevice || kind == cudaMemcpyHostToHost : kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyHostToHost;
    return on_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
}
inline CUDA_MEMCPY2D copy2d(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind kind)
{
    CUDA_MEMCPY2D c = {};
    c.srcMemoryType = side(kind, true);
    c.dstMemoryType = side(kind, false);
    c.srcHost = from;
    c.srcDevice = d(from);
    c.srcPitch = from_pitch;
    c.dstHost = to;
    c.dstDevice = d(to);
    c.dstPitch = to_pitch;
    c.WidthInBytes = width;
    c.Height = height;
    return c;
}
} // namespace rf

inline cudaError_t cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind kind)
{
    if (width > to_pitch || width > from_pitch) return rf::done(cudaErrorInvalidPitchValue);
    CUDA_MEMCPY2D c = rf::copy2d(to, to_pitch, from, from_pitch, width, height, kind);
    RF_CALL(cuMemcpy2DUnaligned_v2(&c));
}
inline cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t stream = nullptr)
{
    CUDA_MEMCPY2D c = rf::copy2d(to, to_pitch, from, from_pitch, width, height, kind);
    RF_CALL(cuMemcpy2DAsync_v2(&c, stream));
}
inline cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms *p)
{
    CUDA_MEMCPY3D c = {};
    c.srcMemoryType = rf::side(p->kind, true);
    c.dstMemoryType = rf::side(p->kind, false);
    c.srcHost = p->srcPtr.ptr;
    c.srcDevice = rf::d(p->srcPtr.ptr);
    c.srcPitch = p->srcPtr.pitch;
    c.srcHeight = p->srcPtr.ysize;
    c.srcXInBytes = p->srcPos.x;
    c.srcY = p->srcPos.y;
    c.srcZ = p->srcPos.z;
    c.dstHost = p->dstPtr.ptr;
    c.dstDevice = rf::d(p->dstPtr.ptr);
    c.dstPitch = p->dstPtr.pitch;
    c.dstHeight = p->dstPtr.ysize;
    c.dstXInBytes = p->dstPos.x;
    c.dstY = p->dstPos.y;
    c.dstZ = p->dstPos.z;
    c.WidthInBytes = p->extent.width;
    if (p->srcArray || p->dstArray) { // then the extent counts elements
        CUDA_ARRAY3D_DESCRIPTOR d = {};
        const CUresult found = cuArray3DGetDescriptor_v2(&d, p->srcArray ? p->srcArray : p->dstArray);
        if (found != CUDA_SUCCESS) return rf::done(found);
        const size_t bytes = d.Format == CU_AD_FORMAT_FLOAT || d.Format == CU_AD_FORMAT_UNSIGNED_INT32 || d.Format == CU_AD_FORMAT_SIGNED_INT32 ? 4
                             : d.Format == CU_AD_FORMAT_UNSIGNED_INT8 || d.Format == CU_AD_FORMAT_SIGNED_INT8                              ? 1
                                                                                                                                           : 2;
        c.WidthInBytes *= bytes * d.NumChannels;
        if (p->srcArray) c.srcMemoryType = CU_MEMORYTYPE_ARRAY, c.srcArray = p->srcArray;
        if (p->dstArray) c.dstMemoryType = CU_MEMORYTYPE_ARRAY, c.dstArray = p->dstArray;
    }
    c.Height = p->extent.height;
    c.Depth = p->extent.depth;
    RF_CALL(cuMemcpy3D_v2(&c));
}

inline cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *out, const void *p)
{
    unsigned type = 0, managed = 0;
    int device = -2;
    CUdeviceptr on_device = 0;
    void *on_host = nullptr;
    CUpointer_attribute attributes[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
                                        CU_POINTER_ATTRIBUTE_HOST_POINTER};
    void *values[] = {&type, &managed, &device, &on_device, &on_host};
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = cuPointerGetAttributes(5, attributes, values, rf::d(p));
    if (error != CUDA_SUCCESS) return rf::done(error);
    out->type = managed ? cudaMemoryTypeManaged : type == CU_MEMORYTYPE_HOST ? cudaMemoryTypeHost : type == CU_MEMORYTYPE_DEVICE ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
    out->device = device;
    out->devicePointer = (void *)on_device;
    out->hostPointer = out->type == cudaMemoryTypeUnregistered ? (void *)p : on_host;
    return cudaSuccess;
}

inline cudaError_t cudaMemPrefetchAsync(const void *p, size_t size, cudaMemLocation where, unsigned flags, cudaStream_t stream = nullptr) { RF_CALL(cuMemPrefetchAsync_v2(rf::d(p), size, where, flags, stream)); }
inline cudaError_t cudaMemAdvise(const void *p, size_t size, cudaMemoryAdvise advice, cudaMemLocation where) { RF_CALL(cuMemAdvise_v2(rf::d(p), size, advice, where)); }
inline cudaError_t cudaStreamAttachMemAsync(cudaStream_t stream, void *p, size_t length = 0, unsigned flags = cudaMemAttachSingle) { RF_CALL(cuStreamAttachMemAsync(stream, rf::d(p), length, flags)); }

// ---- variables ----

namespace rf {
inline cudaError_t symbol_copy(const void *symbol, void *host, size_t size, size_t offset, bool write, CUstream stream, bool async)
{
    CUdeviceptr address;
    size_t bytes;
    CUresult error = variable(symbol, &address, &bytes);
    if (error != CUDA_SUCCESS) return done(error);
    if (offset > bytes || size > bytes - offset) return done(cudaErrorInvalidValue);
    address += offset;
    if (async) return done(write ? cuMemcpyHtoDAsync_v2(address, host, size, stream) : cuMemcpyDtoHAsync_v2(host, address, size, stream));
    return done(write ? cuMemcpyHtoD_v2(address, host, size) : cuMemcpyDtoH_v2(host, address, size));
}
} // namespace rf

template <class T> cudaError_t cudaMemcpyToSymbol(const T &symbol, const void *from, size_t size, size_t offset = 0, cudaMemcpyKind = cudaMemcpyHostToDevice)
{
    return rf::symbol_copy(&symbol, (void *)from, size, offset, true, nullptr, false);
}
template <class T> cudaError_t cudaMemcpyFromSymbol(void *to, const T &symbol, size_t size, size_t offset = 0, cudaMemcpyKind = cudaMemcpyDeviceToHost)
{
    return rf::symbol_copy(&symbol, to, size, offset, false, nullptr, false);
}
template <class T> cudaError_t cudaMemcpyToSymbolAsync(const T &symbol, const void *from, size_t size, size_t offset, cudaMemcpyKind, cudaStream_t stream = nullptr)
{
    return rf::symbol_copy(&symbol, (void *)from, size, offset, true, stream, true);
}
template <class T> cudaError_t cudaMemcpyFromSymbolAsync(void *to, const T &symbol, size_t size, size_t offset, cudaMemcpyKind, cudaStream_t stream = nullptr)
{
    return rf::symbol_copy(&symbol, to, size, offset, false, stream, true);
}
template <class T> cudaError_t cudaGetSymbolAddress(void **address, const T &symbol)
{
    size_t size;
    return rf::done(rf::variable(&symbol, (CUdeviceptr *)address, &size));
}
template <class T> cudaError_t cudaGetSymbolSize(size_t *size, const T &symbol)
{
    CUdeviceptr address;
    return rf::done(rf::variable(&symbol, &address, size));
}

// ---- pools ----

template <class T> cudaError_t cudaMallocAsync(T **p, size_t size, cudaStream_t stream) { RF_CALL(cuMemAllocAsync((CUdeviceptr *)p, size, stream)); }
template <class T> cudaError_t cudaMallocFromPoolAsync(T **p, size_t size, cudaMemPool_t pool, cudaStream_t stream) { RF_CALL(cuMemAllocFromPoolAsync((CUdeviceptr *)p, size, pool, stream)); }
inline cudaError_t cudaFreeAsync(void *p, cudaStream_t stream) { RF_CALL(cuMemFreeAsync(rf::d(p), stream)); }
inline cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) { RF_CALL(cuDeviceGetDefaultMemPool(pool, device)); }
inline cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) { RF_CALL(cuMemPoolSetAttribute(pool, (CUmemPool_attribute)attribute, value)); }
inline cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) { RF_CALL(cuMemPoolGetAttribute(pool, (CUmemPool_attribute)attribute, value)); }
inline cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes) { RF_CALL(cuMemPoolTrimTo(pool, bytes)); }

// ---- streams, events, callbacks ----

inline cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority) { RF_CALL(cuStreamCreateWithPriority(stream, flags, priority)); }
inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags) { RF_CALL(cuStreamCreate(stream, flags)); }
inline cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, 0); }
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) { RF_CALL(cuStreamDestroy_v2(stream)); }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) { RF_CALL(cuStreamSynchronize(stream)); }
inline cudaError_t cudaStreamQuery(cudaStream_t stream) { RF_CALL(cuStreamQuery(stream)); }
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0) { RF_CALL(cuStreamWaitEvent(stream, event, flags)); }
inline cudaError_t cudaStreamGetPriority(cudaStream_t stream, int *priority) { RF_CALL(cuStreamGetPriority(stream, priority)); }
inline cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned *flags) { RF_CALL(cuStreamGetFlags(stream, flags)); }
inline cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) { RF_CALL(cuCtxGetStreamPriorityRange(least, greatest)); }
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags) { RF_CALL(cuEventCreate(event, flags)); }
inline cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, 0); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) { RF_CALL(cuEventDestroy_v2(event)); }
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr) { RF_CALL(cuEventRecord(event, stream)); }
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) { RF_CALL(cuEventSynchronize(event)); }
inline cudaError_t cudaEventQuery(cudaEvent_t event) { RF_CALL(cuEventQuery(event)); }
inline cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end) { RF_CALL(cuEventElapsedTime_v2(ms, start, end)); }
inline cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *data) { RF_CALL(cuLaunchHostFunc(stream, function, data)); }
inline cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data, unsigned flags) { RF_CALL(cuStreamAddCallback(stream, (CUstreamCallback)(void *)callback, data, flags)); }

// ---- kernels ----

template <class F> cudaError_t cudaLaunchKernel(F *f, dim3 grid, dim3 block, void **arguments, size_t shared = 0, cudaStream_t stream = nullptr)
{
    return rf::launch((const void *)f, grid, block, shared, stream, arguments);
}
template <class F> cudaError_t cudaLaunchCooperativeKernel(F *f, dim3 grid, dim3 block, void **arguments, size_t shared = 0, cudaStream_t stream = nullptr)
{
    return rf::launch((const void *)f, grid, block, shared, stream, arguments, true);
}
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, const void *f)
{
    CUkernel kernel;
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = rf::kernel(f, &kernel);
    int v[9] = {0};
    for (int i = 0; i < 9 && error == CUDA_SUCCESS; i++) error = cuKernelGetAttribute(&v[i], (CUfunction_attribute)i, kernel, 0);
    *out = {(size_t)v[1], (size_t)v[2], (size_t)v[3], v[0], v[4], v[5], v[6], v[7], v[8]};
    return rf::done(error);
}
template <class F> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *out, F *f) { return cudaFuncGetAttributes(out, (const void *)f); }
template <class F> cudaError_t cudaFuncSetAttribute(F *f, cudaFuncAttribute attribute, int value)
{
    CUkernel kernel;
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = rf::kernel((const void *)f, &kernel);
    return rf::done(error == CUDA_SUCCESS ? cuKernelSetAttribute((CUfunction_attribute)attribute, value, kernel, 0) : error);
}
template <class F> cudaError_t cudaFuncSetCacheConfig(F *f, cudaFuncCache config)
{
    CUkernel kernel;
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = rf::kernel((const void *)f, &kernel);
    return rf::done(error == CUDA_SUCCESS ? cuKernelSetCacheConfig(kernel, (CUfunc_cache)config, 0) : error);
}
template <class F> cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, F *f, int threads, size_t shared)
{
    CUkernel kernel;
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = rf::kernel((const void *)f, &kernel);
    return rf::done(error == CUDA_SUCCESS ? cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (CUfunction)kernel, threads, shared) : error);
}
template <class F> cudaError_t cudaOccupancyMaxPotentialBlockSize(int *grid, int *block, F *f, size_t shared = 0, int limit = 0)
{
    CUkernel kernel;
    CUresult error = rf::context();
    if (error == CUDA_SUCCESS) error = rf::kernel((const void *)f, &kernel);
    return rf::done(error == CUDA_SUCCESS ? cuOccupancyMaxPotentialBlockSize(grid, block, (CUfunction)kernel, nullptr, shared, limit) : error);
}

#include "driver_graphs.h"
#include "driver_textures.h"

#endif
