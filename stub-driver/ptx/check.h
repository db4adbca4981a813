/*
 * Optional checks in the manner of compute-sanitizer: reads of memory that nothing has written, and races on shared memory
 * between barriers. A module that is loaded with ptx_options.checks has an instruction before each access that asks here;
 * without, there is nothing of this in its code.
 */
#ifndef RINGFENCE_PTX_CHECK_H
#define RINGFENCE_PTX_CHECK_H

#include "decode.h"
#include "warp.h"

enum check_access { CHECK_READ = 1, CHECK_WRITE = 2, CHECK_ATOMIC = 4 };

/* Emits the question in front of an access. `values`: the rows that a store writes, of `row` bytes a lane; NULL for
 * others. */
void check_emit(struct decoder *d, const struct address *a, enum space space, unsigned bytes, unsigned vec, unsigned row, unsigned access, const int32_t *values);

/* The question of instructions that ask when they know their addresses: matrices, bulk copies, mbarrier objects. */
void check_access(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size, unsigned kind);

/* What a block and a warp remember; made when a kernel of such a module starts, NULL otherwise. False: no memory. */
bool check_block_start(struct block *block);
bool check_warp_start(struct warp *w);
void check_block_free(struct block *block);
void check_warp_free(struct warp *w);
/* Parameters that a call lays into its callee's local memory are written; what was there before is not. */
void check_frame(struct warp *w, uint32_t lane, uint32_t from, uint32_t size, bool written);

#endif
