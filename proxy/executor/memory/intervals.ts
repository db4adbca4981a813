/**
 * From an address to the allocation that it lies in: every range check of the executor ends here.
 *
 * A table has one entry for each granule (2 MiB) of the window: the Area that is mapped there. An area is one of
 *   chunk    2 MiB of one client, suballocated: two tables of its own have an entry for each 512-byte unit, how many bytes of a live
 *            block begin there, and the node of the block that it is part of
 *   whole    one large allocation, from the area's start
 *   mapping  physical memory that a client mapped itself, with its own access rights; neighbours may be used as one range
 *   reserved what a client has reserved and not mapped: every check fails, but the range is known to be its
 * So a look-up is a few array reads, however much is allocated, and allocates nothing; of an address in a block's first unit, which
 * most are, one of them is of something that a cache may not hold, of the others' a second and a third. A mapping's check walks along
 * the mappings that the range spans.
 */
import type { Heap } from './heap.ts';
import { ACCESS_READ, ACCESS_READ_WRITE } from './physical.ts';
import { NodeState } from './tlsf.ts';
import { GRANULE } from './window.ts';

/** Small allocations begin at multiples of this: what the driver's own begin at. */
export const UNIT = 512;
export const UNITS = GRANULE / UNIT;

export enum AreaKind { chunk, whole, mapping, reserved }

/** What an allocation is, beyond its bytes; blocks of chunks keep the same in tables (heap.ts). */
export interface Tag {
  /** AllocKind. */
  kind: number;
  /** The driver's context that it was allocated in. */
  context: number;
  /** Pool number; 0: none. */
  pool: number;
}

export const NOBODY = 0;

export class Area {
  /** Client number; NOBODY: every check fails. */
  owner = NOBODY;
  /** Bytes that were asked for (whole), or that are mapped. */
  bytes: number;
  /** The driver's handle of the physical memory; 0: not the area's to release. */
  memory = 0;
  /** False: only an address range that goes back to the window (stock.reclaim). */
  mapped = true;
  /** ACCESS_* of a mapping. */
  access = ACCESS_READ_WRITE;
  /** Of a whole area: live, resting or free (cached). */
  state: NodeState = NodeState.live;
  tag: Tag | null = null;
  /** Unique over the life of the executor: CU_POINTER_ATTRIBUTE_BUFFER_ID. */
  id = 0;
  /** Incremented at each free: an older free's settlement then means nothing. */
  epoch = 0;
  heap: Heap | null = null;
  cells: Int32Array | null = null;
  /** Bytes of the live block that begins at a unit; 0: none does. */
  begun: Int32Array | null = null;
  /** Node of the heap while the chunk is all free. */
  emptyNode = 0;
  /** mapping: number of the Allocation mapped here, and the reserved area that it lies in. */
  allocation = 0;
  reservation: Area | null = null;
  /** reserved: how many mappings lie in it. */
  mappings = 0;
  /** Number in the map's list; 0: not in it. */
  index = 0;

  /** `range`: node of the window's range (0: part of a client's reservation). */
  constructor(readonly kind: AreaKind, readonly start: number, readonly granules: number, readonly range: number) {
    this.bytes = granules * GRANULE;
  }
}

export class AddressMap {
  private readonly table: Int32Array;
  private readonly areas: Area[];
  private readonly unused: number[] = [];

  constructor(readonly base: number, readonly bytes: number) {
    this.table = new Int32Array(bytes / GRANULE);
    this.areas = [new Area(AreaKind.whole, 0, 0, 0)]; // entry 0: nothing is mapped, nobody's
  }

  put(area: Area): void {
    area.index = this.unused.pop() ?? this.areas.length;
    this.areas[area.index] = area;
    const first = (area.start - this.base) / GRANULE;
    this.table.fill(area.index, first, first + area.granules);
  }

  remove(area: Area): void {
    const first = (area.start - this.base) / GRANULE;
    this.table.fill(0, first, first + area.granules);
    this.areas[area.index] = this.areas[0];
    this.unused.push(area.index);
    area.index = 0;
  }

  /** Takes a mapping away from its reservation again. */
  uncover(area: Area): void {
    this.remove(area);
    const first = (area.start - this.base) / GRANULE;
    this.table.fill(area.reservation!.index, first, first + area.granules);
  }

  /** Whether all of [address, address + bytes), in granules, is just `area`. */
  only(area: Area, address: number, bytes: number): boolean {
    const first = (address - this.base) / GRANULE;
    for (let i = first; i < first + bytes / GRANULE; i++) if (this.table[i] !== area.index) return false;
    return true;
  }

  /** The area around an address, whoever's; null: none. */
  at(address: number): Area | null {
    const offset = address - this.base;
    if (!(offset >= 0 && offset < this.bytes)) return null;
    const index = this.table[Math.floor(offset / GRANULE)];
    return index === 0 ? null : this.areas[index];
  }

  /** The live block of a chunk around an address; 0: none. */
  block(area: Area, address: number): number {
    const node = area.cells![Math.floor((address - area.start) / UNIT)];
    if (node === 0) return 0;
    // An entry may be older than its node's present use: the node itself says where it lies.
    const blocks = area.heap!.blocks;
    const offset = address - this.base - blocks.start[node] * UNIT;
    return blocks.state[node] === NodeState.live && offset >= 0 && offset < area.heap!.bytes[node] ? node : 0;
  }

  /** Whether `owner` may read (write) `bytes` bytes from `address` on. 0 bytes: whether the address is in something live. */
  check(owner: number, address: number, bytes: number, write: boolean): boolean {
    const offset = address - this.base;
    if (!(offset >= 0 && offset < this.bytes)) return false;
    const area = this.areas[this.table[Math.floor(offset / GRANULE)]];
    if (area.owner !== owner || owner === NOBODY) return false;
    if (area.kind === AreaKind.chunk) {
      const begun = area.begun!;
      const within = address - area.start;
      let unit = Math.floor(within / UNIT);
      if (begun[unit] === 0) {
        const node = area.cells![unit];
        if (node === 0) return false;
        // An entry may be older than its node's present use: what begins where the node lies now is what is asked.
        unit = area.heap!.blocks.start[node] - (area.start - this.base) / UNIT;
        if (!(unit >= 0 && unit < UNITS)) return false;
      }
      const inside = within - unit * UNIT;
      const live = begun[unit];
      return inside >= 0 && inside < live && inside + bytes <= live;
    }
    if (area.kind === AreaKind.whole) {
      const inside = address - area.start;
      return area.state === NodeState.live && inside < area.bytes && inside + bytes <= area.bytes;
    }
    return this.checkMappings(area, owner, address, bytes, write ? ACCESS_READ_WRITE : ACCESS_READ);
  }

  /** Has the line come that check() will look at for this address, whatever it is. Returns something of it, for the load not to be left out. */
  touch(address: number): number {
    const offset = address - this.base;
    if (!(offset >= 0 && offset < this.bytes)) return 0;
    const area = this.areas[this.table[Math.floor(offset / GRANULE)]];
    return area.begun === null ? 0 : area.begun[Math.floor((address - area.start) / UNIT) & (UNITS - 1)];
  }

  private checkMappings(area: Area, owner: number, address: number, bytes: number, access: number): boolean {
    for (;;) {
      if ((area.access & access) !== access) return false;
      const end = area.start + area.bytes;
      if (bytes <= end - address) return true;
      bytes -= end - address;
      address = end;
      const next = this.at(address);
      if (next === null || next.owner !== owner || next.kind !== AreaKind.mapping) return false;
      area = next;
    }
  }
}
