// test: timeout 600
// The CUDA C++ programs as nvcc builds them: static libcudart, shared, and with per-thread default streams. Without nvcc there is
// nothing to build them with, and driver.test.ts runs the same programs.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Daemon } from '../support/daemon.ts'
import { cases, check } from './cases.ts'
import { type Build, buildAll, programs, toolkit } from './suite.ts'

const builds: Build[] = ['static', 'shared', 'per-thread']

if (toolkit() === null) {
  console.log('no nvcc on PATH: the programs are not built with the CUDA runtime')
  test('without nvcc nothing is registered here', () => assert.is(toolkit(), null))
} else {
  let daemon: Daemon
  test.before(async () => {
    daemon = await Daemon.start(['--driver', 'stub', '--card-memory', '1Gi'])
    daemon.zone('cuda', '512Mi')
    // Static first: shared is linked from the same object.
    for (const build of builds) await buildAll(programs.map((name) => [name, build]))
  })
  test.after(() => daemon.remove())
  for (const build of builds) for (const each of cases(build !== 'static')) test(`${each.name}, ${build}: ${each.place}`, () => check(daemon, each, build))
}

test.run()
