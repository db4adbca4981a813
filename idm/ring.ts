// The ring in TypeScript: ring.h is the specification (fields, ordering, what a liar can do); names are the same there.
// The reader is the executor's hot path: one pass over the committed lengths, one copy, one clearing, no allocation.
import { type Geometry, PACKAGE_BYTES, Region } from './region.ts'

export const RECORD_HEADER = 32
export const RECORD_MAX = 16384
export const CALL_PADDING = 0
export const SLOT_POSTED = 0xffff
export const FLAG_PER_THREAD = 1
export const FLAG_ACCEPT = 2
export const UNBLOCK_MS = 5000

/** struct rf_record, in 32-bit words. `callAndSlot` holds call (low half) and slot (high half). */
export enum RecordWord { length = 0, callAndSlot = 1, sequence = 2, ticket = 3, contextLow = 4, contextHigh = 5, thread = 6, flags = 7, payload = 8 }

/** A record that cannot be: the client that wrote it is ended. */
export class RingViolation extends Error {
  override name = 'RingViolation'
}

/** How many bytes one take() copies at most. */
export const BATCH_BYTES = 65536

/** The shared words as an Int32Array over the object's buffer: index = (object offset - 8) / 4. */
export const wordAt = (objectOffset: number): number => (objectOffset - PACKAGE_BYTES) >> 2

const MAX_UNITS = RECORD_MAX >> 3

/** The head that producers see lags by an eighth of the ring at most. */
const LAG_SHIFT = 3

/** The consumer. Views are over shm-typed-array's buffer (`words`: all of it as Int32Array). */
export class RingReader {
  /** The private copy that take() fills; records lie in it back to back. */
  readonly batch = new Int32Array(BATCH_BYTES >> 2)
  readonly batchBytes = new Uint8Array(this.batch.buffer)
  /** Position of the first record in `batch`. */
  batchPosition = 0
  /** Position of the next record to take; private to us: the shared word is only ever written. */
  head = 0
  /** The last take() has moved the shared head, which producers may sleep for: producersSleep() is to be asked. */
  freed = false

  private readonly data: number // word index of the ring's first word
  private readonly mask: number // over units
  private readonly units: number
  private readonly tailWord = wordAt(Region.tail)
  private readonly headWord = wordAt(Region.head)
  private readonly asleepWord = wordAt(Region.asleep)
  private readonly coreWord = wordAt(Region.core)
  private readonly awayWord = wordAt(Region.away)
  private readonly servedOnWord = wordAt(Region.servedOn)
  private readonly waitingWord = wordAt(Region.producersWaiting)
  private readonly unblockMs: number
  /** What the shared head says, and how many units it may lag behind: see ring.h. */
  private told = 0
  private readonly lag: number
  // unblock(): the hole last seen at the head, and since when
  private stuckAt = -1
  private stuckUnits = 0
  private stuckLength = 0
  private stuckSince = 0

  constructor(private readonly words: Int32Array, geometry: Pick<Geometry, 'ring' | 'ringUnits'>, options: { unblockMs?: number } = {}) {
    this.data = wordAt(geometry.ring)
    this.units = geometry.ringUnits
    this.mask = geometry.ringUnits - 1
    this.unblockMs = options.unblockMs ?? UNBLOCK_MS
    const lag = geometry.ringUnits >> LAG_SHIFT
    this.lag = lag >= MAX_UNITS ? lag : 0
  }

  /** Whether a committed record waits. */
  ready(): boolean {
    return Atomics.load(this.words, this.data + ((this.head & this.mask) << 1)) > 0
  }

  /** The same by a plain look, for who spins: V8 calls Atomics and inlines this. It orders nothing, and take() looks properly. */
  peek(): boolean {
    return this.words[this.data + ((this.head & this.mask) << 1)] > 0
  }

  /** The reply slot in the record that peek() found, unchecked; SLOT_POSTED: nobody waits. */
  nextSlot(): number {
    return this.words[this.data + ((this.head & this.mask) << 1) + RecordWord.callAndSlot] >>> 16
  }

