/* ring.h - the request ring between one client and its executor: this header is the protocol's specification.
 *
 * Many threads of a client write records, one executor reads them. The ring lies in the region that region.h lays out.
 * `idm/ring.ts` is the same protocol in TypeScript; `tests/idm` holds each against the other, byte for byte.
 *
 * POSITIONS are free-running 32-bit counts of 8-byte units (they wrap at 32 GiB; only differences mean anything).
 * The ring's capacity is a power of two of units; a position's place in the data is `position & (capacity - 1)`.
 *
 *   field              written by    read by     meaning
 *   tail               producers     producers   next position to claim; moved only by compare-and-swap
 *   core               producers     consumer    1 + the core on which a producer last went to sleep for an answer or rang; 0: not known. Only a hint:
 *                                                a consumer that runs on another one has it back sooner
 *   head               consumer      producers   everything before it may be claimed again
 *   asleep             both          both        consumer sets 1 before it sleeps; the producer that turns it to 0 rings the doorbell
 *   away               consumer      producers   1: the consumer is awake and serves others for a while. Only a hint: a producer that waits
 *                                                for an answer does better to sleep than to look for it
 *   served_on          consumer      producers   1 + the core on which the consumer last woke up, or to which it moved; 0: not known. Only a hint: a producer
 *                                                that waits there, with no other to keep the consumer busy, does better to sleep for an answer than to look for it
 *   producers_waiting  both          both        futex: producers set 1 and sleep while it is 1; the consumer, when it has moved
 *                                                `head`, turns it to 0 and wakes all of them
 *
 * `head` may lag behind what the consumer has taken, by at most an eighth of a ring of eight records' greatest size or more: in such a
 * ring the largest record and its padding fit beside what is held back, so nobody sleeps for it while nothing is left to take.
 *
 * A RECORD is claimed (tail moved by its size, then `length` = -size stored), filled, and committed (`length` turned from
 * -size to +size, release). It never wraps: where it would, the producer claims the rest of the ring too and commits that
 * as PADDING (call id 0). No record, padding included, is longer than RF_RECORD_MAX; padding may be as short as 8 bytes.
 * The consumer takes records in position order and stops at the first length <= 0.
 * A record's `length` word is 0 from the moment the consumer has taken it until it is claimed again: the consumer zeroes
 * what it takes before it moves `head` past it. Order across a client's threads is the order of their claims.
 *
 * ORDERING. commit: release; consumer's read of length: acquire; the consumer's zeroes before its store to head: release;
 * a producer's read of head: acquire. Sleeping is Dekker's pattern on both sides, so each side has a full barrier between
 * its own write (length or head, asleep or waiting) and its read of the other's word. Producers sleep on the flag itself
 * and not on `head`: a producer that read the new `head`, found too little room and raised the flag just before the
 * consumer cleared it would sleep on a `head` that nobody will announce again.
 *
 * WRAP OF POSITIONS. A claim's compare-and-swap could be fooled only by a thread that stood between its read of `tail` and
 * the swap while its process moved an exact multiple of 32 GiB through the ring; it would harm only its own client.
 *
 * WHEN THE OTHER SIDE LIES OR DIES
 *   A producer that lies (a length that is negative for ever, too small, unaligned, over the record limit, beyond the end;
 *   a wrong sequence; a tail from nowhere): the consumer never reads `tail` and never trusts `length` twice: it walks the
 *   committed lengths, copies that span out, zeroes it, and works on the copy, checking every length again there. A record
 *   that cannot be is a protocol violation and ends that client alone. Indices stay inside the mapping by masking.
 *   A producer that dies between claim and commit: with its process, the socket hangs up and the region goes. If only the
 *   thread died, the ring is stuck at its record while others queue behind it; a consumer that has seen the same claimed
 *   record at the head for RF_UNBLOCK_NANOSECONDS while the tail moved on turns it into padding (rf_ring_unblock). The
 *   length word decides by compare-and-swap between that and a writer that was only slow (a process stopped by a debugger,
 *   a page that took seconds to come): whoever is second knows. A writer that lost has filled memory that may have another
 *   owner by now, so its client must hang up (RF_COMMIT_LOST).
 *   A consumer that lies can only stall or feed wrong sizes to its own clients: producers bound every claim by capacity.
 *   A consumer that dies: the socket hangs up; the client's listener wakes every sleeper (libvgpu/connection.c).
 */
