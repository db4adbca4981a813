/* Parsing a text's declarations: directives, variables with their initialisers, functions' heads. */
#include "parser.h"

#include <stdio.h>
#include <string.h>

void loader_error(struct loader *loader, enum ptx_status status, uint32_t line, const char *format, ...) {
    if (loader->status == PTX_OK) loader->status = status;
    if (loader->errors++ >= MAX_ERRORS) return;
    char text[512], newer[96] = "", whole[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (status == PTX_NEWER) snprintf(newer, sizeof newer, " (the text is of a later .version than %u.%u, up to which this engine knows PTX)", PTX_KNOWN / 10, PTX_KNOWN % 10);
    int n = snprintf(whole, sizeof whole, "%s, line %u: %s: %s%s\n", loader->unit_name, line,
                     status == PTX_UNSUPPORTED || status == PTX_NEWER ? "not supported" : status == PTX_UNRESOLVED ? "unresolved" : "error", text, newer);
    if (loader->log && loader->log_used < loader->log_size) {
        size_t room = loader->log_size - loader->log_used - 1;
        size_t length = (size_t)n < sizeof whole ? (size_t)n : sizeof whole - 1;
        if (length > room) length = room;
        memcpy(loader->log + loader->log_used, whole, length);
        loader->log_used += length;
        loader->log[loader->log_used] = 0;
    }
}

_Noreturn void fail(struct parser *parser, enum ptx_status status, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    loader_error(parser->loader, wrong_in(parser->unit, status), parser->token.line, "%s", text);
    longjmp(parser->give_up, 1);
}

void next(struct parser *parser) {
    lexer_next(&parser->lexer, &parser->token);
    if (parser->token.kind == TOKEN_BAD && parser->token.length == 0) fail(parser, PTX_INVALID, "the text ends inside a comment");
    if (parser->token.kind == TOKEN_BAD) fail(parser, PTX_INVALID, "malformed '%.*s'", (int)(parser->token.length < 40 ? parser->token.length : 40), parser->token.text);
}

bool at_punct(const struct parser *parser, char c) { return parser->token.kind == TOKEN_PUNCT && parser->token.length == 1 && parser->token.text[0] == c; }
static bool is(const struct parser *parser, enum token_kind kind, const char *word) {
    return parser->token.kind == kind && strlen(word) == parser->token.length && memcmp(parser->token.text, word, parser->token.length) == 0;
}
bool at_word(const struct parser *parser, const char *word) { return is(parser, TOKEN_WORD, word); }
bool at_dot(const struct parser *parser, const char *word) { return is(parser, TOKEN_DOT, word); }

bool take_punct(struct parser *parser, char c) {
    if (!at_punct(parser, c)) return false;
    next(parser);
    return true;
}

void expect(struct parser *parser, char c) {
    if (!take_punct(parser, c)) {
        if (parser->token.kind == TOKEN_END) fail(parser, PTX_INVALID, "the text ends where '%c' is needed", c);
        fail(parser, PTX_INVALID, "'%c' is needed before '%.*s'", c, (int)(parser->token.length < 60 ? parser->token.length : 60), parser->token.text);
    }
}

static unsigned hash(const char *text, size_t length) {
    unsigned h = 2166136261u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h;
}

struct symbol *unit_find(struct unit *unit, const char *name) {
    for (struct symbol *s = unit->hash[hash(name, strlen(name)) & 255]; s; s = s->hash_next)
        if (strcmp(s->name, name) == 0) return s;
    return NULL;
}

static char *take_name_in(struct parser *parser, struct arena *arena) {
    if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "a name is needed before '%.*s'", (int)parser->token.length, parser->token.text);
    char *name = arena_string(arena, parser->token.text, parser->token.length);
    next(parser);
    return name;
}

char *take_name(struct parser *parser) { return take_name_in(parser, &parser->loader->arena); }

void enter_symbol(struct parser *parser, struct symbol *symbol) {
    struct unit *unit = parser->unit;
    symbol->unit = parser->unit_index;
    if (!symbol->in_function) {
        unsigned bucket = hash(symbol->name, strlen(symbol->name)) & 255;
        symbol->hash_next = unit->hash[bucket];
        unit->hash[bucket] = symbol;
    }
    if (unit->last_symbol) unit->last_symbol->next = symbol;
    else unit->symbols = symbol;
    unit->last_symbol = symbol;
}

static uint32_t alignment(struct parser *parser) {
    uint64_t align = parse_integer(parser);
    if (align == 0 || (align & (align - 1)) || align > 65536) fail(parser, PTX_INVALID, ".align wants a power of two");
    return (uint32_t)align;
}

