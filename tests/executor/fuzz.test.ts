// test: timeout 180
// A hostile client against the executor: lying records, mutated records, well-formed calls full of nonsense, a flood, a hang-up
// at any moment. The executor must neither crash nor grow nor stop, and an honest client beside it must not notice.
// RINGFENCE_FUZZ_SEED and RINGFENCE_FUZZ_ROUNDS repeat and lengthen a run.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NoticeType } from '../../idm/hello.ts'
import { Region } from '../../idm/region.ts'
import { RECORD_HEADER, RecordWord, SLOT_POSTED, wordAt } from '../../idm/ring.ts'
import { GpuCopy, Message, MESSAGE_COUNT, MESSAGES, Place } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const firstSeed = Number(process.env['RINGFENCE_FUZZ_SEED'] ?? 1)
const rounds = Number(process.env['RINGFENCE_FUZZ_ROUNDS'] ?? 60)
const executor = await TestExecutor.start({ limits: { memory: 64 << 20, handles: 2000, staging: 256 << 20 }, env: { RINGFENCE_LOG: 'fatal' }, sanitized: true })

/** xorshift32: the same numbers everywhere. */
class Random {
  private state: number
  constructor(seed: number) {
    this.state = (Math.imul(seed, 2654435769) ^ 0x9e3779b9) | 1
  }
  u32(): number {
    let x = this.state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.state = x
    return x >>> 0
  }
  below(n: number): number {
    return this.u32() % n
  }
  pick<T>(xs: readonly T[]): T {
    return xs[this.below(xs.length)]
  }
}

const honest = await TestClient.connect(executor.path, { program: 'honest' })
await honest.retain()
await honest.must(Message.GPU_ALLOC, [0, 0, 65536])
const memory = honest.replyWide(0)

/** A whole round trip with data: what goes up comes down, whatever happens beside it. */
async function honestWork(seed: number): Promise<void> {
  const bytes = Uint8Array.from({ length: 512 }, (_, i) => (i * 7 + seed) & 0xff)
  const up: number[] = Array(REQUEST_WORDS).fill(0)
  up[GpuCopy.dst_place] = Place.device
  up[GpuCopy.dst_base] = memory[0]
  up[GpuCopy.dst_base + 1] = memory[1]
  up[GpuCopy.src_place] = Place.inline
  up[GpuCopy.width] = bytes.length
  up[GpuCopy.rows] = 1
  up[GpuCopy.depth] = 1
  await honest.must(Message.GPU_COPY, up, { tail: bytes })
  const down: number[] = Array(REQUEST_WORDS).fill(0)
  down[GpuCopy.dst_place] = Place.inline
  down[GpuCopy.src_place] = Place.device
  down[GpuCopy.src_base] = memory[0]
  down[GpuCopy.src_base + 1] = memory[1]
  down[GpuCopy.width] = bytes.length
  down[GpuCopy.rows] = 1
  down[GpuCopy.depth] = 1
  await honest.must(Message.GPU_COPY, down)
  assert.equal(honest.replyBytes(bytes.length), Buffer.from(bytes))
}
const REQUEST_WORDS = MESSAGES[Message.GPU_COPY].request >> 2

async function fresh(retain: boolean): Promise<TestClient> {
  for (;;) {
    try {
      const c = await TestClient.connect(executor.path, { program: 'hostile' })
      if (retain) await c.retain()
      return c
    } catch (error) {
      if (!/clients already|handles already|staging/.test((error as Error).message)) throw error
      await new Promise((done) => setTimeout(done, 5))
    }
  }
}

/** Committed bytes of any kind, straight into the ring. */
function garbage(c: TestClient, random: Random): void {
  const data = wordAt(c.geometry.ring)
  const units = c.geometry.ringUnits
  const from = random.below(2) === 0 ? 0 : random.below(units)
  const count = random.below(4096)
  for (let i = 0; i < count; i++) c.words[data + ((from * 2 + i) % (units * 2))] = random.below(3) === 0 ? random.below(200) : random.u32()
  for (const word of [Region.tail, Region.core, Region.head, Region.asleep, Region.producersWaiting, Region.stagingEpoch, Region.stagingWaiting, Region.printed])
    if (random.below(4) === 0) Atomics.store(c.words, wordAt(word), random.u32() | 0)
  Atomics.store(c.words, data, random.pick([8, 24, 31, 32, 33, 40, 16384, 16385, 1 << 20, 0x7fffffff, -1, random.u32() | 0]))
  c.ring()
}

