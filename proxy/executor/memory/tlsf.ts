/**
 * Two-level segregated fit (Masmano et al., 2004) over units that this process cannot touch: 512-byte units of chunks for
 * small allocations, granules of the window for address ranges. Headers therefore live in side tables, not in the memory.
 *
 * Allocation, release and coalescing are O(1). A block is a number ("node") into typed arrays that double; regions given
 * with addRegion never merge with each other. Nothing is allocated on the way but the doubling.
 */

/** What a node stands for. */
export enum NodeState {
  none = 0,
  free = 1,
  live = 2,
  /** Freed by its owner, but work that may still touch it is under way: nobody's until release(). */
  resting = 3,
}

/** Sizes below LINEAR have a class each; above, a power of two has STEPS classes. */
const LINEAR = 16;
const STEP_BITS = 3;
const STEPS = 1 << STEP_BITS;
const CLASSES = LINEAR + (31 - 4) * STEPS;
/** How many blocks of the request's own class are tried before a larger class is split. */
const TRIES = 4;

export class Tlsf {
  start = new Float64Array(64); // in units: windows have more than 2^31 of them
  size = new Int32Array(64);
  state = new Uint8Array(64);
  /** Physical neighbours within the region; 0: none. */
  before = new Int32Array(64);
  after = new Int32Array(64);

  private nextFree = new Int32Array(64); // also chains unused nodes
  private previousFree = new Int32Array(64);
  private readonly heads = new Int32Array(CLASSES);
  private readonly bits = new Int32Array((CLASSES + 31) >>> 5);
  private unused = 0;
  private nodes = 1; // node 0 is "none"

  /** Units that are free. */
  freeUnits = 0;

  /** Nodes fit in arrays of this length: parallel tables of the user grow with it. */
  get capacity(): number {
    return this.size.length;
  }

  /** A fresh region, all of it free. Returns its node. */
  addRegion(start: number, units: number): number {
    const node = this.newNode(start, units);
    this.insert(node);
    return node;
  }

  /** Takes a region back; `node` must be free and all of its region (see whole). */
  removeRegion(node: number): void {
    this.unlink(node);
    this.dropNode(node);
  }

  /** Whether a node is all of its region. */
  whole(node: number): boolean {
    return this.before[node] === 0 && this.after[node] === 0;
  }

  /** A live block of `units` units, or 0 when none fits. */
  allocate(units: number): number {
    const node = this.fit(units);
    if (node === 0) return 0;
    this.unlink(node);
    this.cutTail(node, units);
    this.state[node] = NodeState.live;
    return node;
  }

  /** As allocate, with start a multiple of `alignment` (a power of two of units). */
  allocateAligned(units: number, alignment: number): number {
    if (alignment <= 1) return this.allocate(units);
    const node = this.fit(units + alignment - 1);
    if (node === 0) return 0;
    const skip = (alignment - (this.start[node] % alignment)) % alignment;
    return this.takeAt(node, skip, units);
  }

  /** The block [start, start + units) cut from the free node `node`; 0 if it does not lie in it. */
  allocateIn(node: number, start: number, units: number): number {
    if (node === 0 || this.state[node] !== NodeState.free) return 0;
    const skip = start - this.start[node];
    if (skip < 0 || skip + units > this.size[node]) return 0;
    return this.takeAt(node, skip, units);
  }

  /** Back to free, merged with free neighbours. Returns the node that it is part of now. */
  release(node: number): number {
    const after = this.after[node];
    if (after !== 0 && this.state[after] === NodeState.free) {
      this.unlink(after);
      this.join(node, after);
    }
    const before = this.before[node];
    if (before !== 0 && this.state[before] === NodeState.free) {
      this.unlink(before);
      this.join(before, node);
      node = before;
    }
    this.insert(node);
    return node;
  }

  private takeAt(node: number, skip: number, units: number): number {
    this.unlink(node);
    if (skip > 0) {
      const rest = this.newNode(this.start[node] + skip, this.size[node] - skip);
      this.place(node, rest);
      this.size[node] = skip;
      this.insert(node);
      node = rest;
    }
    this.cutTail(node, units);
    this.state[node] = NodeState.live;
    return node;
  }

