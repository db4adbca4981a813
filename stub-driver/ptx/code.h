/*
 * The decoded form of a module: what runs.
 *
 * A warp's registers are rows of 32 lanes: 32 x u32 for types up to 32 bits (shorter values zero-extended), 32 x u64 for
 * 64-bit types; a predicate is one u32, a bit a lane. An operand is `offset | bank`: a row's byte offset (a multiple of 4)
 * in the function's frame, in the module's pool of constants, or in the warp's special registers.
 */
#ifndef RINGFENCE_PTX_CODE_H
#define RINGFENCE_PTX_CODE_H

#include "syntax.h"

enum { LANES = 32, ROW32 = 128, ROW64 = 256 };
enum { BANK_FRAME = 0, BANK_POOL = 1, BANK_SPECIAL = 2 };

struct warp;
struct insn;
/* Executes one instruction for the lanes in warp->mask. Returns what to execute next; NULL when the fragment must be
 * chosen again (branch while diverged, block, exit, fault). */
typedef const struct insn *(*insn_run)(struct warp *warp, const struct insn *insn);

enum { MODE_RN, MODE_RZ, MODE_RM, MODE_RP };

enum insn_flags {
    FLAG_SIGNED = 1,      /* loads: sign-extend */
    FLAG_BASE32 = 2,      /* address register is 32 bits wide */
    FLAG_FRAME = 4,       /* address is relative to the frame's local memory */
    FLAG_GENERIC = 8,     /* address may lie in a window */
    FLAG_ATOMIC = 16,     /* ld/st that other threads may race with (volatile, relaxed, acquire, release) */
    FLAG_FTZ = 32,
    FLAG_NARROW = 64,     /* destination register is 16 bits wide */
};

struct insn {
    insn_run run;
    insn_run inner;    /* under KIND_RNDALU: what runs with the rounding mode set; memory_whole.c: the general handler */
    int32_t d, d2;     /* destinations; -1 none */
    int32_t a, b, c, e;
    int32_t guard;     /* predicate's offset in the frame; -1 none */
    uint8_t guard_not; /* 0xff: execute where the predicate is false */
    uint8_t mode;      /* rounding mode, or the variant of an instruction (see its handler) */
    uint8_t flags;
    uint8_t vec;
    int64_t imm;
    union {
        const int32_t *list;
        const struct insn *target;
        const struct call *call;
        const struct branch_table *table;
        const void *more; /* what else the handler needs, its own structure */
        const struct image_op *image;
    };
};

enum image_level { LEVEL_NONE, LEVEL_BASE, LEVEL_GIVEN, LEVEL_GRADIENT };
enum image_dimensions { DIM_1D, DIM_2D, DIM_3D, DIM_A1D, DIM_A2D, DIM_CUBE, DIM_ACUBE };
enum image_query {
    QUERY_WIDTH, QUERY_HEIGHT, QUERY_DEPTH, QUERY_TYPE, QUERY_ORDER, QUERY_NORMALIZED, QUERY_LAYERS, QUERY_LEVELS, QUERY_SAMPLES, QUERY_LAYOUT,
    QUERY_UNNORMALIZED, QUERY_FILTER, QUERY_ADDRESS, /* of a sampler; then QUERY_ADDRESS + 1 and 2 */
};
enum image_boundary { BOUNDARY_TRAP, BOUNDARY_CLAMP, BOUNDARY_ZERO };

/* Operands of texture and surface instructions. Rows that are not there are -1; coordinates without the layer. */
struct image_op {
    int32_t handle, sampler; /* 64-bit numbers of texture or surface, and of a sampler of its own */
    enum image_dimensions geometry;
    enum image_level level;
    enum image_boundary boundary;
    bool integer;            /* coordinates are .s32 */
    bool formatted;          /* sust.p, sured.p: texels, converted, instead of bytes */
    uint8_t half;            /* tex: results are 1: .f16, 2: .f16x2 */
    uint8_t query;           /* txq, suq, istypep: which; sured: the operation; tld4: the component */
    uint8_t bytes;           /* suld, sust, sured: of an element */
    bool is_signed;          /* sured */
    uint8_t count;           /* of values */
    int32_t values[4];       /* destinations, or what is stored */
    int32_t coordinates[3], layer;
    int32_t lod, dx[3], dy[3], offset[3];
    int32_t resident;        /* predicate that says the texels were there */
};

