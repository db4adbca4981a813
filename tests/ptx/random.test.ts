// test: timeout 600
// Random programs, one text for the host's compiler and the GPU's, compute the same on both, bit for bit. The seed is printed
// with a failure; `npx tsx tests/ptx/random/main.ts SECONDS --seed N` repeats it, makes the program smaller, and looks on.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seedOf } from '../support/seed.ts'
import { clang, clangTargets, mendByteExtracts, nvcc, nvccTargets } from './random/compilers.ts'
import { examine, targetsOf } from './random/examine.ts'

const first = seedOf('RINGFENCE_RANDOM_SEED', 'stub-driver/ptx', 'tests/ptx/random')
const PROGRAMS = 6

for (const [name, found, targets] of [['clang-14', clang, clangTargets], ['nvcc', nvcc, nvccTargets]] as const) {
  // nvcc is here by luck; clang-14 is a package that CI installs.
  if (name === 'nvcc' && !found) continue
  ;(found ? test : test.skip)(`${PROGRAMS} random programs through ${name} (seeds from ${first})${found ? '' : ' (not run: clang-14 is absent)'}`, () => {
    for (let seed = first; seed < first + PROGRAMS; seed++) {
      const { wrong } = examine(seed, targetsOf(seed, targets, name === 'nvcc' ? 1 : 3))
      assert.is(wrong, undefined, `seed ${seed}: ${wrong}`)
    }
  })
}

// Seed 770000172 with sm_100 -G showed it: a field of 5 bits came out of bfe.s32 with a sign.
test('what nvcc says wrongly of a byte above bit 24 is put right, and nothing else', () => {
  assert.is(mendByteExtracts('\tbfe.s32 \t%r2, %r1, 27, 8;\n'), '\tshr.u32 \t%r2, %r1, 27;\n')
  for (const right of ['bfe.s32 \t%r3, %r1, 24, 8;', 'bfe.s32 %r4, %r1, 27, 5;', 'bfe.u32 %r5, %r1, 27, 8;', 'bfe.s32 %r1, %r2, %r3, %r4;']) assert.is(mendByteExtracts(right), right)
})

test.run()
