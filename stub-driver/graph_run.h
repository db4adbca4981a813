/* What a graph's launch gives to its stream: stretches of tasks. See graph_run.c. */
#ifndef RF_STUB_GRAPH_RUN_H
#define RF_STUB_GRAPH_RUN_H

#include "stream.h"

struct rf_graph_run;

/* Executes tasks [first, first + count) on the calling thread and lets go of the run. */
void rf_graph_execute(struct stream *stream, struct rf_graph_run *run, uint32_t first, uint32_t count);

#endif
