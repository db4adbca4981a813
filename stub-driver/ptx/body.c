/* Parsing a function's body: scopes, registers, labels, instructions and their operands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser.h"

static unsigned bucket_of(const char *text, size_t length) {
    unsigned h = 2166136261u;
    for (size_t i = 0; i < length; i++) h = (h ^ (unsigned char)text[i]) * 16777619u;
    return h & (NAME_BUCKETS - 1);
}

void push_scope(struct parser *parser) {
    struct function *f = parser->function;
    if (parser->scope + 1 >= MAX_DEPTH) fail(parser, PTX_INVALID, "blocks nested too deeply");
    uint32_t parent = parser->scope >= 0 ? parser->scope_ids[parser->scope] : UINT32_MAX;
    f->scope_parent = arena_grow(&parser->loader->scratch, f->scope_parent, f->scope_count, &f->scope_capacity, sizeof *f->scope_parent);
    f->scope_parent[f->scope_count] = parent;
    parser->scope++;
    parser->scope_ids[parser->scope] = (uint32_t)f->scope_count++;
    parser->scope_names[parser->scope] = NULL;
}

void pop_scope(struct parser *parser) {
    for (struct name *name = parser->scope_names[parser->scope]; name; name = name->older) parser->names[name->bucket] = name->next;
    parser->scope--;
}

struct name *enter_name(struct parser *parser, const char *text, uint32_t length) {
    unsigned bucket = bucket_of(text, length);
    for (struct name *other = parser->names[bucket]; other; other = other->next)
        if (other->scope == parser->scope && other->length == length && memcmp(other->text, text, length) == 0)
            fail(parser, PTX_INVALID, "'%.*s' is declared twice", (int)(length < 60 ? length : 60), text);
    struct name *name = arena_alloc(&parser->loader->names, sizeof *name);
    name->scope = parser->scope;
    name->text = text;
    name->length = length;
    name->bucket = bucket;
    name->next = parser->names[bucket];
    parser->names[bucket] = name;
    name->older = parser->scope_names[parser->scope];
    parser->scope_names[parser->scope] = name;
    return name;
}

uint32_t new_register(struct parser *parser, enum ptx_type type) {
    struct function *f = parser->function;
    if (f->reg_count >= MAX_REGISTERS) fail(parser, PTX_INVALID, "more than %d registers", MAX_REGISTERS);
    f->regs = arena_grow(&parser->loader->scratch, f->regs, f->reg_count, &f->reg_capacity, sizeof *f->regs);
    f->regs[f->reg_count] = (struct reg){type, -1};
    return (uint32_t)f->reg_count++;
}

static struct name *enter_register(struct parser *parser, const struct token *word, const struct declaration *d, enum name_kind kind) {
    struct name *name = enter_name(parser, word->text, word->length);
    name->kind = kind;
    name->type = d->type;
    name->vector = d->vector;
    return name;
}

static struct name *find_exact(struct parser *parser, const char *text, uint32_t length, bool range) {
    for (struct name *name = parser->names[bucket_of(text, length)]; name; name = name->next)
        if (name->length == length && memcmp(name->text, text, length) == 0 && (name->kind == NAME_RANGE) == range) return name;
    return NULL;
}

/* A name of the function: the register in *reg, or a variable. */
static struct name *find_name(struct parser *parser, const char *text, uint32_t length, uint32_t *reg) {
    struct name *name = find_exact(parser, text, length, false);
    if (name) {
        *reg = name->reg;
        return name;
    }
    uint32_t digits = 0;
    while (digits < length && digits < 8 && text[length - 1 - digits] >= '0' && text[length - 1 - digits] <= '9') digits++;
    for (uint32_t n = 1; n <= digits; n++) { /* "%r1" may be a range of its own: %r12 = %r1<...> member 2 */
        const char *number = text + length - n;
        if (*number == '0' && n > 1) continue;
        name = find_exact(parser, text, length - n, true);
        if (!name) continue;
        uint32_t index = 0;
        for (uint32_t i = 0; i < n; i++) index = index * 10 + (uint32_t)(number[i] - '0');
        if (index >= name->count) continue;
        if (name->members[index] == 0) {
            name->members[index] = new_register(parser, name->type) + 1;
            for (uint32_t i = 1; i < name->vector; i++) new_register(parser, name->type);
        }
        *reg = name->members[index] - 1;
        return name;
    }
    return NULL;
}

