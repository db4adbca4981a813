/* pingpong - the limit of a waited call: two processes, one cache line each way, nothing else. program [ROUNDS]
 *
 * Each process spins on the other's line. Timed as the waited call is: every round trip by two clock readings. */
#include "../programs/turns.h"
#include <sched.h>
#include <sys/wait.h>

struct lines {
    _Alignas(64) _Atomic uint32_t ping;
    _Alignas(64) _Atomic uint32_t pong;
    _Alignas(64) _Atomic uint32_t slices; /* begun */
};

/* A side whose partner has no core must let it have this one, or a two-core machine with company measures time slices. */
static void wait_for(_Atomic uint32_t *word, uint32_t value)
{
    for (uint32_t spins = 1; atomic_load_explicit(word, memory_order_acquire) != value; spins++) {
        cpu_relax();
        if ((spins & 0xffff) == 0) sched_yield();
    }
}

int main(int argc, char **argv)
{
    uint32_t rounds = (uint32_t)number_argument(argc, argv, 1, 200000), warm = rounds / 5;
    turns_open();
    /* The partner sleeps between two slices: a word of theirs says which one it may wait for. */
    struct lines *lines = mmap(NULL, sizeof *lines, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (lines == MAP_FAILED) { perror("mmap"); return 1; }
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
        for (uint32_t slice = 0; slice < turns.slices; slice++) {
            turns_sleep_until(&lines->slices, slice + 1);
            for (uint32_t i = 1; i <= warm + rounds; i++) {
                wait_for(&lines->ping, i);
                atomic_store_explicit(&lines->pong, i, memory_order_release);
            }
        }
        _exit(0);
    }
    uint64_t *samples = samples_of(rounds);
    while (turn_begins()) {
        atomic_store(&lines->ping, 0);
        turns_add(&lines->slices);
        uint64_t first = 0;
        for (uint32_t i = 1; i <= warm + rounds; i++) {
            uint64_t begin = now_ns();
            if (i == warm + 1) first = begin;
            atomic_store_explicit(&lines->ping, i, memory_order_release);
            wait_for(&lines->pong, i);
            if (i > warm) samples[i - warm - 1] = now_ns() - begin;
        }
        report("rate", (double)rounds * 1e9 / (double)(now_ns() - first), "/s");
        report_percentiles(samples, rounds);
        turn_ends();
    }
    waitpid(child, NULL, 0);
    turns_close();
    return 0;
}
