/* Loads, stores, atomics and address spaces. Every access is checked against the span of memory that it lies in. */
#include <stdatomic.h>
#include <string.h>

#include "check.h"
#include "numeric.h"
#include "ops.h"
#include "warp.h"

enum { WINDOW_SHIFT = 48 };

static unsigned char *local_of(const struct warp *w, uint32_t lane) { return w->local + (size_t)lane * w->local_bytes; }

static unsigned char *miss(struct warp *w, uint64_t address, uint32_t size) {
    const struct ptx_memory *memory = w->worker->run->launch->memory;
    uint64_t start = 0, end = 0;
    unsigned char *host = memory && memory->span ? memory->span(memory->context, address, &start, &end) : NULL;
    if (!host || address < start || address > end || end - address < size) return NULL;
    struct span *spans = w->worker->spans;
    memmove(spans + 1, spans, (SPAN_CACHE - 1) * sizeof *spans);
    spans[0] = (struct span){start, end, host};
    return host + (address - start);
}

static inline unsigned char *global_at(struct warp *w, uint64_t address, uint32_t size) {
    struct span *spans = w->worker->spans;
    if (address - spans[0].start < spans[0].end - spans[0].start && spans[0].end - address >= size) return spans[0].host + (address - spans[0].start);
    for (int i = 1; i < SPAN_CACHE; i++)
        if (address - spans[i].start < spans[i].end - spans[i].start && spans[i].end - address >= size) {
            struct span hit = spans[i];
            spans[i] = spans[0];
            spans[0] = hit;
            return hit.host + (address - hit.start);
        }
    return miss(w, address, size);
}

unsigned char *shared_at(const struct block *block, uint64_t address, uint32_t size) {
    if (address < UINT64_C(1) << RANK_SHIFT) return address < block->shared_bytes && block->shared_bytes - address >= size ? block->shared + address : NULL;
    uint64_t rank = (address >> RANK_SHIFT) - 1;
    return rank < block->cluster->count ? shared_at(block->cluster->blocks[rank], address & ((1u << RANK_SHIFT) - 1), size) : NULL;
}

unsigned char *memory_at(struct warp *w, const struct insn *at, uint32_t lane, uint64_t address, uint32_t size, bool generic, bool write) {
    uint64_t window = address >> WINDOW_SHIFT << WINDOW_SHIFT, offset = address - window;
    unsigned char *found = NULL;
    if (generic && window == PTX_WINDOW_SHARED) {
        found = shared_at(w->block, offset, size);
    } else if (generic && window == PTX_WINDOW_LOCAL) {
        if (offset + size <= w->local_bytes) found = local_of(w, lane) + offset;
    } else if (generic && window == PTX_WINDOW_PARAM && !write) {
        if (offset + size <= w->worker->run->param_bytes) found = (unsigned char *)(uintptr_t)w->worker->run->params + offset;
    } else if (window == PTX_WINDOW_GRID) {
        if (w->worker->run->launch->cooperative && offset + size <= sizeof w->worker->run->workspace) found = (unsigned char *)w->worker->run->workspace + offset;
    } else if (window < PTX_WINDOW_GRID) {
        found = global_at(w, address, size);
    }
    if (!found) warp_fault(w, at, PTX_FAULT_ADDRESS, lane, address, write ? "write" : "read");
    return found;
}

/* The address that lane i accesses. In 32 bits the sum wraps: compilers index backwards from a shared array's end that way. */
#define BASE(i) (in->flags & FLAG_FRAME ? w->frame->local_base + (uint64_t)in->imm : in->flags & FLAG_BASE32 ? (uint64_t)(((const uint32_t *)base)[i] + (uint32_t)in->imm) : ((const uint64_t *)base)[i] + (uint64_t)in->imm)

/* Shared memory that is not the block's own: another's of its cluster, or none. Apart, so that loops over the lanes stay small. */
__attribute__((noinline, cold)) static unsigned char *other_shared(struct warp *w, const struct insn *in, uint32_t lane, uint64_t address, uint32_t size, bool write) {
    unsigned char *found = shared_at(w->block, address, size);
    if (!found) warp_fault(w, in, PTX_FAULT_ADDRESS, lane, address, write ? "shared-memory write" : "shared-memory read");
    return found;
}

