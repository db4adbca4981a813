/* See array.h. Formats whose elements are not whole bytes of one plane (block-compressed, YUV) are refused. */
#include "array.h"

#include "context.h"
#include "settings.h"
#include "space.h"

#define MOST_WIDTH 131072 /* what the device's attributes say, 1D and 2D */
#define MOST_DEPTH 16384

struct array *rf_array_find(CUarray handle) { return rf_object_find(RF_KIND_ARRAY, (uint64_t)(uintptr_t)handle); }

struct mipmap *rf_mipmap_find(CUmipmappedArray handle) { return rf_object_find(RF_KIND_MIPMAP, (uint64_t)(uintptr_t)handle); }

unsigned rf_array_element(CUarray_format format, unsigned channels) {
  unsigned bytes = 0;
  switch ((int)format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT8: bytes = 1; break;
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_HALF: bytes = 2; break;
    case CU_AD_FORMAT_UNSIGNED_INT32:
    case CU_AD_FORMAT_SIGNED_INT32:
    case CU_AD_FORMAT_FLOAT: bytes = 4; break;
    case CU_AD_FORMAT_UNORM_INT8X1:
    case CU_AD_FORMAT_SNORM_INT8X1: return channels == 1 ? 1 : 0;
    case CU_AD_FORMAT_UNORM_INT8X2:
    case CU_AD_FORMAT_SNORM_INT8X2: return channels == 2 ? 2 : 0;
    case CU_AD_FORMAT_UNORM_INT8X4:
    case CU_AD_FORMAT_SNORM_INT8X4: return channels == 4 ? 4 : 0;
    case CU_AD_FORMAT_UNORM_INT16X1:
    case CU_AD_FORMAT_SNORM_INT16X1: return channels == 1 ? 2 : 0;
    case CU_AD_FORMAT_UNORM_INT16X2:
    case CU_AD_FORMAT_SNORM_INT16X2: return channels == 2 ? 4 : 0;
    case CU_AD_FORMAT_UNORM_INT16X4:
    case CU_AD_FORMAT_SNORM_INT16X4: return channels == 4 ? 8 : 0;
    default: return 0;
  }
  return channels == 1 || channels == 2 || channels == 4 ? bytes * channels : 0;
}

static bool is_known_format(CUarray_format format) {
  return format == CU_AD_FORMAT_UNORM_INT_101010_2 || (format >= CU_AD_FORMAT_BC1_UNORM && format <= CU_AD_FORMAT_YUV444_16bit_SemiPlanar);
}

static CUresult check(const CUDA_ARRAY3D_DESCRIPTOR *d) {
  const unsigned known = CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_SURFACE_LDST | CUDA_ARRAY3D_CUBEMAP | CUDA_ARRAY3D_TEXTURE_GATHER |
                         CUDA_ARRAY3D_DEPTH_TEXTURE | CUDA_ARRAY3D_COLOR_ATTACHMENT;
  if (!d->Width || d->Width > MOST_WIDTH || d->Height > MOST_WIDTH || d->Depth > MOST_DEPTH) return CUDA_ERROR_INVALID_VALUE;
  if (d->Flags & (CUDA_ARRAY3D_SPARSE | CUDA_ARRAY3D_DEFERRED_MAPPING)) return CUDA_ERROR_NOT_SUPPORTED; /* attributes 112, 121 */
  if (d->Flags & ~known) return CUDA_ERROR_INVALID_VALUE;
  const bool layered = d->Flags & CUDA_ARRAY3D_LAYERED;
  if (!d->Height && d->Depth && !layered) return CUDA_ERROR_INVALID_VALUE;
  if (layered && !d->Depth) return CUDA_ERROR_INVALID_VALUE;
  if (d->Flags & CUDA_ARRAY3D_CUBEMAP && (!d->Height || d->Width != d->Height || !d->Depth || d->Depth % 6 || (!layered && d->Depth != 6)))
    return CUDA_ERROR_INVALID_VALUE;
  if (rf_array_element(d->Format, d->NumChannels)) return CUDA_SUCCESS;
  return is_known_format(d->Format) ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_INVALID_VALUE;
}

static void shape(struct array *array, const CUDA_ARRAY3D_DESCRIPTOR *d) {
  array->descriptor = *d;
  array->element = rf_array_element(d->Format, d->NumChannels);
  array->width = d->Width * array->element;
  array->height = d->Height ? d->Height : 1;
  array->depth = d->Depth ? d->Depth : 1;
}

