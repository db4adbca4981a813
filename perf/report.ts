// The figures as a person reads them: ratios first, then what they were made of. One table for the terminal, one in Markdown.
import Table from 'cli-table3'
import type { Bar, Metric, Unit } from './model.ts'
import type { MetricResult, Report } from './result.ts'
import type { Summary } from './statistics.ts'

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2))

/** `0.34 µs`, `1.21 M/s`, `7.80 GB/s`. */
export function amount(value: number, unit: Unit): string {
  if (unit === 'GB/s') return `${digits(value)} GB/s`
  if (unit === '/s') return value >= 1e6 ? `${digits(value / 1e6)} M/s` : value >= 1e3 ? `${digits(value / 1e3)} k/s` : `${digits(value)} /s`
  return value >= 1e6 ? `${digits(value / 1e6)} ms` : value >= 1e3 ? `${digits(value / 1e3)} µs` : `${digits(value)} ns`
}

const spread = (summary: Summary, unit: Unit): string => `${amount(summary.median, unit)} (${digits(scaled(summary.low, summary.median, unit))}–${digits(scaled(summary.high, summary.median, unit))})`

/** `value` in the unit in which `like` is printed. */
function scaled(value: number, like: number, unit: Unit): number {
  if (unit === 'GB/s') return value
  return value / (like >= 1e6 ? 1e6 : like >= 1e3 ? 1e3 : 1)
}

const ratio = (summary: Summary | undefined): string => (summary ? `${digits(summary.median)}× (${digits(summary.low)}–${digits(summary.high)})` : '')

function bar(metric: Metric): string {
  if (!metric.bar) return ''
  const sign = metric.better === 'lower' ? '≤' : '≥'
  return 'value' in metric.bar ? `${sign} ${amount(metric.bar.value, metric.unit)}` : `${sign} ${wanted(metric.bar)}× ${metric.bar.to}`
}

const wanted = (b: Bar & { ratio: number }): string => String(b.ratio)

const verdict = (result: MetricResult): string => (result.met === null ? '' : result.met ? 'met' : 'not met')

const HEAD = ['what', '× bare', '× direct', 'bar', '', 'Ringfence', 'direct', 'bare']

function rows(report: Report): string[][] {
  return report.results.flatMap(({ measurement, metrics }) =>
    metrics.map((result) => {
      const { metric, sides, ratios } = result
      const cell = (summary: Summary | undefined): string => (summary ? spread(summary, metric.unit) : '')
      return [
        metrics.length > 1 || metric.title !== 'rate' ? `${measurement.title}: ${metric.title}` : measurement.title,
        ratio(ratios.bare),
        ratio(ratios.direct),
        bar(metric),
        verdict(result),
        sides.ringfence ? cell(sides.ringfence) : 'failed',
        cell(sides.direct),
        cell(sides.bare),
      ]
    }),
  )
}

/** One line on what the figures were measured on. */
export function conditions(report: Report): string {
  const e = report.environment
  const load = (values: number[]): string => values[0].toFixed(2)
  const busy = report.results.map((result) => result.busy)
  return `${e.date.slice(0, 16).replace('T', ' ')} UTC, commit ${e.commit}${e.dirty ? ' with changes' : ''}, ${e.cpu.trim()} × ${e.cores}, ${e.memoryGiB} GiB, Linux ${e.kernel} ${e.arch}, Node ${e.node}; load ${load(e.load)} before, ${load(report.loadAfter)} after, others used ${Math.min(...busy)}–${Math.max(...busy)} % of the CPUs; ${report.repetitions} repetitions in ${report.seconds.toFixed(0)} s`
}

const EXPLAINED = 'Medians of the repetitions (first–third quartile). × is Ringfence divided by the other side within the same repetition: bare is C to C over shared memory or one memcpy, direct is the software GPU loaded by the same program.'

export function terminal(report: Report): string {
  const table = new Table({ head: HEAD, colAligns: ['left', 'right', 'right', 'right', 'left', 'right', 'right', 'right'], style: { head: [], border: [], compact: true } })
  table.push(...rows(report))
  const failures = report.results.flatMap((result) => result.failures)
  return [conditions(report), table.toString(), EXPLAINED, ...failures.map((failure) => `failed: ${failure}`)].join('\n')
}

export function markdown(report: Report): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  return [`Measured: ${conditions(report)}.`, '', EXPLAINED, '', line(HEAD), line(['---', '--:', '--:', '--:', '---', '--:', '--:', '--:']), ...rows(report).map(line)].join('\n')
}
