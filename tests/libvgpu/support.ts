// Tests of the client library alone: programs linked with it, against the broker in C of this folder.
import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { once } from 'node:events'
import { compile, root, scratchFolder, type Sanitizer } from '../support/cc.ts'
import { variantFolder } from '../support/variant.ts'

const folder = scratchFolder('libvgpu')
const includes = ['idm', 'idm/generated', 'tests/programs', 'libvgpu'].map((path) => join(root, path))

/** Where a variant of the library lies. */
export const library = (sanitizer: Sanitizer = 'none'): string => variantFolder(sanitizer, 'lib')

const made = new Map<string, string>()

/** Compiles tests/libvgpu/NAME.c against the library of the same variant, once. `sources`: more files, from the checkout's root. */
export function build(name: string, sanitizer: Sanitizer = 'none', link: string[] = [`-L${library(sanitizer)}`, '-lcuda'], sources: string[] = []): string {
  const key = `${name}-${sanitizer}`
  let path = made.get(key)
  if (path === undefined) {
    path = compile({ sources: [`tests/libvgpu/${name}.c`, ...sources], output: join(folder, key), sanitizer, includes, link })
    made.set(key, path)
  }
  return path
}

let brokers = 0

export interface Broker {
  socket: string
  process: ChildProcess
  /** Ends it and waits until it is gone. */
  stop(): Promise<void>
}

/** Starts the broker in a mode (see broker.c) and waits until it listens. */
export async function broker(mode: string): Promise<Broker> {
  const socket = join(folder, `broker-${brokers++}.sock`)
  const child = spawn(build('broker', 'none', []), [socket, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  return {
    socket,
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}

export interface Ran {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  ms: number
}

// Reports in which one side is a commit are left out: the commit hands the record's place to another thread by way of the broker,
// and the line that tells the sanitizer so (libvgpu/happens.h) can only come a moment later.
const tsan = join(import.meta.dirname, 'tsan-suppressions.txt')

/** Runs a program against a socket; a hang is killed after `timeout` ms and shows as a signal. */
export async function run(program: string, args: string[], socket: string, options: { sanitizer?: Sanitizer; env?: Record<string, string>; timeout?: number; output?: (text: string) => void } = {}): Promise<Ran> {
  const started = Date.now()
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'], LD_LIBRARY_PATH: library(options.sanitizer), RINGFENCE_SOCKET: socket,
      TSAN_OPTIONS: `halt_on_error=1:suppressions=${tsan}`, ...options.env,
    },
  })
  const result: Ran = { status: null, signal: null, stdout: '', stderr: '', ms: 0 }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    result.stdout += text
    options.output?.(text)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout ?? 150_000)
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(timer)
  return { ...result, status, signal, ms: Date.now() - started }
}

/** Starts a broker, runs one program against it, ends the broker. */
export async function against(mode: string, program: string, args: string[], options: Parameters<typeof run>[3] = {}): Promise<Ran> {
  const b = await broker(mode)
  try {
    return await run(program, args, b.socket, options)
  } finally {
    await b.stop()
  }
}

/** The program must have ended well: its output is the message otherwise. */
export function fine(ran: Ran): void {
  if (ran.status !== 0) throw new Error(`ended with ${ran.status ?? ran.signal} after ${ran.ms} ms\n${ran.stdout}${ran.stderr}`)
}
