/* The types' names, widths and kinds. */
#include "types.h"

#include <string.h>

const struct ptx_type_info ptx_types[T_COUNT] = {
    [T_NONE] = {"", 0, 0},
    [T_U8] = {"u8", 1, 'u'},       [T_U16] = {"u16", 2, 'u'},   [T_U32] = {"u32", 4, 'u'},         [T_U64] = {"u64", 8, 'u'},
    [T_S8] = {"s8", 1, 's'},       [T_S16] = {"s16", 2, 's'},   [T_S32] = {"s32", 4, 's'},         [T_S64] = {"s64", 8, 's'},
    [T_B8] = {"b8", 1, 'b'},       [T_B16] = {"b16", 2, 'b'},   [T_B32] = {"b32", 4, 'b'},         [T_B64] = {"b64", 8, 'b'},
    [T_B128] = {"b128", 16, 'b'},  [T_F16] = {"f16", 2, 'f'},   [T_F16X2] = {"f16x2", 4, 'f'},     [T_F32] = {"f32", 4, 'f'},
    [T_F64] = {"f64", 8, 'f'},     [T_BF16] = {"bf16", 2, 'b'}, [T_BF16X2] = {"bf16x2", 4, 'b'},   [T_TF32] = {"tf32", 4, 'b'},
    [T_U16X2] = {"u16x2", 4, 'b'}, [T_S16X2] = {"s16x2", 4, 'b'}, [T_F32X2] = {"f32x2", 8, 'b'}, [T_PRED] = {"pred", 0, 'p'},
};

enum ptx_type ptx_type_named(const char *name, int length) {
    for (int i = 1; i < T_COUNT && length > 0; i++)
        if (ptx_types[i].name[0] == name[0] && strlen(ptx_types[i].name) == (size_t)length && memcmp(ptx_types[i].name, name, (size_t)length) == 0) return (enum ptx_type)i;
    return T_NONE;
}