#ifndef RINGFENCE_RING_H
#define RINGFENCE_RING_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#define RF_RECORD_HEADER 32u        /* bytes */
#define RF_RECORD_MAX    16384u     /* bytes, header included */
#define RF_CALL_PADDING  0u
#define RF_SLOT_POSTED   0xffffu    /* `slot` of a record that nobody waits for */
#define RF_FLAG_PER_THREAD 1u       /* the call came by a _ptds/_ptsz name: stream 0 is the thread's own */
#define RF_FLAG_ACCEPT   2u         /* a call that could be posted, with a reply slot: answered when it is accepted, not when it is done */
#define RF_FETCH_AHEAD   512u       /* bytes: a few records of the usual sizes */
#ifndef RF_UNBLOCK_NANOSECONDS      /* tests make it shorter */
#define RF_UNBLOCK_NANOSECONDS 5000000000ull
#endif

/* One record. All fields little-endian, at these offsets; the payload follows, and the next record starts at the next
 * multiple of 8. Only `length` is accessed atomically. */
struct rf_record {
    _Atomic int32_t length;  /*  0 commit word: 0 empty, < 0 claimed, > 0 committed; bytes, header included */
    uint16_t call;           /*  4 message id of the call table; RF_CALL_PADDING: skip */
    uint16_t slot;           /*  6 reply slot, or RF_SLOT_POSTED */
    uint32_t sequence;       /*  8 position of this record: nothing lost, nothing replayed */
    uint32_t ticket;         /* 12 waited calls: the value that the slot's state takes with the reply; never 0 */
    uint64_t context;        /* 16 opaque handle of the calling thread's current context; 0: none */
    uint32_t thread;         /* 24 the client's own number of the calling thread (per-thread default streams) */
    uint32_t flags;          /* 28 RF_FLAG_* */
};

/* The shared words, each group on cache lines of its own. Part of struct rf_region. */
struct rf_ring_shared {
    _Alignas(64) _Atomic uint32_t tail;
    _Atomic uint32_t core;
    _Alignas(64) _Atomic uint32_t head;
    _Alignas(64) _Atomic uint32_t asleep;
    _Atomic uint32_t away;
    _Atomic uint32_t served_on;
    _Alignas(64) _Atomic uint32_t producers_waiting;
};

/* A process's own view. `capacity` is in units and was checked once to be a power of two within the mapping. */
struct rf_ring {
    struct rf_ring_shared *shared;
    uint8_t *data;
    uint32_t capacity;
    /* Producers: units that claims through this view leave free, for records that must get through a full ring (the word that a
     * host function has returned: the consumer may be waiting for it before it takes what fills the ring). */
    uint32_t reserve;
    /* Producers: a head that was true once. While it leaves room enough nobody reads the shared word, which the consumer writes
     * with each batch: that spares a cache miss per call. */
    _Atomic uint32_t head_seen;
};

_Static_assert(sizeof(struct rf_record) == RF_RECORD_HEADER, "the record header is 32 bytes");
_Static_assert(sizeof(struct rf_ring_shared) == 256, "four cache lines");

enum rf_ring_status { RF_RING_OK = 0, RF_RING_FULL = 1, RF_RING_TOO_LARGE = 2 };
enum rf_commit_status {
    RF_COMMIT_LOST = -1,    /* unblocked by the consumer, who did not see this record: hang up, the ring cannot be trusted */
    RF_COMMIT_QUIET = 0,
    RF_COMMIT_DOORBELL = 1  /* the consumer sleeps: ring the doorbell */
};

