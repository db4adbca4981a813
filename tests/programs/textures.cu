// Kernels of textures.c. textures.ptx is made of this by `nvcc -arch=sm_75 -ptx`, and kept so that every machine runs it.
extern "C" __global__ void fetch1(float *out, cudaTextureObject_t t, int n) {
  int i = threadIdx.x + blockIdx.x * blockDim.x;
  if (i < n) out[i] = tex1Dfetch<float>(t, i - 2);
}
extern "C" __global__ void sample2(float4 *out, cudaTextureObject_t t, int width, float scale, float shift) {
  int x = threadIdx.x + blockIdx.x * blockDim.x, y = blockIdx.y;
  if (x < width) out[y * width + x] = tex2D<float4>(t, x * scale + shift, y * scale + shift);
}
extern "C" __global__ void bytes2(unsigned *out, cudaTextureObject_t t, int width) {
  int x = threadIdx.x, y = blockIdx.y;
  if (x < width) {
    uchar4 c = tex2D<uchar4>(t, x, y);
    out[y * width + x] = c.x | c.y << 8 | c.z << 16 | c.w << 24;
  }
}
extern "C" __global__ void sample3(float *out, cudaTextureObject_t t, float x, float y, float z) { *out = tex3D<float>(t, x, y, z); }
extern "C" __global__ void layered(float *out, cudaTextureObject_t t) { out[threadIdx.x] = tex2DLayered<float>(t, 1.5f, 0.5f, threadIdx.x); }
extern "C" __global__ void level(float *out, cudaTextureObject_t t) { out[threadIdx.x] = tex2DLod<float>(t, 0.5f, 0.5f, threadIdx.x * 0.5f); }
extern "C" __global__ void face(float *out, cudaTextureObject_t t) {
  const float3 d[6] = {{1, 0, 0}, {-1, 0, 0}, {0, 1, 0}, {0, -1, 0}, {0, 0, 1}, {0, 0, -1}};
  out[threadIdx.x] = texCubemap<float>(t, d[threadIdx.x].x, d[threadIdx.x].y, d[threadIdx.x].z);
}
extern "C" __global__ void invert(cudaSurfaceObject_t from, cudaSurfaceObject_t to, int width) {
  int x = threadIdx.x, y = blockIdx.y;
  if (x < width) {
    uchar4 c = surf2Dread<uchar4>(from, x * 4, y);
    surf2Dwrite(make_uchar4(255 - c.x, 255 - c.y, 255 - c.z, c.w), to, x * 4, y);
  }
}
extern "C" __global__ void outside(cudaSurfaceObject_t s, int *out) { out[0] = surf2Dread<int>(s, 1 << 20, 0, cudaBoundaryModeZero), out[1] = surf2Dread<int>(s, 1 << 20, 1 << 20, cudaBoundaryModeClamp); }
extern "C" __global__ void trap(cudaSurfaceObject_t s) { surf2Dwrite(1, s, 1 << 20, 0); }