void parse_type_words(struct parser *parser, struct declaration *d) {
    d->type = T_NONE;
    d->vector = 1;
    d->align = 0;
    for (;;) {
        if (parser->token.kind != TOKEN_DOT) break;
        enum ptx_type type = ptx_type_named(parser->token.text, (int)parser->token.length);
        if (type != T_NONE) {
            static const enum ptx_type of_instructions[] = {T_BF16, T_BF16X2, T_U16X2, T_S16X2, T_F32X2};
            for (size_t i = 0; i < sizeof of_instructions / sizeof of_instructions[0]; i++)
                if (type == of_instructions[i]) fail(parser, PTX_INVALID, ".%s is a type of instructions, not of variables", ptx_types[type].name);
            if (d->type != T_NONE) fail(parser, PTX_INVALID, "two types in one declaration");
            d->type = type;
            next(parser);
        } else if (at_dot(parser, "align")) {
            next(parser);
            d->align = alignment(parser);
        } else if (at_dot(parser, "v2") || at_dot(parser, "v4")) {
            d->vector = (uint32_t)(parser->token.text[1] - '0');
            next(parser);
        } else if (at_dot(parser, "attribute")) {
            next(parser);
            expect(parser, '(');
            while (!at_punct(parser, ')')) {
                if (at_dot(parser, "managed")) d->managed = true;
                else if (at_punct(parser, '(')) while (!at_punct(parser, ')') && parser->token.kind != TOKEN_END) next(parser);
                else if (parser->token.kind == TOKEN_END) fail(parser, PTX_INVALID, "the text ends inside .attribute");
                next(parser);
            }
            next(parser);
        } else if (at_dot(parser, "ptr")) {
            d->pointer = true;
            next(parser);
            while (at_dot(parser, "global") || at_dot(parser, "shared") || at_dot(parser, "const") || at_dot(parser, "local") || at_dot(parser, "generic")) next(parser);
            if (at_dot(parser, "align")) { /* the alignment of what is pointed to */
                next(parser);
                alignment(parser);
            }
        } else if (at_dot(parser, "texref") || at_dot(parser, "samplerref") || at_dot(parser, "surfref")) {
            fail(parser, PTX_UNSUPPORTED, ".%.*s: only as a variable outside functions", (int)parser->token.length, parser->token.text);
        } else {
            fail(parser, PTX_INVALID, "'.%.*s' is unknown in a declaration", (int)parser->token.length, parser->token.text);
        }
    }
    if (d->type == T_NONE) fail(parser, PTX_INVALID, "the declaration has no type");
    if (d->vector > 1 && ptx_types[d->type].bytes * d->vector > 16) fail(parser, PTX_INVALID, "a vector of %u bytes; 16 is the most", ptx_types[d->type].bytes * d->vector);
    if (d->space == SPACE_PARAM && (d->vector > 1 || d->type == T_F16X2)) fail(parser, PTX_INVALID, "no vector can be a .param");
}

/* ---- initialisers */

static void put_bytes(struct parser *parser, struct symbol *symbol, uint64_t offset, uint64_t value, uint32_t bytes) {
    if (offset + bytes > symbol->size) fail(parser, PTX_INVALID, "'%s' has more initial values than elements", symbol->name);
    if (!symbol->initial) symbol->initial = arena_alloc(&parser->loader->arena, symbol->size);
    memcpy(symbol->initial + offset, &value, bytes);
}

static void initial_value(struct parser *parser, struct symbol *symbol, uint64_t offset) {
    uint32_t bytes = ptx_types[symbol->type].bytes;
    uint8_t shift = 0;
    bool generic = false, masked = false, parentheses = false;
    struct lexer saved = parser->lexer;
    struct token token = parser->token;
    if (at_word(parser, "generic")) {
        generic = parentheses = true;
        next(parser);
        expect(parser, '(');
    } else if (token.kind == TOKEN_INTEGER) { /* 0xff00(symbol) picks a byte of an address */
        next(parser);
        if (at_punct(parser, '(')) {
            next(parser);
            masked = parentheses = true;
            uint64_t mask = token.integer;
            while (mask && !(mask & 0xff)) {
                mask >>= 8;
                shift = (uint8_t)(shift + 8);
            }
            if (mask != 0xff || bytes != 1) fail(parser, PTX_UNSUPPORTED, "a mask of an address other than one byte");
            if (at_word(parser, "generic")) {
                generic = true;
                next(parser);
                expect(parser, '(');
            }
        } else {
            parser->lexer = saved;
            parser->token = token;
        }
    }
    if (parser->token.kind == TOKEN_WORD && !at_word(parser, "WARP_SZ")) {
        char *name = take_name(parser);
        struct symbol *target = unit_find(parser->unit, name);
        if (!target) fail(parser, PTX_INVALID, "'%s' is not declared", name);
        if (masked && generic) expect(parser, ')');
        int64_t addend = 0;
        if (take_punct(parser, '+')) addend = (int64_t)parse_integer(parser);
        if (parentheses) expect(parser, ')');
        if (generic && !masked && take_punct(parser, '+')) addend += (int64_t)parse_integer(parser);
        const bool function = target->kind == SYMBOL_FUNCTION, forward = target->forward;
        if (function && (addend || generic)) fail(parser, PTX_INVALID, "'%s' is a function: its address alone is an initial value", name);
        if (!function && !forward && target->space != SPACE_GLOBAL && target->space != SPACE_CONST && target->space != SPACE_IMAGE) fail(parser, PTX_INVALID, "'%s' is neither .global nor .const: its address is no initial value", name);
        if (!masked && ptx_types[symbol->type].kind != 'u') fail(parser, PTX_INVALID, "an address as the value of a .%s", ptx_types[symbol->type].name);
        if (!masked && bytes != 8) fail(parser, PTX_UNSUPPORTED, "an address in %u bytes", bytes);
        if (offset + bytes > symbol->size) fail(parser, PTX_INVALID, "'%s' has more initial values than elements", symbol->name);
        symbol->relocations = arena_grow(&parser->loader->arena, symbol->relocations, symbol->relocation_count, &symbol->relocation_capacity, sizeof *symbol->relocations);
        symbol->relocations[symbol->relocation_count++] =
            (struct relocation){.offset = offset, .symbol = target, .addend = addend, .bytes = (uint8_t)bytes, .shift = shift, .generic = generic};
        return;
    }
    if (parentheses) fail(parser, PTX_INVALID, "the name of a variable is needed here");
    struct constant constant;
    parse_constant(parser, &constant);
    uint64_t value = constant.bits;
    const bool bits = ptx_types[symbol->type].kind == 'b' && bytes >= 4;
    if (symbol->type == T_F16 || symbol->type == T_F16X2) fail(parser, PTX_INVALID, "a .%s has no initial value", ptx_types[symbol->type].name);
    if ((symbol->type == T_F32 || symbol->type == T_F64) && !constant.is_float) fail(parser, PTX_INVALID, "an integer as the value of a .%s", ptx_types[symbol->type].name);
    if (symbol->type == T_F32 || (bits && bytes == 4 && constant.is_float)) value = constant_as_f32(&constant);
    else if (symbol->type == T_F64 || (bits && bytes == 8 && constant.is_float)) value = constant_as_f64(&constant);
    else if (constant.is_float) fail(parser, PTX_INVALID, "a floating-point value for a .%s", ptx_types[symbol->type].name);
    put_bytes(parser, symbol, offset, value, bytes < 8 ? bytes : 8);
}

