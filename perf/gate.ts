// The gate: ratios against the checked-in bounds of bounds.json. They are wide: a noisy two-core machine must pass, a
// doubling must not. A bound with `twoCores` holds when client and executor each have a core (docs/PERFORMANCE.md: a third busy
// process); where others used more than BUSY_PERCENT of the CPUs as the measurement began, it says nothing. A bound without a ratio measured is a failure too, or a broken measurement would pass.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Other } from './model.ts'
import { root } from './programs.ts'
import type { Report } from './result.ts'

const Bounds = z.record(
  z.string().regex(/^[\w-]+\.\w+ (direct|bare|socket|itself)$/, 'a key is `MEASUREMENT.METRIC` and `direct`, `bare`, `socket` (the ratio to that side) or `itself` (the value)'),
  z.strictObject({ atMost: z.number().optional(), atLeast: z.number().optional(), twoCores: z.boolean().optional(), because: z.string().min(20) }),
)

const BUSY_PERCENT = 20

export interface Broken {
  measurement: string
  /** The bound's key in bounds.json. */
  key: string
  sentence: string
}

/** The bounds that `report` breaks. `only`: the measurements that ran. */
export function gate(report: Report, only: Set<string>): Broken[] {
  const bounds = Bounds.parse(JSON.parse(readFileSync(join(root, 'perf/bounds.json'), 'utf8')))
  const broken: Broken[] = []
  for (const [key, bound] of Object.entries(bounds)) {
    const [figure, other] = key.split(' ') as [string, Other | 'itself']
    const [name, metric] = figure.split('.')
    if (!only.has(name)) continue
    const of = report.results.find(({ measurement }) => measurement.name === name)
    if (bound.twoCores && of !== undefined && of.busy > BUSY_PERCENT) {
      console.log(`gate: ${key}: not compared, others used ${of.busy} % of the CPUs`)
      continue
    }
    const result = of?.metrics.find((m) => m.metric.name === metric)
    const ratio = (other === 'itself' ? result?.sides.ringfence : result?.ratios[other])?.median
    const told = (value: number): string => (other === 'itself' ? value.toPrecision(3) : `${value.toPrecision(3)}×`)
    const tell = (sentence: string): unknown => broken.push({ measurement: name, key, sentence: `${key}: ${sentence}` })
    if (ratio === undefined) tell(`bounded in perf/bounds.json, but not measured`)
    else if (bound.atMost !== undefined && ratio > bound.atMost) tell(`${told(ratio)} is over ${told(bound.atMost)} (${bound.because})`)
    else if (bound.atLeast !== undefined && ratio < bound.atLeast) tell(`${told(ratio)} is under ${told(bound.atLeast)} (${bound.because})`)
  }
  return broken
}
