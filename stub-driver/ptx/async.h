/* Between the rooms of asynchronous instructions: operands in memory, completion on an mbarrier, reductions in memory. */
#ifndef RINGFENCE_PTX_ASYNC_H
#define RINGFENCE_PTX_ASYNC_H

#include "decode.h"
#include "numeric.h"
#include "warp.h"

/* An operand in memory beyond the one that an instruction has room for. */
struct place {
    int32_t base;
    uint8_t flags;
    enum space space;
    int64_t offset;
};

struct place place_of(struct decoder *d, const struct operand *o, enum space space);
u64 address_in(const struct warp *w, const struct place *p, u32 lane);

/* The block of the cluster whose shared memory an address is of. */
u32 rank_of_address(const struct warp *w, u64 address);
/* The same place in the shared memory of another block of the cluster. */
u64 address_of_rank(u64 address, u32 rank);

/* Completes `bytes` of the transactions of the mbarrier object at `address`. False: the fault is recorded. */
bool mbarrier_complete(struct warp *w, const struct insn *in, enum space space, u32 lane, u64 address, u32 bytes);

enum bulk_op { BULK_COPY, BULK_AND, BULK_OR, BULK_XOR, BULK_ADD, BULK_INC, BULK_DEC, BULK_MIN, BULK_MAX };
/* The operation that an opcode names; BULK_COPY: none. */
enum bulk_op bulk_op_of(const struct opcode *o);
/* Reduces one value of `type`, the bits of `value`, into memory, atomically. */
void reduce_at(enum bulk_op op, enum ptx_type type, void *to, u64 value);

#endif
