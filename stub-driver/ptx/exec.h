/* Between launch.c (blocks) and exec.c (warps). */
#ifndef RINGFENCE_PTX_EXEC_H
#define RINGFENCE_PTX_EXEC_H

#include "warp.h"

enum warp_state { WARP_READY, WARP_BLOCKED, WARP_DONE, WARP_FAULT };

/* Runs until the warp ends, waits, faults or has had its turn. */
enum warp_state warp_run(struct warp *w);

#ifdef PTX_COVERAGE
/* Tests count what ran: tests/ptx/rows/coverage.c. */
void ptx_coverage(const struct statement *statement);
#endif

#endif
