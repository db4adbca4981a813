/* See image.h: the options of the just-in-time compiler, its logs, and the images by content. */
#include "image.h"

#include <ctype.h>
#ifdef __linux__
#include <malloc.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "settings.h"
#include "stream.h"

/* CUjit_option by number; those that are not here tune code generation, of which there is none. */
enum { MAX_REGISTERS = 0, WALL_TIME = 2, INFO_LOG, INFO_SIZE, ERROR_LOG, ERROR_SIZE, SYMBOL_COUNT = 19 };

CUresult rf_jit_read(unsigned count, const CUjit_option *options, void **values, struct rf_jit *jit) {
  *jit = (struct rf_jit){.begun_ns = rf_now_ns()};
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  for (unsigned i = 0; i < count; i++) {
    const int option = (int)options[i];
    if (option < 0 || option >= CU_JIT_NUM_OPTIONS) return CUDA_ERROR_INVALID_VALUE;
    switch (option) {
      case MAX_REGISTERS: jit->max_registers = (uint32_t)(uintptr_t)values[i]; break;
      case WALL_TIME: jit->wall_time = &values[i]; break;
      case INFO_LOG: jit->info = values[i]; break;
      case ERROR_LOG: jit->error = values[i]; break;
      case INFO_SIZE:
        jit->info_size = (unsigned)(uintptr_t)values[i];
        jit->info_filled = &values[i];
        break;
      case ERROR_SIZE:
        jit->error_size = (unsigned)(uintptr_t)values[i];
        jit->error_filled = &values[i];
        break;
      case SYMBOL_COUNT:
        if ((unsigned)(uintptr_t)values[i] == 0) break;
        rf_log(RF_LOG_ERROR, "CU_JIT_GLOBAL_SYMBOL_NAMES is not supported: symbols cannot be given addresses from outside");
        return CUDA_ERROR_NOT_SUPPORTED;
      default: break;
    }
  }
  return CUDA_SUCCESS;
}

static void fill(char *buffer, size_t size, void **filled, const char *text) {
  size_t length = 0;
  if (buffer && size) {
    length = strlen(text);
    if (length > size - 1) length = size - 1;
    memcpy(buffer, text, length);
    buffer[length] = '\0';
  }
  if (filled) *filled = (void *)(uintptr_t)length;
}

void rf_jit_report(const struct rf_jit *jit, const char *log) {
  fill(jit->error, jit->error_size, jit->error_filled, log);
  fill(jit->info, jit->info_size, jit->info_filled, "");
  if (jit->wall_time) {
    const float milliseconds = (float)((double)(rf_now_ns() - jit->begun_ns) / 1e6);
    memcpy(jit->wall_time, &milliseconds, sizeof milliseconds);
  }
  if (log[0]) rf_log(RF_LOG_ERROR, "code is refused: %s", log);
}

/* ---- images by content -------------------------------------------------------------------------------------------- */

_Atomic size_t rf_code_limit;

/* Images that nobody uses any more are kept up to this number and size: programs load the same code again. */
#define KEPT 16
#define KEPT_BYTES ((size_t)16 << 20)

static pthread_mutex_t images_lock = PTHREAD_MUTEX_INITIALIZER;
static struct image *images; /* the most recently used first */

static uint64_t hash_of(const char *bytes, size_t length) {
  uint64_t hash = 14695981039346656037u; /* FNV-1a; content is compared as well */
  for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
  return hash;
}

static void destroy(struct image *image) {
  ptx_module_free(image->ptx);
  free(image->texts);
  free(image);
}

/* Takes what nobody uses beyond KEPT and KEPT_BYTES out of the list; the lock is held. */
static struct image *take_superfluous(void) {
  struct image *superfluous = NULL;
  unsigned idle = 0;
  size_t bytes = 0;
  for (struct image **link = &images; *link;) {
    struct image *const image = *link;
    const bool unused = atomic_load(&image->references) == 0;
    const size_t size = image->length + ptx_module_bytes(image->ptx);
    if (unused) bytes += size;
    if (unused && (++idle > KEPT || bytes > KEPT_BYTES)) {
      bytes -= size;
      *link = image->next;
      image->next = superfluous;
      superfluous = image;
    } else {
      link = &image->next;
    }
  }
  return superfluous;
}

static struct image *find(uint64_t hash, const char *texts, size_t length) {
  for (struct image **link = &images; *link; link = &(*link)->next) {
    struct image *const image = *link;
    if (image->hash != hash || image->length != length || memcmp(image->texts, texts, length) != 0) continue;
    *link = image->next;
    image->next = images;
    images = image;
    atomic_fetch_add(&image->references, 1);
    return image;
  }
  return NULL;
}

void rf_image_hold(struct image *image) { atomic_fetch_add(&image->references, 1); }

