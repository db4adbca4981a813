/* stress.c - many producer threads on one ring, for stress.test.ts.
 *
 *   stress produce OBJECT RING UNITS THREADS RECORDS SEED DEATHS   producers on the shared memory object of that name, whose
 *                                                                  ring begins at byte RING; doorbell: a byte to fd 3
 *   stress both UNITS THREADS RECORDS SEED DEATHS                  producers and the C consumer, in this process
 *   stress eager UNITS THREADS RECORDS SEED DEATHS                 the same, but both sides sleep as soon as they can, and each
 *                                                                  producer waits until the ring is empty, or goes on until it
 *                                                                  is full: what loses wake-ups if anything does
 *   stress lie UNITS ROUNDS SEED                                   the C consumer against random memory
 *
 * Every record says its thread, its number within the thread, and payload words that follow from both, so that the consumer
 * knows what is lost, reordered or torn. DEATHS forked writers are killed by SIGKILL between claim and commit, alternately
 * after and before their claim's length is stored. Prints one line of counts. */
#include <errno.h>
#include <inttypes.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "region.h"

#define THREADS_MAX 64

static struct rf_ring ring;
static uint32_t threads, records, seed, deaths;
static int doorbell = 3, eager;
static _Atomic uint64_t sleeps, doorbells, aborted, full;
static _Atomic int killed_all;

#define CHECK(condition) do { if (!(condition)) { fprintf(stderr, "stress: line %d: not so: %s (errno %d)\n", __LINE__, #condition, errno); exit(1); } } while (0)

static uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

static uint64_t now_nanoseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) { syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0); }
static void futex_wake_all(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0); }

static void ring_doorbell(int status)
{
    CHECK(status != RF_COMMIT_LOST);
    if (status != RF_COMMIT_DOORBELL) return;
    atomic_fetch_add_explicit(&doorbells, 1, memory_order_relaxed);
    CHECK(write(doorbell, "", 1) == 1);
}

static struct rf_record *claim(uint32_t bytes)
{
    struct rf_record *record;
    for (unsigned spin = 0;; spin++) {
        enum rf_ring_status status = rf_ring_claim(&ring, bytes, &record);
        if (status == RF_RING_OK) return record;
        CHECK(status == RF_RING_FULL);
        if (!eager && spin < 20) {
            sched_yield();
            continue;
        }
        atomic_fetch_add_explicit(&full, 1, memory_order_relaxed);
        rf_ring_announce_wait(&ring);
        if (rf_ring_claim(&ring, bytes, &record) == RF_RING_OK) return record;
        atomic_fetch_add_explicit(&sleeps, 1, memory_order_relaxed);
        futex_wait(&ring.shared->producers_waiting, 1); /* for ever: a lost wake-up must show */
    }
}

/* First payload word of record `number` of `thread`, and the step to the next; stress.test.ts has the same. */
static uint32_t first_word(uint32_t thread, uint32_t number) { return number * 2654435761u + thread * 40503u + 1; }
#define STEP 0x9e3779b9u

static void *produce(void *argument)
{
    uint32_t thread = (uint32_t)(uintptr_t)argument, state = seed * 7919u + thread * 104729u + 1;
    for (uint32_t number = 0; number < records; number++) {
        /* The last ones queue behind the killed writers, or nobody would notice those. */
        while (deaths && number >= records - 10 && !atomic_load(&killed_all)) usleep(1000);
        uint32_t random = next_random(&state);
        if (eager && (random & 0x10000)) { /* then write just when the consumer falls asleep, more or less */
            while (atomic_load(&ring.shared->head) != atomic_load(&ring.shared->tail)) {}
            for (volatile uint32_t i = (random >> 17) % 1500; i > 0; i--) {}
        }
        uint32_t bytes = (random & (eager ? 3 : 4095)) == 0 ? RF_RECORD_HEADER + 4 * (next_random(&state) % ((RF_RECORD_MAX - RF_RECORD_HEADER) / 4 + 1))
                         : RF_RECORD_HEADER + 4 * ((random >> 12) % 121);
        struct rf_record *record = claim(bytes);
        record->call = (uint16_t)(1 + number % 1000);
        record->slot = (uint16_t)thread;
        record->ticket = number;
        record->context = (uint64_t)number * thread;
        record->thread = thread;
        record->flags = ~number;
        uint32_t word = first_word(thread, number), *payload = (uint32_t *)(record + 1);
        for (uint32_t i = 0; i < (bytes - RF_RECORD_HEADER) / 4; i++, word += STEP) payload[i] = word;
        if ((random & 0x3ff) == 1) { /* given up, then sent after all */
            ring_doorbell(rf_ring_abort(&ring, record));
            atomic_fetch_add_explicit(&aborted, 1, memory_order_relaxed);
            number--;
            continue;
        }
        ring_doorbell(rf_ring_commit(&ring, record));
        if (!eager && (random & 0xfff) == 2) usleep(100 + (random >> 20) % 2000); /* so that the consumer runs dry, too */
    }
    return NULL;
}

