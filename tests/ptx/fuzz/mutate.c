/*
 * libFuzzer's mutations know bytes; these know a little PTX: a line copied, moved or dropped, an instruction's opcode put
 * in another's place or taken from the engine's own table, one register, number or type for another. Half of all
 * mutations are libFuzzer's own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static uint64_t state;
static uint32_t below(size_t limit) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return limit ? (uint32_t)((state >> 33) % limit) : 0;
}

/* The line around byte `at`, its newline included. */
static void line_at(const char *text, size_t size, size_t at, size_t *start, size_t *end) {
    for (*start = at; *start > 0 && text[*start - 1] != '\n'; --*start) {}
    for (*end = at; *end < size && text[*end] != '\n'; ++*end) {}
    if (*end < size) ++*end;
}

/* Replaces [start, end) by `with`; the new size, or the old one where it does not fit. */
static size_t splice(char *text, size_t size, size_t max_size, size_t start, size_t end, const char *with, size_t length) {
    if (size - (end - start) + length > max_size) return size;
    char *copy = malloc(length + 1);
    memcpy(copy, with, length); /* it may lie in the text itself */
    memmove(text + start + length, text + end, size - end);
    memcpy(text + start, copy, length);
    free(copy);
    return size - (end - start) + length;
}

static char spelling[256];
static long wanted;
static void pick(void *context, const char *each) {
    (void)context;
    if (wanted-- == 0) snprintf(spelling, sizeof spelling, "%s", each);
}

/* One accepted spelling; rows with very many are cut short: the table stands still once the wanted one is written. */
static void random_spelling(void) {
    const char *pattern, *operands, *section, *note;
    size_t rows = 0;
    while (ptx_table_row(rows, &pattern, &operands, &section, &note)) rows++;
    for (;;) {
        size_t row = below(rows);
        ptx_table_row(row, &pattern, &operands, &section, &note);
        if (strlen(pattern) > 250) continue; /* ld, st: millions */
        wanted = (long)below(24);
        spelling[0] = 0;
        ptx_table_expand(row, pick, NULL);
        if (spelling[0]) return;
    }
}

static int is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == ':'; }

static size_t mutate(char *text, size_t size, size_t max_size) {
    static const char *const words[] = {"{", "}", "(", ")", ";", ",", ".reg .b32 %x<3>;", ".b32", ".b64", ".pred", ".param .b64 q", ".func f", ".visible .entry g()", "%r<99999>", "0xffffffffffffffff", "-1", "bra L;", "call (%r1), f, (%r2);",
                                        "[", "]", "<<", "0", "\"", ".shared .b8 x[4096];", ".extern", ".weak", ".common", ".v4", "@%p1", "@!%p2", "ret;", "exit;", "trap;", "/*", "//", ".align 64", "!", "|", "_", ".loc 1 2 3", "generic(", "0d7ff0000000000000",
                                        "0f7fc00000", "%tid.x", "%clock64", "bar.sync 0;", "L:", "t: .branchtargets L, L;", "brx.idx %r1, t;", ".global .u64 v[2] = {v, 1};", ".alias f, g;", ".maxntid 32;", ".const .b8 c[4];"};
    size_t a, b, c, d;
    line_at(text, size, below(size), &a, &b);
    line_at(text, size, below(size), &c, &d);
    switch (below(9)) {
        case 0: return splice(text, size, max_size, a, a, text + c, d - c); /* copy */
        case 1: return splice(text, size, max_size, a, b, "", 0);           /* drop */
        case 2: return splice(text, size, max_size, a, b, text + c, d - c); /* one for another */
        case 3: {
            const char *word = words[below(sizeof words / sizeof words[0])];
            size_t at = below(2) ? a : below(size + 1);
            return splice(text, size, max_size, at, at, word, strlen(word));
        }
        case 4:
        case 5: { /* an opcode: the first word of a line behind blanks, a label's rest or a guard */
            while (a < b && (text[a] == ' ' || text[a] == '\t')) a++;
            if (a < b && text[a] == '@') {
                while (a < b && text[a] != ' ') a++;
                while (a < b && text[a] == ' ') a++;
            }
            size_t end = a;
            while (end < b && is_name(text[end])) end++;
            random_spelling();
            return end > a ? splice(text, size, max_size, a, end, spelling, strlen(spelling)) : size;
        }
        case 6: { /* a digit */
            for (size_t k = below(size), n = 0; n < 200 && k < size; k++, n++)
                if (text[k] >= '0' && text[k] <= '9') {
                    text[k] = (char)('0' + below(10));
                    break;
                }
            return size;
        }
        case 7: { /* a word in place of another */
            size_t at = below(size), end, from = below(size), stop;
            while (at < size && !is_name(text[at])) at++;
            for (end = at; end < size && is_name(text[end]); end++) {}
            while (from < size && !is_name(text[from])) from++;
            for (stop = from; stop < size && is_name(text[stop]); stop++) {}
            return splice(text, size, max_size, at, end, text + from, stop - from);
        }
        default: { /* a line for a whole instruction of registers */
            char line[400];
            random_spelling();
            static const char *const operands[] = {"%r1", "%r2", "%rd1", "%f1", "%h1", "%p1", "%fd1", "%d1", "[%rd1]", "[%rd1+8]", "{%r1,%r2}", "3", "0f3f800000", "%r1|%p1"};
            int n = snprintf(line, sizeof line, "%s ", spelling);
            for (uint32_t i = below(5); i > 0; i--) n += snprintf(line + n, sizeof line - (size_t)n, "%s%s", operands[below(sizeof operands / sizeof operands[0])], i > 1 ? ", " : "");
            n += snprintf(line + n, sizeof line - (size_t)n, ";\n");
            return splice(text, size, max_size, a, a, line, (size_t)n);
        }
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    state = seed * 2654435761u + 1;
    if (size < 2 || below(2)) return LLVMFuzzerMutate(data, size, max_size);
    for (uint32_t n = 1 + below(3); n > 0 && size > 1; n--) size = mutate((char *)data, size, max_size);
    return size;
}
