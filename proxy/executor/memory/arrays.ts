/**
 * CUDA arrays and mipmapped arrays of one client. Their layout is the driver's secret, so the driver makes them; the quota
 * charges the bytes of their elements, all layers and levels, and they are zeroed by copies from zeroed memory before the
 * client learns their handle. Freed at once for the quota, destroyed when the client's work is done.
 */
import { addressOf } from '../../driver/driver.ts';
import { CUresult } from '../../driver/errors.ts';
import {
  ArrayCreate, ArrayCreateReply, ArrayDescribe, ArrayDescribeReply, ArrayDestroy, HandleType, MipmapCreate, MipmapCreateReply,
  MipmapDestroy, MipmapLevel, MipmapLevelReply,
} from '../../generated/messages.ts';
import { DEFERRED, type OneClient } from './client.ts';
import type { Later, MemoryInvocation } from './types.ts';
import { GRANULE } from './window.ts';

const LAYERED = 0x01;
const CUBEMAP = 0x04;
const SPARSE = 0x40;
const DEFERRED_MAPPING = 0x80;
const VIDEO = 0x100;
const KNOWN_FLAGS = 0x1ff;

const DEVICE = 2; // CU_MEMORYTYPE_DEVICE
const ARRAY = 3; // CU_MEMORYTYPE_ARRAY
const NON_BLOCKING = 1;

/** Bytes of one channel by CUarray_format; formats that carry their channels with them say so. Compressed and planar formats
 *  are not here: copies into those count in blocks and planes, which no call of ours does yet. */
const CHANNEL_BYTES: ReadonlyMap<number, number> = new Map([
  [0x01, 1], [0x02, 2], [0x03, 4], [0x08, 1], [0x09, 2], [0x0a, 4], [0x10, 2], [0x20, 4],
]);
const ELEMENT_BYTES: ReadonlyMap<number, number> = new Map([
  [0x50, 4], [0xc0, 1], [0xc1, 2], [0xc2, 4], [0xc3, 2], [0xc4, 4], [0xc5, 8], [0xc6, 1], [0xc7, 2], [0xc8, 4], [0xc9, 2], [0xca, 4], [0xcb, 8],
]);

/** Beyond any device's: what is within, the driver decides. */
const WIDTH_MAX = 2 ** 28;
const DEPTH_MAX = 2 ** 16;

/** Formats that CUDA knows and no call of ours serves: block-compressed and planar ones. */
const isFormat = (format: number): boolean => format >= 0x91 && format <= 0xff;

interface Shape {
  width: number; // elements
  height: number; // 0: one-dimensional
  depth: number; // or layers; 0: none
  format: number;
  channels: number;
  flags: number;
}

interface ArrayRecord {
  native: number;
  shape: Shape;
  bytes: number;
  context: number;
  /** A level of this mipmapped array: not the client's to destroy. */
  of: ArrayRecord | null;
  /** Levels handed out. */
  levels: Map<number, ArrayRecord>;
  levelCount: number; // 0: not a mipmapped array
  gone: boolean;
}

/** Bytes of one element; 0: a format that is not served. */
function elementBytes(shape: Shape): number {
  const whole = ELEMENT_BYTES.get(shape.format);
  if (whole !== undefined) return whole;
  return (CHANNEL_BYTES.get(shape.format) ?? 0) * shape.channels;
}

/** Shape of a level: layers stay, everything else halves down to 1. */
function levelShape(shape: Shape, level: number): Shape {
  const half = (n: number): number => (n === 0 ? 0 : Math.max(1, Math.floor(n / 2 ** level)));
  const layers = (shape.flags & (LAYERED | CUBEMAP)) !== 0;
  return { ...shape, width: half(shape.width), height: half(shape.height), depth: layers ? shape.depth : half(shape.depth) };
}

function shapeBytes(shape: Shape): number {
  return elementBytes(shape) * shape.width * Math.max(1, shape.height) * Math.max(1, shape.depth);
}

