/*
 * See card.h.
 *
 * Layout of the file: header (struct header, the owners' table), then the frames. All fields of the header are guarded
 * by its robust lock: if a process dies inside, the next one to come recounts.
 *
 * Alive or dead is told by locks, not by process ids: each process opens its own description of the file and holds an
 * OFD lock on the byte that belongs to its slot. The kernel drops it when the process ends, however it ends (a zombie's
 * is gone already), it cannot be taken for a later process of the same id, and it works across pid namespaces.
 */
#include "card.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "settings.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; before it, EINVAL, and pages are faulted in one by one */
#endif

#define MAGIC 0x52464341524430ull /* "RFCARD0" */
#define LAYOUT 1
#define PROCESSES 4096
#define LOCK_OF_HEADER 0 /* bytes of the file that stand for something; their content does not matter */
#define LOCK_OF_PROCESS(slot) (1 + (off_t)(slot))

struct header {
  uint64_t magic;
  uint32_t layout;
  uint32_t devices;
  uint32_t frames_per_device;
  pthread_mutex_t lock;
  struct device {
    uint32_t free;
    uint32_t search_from; /* no frame below it is free: reuse comes before first use */
  } device[RF_MAX_DEVICES];
  uint32_t slots;           /* no process has a slot at or above it */
  pid_t process[PROCESSES]; /* by slot; 0: nobody */
  uint16_t owner[];         /* by frame: slot + 1; 0: free */
};

char *rf_card_bytes;
static struct header *header;
static int card_fd = -1;
static uint16_t own_slot;
static _Atomic uint64_t *populated; /* bit by frame */

static bool lock_byte(off_t byte, int command, short type) {
  struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
  int result;
  do result = fcntl(card_fd, command, &lock);
  while (result < 0 && errno == EINTR);
  return command == F_OFD_GETLK ? result == 0 && lock.l_type != F_UNLCK : result == 0;
}

static uint64_t header_size(void) {
  const uint64_t frames = rf_settings.memory / RF_FRAME_SIZE * (uint64_t)rf_settings.card_devices;
  const uint64_t size = sizeof(struct header) + frames * sizeof(uint16_t);
  return (size + RF_FRAME_SIZE - 1) / RF_FRAME_SIZE * RF_FRAME_SIZE;
}

static void recount(void) {
  for (uint32_t d = 0; d < header->devices; d++) {
    const uint32_t first = d * header->frames_per_device;
    uint32_t free = 0;
    for (uint32_t i = 0; i < header->frames_per_device; i++) free += header->owner[first + i] == 0;
    header->device[d] = (struct device){.free = free, .search_from = 0};
  }
}

static void lock_header(void) {
  if (pthread_mutex_lock(&header->lock) == EOWNERDEAD) {
    recount();
    pthread_mutex_consistent(&header->lock);
  }
}

static void unlock_header(void) { pthread_mutex_unlock(&header->lock); }

static bool fail(const char *what) {
  rf_log_line("the card cannot be opened: %s: %s", what, strerror(errno));
  return false;
}

/* Called under the header's file lock. */
static bool initialise_header(void) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&header->lock, &attributes);
  pthread_mutexattr_destroy(&attributes);
  header->layout = LAYOUT;
  header->devices = (uint32_t)rf_settings.card_devices;
  header->frames_per_device = (uint32_t)(rf_settings.memory / RF_FRAME_SIZE);
  recount();
  header->magic = MAGIC; /* last: a process that dies before this leaves the work to the next */
  return true;
}

static bool check_header(void) {
  if (header->layout == LAYOUT && header->devices == (uint32_t)rf_settings.card_devices &&
      header->frames_per_device == rf_settings.memory / RF_FRAME_SIZE)
    return true;
  rf_log_line("RINGFENCE_STUB_CARD_FD is a card of %u devices of %llu bytes, RINGFENCE_STUB_DEVICES and "
              "RINGFENCE_STUB_MEMORY say %d of %llu; give every process of a card the same settings",
              header->devices, (unsigned long long)header->frames_per_device * RF_FRAME_SIZE, rf_settings.card_devices,
              (unsigned long long)rf_settings.memory);
  return false;
}

/* Frees what dead processes own. The lock is held. Returns whether there was any. */
static bool reclaim_dead(void) {
  bool any = false;
  for (uint16_t slot = 0; slot < header->slots; slot++) {
    if (header->process[slot] == 0 || slot == own_slot) continue;
    if (lock_byte(LOCK_OF_PROCESS(slot), F_OFD_GETLK, F_WRLCK)) continue; /* somebody holds it: alive */
    uint32_t frames = 0;
    for (uint32_t d = 0; d < header->devices; d++)
      for (uint32_t i = 0; i < header->frames_per_device; i++) {
        uint16_t *const owner = &header->owner[d * header->frames_per_device + i];
        if (*owner != slot + 1) continue;
        *owner = 0;
        header->device[d].free++;
        if (i < header->device[d].search_from) header->device[d].search_from = i;
        frames++;
      }
    rf_log(RF_LOG_INFO, "process %d is gone; %u frames reclaimed", (int)header->process[slot], frames);
    header->process[slot] = 0;
    any = true;
  }
  while (header->slots && header->process[header->slots - 1] == 0) header->slots--;
  return any;
}

