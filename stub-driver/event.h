/* Events: a point in a stream (see stream.h), and the time when the stream passed it. */
#ifndef RF_STUB_EVENT_H
#define RF_STUB_EVENT_H

#include <pthread.h>

#include "api.h"
#include "handle.h"

struct stream;

struct event {
  struct rf_object object;
  struct context *context;
  uint64_t context_handle;
  unsigned flags;
  pthread_mutex_t lock;  /* guards what follows; held for a few loads and stores */
  struct stream *stream; /* NULL: never recorded */
  uint64_t number;       /* complete when the stream has completed it */
  uint64_t record;       /* counts records: a stamp of an older one is not taken */
  uint64_t time_ns;
};

/* Records `event` in `stream` at its present end. */
CUresult rf_event_record(struct event *event, struct stream *stream);

/* Makes the stream wait for what the event stands for now. */
CUresult rf_event_wait(struct event *event, struct stream *stream);

/* Stores the time of a record when the stream gets there. */
void rf_event_stamp(struct event *event, uint64_t record);

#endif