/* Nested braces follow the array's dimensions, a vector's elements being the innermost; `end` is where the outer level's element ends. */
static void initial_list(struct parser *parser, struct symbol *symbol, uint64_t offset, uint64_t end, const uint64_t *strides, int level, int levels) {
    expect(parser, '{');
    uint64_t at = offset;
    const uint64_t step = level + 1 < levels || symbol->vector == 1 ? strides[level] : ptx_types[symbol->type].bytes;
    while (!at_punct(parser, '}') || at > offset) {
        if (at >= end) fail(parser, PTX_INVALID, "'%s' has more initial values than elements", symbol->name);
        if (level + 1 < levels) {
            if (!at_punct(parser, '{')) fail(parser, PTX_INVALID, "'%s': each dimension's values are in braces", symbol->name);
            initial_list(parser, symbol, at, at + step, strides, level + 1, levels);
        } else {
            initial_value(parser, symbol, at);
        }
        at += step;
        if (!take_punct(parser, ',')) break;
    }
    expect(parser, '}');
}

static uint64_t count_values(struct parser *parser) {
    /* An array of open size takes it from its initialiser: count the commas of the outer level. */
    struct lexer saved = parser->lexer;
    struct token token = parser->token;
    uint64_t count = 0;
    int depth = 0;
    bool any = false;
    for (;;) {
        if (parser->token.kind == TOKEN_END) break;
        if (at_punct(parser, '{') || at_punct(parser, '(')) depth++;
        else if (at_punct(parser, '}') || at_punct(parser, ')')) {
            if (--depth == 0) break;
        } else if (at_punct(parser, ',') && depth == 1) count++;
        else any = true;
        next(parser);
    }
    parser->lexer = saved;
    parser->token = token;
    return any ? count + 1 : count;
}

/* The N of name<N>: a number, because '>' would continue an expression. */
static uint64_t range_count(struct parser *parser) {
    if (parser->token.kind != TOKEN_INTEGER) fail(parser, PTX_INVALID, "a number is needed in '<>'");
    uint64_t value = parser->token.integer;
    next(parser);
    return value;
}

struct symbol *parse_declarator(struct parser *parser, const struct declaration *d, enum linkage linkage) {
    /* Parameters and local variables are places by the time the module is loaded. */
    struct arena *arena = d->space == SPACE_PARAM || d->space == SPACE_LOCAL ? &parser->loader->scratch : &parser->loader->arena;
    struct symbol *symbol = arena_alloc(arena, sizeof *symbol);
    symbol->kind = SYMBOL_VARIABLE;
    symbol->line = parser->token.line;
    symbol->name = take_name_in(parser, arena);
    symbol->space = d->space;
    symbol->type = d->type;
    symbol->vector = d->vector;
    symbol->managed = d->managed;
    symbol->linkage = linkage;
    uint64_t element = (uint64_t)ptx_types[d->type].bytes * d->vector;
    if (element == 0) fail(parser, PTX_INVALID, "'%s': .pred has no place in memory", symbol->name);
    symbol->align = d->align ? d->align : (uint32_t)element;
    uint64_t dimensions[8], total = element;
    int levels = 0;
    if (take_punct(parser, '<')) {
        uint64_t count = range_count(parser);
        if (count == 0 || count > 4096) fail(parser, PTX_INVALID, "a range of %llu variables", (unsigned long long)count);
        symbol->range = (uint32_t)count;
        expect(parser, '>');
    }
    while (take_punct(parser, '[')) {
        if (levels == 8) fail(parser, PTX_INVALID, "'%s' has too many dimensions", symbol->name);
        if (at_punct(parser, ']')) {
            if (levels > 0) fail(parser, PTX_INVALID, "only the first dimension may be open");
            dimensions[levels++] = 0;
            symbol->open_array = true;
        } else {
            uint64_t n = parse_integer(parser);
            if (__builtin_mul_overflow(total, n, &total) || total > UINT64_C(1) << 40) fail(parser, PTX_INVALID, "'%s' is too large", symbol->name);
            dimensions[levels++] = n;
        }
        expect(parser, ']');
    }
    uint64_t strides[9];
    uint64_t stride = element;
    for (int i = levels - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dimensions[i] ? dimensions[i] : 1;
    }
    symbol->size = symbol->open_array ? 0 : total;
    symbol->array = levels > 0;
    if (take_punct(parser, '=')) {
        if (d->space != SPACE_GLOBAL && d->space != SPACE_CONST) fail(parser, PTX_INVALID, "'%s': only .global and .const variables have initial values", symbol->name);
        if (symbol->open_array) {
            symbol->size = count_values(parser) * strides[0];
            symbol->open_array = false;
        }
        if (symbol->size > UINT64_C(1) << 30) fail(parser, PTX_UNSUPPORTED, "'%s': more than 1 GiB of initial values", symbol->name);
        if (levels + (d->vector > 1) > 0) initial_list(parser, symbol, 0, symbol->size, strides, 0, levels + (d->vector > 1));
        else initial_value(parser, symbol, 0);
    } else if ((total == 0 || symbol->open_array) && d->space != SPACE_PARAM && linkage != LINK_EXTERN) {
        fail(parser, PTX_INVALID, "'%s' has no elements, and is not .extern", symbol->name);
    }
    return symbol;
}

