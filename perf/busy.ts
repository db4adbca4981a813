// Clients that stay, and are busy when told (programs/busy.c): connected once, so that many rounds cost no start.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { executable } from './programs.ts'

/** What a client did in one round. */
export interface Round {
  /** Done within the round. */
  calls: number
  /** Nanoseconds: the longest call. */
  longest: number
  /** How many calls per class of latency: class c begins at 2^(c/4) ns. */
  classes: Record<string, number>
}

/** A round of a hundred clients on two cores ends late, but not that late. */
const ANSWER_MS = 60_000

export class BusyClient {
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>
  private readonly lines: Interface
  private waiting: { done: (line: string) => void; fail: (error: Error) => void } | null = null
  private complaint = ''
  readonly ready: Promise<string>

  /** `environment`: which libcuda.so.1 it loads, and its zone. */
  constructor(environment: Record<string, string>) {
    // A session of its own, as a tenant's container is: Linux shares cores out among sessions first (autogroup), and all clients in
    // one would have to do with what a single executor gets.
    this.child = spawn(executable('programs/busy'), [], { env: { ...process.env, ...environment }, stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    this.child.stderr.on('data', (data: Buffer) => (this.complaint = (this.complaint + data.toString()).slice(-1000)))
    this.child.stdin.on('error', () => undefined)
    this.lines = createInterface({ input: this.child.stdout })
    this.lines.on('line', (line) => this.waiting?.done(line))
    this.child.on('close', (code) => this.waiting?.fail(new Error(`programs/busy: ${this.complaint.trim() || `left with ${code}`}`)))
    this.ready = this.line()
    this.ready.catch(() => undefined)
  }

  get pid(): number {
    return this.child.pid as number
  }

  private line(): Promise<string> {
    return new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`programs/busy: no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS)
      const over = (): void => {
        clearTimeout(timer)
        this.waiting = null
      }
      this.waiting = { done: (line) => (over(), resolve(line)), fail: (error) => (over(), reject(error)) }
    })
  }

  /** Busy for so long. Rejects with what the program said when it ends instead. */
  async busy(milliseconds: number): Promise<Round> {
    const answer = this.line()
    this.child.stdin.write(`${milliseconds}\n`)
    return JSON.parse(await answer) as Round
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = new Promise<void>((done) => this.child.once('exit', () => done()))
    this.child.stdin.end()
    const forced = setTimeout(() => this.child.kill('SIGKILL'), 5000)
    await gone
    clearTimeout(forced)
  }
}

/** The q-quantile (0..1) of all calls of the rounds, in nanoseconds: the middle of its class, at most a tenth off. */
export function latency(rounds: Round[], q: number): number {
  const classes = new Map<number, number>()
  for (const round of rounds) for (const [c, count] of Object.entries(round.classes)) classes.set(Number(c), (classes.get(Number(c)) ?? 0) + count)
  let left = q * [...classes.values()].reduce((sum, count) => sum + count, 0)
  for (const [c, count] of [...classes].sort(([a], [b]) => a - b)) {
    left -= count
    if (left <= 0) return 2 ** Math.floor(c / 4) * (1 + (c % 4) / 4 + 1 / 8)
  }
  return 0
}

/** Jain's index of fairness: 1 when all got the same, 1/n when one got all. */
export function fairness(shares: number[]): number {
  const sum = shares.reduce((a, b) => a + b, 0)
  return sum ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0))
}
