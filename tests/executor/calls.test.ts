// Calls of honest and of mistaken clients against the software GPU: data arrives, waits wait for nobody else, and what is not the
// client's is refused with the driver's own error.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NoticeType } from '../../idm/hello.ts'
import { Hold, HOLDS } from '../../idm/region.ts'
import { FLAG_ACCEPT } from '../../idm/ring.ts'
import { CUresult } from '../../proxy/driver/errors.ts'
import { TYPE_SHIFT } from '../../proxy/executor/handles.ts'
import { AllocKind, GpuAlloc, GpuCopy, GpuSet, HandleType, HostCall, HostDone, Message, Place, SyncScope } from '../../proxy/generated/messages.ts'
import { type Fields, TestClient, type Wide, words } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const KiB = 1024
const executor = await TestExecutor.start({ limits: { handles: 500, memory: 64 << 20 } })

async function alloc(c: TestClient, bytes: number): Promise<number> {
  await c.must(Message.GPU_ALLOC, words({ [GpuAlloc.kind]: AllocKind.device, [GpuAlloc.bytes]: bytes }))
  return c.replyNumber(0)
}

async function stream(c: TestClient, flags = 1): Promise<Wide> {
  await c.must(Message.cuStreamCreate, [flags])
  return c.replyWide(0)
}

async function event(c: TestClient): Promise<Wide> {
  await c.must(Message.cuEventCreate, [0])
  return c.replyWide(0)
}

const oneD = (dst: Fields, src: Fields, width: number, rest: Fields = {}): number[] =>
  words({ ...dst, ...src, [GpuCopy.width]: width, [GpuCopy.rows]: 1, [GpuCopy.depth]: 1, ...rest })
const toDevice = (base: number, x = 0): Fields => ({ [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: base, [GpuCopy.dst_x]: x })
const fromDevice = (base: number, x = 0): Fields => ({ [GpuCopy.src_place]: Place.device, [GpuCopy.src_base]: base, [GpuCopy.src_x]: x })
const toStaging = (base: number): Fields => ({ [GpuCopy.dst_place]: Place.staging, [GpuCopy.dst_base]: base })
const fromStaging = (base: number): Fields => ({ [GpuCopy.src_place]: Place.staging, [GpuCopy.src_base]: base })
const inlineTo: Fields = { [GpuCopy.dst_place]: Place.inline }
const inlineFrom: Fields = { [GpuCopy.src_place]: Place.inline }

const pattern = (bytes: number, seed: number) => Uint8Array.from({ length: bytes }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 24) & 0xff)

async function connected(): Promise<TestClient> {
  const c = await TestClient.connect(executor.path)
  await c.retain()
  return c
}

test('bytes go up inline and by staging, across on the device, and down again', async () => {
  const c = await connected()
  const a = await alloc(c, 256 * KiB)
  const b = await alloc(c, 256 * KiB)
  const small = pattern(1000, 1)
  await c.must(Message.GPU_COPY, oneD(toDevice(a, 5), inlineFrom, small.length), { tail: small })
  await c.must(Message.GPU_COPY, oneD(toDevice(b), fromDevice(a, 5), small.length))
  await c.must(Message.GPU_COPY, oneD(inlineTo, fromDevice(b), small.length))
  assert.equal(c.replyBytes(small.length), Buffer.from(small))

  const large = pattern(200 * KiB, 2)
  c.staging.set(large, 100)
  await c.must(Message.GPU_COPY, oneD(toDevice(a), fromStaging(100), large.length))
  await c.must(Message.GPU_COPY, oneD(toStaging(1 << 20), fromDevice(a), large.length))
  assert.equal(Buffer.from(c.staging.slice(1 << 20, (1 << 20) + large.length)), Buffer.from(large))
  c.close()
})

