// A thousand clients come and go, politely or not: no descriptor, no mapping, no handle and no shared memory object is left.
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { AllocKind, GpuAlloc, GpuCopy, GpuSet, Message, Place } from '../../proxy/generated/messages.ts'
import { TestClient, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const MiB = 1 << 20
const executor = await TestExecutor.start()
const descriptors = () => readdirSync(`/proc/${executor.pid}/fd`).length
/** What has a name; anonymous mappings are JavaScript's heap, which comes and goes. */
const mappings = () => readFileSync(`/proc/${executor.pid}/maps`, 'utf8').split('\n').filter((line) => line.includes('/'))
const residentMiB = () => Number(/^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${executor.pid}/smaps_rollup`, 'utf8'))![1]) / 1024

/** One client's life, cut short at some point. */
async function live(kind: number): Promise<void> {
  const client = await TestClient.connect(executor.path)
  try {
    if (kind === 0) return
    await client.retain()
    if (kind === 1) return
    await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: MiB }))
    const address = client.replyNumber(0)
    await client.must(Message.cuStreamCreate, [1])
    const stream = client.replyWide(0)
    await client.must(Message.cuEventCreate, [0])
    if (kind === 2) return
    client.post(Message.GPU_SET, words({ [GpuSet.address]: address, [GpuSet.pitch]: MiB, [GpuSet.width]: MiB, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.value]: 7 }))
    const copy = words({
      [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: address, [GpuCopy.src_place]: Place.staging,
      [GpuCopy.width]: 65536, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1, [GpuCopy.chunks]: 1,
    })
    copy[GpuCopy.stream] = stream[0]
    copy[GpuCopy.stream + 1] = stream[1]
    Atomics.store(client.words, client.chunk(0), 1)
    client.post(Message.GPU_COPY, copy)
    if (kind === 3) return
    await client.must(Message.GPU_SYNC)
  } finally {
    client.close()
  }
}

async function generation(clients: number): Promise<void> {
  const before = executor.gone.length
  for (let i = 0; i < clients; i += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, n) => live((i + n) % 5)))
    await executor.until(() => executor.gone.length >= before + i)
  }
  await executor.until(() => executor.gone.length === before + clients)
}

test('1,000 clients leave nothing', async () => {
  await generation(100) // pools, caches and the compiler fill up
  const before = { descriptors: descriptors(), mappings: mappings().length, resident: residentMiB() }
  await generation(1000)
  assert.is(descriptors(), before.descriptors)
  assert.is(mappings().filter((line) => line.includes('/ringfence-')).length, 0)
  assert.is(mappings().length, before.mappings)
  assert.ok(residentMiB() < before.resident + 64, `${residentMiB()} MiB resident, ${before.resident} before`)
  assert.is(readdirSync('/dev/shm').filter((name) => name.startsWith(`ringfence-${executor.pid}-`)).length, 0)
  await executor.until(() => executor.usage!.clients === 0 && executor.usage!.handles === 0 && executor.usage!.memory === 0 && executor.usage!.staging === 0 && executor.usage!.allocations === 0)
})

test.after(async () => {
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

test.run()
