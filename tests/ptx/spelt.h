/* spelt.h - an instruction's spelling as its opcode's words, for tests of the instruction table. */
#ifndef TESTS_PTX_SPELT_H
#define TESTS_PTX_SPELT_H

#include <string.h>

#include "ptx/table.h"

/* Points into `spelling`; the words hold until the call after next. */
static inline struct opcode split(const char *spelling) {
    static struct word words[2][OPCODE_WORDS];
    static unsigned turn;
    struct opcode opcode = {.name = spelling, .name_length = (uint32_t)strcspn(spelling, "."), .words = words[turn++ & 1]};
    for (const char *at = spelling + opcode.name_length; *at;) {
        size_t length = strcspn(at + 1, ".");
        opcode.words[opcode.count].text = at + 1;
        opcode.words[opcode.count++].length = (uint32_t)length;
        at += 1 + length;
    }
    return opcode;
}

#endif
