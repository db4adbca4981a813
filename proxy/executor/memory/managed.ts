/**
 * Managed memory: pages of the zone's host window that the client's CPU and the GPU reach at one address, with no copying between.
 *
 * Allocations of up to 1 MiB share objects of 2 MiB (a program may have a managed node for each leaf of a tree, and an object
 * costs a mapping in two processes); larger ones have an object each. It counts against the zone's memory like device memory, to
 * the byte; what the machine gives is rounded up to pages, respectively to 2 MiB for all small ones together.
 *
 * A client maps an object when the reply that names it for the first time comes: the descriptor is sent before that reply. It need
 * not be told of an object's end. Its pages are gone by then, and a later object at the same place is mapped over it.
 */
import { NoticeType } from '../../../idm/hello.ts';
import { CUresult } from '../../driver/errors.ts';
import { AllocKind, GpuAllocReply } from '../../generated/messages.ts';
import { DEFERRED, FREED_AT_ONCE, type OneClient } from './client.ts';
import { Heap, SMALL_MAX } from './heap.ts';
import type { HostObject } from './host-window.ts';
import { Area, AreaKind } from './intervals.ts';
import { NodeState } from './tlsf.ts';
import type { Later, MemoryInvocation } from './types.ts';
import { GRANULE } from './window.ts';

interface Waiting {
  bytes: number;
  context: number;
  later: Later;
  /** Its context is gone: it has been answered. */
  cancelled: boolean;
}

export class ManagedMemory {
  private readonly heap: Heap;
  private readonly objects = new Map<Area, HostObject>();
  private readonly waiting = new Set<Waiting>();
  private chunkComing = false;

  constructor(private readonly owner: OneClient) {
    this.heap = new Heap(owner.zone.host.map, owner.owner);
  }

  /** Allocates `bytes` and answers `v`: a CUresult, or DEFERRED. */
  allocate(v: MemoryInvocation, bytes: number): number {
    const { owner } = this;
    if (!owner.take(bytes)) return CUresult.OUT_OF_MEMORY;
    const request = { bytes, context: v.context };
    if (bytes <= SMALL_MAX && !owner.zone.ledger.crowded && this.small(request, v)) return 0;
    const waiting: Waiting = { ...request, later: v.later(), cancelled: false };
    this.waiting.add(waiting);
    // Pages that the quota has back and that work may still touch are real pages: no more of them than the quota, together.
    owner.zone.core.poll(() => {
      if (waiting.cancelled || owner.closed) return true;
      if (owner.zone.ledger.crowded && owner.expecting) return false;
      if (bytes <= SMALL_MAX) this.fetchChunk(waiting);
      else this.makeLarge(waiting);
      return true;
    });
    return DEFERRED;
  }

  private small({ bytes, context }: { bytes: number; context: number }, reply: Later | MemoryInvocation): boolean {
    const { heap } = this;
    const node = heap.allocate(bytes, AllocKind.managed, context, 0, this.owner.zone.nextId++);
    if (node === 0) return false;
    const address = heap.address(node);
    this.answer(reply, address, this.owner.zone.host.map.at(address)!);
    return true;
  }

  private answer(reply: Later | MemoryInvocation, address: number, area: Area): void {
    const object = this.objects.get(area)!;
    reply.replyU64(GpuAllocReply.address, address);
    reply.replyU64(GpuAllocReply.object, object.id);
    reply.replyU64(GpuAllocReply.object_base, object.address);
    reply.replyU64(GpuAllocReply.object_size, object.size);
  }

  /** An object that the client has the descriptor of; `done` gets null and a CUresult where there is none. Not in the map yet. */
  private make(kind: AreaKind, bytes: number, done: (status: number, area: Area | null) => void): void {
    const { owner } = this;
    const { zone } = owner;
    const id = zone.nextId++;
    const object = zone.host.make(id, bytes);
    if (object === null) return done(CUresult.OUT_OF_MEMORY, null);
    object.prepare(zone.core, () => !owner.closed, (status) => {
      if (owner.closed) status = CUresult.OUT_OF_MEMORY;
      if (status === 0 && !owner.client.sendNotice(NoticeType.pinned, 0, id, 0, object.size, object.descriptor)) status = CUresult.OPERATING_SYSTEM;
      object.closeDescriptor();
      if (status !== 0) {
        object.close(zone.core);
        return done(status, null);
      }
      const area = new Area(kind, object.address, Math.ceil(object.size / GRANULE), 0);
      area.owner = owner.owner;
      this.objects.set(area, object);
      zone.host.map.put(area);
      done(0, area);
    });
  }

