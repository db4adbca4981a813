/* Modules and instances: the public half of loading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "code.h"

/* Nested as deeply as the parser lets operands be. */
static void note_registers(const struct operand *o, uint32_t at, uint32_t *first, uint32_t *last) {
    if (o->kind == OPERAND_REG) {
        if (!first[o->reg]) first[o->reg] = at;
        last[o->reg] = at;
    }
    for (uint32_t p = 0; o->parts && p < o->count; p++) note_registers(&o->parts[p], at, first, last);
}

/* How many 32-bit registers are live at most: values counted from the first to the last line that names them, which is
 * exact for straight code and close for loops. */
static uint32_t estimate_registers(struct arena *arena, const struct function *f) {
    size_t n = f->reg_count;
    if (n == 0) return 8;
    uint32_t *first = arena_alloc(arena, n * sizeof *first), *last = arena_alloc(arena, n * sizeof *last);
    int32_t *change = arena_alloc(arena, (f->statement_count + 2) * sizeof *change);
    for (size_t i = 0; i < f->statement_count; i++) {
        const struct statement *s = &f->statements[i];
        for (uint32_t k = 0; k < s->operand_count; k++) {
            const struct operand *o = &s->operands[k];
            note_registers(o, (uint32_t)i + 1, first, last);
        }
    }
    for (size_t r = 0; r < n; r++) {
        int32_t words = f->regs[r].type == T_PRED ? 0 : ptx_types[f->regs[r].type].bytes > 4 ? ptx_types[f->regs[r].type].bytes / 4 : 1;
        if (!first[r]) continue;
        change[first[r] - 1] += words;
        change[last[r]] -= words;
    }
    int32_t live = 0, most = 0;
    for (size_t i = 0; i <= f->statement_count; i++) {
        live += change[i];
        if (live > most) most = live;
    }
    uint32_t registers = ((uint32_t)most + 8 + 7) & ~7u;
    return registers > 255 ? 255 : registers;
}

static void load(struct ptx_module *module, const struct ptx_text *texts, size_t count) {
    struct loader *loader = &module->loader;
    module->units = arena_alloc(&loader->arena, (count + 1) * sizeof *module->units);
    for (size_t i = 0; i < count; i++) {
        module->units[i] = parse_unit(loader, &texts[i], (unsigned)i);
        module->unit_count++;
    }
    if (loader->errors) return;
    link_units(module);
    if (loader->errors) return;
    for (size_t i = 0; i < module->function_count; i++) {
        struct function *f = module->functions[i];
        f->code = arena_alloc(&loader->arena, sizeof *f->code);
        f->code->function = f;
        f->code->name = f->name;
        f->code->index = f->index;
    }
    for (size_t i = 0; i < module->function_count && loader->errors < 16; i++) decode_function(module, module->functions[i]);
    if (loader->errors) return;
    decode_end(module);
    link_stack(module);
    for (size_t i = 0; i < module->kernel_count; i++) {
        struct ptx_kernel *k = &module->kernels[i];
        k->code = k->function->code;
        k->registers = estimate_registers(&loader->scratch, k->function);
    }
}

enum ptx_status ptx_module_link(const struct ptx_text *texts, size_t count, const struct ptx_options *options, struct ptx_module **out, char *log, size_t log_size) {
    *out = NULL;
    if (log && log_size) log[0] = 0;
    struct ptx_module *module = calloc(1, sizeof *module);
    if (!module) return PTX_NO_MEMORY;
    struct loader *loader = &module->loader;
    loader->log = log;
    loader->log_size = log_size;
    loader->unit_name = "ptx";
    loader->checks = options ? options->checks : 0;
    loader->arena.budget = loader->scratch.budget = loader->names.budget = &loader->budget;
    loader->budget.limit = options ? options->memory : 0;
    if (setjmp(loader->budget.no_memory) == 0) {
        load(module, texts, count);
    } else {
        loader->status = PTX_NO_MEMORY;
        if (log && log_size) snprintf(log, log_size, "out of memory\n");
    }
    loader->log = NULL;
    arena_free(&loader->names);
    if (!loader->keeps_scratch) arena_free(&loader->scratch);
    enum ptx_status status = loader->status;
    if (status != PTX_OK) {
        ptx_module_free(module);
        return status;
    }
    *out = module;
    return PTX_OK;
}

enum ptx_status ptx_module_load(const char *text, size_t length, const struct ptx_options *options, struct ptx_module **out, char *log, size_t log_size) {
    struct ptx_text one = {text, length, NULL};
    return ptx_module_link(&one, 1, options, out, log, log_size);
}

void ptx_module_free(struct ptx_module *module) {
    if (!module) return;
    arena_free(&module->loader.scratch);
    arena_free(&module->loader.arena);
    free(module);
}

size_t ptx_module_bytes(const struct ptx_module *module) { return sizeof *module + module->loader.budget.used; }

size_t ptx_instance_bytes(const struct ptx_module *module) {
    return sizeof(struct ptx_instance) + module->global_count * sizeof(uint64_t) + (module->patch_count ? module->pool_bytes : 0);
}

void ptx_module_limit_registers(struct ptx_module *module, uint32_t most) { module->max_registers = most; }

size_t ptx_kernel_count(const struct ptx_module *module) { return module->kernel_count; }
const struct ptx_kernel *ptx_kernel_at(const struct ptx_module *module, size_t index) { return index < module->kernel_count ? &module->kernels[index] : NULL; }

size_t ptx_kernel_index(const struct ptx_kernel *kernel) { return (size_t)(kernel - kernel->module->kernels); }

