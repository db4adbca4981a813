// A driver that fails: any call may. The client gets the driver's error, chunks and slots come back, other clients go on, and the
// executor leaves in order. Faults are the software GPU's, ordered by RINGFENCE_STUB_FAULTS.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NoticeType } from '../../idm/hello.ts'
import { CUresult, errorName } from '../../proxy/driver/errors.ts'
import { GpuAlloc, GpuCopy, GpuSet, HostCall, Message, Place, SyncScope } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const upload = (address: number, chunk: number): number[] => words({
  [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: address, [GpuCopy.src_place]: Place.staging,
  [GpuCopy.width]: 100_000, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1, [GpuCopy.chunk]: chunk, [GpuCopy.chunks]: 1,
})
const download = (address: number): number[] => words({
  [GpuCopy.dst_place]: Place.inline, [GpuCopy.src_place]: Place.device, [GpuCopy.src_base]: address, [GpuCopy.width]: 64, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1,
})
const fill = (address: number): number[] => words({ [GpuSet.address]: address, [GpuSet.width]: 100_000, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.value]: 3 })

/** One client's day: everything that may fail is let fail. Every call is answered. */
async function day(client: TestClient): Promise<Set<number>> {
  const seen = new Set<number>()
  const call = async (message: Message, payload: readonly number[] = []): Promise<boolean> => {
    const status = await client.call(message, payload)
    seen.add(status)
    return status === 0
  }
  if (!(await call(Message.CTX_PRIMARY_RETAIN))) return seen
  client.context = client.primary
  for (let round = 0; round < 4; round++) {
    if (!(await call(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 << 20 })))) continue
    const address = client.replyNumber(0)
    let stream: Wide = [0, 0]
    if (await call(Message.cuStreamCreate, [1])) stream = client.replyWide(0)
    let event: Wide | null = null
    if (await call(Message.cuEventCreate, [0])) event = client.replyWide(0)
    Atomics.store(client.words, client.chunk(round), 1)
    client.post(Message.GPU_COPY, upload(address, round))
    client.post(Message.GPU_SET, fill(address))
    if (event) client.post(Message.cuEventRecord, [...event, ...stream])
    client.post(Message.HOST_CALL, words({ [HostCall.stream]: stream, [HostCall.cookie]: 100 + round, [HostCall.hold]: round, [HostCall.number]: 1 }))
    await call(Message.GPU_COPY, download(address))
    client.post(Message.HOST_DONE, words({ 0: 100 + round }))
    await call(Message.GPU_SYNC, [SyncScope.stream, 0, ...stream])
    if (event) await call(Message.GPU_SYNC, [SyncScope.event, 0, ...event])
    await call(Message.GPU_SYNC)
    if (stream[0] !== 0) await call(Message.STREAM_DESTROY, [...stream])
    if (event) await call(Message.EVENT_DESTROY, [...event])
    await call(Message.GPU_FREE, words({ 0: address }))
    for (const end = Date.now() + 30_000; Atomics.load(client.words, client.chunk(round)) !== 0 && Date.now() < end;) await new Promise((done) => setTimeout(done, 1))
    assert.is(Atomics.load(client.words, client.chunk(round)), 0, 'the chunk came back')
  }
  return seen
}

const FAULTS: [string, number[]][] = [
  ['cuEventRecord@2=2', []],
  ['cuEventRecord@1+=2', [CUresult.OUT_OF_MEMORY]],
  ['cuEventCreate@1+=2', [CUresult.OUT_OF_MEMORY]],
  ['cuEventCreate@3=2', []],
  ['cuStreamCreate@1+=2', [CUresult.OUT_OF_MEMORY]],
  ['cuCtxCreate@1=2', [CUresult.OUT_OF_MEMORY]],
  ['cuCtxDestroy@1+=1', []],
  ['cuMemHostRegister@1+=2', []],
  ['cuMemcpyHtoDAsync@1+=1', [CUresult.INVALID_VALUE]],
  ['cuMemcpyDtoHAsync@1+=1', [CUresult.INVALID_VALUE]],
  ['cuMemsetD8Async@2+=1', []],
  ['cuStreamWaitValue32@1+=801', [CUresult.NOT_SUPPORTED]],
  ['cuEventQuery@5=1', []],
  ['cuEventQuery@1+=1', [CUresult.INVALID_VALUE]],
  ['cuMemCreate@1+=2', [CUresult.OUT_OF_MEMORY]],
  ['cuMemMap@1+=2', []],
  ['cuMemSetAccess@1+=2', []],
  ['cuMemUnmap@1+=1', []],
]

