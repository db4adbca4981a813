/* tables.c - the CUDA runtime's tables (idm/cudart_tables.c), asked for and used as libcudart does, without libcudart.
 *
 *   tables present | absent | visible
 *
 * The check's answer is computed again here from RFC 1319 and RFC 2104, over an MD2 that is first held against the RFC's vectors. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "../programs/check.h"

#define TABLE(...) ((CUuuid){{__VA_ARGS__}})
#define B(x) ((char)(x))
static const CUuuid interface_id = {{B(0x6b), B(0xd5), B(0xfb), B(0x6c), B(0x5b), B(0xf4), B(0xe7), B(0x4a), B(0x89), B(0x87), B(0xd9), B(0x39), B(0x12), B(0xfd), B(0x9d), B(0xf9)}};
static const CUuuid hooks_id = {{B(0xa0), B(0x94), B(0x79), B(0x8c), B(0x2e), B(0x74), B(0x2e), B(0x74), B(0x93), B(0xf2), B(0x08), B(0x00), B(0x20), B(0x0c), B(0x0a), B(0x66)}};
static const CUuuid tls_id = {{B(0x42), B(0xd8), B(0x5a), B(0x81), B(0x23), B(0xf6), B(0xcb), B(0x47), B(0x82), B(0x98), B(0xf6), B(0xe7), B(0x8a), B(0x3a), B(0xec), B(0xdc)}};
static const CUuuid storage_id = {{B(0xc6), B(0x93), B(0x33), B(0x6e), B(0x11), B(0x21), B(0xdf), B(0x11), B(0xa8), B(0xc3), B(0x68), B(0xf3), B(0x55), B(0xd8), B(0x95), B(0x93)}};
static const CUuuid checks_id = {{B(0x26), B(0x3e), B(0x88), B(0x60), B(0x7c), B(0xd2), B(0x61), B(0x43), B(0x92), B(0xf6), B(0xbb), B(0xd5), B(0x00), B(0x6d), B(0xfa), B(0x7e)}};
static const CUuuid integrity_id = {{B(0xd4), B(0x08), B(0x20), B(0x55), B(0xbd), B(0xe6), B(0x70), B(0x4b), B(0x8d), B(0x34), B(0xba), B(0x12), B(0x3c), B(0x66), B(0xe1), B(0xf2)}};

static void *const *table(const CUuuid *id)
{
    const void *found = NULL;
    CU(cuGetExportTable(&found, id));
    return found;
}

/* ---- MD2 and HMAC, as the RFCs write them ---- */

static uint8_t S[256];

/* RFC 1319's permutation: a Fisher-Yates shuffle with the decimal digits of pi, which a spigot yields. */
static int digit(void)
{
    enum { N = 1024, LENGTH = N * 10 / 3 + 1 };
    static int remainders[LENGTH], digits[N], made, used;
    if (!made) {
        for (int i = 0; i < LENGTH; i++) remainders[i] = 2;
        int nines = 0, held = -1;
        for (int n = 0; n < N; n++) {
            int carry = 0;
            for (int i = LENGTH - 1; i >= 0; i--) {
                int x = remainders[i] * 10 + carry;
                remainders[i] = x % (2 * i + 1);
                carry = i ? x / (2 * i + 1) * i : x;
            }
            remainders[0] = carry % 10;
            int q = carry / 10;
            if (q == 9) {
                nines++;
                continue;
            }
            if (held >= 0) digits[made++] = held + (q == 10);
            while (nines > 0) {
                digits[made++] = q == 10 ? 0 : 9;
                nines--;
            }
            held = q == 10 ? 0 : q;
        }
    }
    return digits[used++];
}

static int random_below(int n)
{
    for (;;) {
        int x = digit(), y = 10;
        if (n > 10) {
            x = x * 10 + digit();
            y = 100;
        }
        if (n > 100) {
            x = x * 10 + digit();
            y = 1000;
        }
        if (x < n * (y / n)) return x % n;
    }
}

static void permute(void)
{
    for (int i = 0; i < 256; i++) S[i] = (uint8_t)i;
    for (int i = 2; i <= 256; i++) {
        int j = random_below(i);
        uint8_t other = S[j];
        S[j] = S[i - 1];
        S[i - 1] = other;
    }
}

