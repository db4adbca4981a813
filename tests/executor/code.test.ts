// test: timeout 120
// Code from a client that lies: images that are not what their headers say, pieces that do not fit, handles and numbers of others,
// launches of the wrong length. What asks for too much is refused with the driver's error; the executor lives; nothing is left.
import fc from '../support/property.ts'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CUresult } from '../../proxy/driver/errors.ts'
import { checkImage, checkSized, entriesOf, isOpaque } from '../../proxy/executor/code/container.ts'
import { declaredInText } from '../../proxy/executor/code/measure.ts'
import { GpuAlloc, ImageData, ImageOpen, Launch, LinkAdd, LinkRead, Message, ModuleLoad } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide, words } from '../support/client.ts'
import { root, TestExecutor } from '../support/executor.ts'

const KIB = 1024
const text = `.version 7.0\n.target sm_52\n.address_size 64\n.visible .global .align 4 .b8 g[64];\n.visible .entry k(.param .u64 p, .param .u32 n) { ret; }\n`

const name = (s: string): Uint8Array => {
  const b = new Uint8Array((s.length + 8) & ~7)
  b.set(Buffer.from(s, 'latin1'))
  return b
}

const executor = await TestExecutor.start({ limits: { memory: 64 * KIB * KIB, staging: 64 * KIB * KIB, handles: 500 }, sanitized: true, env: { RINGFENCE_LOG: 'fatal', RINGFENCE_STUB_LOG: 'none' } })
test.after(() => executor.stop())

async function empty(): Promise<void> {
  await executor.empty()
  const { handles, memory, staging } = executor.usage!
  assert.equal({ handles, memory, staging }, { handles: 0, memory: 0, staging: 0 })
}

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}

/** Sends an image, in pieces of `piece` bytes; its number. */
async function send(client: TestClient, bytes: Uint8Array, parts = 0, piece = 8000): Promise<Wide> {
  await client.must(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: bytes.length, [ImageOpen.parts]: parts }))
  const image = client.replyWide(0)
  for (let at = 0; at < bytes.length; at += piece) {
    const part = bytes.subarray(at, at + piece)
    const tail = new Uint8Array((part.length + 7) & ~7)
    tail.set(part)
    client.post(Message.IMAGE_DATA, words({ [ImageData.image]: image, [ImageData.offset]: at, [ImageData.bytes]: part.length }), { tail })
  }
  return image
}
const load = async (client: TestClient, image: Wide): Promise<number> => client.call(Message.MODULE_LOAD, words({ [ModuleLoad.image]: image }))
async function kernel(client: TestClient): Promise<{ module: Wide; function: Wide }> {
  assert.is(await load(client, await send(client, Buffer.from(text + '\0'))), 0)
  const module = client.replyWide(0)
  await client.must(Message.MODULE_FUNCTION, [...module], { tail: name('k') })
  return { module, function: client.replyWide(0) }
}
/** A posted error comes with the next waited call. */
const told = (client: TestClient): Promise<number> => client.call(Message.PING)

test('an image is what was said, in order, or it is not loaded', async () => {
  const client = await fresh()
  const bytes = Buffer.from(text + '\0')
  const cases: [string, Record<number, number>, Uint8Array][] = [
    ['beyond the end', { [ImageData.offset]: 0, [ImageData.bytes]: bytes.length + 1 }, new Uint8Array(((bytes.length + 1) + 7) & ~7)],
    ['more than the record has', { [ImageData.offset]: 0, [ImageData.bytes]: bytes.length }, new Uint8Array(8)],
    ['with a gap', { [ImageData.offset]: 8, [ImageData.bytes]: 8 }, new Uint8Array(8)],
    ['at 2^52', { [ImageData.offset]: 2 ** 52, [ImageData.bytes]: 8 }, new Uint8Array(8)],
    ['from a chunk that is none', { [ImageData.bytes]: 8, [ImageData.chunk]: 9999, [ImageData.chunks]: 1 }, new Uint8Array(0)],
    ['from two chunks', { [ImageData.bytes]: 8, [ImageData.chunks]: 2 }, new Uint8Array(0)],
    ['more than a chunk has', { [ImageData.bytes]: client.geometry.stagingChunk + 8, [ImageData.chunks]: 1 }, new Uint8Array(0)],
  ]
  for (const [what, fields, tail] of cases) {
    await client.must(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: bytes.length }))
    const image = client.replyWide(0)
    client.post(Message.IMAGE_DATA, words({ ...fields, [ImageData.image]: image[0] }), { tail })
    assert.is(await told(client), CUresult.INVALID_VALUE, what)
    assert.is(await load(client, image), CUresult.INVALID_VALUE, what)
  }
  await client.must(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: 100 }))
  assert.is(await load(client, client.replyWide(0)), CUresult.INVALID_VALUE, 'nothing has come of it')
  assert.is(await load(client, [12345, 0]), CUresult.NOT_FOUND)
  for (const size of [0, 2 ** 31 + 1, 2 ** 53]) assert.is(await client.call(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: size })), CUresult.INVALID_VALUE)
  assert.is(await client.call(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: 65 * KIB * KIB })), CUresult.OUT_OF_MEMORY)
  // Half-sent images count: they cannot fill the executor.
  let opened = 0
  while (await client.call(Message.IMAGE_OPEN, words({ [ImageOpen.bytes]: 8 * KIB * KIB })) === 0) opened++
  assert.ok(opened > 0 && opened < 8, `${opened}`)
  client.close()
  await empty()
})

