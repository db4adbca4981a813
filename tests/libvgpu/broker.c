/* broker.c - a broker in C for tests of the client library alone: one client, one thread, device memory in an array.
 *
 *   broker SOCKET MODE
 *
 * Modes: serve            answers what the tests send, in ring order
 *        refuse           a refusal with a sentence
 *        protocol         a refusal for another protocol
 *        garbage          bytes that are no welcome
 *        silent           accepts and says nothing
 *        hangup           hangs up instead of a welcome
 *        noregion         a welcome without a descriptor
 *        badregion        a region whose ring is no power of two
 *        small            a region that is smaller than the welcome says
 *        window           a window where something is mapped already (page 0x10000 up, in the middle of the client's program)
 *        restless         serves as an executor does that has other zones: see serve_others
 *        die=N            serves N waited calls and exits without answering the next
 *        mute=N           serves N waited calls, then answers nothing, and exits half a second later
 *        farewell=N       after N waited calls says farewell with CUDA_ERROR_OUT_OF_MEMORY
 *        leave=N          the same, asleep, and exits at once
 *
 * It trusts its client: hostile clients are the executor's tests' business. Staging is small (8 chunks of 64 KiB) and the ring
 * 32 KiB, so that tests reach both limits quickly. */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "cuda.h"
#include "hello.h"
#include "messages.h"
#include "region.h"

#define SLOTS 16u
#define RING_UNITS 4096u
#define CHUNK 65536u
#define CHUNKS 8u
#define WINDOW 0x500000000000ull /* free under the sanitizers too */
#define MEMORY (256ull << 20)
#define INFO 4096u
#define SLOTS_AT 16384u
#define CHUNKS_AT (SLOTS_AT + SLOTS * RF_SLOT_SIZE)
#define RING_AT (CHUNKS_AT + 4096u)
#define HOLDS_AT (RING_AT + RING_UNITS * 8)
#define STAGING_AT (HOLDS_AT + RF_HOLDS * sizeof(struct rf_hold))
#define SIZE ((uint64_t)STAGING_AT + CHUNK * CHUNKS)
#define PINNED 64

static uint8_t *base, *memory;
static struct rf_region *region;
static int client, object;
static uint64_t next_address = WINDOW;
static struct { uint8_t *bytes; uint64_t size; } pinned[PINNED];
static int restless;
static int limit = -1, at_limit; /* waited calls to serve; what to do then: 'd', 'm', 'f' or 'l' */

#define DIE(...) do { fprintf(stderr, "broker: " __VA_ARGS__); fputc('\n', stderr); _exit(1); } while (0)

static void wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0); }

static void send_with(const void *bytes, size_t size, int descriptor)
{
    union { struct cmsghdr h; char room[CMSG_SPACE(sizeof(int))]; } control = {0};
    struct iovec part = {(void *)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.h = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.h), &descriptor, sizeof(int));
    }
    if (sendmsg(client, &message, MSG_NOSIGNAL) != (ssize_t)size) DIE("sendmsg: %s", strerror(errno));
}

static void notice(uint32_t type, int32_t status, uint64_t cookie, uint64_t offset, uint64_t length, int descriptor)
{
    struct rf_notice n = {type, status, cookie, offset, length};
    send_with(&n, sizeof n, descriptor);
}

/* Between a call and its answer: says that it serves others, or does no more, and now here, now there; and wakes who waits for the answer before
 * there is one, up to three times, asleep or not. */
static void serve_others(struct rf_slot *slot)
{
    static uint32_t drawn = 1;
    drawn = drawn * 1664525 + 1013904223;
    atomic_store(&region->ring.away, drawn >> 31);
    atomic_store(&region->ring.served_on, drawn >> 8 & 3); /* not known, the first or the second core, or one that two cores do not have */
    for (uint32_t n = drawn >> 29 & 3; n > 0; n--) {
        for (int i = 0; i < 20 && !atomic_load(&slot->sleeping); i++) usleep(10);
        wake(&slot->state);
        if (drawn >> (20 + n) & 1) usleep(300); /* longer than it spins */
        atomic_store(&region->ring.away, drawn >> (24 + n) & 1);
    }
}

