/*
 * Textures and surfaces through the driver API: every kind of resource, what kernels read through them, references of a module,
 * and the errors. Each result is computed here as well.
 *   textures FOLDER-OF-textures.ptx [no-faults]
 */
#include <math.h>
#include <string.h>

#include "check.h"

static CUmodule module;

static CUfunction function(const char *name)
{
    CUfunction f;
    CU(cuModuleGetFunction(&f, module, name));
    return f;
}

#define RUN(name, gx, gy, threads, ...) CU(cuLaunchKernel(function(name), gx, gy, 1, threads, 1, 1, 0, NULL, (void *[]){__VA_ARGS__}, NULL))

static CUdeviceptr out;

static CUarray array_of(size_t width, size_t height, size_t depth, CUarray_format format, unsigned channels, unsigned flags, const void *bytes, size_t row)
{
    CUarray array;
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = width, .Height = height, .Depth = depth, .Format = format, .NumChannels = channels, .Flags = flags};
    CU(cuArray3DCreate_v2(&array, &d));
    CUDA_MEMCPY3D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes, .srcPitch = row, .srcHeight = height ? height : 1, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array,
                          .WidthInBytes = row, .Height = height ? height : 1, .Depth = depth ? depth : 1};
    CU(cuMemcpy3D_v2(&copy));
    return array;
}

static CUDA_RESOURCE_DESC of_array(CUarray array)
{
    CUDA_RESOURCE_DESC r = {.resType = CU_RESOURCE_TYPE_ARRAY};
    r.res.array.hArray = array;
    return r;
}

static CUtexObject texture(const CUDA_RESOURCE_DESC *r, CUaddress_mode mode, CUfilter_mode filter, unsigned flags)
{
    CUtexObject t = 0;
    CUDA_TEXTURE_DESC d = {.addressMode = {mode, mode, mode}, .filterMode = filter, .flags = flags, .mipmapFilterMode = CU_TR_FILTER_MODE_LINEAR, .maxMipmapLevelClamp = 100};
    CU(cuTexObjectCreate(&t, r, &d, NULL));
    return t;
}

static void read_back(void *to, size_t bytes) { CU(cuMemcpyDtoH_v2(to, out, bytes)); }

static int near_to(float a, float b) { return fabsf(a - b) <= 1e-5f * fmaxf(1, fabsf(b)); }

static void linear_memory(void)
{
    enum { N = 300 };
    float values[N], got[N + 4];
    for (int i = 0; i < N; i++) values[i] = (float)i * 1.5f;
    CUdeviceptr data;
    CU(cuMemAlloc_v2(&data, sizeof values));
    CU(cuMemcpyHtoD_v2(data, values, sizeof values));
    CUDA_RESOURCE_DESC r = {.resType = CU_RESOURCE_TYPE_LINEAR}, back;
    r.res.linear.devPtr = data;
    r.res.linear.format = CU_AD_FORMAT_FLOAT;
    r.res.linear.numChannels = 1;
    r.res.linear.sizeInBytes = sizeof values;
    CUtexObject t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0);
    int n = N + 4;
    RUN("fetch1", 2, 1, 256, &out, &t, &n);
    read_back(got, sizeof got);
    for (int i = 0; i < n; i++) TRUE_OR_DIE(got[i] == (i < 2 || i >= N + 2 ? 0 : values[i - 2]));
    memset(&back, 1, sizeof back);
    CU(cuTexObjectGetResourceDesc(&back, t));
    TRUE_OR_DIE(back.resType == CU_RESOURCE_TYPE_LINEAR && back.res.linear.devPtr == data && back.res.linear.sizeInBytes == sizeof values && back.flags == 0);
    /* Errors. */
    CUtexObject none = 0;
    CUDA_TEXTURE_DESC d = {0};
    CUDA_RESOURCE_VIEW_DESC view = {0};
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(NULL, &r, &d, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, NULL, &d, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &r, NULL, NULL));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &r, &d, &view)); /* a view of memory */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectGetResourceViewDesc(&view, t));
    CUDA_RESOURCE_DESC bad = r;
    bad.res.linear.devPtr += 4;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL)); /* alignment */
    bad = r, bad.res.linear.sizeInBytes = (size_t)1 << 40;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = r, bad.res.linear.sizeInBytes = SIZE_MAX;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = r, bad.res.linear.devPtr = 0x1000;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = r, bad.res.linear.numChannels = 3;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = r, bad.flags = 1;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = r, bad.resType = (CUresourcetype)9;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    bad = of_array((CUarray)(uintptr_t)0x1234);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&none, &bad, &d, NULL));
    CU(cuTexObjectDestroy(t));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectDestroy(t));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectGetResourceDesc(&back, t));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectDestroy(0x12345678));
    CU(cuMemFree_v2(data));
}

