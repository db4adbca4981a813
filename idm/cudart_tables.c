/* cudart_tables.c - what NVIDIA's CUDA runtime library (libcudart) asks of a driver library beyond the public driver API.
 *
 * WHAT IT IS FOR. Interoperability: programs made by nvcc carry libcudart, and libcudart starts on no driver library that cannot
 * answer cuGetExportTable for six tables. With them such programs run unchanged in a zone, or on the software GPU; without this
 * file (`node scripts/build.mjs --without-cudart` leaves it out) programs of the driver API work all the same, and those of the
 * runtime get an error. On a GPU host all the work is still done by NVIDIA's own driver, in the driver domain, for which the
 * tables play no part: they are about this process alone, and cannot be asked of a driver in another one.
 *
 * WHERE THE FACTS ARE FROM. The tables are not in NVIDIA's manuals. They are described by open projects (ZLUDA, Apache-2.0 or
 * MIT: names, slots, and what goes into the check), and were watched from outside with cudart 13.0. Nothing was disassembled.
 * Slots that nobody was seen to use are NULL.
 *
 * It lies in idm/ because the client and the software GPU are both compiled with it and neither may know the other; it knows
 * nothing but the public API and the two functions of cudart_tables.h. */
#include "cudart_tables.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void (*slot)(void);
#define SLOT(function) ((slot)(function))
#define SIZE_SLOT(count) ((slot)(uintptr_t)((count) * sizeof(slot))) /* where slot 0 is the table's size in bytes */

/* ---- CUDART_INTERFACE ------------------------------------------------------------------------------------------------- */

/* The runtime makes this context current before it retains it. */
static CUresult primary(CUcontext *context, CUdevice device)
{
    return context ? rf_cudart_primary(context, device) : CUDA_ERROR_INVALID_VALUE;
}

/* Before CUDA 12 the runtime loaded its fat binaries by these and not with cuLibraryLoadData. */
static CUresult load_wrapper(CUmodule *module, const void *wrapper) { return cuModuleLoadData(module, wrapper); }

static CUresult load_wrapper_with(CUmodule *module, const void *wrapper, const void *unknown1, const void *unknown2, unsigned unknown3)
{
    return unknown1 || unknown2 || unknown3 ? CUDA_ERROR_NOT_SUPPORTED : cuModuleLoadData(module, wrapper);
}

static CUresult load_fatbin_with(const void *fatbin, CUmodule *module, const void *unknown1, const void *unknown2, unsigned unknown3)
{
    return load_wrapper_with(module, fatbin, unknown1, unknown2, unknown3);
}

static void nothing(size_t unknown) { (void)unknown; }
static CUresult load_compilers(void) { return CUDA_SUCCESS; } /* ours are not loaded later */

static const slot cudart_interface[13] = {
    [0] = SIZE_SLOT(13),
    [1] = SLOT(load_wrapper),
    [2] = SLOT(primary),
    [6] = SLOT(load_wrapper_with),
    [7] = SLOT(nothing),
    [8] = SLOT(load_fatbin_with),
    [12] = SLOT(load_compilers),
};

/* ---- TOOLS_RUNTIME_CALLBACK_HOOKS, TOOLS_TLS: profilers'. None is ever attached -------------------------------------------- */

static uint32_t call_is_watched[1024]; /* by the profiling interface's number of a runtime call; the runtime reads it at each call */
static uint32_t domain_is_watched[14];

static void watched_calls(const uint32_t **flags, size_t *count)
{
    *flags = call_is_watched;
    *count = sizeof call_is_watched / sizeof *call_is_watched;
}

static void watched_domains(const uint32_t **flags, size_t *count)
{
    *flags = domain_is_watched;
    *count = sizeof domain_is_watched / sizeof *domain_is_watched;
}

static const slot tools_callback_hooks[7] = {[0] = SIZE_SLOT(7), [2] = SLOT(watched_calls), [6] = SLOT(watched_domains)};
static const slot tools_tls[4] = {[0] = SIZE_SLOT(4)};

/* ---- CONTEXT_LOCAL_STORAGE: a map in each context, from key to value ------------------------------------------------------- */

typedef void destructor(CUcontext context, void *key, void *value);

struct rf_cudart_kept {
    struct rf_cudart_kept *next;
    CUcontext context;
    void *key, *value;
    destructor *end;
};

