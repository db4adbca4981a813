/* PTX's fundamental types: name, width, kind. */
#ifndef RINGFENCE_PTX_TYPES_H
#define RINGFENCE_PTX_TYPES_H

#include <stdint.h>

enum ptx_type {
    T_NONE,
    T_U8, T_U16, T_U32, T_U64,
    T_S8, T_S16, T_S32, T_S64,
    T_B8, T_B16, T_B32, T_B64, T_B128,
    T_F16, T_F16X2, T_F32, T_F64, T_BF16, T_BF16X2, T_TF32,
    T_U16X2, T_S16X2, T_F32X2,
    T_PRED,
    T_COUNT,
};

struct ptx_type_info {
    const char *name; /* without the dot */
    uint8_t bytes;    /* 0 for predicates */
    char kind;        /* u s b f p; packed integers are 'b': they live in .b32 or .u32 registers */
};

extern const struct ptx_type_info ptx_types[T_COUNT];

/* T_NONE when `name` (of `length`) is no type. */
enum ptx_type ptx_type_named(const char *name, int length);

#endif
