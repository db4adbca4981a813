/*
 * Loads and stores of whole warps. Where all 32 lanes take part, their addresses are looked over together: all aligned and all in one
 * span of memory, which is nearly always so, they need no check each; and lanes side by side that read one address, or adjacent ones,
 * are served at once. Whatever else it is (lanes missing, another span, anything wrong) is the general handler's, in->inner, which
 * finds the lane that faults. Included once as it is and once for newer processors, as ops_body.h is.
 */
#include <string.h>

#include "numeric.h"
#include "warp.h"

enum { GROUP = 8 };
typedef u32 group_t __attribute__((vector_size(4 * GROUP)));

#define EVERY _Pragma("GCC ivdep") for (int i = 0; i < LANES; i++)

static inline bool is_zero(const group_t *x) {
#ifdef __AVX2__
    typedef long long quads_t __attribute__((vector_size(32)));
    return __builtin_ia32_ptestz256((quads_t)*x, (quads_t)*x);
#else
    u64 parts[GROUP / 2];
    memcpy(parts, x, sizeof parts);
    return !(parts[0] | parts[1] | parts[2] | parts[3]);
#endif
}

/* Where the lanes' accesses of `size` bytes lie behind `origin`, of which `limit` bytes may be accessed. False: not all of them do, or
 * not all are aligned. */
__attribute__((always_inline)) static inline bool offsets(const struct warp *w, const struct insn *in, u64 origin, u64 limit, u32 size, u32 at[LANES]) {
    u32 low = 0, top = 0;
    u64 far = 0;
    if (in->flags & FLAG_BASE32) { /* the sum wraps in 32 bits */
        const u32 *base = row(w, in->a);
        const u32 add = (u32)in->imm;
        if (origin) return false;
        EVERY at[i] = base[i] + add;
    } else {
        const u64 *base = row(w, in->a);
        const u64 add = (u64)in->imm - origin;
        EVERY {
            const u64 x = base[i] + add;
            far |= x >> 32;
            at[i] = (u32)x;
        }
    }
    EVERY {
        low |= at[i] + (u32)origin;
        top = at[i] > top ? at[i] : top;
    }
    return !far && !(low & (size - 1)) && top < limit && limit - top >= size;
}

/* The memory that all lanes access, and `at` filled in; NULL: it is not so simple. */
__attribute__((always_inline)) static inline unsigned char *whole(struct warp *w, const struct insn *in, enum space space, u32 size, u32 at[LANES]) {
    if (w->mask != 0xffffffffu) return NULL;
    if (space == SPACE_SHARED) return offsets(w, in, 0, w->block->shared_bytes, size, at) ? w->block->shared : NULL;
    if (space == SPACE_PARAM) return offsets(w, in, 0, w->worker->run->param_bytes, size, at) ? (unsigned char *)(uintptr_t)w->worker->run->params : NULL;
    const u64 first = *(const u64 *)row(w, in->a) + (u64)in->imm;
    struct span *spans = w->worker->spans;
    int k = 0;
    while (first - spans[k].start >= spans[k].end - spans[k].start)
        if (++k == SPAN_CACHE) return NULL;
    const struct span hit = spans[k];
    spans[k] = spans[0];
    spans[0] = hit;
    const u64 ahead = first - hit.start > 1u << 31 ? first - hit.start - (1u << 31) : 0; /* offsets have 32 bits, spans may be larger */
    const u64 rest = hit.end - hit.start - ahead;
    return offsets(w, in, hit.start + ahead, rest < UINT32_MAX ? rest : UINT32_MAX, size, at) ? hit.host + ahead : NULL;
}

/* How the offsets of a group lie: all the same, each `size` behind the one before, or otherwise. */
enum { SAME, ADJACENT, APART };
__attribute__((always_inline)) static inline int shape(const u32 *at, u32 size) {
    group_t x;
    memcpy(&x, at, sizeof x);
    const group_t apart = x - x[0];
    if (is_zero(&apart)) return SAME;
    const group_t off = apart ^ (group_t){0, size, 2 * size, 3 * size, 4 * size, 5 * size, 6 * size, 7 * size};
    return is_zero(&off) ? ADJACENT : APART;
}

/* Processors read and write each element of a vector as a whole where it is aligned, so that no value is torn here either. */
#define LOAD(space, CLASS, M, R)                                                                     \
    static const struct insn *load_##space##_##M##_##R(struct warp *w, const struct insn *in) {        \
        u32 at[LANES];                                                                                 \
        const unsigned char *const from = whole(w, in, CLASS, sizeof(M), at);                          \
        if (!from) return in->inner(w, in);                                                            \
        R *d = out(w, in->d);                                                                          \
        M one = 0;                                                                                     \
        u64 held = ~UINT64_C(0); /* where `one` was read: all lanes of an address get one value, as memory.c says */ \
        for (int g = 0; g < LANES; g += GROUP) {                                                       \
            const unsigned char *const p = from + at[g];                                               \
            M values[GROUP];                                                                           \
            switch (shape(at + g, sizeof(M))) {                                                        \
                case SAME:                                                                             \
                    if (held != at[g]) memcpy(&one, p, sizeof one);                                    \
                    held = at[g];                                                                      \
                    for (int k = 0; k < GROUP; k++) d[g + k] = (R)one;                                 \
                    break;                                                                             \
                case ADJACENT:                                                                         \
                    memcpy(values, p, sizeof values);                                                  \
                    for (int k = 0; k < GROUP; k++) d[g + k] = (R)values[k];                           \
                    break;                                                                             \
                default:                                                                               \
                    for (int k = 0; k < GROUP; k++) d[g + k] = (R)*(const M *)(const void *)(from + at[g + k]); \
            }                                                                                          \
        }                                                                                              \
        return in + 1;                                                                                 \
    }
