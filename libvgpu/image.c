/* image.c - measuring images, sending them in pieces through staging, remembering which the executor has.
 *
 * The executor keeps what it was sent under a number of this client's. Here a table says which number stands for which bytes, by
 * a keyed hash of all of them (SipHash-2-4, 128 bits, a random key per process): nobody who does not know the key can make two
 * images meet. What the executor has dropped meanwhile it says, and is sent again. */
#include "image.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "call.h"
#include "happens.h"
#include "staging.h"

#define WRAPPER_MAGIC 0x466243b1u
#define FATBIN_MAGIC 0xba55ed50u
#define ELF_MAGIC 0x464c457fu
#define LINKED_MAGIC 0x314b4e494c465247ull /* what the software GPU's cuLinkComplete gives out: magic, then its size */
#define IMAGE_MAX (1ull << 31)
#define PARTS_MAX 1024u
#define PART_ALIGN 16u   /* fat binaries of a wrapper begin at multiples of this */
#define INLINE_MAX 8192u /* bytes in a record */

struct wrapper {
    uint32_t magic, version;
    const void *data;
    const void *const *fatbins; /* version 2: what was linked before, up to a NULL */
};

/* ---- how long it is ---- */

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint32_t read_u32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

static uint16_t read_u16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

/* 0: none, or too long. */
static uint64_t fatbin_bytes(const void *data, uint64_t limit)
{
    if (!data || limit < 16 || read_u32(data) != FATBIN_MAGIC) return 0;
    uint64_t header = read_u16((const uint8_t *)data + 6), payload = read_u64((const uint8_t *)data + 8);
    if (header < 16 || payload > IMAGE_MAX || header + payload > limit) return 0;
    return header + payload;
}

static void reach(uint64_t *end, uint64_t offset, uint64_t bytes)
{
    if (offset > IMAGE_MAX || bytes > IMAGE_MAX) *end = UINT64_MAX;
    else if (*end < offset + bytes) *end = offset + bytes;
}

/* As far as the tables and what they name reach. Each table is looked at only when it is known to be inside the limit. */
static uint64_t elf_bytes(const uint8_t *elf, uint64_t limit)
{
    if (limit < 64 || elf[4] != 2 || elf[5] != 1) return 0;
    uint64_t programs = read_u64(elf + 32), sections = read_u64(elf + 40), end = 64;
    unsigned program_count = read_u16(elf + 56), section_count = read_u16(elf + 60);
    if ((program_count && read_u16(elf + 54) != 56) || (section_count && read_u16(elf + 58) != 64)) return 0;
    if (program_count) reach(&end, programs, 56ull * program_count);
    if (section_count) reach(&end, sections, 64ull * section_count);
    if (end > limit) return 0;
    for (unsigned i = 0; i < program_count; i++) reach(&end, read_u64(elf + programs + 56 * i + 8), read_u64(elf + programs + 56 * i + 32));
    for (unsigned i = 0; i < section_count; i++) {
        const uint8_t *section = elf + sections + 64 * i;
        if (read_u32(section + 4) != 8) reach(&end, read_u64(section + 24), read_u64(section + 32)); /* 8: NOBITS, has none */
    }
    return end > limit || end > IMAGE_MAX ? 0 : end;
}

