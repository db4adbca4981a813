// A driver that has whoever launches a kernel wait for all of its context: a zone's executor must not be needed for what it then waits for.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { libraries, program } from '../support/programs.ts'

const LAZY = { RINGFENCE_STUB_LAZY_LOADING: '1' }

test('alone', () => {
  const result = run(program('lazy'), [], { LD_LIBRARY_PATH: libraries.stub, ...LAZY }, 30_000)
  assert.is(result.status, 0, result.stderr)
})

test('inside a zone, host functions begin and end while the executor waits for them', async () => {
  const daemon = await Daemon.start(undefined, LAZY)
  try {
    daemon.zone('a', '128Mi')
    const result = daemon.in('a', program('lazy'))
    assert.is(result.status, 0, `${result.signal} ${result.stderr}`)
    await daemon.empty('a')
  } finally {
    await daemon.remove()
  }
})

test.run()