static void pitched_memory(void)
{
    enum { W = 20, H = 6 };
    unsigned char image[H][W][4];
    unsigned got[H][W];
    for (int i = 0; i < (int)sizeof image; i++) ((unsigned char *)image)[i] = (unsigned char)(i * 7);
    CUdeviceptr data;
    size_t pitch;
    CU(cuMemAllocPitch_v2(&data, &pitch, W * 4, H, 4));
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = image, .srcPitch = W * 4, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = data, .dstPitch = pitch, .WidthInBytes = W * 4, .Height = H};
    CU(cuMemcpy2D_v2(&copy));
    CUDA_RESOURCE_DESC r = {.resType = CU_RESOURCE_TYPE_PITCH2D};
    r.res.pitch2D.devPtr = data;
    r.res.pitch2D.format = CU_AD_FORMAT_UNSIGNED_INT8;
    r.res.pitch2D.numChannels = 4;
    r.res.pitch2D.width = W;
    r.res.pitch2D.height = H;
    r.res.pitch2D.pitchInBytes = pitch;
    CUtexObject t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, CU_TRSF_READ_AS_INTEGER);
    int width = W;
    RUN("bytes2", 1, H, 32, &out, &t, &width);
    CU(cuTexObjectDestroy(t)); /* behind the launch, as ffmpeg does it: the kernel has it all the same */
    read_back(got, sizeof got);
    TRUE_OR_DIE(memcmp(got, image, sizeof image) == 0);
    /* Normalised coordinates, read as 0 to 1, filtered: twice the size. */
    t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR, 0);
    float scale = 0.5f, shift = 0.25f;
    int twice = 2 * W;
    static float big[2 * H][2 * W][4];
    RUN("sample2", 2, 2 * H, 32, &out, &t, &twice, &scale, &shift);
    read_back(big, sizeof big);
    for (int y = 0; y < 2 * H; y++)
        for (int x = 0; x < 2 * W; x++) {
            float u = (float)x * 0.5f + 0.25f - 0.5f, v = (float)y * 0.5f + 0.25f - 0.5f;
            int i = (int)floorf(u), j = (int)floorf(v);
            float a = u - (float)i, b = v - (float)j, sum = 0;
            for (int k = 0; k < 4; k++) {
                int xi = i + (k & 1), yj = j + (k >> 1);
                xi = xi < 0 ? 0 : xi >= W ? W - 1 : xi, yj = yj < 0 ? 0 : yj >= H ? H - 1 : yj;
                sum += (k & 1 ? a : 1 - a) * (k >> 1 ? b : 1 - b) * (float)image[yj][xi][2] / 255.0f;
            }
            TRUE_OR_DIE(near_to(big[y][x][2], sum));
        }
    CU(cuTexObjectDestroy(t));
    CUDA_RESOURCE_DESC bad = r;
    CUDA_TEXTURE_DESC d = {0};
    bad.res.pitch2D.pitchInBytes = pitch + 8;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &bad, &d, NULL));
    bad = r, bad.res.pitch2D.height = 1 << 20;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &bad, &d, NULL));
    bad = r, bad.res.pitch2D.width = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &bad, &d, NULL));
    CU(cuMemFree_v2(data));
}

