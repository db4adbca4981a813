// test: timeout 600
// Graphs and stream capture on the software GPU: the programs that also run inside a zone (e2e/graphs.test.ts), here under ASan
// with UBSan, and under TSan.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Sanitizer } from '../support/cc.ts'
import { stubProgram } from '../support/stub.ts'

const sanitizers: Sanitizer[] = ['none', 'address', 'thread']

const parts = {
  graphs: ['nodes', 'edges', 'updates', 'launches', 'memory', 'conditional', 'contexts'],
  captures: ['work', 'forks', 'modes', 'errors', 'info', 'body'],
}

for (const sanitizer of sanitizers)
  for (const [program, names] of Object.entries(parts))
    test(`${program}${sanitizer === 'none' ? '' : ` (-fsanitize=${sanitizer})`}`, () => {
      for (const name of names) {
        const result = stubProgram(`tests/programs/${program}.c`, sanitizer)([name])
        assert.is(result.stderr, '', name)
        assert.is(result.status, 0, name)
      }
    })

for (const sanitizer of ['none', 'address'] as const)
  for (const [shape, nodes] of [['wide', 100_000], ['chain', 100_000]] as const)
    test(`a ${shape} graph of very many nodes${sanitizer === 'none' ? '' : ` (-fsanitize=${sanitizer})`}`, () => {
      const result = stubProgram('tests/programs/large_graph.c', sanitizer)([shape, String(sanitizer === 'none' ? nodes : nodes / 10)])
      assert.is(result.stderr, '')
      assert.is(result.status, 0)
    })

test.run()
