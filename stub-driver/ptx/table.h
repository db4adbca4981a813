/* The instruction table (instructions.def) and the matching of an opcode's words against it. */
#ifndef RINGFENCE_PTX_TABLE_H
#define RINGFENCE_PTX_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "types.h"

enum row_kind {
    KIND_ALU, KIND_RNDALU, KIND_LOP3P, KIND_SETP, KIND_SETP2, KIND_SET, KIND_CVT, KIND_MOV, KIND_LD, KIND_ST, KIND_NOPA, KIND_NOP,
    KIND_ISSPACEP, KIND_CVTA, KIND_RANK, KIND_REMOTE, KIND_CLEAR, KIND_CANCEL, KIND_CANCELLED, KIND_CVTRS, KIND_TENSOR, KIND_TENSORMAP, KIND_WGMMA, KIND_SHFL, KIND_CPASYNC, KIND_BRA, KIND_BRX, KIND_CALL, KIND_RET, KIND_EXIT, KIND_TRAP, KIND_BAR, KIND_BARRED,
    KIND_WARPSYNC, KIND_ATOM, KIND_VOTE, KIND_MATCH, KIND_REDUX, KIND_ELECT, KIND_VIDEO, KIND_MATRIX, KIND_MINMAX, KIND_MBARRIER, KIND_BULK, KIND_ALLOCA, KIND_FIRST, KIND_TILES, KIND_MOV128,
    KIND_TEX, KIND_TLD4, KIND_TXQ, KIND_SULD, KIND_SUST, KIND_SURED, KIND_SUQ, KIND_ISTYPEP,
};

struct ptx_row {
    const char *section;
    enum row_kind kind;
    const char *pattern, *operands, *key, *note;
};

extern const struct ptx_row ptx_rows[];
extern const size_t ptx_row_count;

enum { MATCH_GROUPS = 14, OPCODE_WORDS = 20 };

struct word {
    const char *text;
    uint32_t length;
};

struct opcode {
    const char *name; /* mnemonic, not NUL-terminated */
    uint32_t name_length;
    uint32_t count;
    struct word *words; /* at most OPCODE_WORDS */
};

struct row_match {
    const struct ptx_row *row;
    struct {
        uint16_t at;    /* in the row's pattern */
        uint16_t length; /* 0 when the group is left out */
    } group[MATCH_GROUPS];
};

/* Finds the row that accepts these words. They are put into its order where the text has another that is as good. */
bool table_match(struct opcode *opcode, struct row_match *match);
bool table_has_mnemonic(const char *name, uint32_t length);
/* The reason why an opcode is refused by its name, or name and first words; NULL when it is not listed. */
const char *table_refusal(const struct opcode *opcode);

/* What requirements.def says of an opcode: the least version (x 10) and target, and the version that it is gone from on `gone_sm`
 * and later; zeros where it says nothing. */
struct requirement {
    unsigned version, sm, gone_version, gone_sm;
};
struct requirement table_requirement(const struct opcode *opcode);

/* The length of `words` ("cp.async") when the opcode is these words, or begins with them; 0 when it does not. */
size_t opcode_begins(const struct opcode *opcode, const char *words);
bool opcode_has(const struct opcode *opcode, const char *word);
/* The word that group n holds, of the table's own text, which goes on behind it; NULL when it holds none. */
const char *match_word(const struct row_match *match, unsigned group);
/* The type that group n holds, T_NONE when it holds none. */
enum ptx_type match_type(const struct row_match *match, unsigned group);
bool match_is(const struct row_match *match, unsigned group, const char *word);
/* The key of the row with its % parts filled in. */
void match_key(const struct row_match *match, const struct opcode *opcode, char *key, size_t size);

#endif
