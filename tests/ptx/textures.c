/*
 * Textures and surfaces of the PTX engine against a reference of its own: formulas of the CUDA programming guide, in long
 * double, one axis at a time. Images of every shape, format, filter and address mode; coordinates inside, at the edges, far
 * outside, infinite and NaN. Prints its seed.
 *   textures SEED
 */
#include <math.h>

#include "device.h"

static uint64_t state;
static uint32_t random32(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 32);
}

/* ---- the images that handles 1 to 4 mean */

static struct ptx_image images[4];
static uint64_t storage_address; /* of an "array": no plain pointer reaches it */
static unsigned char storage_bytes[1 << 16];

static bool find_image(uint64_t handle, struct ptx_image *image) {
    size_t index;
    if (ptx_image_index(handle, &index)) handle = index + 1; /* variables are bound to the images in their order */
    if (handle < 1 || handle > 4 || !images[handle - 1].channels) return false;
    *image = images[handle - 1];
    return true;
}
static bool texture(void *context, uint64_t handle, struct ptx_image *image) { (void)context; return find_image(handle, image); }
static bool surface(void *context, uint64_t handle, struct ptx_image *image) { (void)context; return find_image(handle, image); }
static void *storage(void *context, uint64_t address, uint64_t *start, uint64_t *end) {
    (void)context;
    if (address - storage_address >= sizeof storage_bytes) return NULL;
    *start = storage_address;
    *end = storage_address + sizeof storage_bytes;
    return storage_bytes;
}

static const struct ptx_memory memory = {.span = device_span, .texture = texture, .surface = surface, .storage = storage};

static enum ptx_fault_kind start(const struct program *p, const char *name, uint32_t threads, struct ptx_fault *fault, const uint64_t *values, size_t count) {
    struct ptx_launch launch = {.grid = {1, 1, 1}, .block = {threads, 1, 1}, .params = values, .param_bytes = count * 8, .workers = 1, .memory = &memory};
    return ptx_launch(p->instance, program_kernel(p, name), &launch, fault);
}

/* ---- the reference */

struct reference {
    const struct ptx_image *image;
    const struct ptx_sampler *sampler;
    const struct ptx_level *level;
    uint32_t slice;
};

static const unsigned char *bytes_of(uint64_t address) { return storage_bytes + (address - storage_address); }

static long double half_value(uint16_t h) {
    int e = h >> 10 & 31, m = h & 1023;
    long double v = e == 0 ? ldexpl(m, -24) : e == 31 ? (m ? NAN : INFINITY) : ldexpl(1024 + m, e - 25);
    return h & 0x8000 ? -v : v;
}

/* Channel c of texel (x, y, z), as the number that is filtered. */
static long double texel(const struct reference *r, int64_t x, int64_t y, int64_t z, unsigned c) {
    const struct ptx_image *im = r->image;
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 2, 4};
    int size = sizes[im->channel];
    if (c >= im->channels) return c == 3 ? 1 : 0;
    const unsigned char *p = bytes_of(r->level->address + (uint64_t)x * (uint64_t)size * im->channels + (uint64_t)y * r->level->pitch + (uint64_t)(z + r->slice) * r->level->slice) + size * (int)c;
    int64_t i = 0;
    float f;
    uint16_t h;
    switch (im->channel) {
        case PTX_CHANNEL_U8: i = p[0]; break;
        case PTX_CHANNEL_S8: i = (int8_t)p[0]; break;
        case PTX_CHANNEL_U16: i = p[0] | p[1] << 8; break;
        case PTX_CHANNEL_S16: i = (int16_t)(p[0] | p[1] << 8); break;
        case PTX_CHANNEL_U32: i = (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24; break;
        case PTX_CHANNEL_S32: i = (int32_t)((uint32_t)(p[0] | p[1] << 8 | p[2] << 16) | (uint32_t)p[3] << 24); break;
        case PTX_CHANNEL_F16: memcpy(&h, p, 2); return half_value(h);
        default: memcpy(&f, p, 4); return f;
    }
    if (!im->normalized) return i;
    long double top = size == 1 ? (im->channel == PTX_CHANNEL_U8 ? 255 : 127) : im->channel == PTX_CHANNEL_U16 ? 65535 : 32767;
    long double v = (float)((long double)i / top); /* the conversion is rounded to single precision */
    if (v < -1) v = -1;
    if (im->srgb && c < 3) v = (float)(v <= 0.04045L ? v / 12.92L : powl((v + 0.055L) / 1.055L, 2.4L));
    return v;
}

static long double border(const struct reference *r, unsigned c) {
    float f;
    memcpy(&f, &r->sampler->border[c], 4);
    return r->image->integer_bits ? (long double)(int32_t)r->sampler->border[c] : f;
}

/* The coordinate after addressing, in texels: the guide's frac(x)N and its mirrored twin; clamping is left to the index. */
static long double address(long double x, uint32_t n, uint8_t mode, bool normalized) {
    long double u = normalized ? x * n : x;
    if (!normalized || mode == PTX_ADDRESS_CLAMP || mode == PTX_ADDRESS_BORDER) return u;
    long double turn = floorl(u / n), rest = u / n - turn;
    if (mode == PTX_ADDRESS_MIRROR && fmodl(turn, 2) != 0) rest = 1 - rest;
    return rest * n;
}

static int64_t index_in(long double i, uint32_t n, uint8_t mode, bool normalized) {
    if (i >= 0 && i < n) return (int64_t)i;
    if (mode == PTX_ADDRESS_WRAP && normalized) return i < 0 ? (int64_t)n - 1 : 0;
    if (mode == PTX_ADDRESS_BORDER) return -1;
    return i < 0 ? 0 : (int64_t)n - 1;
}

