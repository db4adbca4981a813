/*
 * Texture and surface references: variables of a module that the program binds to memory, the way before there were objects.
 * A launch takes what its module's references are bound to when it is made (rf_texrefs_capture), so that binding another array
 * behind it changes nothing for it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "context.h"
#include "module.h"
#include "texture.h"

#define TEXTURE_ALIGNMENT 512

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct texref *texref_of(CUtexref handle) { return rf_object_find(RF_KIND_TEXREF, (uint64_t)(uintptr_t)handle); }
static struct texref *surfref_of(CUsurfref handle) { return rf_object_find(RF_KIND_SURFREF, (uint64_t)(uintptr_t)handle); }

/* ---- life --------------------------------------------------------------------------------------------------------- */

static struct texref *make(uint64_t epoch, bool of_module, bool surface, const struct ptx_sampler *initial) {
  struct texref *const ref = rf_object_new(surface ? RF_KIND_SURFREF : RF_KIND_TEXREF, NULL);
  if (!ref) return NULL;
  ref->context = epoch;
  ref->of_module = of_module;
  ref->surface = surface;
  ref->bound = false;
  ref->format = CU_AD_FORMAT_FLOAT;
  ref->channels = 1;
  memset(&ref->resource, 0, sizeof ref->resource);
  memset(&ref->sampling, 0, sizeof ref->sampling);
  for (int i = 0; i < 3; i++) ref->sampling.addressMode[i] = initial ? (CUaddress_mode)initial->address[i] : CU_TR_ADDRESS_MODE_CLAMP;
  if (initial) ref->sampling.filterMode = (CUfilter_mode)initial->filter;
  if (initial && initial->normalized_coords) ref->sampling.flags |= CU_TRSF_NORMALIZED_COORDINATES;
  rf_object_publish(surface ? RF_KIND_SURFREF : RF_KIND_TEXREF, &ref->object);
  return ref;
}

static void unmake(struct texref *ref) {
  if (!rf_object_withdraw(&ref->object, atomic_load(&ref->object.handle))) return;
  rf_object_recycle(ref->surface ? RF_KIND_SURFREF : RF_KIND_TEXREF, &ref->object);
}

CUresult rf_texrefs_make(struct module *module) {
  const size_t count = ptx_image_count(module->image->ptx);
  module->texrefs = NULL;
  if (!count) return CUDA_SUCCESS;
  module->texrefs = calloc(count, sizeof *module->texrefs);
  if (!module->texrefs) return CUDA_ERROR_OUT_OF_MEMORY;
  for (size_t i = 0; i < count; i++) {
    struct ptx_image_info info;
    ptx_image_at(module->image->ptx, i, &info);
    if (info.kind == PTX_IMAGE_SAMPLER) continue;
    module->texrefs[i] = make(module->context->epoch, true, info.kind == PTX_IMAGE_SURFACE, &info.sampler);
    if (!module->texrefs[i]) return CUDA_ERROR_OUT_OF_MEMORY;
  }
  return CUDA_SUCCESS;
}

void rf_texrefs_unmake(struct module *module) {
  pthread_mutex_lock(&lock);
  const size_t count = module->texrefs ? ptx_image_count(module->image->ptx) : 0;
  for (size_t i = 0; i < count; i++)
    if (module->texrefs[i]) unmake(module->texrefs[i]);
  free(module->texrefs);
  module->texrefs = NULL; /* a launch that still holds the module finds nothing bound */
  pthread_mutex_unlock(&lock);
}

void rf_texrefs_capture(const struct module *module, struct ptx_image *images) {
  const size_t count = ptx_image_count(module->image->ptx);
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < count; i++) {
    memset(&images[i], 0, sizeof images[i]);
    const struct texref *const ref = module->texrefs ? module->texrefs[i] : NULL;
    if (!ref || !ref->bound) continue;
    const CUresult result = ref->surface ? rf_image_of_surface(module->context, &ref->resource, &images[i])
                                         : rf_image_of_texture(module->context, "a texture reference", &ref->resource, &ref->sampling, NULL, &images[i]);
    if (result) images[i].channels = 0; /* what was bound is gone: reading through it is a fault */
  }
  pthread_mutex_unlock(&lock);
}

