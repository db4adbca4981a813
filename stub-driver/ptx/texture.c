/* See texture.h. Positions are computed in double, which holds every product of a float coordinate and an image's size exactly;
 * weights of linear filtering have 8 fractional bits, as the hardware's. */
#include "texture.h"

#include "numeric.h"

/* A level and a slice being read. */
struct plane {
    const struct ptx_image *image;
    const struct ptx_sampler *sampler;
    const struct ptx_level *level;
    struct texel_reader *reader;
    uint32_t slice; /* layer and face */
    bool failed;
};

static const uint8_t channel_bytes[] = {[PTX_CHANNEL_U8] = 1, [PTX_CHANNEL_S8] = 1, [PTX_CHANNEL_U16] = 2, [PTX_CHANNEL_S16] = 2,
                                        [PTX_CHANNEL_U32] = 4, [PTX_CHANNEL_S32] = 4, [PTX_CHANNEL_F16] = 2, [PTX_CHANNEL_F32] = 4};

/* floor() of what fits in 63 bits; without SSE 4.1 the library's is a call. */
static inline int64_t floor_of(double u) {
    const int64_t i = (int64_t)u;
    return i - (u < (double)i);
}

uint32_t image_texel_bytes(const struct ptx_image *image) { return (uint32_t)channel_bytes[image->channel] * image->channels; }

static bool gives_float(const struct ptx_image *image) { return !image->integer_bits; }

/* 8- and 16-bit integers are filtered even when they are read as integers, and rounded: the runtime refuses to make such a
 * texture, the driver does not, and ffmpeg's bilinear scaling is right only so. 32-bit integers are not filtered. */
static bool can_filter(const struct ptx_image *image) { return gives_float(image) || image->channel <= PTX_CHANNEL_S16; }

static double number(const struct ptx_image *image, u32 bits) {
    return gives_float(image) ? (double)bits_f32(bits) : image->channel == PTX_CHANNEL_S8 || image->channel == PTX_CHANNEL_S16 ? (double)(s32)bits : (double)bits;
}

static u32 bits_of(const struct ptx_image *image, double value) { return gives_float(image) ? f32_bits((float)value) : (u32)(s32)floor_of(value + 0.5); }

/* ---- texels */

static float from_srgb(float c) { return c <= 0.04045f ? c / 12.92f : (float)pow(((double)c + 0.055) / 1.055, 2.4); }

/* One channel's bits as the fetch returns them: an integer, or a float's. */
static u32 channel_value(const struct ptx_image *image, const unsigned char *p, unsigned index) {
    u32 raw;
    float f;
    switch (image->channel) {
        case PTX_CHANNEL_U8:
            raw = __atomic_load_n(p + index, __ATOMIC_RELAXED);
            if (!image->normalized) return raw;
            f = (float)raw / 255.0f;
            return f32_bits(image->srgb && index < 3 ? from_srgb(f) : f);
        case PTX_CHANNEL_S8:
            raw = __atomic_load_n(p + index, __ATOMIC_RELAXED);
            if (!image->normalized) return (u32)(s32)(s8)raw;
            f = (float)(s8)raw / 127.0f;
            return f32_bits(f < -1.0f ? -1.0f : f);
        case PTX_CHANNEL_U16:
            raw = __atomic_load_n((const u16 *)(const void *)p + index, __ATOMIC_RELAXED);
            return image->normalized ? f32_bits((float)raw / 65535.0f) : raw;
        case PTX_CHANNEL_S16:
            raw = __atomic_load_n((const u16 *)(const void *)p + index, __ATOMIC_RELAXED);
            if (!image->normalized) return (u32)(s32)(s16)raw;
            f = (float)(s16)raw / 32767.0f;
            return f32_bits(f < -1.0f ? -1.0f : f);
        case PTX_CHANNEL_F16: return f32_bits(half_to_float(__atomic_load_n((const u16 *)(const void *)p + index, __ATOMIC_RELAXED)));
        default: return __atomic_load_n((const u32 *)(const void *)p + index, __ATOMIC_RELAXED);
    }
}

static void absent(const struct ptx_image *image, u32 out[4]) {
    for (unsigned c = image->channels; c < 4; c++) out[c] = c < 3 ? 0 : gives_float(image) ? 0x3f800000u : 1;
}

static inline void texel_at(struct plane *p, int64_t x, int64_t y, int64_t z, uint32_t slice, u32 out[4]) {
    const struct ptx_image *image = p->image;
    uint32_t size = image_texel_bytes(image);
    uint64_t address = p->level->address + (uint64_t)x * size + (uint64_t)y * p->level->pitch + ((uint64_t)z + slice) * p->level->slice;
    const unsigned char *bytes = p->failed ? NULL : p->reader->at(p->reader, address, size);
    if (!bytes) {
        p->failed = true;
        out[0] = out[1] = out[2] = out[3] = 0;
        return;
    }
    for (unsigned c = 0; c < image->channels; c++) out[c] = channel_value(image, bytes, c);
    absent(image, out);
}