static CUresult create(const char *call, CUarray *handle, const CUDA_ARRAY3D_DESCRIPTOR *descriptor) {
  struct context *context = NULL;
  RF_TRY(rf_enter(call));
  RF_TRY(rf_current_context(&context));
  if (!handle || !descriptor) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(check(descriptor));
  struct array *const array = rf_object_new(RF_KIND_ARRAY, NULL);
  if (!array) return CUDA_ERROR_OUT_OF_MEMORY;
  shape(array, descriptor);
  array->context = context->epoch;
  array->device = context->device;
  array->mipmap = 0;
  /* The storage belongs to the array, not to the context: the array is what the context's end frees. */
  const struct rf_allocation like = {.hidden = true};
  CUdeviceptr storage = 0;
  const CUresult result = rf_space_allocate(context->device, array->width * array->height * array->depth, &like, &storage);
  if (result) {
    rf_object_recycle(RF_KIND_ARRAY, &array->object);
    return result;
  }
  array->storage = storage;
  *handle = (CUarray)(uintptr_t)rf_object_publish(RF_KIND_ARRAY, &array->object);
  return CUDA_SUCCESS;
}

CUresult cuArray3DCreate_v2(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray) {
  return create(__func__, pHandle, pAllocateArray);
}

CUresult cuArrayCreate_v2(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR *d) {
  RF_ENTER();
  if (!d) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_ARRAY3D_DESCRIPTOR wide = {.Width = d->Width, .Height = d->Height, .Format = d->Format, .NumChannels = d->NumChannels};
  return create(__func__, pHandle, &wide);
}

CUresult cuArray3DCreate(CUarray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR_v1 *d) {
  if (!d) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_ARRAY3D_DESCRIPTOR wide = {.Width = d->Width, .Height = d->Height, .Depth = d->Depth, .Format = d->Format,
                                        .NumChannels = d->NumChannels, .Flags = d->Flags};
  return create(__func__, pHandle, &wide);
}

CUresult cuArrayCreate(CUarray *pHandle, const CUDA_ARRAY_DESCRIPTOR_v1 *d) {
  if (!d) return CUDA_ERROR_INVALID_VALUE;
  const CUDA_ARRAY3D_DESCRIPTOR wide = {.Width = d->Width, .Height = d->Height, .Format = d->Format, .NumChannels = d->NumChannels};
  return create(__func__, pHandle, &wide);
}

/* ---- descriptors -------------------------------------------------------------------------------------------------- */

static CUresult describe(const char *call, CUarray handle, CUDA_ARRAY3D_DESCRIPTOR *d) {
  RF_TRY(rf_enter(call));
  const struct array *const array = rf_array_find(handle);
  if (!array) return CUDA_ERROR_INVALID_HANDLE;
  *d = array->descriptor;
  return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor_v2(CUDA_ARRAY3D_DESCRIPTOR *pArrayDescriptor, CUarray hArray) {
  RF_ENTER();
  return pArrayDescriptor ? describe(__func__, hArray, pArrayDescriptor) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuArrayGetDescriptor_v2(CUDA_ARRAY_DESCRIPTOR *out, CUarray hArray) {
  CUDA_ARRAY3D_DESCRIPTOR d;
  RF_ENTER();
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(describe(__func__, hArray, &d));
  *out = (CUDA_ARRAY_DESCRIPTOR){.Width = d.Width, .Height = d.Height, .Format = d.Format, .NumChannels = d.NumChannels};
  return CUDA_SUCCESS;
}

CUresult cuArray3DGetDescriptor(CUDA_ARRAY3D_DESCRIPTOR_v1 *out, CUarray hArray) {
  CUDA_ARRAY3D_DESCRIPTOR d;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(describe(__func__, hArray, &d));
  *out = (CUDA_ARRAY3D_DESCRIPTOR_v1){.Width = (unsigned)d.Width, .Height = (unsigned)d.Height, .Depth = (unsigned)d.Depth,
                                      .Format = d.Format, .NumChannels = d.NumChannels, .Flags = d.Flags};
  return CUDA_SUCCESS;
}

CUresult cuArrayGetDescriptor(CUDA_ARRAY_DESCRIPTOR_v1 *out, CUarray hArray) {
  CUDA_ARRAY3D_DESCRIPTOR d;
  if (!out) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(describe(__func__, hArray, &d));
  *out = (CUDA_ARRAY_DESCRIPTOR_v1){.Width = (unsigned)d.Width, .Height = (unsigned)d.Height, .Format = d.Format, .NumChannels = d.NumChannels};
  return CUDA_SUCCESS;
}

/* Memory requirements are of arrays made for deferred mapping, sparse properties of sparse ones, planes of planar formats. There
 * are none of these here: a handle that is good gets the answer documented for an array that is not of the kind. */
static CUresult lacks(bool found) { return found ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE; }

CUresult cuArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUarray array, CUdevice device) {
  RF_ENTER();
  if (memoryRequirements && rf_array_find(array) && (device < 0 || device >= rf_settings.devices)) return CUDA_ERROR_INVALID_DEVICE;
  return lacks(rf_array_find(array));
}

CUresult cuMipmappedArrayGetMemoryRequirements(CUDA_ARRAY_MEMORY_REQUIREMENTS *memoryRequirements, CUmipmappedArray mipmap, CUdevice device) {
  RF_ENTER();
  if (memoryRequirements && rf_mipmap_find(mipmap) && (device < 0 || device >= rf_settings.devices)) return CUDA_ERROR_INVALID_DEVICE;
  return lacks(rf_mipmap_find(mipmap));
}

CUresult cuArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUarray array) {
  RF_ENTER();
  (void)sparseProperties;
  return lacks(rf_array_find(array));
}

