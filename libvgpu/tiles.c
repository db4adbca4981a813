/* tiles.c - the arithmetic of cutting a box into tiles that fit a staging chunk, and their way there and back. Contiguous rows go in one piece. */
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

/* What is gathered comes from memory more often than from a cache, and where a page ends the processor's prefetcher stops and the tables are walked for the
 * next one. So large pieces are read four pages at a time, four lines of each in turn: three streams go on while the fourth one waits. (A piece that is
 * scattered lies in the caches, and is written in order.) */
#define STRIPE 4096u
#define STRIPES 4u
#define BLOCK 256u
#define LINE 64u
#define STRIPED_LEAST 65536u

static void read_striped(uint8_t *to, const uint8_t *from, uint64_t bytes)
{
    uint64_t at = 0;
    if (bytes >= STRIPED_LEAST)
        for (; bytes - at >= STRIPES * STRIPE; at += STRIPES * STRIPE)
            for (uint64_t block = at; block < at + STRIPE; block += BLOCK)
                for (uint64_t stripe = block; stripe < block + STRIPES * STRIPE; stripe += STRIPE)
                    for (uint64_t line = stripe; line < stripe + BLOCK; line += LINE) memcpy(to + line, from + line, LINE);
    rf_memcpy(to + at, from + at, bytes - at);
}

void vgpu_tile_gather(uint8_t *packed, const uint8_t *start, uint64_t pitch, uint64_t height, const struct vgpu_tile *tile)
{
    for (uint64_t z = 0; z < tile->depth; z++) {
        const uint8_t *from = start + (tile->z + z) * height * pitch + tile->y * pitch + tile->x;
        if (pitch == tile->width) {
            read_striped(packed, from, tile->rows * tile->width);
            packed += tile->rows * tile->width;
            continue;
        }
        for (uint64_t y = 0; y < tile->rows; y++, packed += tile->width) read_striped(packed, from + y * pitch, tile->width);
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
