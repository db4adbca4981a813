// What a bundle runs on the machine with the card (scripts/gpu-check packs it): everything both ways, through a zone and on the driver itself,
// and a report of what was the same and what was not.
import { existsSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { findDriver } from './driver.ts'
import { factsPart, type Part, perfPart, programsPart, torchPart } from './parts.ts'
import { type About, markdown } from './report.ts'
import { programs, run, sidesOf } from './sides.ts'

const root = process.env['RINGFENCE_PERF_ROOT'] ?? resolve(import.meta.dirname, '../..')
const PARTS = ['programs', 'facts', 'perf', 'torch']
const ZONE = 'check'
const ZONE_MEMORY = 4 * 2 ** 30
const SHM_MIB = 512

interface Options {
  driver?: string
  quick?: boolean
  out: string
  python: string
  only?: string
}

/** Status: 0 all is as it should be; 1 something is not; 3 there is no driver, or it does not work. */
async function main(options: Options): Promise<number> {
  const only = options.only?.split(',') ?? PARTS
  const unknown = only.find((part) => !PARTS.includes(part))
  if (unknown !== undefined) throw new Error(`there is no part "${unknown}"; there are ${PARTS.join(', ')}`)
  const own = [join(root, 'build/lib'), join(root, 'build/stub')]
  const software = options.driver === 'stub'
  let driver: string
  if (software) driver = join(root, 'build/stub/libcuda.so.1')
  else if (options.driver !== undefined) driver = resolve(options.driver)
  else {
    const found = findDriver(own)
    if (found.path === null) {
      console.error(`gpu-check: no NVIDIA driver: there is no libcuda.so.1 in ${found.looked.join(', ')}.`)
      console.error('Install the driver (its package is called nvidia-driver-... or libcuda1), name its libcuda.so.1 with --driver PATH, or try the software GPU with --driver stub.')
      return 3
    }
    driver = found.path
  }
  if (!existsSync(driver) || basename(driver) !== 'libcuda.so.1') {
    // By this name alone do programs find it in its folder.
    console.error(`gpu-check: ${driver} is no driver: --driver wants the path of a libcuda.so.1, or "stub"`)
    return 3
  }
  // Imported here: the harness reads which driver it works with when it is loaded.
  if (!software) process.env['RINGFENCE_PERF_DRIVER'] = driver
  process.env['RINGFENCE_PERF_ROOT'] = root
  const { Daemon } = await import('../daemon.ts')

  const alone = software ? { LD_LIBRARY_PATH: own[1] } : { LD_LIBRARY_PATH: [resolve(driver, '..'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':') }
  const probe = await run(join(programs(root), 'test-sequence'), [], alone, 120)
  if (probe.status !== 0) {
    console.error(`gpu-check: the driver ${driver} does not work by itself: ${(probe.stderr || probe.stdout).trim().split('\n').pop()}`)
    console.error('Look at `nvidia-smi`: it must list the card without Ringfence.')
    return 3
  }
  const shm = sharedMemoryMiB()
  // Regions and pinned memory lie there; containers often have 64 MiB.
  if (shm < SHM_MIB) say(`note: /dev/shm has ${shm} MiB; pinned memory lies there, so larger copies will be refused: mount -o remount,size=4G /dev/shm, or docker run --shm-size=4g`)
  const out = resolve(options.out)
  mkdirSync(out, { recursive: true })
  const began = Date.now()
  say(`${probe.stdout.trim()} (${driver})`)
  const daemon = await Daemon.start({ zones: [ZONE], memory: ZONE_MEMORY })
  const parts: Part[] = []
  try {
    const sides = sidesOf(driver, software, daemon, ZONE)
    const quick = options.quick === true
    const work: Record<string, () => Promise<Part>> = {
      programs: () => programsPart(root, sides, quick),
      facts: () => factsPart(root, sides, quick),
      perf: () => perfPart(root, software ? null : driver, quick, out),
      torch: () => torchPart(root, sides, options.python, quick),
    }
    for (const name of PARTS) {
      if (!only.includes(name)) continue
      say(`${name} ...`)
      parts.push(await work[name]())
    }
  } finally {
    await daemon.stop()
  }
  const manifest = existsSync(join(root, 'MANIFEST.json')) ? (JSON.parse(readFileSync(join(root, 'MANIFEST.json'), 'utf8')) as Record<string, string>) : {}
  const about: About = {
    date: new Date().toISOString(), commit: manifest['commit'] ?? 'a working tree', device: probe.stdout.trim().replace(/^sequence: ok on /, ''), driver, software, quick: options.quick === true,
    machine: `${cpus()[0]?.model ?? 'unknown'} × ${cpus().length}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${shm} MiB of /dev/shm, Linux ${release()} ${process.arch}, Node ${process.version}`,
    seconds: Math.round((Date.now() - began) / 1000),
  }
  writeFileSync(join(out, 'report.json'), `${JSON.stringify({ about, parts }, null, 1)}\n`)
  writeFileSync(join(out, 'report.md'), markdown(about, parts))
  const bad = parts.flatMap((part) => part.rows.filter(({ verdict }) => verdict === 'failed' || verdict === 'differs').map((row) => ({ part, row })))
  for (const { part, row } of bad) console.log(`${row.verdict}: ${part.title}: ${row.what}: ${row.says}`)
  const count = parts.reduce((sum, { rows }) => sum + rows.filter(({ verdict }) => verdict === 'ok').length, 0)
  console.log(`${count} as they should be, ${bad.length} not; written: ${join(out, 'report.md')}, report.json`)
  return bad.length === 0 ? 0 : 1
}

/** What is free in /dev/shm; 0: there is none. */
function sharedMemoryMiB(): number {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    return Math.round((bavail * bsize) / 2 ** 20)
  } catch {
    return 0
  }
}

const say = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

await new Command('gpu-check')
  .description('Runs the test programs, the performance harness and, where there is one, PyTorch through Ringfence and on the driver itself, side by side, and writes a report.')
  .option('--driver <path>', 'the libcuda.so.1 to use, or "stub" for the software GPU (default: the NVIDIA driver of this machine)')
  .option('--quick', 'a minute instead of ten: two programs, two measurements, no bars')
  .option('--out <folder>', 'where report.md and report.json go', 'gpu-check-report')
  .option('--python <path>', 'a Python with PyTorch', 'python3')
  .addOption(new Option('--only <parts>', `some of ${PARTS.join(',')}, where one run may not take so long`))
  .addHelpText('after', '\nStatus: 0 all is as it should be, 1 something is not, 2 wrong usage, 3 no driver or one that does not work.')
  .action(async (options: Options) => {
    try {
      process.exitCode = await main(options)
    } catch (error) {
      console.error(`gpu-check: ${error instanceof Error ? error.message : String(error)}`)
      process.exitCode = 2
    }
  })
  .parseAsync()
