/* From the driver API's descriptors to what the PTX engine samples: checks them as documented. See texture.h. */
#include <string.h>

#include "array.h"
#include "context.h"
#include "copy.h"
#include "log.h"
#include "space.h"
#include "texture.h"

#define TEXTURE_ALIGNMENT 512 /* device attributes 14, 51, 69 to 72 */
#define PITCH_ALIGNMENT 32
#define MOST_LINEAR ((uint64_t)1 << 28)
#define MOST_PITCHED_WIDTH 131072
#define MOST_PITCHED_HEIGHT 65000
#define MOST_PITCH 2097120

static CUresult refuse(const char *call, const char *why) {
  rf_log(RF_LOG_ERROR, "%s: %s", call, why);
  return CUDA_ERROR_INVALID_VALUE;
}

/* ---- formats ------------------------------------------------------------------------------------------------------ */

struct texel {
  enum ptx_channel channel;
  unsigned channels;
  bool always_normalized; /* UNORM and SNORM are never read as integers */
};

static bool plain_format(CUarray_format format, unsigned channels, struct texel *texel) {
  switch ((int)format) {
    case CU_AD_FORMAT_UNSIGNED_INT8: texel->channel = PTX_CHANNEL_U8; break;
    case CU_AD_FORMAT_SIGNED_INT8: texel->channel = PTX_CHANNEL_S8; break;
    case CU_AD_FORMAT_UNSIGNED_INT16: texel->channel = PTX_CHANNEL_U16; break;
    case CU_AD_FORMAT_SIGNED_INT16: texel->channel = PTX_CHANNEL_S16; break;
    case CU_AD_FORMAT_UNSIGNED_INT32: texel->channel = PTX_CHANNEL_U32; break;
    case CU_AD_FORMAT_SIGNED_INT32: texel->channel = PTX_CHANNEL_S32; break;
    case CU_AD_FORMAT_HALF: texel->channel = PTX_CHANNEL_F16; break;
    case CU_AD_FORMAT_FLOAT: texel->channel = PTX_CHANNEL_F32; break;
    default: return false;
  }
  texel->channels = channels;
  texel->always_normalized = false;
  return channels == 1 || channels == 2 || channels == 4;
}

static bool array_format(CUarray_format format, unsigned channels, struct texel *texel) {
  if (plain_format(format, channels, texel)) return true;
  switch ((int)format) {
    case CU_AD_FORMAT_UNORM_INT8X1: case CU_AD_FORMAT_UNORM_INT8X2: case CU_AD_FORMAT_UNORM_INT8X4: texel->channel = PTX_CHANNEL_U8; break;
    case CU_AD_FORMAT_SNORM_INT8X1: case CU_AD_FORMAT_SNORM_INT8X2: case CU_AD_FORMAT_SNORM_INT8X4: texel->channel = PTX_CHANNEL_S8; break;
    case CU_AD_FORMAT_UNORM_INT16X1: case CU_AD_FORMAT_UNORM_INT16X2: case CU_AD_FORMAT_UNORM_INT16X4: texel->channel = PTX_CHANNEL_U16; break;
    case CU_AD_FORMAT_SNORM_INT16X1: case CU_AD_FORMAT_SNORM_INT16X2: case CU_AD_FORMAT_SNORM_INT16X4: texel->channel = PTX_CHANNEL_S16; break;
    default: return false;
  }
  texel->channels = channels;
  texel->always_normalized = true;
  return true;
}

static unsigned channel_bytes(enum ptx_channel channel) {
  return channel <= PTX_CHANNEL_S8 ? 1 : channel == PTX_CHANNEL_U32 || channel == PTX_CHANNEL_S32 || channel == PTX_CHANNEL_F32 ? 4 : 2;
}

/* A view's format: groups of three, for 1, 2 and 4 channels. */
static bool view_format(CUresourceViewFormat format, struct texel *texel) {
  static const enum ptx_channel groups[] = {PTX_CHANNEL_U8, PTX_CHANNEL_S8, PTX_CHANNEL_U16, PTX_CHANNEL_S16, PTX_CHANNEL_U32, PTX_CHANNEL_S32, PTX_CHANNEL_F16, PTX_CHANNEL_F32};
  if (format < CU_RES_VIEW_FORMAT_UINT_1X8 || format >= CU_RES_VIEW_FORMAT_UNSIGNED_BC1) return false;
  const unsigned index = (unsigned)format - CU_RES_VIEW_FORMAT_UINT_1X8;
  *texel = (struct texel){.channel = groups[index / 3], .channels = 1u << index % 3};
  return true;
}

