/*
 * mbarrier objects, and copies that complete on them.
 *
 * An object is 64 bits in shared memory, laid out here (the PTX ISA calls it opaque): the count that a phase expects, the arrivals
 * still pending, bytes still to come (biased, for they may arrive before they are expected), the phase's parity. Threads of a
 * cluster run on one worker, so that plain reads and writes are atomic among them.
 *
 * Copies are done at once: waiting for groups of them has no effect, and a copy that names an mbarrier completes its bytes there
 * before the instruction ends.
 */
#include <string.h>

#include "async.h"
#include "ops.h"

enum { COUNT_BITS = 20, COUNT_MASK = (1 << COUNT_BITS) - 1, TX_SHIFT = 40, PHASE_SHIFT = 63 };
enum { TX_ZERO = 1 << 21, TX_MASK = (1 << 22) - 1 };

struct mbarrier {
    u32 expected, pending;
    s32 tx;
    u32 phase;
};

static struct mbarrier unpack(u64 object) {
    return (struct mbarrier){(u32)object & COUNT_MASK, (u32)(object >> COUNT_BITS) & COUNT_MASK, (s32)(object >> TX_SHIFT & TX_MASK) - TX_ZERO, (u32)(object >> PHASE_SHIFT)};
}

static u64 pack(const struct mbarrier *b) {
    return (b->expected & COUNT_MASK) | (u64)(b->pending & COUNT_MASK) << COUNT_BITS | ((u64)(u32)(b->tx + TX_ZERO) & TX_MASK) << TX_SHIFT | (u64)(b->phase & 1) << PHASE_SHIFT;
}

/*
 * A phase that completes orders what was before its arrivals and what comes after its waits: to check.c, as a barrier does. Threads
 * that try_wait suspended resume with it, whatever becomes of the object before their turn comes: the first of them may begin a
 * barrier anew in the same place, as libcu++'s tests do.
 */
static void settle(struct block *block, const u64 *object, struct mbarrier *b) {
    if (b->pending || b->tx) return;
    for (u32 i = 0; i < block->cluster->count; i++)
        for (u32 k = 0; k < block->cluster->blocks[i]->warp_count; k++) {
            struct awaited *a = &block->cluster->blocks[i]->warps[k]->awaited;
            if (a->object != object || a->phase != b->phase) continue;
            a->resumed |= a->suspended;
            a->suspended = 0;
        }
    b->phase ^= 1;
    b->pending = b->expected;
    block->epoch++;
}

/* ---- operands in memory */

struct place place_of(struct decoder *d, const struct operand *o, enum space space) {
    struct address a = address_of(d, o);
    struct place p = {a.base, 0, memory_class(d, space, &a), 0};
    p.flags = a.flags;
    p.offset = a.offset;
    return p;
}

u64 address_in(const struct warp *w, const struct place *p, u32 lane) {
    const struct insn where = {.a = p->base, .flags = p->flags, .imm = p->offset};
    return memory_address(w, &where, lane);
}

/* The object that a lane names; NULL: the fault is recorded. */
static u64 *object_at(struct warp *w, const struct insn *in, enum space space, u32 lane, u64 address) {
    return (u64 *)(void *)memory_object(w, in, space, lane, address, 8);
}

bool mbarrier_complete(struct warp *w, const struct insn *in, enum space space, u32 lane, u64 address, u32 bytes) {
    u64 *object = object_at(w, in, space, lane, address);
    if (!object) return false;
    struct mbarrier b = unpack(*object);
    b.tx -= (s32)bytes;
    settle(w->block, object, &b);
    *object = pack(&b);
    return true;
}

/* ---- mbarrier */

enum mbarrier_op { MB_INIT, MB_INVAL, MB_ARRIVE, MB_DROP, MB_EXPECT, MB_COMPLETE, MB_TEST, MB_TRY, MB_COPIES };

struct mbarrier_form {
    enum mbarrier_op op;
    bool expect_tx, parity, noinc;
    enum space space;
};

