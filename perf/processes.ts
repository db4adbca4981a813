// What processes cost while nobody asks: memory and CPU time, as /proc tells them.
import { readdirSync, readFileSync } from 'node:fs'

/** Proportional set size in MiB: a page that n processes share counts 1/n for each. Throws when the process is gone. */
export function pss(pid: number): number {
  const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
  if (kib === null) throw new Error(`/proc/${pid}/smaps_rollup tells no PSS`)
  return Number(kib[1]) / 1024
}

/** CPU time of all its threads so far, in nanoseconds. One that ends while it is looked at counts no more. Throws when the process is gone. */
export function cpuTime(pid: number): number {
  let sum = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch (error) {
      // ENOENT as it is opened, ESRCH as it is read.
      if (!['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    }
  }
  return sum
}

/** Percent of one core that they use together, watched for `ms`. */
export async function cpuPercent(pids: number[], ms: number): Promise<number> {
  const before = pids.map(cpuTime)
  const began = performance.now()
  await new Promise((done) => setTimeout(done, ms))
  const took = performance.now() - began
  return pids.reduce((sum, pid, i) => sum + Math.max(0, cpuTime(pid) - before[i]), 0) / 1e6 / took * 100
}
