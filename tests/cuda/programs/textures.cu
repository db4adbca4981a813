// Textures and surfaces of every shape: linear and pitched memory, arrays of one to three dimensions, layers, cube maps, mipmaps;
// filtering, address modes, normalised reads; a surface that one kernel writes and another reads as a texture.
#include "../suite.h"

#include <algorithm>

#ifdef __CUDACC__
__global__ void fetch(cudaTextureObject_t t, float *out, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) out[i] = tex1Dfetch<float>(t, i);
}
__global__ void resample(cudaTextureObject_t t, float4 *out, int width, int height, float scale)
{
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < width && y < height) out[y * width + x] = tex2D<float4>(t, (x + 0.5f) * scale, (y + 0.5f) * scale);
}
__global__ void words(cudaTextureObject_t t, uchar4 *out, int width)
{
    int x = threadIdx.x, y = blockIdx.x;
    if (x < width) out[y * width + x] = tex2D<uchar4>(t, x + 0.5f, y + 0.5f);
}
__global__ void line(cudaTextureObject_t t, float *out, float from, float step) { out[threadIdx.x] = tex1D<float>(t, from + step * threadIdx.x); }
__global__ void cell(cudaTextureObject_t t, float *out, float x, float y, float z) { *out = tex3D<float>(t, x, y, z); }
__global__ void layer(cudaTextureObject_t t, float *out, float x, float y) { out[threadIdx.x] = tex2DLayered<float>(t, x, y, threadIdx.x); }
__global__ void detail(cudaTextureObject_t t, float *out, float step) { out[threadIdx.x] = tex2DLod<float>(t, 0.5f, 0.5f, threadIdx.x * step); }
__global__ void look(cudaTextureObject_t t, float *out)
{
    int i = threadIdx.x;
    float sign = i & 1 ? -1.0f : 1.0f;
    out[i] = texCubemap<float>(t, i / 2 == 0 ? sign : 0.1f, i / 2 == 1 ? sign : 0.2f, i / 2 == 2 ? sign : 0.3f);
}
__global__ void paint(cudaSurfaceObject_t s, int width)
{
    int x = threadIdx.x, y = blockIdx.x;
    if (x < width) surf2Dwrite(make_float4(x, y, x * y, 1), s, x * (int)sizeof(float4), y);
}
__global__ void past(cudaSurfaceObject_t s, float *out)
{
    out[0] = surf2Dread<float>(s, 4000, 0, cudaBoundaryModeZero);
    out[1] = surf2Dread<float>(s, 4000, 4000, cudaBoundaryModeClamp);
    surf2Dwrite(7.0f, s, -4, 0, cudaBoundaryModeZero);
}
#endif
KERNEL(fetch, cudaTextureObject_t, float *, int)
KERNEL(resample, cudaTextureObject_t, float4 *, int, int, float)
KERNEL(words, cudaTextureObject_t, uchar4 *, int)
KERNEL(line, cudaTextureObject_t, float *, float, float)
KERNEL(cell, cudaTextureObject_t, float *, float, float, float)
KERNEL(layer, cudaTextureObject_t, float *, float, float)
KERNEL(detail, cudaTextureObject_t, float *, float)
KERNEL(look, cudaTextureObject_t, float *)
KERNEL(paint, cudaSurfaceObject_t, int)
KERNEL(past, cudaSurfaceObject_t, float *)

static cudaTextureObject_t texture(const cudaResourceDesc &r, cudaTextureAddressMode mode, cudaTextureFilterMode filter, bool normalized, cudaTextureReadMode read = cudaReadModeElementType)
{
    cudaTextureDesc d = {};
    for (auto &a : d.addressMode) a = mode;
    d.filterMode = d.mipmapFilterMode = filter;
    d.normalizedCoords = normalized;
    d.readMode = read;
    d.maxMipmapLevelClamp = 10;
    cudaTextureObject_t t = 0;
    OK(cudaCreateTextureObject(&t, &r, &d, nullptr));
    return t;
}

static cudaResourceDesc of(cudaArray_t array)
{
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeArray;
    r.res.array.array = array;
    return r;
}

static void copy_in(cudaArray_t array, const void *from, size_t row, size_t height, size_t width, size_t depth)
{
    cudaMemcpy3DParms p = {};
    p.srcPtr = make_cudaPitchedPtr((void *)from, row, width, height);
    p.dstArray = array;
    p.extent = make_cudaExtent(width, height, depth); // elements, where an array is one end
    p.kind = cudaMemcpyHostToDevice;
    OK(cudaMemcpy3D(&p));
}