__attribute__((always_inline)) static inline unsigned char *resolve(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size, uint32_t align, bool write) {
    if (address & (align - 1)) {
        warp_fault(w, in, PTX_FAULT_MISALIGNED, lane, address, write ? "write" : "read");
        return NULL;
    }
    if (space == SPACE_GLOBAL) {
        struct span *span = w->worker->spans;
        if (address - span->start < span->end - span->start && span->end - address >= size) return span->host + (address - span->start);
        return memory_at(w, in, lane, address, size, (in->flags & FLAG_GENERIC) != 0, write);
    }
    if (space == SPACE_SHARED) {
        if (address < w->block->shared_bytes && w->block->shared_bytes - address >= size) return w->block->shared + address;
        return other_shared(w, in, lane, address, size, write);
    }
    if (space == SPACE_LOCAL) {
        if (address < w->local_bytes && w->local_bytes - address >= size) return local_of(w, lane) + address;
        warp_fault(w, in, PTX_FAULT_ADDRESS, lane, address, write ? "local-memory write" : "local-memory read");
        return NULL;
    }
    if (address < w->worker->run->param_bytes && w->worker->run->param_bytes - address >= size) return (unsigned char *)(uintptr_t)w->worker->run->params + address;
    warp_fault(w, in, PTX_FAULT_ADDRESS, lane, address, "parameter read");
    return NULL;
}

uint64_t memory_address(const struct warp *w, const struct insn *in, uint32_t lane) {
    const void *base = in->a >= 0 ? row(w, in->a) : NULL;
    return BASE(lane);
}

unsigned char *memory_access(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size, uint32_t align, bool write) {
    unsigned char *p = resolve(w, in, space, lane, address, size, align, write);
    if (p) check_access(w, in, space, lane, address, size, write ? CHECK_WRITE : CHECK_READ);
    return p;
}

unsigned char *memory_object(struct warp *w, const struct insn *in, enum space space, uint32_t lane, uint64_t address, uint32_t size) {
    unsigned char *p = resolve(w, in, space, lane, address, size, size, true);
    if (p) check_access(w, in, space, lane, address, size, CHECK_READ | CHECK_WRITE | CHECK_ATOMIC);
    return p;
}

/* Other threads may write global memory while we read it: a race only of the program's, but never one that tears a value. */
#define LOAD_ONE(T, p) __atomic_load_n((const T *)(p), __ATOMIC_RELAXED)
#define STORE_ONE(T, p, v) __atomic_store_n((T *)(p), (v), __ATOMIC_RELAXED)

enum { VECTOR_MAX = 8 }; /* .v8 */

/* Lanes side by side that read one address get one value, whatever others write meanwhile: a warp's load is one transaction on hardware, and
 * compilers rely on it (GCC's uniform SIMT has every lane do what one would). */