test('rows and planes keep their places', async () => {
  const c = await connected()
  const a = await alloc(c, 64 * KiB)
  await c.must(Message.GPU_SET, words({ [GpuSet.address]: a, [GpuSet.pitch]: 1, [GpuSet.width]: 64 * KiB, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.value]: 0xee }))
  const box = pattern(7 * 5 * 3, 3)
  c.staging.set(box, 0)
  // 7 bytes x 5 rows x 3 planes, tight in staging; pitch 32, 9 rows a plane, from (4, 2, 1) on the device.
  await c.must(Message.GPU_COPY, words({
    ...fromStaging(0), [GpuCopy.dst_place]: Place.device, [GpuCopy.dst_base]: a, [GpuCopy.dst_x]: 4, [GpuCopy.dst_y]: 2, [GpuCopy.dst_z]: 1,
    [GpuCopy.dst_pitch]: 32, [GpuCopy.dst_height]: 9, [GpuCopy.width]: 7, [GpuCopy.rows]: 5, [GpuCopy.depth]: 3,
  }))
  await c.must(Message.GPU_COPY, oneD(toStaging(4096), fromDevice(a), 4 * 32 * 9))
  const got = c.staging.slice(4096, 4096 + 4 * 32 * 9)
  const expected = new Uint8Array(4 * 32 * 9).fill(0xee)
  for (let z = 0; z < 3; z++) for (let y = 0; y < 5; y++) for (let x = 0; x < 7; x++) expected[(z + 1) * 32 * 9 + (y + 2) * 32 + x + 4] = box[(z * 5 + y) * 7 + x]
  assert.equal(Buffer.from(got), Buffer.from(expected))
  c.close()
})

test('memsets of 8, 16 and 32 bits, in rows too', async () => {
  const c = await connected()
  const a = await alloc(c, 4096)
  const set = (o: Fields) => c.must(Message.GPU_SET, words({ [GpuSet.rows]: 1, ...o }))
  await set({ [GpuSet.address]: a, [GpuSet.width]: 4096, [GpuSet.element]: 1, [GpuSet.value]: 0x111 })
  await set({ [GpuSet.address]: a + 16, [GpuSet.width]: 3, [GpuSet.element]: 2, [GpuSet.value]: 0xabcd })
  await set({ [GpuSet.address]: a + 64, [GpuSet.width]: 2, [GpuSet.rows]: 3, [GpuSet.pitch]: 32, [GpuSet.element]: 4, [GpuSet.value]: 0xdeadbeef })
  await c.must(Message.GPU_COPY, oneD(inlineTo, fromDevice(a), 256))
  const expected = Buffer.alloc(256, 0x11)
  for (let i = 0; i < 3; i++) expected.writeUInt16LE(0xabcd, 16 + i * 2)
  for (let r = 0; r < 3; r++) for (let i = 0; i < 2; i++) expected.writeUInt32LE(0xdeadbeef, 64 + r * 32 + i * 4)
  assert.equal(c.replyBytes(256), expected)
  c.close()
})

