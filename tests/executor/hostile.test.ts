// test: timeout 240
// Attacks by a client that knows the protocol: each call is well formed, the harm is in what they add up to. An honest client beside it
// is served throughout, and when the attacker is gone so is everything it held.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { closeSync, readdirSync, readFileSync } from 'node:fs'
import { ClaimStatus, RECORD_HEADER, RecordWord } from '../../idm/ring.ts'
import { CUresult } from '../../proxy/driver/errors.ts'
import { CuCtxSetLimit, CuStreamWaitValue32_v2, CuStreamWaitValue64_v2, GpuAlloc, GpuCopy, GpuSet, Message, MESSAGES, Place, SyncScope } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const MIB = 1 << 20
const GEQ = 0, EQ = 1, AND = 2, NOR = 3

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))
const rss = (pid: number): number => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024

const executor = await TestExecutor.start({ limits: { memory: 64 * MIB, handles: 2000 }, env: { RINGFENCE_LOG: 'fatal' } })
test.after(() => executor.stop())

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}
async function allocate(client: TestClient, bytes: number): Promise<number> {
  await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: bytes }))
  return client.replyNumber(0)
}
async function make(client: TestClient, message: Message, payload: number[]): Promise<Wide> {
  await client.must(message, payload)
  return client.replyWide(0)
}
/** Holds a stream back until somebody writes `value`: nobody will. */
const hold = (client: TestClient, stream: Wide, address: number, value = 77): void =>
  client.post(Message.cuStreamWaitValue32_v2, words({ [CuStreamWaitValue32_v2.stream]: stream, [CuStreamWaitValue32_v2.addr]: address, [CuStreamWaitValue32_v2.value]: value, [CuStreamWaitValue32_v2.flags]: EQ }))

/** Hangs up, and waits until nothing of anybody is left. */
async function leave(client: TestClient, before = executor.gone.length): Promise<void> {
  client.close()
  await executor.until(() => executor.gone.length > before)
}

/** Writes a record if there is room for it; never waits. */
function tryWrite(client: TestClient, call: Message, payload: readonly number[], slot: number): boolean {
  const bytes = RECORD_HEADER + MESSAGES[call].request
  const at = client.writer.claim(bytes)
  if (at === ClaimStatus.full) return false
  const w = client.words
  w[at + RecordWord.callAndSlot] = call | (slot << 16)
  w[at + RecordWord.ticket] = 1
  w[at + RecordWord.contextLow] = client.context[0]
  w[at + RecordWord.contextHigh] = client.context[1]
  w[at + RecordWord.thread] = 0
  w[at + RecordWord.flags] = 0
  for (let i = 0; i < MESSAGES[call].request >> 2; i++) w[at + RecordWord.payload + i] = payload[i] ?? 0
  if (client.writer.commit(at)) client.ring()
  return true
}

for (const [what, end] of [
  ['destroys the context', async (client: TestClient) => {
    const context = await make(client, Message.CTX_CREATE, [0, 0])
    const address = await allocate(client, 4096)
    client.context = context
    hold(client, [0, 0], address)
    client.context = client.primary
    client.write(Message.CTX_DESTROY, [...context], 1)
  }],
  ['resets the primary context', async (client: TestClient) => {
    const address = await allocate(client, 4096)
    hold(client, [0, 0], address)
    client.write(Message.CTX_PRIMARY_RESET, [0], 1)
  }],
  ['destroys the stream', async (client: TestClient) => {
    const address = await allocate(client, 4096)
    const stream = await make(client, Message.cuStreamCreate, [1])
    hold(client, stream, address)
    client.post(Message.GPU_SET, words({ [GpuSet.address]: address, [GpuSet.width]: 16, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.stream]: stream }))
    await client.must(Message.STREAM_DESTROY, [...stream])
  }],
] as const) {
  test(`a client that waits for a value for ever, ${what} and dies leaves nothing`, async () => {
    const client = await fresh()
    await end(client)
    await sleep(30)
    await leave(client)
    await executor.until(() => executor.usage!.handles === 0 && executor.usage!.memory === 0 && executor.usage!.staging === 0)
  })
}

