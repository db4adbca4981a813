/* quota_model.c - quota_model BYTES SEED STEPS: in a zone of BYTES with no other client, takes and gives back memory by every way there is,
 * in random order, beside a model that adds up what docs/MEMORY.md says each costs; cuMemGetInfo must agree after every step, and a request
 * for more than is left must be refused and leave no trace. Prints what it holds at the end, waits for a line, and ends. */
#include <stdint.h>
#include <string.h>

#include "check.h"

static size_t limit, used;
static uint64_t state;
static CUcontext context;
static CUstream stream;
static CUmemoryPool pool;

static uint32_t next(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

static const char ptx[] = ".version 7.0\n.target sm_75\n.address_size 64\n.visible .global .align 4 .b8 global[4000];\n.visible .const .align 4 .b8 table[64];\n"
                          ".visible .entry nothing()\n{\n ret;\n}\n";

enum kind { ALLOC, PITCH, MANAGED, ASYNC, POOLED, GRAPH, VIRTUAL, ARRAY, LAYERED, MIPMAP, MODULE, LIBRARY, HEAP, KINDS };
static const char *const names[KINDS] = {"cuMemAlloc", "cuMemAllocPitch", "cuMemAllocManaged", "cuMemAllocAsync", "cuMemAllocFromPoolAsync", "cuGraphAddMemAllocNode",
                                         "cuMemCreate", "cuArrayCreate", "cuArray3DCreate", "cuMipmappedArrayCreate", "cuModuleLoadData", "cuLibraryLoadData", "cuCtxSetLimit"};

struct thing {
    int held;
    enum kind kind;
    size_t bytes;
    CUdeviceptr address;
    void *handle;
    CUmemGenericAllocationHandle memory;
    int released;
};

static void agree(const char *what)
{
    size_t free, total;
    CU(cuMemGetInfo_v2(&free, &total));
    if (total == limit && free == limit - used) return;
    fprintf(stderr, "after %s: %zu bytes are free, the model says %zu\n", what, free, limit - used);
    exit(1);
}

/* One more than is left: refused, by a way that is given what it asks for to the byte. */
static void too_much(void)
{
    CUdeviceptr p = 0x77;
    size_t left = limit - used, pitch;
    CUgraph graph;
    CUgraphNode node;
    CUDA_MEM_ALLOC_NODE_PARAMS wanted = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}}, .bytesize = left + 1};
    switch (next(6)) {
    case 0: CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc_v2(&p, left + 1)); break;
    case 1: CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocPitch_v2(&p, &pitch, 512, left / 512 + 1, 4)); break;
    case 2: CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocManaged(&p, left + 1, CU_MEM_ATTACH_GLOBAL)); break;
    case 3: CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocAsync(&p, left + 1, stream)); break;
    case 4: CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuMemAllocFromPoolAsync(&p, left + 1, pool, stream)); break;
    default:
        CU(cuGraphCreate(&graph, 0));
        CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, cuGraphAddMemAllocNode(&node, graph, NULL, 0, &wanted));
        CU(cuGraphDestroy(graph));
    }
    TRUE_OR_DIE(p == 0x77);
    agree("a refused request");
}

