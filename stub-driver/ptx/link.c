/* Linking: which definition a name means across texts; places for shared variables; lists of kernels and globals. */
#include <string.h>

#include "code.h"

enum builtin builtin_named(const char *name) {
    if (strcmp(name, "vprintf") == 0) return BUILTIN_VPRINTF;
    if (strcmp(name, "cudaGraphSetConditional") == 0) return BUILTIN_SET_CONDITION;
    if (strcmp(name, "malloc") == 0) return BUILTIN_MALLOC;
    if (strcmp(name, "free") == 0) return BUILTIN_FREE;
    if (strcmp(name, "__assertfail") == 0 || strcmp(name, "__assert_fail") == 0) return BUILTIN_ASSERT;
    return BUILTIN_NONE;
}

static bool is_definition(const struct symbol *s) {
    if (s->kind == SYMBOL_FUNCTION) return s->function->has_body || s->alias;
    return s->linkage != LINK_EXTERN;
}

static int strength(const struct symbol *s) {
    if (!is_definition(s) || s->linkage == LINK_NONE) return 0;
    return s->linkage == LINK_COMMON ? 1 : s->linkage == LINK_WEAK ? 2 : 3;
}

struct link_name {
    struct symbol *best;
    struct link_name *next;
};

static struct link_name **find(struct link_name **table, size_t buckets, const char *name) {
    unsigned h = 2166136261u;
    for (const char *c = name; *c; c++) h = (h ^ (unsigned char)*c) * 16777619u;
    struct link_name **at = &table[h & (buckets - 1)];
    while (*at && strcmp((*at)->best->name, name) != 0) at = &(*at)->next;
    return at;
}

static void resolve(struct ptx_module *module) {
    struct loader *loader = &module->loader;
    enum { BUCKETS = 4096 };
    struct link_name **table = arena_alloc(&loader->scratch, BUCKETS * sizeof *table);
    for (size_t u = 0; u < module->unit_count; u++) {
        loader->unit_name = module->units[u]->name;
        for (struct symbol *s = module->units[u]->symbols; s; s = s->next) {
            if (s->in_function || strength(s) == 0) continue;
            struct link_name **at = find(table, BUCKETS, s->name);
            if (!*at) {
                *at = arena_alloc(&loader->scratch, sizeof **at);
                (*at)->best = s;
                continue;
            }
            struct symbol *old = (*at)->best;
            if (old->kind != s->kind || (s->kind == SYMBOL_VARIABLE && (old->space != s->space || old->image_kind != s->image_kind))) {
                loader_error(loader, PTX_INVALID, s->line, "'%s' is something else in %s", s->name, module->units[old->unit]->name);
            } else if (strength(s) == 3 && strength(old) == 3) {
                loader_error(loader, PTX_INVALID, s->line, "'%s' is defined in %s already", s->name, module->units[old->unit]->name);
            } else if (strength(s) > strength(old)) {
                (*at)->best = s;
            } else if (strength(s) == 1 && strength(old) == 1) { /* .common: the largest wins */
                if (s->size > old->size) (*at)->best = s;
            }
        }
    }
    for (size_t u = 0; u < module->unit_count; u++) {
        loader->unit_name = module->units[u]->name;
        for (struct symbol *s = module->units[u]->symbols; s; s = s->next) {
            if (s->in_function || (s->linkage == LINK_NONE && is_definition(s))) {
                s->definition = s;
                continue;
            }
            struct link_name *found = *find(table, BUCKETS, s->name);
            if (found) {
                s->definition = found->best;
                if (s->kind != found->best->kind || (s->kind == SYMBOL_VARIABLE && (s->space != found->best->space || s->image_kind != found->best->image_kind)))
                    loader_error(loader, PTX_INVALID, s->line, "'%s' is something else in %s", s->name, module->units[found->best->unit]->name);
                else if (s->kind == SYMBOL_FUNCTION && !s->alias && !found->best->alias) {
                    const struct function *a = s->function, *b = found->best->function;
                    bool same = a->param_count == b->param_count && a->result_count == b->result_count;
                    for (size_t i = 0; same && i < a->param_count; i++) same = a->params[i].size == b->params[i].size;
                    for (size_t i = 0; same && i < a->result_count; i++) same = a->results[i].size == b->results[i].size;
                    if (!same) loader_error(loader, PTX_INVALID, s->line, "'%s' is declared here with other parameters than %s defines", s->name, module->units[found->best->unit]->name);
                }
            } else if (s->kind == SYMBOL_VARIABLE && s->space == SPACE_SHARED && s->open_array) {
                s->definition = s; /* dynamic shared memory */
            } else {
                s->definition = s; /* complained about when it is used: headers declare much that nobody calls */
            }
        }
    }
    for (size_t u = 0; u < module->unit_count; u++)
        for (struct symbol *s = module->units[u]->symbols; s; s = s->next) {
            struct symbol *d = s->definition;
            for (int hops = 0; d && d->alias && hops < 16; hops++) d = d->alias->definition;
            s->definition = d ? d : s;
        }
}

