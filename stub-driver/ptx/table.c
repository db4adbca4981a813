/* Matching opcodes against the patterns of instructions.def. Patterns are read where they stand, group by group; what a
 * group took is given back when the rest does not match, so that optional groups need no order of preference. */
#include "table.h"

#include <pthread.h>
#include <string.h>

#include "ptx.h"

#define ROW(section, kind, pattern, operands, key, note) {section, KIND_##kind, pattern, operands, key, note},
const struct ptx_row ptx_rows[] = {
#include "instructions.def"
};
#undef ROW
const size_t ptx_row_count = sizeof ptx_rows / sizeof ptx_rows[0];

static const struct {
    const char *name, *reason;
} refused[] = {
#define ROW(section, kind, pattern, operands, key, note)
#define REFUSED(name, reason) {name, reason},
#include "instructions.def"
#undef ROW
};

static bool same(const char *text, size_t length, const char *word) { return strlen(word) == length && memcmp(text, word, length) == 0; }

static size_t name_length(const char *pattern) {
    size_t n = strcspn(pattern, ".[{");
    return n;
}

static bool match_rest(const char *pattern, const struct opcode *opcode, uint32_t word, unsigned group, struct row_match *match) {
    if (*pattern == 0) return word == opcode->count;
    if (*pattern == '.') {
        size_t length = strcspn(pattern + 1, ".[{");
        if (word >= opcode->count || opcode->words[word].length != length || memcmp(opcode->words[word].text, pattern + 1, length) != 0) return false;
        return match_rest(pattern + 1 + length, opcode, word + 1, group, match);
    }
    const char *close = strpbrk(pattern, "]}");
    if (word < opcode->count)
        for (const char *at = pattern + 1; at < close;) {
            size_t length = strcspn(at + 1, ",]}");
            if (opcode->words[word].length == length && memcmp(opcode->words[word].text, at + 1, length) == 0) {
                match->group[group].at = (uint16_t)(at + 1 - match->row->pattern);
                match->group[group].length = (uint16_t)length;
                if (match_rest(close + 1, opcode, word + 1, group + 1, match)) return true;
            }
            at += 1 + length + 1;
        }
    if (*pattern == '{') return false;
    match->group[group].length = 0;
    return match_rest(close + 1, opcode, word, group + 1, match);
}

/*
 * The order of words is free, as ptxas takes it, but for those that belong to the instruction's name (mul.hi, tex.level), which
 * follow it at once, and for types, spaces and layouts, which say by their order what they are of. A word that stands twice is not
 * taken. An opcode that matches so is put into the row's order, which is what decoders read.
 */
static const char *const fixed[] = {"cp", "wmma", "bar", "barrier", "createpolicy", "tensormap", "clusterlaunchcontrol", "multimem", "wgmma", "call", "bra", "brx", "elect", "setmaxnreg", "griddepcontrol", "pmevent"};
static const char *const of_name[] = {"lo", "hi", "wide", "full", "to", "pack", "b", "p", "level", "grad", "base", "l", "r", "async", "bulk", "sp", "sp::ordered_metadata", "proxy", "mbarrier_init",
                                      "init", "inval", "arrive", "arrive_drop", "expect_tx", "complete_tx", "test_wait", "try_wait", "pending_count", "noComplete", "parity"};

static bool listed(const char *const *list, size_t count, const char *text, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (same(text, length, list[i])) return true;
    return false;
}

/* Words whose order among their like says what they are of: types, spaces, layouts. 0: other words. */
enum { ORDER_TYPE = 1, ORDER_SPACE, ORDER_LAYOUT, ORDERS };
static int order_of(const char *text, size_t length) {
    if (ptx_type_named(text, (int)length) != T_NONE) return ORDER_TYPE;
    if (same(text, length, "row") || same(text, length, "col")) return ORDER_LAYOUT;
    if (length > 2 && text[length - 2] == 'x' && (text[0] == 'e' || text[0] == 'u')) return ORDER_TYPE; /* .e4m3x2, .ue8m0x2 */
    if (length == 4 && text[0] == 'e' && text[2] == 'm') return ORDER_TYPE;
    if (length == 2 && (text[0] == 's' || text[0] == 'u' || text[0] == 'b') && (text[1] == '4' || text[1] == '1')) return ORDER_TYPE;
    if (same(text, length, "global") || same(text, length, "const") || same(text, length, "local") || (length >= 5 && memcmp(text, "param", 5) == 0) || (length >= 6 && memcmp(text, "shared", 6) == 0)) return ORDER_SPACE;
    return 0;
}

struct loose {
    const struct opcode *opcode;
    struct row_match *match;
    uint32_t used, count;
    uint8_t order[OPCODE_WORDS]; /* in the row's order, the word's place in the text */
};

