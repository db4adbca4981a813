// A client in TypeScript: speaks the hello, maps the region and writes records, truthfully or not. What tests attack the executor
// with, and measure it by. Linux only, synchronous where a real client would be, so that a test reads like a program.
import koffi from 'koffi'
import { HELLO_BYTES, HELLO_MAGIC, NOTICE_BYTES, WELCOME_BYTES } from '../../idm/hello.ts'
import { DeviceInfo, type Geometry, Hold, Info, PACKAGE_BYTES, PROTOCOL, Region, Slot, SLOT_SIZE } from '../../idm/region.ts'
import { ClaimStatus, RECORD_HEADER, RecordWord, RingWriter, SLOT_POSTED, wordAt } from '../../idm/ring.ts'
import { Message, MESSAGES, TABLE_HASH } from '../../proxy/generated/messages.ts'

const libc = koffi.load(null)
const socketCall = libc.func('int socket(int domain, int type, int protocol)')
const connectCall = libc.func('int connect(int fd, void *address, uint32_t length)')
const sendCall = libc.func('long send(int fd, void *data, size_t bytes, int flags)')
const recvmsgCall = libc.func('long recvmsg(int fd, void *message, int flags)')
const closeCall = libc.func('int close(int fd)')
const mmapCall = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, long offset)')
const munmapCall = libc.func('int munmap(uintptr_t address, size_t bytes)')

const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const EAGAIN = 11

/** An opaque handle or any 64-bit value, in two words. */
export type Wide = readonly [low: number, high: number]
export const wide = (value: number): Wide => [value >>> 0, Math.floor(value / 4294967296)]
export const narrow = (low: number, high: number): number => (high >>> 0) * 4294967296 + (low >>> 0)
/** Word -> a 32-bit number, or a wide value that takes two. */
export type Fields = Record<number, number | Wide>
/** A request's words. */
export const words = (o: Fields): number[] => {
  const out: number[] = []
  for (const [word, value] of Object.entries(o)) {
    const [low, high] = typeof value === 'number' ? wide(value) : value
    out[Number(word)] = low
    if (high !== 0) out[Number(word) + 1] = high
  }
  return Array.from(out, (x) => x ?? 0)
}

export interface HelloOptions {
  token?: string
  protocol?: number
  tableHash?: number
  size?: number
  features?: bigint
  program?: string
}

export function helloBytes(o: HelloOptions = {}): Buffer {
  const b = Buffer.alloc(HELLO_BYTES)
  b.writeBigUInt64LE(HELLO_MAGIC, 0)
  b.writeUInt32LE(o.size ?? HELLO_BYTES, 8)
  b.writeUInt32LE(o.protocol ?? PROTOCOL, 12)
  b.writeUInt32LE(o.tableHash ?? TABLE_HASH, 16)
  b.writeUInt32LE(process.pid, 20)
  b.writeBigUInt64LE(o.features ?? 0n, 24)
  b.write(o.token ?? '', 32, 128, 'latin1')
  b.write(o.program ?? 'test', 160, 95, 'latin1')
  return b
}

export interface Received {
  data: Buffer
  fd: number
}

export interface Notice {
  type: number
  status: number
  cookie: number
  offset: number
  length: number
  fd: number
}

/** A connected socket, nothing said yet. */
export class RawSocket {
  readonly fd: number

  constructor(path: string) {
    this.fd = socketCall(1, 1 | 0o2000000, 0) as number
    const address = Buffer.alloc(110)
    address.writeUInt16LE(1, 0)
    address.write(path, 2)
    if (connectCall(this.fd, address, 110) !== 0) throw new Error(`cannot connect to ${path}: errno ${koffi.errno()}`)
  }

  /** Bytes taken by the kernel, or -1. */
  send(data: Buffer): number {
    return Number(sendCall(this.fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL))
  }

  /** At most `bytes` and a descriptor if one came; null: nothing there; no bytes: hung up. */
  tryReceive(bytes: number): Received | null {
    const data = Buffer.alloc(bytes)
    const frame = Buffer.alloc(56 + 16 + 32)
    const base = koffi.address(frame)
    frame.writeBigUInt64LE(base + 56n, 16)
    frame.writeBigUInt64LE(1n, 24)
    frame.writeBigUInt64LE(koffi.address(data), 56)
    frame.writeBigUInt64LE(BigInt(bytes), 64)
    frame.writeBigUInt64LE(base + 72n, 32)
    frame.writeBigUInt64LE(32n, 40)
    const got = Number(recvmsgCall(this.fd, frame, MSG_DONTWAIT))
    if (got < 0) return koffi.errno() === EAGAIN ? null : { data: Buffer.alloc(0), fd: -1 }
    return { data: data.subarray(0, got), fd: frame.readBigUInt64LE(40) >= 20n ? frame.readInt32LE(72 + 16) : -1 }
  }

