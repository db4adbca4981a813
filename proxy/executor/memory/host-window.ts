/**
 * The zone's window of host addresses: memory that a client's CPU, the GPU and this process reach at one and the same address.
 *
 * Pinned host memory and managed memory are pages that client and executor share. With unified addressing a driver gives
 * registered host memory a device address equal to its host address in the process that registered it, which is this one; so
 * for the client's pointer to be the GPU's, both processes must map the pages at the same place. As for device memory the
 * place is picked here, in a range that both sides keep free: objects are memfds, mapped over it in this process and, once
 * the descriptor has come, in the client's.
 *
 * Where it lies: at the low end of what ThreadSanitizer lets programs map (0x7e80...), half a TiB below the lowest place that
 * the kernel begins a process's own mappings at; between PIE programs and ThreadSanitizer's heap where that is taken.
 *
 * The objects are sealed: a client can neither truncate one under the driver nor make it larger. Pages go when the object is
 * closed, whoever still maps it; what a client touches there afterwards is its own, and nobody else's.
 */
import { closeSync, ftruncateSync, readFileSync } from 'node:fs';
import koffi from 'koffi';
import { PAGE } from '../../../idm/region.ts';
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import { AddressMap } from './intervals.ts';
import { Tlsf } from './tlsf.ts';
import type { MemoryCore } from './types.ts';
import { GRANULE } from './window.ts';

const GIB = 2 ** 30;
const FIRST_BASE = 0x7e80_0000_0000;
const FIRST_END = 0x7f00_0000_0000;
const OTHER_BASE = 0x5800_0000_0000;
const OTHER_END = 0x7a00_0000_0000;
const LEAST = 64 * GIB;
const MOST = 256 * GIB;
/** Bytes of pages that this thread gives back itself: a GiB takes a tenth of a second and more. */
const REMOVED_HERE = 16 * 2 ** 20;
/** Bytes of the machine's memory that no object takes. */
const RESERVE = 64 * 2 ** 20;

const PROT_NONE = 0;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x4022;
const MAP_FIXED = 0x10;
const MAP_FIXED_NOREPLACE = 0x100000;
const MADV_REMOVE = 9;
const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
const SEALS = 1 | 2 | 4; // against more seals, shrinking, growing
const REGISTER_PORTABLE_MAPPED = 3;

const libc = koffi.load(null);
// MAP_FAILED is 2^64 - 1, which comes out as some number that no address is.
const mmap = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, int64_t offset)');
const munmap = libc.func('int munmap(uintptr_t address, size_t bytes)');
const madvise = libc.func('int madvise(uintptr_t address, size_t bytes, int advice)') as unknown as {
  (address: number, bytes: number, advice: number): number;
  async(address: number, bytes: number, advice: number, done: (error: unknown, status: number) => void): void;
};
const memfdCreate = libc.func('int memfd_create(const char *name, unsigned int flags)');
const fcntl = libc.func('int fcntl(int fd, int command, ...)');
const fallocate = libc.func('int posix_fallocate(int fd, int64_t offset, int64_t length)') as unknown as {
  async(fd: number, offset: number, length: number, done: (error: unknown, errno: number) => void): void;
};

const out = Buffer.allocUnsafeSlow(8);
const outAt = addressOf(out);

/** One object: `size` bytes of shared pages at `address`, in both processes. */
export class HostObject {
  /** To be passed on, then closed with closeDescriptor(). */
  descriptor: number;
  private registered = false;
  private open = true;

  constructor(private readonly window: HostWindow, readonly id: number, private readonly range: number, readonly address: number, readonly size: number, descriptor: number) {
    this.descriptor = descriptor;
  }

  /** Gives it real pages, away from this thread, and registers them with the driver. `done` gets a CUresult, later. */
  prepare(core: MemoryCore, wanted: () => boolean, done: (status: number) => void): void {
    if (available() < this.size + RESERVE) return void setImmediate(done, CUresult.OUT_OF_MEMORY);
    fallocate.async(this.descriptor, 0, this.size, (error, errno) => {
      done(error || errno !== 0 || !wanted() ? CUresult.OUT_OF_MEMORY : this.register(core));
    });
  }

