/* print.h - what kernels print. */
#ifndef VGPU_PRINT_H
#define VGPU_PRINT_H

#include <stdatomic.h>

#include "connection.h"

/* What the executor's count of outputs was when they were last fetched. */
extern _Atomic uint32_t vgpu_print_seen;

/* Fetches output and writes it to standard output, and what assertions said to standard error, through stdio, so that it stands where it belongs among the program's lines. */
void vgpu_print_fetch(void);

/* After a waited call. Costs two loads while nothing is printed. */
static inline void vgpu_print_look(void)
{
    if (__builtin_expect(atomic_load_explicit(&vgpu.region->printed, memory_order_relaxed) != atomic_load_explicit(&vgpu_print_seen, memory_order_relaxed), 0)) vgpu_print_fetch();
}

#endif
