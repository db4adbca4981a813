/*
 * Video instructions: bytes, half-words and words picked out of registers, an operation in 34 bits, saturation, and the
 * result accumulated or merged into part of the destination. Scalar (vadd ...) and in 2 or 4 lanes (vadd2, vadd4 ...).
 */
#include <string.h>

#include "decode.h"
#include "numeric.h"
#include "ops.h"
#include "warp.h"

enum video_op { V_ADD, V_SUB, V_ABSDIFF, V_MIN, V_MAX, V_AVRG, V_SHL, V_SHR, V_MAD, V_SET };
enum video_second { SECOND_NONE, SECOND_ADD, SECOND_MIN, SECOND_MAX };

struct video {
    enum video_op op;
    enum video_second second;
    uint8_t parts;              /* 1: scalar; 2 or 4 lanes */
    bool sat, wrap, plus_one;
    bool d_signed, a_signed, b_signed;
    bool negate_product, negate_c;
    uint8_t scale;              /* right shift of vmad */
    uint8_t compare;            /* V_SET: eq ne lt le gt ge */
    uint8_t d_part, a_part, b_part; /* scalar: 0 whole, 1..4 b0..b3, 5..6 h0..h1 */
    uint8_t mask;               /* lanes that are written */
    uint8_t a_from[4], b_from[4]; /* lanes: which of a's and b's elements, a's first */
};

/* ---- decoding */

static bool starts(const struct opcode *o, const char *name) {
    size_t n = strlen(name);
    return o->name_length >= n && memcmp(o->name, name, n) == 0 && (o->name_length == n || o->name[n] == '2' || o->name[n] == '4');
}

static uint8_t scalar_part(struct decoder *d, const struct operand *o) {
    const char *s = o->selector;
    if (!s) return 0;
    if (o->selector_length == 2 && s[0] == 'b' && s[1] >= '0' && s[1] <= '3') return (uint8_t)(1 + s[1] - '0');
    if (o->selector_length == 2 && s[0] == 'h' && s[1] >= '0' && s[1] <= '1') return (uint8_t)(5 + s[1] - '0');
    refuse(d, PTX_INVALID, "'.%.*s': b0 to b3, h0 or h1 of a register", o->selector_length, s);
}

/* ".h32": the upper lane is element 3, the lower element 2 (of b's and a's together). */
static void lane_parts(struct decoder *d, const struct operand *o, unsigned parts, unsigned first, uint8_t *from) {
    for (unsigned i = 0; i < parts; i++) from[i] = (uint8_t)(first + i);
    if (!o->selector) return;
    bool fits = o->selector_length == parts + 1 && o->selector[0] == (parts == 2 ? 'h' : 'b');
    for (unsigned i = 0; fits && i < parts; i++) {
        char c = o->selector[parts - i];
        fits = c >= '0' && c < (char)('0' + 2 * parts);
        from[i] = (uint8_t)(c - '0');
    }
    if (!fits) refuse(d, PTX_INVALID, "'.%.*s' is no selection of %u parts", o->selector_length, o->selector, parts);
}

static uint8_t lane_mask(struct decoder *d, const struct operand *o, unsigned parts) {
    if (!o->selector) return (uint8_t)((1u << parts) - 1);
    unsigned mask = 0, last = parts;
    bool fits = o->selector_length > 1 && o->selector_length <= parts + 1 && o->selector[0] == (parts == 2 ? 'h' : 'b');
    for (unsigned i = 1; fits && i < o->selector_length; i++) { /* in falling order: .b310 */
        unsigned lane = (unsigned)(o->selector[i] - '0');
        fits = lane < last;
        last = lane;
        mask |= fits ? 1u << lane : 0;
    }
    if (!fits) refuse(d, PTX_INVALID, "'.%.*s' is no mask of %u parts", o->selector_length, o->selector, parts);
    return (uint8_t)mask;
}

static int32_t bare_source(struct decoder *d, const struct operand *o) {
    struct operand bare = *o;
    bare.selector = NULL;
    bare.negated = false;
    if (o->negated && o->kind != OPERAND_REG) refuse(d, PTX_INVALID, "'-' before something that is no register");
    return source(d, &bare, T_B32, false);
}

