/*
 * cuLink*: PTX texts (alone, in fat binaries, objects or libraries) in, an image out. The image is the texts themselves behind a header (rf_texts_pack), checked by
 * linking them once: it can be kept in a file, as programs do with what a real linker gives them.
 */
#include "linker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"
#include "module.h"

static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t step_ended = PTHREAD_COND_INITIALIZER;

static struct linker *find(CUlinkState state) { return rf_object_find(RF_KIND_LINK, (uint64_t)(uintptr_t)state); }

/* A step of a state: others wait for its end, without a lock that anybody else needs, for a compiler is at work. NULL: there is no such state. */
static struct linker *begin(CUlinkState state) {
  pthread_mutex_lock(&links_lock);
  struct linker *linker = find(state);
  while (linker && linker->busy) {
    pthread_cond_wait(&step_ended, &links_lock);
    linker = find(state);
  }
  if (linker) linker->busy = true;
  pthread_mutex_unlock(&links_lock);
  return linker;
}

static void end(struct linker *linker) {
  pthread_mutex_lock(&links_lock);
  linker->busy = false;
  pthread_cond_broadcast(&step_ended);
  pthread_mutex_unlock(&links_lock);
}

static CUresult create(const char *call, unsigned count, CUjit_option *options, void **values, CUlinkState *state) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  struct rf_jit jit;
  if (!state) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_jit_read(count, options, values, &jit));
  struct linker *const linker = rf_object_new(RF_KIND_LINK, NULL);
  if (!linker) return CUDA_ERROR_OUT_OF_MEMORY;
  linker->jit = jit;
  linker->texts = (struct rf_texts){.max_registers = jit.max_registers};
  linker->packed = NULL;
  linker->busy = false;
  rf_jit_report(&jit, "");
  *state = (CUlinkState)(uintptr_t)rf_object_publish(RF_KIND_LINK, &linker->object);
  return CUDA_SUCCESS;
}

CUresult cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut) {
  return create(__func__, numOptions, options, optionValues, stateOut);
}

CUresult cuLinkCreate(unsigned int numOptions, CUjit_option *options, void **optionValues, CUlinkState *stateOut) {
  return create(__func__, numOptions, options, optionValues, stateOut);
}

/* Says at once what is wrong with a text on its own. That it needs others is no fault of it. */
static CUresult check(const struct rf_text *text, char *log) {
  struct ptx_module *ptx = NULL;
  const struct ptx_options options = {.memory = atomic_load(&rf_code_limit)};
  const enum ptx_status status = ptx_module_load(text->text, text->length, &options, &ptx, log, RF_JIT_LOG);
  if (status == PTX_OK) ptx_module_free(ptx);
  if (status == PTX_OK || status == PTX_UNRESOLVED) log[0] = '\0';
  return status == PTX_UNRESOLVED ? CUDA_SUCCESS : rf_result_of(status);
}

