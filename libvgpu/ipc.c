/* ipc.c - device memory and events between processes of one zone.
 *
 * A handle is a random number of the executor's, which serves all of the zone's processes; the rest of its 64 bytes says whose
 * making it is. Opened memory has the same address in every process: it is the GPU's. An opened event is a name for the other's. */
#include <string.h>

#include "call.h"
#include "hand.h"
#include "sure.h"

static const char mark[] = "Ringfence memory of one zone";

static const char event_mark[] = "Ringfence event of one zone";

_Static_assert(sizeof(CUipcEventHandle) == 64 && sizeof event_mark <= 32, "mark and number fill a handle");
_Static_assert(sizeof(CUipcMemHandle) == 64 && sizeof mark <= 32, "mark and number fill a handle");

CUresult vgpu_cuIpcGetMemHandle(CUipcMemHandle *pHandle, CUdeviceptr dptr)
{
    struct vgpu_call call;
    struct rf_IPC_GET_reply reply;
    if (!pHandle) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_IPC_GET, sizeof(struct rf_IPC_GET), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_IPC_GET *)call.payload)->address = dptr;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    memset(pHandle, 0, sizeof *pHandle);
    memcpy(pHandle->reserved, &reply, sizeof reply);
    memcpy(pHandle->reserved + sizeof reply, mark, sizeof mark);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuIpcOpenMemHandle_v2(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags)
{
    struct vgpu_call call;
    struct rf_IPC_OPEN_reply reply;
    struct rf_IPC_OPEN request = {.flags = Flags};
    if (!pdptr || memcmp(handle.reserved + sizeof(struct rf_IPC_GET_reply), mark, sizeof mark) != 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_IPC_OPEN, sizeof request, VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(&request, handle.reserved, sizeof(struct rf_IPC_GET_reply));
    memcpy(call.payload, &request, sizeof request);
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    vgpu_sure_memory_add(reply.address, reply.size, 0);
    *pdptr = reply.address;
    return CUDA_SUCCESS;
}

CUresult vgpu_cuIpcOpenMemHandle(CUdeviceptr *pdptr, CUipcMemHandle handle, unsigned int Flags) { return vgpu_cuIpcOpenMemHandle_v2(pdptr, handle, Flags); }

CUresult vgpu_cuIpcCloseMemHandle(CUdeviceptr dptr)
{
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_IPC_CLOSE, sizeof(struct rf_IPC_CLOSE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_IPC_CLOSE *)call.payload)->address = dptr;
    vgpu_sure_memory_remove(dptr);
    return vgpu_wait(&call, NULL, 0);
}

CUresult vgpu_cuIpcGetEventHandle(CUipcEventHandle *pHandle, CUevent event)
{
    struct vgpu_call call;
    struct rf_EVENT_SHARE_reply reply;
    if (!pHandle) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_EVENT_SHARE, sizeof(struct rf_EVENT_SHARE), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_EVENT_SHARE *)call.payload)->event = VGPU_WIRE(event);
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    memset(pHandle, 0, sizeof *pHandle);
    memcpy(pHandle->reserved, &reply, sizeof reply);
    memcpy(pHandle->reserved + sizeof reply, event_mark, sizeof event_mark);
    return CUDA_SUCCESS;
}

CUresult vgpu_cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
    struct vgpu_call call;
    struct rf_EVENT_OPEN_reply reply;
    if (!phEvent || memcmp(handle.reserved + sizeof(struct rf_EVENT_OPEN), event_mark, sizeof event_mark) != 0) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_begin(&call, RF_EVENT_OPEN, sizeof(struct rf_EVENT_OPEN), VGPU_WAITED, 0);
    if (error != CUDA_SUCCESS) return error;
    memcpy(call.payload, handle.reserved, sizeof(struct rf_EVENT_OPEN));
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    vgpu_sure_learn(reply.event);
    *phEvent = (CUevent)(uintptr_t)reply.event;
    return CUDA_SUCCESS;
}
