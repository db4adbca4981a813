/* What the parser makes of a text: symbols, functions, statements. Names within a function are resolved while parsing
 * (PTX wants declarations first), symbols between texts by link.c, instructions by decode.c. */
#ifndef RINGFENCE_PTX_SYNTAX_H
#define RINGFENCE_PTX_SYNTAX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "ptx.h"
#include "table.h"
#include "types.h"

enum space { SPACE_NONE, SPACE_REG, SPACE_GLOBAL, SPACE_CONST, SPACE_SHARED, SPACE_LOCAL, SPACE_PARAM, SPACE_IMAGE };
enum linkage { LINK_NONE, LINK_VISIBLE, LINK_EXTERN, LINK_WEAK, LINK_COMMON };
enum symbol_kind { SYMBOL_VARIABLE, SYMBOL_FUNCTION };

struct function;

/* An address inside an initialiser: `bytes` bytes at `offset` get (address of symbol + addend) >> shift. */
struct relocation {
    uint64_t offset;
    struct symbol *symbol;
    int64_t addend;
    uint8_t bytes, shift;
    bool generic;
};

struct symbol {
    const char *name;
    enum symbol_kind kind;
    enum linkage linkage;
    enum space space;
    enum ptx_type type;
    uint32_t vector;      /* 1, 2, 4 */
    uint32_t range;       /* name<range>: so many variables; 0: one */
    uint32_t align;
    uint64_t size;        /* bytes; 0 for an array of open size */
    bool open_array, array, managed, in_function, kernel_param;
    bool formal_param, formal_result; /* of the function that it is in */
    bool forward; /* named by a function, not declared yet */
    enum ptx_image_kind image_kind; /* SPACE_IMAGE */
    struct ptx_sampler *sampler;
    unsigned char *initial; /* NULL: zeros */
    size_t initial_size;
    struct relocation *relocations;
    size_t relocation_count, relocation_capacity;
    uint32_t line;
    unsigned unit;

    struct function *function;  /* SYMBOL_FUNCTION: body or prototype */
    struct symbol *definition;  /* link.c: what this name means; itself when it is defined here */
    struct symbol *alias;       /* .alias: the function meant */
    uint64_t place;             /* offset within its space (shared, local, param), index of a global, index of a function */
    bool placed;
    struct symbol *next;
    struct symbol *hash_next;
};

struct reg {
    enum ptx_type type;
    int32_t slot; /* byte offset in the frame, decode.c; -1 not yet given */
};

enum operand_kind {
    OPERAND_NONE,
    OPERAND_REG,     /* reg */
    OPERAND_INT,     /* integer */
    OPERAND_FLOAT32, /* bits in integer */
    OPERAND_FLOAT64,
    OPERAND_SYMBOL,  /* symbol + integer */
    OPERAND_SPECIAL, /* special register: special */
    OPERAND_ADDRESS, /* [parts[0] + integer]; of an image [parts[0], parts[1] ...] */
    OPERAND_VECTOR,  /* {parts} */
    OPERAND_LIST,    /* (parts) */
    OPERAND_PAIR,    /* parts[0] | parts[1]; parts[0] may be a vector */
    OPERAND_LABEL,   /* name: a label or a table of them */
    OPERAND_SINK,    /* _ */
};

struct operand {
    enum operand_kind kind;
    bool negated; /* '!', or '-' before a register (vmad) */
    uint8_t selector_length;
    uint32_t reg, count, special;
    uint64_t integer;
    struct symbol *symbol;
    struct operand *parts;
    const char *name;
    const char *selector; /* "h1" of %r1.h1 (video instructions), in the text; NULL none */
};

struct statement {
    struct opcode opcode;
    struct row_match match;
    struct operand *operands;
    uint32_t operand_count;
    uint32_t line, source_line, source_file;
    int32_t guard; /* register, -1 none */
    bool guard_not;
    bool executed; /* for ptx_coverage */
    uint32_t scope;
};

/* Where an instruction stands: line of the PTX text, and what .loc says. */
struct origin {
    uint32_t line, source_line, source_file;
};

/* A parameter of a function: .param memory or a register. */
struct parameter {
    struct symbol *symbol; /* .param, NULL for a register */
    uint32_t reg;
    enum ptx_type type;
    bool array;
    uint32_t size, align, offset;
};

/* What a .callprototype says of parameters and results: their types and sizes. */
struct prototype {
    struct parameter *params, *results;
    size_t param_count, param_capacity, result_count, result_capacity;
};

struct label {
    const char *name;
    uint32_t scope, position, line;
    bool is_table;               /* .branchtargets or .calltargets or .callprototype */
    const char **targets;        /* label names */
    size_t target_count;
    struct prototype *prototype; /* of a .callprototype */
    struct symbol **callees;     /* of a .calltargets, as many as targets */
    struct label *next, *bucket_next;
};

