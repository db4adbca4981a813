/*
 * cvt.rs: stochastic rounding. Random bits, as many as the operand gives each value, are added just below the last place that
 * the result keeps; a carry rounds away from zero.
 */
#include "decode.h"
#include "ops.h"
#include "small.h"
#include "warp.h"

enum { TO_F16, TO_BF16, TO_E4M3, TO_E5M2, TO_E3M2, TO_E2M3, TO_E2M1 };
static const struct {
    const char *word;
    u8 count, bits; /* values in a result, and bits of each */
} targets[] = {
    [TO_F16] = {"f16x2", 2, 16},  [TO_BF16] = {"bf16x2", 2, 16}, [TO_E4M3] = {"e4m3x4", 4, 8}, [TO_E5M2] = {"e5m2x4", 4, 8},
    [TO_E3M2] = {"e3m2x4", 4, 8}, [TO_E2M3] = {"e2m3x4", 4, 8},  [TO_E2M1] = {"e2m1x4", 4, 4},
};

/* mode: the format, vec: 1 .relu, 2 .satfinite; list: the sources, the one for the highest bits first, then the random bits. */
void decode_stochastic(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct insn x = {.d = -1, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
    while (!opcode_has(o, targets[x.mode].word)) x.mode++;
    const u32 count = targets[x.mode].count;
    int32_t *list = arena_alloc(&d->loader->arena, 5 * sizeof *list);
    operand_count(d, count == 4 ? 3 : 4, count == 4 ? 3 : 4);
    if (count == 4 && (operands[1].kind != OPERAND_VECTOR || operands[1].count != 4)) refuse(d, PTX_INVALID, "a vector of 4 elements is needed");
    for (u32 i = 0; i < count; i++) list[i] = source(d, count == 4 ? &operands[1].parts[i] : &operands[1 + i], T_F32, false);
    list[count] = source(d, &operands[d->s->operand_count - 1], T_B32, false);
    x.d = destination(d, &operands[0], x.mode == TO_E2M1 ? T_B16 : T_B32, false);
    x.vec = (u8)((opcode_has(o, "relu") ? 1 : 0) | (opcode_has(o, "satfinite") ? 2 : 0));
    emit_fields(d, handler(d, "cvt.rs"), &x)->list = list;
}

/* The random bits of value i, at the top of 32. */
static u32 bits_for(int format, u32 random, u32 i) {
    switch (format) {
        case TO_F16: return (i == 0 ? random >> 16 & 0x1fff : random & 0x1fff) << 19;
        case TO_BF16: return i == 0 ? random & 0xffff0000u : random << 16;
        /* the upper or the lower byte of both halves */
        case TO_E2M1: return i < 2 ? (random & 0xff000000u) | (random & 0xff00) << 8 : (random & 0xff0000) << 8 | (random & 0xff) << 16;
        default: return i < 2 ? random & 0xffff0000u : random << 16;
    }
}

static u32 rounded(int format, float value, u32 random, bool satfinite) {
    static const struct small_shape wide[] = {[TO_F16] = {5, 10, 0x7bff, 0x7fff}, [TO_BF16] = {8, 7, 0x7f7f, 0x7fff}};
    static const enum small_format small[] = {[TO_E4M3] = SMALL_E4M3, [TO_E5M2] = SMALL_E5M2, [TO_E3M2] = SMALL_E3M2, [TO_E2M3] = SMALL_E2M3, [TO_E2M1] = SMALL_E2M1};
    if (format > TO_BF16) return small_from(small[format], value, random);
    const struct small_shape *s = &wide[format];
    if (value != value) return s->nan;
    const u32 sign = f32_bits(value) >> 16 & 0x8000;
    double left = 0, x = fabs((double)value);
    u32 magnitude = isinf(x) ? s->greatest + 1 : x == 0 ? 0 : small_magnitude(s, x, &left);
    magnitude += left + random * 0x1p-32 >= 1;
    return sign | (magnitude <= s->greatest ? magnitude : satfinite ? s->greatest : s->greatest + 1);
}

static const struct insn *run_stochastic(struct warp *w, const struct insn *in) {
    const u32 count = targets[in->mode].count, width = targets[in->mode].bits;
    const u32 *random = row(w, in->list[count]);
    u32 results[LANES];
    EACH_LANE(w, i) {
        results[i] = 0;
        for (u32 k = 0; k < count; k++) {
            float value = ((const float *)row(w, in->list[k]))[i];
            if (in->vec & 1 && !(value > 0) && value == value) value = 0;
            u32 bits = rounded(in->mode, value, bits_for(in->mode, random[i], k), in->vec & 2);
            results[i] = results[i] << width | bits;
        }
    }
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = results[i];
    return in + 1;
}

const struct ops_entry ops_stochastic[] = {{"cvt.rs", run_stochastic}, {NULL, NULL}};