static bool join(void) {
  lock_header();
  own_slot = PROCESSES;
  reclaim_dead();
  uint16_t slot = 0;
  while (slot < PROCESSES && header->process[slot] != 0) slot++;
  const bool joined = slot < PROCESSES && lock_byte(LOCK_OF_PROCESS(slot), F_OFD_SETLK, F_WRLCK);
  if (joined) {
    header->process[slot] = getpid();
    if (slot >= header->slots) header->slots = slot + 1u;
    own_slot = slot;
  }
  unlock_header();
  if (!joined) rf_log_line("the card cannot be opened: %d processes share it already", PROCESSES);
  return joined;
}

bool rf_card_open(void) {
  if (rf_settings.card_devices == 0) return true;
  const uint64_t offset = header_size();
  const uint64_t size = offset + rf_settings.memory * (uint64_t)rf_settings.card_devices;
  if (rf_settings.card_fd >= 0) {
    /* Our own description, so that the lock on our slot is ours and not every inheritor's. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", rf_settings.card_fd);
    card_fd = open(path, O_RDWR | O_CLOEXEC);
    if (card_fd < 0) return fail("RINGFENCE_STUB_CARD_FD");
  } else {
    card_fd = memfd_create("ringfence-gpu", MFD_CLOEXEC);
    if (card_fd < 0) return fail("memfd_create");
  }
  if (!lock_byte(LOCK_OF_HEADER, F_OFD_SETLKW, F_WRLCK)) return fail("locking it");
  struct stat status;
  if (fstat(card_fd, &status) < 0) return fail("fstat");
  if ((uint64_t)status.st_size < size && ftruncate(card_fd, (off_t)size) < 0) return fail("growing it to its size");
  char *const mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, card_fd, 0);
  if (mapping == MAP_FAILED) return fail("mapping it");
  /* A forked child may not use the GPU (NOT_INITIALIZED), and its copy of the mapping would keep our lock after we died. */
  madvise(mapping, size, MADV_DONTFORK);
  madvise(mapping + offset, size - offset, MADV_HUGEPAGE); /* a frame is a huge page, where the system gives them */
  populated = calloc((size - offset) / RF_FRAME_SIZE / 64 + 1, sizeof *populated);
  if (!populated) return fail("its bookkeeping");
  header = (struct header *)mapping;
  rf_card_bytes = mapping + offset;
  const bool good = header->magic == MAGIC ? check_header() : initialise_header();
  lock_byte(LOCK_OF_HEADER, F_OFD_SETLK, F_UNLCK);
  return good && join();
}

void rf_card_after_fork(void) {
  if (card_fd >= 0) close(card_fd);
  card_fd = -1;
}

void rf_card_populate(const char *at) {
  const uint64_t frame = (uint64_t)(at - rf_card_bytes) / RF_FRAME_SIZE, bit = (uint64_t)1 << frame % 64;
  if (RF_LIKELY(atomic_load_explicit(&populated[frame / 64], memory_order_relaxed) & bit)) return;
  madvise(rf_card_bytes + frame * RF_FRAME_SIZE, RF_FRAME_SIZE, MADV_POPULATE_WRITE);
  atomic_fetch_or_explicit(&populated[frame / 64], bit, memory_order_relaxed);
}

CUresult rf_card_take(int device, uint32_t count, uint32_t *frames) {
  const uint32_t on_card = (uint32_t)rf_settings.on_card[device];
  struct device *const d = &header->device[on_card];
  lock_header();
  if (d->free < count && !(reclaim_dead() && d->free >= count)) {
    unlock_header();
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  const uint32_t first = on_card * header->frames_per_device;
  uint32_t taken = 0, i = d->search_from;
  for (; taken < count && i < header->frames_per_device; i++) {
    if (header->owner[first + i] != 0) continue;
    header->owner[first + i] = (uint16_t)(own_slot + 1);
    frames[taken++] = first + i;
  }
  d->search_from = i;
  d->free -= taken;
  unlock_header();
  return CUDA_SUCCESS;
}

void rf_card_give(const uint32_t *frames, uint32_t count) {
  lock_header();
  for (uint32_t n = 0; n < count; n++) {
    struct device *const d = &header->device[frames[n] / header->frames_per_device];
    const uint32_t i = frames[n] % header->frames_per_device;
    header->owner[frames[n]] = 0;
    d->free++;
    if (i < d->search_from) d->search_from = i;
  }
  unlock_header();
}

uint64_t rf_card_free(int device) {
  lock_header();
  reclaim_dead();
  const uint64_t bytes = header->device[rf_settings.on_card[device]].free * RF_FRAME_SIZE;
  unlock_header();
  return bytes;
}
