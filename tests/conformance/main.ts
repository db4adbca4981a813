// `npm run conformance [-- PART-OF-A-NAME...]`: runs the clients that are installed, each in a zone, and writes docs/CONFORMANCE.md
// and record.json; `-- --fetch` first fetches what Debian packages outside main, and npm (contrib.ts). A client that was not run keeps what the record says of it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/cc.ts'
import { CLIENTS } from './clients.ts'
import { fetch } from './contrib.ts'
import { type Outcome, Zone } from './suite.ts'

export interface Entry extends Outcome {
  version: string
}

export const recordFile = join(root, 'tests/conformance/record.json')
const record = (existsSync(recordFile) ? JSON.parse(readFileSync(recordFile, 'utf8')) : {}) as Record<string, Entry>
const wanted = process.argv.slice(2).filter((word) => word !== '--fetch')
if (process.argv.includes('--fetch')) {
  fetch()
  if (wanted.length === 0) process.exit(0)
}
const chosen = CLIENTS.filter((client) => wanted.length === 0 || wanted.some((part) => client.name.includes(part)))
if (chosen.length === 0) {
  console.error(`conformance: no client is called ${wanted.join(' ')}; there are: ${CLIENTS.map((client) => client.name).join(', ')}`)
  process.exit(2)
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')

/** After each client: an interrupted run has not been for nothing. */
function write(): void {
  const lines = [
    '<!-- Written by `npm run conformance`. Do not edit. -->', '# Conformance', '',
    "Programs and test suites of others, as Debian and npm package them, run unmodified in a zone of 2 GiB on the software GPU. `npm run conformance` runs them",
    'and writes this page; CI runs all but those marked *long* and fails when a number falls (`tests/conformance/record.json`).', '',
    '| client | version | passed | failed | skipped | what it does |', '| --- | --- | --- | --- | --- | --- |',
  ]
  for (const client of CLIENTS) {
    const entry = record[client.name]
    const shown = entry === undefined ? ['not run', '', '', ''] : [entry.version, String(entry.passed), String(entry.failed), String(entry.skipped)]
    lines.push(`| ${client.name}${client.long ? ' *(long)*' : ''} | ${shown.join(' | ')} | ${cell(client.what)}${client.needs ? ` (needs ${client.needs})` : ''} |`)
  }
  lines.push('', '## What did not pass, and why', '')
  for (const client of CLIENTS) {
    const entry = record[client.name]
    if (!entry || entry.notes.length === 0) continue
    lines.push(`**${client.name}**`, '', ...entry.notes.map((note) => `- ${note}`), '')
  }
  const ordered = Object.fromEntries(CLIENTS.flatMap((client) => (record[client.name] ? [[client.name, record[client.name]]] : [])))
  writeFileSync(recordFile, `${JSON.stringify(ordered, null, 2)}\n`)
  writeFileSync(join(root, 'docs/CONFORMANCE.md'), `${lines.join('\n').trimEnd()}\n`)
}

for (const client of chosen) {
  const version = client.version()
  if (version === null) {
    console.log(`${client.name}: not installed (${client.packages.join(' ')}${client.needs ? `; needs ${client.needs}` : ''})`)
    continue
  }
  const started = Date.now()
  const outcome = client.run(new Zone(client.name))
  record[client.name] = { version, ...outcome }
  console.log(`${client.name} ${version}: ${outcome.passed} passed, ${outcome.failed} failed, ${outcome.skipped} skipped, ${((Date.now() - started) / 1000).toFixed(0)} s`)
  for (const note of outcome.notes) console.log(`    ${note}`)
  write()
}