test('what lies outside is refused, and nothing is written', async () => {
  const c = await connected()
  const a = await alloc(c, 4096)
  const huge: Wide = [0xffffffff, 0xffffffff]
  const bad: [string, Fields][] = [
    ['behind the end', { ...toDevice(a, 4090), ...fromStaging(0), [GpuCopy.width]: 7 }],
    ['far away', { ...toDevice(0x7f0000000000), ...fromStaging(0), [GpuCopy.width]: 1 }],
    ['address zero', { ...toDevice(0), ...fromStaging(0), [GpuCopy.width]: 1 }],
    ['in front', { ...toDevice(a - 1), ...fromStaging(0), [GpuCopy.width]: 2 }],
    ['over 2^64', { ...toDevice(a), [GpuCopy.dst_x]: huge, ...fromStaging(0), [GpuCopy.width]: 1 }],
    ['width over everything', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: huge }],
    ['rows that wrap', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: 16, [GpuCopy.rows]: huge, [GpuCopy.dst_pitch]: 16, [GpuCopy.src_pitch]: 16 }],
    ['pitch that wraps', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: 16, [GpuCopy.rows]: 2, [GpuCopy.dst_pitch]: huge }],
    ['planes that wrap', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: 1, [GpuCopy.depth]: 2, [GpuCopy.dst_height]: huge, [GpuCopy.dst_pitch]: 1 }],
    ['behind the staging', { ...toDevice(a), ...fromStaging(c.staging.length - 3), [GpuCopy.width]: 4 }],
    ['staging far away', { ...toDevice(a), ...fromStaging(2 ** 52), [GpuCopy.width]: 4 }],
    ['more than the record holds', { ...toDevice(a), ...inlineFrom, [GpuCopy.width]: 200 }],
    ['inline with an offset', { ...toDevice(a), ...inlineFrom, [GpuCopy.src_x]: 2 ** 40, [GpuCopy.width]: 8 }],
    ['more than a reply holds', { ...inlineTo, ...fromDevice(a), [GpuCopy.width]: 1009 }],
    ['inline to inline', { ...inlineTo, ...inlineFrom, [GpuCopy.width]: 8 }],
    ['no such place', { [GpuCopy.dst_place]: 9, [GpuCopy.dst_base]: a, ...fromStaging(0), [GpuCopy.width]: 8 }],
    ['no such pinned memory', { ...toDevice(a), [GpuCopy.src_place]: Place.pinned, [GpuCopy.src_base]: 77, [GpuCopy.width]: 8 }],
    ['chunks that are none', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: 8, [GpuCopy.chunk]: 15, [GpuCopy.chunks]: 2 }],
    ['chunks over 2^32', { ...toDevice(a), ...fromStaging(0), [GpuCopy.width]: 8, [GpuCopy.chunk]: 0xffffffff, [GpuCopy.chunks]: 1 }],
  ]
  await c.must(Message.GPU_SET, words({ [GpuSet.address]: a, [GpuSet.width]: 4096, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.value]: 0x55 }))
  c.staging.fill(0xaa)
  for (const [what, o] of bad) {
    const status = await c.call(Message.GPU_COPY, words({ [GpuCopy.rows]: 1, [GpuCopy.depth]: 1, ...o }), { tail: new Uint8Array(100) })
    assert.is(status, CUresult.INVALID_VALUE, what)
  }
  await c.must(Message.GPU_COPY, oneD(toStaging(0), fromDevice(a), 4096))
  assert.ok(c.staging.slice(0, 4096).every((x) => x === 0x55))
  c.close()
})

test('handles: freed, of another type, of another client, made up', async () => {
  const c = await connected()
  const other = await connected()
  const s = await stream(c)
  const e = await event(c)
  const theirs = await stream(other)
  assert.is(await c.call(Message.cuStreamQuery, [...s]), 0)
  assert.is(await c.call(Message.cuStreamQuery, [...e]), CUresult.INVALID_HANDLE, 'an event is no stream')
  assert.is(await c.call(Message.cuEventQuery, [...s]), CUresult.INVALID_HANDLE, 'a stream is no event')
  assert.is(await c.call(Message.cuStreamQuery, [...theirs]), CUresult.INVALID_HANDLE, "another client's")
  assert.is(await c.call(Message.STREAM_DESTROY, [...theirs]), CUresult.INVALID_HANDLE, "destroying another client's")
  assert.is(await other.call(Message.cuStreamQuery, [...theirs]), 0, 'which still has it')
  assert.is(await c.call(Message.cuStreamQuery, [0x12345678, 0x2abcdef0]), CUresult.INVALID_HANDLE, 'made up')
  assert.is(await c.call(Message.cuStreamQuery, [3, 0]), CUresult.INVALID_HANDLE, 'a small number that means nothing')
  assert.is(await c.call(Message.STREAM_DESTROY, [0, 0]), CUresult.INVALID_HANDLE, 'the default stream')
  await c.must(Message.STREAM_DESTROY, [...s])
  assert.is(await c.call(Message.cuStreamQuery, [...s]), CUresult.INVALID_HANDLE, 'freed')
  assert.is(await c.call(Message.STREAM_DESTROY, [...s]), CUresult.INVALID_HANDLE, 'freed twice')
  assert.is(await c.call(Message.CTX_DESTROY, [...other.primary]), CUresult.INVALID_CONTEXT, "another client's context")
  assert.is(await c.call(Message.cuStreamCreate, [0], { context: other.primary }), CUresult.INVALID_CONTEXT, "in another client's context")
  assert.is(await c.call(Message.cuStreamCreate, [0], { context: [0, 0] }), CUresult.INVALID_CONTEXT, 'in none')
  assert.is(HandleType.stream, s[1] >>> TYPE_SHIFT)
  c.close()
  other.close()
})

