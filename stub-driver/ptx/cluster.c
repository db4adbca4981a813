/*
 * What the blocks of a cluster do together: addresses in each other's shared memory, their barrier, stores and reductions there
 * that complete on an mbarrier, and taking over clusters that have not begun (clusterlaunchcontrol).
 */
#include <string.h>

#include "async.h"
#include "ops.h"

#define RUN(id) static const struct insn *run_##id(struct warp *w, const struct insn *in)

/* ---- addresses: a = address, b = rank; flags: FLAG_GENERIC, mode: bytes of the address */

static u64 wide_address(const struct warp *w, const struct insn *in, u32 lane) {
    return in->mode == 8 ? ((const u64 *)row(w, in->a))[lane] : ((const u32 *)row(w, in->a))[lane];
}

RUN(mapa) {
    const u32 *ranks = row(w, in->b);
    EACH_LANE(w, i) {
        u64 a = wide_address(w, in, i);
        const u64 window = in->flags & FLAG_GENERIC ? PTX_WINDOW_SHARED : 0;
        if (ranks[i] >= w->block->cluster->count) return warp_fault(w, in, PTX_FAULT_ADDRESS, i, ranks[i], "mapa to a block beyond the cluster, rank");
        if ((a - window) >> 32) return warp_fault(w, in, PTX_FAULT_ADDRESS, i, a, "mapa of what is no shared memory:");
        a = window | (a & ((1u << RANK_SHIFT) - 1)) | (u64)(ranks[i] + 1) << RANK_SHIFT;
        if (in->mode == 8) ((u64 *)out(w, in->d))[i] = a;
        else ((u32 *)out(w, in->d))[i] = (u32)a;
    }
    return in + 1;
}

RUN(getctarank) {
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) {
        const u64 a = wide_address(w, in, i), rank = (in->flags & FLAG_GENERIC ? a - PTX_WINDOW_SHARED : a) >> RANK_SHIFT;
        if (rank > w->block->cluster->count) return warp_fault(w, in, PTX_FAULT_ADDRESS, i, a, "getctarank of what is no shared memory:");
        d[i] = rank ? (u32)rank - 1 : w->block->rank;
    }
    return in + 1;
}

/* ---- the barrier: arriving and waiting are two instructions. A thread cannot arrive twice without waiting, so that the parity
 * of the phase that it arrived in says whether that phase is over. */

u32 cluster_live(const struct cluster *cluster) {
    u32 live = 0;
    for (u32 i = 0; i < cluster->count; i++) live += cluster->blocks[i]->live_threads;
    return live;
}

RUN(arrive) {
    struct cluster *cluster = w->block->cluster;
    memory_fence();
    cluster->arrived += (u32)__builtin_popcount(w->mask);
    w->cluster_parity = cluster->phase & 1 ? w->cluster_parity | w->mask : w->cluster_parity & ~w->mask;
    cluster_barrier_check(cluster);
    return w->fragment_count > 1 ? warp_leave(w, in + 1) : in + 1;
}

RUN(wait) {
    struct fragment *f = &w->fragments[w->current];
    u32 now = w->block->cluster->phase & 1 ? 0xffffffffu : 0;
    memory_fence();
    if (!(w->mask & ~(w->cluster_parity ^ now))) return in + 1; /* all arrived in a phase that is over */
    u32 rest = f->mask & ~w->mask;
    if (rest) warp_split(w, rest, in + 1);
    f = &w->fragments[w->current];
    f->mask = w->mask;
    f->pc = in;
    f->state = FRAGMENT_BARRIER;
    f->waits_for = CLUSTER_BARRIER;
    return NULL;
}

void cluster_barrier_check(struct cluster *cluster) {
    if (!cluster->arrived || cluster->arrived < cluster_live(cluster)) return;
    cluster->arrived = 0;
    cluster->phase++;
    for (u32 i = 0; i < cluster->count; i++) {
        struct block *block = cluster->blocks[i];
        for (u32 k = 0; k < block->warp_count; k++)
            for (u32 n = 0; n < block->warps[k]->fragment_count; n++) {
                struct fragment *f = &block->warps[k]->fragments[n];
                if (f->state != FRAGMENT_BARRIER || f->waits_for != CLUSTER_BARRIER) continue;
                f->state = FRAGMENT_READY;
                f->pc++;
            }
        block->epoch++;
    }
}

