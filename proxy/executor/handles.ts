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
 * A row is 16 bytes of one buffer, four to a cache line: with a hundred thousand handles no cache holds them all, and a look-up takes
 * as long as its lines take to come (150 ns each on a virtual machine). So all that a find and a posted call need is in one line and no
 * more, and the loop touches the rows of a whole batch before it serves the first of it (touch). What only adds and removes need lies apart.
 */
import { randomFillSync } from 'node:crypto';
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

/** Numbers of owners are below it. */
export const OWNERS_MAX = 1 << 20;

const NOBODY = -1;

/** A row in 32-bit words; `native` is a double, in two of them. */
enum Row {
  native = 0,
  /** Type and random bits; 0: the row is free. */
  high = 2,
  /** The generation and the low bits as in the handle's low word, and where that has the index, the owner. Bit 0: marked (see mark). */
  rest = 3,
}
const ROW_SHIFT = 2;
/** Doubles in a row, as a shift. */
const DOUBLES_SHIFT = 1;
/** The index in a handle's low word, the owner in a row's. */
const INDEX_FIELD = INDEX_MASK << INDEX_SHIFT;
const GENERATION_STEP = 1 << (INDEX_BITS + INDEX_SHIFT);
const MARKED = 1;

/** A row's place in its owner's list (a free one's in the free list), in words. */
enum Link {
  next = 0,
  previous = 1,
}
const LINK_SHIFT = 1;

export class HandleTable {
  /** What the executor keeps beside it by row: a Stream, a Context, the memory's records. */
  readonly object: (object | null)[] = [];
  /** Live handles of all clients. */
  live = 0;

  private doubles = new Float64Array(0);
  private words = new Int32Array(0);
  private links = new Int32Array(0);
  /** Rows there are, less one: a power of two less one, or -1. */
  private mask = -1;
  private readonly first = new Map<number, number>(); // owner -> first row
  private freeHead = NOBODY;
  private readonly owners = new Set<number>();
  private lastOwner = 0;
  private readonly random = new Uint32Array(1024);
  private randomAt = this.random.length;

  /** A number for an owner: nobody has it. There are fewer than OWNERS_MAX of them at a time. */
  newOwner(): number {
    do this.lastOwner = (this.lastOwner + 1) % OWNERS_MAX;
    while (this.owners.has(this.lastOwner));
    this.owners.add(this.lastOwner);
    return this.lastOwner;
  }

  /** An owner is gone, and its handles with it: its number will be another's. */
  ownerGone(owner: number): void {
    this.owners.delete(owner);
  }

  /** Registers; returns the row, or -1 when the table is full (HANDLES_MAX). The zone's limit is the caller's to check. */
  add(type: HandleType, owner: number, native: number, object: object | null): number {
    if (this.freeHead === NOBODY && !this.grow()) return -1;
    const { words, links } = this;
    const row = this.freeHead;
    const at = row << ROW_SHIFT;
    this.freeHead = links[(row << LINK_SHIFT) + Link.next];
    words[at + Row.high] = (type << TYPE_SHIFT) | (this.draw() & RANDOM_MASK);
    words[at + Row.rest] |= owner << INDEX_SHIFT;
    this.doubles[row << DOUBLES_SHIFT] = native;
    this.object[row] = object;
    const head = this.first.get(owner) ?? NOBODY;
    links[(row << LINK_SHIFT) + Link.next] = head;
    links[(row << LINK_SHIFT) + Link.previous] = NOBODY;
    if (head !== NOBODY) links[(head << LINK_SHIFT) + Link.previous] = row;
    this.first.set(owner, row);
    this.live++;
    return row;
  }

  /** The low word of a row's handle. */
  lowOf(row: number): number {
    return ((this.words[(row << ROW_SHIFT) + Row.rest] & ~(INDEX_FIELD | MARKED)) | (row << INDEX_SHIFT)) >>> 0;
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
    this.words[(row << ROW_SHIFT) + Row.rest] |= MARKED;
  }

  isMarked(row: number): boolean {
    return (this.words[(row << ROW_SHIFT) + Row.rest] & MARKED) !== 0;
  }

  /** Row of the handle given in two words, or -1: unknown, freed, of another type or another client's. */
  find(low: number, high: number, type: HandleType, owner: number): number {
    const row = (low >>> INDEX_SHIFT) & INDEX_MASK;
    if (row > this.mask) return -1;
    const { words } = this;
    const at = row << ROW_SHIFT;
    if (words[at + Row.high] !== (high | 0) || high >>> TYPE_SHIFT !== type || (words[at + Row.rest] & ~MARKED) !== ((low & ~INDEX_FIELD) | (owner << INDEX_SHIFT))) return -1;
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
    const { words, links } = this;
    const at = row << ROW_SHIFT;
    const link = row << LINK_SHIFT;
    const next = links[link + Link.next];
    const previous = links[link + Link.previous];
    const owner = (words[at + Row.rest] & INDEX_FIELD) >>> INDEX_SHIFT;
    if (next !== NOBODY) links[(next << LINK_SHIFT) + Link.previous] = previous;
    if (previous !== NOBODY) links[(previous << LINK_SHIFT) + Link.next] = next;
    else if (next === NOBODY) this.first.delete(owner);
    else this.first.set(owner, next);
    words[at + Row.high] = 0;
    words[at + Row.rest] = ((words[at + Row.rest] & ~(INDEX_FIELD | MARKED)) + GENERATION_STEP) | 0;
    this.object[row] = null;
    links[link + Link.next] = this.freeHead;
    this.freeHead = row;
    this.live--;
  }

  /** The type of a live row (for lists of rows kept elsewhere). */
  typeOf(row: number): HandleType {
    return this.highOf(row) >>> TYPE_SHIFT;
  }

  /** Rows of a client, newest first; safe against removal of the row in hand. */
  *rowsOf(owner: number): Iterable<number> {
    let row = this.first.get(owner) ?? NOBODY;
    while (row !== NOBODY) {
      const next = this.links[(row << LINK_SHIFT) + Link.next];
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
    // A row lies in one line: buffers begin at a multiple of 16.
    const words = new Int32Array(size << ROW_SHIFT);
    words.set(this.words);
    this.words = words;
    this.doubles = new Float64Array(words.buffer);
    const links = new Int32Array(size << LINK_SHIFT);
    links.set(this.links);
    this.links = links;
    this.mask = size - 1;
    for (let row = size - 1; row >= old; row--) {
      this.object[row] = null;
      links[(row << LINK_SHIFT) + Link.next] = this.freeHead;
      this.freeHead = row;
    }
    return true;
  }
}
