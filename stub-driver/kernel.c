/* See kernel.h. */
#include "kernel.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conditions.h"
#include "context.h"
#include "log.h"
#include "module.h"
#include "range.h"
#include "settings.h"
#include "space.h"
#include "stream.h"
#include "written.h"
#include "texture.h"

#define GRACE_NS UINT64_C(40000000) /* for the kernels of a context that ends */

/* ---- who runs ----------------------------------------------------------------------------------------------------- */

struct running {
  struct running *next;
  struct context *context;
  uint64_t deadline_ns; /* UINT64_MAX: none */
  atomic_int stop;
  bool timed_out;
  uint64_t ranges[16];  /* of host memory that it looked up: rf_range.id */
  unsigned range_count; /* more than there is room for: all of them */
};

static pthread_mutex_t running_lock = PTHREAD_MUTEX_INITIALIZER;
static struct running *running;
static pthread_cond_t watch_changed;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

static void wait_until(uint64_t deadline_ns) {
  if (deadline_ns == UINT64_MAX) {
    pthread_cond_wait(&watch_changed, &running_lock);
    return;
  }
  const struct timespec deadline = {.tv_sec = (time_t)(deadline_ns / 1000000000u), .tv_nsec = (long)(deadline_ns % 1000000000u)};
  pthread_cond_timedwait(&watch_changed, &running_lock, &deadline);
}

/* Ends kernels whose time is up. Runs only where there is a limit. */
static void *watch(void *unused) {
  (void)unused;
  pthread_mutex_lock(&running_lock);
  for (;;) {
    const uint64_t now = rf_now_ns();
    uint64_t next = UINT64_MAX;
    for (struct running *r = running; r; r = r->next) {
      if (r->deadline_ns == UINT64_MAX) continue;
      if (r->deadline_ns <= now) {
        r->timed_out = true;
        r->deadline_ns = UINT64_MAX;
        atomic_store(&r->stop, 1);
      } else if (r->deadline_ns < next) {
        next = r->deadline_ns;
      }
    }
    wait_until(next);
  }
  return NULL;
}

static void start_watch(void) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&watch_changed, &attributes);
  pthread_condattr_destroy(&attributes);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  if (pthread_create(&thread, NULL, watch, NULL) == 0)
    pthread_detach(thread);
  else
    rf_log(RF_LOG_ERROR, "no thread for RINGFENCE_STUB_KERNEL_TIMEOUT: kernels run without a limit");
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void enter(struct running *r) {
  const bool limited = rf_settings.kernel_timeout_ns != 0;
  if (limited) pthread_once(&watch_once, start_watch);
  r->deadline_ns = limited ? rf_now_ns() + rf_settings.kernel_timeout_ns : UINT64_MAX;
  pthread_mutex_lock(&running_lock);
  r->next = running;
  running = r;
  /* Whoever stopped the context's kernels before this was in the list set these first. */
  if (atomic_load(&r->context->ending) || atomic_load(&r->context->error)) atomic_store(&r->stop, 1);
  if (limited) pthread_cond_signal(&watch_changed);
  pthread_mutex_unlock(&running_lock);
}

static void leave(struct running *r) {
  pthread_mutex_lock(&running_lock);
  struct running **link = &running;
  while (*link != r) link = &(*link)->next;
  *link = r->next;
  pthread_mutex_unlock(&running_lock);
}

void rf_kernels_stop(struct context *context) {
  pthread_mutex_lock(&running_lock);
  for (struct running *r = running; r; r = r->next)
    if (r->context == context) atomic_store(&r->stop, 1);
  pthread_mutex_unlock(&running_lock);
}

void rf_kernels_end(struct context *context) {
  const uint64_t give_up = rf_now_ns() + GRACE_NS;
  while (atomic_load(&context->kernels) && rf_now_ns() < give_up) {
    const struct timespec moment = {.tv_nsec = 200000};
    nanosleep(&moment, NULL);
  }
  if (!atomic_load(&context->kernels)) return;
  rf_log(RF_LOG_INFO, "context %llu ends: its kernels are stopped", (unsigned long long)context->id);
  atomic_store(&context->ending, true);
  rf_kernels_stop(context);
}

