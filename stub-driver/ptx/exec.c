/* Running warps: which fragment goes on, when fragments merge, and the frames that they run in. */
#include "exec.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef __SANITIZE_THREAD__
int memory_fence_word;
#endif

uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool stop_requested(const struct run *run) {
    return atomic_load_explicit(&run->failed, memory_order_relaxed) || (run->launch->stop && atomic_load_explicit(run->launch->stop, memory_order_relaxed));
}

/* ---- frames */

struct frame *frame_new(struct warp *w, const struct code *code) {
    struct worker *worker = w->worker;
    struct frame *frame = NULL;
    for (struct frame **at = &worker->free_frames; *at; at = &(*at)->parent)
        if ((*at)->capacity >= code->frame_bytes && (*at)->capacity <= (size_t)code->frame_bytes * 4 + 4096) {
            frame = *at;
            *at = frame->parent;
            break;
        }
    if (!frame) {
        size_t capacity = ((size_t)code->frame_bytes + 1023) & ~(size_t)1023;
        frame = aligned_alloc(64, sizeof *frame + capacity);
        if (!frame) return NULL;
        frame->capacity = capacity;
    }
    size_t capacity = frame->capacity;
    memset(frame, 0, sizeof *frame + code->frame_bytes); /* one program, one answer: registers begin as 0 */
    frame->capacity = capacity;
    frame->code = code;
    frame->serial = ++worker->frame_serial;
    return frame;
}

void frame_free(struct worker *worker, struct frame *frame) {
    frame->parent = worker->free_frames;
    worker->free_frames = frame;
}

/* ---- fragments */

const struct insn *warp_leave(struct warp *w, const struct insn *pc) {
    w->fragments[w->current].pc = pc;
    return NULL;
}

const struct insn *warp_yield(struct warp *w, const struct insn *pc) {
    w->yield = true;
    w->fragments[w->current].turn++;
    return warp_leave(w, pc);
}

struct fragment *warp_split(struct warp *w, uint32_t mask, const struct insn *pc) {
    /* Every fragment has a lane of its own, so that there is always room. */
    struct fragment *fresh = &w->fragments[w->fragment_count++];
    *fresh = w->fragments[w->current];
    fresh->mask = mask;
    fresh->pc = pc;
    fresh->state = FRAGMENT_READY;
    w->fragments[w->current].mask &= ~mask;
    return fresh;
}

static void wait_here(const struct warp *w, struct fragment *f, const struct insn *in, uint32_t members) {
    f->pc = in;
    f->state = FRAGMENT_WARP;
    f->waits_for = members;
    f->live_then = w->live;
}

bool warp_gather(struct warp *w, const struct insn *in, uint32_t members) {
    struct fragment *f = &w->fragments[w->current];
    if (!(members & w->live & ~f->mask)) {
        w->sync_epoch++;
        return true;
    }
    wait_here(w, f, in, members);
    return false;
}

bool warp_gather_each(struct warp *w, const struct insn *in, const uint32_t *members) {
    uint32_t all = 0, ready = 0, first = members[__builtin_ctz(w->mask)];
    bool same = true;
    EACH_LANE(w, i) all |= members[i], same = same && members[i] == first;
    if (same) return warp_gather(w, in, all);
    /* Groups side by side, of which one may be complete and another not. */
    EACH_LANE(w, i) {
        uint32_t partners = members[i] & w->live;
        bool complete = !(partners & ~w->mask);
        for (; complete && partners; partners &= partners - 1) complete = members[__builtin_ctz(partners)] == members[i];
        ready |= (uint32_t)complete << i;
    }
    if (!ready) {
        wait_here(w, &w->fragments[w->current], in, all);
        return false;
    }
    if (w->mask & ~ready) {
        wait_here(w, warp_split(w, w->mask & ~ready, in), in, all);
        w->mask = ready;
        w->parted = true;
    }
    w->sync_epoch++;
    return true;
}

const struct insn *warp_next(struct warp *w, const struct insn *in) {
    if (!w->parted) return in + 1;
    w->parted = false; /* the fragment has fewer lanes than it was chosen with */
    return warp_leave(w, in + 1);
}

/* Takes lanes from one frame of a function to another: what their registers hold. */
static void move_lanes(struct worker *worker, struct frame *to, struct frame *from, uint32_t lanes) {
    const struct code *code = to->code;
    for (uint32_t k = 0; code->rows && k < code->frame_bytes / ROW32; k++) {
        uint32_t *d = (uint32_t *)(void *)(to->rows + (size_t)k * ROW32), *s = (uint32_t *)(void *)(from->rows + (size_t)k * ROW32);
        switch ((enum frame_row)code->rows[k]) {
            case FRAME_PREDICATES:
                for (uint32_t p = 0; p < ROW32 / 4; p++) d[p] = (d[p] & ~lanes) | (s[p] & lanes);
                break;
            case FRAME_WORDS:
                for (uint32_t m = lanes; m; m &= m - 1) d[__builtin_ctz(m)] = s[__builtin_ctz(m)];
                break;
            case FRAME_LONGS: /* this half and the next */
                for (uint32_t m = lanes; m; m &= m - 1) memcpy(d + 2 * __builtin_ctz(m), s + 2 * __builtin_ctz(m), 8);
                k++;
                break;
        }
    }
    to->lanes |= lanes;
    from->lanes &= ~lanes;
    if (!from->lanes) frame_free(worker, from);
}

