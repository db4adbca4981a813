/**
 * Stream memory operations whose generated form does not do.
 *
 * Waits (cuStreamWaitValue*) are remembered: a client that dies while its stream waits for a value that nobody will ever write
 * could keep its context alive for ever. At its end the values are written for it. 64-bit values are passed exactly (BigInt), for
 * a JS number cannot hold them all.
 */
import { CUresult } from '../../driver/errors.ts';
import { CuStreamWaitValue32_v2, CuStreamWaitValue64_v2, CuStreamWriteValue64_v2, HandleType, Message } from '../../generated/messages.ts';
import type { Client } from '../client.ts';
import type { Context } from '../context.ts';
import type { Executor } from '../executor.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

/** Waits that a client may have outstanding. */
const WAITS_MAX = 4096;
const AND = 2;
const NOR = 3;
const KINDS = 3; // GEQ, EQ, AND, NOR in the low two bits of the flags

/** What would end a wait. */
export interface Wait {
  readonly context: Context;
  readonly address: number;
  readonly value: bigint;
  readonly wide: boolean;
  readonly kind: number;
}

const wide = (v: Invocation, off: number): bigint => (BigInt(v.u32(off + 1)) << 32n) | BigInt(v.u32(off));

/** The bound functions take BigInts for 64-bit numbers too; the prototypes' type says number, which is what the rest passes. */
const exact = (value: bigint): number => value as unknown as number;

/** Gives a wait to the driver, and remembers it until it is over. */
function submit(v: Invocation, wait: Wait, give: () => number): number {
  const { client, executor, found } = v;
  if (client.waits.size >= WAITS_MAX) return CUresult.OUT_OF_MEMORY;
  // No value ever ends these, not even ours at the client's end: they would hold its memory for ever.
  const all = wait.wide ? 0xffffffffffffffffn : 0xffffffffn;
  if ((wait.kind === AND && wait.value === 0n) || (wait.kind === NOR && wait.value === all)) return CUresult.INVALID_VALUE;
  v.enter(v.context);
  const status = give();
  if (status !== 0) return status;
  client.waits.add(wait);
  // Not later than this: memory that a wait is about is not another client's before the wait's stream is known to be past it.
  executor.work.call(found!, () => client.waits.delete(wait));
  return status;
}

function wait32(v: Invocation): number {
  const stream = v.stream(CuStreamWaitValue32_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWaitValue32_v2.addr, 4, true);
  if (address < 0) return v.outside();
  const value = v.u32(CuStreamWaitValue32_v2.value);
  const flags = v.u32(CuStreamWaitValue32_v2.flags);
  return submit(v, { context: v.found!.context, address, value: BigInt(value), wide: false, kind: flags & KINDS },
    () => v.driver.cuStreamWaitValue32_v2(stream, address, value, flags));
}

function wait64(v: Invocation): number {
  const stream = v.stream(CuStreamWaitValue64_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWaitValue64_v2.addr, 8, true);
  if (address < 0) return v.outside();
  const value = wide(v, CuStreamWaitValue64_v2.value);
  const flags = v.u32(CuStreamWaitValue64_v2.flags);
  return submit(v, { context: v.found!.context, address, value, wide: true, kind: flags & KINDS },
    () => v.driver.cuStreamWaitValue64_v2(stream, address, exact(value), flags));
}

function write64(v: Invocation): number {
  const stream = v.stream(CuStreamWriteValue64_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWriteValue64_v2.addr, 8, true);
  if (address < 0) return v.outside();
  return v.driver.cuStreamWriteValue64_v2(stream, address, exact(wide(v, CuStreamWriteValue64_v2.value)), v.u32(CuStreamWriteValue64_v2.flags));
}

/**
 * Writes what the waits of a dead client wait for, in the client's own context: whatever goes wrong there is its own affair. To be
 * repeated, with `round` counted up, until its streams are idle. In one round a place in memory is written once: of several waits
 * for different values there, each needs the time to see its own. They take turns.
 */
export function endWaits(executor: Executor, client: Client, round: number): void {
  const waits = [...client.waits];
  const written = new Set<number>();
  for (let i = 0; i < waits.length; i++) {
    const wait = waits[(round + i) % waits.length];
    const place = Math.floor(wait.address / 8);
    if (written.has(place) || wait.context.native === 0) continue;
    written.add(place);
    const stream = executor.rescueStream(wait.context);
    if (stream === 0) continue;
    const value = wait.kind === NOR ? 0n : wait.value;
    if (wait.wide) executor.driver.cuStreamWriteValue64_v2(stream, wait.address, exact(value), 0);
    else executor.driver.cuStreamWriteValue32_v2(stream, wait.address, Number(value), 0);
  }
}

export function registerWaits(table: HandlerTable): void {
  table[Message.cuStreamWaitValue32_v2] = wait32;
  table[Message.cuStreamWaitValue64_v2] = wait64;
  table[Message.cuStreamWriteValue64_v2] = write64;
}
