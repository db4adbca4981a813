/**
 * Pinned host memory: an object of the zone's host window (host-window.ts), so that a copy from or to it moves no byte on the CPU
 * and a kernel reaches it at the client's own address. Counts against the zone's staging.
 */
import { NoticeType } from '../../../idm/hello.ts';
import { CUresult } from '../../driver/errors.ts';
import { AllocKind, HostAlloc, HostAllocReply, HostFree } from '../../generated/messages.ts';
import { DEFERRED, type OneClient } from './client.ts';
import type { HostObject } from './host-window.ts';
import { Area, AreaKind } from './intervals.ts';
import type { MemoryInvocation } from './types.ts';
import { GRANULE } from './window.ts';

interface Pin {
  /** What the quota counts. */
  bytes: number;
  object: HostObject;
  /** Native address of the client's first byte, and the client's as well. */
  address: number;
  area: Area;
  /** The driver may know it: not while it is being made. */
  made: boolean;
}

export class PinnedMemory {
  private readonly pins = new Map<number, Pin>();
  /** Freed by the client, while its work may still touch them; or being made. */
  private readonly passing = new Set<Pin>();
  /** Of no more use than to keep their bytes: the client takes these over before it frees them. */
  private readonly retired = new Map<number, Pin>();
  private staging = 0;

  constructor(private readonly owner: OneClient) {}

  find(id: number): { address: number; bytes: number } | undefined {
    return this.pins.get(id);
  }

  alloc(v: MemoryInvocation): number {
    const { owner } = this;
    const { zone } = owner;
    const bytes = v.u64(HostAlloc.bytes);
    if (bytes === 0) return CUresult.INVALID_VALUE;
    if (bytes > zone.host.bytes) return CUresult.OUT_OF_MEMORY;
    if (!owner.take(0)) return CUresult.OUT_OF_MEMORY;
    if (!zone.ledger.takeStaging(bytes)) {
      owner.give(0);
      return CUresult.OUT_OF_MEMORY;
    }
    this.staging += bytes;
    const id = zone.nextId++;
    const object = zone.host.make(id, bytes);
    if (object === null) {
      this.giveBack(bytes);
      return CUresult.OUT_OF_MEMORY;
    }
    const area = new Area(AreaKind.whole, object.address, Math.ceil(object.size / GRANULE), 0);
    area.bytes = bytes;
    area.id = id;
    area.tag = { kind: AllocKind.pinned, context: v.context, pool: 0 };
    const pin: Pin = { bytes, object, address: object.address, area, made: false };
    this.passing.add(pin);
    const later = v.later();
    object.prepare(zone.core, () => !owner.closed, (status) => {
      this.passing.delete(pin);
      if (owner.closed) status = CUresult.OUT_OF_MEMORY;
      if (status === 0 && !owner.client.sendNotice(NoticeType.pinned, 0, id, 0, object.size, object.descriptor)) status = CUresult.OPERATING_SYSTEM;
      object.closeDescriptor();
      if (status !== 0) {
        this.drop(pin);
        this.giveBack(bytes);
        return later.finish(status);
      }
      pin.made = true;
      area.owner = owner.owner;
      zone.host.map.put(area);
      this.pins.set(id, pin);
      later.replyU64(HostAllocReply.id, id);
      later.replyU64(HostAllocReply.address, object.address);
      later.replyU64(HostAllocReply.size, object.size);
      later.finish(0);
    });
    return DEFERRED;
  }

  /** The id and the address fail from now on; the answer comes when the client's work, which may still use the memory, is done. */
  free(v: MemoryInvocation): number {
    const { owner } = this;
    const id = v.u64(HostFree.id);
    const retire = v.u32(HostFree.retire) === 1;
    const retired = this.retired.get(id);
    if (retired !== undefined && !retire) {
      this.retired.delete(id);
      this.drop(retired);
      this.giveBack(retired.bytes);
      return 0;
    }
    const pin = this.pins.get(id);
    if (pin === undefined) return CUresult.INVALID_VALUE;
    this.pins.delete(id);
    owner.zone.host.map.remove(pin.area);
    this.passing.add(pin);
    let later: { finish(status: number): void } | null = null;
    const done = owner.client.afterWork(() => {
      if (!this.passing.delete(pin)) return; // end() was first
      if (retire) this.retired.set(id, pin);
      else {
        this.drop(pin);
        this.giveBack(pin.bytes);
      }
      later?.finish(0);
    });
    if (done) return 0;
    later = v.later();
    return DEFERRED;
  }

  private drop(pin: Pin): void {
    if (pin.area.index !== 0) this.owner.zone.host.map.remove(pin.area);
    pin.object.close(this.owner.zone.core);
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
    for (const pin of this.passing) if (pin.made) this.drop(pin);
    for (const pin of this.retired.values()) this.drop(pin);
    this.pins.clear();
    this.retired.clear();
    this.passing.clear();
  }
}
