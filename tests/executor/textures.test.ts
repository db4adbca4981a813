// test: timeout 120
// Texture and surface descriptors are a tenant's bytes: memory and arrays in them are checked against what that client has, their
// numbers are one client's and one context's, each counts as a handle, and nothing in them brings the executor down.
// RINGFENCE_FUZZ_SEED repeats a run.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CUresult } from '../../proxy/driver/errors.ts'
import { GpuAlloc, Message } from '../../proxy/generated/messages.ts'
import { TestClient, type Wide, wide } from '../support/client.ts'
import { seedOf } from '../support/seed.ts'
import { TestExecutor } from '../support/executor.ts'

const HANDLES = 120
const executor = await TestExecutor.start({ limits: { memory: 64 << 20, handles: HANDLES }, env: { RINGFENCE_LOG: 'fatal' }, sanitized: true })
test.after(() => executor.stop())

async function fresh(): Promise<TestClient> {
  const client = await TestClient.connect(executor.path)
  await client.retain()
  return client
}

async function leave(client: TestClient): Promise<void> {
  const before = executor.gone.length
  client.close()
  await executor.until(() => executor.gone.length > before, 10_000)
}

async function allocate(client: TestClient, bytes: number): Promise<number> {
  const payload: number[] = Array(GpuAlloc.bytes + 2).fill(0)
  payload[GpuAlloc.bytes] = bytes
  await client.must(Message.GPU_ALLOC, payload)
  return client.replyNumber(0)
}

async function array(client: TestClient, flags = 2): Promise<Wide> {
  await client.must(Message.ARRAY_CREATE, [8, 0, 4, 0, 0, 0, 0x20, 1, flags, 0])
  return client.replyWide(0)
}

/** Bytes of the three descriptors: 64-bit words by offset, then 32-bit ones. */
function descriptors(wides: Record<number, number | bigint>, words: Record<number, number> = {}): Uint8Array {
  const out = new DataView(new ArrayBuffer(144 + 104 + 112))
  for (const [at, value] of Object.entries(wides)) out.setBigUint64(Number(at), BigInt(value), true)
  for (const [at, value] of Object.entries(words)) out.setUint32(Number(at), value, true)
  return new Uint8Array(out.buffer)
}
const ofWide = ([low, high]: Wide): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
const FLOAT = 0x20
const linear = (address: number | bigint, bytes: number | bigint) => descriptors({ 8: address, 24: bytes }, { 0: 2, 16: FLOAT, 20: 1 })
const pitched = (address: number, width: number | bigint, height: number | bigint, pitch: number | bigint) => descriptors({ 8: address, 24: width, 32: height, 40: pitch }, { 0: 3, 16: FLOAT, 20: 1 })
const ofArray = (handle: Wide) => descriptors({ 8: ofWide(handle) })

const create = (client: TestClient, tail: Uint8Array, surface = 0) => client.call(Message.TEXTURE_CREATE, [surface, 0], { tail })
async function made(client: TestClient, tail: Uint8Array, surface = 0): Promise<number> {
  assert.is(await create(client, tail, surface), 0)
  return client.replyNumber(0)
}
const destroy = (client: TestClient, object: number, surface = 0) => client.call(Message.TEXTURE_DESTROY, [...wide(object), surface, 0])

