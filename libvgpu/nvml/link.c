/* link.c - the connection of a monitor (idm/monitor.h).
 *
 * Blocking and simple: a question is one byte, the answer one struct; NVML's callers ask a few times a second. Nothing is
 * running while nobody asks: no thread, no shared memory. A connection that broke is made anew at the next question, because a
 * monitor holds nothing that could be lost: the daemon may be restarted under a program that only watches.
 *
 * After fork the child makes a connection of its own: two processes reading answers from one socket would tear them apart. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hello.h"
#include "messages.h"
#include "region.h"
#include "settings.h"

#define ANSWER_WITHIN_SECONDS 10
#define FRESH_NANOSECONDS 20000000ull

struct nvmlDevice_st { int ordinal; };

static struct nvmlDevice_st only;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned opened; /* nvmlInit calls without their nvmlShutdown */
static int descriptor = -1;
static pid_t owner; /* the process that made the connection */
static struct rf_snapshot last;
static uint64_t taken; /* when */

nvmlDevice_t rfml_device(void) { return &only; }

static uint64_t nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void say(enum vgpu_log_level level, const char *what, const char *more)
{
    if (level > vgpu_settings()->log) return;
    char line[700];
    int bytes = snprintf(line, sizeof line, "ringfence: nvml: %s%s\n", what, more);
    if (bytes > 0 && write(STDERR_FILENO, line, (size_t)bytes < sizeof line ? (size_t)bytes : sizeof line - 1) < 0) return;
}

static int read_all(int fd, void *into, size_t bytes)
{
    /* The kernel's own limit begins anew with each signal. */
    uint64_t begun = nanoseconds();
    for (size_t got = 0; got < bytes;) {
        ssize_t n = recv(fd, (char *)into + got, bytes - got, 0);
        if (n < 0 && errno == EINTR && nanoseconds() - begun < ANSWER_WITHIN_SECONDS * 1000000000ull) continue;
        if (n <= 0) return -1;
        got += (size_t)n;
    }
    return 0;
}

static void hang_up(void)
{
    if (descriptor >= 0) close(descriptor);
    descriptor = -1;
}

static nvmlReturn_t introduce(int fd)
{
    struct rf_hello hello;
    struct rf_welcome welcome;
    if (!vgpu_settings_hello(&hello, RF_FEATURE_MONITOR)) return NVML_ERROR_NO_PERMISSION;
    int failed = send(fd, &hello, sizeof hello, MSG_NOSIGNAL) != (ssize_t)sizeof hello || read_all(fd, &welcome, sizeof welcome) != 0;
    explicit_bzero(&hello, sizeof hello);
    if (failed) return NVML_ERROR_DRIVER_NOT_LOADED;
    if (welcome.magic != RF_WELCOME_MAGIC || welcome.size != sizeof welcome) return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
    if (welcome.status == RF_WELCOME_OK) return NVML_SUCCESS;
    welcome.message[sizeof welcome.message - 1] = '\0';
    for (char *c = welcome.message; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) *c = ' ';
    say(VGPU_ERROR, "refused: ", welcome.message);
    return welcome.status == RF_REFUSED_PROTOCOL ? NVML_ERROR_LIB_RM_VERSION_MISMATCH : welcome.status == RF_REFUSED_DRIVER ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_ERROR_NO_PERMISSION;
}

static nvmlReturn_t dial(void)
{
    const char *path = vgpu_settings()->socket;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return NVML_ERROR_DRIVER_NOT_LOADED;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return NVML_ERROR_OPERATING_SYSTEM;
    struct timeval limit = {.tv_sec = ANSWER_WITHIN_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int forbidden = errno == EACCES || errno == EPERM;
        say(VGPU_WARN, "no broker at ", path);
        close(fd);
        return forbidden ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_DRIVER_NOT_LOADED;
    }
    nvmlReturn_t result = introduce(fd);
    if (result != NVML_SUCCESS) {
        close(fd);
        return result;
    }
    /* Out of the way of programs that hand descriptors 3, 4, ... on by number. */
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 200);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    descriptor = fd;
    owner = getpid();
    return NVML_SUCCESS;
}

