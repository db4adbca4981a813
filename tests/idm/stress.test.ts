// test: timeout 240
// Eight threads write a million records each, of random sizes, through one ring; the consumer checks every word. Nothing may
// be lost, reordered within a thread, or torn; nobody may sleep through a wake-up (all sleeps are without a time-out, so a
// lost one is a hang, which the watchdog turns into a failure). Readers stall, writers pause, writers give records up, and
// writers are killed between claim and commit. RINGFENCE_STRESS_RECORDS sets another number of records a thread.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import koffi from 'koffi'
import shm from 'shm-typed-array'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { geometry, PACKAGE_BYTES, Region } from '../../idm/region.ts'
import { CALL_PADDING, RECORD_HEADER, RecordWord, RingReader, wordAt } from '../../idm/ring.ts'
import { run } from '../support/cc.ts'
import { program } from './program.ts'

const THREADS = 8
const RECORDS = Number(process.env['RINGFENCE_STRESS_RECORDS'] ?? 1_000_000)
const WATCHDOG_MS = 30_000

interface Counts {
  sleeps: number
  doorbells: number
  aborted: number
  taken: number
  bytes: number
  unblocked: number
  slept: number
  seconds: number
}

const syscall = koffi.load('libc.so.6').func('long syscall(long, uintptr_t, int, int, uintptr_t, uintptr_t, int)')
const SYS_FUTEX = process.arch === 'arm64' ? 98 : 202
const FUTEX_WAKE = 1
const STEP = 0x9e3779b9 | 0

