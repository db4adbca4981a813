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

async function main(names: string[], options: Options): Promise<number> {
  const measurements = chosen(names)
  const about = environment()
  const began = Date.now()
  const report: Report = { environment: about, repetitions: options.repetitions, seconds: 0, loadAfter: [], results: [] }
  let zone: Daemon | null = null
  let noZone: string | null = null
  try {
    zone = await startZone()
  } catch (error) {
    // The other sides can still be measured; that there is no Ringfence in the table is a failure all the same.
    noZone = error instanceof Error ? error.message : String(error)
  }
  try {
    for (const measurement of measurements) {
      process.stderr.write(`${measurement.name} `)
      report.results.push(resultOf(await runMeasurement(measurement, options.repetitions, zone)))
    }
    process.stderr.write('\n')
  } finally {
    await zone?.stop()
  }
  report.seconds = (Date.now() - began) / 1000
  report.loadAfter = loadavg()
  console.log(terminal(report))
  if (noZone !== null) console.log(`failed: no zone to measure in: ${noZone}`)

  const file = options.json ? resolve(options.json) : join(output, `perf-${about.date.replace(/[:.]/g, '-')}.json`)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`)
  console.log(`written: ${file}`)
  // Only here: it draws, with packages that a bundle leaves out.
  if (options.writeDocs) console.log(`written: ${await (await import('./document.ts')).writeDocument(report)}`)

  let status = noZone !== null || report.results.some((result) => result.failures.length > 0) ? 1 : 0
  if (options.gate) {
    const broken = gate(report, new Set(measurements.map(({ name }) => name)))
    for (const sentence of broken) console.log(`gate: ${sentence}`)
    if (broken.length > 0) status = 1
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
