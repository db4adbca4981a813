/**
 * The virtual memory calls of one client: reservations of the window, physical memory, mappings, access.
 *
 * The driver sees one reservation, the window; a client's reservation is a range of it that is kept for that client. Physical
 * memory is charged when it is created and given back when its last handle and its last mapping are gone, as the driver counts;
 * it is zeroed before the client learns its handle. Errors are those of the driver: INVALID_VALUE for what is not aligned, not
 * reserved, mapped already, not mapped, or not a whole number of mappings.
 */
import { CUresult } from '../../driver/errors.ts';
import {
  AddressFree, AddressReserve, AddressReserveReply, HandleType, MemCreate, MemCreateReply, MemExport, MemExportReply, MemGetAccess, MemGetAccessReply, MemImport, MemImportReply, MemMap,
  MemProperties, MemPropertiesReply, MemRelease, MemRetain, MemRetainReply, MemSetAccess, MemUnmap,
} from '../../generated/messages.ts';
import { DEFERRED, type OneClient } from './client.ts';
import { Area, AreaKind, NOBODY } from './intervals.ts';
import { ACCESS_NONE, ACCESS_READ, ACCESS_READ_WRITE } from './physical.ts';
import { replyTokenOf, tokenAt } from './tokens.ts';
import type { Later, MemoryInvocation } from './types.ts';
import { GRANULE } from './window.ts';

const PINNED = 1; // CU_MEM_ALLOCATION_TYPE_PINNED
const DEVICE = 1; // CU_MEM_LOCATION_TYPE_DEVICE

/** CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR. */
const DESCRIPTOR = 1;

/** Physical memory. Clients that have imported it have an Allocation each. */
export interface Backing {
  readonly memory: number;
  readonly bytes: number;
  readonly exportable: boolean;
  /** Allocations of it. */
  users: number;
  /** Who is charged; null: the zone, for whoever made it has given it up and others have it. */
  payer: OneClient | null;
  /** Under which others find it; '': nobody was told. */
  token: string;
}

interface Allocation {
  number: number;
  backing: Backing;
  handles: number;
  mappings: number;
}

const whole = (bytes: number): boolean => bytes > 0 && bytes < Number.MAX_SAFE_INTEGER && bytes % GRANULE === 0;

/** Mappings that are changed in one go. */
const AREAS_AT_ONCE = 128;

/** Does something to mappings that make up [start, start + bytes); a CUresult. */
type Act = (start: number, bytes: number, areas: Area[]) => number;

export class VirtualMemory {
  private readonly reservations = new Set<Area>();
  private readonly allocations = new Map<number, Allocation>();
  private readonly mappings = new Set<Area>();

  constructor(private readonly owner: OneClient) {}

  // ---- addresses ----

  reserve(v: MemoryInvocation): number {
    const { zone } = this.owner;
    const bytes = v.u64(AddressReserve.size);
    const alignment = v.u64(AddressReserve.alignment);
    if (!whole(bytes) || v.u64(AddressReserve.flags) !== 0) return CUresult.INVALID_VALUE;
    if (alignment > 2 ** 52 || (alignment !== 0 && 2 ** Math.floor(Math.log2(alignment)) !== alignment)) return CUresult.INVALID_VALUE;
    const granules = bytes / GRANULE;
    // Address space is the zone's too: what clients reserve must leave room for what they allocate.
    if (granules > zone.reservable - zone.reservedGranules || alignment > zone.window.bytes || !zone.takeMapping()) {
      zone.ledger.refuse();
      return CUresult.OUT_OF_MEMORY;
    }
    const steps = Math.max(1, alignment / GRANULE);
    let range = this.atHint(v.u64(AddressReserve.hint), granules, steps);
    if (range === 0) range = zone.window.take(granules, steps);
    if (range === 0) {
      zone.giveMapping();
      return CUresult.OUT_OF_MEMORY;
    }
    const area = new Area(AreaKind.reserved, zone.window.start(range), granules, range);
    area.owner = this.owner.owner;
    area.access = ACCESS_NONE;
    zone.map.put(area);
    this.reservations.add(area);
    zone.reservedGranules += granules;
    v.replyU64(AddressReserveReply.address, area.start);
    return 0;
  }

  /** A hint is worth following where it continues a reservation (growing arrays ask for that); elsewhere it means nothing here. */
  private atHint(hint: number, granules: number, steps: number): number {
    const { window } = this.owner.zone;
    const first = (hint - window.base) / GRANULE;
    const before = hint >= window.base + GRANULE && hint % GRANULE === 0 ? this.reservedAt(hint - GRANULE) : null;
    if (before === null || first % steps !== 0) return 0;
    return window.ranges.allocateIn(window.ranges.after[before.range], first, granules);
  }