/* ---- st.async and red.async: done at once, like every copy here */

struct remote {
    enum bulk_op op;
    enum ptx_type type;
    struct place to, barrier;
    bool has_barrier;
    u8 count;
    int32_t rows[4];
};

void decode_remote(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    struct remote *r = arena_alloc(&d->loader->arena, sizeof *r);
    r->has_barrier = opcode_has(o, "mbarrier::complete_tx::bytes");
    r->op = o->name[0] == 'r' ? bulk_op_of(o) : BULK_COPY;
    r->type = memory_type(d);
    r->count = (u8)vector_count(d);
    operand_count(d, 2u + r->has_barrier, 2u + r->has_barrier);
    r->to = place_of(d, &operands[0], space_of(d));
    if (r->count > 1 && (operands[1].kind != OPERAND_VECTOR || operands[1].count != r->count)) refuse(d, PTX_INVALID, "a vector of %u elements is needed", r->count);
    for (u32 i = 0; i < r->count; i++) r->rows[i] = source(d, r->count > 1 ? &operands[1].parts[i] : &operands[1], r->type, false);
    if (r->has_barrier) r->barrier = place_of(d, &operands[2], space_of(d));
    if (r->to.space != SPACE_SHARED && r->to.space != SPACE_GLOBAL) refuse(d, PTX_INVALID, "an address in another space is needed");
    struct insn *i = emit(d, handler(d, "remote"));
    i->flags = r->to.flags & FLAG_GENERIC;
    i->more = r;
}

RUN(remote) {
    const struct remote *r = in->more;
    const u32 size = ptx_types[r->type].bytes, all = size * r->count;
    memory_fence();
    EACH_LANE(w, i) {
        unsigned char *to = memory_access(w, in, r->to.space, i, address_in(w, &r->to, i), all, all, true);
        if (!to) return NULL;
        for (u32 k = 0; k < r->count; k++) {
            const u64 value = size == 8 ? ((const u64 *)row(w, r->rows[k]))[i] : ((const u32 *)row(w, r->rows[k]))[i];
            if (r->op != BULK_COPY) reduce_at(r->op, r->type, to, value);
            else if (size == 8) __atomic_store_n((u64 *)(void *)to + k, value, __ATOMIC_RELAXED);
            else __atomic_store_n((u32 *)(void *)to + k, (u32)value, __ATOMIC_RELAXED);
        }
        if (r->has_barrier && !mbarrier_complete(w, in, r->barrier.space, i, address_in(w, &r->barrier, i), all)) return NULL;
    }
    return in + 1;
}

/* ---- st.bulk: a = address, b = bytes; all of them become 0 */

void decode_clear(struct decoder *d) {
    const struct operand *operands = d->s->operands;
    operand_count(d, 3, 3);
    struct place to = place_of(d, &operands[0], space_of(d));
    if (operands[1].kind == OPERAND_INT && operands[1].integer % 8) refuse(d, PTX_INVALID, "the size must be a multiple of 8");
    if (operands[2].kind != OPERAND_INT || operands[2].integer) refuse(d, PTX_INVALID, "the value must be 0");
    struct insn x = {.d = -1, .d2 = -1, .a = to.base, .b = source(d, &operands[1], T_U64, false), .c = -1, .e = -1, .imm = to.offset, .flags = to.flags, .mode = (u8)to.space};
    if (to.space != SPACE_SHARED && to.space != SPACE_GLOBAL) refuse(d, PTX_INVALID, "an address of shared memory is needed");
    emit_fields(d, handler(d, "clear"), &x);
}

RUN(clear) {
    const u64 *sizes = row(w, in->b);
    EACH_LANE(w, i) {
        const u64 address = memory_address(w, in, i);
        if (sizes[i] % 8) return warp_fault(w, in, PTX_FAULT_MISALIGNED, i, sizes[i], "st.bulk of a size that is no multiple of 8:");
        for (u64 done = 0; done < sizes[i]; done += 8) {
            unsigned char *to = memory_access(w, in, (enum space)in->mode, i, address + done, 8, 8, true);
            if (!to) return NULL;
            __atomic_store_n((u64 *)(void *)to, 0, __ATOMIC_RELAXED);
        }
    }
    return in + 1;
}

