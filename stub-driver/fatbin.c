/*
 * Finds the PTX in what programs hand over: PTX text, nvcc's fat binaries, our own linker's output. See image.h.
 *
 * A fat binary is a header and entries, each machine code for one architecture or PTX, possibly compressed. This GPU is of
 * capability 8.0 and executes PTX only, so the PTX of the highest architecture up to that is taken, else the lowest
 * there is: it may still be executed.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decompress.h"
#include "image.h"

#define WRAPPER_MAGIC 0x466243b1u
#define FATBIN_MAGIC 0xba55ed50u
#define ELF_MAGIC 0x464c457fu
#define LINKED_MAGIC UINT64_C(0x314b4e494c465247) /* "GRFLINK1" */
#define CAPABILITY 80
#define LARGEST_TEXT ((uint64_t)1 << 30)

#define KIND_PTX 1
#define KIND_ELF 2
#define FLAG_LZ4 0x2000u
#define FLAG_ZSTD 0x8000u

struct wrapper {
  uint32_t magic, version;
  const void *data;
  const void *const *linked; /* version 2: of each separately compiled file its fat binary, up to a NULL; `data` is what nvcc linked of them */
};

struct header {
  uint32_t magic;
  uint16_t version, header_size;
  uint64_t size; /* behind the header */
};

struct entry {
  uint16_t kind, version;
  uint32_t header_size;
  uint64_t size; /* padded */
  uint32_t compressed_size, unknown;
  uint16_t minor, major;
  uint32_t architecture;
  uint32_t name_offset, name_length;
  uint64_t flags, zero;
  uint64_t full_size;
};

struct linked {
  uint64_t magic, size; /* of everything */
  uint32_t count;       /* then per text: u64 length, 64 bytes of name, the text */
  uint32_t max_registers;
};

_Static_assert(sizeof(struct header) == 16 && sizeof(struct entry) == 64, "as nvcc writes them");

static CUresult refuse(char *log, CUresult result, const char *what) {
  snprintf(log, RF_JIT_LOG, "%s", what);
  return result;
}

void rf_texts_free(struct rf_texts *texts) {
  for (size_t i = 0; i < texts->count; i++) free(texts->list[i].text);
  free(texts->list);
  *texts = (struct rf_texts){0};
}

/* Takes `text` over. */
static bool add_owned(struct rf_texts *texts, char *text, size_t length, const char *name) {
  struct rf_text *const grown = text ? realloc(texts->list, (texts->count + 1) * sizeof *grown) : NULL;
  if (!grown) {
    free(text);
    return false;
  }
  texts->list = grown;
  /* Compilers count the NUL, and padding, as part of the text. */
  while (length && text[length - 1] == '\0') length--;
  struct rf_text *const added = &grown[texts->count++];
  added->text = text;
  added->length = length;
  memset(added->name, 0, sizeof added->name); /* all of it goes into what cuLinkComplete gives out, and may leave this process */
  snprintf(added->name, sizeof added->name, "%s", name ? name : "ptx");
  return true;
}

bool rf_texts_add(struct rf_texts *texts, const char *text, size_t length, const char *name) {
  char *const copy = malloc(length + 1);
  if (!copy) return false;
  memcpy(copy, text, length);
  copy[length] = '\0';
  return add_owned(texts, copy, length, name);
}

/* How well an architecture suits; 0 is never better than anything. */
static int rank(uint32_t architecture) {
  return architecture <= CAPABILITY ? 100000 + (int)architecture : 100000 - (int)(architecture > 99999 ? 99999 : architecture);
}

