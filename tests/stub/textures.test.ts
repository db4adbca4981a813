// test: timeout 600
// Textures and surfaces on the software GPU: objects, references, their errors, and what kernels made by nvcc read through them;
// plain and with the sanitizers.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, type Sanitizer } from '../support/cc.ts'
import { program } from '../support/programs.ts'
import { stubFolder } from '../support/stub.ts'

for (const sanitizer of ['none', 'address', 'thread'] as Sanitizer[])
  test(`textures and surfaces (sanitizer: ${sanitizer})`, () => {
    const env = { LD_LIBRARY_PATH: stubFolder(sanitizer), RINGFENCE_STUB_MEMORY: '1Gi', RINGFENCE_STUB_THREADS: '3', RINGFENCE_STUB_LOG: 'error' }
    const result = run(program('textures', sanitizer), [join(root, 'tests/programs')], env)
    assert.is(result.status, 0, result.stderr)
    assert.is(result.stdout, 'textures: done\n')
    assert.match(result.stderr, /kernel trap, block \(0,0,0\), thread \(0,0,0\): illegal address: access outside the surface, x 0x100000 in trap, PTX line \d+\n/)
    assert.match(result.stderr, /the texture's memory 0x1000 \(1200 bytes\) is outside device memory/)
  })

test.run()
