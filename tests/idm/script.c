/* script.c - runs ring scripts against ring.h and prints what happened, in the words that script.ts uses for ring.ts.
 *
 * Standard input is a script, one operation a line (see script.ts, which makes them); standard output must be the same,
 * byte for byte, as what the TypeScript prints for the same script. `structs` prints hello, welcome, notices and a region
 * header as hex, from the fields that vectors.test.ts knows. `read-structs` reads such hex and prints the fields. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hello.h"
#include "region.h"

#define KEYS 4096

static struct rf_ring_shared shared;
static struct rf_ring_reader reader;
static uint8_t *data;
static struct rf_record *claimed[KEYS];
static uint8_t batch[65536];

static void fresh(uint32_t units, uint32_t start)
{
    free(data);
    data = aligned_alloc(64, (size_t)units * 8); /* exactly: the address sanitizer sees the byte behind it */
    memset(data, 0, (size_t)units * 8);
    memset(&shared, 0, sizeof shared);
    memset(&reader, 0, sizeof reader);
    memset(claimed, 0, sizeof claimed);
    atomic_store(&shared.tail, start);
    atomic_store(&shared.head, start);
    reader.ring = rf_ring_view(&shared, data, units, 0);
    reader.head = start;
}

/* Payload byte i of a record filled from `seed`. */
static uint8_t filling(uint32_t seed, uint32_t i) { return (uint8_t)((seed * 2654435761u + i * 40503u) >> 8); }

static void print_hex(const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) printf("%02x", from[i]);
}

static void image(void)
{
    printf("image units %" PRIu32 " head %" PRIu32 " tail %" PRIu32 " asleep %" PRIu32 " waiting %" PRIu32 "\n", reader.ring.capacity,
           atomic_load(&shared.head), atomic_load(&shared.tail), atomic_load(&shared.asleep), atomic_load(&shared.producers_waiting));
    static const uint8_t zeroes[16];
    for (uint32_t at = 0; at < reader.ring.capacity * 8; at += 16) {
        if (memcmp(data + at, zeroes, 16) == 0) continue;
        printf("%06" PRIx32 " ", at);
        print_hex(data + at, 16);
        printf("\n");
    }
    printf("end\n");
}

/* Reads what image() printed. */
static void load(void)
{
    char line[256];
    uint32_t units, head, tail, asleep, waiting, at;
    if (!fgets(line, sizeof line, stdin) ||
        sscanf(line, "image units %" SCNu32 " head %" SCNu32 " tail %" SCNu32 " asleep %" SCNu32 " waiting %" SCNu32, &units, &head, &tail, &asleep, &waiting) != 5)
        abort();
    fresh(units, head);
    atomic_store(&shared.tail, tail);
    atomic_store(&shared.asleep, asleep);
    atomic_store(&shared.producers_waiting, waiting);
    char hex[64];
    while (fgets(line, sizeof line, stdin) && strcmp(line, "end\n") && sscanf(line, "%" SCNx32 " %32s", &at, hex) == 2)
        for (uint32_t i = 0; i < 16; i++) {
            unsigned byte;
            if (sscanf(hex + 2 * i, "%2x", &byte) != 1 || at + i >= units * 8) abort();
            data[at + i] = (uint8_t)byte;
        }
}

static void take(uint32_t room)
{
    int wake;
    uint32_t position = reader.head;
    int64_t bytes = rf_ring_take(&reader, batch, room, &wake);
    if (bytes < 0) {
        printf("take violation\n");
        return;
    }
    printf("take %" PRId64 " wake %d\n", bytes, wake);
    for (uint32_t at = 0; at < bytes;) {
        int32_t length = rf_record_check(batch + at, (uint32_t)bytes - at, position + at / 8);
        if (length < 0) {
            printf("  violation\n");
            return;
        }
        struct rf_record r;
        memset(&r, 0, sizeof r);
        memcpy(&r, batch + at, length < 32 ? 8 : 32);
        if (r.call == RF_CALL_PADDING) {
            printf("  padding %" PRId32 "\n", length);
        } else {
            printf("  record %" PRId32 " call %u slot %u sequence %" PRIu32 " ticket %" PRIu32 " context %" PRIu64 " thread %" PRIu32 " flags %" PRIu32 " payload ",
                   length, r.call, r.slot, r.sequence, r.ticket, r.context, r.thread, r.flags);
            print_hex(batch + at + 32, (size_t)length - 32);
            printf("\n");
        }
        at += rf_units((uint32_t)length) * 8;
    }
}

