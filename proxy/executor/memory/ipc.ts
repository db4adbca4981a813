/**
 * Device memory that one client of the zone lets others use: cuIpcGetMemHandle and its relatives, and allocations from exported pools
 * (cuMemPoolExportPointer).
 *
 * One process serves all clients of a zone, in one GPU address space. So a handle needs no driver: it is a random number that the
 * zone knows, and opening it gives the other client the right to the very addresses that the exporter uses. Another zone, which is
 * another process, knows no such number.
 *
 * Memory that its owner frees, or leaves behind, while others have it open is charged to the zone and stays where it is until the
 * last of them has closed it. CUDA leaves that undefined; here nobody's bytes may come under an address that a client still has.
 */
import { CUresult } from '../../driver/errors.ts';
import { AllocKind, HandleType, IpcClose, IpcGet, IpcGetReply, IpcOpen, IpcOpenReply, PoolGive, PoolGiveReply, PoolTake, PoolTakeReply } from '../../generated/messages.ts';
import { DEFERRED, type OneClient } from './client.ts';
import { type Area, AreaKind } from './intervals.ts';
import { NodeState } from './tlsf.ts';
import { newToken, replyToken, tokenAt } from './tokens.ts';
import type { MemoryInvocation } from './types.ts';
import type { Zone } from './zone.ts';

/** The only flag, and it must be given: CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS. */
const LAZY_ENABLE_PEER_ACCESS = 1;

export interface Shared {
  readonly token: string;
  readonly owner: OneClient;
  readonly area: Area;
  /** Block of the owner's heap; 0: the whole area. */
  readonly node: number;
  readonly start: number;
  readonly bytes: number;
  readonly id: number;
  /** The exported pool that it is from; 0: none. */
  readonly pool: number;
  /** Clients that have it open, or whose work may still touch it. */
  users: number;
}

/** One client's opening of it. */
export interface Import {
  readonly shared: Shared;
  readonly context: number;
  /** cuIpcOpenMemHandle less cuIpcCloseMemHandle, or cuMemPoolImportPointer less cuMemFree. */
  count: number;
}

/** What a client has opened. */
export class Imports {
  readonly open = new Map<number, Import>();
  /** Closed, while the client's work may still use it. */
  readonly closing = new Set<Import>();

  find(address: number): Import | null {
    if (this.open.size === 0) return null;
    for (const each of this.open.values()) if (address >= each.shared.start && address < each.shared.start + each.shared.bytes) return each;
    return null;
  }

  check(address: number, bytes: number): boolean {
    const found = this.find(address);
    return found !== null && bytes <= found.shared.start + found.shared.bytes - address;
  }
}

export class Ipc {
  private readonly byToken = new Map<string, Shared>();
  private readonly byStart = new Map<number, Shared>();
  /** What its owner has done with and others have not: charged to nobody but the zone. */
  private readonly orphans = new Set<Shared>();

  constructor(private readonly zone: Zone) {}

  /** IPC_GET: the handle of the allocation around an address, the same each time. */
  get(v: MemoryInvocation, owner: OneClient): number {
    const shared = this.share(owner, v.u64(IpcGet.address), (kind) => kind === AllocKind.device || kind === AllocKind.pitch);
    if (shared === null) return CUresult.INVALID_VALUE;
    replyToken(v, IpcGetReply.token0, shared.token);
    return CUresult.SUCCESS;
  }

  /** POOL_GIVE: the same for an allocation from a pool that is exported. */
  give(v: MemoryInvocation, owner: OneClient): number {
    const shared = this.share(owner, v.u64(PoolGive.address), (kind, pool) => kind === AllocKind.async && owner.pools.exports(pool));
    if (shared === null) return CUresult.INVALID_VALUE;
    replyToken(v, PoolGiveReply.token0, shared.token);
    return CUresult.SUCCESS;
  }

  /** The owner's allocation around an address, if it is `wanted`, made known; null: it is not. */
  private share(owner: OneClient, address: number, wanted: (kind: number, pool: number) => boolean): Shared | null {
    const area = this.zone.map.at(address);
    if (area === null || area.owner !== owner.owner) return null;
    let node = 0;
    let kind = 0;
    let pool = 0;
    let { start, bytes, id } = area;
    if (area.kind === AreaKind.chunk) {
      node = this.zone.map.block(area, address);
      if (node === 0) return null;
      const { heap } = owner;
      start = heap.address(node);
      bytes = heap.bytes[node];
      id = heap.id[node];
      kind = heap.kind[node];
      pool = heap.pool[node];
    } else if (area.kind !== AreaKind.whole || area.state !== NodeState.live || address >= start + bytes) return null;
    else ({ kind, pool } = area.tag!);
    if (!wanted(kind, pool)) return null;
    let shared = this.byStart.get(start);
    if (shared === undefined) {
      shared = { token: newToken(), owner, area, node, start, bytes, id, pool, users: 0 };
      this.byStart.set(start, shared);
      this.byToken.set(shared.token, shared);
    }
    return shared;
  }

