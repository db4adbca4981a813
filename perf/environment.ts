// What a figure means nothing without: machine, load, versions, commit.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, release, totalmem } from 'node:os'
import { root } from './programs.ts'

export interface Environment {
  date: string
  commit: string
  /** Whether tracked files differ from the commit. */
  dirty: boolean
  cpu: string
  cores: number
  memoryGiB: number
  kernel: string
  arch: string
  node: string
  load: number[]
}

const git = (...args: string[]): string => {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}

export function environment(): Environment {
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short=10', 'HEAD') || 'unknown',
    dirty: git('status', '--porcelain', '--untracked-files=no') !== '',
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    arch: arch(),
    node: process.version,
    load: loadavg(),
  }
}

/** Percent of the machine's CPU time that others use, watched for `ms` while we do nothing: the load average comes too late. */
export async function busyPercent(ms = 200): Promise<number> {
  const before = cpuTimes()
  await new Promise((done) => setTimeout(done, ms))
  const after = cpuTimes()
  const total = after.total - before.total
  return total > 0 ? Math.round((100 * (total - (after.idle - before.idle))) / total) : 0
}

/** In clock ticks, since boot; idle includes waiting for disks. */
function cpuTimes(): { total: number; idle: number } {
  const times = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].trim().split(/\s+/).slice(1, 9).map(Number)
  return { total: times.reduce((sum, time) => sum + time, 0), idle: times[3] + times[4] }
}
