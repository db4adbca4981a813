/*
 * The device address space: which addresses mean which frames, for all devices of the process (unified addressing).
 *
 * A table of two levels, indexed by address / 2 MiB, covers all 2^47 addresses that a process can have on x86-64, so a
 * lookup costs two loads and no lock however many allocations live. Each page belongs to one *block*:
 *   large    one allocation, alone on its pages
 *   slab     many small allocations of one size class on one page
 *   reserved addresses without memory (cuMemAddressReserve)
 * A reserved page that has memory mapped (cuMemMap) points at the mapping instead.
 *
 * Lookups are lock-free and safe against concurrent frees: blocks are type-stable and frames are numbers. What a kernel or
 * a copy sees that races with a free is then what hardware shows: some frame's bytes.
 */
#ifndef RF_STUB_SPACE_H
#define RF_STUB_SPACE_H

#include "api.h"

enum rf_block_kind { RF_BLOCK_FREE, RF_BLOCK_LARGE, RF_BLOCK_SLAB, RF_BLOCK_RESERVED, RF_BLOCK_MAPPING };

struct memory; /* physical memory of cuMemCreate, see vmm.h */

/* What is known of one allocation beside its address. */
struct rf_allocation {
  uint64_t size;    /* bytes asked for; 0: none here */
  uint64_t context; /* handle of the context that it dies with; 0: outlives contexts */
  uint64_t id;      /* unique in the process, never reused (CU_POINTER_ATTRIBUTE_BUFFER_ID) */
  uint64_t pool;    /* handle of the pool it came from, or 0 */
  bool sync_memops;
  bool hidden;      /* storage of an array: no address of the API may name it */
  bool of_module;   /* a module's variable or a kernel's malloc(): cuMemFree does not free it */
  bool heap;        /* the latter */
  bool freeing;     /* cuMemFreeAsync was called; it lives until the stream gets there */
};

struct rf_block {
  _Atomic int kind; /* enum rf_block_kind */
  int device;
  uint64_t base;    /* first address */
  uint64_t pages;
  /* large and slab: the allocations; large has one */
  uint64_t slot_size;
  uint32_t slots, used;
  struct rf_allocation *allocations;
  uint32_t *frames; /* large and slab: `pages` of them */
  uint32_t *free_slots;
  struct rf_block *next_partial, *previous_partial; /* slabs of one class with room */
  bool on_partial;
  /* mapping */
  struct memory *memory;
  uint64_t memory_offset; /* bytes into it */
  struct rf_block *reservation; /* whose pages it covers */
  /* reserved: whether we hold the addresses in the host's address space too */
  bool host_reserved;
  uint64_t mapped_pages;
  struct rf_block *next_free;
  uint32_t index; /* in the table of all blocks */
};

enum rf_access { RF_READ = 1, RF_WRITE = 2 };

void rf_space_initialise(void);

/* Allocates device memory. `align` at most RF_FRAME_SIZE. The allocation's fields other than size and id come from
 * `like`. Errors: OUT_OF_MEMORY, INVALID_VALUE (size 0). */
CUresult rf_space_allocate(int device, uint64_t size, const struct rf_allocation *like, CUdeviceptr *address);

/* Frees the allocation that begins at `address`. Error: INVALID_VALUE. `was` (may be NULL) gets what it was. */
CUresult rf_space_free(CUdeviceptr address, struct rf_allocation *was);

/* Marks the allocation that begins at `address` as being freed; it stays readable until rf_space_free. */
CUresult rf_space_begin_free(CUdeviceptr address, struct rf_allocation *was);

/* Frees all that belongs to a context. */
void rf_space_free_context(uint64_t context);

/* Finds the allocation or mapping around an address. False: there is none. Without `hidden` ones. */
struct rf_place {
  CUdeviceptr base;
  uint64_t size;
  int device;
  bool mapping; /* VMM mapping, not an allocation */
  struct rf_allocation allocation; /* of an allocation */
  struct memory *memory;           /* of a mapping */
  unsigned access;                 /* enum rf_access bits */
};
bool rf_space_find(CUdeviceptr address, struct rf_place *place);

/* Changes sync_memops of the allocation around an address. */
bool rf_space_set_sync_memops(CUdeviceptr address, bool on);

/* Whether any page of the address's table entry belongs to the device space: tells device pointers from host ones. */
bool rf_space_owns(CUdeviceptr address);

/* Has the memory come that is at a device address, if any is: for a call that will write a few bytes there once it has looked around. */
void rf_space_expect(CUdeviceptr address);

/* Checks that all of [address, address + size) may be accessed: inside one allocation, or mapped with that access
 * throughout. `hidden`: array storage is meant. No message. */
bool rf_space_check(CUdeviceptr address, uint64_t size, unsigned access, bool hidden);

/* Where the bytes at `address` are in this process, and how many follow it there; NULL when there is no memory. */
char *rf_space_translate(CUdeviceptr address, uint64_t *length);

/* For kernels of a context: where the byte at *start is, where [*start, *end) is all around `address` that lies in one piece
 * in this process and inside one allocation (or mapping) that the context may access: that of its own device and of its peers,
 * whichever context has it, for a process has one address space on a device. NULL: there is no such memory. */
char *rf_space_span(CUdeviceptr address, int device, uint32_t peers, uint64_t *start, uint64_t *end);

/* The same of an array's storage, for the textures and surfaces that a kernel reads through. */
char *rf_space_storage(CUdeviceptr address, uint64_t *start, uint64_t *end);

/* "0x... (n bytes) is outside device memory; the nearest allocation is ...", or what else is wrong with it. */
void rf_space_describe(CUdeviceptr address, uint64_t size, char *text, size_t text_size);

/* Says on stderr (when logging) that a call touched what is not there, and what is nearest. */
void rf_space_complain(const char *call, const char *what, CUdeviceptr address, uint64_t size);

/* ---- for vmm.c; `rf_space_lock` is held by the caller of these ---- */
void rf_space_lock(void);
void rf_space_unlock(void);
/* Reserves addresses; honours `hint` when it is free. align: power of two, at least RF_FRAME_SIZE. */
CUresult rf_space_reserve(uint64_t size, uint64_t align, CUdeviceptr hint, CUdeviceptr *address);
CUresult rf_space_unreserve(CUdeviceptr address, uint64_t size);
/* Maps memory's frames at reserved, unmapped pages. Access: none yet. */
CUresult rf_space_map(CUdeviceptr address, uint64_t size, struct memory *memory, uint64_t offset, const uint32_t *frames);
/* Unmaps whole mappings; calls `unmapped` for each one's memory. */
CUresult rf_space_unmap(CUdeviceptr address, uint64_t size, void (*unmapped)(struct memory *memory));
/* The memory mapped at an address, or NULL. */
struct memory *rf_space_memory_at(CUdeviceptr address);
CUresult rf_space_protect(CUdeviceptr address, uint64_t size, unsigned access);

#endif
