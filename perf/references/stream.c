/* stream - the limit of posted calls: one process writes 64-byte messages to a ring, another reads each. program [MESSAGES]
 *
 * client     nanoseconds of one write in a short burst, as posted.c measures it
 * sustained  messages a second when it never stops */
#include "../programs/measure.h"
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 16384, BURST = 200, BURSTS = 200 };

struct message {
    _Alignas(64) _Atomic uint64_t sequence; /* the message's number, from 1: written last */
    uint64_t payload[7];
};

struct ring {
    _Alignas(64) _Atomic uint64_t taken;
    struct message slots[SLOTS];
};

static struct ring *ring;
static uint64_t written, free_until = SLOTS;

static void yielding_pause(uint32_t *spins)
{
    cpu_relax();
    if ((++*spins & 0xffff) == 0) sched_yield();
}

static void write_one(void)
{
    uint32_t spins = 0;
    while (written >= free_until) {
        free_until = atomic_load_explicit(&ring->taken, memory_order_acquire) + SLOTS;
        if (written >= free_until) yielding_pause(&spins);
    }
    struct message *message = &ring->slots[written % SLOTS];
    for (int i = 0; i < 7; i++) message->payload[i] = written + (uint64_t)i;
    atomic_store_explicit(&message->sequence, ++written, memory_order_release);
}

static void wait_until_taken(void)
{
    uint32_t spins = 0;
    while (atomic_load_explicit(&ring->taken, memory_order_acquire) != written) yielding_pause(&spins);
}

/* Reads until a message says stop; the sum keeps the reads from being optimised away. */
static uint64_t read_all(uint64_t count)
{
    uint64_t sum = 0;
    for (uint64_t next = 1; next <= count; next++) {
        struct message *message = &ring->slots[(next - 1) % SLOTS];
        uint32_t spins = 0;
        while (atomic_load_explicit(&message->sequence, memory_order_acquire) != next) {
            atomic_store_explicit(&ring->taken, next - 1, memory_order_release);
            yielding_pause(&spins);
        }
        for (int i = 0; i < 7; i++) sum += message->payload[i];
        if (next % 64 == 0) atomic_store_explicit(&ring->taken, next, memory_order_release);
    }
    atomic_store_explicit(&ring->taken, count, memory_order_release);
    return sum;
}

int main(int argc, char **argv)
{
    uint64_t messages = number_argument(argc, argv, 1, 2000000);
    uint64_t total = (uint64_t)BURST * BURSTS + messages / 5 + messages;
    ring = mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (ring == MAP_FAILED) { perror("mmap"); return 1; }
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
        uint64_t sum = read_all(total), expected = 0;
        for (uint64_t i = 0; i < total; i++) expected += 7 * i + 21;
        _exit(sum == expected ? 0 : 1);
    }
    uint64_t *wall = samples_of(BURSTS);
    for (int i = 0; i < BURSTS; i++) {
        uint64_t begin = now_ns();
        for (int j = 0; j < BURST; j++) write_one();
        wall[i] = now_ns() - begin;
        wait_until_taken();
    }
    qsort(wall, BURSTS, sizeof *wall, compare_u64);
    report("client", quantile(wall, BURSTS, 0.5) / BURST, "ns");
    for (uint64_t i = 0; i < messages / 5; i++) write_one();
    wait_until_taken();
    uint64_t begin = now_ns();
    for (uint64_t i = 0; i < messages; i++) write_one();
    wait_until_taken();
    report("sustained", (double)messages * 1e9 / (double)(now_ns() - begin), "/s");
    int status = 1;
    waitpid(child, &status, 0);
    if (status != 0) { fprintf(stderr, "the reader did not get what was written\n"); return 1; }
    return 0;
}
