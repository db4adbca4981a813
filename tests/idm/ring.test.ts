// Properties of RingReader and RingWriter: honest use against a simple model, hostile memory, and what is told of a thread
// that died. agreement.test.ts runs the same kinds of scripts through the C as well.
import { Worker } from 'node:worker_threads'
import fc from '../support/property.ts'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Region } from '../../idm/region.ts'
import { BATCH_BYTES, CALL_PADDING, ClaimStatus, RECORD_HEADER, RECORD_MAX, RecordWord, RingReader, RingViolation, RingWriter, wordAt } from '../../idm/ring.ts'
import { filling, Ring } from './script.ts'

const UNITS = 4096
const units = (bytes: number) => Math.ceil(bytes / 8)
/** Positions worth starting at: around the wrap of the ring, and around 2^32. */
const start = fc.oneof(fc.nat(UNITS), fc.integer({ min: 2 ** 32 - 2 * UNITS, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }))
const size = fc.oneof({ weight: 6, arbitrary: fc.integer({ min: RECORD_HEADER, max: 512 }) }, { weight: 2, arbitrary: fc.integer({ min: RECORD_HEADER, max: RECORD_MAX }) }, { weight: 1, arbitrary: fc.constantFrom(RECORD_HEADER, RECORD_MAX) })

type Op = { op: 'claim'; bytes: number } | { op: 'commit' | 'abort'; which: number } | { op: 'take'; most: number }
const op: fc.Arbitrary<Op> = fc.oneof(
  { weight: 6, arbitrary: size.map((bytes) => ({ op: 'claim' as const, bytes })) },
  { weight: 5, arbitrary: fc.nat().map((which) => ({ op: 'commit' as const, which })) },
  { weight: 1, arbitrary: fc.nat().map((which) => ({ op: 'abort' as const, which })) },
  { weight: 3, arbitrary: fc.oneof(fc.constant(BATCH_BYTES), fc.integer({ min: 0, max: 2 * BATCH_BYTES })).map((most) => ({ op: 'take' as const, most })) },
)

/** What the model knows of a record, in claim order. Positions are exact integers that never wrap. */
interface Entry {
  position: number
  bytes: number
  state: 'claimed' | 'committed' | 'aborted' | 'padding'
  seed: number
  at: number
}

/** The ring as a list. */
class Model {
  queue: Entry[] = []
  head: number
  tail: number
  constructor(start: number) {
    this.head = this.tail = start
  }

  claim(bytes: number): { padding: number; position: number } | null {
    const need = units(bytes)
    const toEnd = UNITS - (this.tail % UNITS)
    const padding = need > toEnd ? toEnd : 0
    if (this.tail - this.head + padding + need > UNITS) return null
    if (padding) this.queue.push({ position: this.tail, bytes: padding * 8, state: 'padding', seed: 0, at: -1 })
    const position = this.tail + padding
    this.tail = position + need
    return { padding, position }
  }

  /** The records that a take of at most `most` bytes must give: the settled ones at the front, up to the ring's end. */
  take(most: number): Entry[] {
    most = Math.min(Math.max(most, RECORD_MAX), BATCH_BYTES)
    const out: Entry[] = []
    let bytes = 0
    while (this.queue.length && this.queue[0].state !== 'claimed') {
      const e = this.queue[0]
      if (bytes + units(e.bytes) * 8 > Math.floor(most / 8) * 8 || (out.length && e.position % UNITS === 0)) break
      bytes += units(e.bytes) * 8
      out.push(e)
      this.queue.shift()
      this.head = e.position + units(e.bytes)
    }
    return out
  }
}

const header = (seed: number) => ({ call: 1 + (seed % 0xffff), slot: seed & 0xffff, ticket: seed, context: BigInt(seed) * 0x100000001n, thread: seed ^ 0x5555, flags: seed & 1, seed })