/* Filtering is one axis inside the other: the guide's formulas for two and three axes are its one-dimensional one, nested. */
static long double axis(const struct reference *r, const long double x[3], int64_t at[3], int dimension, unsigned c) {
    if (dimension < 0) {
        for (int d = 0; d < r->image->dimensions; d++)
            if (at[d] < 0) return border(r, c);
        return texel(r, at[0], r->image->dimensions > 1 ? at[1] : 0, r->image->dimensions > 2 ? at[2] : 0, c);
    }
    const uint32_t size[3] = {r->level->width, r->level->height, r->level->depth};
    bool normalized = r->sampler->normalized_coords;
    uint8_t mode = r->sampler->address[dimension];
    long double u = address(x[dimension], size[dimension], mode, normalized);
    bool linear = r->sampler->filter == PTX_FILTER_LINEAR && (!r->image->integer_bits || r->image->channel <= PTX_CHANNEL_S16);
    if (!linear) {
        at[dimension] = index_in(floorl(u), size[dimension], mode, normalized);
        return axis(r, x, at, dimension - 1, c);
    }
    long double i = floorl(u - 0.5L), a = roundl((u - 0.5L - i) * 256) / 256;
    at[dimension] = index_in(i, size[dimension], mode, normalized);
    long double first = a < 1 ? axis(r, x, at, dimension - 1, c) : 0;
    at[dimension] = index_in(i + 1, size[dimension], mode, normalized);
    long double second = a > 0 ? axis(r, x, at, dimension - 1, c) : 0;
    return (a < 1 ? (1 - a) * first : 0) + (a > 0 ? a * second : 0);
}

static void reference(const struct ptx_image *image, uint32_t level, uint32_t layer, const float x[3], uint32_t out[4]) {
    struct reference r = {image, &image->sampler, &image->levels[level], image->layered ? (layer < image->layers ? layer : image->layers - 1) : 0};
    long double at[3] = {x[0], x[1], x[2]};
    for (unsigned c = 0; c < 4; c++) {
        int64_t i[3];
        long double v = axis(&r, at, i, image->dimensions - 1, c);
        if (image->integer_bits) {
            out[c] = (uint32_t)(int64_t)floorl(v + 0.5L);
        } else {
            float f = (float)v;
            memcpy(&out[c], &f, 4);
        }
    }
}

static bool close_enough(uint32_t a, uint32_t b, bool integer) {
    if (a == b || integer) return a == b;
    float x, y;
    memcpy(&x, &a, 4);
    memcpy(&y, &b, 4);
    if (x != x && y != y) return true;
    return fabsf(x - y) <= 4e-7f * fmaxf(1, fmaxf(fabsf(x), fabsf(y))); /* the order of three sums */
}

/* ---- kernels: every lane has four floats (layer, x, y, z) and writes four words */

static const char head[] = ".version 7.0\n.target sm_80\n.address_size 64\n";

static char *fetch_text(const char *instruction, bool integer) {
    static char text[4096];
    snprintf(text, sizeof text,
             "%s.visible .entry k(.param .u64 t, .param .u64 in, .param .u64 out) {\n"
             ".reg .b64 %%d<8>; .reg .b32 %%r<12>; .reg .f32 %%f<8>; .reg .pred %%p<2>; .reg .b16 %%h<4>;\n"
             "ld.param.u64 %%d1, [t]; ld.param.u64 %%d2, [in]; ld.param.u64 %%d3, [out];\n"
             "mov.u32 %%r0, %%tid.x; mul.wide.u32 %%d4, %%r0, 16; add.s64 %%d2, %%d2, %%d4; add.s64 %%d3, %%d3, %%d4;\n"
             "ld.global.v4.f32 {%%f0, %%f1, %%f2, %%f3}, [%%d2];\n"
             "cvt.rzi.s32.f32 %%r4, %%f0; %s\n%s\n"
             "st.global.v4.b32 [%%d3], {%%r8, %%r9, %%r10, %%r11}; ret; }\n",
             head, integer ? "cvt.rmi.s32.f32 %r5, %f1; cvt.rmi.s32.f32 %r6, %f2; cvt.rmi.s32.f32 %r7, %f3;" : "", instruction);
    return text;
}

enum { LANES_ = 32 };
static float coordinates[LANES_][4];
static uint32_t results[LANES_][4];

static void fetch(const struct program *p, uint64_t handle) {
    static uint64_t in, out;
    if (!in) in = device_alloc(sizeof coordinates), out = device_alloc(sizeof results);
    memcpy(host_of(in), coordinates, sizeof coordinates);
    struct ptx_fault fault;
    if (start(p, "k", LANES_, &fault, (uint64_t[]){handle, in, out}, 3) != PTX_FAULT_NONE) die("fetch: %s", fault.message);
    memcpy(results, host_of(out), sizeof results);
}

/* ---- images of all kinds */

static void make_image(struct ptx_image *im, int dimensions, bool layered, uint8_t channel, uint8_t channels, uint32_t levels) {
    static const int sizes[] = {1, 1, 2, 2, 4, 4, 2, 4};
    memset(im, 0, sizeof *im);
    im->dimensions = (uint8_t)dimensions;
    im->layered = layered;
    im->storage = true;
    im->channel = channel;
    im->channels = channels;
    im->layers = layered ? 3 : 1;
    im->level_count = levels;
    uint64_t at = storage_address;
    uint32_t w = levels > 1 ? 16 : 1 + random32() % 9, h = dimensions > 1 ? (levels > 1 ? 8 : 1 + random32() % 7) : 1, d = dimensions > 2 ? 1 + random32() % 5 : 1;
    for (uint32_t i = 0; i < levels; i++) {
        uint64_t pitch = (uint64_t)w * (uint64_t)sizes[channel] * channels;
        im->levels[i] = (struct ptx_level){at, pitch, pitch * h, w, h, d};
        at += pitch * h * (layered ? 3 : d);
        w = w > 1 ? w / 2 : 1, h = h > 1 ? h / 2 : 1, d = d > 1 ? d / 2 : 1;
    }
    if (at - storage_address > sizeof storage_bytes) die("the image is too large for its storage");
    for (size_t i = 0; i < sizeof storage_bytes; i++) storage_bytes[i] = (unsigned char)random32();
    if (channel == PTX_CHANNEL_F32) /* finite values of one size: sums of huge ones would test rounding, not sampling */
        for (size_t i = 0; i < sizeof storage_bytes; i += 4) {
            float f = (float)(int32_t)random32() / 1e9f;
            memcpy(storage_bytes + i, &f, 4);
        }
    if (channel == PTX_CHANNEL_F16)
        for (size_t i = 1; i < sizeof storage_bytes; i += 2) storage_bytes[i] = (unsigned char)((storage_bytes[i] & 0x83) | 0x38); /* 0.5 to 1.99 */
}