test('another client can neither read, write nor free memory', async () => {
  const c = await connected()
  const other = await connected()
  const a = await alloc(c, 4096)
  assert.is(await other.call(Message.GPU_COPY, oneD(inlineTo, fromDevice(a), 16)), CUresult.INVALID_VALUE)
  assert.is(await other.call(Message.GPU_SET, words({ [GpuSet.address]: a, [GpuSet.width]: 1, [GpuSet.rows]: 1, [GpuSet.element]: 1 })), CUresult.INVALID_VALUE)
  assert.is(await other.call(Message.GPU_FREE, words({ 0: a })), CUresult.INVALID_VALUE)
  await c.must(Message.GPU_FREE, words({ 0: a }))
  assert.is(await c.call(Message.GPU_FREE, words({ 0: a })), CUresult.INVALID_VALUE, 'freed twice')
  c.close()
  other.close()
})

test('contexts: made, current, reset, destroyed', async () => {
  const c = await TestClient.connect(executor.path)
  assert.is(await c.call(Message.cuStreamCreate, [0], { context: c.primary }), CUresult.CONTEXT_IS_DESTROYED, 'the primary context before its first retain')
  assert.is(await c.call(Message.GPU_SYNC, [], { context: c.primary }), CUresult.CONTEXT_IS_DESTROYED)
  await c.must(Message.CTX_PRIMARY_RETAIN)
  assert.equal(c.replyWide(0), c.primary)
  c.context = c.primary
  await c.must(Message.CTX_CREATE, [0, 0])
  const second = c.replyWide(0)
  await c.must(Message.cuStreamCreate, [0], { context: second })
  const inSecond = c.replyWide(0)
  assert.is(await c.call(Message.cuStreamQuery, [...inSecond]), 0)
  await c.must(Message.CTX_DESTROY, [...second])
  assert.is(await c.call(Message.cuStreamQuery, [...inSecond]), CUresult.INVALID_HANDLE, 'its streams are gone')
  assert.is(await c.call(Message.CTX_DESTROY, [...second]), CUresult.INVALID_CONTEXT)
  assert.is(await c.call(Message.CTX_DESTROY, [...c.primary]), CUresult.INVALID_CONTEXT, 'the primary one is not destroyed so')
  const s = await stream(c)
  await c.must(Message.CTX_PRIMARY_RESET, [0])
  assert.is(await c.call(Message.cuStreamQuery, [...s]), CUresult.INVALID_HANDLE)
  await c.must(Message.CTX_PRIMARY_RESET, [0])
  await c.must(Message.CTX_PRIMARY_RETAIN)
  assert.equal(c.replyWide(0), c.primary, 'the same handle in its next life')
  await stream(c)
  assert.is(await c.call(Message.CTX_CREATE, [1, 0]), CUresult.INVALID_DEVICE)
  c.close()
})

