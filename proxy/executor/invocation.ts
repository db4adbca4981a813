/**
 * One call of a client, as its handler sees it: the record's fields, the checks, the driver, the reply.
 *
 * There is one Invocation in the process; the loop points it at a record and runs the handler (`handlers/table.ts`,
 * `generated/handlers.ts`, `memory/`). Offsets named `off` are in 32-bit words from the start of the request's or the reply's
 * payload, as `generated/messages.ts` numbers them. A handler returns a CUresult, or
 *
 *   DEFERRED   it took `later()` and answers later
 *   AGAIN      it did nothing and wants the same record again in the next turn (something it needs is in use)
 *
 * The driver's current context is the record's when a handler starts (none if the record names none, or one that is not active,
 * so that the driver itself refuses what needs one). A handler that needs another one calls `enter`; nobody has to switch back.
 * Nothing here allocates except `later`.
 */
import { CUresult } from '../driver/errors.ts';
import type { Driver } from '../driver/driver.ts';
import { HandleType } from '../generated/messages.ts';
import type { Client } from './client.ts';
import type { Context, Stream } from './context.ts';
import type { Executor } from './executor.ts';
import type { HandleTable } from './handles.ts';
import type { ClientMemory, Later, MemoryInvocation } from './memory/types.ts';

export const DEFERRED = -1;
export const AGAIN = -2;

/** Thrown before anything was done, with AGAIN's meaning. */
export const STALLED = Symbol('stalled');

/** Calls to one stream between two events that tell how far it is, and calls that it may be behind. */
const MARK_EVERY = 128;
const IN_FLIGHT_MAX = 512;
/** The same for each stream of a client that has more streams than this under way: else their queues together had no bound. */
const MANY_STREAMS = 128;
const MARK_EVERY_OF_MANY = 8;
const IN_FLIGHT_MAX_OF_MANY = 32;

const HIGH = 4294967296;

/** A call that is answered later. Answer exactly once; a client that has gone meanwhile is no concern of the caller's. */
export class Deferred implements Later {
  private replied = 0;

  constructor(
    private readonly executor: Executor,
    readonly client: Client,
    readonly context: Context | null,
    private readonly slot: number,
    private readonly ticket: number,
    private readonly creates: boolean,
  ) {}

  replyU32(off: number, value: number): void {
    this.client.slotWord(this.slot, off, value);
    if (this.replied < (off + 1) << 2) this.replied = (off + 1) << 2;
  }

  replyU64(off: number, value: number): void {
    this.replyU32(off, value >>> 0);
    this.replyU32(off + 1, Math.floor(value / HIGH));
  }

  /** The opaque handle of a row of the handle table. */
  replyRow(off: number, row: number): void {
    this.replyU32(off, this.executor.handles.lowOf(row));
    this.replyU32(off + 1, this.executor.handles.highOf(row));
  }

  /** Stores `native` under a new handle and replies that. False: no handle left, or the client is gone. */
  addHandle(off: number, type: number, native: number): boolean {
    if (this.client.dead) return false;
    const row = this.executor.register(type, this.client, this.context, native);
    if (row < 0) return false;
    this.replyRow(off, row);
    return true;
  }

  /** `status`: CUresult. */
  finish(status: number): void {
    if (this.slot >= 0) this.client.unanswered--;
    this.executor.answer(this.client, this.context, this.slot, this.ticket, status, status === 0 ? this.replied : 0, this.creates);
    this.executor.wakeClients();
  }
}

export class Invocation implements MemoryInvocation {
  readonly driver: Driver;
  readonly handles: HandleTable;
  /** Native address of 4 KiB for out-parameters and structures; the same memory as the three views. */
  readonly scratch: number;
  readonly scratchWords: Int32Array;
  readonly scratchDoubleWords: BigUint64Array;
  readonly scratchBytes: Uint8Array;