/** Runs the producers against RingReader in this process; returns both sides' counts. */
async function consumeInTypeScript(o: { ringBytes: number; records: number; seed: number; deaths: number; unblockMs?: number; start: number }): Promise<Counts> {
  const g = geometry({ slotCount: 1, ringBytes: o.ringBytes, stagingChunk: 4096, stagingChunks: 1 })
  const name = `/ringfence-test-${randomBytes(8).toString('hex')}`
  const buffer = shm.create(g.size - PACKAGE_BYTES, 'Buffer', name) as Buffer | null
  assert.ok(buffer, 'shared memory object')
  try {
    const words = new Int32Array(buffer.buffer, buffer.byteOffset, (g.size - PACKAGE_BYTES) >> 2)
    words.fill(0)
    words[wordAt(Region.head)] = words[wordAt(Region.tail)] = o.start | 0
    const reader = new RingReader(words, g, o.unblockMs === undefined ? {} : { unblockMs: o.unblockMs })
    reader.head = o.start
    const waiting = Number(koffi.address(buffer)) + Region.producersWaiting - PACKAGE_BYTES

    const child = spawn(program('stress'), ['produce', name, g.ring, g.ringUnits, THREADS, o.records, o.seed, o.deaths].map(String), { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] })
    let rung: (() => void) | null = null
    let failure: Error | null = null
    const bell = child.stdio[3] as NodeJS.ReadableStream
    bell.on('data', () => rung?.())
    let stdout = ''
    child.stdout!.on('data', (b) => (stdout += b))
    const exited = new Promise<number | null>((resolve) => child.on('close', (code) => {
      if (code !== 0) failure = new Error(`the producers left with ${code}`)
      rung?.()
      resolve(code)
    }))
    try {
      const next = new Uint32Array(THREADS)
      const want = THREADS * o.records
      let [taken, bytes, unblocked, slept, takes, idle] = [0, 0, 0, 0, 0, 0]
      const { batch } = reader
      const began = performance.now()
      const wrong = (what: string, at: number) => new Error(`${what}: thread ${batch[at + RecordWord.thread]}, ticket ${batch[at + RecordWord.ticket] >>> 0}, expected ${next[batch[at + RecordWord.thread]]}, at position ${reader.batchPosition + (at >> 1)}`)
      while (taken < want) {
        if (failure) throw failure
        const n = reader.take()
        if (n === 0) {
          if (++idle < 200) continue
          idle = 0
          if (o.deaths && reader.unblock(performance.now())) {
            unblocked++
            continue
          }
          // The doorbell's promise stands before anybody can ring it.
          const ring = new Promise<void>((resolve) => (rung = resolve))
          reader.announceSleep()
          if (!reader.ready()) {
            slept++
            let timer: NodeJS.Timeout | undefined
            const limit = new Promise<string>((resolve) => (timer = setTimeout(() => resolve('late'), o.deaths ? 20 : WATCHDOG_MS)))
            const late = await Promise.race([ring, limit])
            clearTimeout(timer)
            if (late && !o.deaths) throw new Error(`a lost wake-up: ${taken} of ${want} records taken, ready ${reader.ready()}, blocked ${reader.blocked()}, words ${[Region.tail, Region.head, Region.asleep, Region.producersWaiting].map((w) => words[wordAt(w)] >>> 0)}`)
            if (late && performance.now() - began > 4 * WATCHDOG_MS) throw new Error(`stuck at ${taken} of ${want}`)
          }
          rung = null
          reader.awake()
          continue
        }
        idle = 0
        if (reader.freed && reader.producersSleep()) syscall(SYS_FUTEX, waiting, FUTEX_WAKE, 0x7fffffff, 0, 0, 0)
        bytes += n
        for (let at = 0; at * 4 < n;) {
          const length = reader.lengthAt(at, n)
          const call = batch[at + 1] & 0xffff
          if (call !== CALL_PADDING) {
            if (!reader.inSequence(at)) throw wrong('out of sequence', at)
            const thread = batch[at + RecordWord.thread]
            const number = next[thread]
            if (thread >>> 0 >= THREADS || batch[at + 1] >>> 16 !== thread || batch[at + RecordWord.ticket] >>> 0 !== number) throw wrong('lost or out of order', at)
            next[thread]++
            if (~batch[at + RecordWord.flags] >>> 0 !== number || call !== 1 + (number % 1000)) throw wrong('torn header', at)
            let word = (Math.imul(number, 2654435761) + thread * 40503 + 1) | 0
            for (let i = at + RecordWord.payload, end = at + (length >> 2); i < end; i++, word = (word + STEP) | 0) if (batch[i] !== word) throw wrong('torn payload', at)
            taken++
          } else if (length < RECORD_HEADER && length % 8 !== 0) throw wrong('padding', at)
          at += ((length + 7) >>> 3) << 1
        }
        if (++takes % 5000 === 0) await new Promise((resolve) => setTimeout(resolve, 3)) // a stalled reader: the ring fills
      }
      const seconds = (performance.now() - began) / 1000
      assert.is(await exited, 0)
      // Whatever the last producers left is padding, and the ring is empty: all zeroes again.
      const rest = reader.take()
      for (let at = 0; at * 4 < rest; at += ((reader.lengthAt(at, rest) + 7) >>> 3) << 1) assert.is(batch[at + 1] & 0xffff, CALL_PADDING)
      assert.is(words[wordAt(Region.tail)] >>> 0, reader.head)
      assert.ok(words.subarray(wordAt(g.ring), wordAt(g.ring + o.ringBytes)).every((w) => w === 0), 'the emptied ring is zero')
      return { ...(JSON.parse(stdout) as Counts), taken, bytes, unblocked, slept, seconds }
    } finally {
      child.kill('SIGKILL')
      await exited
    }
  } finally {
    shm.destroy(name)
  }
}

const say = (what: string, c: Counts) => console.log(`  ${what}: ${c.taken} records, ${(c.bytes / 2 ** 20).toFixed(0)} MiB in ${c.seconds.toFixed(2)} s; ` +
  `producers slept ${c.sleeps} times, consumer ${c.slept}, doorbells ${c.doorbells}, given up ${c.aborted}, unblocked ${c.unblocked}`)

