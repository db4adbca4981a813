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
import type { Executor } from '../executor.ts';
import type { Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

/** Waits that a client may have had since its streams were last idle. */
const WAITS_MAX = 4096;
const NOR = 3;
const KINDS = 3; // GEQ, EQ, AND, NOR in the low two bits of the flags

/** What would end a wait. */
export interface Wait {
  readonly address: number;
  readonly value: bigint;
  readonly wide: boolean;
  readonly kind: number;
}

const wide = (v: Invocation, off: number): bigint => (BigInt(v.u32(off + 1)) << 32n) | BigInt(v.u32(off));

/** The bound functions take BigInts for 64-bit numbers too; the prototypes' type says number, which is what the rest passes. */
const exact = (value: bigint): number => value as unknown as number;

function remember(v: Invocation, wait: Wait): boolean {
  const { client, executor } = v;
  if (client.waits.length >= WAITS_MAX) {
    if (executor.workStatus(client, null) === CUresult.NOT_READY) return false;
    client.waits.length = 0;
  }
  client.waits.push(wait);
  return true;
}

function wait32(v: Invocation): number {
  const stream = v.stream(CuStreamWaitValue32_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWaitValue32_v2.addr, 4, true);
  if (address < 0) return v.outside();
  const value = v.u32(CuStreamWaitValue32_v2.value);
  const flags = v.u32(CuStreamWaitValue32_v2.flags);
  if (!remember(v, { address, value: BigInt(value), wide: false, kind: flags & KINDS })) return CUresult.OUT_OF_MEMORY;
  v.enter(v.context);
  return v.driver.cuStreamWaitValue32_v2(stream, address, value, flags);
}

function wait64(v: Invocation): number {
  const stream = v.stream(CuStreamWaitValue64_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWaitValue64_v2.addr, 8, true);
  if (address < 0) return v.outside();
  const value = wide(v, CuStreamWaitValue64_v2.value);
  const flags = v.u32(CuStreamWaitValue64_v2.flags);
  if (!remember(v, { address, value, wide: true, kind: flags & KINDS })) return CUresult.OUT_OF_MEMORY;
  v.enter(v.context);
  return v.driver.cuStreamWaitValue64_v2(stream, address, exact(value), flags);
}

function write64(v: Invocation): number {
  const stream = v.stream(CuStreamWriteValue64_v2.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  const address = v.address(CuStreamWriteValue64_v2.addr, 8, true);
  if (address < 0) return v.outside();
  return v.driver.cuStreamWriteValue64_v2(stream, address, exact(wide(v, CuStreamWriteValue64_v2.value)), v.u32(CuStreamWriteValue64_v2.flags));
}

/** Writes what every wait of a dead client waits for, in the executor's own context. To be repeated until its streams are idle:
 *  one wait's value can be another's obstacle. */
export function endWaits(executor: Executor, client: Client): void {
  if (client.waits.length === 0) return;
  executor.enter(executor.internalContext());
  const stream = executor.releaseStream();
  if (stream === 0) return;
  for (const wait of client.waits) {
    const value = wait.kind === NOR ? 0n : wait.value;
    if (wait.wide) executor.driver.cuStreamWriteValue64_v2(stream, wait.address, exact(value), 0);
    else executor.driver.cuStreamWriteValue32_v2(stream, wait.address, Number(value), 0);
    // In between, so that streams get a chance to see this one before the next overwrites it.
    if (executor.driver.cuStreamQuery(stream) === CUresult.NOT_READY) continue;
  }
}

export function registerWaits(table: HandlerTable): void {
  table[Message.cuStreamWaitValue32_v2] = wait32;
  table[Message.cuStreamWaitValue64_v2] = wait64;
  table[Message.cuStreamWriteValue64_v2] = write64;
}
