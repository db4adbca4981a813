/**
 * The state of the process that serves one zone: the driver, the zone's limits, its handles, its memory, its clients, and the
 * work under way. What happens when is in loop.ts; what calls do is in handlers/ and memory/.
 */
import { addressOf, asyncCall, type AsyncCall, type Driver } from '../driver/driver.ts';
import { CUresult } from '../driver/errors.ts';
import { HandleType, Message, MESSAGE_COUNT } from '../generated/messages.ts';
import type { ZoneLimits, ZoneUsage } from '../supervisor/messages.ts';
import type { Client } from './client.ts';
import { Context, Event, type SharedEvent, Stream } from './context.ts';
import { DriverThread } from './driver-thread.ts';
import { OUT } from './driver-thread-protocol.ts';
import { HandleTable, TYPES_MAX } from './handles.ts';
import type { MemoryCore, ZoneMemory } from './memory/types.ts';
import { type Asserted, Output, type Printed } from './printed.ts';
import { pinned, PinnedSlots } from './slots.ts';
import { futexWake } from './system.ts';
import { ZoneGraphs } from './graphs/handlers.ts';
import { Utilization } from './utilization.ts';
import { Work, type WorkHost } from './work.ts';
import { RECORD_MAX } from '../../idm/ring.ts';

const SCRATCH_BYTES = 4096;
const UNREGISTERED_AT_ONCE = 4096;
const TEXT_BYTES = RECORD_MAX;
const STREAM_NON_BLOCKING = 1;
const REGISTER_PORTABLE_MAPPED = 3;
const LEGACY_STREAM = 1; // CU_STREAM_LEGACY

/** Calls that make something, or give the client something to do: an earlier posted error is not told in their place, or that would be lost. Nor is it told by the end
 *  of a context, which is done, and mostly another's; nor to the library itself when it fetches what kernels have printed, which would be lost, and the error with it. */
const CREATING = [
  Message.CTX_PRIMARY_RETAIN, Message.CTX_PRIMARY_RESET, Message.CTX_CREATE, Message.CTX_DESTROY, Message.GPU_ALLOC, Message.HOST_ALLOC, Message.IPC_OPEN, Message.EVENT_OPEN, Message.ADDRESS_RESERVE, Message.MEM_CREATE,
  Message.MEM_RETAIN, Message.MEM_IMPORT, Message.POOL_CREATE, Message.POOL_IMPORT, Message.POOL_TAKE, Message.ARRAY_CREATE, Message.MIPMAP_CREATE, Message.MIPMAP_LEVEL, Message.cuStreamCreate,
  Message.cuStreamCreateWithPriority, Message.cuEventCreate, Message.IMAGE_OPEN, Message.MODULE_LOAD, Message.LIBRARY_LOAD, Message.LINK_CREATE, Message.TEXTURE_CREATE, Message.TEXREF_CREATE, Message.GRAPH_MAKE,
  Message.PRINT_READ, Message.HOST_CALL,
];

/** Of these, and of what else takes a context's resources, none is to be had in a context that a kernel has poisoned. Work given to it the
 *  driver refuses by itself. */
const IN_CONTEXT = [
  Message.GPU_ALLOC, Message.HOST_ALLOC, Message.ARRAY_CREATE, Message.MIPMAP_CREATE, Message.MODULE_LOAD, Message.MODULE_FUNCTION, Message.MODULE_GLOBAL, Message.cuStreamCreate,
  Message.cuStreamCreateWithPriority, Message.cuEventCreate, Message.MEM_INFO,
];

/** CUdevice_attribute. */
const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;

const FIRST_FAULT = CUresult.ILLEGAL_ADDRESS;
/** What ends all use of a context. */
const FAULTS: ReadonlySet<number> = new Set([
  CUresult.ILLEGAL_ADDRESS, CUresult.LAUNCH_TIMEOUT, CUresult.ASSERT, CUresult.HARDWARE_STACK_ERROR, CUresult.ILLEGAL_INSTRUCTION, CUresult.MISALIGNED_ADDRESS,
  CUresult.INVALID_ADDRESS_SPACE, CUresult.INVALID_PC, CUresult.LAUNCH_FAILED,
]);

