/* Tables of handlers by key. */
#ifndef RINGFENCE_PTX_OPS_H
#define RINGFENCE_PTX_OPS_H

#include "code.h"

struct ops_entry {
    const char *key;
    insn_run run;
};

/* The arithmetic, portable and (empty where the target has none) with AVX2. */
extern const struct ops_entry ops_integer[], ops_float[], ops_half[], ops_compare[], ops_convert[];
extern const struct ops_entry ops_integer_avx2[], ops_float_avx2[], ops_half_avx2[], ops_compare_avx2[], ops_convert_avx2[];
extern const struct ops_entry ops_control[];  /* control.c */
extern const struct ops_entry ops_warp[];     /* warp_ops.c */
extern const struct ops_entry ops_memory[];   /* memory.c */
extern const struct ops_entry ops_video[];    /* video.c */
extern const struct ops_entry ops_check[];    /* check.c */
extern const struct ops_entry ops_image[];    /* image_ops.c */
extern const struct ops_entry ops_matrix[];   /* matrix.c */
extern const struct ops_entry ops_async[];    /* async.c */
extern const struct ops_entry ops_cluster[];  /* cluster.c */
extern const struct ops_entry ops_tiles[];    /* tiles.c */
extern const struct ops_entry ops_tensor[];   /* tensor.c */
extern const struct ops_entry ops_wgmma[];    /* wgmma.c */
extern const struct ops_entry ops_stochastic[]; /* stochastic.c */

#endif
