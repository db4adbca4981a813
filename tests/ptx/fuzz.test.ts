// test: alone timeout 600
// Fuzzing: the PTX lexer, parser, decoder and short runs; the linker; fat binaries and their decompressors. What the corpus holds
// has run by itself (corpus.test.ts, which also builds the targets, beside other tests); here is libFuzzer, two processes side by
// side: RINGFENCE_FUZZ_SECONDS of wall time, 20 by default, 300 in CI, which makes ten CPU-minutes.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seedOf } from '../support/seed.ts'
import { buildTarget, findClang, findingText, fuzz, targets, type Target } from './fuzz/build.ts'

const seconds = Number(process.env['RINGFENCE_FUZZ_SECONDS'] ?? (process.env['CI'] === 'true' ? 300 : 20))
// How far it gets is the machine's; from where is the same everywhere. A tree that passed here finds nothing in CI by other dice.
const seed = 1 + seedOf('RINGFENCE_FUZZ_SEED', 'stub-driver', 'tests/ptx/fuzz')
const clang = findClang()

/** Half of the time for the parser, the rest for the other two. */
const shares: [Target, number][][] = [[['ptx', 1]], [['link', 0.7], ['fatbin', 0.3]]]

const fuzzing = clang === undefined ? test.skip : test
fuzzing(`libFuzzer finds nothing in 2 x ${seconds} s${clang === undefined ? ' (no clang with libFuzzer here: install clang-14 and libclang-rt-14-dev)' : ''}`, async () => {
  const programs = new Map(targets.map((target) => [target, buildTarget(target, clang ?? '')]))
  await Promise.all(
    shares.map(async (share) => {
      for (const [target, part] of share) {
        const result = await fuzz(target, programs.get(target) ?? '', Math.max(2, Math.round(seconds * part)), undefined, seed)
        console.log(`${target}: ${result.executions} inputs, ${result.edges} edges, ${result.features} features`)
        assert.is(result.status, 0, findingText(result))
        assert.ok(result.executions > 0, `${target} executed nothing:\n${result.output.slice(-2000)}`)
      }
    }),
  )
})

test.run()
