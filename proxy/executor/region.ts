/**
 * Makes and ends a client's region (idm/region.h): the shared memory object, its views here, and its information block.
 */
import { ATTRIBUTES, DeviceInfo, geometry, type Geometry, Info, PACKAGE_BYTES, writeHeader } from '../../idm/region.ts';
import { TABLE_HASH } from '../generated/messages.ts';
import { SharedObject } from './shared-object.ts';

const KIB = 1024;

/** Sizes to choose from, largest first: a zone with little staging gets smaller regions rather than fewer clients. Pages that
 *  nobody touches cost nothing, so the largest is the default. */
const SHAPES: readonly Geometry[] = [
  geometry({ slotCount: 64, ringBytes: 1024 * KIB, stagingChunk: 512 * KIB, stagingChunks: 16 }),
  geometry({ slotCount: 64, ringBytes: 512 * KIB, stagingChunk: 256 * KIB, stagingChunks: 8 }),
  geometry({ slotCount: 64, ringBytes: 256 * KIB, stagingChunk: 64 * KIB, stagingChunks: 8 }),
  geometry({ slotCount: 32, ringBytes: 128 * KIB, stagingChunk: 32 * KIB, stagingChunks: 4 }),
];

export const SMALLEST_REGION = SHAPES[SHAPES.length - 1].size;

/** The largest shape that takes at most half of what the zone's limit allows for staging, and fits into what is left of it;
 *  else the largest that fits; null: none does. Bytes. */
export function chooseShape(limit: number, left: number): Geometry | null {
  return SHAPES.find((shape) => shape.size <= left && shape.size <= limit / 2) ?? SHAPES.find((shape) => shape.size <= left) ?? null;
}

/** What a client is told about the zone and its device. */
export interface RegionInfo {
  readonly driverVersion: number;
  readonly windowBase: number;
  readonly windowSize: number;
  readonly hostWindowBase: number;
  readonly hostWindowSize: number;
  readonly granularity: number;
  readonly zone: string;
  readonly deviceName: string;
  readonly uuid: Buffer;
  readonly totalMemory: number;
  readonly attributes: Int32Array;
  /** Bit i: the driver answered attribute i. */
  readonly present: Uint32Array;
  /** Handle of the client's primary context, in two words. */
  readonly primaryLow: number;
  readonly primaryHigh: number;
}

export class ClientRegion {
  /** All of the object from byte 8 on. Empty after close(), so that a late write goes nowhere instead of into freed memory. */
  words: Int32Array;
  bytes: Uint8Array;
  /** Native address of the object's byte 0. */
  base: number;
  private readonly object: SharedObject;

  /** Throws what the operating system says when the object cannot be made (shared memory exhausted, say). */
  constructor(readonly shape: Geometry) {
    this.object = new SharedObject(shape.size);
    const { buffer } = this.object;
    this.base = this.object.base;
    this.bytes = buffer;
    this.words = new Int32Array(buffer.buffer, buffer.byteOffset, buffer.length >> 2);
    writeHeader(buffer, shape, TABLE_HASH);
  }

  /** To be passed to the client, then closed with closeDescriptor(). */
  get descriptor(): number {
    return this.object.descriptor;
  }

  get stagingBytes(): number {
    return this.shape.stagingChunk * this.shape.stagingChunks;
  }

  /** Holds and staging, from `holds` on. */
  get pinnedBytes(): number {
    return this.shape.staging - this.shape.holds + this.stagingBytes;
  }

  /** Native address of the holds, behind which the staging lies. */
  get holds(): number {
    return this.base + this.shape.holds;
  }

  /** Native address of the staging. */
  get staging(): number {
    return this.base + this.shape.staging;
  }

  /** Fills the information block; before the client gets the object. */
  writeInfo(info: RegionInfo): void {
    const block = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + this.shape.info - PACKAGE_BYTES, Info.devices + DeviceInfo.bytes);
    block.writeInt32LE(info.driverVersion, Info.driverVersion);
    block.writeUInt32LE(1, Info.deviceCount);
    block.writeBigUInt64LE(BigInt(info.windowBase), Info.windowBase);
    block.writeBigUInt64LE(BigInt(info.windowSize), Info.windowSize);
    block.writeBigUInt64LE(BigInt(info.granularity), Info.granularity);
    block.writeBigUInt64LE(BigInt(info.hostWindowBase), Info.hostWindowBase);
    block.writeBigUInt64LE(BigInt(info.hostWindowSize), Info.hostWindowSize);
    block.write(info.zone.slice(0, Info.zoneBytes - 1), Info.zone, 'latin1');
    const device = block.subarray(Info.devices);
    device.write(info.deviceName.slice(0, DeviceInfo.nameBytes - 1), DeviceInfo.name, 'latin1');
    info.uuid.copy(device, DeviceInfo.uuid, 0, 16);
    device.writeBigUInt64LE(BigInt(info.totalMemory), DeviceInfo.totalMemory);
    device.writeUInt32LE(info.primaryLow, DeviceInfo.primaryContext);
    device.writeUInt32LE(info.primaryHigh, DeviceInfo.primaryContext + 4);
    for (let i = 0; i < ATTRIBUTES / 32; i++) device.writeUInt32LE(info.present[i], DeviceInfo.present + i * 4);
    for (let i = 0; i < ATTRIBUTES; i++) device.writeInt32LE(info.attributes[i], DeviceInfo.attributes + i * 4);
  }

  closeDescriptor(): void {
    this.object.closeDescriptor();
  }

  /** Unmaps. Nothing of the driver's may be under way in it any more. */
  close(): void {
    this.words = new Int32Array(0);
    this.bytes = new Uint8Array(0);
    this.base = 0;
    this.object.close();
  }
}
