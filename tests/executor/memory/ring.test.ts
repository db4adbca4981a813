// A zone's memory through the ring, in an executor of its own: several clients and their threads at once, and a large client's end.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AllocKind, GpuAlloc, GpuFree, Message } from '../../../proxy/generated/messages.ts'
import { TestClient, wide } from '../../support/client.ts'
import { TestExecutor } from '../../support/executor.ts'

const MIB = 1 << 20
const OUT_OF_MEMORY = 2
const LIMIT = 256 * MIB
const executor = await TestExecutor.start({ limits: { memory: LIMIT, allocations: 200_000 } })

test.after(() => executor.stop())

function request(bytes: number, kind = AllocKind.device): number[] {
  const payload = new Array<number>(12).fill(0)
  payload[GpuAlloc.kind] = kind
  payload.splice(GpuAlloc.bytes, 2, ...wide(bytes))
  return payload
}

async function connected(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}

test('many clients and threads at once never get more than the quota, and all of it but what nobody asked for', async () => {
  for (let round = 0; round < 5; round++) {
    const clients = await Promise.all([connected(), connected(), connected()])
    let granted = 0
    const refused: number[] = []
    const asked = clients.flatMap((client, c) => Array.from({ length: 24 }, (_, slot) => {
      const bytes = 1 + ((Math.imul(slot + 100 * c + 10_000 * round + 1, 0x9e3779b1) >>> 0) % (slot % 2 === 0 ? 20 * MIB : 900_000))
      return { client, slot, bytes, ticket: client.write(Message.GPU_ALLOC, request(bytes, slot % 3 === 0 ? AllocKind.managed : AllocKind.device), slot) }
    }))
    for (const { client, slot, bytes, ticket } of asked) {
      const status = await client.wait(slot, ticket)
      if (status === 0) granted += bytes
      else {
        assert.is(status, OUT_OF_MEMORY)
        refused.push(bytes)
      }
    }
    assert.ok(refused.length > 0 && granted <= LIMIT)
    // Nothing was freed: whoever was refused asked for more than what is left now.
    for (const bytes of refused) assert.ok(bytes > LIMIT - granted)
    await clients[0].must(Message.MEM_INFO)
    assert.equal([clients[0].replyNumber(0), clients[0].replyNumber(2)], [LIMIT - granted, LIMIT])
    await clients[1].must(Message.GPU_ALLOC, request(LIMIT - granted))
    assert.is(await clients[2].call(Message.GPU_ALLOC, request(1)), OUT_OF_MEMORY)
    for (const client of clients) client.close()
    await executor.empty()
    assert.equal([executor.usage!.memory, executor.usage!.allocations], [0, 0])
  }
})

test('a client with 100,000 allocations and large ones beside them leaves nothing, and the next gets it all', async () => {
  const client = await connected()
  const count = 100_000
  const slots = 32
  const tickets: number[] = []
  for (let i = 0; i < count; i += slots) {
    for (let slot = 0; slot < slots; slot++) tickets[slot] = client.write(Message.GPU_ALLOC, request(1000), slot)
    for (let slot = 0; slot < slots; slot++) assert.is(await client.wait(slot, tickets[slot]), 0)
  }
  for (let i = 0; i < 20; i++) await client.must(Message.GPU_ALLOC, request(3 * MIB))
  await executor.until(() => executor.usage?.allocations === count + 20)
  assert.is(executor.usage!.memory, count * 1000 + 60 * MIB)
  client.close()
  await executor.empty()
  assert.equal([executor.usage!.memory, executor.usage!.allocations, executor.usage!.handles], [0, 0, 0])
  const next = await connected()
  await next.must(Message.GPU_ALLOC, request(LIMIT))
  const address = next.replyNumber(0)
  assert.is(await next.call(Message.GPU_FREE, [...wide(address + 512), 0, 0, 0, 0]), 1)
  const free = [...wide(address), 0, 0, 0, 0]
  free[GpuFree.async] = 0
  await next.must(Message.GPU_FREE, free)
  next.close()
  await executor.empty()
})

test.run()
