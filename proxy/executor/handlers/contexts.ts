/**
 * Contexts. Each is a real context of the driver's own for this client alone, so that an error that poisons one never reaches
 * another client. The primary context's handle exists from the welcome on; its driver's context from the first retain.
 * Making and destroying them takes a driver long: both happen on another thread, and the call is answered later.
 */
import { CUresult } from '../../driver/errors.ts';
import { CtxCreate, CuCtxSetLimit, CtxDestroy, CtxPrimaryReset, CtxPrimaryRetain, HandleType, Message } from '../../generated/messages.ts';
import { contextCodeGone } from '../code/handlers.ts';
import { contextReferencesGone } from '../textures/references.ts';
import { Context, type Stream } from '../context.ts';
import type { Executor } from '../executor.ts';
import { memoryOf } from '../memory/client.ts';
import { DEFERRED, type Invocation } from '../invocation.ts';
import type { HandlerTable } from './table.ts';

const FLAGS_MASK = 0xff;
/** What kernels of a context that is destroyed, or whose client has gone, get to end by themselves, as the software GPU gives it. */
export const KERNELS_GRACE_MS = 40;
/** Contexts of one client, the primary one included: each takes hundreds of MiB of a real card, which no quota counts. */
const CONTEXTS_MAX = 32;
/** CUlimit: device memory of a context that the client may size. */
const PRINTF_FIFO = 1;
const MALLOC_HEAP = 2;
/** Of the client's flags the driver gets LMEM_RESIZE_TO_MAX alone: the scheduling flags are about threads that wait, and ours
 *  never does; SYNC_MEMOPS would make it. */
const FLAGS_PASSED = 0x10;

function retain(v: Invocation): number {
  if (v.device(CtxPrimaryRetain.device) < 0) return v.noDevice();
  if ((v.u32(CtxPrimaryRetain.flags) & ~FLAGS_MASK) !== 0) return CUresult.INVALID_VALUE;
  const context = v.client.primary;
  if (context.legacy !== null) {
    v.replyRow(0, context.row);
    return CUresult.SUCCESS;
  }
  const later = v.later();
  const flags = v.u32(CtxPrimaryRetain.flags) & FLAGS_PASSED;
  const executor = v.executor;
  const start = (): void => executor.activate(context, flags, (status) => {
    if (status === 0) later.replyRow(0, context.row);
    later.finish(status);
  });
  // A reset may still be waiting for the old life's work.
  if (!context.closing) start();
  else executor.poll(() => {
    if (context.closing) return false;
    if (!later.client.dead) start();
    return true;
  });
  return DEFERRED;
}

function create(v: Invocation): number {
  if (v.device(CtxCreate.device) < 0) return v.noDevice();
  const flags = v.u32(CtxCreate.flags);
  if ((flags & ~FLAGS_MASK) !== 0) return CUresult.INVALID_VALUE;
  if (!v.room(HandleType.context) || v.client.known.size >= CONTEXTS_MAX) return v.refuse();
  const { executor, client } = v;
  const context = new Context(client, false, -1);
  context.row = executor.handles.add(HandleType.context, client.owner, 0, context);
  if (context.row < 0) return v.refuse();
  executor.usageChanged();
  client.known.add(context);
  const later = v.later();
  executor.activate(context, flags & FLAGS_PASSED, (status) => {
    if (status === 0) later.replyRow(0, context.row);
    else if (!client.dead) {
      executor.unregister(context.row);
      client.known.delete(context);
      client.forgetContext();
    }
    later.finish(status);
  });
  return DEFERRED;
}

/** Events that are forgotten in one go. */
const EVENTS_AT_ONCE = 2048;

/** Ends an active context: nothing gets in any more at once; its events are forgotten, its work is waited for, endless kernels
 *  excepted where the driver can stop them, then the driver's context goes. */
export function endContext(executor: Executor, context: Context, done: (status: number) => void): void {
  const { client } = context;
  const streams = [...context.streams, ...context.perThread.values()];
  if (context.legacy !== null) streams.push(context.legacy);
  context.closing = true;
  for (const stream of context.streams) executor.unregister(stream.row);
  context.streams.clear();
  executor.perThreadStreams -= context.perThread.size;
  context.perThread.clear();
  context.legacy = null;
  contextCodeGone(executor, client, context);
  client.textures.contextGone(executor, context);
  contextReferencesGone(executor, client.references, context);
  for (const heap of context.heaps.values()) if (heap.charged !== 0) memoryOf(client).give(heap.charged);
  context.heaps.clear();
  context.posted = 0;
  context.fault = 0;
  client.forgetContext();
  executor.inPieces(() => forgetEvents(executor, context), () => afterItsWork(executor, context, streams, done));
}

