/* volumes.c - boxes of three dimensions between host, device and arrays of every shape, layers and mipmaps among them; surfaces. Each step makes what
 * it needs and gives it back. */
#include "walk.h"

enum { SIDE = 12, VOLUME = 1 << 15 };

static unsigned char bytes[VOLUME], look[VOLUME];

static size_t some_extent(size_t most, size_t from)
{
    if (one_in(16)) return one_in(2) ? 0 : most - from + 1; /* nothing, or one too many */
    return 1 + below((uint32_t)(most - from));
}

static void show_look(const char *what)
{
    say("%s %016llx", what, (unsigned long long)hash_of(look, sizeof look));
}

/* An array of three dimensions, or layers of it, or a cube; what is wrong with its descriptor is told by its making. */
static void array_boxes(void)
{
    static const CUarray_format formats[] = {CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_SIGNED_INT16, CU_AD_FORMAT_FLOAT};
    static const size_t sizes[] = {1, 2, 4};
    static const unsigned flags[] = {0, 0, 0, CUDA_ARRAY3D_LAYERED, CUDA_ARRAY3D_SURFACE_LDST, CUDA_ARRAY3D_CUBEMAP, CUDA_ARRAY3D_LAYERED | CUDA_ARRAY3D_CUBEMAP, CUDA_ARRAY3D_TEXTURE_GATHER, 0x1000};
    int c = work_context(), kind = (int)below(3), index;
    if (c < 0) return;
    unsigned channels = 1u << below(3);
    CUDA_ARRAY3D_DESCRIPTOR shape = {.Width = 1 + below(SIDE), .Height = below(SIDE), .Depth = below(SIDE), .Format = formats[kind], .NumChannels = channels, .Flags = flags[below(9)]}, got = {0};
    if (shape.Flags & CUDA_ARRAY3D_CUBEMAP && !one_in(4)) shape.Height = shape.Width, shape.Depth = shape.Flags & CUDA_ARRAY3D_LAYERED ? 12 : 6;
    size_t element = sizes[kind] * channels, height = shape.Height ? shape.Height : 1, depth = shape.Depth ? shape.Depth : 1;
    say("%zu x %zu x %zu, %zu bytes each, flags %x", shape.Width, shape.Height, shape.Depth, element, shape.Flags);
    may_wait();
    let_go();
    CUarray array = NULL;
    if (CALL(cuArray3DCreate_v2(&array, &shape)) != CUDA_SUCCESS) return;
    CALL(cuArray3DGetDescriptor_v2(&got, array));
    say("%zu x %zu x %zu, flags %x", got.Width, got.Height, got.Depth, got.Flags);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 7 + (i >> 8));
    memset(look, 0, sizeof look);
    CUDA_MEMCPY3D all = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes, .srcPitch = shape.Width * element, .srcHeight = height, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array,
                         .WidthInBytes = shape.Width * element, .Height = height, .Depth = depth};
    CALL(cuMemcpy3D_v2(&all));
    size_t x = below((uint32_t)shape.Width), y = below((uint32_t)height), z = below((uint32_t)depth);
    CUstream stream = pick_stream(c, &index);
    CUDA_MEMCPY3D in = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes + 100, .srcPitch = SIDE * 16, .srcHeight = SIDE, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = array, .dstXInBytes = x * element,
                        .dstY = y, .dstZ = z, .WidthInBytes = some_extent(shape.Width, x) * element, .Height = some_extent(height, y), .Depth = some_extent(depth, z)};
    if (one_in(12)) in.srcHeight = 0;
    if (one_in(12)) in.srcPitch = 0;
    if (one_in(20)) in.dstLOD = 1;
    if (one_in(20)) in.WidthInBytes++;
    say("%zu x %zu x %zu at %zu, %zu, %zu, stream %d", in.WidthInBytes, in.Height, in.Depth, x, y, z, index);
    loud(c);
    CUDA_MEMCPY3D out = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = look, .dstPitch = SIDE * 16, .dstHeight = SIDE, .WidthInBytes = shape.Width * element,
                         .Height = height, .Depth = depth};
    CUcontext context = NULL;
    CALL(cuCtxGetCurrent(&context));
    CUDA_MEMCPY3D_PEER peer = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .srcContext = one_in(2) ? context : NULL, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = look, .dstContext = one_in(2) ? context : NULL,
                               .dstPitch = SIDE * 16, .dstHeight = SIDE, .WidthInBytes = shape.Width * element, .Height = height, .Depth = depth};
    if (one_in(2)) {
        CALL(cuMemcpy3DAsync_v2(&in, stream));
        if (one_in(2)) pause_a_little();
        CALL(one_in(2) ? cuMemcpy3DAsync_v2(&out, stream) : cuMemcpy3DPeerAsync(&peer, stream));
        CALL(cuStreamSynchronize(stream));
    } else {
        CALL(cuMemcpy3D_v2(&in));
        CALL(one_in(2) ? cuMemcpy3D_v2(&out) : cuMemcpy3DPeer(&peer));
    }
    show_look("holds");
    CUarray twin = NULL;
    if (CALL(cuArray3DCreate_v2(&twin, &shape)) == CUDA_SUCCESS) {
        CALL(cuMemcpyAtoA_v2(twin, 0, array, below((uint32_t)shape.Width) * element, element));
        CUDA_MEMCPY3D across = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = array, .srcZ = z, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = twin, .dstZ = z, .WidthInBytes = element, .Height = height, .Depth = 1};
        CALL(cuMemcpy3D_v2(&across));
        out.srcArray = twin, out.WidthInBytes = element, out.Depth = 1, out.srcZ = z;
        CALL(cuMemcpy3D_v2(&out));
        show_look("its twin");
        CALL(cuArrayDestroy(twin));
    }
    CUDA_RESOURCE_DESC what = {.resType = CU_RESOURCE_TYPE_ARRAY, .res = {.array = {.hArray = array}}}, told_back;
    CUsurfObject surface = 0;
    memset(&told_back, 0, sizeof told_back);
    if (CALL(cuSurfObjectCreate(&surface, &what)) == CUDA_SUCCESS) {
        CALL(cuSurfObjectGetResourceDesc(&told_back, surface));
        say("array %s", told_back.res.array.hArray == array ? "its own" : "another");
        CALL(cuSurfObjectDestroy(surface));
        CALL(cuSurfObjectDestroy(surface));
    }
    CALL(cuArrayDestroy(array));
    CALL(cuMemcpy3D_v2(&out));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void mipmaps(void)
{
    int c = work_context();
    if (c < 0) return;
    unsigned levels = below(7);
    CUDA_ARRAY3D_DESCRIPTOR shape = {.Width = 1 + below(32), .Height = below(32), .Depth = one_in(4) ? below(8) : 0, .Format = CU_AD_FORMAT_UNSIGNED_INT8, .NumChannels = 4, .Flags = one_in(4) ? CUDA_ARRAY3D_SURFACE_LDST : 0}, got = {0};
    say("%zu x %zu x %zu, %u levels", shape.Width, shape.Height, shape.Depth, levels);
    may_wait();
    let_go();
    CUmipmappedArray all = NULL;
    CUarray level = NULL;
    if (CALL(cuMipmappedArrayCreate(&all, &shape, levels)) != CUDA_SUCCESS) return;
    for (unsigned i = 0; i < 8; i++) {
        if (CALL(cuMipmappedArrayGetLevel(&level, all, i)) != CUDA_SUCCESS) break;
        CALL(cuArray3DGetDescriptor_v2(&got, level));
        say("level %u: %zu x %zu x %zu", i, got.Width, got.Height, got.Depth);
        CUDA_MEMCPY3D in = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes, .srcPitch = 128, .srcHeight = 32, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = level, .WidthInBytes = got.Width * 4, .Height = got.Height ? got.Height : 1, .Depth = got.Depth ? got.Depth : 1};
        CUDA_MEMCPY3D out = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = level, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = look, .dstPitch = 128, .dstHeight = 32, .WidthInBytes = in.WidthInBytes, .Height = in.Height, .Depth = in.Depth};
        if (in.Depth > 7) break;
        CALL(cuMemcpy3D_v2(&in));
        memset(look, 0, sizeof look);
        CALL(cuMemcpy3D_v2(&out));
        show_look("holds");
    }
    if (one_in(3) && level) CALL(cuArrayDestroy(level)); /* a level is the mipmap's */
    CALL(cuMipmappedArrayDestroy(all));
    CALL(cuMipmappedArrayDestroy(all));
    CALL(cuMipmappedArrayGetLevel(&level, all, 0));
    CALL(cuCtxSynchronize());
    synchronised(c);
}

