/**
 * One client's memory: what it has allocated, what rests, what is cached for it.
 *
 * Device memory of every kind (cuMemAlloc, pitch, stream-ordered) takes one road: the ledger, then a block of the
 * client's own chunks (up to 1 MiB) or an area of its own. Where that needs the driver, the call is answered later, when the
 * memory has been zeroed. Memory that this client freed goes to this client again as it is; only what comes from or goes to
 * others is zeroed. Virtual memory calls, pools, arrays, pinned and managed memory have files of their own and share the counts here.
 */
import { CUresult } from '../../driver/errors.ts';
import { Arrays } from './arrays.ts';
import { Foreign } from './foreign.ts';
import { Heap, SMALL_MAX } from './heap.ts';
import { type Area, AreaKind, UNIT } from './intervals.ts';
import { Imports } from './ipc.ts';
import { ManagedMemory } from './managed.ts';
import { PinnedMemory } from './pinned.ts';
import { Pools } from './pools.ts';
import { type Batch, Rest } from './rest.ts';
import { NodeState } from './tlsf.ts';
import type { ClientMemory, Later, MemoryClient, MemoryInvocation } from './types.ts';
import { VirtualMemory } from './virtual.ts';
import { GRANULE } from './window.ts';
import type { Zone } from './zone.ts';

/** DEFERRED of invocation.ts: the call is answered later. */
export const DEFERRED = -1;

/** Blocks that are freed in one go, with others served between: about 2 ms. */
export const FREED_AT_ONCE = 2048;
/** Large areas that a client freed and may have back as they are. */
const CACHE_BYTES = 64 * 1024 * 1024;
const CACHE_AREAS = 32;

/** What an allocation is asked for with. */
export interface Wanted {
  bytes: number;
  /** AllocKind. */
  kind: number;
  context: number;
  pool: number;
}

/** An allocation that waits for the driver. */
interface Waiting extends Wanted {
  later: Later;
  answer: (later: Later, address: number) => void;
  /** Its context is gone: nobody wants it any more. */
  cancelled: boolean;
}

/** What this folder made for a client; the rest of the executor knows its interface (types.ts). */
export const memoryOf = (holder: { readonly memory: ClientMemory }): OneClient => holder.memory as OneClient;

export class OneClient implements ClientMemory {
  submitted = 0;

  readonly owner: number;
  readonly heap: Heap;
  readonly pools: Pools;
  readonly virtual: VirtualMemory;
  readonly arrays: Arrays;
  readonly pins: PinnedMemory;
  readonly foreign = new Foreign();
  readonly managed: ManagedMemory;
  /** Memory of others that it has opened. */
  readonly imports = new Imports();
  closed = false;
  /** Its work is over, and its memory has gone back. */
  ended = false;

  /** What the ledger counts for this client. */
  private bytes = 0;
  private allocations = 0;
  /** What of it rests (Ledger.resting). */
  private restBytes = 0;
  private restCount = 0;
  /** All large areas of this client: live, resting and cached. */
  private readonly wholes = new Set<Area>();
  private readonly cache: Area[] = [];
  private cacheBytes = 0;

  private readonly waiting: Waiting[] = []; // small ones, for the next chunk
  private readonly making = new Set<Waiting>(); // large ones, under way
  private chunkComing = false;

  /** `submitted` as it was when all work was last known to be done. */
  private quietAt = 0;
  private restStamp = 0;
  private readonly rest: Rest;
  private readonly streamRests = new Map<object, Rest>();

  constructor(readonly zone: Zone, readonly client: MemoryClient, owner: number) {
    this.owner = owner;
    this.heap = new Heap(zone.map, owner);
    this.pools = new Pools(this);
    this.virtual = new VirtualMemory(this);
    this.arrays = new Arrays(this);
    this.pins = new PinnedMemory(this);
    this.managed = new ManagedMemory(this);
    this.rest = new Rest(
      (then) => {
        this.restStamp = this.submitted;
        return this.client.afterWork(then);
      },
      (batch) => {
        this.quietAt = this.restStamp;
        return this.settle(batch);
      },
      (check) => this.zone.core.poll(check),
    );
  }

  // ---- the ledger ----

  get used(): number {
    return this.bytes;
  }

  /** Takes `bytes` of device memory as one allocation; false: the quota says no. */
  take(bytes: number): boolean {
    if (!this.zone.ledger.take(bytes)) return false;
    this.bytes += bytes;
    this.allocations++;
    return true;
  }

