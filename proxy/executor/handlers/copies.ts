/**
 * Copies of every form: GPU_COPY. Two ends of five kinds (device, array, staging, inline, pinned); straight copies of bytes take
 * the driver's 1D calls, everything else a descriptor in the scratch.
 *
 * Every end is checked as a whole box: first byte to last byte inside device memory of this client, the region's staging, the
 * record's payload or a reply, a piece of pinned memory. Numbers are doubles: what does not fit 2^53 is larger than every limit,
 * and sums of non-negative terms cannot come back below it. Arrays are bounded by the driver, which knows their shape.
 */
import { CUresult } from '../../driver/errors.ts';
import { SLOT_PAYLOAD } from '../../../idm/region.ts';
import { GpuCopy, HandleType, Message, MESSAGES, Place } from '../../generated/messages.ts';
import { AGAIN, DEFERRED, type Invocation } from '../invocation.ts';
import { StepKind } from '../pending.ts';
import type { HandlerTable } from './table.ts';

/** One end as the driver gets it. One of each for ever: nothing is allocated per copy. */
class End {
  place = 0;
  array = false;
  device = false;
  /** Host memory that the client shares, by its address: the driver finds out that it is. */
  unified = false;
  /** Native address of the first byte (not for arrays), or the driver's array. */
  base = 0;
  pitch = 0;
  height = 0;
  // Arrays alone
  x = 0;
  y = 0;
  z = 0;
  lod = 0;
  /** Bytes from the first to behind the last. */
  span = 0;
}

const source = new End();
const target = new End();

const REQUEST = MESSAGES[Message.GPU_COPY].request;
const REQUEST_WORDS = REQUEST >> 2;
const DST = GpuCopy.dst_place;
const SRC = GpuCopy.src_place;
// Words of an end's fields behind its place.
const LOD = GpuCopy.dst_lod;
const BASE = GpuCopy.dst_base;
const X = GpuCopy.dst_x;
const Y = GpuCopy.dst_y;
const Z = GpuCopy.dst_z;
const PITCH = GpuCopy.dst_pitch;
const HEIGHT = GpuCopy.dst_height;

const MEMORY_HOST = 1;
const MEMORY_DEVICE = 2;
const MEMORY_ARRAY = 3;
const MEMORY_UNIFIED = 4;

/** From here on a copy takes longer than ending a turn. */
const BULK_BYTES = 32768;

/** From here on it is worth knowing when a copy will be done. */
const FORETOLD_BYTES = 1 << 20;

/** Pinned slot of an inline end in this copy; -1: none. */
let slot = -1;

function copy(v: Invocation): number {
  const first = v.u32(GpuCopy.chunk);
  const count = v.u32(GpuCopy.chunks);
  if (first + count > v.client.region.shape.stagingChunks) return CUresult.INVALID_VALUE;
  slot = -1;
  const status = submit(v);
  if (status === AGAIN) return AGAIN;
  if (status !== 0) {
    if (slot >= 0) v.executor.slots.release(slot, v.client);
    // The client must not starve for chunks because a copy was refused.
    if (count !== 0) v.client.freeChunks(first, count);
    return status;
  }
  const work = v.executor.work;
  const inlineReply = target.place === Place.inline && target.span !== 0;
  if (count === 0 && slot < 0 && v.posted) return status;
  v.bulky = count !== 0 || source.span >= BULK_BYTES;
  const stream = v.found!;
  if (source.span < FORETOLD_BYTES && stream.queue.first === null && stream.queue.open === null && work.mayBeDone()) {
    const done = v.executor.streamStatus(stream);
    work.wasDone(done !== CUresult.NOT_READY);
    if (done !== CUresult.NOT_READY) return finishNow(v, done, first, count, inlineReply);
  }
  const batch = work.open(stream);
  if (source.span >= FORETOLD_BYTES && !source.array && !target.array && source.device !== target.device) {
    batch.bytes += source.span;
    batch.toDevice = target.device;
  }
  if (count !== 0) batch.add(work.step(StepKind.chunks, v.client, v.current ?? v.found!.context, first, count));
  if (!v.posted) {
    const reply = work.step(StepKind.reply, v.client, v.current, v.slot, v.ticket);
    reply.bytes = inlineReply ? target.span : 0;
    reply.from = slot;
    batch.add(reply);
  }
  // Behind the reply, which still reads the slot.
  if (slot >= 0) batch.add(work.step(StepKind.slot, v.client, null, slot, 0));
  return v.posted ? status : DEFERRED;
}