test('an error of a posted call is told once, by the next waited one', async () => {
  const c = await connected()
  c.post(Message.GPU_SET, words({ [GpuSet.address]: 1, [GpuSet.width]: 1, [GpuSet.rows]: 1, [GpuSet.element]: 1 }))
  c.post(Message.cuEventRecord, [1, 2, 0, 0])
  assert.is(await c.call(Message.GPU_SYNC), CUresult.INVALID_VALUE, 'the first of them')
  assert.is(await c.call(Message.GPU_SYNC), 0)
  c.close()
})

test('a posted copy gives its chunks back, refused or done', async () => {
  const c = await connected()
  const a = await alloc(c, 4096)
  for (const base of [a, 1]) {
    Atomics.store(c.words, c.chunk(3), 1)
    Atomics.store(c.words, c.chunk(4), 1)
    c.post(Message.GPU_COPY, oneD(toDevice(base), fromStaging(3 * c.geometry.stagingChunk), 4096, { [GpuCopy.chunk]: 3, [GpuCopy.chunks]: 2 }))
    for (const end = Date.now() + 30_000; Atomics.load(c.words, c.chunk(4)) !== 0 && Date.now() < end;) await new Promise((done) => setTimeout(done, 1))
    assert.is(Atomics.load(c.words, c.chunk(3)), 0)
    assert.is(Atomics.load(c.words, c.chunk(4)), 0)
  }
  assert.is(await c.call(Message.GPU_SYNC), CUresult.INVALID_VALUE)
  c.close()
})

/** The first use of the hold of that number. */
const hostCall = (s: Wide, cookie: number): number[] => words({ [HostCall.stream]: s, [HostCall.cookie]: cookie, [HostCall.hold]: cookie, [HostCall.number]: 1 })

/** Holds a stream back: a host function that the client does not finish until told. */
async function hold(c: TestClient, s: Wide, cookie: number): Promise<() => void> {
  c.post(Message.HOST_CALL, hostCall(s, cookie))
  const notice = await c.notice()
  assert.is(notice.type, NoticeType.hostCall)
  assert.is(notice.cookie, cookie)
  return () => {
    Atomics.store(c.words, c.holdAt(cookie, Hold.done), 1)
    c.post(Message.HOST_DONE, words({ [HostDone.cookie]: cookie }))
  }
}

test('a host function holds its stream, and who waits for it waits alone', async () => {
  const c = await connected()
  const other = await connected()
  const s = await stream(c)
  const e = await event(c)
  const release = await hold(c, s, 7)
  c.post(Message.cuEventRecord, [...e, ...s])
  const onStream = c.write(Message.GPU_SYNC, [SyncScope.stream, 0, ...s], 1)
  const onEvent = c.write(Message.GPU_SYNC, [SyncScope.event, 0, ...e], 2)
  const onContext = c.write(Message.GPU_SYNC, [SyncScope.context, 0, 0, 0], 3)
  assert.is(await c.call(Message.cuStreamQuery, [...s]), CUresult.NOT_READY)
  assert.is(await c.call(Message.cuEventQuery, [...e]), CUresult.NOT_READY)
  // The same client's other work, and another client's, go on.
  const a = await alloc(c, 4096)
  await c.must(Message.GPU_SYNC, [SyncScope.stream, 0, 0, 0])
  await other.must(Message.GPU_SYNC)
  const b = await alloc(other, 4096)
  await other.must(Message.GPU_COPY, oneD(inlineTo, fromDevice(b), 16))
  await new Promise((done) => setTimeout(done, 30))
  assert.is(c.answered(1, onStream), false)
  assert.is(c.answered(2, onEvent), false)
  assert.is(c.answered(3, onContext), false)
  release()
  assert.is(await c.wait(1, onStream), 0)
  assert.is(await c.wait(2, onEvent), 0)
  assert.is(await c.wait(3, onContext), 0)
  await c.must(Message.GPU_FREE, words({ 0: a }))
  c.close()
  other.close()
})

