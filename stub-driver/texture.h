/*
 * Textures and surfaces: objects that kernels get as numbers, and the older references that are variables of a module. Both
 * are a resource (array, mipmapped array, linear or pitched memory) and how to read it; texture_image.c makes of these what the
 * PTX engine samples.
 *
 * Objects do not keep alive what they name, as on hardware. A kernel that reads through a texture whose array is gone, or whose
 * memory is, has a fault.
 */
#ifndef RF_STUB_TEXTURE_H
#define RF_STUB_TEXTURE_H

#include "api.h"
#include "handle.h"
#include "ptx/ptx.h"

struct context;
struct module;

/* A texture or surface object. */
struct texture {
  struct rf_object object;
  uint64_t context;          /* epoch of its owner */
  CUDA_RESOURCE_DESC resource;
  CUDA_TEXTURE_DESC sampling;
  CUDA_RESOURCE_VIEW_DESC view;
  bool has_view;
  struct ptx_image image;
};

/* A texture or surface reference: what is bound to a variable of a module, or made by cuTexRefCreate. */
struct texref {
  struct rf_object object;
  uint64_t context;
  bool of_module;
  bool bound, surface;
  CUDA_RESOURCE_DESC resource;
  CUDA_TEXTURE_DESC sampling;
  CUarray_format format;     /* of linear memory */
  unsigned channels;
};

/* Describes a texture for the engine; `view` may be NULL. INVALID_VALUE, NOT_SUPPORTED (compressed formats). */
CUresult rf_image_of_texture(struct context *context, const char *call, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *sampling,
                             const CUDA_RESOURCE_VIEW_DESC *view, struct ptx_image *image);
CUresult rf_image_of_surface(struct context *context, const CUDA_RESOURCE_DESC *resource, struct ptx_image *image);
/* Whether the array of a resource still exists. */
bool rf_resource_lives(const CUDA_RESOURCE_DESC *resource);

/* For kernels of a context: what object `handle` reads. False: there is none, or its array is gone. `serial` is what
 * rf_texture_serial said when the kernel was launched: an object destroyed since then is still there for it. */
bool rf_texture_image(uint64_t handle, uint64_t context, uint64_t serial, bool surface, struct ptx_image *image);
uint64_t rf_texture_serial(void);

/* References of a module's variables, one each by the engine's index (0 for a sampler). */
CUresult rf_texrefs_make(struct module *module);
void rf_texrefs_unmake(struct module *module);
/* What the module's references are bound to now: images[i] for variable i; no channels where nothing is. */
void rf_texrefs_capture(const struct module *module, struct ptx_image *images);

void rf_textures_free_context(struct context *context);
void rf_texrefs_free_context(struct context *context);

#endif
