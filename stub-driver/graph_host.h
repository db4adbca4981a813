/* How idm/graphs/ is compiled into the software GPU: its calls are the exported ones. */
#ifndef RF_STUB_GRAPH_HOST_H
#define RF_STUB_GRAPH_HOST_H

#include "api.h"

#define GRAPH_CALL(name) name
#define GRAPH_ENTER() RF_ENTER()

/* A call and its per-thread twin; `abi` is 1 in the twin. */
#define GRAPH_TWIN(name, expression, ...) \
  CUresult name(__VA_ARGS__) {            \
    const unsigned abi = 0;               \
    return (expression);                  \
  }                                       \
  CUresult name##_ptsz(__VA_ARGS__) {     \
    const unsigned abi = 1;               \
    return (expression);                  \
  }

#endif
