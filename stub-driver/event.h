/* Events: a point in a stream (see stream.h), and the time when the stream passed it. */
#ifndef RF_STUB_EVENT_H
#define RF_STUB_EVENT_H

#include "api.h"
#include "handle.h"

struct stream;

/* One cache line: with many of them, that is what a record costs.
 *
 * A point is a place in a stream: 1 + the stream's index and, above RF_POINT_STREAM_BITS, the number that is complete when the stream
 * has completed it; 0: never recorded. It is one word, so that an event without timing needs no lock, whose instruction would wait for
 * the event's line before anything else goes on. */
#define RF_POINT_STREAM_BITS 21

struct event {
  _Alignas(64) struct rf_object object;
  struct context *context;
  uint32_t flags;
  _Atomic uint32_t lock; /* of one with timing: makes point, record and time one; held for a few loads and stores */
  _Atomic uint64_t point;
  uint64_t record; /* counts records: a stamp of an older one is not taken */
  uint64_t time_ns;
};

/* Records `event` in `stream` at its present end. */
CUresult rf_event_record(struct event *event, struct stream *stream);

/* Makes the stream wait for what the event stands for now. */
CUresult rf_event_wait(struct event *event, struct stream *stream);

/* Stores the time of a record when the stream gets there. */
void rf_event_stamp(struct event *event, uint64_t record);

#endif