static void arrays(void)
{
    enum { W = 4, H = 3, D = 2 };
    float values[D][H][W];
    for (int i = 0; i < D * H * W; i++) ((float *)values)[i] = (float)(i * i);
    CUarray cube = array_of(W, H, D, CU_AD_FORMAT_FLOAT, 1, 0, values, sizeof values[0][0]);
    CUDA_RESOURCE_DESC r = of_array(cube), back;
    CUtexObject t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR, 0);
    float x = 2, y = 1.5f, z = 1, got[8];
    RUN("sample3", 1, 1, 1, &out, &t, &x, &y, &z);
    read_back(got, 4);
    TRUE_OR_DIE(near_to(got[0], (values[0][1][1] + values[0][1][2] + values[1][1][1] + values[1][1][2]) / 4));
    CU(cuTexObjectGetResourceDesc(&back, t));
    TRUE_OR_DIE(back.resType == CU_RESOURCE_TYPE_ARRAY && back.res.array.hArray == cube);
    CUDA_TEXTURE_DESC described;
    CU(cuTexObjectGetTextureDesc(&described, t));
    TRUE_OR_DIE(described.filterMode == CU_TR_FILTER_MODE_LINEAR && described.addressMode[2] == CU_TR_ADDRESS_MODE_CLAMP && described.maxMipmapLevelClamp == 100);
    CU(cuTexObjectDestroy(t));
    /* Another view of the same bytes: bits as integers. */
    CUDA_TEXTURE_DESC d = {.flags = CU_TRSF_READ_AS_INTEGER};
    CUDA_RESOURCE_VIEW_DESC view = {.format = CU_RES_VIEW_FORMAT_UINT_1X32, .width = W, .height = H, .depth = D}, view_back;
    CU(cuTexObjectCreate(&t, &r, &d, &view));
    CU(cuTexObjectGetResourceViewDesc(&view_back, t));
    TRUE_OR_DIE(view_back.format == CU_RES_VIEW_FORMAT_UINT_1X32 && view_back.width == W && view_back.depth == D);
    RUN("sample3", 1, 1, 1, &out, &t, &x, &y, &z);
    read_back(got, 4);
    TRUE_OR_DIE(memcmp(got, &values[1][1][2], 4) == 0);
    CU(cuTexObjectDestroy(t));
    /* What arrays of other kinds have. */
    CUarray plane;
    CUDA_ARRAY_SPARSE_PROPERTIES sparse;
    CUDA_ARRAY_MEMORY_REQUIREMENTS needs;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetPlane(&plane, cube, 0));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetSparseProperties(&sparse, cube));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuArrayGetMemoryRequirements(&needs, cube, 0));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuArrayGetPlane(&plane, (CUarray)(uintptr_t)0x1234, 0));
    view.width++;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &d, &view));
    view.width--, view.format = (CUresourceViewFormat)(CU_RES_VIEW_FORMAT_UINT_1X32 + 1); /* two channels are twice as large */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &d, &view));
    d.flags = 0x8000;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &d, NULL));
    d.flags = CU_TRSF_SEAMLESS_CUBEMAP;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &d, NULL));
    CU(cuArrayDestroy(cube));
    d.flags = 0;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &d, NULL)); /* the array is gone */

    CUarray layers = array_of(W, H, D, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_LAYERED, values, sizeof values[0][0]);
    r = of_array(layers);
    t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, 0);
    RUN("layered", 1, 1, 3, &out, &t);
    read_back(got, 12);
    TRUE_OR_DIE(got[0] == values[0][0][1] && got[1] == values[1][0][1] && got[2] == values[1][0][1]); /* the last layer is the limit */
    CU(cuTexObjectDestroy(t));
    CU(cuArrayDestroy(layers));

    float faces[6] = {10, 11, 12, 13, 14, 15};
    CUarray map = array_of(1, 1, 6, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_CUBEMAP, faces, 4);
    r = of_array(map);
    t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_POINT, CU_TRSF_NORMALIZED_COORDINATES | CU_TRSF_SEAMLESS_CUBEMAP);
    RUN("face", 1, 1, 6, &out, &t);
    read_back(got, 24);
    TRUE_OR_DIE(memcmp(got, faces, sizeof faces) == 0);
    CU(cuTexObjectDestroy(t));
    CU(cuArrayDestroy(map));
}

