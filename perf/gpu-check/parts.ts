// What is looked at, part by part. Each returns what it found; nothing here throws for what a driver does.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report as PerfReport } from '../result.ts'
import { programs, run, type Run, type Sides } from './sides.ts'

export type Verdict = 'ok' | 'differs' | 'failed' | 'not run' | 'noted'

export interface Row {
  what: string
  native: string
  ringfence: string
  verdict: Verdict
  says: string
}

export interface Part {
  name: string
  title: string
  /** One sentence: what is compared, and what counts as the same. */
  about: string
  rows: Row[]
}

const seconds = (run: Run): string => `${run.took.toFixed(2)} s`
const told = (run: Run): string => (run.status === 0 ? seconds(run) : `status ${run.status}`)
const complaint = (...runs: Run[]): string => runs.filter(({ status }) => status !== 0).map(({ stderr, stdout }) => (stderr.trim() || stdout.trim()).split('\n').slice(-2).join(' ')).join('; ').slice(0, 300)

const PROGRAMS: readonly (readonly [name: string, ...args: string[]])[] = [
  ['sequence'], ['kernels'], ['contexts'], ['memory'], ['streams'], ['copies', '1'], ['copies', '20261121'], ['process', 'fork'], ['process', 'exit'], ['process', 'threads'],
]
const QUICK = 2

/** The test programs: what they assert must hold on both sides, and what they print must be the same. */
export async function programsPart(root: string, sides: Sides, quick: boolean): Promise<Part> {
  const rows: Row[] = []
  for (const [name, ...args] of PROGRAMS.slice(0, quick ? QUICK : undefined)) {
    const file = join(programs(root), `test-${name}`)
    const native = await run(file, args, sides.native, 120)
    const zone = await run(file, args, sides.zone, 120)
    const same = native.status === zone.status && native.stdout === zone.stdout
    rows.push({
      what: [name, ...args].join(' '),
      native: told(native),
      ringfence: told(zone),
      verdict: native.status !== 0 ? (zone.status !== 0 ? 'noted' : 'differs') : zone.status !== 0 ? 'failed' : same ? 'ok' : 'differs',
      says: native.status !== 0 || zone.status !== 0 ? complaint(native, zone) : same ? firstLines(native.stdout) : `native: ${firstLines(native.stdout)}; zone: ${firstLines(zone.stdout)}`,
    })
  }
  return { name: 'programs', title: 'Test programs', about: 'Each program checks its own results; beyond that its output, hashes of what kernels left included, must be the same byte for byte.', rows }
}

const firstLines = (text: string): string => text.trim().split('\n').slice(0, 4).join(', ').slice(0, 160)

interface Fact {
  check: number
  name: string
  value: number
  unit: string
  verdict: 'expected' | 'unexpected' | 'noted'
  says: string
}

/** docs/REAL-GPU.md's questions, asked of the driver itself. */
export async function factsPart(root: string, sides: Sides, quick: boolean): Promise<Part> {
  const result = await run(join(programs(root), 'facts'), quick ? ['quick'] : [], sides.native, 900)
  const rows = result.stdout.split('\n').filter(Boolean).map((line): Row => {
    const fact = JSON.parse(line) as Fact
    return { what: `${fact.check}. ${fact.name}`, native: `${fact.value} ${fact.unit}`.trim(), ringfence: '', verdict: fact.verdict === 'expected' ? 'ok' : fact.verdict === 'noted' ? 'noted' : 'differs', says: fact.says }
  })
  if (result.status !== 0) rows.push({ what: 'facts', native: told(result), ringfence: '', verdict: 'failed', says: complaint(result) })
  return { name: 'facts', title: 'What the driver does', about: 'The numbers are those of docs/REAL-GPU.md; "differs" means that the executor relies on something else.', rows }
}

const MEASUREMENTS = [
  'waited', 'query', 'idle', 'launch', 'record', 'set', 'cached', 'alloc', 'h2d-pageable', 'd2h-pageable', 'h2d-pinned', 'd2h-pinned',
  'sizes-h2d-pinned', 'sizes-d2h-pinned', 'streams-h2d', 'streams-d2h', 'threads', 'connect', 'mix', 'infer', 'rest',
]
const QUICK_MEASUREMENTS = ['launch', 'h2d-pinned']

/** On hardware the reference is the driver itself: at most, or at least, so many times its figure. */
const BARS: Readonly<Record<string, { atMost?: number; atLeast?: number }>> = {
  'mix.step': { atMost: 1.01 },
  'h2d-pinned.rate': { atLeast: 0.97 }, 'd2h-pinned.rate': { atLeast: 0.97 },
  'h2d-pageable.rate': { atLeast: 0.9 }, 'd2h-pageable.rate': { atLeast: 0.9 },
  'launch.client': { atMost: 1 },
}