  private register(core: MemoryCore): number {
    const context = core.internalContext();
    if (context === 0) return CUresult.DEVICE_UNAVAILABLE;
    core.enter(context);
    let status = core.driver.cuMemHostRegister_v2(this.address, this.size, REGISTER_PORTABLE_MAPPED);
    if (status !== 0) return status;
    this.registered = true;
    status = core.driver.cuMemHostGetDevicePointer_v2(outAt, this.address, 0);
    // A device that reaches host memory at other addresses than the host: nothing here could be told to a client.
    if (status === 0 && Number(out.readBigUInt64LE(0)) !== this.address) status = CUresult.NOT_SUPPORTED;
    return status;
  }

  closeDescriptor(): void {
    if (this.descriptor >= 0) closeSync(this.descriptor);
    this.descriptor = -1;
  }

  /** Nothing of its client's may be under way in it any more. Its pages and its addresses are free when the driver has let go of it. */
  close(core: MemoryCore): void {
    this.closeDescriptor();
    if (!this.open) return;
    this.open = false;
    const unmap = (): void => this.window.unmap(this.range, this.address, this.size);
    if (this.registered) core.unregisterHost(this.address, unmap);
    else unmap();
  }
}

/** Bytes of window for `bytes` of host memory: at least twice as much, 64 to 256 GiB. */
export function hostWindowBytes(bytes: number): number {
  let size = LEAST;
  while (size < 2 * bytes && size < MOST) size *= 2;
  return size;
}

export class HostWindow {
  readonly map: AddressMap;
  readonly ranges = new Tlsf();
  private closed = false;

  private constructor(readonly base: number, readonly bytes: number) {
    this.map = new AddressMap(base, bytes);
    this.ranges.addRegion(0, bytes / GRANULE);
  }

  /** Keeps a window free for `bytes` bytes of host memory. Throws an Error when there is no such place. */
  static open(bytes: number): HostWindow {
    const size = hostWindowBytes(bytes);
    for (const [start, end] of [[FIRST_BASE, FIRST_END], [OTHER_BASE, OTHER_END]]) {
      for (let base = start; base + size <= end; base += size) {
        const at = mmap(base, size, PROT_NONE, MAP_PRIVATE_ANONYMOUS_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0) as number;
        if (at === base) return new HostWindow(base, size);
        if (at > 0 && at < 2 ** 47) munmap(at, size); // a kernel before 4.17 took the address as a hint
      }
    }
    throw new Error(`no ${size} bytes of address space are free for host memory; raise "ulimit -v"`);
  }

  holds(address: number): boolean {
    return address >= this.base && address < this.base + this.bytes;
  }

  /** An object of at least `bytes` bytes, mapped here, its pages not there yet; null: no room, or the operating system refuses. */
  make(id: number, bytes: number): HostObject | null {
    const size = Math.ceil(bytes / PAGE) * PAGE;
    const granules = Math.ceil(size / GRANULE);
    if (granules > this.bytes / GRANULE) return null;
    const range = this.ranges.allocate(granules);
    if (range === 0) return null;
    const address = this.base + this.ranges.start[range] * GRANULE;
    const fd = memfdCreate('ringfence-host', MFD_CLOEXEC | MFD_ALLOW_SEALING) as number;
    try {
      if (fd < 0) throw new Error('memfd_create');
      ftruncateSync(fd, size);
      if (fcntl(fd, F_ADD_SEALS, 'int', SEALS) !== 0) throw new Error('F_ADD_SEALS');
      if (mmap(address, size, PROT_READ_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !== address) throw new Error('mmap');
      return new HostObject(this, id, range, address, size, fd);
    } catch {
      if (fd >= 0) closeSync(fd);
      this.ranges.release(range);
      return null;
    }
  }

  /** An object's pages go back to the operating system, its addresses may be another's. */
  unmap(range: number, address: number, size: number): void {
    if (this.closed) return;
    const unmapped = (): void => {
      if (this.closed) return;
      mmap(address, size, PROT_NONE, MAP_PRIVATE_ANONYMOUS_NORESERVE | MAP_FIXED, -1, 0);
      this.ranges.release(range);
    };
    if (size > REMOVED_HERE) return madvise.async(address, size, MADV_REMOVE, unmapped);
    madvise(address, size, MADV_REMOVE);
    unmapped();
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    munmap(this.base, this.bytes);
  }
}

/** Bytes that the machine can still give out; Infinity when it does not say. */
function available(): number {
  try {
    const match = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'latin1'));
    return match === null ? Infinity : Number(match[1]) * 1024;
  } catch {
    return Infinity;
  }
}
