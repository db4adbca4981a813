// test: timeout 240
// The bundle for machines with a card, as it would run there: with its own Node and nothing else on PATH, on the software GPU.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/cc.ts'

const folder = mkdtempSync(join(tmpdir(), 'ringfence-gpu-check-test-'))
const bundle = join(folder, 'ringfence-gpu-check')
/** What a launcher in sh needs, and no Node, no compiler. */
const bin = join(folder, 'bin')
mkdirSync(bin)
for (const tool of ['sh', 'dirname', 'uname']) {
  const place = ['/bin', '/usr/bin'].map((path) => join(path, tool)).find((path) => existsSync(path))
  if (place) symlinkSync(place, join(bin, tool))
}
const environment = { PATH: bin, HOME: folder }
const check = (...args: string[]) => spawnSync(join(bundle, 'gpu-check'), args, { cwd: folder, env: environment, encoding: 'utf8', timeout: 200_000 })

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('packed, unpacked, run: it is small enough, and all is as it should be', () => {
  const file = join(folder, 'bundle.tar.gz')
  const packed = spawnSync(process.execPath, [join(root, 'scripts/gpu-check.mjs'), 'pack', '--out', file], { encoding: 'utf8' })
  assert.is(packed.status, 0, packed.stdout + packed.stderr)
  assert.is(spawnSync('tar', ['-xzf', file, '-C', folder]).status, 0)
  assert.ok(existsSync(join(bundle, 'node/bin/node')))

  const result = check('--driver', 'stub', '--quick', '--out', join(folder, 'report'))
  assert.is(result.status, 0, result.stdout + result.stderr)
  const { about, parts } = JSON.parse(readFileSync(join(folder, 'report/report.json'), 'utf8')) as {
    about: { software: boolean; device: string }
    parts: { name: string; rows: { what: string; verdict: string; ringfence: string }[] }[]
  }
  assert.is(about.software, true)
  assert.match(about.device, 'Ringfence Software GPU')
  assert.equal(parts.map(({ name }) => name), ['programs', 'facts', 'perf', 'torch'])
  const rows = (name: string) => parts.find((part) => part.name === name)!.rows
  assert.equal(rows('programs').map(({ what, verdict }) => `${what} ${verdict}`), ['sequence ok', 'kernels ok'])
  // Each of the numbered questions that a program can answer was asked.
  const asked = new Set(rows('facts').map(({ what }) => Number.parseInt(what, 10)))
  assert.equal([...asked].sort((a, b) => a - b), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
  assert.ok(rows('perf').every(({ verdict, ringfence }) => verdict === 'noted' && ringfence !== ''))
  const page = readFileSync(join(folder, 'report/report.md'), 'utf8')
  assert.match(page, /^# GPU check: Ringfence Software GPU/)
  assert.match(page, '## Test programs')
})

test('a driver that is not there is named, and what to do', () => {
  const missing = check('--driver', '/nowhere/libcuda.so.1')
  assert.is(missing.status, 3)
  assert.match(missing.stderr, '/nowhere/libcuda.so.1 is no driver')
  mkdirSync(join(folder, 'broken'))
  writeFileSync(join(folder, 'broken/libcuda.so.1'), 'not a library')
  const broken = check('--driver', join(folder, 'broken/libcuda.so.1'), '--only', 'facts')
  assert.is(broken.status, 3)
  assert.match(broken.stderr, 'does not work by itself')
  const unknown = check('--driver', 'stub', '--only', 'everything')
  assert.is(unknown.status, 2)
  assert.match(unknown.stderr, 'there are programs, facts, perf, torch')
})

test.run()