void decode_video(struct decoder *d) {
    static const struct {
        const char *name;
        enum video_op op;
    } names[] = {{"vadd", V_ADD}, {"vsub", V_SUB}, {"vabsdiff", V_ABSDIFF}, {"vmin", V_MIN}, {"vmax", V_MAX}, {"vavrg", V_AVRG}, {"vshl", V_SHL}, {"vshr", V_SHR}, {"vmad", V_MAD}, {"vset", V_SET}};
    static const char *const comparisons[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    const struct statement *s = d->s;
    const struct opcode *o = &s->opcode;
    struct video *v = arena_alloc(&d->loader->arena, sizeof *v);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (starts(o, names[i].name)) v->op = names[i].op;
    char last = o->name[o->name_length - 1];
    v->parts = last == '2' ? 2 : last == '4' ? 4 : 1;
    v->sat = opcode_has(o, "sat");
    v->wrap = opcode_has(o, "wrap");
    v->plus_one = opcode_has(o, "po");
    v->scale = opcode_has(o, "shr7") ? 7 : opcode_has(o, "shr15") ? 15 : 0;
    v->second = opcode_has(o, "add") ? SECOND_ADD : opcode_has(o, "min") ? SECOND_MIN : opcode_has(o, "max") ? SECOND_MAX : SECOND_NONE;
    for (uint8_t i = 0; i < 6; i++)
        if (opcode_has(o, comparisons[i])) v->compare = i;
    bool is_signed[3] = {false, false, false};
    unsigned first = v->op == V_SET ? 1 : 0;
    for (unsigned i = 0; i + first < 3; i++) is_signed[i + first] = o->words[i].length == 3 && o->words[i].text[0] == 's';
    v->d_signed = is_signed[0];
    v->a_signed = is_signed[1];
    v->b_signed = is_signed[2];

    bool needs_c = v->parts > 1 || v->second != SECOND_NONE || v->op == V_MAD;
    operand_count(d, needs_c ? 4 : 3, 4);
    const struct operand *to = &s->operands[0], *a = &s->operands[1], *b = &s->operands[2], *c = s->operand_count > 3 ? &s->operands[3] : NULL;
    for (uint32_t i = 0; i < s->operand_count; i++)
        if (s->operands[i].negated && (v->op != V_MAD || i == 0)) refuse(d, PTX_INVALID, "'-' before an operand");
    if (c && c->selector) refuse(d, PTX_INVALID, "a part of the last operand");
    if (v->parts > 1) {
        v->mask = lane_mask(d, to, v->parts);
        lane_parts(d, a, v->parts, 0, v->a_from);
        lane_parts(d, b, v->parts, v->parts, v->b_from);
    } else {
        v->d_part = scalar_part(d, to);
        v->a_part = scalar_part(d, a);
        v->b_part = scalar_part(d, b);
        if (v->op == V_MAD && v->d_part) refuse(d, PTX_INVALID, "a part of the destination");
        if (v->d_part && (!c || v->second)) refuse(d, PTX_INVALID, "a result in part of the destination is merged into a fourth operand");
        if (c && !v->d_part && !needs_c) refuse(d, PTX_INVALID, "%u operands; it takes 3", s->operand_count);
    }
    if (v->op == V_MAD) {
        v->negate_product = a->negated != b->negated;
        v->negate_c = c->negated;
        if (v->plus_one && (a->negated || b->negated || c->negated)) refuse(d, PTX_INVALID, "'-' with .po");
        if (v->negate_product && v->negate_c) refuse(d, PTX_INVALID, "either the product or the last operand may be negated");
    }
    struct insn x = {.d2 = -1, .c = -1, .e = -1};
    x.a = bare_source(d, a);
    x.b = bare_source(d, b);
    if (c) x.c = bare_source(d, c);
    struct operand bare = *to;
    bare.selector = NULL;
    x.d = destination(d, &bare, T_B32, false);
    emit_fields(d, handler(d, v->parts > 1 ? "video.lanes" : v->op == V_MAD ? "video.mad" : "video"), &x)->more = v;
}

/* ---- executing */

static s64 part_of(u32 value, u8 part, bool is_signed) {
    if (part == 0) return is_signed ? (s64)(s32)value : (s64)value;
    if (part < 5) {
        u32 byte = value >> (8 * (part - 1)) & 0xff;
        return is_signed ? (s64)(s8)byte : (s64)byte;
    }
    u32 half = value >> (16 * (part - 5)) & 0xffff;
    return is_signed ? (s64)(s16)half : (s64)half;
}

static s64 clamped(s64 value, unsigned bits, bool is_signed) {
    s64 least = is_signed ? -((s64)1 << (bits - 1)) : 0, most = is_signed ? ((s64)1 << (bits - 1)) - 1 : ((s64)1 << bits) - 1;
    return value < least ? least : value > most ? most : value;
}

static bool compared(u8 compare, s64 a, s64 b) {
    switch (compare) {
        case 0: return a == b;
        case 1: return a != b;
        case 2: return a < b;
        case 3: return a <= b;
        case 4: return a > b;
        default: return a >= b;
    }
}

static s64 operate(const struct video *v, s64 a, s64 b) {
    switch (v->op) {
        case V_ADD: return a + b;
        case V_SUB: return a - b;
        case V_ABSDIFF: return a < b ? b - a : a - b;
        case V_MIN: return a < b ? a : b;
        case V_MAX: return a > b ? a : b;
        case V_AVRG: return (a + b + (a + b >= 0)) >> 1;
        case V_SHL: return b == 32 && a >= (s64)1 << 31 ? INT64_MAX & ~(s64)0xffffffff : (s64)((u64)a << b); /* too large is not negative */
        case V_SHR: return a >> b;
        case V_SET: return compared(v->compare, a, b);
        default: return 0;
    }
}

static const struct insn *run_video(struct warp *w, const struct insn *in) {
    const struct video *v = in->more;
    const u32 *as = row(w, in->a), *bs = row(w, in->b), *cs = in->c >= 0 ? row(w, in->c) : as;
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) {
        s64 a = part_of(as[i], v->a_part, v->a_signed), b = part_of(bs[i], v->b_part, v->b_signed);
        if (v->op == V_SHL || v->op == V_SHR) {
            b = part_of(bs[i], v->b_part, false);
            b = v->wrap ? b & 31 : b > 32 ? 32 : b;
        }
        s64 value = operate(v, a, b), c = v->d_signed ? (s64)(s32)cs[i] : (s64)cs[i];
        if (v->sat) value = clamped(value, v->d_part == 0 ? 32 : v->d_part < 5 ? 8 : 16, v->d_signed);
        switch (v->second) {
            case SECOND_ADD: value += c; break;
            case SECOND_MIN: value = value < c ? value : c; break;
            case SECOND_MAX: value = value > c ? value : c; break;
            default: break;
        }
        if (v->d_part) {
            u32 bits = v->d_part < 5 ? 8 : 16, shift = v->d_part < 5 ? 8u * (v->d_part - 1u) : 16u * (v->d_part - 5u), keep = ((1u << bits) - 1) << shift;
            value = (s64)((cs[i] & ~keep) | ((u32)value << shift & keep));
        }
        d[i] = (u32)value;
    }
    return in + 1;
}