void parse_registers(struct parser *parser) {
    next(parser);
    struct declaration d = {.space = SPACE_REG};
    parse_type_words(parser, &d);
    do {
        if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "a register's name is needed");
        const struct token word = parser->token; /* the name is entered when all about it is known */
        uint32_t member;
        const struct name *before = find_name(parser, word.text, word.length, &member);
        if (before && before->kind == NAME_RANGE && before->scope == parser->scope) fail(parser, PTX_INVALID, "'%.*s' is declared twice", (int)(word.length < 60 ? word.length : 60), word.text);
        next(parser);
        if (take_punct(parser, '<')) {
            if (parser->token.kind != TOKEN_INTEGER) fail(parser, PTX_INVALID, "the number of registers is needed");
            uint64_t count = parser->token.integer;
            next(parser);
            expect(parser, '>');
            if (count > MAX_REGISTERS || (parser->declared_registers += (uint32_t)count) > MAX_REGISTERS) fail(parser, PTX_INVALID, "more than %d registers", MAX_REGISTERS);
            uint32_t *members = arena_alloc(&parser->loader->names, (count + 1) * sizeof *members);
            struct name *name = enter_register(parser, &word, &d, NAME_RANGE);
            name->count = (uint32_t)count;
            name->members = members;
        } else {
            uint32_t reg = new_register(parser, d.type);
            for (uint32_t i = 1; i < d.vector; i++) new_register(parser, d.type);
            enter_register(parser, &word, &d, NAME_REG)->reg = reg;
        }
    } while (take_punct(parser, ','));
    expect(parser, ';');
}

static void parse_operand(struct parser *parser, struct operand *operand, bool in_call);

/* A list of operands that grows, and then takes no more memory than it needs: few have more than four. */
struct operands {
    struct operand *list;
    size_t count, capacity;
    struct operand few[4];
};

static void begin_operands(struct operands *o) {
    o->list = o->few;
    o->count = 0;
    o->capacity = sizeof o->few / sizeof *o->few;
}

/* The place of the next one; it holds until the one after it is asked for. */
static struct operand *next_operand(struct parser *parser, struct operands *o) {
    if (o->count == o->capacity && o->list == o->few) {
        o->capacity *= 2;
        o->list = arena_alloc(&parser->loader->scratch, o->capacity * sizeof *o->list);
        memcpy(o->list, o->few, sizeof o->few);
    }
    o->list = arena_grow(&parser->loader->scratch, o->list, o->count, &o->capacity, sizeof *o->list);
    return &o->list[o->count++];
}

static struct operand *take_operands(struct parser *parser, struct operands *o, uint32_t *count) {
    *count = (uint32_t)o->count;
    return o->list == o->few ? arena_copy(&parser->loader->scratch, o->few, o->count, sizeof *o->few) : o->list;
}

static struct operand *parse_parts(struct parser *parser, char close, uint32_t *count, bool in_call) {
    struct operands list;
    for (begin_operands(&list); !at_punct(parser, close);) {
        parse_operand(parser, next_operand(parser, &list), in_call);
        if (!take_punct(parser, ',')) break;
    }
    expect(parser, close);
    return take_operands(parser, &list, count);
}

static void note_use(struct parser *parser, struct symbol *symbol) {
    struct function *f = parser->function;
    for (size_t i = f->use_count; i > 0 && i + 8 > f->use_count; i--)
        if (f->uses[i - 1] == symbol) return;
    f->uses = arena_grow(&parser->loader->scratch, f->uses, f->use_count, &f->use_capacity, sizeof *f->uses);
    f->uses[f->use_count++] = symbol;
}

static void add_offset(struct parser *parser, struct operand *operand) {
    while (take_punct(parser, '+')) operand->integer += parse_integer(parser);
}

