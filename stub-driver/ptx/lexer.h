/* PTX text to tokens. */
#ifndef RINGFENCE_PTX_LEXER_H
#define RINGFENCE_PTX_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,    /* identifier, %register, $label */
    TOKEN_DOT,     /* .word: text begins after the dot; may hold "::" */
    TOKEN_INTEGER, /* value in integer */
    TOKEN_FLOAT32, /* 0f: bits in integer */
    TOKEN_FLOAT64, /* 0d, or a decimal fraction: bits in integer */
    TOKEN_STRING,
    TOKEN_PUNCT,   /* one character in text[0]; "<<" ">>" "==" "!=" "<=" ">=" "&&" "||" have length 2 */
    TOKEN_BAD,
};

struct token {
    enum token_kind kind;
    const char *text;
    uint32_t length;
    uint32_t line;
    uint64_t integer;
};

struct lexer {
    const char *at, *end;
    uint32_t line;
    bool unended; /* the text ends inside a comment */
};

void lexer_next(struct lexer *lexer, struct token *token);

#endif
