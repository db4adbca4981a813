// A driver that is not known to be the software GPU, as on a machine with a card: what is done for such a one alone.
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/cc.ts'
import { Daemon, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'
import { unmarkedDriver } from '../support/unmarked.ts'

const driver = unmarkedDriver()
let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', driver, '--card-memory', '4Gi'], { RINGFENCE_LOG: 'debug' })
})
test.after(async () => {
  await daemon.remove()
  rmSync(dirname(driver), { recursive: true, force: true })
})

const rehearsals = () => daemon.output.split('\n').filter((line) => line.includes('"msg":"rehearsed"')).map((line) => JSON.parse(line) as { pid: number; wrong?: string })

test('a spare rehearses on the software GPU, and its zone is served by the driver', async () => {
  assert.is((JSON.parse(daemon.must('status', '--json')) as { driver: { software: boolean; path: string } }).driver.software, false)
  await until('a rehearsal', () => rehearsals().length > 0)
  const [{ pid, wrong }] = rehearsals()
  assert.is(wrong, undefined)
  const mapped = readFileSync(`/proc/${pid}/maps`, 'latin1')
  assert.ok(mapped.includes(driver) && mapped.includes(join(root, 'build/stub/libcuda.so.1')))
  daemon.zone('one', '128Mi')
  const result = daemon.in('one', program('sequence'))
  assert.is(result.status, 0, result.stderr)
  const { executor } = JSON.parse(daemon.must('zone', 'show', 'one', '--json')) as { executor: { pid: number } }
  assert.ok(rehearsals().some((each) => each.pid === executor.pid), 'the zone was given to who had rehearsed')
  await daemon.empty('one')
})

// `faults` makes 400 contexts each time: what making one leaves behind on a thread shows in the third run.
const PROGRAMS: [string, ...string[]][] = [['contexts'], ['memory'], ['managed', 'card'], ['streams'], ['faults'], ['faults'], ['faults'], ['faults'], ['copies', '1'], ['process', 'fork'], ['process', 'threads']]

for (const [i, [name, ...args]] of PROGRAMS.entries()) test(`${i + 1}: ${[name, ...args].join(' ')}`, async () => {
  if (i === 0) daemon.zone('all', '1Gi')
  const result = daemon.in('all', program(name), args)
  assert.is(result.status, 0, result.stdout + result.stderr)
  await daemon.empty('all')
})

test.run()
