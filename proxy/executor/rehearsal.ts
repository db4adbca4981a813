/**
 * What a spare executor does while it waits for a zone: it serves a client of its own making, from the hello to the hang-up.
 *
 * JavaScript is slow the first time: each function is compiled when it is first called, the driver's functions are bound when they
 * are first read, and a loop is compiled well only after it has gone round some thousand times. A first client would wait for all of that, most
 * of 15 ms. Afterwards the rehearsed zone is gone, its context and its memory with it; what stays is code.
 *
 * Compiled code stands on what was seen when it was made, and is thrown away when something new is: a field that had only one value has another,
 * a branch is taken for the first time. So a first, short visit shows all there is, a client's end included, before the long one makes code hot, and
 * the long one goes on showing what is rare (odd()). `--trace-deopt` tells what is missing.
 *
 * On the software GPU always, also beside a real driver: a context takes hundreds of MiB of a real card and a tenth of a second, and spares hold nothing of it.
 */
import koffi from 'koffi';
import { HELLO_BYTES, HELLO_MAGIC } from '../../idm/hello.ts';
import { PROTOCOL, Region, Slot } from '../../idm/region.ts';
import { BATCH_BYTES, RECORD_HEADER, RECORD_MAX, RecordWord, RingWriter, SLOT_POSTED, wordAt } from '../../idm/ring.ts';
import type { OpenDriver } from '../driver/devices.ts';
import { addressOf } from '../driver/driver.ts';
import { AllocKind, GpuAlloc, GpuCopy, GpuSet, GpuSync, HostAlloc, Message, MESSAGES, Place, SyncScope, TABLE_HASH } from '../generated/messages.ts';
import { close, NONE } from '../passed.ts';
import { TURNS_BYTES, type ZoneRecord } from '../supervisor/messages.ts';
import type { Client } from './client.ts';
import { Executor } from './executor.ts';
import { type HandlerTable, makeHandlers } from './handlers/table.ts';
import { log } from './log.ts';
import { registerMemoryHandlers } from './memory/handlers.ts';
import { GRANULE } from './memory/window.ts';
import { createZoneMemory } from './memory/zone.ts';
import { currentCore, mapShared, send } from './system.ts';
import { Turns } from './turns.ts';
import { Zone } from './zone.ts';

const MIB = 1 << 20;
const RECORD: ZoneRecord = {
  name: 'rehearsal', device: 0, uid: null, token: null,
  limits: { memory: 8 * MIB, clients: 2, allocations: 64, handles: 64, staging: 64 * MIB },
};
/** A card of which less than this is free is somebody's: its zones shall not miss the two granules that a rehearsal borrows. */
const FREE_SHARE = 0.5;

/** Rounds of each call: V8 compiles well what has gone round some thousand times. */
const HOT = 1500;
const WARM_EVERY = 2;
const ODD_EVERY = 100;
const ODD_ROUNDS = 8;
/** A dozen and a half times so many turns, and how long one is waited for while another has it. */
const TURNS = 200;
const QUEUED_MS = 0.003;
/** A core that no machine has; and after how many turns a client sleeps on ours instead, which we leave then. */
const NO_CORE = 1 << 20;
const MOVE_EVERY = 32;
/** So many that ROUND_MS, shared out among them and ourselves, is no whole number. */
const RIVALS = 5;
/** Pieces of a large copy: more than the loop serves without a look at the clock. */
const PIECES = 24;
const PIECE = 4096;
const BULK_ROUNDS = 2;
/** Smaller than a record's header. */
const GAP = 16;
const MANY = 300;
const MANY_TIMES = 20;
/** In units of 4 GiB. */
const TOO_MANY = 1 << 16;
/** How long a sleep may be that a doorbell ends at once; not whole, as hardly any is. */
const NAP_MS = 0.15;
/** Clients that come and go. */
const VISITS = 24;
/** So much is set by the GPU's own thread, and done while the loop looks for it. */
const LARGE = MIB;
/** A rehearsal that gets stuck is given up: one that others leave no core takes its time. */
const WITHIN_MS = 20_000;
/** The GPU has nothing to do for us that takes so long. */
const SETTLED_MS = 1000;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;

export type Fields = readonly (readonly [word: number, value: number])[];

type Words = readonly [low: number, high: number];

export type Play = (call: Caller, stage: Rehearsal) => Promise<void>;

