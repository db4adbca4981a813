/* connection.h - the one connection of this process: region, socket, and what state they are in. */
#ifndef VGPU_CONNECTION_H
#define VGPU_CONNECTION_H

#include <stdatomic.h>
#include <stdint.h>

#include "cuda.h"
#include "region.h"

#define VGPU_SLOTS_MAX 1024u
/* What every call returns after the broker has gone: the device is not there any more, and will not be in this process. */
#define VGPU_ERROR_BROKER_GONE CUDA_ERROR_DEVICE_UNAVAILABLE

struct vgpu_connection {
    struct rf_region *region;
    struct rf_ring ring;
    struct rf_ring last_resort; /* the same ring to the last byte: VGPU_MUST_PASS */
    struct rf_slot *slots;
    uint32_t slot_count;
    _Atomic uint32_t *chunks;
    uint32_t chunk_count;
    uint32_t chunk_bytes;
    struct rf_hold *holds;
    uint8_t *staging;
    int host_window;         /* the host window's addresses are kept free: shared memory is mapped there */
    uint32_t spinners_max;   /* threads that may spin at once: one fewer than cores */
    struct rf_info info;     /* a private copy, checked: the executor cannot change it under us */
};

/* Valid from the moment that vgpu_connect returned success, and never unmapped. */
extern struct vgpu_connection vgpu;

/* CUDA_SUCCESS after cuInit; before it CUDA_ERROR_NOT_INITIALIZED; after the broker died its error; in a forked child
 * CUDA_ERROR_NOT_INITIALIZED for ever. One word, so that the check costs one load. */
extern _Atomic int vgpu_state;

/* Connects unless connected. Returns CUDA_SUCCESS or the error for cuInit, having said on stderr what is wrong and how to
 * fix it. Blocks at most about ten seconds, when a broker accepts and then says nothing. Thread-safe. */
CUresult vgpu_connect(void);

/* Marks the process initialised: from now on vgpu_ready() succeeds. Only after vgpu_connect did. */
void vgpu_open_calls(void);

/* Ends the connection for good: every waiting and every later call returns `error`. Says `why` once (NULL: silently). */
void vgpu_fail(CUresult error, const char *why);

/* Wakes the executor, which found its ring empty and sleeps in epoll. */
void vgpu_doorbell(void);

/* The slow path of vgpu_ready: explains a forked child once. Returns the state. */
CUresult vgpu_not_ready(void);

int vgpu_in_forked_child(void);

#endif