static void mipmaps(void)
{
    CUmipmappedArray mipmap;
    CUDA_ARRAY3D_DESCRIPTOR d = {.Width = 4, .Height = 4, .Format = CU_AD_FORMAT_FLOAT, .NumChannels = 1};
    CU(cuMipmappedArrayCreate(&mipmap, &d, 3));
    for (unsigned i = 0; i < 3; i++) {
        float values[16];
        for (int k = 0; k < 16; k++) values[k] = (float)(10 * i);
        CUarray level;
        CU(cuMipmappedArrayGetLevel(&level, mipmap, i));
        CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = values, .srcPitch = 16u >> i, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = level, .WidthInBytes = 16u >> i, .Height = 4u >> i};
        CU(cuMemcpy2D_v2(&copy));
    }
    CUDA_RESOURCE_DESC r = {.resType = CU_RESOURCE_TYPE_MIPMAPPED_ARRAY};
    r.res.mipmap.hMipmappedArray = mipmap;
    CUtexObject t = texture(&r, CU_TR_ADDRESS_MODE_CLAMP, CU_TR_FILTER_MODE_LINEAR, CU_TRSF_NORMALIZED_COORDINATES);
    float got[6];
    RUN("level", 1, 1, 6, &out, &t);
    read_back(got, sizeof got);
    for (int i = 0; i < 6; i++) TRUE_OR_DIE(near_to(got[i], i < 4 ? 5.0f * (float)i : 20));
    CU(cuTexObjectDestroy(t));
    CUDA_TEXTURE_DESC plain = {0};
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectCreate(&t, &r, &plain, NULL)); /* a mipmapped array wants normalised coordinates */
    CUDA_ARRAY_SPARSE_PROPERTIES sparse;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMipmappedArrayGetSparseProperties(&sparse, mipmap));
    CU(cuMipmappedArrayDestroy(mipmap));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuMipmappedArrayGetSparseProperties(&sparse, mipmap));
}

static void surfaces(int with_faults)
{
    enum { W = 16, H = 8 };
    unsigned char image[H][W][4], got[H][W][4];
    for (int i = 0; i < (int)sizeof image; i++) ((unsigned char *)image)[i] = (unsigned char)(i * 5);
    CUarray from = array_of(W, H, 0, CU_AD_FORMAT_UNSIGNED_INT8, 4, CUDA_ARRAY3D_SURFACE_LDST, image, W * 4);
    CUarray to = array_of(W, H, 0, CU_AD_FORMAT_UNSIGNED_INT8, 4, CUDA_ARRAY3D_SURFACE_LDST, image, W * 4);
    CUDA_RESOURCE_DESC r = of_array(from), back;
    CUsurfObject a, b;
    CU(cuSurfObjectCreate(&a, &r));
    CU(cuSurfObjectGetResourceDesc(&back, a));
    TRUE_OR_DIE(back.res.array.hArray == from);
    r = of_array(to);
    CU(cuSurfObjectCreate(&b, &r));
    int width = W;
    RUN("invert", 1, H, 32, &a, &b, &width);
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = to, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = got, .dstPitch = W * 4, .WidthInBytes = W * 4, .Height = H};
    CU(cuMemcpy2D_v2(&copy));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) TRUE_OR_DIE(got[y][x][0] == 255 - image[y][x][0] && got[y][x][2] == 255 - image[y][x][2] && got[y][x][3] == image[y][x][3]);
    RUN("outside", 1, 1, 1, &a, &out);
    int words[2], corner;
    read_back(words, sizeof words);
    memcpy(&corner, image[H - 1][W - 1], 4);
    TRUE_OR_DIE(words[0] == 0 && words[1] == corner);
    /* What is no surface. */
    CUarray plain = array_of(W, H, 0, CU_AD_FORMAT_UNSIGNED_INT8, 4, 0, image, W * 4);
    CUsurfObject none;
    r = of_array(plain);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(&none, &r)); /* made without CUDA_ARRAY3D_SURFACE_LDST */
    CUDA_RESOURCE_DESC linear = {.resType = CU_RESOURCE_TYPE_LINEAR};
    linear.res.linear.devPtr = out, linear.res.linear.format = CU_AD_FORMAT_FLOAT, linear.res.linear.numChannels = 1, linear.res.linear.sizeInBytes = 64;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(&none, &linear));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectCreate(NULL, &r));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexObjectDestroy(b)); /* a surface is no texture */
    CU(cuSurfObjectDestroy(a));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfObjectDestroy(a));
    CU(cuArrayDestroy(plain));
    if (with_faults) { /* the context is lost with this */
        RUN("trap", 1, 1, 1, &b);
        CU_FAILS(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    } else {
        CU(cuSurfObjectDestroy(b));
    }
}

/* ---- references */