/** Some of a context's events; whether none is left. */
function forgetEvents(executor: Executor, context: Context): boolean {
  let left = EVENTS_AT_ONCE;
  for (const event of context.events) {
    if (left-- === 0) return false;
    executor.forgetEvent(event);
  }
  executor.forgetRecords(context);
  return true;
}

function afterItsWork(executor: Executor, context: Context, streams: Stream[], done: (status: number) => void): void {
  const { client, native } = context;
  let idle = false;
  const stopAt = performance.now() + KERNELS_GRACE_MS;
  executor.poll(() => {
    if (!idle && performance.now() >= stopAt) executor.stopKernels(context);
    return idle || performance.now() >= stopAt;
  });
  executor.afterWork(client, context, () => {
    idle = true;
    // The driver is done, but events of this context may still be polled: the client's own, and those that other threads' calls
    // (cuMemFree, say) put behind its work meanwhile. None may outlive it.
    let memory: Generator<void, void> | null = null;
    executor.poll(() => {
      if (memory === null) {
        if (context.eventWaits !== 0) return false;
        for (const stream of streams) if (stream.queue.first !== null || stream.queue.open !== null) return false;
        for (const stream of streams) stream.destroyed = true;
        executor.flushPrinted(client, context);
        memory = client.memory.contextGoing(native);
      }
      // In steps, for there may be very much of it; who is dead gives all of it back in one sum.
      if (!client.dead && memory.next().done !== true) return false;
      context.spareEvents.clear();
      executor.destroyContext(native, (status) => {
        context.native = 0;
        context.rescue = 0;
        context.closing = false;
        done(status);
      });
      return true;
    });
  });
}

function reset(v: Invocation): number {
  if (v.device(CtxPrimaryReset.device) < 0) return v.noDevice();
  const context = v.client.primary;
  if (context.legacy === null) return CUresult.SUCCESS;
  const later = v.later();
  endContext(v.executor, context, (status) => later.finish(status));
  return DEFERRED;
}

function destroy(v: Invocation): number {
  const row = v.row(HandleType.context, CtxDestroy.target);
  if (row < 0) return v.invalid(HandleType.context);
  const context = v.handles.object[row] as Context;
  if (context.primary || context.legacy === null) return CUresult.INVALID_CONTEXT;
  const { executor, client } = v;
  const later = v.later();
  executor.unregister(row);
  endContext(executor, context, (status) => {
    client.known.delete(context);
    later.finish(status);
  });
  return DEFERRED;
}

/** Stacks, heaps and FIFOs are device memory that the driver takes by itself: no more than the zone has in all. What the heap of kernels'
 *  malloc and the FIFO of their printf have beyond the driver's default is the zone's memory; their defaults are part of what a context costs. */
function setLimit(v: Invocation): number {
  const limit = v.u32(CuCtxSetLimit.limit);
  const value = v.u64(CuCtxSetLimit.value);
  const context = v.current;
  if ((limit !== PRINTF_FIFO && limit !== MALLOC_HEAP) || context === null || context.legacy === null) {
    return value > v.executor.limits.memory ? v.refuse() : v.driver.cuCtxSetLimit(limit, value);
  }
  let heap = context.heaps.get(limit);
  if (heap === undefined) {
    const status = v.driver.cuCtxGetLimit(v.scratch, limit);
    if (status !== 0) return status;
    context.heaps.set(limit, (heap = { preset: v.scratch64(0), charged: 0 }));
  }
  const before = heap.charged;
  const wanted = Math.max(0, value - heap.preset);
  const memory = memoryOf(v.client);
  if (before !== 0) memory.give(before);
  const taken = wanted === 0 || memory.take(wanted);
  const status = taken ? v.driver.cuCtxSetLimit(limit, value) : CUresult.OUT_OF_MEMORY;
  if (status === 0) {
    heap.charged = wanted;
    return status;
  }
  if (taken && wanted !== 0) memory.give(wanted);
  if (before !== 0) memory.take(before); // it was there a moment ago
  return status;
}

export function registerContexts(table: HandlerTable): void {
  table[Message.cuCtxSetLimit] = setLimit;
  table[Message.CTX_PRIMARY_RETAIN] = retain;
  table[Message.CTX_PRIMARY_RESET] = reset;
  table[Message.CTX_CREATE] = create;
  table[Message.CTX_DESTROY] = destroy;
}
