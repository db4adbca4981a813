/* Tables of handlers by key. */
#ifndef RINGFENCE_PTX_OPS_H
#define RINGFENCE_PTX_OPS_H

#include "code.h"

struct ops_entry {
    const char *key;
    insn_run run;
};

extern const struct ops_entry ops_portable[]; /* ops.c */
extern const struct ops_entry ops_avx2[];     /* ops_avx2.c; empty where the compiler's target has none */
extern const struct ops_entry ops_control[];  /* control.c */
extern const struct ops_entry ops_warp[];     /* warp_ops.c */
extern const struct ops_entry ops_memory[];   /* memory.c */

#endif
