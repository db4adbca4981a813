/**
 * The ends of streams, and of threads with their per-thread default streams. What a stream still does goes on after its end.
 */
import { CUresult } from '../../driver/errors.ts';
import { HandleType, Message, StreamContext, StreamContextReply, StreamDestroy, ThreadGone } from '../../generated/messages.ts';
import type { Stream } from '../context.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

function destroy(v: Invocation): number {
  const row = v.row(HandleType.stream, StreamDestroy.stream);
  if (row < 0) return v.invalid(HandleType.stream);
  const stream = v.handles.object[row] as Stream;
  v.executor.unregister(row);
  stream.context.streams.delete(stream);
  return v.executor.destroyStream(stream);
}

function contextOf(v: Invocation): number {
  const row = v.row(HandleType.stream, StreamContext.stream);
  if (row < 0) return v.invalid(HandleType.stream);
  v.replyRow(StreamContextReply.context, (v.handles.object[row] as Stream).context.row);
  return CUresult.SUCCESS;
}

function threadGone(v: Invocation): number {
  const thread = v.u32(ThreadGone.gone);
  for (const context of v.client.known) {
    const stream = context.perThread.get(thread);
    if (stream === undefined) continue;
    context.perThread.delete(thread);
    v.executor.perThreadStreams--;
    v.executor.destroyStream(stream);
  }
  return CUresult.SUCCESS;
}

export function registerStreams(table: HandlerTable): void {
  table[Message.STREAM_DESTROY] = destroy;
  table[Message.STREAM_CONTEXT] = contextOf;
  table[Message.THREAD_GONE] = threadGone;
}
