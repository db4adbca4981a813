// `npm run perf`: measures, prints, writes JSON; see --help. The table of measurements is measurements/index.ts.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { loadavg } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import type { Daemon } from './daemon.ts'
import { environment } from './environment.ts'
import { gate } from './gate.ts'
import { MEASUREMENTS } from './measurements/index.ts'
import type { Measurement } from './model.ts'
import { output } from './programs.ts'
import { terminal } from './report.ts'
import { type Report, resultOf } from './result.ts'
import { runMeasurement } from './run.ts'
import { startZone } from './sides.ts'

const GATE_RUNS = 3

interface Options {
  repetitions: number
  json?: string
  gate?: boolean
  writeDocs?: boolean
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 1000) throw new InvalidArgumentError('give a whole number from 1 to 1000')
  return value
}

const chosen = (names: string[]): Measurement[] => {
  const unknown = names.find((name) => !MEASUREMENTS.some((measurement) => measurement.name === name))
  if (unknown !== undefined) throw new Error(`there is no measurement "${unknown}"; there are ${MEASUREMENTS.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? MEASUREMENTS : MEASUREMENTS.filter(({ name }) => names.includes(name))
}

/** Runs `measurements` with a zone of their own. A failed one says so in the report; so does a daemon that did not start. */
async function measure(measurements: Measurement[], repetitions: number): Promise<Report> {
  const about = environment()
  const began = Date.now()
  const report: Report = { environment: about, repetitions, seconds: 0, loadAfter: [], results: [] }
  let zone: Daemon | null = null
  try {
    zone = await startZone()
  } catch (error) {
    // The other sides can still be measured; that there is no Ringfence in the table is a failure all the same.
    report.noZone = error instanceof Error ? error.message : String(error)
  }
  try {
    for (const measurement of measurements) {
      process.stderr.write(`${measurement.name} `)
      report.results.push(resultOf(await runMeasurement(measurement, repetitions, zone)))
    }
    process.stderr.write('\n')
  } finally {
    await zone?.stop()
  }
  report.seconds = (Date.now() - began) / 1000
  report.loadAfter = loadavg()
  return report
}

/** The sentences of the bounds that every one of GATE_RUNS runs breaks, `first` among them: company on the machine only makes figures worse. */
async function broken(first: Report, repetitions: number): Promise<string[]> {
  let left = gate(first, new Set(first.results.map(({ measurement }) => measurement.name)))
  for (let run = 2; run <= GATE_RUNS && left.length > 0; run++) {
    for (const { sentence } of left) console.log(`measured again, run ${run} of ${GATE_RUNS}: ${sentence}`)
    const names = new Set(left.map(({ measurement }) => measurement))
    const again = gate(await measure(MEASUREMENTS.filter(({ name }) => names.has(name)), repetitions), names)
    left = again.filter(({ key }) => left.some((bound) => bound.key === key))
  }
  return left.map(({ sentence }) => sentence)
}

async function main(names: string[], options: Options): Promise<number> {
  const report = await measure(chosen(names), options.repetitions)
  console.log(terminal(report))
  if (report.noZone !== undefined) console.log(`failed: no zone to measure in: ${report.noZone}`)

  const file = options.json ? resolve(options.json) : join(output, `perf-${report.environment.date.replace(/[:.]/g, '-')}.json`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`)
  console.log(`written: ${file}`)
  // Only here: it draws, with packages that a bundle leaves out.
  if (options.writeDocs) console.log(`written: ${await (await import('./document.ts')).writeDocument(report)}`)

  let status = report.noZone !== undefined || report.results.some((result) => result.failures.length > 0) ? 1 : 0
  if (options.gate) {
    const sentences = await broken(report, options.repetitions)
    for (const sentence of sentences) console.log(`gate: ${sentence}`)
    if (sentences.length > 0) status = 1
    else console.log('gate: every ratio is within its bound')
  }
  return status
}

await new Command('npm run perf --')
  .description('Measures Ringfence beside the software GPU called directly and beside bare shared memory, in turn, and prints the ratios.')
  .argument('[names...]', `measurements, all by default:\n${MEASUREMENTS.map(({ name, title }) => `  ${name.padEnd(13)} ${title}`).join('\n')}`)
  .option('-r, --repetitions <n>', 'how often each side runs', count, 5)
  .option('--json <file>', 'where to write the figures (default: build/perf/perf-TIME.json)')
  .option('--gate', 'compare the ratios with perf/bounds.json; leave with 1 when one is out of bounds')
  .option('--write-docs', 'put the table and the charts into docs/PERFORMANCE.md')
  .action(async (names: string[], options: Options) => {
    try {
      process.exitCode = await main(names, options)
    } catch (error) {
      console.error(`perf: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 2
    }
  })
  .parseAsync()
