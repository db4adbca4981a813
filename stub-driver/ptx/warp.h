/*
 * The running state: a warp of 32 lanes in lock-step, split into fragments where its lanes have diverged.
 *
 * A fragment is a set of lanes with one program counter and one call frame. Of a warp's fragments the one deepest in
 * calls, then lowest in the text, runs first; fragments that meet at an instruction of the same frame merge. So lanes
 * reconverge as early as compilers' layout lets them. A fragment that takes many backward branches while others wait gives
 * them a turn, so that a lane that spins on another's lock does not starve it.
 */
#ifndef RINGFENCE_PTX_WARP_H
#define RINGFENCE_PTX_WARP_H

#include "code.h"

enum { BARRIERS = 16, CLUSTER_BARRIER = 16 /* what fragments wait for at their cluster's */, CLUSTER_BLOCKS = 16, SPAN_CACHE = 4, ALL_LANES = -1 };
enum { TURN = 20000 /* instructions that backward branches repeat */, LEAST_COST = 40 /* of a branch */, MATRIX_COST = 400 };

struct frame {
    struct frame *parent;
    const struct code *code;
    const struct insn *return_to; /* in the parent */
    const struct call *call;      /* where results go */
    uint32_t lanes;               /* lanes that have not returned */
    uint32_t depth;
    uint64_t serial;
    uint32_t local_base, local_top; /* in each lane's local memory */
    size_t capacity;
    _Alignas(64) unsigned char rows[];
};

enum fragment_state { FRAGMENT_READY, FRAGMENT_BARRIER, FRAGMENT_WARP };

struct fragment {
    struct frame *frame;
    const struct insn *pc;
    uint32_t mask;
    uint32_t turn; /* how often it gave way */
    enum fragment_state state;
    uint32_t waits_for; /* FRAGMENT_WARP: the member masks of its lanes */
    uint32_t live_then; /* FRAGMENT_WARP: lanes that lived when it began to wait */
    uint32_t carry;
};

struct span {
    uint64_t start, end;
    unsigned char *host;
};

/* One worker thread's view of the launch. */
struct worker {
    struct run *run;
    struct span spans[SPAN_CACHE];
    struct warp **free_warps;
    struct frame *free_frames;
    struct image_cache *images; /* image_ops.c; NULL until one is used */
    uint64_t frame_serial;
    uint64_t first, stride; /* cooperative: which clusters are this worker's */
};

struct barrier {
    uint32_t arrived;  /* threads */
    uint32_t expected; /* 0: all that live */
    uint32_t popc, voters;
};

/* The blocks that share their memory, and their barrier. All run on one worker. Without clusters each block is one of its own. */
struct cluster {
    struct block *blocks[CLUSTER_BLOCKS]; /* by rank */
    uint32_t count;
    uint32_t arrived, phase; /* threads at the barrier; how often it completed */
    bool done;
};

/*
 * Addresses of shared memory: below 2^24 the block's own; those of a block of its cluster have rank + 1 above. So an address means
 * the same in the whole cluster (mapa), and 32 bits suffice.
 */
enum { RANK_SHIFT = 24 };

struct block {
    struct run *run;
    struct worker *worker;
    struct cluster *cluster;
    uint32_t rank; /* in its cluster */
    uint32_t index[3];
    uint32_t threads, warp_count, live_threads;
    struct warp **warps;
    unsigned char *shared;
    uint32_t shared_bytes, dynamic_base;
    struct barrier barriers[BARRIERS];
    bool started, done;
    void *shadow;   /* check.c: of each byte of shared memory; NULL where nothing is checked */
    uint32_t epoch; /* barriers that completed */
};

/* The mbarrier object that lanes of a warp found incomplete last, and its phase: those that are suspended there, and those that may go
 * on since the phase completed. */
struct awaited {
    const void *object;
    uint32_t phase, suspended, resumed;
};

struct warp {
    unsigned char *bank[4]; /* the fourth: an operand that is not there (-1), whose row is formed and never read */
    uint32_t mask;   /* lanes of the current instruction */
    uint32_t carry;  /* CC.CF, a bit a lane */
    struct frame *frame;
    struct block *block;
    struct worker *worker;
    uint32_t live;
    int32_t budget;       /* what is left of this turn's TURN */
    struct fragment fragments[LANES];
    uint32_t fragment_count, current;
    const struct insn *pc; /* set by a handler that returns NULL: where the fragment goes on */
    const struct insn *stop; /* another fragment waits here */
    uint32_t index;        /* in the block */
    unsigned char *local;  /* LANES x local_bytes */
    size_t local_bytes;
    size_t local_capacity;
    bool yield; /* this turn is over */
    bool parted; /* warp_gather_each has left lanes of the fragment behind: the handler ends with warp_next */
    uint32_t at_barrier[BARRIERS]; /* lanes that have arrived at a barrier with a number of threads, until all that are live have */
    uint32_t cluster_parity; /* of the phase of the cluster's barrier that a lane arrived in last, a bit a lane */
    struct awaited awaited;
    unsigned char *local_shadow; /* check.c: whether a byte of local memory is written; NULL where nothing is checked */
    size_t local_shadow_bytes;
    uint32_t sync_epoch;         /* instructions that synchronised the warp's lanes */
    _Alignas(64) unsigned char specials[SR_COUNT * ROW64];
};

