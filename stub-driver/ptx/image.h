/*
 * What the engine is told of a texture or a surface: where its texels are and how they are to be read. The caller (the driver)
 * makes these descriptions from its objects; sampling (texture.c) is arithmetic on them.
 */
#ifndef RINGFENCE_PTX_IMAGE_H
#define RINGFENCE_PTX_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { PTX_IMAGE_LEVELS = 18 };

/* How a channel of a texel lies in memory. */
enum ptx_channel { PTX_CHANNEL_U8, PTX_CHANNEL_S8, PTX_CHANNEL_U16, PTX_CHANNEL_S16, PTX_CHANNEL_U32, PTX_CHANNEL_S32, PTX_CHANNEL_F16, PTX_CHANNEL_F32 };

/* As CUaddress_mode and CUfilter_mode count them. */
enum ptx_address_mode { PTX_ADDRESS_WRAP, PTX_ADDRESS_CLAMP, PTX_ADDRESS_MIRROR, PTX_ADDRESS_BORDER };
enum ptx_filter { PTX_FILTER_POINT, PTX_FILTER_LINEAR };

struct ptx_sampler {
    uint8_t address[3];      /* enum ptx_address_mode, for x, y, z */
    uint8_t filter, mip_filter; /* enum ptx_filter */
    bool normalized_coords;  /* coordinates from 0 to 1 */
    bool unnormalized_coords; /* of a .samplerref (force_unnormalized_coords): whatever the texture says */
    bool seamless;           /* cube maps: filter across faces */
    float level_bias, level_min, level_max;
    uint32_t border[4];      /* bits of the colour outside, where the address mode is BORDER */
};

/* Texels of one mipmap level. Layers and faces follow one another as slices. */
struct ptx_level {
    uint64_t address;        /* of texel (0, 0, 0); `storage` says in which address space */
    uint64_t pitch, slice;   /* bytes from row to row, from slice to slice */
    uint32_t width, height, depth; /* texels, at least 1 */
};

struct ptx_image {
    uint8_t dimensions;      /* 1, 2 or 3, without layers */
    bool layered, cube;
    bool linear;             /* 1D over plain memory: read by integer coordinates, 0 outside */
    bool storage;            /* memory of an array, which no pointer reaches: ptx_memory.storage translates it */
    uint8_t channels;        /* 1, 2 or 4 */
    uint8_t channel;         /* enum ptx_channel */
    bool normalized;         /* 8- and 16-bit integers are read as floating point from 0 (-1) to 1 */
    bool srgb;               /* and the first three of them are sRGB */
    bool integer_bits;       /* 32-bit integers, or integers that are read as such */
    uint32_t layers;         /* of a layered image, 1 otherwise; a cube's six faces are one */
    uint32_t level_count;
    struct ptx_sampler sampler; /* of a texture */
    struct ptx_level levels[PTX_IMAGE_LEVELS];
};

#endif
