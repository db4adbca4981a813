/* graph_part.h - the parts of an executable graph that the device does alone: they are graphs of the driver's, made by the executor. */
#ifndef VGPU_GRAPH_PART_H
#define VGPU_GRAPH_PART_H

#include "env.h"

/* Steps [first, first + count) of a plan. */
struct vgpu_part {
    uint32_t first, count;
    uint64_t handle; /* the executor's graph; 0: none, the steps go one by one */
};

/* Whether a step can be in a part. A conditional can be nowhere else. */
int vgpu_part_can(const struct graph_step *step);

/* Sends the steps and has them made into a graph. Errors: the executor's; CUDA_ERROR_NOT_SUPPORTED for a conditional with a node that the
 * device cannot do alone, *error. */
CUresult vgpu_part_make(const struct graph_plan *plan, struct vgpu_part *part, CUcontext context, struct graph_node **error);

/* Tells the executor of a node's parameters, or that it is enabled or not. `last`: waits for the answer. */
CUresult vgpu_part_set(const struct graph_node *node, int last);

CUresult vgpu_part_launch(const struct vgpu_part *part, CUstream stream, unsigned abi);
void vgpu_part_end(const struct vgpu_part *part);

#endif
