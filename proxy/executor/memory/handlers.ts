/**
 * The memory messages of the call table (idm/messages.ts): read the request, ask the client's memory, reply.
 *
 * Every number is the client's and anything up to 2^64 - 1; u64() gives at least 2^53 for what JavaScript cannot hold exactly, and
 * each use below compares with a limit before it computes with it.
 */
import { CUresult } from '../../driver/errors.ts';
import {
  AllocKind, GpuAlloc, GpuAllocReply, GpuFree, HandleType, MemInfoReply, Message, PointerQuery, PointerQueryReply,
} from '../../generated/messages.ts';
import type { HandlerTable } from '../handlers/table.ts';
import { DEFERRED, memoryOf } from './client.ts';
import { AreaKind } from './intervals.ts';
import { NodeState } from './tlsf.ts';
import type { Later, MemoryInvocation } from './types.ts';

/** Rows of pitched memory begin at multiples of this, as the driver's own do on every GPU of this decade (attribute 51 is the
 *  least that textures ask for, and less than what cuMemAllocPitch gives). */
const PITCH = 512;

const answerAddress = (reply: Later | MemoryInvocation, address: number): void => reply.replyU64(GpuAllocReply.address, address);

function allocate(v: MemoryInvocation): number {
  const memory = memoryOf(v);
  const kind = v.u32(GpuAlloc.kind);
  const context = v.context;
  if (context === 0) return CUresult.INVALID_CONTEXT;
  switch (kind) {
    case AllocKind.managed: {
      const bytes = v.u64(GpuAlloc.bytes);
      return bytes === 0 ? CUresult.INVALID_VALUE : memory.managed.allocate(v, bytes);
    }
    case AllocKind.device: {
      const bytes = v.u64(GpuAlloc.bytes);
      if (bytes === 0) return CUresult.INVALID_VALUE;
      return memory.allocate(v, { bytes, kind, context, pool: 0 }, null, answerAddress);
    }
    case AllocKind.pitch: {
      const width = v.u64(GpuAlloc.width);
      const height = v.u64(GpuAlloc.height);
      const element = v.u32(GpuAlloc.element);
      if (width === 0 || height === 0 || (element !== 4 && element !== 8 && element !== 16)) return CUresult.INVALID_VALUE;
      const pitch = Math.ceil(width / PITCH) * PITCH;
      const bytes = pitch * height;
      // Beyond 2^53 the product is not exact, and not to be had either.
      if (bytes > Number.MAX_SAFE_INTEGER) return v.refuse();
      return memory.allocate(v, { bytes, kind, context, pool: 0 }, null, (reply, address) => {
        answerAddress(reply, address);
        reply.replyU64(GpuAllocReply.pitch, pitch);
      });
    }
    case AllocKind.async: {
      const bytes = v.u64(GpuAlloc.bytes);
      if (v.stream(GpuAlloc.stream) < 0) return v.invalid(HandleType.stream);
      if (bytes === 0) return CUresult.INVALID_VALUE;
      const pool = v.isNull(GpuAlloc.pool) ? memory.pools.currentNumber : v.handle(HandleType.pool, GpuAlloc.pool);
      if (pool < 0) return v.invalid(HandleType.pool);
      if (memory.pools.source(pool) !== 0) return CUresult.INVALID_VALUE; // imported: nothing is allocated from it here
      if (!memory.pools.took(pool, bytes)) return v.refuse();
      const status = memory.allocate(v, { bytes, kind, context, pool }, v.found, answerAddress);
      if (status > 0) memory.pools.gave(pool, bytes);
      return status;
    }
    default:
      return CUresult.INVALID_VALUE;
  }
}

function free(v: MemoryInvocation): number {
  const memory = memoryOf(v);
  const address = v.u64(GpuFree.address);
  if (v.u32(GpuFree.async) !== 0) {
    if (v.stream(GpuFree.stream) < 0) return v.invalid(HandleType.stream);
    return memory.zone.ipc.free(v, memory, address, true) ?? memory.free(address, v.found);
  }
  const opened = memory.zone.ipc.free(v, memory, address, false);
  if (opened !== null) return opened;
  const status = memory.free(address, null);
  if (status !== 0 || memory.quiet) return status;
  // cuMemFree returns when the work under way is done, and programs lean on that (they look at what a copy has brought).
  let later: Later | null = null;
  if (memory.client.afterWork(() => later?.finish(0))) return 0;
  later = v.later();
  return DEFERRED;
}

function info(v: MemoryInvocation): number {
  if (v.context === 0) return CUresult.INVALID_CONTEXT;
  const { zone } = memoryOf(v);
  v.replyU64(MemInfoReply.free, zone.free());
  v.replyU64(MemInfoReply.total, zone.ledger.limits.memory);
  return 0;
}