/*
 * Lanes that called a function one after the other have frames of their own and would never meet again in it. Where they wait at one
 * instruction for each other, having come the same way, the hardware has them in lock-step from there on, and instructions
 * of whole warps (mma, ldmatrix) need it: b's lanes move into a's frames. False: they have not come the same way.
 */
static bool join_frames(struct warp *w, const struct fragment *a, struct fragment *b) {
    const struct frame *x = a->frame, *y = b->frame;
    for (; x != y; x = x->parent, y = y->parent)
        if (!x->parent || !y->parent || x->code != y->code || x->return_to != y->return_to || x->local_base != y->local_base || x->local_top != y->local_top) return false;
    struct frame *to = a->frame;
    for (struct frame *from = b->frame, *parent; to != from; to = to->parent, from = parent) {
        parent = from->parent;
        move_lanes(w->worker, to, from, b->mask);
    }
    b->frame = a->frame;
    return true;
}

static void merge(struct warp *w) {
    for (uint32_t i = 0; i + 1 < w->fragment_count; i++)
        for (uint32_t j = i + 1; j < w->fragment_count;) {
            struct fragment *a = &w->fragments[i], *b = &w->fragments[j];
            if (a->pc != b->pc || a->state == FRAGMENT_BARRIER || b->state == FRAGMENT_BARRIER ||
                (a->frame != b->frame && !(a->state == FRAGMENT_WARP && b->state == FRAGMENT_WARP && join_frames(w, a, b)))) {
                j++;
                continue;
            }
            a->mask |= b->mask;
            if (b->turn < a->turn) a->turn = b->turn;
            a->state = FRAGMENT_READY;
            w->fragments[j] = w->fragments[--w->fragment_count];
        }
}

static bool before(const struct fragment *a, const struct fragment *b) {
    if (a->turn != b->turn) return a->turn < b->turn;
    if (a->frame->depth != b->frame->depth) return a->frame->depth > b->frame->depth;
    if (a->frame->serial != b->frame->serial) return a->frame->serial > b->frame->serial;
    return a->pc < b->pc;
}

/* The lanes of a waiting fragment that execute what it waits at. */
static uint32_t executing(const struct fragment *f) {
    if (f->pc->guard < 0) return f->mask;
    uint32_t p;
    memcpy(&p, f->frame->rows + f->pc->guard, 4);
    return f->mask & (f->pc->guard_not ? ~p : p);
}

/* Takes the lanes that do not go on out of a fragment that waits: they wait on, in one of their own. */
static void leave_behind(struct warp *w, struct fragment *f, uint32_t rest) {
    struct fragment *fresh = &w->fragments[w->fragment_count++];
    *fresh = *f;
    fresh->mask = rest;
    f->mask &= ~rest;
}

/*
 * Lanes may meet at different places: since sm_70 the members of a mask need not execute the same shfl, vote or bar.warp.sync,
 * only one of the same kind with the same mask. Compilers make use of it, when they copy one into two branches or leave it in a
 * function that lanes call one after the other. Runs one that all members have come to; false: there is none.
 */
static bool rendezvous(struct warp *w) {
    for (uint32_t first = 0; first < w->fragment_count; first++) {
        const struct fragment *lead = &w->fragments[first];
        const uint32_t *named = lead->state == FRAGMENT_WARP ? warp_members(w, lead) : NULL;
        for (uint32_t left = named ? executing(lead) : 0; left; left &= left - 1) {
            const uint32_t members = named[__builtin_ctz(left)];
            const struct insn *in = lead->pc;
            uint32_t group = 0, here = 0;
            for (uint32_t i = 0; i < w->fragment_count; i++) {
                const struct fragment *f = &w->fragments[i];
                if (f->state != FRAGMENT_WARP || f->pc->run != in->run || f->pc->mode != in->mode || f->pc->vec != in->vec || f->pc->flags != in->flags) continue;
                const uint32_t *others = warp_members(w, f);
                for (uint32_t lanes = executing(f) & members; lanes; lanes &= lanes - 1)
                    if (others[__builtin_ctz(lanes)] == members) {
                        here |= lanes & -lanes;
                        group |= UINT32_C(1) << i;
                    }
            }
            if (!here || (members & w->live & ~here)) continue;
            for (uint32_t i = 0, count = w->fragment_count; i < count; i++)
                if (group >> i & 1 && (executing(&w->fragments[i]) & ~here)) leave_behind(w, &w->fragments[i], executing(&w->fragments[i]) & ~here);
            warp_collect(w, group, here);
            for (uint32_t i = 0; i < w->fragment_count; i++)
                if (group >> i & 1) w->fragments[i].state = FRAGMENT_READY, w->fragments[i].pc++;
            return true;
        }
    }
    return false;
}