/* A launch. */
struct run {
    const struct ptx_instance *instance;
    const struct ptx_kernel *kernel;
    const struct ptx_launch *launch;
    const unsigned char *params;
    uint32_t param_bytes;
    uint32_t local_bytes;
    uint32_t static_shared;
    uint32_t cluster[3], cluster_size; /* blocks in a cluster */
    uint64_t cluster_count;
    _Atomic uint64_t next_cluster;
    atomic_int failed; /* a fault is recorded or the launch is to stop */
    struct ptx_fault *fault;
    void *lock; /* pthread_mutex_t: the fault, the printing and the reports */
    const struct insn *reported[64][2]; /* check.c: pairs of accesses that were told */
    uint32_t reported_count;
    uint64_t workspace[32]; /* of a cooperative launch: cooperative groups keep their barrier here */
};

static inline const void *row(const struct warp *w, int32_t operand) { return w->bank[operand & 3] + (operand & ~3); }
static inline void *out(const struct warp *w, int32_t operand) { return w->bank[0] + operand; }
static inline uint32_t predicate(const struct warp *w, int32_t operand) { return *(const uint32_t *)row(w, operand); }
static inline void set_predicate(struct warp *w, int32_t operand, uint32_t value) {
    uint32_t *p = out(w, operand);
    *p = (*p & ~w->mask) | (value & w->mask);
}

#define EACH_LANE(w, lane) for (uint32_t lanes_ = (w)->mask, lane; lanes_ && (lane = (uint32_t)__builtin_ctz(lanes_), 1); lanes_ &= lanes_ - 1)

/* ThreadSanitizer does not follow fences; it does follow this. */
static inline void memory_fence(void) {
#ifdef __SANITIZE_THREAD__
    extern int memory_fence_word;
    __atomic_fetch_add(&memory_fence_word, 1, __ATOMIC_SEQ_CST);
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Records a fault at the current instruction; the handler then returns NULL. */
const struct insn *warp_fault(struct warp *w, const struct insn *at, enum ptx_fault_kind kind, uint32_t lane, uint64_t address, const char *what);

/* The host address of `size` bytes of device memory; NULL: none (the fault is recorded). */
unsigned char *memory_at(struct warp *w, const struct insn *at, uint32_t lane, uint64_t address, uint32_t size, bool generic, bool write);

/* What a worker remembers of textures and surfaces. */
void images_free(struct worker *worker);
/* The address that a lane accesses: in->a, in->imm and in->flags as loads have them. */
uint64_t memory_address(const struct warp *w, const struct insn *in, uint32_t lane);
/* The host address of what a lane accesses in a space (GLOBAL, SHARED, LOCAL, PARAM), checked; NULL: the fault is recorded. */
unsigned char *memory_access(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size, uint32_t align, bool write);
/* The same for what all lanes update one after the other, as atomics do. */
unsigned char *memory_object(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size);

/* The host address of `size` bytes of shared memory, of the block or of one of its cluster; NULL: there are none. */
unsigned char *shared_at(const struct block *block, uint64_t address, uint32_t size);

uint64_t clock_ns(void);

/* ---- exec.c */

/* The current fragment goes on at pc; the caller returns what this returns, and a fragment is chosen anew. */
const struct insn *warp_leave(struct warp *w, const struct insn *pc);
/* The same where the lanes wait for others: these run first, be they of other warps or of this one. */
const struct insn *warp_yield(struct warp *w, const struct insn *pc);
/* Takes `mask` out of the current fragment into a new one at pc, in the same frame. */
struct fragment *warp_split(struct warp *w, uint32_t mask, const struct insn *pc);
/* For instructions that name their partners: true when all of `members` that live are in this fragment; otherwise the
 * fragment waits here and the handler returns NULL. */
bool warp_gather(struct warp *w, const struct insn *in, uint32_t members);
struct frame *frame_new(struct warp *w, const struct code *code);
void frame_free(struct worker *worker, struct frame *frame);
/* The same where each lane has a mask of its own: lanes whose groups are complete go on (warp->mask), others wait. False: all wait. */
bool warp_gather_each(struct warp *w, const struct insn *in, const uint32_t *members);
/* What a handler returns that has called it and is done. */
const struct insn *warp_next(struct warp *w, const struct insn *in);
/* The member masks that a waiting fragment's lanes name, where lanes at different places can execute its instruction together;
 * NULL: they cannot. warp_collect does it for the fragments in `group` (a bit each), whose `lanes` execute it, and leaves their pc. */
const uint32_t *warp_members(struct warp *w, const struct fragment *f);
void warp_collect(struct warp *w, uint32_t group, uint32_t lanes);
void block_barrier_check(struct block *block, uint32_t id);
/* Threads of a cluster that have not exited; completing its barrier when all of them have arrived (cluster.c). */
uint32_t cluster_live(const struct cluster *cluster);
void cluster_barrier_check(struct cluster *cluster);
bool stop_requested(const struct run *run);

#endif