static float coordinate(uint32_t size, bool normalized, bool tame) {
    float x;
    switch (random32() % 8) {
        case 0: x = (float)(random32() % (size + 1)); break;                  /* the edge of a texel */
        case 1: x = (float)(random32() % (size + 1)) + 0.5f; break;           /* the middle of one */
        case 2: x = -(float)(random32() % (3 * size)) / 3.0f; break;
        case 3: x = (float)size * (1 + (float)(random32() % 1000) / 300.0f); break;
        case 4: if (!tame) { static const float odd[] = {1e9f, -1e9f, 3e38f, -0.0f, 1e-40f}; return odd[random32() % 5]; } /* fall through */
        default: x = (float)(random32() % 100000) / 100000.0f * (float)size; break;
    }
    return normalized ? x / (float)size : x;
}

static void compare(const char *what, const struct ptx_image *im, uint32_t level, uint32_t lane) {
    uint32_t want[4];
    float layer = coordinates[lane][0];
    reference(im, level, layer < 0 ? 0 : (uint32_t)layer, &coordinates[lane][1], want);
    for (unsigned c = 0; c < 4; c++)
        if (!close_enough(want[c], results[lane][c], im->integer_bits))
            die("%s, %d dimensions%s, channel type %d of %d, filter %d, modes %d %d %d, normalised %d, size %ux%ux%u, at (%.9g, %.9g, %.9g) layer %g: channel %u is %08x, not %08x", what, im->dimensions,
                im->layered ? " layered" : "", im->channel, im->channels, im->sampler.filter, im->sampler.address[0], im->sampler.address[1], im->sampler.address[2], im->sampler.normalized_coords,
                im->levels[level].width, im->levels[level].height, im->levels[level].depth, (double)coordinates[lane][1], (double)coordinates[lane][2], (double)coordinates[lane][3], (double)layer, c,
                results[lane][c], want[c]);
}

static const struct shape {
    const char *word, *coordinates;
    int dimensions;
    bool layered;
} shapes[] = {
    {"1d", "{%f1}", 1, false}, {"2d", "{%f1, %f2}", 2, false}, {"3d", "{%f1, %f2, %f3, %f3}", 3, false}, {"a1d", "{%r4, %f1}", 1, true}, {"a2d", "{%r4, %f1, %f2, %f2}", 2, true},
};

static void all_shapes(void) {
    for (size_t s = 0; s < 5; s++) {
        char instruction[256];
        snprintf(instruction, sizeof instruction, "tex.%s.v4.u32.f32 {%%r8, %%r9, %%r10, %%r11}|%%p0, [%%d1, %s];", shapes[s].word, shapes[s].coordinates);
        struct program p = program_load(fetch_text(instruction, false));
        for (uint8_t channel = 0; channel <= PTX_CHANNEL_F32; channel++)
            for (int turn = 0; turn < 48; turn++) {
                struct ptx_image *im = &images[0];
                make_image(im, shapes[s].dimensions, shapes[s].layered, channel, (uint8_t)(1 << turn % 3), 1);
                bool integer = channel <= PTX_CHANNEL_S32, small = channel <= PTX_CHANNEL_S16;
                im->normalized = small && turn & 1;
                im->integer_bits = integer && !im->normalized;
                im->srgb = channel == PTX_CHANNEL_U8 && im->normalized && turn & 2;
                im->sampler.filter = turn >> 2 & 1;
                im->sampler.normalized_coords = turn >> 3 & 1;
                for (int a = 0; a < 3; a++) im->sampler.address[a] = (uint8_t)(im->sampler.normalized_coords ? random32() % 4 : random32() % 2 ? PTX_ADDRESS_CLAMP : PTX_ADDRESS_BORDER);
                for (int c = 0; c < 4; c++) {
                    float f = 0.25f * (float)c;
                    if (im->integer_bits) im->sampler.border[c] = 7u + (uint32_t)c;
                    else memcpy(&im->sampler.border[c], &f, 4);
                }
                const uint32_t size[3] = {im->levels[0].width, im->levels[0].height, im->levels[0].depth};
                for (int lane = 0; lane < LANES_; lane++) {
                    coordinates[lane][0] = (float)(random32() % 5) - 1;
                    /* Wrapping is exact for all that a float can say, but an edge computed as x / size is one side or the other. */
                    for (int a = 0; a < 3; a++) coordinates[lane][1 + a] = coordinate(size[a], im->sampler.normalized_coords, im->sampler.normalized_coords);
                }
                fetch(&p, 1);
                for (uint32_t lane = 0; lane < LANES_; lane++) compare("tex", im, 0, lane);
            }
        program_free(&p);
    }
}

