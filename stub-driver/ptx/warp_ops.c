/* Instructions that look across a warp's lanes, and the small ones that fit nowhere else. Partners are named by each
 * lane's own member mask: groups of one warp may execute the same instruction side by side. */
#include <string.h>

#include "numeric.h"
#include "ops.h"
#include "warp.h"

#define RUN(id) static const struct insn *run_##id(struct warp *w, const struct insn *in)

#define GATHER(operand)                                                    \
    const u32 *members = (operand) >= 0 ? row(w, operand) : NULL;            \
    if (members && !warp_gather_each(w, in, members)) return NULL

RUN(shfl) {
    GATHER(in->e);
    const u32 *a = row(w, in->a), *b = row(w, in->b), *c = row(w, in->c);
    u32 *d = out(w, in->d);
    u32 value[LANES], valid = 0;
    for (int i = 0; i < LANES; i++) value[i] = a[i];
    EACH_LANE(w, i) {
        s32 lane = (s32)i, shift = (s32)(b[i] & 31), segment = (s32)(c[i] >> 8 & 31), clamp = (s32)(c[i] & 31);
        s32 last = (lane & segment) | (clamp & ~segment), first = lane & segment, from;
        bool inside;
        switch (in->mode) {
            case 0: from = lane - shift; inside = from >= last; break;
            case 1: from = lane + shift; inside = from <= last; break;
            case 2: from = lane ^ shift; inside = from <= last; break;
            default: from = first | (shift & ~segment); inside = from <= last; break;
        }
        if (!inside) from = lane;
        d[i] = value[from & 31];
        valid |= (u32)inside << i;
    }
    if (in->d2 >= 0) set_predicate(w, in->d2, valid);
    return warp_next(w, in);
}

RUN(vote) {
    GATHER(in->b);
    u32 p = predicate(w, in->a), result = 0;
    EACH_LANE(w, i) {
        u32 group = members ? members[i] & w->mask : w->mask, yes = p & group;
        bool value = in->mode == 0 ? yes == group : in->mode == 1 ? yes != 0 : yes == 0 || yes == group;
        if (in->mode == 3) ((u32 *)out(w, in->d))[i] = yes;
        else result |= (u32)value << i;
    }
    if (in->mode != 3) set_predicate(w, in->d, result);
    return warp_next(w, in);
}

RUN(match) {
    GATHER(in->b);
    u32 *d = out(w, in->d);
    u64 value[LANES];
    u32 all = 0;
    for (int i = 0; i < LANES; i++) value[i] = in->mode & 2 ? ((const u64 *)row(w, in->a))[i] : ((const u32 *)row(w, in->a))[i];
    EACH_LANE(w, i) {
        u32 group = members[i] & w->mask, same = 0;
        for (u32 left = group; left; left &= left - 1) {
            u32 j = (u32)__builtin_ctz(left);
            same |= (u32)(value[j] == value[i]) << j;
        }
        if (in->mode & 1) {
            d[i] = same == group ? group : 0;
            all |= (u32)(same == group) << i;
        } else {
            d[i] = same;
        }
    }
    if (in->d2 >= 0) set_predicate(w, in->d2, all);
    return warp_next(w, in);
}

RUN(redux) {
    GATHER(in->b);
    const u32 *a = row(w, in->a);
    u32 *d = out(w, in->d), value[LANES];
    bool sign = in->flags & FLAG_SIGNED;
    for (int i = 0; i < LANES; i++) value[i] = a[i];
    EACH_LANE(w, i) {
        u32 group = members[i] & w->mask, r = 0;
        bool first = true;
        for (; group; group &= group - 1) {
            u32 x = value[__builtin_ctz(group)];
            if (first) r = x;
            else switch (in->mode) {
                case 0: r += x; break;
                case 1: r = sign ? ((s32)x < (s32)r ? x : r) : x < r ? x : r; break;
                case 2: r = sign ? ((s32)x > (s32)r ? x : r) : x > r ? x : r; break;
                case 3: r &= x; break;
                case 4: r |= x; break;
                default: r ^= x; break;
            }
            first = false;
        }
        d[i] = r;
    }
    return warp_next(w, in);
}

