// test: timeout 120
// One zone against the rest: a tenant that floods the daemon, or takes what is not its own, is its own zone's affair. And the daemon's death.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CuStreamWaitValue32_v2, GpuAlloc, GpuFree, Message } from '../../proxy/generated/messages.ts'
import { RawSocket, TestClient, words } from '../support/client.ts'
import { cli, Daemon, sharedObjects, sleep, until } from '../support/daemon.ts'
import { isAlive } from '../support/processes.ts'

const MiB = 1 << 20
/** A client that is turned away in the thick of it (more sockets wait for a busy executor than the daemon will hold) tries again, as
 *  a person would; for ever it must not last. */
async function connectSoon(path: string): Promise<TestClient> {
  for (const end = Date.now() + 60_000; ; await sleep(20)) {
    try {
      return await TestClient.connect(path)
    } catch (error) {
      if (Date.now() > end) throw error
    }
  }
}

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '128Mi'])
  daemon.zone('a', '64Mi')
  daemon.zone('b', '64Mi')
})
test.after(() => daemon.remove())

test('a thousand connections that say nothing keep nobody out, of their own zone neither', async () => {
  const [a, b] = [daemon.socket('a'), daemon.socket('b')]
  const here = await TestClient.connect(a)
  const silent: RawSocket[] = []
  for (let i = 0; i < 1000; i++) {
    silent.push(new RawSocket(a))
    if (i % 50 === 49) await sleep(5)
  }
  const there = await TestClient.connect(b)
  await there.retain()
  await here.must(Message.PING)
  const late = await connectSoon(a)
  await late.retain()
  for (const socket of silent) socket.close()
  for (const client of [here, there, late]) client.close()
  for (const zone of ['a', 'b']) await daemon.empty(zone)
})

test('connecting and hanging up in a loop ends no executor and fills no log', async () => {
  const a = daemon.socket('a')
  const here = await connectSoon(a)
  const before = daemon.output.length
  for (const end = Date.now() + 2000; Date.now() < end; ) {
    for (let i = 0; i < 40; i++) new RawSocket(a).close()
    await sleep(0)
  }
  await here.must(Message.PING)
  assert.ok(daemon.output.length - before < 4000, daemon.output.slice(before, before + 1000))
  here.close()
})

test('memory freed on a stream that never gets there is not taken from the other zone', async () => {
  const attacker = await connectSoon(daemon.socket('a')) // the flood before it may not be over
  await attacker.retain()
  await attacker.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 4096 }))
  const address = attacker.replyNumber(0)
  await attacker.must(Message.cuStreamCreate, [1])
  const stream = attacker.replyWide(0)
  attacker.post(Message.cuStreamWaitValue32_v2, words({ [CuStreamWaitValue32_v2.stream]: stream, [CuStreamWaitValue32_v2.addr]: address, [CuStreamWaitValue32_v2.value]: 7, [CuStreamWaitValue32_v2.flags]: 1 }))
  let made = 0
  for (; made < 20; made++) {
    const slot = made % 60
    const ticket = attacker.write(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 16 * MiB }), slot)
    for (let i = 0; i < 500 && !attacker.answered(slot, ticket); i++) await sleep(1)
    if (!attacker.answered(slot, ticket)) break
    attacker.post(Message.GPU_FREE, words({ [GpuFree.address]: attacker.replyNumber(0, slot), [GpuFree.stream]: stream, [GpuFree.async]: 1 }))
  }
  assert.ok(made <= 4, `${made} allocations of 16 MiB in 64 MiB`)
  const other = await TestClient.connect(daemon.socket('b'))
  await other.retain()
  await other.must(Message.GPU_ALLOC, words({ [GpuAlloc.bytes]: 60 * MiB }))
  attacker.close()
  other.close()
  for (const zone of ['a', 'b']) await daemon.empty(zone)
})

test('a daemon that is killed takes its executors along; clients know at once; the next one starts over what is left', async () => {
  const client = await TestClient.connect(daemon.socket('a'))
  const executors = daemon.processes().slice(1)
  assert.ok(executors.length > 0)
  daemon.child.kill('SIGKILL')
  await until('the executors to end', () => !executors.some(isAlive))
  await until('the client to be hung up', () => client.socket.tryReceive(1)?.data.length === 0)
  client.close()
  const again = spawn(process.execPath, [cli, 'serve', '--run-dir', daemon.runDir, '--driver', 'stub', '--card-memory', '128Mi'], { stdio: 'ignore' })
  try {
    await until('the next daemon to answer', () => daemon.run('status', '--json').status === 0)
    const next = await TestClient.connect(daemon.socket('a'))
    await next.retain()
    next.close()
  } finally {
    const gone = new Promise((done) => again.once('exit', done))
    again.kill('SIGTERM')
    await gone
  }
  assert.equal(sharedObjects(executors), [])
})

test.run()
