// How a program runs on each side. The zone is one of a daemon that the harness starts for itself, in a run directory of
// its own, on the software GPU; the direct side loads that same software GPU with the same size and settings.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Side } from './model.ts'
import { executable, root } from './programs.ts'
import type { Command, Sample } from './model.ts'

const CARD_MEMORY = '4Gi'
const ZONE_MEMORY = '2Gi'
const RUN_TIMEOUT_MS = 60_000
const cli = join(root, 'build/js/ringfence.js')

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** A daemon with one zone for as long as the harness measures. */
export class Zone {
  private readonly runDir = mkdtempSync(join(tmpdir(), 'ringfence-perf-'))
  private readonly daemon: ChildProcess
  private log = ''
  private socket = ''

  private constructor() {
    this.daemon = spawn(process.execPath, [cli, 'serve', '--run-dir', this.runDir, '--driver', 'stub', '--card-memory', CARD_MEMORY], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.daemon.stdout, this.daemon.stderr]) stream?.on('data', (data: Buffer) => (this.log = (this.log + data.toString()).slice(-4000)))
  }

  /** Starts the daemon and makes the zone. Throws with the daemon's words when it does not answer. */
  static async start(): Promise<Zone> {
    if (!existsSync(cli)) throw new Error('no build/js/ringfence.js: run `npm run build` first')
    const zone = new Zone()
    try {
      for (const end = Date.now() + 15_000; !existsSync(join(zone.runDir, 'control.sock')) || zone.command('status').status !== 0; await sleep(50)) {
        if (zone.daemon.exitCode !== null || Date.now() > end) throw new Error(`the daemon does not answer:\n${zone.log}`)
      }
      const created = zone.command('zone', 'create', 'perf', '--memory', ZONE_MEMORY)
      if (created.status !== 0) throw new Error(`zone create: ${created.stderr}`)
      const shown = zone.command('zone', 'show', 'perf', '--json')
      if (shown.status !== 0) throw new Error(`zone show: ${shown.stderr}`)
      zone.socket = (JSON.parse(shown.stdout) as { socket: string }).socket
      return zone
    } catch (error) {
      await zone.stop()
      throw error
    }
  }

  private command(...args: string[]) {
    return spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, RINGFENCE_RUN_DIR: this.runDir }, timeout: 30_000 })
  }

  /** What a program has in its environment to be in this zone. */
  get environment(): Record<string, string> {
    return { RINGFENCE_SOCKET: this.socket, LD_LIBRARY_PATH: join(root, 'build/lib') }
  }

  async stop(): Promise<void> {
    if (this.daemon.exitCode === null && this.daemon.signalCode === null) {
      const gone = new Promise<void>((done) => this.daemon.once('exit', () => done()))
      this.daemon.kill('SIGTERM')
      const forced = setTimeout(() => this.daemon.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(forced)
    }
    rmSync(this.runDir, { recursive: true, force: true })
  }
}

const DIRECT = { LD_LIBRARY_PATH: join(root, 'build/stub'), RINGFENCE_STUB_MEMORY: CARD_MEMORY }

/** Runs one program once. Throws what it said on stderr when it fails, hangs or prints nothing. */
export async function measure(command: Command, side: Side, zone: Zone | null): Promise<Sample> {
  const program = executable(command.program)
  const environment = side === 'ringfence' ? zone?.environment : side === 'direct' ? DIRECT : {}
  if (environment === undefined) throw new Error('there is no daemon')
  const { status, stdout, stderr } = await run(program, command.arguments ?? [], environment)
  const name = `${command.program} ${command.arguments?.join(' ') ?? ''}`.trim()
  if (status !== 0) throw new Error(`${name}: ${stderr.trim() || `left with ${status}`}`)
  const sample: Sample = {}
  for (const line of stdout.split('\n').filter(Boolean)) {
    const { metric, value } = JSON.parse(line) as { metric: string; value: number }
    sample[metric] = value
  }
  if (Object.keys(sample).length === 0) throw new Error(`${name}: printed nothing`)
  return sample
}

function run(program: string, args: string[], environment: Record<string, string>): Promise<{ status: number | string; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const child = spawn(program, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let stdout = ''
    let stderr = ''
    let late = false
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    // The whole group: references fork, and a reader without its writer would spin for ever.
    const timer = setTimeout(() => {
      late = true
      process.kill(-(child.pid as number), 'SIGKILL')
    }, RUN_TIMEOUT_MS)
    child.on('error', (error) => {
      clearTimeout(timer)
      done({ status: 'error', stdout, stderr: error.message })
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      done({ status: code ?? signal ?? 'nothing', stdout, stderr: late ? `did not end within ${RUN_TIMEOUT_MS / 1000} s` : stderr })
    })
  })
}
