// test: timeout 300
// Graphs and stream capture inside a zone: the programs that the software GPU alone passes (stub/graphs.test.ts) pass here too, and
// leave nothing behind.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon, until } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

const parts = {
  graphs: ['nodes', 'edges', 'updates', 'launches', 'memory', 'conditional', 'contexts'],
  captures: ['work', 'forks', 'modes', 'errors', 'info', 'body'],
}

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
})
test.after(() => daemon.remove())

for (const [name, args] of Object.entries(parts))
  for (const part of args)
    test(`${name} ${part}: inside a zone`, async () => {
      const result = daemon.in('a', program(name), [part])
      assert.is(result.status, 0, result.stdout + result.stderr)
      await until('the zone to be empty', () => daemon.usage('a').clients === 0)
      const { memory, handles, allocations, staging } = daemon.usage('a')
      assert.equal({ memory, handles, allocations, staging }, { memory: 0, handles: 0, allocations: 0, staging: 0 }, 'it left nothing')
    })

test.run()
