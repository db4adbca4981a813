// Runs ring scripts against ring.ts and prints what happened in the words that script.c uses for ring.h: the two texts
// must be equal, byte for byte. One operation a line:
//
//   ring UNITS START                 a new, empty ring whose head and tail stand at START
//   claim KEY BYTES CALL SLOT TICKET CONTEXT THREAD FLAGS SEED     claim, fill all but `length`; payload from SEED
//   commit KEY | abort KEY           once a claimed KEY
//   take BYTES                       one take of at most BYTES; prints every record of it
//   wait | ready | unblock MS | word tail|head|asleep|waiting VALUE
//   hole UNITS                       a thread that died after it moved the tail and before it said its length
//   poke UNIT VALUE                  a liar: VALUE into the length word at UNIT
//   image                            prints the ring's memory; load (then such a print) makes it from one
import { Region } from '../../idm/region.ts'
import { CALL_PADDING, ClaimStatus, RECORD_HEADER, RecordWord, RingReader, RingViolation, RingWriter, UNBLOCK_MS, wordAt } from '../../idm/ring.ts'

/** Where the scripts' ring begins in its object, bytes. */
const RING = 4096

export class Ring {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly reader: RingReader
  readonly writer: RingWriter
  readonly data = wordAt(RING)

  /** `guard` bytes of 0xee follow the ring. */
  constructor(readonly units: number, start: number, readonly guard = 0, unblockMs = UNBLOCK_MS) {
    const memory = new ArrayBuffer(RING - 8 + units * 8 + guard)
    this.words = new Int32Array(memory)
    this.bytes = new Uint8Array(memory)
    this.bytes.fill(0xee, RING - 8 + units * 8)
    const geometry = { ring: RING, ringUnits: units }
    this.reader = new RingReader(this.words, geometry, { unblockMs })
    this.words[wordAt(Region.tail)] = this.words[wordAt(Region.head)] = start | 0
    this.writer = new RingWriter(this.words, geometry)
    this.reader.head = start >>> 0
  }

  /** Fills a claimed record but for length and sequence. */
  fill(at: number, bytes: number, r: { call: number; slot: number; ticket: number; context: bigint; thread: number; flags: number; seed: number }): void {
    const { words } = this
    words[at + RecordWord.callAndSlot] = r.call | (r.slot << 16)
    words[at + RecordWord.ticket] = r.ticket
    words[at + RecordWord.contextLow] = Number(BigInt.asIntN(32, r.context))
    words[at + RecordWord.contextHigh] = Number(BigInt.asIntN(32, r.context >> 32n))
    words[at + RecordWord.thread] = r.thread
    words[at + RecordWord.flags] = r.flags
    for (let i = 0, to = at * 4 + RECORD_HEADER; i < bytes - RECORD_HEADER; i++) this.bytes[to + i] = filling(r.seed, i)
  }
}

/** Payload byte i of a record filled from `seed`. */
export const filling = (seed: number, i: number): number => ((Math.imul(seed, 2654435761) + i * 40503) >>> 8) & 0xff

const hex = (b: Uint8Array) => Buffer.from(b.buffer, b.byteOffset, b.length).toString('hex')

function image(ring: Ring, out: string[]): void {
  const word = (offset: number) => ring.words[wordAt(offset)] >>> 0
  out.push(`image units ${ring.units} head ${word(Region.head)} tail ${word(Region.tail)} asleep ${word(Region.asleep)} waiting ${word(Region.producersWaiting)}`)
  for (let at = 0; at < ring.units * 8; at += 16) {
    const row = ring.bytes.subarray(ring.data * 4 + at, ring.data * 4 + at + 16)
    if (row.some((b) => b !== 0)) out.push(`${at.toString(16).padStart(6, '0')} ${hex(row)}`)
  }
  out.push('end')
}

/** Reads what image() printed: lines[at] is its first line; returns the ring and the index behind its 'end'. */
export function load(lines: string[], at: number): { ring: Ring; next: number } {
  const m = /^image units (\d+) head (\d+) tail (\d+) asleep (\d+) waiting (\d+)$/.exec(lines[at])
  if (!m) throw new Error(`not an image: ${lines[at]}`)
  const [units, head, tail, asleep, waiting] = m.slice(1).map(Number)
  const ring = new Ring(units, head)
  ring.words[wordAt(Region.tail)] = tail | 0
  ring.words[wordAt(Region.asleep)] = asleep | 0
  ring.words[wordAt(Region.producersWaiting)] = waiting | 0
  for (at++; lines[at] !== 'end'; at++) {
    const [offset, bytes] = lines[at].split(' ')
    ring.bytes.set(Buffer.from(bytes, 'hex'), ring.data * 4 + parseInt(offset, 16))
  }
  return { ring, next: at + 1 }
}

