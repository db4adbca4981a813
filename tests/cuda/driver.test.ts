// test: timeout 300
// The CUDA C++ programs without nvcc: their host part on the driver API (driver_runtime.h), their kernels from the checked-in PTX.
import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { cases, check, places } from './cases.ts'
import { buildAll, COMPRESSIONS, fatbinOf, IN_FATBINS, programs, ptxHead, ptxOf } from './suite.ts'

let daemon: Daemon
test.before(async () => {
  daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
  daemon.zone('cuda', '512Mi')
  await buildAll(programs.map((name) => [name, 'driver']))
})
test.after(() => daemon.remove())

test('the checked-in PTX is that of the programs as they are (else: npm run generate:kernels)', () => {
  for (const name of programs) assert.ok(readFileSync(ptxOf(name), 'utf8').startsWith(ptxHead(name)), name)
})

for (const each of cases()) test(`${each.name}: ${each.place}`, () => check(daemon, each, 'driver'))

for (const compression of COMPRESSIONS)
  for (const place of places)
    test(`a fat binary (--compress-mode=${compression}): ${place}`, () => check(daemon, { name: IN_FATBINS, place }, 'driver', fatbinOf(compression)))

test.run()