/* Integer coordinates, and memory read as a texture: 0 outside. */
static void whole_texels(void) {
    struct program p = program_load(fetch_text("tex.2d.v4.s32.s32 {%r8, %r9, %r10, %r11}, [%d1, {%r5, %r6}];", true));
    struct ptx_image *im = &images[0];
    make_image(im, 2, false, PTX_CHANNEL_S16, 2, 1);
    im->integer_bits = true;
    memset(im->sampler.address, PTX_ADDRESS_CLAMP, 3);
    for (int lane = 0; lane < LANES_; lane++)
        for (int a = 1; a < 4; a++) coordinates[lane][a] = (float)(int)(random32() % 20) - 5;
    fetch(&p, 1);
    for (uint32_t lane = 0; lane < LANES_; lane++) compare("tex with whole coordinates", im, 0, lane);
    program_free(&p);

    p = program_load(fetch_text("tex.1d.v4.f32.s32 {%f4, %f5, %f6, %f7}, [%d1, {%r5}]; mov.b32 %r8, %f4; mov.b32 %r9, %f5; mov.b32 %r10, %f6; mov.b32 %r11, %f7;", true));
    uint64_t data = device_alloc(4096);
    float *values = host_of(data);
    for (int i = 0; i < 1024; i++) values[i] = (float)i + 0.25f;
    *im = (struct ptx_image){.dimensions = 1, .linear = true, .channels = 2, .channel = PTX_CHANNEL_F32, .layers = 1, .level_count = 1, .levels = {{data, 0, 0, 512, 1, 1}}};
    for (int lane = 0; lane < LANES_; lane++) coordinates[lane][1] = lane == 0 ? -1 : lane == 1 ? 512 : lane == 2 ? 511 : lane == 3 ? 0 : lane == 4 ? -2e9f : lane == 5 ? 2e9f : (float)(random32() % 512);
    fetch(&p, 1);
    for (int lane = 0; lane < LANES_; lane++) {
        float got[4];
        memcpy(got, results[lane], 16);
        int i = coordinates[lane][1] < 0 || coordinates[lane][1] >= 512 ? -1 : (int)coordinates[lane][1];
        if (i < 0 ? got[0] != 0 || got[1] != 0 || got[3] != 0 : got[0] != values[2 * i] || got[1] != values[2 * i + 1] || got[2] != 0 || got[3] != 1) die("linear texture at %g: %g %g %g %g", (double)coordinates[lane][1], (double)got[0], (double)got[1], (double)got[2], (double)got[3]);
    }
    /* Memory that is gone is a fault that names it. */
    im->levels[0].address = 0x1000;
    struct ptx_fault fault;
    if (start(&p, "k", 1, &fault, (uint64_t[]){1, data, data}, 3) != PTX_FAULT_ADDRESS || fault.address < 0x1000 || !strstr(fault.message, "texture read")) die("a texture over nothing: %s", fault.message);
    if (start(&p, "k", 1, &fault, (uint64_t[]){9, data, data}, 3) != PTX_FAULT_IMAGE || !strstr(fault.message, "texture that does not exist")) die("no texture: %s", fault.message);
    program_free(&p);
}

static uint32_t f32(float f) {
    uint32_t b;
    memcpy(&b, &f, 4);
    return b;
}

/* NaN reads texel 0; infinities the ends, or the border. */
static void odd_coordinates(void) {
    struct program p = program_load(fetch_text("tex.1d.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1}];", false));
    struct ptx_image *im = &images[0];
    for (int mode = 0; mode < 4; mode++) {
        make_image(im, 1, false, PTX_CHANNEL_U32, 1, 1);
        im->integer_bits = true;
        im->sampler.address[0] = (uint8_t)mode;
        im->sampler.normalized_coords = true;
        im->sampler.border[0] = 4711;
        const uint32_t last = im->levels[0].width - 1;
        uint32_t first_texel, last_texel;
        memcpy(&first_texel, storage_bytes, 4);
        memcpy(&last_texel, storage_bytes + 4 * last, 4);
        coordinates[0][1] = NAN, coordinates[1][1] = INFINITY, coordinates[2][1] = -INFINITY;
        fetch(&p, 1);
        if (results[0][0] != first_texel) die("NaN in mode %d: %08x", mode, results[0][0]);
        if (mode == PTX_ADDRESS_CLAMP && (results[1][0] != last_texel || results[2][0] != first_texel)) die("infinities are not clamped");
        if (mode == PTX_ADDRESS_BORDER && (results[1][0] != 4711 || results[2][0] != 4711)) die("infinities are not at the border");
    }
    /* A weight of nothing takes nothing from an infinite neighbour. */
    make_image(im, 1, false, PTX_CHANNEL_F32, 1, 1);
    im->levels[0].width = 2;
    const float pair[2] = {1, INFINITY};
    memcpy(storage_bytes, pair, 8);
    im->sampler.filter = PTX_FILTER_LINEAR;
    im->sampler.address[0] = PTX_ADDRESS_CLAMP;
    coordinates[0][1] = 0.5f, coordinates[1][1] = 1, coordinates[2][1] = 0.5f + 1 / 1024.0f;
    fetch(&p, 1);
    if (results[0][0] != f32(1) || results[1][0] != f32(INFINITY) || results[2][0] != f32(1)) die("infinite texels: %08x %08x %08x", results[0][0], results[1][0], results[2][0]);
    program_free(&p);
}