static void set_format(struct ptx_image *image, const struct texel *texel, unsigned flags) {
  const bool small = texel->channel <= PTX_CHANNEL_S16, integer = texel->channel <= PTX_CHANNEL_S32;
  image->channel = (uint8_t)texel->channel;
  image->channels = (uint8_t)texel->channels;
  image->normalized = small && (texel->always_normalized || !(flags & CU_TRSF_READ_AS_INTEGER));
  image->integer_bits = integer && !image->normalized;
  image->srgb = image->normalized && texel->channel == PTX_CHANNEL_U8 && flags & CU_TRSF_SRGB;
}

/* ---- arrays ------------------------------------------------------------------------------------------------------- */

static void set_level(struct ptx_level *level, const struct array *array) {
  *level = (struct ptx_level){.address = array->storage,
                              .pitch = array->width,
                              .slice = array->width * array->height,
                              .width = (uint32_t)(array->width / array->element),
                              .height = (uint32_t)array->height,
                              .depth = (uint32_t)array->depth};
}

static void set_shape(struct ptx_image *image, const CUDA_ARRAY3D_DESCRIPTOR *d) {
  image->storage = true;
  image->cube = d->Flags & CUDA_ARRAY3D_CUBEMAP;
  image->layered = d->Flags & CUDA_ARRAY3D_LAYERED;
  image->dimensions = image->cube || (d->Height && (!d->Depth || image->layered)) ? 2 : !d->Height ? 1 : 3;
  image->layers = !image->layered ? 1 : (uint32_t)d->Depth / (image->cube ? 6 : 1);
}

/* The array's own descriptor, and its levels. False: no such array in this context's device. */
static bool read_array(const struct context *context, const CUDA_RESOURCE_DESC *resource, struct ptx_image *image, CUDA_ARRAY3D_DESCRIPTOR *descriptor) {
  if (resource->resType == CU_RESOURCE_TYPE_ARRAY) {
    const struct array *const array = rf_array_find(resource->res.array.hArray);
    if (!array || array->context != context->epoch) return false;
    *descriptor = array->descriptor;
    set_level(&image->levels[0], array);
    image->level_count = 1;
  } else {
    const struct mipmap *const mipmap = rf_mipmap_find(resource->res.mipmap.hMipmappedArray);
    if (!mipmap || mipmap->context != context->epoch) return false;
    *descriptor = mipmap->descriptor;
    for (unsigned i = 0; i < mipmap->levels && i < PTX_IMAGE_LEVELS; i++) {
      const struct array *const level = rf_array_find((CUarray)(uintptr_t)mipmap->level[i]);
      if (!level) return false;
      set_level(&image->levels[i], level);
      image->level_count = i + 1;
    }
  }
  set_shape(image, descriptor);
  return true;
}

bool rf_resource_lives(const CUDA_RESOURCE_DESC *resource) {
  if (resource->resType == CU_RESOURCE_TYPE_ARRAY) return rf_array_find(resource->res.array.hArray) != NULL;
  if (resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY) return rf_mipmap_find(resource->res.mipmap.hMipmappedArray) != NULL;
  return true; /* memory is looked up when it is read */
}

