/**
 * What a zone's memory works against, without a GPU: a driver that keeps the rules of the virtual memory calls and knows whose
 * bytes lie in each granule, a core that polls, a client whose work is as long under way as the test says, and calls.
 *
 * The driver throws (and the test fails) where the code breaks a rule that the real driver punishes or forgives in silence:
 * mapping over a mapping, releasing twice, unmapping what is not mapped, touching what is not mapped.
 */
import koffi from 'koffi';
import type { DriverCalls } from '../../../proxy/generated/prototypes.ts';
import { HandleType, Message, MESSAGE_COUNT } from '../../../proxy/generated/messages.ts';
import type { HandlerTable } from '../../../proxy/executor/handlers/table.ts';
import type { Invocation } from '../../../proxy/executor/invocation.ts';
import { registerMemoryHandlers } from '../../../proxy/executor/memory/handlers.ts';
import type { ClientMemory, Later, MemoryClient, MemoryCore, MemoryInvocation } from '../../../proxy/executor/memory/types.ts';
import { type OneClient } from '../../../proxy/executor/memory/client.ts';
import { Zone } from '../../../proxy/executor/memory/zone.ts';
import type { ZoneLimits } from '../../../proxy/supervisor/messages.ts';

export const GRANULE = 2 * 1024 * 1024;
export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

const memcpy = koffi.load(null).func('uintptr_t memcpy(uintptr_t to, uintptr_t from, size_t bytes)');
const word = Buffer.allocUnsafeSlow(8);
const wordAt = Number(koffi.address(word));

export function poke64(address: number, value: number): void {
  word.writeBigUInt64LE(BigInt(value));
  memcpy(address, wordAt, 8);
}

export function peek64(address: number): number {
  memcpy(wordAt, address, 8);
  return Number(word.readBigUInt64LE());
}

export function peek32(address: number): number {
  memcpy(wordAt, address, 4);
  return word.readUInt32LE();
}

/** Whose bytes a granule of physical memory holds: ZEROES, GARBAGE (of a stranger) or a client's number. */
export const ZEROES = 0;
export const GARBAGE = -1;

interface Frame {
  handle: number;
  granules: number;
  content: number[];
  released: boolean;
  mappings: number;
}

interface Mapping {
  start: number;
  bytes: number;
  frame: Frame;
  access: number;
}

class Broken extends Error {
  override name = 'BrokenRule';
}

function broken(what: string): never {
  throw new Broken(what);
}

export class FakeDriver {
  readonly frames = new Map<number, Frame>();
  /** By first granule's address. */
  readonly mappings = new Map<number, Mapping>();
  private readonly byGranule = new Map<number, Mapping>();
  reservations = new Map<number, number>();
  readonly calls = new Map<string, number>();
  /** Physical memory of the card in granules. */
  card = Infinity;
  used = 0;
  /** Calls fail with this status once the count reaches 0: by name. */
  readonly failures = new Map<string, { after: number; status: number }>();
  /** Whether submitted memsets and copies complete by themselves when an event is queried. */
  instant = true;

  private next = 0x1000;
  private readonly submitted: (() => void)[] = [];
  private readonly events = new Map<number, number>(); // event -> how many submissions must be done
  private done = 0;
  private total = 0;
  readonly arrays = new Map<number, { bytes: number; zeroed: number; levels: number[] }>();
  readonly registered = new Map<number, number>();

  readonly api: DriverCalls;

  constructor() {
    const own = this as unknown as Record<string, (...args: number[]) => number>;
    this.api = new Proxy({}, {
      get: (_, name: string) => {
        const call = own[name];
        if (call === undefined) return () => broken(`the memory called ${name}, which the fake driver does not know`);
        return (...args: number[]) => {
          this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
          const failure = this.failures.get(name);
          if (failure !== undefined && failure.after-- <= 0) return failure.status;
          return call.apply(this, args);
        };
      },
    }) as DriverCalls;
  }

  count(name: string): number {
    return this.calls.get(name) ?? 0;
  }

  /** Completes everything that was submitted. */
  complete(): void {
    for (const work of this.submitted.splice(0)) work();
    this.done = this.total;
  }

