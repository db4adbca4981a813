// From samples to what is told: per metric a summary of each side, and the ratios of Ringfence to the others.
import { type Environment } from './environment.ts'
import { type Bar, type Measurement, type Metric, type Other, OTHERS, type Outcome, SIDES, type Side } from './model.ts'
import { type Summary, summarize } from './statistics.ts'

export interface MetricResult {
  metric: Metric
  sides: Partial<Record<Side, Summary & { samples: number[] }>>
  /** Ringfence divided by the other side, repetition by repetition: both halves of a pair saw the same machine. */
  ratios: Partial<Record<Other, Summary>>
  /** Whether the bar is met; null when there is none or the figure is missing. */
  met: boolean | null
}

export interface Result {
  measurement: Measurement
  busy: number
  metrics: MetricResult[]
  failures: string[]
}

/** What is written as JSON. */
export interface Report {
  environment: Environment
  repetitions: number
  seconds: number
  loadAfter: number[]
  /** Why there was no Ringfence to measure. */
  noZone?: string
  results: Result[]
}

function meets(bar: Bar | undefined, metric: Metric, own: Summary | undefined, ratios: MetricResult['ratios']): boolean | null {
  if (!bar) return null
  const [figure, wanted] = 'value' in bar ? [own?.median, bar.value] : [ratios[bar.to]?.median, bar.ratio]
  if (figure === undefined) return null
  return metric.better === 'lower' ? figure <= wanted : figure >= wanted
}

export function resultOf(outcome: Outcome): Result {
  const metrics = outcome.measurement.metrics.map((metric): MetricResult => {
    const values = (side: Side): (number | undefined)[] => (outcome.samples[side] ?? []).map((sample) => sample?.[metric.name])
    const sides: MetricResult['sides'] = {}
    for (const side of SIDES) {
      const samples = values(side).filter((value) => value !== undefined)
      const summary = summarize(samples)
      if (summary) sides[side] = { ...summary, samples }
    }
    const own = values('ringfence')
    const ratios: MetricResult['ratios'] = {}
    for (const other of OTHERS) {
      const pairs = values(other).flatMap((value, i) => (value !== undefined && own[i] !== undefined && value > 0 ? [own[i] / value] : []))
      const summary = summarize(pairs)
      if (summary) ratios[other] = summary
    }
    return { metric, sides, ratios, met: meets(metric.bar, metric, sides.ringfence, ratios) }
  })
  return { measurement: outcome.measurement, busy: outcome.busy, metrics, failures: outcome.failures }
}