CUresult cuMipmappedArrayGetSparseProperties(CUDA_ARRAY_SPARSE_PROPERTIES *sparseProperties, CUmipmappedArray mipmap) {
  RF_ENTER();
  (void)sparseProperties;
  return lacks(rf_mipmap_find(mipmap));
}

CUresult cuArrayGetPlane(CUarray *pPlaneArray, CUarray hArray, unsigned int planeIdx) {
  RF_ENTER();
  (void)pPlaneArray;
  (void)planeIdx;
  return lacks(rf_array_find(hArray));
}

/* ---- the end ------------------------------------------------------------------------------------------------------ */

static void await_work(uint64_t epoch) {
  struct context *const context = rf_context_or_null();
  if (context && context->epoch == epoch) rf_context_drain(context);
}

static bool free_array(struct array *array, uint64_t handle) {
  if (!rf_object_withdraw(&array->object, handle)) return false;
  if (!array->mipmap) rf_space_free(array->storage, NULL);
  rf_object_recycle(RF_KIND_ARRAY, &array->object);
  return true;
}

CUresult cuArrayDestroy(CUarray hArray) {
  RF_ENTER();
  struct array *const array = rf_array_find(hArray);
  if (!array || array->mipmap) return CUDA_ERROR_INVALID_HANDLE;
  await_work(array->context);
  return free_array(array, (uint64_t)(uintptr_t)hArray) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static bool free_mipmap(struct mipmap *mipmap, uint64_t handle) {
  if (!rf_object_withdraw(&mipmap->object, handle)) return false;
  for (unsigned i = 0; i < mipmap->levels; i++) {
    struct array *const level = rf_object_find(RF_KIND_ARRAY, mipmap->level[i]);
    if (level) free_array(level, mipmap->level[i]);
  }
  rf_space_free(mipmap->storage, NULL);
  rf_object_recycle(RF_KIND_MIPMAP, &mipmap->object);
  return true;
}

static void free_array_of(void *object, void *context) {
  struct array *const array = object;
  const uint64_t handle = atomic_load(&array->object.handle);
  if (array->context == ((struct context *)context)->epoch && !array->mipmap) free_array(array, handle);
}

static void free_mipmap_of(void *object, void *context) {
  struct mipmap *const mipmap = object;
  const uint64_t handle = atomic_load(&mipmap->object.handle);
  if (mipmap->context == ((struct context *)context)->epoch) free_mipmap(mipmap, handle);
}

void rf_arrays_free_context(struct context *context) {
  rf_object_each(RF_KIND_MIPMAP, free_mipmap_of, context);
  rf_object_each(RF_KIND_ARRAY, free_array_of, context);
}

/* ---- mipmapped arrays --------------------------------------------------------------------------------------------- */

static uint64_t halve(uint64_t extent, unsigned times) {
  const uint64_t result = extent >> times;
  return extent && !result ? 1 : result;
}

static CUDA_ARRAY3D_DESCRIPTOR level_descriptor(const CUDA_ARRAY3D_DESCRIPTOR *d, unsigned level) {
  CUDA_ARRAY3D_DESCRIPTOR result = *d;
  result.Width = halve(d->Width, level);
  result.Height = halve(d->Height, level);
  if (!(d->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP))) result.Depth = halve(d->Depth, level);
  return result;
}