  private fetchChunk(first: Waiting): void {
    if (this.small(first, first.later)) return this.finish(first);
    if (this.chunkComing) return;
    this.chunkComing = true;
    this.make(AreaKind.chunk, GRANULE, (status, area) => {
      this.chunkComing = false;
      if (area !== null) this.heap.addChunk(area);
      for (const each of [...this.waiting]) {
        if (each.bytes > SMALL_MAX || each.cancelled) continue;
        if (area === null) this.fail(each, status);
        else if (this.small(each, each.later)) this.finish(each);
        else {
          this.fetchChunk(each);
          break;
        }
      }
    });
  }

  private makeLarge(waiting: Waiting): void {
    this.make(AreaKind.whole, waiting.bytes, (status, area) => {
      if (area === null) return this.fail(waiting, status);
      if (waiting.cancelled) return this.release(area);
      area.bytes = waiting.bytes;
      area.id = this.owner.zone.nextId++;
      area.tag = { kind: AllocKind.managed, context: waiting.context, pool: 0 };
      this.answer(waiting.later, area.start, area);
      this.finish(waiting);
    });
  }

  private finish(waiting: Waiting): void {
    this.waiting.delete(waiting);
    waiting.later.finish(0);
  }

  private fail(waiting: Waiting, status: number): void {
    if (waiting.cancelled) return;
    waiting.cancelled = true;
    this.waiting.delete(waiting);
    this.owner.give(waiting.bytes);
    waiting.later.finish(status);
  }

  /** Whether an allocation of this client's begins at `address`; if so, it is free when the client's work so far is done. */
  free(address: number): boolean {
    const { owner, heap } = this;
    const { map } = owner.zone.host;
    const area = map.at(address);
    if (area === null || area.owner !== owner.owner || !this.objects.has(area)) return false;
    if (area.kind === AreaKind.chunk) {
      const node = map.block(area, address);
      if (node === 0 || heap.address(node) !== address) return false;
      this.freeBlock(node);
      return true;
    }
    if (area.state !== NodeState.live || area.start !== address) return false;
    this.freeWhole(area);
    return true;
  }

  private freeBlock(node: number): void {
    const { heap } = this;
    const bytes = heap.bytes[node];
    heap.rest(node);
    this.rest(bytes, () => this.releaseBlock(node));
  }

  private releaseBlock(node: number): void {
    const chunk = this.heap.release(node);
    if (chunk !== null) this.release(chunk);
  }

  private freeWhole(area: Area): void {
    area.state = NodeState.resting;
    this.rest(area.bytes, () => this.release(area));
  }

  private rest(bytes: number, then: () => void): void {
    const { owner } = this;
    owner.give(bytes);
    owner.restBegins(bytes);
    owner.client.afterWork(() => {
      if (owner.closed) return; // end() drops everything
      owner.restEnds(bytes);
      then();
    });
  }

  private release(area: Area): void {
    this.owner.zone.host.map.remove(area);
    this.objects.get(area)!.close(this.owner.zone.core);
    this.objects.delete(area);
  }

  *contextGoing(context: number): Generator<void, void> {
    for (const each of [...this.waiting]) if (each.context === context) this.fail(each, CUresult.CONTEXT_IS_DESTROYED);
    // What is left in it when its work is done: one wait for all of them.
    const nodes: number[] = [];
    let bytes = 0;
    for (const node of this.heap.live()) {
      if (this.heap.context[node] !== context) continue;
      nodes.push(node);
      bytes += this.heap.bytes[node];
      this.owner.give(this.heap.bytes[node]);
      this.heap.rest(node);
      if (nodes.length % FREED_AT_ONCE !== 0) continue;
      yield;
      if (this.owner.closed) return;
    }
    if (nodes.length !== 0) this.restAll(nodes, bytes);
    for (const area of this.objects.keys()) {
      if (area.kind === AreaKind.whole && area.state === NodeState.live && area.tag!.context === context) this.freeWhole(area);
    }
  }

  private restAll(nodes: number[], bytes: number): void {
    const { owner } = this;
    owner.restBegins(bytes);
    owner.client.afterWork(() => owner.zone.core.poll(() => {
      if (owner.closed) return true; // end() drops everything
      for (const node of nodes.splice(-FREED_AT_ONCE)) this.releaseBlock(node);
      if (nodes.length !== 0) return false;
      owner.restEnds(bytes);
      return true;
    }));
  }

  /** No work can touch it any more. What is still being made drops itself. */
  end(): void {
    for (const area of this.heap.dropAll()) this.release(area);
    for (const area of [...this.objects.keys()]) this.release(area);
    this.waiting.clear();
  }
}