static const char *commit_words[] = { "lost", "quiet", "doorbell" };

static void scripts(void)
{
    char line[512], name[16];
    while (fgets(line, sizeof line, stdin)) {
        uint32_t a, b, key, bytes, call, slot, ticket, thread, flags, seed;
        int32_t value;
        uint64_t context, now;
        if (sscanf(line, "ring %" SCNu32 " %" SCNu32, &a, &b) == 2) {
            fresh(a, b);
            printf("ring\n");
        } else if (sscanf(line, "claim %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNu32, &key, &bytes, &call, &slot,
                          &ticket, &context, &thread, &flags, &seed) == 9) {
            struct rf_record *r;
            enum rf_ring_status status = rf_ring_claim(&reader.ring, bytes, &r);
            if (key >= KEYS) abort();
            claimed[key] = NULL;
            if (status != RF_RING_OK) {
                printf("claim %s\n", status == RF_RING_FULL ? "full" : "too large");
                continue;
            }
            claimed[key] = r;
            r->call = (uint16_t)call;
            r->slot = (uint16_t)slot;
            r->ticket = ticket;
            r->context = context;
            r->thread = thread;
            r->flags = flags;
            for (uint32_t i = 0; i < bytes - 32; i++) ((uint8_t *)(r + 1))[i] = filling(seed, i);
            printf("claim at %td\n", ((uint8_t *)r - data) / 8);
        } else if (sscanf(line, "commit %" SCNu32, &key) == 1 && key < KEYS) {
            printf("commit %s\n", claimed[key] ? commit_words[1 + rf_ring_commit(&reader.ring, claimed[key])] : "nothing");
            claimed[key] = NULL;
        } else if (sscanf(line, "abort %" SCNu32, &key) == 1 && key < KEYS) {
            printf("abort %s\n", claimed[key] ? commit_words[1 + rf_ring_abort(&reader.ring, claimed[key])] : "nothing");
            claimed[key] = NULL;
        } else if (sscanf(line, "take %" SCNu32, &a) == 1) {
            take(a);
        } else if (sscanf(line, "poke %" SCNu32 " %" SCNd32, &a, &value) == 2) {
            atomic_store(&rf_ring_at(&reader.ring, a)->length, value);
            printf("poke\n");
        } else if (sscanf(line, "hole %" SCNu32, &a) == 1) {
            atomic_fetch_add(&shared.tail, a); /* died between the claim and its length */
            printf("hole\n");
        } else if (sscanf(line, "word %15s %" SCNu32, name, &a) == 2) {
            _Atomic uint32_t *word = !strcmp(name, "tail") ? &shared.tail : !strcmp(name, "head") ? &shared.head : !strcmp(name, "asleep") ? &shared.asleep : &shared.producers_waiting;
            atomic_store(word, a);
            printf("word\n");
        } else if (!strncmp(line, "wait", 4)) {
            rf_ring_announce_wait(&reader.ring);
            printf("wait\n");
        } else if (!strncmp(line, "ready", 5)) {
            printf("ready %d\n", rf_ring_ready(&reader));
        } else if (sscanf(line, "unblock %" SCNu64, &now) == 1) {
            printf("unblock %d\n", rf_ring_unblock(&reader, now * 1000000u));
        } else if (!strncmp(line, "image", 5)) {
            image();
        } else if (!strncmp(line, "load", 4)) {
            load();
            printf("load\n");
        } else {
            fprintf(stderr, "script: cannot read %s", line);
            exit(2);
        }
    }
}

static void print_struct(const char *name, const void *from, size_t n)
{
    printf("%s ", name);
    print_hex(from, n);
    printf("\n");
}

