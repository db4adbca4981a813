// test: alone timeout 600
// Fuzzing: the PTX lexer, parser, decoder and short runs; the linker; fat binaries and their decompressors. First what the
// corpus holds (it has an input for each finding of the past), with gcc's sanitizers; then libFuzzer, two processes side by side:
// RINGFENCE_FUZZ_SECONDS of wall time, 20 by default, 300 in CI, which makes ten CPU-minutes.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, run, scratchFolder } from '../support/cc.ts'
import { buildTarget, corpus, findClang, findingText, fuzz, targets, type Target } from './fuzz/build.ts'
import { engineObjects } from './ptx.ts'

const folder = scratchFolder('ptx-fuzz')
const seconds = Number(process.env['RINGFENCE_FUZZ_SECONDS'] ?? (process.env['CI'] === 'true' ? 300 : 20))
const clang = findClang()

const own = (target: Target): string[] => [`tests/ptx/fuzz/${target}.c`, 'tests/ptx/fuzz/replay.c', ...(target === 'fatbin' ? ['stub-driver/fatbin.c', 'stub-driver/decompress.c'] : ['tests/ptx/fuzz/exercise.c'])]

for (const target of targets)
  test(`${target}: no input of the corpus crashes, hangs or leaks (ASan, UBSan)`, () => {
    const objects = target === 'fatbin' ? ['-ldl'] : [...engineObjects('address'), '-lm']
    const program = compile({ sources: own(target), output: join(folder, target), sanitizer: 'address', link: [...objects, '-lpthread'] })
    const result = run(program, [corpus(target)], {}, 120_000)
    assert.is(result.status, 0, result.stderr.slice(-4000))
    assert.match(result.stdout, /^[1-9]\d* inputs/)
  })

/** Half of the time for the parser, the rest for the other two. */
const shares: [Target, number][][] = [[['ptx', 1]], [['link', 0.7], ['fatbin', 0.3]]]

const fuzzing = clang === undefined ? test.skip : test
fuzzing(`libFuzzer finds nothing in 2 x ${seconds} s${clang === undefined ? ' (no clang with libFuzzer here: install clang-14 and libclang-rt-14-dev)' : ''}`, async () => {
  const programs = new Map(targets.map((target) => [target, buildTarget(target, clang ?? '')]))
  await Promise.all(
    shares.map(async (share) => {
      for (const [target, part] of share) {
        const result = await fuzz(target, programs.get(target) ?? '', Math.max(2, Math.round(seconds * part)))
        console.log(`${target}: ${result.executions} inputs, ${result.edges} edges, ${result.features} features`)
        assert.is(result.status, 0, findingText(result))
        assert.ok(result.executions > 0, `${target} executed nothing:\n${result.output.slice(-2000)}`)
      }
    }),
  )
})

test.run()