/* Whether it fitted. */
static int take(struct thing *t)
{
    const size_t n = 1 + next(next(4) ? 70000 : 3000000);
    size_t pitch, granule = (size_t)2 << 20;
    CUresult status = CUDA_SUCCESS;
    CUDA_ARRAY3D_DESCRIPTOR shape = {.Width = 1 + next(300), .Height = 1 + next(300), .Format = CU_AD_FORMAT_HALF, .NumChannels = 2};
    CUmemAllocationProp property = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
    CUgraphNode node;
    CUDA_MEM_ALLOC_NODE_PARAMS wanted = {.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}}, .bytesize = n};
    *t = (struct thing){.held = 1, .kind = (enum kind)next(KINDS), .bytes = n};
    switch (t->kind) {
    case ALLOC: status = cuMemAlloc_v2(&t->address, n); break;
    case PITCH: {
        const size_t rows = 1 + next(40), width = 1 + next(9000);
        status = cuMemAllocPitch_v2(&t->address, &pitch, width, rows, 8);
        t->bytes = (width + 511) / 512 * 512 * rows;
        if (status == CUDA_SUCCESS) TRUE_OR_DIE(pitch * rows == t->bytes);
        break;
    }
    case MANAGED: status = cuMemAllocManaged(&t->address, n, CU_MEM_ATTACH_GLOBAL); break;
    case ASYNC: status = cuMemAllocAsync(&t->address, n, stream); break;
    case POOLED: status = cuMemAllocFromPoolAsync(&t->address, n, pool, stream); break;
    case GRAPH:
        CU(cuGraphCreate((CUgraph *)&t->handle, 0));
        status = cuGraphAddMemAllocNode(&node, t->handle, NULL, 0, &wanted);
        if (status != CUDA_SUCCESS) CU(cuGraphDestroy(t->handle));
        break;
    case VIRTUAL:
        t->bytes = granule * (1 + next(2));
        status = cuMemCreate(&t->memory, t->bytes, &property, 0);
        if (status != CUDA_SUCCESS || next(2)) break;
        CU(cuMemAddressReserve(&t->address, t->bytes, 0, 0, 0));
        CU(cuMemMap(t->address, t->bytes, 0, t->memory, 0));
        t->released = (int)next(2); /* lives by its mapping alone */
        if (t->released) CU(cuMemRelease(t->memory));
        break;
    case ARRAY:
        t->bytes = shape.Width * shape.Height * 4;
        status = cuArrayCreate_v2((CUarray *)&t->handle, &(CUDA_ARRAY_DESCRIPTOR){shape.Width, shape.Height, shape.Format, shape.NumChannels});
        break;
    case LAYERED:
        shape.Depth = 1 + next(4);
        shape.Flags = CUDA_ARRAY3D_LAYERED;
        t->bytes = shape.Width * shape.Height * shape.Depth * 4;
        status = cuArray3DCreate_v2((CUarray *)&t->handle, &shape);
        break;
    case MIPMAP:
        t->bytes = 0;
        for (unsigned level = 0; level < 3; level++) {
            size_t w = shape.Width >> level, h = shape.Height >> level;
            if (w || h) t->bytes += (w ? w : 1) * (h ? h : 1) * 4;
        }
        status = cuMipmappedArrayCreate((CUmipmappedArray *)&t->handle, &shape, 3);
        break;
    case MODULE:
        t->bytes = sizeof ptx + 4064;
        status = cuModuleLoadData((CUmodule *)&t->handle, ptx);
        break;
    case LIBRARY:
        t->bytes = sizeof ptx + 4064;
        status = cuLibraryLoadData((CUlibrary *)&t->handle, ptx, NULL, NULL, 0, NULL, NULL, 0);
        break;
    default: { /* what a context's heap has beyond the driver's default */
        static size_t preset;
        if (!preset) CU(cuCtxGetLimit(&preset, CU_LIMIT_MALLOC_HEAP_SIZE));
        CUcontext made;
        status = cuCtxCreate_v2(&made, 0, 0);
        if (status != CUDA_SUCCESS) {
            CU_FAILS(CUDA_ERROR_OUT_OF_MEMORY, status); /* as many contexts as a client may have */
            t->bytes = SIZE_MAX;
            break;
        }
        status = cuCtxSetLimit(CU_LIMIT_MALLOC_HEAP_SIZE, preset + n);
        CU(cuCtxPopCurrent_v2(NULL));
        t->handle = made;
        if (status != CUDA_SUCCESS) CU(cuCtxDestroy_v2(made));
    }
    }
    if (status == CUDA_SUCCESS) {
        used += t->bytes;
        return 1;
    }
    if (status != CUDA_ERROR_OUT_OF_MEMORY || (t->bytes != SIZE_MAX && t->bytes <= limit - used)) {
        fprintf(stderr, "%s of %zu bytes with %zu left: %s\n", names[t->kind], t->bytes, limit - used, error_name(status));
        exit(1);
    }
    t->held = 0;
    return 0;
}

static void give(struct thing *t)
{
    switch (t->kind) {
    case ALLOC:
    case PITCH:
    case MANAGED: CU(cuMemFree_v2(t->address)); break;
    case ASYNC:
    case POOLED:
        if (next(2)) CU(cuMemFree_v2(t->address));
        else CU(cuMemFreeAsync(t->address, stream));
        break;
    case GRAPH: CU(cuGraphDestroy(t->handle)); break;
    case VIRTUAL:
        if (!t->released) CU(cuMemRelease(t->memory));
        if (t->address) {
            CU(cuMemUnmap(t->address, t->bytes));
            CU(cuMemAddressFree(t->address, t->bytes));
        }
        break;
    case ARRAY:
    case LAYERED: CU(cuArrayDestroy(t->handle)); break;
    case MIPMAP: CU(cuMipmappedArrayDestroy(t->handle)); break;
    case MODULE: CU(cuModuleUnload(t->handle)); break;
    case LIBRARY: CU(cuLibraryUnload(t->handle)); break;
    default: CU(cuCtxDestroy_v2(t->handle));
    }
    used -= t->bytes;
    t->held = 0;
}

int main(int argc, char **argv)
{
    enum { THINGS = 40 };
    static struct thing things[THINGS];
    if (argc != 4) return fprintf(stderr, "usage: quota_model BYTES SEED STEPS\n"), 64;
    limit = strtoull(argv[1], NULL, 10);
    state = strtoull(argv[2], NULL, 10) * 2 + 1;
    unsigned refused = 0, steps = (unsigned)strtoul(argv[3], NULL, 10);
    CU(cuInit(0));
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    const CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE}};
    cuuint64_t keep = UINT64_MAX;
    CU(cuMemPoolCreate(&pool, &properties));
    CU(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep)); /* what a pool keeps is nobody's */
    agree("nothing");
    for (unsigned i = 0; i < steps; i++) {
        struct thing *t = &things[next(THINGS)];
        char what[96];
        int was = t->held;
        if (was) give(t);
        else refused += !take(t);
        snprintf(what, sizeof what, "step %u: %s of %zu bytes %s", i, names[t->kind], t->bytes, was ? "given back" : t->held ? "taken" : "refused");
        agree(what);
        if (next(8) == 0) too_much();
        if (next(32) == 0) {
            CU(cuMemPoolTrimTo(pool, 0));
            CU(cuDeviceGraphMemTrim(0));
            agree("a trim");
        }
    }
    printf("%zu bytes held, %u of %u steps refused\n", used, refused, steps);
    fflush(stdout);
    (void)getchar();
    return 0;
}