/* ---- host memory that kernels use --------------------------------------------------------------------------------- */

static bool uses(const struct running *r, uint64_t id) {
  const unsigned known = sizeof r->ranges / sizeof r->ranges[0];
  for (unsigned i = 0; i < r->range_count && i < known; i++)
    if (r->ranges[i] == id) return true;
  return r->range_count > known;
}

static void note_use(struct running *r, uint64_t id) {
  pthread_mutex_lock(&running_lock);
  if (!uses(r, id)) {
    if (r->range_count < sizeof r->ranges / sizeof r->ranges[0]) r->ranges[r->range_count] = id;
    r->range_count++;
  }
  pthread_mutex_unlock(&running_lock);
}

void rf_kernels_await_range(uint64_t id) {
  for (bool used = true; used;) {
    used = false;
    pthread_mutex_lock(&running_lock);
    for (const struct running *r = running; r && !used; r = r->next) used = uses(r, id);
    pthread_mutex_unlock(&running_lock);
    const struct timespec moment = {.tv_nsec = 200000};
    if (used) nanosleep(&moment, NULL);
  }
}

/* ---- what a kernel sees ------------------------------------------------------------------------------------------- */

/* What the engine's questions are answered from; limits and peers are those at the kernel's start. */
struct sight {
  struct context *context;
  struct running *running;
  const struct rf_launch *launch;
  uint32_t peers;
  size_t heap_limit, print_limit, stack;
};

static void *span(void *argument, uint64_t address, uint64_t *start, uint64_t *end) {
  const struct sight *const sight = argument;
  char *const device = rf_space_span(address, sight->context->device, sight->peers, start, end);
  if (device) return device;
  struct rf_range range, still;
  if (!rf_range_find(address, &range)) return NULL;
  /* Noted, and then looked at again: whoever takes it out of the table asks afterwards who uses it. */
  note_use(sight->running, range.id);
  if (!rf_range_find(address, &still) || still.id != range.id) return NULL;
  *start = range.base;
  *end = range.base + range.size;
  return (void *)(uintptr_t)range.base; /* host memory has one address on both sides */
}

static bool image(const struct sight *sight, uint64_t handle, bool surface, struct ptx_image *out) {
  size_t index = 0;
  if (!ptx_image_index(handle, &index)) return rf_texture_image(handle, sight->context->epoch, sight->launch->textures, surface, out);
  struct ptx_image_info info;
  const struct ptx_module *const ptx = sight->launch->module->image->ptx;
  if (index >= ptx_image_count(ptx)) return false;
  ptx_image_at(ptx, index, &info);
  if (info.kind != (surface ? PTX_IMAGE_SURFACE : PTX_IMAGE_TEXTURE) || !sight->launch->images[index].channels) return false;
  *out = sight->launch->images[index];
  return true;
}

static bool texture(void *argument, uint64_t handle, struct ptx_image *out) { return image(argument, handle, false, out); }
static bool surface(void *argument, uint64_t handle, struct ptx_image *out) { return image(argument, handle, true, out); }

static void *storage(void *argument, uint64_t address, uint64_t *start, uint64_t *end) {
  (void)argument;
  return rf_space_storage(address, start, end);
}

/* malloc() of a kernel: from the card, counted against the context's heap limit, and gone with the context. */
static uint64_t allocate(void *argument, uint64_t size) {
  const struct sight *const sight = argument;
  struct context *const context = sight->context;
  const uint64_t limit = sight->heap_limit;
  if (size == 0 || size > limit) return 0;
  if (atomic_fetch_add(&context->heap, size) + size > limit) {
    atomic_fetch_sub(&context->heap, size);
    return 0;
  }
  const struct rf_allocation like = {.context = context->epoch, .of_module = true, .heap = true};
  CUdeviceptr address = 0;
  if (rf_space_allocate(context->device, size, &like, &address)) {
    atomic_fetch_sub(&context->heap, size);
    return 0;
  }
  return address;
}

