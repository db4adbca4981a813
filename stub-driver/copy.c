/* See copy.h. */
#include "copy.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aliased.h"
#include "card.h"
#include "context.h"
#include "log.h"
#include "range.h"
#include "settings.h"
#include "space.h"
#include "stream.h"
#include "written.h"

#define MOST_OF_A_FRAME (RF_FRAME_SIZE / 2)
#define STAGED_BYTES ((uint64_t)64 << 10) /* pageable sources up to this are read into a buffer of the operation */

/* Host memory to the card, as a card does it: its copy engine writes memory and leaves the processor's caches alone. Streaming stores spare
 * reading the lines that are overwritten, which is a third of what crosses the memory's bus, and keep the source in the caches: a
 * chunk that another process fills again and again comes over half again as fast. Small copies are plain: who sets them up is
 * likely to look at them soon. */
#define STREAMED_BYTES ((uint64_t)128 << 10)

#if defined(__x86_64__)
#include <emmintrin.h>

static void write_streaming(char *to, const char *from, uint64_t length) {
  const uint64_t before = -(uintptr_t)to & 63, lines = (length - before) / 64;
  memcpy(to, from, before);
  to += before;
  from += before;
  for (uint64_t i = 0; i < lines; i++, to += 64, from += 64) {
    const __m128i *const source = (const __m128i *)(const void *)from;
    const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1), c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
    __m128i *const target = (__m128i *)(void *)to;
    _mm_stream_si128(target, a);
    _mm_stream_si128(target + 1, b);
    _mm_stream_si128(target + 2, c);
    _mm_stream_si128(target + 3, d);
  }
  _mm_sfence(); /* before anybody is told that the copy is done */
  memcpy(to, from, length - before - lines * 64);
}
#else
static void write_streaming(char *to, const char *from, uint64_t length) { memcpy(to, from, length); }
#endif

/* ---- execution ---------------------------------------------------------------------------------------------------- */

/* Where `address` of an end is, and how many bytes follow it there. NULL: no memory. */
static inline char *locate(const struct rf_end *end, uint64_t address, uint64_t *length) {
  if (!end->device) {
    *length = UINT64_MAX;
    return (char *)(uintptr_t)address;
  }
  return rf_space_translate(address, length);
}

