/* Loads and stores that a whole warp makes at once (memory_whole.c), against the same made lane after lane and against plain C: every type,
 * in shared and global memory, with addresses that are the same, adjacent, apart, at the ends, in other allocations, misaligned and outside.
 * Values, what is in memory afterwards and the lane and address of a fault must agree. */
#include "device.h"

enum { BYTES = 4096, SPARE = 4 /* behind them: too few for the larger types */, LANES = 32, ROUNDS = 24 };

static const struct type {
    const char *name;
    uint32_t size, count; /* of an element, and how many */
    int is_signed, wide;  /* in 64-bit registers */
} types[] = {{"u8", 1, 1, 0, 0}, {"s8", 1, 1, 1, 0}, {"u16", 2, 1, 0, 0}, {"s16", 2, 1, 1, 0}, {"u32", 4, 1, 0, 0}, {"f32", 4, 1, 0, 0}, {"u64", 8, 1, 0, 1}, {"s32", 4, 1, 1, 1}, {"u8", 1, 1, 0, 1},
             {"v2.u32", 4, 2, 0, 0}, {"v4.u32", 4, 4, 0, 0}, {"v2.u64", 8, 2, 0, 1}, {"v2.u16", 2, 2, 0, 0}};

static int wrong;
static uint32_t seed = 1;
static uint32_t below(uint32_t limit) { return (uint32_t)(((seed = seed * 1664525u + 1013904223u) >> 8) % limit); }

static char text[1 << 20];
static size_t length;
__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    length += (size_t)vsnprintf(text + length, sizeof text - length, format, arguments);
    va_end(arguments);
}

/* The access itself: once for all lanes, or 32 times for one. */
static void access(const struct type *t, bool shared, bool store, bool narrow_address, int displacement, bool serial) {
    const char *value = t->wide ? "%v" : "%w", *space = shared ? "shared" : "global";
    char list[100];
    if (t->count == 1) snprintf(list, sizeof list, "%s0", value);
    else if (t->count == 2) snprintf(list, sizeof list, "{%s0,%s1}", value, value);
    else snprintf(list, sizeof list, "{%s0,%s1,%s2,%s3}", value, value, value, value);
    for (int lane = 0; lane < (serial ? LANES : 1); lane++) {
        if (serial) put("setp.eq.u32 %%p1, %%r0, %d;\n@%%p1 ", lane);
        if (store) put("st.%s.%s [%s+%d], %s;\n", space, t->name, narrow_address ? "%r1" : "%d1", displacement, list);
        else put("ld.%s.%s %s, [%s+%d];\n", space, t->name, list, narrow_address ? "%r1" : "%d1", displacement);
    }
}

static void kernel(const char *name, const struct type *t, bool shared, bool store, bool narrow_address, int displacement, bool serial) {
    put(".visible .entry %s(.param .u64 data, .param .u64 offsets, .param .u64 values) {\n.reg .pred %%p<3>; .reg .b32 %%r<9>; .reg .b32 %%w<4>; .reg .b64 %%v<4>; .reg .b64 %%d<9>;\n.shared .align 16 .b8 s[%d];\n", name, BYTES + SPARE);
    put("mov.u32 %%r0, %%laneid; ld.param.u64 %%d0, [data]; ld.param.u64 %%d2, [offsets]; ld.param.u64 %%d3, [values];\n");
    put("mul.wide.u32 %%d4, %%r0, 8; add.s64 %%d5, %%d2, %%d4; ld.global.u64 %%d1, [%%d5]; mul.wide.u32 %%d4, %%r0, 32; add.s64 %%d3, %%d3, %%d4;\n");
    put("mul.wide.u32 %%d4, %%r0, 4; add.s64 %%d6, %%d0, %%d4; mov.u32 %%r2, s; mad.lo.u32 %%r3, %%r0, 4, %%r2;\n");
    for (int i = 0; shared && i < BYTES / 128; i++) put("ld.global.u32 %%r4, [%%d6+%d]; st.shared.u32 [%%r3+%d], %%r4;\n", 128 * i, 128 * i);
    for (uint32_t k = 0; store && k < t->count; k++) put("ld.global.u64 %%v%u, [%%d3+%u]; cvt.u32.u64 %%w%u, %%v%u;\n", k, 8 * k, k, k);
    if (shared) put("mov.u64 %%d7, s; add.s64 %%d1, %%d1, %%d7; cvt.u32.u64 %%r1, %%d1;\n");
    else put("add.s64 %%d1, %%d1, %%d0;\n");
    access(t, shared, store, narrow_address, displacement, serial);
    for (uint32_t k = 0; !store && k < t->count; k++) {
        if (!t->wide) put("cvt.u64.u32 %%v%u, %%w%u;\n", k, k);
        put("st.global.u64 [%%d3+%u], %%v%u;\n", 8 * k, k);
    }
    for (int i = 0; shared && i < BYTES / 128; i++) put("ld.shared.u32 %%r4, [%%r3+%d]; st.global.u32 [%%d6+%d], %%r4;\n", 128 * i, 128 * i);
    put("ret;\n}\n");
}

