/* copies.c - random copies of every shape against a model in plain memory.
 *
 *   copies SEED ROUNDS
 *
 * A device buffer has a mirror. Each round copies a random box between the buffer and host memory of a random kind (plain,
 * pinned, registered at odd addresses), synchronously or on a stream, one- to three-dimensional, and does the same to the
 * mirror; then everything is compared. Uses only the driver API: it runs on any libcuda.so.1. */
#include <stdint.h>
#include <string.h>

#include "check.h"

#define DEVICE_BYTES (3u << 20)
#define HOST_BYTES (2u << 20)

static uint64_t state;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* 0 .. n-1, small numbers and the edges of chunks and records more often than chance would. */
static size_t below(size_t n)
{
    static const size_t edges[] = {1, 2, 7, 1008, 1009, 4095, 4096, 4097, 65535, 65536, 65537, 262144, 524288, 1048576};
    size_t pick = next() % 3;
    size_t v = pick == 0 ? edges[next() % 14] : pick == 1 ? next() % 64 : next();
    return v % n;
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(next() >> 24);
}

struct host {
    const char *what;
    uint8_t *bytes, *mirror;
};

static void same(const uint8_t *got, const uint8_t *want, size_t n, const char *what, uint64_t round)
{
    for (size_t i = 0; i < n; i++) {
        if (got[i] == want[i]) continue;
        fprintf(stderr, "round %llu: %s differs at %zu: got %02x, want %02x\n", (unsigned long long)round, what, i, got[i], want[i]);
        exit(1);
    }
}

/* A random box that fits `bytes` with the pitch and height of its own. */
struct shape { size_t x, y, z, pitch, height; };

static int fits(struct shape *s, size_t bytes, size_t w, size_t h, size_t d)
{
    s->x = below(32);
    s->y = h > 1 ? below(4) : 0;
    s->z = d > 1 ? below(3) : 0;
    s->pitch = s->x + w + below(40);
    s->height = s->y + h + (d > 1 ? below(3) : 0);
    return ((s->z + d) * s->height) * s->pitch <= bytes;
}

