/*
 * Memory that graphs allocate: an allocation node has one address for its whole life, and launches say when there is an
 * allocation at it. The bytes behind the address are had from the host when the node is made and given back when no graph and
 * no executable graph names the address any more and it is not allocated.
 */
#include <stdlib.h>

#include "env.h"
#include "graph.h"

#define DEVICES 16

struct allocation {
  struct allocation *next;
  CUdeviceptr address;
  size_t bytes;
  CUdevice device;
  unsigned holders;
  bool live;    /* a launch allocated it, nobody has freed it yet */
  bool backed;  /* it has been launched since the last trim */
  uint64_t context;
  bool gone;    /* with its context: there is nothing to give back */
};

#define BUCKETS 1024
static struct allocation *buckets[BUCKETS];
static struct {
  uint64_t used, used_high, reserved, reserved_high;
} totals[DEVICES];

static struct allocation **bucket_of(CUdeviceptr address) { return &buckets[(address >> 9) * UINT64_C(0x9E3779B97F4A7C15) >> 54]; }

static struct allocation *find(CUdeviceptr address) {
  struct allocation *at = *bucket_of(address);
  while (at && at->address != address) at = at->next; /* the newest first: one that is gone may have had the address before */
  return at;
}

bool graph_memory_is(CUdeviceptr address) { return find(address) != NULL; }

static uint64_t raise(uint64_t high, uint64_t now) { return now > high ? now : high; }

static void set_live(struct allocation *allocation, bool live) {
  if (allocation->live == live) return;
  allocation->live = live;
  totals[allocation->device].used += live ? allocation->bytes : -allocation->bytes;
  totals[allocation->device].used_high = raise(totals[allocation->device].used_high, totals[allocation->device].used);
}

static void set_backed(struct allocation *allocation, bool backed) {
  if (allocation->backed == backed) return;
  allocation->backed = backed;
  totals[allocation->device].reserved += backed ? allocation->bytes : -allocation->bytes;
  totals[allocation->device].reserved_high = raise(totals[allocation->device].reserved_high, totals[allocation->device].reserved);
}

CUresult graph_memory_new(CUDA_MEM_ALLOC_NODE_PARAMS_v1 *asked, CUcontext context) {
  const CUdevice device = asked->poolProps.location.id;
  CUcontext handle = NULL;
  CUdevice current = 0;
  uint64_t key = 0;
  GRAPH_TRY(graph_env_context(context, &handle, &key, &current));
  struct allocation *const allocation = calloc(1, sizeof *allocation);
  if (!allocation) return CUDA_ERROR_OUT_OF_MEMORY;
  const CUresult result = graph_env_allocate(context, device, asked->bytesize, &asked->dptr);
  if (result) {
    free(allocation);
    return result;
  }
  struct allocation **const bucket = bucket_of(asked->dptr);
  *allocation = (struct allocation){.next = *bucket, .address = asked->dptr, .bytes = asked->bytesize, .device = device % DEVICES, .context = key, .holders = 1};
  *bucket = allocation;
  return CUDA_SUCCESS;
}

static void forget(struct allocation *allocation) {
  struct allocation **link = bucket_of(allocation->address);
  while (*link != allocation) link = &(*link)->next;
  *link = allocation->next;
  set_backed(allocation, false);
  free(allocation);
}

void graph_memory_hold(CUdeviceptr address) {
  struct allocation *const allocation = find(address);
  if (allocation) allocation->holders++;
}

/* One that went with its context and one that was made at the same address since: the holders of both are counted down from the
 * first, so that the second is given back when nobody can hold it any more. */
static struct allocation *find_to_drop(CUdeviceptr address) {
  struct allocation *at = *bucket_of(address), *newest = NULL;
  for (; at; at = at->next) {
    if (at->address != address) continue;
    if (at->gone) return at;
    if (!newest) newest = at;
  }
  return newest;
}

void graph_memory_drop(CUdeviceptr address) {
  struct allocation *const allocation = find_to_drop(address);
  if (!allocation || !allocation->holders) return;
  if (--allocation->holders || allocation->live) return;
  const bool gone = allocation->gone;
  forget(allocation);
  if (!gone) graph_env_release(address);
}

