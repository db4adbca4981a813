// The report as a page: what ran where, what was the same, and what was not, first.
import type { Part, Row } from './parts.ts'

export interface About {
  date: string
  commit: string
  device: string
  driver: string
  software: boolean
  quick: boolean
  machine: string
  seconds: number
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

export function markdown(about: About, parts: readonly Part[]): string {
  const count = (wanted: Row['verdict']): number => parts.reduce((sum, { rows }) => sum + rows.filter(({ verdict }) => verdict === wanted).length, 0)
  const bad = parts.flatMap(({ title, rows }) => rows.filter(({ verdict }) => verdict === 'failed' || verdict === 'differs').map((row) => `- ${title}, ${row.what}: **${row.verdict}**. ${row.says}`))
  return [
    `# GPU check: ${about.device}`,
    '',
    `${about.date.slice(0, 16).replace('T', ' ')} UTC, commit ${about.commit}, ${about.software ? 'the software GPU' : `driver ${about.driver}`}; ${about.machine}; ${about.seconds} s${about.quick ? '; quick: no bars were looked at' : ''}.`,
    '',
    `${count('ok')} as they should be, ${count('differs')} differ, ${count('failed')} failed, ${count('not run')} not run, ${count('noted')} noted.`,
    '',
    ...(bad.length > 0 ? ['## To look at', '', ...bad, ''] : []),
    ...parts.flatMap((part) => [
      `## ${part.title}`, '', part.about, '',
      '| what | driver itself | Ringfence | verdict | |', '| --- | --: | --: | --- | --- |',
      ...part.rows.map((row) => `| ${[row.what, row.native, row.ringfence, row.verdict, row.says].map(cell).join(' | ')} |`), '',
    ]),
  ].join('\n')
}
