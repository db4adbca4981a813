// test: timeout 400
// The client library against a broker in C: introductions that fail, brokers that die, random copies, many threads, forks;
// plainly and under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Sanitizer } from '../support/cc.ts'
import { buildVariant } from '../support/variant.ts'
import { against, broker, build, fine, run } from './support.ts'

const REFUSALS: [mode: string, error: RegExp, line: RegExp][] = [
  ['refuse', /CUDA_ERROR_NOT_PERMITTED/, /refused: this is not the zone's token \(got 'secret'\): correct RINGFENCE_TOKEN/],
  ['protocol', /CUDA_ERROR_SYSTEM_DRIVER_MISMATCH/, /speaks protocol version 2\.0 and this client 1\.0: install client and broker of one version/],
  ['garbage', /CUDA_ERROR_SYSTEM_DRIVER_MISMATCH/, /is no Ringfence broker of this version/],
  ['hangup', /CUDA_ERROR_SYSTEM_NOT_READY/, /hung up during the introduction/],
  ['noregion', /CUDA_ERROR_SYSTEM_NOT_READY/, /sent no shared memory/],
  ['badregion', /CUDA_ERROR_SYSTEM_DRIVER_MISMATCH/, /makes no sense \(ring\)/],
  ['small', /CUDA_ERROR_SYSTEM_NOT_READY/, /smaller than it says/],
  ['window', /CUDA_ERROR_OPERATING_SYSTEM/, /cannot keep the GPU's addresses/],
]

for (const [mode, error, line] of REFUSALS)
  test(`introduction: ${mode}`, async () => {
    const ran = await against(mode, build('copies'), ['1', '1'], { env: { RINGFENCE_TOKEN: 'secret' }, timeout: 60_000 })
    assert.is(ran.status, 1, ran.stdout + ran.stderr)
    const [first, second] = ran.stderr.split('\n')
    assert.match(first!, line)
    assert.match(first!, /^ringfence: /)
    assert.match(second!, error)
  })

test('a broker that accepts and says nothing is given up, by a program that signals interrupt too', async () => {
  const [ran, interrupted] = await Promise.all([
    against('silent', build('copies'), ['1', '1'], { timeout: 60_000 }),
    against('silent', build('process'), ['signals'], { timeout: 60_000 }),
  ])
  fine(interrupted)
  assert.is(ran.status, 1, String(ran.signal))
  assert.match(ran.stderr, /does not answer/)
  assert.match(ran.stderr, /CUDA_ERROR_SYSTEM_NOT_READY/)
})

test('a farewell says with which error calls fail', async () => {
  const ran = await against('farewell=4', build('copies'), ['1', '1'], { timeout: 60_000 })
  assert.is(ran.status, 1)
  assert.match(ran.stderr, /^ringfence: the broker ended this client; CUDA calls of this process now return CUDA_ERROR_OUT_OF_MEMORY\n.*CUDA_ERROR_OUT_OF_MEMORY/)
})

test('a hang-up that a thread notices before the farewell was read does not take its place', async () => {
  const ran = await against('leave=10', build('process'), ['farewell'], { timeout: 60_000 })
  fine(ran)
  assert.match(ran.stderr, /^ringfence: the broker ended this client; [^\n]*CUDA_ERROR_OUT_OF_MEMORY\n$/)
})

for (const after of [0, 1, 3, 10, 40])
  test(`a broker that dies instead of answer ${after} fails that call`, async () => {
    const ran = await against(`die=${after}`, build('copies'), ['1', '50'], { timeout: 60_000 })
    assert.is(ran.status, 1, ran.stdout + ran.stderr)
    assert.match(ran.stderr, /^ringfence: the broker has gone; .*CUDA_ERROR_DEVICE_UNAVAILABLE\n.*CUDA_ERROR_DEVICE_UNAVAILABLE/)
  })

test('a call does not fail before the line that says why has been written', async () =>
  fine(await against('die=10', build('process'), ['last-line'], { timeout: 60_000 })))

async function killUnder(sanitizer: Sanitizer, threads: number): Promise<void> {
  const b = await broker('serve')
  const ran = await run(build('threads', sanitizer), ['until-dead', String(threads)], b.socket, {
    sanitizer, timeout: 120_000, output: (text) => text.includes('started') && setTimeout(() => b.process.kill('SIGKILL'), 50),
  })
  await b.stop()
  fine(ran)
  assert.is(ran.stderr.match(/the broker has gone/g)?.length, 1, ran.stderr)
}

const VARIANTS: [name: string, sanitizer: Sanitizer, seeds: number[], rounds: string][] = [
  ['release', 'none', [1, 2, 3], '1500'],
  ['address and undefined behaviour', 'address', [4], '400'],
  ['thread', 'thread', [5], '250'],
]

for (const [name, sanitizer, seeds, rounds] of VARIANTS) {
  test(`${name}: the library builds`, () => buildVariant(sanitizer))
  for (const seed of seeds)
    test(`${name}: random copies, seed ${seed}`, async () => fine(await against('serve', build('copies', sanitizer), [String(seed), rounds], { sanitizer })))
  test(`${name}: more threads than reply slots`, async () => fine(await against('serve', build('threads', sanitizer), ['work', '24', '20'], { sanitizer })))
  test(`${name}: an executor with other zones, that wakes early and late`, async () => {
    fine(await against('restless', build('copies', sanitizer), [String(seeds[0]), '60'], { sanitizer }))
    fine(await against('restless', build('threads', sanitizer), ['work', '24', '4'], { sanitizer }))
  })
  test(`${name}: threads that come and go`, async () => fine(await against('serve', build('threads', sanitizer), ['come-and-go', '200'], { sanitizer })))
  test(`${name}: cancelled threads`, async () => fine(await against('serve', build('threads', sanitizer), ['cancel'], { sanitizer })))
  test(`${name}: the broker killed under 16 busy threads`, () => killUnder(sanitizer, 16))
  test(`${name}: tiles and ranges`, async () => {
    fine(await run(build('unit', sanitizer, [], ['libvgpu/tiles.c', 'libvgpu/ranges.c']), [], '', { sanitizer }))
  })
}

for (const mode of ['fork', 'fork-busy', 'callbacks', 'dlclose', 'close-all', 'devices', 'contexts', 'descriptors', 'main-leaves'])
  test(`a process: ${mode}`, async () => fine(await against('serve', build('process'), [mode], { env: mode === 'devices' ? { CUDA_VISIBLE_DEVICES: 'GPU-20,0,7' } : {} })))

test.run()