void graph_memory_context_gone(uint64_t context) {
  for (unsigned i = 0; i < BUCKETS; i++)
    for (struct allocation *at = buckets[i], *next; at; at = next) {
      next = at->next;
      if (at->context != context) continue;
      set_live(at, false);
      at->gone = true;
      if (!at->holders) forget(at);
    }
}

CUresult graph_memory_launch(const struct graph_exec *exec) {
  const bool again = exec->flags & CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
  for (unsigned i = 0; i < exec->free_count; i++) {
    const struct allocation *const allocation = find(exec->frees[i]);
    if (!allocation || !allocation->live || allocation->gone) return CUDA_ERROR_INVALID_VALUE;
  }
  for (unsigned i = 0; i < exec->own_count; i++) {
    const struct allocation *const allocation = find(exec->own[i]);
    if (!allocation || allocation->gone || (allocation->live && !again)) return CUDA_ERROR_INVALID_VALUE;
  }
  for (unsigned i = 0; i < exec->free_count; i++) set_live(find(exec->frees[i]), false);
  for (unsigned i = 0; i < exec->own_count; i++) {
    struct allocation *const allocation = find(exec->own[i]);
    if (!allocation) continue;
    set_backed(allocation, true);
    set_live(allocation, false);
    set_live(allocation, true); /* also what the graph frees itself was in use once */
  }
  for (unsigned i = 0, k = 0; i < exec->own_count; i++) {
    if (k < exec->allocate_count && exec->allocates[k] == exec->own[i]) k++;
    else set_live(find(exec->own[i]), false);
  }
  return CUDA_SUCCESS;
}

bool graph_memory_free(CUdeviceptr address, CUresult *result) {
  graph_lock();
  struct allocation *const allocation = find(address);
  const bool known = allocation && !allocation->gone;
  bool answered = known;
  if (known) {
    *result = allocation->live ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    set_live(allocation, false);
    if (!allocation->holders) {
      forget(allocation);
      answered = false; /* nobody will allocate there again: the caller frees it as any other */
    }
  }
  graph_unlock();
  return answered;
}

/* ---- calls ---------------------------------------------------------------------------------------------------------------- */

CUresult GRAPH_CALL(cuDeviceGraphMemTrim)(CUdevice device) {
  GRAPH_ENTER();
  graph_lock();
  const CUresult result = graph_env_device(device);
  for (unsigned i = 0; i < BUCKETS && !result; i++)
    for (struct allocation *at = buckets[i]; at; at = at->next)
      if (at->device == device && !at->live) set_backed(at, false);
  graph_unlock();
  return result;
}

CUresult GRAPH_CALL(cuDeviceGetGraphMemAttribute)(CUdevice device, CUgraphMem_attribute attr, void *value) {
  GRAPH_ENTER();
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  CUresult result = graph_env_device(device);
  cuuint64_t *const out = value;
  const int at = device >= 0 && device < DEVICES ? device : 0;
  if (!result) switch ((int)attr) {
      case CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT: *out = totals[at].used; break;
      case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH: *out = totals[at].used_high; break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT: *out = totals[at].reserved; break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH: *out = totals[at].reserved_high; break;
      default: result = CUDA_ERROR_INVALID_VALUE;
    }
  graph_unlock();
  return result;
}

/* The high-water marks can be set back to the present, by writing 0. */
CUresult GRAPH_CALL(cuDeviceSetGraphMemAttribute)(CUdevice device, CUgraphMem_attribute attr, void *value) {
  GRAPH_ENTER();
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  graph_lock();
  CUresult result = graph_env_device(device);
  const int at = device >= 0 && device < DEVICES ? device : 0;
  if (!result && *(const cuuint64_t *)value) result = CUDA_ERROR_INVALID_VALUE;
  if (!result) switch ((int)attr) {
      case CU_GRAPH_MEM_ATTR_USED_MEM_HIGH: totals[at].used_high = totals[at].used; break;
      case CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH: totals[at].reserved_high = totals[at].reserved; break;
      default: result = CUDA_ERROR_INVALID_VALUE;
    }
  graph_unlock();
  return result;
}
