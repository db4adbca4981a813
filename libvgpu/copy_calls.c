/* copy_calls.c - the many names of a copy, each turned into a box for copy.c. Boxes of two and three dimensions come by
 * descriptor and are checked here as the driver documents; the 32-bit forms of CUDA 2 and 3 are widened. */
#include <stddef.h>

#include "call.h"
#include "context.h"
#include "copy.h"
#include "device.h"
#include "hand.h"
#include "thread.h"

/* ---- one dimension ---- */

static CUresult line(unsigned abi, struct vgpu_side dst, struct vgpu_side src, size_t bytes, CUstream stream, int async)
{
    struct vgpu_box box = {.dst = dst, .src = src, .width = bytes, .rows = 1, .depth = 1, .stream = stream, .abi = abi, .async = async};
    return vgpu_copy(&box);
}

#define DEVICE(p) vgpu_side_device(p)
#define HOST(p) vgpu_side_host(p)
#define ARRAY(a, x) vgpu_side_array(a, x)

/* A unified pointer is whatever lies there: device() finds out, and what is neither the GPU's nor known is plain memory. */
static struct vgpu_side unified(CUdeviceptr p) { return vgpu_side_host((const void *)(uintptr_t)p); }

CUresult vgpu_cuMemcpy(unsigned abi, CUdeviceptr dst, CUdeviceptr src, size_t n) { return line(abi, unified(dst), unified(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyAsync(unsigned abi, CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s) { return line(abi, unified(dst), unified(src), n, s, 1); }
CUresult vgpu_cuMemcpyHtoD_v2(unsigned abi, CUdeviceptr dst, const void *src, size_t n) { return line(abi, DEVICE(dst), HOST(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyDtoH_v2(unsigned abi, void *dst, CUdeviceptr src, size_t n) { return line(abi, HOST(dst), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyDtoD_v2(unsigned abi, CUdeviceptr dst, CUdeviceptr src, size_t n) { return line(abi, DEVICE(dst), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyHtoDAsync_v2(unsigned abi, CUdeviceptr dst, const void *src, size_t n, CUstream s) { return line(abi, DEVICE(dst), HOST(src), n, s, 1); }
CUresult vgpu_cuMemcpyDtoHAsync_v2(unsigned abi, void *dst, CUdeviceptr src, size_t n, CUstream s) { return line(abi, HOST(dst), DEVICE(src), n, s, 1); }
CUresult vgpu_cuMemcpyDtoDAsync_v2(unsigned abi, CUdeviceptr dst, CUdeviceptr src, size_t n, CUstream s) { return line(abi, DEVICE(dst), DEVICE(src), n, s, 1); }
CUresult vgpu_cuMemcpyDtoA_v2(unsigned abi, CUarray dst, size_t at, CUdeviceptr src, size_t n) { return line(abi, ARRAY(dst, at), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoD_v2(unsigned abi, CUdeviceptr dst, CUarray src, size_t at, size_t n) { return line(abi, DEVICE(dst), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyHtoA_v2(unsigned abi, CUarray dst, size_t at, const void *src, size_t n) { return line(abi, ARRAY(dst, at), HOST(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoH_v2(unsigned abi, void *dst, CUarray src, size_t at, size_t n) { return line(abi, HOST(dst), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoA_v2(unsigned abi, CUarray dst, size_t to, CUarray src, size_t at, size_t n) { return line(abi, ARRAY(dst, to), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyHtoAAsync_v2(unsigned abi, CUarray dst, size_t at, const void *src, size_t n, CUstream s) { return line(abi, ARRAY(dst, at), HOST(src), n, s, 1); }
CUresult vgpu_cuMemcpyAtoHAsync_v2(unsigned abi, void *dst, CUarray src, size_t at, size_t n, CUstream s) { return line(abi, HOST(dst), ARRAY(src, at), n, s, 1); }

/* The 32-bit forms. */
CUresult vgpu_cuMemcpyHtoD(CUdeviceptr_v1 dst, const void *src, unsigned int n) { return line(0, DEVICE(dst), HOST(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyDtoH(void *dst, CUdeviceptr_v1 src, unsigned int n) { return line(0, HOST(dst), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyDtoD(CUdeviceptr_v1 dst, CUdeviceptr_v1 src, unsigned int n) { return line(0, DEVICE(dst), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyDtoA(CUarray dst, unsigned int at, CUdeviceptr_v1 src, unsigned int n) { return line(0, ARRAY(dst, at), DEVICE(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoD(CUdeviceptr_v1 dst, CUarray src, unsigned int at, unsigned int n) { return line(0, DEVICE(dst), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyHtoA(CUarray dst, unsigned int at, const void *src, unsigned int n) { return line(0, ARRAY(dst, at), HOST(src), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoH(void *dst, CUarray src, unsigned int at, unsigned int n) { return line(0, HOST(dst), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyAtoA(CUarray dst, unsigned int to, CUarray src, unsigned int at, unsigned int n) { return line(0, ARRAY(dst, to), ARRAY(src, at), n, NULL, 0); }
CUresult vgpu_cuMemcpyHtoDAsync(CUdeviceptr_v1 dst, const void *src, unsigned int n, CUstream s) { return line(0, DEVICE(dst), HOST(src), n, s, 1); }
CUresult vgpu_cuMemcpyDtoHAsync(void *dst, CUdeviceptr_v1 src, unsigned int n, CUstream s) { return line(0, HOST(dst), DEVICE(src), n, s, 1); }
CUresult vgpu_cuMemcpyDtoDAsync(CUdeviceptr_v1 dst, CUdeviceptr_v1 src, unsigned int n, CUstream s) { return line(0, DEVICE(dst), DEVICE(src), n, s, 1); }
CUresult vgpu_cuMemcpyHtoAAsync(CUarray dst, unsigned int at, const void *src, unsigned int n, CUstream s) { return line(0, ARRAY(dst, at), HOST(src), n, s, 1); }
CUresult vgpu_cuMemcpyAtoHAsync(void *dst, CUarray src, unsigned int at, unsigned int n, CUstream s) { return line(0, HOST(dst), ARRAY(src, at), n, s, 1); }

/* Between contexts: one zone has one address space, so the contexts need only be real. */
static CUresult peers(CUcontext dst, CUcontext src)
{
    return dst && src && vgpu_context_find(dst) && vgpu_context_find(src) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult vgpu_cuMemcpyPeer(unsigned abi, CUdeviceptr dst, CUcontext dstContext, CUdeviceptr src, CUcontext srcContext, size_t n)
{
    CUresult error = peers(dstContext, srcContext);
    return error ? error : line(abi, DEVICE(dst), DEVICE(src), n, NULL, 0);
}

CUresult vgpu_cuMemcpyPeerAsync(unsigned abi, CUdeviceptr dst, CUcontext dstContext, CUdeviceptr src, CUcontext srcContext, size_t n, CUstream s)
{
    CUresult error = peers(dstContext, srcContext);
    return error ? error : line(abi, DEVICE(dst), DEVICE(src), n, s, 1);
}

/* ---- two and three dimensions ---- */

struct end {
    CUmemorytype type;
    const void *host;
    CUdeviceptr device;
    CUarray array;
    size_t x, y, z, lod, pitch, height;
};

/* Whether an end is sound for a box, as cuMemcpy2D and cuMemcpy3D document; if so, the side it makes. */
static CUresult side_of(const struct end *end, size_t width, size_t rows, size_t depth, struct vgpu_side *side)
{
    switch (end->type) {
    case CU_MEMORYTYPE_HOST: *side = vgpu_side_host(end->host); break;
    case CU_MEMORYTYPE_DEVICE: *side = vgpu_side_device(end->device); break;
    case CU_MEMORYTYPE_UNIFIED: *side = unified(end->device); break;
    case CU_MEMORYTYPE_ARRAY: *side = vgpu_side_array(end->array, 0); break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    side->x = end->x;
    side->y = end->y;
    side->z = end->z;
    if (end->lod) return CUDA_ERROR_INVALID_VALUE; /* must be 0; a mipmap's level is an array of its own */
    if (side->kind == VGPU_SIDE_ARRAY) return end->array ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
    /* One row needs no pitch, one slice no height; else they must hold what is copied. */
    size_t pitch = end->pitch, height = end->height, most, reach;
    if (__builtin_add_overflow(end->x, width, &reach) || __builtin_add_overflow(end->y, rows, &most)) return CUDA_ERROR_INVALID_VALUE;
    if (pitch ? pitch < reach : rows > 1 || depth > 1 || end->y || end->z) return CUDA_ERROR_INVALID_VALUE;
    if (height ? height < most && depth > 1 : depth > 1 || end->z) return CUDA_ERROR_INVALID_VALUE;
    side->pitch = pitch;
    side->height = height > most ? height : end->z ? height : most;
    return CUDA_SUCCESS;
}

static CUresult box(unsigned abi, const struct end *dst, const struct end *src, size_t width, size_t rows, size_t depth, CUstream stream, int async)
{
    struct vgpu_box box = {.width = width, .rows = rows, .depth = depth, .stream = stream, .abi = abi, .async = async};
    CUresult error = vgpu_context_working(NULL);
    if (error != CUDA_SUCCESS || width == 0 || rows == 0 || depth == 0) return error;
    error = side_of(dst, width, rows, depth, &box.dst);
    if (error == CUDA_SUCCESS) error = side_of(src, width, rows, depth, &box.src);
    return error ? error : vgpu_copy(&box);
}

#define PLANE_END(c, e)                                                                                                          \
    {.type = (c)->e##MemoryType, .host = (c)->e##Host, .device = (c)->e##Device, .array = (c)->e##Array, .x = (c)->e##XInBytes, \
     .y = (c)->e##Y, .pitch = (c)->e##Pitch}
#define VOLUME_END(c, e)                                                                                                         \
    {.type = (c)->e##MemoryType, .host = (c)->e##Host, .device = (c)->e##Device, .array = (c)->e##Array, .x = (c)->e##XInBytes, \
     .y = (c)->e##Y, .z = (c)->e##Z, .lod = (c)->e##LOD, .pitch = (c)->e##Pitch, .height = (c)->e##Height}
#define PLANE(abi, c, stream, async)                                                                                 \
    do {                                                                                                             \
        if (!(c)) return CUDA_ERROR_INVALID_VALUE;                                                                   \
        struct end dst = PLANE_END(c, dst), src = PLANE_END(c, src);                                                 \
        return box(abi, &dst, &src, (c)->WidthInBytes, (c)->Height, 1, stream, async);                               \
    } while (0)
#define VOLUME(abi, c, stream, async)                                                                                \
    do {                                                                                                             \
        if (!(c)) return CUDA_ERROR_INVALID_VALUE;                                                                   \
        struct end dst = VOLUME_END(c, dst), src = VOLUME_END(c, src);                                               \
        return box(abi, &dst, &src, (c)->WidthInBytes, (c)->Height, (c)->Depth, stream, async);                      \
    } while (0)

/* cuMemcpy2D, unlike the unaligned form, refuses pitches beyond the device's limit. */
static int pitch_too_large(size_t dst, size_t src)
{
    const struct vgpu_context *context = vgpu_context_find(NULL);
    size_t most = context ? (size_t)vgpu_device_attribute(vgpu_device(context->device), CU_DEVICE_ATTRIBUTE_MAX_PITCH) : 0;
    return most && (dst > most || src > most);
}

CUresult vgpu_cuMemcpy2D_v2(unsigned abi, const CUDA_MEMCPY2D *c)
{
    if (c && pitch_too_large(c->dstPitch, c->srcPitch)) return CUDA_ERROR_INVALID_VALUE;
    PLANE(abi, c, NULL, 0);
}

CUresult vgpu_cuMemcpy2DAsync_v2(unsigned abi, const CUDA_MEMCPY2D *c, CUstream hStream)
{
    if (c && pitch_too_large(c->dstPitch, c->srcPitch)) return CUDA_ERROR_INVALID_VALUE;
    PLANE(abi, c, hStream, 1);
}

CUresult vgpu_cuMemcpy2D(const CUDA_MEMCPY2D_v1 *c) { PLANE(0, c, NULL, 0); }
CUresult vgpu_cuMemcpy2DAsync(const CUDA_MEMCPY2D_v1 *c, CUstream hStream) { PLANE(0, c, hStream, 1); }
CUresult vgpu_cuMemcpy2DUnaligned(const CUDA_MEMCPY2D_v1 *c) { PLANE(0, c, NULL, 0); }
CUresult vgpu_cuMemcpy2DUnaligned_v2(unsigned abi, const CUDA_MEMCPY2D *c) { PLANE(abi, c, NULL, 0); }
CUresult vgpu_cuMemcpy3D(const CUDA_MEMCPY3D_v1 *c) { VOLUME(0, c, NULL, 0); }
CUresult vgpu_cuMemcpy3D_v2(unsigned abi, const CUDA_MEMCPY3D *c) { VOLUME(abi, c, NULL, 0); }
CUresult vgpu_cuMemcpy3DAsync(const CUDA_MEMCPY3D_v1 *c, CUstream hStream) { VOLUME(0, c, hStream, 1); }
CUresult vgpu_cuMemcpy3DAsync_v2(unsigned abi, const CUDA_MEMCPY3D *c, CUstream hStream) { VOLUME(abi, c, hStream, 1); }

static CUresult volume_peers(const CUDA_MEMCPY3D_PEER *c)
{
    if (!c) return CUDA_ERROR_INVALID_VALUE;
    /* An array has its own; NULL is the current context, as programs leave it for ends that are host memory. */
    const int dst = c->dstMemoryType == CU_MEMORYTYPE_ARRAY || vgpu_context_find(c->dstContext), src = c->srcMemoryType == CU_MEMORYTYPE_ARRAY || vgpu_context_find(c->srcContext);
    return dst && src ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult vgpu_cuMemcpy3DPeer(unsigned abi, const CUDA_MEMCPY3D_PEER *c)
{
    CUresult error = volume_peers(c);
    if (error != CUDA_SUCCESS) return error;
    VOLUME(abi, c, NULL, 0);
}

CUresult vgpu_cuMemcpy3DPeerAsync(unsigned abi, const CUDA_MEMCPY3D_PEER *c, CUstream hStream)
{
    CUresult error = volume_peers(c);
    if (error != CUDA_SUCCESS) return error;
    VOLUME(abi, c, hStream, 1);
}

/* ---- batches: the copies one after the other in the stream, which is one of the orders that CUDA allows ---- */

static int legacy_default(unsigned abi, CUstream stream) { return stream == CU_STREAM_LEGACY || (!stream && !(abi & RF_FLAG_PER_THREAD)); }

static CUresult batch(unsigned abi, CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
                      size_t *attrsIdxs, size_t numAttrs, size_t *failed, CUstream stream)
{
    *failed = SIZE_MAX; /* no particular copy */
    if (!dsts || !srcs || !sizes || !count || !attrs || !attrsIdxs || !numAttrs || numAttrs > count || attrsIdxs[0] != 0) return CUDA_ERROR_INVALID_VALUE;
    if (legacy_default(abi, stream)) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numAttrs; i++) {
        if (i && (attrsIdxs[i] <= attrsIdxs[i - 1] || attrsIdxs[i] >= count)) return CUDA_ERROR_INVALID_VALUE;
        if (attrs[i].srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM || attrs[i].srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY) return CUDA_ERROR_INVALID_VALUE;
    }
    for (size_t i = 0; i < count; i++) {
        CUresult error = sizes[i] ? line(abi, unified(dsts[i]), unified(srcs[i]), sizes[i], stream, 1) : CUDA_ERROR_INVALID_VALUE;
        if (error == CUDA_SUCCESS) continue;
        *failed = i;
        return error;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemcpyBatchAsync(unsigned abi, CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
                                 size_t *attrsIdxs, size_t numAttrs, size_t *failIdx, CUstream hStream)
{
    size_t failed;
    return batch(abi, dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, failIdx ? failIdx : &failed, hStream);
}

CUresult vgpu_cuMemcpyBatchAsync_v2(unsigned abi, CUdeviceptr *dsts, CUdeviceptr *srcs, size_t *sizes, size_t count, CUmemcpyAttributes *attrs,
                                    size_t *attrsIdxs, size_t numAttrs, CUstream hStream)
{
    size_t failed;
    return batch(abi, dsts, srcs, sizes, count, attrs, attrsIdxs, numAttrs, &failed, hStream);
}

/* Bytes of an array's element, asked of the executor: extents of batch operands count in elements where an array is one. */
static CUresult element_bytes(CUarray array, size_t *bytes)
{
    CUDA_ARRAY3D_DESCRIPTOR d;
    CUresult error = vgpu_cuArray3DGetDescriptor_v2(&d, array);
    if (error != CUDA_SUCCESS) return error;
    switch ((int)d.Format) {
    case CU_AD_FORMAT_UNSIGNED_INT8: case CU_AD_FORMAT_SIGNED_INT8: *bytes = d.NumChannels; return CUDA_SUCCESS;
    case CU_AD_FORMAT_UNSIGNED_INT16: case CU_AD_FORMAT_SIGNED_INT16: case CU_AD_FORMAT_HALF: *bytes = 2u * d.NumChannels; return CUDA_SUCCESS;
    case CU_AD_FORMAT_UNSIGNED_INT32: case CU_AD_FORMAT_SIGNED_INT32: case CU_AD_FORMAT_FLOAT: *bytes = 4u * d.NumChannels; return CUDA_SUCCESS;
    default: return CUDA_ERROR_NOT_SUPPORTED; /* block-compressed and planar formats have no element */
    }
}

static CUresult operand(const CUmemcpy3DOperand *o, const CUextent3D *extent, size_t element, struct end *end)
{
    *end = (struct end){0};
    if (o->type == CU_MEMCPY_OPERAND_TYPE_ARRAY) {
        end->type = CU_MEMORYTYPE_ARRAY;
        end->array = o->op.array.array;
        end->x = o->op.array.offset.x * element;
        end->y = o->op.array.offset.y;
        end->z = o->op.array.offset.z;
        return CUDA_SUCCESS;
    }
    if (o->type != CU_MEMCPY_OPERAND_TYPE_POINTER) return CUDA_ERROR_INVALID_VALUE;
    end->type = CU_MEMORYTYPE_UNIFIED;
    end->device = o->op.ptr.ptr;
    end->pitch = (o->op.ptr.rowLength ? o->op.ptr.rowLength : extent->width) * element;
    end->height = o->op.ptr.layerHeight ? o->op.ptr.layerHeight : extent->height;
    return CUDA_SUCCESS;
}

static CUresult batch_box(unsigned abi, const CUDA_MEMCPY3D_BATCH_OP *op, CUstream stream)
{
    size_t element = 1;
    CUresult error = CUDA_SUCCESS;
    if (op->dst.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) error = element_bytes(op->dst.op.array.array, &element);
    else if (op->src.type == CU_MEMCPY_OPERAND_TYPE_ARRAY) error = element_bytes(op->src.op.array.array, &element);
    if (error != CUDA_SUCCESS) return error;
    if (op->srcAccessOrder < CU_MEMCPY_SRC_ACCESS_ORDER_STREAM || op->srcAccessOrder > CU_MEMCPY_SRC_ACCESS_ORDER_ANY) return CUDA_ERROR_INVALID_VALUE;
    struct end dst, src;
    error = operand(&op->dst, &op->extent, element, &dst);
    if (error == CUDA_SUCCESS) error = operand(&op->src, &op->extent, element, &src);
    return error ? error : box(abi, &dst, &src, op->extent.width * element, op->extent.height, op->extent.depth, stream, 1);
}

CUresult vgpu_cuMemcpy3DBatchAsync(unsigned abi, size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, size_t *failIdx, unsigned long long flags, CUstream hStream)
{
    size_t ignored, *failed = failIdx ? failIdx : &ignored;
    *failed = SIZE_MAX;
    if (!numOps || !opList || flags != 0 || legacy_default(abi, hStream)) return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < numOps; i++) {
        CUresult error = batch_box(abi, &opList[i], hStream);
        if (error == CUDA_SUCCESS) continue;
        *failed = i;
        return error;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_cuMemcpy3DBatchAsync_v2(unsigned abi, size_t numOps, CUDA_MEMCPY3D_BATCH_OP *opList, unsigned long long flags, CUstream hStream)
{
    return vgpu_cuMemcpy3DBatchAsync(abi, numOps, opList, NULL, flags, hStream);
}