/* One writer, a process of its own, that dies with a record in its hands. */
static void die_once(int before_length)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        if (before_length) {
            uint32_t tail = atomic_load(&ring.shared->tail);
            do {
                uint32_t head = atomic_load(&ring.shared->head), at = tail & (ring.capacity - 1);
                if (tail - head > ring.capacity / 2 || ring.capacity - at < 5) { /* no room, or at the end: another try */
                    tail = atomic_load(&ring.shared->tail);
                    continue;
                }
                if (atomic_compare_exchange_weak(&ring.shared->tail, &tail, tail + 5)) break;
            } while (1);
        } else {
            struct rf_record *record;
            while (rf_ring_claim(&ring, 72, &record) != RF_RING_OK) {}
            memset((uint8_t *)record + 12, 0x55, 40); /* half filled */
        }
        kill(getpid(), SIGKILL);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static pthread_t ids[THREADS_MAX];

static void start_producers(void)
{
    for (uint32_t i = 0; i < threads; i++) CHECK(pthread_create(&ids[i], NULL, produce, (void *)(uintptr_t)i) == 0);
}

static void *kill_writers(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < deaths; i++) {
        usleep(20000);
        die_once(i & 1);
    }
    atomic_store(&killed_all, 1);
    return NULL;
}

static void join_producers(void)
{
    for (uint32_t i = 0; i < threads; i++) CHECK(pthread_join(ids[i], NULL) == 0);
}

static void report(const char *more, uint64_t taken, uint64_t bytes, uint64_t unblocked, uint64_t slept, double seconds)
{
    printf("{\"sleeps\":%" PRIu64 ",\"doorbells\":%" PRIu64 ",\"aborted\":%" PRIu64 ",\"full\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"unblocked\":%" PRIu64 ",\"slept\":%" PRIu64 ",\"seconds\":%.2f%s}\n",
           sleeps, doorbells, aborted, full, taken, bytes, unblocked, slept, seconds, more);
}

/* ---- the C consumer ---- */

static void consume(int bell, struct rf_ring_reader *reader)
{
    static uint8_t batch[65536] __attribute__((aligned(8)));
    static uint32_t next[THREADS_MAX];
    uint64_t want = (uint64_t)threads * records, taken = 0, bytes_taken = 0, unblocked = 0, slept = 0, rests = 0, start = now_nanoseconds();
    uint32_t idle = 0, takes = 0;
    while (taken < want) {
        int wake;
        uint32_t position = reader->head;
        int64_t bytes = rf_ring_take(reader, batch, sizeof batch, &wake);
        CHECK(bytes >= 0);
        if (wake) futex_wake_all(&ring.shared->producers_waiting);
        if (bytes == 0) {
            if (!eager && ++idle < 50) {
                sched_yield();
                continue;
            }
            if (deaths && rf_ring_unblock(reader, now_nanoseconds())) {
                unblocked++;
                continue;
            }
            if (eager && (++rests & 63) == 0) usleep(200); /* else the two may go in step for good, a record at a time, and the ring is never full */
            atomic_store_explicit(&ring.shared->asleep, 1, memory_order_seq_cst);
            if (!rf_ring_ready(reader)) {
                struct pollfd p = { .fd = bell, .events = POLLIN };
                char drain[64];
                slept++;
                int rung = poll(&p, 1, deaths ? 50 : eager ? 5000 : 20000);
                CHECK(rung >= 0 && (rung == 1 || deaths)); /* a lost doorbell */
                if (rung) CHECK(read(bell, drain, sizeof drain) > 0);
            }
            atomic_store_explicit(&ring.shared->asleep, 0, memory_order_seq_cst);
            idle = 0;
            continue;
        }
        idle = 0;
        bytes_taken += (uint64_t)bytes;
        for (uint32_t at = 0; at < bytes;) {
            int32_t length = rf_record_check(batch + at, (uint32_t)bytes - at, position + at / 8);
            CHECK(length > 0);
            const struct rf_record *r = (const struct rf_record *)(batch + at);
            if (r->call != RF_CALL_PADDING) {
                CHECK(r->thread < threads && r->slot == r->thread);
                uint32_t number = next[r->thread]++;
                CHECK(r->ticket == number); /* lost, or out of order */
                CHECK(r->flags == ~number && r->call == 1 + number % 1000 && r->context == (uint64_t)number * r->thread);
                const uint32_t *payload = (const uint32_t *)(r + 1);
                uint32_t word = first_word(r->thread, number);
                for (int32_t i = 0; i < (length - (int32_t)RF_RECORD_HEADER) / 4; i++, word += STEP) CHECK(payload[i] == word); /* torn */
                taken++;
            }
            at += rf_units((uint32_t)length) * 8;
        }
        if (!eager && ++takes % 5000 == 0) usleep(3000); /* a stalled reader: the ring fills */
    }
    join_producers();
    report("", taken, bytes_taken, unblocked, slept, (double)(now_nanoseconds() - start) / 1e9);
}

