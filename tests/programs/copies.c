/* copies.c - every form of copy and memset, random shapes, against a model in host memory: copies [SEED] [ROUNDS]. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static uint32_t state;
static uint32_t next(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)state * below) >> 32);
}

enum { ROOM = 6 << 20 };
static unsigned char model[2][ROOM], host[ROOM], look[ROOM];
static CUdeviceptr memory[2];

static void verify(const char *after)
{
    for (int i = 0; i < 2; i++) {
        CU(cuMemcpyDtoH_v2(look, memory[i], ROOM));
        if (memcmp(look, model[i], ROOM) != 0) {
            size_t at = 0;
            while (look[at] == model[i][at]) at++;
            fprintf(stderr, "after %s: buffer %d differs at byte %zu: %02x, expected %02x\n", after, i, at, look[at], model[i][at]);
            exit(1);
        }
    }
}

int main(int argc, char **argv)
{
    state = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    int rounds = argc > 2 ? atoi(argv[2]) : 300;
    CU(cuInit(0));
    CUcontext context;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CUstream stream;
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < 2; i++) {
        CU(cuMemAlloc_v2(&memory[i], ROOM));
        CU(cuMemsetD8_v2(memory[i], 0, ROOM));
    }
    unsigned char *pinned;
    CU(cuMemHostAlloc((void **)&pinned, ROOM, CU_MEMHOSTALLOC_PORTABLE));
    for (int i = 0; i < ROOM; i++) host[i] = pinned[i] = (unsigned char)(i * 7 + (i >> 8));
    verify("the first memset");

    for (int round = 0; round < rounds; round++) {
        int d = (int)next(2), s = (int)next(2);
        uint32_t bytes = 1 + next(next(4) ? 70000 : ROOM / 2), to = next(ROOM - bytes), from = next(ROOM - bytes);
        unsigned char *src = next(2) ? host : pinned;
        char what[64];
        uint32_t kind = next(16);
        snprintf(what, sizeof what, "round %d, kind %u, %u bytes", round, kind, bytes);
        switch (kind) {
        case 0: CU(cuMemcpyHtoD_v2(memory[d] + to, src + from, bytes)); memcpy(model[d] + to, src + from, bytes); break;
        case 1: CU(cuMemcpyHtoDAsync_v2(memory[d] + to, src + from, bytes, stream)); memcpy(model[d] + to, src + from, bytes);
            if (src == host) host[from]++; /* pageable: the source is the caller's again on return */
            CU(cuStreamSynchronize(stream)); break;
        case 2: CU(cuMemcpyDtoH_v2(look, memory[d] + from, bytes)); TRUE_OR_DIE(memcmp(look, model[d] + from, bytes) == 0); break;
        case 3: CU(cuMemcpyDtoHAsync_v2(look, memory[d] + from, bytes, stream)); TRUE_OR_DIE(memcmp(look, model[d] + from, bytes) == 0); break; /* pageable: complete on return */
        case 4: CU(cuMemcpyDtoHAsync_v2(pinned + to, memory[d] + from, bytes, stream)); CU(cuStreamSynchronize(stream)); TRUE_OR_DIE(memcmp(pinned + to, model[d] + from, bytes) == 0); break;
        case 5: d = !s; CU(cuMemcpyDtoD_v2(memory[d] + to, memory[s] + from, bytes)); CU(cuCtxSynchronize()); memcpy(model[d] + to, model[s] + from, bytes); break;
        case 6: CU(cuMemcpy(memory[d] + to, (CUdeviceptr)(uintptr_t)(src + from), bytes)); memcpy(model[d] + to, src + from, bytes); break;
        case 7: CU(cuMemcpy((CUdeviceptr)(uintptr_t)look, memory[d] + from, bytes)); TRUE_OR_DIE(memcmp(look, model[d] + from, bytes) == 0); break;
        case 8: CU(cuMemsetD8_v2(memory[d] + to, (unsigned char)round, bytes)); CU(cuCtxSynchronize()); memset(model[d] + to, round, bytes); break;
        case 9: to &= ~1u; bytes &= ~1u; CU(cuMemsetD16Async(memory[d] + to, (unsigned short)(round * 257), bytes / 2, stream)); CU(cuStreamSynchronize(stream));
            for (uint32_t i = 0; i + 2 <= bytes; i += 2) memcpy(model[d] + to + i, &(uint16_t){(uint16_t)(round * 257)}, 2);
            break;
        case 10: to &= ~3u; bytes &= ~3u; CU(cuMemsetD32Async(memory[d] + to, 0x01020304u * (unsigned)round, bytes / 4, stream)); CU(cuStreamSynchronize(stream));
            for (uint32_t i = 0; i + 4 <= bytes; i += 4) memcpy(model[d] + to + i, &(uint32_t){0x01020304u * (unsigned)round}, 4);
            break;
        case 11: { /* rows of a pitched box: host to device */
            uint32_t width = 1 + next(2000), rows = 1 + next(300), sp = width + next(100), dp = width + next(100), sx = next(50), dx = next(50);
            CUDA_MEMCPY2D c = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = src, .srcPitch = sp + sx, .srcXInBytes = sx, .srcY = 3,
                               .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory[d], .dstPitch = dp + dx, .dstXInBytes = dx, .dstY = 5, .WidthInBytes = width, .Height = rows};
            CU(next(2) ? cuMemcpy2DUnaligned_v2(&c) : cuMemcpy2DAsync_v2(&c, stream));
            CU(cuStreamSynchronize(stream));
            for (uint32_t r = 0; r < rows; r++) memcpy(model[d] + (dp + dx) * (5 + r) + dx, src + (sp + sx) * (3 + r) + sx, width);
            break;
        }
        case 12: { /* and device to host */
            uint32_t width = 1 + next(2000), rows = 1 + next(300), sp = width + next(100), dp = width + next(100);
            unsigned char *dst = next(2) ? look : pinned;
            memset(dst, 0xee, (size_t)dp * rows);
            CUDA_MEMCPY2D c = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory[d], .srcPitch = sp, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = dst, .dstPitch = dp, .WidthInBytes = width, .Height = rows};
            CU(next(2) ? cuMemcpy2D_v2(&c) : cuMemcpy2DAsync_v2(&c, stream));
            CU(cuStreamSynchronize(stream));
            for (uint32_t r = 0; r < rows; r++) {
                TRUE_OR_DIE(memcmp(dst + (size_t)dp * r, model[d] + (size_t)sp * r, width) == 0);
                for (uint32_t i = width; i < dp && r + 1 < rows; i++) TRUE_OR_DIE(dst[(size_t)dp * r + i] == 0xee); /* the gap is nobody's */
            }
            break;
        }
        case 13: { /* a box: up, and down again */
            uint32_t w = 1 + next(200), h = 1 + next(40), z = 1 + next(20), pitch = w + next(30), height = h + next(5);
            CUDA_MEMCPY3D c = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = src, .srcPitch = pitch, .srcHeight = height,
                               .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory[d], .dstPitch = pitch + 3, .dstHeight = height + 1, .WidthInBytes = w, .Height = h, .Depth = z};
            CU(next(2) ? cuMemcpy3D_v2(&c) : cuMemcpy3DAsync_v2(&c, stream));
            CU(cuStreamSynchronize(stream));
            for (uint32_t k = 0; k < z; k++)
                for (uint32_t r = 0; r < h; r++)
                    memcpy(model[d] + (size_t)(pitch + 3) * (r + (size_t)(height + 1) * k), src + (size_t)pitch * (r + (size_t)height * k), w);
            CUDA_MEMCPY3D back = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .srcDevice = memory[d], .srcPitch = pitch + 3, .srcHeight = height + 1,
                                  .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = look, .dstPitch = w, .dstHeight = h, .WidthInBytes = w, .Height = h, .Depth = z};
            CU(cuMemcpy3D_v2(&back));
            for (uint32_t k = 0; k < z; k++)
                for (uint32_t r = 0; r < h; r++)
                    TRUE_OR_DIE(memcmp(look + (size_t)w * (r + (size_t)h * k), src + (size_t)pitch * (r + (size_t)height * k), w) == 0);
            break;
        }
        case 14: { /* a memset of rows */
            uint32_t width = 1 + next(500), rows = 1 + next(200), pitch = (width + next(100)) * 4;
            CU(cuMemsetD2D32_v2(memory[d], pitch, (unsigned)round, width, rows));
            CU(cuCtxSynchronize());
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t i = 0; i < width; i++) memcpy(model[d] + (size_t)pitch * r + 4 * i, &(uint32_t){(uint32_t)round}, 4);
            break;
        }
        default: { /* through an array and back */
            uint32_t w = 1 + next(300), h = 1 + next(200);
            CUDA_ARRAY_DESCRIPTOR shape = {.Width = w, .Height = h, .Format = CU_AD_FORMAT_UNSIGNED_INT16, .NumChannels = 2};
            CUarray array;
            CU(cuArrayCreate_v2(&array, &shape));
            CUDA_ARRAY_DESCRIPTOR got;
            CU(cuArrayGetDescriptor_v2(&got, array));
            TRUE_OR_DIE(got.Width == w && got.Height == h && got.Format == shape.Format && got.NumChannels == 2);
            CUDA_MEMCPY2D up = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = src, .srcPitch = w * 4 + 12, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array, .WidthInBytes = w * 4, .Height = h};
            CU(cuMemcpy2D_v2(&up));
            CUDA_MEMCPY2D down = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .dstMemoryType = CU_MEMORYTYPE_DEVICE, .dstDevice = memory[d], .dstPitch = w * 4 + 4, .WidthInBytes = w * 4, .Height = h};
            CU(cuMemcpy2DAsync_v2(&down, stream));
            CU(cuStreamSynchronize(stream));
            for (uint32_t r = 0; r < h; r++) memcpy(model[d] + (size_t)(w * 4 + 4) * r, src + (size_t)(w * 4 + 12) * r, w * 4);
            CU(cuArrayDestroy(array));
            CU_FAILS(CUDA_ERROR_INVALID_HANDLE, cuArrayDestroy(array));
        }
        }
        if (round % 16 == 0) verify(what);
    }
    verify("all rounds");

    /* Out of bounds, by one byte: refused, and nothing is written. */
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyHtoD_v2(memory[0] + 1, host, ROOM));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoH_v2(look, memory[0] + ROOM - 1, 2));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(memory[0] + 8, 1, ROOM));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuMemsetD8_v2(0x1000, 1, 16));
    CU(cuMemcpyHtoD_v2(memory[0], host, 0));
    verify("refused copies");

    /* Registered memory, in the middle of somebody else's pages. */
    unsigned char *own = malloc(3 << 20), *inside = own + 12345;
    TRUE_OR_DIE(own);
    memset(own, 0x42, 3 << 20);
    CU(cuMemHostRegister_v2(inside, 2 << 20, 0));
    CU_FAILS(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, cuMemHostRegister_v2(inside, 2 << 20, 0));
    for (int i = 0; i < 3 << 20; i++) TRUE_OR_DIE(own[i] == 0x42);
    memcpy(inside, host, 2 << 20);
    CU(cuMemcpyHtoDAsync_v2(memory[0], inside, 2 << 20, stream));
    CU(cuMemcpyDtoDAsync_v2(memory[1], memory[0], 2 << 20, stream));
    CU(cuMemcpyDtoHAsync_v2(inside + 17, memory[1], (2 << 20) - 17, stream));
    CU(cuStreamSynchronize(stream));
    TRUE_OR_DIE(memcmp(inside + 17, host, (2 << 20) - 17) == 0);
    CU(cuMemHostUnregister(inside));
    CU_FAILS(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, cuMemHostUnregister(inside));
    TRUE_OR_DIE(memcmp(inside + 17, host, (2 << 20) - 17) == 0 && own[12344] == 0x42 && own[(2 << 20) + 12345] == 0x42);
    free(own);
    CU(cuMemFreeHost(pinned));
    CU(cuCtxDestroy_v2(context));
    printf("copies: ok, %d rounds\n", rounds);
    return 0;
}