/** The end of a copy that the driver has done already: what its batch's steps would do. */
function finishNow(v: Invocation, status: number, first: number, count: number, inlineReply: boolean): number {
  v.found!.done = v.found!.marked = v.found!.given;
  if (count !== 0) v.client.freeChunks(first, count);
  if (inlineReply && status === 0) v.replySlot(slot, target.span);
  if (slot >= 0) v.executor.slots.release(slot, v.client);
  return status;
}

/** Checks and gives the copy to the driver. */
function submit(v: Invocation): number {
  const width = v.u64(GpuCopy.width);
  const rows = v.u64(GpuCopy.rows);
  const depth = v.u64(GpuCopy.depth);
  const stream = v.stream(GpuCopy.stream);
  if (stream < 0) return v.invalid(HandleType.stream);
  target.place = v.u32(DST);
  target.span = 0;
  if (width === 0 || rows === 0 || depth === 0) return CUresult.SUCCESS;
  let status = end(v, source, SRC, width, rows, depth, false);
  if (status !== 0) return status;
  status = end(v, target, DST, width, rows, depth, true);
  if (status !== 0) return status;
  const driver = v.driver;
  if (!source.array && !target.array) {
    const straight = (rows === 1 || (source.pitch === width && target.pitch === width)) &&
      (depth === 1 || (source.height === rows && target.height === rows && source.pitch === width && target.pitch === width));
    if (straight) {
      const bytes = width * rows * depth;
      if (source.unified || target.unified) return driver.cuMemcpyAsync(target.base, source.base, bytes, stream);
      if (source.device) {
        return target.device ? driver.cuMemcpyDtoDAsync_v2(target.base, source.base, bytes, stream) : driver.cuMemcpyDtoHAsync_v2(target.base, source.base, bytes, stream);
      }
      return target.device ? driver.cuMemcpyHtoDAsync_v2(target.base, source.base, bytes, stream) : driver.cuMemcpyAsync(target.base, source.base, bytes, stream);
    }
  }
  if (depth === 1 && source.z === 0 && target.z === 0 && source.lod === 0 && target.lod === 0) {
    descriptor2D(v, width, rows);
    return driver.cuMemcpy2DAsync_v2(v.scratch, stream);
  }
  descriptor3D(v, width, rows, depth);
  return driver.cuMemcpy3DAsync_v2(v.scratch, stream);
}

