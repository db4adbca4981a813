/* Control flow: branches, calls, returns, exits, barriers. */
#include <stddef.h>
#include <string.h>

#include "builtins.h"
#include "check.h"
#include "numeric.h"
#include "ops.h"
#include "warp.h"

#define RUN(id) static const struct insn *run_##id(struct warp *w, const struct insn *in)

static struct fragment *current(struct warp *w) { return &w->fragments[w->current]; }

/* Backward branches and calls are counted, by the instructions that they repeat: a turn ends after some, so that others run
 * and the stop flag is seen soon, however long the loop. */
static bool turn_over(struct warp *w, ptrdiff_t repeated) {
    w->budget -= repeated > LEAST_COST ? (int32_t)repeated : LEAST_COST;
    if (w->budget > 0) return false;
    w->yield = true;
    current(w)->turn++;
    return true;
}

RUN(bra) {
    struct fragment *f = current(w);
    u32 rest = f->mask & ~w->mask;
    if (rest) {
        warp_split(w, rest, in + 1);
        f->pc = in->target;
        if (in->target <= in) turn_over(w, in - in->target);
        return NULL;
    }
    if (in->target <= in && turn_over(w, in - in->target)) return warp_leave(w, in->target);
    return w->fragment_count > 1 ? warp_leave(w, in->target) : in->target;
}

RUN(brx) {
    const u32 *index = row(w, in->a);
    struct fragment *f = current(w);
    u32 rest = f->mask & ~w->mask, lanes = w->mask;
    for (u32 m = lanes; m; m &= m - 1) {
        u32 i = (u32)__builtin_ctz(m);
        if (index[i] >= in->table->count) return warp_fault(w, in, PTX_FAULT_BRANCH, i, index[i], "brx.idx beyond its table, index");
    }
    u32 first = index[__builtin_ctz(lanes)];
    if (rest) warp_split(w, rest, in + 1);
    while (lanes) {
        u32 value = index[__builtin_ctz(lanes)], same = 0;
        for (u32 m = lanes; m; m &= m - 1) {
            u32 i = (u32)__builtin_ctz(m);
            same |= (u32)(index[i] == value) << i;
        }
        lanes &= ~same;
        if (value != first) warp_split(w, same, in->table->targets[value]);
    }
    const struct insn *target = in->table->targets[first];
    if (target <= in) turn_over(w, in - target);
    return warp_leave(w, target);
}

/* ---- calls */

static unsigned char *local_byte(struct warp *w, u32 lane, const struct frame *frame, u32 offset) {
    return w->local + (size_t)lane * w->local_bytes + frame->local_base + offset;
}

static const void *slot_row(const struct warp *w, const struct frame *frame, int32_t operand) {
    return ((operand & 3) == BANK_FRAME ? frame->rows : w->bank[operand & 3]) + (operand & ~3);
}

static void copy_slot(struct warp *w, struct frame *from, const struct slot *source, struct frame *to, const struct slot *target, u32 lanes) {
    if (source->is_reg && source->row_bytes == 0) { /* predicates travel among themselves, or as 32 bits */
        u32 p = *(const u32 *)slot_row(w, from, source->reg);
        if (target->is_reg && target->row_bytes == 0) {
            u32 *d = (u32 *)(void *)(to->rows + (target->reg & ~3));
            *d = (*d & ~lanes) | (p & lanes);
            return;
        }
    }
    for (; lanes; lanes &= lanes - 1) {
        u32 i = (u32)__builtin_ctz(lanes);
        u64 value = 0;
        const void *bytes;
        if (source->is_reg) {
            const void *r = slot_row(w, from, source->reg);
            value = source->row_bytes == 8 ? ((const u64 *)r)[i] : source->row_bytes == 4 ? ((const u32 *)r)[i] : *(const u32 *)r >> i & 1;
            bytes = &value;
        } else {
            bytes = local_byte(w, i, from, source->offset);
        }
        if (target->is_reg) {
            memcpy(&value, bytes, target->size < 8 ? target->size : 8);
            unsigned char *r = to->rows + (target->reg & ~3);
            if (target->row_bytes == 8) ((u64 *)(void *)r)[i] = value;
            else if (target->row_bytes == 4) ((u32 *)(void *)r)[i] = (u32)value;
            else {
                u32 *p = (u32 *)(void *)r;
                *p = (*p & ~(1u << i)) | (u32)(value != 0) << i;
            }
        } else {
            memcpy(local_byte(w, i, to, target->offset), bytes, target->size);
            check_frame(w, i, to->local_base + target->offset, target->size, true);
        }
    }
}

