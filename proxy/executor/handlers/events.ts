/**
 * The beginning, record and end of events, and their handles for other clients of the zone. One that a call still waits for goes when
 * that call is answered.
 *
 * One process serves all clients of a zone, and a driver lets any of a process's contexts wait for any of its events: a handle
 * (cuIpcGetEventHandle) is a random number of the zone's, and opening it makes another name for the same event (SharedEvent). When the
 * exporter destroys the event, the names go with it.
 */
import { CUresult } from '../../driver/errors.ts';
import { EventDestroy, EventOpen, EventShare, EventShareReply, HandleType, Message } from '../../generated/messages.ts';
import { type Event, SharedEvent } from '../context.ts';
import type { Invocation } from '../invocation.ts';
import { newToken, replyToken, tokenAt } from '../memory/tokens.ts';
import type { HandlerTable } from './table.ts';

const DISABLE_TIMING = 2;
const INTERPROCESS = 4;
/** Words of cuEventRecord and cuEventRecordWithFlags, which have the same record but for the last. */
const EVENT = 0;
const STREAM = 2;
const FLAGS = 4;

function create(v: Invocation): number {
  if (!v.room(HandleType.event)) return v.refuse();
  const flags = v.u32(0);
  if ((flags & INTERPROCESS) !== 0 && (flags & DISABLE_TIMING) === 0) return CUresult.INVALID_VALUE;
  // Between processes it is the zone's affair; the driver's event is one of this process.
  const status = v.driver.cuEventCreate(v.scratch, flags & ~INTERPROCESS);
  if (status !== 0) return status;
  const row = v.executor.register(HandleType.event, v.client, v.current, v.scratch64(0));
  if (row < 0) {
    v.driver.cuEventDestroy_v2(v.scratch64(0));
    return v.refuse();
  }
  (v.handles.object[row] as Event).interprocess = (flags & INTERPROCESS) !== 0;
  v.replyRow(0, row);
  return status;
}

function destroy(v: Invocation): number {
  const row = v.row(HandleType.event, EventDestroy.event);
  if (row < 0) return v.invalid(HandleType.event);
  const event = v.handles.object[row] as Event;
  v.executor.forgetEvent(event);
  return v.executor.destroyEvent(event);
}

function record(v: Invocation, flags: number): number {
  const row = v.row(HandleType.event, EVENT);
  if (row < 0) return v.invalid(HandleType.event);
  const stream = v.stream(STREAM);
  if (stream < 0) return v.invalid(HandleType.stream);
  // Only of an event that others have names for is the object looked at, which lies where no other message has been.
  const event = v.handles.isMarked(row) ? (v.handles.object[row] as Event) : null;
  const native = event === null ? v.handles.nativeOf(row) : event.native;
  const { driver } = v;
  const status = flags === 0 ? driver.cuEventRecord(native, stream) : driver.cuEventRecordWithFlags(native, stream, flags);
  if (event !== null && event.shared !== null && status === 0) v.executor.recorded(event, event.shared);
  return status;
}

function share(v: Invocation): number {
  const row = v.row(HandleType.event, EventShare.event);
  if (row < 0) return v.invalid(HandleType.event);
  const event = v.handles.object[row] as Event;
  if (!event.interprocess) return CUresult.INVALID_HANDLE;
  if (event.shared === null) {
    event.shared = new SharedEvent(event, newToken());
    v.executor.sharedEvents.set(event.shared.token, event.shared);
    v.handles.mark(row);
  }
  replyToken(v, EventShareReply.token0, event.shared.token);
  return CUresult.SUCCESS;
}

function open(v: Invocation): number {
  if (v.current === null || v.context === 0) return CUresult.INVALID_CONTEXT;
  const shared = v.executor.sharedEvents.get(tokenAt(v, EventOpen.token0));
  if (shared === undefined) return CUresult.INVALID_VALUE;
  if (shared.exporter.context.client === v.client) return CUresult.INVALID_CONTEXT; // as for memory: not in the process that exported it
  if (!v.room(HandleType.event)) return v.refuse();
  const status = v.driver.cuEventCreate(v.scratch, DISABLE_TIMING);
  if (status !== 0) return status;
  const native = v.scratch64(0);
  const row = v.executor.register(HandleType.event, v.client, v.current, native);
  if (row < 0) {
    v.driver.cuEventDestroy_v2(native);
    return v.refuse();
  }
  const name = v.handles.object[row] as Event;
  name.shared = shared;
  shared.names.add(name);
  v.handles.setNative(row, (shared.last ?? shared.exporter).native);
  v.handles.mark(row);
  v.replyRow(0, row);
  return CUresult.SUCCESS;
}

export function registerEvents(table: HandlerTable): void {
  table[Message.cuEventCreate] = create;
  table[Message.cuEventRecord] = (v) => record(v, 0);
  table[Message.cuEventRecordWithFlags] = (v) => record(v, v.u32(FLAGS));
  table[Message.EVENT_DESTROY] = destroy;
  table[Message.EVENT_SHARE] = share;
  table[Message.EVENT_OPEN] = open;
}
