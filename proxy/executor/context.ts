/**
 * A client's contexts, streams and events as the executor knows them: the driver's values and the work that is under way.
 */
import type { Client } from './client.ts';
import { Stack } from './list.ts';
import { Queue } from './pending.ts';

/** One stream of the driver. The legacy default stream of a context and per-thread streams have one too. */
export class Stream {
  /** Batches of work whose end somebody waits for, in stream order. */
  readonly queue = new Queue();
  /** In the client's list of streams that may have work under way: see Client.used. */
  listed = false;
  /** Row of its handle; -1: default streams, which have none. */
  row = -1;
  destroyed = false;
  /** Calls that were given to the driver for it, ever; how many of them are known to be done; and up to which one there is, or
   *  will be at the end of the turn, an event that tells. The difference is kept small: see flow in invocation.ts. */
  given = 0;
  done = 0;
  marked = 0;

  constructor(readonly context: Context, readonly native: number) {}
}

/** One event of the client. */
export class Event {
  /** Calls that wait for it (cuEventSynchronize): it is destroyed when they are answered. */
  waiters = 0;
  destroyed = false;
  row = -1;
  /** Made for cuIpcGetEventHandle. */
  interprocess = false;
  /** What it is one of several names for, once cuIpcGetEventHandle has given it out; null: nobody else has it. */
  shared: SharedEvent | null = null;

  constructor(readonly context: Context, readonly native: number) {}
}

/**
 * An event that several clients have names for. A driver takes an event's record only in the event's own context, so each name has
 * an event of the driver's; `last` is the one that was recorded last, and all names' handles stand for that.
 */
export class SharedEvent {
  readonly names = new Set<Event>();
  /** null: none is there that was recorded by another name than those that are asked. */
  last: Event | null = null;

  constructor(readonly exporter: Event, readonly token: string) {
    this.names.add(exporter);
  }
}

export class Context {
  /** The driver's context; 0: not active (a primary context before its first retain or after its reset). */
  native = 0;
  /** Result of the first posted call that failed since the last waited one; 0: none. */
  posted = 0;
  /** The fault of a kernel that has poisoned it: whatever would be made in it now is refused with that; 0: none. */
  fault = 0;
  /** The legacy default stream; null while the context is not active: then no call gets in. */
  legacy: Stream | null = null;
  /** Per-thread default streams by the client's thread number. */
  readonly perThread = new Map<number, Stream>();
  /** Streams made by the client. */
  readonly streams = new Set<Stream>();
  readonly events = new Set<Event>();
  /** Its heap and FIFO for kernels, by CUlimit: the driver's default, and what it has beyond that, which is the zone's memory. */
  readonly heaps = new Map<number, { preset: number; charged: number }>();
  /** A stream of the executor's, for endWaits; 0: not made. */
  rescue = 0;
  /** Idle driver events of this context, for batches. */
  readonly spareEvents = new Stack<number>();
  /** Calls that wait while the driver makes this context. */
  waiting: ((status: number) => void)[] | null = null;
  /** Polls of the client's own events and of its streams: it is not destroyed before they end. */
  eventWaits = 0;
  /** Waiting for its work to end, to be destroyed. Not active any more, but `native` is still the driver's. */
  closing = false;

  constructor(readonly client: Client, readonly primary: boolean, public row: number) {}

  /** What calls run in: 0 when not active. */
  get active(): number {
    return this.legacy === null ? 0 : this.native;
  }
}
