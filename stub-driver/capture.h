/* What the GPU's own calls ask of stream capture (idm/graphs/graph.h): whether they become nodes, or may not be made at all. */
#ifndef RF_STUB_CAPTURE_H
#define RF_STUB_CAPTURE_H

#include "copy.h"
#include "graph.h"
#include "stream.h"

/* How captures know a stream. */
static inline struct graph_stream rf_graph_stream(struct stream *stream) {
  return (struct graph_stream){.key = (uint64_t)(uintptr_t)stream, .handle = NULL, .context = (uint64_t)(uintptr_t)stream->context,
                               .legacy = stream->legacy, .blocking = stream->blocking};
}

/* Work of a call that becomes a node while its stream captures. `given`: as cuGraphAddNode would be told. Whether it was answered. */
bool rf_capture(struct stream *stream, const CUgraphNodeParams *given, CUresult *result);

/* A launch, with its attributes. */
bool rf_capture_kernel(struct stream *stream, const CUgraphNodeParams *given, const CUlaunchAttribute *attributes, unsigned attribute_count,
                       bool cooperative, CUresult *result);

/* A call on a stream that no capture can hold. */
static inline CUresult rf_capture_refuse(struct stream *stream) {
  CUresult result = CUDA_SUCCESS;
  if (!graph_capturing()) return CUDA_SUCCESS;
  const struct graph_stream where = rf_graph_stream(stream);
  return graph_capture_refuse(&where, &result) ? result : CUDA_SUCCESS;
}

/* A call that may not be made while captures go on, unless the thread said so. */
static inline CUresult rf_capture_unsafe(void) {
  CUresult result = CUDA_SUCCESS;
  return graph_capturing() && graph_capture_unsafe(&result) ? result : CUDA_SUCCESS;
}

/* ---- what graphs ask of the calls ---- */

/* Checks both ends of a copy and resolves them. Empty copies have width 0. */
CUresult rf_copy_resolve(const char *call, const CUDA_MEMCPY3D *given, struct rf_copy *copy);
/* `width` counts elements. */
CUresult rf_fill_resolve(const char *call, CUdeviceptr address, uint64_t pitch, uint32_t value, unsigned element, uint64_t width, uint64_t height,
                         struct rf_fill *fill);
/* Checks a kernel node and makes a launch of it, to be executed any number of times; it holds the kernel's module. */
struct rf_launch;
CUresult rf_launch_make(const char *call, const struct graph_kernel *kernel, bool cooperative, const unsigned cluster[3], struct context *context, struct rf_launch **launch);
CUresult rf_memops_check(const char *call, const CUstreamBatchMemOpParams *list, unsigned count);

#endif