static void md2(const uint8_t *message, size_t size, uint8_t digest[16])
{
    uint8_t text[512], x[48] = {0}, checksum[16] = {0}, l = 0;
    size_t padded = (size / 16 + 1) * 16;
    TRUE_OR_DIE(padded + 16 <= sizeof text);
    memcpy(text, message, size);
    memset(text + size, (int)(padded - size), padded - size);
    for (size_t i = 0; i < padded; i++) l = checksum[i % 16] ^= S[text[i] ^ l];
    memcpy(text + padded, checksum, 16);
    for (size_t block = 0; block < padded + 16; block += 16) {
        for (int j = 0; j < 16; j++) {
            x[16 + j] = text[block + (size_t)j];
            x[32 + j] = x[16 + j] ^ x[j];
        }
        unsigned t = 0;
        for (unsigned j = 0; j < 18; j++) {
            for (int k = 0; k < 48; k++) t = x[k] ^= S[t];
            t = (t + j) % 256;
        }
    }
    memcpy(digest, x, 16);
}

static void md2_of(const char *text, const char *expected)
{
    uint8_t digest[16];
    char hex[33];
    md2((const uint8_t *)text, strlen(text), digest);
    for (int i = 0; i < 16; i++) sprintf(hex + 2 * i, "%02x", digest[i]);
    TRUE_OR_DIE(!strcmp(hex, expected));
}

static void hmac(const uint8_t *message, size_t size, uint8_t digest[16])
{
    static const uint8_t key[16] = {0x14, 0x6a, 0xdd, 0xae, 0x53, 0xa9, 0xa7, 0x52, 0xaa, 0x08, 0x41, 0x36, 0x0b, 0xf5, 0x5a, 0x9f};
    uint8_t text[256], inner[16];
    for (int i = 0; i < 16; i++) text[i] = key[i] ^ 0x36;
    memcpy(text + 16, message, size);
    md2(text, 16 + size, inner);
    for (int i = 0; i < 16; i++) text[i] = key[i] ^ 0x5c;
    memcpy(text + 16, inner, 16);
    md2(text, 32, digest);
}

static void integrity(void)
{
    md2_of("", "8350e5a3e24c153df2275c9f80692773");
    md2_of("abc", "da853b0d3f88d99b30283a69e6ded6bb");
    md2_of("12345678901234567890123456789012345678901234567890123456789012345678901234567890", "d5976f79d83d3a0dc9806c3c66f3efd8");

    void *const *t = table(&integrity_id), *const *cudart = table(&interface_id);
    CUresult (*check)(uint32_t, uint64_t, uint64_t *) = (CUresult(*)(uint32_t, uint64_t, uint64_t *))(uintptr_t)t[1];
    uint64_t result[2], other[2];
    CU(check(13000, 1, result));
    CU(check(13001, 1, other));
    TRUE_OR_DIE(result[0] != other[0] && result[1] == other[1]);

    uint8_t message[256];
    size_t size = 0;
    int version, count;
    CU(cuDriverGetVersion(&version));
    CU(cuDeviceGetCount(&count));
    const uint32_t words[4] = {(uint32_t)version, 13002, (uint32_t)getpid(), (uint32_t)pthread_self()};
    const uint64_t longs[4] = {(uintptr_t)cudart, (uintptr_t)t, (uintptr_t)t[1], 1234567890};
    memcpy(message, words, sizeof words);
    memcpy(message + sizeof words, longs, sizeof longs);
    size = sizeof words + sizeof longs;
    for (int i = 0; i < count; i++, size += 28) {
        int place[3];
        CU(cuDeviceGetUuid((CUuuid *)(message + size), i));
        CU(cuDeviceGetAttribute(&place[0], CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, i));
        CU(cuDeviceGetAttribute(&place[1], CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, i));
        CU(cuDeviceGetAttribute(&place[2], CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID, i));
        memcpy(message + size + 16, place, 12);
    }
    uint8_t digest[16];
    hmac(message, size, digest);
    CU(check(13002, 1234567890, result));
    TRUE_OR_DIE(!memcmp(result, digest, 16));
    CU(check(13002, 1234567891, other));
    TRUE_OR_DIE(memcmp(result, other, 16));
}

/* ---- context-local storage ---- */

