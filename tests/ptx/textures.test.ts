// test: timeout 600
// Textures and surfaces: what fetches return, against a reference of its own in C; the seed of the random coordinates is printed.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchFolder } from '../support/cc.ts'
import { seedOf } from '../support/seed.ts'
import { engineProgram } from './ptx.ts'

const folder = scratchFolder('ptx-textures')

for (const sanitizer of ['none', 'address'] as const)
  test(`fetches, filters, mipmaps, cubes, surfaces and their faults (sanitizer: ${sanitizer})`, () => {
    const seed = String(seedOf('RINGFENCE_PTX_SEED', 'stub-driver'))
    const result = run(engineProgram('textures', join(folder, `textures-${sanitizer}`), sanitizer), [seed])
    assert.is(result.status, 0, `seed ${seed}: ${result.stderr}`)
    assert.is(result.stdout, 'done\n')
  })

test.run()