test('containers that lie about their lengths never reach the driver', async () => {
  const client = await fresh()
  const fatbin = readFileSync(join(root, 'tests/stub/kernels/seven-none.fatbin'))
  const cubin = readFileSync(join(root, 'tests/stub/kernels/seven.cubin'))
  const refused = async (bytes: Uint8Array, what: string, parts = 0): Promise<void> => assert.is(await load(client, await send(client, bytes, parts)), CUresult.INVALID_IMAGE, what)
  assert.is(await load(client, await send(client, fatbin)), 0, 'as it is')
  await refused(fatbin.subarray(0, fatbin.length - 8), 'cut off')
  for (const [at, value] of [[8, 2 ** 31], [8, fatbin.length * 2], [16 + 4, 2 ** 31], [16 + 8, fatbin.length], [16 + 4, 8], [16 + 56, 2 ** 28 + 1] /* would become more than any code is */] as const) {
    const lying = Buffer.from(fatbin)
    lying.writeUInt32LE(value, at)
    await refused(lying, `${value} at ${at}`)
  }
  for (const [at, value] of [[40, 2 ** 31], [60, 60000], [62, 60000], [54, 1]] as const) {
    const lying = Buffer.from(cubin)
    if (at === 40) lying.writeUInt32LE(value, at)
    else lying.writeUInt16LE(value, at)
    await refused(lying, `ELF: ${value} at ${at}`)
  }
  const wrapper = Buffer.alloc(24)
  wrapper.writeUInt32LE(0x466243b1, 0)
  wrapper.writeUInt32LE(1, 4)
  wrapper.writeBigUInt64LE(0x7fffffffn, 8)
  await refused(wrapper, 'a wrapper is made of pointers')
  await refused(Buffer.from([1, 0x5a, 0xe5, 0x1e, 0, 0, 0, 0]), "an older toolkit's container is too")
  await refused(fatbin, 'one fat binary is not two', 2)
  client.close()
  await empty()
})

test('the check of containers never throws, and what it lets through is inside', () => {
  const samples = ['seven-none.fatbin', 'seven-speed.fatbin', 'seven-size.fatbin', 'seven.cubin'].map((file) => readFileSync(join(root, 'tests/stub/kernels', file)))
  fc.assert(fc.property(
    fc.nat(samples.length - 1), fc.array(fc.tuple(fc.nat(255), fc.nat(255)), { maxLength: 12 }), fc.nat(4000), fc.nat(3),
    (which, changes, cut, parts) => {
      const size = Math.max(1, samples[which].length - cut)
      const b = Buffer.alloc(size + 16)
      samples[which].copy(b, 0, 0, size)
      for (const [at, value] of changes) if (at < size) b[at] = value
      const status = checkImage(b, size, parts)
      assert.ok(status === 0 || status === CUresult.INVALID_IMAGE)
      checkSized(b, size, parts, changes.length % 7)
      if (status !== 0) return
      isOpaque(b, size, parts)
      for (const entry of entriesOf(b, size, parts)) assert.ok(entry.start >= 0 && entry.start <= entry.end && entry.end <= size)
    },
  ), { numRuns: 3000 })
})