static pthread_mutex_t storage_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rf_cudart_kept *storage;          /* a handful: one a context and runtime */
static _Atomic uint64_t storage_generation = 1; /* counts changes, under the lock */

static struct rf_cudart_kept **find(CUcontext context, const void *key)
{
    struct rf_cudart_kept **at = &storage;
    while (*at && ((*at)->context != context || (*at)->key != key)) at = &(*at)->next;
    return at;
}

static void changed(void) { atomic_fetch_add_explicit(&storage_generation, 1, memory_order_release); }

/* NULL is the calling thread's current context, and so is -1 (seen of a runtime: github.com/lupinemachines/lupine/issues/427). */
static CUresult context_of(CUcontext *context)
{
    if (*context == (CUcontext)(uintptr_t)-1) *context = NULL;
    return rf_cudart_context(context);
}

static CUresult storage_put(CUcontext context, void *key, void *value, destructor *end)
{
    CUresult error = context_of(&context);
    if (error != CUDA_SUCCESS) return error;
    pthread_mutex_lock(&storage_lock);
    struct rf_cudart_kept **at = find(context, key);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->context = context;
        (*at)->key = key;
    }
    if (*at) {
        (*at)->value = value;
        (*at)->end = end;
        changed();
    } else {
        error = CUDA_ERROR_OUT_OF_MEMORY;
    }
    pthread_mutex_unlock(&storage_lock);
    return error;
}

static CUresult storage_delete(CUcontext context, void *key)
{
    CUresult error = context_of(&context);
    if (error != CUDA_SUCCESS) return error;
    pthread_mutex_lock(&storage_lock);
    struct rf_cudart_kept **at = find(context, key), *gone = *at;
    if (gone) {
        *at = gone->next;
        changed();
    }
    pthread_mutex_unlock(&storage_lock);
    free(gone);
    return CUDA_SUCCESS;
}

