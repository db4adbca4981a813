/* tiles.c - the arithmetic of cutting a box into tiles that fit a staging chunk. Contiguous rows go in one memcpy. */
#include "tiles.h"

#include "aliased.h"

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* Extents of the tile that begins at the tile's x, y, z. */
static void extend(struct vgpu_tile *tile, uint64_t width, uint64_t rows, uint64_t depth, uint64_t limit)
{
    tile->rows = tile->depth = 1;
    if (width > limit) {
        tile->width = least(limit, width - tile->x);
        return;
    }
    tile->width = width;
    uint64_t fit = limit / width; /* rows */
    if (rows > fit) {
        tile->rows = least(fit, rows - tile->y);
        return;
    }
    tile->rows = rows;
    tile->depth = least(fit / rows, depth - tile->z);
}

void vgpu_tile_first(struct vgpu_tile *tile, uint64_t width, uint64_t rows, uint64_t depth, uint64_t limit)
{
    tile->x = tile->y = tile->z = 0;
    extend(tile, width, rows, depth, limit);
}

int vgpu_tile_next(struct vgpu_tile *tile, uint64_t width, uint64_t rows, uint64_t depth, uint64_t limit)
{
    tile->x += tile->width;
    if (tile->x >= width) {
        tile->x = 0;
        tile->y += tile->rows;
    }
    if (tile->y >= rows) {
        tile->y = 0;
        tile->z += tile->depth;
    }
    if (tile->z >= depth) return 0;
    extend(tile, width, rows, depth, limit);
    return 1;
}

void vgpu_tile_gather(uint8_t *packed, const uint8_t *start, uint64_t pitch, uint64_t height, const struct vgpu_tile *tile)
{
    for (uint64_t z = 0; z < tile->depth; z++) {
        const uint8_t *from = start + (tile->z + z) * height * pitch + tile->y * pitch + tile->x;
        if (pitch == tile->width) {
            rf_memcpy(packed, from, tile->rows * tile->width);
            packed += tile->rows * tile->width;
            continue;
        }
        for (uint64_t y = 0; y < tile->rows; y++, packed += tile->width) rf_memcpy(packed, from + y * pitch, tile->width);
    }
}

void vgpu_tile_scatter(uint8_t *start, uint64_t pitch, uint64_t height, const uint8_t *packed, const struct vgpu_tile *tile)
{
    for (uint64_t z = 0; z < tile->depth; z++) {
        uint8_t *to = start + (tile->z + z) * height * pitch + tile->y * pitch + tile->x;
        if (pitch == tile->width) {
            rf_memcpy(to, packed, tile->rows * tile->width);
            packed += tile->rows * tile->width;
            continue;
        }
        for (uint64_t y = 0; y < tile->rows; y++, packed += tile->width) rf_memcpy(to + y * pitch, packed, tile->width);
    }
}
