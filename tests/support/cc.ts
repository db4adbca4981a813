// Compiles C for a test and runs it: a program beside the software GPU, with or without sanitizers. Every caller gets
// the same warnings as the product, so a test program that does not compile cleanly fails its test.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')

export type Sanitizer = 'none' | 'address' | 'thread'

export interface CompileOptions {
  /** Sources, relative to the checkout or absolute. */
  sources: string[]
  /** Where the result goes. */
  output: string
  sanitizer?: Sanitizer
  includes?: string[]
  flags?: string[]
  /** Libraries and linker flags, after the sources. */
  link?: string[]
  shared?: boolean
}

const sanitizerFlags: Record<Sanitizer, string[]> = {
  none: ['-O2'],
  // Halt on the first finding: a test that goes on after undefined behaviour proves nothing.
  address: ['-O1', '-fno-omit-frame-pointer', '-fsanitize=address,undefined', '-fno-sanitize-recover=all'],
  thread: ['-O1', '-fno-omit-frame-pointer', '-fsanitize=thread'],
}

export const includeFolders = ['idm', 'idm/generated', 'stub-driver', 'idm/graphs'].map((folder) => join(root, folder))

/** Compiles, and throws with the compiler's own words when it fails. Returns the output's path. */
export function compile(options: CompileOptions): string {
  const args = [
    '-std=c11',
    '-D_GNU_SOURCE',
    '-g',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-pthread',
    ...sanitizerFlags[options.sanitizer ?? 'none'],
    ...(options.shared ? ['-shared', '-fPIC', '-fvisibility=hidden'] : []),
    ...(options.flags ?? []),
    ...(options.includes ?? includeFolders).map((folder) => `-I${folder}`),
    ...options.sources.map((source) => resolve(root, source)),
    '-o',
    options.output,
    ...(options.link ?? []),
  ]
  const result = spawnSync(process.env['CC'] ?? 'cc', args, { encoding: 'utf8', timeout: 120_000 })
  if (result.status !== 0) throw new Error(`cc failed (${result.status ?? result.signal}):\n${result.stderr}`)
  return options.output
}

export interface RunResult {
  status: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs a program to its end. `env` is added to ours; a hung program is killed after `timeout` ms and fails loudly. */
export function run(program: string, args: string[] = [], env: Record<string, string> = {}, timeout = 60_000): RunResult {
  const result = spawnSync(program, args, {
    encoding: 'utf8',
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
    env: { ...process.env, ...env },
  })
  if (result.error) throw result.error
  return { status: result.status, signal: result.signal, stdout: result.stdout, stderr: result.stderr }
}

/** A folder of this process's own that is gone when it exits. */
export function scratchFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `ringfence-${name}-`))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** The C files of a folder of the checkout, sorted, so that builds repeat. */
export function cFiles(folder: string): string[] {
  const path = resolve(root, folder)
  return readdirSync(path)
    .filter((file) => file.endsWith('.c'))
    .sort()
    .map((file) => join(path, file))
}

/** Makes a folder and its parents. */
export function makeFolder(path: string): string {
  mkdirSync(path, { recursive: true })
  return path
}