/* vec: 1 absolute values, 2 a NaN wins. */
RUN(redux_f32) {
    GATHER(in->b);
    const u32 *a = row(w, in->a);
    u32 *d = out(w, in->d), value[LANES];
    for (int i = 0; i < LANES; i++) value[i] = in->vec & 1 ? a[i] & 0x7fffffff : a[i];
    EACH_LANE(w, i) {
        u32 group = members[i] & w->mask, result = 0x7fffffff;
        bool nan = false;
        for (; group; group &= group - 1) {
            u32 bits = value[__builtin_ctz(group)];
            float x = bits_f32(bits), r = bits_f32(result);
            if (x != x) nan = true;
            else if (r != r || (in->mode == 1 ? x < r || (x == r && bits >> 31) : x > r || (x == r && !(bits >> 31)))) result = bits;
        }
        d[i] = nan && in->vec & 2 ? 0x7fffffff : result;
    }
    return warp_next(w, in);
}

RUN(elect) {
    GATHER(in->a);
    u32 *d = out(w, in->d), leaders = 0;
    EACH_LANE(w, i) {
        u32 group = members[i] & w->mask;
        u32 leader = group ? (u32)__builtin_ctz(group) : i;
        d[i] = leader;
        leaders |= (u32)(leader == i) << i;
    }
    if (in->d2 >= 0) set_predicate(w, in->d2, leaders);
    return warp_next(w, in);
}

RUN(warpsync) {
    GATHER(in->a);
    memory_fence();
    return warp_next(w, in);
}

/* ---- members that stand at different places (exec.c): they execute the instruction on rows of its own, operands in and results out */

/* Bytes of each operand's lanes: 4 or 8; 1: a predicate; 0: none. */
struct collective {
    insn_run run;
    uint8_t in[4]; /* a, b, c, e */
    uint8_t d;
    uint8_t members; /* which of a, b, c, e is the mask */
};
static const struct collective collectives[] = {
    {run_shfl, {4, 4, 4, 4}, 4, 3}, {run_vote, {1, 4}, 1, 1}, {run_match, {4, 4}, 4, 1}, {run_redux, {4, 4}, 4, 1}, {run_redux_f32, {4, 4}, 4, 1}, {run_elect, {4}, 4, 0}, {run_warpsync, {4}, 0, 0},
};

static bool collective_of(const struct insn *in, struct collective *c) {
    for (size_t i = 0; i < sizeof collectives / sizeof *collectives; i++) {
        if (collectives[i].run != in->run) continue;
        *c = collectives[i];
        if (in->run == run_vote && in->mode == 3) c->d = 4;
        if (in->run == run_match && in->mode & 2) c->in[0] = 8;
        return true;
    }
    return false;
}

const u32 *warp_members(struct warp *w, const struct fragment *f) {
    struct collective c;
    if (!collective_of(f->pc, &c)) return NULL;
    w->bank[BANK_FRAME] = f->frame->rows;
    return row(w, ((const int32_t[]){f->pc->a, f->pc->b, f->pc->c, f->pc->e})[c.members]);
}

static void copy_lanes(void *to, const void *from, u32 width, u32 lanes) {
    if (width == 1) {
        *(u32 *)to = (*(u32 *)to & ~lanes) | (*(const u32 *)from & lanes);
        return;
    }
    for (; lanes; lanes &= lanes - 1) {
        u32 i = (u32)__builtin_ctz(lanes);
        memcpy((char *)to + i * width, (const char *)from + i * width, width);
    }
}

void warp_collect(struct warp *w, u32 group, u32 lanes) {
    _Alignas(64) unsigned char rows[6 * ROW64] = {0};
    struct collective c = {0};
    struct fragment *lead = &w->fragments[__builtin_ctz(group)];
    struct insn joint = *lead->pc;
    collective_of(lead->pc, &c);
    int32_t *const own[4] = {&joint.a, &joint.b, &joint.c, &joint.e};
    for (int k = 0; k < 4; k++)
        if (c.in[k] && *own[k] >= 0) *own[k] = k * ROW64;
    joint.d = 4 * ROW64, joint.d2 = 5 * ROW64, joint.guard = -1;
    for (u32 left = group; left; left &= left - 1) {
        const struct fragment *f = &w->fragments[__builtin_ctz(left)];
        const int32_t from[4] = {f->pc->a, f->pc->b, f->pc->c, f->pc->e};
        w->bank[BANK_FRAME] = f->frame->rows;
        for (int k = 0; k < 4; k++)
            if (c.in[k] && from[k] >= 0) copy_lanes(rows + k * ROW64, row(w, from[k]), c.in[k], f->mask & lanes);
    }
    w->bank[BANK_FRAME] = rows;
    w->mask = lanes;
    w->current = (u32)__builtin_ctz(group);
    u32 mask = lead->mask;
    lead->mask = lanes; /* to warp_gather, all are here */
    joint.run(w, &joint);
    lead->mask = mask;
    for (u32 left = group; left; left &= left - 1) {
        const struct fragment *f = &w->fragments[__builtin_ctz(left)];
        w->bank[BANK_FRAME] = f->frame->rows;
        if (c.d && f->pc->d >= 0) copy_lanes(out(w, f->pc->d), rows + joint.d, c.d, f->mask & lanes);
        if (f->pc->d2 >= 0) copy_lanes(out(w, f->pc->d2), rows + joint.d2, 1, f->mask & lanes);
    }
}

