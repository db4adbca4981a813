// How a program runs on each side. The zone is one of a daemon that the harness starts for itself (daemon.ts); the direct
// side loads that same software GPU, on that same card: where in the machine's memory its pages lie decides a fifth of a copy's rate, and a card's
// pages stay where they are for as long as its daemon lives.
import { spawn } from 'node:child_process'
import { basename, dirname, join } from 'node:path'
import { Daemon, driver } from './daemon.ts'
import type { Command, Sample, Side } from './model.ts'
import { executable, root } from './programs.ts'

const ZONE = 'perf'
const ZONE_MEMORY = 3 * 2 ** 30
/** On a machine with much company a hundred thousand waited calls take that long. */
const RUN_TIMEOUT_MS = 180_000

/**
 * The daemon with the one zone that most measurements share. Its executor stays from one repetition to the next, as it does in a zone that is in
 * use: a fresh one's first second, with the start of its replacement on the other core, is `connect`'s and `fresh`'s to tell.
 */
export async function startZone(): Promise<Daemon> {
  const daemon = await Daemon.start({ zones: [ZONE], memory: ZONE_MEMORY, environment: { RINGFENCE_LINGER_MS: '60000' } })
  try {
    // The first client takes an executor out of the pool, whose replacement starts and rehearses for half a second on one of the cores:
    // beside whatever would be measured first.
    await runOnce({ program: 'programs/waited', arguments: ['priority-range', '1000'] }, daemon.environment(ZONE))
    await daemon.warm((await daemon.api.status()).pool.size)
    return daemon
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

/** What a program has in its environment to load the driver itself: the software GPU, of so many bytes, or a real one's. */
export const direct = (memory: number): Record<string, string> =>
  driver === null ? { LD_LIBRARY_PATH: join(root, 'build/stub'), RINGFENCE_STUB_MEMORY: String(memory) } : { LD_LIBRARY_PATH: dirname(driver) }

/** A descriptor of ours here, of its own in the program. */
const CARD = 'RINGFENCE_STUB_CARD_FD'
const CARD_THERE = 3

function environmentOf(side: Side, daemon: Daemon | null): Record<string, string> {
  if (side === 'ringfence' && daemon === null) throw new Error('there is no daemon')
  if (side === 'ringfence') return (daemon as Daemon).environment(ZONE)
  if (side !== 'direct') return {}
  const card = daemon?.cardDescriptor ?? null
  return { ...direct(2 * ZONE_MEMORY), ...(card === null ? {} : { [CARD]: String(card) }) }
}

/** Runs one program once. Throws what it said on stderr when it fails, hangs or prints nothing. */
export async function measure(command: Command, side: Side, daemon: Daemon | null): Promise<Sample> {
  return runOnce(command, environmentOf(side, daemon))
}

/** The same of a program that takes turns with others: a sample for each of its slices. */
export async function measureSlices(command: Command, side: Side, daemon: Daemon | null, environment: Record<string, string>, stop: AbortSignal): Promise<Sample[]> {
  return samplesOf({ file: executable(command.program), arguments: command.arguments ?? [] }, { ...environmentOf(side, daemon), ...environment }, stop)
}

/** The same in an environment of the caller's. */
export async function runOnce(command: Command, environment: Record<string, string>): Promise<Sample> {
  return runHere(executable(command.program), command.arguments ?? [], environment)
}

/** The same of any program that prints as ours do. */
export async function runHere(program: string, args: string[], environment: Record<string, string>): Promise<Sample> {
  return (await samplesOf({ file: program, arguments: args }, environment))[0]
}

export interface Program {
  /** The executable's path. */
  file: string
  arguments: string[]
}

/** Runs a program, until `stop` is aborted: a sample for each of its slices. Throws as measure() does. */
export async function samplesOf(program: Program, environment: Record<string, string>, stop?: AbortSignal): Promise<Sample[]> {
  const { status, stdout, stderr } = await run(program.file, program.arguments, environment, stop)
  const name = `${basename(program.file)} ${program.arguments.join(' ')}`.trim()
  if (status !== 0) throw new Error(`${name}: ${stderr.trim() || `left with ${status}`}`)
  // An empty line ends a slice.
  const slices = stdout.split('\n\n').map((slice) => slice.split('\n').filter(Boolean)).filter((lines) => lines.length > 0)
  if (slices.length === 0) throw new Error(`${name}: printed nothing`)
  return slices.map((lines) =>
    Object.fromEntries(lines.map((line) => JSON.parse(line) as { metric: string; value: number }).map(({ metric, value }) => [metric, value])),
  )
}

function run(program: string, args: string[], environment: Record<string, string>, stop?: AbortSignal): Promise<{ status: number | string; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const card = environment[CARD]
    const child = spawn(program, args, {
      env: { ...process.env, ...environment, ...(card === undefined ? {} : { [CARD]: String(CARD_THERE) }) },
      stdio: ['ignore', 'pipe', 'pipe', card === undefined ? 'ignore' : Number(card)],
      detached: true,
    })
    let stdout = ''
    let stderr = ''
    let late = false
    child.stdout?.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stderr?.on('data', (data: Buffer) => (stderr += data.toString()))
    // The whole group: references fork, and a reader without its writer would spin for ever.
    const kill = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // It has ended by itself, which `close` is about to tell.
      }
    }
    const timer = setTimeout(() => {
      late = true
      kill()
    }, RUN_TIMEOUT_MS)
    stop?.addEventListener('abort', kill, { once: true })
    child.on('error', (error) => {
      clearTimeout(timer)
      done({ status: 'error', stdout, stderr: error.message })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      stop?.removeEventListener('abort', kill)
      done({ status: code ?? signal ?? 'nothing', stdout, stderr: late ? `did not end within ${RUN_TIMEOUT_MS / 1000} s` : stderr })
    })
  })
}
