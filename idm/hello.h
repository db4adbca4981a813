/* hello.h - what is said over a zone's UNIX socket (SOCK_STREAM).
 *
 *   1. client -> executor   struct rf_hello, once, within 5 seconds of connecting
 *   2. executor -> client   struct rf_welcome: either status 0 with the region's descriptor (SCM_RIGHTS), or a refusal with
 *                           a sentence for the user, after which the executor hangs up
 *   3. client -> executor   any byte: the doorbell. "You slept; look at the ring." The bytes mean nothing and may be merged.
 *                           A byte and not a futex, because the executor sleeps in epoll; a socket and not a shared eventfd,
 *                           because a peer cannot make recv(MSG_DONTWAIT) block.
 *   4. executor -> client   struct rf_notice, any number, some with a descriptor
 *   5. hang-up, either way, ends the client: its handles and memory go back to the zone.
 *
 * Both sides send whole structs; a short or malformed one is a hang-up. */
#ifndef RINGFENCE_HELLO_H
#define RINGFENCE_HELLO_H

#include <stdint.h>

#define RF_HELLO_MAGIC   0x316f6c6c65684652ull  /* "RFhello1" */
#define RF_WELCOME_MAGIC 0x31656d6f636c6557ull  /* "Welcome1" */

struct rf_hello {
    uint64_t magic;
    uint32_t size;          /*   8 sizeof(struct rf_hello) */
    uint32_t protocol;      /*  12 RF_PROTOCOL; the major must agree */
    uint32_t table_hash;    /*  16 */
    uint32_t pid;           /*  20 in the client's own pid namespace; for logs only */
    uint64_t features;      /*  24 RF_FEATURE_* that the client needs */
    char token[128];        /*  32 NUL-padded; all zero: none */
    char program[96];       /* 160 NUL-terminated; for logs only */
};

struct rf_welcome {
    uint64_t magic;
    uint32_t size;          /*   8 */
    uint32_t protocol;      /*  12 the executor's */
    uint32_t status;        /*  16 enum rf_refusal */
    int32_t cuda_error;     /*  20 what cuInit answers on refusal */
    uint64_t features;      /*  24 that the executor has */
    uint64_t region_size;   /*  32 */
    char message[472];      /*  40 NUL-terminated: what is wrong and how to fix it */
};

enum rf_refusal {
    RF_WELCOME_OK = 0,
    RF_REFUSED_PROTOCOL = 1,    /* other protocol or call table */
    RF_REFUSED_TOKEN = 2,
    RF_REFUSED_CLIENTS = 3,     /* the zone's limit of clients */
    RF_REFUSED_STAGING = 4,     /* the zone's limit of staging memory */
    RF_REFUSED_UID = 5,         /* the socket's peer is another user than the zone's */
    RF_REFUSED_DRIVER = 6,      /* the executor's own driver failed */
    RF_REFUSED_HELLO = 7        /* not a hello */
};

enum rf_notice_type {
    RF_NOTICE_HOST_CALL = 1,    /* run the host function `cookie`; `status` is what a stream callback is told */
    RF_NOTICE_PINNED = 2,       /* carries the descriptor of pinned memory `cookie`, `length` bytes from `offset` */
    RF_NOTICE_FAREWELL = 3      /* the zone ends this client: `status` says with which CUresult calls fail now */
};

struct rf_notice {
    uint32_t type;
    int32_t status;
    uint64_t cookie;
    uint64_t offset;
    uint64_t length;
};

_Static_assert(sizeof(struct rf_hello) == 256, "hello");
_Static_assert(sizeof(struct rf_welcome) == 512, "welcome");
_Static_assert(sizeof(struct rf_notice) == 32, "notice");

#endif
