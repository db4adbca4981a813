/** The end of events. One that a call still waits for goes when that call is answered. */
import { CUresult } from '../../driver/errors.ts';
import { EventDestroy, HandleType, Message } from '../../generated/messages.ts';
import type { Event } from '../context.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

function destroy(v: Invocation): number {
  const row = v.row(HandleType.event, EventDestroy.event);
  if (row < 0) return v.invalid(HandleType.event);
  const event = v.handles.object[row] as Event;
  v.executor.unregister(row);
  event.context.events.delete(event);
  event.destroyed = true;
  // Which context is current is the record's affair; a driver may want the event's, and must not be left with it.
  v.enter(event.context.native);
  return event.waiters === 0 ? v.driver.cuEventDestroy_v2(event.native) : CUresult.SUCCESS;
}

export function registerEvents(table: HandlerTable): void {
  table[Message.EVENT_DESTROY] = destroy;
}
