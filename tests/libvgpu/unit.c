/* unit.c - parts of the library that need no broker: cutting boxes into tiles, and the table of host ranges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef NDEBUG
#include <assert.h>

#include "ranges.h"
#include "tiles.h"

/* Every byte of every small box is in exactly one tile, tiles keep the limit and come in order, and packing is undone by unpacking. */
static void tiles(void)
{
    enum { X = 11, Y = 5, Z = 4 };
    for (uint64_t w = 1; w <= X; w++)
        for (uint64_t h = 1; h <= Y; h++)
            for (uint64_t d = 1; d <= Z; d++)
                for (uint64_t limit = 1; limit <= w * h * d + 3; limit++) {
                    uint64_t pitch = w + (limit % 3), height = h + limit % 2;
                    uint8_t seen[X * Y * Z] = {0}, from[(X + 2) * (Y + 1) * Z], to[sizeof from], packed[X * Y * Z];
                    for (size_t i = 0; i < sizeof from; i++) from[i] = (uint8_t)(i * 7 + 1);
                    memset(to, 0, sizeof to);
                    struct vgpu_tile tile;
                    uint64_t before = 0, n = 0;
                    vgpu_tile_first(&tile, w, h, d, limit);
                    do {
                        uint64_t at = (tile.z * h + tile.y) * w + tile.x;
                        assert(n == 0 || at > before);
                        before = at;
                        assert(tile.width && tile.rows && tile.depth && tile.width * tile.rows * tile.depth <= limit);
                        for (uint64_t z = 0; z < tile.depth; z++)
                            for (uint64_t y = 0; y < tile.rows; y++)
                                for (uint64_t x = 0; x < tile.width; x++) {
                                    assert(tile.x + x < w && tile.y + y < h && tile.z + z < d);
                                    assert(!seen[((tile.z + z) * h + tile.y + y) * w + tile.x + x]++);
                                }
                        n += tile.width * tile.rows * tile.depth;
                        vgpu_tile_gather(packed, from, pitch, height, &tile);
                        vgpu_tile_scatter(to, pitch, height, packed, &tile);
                    } while (vgpu_tile_next(&tile, w, h, d, limit));
                    assert(n == w * h * d);
                    for (uint64_t z = 0; z < d; z++)
                        for (uint64_t y = 0; y < height; y++)
                            for (uint64_t x = 0; x < pitch; x++) {
                                size_t at = (z * height + y) * pitch + x;
                                assert(to[at] == (y < h && x < w ? from[at] : 0));
                            }
                }
}

/* Pieces long enough to be read in stripes, of every rest, wherever they begin; nothing is written beside them. */
static void pieces(void)
{
    enum { MOST = 200000, AROUND = 64 };
    static const uint64_t sizes[] = {65535, 65536, 65537, 16384 * 5 - 1, 16384 * 5, 16384 * 5 + 64, 131072 + 4095, 199999, 200000};
    uint8_t *from = malloc(MOST + AROUND), *packed = malloc(MOST + 2 * AROUND);
    assert(from && packed);
    for (size_t i = 0; i < MOST + AROUND; i++) from[i] = (uint8_t)(i * 31 + (i >> 12) + (i >> 8));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t shift = 0; shift < AROUND; shift += 21) {
            struct vgpu_tile tile;
            vgpu_tile_first(&tile, sizes[i], 1, 1, MOST);
            memset(packed, 0xee, MOST + 2 * AROUND);
            vgpu_tile_gather(packed + AROUND, from + shift, sizes[i], 1, &tile);
            assert(memcmp(packed + AROUND, from + shift, sizes[i]) == 0);
            for (size_t j = 0; j < AROUND; j++) assert(packed[j] == 0xee && packed[AROUND + sizes[i] + j] == 0xee);
        }
    free(from);
    free(packed);
}

/* Random ranges against an array of owners. */
static void ranges(void)
{
    enum { ROOM = 512 };
    uint64_t owner[ROOM] = {0}, starts[ROOM] = {0}, next = 1;
    srand(7);
    for (int round = 0; round < 20000; round++) {
        uintptr_t start = (uintptr_t)rand() % ROOM, end = start + 1 + (uintptr_t)rand() % 20;
        if (end > ROOM) end = ROOM;
        struct vgpu_host_range range = {.start = start, .end = end, .id = next}, got;
        int taken = 0, first = -1;
        for (uintptr_t i = start; i < end; i++)
            if (owner[i]) {
                if (!taken) first = (int)i;
                taken = 1;
            }
        assert(vgpu_ranges_touching(start, end, &got) == taken);
        if (taken) assert(got.id == owner[first]);
        if (rand() % 3) {
            assert(vgpu_ranges_add(&range) == (taken ? -1 : 0));
            if (!taken) {
                for (uintptr_t i = start; i < end; i++) owner[i] = next;
                starts[start] = next++;
            }
        } else {
            int there = starts[start] != 0;
            assert(vgpu_ranges_remove(start, &got) == there);
            if (there) {
                assert(got.id == starts[start]);
                for (uintptr_t i = 0; i < ROOM; i++)
                    if (owner[i] == got.id) owner[i] = 0;
                starts[start] = 0;
            }
        }
        uintptr_t any = (uintptr_t)rand() % ROOM;
        assert(vgpu_ranges_find(any, &got) == (owner[any] != 0));
        if (owner[any]) assert(got.id == owner[any] && got.start <= any && any < got.end);
    }
    for (uintptr_t i = 0; i < ROOM; i++) {
        struct vgpu_host_range got;
        if (starts[i]) assert(vgpu_ranges_remove(i, &got));
    }
}

int main(void)
{
    tiles();
    pieces();
    ranges();
    puts("ok");
    return 0;
}
