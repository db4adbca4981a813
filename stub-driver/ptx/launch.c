/*
 * Launching grids. Worker threads take clusters (of one block, where the launch names none) in the order of their numbers; a
 * cluster's blocks run in turn on one worker, so that they can wait for each other and share their memory without locks; a
 * block's warps run one after the other, each until it waits or its turn is over. Under a cooperative launch every worker holds
 * all its clusters at once and goes round them.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "exec.h"

/* RESERVED_SHARED: the system's part of shared memory, behind the program's own, where a module asks for it. */
enum { DEFAULT_STACK = 16384, MAX_WORKERS = 64, RESERVED_SHARED = 1024 };

static void fill(struct warp *w, enum special special, uint32_t value) {
    uint32_t *r = (uint32_t *)(void *)(w->specials + special * ROW64);
    for (int i = 0; i < LANES; i++) r[i] = value;
}

static void fill64(struct warp *w, enum special special, uint64_t value) {
    uint64_t *r = (uint64_t *)(void *)(w->specials + special * ROW64);
    for (int i = 0; i < LANES; i++) r[i] = value;
}

static bool warp_start(struct block *block, struct warp *w, uint32_t index) {
    struct run *run = block->run;
    const struct ptx_launch *launch = run->launch;
    w->block = block;
    w->worker = block->worker;
    w->index = index;
    w->bank[BANK_POOL] = run->instance->pool;
    w->bank[BANK_SPECIAL] = w->specials;
    w->bank[-1 & 3] = w->specials + 4;
    w->carry = 0;
    w->yield = false;
    memset(w->at_barrier, 0, sizeof w->at_barrier);
    uint32_t threads = block->threads - index * LANES < LANES ? block->threads - index * LANES : LANES;
    w->live = threads == LANES ? 0xffffffffu : (1u << threads) - 1;
    uint32_t *x = (uint32_t *)(void *)(w->specials + SR_TID_X * ROW64), *y = (uint32_t *)(void *)(w->specials + SR_TID_Y * ROW64), *z = (uint32_t *)(void *)(w->specials + SR_TID_Z * ROW64);
    for (uint32_t i = 0; i < LANES; i++) {
        uint32_t t = index * LANES + i;
        x[i] = t % launch->block[0];
        y[i] = t / launch->block[0] % launch->block[1];
        z[i] = t / launch->block[0] / launch->block[1];
        ((uint32_t *)(void *)(w->specials + SR_LANEID * ROW64))[i] = i;
        ((uint32_t *)(void *)(w->specials + SR_LANEMASK_EQ * ROW64))[i] = 1u << i;
        ((uint32_t *)(void *)(w->specials + SR_LANEMASK_LT * ROW64))[i] = (1u << i) - 1;
        ((uint32_t *)(void *)(w->specials + SR_LANEMASK_LE * ROW64))[i] = (1u << i) - 1 + (1u << i);
        ((uint32_t *)(void *)(w->specials + SR_LANEMASK_GT * ROW64))[i] = ~((1u << i) - 1 + (1u << i));
        ((uint32_t *)(void *)(w->specials + SR_LANEMASK_GE * ROW64))[i] = ~((1u << i) - 1);
    }
    for (int i = 0; i < 3; i++) {
        fill(w, (enum special)(SR_NTID_X + i), launch->block[i]);
        fill(w, (enum special)(SR_CTAID_X + i), block->index[i]);
        fill(w, (enum special)(SR_NCTAID_X + i), launch->grid[i]);
        fill(w, (enum special)(SR_CLUSTERID_X + i), block->index[i] / run->cluster[i]);
        fill(w, (enum special)(SR_NCLUSTERID_X + i), launch->grid[i] / run->cluster[i]);
        fill(w, (enum special)(SR_CLUSTER_CTAID_X + i), block->index[i] % run->cluster[i]);
        fill(w, (enum special)(SR_CLUSTER_NCTAID_X + i), run->cluster[i]);
    }
    fill(w, SR_CLUSTER_CTARANK, block->rank);
    fill(w, SR_CLUSTER_NCTARANK, run->cluster_size);
    fill(w, SR_EXPLICIT_CLUSTER, launch->cluster[0] ? 0xffffffffu : 0);
    w->awaited = (struct awaited){0};
    w->cluster_parity = 0xffffffffu; /* no lane has arrived at the cluster's barrier: waiting for the phase before is over at once */
    fill(w, SR_ENVREG1, launch->cooperative ? (uint32_t)(PTX_WINDOW_GRID >> 32) : 0);
    fill(w, SR_ENVREG2, 0);
    fill(w, SR_WARPID, index);
    fill(w, SR_NWARPID, 64);
    fill(w, SR_SMID, 0);
    fill(w, SR_NSMID, 1);
    fill64(w, SR_GRIDID, launch->grid_id);
    uint32_t reserved = run->instance->module->reserved_shared ? RESERVED_SHARED : 0, own = block->shared_bytes - reserved;
    fill(w, SR_TOTAL_SMEM, own);
    fill(w, SR_AGGR_SMEM, block->shared_bytes);
    fill(w, SR_DYNAMIC_SMEM, launch->dynamic_shared);
    fill(w, SR_RESERVED_BEGIN, own);
    fill(w, SR_RESERVED_END, block->shared_bytes);
    fill(w, SR_RESERVED_CAP, reserved);
    fill(w, SR_RESERVED_0, own);
    fill(w, SR_RESERVED_1, own + reserved / 2); /* cooperative groups' barriers of several warps */

    w->local_bytes = run->local_bytes;
    if (w->local_capacity < (size_t)run->local_bytes * LANES) {
        free(w->local);
        w->local_capacity = 0;
        /* calloc of this size is untouched pages: what a kernel does not use costs nothing */
        w->local = calloc(run->local_bytes ? run->local_bytes : 1, LANES);
        if (!w->local) return false;
        w->local_capacity = (size_t)run->local_bytes * LANES;
    } else {
        uint32_t used = run->kernel->code->local_bytes;
        for (uint32_t i = 0; used && i < LANES; i++) memset(w->local + (size_t)i * w->local_bytes, 0, used);
    }
    struct frame *frame = frame_new(w, run->kernel->code);
    if (!frame) return false;
    if (!check_warp_start(w)) return false;
    frame->lanes = w->live;
    frame->local_top = run->kernel->code->local_bytes;
    w->fragments[0] = (struct fragment){.frame = frame, .pc = run->kernel->code->insns, .mask = w->live};
    w->fragment_count = 1;
    return true;
}