/* ---- addressing: from a coordinate in texels to one that is in the image, or to the border */

static inline uint8_t mode_of(const struct plane *p, unsigned axis, bool normalized) {
    uint8_t mode = p->sampler->address[axis];
    if (!normalized && (mode == PTX_ADDRESS_WRAP || mode == PTX_ADDRESS_MIRROR)) return PTX_ADDRESS_CLAMP; /* as documented */
    return mode;
}

/* `u` is in texels. NaN reads texel 0, as the conversion to an integer has it. */
static inline double fold(double u, uint32_t size, uint8_t mode) {
    if (u != u) return 0;
    if (mode == PTX_ADDRESS_WRAP || mode == PTX_ADDRESS_MIRROR) {
        if (isinf(u)) return 0;
        double turns = floor(u / size);
        double rest = u - turns * size;
        if (rest < 0) rest = 0;
        if (rest > size) rest = size;
        if (mode == PTX_ADDRESS_MIRROR && fmod(turns, 2) != 0) rest = size - rest;
        return rest;
    }
    return u < -1e9 ? -1e9 : u > 1e9 ? 1e9 : u;
}

/* The texel that an index means; -1: the border. */
static inline int64_t texel_index(int64_t i, uint32_t size, uint8_t mode) {
    if (i >= 0 && i < (int64_t)size) return i;
    switch (mode) {
        case PTX_ADDRESS_WRAP: return i < 0 ? i + size : i - size; /* fold left at most one texel outside */
        case PTX_ADDRESS_BORDER: return -1;
        default: return i < 0 ? 0 : (int64_t)size - 1;
    }
}

static void read_texel(struct plane *p, const int64_t i[3], const uint8_t mode[3], u32 out[4]) {
    const struct ptx_image *image = p->image;
    const uint32_t size[3] = {p->level->width, p->level->height, p->level->depth};
    int64_t at[3] = {0, 0, 0};
    for (unsigned axis = 0; axis < image->dimensions; axis++) {
        at[axis] = texel_index(i[axis], size[axis], mode[axis]);
        if (at[axis] < 0 || at[axis] >= (int64_t)size[axis]) {
            for (unsigned c = 0; c < 4; c++) out[c] = p->sampler->border[c];
            return;
        }
    }
    texel_at(p, at[0], at[1], at[2], p->slice, out);
}

/* ---- cube maps */

/* The face that a direction points at, and where on it, from 0 to 1. */
static unsigned cube_face(const double d[3], double *s, double *t) {
    double x = fabs(d[0]), y = fabs(d[1]), z = fabs(d[2]), m, sc, tc;
    unsigned face;
    if (x >= y && x >= z) {
        face = d[0] >= 0 ? 0 : 1;
        m = x, sc = d[0] >= 0 ? -d[2] : d[2], tc = -d[1];
    } else if (y >= z) {
        face = d[1] >= 0 ? 2 : 3;
        m = y, sc = d[0], tc = d[1] >= 0 ? d[2] : -d[2];
    } else {
        face = d[2] >= 0 ? 4 : 5;
        m = z, sc = d[2] >= 0 ? d[0] : -d[0], tc = -d[1];
    }
    *s = m > 0 ? (sc / m + 1) / 2 : 0.5;
    *t = m > 0 ? (tc / m + 1) / 2 : 0.5;
    return face;
}

/* The direction through a point of a face's plane, which may lie beyond its edge. */
static void cube_direction(unsigned face, double s, double t, double d[3]) {
    double sc = 2 * s - 1, tc = 2 * t - 1;
    switch (face) {
        case 0: d[0] = 1, d[1] = -tc, d[2] = -sc; break;
        case 1: d[0] = -1, d[1] = -tc, d[2] = sc; break;
        case 2: d[0] = sc, d[1] = 1, d[2] = tc; break;
        case 3: d[0] = sc, d[1] = -1, d[2] = -tc; break;
        case 4: d[0] = sc, d[1] = -tc, d[2] = 1; break;
        default: d[0] = -sc, d[1] = -tc, d[2] = -1; break;
    }
}