static void model(uint8_t *dst, const struct shape *a, const uint8_t *src, const struct shape *b, size_t w, size_t h, size_t d)
{
    for (size_t z = 0; z < d; z++)
        for (size_t y = 0; y < h; y++)
            memmove(dst + ((a->z + z) * a->height + a->y + y) * a->pitch + a->x, src + ((b->z + z) * b->height + b->y + y) * b->pitch + b->x, w);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoull(argv[1], NULL, 0) * 2654435761u + 88172645463325252ull : 88172645463325252ull;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 200;
    CUdevice device;
    CUcontext context;
    CUstream stream;
    CUdeviceptr memory;
    CU(cuInit(0));
    CU(cuDeviceGet(&device, 0));
    CU(cuDevicePrimaryCtxRetain(&context, device));
    CU(cuCtxSetCurrent(context));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CU(cuMemAlloc_v2(&memory, DEVICE_BYTES));
    uint8_t *mirror = malloc(DEVICE_BYTES), *check = malloc(DEVICE_BYTES);
    fill(mirror, DEVICE_BYTES);
    CU(cuMemcpyHtoD_v2(memory, mirror, DEVICE_BYTES));
    struct host hosts[4] = {{.what = "plain memory"}, {.what = "pinned memory"}, {.what = "portable pinned memory"}, {.what = "registered memory"}};
    hosts[0].bytes = malloc(HOST_BYTES);
    CU(cuMemHostAlloc((void **)&hosts[1].bytes, HOST_BYTES, 0));
    CU(cuMemHostAlloc((void **)&hosts[2].bytes, HOST_BYTES, CU_MEMHOSTALLOC_PORTABLE));
    uint8_t *around = malloc(HOST_BYTES + 8192);
    hosts[3].bytes = around + 1000;
    CU(cuMemHostRegister_v2(hosts[3].bytes + 333, HOST_BYTES - 12345, 0)); /* copies also cross its ends */
    for (int i = 0; i < 4; i++) {
        hosts[i].mirror = malloc(HOST_BYTES);
        fill(hosts[i].mirror, HOST_BYTES);
        memcpy(hosts[i].bytes, hosts[i].mirror, HOST_BYTES);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        struct host *host = &hosts[next() % 4];
        int up = next() & 1, async = next() & 1, form = (int)(next() % 4);
        size_t w = 1 + below(form == 0 ? HOST_BYTES - 64 : 70000), h = form == 0 ? 1 : 1 + below(60), d = form == 3 ? 1 + below(6) : 1;
        struct shape on_device, on_host;
        if (!fits(&on_device, DEVICE_BYTES, w, h, d) || !fits(&on_host, HOST_BYTES, w, h, d)) continue;
        CUstream s = async && (next() & 1) ? stream : NULL;
        if (form == 0) {
            CUdeviceptr at = memory + on_device.x;
            uint8_t *p = host->bytes + on_host.x;
            int unified = (next() & 3) == 0;
            if (unified && async) CU(cuMemcpyAsync(up ? at : (CUdeviceptr)(uintptr_t)p, up ? (CUdeviceptr)(uintptr_t)p : at, w, s));
            else if (unified) CU(cuMemcpy(up ? at : (CUdeviceptr)(uintptr_t)p, up ? (CUdeviceptr)(uintptr_t)p : at, w));
            else if (up && async) CU(cuMemcpyHtoDAsync_v2(at, p, w, s));
            else if (up) CU(cuMemcpyHtoD_v2(at, p, w));
            else if (async) CU(cuMemcpyDtoHAsync_v2(p, at, w, s));
            else CU(cuMemcpyDtoH_v2(p, at, w));
        } else {
            CUDA_MEMCPY3D c = {.WidthInBytes = w, .Height = h, .Depth = d};
            const struct shape *from = up ? &on_host : &on_device, *to = up ? &on_device : &on_host;
            c.srcXInBytes = from->x, c.srcY = from->y, c.srcZ = from->z, c.srcPitch = from->pitch, c.srcHeight = from->height;
            c.dstXInBytes = to->x, c.dstY = to->y, c.dstZ = to->z, c.dstPitch = to->pitch, c.dstHeight = to->height;
            c.srcMemoryType = up ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
            c.dstMemoryType = up ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
            c.srcHost = host->bytes, c.dstHost = host->bytes, c.srcDevice = memory, c.dstDevice = memory;
            if (form == 3) {
                if (async) CU(cuMemcpy3DAsync_v2(&c, s));
                else CU(cuMemcpy3D_v2(&c));
            } else {
                CUDA_MEMCPY2D p = {.srcXInBytes = c.srcXInBytes, .srcY = c.srcY, .srcMemoryType = c.srcMemoryType, .srcHost = c.srcHost, .srcDevice = c.srcDevice,
                                   .srcPitch = c.srcPitch, .dstXInBytes = c.dstXInBytes, .dstY = c.dstY, .dstMemoryType = c.dstMemoryType, .dstHost = c.dstHost,
                                   .dstDevice = c.dstDevice, .dstPitch = c.dstPitch, .WidthInBytes = w, .Height = h};
                if (async) CU(cuMemcpy2DAsync_v2(&p, s));
                else if (form == 1) CU(cuMemcpy2D_v2(&p));
                else CU(cuMemcpy2DUnaligned_v2(&p));
            }
        }
        if (form == 0) on_device.pitch = on_host.pitch = 0;
        if (up) model(mirror, &on_device, host->mirror, &on_host, w, h, d);
        else model(host->mirror, &on_host, mirror, &on_device, w, h, d);
        /* Plain memory may be reused at once, whatever the call: that is what this line proves for uploads. */
        if (up && host == &hosts[0]) {
            size_t at = below(HOST_BYTES - 4096);
            fill(host->bytes + at, 4096);
            memcpy(host->mirror + at, host->bytes + at, 4096);
        }
        /* The other stream's work is not ordered with this one's: wait now and then, and before changing streams. */
        if (async) CU(cuStreamSynchronize(s));
        if (next() % 8 == 0) {
            size_t at = below(DEVICE_BYTES - 70000), n = below(70000);
            uint8_t v = (uint8_t)next();
            if (next() & 1) CU(cuMemsetD8_v2(memory + at, v, n));
            else {
                CU(cuMemsetD8Async(memory + at, v, n, NULL));
                CU(cuStreamSynchronize(NULL)); /* the other stream does not wait for this one */
            }
            memset(mirror + at, v, n);
        }
        if (!up) same(host->bytes, host->mirror, HOST_BYTES, host->what, round);
        if (round % 16 == 0 || round + 1 == rounds) {
            CU(cuMemcpyDtoH_v2(check, memory, DEVICE_BYTES));
            same(check, mirror, DEVICE_BYTES, "device memory", round);
        }
    }
    CU(cuMemHostUnregister(hosts[3].bytes + 333));
    same(hosts[3].bytes, hosts[3].mirror, HOST_BYTES, "memory after unregistering", rounds);
    CU_FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(hosts[3].bytes + 333));
    CU(cuMemFreeHost(hosts[1].bytes));
    CU(cuMemFreeHost(hosts[2].bytes));
    CU(cuMemFree_v2(memory));
    CU(cuStreamDestroy_v2(stream));
    for (int i = 0; i < 4; i++) free(hosts[i].mirror);
    free(hosts[0].bytes);
    free(around);
    free(mirror);
    free(check);
    puts("ok");
    return 0;
}