static bool release(void *argument, uint64_t address) {
  struct context *const context = ((const struct sight *)argument)->context;
  struct rf_place place;
  if (!rf_space_find(address, &place) || place.base != address || !place.allocation.heap || place.allocation.context != context->epoch)
    return false;
  if (rf_space_free(address, NULL)) return false;
  atomic_fetch_sub(&context->heap, place.allocation.size);
  return true;
}

/* ---- printing ----------------------------------------------------------------------------------------------------- */

static void keep(struct rf_printed *printed, int which, const char *text, size_t length, size_t limit) {
  pthread_mutex_lock(&printed->lock);
  struct rf_kept *const kept = &printed->texts[which];
  /* As on hardware, what does not fit pushes out what was there: the oldest output is lost. */
  if (length > limit) length = 0;
  if (kept->length + length > limit) {
    const size_t lost = kept->length + length - limit;
    memmove(kept->text, kept->text + lost, kept->length - lost);
    kept->length -= lost;
  }
  if (kept->length + length > kept->capacity) {
    size_t capacity = kept->capacity ? kept->capacity : 4096;
    while (capacity < kept->length + length) capacity *= 2;
    char *const grown = realloc(kept->text, capacity);
    if (grown) {
      kept->text = grown;
      kept->capacity = capacity;
    } else {
      length = 0;
    }
  }
  if (length) memcpy(kept->text + kept->length, text, length);
  kept->length += length;
  if (kept->length) atomic_store_explicit(&printed->any, true, memory_order_release);
  pthread_mutex_unlock(&printed->lock);
}

static void print(void *argument, const char *text, size_t length) {
  const struct sight *const sight = argument;
  keep(&sight->context->printed, RF_PRINTED, text, length, sight->print_limit);
}

/* What assert() says: on standard error at the next synchronisation, as on hardware. */
static void complain(void *argument, const char *text, size_t length) {
  const struct sight *const sight = argument;
  keep(&sight->context->printed, RF_ASSERTED, text, length, sight->print_limit);
}

void rf_print_flush(struct context *context) {
  struct rf_printed *const printed = &context->printed;
  if (RF_LIKELY(!atomic_load_explicit(&printed->any, memory_order_acquire))) return;
  pthread_mutex_lock(&printed->lock);
  /* Through stdio, so that it stands where it belongs among the program's own lines. */
  for (int which = RF_PRINTED; which <= RF_ASSERTED; which++) {
    FILE *const file = which == RF_PRINTED ? stdout : stderr;
    if (!printed->texts[which].length) continue;
    fwrite(printed->texts[which].text, 1, printed->texts[which].length, file);
    fflush(file);
    printed->texts[which].length = 0;
  }
  atomic_store(&printed->any, false);
  pthread_mutex_unlock(&printed->lock);
}

/* ---- checks (RINGFENCE_STUB_CHECK) -------------------------------------------------------------------------------- */

static void tell(void *argument, const char *text, size_t length) {
  (void)argument;
  rf_log_line("%.*s", (int)length, text); /* whatever the log's level: it was asked for */
}

/* Known of what cuMemAlloc, pools and kernels' malloc() gave; modules' variables, mappings and host memory count as written. */
static bool is_written(void *argument, uint64_t address, uint64_t size) {
  (void)argument;
  struct rf_place place;
  if (rf_written_all(address, size)) return true;
  if (!rf_space_find(address, &place) || place.mapping) return true;
  return place.allocation.of_module && !place.allocation.heap;
}

static void written(void *argument, uint64_t address, uint64_t size) {
  (void)argument;
  if (rf_space_owns(address)) rf_written_mark(address, size, true);
}

/* ---- execution ---------------------------------------------------------------------------------------------------- */