RUN(call) {
    const struct call *call = in->call;
    const struct code *callee = call->callee;
    struct fragment *f = current(w);
    u32 lanes = w->mask, rest = f->mask & ~lanes;
    if (!callee) {
        const u64 *target = row(w, call->target);
        u32 lead = (u32)__builtin_ctz(lanes), same = 0;
        const struct ptx_module *module = w->worker->run->instance->module;
        u64 index = (target[lead] - PTX_WINDOW_CODE) / 16 - 1;
        if (target[lead] < PTX_WINDOW_CODE || target[lead] % 16 || index >= module->function_count || module->functions[index]->is_entry)
            return warp_fault(w, in, PTX_FAULT_CALL, lead, target[lead], "call of an address that is no function,");
        callee = module->functions[index]->code;
        bool fits = callee->param_count == call->arg_count && callee->result_count == call->result_count;
        for (u32 i = 0; fits && i < call->arg_count; i++) fits = callee->params[i].size == call->args[i].size;
        for (u32 i = 0; fits && i < call->result_count; i++) fits = callee->results[i].size == call->results[i].size;
        if (!fits) return warp_fault(w, in, PTX_FAULT_CALL, lead, target[lead], "call of a function with other parameters,");
        for (u32 m = lanes; m; m &= m - 1) {
            u32 i = (u32)__builtin_ctz(m);
            same |= (u32)(target[i] == target[lead]) << i;
        }
        if (same != lanes) warp_split(w, lanes & ~same, in); /* they call later */
        lanes = same;
    }
    if (rest) warp_split(w, rest, in + 1);
    struct frame *parent = w->frame;
    u32 base = (parent->local_top + callee->local_align - 1) & ~(callee->local_align - 1);
    if (base + (u64)callee->local_bytes > w->local_bytes)
        return warp_fault(w, in, PTX_FAULT_STACK, (u32)__builtin_ctz(lanes), base + (u64)callee->local_bytes, "stack overflow: local memory needed");
    struct frame *frame = frame_new(w, callee);
    if (!frame) return warp_fault(w, in, PTX_FAULT_MEMORY, (u32)__builtin_ctz(lanes), 0, "out of host memory");
    frame->parent = parent;
    frame->return_to = in + 1;
    frame->call = call;
    frame->lanes = lanes;
    frame->depth = parent->depth + 1;
    frame->local_base = base;
    frame->local_top = base + callee->local_bytes;
    for (u32 m = lanes; w->local_shadow && m; m &= m - 1) check_frame(w, (u32)__builtin_ctz(m), base, callee->local_bytes, false);
    for (u32 i = 0; i < call->arg_count; i++) copy_slot(w, parent, &call->args[i], frame, &callee->params[i], lanes);
    f = current(w);
    f->mask = lanes;
    f->frame = frame;
    turn_over(w, LEAST_COST);
    return warp_leave(w, callee->insns);
}

/* ---- the stack: what a function allots lasts until it returns or restores. Lanes get the same addresses, each in its own memory. */

RUN(alloca) {
    struct frame *frame = w->frame;
    u64 most = 0, base = ((u64)frame->local_top + (u64)in->imm - 1) & ~((u64)in->imm - 1);
    EACH_LANE(w, i) {
        u64 size = in->mode == 8 ? ((const u64 *)row(w, in->a))[i] : ((const u32 *)row(w, in->a))[i];
        if (size > most) most = size;
    }
    if (most > w->local_bytes || base + most > w->local_bytes)
        return warp_fault(w, in, PTX_FAULT_STACK, (u32)__builtin_ctz(w->mask), base + most, "stack overflow: local memory needed");
    EACH_LANE(w, i) {
        if (in->mode == 8) ((u64 *)out(w, in->d))[i] = base;
        else ((u32 *)out(w, in->d))[i] = (u32)base;
    }
    frame->local_top = (u32)(base + most);
    return in + 1;
}