typedef void destructor(CUcontext, void *, void *);
static CUresult (*put)(CUcontext, void *, void *, destructor *);
static CUresult (*del)(CUcontext, void *);
static CUresult (*get)(void **, CUcontext, void *);
static int ended;
static CUcontext ended_context;
static char a, b;

static void end(CUcontext context, void *key, void *value)
{
    TRUE_OR_DIE((key == &a && value == &b) || (key == &b && value == &a));
    ended++;
    ended_context = context;
    /* The runtime may call the driver here: no lock may be held. */
    unsigned flags;
    int active;
    CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
    TRUE_OR_DIE(get(&value, context, key) != CUDA_SUCCESS);
}

static void *other_thread(void *context)
{
    void *value;
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, get(&value, NULL, &a));
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, get(&value, (CUcontext)-1, &a));
    CU(get(&value, context, &a));
    TRUE_OR_DIE(value == &b);
    CU(cuCtxSetCurrent(context));
    CU(get(&value, NULL, &a));
    CU(put(NULL, &a, &a, NULL)); /* seen by the thread that remembers the old value */
    return NULL;
}

static void storage(CUcontext primary)
{
    void *const *t = table(&storage_id), *value;
    put = (CUresult(*)(CUcontext, void *, void *, destructor *))(uintptr_t)t[0];
    del = (CUresult(*)(CUcontext, void *))(uintptr_t)t[1];
    get = (CUresult(*)(void **, CUcontext, void *))(uintptr_t)t[2];

    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, get(&value, NULL, &a));
    CUcontext retained;
    CU(cuCtxSetCurrent(primary)); /* before it is retained, as the runtime does */
    CU(cuDevicePrimaryCtxRetain(&retained, 0));
    TRUE_OR_DIE(retained == primary);
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, get(&value, NULL, &a));
    CU(put(NULL, &a, &b, end));
    for (int i = 0; i < 3; i++) {
        CU(get(&value, i == 1 ? primary : i == 2 ? (CUcontext)-1 : NULL, &a));
        TRUE_OR_DIE(value == &b);
    }
    pthread_t thread;
    TRUE_OR_DIE(!pthread_create(&thread, NULL, other_thread, primary) && !pthread_join(thread, NULL));
    CU(get(&value, NULL, &a));
    TRUE_OR_DIE(value == &a);
    CU(put(NULL, &a, &b, end));
    CU(put(NULL, &b, &a, end));
    CU(del(NULL, &b)); /* deleted: not ended */
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, get(&value, NULL, &b));
    TRUE_OR_DIE(ended == 0);

    CU(cuDevicePrimaryCtxReset(0));
    TRUE_OR_DIE(ended == 1 && ended_context == primary);
    CU_FAILS(CUDA_ERROR_INVALID_HANDLE, get(&value, NULL, &a));
    CU(put(NULL, &a, &b, end));
    CU(cuDevicePrimaryCtxRelease(0));
    CU(cuDevicePrimaryCtxRetain(&retained, 0));
    CU(cuDevicePrimaryCtxRelease(0));
    TRUE_OR_DIE(ended == 2);

    CUcontext created;
    CU(cuCtxCreate_v2(&created, 0, 0));
    CU(put(NULL, &a, &b, end));
    CU(put(created, &b, &a, end));
    CU(cuCtxDestroy(created));
    TRUE_OR_DIE(ended == 4 && ended_context == created);
    CU_FAILS(CUDA_ERROR_INVALID_CONTEXT, get(&value, created, &a));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, get(NULL, primary, &a));
}