  /** IPC_OPEN */
  open(v: MemoryInvocation, client: OneClient): number {
    if (v.context === 0) return CUresult.INVALID_CONTEXT;
    if (v.u32(IpcOpen.flags) !== LAZY_ENABLE_PEER_ACCESS) return CUresult.INVALID_VALUE;
    const shared = this.byToken.get(tokenAt(v, IpcOpen.token0));
    if (shared === undefined || shared.pool !== 0) return CUresult.INVALID_VALUE;
    if (shared.owner === client) return CUresult.INVALID_CONTEXT; // the driver's answer to the process that exported it
    return this.admit(v, client, shared, v.context, IpcOpenReply.address, IpcOpenReply.size);
  }

  /** POOL_TAKE */
  take(v: MemoryInvocation, client: OneClient): number {
    const pool = v.handle(HandleType.pool, PoolTake.pool);
    if (pool < 0) return v.invalid(HandleType.pool);
    const shared = this.byToken.get(tokenAt(v, PoolTake.token0));
    if (shared === undefined || shared.pool === 0 || shared.owner === client || client.pools.source(pool) !== shared.pool) return CUresult.INVALID_VALUE;
    return this.admit(v, client, shared, 0, PoolTakeReply.address, PoolTakeReply.size);
  }

  private admit(v: MemoryInvocation, client: OneClient, shared: Shared, context: number, address: number, size: number): number {
    let opened = client.imports.open.get(shared.start);
    if (opened === undefined) {
      if (!this.zone.takeMapping()) return v.refuse();
      opened = { shared, context, count: 0 };
      client.imports.open.set(shared.start, opened);
      shared.users++;
    }
    opened.count++;
    v.replyU64(address, shared.start);
    v.replyU64(size, shared.bytes);
    return CUresult.SUCCESS;
  }

  /** GPU_FREE of what POOL_TAKE gave: null, it is none. A free that a stream orders is answered at once. */
  free(v: MemoryInvocation, client: OneClient, address: number, ordered: boolean): number | null {
    const opened = client.imports.open.get(address);
    if (opened === undefined || opened.shared.pool === 0) return null;
    return this.shut(v, client, opened, !ordered);
  }

  /** IPC_CLOSE: answered when the client's work, which may still use it, is done. */
  close(v: MemoryInvocation, client: OneClient): number {
    const opened = client.imports.open.get(v.u64(IpcClose.address));
    return opened === undefined || opened.shared.pool !== 0 ? CUresult.INVALID_VALUE : this.shut(v, client, opened, true);
  }

  private shut(v: MemoryInvocation, client: OneClient, opened: Import, wait: boolean): number {
    if (--opened.count > 0) return CUresult.SUCCESS;
    let later: { finish(status: number): void } | null = null;
    if (this.forget(client, opened, () => later?.finish(0)) || !wait) return CUresult.SUCCESS;
    later = v.later();
    return DEFERRED;
  }

  /** The client may not use it any more from now on; the memory is let go when its work is done. Answers whether it is. */
  private forget(client: OneClient, opened: Import, then: () => void): boolean {
    client.imports.open.delete(opened.shared.start);
    this.zone.giveMapping();
    client.imports.closing.add(opened);
    return client.client.afterWork(() => {
      if (!client.imports.closing.delete(opened)) return; // ended() was first
      this.release(opened.shared);
      then();
    });
  }

  /** A context of the client is gone, and what was opened in it. */
  contextGone(client: OneClient, context: number): void {
    for (const each of [...client.imports.open.values()]) if (each.context === context) this.forget(client, each, () => undefined);
  }

  /** A client has ended, its work too. */
  ended(client: OneClient): void {
    for (const each of client.imports.open.values()) {
      this.zone.giveMapping();
      this.release(each.shared);
    }
    client.imports.open.clear();
    for (const each of client.imports.closing) this.release(each.shared);
    client.imports.closing.clear();
  }

  private release(shared: Shared): void {
    if (--shared.users > 0 || !this.orphans.delete(shared)) return;
    const { zone } = this;
    zone.ledger.give(shared.bytes);
    if (!shared.owner.ended) shared.owner.adopt(shared.area, shared.node);
    else if (shared.node === 0) zone.stock.reclaim(shared.area);
    else if (!this.holds(shared.area)) zone.stock.recycle(shared.area);
  }

  /** The owner frees the allocation that begins at `start`: its handle is void. Answers whether others have it open: then it stays,
   *  and its charge is the zone's. */
  freed(start: number): boolean {
    const shared = this.byStart.get(start);
    if (shared === undefined) return false;
    this.byStart.delete(start);
    this.byToken.delete(shared.token);
    if (shared.users === 0) return false;
    this.orphans.add(shared);
    return true;
  }

  /** A client is about to end: what others have open of it stays, as if it had freed it. */
  ending(owner: OneClient): void {
    for (const shared of [...this.byStart.values()]) {
      if (shared.owner === owner && this.freed(shared.start)) owner.leave(shared.area, shared.node, shared.bytes);
    }
  }

  /** Whether memory that others have open lies in this chunk, whose owner has gone. */
  holds(chunk: Area): boolean {
    for (const each of this.orphans) if (each.node !== 0 && each.area === chunk) return true;
    return false;
  }
}