static void word_operand(struct parser *parser, struct operand *operand) {
    struct token token = parser->token;
    if (token.length == 1 && token.text[0] == '_') {
        operand->kind = OPERAND_SINK;
        next(parser);
        return;
    }
    if (at_word(parser, "WARP_SZ")) {
        struct constant constant;
        parse_constant(parser, &constant);
        operand->kind = OPERAND_INT;
        operand->integer = constant.bits;
        return;
    }
    next(parser);
    uint32_t reg = 0;
    struct name *name = find_name(parser, token.text, token.length, &reg);
    if (name && name->kind != NAME_VARIABLE) {
        operand->kind = OPERAND_REG;
        operand->reg = reg;
        if (parser->token.kind == TOKEN_DOT && parser->token.text == token.text + token.length + 1) {
            const char *at = parser->token.length == 1 ? strchr("xyzw", parser->token.text[0]) : NULL;
            const char *colour = parser->token.length == 1 ? strchr("rgba", parser->token.text[0]) : NULL;
            uint32_t index = at ? (uint32_t)(at - "xyzw") : 9;
            if (!at && colour) index = parser->token.text[0] == 'r' ? 0 : parser->token.text[0] == 'g' ? 1 : parser->token.text[0] == 'b' ? 2 : 3;
            else if (at) index = parser->token.text[0] == 'w' ? 3 : (uint32_t)(parser->token.text[0] - 'x');
            if (index < name->vector && name->vector > 1) {
                operand->reg += index;
            } else { /* a part of the register; decode.c knows who may have one */
                operand->selector = parser->token.text;
                operand->selector_length = (uint8_t)(parser->token.length < 8 ? parser->token.length : 8);
            }
            next(parser);
        } else if (name->vector > 1) { /* the whole vector */
            operand->kind = OPERAND_VECTOR;
            operand->count = name->vector;
            operand->parts = arena_alloc(&parser->loader->scratch, name->vector * sizeof *operand->parts);
            for (uint32_t i = 0; i < name->vector; i++) operand->parts[i] = (struct operand){.kind = OPERAND_REG, .reg = reg + i};
        }
        return;
    }
    if (token.text[0] == '%' && !name) {
        char full[64];
        int n = snprintf(full, sizeof full, "%.*s", (int)(token.length < 40 ? token.length : 40), token.text);
        if (parser->token.kind == TOKEN_DOT && parser->token.text == token.text + token.length + 1) {
            snprintf(full + n, sizeof full - (size_t)n, ".%.*s", (int)(parser->token.length < 8 ? parser->token.length : 8), parser->token.text);
            next(parser);
        }
        operand->special = special_named(full);
        if (operand->special != SR_COUNT) {
            operand->kind = OPERAND_SPECIAL;
            return;
        }
        char first[72];
        snprintf(first, sizeof first, "%s.x", full);
        if (special_named(first) != SR_COUNT) { /* "mov.v4.u32 %v, %tid": the whole vector */
            operand->kind = OPERAND_VECTOR;
            operand->count = 4;
            operand->parts = arena_alloc(&parser->loader->scratch, 4 * sizeof *operand->parts);
            for (int i = 0; i < 4; i++) {
                snprintf(first, sizeof first, "%s.%c", full, "xyzw"[i]);
                operand->parts[i] = (struct operand){.kind = OPERAND_SPECIAL, .special = special_named(first)};
            }
            return;
        }
        fail(parser, PTX_INVALID, "register '%s' is not declared", full);
    }
    struct symbol *symbol = name ? name->symbol : NULL;
    char *text = symbol ? NULL : arena_string(&parser->loader->scratch, token.text, token.length);
    if (!symbol) symbol = unit_find(parser->unit, text);
    if (symbol) {
        operand->kind = OPERAND_SYMBOL;
        operand->symbol = symbol;
        if (!name) note_use(parser, symbol);
        return;
    }
    if (parser->takes_labels) {
        operand->kind = OPERAND_LABEL;
        operand->name = text;
        return;
    }
    operand->kind = OPERAND_SYMBOL;
    operand->symbol = forward_symbol(parser, arena_string(&parser->loader->arena, token.text, token.length), token.line);
    note_use(parser, operand->symbol);
}