function take(ring: Ring, room: number, out: string[]): void {
  const { reader } = ring
  try {
    const bytes = reader.take(room)
    out.push(`take ${bytes} wake ${bytes > 0 && reader.producersSleep() ? 1 : 0}`)
    for (let at = 0; at * 4 < bytes;) {
      let length: number
      try {
        length = reader.lengthAt(at, bytes)
        if ((reader.batch[at + 1] & 0xffff) !== CALL_PADDING && !reader.inSequence(at)) throw new RingViolation()
      } catch (e) {
        if (!(e instanceof RingViolation)) throw e
        out.push('  violation')
        return
      }
      const w = (i: number) => reader.batch[at + i] >>> 0
      if ((w(1) & 0xffff) === CALL_PADDING) out.push(`  padding ${length}`)
      else {
        const context = BigInt(w(RecordWord.contextLow)) | (BigInt(w(RecordWord.contextHigh)) << 32n)
        out.push(`  record ${length} call ${w(1) & 0xffff} slot ${w(1) >>> 16} sequence ${w(2)} ticket ${w(3)} context ${context} thread ${w(6)} flags ${w(7)} payload ` +
          hex(reader.batchBytes.subarray(at * 4 + RECORD_HEADER, at * 4 + length)))
      }
      at += ((length + 7) >>> 3) << 1
    }
  } catch (e) {
    if (!(e instanceof RingViolation)) throw e
    out.push('take violation')
  }
}

/** Runs a script and returns what it printed, a line an element. */
export function runScript(script: string[]): string[] {
  const out: string[] = []
  let ring = new Ring(4096, 0)
  const claimed = new Map<string, number>()
  const settle = (verb: 'commit' | 'abort', key: string) => {
    const at = claimed.get(key)
    claimed.delete(key)
    if (at === undefined) return 'nothing'
    try {
      return ring.writer[verb](at) ? 'doorbell' : 'quiet'
    } catch (e) {
      if (!(e instanceof RingViolation)) throw e
      return 'lost'
    }
  }
  for (let i = 0; i < script.length; i++) {
    const [verb, ...rest] = script[i].split(' ')
    const n = rest.map(Number)
    switch (verb) {
      case 'ring':
        ring = new Ring(n[0], n[1])
        claimed.clear()
        out.push('ring')
        break
      case 'claim': {
        const at = ring.writer.claim(n[1])
        claimed.delete(rest[0])
        if (at < 0) {
          out.push(at === ClaimStatus.full ? 'claim full' : 'claim too large')
          break
        }
        claimed.set(rest[0], at)
        ring.fill(at, n[1], { call: n[2], slot: n[3], ticket: n[4], context: BigInt(rest[5]), thread: n[6], flags: n[7], seed: n[8] })
        out.push(`claim at ${(at - ring.data) / 2}`)
        break
      }
      case 'commit': case 'abort': out.push(`${verb} ${settle(verb, rest[0])}`); break
      case 'take': take(ring, n[0], out); break
      case 'poke': Atomics.store(ring.words, ring.data + 2 * n[0], n[1]); out.push('poke'); break
      case 'hole': Atomics.add(ring.words, wordAt(Region.tail), n[0]); out.push('hole'); break
      case 'word': {
        const offset = { tail: Region.tail, head: Region.head, asleep: Region.asleep, waiting: Region.producersWaiting }[rest[0]]!
        Atomics.store(ring.words, wordAt(offset), n[1] | 0)
        out.push('word')
        break
      }
      case 'wait': ring.writer.announceWait(); out.push('wait'); break
      case 'ready': out.push(`ready ${ring.reader.ready() ? 1 : 0}`); break
      case 'unblock': out.push(`unblock ${ring.reader.unblock(n[0]) ? 1 : 0}`); break
      case 'image': image(ring, out); break
      case 'load': {
        const loaded = load(script, i + 1)
        ring = loaded.ring
        claimed.clear()
        i = loaded.next - 1
        out.push('load')
        break
      }
      default: throw new Error(`script: cannot read ${script[i]}`)
    }
  }
  return out
}