/* A texel beside a face, taken from its neighbour. */
static void read_seamless(struct plane *p, unsigned face, uint32_t first_slice, int64_t x, int64_t y, u32 out[4]) {
    uint32_t n = p->level->width;
    if (x < 0 || y < 0 || x >= n || y >= n) {
        double d[3], s, t;
        cube_direction(face, ((double)x + 0.5) / n, ((double)y + 0.5) / n, d);
        face = cube_face(d, &s, &t);
        x = floor_of(s * n), y = floor_of(t * n);
        x = x < 0 ? 0 : x >= n ? (int64_t)n - 1 : x;
        y = y < 0 ? 0 : y >= n ? (int64_t)n - 1 : y;
    }
    texel_at(p, x, y, 0, first_slice + face, out);
}

/* ---- one level */

/* Position along each axis: the index of the first texel, and the weight of the second in 256ths (0 for point sampling). */
struct position {
    int64_t index[3];
    uint32_t weight[3];
    uint8_t mode[3];
    unsigned face;
};

static bool is_normalized(const struct ptx_sampler *sampler) { return sampler->normalized_coords && !sampler->unnormalized_coords; }

/* One axis: `u` is the coordinate in texels. */
static inline void place_axis(struct position *at, unsigned axis, double u, uint32_t size, uint8_t mode, bool linear) {
    u = fold(u, size, mode);
    at->mode[axis] = mode;
    if (!linear) {
        at->index[axis] = floor_of(u);
        at->weight[axis] = 0;
        return;
    }
    const double b = u - 0.5;
    at->index[axis] = floor_of(b);
    at->weight[axis] = (uint32_t)((b - (double)at->index[axis]) * 256 + 0.5); /* 9 bits: 256 is the second texel alone */
}

static void place(struct plane *p, const struct texture_query *q, bool linear, struct position *at) {
    const struct ptx_image *image = p->image;
    const uint32_t size[3] = {p->level->width, p->level->height, p->level->depth};
    at->face = 0;
    if (image->cube) {
        double d[3], f[2];
        for (unsigned i = 0; i < 3; i++) d[i] = q->f[i] == q->f[i] ? (double)q->f[i] : 0;
        at->face = cube_face(d, &f[0], &f[1]);
        for (unsigned axis = 0; axis < 2; axis++) place_axis(at, axis, f[axis] * size[axis], size[axis], PTX_ADDRESS_CLAMP, linear);
        return;
    }
    const bool normalized = is_normalized(p->sampler);
    for (unsigned axis = 0; axis < image->dimensions; axis++) {
        if (q->integer) {
            at->index[axis] = (int64_t)q->i[axis] + q->offset[axis];
            at->mode[axis] = mode_of(p, axis, false);
            at->weight[axis] = 0;
            continue;
        }
        double u = normalized ? (double)q->f[axis] * size[axis] : (double)q->f[axis];
        const uint8_t mode = mode_of(p, axis, normalized);
        if (q->offset[axis]) { /* to a huge coordinate nothing can be added: one that repeats is made small first */
            if (mode == PTX_ADDRESS_WRAP || mode == PTX_ADDRESS_MIRROR) u = fmod(u, 2.0 * size[axis]);
            u += q->offset[axis];
        }
        place_axis(at, axis, u, size[axis], mode, linear);
    }
}

static inline void read_at(struct plane *p, const struct position *at, const int64_t index[3], uint32_t first_slice, u32 out[4]) {
    if (p->image->cube && p->sampler->seamless) read_seamless(p, at->face, first_slice, index[0], index[1], out);
    else read_texel(p, index, at->mode, out);
}

static bool sample_level(struct plane *p, const struct texture_query *q, u32 out[4]) {
    const struct ptx_image *image = p->image;
    bool linear = p->sampler->filter == PTX_FILTER_LINEAR && can_filter(image) && !q->integer;
    struct position at;
    place(p, q, linear, &at);
    uint32_t first_slice = image->cube ? p->slice * 6 : p->slice;
    p->slice = first_slice + at.face;
    if (!linear) {
        read_at(p, &at, at.index, first_slice, out);
        return !p->failed;
    }
    double sum[4] = {0, 0, 0, 0};
    for (unsigned corner = 0; corner < 1u << image->dimensions; corner++) {
        int64_t index[3] = {0, 0, 0};
        double weight = 1;
        for (unsigned axis = 0; axis < image->dimensions; axis++) {
            unsigned second = corner >> axis & 1;
            index[axis] = at.index[axis] + second;
            weight *= (second ? at.weight[axis] : 256 - at.weight[axis]) / 256.0;
        }
        if (weight == 0) continue; /* an infinite texel next to the one that is meant does not show */
        u32 texel[4];
        read_at(p, &at, index, first_slice, texel);
        for (unsigned c = 0; c < 4; c++) sum[c] += weight * number(image, texel[c]);
    }
    for (unsigned c = 0; c < 4; c++) out[c] = bits_of(image, sum[c]);
    return !p->failed;
}

