// test: timeout 600
// Every spelling of asynchronous barriers and copies against a model of the barrier and loops over bytes. The seed of the random
// operands is printed with a failure; RINGFENCE_PTX_SEED repeats it.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import * as async from './rows/async.ts'
import { runKernels, seed, tableOf, uncovered } from './rows/harness.ts'
import { Random } from './rows/operands.ts'

const folder = scratchFolder('ptx-rows-async')
const rows = tableOf(folder)

for (const [sanitizer, part] of [['none', 1], ['address', 8]] as const)
  test(`${part > 1 ? 'some' : 'all'} spellings of mbarrier, bulk copies and reductions, remote stores (sanitizer: ${sanitizer})`, () => {
    const random = new Random(seed)
    const some = rows.filter(async.isAsync)
    const all = some.flatMap((row) => async.asyncCases(row, random))
    assert.equal(uncovered(some, all), [])
    const list = all.filter((_, n) => (n + seed) % part === 0)
    const wrong = runKernels(list, { program: engineProgram('rows/run', join(folder, `run-${sanitizer}`), sanitizer), folder, block: 32, cluster: async.CLUSTER, bytesIn: async.BYTES_IN, bytesOut: async.BYTES_OUT })
    assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} of ${list.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
  })

test.run()
