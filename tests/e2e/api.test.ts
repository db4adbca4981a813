// test: timeout 300
// The same programs on the software GPU called directly and inside a zone: what they assert must hold on both, for the two
// runs differ only in which libcuda.so.1 they find. Then again with everything built under ASan and UBSan.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

const PROGRAMS: [string, ...string[]][] = [
  ['contexts'],
  ['memory'],
  ['managed'],
  ['mapped'],
  ['streams'],
  ['faults'],
  ['measured'],
  ['copies', '1'],
  ['copies', '20261121'],
  ['process', 'fork'],
  ['process', 'dlclose'],
  ['process', 'exit'],
  ['process', 'threads'],
]

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
})
test.after(() => daemon.remove())

for (const [name, ...args] of PROGRAMS) {
  const title = [name, ...args].join(' ')
  test(`${title}: on the software GPU alone`, () => {
    const result = run(program(name), args, { LD_LIBRARY_PATH: libraries.stub })
    assert.is(result.status, 0, result.stdout + result.stderr)
  })
  test(`${title}: inside a zone`, async () => {
    const result = daemon.in('a', program(name), args)
    assert.is(result.status, 0, result.stdout + result.stderr)
    await daemon.empty('a')
  })
  test(`${title}: inside a zone, client library under ASan and UBSan`, () => {
    const asan = spawnSync('cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).stdout.trim()
    // Leaks are looked for where a program ends its threads itself; libcuda keeps its tables for the process's life.
    const result = daemon.in('a', program(name), args, {
      LD_LIBRARY_PATH: join(root, 'build/asan/lib'), LD_PRELOAD: asan,
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:exitcode=99', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
    })
    assert.is(result.status, 0, result.stdout + result.stderr)
  })
}

test.run()