/* ---- fetches */

static uint32_t layer_of(const struct ptx_image *image, const struct texture_query *q) {
    return !image->layered ? 0 : q->layer < image->layers ? q->layer : (int32_t)q->layer < 0 ? 0 : image->layers - 1;
}

static bool sample_number(const struct ptx_image *image, const struct ptx_sampler *sampler, const struct texture_query *q, uint32_t level, struct texel_reader *reader,
                          u32 out[4]) {
    struct plane p = {.image = image, .sampler = sampler, .level = &image->levels[level], .reader = reader, .slice = layer_of(image, q)};
    return sample_level(&p, q, out);
}

bool texture_sample(const struct ptx_image *image, const struct ptx_sampler *sampler, const struct texture_query *q, struct texel_reader *reader, uint32_t out[4],
                    bool *is_float) {
    *is_float = gives_float(image);
    if (image->linear) { /* no addressing, no filter: what is outside is 0 */
        const int64_t i = q->integer ? (int64_t)q->i[0] + q->offset[0] : floor_of(fold((double)q->f[0] + q->offset[0], 0, PTX_ADDRESS_CLAMP));
        struct plane p = {.image = image, .sampler = sampler, .level = &image->levels[0], .reader = reader};
        out[0] = out[1] = out[2] = out[3] = 0;
        if (i >= 0 && i < (int64_t)image->levels[0].width) texel_at(&p, i, 0, 0, 0, out);
        return !p.failed;
    }
    uint32_t last = image->level_count - 1;
    if (last == 0) return sample_number(image, sampler, q, 0, reader, out);
    double level = q->has_level ? (double)q->level + sampler->level_bias : 0;
    if (!(level > sampler->level_min)) level = sampler->level_min; /* NaN: the finest */
    if (level > sampler->level_max) level = sampler->level_max;
    if (!(level > 0)) level = 0;
    if (level > last) level = last;
    if (sampler->mip_filter != PTX_FILTER_LINEAR) return sample_number(image, sampler, q, (uint32_t)(level + 0.5), reader, out);
    uint32_t fine = (uint32_t)level, weight = (uint32_t)((level - fine) * 256 + 0.5);
    if (weight == 256) fine++, weight = 0;
    if (weight == 0 || !can_filter(image)) return sample_number(image, sampler, q, fine, reader, out);
    u32 coarse[4];
    if (!sample_number(image, sampler, q, fine, reader, out) || !sample_number(image, sampler, q, fine + 1, reader, coarse)) return false;
    for (unsigned c = 0; c < 4; c++)
        out[c] = bits_of(image, (256 - weight) / 256.0 * number(image, out[c]) + weight / 256.0 * number(image, coarse[c]));
    return true;
}

bool texture_gather(const struct ptx_image *image, const struct ptx_sampler *sampler, const struct texture_query *q, unsigned component, struct texel_reader *reader,
                    uint32_t out[4], bool *is_float) {
    static const uint8_t corners[4][2] = {{0, 1}, {1, 1}, {1, 0}, {0, 0}};
    *is_float = gives_float(image);
    struct plane p = {.image = image, .sampler = sampler, .level = &image->levels[0], .reader = reader, .slice = layer_of(image, q)};
    struct position at;
    place(&p, q, true, &at);
    uint32_t first_slice = image->cube ? p.slice * 6 : p.slice;
    p.slice = first_slice + at.face;
    for (unsigned n = 0; n < 4; n++) {
        const int64_t index[3] = {at.index[0] + corners[n][0], at.index[1] + corners[n][1], 0};
        u32 texel[4];
        read_at(&p, &at, index, first_slice, texel);
        out[n] = texel[component];
    }
    return !p.failed;
}

float texture_level(const struct ptx_image *image, const struct ptx_sampler *sampler, const float dx[3], const float dy[3], const float at[3]) {
    double longest = 0;
    const uint32_t size[3] = {image->levels[0].width, image->levels[0].height, image->levels[0].depth};
    for (int way = 0; way < 2; way++) {
        const float *d = way ? dy : dx;
        double square = 0;
        for (unsigned axis = 0; axis < (image->cube ? 3u : image->dimensions); axis++) {
            double step = d[axis];
            if (image->cube) { /* a face is 2 units wide at distance 1 from the centre */
                double m = fmax(fmax(fabs((double)at[0]), fabs((double)at[1])), fabs((double)at[2]));
                step = m > 0 ? step / m * size[0] / 2 : 0;
            } else if (is_normalized(sampler)) {
                step *= size[axis];
            }
            square += step * step;
        }
        if (square > longest) longest = square;
    }
    return longest > 0 ? (float)(0.5 * log2(longest)) : -INFINITY;
}