#define LOAD(name, SPACE_CLASS, M, R)                                                                               \
    static const struct insn *load_##name##_##M##_##R(struct warp *w, const struct insn *in) {                       \
        const void *base = in->a >= 0 ? row(w, in->a) : NULL;                                                          \
        uint32_t vec = in->vec, size = sizeof(M) * vec;                                                                \
        int sign = in->flags & FLAG_SIGNED;                                                                            \
        R narrow = in->flags & FLAG_NARROW ? (R)0xffff : (R)~(R)0;                                                     \
        if (in->flags & FLAG_ATOMIC) memory_fence();                                          \
        if (vec == 1) {                                                                                                \
            R *d = in->d >= 0 ? out(w, in->d) : NULL;                                                                  \
            const unsigned char *read = NULL;                                                                          \
            M v = 0;                                                                                                   \
            EACH_LANE(w, i) {                                                                                          \
                unsigned char *p = resolve(w, in, SPACE_CLASS, i, BASE(i), sizeof(M), sizeof(M), false);               \
                if (!p) return NULL;                                                                                   \
                if (p != read) v = LOAD_ONE(M, p);                                                                     \
                read = p;                                                                                              \
                R x = (R)v;                                                                                            \
                if (sign) x = (R)extend_##M(v) & narrow;                                                                   \
                if (d) d[i] = x;                                                                                       \
            }                                                                                                          \
        } else {                                                                                                       \
            const unsigned char *read = NULL;                                                                          \
            M v[VECTOR_MAX] = {0};                                                                                     \
            EACH_LANE(w, i) {                                                                                          \
                unsigned char *p = resolve(w, in, SPACE_CLASS, i, BASE(i), size, size, false);                         \
                if (!p) return NULL;                                                                                   \
                for (uint32_t k = 0; k < vec; k++) {                                                                   \
                    if (p != read) v[k] = LOAD_ONE(M, p + k * sizeof(M));                                              \
                    if (in->list[k] >= 0) ((R *)out(w, in->list[k]))[i] = sign ? (R)extend_##M(v[k]) & narrow : (R)v[k]; \
                }                                                                                                      \
                read = p;                                                                                              \
            }                                                                                                          \
        }                                                                                                              \
        if (in->flags & FLAG_ATOMIC) memory_fence();                                          \
        return in + 1;                                                                                                 \
    }
#define STORE(name, SPACE_CLASS, M, R)                                                                              \
    static const struct insn *store_##name##_##M##_##R(struct warp *w, const struct insn *in) {                      \
        const void *base = in->a >= 0 ? row(w, in->a) : NULL;                                                          \
        uint32_t vec = in->vec, size = sizeof(M) * vec;                                                                \
        if (in->flags & FLAG_ATOMIC) memory_fence();                                          \
        EACH_LANE(w, i) {                                                                                              \
            unsigned char *p = resolve(w, in, SPACE_CLASS, i, BASE(i), size, size, true);                              \
            if (!p) return NULL;                                                                                       \
            for (uint32_t k = 0; k < vec; k++) STORE_ONE(M, p + k * sizeof(M), (M)((const R *)row(w, in->list[k]))[i]); \
        }                                                                                                              \
        if (in->flags & FLAG_ATOMIC) memory_fence();                                          \
        return in + 1;                                                                                                 \
    }

static inline u64 extend_u8(u8 v) { return (u64)(s64)(s8)v; }
static inline u64 extend_u16(u16 v) { return (u64)(s64)(s16)v; }
static inline u64 extend_u32(u32 v) { return (u64)(s64)(s32)v; }
static inline u64 extend_u64(u64 v) { return v; }

#define BOTH(name, space, M, R) LOAD(name, space, M, R) STORE(name, space, M, R)
#define ALL_SIZES(M_, name, space) M_(name, space, u8, u32) M_(name, space, u8, u64) M_(name, space, u16, u32) M_(name, space, u16, u64) M_(name, space, u32, u32) M_(name, space, u32, u64) M_(name, space, u64, u64)
ALL_SIZES(BOTH, global, SPACE_GLOBAL)
ALL_SIZES(BOTH, shared, SPACE_SHARED)
ALL_SIZES(BOTH, local, SPACE_LOCAL)
ALL_SIZES(LOAD, param, SPACE_PARAM)

#define PICK(verb, name)                                                                      \
    if (bytes == 1) return row_bytes == 8 ? verb##_##name##_u8_u64 : verb##_##name##_u8_u32;    \
    if (bytes == 2) return row_bytes == 8 ? verb##_##name##_u16_u64 : verb##_##name##_u16_u32;  \
    if (bytes == 4) return row_bytes == 8 ? verb##_##name##_u32_u64 : verb##_##name##_u32_u32;  \
    if (bytes == 8 && row_bytes == 8) return verb##_##name##_u64_u64;                           \
    return NULL;

insn_run memory_load(enum space space, unsigned bytes, unsigned row_bytes) {
    if (space == SPACE_GLOBAL) { PICK(load, global) }
    if (space == SPACE_SHARED) { PICK(load, shared) }
    if (space == SPACE_LOCAL) { PICK(load, local) }
    if (space == SPACE_PARAM) { PICK(load, param) }
    return NULL;
}