/** Answers of a device that is gone. */
const LOST: ReadonlySet<number> = new Set([CUresult.DEVICE_UNAVAILABLE, CUresult.ECC_UNCORRECTABLE, CUresult.NVLINK_UNCORRECTABLE, CUresult.UNKNOWN]);

export class Executor implements WorkHost, MemoryCore {
  readonly handles = new HandleTable();
  readonly work: Work;
  readonly slots: PinnedSlots;
  memory!: ZoneMemory;
  /** Null: standard output is the process's own (tests). */
  printed: Printed | null = null;
  asserted: Asserted | null = null;
  readonly clients: Client[] = [];
  /** Events that clients may open by a handle: cuIpcOpenEventHandle. */
  readonly sharedEvents = new Map<string, SharedEvent>();
  readonly utilization = new Utilization(this);
  readonly graphs = new ZoneGraphs();

  /** For out-parameters: 4 KiB at a fixed address. */
  readonly scratchBytes = Buffer.allocUnsafeSlow(SCRATCH_BYTES).fill(0);
  readonly scratch = addressOf(this.scratchBytes);
  /** For what is asked in the midst of a call that has the other in use. */
  private readonly out = new BigUint64Array(1);
  private readonly outAt = addressOf(this.out);

  /** Per-thread default streams of all clients. */
  perThreadStreams = 0;
  /** Streams that their clients have destroyed and that still have work: they hold the driver's memory, so they count as handles. */
  private endingStreams = 0;
  private examining = false;

  /** For names: the largest payload of a record, and a NUL. */
  readonly textBytes = Buffer.allocUnsafeSlow(TEXT_BYTES).fill(0);
  readonly text = addressOf(this.textBytes);
  private nativeList = { address: 0, values: new BigUint64Array(0) };

  readonly loader = new DriverThread(this, 'loads code');
  /** On hardware a context takes a tenth of a second to make, and host memory is taken back when the kernels that run are done, of other clients too: a thread
   *  each, that neither waits for the other, nor for a compiler. */
  private readonly maker = new DriverThread(this, 'makes contexts');
  private readonly unpinner = new DriverThread(this, 'takes host memory back');

  /** Called when something is to be polled: the loop may be asleep. */
  onWork: () => void = () => undefined;

  /** Called once, when the driver answers everything in this process with an error, and which: this process is to end. */
  onLost: (status: number) => void = () => undefined;

  /** Result of the last failed preparation (makePerThread). */
  lastStatus = 0;
  /** By message id: 1 where a posted error must not hide the answer. */
  readonly creates = new Uint8Array(MESSAGE_COUNT);

  /** By message id: 1 for what makes something in the record's context, which must not be a poisoned one. */
  readonly inContext = new Uint8Array(MESSAGE_COUNT);

  // Counters
  calls = 0;
  refused = 0;
  /** Calls served, by message id. */
  readonly served = new Float64Array(MESSAGE_COUNT);

  private current = -1; // the driver's current context on this thread; -1: unknown
  private readonly printers: Client[] = []; // whose code may print
  private own = 0; // the executor's own context
  private readonly byNative = [...Array(TYPES_MAX)].map(() => new Map<number, number>());
  private readonly wakes = new Float64Array(1024);
  private wakeCount = 0;
  private readonly destroyContextAsync: AsyncCall;
  private readonly unregisterAsync: AsyncCall;
  private readonly unregistering: { address: number; then: () => void }[] = [];

  /** `device`: the driver's CUdevice of the zone. */
  constructor(readonly driver: Driver, readonly device: number, public limits: ZoneLimits, private readonly changed: () => void) {
    this.work = new Work(this);
    this.slots = new PinnedSlots(driver, () => this.enter(this.internalContext()));
    for (const id of CREATING) this.creates[id] = 1;
    for (const id of IN_CONTEXT) this.inContext[id] = 1;
    this.destroyContextAsync = asyncCall(driver.cuCtxDestroy_v2);
    this.unregisterAsync = asyncCall(driver.cuMemHostUnregister);
  }

