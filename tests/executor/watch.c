/* watch.c - preloaded into an executor, tells every look that it takes at memory that its client can write: RINGFENCE_WATCH_RANGE is
 * SIZE,FROM,TO (mappings of shared memory of SIZE bytes are watched from FROM to TO), RINGFENCE_WATCH_LOG a file for what is seen.
 *
 * The pages are not accessible. Each access faults, is noted, and runs alone with its pages open: the processor stops after one instruction
 * (the trap flag), and they are shut again. An instruction of two accesses in one page is one look. Two threads at once may hide one
 * another's looks, so what is said to be seen once was seen at least once. x86-64 alone. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define MAPPINGS 16
#define PAGE 4096ul
#define LOOKS (1u << 20)
#define LIBC_BYTES (2ul << 20)
#define TRAP_FLAG 0x100
#define ERROR_WRITE 2

struct look {
    uint32_t offset;      /* in the object */
    uint32_t write;
    uint32_t instruction; /* low half of its address */
    uint32_t copying;     /* it is libc's */
};
static struct log {
    _Atomic uint32_t count, mappings;
    struct look looks[LOOKS];
} *seen;

static uintptr_t libc;
static size_t watched_size, watched_from, watched_to;
static _Atomic uintptr_t bases[MAPPINGS];
static __thread uintptr_t open_pages[4] __attribute__((tls_model("initial-exec")));
static __thread uintptr_t last_instruction __attribute__((tls_model("initial-exec")));

/* The watched mapping that has the address; 0: none. */
static uintptr_t base_of(uintptr_t address)
{
    for (int i = 0; i < MAPPINGS; i++) {
        uintptr_t base = atomic_load(&bases[i]);
        if (base && address - base >= watched_from && address - base < watched_to) return base;
    }
    return 0;
}

static void faulted(int signal_number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    uintptr_t address = (uintptr_t)info->si_addr, base = base_of(address), page = address & ~(PAGE - 1);
    int place = 0;
    while (place < 4 && open_pages[place] && open_pages[place] != page) place++;
    if (!base || place == 4) {
        signal(signal_number, SIG_DFL); /* a fault of the program's own: it comes again */
        return;
    }
    /* The same instruction again: its access goes on in the next page, or another thread has shut this one. */
    if (last_instruction != (uintptr_t)registers[REG_RIP]) {
        uint32_t at = atomic_fetch_add(&seen->count, 1);
        uintptr_t instruction = (uintptr_t)registers[REG_RIP];
        if (at < LOOKS) seen->looks[at] = (struct look){(uint32_t)(address - base), (registers[REG_ERR] & ERROR_WRITE) != 0, (uint32_t)instruction, instruction - libc < LIBC_BYTES};
    }
    last_instruction = (uintptr_t)registers[REG_RIP];
    open_pages[place] = page;
    mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
    registers[REG_EFL] |= TRAP_FLAG;
}

static void stepped(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number, (void)info;
    for (int i = 0; i < 4 && open_pages[i]; i++) {
        if (base_of(open_pages[i])) mprotect((void *)open_pages[i], PAGE, PROT_NONE);
        open_pages[i] = 0;
    }
    last_instruction = 0;
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static void begin(void)
{
    const char *path = getenv("RINGFENCE_WATCH_LOG"), *range = getenv("RINGFENCE_WATCH_RANGE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0 || !range || sscanf(range, "%zu,%zu,%zu", &watched_size, &watched_from, &watched_to) != 3) abort();
    seen = (struct log *)syscall(SYS_mmap, NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (seen == MAP_FAILED) abort();
    close(fd);
    Dl_info from;
    if (!dladdr(dlsym(RTLD_NEXT, "strerror"), &from)) abort();
    libc = (uintptr_t)from.dli_fbase;
    struct sigaction action = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    action.sa_sigaction = stepped;
    sigaction(SIGTRAP, &action, NULL);
}

void *mmap(void *wanted, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    void *made = (void *)syscall(SYS_mmap, wanted, bytes, protection, flags, fd, offset);
    const char *range = getenv("RINGFENCE_WATCH_RANGE");
    if (made == MAP_FAILED || !(flags & MAP_SHARED) || fd < 0 || !range || bytes != strtoul(range, NULL, 10)) return made;
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin);
    for (int i = 0; i < MAPPINGS; i++) {
        uintptr_t none = 0;
        if (!atomic_compare_exchange_strong(&bases[i], &none, (uintptr_t)made)) continue;
        mprotect((char *)made + watched_from, watched_to - watched_from, PROT_NONE);
        atomic_fetch_add(&seen->mappings, 1);
        break;
    }
    return made;
}

void *mmap64(void *wanted, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return mmap(wanted, bytes, protection, flags, fd, offset);
}

int munmap(void *base, size_t bytes)
{
    for (int i = 0; i < MAPPINGS; i++) {
        uintptr_t known = (uintptr_t)base;
        atomic_compare_exchange_strong(&bases[i], &known, 0);
    }
    return (int)syscall(SYS_munmap, base, bytes);
}

/* A thread that blocked the two signals would die of its first look. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    static int (*next)(int, const sigset_t *, sigset_t *);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "pthread_sigmask");
    sigset_t most;
    if (set && how != SIG_UNBLOCK) {
        most = *set;
        sigdelset(&most, SIGSEGV);
        sigdelset(&most, SIGTRAP);
        set = &most;
    }
    return next(how, set, before);
}