void rf_image_release(struct image *image) {
  if (!image) return;
  pthread_mutex_lock(&images_lock);
  atomic_fetch_sub(&image->references, 1);
  struct image *superfluous = take_superfluous();
  pthread_mutex_unlock(&images_lock);
  size_t large = 0;
  while (superfluous) {
    struct image *const next = superfluous->next;
    large += superfluous->length + ptx_module_bytes(superfluous->ptx);
    destroy(superfluous);
    superfluous = next;
  }
#ifdef __GLIBC__
  if (large > KEPT_BYTES) malloc_trim(0); /* many small pieces: the system has them back only when asked */
#endif
}

/* The number in `.target sm_80`. */
static int target_of(const char *text) {
  const char *const directive = strstr(text, ".target");
  const char *const name = directive ? strstr(directive, "sm_") : NULL;
  return name && isdigit((unsigned char)name[3]) ? (int)strtol(name + 3, NULL, 10) : 0;
}

CUresult rf_result_of(enum ptx_status status) {
  switch (status) {
    case PTX_OK: return CUDA_SUCCESS;
    case PTX_UNSUPPORTED: return CUDA_ERROR_NOT_SUPPORTED;
    case PTX_NEWER: return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
    case PTX_NO_MEMORY: return CUDA_ERROR_OUT_OF_MEMORY;
    case PTX_INVALID:
    case PTX_UNRESOLVED: break;
  }
  return CUDA_ERROR_INVALID_PTX;
}

static CUresult compile(const struct rf_texts *texts, struct ptx_module **ptx, char *log) {
  struct ptx_text *const list = calloc(texts->count ? texts->count : 1, sizeof *list);
  if (!list) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < texts->count; i++)
    list[i] = (struct ptx_text){.text = texts->list[i].text, .length = texts->list[i].length, .name = texts->list[i].name};
  const struct ptx_options options = {.checks = rf_settings.checks, .memory = atomic_load(&rf_code_limit)};
  const CUresult result = rf_result_of(texts->count == 1 ? ptx_module_load(list->text, list->length, &options, ptx, log, RF_JIT_LOG)
                                                      : ptx_module_link(list, texts->count, &options, ptx, log, RF_JIT_LOG));
  free(list);
  return result;
}

CUresult rf_image_of(const struct rf_texts *texts, struct image **found, char *log) {
  log[0] = '\0';
  size_t length = sizeof texts->max_registers;
  for (size_t i = 0; i < texts->count; i++) length += texts->list[i].length + 1;
  char *const joined = malloc(length);
  if (!joined) return CUDA_ERROR_OUT_OF_MEMORY;
  size_t at = 0;
  for (size_t i = 0; i < texts->count; i++) {
    memcpy(joined + at, texts->list[i].text, texts->list[i].length);
    at += texts->list[i].length;
    joined[at++] = '\0';
  }
  memcpy(joined + at, &texts->max_registers, sizeof texts->max_registers);
  const uint64_t hash = hash_of(joined, length);
  pthread_mutex_lock(&images_lock);
  struct image *image = find(hash, joined, length);
  pthread_mutex_unlock(&images_lock);
  if (image) {
    free(joined);
    *found = image;
    return CUDA_SUCCESS;
  }
  struct ptx_module *ptx = NULL;
  CUresult result = compile(texts, &ptx, log);
  if (!result && !(image = calloc(1, sizeof *image))) {
    ptx_module_free(ptx);
    result = CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (result) {
    free(joined);
    return result;
  }
  ptx_module_limit_registers(ptx, texts->max_registers);
  image->ptx = ptx;
  image->hash = hash;
  image->texts = joined;
  image->length = length;
  image->target = texts->count ? target_of(texts->list[0].text) : 0;
  for (size_t i = 0; i < ptx_global_count(ptx); i++) {
    struct ptx_global_info info;
    ptx_global_at(ptx, i, &info);
    if (info.constant) image->constant_bytes += info.size;
  }
  atomic_store(&image->references, 1);
  pthread_mutex_lock(&images_lock);
  image->next = images; /* another thread may have loaded the same meanwhile: then there are two, which harms nobody */
  images = image;
  pthread_mutex_unlock(&images_lock);
  *found = image;
  return CUDA_SUCCESS;
}

CUresult rf_image_load(const void *data, size_t size, const char *name, unsigned count, const CUjit_option *options, void **values,
                       struct image **image) {
  struct rf_jit jit;
  struct rf_texts texts;
  char log[RF_JIT_LOG] = "";
  RF_TRY(rf_jit_read(count, options, values, &jit));
  CUresult result = rf_texts_find(data, size, name, &texts, log);
  if (!result && jit.max_registers) texts.max_registers = jit.max_registers;
  if (!result) result = rf_image_of(&texts, image, log);
  rf_texts_free(&texts);
  rf_jit_report(&jit, result ? log : "");
  return result;
}