CUresult cuTexRefCreate(CUtexref *pTexRef) {
  RF_ENTER_CONTEXT(context);
  if (!pTexRef) return CUDA_ERROR_INVALID_VALUE;
  struct texref *const ref = make(context->epoch, false, false, NULL);
  if (!ref) return CUDA_ERROR_OUT_OF_MEMORY;
  *pTexRef = (CUtexref)(uintptr_t)atomic_load(&ref->object.handle);
  return CUDA_SUCCESS;
}

CUresult cuTexRefDestroy(CUtexref hTexRef) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  pthread_mutex_lock(&lock);
  struct texref *const ref = texref_of(hTexRef);
  const bool own = ref && !ref->of_module;
  if (own) unmake(ref);
  pthread_mutex_unlock(&lock);
  return own ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* A module's references are bound as they are when a kernel of it is launched: nothing is left to add to its arguments. */
CUresult cuParamSetTexRef(CUfunction hfunc, int texunit, CUtexref hTexRef) {
  RF_ENTER_CONTEXT(context);
  struct callable callable;
  RF_TRY(rf_callable_find(hfunc, context, &callable));
  rf_module_release(callable.module);
  pthread_mutex_lock(&lock);
  const bool known = texref_of(hTexRef) != NULL;
  pthread_mutex_unlock(&lock);
  return known && texunit == CU_PARAM_TR_DEFAULT ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static void free_of(void *object, void *context) {
  struct texref *const ref = object;
  if (ref->context == ((struct context *)context)->epoch && !ref->of_module) unmake(ref);
}

void rf_texrefs_free_context(struct context *context) {
  pthread_mutex_lock(&lock);
  rf_object_each(RF_KIND_TEXREF, free_of, context);
  pthread_mutex_unlock(&lock);
}

/* ---- a module's --------------------------------------------------------------------------------------------------- */

static CUresult of_module(CUmodule hmod, const char *name, enum ptx_image_kind kind, uint64_t *handle) {
  rf_modules_lock();
  const struct module *const module = rf_object_find(RF_KIND_MODULE, (uint64_t)(uintptr_t)hmod);
  CUresult result = module ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
  const size_t count = module ? ptx_image_count(module->image->ptx) : 0;
  for (size_t i = 0; i < count && result; i++) {
    struct ptx_image_info info;
    ptx_image_at(module->image->ptx, i, &info);
    if (info.kind != kind || strcmp(info.name, name) != 0) continue;
    *handle = atomic_load(&module->texrefs[i]->object.handle);
    result = CUDA_SUCCESS;
  }
  rf_modules_unlock();
  return result;
}

CUresult cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  uint64_t handle = 0;
  if (!pTexRef || !name || !*name) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(of_module(hmod, name, PTX_IMAGE_TEXTURE, &handle));
  *pTexRef = (CUtexref)(uintptr_t)handle;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetSurfRef(CUsurfref *pSurfRef, CUmodule hmod, const char *name) {
  RF_ENTER_CONTEXT(context);
  (void)context;
  uint64_t handle = 0;
  if (!pSurfRef || !name || !*name) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(of_module(hmod, name, PTX_IMAGE_SURFACE, &handle));
  *pSurfRef = (CUsurfref)(uintptr_t)handle;
  return CUDA_SUCCESS;
}

/* ---- binding ------------------------------------------------------------------------------------------------------ */

/* Tries what `resource` would be as a texture, and binds it. The context is that of the reference. */
static CUresult bind(const char *call, CUtexref handle, const CUDA_RESOURCE_DESC *resource) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  pthread_mutex_lock(&lock);
  struct texref *const ref = texref_of(handle);
  CUresult result = ref && ref->context == context->epoch ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
  struct ptx_image image;
  CUDA_TEXTURE_DESC sampling = {0};
  if (!result) sampling = ref->sampling;
  sampling.flags |= CU_TRSF_NORMALIZED_COORDINATES; /* they may yet be set */
  if (!result) result = rf_image_of_texture(context, call, resource, &sampling, NULL, &image);
  if (!result) {
    ref->resource = *resource;
    ref->bound = true;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

CUresult cuTexRefSetArray(CUtexref hTexRef, CUarray hArray, unsigned int Flags) {
  if (Flags != CU_TRSA_OVERRIDE_FORMAT) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY};
  resource.res.array.hArray = hArray;
  return bind(__func__, hTexRef, &resource);
}

CUresult cuTexRefSetMipmappedArray(CUtexref hTexRef, CUmipmappedArray hMipmappedArray, unsigned int Flags) {
  if (Flags != CU_TRSA_OVERRIDE_FORMAT) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY};
  resource.res.mipmap.hMipmappedArray = hMipmappedArray;
  return bind(__func__, hTexRef, &resource);
}

