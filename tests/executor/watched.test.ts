// test: timeout 120
// What a client can write is read once: a second look could see something else, after the first was checked. Every look that the executor
// takes at its client's ring and staging is seen (watch.c), for every message of the call table and for bulk data of every kind.
import { closeSync, ftruncateSync, openSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import koffi from 'koffi'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { LAID } from '../../idm/generate/model.ts'
import { FLAG_ACCEPT, RECORD_HEADER, wordAt } from '../../idm/ring.ts'
import { Region } from '../../idm/region.ts'
import { GpuAlloc, GpuCopy, HandleType, ImageData, ImageOpen, Launch, Message, MESSAGES, ModuleFunction, ModuleLoad, Place } from '../../proxy/generated/messages.ts'
import { chooseShape, SMALLEST_REGION } from '../../proxy/executor/region.ts'
import { compile, root, scratchFolder } from '../support/cc.ts'
import { type Fields, TestClient, type Wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

/** Of the zone: images count too. */
const STAGING = 8 * SMALLEST_REGION
const HEAD = 8
const LOOK = 16
const LOG_BYTES = HEAD + (LOOK << 20)
const folder = scratchFolder('watched')

/** A preloaded watcher of memory objects of `size` bytes, and its log. */
class Watch {
  readonly file: string
  readonly env: Record<string, string>
  private readonly log: Int32Array

  constructor(name: string, library: string, size: number, from: number, to: number) {
    this.file = join(folder, name)
    const fd = openSync(this.file, 'w+')
    ftruncateSync(fd, LOG_BYTES)
    const libc = koffi.load(null)
    const mmap = libc.func('uintptr_t mmap(uintptr_t address, size_t bytes, int protection, int flags, int fd, long offset)')
    this.log = new Int32Array(koffi.view(BigInt(mmap(0, LOG_BYTES, 3, 1, fd, 0) as number), LOG_BYTES))
    closeSync(fd)
    this.env = { LD_PRELOAD: library, RINGFENCE_WATCH_RANGE: `${size},${from},${to}`, RINGFENCE_WATCH_LOG: this.file }
  }

  get mappings(): number {
    return Atomics.load(this.log, 1)
  }

  forget(): void {
    Atomics.store(this.log, 0, 0)
  }

  /** What libc reads at once in the midst of a long copy from `from` to `to`: 16, 32 or 64 bytes, as the processor has them. */
  vector(from: number, to: number): number {
    const offsets: number[] = []
    for (let i = 0; i < Atomics.load(this.log, 0); i++) {
      const [offset, write, , copying] = this.log.subarray((HEAD + i * LOOK) >> 2)
      if (write === 0 && copying !== 0 && offset > from + 256 && offset < to - 256) offsets.push(offset)
    }
    offsets.sort((a, b) => a - b)
    return Math.min(...offsets.slice(1).map((offset, i) => offset - offsets[i]).filter((step) => step !== 0))
  }

  /**
   * How often each offset was read since then. A copy of libc's reads the ends of what it copies with other instructions than the middle,
   * in part again: what one instruction of it does counts. It reads up to `vector` bytes at once, where every other look is for itself.
   */
  reads(vector: number): Map<number, number> {
    const count = Atomics.load(this.log, 0)
    assert.ok(count < 1 << 20, 'the log has room')
    const alone = new Map<number, number>()
    const copied = new Map<number, Map<number, number>>()
    for (let i = 0; i < count; i++) {
      const [offset, write, instruction, copying] = this.log.subarray((HEAD + i * LOOK) >> 2)
      if (write !== 0) continue
      if (copying === 0) alone.set(offset, (alone.get(offset) ?? 0) + 1)
      else {
        const by = copied.get(offset) ?? new Map<number, number>()
        copied.set(offset, by.set(instruction, (by.get(instruction) ?? 0) + 1))
      }
    }
    const out = new Map([...copied].map(([offset, by]) => [offset, Math.max(...by.values())]))
    for (const [offset, times] of alone) {
      let before = 0
      for (let at = offset; at > offset - vector && before === 0; at--) before = copied.has(at) ? 1 : 0
      out.set(offset, times + before)
    }
    return out
  }
}

if (process.arch !== 'x64') {
  test('not on this machine: looks are seen by the processor\'s trap flag, of x86-64', () => assert.ok(true))
  test.run()
} else await watched()

async function watched(): Promise<void> {
  const library = compile({ sources: ['tests/executor/watch.c'], output: join(folder, 'watch.so'), shared: true, flags: ['-fvisibility=default'], link: ['-ldl'] })
  const shape = chooseShape(STAGING, STAGING)!
  const watch = new Watch('executor', library, shape.size, shape.ring, shape.size)

  const size = 64 << 10
  const self = new Watch('self', library, size, 4096, size)
  const script = `const b = require('shm-typed-array').create(${size} - 8, 'Buffer', '/ringfence-watched-${process.pid}', '600'); require('fs').unlinkSync('/dev/shm/ringfence-watched-${process.pid}');
      const w = new Int32Array(b.buffer, b.byteOffset, b.length >> 2); w[1022 + 5] = 7; const once = w[1022 + 9]; let sum = 0; for (const i of [3, 3, 4]) sum += w[1022 + i]; const copy = new Int32Array(512); copy.set(w.subarray(2046, 2046 + 512)); process.exit(sum + once + w[2046 + 101])`
  const ran = spawnSync(process.execPath, ['-e', script], { cwd: root, env: { ...process.env, ...self.env }, encoding: 'utf8' })
  const vector = self.vector(8192, 8192 + 2048)

  test('a second look is seen', () => {
    assert.is(ran.status, 0, ran.stderr)
    assert.ok([16, 32, 64].includes(vector), `a copy reads ${vector} bytes at once`)
    const reads = self.reads(vector)
    assert.equal([3, 4, 5, 9].map((word) => reads.get(4096 + word * 4)), [2, 1, undefined, 1])
    assert.is(reads.get(8192), 1)
    assert.is(reads.get(8192 + 101 * 4), 2, 'once in a copy, once by itself')
  })

  let executor: TestExecutor
  let client: TestClient
  /** Where the next record lies, if it does not wrap. */
  const position = (): number => (client.words[wordAt(Region.tail)] >>> 0) & (shape.ringUnits - 1)

  /** What is read twice each time: V8 begins an instruction anew when it changes code, and that does not come back. */
  async function always(attempt: () => Promise<string[]>): Promise<string[]> {
    let twice = await attempt()
    for (let again = 0; again < 3 && twice.length > 0; again++) {
      const next = await attempt()
      twice = twice.filter((each) => next.includes(each))
    }
    return twice
  }

  /** Calls, and says what of the record and of staging was read more than once. The record's first word is its state, at which whoever waits looks again and again. */
  async function looks(message: Message, payload: readonly number[], tail: Uint8Array = new Uint8Array(0), flags = 0): Promise<{ status: number; reads: number; twice: string[] }> {
    const bytes = RECORD_HEADER + Math.max(payload.length * 4, MESSAGES[message].request) + tail.length
    // Never over the ring's end: padding is a record of its own.
    while (position() + ((bytes + 7) >> 3) > shape.ringUnits) await client.must(Message.PING)
    const at = shape.ring + position() * 8
    watch.forget()
    const status = await client.call(message, payload, { tail, flags })
    await client.call(Message.PING) // whatever the call left to do later has begun
    const twice: string[] = []
    let reads = 0
    for (const [offset, count] of watch.reads(vector)) {
      const mine = offset > at && offset < at + bytes
      if (mine || offset >= shape.staging) reads++
      if (count > 1 && mine) twice.push(`${Message[message]}: byte ${offset - at} of the record, ${count} times`)
      if (count > 1 && offset >= shape.staging) twice.push(`${Message[message]}: byte ${offset - shape.staging} of the staging, ${count} times`)
    }
    return { status, reads, twice }
  }
  /** Calls with success; how many looks that took. */
  const fine = async (message: Message, fields: Fields, tail?: Uint8Array): Promise<number> => {
    let least = Infinity
    const twice = await always(async () => {
      const { status, reads, twice } = await looks(message, words(fields), tail)
      assert.is(status, 0, `${Message[message]} answered ${status}`)
      least = Math.min(least, reads)
      return twice
    })
    assert.equal(twice, [])
    return least
  }

  async function connect(): Promise<void> {
    await executor.until(() => executor.present === 0)
    client = await TestClient.connect(executor.path)
    assert.is(client.geometry.size, shape.size)
    await client.retain()
  }

  test.before(async () => {
    executor = await TestExecutor.start({ limits: { staging: STAGING }, env: { ...watch.env, RINGFENCE_LOG: 'fatal' } })
    await connect()
    assert.is(watch.mappings > 0, true, 'the region is watched')
  })
  test.after(() => executor.stop())

  test('every message of the call table, with handles of its own and with any', async () => {
    const stream = await (async (): Promise<Wide> => (await client.must(Message.cuStreamCreate, [1]), client.replyWide(0)))()
    const all: string[] = []
    let seen = 0
    for (const message of LAID)
      for (const value of [0, 1, 0x7fffffff]) {
        if (all.length > 20) break // enough to see what it is
        const payload: number[] = Array(MESSAGES[message.id as Message].request >> 2).fill(value)
        for (const field of message.request)
          if (field.kind === 'handle') [payload[field.offset >> 2], payload[(field.offset >> 2) + 1]] = field.handle === 'stream' ? stream : [value, HandleType[field.handle as keyof typeof HandleType]]
        const gone = executor.gone.length
        try {
          all.push(...(await always(async () => {
            const { reads, twice } = await looks(message.id as Message, payload, new Uint8Array(64), message.cost === 'waited' ? 0 : FLAG_ACCEPT)
            if (reads > 0) seen++
            return twice
          })))
        } catch (error) {
          if (executor.gone.length === gone) throw error
          client.close()
          await connect() // it was ended: also an answer
        }
      }
    client.close()
    await connect()
    assert.equal(all, [])
    assert.ok(seen > 2 * LAID.length, `${seen} records were seen being read`)
  })

  test('copies: in the record, and through staging', async () => {
    await fine(Message.GPU_ALLOC, { [GpuAlloc.bytes]: 1 << 20 })
    const address = client.replyNumber(0)
    const copy = (place: Place, width: number): Fields => ({ [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: address, [GpuCopy.src_place]: place, [GpuCopy.width]: width, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1 })
    for (const bytes of [16, 400, 4096]) await fine(Message.GPU_COPY, copy(Place.inline, bytes), new Uint8Array(bytes).fill(1))
    assert.ok((await fine(Message.GPU_COPY, { ...copy(Place.staging, 4096), [GpuCopy.chunks]: 1 })) > 0, 'staging is read')
    await fine(Message.GPU_COPY, { ...copy(Place.staging, 100), [GpuCopy.chunks]: 1, [GpuCopy.src_pitch]: 200, [GpuCopy.rows]: 9, [GpuCopy.dst_pitch]: 128 })
  })

  test('code and the parameters of a launch: in the record, and through staging', async () => {
    // A copy by bytes is seen byte by byte, which takes its time.
    const ptx = Buffer.from(`.version 7.0\n.target sm_50\n.address_size 64\n.visible .entry takes(.param .u64 a) { ret; }\n//${'.'.repeat(4000)}\n`)
    const text = Buffer.concat([ptx, Buffer.alloc(8)])
    let image: Wide = [0, 0]
    const send = async (): Promise<string[]> => {
      await client.must(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: ptx.length }))
      image = client.replyWide(0)
      const twice: string[] = []
      for (let at = 0, chunks = 1; at < ptx.length; chunks ^= 1) {
        const bytes = Math.min(ptx.length - at, chunks ? 1500 : 1000)
        if (chunks) client.staging.set(text.subarray(at, at + bytes))
        const seen = await looks(Message.IMAGE_DATA, words({ [ImageData.image]: image, [ImageData.offset]: at, [ImageData.bytes]: bytes, [ImageData.chunks]: chunks }), chunks ? undefined : text.subarray(at, at + ((bytes + 7) & ~7)), FLAG_ACCEPT)
        assert.is(seen.status, 0)
        assert.ok(seen.reads > 0)
        twice.push(...seen.twice)
        at += bytes
      }
      return twice
    }
    assert.equal(await always(send), [])
    await fine(Message.MODULE_LOAD, { [ModuleLoad.image]: image })
    const module = client.replyWide(0)
    await fine(Message.MODULE_FUNCTION, { [ModuleFunction.module]: module }, Buffer.from('takes\0\0\0'))
    const callable = client.replyWide(0)
    const bytes = 8
    const launch: Fields = { [Launch.function]: callable, [Launch.bytes]: bytes }
    for (const word of [Launch.grid_x, Launch.grid_y, Launch.grid_z, Launch.block_x, Launch.block_y, Launch.block_z]) launch[word] = 1
    for (const more of [{}, { [Launch.chunks]: 1 }]) {
      assert.equal(await always(async () => {
        const { twice, reads } = await looks(Message.LAUNCH, words({ ...launch, ...more }), new Uint8Array(Launch.chunks in more ? 0 : bytes), FLAG_ACCEPT)
        assert.ok(reads > 0)
        return twice
      }), [])
    }
    assert.is(executor.exit, null)
  })

  test.run()
}
