/* Sampling: what a texture fetch returns, given a description of the image and somebody who reads its bytes. Knows nothing of
 * warps. CUDA C++ Programming Guide, "Texture Fetching", is what it follows. */
#ifndef RINGFENCE_PTX_TEXTURE_H
#define RINGFENCE_PTX_TEXTURE_H

#include "image.h"

/* Where texels come from. `at` gives the host address of `size` bytes (a whole texel, aligned to its channels); NULL: they are
 * not there, and the fetch fails. */
struct texel_reader {
    const unsigned char *(*at)(struct texel_reader *reader, uint64_t address, uint32_t size);
};

struct texture_query {
    bool integer;            /* coordinates are whole texels: i, else f */
    float f[3];
    int32_t i[3];
    uint32_t layer;          /* of a layered image */
    int32_t offset[3];       /* texels, added to the coordinates */
    float level;             /* of detail, before bias and limits */
    bool has_level;          /* false: the base level */
};

/* One fetch. out: the bits of four channels; those that the image lacks are 0, 0 and 1. *is_float says of which kind they are.
 * False when a texel could not be read. */
bool texture_sample(const struct ptx_image *image, const struct ptx_sampler *sampler, const struct texture_query *query, struct texel_reader *reader, uint32_t out[4],
                    bool *is_float);

/* The four texels that linear filtering would use, channel `component` of each: (0,1) (1,1) (1,0) (0,0). */
bool texture_gather(const struct ptx_image *image, const struct ptx_sampler *sampler, const struct texture_query *query, unsigned component,
                    struct texel_reader *reader, uint32_t out[4], bool *is_float);

/* The level of detail that derivatives of the coordinates mean. */
float texture_level(const struct ptx_image *image, const struct ptx_sampler *sampler, const float dx[3], const float dy[3], const float at[3]);

/* Bytes of a texel, 1 to 16. */
uint32_t image_texel_bytes(const struct ptx_image *image);

#endif