/* Statements, labels, scopes, registers and uses are of the loader's scratch, and gone when the module is loaded. */
struct function {
    struct symbol *symbol;
    const char *name;
    bool is_entry, has_body;
    struct parameter *params, *results;
    size_t param_count, param_capacity, result_count, result_capacity;
    uint32_t param_bytes;
    struct reg *regs;
    size_t reg_count, reg_capacity;
    struct statement *statements;
    size_t statement_count, statement_capacity;
    struct label *labels;
    uint32_t *scope_parent;
    size_t scope_count, scope_capacity;
    struct symbol *variables; /* declared inside */
    uint32_t max_ntid[3], req_ntid[3], cluster[3], max_cluster, min_blocks, max_registers;
    bool has_max, has_req, blocks_are_clusters;
    unsigned unit;
    struct function *next;

    /* link.c */
    uint32_t index;
    struct symbol **uses; /* symbols that the body names */
    size_t use_count, use_capacity;
    bool indirect_calls;
    uint32_t shared_bytes;
    uint64_t stack_bytes; /* local memory of the deepest chain of calls without recursion */
    int visit;
    /* decode.c */
    struct code *code;
};

struct unit {
    const char *name;
    bool newer; /* than PTX_KNOWN */
    struct symbol *symbols, *last_symbol;
    struct function *functions, *last_function;
    struct symbol *hash[256];
    const char **files; /* .file, by number */
    size_t file_count, file_capacity;
};

/* The state of a load: where memory comes from, where complaints go. */
struct loader {
    struct arena_budget budget;
    struct arena arena;   /* what the module keeps */
    struct arena scratch; /* what only loading needs: statements, operands, labels */
    struct arena names;   /* what only parsing the current function needs */
    bool keeps_scratch;   /* for ptx_coverage */
    char *log;
    size_t log_size, log_used;
    int errors;
    enum ptx_status status;
    const char *unit_name;
    uint32_t checks; /* enum ptx_check */
};

/* What is wrong with a text in which something is: in one of a later version it may be right. */
static inline enum ptx_status wrong_in(const struct unit *unit, enum ptx_status status) { return unit->newer && status == PTX_INVALID ? PTX_NEWER : status; }

/* Adds a line to the log and makes the load fail. The first status stays. */
void loader_error(struct loader *loader, enum ptx_status status, uint32_t line, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Parses one text into a unit. Complaints go to the loader. */
struct unit *parse_unit(struct loader *loader, const struct ptx_text *text, unsigned index);

struct symbol *unit_find(struct unit *unit, const char *name);

/* Special registers, specials.c. */
enum special_kind { SPECIAL_FIXED, SPECIAL_CLOCK, SPECIAL_CLOCK64, SPECIAL_TIMER };
struct special_info {
    const char *name;
    enum special_kind kind;
    uint8_t bytes;
};
enum special {
    SR_TID_X, SR_TID_Y, SR_TID_Z, SR_NTID_X, SR_NTID_Y, SR_NTID_Z, SR_CTAID_X, SR_CTAID_Y, SR_CTAID_Z, SR_NCTAID_X, SR_NCTAID_Y, SR_NCTAID_Z,
    SR_LANEID, SR_WARPID, SR_NWARPID, SR_SMID, SR_NSMID, SR_GRIDID,
    SR_LANEMASK_EQ, SR_LANEMASK_LE, SR_LANEMASK_LT, SR_LANEMASK_GE, SR_LANEMASK_GT,
    SR_CLOCK, SR_CLOCK_HI, SR_CLOCK64, SR_TIMER, SR_TIMER_LO, SR_TIMER_HI,
    SR_TOTAL_SMEM, SR_AGGR_SMEM, SR_DYNAMIC_SMEM, SR_RESERVED_BEGIN, SR_RESERVED_END, SR_RESERVED_CAP, SR_RESERVED_0, SR_RESERVED_1,
    SR_CLUSTERID_X, SR_CLUSTERID_Y, SR_CLUSTERID_Z, SR_NCLUSTERID_X, SR_NCLUSTERID_Y, SR_NCLUSTERID_Z,
    SR_CLUSTER_CTAID_X, SR_CLUSTER_CTAID_Y, SR_CLUSTER_CTAID_Z, SR_CLUSTER_NCTAID_X, SR_CLUSTER_NCTAID_Y, SR_CLUSTER_NCTAID_Z,
    SR_CLUSTER_CTARANK, SR_CLUSTER_NCTARANK, SR_EXPLICIT_CLUSTER, SR_ENVREG1, SR_ENVREG2, SR_ZERO, SR_ZERO64, SR_DYNAMIC_BASE,
    SR_COUNT,
};
extern const struct special_info ptx_specials[SR_COUNT];
/* The special register of that name; SR_COUNT when there is none. */
enum special special_named(const char *name);

#endif
