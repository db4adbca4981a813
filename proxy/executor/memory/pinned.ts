/**
 * Pinned host memory: a shared memory object that the client maps and the driver reads and writes, so that a copy from or to
 * it moves no byte on the CPU.
 *
 * The object is shm-typed-array's (its length in the first 8 bytes), the client's bytes begin at offset 4096, page-aligned in
 * both processes. It is given real pages before it is registered, away from this thread: a full /dev/shm is then an error
 * and not a SIGBUS. Counts against the zone's staging.
 */
import koffi from 'koffi';
import { NoticeType } from '../../../idm/hello.ts';
import { PAGE } from '../../../idm/region.ts';
import { CUresult } from '../../driver/errors.ts';
import { HostAlloc, HostAllocReply, HostFree } from '../../generated/messages.ts';
import { SHARED_MAX, SharedObject } from '../shared-object.ts';
import { DEFERRED, type OneClient } from './client.ts';
import type { MemoryInvocation } from './types.ts';

const PORTABLE = 1; // CU_MEMHOSTREGISTER_PORTABLE: pinned for every context
const MOST = SHARED_MAX - PAGE;

const fallocate = koffi.load(null).func('int posix_fallocate(int fd, int64_t offset, int64_t length)') as unknown as {
  async(fd: number, offset: number, length: number, done: (error: unknown, errno: number) => void): void;
};

interface Pin {
  id: number;
  /** What the quota counts. */
  bytes: number;
  object: SharedObject;
  /** Native address of the client's first byte, and bytes from there on, whole pages. */
  address: number;
  size: number;
  registered: boolean;
}

export class PinnedMemory {
  private readonly pins = new Map<number, Pin>();
  /** Freed by the client, while its work may still touch them; or being made. */
  private readonly passing = new Set<Pin>();
  private staging = 0;

  constructor(private readonly owner: OneClient) {}

  find(id: number): { address: number; bytes: number } | undefined {
    return this.pins.get(id);
  }

  alloc(v: MemoryInvocation): number {
    const { owner } = this;
    const bytes = v.u64(HostAlloc.bytes);
    if (bytes === 0) return CUresult.INVALID_VALUE;
    const size = Math.ceil(bytes / PAGE) * PAGE;
    if (size > MOST) return CUresult.OUT_OF_MEMORY;
    if (!owner.take(0)) return CUresult.OUT_OF_MEMORY;
    if (!owner.zone.ledger.takeStaging(bytes)) {
      owner.give(0);
      return CUresult.OUT_OF_MEMORY;
    }
    this.staging += bytes;

    let pin: Pin;
    try {
      const object = new SharedObject(PAGE + size);
      pin = { id: owner.zone.nextId++, bytes, object, address: object.base + PAGE, size, registered: false };
    } catch {
      this.giveBack(bytes);
      return CUresult.OUT_OF_MEMORY;
    }
    const fd = pin.object.descriptor;
    this.passing.add(pin);
    const later = v.later();
    fallocate.async(fd, 0, PAGE + size, (error, errno) => {
      this.passing.delete(pin);
      let status = 0;
      if (owner.closed || error || errno !== 0) status = CUresult.OUT_OF_MEMORY;
      else status = this.register(pin);
      if (status === 0 && !owner.client.sendNotice(NoticeType.pinned, 0, pin.id, PAGE, pin.size, fd)) status = CUresult.OPERATING_SYSTEM;
      pin.object.closeDescriptor();
      if (status !== 0) {
        this.drop(pin);
        this.giveBack(bytes);
        return later.finish(status);
      }
      this.pins.set(pin.id, pin);
      later.replyU64(HostAllocReply.id, pin.id);
      later.replyU64(HostAllocReply.offset, PAGE);
      later.replyU64(HostAllocReply.size, pin.size);
      later.finish(0);
    });
    return DEFERRED;
  }

  private register(pin: Pin): number {
    const { core } = this.owner.zone;
    const context = core.internalContext();
    if (context === 0) return CUresult.DEVICE_UNAVAILABLE;
    core.enter(context);
    const status = core.driver.cuMemHostRegister_v2(pin.address, pin.size, PORTABLE);
    pin.registered = status === 0;
    return status;
  }

  /** The id fails from now on; the answer comes when the client's work, which may still use the memory, is done. */
  free(v: MemoryInvocation): number {
    const { owner } = this;
    const pin = this.pins.get(v.u64(HostFree.id));
    if (pin === undefined) return CUresult.INVALID_VALUE;
    this.pins.delete(pin.id);
    this.passing.add(pin);
    let later: { finish(status: number): void } | null = null;
    const done = owner.client.afterWork(() => {
      if (!this.passing.delete(pin)) return; // end() was first
      this.drop(pin);
      this.giveBack(pin.bytes);
      later?.finish(0);
    });
    if (done) return 0;
    later = v.later();
    return DEFERRED;
  }

  private drop(pin: Pin): void {
    const { core } = this.owner.zone;
    if (pin.registered) {
      core.enter(core.internalContext());
      core.driver.cuMemHostUnregister(pin.address);
    }
    pin.object.close();
  }

  private giveBack(bytes: number): void {
    this.owner.give(0);
    if (this.owner.closed) return; // giveStaging() gave everything back in one sum
    this.owner.zone.ledger.giveStaging(bytes);
    this.staging -= bytes;
  }

  /** The client ends: the quota gets all of it back at once. */
  giveStaging(): void {
    if (this.staging !== 0) this.owner.zone.ledger.giveStaging(this.staging);
    this.staging = 0;
  }

  /** No work can touch it any more. What is still being made drops itself. */
  end(): void {
    for (const pin of this.pins.values()) this.drop(pin);
    for (const pin of this.passing) if (pin.registered) this.drop(pin);
    this.pins.clear();
    this.passing.clear();
  }
}