export class Arrays {
  private readonly arrays = new Map<number, ArrayRecord>();
  /** A stream of our own by context: what runs on it is only our zeroing. */
  private readonly streams = new Map<number, number>();
  /** CUDA_ARRAY3D_DESCRIPTOR (40 bytes) at 0, CUDA_MEMCPY3D (200 bytes) at 64, an out-parameter at 320. */
  private readonly block = Buffer.allocUnsafeSlow(328).fill(0);
  private readonly at = addressOf(this.block);

  constructor(private readonly owner: OneClient) {}

  create(v: MemoryInvocation): number {
    const shape: Shape = {
      width: v.u64(ArrayCreate.width), height: v.u64(ArrayCreate.height), depth: v.u64(ArrayCreate.depth),
      format: v.u32(ArrayCreate.format), channels: v.u32(ArrayCreate.channels), flags: v.u32(ArrayCreate.flags),
    };
    return this.make(v, shape, 0, HandleType.array, ArrayCreateReply.array);
  }

  createMipmap(v: MemoryInvocation): number {
    const shape: Shape = {
      width: v.u64(MipmapCreate.width), height: v.u64(MipmapCreate.height), depth: v.u64(MipmapCreate.depth),
      format: v.u32(MipmapCreate.format), channels: v.u32(MipmapCreate.channels), flags: v.u32(MipmapCreate.flags),
    };
    const layers = (shape.flags & (LAYERED | CUBEMAP)) !== 0;
    const most = 1 + Math.floor(Math.log2(Math.max(1, shape.width, shape.height, layers ? 1 : shape.depth)));
    return this.make(v, shape, Math.min(Math.max(1, v.u32(MipmapCreate.levels)), most), HandleType.mipmappedArray, MipmapCreateReply.mipmap);
  }

  private make(v: MemoryInvocation, shape: Shape, levels: number, type: HandleType, word: number): number {
    const { owner } = this;
    const context = v.context;
    if (context === 0) return CUresult.INVALID_CONTEXT;
    if (shape.width === 0 || ![1, 2, 4].includes(shape.channels)) return CUresult.INVALID_VALUE;
    if ((shape.flags & ~KNOWN_FLAGS) !== 0 || shape.width > WIDTH_MAX || shape.height > WIDTH_MAX || shape.depth > DEPTH_MAX) return CUresult.INVALID_VALUE;
    if ((shape.flags & (SPARSE | DEFERRED_MAPPING | VIDEO)) !== 0) return CUresult.NOT_SUPPORTED;
    if (elementBytes(shape) === 0) return isFormat(shape.format) ? CUresult.NOT_SUPPORTED : CUresult.INVALID_VALUE;
    if (!v.room(type)) return v.refuse();
    let bytes = shapeBytes(shape);
    for (let level = 1; level < levels; level++) bytes += shapeBytes(levelShape(shape, level));
    if (!owner.take(bytes)) return CUresult.OUT_OF_MEMORY;
    if (owner.zone.ledger.crowded) {
      owner.give(bytes);
      return CUresult.OUT_OF_MEMORY;
    }
    let status = this.make3D(shape, levels);
    if (status !== 0) {
      owner.give(bytes);
      return status;
    }
    const record: ArrayRecord = {
      native: Number(this.block.readBigUInt64LE(320)), shape, bytes, context, of: null, levels: new Map(), levelCount: levels, gone: false,
    };
    this.arrays.set(record.native, record);
    const later = v.later();
    status = owner.zone.zeroSource((failed, source) => this.zero(record, failed, source, later, type, word));
    if (status === 0) return DEFERRED;
    this.unmake(record);
    return status;
  }

  private make3D(shape: Shape, levels: number): number {
    const { block, at } = this;
    block.writeBigUInt64LE(BigInt(shape.width), 0);
    block.writeBigUInt64LE(BigInt(shape.height), 8);
    block.writeBigUInt64LE(BigInt(shape.depth), 16);
    block.writeUInt32LE(shape.format, 24);
    block.writeUInt32LE(shape.channels, 28);
    block.writeUInt32LE(shape.flags, 32);
    const driver = this.owner.zone.core.driver;
    return levels === 0 ? driver.cuArray3DCreate_v2(at + 320, at) : driver.cuMipmappedArrayCreate(at + 320, at, levels);
  }

