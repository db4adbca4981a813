// driver_textures.h - the part of driver_runtime.h that textures.cu needs: arrays, texture and surface objects of the runtime API,
// answered with the driver API.
#ifndef DRIVER_TEXTURES_H
#define DRIVER_TEXTURES_H

typedef unsigned long long cudaTextureObject_t, cudaSurfaceObject_t;
typedef CUmipmappedArray cudaMipmappedArray_t;

enum cudaChannelFormatKind { cudaChannelFormatKindSigned, cudaChannelFormatKindUnsigned, cudaChannelFormatKindFloat };
struct cudaChannelFormatDesc {
    int x, y, z, w;
    cudaChannelFormatKind f;
};
template <class T> cudaChannelFormatDesc cudaCreateChannelDesc();
template <> inline cudaChannelFormatDesc cudaCreateChannelDesc<float>() { return {32, 0, 0, 0, cudaChannelFormatKindFloat}; }
template <> inline cudaChannelFormatDesc cudaCreateChannelDesc<float4>() { return {32, 32, 32, 32, cudaChannelFormatKindFloat}; }
template <> inline cudaChannelFormatDesc cudaCreateChannelDesc<uchar4>() { return {8, 8, 8, 8, cudaChannelFormatKindUnsigned}; }
template <> inline cudaChannelFormatDesc cudaCreateChannelDesc<short>() { return {16, 0, 0, 0, cudaChannelFormatKindSigned}; }

enum { cudaArrayDefault = 0, cudaArrayLayered = 1, cudaArraySurfaceLoadStore = 2, cudaArrayCubemap = 4 };
enum cudaResourceType { cudaResourceTypeArray, cudaResourceTypeMipmappedArray, cudaResourceTypeLinear, cudaResourceTypePitch2D };
enum cudaTextureAddressMode { cudaAddressModeWrap, cudaAddressModeClamp, cudaAddressModeMirror, cudaAddressModeBorder };
enum cudaTextureFilterMode { cudaFilterModePoint, cudaFilterModeLinear };
enum cudaTextureReadMode { cudaReadModeElementType, cudaReadModeNormalizedFloat };
struct cudaResourceDesc {
    cudaResourceType resType;
    union {
        struct {
            cudaArray_t array;
        } array;
        struct {
            cudaMipmappedArray_t mipmap;
        } mipmap;
        struct {
            void *devPtr;
            cudaChannelFormatDesc desc;
            size_t sizeInBytes;
        } linear;
        struct {
            void *devPtr;
            cudaChannelFormatDesc desc;
            size_t width, height, pitchInBytes;
        } pitch2D;
    } res;
};
struct cudaTextureDesc {
    cudaTextureAddressMode addressMode[3];
    cudaTextureFilterMode filterMode;
    cudaTextureReadMode readMode;
    int sRGB;
    float borderColor[4];
    int normalizedCoords;
    unsigned maxAnisotropy;
    cudaTextureFilterMode mipmapFilterMode;
    float mipmapLevelBias, minMipmapLevelClamp, maxMipmapLevelClamp;
};

namespace rf {
inline unsigned channels(const cudaChannelFormatDesc &d) { return 1u + (d.y != 0) + (d.z != 0) + (d.w != 0); }
inline CUarray_format format(const cudaChannelFormatDesc &d)
{
    if (d.f == cudaChannelFormatKindFloat) return d.x == 32 ? CU_AD_FORMAT_FLOAT : CU_AD_FORMAT_HALF;
    const int size = d.x == 8 ? 0 : d.x == 16 ? 1 : 2;
    return (CUarray_format)((d.f == cudaChannelFormatKindUnsigned ? 1 : 8) + size);
}
inline CUDA_ARRAY3D_DESCRIPTOR descriptor(const cudaChannelFormatDesc *desc, cudaExtent extent, unsigned flags)
{
    CUDA_ARRAY3D_DESCRIPTOR d = {};
    d.Width = extent.width;
    d.Height = extent.height;
    d.Depth = extent.depth;
    d.Format = format(*desc);
    d.NumChannels = channels(*desc);
    d.Flags = flags;
    return d;
}
inline CUDA_RESOURCE_DESC resource(const cudaResourceDesc *r)
{
    CUDA_RESOURCE_DESC d = {};
    d.resType = (CUresourcetype)r->resType;
    switch (r->resType) {
        case cudaResourceTypeArray: d.res.array.hArray = r->res.array.array; break;
        case cudaResourceTypeMipmappedArray: d.res.mipmap.hMipmappedArray = r->res.mipmap.mipmap; break;
        case cudaResourceTypeLinear:
            d.res.linear.devPtr = rf::d(r->res.linear.devPtr);
            d.res.linear.format = format(r->res.linear.desc);
            d.res.linear.numChannels = channels(r->res.linear.desc);
            d.res.linear.sizeInBytes = r->res.linear.sizeInBytes;
            break;
        default:
            d.res.pitch2D.devPtr = rf::d(r->res.pitch2D.devPtr);
            d.res.pitch2D.format = format(r->res.pitch2D.desc);
            d.res.pitch2D.numChannels = channels(r->res.pitch2D.desc);
            d.res.pitch2D.width = r->res.pitch2D.width;
            d.res.pitch2D.height = r->res.pitch2D.height;
            d.res.pitch2D.pitchInBytes = r->res.pitch2D.pitchInBytes;
    }
    return d;
}
}

