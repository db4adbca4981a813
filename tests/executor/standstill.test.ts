// test: timeout 300
// What takes a client's executor long is done in pieces: another client of the zone is answered meanwhile. Timings say nothing on a busy machine, so
// what is counted is how many of the other's calls are answered between a call and its answer: one or two where it is done in one go.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AllocKind, GpuAlloc, MemCreate, MemMap, MemSetAccess, AddressReserve, MemUnmap, Message } from '../../proxy/generated/messages.ts'
import { TestClient, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const MIB = 1 << 20
const executor = await TestExecutor.start({ limits: { memory: 2048 * MIB, staging: 1024 * MIB, handles: 100_000, allocations: 100_000 }, env: { RINGFENCE_LOG: 'fatal' } })
test.after(() => executor.stop())

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}

/** Makes a call, and counts how many of another client's are answered until it is. */
async function meanwhile(client: TestClient, message: Message, payload: readonly number[]): Promise<number> {
  const other = await fresh()
  for (let i = 0; i < 200; i++) await other.must(Message.MEM_INFO)
  const ticket = client.write(message, payload, 0)
  let answered = 0
  while (!client.answered(0, ticket)) {
    await other.must(Message.MEM_INFO)
    answered++
  }
  assert.is(await client.wait(0, ticket), 0)
  other.close()
  return answered
}

/** The most that were answered in one of a few attempts: one in which this process stood still says nothing, and where it is done in one go
 *  none has more than two. */
async function most(enough: number, attempt: () => Promise<number>): Promise<number> {
  let answered = 0
  for (let i = 0; i < 4 && answered < enough; i++) answered = Math.max(answered, await attempt())
  return answered
}

/** The same message so many times, as many at once as there are slots. */
async function many(client: TestClient, count: number, message: Message, payload: readonly number[]): Promise<number[]> {
  const made: number[] = []
  for (let i = 0; i < count; i += 16) {
    const tickets = [...Array(16).keys()].map((slot) => client.write(message, payload, slot))
    for (const [slot, ticket] of tickets.entries()) {
      assert.is(await client.wait(slot, ticket), 0)
      made.push(client.replyNumber(0, slot))
    }
  }
  return made
}

test('a context with very many events and allocations ends', async () => {
  const answered = await most(10, async () => {
    const client = await fresh()
    await many(client, 45_000, Message.cuEventCreate, [0, 0])
    await many(client, 45_000, Message.GPU_ALLOC, words({ [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: 64 }))
    const answered = await meanwhile(client, Message.CTX_PRIMARY_RESET, [0, 0])
    await executor.until(() => executor.usage?.memory === 0)
    client.close()
    await executor.empty()
    return answered
  })
  assert.ok(answered >= 10, `${answered}`)
})

test('very many mappings get other access, and go', async () => {
  const client = await fresh()
  const count = 12_000
  const size = count * 2 * MIB
  await client.must(Message.ADDRESS_RESERVE, words({ [AddressReserve.size]: size }))
  const base = client.replyNumber(0)
  await client.must(Message.MEM_CREATE, words({ [MemCreate.size]: 2 * MIB, [MemCreate.type]: 1, [MemCreate.location_type]: 1 }))
  const memory = client.replyWide(0)
  const gone = await most(5, async () => {
    for (let i = 0; i < count; i++)
      await client.must(Message.MEM_MAP, words({ [MemMap.address]: base + i * 2 * MIB, [MemMap.size]: 2 * MIB, [MemMap.allocation]: memory }))
    await client.must(Message.MEM_SET_ACCESS, words({ [MemSetAccess.address]: base, [MemSetAccess.size]: size, [MemSetAccess.location_type]: 1, [MemSetAccess.flags]: 3 }))
    return meanwhile(client, Message.MEM_UNMAP, words({ [MemUnmap.address]: base, [MemUnmap.size]: size }))
  })
  assert.ok(gone >= 5, `${gone}`)
  client.close()
  await executor.empty()
})

test.run()