static void mipmaps(void) {
    struct program level = program_load(fetch_text("tex.level.2d.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1, %f2}], %f3;", false));
    struct program gradient = program_load(fetch_text("mov.f32 %f4, 0f00000000; tex.grad.2d.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1, %f2}], {%f3, %f4}, {%f4, %f4};", false));
    struct program base = program_load(fetch_text("tex.base.2d.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1, %f2}];", false));
    for (int turn = 0; turn < 32; turn++) {
        struct ptx_image *im = &images[0];
        make_image(im, 2, false, PTX_CHANNEL_F32, 4, 5);
        im->sampler = (struct ptx_sampler){.filter = turn & 1, .mip_filter = turn >> 1 & 1, .normalized_coords = true, .level_bias = turn & 4 ? 0.5f : 0, .level_min = turn & 8 ? 1.25f : 0,
                                           .level_max = turn & 16 ? 2.5f : 1000};
        for (int lane = 0; lane < LANES_; lane++) {
            coordinates[lane][1] = (float)(random32() % 4096) / 4096.0f;
            coordinates[lane][2] = (float)(random32() % 4096) / 4096.0f;
            coordinates[lane][3] = lane == 0 ? NAN : lane == 1 ? -3 : lane == 2 ? 77 : (float)(random32() % 1024) / 200.0f;
        }
        for (int way = 0; way < 3; way++) {
            fetch(way == 0 ? &level : way == 1 ? &gradient : &base, 1);
            for (int lane = 0; lane < LANES_; lane++) {
                long double l = coordinates[lane][3];
                if (way == 1) l = (float)log2l(fabsl(l * im->levels[0].width));
                l = way == 2 ? 0 : l + im->sampler.level_bias;
                if (!(l > im->sampler.level_min)) l = im->sampler.level_min;
                if (l > im->sampler.level_max) l = im->sampler.level_max;
                if (l > 4) l = 4;
                uint32_t fine[4], coarse[4];
                if (im->sampler.mip_filter) {
                    uint32_t n = (uint32_t)floorl(l);
                    long double a = roundl((l - n) * 256) / 256;
                    reference(im, n, 0, &coordinates[lane][1], fine);
                    reference(im, n < 4 ? n + 1 : 4, 0, &coordinates[lane][1], coarse);
                    for (int c = 0; c < 4; c++) {
                        float x, y;
                        memcpy(&x, &fine[c], 4);
                        memcpy(&y, &coarse[c], 4);
                        fine[c] = f32((float)((1 - a) * x + a * y));
                    }
                } else {
                    reference(im, (uint32_t)floorl(l + 0.5L), 0, &coordinates[lane][1], fine);
                }
                for (int c = 0; c < 4; c++)
                    if (!close_enough(fine[c], results[lane][c], false)) die("mipmap, way %d, turn %d, level %Lg: %08x, not %08x", way, turn, l, results[lane][c], fine[c]);
            }
        }
    }
    program_free(&level);
    program_free(&gradient);
    program_free(&base);
}

/* Each face of a cube has one value: which face a direction means is plain to see. */
static void cubes(void) {
    static const struct { float d[3]; int face; } rays[] = {
        {{1, 0.2f, -0.3f}, 0}, {{-2, 1, 1}, 1}, {{0.1f, 5, -4}, 2}, {{0, -1, 0}, 3}, {{0.5f, 0.5f, 3}, 4}, {{0.2f, -0.1f, -9}, 5},
    };
    struct program p = program_load(fetch_text("tex.cube.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1, %f2, %f3, %f3}];", false));
    struct program a = program_load(fetch_text("tex.acube.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%r4, %f1, %f2, %f3}];", false));
    struct ptx_image *im = &images[0];
    for (int layered = 0; layered < 2; layered++) {
        make_image(im, 2, false, PTX_CHANNEL_U32, 1, 1);
        im->cube = im->integer_bits = true;
        im->layered = layered;
        im->layers = layered ? 2 : 1;
        im->levels[0] = (struct ptx_level){storage_address, 16, 64, 4, 4, 1};
        for (uint32_t i = 0; i < 12 * 16; i++) memcpy(storage_bytes + 4 * i, &i, 4);
        for (int lane = 0; lane < LANES_; lane++) {
            coordinates[lane][0] = (float)(lane & 1);
            memcpy(&coordinates[lane][1], rays[lane % 6].d, 12);
        }
        fetch(layered ? &a : &p, 1);
        for (int lane = 0; lane < LANES_; lane++) {
            uint32_t face = (uint32_t)rays[lane % 6].face + (layered ? 6u * (uint32_t)(lane & 1) : 0);
            if (results[lane][0] / 16 != face) die("cube, ray %d: face %u, not %u", lane % 6, results[lane][0] / 16, face);
        }
    }
    /* +x: s = -z, t = -y. The texel nearest to y = z = 1 is the first; that of y = z = -1 the last. */
    coordinates[0][0] = coordinates[1][0] = 0;
    memcpy(&coordinates[0][1], (float[]){1, 0.99f, 0.99f}, 12);
    memcpy(&coordinates[1][1], (float[]){1, -0.99f, -0.99f}, 12);
    fetch(&a, 1);
    if (results[0][0] != 0 || results[1][0] != 15) die("the +x face is turned: %u %u", results[0][0], results[1][0]);
    /* Seamless: just inside +x's edge towards -z (s = 1), the neighbour is face -z, column 0. */
    struct program f = program_load(fetch_text("tex.cube.v4.f32.f32 {%f4, %f5, %f6, %f7}, [%d1, {%f1, %f2, %f3, %f3}]; mov.b32 %r8, %f4;", false));
    for (int seamless = 0; seamless < 2; seamless++) {
        make_image(im, 2, false, PTX_CHANNEL_F32, 1, 1);
        im->cube = true;
        im->levels[0] = (struct ptx_level){storage_address, 4, 4, 1, 1, 1}; /* one texel a face */
        for (int i = 0; i < 6; i++) memcpy(storage_bytes + 4 * i, &(float){(float)i}, 4);
        im->sampler.filter = PTX_FILTER_LINEAR;
        im->sampler.seamless = seamless;
        memcpy(&coordinates[0][1], (float[]){1, 0, -0.999f}, 12);
        fetch(&f, 1);
        float got;
        memcpy(&got, &results[0][0], 4);
        if (seamless ? fabsf(got - 2.5f) > 0.02f : got != 0) die("the seam between +x and -z: %g", (double)got);
    }
    program_free(&p);
    program_free(&a);
    program_free(&f);
}