static void fault_plain(struct run *run, enum ptx_fault_kind kind, const struct block *block, const char *what) {
    pthread_mutex_lock(run->lock);
    if (!atomic_exchange(&run->failed, 1)) {
        struct ptx_fault *f = run->fault;
        *f = (struct ptx_fault){.kind = kind};
        snprintf(f->kernel, sizeof f->kernel, "%s", run->kernel->function->name);
        if (block) memcpy(f->block, block->index, sizeof f->block);
        if (block) snprintf(f->message, sizeof f->message, "kernel %s, block (%u,%u,%u): %s", f->kernel, f->block[0], f->block[1], f->block[2], what);
        else snprintf(f->message, sizeof f->message, "kernel %s: %s", f->kernel, what);
    }
    pthread_mutex_unlock(run->lock);
}

static struct block *block_new(struct worker *worker) {
    struct run *run = worker->run;
    const struct ptx_launch *launch = run->launch;
    struct block *block = calloc(1, sizeof *block);
    if (!block) return NULL;
    block->run = run;
    block->worker = worker;
    block->threads = launch->block[0] * launch->block[1] * launch->block[2];
    block->warp_count = (block->threads + LANES - 1) / LANES;
    block->dynamic_base = (run->static_shared + 127) & ~127u;
    block->shared_bytes = launch->dynamic_shared ? block->dynamic_base + launch->dynamic_shared : run->static_shared;
    if (run->instance->module->reserved_shared) block->shared_bytes = ((block->shared_bytes + 127) & ~127u) + RESERVED_SHARED;
    block->shared = aligned_alloc(128, ((size_t)block->shared_bytes + 255) & ~(size_t)127);
    block->warps = calloc(block->warp_count, sizeof *block->warps);
    bool complete = block->shared && block->warps;
    for (uint32_t i = 0; complete && i < block->warp_count; i++) {
        block->warps[i] = aligned_alloc(64, sizeof(struct warp));
        if (block->warps[i]) memset(block->warps[i], 0, sizeof(struct warp));
        else complete = false;
    }
    block->done = !complete;
    return block;
}