test('memory in a descriptor is the client\'s own, to the last byte', async () => {
  const client = await fresh()
  const other = await fresh()
  const [mine, theirs] = [await allocate(client, 4096), await allocate(other, 4096)]
  const object = await made(client, linear(mine, 4096))
  for (const [what, tail] of [
    ['a byte too many', linear(mine, 4097)],
    ['another client\'s', linear(theirs, 4096)],
    ['nobody\'s', linear(0x1000, 64)],
    ['nothing', linear(mine, 0)],
    ['a size that wraps', linear(mine, 0xffffffffffffffffn)],
    ['an address that wraps', linear(0xfffffffffffffe00n, 1024)],
    ['rows beyond the end', pitched(mine, 16, 65, 64)],
    ['a pitch that wraps', pitched(mine, 16, 3, 0x8000000000000000n)],
    ['a width that wraps', pitched(mine, 0x4000000000000001n, 1, 64)],
    ['rows of nothing', pitched(mine, 0, 4, 64)],
  ] as const)
    assert.is(await create(client, tail), CUresult.INVALID_VALUE, what)
  assert.is(await create(client, pitched(mine, 16, 64, 64)), 0)
  await destroy(client, client.replyNumber(0))
  assert.is(await destroy(client, object), 0)
  assert.is(await destroy(client, object), CUresult.INVALID_VALUE, 'twice')
  // Freed memory is nobody's.
  await client.must(Message.GPU_FREE, [...wide(mine), 0, 0, 0, 0])
  assert.is(await create(client, linear(mine, 4096)), CUresult.INVALID_VALUE)
  await leave(client)
  await leave(other)
})

test('arrays and numbers are the client\'s own', async () => {
  const client = await fresh()
  const other = await fresh()
  const [mine, theirs] = [await array(client), await array(other)]
  assert.is(await create(client, ofArray(theirs)), CUresult.INVALID_VALUE)
  assert.is(await create(client, ofArray([5, 0])), CUresult.INVALID_VALUE)
  const texture = await made(client, ofArray(mine))
  const surface = await made(client, ofArray(mine), 1)
  // The descriptor comes back as it was given, with the client's own handle.
  await client.must(Message.TEXTURE_DESCRIBE, [...wide(texture), 0, 0])
  assert.is(client.reply(0), 144)
  assert.equal(client.replyWide(4), mine)
  for (const c of [other]) {
    assert.is(await destroy(c, texture), CUresult.INVALID_VALUE)
    assert.is(await c.call(Message.TEXTURE_DESCRIBE, [...wide(texture), 0, 0]), CUresult.INVALID_VALUE)
  }
  assert.is(await destroy(client, surface), CUresult.INVALID_VALUE, 'a surface is no texture')
  assert.is(await client.call(Message.TEXTURE_DESCRIBE, [...wide(texture), 0, 2]), CUresult.INVALID_VALUE, 'made without a view')
  assert.is(await client.call(Message.TEXTURE_DESCRIBE, [...wide(texture), 0, 3]), CUresult.INVALID_VALUE)
  assert.is(await create(client, ofArray(await array(client, 0)), 1), CUresult.INVALID_VALUE, 'an array that is no surface')
  assert.is(await client.call(Message.TEXTURE_CREATE, [0, 0], { tail: new Uint8Array(300) }), CUresult.INVALID_VALUE, 'descriptors that are not all there')
  assert.is(await destroy(client, surface, 1), 0)
  // A context's end takes its textures along; their numbers mean nothing any more.
  await client.must(Message.CTX_PRIMARY_RESET, [0, 0])
  await client.retain()
  assert.is(await destroy(client, texture), CUresult.INVALID_VALUE)
  await leave(client)
  await leave(other)
})

test('each texture is one of the zone\'s handles', async () => {
  const client = await fresh()
  const memory = await allocate(client, 4096)
  let count = 0
  let status = 0
  while (count < 2 * HANDLES && (status = await create(client, linear(memory, 4096))) === 0) count++
  assert.is(status, CUresult.OUT_OF_MEMORY)
  assert.ok(count <= HANDLES && count > HANDLES / 2, `${count} textures`)
  await client.must(Message.CTX_PRIMARY_RESET, [0, 0])
  await client.retain()
  const again = await allocate(client, 4096)
  const first = await made(client, linear(again, 4096))
  assert.is(await destroy(client, first), 0)
  for (let i = 0; i < 3 * HANDLES; i++) assert.is(await destroy(client, await made(client, linear(again, 4096))), 0)
  await leave(client)
  const next = await fresh()
  await made(next, linear(await allocate(next, 4096), 4096))
  await leave(next)
})

