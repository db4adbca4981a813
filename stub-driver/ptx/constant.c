/* Constant expressions: PTX's integers are 64 bits wide, its operators are C's. */
#include <string.h>

#include "parser.h"

static void ternary(struct parser *parser, struct constant *out);

static double as_double(const struct constant *c) {
    double d;
    float f;
    if (!c->is_float) return c->is_unsigned ? (double)c->bits : (double)(int64_t)c->bits;
    if (c->is_float32) {
        uint32_t bits = (uint32_t)c->bits;
        memcpy(&f, &bits, 4);
        return f;
    }
    memcpy(&d, &c->bits, 8);
    return d;
}

uint64_t constant_as_f32(const struct constant *c) {
    if (c->is_float32) return c->bits;
    float f = (float)as_double(c);
    uint32_t bits;
    memcpy(&bits, &f, 4);
    return bits;
}

uint64_t constant_as_f64(const struct constant *c) {
    double d = as_double(c);
    uint64_t bits;
    memcpy(&bits, &d, 8);
    return bits;
}

static void set_double(struct constant *out, double value) {
    out->is_float = true;
    out->is_float32 = false;
    memcpy(&out->bits, &value, 8);
}

static void unary(struct parser *parser, struct constant *out) {
    if (++parser->depth > MAX_DEPTH) fail(parser, PTX_INVALID, "expression nested too deeply");
    memset(out, 0, sizeof *out);
    struct token token = parser->token;
    if (token.kind == TOKEN_INTEGER) {
        out->bits = token.integer;
        out->is_unsigned = token.text[token.length - 1] == 'U' || (int64_t)token.integer < 0;
        next(parser);
    } else if (token.kind == TOKEN_FLOAT32 || token.kind == TOKEN_FLOAT64) {
        out->is_float = true;
        out->is_float32 = token.kind == TOKEN_FLOAT32;
        out->bits = token.integer;
        next(parser);
    } else if (at_word(parser, "WARP_SZ")) {
        out->bits = 32;
        next(parser);
    } else if (at_punct(parser, '-')) {
        next(parser);
        unary(parser, out);
        if (out->is_float) out->bits ^= out->is_float32 ? UINT64_C(1) << 31 : UINT64_C(1) << 63;
        else out->bits = -out->bits;
    } else if (at_punct(parser, '+')) {
        next(parser);
        unary(parser, out);
    } else if (at_punct(parser, '!') || at_punct(parser, '~')) {
        bool logical = token.text[0] == '!';
        next(parser);
        unary(parser, out);
        if (out->is_float) fail(parser, PTX_INVALID, "an integer is needed here");
        out->bits = logical ? out->bits == 0 : ~out->bits;
    } else if (at_punct(parser, '(')) {
        next(parser);
        if (parser->token.kind == TOKEN_DOT) { /* (.s64) x */
            bool is_unsigned = at_dot(parser, "u64");
            if (!is_unsigned && !at_dot(parser, "s64")) fail(parser, PTX_INVALID, "only .s64 and .u64 casts stand in constant expressions");
            next(parser);
            expect(parser, ')');
            unary(parser, out);
            if (out->is_float) {
                double d = as_double(out);
                out->bits = d >= -9.2e18 && d <= 9.2e18 ? (uint64_t)(int64_t)d : 0;
                out->is_float = false;
            }
            out->is_unsigned = is_unsigned;
        } else {
            ternary(parser, out);
            expect(parser, ')');
        }
    } else {
        fail(parser, PTX_INVALID, "a constant is needed here, not '%.*s'", (int)token.length, token.text);
    }
    parser->depth--;
}