for (const [fault, expected] of FAULTS) {
  test(fault, async () => {
    const executor = await TestExecutor.start({ env: { RINGFENCE_STUB_FAULTS: fault, RINGFENCE_LOG: 'silent', RINGFENCE_STUB_INLINE: '0' } })
    assert.is(executor.failed, null, executor.failed?.message)
    const first = await TestClient.connect(executor.path)
    const seen = await day(first)
    for (const status of expected) assert.ok(seen.has(status), `${[...seen]} has no ${status}`)
    first.close()
    const second = await TestClient.connect(executor.path)
    await day(second)
    second.close()
    await executor.until(() => executor.gone.length === 2 && executor.usage!.handles === 0 && executor.usage!.memory === 0 && executor.usage!.staging === 0)
    await executor.stop()
    assert.equal(executor.exit, { code: 0, signal: null })
  })
}

test('an illegal address poisons one client, not the other', async () => {
  const executor = await TestExecutor.start({ env: { RINGFENCE_STUB_FAULTS: 'op@6=illegal-address', RINGFENCE_LOG: 'silent', RINGFENCE_STUB_INLINE: '0' } })
  const good = await TestClient.connect(executor.path)
  await good.retain()
  await good.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 << 20 }))
  const address = good.replyNumber(0)
  const bad = await TestClient.connect(executor.path)
  await bad.retain()
  await bad.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 << 20 }))
  const other = bad.replyNumber(0)
  let status = 0
  for (let i = 0; i < 20 && status === 0; i++) status = await bad.call(Message.GPU_SET, fill(other))
  assert.is(status, CUresult.ILLEGAL_ADDRESS)
  assert.is(await bad.call(Message.GPU_SYNC), CUresult.ILLEGAL_ADDRESS, 'it sticks')
  assert.is(await bad.call(Message.cuStreamCreate, [0]), CUresult.ILLEGAL_ADDRESS)
  await good.must(Message.GPU_SET, fill(address))
  await good.must(Message.GPU_COPY, download(address))
  assert.equal(good.replyBytes(64), Buffer.alloc(64, 3))
  bad.close()
  await executor.until(() => executor.gone.length === 1)
  await good.must(Message.GPU_SET, fill(address))
  const next = await TestClient.connect(executor.path)
  await next.retain()
  await next.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 << 20 }))
  await next.must(Message.GPU_SET, fill(next.replyNumber(0)))
  next.close()
  good.close()
  await executor.until(() => executor.gone.length === 3 && executor.usage!.memory === 0)
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

// The zone would be of no use to anybody as long as one of its clients stays: nothing is served in such a process, and every new client comes to it.
for (const [what, env, expected] of [
  ['a device that is lost', { RINGFENCE_STUB_FAULTS: 'op@4=device-lost' }, CUresult.DEVICE_UNAVAILABLE],
  ['an illegal address that is the whole process\'s', { RINGFENCE_STUB_FAULTS: 'op@4=illegal-address', RINGFENCE_STUB_FAULT_SCOPE: 'process' }, CUresult.ILLEGAL_ADDRESS],
] as const)
  test(`${what}: who has work there is told so, who has none that its device is gone, and the executor ends itself`, async () => {
    const executor = await TestExecutor.start({ env: { ...env, RINGFENCE_LOG: 'silent' } })
    const silent = await TestClient.connect(executor.path)
    await silent.retain()
    const client = await TestClient.connect(executor.path)
    await client.retain()
    await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 1 << 20 }))
    const address = client.replyNumber(0)
    let status = 0
    for (let i = 0; i < 20 && status === 0; i++) status = await client.call(Message.GPU_SET, fill(address))
    assert.is(status, expected)
    await executor.until(() => executor.exit !== null)
    assert.is(executor.failed!.code, 'DRIVER_LOST')
    assert.match(executor.failed!.message, errorName(expected))
    assert.equal(executor.exit, { code: 1, signal: null })
    for (const [each, farewell] of [[silent, CUresult.DEVICE_UNAVAILABLE], [client, expected]] as const) {
      const { type, status: why } = await each.notice()
      assert.equal([type, why], [NoticeType.farewell, farewell])
      each.close()
    }
    await executor.stop()
  })

test.run()