static CUresult expand(const struct entry *entry, const unsigned char *payload, const char *name, struct rf_texts *texts, char *log) {
  if (!(entry->flags & (FLAG_LZ4 | FLAG_ZSTD)))
    return rf_texts_add(texts, (const char *)payload, entry->size, name) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  if (entry->full_size > LARGEST_TEXT || entry->compressed_size > entry->size)
    return refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged: the sizes of a compressed entry make no sense");
  char *const text = malloc(entry->full_size + 1);
  if (!text) return CUDA_ERROR_OUT_OF_MEMORY;
  text[entry->full_size] = '\0';
  CUresult result = CUDA_SUCCESS;
  if (entry->flags & FLAG_LZ4) {
    if (!rf_lz4(payload, entry->compressed_size, (unsigned char *)text, entry->full_size))
      result = refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged: an LZ4 entry does not decompress");
  } else {
    switch (rf_zstd(payload, entry->compressed_size, (unsigned char *)text, entry->full_size)) {
      case RF_ZSTD_DONE: break;
      case RF_ZSTD_BROKEN:
        result = refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged: a Zstandard entry does not decompress");
        break;
      case RF_ZSTD_MISSING:
        result = refuse(log, CUDA_ERROR_NOT_SUPPORTED,
                        "the fat binary's PTX is compressed with Zstandard, and libzstd.so.1 is not installed here; install it "
                        "(Debian: libzstd1), or compile with nvcc --compress-mode=speed or =none");
        break;
    }
  }
  if (result) {
    free(text);
    return result;
  }
  return add_owned(texts, text, entry->full_size, name) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* `size`: bytes at `data`, or 0 when the header alone says it. */
static CUresult from_fatbin(const unsigned char *data, size_t size, const char *name, struct rf_texts *texts, char *log) {
  struct header header;
  if (size && size < sizeof header) return refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary ends within its header");
  memcpy(&header, data, sizeof header);
  if (header.magic != FATBIN_MAGIC || header.header_size < sizeof header)
    return refuse(log, CUDA_ERROR_INVALID_IMAGE, "this is no fat binary: its magic number or header is wrong");
  if (size && (header.header_size > size || header.size > size - header.header_size))
    return refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is cut off: its header names more bytes than there are");
  const unsigned char *at = data + header.header_size, *best_payload = NULL;
  struct entry best = {.kind = 0};
  uint64_t left = header.size;
  bool machine_code = false;
  while (left >= sizeof best) {
    struct entry entry;
    memcpy(&entry, at, sizeof entry);
    if (entry.header_size < sizeof entry || entry.header_size > left || entry.size > left - entry.header_size)
      return refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary is damaged: an entry reaches beyond its end");
    if (entry.kind == KIND_PTX && (!best_payload || rank(entry.architecture) > rank(best.architecture))) {
      best = entry;
      best_payload = at + entry.header_size;
    }
    machine_code |= entry.kind == KIND_ELF;
    at += entry.header_size + entry.size;
    left -= entry.header_size + entry.size;
  }
  if (best_payload) return expand(&best, best_payload, name, texts, log);
  return refuse(log, CUDA_ERROR_NO_BINARY_FOR_GPU,
                machine_code ? "the fat binary has machine code only; this GPU executes PTX: compile with -gencode arch=compute_80,code=compute_80"
                             : "the fat binary has no PTX");
}

static CUresult from_wrapper(const void *data, size_t size, const char *name, struct rf_texts *texts, char *log) {
  struct wrapper wrapper;
  if (size && size < sizeof wrapper) return refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary's wrapper is cut off");
  memcpy(&wrapper, data, sizeof wrapper);
  if (wrapper.version == 2 && wrapper.linked && *wrapper.linked) {
    CUresult result = CUDA_SUCCESS; /* they are one program: each is needed */
    for (const void *const *fatbin = wrapper.linked; *fatbin && !result; fatbin++) result = from_fatbin(*fatbin, 0, name, texts, log);
    return result;
  }
  return wrapper.data ? from_fatbin(wrapper.data, 0, name, texts, log)
                      : refuse(log, CUDA_ERROR_INVALID_IMAGE, "the fat binary's wrapper points nowhere");
}

static CUresult from_linked(const char *data, size_t size, struct rf_texts *texts, char *log) {
  static const char damaged[] = "the linked image is damaged";
  struct linked header;
  if (size && size < sizeof header) return refuse(log, CUDA_ERROR_INVALID_IMAGE, damaged);
  memcpy(&header, data, sizeof header);
  if ((size && header.size > size) || header.size < sizeof header) return refuse(log, CUDA_ERROR_INVALID_IMAGE, damaged);
  texts->max_registers = header.max_registers;
  const char *at = data + sizeof header;
  uint64_t left = header.size - sizeof header;
  for (uint64_t i = 0; i < header.count; i++) {
    uint64_t length = 0;
    char name[64];
    if (left < sizeof length + sizeof name) return refuse(log, CUDA_ERROR_INVALID_IMAGE, damaged);
    memcpy(&length, at, sizeof length);
    memcpy(name, at + sizeof length, sizeof name);
    name[sizeof name - 1] = '\0';
    at += sizeof length + sizeof name;
    left -= sizeof length + sizeof name;
    if (length > left) return refuse(log, CUDA_ERROR_INVALID_IMAGE, damaged);
    if (!rf_texts_add(texts, at, length, name)) return CUDA_ERROR_OUT_OF_MEMORY;
    at += length;
    left -= length;
  }
  return CUDA_SUCCESS;
}

void *rf_texts_pack(const struct rf_texts *texts, size_t *size) {
  struct linked header = {.magic = LINKED_MAGIC, .size = sizeof header, .count = (uint32_t)texts->count, .max_registers = texts->max_registers};
  for (size_t i = 0; i < texts->count; i++) header.size += sizeof(uint64_t) + sizeof texts->list[i].name + texts->list[i].length;
  char *const packed = malloc(header.size), *at = packed;
  if (!packed) return NULL;
  memcpy(at, &header, sizeof header);
  at += sizeof header;
  for (size_t i = 0; i < texts->count; i++) {
    const struct rf_text *const text = &texts->list[i];
    const uint64_t length = text->length;
    memcpy(at, &length, sizeof length);
    memcpy(at + sizeof length, text->name, sizeof text->name);
    memcpy(at + sizeof length + sizeof text->name, text->text, text->length);
    at += sizeof length + sizeof text->name + text->length;
  }
  *size = header.size;
  return packed;
}

/* As NVIDIA's driver (590.48) looks at a text: one with anything else in front, .target say, is no PTX to it. */
static bool begins_as_ptx(const char *text, size_t length) {
  static const char *const beginnings[] = {".version", "//", "/*"};
  while (length && isspace((unsigned char)*text)) text++, length--;
  for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
    if (length >= strlen(beginnings[i]) && !memcmp(text, beginnings[i], strlen(beginnings[i]))) return true;
  return false;
}

static CUresult from_text(const char *text, size_t length, const char *name, struct rf_texts *texts, char *log) {
  if (!begins_as_ptx(text, length))
    return refuse(log, CUDA_ERROR_INVALID_IMAGE, "this is neither PTX, which begins with .version or a comment, nor a fat binary nor machine code");
  return rf_texts_add(texts, text, length, name) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult rf_texts_find(const void *data, size_t size, const char *name, struct rf_texts *texts, char *log) {
  *texts = (struct rf_texts){0};
  log[0] = '\0';
  if (!data) return CUDA_ERROR_INVALID_VALUE;
  /* An empty text is a NUL and nothing else: no more bytes may be looked at than are known to be there. */
  char start[8] = {0};
  for (size_t i = 0; i < sizeof start && (!size || i < size); i++)
    if ((start[i] = ((const char *)data)[i]) == '\0' && i == 0) break;
    else if (start[i] == '\0' && i > 3) break;
  uint32_t magic = 0;
  uint64_t long_magic = 0;
  memcpy(&magic, start, sizeof magic);
  memcpy(&long_magic, start, sizeof long_magic);
  CUresult result = CUDA_SUCCESS;
  if (magic == WRAPPER_MAGIC)
    result = from_wrapper(data, size, name, texts, log);
  else if (magic == FATBIN_MAGIC)
    result = from_fatbin(data, size, name, texts, log);
  else if (long_magic == LINKED_MAGIC)
    result = from_linked(data, size, texts, log);
  else if (magic == ELF_MAGIC)
    result = refuse(log, CUDA_ERROR_NO_BINARY_FOR_GPU,
                    "this is machine code (a cubin); the software GPU executes PTX: load PTX, or a fat binary that holds some");
  else
    result = from_text(data, size ? strnlen(data, size) : strlen(data), name, texts, log);
  if (result) rf_texts_free(texts);
  return result;
}

CUresult rf_file_read(const char *path, char **data, size_t *size) {
  FILE *const file = fopen(path, "rb");
  if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
  char *bytes = NULL;
  size_t length = 0, capacity = 0;
  CUresult result = CUDA_SUCCESS;
  for (;;) {
    if (length + 1 >= capacity) {
      capacity = capacity ? capacity * 2 : 1 << 16;
      char *const grown = capacity > LARGEST_TEXT * 2 ? NULL : realloc(bytes, capacity);
      if (!grown) {
        result = CUDA_ERROR_OUT_OF_MEMORY;
        break;
      }
      bytes = grown;
    }
    const size_t got = fread(bytes + length, 1, capacity - length - 1, file);
    if (got == 0) {
      if (ferror(file)) result = CUDA_ERROR_FILE_NOT_FOUND; /* a folder, or a disk that fails: there is no such file to load */
      break;
    }
    length += got;
  }
  fclose(file);
  if (result) {
    free(bytes);
    return result;
  }
  bytes[length] = '\0';
  *data = bytes;
  *size = length;
  return CUDA_SUCCESS;
}