/* Boxes between buffers and host memory, with what a descriptor may leave out. */
static void memory_boxes(void)
{
    int c = work_context(), index;
    buffer_slot *b = c < 0 ? NULL : any_buffer(c), *d = c < 0 ? NULL : any_buffer(c);
    host_slot *h = c < 0 ? NULL : any_host(c);
    if (!b || !d || !h || b == d || b->size < 4096 || d->size < 4096 || h->size < 8192) return;
    int direction = (int)below(3), later = one_in(2);
    CUDA_MEMCPY3D how = {.srcXInBytes = below(4), .srcY = below(3), .srcZ = below(2), .dstXInBytes = below(4), .dstY = below(3), .dstZ = below(2), .WidthInBytes = 1 + below(12), .Height = 1 + below(6), .Depth = 1 + below(4),
                         .srcPitch = 16, .srcHeight = 8 + below(3), .dstPitch = 16 + below(4), .dstHeight = 8};
    if (one_in(8)) how.srcHeight = below(9);
    if (one_in(8)) how.dstPitch = below(20);
    if (one_in(8)) how.srcPitch = how.srcHeight = 0;
    if (one_in(8)) how.Depth = below(2);
    if (one_in(8)) how.Height = below(2);
    if (one_in(8)) how.srcY = how.srcZ = how.dstY = how.dstZ = 0;
    if (direction == 0) how.srcMemoryType = CU_MEMORYTYPE_HOST, how.srcHost = h->at, how.dstMemoryType = CU_MEMORYTYPE_DEVICE, how.dstDevice = b->at;
    if (direction == 1) how.srcMemoryType = CU_MEMORYTYPE_UNIFIED, how.srcDevice = b->at, how.dstMemoryType = CU_MEMORYTYPE_HOST, how.dstHost = h->at;
    if (direction == 2) how.srcMemoryType = CU_MEMORYTYPE_DEVICE, how.srcDevice = b->at, how.dstMemoryType = CU_MEMORYTYPE_DEVICE, how.dstDevice = d->at;
    CUstream stream = later ? pick_stream(c, &index) : (index = LEGACY, NULL);
    say("direction %d, host %d, buffers %d, %d, %zu x %zu x %zu, pitches %zu, %zu, heights %zu, %zu, %s %d", direction, (int)(h - hosts), (int)(b - buffers), (int)(d - buffers), how.WidthInBytes, how.Height, how.Depth, how.srcPitch,
        how.dstPitch, how.srcHeight, how.dstHeight, later ? "stream" : "waited", index);
    order(&h->last, c, index);
    order(&b->last, c, index);
    order(&d->last, c, index);
    if (!later || h->kind != PINNED) may_wait();
    if ((later ? CALL(cuMemcpy3DAsync_v2(&how, stream)) : CALL(cuMemcpy3D_v2(&how))) != CUDA_SUCCESS) return;
    give(&b->last, c, index);
    if (direction == 2) give(&d->last, c, index);
    else if (h->kind != PAGEABLE) give(&h->last, c, index);
}

const operation volume_operations[] = {{"array boxes", "volumes", 4, array_boxes}, {"mipmaps", "volumes", 2, mipmaps}, {"memory boxes", "volumes", 6, memory_boxes}, {0}};