  /** Waits for `bytes` in full (or the hang-up). */
  async receive(bytes: number, timeoutMs = 30_000): Promise<Received> {
    const until = Date.now() + timeoutMs
    let data = Buffer.alloc(0)
    let fd = -1
    while (data.length < bytes) {
      const part = this.tryReceive(bytes - data.length)
      if (part === null) {
        if (Date.now() > until) throw new Error(`no answer within ${timeoutMs} ms`)
        await new Promise((done) => setTimeout(done, 1))
        continue
      }
      if (part.fd >= 0) fd = part.fd
      if (part.data.length === 0) break
      data = Buffer.concat([data, part.data])
    }
    return { data, fd }
  }

  close(): void {
    closeCall(this.fd)
  }
}

export interface Welcome {
  status: number
  cudaError: number
  regionSize: number
  message: string
  fd: number
}

export function readWelcome({ data, fd }: Received): Welcome {
  if (data.length !== WELCOME_BYTES) throw new Error(`a welcome of ${data.length} bytes`)
  const text = data.subarray(40)
  return {
    status: data.readUInt32LE(16),
    cudaError: data.readInt32LE(20),
    regionSize: Number(data.readBigUInt64LE(32)),
    message: text.toString('utf8', 0, text.indexOf(0)),
    fd,
  }
}

export interface CallOptions {
  slot?: number
  context?: Wide
  thread?: number
  flags?: number
  /** Behind the payload's words. */
  tail?: Uint8Array
}

export class TestClient {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly geometry: Geometry
  readonly writer: RingWriter
  /** Handle of the primary context. */
  readonly primary: Wide
  context: Wide = [0, 0]
  private ticket = 1
  private readonly notices: Notice[] = []

  private constructor(readonly socket: RawSocket, private readonly address: number, private readonly size: number) {
    const memory = koffi.view(BigInt(address + PACKAGE_BYTES), size - PACKAGE_BYTES)
    this.words = new Int32Array(memory, 0, (size - PACKAGE_BYTES) >> 2)
    this.bytes = new Uint8Array(memory)
    const u32 = (at: number) => this.words[wordAt(at)] >>> 0
    this.geometry = {
      info: u32(Region.infoOffset), slots: u32(Region.slotsOffset), slotCount: u32(Region.slotCount), chunks: u32(Region.chunksOffset),
      ring: u32(Region.ringOffset), ringUnits: u32(Region.ringUnits), holds: u32(Region.holdsOffset), staging: u32(Region.stagingOffset),
      stagingChunk: u32(Region.stagingChunk), stagingChunks: u32(Region.stagingChunks), size,
    }
    this.writer = new RingWriter(this.words, this.geometry)
    const device = wordAt(this.geometry.info + Info.devices + DeviceInfo.primaryContext)
    this.primary = [this.words[device] >>> 0, this.words[device + 1] >>> 0]
  }

  /** Throws with the refusal's sentence. */
  static async connect(path: string, o: HelloOptions = {}): Promise<TestClient> {
    const socket = new RawSocket(path)
    socket.send(helloBytes(o))
    const welcome = readWelcome(await socket.receive(WELCOME_BYTES))
    if (welcome.status !== 0) {
      socket.close()
      throw new Error(welcome.message)
    }
    if (welcome.fd < 0) throw new Error('a welcome without a descriptor')
    const address = mmapCall(0, welcome.regionSize, 3, 1, welcome.fd, 0) as number
    closeCall(welcome.fd)
    return new TestClient(socket, Number(address), welcome.regionSize)
  }

  /** Writes a record and rings if asked to. `slot` SLOT_POSTED: posted. Returns the ticket. */
  write(call: number, payload: readonly number[], slot: number, o: CallOptions = {}): number {
    const tail = o.tail ?? new Uint8Array(0)
    const bytes = RECORD_HEADER + Math.max(payload.length * 4, MESSAGES[call]?.request ?? 0) + tail.length
    let at = this.writer.claim(bytes)
    while (at === ClaimStatus.full) at = this.writer.claim(bytes)
    if (at < 0) throw new Error(`record of ${bytes} bytes is too large`)
    const ticket = this.ticket++ | 0
    const context = o.context ?? this.context
    const w = this.words
    w[at + RecordWord.callAndSlot] = call | (slot << 16)
    w[at + RecordWord.ticket] = ticket
    w[at + RecordWord.contextLow] = context[0]
    w[at + RecordWord.contextHigh] = context[1]
    w[at + RecordWord.thread] = o.thread ?? 0
    w[at + RecordWord.flags] = o.flags ?? 0
    const fixed = Math.max(payload.length, (MESSAGES[call]?.request ?? 0) >> 2)
    for (let i = 0; i < fixed; i++) w[at + RecordWord.payload + i] = payload[i] ?? 0
    if (tail.length) this.bytes.set(tail, (at + RecordWord.payload + fixed) * 4)
    if (this.writer.commit(at)) this.ring()
    return ticket
  }

