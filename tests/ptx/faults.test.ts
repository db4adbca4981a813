// test: timeout 600
// Faults stop a kernel with the right kind, place and address; invalid and unknown PTX is refused with its line;
// docs/PTX.md is what the table says.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-faults')
const programs = join(root, 'tests/ptx/programs')

for (const sanitizer of ['none', 'address', 'thread'] as const)
  test(`faults and refusals (sanitizer: ${sanitizer})`, () => {
    const result = run(engineProgram('faults', join(folder, `faults-${sanitizer}`), sanitizer), [programs], {}, 120_000)
    assert.is(result.status, 0, result.stdout + result.stderr)
    assert.match(result.stdout, /done\n$/)
  })

test('docs/PTX.md is written from the table (RINGFENCE_UPDATE=1 writes it)', () => {
  const result = run(engineProgram('describe', join(folder, 'describe'), 'none'))
  assert.is(result.status, 0)
  const file = join(root, 'docs/PTX.md')
  if (process.env['RINGFENCE_UPDATE']) writeFileSync(file, result.stdout)
  assert.is(readFileSync(file, 'utf8'), result.stdout, 'stale: RINGFENCE_UPDATE=1 npx tsx tests/ptx/faults.test.ts')
})

test.run()
