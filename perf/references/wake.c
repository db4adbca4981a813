/* wake - the limit of a call to a server that sleeps: program [CALLS] [IDLE_MICROSECONDS] [spin].
 *
 * Two C processes with nothing between them but what the protocol has: the server sleeps in epoll on a UNIX socket, a byte wakes
 * it, and it answers in shared memory with a futex wake. The client sleeps for the answer; with `spin` it looks at the word
 * instead, which spares the second wake-up and holds its core. What this takes is the kernel's and the machine's (a virtual CPU
 * that halts is woken by an interrupt that leaves the VM); no library can be faster. */
#include "../programs/measure.h"
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct words {
    _Alignas(64) _Atomic uint32_t answer;
};

static void serve(struct words *words, int fd, uint32_t calls)
{
    int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN };
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) _exit(1);
    for (uint32_t i = 1; i <= calls; i++) {
        char byte;
        while (epoll_wait(epoll, &event, 1, -1) != 1) continue;
        if (recv(fd, &byte, 1, 0) != 1) _exit(1);
        atomic_store(&words->answer, i);
        syscall(SYS_futex, &words->answer, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    uint32_t calls = (uint32_t)number_argument(argc, argv, 1, 40), warm = 5;
    unsigned idle = (unsigned)number_argument(argc, argv, 2, 20000);
    int spin = argc > 3 && strcmp(argv[3], "spin") == 0;
    struct words *words = mmap(NULL, sizeof *words, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int ends[2];
    if (words == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) { perror("shared memory or socketpair"); return 1; }
    pid_t child = fork();
    if (child < 0) { perror("fork"); return 1; }
    if (child == 0) {
        close(ends[0]);
        serve(words, ends[1], warm + calls);
    }
    close(ends[1]);
    uint64_t *samples = samples_of(calls);
    for (uint32_t i = 1; i <= warm + calls; i++) {
        usleep(idle);
        uint64_t begin = now_ns();
        if (send(ends[0], "", 1, 0) != 1) { perror("send"); return 1; }
        for (uint32_t seen; (seen = atomic_load(&words->answer)) != i;) {
            if (spin) cpu_relax();
            else syscall(SYS_futex, &words->answer, FUTEX_WAIT, seen, NULL, NULL, 0);
        }
        if (i > warm) samples[i - warm - 1] = now_ns() - begin;
    }
    report_percentiles(samples, calls);
    waitpid(child, NULL, 0);
    return 0;
}