static const char references_text[] =
    ".version 7.0\n.target sm_75, texmode_unified\n.address_size 64\n"
    ".global .texref image;\n.global .surfref area;\n"
    ".visible .entry look(.param .u64 out, .param .f32 x) {\n"
    ".reg .b64 %d<3>; .reg .f32 %f<8>;\n"
    "ld.param.u64 %d1, [out]; ld.param.f32 %f0, [x];\n"
    "tex.2d.v4.f32.f32 {%f1, %f2, %f3, %f4}, [image, {%f0, %f0}];\n"
    "st.global.v4.f32 [%d1], {%f1, %f2, %f3, %f4}; ret; }\n"
    ".visible .entry fetch(.param .u64 out, .param .u32 i) {\n"
    ".reg .b64 %d<3>; .reg .b32 %r<8>;\n"
    "ld.param.u64 %d1, [out]; ld.param.u32 %r0, [i];\n"
    "tex.1d.v4.u32.s32 {%r1, %r2, %r3, %r4}, [image, {%r0}];\n"
    "st.global.u32 [%d1], %r1; ret; }\n"
    ".visible .entry mark() {\n"
    ".reg .b32 %r<3>;\n"
    "mov.u32 %r0, 8; mov.u32 %r1, 1; mov.u32 %r2, 77;\n"
    "sust.b.2d.b32.trap [area, {%r0, %r1}], {%r2}; ret; }\n";