static const struct insn *run_video_mad(struct warp *w, const struct insn *in) {
    const struct video *v = in->more;
    const u32 *as = row(w, in->a), *bs = row(w, in->b), *cs = row(w, in->c);
    u32 *d = out(w, in->d);
    bool is_signed = v->a_signed || v->b_signed || v->negate_product || v->negate_c;
    EACH_LANE(w, i) {
        __int128 value = (__int128)part_of(as[i], v->a_part, v->a_signed) * part_of(bs[i], v->b_part, v->b_signed);
        u32 c = v->negate_c ? ~cs[i] : cs[i];
        if (v->negate_product) value = ~value;
        value += (is_signed ? (s64)(s32)c : (s64)c) + (v->plus_one || v->negate_product || v->negate_c);
        value >>= v->scale;
        if (v->sat) {
            __int128 least = is_signed ? INT32_MIN : 0, most = is_signed ? (__int128)INT32_MAX : (__int128)UINT32_MAX;
            value = value < least ? least : value > most ? most : value;
        }
        d[i] = (u32)value;
    }
    return in + 1;
}

static const struct insn *run_video_lanes(struct warp *w, const struct insn *in) {
    const struct video *v = in->more;
    const u32 *as = row(w, in->a), *bs = row(w, in->b), *cs = row(w, in->c);
    u32 *d = out(w, in->d), bits = v->parts == 2 ? 16 : 8, ones = (1u << bits) - 1;
    EACH_LANE(w, i) {
        u64 both = (u64)bs[i] << 32 | as[i];
        u32 result = v->second ? cs[i] : 0;
        for (u32 k = 0; k < v->parts; k++) {
            u32 x = (u32)(both >> (bits * v->a_from[k])) & ones, y = (u32)(both >> (bits * v->b_from[k])) & ones;
            s64 a = v->a_signed ? (s64)((s32)(x << (32 - bits)) >> (32 - bits)) : (s64)x, b = v->b_signed ? (s64)((s32)(y << (32 - bits)) >> (32 - bits)) : (s64)y;
            s64 value = operate(v, a, b);
            if (v->sat) value = clamped(value, bits, v->d_signed);
            bool taken = v->mask >> k & 1;
            if (v->second) result += taken ? (u32)value : 0;
            else result |= (taken ? (u32)value & ones : cs[i] >> (bits * k) & ones) << (bits * k);
        }
        d[i] = result;
    }
    return in + 1;
}

const struct ops_entry ops_video[] = {{"video", run_video}, {"video.mad", run_video_mad}, {"video.lanes", run_video_lanes}, {NULL, NULL}};
