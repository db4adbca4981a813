// test: timeout 600
// Every spelling of the rows of matrices against exact sums of products. The seed of the random elements is printed with a
// failure; RINGFENCE_PTX_SEED repeats it.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { scratchFolder } from '../support/cc.ts'
import { engineProgram } from './ptx.ts'
import { runKernels, seed, tableOf, uncovered, type KernelCase } from './rows/harness.ts'
import type { Row } from './rows/instruction.ts'
import { Random } from './rows/operands.ts'
import * as products from './rows/products.ts'
import * as tiles from './rows/tiles.ts'
import * as warpgroups from './rows/warpgroups.ts'
import * as warpwide from './rows/warpwide.ts'

const folder = scratchFolder('ptx-rows-matrices')
const rows = tableOf(folder).filter((row) => row.section === 'Matrices')
const program = engineProgram('rows/run', join(folder, 'run'), 'none')

/** Cases of some rows: every spelling must be among them. */
function check(some: Row[], cases: (row: Row, random: Random) => KernelCase[], block: number, bytesIn: number, bytesOut: number): void {
  const random = new Random(seed)
  const list = some.flatMap((row) => cases(row, random))
  assert.equal(uncovered(some, list), [])
  const wrong = runKernels(list, { program, folder, block, bytesIn, bytesOut })
  assert.is(wrong.length, 0, `seed ${seed}: ${wrong.length} of ${list.length} wrong:\n${wrong.slice(0, 60).join('\n')}`)
}

test('mma: every shape, type and layout, dense, sparse and scaled', () => check(rows.filter((row) => row.name === 'mma'), products.productCases, 32, products.BYTES_IN, products.BYTES_OUT))

test('wmma: every shape, type, layout and space', () => check(rows.filter((row) => row.name === 'wmma'), warpwide.warpwideCases, 32, warpwide.BYTES_IN, warpwide.BYTES_OUT))

test('tiles: every shape, count, type and space', () => check(rows.filter((row) => row.kind === 'TILES' || row.name === 'movmatrix'), tiles.tileCases, 32, tiles.BYTES_IN, tiles.BYTES_OUT))

test('wgmma: every size and type, with every layout in shared memory', () => check(rows.filter((row) => row.kind === 'WGMMA'), warpgroups.warpgroupCases, 128, warpgroups.BYTES_IN, warpgroups.BYTES_OUT))

test.run()
