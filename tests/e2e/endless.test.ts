// A kernel that never ends, or a host function that never returns, is its client's own trouble: the zone's other clients come, compute, free
// pinned memory and go, while the driver would have the broker wait for it; and when its client is killed all of it comes back.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
  daemon.zone('a', '512Mi')
})
test.after(() => daemon.remove())

for (const what of ['kernel', 'callback'])
  test(`others of the zone work on beside an endless ${what}, which ends with its client`, async () => {
    const endless = spawn(program('endless'), [what], { env: { ...process.env, ...daemon.env('a') } })
    const gone = new Promise((done) => endless.once('exit', done))
    let said = ''
    for (const stream of [endless.stdout, endless.stderr]) stream.on('data', (d: Buffer) => (said += d.toString()))
    await until('it to run', () => said.includes('running'))
    // The first client's end takes its staging and pinned memory back from the driver; the second finds the executor answering.
    for (let i = 0; i < 2; i++)
      for (const name of ['mapped', 'code']) {
        const result = daemon.in('a', program(name))
        assert.is(result.status, 0, `${name}, ${i}: ${result.stdout}${result.stderr}${said}`)
      }
    endless.kill('SIGKILL')
    await gone
    await daemon.empty('a')
    // A zone at rest has no process: its executor ends when nothing of a client is left, a running kernel included.
    await until('it to end', () => (JSON.parse(daemon.must('zone', 'show', 'a', '--json')) as { executor: unknown }).executor === null, 30_000)
    assert.is(daemon.in('a', program('code')).status, 0)
  })

test.run()