/* Vector registers in a call's lists are their elements, as the parameters that they meet are (parser.c). */
static void flatten(struct parser *parser, struct operand *list) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) count += list->parts[i].kind == OPERAND_VECTOR ? list->parts[i].count : 1;
    if (count == list->count) return;
    struct operand *parts = arena_alloc(&parser->loader->scratch, (count + 1) * sizeof *parts);
    for (uint32_t i = 0, n = 0; i < list->count; i++) {
        const struct operand *o = &list->parts[i];
        if (o->kind != OPERAND_VECTOR) parts[n++] = *o;
        else for (uint32_t k = 0; k < o->count; k++) parts[n++] = o->parts[k];
    }
    list->parts = parts;
    list->count = count;
}

/* `a[2]`: for mov the address of an array's element, for ld and st the element. */
static void element(struct parser *parser, struct operand *operand) {
    const struct symbol *symbol = operand->symbol;
    if (symbol->kind != SYMBOL_VARIABLE || !symbol->array) fail(parser, PTX_INVALID, "'%s' is no array", symbol->name);
    next(parser);
    if (parser->token.kind == TOKEN_WORD) fail(parser, PTX_UNSUPPORTED, "an element whose number is in a register");
    operand->integer = parse_integer(parser) * ptx_types[symbol->type].bytes * symbol->vector;
    expect(parser, ']');
    if (parser->moves) return;
    struct operand *base = arena_alloc(&parser->loader->scratch, sizeof *base);
    *base = *operand;
    base->integer = 0;
    operand->kind = OPERAND_ADDRESS;
    operand->parts = base;
    operand->count = 1;
}

static void parse_operand(struct parser *parser, struct operand *operand, bool in_call) {
    if (++parser->depth > MAX_DEPTH) fail(parser, PTX_INVALID, "operands nested too deeply");
    memset(operand, 0, sizeof *operand);
    struct lexer saved = parser->lexer;
    struct token exclamation = parser->token;
    bool negated = take_punct(parser, '!');
    if (negated && parser->token.kind != TOKEN_WORD) { /* of a constant expression */
        parser->lexer = saved;
        parser->token = exclamation;
        negated = false;
    }
    if (at_punct(parser, '-')) { /* "-%r1" of vmad, or a constant */
        saved = parser->lexer;
        struct token minus = parser->token;
        next(parser);
        if (parser->token.kind == TOKEN_WORD && parser->token.text[0] == '%') {
            negated = true;
        } else {
            parser->lexer = saved;
            parser->token = minus;
        }
    }
    operand->negated = negated;
    if (at_punct(parser, '{')) {
        next(parser);
        operand->kind = OPERAND_VECTOR;
        operand->parts = parse_parts(parser, '}', &operand->count, in_call);
    } else if (at_punct(parser, '[')) {
        next(parser);
        operand->kind = OPERAND_ADDRESS;
        operand->count = 1;
        operand->parts = arena_alloc(&parser->loader->scratch, sizeof *operand->parts);
        parse_operand(parser, operand->parts, false);
        /* The base's own "+ 4" was taken with it. */
        operand->integer = operand->parts->integer;
        if (operand->parts->kind == OPERAND_INT || operand->parts->kind == OPERAND_SYMBOL) operand->parts->integer = operand->parts->kind == OPERAND_INT ? operand->parts->integer : 0;
        if (operand->parts->kind == OPERAND_INT) operand->integer = 0;
        if (operand->parts->kind == OPERAND_REG) operand->parts->integer = 0;
        if (operand->parts->kind == OPERAND_LABEL) fail(parser, PTX_INVALID, "'%s' is not declared", operand->parts->name);
        if (operand->parts->kind != OPERAND_INT && operand->parts->kind != OPERAND_SYMBOL && operand->parts->kind != OPERAND_REG)
            fail(parser, PTX_UNSUPPORTED, "this form of address");
        if (at_punct(parser, ',')) { /* an image: its sampler and coordinates follow */
            struct operands list;
            begin_operands(&list);
            *next_operand(parser, &list) = *operand->parts;
            while (take_punct(parser, ',')) parse_operand(parser, next_operand(parser, &list), false);
            operand->parts = take_operands(parser, &list, &operand->count);
        }
        expect(parser, ']');
    } else if (at_punct(parser, '(') && in_call) {
        next(parser);
        operand->kind = OPERAND_LIST;
        operand->parts = parse_parts(parser, ')', &operand->count, false);
        flatten(parser, operand);
    } else if (parser->token.kind == TOKEN_WORD && !at_word(parser, "WARP_SZ")) {
        word_operand(parser, operand);
        if (operand->kind == OPERAND_SYMBOL && at_punct(parser, '[')) element(parser, operand);
        else if (operand->kind == OPERAND_REG || operand->kind == OPERAND_SYMBOL) add_offset(parser, operand);
    } else {
        struct constant constant;
        parse_constant(parser, &constant);
        operand->kind = !constant.is_float ? OPERAND_INT : constant.is_float32 ? OPERAND_FLOAT32 : OPERAND_FLOAT64;
        operand->integer = constant.bits;
    }
    if (at_punct(parser, '|') && (operand->kind == OPERAND_REG || operand->kind == OPERAND_SINK || operand->kind == OPERAND_VECTOR)) {
        next(parser);
        struct operand first = *operand;
        operand->parts = arena_alloc(&parser->loader->scratch, 2 * sizeof *operand->parts);
        operand->parts[0] = first;
        parse_operand(parser, &operand->parts[1], false);
        operand->kind = OPERAND_PAIR;
        operand->count = 2;
    }
    parser->depth--;
}

