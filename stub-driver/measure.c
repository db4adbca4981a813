/*
 * What code will take, asked before it is loaded: calls of the software GPU's own, for an executor that must not exceed a zone's
 * limits even for a moment. No real driver has them.
 */
#include "image.h"

#include "module.h"

/* Of the host's memory, bytes that turning code into instructions may take at any time; 0: any number. */
__attribute__((visibility("default"))) void ringfence_code_limit(size_t bytes);

enum { VARIABLES, MANAGED, CODE, INSTANCE, COUNTED };
__attribute__((visibility("default"))) CUresult ringfence_image_memory(const void *data, size_t size, uint64_t counted[COUNTED]);

/* What was measured last is kept for the load that follows, which would do all the work again. */
static _Atomic(struct image *) measured;

static void keep(struct image *image) {
  struct image *const before = atomic_exchange(&measured, image);
  rf_image_release(before);
}

/* Also lets go of what was measured and not loaded. */
void ringfence_code_limit(size_t bytes) {
  atomic_store(&rf_code_limit, bytes);
  keep(NULL);
}

/* Bytes of an image: its variables in each context and its managed ones, which it has once (both of the card); of the host's memory, its
 * text and the instructions that it is turned into, once, and what each module made of it needs.
 * Errors: those of loading it, without a word. */
CUresult ringfence_image_memory(const void *data, size_t size, uint64_t counted[COUNTED]) {
  char log[RF_JIT_LOG] = "";
  struct rf_texts texts;
  struct image *image = NULL;
  if (!data || !counted) return CUDA_ERROR_INVALID_VALUE;
  CUresult result = rf_texts_find(data, size, NULL, &texts, log);
  if (!result) result = rf_image_of(&texts, &image, log);
  rf_texts_free(&texts);
  if (result) return result;
  counted[VARIABLES] = counted[MANAGED] = 0;
  for (size_t i = 0; i < ptx_global_count(image->ptx); i++) {
    struct ptx_global_info info;
    ptx_global_at(image->ptx, i, &info);
    counted[info.managed ? MANAGED : VARIABLES] += info.size;
  }
  counted[INSTANCE] = sizeof(struct module) + ptx_instance_bytes(image->ptx) + ptx_global_count(image->ptx) * sizeof(struct module_global);
  counted[CODE] = sizeof *image + image->length + ptx_module_bytes(image->ptx);
  keep(image);
  return CUDA_SUCCESS;
}