  /** Submits the copies of zeroes, polls for their end, and answers. */
  private zero(record: ArrayRecord, status: number, source: number, later: Later, type: HandleType, word: number): void {
    const { core } = this.owner.zone;
    let stream = 0;
    if (record.gone || this.owner.closed) return later.finish(CUresult.CONTEXT_IS_DESTROYED);
    if (status === 0) {
      core.enter(record.context);
      stream = this.streams.get(record.context) ?? 0;
      if (stream === 0) {
        status = core.driver.cuStreamCreate(this.at + 320, NON_BLOCKING);
        if (status === 0) {
          stream = Number(this.block.readBigUInt64LE(320));
          this.streams.set(record.context, stream);
        }
      }
      if (status === 0) status = this.fill(record, stream, source);
    }
    if (status !== 0) {
      if (!record.gone) this.unmake(record);
      return later.finish(status);
    }
    core.poll(() => {
      if (record.gone || this.owner.closed) {
        later.finish(CUresult.CONTEXT_IS_DESTROYED);
        return true;
      }
      core.enter(record.context);
      const done = core.driver.cuStreamQuery(stream);
      if (done === CUresult.NOT_READY) return false;
      if (done !== 0 || !later.addHandle(word, type, record.native)) {
        this.unmake(record);
        later.finish(done === 0 ? CUresult.OUT_OF_MEMORY : done);
      } else later.finish(0);
      return true;
    });
  }

  private fill(record: ArrayRecord, stream: number, source: number): number {
    if (record.levelCount === 0) return this.fillArray(record.native, record.shape, stream, source);
    for (let level = 0; level < record.levelCount; level++) {
      let status = this.owner.zone.core.driver.cuMipmappedArrayGetLevel(this.at + 320, record.native, level);
      if (status === 0) status = this.fillArray(Number(this.block.readBigUInt64LE(320)), levelShape(record.shape, level), stream, source);
      if (status !== 0) return status;
    }
    return 0;
  }

  /** Copies from `source`, GRANULE zero bytes, in as few boxes as fit: slices together, else rows, else parts of a row. */
  private fillArray(array: number, shape: Shape, stream: number, source: number): number {
    const row = shape.width * elementBytes(shape);
    const rows = Math.max(1, shape.height);
    const slices = Math.max(1, shape.depth);
    const columns = Math.min(row, GRANULE);
    const rowsAtOnce = Math.min(rows, Math.floor(GRANULE / columns));
    const slicesAtOnce = rowsAtOnce < rows ? 1 : Math.min(slices, Math.floor(GRANULE / (columns * rows)));
    for (let z = 0; z < slices; z += slicesAtOnce) {
      for (let y = 0; y < rows; y += rowsAtOnce) {
        for (let x = 0; x < row; x += columns) {
          const status = this.copy(array, x, y, z, Math.min(columns, row - x), Math.min(rowsAtOnce, rows - y), Math.min(slicesAtOnce, slices - z), stream, source);
          if (status !== 0) return status;
        }
      }
    }
    return 0;
  }

  private copy(array: number, x: number, y: number, z: number, width: number, rows: number, slices: number, stream: number, source: number): number {
    const { block } = this;
    const put = (offset: number, value: number): void => { block.writeBigUInt64LE(BigInt(value), 64 + offset); };
    block.fill(0, 64, 264);
    put(32, DEVICE);
    put(48, source);
    put(72, width); // source pitch
    put(80, rows); // source height
    put(88, x);
    put(96, y);
    put(104, z);
    put(120, ARRAY);
    put(144, array);
    put(176, width);
    put(184, rows);
    put(192, slices);
    return this.owner.zone.core.driver.cuMemcpy3DAsync_v2(this.at + 64, stream);
  }

