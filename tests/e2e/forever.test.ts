// test: timeout 600
// Kernels that never end are ended by the time limit, with their context, and with their client, alone and in a zone, and
// others go on computing. The durations are printed and bounded loosely: docs/SOFTWARE-GPU.md says what they are on a quiet
// machine.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../support/cc.ts'
import { Daemon, sleep, until } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

const LOOSE_MS = 10_000 // for a machine that does ten other things: what is not ended goes on for ever
const KINDS = ['tight', 'waits', 'sleeps', 'barrier', 'diverges', 'calls', 'long', 'matrix', 'blocks']
const TIMEOUT = 702 // CUDA_ERROR_LAUNCH_TIMEOUT
const env = { LD_LIBRARY_PATH: libraries.stub }

let daemon: Daemon
test.before(async () => {
  // A long linger: that a zone keeps its executor is asked, not how soon one without clients is given up.
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'], { RINGFENCE_STUB_THREADS: '2', RINGFENCE_LINGER_MS: '120000' })
  for (const zone of ['alice', 'bob']) daemon.zone(zone, '300Mi')
})
test.after(() => daemon.remove())

function start(args: string[], more: Record<string, string>): { child: ChildProcessWithoutNullStreams; said: () => string; running: () => Promise<void>; end: () => Promise<number | null> } {
  const child = spawn(program('forever'), args, { env: { ...process.env, ...more } })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (d: Buffer) => (said += d.toString()))
  const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
  const running = () => until('the kernel to run', () => {
    if (child.exitCode !== null) throw new Error(said)
    return said.includes('running\n')
  })
  return { child, said: () => said, running, end: () => (child.stdin.end(), gone) }
}

/** Processor time of a process, in ticks of 10 ms. */
function ticks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}

/** How long the process went on computing, in ms, to 10 ms or so. */
async function untilIdle(pid: number): Promise<number> {
  const begun = Date.now()
  let [last, at] = [ticks(pid), begun]
  while (Date.now() - at < 300) {
    if (Date.now() - begun > 30_000) throw new Error(`process ${pid} computes on`)
    await sleep(5)
    const t = ticks(pid)
    if (t > last + 1) [last, at] = [t, Date.now()]
  }
  return at - begun
}

const executor = (zone: string): number => (JSON.parse(daemon.must('zone', 'show', zone, '--json')) as { executor: { pid: number } }).executor.pid

for (const kind of KINDS)
  test(`${kind}: ended with its context, alone and in a zone; another context computes`, () => {
    for (const [where, result] of [['alone', run(program('forever'), [kind, 'destroy'], env)], ['in a zone', daemon.in('alice', program('forever'), [kind, 'destroy'])]] as const) {
      assert.is(result.status, 0, `${where}: ${result.stdout}${result.stderr}`)
      console.log(`${kind}, ${where}: the context was gone after ${result.stdout.trim()} ms`)
      assert.ok(Number(result.stdout) < LOOSE_MS, `${where}: ${result.stdout}`)
    }
  })

for (const kind of KINDS)
  test(`${kind}: ended by the time limit`, () => {
    const result = run(program('forever'), [kind, 'limit'], { ...env, RINGFENCE_STUB_KERNEL_TIMEOUT: '50ms' })
    assert.is(result.status, 0, result.stdout + result.stderr)
    const [code, ms] = result.stdout.trim().split(' ').map(Number) as [number, number]
    console.log(`${kind}: ended ${ms - 50} ms after its limit`)
    assert.is(code, TIMEOUT)
    assert.ok(ms < LOOSE_MS, `${ms} ms`)
  })

test('alone: ended with its process', async () => {
  const client = start(['long', 'wait'], env)
  await client.running()
  const begun = Date.now()
  client.child.kill('SIGKILL')
  await client.end()
  console.log(`the process was gone after ${Date.now() - begun} ms`)
  assert.ok(Date.now() - begun < LOOSE_MS)
})

for (const kind of KINDS)
  test(`${kind}, in a zone: ended with its client; others of its zone and of another compute on`, async () => {
    const others = ['alice', 'bob'].map((zone) => start(['add', 'compute'], daemon.env(zone)))
    for (const other of others) await other.running()
    const client = start([kind, 'wait'], daemon.env('alice'))
    await client.running()
    for (const other of others) assert.is(await other.end(), 0, other.said())
    console.log(`${kind}: beside it a round took others at most ${others.map((o) => o.said().trim().split('\n').pop()).join(' and ')} ms`)
    const pid = executor('alice')
    client.child.kill('SIGKILL')
    const ms = await untilIdle(pid)
    console.log(`${kind}: ended ${ms} ms after its client`)
    assert.ok(ms < LOOSE_MS, `${ms} ms`)
    await until('the memory to be back', () => daemon.usage('alice').memory === 0)
    const after = start(['add', 'compute'], daemon.env('alice'))
    await after.running()
    assert.is(await after.end(), 0, after.said())
    assert.is(executor('alice'), pid, 'the zone kept its executor')
  })

test.run()
