// test: timeout 300
// Graphs and stream capture inside a zone: the programs that the software GPU alone passes (stub/graphs.test.ts) pass here too, and
// leave nothing behind.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

const parts = {
  graphs: ['nodes', 'edges', 'updates', 'launches', 'memory', 'conditional', 'contexts'],
  captures: ['work', 'forks', 'modes', 'errors', 'info', 'body'],
}

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
  daemon.zone('b', '1Gi')
})
test.after(() => daemon.remove())

for (const [name, args] of Object.entries(parts))
  for (const part of args)
    test(`${name} ${part}: inside a zone`, async () => {
      const result = daemon.in('a', program(name), [part])
      assert.is(result.status, 0, result.stdout + result.stderr)
      await daemon.empty('a')
    })

for (const [shape, nodes] of [['wide', 100_000], ['chain', 100_000], ['refused', 300_000]] as const)
  test(`a ${shape} graph of ${nodes} nodes: inside a zone, beside another`, async () => {
    const result = daemon.in('a', program('large_graph'), [shape, String(nodes)])
    assert.is(result.status, 0, result.stdout + result.stderr)
    const other = daemon.in('b', program('graphs'), ['launches'])
    assert.is(other.status, 0, other.stdout + other.stderr)
    for (const zone of ['a', 'b']) await daemon.empty(zone)
  })

test.run()