  // ---- the driver's current context ----

  /** Makes a driver's context current (0: none), if it is not. */
  enter(native: number): void {
    if (this.current === native) return;
    if (this.printers.length > 1) this.collectCurrent();
    if (this.driver.cuCtxSetCurrent(native) === 0) this.current = native;
    // Never stay in the context of before: it may be another client's, and the call would run there.
    else this.current = native !== 0 && this.driver.cuCtxSetCurrent(0) === 0 ? 0 : -1;
  }

  /** The executor's own context, for zeroing and pinned memory: the device's primary one. 0: the driver refuses. */
  internalContext(): number {
    if (this.own === 0) {
      if (this.driver.cuDevicePrimaryCtxRetain(this.scratch, this.device) !== 0) return 0;
      this.own = this.scratch64();
    }
    return this.own;
  }

  /** Gives the executor's own context back: nothing may use this object any more. */
  release(): void {
    this.enter(0);
    if (this.own !== 0) this.driver.cuDevicePrimaryCtxRelease_v2(this.device);
    this.own = 0;
  }

  scratch64(): number {
    return Number(this.scratchBytes.readBigUInt64LE(0));
  }

  setLimits(limits: ZoneLimits): void {
    this.limits = limits;
    this.memory.setLimits(limits);
  }

  // ---- the zone's memory asks ----

  poll(check: () => boolean): void {
    this.work.poll(check);
    this.onWork();
  }

  /** What takes long, with others served between: `piece` until it says that nothing is left, then `then`; at once where there is but one. */
  inPieces(piece: () => boolean, then: () => void): void {
    if (piece()) return then();
    this.poll(() => {
      if (!piece()) return false;
      then();
      return true;
    });
  }

  usageChanged(): void {
    this.changed();
  }

  usage(): ZoneUsage {
    const memory = this.memory.usage();
    return {
      memory: memory.memory,
      memoryPeak: memory.memoryPeak,
      clients: this.clients.length,
      allocations: memory.allocations,
      handles: this.handles.live + this.perThreadStreams,
      staging: memory.staging,
      calls: this.calls,
      refused: this.refused + memory.refused,
    };
  }

  // ---- handles ----

  /** Whether the zone may have another handle. Per-thread streams have none but count: a client can have any number of threads. */
  handlesLeft(): boolean {
    return this.handles.live + this.perThreadStreams + this.endingStreams < this.limits.handles;
  }

