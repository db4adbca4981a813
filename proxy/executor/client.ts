/**
 * One client: a process of the tenant that has loaded libvgpu. Its region, its ring's cursor, its contexts.
 */
import { Region, Slot, SLOT_SIZE } from '../../idm/region.ts';
import { RingReader, wordAt } from '../../idm/ring.ts';
import { ClientCode } from './code/objects.ts';
import { ClientTextures } from './textures/objects.ts';
import type { Reference } from './textures/references.ts';
import type { Context, Stream } from './context.ts';
import type { Executor } from './executor.ts';
import type { HostCallUnderWay } from './handlers/hostcalls.ts';
import { ClientGraphs } from './graphs/handlers.ts';
import { objectList } from './list.ts';
import type { Wait } from './handlers/waits.ts';
import { BusyTimes } from './utilization.ts';
import type { ClientMemory, MemoryClient } from './memory/types.ts';
import { type Output, OUTPUT_MAX } from './printed.ts';
import type { ClientRegion } from './region.ts';
import type { PinnedSlots } from './slots.ts';
import { futexWake, send, Sent } from './system.ts';

const PAYLOAD_WORDS = (SLOT_SIZE - Slot.payload) >> 2;
const noticeBytes = Buffer.allocUnsafeSlow(32);

/** Notices that wait for the client to read; beyond this it is taken for dead. */
const NOTICES_MAX = 65536;

export class Client implements MemoryClient {
  readonly reader: RingReader;
  memory!: ClientMemory;
  /** The whole object as words; an empty array once the region is closed. */
  words: Int32Array;
  readonly empty: Int32Array = new Int32Array(0);
  /** Holds and staging are registered with the driver: done at the first copy or host function that uses them. */
  pinned = false;
  /** The holds' device address; 0: the driver did not take them. */
  holds = 0;
  /** Host functions under way, by cookie. */
  readonly hostCalls = new Map<number, HostCallUnderWay>();
  /** Bytes of the executor's pinned slots that its copies hold. */
  slotBytesHeld = 0;
  /** Stream waits (cuStreamWaitValue*) that may not be over. */
  readonly waits = new Set<Wait>();

  /** The record in hand: word index in `reader.batch`, and where the batch ends. */
  at = 0;
  end = 0;

  /** All contexts of this client that have a handle; the primary one is among them from the start. */
  readonly known = new Set<Context>();
  primary!: Context;
  /** The context that the last record named: look-ups are rare because threads stay in theirs. */
  lastLow = 0;
  lastHigh = 0;
  lastContext: Context | null = null;

  /** Streams that may have work under way. */
  readonly listed = objectList<Stream>();
  readonly busyTimes = new BusyTimes();

  /** Modules, libraries, images. */
  readonly code: ClientCode;

  readonly graphs: ClientGraphs;
  readonly textures = new ClientTextures();
  /** Texture references that the client has made itself. */
  readonly references = new Set<Reference>();

  /** Its code may print: outputs are looked for. */
  printing = false;
  /** What its kernels have printed and it has not fetched (PRINT_READ). */
  readonly output: { file: Output; text: Buffer }[] = [];
  outputBytes = 0;
  /** `memory.submitted` when its output was last known to be complete. */
  printedAt = 0;

  /** No longer served: no answers, no new work. */
  dead = false;
  /** A result of a posted call that named no context. */
  posted = 0;
  /** Calls that wait for an answer. */
  unanswered = 0;
  /** Stuck on a record that something is in the way of (AGAIN). */
  stalled = false;

  private readonly slots: number; // word index of the first slot
  private readonly chunks: number;
  private readonly notices: Buffer[] = [];

  /** `pid`, `program`: as its hello said, for people. `owner`: number of this client in the handle table. `fd`: the connection, this object's to close. */
  constructor(private readonly executor: Executor, readonly owner: number, readonly id: number, public fd: number, readonly region: ClientRegion, readonly pid: number, readonly program: string) {
    this.graphs = new ClientGraphs(executor.graphs);
    this.code = new ClientCode(executor.memory);
    this.words = region.words;
    this.reader = new RingReader(region.words, region.shape);
    this.slots = wordAt(region.shape.slots);
    this.chunks = wordAt(region.shape.chunks);
  }

  /** Writes word `off` of a reply slot's payload. Slot -1: nobody waits. */
  slotWord(slot: number, off: number, value: number): void {
    if (slot < 0 || off >= PAYLOAD_WORDS) return;
    this.words[this.slots + slot * (SLOT_SIZE >> 2) + (Slot.payload >> 2) + off] = value;
  }

  /** Writes the first `bytes` of pinned slot `from` at the start of a reply slot's payload. */
  replySlot(slot: number, slots: PinnedSlots, from: number, bytes: number): void {
    if (slot < 0 || this.dead) return;
    slots.get(from, this.words, this.slots + slot * (SLOT_SIZE >> 2) + (Slot.payload >> 2), bytes);
  }

