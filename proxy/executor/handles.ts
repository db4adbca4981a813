/**
 * The zone's handles: what clients hold in place of the driver's pointers, which never leave this process.
 *
 *   bits  0-19  index of the row
 *   bits 20-31  generation of the row: a freed handle stays wrong for 4096 reuses of its row
 *   bits 32-58  random, drawn anew at each use of the row: cannot be guessed from another one's
 *   bits 59-63  type (never 0, so that a handle is never one of CUDA's special stream values 0, 1 and 2)
 *
 * A handle belongs to the client that made it; another client of the zone that presents it is refused like one that made it up.
 * Look-up, add and remove are O(1) and allocate nothing; rows are typed arrays that double, and rows of one client form a list,
 * so that a client's end touches only its own.
 */
import { randomFillSync } from 'node:crypto';
import type { HandleType } from '../generated/messages.ts';

const INDEX_BITS = 20;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const GENERATION_MASK = 0xfff;
/** Where the type begins in the high word. */
export const TYPE_SHIFT = 27;
const RANDOM_MASK = (1 << TYPE_SHIFT) - 1;
/** More than there are types. */
export const TYPES_MAX = 32;
export const HANDLES_MAX = 1 << INDEX_BITS;

const NOBODY = -1;

export class HandleTable {
  /** The driver's own value (pointer as a number) by row. */
  native = new Float64Array(0);
  /** What the executor keeps beside it by row: a Stream, a Context, the memory's records. */
  readonly object: (object | null)[] = [];
  /** Live handles of all clients. */
  live = 0;

  private high = new Uint32Array(0); // type and random bits; 0: the row is free
  private generation = new Uint16Array(0);
  private owner = new Int32Array(0);
  private next = new Int32Array(0); // of the owner's list, or of the free list
  private previous = new Int32Array(0);
  private readonly first = new Map<number, number>(); // owner -> first row
  private freeHead = NOBODY;
  private readonly random = new Uint32Array(1024);
  private randomAt = this.random.length;

  /** Registers; returns the row, or -1 when the table is full (HANDLES_MAX). The zone's limit is the caller's to check. */
  add(type: HandleType, owner: number, native: number, object: object | null): number {
    if (this.freeHead === NOBODY && !this.grow()) return -1;
    const row = this.freeHead;
    this.freeHead = this.next[row];
    this.high[row] = ((type << TYPE_SHIFT) | (this.draw() & RANDOM_MASK)) >>> 0;
    this.native[row] = native;
    this.object[row] = object;
    this.owner[row] = owner;
    const head = this.first.get(owner) ?? NOBODY;
    this.next[row] = head;
    this.previous[row] = NOBODY;
    if (head !== NOBODY) this.previous[head] = row;
    this.first.set(owner, row);
    this.live++;
    return row;
  }

  /** The low word of a row's handle. */
  lowOf(row: number): number {
    return (row | (this.generation[row] << INDEX_BITS)) >>> 0;
  }

  /** The high word of a row's handle. */
  highOf(row: number): number {
    return this.high[row];
  }

  /** Row of the handle given in two words, or -1: unknown, freed, of another type or another client's. */
  find(low: number, high: number, type: HandleType, owner: number): number {
    const row = low & INDEX_MASK;
    if (row >= this.high.length) return -1;
    high >>>= 0;
    if (this.high[row] !== high || high >>> TYPE_SHIFT !== type || low >>> INDEX_BITS !== this.generation[row] || this.owner[row] !== owner) return -1;
    return row;
  }

  /** Frees a row that find() or add() gave. Its handle is wrong from now on. */
  remove(row: number): void {
    const next = this.next[row];
    const previous = this.previous[row];
    if (next !== NOBODY) this.previous[next] = previous;
    if (previous !== NOBODY) this.next[previous] = next;
    else if (next === NOBODY) this.first.delete(this.owner[row]);
    else this.first.set(this.owner[row], next);
    this.high[row] = 0;
    this.generation[row] = (this.generation[row] + 1) & GENERATION_MASK;
    this.owner[row] = NOBODY;
    this.object[row] = null;
    this.next[row] = this.freeHead;
    this.freeHead = row;
    this.live--;
  }

  /** Whether the row is this client's live one of this type (for lists of rows kept elsewhere). */
  typeOf(row: number): HandleType {
    return (this.high[row] >>> TYPE_SHIFT) as HandleType;
  }

  /** Frees every handle of a client. What they stood for must have been ended before. */
  removeAll(owner: number): void {
    for (let row = this.first.get(owner); row !== undefined; row = this.first.get(owner)) this.remove(row);
  }

  /** Rows of a client, newest first; safe against removal of the row in hand. */
  *rowsOf(owner: number): Iterable<number> {
    let row = this.first.get(owner) ?? NOBODY;
    while (row !== NOBODY) {
      const next = this.next[row];
      yield row;
      row = next;
    }
  }

  private draw(): number {
    if (this.randomAt === this.random.length) {
      randomFillSync(this.random);
      this.randomAt = 0;
    }
    return this.random[this.randomAt++];
  }

  private grow(): boolean {
    const old = this.high.length;
    if (old === HANDLES_MAX) return false;
    const size = Math.max(256, old * 2);
    const larger = <T extends Float64Array | Uint32Array | Uint16Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.native = larger(this.native, new Float64Array(size));
    this.high = larger(this.high, new Uint32Array(size));
    this.generation = larger(this.generation, new Uint16Array(size));
    this.owner = larger(this.owner, new Int32Array(size).fill(NOBODY));
    this.next = larger(this.next, new Int32Array(size));
    this.previous = larger(this.previous, new Int32Array(size));
    for (let row = size - 1; row >= old; row--) {
      this.object[row] = null;
      this.next[row] = this.freeHead;
      this.freeHead = row;
    }
    return true;
  }
}
