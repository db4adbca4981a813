/* From parsed statements to instructions that run: types checked, registers and constants given their rows, handlers
 * found by the row's key. Whatever does not fit is refused here, with its line. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "decode.h"


void refuse(struct decoder *d, enum ptx_status status, const char *format, ...) {
    char text[300], name[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int n = snprintf(name, sizeof name, "%.*s", (int)(d->s->opcode.name_length < 40 ? d->s->opcode.name_length : 40), d->s->opcode.name);
    for (uint32_t i = 0; i < d->s->opcode.count && n < 120; i++)
        n += snprintf(name + n, sizeof name - (size_t)n, ".%.*s", (int)(d->s->opcode.words[i].length < 40 ? d->s->opcode.words[i].length : 40), d->s->opcode.words[i].text);
    const struct unit *const unit = d->module->units[d->f->unit];
    d->loader->unit_name = unit->name;
    loader_error(d->loader, wrong_in(unit, status), d->s->line, "instruction '%s': %s", name, text);
    longjmp(d->give_up, 1);
}

/* ---- rows */

unsigned row_bytes(enum ptx_type type) { return type == T_PRED ? 0 : ptx_types[type].bytes >= 8 ? ptx_types[type].bytes : 4; }

/* The frame's next bytes. */
static uint32_t extend_frame(struct decoder *d, uint32_t size, enum frame_row kind) {
    uint32_t at = d->frame;
    d->frame += size;
    if (d->frame > 1u << 28) refuse(d, PTX_UNSUPPORTED, "too many registers");
    for (uint32_t k = at / ROW32; !d->f->is_entry && k < d->frame / ROW32; k++) {
        d->rows = arena_grow(&d->loader->scratch, d->rows, k, &d->row_capacity, sizeof *d->rows);
        d->rows[k] = (uint8_t)kind;
    }
    return at;
}

int32_t new_row(struct decoder *d, unsigned bytes) {
    if (bytes == 0) {
        if (d->pred_left == 0) {
            d->preds = extend_frame(d, ROW32, FRAME_PREDICATES);
            d->pred_left = 32;
        }
        return (int32_t)(d->preds + 4 * (32 - d->pred_left--));
    }
    return (int32_t)extend_frame(d, bytes == 16 ? 2 * ROW64 : bytes == 8 ? ROW64 : ROW32, bytes >= 8 ? FRAME_LONGS : FRAME_WORDS);
}

int32_t reg_row(struct decoder *d, uint32_t reg) {
    struct reg *r = &d->f->regs[reg];
    if (r->slot < 0) r->slot = new_row(d, row_bytes(r->type));
    return r->slot;
}

struct pool_entry {
    uint64_t value;
    unsigned bytes;
    const struct symbol *symbol;
    uint32_t offset;
    struct pool_entry *next;
};

/* A row of the pool that holds `value` in every lane; bytes 0: a predicate. With `symbol`, its address is added. */
int32_t pool_row(struct decoder *d, uint64_t value, unsigned bytes, struct symbol *symbol) {
    struct ptx_module *module = d->module;
    struct arena *arena = &module->loader.scratch; /* the pool is copied when all is decoded: decode_end() */
    unsigned h = (unsigned)((value ^ (value >> 29)) * 2654435761u ^ bytes ^ (unsigned)((uintptr_t)symbol >> 4)) & 1023;
    if (!module->pool_hash) module->pool_hash = arena_alloc(arena, 1024 * sizeof *module->pool_hash);
    for (struct pool_entry *e = module->pool_hash[h]; e; e = e->next)
        if (e->value == value && e->bytes == bytes && e->symbol == symbol) return (int32_t)(e->offset | BANK_POOL);
    uint32_t size = bytes == 8 ? ROW64 : ROW32;
    if (module->pool_bytes + size > 1u << 30) refuse(d, PTX_UNSUPPORTED, "too many constants");
    while (module->pool_bytes + size > module->pool_capacity * ROW32) module->pool = arena_grow(arena, module->pool, module->pool_capacity, &module->pool_capacity, ROW32);
    uint32_t offset = (uint32_t)module->pool_bytes;
    module->pool_bytes += size;
    for (int i = 0; i < LANES; i++) {
        if (bytes == 8) memcpy(module->pool + offset + 8 * i, &value, 8);
        else memcpy(module->pool + offset + 4 * i, &value, 4);
    }
    if (symbol) {
        module->patches = arena_grow(arena, module->patches, module->patch_count, &module->patch_capacity, sizeof *module->patches);
        module->patches[module->patch_count++] = (struct pool_patch){offset, symbol, value};
    }
    struct pool_entry *entry = arena_alloc(arena, sizeof *entry);
    *entry = (struct pool_entry){value, bytes, symbol, offset, module->pool_hash[h]};
    module->pool_hash[h] = entry;
    return (int32_t)(offset | BANK_POOL);
}

/* ---- emitting */

struct insn *emit(struct decoder *d, insn_run run) {
    struct arena *arena = &d->loader->scratch;
    d->insns = arena_grow(arena, d->insns, d->count, &d->capacity, sizeof *d->insns);
    d->statements = arena_grow(arena, d->statements, d->count, &d->statement_capacity, sizeof *d->statements);
    d->statements[d->count] = d->s;
    struct insn *insn = &d->insns[d->count++];
    memset(insn, 0, sizeof *insn);
    insn->run = run;
    insn->d = insn->d2 = insn->a = insn->b = insn->c = insn->e = -1;
    insn->guard = d->s->guard >= 0 ? reg_row(d, (uint32_t)d->s->guard) : -1;
    insn->guard_not = d->s->guard_not ? 0xff : 0;
    return insn;
}

insn_run handler(struct decoder *d, const char *key) {
    insn_run run = ops_find(key);
    if (!run) refuse(d, PTX_UNSUPPORTED, "the engine has no '%s'", key);
    return run;
}

/* ---- operands */

static bool kinds_agree(enum ptx_type instruction, enum ptx_type reg) {
    char i = ptx_types[instruction].kind, r = ptx_types[reg].kind;
    if (i == 'p' || r == 'p') return i == r;
    if (instruction == T_F16 || instruction == T_F16X2) return true; /* live in .b16, .b32 and, in old code, .u16, .u32 */
    if (i == 'b' || r == 'b') return true;
    return (i == 'f') == (r == 'f');
}

void check_reg(struct decoder *d, uint32_t reg, enum ptx_type type, bool wider) {
    enum ptx_type have = d->f->regs[reg].type;
    unsigned want = ptx_types[type].bytes, got = ptx_types[have].bytes;
    if (!kinds_agree(type, have) || (wider ? got < want : got != want))
        refuse(d, PTX_INVALID, "a .%s register where .%s is needed", ptx_types[have].name, ptx_types[type].name);
}

static uint64_t immediate(struct decoder *d, const struct operand *o, enum ptx_type type) {
    uint64_t value = o->integer;
    char kind = ptx_types[type].kind;
    if (type == T_F16 || type == T_BF16 || type == T_F16X2 || type == T_BF16X2 || type == T_F32X2 || type == T_U16X2 || type == T_S16X2) refuse(d, PTX_INVALID, "a constant where a .%s is needed", ptx_types[type].name);
    if (o->kind == OPERAND_FLOAT64 && type == T_B32) refuse(d, PTX_INVALID, "a floating-point constant where a .b32 is needed: 0f and its bits will do");
    if (o->kind == OPERAND_INT) {
        if (kind == 'f' && (type == T_F32 || type == T_F64)) refuse(d, PTX_INVALID, "an integer where a .%s is needed", ptx_types[type].name);
        if (type == T_PRED) return value ? 0xffffffff : 0;
        if (ptx_types[type].bytes < 8) value &= (UINT64_C(1) << (8 * ptx_types[type].bytes)) - 1;
        return value;
    }
    float f;
    double x;
    uint32_t bits = (uint32_t)value;
    if (kind == 'u' || kind == 's' || kind == 'p') refuse(d, PTX_INVALID, "a floating-point constant where a .%s is needed", ptx_types[type].name);
    if (o->kind == OPERAND_FLOAT32) {
        if (ptx_types[type].bytes == 4) return value;
        if (ptx_types[type].bytes != 8) refuse(d, PTX_INVALID, "a 32-bit constant where a .%s is needed", ptx_types[type].name);
        if (kind == 'b') refuse(d, PTX_INVALID, "a 32-bit constant where 64 bits are needed");
        memcpy(&f, &bits, 4);
        x = f;
        memcpy(&value, &x, 8);
        return value;
    }
    if (ptx_types[type].bytes == 8) return value;
    if (ptx_types[type].bytes != 4) refuse(d, PTX_INVALID, "a floating-point constant where a .%s is needed", ptx_types[type].name);
    memcpy(&x, &value, 8);
    f = (float)x;
    memcpy(&bits, &f, 4);
    return bits;
}

int32_t special_row(struct decoder *d, uint32_t special) {
    if (special >= SR_RESERVED_BEGIN && special <= SR_RESERVED_1) d->module->reserved_shared = true;
    if (ptx_specials[special].kind != SPECIAL_FIXED) emit(d, handler(d, "special"))->imm = special;
    return (int32_t)(special * ROW64 | BANK_SPECIAL);
}