/* d: state or predicate; a: the object; b: count, bytes, state or parity. */
void decode_mbarrier(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct mbarrier_form *form = arena_alloc(&d->loader->arena, sizeof *form);
    form->op = opcode_has(o, "init") ? MB_INIT : opcode_has(o, "inval") ? MB_INVAL : opcode_has(o, "arrive_drop") ? MB_DROP : opcode_has(o, "async") ? MB_COPIES : opcode_has(o, "arrive") ? MB_ARRIVE
             : opcode_has(o, "complete_tx") ? MB_COMPLETE : opcode_has(o, "test_wait") ? MB_TEST : opcode_has(o, "try_wait") ? MB_TRY : MB_EXPECT;
    form->expect_tx = opcode_has(o, "expect_tx");
    form->parity = opcode_has(o, "parity");
    form->noinc = opcode_has(o, "noinc");
    bool result = form->op == MB_ARRIVE || form->op == MB_DROP || form->op == MB_TEST || form->op == MB_TRY;
    bool waits = form->op == MB_TEST || form->op == MB_TRY;
    uint32_t at = result, most = form->op == MB_INVAL || form->op == MB_COPIES ? 1 : form->op == MB_TRY ? 4 : at + 2;
    uint32_t least = form->op == MB_INVAL || form->op == MB_COPIES ? 1 : (form->op == MB_ARRIVE || form->op == MB_DROP) && !form->expect_tx && !opcode_has(o, "noComplete") ? 2 : at + 2;
    operand_count(d, least, most);
    struct address a = address_of(d, &operands[at]);
    form->space = memory_class(d, space_of(d), &a);
    if (form->space != SPACE_SHARED && form->space != SPACE_GLOBAL) refuse(d, PTX_INVALID, "mbarrier objects are in shared memory");
    struct insn x = {.d = -1, .d2 = -1, .a = a.base, .b = -1, .c = -1, .e = -1, .imm = a.offset, .flags = a.flags};
    if (result) x.d = destination(d, &operands[0], waits ? T_PRED : T_B64, false);
    if (at + 1 < d->s->operand_count) x.b = source(d, &operands[at + 1], waits && !form->parity ? T_B64 : T_B32, false);
    if (d->s->operand_count == 4) source(d, &operands[3], T_B32, false); /* how long to wait: a hint */
    emit_fields(d, handler(d, "mbarrier"), &x)->more = form;
}

static const struct insn *run_mbarrier(struct warp *w, const struct insn *in) {
    const struct mbarrier_form *form = in->more;
    const u32 *counts = in->b >= 0 ? row(w, in->b) : NULL;
    const u64 *states = in->b >= 0 ? row(w, in->b) : NULL;
    u32 complete = 0;
    memory_fence();
    EACH_LANE(w, i) {
        const u64 address = memory_address(w, in, i);
        u64 *object = form->op == MB_INIT ? (u64 *)(void *)memory_access(w, in, form->space, i, address, 8, 8, true) : object_at(w, in, form->space, i, address);
        if (!object) return NULL;
        struct mbarrier b = unpack(*object);
        u64 before = *object;
        u32 count = counts ? counts[i] : 1;
        switch (form->op) {
            case MB_INIT:
                if (count == 0 || count > COUNT_MASK) return warp_fault(w, in, PTX_FAULT_TRAP, i, count, "mbarrier.init with a count that is not from 1 to 2^20-1:");
                b = (struct mbarrier){count, count, 0, 0};
                break;
            case MB_INVAL: b = (struct mbarrier){0, 0, 0, 0}; break;
            case MB_EXPECT: b.tx += (s32)count; break;
            case MB_COMPLETE:
                b.tx -= (s32)count;
                settle(w->block, object, &b);
                break;
            case MB_COPIES: /* prior copies are complete: without .noinc what it adds and takes away is the same */
                if (!form->noinc) continue;
                count = 1;
                goto arrive;
            case MB_DROP:
            case MB_ARRIVE:
                if (form->expect_tx) {
                    b.tx += (s32)count;
                    count = 1;
                }
            arrive:
                if (count == 0 || count > b.pending) return warp_fault(w, in, PTX_FAULT_TRAP, i, count, "more arrivals at an mbarrier than its phase expects:");
                if (form->op == MB_DROP) b.expected -= count;
                b.pending -= count;
                settle(w->block, object, &b);
                break;
            case MB_TEST:
            case MB_TRY: {
                const u32 phase = form->parity ? counts[i] & 1 : (u32)(states[i] >> PHASE_SHIFT), lane = 1u << i;
                struct awaited *a = &w->awaited;
                const bool known = a->object == object && a->phase == phase;
                if (b.phase != phase || (known && a->resumed & lane)) {
                    complete |= lane;
                } else if (form->op == MB_TRY) {
                    if (!known) *a = (struct awaited){.object = object, .phase = phase};
                    a->suspended |= lane;
                    continue;
                }
                a->resumed &= ~lane;
                a->suspended &= ~lane;
                continue;
            }
        }
        *object = form->op == MB_INVAL ? 0 : pack(&b);
        if (in->d >= 0) ((u64 *)out(w, in->d))[i] = before;
    }
    if (form->op == MB_TEST || form->op == MB_TRY) {
        set_predicate(w, in->d, complete);
        if (form->op == MB_TRY && complete != w->mask) return warp_yield(w, in + 1);
    }
    return in + 1;
}

