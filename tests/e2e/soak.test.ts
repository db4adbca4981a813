// test: alone timeout 600
// 1,000 clients that connect, allocate, copy, launch, capture, load code and die by SIGKILL at random, 16 at a time over 4 zones: at the end nothing of
// them is left: no byte, handle, process, shared memory object or descriptor. RINGFENCE_SOAK sets another number.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, descriptors, sharedObjects, sleep, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

const CLIENTS = Number(process.env.RINGFENCE_SOAK ?? 1000)
const ZONES = ['a', 'b', 'c', 'd']
const AT_ONCE = 16

test(`${CLIENTS} clients killed at random leave nothing behind`, async () => {
  const mayhem = program('mayhem')
  const tour = program('tour')
  // A long linger keeps each zone's executor, so that what a client leaves in it is seen.
  const daemon = await Daemon.start(undefined, { RINGFENCE_LINGER_MS: '120000' })
  try {
    for (const zone of ZONES) {
      daemon.zone(zone, '256Mi')
      assert.is(daemon.in(zone, tour, ['16']).status, 0, `warm-up in ${zone}`)
    }
    const environments = ZONES.map((zone) => ({ ...process.env, ...daemon.env(zone) }))
    // The first code that an executor is given starts its loader, which has descriptors of its own.
    await Promise.all(environments.map(async (env, n) => {
      const child = spawn(mayhem, ['1'], { env, stdio: 'ignore' })
      const gone = new Promise((done) => child.once('exit', done))
      await until('code to be loaded, and memory allocated after it', () => daemon.usage(ZONES[n]).memory > 0)
      child.kill('SIGKILL')
      await gone
    }))
    // The last zone took the spare executor: the next spare is one of the processes.
    await until('the pool to be full', () => {
      const { pool } = JSON.parse(daemon.must('status', '--json')) as { pool: { size: number; ready: number } }
      return pool.ready === pool.size
    })
    const processes = daemon.processes()
    for (const zone of ZONES) await daemon.empty(zone)
    const held = new Map(processes.map((pid) => [pid, descriptors(pid).length]))

    let started = 0
    const failures: string[] = []
    const one = async (): Promise<void> => {
      while (started < CLIENTS) {
        const n = started++
        const child = spawn(mayhem, [String(n + 1)], { env: environments[n % ZONES.length], stdio: ['ignore', 'ignore', 'pipe'] })
        let said = ''
        child.stderr.on('data', (d: Buffer) => (said += d.toString()))
        const gone = new Promise<void>((done) => child.once('close', (code, signal) => {
          if (signal !== 'SIGKILL') failures.push(`client ${n} in zone ${ZONES[n % ZONES.length]} ended by itself with ${code ?? signal}: ${said}`)
          done()
        }))
        await sleep((n * 7919) % 120)
        child.kill('SIGKILL')
        await gone
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one))
    assert.equal(failures, [], 'no client failed before it was killed')

    for (const zone of ZONES) {
      await daemon.empty(zone)
      assert.is(daemon.in(zone, tour, ['200']).status, 0, `the next client of ${zone} works`)
    }
    assert.equal(daemon.processes(), processes, 'the same processes as before, none more and none restarted')
    await until('no shared memory object to be left by name', () => sharedObjects(processes).length === 0)
    for (const zone of ZONES) await daemon.empty(zone)
    for (const [pid, count] of held) {
      const now = descriptors(pid)
      assert.ok(now.length <= count + 2, `process ${pid} held ${count} descriptors, now ${now.length}: ${now.join(' ')}`)
      assert.is(now.filter((d) => d.includes('/dev/shm/')).length, 0, `process ${pid} holds no region`)
    }
    assert.is(await daemon.stop(), 0, 'the daemon stops cleanly')
    assert.equal(sharedObjects(processes), [])
  } finally {
    await daemon.remove()
  }
})

test.run()
