/**
 * The zone's handles: what clients hold in place of the driver's pointers, which never leave this process.
 *
 *   bits  0-2   0, as of the pointers that handles are elsewhere: PyTorch tells a stream of its own from a CUstream by the lowest bit
 *   bits  3-22  index of the row
 *   bits 23-31  generation of the row: a freed handle stays wrong for 512 reuses of its row
 *   bits 32-58  random, drawn anew at each use of the row: cannot be guessed from another one's
 *   bits 59-63  type (never 0, so that a handle is never one of CUDA's special stream values 0, 1 and 2)
 *
 * A handle belongs to the client that made it; another client of the zone that presents it is refused like one that made it up.
 * Look-up, add and remove are O(1) and allocate nothing; the table doubles, and rows of one client form a list, so that a client's
 * end touches only its own.
 *
 * A row is 32 bytes of one buffer, two to a cache line: with a hundred thousand handles no cache holds them all, and a look-up takes
 * as long as its lines take to come (150 ns each on a virtual machine). So all that a find needs is in one line, what a posted call
 * needs beyond it is there too, and the loop touches the rows of a whole batch before it serves the first of it (touch).
 */
import { randomFillSync } from 'node:crypto';
import { addressOf } from '../driver/driver.ts';
import type { HandleType } from '../generated/messages.ts';

const INDEX_BITS = 20;
/** Where the index begins: a handle is a multiple of 8. */
const INDEX_SHIFT = 3;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** Where the type begins in the high word. */
export const TYPE_SHIFT = 27;
const RANDOM_MASK = (1 << TYPE_SHIFT) - 1;
/** More than there are types. */
export const TYPES_MAX = 32;
export const HANDLES_MAX = 1 << INDEX_BITS;

const NOBODY = -1;

/** A row in 32-bit words; `native` is a double, in two of them. */
enum Row {
  native = 0,
  /** Type and random bits; 0: the row is free. */
  high = 2,
  /** The handle's low word: index and generation. Of a free row: of its next handle. */
  low = 3,
  owner = 4,
  /** Of the owner's list, or of the free list. */
  next = 5,
  previous = 6,
  /** What whoever added it wants to know of it without looking at its object (see mark). */
  marked = 7,
}
const ROW_WORDS = 8;
const ROW_SHIFT = 3;
/** Bytes of a cache line: memory comes at 16 beyond one, and every other row would lie in two. */
const LINE = 64;
/** Doubles in a row, as a shift. */
const DOUBLES_SHIFT = 2;

export class HandleTable {
  /** What the executor keeps beside it by row: a Stream, a Context, the memory's records. */
  readonly object: (object | null)[] = [];
  /** Live handles of all clients. */
  live = 0;

  private doubles = new Float64Array(0);
  private words = new Int32Array(0);
  /** Rows there are, less one: a power of two less one, or -1. */
  private mask = -1;
  private readonly first = new Map<number, number>(); // owner -> first row
  private freeHead = NOBODY;
  private readonly random = new Uint32Array(1024);
  private randomAt = this.random.length;

  /** Registers; returns the row, or -1 when the table is full (HANDLES_MAX). The zone's limit is the caller's to check. */
  add(type: HandleType, owner: number, native: number, object: object | null): number {
    if (this.freeHead === NOBODY && !this.grow()) return -1;
    const { words } = this;
    const row = this.freeHead;
    const at = row << ROW_SHIFT;
    this.freeHead = words[at + Row.next];
    words[at + Row.high] = (type << TYPE_SHIFT) | (this.draw() & RANDOM_MASK);
    words[at + Row.owner] = owner;
    words[at + Row.marked] = 0;
    this.doubles[row << DOUBLES_SHIFT] = native;
    this.object[row] = object;
    const head = this.first.get(owner) ?? NOBODY;
    words[at + Row.next] = head;
    words[at + Row.previous] = NOBODY;
    if (head !== NOBODY) words[(head << ROW_SHIFT) + Row.previous] = row;
    this.first.set(owner, row);
    this.live++;
    return row;
  }

  /** The low word of a row's handle. */
  lowOf(row: number): number {
    return this.words[(row << ROW_SHIFT) + Row.low] >>> 0;
  }

