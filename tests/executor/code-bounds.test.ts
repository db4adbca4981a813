// test: timeout 120
// What code takes of the driver domain beside its own bytes counts as the zone's staging: loading is refused when that is full, with the
// executor no larger than the limit allows, and all of it is back when the code is gone.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CUresult } from '../../proxy/driver/errors.ts'
import { ImageData, ImageOpen, Launch, LinkAdd, Message, ModuleLoad } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const MIB = 1 << 20
const LIMIT = 48 * MIB
const head = '.version 7.0\n.target sm_70\n.address_size 64\n'
const name = (s: string): Uint8Array => Buffer.concat([Buffer.from(s), Buffer.alloc(8 - (s.length & 7))])

const executor = await TestExecutor.start({ limits: { memory: 2048 * MIB, staging: LIMIT }, env: { RINGFENCE_LOG: 'fatal', RINGFENCE_STUB_LOG: 'none', RINGFENCE_STUB_MEMORY: String(4096 * MIB) } })
test.after(() => executor.stop())

/** Bytes of the executor that are, or (peak) ever were, in memory. */
function resident(field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync(`/proc/${executor.child.pid}/status`, 'utf8'))![1]) * 1024
}

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}
async function empty(): Promise<void> {
  await executor.empty()
  assert.equal([executor.usage!.staging, executor.usage!.memory], [0, 0])
}

/** Sends an image; null: there is no room for it. */
async function sent(client: TestClient, text: string): Promise<Wide | null> {
  const bytes = Buffer.from(`${text}\0`)
  const status = await client.call(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: bytes.length }))
  if (status === CUresult.OUT_OF_MEMORY) return null
  assert.is(status, 0)
  const image = client.replyWide(0)
  for (let at = 0; at < bytes.length; at += 8000) {
    const part = bytes.subarray(at, at + 8000)
    const tail = Buffer.alloc((part.length + 7) & ~7)
    part.copy(tail)
    client.post(Message.IMAGE_DATA, words({ [ImageData.image]: image, [ImageData.offset]: at, [ImageData.bytes]: part.length }), { tail })
  }
  return image
}
async function load(client: TestClient, text: string, message = Message.MODULE_LOAD): Promise<number> {
  const image = await sent(client, text)
  return image === null ? CUresult.OUT_OF_MEMORY : client.call(message, words({ [ModuleLoad.image]: image }))
}

/** A kernel of many instructions, unlike any other. */
const long = (n: number): string => `${head}.visible .entry k(.param .u64 p) {\n.reg .b32 %r<9>;\n${Array.from({ length: 3000 }, (_, i) => `add.u32 %r1, %r1, ${n * 3000 + i};`).join('\n')}\nret;\n}\n`

for (const message of [Message.MODULE_LOAD, Message.LIBRARY_LOAD])
  test(`${Message[message]} until it is refused, and back`, async () => {
    const client = await fresh()
    const before = resident()
    const loaded: Wide[] = []
    let status = 0
    for (let n = 0; n < 400 && status === 0; n++) {
      status = await load(client, long(n), message)
      if (status === 0) loaded.push(client.replyWide(0))
    }
    assert.is(status, CUresult.OUT_OF_MEMORY)
    assert.ok(loaded.length > 5, `${loaded.length} loaded`)
    assert.ok(executor.usage!.staging <= LIMIT)
    assert.ok(resident() - before < LIMIT + 32 * MIB, `${(resident() - before) / MIB} MiB more`)
    for (const each of loaded) await client.must(message === Message.MODULE_LOAD ? Message.MODULE_UNLOAD : Message.LIBRARY_UNLOAD, [...each])
    // The images that came last are kept, as they were sent.
    await executor.until(() => executor.usage!.memory === 0)
    assert.is(await load(client, long(1), message), 0, 'there is room again')
    client.close()
    await empty()
  })

test('short texts that would become large are refused, and the executor stays small', async () => {
  const client = await fresh()
  for (const text of [
    `${head}.visible .global .align 4 .b8 g[${1 << 29}] = {1};`,
    head + Array.from({ length: 2000 }, (_, i) => `.entry k${i}() { .reg .b32 %r<1000000>; ret; }`).join('\n'),
    head + Array.from({ length: 20000 }, (_, i) => `.entry k${i}(){ret;}`).join('\n'),
    `${head}.entry k() { ${Array.from({ length: 300 }, (_, i) => `.param .b8 p${i}_<4096>;`).join('')} ret; }`,
  ]) {
    const status = await load(client, text)
    assert.ok(status === 0 || status === CUresult.OUT_OF_MEMORY, `${text.slice(60, 120)}: ${status}`)
    assert.ok(resident('VmHWM') < 400 * MIB, `${text.slice(60, 120)}: ${resident('VmHWM') / MIB} MiB`)
  }
  assert.is(await load(client, long(0)), 0, 'the zone goes on')
  client.close()
  await empty()
})

test('what is added to link states counts until they are destroyed', async () => {
  const client = await fresh()
  const states: Wide[] = []
  let status = 0
  for (let n = 0; status === 0 && n < 60; n++) {
    await client.must(Message.LINK_CREATE, [0, 0])
    const state = client.replyWide(0)
    states.push(state)
    const image = await sent(client, `${long(n)}// ${'filling '.repeat(100_000)}`)
    for (let k = 0; status === 0 && k < 4; k++)
      status = image === null ? CUresult.OUT_OF_MEMORY : await client.call(Message.LINK_ADD, words({ [LinkAdd.state]: state, [LinkAdd.image]: image, [LinkAdd.type]: 1 }), { tail: name('n') })
  }
  assert.is(status, CUresult.OUT_OF_MEMORY)
  assert.ok(states.length > 2)
  for (const state of states) await client.must(Message.LINK_DESTROY, [...state])
  assert.is(await load(client, long(0)), 0, 'there is room again')
  client.close()
  await empty()
})

test('code that is unloaded while a kernel of the context runs counts until it is gone', async () => {
  const client = await fresh()
  assert.is(await load(client, `${head}.visible .entry forever() {\nL: nanosleep.u32 1000;\nbra L;\n}\n`), 0)
  await client.must(Message.MODULE_FUNCTION, [...client.replyWide(0)], { tail: name('forever') })
  const f = client.replyWide(0)
  assert.is(await load(client, long(7)), 0)
  const module = client.replyWide(0)
  client.post(Message.LAUNCH, words({ [Launch.function]: f, [Launch.grid_x]: 1, [Launch.grid_y]: 1, [Launch.grid_z]: 1, [Launch.block_x]: 1, [Launch.block_y]: 1, [Launch.block_z]: 1 }))
  await client.must(Message.PING)
  // Asked of the executor itself: what it tells its supervisor comes a moment later, on another way.
  const left = async (): Promise<number> => (await client.must(Message.MEM_INFO), client.replyNumber(0))
  const before = await left()
  client.write(Message.MODULE_UNLOAD, [...module], 1)
  await client.must(Message.PING)
  assert.is(await left(), before)
  client.close()
  await empty()
})

test.run()
