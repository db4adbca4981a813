/*
 * Images: the code that a program hands over, as PTX that the engine has parsed, linked and decoded. An image belongs to
 * no context; modules and libraries made of the same text share one, which is found again by its content.
 */
#ifndef RF_STUB_IMAGE_H
#define RF_STUB_IMAGE_H

#include "api.h"
#include "ptx/ptx.h"

struct image {
  struct image *next;
  _Atomic unsigned references;
  struct ptx_module *ptx;
  uint64_t hash;
  char *texts;        /* what it was made of, to be compared: the texts one after the other, each with its NUL, then the limit of registers */
  size_t length;      /* bytes of `texts` */
  int target;         /* of .target sm_80: 80; 0 when the text names none */
  uint64_t constant_bytes;
};

/* One text to be linked. */
struct rf_text {
  char *text;         /* malloc'ed, NUL-terminated */
  size_t length;      /* without the NUL */
  char name[64];      /* for messages */
};

struct rf_texts {
  struct rf_text *list;
  size_t count;
  uint32_t max_registers; /* CU_JIT_MAX_REGISTERS; 0: any number */
};

/* What the program asked of the compiler: CUjit_option, of which this GPU honours the logs, the time and the limit of registers. */
struct rf_jit {
  char *info, *error;             /* the program's buffers, or NULL */
  size_t info_size, error_size;
  void **info_filled, **error_filled; /* option values that get the bytes written */
  void **wall_time;
  uint32_t max_registers;
  uint64_t begun_ns;
};

/* Errors: INVALID_VALUE (unknown option, NULL list), NOT_SUPPORTED (an option that would change the program's meaning). */
CUresult rf_jit_read(unsigned count, const CUjit_option *options, void **values, struct rf_jit *jit);
/* Fills in the logs and the time; `log` is empty when all went well. Also says `log` on stderr. */
void rf_jit_report(const struct rf_jit *jit, const char *log);

#define RF_JIT_LOG 4096 /* bytes of a log that are kept */

/*
 * Finds the PTX in `data`: PTX text, a fat binary or its wrapper, or what cuLinkComplete returned. `size` is 0 when the
 * caller does not know it; then headers, or the text's NUL, say it, as for a real driver.
 * Errors, explained in `log`: INVALID_IMAGE, NO_BINARY_FOR_GPU (machine code, and no PTX beside it), NOT_SUPPORTED,
 * OUT_OF_MEMORY. The texts are the caller's to free with rf_texts_free.
 */
CUresult rf_texts_find(const void *data, size_t size, const char *name, struct rf_texts *texts, char *log);
void rf_texts_free(struct rf_texts *texts);
bool rf_texts_add(struct rf_texts *texts, const char *text, size_t length, const char *name);

/*
 * Adds the PTX that a host object file, or a library of such, carries for this GPU; none is no error.
 * Errors: INVALID_IMAGE (no such file, or cut off), and rf_texts_find's.
 */
CUresult rf_texts_of_object(const void *data, size_t size, const char *name, struct rf_texts *into, char *log);
CUresult rf_texts_of_library(const void *data, size_t size, const char *name, struct rf_texts *into, char *log);

/* What cuLinkComplete gives out: the texts behind a header, to be loaded, or kept in a file and loaded later. malloc'ed. */
void *rf_texts_pack(const struct rf_texts *texts, size_t *size);

/* Reads a whole file. Errors: FILE_NOT_FOUND, OUT_OF_MEMORY. *data has a NUL behind its end. */
CUresult rf_file_read(const char *path, char **data, size_t *size);

/* Bytes that one image may take while it is made; 0: any number. */
extern _Atomic size_t rf_code_limit;

/* What the driver answers for a text of this status. */
CUresult rf_result_of(enum ptx_status status);

/* The image of these texts. Errors, explained in `log`: INVALID_PTX, UNSUPPORTED_PTX_VERSION, NOT_SUPPORTED (valid, but this engine lacks it), OUT_OF_MEMORY. */
CUresult rf_image_of(const struct rf_texts *texts, struct image **image, char *log);
/* Both at once, with the program's options. */
CUresult rf_image_load(const void *data, size_t size, const char *name, unsigned count, const CUjit_option *options, void **values,
                       struct image **image);
void rf_image_hold(struct image *image);
void rf_image_release(struct image *image); /* NULL: nothing */

#endif