/* ---- clusterlaunchcontrol: the next cluster that no worker has begun is taken over. The response is the first block's index
 * and, above, whether there was one. A cooperative launch has begun all of them. */

struct cancel {
    struct place to, barrier;
    bool multicast;
};

void decode_cancel(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    struct cancel *c = arena_alloc(&d->loader->arena, sizeof *c);
    operand_count(d, 2, 2);
    c->to = place_of(d, &d->s->operands[0], space_of(d));
    c->barrier = place_of(d, &d->s->operands[1], space_of(d));
    c->multicast = opcode_has(o, "multicast::cluster::all");
    struct insn *i = emit(d, handler(d, "cancel"));
    i->flags = c->to.flags & FLAG_GENERIC;
    i->more = c;
}

RUN(cancel) {
    const struct cancel *c = in->more;
    struct run *run = w->worker->run;
    struct cluster *cluster = w->block->cluster;
    EACH_LANE(w, i) {
        u32 response[4] = {0};
        const u64 number = run->launch->cooperative ? run->cluster_count : atomic_fetch_add(&run->next_cluster, 1);
        if (number < run->cluster_count) {
            const u32 x = run->launch->grid[0] / run->cluster[0], y = run->launch->grid[1] / run->cluster[1];
            response[0] = (u32)(number % x) * run->cluster[0];
            response[1] = (u32)(number / x % y) * run->cluster[1];
            response[2] = (u32)(number / x / y) * run->cluster[2];
            response[3] = 1;
        }
        const u64 to = address_in(w, &c->to, i), barrier = address_in(w, &c->barrier, i);
        for (u32 k = 0; k < (c->multicast ? cluster->count : 1); k++) {
            unsigned char *p = memory_access(w, in, c->to.space, i, c->multicast ? address_of_rank(to, k) : to, 16, 16, true);
            if (!p) return NULL;
            memcpy(p, response, 16);
            if (!mbarrier_complete(w, in, c->barrier.space, i, c->multicast ? address_of_rank(barrier, k) : barrier, 16)) return NULL;
        }
    }
    return in + 1;
}

/* a: the response, two rows; mode 0: whether it names a cluster, else 1 + the part of its index. */
void decode_cancelled(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    const struct operand *operands = d->s->operands;
    operand_count(d, 2, 2);
    struct insn x = {.d = -1, .d2 = -1, .a = source(d, &operands[1], T_B128, false), .b = -1, .c = -1, .e = -1};
    if (opcode_has(o, "is_canceled")) {
        x.d = destination(d, &operands[0], T_PRED, false);
        emit_fields(d, handler(d, "cancelled"), &x);
        return;
    }
    const bool all = opcode_has(o, "v4");
    if (all && (operands[0].kind != OPERAND_VECTOR || operands[0].count != 4)) refuse(d, PTX_INVALID, "a vector of 4 elements is needed");
    const u8 first = opcode_has(o, "get_first_ctaid::y") ? 1 : opcode_has(o, "get_first_ctaid::z") ? 2 : 0;
    for (u8 k = first; k < (all ? 4 : first + 1); k++) {
        x.d = destination(d, all ? &operands[0].parts[k] : &operands[0], T_B32, false);
        x.mode = k + 1;
        emit_fields(d, handler(d, "cancelled"), &x);
    }
}

RUN(cancelled) {
    const u64 *low = row(w, in->a), *high = low + LANES;
    u32 yes = 0;
    EACH_LANE(w, i) {
        if (in->mode == 0) yes |= (u32)(high[i] >> 32 != 0) << i;
        else ((u32 *)out(w, in->d))[i] = in->mode == 1 ? (u32)low[i] : in->mode == 2 ? (u32)(low[i] >> 32) : in->mode == 3 ? (u32)high[i] : 0;
    }
    if (in->mode == 0) set_predicate(w, in->d, yes);
    return in + 1;
}

const struct ops_entry ops_cluster[] = {{"mapa", run_mapa}, {"getctarank", run_getctarank}, {"cluster.arrive", run_arrive}, {"cluster.wait", run_wait}, {"remote", run_remote},
                                        {"clear", run_clear}, {"cancel", run_cancel}, {"cancelled", run_cancelled}, {NULL, NULL}};