function query(v: MemoryInvocation): number {
  const memory = memoryOf(v);
  const { zone } = memory;
  const address = v.u64(PointerQuery.address);
  const opened = memory.imports.find(address);
  if (opened !== null) {
    v.replyU64(PointerQueryReply.base, opened.shared.start);
    v.replyU64(PointerQueryReply.size, opened.shared.bytes);
    v.findHandle(PointerQueryReply.context, HandleType.context, opened.context);
    v.replyU64(PointerQueryReply.pool, 0);
    v.replyU32(PointerQueryReply.kind, AllocKind.device);
    v.replyU32(PointerQueryReply.device, 0);
    v.replyU64(PointerQueryReply.id, opened.shared.id);
    return 0;
  }
  const foreign = memory.foreign.find(address);
  if (foreign !== null) {
    v.replyU64(PointerQueryReply.base, foreign.start);
    v.replyU64(PointerQueryReply.size, foreign.bytes);
    if (foreign.context === 0) v.replyU64(PointerQueryReply.context, 0);
    else v.findHandle(PointerQueryReply.context, HandleType.context, foreign.context);
    v.replyU64(PointerQueryReply.pool, 0);
    v.replyU32(PointerQueryReply.kind, foreign.managed ? AllocKind.managed : AllocKind.device);
    v.replyU32(PointerQueryReply.device, 0);
    v.replyU64(PointerQueryReply.id, foreign.id);
    return 0;
  }
  const { map } = zone.host.holds(address) ? zone.host : zone;
  const area = map.at(address);
  if (area === null || area.owner !== memory.owner || area.kind === AreaKind.reserved) return CUresult.INVALID_VALUE;
  let { start, bytes, id } = area;
  let context = 0;
  let pool = 0;
  let kind: number = AllocKind.device;
  if (area.kind === AreaKind.chunk) {
    const node = map.block(area, address);
    if (node === 0) return CUresult.INVALID_VALUE;
    const heap = area.heap!;
    start = heap.address(node);
    bytes = heap.bytes[node];
    id = heap.id[node];
    context = heap.context[node];
    pool = heap.pool[node];
    kind = heap.kind[node];
  } else if (area.kind === AreaKind.whole) {
    if (area.state !== NodeState.live || address >= start + bytes) return CUresult.INVALID_VALUE;
    ({ context, pool, kind } = area.tag!);
  } else kind = AllocKind.mapping;
  v.replyU64(PointerQueryReply.base, start);
  v.replyU64(PointerQueryReply.size, bytes);
  if (context === 0) v.replyU64(PointerQueryReply.context, 0);
  else v.findHandle(PointerQueryReply.context, HandleType.context, context);
  if (pool === 0) v.replyU64(PointerQueryReply.pool, 0);
  else memory.pools.tell(v, PointerQueryReply.pool, pool);
  v.replyU32(PointerQueryReply.kind, kind);
  v.replyU32(PointerQueryReply.device, 0);
  v.replyU64(PointerQueryReply.id, id);
  return 0;
}

/** Adds the handlers by message id. */
export function registerMemoryHandlers(table: HandlerTable): void {
  table[Message.GPU_ALLOC] = allocate;
  table[Message.GPU_FREE] = free;
  table[Message.MEM_INFO] = info;
  table[Message.POINTER_QUERY] = query;
  table[Message.IPC_GET] = (v) => memoryOf(v).zone.ipc.get(v, memoryOf(v));
  table[Message.IPC_OPEN] = (v) => memoryOf(v).zone.ipc.open(v, memoryOf(v));
  table[Message.IPC_CLOSE] = (v) => memoryOf(v).zone.ipc.close(v, memoryOf(v));
  table[Message.HOST_ALLOC] = (v) => memoryOf(v).pins.alloc(v);
  table[Message.HOST_FREE] = (v) => memoryOf(v).pins.free(v);
  table[Message.ADDRESS_RESERVE] = (v) => memoryOf(v).virtual.reserve(v);
  table[Message.ADDRESS_FREE] = (v) => memoryOf(v).virtual.unreserve(v);
  table[Message.MEM_CREATE] = (v) => memoryOf(v).virtual.create(v);
  table[Message.MEM_RELEASE] = (v) => memoryOf(v).virtual.release(v);
  table[Message.MEM_MAP] = (v) => memoryOf(v).virtual.map(v);
  table[Message.MEM_UNMAP] = (v) => memoryOf(v).virtual.unmap(v);
  table[Message.MEM_SET_ACCESS] = (v) => memoryOf(v).virtual.setAccess(v);
  table[Message.MEM_GET_ACCESS] = (v) => memoryOf(v).virtual.getAccess(v);
  table[Message.MEM_RETAIN] = (v) => memoryOf(v).virtual.retain(v);
  table[Message.MEM_PROPERTIES] = (v) => memoryOf(v).virtual.properties(v);
  table[Message.MEM_EXPORT] = (v) => memoryOf(v).virtual.export(v);
  table[Message.MEM_IMPORT] = (v) => memoryOf(v).virtual.import(v);
  table[Message.POOL_EXPORT] = (v) => memoryOf(v).pools.export(v);
  table[Message.POOL_IMPORT] = (v) => memoryOf(v).pools.import(v);
  table[Message.POOL_GIVE] = (v) => memoryOf(v).zone.ipc.give(v, memoryOf(v));
  table[Message.POOL_TAKE] = (v) => memoryOf(v).zone.ipc.take(v, memoryOf(v));
  table[Message.POOL_CREATE] = (v) => memoryOf(v).pools.create(v);
  table[Message.POOL_DESTROY] = (v) => memoryOf(v).pools.destroy(v);
  table[Message.POOL_TRIM] = (v) => memoryOf(v).pools.trim(v);
  table[Message.POOL_SET] = (v) => memoryOf(v).pools.set(v);
  table[Message.POOL_GET] = (v) => memoryOf(v).pools.get(v);
  table[Message.POOL_OF_DEVICE] = (v) => memoryOf(v).pools.ofDevice(v);
  table[Message.ARRAY_CREATE] = (v) => memoryOf(v).arrays.create(v);
  table[Message.ARRAY_DESCRIBE] = (v) => memoryOf(v).arrays.describe(v);
  table[Message.ARRAY_DESTROY] = (v) => memoryOf(v).arrays.destroy(v, HandleType.array);
  table[Message.MIPMAP_CREATE] = (v) => memoryOf(v).arrays.createMipmap(v);
  table[Message.MIPMAP_LEVEL] = (v) => memoryOf(v).arrays.level(v);
  table[Message.MIPMAP_DESTROY] = (v) => memoryOf(v).arrays.destroy(v, HandleType.mipmappedArray);
}