static bool defined(const struct symbol *s) {
    const struct symbol *d = s->definition;
    if (d->kind == SYMBOL_FUNCTION) return d->function->has_body || builtin_named(d->name) != BUILTIN_NONE;
    return d->linkage != LINK_EXTERN || (d->space == SPACE_SHARED && d->open_array);
}

static void require(struct ptx_module *module, const struct symbol *s, const char *by, unsigned unit, uint32_t line) {
    if (defined(s)) return;
    module->loader.unit_name = module->units[unit]->name;
    loader_error(&module->loader, PTX_UNRESOLVED, line, "'%s', used by '%s', is defined nowhere", s->name, by);
}

/* `stack`: room for all functions; call chains of a hostile text may be deep. `seen`: of each shared variable, by its number, the last mark. */
static void reach(struct ptx_module *module, struct function *f, int mark, struct function **stack, int *seen, struct symbol **found, size_t *count) {
    size_t depth = 0;
    stack[depth++] = f;
    f->visit = mark;
    bool everything = false;
    while (depth) {
        struct function *at = stack[--depth];
        if (at->indirect_calls && !everything) { /* may reach any function */
            everything = true;
            for (size_t i = 0; i < module->function_count; i++)
                if (module->functions[i]->visit != mark && !module->functions[i]->is_entry) {
                    module->functions[i]->visit = mark;
                    stack[depth++] = module->functions[i];
                }
        }
        for (size_t i = 0; i < at->use_count; i++) {
            struct symbol *s = at->uses[i]->definition;
            if (s->kind == SYMBOL_FUNCTION && s->function->has_body && s->function->visit != mark) {
                s->function->visit = mark;
                stack[depth++] = s->function;
            } else if (s->kind == SYMBOL_VARIABLE && s->space == SPACE_SHARED && seen[s->place] != mark) {
                seen[s->place] = mark;
                found[(*count)++] = s;
            }
        }
    }
}

