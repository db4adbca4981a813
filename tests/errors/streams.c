/* streams.c - streams, events, memory operations, host functions. */
#include <pthread.h>
#include <unistd.h>

#include "rows.h"

void rows_stream(void)
{
    CUcontext context = enter(), got = NULL;
    CUstream stream = NULL, other = NULL;
    unsigned flags = 9;
    int priority = 9;
    unsigned long long id = 0;
    CUdevice device = 9;
    CUstreamAttrValue value;
    memset(&value, 0, sizeof value);
    E(INVALID_VALUE, cuStreamCreate(NULL, 0));
    E(INVALID_VALUE, cuStreamCreate(&stream, 2));
    E(INVALID_VALUE, cuStreamCreate(&stream, 0xffffffffu));
    HOLDS(stream == NULL);
    E(INVALID_VALUE, cuStreamCreateWithPriority(NULL, 0, 0));
    E(INVALID_VALUE, cuStreamCreateWithPriority(&stream, 2, 0));
    OK(cuStreamCreateWithPriority(&stream, CU_STREAM_NON_BLOCKING, -1000)); /* clamped */
    OK(cuStreamGetPriority(stream, &priority));
    int low = 0, high = 0;
    OK(cuCtxGetStreamPriorityRange(&low, &high));
    HOLDS(priority == high);
    E(INVALID_VALUE, cuStreamGetPriority(stream, NULL));
    E(INVALID_VALUE, cuStreamGetPriority(NULL, NULL));
    OK(cuStreamGetPriority(NULL, &priority));
    HOLDS(priority == 0);
    E(INVALID_VALUE, cuStreamGetFlags(stream, NULL));
    OK(cuStreamGetFlags(stream, &flags));
    HOLDS(flags == CU_STREAM_NON_BLOCKING);
    OK(cuStreamGetFlags(NULL, &flags));
    HOLDS(flags == 0);
    E(INVALID_VALUE, cuStreamGetId(stream, NULL));
    OK(cuStreamGetId(stream, &id));
    OK(cuStreamGetId(NULL, &id));
    OK(cuStreamGetId(CU_STREAM_PER_THREAD, &id));
    E(INVALID_VALUE, cuStreamGetCtx(stream, NULL));
    OK(cuStreamGetCtx(stream, &got));
    HOLDS(got == context);
    OK(cuStreamGetCtx(NULL, &got));
    HOLDS(got == context);
    E(INVALID_VALUE, cuStreamGetDevice(stream, NULL));
    E(INVALID_VALUE, cuStreamGetDevice(NULL, NULL));
    OK(cuStreamGetDevice(CU_STREAM_LEGACY, &device));
    HOLDS(device == 0);
    OK(cuStreamQuery(stream));
    OK(cuStreamQuery(NULL));
    OK(cuStreamQuery(CU_STREAM_LEGACY));
    OK(cuStreamQuery(CU_STREAM_PER_THREAD));
    /* No object, and none of the default streams can be destroyed. */
    E(INVALID_HANDLE, cuStreamQuery(JUNK(CUstream)));
    E(INVALID_HANDLE, cuStreamSynchronize(JUNK(CUstream)));
    E(INVALID_HANDLE, cuStreamDestroy_v2(JUNK(CUstream)));
    E(INVALID_HANDLE, cuStreamGetFlags(JUNK(CUstream), &flags));
    E(INVALID_HANDLE, cuStreamGetPriority(JUNK(CUstream), &priority));
    E(INVALID_HANDLE, cuStreamGetCtx(JUNK(CUstream), &got));
    E(INVALID_HANDLE, cuStreamGetId(JUNK(CUstream), &id));
    E(INVALID_HANDLE, cuStreamGetDevice(JUNK(CUstream), &device));
    E(INVALID_HANDLE, cuStreamDestroy_v2(NULL));
    E(INVALID_HANDLE, cuStreamDestroy_v2(CU_STREAM_LEGACY));
    E(INVALID_HANDLE, cuStreamDestroy_v2(CU_STREAM_PER_THREAD));
    /* Attributes. */
    OK(cuStreamGetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
    E(INVALID_VALUE, cuStreamGetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, NULL));
    E(INVALID_VALUE, cuStreamSetAttribute(stream, CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, NULL));
    E(INVALID_VALUE, cuStreamGetAttribute(stream, (CUstreamAttrID)9999, &value));
    E(INVALID_VALUE, cuStreamSetAttribute(stream, (CUstreamAttrID)9999, &value));
    E(INVALID_HANDLE, cuStreamGetAttribute(JUNK(CUstream), CU_STREAM_ATTRIBUTE_SYNCHRONIZATION_POLICY, &value));
    OK(cuStreamCreate(&other, 0));
    OK(cuStreamCopyAttributes(other, stream));
    E(INVALID_HANDLE, cuStreamCopyAttributes(other, JUNK(CUstream)));
    E(INVALID_HANDLE, cuStreamCopyAttributes(JUNK(CUstream), stream));
    /* Work under way. */
    hold(stream);
    E(NOT_READY, cuStreamQuery(stream));
    OK(cuStreamQuery(other));
    release();
    OK(cuStreamQuery(stream));
    OK(cuStreamDestroy_v2(stream));
    E(INVALID_HANDLE, cuStreamQuery(stream));
    E(INVALID_HANDLE, cuStreamDestroy_v2(stream));
    E(INVALID_HANDLE, cuStreamSynchronize(stream));
    OK(cuStreamDestroy_v2(other));
    leave(context);
}

