/* connection.c - how a process gets its region, and how it loses it.
 *
 * The hello goes over the zone's UNIX socket (hello.h); the region's descriptor comes back and is checked once, then never
 * again: the executor is trusted with this process's GPU work, yet a broken one must not make the client crash.
 *
 * A listener thread sits in poll on the socket for the connection's life. It takes notices, and it is how the broker's
 * death is noticed: the hang-up sets vgpu_state and then changes and wakes every word that anyone may sleep on (reply slots,
 * the ring's flag of waiting producers, the staging epoch). A sleeper that read the old value just before gets EAGAIN from the kernel, looks at
 * the state, and leaves; so no sleeper needs a timeout.
 *
 * After the death every call returns VGPU_ERROR_BROKER_GONE for ever. There is no reconnecting: all handles are gone, and a
 * program that went on with new memory under old pointers would compute nonsense.
 *
 * fork: the child gets no ring (MADV_DONTFORK), closes its copy of the socket without a word (otherwise the executor would
 * not see the parent's death), and every call in it returns CUDA_ERROR_NOT_INITIALIZED. */
#include "connection.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "callback.h"
#include "errors.h"
#include "futex.h"
#include "hello.h"
#include "last.h"
#include "log.h"
#include "messages.h"
#include "objects.h"
#include "settings.h"
#include "thread.h"

#define HELLO_TIMEOUT_SECONDS 10

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

struct vgpu_connection vgpu;
_Atomic int vgpu_state = CUDA_ERROR_NOT_INITIALIZED;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int connected;      /* the region is mapped */
static _Atomic int failing;        /* somebody is in vgpu_fail, or was */
static _Atomic int failed;         /* the CUresult that ended it */
static _Atomic int forked;
static _Atomic int descriptor = -1;
static struct stat identity;       /* of the socket: whether the descriptor is still ours */

int vgpu_in_forked_child(void) { return atomic_load_explicit(&forked, memory_order_relaxed); }

CUresult vgpu_not_ready(void)
{
    if (vgpu_in_forked_child())
        vgpu_log_once("this process was forked from one that uses the GPU, and cannot use its connection: "
                      "start workers before the first CUDA call, or with exec (Python: multiprocessing's \"spawn\")");
    return (CUresult)atomic_load(&vgpu_state);
}

/* ---- the end ---- */

void vgpu_fail(CUresult error, const char *why)
{
    if (atomic_exchange(&failing, 1)) return;
    /* First the line, then the error: a program may end itself at the first call that fails, and why must be told by then. */
    if (why) vgpu_log_once("%s; CUDA calls of this process now return %s", why, vgpu_error_name(error));
    atomic_store(&failed, (int)error);
    atomic_store(&vgpu_state, (int)error);
    if (!atomic_load(&connected)) return;
    for (uint32_t i = 0; i < vgpu.slot_count; i++) {
        atomic_fetch_xor(&vgpu.slots[i].state, 0x80000000u); /* never the ticket that is waited for: that is the old value + 1 */
        vgpu_futex_wake_all(&vgpu.slots[i].state);
    }
    atomic_store(&vgpu.ring.shared->producers_waiting, 0);
    vgpu_futex_wake_all(&vgpu.ring.shared->producers_waiting);
    atomic_fetch_add(&vgpu.region->staging_epoch, 1);
    vgpu_futex_wake_all(&vgpu.region->staging_epoch);
    vgpu_objects_failed();
}

void vgpu_doorbell(void)
{
    int fd = atomic_load_explicit(&descriptor, memory_order_relaxed);
    /* Programs that close "all" descriptors close ours too, and the number may be another file by now: look before writing. */
    struct stat now;
    if (fd < 0 || fstat(fd, &now) != 0 || now.st_ino != identity.st_ino || now.st_dev != identity.st_dev) {
        vgpu_fail(VGPU_ERROR_BROKER_GONE, "the program closed the socket to the broker");
        return;
    }
    static const char bell = 1;
    /* Full buffers are fine: bytes are then on their way already. The raw call is no cancellation point. */
    if (syscall(SYS_sendto, fd, &bell, (size_t)1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) >= 0 || errno == EAGAIN || errno == EINTR) return;
    /* A hang-up is the listener's to tell: the broker may have said before it with which error calls are to fail. */
    if (errno != EPIPE && errno != ECONNRESET) vgpu_fail(VGPU_ERROR_BROKER_GONE, "the broker has gone");
}

