/* See target.h. A kernel's parameters are all the address of one buffer, so that it gets past its first load; it is
 * stopped at the end of its first turn (some hundred backward branches or calls). */
#include "target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER UINT64_C(0x7f2000000000)
enum { BUFFER_BYTES = 16384, GLOBALS = 1024 };

static unsigned char buffer[BUFFER_BYTES];
static unsigned char *globals[GLOBALS];
static uint64_t addresses[GLOBALS], sizes[GLOBALS];

static void *span(void *context, uint64_t address, uint64_t *start, uint64_t *end) {
    (void)context;
    if (address - BUFFER < BUFFER_BYTES) {
        *start = BUFFER;
        *end = BUFFER + BUFFER_BYTES;
        return buffer;
    }
    for (size_t i = 0; i < GLOBALS; i++)
        if (globals[i] && address - addresses[i] < sizes[i]) {
            *start = addresses[i];
            *end = addresses[i] + sizes[i];
            return globals[i];
        }
    return NULL;
}

static uint64_t allocate(void *context, uint64_t size) {
    (void)context;
    return size && size <= BUFFER_BYTES ? BUFFER : 0;
}
static bool release(void *context, uint64_t address) {
    (void)context;
    return address == BUFFER;
}
static void print(void *context, const char *text, size_t length) {
    static volatile char last;
    (void)context;
    for (size_t i = 0; i < length; i++) last = text[i];
    (void)last;
}

/* Any number is a texture and a surface: of a shape, format and sampler that the number's bits choose. Texels may lie outside. */
static bool image(void *context, uint64_t handle, struct ptx_image *out) {
    (void)context;
    const uint32_t bits = (uint32_t)(handle ^ handle >> 32) * 2654435761u;
    *out = (struct ptx_image){.dimensions = (uint8_t)(1 + bits % 3), .layered = bits >> 2 & 1, .cube = (bits >> 3 & 7) == 0, .linear = (bits >> 6 & 7) == 0, .storage = bits >> 9 & 1,
                              .channels = (uint8_t)(1 << (bits >> 10 & 3) % 3), .channel = bits >> 12 & 7, .layers = 1 + (bits >> 15 & 3), .level_count = 1 + (bits >> 17 & 3)};
    if (out->cube) out->dimensions = 2;
    const bool integer = out->channel <= PTX_CHANNEL_S32;
    out->normalized = out->channel <= PTX_CHANNEL_S16 && (bits >> 19 & 1);
    out->integer_bits = integer && !out->normalized;
    out->srgb = out->normalized && (bits >> 20 & 1);
    out->sampler = (struct ptx_sampler){.address = {bits >> 21 & 3, bits >> 23 & 3, bits >> 25 & 3}, .filter = bits >> 27 & 1, .mip_filter = bits >> 28 & 1, .normalized_coords = bits >> 29 & 1,
                                        .seamless = bits >> 30 & 1, .level_max = 3, .level_bias = 0.5f};
    for (uint32_t i = 0; i < out->level_count; i++)
        out->levels[i] = (struct ptx_level){.address = BUFFER + 1024 * i, .pitch = 256, .slice = 2048, .width = 16 >> i, .height = out->cube ? 16 >> i : 9 >> i, .depth = 4 >> i ? 4 >> i : 1};
    return true;
}

static void run(const struct ptx_instance *instance, const struct ptx_kernel *kernel) {
    static const atomic_int stop = 1;
    static const struct ptx_memory memory = {.span = span, .allocate = allocate, .release = release, .texture = image, .surface = image, .storage = span};
    struct ptx_kernel_info info;
    ptx_kernel_info(kernel, &info);
    unsigned char *params = malloc(info.param_bytes + 1); /* exactly its size, so that a read past the end is seen */
    const uint64_t where = BUFFER;
    for (uint32_t i = 0; i < info.param_bytes; i++) params[i] = ((const unsigned char *)&where)[i % 8];
    struct ptx_fault fault;
    struct ptx_launch launch = {.grid = {2, 1, 1}, .block = {40, 1, 1}, .params = params, .param_bytes = info.param_bytes, .dynamic_shared = 64, .stack_bytes = 1024, .memory = &memory, .print = print, .stop = &stop};
    if (info.required[0]) memcpy(launch.block, info.required, sizeof launch.block);
    else if (info.max_threads < 40) launch.block[0] = info.max_threads;
    if (ptx_launch(instance, kernel, &launch, &fault) != PTX_FAULT_NONE && !fault.message[0]) abort(); /* a fault without a word */
    free(params);
}

void exercise(const struct ptx_text *texts, size_t count) {
    static char log[4096];
    struct ptx_module *module = NULL;
    enum ptx_status status = count == 1 ? ptx_module_load(texts[0].text, texts[0].length, NULL, &module, log, sizeof log) : ptx_module_link(texts, count, NULL, &module, log, sizeof log);
    if (status != PTX_OK) {
        if (!log[0] || strlen(log) >= sizeof log) abort(); /* refused without a word */
        return;
    }
    size_t global_count = ptx_global_count(module);
    uint64_t next = BUFFER + (UINT64_C(1) << 32), total = 0;
    for (size_t i = 0; i < global_count && i < GLOBALS; i++) {
        struct ptx_global_info info;
        ptx_global_at(module, i, &info);
        addresses[i] = next;
        sizes[i] = info.size;
        next += (info.size + 0xffff) & ~UINT64_C(0xffff);
        total += info.size;
    }
    struct ptx_instance *instance = NULL;
    if (global_count <= GLOBALS && total < 1 << 20 && ptx_instance_create(module, addresses, &instance) == PTX_OK) {
        for (size_t i = 0; i < global_count; i++) {
            globals[i] = malloc(sizes[i] ? sizes[i] : 1);
            ptx_instance_initial(instance, i, globals[i]);
        }
        for (size_t i = 0; i < ptx_kernel_count(module) && i < 4; i++) {
            struct ptx_kernel_info info;
            ptx_kernel_info(ptx_kernel_at(module, i), &info);
            if (info.local_bytes < 1 << 16) run(instance, ptx_kernel_at(module, i)); /* more only costs the fuzzer time */
        }
        for (size_t i = 0; i < global_count; i++) {
            free(globals[i]);
            globals[i] = NULL;
        }
    }
    ptx_instance_free(instance);
    ptx_module_free(module);
}