static const struct insn *run_pending(struct warp *w, const struct insn *in) {
    const u64 *a = row(w, in->a);
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = unpack(a[i]).pending;
    return in + 1;
}

/* ---- bulk copies and reductions */

enum bulk_op bulk_op_of(const struct opcode *o) {
    static const char *const names[] = {"and", "or", "xor", "add", "inc", "dec", "min", "max"};
    for (int i = 0; i < 8; i++)
        if (opcode_has(o, names[i])) return (enum bulk_op)(BULK_AND + i);
    return BULK_COPY;
}

struct bulk {
    enum bulk_op op;
    enum ptx_type type;
    struct place to, from, barrier;
    bool has_barrier;
    int32_t size, mask; /* rows; mask: of bytes that are written, -1 all */
    int32_t ranks;      /* multicast: a row with a bit a block of the cluster; -1 */
};

void decode_bulk(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct bulk *b = arena_alloc(&d->loader->arena, sizeof *b);
    bool reduce = memcmp(o->words[0].text, "reduce", 6) == 0;
    /* destination and source: the two words after "bulk" */
    uint32_t first = reduce ? 3 : 2;
    enum space spaces[2];
    for (int i = 0; i < 2; i++) spaces[i] = o->words[first + (uint32_t)i].text[0] == 'g' ? SPACE_GLOBAL : SPACE_SHARED;
    b->has_barrier = opcode_has(o, "mbarrier::complete_tx::bytes");
    b->op = reduce ? bulk_op_of(o) : BULK_COPY;
    b->type = reduce ? memory_type(d) : T_NONE;
    bool hint = opcode_has(o, "L2::cache_hint"), multicast = opcode_has(o, "multicast::cluster"), masked = opcode_has(o, "cp_mask");
    uint32_t want = 3u + b->has_barrier + multicast + hint + masked, at = 3;
    operand_count(d, want, want);
    b->to = place_of(d, &operands[0], spaces[0]);
    b->from = place_of(d, &operands[1], spaces[1]);
    b->size = source(d, &operands[2], T_U32, false);
    if (b->has_barrier) b->barrier = place_of(d, &operands[at++], SPACE_SHARED);
    b->ranks = multicast ? source(d, &operands[at++], T_U16, false) : -1;
    if (hint) source(d, &operands[at++], T_B64, false);
    b->mask = masked ? source(d, &operands[at++], T_U16, false) : -1;
    emit(d, handler(d, "bulk"))->more = b;
}

/* Halves, as min and max have them: a NaN loses against a number, -0 is below +0. */
static u64 reduced_half(enum bulk_op op, enum ptx_type type, u64 a, u64 b) {
    const float x = type == T_F16 ? half_to_float((u32)a) : bfloat_to_float((u32)a), y = type == T_F16 ? half_to_float((u32)b) : bfloat_to_float((u32)b);
    if (op == BULK_ADD) return type == T_F16 ? half_from((double)x + y, 0) : bfloat_from(fma_odd(x, 1.0, y), 0);
    if (x != x) return y != y ? 0x7fff : b;
    if (y != y) return a;
    const bool less = x < y || (x == y && signbit(x));
    return less == (op == BULK_MIN) ? a : b;
}

/* Subnormal numbers count as zeros of their sign. */
static float flushed(u64 bits) {
    const float x = bits_f32((u32)bits);
    return fpclassify(x) == FP_SUBNORMAL ? copysignf(0, x) : x;
}