struct branch_table {
    uint32_t count;
    const struct insn **targets;
};

/* An argument or result on one side of a call: a register row, or bytes in the frame's local memory. */
struct slot {
    bool is_reg;
    int32_t reg;      /* row's offset; may lie in the pool for an argument */
    uint32_t offset;  /* in the frame's local memory */
    uint32_t size;
    uint8_t row_bytes; /* 4 or 8; 0 for a predicate */
};

enum builtin { BUILTIN_NONE, BUILTIN_VPRINTF, BUILTIN_MALLOC, BUILTIN_FREE, BUILTIN_ASSERT, BUILTIN_SET_CONDITION };

struct call {
    const struct code *callee; /* NULL: through the row `target` */
    enum builtin builtin;
    int32_t target;
    uint32_t arg_count, result_count;
    struct slot *args, *results;
};

/* What ROW32 bytes of a frame hold: 32 x u32, half of a row of 32 x u64, or 32 predicates' words. */
enum frame_row { FRAME_WORDS, FRAME_LONGS, FRAME_PREDICATES };

struct code {
    const struct function *function;
    const char *name;
    const struct insn *insns;
    uint32_t insn_count;
    const struct origin *origins;              /* of each instruction */
    const struct statement *const *statements; /* what each was made of, for ptx_coverage; NULL in the product */
    uint32_t frame_bytes;
    const uint8_t *rows; /* functions: an enum frame_row for each ROW32 bytes of the frame */
    uint32_t local_bytes, local_align;
    struct slot *params, *results; /* functions, not kernels */
    uint32_t param_count, result_count;
    uint32_t index; /* in module->functions */
};

/* A constant that depends on addresses: filled in when an instance is made. */
struct pool_patch {
    uint32_t offset;
    struct symbol *symbol;
    uint64_t addend;
};

struct ptx_kernel {
    struct ptx_module *module;
    const struct function *function;
    const struct code *code;
    uint32_t registers;
};

struct ptx_module {
    struct loader loader; /* owns the arena that all of this is in */
    struct unit **units;
    size_t unit_count;
    struct function **functions; /* with bodies */
    size_t function_count, function_capacity;
    struct ptx_kernel *kernels;
    size_t kernel_count;
    uint32_t max_registers; /* of a thread, as the program asked; 0: any number */
    struct symbol **globals;
    size_t global_count, global_capacity;
    struct symbol **images; /* .texref, .samplerref, .surfref */
    size_t image_count, image_capacity;
    unsigned char *pool;
    size_t pool_bytes, pool_capacity; /* the capacity in rows of ROW32 */
    struct pool_patch *patches;
    size_t patch_count, patch_capacity;
    struct pool_entry **pool_hash;
    bool reserved_shared; /* %reserved_smem_offset_* is read: blocks have the system's part of shared memory */
};

struct ptx_instance {
    const struct ptx_module *module;
    uint64_t *addresses;
    unsigned char *pool; /* its own where addresses are in it, else the module's */
};

/* A function's address as kernels see it. */
static inline uint64_t code_address(uint32_t index) { return PTX_WINDOW_CODE + 16 * ((uint64_t)index + 1); }

/* What a texture, sampler or surface variable is to kernels: a number. */
static inline uint64_t image_handle(uint64_t index) { return PTX_WINDOW_IMAGE + 16 * (index + 1); }

enum builtin builtin_named(const char *name);
void link_units(struct ptx_module *module);
/* After all functions are decoded: local memory along chains of calls. */
void link_stack(struct ptx_module *module);
void decode_function(struct ptx_module *module, struct function *function);
/* After all functions: what they share is kept in no more memory than it needs. */
void decode_end(struct ptx_module *module);

/* Handlers by key (semantics_*.def); NULL when there is none. */
insn_run ops_find(const char *key);
/* Handlers that are no lane-by-lane arithmetic: warp.c, memory.c, control.c. */
insn_run memory_load(enum space space, unsigned bytes, unsigned row_bytes);
insn_run memory_store(enum space space, unsigned bytes, unsigned row_bytes);
/* The handler for loads and stores where all lanes take part, which leaves others to insn->inner, the handler above; NULL: there is none. Not
 * for accesses relative to the frame, with FLAG_ATOMIC, of narrower signed types, or whose single value goes nowhere. */
insn_run memory_whole(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec);
insn_run memory_whole_portable(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec);
insn_run memory_whole_avx2(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec);

#endif
