// test: timeout 600
// Families of instructions, each in a program of its own with results worked out by hand or in plain C.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-families')

for (const name of ['video', 'matrix', 'async', 'small', 'lanes', 'dialects', 'clusters', 'stochastic', 'calls', 'sparse', 'tensors', 'wgmma', 'whole', 'uniform'])
  for (const sanitizer of ['none', 'address'] as const)
    test(`${name} (sanitizer: ${sanitizer})`, () => {
      const result = run(engineProgram(name, join(folder, `${name}-${sanitizer}`), sanitizer), [], {}, 300_000)
      assert.is(result.status, 0, result.stdout + result.stderr)
    })

test.run()