test('a wait that no value can ever end is refused', async () => {
  const client = await fresh()
  const address = await allocate(client, 4096)
  const wait32 = (value: number, flags: number) => client.call(Message.cuStreamWaitValue32_v2, words({ [CuStreamWaitValue32_v2.addr]: address, [CuStreamWaitValue32_v2.value]: value, [CuStreamWaitValue32_v2.flags]: flags }))
  const wait64 = (value: Wide, flags: number) => client.call(Message.cuStreamWaitValue64_v2, words({ [CuStreamWaitValue64_v2.addr]: address, [CuStreamWaitValue64_v2.value]: value, [CuStreamWaitValue64_v2.flags]: flags }))
  assert.is(await wait32(0, AND), CUresult.INVALID_VALUE)
  assert.is(await wait32(0xffffffff, NOR), CUresult.INVALID_VALUE)
  assert.is(await wait64([0, 0], AND), CUresult.INVALID_VALUE)
  assert.is(await wait64([0xffffffff, 0xffffffff], NOR), CUresult.INVALID_VALUE)
  assert.is(await wait64([0xffffffff, 0], NOR), 0)
  assert.is(await wait32(0, GEQ), 0)
  // These two are outstanding when it dies, each in the other's way.
  assert.is(await wait32(1, EQ), 0)
  assert.is(await wait32(2, EQ), 0)
  await leave(client)
})

test('bytes that lie between the rows of a packed answer are nobody\'s', async () => {
  const victim = await fresh()
  const attacker = await fresh()
  const secret = Uint8Array.from({ length: 900 }, () => 0x5a)
  const theirs = await allocate(victim, 4096)
  for (let i = 0; i < 4; i++) {
    await victim.must(Message.GPU_COPY, words({ [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: theirs, [GpuCopy.src_place]: Place.inline, [GpuCopy.width]: 900, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1 }), { tail: secret })
  }
  const mine = await allocate(attacker, 4096)
  const down = (more: Record<number, number>) => attacker.call(Message.GPU_COPY, words({ [GpuCopy.dst_place]: Place.inline, [GpuCopy.src_place]: Place.device, [GpuCopy.src_base]: mine, [GpuCopy.width]: 1, [GpuCopy.rows]: 2, [GpuCopy.depth]: 1, ...more }))
  for (const [status, more] of [[await down({ [GpuCopy.dst_pitch]: 900 }), 'rows'], [await down({ [GpuCopy.rows]: 1, [GpuCopy.depth]: 2, [GpuCopy.dst_height]: 900 }), 'slices'],
    [await down({ [GpuCopy.rows]: 1, [GpuCopy.depth]: 2, [GpuCopy.dst_pitch]: 900, [GpuCopy.src_pitch]: 900 }), 'slices of a pitch']] as const) {
    assert.is(status, CUresult.INVALID_VALUE, more)
    assert.not(attacker.replyBytes(1000).includes(0x5a), more)
  }
  assert.is(await down({}), 0, 'packed rows come')
  await leave(attacker)
  await leave(victim)
})

for (const [what, target] of [
  ['an event that never comes', async (client: TestClient) => {
    const event = await make(client, Message.cuEventCreate, [2])
    client.post(Message.cuEventRecord, [...event])
    return { call: Message.GPU_SYNC, payload: [SyncScope.event, 0, ...event] }
  }],
  ['a context that is never done', async () => ({ call: Message.GPU_SYNC, payload: [SyncScope.context, 0] })],
  ['a stream that is never done', async () => ({ call: Message.GPU_SYNC, payload: [SyncScope.stream, 0] })],
  ['memory that is never free', async () => ({ call: Message.GPU_SET, payload: [] as number[] })],
] as const) {
  test(`a client that asks for ${what} a hundred thousand times is stopped`, async () => {
    const gone = executor.gone.length
    const honest = await fresh()
    const client = await fresh()
    const address = await allocate(client, 4096)
    hold(client, [0, 0], address)
    let { call, payload } = await target(client)
    if (call === Message.GPU_SET) payload = words({ [GpuSet.address]: address, [GpuSet.width]: 16, [GpuSet.rows]: 1, [GpuSet.element]: 1 })
    const before = rss(executor.pid)
    let written = 0
    for (let until = Date.now() + 1500; written < 100_000 && Date.now() < until;) {
      if (tryWrite(client, call, payload, written % 60)) written++
      else await sleep(1)
    }
    assert.ok(written < 100_000, 'the ring is full and stays so')
    assert.ok(rss(executor.pid) - before < 64 * MIB, `the executor has grown by ${rss(executor.pid) - before} bytes`)
    await honest.must(Message.PING)
    await leave(client, gone)
    await honest.must(Message.PING)
    await leave(honest)
  })
}

test('contexts cost the card memory that no quota counts: a client has so many', async () => {
  const client = await fresh()
  let made = 0
  let status = 0
  while (made < 100 && (status = await client.call(Message.CTX_CREATE, [0, 0])) === 0) made++
  assert.is(status, CUresult.OUT_OF_MEMORY)
  assert.is(made, 31)
  await leave(client)
})

test('what a context\'s heap has beyond the driver\'s default is the zone\'s memory, until the context ends', async () => {
  const client = await fresh()
  const MALLOC_HEAP = 2, PRESET = 8 * MIB
  const limit = (value: number) => client.call(Message.cuCtxSetLimit, words({ [CuCtxSetLimit.limit]: MALLOC_HEAP, [CuCtxSetLimit.value]: value }))
  assert.is(await limit(PRESET + 64 * MIB + 1), CUresult.OUT_OF_MEMORY)
  assert.is(await limit(PRESET + 64 * MIB), 0)
  await executor.until(() => executor.usage!.memory === 64 * MIB)
  assert.is(await client.call(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 })), CUresult.OUT_OF_MEMORY)
  assert.is(await limit(PRESET + MIB), 0)
  await executor.until(() => executor.usage!.memory === MIB)
  assert.is(await limit(0x7fffffff), CUresult.OUT_OF_MEMORY, 'and leaves it as it was')
  await executor.until(() => executor.usage!.memory === MIB)
  await client.must(Message.CTX_PRIMARY_RESET, [0])
  await executor.until(() => executor.usage!.memory === 0)
  await leave(client)
})

