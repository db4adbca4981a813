// test: alone timeout 900
// Clients of others' making pass no less than the record says. A client that is not installed is skipped by name; one that needs what
// no package brings (a CUDA toolkit) is not among the tests where that is missing.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/cc.ts'
import { CLIENTS } from './clients.ts'
import { type Outcome, Zone } from './suite.ts'

const record = JSON.parse(readFileSync(join(root, 'tests/conformance/record.json'), 'utf8')) as Record<string, Outcome>

for (const client of CLIENTS) {
  if (client.long) continue
  const installed = client.version() !== null
  if (!installed && client.needs !== undefined) {
    console.log(`${client.name}: not run, it needs ${client.needs}`)
    continue
  }
  const check = installed ? test : test.skip
  check(`${client.name}${installed ? '' : ` (packages: ${client.packages.join(' ')})`}`, () => {
    const known = record[client.name]
    assert.ok(known, `${client.name} is not in the record: npm run conformance -- "${client.name}"`)
    const now = client.run(new Zone(client.name))
    assert.ok(now.passed >= known.passed, `${now.passed} pass, ${known.passed} did:\n${now.notes.join('\n')}`)
    assert.ok(now.failed <= known.failed, `${now.failed} fail, ${known.failed} did:\n${now.notes.join('\n')}`)
  })
}

test('the page is of this record', () => {
  const page = readFileSync(join(root, 'docs/CONFORMANCE.md'), 'utf8')
  for (const [name, entry] of Object.entries(record)) assert.match(page, new RegExp(`\\| ${name.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&')}[^|]*\\| [^|]+ \\| ${entry.passed} \\| ${entry.failed} \\| ${entry.skipped} \\|`))
})

test.run()