static inline uint32_t rf_units(uint32_t bytes) { return (bytes + 7u) >> 3; }

static inline struct rf_record *rf_ring_at(const struct rf_ring *ring, uint32_t position)
{
    return (struct rf_record *)(ring->data + ((size_t)(position & (ring->capacity - 1)) << 3));
}

static inline struct rf_ring rf_ring_view(struct rf_ring_shared *shared, uint8_t *data, uint32_t capacity, uint32_t reserve)
{
    return (struct rf_ring){ .shared = shared, .data = data, .capacity = capacity, .reserve = reserve, .head_seen = atomic_load(&shared->head) };
}

/* ---- producers ---- */

/* Claims room for a record of `bytes` (header included). On RF_RING_OK *out is the caller's to fill, from `call` on, and
 * must be committed or aborted, soon: all that is claimed later waits for it. RF_RING_FULL: nothing changed; see
 * rf_ring_announce_wait. */
static inline enum rf_ring_status rf_ring_claim(struct rf_ring *ring, uint32_t bytes, struct rf_record **out)
{
    if (bytes < RF_RECORD_HEADER || bytes > RF_RECORD_MAX) return RF_RING_TOO_LARGE;
    uint32_t need = rf_units(bytes), capacity = ring->capacity;
    uint32_t tail = atomic_load_explicit(&ring->shared->tail, memory_order_relaxed);
    uint32_t head = atomic_load_explicit(&ring->head_seen, memory_order_acquire);
    for (;;) {
        uint32_t to_end = capacity - (tail & (capacity - 1));
        uint32_t padding = need > to_end ? to_end : 0;
        if (tail - head > capacity || capacity - (tail - head) < padding + need + ring->reserve) {
            uint32_t seen = head;
            head = atomic_load_explicit(&ring->shared->head, memory_order_acquire);
            if (head != seen) {
                /* Forward only: a thread that stood still since it read may not set it back. */
                atomic_compare_exchange_strong_explicit(&ring->head_seen, &seen, head, memory_order_release, memory_order_relaxed);
                continue;
            }
            /* An old tail beside a new head looks full too: believe it only if tail stood still. */
            uint32_t now = atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
            if (now == tail) return RF_RING_FULL;
            tail = now;
            continue;
        }
        if (!atomic_compare_exchange_weak_explicit(&ring->shared->tail, &tail, tail + padding + need,
                                                   memory_order_relaxed, memory_order_relaxed))
            continue;
        if (padding) {
            /* Padding can be as small as 8 bytes: only length, call and slot are sure to fit. */
            struct rf_record *gap = rf_ring_at(ring, tail);
            gap->call = RF_CALL_PADDING;
            gap->slot = RF_SLOT_POSTED;
            atomic_store_explicit(&gap->length, (int32_t)(padding << 3), memory_order_release);
            tail += padding;
        }
        struct rf_record *record = rf_ring_at(ring, tail);
        /* From here a stuck ring can be unblocked: the consumer knows how long the hole is. */
        atomic_store_explicit(&record->length, -(int32_t)bytes, memory_order_release);
        record->sequence = tail;
        *out = record;
        return RF_RING_OK;
    }
}

/* Publishes a claimed record. Returns enum rf_commit_status. */
static inline int rf_ring_commit(struct rf_ring *ring, struct rf_record *record)
{
    int32_t claimed = atomic_load_explicit(&record->length, memory_order_relaxed);
    /* Sequentially consistent: this write before the look at `asleep`, as the consumer stores `asleep` before it looks here. */
    if (claimed >= 0 || claimed < -(int32_t)RF_RECORD_MAX ||
        !atomic_compare_exchange_strong_explicit(&record->length, &claimed, -claimed, memory_order_seq_cst,
                                                 memory_order_relaxed))
        return RF_COMMIT_LOST;
    if (atomic_load_explicit(&ring->shared->asleep, memory_order_seq_cst) == 0) return RF_COMMIT_QUIET;
    return atomic_exchange_explicit(&ring->shared->asleep, 0, memory_order_seq_cst) != 0 ? RF_COMMIT_DOORBELL : RF_COMMIT_QUIET;
}