function checkTaken(ring: Ring, bytes: number, entries: Entry[]): void {
  const { reader } = ring
  let at = 0
  for (const e of entries) {
    assert.is(reader.lengthAt(at, bytes), e.bytes)
    const call = reader.batch[at + RecordWord.callAndSlot] & 0xffff
    if (e.state !== 'committed') assert.is(call, CALL_PADDING)
    else {
      const h = header(e.seed)
      assert.is(call, h.call)
      assert.is(reader.batch[at + RecordWord.callAndSlot] >>> 16, h.slot)
      assert.ok(reader.inSequence(at))
      assert.is(reader.batch[at + RecordWord.sequence] >>> 0, e.position % 2 ** 32)
      assert.is(reader.batch[at + RecordWord.ticket] >>> 0, h.ticket)
      assert.is(reader.batch[at + RecordWord.contextHigh] >>> 0, e.seed)
      assert.is(reader.batch[at + RecordWord.thread] | 0, h.thread | 0)
      for (let i = 0; i < e.bytes - RECORD_HEADER; i++) if (reader.batchBytes[at * 4 + RECORD_HEADER + i] !== filling(e.seed, i)) assert.unreachable(`payload byte ${i} of ${e.bytes}`)
    }
    at += units(e.bytes) * 2
  }
  assert.is(at * 4, bytes)
}

function runModel(from: number, ops: Op[]): { full: number; padded: number; wrapped: boolean } {
  const ring = new Ring(UNITS, from, 64)
  const model = new Model(from)
  const seen = { full: 0, padded: 0, wrapped: false }
  const take = (most: number) => {
    const before = model.head
    const expected = model.take(most)
    const bytes = ring.reader.take(most)
    assert.is(ring.reader.batchPosition >>> 0, (bytes ? before : ring.reader.batchPosition) % 2 ** 32)
    checkTaken(ring, bytes, expected)
    assert.is(ring.words[wordAt(Region.head)] >>> 0, model.head % 2 ** 32)
    for (const e of expected) { // zeroed before the head moved over it
      const words = ring.words.subarray(ring.data + (e.position % UNITS) * 2, ring.data + (e.position % UNITS + units(e.bytes)) * 2)
      // The next lap may have claimed it again only after the take.
      assert.ok(words.every((w) => w === 0))
    }
    if (model.head >= 2 ** 32 && before < 2 ** 32) seen.wrapped = true
    return bytes
  }
  let seed = 1
  for (const o of ops) {
    if (o.op === 'claim') {
      const at = ring.writer.claim(o.bytes)
      const room = model.claim(o.bytes)
      if (!room) {
        assert.is(at, ClaimStatus.full)
        seen.full++
        continue
      }
      if (room.padding) seen.padded++
      assert.is(at, ring.data + (room.position % UNITS) * 2)
      model.queue.push({ position: room.position, bytes: o.bytes, state: 'claimed', seed: ++seed, at })
      ring.fill(at, o.bytes, header(seed))
    } else if (o.op === 'take') take(o.most)
    else {
      const claimed = model.queue.filter((e) => e.state === 'claimed')
      if (!claimed.length) continue
      const e = claimed[o.which % claimed.length]
      assert.is(ring.writer[o.op](e.at), false)
      e.state = o.op === 'commit' ? 'committed' : 'aborted'
    }
  }
  // In the end everything that was claimed is committed and comes out.
  for (const e of model.queue) if (e.state === 'claimed') {
    ring.writer.commit(e.at)
    e.state = 'committed'
  }
  while (take(BATCH_BYTES) > 0);
  assert.is(model.queue.length, 0)
  assert.is(ring.words[wordAt(Region.tail)], ring.words[wordAt(Region.head)])
  assert.ok(ring.words.subarray(ring.data, ring.data + UNITS * 2).every((w) => w === 0), 'an emptied ring is zero')
  assert.ok(ring.bytes.subarray(ring.data * 4 + UNITS * 8).every((b) => b === 0xee), 'nothing behind the ring')
  return seen
}

test('any order of claims, commits, aborts and takes does what the model does', () => {
  let [full, padded, wrapped] = [0, 0, 0]
  fc.assert(fc.property(start, fc.array(op, { minLength: 1, maxLength: 150, size: 'max' }), (from, ops) => {
    const seen = runModel(from, ops)
    full += seen.full
    padded += seen.padded
    wrapped += seen.wrapped ? 1 : 0
  }), { numRuns: 400 })
  assert.ok(full > 50 && padded > 50 && wrapped > 5, `${full} full, ${padded} padded, ${wrapped} over 2^32`)
})

