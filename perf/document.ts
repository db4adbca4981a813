// Puts the table and the charts into docs/PERFORMANCE.md, between its two markers, and touches nothing else of it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeCharts } from './charts.ts'
import { root } from './programs.ts'
import { markdown } from './report.ts'
import type { Report } from './result.ts'

const BEGIN = '<!-- figures: written by `npm run perf -- --write-docs` -->'
/** Below docs/. */
const CHARTS = 'performance'
const END = '<!-- end of figures -->'

/** Returns the document's path. Throws when a marker is missing. */
export async function writeDocument(report: Report): Promise<string> {
  const file = join(root, 'docs/PERFORMANCE.md')
  const text = readFileSync(file, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${file}: the markers are missing; put "${BEGIN}" and "${END}" around the figures`)
  const charts = (await writeCharts(report, join(root, 'docs', CHARTS))).map((chart) => `![${chart.title}](${CHARTS}/${chart.file})`)
  writeFileSync(file, `${text.slice(0, begin + BEGIN.length)}\n${markdown(report)}\n\n${charts.join('\n\n')}\n${text.slice(end)}`)
  return file
}
