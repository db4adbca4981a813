/*
 * What the table's patterns do not say: words that do not go together, operands that some instructions may not have, constants out of
 * range. ptxas is the authority: what it refuses is refused here (tests/ptx/acceptance.txt keeps what it said).
 */
#include <string.h>

#include "decode.h"

static bool has(const struct decoder *d, const char *word) { return opcode_has(&d->s->opcode, word); }

static const char *first_of(const struct decoder *d, const char *const *words) {
    for (; *words; words++)
        if (has(d, *words)) return *words;
    return NULL;
}

static void apart(struct decoder *d, const char *a, const char *b) {
    if (a && b) refuse(d, PTX_INVALID, "'.%s' does not go with '.%s'", a, b);
}

static const char *const shared_spaces[] = {"shared", "shared::cta", "shared::cluster", NULL};
static const char *const own_spaces[] = {"const", "local", "param", "param::entry", "param::func", NULL};

/* Loads and stores: order, scope and space, and hints to caches, which only global memory has. */
static void memory_words(struct decoder *d) {
    static const char *const orders[] = {"volatile", "relaxed", "acquire", "release", "mmio", NULL}, *const ordered[] = {"relaxed", "acquire", "release", NULL};
    static const char *const scopes[] = {"cta", "cluster", "gpu", "sys", NULL}, *const caches[] = {"ca", "cg", "cs", "lu", "cv", "wb", "wt", NULL};
    static const char *const evictions[] = {"L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate", "L2::evict_normal", "L2::evict_first", "L2::evict_last", NULL};
    static const char *const wide_only[] = {"L2::evict_normal", "L2::evict_first", "L2::evict_last", NULL}, *const prefetches[] = {"L2::64B", "L2::128B", "L2::256B", NULL};
    const char *const order = first_of(d, orders), *const scope = first_of(d, scopes), *const cache = first_of(d, caches), *const eviction = first_of(d, evictions), *const prefetch = first_of(d, prefetches);
    const char *const hint = has(d, "L2::cache_hint") ? "L2::cache_hint" : NULL, *const own = first_of(d, own_spaces), *const shared = first_of(d, shared_spaces);
    const enum ptx_type type = memory_type(d);
    const unsigned bytes = ptx_types[type].bytes * vector_count(d);
    if (first_of(d, ordered) && !scope) refuse(d, PTX_INVALID, "'.%s' needs a scope", first_of(d, ordered));
    if (scope && !first_of(d, ordered)) refuse(d, PTX_INVALID, "'.%s' needs an order of memory", scope);
    if (has(d, "mmio") && (!has(d, "relaxed") || !has(d, "sys"))) refuse(d, PTX_INVALID, "'.mmio' needs '.relaxed.sys'");
    apart(d, order, own);
    apart(d, order, cache);
    apart(d, order, has(d, "nc") ? "nc" : NULL);
    apart(d, cache, eviction);
    for (int i = 0; i < 2; i++) {
        const char *const space = i ? shared : own;
        apart(d, eviction, space);
        apart(d, hint, space);
        apart(d, prefetch, space);
        if (space && bytes > 16) refuse(d, PTX_INVALID, "%u bytes at once in '.%s'", bytes, space);
    }
    apart(d, has(d, "mmio") ? "mmio" : NULL, prefetch);
    if (has(d, "nc") && !has(d, "global")) refuse(d, PTX_INVALID, "'.nc' needs '.global'");
    if (first_of(d, wide_only) && (bytes != 32 || ptx_types[type].bytes < 4)) refuse(d, PTX_INVALID, "'.%s' goes with .v8.b32 and .v4.b64", first_of(d, wide_only));
    if (type == T_B128 && vector_count(d) > 1) refuse(d, PTX_INVALID, "a vector of .b128");
}

static const struct operand *constant_at(const struct decoder *d, uint32_t at) {
    return at < d->s->operand_count && d->s->operands[at].kind == OPERAND_INT ? &d->s->operands[at] : NULL;
}

static void in_range(struct decoder *d, uint32_t at, uint64_t low, uint64_t high, uint64_t step) {
    const struct operand *o = constant_at(d, at);
    if (o && (o->integer < low || o->integer > high || o->integer % step))
        refuse(d, PTX_INVALID, "operand %u must be from %llu to %llu%s", at + 1, (unsigned long long)low, (unsigned long long)high, step > 1 ? ", a multiple" : "");
}