  /** Puts what is behind the first `units` units of an unlisted node on the free lists. */
  private cutTail(node: number, units: number): void {
    const left = this.size[node] - units;
    if (left === 0) return;
    const rest = this.newNode(this.start[node] + units, left);
    this.size[node] = units;
    this.place(node, rest);
    this.insert(rest);
  }

  /** Makes `rest` the physical successor of `node`. */
  private place(node: number, rest: number): void {
    const after = this.after[node];
    this.after[rest] = after;
    this.before[rest] = node;
    if (after !== 0) this.before[after] = rest;
    this.after[node] = rest;
  }

  /** `node` swallows `next`, its physical successor. */
  private join(node: number, next: number): void {
    this.size[node] += this.size[next];
    const after = this.after[next];
    this.after[node] = after;
    if (after !== 0) this.before[after] = node;
    this.dropNode(next);
  }

  private fit(units: number): number {
    const own = classOf(units);
    // Blocks of the request's own class may be too small above LINEAR: a few are looked at, for less splitting.
    let node = this.heads[own];
    for (let i = 0; node !== 0 && i < TRIES; i++, node = this.nextFree[node]) if (this.size[node] >= units) return node;
    const from = own + 1;
    let word = from >>> 5;
    let bits = this.bits[word] & (-1 << (from & 31));
    while (bits === 0) {
      if (++word === this.bits.length) return this.search(own, units);
      bits = this.bits[word];
    }
    return this.heads[(word << 5) + (31 - Math.clz32(bits & -bits))];
  }

  /** Nothing larger is left: the rest of the request's own class is the last chance. Longer than TRIES, but only then. */
  private search(own: number, units: number): number {
    let node = this.heads[own];
    for (let i = 0; node !== 0 && i < 256; i++, node = this.nextFree[node]) if (this.size[node] >= units) return node;
    return 0;
  }

  private insert(node: number): void {
    const size = this.size[node];
    const own = classOf(size);
    const head = this.heads[own];
    this.nextFree[node] = head;
    this.previousFree[node] = 0;
    if (head !== 0) this.previousFree[head] = node;
    this.heads[own] = node;
    this.bits[own >>> 5] |= 1 << (own & 31);
    this.state[node] = NodeState.free;
    this.freeUnits += size;
  }

  private unlink(node: number): void {
    const next = this.nextFree[node];
    const previous = this.previousFree[node];
    const size = this.size[node];
    if (next !== 0) this.previousFree[next] = previous;
    if (previous !== 0) this.nextFree[previous] = next;
    else {
      const own = classOf(size);
      this.heads[own] = next;
      if (next === 0) this.bits[own >>> 5] &= ~(1 << (own & 31));
    }
    this.freeUnits -= size;
  }

  private newNode(start: number, size: number): number {
    let node = this.unused;
    if (node !== 0) this.unused = this.nextFree[node];
    else {
      if (this.nodes === this.size.length) this.grow();
      node = this.nodes++;
    }
    this.start[node] = start;
    this.size[node] = size;
    this.before[node] = 0;
    this.after[node] = 0;
    return node;
  }

  private dropNode(node: number): void {
    this.state[node] = NodeState.none;
    this.nextFree[node] = this.unused;
    this.unused = node;
  }

  private grow(): void {
    const length = this.size.length * 2;
    const start = new Float64Array(length);
    start.set(this.start);
    this.start = start;
    const state = new Uint8Array(length);
    state.set(this.state);
    this.state = state;
    this.size = doubled(this.size);
    this.before = doubled(this.before);
    this.after = doubled(this.after);
    this.nextFree = doubled(this.nextFree);
    this.previousFree = doubled(this.previousFree);
  }
}

/** The same numbers in an array twice as long. */
export function doubled(from: Int32Array): Int32Array<ArrayBuffer> {
  const to = new Int32Array(from.length * 2);
  to.set(from);
  return to;
}

function classOf(units: number): number {
  if (units < LINEAR) return units;
  const power = 31 - Math.clz32(units);
  return LINEAR + (power - 4) * STEPS + ((units >> (power - STEP_BITS)) & (STEPS - 1));
}
