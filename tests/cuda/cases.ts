// What is run: each program of tests/cuda/programs, on the software GPU alone and in a zone; and what a program must have written.
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import * as assert from 'uvu/assert'
import type { Daemon } from '../support/daemon.ts'
import { libraries } from '../support/programs.ts'
import { type Build, buildProgram, programs, ptxOf } from './suite.ts'

export type Place = 'alone' | 'zone'
export const places: Place[] = ['alone', 'zone']

/** Programs that a place does not run yet, and what is missing. They are not registered as tests; a line says so. */
const missing: Record<string, Partial<Record<Place, string>>> = {}

const PRINTED = `begin
-42 7 42 beef BEEF 10 z %
   42|42   |00042|+42
3.141593 3.142       3.14|3.141593e+00 1e-10
-1099511627776 9223372036854775808 constant
no arguments
between
block 0 of 1, 32 threads
block 0 of 1, 64 threads
end
`
const ASSERTED = 'tests/cuda/programs/faults.cu:9: void insist(int): block: [0,0,0], thread: [7,0,0] Assertion `(int)threadIdx.x < n` failed.\n'
const output: Record<string, string> = { printf: PRINTED }
/** On standard error; of the program itself, not of the driver domain's. */
const errors: Record<string, string> = { faults: ASSERTED }

export interface Case {
  name: string
  place: Place
}

/** The programs and places that must pass; tells of the others. */
export function cases(quiet = false): Case[] {
  const off = Object.entries(missing).flatMap(([name, where]) => Object.entries(where).map(([place, why]) => `${name} (${place}): ${why}`))
  if (off.length > 0 && !quiet) console.log(`not run yet: ${off.join('; ')}`)
  return programs.flatMap((name) => places.filter((place) => missing[name]?.[place] === undefined).map((place) => ({ name, place })))
}

/** Runs one and holds it against what it must do. `image`: for the driver build, instead of its PTX. */
export async function check(daemon: Daemon, { name, place }: Case, build: Build, image = ptxOf(name)): Promise<void> {
  const path = await buildProgram(name, build)
  const env = { RF_CUDA_IMAGE: image }
  const ran: SpawnSyncReturns<string> =
    place === 'zone'
      ? daemon.in('cuda', path, [], env)
      : spawnSync(path, [], { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL', env: { PATH: process.env['PATH'], LD_LIBRARY_PATH: libraries.stub, RINGFENCE_STUB_MEMORY: '1Gi', ...env } })
  assert.is(ran.status, 0, `${name}: ${ran.status ?? ran.signal}\n${ran.stdout}${ran.stderr}${place === 'zone' ? daemon.output.slice(-2000) : ''}`)
  assert.is(ran.stdout, output[name] ?? '')
  if (place === 'alone') assert.is(ran.stderr, errors[name] ?? '')
}