  client!: Client;
  /** The record's context, active or not; null: it names none, or none of this client's. */
  current: Context | null = null;
  /** The client's number of the calling thread. */
  thread = 0;
  perThread = false;
  message = 0;
  /** Nobody waits: reply words go nowhere, and the status sticks to the context. */
  posted = false;
  /** All the same somebody waits until it is accepted, and is told why it is not. */
  accepted = false;
  slot = 0;
  ticket = 0;
  /** Bytes of the request's payload; at least the message's fixed part. */
  bytes = 0;
  /** Set by stream(): the stream that it found. */
  found: Stream | null = null;
  /** Bytes of reply written so far. */
  replied = 0;
  /** Set by a handler that started a long piece of work whose end somebody waits for, or was long itself: the client's turn ends with this
   *  record, so that the piece gets a driver event of its own and the client can go on while the next one runs, or others can. */
  bulky = false;

  private words: Int32Array = new Int32Array(0);
  private base = 0;
  private failure = 0;
  private readonly float = new Float32Array(1);
  private readonly floatWord = new Int32Array(this.float.buffer);

  constructor(readonly executor: Executor) {
    this.driver = executor.driver;
    this.handles = executor.handles;
    this.scratch = executor.scratch;
    this.scratchBytes = executor.scratchBytes;
    this.scratchWords = new Int32Array(this.scratchBytes.buffer, this.scratchBytes.byteOffset, this.scratchBytes.length >> 2);
    this.scratchDoubleWords = new BigUint64Array(this.scratchBytes.buffer, this.scratchBytes.byteOffset, this.scratchBytes.length >> 3);
  }

  /** The loop: points at the payload of a record. */
  at(words: Int32Array, base: number, bytes: number): void {
    this.words = words;
    this.base = base;
    this.bytes = bytes;
    this.failure = 0;
    this.found = null;
    this.replied = 0;
  }

  get memory(): ClientMemory {
    return this.client.memory;
  }

  /** The driver's context that the call runs in; 0: none. */
  get context(): number {
    return this.current === null ? 0 : this.current.active;
  }

  // ---- the request ----

  u32(off: number): number {
    return this.words[this.base + off] >>> 0;
  }

  i32(off: number): number {
    return this.words[this.base + off];
  }

  /** Exact below 2^53; above it, some number of at least 2^53, which every check refuses. */
  u64(off: number): number {
    return (this.words[this.base + off + 1] >>> 0) * HIGH + (this.words[this.base + off] >>> 0);
  }

  f32(off: number): number {
    this.floatWord[0] = this.words[this.base + off];
    return this.float[0];
  }

  /** Copies `bytes` of the payload, from word `off`, to the scratch. */
  scratchPut(scratchOffset: number, off: number, bytes: number): void {
    const from = this.base + off;
    const to = scratchOffset >> 2;
    for (let i = 0; i < (bytes + 3) >> 2; i++) this.scratchWords[to + i] = this.words[from + i];
  }

  /** Copies the payload's bytes from word `off` on to `target`. */
  copyTo(target: Uint8Array, at: number, off: number, bytes: number): void {
    const from = (this.base + off) << 2;
    target.set(new Uint8Array(this.words.buffer, this.words.byteOffset + from, bytes), at);
  }

  /** Copies `bytes` of the payload, from word `off` on, to a pinned slot. */
  slotPut(slot: number, off: number, bytes: number): void {
    this.executor.slots.put(slot, this.words, this.base + off, bytes);
  }

  /** Copies `words` words of the payload, from word `off` on, to word `to` of `target`. */
  copyWords(target: Int32Array, off: number, words: number, to = 0): void {
    const from = this.base + off;
    for (let i = 0; i < words; i++) target[to + i] = this.words[from + i];
  }

  /** Native address of a copy, good until the next call of this, of the text from word `off` to the payload's end; 0: there is no NUL in it. */
  text(off: number): number {
    const { executor } = this;
    const bytes = this.bytes - (off << 2);
    if (bytes <= 0 || bytes > executor.textBytes.length) return 0;
    this.copyTo(executor.textBytes, 0, off, bytes);
    return executor.textBytes.subarray(0, bytes).includes(0) ? executor.text : 0;
  }

  /** The driver's value of the handle at `off`, or -1 (see invalid). */
  handle(type: HandleType, off: number): number {
    const row = this.row(type, off);
    if (row < 0) return -1;
    if (type === HandleType.context) {
      const native = (this.handles.object[row] as Context).active;
      if (native !== 0) return native;
      this.failure = CUresult.CONTEXT_IS_DESTROYED;
      return -1;
    }
    return this.handles.nativeOf(row);
  }