static CUresult apply_view(const char *call, const CUDA_RESOURCE_VIEW_DESC *view, const CUDA_ARRAY3D_DESCRIPTOR *d, struct texel *texel, struct ptx_image *image) {
  if (view->width != d->Width || view->height != d->Height || view->depth != d->Depth) return refuse(call, "the view's width, height and depth are not those of its array");
  if (view->format >= CU_RES_VIEW_FORMAT_UNSIGNED_BC1 && view->format <= CU_RES_VIEW_FORMAT_UNSIGNED_BC7) return CUDA_ERROR_NOT_SUPPORTED;
  if (view->format != CU_RES_VIEW_FORMAT_NONE) {
    struct texel seen;
    if (!view_format(view->format, &seen)) return refuse(call, "there is no such view format");
    if (channel_bytes(seen.channel) * seen.channels != channel_bytes(texel->channel) * texel->channels) return refuse(call, "the view's texels are of another size than the array's");
    *texel = seen;
  }
  if (view->firstMipmapLevel > view->lastMipmapLevel || view->lastMipmapLevel >= image->level_count) return refuse(call, "the view's mipmap levels are not all there");
  const uint32_t count = view->lastMipmapLevel - view->firstMipmapLevel + 1;
  memmove(image->levels, image->levels + view->firstMipmapLevel, count * sizeof image->levels[0]);
  image->level_count = count;
  if (view->firstLayer > view->lastLayer || (view->lastLayer && view->lastLayer >= image->layers)) return refuse(call, "the view's layers are not all there");
  if (image->layered && view->lastLayer) {
    image->layers = view->lastLayer - view->firstLayer + 1;
    for (uint32_t i = 0; i < count; i++) image->levels[i].address += (uint64_t)view->firstLayer * (image->cube ? 6 : 1) * image->levels[i].slice;
  }
  return CUDA_SUCCESS;
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static CUresult check_memory(const char *call, CUdeviceptr address, uint64_t size) {
  struct rf_end end;
  return rf_end_unified(call, "the texture's memory", address, size, RF_READ, false, &end);
}

static CUresult set_linear(const char *call, const CUDA_RESOURCE_DESC *resource, struct texel *texel, struct ptx_image *image) {
  if (!plain_format(resource->res.linear.format, resource->res.linear.numChannels, texel)) return refuse(call, "a texture of memory has 1, 2 or 4 channels of a plain format");
  const uint64_t bytes = channel_bytes(texel->channel) * texel->channels, count = resource->res.linear.sizeInBytes / bytes;
  if (resource->res.linear.devPtr % TEXTURE_ALIGNMENT) return refuse(call, "the address is not aligned to 512 (CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT)");
  if (!count || count > MOST_LINEAR) return refuse(call, "a linear texture has 1 to 268435456 texels (CU_DEVICE_ATTRIBUTE_MAXIMUM_TEXTURE1D_LINEAR_WIDTH)");
  RF_TRY(check_memory(call, resource->res.linear.devPtr, resource->res.linear.sizeInBytes));
  image->linear = true;
  image->dimensions = 1;
  image->layers = image->level_count = 1;
  image->levels[0] = (struct ptx_level){.address = resource->res.linear.devPtr, .width = (uint32_t)count, .height = 1, .depth = 1};
  return CUDA_SUCCESS;
}

static CUresult set_pitched(const char *call, const CUDA_RESOURCE_DESC *resource, struct texel *texel, struct ptx_image *image) {
  if (!plain_format(resource->res.pitch2D.format, resource->res.pitch2D.numChannels, texel)) return refuse(call, "a texture of memory has 1, 2 or 4 channels of a plain format");
  const uint64_t width = resource->res.pitch2D.width, height = resource->res.pitch2D.height, pitch = resource->res.pitch2D.pitchInBytes;
  if (resource->res.pitch2D.devPtr % TEXTURE_ALIGNMENT) return refuse(call, "the address is not aligned to 512 (CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT)");
  if (!width || width > MOST_PITCHED_WIDTH || !height || height > MOST_PITCHED_HEIGHT) return refuse(call, "a texture of pitched memory has at most 131072 x 65000 texels");
  const uint64_t row = width * channel_bytes(texel->channel) * texel->channels;
  if (pitch % PITCH_ALIGNMENT || pitch > MOST_PITCH || (height > 1 && pitch < row)) return refuse(call, "the pitch must hold a row, be a multiple of 32 and at most 2097120");
  RF_TRY(check_memory(call, resource->res.pitch2D.devPtr, (height - 1) * pitch + row));
  image->dimensions = 2;
  image->layers = image->level_count = 1;
  image->levels[0] = (struct ptx_level){.address = resource->res.pitch2D.devPtr, .pitch = pitch, .slice = pitch * height, .width = (uint32_t)width, .height = (uint32_t)height, .depth = 1};
  return CUDA_SUCCESS;
}

/* ---- all of it ---------------------------------------------------------------------------------------------------- */

static CUresult set_sampler(const char *call, const CUDA_TEXTURE_DESC *sampling, const struct ptx_image *image, const CUDA_RESOURCE_DESC *resource,
                            const CUDA_ARRAY3D_DESCRIPTOR *d, struct ptx_sampler *sampler) {
  const unsigned known = CU_TRSF_READ_AS_INTEGER | CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SRGB | CU_TRSF_DISABLE_TRILINEAR_OPTIMIZATION | CU_TRSF_SEAMLESS_CUBEMAP;
  if (sampling->flags & ~known) return refuse(call, "unknown flags");
  sampler->normalized_coords = sampling->flags & CU_TRSF_NORMALIZED_COORDINATES;
  if (resource->resType == CU_RESOURCE_TYPE_MIPMAPPED_ARRAY && !sampler->normalized_coords) return refuse(call, "a mipmapped array is read with CU_TRSF_NORMALIZED_COORDINATES");
  if (sampling->flags & CU_TRSF_SEAMLESS_CUBEMAP && !(image->storage && d->Flags & CUDA_ARRAY3D_CUBEMAP)) return refuse(call, "CU_TRSF_SEAMLESS_CUBEMAP is for cube maps");
  if (!image->linear) {
    for (unsigned i = 0; i < 3; i++) {
      if ((unsigned)sampling->addressMode[i] > CU_TR_ADDRESS_MODE_BORDER) return refuse(call, "there is no such address mode");
      sampler->address[i] = (uint8_t)sampling->addressMode[i];
    }
    if ((unsigned)sampling->filterMode > CU_TR_FILTER_MODE_LINEAR || (unsigned)sampling->mipmapFilterMode > CU_TR_FILTER_MODE_LINEAR)
      return refuse(call, "there is no such filter mode");
    sampler->filter = (uint8_t)sampling->filterMode;
    sampler->mip_filter = (uint8_t)sampling->mipmapFilterMode;
  }
  sampler->seamless = sampling->flags & CU_TRSF_SEAMLESS_CUBEMAP;
  sampler->level_bias = sampling->mipmapLevelBias;
  sampler->level_min = sampling->minMipmapLevelClamp;
  sampler->level_max = sampling->maxMipmapLevelClamp;
  memcpy(sampler->border, sampling->borderColor, sizeof sampler->border);
  return CUDA_SUCCESS;
}

CUresult rf_image_of_texture(struct context *context, const char *call, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *sampling,
                             const CUDA_RESOURCE_VIEW_DESC *view, struct ptx_image *image) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor = {0};
  struct texel texel = {0};
  memset(image, 0, sizeof *image);
  if (resource->flags) return refuse(call, "CUDA_RESOURCE_DESC.flags must be 0");
  switch ((int)resource->resType) {
    case CU_RESOURCE_TYPE_ARRAY:
    case CU_RESOURCE_TYPE_MIPMAPPED_ARRAY:
      if (!read_array(context, resource, image, &descriptor)) return refuse(call, "the array does not exist, or is another context's");
      if (!array_format(descriptor.Format, descriptor.NumChannels, &texel)) return CUDA_ERROR_NOT_SUPPORTED;
      if (view) RF_TRY(apply_view(call, view, &descriptor, &texel, image));
      break;
    case CU_RESOURCE_TYPE_LINEAR:
    case CU_RESOURCE_TYPE_PITCH2D:
      if (view) return refuse(call, "a view is for arrays");
      RF_TRY(resource->resType == CU_RESOURCE_TYPE_LINEAR ? set_linear(call, resource, &texel, image) : set_pitched(call, resource, &texel, image));
      break;
    default: return refuse(call, "there is no such resource type");
  }
  set_format(image, &texel, sampling->flags);
  return set_sampler(call, sampling, image, resource, &descriptor, &image->sampler);
}

CUresult rf_image_of_surface(struct context *context, const CUDA_RESOURCE_DESC *resource, struct ptx_image *image) {
  CUDA_ARRAY3D_DESCRIPTOR descriptor = {0};
  struct texel texel = {0};
  memset(image, 0, sizeof *image);
  if (resource->flags || resource->resType != CU_RESOURCE_TYPE_ARRAY || !read_array(context, resource, image, &descriptor)) return CUDA_ERROR_INVALID_VALUE;
  if (!(descriptor.Flags & CUDA_ARRAY3D_SURFACE_LDST)) return CUDA_ERROR_INVALID_VALUE;
  if (!array_format(descriptor.Format, descriptor.NumChannels, &texel)) return CUDA_ERROR_NOT_SUPPORTED;
  set_format(image, &texel, texel.always_normalized ? 0 : CU_TRSF_READ_AS_INTEGER);
  return CUDA_SUCCESS;
}