static struct label *add_label(struct parser *parser, const char *text, uint32_t length, uint32_t line) {
    struct function *f = parser->function;
    struct label **bucket = &parser->labels[bucket_of(text, length)];
    for (const struct label *other = *bucket; other; other = other->bucket_next)
        if (other->scope == parser->scope_ids[parser->scope] && strlen(other->name) == length && memcmp(other->name, text, length) == 0)
            fail(parser, PTX_INVALID, "label '%s' is there twice, in line %u too", other->name, other->line);
    struct label *label = arena_alloc(&parser->loader->scratch, sizeof *label);
    label->bucket_next = *bucket;
    *bucket = label;
    label->name = arena_string(&parser->loader->scratch, text, length);
    label->scope = parser->scope_ids[parser->scope];
    label->position = (uint32_t)f->statement_count;
    label->line = line;
    label->next = f->labels;
    f->labels = label;
    return label;
}

static void prototype_list(struct parser *parser, struct parameter **list, size_t *count, size_t *capacity) {
    expect(parser, '(');
    while (!at_punct(parser, ')')) {
        const bool in_register = at_dot(parser, "reg");
        if (!in_register && !at_dot(parser, "param")) fail(parser, PTX_INVALID, "a parameter begins with .param or .reg");
        next(parser);
        struct declaration d = {.space = in_register ? SPACE_REG : SPACE_PARAM};
        parse_type_words(parser, &d);
        struct parameter parameter = {.type = d.type};
        if (in_register) {
            if (d.vector != 1) fail(parser, PTX_UNSUPPORTED, "a vector register as a parameter");
            take_name(parser);
            parameter.size = parameter.align = d.type == T_PRED ? 4 : ptx_types[d.type].bytes;
        } else {
            struct symbol *symbol = parse_declarator(parser, &d, LINK_NONE);
            if (symbol->open_array) fail(parser, PTX_UNSUPPORTED, "variadic parameters");
            if (symbol->range || symbol->size > PARAM_BYTES) fail(parser, PTX_INVALID, "a parameter of this size");
            parameter.size = (uint32_t)symbol->size;
            parameter.align = symbol->align;
            parameter.array = symbol->array;
            parameter.symbol = symbol;
        }
        *list = arena_grow(&parser->loader->scratch, *list, *count, capacity, sizeof **list);
        (*list)[(*count)++] = parameter;
        if (!take_punct(parser, ',')) break;
    }
    expect(parser, ')');
}

