// What is said over a zone's socket, in TypeScript: hello.h is the specification.
import { PROTOCOL } from './region.ts'

export const HELLO_MAGIC = 0x316f6c6c65684652n
export const WELCOME_MAGIC = 0x31656d6f636c6557n
export const HELLO_BYTES = 256
export const WELCOME_BYTES = 512
export const NOTICE_BYTES = 32

export enum Refusal { none = 0, protocol = 1, token = 2, clients = 3, staging = 4, uid = 5, driver = 6, hello = 7 }

export enum NoticeType { hostCall = 1, pinned = 2, farewell = 3 }

export interface Hello {
  size: number
  protocol: number
  tableHash: number
  pid: number
  features: bigint
  token: string
  program: string
}

const text = (b: Buffer) => {
  const end = b.indexOf(0)
  return b.toString('latin1', 0, end < 0 ? b.length : end)
}

/** Reads a hello; null if these bytes are none. Nothing in it is trusted: the caller checks protocol, hash and token. */
export function readHello(b: Buffer): Hello | null {
  if (b.length < HELLO_BYTES || b.readBigUInt64LE(0) !== HELLO_MAGIC) return null
  return {
    size: b.readUInt32LE(8),
    protocol: b.readUInt32LE(12),
    tableHash: b.readUInt32LE(16),
    pid: b.readUInt32LE(20),
    features: b.readBigUInt64LE(24),
    token: text(b.subarray(32, 160)),
    program: text(b.subarray(160, 256)).replace(/[^\x20-\x7e]/g, '?'),
  }
}

export function writeWelcome(o: { status: Refusal; cudaError?: number; features?: bigint; regionSize?: number; message?: string }): Buffer {
  const b = Buffer.alloc(WELCOME_BYTES)
  b.writeBigUInt64LE(WELCOME_MAGIC, 0)
  b.writeUInt32LE(WELCOME_BYTES, 8)
  b.writeUInt32LE(PROTOCOL, 12)
  b.writeUInt32LE(o.status, 16)
  b.writeInt32LE(o.cudaError ?? 0, 20)
  b.writeBigUInt64LE(o.features ?? 0n, 24)
  b.writeBigUInt64LE(BigInt(o.regionSize ?? 0), 32)
  b.write(o.message ?? '', 40, 471, 'utf8') // at least one NUL, no half character
  return b
}

/** Writes a notice into `b` (32 bytes). Offsets and lengths are below 2^53. */
export function writeNotice(b: Buffer, type: NoticeType, status: number, cookieLow: number, cookieHigh: number, offset = 0, length = 0): void {
  b.writeUInt32LE(type, 0)
  b.writeInt32LE(status, 4)
  b.writeUInt32LE(cookieLow >>> 0, 8)
  b.writeUInt32LE(cookieHigh >>> 0, 12)
  b.writeUInt32LE(offset >>> 0, 16)
  b.writeUInt32LE(Math.floor(offset / 4294967296), 20)
  b.writeUInt32LE(length >>> 0, 24)
  b.writeUInt32LE(Math.floor(length / 4294967296), 28)
}

// ---- the client's side: conformance tests and TypeScript clients ----

/** Token and program are cut to what fits: 128 bytes, and 95 and a NUL. */
export function writeHello(o: { tableHash: number; pid: number; protocol?: number; features?: bigint; token?: string; program?: string }): Buffer {
  const b = Buffer.alloc(HELLO_BYTES)
  b.writeBigUInt64LE(HELLO_MAGIC, 0)
  b.writeUInt32LE(HELLO_BYTES, 8)
  b.writeUInt32LE(o.protocol ?? PROTOCOL, 12)
  b.writeUInt32LE(o.tableHash, 16)
  b.writeUInt32LE(o.pid, 20)
  b.writeBigUInt64LE(o.features ?? 0n, 24)
  b.write(o.token ?? '', 32, 128, 'latin1')
  b.write(o.program ?? '', 160, 95, 'latin1')
  return b
}

export interface Welcome {
  protocol: number
  status: Refusal
  cudaError: number
  features: bigint
  regionSize: bigint
  message: string
}

/** Reads a welcome; null if these bytes are none. */
export function readWelcome(b: Buffer): Welcome | null {
  if (b.length < WELCOME_BYTES || b.readBigUInt64LE(0) !== WELCOME_MAGIC || b.readUInt32LE(8) !== WELCOME_BYTES) return null
  const message = b.subarray(40, WELCOME_BYTES)
  const end = message.indexOf(0)
  return {
    protocol: b.readUInt32LE(12),
    status: b.readUInt32LE(16),
    cudaError: b.readInt32LE(20),
    features: b.readBigUInt64LE(24),
    regionSize: b.readBigUInt64LE(32),
    message: message.toString('utf8', 0, end < 0 ? message.length : end),
  }
}

export interface Notice {
  type: NoticeType
  status: number
  cookie: bigint
  offset: bigint
  length: bigint
}

export function readNotice(b: Buffer): Notice | null {
  if (b.length < NOTICE_BYTES) return null
  return { type: b.readUInt32LE(0), status: b.readInt32LE(4), cookie: b.readBigUInt64LE(8), offset: b.readBigUInt64LE(16), length: b.readBigUInt64LE(24) }
}