CUresult cuTexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef, CUdeviceptr dptr, size_t bytes) {
  const size_t offset = dptr % TEXTURE_ALIGNMENT;
  if (offset && !ByteOffset) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_LINEAR};
  pthread_mutex_lock(&lock);
  const struct texref *const ref = texref_of(hTexRef);
  if (ref) {
    resource.res.linear.format = ref->format;
    resource.res.linear.numChannels = ref->channels;
  }
  pthread_mutex_unlock(&lock);
  resource.res.linear.devPtr = dptr - offset;
  resource.res.linear.sizeInBytes = bytes + offset;
  RF_TRY(bind(__func__, hTexRef, &resource));
  if (ByteOffset) *ByteOffset = offset;
  return CUDA_SUCCESS;
}

static CUresult bind_pitched(const char *call, CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t pitch) {
  if (!desc) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_PITCH2D};
  resource.res.pitch2D.devPtr = dptr;
  resource.res.pitch2D.format = desc->Format;
  resource.res.pitch2D.numChannels = desc->NumChannels;
  resource.res.pitch2D.width = desc->Width;
  resource.res.pitch2D.height = desc->Height;
  resource.res.pitch2D.pitchInBytes = pitch;
  return bind(call, hTexRef, &resource);
}

CUresult cuTexRefSetAddress2D_v2(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch) {
  return bind_pitched(__func__, hTexRef, desc, dptr, Pitch);
}
CUresult cuTexRefSetAddress2D_v3(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch) {
  return bind_pitched(__func__, hTexRef, desc, dptr, Pitch);
}

CUresult cuSurfRefSetArray(CUsurfref hSurfRef, CUarray hArray, unsigned int Flags) {
  RF_ENTER_CONTEXT(context);
  if (Flags) return CUDA_ERROR_INVALID_VALUE;
  CUDA_RESOURCE_DESC resource = {.resType = CU_RESOURCE_TYPE_ARRAY};
  resource.res.array.hArray = hArray;
  struct ptx_image image;
  pthread_mutex_lock(&lock);
  struct texref *const ref = surfref_of(hSurfRef);
  const CUresult result = ref && ref->context == context->epoch ? rf_image_of_surface(context, &resource, &image) : CUDA_ERROR_INVALID_VALUE;
  if (!result) {
    ref->resource = resource;
    ref->bound = true;
  }
  pthread_mutex_unlock(&lock);
  return result;
}

/* ---- setting and asking: each is one field ------------------------------------------------------------------------ */