test('work behind a held stream stalls the ring, and its client lets it go on all the same', async () => {
  const c = await connected()
  const s = await stream(c)
  const e = await event(c)
  const release = await hold(c, s, 8)
  for (let i = 0; i < 3000; i++) c.post(Message.cuEventRecord, [...e, ...s])
  const last = c.write(Message.GPU_SYNC, [SyncScope.stream, 0, ...s], 1)
  await new Promise((done) => setTimeout(done, 20))
  assert.is(c.answered(1, last), false)
  release()
  assert.is(await c.wait(1, last), 0)
  c.close()
})

test('a host function begins and ends without the executor: the GPU says in its hold that it is due, and the client lets it go on', async () => {
  const c = await connected()
  const s = await stream(c)
  const e = await event(c)
  c.post(Message.HOST_CALL, hostCall(s, 3))
  c.post(Message.cuEventRecord, [...e, ...s])
  const waiting = c.write(Message.GPU_SYNC, [SyncScope.event, 0, ...e], 1)
  const due = (): number => Atomics.load(c.words, c.holdAt(3, Hold.due))
  for (const end = Date.now() + 30_000; due() !== 1; await new Promise((done) => setImmediate(done))) assert.ok(Date.now() < end, 'it is due')
  assert.is(c.answered(1, waiting), false)
  Atomics.store(c.words, c.holdAt(3, Hold.done), 1)
  assert.is(await c.wait(1, waiting), 0)
  c.close()
})

test('a host function that will never be due is told of: its stream or its hold is none', async () => {
  const c = await connected()
  const s = await stream(c)
  const never: [number[], number][] = [
    [words({ [HostCall.stream]: [77, 77], [HostCall.cookie]: 1, [HostCall.number]: 1 }), CUresult.INVALID_HANDLE],
    [words({ [HostCall.stream]: s, [HostCall.cookie]: 2, [HostCall.hold]: HOLDS, [HostCall.number]: 1 }), CUresult.INVALID_VALUE],
  ]
  for (const [payload, status] of never) {
    c.post(Message.HOST_CALL, payload)
    const notice = await c.notice()
    assert.equal([notice.type, notice.status, notice.cookie], [NoticeType.hostCall, status, payload[HostCall.cookie]])
    assert.is(await c.call(Message.GPU_SYNC), status, 'the posted error')
    assert.is(await c.call(Message.HOST_CALL, payload), status)
    assert.is(c.tryNotice(), null, 'who waited for the answer has it')
  }
  c.close()
})

test('a host function that is waited for until it is accepted is not answered with an earlier error: its client would forget it', async () => {
  const c = await connected()
  const s = await stream(c)
  c.post(Message.GPU_SET, words({ [GpuSet.address]: 77, [GpuSet.width]: 1, [GpuSet.rows]: 1, [GpuSet.element]: 1 }))
  assert.is(await c.call(Message.HOST_CALL, hostCall(s, 4), { flags: FLAG_ACCEPT }), 0)
  assert.is((await c.notice()).cookie, 4)
  Atomics.store(c.words, c.holdAt(4, Hold.done), 1)
  assert.is(await c.call(Message.GPU_SYNC), CUresult.INVALID_VALUE)
  const none = words({ [HostCall.stream]: [77, 77], [HostCall.cookie]: 5, [HostCall.number]: 1 })
  assert.is(await c.call(Message.HOST_CALL, none, { flags: FLAG_ACCEPT }), CUresult.INVALID_HANDLE)
  await c.must(Message.PING)
  assert.is(c.tryNotice(), null, 'who has heard the answer needs no notice')
  c.close()
})