  unreserve(v: MemoryInvocation): number {
    const address = v.u64(AddressFree.address);
    const area = this.reservedAt(address);
    if (area === null || area.start !== address || area.bytes !== v.u64(AddressFree.size) || area.mappings !== 0) return CUresult.INVALID_VALUE;
    this.forget(area);
    this.owner.zone.map.remove(area);
    this.owner.zone.window.give(area.range);
    return 0;
  }

  private forget(area: Area): void {
    const { zone } = this.owner;
    this.reservations.delete(area);
    zone.reservedGranules -= area.granules;
    zone.giveMapping();
  }

  /** The client's reservation around an address, mapped there or not. */
  private reservedAt(address: number): Area | null {
    const area = this.owner.zone.map.at(address);
    if (area === null) return null;
    const reservation = area.kind === AreaKind.reserved ? area : area.reservation;
    return reservation !== null && reservation.owner === this.owner.owner ? reservation : null;
  }

  // ---- physical memory ----

  create(v: MemoryInvocation): number {
    const { owner } = this;
    const bytes = v.u64(MemCreate.size);
    if (v.u64(MemCreate.flags) !== 0 || v.u32(MemCreate.type) !== PINNED) return CUresult.INVALID_VALUE;
    const types = v.u32(MemCreate.handle_types);
    if (v.u32(MemCreate.location_type) !== DEVICE || (types !== 0 && types !== DESCRIPTOR)) return CUresult.NOT_SUPPORTED;
    if (v.i32(MemCreate.location) !== 0) return CUresult.INVALID_DEVICE;
    if (!whole(bytes)) return CUresult.INVALID_VALUE;
    if (!v.room(HandleType.allocation)) return v.refuse();
    if (!owner.take(bytes)) return CUresult.OUT_OF_MEMORY;
    const later = v.later();
    owner.make(AreaKind.whole, bytes, (status, area) => {
      if (area === null) {
        owner.give(bytes);
        return later.finish(status);
      }
      const memory = owner.zone.stock.detach(area);
      const backing: Backing = { memory, bytes, exportable: types === DESCRIPTOR, users: 1, payer: owner, token: '' };
      const allocation: Allocation = { number: owner.zone.nextId++, backing, handles: 1, mappings: 0 };
      if (owner.closed || !later.addHandle(MemCreateReply.allocation, HandleType.allocation, allocation.number)) {
        owner.zone.stock.release(memory, bytes);
        owner.give(bytes);
        owner.zone.ledger.refuse();
        return later.finish(CUresult.OUT_OF_MEMORY);
      }
      this.allocations.set(allocation.number, allocation);
      later.finish(0);
    });
    return DEFERRED;
  }

  private find(v: MemoryInvocation, word: number): Allocation | null {
    const number = v.handle(HandleType.allocation, word);
    return number < 0 ? null : (this.allocations.get(number) ?? null);
  }

  release(v: MemoryInvocation): number {
    const allocation = this.find(v, MemRelease.allocation);
    if (allocation === null) return v.invalid(HandleType.allocation);
    if (--allocation.handles === 0) {
      v.removeHandle(HandleType.allocation, MemRelease.allocation);
      this.settle(allocation);
    }
    return 0;
  }

  private settle(allocation: Allocation): void {
    if (allocation.handles > 0 || allocation.mappings > 0) return;
    this.allocations.delete(allocation.number);
    const { backing } = allocation;
    const { owner } = this;
    if (--backing.users === 0) {
      this.drop(backing);
      if (backing.payer === null) owner.zone.ledger.give(backing.bytes);
      else owner.give(backing.bytes);
    } else this.hand(backing);
  }

  private drop(backing: Backing): void {
    const { zone } = this.owner;
    if (backing.token !== '') zone.exported.delete(backing.token);
    zone.stock.release(backing.memory, backing.bytes);
  }

  /** Others keep it: if this client was charged, the zone is from now on. */
  private hand(backing: Backing): void {
    if (backing.payer !== this.owner) return;
    backing.payer = null;
    this.owner.leaveCharge(backing.bytes);
  }

  // ---- between clients ----

  /** MEM_EXPORT */
  export(v: MemoryInvocation): number {
    const allocation = this.find(v, MemExport.allocation);
    if (allocation === null) return v.invalid(HandleType.allocation);
    const { backing } = allocation;
    if (!backing.exportable) return CUresult.INVALID_VALUE;
    replyTokenOf(v, MemExportReply.token0, backing, this.owner.zone.exported, backing);
    return 0;
  }