/* last: of each order, the place of the word before. */
static bool match_loose(struct loose *l, const char *pattern, unsigned group, const int last[ORDERS]) {
    if (*pattern == 0) return l->count == l->opcode->count;
    bool choice = *pattern != '.';
    const char *close = choice ? strpbrk(pattern, "]}") + 1 : pattern + 1 + strcspn(pattern + 1, ".[{"), *stop = choice ? close - 1 : close;
    for (const char *at = choice ? pattern + 1 : pattern; at < stop;) {
        size_t length = choice ? strcspn(at + 1, ",]}") : (size_t)(stop - at - 1);
        const int order = order_of(at + 1, length);
        bool name = !same(l->opcode->name, l->opcode->name_length, "tld4") && listed(of_name, sizeof of_name / sizeof *of_name, at + 1, length);
        for (uint32_t i = 0; i < l->opcode->count; i++) {
            if (l->used >> i & 1 || l->opcode->words[i].length != length || memcmp(l->opcode->words[i].text, at + 1, length) != 0) continue;
            if ((order && (int)i < last[order]) || (name && i != l->count)) continue;
            l->used |= 1u << i;
            l->order[l->count++] = (uint8_t)i;
            if (choice) {
                l->match->group[group].at = (uint16_t)(at + 1 - l->match->row->pattern);
                l->match->group[group].length = (uint16_t)length;
            }
            int now[ORDERS];
            memcpy(now, last, sizeof now);
            now[order] = (int)i;
            if (match_loose(l, close, group + choice, now)) return true;
            l->used &= ~(1u << i);
            l->count--;
            if (order) break; /* the first of its kind */
        }
        at += 1 + length + choice;
    }
    if (!choice || *pattern == '{') return false;
    l->match->group[group].length = 0;
    return match_loose(l, close, group + 1, last);
}

/* Rows by mnemonic, in the table's order: chains of row numbers + 1. */
enum { BUCKETS = 256 };
static uint16_t first_row[BUCKETS], next_row[sizeof ptx_rows / sizeof ptx_rows[0]];
static pthread_once_t indexed = PTHREAD_ONCE_INIT;

static unsigned bucket_of(const char *name, size_t length) {
    unsigned h = 2166136261u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)name[i]) * 16777619u;
    return (h ^ h >> 8) & (BUCKETS - 1);
}

static void make_index(void) {
    for (size_t i = ptx_row_count; i-- > 0;) {
        unsigned bucket = bucket_of(ptx_rows[i].pattern, name_length(ptx_rows[i].pattern));
        next_row[i] = first_row[bucket];
        first_row[bucket] = (uint16_t)(i + 1);
    }
}

bool table_match(struct opcode *opcode, struct row_match *match) {
    pthread_once(&indexed, make_index);
    for (size_t n = first_row[bucket_of(opcode->name, opcode->name_length)]; n; n = next_row[n - 1]) {
        size_t i = n - 1;
        const char *pattern = ptx_rows[i].pattern;
        size_t length = name_length(pattern);
        if (length != opcode->name_length || memcmp(pattern, opcode->name, length) != 0) continue;
        *match = (struct row_match){.row = &ptx_rows[i]};
        if (match_rest(pattern + length, opcode, 0, 0, match)) return true;
    }
    if (opcode->count < 2 || listed(fixed, sizeof fixed / sizeof *fixed, opcode->name, opcode->name_length)) return false;
    for (size_t n = first_row[bucket_of(opcode->name, opcode->name_length)]; n; n = next_row[n - 1]) {
        const char *pattern = ptx_rows[n - 1].pattern;
        size_t length = name_length(pattern);
        if (length != opcode->name_length || memcmp(pattern, opcode->name, length) != 0) continue;
        struct loose l = {.opcode = opcode, .match = match};
        *match = (struct row_match){.row = &ptx_rows[n - 1]};
        if (!match_loose(&l, pattern + length, 0, (const int[ORDERS]){-1, -1, -1, -1})) continue;
        struct word sorted[OPCODE_WORDS];
        for (uint32_t k = 0; k < l.count; k++) sorted[k] = opcode->words[l.order[k]];
        memcpy(opcode->words, sorted, l.count * sizeof *sorted);
        return true;
    }
    return false;
}

bool table_has_mnemonic(const char *name, uint32_t length) {
    for (size_t i = 0; i < ptx_row_count; i++)
        if (name_length(ptx_rows[i].pattern) == length && memcmp(ptx_rows[i].pattern, name, length) == 0) return true;
    return false;
}

const char *table_refusal(const struct opcode *opcode) {
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const char *at = refused[i].name;
        size_t length = name_length(at);
        if (length != opcode->name_length || memcmp(at, opcode->name, length) != 0) continue;
        at += length;
        uint32_t word = 0;
        for (; *at; at += 1 + length, word++) { /* every word that the entry names, in order */
            length = strcspn(at + 1, ".");
            if (word >= opcode->count || opcode->words[word].length != length || memcmp(opcode->words[word].text, at + 1, length) != 0) break;
        }
        if (!*at) return refused[i].reason;
    }
    return NULL;
}

static const struct {
    const char *words;
    unsigned version, sm;
    bool gone;
} requirements[] = {
#define REQUIRES(words, version, sm) {words, version, sm, false},
#define GONE(words, version, sm) {words, version, sm, true},
#include "requirements.def"
};

