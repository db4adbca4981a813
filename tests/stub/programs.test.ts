// test: timeout 600
// The software GPU under C programs, each plain, under ASan with UBSan, and under TSan. A program's exit status is its
// verdict; on failure its stderr names the line and both values.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Sanitizer } from '../support/cc.ts'
import { stubProgram } from '../support/stub.ts'

const programs = [
  ['memory', 'addresses, copies, memsets, arrays, host memory and their errors'],
  ['streams', 'order, overlap, the legacy stream, events, many threads'],
  ['virtual', 'virtual memory management and pools'],
  ['handles', 'wrong handles, cuInit, fork, cuGetProcAddress'],
  ['cards', 'several processes share a card'],
] as const

const sanitizers: Sanitizer[] = ['none', 'address', 'thread']

for (const sanitizer of sanitizers)
  for (const [name, what] of programs)
    test(`${name}${sanitizer === 'none' ? '' : ` (-fsanitize=${sanitizer})`}: ${what}`, () => {
      const result = stubProgram(`tests/stub/c/${name}.c`, sanitizer)()
      assert.is(result.stderr.replace(/^ringfence-gpu: RINGFENCE_STUB_CARD_FD is a card .*\n/, ''), '')
      assert.is(result.status, 0)
    })

test('every asynchronous operation on the stream threads (RINGFENCE_STUB_INLINE=0) gives the same', () => {
  for (const name of ['streams', 'virtual', 'memory']) {
    const result = stubProgram(`tests/stub/c/${name}.c`)([], { RINGFENCE_STUB_INLINE: '0' })
    assert.is(result.stderr, '')
    assert.is(result.status, 0)
  }
})

test.run()