static void block_free(struct block *block) {
    for (uint32_t i = 0; block->warps && i < block->warp_count; i++)
        if (block->warps[i]) {
            /* After a fault frames are still chained to their fragments; several fragments share parents. */
            struct warp *w = block->warps[i];
            for (uint32_t n = 0; n < w->fragment_count; n++)
                for (struct frame *frame = w->fragments[n].frame, *parent; frame; frame = parent) {
                    parent = frame->parent;
                    frame->lanes &= ~w->fragments[n].mask;
                    if (!frame->lanes) free(frame);
                }
            check_warp_free(w);
            free(w->local);
            free(w);
        }
    free(block->warps);
    check_block_free(block);
    free(block->shared);
    free(block);
}

static bool block_start(struct block *block) {
    block->live_threads = block->threads;
    memset(block->barriers, 0, sizeof block->barriers);
    memset(block->shared, 0, block->shared_bytes); /* one program, one answer */
    block->epoch = 0;
    if (!check_block_start(block)) {
        fault_plain(block->run, PTX_FAULT_MEMORY, block, "out of host memory");
        return false;
    }
    block->started = true;
    block->done = false;
    for (uint32_t i = 0; i < block->warp_count; i++)
        if (!warp_start(block, block->warps[i], i)) {
            fault_plain(block->run, PTX_FAULT_MEMORY, block, "out of host memory");
            return false;
        }
    return true;
}

static void deadlock(struct block *block) {
    for (uint32_t i = 0; i < block->warp_count; i++) {
        struct warp *w = block->warps[i];
        for (uint32_t n = 0; n < w->fragment_count; n++) {
            const struct fragment *f = &w->fragments[n];
            char what[160];
            w->frame = f->frame;
            w->current = n;
            if (f->state == FRAGMENT_BARRIER) {
                const struct barrier *b = &block->barriers[f->waits_for];
                if (f->waits_for == CLUSTER_BARRIER) snprintf(what, sizeof what, "%u of %u threads of the cluster have arrived, the others never will; barrier", block->cluster->arrived, cluster_live(block->cluster));
                else snprintf(what, sizeof what, "%u of %u threads wait for ever at barrier", b->arrived, b->expected ? b->expected : block->live_threads);
            } else {
                snprintf(what, sizeof what, "lanes wait for ever for the lanes of mask");
            }
            warp_fault(w, f->pc, PTX_FAULT_DEADLOCK, f->mask ? (uint32_t)__builtin_ctz(f->mask) : 0, f->waits_for, what);
            return;
        }
    }
}

enum step { STEP_FAULT, STEP_STUCK /* every warp waits */, STEP_PROGRESS };

static bool block_ready(const struct block *block) {
    for (uint32_t i = 0; i < block->warp_count; i++)
        for (uint32_t n = 0; n < block->warps[i]->fragment_count; n++)
            if (block->warps[i]->fragments[n].state == FRAGMENT_READY) return true;
    return false;
}