static void local_place(struct decoder *d, struct symbol *s) {
    if (s->placed) return;
    d->local = (d->local + s->align - 1) & ~(s->align - 1);
    s->place = d->local;
    s->placed = true;
    if (s->align > d->local_align) d->local_align = s->align;
    d->local += (uint32_t)s->size;
    if (d->local > 1u << 26) refuse(d, PTX_UNSUPPORTED, "more than 64 MiB of local memory");
}

static bool is_local(const struct symbol *s) {
    return s->kind == SYMBOL_VARIABLE && (s->space == SPACE_LOCAL || (s->space == SPACE_PARAM && !s->kernel_param));
}

static bool is_kernel_param(const struct symbol *s) { return s->kernel_param; }

/* The row with a symbol's address. Frame-relative addresses are computed by an instruction in front. */
static int32_t symbol_row(struct decoder *d, struct symbol *symbol, uint64_t addend, unsigned bytes) {
    struct symbol *s = symbol->definition;
    if (s->kind == SYMBOL_FUNCTION) {
        if (bytes != 8) refuse(d, PTX_INVALID, "the address of '%s' in %u bytes", s->name, bytes);
        if (!s->function->has_body) refuse(d, PTX_UNSUPPORTED, "the address of the built-in '%s'", s->name);
        return pool_row(d, addend, 8, s);
    }
    switch (s->space) {
        case SPACE_GLOBAL:
        case SPACE_CONST:
        case SPACE_IMAGE:
            if (bytes != 8) refuse(d, PTX_INVALID, "the address of '%s' in %u bytes", s->name, bytes);
            return pool_row(d, addend, 8, s);
        case SPACE_SHARED:
            if (s->open_array) {
                struct insn *i = emit(d, handler(d, bytes == 8 ? "dynamic.u64" : "dynamic.u32"));
                i->d = new_row(d, bytes);
                i->imm = (int64_t)addend;
                return i->d;
            }
            return pool_row(d, s->place + addend, bytes, NULL);
        default: break;
    }
    if (is_kernel_param(s)) return pool_row(d, s->place + addend, bytes, NULL);
    local_place(d, s);
    struct insn *i = emit(d, handler(d, bytes == 8 ? "local.u64" : "local.u32"));
    i->d = new_row(d, bytes);
    i->imm = (int64_t)(s->place + addend);
    return i->d;
}

static int32_t negated_predicate(struct decoder *d, int32_t row) {
    int32_t temporary = new_row(d, 0);
    struct insn *i = emit(d, handler(d, "not.pred"));
    i->d = temporary;
    i->a = row;
    return temporary;
}

/* "%r1 + 4" as an operand, which ptxas takes though no document has it. */
static int32_t displaced(struct decoder *d, const struct operand *o, int32_t row) {
    enum ptx_type type = d->f->regs[o->reg].type;
    unsigned bytes = ptx_types[type].bytes;
    if (ptx_types[type].kind == 'f' || ptx_types[type].kind == 'p' || bytes > 8) refuse(d, PTX_INVALID, "a .%s register + a constant", ptx_types[type].name);
    int32_t constant = pool_row(d, bytes == 8 ? o->integer : o->integer & 0xffffffff, bytes == 8 ? 8 : 4, NULL);
    struct insn *i = emit(d, handler(d, bytes == 8 ? "add.u64" : bytes == 4 ? "add.u32" : "add.u16"));
    i->a = row;
    i->b = constant;
    return i->d = new_row(d, bytes == 8 ? 8 : 4);
}

/* `wider` permits a register larger than the type (ld, st, cvt). */
int32_t source(struct decoder *d, const struct operand *o, enum ptx_type type, bool wider) {
    switch (o->kind) {
        case OPERAND_REG: {
            if (o->selector) refuse(d, PTX_INVALID, "'.%.*s' of a register", o->selector_length, o->selector);
            check_reg(d, o->reg, type, wider);
            int32_t row = reg_row(d, o->reg);
            if (o->negated) {
                if (type != T_PRED) refuse(d, PTX_INVALID, "'!' or '-' before something that is no predicate");
                return negated_predicate(d, row);
            }
            return o->integer ? displaced(d, o, row) : row;
        }
        case OPERAND_INT:
        case OPERAND_FLOAT32:
        case OPERAND_FLOAT64:
            if (o->negated) refuse(d, PTX_INVALID, "'!' before a constant");
            return pool_row(d, immediate(d, o, type), row_bytes(type), NULL);
        case OPERAND_SPECIAL:
            if (ptx_specials[o->special].bytes == 0) {
                if (type != T_PRED) refuse(d, PTX_INVALID, "%s is a predicate", ptx_specials[o->special].name);
            } else if (type == T_PRED || ptx_types[type].kind == 'f' || (row_bytes(type) == 8) != (ptx_specials[o->special].bytes == 8)) {
                /* %gridid is 64 bits wide and may be read as 32 */
                if (!(ptx_specials[o->special].bytes == 8 && ptx_types[type].bytes == 4 && o->special == SR_GRIDID))
                    refuse(d, PTX_INVALID, "%s has %u bytes", ptx_specials[o->special].name, ptx_specials[o->special].bytes);
                int32_t row = special_row(d, o->special);
                struct insn *i = emit(d, handler(d, "cvt.u32.u64"));
                i->a = row;
                return i->d = new_row(d, 4);
            }
            return special_row(d, o->special);
        case OPERAND_SYMBOL:
            if (o->symbol->space == SPACE_PARAM && !o->symbol->formal_param && !o->symbol->formal_result) refuse(d, PTX_INVALID, "'%s' is an argument of a call: it has no address", o->symbol->name);
            if (ptx_types[type].kind == 'f' || type == T_PRED) refuse(d, PTX_INVALID, "an address where a .%s is needed", ptx_types[type].name);
            return symbol_row(d, o->symbol, o->integer, row_bytes(type));
        case OPERAND_LABEL: refuse(d, PTX_INVALID, "'%s' is not declared", o->name);
        default: refuse(d, PTX_INVALID, "this kind of operand");
    }
}

int32_t destination(struct decoder *d, const struct operand *o, enum ptx_type type, bool wider) {
    if (o->kind == OPERAND_SINK) return new_row(d, row_bytes(type));
    if (o->kind != OPERAND_REG || o->negated || o->integer || o->selector) refuse(d, PTX_INVALID, "the destination must be a register");
    check_reg(d, o->reg, type, wider);
    return reg_row(d, o->reg);
}

static enum ptx_type operand_type(struct decoder *d, const char *notation, size_t length) {
    const struct row_match *m = &d->s->match;
    if (length == 1 && notation[0] >= '0' && notation[0] <= '9') return match_type(m, (unsigned)(notation[0] - '0'));
    if (notation[0] == 'w') {
        switch (match_type(m, (unsigned)(notation[1] - '0'))) {
            case T_U16: return T_U32;
            case T_S16: return T_S32;
            case T_U32: return T_U64;
            default: return T_S64;
        }
    }
    return ptx_type_named(notation, (int)length);
}


struct address address_of(struct decoder *d, const struct operand *o) {
    if (o->kind != OPERAND_ADDRESS) refuse(d, PTX_INVALID, "an address in [] is needed");
    if (o->count != 1) refuse(d, PTX_INVALID, "an address with coordinates");
    const struct operand *base = &o->parts[0];
    struct address a = {-1, (int64_t)o->integer, 0, NULL};
    if (base->negated || base->selector) refuse(d, PTX_INVALID, "malformed address");
    if (base->kind == OPERAND_REG) {
        enum ptx_type type = d->f->regs[base->reg].type;
        if (ptx_types[type].kind == 'f' || (ptx_types[type].bytes != 8 && ptx_types[type].bytes != 4)) refuse(d, PTX_INVALID, "an address in a .%s register", ptx_types[type].name);
        a.base = reg_row(d, base->reg);
        if (ptx_types[type].bytes == 4) a.flags |= FLAG_BASE32;
    } else if (base->kind == OPERAND_INT) {
        if (!opcode_has(&d->s->opcode, "local")) refuse(d, PTX_INVALID, "only .local has addresses that are numbers");
        a.base = pool_row(d, base->integer, 8, NULL);
    } else {
        struct symbol *s = base->symbol->definition;
        a.symbol = s;
        if (s->kind == SYMBOL_FUNCTION) refuse(d, PTX_INVALID, "'%s' is a function", s->name);
        if (s->space == SPACE_IMAGE) refuse(d, PTX_INVALID, "'%s' is a texture, sampler or surface, no memory", s->name);
        if (is_local(s)) {
            local_place(d, s);
            a.offset += (int64_t)s->place;
            a.flags |= FLAG_FRAME;
        } else {
            a.base = symbol_row(d, s, 0, 8);
        }
    }
    return a;
}

enum space space_of(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    if (opcode_has(o, "global")) return SPACE_GLOBAL;
    if (opcode_has(o, "const")) return SPACE_CONST;
    if (opcode_has(o, "local")) return SPACE_LOCAL;
    if (opcode_has(o, "param") || opcode_has(o, "param::entry") || opcode_has(o, "param::func")) return SPACE_PARAM;
    if (opcode_has(o, "shared") || opcode_has(o, "shared::cta") || opcode_has(o, "shared::cluster")) return SPACE_SHARED;
    return SPACE_NONE;
}

/* Instructions that have no memory but shared. */
static bool shared_alone(const struct decoder *d) {
    const enum row_kind kind = d->s->match.row->kind;
    return (kind == KIND_MBARRIER && opcode_has(&d->s->opcode, "async")) || (kind == KIND_REMOTE && opcode_has(&d->s->opcode, "mbarrier::complete_tx::bytes"));
}

