/**
 * Host functions (cuLaunchHostFunc, cuStreamAddCallback). They run in the client, in stream order: the stream is held back on a
 * pinned word, an event in front of it tells when it has got there, the client gets a notice, runs the function, and its
 * HOST_DONE lets the stream go on. A client that dies lets all its streams go on.
 */
import { NoticeType } from '../../../idm/hello.ts';
import { CUresult } from '../../driver/errors.ts';
import { HandleType, HostCall, HostDone, Message } from '../../generated/messages.ts';
import type { Client } from '../client.ts';
import type { Executor } from '../executor.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

const WAIT_GEQ = 0;
/** Host functions that one client may have under way. */
const CALLS_MAX = 4096;

/** Cookies are pointers or counters of the client's: below 2^53 from any honest one. */
const HIGH = 4294967296;

function call(v: Invocation): number {
  const stream = v.stream(HostCall.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const low = v.u32(HostCall.cookie);
  const high = v.u32(HostCall.cookie + 1);
  const cookie = high * HIGH + low;
  const told = v.u32(HostCall.callback) === 1;
  const { client, executor } = v;
  const context = v.found!.context;
  const { hostFlags, work } = executor;
  if (client.hostCalls.has(cookie)) return CUresult.INVALID_VALUE;
  const flag = client.hostCalls.size < CALLS_MAX ? hostFlags.take() : -1;
  if (flag < 0) return CUresult.OUT_OF_MEMORY;
  v.enter(context.active);
  const awaited = hostFlags.awaited(flag);
  const number = ++client.hostCallNumber;
  client.hostCalls.set(cookie, { flag, number });
  work.call(v.found!, (status) => {
    // A host function does not run after an error; a stream callback is told of it.
    if (client.dead || client.hostCalls.get(cookie)?.number !== number) return;
    if (status !== 0) executor.stick(client, context, status);
    if (status !== 0 && !told) hostDone(executor, client, cookie);
    else if (!client.notice(NoticeType.hostCall, status, low, high)) hostDone(executor, client, cookie);
  });
  // The event belongs in front of the wait.
  work.closeStream(v.found!);
  const status = v.driver.cuStreamWaitValue32_v2(stream, hostFlags.device(flag), awaited, WAIT_GEQ);
  if (status !== 0) hostDone(executor, client, cookie);
  return status;
}

function done(v: Invocation): number {
  hostDone(v.executor, v.client, v.u64(HostDone.cookie));
  return CUresult.SUCCESS;
}

/** Lets the stream behind a host function go on. */
export function hostDone(executor: Executor, client: Client, cookie: number): void {
  const entry = client.hostCalls.get(cookie);
  if (entry === undefined) return;
  client.hostCalls.delete(cookie);
  executor.hostFlags.release(entry.flag);
}

/** Lets every stream of a client go on: it is gone. */
export function releaseHostCalls(executor: Executor, client: Client): void {
  for (const cookie of client.hostCalls.keys()) hostDone(executor, client, cookie);
}

export function registerHostCalls(table: HandlerTable): void {
  table[Message.HOST_CALL] = call;
  table[Message.HOST_DONE] = done;
}
