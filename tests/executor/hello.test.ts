// The first words: who is let in, who is not, and what they are told. Nothing that is said here may harm the executor.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { HELLO_BYTES, Refusal, WELCOME_BYTES } from '../../idm/hello.ts'
import { FEATURE_MONITOR, readSnapshot, SNAPSHOT_BYTES } from '../../idm/monitor.ts'
import { PROTOCOL } from '../../idm/region.ts'
import { MONITORS_MAX } from '../../proxy/executor/monitors.ts'
import { Message } from '../../proxy/generated/messages.ts'
import { type HelloOptions, helloBytes, RawSocket, readWelcome, TestClient, type Welcome } from '../support/client.ts'
import { TestExecutor } from '../support/executor.ts'

const open = await TestExecutor.start()
const guarded = await TestExecutor.start({ token: 'sesame', limits: { clients: 2 } })
const foreign = await TestExecutor.start({ uid: process.getuid!() + 1 })

async function greet(executor: TestExecutor, bytes: Buffer): Promise<Welcome> {
  const socket = new RawSocket(executor.path)
  socket.send(bytes)
  const welcome = readWelcome(await socket.receive(WELCOME_BYTES))
  if (welcome.status !== 0) assert.is((await socket.receive(1)).data.length, 0, 'a refusal is followed by a hang-up')
  socket.close()
  return welcome
}

async function refused(executor: TestExecutor, o: HelloOptions, refusal: Refusal, sentence: RegExp): Promise<void> {
  const welcome = await greet(executor, helloBytes(o))
  assert.is(welcome.status, refusal)
  assert.match(welcome.message, sentence)
  assert.not.equal(welcome.cudaError, 0)
  assert.is(welcome.fd, -1)
}

test('a good hello gets a region and answers', async () => {
  const client = await TestClient.connect(open.path)
  assert.is(await client.call(Message.PING), 0)
  client.close()
})

test('another protocol or call table is refused, and told what to do', async () => {
  await refused(open, { protocol: PROTOCOL + (1 << 16) }, Refusal.protocol, /protocol 2\.0, the daemon 1\.0; use the libcuda\.so\.1/)
  await refused(open, { size: 128 }, Refusal.protocol, /protocol/)
  await refused(open, { tableHash: 1 }, Refusal.protocol, /another call table/)
  await refused(open, { features: 4n }, Refusal.protocol, /features \(0x4\)/)
})

test('a zone with a token wants that token', async () => {
  await refused(guarded, {}, Refusal.token, /asks for a token; set RINGFENCE_TOKEN/)
  await refused(guarded, { token: 'sesam' }, Refusal.token, /not the token/)
  await refused(guarded, { token: 'sesame!' }, Refusal.token, /not the token/)
  const client = await TestClient.connect(guarded.path, { token: 'sesame' })
  assert.is(await client.call(Message.PING), 0)
  client.close()
})

test('a zone of another user is closed', async () => {
  await refused(foreign, {}, Refusal.uid, /belongs to uid \d+, this process runs as \d+/)
})

test('the limit of clients holds, and a place that is given back can be taken', async () => {
  await guarded.empty()
  const first = await TestClient.connect(guarded.path, { token: 'sesame' })
  const second = await TestClient.connect(guarded.path, { token: 'sesame' })
  await refused(guarded, { token: 'sesame' }, Refusal.clients, /has its 2 clients already.*--clients/)
  first.close()
  await guarded.until(() => guarded.present === 1)
  const third = await TestClient.connect(guarded.path, { token: 'sesame' })
  assert.is(await third.call(Message.PING), 0)
  assert.is(await second.call(Message.PING), 0)
  second.close()
  third.close()
})

test('the limit of staging holds: smaller regions first, then none', async () => {
  const small = await TestExecutor.start({ limits: { staging: 2 << 20 } })
  const clients: TestClient[] = []
  let sentence = ''
  while (sentence === '') {
    try {
      clients.push(await TestClient.connect(small.path))
    } catch (error) {
      sentence = (error as Error).message
    }
  }
  assert.match(sentence, /bytes of staging memory left.*--staging/)
  assert.ok(clients.length >= 2, `${clients.length} clients`)
  assert.ok(clients.reduce((sum, client) => sum + client.geometry.size, 0) <= 2 << 20)
  for (const client of clients) assert.is(await client.call(Message.PING), 0)
  for (const client of clients) client.close()
  await small.empty()
  assert.is(small.usage!.staging, 0)
  await small.stop()
})

test('what is no hello is refused at its first bytes', async () => {
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.alloc(HELLO_BYTES), Buffer.alloc(HELLO_BYTES * 4, 0xff)]) {
    const welcome = await greet(open, bytes)
    assert.is(welcome.status, Refusal.hello)
    assert.match(welcome.message, /libcuda\.so\.1/)
  }
})