  private submit(work: () => void): number {
    this.submitted.push(work);
    this.total++;
    return 0;
  }

  private id(): number {
    return (this.next += 16);
  }

  /** Calls `each` for the granules that [address, address + bytes) touches; they must be mapped readable and writable. */
  private touch(address: number, bytes: number, each: (frame: Frame, index: number) => void): void {
    for (let at = Math.floor(address / GRANULE) * GRANULE; at < address + bytes; at += GRANULE) {
      const mapping = this.byGranule.get(at) ?? broken(`access to ${at.toString(16)}, where nothing is mapped`);
      if (mapping.access !== 3) broken(`access to ${at.toString(16)} without the right to`);
      each(mapping.frame, (at - mapping.start) / GRANULE);
    }
  }

  /** A client writes: the granules are its own from now on. Throws if they hold a stranger's bytes. */
  write(client: number, address: number, bytes: number): void {
    this.touch(address, bytes, (frame, index) => {
      const was = frame.content[index];
      if (was !== ZEROES && was !== client) broken(`client ${client} was given memory at ${address.toString(16)} with bytes of ${was}`);
      frame.content[index] = client;
    });
  }

  cuMemGetAllocationGranularity(out: number): number {
    poke64(out, GRANULE);
    return 0;
  }

  cuMemAddressReserve(out: number, bytes: number, _alignment: number, hint: number): number {
    const at = hint === 0 ? 0x2000_0000_0000 : hint;
    if (this.reservations.has(at)) return 2;
    this.reservations.set(at, bytes);
    poke64(out, at);
    return 0;
  }

  cuMemAddressFree(address: number, bytes: number): number {
    if (this.reservations.get(address) !== bytes) broken('address space freed that was not reserved so');
    for (const mapping of this.mappings.values()) if (mapping.start >= address && mapping.start < address + bytes) broken('address space freed with memory mapped in it');
    this.reservations.delete(address);
    return 0;
  }

  cuMemCreate(out: number, bytes: number): number {
    if (bytes === 0 || bytes % GRANULE !== 0) broken(`cuMemCreate of ${bytes} bytes`);
    if (this.used + bytes / GRANULE > this.card) return 2;
    this.used += bytes / GRANULE;
    const handle = this.id();
    this.frames.set(handle, { handle, granules: bytes / GRANULE, content: new Array<number>(bytes / GRANULE).fill(GARBAGE), released: false, mappings: 0 });
    poke64(out, handle);
    return 0;
  }

  private reap(frame: Frame): void {
    if (!frame.released || frame.mappings > 0) return;
    this.frames.delete(frame.handle);
    this.used -= frame.granules;
  }

  cuMemRelease(handle: number): number {
    const frame = this.frames.get(handle) ?? broken('cuMemRelease of nothing');
    if (frame.released) broken('cuMemRelease twice');
    frame.released = true;
    this.reap(frame);
    return 0;
  }

  cuMemMap(address: number, bytes: number, offset: number, handle: number): number {
    const frame = this.frames.get(handle) ?? broken('cuMemMap of nothing');
    if (frame.released || offset !== 0 || bytes > frame.granules * GRANULE || bytes % GRANULE !== 0 || address % GRANULE !== 0) broken('cuMemMap of what cannot be mapped');
    if (![...this.reservations].some(([start, size]) => address >= start && address + bytes <= start + size)) broken('cuMemMap outside the window');
    const mapping = { start: address, bytes, frame, access: 0 };
    for (let at = address; at < address + bytes; at += GRANULE) {
      if (this.byGranule.has(at)) broken(`cuMemMap over a mapping at ${at.toString(16)}`);
      this.byGranule.set(at, mapping);
    }
    this.mappings.set(address, mapping);
    frame.mappings++;
    return 0;
  }

  cuMemUnmap(address: number, bytes: number): number {
    for (let at = address; at < address + bytes; ) {
      const mapping = this.mappings.get(at) ?? broken(`cuMemUnmap at ${at.toString(16)}, where no mapping begins`);
      if (at + mapping.bytes > address + bytes) broken('cuMemUnmap of a part');
      this.mappings.delete(at);
      for (let i = at; i < at + mapping.bytes; i += GRANULE) this.byGranule.delete(i);
      mapping.frame.mappings--;
      this.reap(mapping.frame);
      at += mapping.bytes;
    }
    return 0;
  }