/** One rehearsal. Ends by itself, or when told to. */
export class Rehearsal {
  readonly executor: Executor;
  readonly zone: Zone;
  readonly turns: Turns;
  /** Other executors of the crowd, whose turn it may be. */
  readonly rivals: readonly Turns[];
  private readonly socketpair = koffi.load(null).func('int socketpair(int domain, int type, int protocol, uintptr_t pair)');
  private visits = 0;
  /** Clients of whom nothing is left. */
  private gone = 0;
  private readonly began = performance.now();
  private told = false;
  readonly handlers: HandlerTable;

  /** `over` is called, later, when nothing of it is left, with what went wrong, null: nothing; `play`: what the client does (the harness has another one, perf/inside.ts).
   *  Throws when the driver refuses what it needs. */
  constructor({ driver, version, devices: [device] }: OpenDriver, private readonly over: (wrong: unknown) => void, private readonly play: Play = rehearse) {
    this.handlers = makeHandlers(registerMemoryHandlers);
    if (device === undefined) throw new Error('the driver has no device');
    this.executor = new Executor(driver, device.device, RECORD.limits, () => undefined);
    if (this.executor.internalContext() === 0) throw new Error('the driver makes no context');
    this.executor.memory = createZoneMemory(this.executor, RECORD.limits);
    // Where the real ones are mapped: far above the addresses that V8 takes for small numbers, as a small heap's are.
    const page = new Int32Array(mapShared(NONE, TURNS_BYTES));
    this.turns = new Turns(page, 2);
    this.rivals = Array.from({ length: RIVALS }, () => new Turns(page, 2));
    this.zone = new Zone(RECORD, this.executor, this.handlers, device, version, {
      clientGone: () => this.gone++,
      deserted: () => undefined,
      called: () => undefined,
    }, this.turns);
    this.zone.sleepsFor(0);
    this.executor.onWork = () => this.zone.wake();
    void this.run().then(() => null, (error: unknown) => error).then((wrong) => this.zone.stop(() => void this.leave(wrong)));
  }

  /** Ends it early: `over` will be called soon. */
  stop(): void {
    this.told = true;
  }

  private async run(): Promise<void> {
    await this.visit(once);
    for (let visit = 0; visit < VISITS; visit++) await this.visit(glance);
    await this.visit(this.play);
  }

  /** A client that comes, does what `play` says, and hangs up. */
  private async visit(play: Play): Promise<void> {
    const { clients } = this.executor;
    const pair = new Int32Array(2);
    if (this.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, addressOf(pair)) !== 0) throw new Error(`no pair of sockets: errno ${koffi.errno()}`);
    const fd = pair[1];
    try {
      this.zone.connect(++this.visits, pair[0]);
      const hello = Buffer.alloc(HELLO_BYTES);
      hello.writeBigUInt64LE(HELLO_MAGIC, 0);
      hello.writeUInt32LE(HELLO_BYTES, 8);
      hello.writeUInt32LE(PROTOCOL, 12);
      hello.writeUInt32LE(TABLE_HASH, 16);
      hello.writeUInt32LE(process.pid, 20);
      send(fd, hello);
      while (clients.length === 0) {
        if (this.gone === this.visits) throw new Error('a client was turned away');
        await this.turn();
      }
      await this.turn();
      const client = clients[0];
      const call = new Caller(client, this.zone, fd, () => this.turn());
      await call.waited(Message.CTX_PRIMARY_RETAIN);
      call.context = [this.executor.handles.lowOf(client.primary.row), this.executor.handles.highOf(client.primary.row)];
      await play(call, this);
    } finally {
      close(fd);
      // Found where the loop sleeps.
      this.zone.sleepsFor(NAP_MS);
      this.zone.rang();
      this.zone.sleepsFor(0);
    }
    // What it held is given back on another thread, which may have to wait for a core longer than clients come and go.
    while (this.gone !== this.visits) await this.turn();
  }

  get isTold(): boolean {
    return this.told;
  }

  /** Lets the process do whatever else it has to do. Throws when it has taken too long, or is over. */
  async turn(): Promise<void> {
    await new Promise<void>((done) => setImmediate(done));
    if (this.told || performance.now() - this.began > WITHIN_MS) throw new Error('given up');
  }

  cardIsFree(): boolean {
    const { executor } = this;
    executor.enter(executor.internalContext());
    if (executor.driver.cuMemGetInfo_v2(executor.scratch, executor.scratch + 8) !== 0) return false;
    const [free, total] = new BigUint64Array(executor.scratchBytes.buffer, executor.scratchBytes.byteOffset, 2);
    return Number(free) > Number(total) * FREE_SHARE;
  }

  /** Memory that is being zeroed for its next owner cannot be given back before that is done: it would stay on the card for as long as the process lives. */
  private async leave(wrong: unknown): Promise<void> {
    const { work, memory } = this.executor;
    work.close();
    for (const end = performance.now() + SETTLED_MS; work.pending && performance.now() < end; work.pollAll()) await new Promise<void>((done) => setImmediate(done));
    memory.destroy();
    this.executor.release();
    log.debug({ ms: Math.round(performance.now() - this.began), ...(wrong !== null && { wrong: String(wrong) }) }, 'rehearsed');
    this.over(wrong);
  }
}