inline cudaError_t cudaMalloc3DArray(cudaArray_t *array, const cudaChannelFormatDesc *desc, cudaExtent extent, unsigned flags = 0)
{
    const CUDA_ARRAY3D_DESCRIPTOR d = rf::descriptor(desc, extent, flags);
    RF_CALL(cuArray3DCreate_v2(array, &d));
}
inline cudaError_t cudaMallocArray(cudaArray_t *array, const cudaChannelFormatDesc *desc, size_t width, size_t height = 0, unsigned flags = 0)
{
    return cudaMalloc3DArray(array, desc, make_cudaExtent(width, height, 0), flags);
}
inline cudaError_t cudaFreeArray(cudaArray_t array) { RF_CALL(cuArrayDestroy(array)); }
inline cudaError_t cudaMallocMipmappedArray(cudaMipmappedArray_t *mipmap, const cudaChannelFormatDesc *desc, cudaExtent extent, unsigned levels, unsigned flags = 0)
{
    const CUDA_ARRAY3D_DESCRIPTOR d = rf::descriptor(desc, extent, flags);
    RF_CALL(cuMipmappedArrayCreate(mipmap, &d, levels));
}
inline cudaError_t cudaGetMipmappedArrayLevel(cudaArray_t *array, cudaMipmappedArray_t mipmap, unsigned level) { RF_CALL(cuMipmappedArrayGetLevel(array, mipmap, level)); }
inline cudaError_t cudaFreeMipmappedArray(cudaMipmappedArray_t mipmap) { RF_CALL(cuMipmappedArrayDestroy(mipmap)); }
inline cudaError_t cudaMemcpy2DToArray(cudaArray_t array, size_t x, size_t y, const void *from, size_t pitch, size_t width, size_t height, cudaMemcpyKind)
{
    CUDA_MEMCPY2D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_HOST, c.srcHost = from, c.srcPitch = pitch;
    c.dstMemoryType = CU_MEMORYTYPE_ARRAY, c.dstArray = array, c.dstXInBytes = x, c.dstY = y, c.WidthInBytes = width, c.Height = height;
    RF_CALL(cuMemcpy2D_v2(&c));
}
inline cudaError_t cudaMemcpy2DFromArray(void *to, size_t pitch, cudaArray_t array, size_t x, size_t y, size_t width, size_t height, cudaMemcpyKind)
{
    CUDA_MEMCPY2D c = {};
    c.srcMemoryType = CU_MEMORYTYPE_ARRAY, c.srcArray = array, c.srcXInBytes = x, c.srcY = y;
    c.dstMemoryType = CU_MEMORYTYPE_HOST, c.dstHost = to, c.dstPitch = pitch, c.WidthInBytes = width, c.Height = height;
    RF_CALL(cuMemcpy2D_v2(&c));
}
inline cudaError_t cudaCreateTextureObject(cudaTextureObject_t *texture, const cudaResourceDesc *resource, const cudaTextureDesc *t, const void *)
{
    const CUDA_RESOURCE_DESC r = rf::resource(resource);
    CUDA_TEXTURE_DESC d = {};
    for (int i = 0; i < 3; i++) d.addressMode[i] = (CUaddress_mode)t->addressMode[i];
    d.filterMode = (CUfilter_mode)t->filterMode;
    d.mipmapFilterMode = (CUfilter_mode)t->mipmapFilterMode;
    d.flags = (t->normalizedCoords ? CU_TRSF_NORMALIZED_COORDINATES : 0u) | (t->readMode == cudaReadModeElementType ? CU_TRSF_READ_AS_INTEGER : 0u) | (t->sRGB ? CU_TRSF_SRGB : 0u);
    d.maxAnisotropy = t->maxAnisotropy;
    d.mipmapLevelBias = t->mipmapLevelBias;
    d.minMipmapLevelClamp = t->minMipmapLevelClamp;
    d.maxMipmapLevelClamp = t->maxMipmapLevelClamp;
    memcpy(d.borderColor, t->borderColor, sizeof d.borderColor);
    RF_CALL(cuTexObjectCreate(texture, &r, &d, nullptr));
}
inline cudaError_t cudaDestroyTextureObject(cudaTextureObject_t texture) { RF_CALL(cuTexObjectDestroy(texture)); }
inline cudaError_t cudaCreateSurfaceObject(cudaSurfaceObject_t *surface, const cudaResourceDesc *resource)
{
    const CUDA_RESOURCE_DESC r = rf::resource(resource);
    RF_CALL(cuSurfObjectCreate(surface, &r));
}
inline cudaError_t cudaDestroySurfaceObject(cudaSurfaceObject_t surface) { RF_CALL(cuSurfObjectDestroy(surface)); }

#endif