static enum space space_word(const struct parser *parser) {
    if (at_dot(parser, "global")) return SPACE_GLOBAL;
    if (at_dot(parser, "const")) return SPACE_CONST;
    if (at_dot(parser, "shared")) return SPACE_SHARED;
    if (at_dot(parser, "local")) return SPACE_LOCAL;
    if (at_dot(parser, "param")) return SPACE_PARAM;
    return SPACE_NONE;
}

struct symbol *forward_symbol(struct parser *parser, const char *name, uint32_t line) {
    struct symbol *symbol = arena_alloc(&parser->loader->arena, sizeof *symbol);
    symbol->name = name;
    symbol->forward = true;
    symbol->line = line;
    enter_symbol(parser, symbol);
    return symbol;
}

/* What was known of a symbol gives way to its definition; its place in the tables stays, for functions may name it already. */
static void replace_symbol(struct parser *parser, struct symbol *before, const struct symbol *symbol) {
    struct symbol *hash_next = before->hash_next, *following = before->next;
    *before = *symbol;
    before->hash_next = hash_next;
    before->next = following;
    before->unit = parser->unit_index;
}

void check_name(struct parser *parser, const char *name) {
    if (strcmp(name, "_") == 0 || strcmp(name, "WARP_SZ") == 0 || special_named(name) != SR_COUNT) fail(parser, PTX_INVALID, "'%s' has a meaning of its own and names nothing else", name);
}

void declare_variable(struct parser *parser, struct symbol *symbol) {
    check_name(parser, symbol->name);
    struct symbol *before = unit_find(parser->unit, symbol->name);
    if (!before) {
        enter_symbol(parser, symbol);
        return;
    }
    if (before->forward) {
        replace_symbol(parser, before, symbol);
        return;
    }
    if (before->kind != SYMBOL_VARIABLE || before->space != symbol->space || before->image_kind != symbol->image_kind)
        fail(parser, PTX_INVALID, "'%s' is declared twice, differently", symbol->name);
    if (before->type != symbol->type || before->vector != symbol->vector || before->array != symbol->array || (!before->open_array && !symbol->open_array && before->size != symbol->size))
        fail(parser, PTX_INVALID, "'%s' is declared twice, with different types", symbol->name);
    if (before->linkage == LINK_EXTERN && symbol->linkage == LINK_NONE) fail(parser, PTX_INVALID, "'%s' is .extern before, and not .visible here", symbol->name);
    if (before->linkage == LINK_EXTERN && symbol->linkage != LINK_EXTERN) { /* declared, now defined */
        replace_symbol(parser, before, symbol);
    } else if (symbol->linkage != LINK_EXTERN) {
        fail(parser, PTX_INVALID, "'%s' is defined twice", symbol->name);
    }
}

static void variables(struct parser *parser, enum linkage linkage) {
    struct declaration d = {.space = space_word(parser)};
    if (linkage == LINK_COMMON && d.space != SPACE_GLOBAL) fail(parser, PTX_INVALID, ".common variables are .global");
    next(parser);
    if (d.space == SPACE_GLOBAL && parse_images(parser, linkage)) return;
    parse_type_words(parser, &d);
    do {
        struct symbol *symbol = parse_declarator(parser, &d, linkage);
        if (symbol->range) fail(parser, PTX_UNSUPPORTED, "'%s': a range of variables outside a function", symbol->name);
        if (linkage == LINK_EXTERN && (symbol->initial || symbol->relocation_count)) fail(parser, PTX_INVALID, "'%s' is .extern and has initial values", symbol->name);
        declare_variable(parser, symbol);
    } while (take_punct(parser, ','));
    expect(parser, ';');
}

/* ---- functions */

