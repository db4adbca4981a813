// test: timeout 300
// The CUDA runtime's tables in both libraries, the libraries built without them, and CUDA_VISIBLE_DEVICES. No libcudart is needed.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, root, scratchFolder } from '../support/cc.ts'
import { cli, Daemon } from '../support/daemon.ts'
import { libraries } from '../support/programs.ts'

const folder = scratchFolder('cudart-tables')
const program = compile({
  sources: ['tests/cuda/tables.c'],
  output: join(folder, 'tables'),
  includes: [join(root, 'idm'), join(root, 'idm/generated')],
  flags: ['-pthread'],
  link: [`-L${libraries.stub}`, '-lcuda'],
})

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('alice', '300Mi')
})
test.after(() => daemon.remove())

const alone = (what: string, env: Record<string, string> = {}): SpawnSyncReturns<string> =>
  spawnSync(program, [what], { encoding: 'utf8', timeout: 60_000, env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: libraries.stub, ...env } })

const fine = (ran: SpawnSyncReturns<string>): void => {
  assert.is(ran.stderr, '')
  assert.is(ran.status, 0)
}

test('the tables: on the software GPU alone', () => {
  fine(alone('present'))
  fine(alone('present', { RINGFENCE_STUB_DEVICES: '3', CUDA_VISIBLE_DEVICES: '2,0' }))
})

test('the tables: in a zone', () => fine(daemon.in('alice', program, ['present'])))

test('built without them, both libraries refuse with a line that says why, and serve programs of the driver API', () => {
  const built = spawnSync(process.execPath, [join(root, 'scripts/build.mjs'), '--only', 'c', '--without-cudart', '--into', folder, '--quiet'], { encoding: 'utf8' })
  assert.is(built.status, 0, built.stderr)
  for (const library of ['stub', 'lib']) {
    const symbols = spawnSync('nm', [join(folder, library, 'libcuda.so.1')], { encoding: 'utf8' }).stdout
    assert.not.match(symbols, /rf_cudart_(table|take|drop)|integrity/)
  }
  const stub = alone('absent', { LD_LIBRARY_PATH: join(folder, 'stub') })
  const client = daemon.in('alice', program, ['absent'], { LD_LIBRARY_PATH: join(folder, 'lib') })
  for (const ran of [stub, client]) {
    assert.is(ran.status, 0, ran.stderr)
    assert.match(ran.stderr, /^ringfence(-gpu)?: this library was built without the CUDA runtime's tables[^\n]*\n$/)
  }
})

const three = 'GPU-52494e47-4645-8e43-8e00-475055000003'
const lists: [list: string | undefined, seen: string][] = [
  [undefined, '1 2 3'],
  ['0,1,2', '1 2 3'],
  ['2,0', '3 1'],
  [' 1 , 2', '2 3'],
  [`${three},0`, '3 1'],
  [three.toLowerCase().replace('gpu', 'GPU'), '3'],
  ['0,GPU-5,1', '1'], // a prefix of all three
  ['1,7,0', '2'],
  ['1,1,0', '2'],
  ['1,-1,0', '2'],
  ['0x1', 'none'],
  ['1x', 'none'],
  ['GPU-', 'none'],
  ['MIG-1', 'none'],
  ['NoDevFiles', 'none'],
  ['-1', 'none'],
  ['', 'none'],
]

test('CUDA_VISIBLE_DEVICES on the software GPU: order, UUIDs, and what ends the list', () => {
  for (const [list, seen] of lists) {
    const env: Record<string, string> = { RINGFENCE_STUB_DEVICES: '3', RINGFENCE_STUB_MEMORY: '64Mi', CUDA_DEVICE_ORDER: 'PCI_BUS_ID' }
    const ran = alone('visible', list === undefined ? env : { ...env, CUDA_VISIBLE_DEVICES: list })
    fine(ran)
    assert.is(ran.stdout.trim(), seen, `CUDA_VISIBLE_DEVICES=${list}`)
  }
})

test('CUDA_VISIBLE_DEVICES in a zone, which has one device', () => {
  for (const [list, seen] of [['0', '1'], ['0,1', '1'], ['1', 'none'], ['-1', 'none'], ['GPU-52', '1']] as const) {
    const ran = daemon.in('alice', program, ['visible'], { CUDA_VISIBLE_DEVICES: list, CUDA_DEVICE_ORDER: 'FASTEST_FIRST' })
    fine(ran)
    assert.is(ran.stdout.trim(), seen, `CUDA_VISIBLE_DEVICES=${list}`)
  }
})

test('`ringfence run` leaves CUDA_VISIBLE_DEVICES to the command', () => {
  for (const [list, seen] of [['-1', 'none'], ['0', '1']] as const) {
    const ran = spawnSync(process.execPath, [cli, 'run', '--memory', '64Mi', '--', program, 'visible'], { encoding: 'utf8', timeout: 60_000, env: { ...process.env, CUDA_VISIBLE_DEVICES: list } })
    fine(ran)
    assert.is(ran.stdout.trim(), seen)
  }
})

test.run()