/* ".callprototype (results) _ (parameters) .noreturn;" */
static void parse_prototype(struct parser *parser, struct label *label) {
    struct prototype *p = label->prototype = arena_alloc(&parser->loader->scratch, sizeof *p);
    if (at_punct(parser, '(')) prototype_list(parser, &p->results, &p->result_count, &p->result_capacity);
    if (!at_word(parser, "_")) fail(parser, PTX_INVALID, "a .callprototype has '_' in place of a name");
    next(parser);
    if (at_punct(parser, '(')) prototype_list(parser, &p->params, &p->param_count, &p->param_capacity);
    skip_statement(parser); /* .noreturn, .abi_preserve ... */
}

static bool label_table(struct parser *parser, struct label *label) {
    bool targets = at_dot(parser, "branchtargets");
    if (!targets && !at_dot(parser, "calltargets") && !at_dot(parser, "callprototype")) return false;
    label->is_table = true;
    bool prototype = at_dot(parser, "callprototype");
    next(parser);
    if (prototype) {
        parse_prototype(parser, label);
        return true;
    }
    size_t capacity = 0;
    do {
        if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "a name is needed");
        char *name = arena_string(&parser->loader->scratch, parser->token.text, parser->token.length);
        if (targets) {
            label->targets = arena_grow(&parser->loader->scratch, label->targets, label->target_count, &capacity, sizeof *label->targets);
            label->targets[label->target_count++] = name;
        } else {
            struct symbol *symbol = unit_find(parser->unit, name);
            if (!symbol || symbol->kind != SYMBOL_FUNCTION) fail(parser, PTX_INVALID, "function '%s' is not declared", name);
            note_use(parser, symbol);
            label->callees = arena_grow(&parser->loader->scratch, label->callees, label->target_count, &capacity, sizeof *label->callees);
            label->callees[label->target_count++] = symbol;
        }
        next(parser);
    } while (take_punct(parser, ','));
    expect(parser, ';');
    return true;
}

