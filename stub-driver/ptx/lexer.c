/* PTX text to tokens. A dotted word is one token, so that an opcode is a word and a list of dotted words. */
#include "lexer.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || c == '%'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_follow(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$'; }

static int hex_value(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static void skip_space(struct lexer *lexer) {
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '\n') {
            lexer->line++;
            lexer->at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
            lexer->at++;
        } else if (c == '/' && lexer->end - lexer->at > 1 && lexer->at[1] == '/') {
            while (lexer->at < lexer->end && *lexer->at != '\n') lexer->at++;
        } else if (c == '#') { /* a preprocessor's line mark */
            while (lexer->at < lexer->end && *lexer->at != '\n') lexer->at++;
        } else if (c == '/' && lexer->end - lexer->at > 1 && lexer->at[1] == '*') {
            lexer->at += 2;
            while (lexer->at < lexer->end && !(*lexer->at == '*' && lexer->end - lexer->at > 1 && lexer->at[1] == '/')) {
                if (*lexer->at == '\n') lexer->line++;
                lexer->at++;
            }
            if (lexer->end - lexer->at < 2) { /* it does not end: what is here is no token */
                lexer->at = lexer->end;
                lexer->unended = true;
                return;
            }
            lexer->at += 2;
        } else {
            return;
        }
    }
}

static void take_number(struct lexer *lexer, struct token *token) {
    const char *at = lexer->at, *end = lexer->end;
    token->kind = TOKEN_INTEGER;
    token->integer = 0;
    if (*at == '0' && end - at > 1 && (at[1] == 'f' || at[1] == 'F' || at[1] == 'd' || at[1] == 'D')) {
        int digits = at[1] == 'f' || at[1] == 'F' ? 8 : 16, n = 0;
        token->kind = digits == 8 ? TOKEN_FLOAT32 : TOKEN_FLOAT64;
        at += 2;
        for (; at < end && hex_value(*at) >= 0; at++, n++) token->integer = token->integer << 4 | (unsigned)hex_value(*at);
        if (n != digits) token->kind = TOKEN_BAD;
    } else if (*at == '0' && end - at > 1 && (at[1] == 'x' || at[1] == 'X' || at[1] == 'b' || at[1] == 'B')) {
        int shift = at[1] == 'x' || at[1] == 'X' ? 4 : 1, n = 0;
        at += 2;
        for (; at < end && hex_value(*at) >= 0 && hex_value(*at) < 1 << shift; at++, n++) {
            if (token->integer >> (64 - shift)) token->kind = TOKEN_BAD;
            token->integer = token->integer << shift | (unsigned)hex_value(*at);
        }
        if (n == 0) token->kind = TOKEN_BAD;
        if (at < end && *at == 'U') at++;
    } else {
        const char *start = at;
        bool fraction = false;
        while (at < end && is_digit(*at)) at++;
        if (at < end && *at == '.' && (end - at < 2 || is_digit(at[1]) || !is_follow(at[1]))) {
            fraction = true;
            at++;
            while (at < end && is_digit(*at)) at++;
        }
        if (at < end && (*at == 'e' || *at == 'E')) {
            const char *exponent = at + 1;
            if (exponent < end && (*exponent == '+' || *exponent == '-')) exponent++;
            if (exponent < end && is_digit(*exponent)) {
                fraction = true;
                while (exponent < end && is_digit(*exponent)) exponent++;
                at = exponent;
            }
        }
        char text[64];
        if (fraction) {
            if (at - start >= (long)sizeof text) {
                token->kind = TOKEN_BAD;
            } else {
                memcpy(text, start, (size_t)(at - start));
                text[at - start] = 0;
                double value = strtod(text, NULL);
                memcpy(&token->integer, &value, 8);
                token->kind = TOKEN_FLOAT64;
            }
        } else {
            unsigned base = *start == '0' ? 8 : 10;
            for (const char *digit = start; digit < at; digit++) {
                unsigned value = (unsigned)(*digit - '0');
                uint64_t next;
                if (value >= base || __builtin_mul_overflow(token->integer, base, &next) || __builtin_add_overflow(next, value, &token->integer))
                    token->kind = TOKEN_BAD;
            }
            if (at < end && *at == 'U') at++;
        }
    }
    if (at < end && is_follow(*at)) { /* "12abc" */
        while (at < end && is_follow(*at)) at++;
        token->kind = TOKEN_BAD;
    }
    token->length = (uint32_t)(at - lexer->at);
    lexer->at = at;
}

void lexer_next(struct lexer *lexer, struct token *token) {
    skip_space(lexer);
    token->line = lexer->line;
    token->text = lexer->at;
    token->length = 0;
    token->integer = 0;
    if (lexer->at >= lexer->end || *lexer->at == 0) {
        token->kind = lexer->unended ? TOKEN_BAD : TOKEN_END;
        lexer->unended = false;
        return;
    }
    const char *at = lexer->at, *end = lexer->end;
    char c = *at;
    if (is_start(c)) {
        at++;
        while (at < end && is_follow(*at)) at++;
        token->kind = c == '%' && at == lexer->at + 1 ? TOKEN_PUNCT : TOKEN_WORD;
    } else if (is_digit(c)) {
        take_number(lexer, token);
        return;
    } else if (c == '.' && end - at > 1 && is_follow(at[1])) {
        at++;
        while (at < end && (is_follow(*at) || (*at == ':' && end - at > 2 && at[1] == ':' && is_follow(at[2])))) at += *at == ':' ? 2 : 1;
        token->kind = TOKEN_DOT;
        token->text++;
        token->length = (uint32_t)(at - token->text);
        lexer->at = at;
        return;
    } else if (c == '"') {
        at++;
        while (at < end && *at != '"' && *at != '\n') at++;
        token->kind = at < end && *at == '"' ? TOKEN_STRING : TOKEN_BAD;
        token->text++;
        token->length = (uint32_t)(at - token->text);
        lexer->at = at < end ? at + 1 : at;
        return;
    } else {
        token->kind = TOKEN_PUNCT;
        at++;
        if (at < end && ((c == *at && strchr("<>&|=", c)) || (*at == '=' && strchr("<>!", c)))) at++;
    }
    token->length = (uint32_t)(at - lexer->at);
    lexer->at = at;
}