  /** Copies committed records into `batch`, clears and frees their place, and returns how many bytes came (0: none), at
   *  most `maxBytes` (from RECORD_MAX to BATCH_BYTES; what lies outside is moved there). Throws RingViolation.
   *  One call does one pass, so a client that writes as fast as we read cannot hold us here.
   *  Call producersSleep() afterwards when `freed`. */
  take(maxBytes = BATCH_BYTES): number {
    const words = this.words
    const start = this.head & this.mask
    let end = start
    const limit = start + ((maxBytes > BATCH_BYTES ? BATCH_BYTES : maxBytes < RECORD_MAX ? RECORD_MAX : maxBytes) >> 3)
    while (end < this.units) {
      // A plain look first: V8 calls Atomics, so most looks, which find nothing, would cost a call. It orders nothing; the next does.
      if (words[this.data + (end << 1)] <= 0) break
      const length = Atomics.load(words, this.data + (end << 1))
      if (length <= 0) break
      if (length > RECORD_MAX) throw new RingViolation(`record of ${length} bytes at position ${this.head + end - start} exceeds the limit of ${RECORD_MAX}`)
      const next = end + ((length + 7) >>> 3)
      if (next > this.units) throw new RingViolation(`record of ${length} bytes at position ${this.head + end - start} runs past the ring's end`)
      if (next > limit) break
      end = next
    }
    if (end === start) return 0
    const from = this.data + (start << 1)
    const count = (end - start) << 1
    if (count <= 64) for (let i = 0; i < count; i++) this.batch[i] = words[from + i]
    else this.batch.set(words.subarray(from, from + count))
    this.batchPosition = this.head
    // A waited call's batch is one record: there a plain loop beats the call of the built-in (a round trip 20 % shorter).
    if (count <= 64) for (let i = 0; i < count; i++) words[from + i] = 0
    else words.fill(0, from, from + count)
    this.head = (this.head + end - start) >>> 0
    // Not with each batch: the store waits until the zeroes are written, and an answer would wait with it.
    this.freed = ((this.head - this.told) >>> 0) >= this.lag
    if (this.freed) {
      this.told = this.head
      Atomics.store(words, this.headWord, this.head | 0)
    }
    return count << 2
  }

  /** Whether producers sleep and must all be woken now (futex at object offset Region.producersWaiting). */
  producersSleep(): boolean {
    return Atomics.load(this.words, this.waitingWord) !== 0 && Atomics.exchange(this.words, this.waitingWord, 0) !== 0
  }

  /** Before sleeping: from now on a producer rings the doorbell. Check ready() once more afterwards. */
  announceSleep(): void {
    Atomics.store(this.words, this.asleepWord, 1)
  }

  /** The core on which a producer last went to sleep or rang, by its own word; -1: not known. */
  sleptOn(): number {
    return this.words[this.coreWord] - 1
  }

  /** A hint for who waits: we serve others for a while, or we are back. */
  setAway(away: boolean): void {
    this.words[this.awayWord] = away ? 1 : 0
  }

  /** A hint for who waits: the core that we run on. */
  runsOn(core: number): void {
    this.words[this.servedOnWord] = core + 1
  }

  /** Awake again: no doorbell needed. */
  awake(): void {
    Atomics.store(this.words, this.asleepWord, 0)
  }

  /** Length of the record at word index `at` of the batch, checked against what is left of `bytes`, as the copy has it:
   *  the client may have changed the original since. Padding can be as short as 8 bytes: look at nothing but its call. */
  lengthAt(at: number, bytes: number): number {
    const length = this.batch[at]
    if (!(length >= 8 && length <= RECORD_MAX && length <= bytes - (at << 2)) || (length < RECORD_HEADER && (this.batch[at + 1] & 0xffff) !== CALL_PADDING))
      throw new RingViolation(`record of ${length} bytes at position ${(this.batchPosition + (at >> 1)) >>> 0}`)
    return length
  }

  /** Whether the record's sequence is its position. Not for padding, which may be too short to have one. */
  inSequence(at: number): boolean {
    return this.batch[at + RecordWord.sequence] >>> 0 === (this.batchPosition + (at >> 1)) >>> 0
  }

  /** Whether something is claimed at the head and not committed: who sleeps on this must wake now and then and unblock(). */
  blocked(): boolean {
    return (Atomics.load(this.words, this.tailWord) >>> 0) !== this.head && !this.ready()
  }