const struct ptx_kernel *ptx_kernel_find(const struct ptx_module *module, const char *name) {
    for (size_t i = 0; i < module->kernel_count; i++)
        if (strcmp(module->kernels[i].function->name, name) == 0) return &module->kernels[i];
    return NULL;
}

void ptx_kernel_info(const struct ptx_kernel *kernel, struct ptx_kernel_info *info) {
    const struct function *f = kernel->function;
    *info = (struct ptx_kernel_info){.name = f->name, .param_count = (uint32_t)f->param_count, .param_bytes = f->param_bytes, .shared_bytes = f->shared_bytes,
                                     .local_bytes = (uint32_t)f->stack_bytes, .registers = kernel->registers, .max_threads = 1024, .min_blocks = f->min_blocks};
    const uint32_t limits[] = {f->max_registers, kernel->module->max_registers};
    for (size_t i = 0; i < 2; i++)
        if (limits[i] && limits[i] < info->registers) info->registers = limits[i];
    const uint32_t *limit = f->has_req ? f->req_ntid : f->has_max ? f->max_ntid : NULL;
    if (limit) {
        uint64_t threads = (uint64_t)limit[0] * limit[1];
        threads = threads > 1024 ? 1024 : threads * limit[2];
        info->max_threads = threads > 1024 ? 1024 : (uint32_t)threads;
    }
    if (f->has_req) memcpy(info->required, f->req_ntid, sizeof info->required);
    memcpy(info->cluster, f->cluster, sizeof info->cluster);
}

bool ptx_kernel_param(const struct ptx_kernel *kernel, size_t index, struct ptx_param_info *info) {
    if (index >= kernel->function->param_count) return false;
    const struct parameter *p = &kernel->function->params[index];
    *info = (struct ptx_param_info){p->offset, p->size, p->align};
    return true;
}

size_t ptx_image_count(const struct ptx_module *module) { return module->image_count; }

void ptx_image_at(const struct ptx_module *module, size_t index, struct ptx_image_info *info) {
    const struct symbol *s = module->images[index];
    *info = (struct ptx_image_info){.name = s->name, .kind = s->image_kind};
    if (s->sampler) info->sampler = *s->sampler;
}

uint64_t ptx_image_handle(size_t index) { return image_handle(index); }

bool ptx_image_index(uint64_t handle, size_t *index) {
    uint64_t offset = handle - PTX_WINDOW_IMAGE;
    if (offset >= UINT64_C(1) << 32 || offset % 16 || offset == 0) return false;
    *index = (size_t)(offset / 16 - 1);
    return true;
}

size_t ptx_global_count(const struct ptx_module *module) { return module->global_count; }

void ptx_global_at(const struct ptx_module *module, size_t index, struct ptx_global_info *info) {
    const struct symbol *s = module->globals[index];
    *info = (struct ptx_global_info){.name = s->name, .size = s->size, .align = s->align, .constant = s->space == SPACE_CONST,
                                     .visible = !s->in_function && (s->linkage == LINK_VISIBLE || s->linkage == LINK_WEAK || s->linkage == LINK_COMMON),
                                     .managed = s->managed, .initialised = s->initial || s->relocation_count};
}

static uint64_t address_of(const struct ptx_instance *instance, const struct symbol *symbol) {
    const struct symbol *s = symbol->definition;
    if (s->kind == SYMBOL_FUNCTION) return code_address(s->function->index);
    if (s->space == SPACE_GLOBAL || s->space == SPACE_CONST) return instance->addresses[s->place];
    if (s->space == SPACE_IMAGE) return image_handle(s->place);
    return s->place; /* shared: its offset */
}

enum ptx_status ptx_instance_create(const struct ptx_module *module, const uint64_t *addresses, struct ptx_instance **out) {
    *out = NULL;
    struct ptx_instance *instance = calloc(1, sizeof *instance);
    if (!instance) return PTX_NO_MEMORY;
    instance->module = module;
    instance->addresses = calloc(module->global_count + 1, sizeof *instance->addresses);
    instance->pool = module->patch_count ? aligned_alloc(64, (module->pool_bytes + 127) & ~(size_t)63) : module->pool;
    if (!instance->addresses || (module->patch_count && !instance->pool)) {
        ptx_instance_free(instance);
        return PTX_NO_MEMORY;
    }
    if (module->global_count) memcpy(instance->addresses, addresses, module->global_count * sizeof *addresses);
    if (module->patch_count) memcpy(instance->pool, module->pool, module->pool_bytes);
    for (size_t i = 0; i < module->patch_count; i++) {
        const struct pool_patch *patch = &module->patches[i];
        uint64_t value = address_of(instance, patch->symbol) + patch->addend;
        for (int lane = 0; lane < LANES; lane++) memcpy(instance->pool + patch->offset + 8 * lane, &value, 8);
    }
    *out = instance;
    return PTX_OK;
}

void ptx_instance_initial(const struct ptx_instance *instance, size_t index, void *bytes) {
    const struct symbol *s = instance->module->globals[index];
    if (s->initial) memcpy(bytes, s->initial, s->size);
    else memset(bytes, 0, s->size);
    for (size_t i = 0; i < s->relocation_count; i++) {
        const struct relocation *r = &s->relocations[i];
        uint64_t value = address_of(instance, r->symbol) + (uint64_t)r->addend;
        value >>= r->shift;
        memcpy((unsigned char *)bytes + r->offset, &value, r->bytes);
    }
}

void ptx_instance_free(struct ptx_instance *instance) {
    if (!instance) return;
    free(instance->addresses);
    if (instance->pool != instance->module->pool) free(instance->pool);
    free(instance);
}