void link_units(struct ptx_module *module) {
    struct loader *loader = &module->loader;
    struct arena *arena = &loader->arena;
    resolve(module);
    enum { CONSTANT_BYTES = 64 << 10 };
    uint64_t constants = 0;
    size_t shared_count = 0, kernels = 0;
    for (size_t u = 0; u < module->unit_count; u++) {
        for (struct symbol *s = module->units[u]->symbols; s; s = s->next) {
            if (s->kind != SYMBOL_VARIABLE || s->definition != s) continue;
            if (s->space == SPACE_SHARED) s->place = shared_count++; /* its number, until it has a place */
            else if ((s->space == SPACE_GLOBAL || s->space == SPACE_CONST) && s->linkage != LINK_EXTERN) {
                if (s->space == SPACE_CONST) constants = ((constants + s->align - 1) & ~(uint64_t)(s->align - 1)) + s->size;
                if (s->space == SPACE_CONST && constants > CONSTANT_BYTES) {
                    loader->unit_name = module->units[u]->name;
                    loader_error(loader, PTX_INVALID, s->line, "'%s': more than %u bytes of constants", s->name, CONSTANT_BYTES);
                    return;
                }
                module->globals = arena_grow(arena, module->globals, module->global_count, &module->global_capacity, sizeof *module->globals);
                s->place = module->global_count;
                s->placed = true;
                module->globals[module->global_count++] = s;
            } else if (s->space == SPACE_IMAGE && s->linkage != LINK_EXTERN) {
                module->images = arena_grow(arena, module->images, module->image_count, &module->image_capacity, sizeof *module->images);
                s->place = module->image_count;
                s->placed = true;
                module->images[module->image_count++] = s;
            } else if (s->space == SPACE_LOCAL) {
                loader->unit_name = module->units[u]->name;
                loader_error(loader, PTX_INVALID, s->line, "'%s': .local outside a function, which the ABI does not have", s->name);
            }
        }
        for (struct function *f = module->units[u]->functions; f; f = f->next) {
            if (f->symbol->definition != f->symbol || f->symbol->function != f) continue; /* a weak one that lost */
            module->functions = arena_grow(arena, module->functions, module->function_count, &module->function_capacity, sizeof *module->functions);
            f->index = (uint32_t)module->function_count;
            f->symbol->place = f->index;
            module->functions[module->function_count++] = f;
            kernels += f->is_entry;
            for (size_t i = 0; i < f->statement_count; i++) {
                const struct statement *s = &f->statements[i];
                if (s->match.row->kind != KIND_CALL) continue;
                for (uint32_t k = 0; k < s->operand_count && k < 2; k++)
                    if (s->operands[k].kind == OPERAND_REG) f->indirect_calls = true;
            }
        }
    }
    for (size_t i = 0; i < module->function_count; i++)
        for (size_t k = 0; k < module->functions[i]->use_count; k++)
            require(module, module->functions[i]->uses[k], module->functions[i]->name, module->functions[i]->unit, module->functions[i]->uses[k]->line);
    for (size_t i = 0; i < module->global_count; i++)
        for (size_t k = 0; k < module->globals[i]->relocation_count; k++)
            require(module, module->globals[i]->relocations[k].symbol, module->globals[i]->name, module->globals[i]->unit, module->globals[i]->line);
    if (loader->errors) return;

    /* A shared variable has one offset in all kernels that reach it (functions that several kernels call know only one):
     * past everything that any of these kernels has already. */
    module->kernels = arena_alloc(arena, (kernels + 1) * sizeof *module->kernels);
    struct symbol ***reached = arena_alloc(&loader->scratch, (kernels + 1) * sizeof *reached);
    size_t *reached_count = arena_alloc(&loader->scratch, (kernels + 1) * sizeof *reached_count);
    struct symbol **found = arena_alloc(&loader->scratch, (shared_count + 1) * sizeof *found);
    int *seen = arena_alloc(&loader->scratch, (shared_count + 1) * sizeof *seen);
    struct function **stack = arena_alloc(&loader->scratch, (module->function_count + 1) * sizeof *stack);
    size_t *first = arena_alloc(&loader->scratch, (shared_count + 2) * sizeof *first), total = 0;
    for (size_t i = 0; i < module->function_count; i++) {
        struct function *f = module->functions[i];
        if (!f->is_entry) continue;
        size_t k = module->kernel_count++;
        module->kernels[k] = (struct ptx_kernel){.module = module, .function = f};
        size_t count = 0;
        reach(module, f, (int)k + 1, stack, seen, found, &count);
        reached[k] = arena_copy(&loader->scratch, found, count, sizeof *found);
        reached_count[k] = count;
        total += count;
        for (size_t n = 0; n < count; n++) first[found[n]->place + 1]++;
    }
    /* Of variable n, the kernels that reach it: users[first[n] .. first[n + 1]). */
    uint32_t *users = arena_alloc(&loader->scratch, (total + 1) * sizeof *users);
    size_t *next = arena_alloc(&loader->scratch, (shared_count + 1) * sizeof *next);
    for (size_t n = 0; n < shared_count; n++) {
        first[n + 1] += first[n];
        next[n] = first[n];
    }
    for (size_t k = 0; k < module->kernel_count; k++)
        for (size_t i = 0; i < reached_count[k]; i++) users[next[reached[k][i]->place]++] = (uint32_t)k;
    for (size_t k = 0; k < module->kernel_count; k++)
        for (size_t i = 0; i < reached_count[k]; i++) {
            struct symbol *s = reached[k][i];
            if (s->placed || s->open_array) continue;
            const size_t from = first[s->place], end = first[s->place + 1];
            uint64_t place = 0;
            for (size_t n = from; n < end; n++)
                if (module->kernels[users[n]].function->shared_bytes > place) place = module->kernels[users[n]].function->shared_bytes;
            place = (place + s->align - 1) & ~(uint64_t)(s->align - 1);
            if (place + s->size > 1 << 20) {
                loader->unit_name = module->units[s->unit]->name;
                loader_error(loader, PTX_INVALID, s->line, "'%s': more than 1 MiB of shared memory", s->name);
                return;
            }
            s->place = place;
            s->placed = true;
            for (size_t n = from; n < end; n++) ((struct function *)(uintptr_t)module->kernels[users[n]].function)->shared_bytes = (uint32_t)(place + s->size);
        }
    for (size_t u = 0; u < module->unit_count; u++)
        for (struct symbol *s = module->units[u]->symbols; s; s = s->next)
            if (s->kind == SYMBOL_VARIABLE && s->space == SPACE_SHARED && s->definition == s && !s->placed) s->place = 0;
}

enum { VISIT_OPEN = -1, VISIT_DONE = -2 };

void link_stack(struct ptx_module *module) {
    for (size_t i = 0; i < module->function_count; i++) module->functions[i]->visit = 0;
    struct function **stack = arena_alloc(&module->loader.scratch, (module->function_count + 1) * sizeof *stack);
    size_t *position = arena_alloc(&module->loader.scratch, (module->function_count + 1) * sizeof *position);
    for (size_t i = 0; i < module->function_count; i++) {
        size_t depth = 0;
        if (module->functions[i]->visit != 0) continue;
        stack[depth++] = module->functions[i];
        position[0] = 0;
        module->functions[i]->visit = VISIT_OPEN;
        while (depth) {
            struct function *f = stack[depth - 1];
            bool pushed = false;
            while (position[depth - 1] < f->use_count && !pushed) {
                struct symbol *s = f->uses[position[depth - 1]++]->definition;
                if (s->kind != SYMBOL_FUNCTION || !s->function->has_body) continue;
                struct function *g = s->function;
                if (g->visit == VISIT_DONE) {
                    if (g->stack_bytes > f->stack_bytes) f->stack_bytes = g->stack_bytes;
                } else if (g->visit == 0) {
                    g->visit = VISIT_OPEN;
                    stack[depth] = g;
                    position[depth++] = 0;
                    pushed = true;
                }
            }
            if (pushed) continue;
            f->visit = VISIT_DONE;
            f->stack_bytes += f->code->local_bytes + 64; /* 64: the alignment of the callee's frame */
            depth--;
            if (depth && f->stack_bytes > stack[depth - 1]->stack_bytes) stack[depth - 1]->stack_bytes = f->stack_bytes;
        }
    }
}
