/*
 * What the decoder's rooms share: decode.c (the general forms), and a room for each family of instructions that needs more
 * than its row of the table says.
 */
#ifndef RINGFENCE_PTX_DECODE_H
#define RINGFENCE_PTX_DECODE_H

#include "code.h"

struct decoder {
    struct ptx_module *module;
    struct loader *loader;
    struct function *f;
    const struct statement *s;
    const struct label **labels; /* by name and scope: open addressing, NULL until the first is looked for */
    size_t label_mask;
    struct insn *insns;
    const struct statement **statements;
    size_t count, capacity, statement_capacity;
    uint32_t *start; /* statement -> instruction */
    uint32_t frame, preds, pred_left;
    uint8_t *rows; /* of a function's frame, as in struct code; NULL for a kernel's */
    size_t row_capacity;
    uint32_t local, local_align;
    uint32_t scratch32[8], scratch64[4]; /* rows for intermediate values, allotted when first used */
    jmp_buf give_up;
};

struct address {
    int32_t base;
    int64_t offset;
    uint8_t flags;
    struct symbol *symbol; /* the variable that is named, NULL under a register */
};

/* Complains about the current instruction and leaves it. */
_Noreturn void refuse(struct decoder *d, enum ptx_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- rows: byte offsets with their bank, as struct insn wants them */

/* Bytes of a lane's place in a row: 8, 4, or 0 for a predicate; 16: two rows of 8, the low half's first. */
unsigned row_bytes(enum ptx_type type);
int32_t new_row(struct decoder *d, unsigned bytes);
int32_t reg_row(struct decoder *d, uint32_t reg);
/* A row of the pool that holds `value` in every lane; bytes 0: a predicate. With `symbol`, its address is added. */
int32_t pool_row(struct decoder *d, uint64_t value, unsigned bytes, struct symbol *symbol);
int32_t special_row(struct decoder *d, uint32_t special);

/* ---- emitting. An instruction's pointer holds until the next is emitted. */

struct insn *emit(struct decoder *d, insn_run run);
struct insn *emit_fields(struct decoder *d, insn_run run, const struct insn *x);
/* The handler of a key; refuses the instruction when there is none. */
insn_run handler(struct decoder *d, const char *key);
void key_of(struct decoder *d, char *key, size_t size);

/* ---- operands. `wider` permits a register larger than the type (ld, st, cvt). */

void check_reg(struct decoder *d, uint32_t reg, enum ptx_type type, bool wider);
void operand_count(struct decoder *d, uint32_t least, uint32_t most);
int32_t source(struct decoder *d, const struct operand *o, enum ptx_type type, bool wider);
int32_t destination(struct decoder *d, const struct operand *o, enum ptx_type type, bool wider);
struct address address_of(struct decoder *d, const struct operand *o);
/* Operands as the row's notation says, into d, d2, a, b, c, e in order. */
struct insn fields(struct decoder *d);
/* The cache policy that follows `at` operands, where .L2::cache_hint stands. */
void hint_operand(struct decoder *d, uint32_t at);
const struct label *find_label(struct decoder *d, const char *name);

/* ---- the rooms: one function a family */

void decode_video(struct decoder *d);  /* video.c */
void decode_matrix(struct decoder *d); /* matrix.c */
void decode_tiles(struct decoder *d);  /* tiles.c */
void decode_mbarrier(struct decoder *d); /* async.c */
void decode_bulk(struct decoder *d);
void decode_wgmma(struct decoder *d);     /* wgmma.c */
void decode_tensor(struct decoder *d);    /* tensor.c */
void decode_tensormap(struct decoder *d);
void decode_remote(struct decoder *d);    /* cluster.c */
void decode_clear(struct decoder *d);
void decode_cancel(struct decoder *d);
void decode_cancelled(struct decoder *d);
void decode_stochastic(struct decoder *d); /* stochastic.c */

/* Refuses what the row's pattern does not say (rules.c). */
void check_rules(struct decoder *d);

/* ---- the opcode's words */

enum space space_of(struct decoder *d);
/* Which memory an address in `space` means, for handlers: GLOBAL (with .const and generic), SHARED, LOCAL or PARAM (of the
 * kernel; a function's parameters are in its frame's local memory). */
enum space memory_class(struct decoder *d, enum space space, struct address *a);
uint8_t rounding(struct decoder *d);
unsigned vector_count(struct decoder *d);
/* The last type among the words. */
enum ptx_type memory_type(struct decoder *d);

/* ---- rooms of families */

/* Textures and surfaces: decode_image.c */
void decode_image(struct decoder *d);

#endif