void rows_event(void)
{
    CUcontext context = enter(), second = NULL;
    CUevent event = NULL, end = NULL, untimed = NULL, elsewhere = NULL, fresh = NULL;
    CUstream stream = NULL;
    float ms = -1;
    E(INVALID_VALUE, cuEventCreate(NULL, 0));
    E(INVALID_VALUE, cuEventCreate(&event, 8));
    E(INVALID_VALUE, cuEventCreate(&event, 0x1000000));
    E(INVALID_VALUE, cuEventCreate(&event, CU_EVENT_INTERPROCESS)); /* only together with DISABLE_TIMING */
    HOLDS(event == NULL);
    OK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    OK(cuEventCreate(&end, CU_EVENT_BLOCKING_SYNC));
    OK(cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&fresh, 0));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuEventQuery(event)); /* never recorded: nothing to wait for */
    OK(cuEventSynchronize(event));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, event, end));
    OK(cuEventRecord(event, NULL));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, event, end)); /* one of the two */
    OK(cuEventRecord(end, stream));
    OK(cuEventSynchronize(event));
    OK(cuEventSynchronize(end));
    OK(cuEventElapsedTime(&ms, event, end));
    OK(cuEventElapsedTime(&ms, event, event));
    HOLDS(ms == 0);
    E(INVALID_VALUE, cuEventElapsedTime(NULL, event, end));
    OK(cuEventRecord(untimed, NULL));
    OK(cuEventSynchronize(untimed));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, event, untimed));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, untimed, end));
    /* Recorded and not reached. */
    hold(stream);
    OK(cuEventRecord(end, stream));
    E(NOT_READY, cuEventQuery(end));
    E(NOT_READY, cuEventElapsedTime(&ms, event, end));
    E(NOT_READY, cuEventElapsedTime_v2(&ms, end, event));
    release();
    OK(cuEventQuery(end));
    OK(cuEventElapsedTime(&ms, event, end));
    /* Handles. */
    E(INVALID_HANDLE, cuEventQuery(NULL));
    E(INVALID_HANDLE, cuEventSynchronize(NULL));
    E(INVALID_HANDLE, cuEventRecord(NULL, NULL));
    E(INVALID_HANDLE, cuEventDestroy_v2(NULL));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, NULL, end));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, event, NULL));
    E(INVALID_HANDLE, cuStreamWaitEvent(stream, NULL, 0));
    E(INVALID_HANDLE, cuEventQuery(JUNK(CUevent)));
    E(INVALID_HANDLE, cuEventSynchronize(JUNK(CUevent)));
    E(INVALID_HANDLE, cuEventRecord(JUNK(CUevent), NULL));
    E(INVALID_HANDLE, cuEventRecord(event, JUNK(CUstream)));
    E(INVALID_HANDLE, cuEventDestroy_v2(JUNK(CUevent)));
    E(INVALID_HANDLE, cuStreamWaitEvent(stream, JUNK(CUevent), 0));
    E(INVALID_HANDLE, cuStreamWaitEvent(JUNK(CUstream), event, 0));
    E(INVALID_HANDLE, cuEventQuery((CUevent)stream));
    E(INVALID_HANDLE, cuStreamQuery((CUstream)event));
    /* Flags: EXTERNAL is for captures. */
    E(INVALID_VALUE, cuStreamWaitEvent(stream, event, 2));
    E(INVALID_VALUE, cuStreamWaitEvent(stream, event, 0xffffffffu));
    E(INVALID_VALUE, cuStreamWaitEvent(stream, event, CU_EVENT_WAIT_EXTERNAL));
    OK(cuStreamWaitEvent(stream, fresh, 0)); /* never recorded: no wait */
    OK(cuEventRecordWithFlags(event, stream, 0));
    E(INVALID_VALUE, cuEventRecordWithFlags(event, stream, 2));
    E(INVALID_VALUE, cuEventRecordWithFlags(event, stream, CU_EVENT_RECORD_EXTERNAL));
    /* An event belongs to its context, for recording; waiting is free. */
    OK(cuCtxCreate_v2(&second, 0, 0));
    OK(cuEventCreate(&elsewhere, 0));
    E(INVALID_HANDLE, cuEventRecord(elsewhere, stream));
    E(INVALID_HANDLE, cuEventRecord(event, NULL)); /* the null stream is the current context's */
    OK(cuStreamWaitEvent(NULL, event, 0));
    OK(cuEventRecord(elsewhere, NULL));
    OK(cuEventSynchronize(elsewhere));
    E(INVALID_HANDLE, cuEventElapsedTime(&ms, event, elsewhere));
    OK(cuCtxRecordEvent(second, elsewhere));
    E(INVALID_HANDLE, cuCtxRecordEvent(second, event));
    E(INVALID_HANDLE, cuCtxRecordEvent(second, JUNK(CUevent)));
    OK(cuCtxWaitEvent(second, event));
    E(INVALID_HANDLE, cuCtxWaitEvent(second, JUNK(CUevent)));
    OK(cuCtxDestroy_v2(second));
    E(INVALID_HANDLE, cuEventQuery(elsewhere)); /* went with its context */
    OK(cuEventDestroy_v2(event));
    E(INVALID_HANDLE, cuEventDestroy_v2(event));
    E(INVALID_HANDLE, cuEventQuery(event));
    E(INVALID_HANDLE, cuEventRecord(event, NULL));
    OK(cuEventDestroy_v2(end));
    OK(cuEventDestroy_v2(untimed));
    OK(cuEventDestroy_v2(fresh));
    OK(cuStreamDestroy_v2(stream));
    leave(context);
}