/* Runs `statement` with `ref` the reference, under the lock; INVALID_VALUE when there is none or `condition` fails. */
#define WITH_REF(find, handle, condition, statement)                        \
  do {                                                                      \
    RF_ENTER_CONTEXT(context);                                              \
    (void)context;                                                          \
    pthread_mutex_lock(&lock);                                              \
    struct texref *const ref = find(handle);                                \
    const bool good = ref && (condition);                                   \
    if (good) statement;                                                    \
    pthread_mutex_unlock(&lock);                                            \
    return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;                  \
  } while (0)

static bool is_format(CUarray_format format, int channels) {
  const int f = (int)format;
  const bool known = (f >= CU_AD_FORMAT_UNSIGNED_INT8 && f <= CU_AD_FORMAT_UNSIGNED_INT32) || (f >= CU_AD_FORMAT_SIGNED_INT8 && f <= CU_AD_FORMAT_SIGNED_INT32) ||
                     f == CU_AD_FORMAT_HALF || f == CU_AD_FORMAT_FLOAT;
  return known && (channels == 1 || channels == 2 || channels == 4);
}

static void set_format(struct texref *ref, CUarray_format format, int channels) {
  ref->format = format;
  ref->channels = (unsigned)channels;
  if (ref->resource.resType != CU_RESOURCE_TYPE_LINEAR) return; /* arrays and pitched memory came with theirs */
  ref->resource.res.linear.format = format;
  ref->resource.res.linear.numChannels = (unsigned)channels;
}

CUresult cuTexRefSetFormat(CUtexref hTexRef, CUarray_format fmt, int NumPackedComponents) {
  WITH_REF(texref_of, hTexRef, is_format(fmt, NumPackedComponents), set_format(ref, fmt, NumPackedComponents));
}
CUresult cuTexRefSetAddressMode(CUtexref hTexRef, int dim, CUaddress_mode am) {
  WITH_REF(texref_of, hTexRef, dim >= 0 && dim < 3 && (unsigned)am <= CU_TR_ADDRESS_MODE_BORDER, ref->sampling.addressMode[dim] = am);
}
CUresult cuTexRefSetFilterMode(CUtexref hTexRef, CUfilter_mode fm) {
  WITH_REF(texref_of, hTexRef, (unsigned)fm <= CU_TR_FILTER_MODE_LINEAR, ref->sampling.filterMode = fm);
}
CUresult cuTexRefSetMipmapFilterMode(CUtexref hTexRef, CUfilter_mode fm) {
  WITH_REF(texref_of, hTexRef, (unsigned)fm <= CU_TR_FILTER_MODE_LINEAR, ref->sampling.mipmapFilterMode = fm);
}
CUresult cuTexRefSetMipmapLevelBias(CUtexref hTexRef, float bias) { WITH_REF(texref_of, hTexRef, true, ref->sampling.mipmapLevelBias = bias); }
CUresult cuTexRefSetMipmapLevelClamp(CUtexref hTexRef, float minMipmapLevelClamp, float maxMipmapLevelClamp) {
  WITH_REF(texref_of, hTexRef, true, (ref->sampling.minMipmapLevelClamp = minMipmapLevelClamp, ref->sampling.maxMipmapLevelClamp = maxMipmapLevelClamp));
}
CUresult cuTexRefSetMaxAnisotropy(CUtexref hTexRef, unsigned int maxAniso) { WITH_REF(texref_of, hTexRef, true, ref->sampling.maxAnisotropy = maxAniso); }
CUresult cuTexRefSetBorderColor(CUtexref hTexRef, float *pBorderColor) {
  WITH_REF(texref_of, hTexRef, pBorderColor != NULL, memcpy(ref->sampling.borderColor, pBorderColor, sizeof ref->sampling.borderColor));
}
CUresult cuTexRefSetFlags(CUtexref hTexRef, unsigned int Flags) {
  const unsigned known = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB | CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION;
  WITH_REF(texref_of, hTexRef, !(Flags & ~known), ref->sampling.flags = Flags);
}

