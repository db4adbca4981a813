// test: timeout 600
// CUDA C++ compiled by nvcc 13 (the .ptx files are kept, so that machines without it run them too) executes on the PTX
// engine and computes what the same code in C computes: optimised and debug builds, on one thread and several, with the
// sanitizers.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, scratchFolder, type Sanitizer } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-programs')
const programs = join(root, 'tests/ptx/programs')

for (const sanitizer of ['none', 'address', 'thread'] as Sanitizer[])
  test(`nvcc's kernels compute as their C references (sanitizer: ${sanitizer})`, () => {
    const program = engineProgram('programs', join(folder, `programs-${sanitizer}`), sanitizer)
    for (const file of ['basics', 'basics_debug', 'half'])
      for (const workers of sanitizer === 'none' ? ['1', '2', '5'] : ['3']) {
        const result = run(program, [programs, workers, file], {}, 300_000)
        assert.is(result.status, 0, `${file} with ${workers} workers: ${result.stderr}${result.stdout}`)
        assert.match(result.stdout, /done\n$/)
      }
  })

for (const sanitizer of ['none', 'address'] as const)
  test(`texts of several compilers link and run (sanitizer: ${sanitizer})`, () => {
    const result = run(engineProgram('link', join(folder, `link-${sanitizer}`), sanitizer))
    assert.is(result.status, 0, result.stderr)
  })

for (const sanitizer of ['none', 'thread'] as const)
  test(`one program gives one answer on 1, 2, 4 and 7 workers (sanitizer: ${sanitizer})`, () => {
    const result = run(engineProgram('determinism', join(folder, `determinism-${sanitizer}`), sanitizer), [], {}, 120_000)
    assert.is(result.status, 0, result.stderr)
  })

test.run()