static void parameters(struct parser *parser, struct function *f, bool results) {
    expect(parser, '(');
    uint32_t offset = 0;
    while (!at_punct(parser, ')')) {
        struct parameter parameter = {0};
        uint32_t elements = 1; /* a vector register is as many parameters, in consecutive registers */
        if (at_dot(parser, "reg")) {
            if (f->is_entry) fail(parser, PTX_INVALID, "kernel parameters are .param");
            next(parser);
            struct declaration d = {.space = SPACE_REG};
            parse_type_words(parser, &d);
            if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "a parameter's name is needed");
            parameter.type = d.type;
            parameter.reg = new_register(parser, d.type);
            elements = d.vector;
            for (uint32_t i = 1; i < elements; i++) new_register(parser, d.type);
            struct name *name = enter_name(parser, parser->token.text, parser->token.length);
            name->kind = NAME_REG;
            name->type = d.type;
            name->vector = d.vector;
            name->reg = parameter.reg;
            next(parser);
            parameter.size = parameter.align = d.type == T_PRED ? 4 : ptx_types[d.type].bytes;
        } else if (at_dot(parser, "param")) {
            next(parser);
            struct declaration d = {.space = SPACE_PARAM};
            parse_type_words(parser, &d);
            if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "a parameter's name is needed");
            struct token word = parser->token;
            struct symbol *symbol = parse_declarator(parser, &d, LINK_NONE);
            if (symbol->range) fail(parser, PTX_INVALID, "'%s': a range of parameters", symbol->name);
            if (symbol->open_array) fail(parser, PTX_UNSUPPORTED, "variadic parameters of an own function ('%s')", f->name ? f->name : symbol->name);
            symbol->in_function = true;
            symbol->function = f;
            symbol->definition = symbol;
            symbol->formal_result = results;
            symbol->formal_param = !results;
            parameter.symbol = symbol;
            parameter.type = d.type;
            parameter.array = symbol->array;
            if (f->is_entry && symbol->size == 0) fail(parser, PTX_INVALID, "parameter '%s' has no size", symbol->name);
            if (symbol->size > PARAM_BYTES) fail(parser, PTX_INVALID, "parameter '%s' is larger than 1 MiB", symbol->name);
            parameter.size = (uint32_t)symbol->size;
            parameter.align = symbol->align;
            struct name *name = enter_name(parser, word.text, word.length);
            name->kind = NAME_VARIABLE;
            name->symbol = symbol;
        } else {
            fail(parser, PTX_INVALID, "a parameter begins with .param or .reg");
        }
        for (; elements; elements--, parameter.reg++) {
            offset = (offset + parameter.align - 1) & ~(parameter.align - 1);
            parameter.offset = offset;
            if (f->is_entry) {
                parameter.symbol->place = offset;
                parameter.symbol->placed = true;
                parameter.symbol->kernel_param = true;
            }
            offset += parameter.size;
            const uint32_t most = !f->is_entry ? PARAM_BYTES : parser->version >= 81 && parser->sm >= 70 ? ENTRY_PARAM_BYTES : OLD_ENTRY_PARAM_BYTES;
            if (offset > most) fail(parser, PTX_INVALID, "more than %u bytes of parameters", most);
            struct arena *arena = &parser->loader->arena;
            if (results) {
                f->results = arena_grow(arena, f->results, f->result_count, &f->result_capacity, sizeof parameter);
                f->results[f->result_count++] = parameter;
            } else {
                f->params = arena_grow(arena, f->params, f->param_count, &f->param_capacity, sizeof parameter);
                f->params[f->param_count++] = parameter;
            }
        }
        if (!take_punct(parser, ',')) break;
    }
    if (results && f->result_count > 1)
        for (size_t i = 0; i < f->result_count; i++)
            if (f->results[i].symbol) fail(parser, PTX_INVALID, "several results must be registers");
    expect(parser, ')');
    if (!results) f->param_bytes = offset;
}

static void three(struct parser *parser, uint32_t *out) {
    out[0] = out[1] = out[2] = 1;
    for (int i = 0; i < 3; i++) {
        uint64_t value = parse_integer(parser);
        if (value == 0 || value > 0x7fffffff) fail(parser, PTX_INVALID, "a dimension of %llu", (unsigned long long)value);
        out[i] = (uint32_t)value;
        if (!take_punct(parser, ',')) break;
    }
}

static uint32_t positive(struct parser *parser, const char *directive) {
    next(parser);
    if (parser->token.kind != TOKEN_INTEGER || parser->token.integer == 0 || parser->token.integer > UINT32_MAX) fail(parser, PTX_INVALID, ".%s wants a positive number", directive);
    return (uint32_t)parse_integer(parser);
}

/* What may stand between a function's head and its body. */
static bool tuning(struct parser *parser, struct function *f) {
    static const char *const of_kernels[] = {"maxntid", "reqntid", "minnctapersm", "maxnreg", "reqnctapercluster", "maxclusterrank", "maxnctapersm", "explicitcluster", "blocksareclusters", "pragma"};
    static const char *const of_functions[] = {"noreturn", "abi_preserve", "abi_preserve_control"};
    for (size_t i = 0; !f->is_entry && i < sizeof of_kernels / sizeof of_kernels[0]; i++)
        if (at_dot(parser, of_kernels[i])) fail(parser, PTX_INVALID, ".%s is a directive of kernels, not of functions", of_kernels[i]);
    for (size_t i = 0; f->is_entry && i < sizeof of_functions / sizeof of_functions[0]; i++)
        if (at_dot(parser, of_functions[i])) fail(parser, PTX_INVALID, ".%s is a directive of functions, not of kernels", of_functions[i]);
    if (at_dot(parser, "maxntid")) {
        next(parser);
        three(parser, f->max_ntid);
        f->has_max = true;
    } else if (at_dot(parser, "reqntid")) {
        next(parser);
        three(parser, f->req_ntid);
        f->has_req = true;
    } else if (at_dot(parser, "minnctapersm")) {
        f->min_blocks = positive(parser, "minnctapersm");
    } else if (at_dot(parser, "maxnreg")) {
        f->max_registers = positive(parser, "maxnreg");
    } else if (at_dot(parser, "reqnctapercluster")) {
        next(parser);
        three(parser, f->cluster);
        if (f->cluster[0] > 16 || f->cluster[1] > 16 || f->cluster[2] > 16 || f->cluster[0] * f->cluster[1] * f->cluster[2] > 16) fail(parser, PTX_UNSUPPORTED, "a cluster of more than 16 blocks");
    } else if (at_dot(parser, "maxclusterrank")) {
        next(parser);
        uint64_t rank = parse_integer(parser);
        if (rank == 0 || rank > 0xffffffff) fail(parser, PTX_INVALID, ".maxclusterrank %llu", (unsigned long long)rank);
        f->max_cluster = (uint32_t)rank;
    } else if (at_dot(parser, "maxnctapersm")) {
        if (parser->version >= 21) fail(parser, PTX_INVALID, ".maxnctapersm is gone since .version 2.1: .minnctapersm");
        next(parser);
        parse_integer(parser);
    } else if (at_dot(parser, "abi_preserve") || at_dot(parser, "abi_preserve_control")) {
        next(parser);
        parse_integer(parser);
    } else if (at_dot(parser, "blocksareclusters")) {
        f->blocks_are_clusters = true;
        next(parser);
    } else if (at_dot(parser, "noreturn") || at_dot(parser, "explicitcluster")) {
        next(parser);
    } else if (at_dot(parser, "pragma")) {
        parse_pragma(parser);
    } else {
        return false;
    }
    return true;
}

