/*
 * See space.h. Everything that changes the space does so under one lock, held for tens of nanoseconds; everything that
 * only looks something up takes none.
 *
 * A page's entry packs frame, access and state into one word that is stored last (release), its block before it.
 */
#include "space.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "card.h"
#include "extents.h"
#include "log.h"
#include "pool.h"
#include "vmm.h"
#include "written.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE_SHIFT 21
#define ADDRESS_BITS 47
#define LEVEL_BITS ((ADDRESS_BITS - PAGE_SHIFT) / 2)
#define LEVEL_SIZE (1u << LEVEL_BITS)
/* Automatic addresses start here: far from where Linux puts programs, heaps and mappings. */
#define WINDOW_BASE 0x70000000000ull
#define WINDOW_SIZE 0x80000000000ull
#define LOWEST 0x10000000ull /* no hint below is honoured: programs live there */
#define SMALL_LIMIT ((uint64_t)1 << 20) /* at most so many bytes share a page with others */
#define GRANULE 512

/* page entry: bits 0..31 frame, 32..33 access, 34 has a block, 35 has memory */
#define ENTRY_ACCESS(access) ((uint64_t)(access) << 32)
#define ENTRY_USED ((uint64_t)1 << 34)
#define ENTRY_MEMORY ((uint64_t)1 << 35)

struct page {
  _Atomic uint64_t entry;
  _Atomic(struct rf_block *) block;
};

static _Atomic(struct page *) directory[LEVEL_SIZE];
static pthread_mutex_t space_lock = PTHREAD_MUTEX_INITIALIZER;
static struct rf_extents addresses; /* free pages */
static bool window_reserved;

/* Size classes of slabs: 512, 1024, 1536, 2048, then two a power of two up to SMALL_LIMIT. */
#define CLASSES 24
static uint64_t class_size[CLASSES];
static int class_count;
static struct rf_block *partial[16][CLASSES]; /* by device and class */

/* The books of the last empty slab of each class: a program that allocates and frees in turn needs them again at once.
 * The slab's frame went back to the card; it is only the host's memory that is kept. */
static struct {
  struct rf_allocation *allocations;
  uint32_t *free_slots;
} spare[CLASSES];

#define BLOCK_CHUNK 256
static struct rf_block **block_chunks;
static uint32_t block_count, block_chunk_count;
static struct rf_block *free_blocks;
static uint64_t next_id = 1;

void rf_space_lock(void) { pthread_mutex_lock(&space_lock); }
void rf_space_unlock(void) { pthread_mutex_unlock(&space_lock); }

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static struct page *page_of(CUdeviceptr address) {
  if (RF_UNLIKELY(address >> ADDRESS_BITS)) return NULL;
  struct page *const table = atomic_load_explicit(&directory[address >> (PAGE_SHIFT + LEVEL_BITS)], memory_order_acquire);
  return table ? &table[(address >> PAGE_SHIFT) & (LEVEL_SIZE - 1)] : NULL;
}

/* The lock is held. */
static struct page *make_page(CUdeviceptr address) {
  _Atomic(struct page *) *const slot = &directory[address >> (PAGE_SHIFT + LEVEL_BITS)];
  if (!atomic_load_explicit(slot, memory_order_acquire)) {
    /* Zero pages of the kernel's: a table costs memory only where it is used. */
    struct page *const table = mmap(NULL, LEVEL_SIZE * sizeof(struct page), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED) return NULL;
    atomic_store_explicit(slot, table, memory_order_release);
  }
  return page_of(address);
}

static void set_page(struct page *page, struct rf_block *block, uint64_t entry) {
  atomic_store_explicit(&page->entry, 0, memory_order_release);
  atomic_store_explicit(&page->block, block, memory_order_release);
  atomic_store_explicit(&page->entry, entry, memory_order_release);
}

static uint64_t entry_of(const struct page *page) {
  return page ? atomic_load_explicit(&((struct page *)page)->entry, memory_order_acquire) : 0;
}

