// test: alone timeout 180
// The gate: a few measurements that company on the machine hardly changes (CPU times, least values, ratios to the driver itself in the same second)
// against perf/bounds.json. Wide enough for two loaded cores, tight enough for a doubling; the rest is `npm run perf -- --gate` on a quiet machine.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gate } from '../../perf/gate.ts'
import type { Report } from '../../perf/result.ts'
import { root } from '../support/cc.ts'

const folder = mkdtempSync(join(tmpdir(), 'ringfence-gate-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

const MEASUREMENTS = ['cached', 'launch', 'record', 'set', 'message']
const json = join(folder, 'perf.json')

test('what posts, asks and serves costs what it did', () => {
  const result = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'perf/main.ts'), ...MEASUREMENTS, '-r', '2', '--gate', '--json', json], { cwd: root, encoding: 'utf8', timeout: 150_000 })
  // What is wrong comes first: a log may be cut.
  const wrong = result.stdout.split('\n').filter((line) => /^(gate|measured again|failed)\b|✘/.test(line.trim()))
  assert.is(result.status, 0, [...wrong, result.stdout, result.stderr].join('\n'))
  assert.match(result.stdout, 'gate: every ratio is within its bound')
})

test('a doubling is told, and so is a figure that is missing', () => {
  const report = JSON.parse(readFileSync(json, 'utf8')) as Report
  const message = report.results.find(({ measurement }) => measurement.name === 'message')!
  const figure = message.metrics.find(({ metric }) => metric.name === 'null_all')!
  const seen = figure.sides.ringfence!.median
  // 2.3 times what the bound was set at: the machine of the test may be faster than that one, or slower.
  figure.sides.ringfence!.median = 2.3 * 145
  assert.ok(gate(report, new Set(['message'])).some(({ key }) => key === 'message.null_all itself'), `not told, seen ${seen}`)
  delete figure.sides.ringfence
  assert.ok(gate(report, new Set(['message'])).some(({ sentence }) => sentence.includes('not measured')))
})

test.run()