static void reply(const struct rf_record *record, int status, const void *payload, uint32_t bytes)
{
    if (record->slot == RF_SLOT_POSTED) return;
    if (limit >= 0 && limit-- == 0) {
        if (at_limit == 'd') _exit(0);
        if (at_limit == 'l') atomic_store(&region->ring.asleep, 1);
        if (at_limit == 'f' || at_limit == 'l') notice(RF_NOTICE_FAREWELL, CUDA_ERROR_OUT_OF_MEMORY, 0, 0, 0, -1);
        if (at_limit != 'l') usleep(500000);
        _exit(0);
    }
    struct rf_slot *slot = (struct rf_slot *)(base + SLOTS_AT) + record->slot;
    if (restless) serve_others(slot);
    slot->status = status;
    slot->length = bytes;
    if (bytes) memcpy(slot->payload, payload, bytes);
    atomic_store(&slot->state, record->ticket);
    if (atomic_load(&slot->sleeping)) wake(&slot->state);
}

/* ---- copies ---- */

static int device_ok(uint64_t address, uint64_t bytes) { return address >= WINDOW && address < next_address && bytes <= next_address - address; }

/* First byte of a linear end, or NULL when the box leaves it. */
static uint8_t *linear(uint32_t place, uint64_t at, uint64_t x, uint64_t y, uint64_t z, uint64_t pitch, uint64_t height,
                       const struct rf_GPU_COPY *c, uint8_t *inlined)
{
    uint64_t first = (z * height + y) * pitch + x, span = ((c->depth - 1) * height + c->rows - 1) * pitch + c->width;
    switch (place) {
    case RF_PLACE_DEVICE: return device_ok(at + first, span) ? memory + (at + first - WINDOW) : NULL;
    case RF_PLACE_STAGING: return at + first + span <= CHUNK * CHUNKS ? base + STAGING_AT + at + first : NULL;
    case RF_PLACE_INLINE: return inlined + first;
    case RF_PLACE_PINNED: return at < PINNED && pinned[at].bytes && first + span <= pinned[at].size ? pinned[at].bytes + first : NULL;
    default: return NULL;
    }
}

static void copy(const struct rf_record *record, const struct rf_GPU_COPY *c)
{
    static uint8_t out[RF_SLOT_PAYLOAD];
    uint64_t total = c->width * c->rows * c->depth;
    uint8_t *to = linear(c->dst_place, c->dst_base, c->dst_x, c->dst_y, c->dst_z, c->dst_pitch, c->dst_height, c, out);
    uint8_t *from = linear(c->src_place, c->src_base, c->src_x, c->src_y, c->src_z, c->src_pitch, c->src_height, c, (uint8_t *)(c + 1));
    int bad = !to || !from || (c->dst_place == RF_PLACE_INLINE && (total > sizeof out || record->slot == RF_SLOT_POSTED));
    for (uint64_t z = 0; !bad && z < c->depth; z++)
        for (uint64_t y = 0; y < c->rows; y++)
            memmove(to + (z * c->dst_height + y) * c->dst_pitch, from + (z * c->src_height + y) * c->src_pitch, c->width);
    _Atomic uint32_t *chunks = (_Atomic uint32_t *)(base + CHUNKS_AT);
    for (uint32_t i = c->chunk; i < c->chunk + c->chunks; i++) atomic_store(&chunks[i], 0);
    if (c->chunks && atomic_exchange(&region->staging_waiting, 0)) {
        atomic_fetch_add(&region->staging_epoch, 1);
        wake(&region->staging_epoch);
    }
    int inlined = !bad && c->dst_place == RF_PLACE_INLINE;
    reply(record, bad ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS, out, inlined ? (uint32_t)total : 0);
}

static void set(const struct rf_record *record, const struct rf_GPU_SET *s)
{
    int ok = device_ok(s->address, (s->rows - 1) * s->pitch + s->width * s->element);
    for (uint64_t y = 0; ok && y < s->rows; y++)
        for (uint64_t x = 0; x < s->width; x++) memcpy(memory + (s->address - WINDOW) + y * s->pitch + x * s->element, &s->value, s->element);
    reply(record, ok ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE, NULL, 0);
}

