/**
 * One client's small allocations: blocks of 512-byte units in chunks of 2 MiB that belong to that client alone.
 *
 * An allocation and its release touch no driver: segregated fit over the units (tlsf.ts) and the chunk's table of units, which
 * the interval map reads. Blocks carry the exact bytes asked for; checks go by these, not by the rounded size.
 */
import { type AddressMap, type Area, type Tag, UNIT, UNITS } from './intervals.ts';
import { doubled, NodeState, Tlsf } from './tlsf.ts';

/** The largest allocation that comes from a chunk. */
export const SMALL_MAX = 1024 * 1024;

/** Chunks that a heap keeps although they are empty: without one, an allocation and its release at the edge would move one each time. */
const EMPTY_KEPT = 1;

export class Heap {
  readonly blocks = new Tlsf();
  /** By node: bytes asked for, AllocKind, context, pool, buffer id, and how often the node was freed. */
  bytes = new Int32Array(64);
  kind = new Uint8Array(64);
  context = new Float64Array(64);
  pool = new Int32Array(64);
  id = new Float64Array(64);
  epoch = new Int32Array(64);
  readonly chunks = new Set<Area>();
  private readonly empty: Area[] = [];

  constructor(private readonly map: AddressMap, private readonly owner: number) {}

  /** Takes a zeroed chunk, in the map already. */
  addChunk(area: Area): void {
    area.heap = this;
    area.owner = this.owner;
    if (area.cells === null || area.begun === null) {
      area.cells = new Int32Array(UNITS);
      area.begun = new Int32Array(UNITS);
    } else {
      area.cells.fill(0);
      area.begun.fill(0);
    }
    area.emptyNode = this.blocks.addRegion((area.start - this.map.base) / UNIT, UNITS);
    this.chunks.add(area);
    this.empty.push(area);
  }

  /** A block for `bytes` (at most SMALL_MAX) bytes, or 0: another chunk is needed. */
  allocate(bytes: number, kind: number, context: number, pool: number, id: number): number {
    const blocks = this.blocks;
    const units = Math.ceil(bytes / UNIT);
    const node = blocks.allocate(units);
    if (node === 0) return 0;
    if (blocks.capacity > this.bytes.length) this.grow();
    this.bytes[node] = bytes;
    this.kind[node] = kind;
    this.context[node] = context;
    this.pool[node] = pool;
    this.id[node] = id;
    const area = this.map.at(this.address(node))!;
    if (area.emptyNode !== 0) {
      area.emptyNode = 0;
      this.empty.splice(this.empty.indexOf(area), 1);
    }
    const first = blocks.start[node] % UNITS;
    const cells = area.cells!;
    if (units <= 16) for (let i = first; i < first + units; i++) cells[i] = node;
    else cells.fill(node, first, first + units);
    area.begun![first] = bytes;
    return node;
  }

  address(node: number): number {
    return this.map.base + this.blocks.start[node] * UNIT;
  }

  /** The block cannot be used or found any more, nor given out again before release(). */
  rest(node: number): void {
    this.blocks.state[node] = NodeState.resting;
    this.begin(node, 0);
    this.epoch[node]++;
  }

  /** A resting block becomes live again: its old owner's stream orders the old use before the new. */
  revive(node: number, bytes: number, id: number, kind: number, context: number, pool: number): void {
    this.blocks.state[node] = NodeState.live;
    this.begin(node, bytes);
    this.bytes[node] = bytes;
    this.id[node] = id;
    this.kind[node] = kind;
    this.context[node] = context;
    this.pool[node] = pool;
  }

  /** Gives a live or resting block back. Returns a chunk that is empty now and no longer the heap's, or null. */
  release(node: number): Area | null {
    const blocks = this.blocks;
    this.begin(node, 0);
    this.epoch[node]++;
    node = blocks.release(node);
    if (!blocks.whole(node)) return null;
    const area = this.map.at(this.address(node))!;
    area.emptyNode = node;
    this.empty.push(area);
    return this.empty.length > EMPTY_KEPT ? this.dropEmpty() : null;
  }

  /** Gives up an empty chunk; null: there is none. */
  dropEmpty(): Area | null {
    const area = this.empty.shift();
    if (area === undefined) return null;
    this.blocks.removeRegion(area.emptyNode);
    area.emptyNode = 0;
    this.leave(area);
    return area;
  }

  /** Gives up everything, whatever is in it. */
  dropAll(): Area[] {
    const all = [...this.chunks];
    for (const area of all) this.leave(area);
    this.empty.length = 0;
    return all;
  }

  private begin(node: number, bytes: number): void {
    this.map.at(this.address(node))!.begun![this.blocks.start[node] % UNITS] = bytes;
  }

  private leave(area: Area): void {
    this.chunks.delete(area);
    area.heap = null;
    area.owner = 0;
    area.emptyNode = 0;
  }

  /** Live blocks, in no order: for the end of a context. */
  *live(): Iterable<number> {
    const state = this.blocks.state;
    for (let node = 1; node < state.length; node++) if (state[node] === NodeState.live) yield node;
  }

  /** For tests and tags of a block. */
  tag(node: number): Tag {
    return { kind: this.kind[node], context: this.context[node], pool: this.pool[node] };
  }

  private grow(): void {
    const length = this.blocks.capacity;
    while (this.bytes.length < length) {
      const was = this.bytes.length;
      const context = new Float64Array(was * 2);
      context.set(this.context);
      this.context = context;
      const id = new Float64Array(was * 2);
      id.set(this.id);
      this.id = id;
      const kind = new Uint8Array(was * 2);
      kind.set(this.kind);
      this.kind = kind;
      this.bytes = doubled(this.bytes);
      this.pool = doubled(this.pool);
      this.epoch = doubled(this.epoch);
    }
  }
}
