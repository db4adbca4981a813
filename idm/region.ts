// The region's layout in TypeScript: the numbers of region.h (the specification) for the executor, which makes regions.
// tests/idm compares each with the C compiler's offsetof. Offsets count from the start of the shared memory object;
// shm-typed-array's buffer begins at byte 8 of it, so subtract PACKAGE_BYTES for an index into that buffer.

export const PACKAGE_BYTES = 8
export const PAGE = 4096

export const REGION_MAGIC = 0x31454e474552464en
export const PROTOCOL = (1 << 16) | 0

export const SLOT_SIZE = 1024
export const SLOT_PAYLOAD = SLOT_SIZE - 16
export const DEVICES_MAX = 8
export const ATTRIBUTES = 256

/** struct rf_region */
export enum Region {
  magic = 8, protocol = 16, tableHash = 20, size = 24, infoOffset = 32, slotsOffset = 36, slotCount = 40,
  chunksOffset = 44, ringOffset = 48, ringUnits = 52, stagingOffset = 56, stagingChunk = 60, stagingChunks = 64, holdsOffset = 68,
  tail = 128, core = 132, head = 192, asleep = 256, away = 260, servedOn = 264, producersWaiting = 320, stagingWaiting = 384, stagingEpoch = 388, printed = 392, bytes = 448,
}

/** struct rf_slot */
export enum Slot { state = 0, sleeping = 4, status = 8, length = 12, payload = 16 }

/** struct rf_hold */
export enum Hold { due = 0, done = 4, bytes = 8 }
export const HOLDS = 4096

/** struct rf_info */
export enum Info { driverVersion = 0, deviceCount = 4, windowBase = 8, windowSize = 16, granularity = 24, zone = 32, zoneBytes = 64, hostWindowBase = 96, hostWindowSize = 104, devices = 128 }

/** struct rf_device_info */
export enum DeviceInfo { name = 0, nameBytes = 256, uuid = 256, totalMemory = 272, primaryContext = 280, present = 288, attributes = 320, bytes = 1344 }

export const INFO_BYTES = Info.devices + DEVICES_MAX * DeviceInfo.bytes

/** Where everything lies in one region, and how large the object is. */
export interface Geometry {
  info: number
  slots: number
  slotCount: number
  chunks: number
  ring: number
  ringUnits: number // power of two
  holds: number
  staging: number // right behind the holds
  stagingChunk: number // bytes, multiple of the page
  stagingChunks: number
  size: number
}

const up = (n: number, to: number) => Math.ceil(n / to) * to

/** Lays a region out. Sizes in bytes; ringBytes a power of two; stagingChunk a multiple of the page. */
export function geometry(o: { slotCount: number; ringBytes: number; stagingChunk: number; stagingChunks: number }): Geometry {
  const units = o.ringBytes / 8
  if (!Number.isInteger(Math.log2(units)) || units < 4096) throw new RangeError(`ring of ${o.ringBytes} bytes: must be a power of two of at least 32 KiB`)
  if (o.stagingChunk % PAGE !== 0) throw new RangeError(`staging chunk of ${o.stagingChunk} bytes: must be a multiple of ${PAGE}`)
  const info = PAGE
  const slots = up(info + INFO_BYTES, PAGE)
  const chunks = slots + o.slotCount * SLOT_SIZE
  const ring = up(chunks + o.stagingChunks * 4, PAGE)
  const holds = up(ring + o.ringBytes, PAGE)
  const staging = holds + HOLDS * Hold.bytes
  return {
    info, slots, slotCount: o.slotCount, chunks, ring, ringUnits: units, holds, staging,
    stagingChunk: o.stagingChunk, stagingChunks: o.stagingChunks, size: staging + o.stagingChunk * o.stagingChunks,
  }
}

/** Writes the header that clients check. `buffer` is shm-typed-array's, from byte 8 of the object. */
export function writeHeader(buffer: Buffer, g: Geometry, tableHash: number): void {
  const u32 = (at: number, value: number) => buffer.writeUInt32LE(value >>> 0, at - PACKAGE_BYTES)
  buffer.writeBigUInt64LE(REGION_MAGIC, Region.magic - PACKAGE_BYTES)
  u32(Region.protocol, PROTOCOL)
  u32(Region.tableHash, tableHash)
  buffer.writeBigUInt64LE(BigInt(g.size), Region.size - PACKAGE_BYTES)
  u32(Region.infoOffset, g.info)
  u32(Region.slotsOffset, g.slots)
  u32(Region.slotCount, g.slotCount)
  u32(Region.chunksOffset, g.chunks)
  u32(Region.ringOffset, g.ring)
  u32(Region.ringUnits, g.ringUnits)
  u32(Region.holdsOffset, g.holds)
  u32(Region.stagingOffset, g.staging)
  u32(Region.stagingChunk, g.stagingChunk)
  u32(Region.stagingChunks, g.stagingChunks)
}