size_t opcode_begins(const struct opcode *opcode, const char *words) {
    if (words[0] != opcode->name[0]) return 0; /* nearly all of them, and all are asked for each instruction of a text */
    size_t length = strcspn(words, "."), n = length;
    if (length != opcode->name_length || memcmp(words, opcode->name, length) != 0) return 0;
    for (uint32_t i = 0; words[n]; i++) {
        length = strcspn(words + n + 1, ".");
        if (i >= opcode->count || opcode->words[i].length != length || memcmp(opcode->words[i].text, words + n + 1, length) != 0) return 0;
        n += 1 + length;
    }
    return n;
}

bool opcode_has(const struct opcode *opcode, const char *word) {
    for (uint32_t i = 0; i < opcode->count; i++)
        if (same(opcode->words[i].text, opcode->words[i].length, word)) return true;
    return false;
}

struct requirement table_requirement(const struct opcode *opcode) {
    struct requirement r = {0};
    size_t longest = 0, gone = 0;
    for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
        size_t n = opcode_begins(opcode, requirements[i].words);
        if (requirements[i].gone && n) {
            gone = n;
            r.gone_version = requirements[i].version;
            r.gone_sm = requirements[i].sm;
        } else if (n > longest) {
            longest = n;
            r.version = requirements[i].version;
            r.sm = requirements[i].sm;
        }
    }
    if (same(opcode->name, opcode->name_length, "wmma") && opcode_has(opcode, "satfinite") && !opcode_has(opcode, "s32")) { /* of floating-point results: until PTX 6.5 */
        r.gone_version = 65;
        r.gone_sm = 1;
        return r;
    }
    if (longest > gone) r.gone_version = r.gone_sm = 0; /* shfl is gone, shfl.sync is not */
    return r;
}

const char *match_word(const struct row_match *match, unsigned group) {
    return match->group[group].length ? match->row->pattern + match->group[group].at : NULL;
}

enum ptx_type match_type(const struct row_match *match, unsigned group) {
    const char *text = match_word(match, group);
    return text ? ptx_type_named(text, (int)match->group[group].length) : T_NONE;
}

bool match_is(const struct row_match *match, unsigned group, const char *word) {
    const char *text = match_word(match, group);
    return text && same(text, match->group[group].length, word);
}

void match_key(const struct row_match *match, const struct opcode *opcode, char *key, size_t size) {
    size_t n = 0;
    for (const char *at = match->row->key; *at && n + 24 < size; at++) {
        if (*at != '%') {
            key[n++] = *at;
            continue;
        }
        at++;
        const char *word = "";
        switch (*at) {
            case 'F': word = opcode_has(opcode, "ftz") ? ".ftz" : ""; break;
            case 'S': word = opcode_has(opcode, "sat") ? ".sat" : ""; break;
            case 'R': word = opcode_has(opcode, "relu") ? ".relu" : ""; break;
            case 'N': word = opcode_has(opcode, "NaN") ? ".NaN" : ""; break;
            case 'X': word = opcode_has(opcode, "xorsign") ? ".xorsign" : ""; break;
            default: {
                unsigned group = (unsigned)(*at - '0');
                const char *text = match_word(match, group);
                if (text) {
                    memcpy(key + n, text, match->group[group].length);
                    n += match->group[group].length;
                } else if (n > 0 && key[n - 1] == '.') {
                    n--; /* a group left out takes its dot with it */
                }
            }
        }
        size_t length = strlen(word);
        memcpy(key + n, word, length);
        n += length;
    }
    key[n] = 0;
}

bool ptx_table_row(size_t row, const char **pattern, const char **operands, const char **section, const char **note) {
    if (row >= ptx_row_count) return false;
    *pattern = ptx_rows[row].pattern;
    *operands = ptx_rows[row].operands;
    *section = ptx_rows[row].section;
    *note = ptx_rows[row].note;
    return true;
}

static void expand(const char *pattern, char *spelling, size_t length, size_t size, void (*each)(void *, const char *), void *context) {
    if (*pattern == 0) {
        spelling[length] = 0;
        each(context, spelling);
        return;
    }
    if (*pattern != '[' && *pattern != '{') {
        if (length + 1 >= size) return;
        spelling[length] = *pattern;
        expand(pattern + 1, spelling, length + 1, size, each, context);
        return;
    }
    const char *close = strpbrk(pattern, "]}");
    if (*pattern == '[') expand(close + 1, spelling, length, size, each, context);
    for (const char *at = pattern + 1; at < close;) {
        size_t word = strcspn(at, ",]}");
        if (length + word + 1 < size) {
            memcpy(spelling + length, at, word);
            expand(close + 1, spelling, length + word, size, each, context);
        }
        at += word + 1;
    }
}

void ptx_table_expand(size_t row, void (*each)(void *context, const char *spelling), void *context) {
    char spelling[256];
    if (row < ptx_row_count) expand(ptx_rows[row].pattern, spelling, 0, sizeof spelling, each, context);
}

bool ptx_table_refused(size_t index, const char **name, const char **reason) {
    if (index >= sizeof refused / sizeof refused[0]) return false;
    *name = refused[index].name;
    *reason = refused[index].reason;
    return true;
}
