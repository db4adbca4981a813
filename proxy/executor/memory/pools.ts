/**
 * Memory pools of one client. A pool is a limit and a count: blocks come from the client's one heap, whatever pool they are
 * charged to, because freed memory then serves every later allocation of the client and not only those of one pool.
 * So a pool reserves nothing beyond what is in use (its reserved bytes are those in use, in granules), and the release
 * threshold, kept and reported, has nothing to hold back. Which stream may have which memory when: rest.ts.
 */
import { CUresult } from '../../driver/errors.ts';
import {
  HandleType, PoolCreate, PoolCreateReply, PoolDestroy, PoolExport, PoolExportReply, PoolGet, PoolGetReply, PoolImport, PoolImportReply, PoolOfDevice, PoolOfDeviceReply, PoolSet, PoolTrim,
} from '../../generated/messages.ts';
import type { OneClient } from './client.ts';
import { replyTokenOf, tokenAt } from './tokens.ts';
import type { MemoryInvocation } from './types.ts';
import { GRANULE } from './window.ts';

/** CUmemPool_attribute. */
enum Attribute {
  reuseFollowEventDependencies = 1,
  reuseAllowOpportunistic = 2,
  reuseAllowInternalDependencies = 3,
  releaseThreshold = 4,
  reservedCurrent = 5,
  reservedHigh = 6,
  usedCurrent = 7,
  usedHigh = 8,
}

const PINNED = 1; // CU_MEM_ALLOCATION_TYPE_PINNED
const DEVICE = 1; // CU_MEM_LOCATION_TYPE_DEVICE
/** CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR. */
const DESCRIPTOR = 1;
const DEFAULT = 0; // POOL_OF_DEVICE: which
const CURRENT = 1;

class Pool {
  used = 0;
  usedHigh = 0;
  reservedHigh = 0;
  thresholdLow = 0; // any 64-bit value, all ones in practice: kept as the two words that came
  thresholdHigh = 0;
  readonly reuse = [1, 1, 1];

  /** Under which others find it; '': nobody was told. */
  token = '';

  /** `exportable`: made with a handle type. `source`: the number of another client's pool that this one stands for; 0: none. */
  constructor(readonly number: number, readonly maxBytes: number, readonly exportable = false, readonly source = 0) {}

  get reserved(): number {
    return Math.ceil(this.used / GRANULE) * GRANULE;
  }
}

export class Pools {
  private readonly pools = new Map<number, Pool>();
  private default = 0;
  private current = 0;

  constructor(private readonly owner: OneClient) {}

  /** The pool that an allocation without one comes from. */
  get currentNumber(): number {
    if (this.current === 0) this.current = this.defaultPool();
    return this.current;
  }

  /** Counts `bytes` as in use; false: the pool's own limit says no. */
  took(number: number, bytes: number): boolean {
    const pool = this.pools.get(number);
    if (pool === undefined) return true;
    if (bytes > pool.maxBytes - pool.used) return false;
    pool.used += bytes;
    pool.usedHigh = Math.max(pool.usedHigh, pool.used);
    pool.reservedHigh = Math.max(pool.reservedHigh, pool.reserved);
    return true;
  }

  /** Counts `bytes` as free; does nothing for pool 0 or one that is destroyed. */
  gave(number: number, bytes: number): void {
    if (number === 0) return;
    const pool = this.pools.get(number);
    if (pool !== undefined) pool.used -= bytes;
  }

  private defaultPool(): number {
    if (this.default === 0) {
      this.default = this.owner.zone.nextId++;
      this.pools.set(this.default, new Pool(this.default, Number.MAX_SAFE_INTEGER));
    }
    return this.default;
  }

  private find(v: MemoryInvocation, word: number): Pool | null {
    const number = v.handle(HandleType.pool, word);
    return number < 0 ? null : (this.pools.get(number) ?? null);
  }

  /** Puts a pool's handle into a reply; the default pool has one from when it is first told. False: the zone has no room for another. */
  tell(v: MemoryInvocation, word: number, number: number): boolean {
    if (v.findHandle(word, HandleType.pool, number) || !this.pools.has(number)) return true;
    return v.room(HandleType.pool) && v.addHandle(word, HandleType.pool, number);
  }

  create(v: MemoryInvocation): number {
    if (v.u32(PoolCreate.type) !== PINNED) return v.u32(PoolCreate.type) === 2 ? CUresult.NOT_SUPPORTED : CUresult.INVALID_VALUE;
    const types = v.u32(PoolCreate.handle_types);
    if ((types !== 0 && types !== DESCRIPTOR) || v.u32(PoolCreate.location_type) !== DEVICE) return CUresult.NOT_SUPPORTED;
    if (v.i32(PoolCreate.location) !== 0) return CUresult.INVALID_DEVICE;
    if (!v.room(HandleType.pool)) return v.refuse();
    const most = v.u64(PoolCreate.max_size);
    const pool = new Pool(this.owner.zone.nextId++, most === 0 ? Number.MAX_SAFE_INTEGER : most, types === DESCRIPTOR);
    if (!v.addHandle(PoolCreateReply.pool, HandleType.pool, pool.number)) return v.refuse();
    this.pools.set(pool.number, pool);
    return 0;
  }

  // ---- between clients ----

  /** Whether allocations from it may be exported. */
  exports(number: number): boolean {
    return this.pools.get(number)?.exportable === true;
  }