static void present(void)
{
    const void *none = &a;
    const CUuuid unknown = TABLE(B(0xf8), B(0xcf), B(0xf9), B(0x51), B(0x21), B(0x46), B(0x8b), B(0x4e), B(0xb9), B(0xe2), B(0xfb), B(0x46), B(0x9e), B(0x7c), B(0x0d), B(0xd9));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetExportTable(&none, &unknown));
    TRUE_OR_DIE(none == NULL);
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetExportTable(NULL, &interface_id));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetExportTable(&none, NULL));

    void *const *interface = table(&interface_id);
    CUresult (*primary)(CUcontext *, CUdevice) = (CUresult(*)(CUcontext *, CUdevice))(uintptr_t)interface[2];
    CUcontext context = NULL;
    CU_FAILS(CUDA_ERROR_NOT_INITIALIZED, primary(&context, 0));
    CU(cuInit(0));
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, primary(&context, 99));
    CU_FAILS(CUDA_ERROR_INVALID_VALUE, primary(NULL, 0));
    CU(primary(&context, 0));
    unsigned flags;
    int active;
    CU(cuDevicePrimaryCtxGetState(0, &flags, &active));
    TRUE_OR_DIE(context && !active);
    TRUE_OR_DIE((uintptr_t)interface[0] == 13 * 8 && (uintptr_t)table(&tls_id)[0] == 4 * 8 && (uintptr_t)table(&checks_id)[0] == 4 * 8);
    TRUE_OR_DIE((uintptr_t)table(&integrity_id)[0] == 3 * 8);

    void *const *hooks = table(&hooks_id);
    TRUE_OR_DIE((uintptr_t)hooks[0] >= 56);
    for (int i = 2; i <= 6; i += 4) {
        uint32_t *buffer = NULL;
        size_t count = 0;
        ((void (*)(void *, size_t *))(uintptr_t)hooks[i])(&buffer, &count);
        TRUE_OR_DIE(buffer && count == (i == 2 ? 1024 : 14));
        for (size_t n = 0; n < count; n++) TRUE_OR_DIE(buffer[n] == 0);
    }
    uint32_t result = 1;
    CU(((CUresult(*)(CUcontext, uint32_t *, void **))(uintptr_t)table(&checks_id)[2])(context, &result, NULL));
    TRUE_OR_DIE(result == 0 && ((uint32_t(*)(void))(uintptr_t)table(&checks_id)[3])() == 0);
    integrity();
    storage(context);
}

static void absent(void)
{
    CU(cuInit(0));
    const CUuuid *all[] = {&interface_id, &hooks_id, &tls_id, &storage_id, &checks_id, &integrity_id};
    for (int i = 0; i < 6; i++) {
        const void *none = &a;
        CU_FAILS(CUDA_ERROR_INVALID_VALUE, cuGetExportTable(&none, all[i]));
        TRUE_OR_DIE(none == NULL);
    }
    CUcontext context;
    CUdeviceptr memory;
    CU(cuCtxCreate_v2(&context, 0, 0));
    CU(cuMemAlloc_v2(&memory, 4096));
    CU(cuMemFree_v2(memory));
    CU(cuDevicePrimaryCtxRetain(&context, 0));
    CU(cuDevicePrimaryCtxReset(0));
    CU(cuDevicePrimaryCtxRelease(0));
}

/* Prints the devices that are seen: the last byte of each UUID. Each is used, and says the same from a context. */
static void visible(void)
{
    CUresult error = cuInit(0);
    int count = 0;
    if (error == CUDA_ERROR_NO_DEVICE) {
        puts("none");
        return;
    }
    CU(error);
    CU(cuDeviceGetCount(&count));
    for (int i = 0; i < count; i++) {
        CUuuid uuid;
        CUcontext context;
        CUdevice device;
        CUdeviceptr memory;
        int bus;
        char text[16];
        CU(cuDeviceGetUuid(&uuid, i));
        CU(cuDeviceGetAttribute(&bus, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, i));
        CU(cuDeviceGetPCIBusId(text, sizeof text, i));
        CU(cuDeviceGetByPCIBusId(&device, text));
        TRUE_OR_DIE(device == i && uuid.bytes[15] == bus);
        CU(cuCtxCreate_v2(&context, 0, i));
        CU(cuCtxGetDevice(&device));
        TRUE_OR_DIE(device == i);
        CU(cuMemAlloc_v2(&memory, 1 << 20));
        CU(cuMemsetD8_v2(memory, 1, 1 << 20));
        CU(cuCtxDestroy(context));
        printf("%d ", uuid.bytes[15]);
    }
    CUdevice none;
    CU_FAILS(CUDA_ERROR_INVALID_DEVICE, cuDeviceGet(&none, count));
    puts("");
}

int main(int argc, char **argv)
{
    TRUE_OR_DIE(argc == 2);
    permute();
    if (!strcmp(argv[1], "present")) present();
    else if (!strcmp(argv[1], "absent")) absent();
    else if (!strcmp(argv[1], "visible")) visible();
    else return 2;
    return 0;
}
