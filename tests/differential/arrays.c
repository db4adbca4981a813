/* arrays.c - arrays and what is copied into and out of them; texture objects over them. */
#include "walk.h"

enum { ARRAYS = 3 };

static struct array_slot {
    CUarray array;
    CUtexObject texture;
    int live, context;
    unsigned context_generation;
    size_t width, height, element; /* elements, rows, bytes */
} arrays[ARRAYS];

static unsigned char bytes[1 << 16], look[1 << 16];

static struct array_slot *an_array(int context)
{
    int start = (int)below(ARRAYS);
    for (int i = 0; i < ARRAYS; i++) {
        struct array_slot *a = &arrays[(start + i) % ARRAYS];
        if (LIVE(a) && a->context == context) return a;
    }
    return NULL;
}

static void create(void)
{
    static const CUarray_format formats[] = {CU_AD_FORMAT_UNSIGNED_INT8, CU_AD_FORMAT_UNSIGNED_INT16, CU_AD_FORMAT_FLOAT, CU_AD_FORMAT_HALF, (CUarray_format)0x55};
    static const size_t sizes[] = {1, 2, 4, 2, 1};
    int c = work_context(), kind = (int)below(one_in(10) ? 5 : 4);
    struct array_slot *a = &arrays[below(ARRAYS)];
    if (c < 0 || LIVE(a)) return;
    unsigned channels = one_in(10) ? 3 : 1u << below(3);
    CUDA_ARRAY_DESCRIPTOR shape = {.Width = 1 + below(64), .Height = below(32), .Format = formats[kind], .NumChannels = channels}, got = {0};
    *a = (struct array_slot){.context = c, .context_generation = contexts[c].generation, .width = shape.Width, .height = shape.Height ? shape.Height : 1, .element = sizes[kind] * channels};
    say("array %d, %zu x %zu, format %d, %u channels", (int)(a - arrays), shape.Width, shape.Height, (int)shape.Format, channels);
    may_wait();
    if (CALL(cuArrayCreate_v2(&a->array, &shape)) != CUDA_SUCCESS) return;
    CALL(cuArrayGetDescriptor_v2(&got, a->array));
    say("%zu x %zu, format %d, %u channels", got.Width, got.Height, (int)got.Format, got.NumChannels);
    a->live = 1;
    memset(bytes, 0, sizeof bytes);
    CUDA_MEMCPY2D all = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes, .srcPitch = a->width * a->element, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = a->array, .WidthInBytes = a->width * a->element, .Height = a->height};
    CALL(cuMemcpy2D_v2(&all));
}

static void copy(void)
{
    int c = work_context(), index;
    struct array_slot *a = c < 0 ? NULL : an_array(c);
    if (!a) return;
    CUstream stream = pick_stream(c, &index);
    size_t x = below((uint32_t)a->width), y = below((uint32_t)a->height), w = 1 + below((uint32_t)(a->width - x) + one_in(10)), h = 1 + below((uint32_t)(a->height - y));
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 3 + x);
    memset(look, 0, sizeof look);
    CUDA_MEMCPY2D in = {.srcMemoryType = CU_MEMORYTYPE_HOST, .srcHost = bytes, .srcPitch = 1024, .dstMemoryType = CU_MEMORYTYPE_ARRAY, .dstArray = a->array, .dstXInBytes = x * a->element, .dstY = y, .WidthInBytes = w * a->element, .Height = h};
    CUDA_MEMCPY2D out = {.srcMemoryType = CU_MEMORYTYPE_ARRAY, .srcArray = a->array, .dstMemoryType = CU_MEMORYTYPE_HOST, .dstHost = look, .dstPitch = 1024, .WidthInBytes = a->width * a->element, .Height = a->height};
    say("array %d, %zu x %zu at %zu, %zu, stream %d", (int)(a - arrays), w, h, x, y, index);
    let_go();
    may_wait();
    loud(c);
    if (one_in(12)) in.dstXInBytes++; /* not a whole element */
    if (one_in(2)) {
        CALL(cuMemcpy2DAsync_v2(&in, stream));
        if (one_in(2)) pause_a_little();
        CALL(cuMemcpy2DAsync_v2(&out, stream));
        CALL(cuStreamSynchronize(stream));
    } else {
        CALL(cuMemcpy2D_v2(&in));
        CALL(cuMemcpy2DUnaligned_v2(&out));
    }
    say("holds %016llx", (unsigned long long)hash_of(look, sizeof look));
}