  /** The number of the other client's pool that this one stands for; 0: it is this client's own. */
  source(number: number): number {
    return this.pools.get(number)?.source ?? 0;
  }

  /** POOL_EXPORT */
  export(v: MemoryInvocation): number {
    const pool = this.find(v, PoolExport.pool);
    if (pool === null) return v.invalid(HandleType.pool);
    if (!pool.exportable) return CUresult.INVALID_VALUE;
    replyTokenOf(v, PoolExportReply.token0, pool, this.owner.zone.exportedPools, pool.number);
    return 0;
  }

  /** POOL_IMPORT */
  import(v: MemoryInvocation): number {
    const { zone } = this.owner;
    const source = zone.exportedPools.get(tokenAt(v, PoolImport.token0));
    if (source === undefined) return CUresult.INVALID_VALUE;
    if (!v.room(HandleType.pool)) return v.refuse();
    const pool = new Pool(zone.nextId++, Number.MAX_SAFE_INTEGER, false, source);
    if (!v.addHandle(PoolImportReply.pool, HandleType.pool, pool.number)) return v.refuse();
    this.pools.set(pool.number, pool);
    return 0;
  }

  private forget(pool: Pool): void {
    this.pools.delete(pool.number);
    if (pool.token !== '') this.owner.zone.exportedPools.delete(pool.token);
  }

  /** The client is about to end. */
  end(): void {
    for (const pool of [...this.pools.values()]) if (pool.token !== '') this.forget(pool);
  }

  /** What is allocated from the pool lives on. */
  destroy(v: MemoryInvocation): number {
    const pool = this.find(v, PoolDestroy.pool);
    if (pool === null) return v.invalid(HandleType.pool);
    if (pool.number === this.default) return CUresult.INVALID_VALUE;
    v.removeHandle(HandleType.pool, PoolDestroy.pool);
    this.forget(pool);
    if (this.current === pool.number) this.current = 0;
    return 0;
  }

  /** Nothing is held beyond what is in use: there is nothing to trim but the client's caches. */
  trim(v: MemoryInvocation): number {
    if (this.find(v, PoolTrim.pool) === null) return v.invalid(HandleType.pool);
    if (v.u64(PoolTrim.keep) === 0) this.owner.trim();
    return 0;
  }

  set(v: MemoryInvocation): number {
    const pool = this.find(v, PoolSet.pool);
    if (pool === null) return v.invalid(HandleType.pool);
    const attribute = v.u32(PoolSet.attribute);
    const low = v.u32(PoolSet.value);
    const high = v.u32(PoolSet.value + 1);
    switch (attribute) {
      case Attribute.reuseFollowEventDependencies:
      case Attribute.reuseAllowOpportunistic:
      case Attribute.reuseAllowInternalDependencies:
        if (low > 1) return CUresult.INVALID_VALUE;
        pool.reuse[attribute - 1] = low;
        return 0;
      case Attribute.releaseThreshold:
        pool.thresholdLow = low;
        pool.thresholdHigh = high;
        return 0;
      case Attribute.reservedHigh: // the marks may only be set back
        if (low !== 0 || high !== 0) return CUresult.INVALID_VALUE;
        pool.reservedHigh = pool.reserved;
        return 0;
      case Attribute.usedHigh:
        if (low !== 0 || high !== 0) return CUresult.INVALID_VALUE;
        pool.usedHigh = pool.used;
        return 0;
      default:
        return CUresult.INVALID_VALUE;
    }
  }

  get(v: MemoryInvocation): number {
    const pool = this.find(v, PoolGet.pool);
    if (pool === null) return v.invalid(HandleType.pool);
    const attribute = v.u32(PoolGet.attribute);
    switch (attribute) {
      case Attribute.reuseFollowEventDependencies:
      case Attribute.reuseAllowOpportunistic:
      case Attribute.reuseAllowInternalDependencies:
        v.replyU64(PoolGetReply.value, pool.reuse[attribute - 1]);
        return 0;
      case Attribute.releaseThreshold:
        v.replyU32(PoolGetReply.value, pool.thresholdLow);
        v.replyU32(PoolGetReply.value + 1, pool.thresholdHigh);
        return 0;
      case Attribute.reservedCurrent:
        v.replyU64(PoolGetReply.value, pool.reserved);
        return 0;
      case Attribute.reservedHigh:
        v.replyU64(PoolGetReply.value, pool.reservedHigh);
        return 0;
      case Attribute.usedCurrent:
        v.replyU64(PoolGetReply.value, pool.used);
        return 0;
      case Attribute.usedHigh:
        v.replyU64(PoolGetReply.value, pool.usedHigh);
        return 0;
      default:
        return CUresult.INVALID_VALUE;
    }
  }

  /** The default pool, the current one, or another made current. */
  ofDevice(v: MemoryInvocation): number {
    if (v.i32(PoolOfDevice.device) !== 0) return CUresult.INVALID_DEVICE;
    const which = v.u32(PoolOfDevice.which);
    let number: number;
    if (which === DEFAULT) number = this.defaultPool();
    else if (which === CURRENT) number = this.currentNumber;
    else {
      const pool = this.find(v, PoolOfDevice.pool);
      if (pool === null) return v.invalid(HandleType.pool);
      if (pool.source !== 0) return CUresult.INVALID_VALUE; // nothing can be allocated from another's pool
      this.current = pool.number;
      number = pool.number;
    }
    return this.tell(v, PoolOfDeviceReply.pool, number) ? 0 : v.refuse();
  }
}