static void gathers(void) {
    struct program p = program_load(fetch_text("tld4.g.2d.v4.u32.f32 {%r8, %r9, %r10, %r11}, [%d1, {%f1, %f2}];", false));
    struct ptx_image *im = &images[0];
    make_image(im, 2, false, PTX_CHANNEL_U32, 2, 1);
    im->integer_bits = true;
    im->levels[0] = (struct ptx_level){storage_address, 32, 128, 4, 4, 1};
    memset(im->sampler.address, PTX_ADDRESS_CLAMP, 3);
    for (uint32_t i = 0; i < 32; i++) memcpy(storage_bytes + 4 * i, &i, 4); /* channel 1 of (x, y) is 8y + 2x + 1 */
    coordinates[0][1] = 2, coordinates[0][2] = 1;
    coordinates[1][1] = 0, coordinates[1][2] = 4;
    fetch(&p, 1);
    const uint32_t inside[4] = {8 + 2 + 1, 8 + 4 + 1, 4 + 1, 2 + 1}, corner[4] = {25, 25, 25, 25};
    if (memcmp(results[0], inside, 16) || memcmp(results[1], corner, 16)) die("tld4: %u %u %u %u", results[0][0], results[0][1], results[0][2], results[0][3]);
    program_free(&p);
}

static void halves_and_offsets(void) {
    struct program p = program_load(fetch_text("tex.2d.v2.f16x2.f32 {%r8, %r9}, [%d1, {%f1, %f2}]; mov.b32 %r5, 1; mov.b32 %r6, -1; tex.2d.v4.f16.f32 {%h0, %h1, %h2, %h3}, [%d1, {%f1, %f2}], {%r5, %r6};"
                                               "mov.b32 %r10, {%h0, %h1}; mov.b32 %r11, {%h2, %h3};", false));
    struct ptx_image *im = &images[0];
    make_image(im, 2, false, PTX_CHANNEL_U8, 4, 1);
    im->normalized = true;
    im->levels[0] = (struct ptx_level){storage_address, 16, 64, 4, 4, 1};
    memset(im->sampler.address, PTX_ADDRESS_CLAMP, 3);
    memset(storage_bytes, 0, 64);
    memset(storage_bytes + 16 + 4, 255, 3); /* (1, 1): 1, 1, 1, 0 */
    memset(storage_bytes + 8, 255, 1);      /* (2, 0): 1, 0, 0, 0 */
    coordinates[0][1] = 1.5f, coordinates[0][2] = 1.5f;
    fetch(&p, 1);
    if (results[0][0] != 0x3c003c00 || results[0][1] != 0x00003c00) die("f16x2: %08x %08x", results[0][0], results[0][1]);
    if (results[0][2] != 0x00003c00 || results[0][3] != 0) die("f16 with an offset: %08x %08x", results[0][2], results[0][3]);
    program_free(&p);
}

static void queries_and_variables(void) {
    static char text[4096];
    snprintf(text, sizeof text,
             "%s.global .texref bound; .global .samplerref point = { addr_mode_0 = clamp_to_border, filter_mode = nearest };\n.global .surfref area; .tex .u32 old;\n.global .u64 table[2] = { bound, area };\n"
             ".visible .entry k(.param .u64 out, .param .u64 t) { .reg .b64 %%d<8>; .reg .b32 %%r<12>; .reg .pred %%p<4>; .reg .f32 %%f<8>;\n"
             "ld.param.u64 %%d1, [out]; ld.param.u64 %%d2, [t]; mov.u64 %%d3, bound; ld.global.u64 %%d4, [table]; ld.global.u64 %%d5, [table+8];\n"
             "txq.width.b32 %%r0, [bound]; txq.height.b32 %%r1, [%%d4]; suq.width.b32 %%r2, [area]; txq.channel_order.b32 %%r3, [%%d3]; txq.filter_mode.b32 %%r4, [%%d2]; txq.level.width.b32 %%r5, [%%d2], 0;\n"
             "txq.addr_mode_0.b32 %%r6, [point]; suq.channel_data_type.b32 %%r7, [%%d5];\n"
             "istypep.texref %%p0, %%d3; istypep.surfref %%p1, %%d2; mov.u64 %%d6, point; istypep.samplerref %%p2, %%d6; istypep.texref %%p3, %%d6;\n"
             "selp.u32 %%r8, 1, 0, %%p0; selp.u32 %%r9, 1, 0, %%p1; selp.u32 %%r10, 1, 0, %%p2; selp.u32 %%r11, 1, 0, %%p3;\n"
             "st.global.v4.u32 [%%d1], {%%r0, %%r1, %%r2, %%r3}; st.global.v4.u32 [%%d1+16], {%%r4, %%r5, %%r6, %%r7}; st.global.v4.u32 [%%d1+32], {%%r8, %%r9, %%r10, %%r11}; ret; }\n",
             head);
    struct program p = program_load(text);
    size_t found = 0;
    for (size_t i = 0; i < ptx_image_count(p.module); i++) {
        struct ptx_image_info info;
        size_t back;
        ptx_image_at(p.module, i, &info);
        if (!ptx_image_index(ptx_image_handle(i), &back) || back != i) die("the number of %s", info.name);
        found += !strcmp(info.name, "bound") && info.kind == PTX_IMAGE_TEXTURE;
        found += !strcmp(info.name, "point") && info.kind == PTX_IMAGE_SAMPLER && info.sampler.address[0] == PTX_ADDRESS_BORDER;
        found += !strcmp(info.name, "area") && info.kind == PTX_IMAGE_SURFACE;
    }
    if (found != 3 || ptx_image_count(p.module) != 4) die("the variables of textures, samplers and surfaces");
    /* Queries: of what the variables are bound to, in the order of the text: bound, point, area, old. */
    struct ptx_fault fault;
    uint64_t out = device_alloc(64);
    make_image(&images[0], 2, false, PTX_CHANNEL_U8, 4, 1);
    images[0].normalized = true;
    images[2] = images[0];
    images[2].channel = PTX_CHANNEL_F32;
    if (start(&p, "k", 1, &fault, (uint64_t[]){out, 1}, 2) != PTX_FAULT_NONE) die("queries: %s", fault.message);
    const uint32_t w = images[0].levels[0].width, want[12] = {w, images[0].levels[0].height, w, 0x10b5, 0, w, 4, 0x10de, 1, 1, 1, 0};
    if (memcmp(host_of(out), want, sizeof want)) die("queries: %u %u %u %x, %u %u %u %x, %u %u %u %u", ((uint32_t *)host_of(out))[0], ((uint32_t *)host_of(out))[1], ((uint32_t *)host_of(out))[2], ((uint32_t *)host_of(out))[3], ((uint32_t *)host_of(out))[4], ((uint32_t *)host_of(out))[5], ((uint32_t *)host_of(out))[6], ((uint32_t *)host_of(out))[7], ((uint32_t *)host_of(out))[8], ((uint32_t *)host_of(out))[9], ((uint32_t *)host_of(out))[10], ((uint32_t *)host_of(out))[11]);
    /* Without anything bound, reading through a variable is a fault. */
    images[2].channels = 0;
    if (start(&p, "k", 1, &fault, (uint64_t[]){out, 1}, 2) != PTX_FAULT_IMAGE) die("a texture variable that nothing is bound to");
    program_free(&p);
}