test('every size at every distance from the ring\'s end', () => {
  for (const bytes of [RECORD_HEADER, 33, 40, 56, 64, 1000, RECORD_MAX - 7, RECORD_MAX])
    for (let distance = 1; distance <= Math.min(units(bytes) + 1, 70); distance++)
      for (const lap of [UNITS, 2 ** 32]) runModel(lap - distance, [{ op: 'claim', bytes }, { op: 'commit', which: 0 }, { op: 'take', most: BATCH_BYTES }, { op: 'claim', bytes: 40 }, { op: 'commit', which: 0 }])
})

test('in a large ring the head that producers see lags by less than an eighth, and the largest record fits an emptied ring', () => {
  const large = (8 * RECORD_MAX) >> 3
  let lagged = 0
  for (const from of [0, large - 3, 2 ** 32 - 1000]) {
    const ring = new Ring(large, from)
    for (let i = 0; i < 3000; i++) {
      // Then a record of any size, the largest among them, at every lag and place.
      const bytes = i % 7 === 0 ? RECORD_MAX : RECORD_HEADER + ((i * 37) % 400) * 8
      const at = ring.writer.claim(bytes)
      assert.ok(at >= 0, `record ${i} of ${bytes} bytes finds no room in an emptied ring`)
      ring.writer.commit(at)
      assert.ok(ring.reader.take() > 0)
      const lag = (ring.reader.head - ring.words[wordAt(Region.head)]) >>> 0
      assert.ok(lag < large / 8)
      assert.is(ring.reader.freed, lag === 0)
      if (lag > 0) lagged++
    }
  }
  assert.ok(lagged > 1000)
})

test('sizes that are no record are refused and change nothing', () => {
  const ring = new Ring(UNITS, 0)
  for (const bytes of [-1, 0, 8, RECORD_HEADER - 1, RECORD_MAX + 1, 2 ** 31]) assert.is(ring.writer.claim(bytes), ClaimStatus.tooLarge)
  assert.is(ring.words[wordAt(Region.tail)], 0)
})

// ---- hostile memory ----

/** Takes and walks as an executor does, until nothing comes or a violation; returns which. Bounded by `steps`. */
function drain(ring: Ring, steps = 50): 'violation' | 'empty' | 'busy' {
  const { reader } = ring
  try {
    for (let i = 0; i < steps; i++) {
      const before = reader.head
      const bytes = reader.take(i % 3 === 0 ? RECORD_MAX : BATCH_BYTES)
      if (bytes === 0) {
        assert.is(reader.head, before)
        return 'empty'
      }
      assert.ok(bytes > 0 && bytes <= BATCH_BYTES && bytes % 8 === 0)
      assert.is((reader.head - before) >>> 0, bytes / 8)
      let at = 0
      while (at * 4 < bytes) {
        const length = reader.lengthAt(at, bytes)
        assert.ok(length >= 8 && length <= RECORD_MAX)
        if ((reader.batch[at + 1] & 0xffff) !== CALL_PADDING) {
          assert.ok(length >= RECORD_HEADER)
          if (!reader.inSequence(at)) return 'violation'
        }
        at += units(length) * 2
        assert.ok(at * 4 <= bytes)
      }
    }
    return 'busy'
  } catch (e) {
    assert.instance(e, RingViolation, String(e))
    return 'violation'
  }
}

const INTERESTING = [0, 1, 2, 7, 8, 9, 15, 16, 24, 31, 32, 33, 39, 40, 16376, 16377, 16383, RECORD_MAX, RECORD_MAX + 1, 16392, 32760, 32768, 32769, 65536, 65544, 0x7ffffff8, 0x7fffffff]
const LENGTHS = [...new Set(INTERESTING.flatMap((n) => [n, -n]).concat(-0x80000000, -0x7fffffff))]