static CUresult copy_row(const struct rf_copy *copy, uint64_t source, uint64_t target, uint64_t bytes, CUdeviceptr *fault) {
  while (bytes) {
    uint64_t from_length = 0, to_length = 0;
    char *const from = locate(&copy->source, source, &from_length);
    char *const to = locate(&copy->target, target, &to_length);
    if (RF_UNLIKELY(!from || !to)) {
      *fault = from ? target : source;
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    uint64_t length = from_length < to_length ? from_length : to_length;
    if (length > bytes) length = bytes;
    if (length >= MOST_OF_A_FRAME) {
      if (copy->source.device) rf_card_populate(from);
      if (copy->target.device) rf_card_populate(to);
    }
    if (length >= STREAMED_BYTES && copy->target.device && !copy->source.device)
      write_streaming(to, from, length);
    else if (copy->source.device != copy->target.device)
      rf_memcpy(to, from, length);
    else
      memmove(to, from, length);
    if (RF_UNLIKELY(RF_CHECKS_INIT) && copy->target.device) rf_written_mark(target, length, true);
    source += length;
    target += length;
    bytes -= length;
  }
  return CUDA_SUCCESS;
}

CUresult rf_copy_execute(const struct rf_copy *copy, CUdeviceptr *fault) {
  const struct rf_end *const source = &copy->source, *const target = &copy->target;
  uint64_t width = copy->width, height = copy->height, depth = copy->depth;
  if (height > 1 && source->pitch == width && target->pitch == width) {
    /* Rows without gaps are one row; slices likewise. */
    const bool whole = depth > 1 && source->slice == width * height && target->slice == width * height;
    width *= height;
    height = 1;
    if (whole) {
      width *= depth;
      depth = 1;
    }
  }
  for (uint64_t z = 0; z < depth; z++)
    for (uint64_t y = 0; y < height; y++)
      RF_TRY(copy_row(copy, source->address + z * source->slice + y * source->pitch,
                      target->address + z * target->slice + y * target->pitch, width, fault));
  return CUDA_SUCCESS;
}

/* Fills whole elements: the targets are aligned to the element, so none straddles a page. */
static void fill_bytes(char *to, uint64_t bytes, uint32_t value, unsigned element) {
  const uint8_t low = (uint8_t)value;
  if (element == 1 || value == low * (element == 2 ? 0x0101u : 0x01010101u)) {
    memset(to, low, bytes);
  } else if (element == 2) {
    uint16_t *const words = (uint16_t *)(void *)to;
    for (uint64_t i = 0; i < bytes / 2; i++) words[i] = (uint16_t)value;
  } else {
    uint32_t *const words = (uint32_t *)(void *)to;
    for (uint64_t i = 0; i < bytes / 4; i++) words[i] = value;
  }
}

CUresult rf_fill_execute(const struct rf_fill *fill, CUdeviceptr *fault) {
  uint64_t width = fill->width, height = fill->height;
  if (fill->target.pitch == width) {
    width *= height;
    height = 1;
  }
  for (uint64_t y = 0; y < height; y++) {
    uint64_t address = fill->target.address + y * fill->target.pitch;
    for (uint64_t bytes = width; bytes;) {
      uint64_t length = 0;
      char *const to = locate(&fill->target, address, &length);
      if (RF_UNLIKELY(!to)) {
        *fault = address;
        return CUDA_ERROR_ILLEGAL_ADDRESS;
      }
      if (length > bytes) length = bytes;
      if (length >= MOST_OF_A_FRAME && fill->target.device) rf_card_populate(to);
      fill_bytes(to, length, fill->value, fill->element);
      if (RF_UNLIKELY(RF_CHECKS_INIT) && fill->target.device) rf_written_mark(address, length, true);
      address += length;
      bytes -= length;
    }
  }
  return CUDA_SUCCESS;
}

/* ---- ends --------------------------------------------------------------------------------------------------------- */

uint64_t rf_end_span(uint64_t pitch, uint64_t slice, uint64_t width, uint64_t height, uint64_t depth) {
  if (!width || !height || !depth) return 0;
  uint64_t rows = 0, slices = 0, span = 0;
  if (__builtin_mul_overflow(pitch, height - 1, &rows) || __builtin_mul_overflow(slice, depth - 1, &slices) ||
      __builtin_add_overflow(rows, slices, &span) || __builtin_add_overflow(span, width, &span))
    return UINT64_MAX;
  return span;
}

/* Whether host memory is mapped there at all. A hint, no guarantee: another thread may unmap it at once. */
static bool is_host_memory(uint64_t address, uint64_t size) {
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  const uint64_t first = address & ~(page - 1);
  if (address + size < address) return false;
  return msync((void *)(uintptr_t)first, (size_t)(address + size - first), MS_ASYNC) == 0;
}

CUresult rf_end_host(const void *pointer, uint64_t size, struct rf_end *end) {
  const uint64_t address = (uint64_t)(uintptr_t)pointer;
  if (!pointer || address + size < address) return CUDA_ERROR_INVALID_VALUE;
  *end = (struct rf_end){.address = address, .pageable = !rf_range_covers(address, size)};
  return CUDA_SUCCESS;
}

CUresult rf_end_unified(const char *call, const char *what, uint64_t address, uint64_t size, unsigned access,
                        bool pageable_too, struct rf_end *end) {
  *end = (struct rf_end){.address = address};
  if (rf_space_owns(address)) {
    end->device = true;
    if (rf_space_check(address, size, access, false)) return CUDA_SUCCESS;
  } else {
    if (rf_range_covers(address, size)) return CUDA_SUCCESS;
    struct rf_range range;
    if (pageable_too && !rf_range_find(address, &range) && is_host_memory(address, size)) {
      end->pageable = true;
      return CUDA_SUCCESS;
    }
  }
  rf_space_complain(call, what, address, size);
  return CUDA_ERROR_INVALID_VALUE;
}

/* ---- submission --------------------------------------------------------------------------------------------------- */

/* Reads a pageable source now, so that the caller may reuse it at once. False: no memory for it. */
static bool stage(struct rf_op *op) {
  struct rf_copy *const copy = &op->copy;
  const uint64_t bytes = copy->width * copy->height * copy->depth;
  char *const buffer = malloc(bytes);
  if (!buffer) return false;
  char *to = buffer;
  for (uint64_t z = 0; z < copy->depth; z++)
    for (uint64_t y = 0; y < copy->height; y++, to += copy->width)
      memcpy(to, (const char *)(uintptr_t)(copy->source.address + z * copy->source.slice + y * copy->source.pitch), copy->width);
  op->owned = buffer;
  copy->source = (struct rf_end){
      .address = (uint64_t)(uintptr_t)buffer, .pitch = copy->width, .slice = copy->width * copy->height};
  return true;
}

CUresult rf_copy_submit(const char *call, struct stream *stream, const struct rf_copy *copy, bool asynchronous) {
  if (!copy->width || !copy->height || !copy->depth) return CUDA_SUCCESS;
  struct rf_op op = {.kind = RF_OP_COPY, .call = call, .copy = *copy};
  const uint64_t bytes = copy->width * copy->height * copy->depth;
  if (!asynchronous || copy->target.pageable) return rf_submit(stream, &op, RF_NOW, false);
  const bool slow = rf_settings.bandwidth || rf_settings.latency_ns;
  if (copy->source.pageable) {
    /* On an idle stream the copy itself is the quickest way to be done with the caller's memory. */
    if (!slow && rf_stream_clear(stream)) return rf_submit(stream, &op, RF_NOW, false);
    if (bytes > STAGED_BYTES || !stage(&op)) return rf_submit(stream, &op, RF_NOW, false);
  }
  return rf_submit(stream, &op, RF_LATER, !slow && bytes <= rf_settings.inline_bytes);
}
