// test: timeout 600
// Every spelling of the rows of matrices against exact sums of products. The seed of the random elements is printed with a
// failure; RINGFENCE_PTX_SEED repeats it.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import { HEAD, runKernels, seed, tableOf, uncovered } from './rows/harness.ts'
import { Random } from './rows/operands.ts'
import * as products from './rows/products.ts'

const folder = scratchFolder('ptx-rows-matrices')
const rows = tableOf(folder).filter((row) => row.section === 'Matrices')
const program = engineProgram('rows/run', join(folder, 'run'), 'none')

const mma = rows.filter((row) => row.name === 'mma')

test('mma: every shape, type and layout, dense, sparse and scaled', () => {
  const random = new Random(seed)
  const list = mma.flatMap((row) => products.productCases(row, random))
  assert.equal(uncovered(mma, list), [])
  const wrong = runKernels(list, { program, folder, head: HEAD, block: 32, bytesIn: products.BYTES_IN, bytesOut: products.BYTES_OUT })
  assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} of ${list.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
})

test.run()
