/* array.c - arrays and mipmapped arrays: creating, describing, destroying. Copies of them are in copy_calls.c. */
#include <stddef.h>

#include "call.h"
#include "hand.h"

static CUresult create(CUarray *handle, size_t width, size_t height, size_t depth, CUarray_format format, unsigned channels, unsigned flags)
{
    if (!handle || width == 0 || (channels != 1 && channels != 2 && channels != 4)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_ARRAY_CREATE, sizeof(struct rf_ARRAY_CREATE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_ARRAY_CREATE *request = call.payload;
    request->width = width;
    request->height = height;
    request->depth = depth;
    request->format = (uint32_t)format;
    request->channels = channels;
    request->flags = flags;
    struct rf_ARRAY_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *handle = (CUarray)(uintptr_t)reply.array;
    return error;
}

CUresult vgpu_cuArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *d)
{
    return d ? create(pHandle, d->Width, d->Height, 0, d->Format, d->NumChannels, 0) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuArrayCreate(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *d)
{
    return d ? create(pHandle, d->Width, d->Height, 0, d->Format, d->NumChannels, 0) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuArray3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *d)
{
    return d ? create(pHandle, d->Width, d->Height, d->Depth, d->Format, d->NumChannels, d->Flags) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuArray3DCreate(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *d)
{
    return d ? create(pHandle, d->Width, d->Height, d->Depth, d->Format, d->NumChannels, d->Flags) : CUDA_ERROR_INVALID_VALUE;
}

static CUresult describe(CUarray array, struct rf_ARRAY_DESCRIBE_reply *reply)
{
    if (!array) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_ARRAY_DESCRIBE, sizeof(struct rf_ARRAY_DESCRIBE), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_ARRAY_DESCRIBE *)call.payload)->array = VGPU_WIRE(array);
    return vgpu_wait(&call, reply, sizeof *reply);
}

/* Fills what the four descriptor types have in common. */
#define DESCRIBE(d, array, size)                                        \
    struct rf_ARRAY_DESCRIBE_reply reply;                               \
    if (!(d)) return CUDA_ERROR_INVALID_VALUE;                          \
    CUresult error = describe(array, &reply);                           \
    if (error != CUDA_SUCCESS) return error;                            \
    (d)->Width = (size)reply.width;                                     \
    (d)->Height = (size)reply.height;                                   \
    (d)->Format = (CUarray_format)reply.format;                         \
    (d)->NumChannels = reply.channels

CUresult vgpu_cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *d, CUarray hArray)
{
    DESCRIBE(d, hArray, size_t);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1 *d, CUarray hArray)
{
    DESCRIBE(d, hArray, unsigned int);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *d, CUarray hArray)
{
    DESCRIBE(d, hArray, size_t);
    d->Depth = reply.depth;
    d->Flags = reply.flags;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1 *d, CUarray hArray)
{
    DESCRIBE(d, hArray, unsigned int);
    d->Depth = (unsigned int)reply.depth;
    d->Flags = reply.flags;
    return CUDA_SUCCESS;
}

static CUresult destroy(uint16_t message, uint64_t handle)
{
    if (!handle) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, message, sizeof(struct rf_ARRAY_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_ARRAY_DESTROY *)call.payload)->array = handle; /* MIPMAP_DESTROY has the same layout */
    return vgpu_wait(&call, NULL, 0);
}

_Static_assert(sizeof(struct rf_MIPMAP_DESTROY) == sizeof(struct rf_ARRAY_DESTROY), "one handle");

CUresult vgpu_cuArrayDestroy(CUarray hArray) { return destroy(RF_ARRAY_DESTROY, VGPU_WIRE(hArray)); }

CUresult vgpu_cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) { return destroy(RF_MIPMAP_DESTROY, VGPU_WIRE(hMipmappedArray)); }

CUresult vgpu_cuMipmappedArrayCreate(CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned int numMipmapLevels)
{
    if (!pHandle || !d || d->Width == 0 || numMipmapLevels == 0) return CUDA_ERROR_INVALID_VALUE;
    if (d->NumChannels != 1 && d->NumChannels != 2 && d->NumChannels != 4) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MIPMAP_CREATE, sizeof(struct rf_MIPMAP_CREATE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_MIPMAP_CREATE *request = call.payload;
    request->width = d->Width;
    request->height = d->Height;
    request->depth = d->Depth;
    request->format = (uint32_t)d->Format;
    request->channels = d->NumChannels;
    request->flags = d->Flags;
    request->levels = numMipmapLevels;
    struct rf_MIPMAP_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *pHandle = (CUmipmappedArray)(uintptr_t)reply.mipmap;
    return error;
}

CUresult vgpu_cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level)
{
    if (!pLevelArray) return CUDA_ERROR_INVALID_VALUE;
    if (!hMipmappedArray) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MIPMAP_LEVEL, sizeof(struct rf_MIPMAP_LEVEL), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_MIPMAP_LEVEL *request = call.payload;
    request->mipmap = VGPU_WIRE(hMipmappedArray);
    request->level = level;
    struct rf_MIPMAP_LEVEL_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *pLevelArray = (CUarray)(uintptr_t)reply.array;
    return error;
}

/* Sparse properties, memory requirements and planes belong to kinds of arrays that a zone cannot make (sparse, deferred, planar):
 * of a good handle they are what is documented for an array that is not of the kind, CUDA_ERROR_INVALID_VALUE. */
static CUresult lacks(CUarray array, const void *out)
{
    struct rf_ARRAY_DESCRIBE_reply reply;
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = describe(array, &reply);
    return error != CUDA_SUCCESS ? error : CUDA_ERROR_INVALID_VALUE;
}

static CUresult mipmap_lacks(CUmipmappedArray mipmap, const void *out)
{
    CUarray none;
    /* No mipmapped array has that level: it answers whether the handle is good. */
    return out ? vgpu_cuMipmappedArrayGetLevel(&none, mipmap, UINT32_MAX) : CUDA_ERROR_INVALID_VALUE;
}

CUresult vgpu_cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray array) { return lacks(array, sparseProperties); }

CUresult vgpu_cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUmipmappedArray mipmap) { return mipmap_lacks(mipmap, sparseProperties); }

CUresult vgpu_cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUarray array, CUdevice device)
{
    (void)device;
    return lacks(array, memoryRequirements);
}

CUresult vgpu_cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUmipmappedArray mipmap, CUdevice device)
{
    (void)device;
    return mipmap_lacks(mipmap, memoryRequirements);
}

CUresult vgpu_cuArrayGetPlane(CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx)
{
    (void)planeIdx;
    return lacks(hArray, pPlaneArray);
}