/** What the rounds of a visit are made of. */
class Calls {
  private constructor(
    private readonly call: Caller,
    private readonly stage: Rehearsal,
    private readonly stream: Words,
    private readonly event: Words,
    private readonly memory: Words,
    private readonly large: Words,
    private readonly pinned: Words,
  ) {}

  /** null: the card is somebody's. */
  static async prepare(call: Caller, stage: Rehearsal): Promise<Calls | null> {
    await call.waited(Message.cuStreamCreate, [[0, 1]]);
    const stream = call.reply();
    await call.waited(Message.cuEventCreate, [[0, 2]]);
    const event = call.reply();
    if (!stage.cardIsFree()) return null;
    await call.waited(Message.GPU_ALLOC, allocation(4096));
    const memory = call.reply();
    await call.waited(Message.GPU_ALLOC, allocation(GRANULE));
    const large = call.reply();
    await call.waited(Message.HOST_ALLOC, [[HostAlloc.bytes, LARGE]]);
    return new Calls(call, stage, stream, event, memory, large, call.reply());
  }

  /** A waited call; now and then what else is common. */
  async round(round: number): Promise<void> {
    const { call } = this;
    await call.waited(Message.cuCtxGetStreamPriorityRange);
    if (round % WARM_EVERY !== 0) return;
    await call.waited(Message.cuStreamQuery, at(0, this.stream));
    call.posted(Message.cuEventRecord, [...at(0, this.event), ...at(2, this.stream)]);
    call.posted(Message.GPU_SET, this.set(this.memory, 4));
    await call.waited(Message.GPU_ALLOC, allocation(4096));
    await call.waited(Message.GPU_FREE, at(0, call.reply()));
    const line: Fields = [[GpuCopy.rows, 1], [GpuCopy.depth, 1]];
    const there: Fields = [...line, [GpuCopy.dst_place, Place.device], ...at(GpuCopy.dst_base, this.memory)];
    await call.waited(Message.GPU_COPY, [...there, [GpuCopy.src_place, Place.inline], [GpuCopy.width, 64]], 64);
    await call.waited(Message.GPU_COPY, [...line, [GpuCopy.src_place, Place.device], ...at(GpuCopy.src_base, this.memory), [GpuCopy.dst_place, Place.inline], [GpuCopy.width, 64]]);
    await call.waited(Message.GPU_COPY, [...there, [GpuCopy.src_place, Place.staging], [GpuCopy.width, 4096]]);
    await this.sync();
  }

  /** What a loop in use comes to now and then: a rest, a doorbell while it sleeps, a turn that lasts, a crowd, work that ends while it is looked for. */
  async odd(): Promise<void> {
    const { call, stage } = this;
    stage.zone.rehearseRest(true);
    for (let round = 0; round < ODD_ROUNDS; round++) {
      await call.waited(Message.cuCtxGetStreamPriorityRange);
      await stage.turn();
    }
    stage.zone.rehearseRest(false);
    stage.zone.sleepsFor(NAP_MS);
    for (let round = 0; round < ODD_ROUNDS; round++) call.finds();
    await this.bulk();
    stage.zone.sleepsFor(0);
    await stage.turn();
    await this.copies();
    stage.zone.rehearseReturn(true);
    await this.copies();
    stage.zone.rehearseReturn(false);
    await stage.turn();
    await this.many();
    await this.work();
    stage.zone.setCrowded(true);
    for (let round = 0; round < ODD_ROUNDS; round++) await this.round(round);
    await this.many();
    stage.rivals[0].take(0);
    await this.work();
    stage.rivals[0].give();
    stage.turns.rehearse(true);
    for (let round = 0; round < ODD_ROUNDS; round++) {
      call.ring();
      call.sleeps(NO_CORE);
      await call.waited(Message.cuCtxGetStreamPriorityRange);
      call.more();
      await call.waited(Message.cuCtxGetStreamPriorityRange);
    }
    await this.crowd();
    stage.turns.rehearse(false);
    await this.work();
    stage.zone.setCrowded(false);
  }

