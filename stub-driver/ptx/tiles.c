/*
 * Tiles between shared memory and registers: ldmatrix, stmatrix, and movmatrix, which transposes in place. All lanes of the warp
 * take part; lane n has the address of row n of the tiles, one after the other, of 16 bytes each.
 */
#include <string.h>

#include "decode.h"
#include "numeric.h"
#include "ops.h"
#include "warp.h"

enum tile { TILE_8X8 /* of 16 bits */, TILE_16X16 /* of bytes */, TILE_8X16 /* likewise */, TILE_16X8 /* likewise, stored */ };

struct tiles {
    enum tile shape;
    u8 count, packed; /* packed: bits of an element in memory, where they are spread over bytes; 0 */
    bool transposed, load;
    enum space space;
    int32_t rows[4];
};

/* a, imm, flags: the address. */
void decode_tiles(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    bool load = o->name[0] == 'l';
    struct tiles *t = arena_alloc(&d->loader->arena, sizeof *t);
    operand_count(d, 2, 2);
    const struct operand *list = &d->s->operands[load ? 0 : 1];
    t->shape = opcode_has(o, "m16n16") ? TILE_16X16 : opcode_has(o, "m8n16") ? TILE_8X16 : opcode_has(o, "m16n8") ? TILE_16X8 : TILE_8X8;
    t->count = opcode_has(o, "x4") ? 4 : opcode_has(o, "x2") ? 2 : 1;
    t->packed = opcode_has(o, "b6x16_p32") ? 6 : opcode_has(o, "b4x16_p64") ? 4 : 0;
    t->transposed = opcode_has(o, "trans");
    t->load = load;
    unsigned count = list->kind == OPERAND_VECTOR ? list->count : 1, wanted = t->shape == TILE_16X16 ? 2u * t->count : t->count;
    if (count != wanted) refuse(d, PTX_INVALID, "%u registers; it has %u", count, wanted);
    for (unsigned i = 0; i < count; i++) {
        const struct operand *part = list->kind == OPERAND_VECTOR ? &list->parts[i] : list;
        t->rows[i] = load ? destination(d, part, T_B32, false) : source(d, part, T_B32, false);
    }
    struct address a = address_of(d, &d->s->operands[load ? 1 : 0]);
    t->space = memory_class(d, space_of(d), &a);
    if (t->space != SPACE_GLOBAL && t->space != SPACE_SHARED) refuse(d, PTX_INVALID, "tiles are in shared memory");
    struct insn *i = emit(d, handler(d, "tiles"));
    i->a = a.base;
    i->imm = a.offset;
    i->flags = a.flags;
    i->more = t;
}

/* One row of a tile in memory; NULL: the fault is recorded. */
static unsigned char *row_at(struct warp *w, const struct insn *in, u32 lane) {
    const struct tiles *t = in->more;
    return memory_access(w, in, t->space, lane, memory_address(w, in, lane), 16, 16, !t->load);
}

/* Where byte j of register r of a lane is in its tile: register 0 has row lane / 4, register 1 of a tile of 16 rows 8 below. */
struct spot {
    u32 row, column;
};
static struct spot byte_spot(enum tile shape, u32 lane, u32 r, u32 j) {
    if (shape == TILE_16X8) return (struct spot){lane / 4 + (j & 2 ? 8 : 0), lane % 4 * 2 + (j & 1)};
    return (struct spot){lane / 4 + 8 * r, lane % 4 * 4 + j};
}