RUN(stacksave_u32) {
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->frame->local_top;
    return in + 1;
}
RUN(stacksave_u64) {
    u64 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->frame->local_top;
    return in + 1;
}

/* Lanes that went elsewhere may still use what they allotted: it is given back when all of the frame are here. */
static const struct insn *restore(struct warp *w, const struct insn *in, u64 top) {
    struct frame *frame = w->frame;
    u32 least = frame->local_base + frame->code->local_bytes;
    if (top < least || top > w->local_bytes) return warp_fault(w, in, PTX_FAULT_STACK, (u32)__builtin_ctz(w->mask), top, "stackrestore of what stacksave did not give:");
    if (w->mask == frame->lanes && top < frame->local_top) frame->local_top = (u32)top;
    return in + 1;
}
RUN(stackrestore_u32) { return restore(w, in, ((const u32 *)row(w, in->a))[__builtin_ctz(w->mask)]); }
RUN(stackrestore_u64) { return restore(w, in, ((const u64 *)row(w, in->a))[__builtin_ctz(w->mask)]); }

RUN(ret) {
    struct frame *frame = w->frame, *parent = frame->parent;
    u32 lanes = w->mask, rest = current(w)->mask & ~lanes;
    if (rest) warp_split(w, rest, in + 1);
    for (u32 i = 0; i < frame->call->result_count; i++) copy_slot(w, frame, &frame->code->results[i], parent, &frame->call->results[i], lanes);
    const struct insn *to = frame->return_to;
    current(w)->mask = lanes;
    current(w)->frame = parent;
    frame->lanes &= ~lanes;
    if (!frame->lanes) frame_free(w->worker, frame);
    return warp_leave(w, to);
}

RUN(builtin) { return builtin_call(w, in); }

/* Barriers with a number of threads count warps, as the ISA has it: lanes that never were, or have left, arrive with the last of
 * their warp that there is, in however many parts it comes. */
static void absent_arrive(struct warp *w, u32 id) {
    struct barrier *barrier = &w->block->barriers[id];
    if (!barrier->expected || !w->at_barrier[id] || w->live & ~w->at_barrier[id]) return;
    barrier->arrived += 32 - (u32)__builtin_popcount(w->at_barrier[id]);
    w->at_barrier[id] = 0;
}

RUN(exit) {
    u32 lanes = w->mask, rest = current(w)->mask & ~lanes;
    struct block *block = w->block;
    w->live &= ~lanes;
    block->live_threads -= (u32)__builtin_popcount(lanes);
    for (struct frame *frame = w->frame, *parent; frame; frame = parent) {
        parent = frame->parent;
        frame->lanes &= ~lanes;
        if (!frame->lanes) frame_free(w->worker, frame);
    }
    current(w)->mask = rest;
    current(w)->pc = in + 1;
    if (!rest) w->fragments[w->current] = w->fragments[--w->fragment_count];
    for (u32 id = 0; id < BARRIERS; id++) {
        absent_arrive(w, id);
        if (block->barriers[id].arrived) block_barrier_check(block, id);
    }
    if (block->cluster->arrived) cluster_barrier_check(block->cluster);
    return NULL;
}

RUN(trap) { return warp_fault(w, in, PTX_FAULT_TRAP, (u32)__builtin_ctz(w->mask), 0, "trap"); }

/* ---- barriers: a = number, b = threads (all when absent), c = predicate. mode: 0 sync, 1 arrive, 2 popc, 3 and, 4 or */

