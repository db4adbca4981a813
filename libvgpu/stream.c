/* stream.c - what streams need beyond the generated calls: waiting, destroying, whose they are, batches of memory operations.
 * The special values 0, 1 and 2 (default, legacy, per thread) travel as they are; the executor knows the calling thread. */
#include <stddef.h>

#include "call.h"
#include "capture.h"
#include "context.h"
#include "copy.h"
#include "hand.h"
#include "stream.h"
#include "sure.h"
#include "thread.h"

CUresult vgpu_cuStreamSynchronize(unsigned abi, CUstream hStream)
{
    CUresult refused = graph_capturing() ? vgpu_capture_refuse(hStream, abi, 1) : CUDA_SUCCESS;
    return refused ? refused : vgpu_sync_stream(hStream, abi);
}

CUresult vgpu_cuStreamDestroy_v2(CUstream hStream)
{
    if (!hStream || hStream == CU_STREAM_LEGACY || hStream == CU_STREAM_PER_THREAD) return CUDA_ERROR_INVALID_HANDLE;
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_STREAM_DESTROY, sizeof(struct rf_STREAM_DESTROY), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_STREAM_DESTROY *)call.payload)->stream = VGPU_WIRE(hStream);
    vgpu_sure_forget(VGPU_WIRE(hStream));
    error = vgpu_wait(&call, NULL, 0);
    if (error == CUDA_SUCCESS) graph_capture_stream_gone(VGPU_WIRE(hStream));
    return error == CUDA_ERROR_INVALID_HANDLE ? vgpu_context_or(error) : error;
}

/* ---- whose ---- */

