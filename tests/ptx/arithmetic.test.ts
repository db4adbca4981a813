// test: timeout 600
// The instruction table: every spelling loads, and results are those of an independent reference in C. The seed of the
// random operands is printed with a failure; RINGFENCE_PTX_SEED repeats it.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-arithmetic')

test('every spelling of the instruction table loads with the operands that its row names', () => {
  const result = run(engineProgram('spellings', join(folder, 'spellings'), 'none'), [], {}, 120_000)
  assert.is(result.status, 0, result.stdout)
})

for (const sanitizer of ['none', 'address'] as const)
  test(`results equal the reference's, edge values and random ones (sanitizer: ${sanitizer})`, () => {
    // -frounding-math: the reference computes under directed rounding. Its own shifts and sums wrap on purpose.
    const flags = ['-frounding-math', '-Wno-unknown-pragmas', '-fno-sanitize=undefined']
    const program = engineProgram('arithmetic', join(folder, `arithmetic-${sanitizer}`), sanitizer, flags)
    const seeds = ['20240607', process.env['RINGFENCE_PTX_SEED'] ?? String(Date.now() % 1_000_000)]
    for (const seed of seeds) {
      const result = run(program, [seed], {}, 120_000)
      assert.is(result.status, 0, `seed ${seed}: ${result.stdout}${result.stderr}`)
    }
  })

test.run()
