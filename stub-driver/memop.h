/* Stream memory operations: a stream that waits for, or writes, values in memory (cuStreamWaitValue32 and relatives). */
#ifndef RF_STUB_MEMOP_H
#define RF_STUB_MEMOP_H

#include "api.h"

struct stream;

/* Executes a checked batch on the calling thread; waits as long as it takes, or until the context is poisoned. */
void rf_memops_execute(struct stream *stream, const CUstreamBatchMemOpParams *list, unsigned count);

#endif
