// test: timeout 600
// Every spelling of asynchronous barriers and copies against a model of the barrier and loops over bytes. The seed of the random
// operands is printed with a failure; RINGFENCE_PTX_SEED repeats it.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchFolder, type Sanitizer } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import * as async from './rows/async.ts'
import { runKernels, seed, tableOf, uncovered, type KernelCase } from './rows/harness.ts'
import type { Row } from './rows/instruction.ts'
import { Random } from './rows/operands.ts'
import * as tensors from './rows/tensors.ts'

const folder = scratchFolder('ptx-rows-async')
const rows = tableOf(folder)

type Shape = { bytesIn: number; bytesOut: number }

/** Cases of some rows: every spelling must be among them; the sanitizers see one in `part`. */
function check(some: Row[], cases: (row: Row, random: Random) => KernelCase[], shape: Shape, sanitizer: Sanitizer, part: number): void {
  const random = new Random(seed)
  const all = some.flatMap((row) => cases(row, random))
  assert.equal(uncovered(some, all), [])
  const list = all.filter((_, n) => (n + seed) % part === 0)
  const wrong = runKernels(list, { program: engineProgram('rows/run', join(folder, `run-${sanitizer}`), sanitizer), folder, block: 32, cluster: async.CLUSTER, ...shape })
  assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} of ${list.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
}

for (const [sanitizer, part] of [['none', 1], ['address', 8]] as const) {
  const which = part > 1 ? 'some' : 'all'
  test(`${which} spellings of mbarrier, bulk copies and reductions, remote stores (sanitizer: ${sanitizer})`, () =>
    check(rows.filter(async.isAsync), async.asyncCases, { bytesIn: async.BYTES_IN, bytesOut: async.BYTES_OUT }, sanitizer, part))
  test(`${which} spellings of tensor copies and reductions, and of changes to maps (sanitizer: ${sanitizer})`, () =>
    check(rows.filter(tensors.isTensor), tensors.tensorCases, { bytesIn: tensors.BYTES_IN, bytesOut: tensors.BYTES_OUT }, sanitizer, part))
}

test.run()