  give(bytes: number): void {
    if (this.closed) return; // close() gave everything back in one sum
    this.zone.ledger.give(bytes);
    this.bytes -= bytes;
    this.allocations--;
  }

  /** Memory that the ledger has back begins to rest. */
  restBegins(bytes: number): void {
    this.restBytes += bytes;
    this.restCount++;
    this.zone.ledger.rest(bytes);
  }

  /** It has come back, or is in use again. */
  restEnds(bytes: number): void {
    if (this.closed) return; // all of it in one sum: contextsGone()
    this.restBytes -= bytes;
    this.restCount--;
    this.zone.ledger.rested(bytes);
  }

  // ---- allocation ----

  /** Allocates and answers `v` by `answer` (now, or from polling). `stream`: the object of the stream that orders it, or null.
   *  Answers a CUresult or DEFERRED. */
  allocate(v: MemoryInvocation, wanted: Wanted, stream: object | null, answer: (reply: Later | MemoryInvocation, address: number) => void): number {
    if (!this.take(wanted.bytes)) return CUresult.OUT_OF_MEMORY;
    const address = wanted.bytes <= SMALL_MAX ? this.smallNow(wanted, stream) : this.largeNow(wanted, stream);
    if (address !== 0) {
      answer(v, address);
      return 0;
    }
    const waiting: Waiting = { ...wanted, later: v.later(), answer, cancelled: false };
    if (wanted.bytes <= SMALL_MAX) {
      this.waiting.push(waiting);
      if (!this.chunkComing) this.fetchChunk();
    } else {
      this.making.add(waiting);
      this.makeLarge(waiting);
    }
    return DEFERRED;
  }

  private smallNow(wanted: Wanted, stream: object | null): number {
    const heap = this.heap;
    const { bytes, kind, context, pool } = wanted;
    if (stream !== null) {
      const node = this.streamRests.get(stream)?.takeBlock(heap, Math.ceil(bytes / UNIT)) ?? 0;
      if (node !== 0) {
        this.restEnds(heap.bytes[node]);
        heap.revive(node, bytes, this.zone.nextId++, kind, context, pool);
        return heap.address(node);
      }
    }
    let node = heap.allocate(bytes, kind, context, pool, this.zone.nextId++);
    if (node === 0 && !this.chunkComing) {
      const chunk = this.zone.stock.takeChunk();
      if (chunk === null) return 0;
      heap.addChunk(chunk);
      node = heap.allocate(bytes, kind, context, pool, this.zone.nextId++);
    }
    return node === 0 ? 0 : heap.address(node);
  }

  private largeNow(wanted: Wanted, stream: object | null): number {
    const granules = Math.ceil(wanted.bytes / GRANULE);
    let area = stream === null ? null : (this.streamRests.get(stream)?.takeArea(granules) ?? null);
    if (area !== null) this.restEnds(area.bytes);
    else {
      const at = this.cache.findIndex((each) => each.granules === granules);
      if (at >= 0) {
        area = this.cache.splice(at, 1)[0];
        this.cacheBytes -= area.granules * GRANULE;
      }
    }
    if (area === null) return 0;
    this.enliven(area, wanted);
    return area.start;
  }

  private enliven(area: Area, wanted: Wanted): void {
    area.owner = this.owner;
    area.bytes = wanted.bytes;
    area.state = NodeState.live;
    area.tag = { kind: wanted.kind, context: wanted.context, pool: wanted.pool };
    area.id = this.zone.nextId++;
    this.wholes.add(area);
  }

  /** As stock.make, which it tries once more, where memory is wanting, when what rests has come back. `done` may be called at once. */
  make(kind: AreaKind, bytes: number, done: (status: number, area: Area | null) => void): void {
    const attempt = (retry: boolean): void => {
      const failed = (status: number): void => {
        if (retry && status === CUresult.OUT_OF_MEMORY && !this.closed && this.expecting) this.whenQuiet(() => attempt(false));
        else done(status, null);
      };
      if (this.closed) return failed(CUresult.CONTEXT_IS_DESTROYED);
      const status = this.zone.stock.make(kind, bytes, (late, area) => (area === null ? failed(late) : done(0, area)));
      if (status !== 0) failed(status);
    };
    attempt(true);
  }

  private fetchChunk(): void {
    if (this.closed) return;
    this.chunkComing = true;
    this.make(AreaKind.chunk, GRANULE, (status, chunk) => {
      this.chunkComing = false;
      if (chunk === null) {
        for (const each of this.waiting.splice(0)) this.fail(each, status);
        return;
      }
      if (this.closed) return this.zone.stock.keep(chunk);
      this.heap.addChunk(chunk);
      this.serveWaiting();
    });
  }

