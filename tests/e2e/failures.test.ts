// When there is no broker, or one that refuses or dies: the right CUDA error at once, one line that says what and how to
// fix it, never a hang, never another GPU.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { writeWelcome } from '../../idm/hello.ts'
import { run } from '../support/cc.ts'
import { Daemon, sleep, until } from '../support/daemon.ts'
import { hold } from '../support/holder.ts'
import { libraries, program } from '../support/programs.ts'

const lines = (text: string) => text.split('\n').filter((line) => line.includes('ringfence'))

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('open', '128Mi')
  daemon.zone('locked', '128Mi', '--token', 'correct horse')
  daemon.zone('narrow', '128Mi', '--clients', '1')
})
test.after(() => daemon.remove())

test('no broker: cuInit fails and says where it looked', () => {
  const result = run(program('sequence'), [], { LD_LIBRARY_PATH: libraries.client, RINGFENCE_SOCKET: '/nowhere/zone.sock' }, 10_000)
  assert.is(result.status, 1)
  assert.is(lines(result.stderr).length, 1, result.stderr)
  assert.match(result.stderr, /\/nowhere\/zone\.sock/)
})

test('a wrong token, and none, are refused with a sentence; the right one works', () => {
  for (const token of ['wrong', '']) {
    const result = daemon.in('locked', program('sequence'), [], { RINGFENCE_TOKEN: token })
    assert.is(result.status, 1)
    assert.is(lines(result.stderr).length, 1, result.stderr)
    assert.match(result.stderr, /token/)
    assert.not.match(result.stderr, /correct horse/)
  }
  const result = daemon.in('locked', program('sequence'), [], { RINGFENCE_TOKEN: 'correct horse' })
  assert.is(result.status, 0, result.stderr)
})

test('one client too many is refused, and let in when the first is gone', async () => {
  const holder = await hold(daemon, 'narrow')
  const second = daemon.in('narrow', program('sequence'))
  assert.is(second.status, 1)
  assert.match(second.stderr, /client/)
  await holder.end()
  await daemon.empty('narrow')
  const third = daemon.in('narrow', program('sequence'))
  assert.is(third.status, 0, third.stderr)
})

/** A broker of our own that answers the hello with these bytes. */
async function impostor(answer: (socket: import('node:net').Socket) => void): Promise<{ path: string; close: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'ringfence-impostor-'))
  const path = join(folder, 'zone.sock')
  const server = createServer((socket) => {
    socket.on('error', () => {})
    answer(socket)
  })
  await new Promise<void>((done) => server.listen(path, done))
  return { path, close: () => (server.close(), rmSync(folder, { recursive: true, force: true })) }
}

/** Not spawnSync: the impostor lives in this process. */
function runAsync(command: string, env: Record<string, string>): Promise<{ status: number | null; stderr: string; ms: number }> {
  return new Promise((done) => {
    const start = Date.now()
    const child = spawn(command, [], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (d: Buffer) => (stderr += d.toString()))
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000)
    child.once('close', (status) => (clearTimeout(timer), done({ status, stderr, ms: Date.now() - start })))
  })
}

test('a broker of another protocol is refused with a sentence', async () => {
  const other = writeWelcome({ status: 0 })
  other.writeUInt32LE(99 << 16, 12)
  const broker = await impostor((socket) => socket.on('data', () => socket.write(other)))
  try {
    const result = await runAsync(program('sequence'), { LD_LIBRARY_PATH: libraries.client, RINGFENCE_SOCKET: broker.path })
    assert.is(result.status, 1)
    assert.is(lines(result.stderr).length, 1, result.stderr)
    assert.match(result.stderr, /protocol|version/)
  } finally {
    broker.close()
  }
})

for (const [name, answer] of [
  ['hangs up', (s) => s.on('data', () => s.destroy())],
  ['answers garbage', (s) => s.on('data', () => s.write(Buffer.alloc(600, 0x41)))],
  ['welcomes without a region', (s) => s.on('data', () => s.write(writeWelcome({ status: 0, regionSize: 1 << 20 })))],
] as [string, (s: import('node:net').Socket) => void][])
  test(`a broker that ${name}: an error at once`, async () => {
    const broker = await impostor(answer)
    try {
      const result = await runAsync(program('sequence'), { LD_LIBRARY_PATH: libraries.client, RINGFENCE_SOCKET: broker.path })
      assert.is(result.status, 1)
      assert.is(lines(result.stderr).length, 1, result.stderr)
    } finally {
      broker.close()
    }
  })

test('the broker dies in mid-call: every client ends with an error, none hangs', async () => {
  const clients = Array.from({ length: 3 }, (_, i) => {
    const child = spawn(program('mayhem'), [String(i + 1)], { env: { ...process.env, ...daemon.env('open') }, stdio: ['ignore', 'ignore', 'pipe'] })
    const gone = new Promise<string | number | null>((done) => child.once('exit', (code, signal) => done(signal ?? code)))
    return { child, gone }
  })
  await until('the clients to be at work', () => daemon.usage('open').clients === 3)
  await sleep(200)
  const { executor } = JSON.parse(daemon.must('zone', 'show', 'open', '--json')) as { executor: { pid: number } }
  process.kill(executor.pid, 'SIGKILL')
  const late = sleep(30_000).then(() => 'still running')
  for (const { child, gone } of clients) {
    assert.is(await Promise.race([gone, late]), 1)
    child.kill('SIGKILL')
  }
})

test('a driver that does nothing more in its process after a fault: the zone gets another, though a client stays that never leaves', async () => {
  const card = await Daemon.start(undefined, { RINGFENCE_STUB_FAULT_SCOPE: 'process' })
  try {
    for (const name of ['shared', 'other']) card.zone(name, '128Mi')
    const idle = await hold(card, 'shared')
    const neighbour = await hold(card, 'other')
    const faulty = card.in('shared', program('faults'), ['alone'])
    assert.is(faulty.status, 0, faulty.stderr)
    const next = card.in('shared', program('sequence'))
    assert.is(next.status, 0, next.stderr)
    assert.is(await idle.end(), 1)
    assert.match(idle.said(), /the broker ended this client; .*CUDA_ERROR_DEVICE_UNAVAILABLE\n/)
    assert.is(await neighbour.end(), 0, neighbour.said())
    assert.match(card.output, /it answers CUDA_ERROR_ILLEGAL_ADDRESS to everything in this process/)
    const { restarts, lastExit } = JSON.parse(card.must('zone', 'show', 'shared', '--json')) as { restarts: number; lastExit: { why: string } }
    assert.is(restarts, 1)
    assert.match(lastExit.why, /of no use any more to an executor: it answers CUDA_ERROR_ILLEGAL_ADDRESS to everything/)
    assert.match(card.must('zone', 'show', 'shared'), /restarts +1, last .*: the driver .* answers CUDA_ERROR_ILLEGAL_ADDRESS/)
  } finally {
    await card.remove()
  }
})

test.run()
