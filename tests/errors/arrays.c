/* arrays.c - arrays, mipmapped arrays, textures and surfaces. */
#include "rows.h"

void rows_array(void)
{
    CUcontext context = enter();
    CUarray array = NULL, plane = NULL, level = NULL;
    CUmipmappedArray mipmap = NULL;
    CUDA_ARRAY_DESCRIPTOR flat = {.Width = 16, .Height = 16, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1}, bad, got;
    CUDA_ARRAY3D_DESCRIPTOR deep = {.Width = 16, .Height = 16, .Depth = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1}, odd, told;
    CUDA_ARRAY_SPARSE_PROPERTIES sparse;
    CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
    E(INVALID_VALUE, cuArrayCreate_v2(NULL, &flat));
    E(INVALID_VALUE, cuArrayCreate_v2(&array, NULL));
#define BADFLAT(change)                                 \
    do {                                                \
        bad = flat;                                     \
        bad.change;                                     \
        E(INVALID_VALUE, cuArrayCreate_v2(&array, &bad)); \
    } while (0)
    BADFLAT(Width = 0);
    BADFLAT(Width = SIZE_MAX);
    BADFLAT(Height = SIZE_MAX);
    BADFLAT(NumChannels = 0);
    BADFLAT(NumChannels = 3);
    BADFLAT(NumChannels = 5);
    BADFLAT(Format = (CUarray_format)0);
    BADFLAT(Format = (CUarray_format)0x7f);
    HOLDS(array == NULL);
    E(INVALID_VALUE, cuArray3DCreate_v2(NULL, &deep));
    E(INVALID_VALUE, cuArray3DCreate_v2(&array, NULL));
#define BADDEEP(change)                                   \
    do {                                                  \
        odd = deep;                                       \
        odd.change;                                       \
        E(INVALID_VALUE, cuArray3DCreate_v2(&array, &odd)); \
    } while (0)
    BADDEEP(Width = 0);
    BADDEEP(Height = 0); /* with a depth */
    BADDEEP(NumChannels = 3);
    BADDEEP(Format = (CUarray_format)0);
    BADDEEP(Flags = CUDA_ARRAY3D_CUBEMAP); /* six faces */
    BADDEEP(Flags = 0x80000000u);
    BADDEEP(Width = 1 << 20);
    BADDEEP(Depth = 1 << 20);
    OK(cuArray3DCreate_v2(&array, &deep));
    E(INVALID_VALUE, cuArray3DGetDescriptor_v2(NULL, array));
    E(INVALID_HANDLE, cuArray3DGetDescriptor_v2(&told, NULL));
    E(INVALID_HANDLE, cuArray3DGetDescriptor_v2(&told, JUNK(CUarray)));
    OK(cuArray3DGetDescriptor_v2(&told, array));
    HOLDS(told.Depth == 4);
    OK(cuArrayDestroy(array));
    E(INVALID_HANDLE, cuArrayDestroy(array));
    E(INVALID_HANDLE, cuArrayDestroy(NULL));
    E(INVALID_HANDLE, cuArrayDestroy(JUNK(CUarray)));
    E(INVALID_HANDLE, cuArray3DGetDescriptor_v2(&told, array));
    OK(cuArrayCreate_v2(&array, &flat));
    E(INVALID_VALUE, cuArrayGetDescriptor_v2(NULL, array));
    E(INVALID_HANDLE, cuArrayGetDescriptor_v2(&got, NULL));
    OK(cuArrayGetDescriptor_v2(&got, array));
    HOLDS(got.Width == 16 && got.Height == 16);
    E(INVALID_VALUE, cuArrayGetPlane(&plane, array, 0)); /* no planes */
    E(INVALID_VALUE, cuArrayGetPlane(NULL, array, 0));
    E(INVALID_VALUE, cuArrayGetSparseProperties(&sparse, array));
    E(INVALID_VALUE, cuArrayGetMemoryRequirements(&needs, array, 0));
    OK(cuArrayDestroy(array));
    E(INVALID_VALUE, cuMipmappedArrayCreate(NULL, &deep, 3));
    E(INVALID_VALUE, cuMipmappedArrayCreate(&mipmap, NULL, 3));
    odd = deep;
    odd.NumChannels = 3;
    E(INVALID_VALUE, cuMipmappedArrayCreate(&mipmap, &odd, 3));
    odd = deep;
    odd.Width = 0;
    E(INVALID_VALUE, cuMipmappedArrayCreate(&mipmap, &odd, 3));
    OK(cuMipmappedArrayCreate(&mipmap, &deep, 3));
    E(INVALID_VALUE, cuMipmappedArrayGetLevel(NULL, mipmap, 0));
    E(INVALID_VALUE, cuMipmappedArrayGetLevel(&level, mipmap, 3));
    E(INVALID_VALUE, cuMipmappedArrayGetLevel(&level, mipmap, 0xffffffffu));
    E(INVALID_HANDLE, cuMipmappedArrayGetLevel(&level, NULL, 0));
    E(INVALID_HANDLE, cuMipmappedArrayGetLevel(&level, JUNK(CUmipmappedArray), 0));
    OK(cuMipmappedArrayGetLevel(&level, mipmap, 2));
    OK(cuArray3DGetDescriptor_v2(&told, level));
    HOLDS(told.Width == 4);
    E(INVALID_VALUE, cuMipmappedArrayGetSparseProperties(&sparse, mipmap));
    OK(cuMipmappedArrayDestroy(mipmap));
    E(INVALID_HANDLE, cuMipmappedArrayDestroy(mipmap));
    E(INVALID_HANDLE, cuMipmappedArrayDestroy(NULL));
    E(INVALID_HANDLE, cuMipmappedArrayDestroy(JUNK(CUmipmappedArray)));
    E(INVALID_HANDLE, cuArray3DGetDescriptor_v2(&told, level)); /* went with it */
    leave(context);
}