/* Constants that must be in some range, by the words that an opcode begins with. */
static const struct {
    const char *words;
    uint8_t operand;
    uint64_t low, high, step;
} ranges[] = {
    {"bar", 0, 0, 15, 1},          {"bar", 1, 32, 1024, 32},           {"barrier", 0, 0, 15, 1},   {"barrier", 1, 32, 1024, 32}, {"bfe", 2, 0, 255, 1},
    {"bfe", 3, 0, 255, 1},         {"bfi", 3, 0, 255, 1},              {"bfi", 4, 0, 255, 1},      {"setmaxnreg", 0, 24, 256, 8}, {"pmevent", 0, 0, 15, 1},
    {"discard", 1, 128, 128, 1},   {"applypriority", 1, 128, 128, 1},  {"fence", 1, 128, 128, 1},  {"cp.async.bulk", 2, 0, 0xfffffff0, 16},
};

void check_rules(struct decoder *d) {
    const struct statement *s = d->s;
    const enum row_kind kind = s->match.row->kind;
    const bool reads_special = kind == KIND_MOV || kind == KIND_MOV128 || opcode_begins(&s->opcode, "mov") || (kind == KIND_CVT && strncmp(s->match.row->key, "cvt.%0.%1", 9) == 0);
    const bool names_variable = kind == KIND_MOV || kind == KIND_MOV128 || kind == KIND_CALL || kind == KIND_RANK || kind == KIND_ISTYPEP || (kind == KIND_CVTA && !has(d, "to"));
    const bool discards = kind == KIND_ATOM || kind == KIND_MBARRIER || kind == KIND_CALL;
    for (uint32_t i = 0; i < s->operand_count; i++) {
        const struct operand *o = &s->operands[i];
        if (o->kind == OPERAND_SPECIAL && !reads_special) refuse(d, PTX_INVALID, "special register %s: only mov, and cvt between integers, read those", ptx_specials[o->special].name);
        if (o->kind == OPERAND_SYMBOL && !names_variable) refuse(d, PTX_INVALID, "'%s' where a register is needed: mov takes addresses", o->symbol->name);
        if (o->kind == OPERAND_SINK && !discards && !(kind == KIND_SETP && i == 0)) refuse(d, PTX_INVALID, "'_' as operand %u", i + 1);
    }
    if (kind == KIND_CVTA && s->operand_count == 2 && s->operands[1].kind == OPERAND_SYMBOL) {
        static const struct { const char *word; enum space space; } spaces[] = {{"global", SPACE_GLOBAL}, {"shared", SPACE_SHARED}, {"local", SPACE_LOCAL}, {"const", SPACE_CONST}, {"param", SPACE_PARAM}};
        for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
            if (has(d, spaces[i].word) && s->operands[1].symbol->definition->space != spaces[i].space) refuse(d, PTX_INVALID, "'%s' is not in .%s", s->operands[1].symbol->name, spaces[i].word);
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (opcode_begins(&s->opcode, ranges[i].words) && !has(d, "mask") && !has(d, "red") && !has(d, "warp") && !(kind == KIND_TENSOR || kind == KIND_TENSORMAP))
            in_range(d, ranges[i].operand, ranges[i].low, ranges[i].high, ranges[i].step);
    if (kind == KIND_LD || kind == KIND_ST) memory_words(d);
    if (kind == KIND_ATOM) apart(d, has(d, "L2::cache_hint") ? "L2::cache_hint" : NULL, first_of(d, shared_spaces));
    if (kind == KIND_VIDEO && strcmp(s->match.row->key, "video.lanes") == 0)
        for (uint32_t i = 1; i < s->operand_count; i++)
            if (constant_at(d, i)) refuse(d, PTX_INVALID, "a constant as operand %u", i + 1);
    if ((kind == KIND_LOP3P || kind == KIND_ELECT) && s->operand_count && s->operands[0].kind != OPERAND_PAIR) refuse(d, PTX_INVALID, "the destination is a pair, d|p");
    if (kind == KIND_MBARRIER && has(d, "shared::cluster") && (has(d, "arrive") || has(d, "arrive_drop")) && s->operand_count && s->operands[0].kind != OPERAND_SINK && s->operands[0].kind != OPERAND_ADDRESS)
        refuse(d, PTX_INVALID, "an arrival at another block's barrier has no state: '_'");
    if (kind == KIND_SURED && s->operand_count == 2 && s->operands[1].kind == OPERAND_VECTOR) refuse(d, PTX_INVALID, "one value, no vector");
    if (kind == KIND_SHFL && s->operand_count && s->operands[0].kind == OPERAND_PAIR && s->operands[0].parts[0].kind == OPERAND_SINK) refuse(d, PTX_INVALID, "'_' as the destination");
}
