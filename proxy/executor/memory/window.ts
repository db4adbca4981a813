/**
 * The zone's address window: one range of device addresses, reserved at adoption, in which all its memory lies.
 *
 * An address that a client holds is the address that the GPU uses (kernels carry pointers inside memory), so the client
 * library reserves the same range of its own address space with PROT_NONE: none of its mappings can then be mistaken for
 * device memory. Hence where it lies: between 64 TiB and 80 TiB, which nothing else likes on x86-64. Above what V8 draws
 * its random hints from (below 64 TiB) and the legacy bottom-up area (42 TiB), below PIE programs (85 TiB), the heap, and the
 * top-down area (127 TiB); outside the shadow and the allocators of Address- and ThreadSanitizer; below 2^47.
 */
import koffi from 'koffi';
import { type Physical } from './physical.ts';
import { Tlsf } from './tlsf.ts';

/** The unit of mapping: physical memory comes in multiples of it. */
export const GRANULE = 2 * 1024 * 1024;

const SLOTS_BASE = 0x4000_0000_0000;
const SLOT_BYTES = 2 ** 40;
const SLOTS = 16;
const WINDOW_MIN = 64 * 2 ** 30;
const ADDRESS_END = 2 ** 47;

const libc = koffi.load(null);
const mmap = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, int64_t offset)');
const munmap = libc.func('int munmap(uintptr_t address, size_t bytes)');
const PROT_NONE = 0;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FIXED_NOREPLACE = 0x100000;
const EEXIST = 17;
/** MAP_FAILED and everything else that is no address of a process. */
const FAILED = 2 ** 57;

/**
 * Bytes of window for a quota: a power of two, at least 16 times the quota, 64 GiB to 1 TiB. So much for reservations without memory: PyTorch's
 * expandable segments reserve 9/8 of the device for each stream and pool, and twice that before the first tensor.
 */
export function windowBytes(quota: number): number {
  let bytes = WINDOW_MIN;
  while (bytes < 16 * quota && bytes < SLOT_BYTES) bytes *= 2;
  return bytes;
}

export class Window {
  readonly granules: number;
  /** Ranges of granules; node 0 is "none". */
  readonly ranges = new Tlsf();

  private constructor(private readonly physical: Physical, readonly base: number, readonly bytes: number) {
    this.granules = bytes / GRANULE;
    this.ranges.addRegion(0, this.granules);
  }

  /** Reserves a window for `quota` bytes. Throws an Error with the driver's status when no address space is to be had. */
  static open(physical: Physical, quota: number, random = Math.random): Window {
    // A window smaller than wanted is better than none: a driver may have less address space than we ask for.
    let status = 0;
    for (let bytes = windowBytes(quota); bytes >= GRANULE * 64; bytes /= 2) {
      const first = Math.floor(random() * SLOTS);
      for (let i = 0; i <= SLOTS; i++) {
        const hint = i < SLOTS ? SLOTS_BASE + ((first + i) % SLOTS) * SLOT_BYTES : 0; // at last anywhere
        if (hint !== 0 && mapped(hint, bytes)) continue;
        status = physical.reserve(bytes, hint);
        if (status !== 0) break;
        const base = physical.made;
        if ((hint === 0 || base === hint) && base % GRANULE === 0 && base + bytes <= ADDRESS_END) return new Window(physical, base, bytes);
        physical.unreserve(base, bytes);
      }
    }
    throw new Error(`the driver reserves no address window for the zone (last status ${status})`);
  }

  address(granule: number): number {
    return this.base + granule * GRANULE;
  }

  /** Range node of `granules` granules, or 0. */
  take(granules: number, alignment = 1): number {
    return granules > this.granules ? 0 : this.ranges.allocateAligned(granules, alignment);
  }

  /** First address of a range node. */
  start(range: number): number {
    return this.base + this.ranges.start[range] * GRANULE;
  }

  give(range: number): void {
    this.ranges.release(range);
  }

  close(): void {
    this.physical.unreserve(this.base, this.bytes);
  }
}

/** Whether anything of this process is mapped in the range: asked of the kernel by reserving it for a moment, which costs microseconds
 *  beside a client's first call, where reading /proc/self/maps costs the better part of a millisecond. */
function mapped(base: number, bytes: number): boolean {
  const got = mmap(base, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) as number | bigint; // MAP_FAILED is no exact number
  if (got === base) {
    munmap(base, bytes);
    return false;
  }
  // A kernel before 4.17 takes the flag for none and gives other addresses.
  if (got < FAILED) munmap(got, bytes);
  // Out of anything else (a limit of address space): the driver's to say.
  return got < FAILED || koffi.errno() === EEXIST;
}
