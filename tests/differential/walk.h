/* walk.h - what the families of the walk share: a table of objects, numbers at random, and a log of everything that the documentation of the
 * driver API determines.
 *
 * A walk is a list of steps. What a step does depends on the seed, its own number and what lies in the slots of the table, never on how many
 * steps came before it: a step can be left out and the others stay what they are, which is what makes a failing walk small. Two runs of
 * one walk, on two drivers, must leave the same log. So the walk keeps a model: which stream a buffer's bytes were last given to, what may
 * still be under way, which context has failed. What CUDA leaves open (a query of work that may or may not be done, an address, the bytes
 * of fresh memory) is not logged, or only as far as it is determined. */
#ifndef DIFFERENTIAL_WALK_H
#define DIFFERENTIAL_WALK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda.h"

enum {
    THREADS = 3,
    CONTEXTS = 4, /* 0: the primary one */
    STREAMS = 6,
    EVENTS = 6,
    BUFFERS = 8,
    HOSTS = 6,
    MODULES = 3,
    ROOM = 1 << 18, /* bytes that a buffer or host memory has at most, but for large ones */
};

/* Which stream some bytes were last given to: 0 none (nothing is under way), else context and stream. */
typedef struct {
    int context;         /* slot */
    unsigned generation; /* of the context */
    int stream;          /* index below */
    unsigned stream_generation;
} place;

/* Streams of a context: the legacy one, the threads' own, those of slots. */
enum { LEGACY = 0, PER_THREAD = 1, MADE = 1 + THREADS, NOWHERE = -1 };

typedef struct {
    CUcontext handle;
    unsigned generation; /* counts up when it ends: what belongs to it is gone */
    int live;
    CUresult fault;      /* what it answers to everything */
    int quiet;           /* nothing is under way in it */
} context_slot;

typedef struct {
    CUstream handle;
    unsigned generation;
    int live, context;
    unsigned context_generation;
    int blocking; /* waits for the legacy stream */
} stream_slot;

typedef struct {
    CUevent handle;
    int live, context;
    unsigned context_generation;
    int recorded, timed;
    int held; /* behind something that the walk holds back */
} event_slot;

enum { PLAIN, PITCHED, MANAGED, POOLED, VIRTUAL, KINDS };

typedef struct {
    CUdeviceptr at;
    size_t size;
    int live, kind, context;
    unsigned context_generation;
    place last;
    CUmemGenericAllocationHandle memory; /* VIRTUAL */
    size_t mapped;
} buffer_slot;

enum { PAGEABLE, PINNED, REGISTERED };

typedef struct {
    unsigned char *at;
    size_t size;
    int live, kind, context; /* PAGEABLE memory is always live and no context's */
    unsigned context_generation;
    unsigned flags;
    place last;
} host_slot;

typedef struct {
    CUmodule module;
    CUfunction add, mix, copy, spin, wild, crooked, trap, insist, print, shared;
    CUdeviceptr words;
    int live, context;
    unsigned context_generation;
} module_slot;

extern context_slot contexts[CONTEXTS];
extern stream_slot streams[STREAMS];
extern event_slot events[EVENTS];
extern buffer_slot buffers[BUFFERS];
extern host_slot hosts[HOSTS];
extern module_slot modules[MODULES];
extern _Thread_local int self; /* the walk's number of this thread */
extern int patience;           /* milliseconds that a pause may take */

/* Numbers of this step. */
uint32_t below(uint32_t n);
static inline int one_in(uint32_t n)
{
    return below(n) == 0;
}

/* The log. */
void say(const char *form, ...) __attribute__((format(printf, 1, 2)));
const char *name_of(CUresult result);
/* A call whose answer is determined: logged, and handed on. */
#define CALL(call) told(#call, (call))
CUresult told(const char *call, CUresult result);
/* A call that may find work done or not: both are logged as "done or not", anything else by name. */
#define ASK(call) asked(#call, (call))
CUresult asked(const char *call, CUresult result);
/* A call of the walk's own that must succeed, and is logged when it does not. */
#define NEED(call) needed(#call, (call))
CUresult needed(const char *call, CUresult result);
uint64_t hash_of(const void *bytes, size_t size);

/* Slots. current(): of this thread's current context, -1 none. */
int current(void);
int owned(int context, unsigned generation);
void ended(int context);  /* its objects are gone */
#define LIVE(slot) ((slot)->live && owned((slot)->context, (slot)->context_generation))
/* A context that can be worked in: current, not failed. Makes or chooses one if it must; -1 if it cannot. */
int work_context(void);
/* A slot in use of that context, by chance; NULL if it has none. */
stream_slot *any_stream(int context);
buffer_slot *any_buffer(int context);
host_slot *any_host(int context);
event_slot *any_event(int context);
module_slot *module_in(int context);
/* A stream to work in, in the current context: handle and index. */
CUstream pick_stream(int context, int *index);

/* Order. */
void give(place *bytes, int context, int stream); /* the bytes are that stream's now */
/* Before an operation of `stream` on bytes: whatever is under way on them elsewhere comes first. */
void order(place *bytes, int context, int stream);
/* Before the program itself looks at bytes, or another driver thread does. */
void settle(place *bytes);
void settle_all(int context);
void loud(int context);
void synchronised(int context); /* all that the context was given is done */
/* What the walk holds back. */
int hold(int context, CUstream handle, int stream);
int is_held(int context, int stream);
void not_held(int context, int stream); /* it is another's slot now */
int anything_held(void);
void let_go(void);
/* Before a call that may wait for what is held: lets go now, or while the call waits. */
void may_wait(void);
void pause_a_little(void);

/* Families. */
typedef struct {
    const char *name, *family;
    int weight;
    void (*run)(void);
} operation;
extern const operation context_operations[], stream_operations[], memory_operations[], copy_operations[], kernel_operations[], graph_operations[], array_operations[],
    volume_operations[], code_operations[], node_operations[];

void print_buffer(buffer_slot *buffer);
void fill_host(host_slot *host);
void forget_bytes(int context);
int graph_uses(int context); /* whether a graph of the context may use its code */
CUresult launch(CUfunction f, unsigned grid, unsigned block, unsigned shared, CUstream stream, void **params);

#endif
