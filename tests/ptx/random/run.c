/*
 * Runs one generated program on the host and on the PTX engine and compares all that its threads wrote, bit for bit.
 * argv: host library, number of kernels, seed of the operands, PTX files. Says what differs first and ends with 1.
 */
#include <dlfcn.h>

#include "../device.h"

enum { STORE = 24, INPUT = 8, SUMS = 32 };
typedef void (*host_function)(uint32_t kernel, uint32_t blocks, uint32_t x, uint32_t y, uint32_t seed, const uint64_t *in, uint64_t *out, uint32_t *sums, uint32_t n);

static uint64_t state;
static uint64_t draw(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}
static uint64_t operand(void) {
    static const uint64_t edges[] = {0, 1, 2, 31, 32, 63, 127, 128, 255, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ~UINT64_C(0), 0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000000, 0xc008000000000000};
    switch (draw() % 4) {
    case 0: return edges[draw() % (sizeof edges / sizeof *edges)];
    case 1: return draw() >> draw() % 64;
    case 2: return (0x3ff - 20 + draw() % 40) << 52 | draw() >> 12; /* doubles around 1 */
    default: return draw();
    }
}

static const uint32_t shapes[][3] = {{1, 1, 1}, {1, 32, 1}, {2, 45, 1}, {3, 64, 1}, {1, 16, 6}, {2, 33, 3}};

int main(int argc, char **argv) {
    if (argc < 5) die("usage: run HOST.so KERNELS SEED PTX...");
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    host_function host = library ? (host_function)dlsym(library, "host_run") : NULL;
    if (!host) die("%s", dlerror());
    uint32_t kernels = (uint32_t)atoi(argv[2]), seed = (uint32_t)atoi(argv[3]);
    enum { THREADS = 256 };
    uint64_t in = device_alloc(THREADS * INPUT * 8), out = device_alloc(THREADS * STORE * 8), sums = device_alloc(SUMS * 4);
    static uint64_t expected[THREADS * STORE];
    static uint32_t expected_sums[SUMS];
    for (int file = 4; file < argc; file++) {
        size_t length;
        char *text = read_file(argv[file], &length);
        struct program p = program_load(text);
        for (uint32_t k = 0; k < kernels; k++)
            for (uint32_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
                state = seed * UINT64_C(0x9e3779b97f4a7c15) + s + 1;
                uint64_t *operands = host_of(in);
                for (int i = 0; i < THREADS * INPUT; i++) operands[i] = operand();
                memset(expected, 0xa5, sizeof expected), memset(expected_sums, 0, sizeof expected_sums);
                memset(host_of(out), 0xa5, sizeof expected), memset(host_of(sums), 0, sizeof expected_sums);
                uint32_t blocks = shapes[s][0], x = shapes[s][1], y = shapes[s][2], n = seed + k;
                host(k, blocks, x, y, seed, operands, expected, expected_sums, n);
                char name[16];
                snprintf(name, sizeof name, "k%u", k);
                struct ptx_fault fault;
                if (launch_raw(&p, name, D3(blocks, 1, 1), D3(x, y, 1), 0, false, &fault, ARGS(&in, &out, &sums, &n)) != PTX_FAULT_NONE)
                    die("%s: %s, %u blocks of %u x %u: %s", argv[file], name, blocks, x, y, fault.message);
                const uint64_t *got = host_of(out);
                for (uint32_t i = 0; i < THREADS * STORE; i++)
                    if (got[i] != expected[i])
                        die("%s: %s, %u blocks of %u x %u: thread %u wrote %016llx to slot %u, not %016llx", argv[file], name, blocks, x, y, i / STORE, (unsigned long long)got[i], i % STORE, (unsigned long long)expected[i]);
                const uint32_t *got_sums = host_of(sums);
                for (uint32_t i = 0; i < SUMS; i++)
                    if (got_sums[i] != expected_sums[i]) die("%s: %s, %u blocks of %u x %u: sum %u is %08x, not %08x", argv[file], name, blocks, x, y, i, got_sums[i], expected_sums[i]);
            }
        program_free(&p);
        free(text);
    }
    return 0;
}
