/* Texture and surface objects; see texture.h. Their numbers are what kernels get in their parameters. */
#include "texture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "context.h"

/* Kernels copy descriptions while the program makes and destroys objects. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static CUresult publish(enum rf_kind kind, struct context *context, const struct texture *made, uint64_t *handle) {
  struct texture *const texture = rf_object_new(kind, NULL);
  if (!texture) return CUDA_ERROR_OUT_OF_MEMORY;
  pthread_mutex_lock(&lock);
  const struct rf_object object = texture->object;
  *texture = *made;
  texture->object = object;
  texture->context = context->epoch;
  *handle = rf_object_publish(kind, &texture->object);
  pthread_mutex_unlock(&lock);
  return CUDA_SUCCESS;
}

/*
 * Programs destroy a texture right behind the launch that reads it (ffmpeg does), and on hardware that kernel finds its
 * descriptor all the same. So what was destroyed lately is kept for launches that were made before: the last GRAVES of them.
 */
#define GRAVES 1024

static struct grave {
  uint64_t handle, context, serial;
  bool surface;
  CUDA_RESOURCE_DESC resource;
  struct ptx_image image;
} *graves;
static uint64_t destroyed; /* how many there have been */

uint64_t rf_texture_serial(void) {
  pthread_mutex_lock(&lock);
  const uint64_t serial = destroyed;
  pthread_mutex_unlock(&lock);
  return serial;
}

static void bury(const struct texture *texture, uint64_t handle, bool surface) {
  if (!graves) graves = calloc(GRAVES, sizeof *graves);
  if (graves)
    graves[destroyed % GRAVES] = (struct grave){.handle = handle, .context = texture->context, .serial = destroyed + 1, .surface = surface,
                                                .resource = texture->resource, .image = texture->image};
  destroyed++;
}

static const struct grave *exhume(uint64_t handle, bool surface, uint64_t serial) {
  for (unsigned i = 0; graves && i < GRAVES; i++)
    if (graves[i].handle == handle && graves[i].surface == surface && graves[i].serial > serial) return &graves[i];
  return NULL;
}

/* Objects of other contexts are found too: asking about one and destroying it need no context of its own. */
static CUresult find(enum rf_kind kind, uint64_t handle, struct texture *copy) {
  pthread_mutex_lock(&lock);
  const struct texture *const texture = rf_object_find(kind, handle);
  if (texture) {
    copy->resource = texture->resource;
    copy->sampling = texture->sampling;
    copy->view = texture->view;
    copy->has_view = texture->has_view;
  }
  pthread_mutex_unlock(&lock);
  return texture ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult destroy(enum rf_kind kind, uint64_t handle) {
  pthread_mutex_lock(&lock);
  struct texture *const texture = rf_object_find(kind, handle);
  const bool mine = texture && rf_object_withdraw(&texture->object, handle);
  if (mine) {
    bury(texture, handle, kind == RF_KIND_SURFACE);
    rf_object_recycle(kind, &texture->object);
  }
  pthread_mutex_unlock(&lock);
  return mine ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

bool rf_texture_image(uint64_t handle, uint64_t context, uint64_t serial, bool surface, struct ptx_image *image) {
  pthread_mutex_lock(&lock);
  const struct texture *const texture = rf_object_find(surface ? RF_KIND_SURFACE : RF_KIND_TEXTURE, handle);
  const struct grave *const grave = texture ? NULL : exhume(handle, surface, serial);
  const bool found = texture ? texture->context == context && rf_resource_lives(&texture->resource) : grave && grave->context == context && rf_resource_lives(&grave->resource);
  if (found) *image = texture ? texture->image : grave->image;
  pthread_mutex_unlock(&lock);
  return found;
}

static void free_of(enum rf_kind kind, struct texture *texture, const struct context *context) {
  if (texture->context == context->epoch) destroy(kind, atomic_load(&texture->object.handle));
}
static void free_texture_of(void *object, void *context) { free_of(RF_KIND_TEXTURE, object, context); }
static void free_surface_of(void *object, void *context) { free_of(RF_KIND_SURFACE, object, context); }

void rf_textures_free_context(struct context *context) {
  rf_object_each(RF_KIND_TEXTURE, free_texture_of, context);
  rf_object_each(RF_KIND_SURFACE, free_surface_of, context);
}

/* ---- textures ----------------------------------------------------------------------------------------------------- */

CUresult cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc, const CUDA_TEXTURE_DESC *pTexDesc,
                           const CUDA_RESOURCE_VIEW_DESC *pResViewDesc) {
  RF_ENTER_CONTEXT(context);
  if (!pTexObject || !pResDesc || !pTexDesc) return CUDA_ERROR_INVALID_VALUE;
  struct texture made = {.resource = *pResDesc, .sampling = *pTexDesc, .has_view = pResViewDesc != NULL};
  if (pResViewDesc) made.view = *pResViewDesc;
  RF_TRY(rf_image_of_texture(context, __func__, pResDesc, pTexDesc, pResViewDesc, &made.image));
  uint64_t handle = 0;
  RF_TRY(publish(RF_KIND_TEXTURE, context, &made, &handle));
  *pTexObject = handle;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectDestroy(CUtexObject texObject) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return destroy(RF_KIND_TEXTURE, texObject);
}

CUresult cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject) {
  struct texture texture;
  RF_ENTER();
  if (!pResDesc) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(RF_KIND_TEXTURE, texObject, &texture));
  *pResDesc = texture.resource;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject) {
  struct texture texture;
  RF_ENTER();
  if (!pTexDesc) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(RF_KIND_TEXTURE, texObject, &texture));
  *pTexDesc = texture.sampling;
  return CUDA_SUCCESS;
}

CUresult cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject) {
  struct texture texture;
  RF_ENTER();
  if (!pResViewDesc) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(RF_KIND_TEXTURE, texObject, &texture));
  if (!texture.has_view) return CUDA_ERROR_INVALID_VALUE; /* as documented: it was made without one */
  *pResViewDesc = texture.view;
  return CUDA_SUCCESS;
}

/* ---- surfaces ----------------------------------------------------------------------------------------------------- */

CUresult cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc) {
  RF_ENTER_CONTEXT(context);
  if (!pSurfObject || !pResDesc) return CUDA_ERROR_INVALID_VALUE;
  struct texture made = {.resource = *pResDesc};
  RF_TRY(rf_image_of_surface(context, pResDesc, &made.image));
  uint64_t handle = 0;
  RF_TRY(publish(RF_KIND_SURFACE, context, &made, &handle));
  *pSurfObject = handle;
  return CUDA_SUCCESS;
}

CUresult cuSurfObjectDestroy(CUsurfObject surfObject) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  return destroy(RF_KIND_SURFACE, surfObject);
}

CUresult cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject) {
  struct texture texture;
  RF_ENTER();
  if (!pResDesc) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(find(RF_KIND_SURFACE, surfObject, &texture));
  *pResDesc = texture.resource;
  return CUDA_SUCCESS;
}