static void fork_child(void)
{
    if (!atomic_load(&connected)) return;
    atomic_store(&forked, 1);
    atomic_store(&vgpu_state, CUDA_ERROR_NOT_INITIALIZED);
    int fd = atomic_exchange(&descriptor, -1);
    struct stat now;
    if (fd >= 0 && fstat(fd, &now) == 0 && now.st_ino == identity.st_ino && now.st_dev == identity.st_dev) close(fd);
}

/* ---- the socket ---- */

static int is_past(const struct timespec *deadline)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec || (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

/* Receives exactly `size` bytes, and at most one descriptor. Returns 0, or -1 with errno (0 for a hang-up; EAGAIN also for what has not
 * come by `deadline`, NULL: there is none). The kernel's own limit begins anew with each signal: a program with an interval timer would wait for
 * ever for a broker that says nothing. */
static int receive(int fd, void *into, size_t size, int *passed, const struct timespec *deadline)
{
    size_t got = 0;
    *passed = -1;
    while (got < size) {
        union { struct cmsghdr header; char room[CMSG_SPACE(sizeof(int))]; } control;
        struct iovec part = {(char *)into + got, size - got};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) {
            if (!deadline || !is_past(deadline)) continue;
            errno = EAGAIN;
        }
        for (struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&message) : NULL; c; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            if (*passed >= 0) close(*passed);
            memcpy(passed, CMSG_DATA(c), sizeof(int));
        }
        if (n <= 0) {
            if (n == 0) errno = 0;
            int error = errno;
            if (*passed >= 0) close(*passed);
            *passed = -1;
            errno = error;
            return -1;
        }
        got += (size_t)n;
    }
    return 0;
}

static void *listen_for_notices(void *argument)
{
    (void)argument;
    pthread_setname_np(pthread_self(), "ringfence");
    vgpu_last_own_thread();
    for (;;) {
        struct rf_notice notice;
        int passed, fd = atomic_load(&descriptor);
        /* A thread that sleeps in recvmsg is woken for nothing whenever the executor has read a doorbell. */
        struct pollfd something = {.fd = fd, .events = POLLIN};
        if (fd >= 0) poll(&something, 1, -1);
        if (fd < 0 || receive(fd, &notice, sizeof notice, &passed, NULL) != 0) {
            vgpu_fail(VGPU_ERROR_BROKER_GONE, "the broker has gone");
            return NULL;
        }
        if (notice.type == RF_NOTICE_PINNED && passed >= 0) {
            vgpu_object_arrived(notice.cookie, passed, notice.offset, notice.length);
            continue;
        }
        if (passed >= 0) close(passed);
        if (notice.type == RF_NOTICE_HOST_CALL) {
            vgpu_callback_due(notice.cookie, vgpu_error_known(notice.status) ? (CUresult)notice.status : CUDA_ERROR_UNKNOWN);
        } else if (notice.type == RF_NOTICE_FAREWELL) {
            int known = notice.status != CUDA_SUCCESS && vgpu_error_known(notice.status);
            vgpu_fail(known ? (CUresult)notice.status : VGPU_ERROR_BROKER_GONE, "the broker ended this client");
            return NULL;
        } /* else: a newer executor's notice that this client never asked for */
    }
}