/* An array for one level, over the mipmapped array's storage. */
static bool add_level(struct mipmap *mipmap, uint64_t mipmap_handle, uint64_t *offset) {
  struct array *const array = rf_object_new(RF_KIND_ARRAY, NULL);
  if (!array) return false;
  const CUDA_ARRAY3D_DESCRIPTOR descriptor = level_descriptor(&mipmap->descriptor, mipmap->levels);
  shape(array, &descriptor);
  array->context = mipmap->context;
  array->device = mipmap->device;
  array->mipmap = mipmap_handle;
  array->storage = mipmap->storage + *offset;
  *offset += array->width * array->height * array->depth;
  mipmap->level[mipmap->levels++] = rf_object_publish(RF_KIND_ARRAY, &array->object);
  return true;
}

CUresult cuMipmappedArrayCreate(CUmipmappedArray *pHandle, const CUDA_ARRAY3D_DESCRIPTOR *descriptor, unsigned int numMipmapLevels) {
  RF_ENTER_CONTEXT(context);
  if (!pHandle || !descriptor || !numMipmapLevels) return CUDA_ERROR_INVALID_VALUE;
  RF_TRY(check(descriptor));
  uint64_t longest = descriptor->Width > descriptor->Height ? descriptor->Width : descriptor->Height;
  if (!(descriptor->Flags & (CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP)) && descriptor->Depth > longest) longest = descriptor->Depth;
  unsigned most = 0;
  while (longest >> most) most++;
  const unsigned levels = numMipmapLevels < most ? numMipmapLevels : most; /* clamped, as documented */

  struct mipmap *const mipmap = rf_object_new(RF_KIND_MIPMAP, NULL);
  if (!mipmap) return CUDA_ERROR_OUT_OF_MEMORY;
  mipmap->descriptor = *descriptor;
  mipmap->context = context->epoch;
  mipmap->device = context->device;
  mipmap->levels = 0;
  mipmap->size = 0;
  for (unsigned i = 0; i < levels; i++) {
    const CUDA_ARRAY3D_DESCRIPTOR d = level_descriptor(descriptor, i);
    mipmap->size += d.Width * rf_array_element(d.Format, d.NumChannels) * (d.Height ? d.Height : 1) * (d.Depth ? d.Depth : 1);
  }
  const struct rf_allocation like = {.hidden = true};
  CUdeviceptr storage = 0;
  const CUresult result = rf_space_allocate(context->device, mipmap->size, &like, &storage);
  if (result) {
    rf_object_recycle(RF_KIND_MIPMAP, &mipmap->object);
    return result;
  }
  mipmap->storage = storage;
  const uint64_t handle = rf_object_publish(RF_KIND_MIPMAP, &mipmap->object);
  uint64_t offset = 0;
  while (mipmap->levels < levels)
    if (!add_level(mipmap, handle, &offset)) {
      free_mipmap(mipmap, handle);
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  *pHandle = (CUmipmappedArray)(uintptr_t)handle;
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayGetLevel(CUarray *pLevelArray, CUmipmappedArray hMipmappedArray, unsigned int level) {
  RF_ENTER();
  const struct mipmap *const mipmap = rf_mipmap_find(hMipmappedArray);
  if (!mipmap) return CUDA_ERROR_INVALID_HANDLE;
  if (!pLevelArray || level >= mipmap->levels) return CUDA_ERROR_INVALID_VALUE;
  *pLevelArray = (CUarray)(uintptr_t)mipmap->level[level];
  return CUDA_SUCCESS;
}

CUresult cuMipmappedArrayDestroy(CUmipmappedArray hMipmappedArray) {
  RF_ENTER();
  struct mipmap *const mipmap = rf_mipmap_find(hMipmappedArray);
  if (!mipmap) return CUDA_ERROR_INVALID_HANDLE;
  await_work(mipmap->context);
  return free_mipmap(mipmap, (uint64_t)(uintptr_t)hMipmappedArray) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
