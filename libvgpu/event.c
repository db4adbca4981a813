/* event.c - waiting for events and destroying them; the rest of their calls is generated. */
#include <stddef.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "hand.h"
#include "sure.h"

CUresult vgpu_cuEventSynchronize(CUevent hEvent)
{
    if (!hEvent) return CUDA_ERROR_INVALID_HANDLE;
    CUresult taken = CUDA_SUCCESS;
    if (vgpu_may_capture() && graph_capture_asked(hEvent, &taken)) return taken;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_GPU_SYNC, sizeof(struct rf_GPU_SYNC), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    struct rf_GPU_SYNC *request = call.payload;
    request->scope = RF_SYNC_EVENT;
    request->target = VGPU_WIRE(hEvent);
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuEventDestroy_v2(CUevent hEvent)
{
    if (!hEvent) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_EVENT_DESTROY, sizeof(struct rf_EVENT_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_EVENT_DESTROY *)call.payload)->event = VGPU_WIRE(hEvent);
    vgpu_sure_forget(VGPU_WIRE(hEvent));
    error = vgpu_wait(&call, NULL, 0);
    if (error == CUDA_SUCCESS) graph_capture_event_gone(hEvent);
    return error == CUDA_ERROR_INVALID_HANDLE ? vgpu_context_or(error) : error;
}