/* One turn of every warp of a block. */
static enum step block_step(struct block *block) {
    bool progress = false, left = false;
    for (uint32_t i = 0; i < block->warp_count; i++) {
        struct warp *w = block->warps[i];
        if (!w->fragment_count) continue;
        bool ready = false;
        for (uint32_t n = 0; n < w->fragment_count && !ready; n++) ready = w->fragments[n].state != FRAGMENT_BARRIER;
        left = true;
        if (!ready) continue;
        enum warp_state state = warp_run(w);
        if (state == WARP_FAULT) return STEP_FAULT;
        if (state != WARP_BLOCKED) progress = true;
        if (stop_requested(block->run)) {
            fault_plain(block->run, PTX_FAULT_STOPPED, block, "stopped");
            return STEP_FAULT;
        }
    }
    if (!left) {
        block->done = true;
        return STEP_PROGRESS;
    }
    return progress || block_ready(block) ? STEP_PROGRESS : STEP_STUCK; /* a barrier may have been completed by the last warp's arrival */
}

static void cluster_free(struct cluster *cluster) {
    for (uint32_t i = 0; cluster && i < cluster->count; i++)
        if (cluster->blocks[i]) block_free(cluster->blocks[i]);
    free(cluster);
}

/* NULL: no memory. */
static struct cluster *cluster_new(struct worker *worker) {
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster) return NULL;
    cluster->count = worker->run->cluster_size;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct block *block = cluster->blocks[i] = block_new(worker);
        if (!block || block->done) {
            cluster_free(cluster);
            return NULL;
        }
        block->cluster = cluster;
        block->rank = i;
    }
    return cluster;
}

static bool cluster_start(struct cluster *cluster, uint64_t number) {
    const struct run *run = cluster->blocks[0]->run;
    const uint32_t *of = run->cluster, x = run->launch->grid[0] / of[0], y = run->launch->grid[1] / of[1];
    const uint32_t first[3] = {(uint32_t)(number % x) * of[0], (uint32_t)(number / x % y) * of[1], (uint32_t)(number / x / y) * of[2]};
    cluster->arrived = cluster->phase = 0;
    cluster->done = false;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct block *block = cluster->blocks[i];
        block->index[0] = first[0] + i % of[0];
        block->index[1] = first[1] + i / of[0] % of[1];
        block->index[2] = first[2] + i / of[0] / of[1];
        if (!block_start(block)) return false;
    }
    return true;
}

/* One turn of every block. False: fault, or stopped. */
static bool cluster_step(struct cluster *cluster) {
    struct block *stuck = NULL;
    bool progress = false;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct block *block = cluster->blocks[i];
        if (block->done) continue;
        const enum step step = block_step(block);
        if (step == STEP_FAULT) return false;
        if (step == STEP_PROGRESS) progress = true;
        else if (!stuck) stuck = block;
    }
    cluster->done = true;
    for (uint32_t i = 0; i < cluster->count; i++) cluster->done &= cluster->blocks[i]->done;
    if (progress || cluster->done) return true;
    for (uint32_t i = 0; i < cluster->count; i++)
        if (block_ready(cluster->blocks[i])) return true; /* the last block may have completed the cluster's barrier */
    deadlock(stuck);
    return false;
}

/*
 * Clusters begin in order, each in the place of one that is done. A program may have blocks wait for later ones without a cooperative
 * launch, and hardware runs it where all of them fit at once. So when none was done for a while, as many more begin as are held, and
 * all take turns; no more than the device has room for.
 */
enum { PATIENCE_NS = 100000000, STEPS_A_LOOK = 8, RESIDENT_THREADS = 108 * 2048 };