static void host_alloc(const struct rf_record *record, const struct rf_HOST_ALLOC *a)
{
    uint64_t id = 1;
    while (id < PINNED && pinned[id].bytes) id++;
    if (id == PINNED) {
        reply(record, CUDA_ERROR_OUT_OF_MEMORY, NULL, 0);
        return;
    }
    int fd = memfd_create("pinned", MFD_CLOEXEC);
    uint64_t size = (a->bytes + 4095) & ~4095ull;
    if (fd < 0 || ftruncate(fd, (off_t)(size + 4096)) != 0) DIE("memfd");
    uint8_t *whole = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pinned[id].bytes = whole + 4096;
    pinned[id].size = size;
    struct rf_HOST_ALLOC_reply out = {id, (uint64_t)(uintptr_t)pinned[id].bytes, size};
    if (a->flags & CU_MEMHOSTALLOC_PORTABLE) { /* the descriptor may also come after the reply is seen */
        reply(record, CUDA_SUCCESS, &out, sizeof out);
        usleep(2000);
        notice(RF_NOTICE_PINNED, 0, id, 4096, size, fd);
    } else {
        notice(RF_NOTICE_PINNED, 0, id, 4096, size, fd);
        reply(record, CUDA_SUCCESS, &out, sizeof out);
    }
    close(fd);
}

static void serve(const struct rf_record *record)
{
    const void *payload = record + 1;
    switch (record->call) {
    case RF_CTX_PRIMARY_RETAIN: reply(record, 0, &(struct rf_CTX_PRIMARY_RETAIN_reply){0x1000}, 8); break;
    case RF_CTX_CREATE: {
        static uint64_t contexts = 0x2000;
        reply(record, 0, &(struct rf_CTX_CREATE_reply){contexts++}, 8);
        break;
    }
    case RF_GPU_ALLOC: {
        const struct rf_GPU_ALLOC *a = payload;
        uint64_t pitch = (a->width + 511) & ~511ull, bytes = a->kind == RF_ALLOC_PITCH ? pitch * a->height : a->bytes;
        struct rf_GPU_ALLOC_reply out = {.address = next_address, .pitch = pitch};
        int fits = bytes <= MEMORY && next_address - WINDOW + bytes <= MEMORY;
        if (fits) next_address += (bytes + 511) & ~511ull;
        reply(record, fits ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY, &out, sizeof out);
        break;
    }
    case RF_POINTER_QUERY: {
        const struct rf_POINTER_QUERY *q = payload;
        struct rf_POINTER_QUERY_reply out = {.base = WINDOW, .size = next_address - WINDOW, .context = 0x1000, .id = 7};
        reply(record, device_ok(q->address, 1) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE, &out, sizeof out);
        break;
    }
    case RF_GPU_COPY: copy(record, payload); break;
    case RF_GPU_SET: set(record, payload); break;
    case RF_HOST_ALLOC: host_alloc(record, payload); break;
    case RF_HOST_FREE: {
        uint64_t id = ((const struct rf_HOST_FREE *)payload)->id;
        if (id < PINNED && pinned[id].bytes) munmap(pinned[id].bytes - 4096, pinned[id].size + 4096);
        if (id < PINNED) pinned[id].bytes = NULL;
        reply(record, 0, NULL, 0);
        break;
    }
    case RF_HOST_CALL: notice(RF_NOTICE_HOST_CALL, 0, ((const struct rf_HOST_CALL *)payload)->cookie, 0, 0, -1); break;
    case RF_MEM_INFO: reply(record, 0, &(struct rf_MEM_INFO_reply){MEMORY - (next_address - WINDOW), MEMORY}, 16); break;
    case RF_CALL_PADDING: break;
    default: { /* nothing to do; a handle for those that make something */
        static uint64_t handles[8] = {0x3000};
        handles[0]++;
        reply(record, CUDA_SUCCESS, handles, sizeof handles);
        break;
    }
    }
}

static void serve_ring(void)
{
    static _Alignas(8) uint8_t batch[65536];
    struct rf_ring_reader reader = {.ring = rf_ring_view(&region->ring, base + RING_AT, RING_UNITS, 0)};
    int idle = 0;
    for (;;) {
        int wake_producers;
        int64_t taken = rf_ring_take(&reader, batch, sizeof batch, &wake_producers);
        if (taken < 0) DIE("a record that cannot be");
        if (wake_producers) wake(&region->ring.producers_waiting);
        for (int64_t at = 0; at < taken;) {
            const struct rf_record *record = (const struct rf_record *)(batch + at);
            serve(record);
            at += (int64_t)rf_units((uint32_t)record->length) * 8;
        }
        if (taken) idle = 0;
        if (taken || idle++ < 2000) continue;
        idle = 0;
        atomic_store(&region->ring.asleep, 1);
        if (atomic_load(&rf_ring_at(&reader.ring, reader.head)->length) > 0) continue;
        char bells[64];
        ssize_t n = recv(client, bells, sizeof bells, 0);
        if (n == 0 || (n < 0 && errno != EINTR)) _exit(0);
    }
}