static u64 reduced(enum bulk_op op, enum ptx_type type, u64 a, u64 b) {
    if (type == T_F16 || type == T_BF16) return reduced_half(op, type, a, b);
    const bool less = type == T_S32 ? (s32)a < (s32)b : type == T_S64 ? (s64)a < (s64)b : a < b;
    switch (op) {
        case BULK_AND: return a & b;
        case BULK_OR: return a | b;
        case BULK_XOR: return a ^ b;
        case BULK_INC: return (u32)a >= (u32)b ? 0 : a + 1;
        case BULK_DEC: return (u32)a == 0 || (u32)a > (u32)b ? b : a - 1;
        case BULK_MIN: return less ? a : b;
        case BULK_MAX: return less ? b : a;
        default: break;
    }
    if (type == T_F32) { /* as the ISA says of these instructions, and of atomics in global memory */
        const float sum = flushed(a) + flushed(b);
        return sum != sum ? 0x7fffffff : f32_bits(flushed(f32_bits(sum)));
    }
    if (type == T_F64) {
        const double sum = bits_f64(a) + bits_f64(b);
        return sum != sum ? UINT64_C(0x7ff8000000000000) : f64_bits(sum);
    }
    return a + b;
}

#define REDUCE(T)                                                                                        \
    do {                                                                                                   \
        T old = __atomic_load_n((T *)to, __ATOMIC_RELAXED);                                                \
        while (!__atomic_compare_exchange_n((T *)to, &old, (T)reduced(op, type, old, value), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {} \
    } while (0)

void reduce_at(enum bulk_op op, enum ptx_type type, void *to, u64 value) {
    if (ptx_types[type].bytes == 2) REDUCE(u16);
    else if (ptx_types[type].bytes == 4) REDUCE(u32);
    else REDUCE(u64);
}

/* One lane's copy or reduction, and its completion. False: the fault is recorded. */
static bool bulk_lane(struct warp *w, const struct insn *in, u32 i, u64 to_address, u64 barrier_address) {
    const struct bulk *b = in->more;
    const u32 size = ((const u32 *)row(w, b->size))[i], mask = b->mask >= 0 ? ((const u32 *)row(w, b->mask))[i] : 0xffff;
    const u64 from_address = address_in(w, &b->from, i);
    for (u32 done = 0; done < size; done += 16) {
        const unsigned char *from = memory_access(w, in, b->from.space, i, from_address + done, 16, 16, false);
        if (!from) return false;
        unsigned char bytes[16], *to = memory_access(w, in, b->to.space, i, to_address + done, 16, 16, true);
        if (!to) return false;
        for (int k = 0; k < 16; k++) bytes[k] = __atomic_load_n(from + k, __ATOMIC_RELAXED);
        if (b->op == BULK_COPY) {
            for (int k = 0; k < 16; k++)
                if (mask >> k & 1) __atomic_store_n(to + k, bytes[k], __ATOMIC_RELAXED);
            continue;
        }
        for (u32 k = 0, width = ptx_types[b->type].bytes; k < 16; k += width) {
            u64 value = 0;
            memcpy(&value, bytes + k, width);
            reduce_at(b->op, b->type, to + k, value);
        }
    }
    return !b->has_barrier || mbarrier_complete(w, in, b->barrier.space, i, barrier_address, size);
}

u32 rank_of_address(const struct warp *w, u64 address) {
    const u32 rank = (u32)(address >> RANK_SHIFT) & 0xff;
    return rank ? rank - 1 : w->block->rank;
}

u64 address_of_rank(u64 address, u32 rank) { return (address & ~((u64)0xff << RANK_SHIFT)) | (u64)(rank + 1) << RANK_SHIFT; }

static const struct insn *run_bulk(struct warp *w, const struct insn *in) {
    const struct bulk *b = in->more;
    const u32 *sizes = row(w, b->size), *ranks = b->ranks >= 0 ? row(w, b->ranks) : NULL;
    memory_fence();
    EACH_LANE(w, i) {
        const u64 to = address_in(w, &b->to, i), barrier = b->has_barrier ? address_in(w, &b->barrier, i) : 0;
        if (sizes[i] % 16) return warp_fault(w, in, PTX_FAULT_MISALIGNED, i, sizes[i], "a bulk copy of a size that is no multiple of 16:");
        if (!ranks && !bulk_lane(w, in, i, to, barrier)) return NULL;
        for (u32 rank = 0; ranks && rank < 16; rank++)
            if (ranks[i] >> rank & 1 && !bulk_lane(w, in, i, address_of_rank(to, rank), address_of_rank(barrier, rank))) return NULL;
    }
    return in + 1;
}

const struct ops_entry ops_async[] = {{"mbarrier", run_mbarrier}, {"mbarrier.pending", run_pending}, {"bulk", run_bulk}, {NULL, NULL}};
