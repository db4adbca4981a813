// A daemon of a test's own: its own run directory, the software GPU, and everything gone again at the end.
import { type ChildProcess, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from './cc.ts'
import { libraries } from './programs.ts'

export const cli = join(root, 'build/js/ringfence.js')

export interface Usage {
  memory: number
  memoryPeak: number
  clients: number
  allocations: number
  handles: number
  staging: number
  calls: number
  refused: number
}

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms))

/** Waits until `condition` holds; says what it waited for when it never does. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for ${what}`)
    await sleep(10)
  }
}

export class Daemon {
  readonly runDir = mkdtempSync(join(tmpdir(), 'ringfence-test-'))
  readonly child: ChildProcess
  output = ''
  private readonly sockets = new Map<string, string>()

  private constructor(args: string[], env: Record<string, string>) {
    this.child = spawn(process.execPath, [cli, 'serve', '--run-dir', this.runDir, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    for (const stream of [this.child.stdout, this.child.stderr]) stream?.on('data', (d: Buffer) => (this.output += d.toString()))
  }

  /** Starts `ringfence serve` and waits until it answers. */
  static async start(args: string[] = ['--driver', 'stub', '--card-memory', '4Gi'], env: Record<string, string> = {}): Promise<Daemon> {
    const daemon = new Daemon(args, env)
    try {
      await until('the daemon to answer', () => {
        if (daemon.child.exitCode !== null) throw new Error(`the daemon ended with ${daemon.child.exitCode}:\n${daemon.output}`)
        return existsSync(join(daemon.runDir, 'control.sock')) && daemon.run('status', '--json').status === 0
      })
    } catch (error) {
      daemon.child.kill('SIGKILL')
      throw error
    }
    return daemon
  }

  /** The command line against this daemon. */
  run(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [cli, ...args], { encoding: 'utf8', env: { ...process.env, RINGFENCE_RUN_DIR: this.runDir }, timeout: 60_000 })
  }

  must(...args: string[]): string {
    const result = this.run(...args)
    if (result.status !== 0) throw new Error(`ringfence ${args.join(' ')}: ${result.status}\n${result.stdout}${result.stderr}`)
    return result.stdout
  }

  zone(name: string, memory: string, ...more: string[]): void {
    this.must('zone', 'create', name, '--memory', memory, ...more)
  }

  /** Asked once: a zone that is removed and made again has the same one. */
  socket(zone: string): string {
    const known = this.sockets.get(zone)
    if (known !== undefined) return known
    const found = JSON.parse(this.must('zone', 'show', zone, '--json')) as { socket: string }
    this.sockets.set(zone, found.socket)
    return found.socket
  }

  private show(zone: string): { usage: Usage; connections: number } {
    return JSON.parse(this.must('zone', 'show', zone, '--json')) as { usage: Usage; connections: number }
  }

  /** As it was told last: of clients that live, some 50 ms ago or longer; see `left`. */
  usage(zone: string): Usage {
    return this.show(zone).usage
  }

  /** Waits until all who connected are gone and nothing of them is left to end; the usage then, their calls and refusals in it. */
  async left(zone: string): Promise<Usage> {
    let last = this.show(zone)
    await until(`the connections of zone ${zone} to end`, () => (last = this.show(zone)).connections === 0)
    return last.usage
  }

  /** The same, and it must be nothing. */
  async empty(zone: string): Promise<void> {
    const { clients, memory, handles, allocations, staging } = await this.left(zone)
    const left = { clients, memory, handles, allocations, staging }
    if (Object.values(left).some((each) => each !== 0)) throw new Error(`left in zone ${zone}: ${JSON.stringify(left)}`)
  }

  /** What a program in the zone has in its environment. */
  env(zone: string): Record<string, string> {
    return { RINGFENCE_SOCKET: this.socket(zone), LD_LIBRARY_PATH: libraries.client }
  }

  /** Runs a program in a zone to its end. */
  in(zone: string, command: string, args: string[] = [], env: Record<string, string> = {}, input?: string): SpawnSyncReturns<string> {
    return spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...this.env(zone), ...env }, timeout: 120_000, maxBuffer: 64 << 20, ...(input === undefined ? {} : { input }) })
  }

  /** Processes of this daemon: the supervisor first, then its executors. */
  processes(): number[] {
    const children = readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map(Number).filter((pid) => {
      try {
        return Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) === this.child.pid
      } catch {
        return false
      }
    })
    return [this.child.pid as number, ...children]
  }

  /** SIGTERM, and the exit status. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise<void>((done) => this.child.once('exit', () => done()))
      this.child.kill('SIGTERM')
      await Promise.race([gone, sleep(10_000).then(() => this.child.kill('SIGKILL'))])
      await gone
    }
    return this.child.exitCode
  }

  async remove(): Promise<void> {
    await this.stop()
    rmSync(this.runDir, { recursive: true, force: true })
  }
}

/** Shared memory objects that these processes have made and that exist by name: while one is being made, for a moment. */
export const sharedObjects = (pids: number[]): string[] => readdirSync('/dev/shm').filter((name) => pids.some((pid) => name.startsWith(`ringfence-${pid}-`)))

/** How many descriptors a process holds. */
export const descriptors = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      return []
    }
  })