/* Which memory an address in `space` means, for handlers: GLOBAL (with .const and generic), SHARED, LOCAL or PARAM (of the
 * kernel; a function's parameters are in its frame's local memory). */
enum space memory_class(struct decoder *d, enum space space, struct address *a) {
    if (a->symbol && space != SPACE_NONE && a->symbol->space != space && !(space == SPACE_PARAM && a->symbol->space == SPACE_PARAM))
        refuse(d, PTX_INVALID, "'%s' is in another space", a->symbol->name);
    if (space == SPACE_NONE) {
        if (a->symbol && a->symbol->space != SPACE_GLOBAL && a->symbol->space != SPACE_CONST) {
            /* A variable named without a space: the address is taken in its own. */
            if (is_kernel_param(a->symbol)) return SPACE_PARAM;
            return a->symbol->space == SPACE_SHARED ? SPACE_SHARED : SPACE_LOCAL;
        }
        /* A 32-bit register without a space: what knows no memory but shared takes it as an address there (libcu++'s
         * cp.async.mbarrier.arrive); elsewhere ptxas warns and adds zeros. */
        if (a->flags & FLAG_BASE32 && shared_alone(d)) return SPACE_SHARED;
        a->flags |= FLAG_GENERIC;
        return SPACE_GLOBAL;
    }
    if (space == SPACE_CONST) return SPACE_GLOBAL;
    if (space == SPACE_PARAM) {
        if (a->symbol) return is_kernel_param(a->symbol) ? SPACE_PARAM : SPACE_LOCAL;
        return d->f->is_entry ? SPACE_PARAM : SPACE_LOCAL;
    }
    return space;
}

/* ---- kinds of instructions */

void operand_count(struct decoder *d, uint32_t least, uint32_t most) {
    if (d->s->operand_count < least || d->s->operand_count > most) refuse(d, PTX_INVALID, "%u operands; it takes %u", d->s->operand_count, most);
}

uint8_t rounding(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    return opcode_has(o, "rz") ? MODE_RZ : opcode_has(o, "rm") ? MODE_RM : opcode_has(o, "rp") ? MODE_RP : MODE_RN;
}

