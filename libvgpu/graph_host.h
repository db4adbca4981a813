/* graph_host.h - how idm/graphs/ is compiled into the client: its calls are what the entry points call (hand.h). */
#ifndef VGPU_GRAPH_HOST_H
#define VGPU_GRAPH_HOST_H

#include "cuda.h"

#define GRAPH_CALL(name) vgpu_##name
#define GRAPH_ENTER() ((void)0) /* the entry points have looked whether the library is ready */

/* A call with a per-thread twin; `abi` is RF_FLAG_PER_THREAD in that. */
#define GRAPH_TWIN(name, expression, ...)             \
    CUresult vgpu_##name(unsigned abi, __VA_ARGS__)   \
    {                                                 \
        return (expression);                          \
    }

#endif
