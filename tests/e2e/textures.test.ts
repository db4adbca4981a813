// Textures and surfaces in a zone: every kind of resource, references, their errors, and a kernel outside its surface, which costs its
// context and no more.
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { program } from '../support/programs.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '512Mi'])
  daemon.zone('alice', '128Mi')
})
test.after(() => daemon.remove())

test('textures and surfaces compute in a zone as they do without', async () => {
  const folder = join(root, 'tests/programs')
  for (let round = 0; round < 2; round++) {
    const result = daemon.in('alice', program('textures'), [folder])
    assert.is(result.status, 0, result.stderr)
    assert.is(result.stdout, 'textures: done\n')
  }
  await daemon.empty('alice')
})

test.run()
