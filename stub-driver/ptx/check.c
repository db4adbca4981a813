/*
 * See check.h. Of each byte of shared memory is kept who wrote it last and who read it last, and when: the block's count of
 * barriers and, among the lanes of one warp, the warp's count of instructions that synchronise it. Two accesses race when no barrier
 * is between them, one of them writes, and not both are atomic. Threads that write the same value do not race: so flags are raised.
 */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numeric.h"
#include "ops.h"

struct touch {
    const struct insn *at;
    const struct code *code;
    uint32_t epoch, warp_epoch;
    uint16_t thread;
    bool atomic;
};
struct shadow_byte {
    struct touch write, read;
    uint8_t value;
    bool written, several; /* several threads read it since the barrier */
};

struct access {
    enum space space;
    uint8_t bytes, vec, row, kind;
    const int32_t *values;
};

void check_emit(struct decoder *d, const struct address *a, enum space space, unsigned bytes, unsigned vec, unsigned row, unsigned kind, const int32_t *values) {
    if (!d->loader->checks || space == SPACE_PARAM) return;
    struct access *access = arena_alloc(&d->loader->arena, sizeof *access);
    *access = (struct access){space, (uint8_t)bytes, (uint8_t)vec, (uint8_t)row, (uint8_t)kind, values};
    struct insn *in = emit(d, handler(d, "check"));
    in->a = a->base;
    in->imm = a->offset;
    in->flags = a->flags;
    in->more = access;
}

/* ---- what is remembered */

bool check_block_start(struct block *block) {
    if (!(block->run->instance->module->loader.checks) || !block->shared_bytes) return true;
    if (!block->shadow) block->shadow = malloc(block->shared_bytes * sizeof(struct shadow_byte));
    if (!block->shadow) return false;
    memset(block->shadow, 0, block->shared_bytes * sizeof(struct shadow_byte));
    return true;
}

bool check_warp_start(struct warp *w) {
    if (!(w->worker->run->instance->module->loader.checks & PTX_CHECK_INIT) || !w->local_bytes) return true;
    size_t bytes = w->local_bytes * LANES;
    if (w->local_shadow && w->local_shadow_bytes < bytes) {
        free(w->local_shadow);
        w->local_shadow = NULL;
    }
    if (!w->local_shadow) {
        w->local_shadow = malloc(bytes);
        w->local_shadow_bytes = bytes;
    }
    if (w->local_shadow) memset(w->local_shadow, 0, bytes);
    return w->local_shadow != NULL;
}

void check_block_free(struct block *block) { free(block->shadow); }
void check_warp_free(struct warp *w) { free(w->local_shadow); }

void check_frame(struct warp *w, uint32_t lane, uint32_t from, uint32_t size, bool written) {
    if (w->local_shadow) memset(w->local_shadow + (size_t)lane * w->local_bytes + from, written, size);
}

/* ---- reports */

static void where(const struct code *code, const struct insn *at, const struct ptx_module *module, char *text, size_t size) {
    const struct origin *s = &code->origins[at - code->insns];
    const struct unit *unit = module->units[code->function->unit];
    const char *file = s->source_file < unit->file_count ? unit->files[s->source_file] : NULL;
    if (s->source_line && file) snprintf(text, size, "%s, PTX line %u (%s:%u)", code->name, s->line, file, s->source_line);
    else snprintf(text, size, "%s, PTX line %u", code->name, s->line);
}

static void thread_text(const struct warp *w, unsigned thread, char *text, size_t size) {
    const uint32_t *dim = w->worker->run->launch->block;
    snprintf(text, size, "(%u,%u,%u)", thread % dim[0], thread / dim[0] % dim[1], thread / dim[0] / dim[1]);
}

