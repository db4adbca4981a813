// A daemon that the harness starts for itself, in a run directory of its own, on the software GPU (or a real one), with the zones that a
// measurement needs. Most share one zone (sides.ts); those that need many, or a daemon at rest, start their own.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient } from '../proxy/api/client.ts'
import { root } from './programs.ts'

const cli = join(root, 'build/js/ringfence.js')

/** The driver's libcuda.so.1 where it is a real GPU's (RINGFENCE_PERF_DRIVER); null: the software GPU. */
export const driver = process.env['RINGFENCE_PERF_DRIVER'] || null

const WARM_WITHIN_MS = 20_000

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

export interface DaemonOptions {
  zones: string[]
  /** Bytes, of each zone. */
  memory: number
  /** Executors kept waiting; the daemon's default otherwise. */
  pool?: number
  /** More of the environment, such as settings of the software GPU. */
  environment?: Record<string, string>
}

export class Daemon {
  private readonly runDir = mkdtempSync(join(tmpdir(), 'ringfence-perf-'))
  private readonly process: ChildProcess
  private readonly sockets = new Map<string, string>()
  private log = ''
  private card: number | null = null
  private made = 0
  readonly api = new ApiClient(this.runDir)

  private constructor(options: DaemonOptions) {
    const card = driver === null ? ['--driver', 'stub', '--card-memory', String(options.memory * options.zones.length * 2)] : ['--driver', driver]
    const pool = options.pool === undefined ? [] : ['--pool', String(options.pool)]
    this.process = spawn(process.execPath, [cli, 'serve', '--run-dir', this.runDir, ...card, ...pool], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    })
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (data: Buffer) => (this.log = (this.log + data.toString()).slice(-4000)))
  }

  /** Starts the daemon and makes the zones, on a card of twice their size. Throws with the daemon's words when it does not answer. */
  static async start(options: DaemonOptions): Promise<Daemon> {
    if (!existsSync(cli)) throw new Error('no build/js/ringfence.js: run `npm run build` first')
    const daemon = new Daemon(options)
    try {
      for (const end = Date.now() + 15_000; !(await daemon.api.isServing()); await sleep(20)) {
        if (daemon.process.exitCode !== null || Date.now() > end) throw new Error(`the daemon does not answer:\n${daemon.log}`)
      }
      for (const name of options.zones) await daemon.make(name, options.memory)
      return daemon
    } catch (error) {
      await daemon.stop()
      throw error
    }
  }

  /** One zone more, of so many bytes. */
  async make(name: string, memory: number): Promise<void> {
    // More allocations and handles than a zone has by default: some measurements are about a hundred thousand of them.
    const limits = { allocations: 200_000, handles: 200_000, staging: 4 * 2 ** 30 }
    this.sockets.set(name, (await this.api.create({ name, memory, limits })).socket)
  }

  get pid(): number {
    return this.process.pid as number
  }

  /** Runs `use` with the environment of a zone that no one was in before, beside `executors` that wait and have rehearsed; the zone is removed. */
  async inFreshZone<T>(memory: number, executors: number, use: (environment: Record<string, string>) => Promise<T>): Promise<T> {
    const name = `fresh${this.made++}`
    await this.make(name, memory)
    await this.warm(executors)
    try {
      return await use(this.environment(name))
    } finally {
      await this.api.remove(name)
    }
  }

  /** The executors, waiting ones too. */
  get executors(): number[] {
    return readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  }

  /** Waits until so many executors wait in the pool and have rehearsed (proxy/executor/rehearsal.ts). */
  async warm(executors: number): Promise<void> {
    for (const end = Date.now() + WARM_WITHIN_MS; (await this.api.status()).pool.rehearsed < executors; await sleep(20))
      if (Date.now() > end) throw new Error('the pool does not fill')
  }

  /** A descriptor of the card that its executors share; null: a real GPU. Ours: stop() closes it. */
  get cardDescriptor(): number | null {
    if (driver !== null || this.card !== null) return this.card
    const folder = `/proc/${this.pid}/fd`
    const link = readdirSync(folder).find((name) => readlinkSync(join(folder, name)).startsWith('/memfd:ringfence-card'))
    if (link === undefined) throw new Error('the daemon holds no card')
    return (this.card = openSync(join(folder, link), 'r+'))
  }

  /** What a program has in its environment to be in a zone. Throws when there is no such zone. */
  environment(zone: string): Record<string, string> {
    const socket = this.sockets.get(zone)
    if (socket === undefined) throw new Error(`the daemon has no zone "${zone}"`)
    return { RINGFENCE_SOCKET: socket, LD_LIBRARY_PATH: join(root, 'build/lib') }
  }

  async stop(): Promise<void> {
    if (this.card !== null) closeSync(this.card)
    this.card = null
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const gone = new Promise<void>((done) => this.process.once('exit', () => done()))
      this.process.kill('SIGTERM')
      const forced = setTimeout(() => this.process.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(forced)
    }
    rmSync(this.runDir, { recursive: true, force: true })
  }
}