/* Gives a claimed record up: the consumer skips it. Returns as rf_ring_commit. */
static inline int rf_ring_abort(struct rf_ring *ring, struct rf_record *record)
{
    record->call = RF_CALL_PADDING;
    record->slot = RF_SLOT_POSTED;
    return rf_ring_commit(ring, record);
}

/* Asks for a line of memory that is about to be written. */
static inline void rf_fetch_for_writing(const void *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)line)); /* the builtin asks for a line to read, unless told of the processor */
#else
    __builtin_prefetch(line, 1);
#endif
}

/* For a producer that waits anyway: has memory bring the lines that the next records will be written to. Among many busy clients they are in no
 * cache, and a record is seen by the consumer only when its line has come. `fetched`: the caller's own, how far that got the last time. */
static inline void rf_ring_fetch_ahead(const struct rf_ring *ring, uint32_t *fetched)
{
    const uint32_t line = 8, ahead = RF_FETCH_AHEAD >> 3;
    uint32_t next = atomic_load_explicit(&ring->shared->tail, memory_order_relaxed) & ~(line - 1);
    if (*fetched - next > ahead) *fetched = next;
    for (; *fetched != next + ahead; *fetched += line) rf_fetch_for_writing(rf_ring_at(ring, *fetched));
}

/* Announces a sleeper on a full ring. Then claim once more; if it is still full, sleep while `producers_waiting` is 1
 * (FUTEX_WAIT on it with 1, in shared memory: not the private kind), and begin again. */
static inline void rf_ring_announce_wait(struct rf_ring *ring)
{
    atomic_store_explicit(&ring->shared->producers_waiting, 1, memory_order_seq_cst);
    /* A consumer that missed the flag has moved `head` before: this read sees it, and so does the claim that follows. */
    (void)atomic_load_explicit(&ring->shared->head, memory_order_seq_cst);
}

/* ---- the consumer (C: conformance tests and brokers for other transports; the daemon's is ring.ts) ---- */

struct rf_ring_reader {
    struct rf_ring ring;
    uint32_t head;            /* private: the shared one is only ever written */
    int stuck;                /* rf_ring_unblock: the hole last seen at the head, and since when */
    uint32_t stuck_at;
    uint32_t stuck_units;
    int32_t stuck_length;
    uint64_t stuck_since;
};

/* Whether a committed record waits. */
static inline int rf_ring_ready(const struct rf_ring_reader *reader)
{
    return atomic_load_explicit(&rf_ring_at(&reader->ring, reader->head)->length, memory_order_seq_cst) > 0;
}

/* Takes committed records into `out` (at most `room` bytes, room >= RF_RECORD_MAX), zeroes and frees their place.
 * Returns bytes taken, 0 for none, -1 for a record that cannot be. Walk the copy with rf_record_check, for the client may
 * have written since. Padding comes along: skip it by `call`.
 * *wake is set when producers sleep and all sleepers on `producers_waiting` must be woken. */
static inline int64_t rf_ring_take(struct rf_ring_reader *reader, uint8_t *out, uint32_t room, int *wake)
{
    struct rf_ring *ring = &reader->ring;
    uint32_t start = reader->head & (ring->capacity - 1), end = start;
    *wake = 0;
    while (end < ring->capacity) {
        struct rf_record *record = (struct rf_record *)(ring->data + ((size_t)end << 3));
        int32_t length = atomic_load_explicit(&record->length, memory_order_acquire);
        if (length <= 0) break;
        if (length > (int32_t)RF_RECORD_MAX) return -1;
        uint32_t units = rf_units((uint32_t)length);
        if (units > ring->capacity - end) return -1;
        if (((end - start + units) << 3) > room) break;
        end += units;
    }
    if (end == start) return 0;
    uint32_t bytes = (end - start) << 3;
    uint8_t *from = ring->data + ((size_t)start << 3);
    memcpy(out, from, bytes);
    memset(from, 0, bytes);
    reader->head += end - start;
    atomic_store_explicit(&ring->shared->head, reader->head, memory_order_seq_cst);
    if (atomic_load_explicit(&ring->shared->producers_waiting, memory_order_seq_cst))
        *wake = atomic_exchange_explicit(&ring->shared->producers_waiting, 0, memory_order_seq_cst) != 0;
    return bytes;
}