CUresult cuTexRefGetAddress_v2(CUdeviceptr *pdptr, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, pdptr && ref->bound && ref->resource.resType >= CU_RESOURCE_TYPE_LINEAR,
           *pdptr = ref->resource.resType == CU_RESOURCE_TYPE_LINEAR ? ref->resource.res.linear.devPtr : ref->resource.res.pitch2D.devPtr);
}
CUresult cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, phArray && ref->bound && ref->resource.resType == CU_RESOURCE_TYPE_ARRAY, *phArray = ref->resource.res.array.hArray);
}
CUresult cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, phMipmappedArray && ref->bound && ref->resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY,
           *phMipmappedArray = ref->resource.res.mipmap.hMipmappedArray);
}
CUresult cuTexRefGetAddressMode(CUaddress_mode *pam, CUtexref hTexRef, int dim) {
  WITH_REF(texref_of, hTexRef, pam && dim >= 0 && dim < 3, *pam = ref->sampling.addressMode[dim]);
}
CUresult cuTexRefGetFilterMode(CUfilter_mode *pfm, CUtexref hTexRef) { WITH_REF(texref_of, hTexRef, pfm, *pfm = ref->sampling.filterMode); }

static void read_format(const struct texref *ref, CUarray_format *format, int *channels) {
  CUarray_format is = ref->format;
  unsigned count = ref->channels;
  const struct array *const array = ref->bound && ref->resource.resType == CU_RESOURCE_TYPE_ARRAY ? rf_array_find(ref->resource.res.array.hArray) : NULL;
  const struct mipmap *const mipmap =
      ref->bound && ref->resource.resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY ? rf_mipmap_find(ref->resource.res.mipmap.hMipmappedArray) : NULL;
  if (array) is = array->descriptor.Format, count = array->descriptor.NumChannels;
  if (mipmap) is = mipmap->descriptor.Format, count = mipmap->descriptor.NumChannels;
  if (ref->bound && ref->resource.resType == CU_RESOURCE_TYPE_PITCH2D) is = ref->resource.res.pitch2D.format, count = ref->resource.res.pitch2D.numChannels;
  if (format) *format = is;
  if (channels) *channels = (int)count;
}
CUresult cuTexRefGetFormat(CUarray_format *pFormat, int *pNumChannels, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, true, read_format(ref, pFormat, pNumChannels));
}
CUresult cuTexRefGetMipmapFilterMode(CUfilter_mode *pfm, CUtexref hTexRef) { WITH_REF(texref_of, hTexRef, pfm, *pfm = ref->sampling.mipmapFilterMode); }
CUresult cuTexRefGetMipmapLevelBias(float *pbias, CUtexref hTexRef) { WITH_REF(texref_of, hTexRef, pbias, *pbias = ref->sampling.mipmapLevelBias); }
CUresult cuTexRefGetMipmapLevelClamp(float *pminMipmapLevelClamp, float *pmaxMipmapLevelClamp, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, pminMipmapLevelClamp && pmaxMipmapLevelClamp,
           (*pminMipmapLevelClamp = ref->sampling.minMipmapLevelClamp, *pmaxMipmapLevelClamp = ref->sampling.maxMipmapLevelClamp));
}
CUresult cuTexRefGetMaxAnisotropy(int *pmaxAniso, CUtexref hTexRef) { WITH_REF(texref_of, hTexRef, pmaxAniso, *pmaxAniso = (int)ref->sampling.maxAnisotropy); }
CUresult cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef) {
  WITH_REF(texref_of, hTexRef, pBorderColor, memcpy(pBorderColor, ref->sampling.borderColor, sizeof ref->sampling.borderColor));
}
CUresult cuTexRefGetFlags(unsigned int *pFlags, CUtexref hTexRef) { WITH_REF(texref_of, hTexRef, pFlags, *pFlags = ref->sampling.flags); }
CUresult cuSurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef) {
  WITH_REF(surfref_of, hSurfRef, phArray && ref->bound, *phArray = ref->resource.res.array.hArray);
}