static bool choose(struct warp *w) {
    if (w->fragment_count > 1) {
        merge(w);
        while (rendezvous(w)) merge(w);
    }
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < w->fragment_count; i++) {
        struct fragment *f = &w->fragments[i];
        if (f->state == FRAGMENT_WARP && f->live_then != w->live) f->state = FRAGMENT_READY; /* it waits for fewer */
        if (f->state == FRAGMENT_READY && (best == UINT32_MAX || before(f, &w->fragments[best]))) best = i;
    }
    if (best == UINT32_MAX) return false;
    w->current = best;
    struct fragment *f = &w->fragments[best];
    w->frame = f->frame;
    w->bank[BANK_FRAME] = f->frame->rows;
    w->stop = NULL;
    for (uint32_t i = 0; i < w->fragment_count; i++)
        if (i != best && w->fragments[i].frame == f->frame && w->fragments[i].pc > f->pc && (!w->stop || w->fragments[i].pc < w->stop)) w->stop = w->fragments[i].pc;
    return true;
}

enum warp_state warp_run(struct warp *w) {
    w->budget = TURN;
    w->yield = false;
    for (;;) {
        if (!w->fragment_count) return WARP_DONE;
        if (!choose(w)) return WARP_BLOCKED;
        const struct insn *pc = w->fragments[w->current].pc, *stop = w->stop;
        uint32_t lanes = w->fragments[w->current].mask;
        unsigned char *rows = w->bank[BANK_FRAME];
        for (;;) {
            uint32_t mask = lanes;
            if (pc->guard >= 0) {
                uint32_t p;
                memcpy(&p, rows + pc->guard, 4);
                mask &= pc->guard_not ? ~p : p;
                if (!mask) {
                    if (++pc == stop) break;
                    continue;
                }
            }
            w->mask = mask;
#ifdef PTX_COVERAGE
            ptx_coverage(w->frame->code->statements[pc - w->frame->code->insns]);
#endif
            pc = pc->run(w, pc);
            if (!pc || pc == stop) break;
        }
        if (pc) {
            w->fragments[w->current].pc = pc; /* another fragment waits here */
        } else {
            if (atomic_load_explicit(&w->worker->run->failed, memory_order_relaxed)) return WARP_FAULT;
            if (w->yield) return WARP_READY;
        }
    }
}

/* ---- faults */

static const char *kind_word(enum ptx_fault_kind kind) {
    switch (kind) {
        case PTX_FAULT_ADDRESS:
        case PTX_FAULT_IMAGE: return "illegal address";
        case PTX_FAULT_MISALIGNED: return "misaligned address";
        case PTX_FAULT_STACK: return "stack overflow";
        case PTX_FAULT_ASSERT: return "assertion failed";
        case PTX_FAULT_TRAP: return "trap";
        case PTX_FAULT_CALL: return "bad call";
        case PTX_FAULT_BRANCH: return "bad branch";
        case PTX_FAULT_DEADLOCK: return "deadlock";
        case PTX_FAULT_STOPPED: return "stopped";
        case PTX_FAULT_MEMORY: return "out of host memory";
        default: return "fault";
    }
}

const struct insn *warp_fault(struct warp *w, const struct insn *at, enum ptx_fault_kind kind, uint32_t lane, uint64_t address, const char *what) {
    struct run *run = w->worker->run;
    pthread_mutex_lock(run->lock);
    if (!atomic_exchange(&run->failed, 1)) {
        struct ptx_fault *f = run->fault;
        const struct code *code = w->frame->code;
        const struct ptx_module *module = run->instance->module;
        size_t index = (size_t)(at - code->insns);
        *f = (struct ptx_fault){.kind = kind, .address = address};
        memcpy(f->block, w->block->index, sizeof f->block);
        for (int i = 0; i < 3; i++) f->thread[i] = ((const uint32_t *)(const void *)(w->specials + (SR_TID_X + i) * ROW64))[lane];
        snprintf(f->kernel, sizeof f->kernel, "%s", run->kernel->function->name);
        snprintf(f->function, sizeof f->function, "%s", code->name);
        if (index < code->insn_count) {
            const struct origin *origin = &code->origins[index];
            f->line = origin->line;
            f->source_line = origin->source_line;
            const struct unit *unit = module->units[code->function->unit];
            uint32_t file = origin->source_file;
            if (f->source_line && file < unit->file_count && unit->files[file]) snprintf(f->source_file, sizeof f->source_file, "%s", unit->files[file]);
        }
        char place[300] = "";
        if (f->source_line) snprintf(place, sizeof place, " (%s:%u)", f->source_file, f->source_line);
        char number[32] = "";
        const bool bare = kind == PTX_FAULT_ASSERT || (kind == PTX_FAULT_TRAP && !strcmp(what, kind_word(kind))); /* nothing to name */
        if (!bare) snprintf(number, sizeof number, " 0x%llx", (unsigned long long)address);
        snprintf(f->message, sizeof f->message, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): %s: %s%s in %s, PTX line %u%s", f->kernel, f->block[0], f->block[1], f->block[2],
                 f->thread[0], f->thread[1], f->thread[2], kind_word(kind), what, number, f->function, f->line, place);
    }
    pthread_mutex_unlock(run->lock);
    return NULL;
}
