/* Functions that the device runtime provides: printf, the heap, assert. */
#ifndef RINGFENCE_PTX_BUILTINS_H
#define RINGFENCE_PTX_BUILTINS_H

#include "warp.h"

const struct insn *builtin_call(struct warp *w, const struct insn *in);

#endif
