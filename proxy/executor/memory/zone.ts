/**
 * A zone's memory: one window of device addresses and one of host addresses, an interval map for each, one ledger, one stock, and its clients.
 */
import type { ZoneLimits } from '../../supervisor/messages.ts';
import { OneClient } from './client.ts';
import { HostWindow, hostWindowBytes } from './host-window.ts';
import { AddressMap, AreaKind } from './intervals.ts';
import { Ipc } from './ipc.ts';
import { Ledger } from './ledger.ts';
import { Physical } from './physical.ts';
import { Stock } from './stock.ts';
import type { ClientMemory, MemoryClient, MemoryCore, MemoryUsage, ZoneMemory } from './types.ts';
import type { Backing } from './virtual.ts';
import { GRANULE, Window, windowBytes } from './window.ts';
import { Zeroer } from './zero.ts';

/** What a zone's clients can have of pinned and managed memory. */
const hostMemory = (limits: ZoneLimits): number => limits.memory + limits.staging;

export class Zone implements ZoneMemory {
  readonly physical: Physical;
  readonly window: Window;
  readonly map: AddressMap;
  /** Addresses of pinned and managed memory. */
  readonly host: HostWindow;
  readonly ledger: Ledger;
  readonly stock: Stock;
  readonly clients = new Set<OneClient>();
  readonly ipc = new Ipc(this);
  /** Physical memory and pools that clients have exported, by token. */
  readonly exported = new Map<string, Backing>();
  readonly exportedPools = new Map<string, number>();
  /** Numbers that are used once: buffer ids, pools, allocations. 0 is none. */
  nextId = 1;
  /** Granules of the window that clients have reserved. */
  reservedGranules = 0;
  /** Clients that are ending: what they had comes back without anyone's doing. */
  ending = 0;

  private readonly zeroer: Zeroer;
  private nextOwner = 1;
  /** Reservations and mappings: not allocations, but each costs the executor a little, so there is a limit. */
  private mappings = 0;
  private source = 0;

  constructor(readonly core: MemoryCore, limits: ZoneLimits) {
    this.physical = new Physical(core.driver, core.device, () => core.enter(core.internalContext()));
    const status = this.physical.granularity();
    if (status !== 0) throw new Error(`the driver has no virtual memory management (cuMemGetAllocationGranularity: ${status})`);
    if (GRANULE % this.physical.made !== 0) throw new Error(`the driver maps memory in units of ${this.physical.made} bytes; this executor knows up to ${GRANULE}`);
    this.window = Window.open(this.physical, limits.memory);
    this.map = new AddressMap(this.window.base, this.window.bytes);
    this.host = HostWindow.open(hostMemory(limits));
    this.ledger = new Ledger(limits, () => core.usageChanged());
    this.zeroer = new Zeroer(core);
    this.stock = new Stock(core, this.window, this.map, this.physical, this.zeroer, this);
  }

  get windowBase(): number {
    return this.window.base;
  }

  get windowSize(): number {
    return this.window.bytes;
  }

  get hostWindowBase(): number {
    return this.host.base;
  }

  get hostWindowSize(): number {
    return this.host.bytes;
  }

  get granularity(): number {
    return GRANULE;
  }

  openClient(client: MemoryClient): ClientMemory {
    const one = new OneClient(this, client, this.nextOwner++);
    this.clients.add(one);
    return one;
  }

  check(client: ClientMemory, address: number, bytes: number, write: boolean): boolean {
    const one = client as OneClient;
    return this.map.check(one.owner, address, bytes, write) || this.host.map.check(one.owner, address, bytes, write) || one.foreign.check(address, bytes) || one.imports.check(address, bytes);
  }

  get allocations(): number {
    return this.ledger.allocations;
  }

  touch(low: number, high: number): number {
    return this.map.touch((high >>> 0) * 4294967296 + (low >>> 0));
  }

  /** Granules that clients may reserve in all: what they allocate, holes included, needs the rest. */
  get reservable(): number {
    return Math.max(this.window.granules / 2, this.window.granules - 2 * Math.ceil(this.ledger.limits.memory / GRANULE));
  }

  hasWindowsFor(limits: ZoneLimits): boolean {
    return this.window.bytes === windowBytes(limits.memory) && this.host.bytes === hostWindowBytes(hostMemory(limits));
  }

  setLimits(limits: ZoneLimits): void {
    this.ledger.limits = limits;
  }

  usage(): MemoryUsage {
    return this.ledger.usage();
  }

  reserveStaging(bytes: number): boolean {
    return this.ledger.takeStaging(bytes);
  }

  releaseStaging(bytes: number): void {
    this.ledger.giveStaging(bytes);
  }

  /** Bytes that the zone may still take: its quota's, but never more than the card really has (a context must be current). */
  free(): number {
    const left = this.ledger.left();
    const card = this.physical.cardFree();
    if (card < 0) return left;
    let kept = this.stock.spareBytes;
    for (const client of this.clients) kept += client.cachedBytes;
    return Math.min(left, card + kept);
  }

  /** What clients and the stock only keep for later goes to the driver, now. Answers whether there was anything. */
  giveUpKept(): boolean {
    let any = false;
    for (const client of this.clients) any = client.trim() || any;
    return this.stock.drain() || any;
  }

  /** Counts a reservation or a mapping; false: as many as the zone may have allocations. */
  takeMapping(): boolean {
    if (this.mappings >= this.ledger.limits.allocations) return false;
    this.mappings++;
    return true;
  }

  giveMapping(): void {
    this.mappings--;
  }

  /** Calls `use` with the address of a granule of zeroes that nobody writes: at once, or from polling when it must be made first.
   *  Answers a CUresult other than 0, and never calls `use`, when it cannot be. */
  zeroSource(use: (status: number, address: number) => void): number {
    if (this.source === 0) {
      const chunk = this.stock.takeChunk();
      if (chunk === null) {
        return this.stock.make(AreaKind.chunk, GRANULE, (status, made) => {
          if (made !== null) {
            if (this.source === 0) this.source = made.start;
            else this.stock.keep(made); // another call was faster
          }
          use(status, this.source);
        });
      }
      this.source = chunk.start;
    }
    use(0, this.source);
    return 0;
  }

  destroy(): void {
    for (const client of [...this.clients]) {
      client.close();
      client.contextsGone();
    }
    this.stock.drain();
    this.window.close();
    this.host.close();
  }
}

/** Reserves the zone's window; throws an Error that says why when the driver has none to give. */
export function createZoneMemory(core: MemoryCore, limits: ZoneLimits): ZoneMemory {
  return new Zone(core, limits);
}