static void take_turns(struct worker *worker) {
    struct run *run = worker->run;
    struct cluster *first = cluster_new(worker), **held = &first, **grown = NULL;
    size_t count = first != NULL, working = 0;
    uint64_t since = 0;
    if (!first) fault_plain(run, PTX_FAULT_MEMORY, NULL, "out of host memory");
    else first->done = true;
    for (uint32_t steps = 1; count; steps++) {
        working = 0;
        for (size_t i = 0; i < count; i++) {
            if (held[i]->done) {
                const uint64_t number = atomic_load(&run->next_cluster) < run->cluster_count ? atomic_fetch_add(&run->next_cluster, 1) : run->cluster_count;
                if (number >= run->cluster_count) continue;
                if (atomic_load(&run->failed) || !cluster_start(held[i], number)) goto out;
                since = 0;
                steps = 1;
            }
            if (!cluster_step(held[i])) goto out;
            working++;
        }
        if (!working) break;
        if (steps % STEPS_A_LOOK || atomic_load(&run->next_cluster) >= run->cluster_count) continue;
        const uint64_t now = clock_ns();
        if (!since) since = now;
        const uint64_t room = RESIDENT_THREADS / ((uint64_t)first->blocks[0]->threads * first->count);
        if (now - since < PATIENCE_NS || count >= room) continue;
        since = now;
        const size_t more = count * 2 < room ? count * 2 : (size_t)room;
        struct cluster **list = realloc(grown, more * sizeof *list);
        if (!list) continue;
        if (!grown) list[0] = first;
        for (held = grown = list; count < more && (held[count] = cluster_new(worker)) != NULL; count++) held[count]->done = true;
    }
out:
    for (size_t i = 0; i < count; i++) cluster_free(held[i]);
    free(grown);
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct run *run = worker->run;
    if (run->launch->cooperative) {
        struct cluster **clusters = NULL;
        size_t count = 0, capacity = 0, left;
        for (;;) { /* clusters are dealt out evenly: number modulo workers */
            uint64_t number = worker->first + count * worker->stride;
            if (number >= run->cluster_count) break;
            if (count == capacity) {
                capacity = capacity ? capacity * 2 : 16;
                struct cluster **grown = realloc(clusters, capacity * sizeof *clusters);
                if (!grown) {
                    fault_plain(run, PTX_FAULT_MEMORY, NULL, "out of host memory");
                    break;
                }
                clusters = grown;
            }
            struct cluster *cluster = cluster_new(worker);
            if (!cluster || !(clusters[count] = cluster, cluster_start(cluster, number))) {
                cluster_free(cluster);
                fault_plain(run, PTX_FAULT_MEMORY, NULL, "out of host memory");
                break;
            }
            count++;
        }
        left = count;
        while (left && !atomic_load(&run->failed)) {
            left = 0;
            for (size_t i = 0; i < count; i++) {
                if (clusters[i]->done) continue;
                if (!cluster_step(clusters[i])) break;
                left += !clusters[i]->done;
            }
        }
        for (size_t i = 0; i < count; i++) cluster_free(clusters[i]);
        free(clusters);
    } else {
        take_turns(worker);
    }
    for (struct frame *frame = worker->free_frames, *parent; frame; frame = parent) {
        parent = frame->parent;
        free(frame);
    }
    images_free(worker);
    return NULL;
}

static enum ptx_fault_kind reject(const struct ptx_kernel *kernel, struct ptx_fault *fault, const char *what) {
    *fault = (struct ptx_fault){.kind = PTX_FAULT_LAUNCH};
    snprintf(fault->kernel, sizeof fault->kernel, "%s", kernel->function->name);
    snprintf(fault->message, sizeof fault->message, "kernel %s: %s", fault->kernel, what);
    return PTX_FAULT_LAUNCH;
}

