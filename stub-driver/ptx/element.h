/* Elements of matrices: their types, how many bits each has in a register, and what its bits mean. */
#ifndef RINGFENCE_PTX_ELEMENT_H
#define RINGFENCE_PTX_ELEMENT_H

#include <string.h>

#include "small.h"

enum element { E_NONE, E_F16, E_BF16, E_TF32, E_F32, E_F64, E_S32, E_S8, E_U8, E_S4, E_U4, E_B1, E_E4M3, E_E5M2, E_E3M2, E_E2M3, E_E2M1, E_E2M1_PACKED };
static const struct {
    const char *name;
    u8 bits; /* in a fragment */
} elements[] = {
    [E_NONE] = {"", 0},     [E_F16] = {"f16", 16},  [E_BF16] = {"bf16", 16}, [E_TF32] = {"tf32", 32}, [E_F32] = {"f32", 32},   [E_F64] = {"f64", 64},
    [E_S32] = {"s32", 32},  [E_S8] = {"s8", 8},     [E_U8] = {"u8", 8},      [E_S4] = {"s4", 4},      [E_U4] = {"u4", 4},      [E_B1] = {"b1", 1},
    [E_E4M3] = {"e4m3", 8}, [E_E5M2] = {"e5m2", 8}, [E_E3M2] = {"e3m2", 8},  [E_E2M3] = {"e2m3", 8},  [E_E2M1] = {"e2m1", 8},
    [E_E2M1_PACKED] = {"e2m1", 4},
};

static inline enum element element_named(const char *text, uint32_t length) {
    for (int i = 1; i <= E_E2M1; i++)
        if (strlen(elements[i].name) == length && memcmp(elements[i].name, text, length) == 0) return (enum element)i;
    return E_NONE;
}

static inline double value_of(enum element type, u32 bits) {
    switch (type) {
        case E_F16: return half_to_float(bits);
        case E_BF16: return bfloat_to_float(bits);
        case E_TF32: return bits_f32(bits & 0xffffe000u); /* ten bits of fraction; the rest is not looked at */
        case E_F32: return bits_f32(bits);
        case E_E4M3: return small_value(SMALL_E4M3, bits);
        case E_E5M2: return small_value(SMALL_E5M2, bits);
        case E_E3M2: return small_value(SMALL_E3M2, bits & 63); /* in the low six bits of a byte */
        case E_E2M3: return small_value(SMALL_E2M3, bits & 63);
        case E_E2M1: return small_value(SMALL_E2M1, bits >> 2 & 15); /* in the middle of a byte */
        case E_E2M1_PACKED: return small_value(SMALL_E2M1, bits);
        default: return 0;
    }
}

static inline s32 integer_of(enum element type, u32 bits) {
    switch (type) {
        case E_S8: return (s8)bits;
        case E_S4: return (s32)(bits << 28) >> 28;
        default: return (s32)bits;
    }
}

#endif
