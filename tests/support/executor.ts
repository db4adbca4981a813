// An executor for a test: the built bundle, forked as the supervisor forks it, behind a socket of the test's own, on the software GPU.
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ExecutorMessage, PassedMessage, SupervisorMessage, ZoneLimits, ZoneUsage } from '../../proxy/supervisor/messages.ts'
import { executorMessage } from '../../proxy/supervisor/messages.ts'
import { close } from '../../proxy/passed.ts'
import { makePassage, pass, PASSAGE_VARIABLE } from '../../proxy/passage.ts'
import { descriptorOf } from '../../proxy/supervisor/hand-over.ts'

export const root = resolve(import.meta.dirname, '../..')
const MiB = 1 << 20

export const roomy: ZoneLimits = { memory: 256 * MiB, clients: 64, allocations: 100_000, handles: 100_000, staging: 512 * MiB }

export interface ExecutorOptions {
  limits?: Partial<ZoneLimits>
  token?: string | null
  uid?: number | null
  env?: NodeJS.ProcessEnv
  driver?: string
  /** With the software GPU built with ASan and UBSan, where there is that build: what it finds ends the executor. */
  sanitized?: boolean
  /** Gets what it writes to standard error, which is this process's otherwise. */
  said?: (text: string) => void
}

/** The sanitized software GPU and what must be preloaded for it (Node is not sanitized); null: not built. */
function sanitizedDriver(): { driver: string; env: NodeJS.ProcessEnv } | null {
  const driver = join(root, 'build/asan/stub/libcuda.so.1')
  if (!existsSync(driver)) return null
  const libraries = ['libasan.so', 'libubsan.so'].map((name) => spawnSync(process.env['CC'] ?? 'cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout.trim())
  return { driver, env: { LD_PRELOAD: libraries.join(' '), ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1' } }
}

export class TestExecutor {
  readonly folder = mkdtempSync(join(tmpdir(), 'rf-executor-'))
  readonly path = join(this.folder, 'zone.sock')
  readonly child: ChildProcess
  readonly limits: ZoneLimits
  usage: ZoneUsage | null = null
  readonly gone: number[] = []
  ready: Extract<ExecutorMessage, { type: 'ready' }> | null = null
  failed: Extract<ExecutorMessage, { type: 'failed' }> | null = null
  idle = 0
  exit: { code: number | null; signal: NodeJS.Signals | null } | null = null
  private readonly server: net.Server
  private nextId = 1
  /** Connections handed over whose end the executor has not told yet. Those of an earlier test end in their own time. */
  get present(): number {
    return this.nextId - 1 - this.gone.length
  }
  private changed: (() => void)[] = []

  private constructor(options: ExecutorOptions) {
    this.limits = { ...roomy, ...options.limits }
    const sanitized = options.sanitized && !process.env['RINGFENCE_TEST_DRIVER'] ? sanitizedDriver() : null
    const passage = makePassage()
    this.passage = passage.ours
    this.child = fork(process.env['RINGFENCE_EXECUTOR'] ?? join(root, 'build/js/executor.js'), [], {
      serialization: 'advanced',
      stdio: ['inherit', 'inherit', options.said ? 'pipe' : 'inherit', 'ipc', passage.theirs],
      execArgv: (process.env['RINGFENCE_TEST_EXEC_ARGV'] ?? '').split(' ').filter(Boolean),
      env: {
        ...process.env,
        RINGFENCE_DRIVER: options.driver ?? sanitized?.driver ?? process.env['RINGFENCE_TEST_DRIVER'] ?? join(root, 'build/stub/libcuda.so.1'),
        RINGFENCE_STUB_MEMORY: String(1024 * MiB),
        [PASSAGE_VARIABLE]: '4',
        RINGFENCE_LOG: process.env['RINGFENCE_LOG'] ?? 'error',
        ...sanitized?.env,
        ...options.env,
      },
    })
    close(passage.theirs)
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => options.said?.(text))
    this.child.on('message', (raw) => {
      const message = executorMessage.parse(raw)
      if (message.type === 'usage') this.usage = message.usage
      else if (message.type === 'client-gone') this.gone.push(message.id)
      else if (message.type === 'ready') this.ready = message
      else if (message.type === 'failed') this.failed = message
      else if (message.type === 'idle') this.idle++
      else this.adopted = true
      this.notify()
    })
    this.child.on('exit', (code, signal) => {
      this.exit = { code, signal }
      close(this.passage)
      this.notify()
    })
    this.server = net.createServer({ pauseOnConnect: true }, (socket) => {
      this.pass({ type: 'client', id: this.nextId++ }, socket)
    })
  }

  adopted = false
  private readonly passage: number

  private readonly underway: { message: PassedMessage; socket: net.Socket | null }[] = []

  private pass(message: PassedMessage, socket: net.Socket | null): void {
    if (this.underway.push({ message, socket }) === 1) this.passNext()
  }

  /** In order. */
  private passNext(): void {
    for (let next = this.underway[0]; next !== undefined; next = this.underway[0]) {
      const { message, socket } = next
      if (this.exit === null && pass(this.passage, message, socket === null ? -1 : descriptorOf(socket)) === 'later') return void setTimeout(() => this.passNext(), 5)
      socket?.destroy()
      this.underway.shift()
    }
  }

  private notify(): void {
    for (const each of this.changed.splice(0)) each()
  }

  static async start(options: ExecutorOptions = {}): Promise<TestExecutor> {
    const executor = new TestExecutor(options)
    await executor.until(() => executor.ready !== null || executor.failed !== null || executor.exit !== null)
    if (executor.ready === null) return executor
    await new Promise<void>((done) => executor.server.listen(executor.path, done))
    executor.pass({ type: 'adopt', zone: { name: 'test', device: 0, limits: executor.limits, token: options.token ?? null, uid: options.uid ?? null }, client: null }, null)
    await executor.until(() => executor.adopted || executor.failed !== null)
    return executor
  }

  send(message: SupervisorMessage): void {
    this.child.send(message)
  }

  /** Waits until nothing is left of any client that came. The usage is then the one after the last end, which is told before it: who only
   *  waits for a usage without clients may see the one from before they came. */
  async empty(timeoutMs?: number): Promise<void> {
    await this.until(() => this.present === 0, timeoutMs)
  }

  /** Waits until `condition` holds; it is asked again at every message. The time is for a machine with much company: nothing is measured by it. */
  async until(condition: () => boolean, timeoutMs = 30_000): Promise<void> {
    const end = Date.now() + timeoutMs
    while (!condition()) {
      const left = end - Date.now()
      if (left <= 0) throw new Error(`waited ${timeoutMs} ms for: ${condition}`)
      await new Promise<void>((done) => {
        const timer = setTimeout(done, Math.min(left, 50))
        this.changed.push(() => {
          clearTimeout(timer)
          done()
        })
      })
    }
  }

  /** Open descriptors of the executor. */
  get pid(): number {
    return this.child.pid!
  }

  async stop(): Promise<void> {
    this.server.close()
    if (this.exit === null) {
      this.send({ type: 'stop' })
      await this.until(() => this.exit !== null, 30_000).catch(() => this.child.kill('SIGKILL'))
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