static bool same_parameters(const struct parameter *a, const struct parameter *b, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (a[i].size != b[i].size || a[i].type != b[i].type || a[i].align != b[i].align || a[i].array != b[i].array || !a[i].symbol != !b[i].symbol) return false;
    return true;
}

static bool same_signature(const struct function *a, const struct function *b) {
    return a->is_entry == b->is_entry && a->param_count == b->param_count && a->result_count == b->result_count && same_parameters(a->params, b->params, a->param_count) &&
           same_parameters(a->results, b->results, a->result_count);
}

static void function(struct parser *parser, enum linkage linkage) {
    struct arena *arena = &parser->loader->arena;
    arena_free(&parser->loader->names);
    struct function *f = arena_alloc(arena, sizeof *f);
    f->is_entry = at_dot(parser, "entry");
    f->unit = parser->unit_index;
    next(parser);
    parser->function = f;
    memset(parser->names, 0, sizeof parser->names);
    memset(parser->labels, 0, sizeof parser->labels);
    parser->scope = -1;
    parser->declared_registers = 0;
    push_scope(parser);
    while (at_dot(parser, "noreturn") || at_dot(parser, "attribute")) {
        bool attribute = at_dot(parser, "attribute");
        next(parser);
        if (!attribute) continue;
        expect(parser, '('); /* .unified(n, n): one address on host and device, which is no matter here */
        while (!at_punct(parser, ')')) {
            if (parser->token.kind == TOKEN_END) fail(parser, PTX_INVALID, "the text ends inside .attribute");
            if (at_punct(parser, '(')) while (!at_punct(parser, ')') && parser->token.kind != TOKEN_END) next(parser);
            next(parser);
        }
        next(parser);
    }
    if (!f->is_entry && at_punct(parser, '(')) parameters(parser, f, true);
    uint32_t line = parser->token.line;
    f->name = take_name(parser);
    check_name(parser, f->name);
    if (at_punct(parser, '(')) parameters(parser, f, false);
    struct symbol *symbol = unit_find(parser->unit, f->name);
    if (symbol && symbol->forward) {
        struct symbol function = {.name = f->name, .kind = SYMBOL_FUNCTION, .function = f, .linkage = linkage, .line = line};
        replace_symbol(parser, symbol, &function);
    }
    if (symbol && symbol->kind != SYMBOL_FUNCTION) fail(parser, PTX_INVALID, "'%s' is a variable and a function", f->name);
    if (!symbol) {
        symbol = arena_alloc(arena, sizeof *symbol);
        symbol->name = f->name;
        symbol->kind = SYMBOL_FUNCTION;
        symbol->function = f;
        symbol->linkage = linkage;
        symbol->line = line;
        enter_symbol(parser, symbol);
    } else if (!same_signature(symbol->function, f)) {
        fail(parser, PTX_INVALID, "'%s' is declared with other parameters before", f->name);
    } else if (parser->version >= 31 && symbol->linkage != linkage && (symbol->linkage != LINK_VISIBLE || linkage != LINK_NONE)) {
        fail(parser, PTX_INVALID, "'%s' is declared with another linkage in line %u", f->name, symbol->line);
    }
    f->symbol = symbol;
    if (linkage != LINK_NONE && linkage != LINK_EXTERN) symbol->linkage = linkage;
    while (tuning(parser, f)) {}
    if (f->has_max && f->has_req) fail(parser, PTX_INVALID, "'%s' has .maxntid and .reqntid: one of them", f->name);
    if (f->cluster[0] && f->max_cluster) fail(parser, PTX_INVALID, "'%s' has .reqnctapercluster and .maxclusterrank: one of them", f->name);
    if (f->blocks_are_clusters && !(f->has_req && f->cluster[0])) fail(parser, PTX_INVALID, ".blocksareclusters needs .reqntid and .reqnctapercluster");
    if (at_punct(parser, ';')) {
        next(parser);
    } else if (!f->is_entry && parser->token.kind == TOKEN_DOT) { /* CUDA 3 ended prototypes with the line */
    } else if (at_punct(parser, '{')) {
        if (symbol->function->has_body) fail(parser, PTX_INVALID, "'%s' is defined twice", f->name);
        if (linkage == LINK_EXTERN && parser->version >= 31) fail(parser, PTX_INVALID, "'%s' is .extern and has a body", f->name);
        if (symbol->linkage == LINK_EXTERN) symbol->linkage = linkage == LINK_EXTERN ? LINK_VISIBLE : linkage;
        symbol->function = f;
        f->has_body = true;
        if (parser->unit->last_function) parser->unit->last_function->next = f;
        else parser->unit->functions = f;
        parser->unit->last_function = f;
        parse_body(parser);
    } else {
        fail(parser, PTX_INVALID, "'{' or ';' is needed after the head of '%s'", f->name);
    }
    parser->function = NULL;
}

/* ---- directives */

