// test: timeout 120
// What each call of the driver API answers to arguments that are wrong, against its documentation: the table in rows.h, on the software
// GPU called directly and in a zone. The two runs differ only in which libcuda.so.1 they find.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compile, makeFolder, root, run } from '../support/cc.ts'
import { Daemon } from '../support/daemon.ts'
import { libraries } from '../support/programs.ts'

const folder = join(root, 'tests/errors')
const sources = readdirSync(folder).filter((name) => name.endsWith('.c')).map((name) => join(folder, name))

function table(): string {
  const hash = createHash('sha256')
  for (const file of [...sources, join(folder, 'rows.h'), join(root, 'idm/cuda_types.h'), join(root, 'idm/generated/cuda.h')]) hash.update(readFileSync(file))
  const output = join(makeFolder(join(root, 'build/tests')), `errors-${hash.digest('hex').slice(0, 12)}`)
  if (!existsSync(output)) compile({ sources, output, includes: [join(root, 'idm'), join(root, 'idm/generated')], link: [`-L${libraries.stub}`, '-lcuda', '-lpthread'] })
  return output
}

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start()
  daemon.zone('a', '1Gi')
})
test.after(() => daemon.remove())

test('every documented error on the software GPU alone', () => {
  const result = run(table(), [], { LD_LIBRARY_PATH: libraries.stub })
  assert.match(result.stdout, /^\d{4,} rows, 0 wrong\n$/, result.stdout + result.stderr)
})

test('every documented error in a zone, and nothing is left behind', async () => {
  const result = daemon.in('a', table())
  assert.match(result.stdout, /^\d{4,} rows, 0 wrong\n$/, result.stdout + result.stderr)
  await daemon.empty('a')
})

test.run()
