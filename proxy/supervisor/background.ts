/**
 * A spare executor starts in the background: it takes a core for half a second just after a zone's first client came, and that
 * client's program shall not share its cores with it. SCHED_IDLE is the kernel's word for that: such a thread runs when no other wants the core.
 *
 * The way back needs a right (a nice limit of 0, or CAP_SYS_NICE: sched(7)); without it spares start as everything else does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import koffi from 'koffi';

const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
const CAP_SYS_NICE = 1n << 23n;
/** RLIMIT_NICE counts from 20 (nice 0) to 40 (nice -20). */
const NICE_ZERO = 20;

const libc = koffi.load(null);
const getPolicy = libc.func('int sched_getscheduler(int thread)');
const setPolicy = libc.func('int sched_setscheduler(int thread, int policy, const int *priority)');
const PRIORITY = new Int32Array(1);

/** Whether a process of ours that is in the background can be brought back: from the text of `/proc/self/limits` and `/proc/self/status`. */
export function mayReturn(limits: string, status: string): boolean {
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0';
  if ((BigInt(`0x${capabilities}`) & CAP_SYS_NICE) !== 0n) return true;
  const limit = /^Max nice priority\s+(\S+)/m.exec(limits)?.[1] ?? '0';
  return limit === 'unlimited' || Number(limit) >= NICE_ZERO;
}

const possible = ((): boolean => {
  try {
    return mayReturn(readFileSync('/proc/self/limits', 'latin1'), readFileSync('/proc/self/status', 'latin1'));
  } catch {
    return false;
  }
})();

/** All threads of the process; again until none was left, because a thread inherits its maker's policy, and may be made meanwhile, by one that
 *  has ended since too. One that may not be changed stays as it is. */
function schedule(pid: number, policy: number): void {
  for (let changed = true; changed; ) {
    changed = false;
    let threads: string[];
    try {
      threads = readdirSync(`/proc/${pid}/task`);
    } catch {
      return; // gone
    }
    for (const thread of threads.map(Number)) {
      const before = getPolicy(thread) as number;
      if (before === policy) continue;
      setPolicy(thread, policy, PRIORITY);
      if (before < 0 || getPolicy(thread) !== before) changed = true;
    }
  }
}

/** Puts a child process in the background. False: it could not be brought back, so nothing was done. */
export function toBackground(pid: number): boolean {
  if (possible) schedule(pid, SCHED_IDLE);
  return possible;
}

export function toForeground(pid: number): void {
  schedule(pid, SCHED_OTHER);
}