static void memory()
{
    std::vector<float> in = floats(1000, 1);
    float *data = device(in), *out = device<float>(1010);
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeLinear;
    r.res.linear.devPtr = data;
    r.res.linear.desc = cudaCreateChannelDesc<float>();
    r.res.linear.sizeInBytes = in.size() * sizeof(float);
    cudaTextureObject_t t = texture(r, cudaAddressModeClamp, cudaFilterModePoint, false);
    LAUNCH(fetch, 4, 256)(t, out, 1000);
    DONE();
    EQUAL(host(out, 1000), in);
    OK(cudaDestroyTextureObject(t));

    const int W = 33, H = 9;
    std::vector<unsigned char> bytes(W * H * 4);
    for (size_t i = 0; i < bytes.size(); i++) bytes[i] = (unsigned char)(i * 11);
    void *rows = nullptr;
    size_t pitch = 0;
    OK(cudaMallocPitch(&rows, &pitch, W * 4, H));
    OK(cudaMemcpy2D(rows, pitch, bytes.data(), W * 4, W * 4, H, cudaMemcpyHostToDevice));
    r = {};
    r.resType = cudaResourceTypePitch2D;
    r.res.pitch2D.devPtr = rows;
    r.res.pitch2D.desc = cudaCreateChannelDesc<uchar4>();
    r.res.pitch2D.width = W;
    r.res.pitch2D.height = H;
    r.res.pitch2D.pitchInBytes = pitch;
    t = texture(r, cudaAddressModeClamp, cudaFilterModePoint, false);
    uchar4 *pixels = device<uchar4>(W * H);
    LAUNCH(words, H, 64)(t, pixels, W);
    DONE();
    CHECK(memcmp(host(pixels, W * H).data(), bytes.data(), bytes.size()) == 0);
    OK(cudaDestroyTextureObject(t));
    /* Read as 0 to 1, twice as large, against the formula of the programming guide. */
    t = texture(r, cudaAddressModeClamp, cudaFilterModeLinear, false, cudaReadModeNormalizedFloat);
    float4 *big = device<float4>(4 * W * H);
    LAUNCH(resample, dim3((2 * W + 15) / 16, (2 * H + 15) / 16), dim3(16, 16))(t, big, 2 * W, 2 * H, 0.5f);
    DONE();
    std::vector<float4> got = host(big, 4 * W * H);
    std::vector<float> have, want;
    for (int y = 0; y < 2 * H; y++)
        for (int x = 0; x < 2 * W; x++) {
            double u = (x + 0.5) / 2 - 0.5, v = (y + 0.5) / 2 - 0.5, sum = 0;
            int i = (int)std::floor(u), j = (int)std::floor(v);
            for (int k = 0; k < 4; k++) {
                int xi = std::min(std::max(i + (k & 1), 0), W - 1), yj = std::min(std::max(j + (k >> 1), 0), H - 1);
                sum += (k & 1 ? u - i : 1 - (u - i)) * (k >> 1 ? v - j : 1 - (v - j)) * bytes[(yj * W + xi) * 4 + 1] / 255;
            }
            have.push_back(got[y * 2 * W + x].y);
            want.push_back((float)sum);
        }
    NEAR(have, want, 0.002); // the weights have eight bits
    OK(cudaDestroyTextureObject(t));
}

static void lines()
{
    const std::vector<float> in = {1, 2, 3, 4};
    cudaArray_t array = nullptr;
    auto desc = cudaCreateChannelDesc<float>();
    OK(cudaMallocArray(&array, &desc, 4));
    OK(cudaMemcpy2DToArray(array, 0, 0, in.data(), 16, 16, 1, cudaMemcpyHostToDevice));
    float *out = device<float>(8);
    // Eight points from -0.875 on, a quarter apart, in coordinates of 0 to 1: texels -4 to 3 and their middles.
    struct { cudaTextureAddressMode mode; std::vector<float> want; } modes[] = {
        {cudaAddressModeWrap, {1, 2, 3, 4, 1, 2, 3, 4}},
        {cudaAddressModeClamp, {1, 1, 1, 1, 1, 2, 3, 4}},
        {cudaAddressModeMirror, {4, 3, 2, 1, 1, 2, 3, 4}},
        {cudaAddressModeBorder, {0, 0, 0, 0, 1, 2, 3, 4}},
    };
    for (auto &m : modes) {
        cudaTextureObject_t t = texture(of(array), m.mode, cudaFilterModePoint, true);
        LAUNCH(line, 1, 8)(t, out, -0.875f, 0.25f);
        DONE();
        EQUAL(host(out, 8), m.want);
        OK(cudaDestroyTextureObject(t));
    }
    OK(cudaFreeArray(array));
}

