/*
 * See decompress.h. LZ4's block format is a page of code; Zstandard's is not, and its library is on every distribution, so
 * that is opened when the first such entry comes and the GPU does not depend on it otherwise.
 */
#include "decompress.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* A length of 15 goes on in bytes until one is not 255. */
static bool more_length(const unsigned char **at, const unsigned char *end, size_t *length) {
  if (*length != 15) return true;
  for (;;) {
    if (*at == end) return false;
    const unsigned char byte = *(*at)++;
    *length += byte;
    if (byte != 255) return true;
  }
}

bool rf_lz4(const unsigned char *source, size_t source_size, unsigned char *target, size_t target_size) {
  const unsigned char *at = source, *const end = source + source_size;
  size_t made = 0;
  while (at < end) {
    const unsigned char token = *at++;
    size_t literals = token >> 4, match = token & 15;
    if (!more_length(&at, end, &literals)) return false;
    if (literals > (size_t)(end - at) || literals > target_size - made) return false;
    memcpy(target + made, at, literals);
    at += literals;
    made += literals;
    if (at == end) break; /* the last sequence has no match */
    if (end - at < 2) return false;
    const size_t distance = at[0] | (size_t)at[1] << 8;
    at += 2;
    if (!more_length(&at, end, &match)) return false;
    match += 4;
    if (distance == 0 || distance > made || match > target_size - made) return false;
    for (size_t i = 0; i < match; i++, made++) target[made] = target[made - distance]; /* may overlap: that is how runs are made */
  }
  return made == target_size;
}

static size_t (*decompress)(void *target, size_t target_size, const void *source, size_t source_size);
static unsigned (*is_error)(size_t code);

static void open_library(void) {
  void *const library = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) return;
  void *const functions[2] = {dlsym(library, "ZSTD_decompress"), dlsym(library, "ZSTD_isError")};
  if (!functions[0] || !functions[1]) return;
  memcpy(&is_error, &functions[1], sizeof is_error);
  memcpy(&decompress, &functions[0], sizeof decompress);
}

enum rf_zstd rf_zstd(const unsigned char *source, size_t source_size, unsigned char *target, size_t target_size) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, open_library);
  if (!decompress) return RF_ZSTD_MISSING;
  const size_t made = decompress(target, target_size, source, source_size);
  return !is_error(made) && made == target_size ? RF_ZSTD_DONE : RF_ZSTD_BROKEN;
}
