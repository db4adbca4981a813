// test: timeout 600
// GCC's offloading, unmodified, on the software GPU: OpenMP and OpenACC programs whose device code Debian's
// gcc-12-offload-nvptx compiles, some fifty PTX texts that libgomp links when the program starts.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run, scratchFolder } from '../support/cc.ts'
import { stubFolder } from '../support/stub.ts'

const folder = scratchFolder('offload')
const compiler = '/usr/bin/x86_64-linux-gnu-accel-nvptx-none-gcc-12'
const present = existsSync(compiler)
const check = present ? test : test.skip
const why = present ? '' : ` (not run: ${compiler} is absent; package gcc-12-offload-nvptx)`

for (const [name, flag] of [['openmp', '-fopenmp'], ['openacc', '-fopenacc']] as const)
  check(`${name}: results equal the host's${why}`, () => {
    // CUDA's own ptxas, where there is one, refuses what GCC 12 writes: a PATH without it.
    const program = join(folder, name)
    const source = join(root, `tests/stub/offload/${name}.c`)
    const flags = ['-O2', flag, '-foffload=nvptx-none', '-foffload-options=-misa=sm_80 -lm']
    const built = run('/usr/bin/gcc-12', [...flags, source, '-o', program, '-lm'], { PATH: '/usr/bin:/bin' }, 120_000)
    assert.is(built.status, 0, built.stderr)
    const result = run(program, [], { LD_LIBRARY_PATH: stubFolder(), RINGFENCE_STUB_LOG: 'error' }, 300_000)
    assert.is(result.stderr, '')
    assert.is(result.stdout, '1 devices, 0 failures\n')
    assert.is(result.status, 0)
  })

test.run()
