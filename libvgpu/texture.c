/* texture.c - texture and surface objects and references, as far as their calls are not generated. An object's number is the
 * driver's own: kernels get it in their parameters. */
#include <stddef.h>
#include <string.h>

#include "call.h"
#include "hand.h"

/* ---- objects ---- */

struct descriptors {
    struct rf_TEXTURE_CREATE head;
    CUDA_RESOURCE_DESC resource;
    CUDA_TEXTURE_DESC sampling;
    CUDA_RESOURCE_VIEW_DESC view;
};

_Static_assert(sizeof(struct descriptors) == sizeof(struct rf_TEXTURE_CREATE) + 144 + 104 + 112, "the descriptors follow without gaps");

static CUresult create(unsigned long long *object, uint32_t surface, const CUDA_RESOURCE_DESC *resource, const CUDA_TEXTURE_DESC *sampling, const CUDA_RESOURCE_VIEW_DESC *view)
{
    if (!object || !resource || (!surface && !sampling)) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXTURE_CREATE, sizeof(struct descriptors), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct descriptors *request = call.payload;
    request->head.surface = surface;
    request->head.view = view != NULL;
    request->resource = *resource;
    if (sampling) request->sampling = *sampling;
    if (view) request->view = *view;
    struct rf_TEXTURE_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *object = reply.object;
    return error;
}

static CUresult destroy(unsigned long long object, uint32_t surface)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXTURE_DESTROY, sizeof(struct rf_TEXTURE_DESTROY), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXTURE_DESTROY *request = call.payload;
    request->object = object;
    request->surface = surface;
    return vgpu_wait(&call, NULL, 0);
}

/* what: 0 resource, 1 texture, 2 view. */
static CUresult describe(unsigned long long object, uint32_t surface, uint32_t what, void *out, uint32_t bytes)
{
    if (!out) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXTURE_DESCRIBE, sizeof(struct rf_TEXTURE_DESCRIBE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXTURE_DESCRIBE *request = call.payload;
    request->object = object;
    request->surface = surface;
    request->what = what;
    struct {
        struct rf_TEXTURE_DESCRIBE_reply head;
        unsigned char descriptor[sizeof(CUDA_RESOURCE_DESC)];
    } reply;
    error = vgpu_wait(&call, &reply, (uint32_t)sizeof reply.head + bytes);
    if (error == CUDA_SUCCESS) memcpy(out, reply.descriptor, bytes);
    return error;
}

CUresult vgpu_cuTexObjectCreate(CUtexObject *pTexObject, const CUDA_RESOURCE_DESC *pResDesc, const CUDA_TEXTURE_DESC *pTexDesc, const CUDA_RESOURCE_VIEW_DESC *pResViewDesc)
{
    return create(pTexObject, 0, pResDesc, pTexDesc, pResViewDesc);
}
CUresult vgpu_cuTexObjectDestroy(CUtexObject texObject) { return destroy(texObject, 0); }
CUresult vgpu_cuTexObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUtexObject texObject) { return describe(texObject, 0, 0, pResDesc, sizeof *pResDesc); }
CUresult vgpu_cuTexObjectGetTextureDesc(CUDA_TEXTURE_DESC *pTexDesc, CUtexObject texObject) { return describe(texObject, 0, 1, pTexDesc, sizeof *pTexDesc); }
CUresult vgpu_cuTexObjectGetResourceViewDesc(CUDA_RESOURCE_VIEW_DESC *pResViewDesc, CUtexObject texObject)
{
    return describe(texObject, 0, 2, pResViewDesc, sizeof *pResViewDesc);
}

CUresult vgpu_cuSurfObjectCreate(CUsurfObject *pSurfObject, const CUDA_RESOURCE_DESC *pResDesc) { return create(pSurfObject, 1, pResDesc, NULL, NULL); }
CUresult vgpu_cuSurfObjectDestroy(CUsurfObject surfObject) { return destroy(surfObject, 1); }
CUresult vgpu_cuSurfObjectGetResourceDesc(CUDA_RESOURCE_DESC *pResDesc, CUsurfObject surfObject) { return describe(surfObject, 1, 0, pResDesc, sizeof *pResDesc); }

/* ---- references ---- */

static CUresult of_module(uint64_t *ref, CUmodule module, const char *name, uint32_t surface)
{
    if (!ref || !name || !*name) return CUDA_ERROR_INVALID_VALUE;
    if (!module) return CUDA_ERROR_INVALID_HANDLE;
    size_t length = strlen(name) + 1;
    if (length > 4096) return CUDA_ERROR_NOT_FOUND;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_MODULE_REF, (uint32_t)(sizeof(struct rf_MODULE_REF) + length), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_MODULE_REF *request = call.payload;
    request->module = VGPU_WIRE(module);
    request->surface = surface;
    memcpy(request + 1, name, length);
    struct rf_MODULE_REF_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *ref = reply.ref;
    return error;
}

CUresult vgpu_cuModuleGetTexRef(CUtexref *pTexRef, CUmodule hmod, const char *name)
{
    uint64_t ref = 0;
    CUresult error = of_module(pTexRef ? &ref : NULL, hmod, name, 0);
    if (error == CUDA_SUCCESS) *pTexRef = (CUtexref)(uintptr_t)ref;
    return error;
}