/* Operands as the row's notation says, into d, d2, a, b, c, e in order. */
struct insn fields(struct decoder *d) {
    struct insn x = {.d = -1, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
    const char *at = d->s->match.row->operands;
    int32_t *sources[] = {&x.a, &x.b, &x.c, &x.e};
    uint32_t index = 0, n = 0;
    bool wider = d->s->match.row->kind == KIND_CVT;
    while (*at) {
        size_t length = strcspn(at, " ");
        bool optional = at[length - 1] == '?';
        char role = *at;
        if (index >= d->s->operand_count) {
            if (!optional) refuse(d, PTX_INVALID, "an operand is missing");
        } else {
            const struct operand *o = &d->s->operands[index++];
            enum ptx_type type = operand_type(d, at + 1, length - 1 - optional);
            if (role == 'I') {
                if (o->kind != OPERAND_INT) refuse(d, PTX_INVALID, "operand %u must be a constant", index);
                x.imm = (int64_t)o->integer;
                if (strncmp(at, "I255", 4) == 0 && o->integer > 255) refuse(d, PTX_INVALID, "the constant must be from 0 to 255");
            } else if (role == 'A') { /* checked; who goes there takes it up himself */
                address_of(d, o);
            } else if (role == 'D') {
                x.d = destination(d, o, type, wider);
            } else if (role == 'P' || role == 'Q') { /* a predicate or a pair; a value and, perhaps, a predicate */
                const struct operand *first = o->kind == OPERAND_PAIR ? &o->parts[0] : o;
                x.d = destination(d, first, type, false);
                if (o->kind == OPERAND_PAIR) x.d2 = destination(d, &o->parts[1], T_PRED, false);
            } else if (n < 4) {
                *sources[n++] = source(d, o, type, wider);
            }
        }
        at += length;
        while (*at == ' ') at++;
    }
    if (index != d->s->operand_count) refuse(d, PTX_INVALID, "%u operands; it takes %u", d->s->operand_count, index);
    return x;
}

struct insn *emit_fields(struct decoder *d, insn_run run, const struct insn *x) {
    struct insn *i = emit(d, run);
    i->d = x->d;
    i->d2 = x->d2;
    i->a = x->a;
    i->b = x->b;
    i->c = x->c;
    i->e = x->e;
    i->imm = x->imm;
    i->mode = x->mode;
    i->flags = x->flags;
    i->vec = x->vec;
    return i;
}

void key_of(struct decoder *d, char *key, size_t size) { match_key(&d->s->match, &d->s->opcode, key, size); }

static void decode_alu(struct decoder *d, bool rounded) {
    char key[96];
    key_of(d, key, sizeof key);
    struct insn x = fields(d);
    struct insn *i = emit_fields(d, handler(d, key), &x);
    if (rounded && rounding(d) != MODE_RN) {
        i->inner = i->run;
        i->run = handler(d, "rounded");
        i->mode = rounding(d);
    }
}

enum { BOOL_NONE, BOOL_AND, BOOL_OR, BOOL_XOR };

static uint8_t bool_op(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    return opcode_has(o, "and") ? BOOL_AND : opcode_has(o, "or") ? BOOL_OR : opcode_has(o, "xor") ? BOOL_XOR : BOOL_NONE;
}

/* setp and set: a comparison into a temporary mask, then what is made of it. */
static void decode_compare(struct decoder *d) {
    char key[96];
    key_of(d, key, sizeof key);
    bool set = d->s->match.row->kind == KIND_SET;
    struct insn x = fields(d);
    bool packed = strstr(key, "16x2") != NULL;
    uint8_t op = bool_op(d);
    if (!set && !packed && x.d2 >= 0 && strstr(key, "f16")) refuse(d, PTX_INVALID, "p|q does not go with a comparison of halves");
    if (!set && !packed && op == BOOL_NONE && x.d2 < 0) { /* the common case is one instruction */
        emit_fields(d, handler(d, key), &x);
        return;
    }
    int32_t low = new_row(d, 0), high = packed ? new_row(d, 0) : -1;
    struct insn compare = {.d = low, .d2 = high, .a = x.a, .b = x.b, .c = -1, .e = -1};
    emit_fields(d, handler(d, key), &compare);
    char second[40] = "setp.finish";
    if (set) {
        enum ptx_type type = T_NONE; /* the destination's is the first of the opcode's types */
        for (uint32_t i = 0; i < d->s->opcode.count && type == T_NONE; i++) type = ptx_type_named(d->s->opcode.words[i].text, (int)d->s->opcode.words[i].length);
        if (type == T_NONE) refuse(d, PTX_UNSUPPORTED, "this form");
        snprintf(second, sizeof second, "set.finish%s.%s", packed && ptx_types[type].bytes == 4 && (ptx_types[type].kind == 'u' || ptx_types[type].kind == 's') ? "2" : "", ptx_types[type].name);
    }
    struct insn finish = {.d = x.d, .d2 = x.d2, .a = low, .b = high, .c = x.c, .e = -1, .mode = op};
    if (packed && !set) {
        if (x.d2 < 0) refuse(d, PTX_INVALID, "a packed comparison has two destinations, p|q");
        snprintf(second, sizeof second, "setp.finish2");
    }
    emit_fields(d, handler(d, second), &finish);
}

static void decode_lop3_predicate(struct decoder *d) {
    const struct operand *o = d->s->operands;
    operand_count(d, 6, 6);
    const struct operand *value = o[0].kind == OPERAND_PAIR ? &o[0].parts[0] : NULL;
    const struct operand *predicate = o[0].kind == OPERAND_PAIR ? &o[0].parts[1] : &o[0];
    if (o[4].kind != OPERAND_INT || o[4].integer > 255) refuse(d, PTX_INVALID, "the table must be a constant from 0 to 255");
    struct insn x = {.d2 = -1, .e = -1, .imm = (int64_t)o[4].integer};
    x.a = source(d, &o[1], T_B32, false);
    x.b = source(d, &o[2], T_B32, false);
    x.c = source(d, &o[3], T_B32, false);
    int32_t with = source(d, &o[5], T_PRED, false);
    int32_t result = value ? destination(d, value, T_B32, false) : new_row(d, 4);
    x.d = new_row(d, 4);
    emit_fields(d, handler(d, "lop3.b32"), &x);
    int32_t mask = new_row(d, 0);
    struct insn compare = {.d = mask, .d2 = -1, .a = x.d, .b = pool_row(d, 0, 4, NULL), .c = -1, .e = -1};
    emit_fields(d, handler(d, "cmp.ne.b32"), &compare);
    struct insn finish = {.d = destination(d, predicate, T_PRED, false), .d2 = -1, .a = mask, .b = -1, .c = with, .e = -1, .mode = bool_op(d)};
    emit_fields(d, handler(d, "setp.finish"), &finish);
    struct insn move = {.d = result, .d2 = -1, .a = x.d, .b = -1, .c = -1, .e = -1};
    emit_fields(d, handler(d, "mov.b32"), &move);
}

/* Conversions to f32 and f64 round as the host is told to; those to smaller formats look at the mode themselves. */
static void emit_cvt(struct decoder *d, const char *key, struct insn *x, enum ptx_type to) {
    x->mode = rounding(d);
    struct insn *i = emit_fields(d, handler(d, key), x);
    if (x->mode != MODE_RN && (to == T_F32 || to == T_F64)) {
        i->inner = i->run;
        i->run = handler(d, "rounded");
    }
}

static void decode_cvt(struct decoder *d) {
    char key[96];
    key_of(d, key, sizeof key);
    operand_count(d, 2, 2);
    /* The destination's type is the first of the two. */
    enum ptx_type to = T_NONE;
    for (uint32_t i = 0; i < d->s->opcode.count && to == T_NONE; i++) to = ptx_type_named(d->s->opcode.words[i].text, (int)d->s->opcode.words[i].length);
    struct insn x = fields(d);
    const struct operand *out = &d->s->operands[0];
    unsigned have = out->kind == OPERAND_REG ? ptx_types[d->f->regs[out->reg].type].bytes : ptx_types[to].bytes;
    unsigned make = ptx_types[to].bytes;
    /* A source register wider than the type: its low part counts. */
    enum ptx_type from = T_NONE, last = T_NONE;
    for (uint32_t i = 0; i < d->s->opcode.count; i++) {
        enum ptx_type t = ptx_type_named(d->s->opcode.words[i].text, (int)d->s->opcode.words[i].length);
        if (t != T_NONE) last = t;
    }
    from = last;
    const struct operand *in = &d->s->operands[1];
    unsigned source_bytes = in->kind == OPERAND_REG ? row_bytes(d->f->regs[in->reg].type) : row_bytes(from);
    if (ptx_types[from].kind == 'f' && in->kind == OPERAND_REG && ptx_types[d->f->regs[in->reg].type].bytes != ptx_types[from].bytes)
        refuse(d, PTX_INVALID, "a .%s register where .%s is needed", ptx_types[d->f->regs[in->reg].type].name, ptx_types[from].name);
    if (source_bytes == 8 && row_bytes(from) == 4) {
        int32_t narrow = new_row(d, 4);
        struct insn cut = {.d = narrow, .d2 = -1, .a = x.a, .b = -1, .c = -1, .e = -1};
        emit_fields(d, handler(d, "cvt.u32.u64"), &cut);
        x.a = narrow;
    }
    if (have == make) {
        emit_cvt(d, key, &x, to);
        return;
    }
    if (ptx_types[to].kind == 'f') { /* f16 in a wider register: the rest is 0 */
        if (have == 8) refuse(d, PTX_UNSUPPORTED, "a .%s result in a 64-bit register", ptx_types[to].name);
        emit_cvt(d, key, &x, to);
        return;
    }
    /* The result is extended to the register's width by its own sign. */
    int32_t narrow = make == 8 ? new_row(d, 8) : new_row(d, 4);
    int32_t final = x.d;
    x.d = narrow;
    emit_fields(d, handler(d, key), &x);
    char sign = ptx_types[to].kind;
    snprintf(key, sizeof key, "cvt.%c%u.%c%u", sign, 8 * have, sign, 8 * make);
    struct insn widen = {.d = final, .d2 = -1, .a = narrow, .b = -1, .c = -1, .e = -1};
    emit_fields(d, handler(d, key), &widen);
}

/* mov.v2 and mov.v4: element by element, of vector registers or lists (GCC's complex numbers). */
static void decode_mov_vector(struct decoder *d, unsigned count) {
    const struct operand *to = &d->s->operands[0], *from = &d->s->operands[1];
    enum ptx_type type = memory_type(d);
    if (to->kind != OPERAND_VECTOR || from->kind != OPERAND_VECTOR || to->count != count || from->count != count)
        refuse(d, PTX_INVALID, "two vectors of %u elements are needed", count);
    if (ptx_types[type].bytes * count > 16) refuse(d, PTX_INVALID, "%u bytes at once", ptx_types[type].bytes * count);
    int32_t sources[4], targets[4];
    insn_run move = handler(d, row_bytes(type) == 8 ? "mov.b64" : "mov.b32");
    for (unsigned i = 0; i < count; i++) {
        targets[i] = destination(d, &to->parts[i], type, false);
        sources[i] = source(d, &from->parts[i], type, false);
    }
    for (unsigned i = 1; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            if (sources[i] == targets[k]) { /* read before it is overwritten */
                struct insn *save = emit(d, move);
                save->a = sources[i];
                sources[i] = save->d = new_row(d, row_bytes(type));
                break;
            }
    for (unsigned i = 0; i < count; i++) {
        struct insn *insn = emit(d, move);
        insn->d = targets[i];
        insn->a = sources[i];
    }
}

static void decode_mov128(struct decoder *d) {
    operand_count(d, 2, 2);
    const struct operand *to = &d->s->operands[0], *from = &d->s->operands[1];
    int32_t sources[2], targets[2];
    for (int i = 0; i < 2; i++) {
        const struct operand *o = i ? from : to;
        int32_t *rows = i ? sources : targets;
        if (o->kind == OPERAND_VECTOR) {
            if (o->count != 2) refuse(d, PTX_INVALID, "a .b128 has two 64-bit elements");
            for (int k = 0; k < 2; k++) rows[k] = i ? source(d, &o->parts[k], T_B64, false) : destination(d, &o->parts[k], T_B64, false);
        } else {
            if (i && (o->kind == OPERAND_INT || o->kind == OPERAND_SYMBOL)) { /* 64 bits, signed when they are a number */
                rows[0] = source(d, o, T_B64, false);
                rows[1] = pool_row(d, o->kind == OPERAND_INT && (int64_t)o->integer < 0 ? ~(uint64_t)0 : 0, 8, NULL);
                continue;
            }
            if (o->kind != OPERAND_REG && o->kind != OPERAND_SINK) refuse(d, PTX_INVALID, "a .b128 register or a list of two 64-bit registers is needed");
            rows[0] = i ? source(d, o, T_B128, false) : destination(d, o, T_B128, false);
            rows[1] = rows[0] + ROW64;
        }
    }
    insn_run move = handler(d, "mov.b64");
    if (sources[1] == targets[0]) { /* read before it is overwritten */
        struct insn *save = emit(d, move);
        save->a = sources[1];
        sources[1] = save->d = new_row(d, 8);
    }
    for (int k = 0; k < 2; k++) {
        struct insn *insn = emit(d, move);
        insn->d = targets[k];
        insn->a = sources[k];
    }
}

static void decode_mov(struct decoder *d) {
    operand_count(d, 2, 2);
    if (vector_count(d) > 1) {
        decode_mov_vector(d, vector_count(d));
        return;
    }
    const struct operand *to = &d->s->operands[0], *from = &d->s->operands[1];
    enum ptx_type type = match_type(&d->s->match, 0);
    struct arena *arena = &d->loader->arena;
    if (to->kind == OPERAND_VECTOR || from->kind == OPERAND_VECTOR) {
        const struct operand *vector = to->kind == OPERAND_VECTOR ? to : from;
        if (vector->count != 2 && vector->count != 4) refuse(d, PTX_INVALID, "a vector of %u elements", vector->count);
        unsigned bytes = ptx_types[type].bytes / vector->count;
        bool nothing = true;
        for (uint32_t i = 0; i < vector->count; i++) {
            if (vector->parts[i].kind != OPERAND_SINK) nothing = false;
            if (vector->parts[i].kind == OPERAND_SYMBOL) refuse(d, PTX_INVALID, "an address in a vector");
            if (vector->parts[i].kind == OPERAND_SPECIAL && ptx_specials[vector->parts[i].special].bytes != bytes) refuse(d, PTX_INVALID, "%s as %u bytes", ptx_specials[vector->parts[i].special].name, bytes);
        }
        if (nothing) refuse(d, PTX_INVALID, "a vector of '_' alone");
        if (bytes == 0 || bytes * vector->count != ptx_types[type].bytes || ptx_types[type].kind != 'b') refuse(d, PTX_INVALID, "%u elements in a .%s", vector->count, ptx_types[type].name);
        enum ptx_type element = bytes == 1 ? T_B8 : bytes == 2 ? T_B16 : T_B32;
        if (bytes > 4) refuse(d, PTX_INVALID, "elements of %u bytes", bytes);
        int32_t *list = arena_alloc(arena, 4 * sizeof *list);
        if (to == vector) {
            if (from->kind == OPERAND_VECTOR) refuse(d, PTX_INVALID, "a vector on both sides");
            for (uint32_t i = 0; i < vector->count; i++) list[i] = vector->parts[i].kind == OPERAND_SINK ? -1 : destination(d, &vector->parts[i], element, false);
            int32_t a = source(d, from, type, false);
            struct insn *i = emit(d, handler(d, bytes * vector->count == 8 ? "unpack.b64" : "unpack.b32"));
            i->a = a;
            i->list = list;
            i->vec = (uint8_t)vector->count;
            i->mode = (uint8_t)bytes;
        } else {
            for (uint32_t i = 0; i < vector->count; i++) list[i] = source(d, &vector->parts[i], element, false);
            int32_t out = destination(d, to, type, false);
            struct insn *i = emit(d, handler(d, bytes * vector->count == 8 ? "pack.b64" : "pack.b32"));
            i->d = out;
            i->list = list;
            i->vec = (uint8_t)vector->count;
            i->mode = (uint8_t)bytes;
        }
        return;
    }
    if (from->kind == OPERAND_SPECIAL && ptx_types[type].bytes == 2) { /* mov.u16 of %tid, as sm_1x code has it */
        int32_t a = special_row(d, from->special);
        struct insn x = {.d = destination(d, to, type, false), .d2 = -1, .a = a, .b = -1, .c = -1, .e = -1};
        if (ptx_specials[from->special].bytes != 4) refuse(d, PTX_INVALID, "%s has %u bytes", ptx_specials[from->special].name, ptx_specials[from->special].bytes);
        emit_fields(d, handler(d, "cvt.u16.u32"), &x);
        return;
    }
    int32_t a = source(d, from, type, false);
    int32_t out = destination(d, to, type, false);
    struct insn *i = emit(d, handler(d, row_bytes(type) == 8 ? "mov.b64" : "mov.b32"));
    i->d = out;
    i->a = a;
}

unsigned vector_count(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    return opcode_has(o, "v2") ? 2 : opcode_has(o, "v4") ? 4 : opcode_has(o, "v8") ? 8 : 1;
}

void hint_operand(struct decoder *d, uint32_t at) {
    operand_count(d, at, at + 1);
    bool hint = opcode_has(&d->s->opcode, "L2::cache_hint");
    if (hint != (d->s->operand_count == at + 1)) refuse(d, PTX_INVALID, "a cache policy goes with .L2::cache_hint");
    if (hint) source(d, &d->s->operands[at], T_B64, false);
}

enum ptx_type memory_type(struct decoder *d) {
    enum ptx_type type = T_NONE;
    for (uint32_t i = 0; i < d->s->opcode.count; i++) {
        enum ptx_type t = ptx_type_named(d->s->opcode.words[i].text, (int)d->s->opcode.words[i].length);
        if (t != T_NONE) type = t;
    }
    return type;
}

static uint8_t racy_flag(struct decoder *d) {
    const struct opcode *o = &d->s->opcode;
    return opcode_has(o, "volatile") || opcode_has(o, "relaxed") || opcode_has(o, "acquire") || opcode_has(o, "release") ? FLAG_ATOMIC : 0;
}

static void decode_memory(struct decoder *d, bool load) {
    hint_operand(d, 2);
    const struct operand *value = &d->s->operands[load ? 0 : 1], *where = &d->s->operands[load ? 1 : 0];
    unsigned vec = vector_count(d);
    enum ptx_type type = memory_type(d);
    unsigned bytes = ptx_types[type].bytes;
    if (bytes * vec > 32) refuse(d, PTX_INVALID, "%u bytes at once", bytes * vec);
    if ((value->kind == OPERAND_VECTOR ? value->count : 1) != vec) refuse(d, PTX_INVALID, "the vector must have %u elements", vec);
    int32_t *list = arena_alloc(&d->loader->arena, 2 * vec * sizeof *list);
    unsigned row = 0, narrow = 0;
    for (unsigned i = 0; i < vec; i++) {
        const struct operand *o = vec == 1 && value->kind != OPERAND_VECTOR ? value : &value->parts[i];
        unsigned this_row = row_bytes(type), width = bytes;
        if (o->kind == OPERAND_REG) {
            this_row = row_bytes(d->f->regs[o->reg].type);
            width = ptx_types[d->f->regs[o->reg].type].bytes;
        }
        if (ptx_types[type].kind == 'f' && width != bytes && (width < bytes || ptx_types[d->f->regs[o->reg].type].kind != 'b')) refuse(d, PTX_INVALID, "a register of %u bytes for .%s", width, ptx_types[type].name);
        if (i && this_row != row) refuse(d, PTX_UNSUPPORTED, "registers of different widths in a vector");
        row = this_row;
        if (width == 2) narrow = 1;
        if (width == 1 && bytes == 1) narrow = 2;
        if (load && o->kind == OPERAND_SINK) list[i] = -1;
        else list[i] = load ? destination(d, o, type, true) : source(d, o, type, true);
    }
    if (type == T_B128) { /* each register is two rows */
        if (row != 16) refuse(d, PTX_INVALID, "a .b128 register is needed");
        for (unsigned i = vec; i-- > 0;) {
            list[2 * i + 1] = list[i] < 0 ? -1 : list[i] + ROW64;
            list[2 * i] = list[i];
        }
        vec *= 2;
        bytes = row = 8;
        type = T_B64;
    }
    struct address a = address_of(d, where);
    enum space space = space_of(d);
    if (space == SPACE_CONST && !load) refuse(d, PTX_INVALID, "constants cannot be stored to");
    enum space class = memory_class(d, space, &a);
    if (a.symbol && a.symbol->formal_param && !load) refuse(d, PTX_INVALID, "'%s' is a parameter of this function, which it cannot store to", a.symbol->name);
    if (a.symbol && a.symbol->formal_result && load) refuse(d, PTX_INVALID, "'%s' is this function's result, which it cannot load", a.symbol->name);
    if (class == SPACE_PARAM && !load) refuse(d, PTX_INVALID, "a kernel's parameters cannot be stored to");
    if (class == SPACE_PARAM && a.symbol) {
        if (a.offset < 0 || (uint64_t)a.offset + bytes * vec > a.symbol->size) {
            /* Within the whole of the parameters is what hardware sees. */
            if (a.offset < -(int64_t)a.symbol->place || (uint64_t)(a.offset + (int64_t)a.symbol->place) + bytes * vec > d->f->param_bytes) refuse(d, PTX_INVALID, "beyond the kernel's parameters");
        }
    }
    insn_run run = load ? memory_load(class, bytes, row) : memory_store(class, bytes, row);
    if (!run) refuse(d, PTX_UNSUPPORTED, "the engine has no such access");
    if (space != SPACE_PARAM) check_emit(d, &a, class, bytes, vec, row, (load ? CHECK_READ : CHECK_WRITE) | (racy_flag(d) ? CHECK_ATOMIC : 0), load ? NULL : list);
    struct insn *i = emit(d, run);
    i->a = a.base;
    i->imm = a.offset;
    i->flags = (uint8_t)(a.flags | racy_flag(d) | (ptx_types[type].kind == 's' ? FLAG_SIGNED : 0) | (narrow == 1 ? FLAG_NARROW : 0));
    i->vec = (uint8_t)vec;
    i->list = list;
    i->d = list[0];
    const bool extends = load && (i->flags & FLAG_SIGNED) && bytes < row;
    const insn_run whole = i->a < 0 || (i->flags & (FLAG_ATOMIC | FLAG_FRAME)) || extends || (vec == 1 && i->d < 0 && load) ? NULL : memory_whole(load, class, bytes, row, vec);
    if (whole) {
        i->inner = run;
        i->run = whole;
    }
}

/* Atomics: a = base, b and c = operands; flags as loads; vec: the alignment where it is larger than the type's. A vector is one
 * instruction an element, results first into rows of their own: a destination may be a later element's operand. */
static void decode_atom(struct decoder *d) {
    char key[96];
    key_of(d, key, sizeof key);
    bool red = d->s->opcode.name_length == 3;
    bool cas = strncmp(key, "atom.cas", 8) == 0;
    uint32_t at = red ? 0 : 1;
    uint32_t values = cas ? 2 : 1;
    hint_operand(d, at + 1 + values);
    enum ptx_type type = memory_type(d);
    unsigned vec = vector_count(d), bytes = ptx_types[type].bytes;
    const struct operand *value = &d->s->operands[at + 1], *old = red ? NULL : &d->s->operands[0];
    int32_t sources[8], results[8], targets[8];
    if (vec > 1 && (value->kind != OPERAND_VECTOR || value->count != vec || (old && old->kind != OPERAND_SINK && (old->kind != OPERAND_VECTOR || old->count != vec))))
        refuse(d, PTX_INVALID, "vectors of %u elements are needed", vec);
    if (vec == 1 && ((old && old->kind == OPERAND_VECTOR) || value->kind == OPERAND_VECTOR)) refuse(d, PTX_INVALID, "a vector where one register is needed");
    struct insn x = {.d = -1, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
    for (unsigned i = 0; i < vec; i++) {
        const struct operand *to = old && old->kind == OPERAND_VECTOR ? &old->parts[i] : old;
        sources[i] = source(d, vec > 1 ? &value->parts[i] : value, type, false);
        targets[i] = !to || to->kind == OPERAND_SINK ? -1 : destination(d, to, type, false);
        results[i] = targets[i] < 0 || vec == 1 ? targets[i] : new_row(d, row_bytes(type));
    }
    if (cas) x.c = source(d, &d->s->operands[at + 2], type, false);
    struct address a = address_of(d, &d->s->operands[at]);
    enum space class = memory_class(d, space_of(d), &a);
    if (class != SPACE_GLOBAL && class != SPACE_SHARED) refuse(d, PTX_INVALID, "atomics work on global and shared memory");
    x.a = a.base;
    x.flags = a.flags;
    x.mode = class == SPACE_SHARED;
    for (unsigned i = 0; i < vec; i++) {
        x.d = results[i];
        x.b = sources[i];
        x.imm = a.offset + (int64_t)(i * bytes);
        x.vec = i == 0 && vec > 1 ? (uint8_t)(vec * bytes) : 0;
        const struct address element = {.base = a.base, .offset = x.imm, .flags = a.flags};
        check_emit(d, &element, class, bytes, 1, 0, CHECK_READ | CHECK_WRITE | CHECK_ATOMIC, NULL);
        emit_fields(d, handler(d, key), &x);
    }
    for (unsigned i = 0; i < vec; i++)
        if (vec > 1 && targets[i] >= 0) {
            struct insn *move = emit(d, handler(d, "mov.b32"));
            move->d = targets[i];
            move->a = results[i];
        }
}

static size_t hash_label(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static size_t place_label(const struct decoder *d, size_t hash, uint32_t scope) { return (hash + (size_t)scope * 0x9E3779B1u) & d->label_mask; }

static void note_labels(struct decoder *d) {
    size_t count = 0, size = 16;
    for (const struct label *label = d->f->labels; label; label = label->next) count++;
    while (size < 2 * count) size *= 2;
    d->labels = arena_alloc(&d->loader->scratch, size * sizeof *d->labels);
    d->label_mask = size - 1;
    for (const struct label *label = d->f->labels; label; label = label->next) {
        size_t at = place_label(d, hash_label(label->name), label->scope);
        while (d->labels[at]) at = (at + 1) & d->label_mask;
        d->labels[at] = label;
    }
}

const struct label *find_label(struct decoder *d, const char *name) {
    if (!d->labels) note_labels(d);
    const size_t hash = hash_label(name);
    for (uint32_t scope = d->s->scope;; scope = d->f->scope_parent[scope]) {
        for (size_t at = place_label(d, hash, scope); d->labels[at]; at = (at + 1) & d->label_mask)
            if (d->labels[at]->scope == scope && strcmp(d->labels[at]->name, name) == 0) return d->labels[at];
        if (d->f->scope_parent[scope] == UINT32_MAX) break;
    }
    refuse(d, PTX_INVALID, "label '%s' is not in sight", name);
}

/* Targets are statement numbers until all is decoded; see decode_function. */
static void decode_bra(struct decoder *d) {
    operand_count(d, 1, 1);
    if (d->s->operands[0].kind != OPERAND_LABEL) refuse(d, PTX_INVALID, "a label is needed");
    const struct label *label = find_label(d, d->s->operands[0].name);
    if (label->is_table) refuse(d, PTX_INVALID, "'%s' is a table", label->name);
    emit(d, handler(d, "bra"))->imm = label->position;
}

/* Of tables; labels may follow. */
static void before_use(struct decoder *d, const struct label *table) {
    if (table->position > (size_t)(d->s - d->f->statements)) refuse(d, PTX_INVALID, "'%s' is declared after its use, in line %u", table->name, table->line);
}

static void decode_brx(struct decoder *d) {
    operand_count(d, 2, 2);
    int32_t index = source(d, &d->s->operands[0], T_U32, false);
    if (d->s->operands[1].kind != OPERAND_LABEL) refuse(d, PTX_INVALID, "the name of a .branchtargets is needed");
    const struct label *label = find_label(d, d->s->operands[1].name);
    if (!label->is_table || label->prototype || label->callees) refuse(d, PTX_INVALID, "'%s' is no .branchtargets", label->name);
    before_use(d, label);
    struct branch_table *table = arena_alloc(&d->loader->arena, sizeof *table);
    table->count = (uint32_t)label->target_count;
    table->targets = arena_alloc(&d->loader->arena, (label->target_count + 1) * sizeof *table->targets);
    for (size_t i = 0; i < label->target_count; i++) table->targets[i] = (const struct insn *)(uintptr_t)find_label(d, label->targets[i])->position;
    struct insn *i = emit(d, handler(d, "brx"));
    i->a = index;
    i->table = table;
}

static struct slot call_slot(struct decoder *d, const struct operand *o, bool result) {
    struct slot slot = {0};
    if (o->kind == OPERAND_SYMBOL && o->symbol->in_function && o->symbol->space == SPACE_PARAM && is_local(o->symbol) && o->integer == 0) {
        local_place(d, o->symbol);
        slot.offset = (uint32_t)o->symbol->place;
        slot.size = (uint32_t)o->symbol->size;
        return slot;
    }
    slot.is_reg = true;
    if (o->kind == OPERAND_REG) {
        enum ptx_type type = d->f->regs[o->reg].type;
        if (o->negated || o->integer || o->selector) refuse(d, PTX_INVALID, "arguments are registers, constants and .param variables");
        slot.reg = reg_row(d, o->reg);
        slot.size = type == T_PRED ? 4 : ptx_types[type].bytes;
        slot.row_bytes = (uint8_t)row_bytes(type);
    } else if (!result && (o->kind == OPERAND_INT || o->kind == OPERAND_FLOAT32 || o->kind == OPERAND_FLOAT64)) {
        slot.reg = pool_row(d, o->integer, 8, NULL); /* the size is the parameter's, see below */
        slot.size = o->kind == OPERAND_FLOAT32 ? 4 : 8;
        slot.row_bytes = 8;
    } else {
        refuse(d, PTX_UNSUPPORTED, "this kind of %s", result ? "result" : "argument");
    }
    return slot;
}

/* A constant takes the type of its parameter. */
static void constant_slot(struct decoder *d, const struct operand *o, const struct parameter *parameter, struct slot *slot) {
    if (o->kind != OPERAND_INT && o->kind != OPERAND_FLOAT32 && o->kind != OPERAND_FLOAT64) return;
    slot->size = parameter->size;
    slot->row_bytes = (uint8_t)row_bytes(parameter->type);
    slot->reg = pool_row(d, immediate(d, o, parameter->type), slot->row_bytes, NULL);
}

/* Whether what is given may stand for a parameter: ptxas wants arrays for arrays, of one size and alignment, and scalars of one kind. */
static bool argument_fits(const struct parameter *given, const struct parameter *parameter) {
    if (given->size != parameter->size || given->array != parameter->array) return false;
    if (given->symbol && parameter->symbol && given->align != parameter->align) return false;
    return given->array || kinds_agree(parameter->type, given->type);
}

static bool operand_fits(struct decoder *d, const struct operand *o, const struct parameter *parameter) {
    if (o->kind == OPERAND_REG) return kinds_agree(parameter->type, d->f->regs[o->reg].type);
    if (o->kind != OPERAND_SYMBOL || !parameter->symbol) return true;
    const struct symbol *s = o->symbol;
    return argument_fits(&(struct parameter){.symbol = o->symbol, .type = s->type, .array = s->array, .size = (uint32_t)s->size, .align = s->align}, parameter);
}

/* What an indirect call says of parameters: its .callprototype, or the first of its .calltargets, which are all alike. */
static const struct prototype *prototype_of(struct decoder *d, const struct label *table) {
    if (table->prototype) return table->prototype;
    if (!table->callees) refuse(d, PTX_INVALID, "'%s' is a .branchtargets", table->name);
    const struct function *f = table->callees[0]->definition->function;
    for (size_t i = 1; i < table->target_count; i++) {
        const struct function *g = table->callees[i]->definition->function;
        bool alike = f->param_count == g->param_count && f->result_count == g->result_count;
        for (size_t k = 0; alike && k < f->param_count; k++) alike = argument_fits(&f->params[k], &g->params[k]);
        for (size_t k = 0; alike && k < f->result_count; k++) alike = argument_fits(&f->results[k], &g->results[k]);
        if (!alike) refuse(d, PTX_INVALID, "'%s' and '%s' of '%s' take different parameters", table->callees[0]->name, table->callees[i]->name, table->name);
    }
    struct prototype *p = arena_alloc(&d->loader->scratch, sizeof *p);
    *p = (struct prototype){.params = f->params, .results = f->results, .param_count = f->param_count, .result_count = f->result_count};
    return p;
}

static void decode_call(struct decoder *d) {
    const struct statement *s = d->s;
    uint32_t at = 0;
    struct call *call = arena_alloc(&d->loader->arena, sizeof *call);
    const struct operand *results = NULL, *args = NULL;
    if (s->operand_count && s->operands[0].kind == OPERAND_LIST) results = &s->operands[at++];
    if (at >= s->operand_count) refuse(d, PTX_INVALID, "what is called?");
    const struct operand *target = &s->operands[at++];
    if (at < s->operand_count && s->operands[at].kind == OPERAND_LIST) args = &s->operands[at++];
    bool direct = target->kind == OPERAND_SYMBOL;
    const struct label *table = NULL;
    if (at < s->operand_count) {
        if (direct || s->operands[at].kind != OPERAND_LABEL || !(table = find_label(d, s->operands[at].name))->is_table) refuse(d, PTX_INVALID, "too many operands");
        at++;
    }
    if (at != s->operand_count) refuse(d, PTX_INVALID, "too many operands");
    const struct prototype *prototype = NULL;
    if (!direct && target->kind == OPERAND_REG) {
        if (!table) refuse(d, PTX_INVALID, "an indirect call names a .callprototype or .calltargets");
        before_use(d, table);
        prototype = prototype_of(d, table);
    }
    call->result_count = results ? results->count : 0;
    call->arg_count = args ? args->count : 0;
    call->results = arena_alloc(&d->loader->arena, (call->result_count + 1) * sizeof *call->results);
    call->args = arena_alloc(&d->loader->arena, (call->arg_count + 1) * sizeof *call->args);
    for (uint32_t i = 0; i < call->result_count; i++) {
        if (results->parts[i].kind == OPERAND_SINK) {
            const struct function *f = direct ? target->symbol->definition->function : NULL;
            const struct parameter *result = f ? i < f->result_count ? &f->results[i] : NULL : prototype && i < prototype->result_count ? &prototype->results[i] : NULL;
            if (!result || result->size > 8) refuse(d, PTX_UNSUPPORTED, "'_' as a result that is no register");
            unsigned row = row_bytes(result->type);
            call->results[i] = (struct slot){.is_reg = true, .reg = new_row(d, row), .size = result->size, .row_bytes = (uint8_t)row};
            continue;
        }
        call->results[i] = call_slot(d, &results->parts[i], true);
    }
    for (uint32_t i = 0; i < call->arg_count; i++) call->args[i] = call_slot(d, &args->parts[i], false);
    if (direct) {
        struct symbol *symbol = target->symbol->definition;
        if (symbol->kind != SYMBOL_FUNCTION) refuse(d, PTX_INVALID, "'%s' is no function", symbol->name);
        const struct function *f = symbol->function;
        if (f->is_entry) refuse(d, PTX_UNSUPPORTED, "a call of the kernel '%s'", symbol->name);
        if (f->param_count != call->arg_count || f->result_count != call->result_count)
            refuse(d, PTX_INVALID, "'%s' takes %zu arguments and returns %zu", symbol->name, f->param_count, f->result_count);
        for (uint32_t i = 0; i < call->arg_count; i++) {
            struct slot *slot = &call->args[i];
            const struct operand *o = &args->parts[i];
            constant_slot(d, o, &f->params[i], slot);
            if (slot->size != f->params[i].size) refuse(d, PTX_INVALID, "argument %u of '%s' has %u bytes, not %u", i, symbol->name, slot->size, f->params[i].size);
            if (!operand_fits(d, o, &f->params[i])) refuse(d, PTX_INVALID, "argument %u of '%s' is of another type or alignment", i, symbol->name);
        }
        for (uint32_t i = 0; i < call->result_count; i++)
            if (call->results[i].size != f->results[i].size || !operand_fits(d, &results->parts[i], &f->results[i]))
                refuse(d, PTX_INVALID, "result %u of '%s' is of another type, size or alignment than what takes it", i, symbol->name);
        call->builtin = f->has_body ? BUILTIN_NONE : builtin_named(symbol->name);
        if (call->builtin != BUILTIN_NONE) {
            static const uint8_t sizes[6][8] = {{0}, {8, 8}, {8}, {8}, {8, 8, 4, 8, 8}, {8, 4}};
            static const uint8_t counts[6] = {0, 2, 1, 1, 5, 2}, outs[6] = {0, 1, 1, 0, 0, 0}, out_sizes[6] = {0, 4, 8, 0, 0, 0};
            bool fits = call->arg_count == counts[call->builtin] && call->result_count == outs[call->builtin];
            for (uint32_t i = 0; fits && i < call->arg_count; i++) fits = call->args[i].size == sizes[call->builtin][i];
            if (fits && call->result_count) fits = call->results[0].size == out_sizes[call->builtin];
            if (!fits) refuse(d, PTX_INVALID, "the built-in '%s' takes other parameters", symbol->name);
        } else {
            call->callee = f->code;
        }
    } else if (target->kind == OPERAND_REG) {
        check_reg(d, target->reg, T_U64, false);
        call->target = reg_row(d, target->reg);
        if (prototype && (prototype->param_count != call->arg_count || prototype->result_count != call->result_count))
            refuse(d, PTX_INVALID, "its prototype takes %zu arguments and returns %zu", prototype->param_count, prototype->result_count);
        for (uint32_t i = 0; prototype && i < call->arg_count; i++) {
            constant_slot(d, &args->parts[i], &prototype->params[i], &call->args[i]);
            if (call->args[i].size != prototype->params[i].size) refuse(d, PTX_INVALID, "argument %u has %u bytes, in the prototype %u", i, call->args[i].size, prototype->params[i].size);
            if (!operand_fits(d, &args->parts[i], &prototype->params[i])) refuse(d, PTX_INVALID, "argument %u is of another type or alignment than in the prototype", i);
        }
        for (uint32_t i = 0; prototype && i < call->result_count; i++)
            if (call->results[i].size != prototype->results[i].size || !operand_fits(d, &results->parts[i], &prototype->results[i]))
                refuse(d, PTX_INVALID, "result %u is of another type, size or alignment than in the prototype", i);
    } else {
        refuse(d, PTX_INVALID, target->kind == OPERAND_LABEL ? "'%s' is not declared" : "this cannot be called%s", target->kind == OPERAND_LABEL ? target->name : "");
    }
    emit(d, handler(d, call->builtin ? "builtin" : "call"))->call = call;
}

/* a: bytes, imm: alignment, mode: bytes of the destination. */
static void decode_alloca(struct decoder *d) {
    const struct operand *o = d->s->operands;
    operand_count(d, 2, 3);
    enum ptx_type type = memory_type(d);
    uint64_t align = 8;
    if (d->s->operand_count == 3) {
        if (o[2].kind != OPERAND_INT) refuse(d, PTX_INVALID, "the alignment must be a constant");
        align = o[2].integer;
    }
    if (align == 0 || (align & (align - 1)) || align > 1 << 23) refuse(d, PTX_INVALID, "the alignment must be a power of two up to 2^23");
    struct insn x = {.d2 = -1, .b = -1, .c = -1, .e = -1, .imm = (int64_t)align, .mode = (uint8_t)ptx_types[type].bytes};
    x.a = source(d, &o[1], type, false);
    x.d = destination(d, &o[0], type, false);
    emit_fields(d, handler(d, "alloca"), &x);
}

static void decode_barrier(struct decoder *d) {
    bool red = d->s->match.row->kind == KIND_BARRED;
    const struct opcode *o = &d->s->opcode;
    struct insn x = {.d = -1, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
    uint32_t at = 0, left = d->s->operand_count;
    if (red) {
        operand_count(d, 3, 4);
        x.d = destination(d, &d->s->operands[at++], opcode_has(o, "popc") ? T_U32 : T_PRED, false);
        x.c = source(d, &d->s->operands[left - 1], T_PRED, false);
        x.mode = opcode_has(o, "popc") ? 2 : opcode_has(o, "and") ? 3 : 4;
        left--;
    } else {
        operand_count(d, 1, 2);
        x.mode = opcode_has(o, "arrive") ? 1 : 0;
        if (x.mode == 1 && left != 2) refuse(d, PTX_INVALID, "arrive wants a number of threads");
    }
    x.a = source(d, &d->s->operands[at++], T_U32, false);
    if (at < left) x.b = source(d, &d->s->operands[at], T_U32, false);
    emit_fields(d, handler(d, "bar"), &x);
}

static void decode_cp_async(struct decoder *d) {
    const struct statement *s = d->s;
    operand_count(d, 3, 5);
    struct address to = address_of(d, &s->operands[0]), from = address_of(d, &s->operands[1]);
    if (s->operands[2].kind != OPERAND_INT) refuse(d, PTX_INVALID, "the size must be a constant");
    uint64_t size = s->operands[2].integer;
    if ((size != 4 && size != 8 && size != 16) || (opcode_has(&s->opcode, "cg") && size != 16)) refuse(d, PTX_INVALID, "%llu bytes at once", (unsigned long long)size);
    bool hint = opcode_has(&s->opcode, "L2::cache_hint");
    uint32_t extra = s->operand_count - 3 - hint;
    if (s->operand_count < 3u + hint || extra > 1) refuse(d, PTX_INVALID, "%u operands", s->operand_count);
    struct insn x = {.d = -1, .d2 = -1, .a = to.base, .b = from.base, .c = -1, .e = -1};
    if (to.flags & FLAG_FRAME || from.flags & (FLAG_FRAME | FLAG_BASE32)) refuse(d, PTX_INVALID, "it copies from global to shared memory");
    if (extra) {
        if (s->operands[3].kind == OPERAND_REG && d->f->regs[s->operands[3].reg].type == T_PRED) x.e = source(d, &s->operands[3], T_PRED, false);
        else x.c = source(d, &s->operands[3], T_B32, false);
    }
    x.flags = to.flags;
    x.mode = (uint8_t)size;
    if (!extra) check_emit(d, &from, SPACE_GLOBAL, (unsigned)size, 1, 0, CHECK_READ, NULL);
    check_emit(d, &to, SPACE_SHARED, (unsigned)size, 1, 0, CHECK_WRITE, NULL);
    struct insn *i = emit_fields(d, handler(d, "cp.async"), &x);
    i->imm = to.offset;
    int64_t *offset = arena_alloc(&d->loader->arena, sizeof *offset);
    *offset = from.offset;
    i->list = (const int32_t *)offset;
}

static uint8_t window_mode(struct decoder *d) {
    switch (space_of(d)) {
        case SPACE_SHARED: return 1;
        case SPACE_LOCAL: return 2;
        case SPACE_PARAM: return 3;
        default: return 0;
    }
}

static void statement(struct decoder *d) {
    char key[96];
    struct insn x;
    const struct opcode *o = &d->s->opcode;
    check_rules(d);
    switch (d->s->match.row->kind) {
        case KIND_ALU: decode_alu(d, false); break;
        case KIND_RNDALU: decode_alu(d, true); break;
        case KIND_MINMAX: /* of three: "min3" */
            key_of(d, key, sizeof key - 1);
            if (d->s->operand_count == 4) {
                memmove(key + 4, key + 3, strlen(key + 3) + 1);
                key[3] = '3';
            }
            x = fields(d);
            emit_fields(d, handler(d, key), &x);
            break;
        case KIND_LOP3P: decode_lop3_predicate(d); break;
        case KIND_SETP:
        case KIND_SETP2:
        case KIND_SET: decode_compare(d); break;
        case KIND_CVT: decode_cvt(d); break;
        case KIND_MOV: decode_mov(d); break;
        case KIND_MOV128: decode_mov128(d); break;
        case KIND_LD: decode_memory(d, true); break;
        case KIND_ST: decode_memory(d, false); break;
        case KIND_NOPA:
            fields(d);
#ifdef PTX_COVERAGE
            emit(d, handler(d, "nop"));
#endif
            break;
        case KIND_NOP:
            key_of(d, key, sizeof key);
            x = fields(d);
            emit_fields(d, handler(d, key), &x);
            break;
        case KIND_ISSPACEP:
        case KIND_CVTA:
            key_of(d, key, sizeof key);
            x = fields(d);
            x.mode = window_mode(d);
            if (d->s->match.row->kind == KIND_ISSPACEP && opcode_has(o, "const")) x.mode = 4;
            if (d->s->match.row->kind == KIND_ISSPACEP && opcode_has(o, "shared::cluster")) x.mode = 5;
            emit_fields(d, handler(d, key), &x);
            break;
        case KIND_RANK: /* mapa, getctarank */
            key_of(d, key, sizeof key);
            x = fields(d);
            x.mode = memory_type(d) == T_U64 ? 8 : 4;
            if (!opcode_has(o, "shared::cluster") && x.mode == 8) x.flags |= FLAG_GENERIC; /* 32 bits of a generic address are what lies in its window */
            emit_fields(d, handler(d, key), &x);
            break;
        case KIND_SHFL:
            x = fields(d);
            x.mode = opcode_has(o, "up") ? 0 : opcode_has(o, "down") ? 1 : opcode_has(o, "bfly") ? 2 : 3;
            emit_fields(d, handler(d, "shfl"), &x);
            break;
        case KIND_VOTE:
            x = fields(d);
            x.mode = opcode_has(o, "all") ? 0 : opcode_has(o, "any") ? 1 : opcode_has(o, "uni") ? 2 : 3;
            emit_fields(d, handler(d, "vote"), &x);
            break;
        case KIND_MATCH:
            x = fields(d);
            x.mode = (uint8_t)((opcode_has(o, "all") ? 1 : 0) | (opcode_has(o, "b64") ? 2 : 0));
            if (x.d2 >= 0 && !(x.mode & 1)) refuse(d, PTX_INVALID, "match.any has one destination");
            emit_fields(d, handler(d, "match"), &x);
            break;
        case KIND_REDUX:
            x = fields(d);
            x.mode = (uint8_t)(opcode_has(o, "add") ? 0 : opcode_has(o, "min") ? 1 : opcode_has(o, "max") ? 2 : opcode_has(o, "and") ? 3 : opcode_has(o, "or") ? 4 : 5);
            if (opcode_has(o, "s32")) x.flags |= FLAG_SIGNED;
            x.vec = (uint8_t)((opcode_has(o, "abs") ? 1 : 0) | (opcode_has(o, "NaN") ? 2 : 0));
            emit_fields(d, handler(d, opcode_has(o, "f32") ? "redux.f32" : "redux"), &x);
            break;
        case KIND_ELECT:
            x = fields(d);
            emit_fields(d, handler(d, "elect"), &x);
            break;
        case KIND_WARPSYNC:
            x = fields(d);
            emit_fields(d, handler(d, "warpsync"), &x);
            break;
        case KIND_VIDEO: decode_video(d); break;
        case KIND_MATRIX: decode_matrix(d); break;
        case KIND_MBARRIER: decode_mbarrier(d); break;
        case KIND_BULK: decode_bulk(d); break;
        case KIND_WGMMA: decode_wgmma(d); break;
        case KIND_TENSOR: decode_tensor(d); break;
        case KIND_TENSORMAP: decode_tensormap(d); break;
        case KIND_REMOTE: decode_remote(d); break;
        case KIND_CLEAR: decode_clear(d); break;
        case KIND_CANCEL: decode_cancel(d); break;
        case KIND_CANCELLED: decode_cancelled(d); break;
        case KIND_CVTRS: decode_stochastic(d); break;
        case KIND_ALLOCA: decode_alloca(d); break;
        case KIND_FIRST: { /* only the destination counts */
            key_of(d, key, sizeof key);
            struct insn all = fields(d);
            x = (struct insn){.d = all.d, .d2 = -1, .a = -1, .b = -1, .c = -1, .e = -1};
            emit_fields(d, handler(d, key), &x);
            break;
        }
        case KIND_TILES: decode_tiles(d); break;
        case KIND_CPASYNC: decode_cp_async(d); break;
        case KIND_BRA: decode_bra(d); break;
        case KIND_BRX: decode_brx(d); break;
        case KIND_CALL: decode_call(d); break;
        case KIND_RET:
            operand_count(d, 0, 0);
            emit(d, handler(d, d->f->is_entry ? "exit" : "ret"));
            break;
        case KIND_EXIT:
        case KIND_TRAP:
            operand_count(d, 0, 0);
            emit(d, handler(d, d->s->match.row->kind == KIND_EXIT ? "exit" : "trap"));
            break;
        case KIND_BAR:
        case KIND_BARRED: decode_barrier(d); break;
        case KIND_ATOM: decode_atom(d); break;
        case KIND_TEX:
        case KIND_TLD4:
        case KIND_TXQ:
        case KIND_SULD:
        case KIND_SUST:
        case KIND_SURED:
        case KIND_SUQ:
        case KIND_ISTYPEP: decode_image(d); break;
    }
}

static void function_slots(struct decoder *d, struct parameter *parameters, size_t count, struct slot **out) {
    struct slot *slots = arena_alloc(&d->loader->arena, (count + 1) * sizeof *slots);
    for (size_t i = 0; i < count; i++) {
        slots[i].size = parameters[i].size;
        if (parameters[i].symbol) {
            local_place(d, parameters[i].symbol);
            slots[i].offset = (uint32_t)parameters[i].symbol->place;
        } else {
            slots[i].is_reg = true;
            slots[i].reg = reg_row(d, parameters[i].reg);
            slots[i].row_bytes = (uint8_t)row_bytes(parameters[i].type);
        }
    }
    *out = slots;
}

void decode_function(struct ptx_module *module, struct function *f) {
    struct arena *scratch = &module->loader.scratch;
    struct decoder *d = arena_alloc(scratch, sizeof *d);
    d->module = module;
    d->loader = &module->loader;
    d->f = f;
    d->local_align = 16;
    d->start = arena_alloc(scratch, (f->statement_count + 1) * sizeof *d->start);
    struct code *code = f->code;
    struct statement *end = arena_alloc(scratch, sizeof *end);
    *end = (struct statement){.guard = -1, .opcode = {.name = "ret", .name_length = 3}};
    d->s = end;
    if (setjmp(d->give_up) == 0 && !f->is_entry) {
        function_slots(d, f->params, f->param_count, &code->params);
        function_slots(d, f->results, f->result_count, &code->results);
        code->param_count = (uint32_t)f->param_count;
        code->result_count = (uint32_t)f->result_count;
    }
    volatile size_t i = 0;
    for (; i < f->statement_count && module->loader.errors < 16; i++) {
        d->start[i] = (uint32_t)d->count;
        d->s = &f->statements[i];
        if (setjmp(d->give_up) == 0) statement(d);
    }
    if (module->loader.errors) return;
    d->start[f->statement_count] = (uint32_t)d->count;
    end->line = f->statement_count ? f->statements[f->statement_count - 1].line : f->symbol->line;
    d->s = end;
    emit(d, ops_find(f->is_entry ? "exit" : "ret")); /* falling off the end */
    insn_run bra = ops_find("bra"), brx = ops_find("brx");
    struct insn *insns = arena_copy(&module->loader.arena, d->insns, d->count, sizeof *insns);
    struct origin *origins = arena_alloc(&module->loader.arena, d->count * sizeof *origins);
    for (size_t k = 0; k < d->count; k++) {
        struct insn *insn = &insns[k];
        origins[k] = (struct origin){d->statements[k]->line, d->statements[k]->source_line, d->statements[k]->source_file};
        if (insn->run == bra) {
            insn->target = &insns[d->start[insn->imm]];
        } else if (insn->run == brx) {
            const struct branch_table *table = insn->table;
            for (uint32_t t = 0; t < table->count; t++) table->targets[t] = &insns[d->start[(uintptr_t)table->targets[t]]];
        }
    }
    code->insns = insns;
    code->origins = origins;
    code->insn_count = (uint32_t)d->count;
#ifdef PTX_COVERAGE
    code->statements = d->statements;
    module->loader.keeps_scratch = true;
#endif
    code->frame_bytes = d->frame ? d->frame : ROW32;
    if (d->rows) code->rows = arena_copy(&module->loader.arena, d->rows, d->frame / ROW32, sizeof *d->rows);
    code->local_bytes = d->local;
    code->local_align = d->local_align;
}

void decode_end(struct ptx_module *module) {
    struct arena *arena = &module->loader.arena;
    unsigned char *pool = arena_alloc(arena, module->pool_bytes + 64); /* rows begin where a line of the cache does */
    pool += -(uintptr_t)pool & 63;
    if (module->pool_bytes) memcpy(pool, module->pool, module->pool_bytes);
    module->pool = pool;
    module->patches = arena_copy(arena, module->patches, module->patch_count, sizeof *module->patches);
    module->pool_hash = NULL;
}