test('what PTX declares is added up', () => {
  assert.is(declaredInText(text), 64)
  assert.is(declaredInText('.global .u32 a; .const .align 8 .v4 .f32 b[2][3] = { 1 };\n// .global .b8 c[9999];\n.extern .shared .b8 s[];\n ld.global.u32 %r, [a]; /* .global .u64 d; */ .visible .global .b8 e[0x10];'), 4 + 96 + 16)
})

test("another client's images, modules and functions are nobody's", async () => {
  const owner = await fresh()
  const thief = await fresh()
  const { module, function: f } = await kernel(owner)
  assert.is(await load(thief, [1, 0]), CUresult.NOT_FOUND, 'numbers of images are per client')
  for (const message of [Message.MODULE_UNLOAD, Message.MODULE_FUNCTION, Message.MODULE_GLOBAL, Message.MODULE_FUNCTIONS])
    assert.is(await thief.call(message, [...module, 0, 0], { tail: name('k') }), CUresult.INVALID_HANDLE, Message[message])
  for (const message of [Message.FUNCTION_INFO, Message.FUNCTION_NAME, Message.FUNCTION_GET, Message.FUNCTION_SET, Message.FUNCTION_MODULE, Message.OCCUPANCY, Message.LAUNCH])
    assert.is(await thief.call(message, [...f, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 16], { tail: new Uint8Array(64) }), CUresult.INVALID_HANDLE, Message[message])
  for (const message of [Message.LIBRARY_UNLOAD, Message.LIBRARY_KERNEL, Message.LINK_COMPLETE, Message.LINK_DESTROY])
    assert.is(await owner.call(message, [...module], { tail: name('k') }), CUresult.INVALID_HANDLE, `${Message[message]} of a module`)
  // Its variables' memory is the owner's alone.
  await owner.must(Message.MODULE_GLOBAL, [...module], { tail: name('g') })
  const address = owner.replyWide(0)
  assert.is(await owner.call(Message.POINTER_QUERY, [...address]), 0)
  assert.is(await thief.call(Message.POINTER_QUERY, [...address]), CUresult.INVALID_VALUE)
  assert.is(await thief.call(Message.GPU_SET, [...address, 1, 0, 1, 0, 1, 0, 0, 1, 0, 0]), CUresult.INVALID_VALUE)
  owner.close()
  thief.close()
  await empty()
})

test('a launch has the parameters that the kernel has, and attributes that are some', async () => {
  const client = await fresh()
  const { function: f } = await kernel(client)
  await client.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 64 }))
  const launch = (o: Record<number, number>, tail = 16): Promise<number> =>
    client.call(Message.LAUNCH, words({ [Launch.function]: f, [Launch.grid_x]: 1, [Launch.grid_y]: 1, [Launch.grid_z]: 1, [Launch.block_x]: 1, [Launch.block_y]: 1, [Launch.block_z]: 1, [Launch.bytes]: 12, ...o }), { tail: new Uint8Array(tail) })
  assert.is(await launch({}), 0)
  for (const [what, o, tail] of [
    ['too few', { [Launch.bytes]: 8 }, 16], ['none', { [Launch.bytes]: 0 }, 0], ['more than the record has', { [Launch.bytes]: 4000 }, 16], ['too many', { [Launch.bytes]: 40000 }, 64],
    ['2^32 - 1', { [Launch.bytes]: 0xffffffff }, 16], ['a chunk that is none', { [Launch.chunk]: 5000, [Launch.chunks]: 1 }, 0], ['attributes that are not there', { [Launch.attributes]: 1 }, 16],
    ['more attributes than there are', { [Launch.attributes]: 0x40000000 }, 16], ['no grid', { [Launch.grid_y]: 0 }, 16], ['a block that is too large', { [Launch.block_x]: 2000 }, 16],
  ] as [string, Record<number, number>, number][]) assert.is(await launch(o, tail), CUresult.INVALID_VALUE, what)
  // An event that is none, in an attribute; an address that is not the client's.
  const attribute = Buffer.alloc(16 + 72)
  attribute.writeUInt32LE(7, 16)
  attribute.writeBigUInt64LE(0x1234n, 24)
  const withAttribute = (): Promise<number> => client.call(Message.LAUNCH,
    words({ [Launch.function]: f, [Launch.grid_x]: 1, [Launch.grid_y]: 1, [Launch.grid_z]: 1, [Launch.block_x]: 1, [Launch.block_y]: 1, [Launch.block_z]: 1, [Launch.bytes]: 12, [Launch.attributes]: 1 }), { tail: attribute })
  assert.is(await withAttribute(), CUresult.INVALID_HANDLE)
  attribute.writeUInt32LE(1, 16)
  attribute.writeBigUInt64LE(100n, 32)
  assert.is(await withAttribute(), CUresult.INVALID_VALUE)
  attribute.writeUInt32LE(13, 16)
  assert.is(await withAttribute(), CUresult.NOT_SUPPORTED)
  attribute.writeUInt32LE(400, 16)
  assert.is(await withAttribute(), CUresult.INVALID_VALUE)
  client.close()
  await empty()
})

