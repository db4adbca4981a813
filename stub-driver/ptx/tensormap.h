/*
 * Tensor maps: what cuTensorMapEncode* write and tensor copies read, 128 bytes that programs treat as opaque. The layout is this
 * engine's own.
 */
#ifndef RINGFENCE_PTX_TENSORMAP_H
#define RINGFENCE_PTX_TENSORMAP_H

#include <stdint.h>

#define TENSOR_MAP_MAGIC 0x314d5452u /* "RTM1" */

/* As CUtensorMapDataType counts them; the packed types of 4 and 6 bits are not served. */
enum tensor_type {
    TENSOR_U8, TENSOR_U16, TENSOR_U32, TENSOR_S32, TENSOR_U64, TENSOR_S64, TENSOR_F16, TENSOR_F32, TENSOR_F64, TENSOR_BF16, TENSOR_F32_FTZ, TENSOR_TF32, TENSOR_TF32_FTZ,
    TENSOR_TYPES,
};
/* As CUtensorMapSwizzle. */
enum tensor_swizzle { SWIZZLE_NONE, SWIZZLE_32, SWIZZLE_64, SWIZZLE_128, SWIZZLE_128_ATOM_32, SWIZZLE_128_ATOM_32_FLIP_8, SWIZZLE_128_ATOM_64, SWIZZLES };

struct tensor_map {
    uint32_t magic;
    uint8_t type, rank, interleave, swizzle;
    uint8_t nan_fill, im2col, reserved[2];
    uint32_t dim[5];          /* elements, less one */
    uint64_t address;
    uint64_t stride[4];       /* bytes, of dimensions 1 to rank - 1 */
    uint16_t box[5];          /* elements that are traversed */
    uint8_t element_stride[5], reserved_too;
    int16_t lower[3], upper[3]; /* im2col: the bounding box of W, H, D */
    uint16_t channels, pixels;
    uint8_t rest[24];
};
_Static_assert(sizeof(struct tensor_map) == 128, "a tensor map has 128 bytes");

static inline unsigned tensor_type_bytes(enum tensor_type type) {
    static const uint8_t bytes[TENSOR_TYPES] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    return bytes[type];
}

#endif