static void structs(void)
{
    struct rf_hello hello = { .magic = RF_HELLO_MAGIC, .size = sizeof hello, .protocol = RF_PROTOCOL, .table_hash = 0xfedcba98u, .pid = 4000000000u, .features = 0x8123456789abcdefull };
    memset(hello.token, 'x', sizeof hello.token); /* full: no NUL */
    strcpy(hello.program, "/usr/bin/ffmpeg");
    print_struct("hello", &hello, sizeof hello);
    struct rf_welcome welcome = { .magic = RF_WELCOME_MAGIC, .size = sizeof welcome, .protocol = RF_PROTOCOL, .status = RF_WELCOME_OK, .features = 5, .region_size = 0x1234567890ull };
    print_struct("welcome", &welcome, sizeof welcome);
    struct rf_welcome refusal = { .magic = RF_WELCOME_MAGIC, .size = sizeof refusal, .protocol = RF_PROTOCOL, .status = RF_REFUSED_TOKEN, .cuda_error = -100 };
    strcpy(refusal.message, "the token is wrong: set RINGFENCE_TOKEN \xe2\x80\xa6");
    print_struct("refusal", &refusal, sizeof refusal);
    struct rf_notice call = { .type = RF_NOTICE_HOST_CALL, .status = -7, .cookie = 0xfedcba9876543210ull };
    print_struct("notice-call", &call, sizeof call);
    struct rf_notice pinned = { .type = RF_NOTICE_PINNED, .cookie = 9, .offset = 0x10000000001ull, .length = 0x1fffffffffffffull };
    print_struct("notice-pinned", &pinned, sizeof pinned);
    static struct rf_region region = { .magic = RF_REGION_MAGIC, .protocol = RF_PROTOCOL, .table_hash = 0xfedcba98u, .size = 0x9b8000, .info_offset = 4096, .slots_offset = 16384,
                                       .slot_count = 64, .chunks_offset = 81920, .ring_offset = 86016, .ring_units = 131072, .holds_offset = 1134592, .staging_offset = 1167360, .staging_chunk = 1048576, .staging_chunks = 9 };
    region.size = region.staging_offset + (uint64_t)region.staging_chunk * region.staging_chunks;
    print_struct("region", (uint8_t *)&region + 8, 128 - 8);
}

static void unhex(void *to, const char *hex, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned byte;
        if (sscanf(hex + 2 * i, "%2x", &byte) != 1) abort();
        ((uint8_t *)to)[i] = (uint8_t)byte;
    }
}

static void read_structs(void)
{
    static char line[4096], name[32], hex[2048];
    while (fgets(line, sizeof line, stdin) && strcmp(line, "end\n") && sscanf(line, "%31s %2047s", name, hex) == 2) {
        if (!strcmp(name, "hello")) {
            struct rf_hello h;
            unhex(&h, hex, sizeof h);
            printf("hello %d %" PRIu32 " %" PRIx32 " %" PRIx32 " %" PRIu32 " %" PRIx64 " %.128s %s\n", h.magic == RF_HELLO_MAGIC, h.size, h.protocol, h.table_hash, h.pid, h.features, h.token, h.program);
        } else if (!strcmp(name, "welcome") || !strcmp(name, "refusal")) {
            struct rf_welcome w;
            unhex(&w, hex, sizeof w);
            printf("%s %d %" PRIu32 " %" PRIx32 " %" PRIu32 " %" PRId32 " %" PRIx64 " %" PRIx64 " %s\n", name, w.magic == RF_WELCOME_MAGIC, w.size, w.protocol, w.status, w.cuda_error, w.features, w.region_size, w.message);
        } else if (!strcmp(name, "region")) {
            static struct rf_region r;
            unhex((uint8_t *)&r + 8, hex, 120);
            printf("region %d %" PRIx32 " %" PRIx32 " %" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu32 "\n", r.magic == RF_REGION_MAGIC,
                   r.protocol, r.table_hash, r.size, r.info_offset, r.slots_offset, r.slot_count, r.chunks_offset, r.ring_offset, r.ring_units, r.holds_offset, r.staging_offset, r.staging_chunk, r.staging_chunks);
        } else {
            struct rf_notice n;
            unhex(&n, hex, sizeof n);
            printf("%s %" PRIu32 " %" PRId32 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", name, n.type, n.status, n.cookie, n.offset, n.length);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "structs")) structs();
    else if (argc == 2 && !strcmp(argv[1], "read-structs")) read_structs();
    else scripts();
    free(data);
    return 0;
}
