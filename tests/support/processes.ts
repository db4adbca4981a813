// Processes, as tests see them from outside.
import { readFileSync, readdirSync } from 'node:fs'
import { mayReturn } from '../../proxy/supervisor/background.ts'

/** Whether there is such a process, a zombie included. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Whether a spare of this process may be SCHED_IDLE. */
export const mayBeIdle = (): boolean => mayReturn(readFileSync('/proc/self/limits', 'latin1'), readFileSync('/proc/self/status', 'latin1'))

/** The scheduling policies of a process's threads: field 41 of `stat`, proc(5). */
export function policies(pid: number): Set<string> {
  const found = new Set<string>()
  for (const thread of readdirSync(`/proc/${pid}/task`))
    try {
      found.add(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')[38] as string)
    } catch {
      // It ended meanwhile.
    }
  return found
}

/** The nice of a process's scheduling group, autogroup in sched(7); 'none' where the kernel has no such groups. */
export function groupNice(pid: number): string {
  try {
    return /nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'latin1'))?.[1] ?? 'none'
  } catch {
    return 'none'
  }
}