/** One record, right but for one field of its header. */
function mutated(c: TestClient, random: Random): void {
  const id = 1 + random.below(MESSAGE_COUNT - 1)
  const bytes = RECORD_HEADER + MESSAGES[id].request
  const at = c.writer.claim(bytes)
  if (at < 0) return
  const w = c.words
  w[at + RecordWord.callAndSlot] = id | (random.pick([0, 1, 63, SLOT_POSTED]) << 16)
  w[at + RecordWord.ticket] = 1
  for (let i = 0; i < MESSAGES[id].request >> 2; i++) w[at + RecordWord.payload + i] = 0
  let length = bytes
  switch (random.below(6)) {
    case 0: w[at + RecordWord.callAndSlot] = random.u32(); break
    case 1: w[at + RecordWord.sequence] = random.u32(); break
    case 2: w[at + RecordWord.callAndSlot] = id | ((64 + random.below(1000)) << 16); break
    case 3: w[at + RecordWord.callAndSlot] = (MESSAGE_COUNT + random.below(1000)) | (SLOT_POSTED << 16); break
    case 4: length = 32 + random.below(8); break // shorter than its message
    default: length = random.pick([8, 16, 31, 1 << 14, (1 << 14) + 1, 1 << 19, 0x7fffffff])
  }
  Atomics.store(w, at, length)
  c.ring()
}

const WIDE_VALUES: readonly Wide[] = [[0, 0], [1, 0], [2, 0], [3, 0], [16, 0], [4096, 0], [65536, 0], [1 << 20, 0], [0xffffffff, 0], [0, 1], [0, 0x1fffff], [0, 0x200000], [0, 0x80000000], [0xffffffff, 0xffffffff]]

/** A well-formed record full of nonsense, with handles and addresses that exist among it. */
function nonsense(c: TestClient, random: Random, known: Wide[], slot: number): number {
  let id = 1 + random.below(MESSAGE_COUNT - 1)
  // The heavy ones more often than by chance.
  if (random.below(3) === 0) id = random.pick([Message.GPU_COPY, Message.GPU_SET, Message.GPU_ALLOC, Message.GPU_FREE, Message.HOST_CALL, Message.HOST_DONE, Message.MEM_MAP, Message.cuStreamWaitValue32_v2, Message.ARRAY_CREATE, Message.TEXTURE_CREATE, Message.TEXREF_BIND])
  // Posting what must be waited for ends a client: that is for the mutations to find.
  if (slot === SLOT_POSTED) while (MESSAGES[id].cost === 'waited') id = 1 + random.below(MESSAGE_COUNT - 1)
  const count = MESSAGES[id].request >> 2
  const payload: number[] = []
  for (let i = 0; i < count; i += 2) {
    const value = random.below(3) === 0 && known.length > 0 ? random.pick(known) : random.below(4) === 0 ? [random.u32(), random.u32() >>> random.below(32)] as const : random.pick(WIDE_VALUES)
    if (random.below(3) === 0) payload.push(random.below(6), random.below(6))
    else payload.push(value[0], value[1])
  }
  const context = random.below(8) === 0 ? random.pick(WIDE_VALUES) : c.primary
  return c.write(id, payload.slice(0, count), slot, { context, thread: random.below(4), flags: random.below(4), tail: random.below(8) === 0 ? new Uint8Array(random.below(4000)) : new Uint8Array(0) })
}

for (let round = 0; round < rounds; round++) {
  const seed = firstSeed + round
  test(`seed ${seed}`, async () => {
    const random = new Random(seed)
    const kind = round % 4
    if (kind === 0) {
      const c = await fresh(false)
      garbage(c, random)
      await honestWork(seed)
      c.close()
    } else if (kind === 1) {
      const c = await fresh(random.below(2) === 0)
      for (let i = 0; i < 5; i++) mutated(c, random)
      await honestWork(seed)
      c.close()
    } else if (kind === 2) {
      const c = await fresh(true)
      const known: Wide[] = [c.primary]
      for (let i = 0; i < 150; i++) {
        const slot = random.below(4)
        if (random.below(4) === 0) nonsense(c, random, known, SLOT_POSTED)
        else {
          const ticket = nonsense(c, random, known, slot)
          for (let spin = 0; spin < 3000 && !c.answered(slot, ticket); spin++);
          // Words of a reply may be handles or addresses: the best nonsense is nearly right.
          known.push(c.replyWide(0, slot), [c.reply(0, slot) + random.below(4096), c.reply(1, slot)])
          if (known.length > 40) known.splice(1, 10)
        }
        for (let notice = c.tryNotice(); notice !== null; notice = c.tryNotice()) {
          if (notice.type === NoticeType.hostCall && random.below(2) === 0) c.post(Message.HOST_DONE, [notice.cookie >>> 0, Math.floor(notice.cookie / 4294967296)])
        }
      }
      await honestWork(seed)
      c.close()
    } else {
      const c = await fresh(random.below(2) === 0)
      const many = random.below(3000)
      for (let i = 0; i < many; i++) c.write(Message.PING, [], random.below(65) === 64 ? SLOT_POSTED : random.below(64))
      for (let i = 0; i < 500; i++) c.ring()
      if (random.below(2) === 0) await honestWork(seed)
      c.close()
    }
    await honestWork(seed + 1)
    assert.is(executor.exit, null, `the executor died (${JSON.stringify(executor.exit)})`)
  })
}

test('nothing of the hostile clients is left', async () => {
  await executor.until(() => executor.usage!.clients === 1 && executor.usage!.handles === 1 && executor.usage!.allocations === 1 && executor.usage!.memory === 65536)
  honest.close()
  await executor.until(() => executor.usage!.clients === 0 && executor.usage!.staging === 0 && executor.usage!.memory === 0)
})

test.after(async () => {
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

test.run()
