// Puts the table into docs/PERFORMANCE.md, between its two markers, and touches nothing else of it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './programs.ts'
import { markdown } from './report.ts'
import type { Report } from './result.ts'

const BEGIN = '<!-- figures: written by `npm run perf -- --write-docs` -->'
const END = '<!-- end of figures -->'

/** Returns the document's path. Throws when a marker is missing. */
export function writeDocument(report: Report): string {
  const file = join(root, 'docs/PERFORMANCE.md')
  const text = readFileSync(file, 'utf8')
  const begin = text.indexOf(BEGIN)
  const end = text.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${file}: the markers are missing; put "${BEGIN}" and "${END}" around the figures`)
  writeFileSync(file, `${text.slice(0, begin + BEGIN.length)}\n${markdown(report)}\n${text.slice(end)}`)
  return file
}