  /** The high word of a row's handle. */
  highOf(row: number): number {
    return this.words[(row << ROW_SHIFT) + Row.high] >>> 0;
  }

  /** The driver's own value (pointer as a number). */
  nativeOf(row: number): number {
    return this.doubles[row << DOUBLES_SHIFT];
  }

  setNative(row: number, native: number): void {
    this.doubles[row << DOUBLES_SHIFT] = native;
  }

  /** A note on a row, for its handle's life. */
  mark(row: number): void {
    this.words[(row << ROW_SHIFT) + Row.marked] = 1;
  }

  isMarked(row: number): boolean {
    return this.words[(row << ROW_SHIFT) + Row.marked] !== 0;
  }

  /** Row of the handle given in two words, or -1: unknown, freed, of another type or another client's. */
  find(low: number, high: number, type: HandleType, owner: number): number {
    const row = (low >>> INDEX_SHIFT) & INDEX_MASK;
    if (row > this.mask) return -1;
    const { words } = this;
    const at = row << ROW_SHIFT;
    if (words[at + Row.high] !== (high | 0) || high >>> TYPE_SHIFT !== type || words[at + Row.low] !== (low | 0) || words[at + Row.owner] !== owner) return -1;
    return row;
  }

  /** Has the lines of rows come that finds of the first `count` low words, whatever they are, will look at. Returns something of them, for
   *  the loads not to be left out. The table is not empty. */
  touch(lows: Int32Array, count: number): number {
    const { words, mask } = this;
    let seen = 0;
    for (let i = 0; i < count; i++) seen ^= words[((lows[i] >>> INDEX_SHIFT) & mask) << ROW_SHIFT];
    return seen;
  }

  /** Frees a row that find() or add() gave. Its handle is wrong from now on. */
  remove(row: number): void {
    const { words } = this;
    const at = row << ROW_SHIFT;
    const next = words[at + Row.next];
    const previous = words[at + Row.previous];
    if (next !== NOBODY) words[(next << ROW_SHIFT) + Row.previous] = previous;
    if (previous !== NOBODY) words[(previous << ROW_SHIFT) + Row.next] = next;
    else if (next === NOBODY) this.first.delete(words[at + Row.owner]);
    else this.first.set(words[at + Row.owner], next);
    words[at + Row.high] = 0;
    words[at + Row.low] = (words[at + Row.low] + (1 << (INDEX_BITS + INDEX_SHIFT))) | 0;
    words[at + Row.owner] = NOBODY;
    this.object[row] = null;
    words[at + Row.next] = this.freeHead;
    this.freeHead = row;
    this.live--;
  }

  /** The type of a live row (for lists of rows kept elsewhere). */
  typeOf(row: number): HandleType {
    return this.highOf(row) >>> TYPE_SHIFT;
  }

  /** Frees every handle of a client. What they stood for must have been ended before. */
  removeAll(owner: number): void {
    for (let row = this.first.get(owner); row !== undefined; row = this.first.get(owner)) this.remove(row);
  }

  /** Rows of a client, newest first; safe against removal of the row in hand. */
  *rowsOf(owner: number): Iterable<number> {
    let row = this.first.get(owner) ?? NOBODY;
    while (row !== NOBODY) {
      const next = this.words[(row << ROW_SHIFT) + Row.next];
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
    const old = this.mask + 1;
    if (old === HANDLES_MAX) return false;
    const size = Math.max(256, old * 2);
    const buffer = new ArrayBuffer(size * ROW_WORDS * 4 + LINE);
    const words = new Int32Array(buffer, LINE - (addressOf(new Uint8Array(buffer)) % LINE), size * ROW_WORDS);
    words.set(this.words);
    this.words = words;
    this.doubles = new Float64Array(buffer, words.byteOffset, words.length >> 1);
    this.mask = size - 1;
    for (let row = size - 1; row >= old; row--) {
      const at = row << ROW_SHIFT;
      this.object[row] = null;
      words[at + Row.low] = row << INDEX_SHIFT;
      words[at + Row.owner] = NOBODY;
      words[at + Row.next] = this.freeHead;
      this.freeHead = row;
    }
    return true;
  }
}