  /** Turns that come and go: what passes them on runs once a turn, with cold caches, and is worth being compiled well all the more. */
  private async crowd(): Promise<void> {
    const { call } = this;
    const { turns, rivals } = this.stage;
    for (let turn = 0; turn < TURNS; turn++) {
      call.sleeps(turn % MOVE_EVERY === 0 ? currentCore() : NO_CORE);
      await call.waited(Message.cuCtxGetStreamPriorityRange);
      // Somebody has the turn, others queue before and behind us, and one of them goes away.
      for (const rival of rivals) rival.queue();
      turns.queue();
      rivals[0].take(0);
      turns.take(QUEUED_MS);
      rivals[0].give();
      turns.take(QUEUED_MS);
      for (const rival of rivals) rival.give();
      turns.take(0);
      rivals[0].queue();
      turns.queue();
      rivals[0].take(0);
      rivals[0].give();
      turns.take(0);
      turns.give();
    }
  }

  /** Copies that the GPU's own thread makes, whose end can be foretold. */
  private async bulk(): Promise<void> {
    const { call } = this;
    const whole: Fields = [[GpuCopy.rows, 1], [GpuCopy.depth, 1], [GpuCopy.width, LARGE], ...at(GpuCopy.stream, this.stream)];
    for (let round = 0; round < BULK_ROUNDS; round++) {
      await call.waited(Message.GPU_COPY, [...whole, [GpuCopy.src_place, Place.pinned], ...at(GpuCopy.src_base, this.pinned), [GpuCopy.dst_place, Place.device], ...at(GpuCopy.dst_base, this.large)]);
      await call.waited(Message.GPU_COPY, [...whole, [GpuCopy.src_place, Place.device], ...at(GpuCopy.src_base, this.large), [GpuCopy.dst_place, Place.pinned], ...at(GpuCopy.dst_base, this.pinned)]);
    }
  }

  /** Large copies' pieces, as libvgpu cuts them. */
  private async copies(): Promise<void> {
    const { call } = this;
    const piece: Fields = [[GpuCopy.rows, 1], [GpuCopy.depth, 1], [GpuCopy.width, PIECE], [GpuCopy.chunks, 1], ...at(GpuCopy.stream, this.stream)];
    for (const memory of [this.memory, this.large]) {
      call.waits();
      for (let i = 0; i < PIECES; i++) call.posted(Message.GPU_COPY, [...piece, [GpuCopy.src_place, Place.staging], [GpuCopy.dst_place, Place.device], ...at(GpuCopy.dst_base, memory)]);
      for (let i = 0; i < PIECES; i++) await call.waited(Message.GPU_COPY, [...piece, [GpuCopy.src_place, Place.device], ...at(GpuCopy.src_base, memory), [GpuCopy.dst_place, Place.staging]]);
    }
    await this.sync();
  }

  /** More calls than are served in one go, and a request that no quota grants. */
  async many(): Promise<void> {
    const { call, stage } = this;
    call.waits();
    for (let i = 0; i < MANY; i++) {
      call.posted(Message.cuEventRecord, [...at(0, this.event), ...at(2, this.stream)]);
      call.write(Message.cuCtxGetStreamPriorityRange, [], 0, 0);
    }
    stage.zone.rang();
    await this.sync();
    await call.waited(Message.GPU_ALLOC, [[GpuAlloc.kind, AllocKind.device], [GpuAlloc.bytes, 1], [GpuAlloc.bytes + 1, TOO_MANY]]);
  }

  private async work(): Promise<void> {
    for (let round = 0; round < ODD_ROUNDS; round++) {
      this.call.posted(Message.GPU_SET, this.set(this.large, LARGE));
      await this.sync();
    }
  }

  private set(where: Words, bytes: number): Fields {
    return [...at(GpuSet.address, where), [GpuSet.width, bytes], [GpuSet.rows, 1], [GpuSet.element, 1], ...at(GpuSet.stream, this.stream)];
  }

  private sync(): Promise<void> {
    return this.call.waited(Message.GPU_SYNC, [[GpuSync.scope, SyncScope.stream], ...at(GpuSync.target, this.stream)]);
  }
}

const at = (word: number, [low, high]: Words): Fields => [[word, low], [word + 1, high]];
const allocation = (bytes: number): Fields => [[GpuAlloc.kind, AllocKind.device], [GpuAlloc.bytes, bytes]];

/** The first visit: everything a few times, and nothing often enough to be compiled well. */
async function once(call: Caller, stage: Rehearsal): Promise<void> {
  const calls = await Calls.prepare(call, stage);
  if (calls === null) return;
  // First: what is called less often than once in seven times that its caller is called, V8 does not build into it, and a loop that looks for work calls for nothing.
  for (let time = 0; time < MANY_TIMES; time++) {
    await calls.many();
    await stage.turn();
  }
  for (let round = 0; round < WARM_EVERY; round++) await calls.round(round);
  await call.wrap();
  await calls.odd();
}