static CUresult result_of(enum ptx_fault_kind kind, bool timed_out) {
  switch (kind) {
    case PTX_FAULT_NONE: return CUDA_SUCCESS;
    case PTX_FAULT_ADDRESS:
    case PTX_FAULT_IMAGE: return CUDA_ERROR_ILLEGAL_ADDRESS;
    case PTX_FAULT_MISALIGNED: return CUDA_ERROR_MISALIGNED_ADDRESS;
    case PTX_FAULT_STACK: return CUDA_ERROR_HARDWARE_STACK_ERROR;
    case PTX_FAULT_ASSERT: return CUDA_ERROR_ASSERT;
    case PTX_FAULT_CALL: return CUDA_ERROR_INVALID_PC;
    case PTX_FAULT_DEADLOCK: return CUDA_ERROR_LAUNCH_TIMEOUT; /* hardware would wait until someone ends it */
    case PTX_FAULT_STOPPED: return timed_out ? CUDA_ERROR_LAUNCH_TIMEOUT : CUDA_SUCCESS;
    case PTX_FAULT_MEMORY: return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    case PTX_FAULT_TRAP:
    case PTX_FAULT_BRANCH:
    case PTX_FAULT_LAUNCH: break;
  }
  return CUDA_ERROR_LAUNCH_FAILED;
}

static void report(const struct ptx_fault *fault, bool timed_out) {
  if (rf_log_level < RF_LOG_ERROR) return;
  char near[320] = "";
  if (fault->kind == PTX_FAULT_ADDRESS && !fault->address) snprintf(near, sizeof near, "; a NULL pointer");
  if (fault->kind == PTX_FAULT_ADDRESS && fault->address) {
    near[0] = ';';
    near[1] = ' ';
    rf_space_describe(fault->address, 1, near + 2, sizeof near - 2);
  }
  if (timed_out)
    snprintf(near, sizeof near, " after %llu ms (RINGFENCE_STUB_KERNEL_TIMEOUT)", (unsigned long long)(rf_settings.kernel_timeout_ns / 1000000));
  rf_log_line("%s%s", fault->message, near);
}

static void run(struct stream *stream, struct rf_launch *launch) {
  static _Atomic uint64_t next_grid = 1;
  struct context *const context = stream->context;
  struct running r = {.context = context};
  pthread_mutex_lock(&context->lock);
  struct sight sight = {.context = context,
                        .running = &r,
                        .launch = launch,
                        .peers = context->peers,
                        .heap_limit = context->limits[CU_LIMIT_MALLOC_HEAP_SIZE],
                        .print_limit = context->limits[CU_LIMIT_PRINTF_FIFO_SIZE],
                        .stack = context->limits[CU_LIMIT_STACK_SIZE]};
  pthread_mutex_unlock(&context->lock);
  const struct ptx_memory memory = {.span = span, .allocate = allocate, .release = release, .is_written = is_written, .write = written, .texture = texture, .surface = surface, .storage = storage, .context = &sight};
  const struct ptx_launch order = {
      .grid = {launch->grid[0], launch->grid[1], launch->grid[2]},
      .block = {launch->block[0], launch->block[1], launch->block[2]},
      .cluster = {launch->cluster[0], launch->cluster[1], launch->cluster[2]},
      .params = launch->params,
      .param_bytes = launch->param_bytes,
      .dynamic_shared = launch->dynamic_shared,
      .stack_bytes = sight.stack > 1 << 26 ? 1 << 26 : sight.stack ? (uint32_t)sight.stack : 1,
      .workers = (uint32_t)rf_settings.threads,
      .cooperative = launch->cooperative,
      .grid_id = atomic_fetch_add(&next_grid, 1),
      .memory = &memory,
      .print = print,
      .complain = complain,
      .report = tell,
      .print_context = &sight,
      .stop = &r.stop,
      .set_condition = rf_condition_set,
  };
  struct ptx_fault fault;
  enter(&r);
  const enum ptx_fault_kind kind = ptx_launch(launch->module->instance, launch->ptx, &order, &fault);
  leave(&r);
  const CUresult result = result_of(kind, r.timed_out);
  if (!result) return;
  report(&fault, r.timed_out && kind == PTX_FAULT_STOPPED);
  rf_context_fail(context, result);
}

void rf_kernel_execute(struct stream *stream, struct rf_launch *launch) {
  struct context *const context = stream->context;
  if (!atomic_load(&context->error) && !atomic_load(&context->ending)) run(stream, launch);
  rf_module_release(launch->module);
  atomic_fetch_sub(&context->kernels, 1);
}