insn_run memory_store(enum space space, unsigned bytes, unsigned row_bytes) {
    if (space == SPACE_GLOBAL) { PICK(store, global) }
    if (space == SPACE_SHARED) { PICK(store, shared) }
    if (space == SPACE_LOCAL) { PICK(store, local) }
    return NULL;
}

/* ---- atomics: lanes in order. mode 1: shared memory, which one worker alone accesses: no atomic operation of the host's is needed,
 * as it is in global memory. */

#define WHERE(T) resolve(w, in, in->mode ? SPACE_SHARED : SPACE_GLOBAL, i, BASE(i), sizeof(T), in->vec ? in->vec : sizeof(T), true)
/* Additions of .f32 flush subnormal numbers in global memory and keep them in shared memory. */
#define FLUSHES (!in->mode && BASE(i) >> WINDOW_SHIFT != PTX_WINDOW_SHARED >> WINDOW_SHIFT)
#define ATOMIC(id, T, R, expression)                                                          \
    static const struct insn *atom_##id(struct warp *w, const struct insn *in) {               \
        const void *base = row(w, in->a);                                                        \
        const R *bs = row(w, in->b);                                                             \
        const R *cs = in->c >= 0 ? row(w, in->c) : bs;                                           \
        R *d = in->d >= 0 ? out(w, in->d) : NULL;                                                \
        EACH_LANE(w, i) {                                                                        \
            T *p = (T *)(void *)WHERE(T);                                                        \
            if (!p) return NULL;                                                                 \
            T b = (T)bs[i], c = (T)cs[i], old;                                                   \
            (void)c;                                                                             \
            expression;                                                                          \
            if (d) d[i] = (R)old;                                                                \
        }                                                                                        \
        return in + 1;                                                                           \
    }
