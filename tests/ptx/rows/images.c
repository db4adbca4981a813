/*
 * Runs generated kernels that use textures and surfaces. argv: module's file, operands' file, results' file, kernels, threads,
 * bytes in and out of a thread, images' file. Kernel n is "k<n>", run by `threads` threads in blocks of 48 as rows/run.c does it. Three
 * images are its own, of numbers 1 to 3; variables of textures and surfaces mean the first. Each is a header of 64 words (images.ts:
 * header) and 16 KiB of texels, which come back after the kernel's results.
 */
#include "../device.h"

enum { IMAGES = 3, WORDS = 64, STORAGE = 16384 };
static const uint64_t APART = 1 << 20, FIRST = UINT64_C(0x600000000);

static struct ptx_image images[IMAGES];
static unsigned char texels[IMAGES][STORAGE];

static bool find(void *context, uint64_t handle, struct ptx_image *image) {
    (void)context;
    size_t variable;
    if (ptx_image_index(handle, &variable)) handle = 1;
    if (handle < 1 || handle > IMAGES || !images[handle - 1].channels) return false;
    *image = images[handle - 1];
    return true;
}

/* Arrays and plain memory of an image are the same bytes at two addresses: a kernel must ask for the right one. */
static void *bytes_of(uint64_t first, uint64_t address, uint64_t *start, uint64_t *end) {
    if (address < first || address - first >= IMAGES * APART || (address - first) % APART >= STORAGE) return NULL;
    const uint64_t number = (address - first) / APART;
    *start = first + number * APART;
    *end = *start + STORAGE;
    return texels[number];
}
static void *storage(void *context, uint64_t address, uint64_t *start, uint64_t *end) {
    (void)context;
    return bytes_of(FIRST, address, start, end);
}
static void *span(void *context, uint64_t address, uint64_t *start, uint64_t *end) {
    void *bytes = bytes_of(2 * FIRST, address, start, end);
    return bytes ? bytes : device_span(context, address, start, end);
}
static const struct ptx_memory memory = {.span = span, .texture = find, .surface = find, .storage = storage};

static float number(uint32_t bits) {
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static void make_image(size_t n, const uint32_t *w) {
    struct ptx_image *im = &images[n];
    memset(im, 0, sizeof *im);
    im->dimensions = (uint8_t)w[0], im->layered = w[1], im->cube = w[2], im->linear = w[3], im->storage = !w[3];
    im->channels = (uint8_t)w[4], im->channel = (uint8_t)w[5], im->normalized = w[6], im->srgb = w[7], im->integer_bits = w[8];
    im->layers = w[9], im->level_count = w[10];
    struct ptx_sampler *s = &im->sampler;
    for (int i = 0; i < 3; i++) s->address[i] = (uint8_t)w[11 + i];
    s->filter = (uint8_t)w[14], s->mip_filter = (uint8_t)w[15], s->normalized_coords = w[16], s->seamless = w[17];
    s->level_bias = number(w[18]), s->level_min = number(w[19]), s->level_max = number(w[20]);
    memcpy(s->border, &w[21], 16);
    for (uint32_t i = 0; i < w[10]; i++) {
        const uint32_t *l = &w[25 + 6 * i];
        im->levels[i] = (struct ptx_level){(im->linear ? 2 * FIRST : FIRST) + n * APART + l[0], l[1], l[2], l[3], l[4], l[5]};
    }
}

int main(int argc, char **argv) {
    if (argc != 9) die("usage: images MODULE IN OUT KERNELS THREADS BYTES BYTES IMAGES");
    size_t length, in_length, image_length;
    char *text = read_file(argv[1], &length), *operands = read_file(argv[2], &in_length), *pictures = read_file(argv[8], &image_length);
    const unsigned kernels = (unsigned)atoi(argv[4]), threads = (unsigned)atoi(argv[5]);
    const size_t in_bytes = (size_t)threads * (size_t)atoi(argv[6]), out_bytes = (size_t)threads * (size_t)atoi(argv[7]), each = 4 * WORDS + STORAGE;
    if (in_length != kernels * in_bytes || image_length != kernels * IMAGES * each) die("%zu bytes of operands, %zu of images", in_length, image_length);
    FILE *results = fopen(argv[3], "wb");
    struct program p = program_load(text);
    const uint64_t in = device_alloc(in_bytes), out = device_alloc(out_bytes);
    for (unsigned k = 0; k < kernels; k++) {
        char name[16];
        snprintf(name, sizeof name, "k%u", k);
        memcpy(host_of(in), operands + k * in_bytes, in_bytes);
        memset(host_of(out), 0xa5, out_bytes);
        for (size_t n = 0; n < IMAGES; n++) {
            uint32_t words[WORDS];
            const char *picture = pictures + (k * IMAGES + n) * each;
            memcpy(words, picture, sizeof words);
            make_image(n, words);
            memcpy(texels[n], picture + sizeof words, STORAGE);
        }
        unsigned char params[128] = {0}; /* in, out, and a blob that nobody looks at */
        memcpy(params, &in, 8);
        memcpy(params + 8, &out, 8);
        struct ptx_launch launch = {.grid = {threads / 48, 1, 1}, .block = {48, 1, 1}, .params = params, .param_bytes = sizeof params, .workers = 2, .memory = &memory};
        struct ptx_fault fault;
        const struct ptx_kernel *kernel = program_kernel(&p, name);
        struct ptx_kernel_info info;
        ptx_kernel_info(kernel, &info);
        if (info.param_bytes > sizeof params) die("%s has %u bytes of parameters", name, info.param_bytes);
        if (ptx_launch(p.instance, kernel, &launch, &fault) != PTX_FAULT_NONE) die("%s: %s", name, fault.message);
        if (fwrite(host_of(out), 1, out_bytes, results) != out_bytes || fwrite(texels, 1, sizeof texels, results) != sizeof texels) die("results cannot be written");
    }
    fclose(results);
    program_free(&p);
    free(text), free(operands), free(pictures);
    for (size_t i = 0; i < device.count; i++) free(device.list[i].host);
    return 0;
}
