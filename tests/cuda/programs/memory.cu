// Memory of every kind but managed: pitched and three-dimensional copies, copies that find their direction, pinned, registered and
// mapped memory, pointers' attributes, and what is refused.
#include "../suite.h"

#include <sys/mman.h>

#ifdef __CUDACC__
__global__ void negate(int *data, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) data[i] = -data[i];
}
__global__ void rows(char *data, size_t pitch, int width, int height)
{
    int x = threadIdx.x, y = blockIdx.x;
    if (x < width && y < height) data[y * pitch + x] += y;
}
#endif
KERNEL(negate, int *, int)
KERNEL(rows, char *, size_t, int, int)

static void pitched()
{
    const int width = 77, height = 9, host_pitch = 100;
    char *memory;
    size_t pitch;
    OK(cudaMallocPitch(&memory, &pitch, width, height));
    CHECK(pitch >= (size_t)width && pitch % 32 == 0);
    std::vector<char> in(host_pitch * height), out(width * height, 1), wanted(width * height);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < host_pitch; x++) in[y * host_pitch + x] = (char)(x + y);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) wanted[y * width + x] = (char)(x + 2 * y);
    OK(cudaMemset2D(memory, pitch, 9, width, height));
    OK(cudaMemcpy2D(out.data(), width, memory, pitch, width, height, cudaMemcpyDeviceToHost));
    EQUAL(out, std::vector<char>(width * height, 9));
    OK(cudaMemcpy2D(memory, pitch, in.data(), host_pitch, width, height, cudaMemcpyHostToDevice));
    LAUNCH(rows, height, 128)(memory, pitch, width, height);
    OK(cudaMemcpy2DAsync(out.data(), width, memory, pitch, width, height, cudaMemcpyDefault, 0));
    DONE();
    EQUAL(out, wanted);
    FAILS(cudaErrorInvalidPitchValue, cudaMemcpy2D(out.data(), width - 1, memory, pitch, width, height, cudaMemcpyDeviceToHost));
    (void)cudaGetLastError();
    OK(cudaFree(memory));
}

static void boxes()
{
    const size_t w = 13, h = 7, d = 5;
    cudaPitchedPtr box;
    OK(cudaMalloc3D(&box, make_cudaExtent(w, h, d)));
    std::vector<char> in(w * h * d), out(w * h * d, 0);
    for (size_t i = 0; i < in.size(); i++) in[i] = (char)i;
    cudaMemcpy3DParms p = {};
    p.srcPtr = make_cudaPitchedPtr(in.data(), w, w, h);
    p.dstPtr = box;
    p.extent = make_cudaExtent(w, h, d);
    p.kind = cudaMemcpyHostToDevice;
    OK(cudaMemcpy3D(&p));
    // A part of it, to another place.
    cudaMemcpy3DParms q = {};
    q.srcPtr = box;
    q.srcPos = make_cudaPos(3, 2, 1);
    q.dstPtr = make_cudaPitchedPtr(out.data(), w, w, h);
    q.dstPos = make_cudaPos(1, 1, 2);
    q.extent = make_cudaExtent(8, 4, 3);
    q.kind = cudaMemcpyDefault;
    OK(cudaMemcpy3D(&q));
    for (size_t z = 0; z < d; z++)
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++) {
                bool inside = x >= 1 && x < 9 && y >= 1 && y < 5 && z >= 2 && z < 5;
                char wanted = inside ? in[((z - 1) * h + y + 1) * w + x + 2] : 0;
                CHECK(out[(z * h + y) * w + x] == wanted);
            }
    OK(cudaFree(box.ptr));
}

