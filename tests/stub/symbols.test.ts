// test: timeout 600
// What leaves the library: exactly the symbols of the driver API 13.0 as the call table has them, under the right soname.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, run } from '../support/cc.ts'
import { stubFolder } from '../support/stub.ts'

const library = join(stubFolder(), 'libcuda.so.1')

test('exports the call table, the mark of a software GPU, and nothing else', () => {
  const table = readFileSync(join(root, 'idm/generated/exports.inc'), 'utf8')
  const calls = [...table.matchAll(/^RF_EXPORT\((\w+)\)/gm)].map((match) => match[1]!)
  // by which the executor knows that there is no hardware; managed variables' pages; what code will take
  const wanted = [...calls, 'ringfence_software_gpu', 'ringfence_managed_descriptor', 'ringfence_image_memory', 'ringfence_code_limit', 'ringfence_context_stop'].sort()
  const exported = run('nm', ['-D', '--defined-only', library])
    .stdout.trim()
    .split('\n')
    .map((line) => line.split(' ').at(-1)!)
    .sort()
  assert.ok(wanted.length > 600)
  assert.equal(exported, wanted)
})

test('is called libcuda.so.1, binds its own symbols, and needs no CUDA', () => {
  const dynamic = run('readelf', ['-dW', library]).stdout
  assert.match(dynamic, /SONAME.*\[libcuda\.so\.1\]/)
  assert.match(dynamic, /SYMBOLIC/)
  assert.not.match(dynamic, /NEEDED.*(cuda|nvidia)/i)
})

test.run()