static void references(void)
{
    CUmodule m;
    CUtexref ref, again;
    CUsurfref surface;
    CUfunction look, fetch, mark;
    CU(cuModuleLoadData(&m, references_text));
    CU(cuModuleGetTexRef(&ref, m, "image"));
    CU(cuModuleGetTexRef(&again, m, "image"));
    TRUE_OR_DIE(ref == again);
    CU(cuModuleGetSurfRef(&surface, m, "area"));
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetTexRef(&again, m, "area"));
    CU_FAILS(CUDA_ERROR_NOT_FOUND, cuModuleGetSurfRef(&surface, m, "nothing"));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuModuleGetTexRef(NULL, m, "image"));
    CU(cuModuleGetFunction(&look, m, "look"));
    CU(cuModuleGetFunction(&fetch, m, "fetch"));
    CU(cuModuleGetFunction(&mark, m, "mark"));
    float values[2][2] = {{1, 2}, {3, 4}}, got[4], x = 1;
    CUarray array = array_of(2, 2, 0, CU_AD_FORMAT_FLOAT, 1, CUDA_ARRAY3D_SURFACE_LDST, values, 8), bound;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefGetArray(&bound, ref));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetArray(ref, array, 0));
    CU(cuTexRefSetArray(ref, array, CU_TRSA_OVERRIDE_FORMAT));
    CU(cuTexRefGetArray(&bound, ref));
    TRUE_OR_DIE(bound == array);
    CU(cuTexRefSetFilterMode(ref, CU_TR_FILTER_MODE_LINEAR));
    CU(cuTexRefSetAddressMode(ref, 0, CU_TR_ADDRESS_MODE_CLAMP));
    CU(cuTexRefSetAddressMode(ref, 1, CU_TR_ADDRESS_MODE_BORDER));
    CUaddress_mode mode;
    CUfilter_mode filter;
    CUarray_format format;
    int channels;
    unsigned flags;
    float colour[4] = {0.5f, 1, 2, 3}, colour_back[4];
    CU(cuTexRefSetBorderColor(ref, colour));
    CU(cuTexRefGetBorderColor(colour_back, ref));
    TRUE_OR_DIE(memcmp(colour, colour_back, sizeof colour) == 0);
    CU(cuTexRefGetAddressMode(&mode, ref, 1));
    CU(cuTexRefGetFilterMode(&filter, ref));
    CU(cuTexRefGetFormat(&format, &channels, ref));
    CU(cuTexRefGetFlags(&flags, ref));
    TRUE_OR_DIE(mode == CU_TR_ADDRESS_MODE_BORDER && filter == CU_TR_FILTER_MODE_LINEAR && format == CU_AD_FORMAT_FLOAT && channels == 1 && flags == 0);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddressMode(ref, 0, (CUaddress_mode)7));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetFlags(ref, 0x400));
    CU(cuParamSetTexRef(look, CU_PARAM_TR_DEFAULT, ref)); /* changes nothing: the kernel reads what is bound when it is launched */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuParamSetTexRef(look, 0, ref));
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuParamSetTexRef((CUfunction)1, CU_PARAM_TR_DEFAULT, ref));
    CU(cuLaunchKernel(look, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&out, &x}, NULL));
    read_back(got, 16);
    TRUE_OR_DIE(near_to(got[0], 2.5f) && got[1] == 0 && got[3] == 1);
    x = 9; /* y is outside: the border */
    CU(cuLaunchKernel(look, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&out, &x}, NULL));
    read_back(got, 16);
    TRUE_OR_DIE(got[0] == 0.5f && got[3] == 3);
    /* Memory: with an offset that is told. */
    CUdeviceptr data, address;
    unsigned numbers[256], word;
    for (unsigned i = 0; i < 256; i++) numbers[i] = i * 3;
    CU(cuMemAlloc_v2(&data, sizeof numbers));
    CU(cuMemcpyHtoD_v2(data, numbers, sizeof numbers));
    CU(cuTexRefSetFormat(ref, CU_AD_FORMAT_UNSIGNED_INT32, 1));
    CU(cuTexRefSetFlags(ref, CU_TRSF_READ_AS_INTEGER));
    size_t offset = 1;
    CU(cuTexRefSetAddress_v2(&offset, ref, data, sizeof numbers));
    CU(cuTexRefGetAddress_v2(&address, ref));
    TRUE_OR_DIE(offset == 0 && address == data);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddress_v2(NULL, ref, data + 64, 64));
    CU(cuTexRefSetAddress_v2(&offset, ref, data + 64, 64));
    TRUE_OR_DIE(offset == 64);
    unsigned index = (unsigned)offset / 4 + 5;
    CU(cuLaunchKernel(fetch, 1, 1, 1, 1, 1, 1, 0, NULL, (void *[]){&out, &index}, NULL));
    read_back(&word, 4);
    TRUE_OR_DIE(word == numbers[16 + 5]);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefGetArray(&bound, ref));
    CUDA_ARRAY_DESCRIPTOR rows = {.Width = 8, .Height = 4, .Format = CU_AD_FORMAT_UNSIGNED_INT32, .NumChannels = 1};
    CU(cuTexRefSetAddress2D_v3(ref, &rows, data, 32));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddress2D_v3(ref, &rows, data + 4, 32));
    rows.Height = 1000;
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefSetAddress2D_v3(ref, &rows, data, 32));
    /* A surface. */
    CU(cuModuleGetSurfRef(&surface, m, "area"));
    CUarray wide = array_of(4, 2, 0, CU_AD_FORMAT_UNSIGNED_INT32, 1, CUDA_ARRAY3D_SURFACE_LDST, numbers, 16);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuSurfRefSetArray(surface, wide, 1));
    CU(cuSurfRefSetArray(surface, wide, 0));
    CU(cuSurfRefGetArray(&bound, surface));
    TRUE_OR_DIE(bound == wide);
    CU(cuLaunchKernel(mark, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL));
    unsigned all[8];
    CU(cuMemcpyAtoH_v2(all, wide, 0, 16));
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = wide, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = all, .dstPitch = 16, .WidthInBytes = 16, .Height = 2};
    CU(cuMemcpy2D_v2(&copy));
    TRUE_OR_DIE(all[6] == 77 && all[5] == 15 && all[7] == 21);
    /* References of the program's own, and the end. */
    CUtexref own;
    CU(cuTexRefCreate(&own));
    CU(cuTexRefSetMaxAnisotropy(own, 4));
    int anisotropy;
    CU(cuTexRefGetMaxAnisotropy(&anisotropy, own));
    TRUE_OR_DIE(anisotropy == 4);
    CU(cuTexRefDestroy(own));
    TRUE_OR_DIE(cuTexRefSetMaxAnisotropy(own, 2) != CUDA_SUCCESS);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuTexRefDestroy(ref)); /* the module's */
    CU(cuModuleUnload(m));
    TRUE_OR_DIE(cuTexRefSetFlags(ref, 0) != CUDA_SUCCESS);
    CU(cuArrayDestroy(array));
    CU(cuArrayDestroy(wide));
    CU(cuMemFree_v2(data));
}

int main(int argc, char **argv)
{
    CUcontext context;
    CUdevice device;
    char path[1024], *text = calloc(1, 1 << 20);
    snprintf(path, sizeof path, "%s/textures.ptx", argc > 1 ? argv[1] : ".");
    FILE *file = fopen(path, "rb");
    if (!file || !fread(text, 1, (1 << 20) - 1, file)) {
        fprintf(stderr, "%s cannot be read\n", path);
        return 1;
    }
    fclose(file);
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuCtxCreate_v2(&context, 0, device));
    CU(cuModuleLoadData(&module, text));
    CU(cuMemAlloc_v2(&out, 1 << 16));
    linear_memory();
    pitched_memory();
    arrays();
    mipmaps();
    references();
    surfaces(argc < 3);
    cuCtxDestroy_v2(context);
    free(text);
    puts("textures: done");
    return 0;
}