/* Independent mode: one texture through two samplers of the text. */
static void samplers(void) {
    static char text[2048];
    snprintf(text, sizeof text,
             "%s.global .texref t; .global .samplerref edge = { addr_mode_0 = clamp_to_edge, filter_mode = linear }; .global .samplerref dark = { addr_mode_0 = clamp_to_border };\n"
             ".visible .entry k(.param .u64 out) { .reg .b64 %%d<4>; .reg .f32 %%f<12>; ld.param.u64 %%d1, [out]; mov.f32 %%f0, 0f3F800000; mov.f32 %%f1, 0f40A00000; mov.u64 %%d2, dark;\n"
             "tex.1d.v4.f32.f32 {%%f2, _, _, _}, [t, edge, {%%f0}]; tex.1d.v4.f32.f32 {%%f3, _, _, _}, [t, edge, %%f1]; tex.1d.v4.f32.f32 {%%f4, _, _, _}, [t, %%d2, {%%f0}]; tex.1d.v4.f32.f32 {%%f5, _, _, _}, [t, dark, {%%f1}];\n"
             "st.global.v4.f32 [%%d1], {%%f2, %%f3, %%f4, %%f5}; ret; }\n",
             head);
    struct program p = program_load(text);
    struct ptx_fault fault;
    uint64_t out = device_alloc(64);
    make_image(&images[0], 1, false, PTX_CHANNEL_F32, 1, 1);
    images[0].levels[0].width = 2;
    const float pair[2] = {1, 3};
    memcpy(storage_bytes, pair, sizeof pair);
    if (start(&p, "k", 1, &fault, (uint64_t[]){out}, 1) != PTX_FAULT_NONE) die("samplers: %s", fault.message);
    const float want[4] = {2, 3, 3, 0};
    if (memcmp(host_of(out), want, sizeof want)) die("samplers");
    program_free(&p);
}

/* ---- surfaces */

static char *surface_text(const char *body) {
    static char text[4096];
    snprintf(text, sizeof text,
             "%s.visible .entry k(.param .u64 s, .param .u64 out, .param .u64 x, .param .u64 y) { .reg .b64 %%d<8>; .reg .b32 %%r<12>; .reg .b16 %%h<4>; .reg .f32 %%f<4>;\n"
             "ld.param.u64 %%d1, [s]; ld.param.u64 %%d2, [out]; ld.param.u32 %%r0, [x]; ld.param.u32 %%r1, [y];\n%s\nret; }\n",
             head, body);
    return text;
}

static uint32_t surface_run(const char *body, int32_t x, int32_t y, enum ptx_fault_kind expected) {
    static uint64_t out;
    if (!out) out = device_alloc(64);
    struct program p = program_load(surface_text(body));
    struct ptx_fault fault;
    memset(host_of(out), 0xee, 64);
    enum ptx_fault_kind kind = start(&p, "k", 1, &fault, (uint64_t[]){1, out, (uint32_t)x, (uint32_t)y}, 4);
    if (kind != expected) die("surface at (%d, %d): %s", x, y, kind ? fault.message : "no fault");
    program_free(&p);
    uint32_t value;
    memcpy(&value, host_of(out), 4);
    return value;
}