  /** Room for a list of `count` of the driver's values, good until the next call. */
  natives(count: number): { address: number; values: BigUint64Array } {
    if (this.nativeList.values.length < count) {
      const bytes = Buffer.allocUnsafeSlow(Math.max(1024, count * 2) * 8).fill(0);
      this.nativeList = { address: addressOf(bytes), values: new BigUint64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3) };
    }
    return this.nativeList;
  }

  /** Registers a driver's value under a handle whose object is the caller's; the row, or -1 when the zone has no handle left. */
  registerObject(type: HandleType, client: Client, native: number, object: object): number {
    if (!this.handlesLeft()) return -1;
    const row = this.handles.add(type, client.owner, native, object);
    if (row < 0) return -1;
    this.byNative[type].set(native, row);
    this.changed();
    return row;
  }

  /** Registers a driver's object for a client; the row, or -1 when the zone has no handle left. */
  register(type: HandleType, client: Client, context: Context | null, native: number): number {
    if (!this.handlesLeft()) return -1;
    let object: object | null = null;
    if (type === HandleType.stream) object = new Stream(context!, native);
    else if (type === HandleType.event) object = new Event(context!, native);
    const row = this.handles.add(type, client.owner, native, object);
    if (row < 0) return -1;
    if (type === HandleType.stream) {
      (object as Stream).row = row;
      context!.streams.add(object as Stream);
    } else if (type === HandleType.event) {
      (object as Event).row = row;
      context!.events.add(object as Event);
    }
    else this.byNative[type].set(native, row);
    this.changed();
    return row;
  }

  unregister(row: number): void {
    const native = this.handles.nativeOf(row);
    const map = this.byNative[this.handles.typeOf(row)];
    if (map.get(native) === row) map.delete(native);
    this.handles.remove(row);
    this.changed();
  }

  /** An event's handle goes, and with an event every name that others have for it: the driver's is about to go. */
  forgetEvent(event: Event): void {
    this.unregister(event.row);
    event.context.events.delete(event);
    const { shared } = event;
    if (shared === null || !shared.names.delete(event)) return;
    if (shared.exporter === event) {
      this.sharedEvents.delete(shared.token);
      const { last } = shared;
      shared.last = null;
      if (last !== null && last.destroyed) this.destroyEvent(last);
      for (const name of [...shared.names]) {
        this.forgetEvent(name);
        this.destroyEvent(name);
      }
    }
  }

  /** The driver's events go with their context, those too that were destroyed and stand for others' names still: what the exporter
   *  recorded is what is left. */
  forgetRecords(context: Context): void {
    for (const shared of this.sharedEvents.values()) {
      if (shared.last === null || shared.last.context !== context) continue;
      shared.last = null;
      this.renewNames(shared);
    }
  }

  /** The driver's event of a forgotten one goes, unless a call waits for it, or others' names stand for it still. CUresult. */
  destroyEvent(event: Event): number {
    event.destroyed = true;
    if (event.waiters !== 0 || event.shared?.last === event || event.context.native === 0) return CUresult.SUCCESS;
    // Which context is current is the record's affair; a driver may want the event's, and must not be left with it.
    this.enter(event.context.native);
    return this.driver.cuEventDestroy_v2(event.native);
  }

  /** A name of a shared event has been recorded: that is what all its names stand for now. */
  recorded(event: Event, shared: SharedEvent): void {
    const before = shared.last;
    if (before === event) return;
    shared.last = event;
    this.renewNames(shared);
    if (before !== null && before.destroyed) this.destroyEvent(before);
  }

  private renewNames(shared: SharedEvent): void {
    const { native } = shared.last ?? shared.exporter;
    for (const name of shared.names) this.handles.setNative(name.row, native);
  }

  /** Row under which a client has `native`; -1: under none. */
  rowOf(type: HandleType, client: Client, native: number): number {
    if (type === HandleType.context) {
      for (const context of client.known) if (context.native === native) return context.row;
      return -1;
    }
    const row = this.byNative[type].get(native);
    return row !== undefined && this.handles.find(this.handles.lowOf(row), this.handles.highOf(row), type, client.owner) === row ? row : -1;
  }

  /** Frees handles of a client that is gone, not too many in one go; whether none is left. */
  unregisterSome(client: Client): boolean {
    let left = UNREGISTERED_AT_ONCE;
    for (const row of this.handles.rowsOf(client.owner)) {
      if (left-- === 0) return false;
      this.unregister(row);
    }
    return true;
  }

  // ---- contexts ----

  /** Makes the driver's context for `context`: on another thread where that may take long, which is on every GPU but the software one. */
  activate(context: Context, flags: number, done: (status: number) => void): void {
    if (context.waiting !== null) {
      context.waiting.push(done);
      return;
    }
    context.waiting = [done];
    const made = (result: number, native: number): void => {
      const waiting = context.waiting!;
      context.waiting = null;
      if (result === 0) {
        context.native = native;
        context.legacy = new Stream(context, LEGACY_STREAM);
      }
      for (const each of waiting) each(result);
    };
    const { driver, scratch } = this;
    // Whose only client waits for it has nobody to keep waiting: it is made here, as long as there is no thread yet.
    if (!driver.software) return this.maker.run('cuCtxCreate_v2', 0, [OUT, flags, this.device], made, this.clients.length <= 1);
    const status = driver.cuCtxCreate_v2(scratch, flags, this.device);
    const native = this.scratch64();
    // It is current now, and this thread shall be as it was.
    if (status === 0) driver.cuCtxPopCurrent_v2(scratch);
    made(status, native);
  }

  /** Ends a context's kernels, which it will not outlive, where the driver can. Never waits. */
  stopKernels(context: Context): void {
    if (context.native !== 0) this.driver.stopKernels?.(context.native);
  }

  /** Destroys the driver's context on another thread: this one must not wait, and its work is done. */
  destroyContext(native: number, done: (status: number) => void): void {
    if (this.current === native) this.enter(0);
    this.destroyContextAsync(native, (error: unknown, status: number) => done(error ? CUresult.UNKNOWN : status));
  }

  /** The per-thread default stream of a client's thread: a blocking stream of its own, made at the first use. */
  makePerThread(context: Context, thread: number): Stream | null {
    if (!this.handlesLeft()) {
      this.refused++;
      this.lastStatus = CUresult.OUT_OF_MEMORY;
      return null;
    }
    this.enter(context.native);
    this.lastStatus = this.driver.cuStreamCreate(this.scratch, 0);
    if (this.lastStatus !== 0) return null;
    const stream = new Stream(context, this.scratch64());
    context.perThread.set(thread, stream);
    this.perThreadStreams++;
    return stream;
  }

  // ---- the executor's own use of the driver ----

  /** Registers a client's holds and staging with the driver, for all contexts. Where it cannot be, copies work all the same, slower, and host functions do not. */
  pinRegion(client: Client): void {
    const { region } = client;
    client.pinned = true;
    this.enter(this.internalContext());
    if (!pinned(this.driver.cuMemHostRegister_v2(region.holds, region.pinnedBytes, REGISTER_PORTABLE_MAPPED))) return;
    if (this.driver.cuMemHostGetDevicePointer_v2(this.outAt, region.holds, 0) === 0) client.holds = Number(this.out[0]);
  }

  /** Takes them back from the driver, and then calls `then`. */
  unpinRegion(client: Client, then: () => void): void {
    if (!client.pinned) return then();
    client.pinned = false;
    this.unregisterHost(client.region.holds, then);
  }

  /** Takes host memory back from the driver on another thread, because the driver waits for kernels, of other clients too; then calls
   *  `then`, not before it returns. One at a time, so that waiting for a long kernel takes one thread from other slow calls and no more. */
  unregisterHost(address: number, then: () => void): void {
    if (this.unregistering.push({ address, then }) === 1) this.unregisterNext();
  }

  private unregisterNext(): void {
    const { address, then } = this.unregistering[0];
    const next = (): void => {
      this.unregistering.shift();
      if (this.unregistering.length !== 0) this.unregisterNext();
      then();
    };
    // A driver may ask for a current context, which libuv's threads have not.
    if (this.driver.software) this.unregisterAsync(address, next);
    else this.unpinner.run('cuMemHostUnregister', this.internalContext(), [address], () => void setImmediate(next)); // which has returned by then
  }

  /** A non-blocking stream of the executor's in a client's context; 0: the driver refuses. */
  rescueStream(context: Context): number {
    this.enter(context.native);
    if (context.rescue === 0 && this.driver.cuStreamCreate(this.scratch, STREAM_NON_BLOCKING) === 0) context.rescue = this.scratch64();
    return context.rescue;
  }

  /** The device's compute capability, major x 10 + minor. */
  capability(): number {
    const one = (attribute: number): number => (this.driver.cuDeviceGetAttribute(this.scratch, attribute, this.device) === 0 ? this.scratchBytes.readInt32LE(0) : 0);
    return one(CAPABILITY_MAJOR) * 10 + one(CAPABILITY_MINOR);
  }

  // ---- what kernels print ----

  /** Lets the driver write out what the kernels of a context have printed, and gives it to its client. Never waits: the stream that
   *  it synchronises has nothing to do. */
  flushPrinted(client: Client, context: Context): void {
    if (!client.printing || context.native === 0) return;
    const stream = this.rescueStream(context);
    if (stream !== 0) this.driver.cuStreamSynchronize(stream);
    this.collect(client);
  }

  /** A client has code that may print. */
  startPrinting(client: Client): void {
    if (client.printing) return;
    this.collectCurrent();
    client.printing = true;
    this.printers.push(client);
    this.asserted?.begin(() => this.collectCurrent());
  }

  /** A client is gone. */
  endPrinting(client: Client): void {
    if (!client.printing) return;
    client.printing = false;
    this.printers.splice(this.printers.indexOf(client), 1);
    this.asserted?.end();
  }

  /** Gives a client what a call of the driver for it may have made kernels' printf write out. */
  collectPrinted(client: Client): void {
    const text = this.printed?.take() ?? null;
    if (text !== null) client.printed(Output.stdout, text);
  }

  /** And what its assertions say. */
  private collect(client: Client): void {
    this.collectPrinted(client);
    const text = client.printing ? (this.asserted?.take() ?? null) : null;
    if (text !== null) client.printed(Output.stderr, text);
  }

  /**
   * The driver writes out what the kernels of the current context have said and nobody else's, but an assertion's lines within whatever
   * it is asked next, by a poll of the executor's own as well: whose they are is known until another context is entered.
   */
  private collectCurrent(): void {
    const { printers } = this;
    if (printers.length === 1) return this.collect(printers[0]);
    for (const client of printers) for (const context of client.known) if (context.native === this.current) return this.collect(client);
  }

  /** Before a waited call is answered: its client finds the output of all work that it knows to be done. */
  private printBefore(client: Client, context: Context): void {
    const { submitted } = client.memory;
    if (submitted === client.printedAt) return;
    let idle = true;
    for (let i = 0; i < client.listed.length && idle; i++) idle = this.streamStatus(client.listed[i]) !== CUresult.NOT_READY;
    this.flushPrinted(client, context);
    if (idle) client.printedAt = submitted;
  }

  // ---- work under way ----

  /** Runs `then` when all that `client` has given the GPU (in `context`, or at all) is done. Returns whether that was at once. */
  afterWork(client: Client, context: Context | null, then: (status: number) => void): boolean {
    let left = 0;
    let result = 0;
    const one = (status: number): void => {
      if (status !== 0 && result === 0) result = status;
      if (--left === 0) then(result);
    };
    for (let i = client.listed.length - 1; i >= 0; i--) {
      const stream = client.listed[i];
      if (context !== null && stream.context !== context) continue;
      const status = this.streamStatus(stream);
      if (status === CUresult.NOT_READY) {
        left++;
        this.work.call(stream, one);
      } else {
        if (status !== 0 && result === 0) result = status;
        client.quiet(i);
      }
    }
    if (left !== 0) return false;
    then(result);
    return true;
  }

  /**
   * Runs `then` when nothing of `client` (in `context`, or at all) is under way, what it was given meanwhile included: for calls of a driver that
   * wait for all of that. This thread must not wait, least of all for a host function, whose end comes through it. Returns whether that was at once.
   */
  whenIdle(client: Client, context: Context | null, then: () => void): boolean {
    let calling = true;
    const now = this.afterWork(client, context, () => {
      if (calling) then();
      else this.whenIdle(client, context, then);
    });
    calling = false;
    return now;
  }

  /** CUDA_SUCCESS: all that `client` has given the GPU (in `context`, or at all) is done; NOT_READY; or how it failed. */
  workStatus(client: Client, context: Context | null): number {
    let result = 0;
    for (let i = client.listed.length - 1; i >= 0; i--) {
      const stream = client.listed[i];
      if (context !== null && stream.context !== context) continue;
      const status = this.streamStatus(stream);
      if (status === CUresult.NOT_READY) return status;
      if (status !== 0) result = status;
      client.quiet(i);
    }
    return result;
  }

  afterStream(stream: Stream, then: (status: number) => void): void {
    this.work.call(stream, then);
  }

  /** Whether a stream is done: NOT_READY as long as the driver says so, or batches of it have not been finished here. */
  streamStatus(stream: Stream): number {
    if (stream.queue.first !== null || stream.queue.open !== null) return CUresult.NOT_READY;
    if (stream.destroyed) return 0;
    // The default stream's meaning depends on the current context.
    this.enter(stream.context.native);
    const status = this.driver.cuStreamQuery(stream.native);
    // Whoever asks next, for the executor asks by itself too, and does not ask a stream again that is done.
    if (status >= FIRST_FAULT) this.poisoned(stream.context, status);
    return status;
  }

  /** Destroys a driver's stream; what it still does goes on, and is waited for where somebody asks. */
  destroyStream(stream: Stream): number {
    if (stream.listed && this.streamStatus(stream) === CUresult.NOT_READY) {
      this.endingStreams++;
      this.work.call(stream, () => {
        this.endingStreams--;
      });
    }
    this.work.closeStream(stream);
    stream.destroyed = true;
    // Which context is current is the record's affair; a driver may want the stream's.
    this.enter(stream.context.native);
    return this.driver.cuStreamDestroy_v2(stream.native);
  }

  // ---- answers ----

  /** Notes what no context recovers from. */
  private poisoned(context: Context, status: number): void {
    if (!FAULTS.has(status) || context.legacy === null || context.fault === status) return;
    context.fault = status;
    if (context.posted === status) context.posted = 0;
    this.examine();
    if (status !== CUresult.ASSERT) return;
    // Whoever asks is told, and what the assertion says is written then at the latest. Asking a stream never waits.
    this.enter(context.native);
    this.driver.cuStreamQuery(0);
    this.collect(context.client);
  }

  /** A call was answered with an error. A fault may be that of another context, whose stream or event the call named: this one is asked itself. */
  private suspect(context: Context | null, status: number): void {
    if (status === CUresult.NOT_READY) return;
    const isFault = FAULTS.has(status);
    if (!isFault && !LOST.has(status)) return;
    if (isFault && context !== null && context.legacy !== null) {
      if (context.fault !== 0) return;
      this.enter(context.native);
      this.poisoned(context, this.driver.cuStreamQuery(0));
    }
    this.examine();
  }

  /**
   * Asks whether the driver still does anything in this process, once what is to be answered is. After an illegal address and its like the process is "in an
   * inconsistent state", says CUDA's documentation of them (CUresult), and "must be terminated and relaunched"; whether that is so of one context or of all is seen in the
   * executor's own, in which no kernel runs.
   */
  private examine(): void {
    if (this.examining) return;
    this.examining = true;
    this.poll(() => {
      this.enter(this.internalContext());
      const status = this.driver.cuStreamQuery(0);
      this.examining = status !== CUresult.SUCCESS && status !== CUresult.NOT_READY; // there is nothing to ask again
      if (this.examining) this.onLost(status);
      return true;
    });
  }

  /** Answers a call: slot -1 is a posted one, whose error sticks. The waiter is woken by wakeClients(). */
  answer(client: Client, context: Context | null, slot: number, ticket: number, status: number, bytes: number, creates: boolean): void {
    if (client.dead) return;
    if (slot < 0) {
      if (status !== 0) this.stick(client, context, status);
      return;
    }
    if (status !== 0) this.suspect(context, status);
    if (status === 0 && !creates) {
      if (context !== null) {
        status = context.posted;
        context.posted = 0;
      }
      if (status === 0) {
        status = client.posted;
        client.posted = 0;
      }
      if (status !== 0) bytes = 0;
    }
    if (client.printing && context !== null && context.legacy !== null) this.printBefore(client, context);
    const wake = client.publish(slot, ticket, status, bytes);
    if (wake === 0) return;
    if (this.wakeCount === this.wakes.length) this.wakeClients();
    this.wakes[this.wakeCount++] = wake;
  }

  /** A posted call failed: the next waited one tells. */
  stick(client: Client, context: Context | null, status: number): void {
    this.suspect(context, status);
    if (context === null) {
      if (client.posted === 0) client.posted = status;
    } else if (context.posted === 0 && status !== context.fault) context.posted = status; // a fault every call in the context tells, and no other
  }

  /** Wakes those who sleep for what was answered; how many. */
  wakeClients(): number {
    const count = this.wakeCount;
    for (let i = 0; i < count; i++) futexWake(this.wakes[i]);
    this.wakeCount = 0;
    return count;
  }
}
