/**
 * Memory of one client at addresses that the driver chose: the variables of its modules. Nothing else of a client lies outside of the
 * zone's window. A range is known from the moment that the client asked for the variable, and gone with what it is a part of.
 *
 * Sorted by address, and searched by halving: checks come here only when the window has said no.
 */
/** Pages of the driver's that a client maps at the same address. */
export interface SharedPages {
  /** The notice that brought the descriptor has it as its cookie. */
  readonly id: number;
  readonly base: number;
  readonly bytes: number;
}

export interface ForeignRange {
  readonly start: number;
  readonly bytes: number;
  /** What it ends with: a module, a library. */
  readonly holder: object;
  /** The driver's context; 0: none in particular. */
  readonly context: number;
  readonly id: number;
  readonly managed: boolean;
  /** Managed: the pages that client and driver share. */
  readonly shared: SharedPages | null;
}

export class Foreign {
  private readonly ranges: ForeignRange[] = [];

  add(range: ForeignRange): void {
    const at = this.behind(range.start);
    if (at < this.ranges.length && this.ranges[at].start < range.start + range.bytes) return; // known, by this name or an alias
    this.ranges.splice(at, 0, range);
  }

  remove(holder: object): void {
    if (this.ranges.length === 0) return;
    let kept = 0;
    for (const range of this.ranges) if (range.holder !== holder) this.ranges[kept++] = range;
    this.ranges.length = kept;
  }

  /** The range around an address. */
  find(address: number): ForeignRange | null {
    const range = this.ranges[this.behind(address)];
    return range !== undefined && range.start <= address ? range : null;
  }

  /** Whether all of [address, address + bytes) is one range's. */
  check(address: number, bytes: number): boolean {
    if (this.ranges.length === 0) return false;
    const range = this.find(address);
    return range !== null && bytes <= range.start + range.bytes - address;
  }

  /** Index of the first range that ends behind `address`. */
  private behind(address: number): number {
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.ranges[middle].start + this.ranges[middle].bytes <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