static void boxes()
{
    const int N = 4;
    std::vector<float> in = floats(N * N * N, 2);
    auto desc = cudaCreateChannelDesc<float>();
    cudaArray_t box = nullptr, layers = nullptr, cube = nullptr;
    OK(cudaMalloc3DArray(&box, &desc, make_cudaExtent(N, N, N)));
    OK(cudaMalloc3DArray(&layers, &desc, make_cudaExtent(N, N, N), cudaArrayLayered));
    copy_in(box, in.data(), N * 4, N, N, N);
    copy_in(layers, in.data(), N * 4, N, N, N);
    float *out = device<float>(8);
    cudaTextureObject_t t = texture(of(box), cudaAddressModeClamp, cudaFilterModeLinear, false);
    LAUNCH(cell, 1, 1)(t, out, 2.0f, 1.0f, 3.0f);
    DONE();
    float mean = 0;
    for (int z = 2; z < 4; z++)
        for (int y = 0; y < 2; y++)
            for (int x = 1; x < 3; x++) mean += in[(z * N + y) * N + x] / 8;
    NEAR(host(out, 1), std::vector<float>{mean}, 1e-5);
    OK(cudaDestroyTextureObject(t));
    t = texture(of(layers), cudaAddressModeClamp, cudaFilterModePoint, false);
    LAUNCH(layer, 1, 4)(t, out, 2.5f, 1.5f);
    DONE();
    EQUAL(host(out, 4), {in[6], in[22], in[38], in[54]});
    OK(cudaDestroyTextureObject(t));
    OK(cudaMalloc3DArray(&cube, &desc, make_cudaExtent(1, 1, 6), cudaArrayCubemap));
    copy_in(cube, in.data(), 4, 1, 1, 6);
    t = texture(of(cube), cudaAddressModeClamp, cudaFilterModePoint, true);
    LAUNCH(look, 1, 6)(t, out);
    DONE();
    EQUAL(host(out, 6), std::vector<float>(in.begin(), in.begin() + 6));
    OK(cudaDestroyTextureObject(t));
    OK(cudaFreeArray(box));
    OK(cudaFreeArray(layers));
    OK(cudaFreeArray(cube));
}

static void mipmaps()
{
    auto desc = cudaCreateChannelDesc<float>();
    cudaMipmappedArray_t mipmap = nullptr;
    OK(cudaMallocMipmappedArray(&mipmap, &desc, make_cudaExtent(8, 8, 0), 3));
    for (unsigned l = 0; l < 3; l++) {
        cudaArray_t level = nullptr;
        std::vector<float> values((8u >> l) * (8u >> l), (float)(100 * l));
        OK(cudaGetMipmappedArrayLevel(&level, mipmap, l));
        OK(cudaMemcpy2DToArray(level, 0, 0, values.data(), (8u >> l) * 4, (8u >> l) * 4, 8u >> l, cudaMemcpyHostToDevice));
    }
    cudaResourceDesc r = {};
    r.resType = cudaResourceTypeMipmappedArray;
    r.res.mipmap.mipmap = mipmap;
    cudaTextureObject_t t = texture(r, cudaAddressModeClamp, cudaFilterModeLinear, true);
    float *out = device<float>(6);
    LAUNCH(detail, 1, 6)(t, out, 0.5f);
    DONE();
    NEAR(host(out, 6), {0, 50, 100, 150, 200, 200}, 1e-5);
    OK(cudaDestroyTextureObject(t));
    OK(cudaFreeMipmappedArray(mipmap));
}

static void surfaces()
{
    const int W = 20, H = 7;
    auto desc = cudaCreateChannelDesc<float4>();
    cudaArray_t array = nullptr;
    OK(cudaMallocArray(&array, &desc, W, H, cudaArraySurfaceLoadStore));
    cudaSurfaceObject_t s = 0;
    cudaResourceDesc r = of(array);
    OK(cudaCreateSurfaceObject(&s, &r));
    LAUNCH(paint, H, 32)(s, W);
    cudaTextureObject_t t = texture(r, cudaAddressModeClamp, cudaFilterModePoint, false);
    float4 *out = device<float4>(W * H);
    LAUNCH(resample, dim3(2, 1), dim3(16, 16))(t, out, W, H, 1.0f);
    DONE();
    std::vector<float4> got = host(out, W * H);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            float4 p = got[y * W + x];
            CHECK(p.x == (float)x && p.y == (float)y && p.z == (float)(x * y) && p.w == 1);
        }
    float *edge = device<float>(2);
    LAUNCH(past, 1, 1)(s, edge);
    DONE();
    EQUAL(host(edge, 2), {0, 1}); // the last word of the last texel
    std::vector<float4> back(W * H);
    OK(cudaMemcpy2DFromArray(back.data(), W * 16, array, 0, 0, W * 16, H, cudaMemcpyDeviceToHost));
    CHECK(memcmp(back.data(), got.data(), back.size() * 16) == 0);
    OK(cudaDestroyTextureObject(t));
    OK(cudaDestroySurfaceObject(s));
    OK(cudaFreeArray(array));
}

int main()
{
    memory();
    lines();
    boxes();
    mipmaps();
    surfaces();
    return 0;
}