  /** The row in the handle table of the handle at `off`, or -1 (see invalid). */
  row(type: HandleType, off: number): number {
    const at = this.base + off;
    let row = this.handles.find(this.words[at], this.words[at + 1], type, this.client.owner);
    // A kernel may stand wherever a function does.
    if (row < 0 && type === HandleType.function) row = this.handles.find(this.words[at], this.words[at + 1], HandleType.kernel, this.client.owner);
    if (row < 0) this.failure = 0;
    return row;
  }

  /** Whether the handle at `off` is null. */
  isNull(off: number): boolean {
    return this.words[this.base + off] === 0 && this.words[this.base + off + 1] === 0;
  }

  /** The driver's stream at `off`, or -1 (see invalid); 0, 1 and 2 stand for the default streams of the record's context and
   *  thread. Leaves the Stream in `found` and counts it as having work under way. */
  stream(off: number): number {
    const low = this.words[this.base + off];
    const high = this.words[this.base + off + 1];
    let stream: Stream;
    if (high === 0) {
      const context = this.current;
      if (low >>> 0 > 2) {
        this.failure = 0;
        return -1;
      }
      if (context === null || context.legacy === null) {
        this.failure = context === null ? CUresult.INVALID_CONTEXT : CUresult.CONTEXT_IS_DESTROYED;
        return -1;
      }
      if (low === 2 || (low === 0 && this.perThread)) {
        const own = context.perThread.get(this.thread) ?? this.executor.makePerThread(context, this.thread);
        if (own === null) {
          this.failure = this.executor.lastStatus;
          return -1;
        }
        stream = own;
      } else stream = context.legacy;
    } else {
      const row = this.handles.find(low, high, HandleType.stream, this.client.owner);
      if (row < 0) {
        this.failure = 0;
        return -1;
      }
      stream = this.handles.object[row] as Stream;
    }
    const given = stream.given - stream.marked;
    if (given >= MARK_EVERY_OF_MANY && (given >= MARK_EVERY || this.client.listed.length > MANY_STREAMS)) this.flow(stream);
    stream.given++;
    this.found = stream;
    this.client.memory.submitted++;
    if (!stream.listed) this.client.used(stream);
    return stream.native;
  }

  /**
   * Keeps what a stream has been given and has not done bounded: a driver whose queue is full would make the executor wait,
   * and with it all clients of the zone; and what is queued costs memory. Throws STALLED when there is too much: the client's ring
   * stops at this record until the GPU has caught up.
   */
  private flow(stream: Stream): void {
    if (stream.given - stream.done >= (this.client.listed.length > MANY_STREAMS ? IN_FLIGHT_MAX_OF_MANY : IN_FLIGHT_MAX)) throw STALLED;
    this.executor.work.open(stream);
    stream.marked = stream.given;
  }

  /** The device address at `off` if [address, address + bytes) is the client's to read (`write`: to write), else -1. */
  address(off: number, bytes: number, write: boolean): number {
    const address = this.u64(off);
    return this.executor.memory.check(this.client.memory, address, bytes, write) ? address : -1;
  }

  /** The driver's ordinal for the client's device at `off`; -1: there is none such. A zone has one device, number 0. */
  device(off: number): number {
    return this.words[this.base + off] === 0 ? this.executor.device : -1;
  }

  // ---- refusals: the CUDA error that the real driver would answer ----

  /** Whether the zone may have another handle. */
  room(_type: HandleType): boolean {
    return this.executor.handlesLeft();
  }

  /** A quota says no. */
  refuse(): number {
    this.executor.refused++;
    return CUresult.OUT_OF_MEMORY;
  }

  /** After handle(), row() or stream() said -1. */
  invalid(type: HandleType): number {
    if (this.failure !== 0) return this.failure;
    switch (type) {
      case HandleType.context:
        return CUresult.INVALID_CONTEXT;
      case HandleType.pool:
      case HandleType.allocation:
        return CUresult.INVALID_VALUE;
      default:
        return CUresult.INVALID_HANDLE;
    }
  }

  /** After address() said -1. */
  outside(): number {
    return CUresult.INVALID_VALUE;
  }

  noDevice(): number {
    return CUresult.INVALID_DEVICE;
  }

  // ---- the reply ----