static int precedence(const struct token *token) {
    if (token->kind != TOKEN_PUNCT) return 0;
    if (token->length == 2) {
        if (!memcmp(token->text, "<<", 2) || !memcmp(token->text, ">>", 2)) return 8;
        if (!memcmp(token->text, "<=", 2) || !memcmp(token->text, ">=", 2)) return 7;
        if (!memcmp(token->text, "==", 2) || !memcmp(token->text, "!=", 2)) return 6;
        if (!memcmp(token->text, "&&", 2)) return 2;
        if (!memcmp(token->text, "||", 2)) return 1;
        return 0;
    }
    switch (token->text[0]) {
        case '*': case '/': case '%': return 10;
        case '+': case '-': return 9;
        case '<': case '>': return 7;
        case '&': return 5;
        case '^': return 4;
        case '|': return 3;
        default: return 0;
    }
}

static void apply(struct parser *parser, struct constant *left, const struct constant *right, const char *op, uint32_t length) {
    bool two = length == 2;
    if (left->is_float || right->is_float) {
        double a = as_double(left), b = as_double(right);
        switch (op[0]) {
            case '+': set_double(left, a + b); return;
            case '-': set_double(left, a - b); return;
            case '*': set_double(left, a * b); return;
            case '/': set_double(left, a / b); return;
            default: fail(parser, PTX_INVALID, "'%.*s' wants integers", (int)length, op);
        }
    }
    bool u = left->is_unsigned || right->is_unsigned;
    uint64_t a = left->bits, b = right->bits;
    int64_t sa = (int64_t)a, sb = (int64_t)b;
    left->is_unsigned = u;
    switch (op[0]) {
        case '+': left->bits = a + b; break;
        case '-': left->bits = a - b; break;
        case '*': left->bits = a * b; break;
        case '/':
        case '%':
            if (b == 0) fail(parser, PTX_INVALID, "division by zero in a constant expression");
            if (u) left->bits = op[0] == '/' ? a / b : a % b;
            else if (sb == -1) left->bits = op[0] == '/' ? -a : 0;
            else left->bits = (uint64_t)(op[0] == '/' ? sa / sb : sa % sb);
            break;
        case '<':
            left->bits = two && op[1] == '<' ? (b < 64 ? a << b : 0) : two ? (u ? a <= b : sa <= sb) : (u ? a < b : sa < sb);
            break;
        case '>':
            left->bits = two && op[1] == '>' ? (b < 64 ? (u ? a >> b : (uint64_t)(sa >> b)) : (u || sa >= 0 ? 0 : ~UINT64_C(0)))
                         : two               ? (u ? a >= b : sa >= sb)
                                             : (u ? a > b : sa > sb);
            break;
        case '=': left->bits = a == b; break;
        case '!': left->bits = a != b; break;
        case '&': left->bits = two ? a && b : a & b; break;
        case '|': left->bits = two ? a || b : a | b; break;
        case '^': left->bits = a ^ b; break;
        default: fail(parser, PTX_INVALID, "unknown operator");
    }
}

static void binary(struct parser *parser, struct constant *out, int least) {
    unary(parser, out);
    for (;;) {
        struct token op = parser->token;
        int level = precedence(&op);
        if (level == 0 || level < least) return;
        next(parser);
        struct constant right;
        binary(parser, &right, level + 1);
        apply(parser, out, &right, op.text, op.length);
    }
}

static void ternary(struct parser *parser, struct constant *out) {
    binary(parser, out, 1);
    if (!at_punct(parser, '?')) return;
    if (++parser->depth > MAX_DEPTH) fail(parser, PTX_INVALID, "expression nested too deeply");
    next(parser);
    struct constant yes, no;
    ternary(parser, &yes);
    expect(parser, ':');
    ternary(parser, &no);
    *out = out->bits ? yes : no;
    parser->depth--;
}

void parse_constant(struct parser *parser, struct constant *constant) { ternary(parser, constant); }

uint64_t parse_integer(struct parser *parser) {
    struct constant constant;
    parse_constant(parser, &constant);
    if (constant.is_float) fail(parser, PTX_INVALID, "an integer is needed here");
    return constant.bits;
}
