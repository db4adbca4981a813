/* capture.h - calls while a stream captures: they become nodes (idm/graphs/graph.h) and no message. */
#ifndef VGPU_CAPTURE_H
#define VGPU_CAPTURE_H

#include "env.h"
#include "graph.h"

/* In front of a call that a capture could matter to: two loads. Events keep what they were in a capture when that is over. */
static inline int vgpu_may_capture(void)
{
    return graph_capturing() || __builtin_expect(atomic_load_explicit(&graph_captured_events, memory_order_relaxed) != 0, 0);
}

/* All that follow are for when graph_capturing(). Work in a stream: whether it was answered, with *result. */
int vgpu_capture(CUstream stream, unsigned abi, const CUgraphNodeParams *given, CUresult *result);
int vgpu_capture_launch(CUstream stream, unsigned abi, const CUgraphNodeParams *given, const CUlaunchAttribute *attributes, unsigned count, int cooperative, CUresult *result);
/* A call on a stream that cannot be captured, and is not safe while others capture if `unsafe`. */
CUresult vgpu_capture_refuse(CUstream stream, unsigned abi, int unsafe);

/* A call that may not be made while captures go on, unless the thread said so: its error, or CUDA_SUCCESS. */
static inline CUresult vgpu_capture_unsafe(void)
{
    CUresult result = CUDA_SUCCESS;
    return graph_capturing() && graph_capture_unsafe(&result) ? result : CUDA_SUCCESS;
}

#endif
