// test: timeout 600
// Kernels on the software GPU: what they compute, and how they fault, print and are ended; each plain, under ASan with
// UBSan, and under TSan, which sees blocks on several threads.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { root, type Sanitizer } from '../support/cc.ts'
import { stubProgram } from '../support/stub.ts'

const programs = join(root, 'tests/ptx/programs')
const extras = join(root, 'tests/stub/kernels')
const sanitizers: Sanitizer[] = ['none', 'address', 'thread']

const named = (name: string, sanitizer: Sanitizer): string => (sanitizer === 'none' ? name : `${name} (-fsanitize=${sanitizer})`)

for (const sanitizer of sanitizers)
  test(named('kernels: computing, parameters, libraries, linking, images', sanitizer), () => {
    const result = stubProgram('tests/stub/c/kernels.c', sanitizer)([programs, extras], {
      RINGFENCE_STUB_THREADS: '3',
    })
    assert.is(result.stderr, '')
    assert.is(result.status, 0)
  })

const scenario = (name: string, sanitizer: Sanitizer, env: Record<string, string> = {}) =>
  stubProgram('tests/stub/c/kernel_faults.c', sanitizer)([join(programs, 'basics.ptx'), join(extras, 'extras.ptx'), name], {
    RINGFENCE_STUB_LOG: 'error',
    RINGFENCE_STUB_THREADS: '2',
    ...env,
  })

/** Scenario, and the words that the log must have. */
const faults: [string, RegExp[]][] = [
  ['bounds', [/out_of_bounds/, /block \(0,0,0\)/, /thread \(0,0,0\)/, /line \d+/, /nearest allocation is 0x7\w+ of 1000 bytes/]],
  ['foreign', [/out_of_bounds/, /which this context may not access/]],
  ['host', [/out_of_bounds/]],
  ['misaligned', [/misaligned/, /line \d+/, /0x7\w+/]],
  ['assert', [/failing_assert/, /thread \(3,0,0\)/, /threadIdx\.x < n/]],
  ['trap', [/traps/, /thread \(5,0,0\)/]],
  ['stack', [/overflow/, /line \d+/]],
]

for (const sanitizer of sanitizers) {
  for (const [name, words] of faults)
    test(named(`a fault (${name}) is the context's alone, stays, and is explained`, sanitizer), () => {
      const result = scenario(name, sanitizer)
      assert.is(result.status, 0, result.stderr)
      const line = result.stderr.split('\n').find((text) => text.includes('kernel '))
      assert.ok(line, result.stderr)
      for (const word of words) assert.match(line ?? '', word)
    })

  test(named('a kernel without end is ended by the time limit', sanitizer), () => {
    const result = scenario('timeout', sanitizer, { RINGFENCE_STUB_KERNEL_TIMEOUT: '300ms' })
    assert.is(result.status, 0, result.stderr)
    assert.match(result.stderr, /forever.*after 300 ms/)
  })

  for (const name of ['destroyed', 'released', 'heap'])
    test(named(`kernels: ${name}`, sanitizer), () => {
      const result = scenario(name, sanitizer, { RINGFENCE_STUB_LOG: 'none' })
      assert.is(result.stderr, '')
      assert.is(result.status, 0)
    })

  test(named('printf appears when the program waits, in its place among the lines of the program', sanitizer), () => {
    const result = scenario('prints', sanitizer)
    assert.is(result.stdout, 'before\nblock 0\nafter\nblock 0\nend\n')
    assert.is(result.status, 0, result.stderr)
  })
}

test('one thread or many: the same answers', () => {
  for (const threads of ['1', '4']) {
    const result = stubProgram('tests/stub/c/kernels.c')([programs, extras], { RINGFENCE_STUB_THREADS: threads })
    assert.is(result.stderr, '')
    assert.is(result.status, 0)
  }
})

test.run()