test('hang-ups at every point of the hello leave nothing behind', async () => {
  // What earlier tests left is still ending: its notices must not be taken for these.
  await open.empty()
  const before = open.gone.length
  for (let bytes = 0; bytes <= HELLO_BYTES; bytes += 16) {
    const socket = new RawSocket(open.path)
    if (bytes > 0) socket.send(helloBytes().subarray(0, bytes))
    socket.close()
  }
  await open.until(() => open.gone.length === before + HELLO_BYTES / 16 + 1)
  const client = await TestClient.connect(open.path)
  assert.is(await client.call(Message.PING), 0)
  client.close()
})

test('a hello in pieces is as good as one in one piece', async () => {
  const socket = new RawSocket(open.path)
  const bytes = helloBytes()
  for (let at = 0; at < bytes.length; at += 37) {
    socket.send(bytes.subarray(at, at + 37))
    await new Promise((done) => setTimeout(done, 2))
  }
  assert.is(readWelcome(await socket.receive(WELCOME_BYTES)).status, 0)
  socket.close()
})

test('random bytes with the right magic never harm', async () => {
  let seed = 12345
  const random = () => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 8 & 0xff
  for (let i = 0; i < 200; i++) {
    const bytes = helloBytes()
    for (let at = 8; at < bytes.length; at++) if (random() < 40) bytes[at] = random()
    const socket = new RawSocket(open.path)
    socket.send(bytes)
    const answer = await socket.receive(WELCOME_BYTES)
    assert.is(answer.data.length, WELCOME_BYTES)
    socket.close()
  }
  assert.is(open.exit, null)
  const client = await TestClient.connect(open.path)
  assert.is(await client.call(Message.PING), 0)
  client.close()
})

test('a monitor gets snapshots and nothing else; one that asks without reading is hung up on, and costs nobody an answer', async () => {
  await open.empty()
  const client = await TestClient.connect(open.path)
  const monitor = new RawSocket(open.path)
  monitor.send(helloBytes({ features: FEATURE_MONITOR }))
  assert.is(readWelcome(await monitor.receive(WELCOME_BYTES)).status, Refusal.none)
  monitor.send(Buffer.from('??'))
  const view = readSnapshot((await monitor.receive(SNAPSHOT_BYTES)).data)!
  assert.is(view.zone, 'test')
  assert.is(view.memoryTotal, open.limits.memory)
  assert.equal(view.processes, [], 'a client without a context is no process')
  const before = open.gone.length
  // The kernel's buffers fill, then the executor gives up; the client is answered all the while.
  for (let i = 0; i < 2000 && open.gone.length === before; i++) {
    monitor.send(Buffer.alloc(512, '?'))
    assert.is(await client.call(Message.PING), 0)
    if (i % 50 === 0) await new Promise((next) => setTimeout(next, 5))
  }
  await open.until(() => open.gone.length === before + 1)
  monitor.close()
  client.close()
})

test('monitors have a limit of their own', async () => {
  await open.empty()
  const monitors: RawSocket[] = []
  for (let i = 0; i < MONITORS_MAX; i++) {
    const monitor = new RawSocket(open.path)
    monitor.send(helloBytes({ features: FEATURE_MONITOR }))
    monitors.push(monitor)
  }
  // Answered in the order they came: when this one is refused, the others are in.
  const welcome = await greet(open, helloBytes({ features: FEATURE_MONITOR }))
  assert.is(welcome.status, Refusal.clients)
  for (const monitor of monitors) monitor.close()
  await open.empty()
  assert.is((await greet(open, helloBytes({ features: FEATURE_MONITOR | 2n }))).status, Refusal.protocol)
})

test('one who says nothing is shown the door after five seconds; a hello that waits for an executor that stood still is none of that', async () => {
  await guarded.empty()
  const late = new RawSocket(guarded.path)
  await guarded.until(() => guarded.present === 1)
  await new Promise((done) => setTimeout(done, 300)) // it has come, and its time runs
  process.kill(guarded.pid, 'SIGSTOP')
  late.send(helloBytes({ token: 'sesame' }))
  const socket = new RawSocket(open.path)
  const welcome = readWelcome(await socket.receive(WELCOME_BYTES))
  assert.is(welcome.status, Refusal.hello)
  assert.match(welcome.message, /no hello came within 5 seconds/)
  socket.close()
  process.kill(guarded.pid, 'SIGCONT')
  const heard = readWelcome(await late.receive(WELCOME_BYTES))
  assert.is(heard.status, Refusal.none, heard.message)
  late.close()
})

test.after(async () => {
  await Promise.all([open, guarded, foreign].map((executor) => executor.stop()))
  assert.is(open.exit?.code, 0)
})

test.run()