/** The harness, with the driver in the place of the software GPU. `bars`: not where nothing is measured but that it runs. */
export async function perfPart(root: string, driver: string | null, quick: boolean, folder: string): Promise<Part> {
  const json = join(folder, 'perf.json')
  const names = quick ? QUICK_MEASUREMENTS : MEASUREMENTS
  const result = await run(process.execPath, [join(root, 'build/js/perf.js'), ...names, '-r', quick ? '1' : '3', '--json', json],
    { RINGFENCE_PERF_ROOT: root, ...(driver === null ? {} : { RINGFENCE_PERF_DRIVER: driver }) }, 1500)
  const part: Part = { name: 'perf', title: 'Figures', about: 'Medians of the harness (docs/PERFORMANCE.md) with this driver called directly as the reference, both in turn; the ratio is within one repetition.', rows: [] }
  if (!existsSync(json)) {
    part.rows.push({ what: 'the harness', native: '', ringfence: told(result), verdict: 'failed', says: complaint(result) })
    return part
  }
  const report = JSON.parse(readFileSync(json, 'utf8')) as PerfReport
  for (const { measurement, metrics, failures } of report.results) {
    for (const failure of failures) part.rows.push({ what: measurement.title, native: '', ringfence: '', verdict: 'failed', says: failure.slice(0, 300) })
    for (const { metric, sides, ratios } of metrics) {
      const ratio = ratios.direct?.median
      const bar = BARS[`${measurement.name}.${metric.name}`]
      const broken = !quick && bar !== undefined && ratio !== undefined && ((bar.atMost !== undefined && ratio > bar.atMost) || (bar.atLeast !== undefined && ratio < bar.atLeast))
      const limit = bar === undefined ? '' : bar.atMost !== undefined ? ` (bar: at most ${bar.atMost})` : ` (bar: at least ${bar.atLeast})`
      const at = metric.at ? ` at ${metric.at.x}` : ''
      part.rows.push({
        what: `${measurement.title}: ${metric.title}${at}`,
        native: figure(sides.direct?.median, metric.unit),
        ringfence: figure(sides.ringfence?.median, metric.unit),
        verdict: broken ? 'differs' : bar === undefined || quick ? 'noted' : 'ok',
        says: ratio === undefined ? '' : `${ratio.toPrecision(3)}×${limit}`,
      })
    }
  }
  return part
}

function figure(value: number | undefined, unit: string): string {
  if (value === undefined) return ''
  if (unit === 'ns') return value < 1e3 ? `${value.toPrecision(3)} ns` : value < 1e6 ? `${(value / 1e3).toPrecision(3)} µs` : `${(value / 1e6).toPrecision(3)} ms`
  if (unit === '/s') return value > 1e6 ? `${(value / 1e6).toPrecision(3)} M/s` : `${(value / 1e3).toPrecision(3)} k/s`
  return `${value.toPrecision(3)} ${unit}`.trim()
}

interface TorchResult {
  error?: string
  torch: string
  cuda: string
  device: string
  losses: string[]
  weights: string
  answers: string
  training_ms: number
  inference_ms: number
}

const TOLERANCE = 1e-4

/** A training step and an inference loop in PyTorch, where there is one. `python`: the interpreter. */
export async function torchPart(root: string, sides: Sides, python: string, quick: boolean): Promise<Part> {
  const part: Part = { name: 'torch', title: 'PyTorch', about: `A small convolutional net, trained with fixed seeds and deterministic algorithms, then asked one image at a time: losses and weights must be the same bits, or losses within ${TOLERANCE} relative.`, rows: [] }
  const script = join(root, 'python/torch_check.py')
  const probe = await run(python, ['-c', 'import torch'], sides.native, 120)
  if (probe.status !== 0) {
    part.rows.push({ what: python, native: '', ringfence: '', verdict: 'not run', says: 'no python3 with torch here; give --python PATH' })
    return part
  }
  const steps = [quick ? '3' : '60']
  const runs: Run[] = []
  const results: (TorchResult | null)[] = []
  for (const side of [sides.native, sides.zone]) {
    const result = await run(python, [script, ...steps], side, 600)
    runs.push(result)
    try {
      results.push(JSON.parse(result.stdout) as TorchResult)
    } catch {
      results.push(null)
    }
  }
  const [native, zone] = results
  if (!native || native.error) {
    part.rows.push({ what: 'the script', native: told(runs[0]), ringfence: told(runs[1]), verdict: 'not run', says: native?.error ?? complaint(runs[0]) })
    return part
  }
  if (!zone || zone.error) {
    part.rows.push({ what: 'the script', native: told(runs[0]), ringfence: told(runs[1]), verdict: 'failed', says: zone?.error ?? complaint(runs[1]) })
    return part
  }
  const worst = Math.max(...native.losses.map((loss, i) => Math.abs(hex(loss) - hex(zone.losses[i])) / Math.max(Math.abs(hex(loss)), 1e-12)))
  const bits = native.weights === zone.weights && native.losses.every((loss, i) => loss === zone.losses[i])
  part.rows.push(
    { what: `torch ${native.torch}, CUDA ${native.cuda}`, native: native.device, ringfence: zone.device, verdict: 'noted', says: '' },
    { what: 'losses and weights', native: native.weights, ringfence: zone.weights, verdict: bits || worst <= TOLERANCE ? 'ok' : 'differs', says: bits ? 'the same bits' : `largest relative difference of a loss: ${worst.toExponential(2)}` },
    { what: 'answers', native: native.answers, ringfence: zone.answers, verdict: native.answers === zone.answers || (!bits && worst <= TOLERANCE) ? 'ok' : 'differs', says: native.answers === zone.answers ? 'the same bits' : 'other bits' },
    timed('a training step', native.training_ms, zone.training_ms, 1.01),
    timed('an inference', native.inference_ms, zone.inference_ms, null),
  )
  return part
}

function timed(what: string, native: number, zone: number, atMost: number | null): Row {
  const ratio = zone / native
  return { what, native: `${native.toFixed(3)} ms`, ringfence: `${zone.toFixed(3)} ms`, verdict: atMost === null ? 'noted' : ratio <= atMost ? 'ok' : 'differs', says: `${ratio.toFixed(4)}×${atMost === null ? '' : ` (bar: at most ${atMost})`}` }
}

/** A number that Python's float.hex() wrote. */
function hex(text: string): number {
  const found = /^(-?)0x([01])\.([0-9a-f]+)p([+-]\d+)$/.exec(text)
  if (found === null) return Number(text)
  const [, sign, whole, fraction, exponent] = found
  return (sign ? -1 : 1) * (Number(whole) + parseInt(fraction, 16) / 16 ** fraction.length) * 2 ** Number(exponent)
}