  /** Publishes a reply; returns the native address of the futex word if the client sleeps on it, else 0. */
  publish(slot: number, ticket: number, status: number, bytes: number): number {
    const words = this.words;
    const at = this.slots + slot * (SLOT_SIZE >> 2);
    words[at + (Slot.status >> 2)] = status;
    words[at + (Slot.length >> 2)] = bytes;
    // Last, and sequentially consistent: what was written before is visible with it, and the look at `sleeping` comes after.
    Atomics.store(words, at, ticket);
    if (Atomics.load(words, at + 1) === 0) return 0;
    Atomics.store(words, at + 1, 0);
    return this.region.base + this.region.shape.slots + slot * SLOT_SIZE;
  }

  /** Wakes the thread whose call is next in the ring, if it sleeps: its answer is under way. Nothing is believed: a word of its own region is woken. */
  wakeEarly(): void {
    const slot = this.reader.nextSlot();
    if (slot >= this.region.shape.slotCount || this.words[this.slots + slot * (SLOT_SIZE >> 2) + 1] === 0) return;
    futexWake(this.region.base + this.region.shape.slots + slot * SLOT_SIZE);
  }

  /** Keeps what its kernels have printed until it fetches it, and lets it know. */
  printed(file: Output, text: Buffer): void {
    this.output.push({ file, text });
    this.outputBytes += text.length;
    while (this.outputBytes > OUTPUT_MAX && this.output.length > 1) this.outputBytes -= this.output.shift()!.text.length;
    if (!this.dead) Atomics.add(this.words, wordAt(Region.printed), 1);
  }

  /** Gives staging chunks back, and wakes who waits for one. */
  freeChunks(first: number, count: number): void {
    if (this.dead) return;
    const words = this.words;
    for (let i = 0; i < count; i++) Atomics.store(words, this.chunks + first + i, 0);
    Atomics.add(words, wordAt(Region.stagingEpoch), 1);
    if (Atomics.load(words, wordAt(Region.stagingWaiting)) === 0) return;
    Atomics.store(words, wordAt(Region.stagingWaiting), 0);
    futexWake(this.region.base + Region.stagingEpoch);
  }

  /** Notes that a stream may have work under way. */
  used(stream: Stream): void {
    stream.listed = true;
    this.listed.push(stream);
    this.executor.utilization.started();
  }

  /** Whether it has a context that is active. */
  get hasContext(): boolean {
    for (const context of this.known) if (context.native !== 0) return true;
    return false;
  }

  /** Forgets the context that the last record named: a handle of a context has changed its meaning. */
  forgetContext(): void {
    this.lastLow = 0;
    this.lastHigh = 0;
    this.lastContext = null;
  }

  /** Takes a stream that is idle off the list; `at`: its index there. */
  quiet(at: number): void {
    this.listed[at].listed = false;
    const last = this.listed.pop()!;
    if (at < this.listed.length) this.listed[at] = last;
  }

  /** Whether a fault of this process may be this client's: it has had one, or has work under way. */
  mayHaveFailed(): boolean {
    for (const context of this.known) if (context.fault !== 0) return true;
    return this.listed.length !== 0;
  }

  afterWork(then: () => void): boolean {
    return this.executor.afterWork(this, null, then);
  }

  whenIdle(then: () => void): boolean {
    return this.executor.whenIdle(this, null, then);
  }

  afterStream(stream: object, then: () => void): void {
    this.executor.work.call(stream as Stream, then);
  }

  dropHandle(type: number, native: number): void {
    const row = this.executor.rowOf(type, this, native);
    if (row >= 0) this.executor.unregister(row);
  }

  /** Sends a notice; one with a descriptor goes now or not at all. False: the client is gone. */
  sendNotice(type: number, status: number, cookie: number, offset: number, length: number, fd: number): boolean {
    return this.notice(type, status, cookie >>> 0, Math.floor(cookie / 4294967296), offset, length, fd);
  }

  notice(type: number, status: number, cookieLow: number, cookieHigh: number, offset = 0, length = 0, fd = -1): boolean {
    if (this.fd < 0) return false;
    const b = noticeBytes;
    b.writeUInt32LE(type, 0);
    b.writeInt32LE(status, 4);
    b.writeUInt32LE(cookieLow >>> 0, 8);
    b.writeUInt32LE(cookieHigh >>> 0, 12);
    b.writeBigUInt64LE(BigInt(offset), 16);
    b.writeBigUInt64LE(BigInt(length), 24);
    if (this.notices.length !== 0) {
      if (fd >= 0 || this.notices.length >= NOTICES_MAX) return false;
      this.notices.push(Buffer.from(b));
      return true;
    }
    const sent = send(this.fd, b, fd);
    if (sent === Sent.all) return true;
    if (sent === Sent.failed || fd >= 0) return false;
    this.notices.push(Buffer.from(b));
    return true;
  }

  /** Whether notices wait until the client reads its socket. */
  get hasNotices(): boolean {
    return this.notices.length !== 0;
  }

  /** Sends what waited. False: the client is gone. */
  flushNotices(): boolean {
    while (this.notices.length !== 0) {
      const sent = send(this.fd, this.notices[0]);
      if (sent === Sent.later) return true;
      if (sent === Sent.failed) return false;
      this.notices.shift();
    }
    return true;
  }
}