/* Bytes. Tiles that are transposed have a column where others have a row in memory. */
static const struct insn *run_bytes(struct warp *w, const struct insn *in) {
    const struct tiles *t = in->more;
    const u32 lines = t->shape == TILE_16X16 ? 16 : 8, registers = t->shape == TILE_16X16 ? 2 : 1;
    for (u32 k = 0; k < t->count; k++) {
        u8 tile[16][16] = {{0}}; /* as it lies in memory */
        for (u32 lane = 0; !t->load && lane < LANES; lane++)
            for (u32 j = 0; j < 4; j++) {
                const struct spot at = byte_spot(t->shape, lane, 0, j);
                tile[at.column][at.row] = (u8)(((const u32 *)row(w, t->rows[k]))[lane] >> (8 * j));
            }
        for (u32 line = 0; line < lines; line++) {
            unsigned char *p = row_at(w, in, lines * k + line);
            if (!p) return NULL;
            u64 bits[2] = {0};
            for (u32 c = 0; c < 16; c++) {
                if (!t->load) __atomic_store_n(p + c, tile[line][c], __ATOMIC_RELAXED);
                else if (!t->packed) tile[line][c] = __atomic_load_n(p + c, __ATOMIC_RELAXED);
                else bits[c / 8] |= (u64)__atomic_load_n(p + c, __ATOMIC_RELAXED) << (8 * (c % 8));
            }
            for (u32 c = 0; t->packed && c < 16; c++) {
                const u32 at = c * t->packed, low = at % 64;
                u64 value = bits[at / 64] >> low;
                if (low + t->packed > 64) value |= bits[1] << (64 - low);
                tile[line][c] = (u8)(value & ((1u << t->packed) - 1));
            }
        }
        for (u32 r = 0; t->load && r < registers; r++) {
            u32 *d = out(w, t->rows[registers * k + r]);
            EACH_LANE(w, lane) {
                u32 value = 0;
                for (u32 j = 0; j < 4; j++) {
                    const struct spot at = byte_spot(t->shape, lane, r, j);
                    value |= (u32)(t->transposed ? tile[at.column][at.row] : tile[at.row][at.column]) << (8 * j);
                }
                d[lane] = value;
            }
        }
    }
    return in + 1;
}

/* 8 x 8 of 16 bits: lane l holds elements 2 (l % 4) and the next of row l / 4, or of column l / 4 when transposed. */
static const struct insn *run_tiles(struct warp *w, const struct insn *in) {
    const struct tiles *t = in->more;
    u16 tile[8][8];
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    w->budget -= MATRIX_COST;
    if (t->shape != TILE_8X8) return run_bytes(w, in);
    for (unsigned k = 0; k < t->count; k++) {
        const u32 *values = t->load ? NULL : row(w, t->rows[k]);
        u32 *d = t->load ? out(w, t->rows[k]) : NULL;
        for (u32 lane = 0; !t->load && lane < LANES; lane++)
            for (u32 j = 0; j < 2; j++) *(t->transposed ? &tile[lane % 4 * 2 + j][lane / 4] : &tile[lane / 4][lane % 4 * 2 + j]) = (u16)(values[lane] >> (16 * j));
        for (u32 r = 0; r < 8; r++) {
            unsigned char *p = row_at(w, in, 8 * k + r);
            if (!p) return NULL;
            for (u32 c = 0; c < 8; c++) {
                if (t->load) tile[r][c] = __atomic_load_n((u16 *)(void *)p + c, __ATOMIC_RELAXED);
                else __atomic_store_n((u16 *)(void *)p + c, tile[r][c], __ATOMIC_RELAXED);
            }
        }
        if (t->load)
            EACH_LANE(w, lane) {
                u32 x = lane / 4, y = lane % 4 * 2;
                d[lane] = t->transposed ? tile[y][x] | (u32)tile[y + 1][x] << 16 : tile[x][y] | (u32)tile[x][y + 1] << 16;
            }
    }
    return in + 1;
}

static const struct insn *run_movmatrix(struct warp *w, const struct insn *in) {
    if (!warp_gather(w, in, 0xffffffffu)) return NULL;
    const u32 *a = row(w, in->a);
    u32 *d = out(w, in->d);
    w->budget -= MATRIX_COST;
    u16 tile[8][8];
    for (u32 lane = 0; lane < LANES; lane++)
        for (u32 j = 0; j < 2; j++) tile[lane / 4][lane % 4 * 2 + j] = (u16)(a[lane] >> (16 * j));
    EACH_LANE(w, lane) d[lane] = tile[lane % 4 * 2][lane / 4] | (u32)tile[lane % 4 * 2 + 1][lane / 4] << 16;
    return in + 1;
}

const struct ops_entry ops_tiles[] = {{"tiles", run_tiles}, {"movmatrix", run_movmatrix}, {NULL, NULL}};