  cuMemSetAccess(address: number, bytes: number, descriptor: number): number {
    const access = peek32(descriptor + 8);
    for (let at = address; at < address + bytes; at += GRANULE) {
      const mapping = this.byGranule.get(at) ?? broken('cuMemSetAccess where nothing is mapped');
      mapping.access = access;
    }
    return 0;
  }

  cuMemGetInfo_v2(free: number, total: number): number {
    const card = this.card === Infinity ? 1024 * 1024 : this.card;
    poke64(free, (card - this.used) * GRANULE);
    poke64(total, card * GRANULE);
    return 0;
  }

  cuStreamCreate(out: number): number {
    poke64(out, this.id());
    return 0;
  }

  cuStreamQuery(): number {
    if (this.instant) this.complete();
    return this.done < this.total ? 600 : 0;
  }

  cuEventCreate(out: number): number {
    const event = this.id();
    this.events.set(event, 0);
    poke64(out, event);
    return 0;
  }

  cuEventRecord(event: number): number {
    this.events.set(event, this.total);
    return 0;
  }

  cuEventQuery(event: number): number {
    if (this.instant) this.complete();
    return this.events.get(event)! > this.done ? 600 : 0;
  }

  cuMemsetD32Async(address: number, value: number, count: number): number {
    if (value !== 0) broken('memset of something else than zero');
    this.touch(address, count * 4, () => {});
    return this.submit(() => {
      const bytes = count * 4;
      if (address % GRANULE !== 0 || bytes % GRANULE !== 0) broken('the memory zeroes whole granules');
      this.touch(address, bytes, (frame, index) => { frame.content[index] = ZEROES; });
    });
  }

  cuMemHostRegister_v2(address: number, bytes: number): number {
    if (this.registered.has(address) || address % 4096 !== 0 || bytes % 4096 !== 0) broken('cuMemHostRegister of that');
    this.registered.set(address, bytes);
    return 0;
  }

  cuMemHostGetDevicePointer_v2(out: number, address: number): number {
    if (!this.registered.has(address)) broken('cuMemHostGetDevicePointer of nothing');
    poke64(out, address);
    return 0;
  }

  cuMemHostUnregister(address: number): number {
    if (!this.registered.delete(address)) broken('cuMemHostUnregister of nothing');
    return 0;
  }

  cuArray3DCreate_v2(out: number): number {
    const array = this.id();
    this.arrays.set(array, { bytes: 0, zeroed: 0, levels: [] });
    poke64(out, array);
    return 0;
  }

  cuMipmappedArrayCreate(out: number, _descriptor: number, levels: number): number {
    const array = this.id();
    const made = Array.from({ length: levels }, () => this.id());
    for (const level of made) this.arrays.set(level, { bytes: 0, zeroed: 0, levels: [] });
    this.arrays.set(array, { bytes: 0, zeroed: 0, levels: made });
    poke64(out, array);
    return 0;
  }

  cuMipmappedArrayGetLevel(out: number, array: number, level: number): number {
    poke64(out, this.arrays.get(array)!.levels[level]);
    return 0;
  }

  cuArrayDestroy(array: number): number {
    if (!this.arrays.delete(array)) broken('cuArrayDestroy of nothing');
    return 0;
  }

  cuMipmappedArrayDestroy(array: number): number {
    const it = this.arrays.get(array) ?? broken('cuMipmappedArrayDestroy of nothing');
    for (const level of it.levels) this.arrays.delete(level);
    this.arrays.delete(array);
    return 0;
  }

  cuMemcpy3DAsync_v2(copy: number): number {
    const source = peek64(copy + 48);
    const bytes = peek64(copy + 176) * peek64(copy + 184) * peek64(copy + 192);
    const array = this.arrays.get(peek64(copy + 144)) ?? broken('copy into no array');
    this.touch(source, bytes, (frame, index) => {
      if (frame.content[index] !== ZEROES) broken('an array is zeroed from memory that is not zero');
    });
    return this.submit(() => { array.zeroed += bytes; });
  }
}