static CUresult measure_wrapper(const void *data, uint64_t limit, struct vgpu_image *image)
{
    struct wrapper wrapper;
    if (limit < sizeof wrapper) return CUDA_ERROR_INVALID_IMAGE;
    memcpy(&wrapper, data, sizeof wrapper);
    if (wrapper.version != 1 && wrapper.version != 2) return CUDA_ERROR_INVALID_IMAGE;
    uint32_t count = 0;
    if (wrapper.version == 2 && wrapper.fatbins)
        while (count < PARTS_MAX && wrapper.fatbins[count]) count++;
    if (count == 0) {
        image->one = (struct vgpu_image_part){wrapper.data, fatbin_bytes(wrapper.data, UINT64_MAX)};
        image->parts = &image->one;
        image->count = 1;
        return image->one.bytes ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
    }
    image->parts = calloc(count, sizeof *image->parts);
    if (!image->parts) return CUDA_ERROR_OUT_OF_MEMORY;
    image->count = count;
    image->wrapped = 1;
    for (uint32_t i = 0; i < count; i++) {
        image->parts[i] = (struct vgpu_image_part){wrapper.fatbins[i], fatbin_bytes(wrapper.fatbins[i], UINT64_MAX)};
        if (!image->parts[i].bytes) return CUDA_ERROR_INVALID_IMAGE;
    }
    return CUDA_SUCCESS;
}

CUresult vgpu_image_measure(const void *data, uint64_t limit, struct vgpu_image *image)
{
    if (!*(const char *)data) return CUDA_ERROR_INVALID_IMAGE; /* an empty text is no PTX */
    *image = (struct vgpu_image){.one = {data, 0}, .count = 1};
    image->parts = &image->one;
    /* A text may be shorter than a magic number: its NUL ends it. The binary forms have no NUL in their first four bytes. */
    uint8_t start[8] = {0};
    for (unsigned i = 0; i < sizeof start && i < limit; i++) {
        start[i] = ((const uint8_t *)data)[i];
        if (start[i] == 0) break;
    }
    CUresult error = CUDA_SUCCESS;
    if (read_u32(start) == WRAPPER_MAGIC) {
        /* A file cannot hold one: it is made of pointers. */
        error = limit == UINT64_MAX ? measure_wrapper(data, limit, image) : CUDA_ERROR_INVALID_IMAGE;
        if (error != CUDA_SUCCESS) vgpu_image_free(image);
        return error;
    }
    if (read_u32(start) == FATBIN_MAGIC) image->one.bytes = fatbin_bytes(data, limit);
    else if (read_u32(start) == ELF_MAGIC) image->one.bytes = elf_bytes(data, limit);
    else if (read_u64(start) == LINKED_MAGIC) image->one.bytes = limit < 24 || read_u64((const uint8_t *)data + 8) > limit ? 0 : read_u64((const uint8_t *)data + 8);
    else image->one.bytes = (limit == UINT64_MAX ? strlen(data) : strnlen(data, limit)) + 1;
    return image->one.bytes && image->one.bytes <= IMAGE_MAX ? CUDA_SUCCESS : CUDA_ERROR_INVALID_IMAGE;
}

void vgpu_image_free(struct vgpu_image *image)
{
    if (image->parts != &image->one) free(image->parts);
    image->parts = NULL;
}

/* ---- which the executor has ---- */

#define KNOWN_MAX 512u

struct key {
    uint64_t low, high, bytes;
};

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    struct key key;
    uint64_t number; /* 0: free */
} known[KNOWN_MAX];
static uint32_t known_next; /* the oldest is overwritten: the executor has forgotten it first */
static uint64_t secret[2];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    if (getrandom(secret, sizeof secret, GRND_NONBLOCK) == sizeof secret) return;
    secret[0] = (uint64_t)(uintptr_t)&known; /* before the kernel has entropy, in early boot: nobody attacks us there */
    secret[1] = (uint64_t)(uintptr_t)strlen;
}

static inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1]; v[1] = rotate(v[1], 13); v[1] ^= v[0]; v[0] = rotate(v[0], 32);
    v[2] += v[3]; v[3] = rotate(v[3], 16); v[3] ^= v[2];
    v[0] += v[3]; v[3] = rotate(v[3], 21); v[3] ^= v[0];
    v[2] += v[1]; v[1] = rotate(v[1], 17); v[1] ^= v[2]; v[2] = rotate(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

/* SipHash-2-4-128 of all parts; each part's length goes in before it, so that parts cannot run into one another. */
static struct key key_of(const struct vgpu_image *image)
{
    pthread_once(&secret_once, make_secret);
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575ull, secret[1] ^ 0x646f72616e646f6dull ^ 0xee, secret[0] ^ 0x6c7967656e657261ull, secret[1] ^ 0x7465646279746573ull};
    struct key key = {.bytes = 0};
    sip_word(v, ((uint64_t)image->count << 1) | (uint64_t)image->wrapped);
    for (uint32_t i = 0; i < image->count; i++) {
        const uint8_t *at = image->parts[i].data;
        uint64_t left = image->parts[i].bytes;
        key.bytes += left;
        sip_word(v, left);
        for (; left >= 8; at += 8, left -= 8) sip_word(v, read_u64(at));
        uint64_t last = 0;
        memcpy(&last, at, left);
        if (left) sip_word(v, last);
    }
    v[2] ^= 0xee;
    for (int i = 0; i < 4; i++) sip_round(v);
    key.low = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xdd;
    for (int i = 0; i < 4; i++) sip_round(v);
    key.high = v[0] ^ v[1] ^ v[2] ^ v[3];
    return key;
}

static uint64_t recall(const struct key *key)
{
    uint64_t number = 0;
    pthread_mutex_lock(&known_lock);
    for (uint32_t i = 0; i < KNOWN_MAX && !number; i++)
        if (known[i].number && memcmp(&known[i].key, key, sizeof *key) == 0) number = known[i].number;
    pthread_mutex_unlock(&known_lock);
    return number;
}

/* Under this key from now on. Returns the number that has lost its place, or 0. */
static uint64_t remember(const struct key *key, uint64_t number)
{
    pthread_mutex_lock(&known_lock);
    uint32_t at = known_next;
    for (uint32_t i = 0; i < KNOWN_MAX; i++)
        if (known[i].number && memcmp(&known[i].key, key, sizeof *key) == 0) at = i;
    if (at == known_next) known_next = (known_next + 1) % KNOWN_MAX;
    uint64_t lost = known[at].number;
    known[at].key = *key;
    known[at].number = number;
    pthread_mutex_unlock(&known_lock);
    return lost;
}

/* ---- sending ---- */