static void version(struct parser *parser) {
    next(parser);
    double value = 0;
    if (parser->has_version) fail(parser, PTX_INVALID, "a second .version");
    if (parser->token.kind != TOKEN_FLOAT64) fail(parser, PTX_INVALID, ".version wants a number such as 9.0");
    memcpy(&value, &parser->token.integer, 8);
    const unsigned tenths = value < 100 ? (unsigned)(value * 10 + 0.5) : 1000;
    if (tenths >= 100) fail(parser, PTX_NEWER, ".version %.1f", value);
    if (value * 10 - tenths > 1e-6 || tenths - value * 10 > 1e-6 || !version_exists(tenths)) fail(parser, PTX_INVALID, "there is no .version %g", value);
    parser->has_version = true;
    parser->version = tenths;
    parser->unit->newer = tenths > PTX_KNOWN;
    next(parser);
}

static void target(struct parser *parser) {
    if (parser->has_address_size || parser->unit->symbols) fail(parser, PTX_INVALID, ".target follows .version");
    bool unified = false, independent = false;
    uint32_t line;
    do {
        next(parser);
        line = parser->token.line;
        char *name = take_name(parser);
        const uint32_t after = parser->token.line;
        parser->token.line = line; /* where it is wrong */
        if (strncmp(name, "sm_", 3) != 0 && strncmp(name, "compute_", 8) != 0 && strcmp(name, "debug") != 0 && strcmp(name, "texmode_unified") != 0 &&
            strcmp(name, "texmode_independent") != 0 && strcmp(name, "map_f64_to_f32") != 0)
            fail(parser, PTX_INVALID, ".target '%s' is unknown", name);
        const char *number = strncmp(name, "sm_", 3) == 0 ? name + 3 : strncmp(name, "compute_", 8) == 0 ? name + 8 : "";
        const unsigned since = *number ? target_version(number) : 0;
        if (*number && !since) fail(parser, PTX_INVALID, "there is no .target '%s'", name);
        if (since > parser->version) fail(parser, PTX_INVALID, ".target %s needs .version %u.%u; the text has %u.%u", name, since / 10, since % 10, parser->version / 10, parser->version % 10);
        unified |= strcmp(name, "texmode_unified") == 0;
        independent |= strcmp(name, "texmode_independent") == 0;
        if (unified && independent) fail(parser, PTX_INVALID, "texmode_unified and texmode_independent");
        unsigned sm = 0;
        for (; *number >= '0' && *number <= '9' && sm < 10000; number++) sm = sm * 10 + (unsigned)(*number - '0');
        if (sm > parser->sm) parser->sm = sm;
        if (strcmp(name, "map_f64_to_f32") == 0) parser->no_doubles = true;
        parser->token.line = after;
    } while (at_punct(parser, ','));
    parser->token.line = line;
    if (!parser->sm) fail(parser, PTX_INVALID, ".target names no architecture: sm_80, for instance");
    if (parser->no_doubles && parser->sm >= 13) fail(parser, PTX_INVALID, "map_f64_to_f32 is for targets before sm_13");
    parser->has_target = true;
}

void skip_statement(struct parser *parser) {
    while (parser->token.kind != TOKEN_END && !at_punct(parser, ';') && !at_punct(parser, '}')) next(parser);
    if (at_punct(parser, ';')) next(parser);
}

void parse_pragma(struct parser *parser) {
    do {
        next(parser);
        if (parser->token.kind != TOKEN_STRING) fail(parser, PTX_INVALID, ".pragma wants a string");
        next(parser);
    } while (at_punct(parser, ','));
    expect(parser, ';');
}

void parse_loc(struct parser *parser) {
    next(parser);
    uint32_t file = (uint32_t)parse_integer(parser);
    uint32_t line = (uint32_t)parse_integer(parser);
    parse_integer(parser); /* column */
    parser->source_file = file;
    parser->source_line = line;
    while (take_punct(parser, ',')) {
        if (at_word(parser, "function_name")) {
            next(parser);
            take_name(parser);
            if (take_punct(parser, '+')) parse_integer(parser);
        } else if (at_word(parser, "inlined_at")) {
            next(parser);
            for (int i = 0; i < 3; i++) parse_integer(parser);
        } else {
            fail(parser, PTX_INVALID, "'%.*s' is unknown in .loc", (int)parser->token.length, parser->token.text);
        }
    }
}

static void file(struct parser *parser) {
    next(parser);
    uint64_t number = parse_integer(parser);
    if (parser->token.kind != TOKEN_STRING) fail(parser, PTX_INVALID, ".file wants a name");
    struct unit *unit = parser->unit;
    struct arena *arena = &parser->loader->arena;
    char *name = arena_string(arena, parser->token.text, parser->token.length);
    if (number < 65536) {
        while (unit->file_count <= number) {
            unit->files = arena_grow(arena, unit->files, unit->file_count, &unit->file_capacity, sizeof *unit->files);
            unit->files[unit->file_count++] = NULL;
        }
        unit->files[number] = name;
    }
    next(parser);
    while (take_punct(parser, ',')) parse_integer(parser);
}

static void section(struct parser *parser) { /* debug information */
    while (parser->token.kind != TOKEN_END && !at_punct(parser, '{')) next(parser);
    while (parser->token.kind != TOKEN_END && !at_punct(parser, '}')) next(parser);
    if (parser->token.kind != TOKEN_END) next(parser);
}