static int start_listener(void)
{
    /* The program's signal handlers must not run on a thread that it does not know of. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, listen_for_notices, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0) pthread_detach(thread);
    return error;
}

static int open_socket(CUresult *result)
{
    const char *path = vgpu_settings()->socket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        vgpu_log_once("the socket path '%.120s...' has more than %zu bytes: set RINGFENCE_SOCKET to a shorter path", path, sizeof address.sun_path - 1);
        *result = CUDA_ERROR_NO_DEVICE;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        vgpu_log_once("cannot make a socket: %s", strerror(errno));
        *result = CUDA_ERROR_OPERATING_SYSTEM;
        return -1;
    }
    /* Out of the way of programs that hand descriptors 3, 4, ... on by number. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    struct timeval limit = {.tv_sec = HELLO_TIMEOUT_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* bounds connect too, when the backlog is full */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += HELLO_TIMEOUT_SECONDS;
    int error;
    do error = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
    while (error == EINTR && !is_past(&deadline));
    if (error == 0 || error == EISCONN) return fd;
    close(fd);
    if (error == EACCES || error == EPERM) {
        vgpu_log_once("no permission to open the zone's socket %s: run as the zone's user, or set RINGFENCE_SOCKET to a zone of yours", path);
        *result = CUDA_ERROR_NOT_PERMITTED;
    } else if (error == EAGAIN || error == EINPROGRESS || error == EINTR) {
        vgpu_log_once("the broker at %s does not accept connections: restart it (`ringfence serve`)", path);
        *result = CUDA_ERROR_SYSTEM_NOT_READY;
    } else {
        vgpu_log_once("no broker at %s (%s): start it with `ringfence serve`, run the program with `ringfence run`, "
                      "or set RINGFENCE_SOCKET to the zone's socket", path, strerror(error));
        *result = CUDA_ERROR_NO_DEVICE;
    }
    return -1;
}

