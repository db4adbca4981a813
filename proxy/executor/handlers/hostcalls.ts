/**
 * Host functions (cuLaunchHostFunc, cuStreamAddCallback). They run in the client, in stream order: the stream stands at a hold of the
 * client's region (idm/region.h), an event in front of it tells when it has got there, the client gets a notice, runs the function, and
 * lets the stream go on itself; its HOST_DONE is for the book. A client that dies has all its streams let go.
 *
 * The driver may have this thread wait until a context is idle: NVIDIA's does where memory is taken back, says that it may where code is
 * loaded, and other threads' calls then wait for that one. If the stream that it waits for stood at a function whose beginning or end came
 * through here, that would be for ever. So the stream itself says in the hold that it has come, and the client, which looks there when no
 * notice comes, needs nobody to go on.
 */
import { Hold, HOLDS } from '../../../idm/region.ts';
import { NoticeType } from '../../../idm/hello.ts';
import { wordAt } from '../../../idm/ring.ts';
import { CUresult } from '../../driver/errors.ts';
import { HandleType, HostCall, HostDone, Message } from '../../generated/messages.ts';
import type { Client } from '../client.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

const WRITE_DEFAULT = 0;
const WAIT_GEQ = 0;

export interface HostCallUnderWay {
  readonly hold: number;
  /** That the stream waits for. */
  readonly number: number;
}

/** Cookies are pointers or counters of the client's: below 2^53 from any honest one. */
const HIGH = 4294967296;

function call(v: Invocation): number {
  const { client } = v;
  const low = v.u32(HostCall.cookie);
  const high = v.u32(HostCall.cookie + 1);
  const cookie = high * HIGH + low;
  if (client.hostCalls.has(cookie)) return CUresult.INVALID_VALUE;
  const status = begin(v, low, high, cookie);
  // Who does not hear the answer waits for its function to be due.
  if (status !== 0 && v.posted && !v.accepted) client.notice(NoticeType.hostCall, status, low, high);
  return status;
}

function begin(v: Invocation, low: number, high: number, cookie: number): number {
  const stream = v.stream(HostCall.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const { client, executor, driver } = v;
  const { context } = v.found!;
  const hold = v.u32(HostCall.hold);
  const number = v.u32(HostCall.number);
  if (hold >= HOLDS) return CUresult.INVALID_VALUE;
  if (client.hostCalls.size >= HOLDS) return CUresult.OUT_OF_MEMORY;
  if (!client.pinned) executor.pinRegion(client);
  if (client.holds === 0) return CUresult.NOT_SUPPORTED;
  v.enter(context.active);
  const underWay: HostCallUnderWay = { hold, number };
  client.hostCalls.set(cookie, underWay);
  executor.work.call(v.found!, (status) => {
    if (client.dead || client.hostCalls.get(cookie) !== underWay) return;
    if (status !== 0) executor.stick(client, context, status);
    // A host function does not run after an error, a stream callback is told of it: the client sees to that.
    if (!client.notice(NoticeType.hostCall, status, low, high)) hostDone(client, cookie);
  });
  // The event belongs in front of the wait.
  executor.work.closeStream(v.found!);
  const at = client.holds + hold * Hold.bytes;
  let status = driver.cuStreamWriteValue32_v2(stream, at + Hold.due, number, WRITE_DEFAULT);
  if (status === 0) status = driver.cuStreamWaitValue32_v2(stream, at + Hold.done, number, WAIT_GEQ);
  if (status !== 0) hostDone(client, cookie);
  return status;
}

function done(v: Invocation): number {
  hostDone(v.client, v.u64(HostDone.cookie));
  return CUresult.SUCCESS;
}

/** The function has returned, or will not run. */
function hostDone(client: Client, cookie: number): void {
  const underWay = client.hostCalls.get(cookie);
  if (underWay === undefined) return;
  client.hostCalls.delete(cookie);
  letGo(client, underWay);
}

function letGo(client: Client, { hold, number }: HostCallUnderWay): void {
  Atomics.store(client.words, wordAt(client.region.shape.holds + hold * Hold.bytes + Hold.done), number);
}

/** Lets every stream of a client go on: it is gone. To be called until none stands any more, for its process may live, and write there too. */
export function releaseHostCalls(client: Client): void {
  for (const underWay of client.hostCalls.values()) letGo(client, underWay);
}

export function registerHostCalls(table: HandlerTable): void {
  table[Message.HOST_CALL] = call;
  table[Message.HOST_DONE] = done;
}