/* Once for each pair of instructions and launch. */
static void report(struct warp *w, const struct insn *in, unsigned lane, const char *what, uint64_t address, unsigned bytes, const char *space, const struct touch *other, const char *did) {
    struct run *run = w->worker->run;
    const struct insn *const pair[2] = {in, other ? other->at : NULL};
    pthread_mutex_lock(run->lock);
    bool known = run->reported_count == sizeof run->reported / sizeof run->reported[0];
    for (uint32_t i = 0; i < run->reported_count && !known; i++)
        known = (run->reported[i][0] == pair[0] && run->reported[i][1] == pair[1]) || (run->reported[i][0] == pair[1] && run->reported[i][1] == pair[0]);
    if (!known) {
        run->reported[run->reported_count][0] = pair[0];
        run->reported[run->reported_count++][1] = pair[1];
        char here[400], there[400], thread[40], other_thread[40], text[1400];
        where(w->frame->code, in, run->instance->module, here, sizeof here);
        thread_text(w, w->index * LANES + lane, thread, sizeof thread);
        int n;
        if (other) {
            where(other->code, other->at, run->instance->module, there, sizeof there);
            thread_text(w, other->thread, other_thread, sizeof other_thread);
            n = snprintf(text, sizeof text, "race: kernel %s, block (%u,%u,%u), thread %s %s 0x%llx of %s memory in %s; thread %s %s it in %s, and no barrier is between them",
                         run->kernel->function->name, w->block->index[0], w->block->index[1], w->block->index[2], thread, what, (unsigned long long)address, space, here, other_thread, did, there);
        } else {
            n = snprintf(text, sizeof text, "uninitialised: kernel %s, block (%u,%u,%u), thread %s %s %u bytes at 0x%llx of %s memory in %s; nothing has written all of them",
                         run->kernel->function->name, w->block->index[0], w->block->index[1], w->block->index[2], thread, what, bytes, (unsigned long long)address, space, here);
        }
        if (run->launch->report) run->launch->report(run->launch->print_context, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    }
    pthread_mutex_unlock(run->lock);
}

/* ---- accesses */

static bool apart(const struct warp *w, const struct touch *t, unsigned thread) {
    if (!t->at || t->epoch != w->block->epoch || t->thread == thread) return true;
    return t->thread / LANES == w->index && t->warp_epoch != w->sync_epoch;
}

static uint8_t value_byte(const struct warp *w, const struct access *access, unsigned lane, unsigned k) {
    const void *r = row(w, access->values[k / access->bytes]);
    uint64_t value = access->row == 8 ? ((const u64 *)r)[lane] : ((const u32 *)r)[lane];
    return (uint8_t)(value >> (8 * (k % access->bytes)));
}

static void shared_access(struct warp *w, const struct insn *in, const struct access *access, unsigned lane, uint64_t offset) {
    unsigned size = (unsigned)access->bytes * access->vec, thread = w->index * LANES + lane, checks = w->worker->run->instance->module->loader.checks;
    if (!w->block->shadow || offset + size > w->block->shared_bytes) return; /* the access itself is the fault */
    struct shadow_byte *s = (struct shadow_byte *)w->block->shadow + offset;
    const bool atomic = access->kind & CHECK_ATOMIC, reads = access->kind & CHECK_READ, writes = access->kind & CHECK_WRITE;
    const struct touch mine = {.at = in, .code = w->frame->code, .epoch = w->block->epoch, .warp_epoch = w->sync_epoch, .thread = (uint16_t)thread, .atomic = atomic};
    const char *const what = atomic ? "updates" : writes ? "writes" : "reads";
    for (unsigned k = 0; k < size; k++) {
        if (reads && !s[k].written && (checks & PTX_CHECK_INIT)) {
            report(w, in, lane, what, offset, size, "shared", NULL, NULL);
            checks &= ~(unsigned)PTX_CHECK_INIT;
        }
        if (checks & PTX_CHECK_RACE) {
            const uint8_t value = writes && access->values ? value_byte(w, access, lane, k) : 0;
            if (!apart(w, &s[k].write, thread) && !(atomic && s[k].write.atomic) && !(writes && !reads && access->values && !s[k].write.atomic && s[k].value == value))
                report(w, in, lane, what, offset + k, size, "shared", &s[k].write, s[k].write.atomic ? "updated" : "wrote");
            else if (writes && !(atomic && s[k].read.atomic) && (!apart(w, &s[k].read, thread) || (s[k].several && s[k].read.epoch == w->block->epoch && s[k].read.thread / LANES != w->index)))
                report(w, in, lane, what, offset + k, size, "shared", &s[k].read, "read");
            if (writes) s[k].value = value;
        }
        if (writes) {
            s[k].write = mine;
            s[k].written = true;
        }
        if (reads) {
            s[k].several = s[k].read.at && s[k].read.epoch == w->block->epoch && (s[k].several || s[k].read.thread != thread);
            s[k].read = mine;
        }
    }
}

static void local_access(struct warp *w, const struct insn *in, const struct access *access, unsigned lane, uint64_t offset) {
    unsigned size = (unsigned)access->bytes * access->vec;
    if (!w->local_shadow || offset + size > w->local_bytes) return;
    unsigned char *s = w->local_shadow + (size_t)lane * w->local_bytes + offset;
    if (access->kind & CHECK_READ && memchr(s, 0, size)) report(w, in, lane, "reads", offset, size, "local", NULL, NULL);
    if (access->kind & CHECK_WRITE) memset(s, 1, size);
}

static void global_access(struct warp *w, const struct insn *in, const struct access *access, unsigned lane, uint64_t address) {
    const struct ptx_memory *memory = w->worker->run->launch->memory;
    unsigned size = (unsigned)access->bytes * access->vec;
    if (!(w->worker->run->instance->module->loader.checks & PTX_CHECK_INIT) || !memory || !memory->is_written || !memory->write) return;
    if (access->kind & CHECK_READ && !memory->is_written(memory->context, address, size)) {
        report(w, in, lane, access->kind & CHECK_ATOMIC ? "updates" : "reads", address, size, "global", NULL, NULL);
        memory->write(memory->context, address, size); /* once is enough */
    }
    if (access->kind & CHECK_WRITE) memory->write(memory->context, address, size);
}

static const struct insn *run_check(struct warp *w, const struct insn *in) {
    const struct access *access = in->more;
    const void *base = in->a >= 0 ? row(w, in->a) : NULL;
    EACH_LANE(w, i) {
        uint64_t address = (in->flags & FLAG_FRAME ? w->frame->local_base : in->flags & FLAG_BASE32 ? ((const u32 *)base)[i] : ((const u64 *)base)[i]) + (uint64_t)in->imm;
        if (in->flags & FLAG_BASE32) address = (u32)address;
        enum space space = access->space;
        if (in->flags & FLAG_GENERIC && address >> 48 == PTX_WINDOW_SHARED >> 48) space = SPACE_SHARED, address -= PTX_WINDOW_SHARED;
        else if (in->flags & FLAG_GENERIC && address >> 48 == PTX_WINDOW_LOCAL >> 48) space = SPACE_LOCAL, address -= PTX_WINDOW_LOCAL;
        if (space == SPACE_SHARED) shared_access(w, in, access, i, address);
        else if (space == SPACE_LOCAL) local_access(w, in, access, i, address);
        else if (address >> 48 == 0) global_access(w, in, access, i, address);
    }
    return in + 1;
}

void check_access(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size, unsigned kind) {
    if (!w->worker->run->instance->module->loader.checks) return;
    const struct access access = {space, 1, (uint8_t)size, 4, (uint8_t)kind, NULL};
    if (space == SPACE_GLOBAL && address >> 48 == PTX_WINDOW_SHARED >> 48) space = SPACE_SHARED, address -= PTX_WINDOW_SHARED;
    if (space == SPACE_SHARED) shared_access(w, in, &access, lane, address);
    else if (space == SPACE_GLOBAL && address >> 48 == 0) global_access(w, in, &access, lane, address);
}

const struct ops_entry ops_check[] = {{"check", run_check}, {NULL, NULL}};
