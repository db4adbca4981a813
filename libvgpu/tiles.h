/* tiles.h - cutting a box of bytes into tiles of bounded size, for staging. */
#ifndef VGPU_TILES_H
#define VGPU_TILES_H

#include <stdint.h>

struct vgpu_tile {
    uint64_t x, y, z;              /* offset in the box: bytes, rows, slices */
    uint64_t width, rows, depth;
};

/* Fills `tile` with the box's first tile of at most `limit` bytes: whole slices if one fits, else whole rows, else a part
 * of one row. Extents must not be zero, nor `limit`. */
void vgpu_tile_first(struct vgpu_tile *tile, uint64_t width, uint64_t rows, uint64_t depth, uint64_t limit);

/* Moves to the next tile, in address order. Returns 0 behind the last one. */
int vgpu_tile_next(struct vgpu_tile *tile, uint64_t width, uint64_t rows, uint64_t depth, uint64_t limit);

/* Copies a tile between host memory (`start`: the box's first byte; pitch in bytes, height in rows) and packed bytes. */
void vgpu_tile_gather(uint8_t *packed, const uint8_t *start, uint64_t pitch, uint64_t height, const struct vgpu_tile *tile);
void vgpu_tile_scatter(uint8_t *start, uint64_t pitch, uint64_t height, const uint8_t *packed, const struct vgpu_tile *tile);

#endif
