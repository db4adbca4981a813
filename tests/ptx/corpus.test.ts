// test: timeout 600
// What the fuzzers' corpus holds, an input for each finding of the past among it, with gcc's sanitizers; and that clang can build the
// targets, so that fuzz.test.ts, which has the machine for itself, finds them made.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, run, scratchFolder } from '../support/cc.ts'
import { buildTarget, corpus, findClang, targets, type Target } from './fuzz/build.ts'
import { engineObjects } from './ptx.ts'

const folder = scratchFolder('ptx-corpus')

const own = (target: Target): string[] => [`tests/ptx/fuzz/${target}.c`, 'tests/ptx/fuzz/replay.c', 'tests/ptx/fuzz/watch.c', ...(target === 'fatbin' ? ['stub-driver/fatbin.c', 'stub-driver/decompress.c'] : ['tests/ptx/fuzz/exercise.c'])]

for (const target of targets)
  test(`${target}: no input of the corpus crashes, hangs or leaks (ASan, UBSan)`, () => {
    const objects = target === 'fatbin' ? ['-ldl'] : [...engineObjects('address'), '-lm']
    const program = compile({ sources: own(target), output: join(folder, target), sanitizer: 'address', link: [...objects, '-lpthread'] })
    const result = run(program, [corpus(target)], {}, 120_000)
    assert.is(result.status, 0, result.stderr.slice(-4000))
    assert.match(result.stdout, /^[1-9]\d* inputs/)
  })

const clang = findClang()
if (clang !== undefined) test('the targets build with libFuzzer', () => targets.forEach((target) => buildTarget(target, clang)))

test.run()