  replyU32(off: number, value: number): void {
    if (this.posted) return;
    this.client.slotWord(this.slot, off, value);
    if (this.replied < (off + 1) << 2) this.replied = (off + 1) << 2;
  }

  replyU64(off: number, value: number): void {
    this.replyU32(off, value >>> 0);
    this.replyU32(off + 1, Math.floor(value / HIGH));
  }

  replyF32(off: number, value: number): void {
    this.float[0] = value;
    this.replyU32(off, this.floatWord[0]);
  }

  /** Replies at most `room` bytes of `text`, from its byte `from` on. */
  replyText(off: number, text: Uint8Array, from: number, room: number): void {
    const part = text.subarray(from, from + room);
    for (let i = 0; i < part.length; i += 4) this.replyU32(off + (i >> 2), part[i] | ((part[i + 1] ?? 0) << 8) | ((part[i + 2] ?? 0) << 16) | ((part[i + 3] ?? 0) << 24));
  }

  /** The opaque handle of a row of the handle table. */
  replyRow(off: number, row: number): void {
    this.replyU32(off, this.handles.lowOf(row));
    this.replyU32(off + 1, this.handles.highOf(row));
  }

  /** Registers the driver's value in the scratch and replies its handle. False: the table is full, and the driver's object has
   *  been destroyed again. */
  replyHandle(off: number, type: HandleType, scratchOffset: number): boolean {
    const native = this.scratch64(scratchOffset);
    const row = this.executor.register(type, this.client, this.current, native);
    if (row < 0) return false;
    this.replyRow(off, row);
    return true;
  }

  /** Stores `native` under a new handle and replies that. False: none left; `native` stays the caller's. */
  addHandle(off: number, type: number, native: number): boolean {
    const row = this.executor.register(type, this.client, this.current, native);
    if (row < 0) return false;
    this.replyRow(off, row);
    return true;
  }

  /** Replies the handle under which this client has `native` already; 0 and false: under none. */
  findHandle(off: number, type: number, native: number): boolean {
    const row = this.executor.rowOf(type, this.client, native);
    if (row >= 0) this.replyRow(off, row);
    else this.replyU64(off, 0);
    return row >= 0;
  }

  /** Frees the handle at `off`; does nothing if it is none. */
  removeHandle(type: number, off: number): void {
    const row = this.row(type, off);
    if (row >= 0) this.executor.unregister(row);
  }

  /** Replies with the first `bytes` of a pinned slot. */
  replySlot(slot: number, bytes: number): void {
    this.client.replySlot(this.slot, this.executor.slots, slot, bytes);
    this.replied = bytes;
  }

  /** Replies `bytes` of the scratch. */
  replyBytes(off: number, scratchOffset: number, bytes: number): void {
    const from = scratchOffset >> 2;
    for (let i = 0; i < bytes >> 2; i++) this.replyU32(off + i, this.scratchWords[from + i]);
  }

  /** A 64-bit number of the scratch (below 2^53). */
  scratch64(scratchOffset: number): number {
    const at = scratchOffset >> 2;
    return (this.scratchWords[at + 1] >>> 0) * HIGH + (this.scratchWords[at] >>> 0);
  }

  /** Writes a 64-bit number into the scratch. */
  scratchSet64(scratchOffset: number, value: number): void {
    const at = scratchOffset >> 2;
    this.scratchWords[at] = value >>> 0;
    this.scratchWords[at + 1] = Math.floor(value / HIGH);
  }

  /** Makes `native` the driver's current context (0: none). */
  enter(native: number): void {
    this.executor.enter(native);
  }

  /** Takes the call over to be answered later; the handler then returns DEFERRED. */
  later(): Deferred {
    return new Deferred(this.executor, this.client, this.current, this.posted ? -1 : this.slot, this.ticket, this.executor.creates[this.message] !== 0);
  }

  /**
   * Runs `then` when all that this client has given the GPU so far is done: now, if it is already. Returns whether it ran now.
   * `then` gets the CUresult of that work. For calls that wait for the GPU by their meaning (cuMemFree, context destruction).
   */
  afterWork(then: (status: number) => void): boolean {
    return this.executor.afterWork(this.client, null, then);
  }

  /** Runs `then` when the stream that stream() found last has got to here; never at once. */
  afterStream(then: (status: number) => void): void {
    this.executor.afterStream(this.found!, then);
  }
}