/* ---- the C consumer against memory that lies ---- */

static void lie(uint32_t units, uint32_t rounds)
{
    /* The ring's end is the end of the mapping: one byte more is a SIGSEGV even without a sanitizer. */
    size_t bytes = (size_t)units * 8;
    uint8_t *map = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(map != MAP_FAILED && mprotect(map + bytes, 4096, PROT_NONE) == 0);
    static struct rf_ring_shared shared;
    static uint8_t batch[65536];
    uint32_t state = seed * 2 + 1;
    uint64_t violations = 0, taken = 0, unblocked = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        struct rf_ring_reader reader = { .ring = rf_ring_view(&shared, map, units, 0), .head = next_random(&state) };
        if (round % 16 == 0) memset(map, (int)(next_random(&state) & 1 ? 0 : 0xff), bytes);
        atomic_store(&shared.tail, next_random(&state) & 1 ? next_random(&state) : reader.head + next_random(&state) % units);
        for (uint32_t i = 0, at = reader.head; i < 40; i++) {
            uint32_t value = next_random(&state);
            value = value % 3 == 0 ? value : value % 3 == 1 ? value % 20000 : 0u - value % 20000;
            uint32_t word[2] = { value, next_random(&state) & 3 ? next_random(&state) : 0 };
            memcpy(map + (size_t)(at & (units - 1)) * 8, word, 8);
            at += value < 20000 && value ? rf_units(value) : next_random(&state) % 5;
        }
        for (int steps = 0; steps < 50; steps++) {
            int wake;
            uint32_t position = reader.head;
            int64_t n = rf_ring_take(&reader, batch, steps & 1 ? RF_RECORD_MAX : sizeof batch, &wake);
            if (n < 0) {
                violations++;
                break;
            }
            CHECK(n <= (int64_t)sizeof batch && reader.head - position == n / 8);
            for (uint32_t at = 0; at < n;) {
                int32_t length = rf_record_check(batch + at, (uint32_t)n - at, position + at / 8);
                if (length < 0) {
                    violations++;
                    break;
                }
                at += rf_units((uint32_t)length) * 8;
                CHECK(at <= n);
                taken++;
            }
            if (n == 0 && rf_ring_unblock(&reader, (uint64_t)steps * RF_UNBLOCK_NANOSECONDS)) unblocked++;
        }
    }
    printf("{\"violations\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"unblocked\":%" PRIu64 "}\n", violations, taken, unblocked);
}

int main(int argc, char **argv)
{
    CHECK(argc > 4);
    setvbuf(stdout, NULL, _IOLBF, 0);
    char **a = argv + 2;
    if (!strcmp(argv[1], "lie")) {
        seed = (uint32_t)atoi(a[2]);
        lie((uint32_t)atoi(a[0]), (uint32_t)atoi(a[1]));
        return 0;
    }
    eager = !strcmp(argv[1], "eager");
    int both = eager || !strcmp(argv[1], "both");
    CHECK(argc == (both ? 7 : 9));
    uint8_t *object;
    size_t ring_at;
    if (both) {
        ring.capacity = (uint32_t)atoi(a[0]);
        ring_at = 4096;
        object = mmap(NULL, ring_at + (size_t)ring.capacity * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        a += 1;
    } else {
        int fd = shm_open(a[0], O_RDWR, 0);
        CHECK(fd >= 0);
        ring_at = (size_t)atoi(a[1]);
        ring.capacity = (uint32_t)atoi(a[2]);
        object = mmap(NULL, ring_at + (size_t)ring.capacity * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        a += 3;
    }
    CHECK(object != MAP_FAILED);
    threads = (uint32_t)atoi(a[0]);
    records = (uint32_t)atoi(a[1]);
    seed = (uint32_t)atoi(a[2]);
    deaths = (uint32_t)atoi(a[3]);
    CHECK(threads <= THREADS_MAX && records >= 10);
    ring.shared = &((struct rf_region *)object)->ring;
    ring.data = object + ring_at;
    if (both) {
        int pipes[2];
        CHECK(pipe(pipes) == 0);
        doorbell = pipes[1];
        uint32_t start = 0xffffffffu - 20000; /* the positions wrap soon */
        atomic_store(&ring.shared->tail, start);
        atomic_store(&ring.shared->head, start);
        atomic_store(&ring.head_seen, start);
        struct rf_ring_reader reader = { .ring = ring, .head = start };
        start_producers();
        pthread_t killer;
        CHECK(pthread_create(&killer, NULL, kill_writers, NULL) == 0);
        consume(pipes[0], &reader);
        CHECK(pthread_join(killer, NULL) == 0);
    } else {
        start_producers();
        kill_writers(NULL);
        join_producers();
        report("", 0, 0, 0, 0, 0);
    }
    return 0;
}