/* ---- the introduction ---- */

static void make_region(const char *mode)
{
    object = memfd_create("region", MFD_CLOEXEC);
    if (object < 0 || ftruncate(object, (off_t)SIZE) != 0) DIE("memfd");
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
    memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED || memory == MAP_FAILED) DIE("mmap");
    region = (struct rf_region *)base;
    region->magic = RF_REGION_MAGIC;
    region->protocol = RF_PROTOCOL;
    region->table_hash = RF_TABLE_HASH;
    region->size = SIZE;
    region->info_offset = INFO;
    region->slots_offset = SLOTS_AT;
    region->slot_count = SLOTS;
    region->chunks_offset = CHUNKS_AT;
    region->ring_offset = RING_AT;
    region->ring_units = strcmp(mode, "badregion") ? RING_UNITS : RING_UNITS - 1;
    region->holds_offset = HOLDS_AT;
    region->staging_offset = STAGING_AT;
    region->staging_chunk = CHUNK;
    region->staging_chunks = CHUNKS;
    struct rf_info *info = (struct rf_info *)(base + INFO);
    info->driver_version = strcmp(mode, "older") ? 13000 : 12040;
    info->device_count = 2;
    info->window_base = strcmp(mode, "window") ? WINDOW : 0x7ffc00000000ull;
    info->window_size = strcmp(mode, "window") ? MEMORY : 0x400000000ull;
    info->granularity = 2 << 20;
    strcpy(info->zone, "test");
    for (uint32_t i = 0; i < info->device_count; i++) {
        struct rf_device_info *d = &info->devices[i];
        snprintf(d->name, sizeof d->name, "Fake GPU %u", i);
        memset(d->uuid, 0x10 * (int)(i + 1), sizeof d->uuid);
        d->total_memory = MEMORY;
        d->primary_context = 0x1000 + i;
        memset(d->present, 0xff, 20);
        for (int a = 0; a < 160; a++) d->attributes[a] = a;
        d->attributes[CU_DEVICE_ATTRIBUTE_MAX_PITCH] = 0x7fffffff;
        d->attributes[CU_DEVICE_ATTRIBUTE_PCI_BUS_ID] = (int)(3 + i);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) DIE("usage: broker SOCKET MODE");
    const char *mode = argv[2];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1) != 0) DIE("%s: %s", argv[1], strerror(errno));
    puts("listening");
    fflush(stdout);
    client = accept(listener, NULL, NULL);
    struct rf_hello hello;
    if (recv(client, &hello, sizeof hello, MSG_WAITALL) != (ssize_t)sizeof hello || hello.magic != RF_HELLO_MAGIC) DIE("no hello");
    struct rf_welcome welcome = {.magic = RF_WELCOME_MAGIC, .size = sizeof welcome, .protocol = RF_PROTOCOL, .region_size = SIZE};
    if (!strcmp(mode, "silent")) return pause();
    if (!strcmp(mode, "hangup")) return 0;
    if (!strcmp(mode, "garbage")) memset(&welcome, 'x', sizeof welcome);
    if (!strcmp(mode, "refuse")) {
        welcome.status = RF_REFUSED_TOKEN;
        welcome.cuda_error = CUDA_ERROR_NOT_PERMITTED;
        snprintf(welcome.message, sizeof welcome.message, "this is not the zone's token (got '%.20s'): correct RINGFENCE_TOKEN", hello.token);
    }
    if (!strcmp(mode, "protocol")) {
        welcome.status = RF_REFUSED_PROTOCOL;
        welcome.protocol = 2u << 16;
        welcome.cuda_error = CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
        strcpy(welcome.message, "the broker speaks protocol 2.0: install its client library");
    }
    if (!strcmp(mode, "small")) welcome.region_size = 2 * SIZE;
    make_region(mode);
    int without = welcome.status != 0 || !strcmp(mode, "noregion") || !strcmp(mode, "garbage");
    send_with(&welcome, sizeof welcome, without ? -1 : object);
    if (welcome.status != 0) return 0;
    restless = !strcmp(mode, "restless");
    const char *number = strchr(mode, '=');
    if (number) {
        limit = atoi(number + 1);
        at_limit = mode[0];
    }
    serve_ring();
}
