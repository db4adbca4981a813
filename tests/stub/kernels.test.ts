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
  ['reads', [/illegal address: read 0x7\w+ in reads/, /wrong\.cu:10/, /is in the allocation 0x7\w+ of 4000 bytes, which has been freed/]],
  ['updates', [/illegal address: write/, /wrong\.cu:11/, /freed/]],
  ['past_shared', [/shared-memory write 0x40 /, /wrong\.cu:12/]],
  ['past_shared_generic', [/illegal address: read 0xfd000000000040/, /wrong\.cu:13/]],
  ['shared_as_global', [/illegal address: write 0xfd/, /wrong\.cu:14/]],
  ['local_as_global', [/illegal address: read 0xfe/, /wrong\.cu:15/]],
  ['past_local', [/local-memory write 0x10000000/, /wrong\.cu:16/]],
  ['writes_code', [/illegal address: write 0xfb/, /wrong\.cu:17/]],
  ['global_as_shared', [/shared-memory read 0x7/, /wrong\.cu:18/]],
  ['breakpoint', [/trap: trap in breakpoint/, /wrong\.cu:19/]],
  ['half_a_barrier', [/deadlock: 32 of 96 threads wait for ever at barrier 0x[12] /, /wrong\.cu:20/]],
  ['missing_lanes', [/deadlock: lanes wait for ever/, /wrong\.cu:21/]],
  ['wild_branch', [/thread \(2,0,0\)/, /beyond its table, index 0x2/, /wrong\.cu:22/]],
  ['wild_call', [/call of an address that is no function, 0x7/, /wrong\.cu:23/]],
  ['misaligned_vector', [/misaligned address: read 0x7\w+4 /, /wrong\.cu:24/]],
]

for (const sanitizer of sanitizers) {
  for (const [name, words] of faults)
    test(named(`a fault (${name}) is the context's alone, stays, and is explained`, sanitizer), () => {
      const result = scenario(name, sanitizer, name === 'foreign' ? { RINGFENCE_STUB_DEVICES: '2' } : {})
      assert.is(result.status, 0, result.stderr)
      const line = result.stderr.split('\n').find((text) => text.includes('kernel '))
      assert.ok(line, result.stderr)
      for (const word of words) assert.match(line ?? '', word)
      if (name === 'assert') assert.match(result.stderr, /basics\.cu:\d+: .*failing_assert.*: block: \[0,0,0\], thread: \[3,0,0\] Assertion `threadIdx\.x < n` failed\.\n/)
    })

  test(named('a kernel without end is ended by the time limit', sanitizer), () => {
    const result = scenario('timeout', sanitizer, { RINGFENCE_STUB_KERNEL_TIMEOUT: '300ms' })
    assert.is(result.status, 0, result.stderr)
    assert.match(result.stderr, /forever.*after 300 ms/)
  })

  for (const name of ['destroyed', 'released', 'heap', 'divides', 'shared'])
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

/** Kernel of kernel_checks.c, the setting, and what must be said; nothing where there is nothing to say. */
const checks: [string, string, RegExp[]][] = [
  ['races', 'race', [/^race: kernel races, block \(0,0,0\)|^.*race: kernel races, block \([01],0,0\), thread \(\d+,0,0\) (reads|writes) 0x\w+ of shared memory in races, PTX line \d+ \(checked\.cu:1[01]\); thread \(\d+,0,0\) (wrote|read) it in races, PTX line \d+ \(checked\.cu:1[01]\), and no barrier/]],
  ['in_order', 'race,init', []],
  ['write_after_read', 'race', [/thread \S+ (writes|reads) 0x\w+ of shared memory in write_after_read, PTX line \d+ \(checked\.cu:1[34]\); thread \S+ (read|wrote) it in write_after_read/]],
  ['both_write', 'race', [/writes 0x0 of shared memory .*; thread \S+ wrote it/]],
  ['same_value', 'race', []],
  ['atomics', 'race,init', []],
  ['warp_in_order', 'race,init', []],
  ['warp_races', 'race', [/reads 0x\w+ of shared memory in warp_races, PTX line \d+ \(checked\.cu:20\); thread \S+ wrote it in warp_races, PTX line \d+ \(checked\.cu:19\)/]],
  ['reads_shared', 'init', [/uninitialised: kernel reads_shared, block \([01],0,0\), thread \(0,0,0\) reads 4 bytes at 0x0 of shared memory in reads_shared, PTX line \d+ \(checked\.cu:21\)/]],
  ['reads_local', 'init', [/uninitialised: .* of local memory in reads_local, PTX line \d+ \(checked\.cu:23\)/]],
  ['reads_global', 'init', [/uninitialised: .* reads 4 bytes at 0x7\w+ of global memory in reads_global, PTX line \d+ \(checked\.cu:24\)/]],
  ['writes_global', 'race,init', []],
  ['reads_heap', 'init', [/uninitialised: .* of global memory in reads_heap, PTX line \d+ \(checked\.cu:27\)/]],
  ['phase_in_order', 'race,init', []],
  ['phase_unwaited', 'race', [/(reads|writes) 0x\w+ of shared memory in phase_unwaited, PTX line \d+ \(checked\.cu:(29|30)\); thread \S+ (wrote|read) it in phase_unwaited/]],
  ['phase_uninitialised', 'race', [/thread \(32,0,0\) updates 0x400 of shared memory in phase_uninitialised, PTX line \d+ \(checked\.cu:32\); thread \(0,0,0\) wrote it in phase_uninitialised, PTX line \d+ \(checked\.cu:31\)/]],
  ['bulk', 'race,init', []],
  ['tile_in_order', 'race,init', []],
  ['tile_races', 'race', [/thread \(32,0,0\) reads 0x\w+ of shared memory in tile_races, PTX line \d+ \(checked\.cu:37\); thread \S+ wrote it in tile_races, PTX line \d+ \(checked\.cu:36\)/]],
  ['reads_tile', 'init', [/uninitialised: .* reads 16 bytes at 0x0 of shared memory in reads_tile, PTX line \d+ \(checked\.cu:38\)/]],
  ['copied', 'init', []],
  ['again', 'init', [/uninitialised: .* reads_global/]],
  ['races', '', []],
  ['reads_global', 'race', []],
]
for (const sanitizer of ['none', 'address'] as const)
  for (const [name, setting, words] of checks)
    test(named(`RINGFENCE_STUB_CHECK=${setting}: ${name}`, sanitizer), () => {
      const env = { RINGFENCE_STUB_CHECK: setting, RINGFENCE_STUB_THREADS: '2' }
      const result = stubProgram('tests/stub/c/kernel_checks.c', sanitizer)([join(programs, 'basics.ptx'), name], env)
      assert.is(result.status, 0, result.stderr)
      if (words.length === 0) assert.is(result.stderr, '')
      for (const word of words) assert.match(result.stderr, word)
    })

test('checks find nothing in sound kernels of every kind', () => {
  const env = { RINGFENCE_STUB_CHECK: 'init,race', RINGFENCE_STUB_THREADS: '2' }
  const result = stubProgram('tests/stub/c/kernels.c')([programs, extras], env)
  assert.is(result.status, 0, result.stderr)
  assert.is(result.stderr, '')
})

test('one thread or many: the same answers', () => {
  for (const threads of ['1', '4']) {
    const result = stubProgram('tests/stub/c/kernels.c')([programs, extras], { RINGFENCE_STUB_THREADS: threads })
    assert.is(result.stderr, '')
    assert.is(result.status, 0)
  }
})

test.run()
