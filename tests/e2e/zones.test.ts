// What one zone can do to another, and what its quota lets it have: handles and addresses of others are refused, freed
// memory is zero for the next owner, the quota holds to the byte, and a killed executor hurts its own zone alone.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, sharedObjects, until } from '../support/daemon.ts'
import { hold } from '../support/holder.ts'
import { program } from '../support/programs.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
  daemon.zone('alice', '300Mi')
  daemon.zone('bob', '300Mi')
})
test.after(() => daemon.remove())

test('another zone\'s address, stream, event and context are refused', async () => {
  const holder = await hold(daemon, 'alice')
  assert.is(holder.words.length, 4)
  const intruder = daemon.in('bob', program('intruder'), holder.words)
  assert.is(intruder.status, 0, intruder.stdout + intruder.stderr)
  assert.is(await holder.end(), 0, 'the secret is untouched')
})

test('another client of the same zone cannot use them either', async () => {
  const holder = await hold(daemon, 'alice')
  const intruder = daemon.in('alice', program('intruder'), [...holder.words, 'same-zone'])
  assert.is(intruder.status, 0, intruder.stdout + intruder.stderr)
  assert.is(await holder.end(), 0)
})

test('memory that one zone freed is zero when another gets it', async () => {
  const secret = daemon.in('alice', program('residue'), ['write', '256'])
  assert.is(secret.status, 0, secret.stderr)
  for (const zone of ['bob', 'alice']) {
    const found = daemon.in(zone, program('residue'), ['look', '256'])
    assert.is(found.status, 0, `${zone}: ${found.stdout}${found.stderr}`)
  }
})

test('the quota is exact to the byte, for every way to get memory', async () => {
  const result = daemon.in('bob', program('quota'), [String(300 * 1024 * 1024)])
  assert.is(result.status, 0, result.stdout + result.stderr)
  assert.ok((await daemon.left('bob')).refused > 0)
})

test('clients of a zone that allocate at the same time never exceed its quota', async () => {
  const greedy = program('greedy')
  const runs = Array.from({ length: 4 }, () => new Promise<string>((done) => {
    const child = spawn(greedy, ['4'], { env: { ...process.env, ...daemon.env('alice') } })
    let said = ''
    child.stdout.on('data', (d: Buffer) => (said += d.toString()))
    child.stderr.on('data', (d: Buffer) => (said += d.toString()))
    child.once('close', (code) => done(code === 0 ? said.trim() : `failed: ${said}`))
  }))
  for (const said of await Promise.all(runs)) assert.match(said, /^\d+ bytes held/)
  const usage = await daemon.left('alice')
  assert.ok(usage.memoryPeak <= 300 * 1024 * 1024, `peak ${usage.memoryPeak}`)
  assert.ok(usage.memoryPeak > 299 * 1024 * 1024, `all of it was given: ${usage.memoryPeak}`)
})

test('an executor killed with SIGKILL: its zone recovers, the other never notices', async () => {
  const holder = await hold(daemon, 'alice')
  const bystander = await hold(daemon, 'bob')
  const show = JSON.parse(daemon.must('zone', 'show', 'alice', '--json')) as { executor: { pid: number } | null }
  assert.ok(show.executor, 'the zone has an executor')
  process.kill(show.executor.pid, 'SIGKILL')
  await until('the usage to be returned', () => daemon.usage('alice').memory === 0)
  assert.is(await holder.end(), 1, 'the client is told: its last copy fails')
  const next = daemon.in('alice', program('sequence'))
  assert.is(next.status, 0, next.stderr)
  assert.is(await bystander.end(), 0)
  // Of this daemon's processes: other tests run beside this one.
  const mine = [show.executor.pid, ...daemon.processes()]
  await until('their objects to have no names', () => sharedObjects(mine).length === 0)
})

test.run()
