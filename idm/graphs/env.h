/* What graphs ask of the library that they are compiled into: the software GPU, or the client. Called with the lock held. */
#ifndef RINGFENCE_GRAPH_ENV_H
#define RINGFENCE_GRAPH_ENV_H

#include "graph.h"

/* A stream argument. Errors: the call's own. */
CUresult graph_env_stream(CUstream handle, unsigned abi, struct graph_stream *stream);
/* Completes what is known of a stream that joins a capture: its context, whether it synchronises with the legacy stream. */
CUresult graph_env_member(struct graph_stream *stream);
/* A context argument; NULL: the current one. *handle gets which, *key its number among streams' contexts. */
CUresult graph_env_context(CUcontext given, CUcontext *handle, uint64_t *key, CUdevice *device);
CUresult graph_env_event(CUevent event);
CUresult graph_env_device(CUdevice device);

/* Where a kernel's parameters lie. INVALID_HANDLE. */
CUresult graph_env_layout(CUfunction function, CUcontext context, struct graph_layout *layout);
/* Whether the host could execute this: addresses, shapes. */
CUresult graph_env_check(const struct graph_params *params);

/* Memory for an allocation node. */
CUresult graph_env_allocate(CUcontext context, CUdevice device, size_t bytes, CUdeviceptr *address);
void graph_env_release(CUdeviceptr address);

/* A condition that device code can set; its number, which may not be 0. The host forgets it when it is released. */
CUresult graph_env_condition(unsigned initial, unsigned flags, uint64_t *number);
void graph_env_condition_release(uint64_t number);

/* exec->plan is made, exec->backend NULL. *error: the node to blame. */
CUresult graph_env_instantiate(struct graph_exec *exec, struct graph_node **error);
/* Parameters of these nodes changed, or whether they are enabled: what is launched from now on sees it. */
CUresult graph_env_update(struct graph_exec *exec, struct graph_node *const *nodes, size_t count);
/* Called before an executable graph's nodes are changed or it goes: returns when no launch of it is being put together. May let
 * go of the lock meanwhile, so that the executable graph may be gone afterwards. */
void graph_env_settle(struct graph_exec *exec);
CUresult graph_env_launch(struct graph_exec *exec, CUstream stream, unsigned abi);
CUresult graph_env_upload(struct graph_exec *exec, CUstream stream, unsigned abi);
/* The executable graph goes; what is launched still runs. The host calls graph_free(exec->graph) when nothing needs it. */
void graph_env_destroy(struct graph_exec *exec);

#endif