enum ptx_fault_kind ptx_launch(const struct ptx_instance *instance, const struct ptx_kernel *kernel, const struct ptx_launch *launch, struct ptx_fault *fault) {
    struct ptx_fault unwanted;
    if (!fault) fault = &unwanted;
    memset(fault, 0, sizeof *fault);
    const struct function *f = kernel->function;
    uint64_t threads = (uint64_t)launch->block[0] * launch->block[1] * launch->block[2], blocks = (uint64_t)launch->grid[0] * launch->grid[1];
    struct ptx_kernel_info info;
    ptx_kernel_info(kernel, &info);
    if (kernel->module != instance->module) return reject(kernel, fault, "the kernel is of another module");
    if (launch->block[0] > 1024 || launch->block[1] > 1024 || launch->block[2] > 1024 || threads == 0 || threads > 1024) return reject(kernel, fault, "a block has 1 to 1024 threads");
    if (threads > info.max_threads) return reject(kernel, fault, "more threads in a block than .maxntid allows");
    if (f->has_req && (launch->block[0] != f->req_ntid[0] || launch->block[1] != f->req_ntid[1] || launch->block[2] != f->req_ntid[2])) return reject(kernel, fault, "the block is not what .reqntid wants");
    if (blocks == 0 || launch->grid[2] == 0 || launch->grid[0] > 0x7fffffff || launch->grid[1] > 65535 || launch->grid[2] > 65535) return reject(kernel, fault, "the grid's dimensions are out of range");
    const uint32_t *cluster = launch->cluster[0] ? launch->cluster : f->cluster[0] ? f->cluster : (const uint32_t[3]){1, 1, 1};
    uint64_t cluster_size = (uint64_t)cluster[0] * cluster[1] * cluster[2];
    if (cluster[0] > CLUSTER_BLOCKS || cluster[1] > CLUSTER_BLOCKS || cluster[2] > CLUSTER_BLOCKS || cluster_size == 0 || cluster_size > CLUSTER_BLOCKS) return reject(kernel, fault, "a cluster has 1 to 16 blocks");
    if (f->cluster[0] && (cluster[0] != f->cluster[0] || cluster[1] != f->cluster[1] || cluster[2] != f->cluster[2])) return reject(kernel, fault, "the cluster is not what .reqnctapercluster wants");
    if (f->max_cluster && cluster_size > f->max_cluster) return reject(kernel, fault, "more blocks in a cluster than .maxclusterrank allows");
    if (launch->grid[0] % cluster[0] || launch->grid[1] % cluster[1] || launch->grid[2] % cluster[2]) return reject(kernel, fault, "the grid is not made of whole clusters");
    if (launch->param_bytes < f->param_bytes || (f->param_bytes && !launch->params)) return reject(kernel, fault, "too few bytes of parameters");
    if (launch->dynamic_shared > 1 << 20 || f->shared_bytes + (uint64_t)launch->dynamic_shared > 1 << 20) return reject(kernel, fault, "too much shared memory");
    blocks *= launch->grid[2];

    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct run run = {.instance = instance, .kernel = kernel, .launch = launch, .params = launch->params, .param_bytes = f->param_bytes,
                      .static_shared = f->shared_bytes, .cluster_size = (uint32_t)cluster_size, .cluster_count = blocks / cluster_size, .fault = fault, .lock = &lock};
    memcpy(run.cluster, cluster, sizeof run.cluster);
    uint64_t local = f->stack_bytes + (launch->stack_bytes ? launch->stack_bytes : DEFAULT_STACK);
    run.local_bytes = (uint32_t)((local + 127) & ~UINT64_C(127));
    if (local > 1u << 27) return reject(kernel, fault, "more than 128 MiB of local memory a thread");
    uint32_t workers = launch->workers ? launch->workers : 1;
    if (workers > MAX_WORKERS) workers = MAX_WORKERS;
    if (workers > run.cluster_count) workers = (uint32_t)run.cluster_count;
    struct worker *states = calloc(workers, sizeof *states);
    pthread_t *threads_ = calloc(workers, sizeof *threads_);
    if (!states || !threads_) {
        free(states);
        free(threads_);
        fault_plain(&run, PTX_FAULT_MEMORY, NULL, "out of host memory");
        return fault->kind;
    }
    uint32_t started = 1;
    for (uint32_t i = 0; i < workers; i++) {
        states[i].run = &run;
        states[i].first = i;
        states[i].stride = workers;
    }
    for (uint32_t i = 1; i < workers; i++, started++)
        if (pthread_create(&threads_[i], NULL, work, &states[i]) != 0) {
            if (launch->cooperative) fault_plain(&run, PTX_FAULT_MEMORY, NULL, "no more threads"); /* its blocks would never run */
            break;
        }
    work(&states[0]);
    for (uint32_t i = 1; i < started; i++) pthread_join(threads_[i], NULL);
    free(states);
    free(threads_);
    pthread_mutex_destroy(&lock);
    return fault->kind;
}
