/* stream.h - what other files ask about streams. */
#ifndef VGPU_STREAM_H
#define VGPU_STREAM_H

#include "cuda.h"

/* Whether a stream is one that may be given work: CUDA_SUCCESS, or what a call that is given it answers. Asks the executor about
 * all but default streams. */
CUresult vgpu_stream_check(CUstream stream);
/* The context that a stream belongs to: a default stream's is the current one. */
CUresult vgpu_stream_context(CUstream stream, struct vgpu_context **context);

#endif