RUN(activemask) {
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->mask;
    return in + 1;
}

RUN(nop) { (void)w; return in + 1; }
RUN(fence) {
    (void)w;
    memory_fence();
    return in + 1;
}
RUN(nanosleep) { return warp_yield(w, in + 1); }

/* Clocks count nanoseconds: they are read when asked for, into their row of the special registers. */
RUN(special) {
    u64 now = clock_ns();
    unsigned char *r = w->bank[BANK_SPECIAL] + in->imm * ROW64;
    for (u32 i = 0; i < LANES; i++) {
        switch (in->imm) {
            case SR_CLOCK64: case SR_TIMER: ((u64 *)(void *)r)[i] = now; break;
            case SR_CLOCK_HI: case SR_TIMER_HI: ((u32 *)(void *)r)[i] = (u32)(now >> 32); break;
            default: ((u32 *)(void *)r)[i] = (u32)now; break;
        }
    }
    return in + 1;
}

/* mode: bytes of an element, vec: how many */
RUN(pack32) {
    u32 r[LANES] = {0}, *d = out(w, in->d), bits = 8u * in->mode;
    u32 keep = bits == 32 ? ~0u : (1u << bits) - 1;
    for (u32 k = 0; k < in->vec; k++) {
        const u32 *e = row(w, in->list[k]);
        EACH_LANE(w, i) r[i] |= (e[i] & keep) << (k * bits);
    }
    EACH_LANE(w, i) d[i] = r[i];
    return in + 1;
}
RUN(pack64) {
    u64 r[LANES] = {0}, *d = out(w, in->d);
    u32 bits = 8u * in->mode;
    u64 keep = bits == 32 ? 0xffffffffu : ((u64)1 << bits) - 1;
    for (u32 k = 0; k < in->vec; k++) {
        const u32 *e = row(w, in->list[k]);
        EACH_LANE(w, i) r[i] |= (e[i] & keep) << (k * bits);
    }
    EACH_LANE(w, i) d[i] = r[i];
    return in + 1;
}
RUN(unpack32) {
    u32 a[LANES], bits = 8u * in->mode, keep = bits == 32 ? ~0u : (1u << bits) - 1;
    for (u32 i = 0; i < LANES; i++) a[i] = ((const u32 *)row(w, in->a))[i];
    for (u32 k = 0; k < in->vec; k++) {
        if (in->list[k] < 0) continue;
        u32 *d = out(w, in->list[k]);
        EACH_LANE(w, i) d[i] = a[i] >> (k * bits) & keep;
    }
    return in + 1;
}
RUN(unpack64) {
    u64 a[LANES];
    u32 bits = 8u * in->mode;
    u64 keep = bits == 32 ? 0xffffffffu : ((u64)1 << bits) - 1;
    for (u32 i = 0; i < LANES; i++) a[i] = ((const u64 *)row(w, in->a))[i];
    for (u32 k = 0; k < in->vec; k++) {
        if (in->list[k] < 0) continue;
        u32 *d = out(w, in->list[k]);
        EACH_LANE(w, i) d[i] = (u32)(a[i] >> (k * bits) & keep);
    }
    return in + 1;
}

const struct ops_entry ops_warp[] = {
    {"shfl", run_shfl}, {"vote", run_vote}, {"match", run_match}, {"redux", run_redux}, {"redux.f32", run_redux_f32}, {"elect", run_elect}, {"warpsync", run_warpsync},
    {"activemask", run_activemask}, {"nop", run_nop}, {"fence", run_fence}, {"nanosleep", run_nanosleep}, {"special", run_special},
    {"pack.b32", run_pack32}, {"pack.b64", run_pack64}, {"unpack.b32", run_unpack32}, {"unpack.b64", run_unpack64},
    {NULL, NULL},
};