  /** MEM_IMPORT: a handle as cuMemCreate's, of the same memory. */
  import(v: MemoryInvocation): number {
    const { zone } = this.owner;
    const backing = zone.exported.get(tokenAt(v, MemImport.token0));
    if (backing === undefined) return CUresult.INVALID_VALUE;
    if (!v.room(HandleType.allocation)) return v.refuse();
    const allocation: Allocation = { number: zone.nextId++, backing, handles: 1, mappings: 0 };
    if (!v.addHandle(MemImportReply.allocation, HandleType.allocation, allocation.number)) return v.refuse();
    backing.users++;
    this.allocations.set(allocation.number, allocation);
    return 0;
  }

  /** The client is about to end: what others have of it is the zone's to pay for. */
  ending(): void {
    const own = new Map<Backing, number>();
    for (const { backing } of this.allocations.values()) own.set(backing, (own.get(backing) ?? 0) + 1);
    for (const [backing, count] of own) if (backing.users > count) this.hand(backing);
  }

  /** Another handle of what is mapped at an address; to be released like one that was created. */
  retain(v: MemoryInvocation): number {
    const area = this.mappingAt(v.u64(MemRetain.address));
    if (area === null) return CUresult.INVALID_VALUE;
    const allocation = this.allocations.get(area.allocation)!;
    if (!v.findHandle(MemRetainReply.allocation, HandleType.allocation, allocation.number)) {
      if (!v.room(HandleType.allocation) || !v.addHandle(MemRetainReply.allocation, HandleType.allocation, allocation.number)) return v.refuse();
    }
    allocation.handles++;
    return 0;
  }

  properties(v: MemoryInvocation): number {
    const allocation = this.find(v, MemProperties.allocation);
    if (allocation === null) return v.invalid(HandleType.allocation);
    v.replyU32(MemPropertiesReply.type, PINNED);
    v.replyU32(MemPropertiesReply.handle_types, allocation.backing.exportable ? DESCRIPTOR : 0);
    v.replyU32(MemPropertiesReply.location_type, DEVICE);
    v.replyU32(MemPropertiesReply.location, 0);
    v.replyU64(MemPropertiesReply.size, allocation.backing.bytes);
    return 0;
  }

  // ---- mappings ----

  map(v: MemoryInvocation): number {
    const { zone } = this.owner;
    const address = v.u64(MemMap.address);
    const bytes = v.u64(MemMap.size);
    const allocation = this.find(v, MemMap.allocation);
    if (allocation === null) return v.invalid(HandleType.allocation);
    if (!this.aligned(address, bytes) || v.u64(MemMap.offset) !== 0 || v.u64(MemMap.flags) !== 0 || bytes > allocation.backing.bytes) return CUresult.INVALID_VALUE;
    const reservation = this.reservedAt(address);
    if (reservation === null || address + bytes > reservation.start + reservation.bytes || !zone.map.only(reservation, address, bytes)) {
      return CUresult.INVALID_VALUE;
    }
    if (!zone.takeMapping()) {
      zone.ledger.refuse();
      return CUresult.OUT_OF_MEMORY;
    }
    const status = zone.physical.map(address, bytes, allocation.backing.memory);
    if (status !== 0) {
      zone.giveMapping();
      return status;
    }
    const area = new Area(AreaKind.mapping, address, bytes / GRANULE, 0);
    area.owner = this.owner.owner;
    area.access = ACCESS_NONE;
    area.allocation = allocation.number;
    area.id = zone.nextId++;
    area.reservation = reservation;
    zone.map.put(area);
    this.mappings.add(area);
    allocation.mappings++;
    reservation.mappings++;
    return 0;
  }

  /** The client's work may still use the range: the address fails from now on, the answer comes when the work is done. */
  unmap(v: MemoryInvocation): number {
    const { owner } = this;
    const address = v.u64(MemUnmap.address);
    const bytes = v.u64(MemUnmap.size);
    const areas = this.mappingsIn(address, bytes);
    if (areas === null) return CUresult.INVALID_VALUE;
    for (const area of areas) area.owner = NOBODY; // stays in the map: nothing may be mapped here yet
    const { physical } = owner.zone;
    return this.afterWork(v, areas, (start, length, slice) => {
      const status = physical.unmap(start, length);
      if (status === 0) for (const area of slice) this.unmapped(area);
      else for (const area of areas) if (this.mappings.has(area)) area.owner = owner.owner;
      return status;
    });
  }

  /** Does something to mappings that lie one behind the other when the client's work is done. Answers the call: a CUresult, or DEFERRED. */
  private afterWork(v: MemoryInvocation, areas: Area[], act: Act): number {
    const { owner } = this;
    let later: Later | null = null;
    let result = DEFERRED;
    owner.client.afterWork(() => {
      if (owner.closed) return; // end() sees to it
      this.inSlices(areas, act, (status) => {
        result = status;
        later?.finish(status);
      });
    });
    if (result === DEFERRED) later = v.later();
    return result;
  }