static void host_memory()
{
    const int n = 10000;
    int *pinned, *mapped, *as_device;
    OK(cudaMallocHost(&pinned, n * sizeof(int)));
    OK(cudaHostAlloc(&mapped, n * sizeof(int), cudaHostAllocMapped | cudaHostAllocPortable));
    unsigned flags = 0;
    OK(cudaHostGetFlags(&flags, mapped));
    CHECK(flags & cudaHostAllocMapped);
    OK(cudaHostGetDevicePointer(&as_device, mapped, 0));
    for (int i = 0; i < n; i++) pinned[i] = mapped[i] = i;
    int *data = device<int>(n);
    // The source of a copy from pinned memory may still be written by earlier work of the stream: here, by a copy.
    OK(cudaMemcpyAsync(data, pinned, n * sizeof(int), cudaMemcpyHostToDevice, 0));
    LAUNCH(negate, (n + 255) / 256, 256)(data, n);
    OK(cudaMemcpyAsync(pinned, data, n * sizeof(int), cudaMemcpyDeviceToHost, 0));
    OK(cudaMemcpyAsync(data, pinned, n * sizeof(int), cudaMemcpyHostToDevice, 0));
    LAUNCH(negate, (n + 255) / 256, 256)(as_device, n); // zero copy
    DONE();
    for (int i = 0; i < n; i++) CHECK(pinned[i] == -i && mapped[i] == -i);
    EQUAL(host(data, n), std::vector<int>(pinned, pinned + n));

    int *registered = (int *)mmap(nullptr, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < n; i++) registered[i] = 3 * i;
    OK(cudaHostRegister(registered, 1 << 16, cudaHostRegisterMapped));
    FAILS(cudaErrorHostMemoryAlreadyRegistered, cudaHostRegister(registered, 1 << 16, cudaHostRegisterMapped));
    (void)cudaGetLastError();
    OK(cudaHostGetDevicePointer(&as_device, registered, 0));
    LAUNCH(negate, (n + 255) / 256, 256)(as_device, n);
    DONE();
    for (int i = 0; i < n; i++) CHECK(registered[i] == -3 * i);
    OK(cudaHostUnregister(registered));
    for (int i = 0; i < n; i++) CHECK(registered[i] == -3 * i);
    FAILS(cudaErrorHostMemoryNotRegistered, cudaHostUnregister(registered));
    (void)cudaGetLastError();
    munmap(registered, 1 << 16);
    OK(cudaFreeHost(pinned));
    OK(cudaFreeHost(mapped));
}

static void directions()
{
    const int n = 3000;
    std::vector<int> in = ints(n, 11), out(n);
    int *a = device<int>(n), *b = device<int>(n), *pinned;
    OK(cudaMallocHost(&pinned, n * sizeof(int)));
    OK(cudaMemcpy(a, in.data(), n * sizeof(int), cudaMemcpyDefault));
    OK(cudaMemcpy(b, a, n * sizeof(int), cudaMemcpyDefault));
    OK(cudaMemcpy(pinned, b, n * sizeof(int), cudaMemcpyDefault));
    OK(cudaMemcpy(out.data(), pinned, n * sizeof(int), cudaMemcpyDefault));
    EQUAL(out, in);
    OK(cudaMemcpy(out.data(), b, 0, cudaMemcpyDeviceToHost));
    FAILS(cudaErrorInvalidValue, cudaMemcpy(a, in.data(), (size_t)1 << 40, cudaMemcpyHostToDevice));
    (void)cudaGetLastError();
    OK(cudaMemset(b, 0x11, 100));
    OK(cudaMemcpy(out.data(), b, n * sizeof(int), cudaMemcpyDeviceToHost));
    for (int i = 0; i < 25; i++) CHECK(out[i] == 0x11111111);
    CHECK(out[25] == in[25]);
    OK(cudaFree(a));
    OK(cudaFree(b));
    OK(cudaFreeHost(pinned));
}

static void attributes()
{
    int *on_device = device<int>(10), *pinned, local = 0;
    OK(cudaMallocHost(&pinned, 100));
    cudaPointerAttributes a;
    OK(cudaPointerGetAttributes(&a, on_device + 3));
    CHECK(a.type == cudaMemoryTypeDevice && a.device == 0 && a.devicePointer == on_device + 3);
    OK(cudaPointerGetAttributes(&a, pinned));
    CHECK(a.type == cudaMemoryTypeHost && a.hostPointer == pinned && a.devicePointer != nullptr);
    OK(cudaPointerGetAttributes(&a, &local));
    CHECK(a.type == cudaMemoryTypeUnregistered && a.devicePointer == nullptr);
    OK(cudaFreeHost(pinned));
    OK(cudaFree(on_device));
    FAILS(cudaErrorInvalidValue, cudaFree(on_device)); // twice
    (void)cudaGetLastError();
    OK(cudaFree(nullptr));
    void *much = (void *)1;
    FAILS(cudaErrorMemoryAllocation, cudaMalloc(&much, (size_t)1 << 50));
    (void)cudaGetLastError();
    size_t free, total;
    OK(cudaMemGetInfo(&free, &total));
    CHECK(free > 0 && free <= total);
}

int main()
{
    pitched();
    boxes();
    host_memory();
    directions();
    attributes();
    return 0;
}