static bool set_pages(struct rf_block *block, uint64_t access) {
  for (uint64_t i = 0; i < block->pages; i++)
    if (!make_page(block->base + i * RF_FRAME_SIZE)) return false;
  for (uint64_t i = 0; i < block->pages; i++)
    set_page(page_of(block->base + i * RF_FRAME_SIZE), block,
             ENTRY_USED | (block->frames ? ENTRY_MEMORY | ENTRY_ACCESS(access) | block->frames[i] : 0));
  return true;
}

static void clear_pages(CUdeviceptr base, uint64_t pages) {
  for (uint64_t i = 0; i < pages; i++) {
    struct page *const page = page_of(base + i * RF_FRAME_SIZE);
    if (page) set_page(page, NULL, 0);
  }
}

/* ---- blocks: never returned, so that a lookup that lost a race reads a block all the same ------------------------- */

static struct rf_block *new_block(enum rf_block_kind kind) {
  struct rf_block *block = free_blocks;
  if (block) {
    free_blocks = block->next_free;
  } else {
    if (block_count == block_chunk_count * BLOCK_CHUNK) {
      struct rf_block **const chunks = realloc(block_chunks, (block_chunk_count + 1) * sizeof *chunks);
      if (!chunks) return NULL;
      block_chunks = chunks;
      if (!(chunks[block_chunk_count] = calloc(BLOCK_CHUNK, sizeof(struct rf_block)))) return NULL;
      block_chunk_count++;
    }
    block = &block_chunks[block_count / BLOCK_CHUNK][block_count % BLOCK_CHUNK];
    block->index = block_count++;
  }
  const uint32_t index = block->index;
  atomic_store(&block->kind, RF_BLOCK_FREE);
  *block = (struct rf_block){.kind = RF_BLOCK_FREE, .index = index};
  atomic_store(&block->kind, (int)kind);
  return block;
}

static struct rf_block *block_at(uint32_t index) { return &block_chunks[index / BLOCK_CHUNK][index % BLOCK_CHUNK]; }

/* Gives back what a block holds. Its pages are cleared already. */
static void drop_block(struct rf_block *block) {
  if (block->frames) rf_card_give(block->frames, (uint32_t)block->pages);
  atomic_store(&block->kind, RF_BLOCK_FREE);
  free(block->frames);
  free(block->allocations);
  free(block->free_slots);
  block->frames = NULL;
  block->allocations = NULL;
  block->free_slots = NULL;
  block->next_free = free_blocks;
  free_blocks = block;
}