const untouched = (ring: Ring) => {
  assert.ok(ring.bytes.subarray(ring.data * 4 + UNITS * 8).every((b) => b === 0xee), 'something was written behind the ring')
  const shared = [Region.tail, Region.head, Region.asleep, Region.producersWaiting].map((w) => wordAt(w))
  for (let i = 0; i < ring.data; i++) if (!shared.includes(i)) assert.is(ring.words[i], 0, `word ${i} before the ring`)
}

test('every odd length at every place near the head and the end: a violation or nothing, never outside', () => {
  for (const from of [0, 1, UNITS - 1, UNITS - 2, UNITS - 4, UNITS - 5, UNITS - 2048, UNITS - 2049, 2 ** 32 - 1, 2 ** 32 - UNITS])
    for (const length of LENGTHS)
      for (const call of [CALL_PADDING, 5]) {
        const ring = new Ring(UNITS, from, 64)
        const at = ring.data + (from % UNITS) * 2
        ring.words[at] = length
        ring.words[at + 1] = call
        if (length > 8) ring.words[at + 2] = from | 0 // the sequence: so that only the length is wrong
        if (at + 2 >= ring.data + UNITS * 2) ring.bytes.fill(0xee, ring.data * 4 + UNITS * 8)
        const result = drain(ring)
        const left = (UNITS - (from % UNITS)) * 8
        const good = length > 0 && units(length) * 8 <= left && length <= RECORD_MAX && length >= (call === CALL_PADDING ? 8 : RECORD_HEADER)
        assert.is(result, length > 0 && !good ? 'violation' : 'empty', `length ${length}, call ${call}, ${left} bytes left`)
        untouched(ring)
      }
})

const anyLength = fc.oneof(fc.constantFrom(...LENGTHS), fc.integer(), fc.integer({ min: 1, max: 600 }))

test('random garbage: a violation or nothing, never outside, never endless; unblock likewise', () => {
  const results = { violation: 0, empty: 0, busy: 0 }
  fc.assert(fc.property(start, fc.array(fc.tuple(fc.nat(300), anyLength, fc.oneof(fc.constant(0), fc.integer())), { minLength: 1, maxLength: 60 }), fc.array(fc.integer(), { minLength: 4, maxLength: 4 }), fc.boolean(), (from, pokes, words, sequences) => {
    const ring = new Ring(UNITS, from, 64)
    for (const [i, [distance, length, call]] of pokes.entries()) {
      const unit = (from + (i === 0 ? 0 : distance)) % UNITS // the first where the reader looks first
      ring.words[ring.data + unit * 2] = length
      ring.words[ring.data + unit * 2 + 1] = call
      if (sequences && unit < UNITS - 1) ring.words[ring.data + unit * 2 + 2] = (from + distance) | 0
    }
    ;[Region.tail, Region.asleep, Region.producersWaiting].forEach((w, i) => (ring.words[wordAt(w)] = words[i]))
    for (let now = 0; now < 4; now++) {
      results[drain(ring)]++
      ring.reader.producersSleep()
      ring.reader.unblock(now * 5000)
      ring.reader.blocked()
    }
    untouched(ring)
  }), { numRuns: 1500 })
  assert.ok(results.violation > 100 && results.empty > 100, JSON.stringify(results))
})

test('what changes between the walk and the copy is caught in the copy', () => {
  fc.assert(fc.property(fc.array(size.filter((n) => n < 2000), { minLength: 2, maxLength: 8 }), fc.nat(), anyLength, (sizes, which, lie) => {
    const ring = new Ring(UNITS, 0)
    const starts: number[] = []
    for (const bytes of sizes) {
      const at = ring.writer.claim(bytes)
      ring.fill(at, bytes, header(7))
      ring.writer.commit(at)
      starts.push((at - ring.data))
    }
    const bytes = ring.reader.take()
    // The walk saw good lengths; the copy has another one.
    ring.reader.batch[starts[which % starts.length]] = lie
    let at = 0
    try {
      while (at * 4 < bytes) {
        const length = ring.reader.lengthAt(at, bytes)
        if ((ring.reader.batch[at + 1] & 0xffff) !== CALL_PADDING && !ring.reader.inSequence(at)) return
        at += units(length) * 2
      }
      assert.is(at * 4, bytes)
    } catch (e) {
      assert.instance(e, RingViolation)
    }
  }), { numRuns: 1000 })
})