static CUresult introduce(int fd, struct rf_welcome *welcome, int *region)
{
    const struct vgpu_settings *settings = vgpu_settings();
    struct rf_hello hello;
    if (!vgpu_settings_hello(&hello, 0)) {
        vgpu_log_once("RINGFENCE_TOKEN has more than %zu bytes: use the zone's token", sizeof hello.token - 1);
        return CUDA_ERROR_NOT_PERMITTED;
    }
    *region = -1;
    int got = -1;
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += HELLO_TIMEOUT_SECONDS;
    if (send(fd, &hello, sizeof hello, MSG_NOSIGNAL) == (ssize_t)sizeof hello) got = receive(fd, welcome, sizeof *welcome, region, &deadline);
    explicit_bzero(&hello, sizeof hello);
    if (got != 0) {
        int slow = errno == EAGAIN || errno == EWOULDBLOCK;
        vgpu_log_once(slow ? "the broker at %s does not answer: look at its log, or restart it"
                           : "the broker at %s hung up during the introduction: look at its log", settings->socket);
        return CUDA_ERROR_SYSTEM_NOT_READY;
    }
    welcome->message[sizeof welcome->message - 1] = '\0';
    if (welcome->magic != RF_WELCOME_MAGIC || welcome->size != sizeof *welcome) {
        vgpu_log_once("what listens at %s is no Ringfence broker of this version: set RINGFENCE_SOCKET to the zone's socket, "
                      "and install client and broker of one version", settings->socket);
        return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
    }
    if (welcome->protocol >> 16 != RF_PROTOCOL_MAJOR) {
        vgpu_log_once("the broker at %s speaks protocol version %u.%u and this client %u.%u: install client and broker of one version",
                      settings->socket, welcome->protocol >> 16, welcome->protocol & 0xffff, RF_PROTOCOL_MAJOR, RF_PROTOCOL_MINOR);
        if (*region >= 0) close(*region);
        *region = -1;
        return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
    }
    if (welcome->status != RF_WELCOME_OK) {
        for (char *c = welcome->message; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
        vgpu_log_once("refused: %s", welcome->message[0] ? welcome->message : "the broker gave no reason");
        int known = welcome->cuda_error != CUDA_SUCCESS && vgpu_error_known(welcome->cuda_error);
        return known ? (CUresult)welcome->cuda_error : CUDA_ERROR_SYSTEM_NOT_READY;
    }
    if (*region < 0) {
        vgpu_log_once("the broker at %s sent no shared memory: look at its log", settings->socket);
        return CUDA_ERROR_SYSTEM_NOT_READY;
    }
    return CUDA_SUCCESS;
}

/* ---- the region ---- */

static int lies_within(uint64_t offset, uint64_t bytes, uint64_t align, uint64_t size)
{
    return offset % align == 0 && offset >= sizeof(struct rf_region) && offset <= size && bytes <= size - offset;
}

/* NULL when the geometry holds, else what does not. Reads each field once. */
static const char *check_region(struct rf_region *region, uint64_t size, struct vgpu_connection *out)
{
    uint8_t *base = (uint8_t *)region;
    uint32_t info = region->info_offset, slots = region->slots_offset, slot_count = region->slot_count;
    uint32_t chunks = region->chunks_offset, ring = region->ring_offset, units = region->ring_units;
    uint32_t holds = region->holds_offset, staging = region->staging_offset, chunk = region->staging_chunk, chunk_count = region->staging_chunks;
    if (region->magic != RF_REGION_MAGIC) return "magic";
    if (region->protocol >> 16 != RF_PROTOCOL_MAJOR || region->table_hash != RF_TABLE_HASH) return "protocol";
    if (region->size != size) return "size";
    if (!lies_within(info, sizeof(struct rf_info), 8, size)) return "info";
    if (!slot_count || !lies_within(slots, (uint64_t)slot_count * RF_SLOT_SIZE, 8, size)) return "slots";
    if (!chunk_count || !lies_within(chunks, 4ull * chunk_count, 4, size)) return "chunks";
    if (units < 4096 || (units & (units - 1)) || !lies_within(ring, 8ull * units, 8, size)) return "ring";
    if (!lies_within(holds, RF_HOLDS * sizeof(struct rf_hold), 8, size)) return "holds";
    if (!chunk || chunk % 4096 || !lies_within(staging, (uint64_t)chunk * chunk_count, 4096, size)) return "staging";
    out->region = region;
    /* A quarter is kept for HOST_DONE, 40 bytes each: thousands of host functions can return behind a full ring. */
    out->ring = rf_ring_view(&region->ring, base + ring, units, units / 4);
    out->last_resort = rf_ring_view(&region->ring, base + ring, units, 0);
    out->slots = (struct rf_slot *)(base + slots);
    out->slot_count = slot_count < VGPU_SLOTS_MAX ? slot_count : VGPU_SLOTS_MAX;
    out->chunks = (_Atomic uint32_t *)(base + chunks);
    out->chunk_count = chunk_count;
    out->chunk_bytes = chunk;
    out->holds = (struct rf_hold *)(base + holds);
    out->staging = base + staging;
    memcpy(&out->info, base + info, sizeof out->info);
    if (out->info.device_count > RF_DEVICES_MAX) return "device count";
    out->info.zone[sizeof out->info.zone - 1] = '\0';
    for (uint32_t i = 0; i < out->info.device_count; i++) out->info.devices[i].name[255] = '\0';
    return NULL;
}

/* A sanitizer's shadow covers most addresses, and the program's own mappings come from what is left: a window inside the
 * shadow cannot be reserved, and needs not be. */
static int sanitized(void) { return dlsym(RTLD_DEFAULT, "__asan_init") || dlsym(RTLD_DEFAULT, "__tsan_init"); }

/* Keeps [base, base + bytes) free of this process's own mappings: they are the GPU's addresses (unified addressing), or such that
 * shared memory will be mapped at. The raw call, because sanitizers intercept the other; nothing here is touched as it is.
 * Returns 1, 0 when that is not possible and need not be, -1 having said why not. */
static int reserve(const char *whose, uint64_t base, uint64_t bytes)
{
    if (!bytes) return 0;
    void *window = (void *)syscall(SYS_mmap, (void *)(uintptr_t)base, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE,
                                   -1, (off_t)0);
    if (window == (void *)(uintptr_t)base) return 1;
    int error = window == MAP_FAILED ? errno : EEXIST;
    if (window != MAP_FAILED) munmap(window, bytes); /* a kernel before 4.17 took the address as a hint */
    if (error == EEXIST && sanitized()) return 0;
    vgpu_log_once("cannot keep the %s addresses [%#llx, %#llx) free in this process: %s%s", whose, (unsigned long long)base,
                  (unsigned long long)(base + bytes), strerror(error),
                  error == EEXIST ? " (something is mapped there: restart the program)" : " (raise ulimit -v)");
    return -1;
}

static CUresult map_region(int fd, uint64_t size, struct vgpu_connection *out)
{
    struct stat file;
    if (fstat(fd, &file) != 0 || size < sizeof(struct rf_region) || (uint64_t)file.st_size < size) {
        vgpu_log_once("the broker's shared memory is smaller than it says: look at its log");
        return CUDA_ERROR_SYSTEM_NOT_READY;
    }
    struct rf_region *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (region == MAP_FAILED) {
        vgpu_log_once("cannot map %llu bytes of shared memory: %s", (unsigned long long)size, strerror(errno));
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    const char *wrong = check_region(region, size, out);
    if (wrong) {
        vgpu_log_once("the broker's shared memory makes no sense (%s): install client and broker of one version", wrong);
        munmap(region, size);
        return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
    }
    madvise(region, size, MADV_DONTFORK);
    const struct rf_info *info = &out->info;
    if (reserve("GPU's", info->window_base, info->window_size) < 0) {
        munmap(region, size);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    int reserved = reserve("host memory's", info->host_window_base, info->host_window_size);
    if (reserved < 0) {
        munmap(region, size);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    out->host_window = reserved;
    return CUDA_SUCCESS;
}

static uint32_t cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* A dlclose must not unmap the code that the listener thread, the fork handlers and the thread-end destructors run. */
static void pin_library(void)
{
    Dl_info self;
    if (dladdr((void *)pin_library, &self) && self.dli_fname) dlopen(self.dli_fname, RTLD_LAZY | RTLD_NODELETE | RTLD_NOLOAD);
}

static CUresult connect_locked(void)
{
    pin_library();
    if (vgpu_thread.index == 0) vgpu_thread_enter(); /* mostly the main thread: its end is of interest even if it calls no more */
    CUresult result = CUDA_SUCCESS;
    struct rf_welcome welcome;
    int memory = -1, fd = open_socket(&result);
    if (fd < 0) return result;
    result = introduce(fd, &welcome, &memory);
    struct vgpu_connection made = {.spinners_max = cores() - 1};
    if (result == CUDA_SUCCESS) result = map_region(memory, welcome.region_size, &made);
    if (memory >= 0) close(memory);
    if (result == CUDA_SUCCESS && fstat(fd, &identity) != 0) result = CUDA_ERROR_OPERATING_SYSTEM;
    if (result != CUDA_SUCCESS) {
        close(fd);
        return result;
    }
    struct timeval forever = {0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof forever);
    vgpu = made;
    atomic_store(&descriptor, fd);
    static int watching_forks;
    if (!watching_forks) watching_forks = pthread_atfork(NULL, NULL, fork_child) == 0;
    int error = start_listener();
    if (error != 0) {
        vgpu_log_once("cannot start a thread: %s", strerror(error));
        atomic_store(&descriptor, -1);
        close(fd);
        return CUDA_ERROR_OPERATING_SYSTEM;
    }
    atomic_store(&connected, 1);
    vgpu_log(VGPU_INFO, "zone '%s' by %s: %u device(s)", vgpu.info.zone, vgpu_settings()->socket, vgpu.info.device_count);
    return CUDA_SUCCESS;
}

CUresult vgpu_connect(void)
{
    if (vgpu_in_forked_child()) return vgpu_not_ready();
    if (atomic_load(&failed)) return (CUresult)atomic_load(&failed);
    if (atomic_load(&connected)) return CUDA_SUCCESS;
    pthread_mutex_lock(&lock);
    CUresult result = atomic_load(&connected) ? CUDA_SUCCESS : connect_locked();
    pthread_mutex_unlock(&lock);
    return result;
}

void vgpu_open_calls(void)
{
    /* Only from "not initialised": a broker that died in between has set its error, and that stays. */
    int before = CUDA_ERROR_NOT_INITIALIZED;
    if (!atomic_load(&failed) && !vgpu_in_forked_child()) atomic_compare_exchange_strong(&vgpu_state, &before, CUDA_SUCCESS);
    int error = atomic_load(&failed);
    if (error) atomic_store(&vgpu_state, error);
}