  describe(v: MemoryInvocation): number {
    const native = v.handle(HandleType.array, ArrayDescribe.array);
    const record = native < 0 ? undefined : this.arrays.get(native);
    if (record === undefined) return v.invalid(HandleType.array);
    v.replyU64(ArrayDescribeReply.width, record.shape.width);
    v.replyU64(ArrayDescribeReply.height, record.shape.height);
    v.replyU64(ArrayDescribeReply.depth, record.shape.depth);
    v.replyU32(ArrayDescribeReply.format, record.shape.format);
    v.replyU32(ArrayDescribeReply.channels, record.shape.channels);
    v.replyU32(ArrayDescribeReply.flags, record.shape.flags);
    return 0;
  }

  level(v: MemoryInvocation): number {
    const native = v.handle(HandleType.mipmappedArray, MipmapLevel.mipmap);
    const mipmap = native < 0 ? undefined : this.arrays.get(native);
    if (mipmap === undefined) return v.invalid(HandleType.mipmappedArray);
    const level = v.u32(MipmapLevel.level);
    if (level >= mipmap.levelCount) return CUresult.INVALID_VALUE;
    let record = mipmap.levels.get(level);
    if (record !== undefined && v.findHandle(MipmapLevelReply.array, HandleType.array, record.native)) return 0;
    if (!v.room(HandleType.array)) return v.refuse();
    if (record === undefined) {
      const status = this.owner.zone.core.driver.cuMipmappedArrayGetLevel(this.at + 320, mipmap.native, level);
      if (status !== 0) return status;
      record = {
        native: Number(this.block.readBigUInt64LE(320)), shape: levelShape(mipmap.shape, level), bytes: 0, context: mipmap.context,
        of: mipmap, levels: new Map(), levelCount: 0, gone: false,
      };
      mipmap.levels.set(level, record);
      this.arrays.set(record.native, record);
    }
    return v.addHandle(MipmapLevelReply.array, HandleType.array, record.native) ? 0 : v.refuse();
  }

  destroy(v: MemoryInvocation, type: HandleType): number {
    const native = v.handle(type, type === HandleType.array ? ArrayDestroy.array : MipmapDestroy.mipmap);
    const record = native < 0 ? undefined : this.arrays.get(native);
    // A level lives as long as its mipmapped array.
    if (record === undefined || record.of !== null) return v.invalid(type);
    this.dropHandles(record);
    this.unmake(record);
    return 0;
  }

  private dropHandles(record: ArrayRecord): void {
    const { client } = this.owner;
    client.dropHandle(record.levelCount === 0 ? HandleType.array : HandleType.mipmappedArray, record.native);
    for (const level of record.levels.values()) client.dropHandle(HandleType.array, level.native);
  }

  /** Forgets an array, and destroys it when nothing can touch it any more. */
  private unmake(record: ArrayRecord): void {
    const { owner } = this;
    this.arrays.delete(record.native);
    for (const level of record.levels.values()) this.arrays.delete(level.native);
    owner.give(record.bytes);
    this.dying.add(record);
    owner.restBegins(record.bytes);
    owner.client.whenIdle(() => {
      this.dying.delete(record);
      owner.restEnds(record.bytes);
      if (record.gone || owner.closed) return;
      record.gone = true;
      const { core } = owner.zone;
      core.enter(record.context);
      // Our own zeroing may still run where it was given up half-way: the driver orders the destruction behind it.
      if (record.levelCount === 0) core.driver.cuArrayDestroy(record.native);
      else core.driver.cuMipmappedArrayDestroy(record.native);
    });
  }

  /** Destroyed for the client, not yet for the driver. */
  private readonly dying = new Set<ArrayRecord>();

  /** The driver destroys a context's arrays with it. */
  contextGone(context: number): void {
    this.streams.delete(context);
    for (const record of this.dying) if (record.context === context) record.gone = true;
    for (const record of [...this.arrays.values()]) {
      if (record.context !== context || record.of !== null) continue;
      record.gone = true;
      this.dropHandles(record);
      this.arrays.delete(record.native);
      for (const level of record.levels.values()) this.arrays.delete(level.native);
      this.owner.give(record.bytes);
    }
  }

  /** All contexts are gone, and all arrays with them. */
  end(): void {
    this.arrays.clear();
    this.streams.clear();
  }
}