#define STORE(space, CLASS, M, R)                                                                    \
    static const struct insn *store_##space##_##M##_##R(struct warp *w, const struct insn *in) {       \
        u32 at[LANES];                                                                                 \
        unsigned char *const to = whole(w, in, CLASS, sizeof(M), at);                                  \
        if (!to) return in->inner(w, in);                                                              \
        const R *v = row(w, in->list[0]);                                                              \
        for (int g = 0; g < LANES; g += GROUP) {                                                       \
            if (shape(at + g, sizeof(M)) == ADJACENT) {                                                \
                M values[GROUP];                                                                       \
                for (int k = 0; k < GROUP; k++) values[k] = (M)v[g + k];                               \
                memcpy(to + at[g], values, sizeof values);                                             \
            } else {                                                                                   \
                for (int k = 0; k < GROUP; k++) *(M *)(void *)(to + at[g + k]) = (M)v[g + k]; /* of two lanes' the later one stays */ \
            }                                                                                          \
        }                                                                                              \
        return in + 1;                                                                                 \
    }
/* Vectors: the elements of a lane are adjacent; each goes to a row of its own. */
#define LOAD_VECTOR(space, CLASS, T)                                                                 \
    static const struct insn *load_##space##_vector_##T(struct warp *w, const struct insn *in) {       \
        u32 at[LANES], apart = 0;                                                                      \
        const u32 vec = in->vec;                                                                       \
        const unsigned char *const from = whole(w, in, CLASS, sizeof(T) * vec, at);                    \
        if (!from) return in->inner(w, in);                                                            \
        EVERY apart |= at[i] ^ at[0];                                                                  \
        for (u32 k = 0; k < vec; k++) {                                                                \
            if (in->list[k] < 0) continue;                                                             \
            T *d = out(w, in->list[k]);                                                                \
            const unsigned char *const p = from + k * sizeof(T);                                       \
            if (apart) {                                                                               \
                EVERY d[i] = *(const T *)(const void *)(p + at[i]);                                    \
            } else {                                                                                   \
                const T one = *(const T *)(const void *)(p + at[0]);                                   \
                EVERY d[i] = one;                                                                      \
            }                                                                                          \
        }                                                                                              \
        return in + 1;                                                                                 \
    }

#define ALL_TYPES(X, space, CLASS) X(space, CLASS, u8, u32) X(space, CLASS, u16, u32) X(space, CLASS, u32, u32) X(space, CLASS, u64, u64)
ALL_TYPES(LOAD, shared, SPACE_SHARED)
ALL_TYPES(LOAD, global, SPACE_GLOBAL)
ALL_TYPES(LOAD, param, SPACE_PARAM)
ALL_TYPES(STORE, shared, SPACE_SHARED)
ALL_TYPES(STORE, global, SPACE_GLOBAL)
LOAD_VECTOR(shared, SPACE_SHARED, u32)
LOAD_VECTOR(shared, SPACE_SHARED, u64)
LOAD_VECTOR(global, SPACE_GLOBAL, u32)
LOAD_VECTOR(global, SPACE_GLOBAL, u64)

#define SPACES(verb)                                                                                 \
    if (bytes == 1 && row_bytes == 4) { SPACE(verb, u8_u32) }                                          \
    if (bytes == 2 && row_bytes == 4) { SPACE(verb, u16_u32) }                                         \
    if (bytes == 4 && row_bytes == 4) { SPACE(verb, u32_u32) }                                         \
    if (bytes == 8 && row_bytes == 8) { SPACE(verb, u64_u64) }                                         \
    return NULL;

insn_run WHOLE_NAME(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec) {
    if (vec > 1 && !load) return NULL;
#define SPACE(verb, types) return space == SPACE_SHARED ? verb##_shared_##types : space == SPACE_GLOBAL ? verb##_global_##types : NULL;
    if (vec > 1 && bytes == 4 && row_bytes == 4) { SPACE(load, vector_u32) }
    if (vec > 1 && bytes == 8 && row_bytes == 8) { SPACE(load, vector_u64) }
    if (vec > 1) return NULL;
    if (!load) { SPACES(store) }
#undef SPACE
#define SPACE(verb, types) return space == SPACE_SHARED ? verb##_shared_##types : space == SPACE_GLOBAL ? verb##_global_##types : space == SPACE_PARAM ? verb##_param_##types : NULL;
    SPACES(load)
}