void rows_memop(void)
{
    CUcontext context = enter();
    CUdeviceptr word = 0;
    CUstream stream = NULL;
    CUstreamBatchMemOpParams ops[2];
    memset(ops, 0, sizeof ops);
    OK(cuMemAlloc_v2(&word, 64));
    OK(cuMemsetD8_v2(word, 0, 64));
    OK(cuStreamCreate(&stream, 0));
    E(INVALID_VALUE, cuStreamWriteValue32_v2(stream, 0, 1, 0));
    E(INVALID_VALUE, cuStreamWriteValue32_v2(stream, word + 1, 1, 0)); /* 4-byte aligned */
    E(INVALID_VALUE, cuStreamWriteValue32_v2(stream, word, 1, 2));
    E(INVALID_VALUE, cuStreamWriteValue64_v2(stream, word + 4, 1, 0)); /* 8-byte aligned */
    E(INVALID_VALUE, cuStreamWaitValue32_v2(stream, 0, 1, CU_STREAM_WAIT_VALUE_EQ));
    E(INVALID_VALUE, cuStreamWaitValue32_v2(stream, word + 2, 1, CU_STREAM_WAIT_VALUE_EQ));
    E(INVALID_VALUE, cuStreamWaitValue32_v2(stream, word, 1, 4));
    E(INVALID_VALUE, cuStreamWaitValue32_v2(stream, word, 1, 0xffffu));
    E(INVALID_VALUE, cuStreamWaitValue64_v2(stream, word + 4, 1, CU_STREAM_WAIT_VALUE_EQ));
    E(INVALID_VALUE, cuStreamWaitValue64_v2(stream, word + 64, 1, CU_STREAM_WAIT_VALUE_EQ)); /* beyond */
    E(INVALID_HANDLE, cuStreamWriteValue32_v2(JUNK(CUstream), word, 1, 0));
    E(INVALID_HANDLE, cuStreamWaitValue32_v2(JUNK(CUstream), word, 1, 0));
    OK(cuStreamWriteValue32_v2(stream, word, 7, 0));
    OK(cuStreamWaitValue32_v2(stream, word, 7, CU_STREAM_WAIT_VALUE_EQ));
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 1, NULL, 0));
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 0, ops, 0));
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 257, ops, 0)); /* at most 256 */
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 1, ops, 1));
    ops[0].operation = (CUstreamBatchMemOpType)99;
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 1, ops, 0));
    ops[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
    ops[0].writeValue.address = word;
    ops[0].writeValue.value = 9;
    E(INVALID_HANDLE, cuStreamBatchMemOp_v2(JUNK(CUstream), 1, ops, 0));
    ops[1] = ops[0];
    ops[1].writeValue.address = word + 1;
    E(INVALID_VALUE, cuStreamBatchMemOp_v2(stream, 2, ops, 0)); /* all or nothing */
    unsigned seen = 0;
    OK(cuStreamSynchronize(stream));
    OK(cuMemcpyDtoH_v2(&seen, word, 4));
    HOLDS(seen == 7);
    OK(cuStreamBatchMemOp_v2(stream, 1, ops, 0));
    OK(cuStreamSynchronize(stream));
    OK(cuMemcpyDtoH_v2(&seen, word, 4));
    HOLDS(seen == 9);
    OK(cuStreamDestroy_v2(stream));
    OK(cuMemFree_v2(word));
    leave(context);
}