/* A block with addresses and frames of its own, pages set. The lock is held. */
static CUresult make_block(enum rf_block_kind kind, int device, uint64_t pages, struct rf_block **made) {
  struct rf_block *const block = new_block(kind);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  block->device = device;
  block->pages = pages;
  block->frames = malloc(pages * sizeof *block->frames);
  CUresult result = block->frames ? rf_card_take(device, (uint32_t)pages, block->frames) : CUDA_ERROR_OUT_OF_MEMORY;
  if (result) {
    free(block->frames);
    block->frames = NULL;
  } else {
    uint64_t first = 0;
    const bool found = rf_extents_take(&addresses, WINDOW_BASE >> PAGE_SHIFT, pages, 1, &first);
    block->base = first << PAGE_SHIFT;
    if (!found || !set_pages(block, RF_READ | RF_WRITE)) {
      if (found) rf_extents_give(&addresses, first, pages);
      result = CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  if (result) {
    drop_block(block);
    return result;
  }
  *made = block;
  return CUDA_SUCCESS;
}

static void destroy_block(struct rf_block *block) {
  clear_pages(block->base, block->pages);
  rf_extents_give(&addresses, block->base >> PAGE_SHIFT, block->pages);
  drop_block(block);
}

/* Maps host addresses without access, exactly there. False: something else is there. */
static bool map_nothing(CUdeviceptr address, uint64_t size) {
#if defined(__SANITIZE_THREAD__)
  /* ThreadSanitizer drops the address of a mapping outside the regions that it knows, and dies of where it then lands. */
  (void)address, (void)size;
  return false;
#else
  void *const wanted = (void *)(uintptr_t)address;
  void *const got = mmap(wanted, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  if (got != MAP_FAILED && got != wanted) munmap(got, size); /* a kernel that does not know the flag */
  return got == wanted;
#endif
}

/* ---- allocations -------------------------------------------------------------------------------------------------- */

void rf_space_initialise(void) {
  for (uint64_t size = GRANULE; size <= SMALL_LIMIT; size *= 2) {
    class_size[class_count++] = size;
    if (size > GRANULE && size < SMALL_LIMIT) class_size[class_count++] = size + size / 2;
  }
  rf_extents_give(&addresses, LOWEST >> PAGE_SHIFT, (((uint64_t)1 << ADDRESS_BITS) - LOWEST) >> PAGE_SHIFT);
  /* Hold the addresses in the host's space too, so that no host pointer looks like a device pointer. Best effort:
   * sanitizers and unlucky mappings may be in the way, and then only unified copies could ever mistake one. */
  window_reserved = map_nothing(WINDOW_BASE, WINDOW_SIZE);
}

static int class_of(uint64_t size) {
  int low = 0, high = class_count - 1;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (class_size[middle] >= size)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

static void link_partial(struct rf_block *block) {
  struct rf_block **const head = &partial[block->device][class_of(block->slot_size)];
  block->previous_partial = NULL;
  block->next_partial = *head;
  if (*head) (*head)->previous_partial = block;
  *head = block;
  block->on_partial = true;
}

static void unlink_partial(struct rf_block *block) {
  if (block->previous_partial)
    block->previous_partial->next_partial = block->next_partial;
  else
    partial[block->device][class_of(block->slot_size)] = block->next_partial;
  if (block->next_partial) block->next_partial->previous_partial = block->previous_partial;
  block->on_partial = false;
}

static CUresult make_slab(int device, int class) {
  struct rf_block *block = NULL;
  RF_TRY(make_block(RF_BLOCK_SLAB, device, 1, &block));
  block->slot_size = class_size[class];
  block->slots = (uint32_t)(RF_FRAME_SIZE / block->slot_size);
  if (spare[class].allocations) {
    /* Of an empty slab all sizes are 0 and the list names each slot once: as good as new. */
    block->allocations = spare[class].allocations;
    block->free_slots = spare[class].free_slots;
    spare[class].allocations = NULL;
    spare[class].free_slots = NULL;
    link_partial(block);
    return CUDA_SUCCESS;
  }
  block->allocations = calloc(block->slots, sizeof *block->allocations);
  block->free_slots = malloc(block->slots * sizeof *block->free_slots);
  if (!block->allocations || !block->free_slots) {
    destroy_block(block);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  for (uint32_t i = 0; i < block->slots; i++) block->free_slots[i] = block->slots - 1 - i;
  link_partial(block);
  return CUDA_SUCCESS;
}

static CUresult allocate_small(int device, uint64_t size, const struct rf_allocation *like, CUdeviceptr *address) {
  const int class = class_of(size);
  if (!partial[device][class]) RF_TRY(make_slab(device, class));
  struct rf_block *const block = partial[device][class];
  const uint32_t slot = block->free_slots[block->slots - 1 - block->used++];
  if (block->used == block->slots) unlink_partial(block);
  block->allocations[slot] = *like;
  block->allocations[slot].size = size;
  block->allocations[slot].id = next_id++;
  *address = block->base + slot * block->slot_size;
  return CUDA_SUCCESS;
}

static CUresult allocate_large(int device, uint64_t size, const struct rf_allocation *like, CUdeviceptr *address) {
  const uint64_t pages = (size + RF_FRAME_SIZE - 1) >> PAGE_SHIFT;
  struct rf_allocation *const allocation = malloc(sizeof *allocation);
  if (!allocation) return CUDA_ERROR_OUT_OF_MEMORY;
  *allocation = *like;
  allocation->size = size;
  struct rf_block *block = NULL;
  const CUresult result = make_block(RF_BLOCK_LARGE, device, pages, &block);
  if (result) {
    free(allocation);
    return result;
  }
  allocation->id = next_id++;
  block->slot_size = pages * RF_FRAME_SIZE;
  block->slots = block->used = 1;
  block->allocations = allocation;
  *address = block->base;
  return CUDA_SUCCESS;
}

CUresult rf_space_allocate(int device, uint64_t size, const struct rf_allocation *like, CUdeviceptr *address) {
  if (size == 0) return CUDA_ERROR_INVALID_VALUE;
  if (size > (uint64_t)1 << 46) return CUDA_ERROR_OUT_OF_MEMORY;
  rf_space_lock();
  const CUresult result = size <= SMALL_LIMIT ? allocate_small(device, size, like, address) : allocate_large(device, size, like, address);
  if (!result && RF_UNLIKELY(RF_CHECKS_INIT)) rf_written_mark(*address, size, false);
  rf_space_unlock();
  return result;
}

/* The block and slot around an address. The lock is held. NULL: no allocation lives there. */
static struct rf_block *allocation_at(CUdeviceptr address, uint32_t *slot) {
  const struct page *const page = page_of(address);
  if (!(entry_of(page) & ENTRY_MEMORY)) return NULL;
  struct rf_block *const block = atomic_load_explicit(&((struct page *)page)->block, memory_order_acquire);
  const int kind = atomic_load(&block->kind);
  if (kind != RF_BLOCK_LARGE && kind != RF_BLOCK_SLAB) return NULL;
  *slot = (uint32_t)((address - block->base) / block->slot_size);
  if (*slot >= block->slots) return NULL; /* the unused end of a slab's page */
  const struct rf_allocation *const allocation = &block->allocations[*slot];
  if (allocation->size == 0 || address - (block->base + *slot * block->slot_size) >= allocation->size) return NULL;
  return block;
}

/* The latest allocations to be freed, so that an access to one can be told from one to nowhere. Under the lock. */
#define BURIED 256
static struct {
  CUdeviceptr base;
  uint64_t size;
} buried[BURIED];
static uint64_t buried_count;

static void free_slot(struct rf_block *block, uint32_t slot) {
  struct rf_allocation *const allocation = &block->allocations[slot];
  buried[buried_count % BURIED].base = block->base + slot * block->slot_size;
  buried[buried_count++ % BURIED].size = allocation->size;
  if (allocation->pool) rf_pool_returned(allocation->pool, allocation->size);
  allocation->size = 0;
  if (atomic_load(&block->kind) == RF_BLOCK_LARGE) {
    destroy_block(block);
    return;
  }
  block->used--;
  block->free_slots[block->slots - 1 - block->used] = slot;
  if (!block->on_partial) link_partial(block);
  if (block->used == 0) {
    unlink_partial(block);
    const int class = class_of(block->slot_size);
    if (!spare[class].allocations) {
      spare[class].allocations = block->allocations;
      spare[class].free_slots = block->free_slots;
      block->allocations = NULL;
      block->free_slots = NULL;
    }
    destroy_block(block);
  }
}

CUresult rf_space_free(CUdeviceptr address, struct rf_allocation *was) {
  uint32_t slot = 0;
  rf_space_lock();
  struct rf_block *const block = allocation_at(address, &slot);
  const bool good = block && address == block->base + slot * block->slot_size;
  if (good) {
    if (was) *was = block->allocations[slot];
    free_slot(block, slot);
  }
  rf_space_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult rf_space_begin_free(CUdeviceptr address, struct rf_allocation *was) {
  uint32_t slot = 0;
  rf_space_lock();
  struct rf_block *const block = allocation_at(address, &slot);
  struct rf_allocation *const allocation = block ? &block->allocations[slot] : NULL;
  const bool good = allocation && address == block->base + slot * block->slot_size && !allocation->freeing && !allocation->hidden;
  if (good) {
    if (was) *was = *allocation;
    allocation->freeing = true;
    allocation->context = 0; /* the stream frees it, not the context's end */
  }
  rf_space_unlock();
  return good ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

void rf_space_free_context(uint64_t context) {
  rf_space_lock();
  for (uint32_t i = 0; i < block_count; i++) {
    struct rf_block *const block = block_at(i);
    for (uint32_t slot = 0;; slot++) {
      const int kind = atomic_load(&block->kind); /* again each time: freeing the last slot frees the block */
      if ((kind != RF_BLOCK_LARGE && kind != RF_BLOCK_SLAB) || slot >= block->slots) break;
      if (block->allocations[slot].size && block->allocations[slot].context == context) free_slot(block, slot);
    }
  }
  rf_space_unlock();
}

/* ---- looking up --------------------------------------------------------------------------------------------------- */

bool rf_space_owns(CUdeviceptr address) { return (entry_of(page_of(address)) & ENTRY_USED) != 0; }

void rf_space_expect(CUdeviceptr address) {
  const uint64_t entry = entry_of(page_of(address));
  if (entry & ENTRY_MEMORY) __builtin_prefetch(rf_card_bytes + (entry & UINT32_MAX) * RF_FRAME_SIZE + (address & (RF_FRAME_SIZE - 1)), 1);
}

bool rf_space_find(CUdeviceptr address, struct rf_place *place) {
  bool found = false;
  rf_space_lock();
  const struct page *const page = page_of(address);
  const uint64_t entry = entry_of(page);
  if (entry & ENTRY_MEMORY) {
    struct rf_block *const block = atomic_load_explicit(&((struct page *)page)->block, memory_order_acquire);
    uint32_t slot = 0;
    *place = (struct rf_place){.device = block->device, .access = (unsigned)(entry >> 32) & 3};
    if (atomic_load(&block->kind) == RF_BLOCK_MAPPING) {
      place->base = block->base;
      place->size = block->pages * RF_FRAME_SIZE;
      place->mapping = true;
      place->memory = block->memory;
      found = true;
    } else if (allocation_at(address, &slot) && !block->allocations[slot].hidden) {
      place->base = block->base + slot * block->slot_size;
      place->allocation = block->allocations[slot];
      place->size = place->allocation.size;
      found = true;
    }
  }
  rf_space_unlock();
  return found;
}

bool rf_space_set_sync_memops(CUdeviceptr address, bool on) {
  uint32_t slot = 0;
  rf_space_lock();
  struct rf_block *const block = allocation_at(address, &slot);
  if (block) block->allocations[slot].sync_memops = on;
  rf_space_unlock();
  return block != NULL;
}

static bool check_mapped(CUdeviceptr address, uint64_t size, unsigned access) {
  const CUdeviceptr end = address + size;
  for (CUdeviceptr page = address & ~(RF_FRAME_SIZE - 1); page < end; page += RF_FRAME_SIZE) {
    const uint64_t entry = entry_of(page_of(page));
    if (!(entry & ENTRY_MEMORY) || ((entry >> 32) & access) != access) return false;
  }
  return true;
}

bool rf_space_check(CUdeviceptr address, uint64_t size, unsigned access, bool hidden) {
  if (size > (uint64_t)1 << ADDRESS_BITS) return false;
  const struct page *const page = page_of(address);
  if (!(entry_of(page) & ENTRY_MEMORY)) return false;
  struct rf_block *const block = atomic_load_explicit(&((struct page *)page)->block, memory_order_acquire);
  if (!block) return false;
  /* Mappings may follow one another; only their pages count, and no lock is needed to see them. */
  if (atomic_load(&block->kind) == RF_BLOCK_MAPPING) return !hidden && check_mapped(address, size, access);
  uint32_t slot = 0;
  rf_space_lock();
  struct rf_block *const owner = allocation_at(address, &slot);
  bool good = false;
  if (owner) {
    const struct rf_allocation *const allocation = &owner->allocations[slot];
    const uint64_t offset = address - (owner->base + slot * owner->slot_size);
    good = allocation->hidden == hidden && size <= allocation->size - offset;
  }
  rf_space_unlock();
  return good;
}

char *rf_space_translate(CUdeviceptr address, uint64_t *length) {
  const uint64_t entry = entry_of(page_of(address));
  if (!(entry & ENTRY_MEMORY)) return NULL;
  const uint64_t offset = address & (RF_FRAME_SIZE - 1);
  *length = RF_FRAME_SIZE - offset;
  return rf_card_bytes + (entry & UINT32_MAX) * RF_FRAME_SIZE + offset;
}

/* Frames of a page's neighbours that follow on one another are one piece. `low` and `high`: how far it may reach. */
static char *piece(CUdeviceptr address, uint64_t low, uint64_t high, uint64_t *start, uint64_t *end) {
  const CUdeviceptr page = address & ~(RF_FRAME_SIZE - 1);
  const uint64_t entry = entry_of(page_of(page));
  CUdeviceptr first = page, last = page; /* pages */
  while (first > low && entry_of(page_of(first - RF_FRAME_SIZE)) == entry - ((page - first) / RF_FRAME_SIZE + 1)) first -= RF_FRAME_SIZE;
  while (last + RF_FRAME_SIZE < high && entry_of(page_of(last + RF_FRAME_SIZE)) == entry + ((last - page) / RF_FRAME_SIZE + 1)) last += RF_FRAME_SIZE;
  *start = first > low ? first : low;
  *end = last + RF_FRAME_SIZE < high ? last + RF_FRAME_SIZE : high;
  return rf_card_bytes + (entry & UINT32_MAX) * RF_FRAME_SIZE + (int64_t)(*start - page);
}

char *rf_space_span(CUdeviceptr address, int device, uint32_t peers, uint64_t *start, uint64_t *end) {
  struct page *const page = page_of(address);
  if (!(entry_of(page) & ENTRY_MEMORY)) return NULL;
  char *found = NULL;
  rf_space_lock();
  struct rf_block *const block = atomic_load_explicit(&page->block, memory_order_acquire);
  uint32_t slot = 0;
  if (!(entry_of(page) & ENTRY_MEMORY) || !block) {
    /* freed since the first look */
  } else if (atomic_load(&block->kind) == RF_BLOCK_MAPPING) {
    /* A page without access, or of mere write access, is closed. One that may only be read is not told from others here. */
    if (entry_of(page) & ENTRY_ACCESS(RF_READ)) found = piece(address, block->base, block->base + block->pages * RF_FRAME_SIZE, start, end);
  } else if (allocation_at(address, &slot)) {
    const struct rf_allocation *const allocation = &block->allocations[slot];
    const CUdeviceptr base = block->base + slot * block->slot_size;
    const bool near = block->device == device || (peers >> block->device & 1);
    if (near && !allocation->hidden) found = piece(address, base, base + allocation->size, start, end);
  }
  rf_space_unlock();
  return found;
}

char *rf_space_storage(CUdeviceptr address, uint64_t *start, uint64_t *end) {
  if (!(entry_of(page_of(address)) & ENTRY_MEMORY)) return NULL;
  uint32_t slot = 0;
  char *found = NULL;
  rf_space_lock();
  struct rf_block *const block = allocation_at(address, &slot);
  if (block && block->allocations[slot].hidden) {
    const CUdeviceptr base = block->base + slot * block->slot_size;
    found = piece(address, base, base + block->allocations[slot].size, start, end);
  }
  rf_space_unlock();
  return found;
}

/* ---- complaints --------------------------------------------------------------------------------------------------- */

static uint64_t distance(CUdeviceptr address, CUdeviceptr base, uint64_t size) {
  return address < base ? base - address : address - base < size ? 0 : address - base - size + 1;
}

void rf_space_describe(CUdeviceptr address, uint64_t size, char *text, size_t text_size) {
  CUdeviceptr nearest = 0, freed = 0;
  uint64_t nearest_size = 0, least = UINT64_MAX, freed_size = 0;
  const char *kind = "";
  rf_space_lock();
  for (uint64_t i = buried_count; i > 0 && i + BURIED > buried_count && !freed_size; i--)
    if (address - buried[(i - 1) % BURIED].base < buried[(i - 1) % BURIED].size) {
      freed = buried[(i - 1) % BURIED].base;
      freed_size = buried[(i - 1) % BURIED].size;
    }
  for (uint32_t i = 0; i < block_count; i++) {
    const struct rf_block *const block = block_at(i);
    const int block_kind = atomic_load(&((struct rf_block *)block)->kind);
    if (block_kind == RF_BLOCK_FREE) continue;
    const bool slots = block_kind == RF_BLOCK_LARGE || block_kind == RF_BLOCK_SLAB;
    for (uint32_t slot = 0; slot < (slots ? block->slots : 1); slot++) {
      const CUdeviceptr base = slots ? block->base + slot * block->slot_size : block->base;
      const uint64_t bytes = slots ? block->allocations[slot].size : block->pages * RF_FRAME_SIZE;
      if (bytes == 0 || (slots && block->allocations[slot].hidden)) continue;
      const uint64_t far = distance(address, base, bytes);
      if (far > least || (far == least && block_kind == RF_BLOCK_RESERVED)) continue;
      least = far;
      nearest = base;
      nearest_size = bytes;
      kind = slots ? "allocation" : block_kind == RF_BLOCK_MAPPING ? "mapping" : "reservation without memory";
    }
  }
  rf_space_unlock();
  if (freed_size && least)
    snprintf(text, text_size, "0x%llx (%llu bytes) is in the allocation 0x%llx of %llu bytes, which has been freed", address, (unsigned long long)size, freed,
             (unsigned long long)freed_size);
  else if (least == UINT64_MAX)
    snprintf(text, text_size, "0x%llx (%llu bytes) is not device memory; there is none", address, (unsigned long long)size);
  else if (least == 0 && address - nearest + size <= nearest_size)
    snprintf(text, text_size, "0x%llx (%llu bytes) is inside the %s 0x%llx of %llu bytes, which this context may not access so", address,
             (unsigned long long)size, kind, nearest, (unsigned long long)nearest_size);
  else
    snprintf(text, text_size, "0x%llx (%llu bytes) is outside device memory; the nearest %s is 0x%llx of %llu bytes, %s%llu bytes %s", address,
             (unsigned long long)size, kind, nearest, (unsigned long long)nearest_size, least ? "" : "begun ",
             (unsigned long long)(least ? least : address - nearest),
             least == 0 ? "before and ending inside the range" : address < nearest ? "above" : "below");
}

void rf_space_complain(const char *call, const char *what, CUdeviceptr address, uint64_t size) {
  if (rf_log_level < RF_LOG_ERROR) return;
  char text[512];
  rf_space_describe(address, size, text, sizeof text);
  rf_log_line("%s: %s %s", call, what, text);
}

/* ---- reservations and mappings ------------------------------------------------------------------------------------ */

static bool inside_window(CUdeviceptr address, uint64_t size) {
  return address >= WINDOW_BASE && address + size <= WINDOW_BASE + WINDOW_SIZE;
}

/* Keeps host mappings out of a reservation. False: there are some already. Inside the window they are the program's bad
 * luck, not a reason to give another address than the one asked for. */
static bool reserve_on_host(CUdeviceptr address, uint64_t size, bool *held) {
  const bool inside = inside_window(address, size);
  *held = !(inside && window_reserved) && map_nothing(address, size);
  return inside || *held;
}

CUresult rf_space_reserve(uint64_t size, uint64_t align, CUdeviceptr hint, CUdeviceptr *address) {
  const uint64_t pages = size >> PAGE_SHIFT;
  struct rf_block *const block = new_block(RF_BLOCK_RESERVED);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  uint64_t first = hint >> PAGE_SHIFT;
  bool found = hint && hint % align == 0 && hint >> ADDRESS_BITS == 0 && rf_extents_take_at(&addresses, first, pages);
  if (found && !reserve_on_host(hint, size, &block->host_reserved)) {
    rf_extents_give(&addresses, first, pages);
    found = false;
  }
  if (!found) {
    found = rf_extents_take(&addresses, WINDOW_BASE >> PAGE_SHIFT, pages, align >> PAGE_SHIFT, &first);
    if (found) reserve_on_host(first << PAGE_SHIFT, size, &block->host_reserved);
  }
  block->base = first << PAGE_SHIFT;
  block->pages = pages;
  if (!found || !set_pages(block, 0)) {
    if (found) rf_extents_give(&addresses, first, pages);
    block->pages = 0;
    drop_block(block);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *address = block->base;
  return CUDA_SUCCESS;
}

static struct rf_block *reservation_at(CUdeviceptr address) {
  struct page *const page = page_of(address);
  struct rf_block *const block = page ? atomic_load_explicit(&page->block, memory_order_acquire) : NULL;
  if (!block) return NULL;
  const int kind = atomic_load(&block->kind);
  return kind == RF_BLOCK_RESERVED ? block : kind == RF_BLOCK_MAPPING ? block->reservation : NULL;
}

CUresult rf_space_unreserve(CUdeviceptr address, uint64_t size) {
  struct rf_block *const block = reservation_at(address);
  if (!block || block->base != address || block->pages << PAGE_SHIFT != size || block->mapped_pages) return CUDA_ERROR_INVALID_VALUE;
  clear_pages(block->base, block->pages);
  if (block->host_reserved) munmap((void *)block->base, size);
  rf_extents_give(&addresses, block->base >> PAGE_SHIFT, block->pages);
  drop_block(block);
  return CUDA_SUCCESS;
}

CUresult rf_space_map(CUdeviceptr address, uint64_t size, struct memory *memory, uint64_t offset, const uint32_t *frames) {
  const uint64_t pages = size >> PAGE_SHIFT;
  struct rf_block *const reservation = reservation_at(address);
  if (!reservation || address + size > reservation->base + reservation->pages * RF_FRAME_SIZE) return CUDA_ERROR_INVALID_VALUE;
  for (uint64_t i = 0; i < pages; i++)
    if (entry_of(page_of(address + i * RF_FRAME_SIZE)) & ENTRY_MEMORY) return CUDA_ERROR_INVALID_VALUE;
  struct rf_block *const block = new_block(RF_BLOCK_MAPPING);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  block->device = rf_memory_device(memory);
  block->base = address;
  block->pages = pages;
  block->memory = memory;
  block->memory_offset = offset;
  block->reservation = reservation;
  for (uint64_t i = 0; i < pages; i++)
    set_page(page_of(address + i * RF_FRAME_SIZE), block, ENTRY_USED | ENTRY_MEMORY | frames[(offset >> PAGE_SHIFT) + i]);
  reservation->mapped_pages += pages;
  return CUDA_SUCCESS;
}

CUresult rf_space_unmap(CUdeviceptr address, uint64_t size, void (*unmapped)(struct memory *memory)) {
  /* The range must be made of whole mappings: first look, then act, so that a refused call changes nothing. */
  for (CUdeviceptr at = address; at < address + size;) {
    struct page *const page = page_of(at);
    if (!(entry_of(page) & ENTRY_MEMORY)) return CUDA_ERROR_INVALID_VALUE;
    const struct rf_block *const block = atomic_load(&page->block);
    if (atomic_load(&((struct rf_block *)block)->kind) != RF_BLOCK_MAPPING || block->base != at) return CUDA_ERROR_INVALID_VALUE;
    at += block->pages * RF_FRAME_SIZE;
    if (at > address + size) return CUDA_ERROR_INVALID_VALUE;
  }
  for (CUdeviceptr at = address; at < address + size;) {
    struct rf_block *const block = atomic_load(&page_of(at)->block);
    struct rf_block *const reservation = block->reservation;
    const uint64_t pages = block->pages;
    for (uint64_t i = 0; i < pages; i++) set_page(page_of(at + i * RF_FRAME_SIZE), reservation, ENTRY_USED);
    reservation->mapped_pages -= pages;
    unmapped(block->memory);
    drop_block(block); /* has no frames of its own: the memory does */
    at += pages * RF_FRAME_SIZE;
  }
  return CUDA_SUCCESS;
}

CUresult rf_space_protect(CUdeviceptr address, uint64_t size, unsigned access) {
  for (CUdeviceptr at = address; at < address + size; at += RF_FRAME_SIZE) {
    struct page *const page = page_of(at);
    if (!(entry_of(page) & ENTRY_MEMORY)) return CUDA_ERROR_INVALID_VALUE;
    if (atomic_load(&atomic_load(&page->block)->kind) != RF_BLOCK_MAPPING) return CUDA_ERROR_INVALID_VALUE;
  }
  for (CUdeviceptr at = address; at < address + size; at += RF_FRAME_SIZE) {
    struct page *const page = page_of(at);
    const uint64_t entry = entry_of(page) & ~ENTRY_ACCESS(3);
    atomic_store_explicit(&page->entry, entry | ENTRY_ACCESS(access), memory_order_release);
  }
  return CUDA_SUCCESS;
}

struct memory *rf_space_memory_at(CUdeviceptr address) {
  struct page *const page = page_of(address);
  if (!(entry_of(page) & ENTRY_MEMORY)) return NULL;
  struct rf_block *const block = atomic_load(&page->block);
  return atomic_load(&block->kind) == RF_BLOCK_MAPPING ? block->memory : NULL;
}
