/*
 * Fuzzing the parser, the linker and the decoder: nothing that a text says may crash, hang or leak. Two ways to run it:
 * with -DLIBFUZZER under libFuzzer, or as it is: argv = seed, number of mutations, seed files; every mutation of the files
 * (bytes, tokens, lines copied, dropped, swapped) is loaded. A mutation that loads has its kernels launched for a moment.
 */
#include "device.h"

static atomic_int stop_now = 1;
static long accepted;

static void load(const char *text, size_t length, int run) {
    static char log[4096];
    struct ptx_module *module;
    struct ptx_text texts[2] = {{text, length, "a"}, {text, length / 2, "b"}};
    if (ptx_module_link(texts, 1 + (length % 7 == 0), NULL, &module, log, sizeof log) != PTX_OK) {
        if (!log[0]) die("refused without a word");
        return;
    }
    accepted++;
    uint64_t addresses[4096] = {0};
    struct ptx_instance *instance;
    if (ptx_global_count(module) <= 4096 && ptx_instance_create(module, addresses, &instance) == PTX_OK) {
        for (size_t i = 0; i < ptx_kernel_count(module) && run && i < 8; i++) {
            unsigned char params[65536] = {0};
            struct ptx_fault fault;
            struct ptx_launch launch = {.grid = {1, 1, 1}, .block = {40, 1, 1}, .params = params, .param_bytes = sizeof params, .dynamic_shared = 64, .memory = &device_memory, .stop = &stop_now};
            ptx_launch(instance, ptx_kernel_at(module, i), &launch, &fault);
        }
        ptx_instance_free(instance);
    }
    ptx_module_free(module);
}

#ifdef LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    load((const char *)data, size, 1);
    return 0;
}
#else
static uint64_t state;
static uint32_t rnd(uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % (below ? below : 1);
}

int main(int argc, char **argv) {
    if (argc < 4) die("usage: fuzz SEED MUTATIONS FILE...");
    state = strtoull(argv[1], NULL, 0);
    long count = atol(argv[2]);
    static const char *const words[] = {"{", "}", "(", ")", ";", ",", ".reg", ".b32", ".b64", ".param", ".func", ".entry", "%r<99999>", "0xffffffffffffffff", "-1", "bra", "call", "[", "]", "<<", "/", "0", "\"",
                                        ".shared .b8 x[1048576];", ".visible", ".extern", ".v4", ".pred", "@%p1", "ret;", "/*", "//", ".align 65536", "@", "!", "|", "_", ".loc 1 2 3", "generic(", "0d", "%"};
    for (long n = 0; n < count; n++) {
        static char *seeds[64];
        static size_t lengths[64];
        uint32_t which = rnd((uint32_t)(argc < 67 ? argc - 3 : 64));
        if (!seeds[which]) seeds[which] = read_file(argv[3 + which], &lengths[which]);
        char *seed = seeds[which];
        size_t length = lengths[which];
        char *text = malloc(length * 2 + 4096);
        /* The head, one or two declarations of the module, and then a function: short, and whole before it is mutated. */
        char *at_head = strstr(seed, ".address_size 64"), *names[512];
        size_t head = at_head ? (size_t)(at_head - seed) + 17 : 0, functions = 0;
        for (char *at = seed; (at = strstr(at, "\n.")) && functions < 512; at++) {
            char *line_end = strchr(at + 1, '\n');
            size_t line = line_end ? (size_t)(line_end - at) : 0;
            if (memmem(at, line, ".entry", 6) || memmem(at, line, ".func", 5)) names[functions++] = at;
        }
        if (!functions || !head) die("a seed file without functions");
        memcpy(text, seed, head);
        size_t whole = length;
        length = head;
        for (uint32_t parts = 1 + rnd(2); parts > 0; parts--) {
            char *start = names[rnd((uint32_t)functions)], *end = strstr(start, "\n}\n");
            size_t part = end ? (size_t)(end - start) + 3 : (size_t)(seed + whole - start);
            if (length + part > whole || part > 8000) continue; /* quick ones */
            memcpy(text + length, start, part);
            length += part;
        }
        for (uint32_t m = rnd(4); m > 0 && length > 1; m--) {
            size_t at = rnd((uint32_t)length), other = rnd((uint32_t)length), size = 1 + rnd(40);
            switch (rnd(12) % 7) {
                case 0: text[at] = (char)rnd(256); break;
                case 1: {
                    const char *word = words[rnd(sizeof words / sizeof words[0])];
                    size_t w = strlen(word);
                    if (length + w > whole * 2) break;
                    memmove(text + at + w, text + at, length - at);
                    memcpy(text + at, word, w);
                    length += w;
                    break;
                }
                case 2:
                    if (size > length - at) size = length - at;
                    memmove(text + at, text + at + size, length - at - size);
                    length -= size;
                    break;
                case 3:
                    if (size > length - at) size = length - at;
                    if (size > length - other) size = length - other;
                    memmove(text + at, text + other, size);
                    break;
                case 4: text[at] = text[other]; break;
                case 5:
                    if (rnd(8) == 0) length = at + 1;
                    break;
                default: { /* one digit or letter for another: other registers, types, sizes */
                    for (size_t k = 0; k < 200 && at + k < length; k++)
                        if (text[at + k] >= '0' && text[at + k] <= '9') {
                            text[at + k] = (char)('0' + rnd(10));
                            break;
                        }
                    break;
                }
            }
        }
        char *exact = malloc(length ? length : 1); /* so that a read past the end is seen */
        memcpy(exact, text, length);
        free(text);
        load(exact, length, 1);
        free(exact);
    }
    printf("%ld mutations, %ld accepted\n", count, accepted);
    return 0;
}
#endif