RUN(bar) {
    const u32 *ids = row(w, in->a), *counts = in->b >= 0 ? row(w, in->b) : NULL;
    u32 lead = (u32)__builtin_ctz(w->mask), id = ids[lead], count = counts ? counts[lead] : 0;
    if (id >= BARRIERS) return warp_fault(w, in, PTX_FAULT_TRAP, lead, id, "barrier number beyond 15:");
    if (counts && (count == 0 || count % 32)) return warp_fault(w, in, PTX_FAULT_TRAP, lead, count, "a barrier's number of threads must be a multiple of 32, not");
    for (u32 m = w->mask; m; m &= m - 1) {
        u32 i = (u32)__builtin_ctz(m);
        if (ids[i] != id || (counts && counts[i] != count)) { /* lanes at different barriers part */
            u32 same = 0;
            for (u32 n = w->mask; n; n &= n - 1) {
                u32 k = (u32)__builtin_ctz(n);
                same |= (u32)(ids[k] == id && (!counts || counts[k] == count)) << k;
            }
            warp_split(w, w->mask & ~same, in);
            w->mask = same;
            break;
        }
    }
    struct fragment *f = current(w);
    struct barrier *barrier = &w->block->barriers[id];
    memory_fence();
    if (barrier->arrived && barrier->expected != count) return warp_fault(w, in, PTX_FAULT_TRAP, lead, id, "threads expect different numbers of threads at barrier");
    barrier->expected = count;
    barrier->arrived += (u32)__builtin_popcount(w->mask);
    if (count) {
        w->at_barrier[id] |= w->mask;
        absent_arrive(w, id);
    }
    if (in->c >= 0) {
        barrier->popc += (u32)__builtin_popcount(predicate(w, in->c) & w->mask);
        barrier->voters += (u32)__builtin_popcount(w->mask);
    }
    if (in->mode == 1) {
        block_barrier_check(w->block, id);
        return w->fragment_count > 1 ? warp_leave(w, in + 1) : in + 1;
    }
    u32 rest = f->mask & ~w->mask;
    if (rest) warp_split(w, rest, in + 1); /* the guard kept them out */
    f->mask = w->mask;
    f->pc = in;
    f->state = FRAGMENT_BARRIER;
    f->waits_for = id;
    block_barrier_check(w->block, id);
    return NULL;
}

void block_barrier_check(struct block *block, u32 id) {
    struct barrier *barrier = &block->barriers[id];
    u32 expected = barrier->expected ? barrier->expected : block->live_threads;
    if (barrier->arrived < expected) return;
    for (u32 k = 0; k < block->warp_count; k++) {
        struct warp *w = block->warps[k];
        w->at_barrier[id] = 0;
        for (u32 n = 0; n < w->fragment_count; n++) {
            struct fragment *f = &w->fragments[n];
            if (f->state != FRAGMENT_BARRIER || f->waits_for != id) continue;
            const struct insn *in = f->pc;
            unsigned char *rows = f->frame->rows;
            if (in->mode == 2) {
                for (u32 m = f->mask; m; m &= m - 1) ((u32 *)(void *)(rows + in->d))[__builtin_ctz(m)] = barrier->popc;
            } else if (in->mode > 2) {
                bool value = in->mode == 3 ? barrier->popc == barrier->voters : barrier->popc != 0;
                u32 *p = (u32 *)(void *)(rows + in->d);
                *p = (*p & ~f->mask) | (value ? f->mask : 0);
            }
            f->state = FRAGMENT_READY;
            f->pc = in + 1;
        }
    }
    *barrier = (struct barrier){0};
    block->epoch++;
}

const struct ops_entry ops_control[] = {
    {"bra", run_bra}, {"brx", run_brx}, {"call", run_call}, {"ret", run_ret}, {"exit", run_exit}, {"trap", run_trap}, {"bar", run_bar}, {"builtin", run_builtin},
    {"alloca", run_alloca}, {"stacksave.u32", run_stacksave_u32}, {"stacksave.u64", run_stacksave_u64}, {"stackrestore.u32", run_stackrestore_u32}, {"stackrestore.u64", run_stackrestore_u64},
    {NULL, NULL},
};