CUresult vgpu_stream_context(CUstream stream, struct vgpu_context **context)
{
    if (!stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD) {
        *context = vgpu_context_find(NULL); /* default streams are the current context's */
        return *context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
    }
    struct vgpu_call call;
    CUresult error = vgpu_begin(&call, RF_STREAM_CONTEXT, sizeof(struct rf_STREAM_CONTEXT), VGPU_WAITED | VGPU_ANY_CONTEXT, 0);
    if (error != CUDA_SUCCESS) return error;
    ((struct rf_STREAM_CONTEXT *)call.payload)->stream = VGPU_WIRE(stream);
    struct rf_STREAM_CONTEXT_reply reply;
    error = vgpu_wait(&call, &reply, sizeof reply);
    if (error != CUDA_SUCCESS) return error;
    *context = reply.context ? vgpu_context_find((CUcontext)(uintptr_t)reply.context) : NULL;
    return *context ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult vgpu_stream_check(CUstream stream)
{
    struct vgpu_context *context;
    return vgpu_stream_context(stream, &context);
}

CUresult vgpu_cuStreamGetCtx(unsigned abi, CUstream hStream, CUcontext *pctx)
{
    (void)abi;
    struct vgpu_context *context;
    if (!pctx) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_stream_context(hStream, &context);
    if (error == CUDA_SUCCESS) error = (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
    if (error == CUDA_SUCCESS) *pctx = (CUcontext)(uintptr_t)context->handle;
    return error;
}

CUresult vgpu_cuStreamGetCtx_v2(unsigned abi, CUstream hStream, CUcontext *pCtx, CUgreenCtx *pGreenCtx)
{
    if (!pCtx && !pGreenCtx) return CUDA_ERROR_INVALID_VALUE;
    CUcontext ignored;
    CUresult error = vgpu_cuStreamGetCtx(abi, hStream, pCtx ? pCtx : &ignored);
    if (error == CUDA_SUCCESS && pGreenCtx) *pGreenCtx = NULL; /* no stream of a green context can exist here */
    return error;
}

CUresult vgpu_cuStreamGetDevice(unsigned abi, CUstream hStream, CUdevice *device)
{
    (void)abi;
    struct vgpu_context *context;
    if (!device) return CUDA_ERROR_INVALID_VALUE;
    CUresult error = vgpu_stream_context(hStream, &context);
    if (error == CUDA_SUCCESS) error = (CUresult)atomic_load_explicit(&context->fault, memory_order_relaxed);
    if (error == CUDA_SUCCESS) *device = context->device;
    return error;
}

#define BATCH_MAX 256u /* as documented */

/* ---- batches of memory operations: the single operations, in the array's order ---- */

#define SEND(name, abi, queue, operation, wide)                                                                       \
    do {                                                                                                              \
        struct vgpu_call call;                                                                                        \
        CUresult error = vgpu_begin(&call, RF_##name, sizeof(struct rf_##name), sure(queue, &(operation)) ? VGPU_POSTED : VGPU_ACCEPTED, abi); \
        if (error != CUDA_SUCCESS) return error;                                                                      \
        struct rf_##name *request = call.payload;                                                                     \
        request->stream = VGPU_WIRE(queue);                                                                           \
        request->addr = (operation).address;                                                                          \
        request->value = (operation).wide;                                                                            \
        request->flags = (operation).flags;                                                                           \
        return vgpu_post(&call);                                                                                      \
    } while (0)

/* Both kinds have address and flags at one place. */
static int sure(CUstream stream, const void *operation)
{
    const struct CUstreamMemOpWaitValueParams_st *p = operation;
    return vgpu_sure_stream(stream) && p->flags == 0 && p->address % 8 == 0 && vgpu_sure_memory(p->address, 8);
}

static CUresult wait32(unsigned abi, CUstream s, const CUstreamBatchMemOpParams *p) { SEND(cuStreamWaitValue32_v2, abi, s, p->waitValue, value); }
static CUresult wait64(unsigned abi, CUstream s, const CUstreamBatchMemOpParams *p) { SEND(cuStreamWaitValue64_v2, abi, s, p->waitValue, value64); }
static CUresult write32(unsigned abi, CUstream s, const CUstreamBatchMemOpParams *p) { SEND(cuStreamWriteValue32_v2, abi, s, p->writeValue, value); }
static CUresult write64(unsigned abi, CUstream s, const CUstreamBatchMemOpParams *p) { SEND(cuStreamWriteValue64_v2, abi, s, p->writeValue, value64); }

static int known_operation(CUstreamBatchMemOpType type)
{
    return (int)type >= CU_STREAM_MEM_OP_WAIT_VALUE_32 && (int)type <= CU_STREAM_MEM_OP_BARRIER;
}

static int aligned(const CUstreamBatchMemOpParams *p)
{
    switch ((int)p->operation) {
    case CU_STREAM_MEM_OP_WAIT_VALUE_32:
    case CU_STREAM_MEM_OP_WRITE_VALUE_32: return p->waitValue.address != 0 && p->waitValue.address % 4 == 0;
    case CU_STREAM_MEM_OP_WAIT_VALUE_64:
    case CU_STREAM_MEM_OP_WRITE_VALUE_64: return p->waitValue.address != 0 && p->waitValue.address % 8 == 0;
    default: return 1;
    }
}

CUresult vgpu_cuStreamBatchMemOp_v2(unsigned abi, CUstream stream, unsigned int count, CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
    if (flags != 0 || count == 0 || count > BATCH_MAX || !paramArray) return CUDA_ERROR_INVALID_VALUE;
    /* All or nothing, as far as it can be told here. */
    for (unsigned i = 0; i < count; i++)
        if (!known_operation(paramArray[i].operation) || !aligned(&paramArray[i])) return CUDA_ERROR_INVALID_VALUE;
    const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, .memOp = {.count = count, .paramArray = paramArray}};
    CUresult taken = CUDA_SUCCESS;
    if (graph_capturing() && vgpu_capture(stream, abi, &given, &taken)) return taken;
    for (unsigned i = 0; i < count; i++) {
        const CUstreamBatchMemOpParams *p = &paramArray[i];
        CUresult error = CUDA_SUCCESS;
        switch ((int)p->operation) {
        case CU_STREAM_MEM_OP_WAIT_VALUE_32: error = wait32(abi, stream, p); break;
        case CU_STREAM_MEM_OP_WAIT_VALUE_64: error = wait64(abi, stream, p); break;
        case CU_STREAM_MEM_OP_WRITE_VALUE_32: error = write32(abi, stream, p); break;
        case CU_STREAM_MEM_OP_WRITE_VALUE_64: error = write64(abi, stream, p); break;
        default: break; /* barriers and flushes: each operation is one of its own in the stream, in order */
        }
        if (error != CUDA_SUCCESS) return error;
    }
    return CUDA_SUCCESS;
}
