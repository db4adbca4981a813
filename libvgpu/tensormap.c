/* tensormap.c - tensor maps (cuTensorMapEncode*): 128 bytes that only the driver can write, given to kernels as data. Whatever address
 * they name, a kernel reaches through its own context, as with any pointer. */
#include <string.h>

#include "call.h"
#include "context.h"
#include "hand.h"

enum { TILED, IM2COL, IM2COL_WIDE, REPLACE };
enum { MAP_BYTES = 128, RANK_MAX = 5, CORNERS = 3 };

struct asked {
    struct rf_TENSOR_MAP head;
    unsigned char map[MAP_BYTES];
    uint64_t dim[RANK_MAX], strides[RANK_MAX];
    uint32_t box[2 * CORNERS], element_strides[RANK_MAX + 1];
};
_Static_assert(sizeof(struct asked) == sizeof(struct rf_TENSOR_MAP) + MAP_BYTES + 2 * 8 * RANK_MAX + 2 * 4 * 2 * CORNERS, "without gaps");

static int aligned(const CUtensorMap *map) { return map && (uintptr_t)map % 64 == 0; }

/* The sizes of the arrays depend on the rank, which is looked at here; everything else is the driver's to judge. */
static CUresult encode(CUtensorMap *out, const struct asked *asked)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TENSOR_MAP, sizeof *asked, VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, asked, sizeof *asked);
    struct {
        struct rf_TENSOR_MAP_reply head;
        unsigned char map[MAP_BYTES];
    } reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) memcpy(out, reply.map, sizeof reply.map);
    return error;
}

static CUresult arrays(struct asked *asked, const cuuint64_t *dim, const cuuint64_t *strides, const cuuint32_t *element_strides)
{
    uint32_t rank = asked->head.rank;
    if (rank < 1 || rank > RANK_MAX || !dim || !element_strides || (rank > 1 && !strides)) return CUDA_ERROR_INVALID_VALUE;
    memcpy(asked->dim, dim, rank * sizeof *dim);
    if (rank > 1) memcpy(asked->strides, strides, (rank - 1) * sizeof *strides);
    memcpy(asked->element_strides, element_strides, rank * sizeof *element_strides);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuTensorMapEncodeTiled(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank, void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides, const cuuint32_t *boxDim, const cuuint32_t *elementStrides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
    struct asked asked = { .head = { .what = TILED, .type = (uint32_t)tensorDataType, .rank = tensorRank, .interleave = (uint32_t)interleave, .swizzle = (uint32_t)swizzle, .promotion = (uint32_t)l2Promotion, .fill = (uint32_t)oobFill, .address = (uintptr_t)globalAddress } };
    if (!aligned(tensorMap) || !boxDim) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = arrays(&asked, globalDim, globalStrides, elementStrides);
    if (error != CUDA_SUCCESS) return error;
    memcpy(asked.box, boxDim, tensorRank * sizeof *boxDim);
    return encode(tensorMap, &asked);
}

CUresult vgpu_cuTensorMapEncodeIm2col(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank, void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides, const int *pixelBoxLowerCorner, const int *pixelBoxUpperCorner, cuuint32_t channelsPerPixel, cuuint32_t pixelsPerColumn, const cuuint32_t *elementStrides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
    struct asked asked = { .head = { .what = IM2COL, .type = (uint32_t)tensorDataType, .rank = tensorRank, .interleave = (uint32_t)interleave, .swizzle = (uint32_t)swizzle, .promotion = (uint32_t)l2Promotion, .fill = (uint32_t)oobFill, .channels = channelsPerPixel, .pixels = pixelsPerColumn, .address = (uintptr_t)globalAddress } };
    if (!aligned(tensorMap) || tensorRank < 3 || !pixelBoxLowerCorner || !pixelBoxUpperCorner) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = arrays(&asked, globalDim, globalStrides, elementStrides);
    if (error != CUDA_SUCCESS) return error;
    memcpy(asked.box, pixelBoxLowerCorner, (tensorRank - 2) * sizeof *pixelBoxLowerCorner);
    memcpy(asked.box + CORNERS, pixelBoxUpperCorner, (tensorRank - 2) * sizeof *pixelBoxUpperCorner);
    return encode(tensorMap, &asked);
}

CUresult vgpu_cuTensorMapEncodeIm2colWide(CUtensorMap *tensorMap, CUtensorMapDataType tensorDataType, cuuint32_t tensorRank, void *globalAddress, const cuuint64_t *globalDim, const cuuint64_t *globalStrides, int pixelBoxLowerCornerWidth, int pixelBoxUpperCornerWidth, cuuint32_t channelsPerPixel, cuuint32_t pixelsPerColumn, const cuuint32_t *elementStrides, CUtensorMapInterleave interleave, CUtensorMapIm2ColWideMode mode, CUtensorMapSwizzle swizzle, CUtensorMapL2promotion l2Promotion, CUtensorMapFloatOOBfill oobFill)
{
    struct asked asked = { .head = { .what = IM2COL_WIDE, .type = (uint32_t)tensorDataType, .rank = tensorRank, .interleave = (uint32_t)interleave, .swizzle = (uint32_t)swizzle, .promotion = (uint32_t)l2Promotion, .fill = (uint32_t)oobFill, .mode = (uint32_t)mode, .channels = channelsPerPixel, .pixels = pixelsPerColumn, .lower = pixelBoxLowerCornerWidth, .upper = pixelBoxUpperCornerWidth, .address = (uintptr_t)globalAddress } };
    if (!aligned(tensorMap)) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = arrays(&asked, globalDim, globalStrides, elementStrides);
    return error == CUDA_SUCCESS ? encode(tensorMap, &asked) : error;
}

CUresult vgpu_cuTensorMapReplaceAddress(CUtensorMap *tensorMap, void *globalAddress)
{
    struct asked asked = { .head = { .what = REPLACE, .address = (uintptr_t)globalAddress } };
    if (!aligned(tensorMap)) return CUDA_ERROR_INVALID_VALUE;
    memcpy(asked.map, tensorMap, sizeof asked.map);
    return encode(tensorMap, &asked);
}
