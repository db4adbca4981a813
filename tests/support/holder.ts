// tests/programs/holder.c in a zone: a client that holds a secret until it is told to end.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { type Daemon, until } from './daemon.ts'
import { program } from './programs.ts'

export interface Holder {
  child: ChildProcessWithoutNullStreams
  /** What it printed: where its secret and its handles are. */
  words: string[]
  /** What it said on standard error. */
  said: () => string
  /** Lets it end; its exit status. */
  end: () => Promise<number | null>
}

export async function hold(daemon: Daemon, zone: string): Promise<Holder> {
  const child = spawn(program('holder'), [], { env: { ...process.env, ...daemon.env(zone) } })
  let words = ''
  let said = ''
  child.stdout.on('data', (d: Buffer) => (words += d.toString()))
  child.stderr.on('data', (d: Buffer) => (said += d.toString()))
  const gone = new Promise<number | null>((done) => child.once('close', (code) => done(code)))
  await until('the holder to speak', () => words.includes('\n') || child.exitCode !== null)
  return { child, words: words.trim().split(' '), said: () => said, end: () => (child.stdin.end(), gone) }
}
