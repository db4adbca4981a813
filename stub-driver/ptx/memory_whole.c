/* Loads and stores of whole warps: the portable build, and the choice between the two. */
#define WHOLE_NAME memory_whole_portable
#include "memory_whole_body.h"

insn_run memory_whole(bool load, enum space space, unsigned bytes, unsigned row_bytes, unsigned vec) {
#ifdef __SANITIZE_THREAD__
    if (space == SPACE_GLOBAL) return NULL; /* blocks that race there do so with atomic accesses, which vectors are not */
#endif
#if defined(__x86_64__) && defined(__GNUC__)
    if (__builtin_cpu_supports("avx2")) {
        const insn_run run = memory_whole_avx2(load, space, bytes, row_bytes, vec);
        if (run) return run;
    }
#endif
    return memory_whole_portable(load, space, bytes, row_bytes, vec);
}