  /** Some of them in one go, for others wait meanwhile. `done` gets the first status that is not 0, now or from polling. */
  private inSlices(areas: Area[], act: Act, done: (status: number) => void): void {
    let at = 0;
    const next = (): boolean => {
      if (this.owner.closed) return true;
      const slice = areas.slice(at, at + AREAS_AT_ONCE);
      const last = slice[slice.length - 1];
      at += slice.length;
      const status = act(slice[0].start, last.start + last.bytes - slice[0].start, slice);
      if (status === 0 && at < areas.length) return false;
      done(status);
      return true;
    };
    if (!next()) this.owner.zone.core.poll(next);
  }

  private unmapped(area: Area): void {
    const { zone } = this.owner;
    zone.map.uncover(area);
    this.mappings.delete(area);
    zone.giveMapping();
    area.reservation!.mappings--;
    const allocation = this.allocations.get(area.allocation)!;
    allocation.mappings--;
    this.settle(allocation);
  }

  setAccess(v: MemoryInvocation): number {
    const address = v.u64(MemSetAccess.address);
    const bytes = v.u64(MemSetAccess.size);
    const flags = v.u32(MemSetAccess.flags);
    if (v.u32(MemSetAccess.location_type) !== DEVICE) return CUresult.NOT_SUPPORTED;
    if (v.i32(MemSetAccess.location) !== 0) return CUresult.INVALID_DEVICE;
    if (flags !== ACCESS_NONE && flags !== ACCESS_READ && flags !== ACCESS_READ_WRITE) return CUresult.INVALID_VALUE;
    const areas = this.mappingsIn(address, bytes);
    if (areas === null) return CUresult.INVALID_VALUE;
    const { owner } = this;
    const change: Act = (start, length, slice) => {
      // Unmapped meanwhile: there is nothing left to change.
      if (!slice.every((area) => this.mappings.has(area) && area.owner === owner.owner)) return CUresult.INVALID_VALUE;
      const status = owner.zone.physical.setAccess(start, length, flags);
      if (status === 0) for (const area of slice) area.access = flags;
      return status;
    };
    if (areas.every((area) => (area.access & ~flags) === 0)) {
      let result = DEFERRED;
      let later: Later | null = null;
      this.inSlices(areas, change, (status) => {
        result = status;
        later?.finish(status);
      });
      if (result === DEFERRED) later = v.later();
      return result;
    }
    // Work under way may still use what is taken away, and a fault would cost the client its context: as unmap does, the checks know
    // at once, the driver when the work is done.
    for (const area of areas) area.access &= flags;
    return this.afterWork(v, areas, change);
  }

  getAccess(v: MemoryInvocation): number {
    if (v.u32(MemGetAccess.location_type) !== DEVICE) return CUresult.NOT_SUPPORTED;
    if (v.i32(MemGetAccess.location) !== 0) return CUresult.INVALID_DEVICE;
    const area = this.mappingAt(v.u64(MemGetAccess.address));
    if (area === null) return CUresult.INVALID_VALUE;
    v.replyU64(MemGetAccessReply.flags, area.access);
    return 0;
  }

  private aligned(address: number, bytes: number): boolean {
    return whole(bytes) && address % GRANULE === 0 && address >= this.owner.zone.window.base
      && address + bytes <= this.owner.zone.window.base + this.owner.zone.window.bytes;
  }

  private mappingAt(address: number): Area | null {
    const area = this.owner.zone.map.at(address);
    return area !== null && area.owner === this.owner.owner && area.kind === AreaKind.mapping ? area : null;
  }

  /** The mappings that make up [address, address + bytes) without a gap or a rest; null: they do not. */
  private mappingsIn(address: number, bytes: number): Area[] | null {
    if (!this.aligned(address, bytes)) return null;
    const areas: Area[] = [];
    for (let at = address; at < address + bytes; ) {
      const area = this.mappingAt(at);
      if (area === null || area.start !== at || at + area.bytes > address + bytes) return null;
      areas.push(area);
      at += area.bytes;
    }
    return areas;
  }

  /** The client is gone and so is its work. */
  end(): void {
    const { zone } = this.owner;
    // The stock works from the end of its list: addresses go back to the window after the mappings in them.
    for (const area of [...this.reservations]) {
      this.forget(area);
      area.mapped = false;
      zone.stock.reclaim(area);
    }
    for (const area of this.mappings) {
      zone.giveMapping();
      zone.stock.reclaim(area);
    }
    for (const { backing } of this.allocations.values()) {
      if (--backing.users > 0) continue;
      this.drop(backing);
      if (backing.payer === null) zone.ledger.give(backing.bytes); // who pays for himself has had it back in one sum
    }
    this.mappings.clear();
    this.allocations.clear();
  }
}
