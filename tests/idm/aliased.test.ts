// rf_memcpy copies what memcpy copies, wherever in their pages the two ends lie.
import { spawnSync } from 'node:child_process'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { program } from './program.ts'

for (const sanitizer of ['none', 'address'] as const)
  test(`every place and size arrives unchanged, sanitizer ${sanitizer}`, () => {
    const { status, stdout, stderr } = spawnSync(program('aliased', sanitizer), [], { encoding: 'utf8', timeout: 60_000 })
    assert.is(status, 0, stderr)
    assert.is(stdout, '2028 copies\n')
  })

test.run()