/* Checks one record of the copy: `left` bytes of it remain (a multiple of 8), and the record's position is `position`.
 * Returns its length in bytes, or -1 for one that cannot be. The next record is rf_units(length) units on. */
static inline int32_t rf_record_check(const uint8_t *at, uint32_t left, uint32_t position)
{
    struct { int32_t length; uint16_t call, slot; uint32_t sequence; } first = { 0, 0, 0, 0 };
    if (left < 8) return -1;
    memcpy(&first, at, 8);
    if (first.length < 8 || (uint32_t)first.length > left || (uint32_t)first.length > RF_RECORD_MAX) return -1;
    if (first.call == RF_CALL_PADDING) return first.length;
    if ((uint32_t)first.length < RF_RECORD_HEADER) return -1;
    memcpy(&first, at, sizeof first);
    return first.sequence == position ? first.length : -1;
}

/* Called when rf_ring_take found nothing: turns a record that has been claimed and not committed for too long, while the
 * tail moved on, into padding. Returns whether it did. `now` in nanoseconds of any steady clock. */
static inline int rf_ring_unblock(struct rf_ring_reader *reader, uint64_t now)
{
    struct rf_ring *ring = &reader->ring;
    struct rf_record *record = rf_ring_at(ring, reader->head);
    uint32_t start = reader->head & (ring->capacity - 1);
    int32_t length = atomic_load_explicit(&record->length, memory_order_acquire);
    uint32_t ahead = atomic_load_explicit(&ring->shared->tail, memory_order_relaxed) - reader->head;
    uint32_t most = ring->capacity - start, units;
    if (most > RF_RECORD_MAX >> 3) most = RF_RECORD_MAX >> 3;
    if (length < 0) {
        units = (0u - (uint32_t)length + 7u) >> 3;
    } else {
        /* Died before it could say its length: the hole ends where the next record begins. Payload words cannot fool the
         * walk, for nothing but zeroes lies in a hole of which not even the length was written. */
        units = 1;
        while (units < most && units < ahead &&
               atomic_load_explicit(&((struct rf_record *)(ring->data + ((size_t)(start + units) << 3)))->length,
                                    memory_order_acquire) == 0)
            units++;
    }
    /* Committed meanwhile; a length or a tail that cannot be; or nobody queues behind the hole, so nobody is hurt by it. */
    if (length > 0 || ahead > ring->capacity || units > most || units >= ahead) {
        reader->stuck = 0;
        return 0;
    }
    /* Any change of the hole means that somebody works on it: the time begins again. */
    if (!reader->stuck || reader->stuck_at != reader->head || reader->stuck_units != units || reader->stuck_length != length) {
        reader->stuck = 1;
        reader->stuck_at = reader->head;
        reader->stuck_units = units;
        reader->stuck_length = length;
        reader->stuck_since = now;
        return 0;
    }
    if (now - reader->stuck_since < RF_UNBLOCK_NANOSECONDS) return 0;
    reader->stuck = 0;
    if (!atomic_compare_exchange_strong_explicit(&record->length, &length, (int32_t)(units << 3), memory_order_acq_rel,
                                                 memory_order_relaxed))
        return 0;
    /* Ours now; the consumer is the only one who reads these. */
    record->call = RF_CALL_PADDING;
    record->slot = RF_SLOT_POSTED;
    return 1;
}

#endif