test('streams and threads that are gone for the client count as long as they have work', async () => {
  const client = await fresh()
  const address = await allocate(client, 4096)
  const blocker = await make(client, Message.cuStreamCreate, [1])
  const event = await make(client, Message.cuEventCreate, [2])
  hold(client, blocker, address)
  client.post(Message.cuEventRecord, [...event, ...blocker])
  let status = 0
  let made = 0
  // Alternately streams of its own and per-thread ones; each waits for the event and is given up.
  for (; made < 3000 && status === 0; made++) {
    if (made % 2 === 0) {
      status = await client.call(Message.cuStreamCreate, [1])
      if (status !== 0) break
      const stream = client.replyWide(0)
      status = await client.call(Message.cuStreamWaitEvent, [...stream, ...event, 0])
      await client.must(Message.STREAM_DESTROY, [...stream])
    } else {
      status = await client.call(Message.cuStreamWaitEvent, [2, 0, ...event, 0], { thread: made })
      client.post(Message.THREAD_GONE, [made])
    }
  }
  assert.is(status, CUresult.OUT_OF_MEMORY)
  assert.ok(made < 2000, `${made} streams`)
  await leave(client)
  const next = await fresh()
  await next.must(Message.cuStreamCreate, [1])
  await leave(next)
})

test('what a client can queue is bounded for all its streams together', async () => {
  const client = await fresh()
  const address = await allocate(client, 4096)
  const blocker = await make(client, Message.cuStreamCreate, [1])
  const event = await make(client, Message.cuEventCreate, [2])
  hold(client, blocker, address)
  client.post(Message.cuEventRecord, [...event, ...blocker])
  const streams: Wide[] = []
  for (let i = 0; i < 1500; i++) streams.push(await make(client, Message.cuStreamCreate, [1]))
  for (const stream of streams) await client.must(Message.cuStreamWaitEvent, [...stream, ...event, 0])
  const SLOT_POSTED = 0xffff
  let written = 0
  for (let waits = 0; written < 400_000 && waits < 300;) {
    const set = words({ [GpuSet.address]: address, [GpuSet.width]: 16, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.stream]: streams[written % streams.length] })
    if (tryWrite(client, Message.GPU_SET, set, SLOT_POSTED)) {
      written++
      waits = 0
    } else {
      waits++
      await sleep(1)
    }
  }
  assert.ok(written < 1500 * 40 + 20_000, `${written} calls for 1500 streams that do not move`)
  await leave(client)
})

test('pinned memory allocated and freed for ever leaves no mapping and no name', async () => {
  const client = await fresh()
  const loop = async (rounds: number): Promise<void> => {
    for (let i = 0; i < rounds; i++) {
      await client.must(Message.HOST_ALLOC, words({ 0: 4096 }))
      const id = client.replyNumber(0)
      const notice = await client.notice()
      closeSync(notice.fd)
      await client.must(Message.HOST_FREE, words({ 0: id }))
    }
  }
  await loop(300)
  const maps = () => readFileSync(`/proc/${executor.pid}/maps`, 'latin1').split('\n').filter((line) => line.includes('/dev/shm/ringfence')).length
  const [before, mapped] = [rss(executor.pid), maps()]
  await loop(3000)
  assert.is(maps(), mapped, 'every one is unmapped')
  assert.ok(rss(executor.pid) - before < 24 * MIB, `the executor has grown by ${rss(executor.pid) - before} bytes`)
  assert.not(readdirSync('/dev/shm').some((name) => name.startsWith(`ringfence-${executor.pid}-`)), 'no name is left')
  await leave(client)
})

test.run()
