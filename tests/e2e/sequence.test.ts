// The first proof of concept's sequence through the ring: in C against our header, in TypeScript through ffi-rs, under
// LD_LIBRARY_PATH and LD_PRELOAD, and the same program on the software GPU alone.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '64Mi')
})
test.after(() => daemon.remove())

test('sequence.c inside a zone', () => {
  const result = daemon.in('a', program('sequence'))
  assert.is(result.status, 0, result.stderr)
  assert.match(result.stdout, /^sequence: ok on /)
})

test('sequence.c inside a zone under LD_PRELOAD', async () => {
  const before = (await daemon.left('a')).calls
  const result = daemon.in('a', program('sequence'), [], { LD_LIBRARY_PATH: libraries.stub, LD_PRELOAD: join(libraries.client, 'libcuda.so.1') })
  assert.is(result.status, 0, result.stderr)
  assert.ok((await daemon.left('a')).calls > before, 'it went through the zone')
})

test('sequence.c on the software GPU alone', () => {
  const result = run(program('sequence'), [], { LD_LIBRARY_PATH: libraries.stub })
  assert.is(result.status, 0, result.stderr)
})

test('the sequence in TypeScript, libcuda.so.1 loaded by ffi-rs', () => {
  const script = join(root, 'tests/programs/sequence-ffi.ts')
  const result = daemon.in('a', process.execPath, ['--import', 'tsx', script], { RINGFENCE_TEST_LIBCUDA: join(libraries.client, 'libcuda.so.1') })
  assert.is(result.status, 0, result.stderr)
  assert.match(result.stdout, /sequence-ffi: ok on /)
})

test('ringfence run starts a daemon of its own where there is none', () => {
  const result = run(process.execPath, [join(root, 'build/js/ringfence.js'), 'run', '--memory', '64Mi', '--', program('sequence')], { RINGFENCE_RUN_DIR: join(daemon.runDir, 'nobody-here') })
  assert.is(result.status, 0, result.stderr)
  assert.match(result.stdout, /^sequence: ok on /m)
})

test.run()