static void alias(struct parser *parser) {
    const uint32_t line = parser->token.line;
    next(parser);
    char *name = take_name(parser);
    expect(parser, ',');
    char *meant = take_name(parser);
    expect(parser, ';');
    struct symbol *symbol = unit_find(parser->unit, name), *target = unit_find(parser->unit, meant);
    const uint32_t following = parser->token.line;
    parser->token.line = line; /* where it is wrong */
    if (symbol && target && (symbol->forward || target->forward)) fail(parser, PTX_INVALID, ".alias wants two declared functions");
    if (!symbol || !target || symbol->kind != SYMBOL_FUNCTION || target->kind != SYMBOL_FUNCTION) fail(parser, PTX_INVALID, ".alias wants two declared functions");
    if (symbol == target) fail(parser, PTX_INVALID, ".alias of itself");
    if (symbol->function->has_body || symbol->alias) fail(parser, PTX_INVALID, "'%s' is defined already", name);
    if (target->function->is_entry) fail(parser, PTX_INVALID, "'%s' is a kernel: it has no .alias", meant);
    if (!same_signature(symbol->function, target->function)) fail(parser, PTX_INVALID, "'%s' and '%s' have different parameters", name, meant);
    parser->token.line = following;
    symbol->alias = target;
    if (symbol->linkage == LINK_EXTERN) symbol->linkage = LINK_VISIBLE;
}

static void directive(struct parser *parser) {
    enum linkage linkage = LINK_NONE;
    for (;;) {
        if (at_dot(parser, "extern")) linkage = LINK_EXTERN;
        else if (at_dot(parser, "visible")) linkage = LINK_VISIBLE;
        else if (at_dot(parser, "weak")) linkage = LINK_WEAK;
        else if (at_dot(parser, "common")) linkage = LINK_COMMON;
        else break;
        next(parser);
        if (at_dot(parser, "extern") || at_dot(parser, "visible") || at_dot(parser, "weak") || at_dot(parser, "common")) fail(parser, PTX_INVALID, "a second linkage, .%.*s", (int)parser->token.length, parser->token.text);
    }
    if (!parser->has_version && !at_dot(parser, "version")) fail(parser, PTX_INVALID, "PTX begins with .version");
    if (parser->has_version && !parser->has_target && !at_dot(parser, "target") && !at_dot(parser, "version")) fail(parser, PTX_INVALID, ".target follows .version");
    if (at_dot(parser, "version")) version(parser);
    else if (at_dot(parser, "target")) target(parser);
    else if (at_dot(parser, "address_size")) {
        if (parser->has_address_size || parser->unit->symbols) fail(parser, PTX_INVALID, ".address_size stands once, after .target");
        next(parser);
        if (parser->token.kind != TOKEN_INTEGER || (parser->token.integer != 32 && parser->token.integer != 64)) fail(parser, PTX_INVALID, ".address_size is 32 or 64");
        if (parser->token.integer != 64) fail(parser, PTX_UNSUPPORTED, ".address_size other than 64");
        parser->has_address_size = true;
        next(parser);
    } else if (at_dot(parser, "file")) file(parser);
    else if (at_dot(parser, "loc")) parse_loc(parser);
    else if (at_dot(parser, "pragma")) parse_pragma(parser);
    else if (at_dot(parser, "section")) section(parser);
    else if (at_dot(parser, "alias")) alias(parser);
    else if (at_dot(parser, "entry") || at_dot(parser, "func")) {
        if (linkage == LINK_COMMON) fail(parser, PTX_INVALID, "only variables are .common");
        function(parser, linkage);
    }
    else if (at_dot(parser, "tex")) parse_tex(parser, linkage);
    else if (space_word(parser) != SPACE_NONE && space_word(parser) != SPACE_PARAM) variables(parser, linkage);
    else fail(parser, PTX_INVALID, "'%.*s' is unknown here", (int)(parser->token.length < 60 ? parser->token.length : 60), parser->token.text);
}

/* After an error at the top: on to something that can begin a declaration. */
static void resume(struct parser *parser) {
    int depth = 0;
    while (parser->lexer.at < parser->lexer.end) {
        lexer_next(&parser->lexer, &parser->token);
        if (parser->token.kind == TOKEN_END) return;
        if (at_punct(parser, '{')) depth++;
        if (at_punct(parser, '}') && --depth <= 0) break;
        if (at_punct(parser, ';') && depth <= 0) break;
    }
    lexer_next(&parser->lexer, &parser->token);
}

struct unit *parse_unit(struct loader *loader, const struct ptx_text *text, unsigned index) {
    struct parser *parser = arena_alloc(&loader->scratch, sizeof *parser);
    parser->loader = loader;
    parser->lexer = (struct lexer){.at = text->text, .end = text->text + text->length, .line = 1};
    parser->unit = arena_alloc(&loader->arena, sizeof *parser->unit);
    parser->unit->name = arena_string(&loader->arena, text->name ? text->name : "ptx", strlen(text->name ? text->name : "ptx"));
    parser->unit_index = index;
    loader->unit_name = parser->unit->name;
    if (setjmp(parser->give_up) == 0) next(parser);
    while (parser->token.kind != TOKEN_END && loader->errors < MAX_ERRORS) {
        if (setjmp(parser->give_up) == 0) {
            parser->depth = 0;
            directive(parser);
        } else {
            resume(parser);
        }
    }
    for (const struct symbol *s = parser->unit->symbols; s; s = s->next)
        if (s->forward) loader_error(loader, PTX_INVALID, s->line, "'%s' is not declared", s->name);
    if (!parser->has_version && loader->errors == 0) loader_error(loader, PTX_INVALID, 1, "PTX begins with .version");
    if (!parser->has_target && loader->errors == 0) loader_error(loader, PTX_INVALID, parser->token.line, ".target follows .version");
    return parser->unit;
}