/* Once for every runtime call, so a thread remembers its last answer for as long as nobody changes anything. */
static CUresult storage_get(void **value, CUcontext context, void *key)
{
    static __thread struct {
        uint64_t generation;
        CUcontext context;
        void *key, *value;
    } last;
    if (!value) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = context_of(&context);
    if (error != CUDA_SUCCESS) return error;
    if (last.generation == atomic_load_explicit(&storage_generation, memory_order_acquire) && last.context == context && last.key == key) {
        *value = last.value;
        return CUDA_SUCCESS;
    }
    pthread_mutex_lock(&storage_lock);
    const struct rf_cudart_kept *found = *find(context, key);
    if (found) {
        last.generation = atomic_load_explicit(&storage_generation, memory_order_relaxed);
        last.context = context;
        last.key = key;
        *value = last.value = found->value;
    }
    pthread_mutex_unlock(&storage_lock);
    return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

struct rf_cudart_kept *rf_cudart_take(CUcontext context)
{
    struct rf_cudart_kept *taken = NULL;
    pthread_mutex_lock(&storage_lock);
    for (struct rf_cudart_kept **at = &storage; *at;) {
        struct rf_cudart_kept *entry = *at;
        if (entry->context != context) {
            at = &entry->next;
            continue;
        }
        *at = entry->next;
        entry->next = taken;
        taken = entry;
    }
    if (taken) changed();
    pthread_mutex_unlock(&storage_lock);
    return taken;
}

void rf_cudart_drop(struct rf_cudart_kept *kept)
{
    while (kept) {
        struct rf_cudart_kept *next = kept->next;
        if (kept->end) kept->end(kept->context, kept->key, kept->value);
        free(kept);
        kept = next;
    }
}

/* No size slot in this one. */
static const slot context_local_storage[4] = {SLOT(storage_put), SLOT(storage_delete), SLOT(storage_get)};

/* ---- CONTEXT_CHECKS: asks for properties that no context has ---------------------------------------------------------------- */

static CUresult check_context(CUcontext context, uint32_t *result, void **unknown)
{
    (void)context;
    (void)unknown;
    if (result) *result = 0;
    return CUDA_SUCCESS;
}

static uint32_t check_process(void) { return 0; }

static const slot context_checks[4] = {[0] = SIZE_SLOT(4), [2] = SLOT(check_context), [3] = SLOT(check_process)};

/* ---- INTEGRITY_CHECK: the runtime asks whether the two libraries agree on process, thread, devices and each other's addresses.
 * The answer is HMAC (RFC 2104) of those over MD2 (RFC 1319), under a fixed key. ------------------------------------------------- */

#define MD2_BLOCK 16

struct md2 {
    uint8_t state[3 * MD2_BLOCK], checksum[MD2_BLOCK], block[MD2_BLOCK];
    unsigned filled;
};

/* "A random permutation constructed from the digits of pi": RFC 1319, section 3.2. */
static const uint8_t pi[256] = {
    41,  46,  67,  201, 162, 216, 124, 1,   61,  54,  84,  161, 236, 240, 6,   19,  98,  167, 5,   243, 192, 199, 115, 140, 152, 147,
    43,  217, 188, 76,  130, 202, 30,  155, 87,  60,  253, 212, 224, 22,  103, 66,  111, 24,  138, 23,  229, 18,  190, 78,  196, 214,
    218, 158, 222, 73,  160, 251, 245, 142, 187, 47,  238, 122, 169, 104, 121, 145, 21,  178, 7,   63,  148, 194, 16,  137, 11,  34,
    95,  33,  128, 127, 93,  154, 90,  144, 50,  39,  53,  62,  204, 231, 191, 247, 151, 3,   255, 25,  48,  179, 72,  165, 181, 209,
    215, 94,  146, 42,  172, 86,  170, 198, 79,  184, 56,  210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4,   241, 69,  157,
    112, 89,  100, 113, 135, 32,  134, 91,  207, 101, 230, 45,  168, 2,   27,  96,  37,  173, 174, 176, 185, 246, 28,  70,  97,  105,
    52,  64,  126, 15,  85,  71,  163, 35,  221, 81,  175, 58,  195, 92,  249, 206, 186, 197, 234, 38,  44,  83,  13,  110, 133, 40,
    132, 9,   211, 223, 205, 244, 65,  129, 77,  82,  106, 220, 55,  200, 108, 193, 171, 250, 36,  225, 123, 8,   12,  189, 177, 74,
    120, 136, 149, 139, 227, 99,  232, 109, 233, 203, 213, 254, 59,  0,   29,  57,  242, 239, 183, 14,  102, 88,  208, 228, 166, 119,
    114, 248, 235, 117, 75,  10,  49,  68,  80,  180, 143, 237, 31,  26,  219, 153, 141, 51,  159, 17,  131, 20,
};

static void md2_block(struct md2 *md2, const uint8_t block[MD2_BLOCK])
{
    uint8_t t = md2->checksum[MD2_BLOCK - 1];
    for (unsigned i = 0; i < MD2_BLOCK; i++) t = md2->checksum[i] ^= pi[block[i] ^ t];
    for (unsigned i = 0; i < MD2_BLOCK; i++) {
        md2->state[MD2_BLOCK + i] = block[i];
        md2->state[2 * MD2_BLOCK + i] = md2->state[i] ^ block[i];
    }
    t = 0;
    for (unsigned round = 0; round < 18; round++) {
        for (unsigned i = 0; i < sizeof md2->state; i++) t = md2->state[i] ^= pi[t];
        t = (uint8_t)(t + round);
    }
}

static void md2_add(struct md2 *md2, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++) {
        md2->block[md2->filled++] = bytes[i];
        if (md2->filled == MD2_BLOCK) {
            md2_block(md2, md2->block);
            md2->filled = 0;
        }
    }
}

static void md2_end(struct md2 *md2, uint8_t digest[MD2_BLOCK])
{
    uint8_t padding[MD2_BLOCK], checksum[MD2_BLOCK];
    const size_t missing = MD2_BLOCK - md2->filled;
    memset(padding, (int)missing, sizeof padding);
    md2_add(md2, padding, missing);
    memcpy(checksum, md2->checksum, sizeof checksum);
    md2_block(md2, checksum);
    memcpy(digest, md2->state, MD2_BLOCK);
}

static void hmac_begin(struct md2 *md2, uint8_t pad)
{
    static const uint8_t key[MD2_BLOCK] = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};
    uint8_t padded[MD2_BLOCK];
    for (unsigned i = 0; i < MD2_BLOCK; i++) padded[i] = key[i] ^ pad;
    memset(md2, 0, sizeof *md2);
    md2_add(md2, padded, sizeof padded);
}

/* What is agreed on, in this order and without gaps; then the devices. */
struct agreed {
    uint32_t driver_version, runtime_version, process, thread;
    const void *cudart_interface, *integrity_check, *function;
    uint64_t unix_seconds;
};

struct agreed_device {
    CUuuid uuid;
    int32_t domain, bus, device;
};