static void instruction(struct parser *parser) {
    struct function *f = parser->function;
    struct arena *arena = &parser->loader->scratch;
    struct word words[OPCODE_WORDS];
    struct statement s = {.guard = -1, .opcode.words = words};
    s.line = parser->token.line;
    s.source_file = parser->source_file;
    s.source_line = parser->source_line;
    s.scope = parser->scope_ids[parser->scope];
    if (take_punct(parser, '@')) {
        s.guard_not = take_punct(parser, '!');
        uint32_t reg;
        const struct name *name = parser->token.kind == TOKEN_WORD ? find_name(parser, parser->token.text, parser->token.length, &reg) : NULL;
        if (!name || name->kind == NAME_VARIABLE || name->vector > 1 || f->regs[reg].type != T_PRED)
            fail(parser, PTX_INVALID, "the guard '%.*s' is no declared predicate", (int)parser->token.length, parser->token.text);
        s.guard = (int32_t)reg;
        next(parser);
    }
    if (parser->token.kind != TOKEN_WORD) fail(parser, PTX_INVALID, "an instruction is needed, not '%.*s'", (int)(parser->token.length < 40 ? parser->token.length : 40), parser->token.text);
    s.opcode.name = parser->token.text;
    s.opcode.name_length = parser->token.length;
    const char *start = parser->token.text;
    const char *end = start + parser->token.length;
    next(parser);
    bool too_many = false;
    while (parser->token.kind == TOKEN_DOT) {
        if (s.opcode.count < OPCODE_WORDS) {
            s.opcode.words[s.opcode.count].text = parser->token.text;
            s.opcode.words[s.opcode.count++].length = parser->token.length;
        } else {
            too_many = true;
        }
        end = parser->token.text + parser->token.length;
        next(parser);
    }
    int length = end - start < 120 ? (int)(end - start) : 120;
    if (too_many || !table_match(&s.opcode, &s.match)) {
        uint32_t line = s.line;
        const char *reason = table_refusal(&s.opcode);
        parser->token.line = line;
        if (reason) fail(parser, PTX_UNSUPPORTED, "instruction '%.*s': %s", length, start, reason);
        if (table_has_mnemonic(s.opcode.name, s.opcode.name_length))
            fail(parser, PTX_UNSUPPORTED, "instruction '%.*s': this form is not known (docs/PTX.md lists those of '%.*s')", length, start, (int)s.opcode.name_length, s.opcode.name);
        fail(parser, PTX_INVALID, "instruction '%.*s' is unknown", length, start);
    }
    if (parser->no_doubles && opcode_has(&s.opcode, "f64")) fail(parser, PTX_UNSUPPORTED, "f64 under .target map_f64_to_f32");
    struct requirement needs = table_requirement(&s.opcode);
    if (needs.version > parser->version || (parser->sm && needs.sm > parser->sm) || (needs.gone_version && parser->version >= needs.gone_version && parser->sm >= needs.gone_sm))
        parser->token.line = s.line;
    if (needs.version > parser->version)
        fail(parser, PTX_INVALID, "instruction '%.*s' needs .version %u.%u; the text has %u.%u", length, start, needs.version / 10, needs.version % 10, parser->version / 10, parser->version % 10);
    if (parser->sm && needs.sm > parser->sm) fail(parser, PTX_INVALID, "instruction '%.*s' needs .target sm_%u; the text has sm_%u", length, start, needs.sm, parser->sm);
    if (needs.gone_version && parser->version >= needs.gone_version && parser->sm >= needs.gone_sm)
        fail(parser, PTX_INVALID, "instruction '%.*s' is no longer there for sm_%u and .version %u.%u: use %s", length, start, parser->sm, parser->version / 10, parser->version % 10,
             s.opcode.name_length == 3 ? "a rounding mode" : s.opcode.name[0] == 'w' ? "no .satfinite" : "its .sync form"); /* mad; wmma; shfl, vote */
    struct operands operands;
    begin_operands(&operands);
    bool call = s.match.row->kind == KIND_CALL;
    parser->moves = s.match.row->kind != KIND_LD && s.match.row->kind != KIND_ST;
    parser->takes_labels = call || s.match.row->kind == KIND_BRA || s.match.row->kind == KIND_BRX;
    while (!at_punct(parser, ';')) {
        parse_operand(parser, next_operand(parser, &operands), call);
        if (!take_punct(parser, ',')) break;
    }
    expect(parser, ';');
    s.operands = take_operands(parser, &operands, &s.operand_count);
    s.opcode.words = arena_copy(arena, words, s.opcode.count, sizeof *words);
    f->statements = arena_grow(arena, f->statements, f->statement_count, &f->statement_capacity, sizeof s);
    f->statements[f->statement_count++] = s;
}

static void enter_variable(struct parser *parser, struct symbol *symbol, const char *text, uint32_t length) {
    struct function *f = parser->function;
    check_name(parser, symbol->name);
    symbol->in_function = true;
    symbol->function = f;
    symbol->definition = symbol;
    struct name *name = enter_name(parser, text, length);
    name->kind = NAME_VARIABLE;
    name->symbol = symbol;
    if (symbol->space == SPACE_SHARED || symbol->space == SPACE_GLOBAL || symbol->space == SPACE_CONST) {
        enter_symbol(parser, symbol);
        note_use(parser, symbol);
    } else {
        symbol->next = f->variables;
        f->variables = symbol;
    }
}

/* ".param .u64 %P<2>" declares %P0 and %P1 (GCC's calls have them). */
static void variable_range(struct parser *parser, const struct symbol *pattern) {
    struct arena *arena = pattern->space == SPACE_PARAM || pattern->space == SPACE_LOCAL ? &parser->loader->scratch : &parser->loader->arena;
    if (pattern->initial || pattern->relocation_count || pattern->open_array) fail(parser, PTX_INVALID, "'%s': a range of variables has neither initial values nor an open size", pattern->name);
    if (pattern->size > 1 << 16) fail(parser, PTX_INVALID, "'%s' is too large for a range", pattern->name);
    for (uint32_t i = 0; i < pattern->range; i++) {
        char *text = arena_alloc(arena, strlen(pattern->name) + 12);
        int length = sprintf(text, "%s%u", pattern->name, i);
        struct symbol *symbol = arena_alloc(arena, sizeof *symbol);
        *symbol = *pattern;
        symbol->name = text;
        symbol->range = 0;
        enter_variable(parser, symbol, text, (uint32_t)length);
    }
}

