// The figures as a person reads them: ratios first, then what they were made of. One table for the terminal, one in Markdown.
import Table from 'cli-table3'
import { type Bar, type Curve, type Measurement, type Metric, type Other, OTHERS, type Side, type Unit } from './model.ts'
import type { MetricResult, Report } from './result.ts'
import type { Summary } from './statistics.ts'

const digits = (value: number): string => (value === 0 ? '0' : value < 0.1 ? value.toPrecision(2) : value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

/** `0.34 µs`, `1.21 M/s`, `7.80 GB/s`. */
export function amount(value: number, unit: Unit): string {
  if (unit === 'times' || unit === 'count') return digits(value) + (unit === 'times' ? '×' : '')
  if (unit === 'MiB' || unit === '%') return `${digits(value)} ${unit}`
  if (unit === 'GB/s') return `${digits(value)} GB/s`
  if (unit === '/s') return value >= 1e6 ? `${digits(value / 1e6)} M/s` : value >= 1e3 ? `${digits(value / 1e3)} k/s` : `${digits(value)} /s`
  return value >= 1e6 ? `${digits(value / 1e6)} ms` : value >= 1e3 ? `${digits(value / 1e3)} µs` : `${digits(value)} ns`
}

const spread = (summary: Summary, unit: Unit): string => `${amount(summary.median, unit)} (${digits(scaled(summary.low, summary.median, unit))}–${digits(scaled(summary.high, summary.median, unit))})`

/** `value` in the unit in which `like` is printed. */
function scaled(value: number, like: number, unit: Unit): number {
  if (unit !== 'ns' && unit !== '/s') return value
  return value / (like >= 1e6 ? 1e6 : like >= 1e3 ? 1e3 : 1)
}

/** Three decimals where one percent matters. */
const times = (value: number): string => (value > 0.9 && value < 1.1 ? value.toFixed(3) : digits(value))
const ratio = (summary: Summary | undefined): string => (summary ? `${times(summary.median)}× (${times(summary.low)}–${times(summary.high)})` : '')

function bar(metric: Metric): string {
  if (!metric.bar) return ''
  const sign = metric.better === 'lower' ? '≤' : '≥'
  return 'value' in metric.bar ? `${sign} ${amount(metric.bar.value, metric.unit)}` : `${sign} ${wanted(metric.bar)}× ${metric.bar.to}`
}

const wanted = (b: Bar & { ratio: number }): string => String(b.ratio)

const verdict = (result: MetricResult): string => (result.met === null ? '' : result.met ? 'met' : 'not met')

const TITLES: Record<Side, string> = { ringfence: 'Ringfence', direct: 'direct', bare: 'bare', socket: 'socket' }
const headOf = (others: Other[]): string[] => ['what', ...others.map((other) => `× ${other}`), 'bar', '', TITLES.ringfence, ...others.map((other) => TITLES[other])]

/** The sides that anything was compared with, in the table's order. */
const comparedWith = (report: Report): Other[] => OTHERS.filter((other) => report.results.some(({ metrics }) => metrics.some(({ sides }) => sides[other])))

function rows(report: Report, others: Other[]): string[][] {
  return report.results.flatMap(({ measurement, metrics }) => {
    const figures = metrics.filter(({ metric }) => !metric.at)
    const curves = (measurement.curves ?? []).map((curve) => curveRow(measurement, curve, metrics, others))
    return [...figures.map((result) => figureRow(measurement, result, metrics.length, others)), ...curves]
  })
}

function figureRow(measurement: Measurement, result: MetricResult, count: number, others: Other[]): string[] {
  const { metric, sides, ratios } = result
  const cell = (summary: Summary | undefined): string => (summary ? spread(summary, metric.unit) : '')
  return [
    count > 1 || metric.title !== 'rate' ? `${measurement.title}: ${metric.title}` : measurement.title,
    ...others.map((other) => ratio(ratios[other])),
    bar(metric),
    verdict(result),
    sides.ringfence ? cell(sides.ringfence) : 'failed',
    ...others.map((other) => cell(sides[other])),
  ]
}

const BARS = '▁▂▃▄▅▆▇█'

/** Bars from the least to the greatest value; on a logarithmic scale where they are more than a hundredfold apart. */
export function sparkline(values: number[]): string {
  const wide = Math.max(...values) > 100 * Math.min(...values) && Math.min(...values) > 0
  const heights = wide ? values.map(Math.log) : values
  // From nought, so that a flat curve looks flat, unless logarithms are drawn.
  const low = wide ? Math.min(...heights) : 0
  const span = Math.max(...heights) - low || 1
  return heights.map((height) => BARS[Math.round(((height - low) / span) * (BARS.length - 1))]).join('')
}

/** `4, 64Ki, 16Mi` or `10, 1k, 100k`. */
export function short(x: number): string {
  if (x >= 1024 && Number.isInteger(Math.log2(x))) return x >= 2 ** 30 ? `${x / 2 ** 30}Gi` : x >= 2 ** 20 ? `${x / 2 ** 20}Mi` : `${x / 1024}Ki`
  return x >= 1e6 ? `${x / 1e6}M` : x >= 1e3 ? `${x / 1e3}k` : String(x)
}

function curveRow(measurement: Measurement, curve: Curve, metrics: MetricResult[], others: Other[]): string[] {
  const points = metrics.filter(({ metric }) => metric.at?.curve === curve.name)
  const last = points.at(-1) as MetricResult
  const cell = (side: Side): string => {
    const values = points.map(({ sides }) => sides[side]?.median)
    const [first, end] = [values[0], values.at(-1)]
    if (first === undefined || end === undefined) return ''
    return `${amount(first, last.metric.unit)} ${sparkline(values.map((value) => value ?? 0))} ${amount(end, last.metric.unit)}`
  }
  const xs = points.map(({ metric }) => metric.at?.x ?? 0)
  const compared = (other: Other): string => {
    const ratios = points.map(({ ratios }) => ratios[other]?.median)
    const [first, end] = [ratios[0], ratios.at(-1)]
    return first === undefined || end === undefined ? '' : `${times(first)}× … ${times(end)}×`
  }
  return [`${measurement.title}: ${curve.title} (${short(xs[0])} … ${short(xs.at(-1) ?? 0)} ${curve.over})`, ...others.map(compared), '', '', cell('ringfence') || 'failed', ...others.map(cell)]
}

/** One line on what the figures were measured on. */
export function conditions(report: Report): string {
  const e = report.environment
  const load = (values: number[]): string => values[0].toFixed(2)
  const busy = report.results.map((result) => result.busy)
  return `${e.date.slice(0, 16).replace('T', ' ')} UTC, commit ${e.commit}${e.dirty ? ' with changes' : ''}, ${e.cpu.trim()} × ${e.cores}, ${e.memoryGiB} GiB, Linux ${e.kernel} ${e.arch}, Node ${e.node}; load ${load(e.load)} before, ${load(report.loadAfter)} after, others used ${Math.min(...busy)}–${Math.max(...busy)} % of the CPUs; ${report.repetitions} repetitions in ${report.seconds.toFixed(0)} s`
}

const EXPLAINED = 'Medians of the repetitions (first–third quartile). × is Ringfence divided by the other side within the same repetition: bare is C to C over shared memory or one memcpy, direct is the software GPU loaded by the same program, socket is JSON over a UNIX socket. Bars stand for the points of a curve, between its first and its last figure.'

export function terminal(report: Report): string {
  const others = comparedWith(report)
  const right = (cells: number): 'right'[] => Array.from({ length: cells }, () => 'right')
  const table = new Table({ head: headOf(others), colAligns: ['left', ...right(others.length + 1), 'left', ...right(others.length + 1)], style: { head: [], border: [], compact: true } })
  table.push(...rows(report, others))
  const failures = report.results.flatMap((result) => result.failures)
  return [conditions(report), table.toString(), EXPLAINED, ...failures.map((failure) => `failed: ${failure}`)].join('\n')
}

export function markdown(report: Report): string {
  const others = comparedWith(report)
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const rule = headOf(others).map((_, i) => (i === 0 || i === others.length + 2 ? '---' : '--:'))
  return [`Measured: ${conditions(report)}.`, '', EXPLAINED, '', line(headOf(others)), line(rule), ...rows(report, others).map(line)].join('\n')
}