/* Where the lanes access, relative to the memory's beginning. False: some of them may not. */
static bool pattern(int number, const struct type *t, uint64_t elsewhere, bool shared, int64_t at[LANES]) {
    const int64_t unit = (int64_t)t->size * t->count, room = BYTES / unit;
    const int64_t first = unit * below((uint32_t)room - LANES);
    for (int i = 0; i < LANES; i++) {
        switch (number % 8) {
            case 0: at[i] = first; break;
            case 1: at[i] = first + unit * i; break;
            case 2: at[i] = first + unit * (LANES - 1 - i); break;
            case 3: at[i] = first + unit * (i % 16); break;
            case 4: at[i] = i / 8 % 2 ? unit * (i / 8) : first + unit * (i % 8); break;
            case 5: at[i] = BYTES - unit * (LANES - i); break; /* to the last byte */
            case 6: at[i] = i < 8 ? first : unit * below((uint32_t)room); break;
            default: at[i] = unit * below((uint32_t)room);
        }
    }
    const uint32_t lane = below(LANES);
    switch (number / 8 % 3 == 2 ? 1 + below(shared ? 5 : 6) : 0) {
        case 1: at[lane] = BYTES + (unit > SPARE ? 0 : SPARE); return false;
        case 2: at[lane] = -unit; return false;
        case 3: at[lane] += unit > 1 ? 1 : BYTES + SPARE; return false;
        case 4: at[lane] += INT64_C(1) << 32; return false; /* the same in 32 bits */
        case 5: at[lane] = BYTES + SPARE - unit + 1; return false;
        case 6: at[lane] = (int64_t)elsewhere; return true;
        default: return true;
    }
}

static void compare(const struct type *t, bool shared, bool store, bool narrow_address, int displacement) {
    length = 0;
    put(".version 8.0\n.target sm_80\n.address_size 64\n");
    kernel("whole", t, shared, store, narrow_address, displacement, false);
    kernel("serial", t, shared, store, narrow_address, displacement, true);
    struct program p = program_load(text);
    static uint64_t data[2], offsets, values;
    if (!offsets)
        for (int i = 0; i < 2; i++) data[i] = device_alloc(BYTES + SPARE), offsets = device_alloc(LANES * 8), values = device_alloc(LANES * 32);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t at[LANES];
        const uint64_t elsewhere = data[1] - data[0];
        const bool fine = pattern(round, t, elsewhere, shared, at);
        if (narrow_address && !fine)
            for (int i = 0; i < LANES; i++) at[i] = (int32_t)at[i]; /* what is 2^32 further is the same place: not a case of its own */
        unsigned char before[2][BYTES], after[2][2][BYTES];
        uint64_t given[LANES][4], got[2][LANES][4];
        struct ptx_fault faults[2];
        for (int i = 0; i < BYTES; i++) before[0][i] = (unsigned char)below(256), before[1][i] = (unsigned char)below(256);
        for (int i = 0; i < LANES * 4; i++) given[i / 4][i % 4] = (uint64_t)below(1 << 24) << 40 | (uint64_t)below(1 << 24) << 20 | below(1 << 24);
        for (int run = 0; run < 2; run++) {
            for (int i = 0; i < 2; i++) memcpy(host_of(data[i]), before[i], BYTES);
            memcpy(host_of(values), given, sizeof given);
            for (int i = 0; i < LANES; i++) ((int64_t *)host_of(offsets))[i] = at[i] - displacement;
            launch_raw(&p, run ? "serial" : "whole", D3(1, 1, 1), D3(LANES, 1, 1), 0, false, &faults[run], ARGS(&data[0], &offsets, &values));
            for (int i = 0; i < 2; i++) memcpy(after[run][i], host_of(data[i]), BYTES);
            memcpy(got[run], host_of(values), sizeof given);
        }
        bool same = faults[0].kind == faults[1].kind && faults[0].address == faults[1].address && faults[0].thread[0] == faults[1].thread[0];
        same = same && memcmp(after[0], after[1], sizeof after[0]) == 0 && memcmp(got[0], got[1], sizeof got[0]) == 0;
        bool right = !fine || faults[0].kind == PTX_FAULT_NONE;
        for (int i = 0; right && fine && i < LANES; i++)
            for (uint32_t k = 0; k < t->count; k++) {
                const bool other = at[i] == (int64_t)elsewhere;
                unsigned char *place = before[other] + (other ? 0 : at[i]) + k * t->size;
                if (store) memcpy(place, &given[i][k], t->size);
                else {
                    uint64_t value = 0;
                    memcpy(&value, place, t->size);
                    if (t->is_signed) value = (uint64_t)((int64_t)(value << (64 - 8 * t->size)) >> (64 - 8 * t->size));
                    if (!t->wide) value = (uint32_t)value;
                    right = right && got[0][i][k] == value;
                }
            }
        if (fine && store) right = right && memcmp(after[0], before, sizeof before) == 0;
        if (same && right && (fine || narrow_address || faults[0].kind != PTX_FAULT_NONE)) continue;
        wrong++;
        printf("%s.%s.%s, %d-bit address, displacement %d, round %d: %s\n  whole:  %s\n  serial: %s\n", store ? "st" : "ld", shared ? "shared" : "global", t->name, narrow_address ? 32 : 64, displacement, round,
               !same ? "whole and lane after lane differ" : "not what plain C gives", faults[0].message, faults[1].message);
    }
    program_free(&p);
}

int main(void) {
    int count = 0;
    for (size_t n = 0; n < sizeof types / sizeof types[0]; n++)
        for (int shared = 0; shared < 2; shared++)
            for (int store = 0; store < 2; store++)
                for (int narrow_address = 0; narrow_address <= shared; narrow_address++)
                    for (int displacement = -16; displacement <= 16; displacement += 16, count++) compare(&types[n], shared, store, narrow_address, displacement);
    printf("%d forms, %d wrong\n", count, wrong);
    return wrong != 0;
}
