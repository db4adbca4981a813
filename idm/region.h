/* region.h - the layout of the shared memory between one client and its executor.
 *
 * A region is one POSIX shared memory object, made by the executor and mapped by both sides. Every offset here and on the
 * wire counts from the start of the object. (The executor makes it with shm-typed-array, which keeps its length in the
 * first 8 bytes, so the executor's buffer begins at byte 8.) The executor writes the header once, before it gives the
 * object away, and never reads a geometry field back; the client copies and checks them once.
 *
 *   0            header (struct rf_region)                       executor writes, client reads
 *   info         struct rf_info: zone, devices, attributes       executor writes, client reads
 *   slots        slot_count x slot_size: replies                 executor writes state/status/payload, client `sleeping`
 *   chunks       staging_chunks x u32: who owns a staging chunk  client 0 -> 1 (takes), executor 1 -> 0 (done with it)
 *   ring         requests (ring.h)
 *   holds        RF_HOLDS x struct rf_hold: host functions       the GPU `due`, client `done`
 *   staging      staging_chunks x staging_chunk bytes            whoever the chunk's word says
 *
 * A client that lies about slots or chunks hurts only its own replies and copies: the executor bounds every slot and
 * chunk number it is given by its private geometry, and copies staged bytes only between staging and checked device
 * ranges. One that writes into holds as it pleases lets its own streams go on early, or keeps them standing: after it has hung up
 * too, as long as its process lives and does nothing else. A client that truncates the object kills its zone's executor (SIGBUS)
 * and nothing else. */
#ifndef RINGFENCE_REGION_H
#define RINGFENCE_REGION_H

#include "ring.h"

#define RF_REGION_MAGIC 0x31454e474552464eull
#define RF_PROTOCOL_MAJOR 1u
#define RF_PROTOCOL_MINOR 0u
#define RF_PROTOCOL ((RF_PROTOCOL_MAJOR << 16) | RF_PROTOCOL_MINOR)

#define RF_SLOT_SIZE 1024u
#define RF_SLOT_PAYLOAD (RF_SLOT_SIZE - 16u)
#define RF_DEVICES_MAX 8u
#define RF_ATTRIBUTES 256u

struct rf_slot {
    _Atomic uint32_t state;     /*  0 futex; the executor stores the ticket here last, release */
    _Atomic uint32_t sleeping;  /*  4 the client sets 1 before it sleeps, the executor wakes if it finds 1 */
    int32_t status;             /*  8 CUresult */
    uint32_t length;            /* 12 bytes of payload */
    uint8_t payload[RF_SLOT_PAYLOAD];
};

/* What a stream stands at while the client runs a host function. Both words are the GPU's and the client's alone, so that such a function
 * can begin and end while a call of the driver has the executor wait: drivers wait for a context to be idle where memory or code is
 * taken back, and may where code is loaded. Numbers grow by one with each use of a hold and are compared with wrapping. */
#define RF_HOLDS 4096u
struct rf_hold {
    _Atomic uint32_t due;       /* 0 the GPU stores the number of the use when the stream has come to it; not after an error */
    _Atomic uint32_t done;      /* 4 the stream waits until this has reached the number; the executor lets go of who is gone */
};

struct rf_device_info {
    char name[256];                     /*    0 NUL-terminated */
    uint8_t uuid[16];                   /*  256 */
    uint64_t total_memory;              /*  272 bytes: the zone's quota */
    uint64_t primary_context;           /*  280 opaque handle: valid, and inactive, before the first retain */
    uint32_t present[RF_ATTRIBUTES / 32]; /* 288 bit i: the driver answered attribute i */
    int32_t attributes[RF_ATTRIBUTES];  /*  320 */
};

struct rf_info {
    int32_t driver_version;             /*   0 e.g. 13000 */
    uint32_t device_count;              /*   4 */
    uint64_t window_base;               /*   8 device addresses of this zone lie in [base, base + size) */
    uint64_t window_size;               /*  16 */
    uint64_t granularity;               /*  24 of the virtual memory calls, bytes */
    char zone[64];                      /*  32 */
    uint64_t host_window_base;          /*  96 addresses of pinned and managed memory, the same for the GPU and in both processes */
    uint64_t host_window_size;          /* 104 0: none */
    uint8_t reserved[16];               /* 112 */
    struct rf_device_info devices[RF_DEVICES_MAX]; /* 128 */
};

struct rf_region {
    uint64_t package_word;      /*   0 shm-typed-array's */
    uint64_t magic;             /*   8 */
    uint32_t protocol;          /*  16 */
    uint32_t table_hash;        /*  20 of the call table's messages: both sides were generated from the same */
    uint64_t size;              /*  24 of the object, bytes */
    uint32_t info_offset;       /*  32 */
    uint32_t slots_offset;      /*  36 */
    uint32_t slot_count;        /*  40 */
    uint32_t chunks_offset;     /*  44 */
    uint32_t ring_offset;       /*  48 */
    uint32_t ring_units;        /*  52 */
    uint32_t staging_offset;    /*  56 page-aligned */
    uint32_t staging_chunk;     /*  60 bytes, a multiple of the page */
    uint32_t staging_chunks;    /*  64 */
    uint32_t holds_offset;      /*  68 page-aligned; the staging lies right behind */
    uint8_t reserved[56];
    struct rf_ring_shared ring; /* 128 */
    _Alignas(64) _Atomic uint32_t staging_waiting; /* 384 a client thread sleeps on `staging_epoch` */
    _Atomic uint32_t staging_epoch;                /* 388 futex: the executor adds 1 when it frees a chunk */
    _Atomic uint32_t printed;                      /* 392 the executor adds 1 when there is output of kernels to fetch (PRINT_READ) */
};

_Static_assert(sizeof(struct rf_slot) == RF_SLOT_SIZE, "slot");
_Static_assert(sizeof(struct rf_hold) == 8, "hold");
_Static_assert(sizeof(struct rf_device_info) == 1344, "device info");
_Static_assert(sizeof(struct rf_info) == 128 + 8 * 1344, "info");
_Static_assert(__builtin_offsetof(struct rf_region, ring) == 128, "ring words");
_Static_assert(__builtin_offsetof(struct rf_region, staging_waiting) == 384, "staging words");

#endif
