/**
 * Where areas of memory come from and go to: the driver, by way of zeroing.
 *
 * make()     physical memory, mapped into a range of the window, zeroed, then handed over (from polling)
 * clean      a few zeroed chunks that wait for their next client: a small allocation then asks no driver
 * recycle()  a chunk whose client has no use for it: zeroed again and kept clean, or given to the driver
 * reclaim()  back to the driver; done a millisecond's worth at a time, so that a client with 100,000 allocations can end
 *            without the others noticing
 */
import { CUresult } from '../../driver/errors.ts';
import { type AddressMap, Area, AreaKind, NOBODY } from './intervals.ts';
import type { Ledger } from './ledger.ts';
import type { Physical } from './physical.ts';
import type { MemoryCore } from './types.ts';
import { GRANULE, type Window } from './window.ts';
import type { Zeroer } from './zero.ts';

/** Clean chunks kept: 64 MiB, soon enough gone when the zone goes idle and its executor ends. */
const CLEAN_MAX = 32;
const RECLAIM_MS = 1;

export class Stock {
  private readonly clean: Area[] = [];
  private readonly leaving: Area[] = [];
  private polling = false;
  /** In use, resting, kept and leaving together. */
  private physicalBytes = 0;

  /** `owner`: whose quota bounds what is kept; its giveUpKept() calls drain(). */
  constructor(
    private readonly core: MemoryCore,
    private readonly window: Window,
    private readonly map: AddressMap,
    private readonly physical: Physical,
    private readonly zeroer: Zeroer,
    private readonly owner: { readonly ledger: Ledger; giveUpKept(): boolean },
  ) {}

  /** Bytes of physical memory that the driver has given this zone. */
  get held(): number {
    return this.physicalBytes;
  }

  /** Whether nothing more should be kept for later: other zones were promised what is beyond this one's quota. */
  get full(): boolean {
    return this.physicalBytes > this.owner.ledger.limits.memory;
  }

  /** Bytes that are nobody's and can be given out again or given back. */
  get spareBytes(): number {
    let bytes = this.clean.length * GRANULE;
    for (const area of this.leaving) if (area.memory !== 0) bytes += area.granules * GRANULE;
    return bytes;
  }

  /** A zeroed chunk, in the map, nobody's yet; null: none is ready. */
  takeChunk(): Area | null {
    return this.clean.pop() ?? null;
  }

  /** Begins to make an area of `bytes` bytes (rounded up to granules). `done` gets it, zeroed and in the map, or the CUresult
   *  that says why not. Answers a CUresult other than 0, and never calls `done`, when that is clear at once. */
  make(kind: AreaKind, bytes: number, done: (status: number, area: Area | null) => void): number {
    const granules = Math.ceil(bytes / GRANULE);
    const size = granules * GRANULE;
    if (this.owner.ledger.crowded) return CUresult.OUT_OF_MEMORY;
    if (this.physicalBytes + size > this.owner.ledger.limits.memory) this.owner.giveUpKept();
    let range = this.window.take(granules);
    if (range === 0 && this.owner.giveUpKept()) range = this.window.take(granules);
    if (range === 0) return CUresult.OUT_OF_MEMORY;
    const area = new Area(kind, this.window.start(range), granules, range);
    let status = this.physical.createAt(area.start, size);
    if (status === CUresult.OUT_OF_MEMORY && this.owner.giveUpKept()) status = this.physical.createAt(area.start, size);
    if (status !== 0) {
      this.window.give(range);
      return status;
    }
    area.memory = this.physical.made;
    this.physicalBytes += size;
    status = this.zero(area, (failed) => {
      if (failed !== 0) return done(failed, null);
      this.map.put(area);
      done(0, area);
    });
    return status;
  }

  /** A chunk that no work can touch any more, dirty, still in the map. */
  recycle(area: Area): void {
    area.owner = NOBODY;
    if (this.clean.length >= CLEAN_MAX || this.full) return this.reclaim(area);
    this.map.remove(area);
    this.zero(area, (failed) => {
      if (failed !== 0) return;
      this.map.put(area);
      this.keep(area);
    });
  }

  /** A chunk that was made and not used. */
  keep(area: Area): void {
    area.owner = NOBODY;
    if (this.clean.length < CLEAN_MAX && !this.full) this.clean.push(area);
    else this.reclaim(area);
  }

  /** An area that no work can touch any more goes to the driver, soon. Takes it out of the map at once. */
  reclaim(area: Area): void {
    area.owner = NOBODY;
    if (area.index !== 0) this.map.remove(area);
    this.leaving.push(area);
    if (!this.polling) {
      this.polling = true;
      this.core.poll(this.sweep);
    }
  }

  /** A zeroed area, in the map, gives up its address: the physical memory is the caller's from now on. */
  detach(area: Area): number {
    const memory = area.memory;
    area.memory = 0;
    this.map.remove(area);
    this.drop(area);
    return memory;
  }

  /** Releases what detach() gave. */
  release(memory: number, bytes: number): void {
    this.physical.release(memory);
    this.physicalBytes -= bytes;
  }

  /** Gives all that is spare to the driver now. Answers whether there was anything. */
  drain(): boolean {
    if (this.clean.length === 0 && this.leaving.length === 0) return false;
    for (const area of this.clean) this.map.remove(area);
    // From the end, as sweep does: a reservation is queued before the mappings in it.
    while (this.leaving.length > 0) this.drop(this.leaving.pop()!);
    for (const area of this.clean.splice(0)) this.drop(area);
    return true;
  }

  /** Zeroes; an area that cannot be zeroed goes to the driver and nobody gets it. */
  private zero(area: Area, done: (status: number) => void): number {
    const status = this.zeroer.start(area.start, area.granules * GRANULE, (failed) => {
      if (failed !== 0) this.drop(area);
      done(failed);
    });
    if (status !== 0) this.drop(area);
    return status;
  }

  private drop(area: Area): void {
    if (area.mapped) this.physical.unmap(area.start, area.granules * GRANULE);
    if (area.memory !== 0) this.release(area.memory, area.granules * GRANULE);
    area.memory = 0;
    if (area.range !== 0) this.window.give(area.range);
  }

  private readonly sweep = (): boolean => {
    const until = performance.now() + RECLAIM_MS;
    while (this.leaving.length > 0) {
      this.drop(this.leaving.pop()!);
      if (performance.now() > until) return false;
    }
    this.polling = false;
    return true;
  };
}
