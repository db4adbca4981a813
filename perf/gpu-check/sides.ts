// The two sides of every comparison: the driver itself, and a zone in front of it.
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import type { Daemon } from '../daemon.ts'

export interface Run {
  status: number | string
  stdout: string
  stderr: string
  /** Seconds. */
  took: number
}

export interface Sides {
  readonly native: Record<string, string>
  readonly zone: Record<string, string>
}

/** `driver`: the libcuda.so.1; `software`: it is the software GPU. What was on LD_LIBRARY_PATH stays behind it. */
export function sidesOf(driver: string, software: boolean, daemon: Daemon, zone: string): Sides {
  const before = process.env['LD_LIBRARY_PATH']
  const after = (folder: string): string => (before ? `${folder}:${before}` : folder)
  const inside = daemon.environment(zone)
  return {
    // A real driver is found where the linker finds it: what it loads lies beside it.
    native: software ? { LD_LIBRARY_PATH: after(dirname(driver)), RINGFENCE_STUB_MEMORY: String(8 * 2 ** 30) } : { LD_LIBRARY_PATH: after(dirname(driver)) },
    zone: { ...inside, LD_LIBRARY_PATH: after(inside['LD_LIBRARY_PATH']) },
  }
}

/** Runs a program to its end, at most `seconds`. */
export function run(program: string, args: string[], environment: Record<string, string>, seconds: number): Promise<Run> {
  return new Promise((done) => {
    const began = performance.now()
    const child = spawn(program, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    let stdout = ''
    let stderr = ''
    let late = false
    child.stdout.on('data', (data: Buffer) => (stdout += data.toString()))
    child.stderr.on('data', (data: Buffer) => (stderr = (stderr + data.toString()).slice(-4000)))
    const timer = setTimeout(() => {
      late = true
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }, seconds * 1000)
    const finish = (status: number | string): void => {
      clearTimeout(timer)
      done({ status, stdout, stderr: late ? `did not end within ${seconds} s` : stderr, took: (performance.now() - began) / 1000 })
    }
    child.on('error', (error) => {
      stderr = error.message
      finish('error')
    })
    child.on('close', (code, signal) => finish(code ?? signal ?? 'nothing'))
  })
}

export const programs = (root: string): string => join(root, 'build/perf')