export class FakeCore implements MemoryCore {
  readonly device = 0;
  readonly driver: DriverCalls;
  changes = 0;
  private polls: (() => boolean)[] = [];

  constructor(readonly fake: FakeDriver) {
    this.driver = fake.api;
  }

  internalContext(): number {
    return 7;
  }

  enter(): void {}

  unregisterHost(address: number, then: () => void): void {
    this.driver.cuMemHostUnregister(address);
    then();
  }

  poll(check: () => boolean): void {
    this.polls.push(check);
  }

  usageChanged(): void {
    this.changes++;
  }

  /** One turn of the loop. */
  turn(): void {
    const polls = this.polls;
    this.polls = [];
    for (const check of polls) if (!check()) this.polls.push(check);
  }

  /** Turns until nothing is polled any more. */
  settle(): void {
    for (let i = 0; i < 10_000 && this.polls.length > 0; i++) this.turn();
    if (this.polls.length > 0) broken('polling does not end');
  }

  get idle(): boolean {
    return this.polls.length === 0;
  }
}

export class FakeClient implements MemoryClient {
  readonly handles = new Map<number, { type: number; native: number }>();
  /** Work under way: callbacks of afterWork wait for workDone(). */
  busy = false;
  private readonly waiting: (() => void)[] = [];
  private readonly streams: { stream: object; then: () => void }[] = [];
  readonly notices: { cookie: number; offset: number; length: number; fd: number }[] = [];
  memory!: OneClient;
  nextHandle = 1;

  constructor(readonly id: number) {}

  whenIdle(then: () => void): boolean {
    return this.afterWork(then);
  }

  afterWork(then: () => void): boolean {
    if (this.busy) {
      this.waiting.push(then);
      return false;
    }
    then();
    return true;
  }

  /** As the core does at each submission. */
  work(): void {
    this.busy = true;
    this.memory.submitted++;
  }

  workDone(): void {
    this.busy = false;
    for (const then of this.waiting.splice(0)) then();
  }

  afterStream(stream: object, then: () => void): void {
    this.streams.push({ stream, then });
  }

  /** The stream has got to where it was when afterStream was called last. */
  streamDone(stream: object): void {
    const ready = this.streams.filter((each) => each.stream === stream);
    for (const each of ready) this.streams.splice(this.streams.indexOf(each), 1);
    for (const each of ready) each.then();
  }

  dropHandle(type: number, native: number): void {
    for (const [handle, it] of this.handles) if (it.type === type && it.native === native) this.handles.delete(handle);
  }

  onNotice: ((fd: number) => void) | null = null;

  sendNotice(_type: number, _status: number, cookie: number, offset: number, length: number, fd: number): boolean {
    this.notices.push({ cookie, offset, length, fd });
    this.onNotice?.(fd);
    return true;
  }
}

/** A field of a request: one word, or two ('64'). */
export type Fields = Record<number, number | { u64: number | bigint } | { handle: number }>;

export const u64 = (value: number | bigint): { u64: number | bigint } => ({ u64: value });

const STREAMS: object[] = [{}, {}, {}, {}];

export class Call implements MemoryInvocation {
  readonly words = new Uint32Array(32);
  readonly reply = new Uint32Array(32);
  context = 100;
  found: object | null = null;
  status: number | undefined;
  deferred = false;
  maxHandles = Infinity;

  constructor(readonly client: FakeClient, fields: Fields) {
    for (const [at, value] of Object.entries(fields)) {
      const i = Number(at);
      if (typeof value === 'number') this.words[i] = value;
      else {
        const wide = BigInt('u64' in value ? value.u64 : value.handle);
        this.words[i] = Number(wide & 0xffffffffn);
        this.words[i + 1] = Number(wide >> 32n);
      }
    }
  }

  get memory(): ClientMemory {
    return this.client.memory;
  }

  u32(at: number): number {
    return this.words[at];
  }

  i32(at: number): number {
    return this.words[at] | 0;
  }

