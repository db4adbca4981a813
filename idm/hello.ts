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

export function writeWelcome(o: { status: Refusal; cudaError?: number; regionSize?: number; message?: string }): Buffer {
  const b = Buffer.alloc(WELCOME_BYTES)
  b.writeBigUInt64LE(WELCOME_MAGIC, 0)
  b.writeUInt32LE(WELCOME_BYTES, 8)
  b.writeUInt32LE(PROTOCOL, 12)
  b.writeUInt32LE(o.status, 16)
  b.writeInt32LE(o.cudaError ?? 0, 20)
  b.writeBigUInt64LE(BigInt(o.regionSize ?? 0), 32)
  b.write((o.message ?? '').slice(0, 471), 40, 'utf8')
  b[WELCOME_BYTES - 1] = 0
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