test('a sequence that is not the position is noticed, at 2^32 too', () => {
  for (const from of [0, 2 ** 32 - 4, 2 ** 32 - 5]) {
    const ring = new Ring(UNITS, from)
    for (let i = 0; i < 3; i++) {
      const at = ring.writer.claim(RECORD_HEADER)
      ring.fill(at, RECORD_HEADER, header(1))
      if (i === 2) ring.words[at + RecordWord.sequence] ^= 1
      ring.writer.commit(at)
    }
    const seen: boolean[] = []
    // A start 4 or 5 units before the wrap of positions is that far from the ring's end, too: more than one take.
    for (let bytes = ring.reader.take(); bytes; bytes = ring.reader.take())
      for (let at = 0; at * 4 < bytes; at += units(ring.reader.lengthAt(at, bytes)) * 2) if (ring.reader.batch[at + 1] & 0xffff) seen.push(ring.reader.inSequence(at))
    assert.equal(seen, [true, true, false])
  }
})

test('a client that scribbles while we read: violations, and every take returns', async () => {
  const memory = new SharedArrayBuffer(4096 - 8 + UNITS * 8)
  const words = new Int32Array(memory)
  const worker = new Worker(`const { workerData } = require('worker_threads'); const w = new Int32Array(workerData.memory); let x = 12345
    const random = () => (x = Math.imul(x, 1103515245) + 12345 | 0) >>> 4
    for (;;) { const at = workerData.data + 2 * (random() % 40)
      Atomics.store(w, at + 1, random() % 3); Atomics.store(w, at + 2, (at - workerData.data) >> 1); Atomics.store(w, at, [8, 32, 40, 64, 320, -32, 0, 33, random()][random() % 9]) }`,
  { eval: true, workerData: { memory, data: wordAt(4096) } })
  const counts = { takes: 0, violations: 0 }
  try {
    const end = performance.now() + 60_000 // a busy machine may be slow about it
    while ((counts.takes < 1000 || counts.violations < 1000) && performance.now() < end) {
      const reader = new RingReader(words, { ring: 4096, ringUnits: UNITS })
      try {
        for (let i = 0; i < 20; i++) {
          const bytes = reader.take()
          assert.ok(bytes >= 0 && bytes <= BATCH_BYTES)
          if (bytes) counts.takes++
          for (let at = 0; at * 4 < bytes;) {
            at += units(reader.lengthAt(at, bytes)) * 2
            assert.ok(at * 4 <= bytes)
          }
        }
      } catch (e) {
        assert.instance(e, RingViolation)
        counts.violations++
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
  } finally {
    await worker.terminate()
  }
  assert.ok(counts.takes >= 1000 && counts.violations >= 1000, JSON.stringify(counts))
})

test('a producer facing a lying consumer stays inside the ring', () => {
  fc.assert(fc.property(start, fc.array(fc.tuple(fc.integer(), size), { minLength: 1, maxLength: 30 }), (from, steps) => {
    const ring = new Ring(UNITS, from, 64)
    for (const [head, bytes] of steps) {
      ring.words[wordAt(Region.head)] = head
      const at = ring.writer.claim(bytes)
      if (at < 0) continue
      assert.ok(at >= ring.data && at + units(bytes) * 2 <= ring.data + UNITS * 2)
    }
    untouched(ring)
  }), { numRuns: 500 })
})

// ---- sleeping, and threads that die ----

test('the doorbell is rung once, by the first commit after the consumer fell asleep', () => {
  const ring = new Ring(UNITS, 0)
  const send = () => ring.writer.commit(ring.writer.claim(RECORD_HEADER))
  assert.is(send(), false)
  ring.reader.announceSleep()
  assert.ok(ring.reader.ready()) // it would not sleep
  assert.is(send(), true)
  assert.is(send(), false)
  ring.reader.announceSleep()
  ring.reader.awake()
  assert.is(send(), false)
})

test('sleeping producers are announced once', () => {
  const ring = new Ring(UNITS, 0)
  assert.is(ring.reader.producersSleep(), false)
  ring.writer.announceWait()
  assert.is(ring.words[wordAt(Region.producersWaiting)], 1)
  assert.is(ring.reader.producersSleep(), true)
  assert.is(ring.words[wordAt(Region.producersWaiting)], 0)
  assert.is(ring.reader.producersSleep(), false)
})

const two = (from = 0) => {
  const ring = new Ring(UNITS, from, 0, 100)
  const dead = ring.writer.claim(80)
  const live = ring.writer.claim(40)
  ring.fill(live, 40, header(3))
  return { ring, dead, live }
}

test('a claimed record is given up only after the time, and only when others queue behind it', () => {
  const { ring, dead, live } = two(2 ** 32 - 10)
  assert.is(ring.reader.unblock(0), false)
  assert.is(ring.reader.unblock(99), false)
  assert.is(ring.reader.take(), 0)
  assert.ok(ring.reader.blocked())
  assert.is(ring.reader.unblock(100), true)
  ring.writer.commit(live)
  checkTaken(ring, ring.reader.take(), [{ position: 0, bytes: 80, state: 'aborted', seed: 0, at: 0 }])
  assert.ok(ring.reader.take() > 0)
  assert.not.ok(ring.reader.blocked())
  // The writer was only slow: it learns that its record is gone, and did not come through.
  assert.throws(() => ring.writer.commit(dead), (e: Error) => e instanceof RingViolation)
  assert.is(ring.reader.take(), 0)

  const alone = new Ring(UNITS, 0, 0, 100)
  const at = alone.writer.claim(80)
  for (const now of [0, 1000, 2000]) assert.is(alone.reader.unblock(now), false)
  alone.writer.commit(at)
  assert.is(alone.reader.take(), 80)
})

test('a record that moves on in time is left alone, and the time begins again for the next', () => {
  const { ring, dead, live } = two()
  assert.is(ring.reader.unblock(0), false)
  ring.writer.commit(dead)
  assert.is(ring.reader.unblock(100), false)
  assert.is(ring.reader.take(), 80)
  ring.writer.claim(40)
  assert.is(ring.reader.unblock(200), false)
  assert.is(ring.reader.unblock(299), false)
  ring.writer.commit(live)
  assert.is(ring.reader.take(), 40)
})

test('a claim without a length: the hole ends at the next record, and a hole that changes is alive', () => {
  const ring = new Ring(UNITS, UNITS - 30, 0, 100)
  Atomics.add(ring.words, wordAt(Region.tail), 6) // died before it said its length
  assert.is(ring.reader.unblock(0), false) // nobody behind
  const live = ring.writer.claim(40)
  assert.is(ring.reader.unblock(1000), false)
  Atomics.store(ring.words, ring.data + (UNITS - 30 + 3) * 2, -24) // the hole were two claims: one of them lives
  assert.is(ring.reader.unblock(1100), false)
  assert.is(ring.reader.unblock(1200), true)
  assert.is(ring.reader.take(), 24)
  Atomics.store(ring.words, ring.data + (UNITS - 30 + 3) * 2, 24)
  assert.is(ring.reader.take(), 24)
  ring.writer.commit(live)
  assert.is(ring.reader.take(), 40)
})

test('a hole at the ring\'s end, and one longer than any record, go in pieces', () => {
  const ring = new Ring(UNITS, 1000, 0, 100)
  Atomics.add(ring.words, wordAt(Region.tail), 3900) // many dead: to the ring's end and on
  const writer = new RingWriter(ring.words, { ring: 4096, ringUnits: UNITS })
  const live = writer.claim(40)
  ring.fill(live, 40, header(5))
  writer.commit(live)
  let pieces = 0
  for (let now = 0; now < 2000; now += 100) if (ring.reader.take() === 0 && ring.reader.unblock(now)) pieces++
  assert.is(pieces, 3) // 2048, 1048 to the end, 804
  assert.is(ring.reader.head, 1000 + 3900 + 5)
})

test.run()