void rows_texture(void)
{
    CUcontext context = enter();
    CUtexObject texture = 0;
    CUsurfObject surface = 0;
    CUarray array = NULL, plain = NULL, bound = NULL;
    CUdeviceptr p = 0;
    CUtexref reference = NULL;
    CUDA_ARRAY3D_DESCRIPTOR shape = {.Width = 16, .Height = 16, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1, .Flags = CUDA_ARRAY3D_SURFACE_LDST};
    CUDA_RESOURCE_DESC resource, told;
    CUDA_TEXTURE_DESC sampling, how;
    CUDA_RESOURCE_VIEW_DESC view;
    memset(&resource, 0, sizeof resource);
    memset(&sampling, 0, sizeof sampling);
    memset(&view, 0, sizeof view);
    OK(cuArray3DCreate_v2(&array, &shape));
    shape.Flags = 0;
    OK(cuArray3DCreate_v2(&plain, &shape));
    OK(cuMemAlloc_v2(&p, 4096));
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    resource.res.array.hArray = array;
    E(INVALID_VALUE, cuTexObjectCreate(NULL, &resource, &sampling, NULL));
    E(INVALID_VALUE, cuTexObjectCreate(&texture, NULL, &sampling, NULL));
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, NULL, NULL));
    resource.flags = 1;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL)); /* must be 0 */
    resource.flags = 0;
    resource.resType = (CUresourcetype)9;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    sampling.addressMode[0] = (CUaddress_mode)9;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    sampling.addressMode[0] = CU_TR_ADDRESS_MODE_WRAP;
    sampling.filterMode = (CUfilter_mode)9;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    sampling.filterMode = CU_TR_FILTER_MODE_POINT;
    OK(cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    E(INVALID_VALUE, cuTexObjectGetResourceDesc(NULL, texture));
    E(INVALID_VALUE, cuTexObjectGetTextureDesc(NULL, texture));
    E(INVALID_VALUE, cuTexObjectGetResourceViewDesc(&view, texture)); /* it was given none */
    OK(cuTexObjectGetResourceDesc(&told, texture));
    HOLDS(told.resType == CU_RESOURCE_TYPE_ARRAY && told.res.array.hArray == array);
    OK(cuTexObjectGetTextureDesc(&how, texture));
    OK(cuTexObjectDestroy(texture));
    memset(&resource, 0, sizeof resource);
    resource.resType = CU_RESOURCE_TYPE_LINEAR;
    resource.res.linear.devPtr = p;
    resource.res.linear.format = CU_AD_FORMAT_FLOAT;
    resource.res.linear.numChannels = 1;
    resource.res.linear.sizeInBytes = 4096;
    OK(cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    OK(cuTexObjectDestroy(texture));
    resource.res.linear.devPtr = p + 4; /* aligned to CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT */
    resource.res.linear.sizeInBytes = 64;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    resource.res.linear.devPtr = 0;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    resource.res.linear.devPtr = p;
    resource.res.linear.sizeInBytes = 4097;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    resource.res.linear.sizeInBytes = 64;
    resource.res.linear.numChannels = 3;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    memset(&resource, 0, sizeof resource);
    resource.resType = CU_RESOURCE_TYPE_PITCH2D;
    resource.res.pitch2D.devPtr = p;
    resource.res.pitch2D.format = CU_AD_FORMAT_FLOAT;
    resource.res.pitch2D.numChannels = 1;
    resource.res.pitch2D.width = 16;
    resource.res.pitch2D.height = 16;
    resource.res.pitch2D.pitchInBytes = 64;
    OK(cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    OK(cuTexObjectDestroy(texture));
    resource.res.pitch2D.pitchInBytes = 60;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    resource.res.pitch2D.pitchInBytes = 64;
    resource.res.pitch2D.width = 17;
    E(INVALID_VALUE, cuTexObjectCreate(&texture, &resource, &sampling, NULL));
    /* Surfaces. */
    memset(&resource, 0, sizeof resource);
    resource.resType = CU_RESOURCE_TYPE_ARRAY;
    resource.res.array.hArray = array;
    E(INVALID_VALUE, cuSurfObjectCreate(NULL, &resource));
    E(INVALID_VALUE, cuSurfObjectCreate(&surface, NULL));
    OK(cuSurfObjectCreate(&surface, &resource));
    E(INVALID_VALUE, cuSurfObjectGetResourceDesc(NULL, surface));
    OK(cuSurfObjectGetResourceDesc(&told, surface));
    OK(cuSurfObjectDestroy(surface));
    resource.res.array.hArray = plain; /* was not made for it */
    E(INVALID_VALUE, cuSurfObjectCreate(&surface, &resource));
    resource.res.array.hArray = array;
    resource.resType = CU_RESOURCE_TYPE_LINEAR;
    E(INVALID_VALUE, cuSurfObjectCreate(&surface, &resource));
    /* References of one's own. */
    E(INVALID_VALUE, cuTexRefCreate(NULL));
    OK(cuTexRefCreate(&reference));
    E(INVALID_VALUE, cuTexRefGetArray(&bound, reference)); /* none is bound */
    E(INVALID_VALUE, cuTexRefGetAddress_v2(&p, reference));
    E(INVALID_VALUE, cuTexRefSetArray(reference, array, 0)); /* CU_TRSA_OVERRIDE_FORMAT */
    OK(cuTexRefSetArray(reference, array, CU_TRSA_OVERRIDE_FORMAT));
    OK(cuTexRefGetArray(&bound, reference));
    HOLDS(bound == array);
    E(INVALID_VALUE, cuTexRefSetAddressMode(reference, 0, (CUaddress_mode)9));
    E(INVALID_VALUE, cuTexRefSetFilterMode(reference, (CUfilter_mode)9));
    E(INVALID_VALUE, cuTexRefSetFlags(reference, 0x8000));
    OK(cuTexRefDestroy(reference));
    OK(cuArrayDestroy(array));
    OK(cuArrayDestroy(plain));
    OK(cuMemFree_v2(p));
    leave(context);
}
