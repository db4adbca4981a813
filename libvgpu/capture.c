/* capture.c - which calls become nodes, and how; see capture.h. The rules are in idm/graphs/. */
#include "capture.h"

#include "context.h"
#include "env.h"
#include "hand.h"

/* Whether a call in this stream is a capture's affair at all. */
static int concerns(CUstream stream, unsigned abi, struct graph_stream *where, CUresult *result)
{
    CUresult ignored = CUDA_SUCCESS;
    *result = graph_env_stream(stream, abi, where);
    if (*result != CUDA_SUCCESS) return 0; /* the call itself finds out */
    return graph_capture_has(where) || graph_capture_implicit(where, false, &ignored);
}

int vgpu_capture(CUstream stream, unsigned abi, const CUgraphNodeParams *given, CUresult *result)
{
    struct graph_stream where;
    struct graph_params params;
    if (!concerns(stream, abi, &where, result)) return 0;
    *result = graph_params_read(&params, given);
    return *result != CUDA_SUCCESS || graph_capture_work(&where, &params, result);
}

int vgpu_capture_launch(CUstream stream, unsigned abi, const CUgraphNodeParams *given, const CUlaunchAttribute *attributes, unsigned count, int cooperative, CUresult *result)
{
    struct graph_stream where;
    struct graph_params params;
    if (!concerns(stream, abi, &where, result)) return 0;
    *result = graph_params_read(&params, given);
    if (*result != CUDA_SUCCESS) return 1;
    for (unsigned i = 0; i < count && *result == CUDA_SUCCESS; i++)
        if (graph_is_kernel_attribute(attributes[i].id)) *result = graph_attribute_set(&params, attributes[i].id, &attributes[i].value);
    const CUlaunchAttributeValue yes = {.cooperative = 1};
    if (*result == CUDA_SUCCESS && cooperative) *result = graph_attribute_set(&params, CU_LAUNCH_ATTRIBUTE_COOPERATIVE, &yes);
    if (*result == CUDA_SUCCESS) return graph_capture_work(&where, &params, result);
    graph_params_free(&params);
    return 1;
}

CUresult vgpu_capture_refuse(CUstream stream, unsigned abi, int unsafe)
{
    struct graph_stream where;
    CUresult result = CUDA_SUCCESS;
    if (graph_env_stream(stream, abi, &where) == CUDA_SUCCESS && graph_capture_refuse(&where, &result)) return result;
    return unsafe && graph_capture_unsafe(&result) ? result : CUDA_SUCCESS;
}

/* ---- in front of generated calls (table.ts: `capture`) ---- */

int vgpu_captured_cuStreamQuery(unsigned abi, CUstream hStream, CUresult *result)
{
    *result = graph_capturing() ? vgpu_capture_refuse(hStream, abi, 1) : CUDA_SUCCESS;
    return *result != CUDA_SUCCESS;
}

int vgpu_captured_cuStreamWaitEvent(unsigned abi, CUstream hStream, CUevent hEvent, unsigned int Flags, CUresult *result)
{
    struct graph_stream where;
    if (!hEvent || Flags > CU_EVENT_WAIT_EXTERNAL || graph_env_stream(hStream, abi, &where) != CUDA_SUCCESS) return 0;
    return graph_capture_wait(&where, hEvent, Flags != 0, result);
}

int vgpu_captured_cuEventRecordWithFlags(unsigned abi, CUevent hEvent, CUstream hStream, unsigned int flags, CUresult *result)
{
    struct graph_stream where;
    if (!hEvent || flags > CU_EVENT_RECORD_EXTERNAL || graph_env_stream(hStream, abi, &where) != CUDA_SUCCESS) return 0;
    return graph_capture_record(&where, hEvent, flags != 0, result);
}

int vgpu_captured_cuEventRecord(unsigned abi, CUevent hEvent, CUstream hStream, CUresult *result)
{
    return vgpu_captured_cuEventRecordWithFlags(abi, hEvent, hStream, 0, result);
}

int vgpu_captured_cuEventQuery(unsigned abi, CUevent hEvent, CUresult *result)
{
    (void)abi;
    return graph_capture_asked(hEvent, result);
}

int vgpu_captured_cuEventElapsedTime_v2(unsigned abi, float *pMilliseconds, CUevent hStart, CUevent hEnd, CUresult *result)
{
    (void)abi;
    (void)pMilliseconds;
    return graph_capture_asked(hStart, result) || graph_capture_asked(hEnd, result);
}

int vgpu_captured_cuEventElapsedTime(unsigned abi, float *pMilliseconds, CUevent hStart, CUevent hEnd, CUresult *result)
{
    return vgpu_captured_cuEventElapsedTime_v2(abi, pMilliseconds, hStart, hEnd, result);
}

static int memop(unsigned abi, CUstream stream, CUstreamBatchMemOpType operation, CUdeviceptr address, uint64_t value, unsigned flags, CUresult *result)
{
    /* Waits and writes have one layout; a 32-bit value is the low half. */
    CUstreamBatchMemOpParams op = {.waitValue = {.operation = operation, .address = address, .value64 = value, .flags = flags}};
    const CUgraphNodeParams given = {.type = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP, .memOp = {.count = 1, .paramArray = &op}};
    return graph_capturing() && vgpu_capture(stream, abi, &given, result);
}

#define VALUE_CALL(name, type, operation)                                                                                      \
    int vgpu_captured_##name(unsigned abi, CUstream stream, CUdeviceptr addr, type value, unsigned int flags, CUresult *result) \
    {                                                                                                                          \
        return memop(abi, stream, operation, addr, value, flags, result);                                                      \
    }

VALUE_CALL(cuStreamWaitValue32_v2, cuuint32_t, CU_STREAM_MEM_OP_WAIT_VALUE_32)
VALUE_CALL(cuStreamWaitValue64_v2, cuuint64_t, CU_STREAM_MEM_OP_WAIT_VALUE_64)
VALUE_CALL(cuStreamWriteValue32_v2, cuuint32_t, CU_STREAM_MEM_OP_WRITE_VALUE_32)
VALUE_CALL(cuStreamWriteValue64_v2, cuuint64_t, CU_STREAM_MEM_OP_WRITE_VALUE_64)