#define LOOP(T, value)                                                                        \
    old = __atomic_load_n(p, __ATOMIC_RELAXED);                                                  \
    if (in->mode) *p = value;                                                                    \
    else for (T new_;;) {                                                                        \
        new_ = value;                                                                            \
        if (__atomic_compare_exchange_n(p, &old, new_, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) break; \
    }
#define FETCH(name, op)                                                                       \
    if (in->mode) old = *p, *p = old op b;                                                       \
    else old = __atomic_fetch_##name(p, b, __ATOMIC_SEQ_CST)

static inline u32 add_f32(u32 a, u32 b, bool flush) {
    float x = bits_f32(a), y = bits_f32(b), r = flush ? flush32(flush32(x) + flush32(y)) : x + y;
    return r != r ? 0x7fffffff : f32_bits(r);
}
/* Of two numbers the lesser or the greater; a NaN loses. -0 is less than +0. */
static inline float least(float a, float b) { return a < b || (a == b && f32_bits(a) >> 31) || b != b ? a : b; }
static inline float most(float a, float b) { return a > b || (a == b && !(f32_bits(a) >> 31)) || b != b ? a : b; }
static inline u32 min_f16(u32 a, u32 b) { return half_from(least(half_to_float(a & 0xffff), half_to_float(b & 0xffff)), 0); }
static inline u32 max_f16(u32 a, u32 b) { return half_from(most(half_to_float(a & 0xffff), half_to_float(b & 0xffff)), 0); }
static inline u32 min_bf16(u32 a, u32 b) { return bfloat_from(least(bfloat_to_float(a & 0xffff), bfloat_to_float(b & 0xffff)), 0); }
static inline u32 max_bf16(u32 a, u32 b) { return bfloat_from(most(bfloat_to_float(a & 0xffff), bfloat_to_float(b & 0xffff)), 0); }
static inline u64 add_f64(u64 a, u64 b) { return f64_bits(bits_f64(a) + bits_f64(b)); }
static inline u32 add_f16(u32 a, u32 b) { return half_from((double)half_to_float(a & 0xffff) + half_to_float(b & 0xffff), 0); }
static inline u32 add_bf16(u32 a, u32 b) { return bfloat_from(fma_odd(bfloat_to_float(a & 0xffff), 1.0, bfloat_to_float(b & 0xffff)), 0); }

ATOMIC(and_b32, u32, u32, FETCH(and, &))
ATOMIC(or_b32, u32, u32, FETCH(or, |))
ATOMIC(xor_b32, u32, u32, FETCH(xor, ^))
ATOMIC(and_b64, u64, u64, FETCH(and, &))
ATOMIC(or_b64, u64, u64, FETCH(or, |))
ATOMIC(xor_b64, u64, u64, FETCH(xor, ^))
ATOMIC(add_u32, u32, u32, FETCH(add, +))
ATOMIC(add_u64, u64, u64, FETCH(add, +))
ATOMIC(exch_b32, u32, u32, old = __atomic_exchange_n(p, b, __ATOMIC_SEQ_CST))
ATOMIC(exch_b64, u64, u64, old = __atomic_exchange_n(p, b, __ATOMIC_SEQ_CST))
#define COMPARE_SWAP(T) old = b; (void)__atomic_compare_exchange_n(p, &old, c, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
ATOMIC(cas_b16, u16, u32, COMPARE_SWAP(u16))
ATOMIC(cas_b32, u32, u32, COMPARE_SWAP(u32))
ATOMIC(cas_b64, u64, u64, COMPARE_SWAP(u64))
ATOMIC(min_u32, u32, u32, LOOP(u32, old < b ? old : b))
ATOMIC(max_u32, u32, u32, LOOP(u32, old > b ? old : b))
ATOMIC(min_u64, u64, u64, LOOP(u64, old < b ? old : b))
ATOMIC(max_u64, u64, u64, LOOP(u64, old > b ? old : b))
ATOMIC(min_s32, u32, u32, LOOP(u32, (s32)old < (s32)b ? old : b))
ATOMIC(max_s32, u32, u32, LOOP(u32, (s32)old > (s32)b ? old : b))
ATOMIC(min_s64, u64, u64, LOOP(u64, (s64)old < (s64)b ? old : b))
ATOMIC(max_s64, u64, u64, LOOP(u64, (s64)old > (s64)b ? old : b))
ATOMIC(inc_u32, u32, u32, LOOP(u32, old >= b ? 0 : old + 1))
ATOMIC(dec_u32, u32, u32, LOOP(u32, old == 0 || old > b ? b : old - 1))
ATOMIC(add_f32, u32, u32, LOOP(u32, add_f32(old, b, FLUSHES)))
ATOMIC(add_f64, u64, u64, LOOP(u64, add_f64(old, b)))
ATOMIC(add_f16, u16, u32, LOOP(u16, (u16)add_f16(old, b)))
ATOMIC(add_bf16, u16, u32, LOOP(u16, (u16)add_bf16(old, b)))
ATOMIC(min_f16, u16, u32, LOOP(u16, (u16)min_f16(old, b)))
ATOMIC(max_f16, u16, u32, LOOP(u16, (u16)max_f16(old, b)))
ATOMIC(min_bf16, u16, u32, LOOP(u16, (u16)min_bf16(old, b)))
ATOMIC(max_bf16, u16, u32, LOOP(u16, (u16)max_bf16(old, b)))
/* Packed: each half is atomic; together they are here as well. */
ATOMIC(add_f16x2, u32, u32, LOOP(u32, add_f16(old, b) | add_f16(old >> 16, b >> 16) << 16))
ATOMIC(add_bf16x2, u32, u32, LOOP(u32, add_bf16(old, b) | add_bf16(old >> 16, b >> 16) << 16))
#define ATOMIC_PACKED(op, t) ATOMIC(op##_##t##x2, u32, u32, LOOP(u32, op##_##t(old, b) | op##_##t(old >> 16, b >> 16) << 16))
ATOMIC_PACKED(min, f16)
ATOMIC_PACKED(max, f16)
ATOMIC_PACKED(min, bf16)
ATOMIC_PACKED(max, bf16)

/* 128 bits: a register is two rows, the low half's first. */
typedef unsigned __int128 u128;
#if defined(__x86_64__)
__attribute__((target("cx16")))
#endif
static u128 swap128(u128 *p, u128 expected, u128 value) {
#if defined(__x86_64__) && defined(__clang__) /* which makes a call of it all the same, to a function that nobody has */
    u64 low = (u64)expected, high = (u64)(expected >> 64);
    __asm__ volatile("lock cmpxchg16b %0" : "+m"(*p), "+a"(low), "+d"(high) : "b"((u64)value), "c"((u64)(value >> 64)) : "cc", "memory");
    return (u128)high << 64 | low;
#else
    return __sync_val_compare_and_swap(p, expected, value);
#endif
}
static u128 pair128(const u64 *r, u32 i) { return (u128)r[LANES + i] << 64 | r[i]; }
static const struct insn *atom_b128(struct warp *w, const struct insn *in, bool exchange) {
    const void *base = row(w, in->a);
    const u64 *b = row(w, in->b), *c = exchange ? b : row(w, in->c);
    u64 *d = in->d >= 0 ? out(w, in->d) : NULL;
    EACH_LANE(w, i) {
        u128 *p = (u128 *)(void *)WHERE(u128);
        if (!p) return NULL;
        u128 old = exchange ? 0 : pair128(b, i), value = pair128(c, i);
        if (exchange)
            for (u128 seen; (seen = swap128(p, old, value)) != old; old = seen) {}
        else
            old = swap128(p, old, value);
        if (d) d[i] = (u64)old, d[LANES + i] = (u64)(old >> 64);
    }
    return in + 1;
}
static const struct insn *atom_exch_b128(struct warp *w, const struct insn *in) { return atom_b128(w, in, true); }
static const struct insn *atom_cas_b128(struct warp *w, const struct insn *in) { return atom_b128(w, in, false); }

/* ---- addresses */

static const uint64_t windows[] = {0, PTX_WINDOW_SHARED, PTX_WINDOW_LOCAL, PTX_WINDOW_PARAM};

static const struct insn *run_cvta(struct warp *w, const struct insn *in) {
    const u64 *a = row(w, in->a);
    u64 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = a[i] + windows[in->mode];
    return in + 1;
}
static const struct insn *run_cvta_to(struct warp *w, const struct insn *in) {
    const u64 *a = row(w, in->a);
    u64 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = a[i] - windows[in->mode];
    return in + 1;
}
static const struct insn *run_isspacep(struct warp *w, const struct insn *in) {
    const u64 *a = row(w, in->a);
    u32 m = 0;
    EACH_LANE(w, i) {
        u64 window = a[i] >> WINDOW_SHIFT << WINDOW_SHIFT;
        bool is = in->mode == 0 ? window <= PTX_WINDOW_GRID : in->mode == 4 ? false : window == windows[in->mode == 5 ? 1 : in->mode];
        if (in->mode == 1) { /* of this block; with 5, of any block of the cluster */
            u64 rank = (a[i] - PTX_WINDOW_SHARED) >> RANK_SHIFT;
            is = is && (rank == 0 || rank == w->block->rank + 1);
        }
        if (in->mode == 4) { /* constants lie in global memory: those of this module */
            const struct ptx_instance *instance = w->worker->run->instance;
            for (size_t g = 0; g < instance->module->global_count && !is; g++) {
                const struct symbol *s = instance->module->globals[g];
                is = s->space == SPACE_CONST && a[i] - instance->addresses[g] < s->size;
            }
        }
        m |= (u32)is << i;
    }
    set_predicate(w, in->d, m);
    return in + 1;
}
static const struct insn *run_local_u64(struct warp *w, const struct insn *in) {
    u64 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->frame->local_base + (u64)in->imm;
    return in + 1;
}
static const struct insn *run_local_u32(struct warp *w, const struct insn *in) {
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->frame->local_base + (u32)in->imm;
    return in + 1;
}
static const struct insn *run_dynamic_u64(struct warp *w, const struct insn *in) {
    u64 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->block->dynamic_base + (u64)in->imm;
    return in + 1;
}
static const struct insn *run_dynamic_u32(struct warp *w, const struct insn *in) {
    u32 *d = out(w, in->d);
    EACH_LANE(w, i) d[i] = w->block->dynamic_base + (u32)in->imm;
    return in + 1;
}

/* a: shared address, b: global address, mode: bytes, c: bytes that are read (the rest is zero), e: where the source is ignored, list: global offset. */
static const struct insn *run_cp_async(struct warp *w, const struct insn *in) {
    const void *base = row(w, in->a);
    const u64 *from = row(w, in->b);
    const u32 *sizes = in->c >= 0 ? row(w, in->c) : NULL;
    int64_t offset;
    memcpy(&offset, in->list, sizeof offset);
    u32 size = in->mode, ignored = in->e >= 0 ? predicate(w, in->e) : 0;
    EACH_LANE(w, i) {
        unsigned char *to = resolve(w, in, SPACE_SHARED, i, BASE(i), size, size, true);
        if (!to) return NULL;
        u32 read = ignored >> i & 1 ? 0 : sizes && sizes[i] < size ? sizes[i] : size;
        u64 address = from[i] + (u64)offset;
        if (address & (size - 1)) return warp_fault(w, in, PTX_FAULT_MISALIGNED, i, address, "read");
        memset(to, 0, size);
        if (read == 0) continue;
        unsigned char *p = memory_at(w, in, i, address, read, false, false);
        if (!p) return NULL;
        for (u32 k = 0; k < read; k++) to[k] = __atomic_load_n(p + k, __ATOMIC_RELAXED);
    }
    return in + 1;
}

#define A(id, key) {"atom." key, atom_##id}
const struct ops_entry ops_memory[] = {
    A(and_b32, "and.b32"), A(or_b32, "or.b32"), A(xor_b32, "xor.b32"), A(and_b64, "and.b64"), A(or_b64, "or.b64"), A(xor_b64, "xor.b64"),
    A(add_u32, "add.u32"), A(add_u32, "add.s32"), A(add_u64, "add.u64"), A(add_u64, "add.s64"),
    A(exch_b32, "exch.b32"), A(exch_b32, "exch.u32"), A(exch_b32, "exch.s32"), A(exch_b32, "exch.f32"), A(exch_b64, "exch.b64"), A(exch_b64, "exch.u64"),
    A(cas_b16, "cas.b16"), A(cas_b32, "cas.b32"), A(cas_b32, "cas.u32"), A(cas_b32, "cas.s32"), A(cas_b64, "cas.b64"), A(cas_b64, "cas.u64"),
    A(min_u32, "min.u32"), A(max_u32, "max.u32"), A(min_u64, "min.u64"), A(max_u64, "max.u64"),
    A(min_s32, "min.s32"), A(max_s32, "max.s32"), A(min_s64, "min.s64"), A(max_s64, "max.s64"),
    A(inc_u32, "inc.u32"), A(dec_u32, "dec.u32"), A(add_f32, "add.f32"), A(add_f64, "add.f64"),
    A(exch_b64, "exch.s64"), A(cas_b64, "cas.s64"), A(exch_b128, "exch.b128"), A(cas_b128, "cas.b128"),
    A(min_f16, "min.f16"), A(max_f16, "max.f16"), A(min_bf16, "min.bf16"), A(max_bf16, "max.bf16"),
    A(min_f16x2, "min.f16x2"), A(max_f16x2, "max.f16x2"), A(min_bf16x2, "min.bf16x2"), A(max_bf16x2, "max.bf16x2"),
    A(add_f16, "add.f16"), A(add_bf16, "add.bf16"), A(add_f16x2, "add.f16x2"), A(add_bf16x2, "add.bf16x2"),
    {"cvta", run_cvta}, {"cvta.to", run_cvta_to}, {"isspacep", run_isspacep}, {"local.u64", run_local_u64}, {"local.u32", run_local_u32},
    {"dynamic.u64", run_dynamic_u64}, {"dynamic.u32", run_dynamic_u32}, {"cp.async", run_cp_async},
    {NULL, NULL},
};