test('texture references: handles of their own kind', async () => {
  const client = await fresh()
  await client.must(Message.TEXREF_CREATE)
  const ref = client.replyWide(0)
  const mine = await array(client)
  const memory = await allocate(client, 4096)
  assert.is(await client.call(Message.cuTexRefSetArray, [...ref, ...mine, 1]), 0)
  await client.must(Message.TEXREF_BOUND, [...ref, 0, 0])
  assert.equal(client.replyWide(0), mine)
  assert.is(await client.call(Message.cuTexRefSetArray, [...mine, ...mine, 1]), CUresult.INVALID_HANDLE)
  assert.is(await client.call(Message.cuTexRefSetArray, [...ref, ...ref, 1]), CUresult.INVALID_HANDLE)
  assert.is(await client.call(Message.cuSurfRefSetArray, [...ref, ...mine, 0]), CUresult.INVALID_HANDLE)
  const bind = (address: number, bytes: number, rows = [0, 0, 0, 0, 0, 0], pitch = 0) => client.call(Message.TEXREF_BIND, [...ref, ...wide(address), ...wide(bytes), ...rows, FLOAT, 1, pitch, 0])
  assert.is(await bind(memory, 4096), 0)
  assert.is(await bind(memory, 4097), CUresult.INVALID_VALUE)
  assert.is(await bind(0x1000, 16), CUresult.INVALID_VALUE)
  assert.is(await bind(memory, 0, [16, 0, 64, 0, 64, 0], 1), 0)
  assert.is(await bind(memory, 0, [16, 0, 65, 0, 64, 0], 1), CUresult.INVALID_VALUE)
  assert.is(await client.call(Message.TEXREF_DESTROY, [...ref]), 0)
  assert.is(await bind(memory, 64), CUresult.INVALID_HANDLE)
  // One that the context took along.
  await client.must(Message.TEXREF_CREATE)
  const gone = client.replyWide(0)
  await client.must(Message.CTX_PRIMARY_RESET, [0, 0])
  await client.retain()
  assert.is(await client.call(Message.cuTexRefSetFlags, [...gone, 0]), CUresult.INVALID_HANDLE)
  await leave(client)
})

test('descriptors full of nonsense bring nobody down', async () => {
  const seed = seedOf('RINGFENCE_FUZZ_SEED', 'proxy/executor')
  let state = (Math.imul(seed, 2654435769) ^ 0x9e3779b9) | 1
  const random = (n: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % n
  }
  const client = await fresh()
  const memory = await allocate(client, 65536)
  const arrays = [await array(client), await array(client, 0)]
  await client.must(Message.MIPMAP_CREATE, [8, 0, 8, 0, 0, 0, 0x20, 1, 0, 3])
  const mipmap = client.replyWide(0)
  const live: [number, number][] = []
  let successes = 0
  for (let round = 0; round < 3000; round++) {
    const tail = [linear(memory, 4096), pitched(memory, 16, 16, 64), ofArray(arrays[random(2)]), descriptors({ 8: ofWide(mipmap) }, { 0: 1, [144 + 16]: 2 })][random(4)]
    const view = new DataView(tail.buffer)
    for (let n = random(5); n > 0; n--) {
      const at = random(90) * 4
      view.setUint32(at, random(3) === 0 ? random(64) : random(2) === 0 ? random(0x100000000) : [0, 0xffffffff, 0x7fffffff, 0x80000000][random(4)], true)
    }
    const surface = random(4) === 0 ? 1 : 0
    const status = await client.call(Message.TEXTURE_CREATE, [surface, random(2)], { tail })
    if (status === 0) {
      successes++
      live.push([client.replyNumber(0), surface])
    }
    if (live.length > 20 || (live.length > 0 && random(3) === 0)) {
      const [object, kind] = live.splice(random(live.length), 1)[0]
      assert.is(await destroy(client, object, kind), 0, `seed ${seed}`)
    }
    if (random(16) === 0) await client.call(Message.TEXTURE_DESCRIBE, [random(0x100000000), random(4), random(3), random(4)])
  }
  assert.ok(successes > 100, `seed ${seed}: only ${successes} were good`)
  await leave(client)
  const next = await fresh()
  await made(next, linear(await allocate(next, 4096), 4096))
  await leave(next)
})

test.run()