static void surfaces(void) {
    struct ptx_image *im = &images[0];
    make_image(im, 2, false, PTX_CHANNEL_U8, 4, 1);
    im->integer_bits = true;
    im->levels[0] = (struct ptx_level){storage_address, 16, 64, 4, 4, 1}; /* 4 x 4 texels of 4 bytes */
    for (uint32_t i = 0; i < 64; i++) storage_bytes[i] = (unsigned char)i;
    static const char load[] = "suld.b.2d.b32.%s {%%r2}, [%%d1, {%%r0, %%r1}]; st.global.u32 [%%d2], %%r2;";
    char trap[160], clamp[160], zero[160];
    snprintf(trap, sizeof trap, load, "trap");
    snprintf(clamp, sizeof clamp, load, "clamp");
    snprintf(zero, sizeof zero, load, "zero");
    if (surface_run(trap, 4, 2, PTX_FAULT_NONE) != 0x27262524) die("suld");
    surface_run(trap, 16, 0, PTX_FAULT_IMAGE);
    surface_run(trap, -4, 0, PTX_FAULT_IMAGE);
    surface_run(trap, 0, 4, PTX_FAULT_IMAGE);
    surface_run(trap, 2, 0, PTX_FAULT_MISALIGNED);
    if (surface_run(clamp, 100, 9, PTX_FAULT_NONE) != 0x3f3e3d3c || surface_run(clamp, -100, -1, PTX_FAULT_NONE) != 0x03020100) die("suld.clamp");
    if (surface_run(zero, 16, 0, PTX_FAULT_NONE) != 0 || surface_run(zero, 0, -1, PTX_FAULT_NONE) != 0) die("suld.zero");
    surface_run("mov.b16 %h0, 171; sust.b.2d.b8.trap [%d1, {%r0, %r1}], {%h0};", 5, 1, PTX_FAULT_NONE);
    if (storage_bytes[21] != 171 || storage_bytes[20] != 20 || storage_bytes[22] != 22) die("sust.b8");
    surface_run("mov.b64 %d3, 0x1122334455667788; mov.b64 %d4, 0x99aabbccddeeff00; sust.b.2d.v2.b64.trap [%d1, {%r0, %r1}], {%d3, %d4};", 0, 3, PTX_FAULT_NONE);
    if (storage_bytes[48] != 0x88 || storage_bytes[56] != 0x00 || storage_bytes[63] != 0x99) die("sust.v2.b64");
    surface_run("mov.b32 %r2, 1; sust.b.2d.b32.zero [%d1, {%r0, %r1}], {%r2}; sust.b.2d.b32.trap [%d1, {%r0, %r1}], {%r2};", 16, 0, PTX_FAULT_IMAGE);
    /* Formatted: whole texels, integers saturate. */
    surface_run("mov.b32 %r2, 300; mov.b32 %r3, 4; mov.b32 %r4, 255; mov.b32 %r5, 0; sust.p.2d.v4.b32.trap [%d1, {%r0, %r1}], {%r2, %r3, %r4, %r5};", 2, 0, PTX_FAULT_NONE);
    if (memcmp(storage_bytes + 8, (unsigned char[]){255, 4, 255, 0}, 4)) die("sust.p of bytes");
    im->channel = PTX_CHANNEL_F16, im->channels = 2, im->integer_bits = false;
    surface_run("mov.f32 %f0, 0f3F800000; mov.f32 %f1, 0fC0000000; mov.b32 %r2, %f0; mov.b32 %r3, %f1; sust.p.2d.v2.b32.trap [%d1, {%r0, %r1}], {%r2, %r3};", 0, 0, PTX_FAULT_NONE);
    if (memcmp(storage_bytes, (unsigned char[]){0x00, 0x3c, 0x00, 0xc0}, 4)) die("sust.p of halves");
    /* Reductions. */
    im->channel = PTX_CHANNEL_S32, im->channels = 1, im->integer_bits = true;
    const int32_t start_value = -5;
    memcpy(storage_bytes, &start_value, 4);
    surface_run("mov.b32 %r2, 7; sured.b.add.2d.u32.trap [%d1, {%r0, %r1}], %r2; mov.b32 %r3, -9; sured.b.min.2d.s32.trap [%d1, {%r0, %r1}], %r3;"
                "mov.b32 %r4, -3; sured.p.max.2d.b32.trap [%d1, {%r0, %r1}], %r4; mov.b32 %r5, 1; sured.b.or.2d.b32.zero [%d1, {%r0, %r1}], %r5;",
                0, 0, PTX_FAULT_NONE);
    int32_t reduced;
    memcpy(&reduced, storage_bytes, 4);
    if (reduced != -3) die("sured: %d", reduced);
    surface_run("mov.b64 %d3, 5; sured.b.add.2d.u64.trap [%d1, {%r0, %r1}], %d3;", 8, 1, PTX_FAULT_NONE);
}

/* What is not PTX is refused with its line. */
static void refusals(void) {
    static const struct { const char *body, *word; } wrong[] = {
        {"tex.2d.v4.f32.f32 {%f0, %f1, %f2, %f3}, [%d1, {%f0}];", "a vector of 2 elements"},
        {"tex.2d.v4.f32.f32 {%f0, %f1, %f2}, [%d1, {%f0, %f1}];", "a vector of 4 elements"},
        {"tex.2d.v4.f32.f32 {%r0, %r1, %r2, %r3}, [%r1, {%f0, %f1}];", "register where"},
        {"tex.2d.v4.f32.f32 {%f0, %f1, %f2, %f3}, [variable, {%f0, %f1}];", "is no .texref"},
        {"tex.2d.v4.f32.f32 {%f0, %f1, %f2, %f3}, [%d1, {%f0, %f1}], %f0;", "a comparison of depth"},
        {"tex.2dms.v4.f32.s32 {%f0, %f1, %f2, %f3}, [%d1, {%r0, %r0, %r1, %r1}];", "this form is not known"},
        {"ld.global.u32 %r0, [image];", "no memory"},
        {"ld.global.u32 %r0, [%d1, {%r0}];", "with coordinates"},
        {"suld.b.2d.b32.trap {%r0}, [image, {%r0, %r1}];", "is no .surfref"},
        {"sust.b.1d.v4.b32.trap [%d1, {%r0}], {%r0, %r1};", "a vector of 4"},
        {"txq.width.b32 %r0, [%d1, {%r0}];", "is needed"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[1024], log[2048];
        int n = snprintf(text, sizeof text, "%s.global .u32 variable; .global .texref image;\n.visible .entry k() { .reg .b64 %%d<4>; .reg .b32 %%r<8>; .reg .f32 %%f<8>;\n%s\nret; }\n", head, wrong[i].body);
        struct ptx_module *module;
        if (ptx_module_load(text, (size_t)n, NULL, &module, log, sizeof log) == PTX_OK) die("accepted: %s", wrong[i].body);
        if (!strstr(log, wrong[i].word) || !strstr(log, "line 6")) die("%s\n  says: %s", wrong[i].body, log);
    }
}

int main(int argc, char **argv) {
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    storage_address = UINT64_C(0x600000000);
    all_shapes();
    whole_texels();
    odd_coordinates();
    mipmaps();
    cubes();
    gathers();
    halves_and_offsets();
    queries_and_variables();
    samplers();
    surfaces();
    refusals();
    puts("done");
    return 0;
}
