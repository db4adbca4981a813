/* edges.c - the first and last part of a page of registered memory.
 *
 * Whole pages of a registered range are replaced by pages that the executor shares (hostmem.c). The rest of a first or last page is
 * other people's memory, malloc's own words among it, and stays where it is. The object has pages for these parts all the same, so that
 * the range is one piece of GPU addresses, and they are kept equal by copying: at each call before it is sent, so that a kernel
 * finds what the program wrote before the launch; and after each answer, so that the program finds what the GPU had written when a
 * synchronisation or a query said it was done. Only bytes that changed on a side since the last time are copied to the other, so that
 * neither overwrites what the other wrote beside them.
 *
 * Nothing of this is done before the program asks for a device pointer: without one no kernel can reach the range. */
#include "edges.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "objects.h"

struct edge {
    struct edge *next;
    uint8_t *host, *shadow; /* the program's bytes, and the object's */
    size_t bytes;
    uint8_t last[];         /* as both were when they last met */
};

_Atomic unsigned vgpu_edges;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct edge *edges;

static void carry(const uint8_t *from, uint8_t *to, uint8_t *last, size_t bytes)
{
    if (memcmp(from, last, bytes) == 0) return;
    for (size_t i = 0; i < bytes; i++)
        if (from[i] != last[i]) to[i] = last[i] = from[i];
}

static void meet(struct edge *edge)
{
    carry(edge->host, edge->shadow, edge->last, edge->bytes);
    carry(edge->shadow, edge->host, edge->last, edge->bytes);
}

void vgpu_edges_exchange(void)
{
    pthread_mutex_lock(&lock);
    for (struct edge *edge = edges; edge; edge = edge->next) meet(edge);
    pthread_mutex_unlock(&lock);
}

static struct edge *make(const struct vgpu_host_range *range, uintptr_t start, uintptr_t end)
{
    struct edge *edge = malloc(sizeof *edge + (end - start));
    if (!edge) return NULL;
    edge->host = (uint8_t *)start;
    edge->shadow = (uint8_t *)(range->rest + range->lead + (start - range->shared_start));
    edge->bytes = end - start;
    memcpy(edge->last, edge->host, edge->bytes);
    memcpy(edge->shadow, edge->host, edge->bytes);
    return edge;
}

static int known(uintptr_t start, uintptr_t end)
{
    for (const struct edge *edge = edges; edge; edge = edge->next)
        if ((uintptr_t)edge->host >= start && (uintptr_t)edge->host < end) return 1;
    return 0;
}

CUresult vgpu_edges_add(const struct vgpu_host_range *range)
{
    uintptr_t parts[2][2] = {{range->start, range->end < range->shared_start ? range->end : range->shared_start}, {range->shared_end, range->end}};
    CUresult error = CUDA_SUCCESS;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 2 && !error && !known(parts[i][0], parts[i][1]); i++) {
        if (parts[i][0] >= parts[i][1]) continue;
        struct edge *edge = make(range, parts[i][0], parts[i][1]);
        if (!edge) {
            error = CUDA_ERROR_OUT_OF_MEMORY;
            break;
        }
        edge->next = edges;
        edges = edge;
        atomic_fetch_add(&vgpu_edges, 1);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

void vgpu_edges_remove(const struct vgpu_host_range *range)
{
    pthread_mutex_lock(&lock);
    for (struct edge **at = &edges; *at;) {
        struct edge *edge = *at;
        if ((uintptr_t)edge->host < range->start || (uintptr_t)edge->host >= range->end) {
            at = &edge->next;
            continue;
        }
        meet(edge);
        *at = edge->next;
        free(edge);
        atomic_fetch_sub(&vgpu_edges, 1);
    }
    pthread_mutex_unlock(&lock);
    if (!range->rest) return;
    uintptr_t behind = range->rest + range->lead + (range->shared_end - range->shared_start), end = behind + (vgpu_page_up(range->end) - range->shared_end);
    if (range->lead) munmap((void *)range->rest, range->lead);
    if (vgpu_page_up(range->end) > range->shared_end) munmap((void *)behind, end - behind);
}