const inC = (sanitizer: 'none' | 'address' | 'thread', ringUnits: number, records: number, seed: number, deaths: number, flags: string[] = [], threads = THREADS, mode = 'both'): Counts => {
  const r = run(program('stress', sanitizer, flags), [mode, ringUnits, threads, records, seed, deaths].map(String), {}, 100_000)
  assert.is(r.status, 0, `${r.signal} ${r.stderr.slice(0, 4000)}`)
  assert.is(r.stderr, '')
  return JSON.parse(r.stdout) as Counts
}

test('C producers, TypeScript consumer: a million records a thread', async () => {
  const c = await consumeInTypeScript({ ringBytes: 1 << 20, records: RECORDS, seed: 1, deaths: 0, start: 0xffff_ffff - 5000 })
  say('TypeScript', c)
  assert.is(c.taken, THREADS * RECORDS)
  assert.ok(c.sleeps > 0, 'no producer ever slept on a full ring')
  assert.ok(c.slept > 0 && c.doorbells > 0, 'the consumer never slept')
  assert.ok(c.aborted > 0)
})

test('C producers, TypeScript consumer: the smallest ring, always full', async () => {
  const c = await consumeInTypeScript({ ringBytes: 1 << 15, records: Math.ceil(RECORDS / 10), seed: 2, deaths: 0, start: 0 })
  say('TypeScript, 32 KiB', c)
  assert.ok(c.sleeps > 0)
})

test('writers killed between claim and commit: the others go on', async () => {
  const c = await consumeInTypeScript({ ringBytes: 1 << 20, records: Math.ceil(RECORDS / 10), seed: 3, deaths: 4, unblockMs: 1000, start: 0xffff_ffff - 100 })
  say('TypeScript, four writers killed', c)
  assert.is(c.taken, THREADS * Math.ceil(RECORDS / 10))
  // Neighbouring holes may go as one, and a hole may be two with the padding at the wrap.
  assert.ok(c.unblocked >= 1 && c.unblocked <= 8, String(c.unblocked))
})

test('C producers, C consumer: a million records a thread', () => {
  const c = inC('none', 131072, RECORDS, 4, 0)
  say('C', c)
  assert.is(c.taken, THREADS * RECORDS)
  assert.ok(c.sleeps > 0 && c.slept > 0 && c.aborted > 0)
  say('C, 32 KiB', inC('none', 4096, Math.ceil(RECORDS / 10), 5, 0))
})

test('C: writers killed between claim and commit', () => {
  const c = inC('none', 131072, Math.ceil(RECORDS / 10), 6, 4, ['-DRF_UNBLOCK_NANOSECONDS=1000000000ull'])
  say('C, four writers killed', c)
  assert.ok(c.unblocked >= 1 && c.unblocked <= 8, String(c.unblocked))
})

test('C: both sides sleep whenever they can, and nobody sleeps through a wake-up', () => {
  const c = inC('none', 4096, 200_000, 12, 0, [], 1, 'eager')
  say('C, eager to sleep', c)
  // How often depends on the machine's other work; that both did is what the rest of the test needs.
  assert.ok(c.sleeps > 0 && c.slept > 0)
  say('C, eager to sleep, two', inC('none', 4096, 100_000, 13, 0, [], 2, 'eager'))
})

test('C under ThreadSanitizer', () => {
  say('TSan', inC('thread', 131072, 40_000, 7, 0))
  say('TSan, 32 KiB', inC('thread', 4096, 10_000, 8, 0))
  const c = inC('thread', 16384, 60_000, 11, 0, [], 1)
  say('TSan, one producer', c)
  assert.ok(c.slept > 0 && c.doorbells > 0, 'the consumer never slept')
})

test('C under ASan and UBSan, and against memory that lies', () => {
  say('ASan', inC('address', 16384, 100_000, 9, 0))
  const r = run(program('stress', 'address'), ['lie', '4096', '100000', '10'], {}, 100_000)
  assert.is(r.status, 0, r.stderr.slice(0, 4000))
  const c = JSON.parse(r.stdout) as { violations: number; taken: number; unblocked: number }
  assert.ok(c.violations > 1000 && c.taken > 1000 && c.unblocked > 1000, r.stdout)
})

test.run()
