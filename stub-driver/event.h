/* Events: a point in a stream (see stream.h), and the time when the stream passed it. */
#ifndef RF_STUB_EVENT_H
#define RF_STUB_EVENT_H

#include "api.h"
#include "handle.h"

struct stream;

/* Half a cache line: with a hundred thousand of them, what a record costs is how many of their lines the caches hold. What only one with timing needs lies
 * elsewhere (event.c).
 *
 * A point is a place in a stream: RF_POINT_TIMED if the event has timing; above it 1 + the stream's index, 0: never recorded; above RF_POINT_STREAM_BITS the
 * number that is complete when the stream has completed it. It is one word, so that an event without timing needs no lock, whose instruction would wait
 * for the event's line before anything else goes on. */
#define RF_POINT_TIMED 1u
#define RF_POINT_STREAM_BITS 22

struct event {
  _Alignas(32) struct rf_object object;
  struct context *context;
  _Atomic uint64_t point;
};

/* Records `event` in `stream` at its present end. */
CUresult rf_event_record(struct event *event, struct stream *stream);

/* Makes the stream wait for what the event stands for now. */
CUresult rf_event_wait(struct event *event, struct stream *stream);

/* Stores the time of a record when the stream gets there. */
void rf_event_stamp(struct event *event, uint64_t record);

#endif