test('host functions in a row run in order, and one cookie is not used twice at once', async () => {
  const c = await connected()
  const s = await stream(c)
  for (let i = 1; i <= 20; i++) c.post(Message.HOST_CALL, hostCall(s, i))
  c.post(Message.HOST_CALL, hostCall(s, 20))
  for (let i = 1; i <= 20; i++) {
    assert.is((await c.notice()).cookie, i)
    assert.is(c.tryNotice(), null, 'the next one waits for this one')
    c.post(Message.HOST_DONE, words({ 0: i }))
  }
  assert.is(await c.call(Message.GPU_SYNC), CUresult.INVALID_VALUE, 'the double one')
  c.close()
})

test('a stream or an event that is destroyed with work in front of it ends in order', async () => {
  const c = await connected()
  const s = await stream(c)
  const e = await event(c)
  const release = await hold(c, s, 9)
  c.post(Message.cuEventRecord, [...e, ...s])
  const waiting = c.write(Message.GPU_SYNC, [SyncScope.event, 0, ...e], 1)
  const all = c.write(Message.GPU_SYNC, [], 2)
  await c.must(Message.EVENT_DESTROY, [...e])
  await c.must(Message.STREAM_DESTROY, [...s])
  const after = c.write(Message.GPU_SYNC, [], 3)
  await new Promise((done) => setTimeout(done, 20))
  assert.is(c.answered(2, all), false)
  assert.is(c.answered(3, after), false, 'a context waits for its destroyed streams too')
  release()
  assert.is(await c.wait(1, waiting), 0)
  assert.is(await c.wait(2, all), 0)
  assert.is(await c.wait(3, after), 0)
  c.close()
})

test('per-thread default streams are one each', async () => {
  const c = await connected()
  const perThread = (thread: number) => ({ thread, flags: 1 })
  await c.must(Message.cuStreamGetId, [0, 0], perThread(1))
  const first = c.replyNumber(0)
  await c.must(Message.cuStreamGetId, [0, 0], perThread(2))
  assert.not.equal(c.replyNumber(0), first)
  await c.must(Message.cuStreamGetId, [2, 0], { thread: 1 })
  assert.is(c.replyNumber(0), first, 'CU_STREAM_PER_THREAD')
  c.post(Message.THREAD_GONE, [1])
  await c.must(Message.cuStreamGetId, [0, 0], perThread(1))
  c.close()
})

test('the limit of handles holds to the last one', async () => {
  await executor.empty()
  const c = await connected()
  const made: Wide[] = []
  let status = 0
  while (status === 0) {
    status = await c.call(Message.cuEventCreate, [0])
    if (status === 0) made.push(c.replyWide(0))
  }
  assert.is(status, CUresult.OUT_OF_MEMORY)
  assert.is(made.length, 499, 'and one is the primary context')
  await c.must(Message.EVENT_DESTROY, [...made[0]])
  await c.must(Message.cuEventCreate, [0])
  c.close()
  await executor.empty()
  assert.is(executor.usage!.handles, 0)
})

test('the quota holds when clients race for it', async () => {
  await executor.empty()
  const clients = await Promise.all(Array.from({ length: 8 }, () => connected()))
  const MiB = 1 << 20
  // 8 clients ask for 3 MiB until they are refused: 64 MiB is 21 of them.
  const got = await Promise.all(clients.map(async (c) => {
    let count = 0
    while ((await c.call(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 3 * MiB }))) === 0) count++
    return count
  }))
  assert.is(got.reduce((sum, n) => sum + n, 0), 21)
  assert.is(await clients[0].call(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: MiB + 1 })), CUresult.OUT_OF_MEMORY)
  await clients[0].must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: MiB }))
  await clients[1].must(Message.MEM_INFO)
  assert.is(clients[1].replyNumber(0), 0)
  assert.is(clients[1].replyNumber(2), 64 * MiB)
  for (const c of clients) c.close()
  await executor.empty()
  assert.equal([executor.usage!.memory, executor.usage!.clients], [0, 0])
})