_Static_assert(sizeof(struct agreed) == 48 && sizeof(struct agreed_device) == 28, "hashed as they lie");

static CUresult check(uint32_t version, uint64_t unix_seconds, uint64_t result[2]);
static const slot integrity_check[3] = {[0] = SIZE_SLOT(3), [1] = SLOT(check)};

/* The runtime asks three times at its start, with its version and that plus 1 and 2; the first two have fixed answers. */
static CUresult check(uint32_t version, uint64_t unix_seconds, uint64_t result[2])
{
    if (!result) return CUDA_ERROR_INVALID_VALUE;
    if (version % 10 < 2) {
        result[0] = version % 10 == 0 ? 0x3341181c03cb675cu : 0x1841181c03cb675cu;
        result[1] = 0x8ed383aa1f4cd1e8u;
        return CUDA_SUCCESS;
    }
    int driver = 0, devices = 0;
    CUresult error = cuDriverGetVersion(&driver);
    if (error == CUDA_SUCCESS) error = cuDeviceGetCount(&devices);
    const struct agreed agreed = {
        .driver_version = (uint32_t)driver,
        .runtime_version = version,
        .process = (uint32_t)getpid(),
        .thread = (uint32_t)pthread_self(),
        .cudart_interface = cudart_interface,
        .integrity_check = integrity_check,
        .function = (const void *)(uintptr_t)integrity_check[1],
        .unix_seconds = unix_seconds,
    };
    struct md2 inner, outer;
    hmac_begin(&inner, 0x36);
    md2_add(&inner, &agreed, sizeof agreed);
    for (int i = 0; i < devices && error == CUDA_SUCCESS; i++) {
        struct agreed_device device;
        error = cuDeviceGetUuid_v2(&device.uuid, i);
        if (error == CUDA_SUCCESS) error = cuDeviceGetAttribute(&device.domain, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, i);
        if (error == CUDA_SUCCESS) error = cuDeviceGetAttribute(&device.bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, i);
        if (error == CUDA_SUCCESS) error = cuDeviceGetAttribute(&device.device, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, i);
        md2_add(&inner, &device, sizeof device);
    }
    if (error != CUDA_SUCCESS) return error;
    uint8_t digest[MD2_BLOCK];
    md2_end(&inner, digest);
    hmac_begin(&outer, 0x5c);
    md2_add(&outer, digest, sizeof digest);
    md2_end(&outer, digest);
    memcpy(result, digest, sizeof digest);
    return CUDA_SUCCESS;
}

/* ---- which table is which ----------------------------------------------------------------------------------------------------- */

static const struct {
    CUuuid id;
    const slot *table;
} tables[] = {
    {{RF_CUDART_INTERFACE_ID}, cudart_interface},
#define B(x) ((char)0x##x)
#define ID(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) {{B(a), B(b), B(c), B(d), B(e), B(f), B(g), B(h), B(i), B(j), B(k), B(l), B(m), B(n), B(o), B(p)}}
    {ID(a0, 94, 79, 8c, 2e, 74, 2e, 74, 93, f2, 08, 00, 20, 0c, 0a, 66), tools_callback_hooks},
    {ID(42, d8, 5a, 81, 23, f6, cb, 47, 82, 98, f6, e7, 8a, 3a, ec, dc), tools_tls},
    {ID(c6, 93, 33, 6e, 11, 21, df, 11, a8, c3, 68, f3, 55, d8, 95, 93), context_local_storage},
    {ID(26, 3e, 88, 60, 7c, d2, 61, 43, 92, f6, bb, d5, 00, 6d, fa, 7e), context_checks},
    {ID(d4, 08, 20, 55, bd, e6, 70, 4b, 8d, 34, ba, 12, 3c, 66, e1, f2), integrity_check},
};

static _Atomic int runtime_is_here;

const void *rf_cudart_table(const CUuuid *id)
{
    if (!memcmp(id, &tables[0].id, sizeof *id)) atomic_store_explicit(&runtime_is_here, 1, memory_order_relaxed);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!memcmp(id, &tables[i].id, sizeof *id)) return tables[i].table;
    return NULL;
}

CUresult rf_cudart_bad_shape(void)
{
    enum { INVALID_CONFIGURATION = 9 };
    return atomic_load_explicit(&runtime_is_here, memory_order_relaxed) ? (CUresult)INVALID_CONFIGURATION : CUDA_ERROR_INVALID_VALUE;
}