/** Reads and checks the end whose fields start at word `at`. */
function end(v: Invocation, e: End, at: number, width: number, rows: number, depth: number, write: boolean): number {
  const place = v.u32(at);
  const x = v.u64(at + X);
  const y = v.u64(at + Y);
  const z = v.u64(at + Z);
  e.place = place;
  e.array = place === Place.array;
  e.device = place === Place.device;
  e.unified = false;
  e.lod = 0;
  if (e.array) {
    e.base = v.handle(HandleType.array, at + BASE);
    if (e.base < 0) return v.invalid(HandleType.array);
    e.x = x;
    e.y = y;
    e.z = z;
    e.lod = v.u32(at + LOD);
    e.pitch = 0;
    e.height = 0;
    return CUresult.SUCCESS;
  }
  const pitch = v.u64(at + PITCH) || width;
  const height = v.u64(at + HEIGHT) || rows;
  // Pinned memory's x is an offset in all of it, of any number of rows; its span is checked below like the others'.
  if (place !== Place.pinned) {
    if ((rows > 1 || depth > 1) && pitch < x + width) return CUresult.INVALID_VALUE;
    if (depth > 1 && height < y + rows) return CUresult.INVALID_VALUE;
  } else if (((rows > 1 || depth > 1) && pitch < width) || (depth > 1 && height < rows)) return CUresult.INVALID_VALUE;
  const start = x + y * pitch + z * pitch * height;
  const span = (depth - 1) * pitch * height + (rows - 1) * pitch + width;
  e.pitch = pitch;
  e.height = height;
  e.x = 0;
  e.y = 0;
  e.z = 0;
  e.span = span;
  const base = v.u64(at + BASE) + start;
  switch (place) {
    case Place.device:
      if (!v.executor.memory.check(v.client.memory, base, span, write)) return v.outside();
      e.base = base;
      e.unified = base >= v.executor.memory.hostWindowBase && base < v.executor.memory.hostWindowBase + v.executor.memory.hostWindowSize;
      return CUresult.SUCCESS;
    case Place.staging: {
      const region = v.client.region;
      if (base + span > region.stagingBytes) return CUresult.INVALID_VALUE;
      if (!v.client.pinned) v.executor.pinRegion(v.client);
      // Registering may have changed the driver's current context.
      v.enter(v.context);
      e.base = region.staging + base;
      return CUresult.SUCCESS;
    }
    case Place.pinned: {
      const pinned = v.client.memory.pinned(v.u64(at + BASE));
      if (pinned === undefined || start + span > pinned.bytes) return CUresult.INVALID_VALUE;
      e.base = pinned.address + start;
      return CUresult.SUCCESS;
    }
    case Place.inline: {
      // One inline end a copy: bytes that arrived in a record have no business in its reply.
      if (slot >= 0 || span > (write ? SLOT_PAYLOAD : v.bytes - REQUEST)) return CUresult.INVALID_VALUE;
      if (write && v.posted) return CUresult.INVALID_VALUE;
      // Packed: what lies between rows would be another client's bytes of before, and go out with the reply.
      if ((rows > 1 && pitch !== width) || (depth > 1 && (pitch !== width || height !== rows))) return CUresult.INVALID_VALUE;
      slot = v.executor.slots.take(span, v.client);
      if (slot < 0) return AGAIN;
      v.enter(v.context);
      if (!write) v.slotPut(slot, REQUEST_WORDS, span);
      e.base = v.executor.slots.address(slot);
      // The payload begins at the box's first byte.
      return start === 0 ? CUresult.SUCCESS : CUresult.INVALID_VALUE;
    }
    default:
      return CUresult.INVALID_VALUE;
  }
}

const kind = (e: End): number => (e.array ? MEMORY_ARRAY : e.unified ? MEMORY_UNIFIED : e.device ? MEMORY_DEVICE : MEMORY_HOST);

/** CUDA_MEMCPY2D, 128 bytes: per end x, y, kind, host, device, array, pitch; then width and height. */
function descriptor2D(v: Invocation, width: number, rows: number): void {
  put2D(v, 0, source);
  put2D(v, 56, target);
  v.scratchSet64(112, width);
  v.scratchSet64(120, rows);
}

function put2D(v: Invocation, at: number, e: End): void {
  v.scratchSet64(at, e.x);
  v.scratchSet64(at + 8, e.y);
  v.scratchSet64(at + 16, kind(e));
  v.scratchSet64(at + 24, e.array || e.device ? 0 : e.base);
  v.scratchSet64(at + 32, e.device ? e.base : 0);
  v.scratchSet64(at + 40, e.array ? e.base : 0);
  v.scratchSet64(at + 48, e.pitch);
}

/** CUDA_MEMCPY3D, 200 bytes: per end x, y, z, lod, kind, host, device, array, reserved, pitch, height; then the extent. */
function descriptor3D(v: Invocation, width: number, rows: number, depth: number): void {
  put3D(v, 0, source);
  put3D(v, 88, target);
  v.scratchSet64(176, width);
  v.scratchSet64(184, rows);
  v.scratchSet64(192, depth);
}

function put3D(v: Invocation, at: number, e: End): void {
  v.scratchSet64(at, e.x);
  v.scratchSet64(at + 8, e.y);
  v.scratchSet64(at + 16, e.z);
  v.scratchSet64(at + 24, e.lod);
  v.scratchSet64(at + 32, kind(e));
  v.scratchSet64(at + 40, e.array || e.device ? 0 : e.base);
  v.scratchSet64(at + 48, e.device ? e.base : 0);
  v.scratchSet64(at + 56, e.array ? e.base : 0);
  v.scratchSet64(at + 64, 0);
  v.scratchSet64(at + 72, e.pitch);
  v.scratchSet64(at + 80, e.height);
}

export function registerCopies(table: HandlerTable): void {
  table[Message.GPU_COPY] = copy;
}