test('a client that dies with streams held back is gone at once, and the others do not notice', async () => {
  await executor.empty()
  const c = await connected()
  const other = await connected()
  const s = await stream(c)
  const a = await alloc(c, 1 << 20)
  await hold(c, s, 1)
  c.post(Message.GPU_SET, words({ [GpuSet.address]: a, [GpuSet.width]: 1 << 20, [GpuSet.rows]: 1, [GpuSet.element]: 1, [GpuSet.stream]: s }))
  // Nobody will ever write this value.
  c.post(Message.cuStreamWaitValue32_v2, words({ 0: s, 2: a, 4: 12345, 5: 1 }))
  c.write(Message.GPU_SYNC, [], 1)
  await c.must(Message.PING)
  const before = executor.gone.length
  c.close()
  // Not by the clock: what holds it back would hold it back for ever.
  for (const end = Date.now() + 30_000; executor.gone.length === before; await new Promise((done) => setImmediate(done))) {
    await other.must(Message.PING)
    assert.ok(Date.now() < end, 'it is still there')
  }
  assert.is(executor.usage!.memory, 0)
  other.close()
})

test('one that dies with notices unread is noticed all the same', async () => {
  await executor.empty()
  for (let i = 0; i < 30; i++) {
    const c = await connected()
    const s = await stream(c)
    c.post(Message.HOST_CALL, hostCall(s, 5))
    await c.must(Message.PING)
    c.ring()
    await new Promise((done) => setTimeout(done, i % 3))
    c.close()
    await executor.empty()
  }
})

/** The client breaks the protocol and is ended: a farewell and a hang-up; another one goes on. */
async function endsClient(what: string, deed: (c: TestClient) => Promise<void> | void): Promise<void> {
  const c = await connected()
  const other = await connected()
  await deed(c)
  let notice = await c.notice()
  while (notice.type !== NoticeType.farewell) notice = await c.notice()
  assert.not.equal(notice.status, 0, what)
  assert.is((await c.socket.receive(1)).data.length, 0, what)
  await other.must(Message.PING)
  c.close()
  other.close()
}

test('what an honest client never does ends a client', async () => {
  await endsClient('posting what must be waited for', (c) => c.post(Message.GPU_SYNC))
  await endsClient('more waiting calls than slots', async (c) => {
    const s = await stream(c)
    await hold(c, s, 3)
    for (let i = 0; i < 65; i++) c.write(Message.GPU_SYNC, [SyncScope.stream, 0, ...s], 1)
  })
  await endsClient('an unknown message', (c) => c.post(9999 as Message))
  await endsClient('a slot that is none', (c) => void c.write(Message.PING, [], 64))
})

test('64-bit values are written exactly', async () => {
  const c = await connected()
  const a = await alloc(c, 4096)
  c.post(Message.cuStreamWriteValue64_v2, words({ 2: a, 4: [0x89abcdef, 0xfedcba98] }))
  c.post(Message.cuStreamWaitValue64_v2, words({ 2: a, 4: [0x89abcdef, 0xfedcba98], 6: 1 }))
  await c.must(Message.GPU_SYNC)
  await c.must(Message.GPU_COPY, oneD(inlineTo, fromDevice(a), 8))
  assert.is(c.replyBytes(8).readBigUInt64LE(0), 0xfedcba9889abcdefn)
  c.close()
})

test('per-thread default streams count as handles', async () => {
  await executor.empty()
  const c = await connected()
  let thread = 0
  while ((await c.call(Message.cuStreamQuery, [2, 0], { thread })) === 0) thread++
  assert.is(thread, 499, 'and one is the primary context')
  assert.is(await c.call(Message.cuStreamQuery, [2, 0], { thread }), CUresult.OUT_OF_MEMORY)
  c.post(Message.THREAD_GONE, [7])
  await c.must(Message.cuStreamQuery, [2, 0], { thread })
  c.close()
})

test.after(async () => {
  await executor.empty()
  assert.is(executor.usage!.handles, 0)
  await executor.stop()
  assert.equal(executor.exit, { code: 0, signal: null })
})

test.run()