test('names without an end, lists from beyond theirs, logs of nothing, links read too far', async () => {
  const client = await fresh()
  const { module, function: f } = await kernel(client)
  assert.is(await client.call(Message.MODULE_FUNCTION, [...module], { tail: new Uint8Array(64).fill(107) }), CUresult.INVALID_VALUE, 'no NUL')
  assert.is(await client.call(Message.MODULE_FUNCTION, [...module]), CUresult.INVALID_VALUE, 'no name')
  await client.must(Message.MODULE_FUNCTIONS, [...module, 0xffffffff, 0])
  assert.is(client.reply(1), 0)
  await client.must(Message.FUNCTION_PARAMS, [...f, 0xffffffff, 0])
  assert.is(client.reply(1), 0)
  await client.must(Message.FUNCTION_NAME, [...f, 0xffffffff, 0])
  assert.is(await client.call(Message.JIT_LOG, [999, 0, 0, 0]), CUresult.INVALID_VALUE)
  assert.is(await client.call(Message.MODULE_LOAD, [...(await send(client, Buffer.from(text + '\0'))), 60, 0]), CUresult.INVALID_VALUE, 'options that are not there')
  const option = Buffer.alloc(16)
  option.writeUInt32LE(17, 0) // symbol names: pointers
  assert.is(await client.call(Message.MODULE_LOAD, [...(await send(client, Buffer.from(text + '\0'))), 1, 0], { tail: option }), CUresult.INVALID_VALUE)
  await client.must(Message.LINK_CREATE, [0, 0])
  const link = client.replyWide(0)
  assert.is(await client.call(Message.LINK_READ, words({ [LinkRead.state]: link, [LinkRead.offset]: 1 })), CUresult.INVALID_VALUE, 'nothing is linked')
  assert.is(await client.call(Message.LINK_READ, words({ [LinkRead.state]: link, [LinkRead.chunk]: 4000 })), CUresult.INVALID_VALUE)
  assert.is(await client.call(Message.LINK_ADD, words({ [LinkAdd.state]: link, [LinkAdd.image]: 77, [LinkAdd.type]: 1 }), { tail: name('n') }), CUresult.NOT_FOUND)
  assert.is(await client.call(Message.LINK_ADD, words({ [LinkAdd.state]: link, [LinkAdd.image]: await send(client, Buffer.from('x')), [LinkAdd.type]: 99 }), { tail: name('n') }), CUresult.INVALID_VALUE)
  // Two steps of one link at once.
  const image = await send(client, Buffer.from(text + '\0'))
  const add = words({ [LinkAdd.state]: link, [LinkAdd.image]: image, [LinkAdd.type]: 1 })
  const first = client.write(Message.LINK_ADD, add, 1, { tail: name('a') })
  const second = client.write(Message.LINK_ADD, add, 2, { tail: name('b') })
  const both = [await client.wait(1, first), await client.wait(2, second)]
  assert.ok(both[0] === 0 && (both[1] === 0 || both[1] === CUresult.INVALID_VALUE), String(both))
  let links = 1
  while (await client.call(Message.LINK_CREATE, [0, 0]) === 0) links++
  assert.ok(links <= 64)
  client.close()
  await empty()
})

test('clients that hang up while their code is loaded leave nothing', async () => {
  for (let i = 0; i < 10; i++) {
    const client = await fresh()
    const image = await send(client, Buffer.from(`${text}// ${i} ${'filling '.repeat(20000)}\0`))
    client.write(Message.MODULE_LOAD, words({ [ModuleLoad.image]: image }), 1)
    client.write(Message.LIBRARY_LOAD, words({ [ModuleLoad.image]: image }), 2)
    client.close()
  }
  await empty()
  assert.is(executor.exit, null)
})

test.run()