  ring(): void {
    this.socket.send(Buffer.from([1]))
  }

  /** Word index of a slot. */
  slotAt(slot: number): number {
    return wordAt(this.geometry.slots + slot * SLOT_SIZE)
  }

  answered(slot: number, ticket: number): boolean {
    return Atomics.load(this.words, this.slotAt(slot)) === ticket
  }

  /** Waits for an answer; its CUresult. Spins a little first: the executor is another process. */
  async wait(slot: number, ticket: number, timeoutMs = 30_000): Promise<number> {
    for (let i = 0; i < 20_000; i++) if (this.answered(slot, ticket)) return this.words[this.slotAt(slot) + (Slot.status >> 2)]
    const until = Date.now() + timeoutMs
    while (!this.answered(slot, ticket)) {
      if (Date.now() > until) throw new Error(`no answer within ${timeoutMs} ms`)
      await new Promise((done) => setTimeout(done, 1))
    }
    return this.words[this.slotAt(slot) + (Slot.status >> 2)]
  }

  /** A waited call. */
  async call(message: Message, payload: readonly number[] = [], o: CallOptions = {}): Promise<number> {
    const slot = o.slot ?? 0
    return this.wait(slot, this.write(message, payload, slot, o))
  }

  /** A waited call that must succeed. */
  async must(message: Message, payload: readonly number[] = [], o: CallOptions = {}): Promise<void> {
    const status = await this.call(message, payload, o)
    if (status !== 0) throw new Error(`${Message[message]} answered ${status}`)
  }

  post(message: Message, payload: readonly number[] = [], o: CallOptions = {}): void {
    this.write(message, payload, SLOT_POSTED, o)
  }

  reply(word: number, slot = 0): number {
    return this.words[this.slotAt(slot) + (Slot.payload >> 2) + word] >>> 0
  }

  replyWide(word: number, slot = 0): Wide {
    return [this.reply(word, slot), this.reply(word + 1, slot)]
  }

  replyNumber(word: number, slot = 0): number {
    return narrow(this.reply(word, slot), this.reply(word + 1, slot))
  }

  replyBytes(bytes: number, slot = 0): Buffer {
    const at = (this.slotAt(slot) << 2) + Slot.payload
    return Buffer.from(this.bytes.slice(at, at + bytes))
  }

  /** The staging as bytes. */
  /** Word index of a hold's word. */
  holdAt(hold: number, word: Hold): number {
    return wordAt(this.geometry.holds + hold * Hold.bytes + word)
  }

  get staging(): Uint8Array {
    const at = this.geometry.staging - PACKAGE_BYTES
    return this.bytes.subarray(at, at + this.geometry.stagingChunk * this.geometry.stagingChunks)
  }

  /** Owner word of a staging chunk. */
  chunk(index: number): number {
    return wordAt(this.geometry.chunks) + index
  }

  /** Retains the primary context and makes it the one that calls name. */
  async retain(): Promise<void> {
    await this.must(Message.CTX_PRIMARY_RETAIN)
    this.context = this.primary
  }

  /** Next notice, if one has come. */
  tryNotice(): Notice | null {
    const got = this.socket.tryReceive(NOTICE_BYTES)
    if (got !== null && got.data.length === NOTICE_BYTES) {
      const b = got.data
      this.notices.push({
        type: b.readUInt32LE(0), status: b.readInt32LE(4), cookie: Number(b.readBigUInt64LE(8)),
        offset: Number(b.readBigUInt64LE(16)), length: Number(b.readBigUInt64LE(24)), fd: got.fd,
      })
    }
    return this.notices.shift() ?? null
  }

  async notice(timeoutMs = 30_000): Promise<Notice> {
    const until = Date.now() + timeoutMs
    for (;;) {
      const notice = this.tryNotice()
      if (notice) return notice
      if (Date.now() > until) throw new Error(`no notice within ${timeoutMs} ms`)
      await new Promise((done) => setTimeout(done, 1))
    }
  }

  /** Hangs up, as a process that dies does. */
  close(): void {
    this.socket.close()
    munmapCall(this.address, this.size)
  }
}
