/*
 * What code will take of the card, asked before it is loaded: a call of the software GPU's own, for an executor that must not
 * exceed a zone's quota even for a moment. No real driver has it.
 */
#include "image.h"

__attribute__((visibility("default"))) CUresult ringfence_image_memory(const void *data, size_t size, size_t *variables, size_t *managed);

/* Bytes of the variables that an image has in each context, and of its managed ones, which it has once. The image is parsed, and stays
 * known for a while: loading it next finds it. Errors: those of loading it, without a word. */
CUresult ringfence_image_memory(const void *data, size_t size, size_t *variables, size_t *managed) {
  char log[RF_JIT_LOG] = "";
  struct rf_texts texts;
  struct image *image = NULL;
  if (!data || !variables || !managed) return CUDA_ERROR_INVALID_VALUE;
  CUresult result = rf_texts_find(data, size, NULL, &texts, log);
  if (!result) result = rf_image_of(&texts, &image, log);
  rf_texts_free(&texts);
  if (result) return result;
  *variables = *managed = 0;
  for (size_t i = 0; i < ptx_global_count(image->ptx); i++) {
    struct ptx_global_info info;
    ptx_global_at(image->ptx, i, &info);
    *(info.managed ? managed : variables) += info.size;
  }
  rf_image_release(image);
  return CUDA_SUCCESS;
}