CUresult vgpu_cuModuleGetSurfRef(CUsurfref *pSurfRef, CUmodule hmod, const char *name)
{
    uint64_t ref = 0;
    CUresult error = of_module(pSurfRef ? &ref : NULL, hmod, name, 1);
    if (error == CUDA_SUCCESS) *pSurfRef = (CUsurfref)(uintptr_t)ref;
    return error;
}

CUresult vgpu_cuTexRefCreate(CUtexref *pTexRef)
{
    if (!pTexRef) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_CREATE, 0, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXREF_CREATE_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *pTexRef = (CUtexref)(uintptr_t)reply.ref;
    return error;
}

CUresult vgpu_cuTexRefDestroy(CUtexref hTexRef)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_DESTROY, sizeof(struct rf_TEXREF_DESTROY), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_TEXREF_DESTROY *)call.payload)->ref = VGPU_WIRE(hTexRef);
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuTexRefSetAddress_v2(size_t *ByteOffset, CUtexref hTexRef, CUdeviceptr dptr, size_t bytes)
{
    struct vgpu_call call;
    if (!ByteOffset && dptr % 512) return CUDA_ERROR_INVALID_VALUE; /* CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: the offset must be told */
    CUresult error = vgpu_begin(&call, RF_TEXREF_BIND, sizeof(struct rf_TEXREF_BIND), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXREF_BIND *request = call.payload;
    request->ref = VGPU_WIRE(hTexRef);
    request->address = dptr;
    request->bytes = bytes;
    struct rf_TEXREF_BIND_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS && ByteOffset) *ByteOffset = (size_t)reply.offset;
    return error;
}

CUresult vgpu_cuTexRefSetAddress2D_v3(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch)
{
    if (!desc) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_BIND, sizeof(struct rf_TEXREF_BIND), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXREF_BIND *request = call.payload;
    request->ref = VGPU_WIRE(hTexRef);
    request->address = dptr;
    request->pitched = 1;
    request->width = desc->Width;
    request->height = desc->Height;
    request->pitch = Pitch;
    request->format = (uint32_t)desc->Format;
    request->channels = desc->NumChannels;
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuTexRefSetAddress2D_v2(CUtexref hTexRef, const CUDA_ARRAY_DESCRIPTOR *desc, CUdeviceptr dptr, size_t Pitch)
{
    return vgpu_cuTexRefSetAddress2D_v3(hTexRef, desc, dptr, Pitch);
}

static CUresult bound(uint64_t ref, uint32_t what, uint64_t *array)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_BOUND, sizeof(struct rf_TEXREF_BOUND), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXREF_BOUND *request = call.payload;
    request->ref = ref;
    request->what = what;
    struct rf_TEXREF_BOUND_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS) *array = reply.array;
    return error;
}

CUresult vgpu_cuTexRefGetArray(CUarray *phArray, CUtexref hTexRef)
{
    uint64_t array = 0;
    CUresult error = phArray ? bound(VGPU_WIRE(hTexRef), 0, &array) : CUDA_ERROR_INVALID_VALUE;
    if (error == CUDA_SUCCESS) *phArray = (CUarray)(uintptr_t)array;
    return error;
}

CUresult vgpu_cuTexRefGetMipmappedArray(CUmipmappedArray *phMipmappedArray, CUtexref hTexRef)
{
    uint64_t array = 0;
    CUresult error = phMipmappedArray ? bound(VGPU_WIRE(hTexRef), 1, &array) : CUDA_ERROR_INVALID_VALUE;
    if (error == CUDA_SUCCESS) *phMipmappedArray = (CUmipmappedArray)(uintptr_t)array;
    return error;
}

CUresult vgpu_cuSurfRefGetArray(CUarray *phArray, CUsurfref hSurfRef)
{
    uint64_t array = 0;
    CUresult error = phArray ? bound(VGPU_WIRE(hSurfRef), 2, &array) : CUDA_ERROR_INVALID_VALUE;
    if (error == CUDA_SUCCESS) *phArray = (CUarray)(uintptr_t)array;
    return error;
}

static CUresult border(CUtexref ref, uint32_t set, float *colour)
{
    if (!colour) return CUDA_ERROR_INVALID_VALUE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_BORDER, sizeof(struct rf_TEXREF_BORDER), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_TEXREF_BORDER *request = call.payload;
    request->ref = VGPU_WIRE(ref);
    request->set = set;
    if (set) memcpy(&request->r, colour, 4 * sizeof(float));
    struct rf_TEXREF_BORDER_reply reply;
    error = vgpu_wait(&call, set ? NULL : &reply, set ? 0 : sizeof reply);
    if (error == CUDA_SUCCESS && !set) memcpy(colour, &reply.r, 4 * sizeof(float));
    return error;
}

CUresult vgpu_cuTexRefSetBorderColor(CUtexref hTexRef, float *pBorderColor) { return border(hTexRef, 1, pBorderColor); }
CUresult vgpu_cuTexRefGetBorderColor(float *pBorderColor, CUtexref hTexRef) { return border(hTexRef, 0, pBorderColor); }

CUresult vgpu_cuTexRefGetFormat(CUarray_format *pFormat, int *pNumChannels, CUtexref hTexRef)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_TEXREF_FORMAT, sizeof(struct rf_TEXREF_FORMAT), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_TEXREF_FORMAT *)call.payload)->ref = VGPU_WIRE(hTexRef);
    struct rf_TEXREF_FORMAT_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_SUCCESS && pFormat) *pFormat = (CUarray_format)reply.format;
    if (error == CUDA_SUCCESS && pNumChannels) *pNumChannels = (int)reply.channels;
    return error;
}