  private serveWaiting(): void {
    while (this.waiting.length > 0) {
      const next = this.waiting[0];
      if (next.cancelled) {
        this.waiting.shift();
        continue;
      }
      const address = this.smallNow(next, null);
      if (address === 0) return this.fetchChunk();
      this.waiting.shift();
      next.answer(next.later, address);
      next.later.finish(0);
    }
  }

  private makeLarge(waiting: Waiting): void {
    this.make(AreaKind.whole, waiting.bytes, (status, area) => {
      this.making.delete(waiting);
      if (area === null) return this.fail(waiting, status);
      if (this.closed || waiting.cancelled) return this.zone.stock.reclaim(area);
      this.enliven(area, waiting);
      waiting.answer(waiting.later, area.start);
      waiting.later.finish(0);
    });
  }

  private fail(waiting: Waiting, status: number): void {
    if (waiting.cancelled) return;
    this.pools.gave(waiting.pool, waiting.bytes);
    this.give(waiting.bytes);
    waiting.later.finish(status);
  }

  /** Whether memory may come back without anyone's doing: refused by the driver, a retry makes sense when it has. */
  get expecting(): boolean {
    return this.restCount > 0 || this.zone.ending > 0;
  }

  /** Gives empty chunks and cached areas to the stock. Answers whether there were any. */
  trim(): boolean {
    let any = this.cache.length > 0;
    for (const area of this.cache.splice(0)) this.dropWhole(area);
    this.cacheBytes = 0;
    for (let chunk = this.heap.dropEmpty(); chunk !== null; chunk = this.heap.dropEmpty()) {
      this.zone.stock.reclaim(chunk);
      any = true;
    }
    return any;
  }

  /** Bytes that this client has freed and keeps. */
  get cachedBytes(): number {
    return this.cacheBytes;
  }

  /** Calls back, from polling, when the client's work so far is done and what rested for it is free. */
  private whenQuiet(then: () => void): void {
    let quiet = false;
    this.client.afterWork(() => { quiet = true; });
    this.zone.core.poll(() => {
      if (!this.closed && (!quiet || (this.zone.ledger.crowded && this.expecting))) return false;
      this.zone.giveUpKept(); // what rested is among it now
      then();
      return true;
    });
  }

  // ---- release ----

  /** Whether nothing of this client has been under way since it was last known to be done. */
  get quiet(): boolean {
    return this.submitted === this.quietAt;
  }

  /** GPU_FREE. `stream`: the free is ordered by it; null: by everything that this client has given the GPU. */
  free(address: number, stream: object | null): number {
    if (this.zone.host.holds(address)) return stream === null && this.managed.free(address) ? 0 : CUresult.INVALID_VALUE;
    const area = this.zone.map.at(address);
    if (area === null || area.owner !== this.owner) return CUresult.INVALID_VALUE;
    if (area.kind === AreaKind.chunk) {
      const node = this.zone.map.block(area, address);
      if (node === 0 || this.heap.address(node) !== address) return CUresult.INVALID_VALUE;
      this.freeBlock(node, stream);
      return 0;
    }
    if (area.kind !== AreaKind.whole || area.state !== NodeState.live || area.start !== address) return CUresult.INVALID_VALUE;
    this.freeWhole(area, stream);
    return 0;
  }

  private freeBlock(node: number, stream: object | null): void {
    const heap = this.heap;
    const bytes = heap.bytes[node];
    if (heap.pool[node] !== 0) this.pools.gave(heap.pool[node], bytes);
    if (this.zone.ipc.freed(heap.address(node))) return this.leave(this.zone.map.at(heap.address(node))!, node, bytes);
    this.give(bytes);
    if (stream === null && this.quiet) return this.releaseBlock(node);
    this.restBegins(bytes);
    heap.rest(node);
    this.restOf(stream).addBlock(node, heap.epoch[node]);
  }

  private freeWhole(area: Area, stream: object | null): void {
    this.pools.gave(area.tag!.pool, area.bytes);
    if (this.zone.ipc.freed(area.start)) return this.leave(area, 0, area.bytes);
    this.give(area.bytes);
    area.state = NodeState.resting;
    area.epoch++;
    if (stream === null && this.quiet) return this.releaseWhole(area);
    this.restBegins(area.bytes);
    this.restOf(stream).addArea(area);
  }