static CUresult within = CUDA_SUCCESS, asked = CUDA_SUCCESS;
static CUevent known;
static void CUDA_CB host_function(void *data)
{
    CUdeviceptr pointer = 0;
    within = cuMemAlloc_v2(&pointer, 16);
    asked = cuEventQuery(known);
    *(int *)data += 1;
}
static void CUDA_CB callback(CUstream stream, CUresult status, void *data)
{
    (void)stream;
    *(int *)data += status == CUDA_SUCCESS ? 1 : 100;
}

void rows_callback(void)
{
    CUcontext context = enter();
    CUstream stream = NULL;
    int called = 0;
    OK(cuStreamCreate(&stream, 0));
    OK(cuEventCreate(&known, 0));
    E(INVALID_VALUE, cuLaunchHostFunc(stream, NULL, &called));
    E(INVALID_HANDLE, cuLaunchHostFunc(JUNK(CUstream), host_function, &called));
    OK(cuLaunchHostFunc(stream, host_function, &called));
    OK(cuStreamSynchronize(stream));
    HOLDS(called == 1);
    HOLDS(within == CUDA_ERROR_NOT_PERMITTED);
    HOLDS(asked == CUDA_ERROR_NOT_PERMITTED); /* also of what is answered without waiting */
    OK(cuEventDestroy_v2(known));
    E(INVALID_VALUE, cuStreamAddCallback(stream, NULL, &called, 0));
    E(INVALID_VALUE, cuStreamAddCallback(stream, callback, &called, 1));
    E(INVALID_HANDLE, cuStreamAddCallback(JUNK(CUstream), callback, &called, 0));
    OK(cuStreamAddCallback(stream, callback, &called, 0));
    OK(cuStreamSynchronize(stream));
    HOLDS(called == 2);
    OK(cuStreamDestroy_v2(stream));
    leave(context);
}