static void local_variables(struct parser *parser, enum space space) {
    next(parser);
    struct declaration d = {.space = space};
    parse_type_words(parser, &d);
    do {
        struct token word = parser->token;
        struct symbol *symbol = parse_declarator(parser, &d, LINK_NONE);
        if (symbol->range) {
            variable_range(parser, symbol);
            continue;
        }
        if (symbol->open_array) fail(parser, PTX_UNSUPPORTED, "an array of open size inside a function");
        if (space == SPACE_LOCAL || space == SPACE_PARAM) {
            if (symbol->size > 1 << 24) fail(parser, PTX_INVALID, "'%s' is too large for local memory", symbol->name);
        }
        enter_variable(parser, symbol, word.text, word.length);
    } while (take_punct(parser, ','));
    expect(parser, ';');
}

static void statement(struct parser *parser) {
    if (at_punct(parser, '{')) {
        next(parser);
        push_scope(parser);
    } else if (at_punct(parser, '}')) {
        pop_scope(parser);
        if (parser->scope >= 0) next(parser);
    } else if (parser->token.kind == TOKEN_DOT) {
        if (at_dot(parser, "reg")) parse_registers(parser);
        else if (at_dot(parser, "local")) local_variables(parser, SPACE_LOCAL);
        else if (at_dot(parser, "shared")) local_variables(parser, SPACE_SHARED);
        else if (at_dot(parser, "param")) local_variables(parser, SPACE_PARAM);
        else if (at_dot(parser, "global")) local_variables(parser, SPACE_GLOBAL);
        else if (at_dot(parser, "const")) local_variables(parser, SPACE_CONST);
        else if (at_dot(parser, "loc")) parse_loc(parser);
        else if (at_dot(parser, "pragma")) parse_pragma(parser);
        else fail(parser, PTX_INVALID, "directive '.%.*s' is unknown in a function", (int)parser->token.length, parser->token.text);
    } else if (parser->token.kind == TOKEN_WORD) {
        struct lexer saved = parser->lexer;
        struct token word = parser->token;
        next(parser);
        if (at_punct(parser, ':')) {
            next(parser);
            struct label *label = add_label(parser, word.text, word.length, word.line);
            label_table(parser, label);
        } else {
            parser->lexer = saved;
            parser->token = word;
            instruction(parser);
        }
    } else {
        instruction(parser);
    }
}

void parse_body(struct parser *parser) {
    jmp_buf outer;
    memcpy(outer, parser->give_up, sizeof outer);
    next(parser);
    while (parser->loader->errors < MAX_ERRORS) {
        if (setjmp(parser->give_up) == 0) {
            parser->depth = 0;
            /* The braces of the body are the scope that the parameters are in. */
            if (parser->scope < 0 || parser->token.kind == TOKEN_END) break;
            statement(parser);
        } else { /* on to the next statement */
            while (parser->token.kind != TOKEN_END && !at_punct(parser, ';') && !at_punct(parser, '{') && !at_punct(parser, '}')) lexer_next(&parser->lexer, &parser->token);
            if (at_punct(parser, ';')) lexer_next(&parser->lexer, &parser->token);
            if (parser->token.kind == TOKEN_BAD) lexer_next(&parser->lexer, &parser->token);
        }
    }
    memcpy(parser->give_up, outer, sizeof outer);
    if (parser->loader->errors >= MAX_ERRORS) return;
    if (parser->scope >= 0) fail(parser, PTX_INVALID, "the text ends inside '%s'", parser->function->name);
    next(parser); /* the body's closing brace */
}