  /** The zone keeps paying for what others of its clients have: it is not in this client's sum any more. */
  leaveCharge(bytes: number): void {
    this.bytes -= bytes;
    this.allocations--;
  }

  /** Others have it open: it is not this client's any more, neither to use nor to pay for. */
  leave(area: Area, node: number, bytes: number): void {
    this.leaveCharge(bytes);
    if (node !== 0) return this.heap.rest(node);
    area.state = NodeState.resting;
    area.epoch++;
    this.wholes.delete(area);
  }

  /** The others have closed it: it goes when this client's own work is done. */
  adopt(area: Area, node: number): void {
    if (node === 0) this.wholes.add(area);
    if (this.closed) return; // contextsGone() takes all
    this.client.afterWork(() => {
      if (this.closed) return;
      if (node === 0) this.dropWhole(area);
      else this.releaseBlock(node);
    });
  }

  private restOf(stream: object | null): Rest {
    if (stream === null) return this.rest;
    let rest = this.streamRests.get(stream);
    if (rest === undefined) {
      rest = new Rest(
        (then) => {
          this.client.afterStream(stream, then);
          return false;
        },
        (batch) => this.settle(batch),
        (check) => this.zone.core.poll(check),
        () => this.streamRests.delete(stream),
      );
      this.streamRests.set(stream, rest);
    }
    return rest;
  }

  /** Frees what has rested, or a part; whether nothing is left. */
  private settle(batch: Batch): boolean {
    if (this.closed) {
      batch.clear();
      return true;
    }
    return batch.settle(this.heap, (node) => {
      this.restEnds(this.heap.bytes[node]);
      this.releaseBlock(node);
    }, (area) => {
      this.restEnds(area.bytes);
      this.releaseWhole(area);
    }, FREED_AT_ONCE);
  }

  private releaseBlock(node: number): void {
    const chunk = this.heap.release(node);
    if (chunk !== null) this.zone.stock.recycle(chunk);
  }

  private releaseWhole(area: Area): void {
    const bytes = area.granules * GRANULE;
    area.state = NodeState.free;
    if (this.cacheBytes + bytes > CACHE_BYTES || this.cache.length >= CACHE_AREAS || this.zone.stock.full) return this.dropWhole(area);
    this.cacheBytes += bytes;
    this.cache.push(area);
  }

  private dropWhole(area: Area): void {
    this.wholes.delete(area);
    this.zone.stock.reclaim(area);
  }

  // ---- the end of contexts and of the client ----

  *contextGoing(context: number): Generator<void, void> {
    for (const each of [...this.waiting, ...this.making]) {
      if (each.context !== context || each.cancelled) continue;
      this.fail(each, CUresult.CONTEXT_IS_DESTROYED);
      each.cancelled = true;
    }
    let done = 0;
    for (const node of this.heap.live()) {
      if (this.heap.context[node] !== context) continue;
      this.freeBlock(node, null);
      if (++done % FREED_AT_ONCE !== 0) continue;
      yield;
      if (this.closed) return;
    }
    for (const area of [...this.wholes]) if (area.state === NodeState.live && area.tag!.context === context) this.freeWhole(area, null);
    this.arrays.contextGone(context);
    yield* this.managed.contextGoing(context);
    if (this.closed) return;
    this.zone.ipc.contextGone(this, context);
  }

  pinned(id: number): { address: number; bytes: number } | undefined {
    return this.pins.find(id);
  }

  close(): void {
    if (this.closed) return;
    const { ledger } = this.zone;
    this.zone.ipc.ending(this);
    this.virtual.ending();
    this.pools.end();
    ledger.give(this.bytes, this.allocations);
    // The card has it back when this client's work has ended: contextsGone().
    ledger.rest(this.bytes, this.allocations);
    this.zone.ending++;
    this.pins.giveStaging();
    this.closed = true;
    this.zone.clients.delete(this);
    this.waiting.length = 0;
    this.rest.clear();
    for (const rest of this.streamRests.values()) rest.clear();
  }

  contextsGone(): void {
    this.close();
    this.zone.ending--;
    this.zone.ledger.rested(this.bytes + this.restBytes, this.allocations + this.restCount);
    const stock = this.zone.stock;
    this.zone.ipc.ended(this);
    for (const chunk of this.heap.dropAll()) if (!this.zone.ipc.holds(chunk)) stock.recycle(chunk);
    for (const area of this.wholes) stock.reclaim(area);
    this.wholes.clear();
    this.cache.length = 0;
    this.ended = true;
    this.virtual.end();
    this.pins.end();
    this.managed.end();
    this.arrays.end();
  }
}