static CUresult refuse_type(CUjitInputType type, const char *name, char *log) {
  static const char *const names[] = {"a cubin", "PTX", "a fat binary", "an object file", "a library of objects", "NVVM IR"};
  if ((int)type < 0 || type >= CU_JIT_NUM_INPUT_TYPES) return CUDA_ERROR_INVALID_VALUE;
  snprintf(log, RF_JIT_LOG, "%s: the software GPU links PTX, and what holds PTX, not %s", name ? name : "input", names[type]);
  return type == CU_JIT_INPUT_CUBIN ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult add(struct linker *linker, CUjitInputType type, const void *data, size_t size, const char *name) {
  char log[RF_JIT_LOG] = "";
  struct rf_texts texts = {0};
  if (linker->packed) return CUDA_ERROR_INVALID_VALUE; /* it is complete */
  CUresult result;
  switch (type) {
    case CU_JIT_INPUT_PTX:
    case CU_JIT_INPUT_FATBINARY:
      result = rf_texts_find(data, size, name, &texts, log);
      if (type == CU_JIT_INPUT_PTX && result == CUDA_ERROR_INVALID_IMAGE) result = CUDA_ERROR_INVALID_PTX; /* what it is, is said */
      break;
    case CU_JIT_INPUT_OBJECT: result = rf_texts_of_object(data, size, name, &texts, log); break;
    case CU_JIT_INPUT_LIBRARY: result = rf_texts_of_library(data, size, name, &texts, log); break;
    default: result = refuse_type(type, name, log); break;
  }
  for (size_t i = 0; !result && i < texts.count; i++) {
    result = check(&texts.list[i], log);
    if (!result && !rf_texts_add(&linker->texts, texts.list[i].text, texts.list[i].length, texts.list[i].name))
      result = CUDA_ERROR_OUT_OF_MEMORY;
  }
  rf_texts_free(&texts);
  rf_jit_report(&linker->jit, result ? log : "");
  return result;
}

/* `options` here are those that concern one input; none changes what it means. */
static CUresult add_data(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name, unsigned count, CUjit_option *options,
                         void **values) {
  struct rf_jit ignored;
  if (!data || !size) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(rf_jit_read(count, options, values, &ignored));
  struct linker *const linker = begin(state);
  if (!linker) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult result = add(linker, type, data, size, name);
  end(linker);
  return result;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name, unsigned int numOptions,
                          CUjit_option *options, void **optionValues) {
  RF_ENTER();
  return add_data(state, type, data, size, name, numOptions, options, optionValues);
}

CUresult cuLinkAddData(CUlinkState state, CUjitInputType type, void *data, size_t size, const char *name, unsigned int numOptions,
                       CUjit_option *options, void **optionValues) {
  RF_ENTER();
  return add_data(state, type, data, size, name, numOptions, options, optionValues);
}

static CUresult add_file(const char *call, CUlinkState state, CUjitInputType type, const char *path, unsigned count, CUjit_option *options,
                         void **values) {
  if (!path) return CUDA_ERROR_INVALID_VALUE;
  char *data = NULL;
  size_t size = 0;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_file_read(path, &data, &size));
  const CUresult result = add_data(state, type, data, size + 1, path, count, options, values);
  free(data);
  return result;
}

CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions, CUjit_option *options,
                          void **optionValues) {
  return add_file(__func__, state, type, path, numOptions, options, optionValues);
}

CUresult cuLinkAddFile(CUlinkState state, CUjitInputType type, const char *path, unsigned int numOptions, CUjit_option *options,
                       void **optionValues) {
  return add_file(__func__, state, type, path, numOptions, options, optionValues);
}

static CUresult complete(struct linker *linker, void **image_out, size_t *size_out) {
  char log[RF_JIT_LOG] = "";
  struct image *image = NULL;
  if (linker->packed) return CUDA_ERROR_INVALID_VALUE;
  CUresult result = rf_image_of(&linker->texts, &image, log);
  rf_jit_report(&linker->jit, log);
  if (result) return result;
  rf_image_release(image); /* it stays known for a while: the load that follows finds it */
  size_t size = 0;
  linker->packed = rf_texts_pack(&linker->texts, &size);
  if (!linker->packed) return CUDA_ERROR_OUT_OF_MEMORY;
  *image_out = linker->packed;
  if (size_out) *size_out = size;
  return CUDA_SUCCESS;
}

CUresult cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut) {
  RF_ENTER();
  if (!cubinOut) return CUDA_ERROR_INVALID_VALUE;
  struct linker *const linker = begin(state);
  if (!linker) return CUDA_ERROR_INVALID_HANDLE;
  const CUresult result = complete(linker, cubinOut, sizeOut);
  end(linker);
  return result;
}

CUresult cuLinkDestroy(CUlinkState state) {
  RF_ENTER();
  struct linker *const linker = begin(state);
  if (!linker) return CUDA_ERROR_INVALID_HANDLE;
  pthread_mutex_lock(&links_lock);
  rf_object_withdraw(&linker->object, (uint64_t)(uintptr_t)state);
  rf_texts_free(&linker->texts);
  free(linker->packed);
  rf_object_recycle(RF_KIND_LINK, &linker->object);
  pthread_cond_broadcast(&step_ended); /* who waits for it finds it gone */
  pthread_mutex_unlock(&links_lock);
  return CUDA_SUCCESS;
}
