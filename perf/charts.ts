// The figures as SVG: one picture of all bars of issue 5, and one per measurement that has curves. Drawn by Vega-Lite, which needs
// no browser for it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'

type Panels = Extract<TopLevelSpec, { concat: unknown }>['concat']
import { SIDES, type Unit } from './model.ts'
import type { MetricResult, Report, Result } from './result.ts'

/** Vega-Lite's dialect: legends, fonts and colours are one for all charts; the colours can be told apart in grey and by the colour-blind. */
const CONFIG = { background: 'white', font: 'sans-serif', axis: { grid: true, gridOpacity: 0.4 }, view: { stroke: null } } as const
const COLOURS = { ringfence: '#0072b2', direct: '#d55e00', bare: '#009e73', socket: '#999999' }

const AXIS: Record<Unit, { title: string; divisor: number }> = {
  ns: { title: 'µs', divisor: 1000 },
  '/s': { title: 'thousand a second', divisor: 1000 },
  'GB/s': { title: 'GB/s', divisor: 1 },
  MiB: { title: 'MiB', divisor: 1 },
  '%': { title: '%', divisor: 1 },
  times: { title: '×', divisor: 1 },
  count: { title: '', divisor: 1 },
}

/** Writes the charts into `folder`; returns their file names with what they show, in the report's order. */
export async function writeCharts(report: Report, folder: string): Promise<{ file: string; title: string }[]> {
  mkdirSync(folder, { recursive: true })
  const charts: { file: string; title: string; spec: TopLevelSpec }[] = []
  const barred = report.results.flatMap((result) => result.metrics.filter(({ met }) => met !== null).map((metric) => ({ result, metric })))
  if (barred.length > 0) charts.push({ file: 'bars.svg', title: 'The bars of issue 5', spec: bars(barred) })
  for (const result of report.results) {
    if (result.measurement.curves && result.metrics.some(({ sides }) => sides.ringfence)) {
      charts.push({ file: `${result.measurement.name}.svg`, title: result.measurement.title, spec: curves(result) })
    }
  }
  for (const { file, spec } of charts) writeFileSync(join(folder, file), `${await new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG()}\n`)
  return charts.map(({ file, title }) => ({ file, title }))
}

/** How far each figure is from its bar: 1 is the bar, less is better whatever the figure's own direction. */
function bars(barred: { result: Result; metric: MetricResult }[]): TopLevelSpec {
  const values = barred.flatMap(({ result, metric: { metric, sides, ratios } }) => {
    const bar = metric.bar as NonNullable<typeof metric.bar>
    const [figure, wanted] = 'value' in bar ? [sides.ringfence?.median, bar.value] : [ratios[bar.to]?.median, bar.ratio]
    // Nought against nought is on a logarithmic axis nowhere; so is what is not measured.
    if (!figure || !wanted) return []
    const share = metric.better === 'lower' ? figure / wanted : wanted / figure
    return [{ what: result.measurement.metrics.length > 1 ? `${result.measurement.title}: ${metric.title}` : result.measurement.title, share, verdict: share <= 1 ? 'met' : 'not met' }]
  })
  return {
    config: CONFIG,
    width: 420,
    height: { step: 18 },
    data: { values },
    layer: [
      {
        mark: { type: 'bar', height: 10 },
        encoding: {
          y: { field: 'what', type: 'nominal', sort: null, title: null, axis: { labelLimit: 420, grid: false } },
          x: { field: 'share', type: 'quantitative', scale: { type: 'log' }, title: 'share of the bar that is used (logarithmic; 1 is the bar, less is better)', axis: { format: '~g' } },
          x2: { datum: 1 },
          color: { field: 'verdict', type: 'nominal', title: null, scale: { domain: ['met', 'not met'], range: [COLOURS.ringfence, COLOURS.direct] } },
        },
      },
      { mark: { type: 'rule', size: 1.5 }, encoding: { x: { datum: 1 } } },
    ],
  }
}

/** One panel per curve: medians as lines, quartiles as bands, one colour per side. */
function curves(result: Result): TopLevelSpec {
  const present = SIDES.filter((side) => result.metrics.some(({ metric, sides }) => metric.at && sides[side]))
  // What Vega-Lite's own types infer from a layer with constants is narrower than what they accept.
  const panels = (result.measurement.curves ?? []).map((curve) => {
    const points = result.metrics.filter(({ metric }) => metric.at?.curve === curve.name)
    const { title, divisor } = AXIS[points[0].metric.unit]
    const values = points.flatMap(({ metric, sides }) =>
      present.flatMap((side) => {
        const summary = sides[side]
        return summary ? [{ x: metric.at?.x ?? 0, side, y: summary.median / divisor, low: summary.low / divisor, high: summary.high / divisor }] : []
      }),
    )
    const ys = values.map(({ y }) => y)
    const wide = Math.min(...ys) > 0 && Math.max(...ys) > 20 * Math.min(...ys)
    const bytes = curve.over === 'bytes'
    const scale = wide ? ({ type: 'log' } as const) : ({ zero: true } as const)
    const x = { field: 'x', type: 'quantitative', scale: { type: 'log', base: bytes ? 2 : 10, nice: false }, title: curve.over, axis: { values: [...new Set(values.map(({ x }) => x))], format: '~s' } } as const
    const y = { type: 'quantitative', scale, axis: { format: '~g', tickCount: 6 } } as const
    const color = { field: 'side', type: 'nominal', title: null, scale: { domain: [...present], range: present.map((side) => COLOURS[side]) } } as const
    return {
      title: { text: curve.title, fontSize: 12 },
      width: 260,
      height: 180,
      data: { values },
      layer: [
        { mark: { type: 'area', opacity: 0.2 }, encoding: { x, y: { ...y, field: 'low', title }, y2: { field: 'high' }, color } },
        { mark: { type: 'line', point: true }, encoding: { x, y: { ...y, field: 'y', title }, color } },
      ],
    } as const
  })
  return { config: CONFIG, title: result.measurement.title, columns: 3, concat: panels as unknown as Panels }
}