/* Brings a snapshot; the lock is held. */
static nvmlReturn_t ask(void)
{
    if (owner != getpid()) hang_up();
    if (descriptor >= 0 && nanoseconds() - taken < FRESH_NANOSECONDS) return NVML_SUCCESS;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (descriptor < 0) {
            nvmlReturn_t error = dial();
            if (error != NVML_SUCCESS) return error;
        }
        static const char question = '?';
        struct rf_snapshot *fresh = &last;
        if (send(descriptor, &question, 1, MSG_NOSIGNAL) == 1 && read_all(descriptor, fresh, sizeof *fresh) == 0 &&
            fresh->magic == RF_SNAPSHOT_MAGIC && fresh->size == sizeof *fresh) {
            /* Strings are used as such: an executor that lies must not make us read on. */
            fresh->driver_version[sizeof fresh->driver_version - 1] = '\0';
            fresh->name[sizeof fresh->name - 1] = '\0';
            fresh->zone[sizeof fresh->zone - 1] = '\0';
            if (fresh->process_count > RF_SNAPSHOT_PROCESSES) fresh->process_count = RF_SNAPSHOT_PROCESSES;
            for (uint32_t i = 0; i < fresh->process_count; i++) fresh->processes[i].program[sizeof fresh->processes[i].program - 1] = '\0';
            taken = nanoseconds();
            return NVML_SUCCESS;
        }
        hang_up();
    }
    return NVML_ERROR_GPU_IS_LOST;
}

nvmlReturn_t rfml_open(void)
{
    pthread_mutex_lock(&lock);
    nvmlReturn_t result = opened > 0 ? NVML_SUCCESS : ask();
    if (result == NVML_SUCCESS) opened++;
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t rfml_close(void)
{
    pthread_mutex_lock(&lock);
    nvmlReturn_t result = opened > 0 ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;
    if (opened > 0 && --opened == 0) hang_up();
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t rfml_done(nvmlReturn_t result)
{
    pthread_mutex_unlock(&lock);
    return result;
}

nvmlReturn_t rfml_look_around(const void *out, const struct rf_snapshot **now)
{
    pthread_mutex_lock(&lock);
    if (opened == 0) return rfml_done(NVML_ERROR_UNINITIALIZED);
    if (!out) return rfml_done(NVML_ERROR_INVALID_ARGUMENT);
    nvmlReturn_t error = ask();
    if (error != NVML_SUCCESS) return rfml_done(NVML_ERROR_GPU_IS_LOST);
    *now = &last;
    return NVML_SUCCESS;
}

nvmlReturn_t rfml_look(nvmlDevice_t device, const void *out, const struct rf_snapshot **now)
{
    nvmlReturn_t error = rfml_look_around(out, now);
    return error == NVML_SUCCESS && device != &only ? rfml_done(NVML_ERROR_INVALID_ARGUMENT) : error;
}

nvmlReturn_t rfml_refuse(nvmlReturn_t result)
{
    pthread_mutex_lock(&lock);
    return rfml_done(opened == 0 ? NVML_ERROR_UNINITIALIZED : result);
}

nvmlReturn_t rfml_constant(nvmlDevice_t device, unsigned int *value, unsigned int constant)
{
    nvmlReturn_t error = rfml_refuse(NVML_SUCCESS);
    if (error != NVML_SUCCESS) return error;
    if (device != &only || !value) return NVML_ERROR_INVALID_ARGUMENT;
    *value = constant;
    return NVML_SUCCESS;
}

nvmlReturn_t rfml_none(unsigned int *count)
{
    nvmlReturn_t error = rfml_refuse(NVML_SUCCESS);
    if (error != NVML_SUCCESS) return error;
    if (!count) return NVML_ERROR_INVALID_ARGUMENT;
    *count = 0;
    return NVML_SUCCESS;
}

nvmlReturn_t rfml_text(char *out, unsigned int length, const char *text)
{
    size_t bytes = strlen(text) + 1;
    if (bytes > length) return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(out, text, bytes);
    return NVML_SUCCESS;
}
