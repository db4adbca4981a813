/**
 * Waiting for the GPU. No call of the driver that waits is ever made: what is not done yet is polled, and answered when it is,
 * so that one thread's synchronisation keeps neither the client's other threads nor other clients waiting.
 */
import { CUresult } from '../../driver/errors.ts';
import { GpuSync, HandleType, Message, SyncScope } from '../../generated/messages.ts';
import type { Context, Event } from '../context.ts';
import { DEFERRED, type Invocation } from '../invocation.ts';
import { StepKind } from '../pending.ts';
import type { HandlerTable } from './table.ts';

function sync(v: Invocation): number {
  switch (v.u32(GpuSync.scope)) {
    case SyncScope.context:
      return syncContext(v);
    case SyncScope.stream:
      return syncStream(v);
    case SyncScope.event:
      return syncEvent(v);
    default:
      return CUresult.INVALID_VALUE;
  }
}

function syncContext(v: Invocation): number {
  let context: Context;
  if (v.isNull(GpuSync.target)) {
    if (v.current === null) return CUresult.INVALID_CONTEXT;
    context = v.current;
  } else {
    const row = v.row(HandleType.context, GpuSync.target);
    if (row < 0) return v.invalid(HandleType.context);
    context = v.handles.object[row] as Context;
  }
  if (context.legacy === null) return CUresult.CONTEXT_IS_DESTROYED;
  if (context.fault !== 0) return context.fault;
  const status = v.executor.workStatus(v.client, context);
  if (status !== CUresult.NOT_READY || v.posted) return status === CUresult.NOT_READY ? 0 : status;
  const later = v.later();
  v.executor.afterWork(v.client, context, (done) => later.finish(done));
  return DEFERRED;
}

function syncStream(v: Invocation): number {
  if (v.stream(GpuSync.target) < 0) return v.invalid(HandleType.stream);
  const stream = v.found!;
  const status = v.executor.streamStatus(stream);
  if (status !== CUresult.NOT_READY) return status;
  if (v.posted) return CUresult.SUCCESS;
  v.executor.work.open(stream).add(v.executor.work.step(StepKind.reply, v.client, v.current, v.slot, v.ticket));
  return DEFERRED;
}

function syncEvent(v: Invocation): number {
  const row = v.row(HandleType.event, GpuSync.target);
  if (row < 0) return v.invalid(HandleType.event);
  const name = v.handles.object[row] as Event;
  const event = name.shared === null ? name : (name.shared.last ?? name.shared.exporter);
  const status = v.driver.cuEventQuery(event.native);
  if (status !== CUresult.NOT_READY) return status;
  if (v.posted) return CUresult.SUCCESS;
  const later = v.later();
  const { executor } = v;
  event.waiters++;
  executor.work.onEvent(event.context, event.native, (done) => {
    event.waiters--;
    if (event.destroyed) executor.destroyEvent(event);
    later.finish(done);
  });
  return DEFERRED;
}

export function registerSync(table: HandlerTable): void {
  table[Message.GPU_SYNC] = sync;
  table[Message.PING] = () => CUresult.SUCCESS;
}