  /** Call now and then when take() found nothing: a record claimed and never committed (its thread died), with others
   *  queued behind it for the unblock time, becomes padding. Returns whether it did. `now` in ms of a steady clock. */
  unblock(now: number): boolean {
    const words = this.words
    const start = this.head & this.mask
    const at = this.data + (start << 1)
    const length = Atomics.load(words, at)
    const ahead = ((Atomics.load(words, this.tailWord) >>> 0) - this.head) >>> 0
    const most = Math.min(this.units - start, MAX_UNITS)
    let hole: number
    if (length < 0) hole = (-length + 7) >>> 3
    else {
      hole = 1
      while (hole < most && hole < ahead && Atomics.load(words, at + (hole << 1)) === 0) hole++
    }
    if (length > 0 || ahead > this.units || hole > most || hole >= ahead) {
      this.stuckAt = -1
      return false
    }
    if (this.stuckAt !== this.head || this.stuckUnits !== hole || this.stuckLength !== length) {
      this.stuckAt = this.head
      this.stuckUnits = hole
      this.stuckLength = length
      this.stuckSince = now
      return false
    }
    if (now - this.stuckSince < this.unblockMs) return false
    this.stuckAt = -1
    // Against a writer that was only slow: whoever is second knows, and if it is the writer, its client hangs up.
    if (Atomics.compareExchange(words, at, length, hole << 3) !== length) return false
    words[at + 1] = CALL_PADDING | (SLOT_POSTED << 16)
    return true
  }
}

export enum ClaimStatus { full = -1, tooLarge = -2 }

/** A producer: for conformance tests and TypeScript clients. Semantics of rf_ring_claim/commit/abort/announce_wait. */
export class RingWriter {
  private readonly data: number
  private readonly units: number
  private readonly tailWord = wordAt(Region.tail)
  private readonly headWord = wordAt(Region.head)
  private readonly asleepWord = wordAt(Region.asleep)
  private readonly waitingWord = wordAt(Region.producersWaiting)
  /** A head that was true once: see ring.h. */
  private headSeen: number

  constructor(private readonly words: Int32Array, geometry: Pick<Geometry, 'ring' | 'ringUnits'>) {
    this.data = wordAt(geometry.ring)
    this.units = geometry.ringUnits
    this.headSeen = Atomics.load(words, this.headWord) >>> 0
  }

  /** Claims a record of `bytes` (header included); returns its word index in `words`, or a ClaimStatus. */
  claim(bytes: number): number {
    if (bytes < RECORD_HEADER || bytes > RECORD_MAX) return ClaimStatus.tooLarge
    const words = this.words
    const need = (bytes + 7) >>> 3
    for (;;) {
      const tail = Atomics.load(words, this.tailWord) >>> 0
      const toEnd = this.units - (tail & (this.units - 1))
      const padding = need > toEnd ? toEnd : 0
      if (this.units - ((tail - this.headSeen) >>> 0) < padding + need) {
        const head = Atomics.load(words, this.headWord) >>> 0
        if (head !== this.headSeen) {
          this.headSeen = head
          continue
        }
        // An old tail beside a new head looks full too: believe it only if tail stood still.
        if (Atomics.load(words, this.tailWord) >>> 0 === tail) return ClaimStatus.full
        continue
      }
      if (Atomics.compareExchange(words, this.tailWord, tail | 0, (tail + padding + need) | 0) !== (tail | 0)) continue
      let position = tail
      if (padding) {
        const gap = this.data + ((tail & (this.units - 1)) << 1)
        words[gap + 1] = CALL_PADDING | (SLOT_POSTED << 16)
        Atomics.store(words, gap, padding << 3)
        position = (tail + padding) >>> 0
      }
      const at = this.data + ((position & (this.units - 1)) << 1)
      Atomics.store(words, at, -bytes)
      words[at + RecordWord.sequence] = position | 0
      return at
    }
  }

  /** Publishes; returns whether the doorbell must be rung. Throws if the consumer has given the record up (hang up). */
  commit(at: number): boolean {
    const claimed = Atomics.load(this.words, at)
    if (claimed >= 0 || claimed < -RECORD_MAX || Atomics.compareExchange(this.words, at, claimed, -claimed) !== claimed)
      throw new RingViolation('record committed after the consumer had unblocked the ring')
    return Atomics.load(this.words, this.asleepWord) !== 0 && Atomics.exchange(this.words, this.asleepWord, 0) !== 0
  }

  abort(at: number): boolean {
    this.words[at + 1] = CALL_PADDING | (SLOT_POSTED << 16)
    return this.commit(at)
  }

  /** Announces a sleeper on a full ring: claim once more, then sleep while the futex at Region.producersWaiting is 1. */
  announceWait(): void {
    Atomics.store(this.words, this.waitingWord, 1)
  }
}