/** As short as a client's time can be: what its coming and going runs is compiled. */
async function glance(call: Caller): Promise<void> {
  await call.waited(Message.cuCtxGetStreamPriorityRange);
}

/** Every common call, until it is compiled well. */
async function rehearse(call: Caller, stage: Rehearsal): Promise<void> {
  const calls = await Calls.prepare(call, stage);
  for (let round = 0; calls !== null && round < HOT && !stage.isTold; round++) {
    await calls.round(round);
    if (round % ODD_EVERY === 0) await calls.odd();
    // A zone that comes now waits for no more than this.
    if (round % 20 === 0) await stage.turn();
  }
}

/** The client's half, in the same thread: what it writes is served before it looks for the answer. */
export class Caller {
  context: readonly [number, number] = [0, 0];
  private readonly writer: RingWriter;
  private readonly words: Int32Array;
  private readonly slot: number;
  private readonly ringUnits: number;
  private ticket = 0;

  constructor(client: Client, private readonly zone: Zone, private readonly fd: number, private readonly turn: () => Promise<void>) {
    this.words = client.region.words;
    this.writer = new RingWriter(this.words, client.region.shape);
    this.slot = wordAt(client.region.shape.slots);
    this.ringUnits = client.region.shape.ringUnits;
  }

  /** A doorbell that nobody waited for. */
  ring(): void {
    send(this.fd, bell);
  }

  /** A doorbell that is found where the loop sleeps: it had looked at the ring before. */
  finds(): void {
    this.ring();
    this.zone.rang();
  }

  /** As if others of the client's threads waited for room in the ring and for chunks. */
  waits(): void {
    Atomics.store(this.words, wordAt(Region.producersWaiting), 1);
    Atomics.store(this.words, wordAt(Region.stagingWaiting), 1);
  }

  /** Goes on to the ring's end, and leaves a gap there in which no record fits. */
  async wrap(): Promise<void> {
    for (;;) {
      const left = (this.ringUnits - (this.words[wordAt(Region.tail)] & (this.ringUnits - 1))) * 8 - GAP;
      if (left >= RECORD_HEADER) this.writer.abort(this.writer.claim(Math.min(left, RECORD_MAX)));
      await this.waited(Message.cuCtxGetStreamPriorityRange);
      if (left <= RECORD_MAX) return;
    }
  }

  /** More than is taken in one go, so that something is left at its end: the beginning of the client's next call, as far as turns are concerned. */
  more(): void {
    for (let bytes = 0; bytes <= BATCH_BYTES; bytes += RECORD_MAX) this.writer.abort(this.writer.claim(RECORD_MAX));
  }

  /** Has the next answer wake whoever sleeps for it, on `core`. */
  sleeps(core: number): void {
    this.words[wordAt(Region.core)] = core + 1;
    Atomics.store(this.words, this.slot + (Slot.sleeping >> 2), 1);
  }

  posted(message: Message, fields: Fields): void {
    this.write(message, fields, SLOT_POSTED, 0);
  }

  /** Writes the call, has it served, and waits for the answer, whatever it is. */
  async waited(message: Message, fields: Fields = [], tail = 0): Promise<void> {
    this.ticket = (this.ticket + 1) | 0 || 1;
    const rings = this.write(message, fields, 0, tail);
    if (rings) send(this.fd, bell);
    this.zone.rang();
    while (Atomics.load(this.words, this.slot) !== this.ticket) await this.turn();
  }

  /** The first two words of the last answer. */
  reply(): [number, number] {
    const at = this.slot + (Slot.payload >> 2);
    return [this.words[at], this.words[at + 1]];
  }

  /** Commits a record; whether the doorbell should be rung. Waited ones have the last ticket. */
  write(message: Message, fields: Fields, slot: number, tail: number): boolean {
    const request = MESSAGES[message].request;
    const at = this.writer.claim(RECORD_HEADER + request + tail);
    if (at < 0) throw new Error('the ring is full');
    const { words } = this;
    words[at + RecordWord.callAndSlot] = message | (slot << 16);
    words[at + RecordWord.ticket] = slot === SLOT_POSTED ? 0 : this.ticket;
    words[at + RecordWord.contextLow] = this.context[0];
    words[at + RecordWord.contextHigh] = this.context[1];
    for (let i = 0; i < request >> 2; i++) words[at + RecordWord.payload + i] = 0;
    for (const [word, value] of fields) words[at + RecordWord.payload + word] = value;
    return this.writer.commit(at);
  }
}

const bell = Buffer.from([1]);