static CUresult send_inline(uint64_t number, uint64_t offset, const uint8_t *data, uint32_t bytes)
{
    struct vgpu_call call;
    uint8_t copy[INLINE_MAX];
    memcpy(copy, data, bytes); /* a fault in the program's memory must not leave a hole in the ring */
    CUresult error = vgpu_begin(&call, RF_IMAGE_DATA, (uint32_t)sizeof(struct rf_IMAGE_DATA) + ((bytes + 7u) & ~7u), VGPU_POSTED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_IMAGE_DATA *request = call.payload;
    request->image = number;
    request->offset = offset;
    request->bytes = bytes;
    memcpy(request + 1, copy, bytes);
    return vgpu_post(&call);
}

static CUresult send_staged(uint64_t number, uint64_t offset, const uint8_t *data, uint32_t bytes)
{
    struct vgpu_call call;
    uint32_t chunk;
    CUresult error = vgpu_staging_take(1, &chunk);
    if (error != CUDA_SUCCESS) return error;
    memcpy(vgpu_staging_bytes(chunk), data, bytes);
    error = vgpu_begin(&call, RF_IMAGE_DATA, sizeof(struct rf_IMAGE_DATA), VGPU_POSTED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) {
        vgpu_staging_free(chunk);
        return error;
    }
    struct rf_IMAGE_DATA *request = call.payload;
    request->image = number;
    request->offset = offset;
    request->bytes = bytes;
    request->chunk = chunk;
    request->chunks = 1;
    VGPU_HANDED_OVER(&vgpu.chunks[chunk]);
    return vgpu_post(&call);
}

static CUresult send_part(uint64_t number, uint64_t *offset, const uint8_t *data, uint64_t bytes)
{
    while (bytes) {
        uint32_t piece = bytes <= INLINE_MAX ? (uint32_t)bytes : bytes < vgpu.chunk_bytes ? (uint32_t)bytes : vgpu.chunk_bytes;
        CUresult error = piece <= INLINE_MAX ? send_inline(number, *offset, data, piece) : send_staged(number, *offset, data, piece);
        if (error != CUDA_SUCCESS) return error;
        *offset += piece;
        data += piece;
        bytes -= piece;
    }
    return CUDA_SUCCESS;
}

static uint64_t padded(const struct vgpu_image *image, uint32_t i)
{
    uint64_t bytes = image->parts[i].bytes;
    return image->wrapped ? (bytes + PART_ALIGN - 1) / PART_ALIGN * PART_ALIGN : bytes;
}

static void close_image(uint64_t number)
{
    struct vgpu_call call;
    if (vgpu_begin(&call, RF_IMAGE_CLOSE, sizeof(struct rf_IMAGE_CLOSE), VGPU_POSTED | VGPU_ANY_CONTEXT, 0) != CUDA_SUCCESS) return;
    ((struct rf_IMAGE_CLOSE *)call.payload)->image = number;
    vgpu_post(&call);
}

CUresult vgpu_image_send(const struct vgpu_image *image, int anew, uint64_t *number)
{
    static const uint8_t zeros[PART_ALIGN];
    struct vgpu_call call;
    struct key key = key_of(image);
    if (!anew && (*number = recall(&key)) != 0) return CUDA_SUCCESS;
    uint64_t bytes = 0, offset = 0;
    for (uint32_t i = 0; i < image->count; i++) bytes += padded(image, i);
    CUresult error = vgpu_begin(&call, RF_IMAGE_OPEN, sizeof(struct rf_IMAGE_OPEN), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_IMAGE_OPEN *request = call.payload;
    request->bytes = bytes;
    request->parts = image->wrapped ? image->count : 0;
    struct rf_IMAGE_OPEN_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error == CUDA_ERROR_OUT_OF_MEMORY) vgpu_log(VGPU_ERROR, "code of %llu bytes does not fit into what the zone has left of its staging limit; raise it", (unsigned long long)bytes);
    if (error != CUDA_SUCCESS) return error;
    for (uint32_t i = 0; i < image->count && error == CUDA_SUCCESS; i++) {
        error = send_part(reply.image, &offset, image->parts[i].data, image->parts[i].bytes);
        uint64_t pad = padded(image, i) - image->parts[i].bytes;
        if (error == CUDA_SUCCESS && pad) error = send_part(reply.image, &offset, zeros, pad);
    }
    if (error != CUDA_SUCCESS) return error;
    uint64_t lost = remember(&key, reply.image);
    if (lost) close_image(lost);
    *number = reply.image;
    return CUDA_SUCCESS;
}

/* ---- files: the driver domain never opens a tenant's path ---- */

CUresult vgpu_file_read(const char *path, void **data, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    size_t length = 0, room = 1 << 16;
    uint8_t *read = malloc(room);
    CUresult error = read ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    while (error == CUDA_SUCCESS) {
        size_t got = fread(read + length, 1, room - length - 1, file);
        if (got == 0) {
            if (ferror(file)) error = CUDA_ERROR_FILE_NOT_FOUND; /* a folder, or a disk that fails: there is no such file to load */
            break;
        }
        length += got;
        if (room - length > 1) continue;
        uint8_t *grown = room > IMAGE_MAX ? NULL : realloc(read, room * 2);
        if (!grown) error = CUDA_ERROR_OUT_OF_MEMORY;
        else {
            read = grown;
            room *= 2;
        }
    }
    fclose(file);
    if (error != CUDA_SUCCESS) {
        free(read);
        return error;
    }
    read[length] = 0;
    *data = read;
    *bytes = length;
    return CUDA_SUCCESS;
}
