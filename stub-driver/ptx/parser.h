/* The parser's state, shared by its rooms: parser.c (declarations), body.c (statements and operands), constant.c. */
#ifndef RINGFENCE_PTX_PARSER_H
#define RINGFENCE_PTX_PARSER_H

#include "lexer.h"
#include "syntax.h"

/* Of a kernel, since PTX 8.1 on sm_70 and otherwise; and of a function, for which ptxas knows no bound that a program would meet. */
enum { ENTRY_PARAM_BYTES = 32764, OLD_ENTRY_PARAM_BYTES = 4352, PARAM_BYTES = 1 << 20 };
enum { MAX_DEPTH = 64, NAME_BUCKETS = 1024, MAX_REGISTERS = 1 << 20, MAX_ERRORS = 16 };

enum name_kind { NAME_REG, NAME_RANGE, NAME_VARIABLE };

/* A name declared inside a function. */
struct name {
    const char *text;
    uint32_t length;
    enum name_kind kind;
    enum ptx_type type;
    uint32_t vector;
    uint32_t reg;      /* NAME_REG: first component */
    uint32_t count;    /* NAME_RANGE: %r<count> */
    uint32_t *members; /* register + 1, 0 while not used */
    struct symbol *symbol;
    uint32_t bucket;
    int scope;          /* the depth that it is declared at */
    struct name *next;  /* of the bucket */
    struct name *older; /* of the scope */
};

struct parser {
    struct loader *loader;
    struct lexer lexer;
    struct token token;
    struct unit *unit;
    unsigned unit_index;
    bool has_version, has_target, has_address_size;
    bool takes_labels;    /* the current instruction: a word that is nothing else is a label */
    bool moves;           /* the current instruction takes addresses of array elements, not the elements */
    bool no_doubles;      /* .target map_f64_to_f32: f64 would mean f32 */
    unsigned version, sm; /* of .version, x 10, and of .target; 0: not said */
    int depth; /* of nested operands and expressions */

    struct function *function;
    struct name *names[NAME_BUCKETS];
    struct label *labels[NAME_BUCKETS];
    struct name *scope_names[MAX_DEPTH];
    uint32_t scope_ids[MAX_DEPTH];
    int scope;
    uint32_t declared_registers;
    uint32_t source_file, source_line;
    int errors_before;
    jmp_buf give_up; /* of the current statement */
};

void next(struct parser *parser);
bool at_punct(const struct parser *parser, char c);
bool at_word(const struct parser *parser, const char *word);
bool at_dot(const struct parser *parser, const char *word);
bool take_punct(struct parser *parser, char c);
void expect(struct parser *parser, char c);
/* Complains at the current token and leaves the statement. */
_Noreturn void fail(struct parser *parser, enum ptx_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

struct constant {
    bool is_float;
    bool is_unsigned;
    bool is_float32;
    uint64_t bits; /* integer, or the bits of a double (of a float for 0f) */
};
void parse_constant(struct parser *parser, struct constant *constant);
uint64_t parse_integer(struct parser *parser);
/* A floating constant as a double's or a float's bits. */
uint64_t constant_as_f32(const struct constant *constant);
uint64_t constant_as_f64(const struct constant *constant);

/* A variable of any space but .reg, from after the space's word on; one declarator. `parameter` permits kernel parameters'
 * attributes. The symbol is not entered anywhere. */
struct declaration {
    enum space space;
    enum ptx_type type;
    uint32_t vector, align;
    bool managed, pointer;
};
void parse_type_words(struct parser *parser, struct declaration *declaration);
struct symbol *parse_declarator(struct parser *parser, const struct declaration *declaration, enum linkage linkage);
void enter_symbol(struct parser *parser, struct symbol *symbol);
/* Enters a variable of the module, or completes what was declared .extern before. */
void declare_variable(struct parser *parser, struct symbol *symbol);
char *take_name(struct parser *parser);
/* A name that may be declared: `_`, WARP_SZ and special registers are taken. */
void check_name(struct parser *parser, const char *name);
/* Texture, sampler and surface variables, parse_image.c: after `.global` (false: it is another variable), and `.tex` of old texts. */
bool parse_images(struct parser *parser, enum linkage linkage);
void parse_tex(struct parser *parser, enum linkage linkage);
void parse_registers(struct parser *parser);
uint32_t new_register(struct parser *parser, enum ptx_type type);
/* A variable of the text that is declared after its first use, as CUDA 3 wrote them. Its declaration fills it in; parse_unit() complains
 * about those that have none. */
struct symbol *forward_symbol(struct parser *parser, const char *name, uint32_t line);
struct name *enter_name(struct parser *parser, const char *text, uint32_t length);
void push_scope(struct parser *parser);
void pop_scope(struct parser *parser);
void parse_body(struct parser *parser);
void skip_statement(struct parser *parser);
/* `.pragma "..." [, "..."];` */
void parse_pragma(struct parser *parser);
void parse_loc(struct parser *parser);
/* target.c: the PTX version (x 10) that the target sm_`number` came with, 0 when there is no such target; whether PTX had that version. */
unsigned target_version(const char *number);
bool version_exists(unsigned version);

#endif