/* Between an array's bytes in a row and memory. */
static void linear(void)
{
    int c = work_context();
    struct array_slot *a = c < 0 ? NULL : an_array(c);
    buffer_slot *b = c < 0 ? NULL : any_buffer(c);
    if (!a || !b) return;
    size_t row = a->width * a->element, at = below((uint32_t)row), count = 1 + below((uint32_t)(row - at) + one_in(10));
    if (count > b->size) return;
    say("array %d + %zu, %zu bytes, buffer %d", (int)(a - arrays), at, count, (int)(b - buffers));
    may_wait();
    settle(&b->last);
    switch (below(4)) {
    case 0: CALL(cuMemcpyDtoA_v2(a->array, at, b->at, count)); break;
    case 1: CALL(cuMemcpyAtoD_v2(b->at, a->array, at, count)); break;
    case 2: CALL(cuMemcpyHtoA_v2(a->array, at, bytes, count)); break;
    case 3:
        CALL(cuMemcpyAtoH_v2(look, a->array, at, count));
        say("holds %016llx", (unsigned long long)hash_of(look, count));
        break;
    }
    CALL(cuCtxSynchronize());
    synchronised(c);
}

static void texture(void)
{
    int c = work_context();
    struct array_slot *a = c < 0 ? NULL : an_array(c);
    if (!a) return;
    CUDA_RESOURCE_DESC what = {.resType = CU_RESOURCE_TYPE_ARRAY, .res = {.array = {.hArray = a->array}}}, got;
    CUDA_TEXTURE_DESC how = {.filterMode = (CUfilter_mode)below(2), .addressMode = {(CUaddress_mode)below(4), (CUaddress_mode)below(4)}, .flags = below(4)}, told_back;
    memset(&got, 0, sizeof got);
    memset(&told_back, 0, sizeof told_back);
    if (a->texture) {
        CALL(cuTexObjectDestroy(a->texture));
        if (one_in(3)) CALL(cuTexObjectDestroy(a->texture));
        a->texture = 0;
        return;
    }
    if (CALL(cuTexObjectCreate(&a->texture, &what, &how, NULL)) != CUDA_SUCCESS) return;
    CALL(cuTexObjectGetResourceDesc(&got, a->texture));
    CALL(cuTexObjectGetTextureDesc(&told_back, a->texture));
    say("array %s, filter %d, modes %d %d, flags %u", got.res.array.hArray == a->array ? "its own" : "another", (int)told_back.filterMode, (int)told_back.addressMode[0], (int)told_back.addressMode[1], told_back.flags);
}

static void destroy(void)
{
    int c = work_context();
    struct array_slot *a = c < 0 ? NULL : an_array(c);
    if (!a || one_in(2)) return;
    may_wait();
    if (a->texture) CALL(cuTexObjectDestroy(a->texture));
    CALL(cuArrayDestroy(a->array));
    a->live = 0;
    CALL(cuArrayDestroy(a->array));
    CUDA_ARRAY_DESCRIPTOR got;
    CALL(cuArrayGetDescriptor_v2(&got, a->array));
}

const operation array_operations[] = {
    {"array create", "arrays", 5, create}, {"array copy", "arrays", 4, copy}, {"array linear", "arrays", 3, linear}, {"texture", "arrays", 2, texture}, {"array destroy", "arrays", 2, destroy}, {0},
};