  u64(at: number): number {
    return this.words[at + 1] * 4294967296 + this.words[at];
  }

  handle(type: number, at: number): number {
    const it = this.client.handles.get(this.u64(at));
    return it !== undefined && it.type === type ? it.native : -1;
  }

  stream(at: number): number {
    const which = this.u64(at);
    if (which >= STREAMS.length) return -1;
    this.found = STREAMS[which];
    this.client.memory.submitted++;
    return which;
  }

  room(): boolean {
    return this.client.handles.size < this.maxHandles;
  }

  refuse(): number {
    return 2;
  }

  invalid(type: number): number {
    return type === HandleType.pool || type === HandleType.allocation ? 1 : 400;
  }

  addHandle(at: number, type: number, native: number): boolean {
    if (!this.room()) return false;
    const handle = this.client.id * 1_000_000 + this.client.nextHandle++;
    this.client.handles.set(handle, { type, native });
    this.replyU64(at, handle);
    return true;
  }

  findHandle(at: number, type: number, native: number): boolean {
    this.replyU64(at, 0);
    for (const [handle, it] of this.client.handles) {
      if (it.type !== type || it.native !== native) continue;
      this.replyU64(at, handle);
      return true;
    }
    return false;
  }

  removeHandle(type: number, at: number): void {
    if (this.handle(type, at) >= 0) this.client.handles.delete(this.u64(at));
  }

  isNull(at: number): boolean {
    return this.u64(at) === 0;
  }

  replyU32(at: number, value: number): void {
    this.reply[at] = value;
  }

  replyU64(at: number, value: number): void {
    this.reply[at] = value;
    this.reply[at + 1] = Math.floor(value / 4294967296);
  }

  replied(at: number): number {
    return this.reply[at + 1] * 4294967296 + this.reply[at];
  }

  later(): Later {
    this.deferred = true;
    return {
      replyU32: (at, value) => this.replyU32(at, value),
      replyU64: (at, value) => this.replyU64(at, value),
      addHandle: (at, type, native) => !this.client.memory.closed && this.addHandle(at, type, native),
      finish: (status) => {
        if (this.client.memory.closed) return;
        if (this.status !== undefined) broken('a call was answered twice');
        this.status = status;
      },
    };
  }
}

export const stream = (index: number): object => STREAMS[index];

export const TABLE: HandlerTable = new Array(MESSAGE_COUNT);
registerMemoryHandlers(TABLE);

export const LIMITS: ZoneLimits = { memory: 4 * GIB, clients: 64, allocations: 1_000_000, handles: 1_000_000, staging: GIB };

/** A zone over a fake driver. */
export class World {
  readonly fake = new FakeDriver();
  readonly core = new FakeCore(this.fake);
  readonly zone: Zone;
  private nextClient = 1;

  constructor(limits: Partial<ZoneLimits> = {}) {
    this.zone = new Zone(this.core, { ...LIMITS, ...limits });
  }

  client(): FakeClient {
    const client = new FakeClient(this.nextClient++);
    client.memory = this.zone.openClient(client) as OneClient;
    return client;
  }

  /** Runs a call's handler; does not wait for a deferred answer. */
  start(client: FakeClient, message: Message, fields: Fields, context = 100): Call {
    const call = new Call(client, fields);
    call.context = context;
    const status = TABLE[message](call as unknown as Invocation);
    if (status !== -1) {
      if (call.status !== undefined) broken('a call was answered twice');
      call.status = status;
    } else if (!call.deferred) broken('a handler deferred its answer without taking it over');
    return call;
  }

  /** Runs a call and polls until it is answered. */
  call(client: FakeClient, message: Message, fields: Fields, context = 100): Call {
    const call = this.start(client, message, fields, context);
    for (let i = 0; i < 1000 && call.status === undefined; i++) this.core.turn();
    if (call.status === undefined) broken(`${Message[message]} is never answered`);
    return call;
  }

  /** A client goes, as the core does it. */
  end(client: FakeClient): void {
    client.memory.close();
    client.handles.clear();
    client.memory.contextsGone();
    this.core.settle();
  }
}
