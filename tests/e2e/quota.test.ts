// The quota to the byte, by every way to device memory at once: random steps beside a model in the client (tests/programs/quota_model.c), and what the daemon
// says at their end. RINGFENCE_QUOTA_SEED and RINGFENCE_QUOTA_STEPS repeat and lengthen a run.
import { spawn } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

const BYTES = 8 << 20
const first = Number(process.env['RINGFENCE_QUOTA_SEED'] ?? 1)
const steps = process.env['RINGFENCE_QUOTA_STEPS'] ?? '400'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('q', String(BYTES))
})
test.after(() => daemon.remove())

for (const [seed, end] of [[first, 'ends'], [first + 1, 'is killed']] as const)
  test(`seed ${seed}: every step agrees with the model; when the client ${end} all is back`, async () => {
    const child = spawn(program('quota_model'), [String(BYTES), String(seed), steps], { env: { ...process.env, ...daemon.env('q') } })
    let said = ''
    let failed = ''
    child.stdout.on('data', (d: Buffer) => (said += d.toString()))
    child.stderr.on('data', (d: Buffer) => (failed += d.toString()))
    const gone = new Promise((done) => child.once('exit', done))
    await until('the steps to be done', () => said.includes('\n') || child.exitCode !== null, 60_000)
    const held = /^(\d+) bytes held, (\d+) of/.exec(said)
    assert.ok(held, `${said}${failed}`)
    assert.ok(Number(held[2]) > 0, 'some steps did not fit')
    let counted = 0
    const agrees = (): boolean => (counted = daemon.usage('q').memory) === Number(held[1])
    await until('the daemon to count the same', agrees).catch(() => assert.is(counted, Number(held[1]), 'the daemon counts the same'))
    if (end === 'ends') child.stdin.end('\n')
    else child.kill('SIGKILL')
    await gone
    await daemon.empty('q')
  })

test.run()
